#include "kcommon/base/err.h"
#include "kcommon/base/str.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* A copy of exactly n bytes: reading one more is an error under ASan. */
static struct kc_str
exact(const char *p, size_t n)
{
	char *c = malloc(n == 0 ? 1 : n);

	memcpy(c, p, n);
	return (struct kc_str){ c, (int32_t)n };
}

static void
drop(struct kc_str s)
{
	free((void *)(uintptr_t)s.p);
}

static void
check_esc(const char *in, size_t n, const char *want)
{
	struct kc_str s = exact(in, n);
	char buf[64];

	cr_expect_str_eq(kc_str_esc(s, buf, sizeof buf), want);
	drop(s);
}

/*
 * Goal: text from a peer cannot forge a log line or upset a terminal.
 * Method: broken UTF-8 of every kind, each in an allocation of its size.
 */
Test(kc_str, esc_broken_utf8)
{
	check_esc("\x80", 1, "\\x80"); /* a tail without a head */
	check_esc("\xc3", 1, "\\xc3"); /* cut after the head */
	check_esc("\xe2\x82", 2, "\\xe2\\x82");
	check_esc("\xf0\x9f\x98", 3, "\\xf0\\x9f\\x98");
	check_esc("\xc0\xaf", 2, "\\xc0\\xaf"); /* overlong '/' */
	check_esc("\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf");
	check_esc("\xf0\x80\x80\xaf", 4, "\\xf0\\x80\\x80\\xaf");
	check_esc("\xed\xa0\x80", 3, "\\xed\\xa0\\x80"); /* surrogate */
	check_esc("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80");
	check_esc("\xff\xfe", 2, "\\xff\\xfe");
	check_esc("\xc3(", 2, "\\xc3(");
	check_esc("a\xe2\x82z", 4, "a\\xe2\\x82z");
}

Test(kc_str, esc_controls)
{
	check_esc("a\nb\r\t\0\x1b[0m", 10, "a\\x0ab\\x0d\\x09\\x00\\x1b[0m");
	check_esc("\x7f", 1, "\\x7f");
	check_esc("\xc2\x9b", 2, "\\xc2\\x9b"); /* CSI as one character */
	check_esc("\xc2\xa0", 2, "\xc2\xa0");
	check_esc("a\\x0a", 5, "a\\x5cx0a");
	check_esc("gr\xc3\xbc\xc3\x9f \xe2\x82\xac", 10,
	    "gr\xc3\xbc\xc3\x9f \xe2\x82\xac");
}

/*
 * Goal: never more than cap bytes, always a NUL, a cut never halves a
 * character.
 */
Test(kc_str, esc_cut)
{
	struct kc_str s = KC_STR_LIT("\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\n!");
	size_t cap;

	cr_assert_str_eq(kc_str_esc(s, NULL, 0), "");
	for (cap = 1; cap < 20; cap++) {
		char *buf = malloc(cap);
		size_t n;

		kc_str_esc(s, buf, cap);
		n = strlen(buf);
		cr_assert_lt(n, cap);
		if (cap < 15) {
			size_t text = cap >= 4 ? n - 3 : n;

			cr_assert_eq(text % 3, 0, "cap %zu: %s", cap, buf);
			if (cap >= 4)
				cr_assert_str_eq(buf + text, "...");
		} else {
			cr_assert_str_eq(
			    buf, "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\\x0a!");
		}
		free(buf);
	}
	cr_assert_str_eq(kc_str_esc(KC_STR_NULL, (char[4]){ "zzz" }, 4), "");
}

Test(kc_str, i64_refused)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {
		{ "", KC_EINVAL },
		{ "   ", KC_EINVAL },
		{ "-", KC_EINVAL },
		{ "+", KC_EINVAL },
		{ "+-1", KC_EINVAL },
		{ "1 2", KC_EINVAL },
		{ "0x10", KC_EINVAL },
		{ "1e3", KC_EINVAL },
		{ "12L", KC_EINVAL },
		{ "9223372036854775808", KC_ERANGE },
		{ "-9223372036854775809", KC_ERANGE },
		{ "99999999999999999999999999", KC_ERANGE },
		{ "99999999999999999999999999x", KC_EINVAL },
	};
	size_t i;

	for (i = 0; i < KC_COUNT(cases); i++) {
		struct kc_str s = exact(cases[i].text, strlen(cases[i].text));
		int64_t v = 7;

		cr_expect_eq(
		    kc_str_i64(s, &v), cases[i].rc, "%s", cases[i].text);
		cr_expect_eq(v, 7, "%s", cases[i].text);
		drop(s);
	}
	cr_expect_eq(kc_str_i64(KC_STR_NULL, &(int64_t){ 0 }), KC_EINVAL);
}

