#include "kbroker/rpc/rpc.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/env.h"
#include "kcommon/base/err.h"
#include "kcommon/base/str.h"
#include "kcommon/io/fiber.h"
#include "kcommon/io/frames.h"
#include "kcommon/io/sock.h"
#include "kcommon/io/tls.h"
#include "kcommon/proto/header.h"
#include "kcommon/proto/kp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TIMEOUT_MS 30000
#define CONNECT_TIMEOUT_MS 10000
#define BACKOFF_MS 50
#define BACKOFF_MAX_MS 1000

/* Memory of a decoded answer, per byte of it. */
#define DECODE_FACTOR 8
#define DECODE_MIN (64 * 1024)

struct call {
	struct kb_rpc_call c; /* first */
	struct call *next, *prev; /* of the list it is in */
	struct call **list; /* NULL once done */
	struct kb_rpc *rpc;
	kb_rpc_done_fn done;
	struct kc_timer timer;
	int32_t correlation_id;
	struct kc_wr out;
	struct kc_arena arena; /* of the decoded answer */
	uint8_t *frame; /* the answer points into it; owned */
	size_t frame_cap;
};

struct kb_rpc {
	unsigned magic;
#define KB_RPC_MAGIC 0x2d7f11b6
	struct kc_loop *loop;
	struct kb_rpc_params p; /* strings owned */
	struct kc_stream *stream; /* NULL: not connected, nor trying */
	bool up;
	int broken; /* KC_E*: to be taken down by the kick timer */
	char err_text[160];

	struct call *queue; /* not sent; oldest first, as the others */
	struct call *flight; /* being sent, or sent */
	struct call *failing; /* being told */
	int nqueue, nflight;
	struct call *sending; /* the one of flight that is not all written */
	struct kc_send send;
	struct kc_frames in;
	int32_t next_id;

	struct kc_timer kick;
	struct kc_timer connecting; /* set: a deadline */
	struct kc_timer backoff; /* set: no new try before */
	int64_t backoff_ms;

	int nested; /* done() callbacks on the stack */
	bool dead; /* closed; freed when nested is 0 */
};

static void
free_rpc(struct kb_rpc *rpc)
{
	kc_tls_put(&rpc->p.tls);
	kc_frames_fini(&rpc->in);
	free((char *)rpc->p.host);
	free((char *)rpc->p.client_id);
	kc_delete(rpc);
}

static void
free_call(struct call *call)
{
	kc_wr_fini(&call->out);
	kc_arena_fini(&call->arena);
	free(call->frame);
	free(call);
}

void
kb_rpc_call_free(struct kb_rpc_call **callp)
{
	struct call *call = (struct call *)*callp;

	*callp = NULL;
	if (call == NULL)
		return;
	KC_ASSERT(call->list == NULL && call->c.keep);
	free_call(call);
}

static void
move(struct call *call, struct call **list)
{
	struct kb_rpc *rpc = call->rpc;

	if (call->list == &rpc->queue)
		rpc->nqueue--;
	else if (call->list == &rpc->flight)
		rpc->nflight--;
	if (call->list != NULL)
		DL_DELETE(*call->list, call);
	call->list = list;
	if (list == NULL)
		return;
	DL_APPEND(*list, call);
	if (list == &rpc->queue)
		rpc->nqueue++;
	else if (list == &rpc->flight)
		rpc->nflight++;
}

/*
 * The call is over.  done() may do anything, closing the channel included:
 * look at rpc->dead afterwards, and leave.
 */
static void
end_call(struct call *call, int err)
{
	struct kb_rpc *rpc = call->rpc;

	move(call, NULL);
	kc_timer_cancel(rpc->loop, &call->timer);
	if (rpc->sending == call)
		rpc->sending = NULL;
	kc_wr_fini(&call->out);
	call->c.err = err;
	call->c.done_ns = kc_mono_ns(kc_loop_env(rpc->loop)->clock);
	rpc->nested++;
	call->done(&call->c);
	rpc->nested--;
	if (call->c.keep)
		return;
	if (rpc->in.p == NULL && !rpc->dead) {
		rpc->in.p = call->frame;
		rpc->in.cap = call->frame_cap;
		call->frame = NULL;
	}
	free_call(call);
}

