#include "common.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/kp_json.h"
#include "kcommon/proto/kp_rand.h"

#include <criterion/criterion.h>
#include <jansson.h>

static void
expect(
    const struct kp_msg *m, int16_t version, const void *msg, const char *want)
{
	struct kc_wr w;

	kc_wr_init(&w, 0);
	cr_assert_eq(kp_json(&w, m, version, msg), KC_OK);
	cr_expect(w.len == strlen(want) && memcmp(w.p, want, w.len) == 0,
	    "%.*s", (int)w.len, (const char *)w.p);
	kc_wr_fini(&w);
}

/* Text from a peer cannot break out of its quotes, nor out of UTF-8. */
Test(kp_json, hostile_strings)
{
	const struct kp_msg *m = &kp_api_get(kp_key_heartbeat)->req;
	struct kp_heartbeat_req req;

	kp_init(m->desc(), &req);
	req.group_id = KC_STR_LIT("a\"\\\n\177\xff\xc3\xa4\xc0\x80");
	req.member_id = KC_STR_LIT("\xed\xa0\x80\xf0\x9f\x98\x80\xe2\x82");
	expect(m, 0, &req,
	    "{\"group_id\":\"a\\\"\\\\\\u000a\\u007f\\ufffd\xc3\xa4"
	    "\\ufffd\\ufffd\",\"generation_id\":0,\"member_id\":"
	    "\"\\ufffd\\ufffd\\ufffd\xf0\x9f\x98\x80\\ufffd\\ufffd\"}");
}

Test(kp_json, every_type)
{
	struct kp_offset_fetch_request_topic topic = {
		.name = KC_STR_LIT("t"),
		.partition_indexes = { (int32_t[]){ 1, -2 }, 2 },
	};
	struct kp_offset_fetch_req req = {
		.group_id = KC_STR_LIT("g"),
		.topics = { &topic, 1 },
		.require_stable = true,
	};
	struct kp_sync_group_resp sync = {
		.assignment = KC_STR_LIT("\1\xfe"),
		.protocol_type = KC_STR_NULL,
	};
	struct kp_list_groups_req empty = { 0 };
	const struct kp_msg *m = &kp_api_get(kp_key_offset_fetch)->req;

	expect(m, 7, &req,
	    "{\"group_id\":\"g\",\"topics\":[{\"name\":\"t\","
	    "\"partition_indexes\":[1,-2]}],\"require_stable\":true}");
	req.topics.n = -1;
	expect(m, 2, &req, "{\"group_id\":\"g\",\"topics\":null}");
	expect(&kp_api_get(kp_key_sync_group)->resp, 5, &sync,
	    "{\"throttle_time_ms\":0,\"error_code\":0,"
	    "\"protocol_type\":null,\"protocol_name\":\"\","
	    "\"assignment\":\"01fe\"}");
	expect(&kp_api_get(kp_key_list_groups)->req, 0, &empty, "{}");
}

/* Method: jansson must read what we print of random messages. */
static void
parses(const struct kp_msg *m, int16_t version)
{
	struct kc_rand rnd;
	struct kc_arena a;
	char buf[LABEL_MAX];
	int i;

	kc_rand_init_seed(&rnd, 3);
	kc_arena_init(&a, ARENA_CAP);
	for (i = 0; i < 3; i++) {
		void *msg = kc_arena_alloc(&a, kp_msg_size(m));
		struct kc_wr w;
		json_t *o;

		kc_wr_init(&w, 0);
		cr_assert_eq(kp_rand(m, version, &rnd, &a, msg), KC_OK);
		cr_assert_eq(kp_json(&w, m, version, msg), KC_OK);
		o = json_loadb((char *)w.p, w.len, JSON_ALLOW_NUL, NULL);
		cr_assert_not_null(o, "%s: %.*s", label(m, version, buf),
		    (int)w.len, (const char *)w.p);
		json_decref(o);
		kc_wr_fini(&w);
	}
	kc_arena_fini(&a);
}

Test(kp_json, is_json)
{
	each_message(parses);
}
