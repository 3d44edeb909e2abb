#include "tests/unit/record/common.h"

#include "kcommon/base/be.h"
#include "kcommon/base/err.h"
#include "kcommon/record/validate.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct kc_validate_params
params_at(int64_t now)
{
	struct kc_validate_params params = kc_validate_params_default;

	params.name = "t-0";
	params.now_ms = now;
	return params;
}

/* The verdict on an exact copy of v; *out is to be freed when not NULL. */
static enum kc_verdict
judge(const struct kc_validate_params *params, const struct bytes *v,
    struct kc_validated *out)
{
	struct kc_validated mine;
	enum kc_verdict verdict;

	if (out == NULL)
		out = &mine;
	cr_assert_eq(kc_validate(params, NULL, v->p, v->len, out), KC_OK);
	verdict = out->verdict;
	cr_expect_eq(out->text[0] == '\0', verdict == KC_VERDICT_OK);
	if (out == &mine)
		kc_validated_fini(out);
	return verdict;
}

/* What the log would hold: the batch with its patch. */
static struct bytes
settled(const struct kc_validated *out, struct kc_batch *b)
{
	struct bytes v = copy_of(out->p, out->len);

	if (out->patch) {
		kc_batch_set_attributes(v.p, out->attributes);
		kc_batch_set_max_timestamp(v.p, out->max_timestamp);
		kc_batch_set_crc(v.p, out->crc);
	}
	cr_assert_eq(kc_batch_parse(v.p, v.len, b), KC_OK);
	cr_assert_eq(b->size, v.len);
	cr_assert_eq(kc_batch_check_crc(b), KC_OK);
	cr_assert_eq(b->base_offset, 0);
	cr_assert_eq(b->last_delta, out->count - 1);
	cr_assert_eq(b->count, out->count);
	cr_assert_eq(b->max_timestamp, out->max_timestamp);
	return v;
}

/* The verdict on an order, with one 4-byte header field overwritten. */
static enum kc_verdict
judge_field(const struct order *o, size_t at, uint32_t value, bool seal)
{
	struct kc_validate_params params = params_at(2000);
	struct bytes v = make_batch(o);
	enum kc_verdict verdict;

	kc_be32_put(v.p + at, value);
	if (seal)
		kc_batch_seal(v.p, v.len);
	verdict = judge(&params, &v, NULL);
	bytes_free(&v);
	return verdict;
}

/* Request level: no batch, a wrong magic, two batches. */
Test(validate, nothing_in_it)
{
	struct kc_validate_params params = params_at(2000);
	struct bytes v = from_hex(BATCH_V2), none = copy_of("", 0);
	struct kc_validated out;

	cr_expect_eq(judge(&params, &none, NULL), KC_VERDICT_INVALID);
	v.len--;
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_INVALID);
	params.api_version = 2; /* there it is a success without effect */
	cr_expect_eq(judge(&params, &none, &out), KC_VERDICT_OK);
	cr_expect_eq(out.len, 0);
	kc_validated_fini(&out);
	cr_expect_eq(judge(&params, &v, &out), KC_VERDICT_OK);
	cr_expect_eq(out.len, 0);
	kc_validated_fini(&out);
	v.len++;
	bytes_free(&v);
	bytes_free(&none);
}

Test(validate, lengths_and_magic)
{
	struct order o = order_default;

	cr_expect_eq(judge_field(&o, KC_BATCH_AT_LENGTH, (uint32_t)-5, false),
	    KC_VERDICT_CORRUPT);
	cr_expect_eq(
	    judge_field(&o, KC_BATCH_AT_LENGTH, 20, false), KC_VERDICT_CORRUPT);
	cr_expect_eq(judge_field(&o, KC_BATCH_AT_LENGTH, 100000, false),
	    KC_VERDICT_INVALID);
	/* The magic is the first of the four bytes at 16. */
	cr_expect_eq(judge_field(&o, KC_BATCH_AT_MAGIC, 0x01000000, false),
	    KC_VERDICT_INVALID);
	cr_expect_eq(judge_field(&o, KC_BATCH_AT_MAGIC, 0x00000000, false),
	    KC_VERDICT_INVALID);
	cr_expect_eq(judge_field(&o, KC_BATCH_AT_MAGIC, 0x03000000, false),
	    KC_VERDICT_CORRUPT);
	cr_expect_eq(judge_field(&o, KC_BATCH_AT_MAGIC, 0xff000000, false),
	    KC_VERDICT_CORRUPT);
}

