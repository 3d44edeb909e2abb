/*
 * batch -- many operations with one end; and what is built of such waves.
 */
#include "kzk/session_priv.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/io/fiber.h"
#include "kzk/await.h"

#include <stdlib.h>
#include <string.h>

struct kzk_batch_impl {
	struct kzk_batch pub; /* first */
	unsigned magic;
#define KZK_BATCH_MAGIC 0xba7c4e55
	int32_t cap;
	int32_t pending; /* under way, and one for the task below */
	void (*done)(struct kzk_batch *b);
	struct kc_task task; /* ends those that could not be submitted */
};

static struct kzk_batch_impl *
impl(struct kzk_batch *b)
{
	struct kzk_batch_impl *i = (struct kzk_batch_impl *)b;

	KC_CHECK(i, KZK_BATCH_MAGIC);
	return i;
}

int
kzk_batch_open(struct kzk_batch **batchp, struct kzk *zk)
{
	struct kzk_batch_impl *b;

	KC_ASSERT(batchp != NULL && *batchp == NULL);
	if ((b = kc_new(struct kzk_batch_impl, KZK_BATCH_MAGIC)) == NULL)
		return KC_ENOMEM;
	b->pub.zk = zk;
	*batchp = &b->pub;
	return KC_OK;
}

void
kzk_batch_close(struct kzk_batch **batchp)
{
	struct kzk_batch_impl *b;

	if (*batchp == NULL)
		return;
	b = impl(*batchp);
	KC_ASSERT(b->pending == 0);
	for (int32_t i = 0; i < b->pub.n; i++)
		kzk_op_free(b->pub.ops[i]);
	free(b->pub.ops);
	kc_delete(b);
	*batchp = NULL;
}

int
kzk_batch_add_done(
    struct kzk_batch *pub, struct kzk_op *op, kzk_done_fn done, void *arg)
{
	struct kzk_batch_impl *b = impl(pub);
	struct kzk_op **ops;
	int32_t cap;

	KC_ASSERT(b->pending == 0);
	if (op == NULL)
		goto fail;
	if (pub->n == b->cap) {
		cap = b->cap == 0 ? 16 : b->cap * 2;
		ops = realloc(pub->ops, (size_t)cap * sizeof *ops);
		if (ops == NULL)
			goto fail;
		pub->ops = ops;
		b->cap = cap;
	}
	op->done = done;
	op->arg = arg;
	kzk_opx(op)->batch = b;
	pub->ops[pub->n++] = op;
	return KC_OK;

fail:
	kzk_op_free(op);
	if (pub->err == KC_OK)
		pub->err = KC_ENOMEM;
	return KC_ENOMEM;
}

int
kzk_batch_add(struct kzk_batch *b, struct kzk_op *op)
{
	return kzk_batch_add_done(b, op, NULL, NULL);
}

static void
one_less(struct kzk_batch_impl *b)
{
	struct kzk_batch *pub = &b->pub;

	if (--b->pending > 0)
		return;
	for (int32_t i = 0; i < pub->n && pub->err == KC_OK; i++)
		pub->err = pub->ops[i]->err;
	if (b->done != NULL)
		b->done(pub);
	kzk_batch_close(&pub);
}

void
kzk_batch_one_done(struct kzk_opx *x)
{
	if (x->pub.done != NULL)
		x->pub.done(&x->pub);
	one_less(x->batch);
}

static void
run_rest(struct kc_task *task)
{
	struct kzk_batch_impl *b =
	    KC_CONTAINER(task, struct kzk_batch_impl, task);

	for (int32_t i = 0; i < b->pub.n; i++) {
		struct kzk_opx *x = kzk_opx(b->pub.ops[i]);

		if (x->bad == 0 || x->finished)
			continue;
		x->finished = true;
		if (x->pub.done != NULL)
			x->pub.done(&x->pub);
	}
	one_less(b);
}

static void
run(struct kzk_batch_impl *b)
{
	struct kc_loop *loop = b->pub.zk->loop;
	int rc;

	b->pending = 1;
	b->task.fn = run_rest;
	for (int32_t i = 0; i < b->pub.n; i++) {
		struct kzk_opx *x = kzk_opx(b->pub.ops[i]);

		if ((rc = kzk_opx_submit(x)) == KC_OK)
			b->pending++;
		else
			x->pub.err = x->bad = rc;
	}
	kc_loop_post(loop, &b->task);
}

void
kzk_batch_run(
    struct kzk_batch **batchp, void (*done)(struct kzk_batch *b), void *arg)
{
	struct kzk_batch_impl *b = impl(*batchp);

	*batchp = NULL;
	b->done = done;
	b->pub.arg = arg;
	run(b);
}

