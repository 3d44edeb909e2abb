#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/tls.h"
#include "kbroker/net/net_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* The names by which operators know these lines. */
#define SELECTOR "org.apache.kafka.common.network.Selector"

const char *
kb_conn_id(const struct kb_conn *conn, char *buf)
{
	const struct kc_stream *s = conn->stream;

	snprintf(buf, KB_CONN_ID, "%s-%s-%u", s != NULL ? s->local : "",
	    s != NULL ? s->peer : conn->peer_host, conn->index);
	return buf;
}

static int64_t
now_ms(const struct kb_conn *conn)
{
	return kc_loop_now_ms(conn->reactor->loop);
}

/* When the connection is to be closed if nothing happens; -1: never. */
static int64_t
deadline_ms(const struct kb_conn *conn)
{
	int64_t idle_ms = conn->reactor->net->p.idle_ms;
	int64_t due = -1, first;

	if (idle_ms >= 0)
		due = conn->active_ms + idle_ms;
	if (conn->named && conn->nrequests > 0)
		return due;
	first =
	    conn->opened_ms + (conn->named ? KB_FIRST_REQUEST_MS : KB_SETUP_MS);
	return due == -1 ? first : KC_MIN(due, first);
}

static void
set_timer(struct kb_conn *conn)
{
	int64_t due = deadline_ms(conn);

	if (due != -1)
		kc_timer_set(conn->reactor->loop, &conn->timer, due);
}

static void
on_timer(struct kc_timer *t)
{
	struct kb_conn *conn = KC_CONTAINER(t, struct kb_conn, timer);
	char id[KB_CONN_ID];

	/* The time that we take to answer is not the peer's. */
	if (conn->req != NULL)
		conn->active_ms = now_ms(conn);
	if (deadline_ms(conn) > now_ms(conn)) {
		set_timer(conn);
		return;
	}
	kc_log(conn->named ? KC_LOG_DEBUG : KC_LOG_INFO, SELECTOR,
	    KB_NET_PREFIX "Closing %s connection %s",
	    conn->reactor->net->p.broker_id,
	    !conn->named	     ? "unfinished TLS" :
		conn->nrequests == 0 ? "silent" :
				       "idle",
	    kb_conn_id(conn, id));
	kb_conn_close(conn);
}

static void
on_unmute(struct kc_timer *t)
{
	kb_conn_pump(KC_CONTAINER(t, struct kb_conn, mute));
}

static void
give_frames_back(struct kb_conn *conn)
{
	struct kc_frames *f = &conn->frames;

	kb_pool_put(conn->reactor, f->p, f->cap);
	kc_frames_init(f, f->max);
}

static void
give_out_back(struct kb_conn *conn)
{
	kc_wr_reset(&conn->out); /* files */
	kb_pool_put(conn->reactor, conn->out.p, conn->out.cap);
	conn->out.p = NULL;
	conn->out.cap = 0;
	kc_wr_fini(&conn->out);
}

void
kb_conn_free_if_done(struct kb_conn *conn)
{
	if (conn->stream != NULL || conn->req != NULL || conn->task_posted)
		return;
	give_frames_back(conn);
	DL_DELETE(conn->reactor->conns, conn);
	free(conn->principal);
	kc_delete(conn);
}

void
kb_conn_close(struct kb_conn *conn)
{
	KC_CHECK(conn, KB_CONN_MAGIC);
	if (conn->stream != NULL) {
		conn->stream->ops->close(&conn->stream);
		kc_timer_cancel(conn->reactor->loop, &conn->timer);
		kc_timer_cancel(conn->reactor->loop, &conn->mute);
		give_out_back(conn);
		kb_acceptor_left(conn->acceptor, conn->peer_host);
		/* Nobody waits for a parked answer: its deadline is now. */
		if (conn->req != NULL && kc_timer_is_set(&conn->req->timer))
			kc_timer_set(conn->reactor->loop, &conn->req->timer,
			    kc_loop_now_ms(conn->reactor->loop));
	}
	kb_conn_free_if_done(conn);
}

/* Later in this pass or in the next: others get their turn first. */
static void
again(struct kb_conn *conn)
{
	if (conn->task_posted)
		return;
	conn->task_posted = true;
	kc_loop_post(conn->reactor->loop, &conn->task);
}

