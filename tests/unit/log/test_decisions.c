/* What is decided without any file: epochs, producers, roll, retention. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "kbroker/log/epochs.h"
#include "kbroker/log/policy.h"
#include "kbroker/log/producers.h"
#include "kcommon/base/err.h"

static void
check_end(const struct kb_epochs *ep, int32_t epoch, int32_t want_found,
    int64_t want_end)
{
	int32_t found;
	int64_t end;

	kb_epochs_end(ep, epoch, 100, &found, &end);
	cr_expect_eq(found, want_found, "epoch %d", epoch);
	cr_expect_eq(end, want_end, "epoch %d", epoch);
}

Test(log_epochs, end_of)
{
	struct kb_epochs ep;

	kb_epochs_init(&ep);
	check_end(&ep, -1, -1, -1);
	check_end(&ep, 0, -1, -1);
	cr_assert_eq(kb_epochs_assign(&ep, -1, 0), KC_EINVAL);
	cr_assert_eq(kb_epochs_assign(&ep, 2, 10), KC_OK);
	cr_assert_eq(kb_epochs_assign(&ep, 4, 30), KC_OK);
	cr_assert_eq(kb_epochs_assign(&ep, 7, 60), KC_OK);
	check_end(&ep, -1, -1, -1);
	check_end(&ep, 0, 0, 10); /* older than all */
	check_end(&ep, 2, 2, 30);
	check_end(&ep, 3, 2, 30);
	check_end(&ep, 4, 4, 60);
	check_end(&ep, 6, 4, 60);
	check_end(&ep, 7, 7, 100); /* the latest ends with the log */
	check_end(&ep, 8, -1, -1); /* newer than all */
	cr_assert_eq(kb_epochs_at(&ep, 9), -1);
	cr_assert_eq(kb_epochs_at(&ep, 10), 2);
	cr_assert_eq(kb_epochs_at(&ep, 59), 4);
	kb_epochs_fini(&ep);
}

Test(log_epochs, assign_keeps_both_rising)
{
	struct kb_epochs ep;

	kb_epochs_init(&ep);
	cr_assert_eq(kb_epochs_assign(&ep, 2, 10), KC_OK);
	ep.dirty = false;
	cr_assert_eq(kb_epochs_assign(&ep, 2, 20), KC_OK); /* the same */
	cr_assert_not(ep.dirty);
	/* Two elections without a record between. */
	cr_assert_eq(kb_epochs_assign(&ep, 3, 20), KC_OK);
	cr_assert_eq(kb_epochs_assign(&ep, 4, 20), KC_OK);
	cr_assert_eq(ep.n, 2);
	cr_assert_eq(ep.v[1].epoch, 4);
	/* An entry that contradicts the tail replaces it. */
	cr_assert_eq(kb_epochs_assign(&ep, 3, 15), KC_OK);
	cr_assert_eq(ep.n, 2);
	cr_assert_eq(ep.v[1].epoch, 3);
	cr_assert_eq(ep.v[1].start, 15);
	kb_epochs_fini(&ep);
}

Test(log_epochs, cuts)
{
	struct kb_epochs ep;

	kb_epochs_init(&ep);
	kb_epochs_cut_start(&ep, 5);
	kb_epochs_cut_end(&ep, 5);
	cr_assert_eq(ep.n, 0);
	cr_assert_eq(kb_epochs_assign(&ep, 0, 0), KC_OK);
	cr_assert_eq(kb_epochs_assign(&ep, 1, 10), KC_OK);
	cr_assert_eq(kb_epochs_assign(&ep, 2, 20), KC_OK);
	ep.dirty = false;
	kb_epochs_cut_start(&ep, 0);
	cr_assert_not(ep.dirty);
	kb_epochs_cut_start(&ep, 15); /* epoch 1 begins at 15 now */
	cr_assert_eq(ep.n, 2);
	cr_assert_eq(ep.v[0].epoch, 1);
	cr_assert_eq(ep.v[0].start, 15);
	kb_epochs_cut_end(&ep, 20);
	cr_assert_eq(ep.n, 1);
	kb_epochs_cut_end(&ep, 15);
	cr_assert_eq(ep.n, 0);
	kb_epochs_fini(&ep);
}

