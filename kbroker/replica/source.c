#include "kbroker/replica/source.h"

#include "kbroker/config.h"
#include "kbroker/metadata/cache.h"
#include "kbroker/replica/source_ask.h"
#include "kbroker/rpc/rpc.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/kp.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define LOGGER "kafka.server.ReplicaFetcherThread"
#define ARENA_MAX ((size_t)256 << 20) /* of one request */

static void
on_timer(struct kc_timer *t)
{
	kb_source_pump(KC_CONTAINER(t, struct kb_source, timer));
}

struct kb_source *
kb_source_new(struct kb_fetcher *f, int32_t broker)
{
	struct kb_source *src = calloc(1, sizeof *src);

	if (src == NULL)
		return NULL;
	src->f = f;
	src->broker = broker;
	kc_timer_init(&src->timer, on_timer);
	kc_arena_init(&src->arena, ARENA_MAX);
	return src;
}

void
kb_source_drop_forgotten(struct kb_source *src)
{
	struct kb_forgotten *o;

	while ((o = src->forgotten) != NULL) {
		src->forgotten = o->next;
		free(o);
	}
}

void
kb_source_free(struct kb_source *src)
{
	KC_ASSERT(src->by_names == NULL);
	src->closing = true;
	kc_timer_cancel(src->f->loop, &src->timer);
	kb_rpc_close(&src->rpc);
	kb_source_drop_forgotten(src);
	kc_arena_fini(&src->arena);
	free(src);
}

/* The next fetch is a full one, and a session begins anew. */
void
kb_source_reset(struct kb_source *src, bool forget_id)
{
	if (forget_id)
		src->session_id = 0;
	src->session_epoch = 0;
}

/* --- copies -------------------------------------------------------------- */

void
kb_copy_touch(struct kb_copy *c)
{
	if (c->dirty)
		return;
	c->dirty = true;
	DL_APPEND(c->src->dirty, c);
}

static void
untouch(struct kb_copy *c)
{
	if (!c->dirty)
		return;
	c->dirty = false;
	DL_DELETE(c->src->dirty, c);
}

static void
end_wait(struct kb_copy *c)
{
	if (c->wait_until_ms == 0)
		return;
	c->wait_until_ms = 0;
	DL_DELETE2(c->src->waiting, c, wprev, wnext);
}

void
kb_copy_wait(struct kb_copy *c)
{
	struct kb_fetcher *f = c->src->f;

	end_wait(c);
	/* One delay for all, so the list is in order of time. */
	c->wait_until_ms = kc_loop_now_ms(f->loop) +
	    KC_MAX(f->p->config->replica_fetch_backoff_ms, 1);
	DL_APPEND2(c->src->waiting, c, wprev, wnext);
	kb_copy_touch(c);
}

static bool
asks(const struct kb_copy *c)
{
	return c->state == KB_COPY_ASK_LATEST ||
	    c->state == KB_COPY_ASK_EARLIEST;
}

void
kb_copy_set_state(struct kb_copy *c, enum kb_copy_state state)
{
	c->src->nask -= asks(c);
	c->state = state;
	c->src->nask += asks(c);
	kb_copy_touch(c);
}

void
kb_copy_from_end(struct kb_copy *c)
{
	c->offset = kb_log_end(c->p->log);
	c->last_epoch = kb_log_latest_epoch(c->p->log);
	kb_copy_touch(c);
}

void
kb_copy_after(struct kb_copy *c, int rc, const char *what)
{
	struct kb_partition *p = c->p;

	if (rc == KC_OK)
		return;
	kc_log(rc == KC_EFENCED ? KC_LOG_DEBUG : KC_LOG_ERROR, LOGGER,
	    "[ReplicaFetcher replicaId=%d, leaderId=%d, fetcherId=%d] %s of "
	    "%s-%d at offset %lld: %s",
	    c->src->f->p->broker_id, c->src->broker, c->src->f->index, what,
	    p->topic, p->index, (long long)c->offset, kc_strerror(rc));
	switch (rc) {
	case KC_EFENCED: /* the next order is on its way */
	case KC_EIO:
	case KC_EOFFLINE:
	case KC_ECORRUPT:
		kb_copy_set_state(c, KB_COPY_FAILED);
		break;
	default: /* a bad batch, a full disk: it may pass */
		kb_copy_wait(c);
		break;
	}
}

