#include "kcommon/record/validate.h"

#include "kcommon/base/be.h"
#include "kcommon/base/err.h"
#include "kcommon/record/build.h"
#include "kcommon/record/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define PIPE 16384
#define SHOWN 3 /* faults in the text, as Kafka does */
#define BATCH_VERSION 3 /* Produce: from here one batch of magic 2 */
#define ZSTD_VERSION 7 /* Produce: from here zstd */

const struct kc_validate_params kc_validate_params_default = {
	.name = "",
	.api_version = 9,
	.max_message_bytes = 1048588,
	.before_max_ms = INT64_MAX,
	.after_max_ms = 3600000,
	.codec = KC_CODEC_PRODUCER,
	.level = { 0, -1, 0, 9, 3 },
};

int
kc_judge_refuse(struct kc_judge *j, enum kc_verdict v, const char *fmt, ...)
{
	va_list ap;

	if (j->out->verdict != KC_VERDICT_OK)
		return KC_OK;
	j->out->verdict = v;
	va_start(ap, fmt);
	vsnprintf(j->out->text, sizeof j->out->text, fmt, ap);
	va_end(ap);
	return KC_OK;
}

/*
 * A stream that cannot be read is an invalid record and not a corrupt
 * message: producers send the latter again, for ever.
 */
int
kc_judge_broken(struct kc_judge *j, int rc)
{
	switch (rc) {
	case KC_OK:
	case KC_ENOMEM:
		return rc;
	case KC_ECRC:
		return kc_judge_refuse(j, KC_VERDICT_CORRUPT,
		    "A record inside a compressed batch for %s has a wrong "
		    "checksum.",
		    j->params->name);
	case KC_EUNSUPPORTED:
		return kc_judge_refuse(j, KC_VERDICT_CODEC,
		    "The compression type of the batch for %s is not "
		    "supported.",
		    j->params->name);
	case KC_ELIMIT:
		return kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "The batch for %s expands beyond what a record set may "
		    "hold.",
		    j->params->name);
	default:
		return kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "The records of the batch for %s are malformed or not as "
		    "many as it declares.",
		    j->params->name);
	}
}

int
kc_judge_bytes(struct kc_judge *j, const struct kc_batch *b)
{
	if (b->size > (size_t)KC_MAX(j->params->max_message_bytes, 0))
		return kc_judge_refuse(j, KC_VERDICT_TOO_LARGE,
		    "The record batch size in the append to %s is %zu bytes "
		    "which exceeds the maximum configured value of %d.",
		    j->params->name, b->size, j->params->max_message_bytes);
	if (kc_batch_check_crc(b) != KC_OK)
		return kc_judge_refuse(j, KC_VERDICT_CORRUPT,
		    "Record is corrupt (stored crc = %u) in topic partition "
		    "%s.",
		    b->crc, j->params->name);
	return KC_OK;
}

/* Out of memory here costs the list an entry, not the count. */
void
kc_judge_fault(struct kc_judge *j, enum kc_record_fault fault,
    const struct kc_record *rec, int32_t index)
{
	struct kc_validated *out = j->out;

	if (fault == KC_FAULT_TIMESTAMP || fault == KC_FAULT_TIMESTAMP_TYPE)
		j->timestamp_fault = true;
	out->faults++;
	if (out->errors == NULL)
		out->errors =
		    malloc(KC_RECORD_ERRORS_MAX * sizeof *out->errors);
	if (out->errors == NULL || out->nerrors == KC_RECORD_ERRORS_MAX)
		return;
	out->errors[out->nerrors++] = (struct kc_record_error){
		.index = index,
		.fault = fault,
		.offset = rec->offset,
		.timestamp = rec->timestamp,
	};
}

static int64_t
sat_sub(int64_t a, int64_t b)
{
	int64_t r;

	if (__builtin_sub_overflow(a, b, &r))
		return b < 0 ? INT64_MAX : INT64_MIN;
	return r;
}

static int64_t
sat_add(int64_t a, int64_t b)
{
	int64_t r;

	if (__builtin_add_overflow(a, b, &r))
		return b < 0 ? INT64_MIN : INT64_MAX;
	return r;
}