/* One question about a producer, and the answer. */
struct ask_case {
	const char *what;
	int16_t epoch; /* of the state; -2: no state at all */
	int32_t last_seq; /* -1: no batch kept */
	int64_t txn_first;
	int16_t ask_epoch;
	int32_t ask_first;
	bool ask_txn;
	enum kb_append_origin origin;
	enum kb_verdict want;
};

#define CL KB_APPEND_CLIENT
#define RE KB_APPEND_REPLICA
#define CO KB_APPEND_COORDINATOR
#define MAX INT32_MAX

static const struct ask_case cases[] = {
	{ "unknown, any first", -2, -1, -1, 0, 55, false, CL, KB_VERDICT_OK },
	{ "epoch unknown", -1, -1, -1, 3, 55, false, CL, KB_VERDICT_OK },
	{ "next", 0, 9, -1, 0, 10, false, CL, KB_VERDICT_OK },
	{ "gap", 0, 9, -1, 0, 11, false, CL, KB_VERDICT_SEQUENCE },
	{ "again, but longer ago", 0, 9, -1, 0, 3, false, CL,
	    KB_VERDICT_SEQUENCE },
	{ "wrap", 0, MAX, -1, 0, 0, false, CL, KB_VERDICT_OK },
	{ "no wrap at MAX - 1", 0, MAX - 1, -1, 0, 0, false, CL,
	    KB_VERDICT_SEQUENCE },
	{ "no batch kept, 0", 0, -1, -1, 0, 0, false, CL, KB_VERDICT_OK },
	{ "no batch kept, 1", 0, -1, -1, 0, 1, false, CL, KB_VERDICT_SEQUENCE },
	{ "new epoch, 0", 0, 9, -1, 1, 0, false, CL, KB_VERDICT_OK },
	{ "new epoch, 10", 0, 9, -1, 1, 10, false, CL, KB_VERDICT_SEQUENCE },
	{ "old epoch", 1, 9, -1, 0, 10, false, CL, KB_VERDICT_EPOCH },
	{ "old epoch, coordinator", 1, 9, -1, 0, 10, false, CO,
	    KB_VERDICT_EPOCH },
	{ "old epoch, replica", 1, 9, -1, 0, 10, false, RE, KB_VERDICT_OK },
	{ "gap, replica", 0, 9, -1, 0, 99, false, RE, KB_VERDICT_OK },
	{ "gap, coordinator", 0, 9, -1, 0, 99, false, CO, KB_VERDICT_OK },
	{ "plain in a transaction", 0, 9, 5, 0, 10, false, CL,
	    KB_VERDICT_TXN_STATE },
	{ "transaction goes on", 0, 9, 5, 0, 10, true, CL, KB_VERDICT_OK },
};

Test(log_producers, judge)
{
	const struct kb_producer_batch *dup;
	struct kb_producer p;
	size_t i;

	for (i = 0; i < KC_COUNT(cases); i++) {
		const struct ask_case *c = &cases[i];
		struct kb_producer_ask ask = { .id = 1,
			.epoch = c->ask_epoch,
			.first_seq = c->ask_first,
			.last_seq = c->ask_first,
			.txn = c->ask_txn,
			.origin = c->origin };

		memset(&p, 0, sizeof p);
		p.epoch = c->epoch;
		p.txn_first = c->txn_first;
		p.nbatches = c->last_seq >= 0;
		p.batch[0].last_seq = c->last_seq;
		dup = NULL;
		cr_expect_eq(kb_producer_judge(
				 c->epoch == -2 ? NULL : &p, NULL, &ask, &dup),
		    c->want, "%s", c->what);
		cr_expect_null(dup, "%s", c->what);
	}
}

