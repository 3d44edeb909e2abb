#include "kcommon/base/assert.h"
#include "kcommon/base/published.h"
#include "kcommon/base/refcount.h"

#include <criterion/criterion.h>

struct obj {
	struct kc_ref ref;
	int *freed;
};

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
	++*o->freed;
	free(o);
}

static struct obj *
obj_new(int *freed)
{
	struct obj *o = calloc(1, sizeof *o);

	kc_ref_init(&o->ref);
	o->freed = freed;
	return o;
}

/* Goal: nothing is freed while a slot, or somebody's get, still has it. */
Test(kc_published, lifetimes)
{
	struct kc_published_slot a = { 0 }, b = { 0 };
	struct kc_published p;
	struct obj *o1, *o2, *mine;
	int freed = 0;

	kc_published_init(&p, obj_ref, obj_unref, NULL);
	cr_assert_null(kc_published_read(&p, &a));
	cr_assert_null(kc_published_get(&p));
	o1 = obj_new(&freed);
	o2 = obj_new(&freed);
	kc_published_set(&p, o1);
	cr_assert_eq(kc_published_read(&p, &a), o1);
	cr_assert_eq(kc_published_read(&p, &a), o1);
	cr_assert_eq(kc_published_read(&p, &b), o1);
	mine = kc_published_get(&p);
	kc_published_set(&p, o2);
	cr_assert_eq(mine, o1);
	cr_assert_eq(kc_published_read(&p, &a), o2);
	obj_unref(mine);
	cr_assert_eq(freed, 0, "b still has it");
	cr_assert_eq(kc_published_read(&p, &b), o2);
	cr_assert_eq(freed, 1);
	kc_published_release(&p, &a);
	kc_published_release(&p, &a);
	cr_assert_eq(kc_published_read(&p, &a), o2);
	kc_published_set(&p, NULL);
	cr_assert_null(kc_published_read(&p, &a));
	cr_assert_eq(freed, 1);
	kc_published_release(&p, &b);
	cr_assert_eq(freed, 2);
	kc_published_fini(&p);
}
