#include "kbroker/metadata/topic_name.h"

#include <criterion/criterion.h>
#include <string.h>

Test(kb_topic_name, refused)
{
	static const char *const bad[] = { "", ".", "..", "a b", "a/b", "a:b",
		"\xc3\xa4", "a\n", "a,b", "*" };
	char name[251];
	size_t i;

	for (i = 0; i < KC_COUNT(bad); i++)
		cr_expect_not(
		    kb_topic_name_valid(kc_str(bad[i])), "%s", bad[i]);
	cr_expect_not(kb_topic_name_valid(KC_STR_NULL));
	cr_expect_not(kb_topic_name_valid((struct kc_str){ "a\0b", 3 }));
	memset(name, 'a', sizeof name);
	cr_expect_not(kb_topic_name_valid((struct kc_str){ name, 250 }));
	cr_expect(kb_topic_name_valid((struct kc_str){ name, 249 }));
}

Test(kb_topic_name, accepted)
{
	cr_expect(kb_topic_name_valid(KC_STR_LIT("a")));
	cr_expect(kb_topic_name_valid(KC_STR_LIT("...")));
	cr_expect(kb_topic_name_valid(KC_STR_LIT("A.b_c-9")));
	cr_expect(kb_topic_name_internal(KC_STR_LIT("__consumer_offsets")));
	cr_expect(kb_topic_name_internal(KC_STR_LIT("__transaction_state")));
	cr_expect_not(kb_topic_name_internal(KC_STR_LIT("__consumer_offset")));
	cr_expect_not(kb_topic_name_internal(KC_STR_NULL));
}

Test(kb_topic_name, collides)
{
	cr_expect(kb_topic_name_collides(KC_STR_LIT("a.b"), KC_STR_LIT("a_b")));
	cr_expect_not(
	    kb_topic_name_collides(KC_STR_LIT("a.b"), KC_STR_LIT("a.b")));
	cr_expect_not(
	    kb_topic_name_collides(KC_STR_LIT("a.b"), KC_STR_LIT("a_c")));
	cr_expect_not(
	    kb_topic_name_collides(KC_STR_LIT("a.b"), KC_STR_LIT("a_bc")));
}
