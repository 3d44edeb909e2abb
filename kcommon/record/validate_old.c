#include "kcommon/base/err.h"
#include "kcommon/record/build.h"
#include "kcommon/record/judge.h"
#include "kcommon/record/legacy.h"

/* Shape of the whole set: sizes, checksums, one magic, wrappers alone. */
static int
judge_set(struct kc_judge *j, const struct kc_batch *first, size_t len)
{
	const uint8_t *p = first->p;
	bool wrapped = false, mixed = false;
	struct kc_batch b;
	int n = 0, rc;

	for (; (rc = kc_batch_parse(p, len, &b)) == KC_OK;
	     p += b.size, len -= b.size) {
		kc_judge_bytes(j, &b);
		wrapped |= kc_batch_codec(&b) != KC_CODEC_NONE;
		mixed |= b.magic != first->magic;
		n++;
	}
	if (rc != KC_ESHORT)
		return kc_judge_refuse(j, KC_VERDICT_CORRUPT,
		    "An entry of the message set for %s is no message.",
		    j->params->name);
	if (wrapped && n > 1)
		kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "A compressed message for %s is not alone in its set.",
		    j->params->name);
	if (mixed)
		kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "The message set for %s mixes formats.", j->params->name);
	return KC_OK;
}

/* The records of one entry, judged and appended in one go. */
static int
convert_entry(
    struct kc_judge *j, const struct kc_batch *b, struct kc_build *bld)
{
	struct kc_validated *out = j->out;
	struct kc_legacy_iter it;
	struct kc_record rec;

	kc_legacy_iter_open(&it, b, KC_JUDGE_HELD_MAX, j->ctx);
	while (bld->err == KC_OK && kc_legacy_iter_next(&it, &rec)) {
		if (it.inner_magic)
			kc_judge_fault(j, KC_FAULT_MAGIC, &rec, out->count);
		else if (it.inner_codec)
			kc_judge_fault(j, KC_FAULT_NESTED, &rec, out->count);
		else
			kc_judge_record(
			    j, &rec, out->count, kc_batch_append_time(b));
		if (rec.timestamp < KC_NO_TIMESTAMP)
			kc_judge_refuse(j, KC_VERDICT_INVALID,
			    "Invalid negative timestamp %lld for %s.",
			    (long long)rec.timestamp, j->params->name);
		if (rec.timestamp > out->max_timestamp) {
			out->max_timestamp = rec.timestamp;
			out->max_timestamp_delta = out->count;
		}
		rec.offset = out->count++;
		kc_build_append(bld, &rec);
	}
	return kc_legacy_iter_close(&it);
}

static int
convert_set(struct kc_judge *j, const struct kc_batch *first, size_t len)
{
	struct kc_build_params params = kc_build_params_default;
	const uint8_t *p = first->p;
	struct kc_validated *out = j->out;
	struct kc_build bld;
	struct kc_batch b;
	int rc = KC_OK;

	params.codec = out->codec;
	params.level = j->params->level[out->codec];
	if (j->params->append_time) {
		params.attributes = KC_ATTR_APPEND_TIME;
		params.append_time = j->params->now_ms;
	}
	kc_build_open(&bld, &params, j->ctx, &out->built);
	for (; rc == KC_OK && bld.err == KC_OK &&
	     kc_batch_parse(p, len, &b) == KC_OK;
	     p += b.size, len -= b.size)
		rc = convert_entry(j, &b, &bld);
	if (rc != KC_OK && bld.err == KC_OK)
		bld.err = rc;
	return kc_build_finish(&bld);
}

/* Kafka: LogValidator.convertAndAssignOffsetsNonCompressed and its like. */
int
kc_judge_old(struct kc_judge *j, const struct kc_batch *first, size_t len)
{
	struct kc_validated *out = j->out;
	int rc;

	judge_set(j, first, len);
	if (out->verdict != KC_VERDICT_OK)
		return KC_OK;
	if (kc_batch_codec(first) >= KC_CODEC_ZSTD)
		return kc_judge_broken(j, KC_EUNSUPPORTED);
	out->codec = (enum kc_codec)(j->params->codec == KC_CODEC_PRODUCER ?
		kc_batch_codec(first) :
		j->params->codec);
	rc = convert_set(j, first, len);
	kc_judge_faults(j);
	if (out->verdict != KC_VERDICT_OK)
		return KC_OK;
	if (out->built.err == KC_ELIMIT)
		return kc_judge_refuse(j, KC_VERDICT_TOO_LARGE,
		    "The message set for %s exceeds the maximum configured "
		    "size of %d bytes after conversion.",
		    j->params->name, j->params->max_message_bytes);
	if (rc != KC_OK)
		return kc_judge_broken(j, rc);
	if (j->params->append_time) {
		out->max_timestamp = j->params->now_ms;
		out->max_timestamp_delta = 0;
	}
	out->p = out->built.p;
	out->len = out->built.len;
	return KC_OK;
}
