#include "tests/unit/record/common.h"

#include "kcommon/base/err.h"
#include "kcommon/record/varint.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Walks in both modes, which must agree; returns the error, *n the records. */
static int
walk(const struct bytes *v, int *n)
{
	struct kc_record rec;
	struct kc_batch b;
	struct kc_iter it;
	int rc[2], count[2] = { 0, 0 }, mode;

	cr_assert_eq(kc_batch_parse(v->p, v->len, &b), KC_OK);
	for (mode = 0; mode < 2; mode++) {
		kc_iter_open(&it, &b, mode, NULL);
		while (kc_iter_next(&it, &rec))
			count[mode]++;
		rc[mode] = kc_iter_close(&it);
	}
	cr_assert_eq(rc[0], rc[1], "%d %d", rc[0], rc[1]);
	cr_assert_eq(count[0], count[1]);
	*n = count[0];
	return rc[0];
}

/* A batch whose records are these bytes, under a codec. */
static struct bytes
wrap(const void *records, size_t len, int32_t count, enum kc_codec codec)
{
	struct iovec iov = { (void *)(uintptr_t)records, len };
	struct order o = order_default;
	struct bytes head = make_batch(&o), b;
	struct kc_wr w;

	kc_wr_init(&w, 0);
	kc_wr_bytes(&w, head.p, KC_BATCH_OVERHEAD);
	cr_assert_eq(kc_compress(NULL, codec, kc_codec_level_default(codec),
			 &iov, 1, &w),
	    KC_OK);
	kc_wr_patch_i32(
	    &w, KC_BATCH_AT_LENGTH, (int32_t)(w.len - KC_BATCH_PREFIX));
	kc_wr_patch_i32(&w, KC_BATCH_AT_COUNT, count);
	kc_wr_patch_i32(&w, KC_BATCH_AT_LAST_DELTA, count - 1);
	kc_batch_set_attributes(w.p, (int16_t)codec);
	kc_batch_seal(w.p, w.len);
	b = copy_of(w.p, w.len);
	kc_wr_fini(&w);
	bytes_free(&head);
	return b;
}

static const struct {
	const char *what;
	size_t len;
	const char *record;
} bad[] = {
	{ "nothing at all", 0, "" },
	{ "negative body", 1, "\x01" },
	{ "empty body", 1, "\x00" },
	{ "body longer than the batch", 3, "\x10\x00\x00" },
	{ "body of 256 MiB", 6, "\x80\x80\x80\x80\x02\x00" },
	{ "length of six bytes", 8, "\x8e\x80\x80\x80\x80\x00\x00\x00" },
	{ "length that overflows", 6, "\xff\xff\xff\xff\x1f\x00" },
	{ "cut before the key", 4, "\x06\x00\x00\x00" },
	{ "key longer than the body", 8, "\x0e\x00\x00\x00\x08\x01\x01\x00" },
	{ "value longer than the body", 8, "\x0e\x00\x00\x00\x01\x08\x61\x00" },
	{ "body not used up", 8, "\x0e\x00\x00\x00\x01\x01\x00\x00" },
	{ "no header count", 6, "\x0a\x00\x00\x00\x01\x01" },
	{ "negative header count", 7, "\x0c\x00\x00\x00\x01\x01\x01" },
	{ "more headers than bytes", 9,
	    "\x10\x00\x00\x00\x01\x01\x0a\x00\x00" },
	{ "two billion headers", 11,
	    "\x14\x00\x00\x00\x01\x01\xfe\xff\xff\xff\x0f" },
	{ "header without a name", 9, "\x10\x00\x00\x00\x01\x01\x02\x01\x01" },
	{ "header name too long", 10,
	    "\x12\x00\x00\x00\x01\x01\x02\x08\x61\x01" },
	{ "header value too long", 10,
	    "\x12\x00\x00\x00\x01\x01\x02\x02\x61\x08" },
	{ "timestamp of eleven bytes", 16,
	    "\x1e\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x00\x01"
	    "\x01" },
	{ "one record too many", 14,
	    "\x0c\x00\x00\x00\x01\x01\x00\x0c\x00\x00\x00\x01\x01\x00" },
};

