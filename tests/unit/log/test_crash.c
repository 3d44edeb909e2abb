/*
 * What a stop at any moment leaves behind must load again: with everything
 * that was flushed, and nothing that is broken.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "kbroker/log/bytes.h"
#include "tests/unit/log/common.h"

#define TS 1700000000000
#define LOG0 "t-0/00000000000000000000.log"
#define INDEX0 "t-0/00000000000000000000.index"
#define TIMEINDEX0 "t-0/00000000000000000000.timeindex"

static struct kt_world w, copy;

static void
setup(void)
{
	kt_world_open(&w);
	kt_world_open(&copy);
}

static void
teardown(void)
{
	kt_world_close(&copy);
	kt_world_close(&w);
}

TestSuite(log_crash, .init = setup, .fini = teardown);

static void
fill(struct kb_log *log, int appends)
{
	int i;

	for (i = 0; i < appends; i++)
		(void)kt_put(log, 2, TS + i);
}

/*
 * Goal: whatever part of the last batch is on disk, the log ends before it,
 * and goes on from there.
 * Method: the file cut at every byte of the last batch; also with the rest
 * zeros, as reserved space is, and with the rest garbage.
 */
Test(log_crash, torn_tail)
{
	struct kb_log *log = kt_log_open(&w, true);
	uint8_t *p, *q;
	size_t len, whole, at;
	int kind;

	fill(log, 3);
	whole = (size_t)kb_log_size(log);
	fill(log, 1);
	kt_log_stop(&w, &log);
	p = kt_slurp(&w, LOG0, &len);
	q = malloc(len + 100);
	for (at = whole; at < len; at++) {
		for (kind = 0; kind < 3; kind++) {
			kt_copy(&w, &copy);
			memcpy(q, p, at);
			memset(q + at, kind == 1 ? 0 : 0x5a, len + 100 - at);
			/* A batch may end in zeros of its own. */
			if (kind == 1 && memcmp(p + at, q + at, len - at) == 0)
				continue;
			kt_spit(&copy, LOG0, q, kind == 0 ? at : len + 100);
			copy.recovery_point = 0;
			log = kt_log_open(&copy, false);
			cr_assert_eq(kb_log_end(log), 6, "%zu %d: %lld", at,
			    kind, (long long)kb_log_end(log));
			cr_assert_eq(kb_log_size(log), whole);
			cr_assert_eq(kt_put(log, 1, TS), 6);
			kt_check_readable(log);
			kt_log_kill(&log);
		}
	}
	/* Whole, with reserved space after it: nothing is lost. */
	kt_copy(&w, &copy);
	memcpy(q, p, len);
	memset(q + len, 0, 100);
	kt_spit(&copy, LOG0, q, len + 100);
	log = kt_log_open(&copy, false);
	cr_assert_eq(kb_log_end(log), 8);
	kt_log_kill(&log);
	free(p);
	free(q);
}

/* One bit of the unflushed part: the log ends before that batch. */
Test(log_crash, bit_flips)
{
	struct kb_log *log = kt_log_open(&w, true);
	size_t len, at;
	uint8_t *p;
	int64_t end;

	fill(log, 3);
	kt_log_stop(&w, &log);
	p = kt_slurp(&w, LOG0, &len);
	copy.recovery_point = 0;
	for (at = 0; at < len; at++) {
		kt_copy(&w, &copy);
		p[at] ^= 0x10;
		kt_spit(&copy, LOG0, p, len);
		p[at] ^= 0x10;
		log = kt_log_open(&copy, false);
		end = kb_log_end(log);
		/*
		 * The leader epoch is under no checksum, and some of a base
		 * offset cannot be told from a gap of compaction.
		 */
		if (at % (len / 3) >= 21)
			cr_assert_eq(end, (int64_t)(at / (len / 3)) * 2);
		(void)kt_put(log, 1, TS);
		kt_log_kill(&log);
	}
	free(p);
}

/*
 * Goal: a kill after any append loses no append.
 * Method: a copy of the folder at each step, as the page cache would be.
 */
Test(log_crash, kill_at_each_step)
{
	struct kb_log *log, *again;
	int i;

	w.cfg.segment_bytes = 500;
	w.cfg.index_interval_bytes = 100;
	copy.cfg = w.cfg;
	log = kt_log_open(&w, true);
	for (i = 0; i < 40; i++) {
		(void)kt_put(log, 2, TS + i);
		if (i % 7 == 3)
			kt_log_run(log);
		kt_copy(&w, &copy);
		copy.recovery_point = log->recovery_point;
		again = kt_log_open(&copy, false);
		cr_assert_eq(kb_log_end(again), 2 * i + 2);
		kt_check_readable(again);
		kt_log_stop(&copy, &again);
		again = kt_log_open(&copy, true);
		cr_assert_eq(kb_log_end(again), 2 * i + 2);
		kt_log_kill(&again);
	}
	kt_log_kill(&log);
}

