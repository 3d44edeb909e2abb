#include "kbroker/controller/channel.h"

#include "kbroker/controller/ctl.h"
#include "kbroker/config.h"
#include "kbroker/rpc/rpc.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_MS 100
#define ARENA_MAX ((size_t)1 << 30) /* a request to a broker */

static void send_next(struct kb_cbroker *b);

struct kb_outgoing *
kb_outgoing_new(void)
{
	struct kb_outgoing *o = calloc(1, sizeof *o);

	if (o != NULL)
		kc_arena_init(&o->arena, ARENA_MAX);
	return o;
}

void
kb_outgoing_free(struct kb_outgoing *o)
{
	if (o == NULL)
		return;
	kc_arena_fini(&o->arena);
	free(o);
}

static void
pop(struct kb_cbroker *b)
{
	struct kb_outgoing *o = b->queue;

	b->queue = o->next;
	kb_outgoing_free(o);
}

static bool
add_code(struct ctl_event *e, struct kc_str topic, int32_t index, int16_t code)
{
	struct ctl_code *v =
	    realloc(e->codes, (size_t)(e->ncodes + 1) * sizeof *v);

	if (v == NULL)
		return false;
	e->codes = v;
	v[e->ncodes].topic = kc_str_dup(topic);
	if (v[e->ncodes].topic == NULL)
		return false;
	v[e->ncodes].index = index;
	v[e->ncodes++].code = code;
	return true;
}

/* The answer names topics by id; the request has the names. */
static void
codes_of_leader_and_isr(struct ctl_event *e, const struct kb_outgoing *o,
    const struct kp_leader_and_isr_resp *resp)
{
	const struct kp_leader_and_isr_req *req = o->msg;

	for (int32_t i = 0; i < resp->topics.n; i++) {
		const struct kp_leader_and_isr_topic_error *t =
		    &resp->topics.v[i];
		struct kc_str name = KC_STR_NULL;

		/* Most likely in the same place, so look there first. */
		for (int32_t j = 0; j < req->topic_states.n && name.len < 0;
		     j++) {
			const struct kp_leader_and_isr_topic_state *ts =
			    &req->topic_states.v[(i + j) % req->topic_states.n];

			if (kc_uuid_eq(&ts->topic_id, &t->topic_id))
				name = ts->topic_name;
		}
		for (int32_t j = 0; j < t->partition_errors.n; j++)
			if (!add_code(e, name,
				t->partition_errors.v[j].partition_index,
				t->partition_errors.v[j].error_code))
				return;
	}
}

