/* From a frame to a request, and from an answer to the wire. */
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/buf/rd.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/header.h"
#include "kcommon/proto/kp.h"
#include "kbroker/net/net_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGGER "kafka.network.Processor"

static void on_complete(struct kc_task *task);
static void on_park_timeout(struct kc_timer *t);

int
kb_request_key(const struct kb_request *req)
{
	return req->api->key;
}

/* The request is over: its memory and its frame are free again. */
static void
finish(struct kb_request *req)
{
	struct kb_conn *conn = req->conn;

	if (req->on_done != NULL)
		req->on_done(req);
	conn->req = NULL;
	kb_pool_put_request(conn->reactor, req);
	kc_frames_take(&conn->frames);
}

void
kb_request_drop(struct kb_request *req)
{
	kc_timer_cancel(req->loop, &req->timer);
	if (req->on_done != NULL)
		req->on_done(req);
	kb_pool_put_request(req->conn->reactor, req);
}

static int
read_header(struct kb_request *req, struct kc_rd *r)
{
	struct kp_req_header h = { 0 };
	int rc = kp_req_header_read(r, &h);

	req->api = h.api;
	req->version = h.version;
	req->correlation_id = h.correlation_id;
	req->client_id = h.client_id.len < 0 ? KC_STR_LIT("") : h.client_id;
	if (rc == KC_OK && !kp_api_has_version(h.api, h.version))
		return KC_EVERSION;
	return rc;
}

static int
read_body(struct kb_request *req, struct kc_rd *r)
{
	void *msg, *resp;
	int rc;

	req->arena.cap =
	    KB_DECODE_MIN + req->frame_size * (size_t)KB_DECODE_FACTOR;
	msg = kc_arena_alloc(&req->arena, kp_msg_size(&req->api->req));
	resp = kc_arena_alloc(&req->arena, kp_msg_size(&req->api->resp));
	if (msg == NULL || resp == NULL)
		return KC_ENOMEM;
	rc = kp_decode(&req->api->req, req->version, r, &req->arena, msg);
	if (rc != KC_OK)
		return rc;
	kp_init(req->api->resp.desc(), resp);
	req->msg = msg;
	req->resp = resp;
	req->arena.cap += KB_ANSWER_MAX;
	return KC_OK;
}

/*
 * KIP-511: a client newer than we are asks in a version that we do not know;
 * it gets a version 0 answer with the error and the versions of this one API.
 */
static int
answer_unknown_version(struct kb_request *req)
{
	struct kp_api_versions_resp *resp;

	req->arena.cap = KB_DECODE_MIN;
	resp = kc_arena_alloc(&req->arena, sizeof *resp);
	if (resp == NULL)
		return KC_ENOMEM;
	kp_init(req->api->resp.desc(), resp);
	resp->error_code = KP_UNSUPPORTED_VERSION;
	if (!KP_ARRAY(&req->arena, &resp->api_keys, api_version, 1))
		return KC_ENOMEM;
	resp->api_keys.v[0].api_key = req->api->key;
	resp->api_keys.v[0].min_version = req->api->min;
	resp->api_keys.v[0].max_version = req->api->max;
	req->version = 0;
	req->resp = resp;
	return KC_OK;
}

/*
 * The answer becomes bytes at the end of conn->out; the pump sends them.  What
 * is there before it may be on its way already.
 */
static int
encode(struct kb_request *req)
{
	struct kb_conn *conn = req->conn;
	struct kc_wr *w = &conn->out;
	size_t at = w->len, before = kc_wr_total(w), size;
	int rc;

	if (w->p == NULL)
		w->p = kb_pool_get(conn->reactor, &w->cap);
	kc_wr_i32(w, 0);
	kp_resp_header_write(w, req->api, req->version, req->correlation_id);
	rc = kp_encode(&req->api->resp, req->version, w, req->resp);
	size = kc_wr_total(w) - before - 4;
	if (rc == KC_OK && size > INT32_MAX)
		rc = KC_ELIMIT;
	if (rc == KC_OK)
		kc_wr_patch_i32(w, at, (int32_t)size);
	else if (!conn->sending)
		kc_wr_reset(w); /* half an answer must not go out */
	return rc;
}

/* What became of it.  KC_E*: the connection is to be closed. */
static int
settle(struct kb_request *req, enum kb_disposition how)
{
	struct kb_conn *conn = req->conn;
	char id[KB_CONN_ID];
	int rc = KC_OK;

	conn->throttle_ms = req->throttle_ms;
	switch (how) {
	case KB_PARKED:
		return KC_OK;
	case KB_REPLY:
		rc = encode(req);
		if (rc != KC_OK)
			kc_log(KC_LOG_ERROR, LOGGER,
			    KB_NET_PREFIX "The answer to a %s request (v%d) "
					  "from %s cannot be written: %s",
			    conn->reactor->net->p.broker_id, req->api->name,
			    req->version, kb_conn_id(conn, id),
			    kc_strerror(rc));
		break;
	case KB_NO_REPLY:
		if (req->throttle_ms > 0)
			kc_timer_set(conn->reactor->loop, &conn->mute,
			    kc_loop_now_ms(conn->reactor->loop) +
				req->throttle_ms);
		break;
	case KB_CLOSE:
		rc = KC_ECLOSED;
		break;
	}
	finish(req);
	return rc;
}

