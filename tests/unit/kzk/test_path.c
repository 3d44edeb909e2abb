#include "kcommon/base/err.h"
#include "kzk/path.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/*
 * Goal: no name from outside makes a path that is not the node meant.
 * Method: names with separators, dots, control bytes, too long ones.
 */
Test(kzk_path, bad_names_make_no_path)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/", "a\nb",
		"a\x7f", "a\x01" };
	struct kzk_path p;

	for (size_t i = 0; i < KC_COUNT(bad); i++) {
		struct kc_str s = kc_str(bad[i]);

		cr_assert_eq(kzk_path_topic(&p, s), KC_EINVAL, "%s", bad[i]);
		cr_assert_eq(kzk_path_state(&p, s, 0), KC_EINVAL);
		cr_assert_eq(kzk_path_delete_topic(&p, s), KC_EINVAL);
		cr_assert_eq(
		    kzk_path_config(&p, KZK_CONFIG_USERS, s), KC_EINVAL);
		cr_assert_eq(
		    kzk_path_config(&p, KZK_CONFIG_TOPICS, s), KC_EINVAL);
		cr_assert_eq(kzk_path_acl(&p, true, "Topic", s), KC_EINVAL);
		cr_assert_eq(kzk_path_token(&p, s), KC_EINVAL);
		cr_assert_eq(kzk_path_child(&p, "/a", s), KC_EINVAL);
		cr_assert_eq(
		    kzk_path_old_offset(&p, s, KC_STR_LIT("t"), 0), KC_EINVAL);
	}
	cr_assert_eq(kzk_path_topic(&p, KC_STR_LIT("a b")), KC_EINVAL);
	cr_assert_eq(kzk_path_topic(&p, KC_STR_NULL), KC_EINVAL);
	cr_assert_eq(kzk_path_state(&p, KC_STR_LIT("t"), -1), KC_EINVAL);
	cr_assert_eq(kzk_path_broker(&p, -1), KC_EINVAL);
}

Test(kzk_path, what_does_not_fit_is_refused)
{
	size_t len = KZK_PATH_MAX;
	char *name = malloc(len);
	struct kzk_path p;

	memset(name, 'n', len);
	cr_assert_eq(kzk_path_token(&p, (struct kc_str){ name, (int32_t)len }),
	    KC_ELIMIT);
	cr_assert_eq(
	    kzk_path_topic(&p, (struct kc_str){ name, 250 }), KC_EINVAL);
	cr_assert_eq(kzk_path_topic(&p, (struct kc_str){ name, 249 }), KC_OK);
	free(name);
}

Test(kzk_path, entity_paths_are_checked)
{
	static const char *const bad[] = { "", "topics", "topics/", "/t",
		"topics//t", "topics/t/", "users/u/clients/c/",
		"users/u/other/c", "topics/t/clients/c", "users/u/clients",
		"a/../c", "users/u/clients/c/d" };
	struct kzk_path p;

	for (size_t i = 0; i < KC_COUNT(bad); i++)
		cr_assert_eq(kzk_path_entity(&p, kc_str(bad[i])), KC_EINVAL,
		    "%s", bad[i]);
	cr_assert_eq(kzk_path_entity(&p, KC_STR_LIT("topics/t")), KC_OK);
	cr_assert_str_eq(p.s, "/config/topics/t");
	cr_assert_eq(
	    kzk_path_entity(&p, KC_STR_LIT("users/u%40/clients/<default>")),
	    KC_OK);
	cr_assert_str_eq(p.s, "/config/users/u%40/clients/<default>");
}

