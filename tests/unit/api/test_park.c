/*
 * Parked requests on a real loop: ready at once, by a wake, at the deadline,
 * and by several of these together.  A request is freed when it completes, as
 * net does, so that ASan sees who touches it later.
 */
#include "kbroker/api/park.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"
#include "kcommon/io/file.h"
#include "kcommon/io/sock.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define LISTS 2

static const struct kc_env env = {
	.clock = &kc_clock_system,
	.file = &kc_file_system,
	.net = &kc_net_system,
};

struct thing { /* what is waited for */
	struct kc_lock lock;
	struct kb_waitlist list;
};

static struct kc_loop *loop;
static struct thing things[LISTS];
static bool ready; /* the state of things */
static int tries; /* calls of retry() */
static bool saw_last;
static int completed;
static enum kb_disposition outcome; /* of the last completed one */

static void
setup(void)
{
	loop = NULL;
	cr_assert_eq(kc_loop_open(&loop, &env, "test"), KC_OK);
	for (int i = 0; i < LISTS; i++) {
		kc_lock_init(&things[i].lock, 0, "thing");
		things[i].list.head = NULL;
	}
	ready = saw_last = false;
	tries = completed = 0;
}

static void
teardown(void)
{
	for (int i = 0; i < LISTS; i++) {
		cr_assert_null(things[i].list.head);
		kc_lock_fini(&things[i].lock);
	}
	kc_loop_close(&loop);
}

TestSuite(kb_park, .init = setup, .fini = teardown);

/* --- net's part ---------------------------------------------------------- */

static void
on_complete(struct kc_task *task)
{
	struct kb_request *req = KC_CONTAINER(task, struct kb_request, task);

	kc_timer_cancel(loop, &req->timer);
	completed++;
	outcome = req->outcome;
	kc_arena_fini(&req->arena);
	free(req);
}

static void
on_timer(struct kc_timer *t)
{
	struct kb_request *req = KC_CONTAINER(t, struct kb_request, timer);

	req->on_timeout(req);
}

static struct kb_request *
request(void)
{
	struct kb_request *req = calloc(1, sizeof *req);

	req->magic = KB_REQUEST_MAGIC;
	req->loop = loop;
	req->task.fn = on_complete;
	kc_timer_init(&req->timer, on_timer);
	kc_arena_init(&req->arena, 1 << 20);
	return req;
}

/* --- the handler's part -------------------------------------------------- */

static bool
retry(struct kb_park *park, bool last)
{
	(void)park;
	tries++;
	saw_last = saw_last || last;
	return ready || last;
}

static void
wake_all(int i)
{
	kc_lock_take(&things[i].lock);
	kb_waitlist_wake(&things[i].list);
	kc_lock_drop(&things[i].lock);
}

static struct kb_park *
park_on_things(struct kb_request *req)
{
	struct kb_park *park = kb_park_new(req, LISTS, retry, NULL);

	cr_assert_not_null(park);
	for (int i = 0; i < LISTS; i++)
		kb_park_on(park, &things[i].lock, &things[i].list);
	return park;
}

static struct kb_park *
parked(int64_t timeout_ms)
{
	struct kb_park *park = park_on_things(request());

	cr_assert_eq(kb_park_start(park, timeout_ms), KB_PARKED);
	return park;
}

static void
turn(void)
{
	cr_assert_eq(kc_loop_step(loop, 0), KC_OK);
}

static void
pass_ms(int64_t ms)
{
	int64_t until = kc_mono_ms(env.clock) + ms;

	while (kc_mono_ms(env.clock) < until)
		cr_assert_eq(kc_loop_step(loop, 2), KC_OK);
}

/* --- tests --------------------------------------------------------------- */

Test(kb_park, no_memory)
{
	struct kb_request *req = request();

	req->arena.cap = 16;
	cr_assert_null(kb_park_new(req, 0, retry, NULL));
	req->arena.cap = 1 << 20;
	cr_assert_null(kb_park_new(req, INT32_MAX, retry, NULL));
	kc_arena_fini(&req->arena);
	free(req);
}

Test(kb_park, waits_for_nothing)
{
	struct kb_request *req = request();
	struct kb_park *park = kb_park_new(req, 0, retry, NULL);

	cr_assert_eq(kb_park_start(park, 5), KB_PARKED);
	cr_assert_eq(completed, 0);
	pass_ms(20);
	cr_assert_eq(completed, 1);
	cr_assert(saw_last);
}

/* What moved between the first look and the parking is seen. */
Test(kb_park, ready_when_it_starts)
{
	ready = true;
	parked(1000);
	cr_assert_eq(completed, 0, "never inside the handler");
	turn();
	cr_assert_eq(completed, 1);
	cr_assert_eq(outcome, KB_REPLY);
	cr_assert_eq(tries, 1);
	wake_all(0); /* nobody is there */
	turn();
}