static void
end_list(struct kb_rpc *rpc, struct call **list, int err)
{
	struct call *call, *tmp;

	/* What done() queues anew is not ended with the old ones. */
	DL_FOREACH_SAFE(*list, call, tmp)
		move(call, &rpc->failing);
	while ((call = rpc->failing) != NULL)
		end_call(call, err);
}

static void
disconnect(struct kb_rpc *rpc)
{
	if (rpc->stream != NULL)
		rpc->stream->ops->close(&rpc->stream);
	kc_timer_cancel(rpc->loop, &rpc->connecting);
	kc_timer_cancel(rpc->loop, &rpc->kick);
	kc_frames_fini(&rpc->in);
	rpc->sending = NULL;
	rpc->broken = KC_OK;
	rpc->up = false;
}

/* Takes the connection down on the next pass: no done() may run now. */
static void
set_broken(struct kb_rpc *rpc, int err, const char *text)
{
	if (rpc->broken != KC_OK)
		return;
	rpc->broken = err;
	snprintf(rpc->err_text, sizeof rpc->err_text, "%s",
	    text != NULL && text[0] != '\0' ? text : kc_strerror(err));
	kc_timer_set(rpc->loop, &rpc->kick, kc_loop_now_ms(rpc->loop));
}

static void pump(struct kb_rpc *rpc);

static void
take_down(struct kb_rpc *rpc, int err)
{
	bool was_up = rpc->up;
	bool idle = was_up && rpc->queue == NULL && rpc->flight == NULL;

	disconnect(rpc);
	/* A peer may close a connection that nobody uses; no harm in that. */
	if (!idle) {
		kc_timer_set(rpc->loop, &rpc->backoff,
		    kc_loop_now_ms(rpc->loop) + rpc->backoff_ms);
		rpc->backoff_ms =
		    KC_MIN(rpc->backoff_ms * 2, rpc->p.backoff_max_ms);
	}
	/* Guards rpc while callbacks run. */
	rpc->nested++;
	end_list(rpc, &rpc->flight, KC_EINDOUBT);
	if (!was_up && !rpc->dead)
		end_list(rpc, &rpc->queue, err);
	rpc->nested--;
	if (!rpc->dead)
		pump(rpc);
	else if (rpc->nested == 0)
		free_rpc(rpc);
}

static void
on_kick(struct kc_timer *t)
{
	struct kb_rpc *rpc = KC_CONTAINER(t, struct kb_rpc, kick);

	/* A peer that closes has nothing more to say than "no". */
	take_down(rpc, rpc->broken == KC_ECLOSED ? KC_ENETWORK : rpc->broken);
}

static void
on_connecting(struct kc_timer *t)
{
	struct kb_rpc *rpc = KC_CONTAINER(t, struct kb_rpc, connecting);

	set_broken(rpc, KC_ETIMEDOUT, "connecting took too long");
}

static void
on_backoff(struct kc_timer *t)
{
	pump(KC_CONTAINER(t, struct kb_rpc, backoff));
}

static void
on_timeout(struct kc_timer *t)
{
	struct call *call = KC_CONTAINER(t, struct call, timer);
	struct kb_rpc *rpc = call->rpc;
	bool sent = call->list == &rpc->flight;

	rpc->nested++;
	end_call(call, KC_ETIMEDOUT);
	rpc->nested--;
	if (rpc->dead && rpc->nested == 0) {
		free_rpc(rpc);
		return;
	}
	/* Its answer may still come and would be taken for another's. */
	if (sent && !rpc->dead)
		set_broken(rpc, KC_ETIMEDOUT, "no answer in time");
}

/* Gives the frame at hand to the call, so that the answer can outlive it. */
static int
take_frame(
    struct kb_rpc *rpc, struct call *call, const uint8_t **frame, int32_t len)
{
	struct kc_frames *f = &rpc->in;