/* Indexes made again are those that the appends made. */
Test(log_crash, indexes_rebuilt_the_same)
{
	static const char *const names[] = { INDEX0, TIMEINDEX0,
		"t-0/00000000000000000000.txnindex" };
	struct kt_batch b = { .n = 2,
		.value = 30,
		.timestamp = TS,
		.producer_id = 5,
		.txn = true };
	struct kb_append a = { 0 };
	struct kb_log *log;
	uint8_t *x, *y;
	size_t i, nx, ny;

	w.cfg.index_interval_bytes = 200;
	log = kt_log_open(&w, true);
	for (i = 0; i < 30; i++) {
		b.seq = (int32_t)i * 2;
		b.timestamp = TS + (i % 3 == 0 ? 0 : (int64_t)i * 10);
		cr_assert_eq(kt_append(log, &b, &a), KC_OK);
		if (i % 5 == 4)
			cr_assert_eq(
			    kt_marker(log, 5, 0, i % 2 == 0, &a), KC_OK);
	}
	kt_log_stop(&w, &log);
	kt_copy(&w, &copy);
	copy.cfg = w.cfg;
	for (i = 0; i < 2; i++)
		kt_spit(&copy, names[i], "junk", 4);
	cr_assert_eq(copy.env.file->unlink(copy.host.dirfd, names[2]), KC_OK);
	log = kt_log_open(&copy, false);
	kt_log_stop(&copy, &log);
	for (i = 0; i < 3; i++) {
		x = kt_slurp(&w, names[i], &nx);
		y = kt_slurp(&copy, names[i], &ny);
		cr_assert_eq(nx, ny, "%s: %zu, %zu", names[i], nx, ny);
		cr_assert_eq(memcmp(x, y, nx), 0, "%s", names[i]);
		free(x);
		free(y);
	}
}

/* A missing or corrupt index is made again, also after a clean stop. */
Test(log_crash, bad_indexes)
{
	static const char *const names[] = { INDEX0, TIMEINDEX0 };
	static const char zeros[4800]; /* what an unclean stop of Kafka has */
	struct kb_log *log;
	size_t i, len;
	int kind;
	uint8_t *p;

	w.cfg.segment_bytes = 2000;
	w.cfg.index_interval_bytes = 100;
	log = kt_log_open(&w, true);
	fill(log, 60);
	cr_assert_gt(kb_log_segments(log), 2);
	kt_log_stop(&w, &log);
	copy.cfg = w.cfg;
	for (i = 0; i < 2; i++) {
		for (kind = 0; kind < 4; kind++) {
			kt_copy(&w, &copy);
			p = kt_slurp(&w, names[i], &len);
			if (kind == 0)
				(void)copy.env.file->unlink(
				    copy.host.dirfd, names[i]);
			else if (kind == 1)
				kt_spit(&copy, names[i], p, len - 1);
			else if (kind == 2)
				kt_spit(&copy, names[i], zeros, sizeof zeros);
			else
				kt_spit(&copy, names[i], "", 0);
			copy.recovery_point = w.recovery_point;
			log = kt_log_open(&copy, true);
			cr_assert_eq(kb_log_end(log), 120);
			kt_check_readable(log);
			kt_log_stop(&copy, &log);
			free(p);
			if (kind == 3)
				continue; /* empty is valid: only sparse */
			p = kt_slurp(&copy, names[i], &len);
			cr_assert_gt(len, 0);
			cr_assert_lt(len, sizeof zeros);
			free(p);
		}
	}
}

Test(log_crash, leftovers)
{
	struct kb_log *log = kt_log_open(&w, true);
	size_t len;
	uint8_t *p;

	fill(log, 5);
	kt_log_stop(&w, &log);
	kt_spit(&w, "t-0/00000000000000000007.index", "x", 1);
	kt_spit(&w, "t-0/00000000000000000007.timeindex", "x", 1);
	kt_spit(&w, "t-0/00000000000000000000.log.deleted", "x", 1);
	kt_spit(&w, "t-0/00000000000000000000.log.cleaned", "x", 1);
	kt_spit(&w, "t-0/00000000000000000003.index.swap", "x", 1);
	kt_spit(&w, "t-0/something.else", "x", 1);
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_end(log), 10);
	cr_assert_not(kt_exists(&w, "t-0/00000000000000000007.index"));
	cr_assert_not(kt_exists(&w, "t-0/00000000000000000007.timeindex"));
	cr_assert_not(kt_exists(&w, "t-0/00000000000000000000.log.deleted"));
	cr_assert_not(kt_exists(&w, "t-0/00000000000000000000.log.cleaned"));
	cr_assert_not(kt_exists(&w, "t-0/00000000000000000003.index.swap"));
	cr_assert(kt_exists(&w, "t-0/something.else"));
	kt_log_stop(&w, &log);

	/* A swap that had got this far is completed. */
	p = kt_slurp(&w, LOG0, &len);
	kt_spit(&w, "t-0/00000000000000000000.log.swap", p, len / 5 * 3);
	free(p);
	w.recovery_point = 0;
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_end(log), 6);
	cr_assert_not(kt_exists(&w, "t-0/00000000000000000000.log.swap"));
	kt_check_readable(log);
	kt_log_kill(&log);
}