const char *
kc_validated_fault_text(const struct kc_validate_params *params,
    const struct kc_record_error *e, char *buf)
{
	switch (e->fault) {
	case KC_FAULT_NO_KEY:
		snprintf(buf, KC_VALIDATE_TEXT,
		    "Compacted topic cannot accept message without key in "
		    "topic partition %s.",
		    params->name);
		break;
	case KC_FAULT_TIMESTAMP:
		snprintf(buf, KC_VALIDATE_TEXT,
		    "Timestamp %lld of message with offset %lld is out of "
		    "range. The timestamp should be within [%lld, %lld]",
		    (long long)e->timestamp, (long long)e->offset,
		    (long long)sat_sub(params->now_ms, params->before_max_ms),
		    (long long)sat_add(params->now_ms, params->after_max_ms));
		break;
	case KC_FAULT_TIMESTAMP_TYPE:
		snprintf(buf, KC_VALIDATE_TEXT,
		    "Invalid timestamp type in message with offset %lld. "
		    "Producer should not set timestamp type to LogAppendTime",
		    (long long)e->offset);
		break;
	case KC_FAULT_MAGIC:
		snprintf(buf, KC_VALIDATE_TEXT,
		    "Record %d's magic does not match that of its batch in "
		    "topic partition %s.",
		    e->index, params->name);
		break;
	case KC_FAULT_NESTED:
		snprintf(buf, KC_VALIDATE_TEXT,
		    "Record %d of a compressed batch is itself compressed in "
		    "topic partition %s.",
		    e->index, params->name);
		break;
	}
	return buf;
}

int
kc_judge_faults(struct kc_judge *j)
{
	const struct kc_validated *out = j->out;
	char list[KC_VALIDATE_TEXT - 128] = "", buf[KC_VALIDATE_TEXT];
	size_t at = 0;
	int i;

	if (out->faults == 0)
		return KC_OK;
	if (j->timestamp_fault)
		return kc_judge_refuse(j, KC_VERDICT_TIMESTAMP,
		    "One or more records have been rejected due to invalid "
		    "timestamp");
	for (i = 0; i < KC_MIN(out->nerrors, SHOWN); i++) {
		if (at < sizeof list)
			at += (size_t)snprintf(list + at, sizeof list - at,
			    "%sRecordError(batchIndex=%d, message='%s')",
			    i > 0 ? ", " : "", out->errors[i].index,
			    kc_validated_fault_text(
				j->params, &out->errors[i], buf));
	}
	return kc_judge_refuse(j, KC_VERDICT_INVALID,
	    "One or more records have been rejected due to %d record errors "
	    "in total, and only showing the first three errors at most: [%s]",
	    out->faults, list);
}

/* What the header of one batch of magic 2 may say when a client sent it. */
static int
judge_header(struct kc_judge *j, const struct kc_batch *b)
{
	const char *name = j->params->name;

	if (b->base_offset != 0)
		return kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "The baseOffset of the record batch in the append to %s "
		    "should be 0, but it is %lld",
		    name, (long long)b->base_offset);
	kc_judge_bytes(j, b);
	if (b->last_delta < 0)
		return kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "Batch has an invalid offset range: [0, %d] in topic "
		    "partition %s.",
		    b->last_delta, name);
	if (b->count <= 0)
		return kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "Invalid reported count for record batch: %d in topic "
		    "partition %s.",
		    b->count, name);
	if (b->count - 1 != b->last_delta)
		return kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "Inconsistent batch offset range [0, %d] and count of "
		    "records %d in topic partition %s.",
		    b->last_delta, b->count, name);
	if (kc_batch_control(b))
		return kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "Clients are not allowed to write control records in "
		    "topic partition %s.",
		    name);
	if (kc_batch_has_producer(b) && b->base_sequence < 0)
		return kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "Invalid sequence number %d in record batch with "
		    "producerId %lld in topic partition %s.",
		    b->base_sequence, (long long)b->producer_id, name);
	return KC_OK;
}

