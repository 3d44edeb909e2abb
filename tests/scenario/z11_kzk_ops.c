/*
 * Goal: every operation of kzk does against a real ZooKeeper what kzk.h says,
 * in order, with chroot, watches, fences, batches and ACLs.
 */
#include "tests/lib/zkstory.h"

#include "kzk/path.h"

#include <stdio.h>
#include <string.h>

static int
create(struct kzk *zk, const char *path, const char *data, unsigned flags)
{
	return kzk_await(kzk_op_create(zk, path, kc_str(data), flags), NULL);
}

static int
set(struct kzk *zk, const char *path, const char *data, int32_t version)
{
	return kzk_await(kzk_op_set(zk, path, kc_str(data), version), NULL);
}

static int delete (struct kzk *zk, const char *path, int32_t version)
{
	return kzk_await(kzk_op_delete(zk, path, version), NULL);
}

static bool
holds(struct kzk *zk, const char *path, const char *want)
{
	struct kzk_op *op;

	KT_OK(kzk_await(kzk_op_get(zk, path, NULL), &op));
	return kc_str_eq(op->data, kc_str(want));
}

static void
plain(struct kzk *zk)
{
	struct kzk_op *op;

	/* Refused before they are sent. */
	KT_ERR(create(zk, "a", "", 0), KC_EINVAL);
	KT_ERR(create(zk, "", "", 0), KC_EINVAL);
	KT_ERR(create(zk, "/a//b", "", 0), KC_EINVAL);
	KT_ERR(create(zk, "/a/", "", 0), KC_EINVAL);
	KT_ERR(create(zk, "/a/../b", "", 0), KC_EINVAL);
	KT_ERR(create(zk, "/a\nb", "", 0), KC_EINVAL);
	KT_ERR(kzk_await(kzk_op_check(zk, "/a", 0), NULL), KC_EINVAL);
	KT_ERR(kzk_await(kzk_op_multi(zk), NULL), KC_EINVAL);
	KT_ERR(kzk_await(NULL, NULL), KC_ENOMEM);

	KT_ERR(create(zk, "/a/b", "x", 0), KC_ENOENT);
	KT_OK(create(zk, "/a", NULL, 0));
	KT_ERR(create(zk, "/a", "x", 0), KC_EEXIST);
	KT_CHECK(holds(zk, "/a", NULL));
	KT_OK(create(zk, "/a/b", "", 0));
	KT_OK(create(zk, "/p/q/r", "deep", KZK_PARENTS));
	KT_ERR(create(zk, "/p/q/r", "deep", KZK_PARENTS), KC_EEXIST);
	KT_CHECK(holds(zk, "/p/q/r", "deep"));
	KT_CHECK(holds(zk, "/p/q", NULL));

	KT_OK(kzk_await(
	    kzk_op_create(zk, "/a/n_", KC_STR_LIT("s"), KZK_SEQUENTIAL), &op));
	KT_CHECK(strcmp(op->created, "/a/n_0000000001") == 0);

	KT_ERR(set(zk, "/no", "x", -1), KC_ENOENT);
	KT_ERR(set(zk, "/a", "x", 3), KC_EBADVERSION);
	KT_OK(kzk_await(kzk_op_set(zk, "/a", KC_STR_LIT("one"), 0), &op));
	KT_EQ(op->stat.version, 1);
	KT_EQ(op->stat.data_len, 3);
	KT_CHECK(holds(zk, "/a", "one"));
	KT_OK(set(zk, "/a", "two", -1));

	KT_OK(kzk_await(kzk_op_children(zk, "/a", NULL), &op));
	KT_EQ(op->nchildren, 2);
	KT_EQ(op->stat.children, 2);
	KT_OK(kzk_await(kzk_op_children(zk, "/a/b", NULL), &op));
	KT_EQ(op->nchildren, 0);
	KT_OK(kzk_await(kzk_op_sync(zk, "/a"), NULL));

	KT_ERR(kzk_await(kzk_op_exists(zk, "/no", NULL), NULL), KC_ENOENT);
	KT_ERR(delete (zk, "/no", -1), KC_ENOENT);
	KT_ERR(delete (zk, "/a", -1), KC_ENOTEMPTY);
	KT_ERR(delete (zk, "/a/b", 7), KC_EBADVERSION);
	KT_OK(delete (zk, "/a/b", 0));
	KT_OK(kzk_await_delete_tree(zk, "/p", NULL, 0));
	KT_OK(kzk_await_delete_tree(zk, "/p", NULL, 0));
	KT_OK(kzk_await_delete_tree(zk, "/a", NULL, 0));
	KT_ERR(kzk_await(kzk_op_exists(zk, "/a", NULL), NULL), KC_ENOENT);
}

