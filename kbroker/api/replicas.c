/*
 * LeaderAndIsr (4), StopReplica (5), UpdateMetadata (6): what the controller
 * tells a broker.
 *
 * All on the control thread, so that one is done before the next begins.
 * Broker epoch first, then controller epoch (KIP-380; controller.md 12).
 */
#include "kbroker/api/api.h"
#include "kbroker/api/control.h"
#include "kbroker/core.h"
#include "kbroker/replica/fetcher.h"
#include "kbroker/group/coordinator.h"
#include "kbroker/metadata/topic_name.h"
#include "kbroker/topics.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

#define LOGGER "state.change.logger"

/* NONE, STALE_BROKER_EPOCH or STALE_CONTROLLER_EPOCH. */
static int16_t
check_epochs(
    struct kb_request *req, int64_t broker_epoch, int32_t controller_epoch)
{
	struct kb_broker *b = req->broker;
	int64_t own = atomic_load(&b->epoch);

	if (broker_epoch != -1 && broker_epoch < own) {
		kc_log(KC_LOG_INFO, LOGGER,
		    "[Broker id=%d] Received %s with broker epoch %lld, which "
		    "is older than the current %lld",
		    b->id, req->api->name, (long long)broker_epoch,
		    (long long)own);
		return KP_STALE_BROKER_EPOCH;
	}
	return kb_manager_controller_epoch(b->mgr, controller_epoch);
}

/* --- LeaderAndIsr -------------------------------------------------------- */

struct roles {
	struct kb_role_change *v;
	int32_t n;
	struct kc_str *read; /* topics whose configuration must be read */
	int32_t nread;
};

static bool
add_role(struct kb_request *req, struct roles *r, struct kc_str topic,
    const struct kc_uuid *topic_id,
    const struct kp_leader_and_isr_partition_state *p)
{
	struct kb_role_change *c = &r->v[r->n];
	struct kc_str name = kc_arena_str(&req->arena, topic);

	if (topic.len < 1 || name.p == NULL)
		return false;
	c->topic = name.p;
	if (topic_id != NULL)
		c->topic_id = *topic_id;
	c->index = p->partition_index;
	c->is_new = p->is_new;
	c->st = (struct kb_leader_state){
		.controller_epoch = p->controller_epoch,
		.leader = p->leader,
		.leader_epoch = p->leader_epoch,
		.partition_epoch = p->partition_epoch,
		.isr = p->isr.v,
		.nisr = KC_MAX(p->isr.n, 0),
		.replicas = p->replicas.v,
		.nreplicas = KC_MAX(p->replicas.n, 0),
	};
	if (p->is_new &&
	    (r->nread == 0 || !kc_str_eq(r->read[r->nread - 1], name)))
		r->read[r->nread++] = name;
	r->n++;
	return true;
}

static bool
collect_roles(struct kb_request *req, struct roles *r)
{
	const struct kp_leader_and_isr_req *in = req->msg;
	size_t n = (size_t)KC_MAX(in->ungrouped_partition_states.n, 0);

	for (int32_t i = 0; i < in->topic_states.n; i++)
		n +=
		    (size_t)KC_MAX(in->topic_states.v[i].partition_states.n, 0);
	r->v = kc_arena_array(&req->arena, n, sizeof *r->v);
	r->read = kc_arena_array(&req->arena, n, sizeof *r->read);
	if (r->v == NULL || r->read == NULL)
		return false;
	for (int32_t i = 0; i < in->ungrouped_partition_states.n; i++) {
		const struct kp_leader_and_isr_partition_state *p =
		    &in->ungrouped_partition_states.v[i];

		if (!add_role(req, r, p->topic_name, NULL, p))
			return false;
	}
	for (int32_t i = 0; i < in->topic_states.n; i++) {
		const struct kp_leader_and_isr_topic_state *t =
		    &in->topic_states.v[i];

		for (int32_t j = 0; j < t->partition_states.n; j++)
			if (!add_role(req, r, t->topic_name, &t->topic_id,
				&t->partition_states.v[j]))
				return false;
	}
	return true;
}