Test(iter, malformed_records)
{
	size_t i;
	int codec, n;

	for (i = 0; i < KC_COUNT(bad); i++)
		for (codec = 0; codec <= KC_CODEC_MAX; codec++) {
			struct bytes v = wrap(
			    bad[i].record, bad[i].len, 1, (enum kc_codec)codec);

			cr_expect_eq(walk(&v, &n), KC_EMALFORMED, "%s, %s",
			    bad[i].what, kc_codec_name(codec));
			bytes_free(&v);
		}
}

Test(iter, counts_that_lie)
{
	static const int32_t counts[] = { -1, 0, 2, INT32_MAX };
	size_t i;
	int codec, n;

	for (i = 0; i < KC_COUNT(counts); i++)
		for (codec = 0; codec <= KC_CODEC_MAX; codec++) {
			struct bytes v = wrap("\x0c\x00\x00\x00\x01\x01\x00", 7,
			    counts[i], (enum kc_codec)codec);

			cr_expect_eq(walk(&v, &n), KC_EMALFORMED);
			bytes_free(&v);
		}
}

/* Null below -1, as a real broker reads it, and a header with a null value. */
Test(iter, odd_but_legal)
{
	static const char records[] = "\x0c\x00\x00\x00\x05\x05\x00"
				      "\x12\x00\x00\x00\x01\x01\x02\x02\x61"
				      "\x01";
	struct bytes v = wrap(records, sizeof records - 1, 2, KC_CODEC_NONE);
	struct kc_str name, value;
	struct kc_record rec;
	struct kc_batch b;
	struct kc_iter it;
	size_t at = 0;
	int n;

	cr_expect_eq(walk(&v, &n), KC_OK);
	kc_batch_parse(v.p, v.len, &b);
	kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
	cr_assert(kc_iter_next(&it, &rec));
	cr_expect_eq(rec.key.len, -1);
	cr_expect_eq(rec.value.len, -1);
	cr_expect_not(kc_record_header(&rec, &at, &name, &value));
	cr_assert(kc_iter_next(&it, &rec));
	cr_expect_eq(rec.nheaders, 1);
	cr_assert(kc_record_header(&rec, &at, &name, &value));
	cr_expect(kc_str_eqz(name, "a"));
	cr_expect_eq(value.len, -1);
	cr_expect_not(kc_record_header(&rec, &at, &name, &value));
	cr_expect_eq(kc_iter_close(&it), KC_OK);
	bytes_free(&v);
}

Test(iter, codecs_that_do_not_exist)
{
	int codec, n;

	for (codec = 5; codec < 8; codec++) {
		struct bytes v = from_hex(BATCH_V2);

		kc_batch_set_attributes(v.p, (int16_t)codec);
		cr_expect_eq(walk(&v, &n), KC_EUNSUPPORTED);
		bytes_free(&v);
	}
}

/* Goal: plain bytes under the name of a codec are an error, not a crash. */
Test(iter, not_compressed_at_all)
{
	int codec, n;

	for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_MAX; codec++) {
		struct bytes v = from_hex(BATCH_V2);

		kc_batch_set_attributes(v.p, (int16_t)codec);
		cr_expect_eq(walk(&v, &n), KC_EMALFORMED);
		bytes_free(&v);
	}
}