static struct kzk_op *
two_step(struct kzk *zk, int32_t check)
{
	struct kzk_op *m = kzk_op_multi(zk);

	m = kzk_op_add(m, kzk_op_check(zk, "/epoch", check));
	m = kzk_op_add(
	    m, kzk_op_create(zk, "/m/e", KC_STR_NULL, KZK_EPHEMERAL));
	m = kzk_op_add(m, kzk_op_set(zk, "/m/e", KC_STR_LIT("v"), 0));
	return m;
}

static void
multi(struct kzk *zk)
{
	struct kzk_op *op, *get;

	KT_OK(create(zk, "/epoch", "1", 0));
	KT_OK(create(zk, "/m", NULL, 0));
	KT_ERR(kzk_await(two_step(zk, 5), &op), KC_EBADVERSION);
	KT_EQ(op->nsubs, 3);
	KT_ERR(op->subs[0]->err, KC_EBADVERSION);
	KT_ERR(op->subs[1]->err, KC_ECANCELED);
	KT_ERR(op->subs[2]->err, KC_ECANCELED);

	KT_OK(kzk_await(two_step(zk, 0), &op));
	KT_OK(op->subs[0]->err);
	KT_CHECK(strcmp(op->subs[1]->created, "/m/e") == 0);
	KT_EQ(op->subs[2]->stat.version, 1);
	KT_EQ(op->subs[2]->stat.owner, kzk_session_id(zk));
	KT_EQ(op->subs[2]->stat.czxid, op->subs[2]->stat.mzxid);
	KT_ERR(kzk_await(two_step(zk, 0), &op), KC_EEXIST);
	KT_OK(op->subs[0]->err);
	KT_ERR(op->subs[1]->err, KC_EEXIST);

	/* No reads in a multi, and no more than so many parts. */
	get = kzk_op_add(kzk_op_multi(zk), kzk_op_get(zk, "/m", NULL));
	KT_ERR(kzk_await(get, NULL), KC_EINVAL);
	op = kzk_op_multi(zk);
	for (int i = 0; i <= KZK_MULTI_MAX; i++)
		op = kzk_op_add(op, kzk_op_check(zk, "/m", -1));
	KT_ERR(kzk_await(op, NULL), KC_ELIMIT);
	KT_CHECK(kzk_op_add(kzk_op_multi(zk), NULL) == NULL);

	/* Fences. */
	KT_ERR(kzk_await(kzk_op_fence(kzk_op_set(zk, "/m", KC_STR_LIT("x"), -1),
			     "/epoch", 1),
		   NULL),
	    KC_EFENCED);
	KT_ERR(
	    kzk_await(
		kzk_op_fence(kzk_op_delete(zk, "/m/e", -1), "/gone", 1), NULL),
	    KC_EFENCED);
	KT_CHECK(holds(zk, "/m", NULL));
	KT_OK(kzk_await(kzk_op_fence(kzk_op_set(zk, "/m", KC_STR_LIT("x"), -1),
			    "/epoch", 0),
	    &op));
	KT_EQ(op->stat.version, 1);
	KT_ERR(kzk_await(kzk_op_fence(kzk_op_set(zk, "/m", KC_STR_LIT("y"), 0),
			     "/epoch", 0),
		   NULL),
	    KC_EBADVERSION);
	KT_ERR(kzk_await(kzk_op_fence(kzk_op_create(zk, "/m", KC_STR_NULL, 0),
			     "/epoch", 0),
		   NULL),
	    KC_EEXIST);
	KT_OK(kzk_await(
	    kzk_op_fence(kzk_op_create(zk, "/m/x/y", KC_STR_NULL, KZK_PARENTS),
		"/epoch", 0),
	    &op));
	KT_CHECK(strcmp(op->created, "/m/x/y") == 0);
	KT_ERR(kzk_await_delete_tree(zk, "/m", "/epoch", 4), KC_EFENCED);
	KT_OK(kzk_await_delete_tree(zk, "/m", "/epoch", 0));
}