Test(validate, more_than_one_batch)
{
	struct kc_validate_params params = params_at(2000);
	struct bytes one = make_batch(&order_default), v;
	struct kc_validated out;
	struct kc_wr w;

	kc_wr_init(&w, 0);
	kc_wr_bytes(&w, one.p, one.len);
	kc_wr_bytes(&w, one.p, one.len);
	v = copy_of(w.p, w.len);
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_INVALID);
	params.api_version = 2;
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_INVALID);
	params.api_version = 9;
	/* A cut second one is ignored, garbage is not. */
	v.len--;
	cr_expect_eq(judge(&params, &v, &out), KC_VERDICT_OK);
	cr_expect_eq(out.len, one.len);
	kc_validated_fini(&out);
	v.p[one.len + KC_BATCH_AT_MAGIC] = 9;
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_CORRUPT);
	bytes_free(&v);
	bytes_free(&one);
	kc_wr_fini(&w);
}

/* Row 1. */
Test(validate, base_offset_must_be_zero)
{
	struct order o = order_default;

	o.params.base_offset = 1;
	cr_expect_eq(judge_field(&o, KC_BATCH_AT_LEADER_EPOCH, 0, false),
	    KC_VERDICT_INVALID);
}

/* Row 2: the limit itself is allowed. */
Test(validate, too_large)
{
	struct kc_validate_params params = params_at(2000);
	struct bytes v = make_batch(&order_default);

	params.max_message_bytes = (int32_t)v.len - 1;
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_TOO_LARGE);
	params.max_message_bytes = 0;
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_TOO_LARGE);
	params.max_message_bytes = (int32_t)v.len;
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_OK);
	bytes_free(&v);
}

/* Row 3: any bit that the checksum covers. */
Test(validate, corrupt)
{
	struct kc_validate_params params = params_at(VECTOR_TIMESTAMP);
	struct bytes v = from_hex(BATCH_V2);
	size_t i;

	for (i = KC_BATCH_AT_CRC; i < v.len; i++) {
		v.p[i] ^= 4;
		cr_expect_eq(
		    judge(&params, &v, NULL), KC_VERDICT_CORRUPT, "%zu", i);
		v.p[i] ^= 4;
	}
	bytes_free(&v);
}

/* Row 7. */
Test(validate, counts)
{
	struct order o = order_default;

	cr_expect_eq(
	    judge_field(&o, KC_BATCH_AT_LAST_DELTA, (uint32_t)-1, true),
	    KC_VERDICT_INVALID);
	cr_expect_eq(judge_field(&o, KC_BATCH_AT_LAST_DELTA, 3, true),
	    KC_VERDICT_INVALID);
	cr_expect_eq(
	    judge_field(&o, KC_BATCH_AT_COUNT, 0, true), KC_VERDICT_INVALID);
	cr_expect_eq(judge_field(&o, KC_BATCH_AT_COUNT, (uint32_t)-3, true),
	    KC_VERDICT_INVALID);
	cr_expect_eq(judge_field(&o, KC_BATCH_AT_COUNT, INT32_MIN, true),
	    KC_VERDICT_INVALID);
	cr_expect_eq(
	    judge_field(&o, KC_BATCH_AT_COUNT, 3, true), KC_VERDICT_OK);
}

