/*
 * Readers with slots, and some without, while a writer publishes: what is
 * read is whole, never freed, and never older than what was read before.
 */
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/published.h"
#include "kcommon/base/refcount.h"
#include "kcommon/base/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define READERS 4
#define ROUNDS 100000

struct obj {
	struct kc_ref ref;
	int a, b; /* equal in a whole one */
};

struct stress {
	struct kc_published pub;
	atomic_bool done;
	atomic_int alive; /* objects */
};

/* The objects count themselves, so that the end can see none is left. */
static struct stress s;

static void
obj_ref(void *p)
{
	kc_ref_get(&((struct obj *)p)->ref);
}

static void
obj_unref(void *p)
{
	struct obj *o = p;

	if (!kc_ref_put(&o->ref))
		return;
	o->a = -1;
	free(o);
	atomic_fetch_sub(&s.alive, 1);
}

static struct obj *
obj_new(int n)
{
	struct obj *o = malloc(sizeof *o);

	KC_ASSERT(o != NULL);
	kc_ref_init(&o->ref);
	o->a = o->b = n;
	atomic_fetch_add(&s.alive, 1);
	return o;
}

static void
reader(KC_UNUSED void *arg)
{
	struct kc_published_slot slot = { 0 };
	int last = 0, i = 0;

	while (!atomic_load(&s.done)) {
		const struct obj *o = kc_published_read(&s.pub, &slot);

		KC_ASSERT(o->a == o->b && o->a >= last);
		last = o->a;
		if (++i % 100 == 0)
			kc_published_release(&s.pub, &slot);
	}
	kc_published_release(&s.pub, &slot);
}

static void
getter(KC_UNUSED void *arg)
{
	int last = 0;

	while (!atomic_load(&s.done)) {
		struct obj *o = kc_published_get(&s.pub);

		KC_ASSERT(o->a == o->b && o->a >= last);
		last = o->a;
		obj_unref(o);
	}
}

int
main(void)
{
	struct kc_thread *t[READERS + 1] = { NULL };
	int i;

	kc_published_init(&s.pub, obj_ref, obj_unref, obj_new(0));
	for (i = 0; i < READERS + 1; i++)
		KC_ASSERT(kc_thread_start(&t[i], "stress",
			      i < READERS ? reader : getter, NULL) == KC_OK);
	for (i = 1; i <= ROUNDS; i++)
		kc_published_set(&s.pub, obj_new(i));
	atomic_store(&s.done, true);
	for (i = 0; i < READERS + 1; i++)
		kc_thread_join(&t[i]);
	kc_published_fini(&s.pub);
	if (atomic_load(&s.alive) != 0) {
		fprintf(stderr, "%d left\n", atomic_load(&s.alive));
		return 1;
	}
	return 0;
}
