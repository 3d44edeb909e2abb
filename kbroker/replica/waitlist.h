/*
 * waitlist -- who wants to hear when a partition moves.
 *
 * A list belongs to an object and is guarded by that object's lock.  Waking
 * calls each waiter under the lock, so a waiter only posts itself to its own
 * loop; it looks at the object again there and stays on the list until it
 * removes itself.
 *
 * @locks the owner's lock, for all of it
 */
#ifndef KB_REPLICA_WAITLIST_H
#define KB_REPLICA_WAITLIST_H

#include "kcommon/base/kc.h"

#include <utlist.h>

struct kb_waiter {
	struct kb_waiter *prev, *next; /* prev NULL: on no list */
	void (*wake)(struct kb_waiter *w); /* only posts */
	void *arg; /* the waiter's own */
};

struct kb_waitlist {
	struct kb_waiter *head;
};

static inline void
kb_waitlist_add(struct kb_waitlist *l, struct kb_waiter *w)
{
	DL_APPEND(l->head, w);
}

static inline void
kb_waitlist_remove(struct kb_waitlist *l, struct kb_waiter *w)
{
	if (w->prev == NULL)
		return;
	DL_DELETE(l->head, w);
	w->prev = w->next = NULL;
}

static inline void
kb_waitlist_wake(struct kb_waitlist *l)
{
	struct kb_waiter *w;

	DL_FOREACH(l->head, w)
		w->wake(w);
}

#endif