/* Row 8. */
Test(validate, control_batch)
{
	struct kc_validate_params params = params_at(2000);
	struct kc_marker m = { .producer_id = 1, .coordinator_epoch = 1 };
	struct kc_wr w;
	struct bytes v;

	kc_wr_init(&w, 0);
	kc_build_marker(&m, 2000, &w);
	v = copy_of(w.p, w.len);
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_INVALID);
	bytes_free(&v);
	kc_wr_fini(&w);
}

/* Row 9, and what is passed on to the checks of the log. */
Test(validate, sequences)
{
	struct kc_validate_params params = params_at(2000);
	struct order o = order_default;
	struct kc_validated out;
	struct bytes v;

	o.params.producer_id = 7;
	o.params.producer_epoch = 1;
	v = make_batch(&o);
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_INVALID);
	bytes_free(&v);
	o.params.base_sequence = INT32_MAX;
	o.params.attributes = KC_ATTR_TXN;
	v = make_batch(&o);
	cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_OK);
	cr_expect_eq(out.producer_id, 7);
	cr_expect_eq(out.producer_epoch, 1);
	cr_expect_eq(out.first_sequence, INT32_MAX);
	cr_expect_eq(out.last_sequence, 1);
	cr_expect(out.txn);
	kc_validated_fini(&out);
	bytes_free(&v);
}

/* Row 13: every record at fault is listed, the text shows three. */
Test(validate, compacted_topic_wants_keys)
{
	struct kc_validate_params params = params_at(2000);
	struct order o = order_default;
	struct kc_validated out;
	struct bytes v;
	char buf[KC_VALIDATE_TEXT];

	o.null_key = 1;
	v = make_batch(&o);
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_OK);
	params.compact = true;
	cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_INVALID);
	cr_expect_eq(out.nerrors, 1);
	cr_expect_eq(out.errors[0].index, 1);
	cr_expect_eq(out.errors[0].fault, KC_FAULT_NO_KEY);
	cr_expect_str_eq(kc_validated_fault_text(&params, &out.errors[0], buf),
	    "Compacted topic cannot accept message without key in topic "
	    "partition t-0.");
	cr_expect_not_null(strstr(out.text, "batchIndex=1,"));
	kc_validated_fini(&out);
	bytes_free(&v);

	v = from_hex(BATCH_V2);
	params.now_ms = VECTOR_TIMESTAMP;
	cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_INVALID);
	cr_expect_eq(out.nerrors, 2);
	kc_validated_fini(&out);
	bytes_free(&v);
}

/* Goal: a batch full of faults costs a bounded list, and the count is true. */
Test(validate, faults_without_end)
{
	struct kc_validate_params params = params_at(INT64_MAX);
	struct order o = order_default;
	struct kc_validated out;
	struct bytes v;

	o.n = 5000;
	o.value_len = 1;
	v = make_batch(&o);
	params.before_max_ms = 1;
	cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_TIMESTAMP);
	cr_expect_eq(out.faults, 5000);
	cr_expect_eq(out.nerrors, KC_RECORD_ERRORS_MAX);
	kc_validated_fini(&out);
	bytes_free(&v);
}

