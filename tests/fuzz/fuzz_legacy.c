/*
 * Any bytes as a message set of magic 0 or 1, or as batches to convert down:
 * settings (1 byte), then the set.  Settings: bit 0 the magic to convert to,
 * bit 1 puts the checksum of the first entry right, bits 2 and 3 are the
 * codec of a wrapper of that magic around the rest (0: none).
 *
 * Held: nothing is read past the end; what comes out of a conversion is a
 * set of the wished magic or lower, with right checksums, whose records can
 * be read.
 */
#include "kcommon/base/assert.h"
#include "kcommon/base/be.h"
#include "kcommon/base/err.h"
#include "kcommon/record/legacy.h"
#include "kcommon/record/validate.h"

#include <stdlib.h>
#include <zlib.h>

#define HELD_MAX (16 << 20)
#define OUT_MAX (4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
walk(const struct kc_batch *b)
{
	struct kc_legacy_iter it;
	struct kc_record rec;
	int32_t n = 0;

	kc_legacy_iter_open(&it, b, HELD_MAX, NULL);
	while (kc_legacy_iter_next(&it, &rec))
		KC_ASSERT(rec.delta == n++);
	return kc_legacy_iter_close(&it);
}

static void
convert(const uint8_t *p, size_t len, int8_t magic)
{
	struct kc_batch b;
	const uint8_t *at;
	struct kc_wr w;
	size_t left;
	int rc;

	kc_wr_init(&w, OUT_MAX);
	rc = kc_legacy_down_convert(NULL, p, len, magic, 1, &w);
	if (rc == KC_OK) {
		KC_ASSERT(w.err == KC_OK);
		at = w.p;
		for (left = w.len; left > 0; left -= b.size) {
			KC_ASSERT(kc_batch_parse(at, left, &b) == KC_OK);
			KC_ASSERT(b.magic <= magic);
			at += b.size;
		}
	}
	kc_wr_fini(&w);
}

static void
judge(const uint8_t *p, size_t len)
{
	struct kc_validate_params params = kc_validate_params_default;
	struct kc_validated v;
	struct kc_batch b;

	params.api_version = 2;
	params.before_max_ms = params.after_max_ms = INT64_MAX;
	KC_ASSERT(kc_validate(&params, NULL, p, len, &v) == KC_OK);
	if (v.verdict == KC_VERDICT_OK && v.len > 0) {
		KC_ASSERT(kc_batch_parse(v.p, v.len, &b) == KC_OK);
		KC_ASSERT(b.magic == 2 && b.size == v.len);
		if (!v.patch)
			KC_ASSERT(kc_batch_check_crc(&b) == KC_OK);
		convert(v.p, v.len, 1);
	}
	kc_validated_fini(&v);
}

static void
seal(uint8_t *p, size_t size)
{
	kc_be32_put(p + KC_BATCH_PREFIX,
	    (uint32_t)crc32_z(
		0, p + KC_BATCH_AT_MAGIC, size - KC_BATCH_AT_MAGIC));
}

/* A wrapper around the bytes, itself in order. */
static uint8_t *
wrap(const uint8_t *p, size_t *len, int8_t magic, enum kc_codec codec)
{
	struct iovec iov = { (void *)(uintptr_t)p, *len };
	size_t at = KC_BATCH_PREFIX +
	    (magic == 0 ? KC_LEGACY_V0_OVERHEAD : KC_LEGACY_V1_OVERHEAD);
	uint8_t *set;
	struct kc_wr w;

	kc_wr_init(&w, 0);
	kc_wr_bytes(&w, (uint8_t[34]){ 0 }, at);
	KC_ASSERT(kc_compress(NULL, codec, kc_codec_level_default(codec), &iov,
		      1, &w) == KC_OK);
	set = malloc(w.len);
	memcpy(set, w.p, w.len);
	kc_be32_put(
	    set + KC_BATCH_AT_LENGTH, (uint32_t)(w.len - KC_BATCH_PREFIX));
	set[KC_BATCH_AT_MAGIC] = (uint8_t)magic;
	set[KC_BATCH_AT_MAGIC + 1] = (uint8_t)codec;
	kc_be32_put(set + at - 8, (uint32_t)-1);
	kc_be32_put(set + at - 4, (uint32_t)(w.len - at));
	seal(set, w.len);
	*len = w.len;
	kc_wr_fini(&w);
	return set;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum kc_codec codec;
	struct kc_batch b;
	int8_t magic;
	uint8_t *p;

	if (size < 1)
		return 0;
	magic = data[0] & 1;
	codec = (enum kc_codec)(data[0] >> 2 & 3);
	size--;
	if (codec != KC_CODEC_NONE) {
		p = wrap(data + 1, &size, magic, codec);
	} else {
		p = malloc(size + 1);
		memcpy(p, data + 1, size);
	}
	if (kc_batch_parse(p, size, &b) == KC_OK && b.magic < 2) {
		if (data[0] & 2)
			seal(p, b.size);
		walk(&b);
	}
	judge(p, size);
	convert(p, size, magic);
	free(p);
	return 0;
}
