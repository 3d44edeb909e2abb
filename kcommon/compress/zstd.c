#include "kcommon/base/err.h"
#include "kcommon/compress/codec.h"

#include <zstd_errors.h>

#define WINDOW_LOG_MAX 27 /* what Kafka's reader takes; 128 MiB */
#define STATE_KEPT (8 << 20) /* a larger state is freed at close */

static int
zstd_error(size_t ret)
{
	switch (ZSTD_getErrorCode(ret)) {
	case ZSTD_error_frameParameter_windowTooLarge:
		return KC_ELIMIT;
	case ZSTD_error_memory_allocation:
		return KC_ENOMEM;
	default:
		return KC_EMALFORMED;
	}
}

static int
zstd_open(struct kc_decomp *d)
{
	struct kc_compress_ctx *ctx = d->ctx;

	if (d->p == d->end)
		return KC_EMALFORMED;
	if (ctx->zstd_d == NULL && (ctx->zstd_d = ZSTD_createDCtx()) == NULL)
		return KC_ENOMEM;
	ZSTD_DCtx_reset(ctx->zstd_d, ZSTD_reset_session_and_parameters);
	ZSTD_DCtx_setParameter(
	    ctx->zstd_d, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	return KC_OK;
}

/* Frames may follow each other, as in zstd's own tools. */
static int
zstd_read(struct kc_decomp *d, uint8_t *out, size_t cap, size_t *n)
{
	ZSTD_outBuffer to = { out, cap, 0 };
	ZSTD_inBuffer from = { d->p, (size_t)(d->end - d->p), 0 };
	size_t ret, was;

	while (to.pos == 0 && !(d->between && from.pos == from.size)) {
		was = from.pos;
		ret = ZSTD_decompressStream(d->ctx->zstd_d, &to, &from);
		if (ZSTD_isError(ret))
			return zstd_error(ret);
		d->between = ret == 0;
		if (to.pos == 0 && from.pos == was && ret != 0)
			return KC_EMALFORMED; /* cut */
	}
	d->p += from.pos;
	*n = to.pos;
	return KC_OK;
}

static void
zstd_close(struct kc_decomp *d)
{
	struct kc_compress_ctx *ctx = d->ctx;

	if (ctx->zstd_d != NULL && ZSTD_sizeof_DCtx(ctx->zstd_d) > STATE_KEPT) {
		ZSTD_freeDCtx(ctx->zstd_d);
		ctx->zstd_d = NULL;
	}
}

static int
zstd_comp_open(struct kc_comp *c)
{
	struct kc_compress_ctx *ctx = c->ctx;
	size_t ret;

	/* High levels hold tens of megabytes, of no use to a low one. */
	if (ctx->zstd_c != NULL && ZSTD_sizeof_CCtx(ctx->zstd_c) > STATE_KEPT) {
		ZSTD_freeCCtx(ctx->zstd_c);
		ctx->zstd_c = NULL;
	}
	if (ctx->zstd_c == NULL && (ctx->zstd_c = ZSTD_createCCtx()) == NULL)
		return KC_ENOMEM;
	ZSTD_CCtx_reset(ctx->zstd_c, ZSTD_reset_session_and_parameters);
	ret = ZSTD_CCtx_setParameter(
	    ctx->zstd_c, ZSTD_c_compressionLevel, c->params.level);
	if (!ZSTD_isError(ret) && c->params.size >= 0)
		ret = ZSTD_CCtx_setPledgedSrcSize(
		    ctx->zstd_c, (unsigned long long)c->params.size);
	return ZSTD_isError(ret) ? KC_EINVAL : KC_OK;
}

static int
zstd_some(struct kc_comp *c, const uint8_t *p, size_t n, ZSTD_EndDirective end)
{
	struct kc_wr *out = c->params.out;
	ZSTD_inBuffer from = { p, n, 0 };
	ZSTD_outBuffer to;
	size_t ret, room;

	do {
		if ((room = kc_codec_room(out, 4096)) == 0)
			return out->err;
		to = (ZSTD_outBuffer){ out->p + out->len, room, 0 };
		ret = ZSTD_compressStream2(c->ctx->zstd_c, &to, &from, end);
		if (ZSTD_isError(ret))
			return zstd_error(ret) == KC_ENOMEM ? KC_ENOMEM :
							      KC_EINVAL;
		out->len += to.pos;
	} while (end == ZSTD_e_end ? ret != 0 : from.pos < from.size);
	return KC_OK;
}

static int
zstd_write(struct kc_comp *c, const uint8_t *p, size_t n)
{
	return zstd_some(c, p, n, ZSTD_e_continue);
}

static int
zstd_finish(struct kc_comp *c)
{
	return zstd_some(c, NULL, 0, ZSTD_e_end);
}

const struct kc_decomp_ops kc_zstd_decomp = {
	.open = zstd_open, .read = zstd_read, .close = zstd_close
};
const struct kc_comp_ops kc_zstd_comp = {
	.open = zstd_comp_open, .write = zstd_write, .finish = zstd_finish
};