/* Row 14: timestamps 1000, 1001, 1002 against each side of the range. */
Test(validate, timestamps_out_of_range)
{
	static const struct {
		int64_t now, before, after;
		enum kc_verdict verdict;
	} rows[] = {
		{ 2000, INT64_MAX, 3600000, KC_VERDICT_OK },
		{ 2000, 1000, 0, KC_VERDICT_OK },
		{ 2000, 999, 0, KC_VERDICT_TIMESTAMP },
		{ 1002, INT64_MAX, 0, KC_VERDICT_OK },
		{ 1001, INT64_MAX, 0, KC_VERDICT_TIMESTAMP },
		{ 0, INT64_MAX, 1002, KC_VERDICT_OK },
		{ 0, INT64_MAX, 1001, KC_VERDICT_TIMESTAMP },
		{ INT64_MAX, INT64_MAX, INT64_MAX, KC_VERDICT_OK },
		{ INT64_MAX, 5, INT64_MAX, KC_VERDICT_TIMESTAMP },
		{ INT64_MIN, INT64_MAX, INT64_MAX, KC_VERDICT_TIMESTAMP },
	};
	struct bytes v = make_batch(&order_default);
	size_t i;

	for (i = 0; i < KC_COUNT(rows); i++) {
		struct kc_validate_params params = params_at(rows[i].now);

		params.before_max_ms = rows[i].before;
		params.after_max_ms = rows[i].after;
		cr_expect_eq(
		    judge(&params, &v, NULL), rows[i].verdict, "%zu", i);
		/* LogAppendTime does not care for them. */
		params.append_time = true;
		cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_OK);
	}
	bytes_free(&v);
}

Test(validate, no_timestamp_is_in_any_range)
{
	struct kc_validate_params params = params_at(5000000);
	struct order o = order_default;
	struct kc_validated out;
	struct bytes v;

	o.n = 1;
	o.first_ts = -1;
	v = make_batch(&o);
	params.before_max_ms = 0;
	cr_expect_eq(judge(&params, &v, &out), KC_VERDICT_OK);
	cr_expect_eq(out.max_timestamp, -1);
	cr_expect_not(out.patch);
	kc_validated_fini(&out);
	bytes_free(&v);
}

/* Row 15. */
Test(validate, producer_sets_append_time)
{
	struct kc_validate_params params = params_at(2000);
	struct order o = order_default;
	struct kc_validated out;
	struct bytes v;

	o.params.attributes = KC_ATTR_APPEND_TIME;
	o.params.append_time = 1000;
	v = make_batch(&o);
	params.append_time = true;
	cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_TIMESTAMP);
	cr_expect_eq(out.errors[0].fault, KC_FAULT_TIMESTAMP_TYPE);
	kc_validated_fini(&out);
	bytes_free(&v);
	/* On a topic of CreateTime only a batch without a time is caught. */
	params.append_time = false;
	o.params.append_time = -1;
	v = make_batch(&o);
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_TIMESTAMP);
	bytes_free(&v);
}

/*
 * The bit alone over good times: it is cleared, and the largest time is that
 * of the records as they will be read then.
 */
Test(validate, append_time_bit_is_cleared)
{
	struct kc_validate_params params = params_at(2000);
	struct bytes v = make_batch(&order_default), log;
	struct kc_validated out;
	struct kc_batch b;

	kc_batch_set_attributes(v.p, KC_ATTR_APPEND_TIME);
	kc_batch_set_max_timestamp(v.p, 555555555555);
	kc_batch_seal(v.p, v.len);
	cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_OK);
	cr_expect_eq(out.max_timestamp, 1002);
	log = settled(&out, &b);
	cr_expect_not(kc_batch_append_time(&b));
	bytes_free(&log);
	kc_validated_fini(&out);
	bytes_free(&v);
}

/* Row 16: the header is consistent, the records are not. */
Test(validate, records_not_as_declared)
{
	struct kc_validate_params params = params_at(2000);
	struct order o = order_default;
	int codec, delta;

	for (codec = 0; codec <= KC_CODEC_MAX; codec++)
		for (delta = -1; delta <= 1; delta++) {
			struct bytes v;

			o.params.codec = (enum kc_codec)codec;
			v = make_batch(&o);
			kc_be32_put(
			    v.p + KC_BATCH_AT_COUNT, (uint32_t)(3 + delta));
			kc_be32_put(v.p + KC_BATCH_AT_LAST_DELTA,
			    (uint32_t)(2 + delta));
			kc_batch_seal(v.p, v.len);
			cr_expect_eq(judge(&params, &v, NULL),
			    delta == 0 ? KC_VERDICT_OK : KC_VERDICT_INVALID);
			bytes_free(&v);
		}
}

