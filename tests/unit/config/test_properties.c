#include "kcommon/base/err.h"
#include "kcommon/config/properties.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parses exactly len bytes: reading one more is an error under ASan. */
static int
parse(struct kc_props **p, const char *text, size_t len, char *err)
{
	char *copy = malloc(len == 0 ? 1 : len);
	int rc;

	memcpy(copy, text, len);
	*p = NULL;
	cr_assert_eq(kc_props_open(p), KC_OK);
	rc = kc_props_parse(*p, copy, len, err, 200);
	free(copy);
	return rc;
}

static void
expect_wrong(const char *text, size_t len, const char *want)
{
	struct kc_props *p;
	char err[200] = "";

	cr_expect_eq(parse(&p, text, len, err), KC_EMALFORMED, "%s", text);
	cr_expect_str_eq(err, want);
	kc_props_close(&p);
}

/* want is key, value, key, value, NULL. */
static void
expect(const char *text, const char *const *want)
{
	struct kc_props *p;
	char err[200] = "";
	size_t n = 0;

	cr_expect_eq(
	    parse(&p, text, strlen(text), err), KC_OK, "%s: %s", text, err);
	for (; want[2 * n] != NULL; n++) {
		cr_assert_lt(n, kc_props_count(p), "%s", text);
		cr_expect_str_eq(kc_props_at(p, n)->key, want[2 * n]);
		cr_expect_str_eq(kc_props_at(p, n)->value, want[2 * n + 1]);
		cr_expect_str_eq(kc_props_get(p, want[2 * n]), want[2 * n + 1]);
	}
	cr_expect_eq(kc_props_count(p), n, "%s", text);
	kc_props_close(&p);
}

#define EXPECT(text, ...) expect(text, (const char *const[]){ __VA_ARGS__ })

Test(properties, malformed)
{
	expect_wrong("a=\\u", 4, "line 1: malformed \\uXXXX escape");
	expect_wrong("\n#\na=\\u12", 10, "line 3: malformed \\uXXXX escape");
	expect_wrong("a=\\u123g", 8, "line 1: malformed \\uXXXX escape");
	expect_wrong("\\u=1", 4, "line 1: malformed \\uXXXX escape");
	expect_wrong("a=\\u0000", 8, "line 1: a NUL character");
	expect_wrong("a=\0b", 4, "line 1: a NUL character");
	expect_wrong("x=1\\\n2\na=\\u", 11, "line 3: malformed \\uXXXX escape");
}

/* Every cut of a text with everything in it: no byte too many is read. */
Test(properties, truncation)
{
	static const char text[] =
	    "# c\r\n! d\n k\\ 1 : v\\t\\u00e9\\uD83D\\uDE00 \\\r\n   more\n"
	    "b\xc3\xa9=\xe9\xf0\x9f\x98\x80\nempty\nx y z\\\\\n";
	struct kc_props *p;
	char err[200];

	for (size_t n = 0; n < sizeof text; n++) {
		int rc = parse(&p, text, n, err);

		cr_expect(rc == KC_OK || rc == KC_EMALFORMED);
		kc_props_close(&p);
	}
}

Test(properties, separators)
{
	EXPECT("", NULL);
	EXPECT("a=1\nb:2\nc 3\nd\t4\ne\f5\n", "a", "1", "b", "2", "c", "3", "d",
	    "4", "e", "5", NULL);
	EXPECT("a  =  1", "a", "1", NULL);
	EXPECT("a = = 1", "a", "= 1", NULL);
	EXPECT("a :: 1", "a", ": 1", NULL);
	EXPECT("a", "a", "", NULL);
	EXPECT("a=", "a", "", NULL);
	EXPECT("a =b c  ", "a", "b c  ", NULL);
	EXPECT("=v", "", "v", NULL);
	EXPECT("a\\=b\\:c\\ d=1", "a=b:c d", "1", NULL);
	EXPECT("a\\\\=1", "a\\", "1", NULL);
	EXPECT("url=jdbc:x://h:1/?a=b", "url", "jdbc:x://h:1/?a=b", NULL);
}

Test(properties, comments_and_blank_lines)
{
	EXPECT("#a=1\n!b=2\n  # c=3\n\n \t\n\r\nd=4 # no comment", "d",
	    "4 # no comment", NULL);
	EXPECT("# goes on \\\nb=1", "b", "1", NULL);
	EXPECT("a=1\rb=2\r\nc=3", "a", "1", "b", "2", "c", "3", NULL);
}