	if (f->off == 0 && kc_frames_held(f) == (size_t)len + 4) {
		call->frame = f->p;
		call->frame_cap = f->cap;
		kc_frames_init(f, f->max);
		return KC_OK;
	}
	call->frame_cap = (size_t)len + 1;
	if ((call->frame = malloc(call->frame_cap)) == NULL)
		return KC_ENOMEM;
	memcpy(call->frame, *frame, (size_t)len);
	*frame = call->frame;
	kc_frames_take(f);
	return KC_OK;
}

static int
decode(struct call *call, struct kc_rd *r, int32_t len)
{
	const struct kp_msg *m = &call->c.api->resp;
	void *resp;
	int rc;

	kc_arena_init(&call->arena, DECODE_MIN + (size_t)len * DECODE_FACTOR);
	if ((resp = kc_arena_alloc(&call->arena, kp_msg_size(m))) == NULL)
		return KC_ENOMEM;
	rc = kp_decode(m, call->c.version, r, &call->arena, resp);
	if (rc == KC_OK)
		call->c.resp = resp;
	return rc;
}

/* One answer.  KC_E*: the connection is of no use any more. */
static int
answer(struct kb_rpc *rpc, const uint8_t *frame, int32_t len)
{
	struct call *call = rpc->flight;
	struct kc_rd r;
	int32_t id = 0;
	int rc;

	if (call == NULL || call == rpc->sending)
		return KC_EMALFORMED; /* to what? */
	if ((rc = take_frame(rpc, call, &frame, len)) != KC_OK)
		return rc;
	kc_rd_init(&r, frame, (size_t)len);
	rc = kp_resp_header_read(&r, call->c.api, call->c.version, &id);
	if (rc != KC_OK || id != call->correlation_id)
		return KC_EMALFORMED;
	rc = decode(call, &r, len);
	rpc->backoff_ms = rpc->p.backoff_ms;
	end_call(call, rc == KC_OK ? KC_OK : KC_EMALFORMED);
	return rc;
}

static void
receive(struct kb_rpc *rpc)
{
	const uint8_t *frame;
	size_t room, n;
	uint8_t *p;
	int32_t len;
	int rc;

	while (!rpc->dead && rpc->broken == KC_OK && rpc->stream != NULL) {
		rc = kc_frames_peek(&rpc->in, &frame, &len);
		if (rc == KC_OK) {
			rc = answer(rpc, frame, len);
		} else if (rc == KC_EAGAIN) {
			rc = kc_frames_room(&rpc->in, &p, &room);
			if (rc == KC_OK)
				rc = rpc->stream->ops->read(
				    rpc->stream, p, room, &n);
			if (rc == KC_EAGAIN)
				return;
			if (rc == KC_OK)
				rpc->in.len += n;
		}
		if (rc != KC_OK && !rpc->dead)
			set_broken(rpc, rc, rpc->stream->err_text);
	}
}

static void
on_ready(struct kc_stream *s, unsigned ready)
{
	struct kb_rpc *rpc = s->arg;
	size_t n;
	char c;
	int rc;

	if (rpc->broken != KC_OK)
		return;
	if (!rpc->up && !s->established) {
		if ((rc = s->ops->read(s, &c, 1, &n)) != KC_EAGAIN)
			set_broken(rpc, rc, s->err_text);
		return;
	}
	rpc->up = true;
	kc_timer_cancel(rpc->loop, &rpc->connecting);
	if (ready & (KC_IO_IN | KC_IO_HUP)) {
		rpc->nested++;
		receive(rpc);
		rpc->nested--;
	}
	if (!rpc->dead)
		pump(rpc);
	else if (rpc->nested == 0)
		free_rpc(rpc);
}