Test(kc_str, i64)
{
	static const struct {
		const char *text;
		int64_t v;
	} cases[] = {
		{ "0", 0 },
		{ "-0", 0 },
		{ "+5", 5 },
		{ " \t-17\n", -17 },
		{ "007", 7 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
	};
	size_t i;

	for (i = 0; i < KC_COUNT(cases); i++) {
		int64_t v = 99;

		cr_expect_eq(kc_str_i64(kc_str(cases[i].text), &v), KC_OK);
		cr_expect_eq(v, cases[i].v, "%s", cases[i].text);
	}
}

/* Method: values of String.hashCode() worked out in Java. */
Test(kc_str, java_hash)
{
	cr_expect_eq(kc_str_java_hash(KC_STR_NULL), 0);
	cr_expect_eq(kc_str_java_hash(KC_STR_LIT("")), 0);
	cr_expect_eq(kc_str_java_hash(KC_STR_LIT("a")), 97);
	cr_expect_eq(kc_str_java_hash(KC_STR_LIT("hello")), 99162322);
	cr_expect_eq(kc_str_java_hash(KC_STR_LIT("hello world")), 1794106052);
	cr_expect_eq(
	    kc_str_java_hash(KC_STR_LIT("polygenelubricants")), INT32_MIN);
	/* U+00E9, then U+1F600 as its two surrogates. */
	cr_expect_eq(kc_str_java_hash(KC_STR_LIT("\xc3\xa9")), 233);
	cr_expect_eq(kc_str_java_hash(KC_STR_LIT("\xf0\x9f\x98\x80")),
	    0xd83d * 31 + 0xde00);
	cr_expect_eq(kc_str_java_hash(KC_STR_LIT("\xff")), 0xfffd);
}

Test(kc_str, cmp)
{
	cr_expect_lt(kc_str_cmp(KC_STR_NULL, KC_STR_LIT("")), 0);
	cr_expect_eq(kc_str_cmp(KC_STR_NULL, KC_STR_NULL), 0);
	cr_expect_lt(kc_str_cmp(KC_STR_LIT("a"), KC_STR_LIT("ab")), 0);
	cr_expect_gt(kc_str_cmp(KC_STR_LIT("b"), KC_STR_LIT("ab")), 0);
	cr_expect_gt(kc_str_cmp(KC_STR_LIT("\xff"), KC_STR_LIT("a")), 0);
	cr_expect_eq(kc_str_cmp(KC_STR_LIT("x"), KC_STR_LIT("x")), 0);
}

static void
check_split(const char *in, const char *want)
{
	struct kc_str rest = exact(in, strlen(in)), tok, all = rest;
	char got[64] = "";
	int n = 0;

	while (kc_str_split(&rest, ',', &tok)) {
		strncat(got, "[", 2);
		strncat(got, tok.p, (size_t)tok.len);
		strncat(got, "]", 2);
		cr_assert_lt(n++, 10);
	}
	cr_expect_str_eq(got, want);
	cr_expect(!kc_str_split(&rest, ',', &tok), "again at the end");
	drop(all);
}

Test(kc_str, split)
{
	struct kc_str rest = KC_STR_NULL, tok;

	cr_expect(!kc_str_split(&rest, ',', &tok));
	check_split("", "");
	check_split(",", "[][]");
	check_split("a", "[a]");
	check_split("a,", "[a][]");
	check_split(",a", "[][a]");
	check_split("a,,bc", "[a][][bc]");
}

Test(kc_str, trim_and_dup)
{
	struct kc_str s = kc_str_trim(KC_STR_LIT(" \t a b\r\n"));
	char *z = kc_str_dup(s);

	cr_expect_str_eq(z, "a b");
	free(z);
	cr_expect_eq(kc_str_trim(KC_STR_LIT("   ")).len, 0);
	cr_expect_eq(kc_str_trim(KC_STR_NULL).len, -1);
	z = kc_str_dup(KC_STR_NULL);
	cr_expect_str_eq(z, "");
	free(z);
}
