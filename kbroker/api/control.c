#include "kbroker/api/control.h"

#include "kbroker/core.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/io/fiber.h"

struct control {
	struct kb_request *req;
	struct kc_task task;
	void (*fn)(struct kb_request *req);
};

static void
in_fiber(void *arg)
{
	struct control *c = arg;
	struct kb_request *req = c->req;

	struct kb_broker *b = req->broker;

	b->control_requests++;
	c->fn(req);
	if (!kb_request_claim(req))
		KC_ASSERT(!"only the control thread answers this request");
	kb_request_complete(req);
	if (--b->control_requests == 0 && b->drained != NULL)
		kc_fiber_wake(b->drained);
}

static void
on_control(struct kc_task *task)
{
	struct control *c = KC_CONTAINER(task, struct control, task);
	struct kb_request *req = c->req;

	if (kc_fiber_start(req->broker->control, in_fiber, c) == KC_OK)
		return;
	req->outcome = KB_CLOSE; /* no memory for a stack */
	if (kb_request_claim(req))
		kb_request_complete(req);
}

enum kb_disposition
kb_api_on_control(struct kb_request *req, void (*fn)(struct kb_request *req))
{
	struct control *c = kc_arena_alloc(&req->arena, sizeof *c);

	if (c == NULL)
		return KB_CLOSE;
	c->req = req;
	c->task.fn = on_control;
	c->fn = fn;
	req->outcome = KB_REPLY;
	kb_request_park(req, -1, NULL);
	kc_loop_post(req->broker->control, &c->task);
	return KB_PARKED;
}

/* --- waiting for the metadata -------------------------------------------- */

static void
wake(struct kb_waiter *w)
{
	kc_fiber_wake(w->arg); /* published on the control thread only */
}

/* Until done(meta, arg), timeout_ms have passed, or the broker stops. */
void
kb_control_wait_metadata(struct kb_broker *b, int32_t timeout_ms,
    bool (*done)(const struct kb_meta *meta, void *arg), void *arg)
{
	int64_t until = kc_loop_now_ms(b->control) + timeout_ms, left;
	struct kb_waiter w = { .wake = wake, .arg = kc_fiber_self() };
	struct kb_meta *meta;
	bool ok;

	kc_lock_take(&b->meta_lock);
	kb_waitlist_add(&b->meta_waiters, &w);
	kc_lock_drop(&b->meta_lock);
	for (;;) {
		meta = kb_meta_get(&b->meta);
		ok = done(meta, arg);
		kb_meta_unref(&meta);
		left = until - kc_loop_now_ms(b->control);
		if (ok || left <= 0 || atomic_load(&b->stopping))
			break;
		kc_fiber_sleep(left);
	}
	kc_lock_take(&b->meta_lock);
	kb_waitlist_remove(&b->meta_waiters, &w);
	kc_lock_drop(&b->meta_lock);
}