/*
 * Every record once.  *in_order: the offset deltas are 0, 1, 2 ... as they
 * must be in the log.
 */
static int
walk(struct kc_judge *j, const struct kc_batch *b, bool *in_order)
{
	struct kc_validated *out = j->out;
	bool append_time = kc_batch_append_time(b);
	int64_t max_ts = KC_NO_TIMESTAMP;
	int32_t max_at = 0, i = 0;
	struct kc_record rec;
	struct kc_iter it;
	bool order = true;
	int rc;

	kc_iter_open(&it, b, KC_ITER_SKIP, j->ctx);
	/* The bit will be cleared: the times below it are those that count. */
	it.append_time &= j->params->append_time;
	while (kc_iter_next(&it, &rec)) {
		kc_judge_record(j, &rec, i, append_time);
		if (rec.timestamp > max_ts) {
			max_ts = rec.timestamp;
			max_at = i;
		}
		order &= rec.delta == i++;
	}
	if ((rc = kc_iter_close(&it)) != KC_OK)
		return kc_judge_broken(j, rc);
	*in_order = order;
	out->count = i;
	out->max_timestamp = max_ts;
	out->max_timestamp_delta = max_at;
	return kc_judge_faults(j);
}

/* The producer's bytes stay; at most two header fields change. */
static void
keep(struct kc_judge *j, const struct kc_batch *b, int16_t attributes)
{
	struct kc_validated *out = j->out;

	out->p = b->p;
	out->len = b->size;
	out->attributes = attributes;
	out->crc = b->crc;
	if (attributes == b->attributes &&
	    out->max_timestamp == b->max_timestamp)
		return;
	out->patch = true;
	out->crc = kc_batch_crc_with(b, attributes, out->max_timestamp);
}

/* Plain bytes of the records of b into comp. */
static int
pipe_records(struct kc_judge *j, const struct kc_batch *b, struct kc_comp *comp)
{
	struct kc_decomp_params params = {
		.codec = (enum kc_codec)kc_batch_codec(b),
		.in = b->p + KC_BATCH_OVERHEAD,
		.len = b->size - KC_BATCH_OVERHEAD,
	};
	struct kc_decomp *d = NULL;
	uint8_t buf[PIPE];
	size_t n;
	int rc;

	if (params.codec == KC_CODEC_NONE)
		return kc_comp_write(comp, params.in, params.len);
	if ((rc = kc_decomp_open(&d, j->ctx, &params)) != KC_OK)
		return rc;
	do {
		rc = kc_decomp_read(d, buf, sizeof buf, &n);
		if (rc == KC_OK)
			rc = kc_comp_write(comp, buf, n);
	} while (rc == KC_OK && n > 0);
	kc_decomp_close(&d);
	return rc;
}

/* The same records under another codec: only header and wrapping differ. */
static int
transcode(struct kc_judge *j, const struct kc_batch *b, int16_t attributes)
{
	struct kc_wr *w = &j->out->built;
	enum kc_codec codec = (enum kc_codec)(attributes & KC_ATTR_CODEC);
	struct kc_comp_params params = {
		.codec = codec,
		.level = j->params->level[codec],
		.size = -1,
		.out = w,
	};
	struct kc_comp *comp = NULL;
	int rc;

	kc_wr_bytes(w, b->p, KC_BATCH_OVERHEAD);
	if (w->err != KC_OK)
		return w->err;
	if (kc_batch_codec(b) == KC_CODEC_NONE)
		params.size = (int64_t)(b->size - KC_BATCH_OVERHEAD);
	if ((rc = kc_comp_open(&comp, j->ctx, &params)) != KC_OK)
		return rc;
	if ((rc = pipe_records(j, b, comp)) == KC_OK)
		rc = kc_comp_finish(comp);
	kc_comp_close(&comp);
	if (rc != KC_OK)
		return rc;
	kc_be32_put(
	    w->p + KC_BATCH_AT_LENGTH, (uint32_t)(w->len - KC_BATCH_PREFIX));
	kc_batch_set_attributes(w->p, attributes);
	kc_batch_set_max_timestamp(w->p, j->out->max_timestamp);
	kc_batch_seal(w->p, w->len);
	return KC_OK;
}

