#include "kzk/await.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/io/fiber.h"

struct op_wait {
	struct kc_fiber *fiber;
	struct kzk_op *op;
};

static void
op_done(struct kzk_op *op)
{
	struct op_wait *w = op->arg;

	w->op = op;
	kc_fiber_resume(w->fiber);
}

int
kzk_await(struct kzk_op *op, struct kzk_op **res)
{
	struct op_wait w = { .fiber = kc_fiber_self() };
	int rc;

	KC_ASSERT(w.fiber != NULL);
	if (res != NULL)
		*res = NULL;
	if ((rc = kzk_submit(op, op_done, &w)) != KC_OK)
		return rc;
	while (w.op == NULL)
		kc_fiber_wait();
	if (res != NULL)
		*res = w.op;
	return w.op->err;
}

struct batch_wait {
	struct kc_fiber *fiber;
	struct kzk_batch *batch;
};

static void
batch_done(struct kzk_batch *b)
{
	struct batch_wait *w = b->arg;

	w->batch = b;
	kc_fiber_resume(w->fiber);
}

struct kzk_batch *
kzk_await_batch(struct kzk_batch *b)
{
	struct batch_wait w = { .fiber = kc_fiber_self() };

	KC_ASSERT(w.fiber != NULL);
	kzk_batch_run(&b, batch_done, &w);
	while (w.batch == NULL)
		kc_fiber_wait();
	return w.batch;
}

void
kzk_await_init(struct kzk_awaited *a)
{
	*a = (struct kzk_awaited){ .fiber = kc_fiber_self() };
	KC_ASSERT(a->fiber != NULL);
}

void
kzk_await_done(void *arg, int err)
{
	struct kzk_awaited *a = arg;

	a->err = err;
	a->done = true;
	kc_fiber_wake(a->fiber);
}

int
kzk_await_end(struct kzk_awaited *a)
{
	while (!a->done)
		kc_fiber_wait();
	return a->err;
}

int
kzk_await_delete_tree(struct kzk *zk, const char *path, const char *fence_path,
    int32_t fence_version)
{
	struct kzk_awaited a;
	int rc;

	kzk_await_init(&a);
	rc = kzk_delete_tree(
	    zk, path, fence_path, fence_version, kzk_await_done, &a);
	return rc != KC_OK ? rc : kzk_await_end(&a);
}
