#include "kcommon/base/err.h"
#include "kcommon/buf/rd.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>

/* An exact-size copy, so that one byte too far is seen by ASan. */
static uint8_t *
frame(struct kc_rd *r, const char *bytes, size_t len)
{
	uint8_t *p = malloc(len);

	if (len > 0)
		memcpy(p, bytes, len);
	kc_rd_init(r, p, len);
	return p;
}

#define FRAME(r, lit) frame(r, lit, sizeof(lit) - 1)

/*
 * Goal: no reader goes past the end of a short frame.
 * Method: cut each at every length below its own, each in its own memory.
 */
Test(kc_rd, short_reads)
{
	static const size_t sizes[] = { 1, 2, 2, 4, 4, 8, 8, 16 };
	size_t kind, len;

	for (kind = 0; kind < KC_COUNT(sizes); kind++) {
		for (len = 0; len < sizes[kind]; len++) {
			struct kc_uuid u = { { 1 } };
			struct kc_rd r;
			uint8_t *p = frame(&r,
			    "\377\377\377\377\377\377\377"
			    "\377\377\377\377\377\377\377"
			    "\377\377",
			    len);

			switch (kind) {
			case 0:
				cr_assert_eq(kc_rd_i8(&r), 0);
				break;
			case 1:
				cr_assert_eq(kc_rd_i16(&r), 0);
				break;
			case 2:
				cr_assert_eq(kc_rd_u16(&r), 0);
				break;
			case 3:
				cr_assert_eq(kc_rd_i32(&r), 0);
				break;
			case 4:
				cr_assert_eq(kc_rd_u32(&r), 0);
				break;
			case 5:
				cr_assert_eq(kc_rd_i64(&r), 0);
				break;
			case 6:
				cr_assert(kc_rd_f64(&r) == 0);
				break;
			default:
				kc_rd_uuid(&r, &u);
				cr_assert(kc_uuid_is_zero(&u));
				break;
			}
			cr_assert_eq(kc_rd_finish(&r), KC_EMALFORMED);
			cr_assert_eq(r.p, r.end);
			free(p);
		}
	}
}

Test(kc_rd, errors_stick)
{
	struct kc_rd r;
	uint8_t *p = FRAME(&r, "\1\2\3\4\5");

	cr_assert_eq(kc_rd_i8(&r), 1);
	kc_rd_fail(&r, KC_ELIMIT);
	kc_rd_fail(&r, KC_EMALFORMED);
	cr_assert_eq(kc_rd_left(&r), 0);
	cr_assert_eq(kc_rd_i8(&r), 0);
	cr_assert_eq(kc_rd_uvarint(&r), 0);
	cr_assert_null(kc_rd_bytes(&r, 0));
	cr_assert_eq(kc_rd_str(&r).len, -1);
	cr_assert_eq(kc_rd_cstr(&r).len, -1);
	cr_assert_eq(kc_rd_finish(&r), KC_ELIMIT);
	free(p);
}

Test(kc_rd, left_over_is_malformed)
{
	struct kc_rd r;
	uint8_t *p = FRAME(&r, "\1\2");

	cr_assert_eq(kc_rd_i8(&r), 1);
	cr_assert_eq(r.err, KC_OK);
	cr_assert_eq(kc_rd_finish(&r), KC_EMALFORMED);
	cr_assert_eq(kc_rd_i8(&r), 2);
	cr_assert_eq(kc_rd_finish(&r), KC_OK);
	free(p);
}

