/*
 * compress -- the codecs of record batches, as streams.
 *
 * Reading: kc_decomp turns borrowed compressed bytes into plain ones piece
 * by piece, so that a batch that inflates a thousandfold is checked in the
 * memory of one window.  Writing: kc_comp takes plain bytes and appends to a
 * kc_wr, whose limit bounds the result.
 *
 * What is written can be read by Kafka's Java clients and by librdkafka:
 *   gzip    one member
 *   snappy  xerial framing, blocks of 32 KiB; raw snappy is read as well
 *   lz4     one frame, independent blocks of 64 KiB, no checksums
 *   zstd    one frame; only windows up to 2^27 bytes are read
 *
 * A kc_compress_ctx keeps the codecs' state between uses.  It belongs to one
 * thread and serves one reader and one writer at a time; NULL in its place
 * makes the stream allocate its own.
 *
 * Errors: KC_EMALFORMED (not such a stream, or cut), KC_ELIMIT (output,
 * ratio or window over the limit), KC_ENOMEM.  They are sticky.
 */
#ifndef KC_COMPRESS_H
#define KC_COMPRESS_H

#include "kcommon/base/kc.h"
#include "kcommon/base/str.h"
#include "kcommon/buf/wr.h"

#include <sys/uio.h>

enum kc_codec { /* the numbers of the attributes byte */
	KC_CODEC_NONE,
	KC_CODEC_GZIP,
	KC_CODEC_SNAPPY,
	KC_CODEC_LZ4,
	KC_CODEC_ZSTD,
};
#define KC_CODEC_MAX KC_CODEC_ZSTD

struct kc_compress_ctx;

int kc_compress_ctx_open(struct kc_compress_ctx **ctxp);
/* No stream may be open on it; *ctxp NULL is fine. */
void kc_compress_ctx_close(struct kc_compress_ctx **ctxp);

/* "none", "gzip", ...; "unknown" for a number that is none. */
const char *kc_codec_name(int codec);
/* By Kafka's configuration name ("none", "gzip", ...); KC_EINVAL. */
int kc_codec_parse(struct kc_str name, enum kc_codec *codec);
/* Kafka's default level: gzip -1, lz4 9, zstd 3, else 0. */
int kc_codec_level_default(enum kc_codec codec);
/* gzip -1 and 1..9, lz4 1..17, zstd -131072..22; others take any. */
bool kc_codec_level_ok(enum kc_codec codec, int level);

/*
 * Reading.
 */
struct kc_decomp;

struct kc_decomp_params {
	enum kc_codec codec; /* 0..KC_CODEC_MAX, checked by the caller */
	const void *in; /* borrowed until close */
	size_t len;
	uint64_t max; /* bytes of output; 0: KC_DECOMP_MAX */
	uint32_t ratio_max; /* output to input; 0: no limit */
	bool lz4_v0; /* the header checksum of magic v0, not checked */
};

/*
 * No Java client can hold more than this, so no batch legally inflates to
 * more; a real broker takes bombs of 1000 MiB.
 */
#define KC_DECOMP_MAX INT32_MAX

int kc_decomp_open(struct kc_decomp **dp, struct kc_compress_ctx *ctx,
    const struct kc_decomp_params *params);
/*
 * Next bytes of the plain text, at most cap (> 0).  *n is 0 with KC_OK only
 * at the end, when the input was one whole stream and nothing followed it.
 */
int kc_decomp_read(struct kc_decomp *d, void *out, size_t cap, size_t *n);
void kc_decomp_close(struct kc_decomp **dp); /* *dp NULL is fine */

/*
 * Writing.
 */
struct kc_comp;

struct kc_comp_params {
	enum kc_codec codec;
	int level; /* checked by kc_codec_level_ok(), else KC_EINVAL */
	int64_t size; /* exact bytes to come, or -1: unknown */
	struct kc_wr *out; /* appended to */
	bool lz4_v0; /* write the header checksum that magic v0 wants */
};

int kc_comp_open(struct kc_comp **cp, struct kc_compress_ctx *ctx,
    const struct kc_comp_params *params);
int kc_comp_write(struct kc_comp *c, const void *p, size_t n);
/* Everything is in out after this. */
int kc_comp_finish(struct kc_comp *c);
void kc_comp_close(struct kc_comp **cp); /* *cp NULL is fine */

/* All of iov[0..n) at once. */
int kc_compress(struct kc_compress_ctx *ctx, enum kc_codec codec, int level,
    const struct iovec *iov, int n, struct kc_wr *out);
/* All of in[0..len) at once, at most max bytes (0: KC_DECOMP_MAX). */
int kc_decompress(struct kc_compress_ctx *ctx, enum kc_codec codec,
    const void *in, size_t len, uint64_t max, struct kc_wr *out);

#endif