Test(validate, codecs)
{
	struct kc_validate_params params = params_at(2000);
	struct order o = order_default;
	struct bytes v = make_batch(&o);

	kc_batch_set_attributes(v.p, 5);
	kc_batch_seal(v.p, v.len);
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_CODEC);
	kc_batch_set_attributes(v.p, KC_CODEC_ZSTD); /* it is not */
	kc_batch_seal(v.p, v.len);
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_INVALID);
	bytes_free(&v);
	o.params.codec = KC_CODEC_ZSTD;
	v = make_batch(&o);
	params.api_version = 6;
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_CODEC);
	params.api_version = 7;
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_OK);
	bytes_free(&v);
}

/* Row 17: it fits as sent, and not as the topic wants it. */
Test(validate, too_large_once_converted)
{
	struct kc_validate_params params = params_at(2000);
	struct order o = order_default;
	struct bytes v;

	o.params.codec = KC_CODEC_GZIP;
	o.value_len = 100000;
	v = make_batch(&o);
	params.max_message_bytes = 20000;
	cr_assert_lt(v.len, 20000);
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_OK);
	params.codec = KC_CODEC_NONE;
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_TOO_LARGE);
	bytes_free(&v);
}

/* Goal: the producer's bytes are kept when nothing is to change. */
Test(validate, in_place)
{
	struct kc_validate_params params = params_at(2000);
	struct order o = order_default;
	int codec;

	for (codec = 0; codec <= KC_CODEC_MAX; codec++) {
		struct kc_validated out;
		struct kc_batch b;
		struct bytes v, log;

		o.params.codec = (enum kc_codec)codec;
		v = make_batch(&o);
		cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_OK);
		cr_expect_eq(out.p, v.p);
		cr_expect_eq(out.len, v.len);
		cr_expect_not(out.patch);
		cr_expect_eq(out.codec, codec);
		cr_expect_eq(out.count, 3);
		cr_expect_eq(out.max_timestamp, 1002);
		cr_expect_eq(out.max_timestamp_delta, 2);
		cr_expect_eq(out.append_time, -1);
		cr_expect_eq(out.producer_id, -1);
		cr_expect_eq(out.first_sequence, -1);
		log = settled(&out, &b);
		bytes_free(&log);
		kc_validated_fini(&out);
		bytes_free(&v);
	}
}

/* A producer's maximum that is wrong is put right. */
Test(validate, max_timestamp_is_corrected)
{
	struct kc_validate_params params = params_at(2000);
	struct bytes v = make_batch(&order_default), log;
	struct kc_validated out;
	struct kc_batch b;

	kc_batch_set_max_timestamp(v.p, 77777777);
	kc_batch_seal(v.p, v.len);
	cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_OK);
	cr_expect(out.patch);
	cr_expect_eq(out.max_timestamp, 1002);
	log = settled(&out, &b);
	bytes_free(&log);
	kc_validated_fini(&out);
	bytes_free(&v);
}

Test(validate, log_append_time)
{
	struct kc_validate_params params = params_at(987654321);
	struct order o = order_default;
	int codec, target;

	params.append_time = true;
	for (codec = 0; codec <= KC_CODEC_MAX; codec++)
		for (target = -1; target <= KC_CODEC_MAX; target++) {
			struct kc_validated out;
			struct kc_record rec;
			struct kc_batch b;
			struct kc_iter it;
			struct bytes v, log;

			o.params.codec = (enum kc_codec)codec;
			params.codec = target;
			v = make_batch(&o);
			cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_OK);
			cr_expect_eq(out.append_time, 987654321);
			log = settled(&out, &b);
			cr_expect(kc_batch_append_time(&b));
			cr_expect_eq(
			    kc_batch_codec(&b), target < 0 ? codec : target);
			kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
			while (kc_iter_next(&it, &rec))
				cr_expect_eq(rec.timestamp, 987654321);
			cr_expect_eq(kc_iter_close(&it), KC_OK);
			bytes_free(&log);
			kc_validated_fini(&out);
			bytes_free(&v);
		}
}

