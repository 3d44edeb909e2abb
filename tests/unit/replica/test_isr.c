/*
 * The decisions of a leader, enumerated: who is in sync, where the high
 * watermark is, what a refusal means, how far a follower cuts.
 */
#include "kbroker/replica/isr.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

#include <criterion/criterion.h>
#include <string.h>

#define LAG 30000
#define NOW 1000000

static uint32_t living; /* bit: broker id */

static bool
alive(void *arg KC_UNUSED, int32_t id)
{
	return living >> id & 1;
}

static struct kb_remote
remote(int32_t id, int64_t end, int64_t caught_up_ms)
{
	return (struct kb_remote){ .id = id,
		.end = end,
		.start = 0,
		.leader_end = end,
		.fetched_ms = caught_up_ms,
		.caught_up_ms = caught_up_ms,
		.broker_epoch = -1 };
}

/* We are 1; the others are what the test says. */
static struct kb_isr_view
view(const struct kb_isr *isr, const struct kb_remote *r, int32_t n,
    int64_t leader_end)
{
	return (struct kb_isr_view){ .me = 1,
		.isr = isr,
		.remotes = r,
		.nremotes = n,
		.leader_end = leader_end,
		.min_isr = 1,
		.now_ms = NOW,
		.lag_max_ms = LAG,
		.alive = alive };
}

/* --- what a fetch tells --------------------------------------------------- */

static bool
fetch(struct kb_remote *r, int64_t offset, int64_t leader_end, int64_t now,
    int64_t epoch)
{
	return kb_remote_fetched(r,
	    &(struct kb_remote_fetch){ .offset = offset,
		.start = 0,
		.leader_end = leader_end,
		.now_ms = now,
		.broker_epoch = epoch });
}

Test(kb_isr, a_fetch_of_an_earlier_life_is_not_noted)
{
	struct kb_remote r = remote(2, 5, NOW), before;

	r.broker_epoch = 70;
	before = r;
	cr_assert_not(fetch(&r, 9, 9, NOW + 1, 69));
	cr_assert_eq(memcmp(&r, &before, sizeof r), 0);
	/* One that says no epoch (an older broker) is taken. */
	cr_assert(fetch(&r, 9, 9, NOW + 1, -1));
	cr_assert_eq(r.end, 9);
	cr_assert_eq(r.broker_epoch, 70);
}

/* It may have lost what the life before it had fetched. */
Test(kb_isr, a_new_life_proves_nothing_for_the_old_one)
{
	struct kb_remote r;

	kb_remote_reset(&r, true, false, 0, 0);
	cr_assert(fetch(&r, 5, 10, 100, 70));
	cr_assert_eq(r.caught_up_ms, KB_NEVER_MS);
	/* The same life: at 100 it would have had all of 10. */
	cr_assert(fetch(&r, 10, 20, 200, 70));
	cr_assert_eq(r.caught_up_ms, 100);
	cr_assert(fetch(&r, 20, 30, 300, 71));
	cr_assert_eq(r.caught_up_ms, 100, "not 200");
	cr_assert_eq(r.broker_epoch, 71);
	cr_assert(fetch(&r, 30, 40, 400, 71));
	cr_assert_eq(r.caught_up_ms, 300);
}

/* Caught up is who has what we had at its last fetch but one (ISR-2). */
Test(kb_isr, caught_up_by_the_end_at_the_fetch_before)
{
	struct kb_remote r;

	kb_remote_reset(&r, true, true, 50, 1000);
	cr_assert_eq(r.end, -1);
	cr_assert(fetch(&r, 0, 100, 2000, 7));
	cr_assert_eq(r.caught_up_ms, 1000);
	cr_assert(fetch(&r, 99, 200, 3000, 7));
	cr_assert_eq(r.caught_up_ms, 1000);
	cr_assert(fetch(&r, 200, 300, 4000, 7));
	cr_assert_eq(r.caught_up_ms, 3000);
	cr_assert(fetch(&r, 300, 300, 5000, 7));
	cr_assert_eq(r.caught_up_ms, 5000);
	/* Back after a truncation: what was is kept. */
	cr_assert(fetch(&r, 10, 300, 6000, 7));
	cr_assert_eq(r.caught_up_ms, 5000);
	cr_assert_eq(r.end, 10);
	cr_assert(kb_remote_caught_up(&r, 300, 5000 + LAG, LAG));
	cr_assert_not(kb_remote_caught_up(&r, 300, 5001 + LAG, LAG));
	cr_assert(kb_remote_caught_up(&r, 10, 5001 + LAG, LAG));
}

/* A clock that has just begun is no proof either. */
Test(kb_isr, never_is_before_everything)
{
	struct kb_remote r;

	kb_remote_reset(&r, true, false, 50, 10);
	cr_assert_not(kb_remote_caught_up(&r, 50, 10, LAG));
}

/* --- high watermark ------------------------------------------------------- */

