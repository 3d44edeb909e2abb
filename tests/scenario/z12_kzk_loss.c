/*
 * Goal: what ZooKeeper's failures leave behind is what kzk.h promises: reads
 * are answered in the end, a write of unknown outcome is reported or settled
 * and never done twice, and an expired session ends in order.
 * Method: a proxy that swallows answers, cuts and freezes connections; and
 * ZooKeeper killed and started again.
 */
#include "tests/lib/zkstory.h"

#include "kzk/path.h"

#include <stdio.h>
#include <string.h>

/* --- answers that are lost --------------------------------------------------
 */

static struct kzk_op *
make(struct kzk *zk, int i, const char *path)
{
	const struct kc_str v = KC_STR_LIT("mine");

	switch (i) {
	case 0:
		return kzk_op_create(zk, path, v, 0);
	case 1:
		return kzk_op_set(zk, path, v, 0);
	case 2:
		return kzk_op_delete(zk, path, -1);
	case 3:
		return kzk_op_create(zk, path, v, KZK_EPHEMERAL);
	default:
		return NULL;
	}
}

struct late {
	bool done;
	int err;
	int32_t version;
};

static void
on_late(struct kzk_op *op)
{
	struct late *l = op->arg;

	l->done = true;
	l->err = op->err;
	l->version = op->stat.version;
}

/* When the node was last written, 0 when there is none. */
static int64_t
written(struct kzk *other, const char *path)
{
	struct kzk_op *op;
	int rc;

	KT_OK(kzk_await(kzk_op_sync(other, path), NULL));
	rc = kzk_await(kzk_op_exists(other, path, NULL), &op);
	return rc == KC_OK ? op->stat.mzxid : 0;
}

/*
 * Submit op; it arrives, its answer does not; wait for what kzk says. meddle,
 * if not NULL, is done by another session before kzk can look; so is refused,
 * but then op is one that ZooKeeper does not do.
 */
static struct late
lost_answer(struct kt_zkstory *t, struct kzk *zk, struct kzk *other,
    struct kzk_op *op, struct kzk_op *meddle, struct kzk_op *refused)
{
	bool traced = op->type != KZK_OP_GET && refused == NULL;
	struct kzk_path path;
	struct late l = { 0 };
	int64_t before;

	snprintf(path.s, sizeof path.s, "%s", op->path);
	before = written(other, path.s);
	/* What was cut before is whole again, or op would not leave us. */
	KT_FIBER_UNTIL(15000, kzk_connected(zk));
	kt_proxy_swallow(&t->proxy);
	KT_OK(kzk_submit(op, on_late, &l));
	/*
	 * A read leaves no trace, nor does a write that is refused; when
	 * they arrive makes no difference to what is expected of them.
	 */
	if (traced)
		KT_FIBER_UNTIL(15000, written(other, path.s) != before);
	KT_CHECK(!l.done);
	if (meddle != NULL)
		KT_OK(kzk_await(meddle, NULL));
	if (refused != NULL)
		KT_OK(kzk_await(refused, NULL));
	KT_OK(kzk_await(kzk_op_sync(other, "/"), NULL));
	kt_proxy_cut(&t->proxy);
	KT_FIBER_UNTIL(15000, l.done);
	return l;
}

static struct late
swallowed(struct kt_zkstory *t, struct kzk *zk, struct kzk *other,
    struct kzk_op *op, struct kzk_op *meddle)
{
	return lost_answer(t, zk, other, op, meddle, NULL);
}

