/*
 * A partition over a real log: who may append and read, what moves the high
 * watermark, and which code everybody else gets.
 */
#include "kcommon/proto/error.h"
#include "kcommon/record/batch.h"
#include "tests/unit/replica/world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define TS 1700000000000

static const int32_t me[] = { KT_ME }, both[] = { KT_ME, 2 };

static struct kt_hosts h;
static struct kb_partition *p;

static void
setup(void)
{
	p = NULL;
	kt_hosts_open(&h);
}

static void
teardown(void)
{
	kb_partition_put(&p);
	kt_hosts_close(&h);
}

TestSuite(kb_partition, .init = setup, .fini = teardown);

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

static int16_t
read_at(struct kb_partition_read *r, int64_t offset,
    enum kb_isolation isolation, int32_t epoch)
{
	*r = (struct kb_partition_read){
		.rd = { .offset = offset,
		    .max_bytes = 100000,
		    .min_one = true,
		    .isolation = isolation },
		.leader_epoch = epoch,
		.last_fetched_epoch = -1,
		.replica_id = -1,
	};
	return kb_partition_read(p, r);
}

/* Just the code, and how far the slice goes. */
static int16_t
read_to(int64_t offset, enum kb_isolation isolation, int64_t *end)
{
	struct kb_partition_read r;
	int16_t code = read_at(&r, offset, isolation, -1);

	*end = r.slice.len > 0 ? r.slice.end_offset : -1;
	kb_log_slice_fini(&r.slice);
	return code;
}

static int16_t
list(int64_t timestamp, enum kb_isolation isolation, bool consumer,
    int32_t epoch, struct kb_log_at *at)
{
	struct kb_partition_list l = { .timestamp = timestamp,
		.isolation = isolation,
		.consumer = consumer,
		.leader_epoch = epoch };
	int16_t code = kb_partition_list(p, &l);

	*at = l.at;
	return code;
}

/* Every call gives code, and none of them changes the log. */
static void
expect_all(int16_t code)
{
	struct kt_batch b = { .n = 1, .value = 3, .timestamp = TS };
	struct kb_partition_rules rules;
	struct kb_append a = { 0 };
	int64_t offsets[4], required, end;
	int64_t before = kb_log_end(p->log);
	struct kb_log_at at;
	int32_t n, found;

	cr_expect_eq(kb_partition_rules(p, &rules), code);
	cr_expect_eq(kt_produce(p, &b, 1, &a, &required), code);
	cr_expect_eq(a.first_offset, -1);
	cr_expect_eq(kt_produce(p, &b, -1, &a, &required), code);
	cr_expect_eq(kb_partition_ack(p, 0, 0), code);
	cr_expect_eq(read_to(0, KB_READ_HW, &end), code);
	cr_expect_eq(list(KB_LIST_LATEST, KB_READ_HW, true, -1, &at), code);
	cr_expect_eq(list(TS, KB_READ_HW, true, -1, &at), code);
	cr_expect_eq(kb_partition_list_v0(p, -1, 3, true, offsets, &n), code);
	cr_expect_eq(kb_partition_epoch_end(p, -1, 0, &found, &end), code);
	cr_expect_eq(kb_log_end(p->log), before);
}

/* --- who is refused ------------------------------------------------------ */