/*
 * Goal: HW-1 to HW-4 over every combination.
 * Method: two followers, each in the ISR or not, asked in or not, alive or
 * not, caught up or not, with every end; against the rules said plainly.
 */
Test(kb_isr, high_watermark_enumerated)
{
	enum { IN = 1, PENDING = 2, ALIVE = 4, FRESH = 8, ALL = 16 };
	const int64_t end = 3;

	for (int c = 0; c < ALL * ALL * 5 * 5 * 3 * 2; c++) {
		int rest = c, f[2], want_in = 0;
		int64_t ends[2], hw, min = end, old;
		int32_t v[3] = { 1 }, next[3], n = 1, nnext, min_isr;
		struct kb_remote r[2];
		struct kb_isr isr = { .v = v };
		struct kb_isr_view w;

		for (int i = 0; i < 2; i++) {
			f[i] = rest % ALL;
			rest /= ALL;
			ends[i] = rest % 5 - 1;
			rest /= 5;
		}
		min_isr = rest % 3 + 1;
		rest /= 3;
		old = rest % 2;
		living = 0;
		for (int i = 0; i < 2; i++) {
			if (f[i] & IN)
				v[n++] = 2 + i;
			living |= (f[i] & ALIVE) ? 1u << (2 + i) : 0;
			r[i] = remote(
			    2 + i, ends[i], f[i] & FRESH ? NOW : NOW - LAG - 1);
		}
		isr.n = nnext = n;
		memcpy(next, v, sizeof next);
		for (int i = 0; i < 2; i++)
			if ((f[i] & PENDING) && !(f[i] & IN)) {
				next[nnext++] = 2 + i;
				want_in++;
			}
		if (want_in > 0) {
			isr.change = KB_ISR_EXPANDING;
			isr.next = next;
			isr.nnext = nnext;
		}
		w = view(&isr, r, 2, end);
		w.hw = old;
		w.min_isr = min_isr;
		hw = kb_isr_high_watermark(&w);
		for (int i = 0; i < 2; i++) {
			bool counts = (f[i] & (IN | PENDING)) ||
			    ((f[i] & ALIVE) &&
				((f[i] & FRESH) || ends[i] == end));

			if (counts)
				min = KC_MIN(min, ends[i]);
		}
		if (n < min_isr)
			cr_assert_eq(hw, old, "case %d", c);
		else
			cr_assert_eq(hw, KC_MAX(min, old), "case %d", c);
	}
}

/* While a shrink is under way the old set counts. */
Test(kb_isr, a_pending_shrink_holds_the_high_watermark)
{
	int32_t v[] = { 1, 2 }, next[] = { 1 };
	struct kb_isr isr = { v, 2, KB_ISR_SHRINKING, next, 1 };
	struct kb_remote r = remote(2, 4, NOW - LAG - 1);
	struct kb_isr_view w = view(&isr, &r, 1, 9);

	living = 0;
	cr_assert_eq(kb_isr_high_watermark(&w), 4);
	cr_assert_eq(kb_isr_size_maximal(&isr), 2);
	cr_assert(kb_isr_has_maximal(&isr, 2));
}

/* A member that is no replica: nobody knows what it has. */
Test(kb_isr, an_unknown_member_holds_the_high_watermark)
{
	int32_t v[] = { 1, 9 };
	struct kb_isr isr = { .v = v, .n = 2 };
	struct kb_isr_view w = view(&isr, NULL, 0, 9);

	w.hw = 3;
	cr_assert_eq(kb_isr_high_watermark(&w), 3);
}

/* --- the set -------------------------------------------------------------- */

Test(kb_isr, who_may_join)
{
	int32_t v[] = { 1 }, next[] = { 1, 3 };
	struct kb_isr isr = { .v = v, .n = 1 };
	struct kb_remote r = remote(2, 5, NOW);
	struct kb_isr_view w = view(&isr, &r, 1, 9);

	living = 1u << 2;
	w.hw = 5;
	w.epoch_start = 5;
	cr_assert(kb_isr_may_join(&w, &r));
	w.hw = 6;
	cr_assert_not(kb_isr_may_join(&w, &r), "below what is committed");
	w.hw = 5;
	w.epoch_start = 6;
	cr_assert_not(kb_isr_may_join(&w, &r), "below where the term began");
	w.epoch_start = 0;
	w.hw = 0;
	r.end = -1;
	cr_assert_not(kb_isr_may_join(&w, &r), "has not fetched in this term");
	r.end = 5;
	living = 0;
	cr_assert_not(kb_isr_may_join(&w, &r), "is not alive");
	living = 1u << 2;
	isr.change = KB_ISR_EXPANDING;
	isr.next = next;
	isr.nnext = 2;
	cr_assert_not(kb_isr_may_join(&w, &r), "another change is under way");
	isr = (struct kb_isr){ .v = next, .n = 2 };
	r.id = 3;
	living = 1u << 3;
	cr_assert_not(kb_isr_may_join(&w, &r), "is in it");
}