static void
doubt(struct kt_zkstory *t, struct kzk *zk, struct kzk *other)
{
	struct kzk_op *op;
	struct late l;

	KT_OK(kzk_await(kzk_op_create(other, "/epoch", KC_STR_NULL, 0), NULL));

	/* Unsettled: reported as what it is, and it was done. */
	l = swallowed(t, zk, other, make(zk, 0, "/d0"), NULL);
	KT_ERR(l.err, KC_EINDOUBT);
	KT_OK(kzk_await(kzk_op_get(other, "/d0", NULL), NULL));

	/* Settled: each kind of write. */
	l = swallowed(t, zk, other, kzk_op_safe(make(zk, 0, "/d1")), NULL);
	KT_OK(l.err);
	l = swallowed(t, zk, other, kzk_op_safe(make(zk, 1, "/d1")), NULL);
	KT_OK(l.err);
	KT_EQ(l.version, 1);
	KT_OK(kzk_await(kzk_op_get(other, "/d1", NULL), &op));
	KT_EQ(op->stat.version, 1);
	l = swallowed(t, zk, other, kzk_op_safe(make(zk, 2, "/d1")), NULL);
	KT_OK(l.err);
	l = swallowed(t, zk, other, kzk_op_safe(make(zk, 3, "/d1")), NULL);
	KT_OK(l.err);
	KT_OK(kzk_await(kzk_op_exists(other, "/d1", NULL), &op));
	KT_EQ(op->stat.owner, kzk_session_id(zk));
	KT_OK(kzk_await(make(zk, 2, "/d1"), NULL));

	/* With a fence. */
	l = swallowed(t, zk, other,
	    kzk_op_safe(kzk_op_fence(make(zk, 0, "/d2"), "/epoch", 0)), NULL);
	KT_OK(l.err);
	l = swallowed(t, zk, other,
	    kzk_op_safe(kzk_op_fence(make(zk, 1, "/d2"), "/epoch", 0)), NULL);
	KT_OK(l.err);
	KT_EQ(l.version, 1);

	/* Somebody else wrote meanwhile: a conflict, and his stays. */
	KT_OK(kzk_await(make(zk, 0, "/d3"), NULL));
	l = swallowed(t, zk, other, kzk_op_safe(make(zk, 1, "/d3")),
	    kzk_op_set(other, "/d3", KC_STR_LIT("his"), 1));
	KT_ERR(l.err, KC_EBADVERSION);
	KT_OK(kzk_await(kzk_op_get(other, "/d3", NULL), &op));
	KT_CHECK(kc_str_eqz(op->data, "his"));
	KT_EQ(op->stat.version, 2);

	/* Deposed meanwhile. */
	l = lost_answer(t, zk, other,
	    kzk_op_safe(kzk_op_fence(make(zk, 1, "/d3"), "/epoch", 0)), NULL,
	    kzk_op_set(other, "/epoch", KC_STR_LIT("x"), 0));
	KT_ERR(l.err, KC_EFENCED);

	/* A read is simply answered, and its watch is armed. */
	l = swallowed(t, zk, other, kzk_op_get(zk, "/d3", NULL), NULL);
	KT_OK(l.err);
	KT_EQ(l.version, 2);
}

/* --- the session survives ---------------------------------------------------
 */

struct seen {
	struct kzk_watch w;
	int n;
	enum kzk_event last;
};

static void
see(struct kzk_watch *w, enum kzk_event ev)
{
	struct seen *s = KC_CONTAINER(w, struct seen, w);

	s->n++;
	s->last = ev;
}

static void
restart_zookeeper(struct kt_zkstory *t)
{
	kt_cluster_zk_kill(t->c);
	kc_fiber_sleep(200);
	kt_cluster_zk_start(t->c);
}

static void
on_batch(struct kzk_batch *b)
{
	struct late *l = b->arg;

	l->err = b->err;
	l->done = true;
}