Test(log_producers, duplicates)
{
	const struct kb_producer_batch *dup = NULL;
	struct kb_producer p = { .epoch = 3, .txn_first = -1, .nbatches = 2 };
	struct kb_producer_ask ask = { .epoch = 3, .origin = CL };

	p.batch[0] = (struct kb_producer_batch){ MAX - 1, 4, 50, 7 };
	/* Wrapped: MAX, 0, 1. */
	p.batch[1] = (struct kb_producer_batch){ 1, 2, 53, 8 };
	ask.first_seq = MAX - 5;
	ask.last_seq = MAX - 1;
	cr_assert_eq(
	    kb_producer_judge(&p, NULL, &ask, &dup), KB_VERDICT_DUPLICATE);
	cr_assert_eq(dup, &p.batch[0]);
	ask.first_seq = MAX;
	ask.last_seq = 1;
	cr_assert_eq(
	    kb_producer_judge(&p, NULL, &ask, &dup), KB_VERDICT_DUPLICATE);
	cr_assert_eq(dup, &p.batch[1]);
	/* A part of it is none, nor is one of another epoch. */
	ask.first_seq = 0;
	cr_assert_eq(
	    kb_producer_judge(&p, NULL, &ask, &dup), KB_VERDICT_SEQUENCE);
	ask.first_seq = MAX;
	ask.epoch = 4;
	cr_assert_eq(
	    kb_producer_judge(&p, NULL, &ask, &dup), KB_VERDICT_SEQUENCE);
}

Test(log_producers, verification)
{
	struct kb_producer_ask ask = {
		.id = 9, .txn = true, .verify = true, .origin = CL
	};
	const struct kb_producer_batch *dup = NULL;
	struct kb_producers ps;
	uint64_t guard;

	kb_producers_init(&ps);
	cr_assert_eq(
	    kb_producer_judge(NULL, NULL, &ask, &dup), KB_VERDICT_TXN_STATE);
	cr_assert_eq(kb_producers_verify(&ps, 9, 0, 4, 0, &guard), KC_OK);
	cr_assert_neq(guard, 0);
	ask.guard = guard + 1;
	cr_assert_eq(
	    kb_producer_judge(NULL, kb_producers_verifying(&ps, 9), &ask, &dup),
	    KB_VERDICT_TXN_STATE);
	ask.guard = guard;
	cr_assert_eq(
	    kb_producer_judge(NULL, kb_producers_verifying(&ps, 9), &ask, &dup),
	    KB_VERDICT_OK);
	ask.first_seq = 5; /* a later one overtakes the one that asked */
	cr_assert_eq(
	    kb_producer_judge(NULL, kb_producers_verifying(&ps, 9), &ask, &dup),
	    KB_VERDICT_SEQUENCE);
	kb_producers_expire(&ps, 1000, 1000);
	cr_assert_null(kb_producers_verifying(&ps, 9));
	kb_producers_fini(&ps);
}

static void
data(struct kb_producers *ps, int64_t id, int64_t first, bool txn)
{
	struct kb_producer_data d = { .id = id,
		.last_seq = 0,
		.first_offset = first,
		.last_offset = first,
		.timestamp = first,
		.txn = txn };

	cr_assert_eq(kb_producers_reserve(ps, id), KC_OK);
	kb_producers_data(ps, &d);
}

static void
end(struct kb_producers *ps, int64_t id, int64_t offset, int64_t want_lso)
{
	struct kb_producer_marker m = { .id = id, .offset = offset };
	struct kb_aborted_txn a;

	cr_assert_eq(kb_producers_reserve(ps, id), KC_OK);
	cr_assert(kb_producers_would_end(ps, &m, &a));
	cr_assert_eq(a.lso, want_lso);
	kb_producers_marker(ps, &m);
}

Test(log_producers, first_unstable)
{
	struct kb_producers ps;

	kb_producers_init(&ps);
	cr_assert_eq(kb_producers_first_unstable(&ps), -1);
	data(&ps, 1, 10, true);
	data(&ps, 2, 20, true);
	data(&ps, 3, 25, false);
	cr_assert_eq(kb_producers_first_unstable(&ps), 10);
	end(&ps, 1, 30, 20);
	/* Ended, but not replicated. */
	cr_assert_eq(kb_producers_first_unstable(&ps), 10);
	kb_producers_hw(&ps, 30);
	cr_assert_eq(kb_producers_first_unstable(&ps), 10);
	kb_producers_hw(&ps, 31);
	cr_assert_eq(kb_producers_first_unstable(&ps), 20);
	end(&ps, 2, 40, 41);
	kb_producers_start(&ps, 41);
	cr_assert_eq(kb_producers_first_unstable(&ps), -1);
	cr_assert_eq(ps.end, 41);
	kb_producers_fini(&ps);
}

