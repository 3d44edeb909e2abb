#include "tests/unit/record/common.h"

#include "kcommon/base/be.h"
#include "kcommon/base/err.h"
#include "kcommon/record/legacy.h"
#include "kcommon/record/validate.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <zlib.h>

#define NOW 2000

static void
legacy_seal(uint8_t *p, size_t size)
{
	kc_be32_put(p + KC_BATCH_PREFIX,
	    (uint32_t)crc32_z(0, p + KC_BATCH_AT_MAGIC, size - 16));
}

/* One entry; key NULL is null.  Written here apart from the code under test. */
static void
put_entry(struct kc_wr *w, int magic, int64_t offset, int attributes,
    int64_t ts, const char *key, struct kc_str value)
{
	size_t at = w->len;

	kc_wr_i64(w, offset);
	kc_wr_i32(w, 0);
	kc_wr_i32(w, 0);
	kc_wr_i8(w, (int8_t)magic);
	kc_wr_i8(w, (int8_t)attributes);
	if (magic > 0)
		kc_wr_i64(w, ts);
	kc_wr_i32(w, key == NULL ? -1 : (int32_t)strlen(key));
	if (key != NULL)
		kc_wr_bytes(w, key, strlen(key));
	kc_wr_i32(w, value.len);
	if (value.len > 0)
		kc_wr_bytes(w, value.p, (size_t)value.len);
	kc_wr_patch_i32(w, at + 8, (int32_t)(w->len - at - 12));
	legacy_seal(w->p + at, w->len - at);
}

static void
wrap(struct kc_wr *w, int magic, enum kc_codec codec, int64_t offset,
    int attributes, const struct kc_wr *inner)
{
	struct iovec iov = { inner->p, inner->len };
	struct kc_wr z;

	kc_wr_init(&z, 0);
	cr_assert_eq(kc_compress(NULL, codec, kc_codec_level_default(codec),
			 &iov, 1, &z),
	    KC_OK);
	put_entry(w, magic, offset, (int)codec | attributes, 1002, NULL,
	    (struct kc_str){ (char *)z.p, (int32_t)z.len });
	kc_wr_fini(&z);
}

/* Three messages "a", "b", "c" with keys and times 1000.. . */
static void
inner_set(struct kc_wr *w, int magic, int64_t first, int step)
{
	static const char *const keys[] = { "ka", "kb", "kc" };
	int i;

	kc_wr_init(w, 0);
	for (i = 0; i < 3; i++)
		put_entry(w, magic, first + i * step, 0, 1000 + i, keys[i],
		    (struct kc_str){ &"abc"[i], 1 });
}

/* Walks an exact copy; returns the error, fills up to 8 offsets. */
static int
walk(const struct kc_wr *w, int64_t *offsets, int *n, int64_t *ts)
{
	struct bytes v = copy_of(w->p, w->len);
	struct kc_legacy_iter it;
	struct kc_record rec;
	struct kc_batch b;
	int rc;

	*n = 0;
	cr_assert_eq(kc_batch_parse(v.p, v.len, &b), KC_OK);
	kc_legacy_iter_open(&it, &b, 1 << 20, NULL);
	while (kc_legacy_iter_next(&it, &rec)) {
		if (*n < 8)
			offsets[*n] = rec.offset;
		*ts = rec.timestamp;
		(*n)++;
	}
	rc = kc_legacy_iter_close(&it);
	bytes_free(&v);
	return rc;
}

Test(legacy, malformed_entries)
{
	int64_t offsets[8], ts;
	struct kc_wr w;
	int n;

	kc_wr_init(&w, 0);
	put_entry(&w, 1, 0, 0, 5, "k", KC_STR_LIT("v"));
	kc_be32_put(w.p + 26, 100); /* key length */
	cr_expect_eq(walk(&w, offsets, &n, &ts), KC_EMALFORMED);
	kc_be32_put(w.p + 26, 5); /* nothing left for the value's length */
	cr_expect_eq(walk(&w, offsets, &n, &ts), KC_EMALFORMED);
	kc_be32_put(w.p + 26, 1);
	kc_be32_put(w.p + 31, 2); /* value length */
	cr_expect_eq(walk(&w, offsets, &n, &ts), KC_EMALFORMED);
	kc_be32_put(w.p + 31, 0);
	cr_expect_eq(walk(&w, offsets, &n, &ts), KC_EMALFORMED);
	kc_be32_put(w.p + 31, 1);
	cr_expect_eq(walk(&w, offsets, &n, &ts), KC_OK);
	kc_wr_reset(&w);
	put_entry(&w, 1, 0, KC_CODEC_GZIP, 5, NULL, KC_STR_NULL);
	cr_expect_eq(walk(&w, offsets, &n, &ts), KC_EMALFORMED);
	kc_wr_reset(&w);
	put_entry(&w, 1, 0, KC_CODEC_GZIP, 5, NULL, KC_STR_LIT("garbage"));
	cr_expect_eq(walk(&w, offsets, &n, &ts), KC_EMALFORMED);
	kc_wr_reset(&w);
	put_entry(&w, 1, 0, KC_CODEC_ZSTD, 5, NULL, KC_STR_LIT("x"));
	cr_expect_eq(walk(&w, offsets, &n, &ts), KC_EUNSUPPORTED);
	kc_wr_fini(&w);
}