Test(kc_rd, lying_lengths)
{
	struct kc_rd r;
	uint8_t *p;

	p = FRAME(&r,
	    "\x7f\xff"
	    "abc");
	cr_assert_eq(kc_rd_str(&r).len, -1);
	cr_assert_eq(r.err, KC_EMALFORMED);
	free(p);
	p = FRAME(&r, "\0\4abc");
	cr_assert_eq(kc_rd_str(&r).len, -1);
	cr_assert_eq(r.err, KC_EMALFORMED);
	free(p);
	p = FRAME(&r, "\5abc");
	cr_assert_eq(kc_rd_cstr(&r).len, -1);
	cr_assert_eq(r.err, KC_EMALFORMED);
	free(p);
	/* 2^31 + 1 - 1 does not fit an int32: negative, so null. */
	p = FRAME(&r, "\x81\x80\x80\x80\x08");
	cr_assert_eq(kc_rd_cstr(&r).len, -1);
	cr_assert_eq(kc_rd_finish(&r), KC_OK);
	free(p);
	/* 2^31 - 1 does: a lie. */
	p = FRAME(&r, "\x80\x80\x80\x80\x08");
	cr_assert_eq(kc_rd_cstr(&r).len, -1);
	cr_assert_eq(r.err, KC_EMALFORMED);
	free(p);
	p = FRAME(&r, "abc");
	cr_assert_null(kc_rd_bytes(&r, SIZE_MAX));
	cr_assert_eq(r.err, KC_EMALFORMED);
	free(p);
}

Test(kc_rd, varints_too_long_or_cut)
{
	struct kc_rd r;
	uint8_t *p;

	p = FRAME(&r, "\x80\x80\x80\x80\x80\0");
	cr_assert_eq(kc_rd_uvarint(&r), 0);
	cr_assert_eq(r.err, KC_EMALFORMED);
	free(p);
	p = FRAME(&r, "\x80\x80\x80");
	cr_assert_eq(kc_rd_uvarint(&r), 0);
	cr_assert_eq(r.err, KC_EMALFORMED);
	free(p);
	p = FRAME(&r, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\0");
	cr_assert_eq(kc_rd_varlong(&r), 0);
	cr_assert_eq(r.err, KC_EMALFORMED);
	free(p);
	/* Bits that do not fit are dropped, as a real broker does. */
	p = FRAME(&r, "\xff\xff\xff\xff\x7f");
	cr_assert_eq(kc_rd_uvarint(&r), UINT32_MAX);
	cr_assert_eq(kc_rd_finish(&r), KC_OK);
	free(p);
}

Test(kc_rd, values)
{
	struct kc_rd r;
	struct kc_uuid u;
	struct kc_str s;
	uint8_t *p = FRAME(&r,
	    "\xff\xff\xfe\xff\xfe\xff\xff\xff\xfd\xff\xff\xff\xfd"
	    "\xff\xff\xff\xff\xff\xff\xff\xfc"
	    "\x3f\xf8\0\0\0\0\0\0"
	    "0123456789abcdef"
	    "\x96\1\x95\1\1\2"
	    "\0\3abc\0\0\xff\xff\xff\xfb"
	    "\4abc\1\0");

	cr_assert_eq(kc_rd_i8(&r), -1);
	cr_assert_eq(kc_rd_i16(&r), -2);
	cr_assert_eq(kc_rd_u16(&r), 0xfffe);
	cr_assert_eq(kc_rd_i32(&r), -3);
	cr_assert_eq(kc_rd_u32(&r), 0xfffffffd);
	cr_assert_eq(kc_rd_i64(&r), -4);
	cr_assert(kc_rd_f64(&r) == 1.5);
	kc_rd_uuid(&r, &u);
	cr_assert_eq(memcmp(u.b, "0123456789abcdef", 16), 0);
	cr_assert_eq(kc_rd_uvarint(&r), 150);
	cr_assert_eq(kc_rd_varint(&r), -75);
	cr_assert_eq(kc_rd_varlong(&r), -1);
	cr_assert_eq(kc_rd_varint(&r), 1);
	s = kc_rd_str(&r);
	cr_assert(kc_str_eqz(s, "abc"));
	s = kc_rd_str(&r);
	cr_assert(s.len == 0 && s.p != NULL);
	cr_assert_eq(kc_rd_str(&r).len, -1);
	cr_assert_eq(kc_rd_str(&r).len, -1); /* -5 is null as well */
	cr_assert(kc_str_eqz(kc_rd_cstr(&r), "abc"));
	cr_assert_eq(kc_rd_cstr(&r).len, 0);
	cr_assert_eq(kc_rd_cstr(&r).len, -1);
	cr_assert_eq(kc_rd_finish(&r), KC_OK);
	free(p);
}
