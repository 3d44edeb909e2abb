/*
 * Elections: well-known cases by hand, then every state of up to three
 * replicas against a statement of the rules in sets (bit masks), which shares
 * nothing with the code but the header.
 */
#include "kbroker/controller/elect.h"

#include <criterion/criterion.h>

#define NMAX 3
#define STRANGER 9 /* in the ISR, but no longer assigned */

enum { ON = 1, SHUTTING = 2, ISR = 4, TARGET = 8 };

/* Replica i is broker 10 + i with the flags flags[i]. */
struct state {
	int n;
	int flags[NMAX];
	bool stranger;
};

struct outcome {
	int leader;
	int isr; /* bits of replicas; bit NMAX is the stranger */
	bool unclean;
};

static int
mask_of(const struct state *s, int flag)
{
	int m = 0;

	for (int i = 0; i < s->n; i++)
		m |= (s->flags[i] & flag) != 0 ? 1 << i : 0;
	return m;
}

static int
first_of(int mask)
{
	for (int i = 0; i < NMAX; i++)
		if (mask & 1 << i)
			return i;
	return -1;
}

static struct outcome
run(const struct state *s, enum kb_elect_strategy how, bool unclean)
{
	struct kb_elect_replica r[NMAX];
	int32_t now[NMAX + 1], isr[NMAX + 1];
	struct kb_elect_result res = { .leader = 77, .isr = isr, .nisr = 77 };
	struct outcome o = { 0 };
	int nnow = 0;

	if (s->stranger) /* first, so that order does not help */
		now[nnow++] = STRANGER;
	for (int i = s->n - 1; i >= 0; i--)
		if (s->flags[i] & ISR)
			now[nnow++] = 10 + i;
	for (int i = 0; i < s->n; i++)
		r[i] = (struct kb_elect_replica){ .broker = 10 + i,
			.online = s->flags[i] & ON,
			.shutting_down = s->flags[i] & SHUTTING,
			.in_isr = s->flags[i] & ISR,
			.target = s->flags[i] & TARGET };
	kb_elect(how, unclean, r, s->n, now, nnow, &res);
	o.leader = res.leader < 0 ? -1 : res.leader - 10;
	o.unclean = res.unclean;
	for (int i = 0; i < res.nisr; i++)
		o.isr |= 1 << (isr[i] == STRANGER ? NMAX : isr[i] - 10);
	if (res.leader < 0)
		o.isr = 0;
	return o;
}

/* controller.md 4, in sets. */
static struct outcome
rule(const struct state *s, enum kb_elect_strategy how, bool unclean)
{
	int live = mask_of(s, ON) & ~mask_of(s, SHUTTING);
	int isr = mask_of(s, ISR);
	int stranger = s->stranger ? 1 << NMAX : 0;
	struct outcome o = { -1, 0, false };

	switch (how) {
	case KB_ELECT_UNCLEAN:
	case KB_ELECT_OFFLINE:
		unclean = unclean || how == KB_ELECT_UNCLEAN;
		if ((o.leader = first_of(live & isr)) >= 0) {
			o.isr = live & isr;
		} else if (unclean && (o.leader = first_of(live)) >= 0) {
			o.isr = 1 << o.leader;
			o.unclean = true;
		}
		return o;
	case KB_ELECT_REASSIGN:
		o.leader = first_of(live & isr & mask_of(s, TARGET));
		break;
	case KB_ELECT_PREFERRED:
		o.leader = live & isr & 1 ? 0 : -1;
		break;
	case KB_ELECT_SHUTDOWN:
		o.leader = first_of(live & isr);
		if (o.leader >= 0)
			o.isr = (isr & ~mask_of(s, SHUTTING)) | stranger;
		return o;
	}
	if (o.leader >= 0)
		o.isr = isr | stranger;
	return o;
}

static void
check(const struct state *s)
{
	for (int how = KB_ELECT_OFFLINE; how <= KB_ELECT_UNCLEAN; how++) {
		for (int unclean = 0; unclean < 2; unclean++) {
			struct outcome want =
			    rule(s, (enum kb_elect_strategy)how, unclean);
			struct outcome got =
			    run(s, (enum kb_elect_strategy)how, unclean);

			cr_assert(got.leader == want.leader &&
				got.isr == want.isr &&
				got.unclean == want.unclean,
			    "n %d flags %x %x %x stranger %d strategy %d "
			    "unclean %d: leader %d isr %x unclean %d, want "
			    "%d %x %d",
			    s->n, s->flags[0], s->flags[1], s->flags[2],
			    s->stranger, how, unclean, got.leader, got.isr,
			    got.unclean, want.leader, want.isr, want.unclean);
		}
	}
}