/* Inner sets that are empty, cut, corrupt, or claim too much. */
Test(legacy, malformed_wrappers)
{
	int64_t offsets[8], ts;
	struct kc_wr w, inner;
	size_t full, len;
	int magic, n;

	kc_wr_init(&w, 0);
	for (magic = 0; magic < 2; magic++) {
		inner_set(&inner, magic, 0, 1);
		full = inner.len;
		for (len = 0; len < full; len++) {
			inner.len = len;
			kc_wr_reset(&w);
			wrap(&w, magic, KC_CODEC_GZIP, 2, 0, &inner);
			if (len == full / 3 || len == full / 3 * 2)
				continue; /* between two of the three */
			cr_expect_eq(walk(&w, offsets, &n, &ts), KC_EMALFORMED,
			    "%zu", len);
		}
		inner.len = full;
		inner.p[full - 1] ^= 1;
		kc_wr_reset(&w);
		wrap(&w, magic, KC_CODEC_GZIP, 2, 0, &inner);
		cr_expect_eq(walk(&w, offsets, &n, &ts), KC_ECRC);
		kc_be32_put(inner.p + 8, 0x7fffffff);
		kc_wr_reset(&w);
		wrap(&w, magic, KC_CODEC_GZIP, 2, 0, &inner);
		cr_expect_eq(walk(&w, offsets, &n, &ts), KC_ELIMIT);
		kc_be32_put(inner.p + 8, 13);
		kc_wr_reset(&w);
		wrap(&w, magic, KC_CODEC_GZIP, 2, 0, &inner);
		cr_expect_eq(walk(&w, offsets, &n, &ts), KC_EMALFORMED);
		kc_wr_fini(&inner);
	}
	kc_wr_fini(&w);
}

Test(legacy, wrapper_offset_below_the_last)
{
	int64_t offsets[8], ts;
	struct kc_wr w, inner;
	int n;

	kc_wr_init(&w, 0);
	inner_set(&inner, 1, 0, 1);
	wrap(&w, 1, KC_CODEC_GZIP, 1, 0, &inner);
	cr_expect_eq(walk(&w, offsets, &n, &ts), KC_EMALFORMED);
	kc_wr_fini(&w);
	kc_wr_fini(&inner);
}

Test(legacy, offsets)
{
	static const struct {
		int magic;
		int64_t inner_first;
		int step;
		int64_t wrapper;
		int64_t want[3];
	} rows[] = {
		{ 0, 40, 1, 42, { 40, 41, 42 } }, /* absolute */
		{ 0, 40, 3, 46, { 40, 43, 46 } },
		{ 1, 0, 1, 42, { 40, 41, 42 } }, /* relative */
		{ 1, 0, 3, 46, { 40, 43, 46 } }, /* compacted */
		{ 1, 0, 1, 0, { 0, 1, 2 } }, /* some librdkafka */
		{ 1, 0, 1, 2, { 0, 1, 2 } },
	};
	int64_t offsets[8], ts;
	struct kc_wr w, inner;
	size_t i;
	int codec, n;

	for (i = 0; i < KC_COUNT(rows); i++)
		for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_LZ4; codec++) {
			inner_set(&inner, rows[i].magic, rows[i].inner_first,
			    rows[i].step);
			kc_wr_init(&w, 0);
			wrap(&w, rows[i].magic, (enum kc_codec)codec,
			    rows[i].wrapper, 0, &inner);
			cr_expect_eq(walk(&w, offsets, &n, &ts), KC_OK);
			cr_expect_eq(n, 3);
			cr_expect_eq(
			    memcmp(offsets, rows[i].want, sizeof rows[i].want),
			    0, "%zu", i);
			cr_expect_eq(ts, rows[i].magic == 0 ? -1 : 1002);
			kc_wr_fini(&w);
			kc_wr_fini(&inner);
		}
}

