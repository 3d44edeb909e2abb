#include "kzk/session_priv.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/fiber.h"
#include "kzk/auth.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* An event in the mailbox, told from a call by its type. */
#define MAIL_EVENT ((enum kzk_op_type)100)

struct mail_event {
	struct kzk_call call; /* first */
	enum kzk_raw_event ev;
	char path[];
};

static void destroy(struct kzk *zk);

/* Around everything that may call back. */
static void
enter(struct kzk *zk)
{
	KC_ASSERT(!zk->inside);
	zk->inside = true;
}

static void
leave(struct kzk *zk)
{
	zk->inside = false;
	if (zk->closing)
		destroy(zk);
}

/* --- mailbox: the handle's threads put, the loop takes ------------------ */

static void
mail_put(struct kzk_mailbox *box, struct kzk_call *call)
{
	bool post;

	kc_lock_take(&box->lock);
	if (call != NULL) {
		call->next = NULL;
		*box->tail = call;
		box->tail = &call->next;
	} else
		box->overflow = true;
	post = !box->posted;
	box->posted = true;
	kc_lock_drop(&box->lock);
	if (post)
		kc_loop_post(box->loop, &box->task);
}

static void
sink_answered(struct kzk_sink *s, struct kzk_call *call)
{
	mail_put((struct kzk_mailbox *)s, call);
}

static void
sink_event(struct kzk_sink *s, enum kzk_raw_event ev, const char *path)
{
	size_t len = path == NULL ? 0 : strlen(path);
	struct mail_event *m = calloc(1, sizeof *m + len + 1);

	if (m != NULL) {
		m->call.type = MAIL_EVENT;
		m->ev = ev;
		memcpy(m->path, path == NULL ? "" : path, len);
	}
	mail_put((struct kzk_mailbox *)s, m == NULL ? NULL : &m->call);
}

/* All that has come, appended to the inbox; true if events were lost. */
static bool
mail_take(struct kzk_mailbox *box, struct kzk *zk)
{
	struct kzk_call **end = &zk->inbox;
	bool overflow;

	while (*end != NULL)
		end = &(*end)->next;
	kc_lock_take(&box->lock);
	*end = box->head;
	box->head = NULL;
	box->tail = &box->head;
	overflow = box->overflow;
	box->overflow = false;
	kc_lock_drop(&box->lock);
	return overflow;
}

/* The handle is closed; whose calls these are is told by the queue's end. */
static void
mail_discard(struct kzk *zk)
{
	struct kzk_call *call;

	mail_take(zk->box, zk);
	while ((call = zk->inbox) != NULL) {
		zk->inbox = call->next;
		if (call->type == MAIL_EVENT)
			free(call);
	}
}

static void
box_free(struct kzk_mailbox *box)
{
	kc_lock_fini(&box->lock);
	free(box);
}

/* --- telling ------------------------------------------------------------- */

enum tell {
	TELL_SESSION,
	TELL_EXPIRED,
	TELL_DISCONNECTED,
	TELL_RECONNECTED,
	TELL_FAILED,
};

static void
tell_one(struct kzk_listener *l, enum tell what, int err)
{
	if (what == TELL_SESSION && l->session != NULL)
		l->session(l);
	else if (what == TELL_EXPIRED && l->expired != NULL)
		l->expired(l);
	else if (what == TELL_DISCONNECTED && l->disconnected != NULL)
		l->disconnected(l);
	else if (what == TELL_RECONNECTED && l->reconnected != NULL)
		l->reconnected(l);
	else if (what == TELL_FAILED && l->failed != NULL)
		l->failed(l, err);
}

static void
tell(struct kzk *zk, enum tell what, int err)
{
	struct kzk_listener *l;

	for (l = zk->listeners; l != NULL; l = zk->telling) {
		zk->telling = l->next;
		tell_one(l, what, err);
	}
}

void
kzk_listen(struct kzk *zk, struct kzk_listener *l)
{
	struct kzk_listener **end = &zk->listeners;

	KC_CHECK(zk, KZK_MAGIC);
	while (*end != NULL)
		end = &(*end)->next;
	l->next = NULL;
	*end = l;
}

void
kzk_unlisten(struct kzk *zk, struct kzk_listener *l)
{
	struct kzk_listener **pos = &zk->listeners;

	KC_CHECK(zk, KZK_MAGIC);
	while (*pos != NULL && *pos != l)
		pos = &(*pos)->next;
	if (*pos == NULL)
		return;
	if (zk->telling == l)
		zk->telling = l->next;
	*pos = l->next;
}

