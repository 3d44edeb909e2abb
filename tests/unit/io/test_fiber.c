/*
 * Fibers: what a wait, a wake, a sleep and a resume promise, one inside
 * another, and their end.
 */
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"
#include "kcommon/io/fiber.h"
#include "kcommon/io/file.h"
#include "kcommon/io/sock.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static const struct kc_env env = {
	.clock = &kc_clock_system,
	.file = &kc_file_system,
	.net = &kc_net_system,
};

static struct kc_loop *loop;

static void
setup(void)
{
	loop = NULL;
	cr_assert_eq(kc_loop_open(&loop, &env, "test"), KC_OK);
}

static void
teardown(void)
{
	kc_loop_close(&loop);
}

TestSuite(kc_fiber, .init = setup, .fini = teardown);

/* What a fiber of these tests works on. */
struct job {
	struct kc_fiber *self;
	int step; /* how far it has come */
	int steps; /* where it ends */
	int64_t ms;
	struct job *inner;
};

static void
steps(void *arg)
{
	struct job *j = arg;

	j->self = kc_fiber_self();
	while (++j->step < j->steps)
		kc_fiber_wait();
	j->self = NULL;
}

static void
start(void (*fn)(void *arg), struct job *j)
{
	cr_assert_eq(kc_fiber_start(loop, fn, j), KC_OK);
	cr_assert_null(kc_fiber_self());
}

static void
turn(void)
{
	cr_assert_eq(kc_loop_step(loop, 0), KC_OK);
}

Test(kc_fiber, cannot_resume_itself, .signal = SIGABRT)
{
	kc_fiber_resume(kc_fiber_self()); /* outside of one: NULL */
}

static void
resume_outer(void *arg)
{
	kc_fiber_resume(((struct job *)arg)->self);
}

static void
start_inner(void *arg)
{
	struct job *j = arg;

	j->self = kc_fiber_self();
	(void)kc_fiber_start(loop, resume_outer, j);
}

/* The one that started it is in the middle of its own stack. */
Test(kc_fiber, cannot_resume_whoever_started_it, .signal = SIGABRT)
{
	struct job j = { 0 };

	start(start_inner, &j);
}

#ifdef KC_LOCK_CHECK
static void
wait_locked(void *arg)
{
	struct kc_lock l;

	(void)arg;
	kc_lock_init(&l, 0, "held");
	kc_lock_take(&l);
	kc_fiber_wait();
}

Test(kc_fiber, no_lock_is_held_across_a_wait, .signal = SIGABRT)
{
	struct job j = { 0 };

	start(wait_locked, &j);
}
#endif

Test(kc_fiber, runs_to_its_first_wait_at_once)
{
	struct job whole = { .steps = 1 }, j = { .steps = 3 };

	start(steps, &whole);
	cr_assert_eq(whole.step, 1);
	start(steps, &j);
	cr_assert_eq(j.step, 1);
	turn(); /* nobody woke it */
	cr_assert_eq(j.step, 1);
	kc_fiber_wake(j.self);
	cr_assert_eq(j.step, 1, "a wake only posts");
	turn();
	cr_assert_eq(j.step, 2);
	kc_fiber_wake(j.self);
	kc_fiber_wake(j.self); /* counts once */
	turn();
	cr_assert_eq(j.step, 3);
	cr_assert_null(j.self);
	turn();
}

static void
woken_first(void *arg)
{
	struct job *j = arg;

	kc_fiber_wake(kc_fiber_self());
	kc_fiber_wait();
	j->step = 1;
	j->self = kc_fiber_self();
	kc_fiber_wait(); /* the one wake is used up */
	j->step = 2;
}

Test(kc_fiber, a_wake_that_came_before_counts_once)
{
	struct job j = { 0 };

	start(woken_first, &j);
	cr_assert_eq(j.step, 1);
	turn(); /* its posted task finds nothing to do */
	cr_assert_eq(j.step, 1);
	kc_fiber_wake(j.self);
	turn();
	cr_assert_eq(j.step, 2);
}

static void
wake_and_end(void *arg)
{
	(void)arg;
	kc_fiber_wake(kc_fiber_self());
}

/* It is freed when that task has run, not before. */
Test(kc_fiber, ends_with_its_task_posted)
{
	struct job j = { .steps = 2 };
	struct kc_fiber *f;

	start(wake_and_end, &j);
	turn();
	start(steps, &j);
	f = j.self;
	kc_fiber_wake(f);
	kc_fiber_resume(f); /* ends here */
	cr_assert_eq(j.step, 2);
	turn();
	turn();
}

