/*
 * await -- ZooKeeper operations in straight-line code, on a fiber.
 *
 * The results inside op or batch are good until the fiber waits again (for
 * anything): take what is needed out of them first.
 *
 * @thread the session's loop, inside a fiber
 */
#ifndef KZK_AWAIT_H
#define KZK_AWAIT_H

#include "kzk/kzk.h"

/*
 * Submit and wait.  Returns op->err, or why it was not submitted; *res (may be
 * NULL) is the op, NULL when it was not submitted.
 */
int kzk_await(struct kzk_op *op, struct kzk_op **res);
/* Run the batch and wait for all of it; returns it, with the results. */
struct kzk_batch *kzk_await_batch(struct kzk_batch *b);
/* kzk_delete_tree() and wait. */
int kzk_await_delete_tree(struct kzk *zk, const char *path,
    const char *fence_path, int32_t fence_version);

/*
 * For other functions that tell their end by a callback: give
 * kzk_await_done as done and the struct as its argument, then wait.
 */
struct kzk_awaited {
	struct kc_fiber *fiber;
	bool done;
	int err;
};
void kzk_await_init(struct kzk_awaited *a);
void kzk_await_done(void *arg, int err);
int kzk_await_end(struct kzk_awaited *a);

#endif
