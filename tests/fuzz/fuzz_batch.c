/*
 * Any bytes as the records of a produce request: 4 bytes of settings, then
 * the set.  Settings: the topic's codec; flags; Produce version; the codec
 * under which the rest is to be wrapped (else it is the set as it is).
 *
 * Held: nothing is read past the end; what is accepted is one batch within
 * the limit with a right checksum, the declared number of records, offsets
 * 0..n-1, and judging it once more changes nothing; both ways of walking
 * agree.
 */
#include "kcommon/base/assert.h"
#include "kcommon/base/be.h"
#include "kcommon/base/err.h"
#include "kcommon/record/build.h"
#include "kcommon/record/validate.h"

#include <stdlib.h>

#define MESSAGE_MAX 100000
#define NOW 1700000000000
#define HELD_MAX (16 << 20)

enum {
	FLAG_COMPACT = 1,
	FLAG_APPEND_TIME = 2,
	FLAG_RANGE = 4,
	FLAG_SEAL = 8, /* put the first checksum right */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
walk(const struct kc_batch *b, enum kc_iter_mode mode, bool in_order)
{
	struct kc_record rec;
	struct kc_iter it;
	int32_t n = 0;
	int rc;

	kc_iter_open(&it, b, mode, NULL);
	it.held_max = HELD_MAX;
	while (kc_iter_next(&it, &rec)) {
		struct kc_str name, value;
		enum kc_control type;
		int32_t epoch, headers = 0;
		size_t at = 0;

		KC_ASSERT(!in_order || rec.delta == n);
		n++;
		if (mode == KC_ITER_SKIP)
			continue;
		while (kc_record_header(&rec, &at, &name, &value))
			headers++;
		KC_ASSERT(headers == rec.nheaders);
		kc_control_parse(&rec, &type, &epoch);
	}
	rc = kc_iter_close(&it);
	KC_ASSERT(rc != KC_OK || n == b->count);
	return rc;
}

/* What the log would hold. */
static uint8_t *
patched(const struct kc_validated *v)
{
	uint8_t *p = malloc(v->len);

	memcpy(p, v->p, v->len);
	if (v->patch) {
		kc_batch_set_attributes(p, v->attributes);
		kc_batch_set_max_timestamp(p, v->max_timestamp);
		kc_batch_set_crc(p, v->crc);
	}
	return p;
}

static void
accepted(struct kc_validate_params *params, const struct kc_validated *v)
{
	uint8_t *p = patched(v);
	struct kc_validated again;
	struct kc_batch b;
	int rc;

	KC_ASSERT(v->len <= MESSAGE_MAX);
	KC_ASSERT(kc_batch_parse(p, v->len, &b) == KC_OK);
	KC_ASSERT(b.size == v->len);
	KC_ASSERT(kc_batch_check_crc(&b) == KC_OK);
	KC_ASSERT(b.count == v->count && b.last_delta == v->count - 1);
	KC_ASSERT(b.max_timestamp == v->max_timestamp);
	KC_ASSERT(walk(&b, KC_ITER_SKIP, true) == KC_OK);
	rc = walk(&b, KC_ITER_FULL, true);
	KC_ASSERT(rc == KC_OK || rc == KC_ELIMIT);
	if (!kc_batch_append_time(&b)) {
		params->api_version = 9;
		KC_ASSERT(
		    kc_validate(params, NULL, p, v->len, &again) == KC_OK);
		KC_ASSERT(again.verdict == KC_VERDICT_OK && !again.patch);
		kc_validated_fini(&again);
	}
	free(p);
}

static void
judge(struct kc_validate_params *params, const uint8_t *p, size_t len)
{
	struct kc_records_peek peek;
	struct kc_validated v;
	char text[KC_VALIDATE_TEXT];
	int i;

	kc_records_peek(p, len, &peek);
	KC_ASSERT(kc_validate(params, NULL, p, len, &v) == KC_OK);
	KC_ASSERT((v.verdict == KC_VERDICT_OK) == (v.text[0] == '\0'));
	for (i = 0; i < v.nerrors; i++)
		kc_validated_fault_text(params, &v.errors[i], text);
	if (v.verdict == KC_VERDICT_OK && v.len > 0)
		accepted(params, &v);
	kc_validated_fini(&v);
}

/* The set as it is, walked both ways as well. */
static void
as_set(struct kc_validate_params *params, uint8_t *p, size_t len, bool seal)
{
	struct kc_batch b;
	int skip, full;

	if (kc_batch_parse(p, len, &b) == KC_OK && b.magic == 2) {
		skip = walk(&b, KC_ITER_SKIP, false);
		full = walk(&b, KC_ITER_FULL, false);
		KC_ASSERT(skip == full || full == KC_ELIMIT);
		if (seal)
			kc_batch_seal(p, b.size);
	}
	judge(params, p, len);
}

/* The bytes as records, behind a good header and under a codec. */
static void
as_records(struct kc_validate_params *params, const uint8_t *p, size_t len,
    enum kc_codec codec)
{
	struct iovec iov = { (void *)(uintptr_t)p, len };
	int32_t count = 1;
	struct kc_wr w;
	uint8_t *set;

	if (len > 0)
		count = 1 + p[len - 1] % 8;
	kc_wr_init(&w, 0);
	kc_wr_bytes(&w, (uint8_t[KC_BATCH_OVERHEAD]){ 0 }, KC_BATCH_OVERHEAD);
	KC_ASSERT(kc_compress(NULL, codec, kc_codec_level_default(codec), &iov,
		      1, &w) == KC_OK);
	set = malloc(w.len);
	memcpy(set, w.p, w.len);
	kc_be32_put(
	    set + KC_BATCH_AT_LENGTH, (uint32_t)(w.len - KC_BATCH_PREFIX));
	set[KC_BATCH_AT_MAGIC] = 2;
	kc_batch_set_attributes(set, (int16_t)codec);
	kc_be32_put(set + KC_BATCH_AT_LAST_DELTA, (uint32_t)count - 1);
	kc_be32_put(set + KC_BATCH_AT_COUNT, (uint32_t)count);
	kc_be64_put(set + KC_BATCH_AT_BASE_TIMESTAMP, NOW);
	kc_be64_put(set + KC_BATCH_AT_PRODUCER_ID, (uint64_t)-1);
	kc_batch_seal(set, w.len);
	as_set(params, set, w.len, false);
	free(set);
	kc_wr_fini(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kc_validate_params params = kc_validate_params_default;
	uint8_t *p;

	if (size < 4)
		return 0;
	params.name = "t-0";
	params.now_ms = NOW;
	params.max_message_bytes = MESSAGE_MAX;
	params.codec = data[0] % (KC_CODEC_MAX + 2) - 1;
	params.compact = (data[1] & FLAG_COMPACT) != 0;
	params.append_time = (data[1] & FLAG_APPEND_TIME) != 0;
	if (data[1] & FLAG_RANGE)
		params.before_max_ms = params.after_max_ms = 1000;
	params.api_version = data[2] % 10;
	p = malloc(size - 4 + 1);
	memcpy(p, data + 4, size - 4);
	if (data[3] <= KC_CODEC_MAX)
		as_records(&params, p, size - 4, (enum kc_codec)data[3]);
	else
		as_set(&params, p, size - 4, (data[1] & FLAG_SEAL) != 0);
	free(p);
	return 0;
}
