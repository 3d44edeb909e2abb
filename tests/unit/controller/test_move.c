/*
 * Reassignments: every assignment of four brokers, under way or at rest,
 * against every target, by the laws of KIP-455.
 */
#include "kbroker/controller/elect.h"
#include "kbroker/controller/move.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define BROKERS 4

/* Lists of up to BROKERS ids, none twice, in every order: digits base 5. */
static bool
list(int code, struct kb_ids *ids)
{
	int seen = 0;

	for (ids->n = 0; code > 0; code /= BROKERS + 1) {
		int id = code % (BROKERS + 1) - 1;

		if (id < 0 || (seen & 1 << id) != 0)
			return false;
		seen |= 1 << id;
		ids->v[ids->n++] = id;
	}
	return true;
}

static int
mask(const struct kb_ids *ids)
{
	int m = 0;

	for (int32_t i = 0; i < ids->n; i++)
		m |= 1 << ids->v[i];
	return m;
}

static void
put(struct kb_cpart *p, const struct kb_move *m)
{
	cr_assert_eq(kb_model_move(p, m), KC_OK);
	kb_model_drop_leaving(p);
}

static void
part_fini(struct kb_cpart *p)
{
	free(p->replicas);
	kb_ids_fini(&p->adding);
	kb_ids_fini(&p->removing);
}

static void
check_laws(const struct kb_cpart *p, const struct kb_ids *target, int origin,
    const struct kb_move *m)
{
	int rs = mask(&m->replicas), ar = mask(&m->adding);
	int rr = mask(&m->removing), to = mask(target);

	cr_assert_eq(rs, origin | to);
	cr_assert_eq(m->replicas.n, __builtin_popcount((unsigned)rs));
	cr_assert_eq(rs & ~ar, origin, "the origin is what is not added");
	cr_assert_eq(rs & ~rr, to, "the target is what is not removed");
	for (int32_t i = 0; i < target->n; i++)
		cr_assert_eq(m->replicas.v[i], target->v[i]);
	cr_assert_eq(kb_move_is_current(p, m),
	    kb_move_leads_to(p, target->v, target->n) &&
		p->adding.n == m->adding.n && p->removing.n == m->removing.n);
}

/* From p's origin to target, and from there on, back, and to the end. */
static void
check(const struct kb_ids *from, const struct kb_ids *first,
    const struct kb_ids *target)
{
	struct kb_cpart p = { 0 };
	struct kb_move m = { .replicas = *from }, back, done;

	put(&p, &m);
	if (first->n > 0) {
		cr_assert_eq(kb_move_to(&p, first->v, first->n, &m), KC_OK);
		check_laws(&p, first, mask(from), &m);
		put(&p, &m);
		kb_move_fini(&m);
	}
	cr_assert_eq(kb_move_to(&p, target->v, target->n, &m), KC_OK);
	check_laws(&p, target, mask(from), &m);
	put(&p, &m);
	kb_move_fini(&m);
	cr_assert(kb_move_leads_to(&p, target->v, target->n));

	cr_assert_eq(kb_move_back(&p, &back), KC_OK);
	cr_assert_eq(back.adding.n, 0);
	cr_assert_eq(mask(&back.replicas) & ~mask(&back.removing), mask(from));
	kb_move_fini(&back);

	cr_assert_eq(kb_move_done(&p, &done), KC_OK);
	cr_assert_eq(done.replicas.n, target->n);
	cr_assert_eq(done.adding.n + done.removing.n, 0);
	kb_move_fini(&done);
	part_fini(&p);
}

Test(kb_move, every_assignment_to_every_target)
{
	int32_t a[BROKERS + 1], b[BROKERS + 1], c[BROKERS + 1];
	struct kb_ids from = { a, 0 }, first = { b, 0 }, to = { c, 0 };
	const int all = 5 * 5 * 5; /* up to three replicas */

	for (int i = 1; i < all; i++)
		for (int j = 0; j < all && list(i, &from); j++)
			for (int k = 1; k < all && list(j, &first); k++)
				if (list(k, &to))
					check(&from, &first, &to);
}

Test(kb_move, completes_when_the_target_is_in_sync)
{
	int32_t from[] = { 0, 1 }, to[] = { 1, 2 }, isr[3];
	struct kb_cpart p = { 0 };
	struct kb_move m = { .replicas = { from, 2 } };

	put(&p, &m);
	cr_assert_eq(kb_move_to(&p, to, 2, &m), KC_OK);
	put(&p, &m);
	kb_move_fini(&m);
	cr_assert_not(kb_move_complete(&p), "nobody has led it yet");
	p.led = true;
	for (int bits = 0; bits < 8; bits++) {
		p.ls.isr = (struct kb_ids){ isr, 0 };
		for (int i = 0; i < 3; i++)
			if (bits & 1 << i)
				isr[p.ls.isr.n++] = i;
		cr_assert_eq(kb_move_complete(&p), (bits & 6) == 6);
	}
	part_fini(&p);
}

Test(kb_move, those_who_leave_stay_known_until_they_are_dropped)
{
	int32_t from[] = { 0, 1 }, to[] = { 2 };
	struct kb_cpart p = { 0 };
	struct kb_move m = { .replicas = { from, 2 } };

	put(&p, &m);
	kb_model_replica(&p, 1)->state = KB_REPLICA_ONLINE;
	m.replicas = (struct kb_ids){ to, 1 };
	cr_assert_eq(kb_model_move(&p, &m), KC_OK);
	cr_assert_eq(p.nreplicas, 1);
	cr_assert_eq(p.nleaving, 2);
	cr_assert_eq(kb_model_replica(&p, 1)->state, KB_REPLICA_ONLINE);
	cr_assert_eq(kb_model_replica(&p, 2)->state, KB_REPLICA_NONEXISTENT);
	kb_model_drop_leaving(&p);
	cr_assert_null(kb_model_replica(&p, 1));
	part_fini(&p);
}

Test(kb_move, lists_that_are_none)
{
	int32_t twice[] = { 1, 2, 1 }, negative[] = { 0, -1 },
		fine[] = { 0, 3 };
	struct kb_why why;

	cr_assert_eq(
	    kb_move_check(NULL, 0, &why), KP_INVALID_REPLICA_ASSIGNMENT);
	cr_assert_eq(
	    kb_move_check(twice, 3, &why), KP_INVALID_REPLICA_ASSIGNMENT);
	cr_assert_eq(
	    kb_move_check(negative, 2, &why), KP_INVALID_REPLICA_ASSIGNMENT);
	cr_assert_eq(kb_move_check(fine, 2, &why), KP_NONE);
}

Test(kb_imbalanced, more_than_the_share)
{
	cr_assert_not(kb_imbalanced(0, 0, 10));
	cr_assert_not(kb_imbalanced(1, 10, 10));
	cr_assert(kb_imbalanced(2, 10, 10));
	cr_assert(kb_imbalanced(1, 9, 10));
	cr_assert_not(kb_imbalanced(INT32_MAX, INT32_MAX, 100));
	cr_assert(kb_imbalanced(1, INT32_MAX, 0));
}
