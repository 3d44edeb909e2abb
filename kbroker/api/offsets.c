/*
 * OffsetCommit (8) and OffsetFetch (9).  In version 0 offsets are kept in
 * ZooKeeper, below /consumers, as clients of 0.8 did themselves.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/control.h"
#include "kbroker/api/zk_offsets.h"
#include "kbroker/core.h"
#include "kbroker/group/coordinator.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

/* --- OffsetCommit --------------------------------------------------------- */

struct committing {
	struct kb_commit commit;
	struct kb_request *req;
	bool *bad; /* refused before the group was asked; one an item */
};

/* An item's answer; those that were refused at once come first. */
static bool
answer_commit(struct committing *ct)
{
	struct kb_request *req = ct->req;
	const struct kp_offset_commit_req *in = req->msg;
	struct kp_offset_commit_resp *out = req->resp;
	const struct kb_commit_item *v = ct->commit.v;
	const bool *bad = ct->bad;

	if (!KP_ARRAY(&req->arena, &out->topics, offset_commit_response_topic,
		KC_MAX(in->topics.n, 0)))
		return false;
	for (int32_t i = 0; i < out->topics.n; i++) {
		struct kp_offset_commit_response_topic *o = &out->topics.v[i];
		int32_t n = KC_MAX(in->topics.v[i].partitions.n, 0), at = 0;

		o->name = in->topics.v[i].name;
		if (!KP_ARRAY(&req->arena, &o->partitions,
			offset_commit_response_partition, n))
			return false;
		for (int pass = 0; pass < 2; pass++)
			for (int32_t j = 0; j < n; j++) {
				if (bad[j] != (pass == 0))
					continue;
				o->partitions.v[at].partition_index =
				    v[j].partition;
				o->partitions.v[at++].error_code = v[j].code;
			}
		v += n;
		bad += n;
	}
	return true;
}

static void
commit_done(struct kb_commit *cm)
{
	struct committing *ct = KC_CONTAINER(cm, struct committing, commit);

	ct->req->outcome = answer_commit(ct) ? KB_REPLY : KB_CLOSE;
	if (kb_request_claim(ct->req))
		kb_request_complete(ct->req);
}

static int16_t
check_item(struct kb_request *req, const struct kb_meta *meta,
    const struct kp_offset_commit_req *in, struct kc_str topic,
    int32_t partition)
{
	if (!kb_request_may(req, KB_OP_READ, KB_RES_GROUP, in->group_id))
		return KP_GROUP_AUTHORIZATION_FAILED;
	if (!kb_request_may(req, KB_OP_READ, KB_RES_TOPIC, topic))
		return KP_TOPIC_AUTHORIZATION_FAILED;
	if (kb_meta_partition(kb_meta_topic(meta, topic), partition) == NULL)
		return KP_UNKNOWN_TOPIC_OR_PARTITION;
	return KP_NONE;
}

static struct kb_offset_value
value_of(const struct kp_offset_commit_req *in,
    const struct kp_offset_commit_request_partition *p, int64_t now_ms)
{
	return (struct kb_offset_value){
		.offset = p->committed_offset,
		.leader_epoch = p->committed_leader_epoch,
		.metadata = p->committed_metadata.len < 0 ?
		    KC_STR_LIT("") :
		    p->committed_metadata,
		.commit_ms =
		    p->commit_timestamp == -1 ? now_ms : p->commit_timestamp,
		.expire_ms = in->retention_time_ms == -1 ?
		    -1 :
		    now_ms + in->retention_time_ms,
	};
}

