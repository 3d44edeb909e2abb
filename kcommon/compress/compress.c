#include "kcommon/compress/compress.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/compress/codec.h"

static const char *const codec_names[] = { "none", "gzip", "snappy", "lz4",
	"zstd" };

const char *
kc_codec_name(int codec)
{
	if (codec < 0 || codec > KC_CODEC_MAX)
		return "unknown";
	return codec_names[codec];
}

int
kc_codec_parse(struct kc_str name, enum kc_codec *codec)
{
	int i;

	for (i = 0; i <= KC_CODEC_MAX; i++)
		if (kc_str_eqz(name, codec_names[i])) {
			*codec = (enum kc_codec)i;
			return KC_OK;
		}
	return KC_EINVAL;
}

int
kc_codec_level_default(enum kc_codec codec)
{
	switch (codec) {
	case KC_CODEC_GZIP:
		return -1;
	case KC_CODEC_LZ4:
		return 9;
	case KC_CODEC_ZSTD:
		return 3;
	default:
		return 0;
	}
}

bool
kc_codec_level_ok(enum kc_codec codec, int level)
{
	switch (codec) {
	case KC_CODEC_GZIP:
		return level == -1 || (level >= 1 && level <= 9);
	case KC_CODEC_LZ4:
		return level >= 1 && level <= 17;
	case KC_CODEC_ZSTD:
		return level >= -131072 && level <= 22;
	default:
		return true;
	}
}

int
kc_compress_ctx_open(struct kc_compress_ctx **ctxp)
{
	KC_ASSERT(ctxp != NULL && *ctxp == NULL);
	*ctxp = calloc(1, sizeof **ctxp);
	return *ctxp != NULL ? KC_OK : KC_ENOMEM;
}

void
kc_compress_ctx_close(struct kc_compress_ctx **ctxp)
{
	struct kc_compress_ctx *ctx = *ctxp;

	*ctxp = NULL;
	if (ctx == NULL)
		return;
	KC_ASSERT(ctx->decomp.ops == NULL && ctx->comp.ops == NULL);
	if (ctx->inflate_ready)
		inflateEnd(&ctx->inflate);
	if (ctx->deflate_ready)
		deflateEnd(&ctx->deflate);
	LZ4F_freeDecompressionContext(ctx->lz4_d);
	LZ4F_freeCompressionContext(ctx->lz4_c);
	ZSTD_freeDCtx(ctx->zstd_d);
	ZSTD_freeCCtx(ctx->zstd_c);
	free(ctx->lz4_out);
	free(ctx->snappy_plain);
	free(ctx->snappy_block);
	free(ctx->snappy_out);
	free(ctx);
}

size_t
kc_codec_room(struct kc_wr *out, size_t want)
{
	if (out->err == KC_OK && out->len < out->max)
		want = KC_MIN(want, out->max - out->len);
	if (!kc_wr_room(out, want))
		return 0;
	return KC_MIN(out->cap, out->max) - out->len;
}

static int
none_decomp_open(struct kc_decomp *d KC_UNUSED)
{
	return KC_OK;
}

static int
none_read(struct kc_decomp *d, uint8_t *out, size_t cap, size_t *n)
{
	*n = KC_MIN(cap, (size_t)(d->end - d->p));
	if (*n > 0)
		memcpy(out, d->p, *n);
	d->p += *n;
	return KC_OK;
}

static int
none_comp_open(struct kc_comp *c KC_UNUSED)
{
	return KC_OK;
}

static int
none_write(struct kc_comp *c, const uint8_t *p, size_t n)
{
	kc_wr_bytes(c->params.out, p, n);
	return c->params.out->err;
}

static int
none_finish(struct kc_comp *c)
{
	return c->params.out->err;
}

static const struct kc_decomp_ops none_decomp = { .open = none_decomp_open,
	.read = none_read };
static const struct kc_comp_ops none_comp = {
	.open = none_comp_open, .write = none_write, .finish = none_finish
};

static const struct kc_decomp_ops *const decomps[] = { &none_decomp,
	&kc_gzip_decomp, &kc_snappy_decomp, &kc_lz4_decomp, &kc_zstd_decomp };
static const struct kc_comp_ops *const comps[] = { &none_comp, &kc_gzip_comp,
	&kc_snappy_comp, &kc_lz4_comp, &kc_zstd_comp };

