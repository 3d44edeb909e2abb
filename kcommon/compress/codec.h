/*
 * codec -- what compress.c shares with one file a codec; private.
 *
 * A stream lives inside its context.  Codec states are made at first use and
 * reset at the next open, so a stream may be left in any state.
 */
#ifndef KC_CODEC_H
#define KC_CODEC_H

#include "kcommon/compress/compress.h"

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

struct kc_decomp_ops {
	int (*open)(struct kc_decomp *d);
	/* n > 0 bytes, or 0 at a proper end. */
	int (*read)(struct kc_decomp *d, uint8_t *out, size_t cap, size_t *n);
	void (*close)(struct kc_decomp *d); /* NULL: nothing to do */
};

struct kc_comp_ops {
	int (*open)(struct kc_comp *c);
	int (*write)(struct kc_comp *c, const uint8_t *p, size_t n);
	int (*finish)(struct kc_comp *c);
};

struct kc_decomp {
	const struct kc_decomp_ops *ops; /* NULL: not in use */
	struct kc_compress_ctx *ctx;
	bool own_ctx;
	struct kc_decomp_params params;
	const uint8_t *p; /* p <= end: input not taken yet */
	const uint8_t *end;
	uint64_t max; /* of output */
	uint64_t total; /* output so far */
	int err;
	bool done;
	bool raw; /* snappy without framing */
	bool between; /* at the end of a gzip member, lz4 or zstd frame */
	/* snappy: plain bytes of the present block. */
	size_t at;
	size_t have;
	/* lz4: the frame header with its checksum mended. */
	uint8_t head[16];
	size_t head_at;
	size_t head_len;
};

struct kc_comp {
	const struct kc_comp_ops *ops; /* NULL: not in use */
	struct kc_compress_ctx *ctx;
	bool own_ctx;
	struct kc_comp_params params;
	size_t have; /* snappy: bytes waiting in the block */
	int err;
};

struct kc_compress_ctx {
	struct kc_decomp decomp;
	struct kc_comp comp;
	/* Codec states, NULL or not ready until first used. */
	z_stream inflate;
	z_stream deflate;
	bool inflate_ready;
	bool deflate_ready;
	int deflate_level;
	LZ4F_dctx *lz4_d;
	LZ4F_cctx *lz4_c;
	uint8_t *lz4_out;
	size_t lz4_out_cap;
	ZSTD_DCtx *zstd_d;
	ZSTD_CCtx *zstd_c;
	uint8_t *snappy_plain; /* reading: a block */
	size_t snappy_plain_cap;
	uint8_t *snappy_block; /* writing: KC_SNAPPY_BLOCK */
	uint8_t *snappy_out;
};

#define KC_SNAPPY_BLOCK 32768

extern const struct kc_decomp_ops kc_gzip_decomp;
extern const struct kc_decomp_ops kc_snappy_decomp;
extern const struct kc_decomp_ops kc_lz4_decomp;
extern const struct kc_decomp_ops kc_zstd_decomp;
extern const struct kc_comp_ops kc_gzip_comp;
extern const struct kc_comp_ops kc_snappy_comp;
extern const struct kc_comp_ops kc_lz4_comp;
extern const struct kc_comp_ops kc_zstd_comp;

/*
 * Free room at the end of out, at least one byte and about want; 0 with
 * out->err set when there is none.  A codec that is asked for more room than
 * it will use must not fail at the limit for that alone.
 */
size_t kc_codec_room(struct kc_wr *out, size_t want);

#endif