/* All partitions of the request as items; false when out of memory. */
static bool
collect(struct committing *ct)
{
	struct kb_request *req = ct->req;
	const struct kp_offset_commit_req *in = req->msg;
	const struct kb_meta *meta = kb_request_meta(req);
	struct kb_commit *cm = &ct->commit;
	int64_t now_ms = kc_wall_ms(req->broker->env->c.clock);
	size_t total = 0;

	for (int32_t i = 0; i < in->topics.n; i++)
		total += (size_t)KC_MAX(in->topics.v[i].partitions.n, 0);
	cm->v = kc_arena_array(&req->arena, total, sizeof *cm->v);
	ct->bad = kc_arena_array(&req->arena, total, sizeof *ct->bad);
	if ((cm->v == NULL || ct->bad == NULL) && total > 0)
		return false;
	for (int32_t i = 0; i < in->topics.n; i++) {
		const struct kp_offset_commit_request_topic *t =
		    &in->topics.v[i];

		for (int32_t j = 0; j < t->partitions.n; j++) {
			struct kb_commit_item *it = &cm->v[cm->n];

			it->topic = t->name;
			it->partition = t->partitions.v[j].partition_index;
			it->value = value_of(in, &t->partitions.v[j], now_ms);
			it->code =
			    check_item(req, meta, in, it->topic, it->partition);
			ct->bad[cm->n++] = it->code != KP_NONE;
		}
	}
	return true;
}

static void
commit_to_zk(struct kb_request *req)
{
	const struct kp_offset_commit_req *in = req->msg;
	struct committing *ct = req->park_state;
	int32_t max = req->broker->config->offset_metadata_max_bytes;

	for (int32_t i = 0; i < ct->commit.n; i++) {
		struct kb_commit_item *it = &ct->commit.v[i];

		if (it->code != KP_NONE)
			continue;
		it->code = it->value.metadata.len > max ?
		    KP_OFFSET_METADATA_TOO_LARGE :
		    kb_zk_offset_put(req->broker->zk, in->group_id, it->topic,
			it->partition, it->value.offset);
	}
	if (!answer_commit(ct))
		req->outcome = KB_CLOSE;
}

enum kb_disposition
kb_api_offset_commit(
    struct kb_request *req, const void *msg, void *resp KC_UNUSED)
{
	const struct kp_offset_commit_req *in = msg;
	struct committing *ct = kc_arena_alloc(&req->arena, sizeof *ct);

	if (ct == NULL)
		return KB_CLOSE;
	ct->req = req;
	ct->commit = (struct kb_commit){
		.group = in->group_id,
		.generation = in->generation_id_or_member_epoch,
		.member_id = in->member_id,
		.instance_id = in->group_instance_id,
		.producer_id = -1,
		.done = commit_done,
	};
	if (!collect(ct))
		return KB_CLOSE;
	if (req->version == 0) {
		req->park_state = ct;
		return kb_api_on_control(req, commit_to_zk);
	}
	kb_request_park(req, -1, NULL);
	if (!kb_coord_commit(req->broker->coord, &ct->commit))
		return KB_PARKED;
	return answer_commit(ct) ? KB_REPLY : KB_CLOSE;
}

/* --- OffsetFetch ---------------------------------------------------------- */

/*
 * Up to version 7 one group's topics are in the request itself, later each
 * group has its own; the structs differ in name only.
 */
struct wanted {
	struct kc_str group;
	const struct kp_offset_fetch_request_topics *topics;
	int32_t n; /* -1: all */
};

static bool
ask(struct kb_request *req, const struct wanted *w, bool require_stable,
    struct kb_offset_query *q, int16_t *code)
{
	size_t total = 0;

	*q = (struct kb_offset_query){ .group = w->group,
		.require_stable = require_stable,
		.all = w->n < 0,
		.arena = &req->arena };
	for (int32_t i = 0; i < w->n; i++)
		total += (size_t)KC_MAX(w->topics[i].partition_indexes.n, 0);
	q->v = kc_arena_array(&req->arena, total, sizeof *q->v);
	if (q->v == NULL && total > 0)
		return false;
	for (int32_t i = 0; i < w->n; i++)
		for (int32_t j = 0; j < w->topics[i].partition_indexes.n; j++) {
			struct kb_offset_query_item *it = &q->v[q->n++];

			it->topic = w->topics[i].name;
			it->partition = w->topics[i].partition_indexes.v[j];
		}
	*code = KP_GROUP_AUTHORIZATION_FAILED;
	if (kb_request_may(req, KB_OP_DESCRIBE, KB_RES_GROUP, w->group))
		*code = kb_coord_offsets(req->broker->coord, q);
	return true;
}

