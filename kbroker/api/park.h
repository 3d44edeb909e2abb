/*
 * park -- a request that waits for partitions to move.
 *
 * A parked request sits on the waitlists of what it waits for.  A waker (any
 * thread, under that object's lock) posts it to its own loop, once however many
 * wakers there are; there retry() looks again and says whether the answer
 * is ready.  Everything but the posting happens on the request's loop.
 *
 * It lives in the request's arena.  A request is completed only when it is
 * off all lists and its task is not posted, so nothing can wake freed
 * memory.
 *
 * @thread the request's loop; wakers any
 */
#ifndef KB_API_PARK_H
#define KB_API_PARK_H

#include "kbroker/api/request.h"
#include "kbroker/replica/waitlist.h"

struct kb_park;

/* One list it waits on; lock guards list. */
struct kb_park_wait {
	struct kb_waiter waiter;
	struct kc_lock *lock;
	struct kb_waitlist *list;
};

/*
 * True when the answer is ready (resp filled, or outcome set).  last is true at
 * the deadline: then it must become ready.
 */
typedef bool (*kb_park_fn)(struct kb_park *park, bool last);

struct kb_park {
	struct kb_request *req;
	struct kc_task task;
	atomic_bool posted;
	bool done; /* ready, but the task was still posted */
	kb_park_fn retry;
	void *arg; /* the handler's */
	struct kb_park_wait *waits;
	int32_t nwaits;
};

/* In req's arena, with room for nwaits lists; NULL when out of memory. */
struct kb_park *kb_park_new(
    struct kb_request *req, int32_t nwaits, kb_park_fn retry, void *arg);
/*
 * Wait on one more list.  From now on it may be woken; a change before this
 * call is seen by the first retry, which kb_park_start() does itself.
 */
void kb_park_on(
    struct kb_park *park, struct kc_lock *lock, struct kb_waitlist *list);
/*
 * All lists are named: look again at once (what moved between the first look
 * and now), else park with the deadline.  Returns what the handler returns:
 * req's outcome, or KB_PARKED.
 */
enum kb_disposition kb_park_start(struct kb_park *park, int64_t timeout_ms);

/*
 * Take it off its lists.  False: a wake is under way, retry() comes once more;
 * true: nobody will wake it any more.
 */
bool kb_park_leave(struct kb_park *park);

#endif
