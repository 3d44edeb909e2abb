#include "kcommon/base/err.h"
#include "kcommon/compress/codec.h"

#define GZIP_WINDOW (15 + 16) /* the largest; gzip header and trailer */

static int
gzip_error(int zrc)
{
	return zrc == Z_MEM_ERROR ? KC_ENOMEM : KC_EMALFORMED;
}

static int
inflate_open(struct kc_decomp *d)
{
	struct kc_compress_ctx *ctx = d->ctx;
	int zrc;

	if (ctx->inflate_ready)
		zrc = inflateReset(&ctx->inflate);
	else
		zrc = inflateInit2(&ctx->inflate, GZIP_WINDOW);
	if (zrc != Z_OK)
		return KC_ENOMEM;
	ctx->inflate_ready = true;
	return KC_OK;
}

/* Members may follow each other, as Java's GZIPInputStream reads them. */
static int
gzip_read(struct kc_decomp *d, uint8_t *out, size_t cap, size_t *n)
{
	z_stream *z = &d->ctx->inflate;
	int zrc;

	cap = KC_MIN(cap, (size_t)INT32_MAX);
	z->next_out = out;
	z->avail_out = (uInt)cap;
	while (z->avail_out == cap) {
		if (d->between && d->p == d->end)
			break;
		if (d->between && inflateReset(z) != Z_OK)
			return KC_EMALFORMED;
		z->next_in = (Bytef *)(uintptr_t)d->p;
		z->avail_in = (uInt)(d->end - d->p);
		zrc = inflate(z, Z_NO_FLUSH);
		d->p = z->next_in;
		/* Z_BUF_ERROR: it wants input when there is no more. */
		if (zrc != Z_OK && zrc != Z_STREAM_END)
			return gzip_error(zrc);
		d->between = zrc == Z_STREAM_END;
	}
	*n = cap - z->avail_out;
	return KC_OK;
}

static int
deflate_open(struct kc_comp *c)
{
	struct kc_compress_ctx *ctx = c->ctx;
	int level = c->params.level;

	if (ctx->deflate_ready && ctx->deflate_level == level)
		return deflateReset(&ctx->deflate) == Z_OK ? KC_OK : KC_ENOMEM;
	if (ctx->deflate_ready)
		deflateEnd(&ctx->deflate);
	ctx->deflate_ready = false;
	if (deflateInit2(&ctx->deflate, level, Z_DEFLATED, GZIP_WINDOW, 8,
		Z_DEFAULT_STRATEGY) != Z_OK)
		return KC_ENOMEM;
	ctx->deflate_ready = true;
	ctx->deflate_level = level;
	return KC_OK;
}

static int
deflate_some(struct kc_comp *c, const uint8_t *p, size_t n, int flush)
{
	z_stream *z = &c->ctx->deflate;
	struct kc_wr *out = c->params.out;
	size_t room;
	int zrc;

	z->next_in = (Bytef *)(uintptr_t)p;
	z->avail_in = (uInt)n;
	do {
		if ((room = kc_codec_room(out, 4096)) == 0)
			return out->err;
		room = KC_MIN(room, (size_t)INT32_MAX);
		z->next_out = out->p + out->len;
		z->avail_out = (uInt)room;
		zrc = deflate(z, flush);
		out->len += room - z->avail_out;
		if (zrc != Z_OK && zrc != Z_STREAM_END && zrc != Z_BUF_ERROR)
			return KC_ENOMEM;
	} while (flush == Z_FINISH ? zrc != Z_STREAM_END : z->avail_in > 0);
	return KC_OK;
}

static int
gzip_write(struct kc_comp *c, const uint8_t *p, size_t n)
{
	size_t piece;
	int rc = KC_OK;

	for (; n > 0 && rc == KC_OK; p += piece, n -= piece) {
		piece = KC_MIN(n, (size_t)INT32_MAX);
		rc = deflate_some(c, p, piece, Z_NO_FLUSH);
	}
	return rc;
}

static int
gzip_finish(struct kc_comp *c)
{
	return deflate_some(c, NULL, 0, Z_FINISH);
}

const struct kc_decomp_ops kc_gzip_decomp = { .open = inflate_open,
	.read = gzip_read };
const struct kc_comp_ops kc_gzip_comp = {
	.open = deflate_open, .write = gzip_write, .finish = gzip_finish
};
