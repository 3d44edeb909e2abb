#include "kcommon/base/err.h"
#include "kcommon/compress/codec.h"

#include <endian.h>
#include <stdlib.h>

#define LZ4_MAGIC_LEN 4
#define LZ4_HEADER_MIN 7 /* magic, FLG, BD, HC */
#define FLG_VERSION 0xc0
#define FLG_VERSION_01 0x40
#define FLG_INDEPENDENT 0x20
#define FLG_CONTENT_SIZE 0x08
#define FLG_DICTIONARY 0x01
#define BLOCK_ID(bd) ((bd) >> 4 & 7)
#define BLOCK_ID_KEPT 5 /* 256 KiB; a larger state is freed at close */
#define PIECE 65536 /* input given to the library at once */

/* LZ4F's levels of the slow compressor. */
#define HC_LEVEL_MIN 3
#define HC_LEVEL_MAX 12

static uint32_t
rotl(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

/*
 * XXH32 with seed 0 of less than 16 bytes, which is all a frame header has;
 * the library keeps its own to itself.
 */
static uint32_t
xxh32_short(const uint8_t *p, size_t len)
{
	uint32_t h = 374761393u + (uint32_t)len;
	uint32_t word;

	for (; len >= 4; p += 4, len -= 4) {
		memcpy(&word, p, 4);
		h = rotl(h + le32toh(word) * 3266489917u, 17) * 668265263u;
	}
	for (; len > 0; p++, len--)
		h = rotl(h + *p * 374761393u, 11) * 2654435761u;
	h = (h ^ h >> 15) * 2246822519u;
	h = (h ^ h >> 13) * 3266489917u;
	return h ^ h >> 16;
}

static uint8_t
header_sum(const uint8_t *p, size_t len)
{
	return (uint8_t)(xxh32_short(p, len) >> 8);
}

/*
 * What Kafka's reader demands beyond the format: blocks that stand alone, no
 * dictionary.  For magic v0 the header's checksum is whatever the client
 * made of it, so the library is given a header with the right one.
 */
static int
lz4_open(struct kc_decomp *d)
{
	static const uint8_t magic[LZ4_MAGIC_LEN] = { 0x04, 0x22, 0x4d, 0x18 };
	struct kc_compress_ctx *ctx = d->ctx;
	size_t len = LZ4_HEADER_MIN;

	if ((size_t)(d->end - d->p) < len)
		return KC_EMALFORMED;
	if (memcmp(d->p, magic, sizeof magic) != 0 ||
	    (d->p[4] & FLG_VERSION) != FLG_VERSION_01 ||
	    (d->p[4] & FLG_INDEPENDENT) == 0 || (d->p[4] & FLG_DICTIONARY) != 0)
		return KC_EMALFORMED;
	if (d->params.lz4_v0) {
		if (d->p[4] & FLG_CONTENT_SIZE)
			len += 8;
		if ((size_t)(d->end - d->p) < len)
			return KC_EMALFORMED;
		memcpy(d->head, d->p, len);
		d->head[len - 1] = header_sum(
		    d->head + LZ4_MAGIC_LEN, len - 1 - LZ4_MAGIC_LEN);
		d->head_len = len;
		d->p += len;
	}
	if (ctx->lz4_d != NULL)
		LZ4F_resetDecompressionContext(ctx->lz4_d);
	else if (LZ4F_isError(LZ4F_createDecompressionContext(
		     &ctx->lz4_d, LZ4F_VERSION)))
		return KC_ENOMEM;
	return KC_OK;
}

/* The library's error numbers are not public, their names are. */
static int
lz4_error(size_t ret)
{
	return strstr(LZ4F_getErrorName(ret), "allocation") != NULL ?
	    KC_ENOMEM :
	    KC_EMALFORMED;
}

static int
lz4_read(struct kc_decomp *d, uint8_t *out, size_t cap, size_t *n)
{
	const uint8_t *p;
	size_t left, room, hint;

	while (*n == 0) {
		/* hint 0: the frame has ended, and nothing may follow. */
		if (d->between)
			return d->p == d->end ? KC_OK : KC_EMALFORMED;
		p = d->p;
		left = (size_t)(d->end - d->p);
		if (d->head_at < d->head_len) {
			p = d->head + d->head_at;
			left = d->head_len - d->head_at;
		}
		room = cap;
		hint =
		    LZ4F_decompress(d->ctx->lz4_d, out, &room, p, &left, NULL);
		if (LZ4F_isError(hint))
			return lz4_error(hint);
		if (d->head_at < d->head_len)
			d->head_at += left;
		else
			d->p += left;
		d->between = hint == 0;
		*n = room;
		if (room == 0 && left == 0 && hint != 0)
			return KC_EMALFORMED; /* cut */
	}
	return KC_OK;
}

static void
lz4_close(struct kc_decomp *d)
{
	const uint8_t *in = d->params.in;

	if (d->params.len >= LZ4_HEADER_MIN &&
	    BLOCK_ID(in[5]) > BLOCK_ID_KEPT) {
		LZ4F_freeDecompressionContext(d->ctx->lz4_d);
		d->ctx->lz4_d = NULL;
	}
}

/*
 * Kafka's level 9 is its default and means the fast compressor; any other
 * one is a level of the slow one.
 */
static int
library_level(int level)
{
	if (level == 9)
		return 0;
	return KC_MAX(HC_LEVEL_MIN, KC_MIN(level, HC_LEVEL_MAX));
}

static int
lz4_comp_open(struct kc_comp *c)
{
	struct kc_compress_ctx *ctx = c->ctx;
	LZ4F_preferences_t prefs = {
		.frameInfo = { .blockSizeID = LZ4F_max64KB,
		    .blockMode = LZ4F_blockIndependent },
		.compressionLevel = library_level(c->params.level),
	};
	size_t n;

	if (ctx->lz4_out == NULL) {
		ctx->lz4_out_cap = LZ4F_compressBound(PIECE, NULL);
		if ((ctx->lz4_out = malloc(ctx->lz4_out_cap)) == NULL)
			return KC_ENOMEM;
	}
	if (ctx->lz4_c == NULL &&
	    LZ4F_isError(
		LZ4F_createCompressionContext(&ctx->lz4_c, LZ4F_VERSION)))
		return KC_ENOMEM;
	n = LZ4F_compressBegin(
	    ctx->lz4_c, ctx->lz4_out, ctx->lz4_out_cap, &prefs);
	if (LZ4F_isError(n))
		return KC_ENOMEM;
	/* KAFKA-3160: clients of magic v0 expect the magic summed as well. */
	if (c->params.lz4_v0)
		ctx->lz4_out[n - 1] = header_sum(ctx->lz4_out, n - 1);
	kc_wr_bytes(c->params.out, ctx->lz4_out, n);
	return c->params.out->err;
}

static int
lz4_write(struct kc_comp *c, const uint8_t *p, size_t n)
{
	struct kc_compress_ctx *ctx = c->ctx;
	size_t piece, made;

	for (; n > 0; p += piece, n -= piece) {
		piece = KC_MIN(n, (size_t)PIECE);
		made = LZ4F_compressUpdate(
		    ctx->lz4_c, ctx->lz4_out, ctx->lz4_out_cap, p, piece, NULL);
		if (LZ4F_isError(made))
			return KC_ENOMEM;
		kc_wr_bytes(c->params.out, ctx->lz4_out, made);
		if (c->params.out->err != KC_OK)
			return c->params.out->err;
	}
	return KC_OK;
}

static int
lz4_finish(struct kc_comp *c)
{
	struct kc_compress_ctx *ctx = c->ctx;
	size_t made;

	made =
	    LZ4F_compressEnd(ctx->lz4_c, ctx->lz4_out, ctx->lz4_out_cap, NULL);
	if (LZ4F_isError(made))
		return KC_ENOMEM;
	kc_wr_bytes(c->params.out, ctx->lz4_out, made);
	return c->params.out->err;
}

const struct kc_decomp_ops kc_lz4_decomp = {
	.open = lz4_open, .read = lz4_read, .close = lz4_close
};
const struct kc_comp_ops kc_lz4_comp = {
	.open = lz4_comp_open, .write = lz4_write, .finish = lz4_finish
};