Test(legacy, wrapper_with_append_time)
{
	int64_t offsets[8], ts = 0;
	struct kc_wr w, inner;
	int n;

	inner_set(&inner, 1, 0, 1);
	kc_wr_init(&w, 0);
	wrap(&w, 1, KC_CODEC_LZ4, 2, KC_ATTR_APPEND_TIME, &inner);
	kc_be64_put(w.p + 18, 777);
	legacy_seal(w.p, w.len);
	cr_expect_eq(walk(&w, offsets, &n, &ts), KC_OK);
	cr_expect_eq(ts, 777);
	kc_wr_fini(&w);
	kc_wr_fini(&inner);
}

/* What a leader says about wrappers of old producers. */
static enum kc_verdict
judge(const struct kc_wr *w, int codec, struct kc_validated *out)
{
	struct kc_validate_params params = kc_validate_params_default;
	struct bytes v = copy_of(w->p, w->len);
	struct kc_validated mine;
	enum kc_verdict verdict;

	params.now_ms = NOW;
	params.api_version = 2;
	params.codec = codec;
	if (out == NULL)
		out = &mine;
	cr_assert_eq(kc_validate(&params, NULL, v.p, v.len, out), KC_OK);
	verdict = out->verdict;
	if (out == &mine)
		kc_validated_fini(out);
	bytes_free(&v); /* the result is never the producer's bytes */
	return verdict;
}

Test(legacy, wrappers_refused)
{
	struct kc_wr w, inner, outer;
	struct kc_validated out;

	kc_wr_init(&w, 0);
	kc_wr_init(&outer, 0);
	/* Not alone. */
	inner_set(&inner, 1, 0, 1);
	wrap(&w, 1, KC_CODEC_GZIP, 2, 0, &inner);
	put_entry(&w, 1, 3, 0, 1000, "k", KC_STR_LIT("v"));
	cr_expect_eq(judge(&w, -1, NULL), KC_VERDICT_INVALID);
	/* A wrapper in a wrapper. */
	kc_wr_reset(&w);
	wrap(&outer, 1, KC_CODEC_GZIP, 2, 0, &inner);
	wrap(&w, 1, KC_CODEC_GZIP, 0, 0, &outer);
	cr_expect_eq(judge(&w, -1, &out), KC_VERDICT_INVALID);
	cr_assert_eq(out.nerrors, 1);
	cr_expect_eq(out.errors[0].fault, KC_FAULT_NESTED);
	kc_validated_fini(&out);
	kc_wr_fini(&inner);
	/* Magic 0 in a wrapper of magic 1. */
	kc_wr_reset(&w);
	inner_set(&inner, 0, 0, 1);
	wrap(&w, 1, KC_CODEC_GZIP, 2, 0, &inner);
	cr_expect_eq(judge(&w, -1, &out), KC_VERDICT_INVALID);
	cr_assert_eq(out.nerrors, 3);
	cr_expect_eq(out.errors[0].fault, KC_FAULT_MAGIC);
	kc_validated_fini(&out);
	/* zstd did not exist; an inner checksum is wrong. */
	kc_wr_reset(&w);
	wrap(&w, 0, KC_CODEC_ZSTD, 2, 0, &inner);
	cr_expect_eq(judge(&w, -1, NULL), KC_VERDICT_CODEC);
	kc_wr_reset(&w);
	inner.p[inner.len - 1] ^= 1;
	wrap(&w, 0, KC_CODEC_SNAPPY, 2, 0, &inner);
	cr_expect_eq(judge(&w, -1, NULL), KC_VERDICT_CORRUPT);
	/* A negative time that is not "none". */
	kc_wr_reset(&w);
	put_entry(&w, 1, 0, 0, -2, "k", KC_STR_LIT("v"));
	cr_expect_eq(judge(&w, -1, NULL), KC_VERDICT_INVALID);
	/* The wrapper says LogAppendTime. */
	kc_wr_reset(&w);
	kc_wr_fini(&inner);
	inner_set(&inner, 1, 0, 1);
	wrap(&w, 1, KC_CODEC_GZIP, 2, KC_ATTR_APPEND_TIME, &inner);
	kc_be64_put(w.p + 18, (uint64_t)-1);
	legacy_seal(w.p, w.len);
	cr_expect_eq(judge(&w, -1, NULL), KC_VERDICT_TIMESTAMP);
	kc_wr_fini(&w);
	kc_wr_fini(&outer);
	kc_wr_fini(&inner);
}