static void
start_connect(struct kb_rpc *rpc)
{
	const struct kc_net_ops *net = kc_loop_env(rpc->loop)->net;
	int rc;

	rc = net->connect(
	    &rpc->stream, rpc->loop, rpc->p.host, rpc->p.port, rpc->p.tls);
	if (rc != KC_OK) {
		set_broken(rpc, rc, NULL);
		return;
	}
	rpc->stream->arg = rpc;
	rpc->stream->on_ready = on_ready;
	kc_timer_set(rpc->loop, &rpc->connecting,
	    kc_loop_now_ms(rpc->loop) + rpc->p.connect_timeout_ms);
}

/* Connects or sends, whatever is next.  Calls no done(). */
static void
pump(struct kb_rpc *rpc)
{
	struct kc_stream *s;
	int rc;

	if (rpc->broken != KC_OK)
		return;
	if (rpc->stream == NULL && rpc->queue != NULL &&
	    !kc_timer_is_set(&rpc->backoff))
		start_connect(rpc);
	if (!rpc->up)
		return;
	s = rpc->stream;
	for (;;) {
		if (rpc->sending == NULL) {
			if (rpc->queue == NULL ||
			    rpc->nflight >= rpc->p.inflight_max)
				break;
			rpc->sending = rpc->queue;
			move(rpc->queue, &rpc->flight);
			rpc->send = (struct kc_send){
				.w = &rpc->sending->out,
			};
			rpc->sending->c.sent_ns =
			    kc_mono_ns(kc_loop_env(rpc->loop)->clock);
		}
		if ((rc = s->ops->send(s, &rpc->send)) == KC_EAGAIN) {
			s->ops->want(s, KC_IO_IN | KC_IO_OUT);
			return;
		}
		if (rc != KC_OK) {
			set_broken(rpc, rc, s->err_text);
			return;
		}
		kc_wr_fini(&rpc->sending->out);
		rpc->sending = NULL;
	}
	s->ops->want(s, KC_IO_IN);
}

int
kb_rpc_open(
    struct kb_rpc **rpcp, struct kc_loop *loop, const struct kb_rpc_params *p)
{
	struct kb_rpc *rpc;

	KC_ASSERT(rpcp != NULL && *rpcp == NULL);
	if ((rpc = kc_new(struct kb_rpc, KB_RPC_MAGIC)) == NULL)
		return KC_ENOMEM;
	rpc->loop = loop;
	rpc->p = *p;
	rpc->p.host = strdup(p->host);
	rpc->p.client_id = strdup(p->client_id != NULL ? p->client_id : "");
	rpc->p.tls = p->tls != NULL ? kc_tls_get(p->tls) : NULL;
#define DEFAULT(field, v) rpc->p.field = p->field > 0 ? p->field : (v)
	DEFAULT(timeout_ms, TIMEOUT_MS);
	DEFAULT(connect_timeout_ms, CONNECT_TIMEOUT_MS);
	DEFAULT(backoff_ms, BACKOFF_MS);
	DEFAULT(backoff_max_ms, BACKOFF_MAX_MS);
	DEFAULT(inflight_max, 1);
	DEFAULT(response_max, INT32_MAX);
#undef DEFAULT
	kc_frames_init(&rpc->in, rpc->p.response_max);
	kc_timer_init(&rpc->kick, on_kick);
	kc_timer_init(&rpc->connecting, on_connecting);
	kc_timer_init(&rpc->backoff, on_backoff);
	rpc->backoff_ms = rpc->p.backoff_ms;
	if (rpc->p.host == NULL || rpc->p.client_id == NULL) {
		free_rpc(rpc);
		return KC_ENOMEM;
	}
	*rpcp = rpc;
	return KC_OK;
}

void
kb_rpc_close(struct kb_rpc **rpcp)
{
	struct kb_rpc *rpc = *rpcp;

	if (rpc == NULL)
		return;
	KC_CHECK(rpc, KB_RPC_MAGIC);
	*rpcp = NULL;
	KC_ASSERT(!rpc->dead);
	rpc->dead = true;
	disconnect(rpc);
	kc_timer_cancel(rpc->loop, &rpc->backoff);
	rpc->nested++;
	/* Those that were being told first: they are the oldest. */
	end_list(rpc, &rpc->flight, KC_ECLOSED);
	end_list(rpc, &rpc->queue, KC_ECLOSED);
	rpc->nested--;
	if (rpc->nested == 0)
		free_rpc(rpc);
}

