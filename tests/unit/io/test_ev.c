#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/thread.h"
#include "kcommon/io/ev.h"
#include "kcommon/io/file.h"
#include "kcommon/io/sock.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

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
	cr_assert_null(loop);
	kc_loop_close(&loop);
}

TestSuite(kc_loop, .init = setup, .fini = teardown);

struct note {
	struct kc_task task;
	int id;
	bool again;
};

static int order[8];
static int norder;

static void
take_note(struct kc_task *t)
{
	struct note *n = KC_CONTAINER(t, struct note, task);

	order[norder++] = n->id;
	if (n->again) {
		n->again = false;
		kc_loop_post(loop, t);
	}
}

/* Goal: in the order posted; one posted by a task waits for the next pass. */
Test(kc_loop, tasks_in_order)
{
	struct note n[3] = {
		{ { .fn = take_note }, 0, true },
		{ { .fn = take_note }, 1, false },
		{ { .fn = take_note }, 2, false },
	};
	int i;

	norder = 0;
	for (i = 0; i < 3; i++)
		kc_loop_post(loop, &n[i].task);
	cr_assert_eq(kc_loop_step(loop, -1), KC_OK);
	cr_assert_eq(norder, 3);
	for (i = 0; i < 3; i++)
		cr_assert_eq(order[i], i);
	/* Does not wait: there is work. */
	cr_assert_eq(kc_loop_step(loop, -1), KC_OK);
	cr_assert_eq(norder, 4);
	cr_assert(kc_loop_inside(loop));
}

static int fired;

static void
on_timer(struct kc_timer *t)
{
	(void)t;
	fired++;
}

Test(kc_loop, timers)
{
	struct kc_timer a, b;
	int64_t start = kc_loop_now_ms(loop);

	fired = 0;
	kc_timer_init(&a, on_timer);
	kc_timer_init(&b, on_timer);
	kc_timer_set(loop, &a, kc_loop_now_ms(loop) + 20);
	kc_timer_set(loop, &b, kc_loop_now_ms(loop) + 10);
	kc_timer_cancel(loop, &b);
	while (fired == 0)
		cr_assert_eq(kc_loop_step(loop, -1), KC_OK);
	cr_assert_eq(fired, 1);
	cr_assert_geq(kc_mono_ms(&kc_clock_system) - start, 20);
}

struct pair {
	struct kc_io io[2];
	int seen[2];
};

static struct pair pair;

static void
on_either(struct kc_io *io, unsigned ready)
{
	int i = (int)(io - pair.io);

	cr_assert(ready & KC_IO_IN);
	pair.seen[i]++;
	kc_io_del(loop, &pair.io[1 - i]);
}

/*
 * Goal: a descriptor deleted by the callback before it in the same pass is
 * not served.
 */
Test(kc_loop, delete_the_other)
{
	int a[2], b[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
	pair = (struct pair){ .io = {
				  { a[0], KC_IO_IN, on_either },
				  { b[0], KC_IO_IN, on_either },
			      } };
	cr_assert_eq(kc_io_add(loop, &pair.io[0]), KC_OK);
	cr_assert_eq(kc_io_add(loop, &pair.io[1]), KC_OK);
	cr_assert_eq(write(a[1], "x", 1), 1);
	cr_assert_eq(write(b[1], "x", 1), 1);
	cr_assert_eq(kc_loop_step(loop, 1000), KC_OK);
	cr_assert_eq(pair.seen[0] + pair.seen[1], 1);
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
}

static void
run_loop(void *arg)
{
	(void)arg;
	cr_assert_eq(kc_loop_run(loop), KC_OK);
}

/* Goal: stop ends a sleeping loop, and one that is about to run. */
Test(kc_loop, stop)
{
	struct kc_thread *t = NULL;
	int i;

	for (i = 0; i < 50; i++) {
		cr_assert_eq(
		    kc_thread_start(&t, "loop", run_loop, NULL), KC_OK);
		if (i % 2)
			usleep(1000);
		kc_loop_stop(loop);
		kc_thread_join(&t);
	}
}

struct slow {
	struct kc_offload o;
	int worked, done;
};

static void
work(struct kc_offload *o)
{
	usleep(5000);
	KC_CONTAINER(o, struct slow, o)->worked = 1;
}

static void
done(struct kc_offload *o)
{
	struct slow *s = KC_CONTAINER(o, struct slow, o);

	cr_assert_eq(s->worked, 1);
	s->done++;
}

/* Goal: done comes on the loop; closing the loop waits for the work. */
Test(kc_loop, offload)
{
	struct slow a = { .o = { .work = work, .done = done } }, b = a;

	cr_assert_eq(kc_loop_offload(loop, &a.o), KC_OK);
	while (a.done == 0)
		cr_assert_eq(kc_loop_step(loop, -1), KC_OK);
	cr_assert_eq(kc_loop_offload(loop, &b.o), KC_OK);
	kc_loop_close(&loop);
	cr_assert_eq(a.done, 1);
	cr_assert_eq(b.done, 1);
}