Test(iter, a_real_batch)
{
	struct bytes v = from_hex(BATCH_V2);
	struct kc_record rec;
	struct kc_batch b;
	struct kc_iter it;

	kc_batch_parse(v.p, v.len, &b);
	kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
	cr_assert(kc_iter_next(&it, &rec));
	cr_expect_eq(rec.offset, 0);
	cr_expect_eq(rec.timestamp, VECTOR_TIMESTAMP);
	cr_expect_eq(rec.key.len, -1);
	cr_expect(kc_str_eqz(rec.value, "x"));
	cr_assert(kc_iter_next(&it, &rec));
	cr_expect_eq(rec.offset, 1);
	cr_expect(kc_str_eqz(rec.value, "yy"));
	cr_expect_not(kc_iter_next(&it, &rec));
	cr_expect_eq(kc_iter_close(&it), KC_OK);
	bytes_free(&v);
}

/*
 * Goal: a record larger than the window costs no memory when skipped and
 * comes whole when asked for; its fields are the same.
 * Method: values of 1 byte to 3 MiB and records with large headers, each
 * between small ones.
 */
static void
check_large(enum kc_codec codec, int32_t value_len, int32_t header_len)
{
	struct kc_build_params params = kc_build_params_default;
	size_t room = (size_t)KC_MAX(value_len, header_len);
	char *fill = malloc(room == 0 ? 1 : room);
	struct kc_build bld;
	struct kc_wr w, headers;
	struct kc_record rec;
	struct kc_batch b;
	struct kc_iter it;
	int i, mode;

	for (i = 0; i < (int)room; i++)
		fill[i] = (char)(i * 7 + i / 251);
	kc_wr_init(&w, 0);
	kc_wr_init(&headers, 0);
	kc_build_header(
	    &headers, KC_STR_LIT("h"), (struct kc_str){ fill, header_len });
	kc_build_header(&headers, KC_STR_LIT("n"), KC_STR_NULL);
	params.codec = codec;
	params.level = kc_codec_level_default(codec);
	kc_build_open(&bld, &params, NULL, &w);
	for (i = 0; i < 3; i++) {
		struct kc_record r = {
			.offset = i * 10,
			.timestamp = 1700000000000 - i * 1000,
			.key = i == 1 ? KC_STR_NULL : KC_STR_LIT("key"),
			.value = { fill, i == 1 ? value_len : 3 },
			.headers = { (char *)headers.p, (int32_t)headers.len },
			.nheaders = 2,
		};

		kc_build_append(&bld, &r);
	}
	cr_assert_eq(kc_build_finish(&bld), KC_OK);
	cr_assert_eq(kc_batch_parse(w.p, w.len, &b), KC_OK);
	cr_expect_eq(b.last_delta, 20);
	for (mode = 0; mode < 2; mode++) {
		kc_iter_open(&it, &b, mode, NULL);
		for (i = 0; kc_iter_next(&it, &rec); i++) {
			cr_expect_eq(rec.offset, i * 10);
			cr_expect_eq(rec.timestamp, 1700000000000 - i * 1000);
			cr_expect_eq(rec.key.len, i == 1 ? -1 : 3);
			cr_expect_eq(rec.value.len, i == 1 ? value_len : 3);
			cr_expect_eq(rec.nheaders, 2);
			if (mode == KC_ITER_FULL)
				cr_expect_eq(memcmp(rec.value.p, fill,
						 (size_t)rec.value.len),
				    0);
		}
		cr_expect_eq(i, 3);
		cr_expect_eq(kc_iter_close(&it), KC_OK);
	}
	kc_wr_fini(&w);
	kc_wr_fini(&headers);
	free(fill);
}

Test(iter, records_of_every_size, .timeout = 120)
{
	static const int32_t lens[] = { 3, 60000, 65400, 65536, 65600, 131072,
		3 << 20 };
	size_t i;
	int codec;

	for (codec = 0; codec <= KC_CODEC_MAX; codec++)
		for (i = 0; i < KC_COUNT(lens); i++) {
			check_large((enum kc_codec)codec, lens[i], 5);
			check_large((enum kc_codec)codec, 3, lens[i]);
		}
}