static int
encode(struct call *call, const char *client_id, const void *msg)
{
	struct kp_req_header h = {
		.api = call->c.api,
		.version = call->c.version,
		.correlation_id = call->correlation_id,
		.client_id = kc_str(client_id),
	};
	struct kc_wr *w = &call->out;
	int rc;

	kc_wr_i32(w, 0);
	kp_req_header_write(w, &h);
	rc = kp_encode(&call->c.api->req, call->c.version, w, msg);
	if (rc == KC_OK)
		rc = w->err;
	if (rc == KC_OK && kc_wr_total(w) - 4 > INT32_MAX)
		rc = KC_ELIMIT;
	if (rc == KC_OK)
		kc_wr_patch_i32(w, 0, (int32_t)(kc_wr_total(w) - 4));
	return rc;
}

int
kb_rpc_call_by(struct kb_rpc *rpc, const struct kp_api *api, int16_t version,
    const void *msg, int64_t timeout_ms, kb_rpc_done_fn done, void *arg)
{
	struct call *call;
	int rc;

	KC_CHECK(rpc, KB_RPC_MAGIC);
	KC_ASSERT(!rpc->dead && kp_api_has_version(api, version));
	if (rpc->nqueue >= KB_RPC_QUEUE_MAX)
		return KC_ELIMIT;
	if ((call = calloc(1, sizeof *call)) == NULL)
		return KC_ENOMEM;
	call->rpc = rpc;
	call->done = done;
	call->c.arg = arg;
	call->c.api = api;
	call->c.version = version;
	/* As in Kafka: never negative. */
	call->correlation_id = rpc->next_id;
	rpc->next_id = (int32_t)((uint32_t)rpc->next_id + 1) & INT32_MAX;
	kc_timer_init(&call->timer, on_timeout);
	kc_wr_init(&call->out, 0);
	if ((rc = encode(call, rpc->p.client_id, msg)) != KC_OK) {
		free_call(call);
		return rc;
	}
	move(call, &rpc->queue);
	kc_timer_set(
	    rpc->loop, &call->timer, kc_loop_now_ms(rpc->loop) + timeout_ms);
	pump(rpc);
	return KC_OK;
}

int
kb_rpc_call(struct kb_rpc *rpc, const struct kp_api *api, int16_t version,
    const void *msg, kb_rpc_done_fn done, void *arg)
{
	return kb_rpc_call_by(
	    rpc, api, version, msg, rpc->p.timeout_ms, done, arg);
}

struct ask {
	struct kc_fiber *fiber;
	struct kb_rpc_call *call;
};

static void
on_asked(struct kb_rpc_call *call)
{
	struct ask *ask = call->arg;

	call->keep = true;
	ask->call = call;
	kc_fiber_wake(ask->fiber);
}

int
kb_rpc_ask(struct kb_rpc *rpc, const struct kp_api *api, int16_t version,
    const void *msg, struct kb_rpc_call **callp)
{
	struct ask ask = { .fiber = kc_fiber_self() };
	int rc;

	KC_ASSERT(ask.fiber != NULL && *callp == NULL);
	rc = kb_rpc_call(rpc, api, version, msg, on_asked, &ask);
	if (rc != KC_OK)
		return rc;
	while (ask.call == NULL)
		kc_fiber_wait();
	rc = ask.call->err;
	if (rc != KC_OK)
		kb_rpc_call_free(&ask.call);
	*callp = ask.call;
	return rc;
}

int
kb_rpc_pending(const struct kb_rpc *rpc)
{
	return rpc->nqueue + rpc->nflight;
}

const char *
kb_rpc_err_text(const struct kb_rpc *rpc)
{
	return rpc->err_text;
}