int
kc_decomp_open(struct kc_decomp **dp, struct kc_compress_ctx *ctx,
    const struct kc_decomp_params *params)
{
	const uint8_t *in = params->len > 0 ? params->in : (const void *)"";
	struct kc_decomp *d;
	bool own = ctx == NULL;
	int rc;

	KC_ASSERT(dp != NULL && *dp == NULL);
	KC_ASSERT((unsigned)params->codec <= KC_CODEC_MAX);
	if (params->len > INT32_MAX)
		return KC_ELIMIT; /* nothing in Kafka is longer */
	if (own && (rc = kc_compress_ctx_open(&ctx)) != KC_OK)
		return rc;
	d = &ctx->decomp;
	KC_ASSERT(d->ops == NULL); /* one at a time */
	*d = (struct kc_decomp){
		.ops = decomps[params->codec],
		.ctx = ctx,
		.own_ctx = own,
		.params = *params,
		.p = in,
		.end = in + params->len,
		.max = params->max != 0 ? params->max : KC_DECOMP_MAX,
	};
	if (params->ratio_max != 0)
		d->max =
		    KC_MIN(d->max, (uint64_t)params->ratio_max * params->len);
	if ((rc = d->ops->open(d)) != KC_OK)
		kc_decomp_close(&d);
	*dp = d;
	return rc;
}

int
kc_decomp_read(struct kc_decomp *d, void *out, size_t cap, size_t *n)
{
	*n = 0;
	if (d->err != KC_OK || d->done)
		return d->err;
	if ((d->err = d->ops->read(d, out, cap, n)) != KC_OK) {
		*n = 0;
		return d->err;
	}
	d->done = *n == 0;
	d->total += *n;
	if (d->total > d->max) {
		*n = 0;
		d->err = KC_ELIMIT;
	}
	return d->err;
}

void
kc_decomp_close(struct kc_decomp **dp)
{
	struct kc_decomp *d = *dp;
	struct kc_compress_ctx *ctx;

	*dp = NULL;
	if (d == NULL)
		return;
	ctx = d->own_ctx ? d->ctx : NULL;
	if (d->ops->close != NULL)
		d->ops->close(d);
	d->ops = NULL;
	kc_compress_ctx_close(&ctx);
}

int
kc_comp_open(struct kc_comp **cp, struct kc_compress_ctx *ctx,
    const struct kc_comp_params *params)
{
	struct kc_comp *c;
	bool own = ctx == NULL;
	int rc;

	KC_ASSERT(cp != NULL && *cp == NULL);
	KC_ASSERT((unsigned)params->codec <= KC_CODEC_MAX);
	if (!kc_codec_level_ok(params->codec, params->level))
		return KC_EINVAL;
	if (own && (rc = kc_compress_ctx_open(&ctx)) != KC_OK)
		return rc;
	c = &ctx->comp;
	KC_ASSERT(c->ops == NULL); /* one at a time */
	*c = (struct kc_comp){
		.ops = comps[params->codec],
		.ctx = ctx,
		.own_ctx = own,
		.params = *params,
	};
	if ((rc = c->ops->open(c)) != KC_OK)
		kc_comp_close(&c);
	*cp = c;
	return rc;
}

int
kc_comp_write(struct kc_comp *c, const void *p, size_t n)
{
	if (c->err == KC_OK && n > 0)
		c->err = c->ops->write(c, p, n);
	return c->err;
}

int
kc_comp_finish(struct kc_comp *c)
{
	if (c->err == KC_OK)
		c->err = c->ops->finish(c);
	return c->err;
}

void
kc_comp_close(struct kc_comp **cp)
{
	struct kc_comp *c = *cp;
	struct kc_compress_ctx *ctx;

	*cp = NULL;
	if (c == NULL)
		return;
	ctx = c->own_ctx ? c->ctx : NULL;
	c->ops = NULL;
	kc_compress_ctx_close(&ctx);
}

int
kc_compress(struct kc_compress_ctx *ctx, enum kc_codec codec, int level,
    const struct iovec *iov, int n, struct kc_wr *out)
{
	struct kc_comp *c = NULL;
	struct kc_comp_params params = {
		.codec = codec, .level = level, .out = out
	};
	int i, rc;

	for (i = 0; i < n; i++)
		params.size += (int64_t)iov[i].iov_len;
	if ((rc = kc_comp_open(&c, ctx, &params)) != KC_OK)
		return rc;
	for (i = 0; i < n && rc == KC_OK; i++)
		rc = kc_comp_write(c, iov[i].iov_base, iov[i].iov_len);
	if (rc == KC_OK)
		rc = kc_comp_finish(c);
	kc_comp_close(&c);
	return rc;
}

int
kc_decompress(struct kc_compress_ctx *ctx, enum kc_codec codec, const void *in,
    size_t len, uint64_t max, struct kc_wr *out)
{
	struct kc_decomp *d = NULL;
	struct kc_decomp_params params = {
		.codec = codec, .in = in, .len = len, .max = max
	};
	size_t room, n;
	int rc;

	if ((rc = kc_decomp_open(&d, ctx, &params)) != KC_OK)
		return rc;
	do {
		if ((room = kc_codec_room(out, 16384)) == 0) {
			rc = out->err;
			break;
		}
		rc = kc_decomp_read(d, out->p + out->len, room, &n);
		out->len += n;
	} while (rc == KC_OK && n > 0);
	kc_decomp_close(&d);
	return rc;
}