/* --- a whole tree -----------------------------------------------------------
 */

struct names { /* paths, parents before children */
	char **v;
	int32_t n;
	int32_t cap;
};

static void
names_fini(struct names *l)
{
	for (int32_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

static int
names_add(struct names *l, const char *dir, struct kc_str name)
{
	int32_t cap = l->cap == 0 ? 16 : l->cap * 2;
	size_t len = strlen(dir);
	char **v;
	char *p;

	if (l->n >= KZK_TREE_MAX)
		return KC_ELIMIT;
	if (l->n == l->cap) {
		if ((v = realloc(l->v, (size_t)cap * sizeof *v)) == NULL)
			return KC_ENOMEM;
		l->v = v;
		l->cap = cap;
	}
	if ((p = malloc(len + (size_t)name.len + 2)) == NULL)
		return KC_ENOMEM;
	memcpy(p, dir, len);
	if (name.len > 0) {
		p[len++] = '/';
		memcpy(p + len, name.p, (size_t)name.len);
		len += (size_t)name.len;
	}
	p[len] = '\0';
	l->v[l->n++] = p;
	return KC_OK;
}

/* One level: the children of v[from..n). */
static int
tree_level(struct kzk *zk, struct names *l, int32_t from)
{
	struct kzk_batch *b = NULL;
	int rc;

	if ((rc = kzk_batch_open(&b, zk)) != KC_OK)
		return rc;
	for (int32_t i = from; i < l->n; i++)
		kzk_batch_add(b, kzk_op_children(zk, l->v[i], NULL));
	b = kzk_await_batch(b);
	if ((rc = b->err) == KC_ENOENT)
		rc = KC_OK; /* the first of others follows */
	for (int32_t i = 0; i < b->n && rc == KC_OK; i++) {
		const struct kzk_op *op = b->ops[i];

		if (op->err != KC_OK && op->err != KC_ENOENT)
			rc = op->err;
		for (int32_t k = 0; k < op->nchildren && rc == KC_OK; k++)
			rc = names_add(l, op->path, op->children[k]);
	}
	return rc;
}

static int
tree_delete(struct kzk *zk, const struct names *l, const char *fence_path,
    int32_t fence_version)
{
	struct kzk_batch *b = NULL;
	struct kzk_op *op;
	int rc;

	if ((rc = kzk_batch_open(&b, zk)) != KC_OK)
		return rc;
	for (int32_t i = l->n - 1; i >= 0; i--) {
		op = kzk_op_safe(kzk_op_delete(zk, l->v[i], -1));
		if (fence_path != NULL)
			op = kzk_op_fence(op, fence_path, fence_version);
		kzk_batch_add(b, op);
	}
	b = kzk_await_batch(b);
	if ((rc = b->err) == KC_ENOENT)
		rc = KC_OK; /* the first of others follows */
	for (int32_t i = 0; i < b->n && rc == KC_OK; i++)
		if (b->ops[i]->err != KC_ENOENT)
			rc = b->ops[i]->err;
	return rc;
}

struct tree {
	struct kzk *zk;
	char *path;
	char *fence_path; /* or NULL */
	int32_t fence_version;
	void (*done)(void *arg, int err);
	void *arg;
};

static void
tree_free(struct tree *t)
{
	free(t->path);
	free(t->fence_path);
	free(t);
}

static void
tree_main(void *arg)
{
	struct tree *t = arg;
	struct names l = { 0 };
	int32_t from = 0, to;
	int rc = names_add(&l, t->path, KC_STR_NULL);

	while (rc == KC_OK && from < l.n) {
		to = l.n;
		rc = tree_level(t->zk, &l, from);
		from = to;
	}
	if (rc == KC_OK)
		rc = tree_delete(t->zk, &l, t->fence_path, t->fence_version);
	names_fini(&l);
	t->done(t->arg, rc);
	tree_free(t);
}

int
kzk_delete_tree(struct kzk *zk, const char *path, const char *fence_path,
    int32_t fence_version, void (*done)(void *arg, int err), void *arg)
{
	struct tree *t = calloc(1, sizeof *t);

	if (t == NULL)
		return KC_ENOMEM;
	t->zk = zk;
	t->fence_version = fence_version;
	t->done = done;
	t->arg = arg;
	t->path = strdup(path);
	t->fence_path = fence_path == NULL ? NULL : strdup(fence_path);
	if (t->path == NULL || (fence_path != NULL && t->fence_path == NULL) ||
	    kc_fiber_start(zk->loop, tree_main, t) != KC_OK) {
		tree_free(t);
		return KC_ENOMEM;
	}
	return KC_OK;
}
