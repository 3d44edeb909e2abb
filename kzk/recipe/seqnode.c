#include "kzk/recipe/seqnode.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/ev.h"
#include "kcommon/io/fiber.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdlib.h>
#include <string.h>

#define LOGGER "kafka.common.ZkNodeChangeNotificationListener"

/*
 * At most one fiber works for a reader; it sees to the object's end when
 * that is closed meanwhile.
 */
struct kzk_seqnode {
	unsigned magic;
#define KZK_SEQNODE_MAGIC 0x5e90de01
	struct kzk_seqnode_params p;
	struct kzk_watch watch;
	int64_t last; /* number of the newest one served; -1: none */
	bool running;
	bool again; /* something came while it ran */
	bool closed;
};

struct note {
	int64_t number;
	char *path;
};

struct notes { /* rising number */
	struct note *v;
	int32_t n;
};

static void
notes_fini(struct notes *l)
{
	for (int32_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
	*l = (struct notes){ 0 };
}

static int
by_number(const void *a, const void *b)
{
	const struct note *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int
list(struct kzk_seqnode *s, struct notes *out)
{
	struct kzk_path path;
	struct kzk_op *op;
	int64_t number;
	int rc;

	rc = kzk_await(kzk_op_children(s->p.zk, s->p.dir, &s->watch), &op);
	if (rc != KC_OK)
		return rc;
	out->v = calloc((size_t)op->nchildren + 1, sizeof *out->v);
	if (out->v == NULL)
		return KC_ENOMEM;
	for (int32_t i = 0; i < op->nchildren; i++) {
		struct note *n = &out->v[out->n];

		/* Whatever else somebody put here is none of ours. */
		if (kzk_seq_number(op->children[i], s->p.prefix, &number) !=
			KC_OK ||
		    kzk_path_child(&path, s->p.dir, op->children[i]) != KC_OK)
			continue;
		n->number = number;
		if ((n->path = strdup(path.s)) == NULL)
			return KC_ENOMEM;
		out->n++;
	}
	qsort(out->v, (size_t)out->n, sizeof *out->v, by_number);
	return KC_OK;
}

static int
serve(struct kzk_seqnode *s, const struct note *n)
{
	struct kc_str data = KC_STR_NULL;
	char *copy = NULL;
	struct kzk_op *op;
	int rc = kzk_await(kzk_op_get(s->p.zk, n->path, NULL), &op);

	if (rc == KC_ENOENT) { /* purged by another broker */
		s->last = n->number;
		return KC_OK;
	}
	if (rc != KC_OK || s->closed)
		return rc;
	if (op->data.p != NULL) {
		/* fn may wait, and then op is gone. */
		if ((copy = kc_str_dup(op->data)) == NULL)
			return KC_ENOMEM;
		data = (struct kc_str){ copy, op->data.len };
	}
	s->last = n->number;
	s->p.fn(s->p.arg, data);
	free(copy);
	return KC_OK;
}

/* Oldest first, up to the first that is young enough. */
static int
purge(struct kzk_seqnode *s, const struct notes *l)
{
	const struct kc_env *env = kc_loop_env(kzk_loop(s->p.zk));
	struct kzk_op *op;
	int rc;

	for (int32_t i = 0; i < l->n && !s->closed; i++) {
		rc = kzk_await(kzk_op_exists(s->p.zk, l->v[i].path, NULL), &op);
		if (rc == KC_ENOENT)
			continue;
		if (rc != KC_OK)
			return rc;
		if (kc_wall_ms(env->clock) - op->stat.ctime_ms <=
		    KZK_SEQNODE_AGE_MS)
			break;
		rc = kzk_await(
		    kzk_op_safe(kzk_op_delete(s->p.zk, l->v[i].path, -1)),
		    NULL);
		if (rc != KC_OK && rc != KC_ENOENT)
			return rc;
	}
	return KC_OK;
}

static int
pass(struct kzk_seqnode *s)
{
	struct notes l = { 0 };
	int rc = list(s, &l);

	for (int32_t i = 0; i < l.n && rc == KC_OK && !s->closed; i++)
		if (l.v[i].number > s->last)
			rc = serve(s, &l.v[i]);
	if (rc == KC_OK)
		rc = purge(s, &l);
	notes_fini(&l);
	return rc;
}

static void
work(void *arg)
{
	struct kzk_seqnode *s = arg;
	int rc;

	do {
		s->again = false;
		rc = pass(s);
		if (rc == KC_OK || rc == KC_ECLOSED || s->closed)
			continue;
		/*
		 * The next session comes as an event of the watch; not if it
		 * was the listing that failed, which was to arm it.
		 */
		if ((rc == KC_ESESSION || rc == KC_EAUTH) &&
		    kzk_watch_armed(&s->watch))
			continue;
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Error processing the notifications in %s: %s; trying "
		    "again in %d ms.",
		    s->p.dir, kc_strerror(rc), KZK_SEQNODE_RETRY_MS);
		kc_fiber_sleep(KZK_SEQNODE_RETRY_MS);
		s->again = true;
	} while (s->again && !s->closed);
	s->running = false;
	if (s->closed)
		kc_delete(s);
}

static int
start(struct kzk_seqnode *s)
{
	int rc;

	s->again = true;
	if (s->running)
		return KC_OK;
	s->running = true;
	rc = kc_fiber_start(kzk_loop(s->p.zk), work, s);
	if (rc != KC_OK)
		s->running = false;
	return rc;
}

static void
on_event(struct kzk_watch *w, enum kzk_event ev)
{
	struct kzk_seqnode *s = KC_CONTAINER(w, struct kzk_seqnode, watch);

	(void)ev;
	if (start(s) != KC_OK)
		kc_log(KC_LOG_ERROR, LOGGER,
		    "No memory to look at the notifications in %s.", s->p.dir);
}

int
kzk_seqnode_open(struct kzk_seqnode **np, const struct kzk_seqnode_params *p)
{
	struct kzk_seqnode *s;
	int rc;

	KC_ASSERT(np != NULL && *np == NULL);
	if ((s = kc_new(struct kzk_seqnode, KZK_SEQNODE_MAGIC)) == NULL)
		return KC_ENOMEM;
	s->p = *p;
	s->last = -1;
	kzk_watch_init(&s->watch, on_event);
	if ((rc = start(s)) != KC_OK) {
		kc_delete(s);
		return rc;
	}
	*np = s;
	return KC_OK;
}

void
kzk_seqnode_close(struct kzk_seqnode **np)
{
	struct kzk_seqnode *s = *np;

	if (s == NULL)
		return;
	KC_CHECK(s, KZK_SEQNODE_MAGIC);
	kzk_watch_cancel(&s->watch);
	s->closed = true;
	if (!s->running)
		kc_delete(s);
	*np = NULL;
}

int
kzk_seqnode_write(
    struct kzk *zk, const char *dir, const char *prefix, struct kc_str data)
{
	struct kzk_path path;
	int rc = kzk_path_seq(&path, dir, prefix);

	if (rc != KC_OK)
		return rc;
	/* Repeated if in doubt: to be told twice does no harm. */
	return kzk_await(
	    kzk_op_safe(kzk_op_create(zk, path.s, data, KZK_SEQUENTIAL)), NULL);
}
