/*
 * Goal: what is committed is what the last record says, whatever the order of
 * the answers; nothing is seen before it is committed.
 */
#include "kbroker/group/offsets.h"

#include "kcommon/base/err.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define T KC_STR_LIT("t")

static struct kb_offset_value
at(int64_t offset)
{
	return (struct kb_offset_value){ .offset = offset,
		.leader_epoch = -1,
		.metadata = KC_STR_LIT("note"),
		.expire_ms = -1 };
}

static int64_t
committed(const struct kb_group_offsets *o, int32_t partition)
{
	const struct kb_offset *p = kb_group_offsets_get(o, T, partition);

	return p == NULL ? -1 : p->value.offset;
}

static void
pend(struct kb_group_offsets *o, int32_t partition)
{
	cr_assert_eq(kb_group_offsets_pend(o, T, partition), KC_OK);
}

static void
commit(struct kb_group_offsets *o, int32_t partition, int64_t offset,
    int64_t record)
{
	struct kb_offset_value v = at(offset);

	cr_assert_eq(
	    kb_group_offsets_commit(o, T, partition, &v, record), KC_OK);
}

Test(kb_group_offsets, seen_when_committed)
{
	struct kb_group_offsets o = { 0 };

	pend(&o, 0);
	cr_assert_eq(committed(&o, 0), -1);
	cr_assert_not(kb_group_offsets_idle(&o));
	commit(&o, 0, 5, 100);
	cr_assert_eq(committed(&o, 0), 5);
	cr_assert_eq(o.count, 1);
	kb_group_offsets_fini(&o);
}

Test(kb_group_offsets, failed_leaves_nothing)
{
	struct kb_group_offsets o = { 0 };

	pend(&o, 0);
	kb_group_offsets_fail(&o, T, 0);
	cr_assert(kb_group_offsets_idle(&o));
	kb_group_offsets_fail(&o, T, 0); /* not there any more */
	commit(&o, 0, 5, 100); /* not pending: of a group gone meanwhile */
	cr_assert(kb_group_offsets_idle(&o));
	kb_group_offsets_fini(&o);
}

Test(kb_group_offsets, later_record_wins)
{
	struct kb_group_offsets o = { 0 };

	pend(&o, 0);
	pend(&o, 0);
	commit(&o, 0, 9, 101);
	commit(&o, 0, 5, 100); /* answered late */
	cr_assert_eq(committed(&o, 0), 9);
	pend(&o, 0);
	commit(&o, 0, 3, 102); /* going back is allowed */
	cr_assert_eq(committed(&o, 0), 3);
	kb_group_offsets_fini(&o);
}

Test(kb_group_offsets, removed_and_pending)
{
	struct kb_group_offsets o = { 0 };

	cr_assert_not(kb_group_offsets_remove(&o, T, 0));
	pend(&o, 0);
	commit(&o, 0, 5, 100);
	pend(&o, 0);
	cr_assert(kb_group_offsets_remove(&o, T, 0));
	cr_assert_eq(committed(&o, 0), -1);
	commit(&o, 0, 6, 101);
	cr_assert_eq(committed(&o, 0), 6);
	cr_assert(kb_group_offsets_remove(&o, T, 0));
	cr_assert(kb_group_offsets_idle(&o));
	cr_assert_eq(o.count, 0);
	kb_group_offsets_fini(&o);
}

/* Many topics and partitions in every order are all found again. */
Test(kb_group_offsets, many)
{
	struct kb_group_offsets o = { 0 };
	char name[16];

	for (int i = 0; i < 50; i++)
		for (int p = 0; p < 20; p++) {
			struct kb_offset_value v = at(i * 100 + p);

			snprintf(name, sizeof name, "t%d", i * 37 % 50);
			cr_assert_eq(kb_group_offsets_set(
					 &o, kc_str(name), p * 7 % 20, &v, 1),
			    KC_OK);
		}
	cr_assert_eq(o.count, 1000);
	cr_assert_eq(o.n, 50);
	for (int i = 0; i < 50; i++)
		for (int p = 0; p < 20; p++) {
			snprintf(name, sizeof name, "t%d", i * 37 % 50);
			cr_assert_eq(
			    kb_group_offsets_get(&o, kc_str(name), p * 7 % 20)
				->value.offset,
			    i * 100 + p);
			cr_assert(kb_group_offsets_remove(
			    &o, kc_str(name), p * 7 % 20));
		}
	cr_assert(kb_group_offsets_idle(&o));
	kb_group_offsets_fini(&o);
}

Test(kb_group_offsets, transactions)
{
	struct kb_group_offsets o = { 0 };
	struct kb_offset_value v = at(5), w = at(7);

	/* Two producers; the records in the order 10, 11, 12. */
	cr_assert_eq(kb_group_offsets_txn_add(&o, 1, T, 0, &v, -1), KC_OK);
	cr_assert(kb_group_offsets_txn_pending(&o, T, 0));
	cr_assert_not(kb_group_offsets_txn_pending(&o, T, 1));
	kb_group_offsets_txn_written(&o, 1, T, 0, 10);
	cr_assert_eq(kb_group_offsets_txn_add(&o, 2, T, 0, &w, 11), KC_OK);
	cr_assert_eq(kb_group_offsets_txn_end(&o, 2, true), KC_OK);
	cr_assert_eq(committed(&o, 0), 7);
	/* The first one commits an older record. */
	cr_assert_eq(kb_group_offsets_txn_end(&o, 1, true), KC_OK);
	cr_assert_eq(committed(&o, 0), 7);
	cr_assert_not(kb_group_offsets_txn_pending(&o, T, 0));
	/* Aborted, and one that was never written. */
	cr_assert_eq(kb_group_offsets_txn_add(&o, 3, T, 0, &v, 12), KC_OK);
	cr_assert_eq(kb_group_offsets_txn_end(&o, 3, false), KC_OK);
	cr_assert_eq(kb_group_offsets_txn_add(&o, 3, T, 1, &v, -1), KC_OK);
	kb_group_offsets_txn_written(&o, 3, T, 1, -1);
	cr_assert_eq(o.ntxns, 0);
	cr_assert_eq(kb_group_offsets_txn_end(&o, 99, true), KC_OK);
	cr_assert_eq(committed(&o, 0), 7);
	kb_group_offsets_fini(&o);
}