Test(kb_partition, nobody_has_spoken_of_it)
{
	struct kb_partition_read r;

	p = kt_partition(&h, "");
	expect_all(KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_eq(read_at(&r, 0, KB_READ_HW, 0), KP_UNKNOWN_LEADER_EPOCH);
	cr_assert_eq(r.current_leader, -1);
	cr_assert_eq(r.current_epoch, -1);
}

Test(kb_partition, a_follower)
{
	struct kb_partition_read r;

	p = kt_partition(&h, "");
	follow(3);
	expect_all(KP_NOT_LEADER_OR_FOLLOWER);
	/* The epoch is looked at first, and the answer names the leader. */
	cr_assert_eq(read_at(&r, 0, KB_READ_HW, 2), KP_FENCED_LEADER_EPOCH);
	cr_assert_eq(read_at(&r, 0, KB_READ_HW, 4), KP_UNKNOWN_LEADER_EPOCH);
	cr_assert_eq(read_at(&r, 0, KB_READ_HW, 3), KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_eq(r.current_leader, 2);
	cr_assert_eq(r.current_epoch, 3);
}

Test(kb_partition, epochs_of_askers)
{
	static const struct {
		int32_t epoch;
		int16_t code;
	} asks[] = { { INT32_MAX, KP_UNKNOWN_LEADER_EPOCH },
		{ 6, KP_UNKNOWN_LEADER_EPOCH }, { 4, KP_FENCED_LEADER_EPOCH },
		{ 0, KP_FENCED_LEADER_EPOCH }, { 5, KP_NONE },
		{ -1, KP_NONE } };
	struct kb_partition_read r;
	struct kb_log_at at;
	int32_t found;
	int64_t end;

	p = kt_partition(&h, "");
	lead(5, me, 1, 1);
	for (size_t i = 0; i < KC_COUNT(asks); i++) {
		int32_t e = asks[i].epoch;

		cr_expect_eq(
		    read_at(&r, 0, KB_READ_HW, e), asks[i].code, "%d", e);
		cr_expect_eq(r.current_leader, KT_ME);
		cr_expect_eq(r.current_epoch, 5);
		kb_log_slice_fini(&r.slice);
		cr_expect_eq(list(KB_LIST_EARLIEST, KB_READ_HW, true, e, &at),
		    asks[i].code, "%d", e);
		cr_expect_eq(kb_partition_epoch_end(p, e, 5, &found, &end),
		    asks[i].code, "%d", e);
	}
}

struct heard {
	struct kb_waiter w;
	int n;
};

static void
hear(struct kb_waiter *w)
{
	KC_CONTAINER(w, struct heard, w)->n++;
}

static void
listen_to(struct heard *w)
{
	*w = (struct heard){ .w = { .wake = hear } };
	kc_lock_take(&p->lock);
	kb_waitlist_add(&p->waiters, &w->w);
	kc_lock_drop(&p->lock);
}

static void
leave(struct heard *w)
{
	kc_lock_take(&p->lock);
	kb_waitlist_remove(&p->waiters, &w->w);
	kc_lock_drop(&p->lock);
}

Test(kb_partition, stopped)
{
	struct heard w;

	p = kt_partition(&h, "");
	lead(1, me, 1, 1);
	kt_produce_ok(p, 3, TS);
	listen_to(&w);
	kb_partition_stop(p);
	cr_assert_eq(w.n, 1);
	expect_all(KP_NOT_LEADER_OR_FOLLOWER);
	/* A log that is deleted is offline, but not for who asks here. */
	cr_assert_eq(kb_log_dirs_delete(h.dirs, "t", 0), KC_OK);
	cr_assert(kb_log_offline(p->log));
	expect_all(KP_NOT_LEADER_OR_FOLLOWER);
	leave(&w);
}

Test(kb_partition, its_dir_is_offline)
{
	p = kt_partition(&h, "");
	lead(1, me, 1, 1);
	kt_produce_ok(p, 3, TS);
	atomic_store(&p->log->host->offline, true);
	expect_all(KP_KAFKA_STORAGE_ERROR);
	atomic_store(&p->log->host->offline, false);
}

/* --- appending ----------------------------------------------------------- */

Test(kb_partition, appends_as_leader)
{
	struct kt_batch b = { .n = 3, .value = 10, .timestamp = TS };
	struct kb_append a = { 0 };
	struct kb_partition_read r;
	struct kc_batch head;
	struct heard w;
	int64_t required = -1;
	uint8_t raw[200];
	size_t n;

	p = kt_partition(&h, "");
	lead(4, me, 1, 1);
	kt_produce_ok(p, 2, TS);
	listen_to(&w);
	cr_assert_eq(kt_produce(p, &b, -1, &a, &required), KP_NONE);
	cr_assert_eq(a.first_offset, 2);
	cr_assert_eq(required, 5);
	cr_assert_eq(w.n, 1);
	leave(&w);
	/* Alone in the ISR: it is committed as it is written. */
	cr_assert_eq(kb_log_hw(p->log), 5);
	cr_assert_eq(kb_partition_ack(p, required, 4), KP_NONE);
	cr_assert_eq(read_at(&r, 2, KB_READ_HW, 4), KP_NONE);
	cr_assert_leq((size_t)r.slice.len, sizeof raw);
	cr_assert_eq(h.w.env.file->pread(r.slice.file->fd, raw,
			 (size_t)r.slice.len, r.slice.pos, &n),
	    KC_OK);
	cr_assert_eq(kc_batch_parse(raw, n, &head), KC_OK);
	cr_assert_eq(head.base_offset, 2);
	cr_assert_eq(head.leader_epoch, 4, "the leader's epoch is written");
	kb_log_slice_fini(&r.slice);
}

Test(kb_partition, too_few_in_sync)
{
	struct kt_batch b = { .n = 1, .value = 3, .timestamp = TS };
	struct kb_append a = { 0 };
	int64_t required;

	p = kt_partition(&h, "min.insync.replicas=2\n");
	lead(1, me, 1, 2);
	cr_assert_eq(
	    kt_produce(p, &b, -1, &a, &required), KP_NOT_ENOUGH_REPLICAS);
	cr_assert_eq(kb_log_end(p->log), 0);
	/* acks=1 goes in, but is not shown (HW-3). */
	kt_produce_ok(p, 1, TS);
	cr_assert_eq(kb_log_end(p->log), 1);
	cr_assert_eq(kb_log_hw(p->log), 0);
	lead(2, both, 2, 2);
	cr_assert_eq(kt_produce(p, &b, -1, &a, &required), KP_NONE);
}

/* Kafka 3.9: one replica is all there is, so it is enough. */
Test(kb_partition, more_in_sync_wanted_than_there_are)
{
	struct kt_batch b = { .n = 1, .value = 3, .timestamp = TS };
	struct kb_append a = { 0 };
	int64_t required;

	p = kt_partition(&h, "min.insync.replicas=2\n");
	lead(1, me, 1, 1);
	cr_assert_eq(kt_produce(p, &b, -1, &a, &required), KP_NONE);
	cr_assert_eq(kb_log_hw(p->log), 1);
	cr_assert_eq(kb_partition_ack(p, required, 1), KP_NONE);
}

Test(kb_partition, others_in_sync_hold_the_high_watermark)
{
	struct kt_batch b = { .n = 2, .value = 3, .timestamp = TS };
	struct kb_append a = { 0 };
	int64_t required;

	p = kt_partition(&h, "");
	lead(1, both, 2, 2);
	cr_assert_eq(kt_produce(p, &b, -1, &a, &required), KP_NONE);
	cr_assert_eq(kb_log_hw(p->log), 0);
	cr_assert_eq(kb_partition_ack(p, required, 1), KB_PARTITION_PENDING);
	lead(2, me, 1, 2); /* the controller took the other one out */
	cr_assert_eq(kb_log_hw(p->log), 2);
	cr_assert_eq(kb_partition_ack(p, required, 1), KP_NONE,
	    "the same leader in a later epoch");
}

Test(kb_partition, too_few_in_sync_after_the_append)
{
	struct kt_batch b = { .n = 1, .value = 3, .timestamp = TS };
	struct kb_append a = { 0 };
	int64_t required;

	p = kt_partition(&h, "min.insync.replicas=2\n");
	lead(1, both, 2, 2);
	cr_assert_eq(kt_produce(p, &b, -1, &a, &required), KP_NONE);
	kb_log_set_hw(p->log, 1); /* the follower has it */
	cr_assert_eq(kb_partition_ack(p, required, 1), KP_NONE);
	lead(2, me, 1, 2);
	cr_assert_eq(kb_partition_ack(p, required, 1),
	    KP_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
}

/* What is at that offset now may be somebody else's. */
Test(kb_partition, another_one_led_meanwhile)
{
	p = kt_partition(&h, "");
	lead(1, me, 1, 1);
	kt_produce_ok(p, 1, TS);
	follow(2);
	cr_assert_eq(kb_partition_ack(p, 1, 1), KP_NOT_LEADER_OR_FOLLOWER);
	lead(3, me, 1, 2);
	cr_assert_eq(kb_partition_ack(p, 1, 1), KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_eq(kb_partition_ack(p, 1, 3), KP_NONE);
}

Test(kb_partition, what_producers_state_says)
{
	struct kt_batch b = { .n = 2,
		.value = 3,
		.timestamp = TS,
		.producer_id = 9,
		.epoch = 1 };
	struct kb_append a = { 0 };
	struct heard w;
	int64_t required;

	p = kt_partition(&h, "");
	lead(1, me, 1, 1);
	cr_assert_eq(kt_produce(p, &b, -1, &a, &required), KP_NONE);
	listen_to(&w);
	b.seq = 7;
	cr_assert_eq(kt_produce(p, &b, -1, &a, &required),
	    KP_OUT_OF_ORDER_SEQUENCE_NUMBER);
	b.epoch = 0;
	cr_assert_eq(
	    kt_produce(p, &b, -1, &a, &required), KP_INVALID_PRODUCER_EPOCH);
	b.epoch = 1;
	b.seq = 0; /* again: the first answer once more */
	cr_assert_eq(kt_produce(p, &b, -1, &a, &required), KP_NONE);
	cr_assert_eq(a.first_offset, 0);
	cr_assert_eq(required, 2);
	cr_assert_eq(kb_log_end(p->log), 2);
	cr_assert_eq(w.n, 0, "nothing has moved");
	leave(&w);
}

/* A full disk refuses one append; the log goes on when there is room. */
Test(kb_partition, no_space)
{
	struct kt_batch b = { .n = 1, .value = 3, .timestamp = TS };
	struct kb_append a = { 0 };
	int64_t required;

	p = kt_partition(&h, "");
	lead(1, me, 1, 1);
	kt_faults.allocate_nospc = 1;
	cr_assert_eq(
	    kt_produce(p, &b, -1, &a, &required), KP_KAFKA_STORAGE_ERROR);
	cr_assert_eq(a.first_offset, -1);
	kt_faults.allocate_nospc = 0;
	cr_assert_eq(kt_produce(p, &b, -1, &a, &required), KP_NONE);
}

/* --- roles --------------------------------------------------------------- */

Test(kb_partition, older_news_are_ignored)
{
	struct kb_leader_state st = kt_state(2, 9, both, 2, 2);

	p = kt_partition(&h, "");
	lead(3, me, 1, 1);
	st.partition_epoch = 2; /* below ours, whatever else it says (PE-3) */
	cr_assert_eq(kb_partition_make_follower(p, &st), KC_OK);
	cr_assert(p->leading && p->leader_epoch == 3);
	st.leader = KT_ME;
	cr_assert_eq(kb_partition_make_leader(p, &st), KC_OK);
	cr_assert_eq(p->leader_epoch, 3);
}

Test(kb_partition, a_term_begins_where_the_log_ends)
{
	int32_t found;
	int64_t end;

	p = kt_partition(&h, "");
	lead(1, me, 1, 1);
	kt_produce_ok(p, 3, TS);
	lead(4, me, 1, 1); /* appends nothing, and is known all the same */
	lead(6, me, 1, 1);
	kt_produce_ok(p, 2, TS);
	cr_assert_eq(kb_partition_epoch_end(p, 6, 1, &found, &end), KP_NONE);
	cr_assert(found == 1 && end == 3);
	cr_assert_eq(kb_partition_epoch_end(p, 6, 6, &found, &end), KP_NONE);
	cr_assert(found == 6 && end == 5);
	cr_assert_eq(kb_partition_epoch_end(p, 6, 0, &found, &end), KP_NONE);
	cr_assert(found == 0 && end == 0, "it ended before the first one");
	cr_assert_eq(kb_partition_epoch_end(p, 6, 7, &found, &end), KP_NONE);
	cr_assert(found == -1 && end == -1);
}

Test(kb_partition, a_role_change_wakes)
{
	struct heard w;

	p = kt_partition(&h, "");
	listen_to(&w);
	lead(1, me, 1, 1);
	cr_assert_eq(w.n, 1);
	follow(2);
	cr_assert_eq(w.n, 2);
	leave(&w);
}

Test(kb_partition, settings_change)
{
	struct kb_partition_rules rules;

	p = kt_partition(&h, "");
	lead(1, me, 1, 2);
	kb_partition_set_config(p,
	    kt_topic(&h,
		"min.insync.replicas=2\nmax.message.bytes=77\n"
		"cleanup.policy=compact\nsegment.bytes=1000\n"));
	cr_assert_eq(kb_partition_rules(p, &rules), KP_NONE);
	cr_assert_eq(rules.max_message_bytes, 77);
	cr_assert(rules.compact);
	cr_assert_eq(rules.segment_bytes, 1000);
	cr_assert_eq(rules.leader_epoch, 1);
	cr_assert_eq(
	    kb_partition_ack(p, 0, 1), KP_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
}

/* --- reading ------------------------------------------------------------- */

/* Offsets 0-1 plain, 2-3 of an open transaction, 4 plain; HW at 4. */
static void
fill(void)
{
	struct kt_batch b = { .n = 2,
		.value = 3,
		.timestamp = TS + 2,
		.producer_id = 9,
		.txn = true };
	struct kb_append a = { 0 };
	int64_t required;

	p = kt_partition(&h, "");
	lead(1, both, 2, 2);
	kt_produce_ok(p, 2, TS);
	cr_assert_eq(kb_log_verify_start(p->log, 9, 0, 0, &a.guard), KC_OK);
	cr_assert_eq(kt_produce(p, &b, 1, &a, &required), KP_NONE);
	kt_produce_ok(p, 1, TS + 4);
	kb_log_set_hw(p->log, 4);
}

Test(kb_partition, isolation)
{
	int64_t end;

	fill();
	cr_assert_eq(read_to(0, KB_READ_END, &end), KP_NONE);
	cr_assert_eq(end, 5);
	cr_assert_eq(read_to(0, KB_READ_HW, &end), KP_NONE);
	cr_assert_eq(end, 4);
	cr_assert_eq(read_to(0, KB_READ_LSO, &end), KP_NONE);
	cr_assert_eq(end, 2);
}

Test(kb_partition, offsets_out_of_range)
{
	int64_t end;

	fill();
	cr_assert_eq(read_to(-1, KB_READ_HW, &end), KP_OFFSET_OUT_OF_RANGE);
	cr_assert_eq(read_to(6, KB_READ_HW, &end), KP_OFFSET_OUT_OF_RANGE);
	cr_assert_eq(
	    read_to(INT64_MAX, KB_READ_HW, &end), KP_OFFSET_OUT_OF_RANGE);
	/* Above the high watermark there is nothing, but no error. */
	for (int64_t at = 4; at <= 5; at++) {
		cr_assert_eq(read_to(at, KB_READ_HW, &end), KP_NONE);
		cr_assert_eq(end, -1);
	}
	cr_assert_eq(kb_log_raise_start(p->log, 2), KC_OK);
	cr_assert_eq(read_to(1, KB_READ_HW, &end), KP_OFFSET_OUT_OF_RANGE);
	cr_assert_eq(read_to(2, KB_READ_HW, &end), KP_NONE);
}

/* Who says it is a replica and is none gets nothing; nor are we our own. */
Test(kb_partition, only_replicas_are_followers)
{
	static const int32_t strangers[] = { KT_ME, 3, INT32_MAX };
	struct kb_partition_read r;

	fill(); /* replicas 1 and 2 */
	for (size_t i = 0; i < KC_COUNT(strangers); i++) {
		memset(&r, 0, sizeof r);
		r.replica_id = strangers[i];
		r.last_fetched_epoch = -1;
		r.leader_epoch = -1;
		cr_assert_eq(
		    kb_partition_read(p, &r), KP_NOT_LEADER_OR_FOLLOWER);
		r.leader_epoch = 1;
		cr_assert_eq(kb_partition_read(p, &r), KP_UNKNOWN_LEADER_EPOCH);
	}
	r.rd.max_bytes = 10000;
	r.replica_id = 2;
	cr_assert_eq(kb_partition_read(p, &r), KP_NONE);
	cr_assert_eq(r.slice.end_offset, 5);
	kb_log_slice_fini(&r.slice);
}

/* Where the fetcher's history leaves ours, by its last epoch (KIP-595). */
Test(kb_partition, diverging_histories)
{
	static const struct {
		int64_t offset;
		int32_t last;
		int16_t code;
		int32_t epoch;
		int64_t end;
	} asks[] = {
		{ 3, 0, KP_NONE, 0, 0 }, /* before any of ours */
		{ 3, 9, KP_OFFSET_OUT_OF_RANGE, -1, -1 }, /* above all */
		{ 4, 1, KP_NONE, 1, 3 }, /* epoch 1 ended before */
		{ 3, 2, KP_NONE, 1, 3 }, /* we have no epoch 2 */
		{ 3, 1, KP_NONE, -1, -1 }, /* agree */
		{ 2, 1, KP_NONE, -1, -1 }, { 5, 3, KP_NONE, -1, -1 },
		{ 6, 3, KP_NONE, 3, 5 },
		{ 3, -1, KP_NONE, -1, -1 }, /* not asked */
	};

	p = kt_partition(&h, "");
	lead(1, me, 1, 2);
	kt_produce_ok(p, 3, TS);
	lead(3, me, 1, 2);
	kt_produce_ok(p, 2, TS);
	for (size_t i = 0; i < KC_COUNT(asks); i++) {
		struct kb_partition_read r = {
			.rd = { .offset = asks[i].offset,
			    .max_bytes = 1000,
			    .isolation = KB_READ_END },
			.leader_epoch = -1,
			.last_fetched_epoch = asks[i].last,
			.replica_id = 2,
		};

		cr_expect_eq(kb_partition_read(p, &r), asks[i].code, "%zu", i);
		cr_expect_eq(r.diverging_epoch, asks[i].epoch, "%zu", i);
		cr_expect_eq(r.diverging_end, asks[i].end, "%zu", i);
		if (asks[i].epoch >= 0) { /* no data, but where we are */
			cr_expect_eq(r.slice.len, 0);
			cr_expect_eq(r.slice.hw, 5);
		}
		kb_log_slice_fini(&r.slice);
	}
}

/* --- ListOffsets --------------------------------------------------------- */

Test(kb_partition, lists_an_empty_log)
{
	struct kb_log_at at;

	p = kt_partition(&h, "");
	lead(2, me, 1, 1);
	cr_assert_eq(
	    list(KB_LIST_EARLIEST, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert(at.offset == 0 && at.timestamp == -1);
	cr_assert_eq(list(KB_LIST_LATEST, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert(at.offset == 0 && at.leader_epoch == 2);
	cr_assert_eq(
	    list(KB_LIST_MAX_TIMESTAMP, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, -1);
	cr_assert_eq(list(0, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, -1);
}

Test(kb_partition, lists_up_to_what_the_asker_may_see)
{
	struct kb_log_at at;

	fill();
	cr_assert_eq(
	    list(KB_LIST_LATEST, KB_READ_END, false, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, 5);
	cr_assert_eq(list(KB_LIST_LATEST, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert(at.offset == 4 && at.timestamp == -1);
	cr_assert_eq(list(KB_LIST_LATEST, KB_READ_LSO, true, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, 2);
	cr_assert_eq(list(TS + 1, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert(
	    at.offset == 1 && at.timestamp == TS + 1 && at.leader_epoch == 1);
	/* The record of that time lies above: as if there were none. */
	cr_assert_eq(list(TS + 4, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, -1);
	cr_assert_eq(list(TS + 2, KB_READ_LSO, true, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, -1);
	cr_assert_eq(list(TS + 4, KB_READ_END, false, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, 4);
	cr_assert_eq(list(TS + 5, KB_READ_END, false, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, -1);
	cr_assert_eq(
	    list(KB_LIST_MAX_TIMESTAMP, KB_READ_END, false, -1, &at), KP_NONE);
	cr_assert(at.offset == 4 && at.timestamp == TS + 4);
	cr_assert_eq(
	    list(KB_LIST_LATEST_TIERED, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert(at.offset == -1 && at.leader_epoch == -1);
}

/* KIP-207: a new leader that does not know yet how far its log is committed */
Test(kb_partition, offset_not_available)
{
	struct kb_log_at at;

	fill(); /* end 5, HW 4 */
	lead(2, both, 2, 2);
	cr_assert_eq(list(KB_LIST_LATEST, KB_READ_HW, true, -1, &at),
	    KP_OFFSET_NOT_AVAILABLE);
	cr_assert_eq(list(KB_LIST_LATEST, KB_READ_LSO, true, -1, &at),
	    KP_OFFSET_NOT_AVAILABLE);
	cr_assert_eq(
	    list(TS + 4, KB_READ_HW, true, -1, &at), KP_OFFSET_NOT_AVAILABLE);
	cr_assert_eq(
	    list(TS + 9, KB_READ_HW, true, -1, &at), KP_OFFSET_NOT_AVAILABLE);
	/* What is known is told, and a follower is told everything. */
	cr_assert_eq(list(TS, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, 0);
	cr_assert_eq(
	    list(KB_LIST_EARLIEST, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert_eq(
	    list(KB_LIST_LATEST, KB_READ_END, false, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, 5);
	kb_log_set_hw(p->log, 5);
	cr_assert_eq(list(KB_LIST_LATEST, KB_READ_HW, true, -1, &at), KP_NONE);
	cr_assert_eq(at.offset, 5);
}

Test(kb_partition, list_of_version_0)
{
	int64_t v[3] = { -7, -7, -7 };
	int32_t n = -1;

	fill(); /* one segment from 0, end 5, HW 4 */
	cr_assert_eq(kb_partition_list_v0(p, -1, 0, true, v, &n), KP_NONE);
	cr_assert_eq(n, 0);
	cr_assert_eq(kb_partition_list_v0(p, -1, 3, true, v, &n), KP_NONE);
	cr_assert(n == 2 && v[0] == 4 && v[1] == 0);
	cr_assert_eq(kb_partition_list_v0(p, -1, 1, true, v, &n), KP_NONE);
	cr_assert(n == 1 && v[0] == 4);
	cr_assert_eq(kb_partition_list_v0(p, -1, 3, false, v, &n), KP_NONE);
	cr_assert(n == 2 && v[0] == 5 && v[1] == 0);
	cr_assert_eq(kb_partition_list_v0(p, -2, 3, true, v, &n), KP_NONE);
	cr_assert(n == 1 && v[0] == 0);
}

Test(kb_partition, delete_records)
{
	int64_t low, offset = 1;

	p = kt_partition(&h, "");
	cr_expect_eq(
	    kb_partition_delete_records(p, &offset), KP_NOT_LEADER_OR_FOLLOWER);
	lead(0, me, 1, 1);
	kt_produce_ok(p, 5, TS);
	for (offset = -3; offset < -1; offset++)
		cr_expect_eq(kb_partition_delete_records(p, &offset),
		    KP_OFFSET_OUT_OF_RANGE);
	offset = 6;
	cr_expect_eq(
	    kb_partition_delete_records(p, &offset), KP_OFFSET_OUT_OF_RANGE);
	offset = 2;
	cr_expect_eq(kb_partition_delete_records(p, &offset), KP_NONE);
	cr_expect_eq(kb_partition_low_watermark(p, &low), KP_NONE);
	cr_expect_eq(low, 2);
	offset = 1;
	cr_expect_eq(kb_partition_delete_records(p, &offset), KP_NONE);
	cr_expect_eq(kb_partition_low_watermark(p, &low), KP_NONE);
	cr_expect_eq(low, 2, "it never goes back");
	offset = -1;
	cr_expect_eq(kb_partition_delete_records(p, &offset), KP_NONE);
	cr_expect_eq(offset, 5, "-1 is the high watermark");
	cr_expect_eq(kb_partition_low_watermark(p, &low), KP_NONE);
	cr_expect_eq(low, 5);

	lead(1, both, 2, 2);
	cr_expect_eq(kb_partition_low_watermark(p, &low), KP_NONE);
	cr_expect_eq(low, 5, "one that is dead is not waited for");
	kt_alive(&h, both, 2);
	cr_expect_eq(kb_partition_low_watermark(p, &low), KP_NONE);
	cr_expect_eq(low, -1, "what the other one has is not known");
	cr_expect_eq(kb_partition_leads(p), KP_NONE);
	follow(2);
	cr_expect_eq(kb_partition_leads(p), KP_NOT_LEADER_OR_FOLLOWER);
	cr_expect_eq(
	    kb_partition_low_watermark(p, &low), KP_NOT_LEADER_OR_FOLLOWER);
}

Test(kb_partition, a_compacted_one_keeps_its_records)
{
	int64_t offset = 1;

	p = kt_partition(&h, "cleanup.policy=compact");
	lead(0, me, 1, 1);
	cr_expect_eq(
	    kb_partition_delete_records(p, &offset), KP_POLICY_VIOLATION);
}