/* Operations of all kinds over a ZooKeeper that dies under them. */
static void
over_restart(struct kt_zkstory *t, struct kzk *zk)
{
	int64_t session = kzk_session_id(zk);
	struct kzk_batch *b = NULL;
	struct late ran = { 0 };
	struct seen w = { 0 };
	struct kzk_op *op;
	char path[64];

	kzk_watch_init(&w.w, see);
	KT_OK(kzk_await(
	    kzk_op_create(zk, "/r", KC_STR_NULL, KZK_EPHEMERAL), NULL));
	KT_OK(kzk_await(kzk_op_create(zk, "/s", KC_STR_NULL, 0), NULL));
	KT_OK(kzk_await(kzk_op_get(zk, "/s", &w.w), NULL));
	KT_OK(kzk_batch_open(&b, zk));
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof path, "/s/%d", i);
		KT_OK(kzk_batch_add(b,
		    kzk_op_safe(kzk_op_create(zk, path, KC_STR_LIT("v"), 0))));
		KT_OK(kzk_batch_add(b, kzk_op_get(zk, path, NULL)));
	}
	kzk_batch_run(&b, on_batch, &ran);
	restart_zookeeper(t);
	KT_FIBER_UNTIL(30000, ran.done);
	KT_OK(ran.err);
	KT_EQ(kzk_session_id(zk), session);
	KT_OK(kzk_await(kzk_op_get(zk, "/r", NULL), NULL));
	KT_OK(kzk_await(kzk_op_children(zk, "/s", NULL), &op));
	KT_EQ(op->nchildren, 300);
	/* Armed before, told after. */
	KT_EQ(w.n, 0);
	KT_OK(kzk_await(kzk_op_set(zk, "/s", KC_STR_LIT("1"), -1), NULL));
	KT_FIBER_UNTIL(5000, w.n == 1);
	KT_EQ(w.last, KZK_EVENT_CHANGED);
}

/* --- the session ends -------------------------------------------------------
 */

static char record[256];

static void
note(const char *what)
{
	strcat(record, what);
	strcat(record, " ");
}

static void
on_session(struct kzk_listener *l)
{
	(void)l;
	note("session");
}

static struct kzk *expiring;

static void
on_expired(struct kzk_listener *l)
{
	(void)l;
	note("expired");
	/* Waits for the new session. */
	KT_OK(kzk_submit(
	    kzk_op_create(expiring, "/new", KC_STR_NULL, KZK_EPHEMERAL), NULL,
	    NULL));
}

static void
on_disconnected(struct kzk_listener *l)
{
	(void)l;
	if (strstr(record, "disconnected") == NULL)
		note("disconnected");
}

static void
on_write(struct kzk_op *op)
{
	KT_ERR(op->err, KC_ESESSION);
	note("write");
	/* Nothing more of the old session's will. */
	KT_ERR(kzk_submit(kzk_op_exists(op->arg, "/", NULL), NULL, NULL),
	    KC_ESESSION);
}

static void
on_watch(struct kzk_watch *w, enum kzk_event ev)
{
	(void)w;
	KT_EQ(ev, KZK_EVENT_SESSION);
	note("watch");
}

static void
expiry(struct kt_zkstory *t, struct kzk *other)
{
	struct kzk *zk = kt_zkstory_open(t, "", true);
	struct kzk_listener l = { .session = on_session,
		.expired = on_expired,
		.disconnected = on_disconnected };
	int64_t session = kzk_session_id(zk);
	struct kzk_watch w, w2;
	struct kzk_op *op;

	expiring = zk;
	kzk_listen(zk, &l);
	kzk_watch_init(&w, on_watch);
	kzk_watch_init(&w2, on_watch);
	KT_OK(kzk_await(
	    kzk_op_create(zk, "/eph", KC_STR_NULL, KZK_EPHEMERAL), NULL));
	KT_OK(kzk_await(kzk_op_children(zk, "/", &w), NULL));
	KT_OK(kzk_await(kzk_op_get(zk, "/", &w2), NULL));
	kzk_watch_cancel(&w2);

	/* ZooKeeper hears nothing for longer than the timeout. */
	kt_proxy_freeze(&t->proxy);
	KT_FIBER_UNTIL(15000,
	    kzk_await(kzk_op_exists(other, "/eph", NULL), NULL) == KC_ENOENT);
	KT_OK(
	    kzk_submit(kzk_op_set(zk, "/", KC_STR_LIT("x"), -1), on_write, zk));
	kt_proxy_thaw(&t->proxy);
	KT_FIBER_UNTIL(15000, strstr(record, "watch") != NULL);
	KT_CHECKF(
	    strcmp(record, "disconnected write expired session watch ") == 0,
	    "%s", record);
	KT_CHECK(kzk_session_id(zk) != session);
	KT_EQ(kzk_session_before(zk), session);
	KT_OK(kzk_await(kzk_op_exists(zk, "/new", NULL), &op));
	KT_EQ(op->stat.owner, kzk_session_id(zk));
	kzk_unlisten(zk, &l);
	kzk_close(&zk);
}