Test(legacy, wrappers_become_batches)
{
	int magic, codec, target;

	for (magic = 0; magic < 2; magic++)
		for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_LZ4; codec++)
			for (target = -1; target <= KC_CODEC_MAX; target++) {
				struct kc_wr w, inner;
				struct kc_validated out;
				struct kc_record rec;
				struct kc_batch b;
				struct kc_iter it;
				int i = 0;

				inner_set(&inner, magic, 0, 1);
				kc_wr_init(&w, 0);
				wrap(&w, magic, (enum kc_codec)codec, 2, 0,
				    &inner);
				cr_assert_eq(
				    judge(&w, target, &out), KC_VERDICT_OK);
				cr_expect_eq(out.count, 3);
				cr_assert_eq(
				    kc_batch_parse(out.p, out.len, &b), KC_OK);
				cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
				cr_expect_eq(kc_batch_codec(&b),
				    target < 0 ? codec : target);
				kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
				for (; kc_iter_next(&it, &rec); i++) {
					cr_expect_eq(rec.offset, i);
					cr_expect_eq(rec.value.p[0], "abc"[i]);
					cr_expect_eq(rec.key.len, 2);
				}
				cr_expect_eq(i, 3);
				cr_expect_eq(kc_iter_close(&it), KC_OK);
				kc_validated_fini(&out);
				kc_wr_fini(&w);
				kc_wr_fini(&inner);
			}
}

/* Down-conversion. */

static int
down(const struct bytes *v, int8_t magic, int64_t from, struct kc_wr *out)
{
	kc_wr_init(out, 0);
	return kc_legacy_down_convert(NULL, v->p, v->len, magic, from, out);
}

Test(down, malformed)
{
	struct bytes v = from_hex(BATCH_V2);
	struct kc_wr w;

	v.p[v.len - 4] = 0x7f; /* a length inside the last record */
	cr_expect_eq(down(&v, 1, 0, &w), KC_EMALFORMED);
	kc_wr_fini(&w);
	v.p[KC_BATCH_AT_MAGIC] = 7;
	cr_expect_eq(down(&v, 1, 0, &w), KC_EMALFORMED);
	kc_wr_fini(&w);
	bytes_free(&v);
}

/* The same two records as a real producer of each version wrote them. */
Test(down, plain_records_are_what_old_clients_write)
{
	static const char *const want[] = { SET_V0, SET_V1 };
	struct bytes v = from_hex(BATCH_V2);
	int8_t magic;

	for (magic = 0; magic < 2; magic++) {
		struct bytes old = from_hex(want[magic]);
		struct kc_wr w;

		cr_assert_eq(down(&v, magic, 0, &w), KC_OK);
		cr_assert_eq(w.len, old.len);
		cr_expect_eq(memcmp(w.p, old.p, w.len), 0);
		kc_wr_fini(&w);
		/* From the second record on; and beyond the last. */
		cr_assert_eq(down(&v, magic, 1, &w), KC_OK);
		cr_expect_lt(w.len, old.len);
		cr_expect_eq(kc_be64(w.p), 1);
		kc_wr_fini(&w);
		cr_assert_eq(down(&v, magic, 2, &w), KC_OK);
		cr_expect_eq(w.len, 0);
		kc_wr_fini(&w);
		/* A cut end is ignored. */
		v.len--;
		cr_expect_eq(down(&v, magic, 0, &w), KC_OK);
		cr_expect_eq(w.len, 0);
		kc_wr_fini(&w);
		v.len++;
		bytes_free(&old);
	}
	bytes_free(&v);
}

Test(down, compressed_batches)
{
	struct order o = order_default;
	int codec;
	int8_t magic;

	o.params.base_offset = 500;
	o.step = 7;
	for (magic = 0; magic < 2; magic++)
		for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_LZ4; codec++) {
			int64_t offsets[8] = { 0 }, ts = 0;
			struct kc_batch b;
			struct bytes v;
			struct kc_wr w;
			int n;

			o.params.codec = (enum kc_codec)codec;
			v = make_batch(&o);
			cr_assert_eq(down(&v, magic, 505, &w), KC_OK);
			cr_assert_eq(kc_batch_parse(w.p, w.len, &b), KC_OK);
			cr_expect_eq(b.size, w.len);
			cr_expect_eq(b.magic, magic);
			cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
			cr_expect_eq(b.base_offset, 514);
			cr_expect_eq(b.max_timestamp, magic == 0 ? -1 : 1002);
			cr_expect_eq(walk(&w, offsets, &n, &ts), KC_OK);
			cr_expect_eq(n, 3);
			cr_expect_eq(offsets[0], 500);
			cr_expect_eq(offsets[1], 507);
			cr_expect_eq(offsets[2], 514);
			kc_wr_fini(&w);
			bytes_free(&v);
		}
}

