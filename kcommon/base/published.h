/*
 * published -- the current one of a sequence of immutable objects.
 *
 * One writer at a time replaces the object; any number of threads read it.
 * A reader owns a slot (one a reactor) that holds its own reference: as
 * long as nothing was published it costs one atomic load and takes no lock;
 * after a publish the next read takes a small lock once.
 *
 * What a read returns is good until the same slot is read or released
 * again.  So read once where a piece of work starts (a request, a timer) and
 * hand the pointer down; do not read again half-way.  A slot keeps the
 * object of its last read alive: the cost of a sleeping thread is one old
 * object.
 */
#ifndef KC_PUBLISHED_H
#define KC_PUBLISHED_H

#include "kcommon/base/kc.h"
#include "kcommon/base/lock.h"

#include <stdatomic.h>

struct kc_published {
	void (*ref)(void *obj); /* takes one more reference */
	void (*unref)(void *obj); /* gives one back, the last one frees */
	atomic_ulong version; /* of obj; from 1 */

	struct kc_lock lock; /* a leaf */
	void *obj; /* guarded by lock; one reference is ours; may be NULL */
};

struct kc_published_slot { /* zeroed before first use */
	void *obj; /* one reference is ours */
	unsigned long version;
};

/* obj may be NULL; its reference becomes p's. */
void kc_published_init(struct kc_published *p, void (*ref)(void *obj),
    void (*unref)(void *obj), void *obj);
/* Every slot has been released before. */
void kc_published_fini(struct kc_published *p);

/* Takes over the caller's reference to obj.  @thread any, one at a time */
void kc_published_set(struct kc_published *p, void *obj);

/* Borrowed, see above.  @thread the slot's */
void *kc_published_read(struct kc_published *p, struct kc_published_slot *s);
/* Give the slot's reference back; it may be used again.  @thread the slot's */
void kc_published_release(struct kc_published *p, struct kc_published_slot *s);

/* For those who have no slot: a reference of one's own.  @thread any */
void *kc_published_get(struct kc_published *p);

#endif