Test(log_producers, expiry_spares_open_transactions)
{
	struct kb_producers ps;

	kb_producers_init(&ps);
	data(&ps, 1, 10, true);
	data(&ps, 2, 10, false);
	data(&ps, 3, 11, false);
	kb_producers_expire(&ps, 110, 100);
	cr_assert_not_null(kb_producers_find(&ps, 1));
	cr_assert_null(kb_producers_find(&ps, 2));
	cr_assert_not_null(kb_producers_find(&ps, 3));
	kb_producers_fini(&ps);
}

Test(log_policy, roll)
{
	struct kb_log_config cfg = kb_log_config_default;
	struct kb_roll r = { .cfg = &cfg,
		.base = 100,
		.size = 1000,
		.first_ts = 5000,
		.len = 100,
		.max_ts = 5000,
		.last_offset = 200 };
	struct kb_roll t;

	cfg.segment_bytes = 1100;
	cfg.segment_ms = 1000;
	cr_assert_not(kb_policy_roll(&r));
	t = r, t.len = 101;
	cr_assert(kb_policy_roll(&t), "by size");
	t.size = 0;
	cr_assert_not(kb_policy_roll(&t), "an empty one takes anything");
	t = r, t.max_ts = 6000;
	cr_assert_not(kb_policy_roll(&t), "just in time");
	t.max_ts = 6001;
	cr_assert(kb_policy_roll(&t), "by time");
	t = r, t.max_ts = 6000, t.jitter_ms = 1;
	cr_assert(kb_policy_roll(&t), "by time and jitter");
	t = r, t.first_ts = -1, t.created_ms = 0, t.now_ms = 1001;
	cr_assert(kb_policy_roll(&t), "by age, without timestamps");
	t = r, cfg.compact = true, cfg.max_compaction_lag_ms = 10;
	t.max_ts = 5011;
	cr_assert(kb_policy_roll(&t), "by compaction lag");
	cfg.compact = false;
	t = r, t.last_offset = 100 + (int64_t)INT32_MAX;
	cr_assert_not(kb_policy_roll(&t));
	t.last_offset++;
	cr_assert(kb_policy_roll(&t), "by offset");
	t.size = 0;
	cr_assert(kb_policy_roll(&t), "by offset, even empty");
	t = r, cfg.segment_index_bytes = 80, t.nindex = 9, t.ntime = 4;
	cr_assert_not(kb_policy_roll(&t));
	t.nindex = 10;
	cr_assert(kb_policy_roll(&t), "by offset index");
	t.nindex = 0, t.ntime = 5;
	cr_assert(kb_policy_roll(&t), "by time index");
}

Test(log_policy, retention)
{
	struct kb_log_config cfg = kb_log_config_default;
	struct kb_retain_seg seg[] = { { 0, 100, 10 }, { 10, 100, 20 },
		{ 20, 100, 15 }, { 30, 100, 40 } };
	struct kb_retain r = { .cfg = &cfg,
		.seg = seg,
		.n = 4,
		.hw = 40,
		.end = 40,
		.now_ms = 100 };

	cfg.retention_ms = -1;
	cfg.retention_bytes = -1;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_START), 0);
	r.start = 20;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_START), 2);
	r.start = 40;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_START), 3);
	r.start = 0;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_TIME), 0);
	cfg.retention_ms = 80;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_TIME), 1);
	cfg.retention_ms = 79; /* the second is old enough, the third too */
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_TIME), 3);
	cfg.retention_ms = 0;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_TIME), 4);
	r.hw = 39; /* the active one is not all replicated */
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_TIME), 3);
	r.hw = 19;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_TIME), 1);
	r.hw = 40;
	seg[3].size = 0;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_TIME), 3);
	seg[3].size = 100;
	cfg.retention_bytes = 401;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_SIZE), 0);
	cfg.retention_bytes = 301;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_SIZE), 0);
	cfg.retention_bytes = 300;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_SIZE), 1);
	cfg.retention_bytes = 150;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_SIZE), 2);
	cfg.del = false;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_SIZE), 0);
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_TIME), 0);
	r.start = 10;
	cr_assert_eq(kb_policy_retain(&r, KB_RETAIN_START), 1);
}