Test(down, append_time)
{
	struct order o = order_default;
	int64_t offsets[8], ts = 0;
	struct kc_batch b;
	struct bytes v;
	struct kc_wr w;
	int codec, n;

	o.params.attributes = KC_ATTR_APPEND_TIME;
	o.params.append_time = 4321;
	for (codec = 0; codec < 2; codec++) {
		o.params.codec = (enum kc_codec)codec;
		v = make_batch(&o);
		cr_assert_eq(down(&v, 1, 0, &w), KC_OK);
		cr_assert_eq(kc_batch_parse(w.p, w.len, &b), KC_OK);
		cr_expect(kc_batch_append_time(&b));
		cr_expect_eq(b.max_timestamp, 4321);
		cr_expect_eq(walk(&w, offsets, &n, &ts), KC_OK);
		cr_expect_eq(ts, 4321);
		kc_wr_fini(&w);
		bytes_free(&v);
	}
}

/* Control batches vanish, old ones are copied, zstd ends the conversion. */
Test(down, mixtures)
{
	struct kc_marker m = { .producer_id = 1, .commit = true };
	struct bytes old = from_hex(SET_V0), one = make_batch(&order_default);
	struct order o = order_default;
	struct bytes zstd, v;
	struct kc_wr w, src;
	size_t len;

	o.params.codec = KC_CODEC_ZSTD;
	zstd = make_batch(&o);
	kc_wr_init(&src, 0);
	kc_build_marker(&m, 5, &src);
	v = copy_of(src.p, src.len);
	cr_expect_eq(down(&v, 0, 0, &w), KC_OK);
	cr_expect_eq(w.len, 0);
	kc_wr_fini(&w);
	bytes_free(&v);

	kc_wr_bytes(&src, zstd.p, zstd.len);
	v = copy_of(src.p, src.len);
	cr_expect_eq(down(&v, 0, 0, &w), KC_EUNSUPPORTED);
	kc_wr_fini(&w);
	bytes_free(&v);

	kc_wr_reset(&src);
	kc_wr_bytes(&src, old.p, old.len);
	kc_wr_bytes(&src, one.p, one.len);
	kc_build_marker(&m, 5, &src);
	v = copy_of(src.p, src.len);
	cr_expect_eq(down(&v, 0, 0, &w), KC_OK);
	len = w.len;
	cr_expect_eq(memcmp(w.p, old.p, old.len), 0);
	cr_expect_gt(len, old.len);
	kc_wr_fini(&w);
	bytes_free(&v);

	kc_wr_bytes(&src, zstd.p, zstd.len);
	kc_wr_bytes(&src, one.p, one.len);
	v = copy_of(src.p, src.len);
	cr_expect_eq(down(&v, 0, 0, &w), KC_OK);
	cr_expect_eq(w.len, len);
	kc_wr_fini(&w);
	bytes_free(&v);
	bytes_free(&old);
	bytes_free(&one);
	bytes_free(&zstd);
	kc_wr_fini(&src);
}

/* What does not fit is left for the next fetch, but the first must fit. */
Test(down, limit)
{
	struct bytes one = make_batch(&order_default), v;
	struct kc_wr w, src;
	size_t len;

	kc_wr_init(&src, 0);
	kc_wr_bytes(&src, one.p, one.len);
	kc_wr_bytes(&src, one.p, one.len);
	v = copy_of(src.p, src.len);
	cr_assert_eq(down(&v, 1, 0, &w), KC_OK);
	len = w.len / 2;
	kc_wr_fini(&w);
	kc_wr_init(&w, len + 5);
	cr_expect_eq(kc_legacy_down_convert(NULL, v.p, v.len, 1, 0, &w), KC_OK);
	cr_expect_eq(w.len, len);
	cr_expect_eq(w.err, KC_OK);
	kc_wr_fini(&w);
	kc_wr_init(&w, len - 1);
	cr_expect_eq(
	    kc_legacy_down_convert(NULL, v.p, v.len, 1, 0, &w), KC_ELIMIT);
	kc_wr_fini(&w);
	bytes_free(&v);
	bytes_free(&one);
	kc_wr_fini(&src);
}

/* Magic 1 goes down to magic 0 as well. */
Test(down, from_one_to_zero)
{
	struct bytes v = from_hex(SET_V1), want = from_hex(SET_V0);
	struct kc_wr w;

	cr_assert_eq(down(&v, 0, 0, &w), KC_OK);
	cr_assert_eq(w.len, want.len);
	cr_expect_eq(memcmp(w.p, want.p, w.len), 0);
	kc_wr_fini(&w);
	bytes_free(&v);
	bytes_free(&want);
}
