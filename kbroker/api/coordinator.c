/*
 * FindCoordinator (10): which broker leads the partition that a group's records
 * are in.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/auto_create.h"
#include "kbroker/api/control.h"
#include "kbroker/core.h"
#include "kbroker/group/coordinator.h"
#include "kbroker/metadata/topic_name.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

enum key_type { /* CoordinatorType */
	GROUP = 0,
	TRANSACTION = 1,
};

struct found {
	int16_t code;
	int32_t node_id;
	struct kc_str host;
	int32_t port;
};

/* Where one key belongs; *create: __consumer_offsets is to be made. */
static void
find(struct kb_request *req, const struct kb_meta *meta, int8_t type,
    struct kc_str key, struct found *f, bool *create)
{
	const struct kb_meta_topic *topic;
	const struct kb_meta_partition *p;
	const struct kb_meta_endpoint *ep;

	*f = (struct found){ KP_INVALID_REQUEST, -1, KC_STR_LIT(""), -1 };
	if (type != GROUP && type != TRANSACTION)
		return;
	if (type == GROUP &&
	    !kb_request_may(req, KB_OP_DESCRIBE, KB_RES_GROUP, key)) {
		f->code = KP_GROUP_AUTHORIZATION_FAILED;
		return;
	}
	if (type == TRANSACTION &&
	    !kb_request_may(req, KB_OP_DESCRIBE, KB_RES_TXN_ID, key)) {
		f->code = KP_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
		return;
	}
	f->code = KP_COORDINATOR_NOT_AVAILABLE;
	if (type == TRANSACTION)
		return; /* no transactions yet */
	topic = kb_meta_topic(meta, KC_STR_LIT(KB_TOPIC_OFFSETS));
	if (topic == NULL) {
		*create = true;
		return;
	}
	p = kb_meta_partition(
	    topic, kb_coord_partition_of(req->broker->coord, key));
	if (p == NULL || p->leader < 0)
		return;
	ep = kb_meta_endpoint(
	    kb_meta_broker(meta, p->leader), kc_str(req->listener));
	if (ep == NULL)
		return;
	f->host = kc_arena_str(&req->arena, ep->host);
	if (f->host.len != ep->host.len) {
		f->host = KC_STR_LIT("");
		return;
	}
	f->code = KP_NONE;
	f->node_id = p->leader;
	f->port = ep->port;
}

/* Up to version 3: one key, and the answer says "NONE" when all is well. */
static void
answer_one(struct kb_request *req, const struct found *f)
{
	struct kp_find_coordinator_resp *out = req->resp;

	out->error_code = f->code;
	out->error_message =
	    kc_str(f->code == KP_NONE ? "NONE" : kp_error_text(f->code));
	out->node_id = f->node_id;
	out->host = f->host;
	out->port = f->port;
}

static void
answer_key(struct kp_coordinator *o, struct kc_str key, const struct found *f)
{
	o->key = key;
	o->error_code = f->code;
	o->error_message =
	    kc_str(f->code == KP_INVALID_REQUEST ? kp_error_text(f->code) : "");
	o->node_id = f->node_id;
	o->host = f->host;
	o->port = f->port;
}

/* The client asks again; by then the topic may be there. */
static void
create_topic(struct kb_request *req)
{
	(void)kb_auto_create(req->broker, KC_STR_LIT(KB_TOPIC_OFFSETS));
}

enum kb_disposition
kb_api_find_coordinator(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_find_coordinator_req *in = msg;
	struct kp_find_coordinator_resp *out = resp;
	const struct kb_meta *meta = kb_request_meta(req);
	struct found f;
	bool create = false;

	if (req->version < 4) {
		find(req, meta, in->key_type, in->key, &f, &create);
		answer_one(req, &f);
	} else {
		if (!KP_ARRAY(&req->arena, &out->coordinators, coordinator,
			KC_MAX(in->coordinator_keys.n, 0)))
			return KB_CLOSE;
		for (int32_t i = 0; i < out->coordinators.n; i++) {
			struct kc_str key = in->coordinator_keys.v[i];

			find(req, meta, in->key_type, key, &f, &create);
			answer_key(&out->coordinators.v[i], key, &f);
		}
	}
	return create ? kb_api_on_control(req, create_topic) : KB_REPLY;
}