static void
on_again(struct kc_task *task)
{
	struct kb_conn *conn = KC_CONTAINER(task, struct kb_conn, task);

	conn->task_posted = false;
	if (conn->stream == NULL)
		kb_conn_free_if_done(conn);
	else
		kb_conn_pump(conn);
}

/* Closes because of the peer or of the network; one line says why. */
static void
broken(struct kb_conn *conn, int rc)
{
	const struct kc_stream *s = conn->stream;
	int32_t id = conn->reactor->net->p.broker_id;
	char text[KB_CONN_ID];

	kb_conn_id(conn, text);
	if (rc == KC_ECLOSED || (rc == KC_ENETWORK && conn->named))
		kc_log(KC_LOG_DEBUG, SELECTOR,
		    KB_NET_PREFIX
		    "Connection with /%s (channelId=%s) disconnected%s%s",
		    id, conn->peer_host, text, rc == KC_ECLOSED ? "" : ": ",
		    rc == KC_ECLOSED ? "" : s->err_text);
	else if (!conn->named && s->tls)
		kc_log(KC_LOG_INFO, SELECTOR,
		    KB_NET_PREFIX "Failed authentication with /%s "
				  "(channelId=%s) (SSL handshake failed: %s)",
		    id, conn->peer_host, text, s->err_text);
	else
		kc_log(KC_LOG_WARN, SELECTOR,
		    KB_NET_PREFIX "Unexpected error from /%s (channelId=%s); "
				  "closing connection: %s%s%s",
		    id, conn->peer_host, text, kc_strerror(rc),
		    s->err_text[0] != '\0' ? ": " : "", s->err_text);
	kb_conn_close(conn);
}

/* A size that no request has: who is it, and what does he speak? */
static void
bad_size(struct kb_conn *conn, int32_t size)
{
	const uint8_t *p = conn->frames.p + conn->frames.off;
	char why[64], id[KB_CONN_ID];
	const char *hint = "";

	if (size < 0)
		snprintf(why, sizeof why, "size = %d", size);
	else
		snprintf(why, sizeof why, "size = %d larger than %d", size,
		    conn->frames.max);
	if (p[0] == 0x16 && p[1] == 0x03 && !conn->stream->tls)
		hint = "; this is a TLS handshake: an SSL client on a "
		       "plaintext listener?";
	else if (memcmp(p, "GET ", 4) == 0 || memcmp(p, "POST", 4) == 0 ||
	    memcmp(p, "HEAD", 4) == 0 || memcmp(p, "PUT ", 4) == 0)
		hint = "; this is an HTTP request";
	kc_log(KC_LOG_WARN, SELECTOR,
	    KB_NET_PREFIX
	    "Unexpected error from /%s (channelId=%s); closing connection: "
	    "InvalidReceiveException: Invalid receive (%s)%s",
	    conn->reactor->net->p.broker_id, conn->peer_host,
	    kb_conn_id(conn, id), why, hint);
	kb_conn_close(conn);
}

/* Once the peer is connected and authenticated.  False: closed. */
static bool
name_peer(struct kb_conn *conn)
{
	const struct kb_net_params *p = &conn->reactor->net->p;
	struct kc_stream *s = conn->stream;
	char id[KB_CONN_ID];
	size_t n;
	int rc = KC_OK;

	if (s->peer_dn != NULL && p->principal != NULL) {
		rc = p->principal(p->broker, conn->acceptor->name, s->peer_dn,
		    &conn->principal);
	} else if (s->peer_dn != NULL) {
		n = strlen(s->peer_dn) + sizeof "User:";
		if ((conn->principal = malloc(n)) == NULL)
			rc = KC_ENOMEM;
		else
			snprintf(conn->principal, n, "User:%s", s->peer_dn);
	}
	if (rc != KC_OK) {
		kc_log(KC_LOG_INFO, SELECTOR,
		    KB_NET_PREFIX "Failed authentication with /%s "
				  "(channelId=%s) (no principal for the "
				  "certificate: %s)",
		    p->broker_id, conn->peer_host, kb_conn_id(conn, id),
		    kc_strerror(rc));
		kb_conn_close(conn);
		return false;
	}
	conn->named = true;
	return true;
}

