/*
 * fiber -- straight-line code on a loop: a function with a stack of its own
 * that can wait without stopping the loop.
 *
 * For control work only (start-up, the controller, topic creation), where one
 * step waits for ZooKeeper or a broker and the next follows; the hot path
 * has none.  Everything of a loop still runs on its one thread, one piece at
 * a time: between two waits a fiber is not interrupted, across a wait the
 * world may have changed.
 *
 *	op->done = wake_me;		(calls kc_fiber_wake() later)
 *	submit(op);
 *	while (!op->finished)
 *		kc_fiber_wait();
 *
 * Limits: KC_FIBER_STACK bytes of stack with a guard page below; no lock is
 *held across a wait (developer builds assert it).
 *
 * @thread the loop's
 */
#ifndef KC_FIBER_H
#define KC_FIBER_H

#include "kcommon/io/ev.h"

#define KC_FIBER_STACK (256 * 1024)

struct kc_fiber;

/*
 * Runs fn(arg) until its first wait, then returns; the loop goes on with it
 * when it is woken.  It frees itself at its end.  KC_OK or KC_ENOMEM.
 */
int kc_fiber_start(struct kc_loop *loop, void (*fn)(void *arg), void *arg);
/* The fiber that runs now; NULL outside of one. */
struct kc_fiber *kc_fiber_self(void);
/* Give way until woken; a wake that came before counts. */
void kc_fiber_wait(void);
/* Wait ms; a wake ends it early. */
void kc_fiber_sleep(int64_t ms);
/* Let f go on, in a later turn of its loop.  @thread f's loop */
void kc_fiber_wake(struct kc_fiber *f);

/*
 * The same, but f runs right now, until it waits again: from a callback
 * whose data is good only during the call.  Not from within f, nor from a
 * fiber that f has resumed or started.
 */
void kc_fiber_resume(struct kc_fiber *f);

#endif