/* Same records, offsets 0..n-1, producer kept: between any two codecs. */
static void
check_converted(const struct order *o, const struct kc_validate_params *params)
{
	struct bytes v = make_batch(o), log;
	struct kc_record rec, was;
	struct kc_iter it, before;
	struct kc_validated out;
	struct kc_batch b, src;
	int i = 0;

	if (o->step != 0) {
		kc_be32_put(v.p + KC_BATCH_AT_LAST_DELTA, (uint32_t)(o->n - 1));
		kc_batch_seal(v.p, v.len);
	}
	cr_assert_eq(judge(params, &v, &out), KC_VERDICT_OK);
	log = settled(&out, &b);
	cr_expect_eq(kc_batch_codec(&b),
	    params->codec < 0 ? kc_batch_codec(&b) : params->codec);
	cr_expect_eq(b.producer_id, 5);
	cr_expect_eq(b.producer_epoch, 6);
	cr_expect_eq(b.base_sequence, 7);
	cr_expect(kc_batch_txn(&b));
	cr_assert_eq(kc_batch_parse(v.p, v.len, &src), KC_OK);
	kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
	kc_iter_open(&before, &src, KC_ITER_FULL, NULL);
	for (; kc_iter_next(&it, &rec); i++) {
		cr_assert(kc_iter_next(&before, &was));
		cr_expect_eq(rec.offset, i);
		cr_expect_eq(rec.timestamp, was.timestamp);
		cr_expect(kc_str_eq(rec.key, was.key));
		cr_expect(kc_str_eq(rec.value, was.value));
	}
	cr_expect_eq(kc_iter_close(&it), KC_OK);
	cr_expect_eq(kc_iter_close(&before), KC_OK);
	cr_expect_eq(i, o->n);
	bytes_free(&log);
	kc_validated_fini(&out);
	bytes_free(&v);
}

Test(validate, another_codec, .timeout = 60)
{
	struct kc_validate_params params = params_at(2000);
	struct order o = order_default;
	int codec, target, step;

	o.params.producer_id = 5;
	o.params.producer_epoch = 6;
	o.params.base_sequence = 7;
	o.params.attributes = KC_ATTR_TXN;
	o.value_len = 100000;
	for (codec = 0; codec <= KC_CODEC_MAX; codec++)
		for (target = -1; target <= KC_CODEC_MAX; target++)
			for (step = 0; step < 4; step += 3) {
				o.params.codec = (enum kc_codec)codec;
				o.step = step; /* 3: offsets with gaps */
				params.codec = target;
				check_converted(&o, &params);
			}
}

/* Goal: a bomb is walked as a stream, and a claim to more ends it. */
Test(validate, bombs, .timeout = 120)
{
	struct kc_validate_params params = params_at(2000);
	struct order o = order_default;
	struct bytes v;
	int codec;

	o.n = 1;
	o.value_len = 100 << 20;
	for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_MAX; codec++) {
		if (codec == KC_CODEC_SNAPPY)
			continue; /* it shrinks too little to be one */
		o.params.codec = (enum kc_codec)codec;
		v = make_batch(&o);
		cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_OK);
		params.codec = KC_CODEC_NONE;
		cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_TOO_LARGE);
		params.codec = KC_CODEC_PRODUCER;
		bytes_free(&v);
	}
}