Test(kc_fiber, resume_runs_it_right_now)
{
	struct job j = { .steps = 3 };

	start(steps, &j);
	kc_fiber_resume(j.self);
	cr_assert_eq(j.step, 2);
	kc_fiber_wake(j.self);
	kc_fiber_resume(j.self); /* ends before the posted task */
	cr_assert_eq(j.step, 3);
	turn();
}

static void
sleeper(void *arg)
{
	struct job *j = arg;

	j->self = kc_fiber_self();
	kc_fiber_sleep(j->ms);
	j->step = 1;
	kc_fiber_wait();
	j->step = 2;
}

Test(kc_fiber, sleeps_no_less_than_asked)
{
	struct job j = { .ms = 20 };
	int64_t from = kc_loop_now_ms(loop); /* a sleep counts from there */

	start(sleeper, &j);
	while (j.step == 0)
		cr_assert_eq(kc_loop_step(loop, -1), KC_OK);
	cr_assert_geq(kc_mono_ms(env.clock) - from, 20);
	kc_fiber_resume(j.self);
	cr_assert_eq(j.step, 2);
}

/* And the alarm of a sleep cut short does not end a later wait. */
Test(kc_fiber, a_wake_ends_a_sleep)
{
	struct job j = { .ms = 30 };
	int64_t until = kc_mono_ms(env.clock) + 60;

	start(sleeper, &j);
	kc_fiber_wake(j.self);
	turn();
	cr_assert_eq(j.step, 1);
	while (kc_mono_ms(env.clock) < until)
		cr_assert_eq(kc_loop_step(loop, 5), KC_OK);
	cr_assert_eq(j.step, 1);
	kc_fiber_resume(j.self);
	cr_assert_eq(j.step, 2);
}

static void
outer(void *arg)
{
	struct job *j = arg;

	j->self = kc_fiber_self();
	cr_assert_eq(kc_fiber_start(loop, steps, j->inner), KC_OK);
	cr_assert_eq(kc_fiber_self(), j->self);
	cr_assert_eq(j->inner->step, 1);
	kc_fiber_resume(j->inner->self);
	cr_assert_eq(kc_fiber_self(), j->self);
	cr_assert_eq(j->inner->step, 2);
	kc_fiber_wait();
	j->step = 1;
}

Test(kc_fiber, one_inside_another)
{
	struct job inner = { .steps = 3 }, j = { .inner = &inner };

	start(outer, &j);
	cr_assert_neq(inner.self, j.self);
	kc_fiber_wake(j.self);
	kc_fiber_wake(inner.self);
	turn();
	cr_assert_eq(j.step, 1);
	cr_assert_eq(inner.step, 3);
}

static void
deep(void *arg)
{
	struct job *j = arg;
	volatile char big[KC_FIBER_STACK / 2];

	for (size_t i = 0; i < sizeof big; i += 512)
		big[i] = (char)j->ms;
	j->self = kc_fiber_self();
	kc_fiber_wait();
	for (size_t i = 0; i < sizeof big; i += 512)
		cr_assert_eq(big[i], (char)j->ms);
	j->step = 1;
}

Test(kc_fiber, has_a_stack_of_its_own)
{
	struct job a = { .ms = 1 }, b = { .ms = 2 };

	start(deep, &a);
	start(deep, &b);
	kc_fiber_wake(b.self);
	kc_fiber_wake(a.self);
	turn();
	cr_assert(a.step == 1 && b.step == 1);
}

static void
record(void *arg)
{
	struct job *j = arg, *log = j->inner;

	j->self = kc_fiber_self();
	kc_fiber_wait();
	j->step = ++log->step;
}

Test(kc_fiber, goes_on_in_the_order_woken)
{
	struct job log = { 0 },
		   j[3] = { { .inner = &log }, { .inner = &log },
			   { .inner = &log } };

	for (int i = 0; i < 3; i++)
		start(record, &j[i]);
	kc_fiber_wake(j[2].self);
	kc_fiber_wake(j[0].self);
	kc_fiber_wake(j[1].self);
	turn();
	cr_assert(j[2].step == 1 && j[0].step == 2 && j[1].step == 3);
}

/* Enough that a leak of stacks, or a mix-up, would be seen. */
Test(kc_fiber, many)
{
	enum { N = 1000, STEPS = 5 };
	static struct job j[N];
	int left = N;

	memset(j, 0, sizeof j);
	for (int i = 0; i < N; i++) {
		j[i].steps = STEPS - i % 2;
		start(steps, &j[i]);
	}
	while (left > 0) {
		for (int i = 0; i < N; i++)
			if (j[i].self != NULL)
				kc_fiber_wake(j[i].self);
		turn();
		left = 0;
		for (int i = 0; i < N; i++)
			left += j[i].self != NULL;
	}
	for (int i = 0; i < N; i++)
		cr_assert_eq(j[i].step, j[i].steps);
}
