#include "kbroker/api/park.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/lock.h"

/* @thread any  @locks the list's is held */
static void
wake(struct kb_waiter *w)
{
	struct kb_park *park = w->arg;

	if (!atomic_exchange_explicit(
		&park->posted, true, memory_order_acq_rel))
		kc_loop_post(park->req->loop, &park->task);
}

bool
kb_park_leave(struct kb_park *park)
{
	for (int32_t i = 0; i < park->nwaits; i++) {
		struct kb_park_wait *w = &park->waits[i];

		kc_lock_take(w->lock);
		kb_waitlist_remove(w->list, &w->waiter);
		kc_lock_drop(w->lock);
	}
	park->nwaits = 0;
	return !atomic_load_explicit(&park->posted, memory_order_acquire);
}

static void
finish(struct kb_park *park)
{
	if (kb_park_leave(park))
		kb_request_complete(park->req);
	else
		park->done = true; /* run() completes it */
}

static void
run(struct kc_task *task)
{
	struct kb_park *park = KC_CONTAINER(task, struct kb_park, task);

	/* Cleared before looking: who moves it after our look posts again. */
	atomic_store_explicit(&park->posted, false, memory_order_seq_cst);
	if (park->done) {
		kb_request_complete(park->req);
		return;
	}
	if (park->retry(park, false) && kb_request_claim(park->req))
		finish(park);
}

static void
on_timeout(struct kb_request *req)
{
	struct kb_park *park = req->park_state;

	if (park->done || !kb_request_claim(req))
		return;
	if (!park->retry(park, true))
		KC_ASSERT(!"a parked request is ready at its deadline");
	finish(park);
}

struct kb_park *
kb_park_new(struct kb_request *req, int32_t nwaits, kb_park_fn retry, void *arg)
{
	struct kb_park *park = kc_arena_alloc(&req->arena, sizeof *park);

	if (park == NULL)
		return NULL;
	park->waits =
	    kc_arena_array(&req->arena, (size_t)nwaits, sizeof *park->waits);
	if (park->waits == NULL && nwaits > 0)
		return NULL;
	park->req = req;
	park->task.fn = run;
	atomic_init(&park->posted, false);
	park->retry = retry;
	park->arg = arg;
	return park;
}

void
kb_park_on(struct kb_park *park, struct kc_lock *lock, struct kb_waitlist *list)
{
	struct kb_park_wait *w = &park->waits[park->nwaits++];

	w->waiter.wake = wake;
	w->waiter.arg = park;
	w->lock = lock;
	w->list = list;
	kc_lock_take(lock);
	kb_waitlist_add(list, &w->waiter);
	kc_lock_drop(lock);
}

enum kb_disposition
kb_park_start(struct kb_park *park, int64_t timeout_ms)
{
	struct kb_request *req = park->req;

	req->park_state = park;
	req->outcome = KB_REPLY;
	kb_request_park(req, timeout_ms, on_timeout);
	if (park->retry(park, false) && kb_request_claim(req)) {
		finish(park);
		return KB_PARKED; /* completed, or about to be */
	}
	return KB_PARKED;
}