Test(log_crash, wrong_checkpoints)
{
	struct kb_log *log;

	w.cfg.segment_bytes = 500;
	log = kt_log_open(&w, true);
	fill(log, 20);
	kt_log_stop(&w, &log);
	/* Ahead of the log: it is not believed. */
	w.recovery_point = 1000;
	w.hw = 1000;
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_end(log), 40);
	cr_assert_eq(kb_log_hw(log), 40);
	kt_log_kill(&log);
	log = kt_log_open(&w, false);
	cr_assert_eq(kb_log_end(log), 40);
	cr_assert_eq(log->recovery_point, 40);
	kt_log_kill(&log);
	/* The log start is beyond all there is: an empty log there. */
	w.start = 77;
	log = kt_log_open(&w, false);
	cr_assert_eq(kb_log_start(log), 77);
	cr_assert_eq(kb_log_end(log), 77);
	cr_assert_eq(kb_log_segments(log), 1);
	cr_assert_eq(kt_put(log, 1, TS), 77);
	kt_log_kill(&log);
}

/* Segments after a corrupt one go; flushed ones before are not read. */
Test(log_crash, corrupt_in_the_middle)
{
	struct kb_log *log;
	char name[64];
	size_t len;
	uint8_t *p;
	int64_t base;

	w.cfg.segment_bytes = 500;
	log = kt_log_open(&w, true);
	fill(log, 20);
	cr_assert_gt(kb_log_segments(log), 3);
	base = log->seg[1]->base;
	kt_log_stop(&w, &log);
	snprintf(name, sizeof name, "t-0/%020lld.log", (long long)base);
	p = kt_slurp(&w, name, &len);
	p[len - 1] ^= 1;
	kt_spit(&w, name, p, len);
	free(p);
	/* Below the recovery point: nothing is looked at, nothing is cut. */
	w.recovery_point = 40;
	log = kt_log_open(&w, false);
	cr_assert_eq(kb_log_end(log), 40);
	kt_log_kill(&log);
	w.recovery_point = 0;
	log = kt_log_open(&w, false);
	cr_assert_eq(kb_log_segments(log), 2);
	cr_assert_gt(kb_log_end(log), base);
	cr_assert_lt(kb_log_end(log), 40);
	kt_check_readable(log);
	kt_log_kill(&log);
}

/* Epochs of batches that were not in the file yet come from the log. */
Test(log_crash, epochs_come_back)
{
	struct kt_batch b = { .n = 2, .value = 3, .timestamp = TS };
	struct kb_append a = { 0 };
	struct kb_log *log = kt_log_open(&w, true);

	for (b.leader_epoch = 3; b.leader_epoch < 6; b.leader_epoch++)
		cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	kt_log_kill(&log);
	cr_assert_not(kt_exists(&w, "t-0/leader-epoch-checkpoint"));
	log = kt_log_open(&w, false);
	cr_assert_eq(kb_log_latest_epoch(log), 5);
	cr_assert_eq(kb_log_epoch_at(log, 3), 4);
	kt_log_stop(&w, &log);
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_epoch_at(log, 1), 3);
	kt_log_kill(&log);
}

/* A snapshot that is corrupt is deleted, and the log read instead. */
Test(log_crash, corrupt_snapshot)
{
	struct kt_batch b = {
		.n = 1, .value = 3, .timestamp = TS, .producer_id = 8
	};
	struct kb_append a = { 0 };
	struct kb_producer_info *v;
	struct kb_log *log = kt_log_open(&w, true);
	size_t len, at;
	uint8_t *p;
	int n;

	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	kt_log_stop(&w, &log);
	p = kt_slurp(&w, "t-0/00000000000000000001.snapshot", &len);
	cr_assert_eq(len, 56);
	for (at = 0; at < len; at++) {
		kt_copy(&w, &copy);
		p[at] ^= 1;
		kt_spit(&copy, "t-0/00000000000000000001.snapshot", p,
		    at % 2 == 0 ? len : at);
		p[at] ^= 1;
		log = kt_log_open(&copy, false);
		cr_assert_eq(kb_log_producers(log, &v, &n), KC_OK);
		cr_assert_eq(n, 1);
		cr_assert_eq(v[0].producer_id, 8);
		cr_assert_eq(v[0].last_seq, 0);
		free(v);
		kt_log_kill(&log);
	}
	free(p);
}

/* A clean stop after which somebody cut the file is not believed. */
Test(log_crash, clean_but_cut)
{
	struct kb_log *log = kt_log_open(&w, true);
	size_t len;
	uint8_t *p;

	fill(log, 4);
	kt_log_stop(&w, &log);
	p = kt_slurp(&w, LOG0, &len);
	kt_spit(&w, LOG0, p, len - 3);
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_end(log), 6);
	kt_log_stop(&w, &log);
	kt_spit(&w, LOG0, p, len / 2);
	w.recovery_point = 6;
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_end(log), 4);
	kt_log_kill(&log);
	free(p);
}