/* The session need not forget it after all, if it knows it. */
static bool
unforget(struct kb_source *src, const struct kb_copy *c)
{
	struct kb_forgotten **at, *o;

	for (at = &src->forgotten; (o = *at) != NULL; at = &o->next)
		if (o->id.index == c->id.index &&
		    kc_uuid_eq(&o->id.topic, &c->id.topic) &&
		    strcmp(o->topic, c->p->topic) == 0) {
			*at = o->next;
			free(o);
			return true;
		}
	return false;
}

void
kb_source_forget(struct kb_copy *c)
{
	struct kb_source *src = c->src;
	size_t len = strlen(c->p->topic) + 1;
	struct kb_forgotten *o;

	if (!c->in_session)
		return;
	c->in_session = false;
	src->nsession--;
	if (src->closing || src->session_epoch == 0)
		return;
	if ((o = malloc(sizeof *o + len)) == NULL) {
		kb_source_reset(src, false); /* forgets them all */
		return;
	}
	o->id = c->id;
	memcpy(o->topic, c->p->topic, len);
	o->next = src->forgotten;
	src->forgotten = o;
}

/*
 * Where a new follower goes on: at its end, and what the leader does not have
 * there is found out by epochs; without any, at what is surely committed.
 */
static void
start_copy(struct kb_copy *c)
{
	struct kb_log *log = c->p->log;
	int rc = KC_OK;

	kb_copy_set_state(c, KB_COPY_FETCHING);
	if (kb_log_latest_epoch(log) < 0 && kb_log_end(log) > kb_log_hw(log))
		rc = kb_partition_truncate(
		    c->p, c->leader_epoch, kb_log_hw(log));
	kb_copy_from_end(c);
	kb_copy_after(c, rc, "truncating");
}

int
kb_source_add(
    struct kb_source *src, struct kb_partition *p, int32_t leader_epoch)
{
	struct kb_copy *c = calloc(1, sizeof *c), *twin;

	if (c == NULL || asprintf(&c->name, "%s-%d", p->topic, p->index) < 0) {
		free(c);
		return KC_ENOMEM;
	}
	/* What a topic of that name left behind, deleted and made anew. */
	HASH_FIND(hh_name, src->by_names, c->name, strlen(c->name), twin);
	if (twin != NULL)
		kb_source_remove(twin);
	c->p = p;
	c->src = src;
	c->leader_epoch = leader_epoch;
	kb_log_topic_id(p->log, &c->id.topic);
	c->id.index = p->index;
	HASH_ADD_PTR(src->f->copies, p, c);
	HASH_ADD_KEYPTR(hh_name, src->by_names, c->name, strlen(c->name), c);
	if (kc_uuid_is_zero(&c->id.topic))
		src->nnameless++;
	else
		HASH_ADD(hh_id, src->by_ids, id, sizeof c->id, c);
	if (unforget(src, c)) {
		c->in_session = true;
		c->told_offset = -1; /* whatever it was */
		src->nsession++;
	}
	start_copy(c);
	return KC_OK;
}

void
kb_source_remove(struct kb_copy *c)
{
	struct kb_source *src = c->src;

	kb_source_forget(c);
	end_wait(c);
	untouch(c);
	src->nask -= asks(c);
	HASH_DELETE(hh, src->f->copies, c);
	HASH_DELETE(hh_name, src->by_names, c);
	if (kc_uuid_is_zero(&c->id.topic))
		src->nnameless--;
	else
		HASH_DELETE(hh_id, src->by_ids, c);
	kb_partition_put(&c->p);
	free(c->name);
	free(c);
}

/* --- the channel --------------------------------------------------------- */