/* --- the life of a handle ------------------------------------------------ */

static int
handle_open(struct kzk *zk)
{
	const struct kzk_raw_params p = {
		.loop = zk->loop,
		.hosts = zk->hosts,
		.session_timeout_ms = zk->session_timeout_ms,
		.ssl = zk->ssl,
	};
	int rc;

	kc_log(KC_LOG_INFO, KZK_LOGGER,
	    "[ZooKeeperClient Kafka server] Initializing a new session to %s.",
	    zk->hosts);
	rc = zk->ops->open(zk->ops, &zk->raw, &p, &zk->box->sink);
	if (rc == KC_OK && zk->digest != NULL)
		rc = zk->ops->add_auth(zk->raw, zk->digest);
	if (rc != KC_OK) {
		zk->ops->close(&zk->raw);
		mail_discard(zk);
		zk->state = KZK_ST_CLOSED;
		return rc;
	}
	zk->stalled = false;
	zk->state = KZK_ST_CONNECTING;
	return KC_OK;
}

static void
handle_close(struct kzk *zk)
{
	zk->ops->close(&zk->raw);
	mail_discard(zk);
}

static void
reopen_later(struct kzk *zk)
{
	zk->state = KZK_ST_CLOSED;
	kc_timer_set(zk->loop, &zk->open_timer,
	    kc_loop_now_ms(zk->loop) + KZK_REOPEN_MS);
}

static void
on_open_timer(struct kc_timer *t)
{
	struct kzk *zk = KC_CONTAINER(t, struct kzk, open_timer);
	int rc = handle_open(zk);

	if (rc == KC_OK)
		return;
	kc_log(KC_LOG_WARN, KZK_LOGGER,
	    "[ZooKeeperClient Kafka server] No new session to %s: %s; trying "
	    "again in %d ms.",
	    zk->hosts, kc_strerror(rc), KZK_REOPEN_MS);
	reopen_later(zk);
}

/* The first session could not be made: the end. */
static void
fail(struct kzk *zk, int err)
{
	kc_timer_cancel(zk->loop, &zk->connect_timer);
	kc_timer_cancel(zk->loop, &zk->open_timer);
	zk->dead = err;
	handle_close(zk);
	zk->state = KZK_ST_CLOSED;
	kzk_queue_end(zk, err);
	tell(zk, TELL_FAILED, err);
}

static void
on_connect_timer(struct kc_timer *t)
{
	struct kzk *zk = KC_CONTAINER(t, struct kzk, connect_timer);

	kc_log(KC_LOG_ERROR, KZK_LOGGER,
	    "[ZooKeeperClient Kafka server] Timed out waiting for connection "
	    "to ZooKeeper at %s within %d ms: check that an ensemble runs "
	    "there, that zookeeper.connect names it, and "
	    "zookeeper.connection.timeout.ms.",
	    zk->hosts, (int)zk->connection_timeout_ms);
	enter(zk);
	fail(zk, KC_ETIMEDOUT);
	leave(zk);
}

/* Invariant ZK-1: the old session's work ends before a new one begins. */
static void
session_over(struct kzk *zk, int err)
{
	if (zk->first && err == KC_EAUTH) {
		kc_log(KC_LOG_ERROR, KZK_LOGGER,
		    "[ZooKeeperClient Kafka server] Auth failed: ZooKeeper at "
		    "%s refused the credentials of this broker.",
		    zk->hosts);
		fail(zk, err);
		return;
	}
	kc_log(KC_LOG_WARN, KZK_LOGGER, "[ZooKeeperClient Kafka server] %s",
	    err == KC_EAUTH ? "Auth failed, a new session follows." :
			      "Session expired.");
	zk->state = KZK_ST_WINDING;
	handle_close(zk);
	zk->chroot_busy = false;
	kzk_queue_end(zk, err);
	/* From here on what is submitted waits for the new session. */
	if (!zk->closing)
		zk->state = KZK_ST_CLOSED;
	if (!zk->first)
		tell(zk, TELL_EXPIRED, 0);
	if (zk->closing)
		return;
	if (err == KC_EAUTH || handle_open(zk) != KC_OK)
		reopen_later(zk);
}

