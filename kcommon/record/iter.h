/*
 * iter -- the records of one batch of magic 2.
 *
 * Plain batches are walked in place; compressed ones through a window of
 * 64 KiB.  KC_ITER_SKIP parses and checks every record without holding more
 * than the window, whatever the size of a value; KC_ITER_FULL gives keys,
 * values and headers, and so holds one record at a time.
 *
 *	struct kc_iter it;
 *	struct kc_record rec;
 *
 *	kc_iter_open(&it, &batch, KC_ITER_FULL, ctx);
 *	while (kc_iter_next(&it, &rec))
 *		...
 *	rc = kc_iter_close(&it);
 *
 * The end is an error (KC_EMALFORMED) unless there were exactly as many
 * records as the batch declares and nothing is left over.  The checksum is
 * not looked at.
 *
 * Kafka: DefaultRecord, DefaultRecordBatch.
 */
#ifndef KC_ITER_H
#define KC_ITER_H

#include "kcommon/record/batch.h"

enum kc_iter_mode {
	KC_ITER_SKIP,
	KC_ITER_FULL,
};

/* Bytes of one compressed record that KC_ITER_FULL will hold. */
#define KC_RECORD_HELD_MAX (512 << 20)

struct kc_record {
	int64_t offset;
	int64_t timestamp; /* LogAppendTime: that of the batch */
	int32_t delta; /* offset delta as written */
	int32_t size; /* of the body */
	struct kc_str key; /* len -1 null; skip: only len is set */
	struct kc_str value;
	/* Name and value pairs as encoded, after their count (full only). */
	struct kc_str headers;
	int32_t nheaders;
};

struct kc_iter {
	struct kc_batch batch;
	const uint8_t *p; /* p <= end: what is at hand */
	const uint8_t *end;
	int32_t index; /* records given so far */
	bool append_time;
	enum kc_iter_mode mode;
	int32_t held_max; /* of a compressed record; may be lowered */
	int err; /* sticky */
	/* Compressed only. */
	struct kc_decomp *decomp;
	uint8_t *window; /* owned */
	size_t window_cap;
	bool eof; /* decomp has no more */
};

/*
 * Borrows the batch's bytes, and ctx (may be NULL) until close.  An error is
 * kept for kc_iter_close().
 */
void kc_iter_open(struct kc_iter *it, const struct kc_batch *b,
    enum kc_iter_mode mode, struct kc_compress_ctx *ctx);
/* False at the end or on error.  Slices of rec live until the next call. */
bool kc_iter_next(struct kc_iter *it, struct kc_record *rec);
/*
 * KC_OK when the walk reached a proper end or was left early without an
 * error; KC_EMALFORMED, KC_ELIMIT, KC_ENOMEM, KC_EUNSUPPORTED (codec).
 */
int kc_iter_close(struct kc_iter *it);

/*
 * Next header of rec: *at begins at 0 and is moved.  False after the last
 * one.  Only for records from KC_ITER_FULL.
 */
bool kc_record_header(const struct kc_record *rec, size_t *at,
    struct kc_str *name, struct kc_str *value);

#endif