Test(kb_isr, shrinks_by_those_that_lag)
{
	static const int32_t all[] = { 3, 1, 2 };
	struct kb_isr isr = { 0 };
	struct kb_remote r[] = { remote(2, 5, NOW - LAG),
		remote(3, 5, NOW - LAG - 1) };
	struct kb_isr_view w = view(&isr, r, 2, 9);

	cr_assert_eq(kb_isr_commit(&isr, all, 3), KC_OK);
	cr_assert_eq(kb_isr_shrink(&isr, &w), KC_OK);
	cr_assert(isr.change == KB_ISR_SHRINKING && isr.nnext == 2);
	cr_assert(isr.next[0] == 1 && isr.next[1] == 2);
	cr_assert_eq(kb_isr_shrink(&isr, &w), KC_ENOENT, "one at a time");
	kb_isr_forget(&isr);
	cr_assert(isr.change == KB_ISR_STABLE && isr.n == 3);
	r[1].end = 9; /* at the end it is caught up, however late */
	cr_assert_eq(kb_isr_shrink(&isr, &w), KC_ENOENT);
	kb_isr_fini(&isr);
}

Test(kb_isr, never_empty)
{
	static const int32_t other[] = { 2 };
	struct kb_isr isr = { 0 };
	struct kb_remote r = remote(2, 5, NOW - LAG - 1);
	struct kb_isr_view w = view(&isr, &r, 1, 9);

	cr_assert_eq(kb_isr_commit(&isr, other, 1), KC_OK);
	cr_assert_eq(kb_isr_shrink(&isr, &w), KC_ENOENT);
	kb_isr_fini(&isr);
}

Test(kb_isr, expands_and_settles)
{
	static const int32_t one[] = { 1 }, two[] = { 1, 2 };
	struct kb_isr isr = { 0 };

	cr_assert_eq(kb_isr_commit(&isr, one, 1), KC_OK);
	cr_assert_eq(kb_isr_expand(&isr, 2), KC_OK);
	cr_assert(!kb_isr_has(&isr, 2) && kb_isr_has_maximal(&isr, 2));
	cr_assert_eq(kb_isr_size_maximal(&isr), 2);
	cr_assert_eq(kb_isr_commit(&isr, two, 2), KC_OK);
	cr_assert(isr.change == KB_ISR_STABLE && kb_isr_has(&isr, 2));
	kb_isr_fini(&isr);
}

Test(kb_isr, refusals)
{
	cr_expect_eq(kb_isr_refused(KP_INELIGIBLE_REPLICA), KB_ISR_BACK);
	cr_expect_eq(kb_isr_refused(KP_OPERATION_NOT_ATTEMPTED), KB_ISR_BACK);
	cr_expect_eq(kb_isr_refused(KP_FENCED_LEADER_EPOCH), KB_ISR_WAIT);
	cr_expect_eq(kb_isr_refused(KP_INVALID_UPDATE_VERSION), KB_ISR_WAIT);
	cr_expect_eq(kb_isr_refused(KP_INVALID_REQUEST), KB_ISR_WAIT);
	cr_expect_eq(kb_isr_refused(KP_UNKNOWN_TOPIC_ID), KB_ISR_WAIT);
	cr_expect_eq(
	    kb_isr_refused(KP_UNKNOWN_TOPIC_OR_PARTITION), KB_ISR_WAIT);
	cr_expect_eq(kb_isr_refused(KP_NEW_LEADER_ELECTED), KB_ISR_WAIT);
	cr_expect_eq(kb_isr_refused(KP_UNKNOWN_SERVER_ERROR), KB_ISR_AGAIN);
	cr_expect_eq(kb_isr_refused(KP_NOT_CONTROLLER), KB_ISR_AGAIN);
}

/* --- truncation ----------------------------------------------------------- */

Test(kb_isr, how_far_a_follower_cuts)
{
	static const struct {
		int32_t epoch;
		int64_t end;
		int32_t own;
		int64_t own_end;
		int64_t to;
		bool done;
	} t[] = {
		{ 3, -1, 3, 50, 100, true }, /* it cannot say */
		{ -1, 40, -1, -1, 40, true }, /* it knows no epochs */
		{ -1, 140, -1, -1, 100, true },
		{ 3, 40, 3, 50, 40, true }, /* we wrote more in epoch 3 */
		{ 3, 60, 3, 50, 50, true }, /* it did */
		{ 3, 160, 3, 150, 100, true },
		{ 3, 60, 2, 30, 30, false }, /* we have no epoch 3 */
		{ 3, 60, 2, 130, 100, false },
		{ 3, 60, -1, -1, 60, true }, /* we know none so low */
	};
	bool done;

	for (size_t i = 0; i < KC_COUNT(t); i++) {
		cr_expect_eq(kb_truncate_to(t[i].epoch, t[i].end, t[i].own,
				 t[i].own_end, 100, &done),
		    t[i].to, "%zu", i);
		cr_expect_eq(done, t[i].done, "%zu", i);
	}
}