/* Handshake under way, failed (closed), or done.  True: done. */
static bool
set_up(struct kb_conn *conn)
{
	struct kc_stream *s = conn->stream;
	char c;
	size_t n;
	int rc;

	if (conn->named)
		return true;
	if (s->established)
		return name_peer(conn);
	if ((rc = s->ops->read(s, &c, 1, &n)) != KC_EAGAIN)
		broken(conn, rc);
	return false;
}

static int
send_on(struct kb_conn *conn)
{
	struct kc_send before = conn->send;
	int rc = conn->stream->ops->send(conn->stream, &conn->send);

	if (rc == KC_OK || before.mem_done != conn->send.mem_done ||
	    before.cut != conn->send.cut ||
	    before.cut_done != conn->send.cut_done)
		conn->active_ms = now_ms(conn);
	if (rc != KC_OK)
		return rc;
	conn->sending = false;
	give_out_back(conn);
	if (conn->throttle_ms > 0)
		kc_timer_set(conn->reactor->loop, &conn->mute,
		    now_ms(conn) + conn->throttle_ms);
	return KC_OK;
}

/* One read.  KC_OK also at the end of the stream (eof) and when drained. */
static int
fill(struct kb_conn *conn, size_t *bytes)
{
	struct kc_stream *s = conn->stream;
	struct kc_frames *f = &conn->frames;
	const uint8_t *frame;
	uint8_t *p;
	int32_t len;
	size_t room, n = 0;
	int rc;

	if (f->p == NULL)
		f->p = kb_pool_get(conn->reactor, &f->cap);
	if ((rc = kc_frames_room(f, &p, &room)) != KC_OK)
		return rc;
	rc = s->ops->read(s, p, room, &n);
	if (rc == KC_EAGAIN) {
		conn->drained = true;
		return KC_OK;
	}
	if (rc == KC_ECLOSED) {
		conn->eof = true;
		return KC_OK;
	}
	if (rc != KC_OK)
		return rc;
	f->len += n;
	*bytes += n;
	conn->active_ms = now_ms(conn);
	/*
	 * A short read emptied the socket, and saves the one that would say
	 * so.  Of TLS it only means the end of a record.
	 */
	if (n < room && !s->ops->pending(s))
		conn->drained =
		    !s->tls || kc_frames_peek(f, &frame, &len) == KC_OK;
	return KC_OK;
}

static void
wait_for_input(struct kb_conn *conn)
{
	if (kc_frames_held(&conn->frames) == 0)
		give_frames_back(conn);
	conn->stream->ops->want(conn->stream, KC_IO_IN);
}

/* Reads until there is a frame.  True: go on; false: wait, or closed. */
static bool
read_more(struct kb_conn *conn, size_t *bytes)
{
	int rc;

	if (conn->eof) {
		broken(conn, KC_ECLOSED);
		return false;
	}
	if (conn->drained) {
		wait_for_input(conn);
		return false;
	}
	if (*bytes >= KB_PUMP_BYTES) {
		again(conn);
		return false;
	}
	if ((rc = fill(conn, bytes)) != KC_OK) {
		broken(conn, rc);
		return false;
	}
	return true;
}

/* Answers are there that nobody has begun to send. */
static bool
has_answers(const struct kb_conn *conn)
{
	return !conn->sending && conn->out.len > 0;
}

/*
 * Small answers to requests that came together go out together; not beyond
 * this, nor when reading is to stop after one.
 */
static bool
must_send(const struct kb_conn *conn)
{
	return has_answers(conn) &&
	    (conn->out.len >= KB_ANSWERS_TOGETHER || conn->out.ncuts > 0 ||
		conn->throttle_ms > 0);
}

static void
begin_send(struct kb_conn *conn)
{
	conn->send = (struct kc_send){ .w = &conn->out };
	conn->sending = true;
}

/* The request at hand closes the connection; those before it were answered. */
static void
close_after_answers(struct kb_conn *conn)
{
	if (has_answers(conn)) {
		begin_send(conn);
		(void)send_on(conn);
	}
	kb_conn_close(conn);
}

/* Sends what is begun.  True: all of it has gone. */
static bool
push(struct kb_conn *conn)
{
	int rc = send_on(conn);

	if (rc == KC_OK) {
		conn->stream->ops->want(conn->stream, KC_IO_IN);
		return true;
	}
	if (rc == KC_EAGAIN)
		conn->stream->ops->want(conn->stream, KC_IO_OUT);
	else
		broken(conn, rc);
	return false;
}

