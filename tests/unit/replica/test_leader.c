/*
 * A partition that leads followers, and one that follows: what their fetches
 * and the controller's answers do to the ISR and the high watermark, and what
 * may be done to a follower's log.
 */
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "tests/unit/replica/world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define TS 1700000000000

static const int32_t me[] = { 1 }, both[] = { 1, 2 }, three[] = { 1, 2, 3 };

static struct kt_hosts h;
static struct kb_partition *p;

static void
setup(void)
{
	p = NULL;
	kt_hosts_open(&h);
	kt_alive(&h, three, 3);
}

static void
teardown(void)
{
	kb_partition_put(&p);
	kt_hosts_close(&h);
}

TestSuite(kb_leader, .init = setup, .fini = teardown);

static void
lead(int32_t epoch, const int32_t *isr, int32_t nisr, int32_t nreplicas)
{
	struct kb_leader_state st =
	    kt_state(KT_ME, epoch, isr, nisr, nreplicas);

	cr_assert_eq(kb_partition_make_leader(p, &st), KC_OK);
}

static void
follow(int32_t epoch)
{
	struct kb_leader_state st = kt_state(2, epoch, both, 2, 2);

	cr_assert_eq(kb_partition_make_follower(p, &st), KC_OK);
}

/* A follower's fetch; the high watermark that it is told. */
static int64_t
fetch_as(int32_t id, int64_t offset, int64_t broker_epoch, bool note)
{
	struct kb_partition_read r = {
		.rd = { .offset = offset,
		    .max_bytes = 100000,
		    .min_one = true,
		    .isolation = KB_READ_END },
		.leader_epoch = -1,
		.last_fetched_epoch = -1,
		.replica_id = id,
		.note = note,
		.broker_epoch = broker_epoch,
	};
	int16_t code = kb_partition_read(p, &r);
	int64_t hw = r.slice.hw;

	cr_assert_eq(code, KP_NONE, "%s", kp_error_name(code));
	kb_log_slice_fini(&r.slice);
	return hw;
}

static void
fetch(int32_t id, int64_t offset)
{
	(void)fetch_as(id, offset, -1, true);
}

Test(kb_leader, fetches_move_the_high_watermark)
{
	p = kt_partition(&h, "");
	lead(1, three, 3, 3);
	kt_produce_ok(p, 5, TS);
	fetch(2, 5);
	cr_assert_eq(kb_log_hw(p->log), 0, "the third has not fetched yet");
	fetch(3, 3);
	cr_assert_eq(kb_log_hw(p->log), 3);
	cr_assert_eq(kb_partition_ack(p, 5, 1), KB_PARTITION_PENDING);
	(void)fetch_as(3, 5, -1, false);
	cr_assert_eq(kb_log_hw(p->log), 3, "a second look is no fetch");
	cr_assert_eq(fetch_as(3, 5, -1, true), 5, "told at once");
	cr_assert_eq(kb_partition_ack(p, 5, 1), KP_NONE);
	/* It does not go back with a follower that begins anew. */
	fetch(3, 0);
	cr_assert_eq(kb_log_hw(p->log), 5);
}

/* LE-3: who has another history is not as far as it says. */
Test(kb_leader, a_diverging_fetch_says_nothing)
{
	struct kb_partition_read r = {
		.rd = { .offset = 3, .max_bytes = 1000 },
		.leader_epoch = -1,
		.last_fetched_epoch = 0,
		.replica_id = 2,
		.note = true,
	};

	p = kt_partition(&h, "");
	lead(1, both, 2, 2);
	kt_produce_ok(p, 3, TS);
	r.rd.isolation = KB_READ_END;
	cr_assert_eq(kb_partition_read(p, &r), KP_NONE);
	cr_assert_geq(r.diverging_epoch, 0);
	cr_assert_eq(kb_log_hw(p->log), 0);
	cr_assert_eq(p->remotes[0].end, -1);
	kb_log_slice_fini(&r.slice);
}