/* Row 5, 6, 11 and the good case of magic 0 and 1 (Produce v0 to v2). */
Test(validate, legacy_sets)
{
	static const char *const sets[] = { SET_V0, SET_V1 };
	struct kc_validate_params params = params_at(VECTOR_TIMESTAMP);
	int magic;

	for (magic = 0; magic < 2; magic++) {
		struct bytes v = from_hex(sets[magic]), log;
		struct kc_validated out;
		struct kc_record rec;
		struct kc_batch b;
		struct kc_iter it;

		params.api_version = 9;
		cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_INVALID);
		params.api_version = magic == 0 ? 1 : 2;
		cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_OK);
		log = settled(&out, &b);
		cr_expect_eq(b.count, 2);
		kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
		cr_assert(kc_iter_next(&it, &rec));
		cr_expect(kc_str_eqz(rec.value, "x"));
		cr_expect_eq(rec.timestamp, magic == 0 ? -1 : VECTOR_TIMESTAMP);
		cr_assert(kc_iter_next(&it, &rec));
		cr_expect(kc_str_eqz(rec.value, "yy"));
		cr_expect_eq(kc_iter_close(&it), KC_OK);
		bytes_free(&log);
		kc_validated_fini(&out);

		/* A bit of the second message; then only half of it. */
		v.p[v.len - 1] ^= 1;
		cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_CORRUPT);
		v.len--;
		cr_assert_eq(judge(&params, &v, &out), KC_VERDICT_OK);
		cr_expect_eq(out.count, 1);
		kc_validated_fini(&out);
		params.compact = true;
		cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_INVALID);
		params.compact = false;
		params.max_message_bytes = 20;
		cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_TOO_LARGE);
		params.max_message_bytes = 60; /* less than a v2 batch */
		cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_TOO_LARGE);
		params.max_message_bytes = 1000000;
		bytes_free(&v);
	}
}

Test(validate, mixed_magic)
{
	struct kc_validate_params params = params_at(VECTOR_TIMESTAMP);
	struct bytes v = from_hex(SET_V1 SET_V0);

	params.api_version = 2;
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_INVALID);
	bytes_free(&v);
	v = from_hex(SET_V1 BATCH_V2);
	cr_expect_eq(judge(&params, &v, NULL), KC_VERDICT_INVALID);
	bytes_free(&v);
}

Test(validate, peek)
{
	struct kc_records_peek peek;
	struct order o = order_default;
	struct bytes v, one;
	struct kc_wr w;

	kc_records_peek(NULL, 0, &peek);
	cr_expect_not(peek.any);
	v = copy_of("garbage, and more of it", 23);
	kc_records_peek(v.p, v.len, &peek);
	cr_expect_not(peek.any);
	bytes_free(&v);
	v = from_hex(SET_V0);
	kc_records_peek(v.p, v.len, &peek);
	cr_expect(peek.any && !peek.txn && !peek.idempotent);
	cr_expect_eq(peek.producer_id, -1);
	bytes_free(&v);

	/* Every batch counts, not the first alone (CVE-2018-17196). */
	kc_wr_init(&w, 0);
	v = from_hex(BATCH_V2);
	kc_wr_bytes(&w, v.p, v.len);
	bytes_free(&v);
	o.params.producer_id = 3;
	o.params.base_sequence = 4;
	one = make_batch(&o);
	kc_wr_bytes(&w, one.p, one.len);
	kc_records_peek(w.p, w.len, &peek);
	cr_expect(peek.idempotent && !peek.txn && !peek.mixed);
	cr_expect_eq(peek.producer_id, 3);
	cr_expect_eq(peek.first_sequence, 4);
	bytes_free(&one);
	o.params.producer_id = 8;
	o.params.attributes = KC_ATTR_TXN;
	one = make_batch(&o);
	kc_wr_bytes(&w, one.p, one.len);
	kc_records_peek(w.p, w.len, &peek);
	cr_expect(peek.idempotent && peek.txn && !peek.mixed);
	cr_expect_eq(peek.producer_id, 8);
	bytes_free(&one);
	o.params.producer_epoch = 1;
	one = make_batch(&o);
	kc_wr_bytes(&w, one.p, one.len);
	kc_records_peek(w.p, w.len, &peek);
	cr_expect(peek.mixed);
	bytes_free(&one);
	kc_wr_fini(&w);
}
