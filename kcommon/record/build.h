/*
 * build -- writes one batch of magic 2 at the end of a kc_wr.
 *
 *	kc_build_open(&bld, &params, ctx, &w);
 *	kc_build_append(&bld, &rec);
 *	rc = kc_build_finish(&bld);
 *
 * Records go through the compressor as they come; memory is that of the
 * result, bounded by the writer's limit (KC_ELIMIT).  Errors are sticky and
 * come out of finish; after an error the writer is back at its length
 * before.
 */
#ifndef KC_BUILD_H
#define KC_BUILD_H

#include "kcommon/record/iter.h"

struct kc_build_params {
	int64_t base_offset;
	int32_t leader_epoch;
	enum kc_codec codec;
	int level;
	int16_t attributes; /* KC_ATTR_* without the codec */
	int64_t append_time; /* with KC_ATTR_APPEND_TIME: every timestamp */
	int64_t delete_horizon; /* with KC_ATTR_DELETE_HORIZON */
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t base_sequence;
	/* Compaction keeps these of the original; -1: from the records. */
	int32_t last_delta;
	int64_t max_timestamp;
};

/* No producer, no compression, create time, offset 0, epoch -1. */
extern const struct kc_build_params kc_build_params_default;

struct kc_build {
	struct kc_build_params params;
	struct kc_wr *out;
	size_t at; /* where the batch begins in out */
	struct kc_comp *comp;
	int64_t base_timestamp;
	int64_t max_timestamp;
	int64_t last_offset;
	int32_t count;
	int err;
};

void kc_build_open(struct kc_build *bld, const struct kc_build_params *params,
    struct kc_compress_ctx *ctx, struct kc_wr *out);
/*
 * Copies rec: offset (>= base_offset, ascending), timestamp, key, value,
 * headers.  KC_EINVAL for an offset that is too far or not ascending.
 */
int kc_build_append(struct kc_build *bld, const struct kc_record *rec);
/*
 * Without records the result is an empty batch, which only compaction
 * writes.  Must be called once, also after an error.
 */
int kc_build_finish(struct kc_build *bld);

/* One encoded header for kc_record.headers; the caller counts them. */
void kc_build_header(struct kc_wr *w, struct kc_str name, struct kc_str value);

/*
 * A transaction's end marker, one whole control batch at the end of out.
 * Kafka: EndTransactionMarker.
 */
struct kc_marker {
	int64_t producer_id;
	int16_t producer_epoch;
	bool commit; /* else abort */
	int32_t coordinator_epoch;
};

int kc_build_marker(
    const struct kc_marker *m, int64_t timestamp, struct kc_wr *out);

enum kc_control {
	KC_CONTROL_ABORT = 0,
	KC_CONTROL_COMMIT = 1,
	KC_CONTROL_OTHER = 99, /* of no meaning in this mode */
};

/*
 * What a control record says (KC_ITER_FULL); *coordinator_epoch is -1 for
 * KC_CONTROL_OTHER.  KC_OK or KC_EMALFORMED.
 */
int kc_control_parse(const struct kc_record *rec, enum kc_control *type,
    int32_t *coordinator_epoch);

#endif
