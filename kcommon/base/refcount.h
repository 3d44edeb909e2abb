/*
 * refcount -- atomic reference counts; the last put frees.
 */
#ifndef KC_REFCOUNT_H
#define KC_REFCOUNT_H

#include "kcommon/base/assert.h"

#include <stdatomic.h>

struct kc_ref {
	atomic_int n;
};

static inline void
kc_ref_init(struct kc_ref *r)
{
	atomic_init(&r->n, 1);
}

static inline void
kc_ref_get(struct kc_ref *r)
{
	int was = atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed);

	KC_ASSERT(was > 0);
}

/* True when this was the last one: the caller frees the object. */
static inline bool
kc_ref_put(struct kc_ref *r)
{
	int was = atomic_fetch_sub_explicit(&r->n, 1, memory_order_acq_rel);

	KC_ASSERT(was > 0);
	return was == 1;
}

#endif
