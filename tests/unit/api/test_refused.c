/*
 * The APIs that only refuse: byte for byte what a real broker answered.  The
 * handlers are called as net does; the captured answers are outside the tree.
 */
#include "kbroker/api/api.h"
#include "kbroker/controller/ctl.h"
#include "kbroker/core.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/header.h"
#include "tests/unit/api/frames.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define ARENA_CAP ((size_t)1 << 20)
#define FRAMES_MAX 64

typedef enum kb_disposition (*handler_fn)(
    struct kb_request *req, const void *msg, void *resp);

static const struct {
	const char *name;
	int16_t key;
	handler_fn fn;
} apis[] = {
	{ "SaslHandshake", kp_key_sasl_handshake, kb_api_sasl_handshake },
	{ "SaslAuthenticate", kp_key_sasl_authenticate,
	    kb_api_sasl_authenticate },
	{ "DescribeAcls", kp_key_describe_acls, kb_api_describe_acls },
	{ "CreateAcls", kp_key_create_acls, kb_api_create_acls },
	{ "DeleteAcls", kp_key_delete_acls, kb_api_delete_acls },
	{ "CreateDelegationToken", kp_key_create_delegation_token,
	    kb_api_create_delegation_token },
	{ "RenewDelegationToken", kp_key_renew_delegation_token,
	    kb_api_renew_delegation_token },
	{ "ExpireDelegationToken", kp_key_expire_delegation_token,
	    kb_api_expire_delegation_token },
	{ "DescribeDelegationToken", kp_key_describe_delegation_token,
	    kb_api_describe_delegation_token },
	{ "UpdateFeatures", kp_key_update_features, kb_api_update_features },
	{ "ConsumerGroupHeartbeat", kp_key_consumer_group_heartbeat,
	    kb_api_consumer_group_heartbeat },
	{ "ConsumerGroupDescribe", kp_key_consumer_group_describe,
	    kb_api_consumer_group_describe },
};

struct world {
	struct kb_broker b;
	struct kb_controller ctl;
	struct kb_request req;
};

static void
open_world(struct world *w, const struct kp_api *api, int16_t version)
{
	memset(w, 0, sizeof *w);
	w->b.ctl = &w->ctl;
	atomic_init(&w->ctl.active, true);
	w->req.broker = &w->b;
	w->req.principal = "User:ANONYMOUS";
	w->req.peer_host = "127.0.0.1";
	w->req.api = api;
	w->req.version = version;
	kc_arena_init(&w->req.arena, ARENA_CAP);
	w->req.resp = kc_arena_alloc(&w->req.arena, kp_msg_size(&api->resp));
	kp_init(api->resp.desc(), w->req.resp);
}

/* The answer as it would be sent. */
static void
answer(const struct captured *c, handler_fn fn, struct kc_wr *out)
{
	struct kp_req_header h;
	struct world w;
	struct kc_rd r;
	void *msg;

	kc_rd_init(&r, c->request.p, c->request.n);
	cr_assert_eq(kp_req_header_read(&r, &h), KC_OK, "%s", c->label);
	open_world(&w, h.api, h.version);
	msg = kc_arena_alloc(&w.req.arena, kp_msg_size(&h.api->req));
	cr_assert_eq(
	    kp_decode(&h.api->req, h.version, &r, &w.req.arena, msg), KC_OK);
	cr_assert_eq(fn(&w.req, msg, w.req.resp), KB_REPLY, "%s", c->label);
	kp_resp_header_write(out, h.api, h.version, h.correlation_id);
	cr_assert_eq(kp_encode(&h.api->resp, h.version, out, w.req.resp), KC_OK,
	    "%s", c->label);
	kc_arena_fini(&w.req.arena);
}

Test(kb_refused, as_a_real_broker)
{
	struct captured v[FRAMES_MAX];
	int total = 0;

	for (size_t i = 0; i < KC_COUNT(apis); i++) {
		int n = load_frames(apis[i].name, v, FRAMES_MAX);

		if (n < 0)
			cr_skip_test("no captured answers: set KB_SHARED");
		cr_expect_gt(n, 0, "%s", apis[i].name);
		for (int k = 0; k < n; k++) {
			struct kc_wr out;

			kc_wr_init(&out, 0);
			answer(&v[k], apis[i].fn, &out);
			cr_expect(out.len == v[k].response.n &&
				memcmp(out.p, v[k].response.p, out.len) == 0,
			    "%s", v[k].label);
			kc_wr_fini(&out);
		}
		total += n;
		free_frames(v, n);
	}
	cr_expect_gt(total, 30);
}

Test(kb_refused, tokens_over_tls)
{
	struct kp_describe_delegation_token_resp *out;
	struct world w;

	open_world(&w, kp_api_get(kp_key_describe_delegation_token), 3);
	out = w.req.resp;
	w.req.tls = true;
	kb_api_describe_delegation_token(&w.req, NULL, out);
	cr_expect_eq(out->error_code, KP_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
	    "nobody in particular");
	w.req.principal = "User:CN=a";
	kb_api_describe_delegation_token(&w.req, NULL, out);
	cr_expect_eq(out->error_code, KP_DELEGATION_TOKEN_AUTH_DISABLED);
	kc_arena_fini(&w.req.arena);
}

Test(kb_refused, features)
{
	struct kp_feature_update_key v[3];
	struct kp_update_features_req in;
	struct kp_update_features_resp *out;
	struct world w;

	open_world(&w, kp_api_get(kp_key_update_features), 1);
	out = w.req.resp;
	kp_init(kp_desc_update_features_req(), &in);
	for (int i = 0; i < 3; i++) {
		kp_init(kp_desc_feature_update_key(), &v[i]);
		v[i].feature = KC_STR_LIT("f");
		v[i].upgrade_type = 1;
	}
	v[0].feature = KC_STR_LIT("");
	v[2].upgrade_type = 2;
	in.feature_updates.v = v;
	in.feature_updates.n = 3;
	atomic_store(&w.ctl.active, false);
	kb_api_update_features(&w.req, &in, out);
	cr_expect_eq(out->error_code, KP_NOT_CONTROLLER);
	cr_expect_eq(out->results.n, 0);
	atomic_store(&w.ctl.active, true);
	out->error_code = KP_NONE;
	kb_api_update_features(&w.req, &in, out);
	cr_assert_eq(out->results.n, 3);
	cr_expect(kc_str_eqz(
	    out->results.v[0].error_message, "Feature name can not be empty."));
	cr_expect(kc_str_eqz(out->results.v[1].error_message,
	    "Can not provide maxVersionLevel less than 1 without setting the "
	    "allowDowngrade flag to true in the request."));
	cr_expect(kc_str_eqz(out->results.v[2].error_message,
	    "Can not delete non-existing finalized feature."));
	kc_arena_fini(&w.req.arena);
}

Test(kb_refused, an_envelope_closes)
{
	struct world w;

	open_world(&w, kp_api_get(kp_key_envelope), 0);
	cr_expect_eq(kb_api_envelope(&w.req, NULL, NULL), KB_CLOSE);
	kc_arena_fini(&w.req.arena);
}