static void
session_begins(struct kzk *zk)
{
	int64_t id = zk->ops->session_id(zk->raw);

	kc_timer_cancel(zk->loop, &zk->connect_timer);
	zk->session_before = zk->session_id;
	zk->session_id = id;
	zk->first = false;
	zk->state = KZK_ST_CONNECTED;
	kc_log(KC_LOG_INFO, KZK_LOGGER,
	    "[ZooKeeperClient Kafka server] Connected. Session 0x%" PRIx64
	    ", timeout %d ms.",
	    (uint64_t)id, (int)kzk_session_timeout_ms(zk));
	tell(zk, TELL_SESSION, 0);
	kzk_watch_reset(zk);
	kzk_queue_pump(zk);
}

/* --- chroot: created at the first start ---------------------------------- */

static void
chroot_done(struct kzk *zk, int err)
{
	zk->chroot_busy = false;
	if (err == KC_OK || err == KC_EEXIST) {
		session_begins(zk);
		return;
	}
	if (err == KC_ESESSION || err == KC_ECLOSED)
		return; /* looked after again in the next session */
	kc_log(KC_LOG_ERROR, KZK_LOGGER,
	    "[ZooKeeperClient Kafka server] Cannot create the chroot %s of "
	    "zookeeper.connect: %s. Create it, or give this broker the right "
	    "to.",
	    zk->chroot, kc_strerror(err));
	fail(zk, err);
}

static void
chroot_created(struct kzk_op *op)
{
	chroot_done(op->arg, op->err);
}

/* Before everything else in the queue: nothing was sent yet. */
static int
chroot_submit(struct kzk *zk, enum kzk_op_type type, kzk_done_fn done)
{
	struct kzk_opx *x =
	    kzk_opx_new(zk, type, zk->chroot, KC_STR_NULL, true);

	if (x == NULL)
		return KC_ENOMEM;
	x->parents = type == KZK_OP_CREATE;
	x->safe = true;
	x->pub.done = done;
	x->pub.arg = zk;
	kzk_list_append(&zk->again, x);
	kzk_queue_pump(zk);
	return KC_OK;
}

static void
chroot_seen(struct kzk_op *op)
{
	struct kzk *zk = op->arg;
	int err = op->err;

	if (err == KC_ENOENT) {
		kc_log(KC_LOG_INFO, "kafka.zk.KafkaZkClient",
		    "Creating zookeeper path %s", zk->chroot);
		err = chroot_submit(zk, KZK_OP_CREATE, chroot_created);
		if (err == KC_OK)
			return;
	}
	chroot_done(zk, err);
}

static void
handle_connected(struct kzk *zk)
{
	int rc;

	zk->stalled = false;
	if (zk->state == KZK_ST_CONNECTED) {
		kzk_queue_pump(zk); /* a loss that was not told */
		return;
	}
	if (zk->state == KZK_ST_LOST && !zk->first) {
		zk->state = KZK_ST_CONNECTED;
		kc_log(KC_LOG_INFO, KZK_LOGGER,
		    "[ZooKeeperClient Kafka server] Connected again.");
		tell(zk, TELL_RECONNECTED, 0);
		kzk_queue_pump(zk);
		return;
	}
	if (!zk->first || zk->chroot_len == 0) {
		session_begins(zk);
		return;
	}
	zk->state = KZK_ST_CHROOT;
	if (zk->chroot_busy) {
		kzk_queue_pump(zk);
		return;
	}
	zk->chroot_busy = true;
	rc = chroot_submit(zk, KZK_OP_EXISTS, chroot_seen);
	if (rc != KC_OK)
		chroot_done(zk, rc);
}

static void
handle_lost(struct kzk *zk)
{
	bool was = zk->state == KZK_ST_CONNECTED;

	if (!was && zk->state != KZK_ST_CHROOT)
		return;
	zk->state = KZK_ST_LOST;
	zk->stalled = false;
	kc_log(KC_LOG_INFO, KZK_LOGGER,
	    "[ZooKeeperClient Kafka server] Connection lost, connecting "
	    "again.");
	if (was)
		tell(zk, TELL_DISCONNECTED, 0);
}

static void
serve_event(struct kzk *zk, const struct mail_event *m)
{
	switch (m->ev) {
	case KZK_RAW_CONNECTED:
		handle_connected(zk);
		break;
	case KZK_RAW_LOST:
		handle_lost(zk);
		break;
	case KZK_RAW_EXPIRED:
		session_over(zk, KC_ESESSION);
		break;
	case KZK_RAW_AUTH_FAILED:
		session_over(zk, KC_EAUTH);
		break;
	default:
		kzk_watch_event(zk, m->ev, m->path);
		break;
	}
}

