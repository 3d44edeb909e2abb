/*
 * JoinGroup (11), SyncGroup (14), Heartbeat (12), LeaveGroup (13): what the
 * members of a group ask (kbroker/group decides).
 */
#include "kbroker/api/api.h"
#include "kbroker/core.h"
#include "kbroker/group/coordinator.h"
#include "kcommon/base/uuid.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

/* A join or sync whose answer may come later. */
struct waiting {
	struct kb_group_wait wait;
	struct kb_request *req;
	bool ok; /* the answer could be made */
};

static bool
may_read(struct kb_request *req, struct kc_str group)
{
	return kb_request_may(req, KB_OP_READ, KB_RES_GROUP, group);
}

/*
 * Park before others can see the wait, then ask.  The wait's callback, or the
 * handler when the answer is there at once, makes the answer.
 */
static struct waiting *
wait_new(struct kb_request *req, void (*done)(struct kb_group_wait *w))
{
	struct waiting *wt = kc_arena_alloc(&req->arena, sizeof *wt);

	if (wt == NULL)
		return NULL;
	wt->req = req;
	wt->wait.arena = &req->arena;
	wt->wait.done = done;
	kb_request_park(req, -1, NULL);
	return wt;
}

static void
complete(struct waiting *wt)
{
	wt->req->outcome = wt->ok ? KB_REPLY : KB_CLOSE;
	if (kb_request_claim(wt->req))
		kb_request_complete(wt->req);
}

/* --- JoinGroup ------------------------------------------------------------ */

/* "client-1b4e28ba-2fa1-11d2-883f-0016d3cca427", as Java prints a UUID. */
static struct kc_str
new_member_id(struct kb_request *req, struct kc_str prefix)
{
	struct kc_uuid u;
	const uint8_t *b = u.b;

	kc_uuid_random(req->broker->env->c.rand, &u);
	return kc_str(kc_arena_printf(&req->arena,
	    "%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
	    "%02x%02x%02x%02x%02x%02x",
	    KC_STR_ARG(prefix), b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
	    b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]));
}

static bool
answer_join(struct waiting *wt)
{
	struct kb_request *req = wt->req;
	struct kp_join_group_resp *out = req->resp;
	const struct kb_group_wait *w = &wt->wait;

	out->error_code = w->code;
	out->generation_id = w->generation;
	out->protocol_type = w->protocol_type;
	out->protocol_name = w->protocol_name;
	if (req->version < 7 && w->protocol_name.len < 0)
		out->protocol_name = KC_STR_LIT("");
	out->leader = w->leader;
	out->member_id = w->member_id;
	out->skip_assignment = w->skip_assignment;
	if (!KP_ARRAY(&req->arena, &out->members, join_group_response_member,
		w->nmembers))
		return false;
	for (int32_t i = 0; i < w->nmembers; i++) {
		out->members.v[i].member_id = w->members[i].member_id;
		out->members.v[i].group_instance_id = w->members[i].instance_id;
		out->members.v[i].metadata = w->members[i].metadata;
	}
	return true;
}

static void
join_done(struct kb_group_wait *w)
{
	struct waiting *wt = KC_CONTAINER(w, struct waiting, wait);

	wt->ok = answer_join(wt);
	complete(wt);
}

static bool
describe_join(struct kb_request *req, const struct kp_join_group_req *in,
    struct kb_join *j)
{
	size_t n = (size_t)KC_MAX(in->protocols.n, 0);
	struct kb_member_protocol *p =
	    kc_arena_array(&req->arena, n, sizeof *p);

	if (p == NULL && n > 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		p[i].name = in->protocols.v[i].name;
		p[i].metadata = in->protocols.v[i].metadata;
	}
	*j = (struct kb_join){
		.member_id = in->member_id,
		.instance_id = in->group_instance_id,
		.new_id = new_member_id(req,
		    in->group_instance_id.len >= 0 ? in->group_instance_id :
						     req->client_id),
		.client_id = req->client_id,
		.client_host =
		    kc_str(kc_arena_printf(&req->arena, "/%s", req->peer_host)),
		.protocol_type = in->protocol_type,
		.protocols = p,
		.nprotocols = (int32_t)n,
		.session_ms = in->session_timeout_ms,
		/* In version 0 there was only one. */
		.rebalance_ms = req->version == 0 ? in->session_timeout_ms :
						    in->rebalance_timeout_ms,
		.id_required = req->version >= 4,
		.can_skip = req->version >= 9,
	};
	return j->new_id.p != NULL && j->client_host.p != NULL;
}

enum kb_disposition
kb_api_join_group(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_join_group_req *in = msg;
	struct kp_join_group_resp *out = resp;
	struct waiting *wt;
	struct kb_join j;

	if (!may_read(req, in->group_id)) {
		out->error_code = KP_GROUP_AUTHORIZATION_FAILED;
		out->member_id = in->member_id;
		if (req->version < 7)
			out->protocol_name = KC_STR_LIT("");
		return KB_REPLY;
	}
	if ((wt = wait_new(req, join_done)) == NULL ||
	    !describe_join(req, in, &j))
		return KB_CLOSE;
	j.wait = &wt->wait;
	if (!kb_coord_join(req->broker->coord, in->group_id, &j))
		return KB_PARKED;
	return answer_join(wt) ? KB_REPLY : KB_CLOSE;
}

