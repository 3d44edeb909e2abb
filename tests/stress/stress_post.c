/*
 * Posting to a loop from many threads: nothing is lost, nothing comes twice,
 * each thread's tasks come in its order, and no wakeup is missed (a missed
 * one would hang here, and the alarm ends it).
 */
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/thread.h"
#include "kcommon/io/ev.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS 20000
#define WINDOW 8 /* tasks of one thread under way */

struct ticket {
	struct kc_task task;
	struct poster *poster;
	int seq;
	atomic_bool posted;
};

struct poster {
	struct ticket t[WINDOW];
	int expect; /* the loop's */
	struct kc_thread *thread;
};

static struct kc_loop *loop;
static struct poster posters[THREADS];
static int left = THREADS; /* the loop's */

static void
take(struct kc_task *task)
{
	struct ticket *t = KC_CONTAINER(task, struct ticket, task);

	KC_ASSERT(kc_loop_inside(loop));
	KC_ASSERT(t->seq == t->poster->expect);
	t->poster->expect++;
	if (t->poster->expect == ROUNDS && --left == 0)
		kc_loop_stop(loop);
	atomic_store_explicit(&t->posted, false, memory_order_release);
}

static void
post_all(void *arg)
{
	struct poster *p = arg;
	struct ticket *t;
	int i;

	KC_ASSERT(!kc_loop_inside(loop));
	for (i = 0; i < ROUNDS; i++) {
		t = &p->t[i % WINDOW];
		while (atomic_load_explicit(&t->posted, memory_order_acquire))
			usleep(i % 3);
		t->task.fn = take;
		t->poster = p;
		t->seq = i;
		atomic_store_explicit(&t->posted, true, memory_order_relaxed);
		kc_loop_post(loop, &t->task);
	}
}

int
main(void)
{
	static const struct kc_env env = { .clock = &kc_clock_system };
	int i;

	alarm(120);
	KC_ASSERT(kc_loop_open(&loop, &env, "stress") == KC_OK);
	for (i = 0; i < THREADS; i++)
		KC_ASSERT(kc_thread_start(&posters[i].thread, "post", post_all,
			      &posters[i]) == KC_OK);
	KC_ASSERT(kc_loop_run(loop) == KC_OK);
	for (i = 0; i < THREADS; i++) {
		kc_thread_join(&posters[i].thread);
		KC_ASSERT(posters[i].expect == ROUNDS);
	}
	kc_loop_close(&loop);
	printf("%d tasks from %d threads\n", THREADS * ROUNDS, THREADS);
	return 0;
}