Test(kb_leader, a_new_term_knows_nothing_of_the_followers)
{
	p = kt_partition(&h, "");
	lead(1, both, 2, 2);
	kt_produce_ok(p, 3, TS);
	fetch(2, 3);
	cr_assert_eq(kb_log_hw(p->log), 3);
	kt_produce_ok(p, 1, TS);
	fetch(2, 4);
	follow(2);
	lead(3, both, 2, 2);
	cr_assert_eq(p->remotes[0].end, -1);
	kt_produce_ok(p, 1, TS);
	cr_assert_eq(kb_log_hw(p->log), 4);
}

/* --- the controller's word ------------------------------------------------ */

static bool
answer(int16_t code, const int32_t *isr, int32_t n, int32_t partition_epoch)
{
	struct kb_isr_ask ask;
	struct kb_isr_answer a = { .leader = KT_ME,
		.leader_epoch = p->leader_epoch,
		.partition_epoch = partition_epoch,
		.isr = isr,
		.nisr = n };
	bool again;

	cr_assert_eq(kb_partition_isr_ask(p, &ask), KC_OK);
	again = kb_partition_isr_answered(p, &ask, code, &a);
	kb_isr_ask_fini(&ask);
	return again;
}

Test(kb_leader, asks_a_follower_in)
{
	struct kb_isr_ask ask;

	p = kt_partition(&h, "");
	lead(1, me, 1, 2);
	kt_produce_ok(p, 3, TS);
	cr_assert_eq(kb_log_hw(p->log), 3);
	cr_assert_eq(kb_partition_isr_ask(p, &ask), KC_ENOENT);
	(void)fetch_as(2, 2, 77, true);
	cr_assert_eq(h.altered, 0, "below the high watermark");
	(void)fetch_as(2, 3, 77, true);
	cr_assert_eq(h.altered, 1);
	(void)fetch_as(2, 3, 77, true);
	cr_assert_eq(h.altered, 1, "once");
	cr_assert_eq(kb_partition_isr_ask(p, &ask), KC_OK);
	cr_assert(ask.n == 2 && ask.v[0].id == 1 && ask.v[1].id == 2);
	cr_assert_eq(ask.v[1].broker_epoch, 77, "of the life that was seen");
	cr_assert(ask.leader_epoch == 1 && ask.partition_epoch == 1);
	kb_isr_ask_fini(&ask);
	/* From now on it counts, though not yet for what is asked of acks. */
	kt_produce_ok(p, 1, TS);
	cr_assert_eq(kb_log_hw(p->log), 3);
	cr_assert_not(answer(KP_NONE, both, 2, 2));
	cr_assert(kb_isr_has(&p->isr, 2));
	cr_assert_eq(p->partition_epoch, 2);
	cr_assert_eq(kb_log_hw(p->log), 3);
	fetch(2, 4);
	cr_assert_eq(kb_log_hw(p->log), 4);
}

/* The controller knows that life to be over (KIP-903). */
Test(kb_leader, an_ineligible_follower_stays_out)
{
	p = kt_partition(&h, "");
	lead(1, me, 1, 2);
	(void)fetch_as(2, 0, 77, true);
	cr_assert_eq(h.altered, 1);
	cr_assert_not(answer(KP_INELIGIBLE_REPLICA, NULL, 0, 0));
	cr_assert_eq(p->isr.change, KB_ISR_STABLE);
	cr_assert_eq(p->isr.n, 1);
	(void)fetch_as(2, 0, 76, true);
	cr_assert_eq(h.altered, 1, "the old life is not heard any more");
	(void)fetch_as(2, 0, 78, true);
	cr_assert_eq(h.altered, 2);
}