/* Offset deltas out of order: every record is written anew. */
static int
renumber(struct kc_judge *j, const struct kc_batch *b, int16_t attributes)
{
	struct kc_build_params params = kc_build_params_default;
	struct kc_build bld;
	struct kc_record rec;
	struct kc_iter it;
	int64_t offset = 0;
	int rc;

	params.codec = (enum kc_codec)(attributes & KC_ATTR_CODEC);
	params.level = j->params->level[params.codec];
	params.attributes = attributes & (KC_ATTR_TXN | KC_ATTR_APPEND_TIME);
	params.append_time = j->params->now_ms;
	params.producer_id = b->producer_id;
	params.producer_epoch = b->producer_epoch;
	params.base_sequence = b->base_sequence;
	kc_build_open(&bld, &params, j->ctx, &j->out->built);
	kc_iter_open(&it, b, KC_ITER_FULL, j->ctx);
	it.held_max = KC_JUDGE_HELD_MAX;
	it.append_time &= j->params->append_time;
	while (bld.err == KC_OK && kc_iter_next(&it, &rec)) {
		rec.offset = offset++;
		kc_build_append(&bld, &rec);
	}
	rc = kc_iter_close(&it);
	if (rc != KC_OK && bld.err == KC_OK)
		bld.err = rc;
	return kc_build_finish(&bld);
}

/*
 * All is well with b, and it becomes what the topic wants.  A codec that has
 * no output left under the writer's limit is a batch too large.
 */
static int
settle(struct kc_judge *j, const struct kc_batch *b, bool in_order)
{
	struct kc_validated *out = j->out;
	int codec = j->params->codec == KC_CODEC_PRODUCER ? kc_batch_codec(b) :
							    j->params->codec;
	int16_t attributes =
	    (int16_t)((b->attributes & ~KC_ATTR_CODEC) | codec);
	int rc;

	attributes &= (int16_t)~KC_ATTR_APPEND_TIME;
	if (j->params->append_time) {
		attributes |= KC_ATTR_APPEND_TIME;
		out->max_timestamp = j->params->now_ms;
		out->max_timestamp_delta = 0;
	}
	out->codec = (enum kc_codec)codec;
	if (in_order && codec == kc_batch_codec(b)) {
		keep(j, b, attributes);
		return KC_OK;
	}
	rc =
	    in_order ? transcode(j, b, attributes) : renumber(j, b, attributes);
	if (out->built.err == KC_ELIMIT)
		return kc_judge_refuse(j, KC_VERDICT_TOO_LARGE,
		    "The batch for %s exceeds the maximum configured size of "
		    "%d bytes after it was compressed anew.",
		    j->params->name, j->params->max_message_bytes);
	if (rc != KC_OK)
		return kc_judge_broken(j, rc);
	out->p = out->built.p;
	out->len = out->built.len;
	return KC_OK;
}

/* One batch of magic 2 at b, the only one of the set; Kafka: LogValidator. */
static int
judge_v2(struct kc_judge *j, const struct kc_batch *b, size_t len)
{
	struct kc_validated *out = j->out;
	struct kc_batch next;
	bool in_order = true;
	int rc;

	/* An incomplete end is ignored, a second batch is not. */
	rc = kc_batch_parse(b->p + b->size, len - b->size, &next);
	if (rc == KC_OK)
		kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "The record set for %s holds more than one batch.",
		    j->params->name);
	else if (rc != KC_ESHORT)
		kc_judge_refuse(j, KC_VERDICT_CORRUPT,
		    "The batch for %s is followed by bytes that are none.",
		    j->params->name);
	judge_header(j, b);
	if (out->verdict != KC_VERDICT_OK)
		return KC_OK;
	if ((rc = walk(j, b, &in_order)) != KC_OK ||
	    out->verdict != KC_VERDICT_OK)
		return rc;
	out->producer_id = b->producer_id;
	out->producer_epoch = b->producer_epoch;
	out->first_sequence = KC_MAX(b->base_sequence, KC_NO_SEQUENCE);
	out->last_sequence = kc_batch_last_sequence(b);
	out->txn = kc_batch_txn(b);
	return settle(j, b, in_order);
}