#define WAVE 500

static int order, out_of_order;

static void
count(struct kzk_op *op)
{
	if ((intptr_t)op->arg != order++)
		out_of_order++;
}

static void
waves(struct kzk *zk)
{
	struct kzk_batch *b = NULL;
	char path[64];

	/* None at all ends too. */
	KT_OK(kzk_batch_open(&b, zk));
	b = kzk_await_batch(b);
	KT_OK(b->err);
	b = NULL;
	KT_OK(kzk_batch_open(&b, zk));
	kzk_batch_close(&b);

	KT_OK(create(zk, "/w", NULL, 0));
	KT_OK(kzk_batch_open(&b, zk));
	for (intptr_t i = 0; i < WAVE; i++) {
		snprintf(path, sizeof path, "/w/%d", (int)i);
		KT_OK(kzk_batch_add_done(b,
		    kzk_op_create(zk, path, kc_str(path), 0), count,
		    (void *)i));
	}
	b = kzk_await_batch(b);
	KT_OK(b->err);
	KT_EQ(order, WAVE);
	KT_EQ(out_of_order, 0);

	b = NULL;
	KT_OK(kzk_batch_open(&b, zk));
	for (int i = 0; i < WAVE; i++) {
		snprintf(path, sizeof path, "/w/%d", i * 2);
		KT_OK(kzk_batch_add(b, kzk_op_get(zk, path, NULL)));
	}
	KT_OK(kzk_batch_add(b, kzk_op_get(zk, "bad", NULL)));
	b = kzk_await_batch(b);
	KT_ERR(b->err, KC_ENOENT);
	KT_EQ(b->n, WAVE + 1);
	for (int i = 0; i < WAVE; i++) {
		KT_ERR(b->ops[i]->err, i < WAVE / 2 ? KC_OK : KC_ENOENT);
		if (i < WAVE / 2)
			KT_CHECK(kc_str_eqz(b->ops[i]->data, b->ops[i]->path));
	}
	KT_ERR(b->ops[WAVE]->err, KC_EINVAL);
	KT_OK(kzk_await_delete_tree(zk, "/w", NULL, 0));
}

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

/* Everything under way before this is answered when it returns. */
static void
settle(struct kzk *zk)
{
	KT_OK(kzk_await(kzk_op_sync(zk, "/"), NULL));
}