Test(kb_leader, other_refusals)
{
	static const int16_t wait[] = { KP_FENCED_LEADER_EPOCH,
		KP_INVALID_UPDATE_VERSION, KP_INVALID_REQUEST,
		KP_UNKNOWN_TOPIC_OR_PARTITION };

	p = kt_partition(&h, "");
	lead(1, me, 1, 2);
	fetch(2, 0);
	cr_assert(answer(KP_UNKNOWN_SERVER_ERROR, NULL, 0, 0), "ask again");
	for (size_t i = 0; i < KC_COUNT(wait); i++) {
		cr_assert_not(answer(wait[i], NULL, 0, 0));
		cr_assert_eq(p->isr.change, KB_ISR_EXPANDING, "%zu", i);
	}
	/* An answer of another term, or an older one, changes nothing. */
	cr_assert_not(answer(KP_NONE, both, 2, 0));
	cr_assert_eq(p->isr.n, 1);
	lead(2, me, 1, 2);
	cr_assert_eq(p->isr.change, KB_ISR_STABLE, "LeaderAndIsr settles it");
}

Test(kb_leader, a_late_answer_is_dropped)
{
	struct kb_isr_answer a = { .leader = KT_ME,
		.leader_epoch = 1,
		.partition_epoch = 9,
		.isr = both,
		.nisr = 2 };
	struct kb_isr_ask ask;

	p = kt_partition(&h, "");
	lead(1, me, 1, 2);
	fetch(2, 0);
	cr_assert_eq(kb_partition_isr_ask(p, &ask), KC_OK);
	lead(2, me, 1, 2);
	cr_assert_not(kb_partition_isr_answered(p, &ask, KP_NONE, &a));
	cr_assert_eq(p->isr.n, 1);
	follow(3);
	cr_assert_not(kb_partition_isr_answered(p, &ask, KP_NONE, &a));
	kb_isr_ask_fini(&ask);
}

Test(kb_leader, asks_out_who_lags)
{
	p = kt_partition(&h, "");
	lead(1, three, 3, 3);
	kt_produce_ok(p, 3, TS);
	fetch(2, 3);
	kb_partition_isr_check(p);
	cr_assert_eq(h.altered, 0);
	h.w.mono_ns += 30001 * (int64_t)1000000;
	fetch(2, 3);
	kb_partition_isr_check(p);
	cr_assert_eq(h.altered, 1);
	cr_assert_eq(p->isr.change, KB_ISR_SHRINKING);
	cr_assert_eq(kb_log_hw(p->log), 0, "not before it is settled");
	cr_assert_not(answer(KP_NONE, both, 2, 2));
	cr_assert_eq(kb_log_hw(p->log), 3);
}

/* --- following ------------------------------------------------------------ */

/* Batches as a leader of an epoch would have them at an offset. */
static int
copy_of(int32_t batch_epoch, int32_t epoch, int64_t at, int64_t base, int n,
    int64_t hw, int64_t start)
{
	struct kt_batch b = { .base_offset = base,
		.n = n,
		.value = 10,
		.timestamp = TS,
		.leader_epoch = batch_epoch };
	struct kb_partition_copy c = {
		.leader_epoch = epoch, .offset = at, .hw = hw, .start = start
	};
	struct kc_wr w;
	int rc;

	kc_wr_init(&w, 0);
	if (n > 0)
		kt_batch(&w, &b);
	c.p = w.p;
	c.len = w.len;
	rc = kb_partition_copy(p, &c);
	kc_wr_fini(&w);
	return rc;
}

static int
copy(int32_t epoch, int64_t at, int64_t base, int n, int64_t hw, int64_t start)
{
	return copy_of(epoch, epoch, at, base, n, hw, start);
}

/* Bytes that another leader wrote meanwhile where ours was read from. */
Test(kb_leader, nothing_of_a_later_epoch_is_copied)
{
	p = kt_partition(&h, "");
	follow(2);
	cr_assert_eq(copy_of(1, 2, 0, 0, 3, 0, 0), KC_OK);
	cr_assert_eq(copy_of(3, 2, 3, 3, 2, 3, 0), KC_OK);
	cr_assert_eq(kb_log_end(p->log), 3);
	cr_assert_eq(kb_log_latest_epoch(p->log), 1);
	cr_assert_eq(copy_of(2, 2, 3, 3, 2, 3, 0), KC_OK);
	cr_assert_eq(kb_log_end(p->log), 5);
}