/* --- SyncGroup ------------------------------------------------------------ */

static void
answer_sync(struct waiting *wt)
{
	struct kp_sync_group_resp *out = wt->req->resp;

	out->error_code = wt->wait.code;
	out->protocol_type = wt->wait.protocol_type;
	out->protocol_name = wt->wait.protocol_name;
	out->assignment = wt->wait.assignment;
}

static void
sync_done(struct kb_group_wait *w)
{
	struct waiting *wt = KC_CONTAINER(w, struct waiting, wait);

	answer_sync(wt);
	wt->ok = true;
	complete(wt);
}

static int16_t
check_sync(struct kb_request *req, const struct kp_sync_group_req *in)
{
	/* From version 5 on the client must say which protocol it means. */
	if (req->version >= 5 &&
	    (in->protocol_type.len < 0 || in->protocol_name.len < 0))
		return KP_INCONSISTENT_GROUP_PROTOCOL;
	if (!may_read(req, in->group_id))
		return KP_GROUP_AUTHORIZATION_FAILED;
	return KP_NONE;
}

enum kb_disposition
kb_api_sync_group(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_sync_group_req *in = msg;
	struct kp_sync_group_resp *out = resp;
	size_t n = (size_t)KC_MAX(in->assignments.n, 0);
	struct kb_sync_assignment *v;
	struct waiting *wt;
	struct kb_sync s = {
		.member_id = in->member_id,
		.instance_id = in->group_instance_id,
		.protocol_type = in->protocol_type,
		.protocol_name = in->protocol_name,
		.generation = in->generation_id,
		.nassignments = (int32_t)n,
	};

	if ((out->error_code = check_sync(req, in)) != KP_NONE)
		return KB_REPLY;
	v = kc_arena_array(&req->arena, n, sizeof *v);
	if ((v == NULL && n > 0) || (wt = wait_new(req, sync_done)) == NULL)
		return KB_CLOSE;
	for (size_t i = 0; i < n; i++) {
		v[i].member_id = in->assignments.v[i].member_id;
		v[i].assignment = in->assignments.v[i].assignment;
	}
	s.assignments = v;
	s.wait = &wt->wait;
	if (!kb_coord_sync(req->broker->coord, in->group_id, &s))
		return KB_PARKED;
	answer_sync(wt);
	return KB_REPLY;
}

/* --- Heartbeat ------------------------------------------------------------ */

enum kb_disposition
kb_api_heartbeat(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_heartbeat_req *in = msg;
	struct kp_heartbeat_resp *out = resp;

	if (!may_read(req, in->group_id))
		out->error_code = KP_GROUP_AUTHORIZATION_FAILED;
	else
		out->error_code = kb_coord_heartbeat(req->broker->coord,
		    in->group_id, in->generation_id, in->member_id,
		    in->group_instance_id);
	return KB_REPLY;
}

/* --- LeaveGroup ----------------------------------------------------------- */

/* Version 0 to 2: one member, whose error is that of the answer. */
static void
leave_one(struct kb_request *req, const struct kp_leave_group_req *in,
    struct kp_leave_group_resp *out)
{
	struct kb_leaver l = { in->member_id, KC_STR_NULL, KP_NONE };

	out->error_code =
	    kb_coord_leave(req->broker->coord, in->group_id, &l, 1);
	if (out->error_code == KP_NONE)
		out->error_code = l.code;
}

enum kb_disposition
kb_api_leave_group(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_leave_group_req *in = msg;
	struct kp_leave_group_resp *out = resp;
	int32_t n = KC_MAX(in->members.n, 0);
	struct kb_leaver *v;

	if (!may_read(req, in->group_id)) {
		out->error_code = KP_GROUP_AUTHORIZATION_FAILED;
		return KB_REPLY;
	}
	if (req->version < 3) {
		leave_one(req, in, out);
		return KB_REPLY;
	}
	v = kc_arena_array(&req->arena, (size_t)n, sizeof *v);
	if ((v == NULL && n > 0) ||
	    !KP_ARRAY(&req->arena, &out->members, member_response, n))
		return KB_CLOSE;
	for (int32_t i = 0; i < n; i++) {
		v[i].member_id = in->members.v[i].member_id;
		v[i].instance_id = in->members.v[i].group_instance_id;
	}
	out->error_code =
	    kb_coord_leave(req->broker->coord, in->group_id, v, n);
	if (out->error_code != KP_NONE)
		out->members.n = 0;
	for (int32_t i = 0; i < out->members.n; i++) {
		out->members.v[i].member_id = v[i].member_id;
		out->members.v[i].group_instance_id = v[i].instance_id;
		out->members.v[i].error_code = v[i].code;
	}
	return KB_REPLY;
}