static void
watches(struct kzk *zk)
{
	struct seen data = { 0 }, exists = { 0 }, kids = { 0 }, off = { 0 };

	kzk_watch_init(&data.w, see);
	kzk_watch_init(&exists.w, see);
	kzk_watch_init(&kids.w, see);
	kzk_watch_init(&off.w, see);

	/* A get of nothing arms nothing, an exists does. */
	KT_ERR(kzk_await(kzk_op_get(zk, "/v", &data.w), NULL), KC_ENOENT);
	KT_CHECK(!kzk_watch_armed(&data.w));
	KT_ERR(kzk_await(kzk_op_exists(zk, "/v", &exists.w), NULL), KC_ENOENT);
	KT_CHECK(kzk_watch_armed(&exists.w));
	KT_OK(create(zk, "/v", "0", 0));
	settle(zk);
	KT_EQ(exists.n, 1);
	KT_EQ(exists.last, KZK_EVENT_CREATED);

	KT_OK(kzk_await(kzk_op_get(zk, "/v", &data.w), NULL));
	KT_OK(kzk_await(kzk_op_children(zk, "/v", &kids.w), NULL));
	KT_OK(kzk_await(kzk_op_get(zk, "/v", &off.w), NULL));
	kzk_watch_cancel(&off.w);
	kzk_watch_cancel(&off.w);
	KT_OK(set(zk, "/v", "1", -1));
	KT_OK(set(zk, "/v", "2", -1)); /* one shot */
	settle(zk);
	KT_EQ(data.n, 1);
	KT_EQ(data.last, KZK_EVENT_CHANGED);
	KT_EQ(kids.n, 0);
	KT_OK(create(zk, "/v/k", NULL, 0));
	settle(zk);
	KT_EQ(kids.n, 1);
	KT_EQ(kids.last, KZK_EVENT_CHILDREN);
	KT_EQ(data.n, 1);

	/* Deletion concerns all. */
	KT_OK(delete (zk, "/v/k", -1));
	KT_OK(kzk_await(kzk_op_get(zk, "/v", &data.w), NULL));
	KT_OK(kzk_await(kzk_op_children(zk, "/v", &kids.w), NULL));
	KT_OK(kzk_await(kzk_op_exists(zk, "/v", &exists.w), NULL));
	KT_OK(delete (zk, "/v", -1));
	settle(zk);
	KT_EQ(data.last, KZK_EVENT_DELETED);
	KT_EQ(kids.last, KZK_EVENT_DELETED);
	KT_EQ(exists.last, KZK_EVENT_DELETED);
	KT_EQ(off.n, 0);

	/* One read at a time; canceled and gone while its read is out. */
	KT_OK(create(zk, "/v", "0", 0));
	KT_OK(kzk_submit(kzk_op_get(zk, "/v", &data.w), NULL, NULL));
	KT_ERR(kzk_submit(kzk_op_get(zk, "/v", &data.w), NULL, NULL), KC_EBUSY);
	settle(zk);
	KT_CHECK(kzk_watch_armed(&data.w));
	kzk_watch_cancel(&data.w);
	struct seen *gone = calloc(1, sizeof *gone);
	kzk_watch_init(&gone->w, see);
	KT_OK(kzk_submit(kzk_op_get(zk, "/v", &gone->w), NULL, NULL));
	kzk_watch_cancel(&gone->w);
	free(gone);
	KT_OK(set(zk, "/v", "1", -1));
	settle(zk);
	KT_OK(delete (zk, "/v", -1));
}

static void
chroots(struct kt_zkstory *t)
{
	struct kzk *below = kt_zkstory_open(t, "/deep/er", false);
	struct kzk *again = kt_zkstory_open(t, "/deep/er/", false);
	struct kzk *top = kt_zkstory_open(t, "", false);
	struct seen kids = { 0 };
	struct kzk_op *op;

	KT_OK(create(below, "/n", "x", 0));
	KT_CHECK(holds(again, "/n", "x"));
	KT_CHECK(holds(top, "/deep/er/n", "x"));
	KT_OK(kzk_await(kzk_op_children(below, "/", NULL), &op));
	KT_EQ(op->nchildren, 1);
	KT_CHECK(strcmp(op->path, "/") == 0);
	kzk_watch_init(&kids.w, see);
	KT_OK(kzk_await(kzk_op_children(below, "/", &kids.w), NULL));
	KT_OK(create(top, "/deep/er/o", NULL, 0));
	settle(below);
	KT_FIBER_UNTIL(5000, kids.n == 1);

	/* An ephemeral node goes with its session. */
	KT_OK(create(again, "/e", NULL, KZK_EPHEMERAL));
	KT_OK(kzk_await(kzk_op_exists(top, "/deep/er/e", NULL), &op));
	KT_EQ(op->stat.owner, kzk_session_id(again));
	kzk_close(&again);
	KT_CHECK(again == NULL);
	KT_FIBER_UNTIL(5000,
	    kzk_await(kzk_op_exists(top, "/deep/er/e", NULL), NULL) ==
		KC_ENOENT);
	kzk_close(&below);
	kzk_close(&top);
}