Test(properties, continuation)
{
	EXPECT("a=1,\\\n   2,\\\r\n\t3", "a", "1,2,3", NULL);
	EXPECT("a\\\n  b = c", "ab", "c", NULL);
	EXPECT("a=x\\\\\nb=1", "a", "x\\", "b", "1", NULL);
	EXPECT("a=x\\\n\nb=1", "a", "x", "b", "1", NULL);
	EXPECT("a=x\\\n# no comment", "a", "x# no comment", NULL);
	EXPECT("a=x\\", "a", "x", NULL);
	EXPECT("\\\n# a comment\nb=1", "b", "1", NULL);
	EXPECT("\\", NULL);
}

Test(properties, escapes_and_characters)
{
	EXPECT("a=\\t\\n\\r\\f\\q\\\"\\'", "a", "\t\n\r\fq\"'", NULL);
	EXPECT("a=\\u0041\\u00e9\\u20AC", "a", "A\xc3\xa9\xe2\x82\xac", NULL);
	EXPECT("a=\\uD83D\\uDE00", "a", "\xf0\x9f\x98\x80", NULL);
	EXPECT("a=\\uD83Dx\\uDE00", "a", "?x?", NULL);
	EXPECT("a=\\uD83D\\u0041", "a", "?A", NULL);
	/* UTF-8 stays; what is none is ISO-8859-1. */
	EXPECT("a=\xc3\xa9\xe2\x82\xac", "a", "\xc3\xa9\xe2\x82\xac", NULL);
	EXPECT("a=\xe9", "a", "\xc3\xa9", NULL);
	EXPECT("a=\xc0\x80", "a", "\xc3\x80\xc2\x80", NULL);
}

Test(properties, last_wins)
{
	EXPECT("a=1\nb=2\na=3", "a", "3", "b", "2", NULL);
}

Test(properties, limits)
{
	struct kc_props *p = NULL;
	char err[200], *big = malloc(KC_PROPS_FILE_MAX + 1), key[20];

	memset(big, '\n', KC_PROPS_FILE_MAX + 1);
	cr_assert_eq(kc_props_open(&p), KC_OK);
	cr_expect_eq(
	    kc_props_parse(p, big, KC_PROPS_FILE_MAX + 1, err, sizeof err),
	    KC_ELIMIT);
	cr_expect_eq(
	    kc_props_parse(p, big, KC_PROPS_FILE_MAX, err, sizeof err), KC_OK);
	free(big);
	for (int i = 0; i < KC_PROPS_MAX; i++) {
		snprintf(key, sizeof key, "k%d", i);
		cr_assert_eq(kc_props_set(p, key, ""), KC_OK);
	}
	cr_expect_eq(kc_props_set(p, "one more", ""), KC_ELIMIT);
	cr_expect_eq(kc_props_set(p, "k0", "again"), KC_OK);
	kc_props_close(&p);
}

Test(properties, unset)
{
	struct kc_props *p = NULL;

	cr_assert_eq(kc_props_open(&p), KC_OK);
	kc_props_unset(p, "none");
	kc_props_set(p, "a", "1");
	kc_props_set(p, "b", "2");
	kc_props_set(p, "c", "3");
	kc_props_unset(p, "b");
	cr_expect_null(kc_props_get(p, "b"));
	cr_expect_eq(kc_props_count(p), 2);
	cr_expect_str_eq(kc_props_at(p, 1)->key, "c");
	kc_props_close(&p);
	kc_props_close(&p);
}

/* Goal: what Java's store() writes, and what is written reads back. */
Test(properties, print)
{
	struct kc_props *p = NULL, *q;
	char *text, err[200];
	size_t len;

	cr_assert_eq(kc_props_open(&p), KC_OK);
	kc_props_set(p, "version", "0");
	kc_props_set(p, "cluster.id", "a=b:c#d!e\\f");
	kc_props_set(p, "a key\t", "  two \n\r\f ");
	kc_props_set(p, "\xc3\xa9", "");
	cr_assert_eq(kc_props_print(p, "", 1764034080000, &text, &len), KC_OK);
	cr_expect_str_eq(text,
	    "#\n#Tue Nov 25 01:28:00 UTC 2025\nversion=0\n"
	    "cluster.id=a\\=b\\:c\\#d\\!e\\\\f\n"
	    "a\\ key\\t=\\  two \\n\\r\\f \n\xc3\xa9=\n");
	cr_expect_eq(parse(&q, text, len, err), KC_OK);
	cr_expect_eq(kc_props_count(q), 4);
	for (size_t i = 0; i < kc_props_count(q); i++)
		cr_expect_str_eq(kc_props_get(p, kc_props_at(q, i)->key),
		    kc_props_at(q, i)->value);
	kc_props_close(&q);
	free(text);
	cr_assert_eq(kc_props_print(p, "x\ny=1", 0, &text, &len), KC_OK);
	cr_expect_eq(strncmp(text, "#x\n#y=1\n#Thu Jan 01", 19), 0);
	free(text);
	kc_props_close(&p);
}
