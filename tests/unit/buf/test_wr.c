#include "kcommon/base/err.h"
#include "kcommon/buf/rd.h"
#include "kcommon/buf/wr.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void
release(struct kc_fileref *f)
{
	f->fd = -1;
}

Test(kc_wr, limit)
{
	struct kc_wr w;

	kc_wr_init(&w, 10);
	kc_wr_i64(&w, 1);
	kc_wr_i16(&w, 2);
	cr_assert_eq(w.err, KC_OK);
	kc_wr_i8(&w, 3);
	cr_assert_eq(w.err, KC_ELIMIT);
	cr_assert_eq(w.len, 10);
	kc_wr_fail(&w, KC_EINVAL);
	cr_assert_eq(w.err, KC_ELIMIT);
	cr_assert_not(kc_wr_room(&w, 0));
	kc_wr_reset(&w);
	cr_assert_eq(w.err, KC_OK);
	cr_assert_not(kc_wr_room(&w, SIZE_MAX));
	kc_wr_fini(&w);
	kc_wr_fini(&w);
}

Test(kc_wr, string_too_long_for_classic)
{
	struct kc_wr w;
	char *big = calloc(1, 32768);

	kc_wr_init(&w, 0);
	kc_wr_str(&w, (struct kc_str){ big, 32767 });
	cr_assert_eq(w.err, KC_OK);
	cr_assert_eq(w.len, 32769);
	kc_wr_str(&w, (struct kc_str){ big, 32768 });
	cr_assert_eq(w.err, KC_ERANGE);
	kc_wr_fini(&w);
	free(big);
}

/*
 * Goal: a file range costs no buffer, but counts, and its file lives until
 * the writer drops it.
 */
Test(kc_wr, files)
{
	struct kc_fileref f = { .fd = 7, .release = release };
	struct kc_fileref *mine = &f;
	struct kc_wr w;
	int i;

	kc_ref_init(&f.ref);
	kc_wr_init(&w, 0);
	kc_wr_i32(&w, 1);
	kc_wr_file(&w, &f, 100, 0); /* nothing: no cut */
	for (i = 0; i < 20; i++) {
		kc_wr_file(&w, &f, i, 1000);
		kc_wr_i8(&w, 2);
	}
	kc_fileref_put(&mine);
	cr_assert_eq(f.fd, 7);
	cr_assert_eq(w.ncuts, 20);
	cr_assert_eq(w.cuts[19].at, 4 + 19);
	cr_assert_eq(w.cuts[19].off, 19);
	cr_assert_eq(kc_wr_total(&w), 20000 + 24);
	kc_wr_file(&w, &f, 0, INT32_MAX);
	cr_assert_eq(w.err, KC_ELIMIT);
	kc_wr_reset(&w);
	cr_assert_eq(f.fd, -1);
	cr_assert_eq(kc_wr_total(&w), 0);
	kc_wr_fini(&w);
}

Test(kc_wr, patch)
{
	struct kc_wr w;
	struct kc_rd r;

	kc_wr_init(&w, 0);
	kc_wr_i32(&w, 0);
	kc_wr_bytes(&w, "abc", 3);
	kc_wr_bytes(&w, NULL, 0);
	kc_wr_patch_i32(&w, 0, -2);
	kc_rd_init(&r, w.p, w.len);
	cr_assert_eq(kc_rd_i32(&r), -2);
	cr_assert_eq(memcmp(kc_rd_bytes(&r, 3), "abc", 3), 0);
	kc_wr_fini(&w);
}

/* What is written is read, at the edges of every kind of number. */
Test(kc_wr, numbers_round_trip)
{
	static const int64_t v[] = { 0, 1, -1, 63, 64, -64, -65, 127, 128, 8191,
		8192, 16383, 16384, INT8_MIN, INT16_MAX, INT16_MIN, INT32_MAX,
		INT32_MIN, INT64_MAX, INT64_MIN };
	struct kc_wr w;
	struct kc_rd r;
	size_t i;

	kc_wr_init(&w, 0);
	for (i = 0; i < KC_COUNT(v); i++) {
		kc_wr_i8(&w, (int8_t)v[i]);
		kc_wr_u16(&w, (uint16_t)v[i]);
		kc_wr_u32(&w, (uint32_t)v[i]);
		kc_wr_i64(&w, v[i]);
		kc_wr_f64(&w, (double)v[i]);
		kc_wr_uvarint(&w, (uint32_t)v[i]);
		kc_wr_varint(&w, (int32_t)v[i]);
		kc_wr_varlong(&w, v[i]);
	}
	cr_assert_eq(w.err, KC_OK);
	kc_rd_init(&r, w.p, w.len);
	for (i = 0; i < KC_COUNT(v); i++) {
		cr_assert_eq(kc_rd_i8(&r), (int8_t)v[i]);
		cr_assert_eq(kc_rd_u16(&r), (uint16_t)v[i]);
		cr_assert_eq(kc_rd_u32(&r), (uint32_t)v[i]);
		cr_assert_eq(kc_rd_i64(&r), v[i]);
		cr_assert(kc_rd_f64(&r) == (double)v[i]);
		cr_assert_eq(kc_rd_uvarint(&r), (uint32_t)v[i]);
		cr_assert_eq(kc_rd_varint(&r), (int32_t)v[i]);
		cr_assert_eq(kc_rd_varlong(&r), v[i]);
	}
	cr_assert_eq(kc_rd_finish(&r), KC_OK);
	kc_wr_fini(&w);
}

Test(kc_wr, strings_round_trip)
{
	struct kc_wr w;
	struct kc_rd r;

	kc_wr_init(&w, 0);
	kc_wr_str(&w, KC_STR_NULL);
	kc_wr_str(&w, (struct kc_str){ NULL, 0 });
	kc_wr_str(&w, KC_STR_LIT("abc"));
	kc_wr_cstr(&w, KC_STR_NULL);
	kc_wr_cstr(&w, (struct kc_str){ NULL, 0 });
	kc_wr_cstr(&w, KC_STR_LIT("abc"));
	kc_rd_init(&r, w.p, w.len);
	cr_assert_eq(kc_rd_str(&r).len, -1);
	cr_assert_eq(kc_rd_str(&r).len, 0);
	cr_assert(kc_str_eqz(kc_rd_str(&r), "abc"));
	cr_assert_eq(kc_rd_cstr(&r).len, -1);
	cr_assert_eq(kc_rd_cstr(&r).len, 0);
	cr_assert(kc_str_eqz(kc_rd_cstr(&r), "abc"));
	cr_assert_eq(kc_rd_finish(&r), KC_OK);
	kc_wr_fini(&w);
}