/* The shape that the version of the request allows. */
static void
judge_shape(struct kc_judge *j, const struct kc_batch *b)
{
	int version = j->params->api_version;

	if (version < ZSTD_VERSION && b->magic == 2 &&
	    kc_batch_codec(b) == KC_CODEC_ZSTD)
		kc_judge_refuse(j, KC_VERDICT_CODEC,
		    "Produce requests with version %d are not allowed to use "
		    "ZStandard compression",
		    version);
	if (version >= BATCH_VERSION && b->magic != 2)
		kc_judge_refuse(j, KC_VERDICT_INVALID,
		    "Produce requests with version %d are only allowed to "
		    "contain record batches with magic version 2",
		    version);
}

static int
judge(struct kc_judge *j, const uint8_t *p, size_t len)
{
	struct kc_batch b;
	int rc = kc_batch_parse(p, len, &b);

	if (rc == KC_ESHORT) {
		if (j->params->api_version >= BATCH_VERSION)
			kc_judge_refuse(j, KC_VERDICT_INVALID,
			    "Produce requests with version %d must have at "
			    "least one record batch per partition",
			    j->params->api_version);
		return KC_OK;
	}
	if (rc != KC_OK)
		return kc_judge_refuse(j, KC_VERDICT_CORRUPT,
		    "The bytes for %s are no record batch.", j->params->name);
	judge_shape(j, &b);
	if (j->out->verdict != KC_VERDICT_OK)
		return KC_OK;
	return b.magic == 2 ? judge_v2(j, &b, len) : kc_judge_old(j, &b, len);
}

int
kc_validate(const struct kc_validate_params *params,
    struct kc_compress_ctx *ctx, const uint8_t *p, size_t len,
    struct kc_validated *out)
{
	struct kc_judge j = {
		.params = params,
		.ctx = ctx,
		.out = out,
		.oldest = sat_sub(params->now_ms, params->before_max_ms),
		.newest = sat_add(params->now_ms, params->after_max_ms),
	};

	memset(out, 0, sizeof *out);
	out->max_timestamp = KC_NO_TIMESTAMP;
	out->append_time =
	    params->append_time ? params->now_ms : KC_NO_TIMESTAMP;
	out->producer_id = KC_NO_PRODUCER_ID;
	out->producer_epoch = -1;
	out->first_sequence = out->last_sequence = KC_NO_SEQUENCE;
	kc_wr_init(&out->built, (size_t)KC_MAX(params->max_message_bytes, 1));
	return judge(&j, p, len);
}

void
kc_validated_fini(struct kc_validated *out)
{
	free(out->errors);
	out->errors = NULL;
	kc_wr_fini(&out->built);
	out->p = NULL;
	out->len = 0;
}

void
kc_records_peek(const uint8_t *p, size_t len, struct kc_records_peek *out)
{
	struct kc_batch b;

	*out = (struct kc_records_peek){
		.producer_id = KC_NO_PRODUCER_ID,
		.producer_epoch = -1,
		.first_sequence = KC_NO_SEQUENCE,
	};
	for (; kc_batch_parse(p, len, &b) == KC_OK;
	     p += b.size, len -= b.size) {
		out->any = true;
		if (out->txn && kc_batch_txn(&b) &&
		    (b.producer_id != out->producer_id ||
			b.producer_epoch != out->producer_epoch))
			out->mixed = true;
		if (kc_batch_txn(&b) ? !out->txn :
				       kc_batch_has_producer(&b) && !out->txn &&
			    !out->idempotent) {
			out->producer_id = b.producer_id;
			out->producer_epoch = b.producer_epoch;
			out->first_sequence = b.base_sequence;
		}
		out->txn |= kc_batch_txn(&b);
		out->idempotent |= kc_batch_has_producer(&b);
	}
}
