#include "kcommon/base/published.h"

#include "kcommon/base/assert.h"

void
kc_published_init(struct kc_published *p, void (*ref)(void *obj),
    void (*unref)(void *obj), void *obj)
{
	p->ref = ref;
	p->unref = unref;
	p->obj = obj;
	atomic_init(&p->version, 1);
	kc_lock_init(&p->lock, 0, "published");
}

void
kc_published_fini(struct kc_published *p)
{
	if (p->obj != NULL)
		p->unref(p->obj);
	p->obj = NULL;
	kc_lock_fini(&p->lock);
}

void
kc_published_set(struct kc_published *p, void *obj)
{
	void *old;

	kc_lock_take(&p->lock);
	old = p->obj;
	p->obj = obj;
	atomic_fetch_add_explicit(&p->version, 1, memory_order_release);
	kc_lock_drop(&p->lock);
	if (old != NULL)
		p->unref(old); /* may free much: not under the lock */
}

void *
kc_published_read(struct kc_published *p, struct kc_published_slot *s)
{
	void *old = s->obj;

	if (KC_LIKELY(s->version ==
		atomic_load_explicit(&p->version, memory_order_acquire)))
		return s->obj;
	kc_lock_take(&p->lock);
	s->obj = p->obj;
	s->version = atomic_load_explicit(&p->version, memory_order_relaxed);
	if (s->obj != NULL)
		p->ref(s->obj);
	kc_lock_drop(&p->lock);
	if (old != NULL)
		p->unref(old);
	return s->obj;
}

void
kc_published_release(struct kc_published *p, struct kc_published_slot *s)
{
	if (s->obj != NULL)
		p->unref(s->obj);
	s->obj = NULL;
	s->version = 0;
}

void *
kc_published_get(struct kc_published *p)
{
	void *obj;

	kc_lock_take(&p->lock);
	obj = p->obj;
	if (obj != NULL)
		p->ref(obj);
	kc_lock_drop(&p->lock);
	return obj;
}