static void
set_error(
    struct kp_leader_and_isr_partition_error *e, const struct kb_role_change *c)
{
	e->topic_name = kc_str(c->topic);
	e->partition_index = c->index;
	e->error_code = c->code;
	if (c->code != KP_NONE)
		kc_log(KC_LOG_WARN, LOGGER,
		    "[Broker] LeaderAndIsr of leader epoch %d for %s-%d is "
		    "not followed: %s",
		    c->st.leader_epoch, c->topic, c->index,
		    kp_error_name(c->code));
}

static bool
answer_roles(struct kb_request *req, const struct roles *r)
{
	const struct kp_leader_and_isr_req *in = req->msg;
	struct kp_leader_and_isr_resp *out = req->resp;
	const struct kb_role_change *c = r->v;

	if (req->version < 5) {
		if (!KP_ARRAY(&req->arena, &out->partition_errors,
			leader_and_isr_partition_error, r->n))
			return false;
		for (int32_t i = 0; i < r->n; i++)
			set_error(&out->partition_errors.v[i], c++);
		return true;
	}
	if (!KP_ARRAY(&req->arena, &out->topics, leader_and_isr_topic_error,
		KC_MAX(in->topic_states.n, 0)))
		return false;
	for (int32_t i = 0; i < in->topic_states.n; i++) {
		const struct kp_leader_and_isr_topic_state *t =
		    &in->topic_states.v[i];
		struct kp_leader_and_isr_topic_error *to = &out->topics.v[i];

		to->topic_id = t->topic_id;
		if (!KP_ARRAY(&req->arena, &to->partition_errors,
			leader_and_isr_partition_error,
			KC_MAX(t->partition_states.n, 0)))
			return false;
		for (int32_t j = 0; j < t->partition_states.n; j++)
			set_error(&to->partition_errors.v[j], c++);
	}
	return true;
}

static void
leader_and_isr(struct kb_request *req)
{
	const struct kp_leader_and_isr_req *in = req->msg;
	struct kp_leader_and_isr_resp *out = req->resp;
	struct kb_broker *b = req->broker;
	struct roles r = { 0 };

	out->error_code =
	    check_epochs(req, in->broker_epoch, in->controller_epoch);
	if (out->error_code != KP_NONE)
		return;
	if (!collect_roles(req, &r)) {
		req->outcome = KB_CLOSE;
		return;
	}
	if (r.nread > 0 &&
	    kb_topics_refresh(b->topics, r.read, r.nread) != KC_OK)
		kc_log(KC_LOG_WARN, LOGGER,
		    "[Broker id=%d] Cannot read the configuration of all new "
		    "topics from ZooKeeper",
		    b->id);
	/* The wait for ZooKeeper may have let a newer controller in. */
	out->error_code =
	    check_epochs(req, in->broker_epoch, in->controller_epoch);
	if (out->error_code != KP_NONE)
		return;
	for (int32_t i = 0; i < r.n; i++)
		r.v[i].tc = kb_topics_get(b->topics, kc_str(r.v[i].topic));
	kb_manager_apply(b->mgr, r.v, r.n);
	if (!answer_roles(req, &r))
		req->outcome = KB_CLOSE;
}

enum kb_disposition
kb_api_leader_and_isr(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, leader_and_isr);
}

/* --- StopReplica --------------------------------------------------------- */

/* The three shapes of the request, as one list. */
struct stops {
	struct kb_stop *v;
	int32_t n;
};

static void
add_stop(struct stops *s, struct kc_str topic, int32_t index,
    int32_t leader_epoch, bool remove)
{
	s->v[s->n++] = (struct kb_stop){ .topic = topic,
		.index = index,
		.leader_epoch = leader_epoch,
		.remove = remove };
}