/* Errors deep inside a record larger than the window. */
Test(iter, malformed_large_records, .timeout = 60)
{
	struct order o = order_default;
	struct bytes plain, v;
	int codec, n;
	size_t i;

	o.n = 1;
	o.value_len = 200000;
	plain = make_batch(&o);
	for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_MAX; codec++) {
		const uint8_t *rec = plain.p + KC_BATCH_OVERHEAD;
		size_t len = plain.len - KC_BATCH_OVERHEAD;
		uint8_t *bent = malloc(len);

		/* Cut short. */
		for (i = 1; i < 5; i++) {
			v = wrap(rec, len - i, 1, (enum kc_codec)codec);
			cr_expect_eq(walk(&v, &n), KC_EMALFORMED);
			bytes_free(&v);
		}
		/* The value one longer and one shorter; a header claimed. */
		memcpy(bent, rec, len);
		bent[9] += 2;
		v = wrap(bent, len, 1, (enum kc_codec)codec);
		cr_expect_eq(walk(&v, &n), KC_EMALFORMED);
		bytes_free(&v);
		bent[9] -= 4;
		v = wrap(bent, len, 1, (enum kc_codec)codec);
		cr_expect_eq(walk(&v, &n), KC_EMALFORMED);
		bytes_free(&v);
		memcpy(bent, rec, len);
		bent[len - 1] = 2;
		v = wrap(bent, len, 1, (enum kc_codec)codec);
		cr_expect_eq(walk(&v, &n), KC_EMALFORMED);
		bytes_free(&v);
		free(bent);
	}
	bytes_free(&plain);
}

/* Goal: what is held is bounded although the batch is small. */
Test(iter, held_bytes_are_limited, .timeout = 60)
{
	struct order o = order_default;
	struct kc_record rec;
	struct kc_batch b;
	struct kc_iter it;
	struct bytes v;

	o.params.codec = KC_CODEC_ZSTD;
	o.value_len = 1 << 20;
	v = make_batch(&o);
	kc_batch_parse(v.p, v.len, &b);
	kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
	it.held_max = 100000;
	cr_expect_not(kc_iter_next(&it, &rec));
	cr_expect_eq(kc_iter_close(&it), KC_ELIMIT);
	kc_iter_open(&it, &b, KC_ITER_SKIP, NULL);
	it.held_max = 100000;
	cr_expect(kc_iter_next(&it, &rec));
	cr_expect_eq(kc_iter_close(&it), KC_OK);
	cr_expect_leq(it.window_cap, 65536);
	bytes_free(&v);
}

Test(varint, round_trip_and_limits)
{
	static const int64_t values[] = { 0, 1, -1, 63, -64, 64, 8191, 8192,
		INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN };
	uint8_t buf[KC_VARLONG_MAX];
	size_t i, len, cut;

	for (i = 0; i < KC_COUNT(values); i++) {
		struct bytes b;
		const uint8_t *p;
		int64_t v = 0;
		int32_t v32 = 0;

		len = kc_varlong_put(buf, values[i]);
		cr_expect_eq(len, kc_varlong_size(values[i]));
		for (cut = 0; cut < len; cut++) {
			b = copy_of(buf, cut);
			p = b.p;
			cr_expect_not(kc_varlong_get(&p, p + cut, &v));
			p = b.p;
			cr_expect_not(kc_varint_get(&p, p + cut, &v32));
			bytes_free(&b);
		}
		b = copy_of(buf, len);
		p = b.p;
		cr_expect(kc_varlong_get(&p, p + len, &v));
		cr_expect_eq(v, values[i]);
		p = b.p;
		if (values[i] == (int32_t)values[i]) {
			cr_expect(kc_varint_get(&p, p + len, &v32));
			cr_expect_eq(v32, values[i]);
		} else {
			cr_expect_not(kc_varint_get(&p, p + len, &v32));
		}
		bytes_free(&b);
	}
}