Test(kzk_path, every_node)
{
	const struct kc_str t = KC_STR_LIT("my.topic-1_x");
	struct kzk_path p;

	cr_assert_eq(kzk_path_broker(&p, 7), KC_OK);
	cr_assert_str_eq(p.s, "/brokers/ids/7");
	cr_assert_eq(kzk_path_topic(&p, t), KC_OK);
	cr_assert_str_eq(p.s, "/brokers/topics/my.topic-1_x");
	cr_assert_eq(kzk_path_partitions(&p, t), KC_OK);
	cr_assert_str_eq(p.s, "/brokers/topics/my.topic-1_x/partitions");
	cr_assert_eq(kzk_path_partition(&p, t, 3), KC_OK);
	cr_assert_str_eq(p.s, "/brokers/topics/my.topic-1_x/partitions/3");
	cr_assert_eq(kzk_path_state(&p, t, 3), KC_OK);
	cr_assert_str_eq(
	    p.s, "/brokers/topics/my.topic-1_x/partitions/3/state");
	cr_assert_eq(kzk_path_delete_topic(&p, t), KC_OK);
	cr_assert_str_eq(p.s, "/admin/delete_topics/my.topic-1_x");
	cr_assert_eq(kzk_path_config_root(&p, KZK_CONFIG_IPS), KC_OK);
	cr_assert_str_eq(p.s, "/config/ips");
	cr_assert_eq(kzk_path_config(&p, KZK_CONFIG_BROKERS,
			 KC_STR_LIT(KZK_ENTITY_DEFAULT)),
	    KC_OK);
	cr_assert_str_eq(p.s, "/config/brokers/<default>");
	cr_assert_eq(kzk_path_user_clients(&p, KC_STR_LIT("u")), KC_OK);
	cr_assert_str_eq(p.s, "/config/users/u/clients");
	cr_assert_eq(
	    kzk_path_user_client(&p, KC_STR_LIT("u"), KC_STR_LIT("c")), KC_OK);
	cr_assert_str_eq(p.s, "/config/users/u/clients/c");
	cr_assert_eq(kzk_path_acl(&p, false, "Topic", KC_STR_LIT("*")), KC_OK);
	cr_assert_str_eq(p.s, "/kafka-acl/Topic/*");
	cr_assert_eq(kzk_path_acl(&p, true, "Group", t), KC_OK);
	cr_assert_str_eq(
	    p.s, "/kafka-acl-extended/prefixed/Group/my.topic-1_x");
	cr_assert_eq(kzk_path_acl_type(&p, true, "User"), KC_OK);
	cr_assert_str_eq(p.s, "/kafka-acl-extended/prefixed/User");
	cr_assert_eq(kzk_path_token(&p, KC_STR_LIT("id")), KC_OK);
	cr_assert_str_eq(p.s, "/delegation_token/tokens/id");
	cr_assert_eq(kzk_path_old_offset(&p, KC_STR_LIT("g"), t, 0), KC_OK);
	cr_assert_str_eq(p.s, "/consumers/g/offsets/my.topic-1_x/0");
	cr_assert_eq(
	    kzk_path_seq(&p, KZK_CONFIG_CHANGES, KZK_CONFIG_CHANGE_PREFIX),
	    KC_OK);
	cr_assert_str_eq(p.s, "/config/changes/config_change_");
}

Test(kzk_path, sequence_numbers)
{
	static const char *const bad[] = { "", "c_", "x_0000000001", "c_12x",
		"c_999999999999", "c" };
	int64_t n = -7;

	for (size_t i = 0; i < KC_COUNT(bad); i++)
		cr_assert_eq(kzk_seq_number(kc_str(bad[i]), "c_", &n),
		    KC_EMALFORMED, "%s", bad[i]);
	cr_assert_eq(kzk_seq_number(KC_STR_NULL, "c_", &n), KC_EMALFORMED);
	cr_assert_eq(
	    kzk_seq_number(KC_STR_LIT("c_0000000012"), "c_", &n), KC_OK);
	cr_assert_eq(n, 12);
	cr_assert_eq(
	    kzk_seq_number(KC_STR_LIT("c_2147483647"), "c_", &n), KC_OK);
	cr_assert_eq(n, INT32_MAX);
}

Test(kzk_sanitize, restoring_refuses_what_is_not_encoded)
{
	static const char *const bad[] = { "%", "%4", "%zz", "a%0", "%00" };
	char buf[64];

	for (size_t i = 0; i < KC_COUNT(bad); i++)
		cr_assert_eq(kzk_restore(kc_str(bad[i]), buf, sizeof buf),
		    KC_EMALFORMED, "%s", bad[i]);
	cr_assert_eq(kzk_restore(KC_STR_LIT("abc"), buf, 3), KC_ELIMIT);
	cr_assert_eq(kzk_restore(KC_STR_LIT("abc"), buf, 4), KC_OK);
	cr_assert_eq(kzk_sanitize(KC_STR_LIT("abc"), buf, 3), KC_ELIMIT);
}

Test(kzk_sanitize, as_javas_url_encoder)
{
	static const char *const pairs[][2] = {
		{ "a-zA.Z_0", "a-zA.Z_0" },
		{ "CN=a, O=b", "CN%3Da%2C%20O%3Db" },
		{ "*", "%2A" },
		{ "User:\xc3\xa9~", "User%3A%C3%A9%7E" },
		{ "", "" },
	};
	char buf[64], back[64];

	for (size_t i = 0; i < KC_COUNT(pairs); i++) {
		cr_assert_eq(
		    kzk_sanitize(kc_str(pairs[i][0]), buf, sizeof buf), KC_OK);
		cr_assert_str_eq(buf, pairs[i][1]);
		cr_assert_eq(
		    kzk_restore(kc_str(buf), back, sizeof back), KC_OK);
		cr_assert_str_eq(back, pairs[i][0]);
	}
	cr_assert_eq(kzk_restore(KC_STR_LIT("a+b"), buf, sizeof buf), KC_OK);
	cr_assert_str_eq(buf, "a b");
}

Test(kzk_path, which_nodes_are_secret)
{
	cr_assert(kzk_path_sensitive("/config/users/u"));
	cr_assert(kzk_path_sensitive("/config/brokers"));
	cr_assert(kzk_path_sensitive("/delegation_token/tokens/x"));
	cr_assert_not(kzk_path_sensitive("/config/topics/t"));
	cr_assert(kzk_path_open("/consumers"));
	cr_assert_not(kzk_path_open("/consumers/g"));
}