/* Was it to delete its log?  The request is sorted, as batch.c made it. */
static bool
to_delete(
    const struct kp_stop_replica_req *req, struct kc_str topic, int32_t index)
{
	const struct kp_stop_replica_topic_state *t = NULL;
	int32_t lo = 0, hi = req->topic_states.n;

	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		int c = strcmp(req->topic_states.v[mid].topic_name.p, topic.p);

		if (c == 0) {
			t = &req->topic_states.v[mid];
			break;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (lo = 0, hi = t == NULL ? 0 : t->partition_states.n; lo < hi;) {
		int32_t mid = lo + (hi - lo) / 2;
		const struct kp_stop_replica_partition_state *p =
		    &t->partition_states.v[mid];

		if (p->partition_index == index)
			return p->delete_partition;
		if (p->partition_index < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* Only deletions are waited for (TopicDeletionStopReplicaResponseReceived) */
static void
codes_of_stop_replica(struct ctl_event *e, const struct kb_outgoing *o,
    const struct kp_stop_replica_resp *resp)
{
	const struct kp_stop_replica_req *req = o->msg;

	/* A failure of the whole is one of each partition. */
	for (int32_t i = 0;
	     resp->error_code != KP_NONE && i < req->topic_states.n; i++) {
		const struct kp_stop_replica_topic_state *t =
		    &req->topic_states.v[i];

		for (int32_t j = 0; j < t->partition_states.n; j++)
			if (t->partition_states.v[j].delete_partition &&
			    !add_code(e, t->topic_name,
				t->partition_states.v[j].partition_index,
				resp->error_code))
				return;
	}
	for (int32_t i = 0; i < resp->partition_errors.n; i++) {
		const struct kp_stop_replica_partition_error *pe =
		    &resp->partition_errors.v[i];
		char name[256];

		if (pe->topic_name.len < 0 ||
		    pe->topic_name.len >= (int32_t)sizeof name)
			continue;
		memcpy(name, pe->topic_name.p, (size_t)pe->topic_name.len);
		name[pe->topic_name.len] = '\0';
		if (to_delete(req, kc_str(name), pe->partition_index) &&
		    !add_code(
			e, pe->topic_name, pe->partition_index, pe->error_code))
			return;
	}
}

static void
answered(struct kb_cbroker *b, const struct kb_outgoing *o, const void *resp)
{
	struct ctl_event *e;

	if (o->key == kp_key_update_metadata)
		return;
	if ((e = calloc(1, sizeof *e)) == NULL)
		return;
	e->broker = b->id;
	if (o->key == kp_key_leader_and_isr) {
		e->type = CTL_LEADER_AND_ISR_DONE;
		codes_of_leader_and_isr(e, o, resp);
	} else {
		e->type = CTL_STOP_REPLICA_DONE;
		codes_of_stop_replica(e, o, resp);
	}
	ctl_post_event(b->c, e);
}

static void
done(struct kb_rpc_call *call)
{
	struct kb_cbroker *b = call->arg;

	if (call->err == KC_ECLOSED) /* the channel is going away */
		return;
	if (call->err != KC_OK) {
		kc_log(KC_LOG_WARN, "kafka.controller.RequestSendThread",
		    "[RequestSendThread controllerId=%d] Controller %d's "
		    "request %s to broker %d failed and is sent again: %s %s",
		    b->c->p.broker_id, b->c->p.broker_id, call->api->name,
		    b->id, kc_strerror(call->err), kb_rpc_err_text(b->rpc));
		kc_timer_set(b->c->p.loop, &b->retry,
		    kc_loop_now_ms(b->c->p.loop) + RETRY_MS);
		return;
	}
	answered(b, b->queue, call->resp);
	pop(b);
	send_next(b);
}

static void
send_next(struct kb_cbroker *b)
{
	struct kb_outgoing *o = b->queue;
	int rc;

	if (o == NULL)
		return;
	rc = kb_rpc_call(
	    b->rpc, kp_api_get(o->key), o->version, o->msg, done, b);
	if (rc == KC_OK)
		return;
	kc_log(KC_LOG_ERROR, CTL_LOGGER,
	    "[Controller id=%d] Cannot make %s for broker %d: %s",
	    b->c->p.broker_id, kp_api_get(o->key)->name, b->id,
	    kc_strerror(rc));
	kc_timer_set(
	    b->c->p.loop, &b->retry, kc_loop_now_ms(b->c->p.loop) + RETRY_MS);
}

static void
on_retry(struct kc_timer *timer)
{
	send_next(KC_CONTAINER(timer, struct kb_cbroker, retry));
}

void
kb_outgoing_send(struct kb_cbroker *to, struct kb_outgoing *o)
{
	struct kb_outgoing **at = &to->queue;
	bool first = to->queue == NULL;

	if (to->rpc == NULL) { /* no endpoint on our listener: logged */
		kb_outgoing_free(o);
		return;
	}
	while (*at != NULL)
		at = &(*at)->next;
	*at = o;
	if (first)
		send_next(to);
}

int
ctl_channel_open(struct kb_controller *c, struct kb_cbroker *b)
{
	const struct kzk_endpoint *ep =
	    kzk_broker_endpoint(&b->info, kc_str(c->listener));
	char client[16];
	struct kb_rpc_params p = {
		.tls = c->p.tls,
		.client_id = client,
		.timeout_ms = c->p.config->controller_socket_timeout_ms,
	};

	b->c = c;
	kc_timer_init(&b->retry, on_retry);
	if (ep == NULL) {
		kc_log(KC_LOG_ERROR, CTL_LOGGER,
		    "[Controller id=%d] Broker %d has no listener %s; it gets "
		    "no requests of the controller",
		    c->p.broker_id, b->id, c->listener);
		return KC_ENOENT;
	}
	snprintf(client, sizeof client, "%d", c->p.broker_id);
	p.host = ep->host.p;
	p.port = ep->port;
	return kb_rpc_open(&b->rpc, c->p.loop, &p);
}

void
ctl_channel_close(struct kb_cbroker *b)
{
	if (b->c != NULL)
		kc_timer_cancel(b->c->p.loop, &b->retry);
	kb_rpc_close(&b->rpc);
	while (b->queue != NULL)
		pop(b);
}
