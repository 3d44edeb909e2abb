/*
 * A waiter is on one list at most, is woken while it is on it, and may be
 * taken off twice.
 */
#include "kbroker/replica/waitlist.h"

#include <criterion/criterion.h>

static int wakes[3];

static void
count(struct kb_waiter *w)
{
	++*(int *)w->arg;
}

static struct kb_waiter
waiter(int i)
{
	wakes[i] = 0;
	return (struct kb_waiter){ .wake = count, .arg = &wakes[i] };
}

Test(kb_waitlist, nobody)
{
	struct kb_waitlist l = { 0 };
	struct kb_waiter w = waiter(0);

	kb_waitlist_wake(&l);
	kb_waitlist_remove(&l, &w); /* was on none */
	cr_assert_null(l.head);
}

Test(kb_waitlist, woken_until_removed)
{
	struct kb_waitlist l = { 0 };
	struct kb_waiter w[3] = { waiter(0), waiter(1), waiter(2) };

	for (int i = 0; i < 3; i++)
		kb_waitlist_add(&l, &w[i]);
	kb_waitlist_wake(&l);
	kb_waitlist_remove(&l, &w[0]); /* the head */
	kb_waitlist_wake(&l);
	kb_waitlist_remove(&l, &w[2]);
	kb_waitlist_remove(&l, &w[2]);
	kb_waitlist_wake(&l);
	kb_waitlist_remove(&l, &w[1]);
	cr_assert_null(l.head);
	kb_waitlist_wake(&l);
	cr_assert(wakes[0] == 1 && wakes[1] == 3 && wakes[2] == 2);
}

Test(kb_waitlist, may_come_again)
{
	struct kb_waitlist a = { 0 }, b = { 0 };
	struct kb_waiter w = waiter(0);

	kb_waitlist_add(&a, &w);
	kb_waitlist_remove(&a, &w);
	kb_waitlist_add(&b, &w);
	kb_waitlist_wake(&a);
	cr_assert_eq(wakes[0], 0);
	kb_waitlist_wake(&b);
	cr_assert_eq(wakes[0], 1);
}