/* What may not be described: an error, or not there when all was asked. */
static void
hide(struct kb_request *req, struct kb_offset_query *q)
{
	int32_t n = 0;

	for (int32_t i = 0; i < q->n; i++) {
		struct kb_offset_query_item it = q->v[i];

		if (!kb_request_may(
			req, KB_OP_DESCRIBE, KB_RES_TOPIC, it.topic)) {
			if (q->all)
				continue;
			it.code = KP_TOPIC_AUTHORIZATION_FAILED;
			it.offset = it.leader_epoch = -1;
			it.metadata = KC_STR_LIT("");
		}
		q->v[n++] = it;
	}
	q->n = n;
}

/* How many items from i on are of one topic. */
static int32_t
run_of(const struct kb_offset_query *q, int32_t i)
{
	int32_t n = 1;

	while (i + n < q->n && kc_str_eq(q->v[i + n].topic, q->v[i].topic))
		n++;
	return n;
}

static int32_t
count_topics(const struct kb_offset_query *q)
{
	int32_t n = 0;

	for (int32_t i = 0; i < q->n; i += run_of(q, i))
		n++;
	return n;
}

/* Version 8 and later. */
static bool
put_group(struct kb_request *req, const struct kb_offset_query *q,
    struct kp_offset_fetch_response_group *o)
{
	int32_t at = 0, n;

	if (!KP_ARRAY(&req->arena, &o->topics, offset_fetch_response_topics,
		count_topics(q)))
		return false;
	for (int32_t i = 0; i < q->n; i += n) {
		struct kp_offset_fetch_response_topics *t = &o->topics.v[at++];

		n = run_of(q, i);
		t->name = q->v[i].topic;
		if (!KP_ARRAY(&req->arena, &t->partitions,
			offset_fetch_response_partitions, n))
			return false;
		for (int32_t j = 0; j < n; j++) {
			struct kp_offset_fetch_response_partitions *p =
			    &t->partitions.v[j];
			const struct kb_offset_query_item *it = &q->v[i + j];

			p->partition_index = it->partition;
			p->committed_offset = it->offset;
			p->committed_leader_epoch = it->leader_epoch;
			p->metadata = it->metadata;
			p->error_code = it->code;
		}
	}
	return true;
}

static enum kb_disposition
fetch_groups(struct kb_request *req, const struct kp_offset_fetch_req *in)
{
	struct kp_offset_fetch_resp *out = req->resp;

	if (!KP_ARRAY(&req->arena, &out->groups, offset_fetch_response_group,
		KC_MAX(in->groups.n, 0)))
		return KB_CLOSE;
	for (int32_t i = 0; i < out->groups.n; i++) {
		const struct kp_offset_fetch_request_group *g =
		    &in->groups.v[i];
		struct kp_offset_fetch_response_group *o = &out->groups.v[i];
		struct wanted w = { g->group_id, g->topics.v, g->topics.n };
		struct kb_offset_query q;

		o->group_id = g->group_id;
		if (!ask(req, &w, in->require_stable, &q, &o->error_code))
			return KB_CLOSE;
		if (o->error_code != KP_NONE)
			continue;
		hide(req, &q);
		if (!put_group(req, &q, o))
			return KB_CLOSE;
	}
	return KB_REPLY;
}

/* Up to version 7; code is in each partition where there is no other place. */
static bool
put_topics(struct kb_request *req, const struct kb_offset_query *q)
{
	struct kp_offset_fetch_resp *out = req->resp;
	int32_t at = 0, n;

	if (!KP_ARRAY(&req->arena, &out->topics, offset_fetch_response_topic,
		count_topics(q)))
		return false;
	for (int32_t i = 0; i < q->n; i += n) {
		struct kp_offset_fetch_response_topic *t = &out->topics.v[at++];

		n = run_of(q, i);
		t->name = q->v[i].topic;
		if (!KP_ARRAY(&req->arena, &t->partitions,
			offset_fetch_response_partition, n))
			return false;
		for (int32_t j = 0; j < n; j++) {
			struct kp_offset_fetch_response_partition *p =
			    &t->partitions.v[j];
			const struct kb_offset_query_item *it = &q->v[i + j];

			p->partition_index = it->partition;
			p->committed_offset = it->offset;
			p->committed_leader_epoch = it->leader_epoch;
			p->metadata = it->metadata;
			p->error_code = it->code;
		}
	}
	return true;
}