Test(kb_park, woken_when_ready)
{
	parked(1000);
	turn();
	cr_assert_eq(tries, 1);
	ready = true;
	wake_all(1);
	cr_assert_eq(tries, 1, "a wake only posts");
	turn();
	turn();
	cr_assert_eq(tries, 2);
	cr_assert_eq(completed, 1);
	cr_assert_not(saw_last);
}

Test(kb_park, many_wakes_are_one_look)
{
	parked(1000);
	for (int i = 0; i < 10; i++)
		wake_all(i % LISTS);
	turn();
	cr_assert_eq(tries, 2);
	cr_assert_eq(completed, 0);
	turn();
	cr_assert_eq(tries, 2);
	ready = true; /* the next wake posts again */
	wake_all(0);
	turn();
	turn();
	cr_assert_eq(completed, 1);
}

/* Woken before it is parked: its task is on its way when it completes. */
Test(kb_park, woken_before_it_starts)
{
	struct kb_park *park = park_on_things(request());

	wake_all(0);
	ready = true;
	cr_assert_eq(kb_park_start(park, 1000), KB_PARKED);
	turn();
	turn();
	cr_assert_eq(completed, 1);
	cr_assert_eq(tries, 1);
}

Test(kb_park, ready_at_its_deadline)
{
	parked(10);
	pass_ms(40);
	cr_assert(saw_last);
	cr_assert_eq(completed, 1);
	cr_assert_eq(tries, 2);
}

/* The deadline comes while a wake is under way, and the other way round. */
Test(kb_park, wake_and_deadline_together)
{
	struct kb_park *park = parked(1000);
	struct kb_request *req = park->req;

	wake_all(0);
	req->on_timeout(req);
	cr_assert_eq(completed, 0, "the posted task still has it");
	req->on_timeout(req); /* no second time */
	turn();
	turn();
	cr_assert_eq(completed, 1);
	cr_assert_eq(tries, 2);

	park = parked(1000);
	req = park->req;
	ready = true;
	wake_all(0);
	kc_timer_set(loop, &req->timer, kc_loop_now_ms(loop));
	pass_ms(5);
	cr_assert_eq(completed, 2);
}

Test(kb_park, leave_says_whether_a_wake_is_under_way)
{
	struct kb_park *park = parked(1000);

	wake_all(0);
	cr_assert_not(kb_park_leave(park));
	cr_assert_null(things[0].list.head);
	wake_all(1); /* it is off this one too */
	turn();
	cr_assert_eq(tries, 2);
	cr_assert(kb_park_leave(park));
	ready = true;
	park->req->on_timeout(park->req);
	turn();
	cr_assert_eq(completed, 1);
}

static bool
retry_close(struct kb_park *park, bool last)
{
	park->req->outcome = KB_CLOSE;
	return last;
}

Test(kb_park, may_end_otherwise)
{
	struct kb_park *park = kb_park_new(request(), 0, retry_close, NULL);

	kb_park_start(park, 1);
	pass_ms(20);
	cr_assert_eq(completed, 1);
	cr_assert_eq(outcome, KB_CLOSE);
}

/* As the dispatcher: leave, and park anew on something else. */
static bool
retry_again(struct kb_park *park, bool last)
{
	struct kb_park *next;

	cr_assert_not(last, "the first deadline is over");
	if (!ready || !kb_park_leave(park))
		return false;
	ready = false;
	next = kb_park_new(park->req, 1, retry, NULL);
	kb_park_on(next, &things[1].lock, &things[1].list);
	/* Without a deadline: the one of before must not come any more. */
	cr_assert_eq(kb_park_start(next, -1), KB_PARKED);
	return false;
}

Test(kb_park, parks_again)
{
	struct kb_park *park = kb_park_new(request(), 1, retry_again, NULL);

	kb_park_on(park, &things[0].lock, &things[0].list);
	kb_park_start(park, 20);
	ready = true;
	wake_all(0);
	turn();
	cr_assert_eq(tries, 1);
	pass_ms(40);
	cr_assert_eq(completed, 0);
	wake_all(0); /* the old list */
	turn();
	cr_assert_eq(tries, 1);
	ready = true;
	wake_all(1);
	turn();
	turn();
	cr_assert_eq(completed, 1);
}

Test(kb_park, many_on_one_list)
{
	enum { N = 200 };

	for (int i = 0; i < N; i++)
		parked(1000);
	wake_all(0);
	turn();
	cr_assert_eq(completed, 0);
	cr_assert_eq(tries, 2 * N);
	ready = true;
	wake_all(1);
	turn();
	turn();
	cr_assert_eq(completed, N);
}
