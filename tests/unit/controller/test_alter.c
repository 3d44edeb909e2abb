/*
 * AlterPartition's rules: every request of up to three members against every
 * state, by a statement in bit masks that shares nothing with the code.
 */
#include "kbroker/controller/alter.h"
#include "kcommon/proto/error.h"

#include <criterion/criterion.h>

#define N 3 /* brokers 10, 11, 12; 10 leads unless said otherwise */
#define EPOCH 5
#define VERSION 7

struct state {
	int isr; /* bits */
	int8_t recovery;
};

struct req {
	int isr; /* bits */
	int assigned;
	int eligible;
	int leader; /* broker */
	int leader_epoch, partition_epoch;
	int8_t recovery;
	bool twice; /* the first member once more */
};

static int16_t
run(const struct state *s, const struct req *r, bool *same)
{
	struct kb_alter_member m[N + 1];
	int32_t isr[N];
	struct kb_alter a = { .leader = r->leader,
		.leader_epoch = r->leader_epoch,
		.partition_epoch = r->partition_epoch,
		.recovery = r->recovery,
		.isr = m };
	struct kb_leadership now = { .leader = 10,
		.leader_epoch = EPOCH,
		.version = VERSION,
		.recovery = s->recovery,
		.isr = { isr, 0 } };

	for (int i = N - 1; i >= 0; i--) /* order must not matter */
		if (s->isr & 1 << i)
			isr[now.isr.n++] = 10 + i;
	for (int i = 0; i < N; i++)
		if (r->isr & 1 << i)
			m[a.nisr++] = (struct kb_alter_member){ 10 + i,
				(r->assigned & 1 << i) != 0,
				(r->eligible & 1 << i) != 0 };
	if (r->twice && a.nisr > 0) {
		m[a.nisr] = m[0];
		a.nisr++;
	}
	return kb_alter_check(&a, &now, same);
}

static int16_t
expected(const struct state *s, const struct req *r, bool *same)
{
	bool several = (r->isr & (r->isr - 1)) != 0;

	*same = false;
	if (r->leader_epoch > EPOCH || r->partition_epoch > VERSION)
		return KP_NOT_CONTROLLER;
	if (r->leader_epoch < EPOCH)
		return KP_FENCED_LEADER_EPOCH;
	if (r->leader != 10 || (r->isr & 1) == 0 ||
	    (r->isr & ~r->assigned) != 0 || r->twice)
		return KP_INVALID_REQUEST;
	if (r->isr == s->isr && r->recovery == s->recovery) {
		*same = true;
		return KP_NONE;
	}
	if (r->partition_epoch < VERSION)
		return KP_INVALID_UPDATE_VERSION;
	if (r->recovery == 1 && several)
		return KP_INVALID_REQUEST;
	if (r->recovery == 1 && s->recovery == 0)
		return KP_INVALID_REQUEST;
	if ((r->isr & ~r->eligible) != 0)
		return KP_INELIGIBLE_REPLICA;
	return KP_NONE;
}

static void
compare(const struct state *s, const struct req *r)
{
	bool got, want;
	int16_t code = run(s, r, &got);

	cr_assert_eq(code, expected(s, r, &want),
	    "isr %d -> %d, assigned %d, eligible %d: %s", s->isr, r->isr,
	    r->assigned, r->eligible, kp_error_name(code));
	cr_assert_eq(got, want);
}

/* One request in each epoch, recovery and shape. */
static void
each_epoch(const struct state *s, struct req r)
{
	for (int i = 0; i < 3 * 3 * 2 * 2 * 2; i++) {
		int k = i;

		r.leader_epoch = EPOCH - 1 + k % 3, k /= 3;
		r.partition_epoch = VERSION - 1 + k % 3, k /= 3;
		r.recovery = (int8_t)(k % 2), k /= 2;
		r.leader = k % 2 == 0 ? 10 : 11, k /= 2;
		r.twice = k % 2 == 1;
		compare(s, &r);
	}
}

Test(kb_alter, every_state_and_request)
{
	for (int now = 1; now < 1 << N; now++)
		for (int i = 0; i < 1 << (3 * N); i++) {
			struct req r = { .isr = i & 7,
				.assigned = i >> 3 & 7,
				.eligible = i >> 6 };

			each_epoch(&(struct state){ now, 0 }, r);
			each_epoch(&(struct state){ now, 1 }, r);
		}
}

Test(kb_alter, a_restarted_follower_does_not_come_back_unseen)
{
	struct state s = { .isr = 1 };
	struct req r = { .isr = 3,
		.assigned = 7,
		.eligible = 1 | 4, /* 11's epoch is not that of 11 now */
		.leader = 10,
		.leader_epoch = EPOCH,
		.partition_epoch = VERSION };
	bool same;

	cr_assert_eq(run(&s, &r, &same), KP_INELIGIBLE_REPLICA);
	r.eligible = 7;
	cr_assert_eq(run(&s, &r, &same), KP_NONE);
	cr_assert_not(same);
}
