/*
 * Requests park on things that another thread moves, on several loops, with
 * deadlines that often meet the wake: each completes once, memory is gone
 * then, and no wake is lost (one that may wait long never sees its deadline).
 */
#include "kbroker/api/park.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/rand.h"
#include "kcommon/base/thread.h"
#include "kcommon/io/file.h"
#include "kcommon/io/sock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LOOPS 3
#define THINGS 4
#define AT_ONCE 32 /* parked requests of a loop */
#define REQUESTS 4000 /* of a loop in all */
#define LONG_MS 60000

static const struct kc_env env = {
	.clock = &kc_clock_system,
	.file = &kc_file_system,
	.net = &kc_net_system,
};

struct thing {
	struct kc_lock lock;
	struct kb_waitlist list;
	int64_t value; /* guarded by lock; only rises */
};

struct worker {
	struct kc_loop *loop;
	struct kc_thread *thread;
	struct kc_task start;
	struct kc_rand rand;
	int begun, ended;
};

struct wait { /* of one request, in its arena */
	struct worker *worker;
	int things[2];
	int64_t required; /* of both */
	bool may_time_out;
	bool ended;
};

/* One run a process, so that the threads find it. */
static struct thing things[THINGS];
static struct worker workers[LOOPS];
static atomic_int running = LOOPS;
static atomic_long timeouts, wakes;

static void begin(struct worker *w);

static int64_t
value_of(int i)
{
	int64_t v;

	kc_lock_take(&things[i].lock);
	v = things[i].value;
	kc_lock_drop(&things[i].lock);
	return v;
}

static bool
retry(struct kb_park *park, bool last)
{
	struct wait *w = park->arg;

	KC_ASSERT(!w->ended);
	if (last) {
		KC_ASSERT(w->may_time_out);
		atomic_fetch_add(&timeouts, 1);
		w->ended = true;
		return true;
	}
	for (int i = 0; i < 2; i++)
		if (value_of(w->things[i]) < w->required)
			return false;
	w->ended = true;
	return true;
}

static void
on_complete(struct kc_task *task)
{
	struct kb_request *req = KC_CONTAINER(task, struct kb_request, task);
	struct kb_park *park = req->park_state;
	struct worker *w = ((struct wait *)park->arg)->worker;

	KC_ASSERT(kc_loop_inside(w->loop));
	KC_ASSERT(((struct wait *)park->arg)->ended);
	kc_timer_cancel(req->loop, &req->timer);
	kc_arena_fini(&req->arena);
	free(req);
	if (++w->ended == REQUESTS) {
		atomic_fetch_sub(&running, 1);
		kc_loop_stop(w->loop);
		return;
	}
	begin(w);
}

static void
on_timer(struct kc_timer *t)
{
	struct kb_request *req = KC_CONTAINER(t, struct kb_request, timer);

	req->on_timeout(req);
}

static void
begin(struct worker *w)
{
	struct kb_request *req = calloc(1, sizeof *req);
	struct kb_park *park;
	struct wait *wait;
	int64_t ms;

	if (w->begun == REQUESTS) {
		free(req);
		return;
	}
	w->begun++;
	KC_ASSERT(req != NULL);
	req->magic = KB_REQUEST_MAGIC;
	req->loop = w->loop;
	req->task.fn = on_complete;
	kc_timer_init(&req->timer, on_timer);
	kc_arena_init(&req->arena, 1 << 16);
	wait = kc_arena_alloc(&req->arena, sizeof *wait);
	park = kb_park_new(req, 2, retry, wait);
	KC_ASSERT(wait != NULL && park != NULL);
	wait->worker = w;
	for (int i = 0; i < 2; i++)
		wait->things[i] = (int)kc_rand_below(&w->rand, THINGS);
	wait->required =
	    value_of(wait->things[0]) + (int64_t)kc_rand_below(&w->rand, 4);
	wait->may_time_out = kc_rand_below(&w->rand, 2) == 0;
	ms = wait->may_time_out ? (int64_t)kc_rand_below(&w->rand, 3) : LONG_MS;
	for (int i = 0; i < 2; i++)
		kb_park_on(park, &things[wait->things[i]].lock,
		    &things[wait->things[i]].list);
	KC_ASSERT(kb_park_start(park, ms) == KB_PARKED);
}

static void
on_start(struct kc_task *task)
{
	struct worker *w = KC_CONTAINER(task, struct worker, start);

	for (int i = 0; i < AT_ONCE; i++)
		begin(w);
}

static void
run(void *arg)
{
	struct worker *w = arg;

	KC_ASSERT(kc_loop_run(w->loop) == KC_OK);
}

/* Moves the things, now and then with a pause in which deadlines come. */
static void
move(void *arg KC_UNUSED)
{
	struct kc_rand rand;

	kc_rand_init_seed(&rand, 99);
	while (atomic_load(&running) > 0) {
		struct thing *t = &things[kc_rand_below(&rand, THINGS)];

		kc_lock_take(&t->lock);
		t->value++;
		kb_waitlist_wake(&t->list);
		kc_lock_drop(&t->lock);
		atomic_fetch_add(&wakes, 1);
		if (kc_rand_below(&rand, 8) == 0)
			nanosleep(
			    &(struct timespec){ .tv_nsec = 200000 }, NULL);
	}
}

int
main(void)
{
	struct kc_thread *mover = NULL;

	for (int i = 0; i < THINGS; i++)
		kc_lock_init(&things[i].lock, 0, "thing");
	for (int i = 0; i < LOOPS; i++) {
		struct worker *w = &workers[i];

		kc_rand_init_seed(&w->rand, (uint64_t)i);
		KC_ASSERT(kc_loop_open(&w->loop, &env, "stress") == KC_OK);
		w->start.fn = on_start;
		kc_loop_post(w->loop, &w->start);
		KC_ASSERT(
		    kc_thread_start(&w->thread, "stress", run, w) == KC_OK);
	}
	KC_ASSERT(kc_thread_start(&mover, "mover", move, NULL) == KC_OK);
	for (int i = 0; i < LOOPS; i++)
		kc_thread_join(&workers[i].thread);
	kc_thread_join(&mover);
	for (int i = 0; i < LOOPS; i++) {
		KC_ASSERT(workers[i].ended == REQUESTS);
		kc_loop_close(&workers[i].loop);
	}
	for (int i = 0; i < THINGS; i++) {
		KC_ASSERT(things[i].list.head == NULL);
		kc_lock_fini(&things[i].lock);
	}
	printf("%d requests, %ld at their deadline, %ld wakes\n",
	    LOOPS * REQUESTS, atomic_load(&timeouts), atomic_load(&wakes));
	return 0;
}
