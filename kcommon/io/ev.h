/*
 * ev -- the reactor: one thread, its descriptors, timers and posted tasks.
 *
 * Everything a loop calls runs on its thread, one callback at a time.  Only
 * kc_loop_post() and kc_loop_stop() may be called from elsewhere.  A task
 * and a timer are embedded in the object they serve; nothing is allocated.
 *
 * Timers have millisecond resolution (a hierarchical wheel: set and cancel
 * are O(1)); a timer fires once, never early.
 *
 * @thread the loop's own, unless said otherwise
 */
#ifndef KC_EV_H
#define KC_EV_H

#include "kcommon/base/env.h"
#include "kcommon/base/kc.h"

struct kc_loop;

struct kc_task {
	struct kc_task *next; /* owned by the loop while posted */
	void (*fn)(struct kc_task *task);
};

struct kc_timer {
	struct kc_timer *next, **prev; /* prev NULL: not set */
	int64_t due_ms; /* on the loop's monotonic clock */
	void (*fn)(struct kc_timer *timer);
};

enum kc_io_events {
	KC_IO_IN = 1,
	KC_IO_OUT = 2,
	/*
	 * Error or hang-up of both sides.  Comes even when not wanted, until
	 * the descriptor is deleted.
	 */
	KC_IO_HUP = 4,
};

struct kc_io { /* a watched descriptor, embedded */
	int fd; /* -1: not watched */
	unsigned want; /* KC_IO_* */
	void (*fn)(struct kc_io *io, unsigned ready);
};

/* A call that may block, run on a thread of its own; embedded. */
struct kc_offload {
	struct kc_offload *next, **prev; /* owned by the loop */
	struct kc_task task;
	struct kc_thread *thread;
	struct kc_loop *loop;
	void (*work)(struct kc_offload *o); /* on the helper thread */
	void (*done)(struct kc_offload *o); /* on the loop; may free o */
};

int kc_loop_open(
    struct kc_loop **loopp, const struct kc_env *env, const char *name);
/*
 * Runs on the calling thread until kc_loop_stop().  Blocks SIGPIPE in it:
 * sendfile() and TLS have no flag against that signal.
 */
int kc_loop_run(struct kc_loop *loop);
/* One pass: waits at most timeout_ms (-1 for ever) and serves what is ready. */
int kc_loop_step(struct kc_loop *loop, int64_t timeout_ms);
/* Ends kc_loop_run() after the current pass.  @thread any, and signals */
void kc_loop_stop(struct kc_loop *loop);
/*
 * Not while it runs; posted tasks that did not run are dropped, offloaded
 * calls are waited for and their done() called.
 */
void kc_loop_close(struct kc_loop **loopp);

/* True on the thread that runs the loop. */
bool kc_loop_inside(const struct kc_loop *loop);
const struct kc_env *kc_loop_env(const struct kc_loop *loop);
/* One pointer of the owner's (per-thread readers and the like). */
void kc_loop_set_user(struct kc_loop *loop, void *user);
void *kc_loop_user(const struct kc_loop *loop);
/* Monotonic time at the start of this pass. */
int64_t kc_loop_now_ms(const struct kc_loop *loop);

/* A buffer of KC_SCRATCH_SIZE for use within one callback, or NULL. */
#define KC_SCRATCH_SIZE (64 * 1024)
void *kc_loop_scratch(struct kc_loop *loop);

/*
 * Run task->fn on the loop, in the order posted.  The task must not be
 * posted again before it ran.  Never blocks.  @thread any
 */
void kc_loop_post(struct kc_loop *loop, struct kc_task *task);

/* o->work and o->done are set.  Cannot be called back: done() will come. */
int kc_loop_offload(struct kc_loop *loop, struct kc_offload *o);

void kc_timer_init(struct kc_timer *t, void (*fn)(struct kc_timer *t));
/* Set or move.  A due time that has passed fires in the next pass. */
void kc_timer_set(struct kc_loop *loop, struct kc_timer *t, int64_t due_ms);
void kc_timer_cancel(struct kc_loop *loop, struct kc_timer *t);
bool kc_timer_is_set(const struct kc_timer *t);

int kc_io_add(struct kc_loop *loop, struct kc_io *io);
int kc_io_want(struct kc_loop *loop, struct kc_io *io, unsigned want);
void kc_io_del(struct kc_loop *loop, struct kc_io *io);

#endif