/* The next request, if one is there and may be begun.  True: go on. */
static bool
next_request(struct kb_conn *conn, int *n, size_t *bytes)
{
	const uint8_t *frame;
	int32_t len;
	int rc = kc_frames_peek(&conn->frames, &frame, &len);

	if (rc == KC_OK && (*n)++ < KB_PUMP_REQUESTS) {
		if (kb_request_start(conn, frame, len) == KC_OK)
			return true;
		close_after_answers(conn);
		return false;
	}
	if (has_answers(conn)) {
		begin_send(conn);
		return true;
	}
	if (rc == KC_OK)
		again(conn);
	else if (rc == KC_EAGAIN)
		return read_more(conn, bytes);
	else
		bad_size(conn, len);
	return false;
}

void
kb_conn_pump(struct kb_conn *conn)
{
	size_t bytes = 0;
	int n = 0;

	if (!set_up(conn))
		return;
	for (;;) {
		if (must_send(conn))
			begin_send(conn);
		if (conn->sending) {
			if (!push(conn))
				return;
			continue;
		}
		if (conn->req == NULL && !kc_timer_is_set(&conn->mute)) {
			if (!next_request(conn, &n, &bytes))
				return;
		} else if (has_answers(conn)) {
			begin_send(conn);
		} else {
			return;
		}
	}
}

static void
on_ready(struct kc_stream *s, unsigned ready)
{
	struct kb_conn *conn = s->arg;
	bool busy = conn->req != NULL || kc_timer_is_set(&conn->mute);

	if (ready & KC_IO_IN)
		conn->drained = false;
	if (conn->named && busy && !conn->sending) {
		/* Both sides have gone: nobody will read the answer. */
		if (ready & KC_IO_HUP) {
			broken(conn, KC_ECLOSED);
			return;
		}
		/* Read when the request is done; until then be quiet. */
		s->ops->want(s, 0);
		return;
	}
	kb_conn_pump(conn);
}

static void
on_hand_over(struct kc_task *task)
{
	struct kb_conn *conn = KC_CONTAINER(task, struct kb_conn, task);
	struct kb_reactor *r = conn->reactor;
	const struct kc_net_ops *net = r->net->p.env->net;
	struct kc_tls *tls;
	int rc = KC_ECLOSED;

	conn->task_posted = false;
	conn->task.fn = on_again;
	DL_APPEND(r->conns, conn);
	if (r->shut) {
		net->drop(conn->handle);
	} else {
		tls = kb_acceptor_tls(conn->acceptor);
		rc = net->accept(&conn->stream, r->loop, conn->handle, tls);
		kc_tls_put(&tls);
	}
	if (rc != KC_OK) {
		kb_acceptor_left(conn->acceptor, conn->peer_host);
		kb_conn_free_if_done(conn);
		return;
	}
	conn->stream->arg = conn;
	conn->stream->on_ready = on_ready;
	conn->opened_ms = conn->active_ms = now_ms(conn);
	set_timer(conn);
	/* The first request is often there already. */
	kb_conn_pump(conn);
}

int
kb_conn_new(struct kb_conn **cp, struct kb_acceptor *a, struct kb_reactor *r,
    int handle, const char *peer_host)
{
	struct kb_conn *conn;

	KC_ASSERT(cp != NULL && *cp == NULL);
	if ((conn = kc_new(struct kb_conn, KB_CONN_MAGIC)) == NULL)
		return KC_ENOMEM;
	conn->reactor = r;
	conn->acceptor = a;
	conn->handle = handle;
	conn->index = a->next_index++;
	snprintf(conn->peer_host, sizeof conn->peer_host, "%s", peer_host);
	kc_frames_init(&conn->frames, r->net->p.request_max);
	kc_wr_init(&conn->out, 0);
	kc_timer_init(&conn->timer, on_timer);
	kc_timer_init(&conn->mute, on_unmute);
	conn->task.fn = on_hand_over;
	*cp = conn;
	return KC_OK;
}

void
kb_conn_hand_over(struct kb_conn *conn)
{
	conn->task_posted = true;
	kc_loop_post(conn->reactor->loop, &conn->task);
}