static void
nothing(struct kb_offset_query_item *it, int16_t code)
{
	it->offset = it->leader_epoch = -1;
	it->metadata = KC_STR_LIT("");
	it->code = code;
}

static void
get_from_zk(struct kb_request *req, struct kc_str group,
    struct kb_offset_query_item *it)
{
	int64_t offset;
	int16_t code = kb_zk_offset_get(
	    req->broker->zk, group, it->topic, it->partition, &offset);

	nothing(it, code);
	if (code == KP_NONE)
		it->offset = offset;
}

static void
fetch_from_zk(struct kb_request *req)
{
	const struct kp_offset_fetch_req *in = req->msg;
	struct kb_offset_query *q = req->park_state;

	for (int32_t i = 0; i < q->n; i++)
		if (q->v[i].code == KP_NONE)
			get_from_zk(req, in->group_id, &q->v[i]);
	if (!put_topics(req, q))
		req->outcome = KB_CLOSE;
}

/* Version 0: only topics that exist are looked up. */
static enum kb_disposition
fetch_v0(struct kb_request *req, struct kb_offset_query *asked)
{
	const struct kb_meta *meta = kb_request_meta(req);
	struct kb_offset_query *q = kc_arena_alloc(&req->arena, sizeof *q);

	if (q == NULL)
		return KB_CLOSE;
	*q = *asked;
	for (int32_t i = 0; i < q->n; i++) {
		struct kb_offset_query_item *it = &q->v[i];
		int16_t code = KP_NONE;

		if (!kb_request_may(
			req, KB_OP_DESCRIBE, KB_RES_TOPIC, it->topic))
			code = KP_TOPIC_AUTHORIZATION_FAILED;
		else if (kb_meta_partition(kb_meta_topic(meta, it->topic),
			     it->partition) == NULL)
			code = KP_UNKNOWN_TOPIC_OR_PARTITION;
		nothing(it, code);
	}
	req->park_state = q;
	return kb_api_on_control(req, fetch_from_zk);
}

static enum kb_disposition
fetch_one(struct kb_request *req, const struct kp_offset_fetch_req *in)
{
	struct kp_offset_fetch_resp *out = req->resp;
	struct kp_offset_fetch_request_topics *topics;
	struct kb_offset_query q;
	struct wanted w = { in->group_id, NULL, in->topics.n };
	size_t n = (size_t)KC_MAX(in->topics.n, 0);
	int16_t code;

	topics = kc_arena_array(&req->arena, n, sizeof *topics);
	if (topics == NULL && n > 0)
		return KB_CLOSE;
	for (size_t i = 0; i < n; i++) {
		topics[i].name = in->topics.v[i].name;
		topics[i].partition_indexes.v =
		    in->topics.v[i].partition_indexes.v;
		topics[i].partition_indexes.n =
		    in->topics.v[i].partition_indexes.n;
	}
	w.topics = topics;
	if (!ask(req, &w, in->require_stable, &q, &code))
		return KB_CLOSE;
	if (req->version == 0 && code != KP_GROUP_AUTHORIZATION_FAILED)
		return fetch_v0(req, &q);
	if (code == KP_NONE) {
		hide(req, &q);
	} else if (req->version >= 2) {
		out->error_code = code;
		q.n = 0;
	} else {
		for (int32_t i = 0; i < q.n; i++)
			nothing(&q.v[i], code);
	}
	return put_topics(req, &q) ? KB_REPLY : KB_CLOSE;
}

enum kb_disposition
kb_api_offset_fetch(
    struct kb_request *req, const void *msg, void *resp KC_UNUSED)
{
	const struct kp_offset_fetch_req *in = msg;

	return req->version >= 8 ? fetch_groups(req, in) : fetch_one(req, in);
}
