/*
 * judge -- what validate.c and validate_old.c share; private.
 */
#ifndef KC_JUDGE_H
#define KC_JUDGE_H

#include "kcommon/record/iter.h"
#include "kcommon/record/validate.h"

/*
 * Bytes of one record held while a client's batch is written anew.  Java
 * clients refuse to send more than their buffer of 32 MiB.
 */
#define KC_JUDGE_HELD_MAX (64 << 20)

struct kc_judge {
	const struct kc_validate_params *params;
	struct kc_compress_ctx *ctx; /* may be NULL */
	struct kc_validated *out;
	int64_t oldest; /* timestamps outside are refused */
	int64_t newest;
	bool timestamp_fault; /* one of the faults is about a timestamp */
};

/*
 * The verdict is v, with a text; returns KC_OK, as every judgement that was
 * reached.  A second one does not replace the first.
 */
int kc_judge_refuse(struct kc_judge *j, enum kc_verdict v, const char *fmt, ...)
    KC_PRINTF(3, 4);
/* The verdict for an error of a parser or codec, or rc when it is ours. */
int kc_judge_broken(struct kc_judge *j, int rc);
/* Size and checksum of one batch of any magic. */
int kc_judge_bytes(struct kc_judge *j, const struct kc_batch *b);

void kc_judge_fault(struct kc_judge *j, enum kc_record_fault fault,
    const struct kc_record *rec, int32_t index);

/* Key and timestamp of one record; at most one fault. */
static inline void
kc_judge_record(struct kc_judge *j, const struct kc_record *rec, int32_t index,
    bool append_time)
{
	if (KC_UNLIKELY(j->params->compact && rec->key.len < 0))
		kc_judge_fault(j, KC_FAULT_NO_KEY, rec, index);
	else if (!j->params->append_time && rec->timestamp != KC_NO_TIMESTAMP) {
		if (KC_UNLIKELY(rec->timestamp < j->oldest ||
			rec->timestamp > j->newest))
			kc_judge_fault(j, KC_FAULT_TIMESTAMP, rec, index);
	} else if (KC_UNLIKELY(append_time))
		kc_judge_fault(j, KC_FAULT_TIMESTAMP_TYPE, rec, index);
}

/* After the walk: refuses when there were faults. */
int kc_judge_faults(struct kc_judge *j);

/* validate_old.c: message sets of magic 0 and 1; b is the first entry. */
int kc_judge_old(struct kc_judge *j, const struct kc_batch *b, size_t len);

#endif