Test(kb_elect, nobody_is_assigned)
{
	struct state s = { .n = 0 };

	check(&s);
	s.stranger = true;
	check(&s);
	for (int how = KB_ELECT_OFFLINE; how <= KB_ELECT_UNCLEAN; how++)
		cr_assert_eq(
		    run(&s, (enum kb_elect_strategy)how, true).leader, -1);
}

Test(kb_elect, every_state_of_three)
{
	struct state s;

	for (s.n = 1; s.n <= NMAX; s.n++) {
		int all = 1 << 4 * s.n;

		for (int bits = 0; bits < all; bits++) {
			for (int i = 0; i < NMAX; i++)
				s.flags[i] = bits >> 4 * i & 15;
			s.stranger = false;
			check(&s);
			s.stranger = true;
			check(&s);
		}
	}
}

struct by_hand {
	const char *what;
	enum kb_elect_strategy how;
	bool unclean_allowed;
	int flags[NMAX];
	struct outcome want;
};

static const struct by_hand cases[] = {
	{ "the assignment's order decides, not the ISR's", KB_ELECT_OFFLINE,
	    false, { ISR, ON | ISR, ON | ISR }, { 1, 6, false } },
	{ "a live replica out of sync leads only if allowed", KB_ELECT_OFFLINE,
	    false, { ISR, ON, ON }, { -1, 0, false } },
	{ "and then alone", KB_ELECT_OFFLINE, true, { ISR, ON, ON },
	    { 1, 2, true } },
	{ "a clean leader is taken where unclean ones are allowed",
	    KB_ELECT_OFFLINE, true, { ON, ON | ISR, ON }, { 1, 2, false } },
	{ "one that shuts down is not elected", KB_ELECT_OFFLINE, true,
	    { ON | ISR | SHUTTING, 0, 0 }, { -1, 0, false } },
	{ "preferred: the first is back in sync", KB_ELECT_PREFERRED, true,
	    { ON | ISR, ON | ISR, ISR }, { 0, 7, false } },
	{ "preferred: never another one", KB_ELECT_PREFERRED, true,
	    { ON, ON | ISR, ON | ISR }, { -1, 0, false } },
	{ "reassignment: into the target only", KB_ELECT_REASSIGN, true,
	    { ON | ISR, ON | TARGET, ON | ISR | TARGET }, { 2, 5, false } },
	{ "shutdown: away, and out of the ISR", KB_ELECT_SHUTDOWN, false,
	    { ON | ISR | SHUTTING, ON, ON | ISR }, { 2, 4, false } },
	{ "shutdown: the last one in sync stays leader", KB_ELECT_SHUTDOWN,
	    true, { ON | ISR | SHUTTING, ON, ON }, { -1, 0, false } },
};

Test(kb_elect, cases_by_hand)
{
	for (size_t i = 0; i < KC_COUNT(cases); i++) {
		const struct by_hand *c = &cases[i];
		struct state s = { NMAX,
			{ c->flags[0], c->flags[1], c->flags[2] }, false };
		struct outcome o = run(&s, c->how, c->unclean_allowed);

		cr_expect(o.leader == c->want.leader && o.isr == c->want.isr &&
			o.unclean == c->want.unclean,
		    "%s: leader %d isr %x unclean %d", c->what, o.leader, o.isr,
		    o.unclean);
	}
}

/* --- out of the ISR ------------------------------------------------------ */

Test(kb_elect_remove_isr, one_that_is_not_in_it)
{
	int32_t isr[] = { 1, 2 };
	int32_t leader = 1;

	cr_assert_eq(kb_elect_remove_isr(isr, 0, 1, &leader), 0);
	cr_assert_eq(leader, -1);
	leader = 1;
	cr_assert_eq(kb_elect_remove_isr(isr, 2, 3, &leader), 2);
	cr_assert_eq(leader, 1);
	cr_assert_eq(isr[0], 1);
	cr_assert_eq(isr[1], 2);
}

/* The last member stays, so that its data is not forgotten (ISR-4). */
Test(kb_elect_remove_isr, never_empty)
{
	int32_t isr[] = { 4 };
	int32_t leader = 4;

	cr_assert_eq(kb_elect_remove_isr(isr, 1, 4, &leader), 1);
	cr_assert_eq(isr[0], 4);
	cr_assert_eq(leader, -1);
}

Test(kb_elect_remove_isr, each_of_three)
{
	for (int32_t gone = 1; gone <= 3; gone++) {
		for (int32_t led = -1; led <= 3; led++) {
			int32_t isr[] = { 3, 1, 2 };
			int32_t leader = led;

			cr_assert_eq(
			    kb_elect_remove_isr(isr, 3, gone, &leader), 2);
			cr_assert_eq(leader, led == gone ? -1 : led);
			cr_assert_neq(isr[0], gone);
			cr_assert_neq(isr[1], gone);
			cr_assert_eq(isr[0] + isr[1], 6 - gone);
			cr_assert_eq(isr[0] == 3 || gone == 3, true);
		}
	}
}