/* To where the leader listens for brokers now; KC_EAGAIN: nobody knows. */
static int
connect_to(struct kb_source *src)
{
	const struct kb_fetchers_params *p = src->f->p;
	struct kb_meta *meta = kb_meta_get(p->meta);
	const struct kb_meta_endpoint *ep = kb_meta_endpoint(
	    kb_meta_broker(meta, src->broker), kc_str(p->listener));
	struct kb_rpc_params rp = { .tls = p->tls,
		.client_id = src->f->client_id,
		.timeout_ms = p->config->replica_socket_timeout_ms,
		.host = src->host };
	int rc = KC_EAGAIN;

	if (ep != NULL && ep->host.len > 0 &&
	    (size_t)ep->host.len < sizeof src->host) {
		rc = KC_OK;
		if (src->rpc != NULL &&
		    (ep->port != src->port || !kc_str_eqz(ep->host, src->host)))
			kb_rpc_close(&src->rpc); /* no call is under way */
		memcpy(src->host, ep->host.p, (size_t)ep->host.len);
		src->host[ep->host.len] = '\0';
		src->port = rp.port = ep->port;
	}
	kb_meta_unref(&meta);
	if (rc == KC_OK && src->rpc == NULL)
		rc = kb_rpc_open(&src->rpc, src->f->loop, &rp);
	return rc;
}

/* The leader cannot be asked; again after a while. */
static void
fail(struct kb_source *src, int rc, const char *text)
{
	struct kb_fetcher *f = src->f;

	kc_log(src->failing ? KC_LOG_DEBUG : KC_LOG_WARN, LOGGER,
	    "[ReplicaFetcher replicaId=%d, leaderId=%d, fetcherId=%d] Error "
	    "in response for fetch request: %s %s",
	    f->p->broker_id, src->broker, f->index, kc_strerror(rc), text);
	src->failing = true;
	kb_source_reset(src, false);
	src->not_before_ms =
	    kc_loop_now_ms(f->loop) + f->p->config->replica_fetch_backoff_ms;
}

static void
on_answer(struct kb_rpc_call *call)
{
	struct kb_source *src = call->arg;

	src->busy = false;
	if (src->closing)
		return;
	if (call->err != KC_OK) {
		fail(src, call->err, kb_rpc_err_text(src->rpc));
	} else if (call->api->key == kp_key_list_offsets) {
		kb_source_take_list(src, call->resp);
	} else if (kb_source_take_fetch(src, call->resp)) {
		src->failing = false;
	} else {
		fail(src, KC_EINVAL, "");
	}
	kb_source_pump(src);
}

static int
send(struct kb_source *src, int16_t key, int16_t version, const void *msg)
{
	int rc = kb_rpc_call(
	    src->rpc, kp_api_get(key), version, msg, on_answer, src);

	src->busy = rc == KC_OK;
	return rc;
}

static int
ask(struct kb_source *src)
{
	struct kp_list_offsets_req list;
	struct kp_fetch_req fetch;
	int16_t version;
	int rc;

	kc_arena_reset(&src->arena);
	rc = kb_source_make_list(src, &list);
	if (rc == KC_OK)
		return send(src, kp_key_list_offsets,
		    kp_api_get(kp_key_list_offsets)->max, &list);
	if (rc != KC_ENOENT)
		return rc;
	rc = kb_source_make_fetch(src, &fetch, &version);
	return rc == KC_OK ? send(src, kp_key_fetch, version, &fetch) : rc;
}

static void
end_waits(struct kb_source *src, int64_t now)
{
	while (src->waiting != NULL && src->waiting->wait_until_ms <= now) {
		struct kb_copy *c = src->waiting;

		end_wait(c);
		kb_copy_touch(c);
	}
}

void
kb_source_pump(struct kb_source *src)
{
	struct kc_loop *loop = src->f->loop;
	int64_t now = kc_loop_now_ms(loop);
	int rc;

	if (src->closing || src->busy || src->by_names == NULL)
		return;
	end_waits(src, now);
	if (now >= src->not_before_ms) {
		rc = connect_to(src);
		if (rc == KC_OK)
			rc = ask(src);
		src->missing = rc == KC_EAGAIN;
		if (src->missing)
			fail(src, KC_ENOENT, "(it is not registered)");
		else if (rc != KC_OK && rc != KC_ENOENT)
			fail(src, rc, "");
		if (src->busy)
			return;
	}
	if (src->not_before_ms > now)
		kc_timer_set(loop, &src->timer, src->not_before_ms);
	else if (src->waiting != NULL)
		kc_timer_set(loop, &src->timer, src->waiting->wait_until_ms);
}