/* Collect the mail and act on it, one piece after the other. */
static void
serve(struct kc_task *task)
{
	struct kzk_mailbox *box = KC_CONTAINER(task, struct kzk_mailbox, task);
	struct kzk *zk = box->zk;
	struct kzk_call *call;
	bool overflow;

	if (zk == NULL) { /* closed with the task on its way */
		box_free(box);
		return;
	}
	KC_CHECK(zk, KZK_MAGIC);
	kc_lock_take(&box->lock);
	box->posted = false;
	kc_lock_drop(&box->lock);
	overflow = mail_take(box, zk);
	enter(zk);
	while ((call = zk->inbox) != NULL && !zk->closing) {
		zk->inbox = call->next;
		if (call->type == MAIL_EVENT) {
			serve_event(zk, (struct mail_event *)call);
			free(call);
		} else
			kzk_queue_answered(zk, call->user);
	}
	if (overflow) /* as after a new session: look at everything again */
		kzk_watch_reset(zk);
	kzk_watch_fire(zk);
	leave(zk);
}

/* --- open and close ------------------------------------------------------ */

/* "host:port,.../chroot" into its two parts. */
static int
split_connect(struct kzk *zk, const char *connect)
{
	const char *slash = strchr(connect, '/');
	size_t len =
	    slash == NULL ? strlen(connect) : (size_t)(slash - connect);
	size_t root;

	if (slash == NULL)
		slash = "";
	root = strlen(slash);
	while (root > 0 && slash[root - 1] == '/') /* "/" is no chroot */
		root--;
	if (len == 0 || root >= KZK_NAME_MAX / 2 || strstr(slash, "//"))
		return KC_EINVAL;
	zk->hosts = strndup(connect, len);
	zk->chroot = strndup(slash, root);
	if (zk->hosts == NULL || zk->chroot == NULL)
		return KC_ENOMEM;
	zk->chroot_len = root;
	return KC_OK;
}

static int
box_new(struct kzk *zk)
{
	struct kzk_mailbox *box = calloc(1, sizeof *box);

	if (box == NULL)
		return KC_ENOMEM;
	box->sink.answered = sink_answered;
	box->sink.event = sink_event;
	box->loop = zk->loop;
	box->task.fn = serve;
	box->zk = zk;
	box->tail = &box->head;
	kc_lock_init(&box->lock, 0, "zk mailbox");
	zk->box = box;
	return KC_OK;
}

static int
init(struct kzk *zk, const struct kzk_params *p)
{
	int rc;

	zk->ops = p->ops != NULL ? p->ops : &kzk_ops_lib;
	zk->loop = p->loop;
	zk->set_acl = p->set_acl;
	zk->session_timeout_ms = p->session_timeout_ms;
	zk->connection_timeout_ms = p->connection_timeout_ms;
	zk->max_in_flight = KC_MAX(p->max_in_flight, 1);
	zk->first = true;
	kc_timer_init(&zk->connect_timer, on_connect_timer);
	kc_timer_init(&zk->open_timer, on_open_timer);
	if ((rc = box_new(zk)) != KC_OK)
		return rc;
	if ((rc = split_connect(zk, p->connect)) != KC_OK)
		return rc;
	if (p->digest != NULL && (zk->digest = strdup(p->digest)) == NULL)
		return KC_ENOMEM;
	if (p->ssl != NULL && (zk->ssl = strdup(p->ssl)) == NULL)
		return KC_ENOMEM;
	return KC_OK;
}

static void
log_open_failed(const struct kzk_params *p, int err)
{
	const char *what = kc_strerror(err);

	if (err == KC_EINVAL)
		what = "not of the form host:port,host:port/chroot";
	else if (err == KC_ENOENT)
		what = "none of these hosts has an address";
	else if (err == KC_EUNSUPPORTED)
		what = "the ZooKeeper client library here was built without "
		       "TLS; set zookeeper.ssl.client.enable=false";
	kc_log(KC_LOG_ERROR, KZK_LOGGER,
	    "[ZooKeeperClient Kafka server] No session to "
	    "zookeeper.connect=%s: %s.",
	    p->connect, what);
}