static void
acls(struct kt_zkstory *t)
{
	char connect[128];
	struct kzk_params p =
	    kt_zkstory_params(t, connect, sizeof connect, "/sec", false);
	struct kzk *owner = NULL, *other = NULL;

	p.set_acl = true;
	KT_ERR(kzk_open_wait(&owner, &p), KC_EINVAL);
	p.digest = "no colon";
	KT_ERR(kzk_open_wait(&owner, &p), KC_EINVAL);
	p.digest = "kb:secret";
	KT_OK(kzk_open_wait(&owner, &p));
	KT_OK(create(owner, "/brokers", "x", 0));
	KT_OK(create(owner, "/consumers", NULL, 0));
	KT_OK(create(owner, "/config/users/u", "x", KZK_PARENTS));
	other = kt_zkstory_open(t, "/sec", false);
	KT_CHECK(holds(other, "/brokers", "x"));
	KT_ERR(set(other, "/brokers", "y", -1), KC_EACCES);
	KT_ERR(create(other, "/brokers/a", NULL, 0), KC_EACCES);
	KT_ERR(kzk_await(kzk_op_get(other, "/config/users/u", NULL), NULL),
	    KC_EACCES);
	KT_OK(create(other, "/consumers/g", NULL, 0));
	KT_CHECK(holds(owner, "/config/users/u", "x"));
	KT_OK(set(owner, "/brokers", "y", -1));
	kzk_close(&other);
	kzk_close(&owner);
}

static void
bad_starts(struct kt_zkstory *t)
{
	char connect[128];
	struct kzk_params p =
	    kt_zkstory_params(t, connect, sizeof connect, "", false);
	struct kzk *zk = NULL;

	p.connection_timeout_ms = 300;
	p.connect = "127.0.0.1:1/x";
	KT_ERR(kzk_open_wait(&zk, &p), KC_ETIMEDOUT);
	KT_CHECK(zk == NULL);
	p.connect = "";
	KT_ERR(kzk_open_wait(&zk, &p), KC_EINVAL);
	p.connect = "/x";
	KT_ERR(kzk_open_wait(&zk, &p), KC_EINVAL);
	p.connect = "127.0.0.1:1//x";
	KT_ERR(kzk_open_wait(&zk, &p), KC_EINVAL);
	p.connect = "no.such.host.invalid:2181";
	KT_ERR(kzk_open_wait(&zk, &p), KC_ENOENT);
	p.connect = connect;
	p.ssl = "ca.pem,cert.pem,key.pem,";
	if (kzk_open(&zk, &p, NULL) == KC_OK)
		kzk_close(&zk); /* a client library with TLS */
	KT_CHECK(zk == NULL);
}

static int closed_calls;

static void
on_closed(struct kzk_op *op)
{
	KT_ERR(op->err, KC_ECLOSED);
	closed_calls++;
}

static void
closing(struct kt_zkstory *t)
{
	struct kzk *zk = kt_zkstory_open(t, "", false);
	struct seen data = { 0 };

	kzk_watch_init(&data.w, see);
	for (int i = 0; i < 50; i++)
		KT_OK(
		    kzk_submit(kzk_op_exists(zk, "/", NULL), on_closed, NULL));
	KT_OK(kzk_submit(kzk_op_get(zk, "/", &data.w), on_closed, NULL));
	kzk_close(&zk);
	KT_EQ(closed_calls, 51);
	KT_CHECK(!kzk_watch_armed(&data.w));
}

static void
story(struct kt_zkstory *t)
{
	struct kzk *zk = kt_zkstory_open(t, "/ops", false);

	plain(zk);
	kt_step("single operations");
	multi(zk);
	kt_step("multi and fences");
	waves(zk);
	kt_step("waves");
	watches(zk);
	kt_step("watches");
	kzk_close(&zk);
	chroots(t);
	kt_step("chroot and ephemeral nodes");
	acls(t);
	kt_step("ACLs");
	bad_starts(t);
	kt_step("starts that cannot succeed");
	closing(t);
	kt_step("closing under load");
}

int
main(int argc, char **argv)
{
	return kt_zkstory_run(argc, argv, story);
}
