#include "kcommon/base/err.h"
#include "kcommon/base/rand.h"
#include "kcommon/base/uuid.h"

#include <criterion/criterion.h>

Test(kc_uuid, parse_refused)
{
	static const char *const bad[] = {
		"",
		"A",
		"AAAAAAAAAAAAAAAAAAAAA", /* 21 */
		"AAAAAAAAAAAAAAAAAAAAAAA", /* 23 */
		"AAAAAAAAAAAAAAAAAAAAAA=", /* half a padding */
		"AAAAAAAAAAAAAAAAAAAAAAAA", /* 24, no padding */
		"AAAAAAAAAAAAAAAAAAAAA+", /* the other base64 */
		"AAAAAAAAAAAAAAAAAAAAA/",
		"AAAAAAAAAA AAAAAAAAAAA",
		"AAAAAAAAAAAAAAAAAAAAA\xff",
	};
	struct kc_uuid u;
	size_t i;

	for (i = 0; i < KC_COUNT(bad); i++)
		cr_expect_eq(
		    kc_uuid_parse(kc_str(bad[i]), &u), KC_EINVAL, "%s", bad[i]);
	cr_expect_eq(kc_uuid_parse(KC_STR_NULL, &u), KC_EINVAL);
	cr_expect_eq(
	    kc_uuid_parse((struct kc_str){ "AAAAAAAAAAA\0AAAAAAAAAA", 22 }, &u),
	    KC_EINVAL);
}

/* Method: a topic id as a broker wrote it in a znode and on the wire. */
Test(kc_uuid, text)
{
	struct kc_uuid u, v;
	char buf[KC_UUID_TEXT];
	int i;

	for (i = 0; i < 16; i++)
		u.b[i] = (uint8_t)(0xf0 + i);
	cr_assert_str_eq(kc_uuid_text(&u, buf), "8PHy8_T19vf4-fr7_P3-_w");
	cr_assert_eq(kc_uuid_parse(kc_str(buf), &v), KC_OK);
	cr_assert(kc_uuid_eq(&u, &v));
	cr_assert_eq(
	    kc_uuid_parse(KC_STR_LIT("8PHy8_T19vf4-fr7_P3-_w=="), &v), KC_OK);
	cr_assert(kc_uuid_eq(&u, &v));

	v = KC_UUID_ZERO;
	cr_assert(kc_uuid_is_zero(&v));
	cr_assert_not(kc_uuid_is_zero(&u));
	cr_assert_str_eq(kc_uuid_text(&v, buf), "AAAAAAAAAAAAAAAAAAAAAA");
}

/* A source that gives bytes we choose, then others. */
struct script {
	struct kc_rand r;
	int calls;
	uint8_t first;
};

static void
script_fill(struct kc_rand *r, void *p, size_t n)
{
	struct script *s = KC_CONTAINER(r, struct script, r);

	memset(p, s->calls++ == 0 ? s->first : 0x11, n);
}

/* Goal: no id whose text would look like an option. */
Test(kc_uuid, random_never_starts_with_a_dash)
{
	struct script s = { .r.fill = script_fill, .first = 0xf8 };
	struct kc_uuid u;
	char buf[KC_UUID_TEXT];

	kc_uuid_random(&s.r, &u);
	cr_assert_eq(s.calls, 2);
	cr_assert_neq(kc_uuid_text(&u, buf)[0], '-');
	cr_assert_eq(u.b[6] >> 4, 4);
	cr_assert_eq(u.b[8] >> 6, 2);
}

Test(kc_uuid, random)
{
	struct kc_rand r;
	struct kc_uuid u, v;
	char buf[KC_UUID_TEXT];
	int i;

	kc_rand_init_system(&r);
	kc_uuid_random(&r, &v);
	for (i = 0; i < 2000; i++) {
		kc_uuid_random(&r, &u);
		cr_assert_not(kc_uuid_eq(&u, &v));
		cr_assert_neq(kc_uuid_text(&u, buf)[0], '-');
		cr_assert_eq(kc_uuid_parse(kc_str(buf), &v), KC_OK);
		cr_assert(kc_uuid_eq(&u, &v));
	}
}