static bool
collect_stops(struct kb_request *req, struct stops *s)
{
	const struct kp_stop_replica_req *in = req->msg;
	size_t n = (size_t)KC_MAX(in->ungrouped_partitions.n, 0);

	for (int32_t i = 0; i < in->topics.n; i++)
		n += (size_t)KC_MAX(in->topics.v[i].partition_indexes.n, 0);
	for (int32_t i = 0; i < in->topic_states.n; i++)
		n +=
		    (size_t)KC_MAX(in->topic_states.v[i].partition_states.n, 0);
	if ((s->v = kc_arena_array(&req->arena, n, sizeof *s->v)) == NULL)
		return false;
	for (int32_t i = 0; i < in->ungrouped_partitions.n; i++)
		add_stop(s, in->ungrouped_partitions.v[i].topic_name,
		    in->ungrouped_partitions.v[i].partition_index, -1,
		    in->delete_partitions);
	for (int32_t i = 0; i < in->topics.n; i++)
		for (int32_t j = 0; j < in->topics.v[i].partition_indexes.n;
		     j++)
			add_stop(s, in->topics.v[i].name,
			    in->topics.v[i].partition_indexes.v[j], -1,
			    in->delete_partitions);
	for (int32_t i = 0; i < in->topic_states.n; i++) {
		const struct kp_stop_replica_topic_state *t =
		    &in->topic_states.v[i];

		for (int32_t j = 0; j < t->partition_states.n; j++)
			add_stop(s, t->topic_name,
			    t->partition_states.v[j].partition_index,
			    t->partition_states.v[j].leader_epoch,
			    t->partition_states.v[j].delete_partition);
	}
	return true;
}

static void
stop_replica(struct kb_request *req)
{
	const struct kp_stop_replica_req *in = req->msg;
	struct kp_stop_replica_resp *out = req->resp;
	struct stops s = { 0 };

	out->error_code =
	    check_epochs(req, in->broker_epoch, in->controller_epoch);
	if (out->error_code != KP_NONE)
		return;
	if (!collect_stops(req, &s) ||
	    !KP_ARRAY(&req->arena, &out->partition_errors,
		stop_replica_partition_error, s.n)) {
		req->outcome = KB_CLOSE;
		return;
	}
	kb_manager_stop(req->broker->mgr, s.v, s.n);
	for (int32_t i = 0; i < s.n; i++) {
		struct kp_stop_replica_partition_error *e =
		    &out->partition_errors.v[i];

		e->topic_name = s.v[i].topic;
		e->partition_index = s.v[i].index;
		e->error_code = s.v[i].code;
	}
}

enum kb_disposition
kb_api_stop_replica(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, stop_replica);
}

/* --- UpdateMetadata ------------------------------------------------------ */

static void
update_metadata(struct kb_request *req)
{
	const struct kp_update_metadata_req *in = req->msg;
	struct kp_update_metadata_resp *out = req->resp;
	struct kb_broker *b = req->broker;
	struct kb_meta *old, *meta = NULL;
	struct kb_meta_deleted deleted = { 0 };
	const struct kb_meta_topic *offsets;
	int rc;

	out->error_code =
	    check_epochs(req, in->broker_epoch, in->controller_epoch);
	if (out->error_code != KP_NONE)
		return;
	old = kb_meta_get(&b->meta);
	rc = kb_meta_update(&meta, old, in, req->version, &deleted);
	kb_meta_unref(&old);
	if (rc != KC_OK) {
		out->error_code = KP_UNKNOWN_SERVER_ERROR;
		return;
	}
	for (int32_t i = 0; i < deleted.n; i++)
		kb_topics_forget(b->topics, deleted.v[i].topic);
	kb_coord_topics_deleted(b->coord, deleted.v, deleted.n);
	offsets = kb_meta_topic(meta, KC_STR_LIT(KB_TOPIC_OFFSETS));
	if (offsets != NULL)
		kb_coord_set_partitions(b->coord, offsets->partitions_n);
	free(deleted.v);
	kb_meta_publish(&b->meta, meta);
	kb_fetchers_news(b->fetchers);
	kb_api_ready(b); /* also wakes those who wait for a topic */
}

enum kb_disposition
kb_api_update_metadata(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, update_metadata);
}