static void
close_in_callback(struct kzk_op *op)
{
	struct kzk **zk = op->arg;

	kzk_close(zk);
	KT_CHECK(*zk == NULL);
}

static int after_close;

static void
count_closed(struct kzk_op *op)
{
	KT_ERR(op->err, KC_ECLOSED);
	after_close++;
}

static void
closing(struct kt_zkstory *t)
{
	struct kzk *zk = kt_zkstory_open(t, "", true);

	/* From a callback, with more behind it. */
	KT_OK(kzk_submit(kzk_op_exists(zk, "/", NULL), close_in_callback, &zk));
	for (int i = 0; i < 20; i++)
		KT_OK(kzk_submit(
		    kzk_op_exists(zk, "/", NULL), count_closed, NULL));
	KT_FIBER_UNTIL(5000, after_close == 20);
	KT_CHECK(zk == NULL);

	/* While there is no connection. */
	zk = kt_zkstory_open(t, "", true);
	kt_proxy_freeze(&t->proxy);
	KT_OK(kzk_submit(kzk_op_exists(zk, "/", NULL), count_closed, NULL));
	kzk_close(&zk);
	KT_EQ(after_close, 21);
	kt_proxy_thaw(&t->proxy);
}

static int batches;

static void
count_batch(struct kzk_batch *b)
{
	KT_ERR(b->err, KC_ECLOSED);
	batches++;
}

static void
run_batch(struct kzk *zk)
{
	struct kzk_batch *b = NULL;

	KT_OK(kzk_batch_open(&b, zk));
	for (int i = 0; i < 3; i++)
		KT_OK(kzk_batch_add(b, kzk_op_exists(zk, "/", NULL)));
	kzk_batch_run(&b, count_batch, NULL);
}

/* In two halves: between them it refuses, and batches come to an end. */
static void
ending(struct kt_zkstory *t)
{
	struct kzk *zk = kt_zkstory_open(t, "", true);

	after_close = 0;
	kt_proxy_freeze(&t->proxy);
	KT_OK(kzk_submit(kzk_op_exists(zk, "/", NULL), count_closed, NULL));
	run_batch(zk);
	kzk_end(zk);
	KT_EQ(after_close, 1);
	KT_CHECK(!kzk_connected(zk));
	KT_ERR(kzk_submit(kzk_op_exists(zk, "/", NULL), count_closed, NULL),
	    KC_ECLOSED);
	run_batch(zk);
	KT_FIBER_UNTIL(5000, batches == 2);
	kzk_end(zk);
	kzk_close(&zk);
	KT_EQ(after_close, 1);
	kt_proxy_thaw(&t->proxy);
}

static void
story(struct kt_zkstory *t)
{
	struct kzk *zk = kt_zkstory_open(t, "", true);
	struct kzk *other = kt_zkstory_open(t, "", false);

	doubt(t, zk, other);
	kt_step("lost answers");
	over_restart(t, zk);
	kt_step("ZooKeeper killed and started");
	kzk_close(&zk);
	expiry(t, other);
	kt_step("session expired");
	closing(t);
	kt_step("closed in a callback");
	ending(t);
	kt_step("ended, then closed");
	kzk_close(&other);
}

int
main(int argc, char **argv)
{
	return kt_zkstory_run(argc, argv, story);
}