int
kzk_open(
    struct kzk **zkp, const struct kzk_params *p, struct kzk_listener *first)
{
	struct kzk *zk;
	int rc;

	KC_ASSERT(zkp != NULL && *zkp == NULL);
	if ((rc = kzk_auth_check(p)) != KC_OK)
		return rc;
	if ((zk = kc_new(struct kzk, KZK_MAGIC)) == NULL)
		return KC_ENOMEM;
	if ((rc = init(zk, p)) != KC_OK)
		goto fail;
	if (first != NULL)
		kzk_listen(zk, first);
	if ((rc = handle_open(zk)) != KC_OK)
		goto fail;
	kc_timer_set(zk->loop, &zk->connect_timer,
	    kc_mono_ms(kc_loop_env(zk->loop)->clock) +
		zk->connection_timeout_ms);
	*zkp = zk;
	return KC_OK;

fail:
	log_open_failed(p, rc);
	kzk_close(&zk);
	return rc;
}

static void
destroy(struct kzk *zk)
{
	bool posted;

	/* What still calls back finds a session that takes nothing more. */
	zk->inside = true;
	if (zk->box != NULL) {
		handle_close(zk);
		kzk_queue_end(zk, KC_ECLOSED);
		kzk_watch_drop(zk);
		posted = zk->box->posted;
		zk->box->zk = NULL;
		if (!posted)
			box_free(zk->box);
	}
	free(zk->hosts);
	free(zk->chroot);
	free(zk->digest);
	free(zk->ssl);
	kc_delete(zk);
}

void
kzk_end(struct kzk *zk)
{
	KC_CHECK(zk, KZK_MAGIC);
	if (zk->dead != 0)
		return;
	enter(zk);
	if (!zk->first)
		zk->listeners = zk->telling = NULL;
	fail(zk, KC_ECLOSED); /* heard by who waits for the first session */
	zk->listeners = zk->telling = NULL;
	kzk_watch_drop(zk);
	leave(zk);
}

void
kzk_close(struct kzk **zkp)
{
	struct kzk *zk = *zkp;

	if (zk == NULL)
		return;
	KC_CHECK(zk, KZK_MAGIC);
	*zkp = NULL;
	if (zk->closing)
		return;
	zk->closing = true;
	zk->dead = KC_ECLOSED;
	zk->state = KZK_ST_CLOSED;
	zk->listeners = zk->telling = NULL;
	if (zk->box != NULL) {
		kc_timer_cancel(zk->loop, &zk->connect_timer);
		kc_timer_cancel(zk->loop, &zk->open_timer);
		kzk_watch_drop(zk);
	}
	if (!zk->inside)
		destroy(zk);
}

struct open_wait {
	struct kzk_listener l;
	struct kc_fiber *fiber;
	bool told;
	int err;
};

static void
wait_session(struct kzk_listener *l)
{
	struct open_wait *w = KC_CONTAINER(l, struct open_wait, l);

	w->told = true;
	kc_fiber_wake(w->fiber);
}

static void
wait_failed(struct kzk_listener *l, int err)
{
	struct open_wait *w = KC_CONTAINER(l, struct open_wait, l);

	w->err = err;
	wait_session(l);
}

int
kzk_open_wait(struct kzk **zkp, const struct kzk_params *p)
{
	struct open_wait w = {
		.l = { .session = wait_session, .failed = wait_failed },
		.fiber = kc_fiber_self(),
	};
	int rc;

	KC_ASSERT(w.fiber != NULL);
	if ((rc = kzk_open(zkp, p, &w.l)) != KC_OK)
		return rc;
	while (!w.told)
		kc_fiber_wait();
	kzk_unlisten(*zkp, &w.l);
	if (w.err != KC_OK)
		kzk_close(zkp);
	return w.err;
}

bool
kzk_connected(const struct kzk *zk)
{
	return zk->state == KZK_ST_CONNECTED;
}

int64_t
kzk_session_id(const struct kzk *zk)
{
	return zk->session_id;
}

int64_t
kzk_session_before(const struct kzk *zk)
{
	return zk->session_before;
}

int32_t
kzk_session_timeout_ms(const struct kzk *zk)
{
	if (zk->raw == NULL)
		return zk->session_timeout_ms;
	return zk->ops->session_timeout_ms(zk->raw);
}

struct kc_loop *
kzk_loop(const struct kzk *zk)
{
	return zk->loop;
}
