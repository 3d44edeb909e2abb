/*
 * legacy -- message sets of magic 0 and 1, read and written for old clients.
 *
 * An entry is its own batch; a compressed entry is a wrapper around a set.
 * Wrappers of magic 0 hold absolute offsets, of magic 1 relative ones with
 * the wrapper's offset that of the last.  Sets of magic 0 in lz4 have a
 * header checksum over the wrong bytes (KAFKA-3160).
 *
 * Kafka: LegacyRecord, AbstractLegacyRecordBatch, RecordsUtil.
 */
#ifndef KC_LEGACY_H
#define KC_LEGACY_H

#include "kcommon/record/iter.h"

/*
 * The records of one entry of magic 0 or 1, whose own checksum the caller
 * has looked at.  Inner checksums are verified (KC_ECRC).  Offsets are
 * absolute.  Same shape as kc_iter; FULL only.  A wrapped record of more than
 * held_max bytes is KC_ELIMIT.
 */
struct kc_legacy_iter {
	struct kc_batch batch;
	int32_t held_max;
	int32_t index;
	int err;
	int64_t base; /* added to inner offsets */
	bool append_time;
	bool inner_codec; /* the last record claimed to be compressed */
	bool inner_magic; /* the last record's magic differs from the entry's */
	/* Wrappers only. */
	struct kc_decomp *decomp;
	uint8_t *hold; /* one inner entry; owned */
	size_t hold_cap;
};

void kc_legacy_iter_open(struct kc_legacy_iter *it, const struct kc_batch *b,
    int32_t held_max, struct kc_compress_ctx *ctx);
bool kc_legacy_iter_next(struct kc_legacy_iter *it, struct kc_record *rec);
/* As kc_iter_close(), and KC_ECRC. */
int kc_legacy_iter_close(struct kc_legacy_iter *it);

/*
 * For a fetch of an old version: the batches p[0..len) (a cut last one is
 * ignored) as magic 0 or 1, appended to out.  Control batches are left out,
 * as are single records below fetch_offset.
 *
 * KC_EUNSUPPORTED when the first batch is compressed with zstd and
 * KC_ELIMIT when it does not fit into out; a later such batch ends the
 * conversion and is left for the next fetch.  KC_EMALFORMED, KC_ECRC,
 * KC_ENOMEM.  ctx may be NULL.
 */
int kc_legacy_down_convert(struct kc_compress_ctx *ctx, const uint8_t *p,
    size_t len, int8_t magic, int64_t fetch_offset, struct kc_wr *out);

/*
 * For compaction: the records of b (magic 0 or 1) that keep() wants, by their
 * index, as one batch of the same magic and codec at the end of out.  Nothing
 * is written when it wants none.  As kc_legacy_iter_close(), and KC_ELIMIT.
 */
int kc_legacy_filter(struct kc_compress_ctx *ctx, const struct kc_batch *b,
    bool (*keep)(void *arg, int index), void *arg, struct kc_wr *out);

#endif