static void
refuse(const struct kb_conn *conn, const struct kb_request *req, int32_t len,
    const uint8_t *frame, int rc)
{
	char id[KB_CONN_ID];
	int key = len >= 2 ? (int16_t)(frame[0] << 8 | frame[1]) : -1;

	kc_log(KC_LOG_ERROR, LOGGER,
	    KB_NET_PREFIX
	    "Closing socket for %s because of error: Error getting request for "
	    "apiKey: %d, apiVersion: %d, listenerName: %s, principal: %s: %s",
	    conn->reactor->net->p.broker_id, kb_conn_id(conn, id), key,
	    req->version, conn->acceptor->name, req->principal,
	    kc_strerror(rc));
}

static void
describe(struct kb_request *req, struct kb_conn *conn)
{
	req->broker = conn->reactor->net->p.broker;
	req->conn = conn;
	req->loop = conn->reactor->loop;
	req->listener = conn->acceptor->name;
	req->privileged = conn->acceptor->privileged;
	req->tls = conn->stream->tls;
	req->principal =
	    conn->principal != NULL ? conn->principal : "User:ANONYMOUS";
	req->peer_host = conn->peer_host;
	req->received_ns = kc_mono_ns(conn->reactor->net->p.env->clock);
	req->outcome = KB_REPLY;
	req->task.fn = on_complete;
	kc_timer_init(&req->timer, on_park_timeout);
	atomic_init(&req->claimed, false);
}

int
kb_request_start(struct kb_conn *conn, const uint8_t *frame, int32_t len)
{
	struct kb_net *net = conn->reactor->net;
	struct kb_request *req = kb_pool_request(conn->reactor);
	struct kc_rd r;
	int rc;

	if (req == NULL)
		return KC_ENOMEM;
	describe(req, conn);
	req->frame_size = (size_t)len;
	kc_rd_init(&r, frame, (size_t)len);
	rc = read_header(req, &r);
	if (rc == KC_EVERSION && req->api->key == kp_key_api_versions) {
		if ((rc = answer_unknown_version(req)) == KC_OK) {
			conn->req = req;
			conn->nrequests++;
			return settle(req, KB_REPLY);
		}
	} else if (rc == KC_OK) {
		/* Bytes behind the body are ignored, as Kafka does. */
		rc = read_body(req, &r);
	}
	if (rc != KC_OK) {
		refuse(conn, req, len, frame, rc);
		kb_pool_put_request(conn->reactor, req);
		return rc;
	}
	conn->req = req;
	conn->nrequests++;
	return settle(req, net->p.dispatch(req));
}

void
kb_request_park(struct kb_request *req, int64_t timeout_ms,
    void (*on_timeout)(struct kb_request *req))
{
	KC_CHECK(req, KB_REQUEST_MAGIC);
	req->on_timeout = on_timeout;
	/* It may have been parked before, with a deadline. */
	kc_timer_cancel(req->loop, &req->timer);
	if (timeout_ms >= 0)
		kc_timer_set(req->loop, &req->timer,
		    kc_loop_now_ms(req->loop) + timeout_ms);
}

static void
on_park_timeout(struct kc_timer *t)
{
	struct kb_request *req = KC_CONTAINER(t, struct kb_request, timer);

	req->on_timeout(req);
}

void
kb_request_expire(struct kb_request *req)
{
	if (!kc_timer_is_set(&req->timer))
		return;
	kc_timer_cancel(req->loop, &req->timer);
	req->on_timeout(req);
}

bool
kb_request_claim(struct kb_request *req)
{
	return !atomic_exchange(&req->claimed, true);
}

/*
 * Always by way of the loop, also on its own thread: the caller may be deep
 * in another request's handler, and this one's connection may have its next
 * request waiting.
 */
void
kb_request_complete(struct kb_request *req)
{
	kc_loop_post(req->loop, &req->task);
}

static void
on_complete(struct kc_task *task)
{
	struct kb_request *req = KC_CONTAINER(task, struct kb_request, task);
	struct kb_conn *conn = req->conn;

	KC_CHECK(req, KB_REQUEST_MAGIC);
	KC_ASSERT(conn->req == req && req->outcome != KB_PARKED);
	kc_timer_cancel(req->loop, &req->timer);
	if (conn->stream == NULL) {
		/* The peer has gone meanwhile. */
		finish(req);
		kb_conn_free_if_done(conn);
		return;
	}
	if (settle(req, req->outcome) != KC_OK)
		kb_conn_close(conn);
	else
		kb_conn_pump(conn);
}