Test(kb_leader, only_a_follower_of_that_epoch_copies)
{
	p = kt_partition(&h, "");
	lead(1, me, 1, 2);
	cr_assert_eq(copy(1, 0, 0, 1, 0, 0), KC_EFENCED);
	follow(2);
	cr_assert_eq(copy(1, 0, 0, 1, 0, 0), KC_EFENCED);
	cr_assert_eq(copy(3, 0, 0, 1, 0, 0), KC_EFENCED);
	cr_assert_eq(copy(2, 1, 1, 1, 0, 0), KC_EFENCED, "not where it ends");
	cr_assert_eq(kb_partition_truncate(p, 1, 0), KC_EFENCED);
	cr_assert_eq(kb_partition_restart(p, 1, 9), KC_EFENCED);
	cr_assert_eq(kb_partition_diverged(p, 3, 0, 0), KC_EFENCED);
	kb_partition_stop(p);
	cr_assert_eq(copy(2, 0, 0, 1, 0, 0), KC_EFENCED);
	cr_assert_eq(kb_log_end(p->log), 0);
}

Test(kb_leader, copies_records_high_watermark_and_start)
{
	p = kt_partition(&h, "");
	follow(2);
	cr_assert_eq(copy(2, 0, 0, 5, 3, 0), KC_OK);
	cr_assert_eq(kb_log_end(p->log), 5);
	cr_assert_eq(kb_log_hw(p->log), 3);
	cr_assert_eq(copy(2, 5, 5, 2, 99, 2), KC_OK);
	cr_assert_eq(kb_log_hw(p->log), 7, "not above its own end (HW-4)");
	cr_assert_eq(kb_log_start(p->log), 2);
	cr_assert_eq(copy(2, 7, 0, 0, 7, 1), KC_OK, "news without records");
	cr_assert_eq(kb_log_start(p->log), 2, "the start only grows");
}

/* The leader's first batch reaches below the log start that it told. */
Test(kb_leader, an_empty_log_takes_a_batch_that_begins_below)
{
	p = kt_partition(&h, "");
	follow(2);
	cr_assert_eq(kb_partition_restart(p, 2, 3), KC_OK);
	cr_assert_eq(copy(2, 3, 1, 5, 6, 3), KC_OK);
	cr_assert_eq(kb_log_end(p->log), 6);
	cr_assert_eq(kb_log_start(p->log), 3);
	/* Never where there are records already. */
	cr_assert_eq(copy(2, 6, 5, 3, 6, 3), KC_ERANGE);
}

Test(kb_leader, diverged_by_epochs)
{
	p = kt_partition(&h, "");
	lead(1, both, 2, 2);
	kt_produce_ok(p, 5, TS);
	follow(3);
	cr_assert_eq(kb_partition_diverged(p, 3, 1, 2), KC_OK);
	cr_assert_eq(kb_log_end(p->log), 2);
	cr_assert_eq(copy(3, 2, 2, 2, 4, 0), KC_OK);
	cr_assert_eq(kb_log_latest_epoch(p->log), 3);
}

/* One that led and wrote nothing has an epoch that nobody else knows. */
Test(kb_leader, an_epoch_without_records_goes)
{
	p = kt_partition(&h, "");
	lead(1, both, 2, 2);
	kt_produce_ok(p, 5, TS);
	lead(4, both, 2, 2);
	cr_assert_eq(kb_log_latest_epoch(p->log), 4);
	follow(5);
	cr_assert_eq(kb_partition_diverged(p, 5, 1, 9), KC_OK);
	cr_assert_eq(kb_log_end(p->log), 5, "all of epoch 1 stays");
	cr_assert_eq(kb_log_latest_epoch(p->log), 1);
}
