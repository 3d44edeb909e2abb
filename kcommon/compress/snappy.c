#include "kcommon/base/be.h"
#include "kcommon/base/err.h"
#include "kcommon/compress/codec.h"

#include <snappy-c.h>
#include <stdlib.h>

#define HEADER_LEN 16
#define PLAIN_KEPT (1 << 20) /* a larger buffer is freed at close */
/* Three bytes make at most 64, so no honest block claims more than this. */
#define EXPANSION_MAX 22

/* snappy-java: magic, version 1, readable since version 1. */
static const uint8_t header[HEADER_LEN] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y',
	0, 0, 0, 0, 1, 0, 0, 0, 1 };

/* Skips a header at d->p; KC_EMALFORMED when it is cut or too new. */
static int
skip_header(struct kc_decomp *d)
{
	if (d->end - d->p < HEADER_LEN || memcmp(d->p, header, 8) != 0 ||
	    (int32_t)kc_be32(d->p + 8) < 1)
		return KC_EMALFORMED;
	d->p += HEADER_LEN;
	return KC_OK;
}

static int
snappy_open(struct kc_decomp *d)
{
	if (d->p == d->end)
		return KC_EMALFORMED;
	if (d->end - d->p >= 8 && memcmp(d->p, header, 8) == 0)
		return skip_header(d);
	/* librdkafka and others write one bare block. */
	d->raw = true;
	return KC_OK;
}

/* The next block: at *block, *len bytes; *len 0 at the end. */
static int
next_block(struct kc_decomp *d, const uint8_t **block, size_t *len)
{
	size_t left;
	int rc;

	*len = 0;
	if (d->p == d->end)
		return KC_OK;
	*block = d->p;
	if (d->raw) {
		*len = (size_t)(d->end - d->p);
		d->p = d->end;
		return KC_OK;
	}
	/* Streams may have been joined: a header where a length should be. */
	while (d->end - d->p >= 4 && memcmp(d->p, header, 4) == 0)
		if ((rc = skip_header(d)) != KC_OK)
			return rc;
	if (d->p == d->end)
		return KC_OK;
	if (d->end - d->p < 4)
		return KC_EMALFORMED;
	*len = kc_be32(d->p);
	d->p += 4;
	left = (size_t)(d->end - d->p);
	if (*len == 0 || *len > left)
		return KC_EMALFORMED;
	*block = d->p;
	d->p += *len;
	return KC_OK;
}

static int
plain_room(struct kc_compress_ctx *ctx, size_t n)
{
	if (n <= ctx->snappy_plain_cap)
		return KC_OK;
	free(ctx->snappy_plain);
	ctx->snappy_plain_cap = 0;
	if ((ctx->snappy_plain = malloc(n)) == NULL)
		return KC_ENOMEM;
	ctx->snappy_plain_cap = n;
	return KC_OK;
}

/* One block: straight into out when it fits, else into our buffer. */
static int
read_block(struct kc_decomp *d, uint8_t *out, size_t cap, size_t *n,
    const uint8_t *block, size_t len)
{
	const char *in = (const char *)block;
	size_t plain;
	int rc;

	if (snappy_uncompressed_length(in, len, &plain) != SNAPPY_OK)
		return KC_EMALFORMED;
	if (plain > len * EXPANSION_MAX)
		return KC_EMALFORMED;
	if (plain > d->max - d->total)
		return KC_ELIMIT;
	if (plain <= cap) {
		if (snappy_uncompress(in, len, (char *)out, &cap) != SNAPPY_OK)
			return KC_EMALFORMED;
		*n = plain;
		return KC_OK;
	}
	if ((rc = plain_room(d->ctx, plain)) != KC_OK)
		return rc;
	if (snappy_uncompress(in, len, (char *)d->ctx->snappy_plain, &plain) !=
	    SNAPPY_OK)
		return KC_EMALFORMED;
	d->at = 0;
	d->have = plain;
	return KC_OK;
}

static int
snappy_read(struct kc_decomp *d, uint8_t *out, size_t cap, size_t *n)
{
	const uint8_t *block = NULL;
	size_t len;
	int rc;

	while (*n == 0) {
		if (d->at < d->have) {
			*n = KC_MIN(cap, d->have - d->at);
			memcpy(out, d->ctx->snappy_plain + d->at, *n);
			d->at += *n;
			return KC_OK;
		}
		if ((rc = next_block(d, &block, &len)) != KC_OK)
			return rc;
		if (len == 0)
			return KC_OK;
		rc = read_block(d, out, cap, n, block, len);
		if (rc != KC_OK)
			return rc;
	}
	return KC_OK;
}

static void
snappy_close(struct kc_decomp *d)
{
	struct kc_compress_ctx *ctx = d->ctx;

	if (ctx->snappy_plain_cap > PLAIN_KEPT) {
		free(ctx->snappy_plain);
		ctx->snappy_plain = NULL;
		ctx->snappy_plain_cap = 0;
	}
}

static int
snappy_comp_open(struct kc_comp *c)
{
	struct kc_compress_ctx *ctx = c->ctx;

	if (ctx->snappy_block == NULL)
		ctx->snappy_block = malloc(KC_SNAPPY_BLOCK);
	if (ctx->snappy_out == NULL)
		ctx->snappy_out =
		    malloc(snappy_max_compressed_length(KC_SNAPPY_BLOCK));
	if (ctx->snappy_block == NULL || ctx->snappy_out == NULL)
		return KC_ENOMEM;
	kc_wr_bytes(c->params.out, header, HEADER_LEN);
	return c->params.out->err;
}

static int
write_block(struct kc_comp *c, const uint8_t *p, size_t n)
{
	struct kc_wr *out = c->params.out;
	size_t len = snappy_max_compressed_length(KC_SNAPPY_BLOCK);

	if (snappy_compress((const char *)p, n, (char *)c->ctx->snappy_out,
		&len) != SNAPPY_OK)
		return KC_ENOMEM;
	kc_wr_u32(out, (uint32_t)len);
	kc_wr_bytes(out, c->ctx->snappy_out, len);
	return out->err;
}

static int
snappy_write(struct kc_comp *c, const uint8_t *p, size_t n)
{
	size_t piece;
	int rc = KC_OK;

	for (; n > 0 && rc == KC_OK; p += piece, n -= piece) {
		if (c->have == 0 && n >= KC_SNAPPY_BLOCK) {
			piece = KC_SNAPPY_BLOCK;
			rc = write_block(c, p, piece);
			continue;
		}
		piece = KC_MIN(n, KC_SNAPPY_BLOCK - c->have);
		memcpy(c->ctx->snappy_block + c->have, p, piece);
		c->have += piece;
		if (c->have == KC_SNAPPY_BLOCK) {
			c->have = 0;
			rc = write_block(
			    c, c->ctx->snappy_block, KC_SNAPPY_BLOCK);
		}
	}
	return rc;
}

static int
snappy_finish(struct kc_comp *c)
{
	if (c->have == 0)
		return KC_OK;
	return write_block(c, c->ctx->snappy_block, c->have);
}

const struct kc_decomp_ops kc_snappy_decomp = {
	.open = snappy_open, .read = snappy_read, .close = snappy_close
};
const struct kc_comp_ops kc_snappy_comp = {
	.open = snappy_comp_open, .write = snappy_write, .finish = snappy_finish
};
