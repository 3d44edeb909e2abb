/* One log: append, read, roll, truncate, look up, retain. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kbroker/log/bytes.h"
#include "kcommon/record/build.h"
#include "tests/unit/log/common.h"

#define TS 1700000000000

static struct kt_world w;

static void
setup(void)
{
	kt_world_open(&w);
}

static void
teardown(void)
{
	kt_world_close(&w);
}

TestSuite(log_log, .init = setup, .fini = teardown);

/*
 * Goal: bytes that are no batches never get into a log.
 * Method: every prefix of a batch, as a leader's and as a replica's.
 */
Test(log_log, cut_appends)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kt_batch b = { .n = 2, .value = 3, .timestamp = TS };
	struct kb_append a;
	struct kc_wr wr;
	uint8_t *p;
	size_t len;
	int rc;

	kc_wr_init(&wr, 0);
	kt_batch(&wr, &b);
	for (len = 1; len < wr.len; len++) {
		p = malloc(len);
		memcpy(p, wr.p, len);
		memset(&a, 0, sizeof a);
		a.p = p;
		a.len = len;
		cr_expect_eq(kb_log_append(log, &a), KC_EMALFORMED);
		a.origin = KB_APPEND_REPLICA; /* the end of a fetch */
		rc = kb_log_append(log, &a);
		cr_expect_eq(rc, KC_OK, "%zu: %s", len, kc_strerror(rc));
		cr_expect_eq(a.first_offset, -1);
		free(p);
	}
	/* One bit wrong, under the checksum. */
	wr.p[wr.len - 1] ^= 1;
	memset(&a, 0, sizeof a);
	a.p = wr.p;
	a.len = wr.len;
	a.origin = KB_APPEND_REPLICA;
	cr_assert_eq(kb_log_append(log, &a), KC_ECRC);
	cr_assert_eq(kb_log_end(log), 0);
	kc_wr_fini(&wr);
	kt_log_kill(&log);
}

Test(log_log, replica_offsets)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kt_batch b = { .n = 3,
		.value = 3,
		.timestamp = TS,
		.base_offset = 5,
		.leader_epoch = 2 };
	struct kb_append a = { .origin = KB_APPEND_REPLICA };

	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	cr_assert_eq(a.first_offset, 5);
	cr_assert_eq(kb_log_end(log), 8);
	a.origin = KB_APPEND_REPLICA;
	b.base_offset = 7; /* below the end */
	cr_assert_eq(kt_append(log, &b, &a), KC_ERANGE);
	a.origin = KB_APPEND_REPLICA;
	b.base_offset = 10; /* a gap that compaction has left */
	b.leader_epoch = 4;
	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	cr_assert_eq(kb_log_end(log), 13);
	cr_assert_eq(kb_log_epoch_at(log, 9), 2);
	cr_assert_eq(kb_log_epoch_at(log, 10), 4);
	cr_assert_eq(kb_log_latest_epoch(log), 4);
	kt_log_kill(&log);
}

/* Every offset, with limits that cut at every place. */
Test(log_log, reads)
{
	struct kb_log *log;
	struct kb_log_slice s;
	struct kb_log_read rd = { .isolation = KB_READ_END };
	int64_t first;
	int i;

	w.cfg.segment_bytes = 4000;
	w.cfg.index_interval_bytes = 200;
	log = kt_log_open(&w, true);
	for (i = 0; i < 200; i++)
		(void)kt_put(log, 1 + i % 5, TS + i);
	cr_assert_gt(kb_log_segments(log), 3);
	kt_check_readable(log);
	for (rd.offset = 0; rd.offset < kb_log_end(log); rd.offset++) {
		for (rd.max_bytes = 0; rd.max_bytes < 1500;
		     rd.max_bytes += 93) {
			rd.min_one = false;
			cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
			cr_assert_leq(s.len, rd.max_bytes);
			kb_log_slice_fini(&s);
			rd.min_one = true;
			cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
			cr_assert_gt(s.len, 0);
			cr_assert_gt(s.end_offset, rd.offset);
			kb_log_slice_fini(&s);
		}
	}
	/* At, beyond and before. */
	cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
	cr_assert_eq(s.len, 0);
	cr_assert_null(s.file);
	rd.offset++;
	cr_assert_eq(kb_log_read(log, &rd, &s), KC_ERANGE);
	cr_assert_eq(s.end, kb_log_end(log));
	rd.offset = -1;
	cr_assert_eq(kb_log_read(log, &rd, &s), KC_ERANGE);

	/* Up to each high watermark that is a boundary. */
	rd.max_bytes = 1 << 20;
	rd.isolation = KB_READ_HW;
	rd.offset = 0;
	cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
	cr_assert_eq(s.len, 0);
	for (i = 0; i < 30; i++) {
		first = kt_put(log, 2, TS);
		cr_assert(kb_log_set_hw(log, first));
		rd.offset = first - 1;
		cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
		cr_assert_gt(s.len, 0);
		cr_assert_eq(s.end_offset, first);
		kb_log_slice_fini(&s);
		rd.offset = first;
		cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
		cr_assert_eq(s.len, 0);
	}
	kt_log_kill(&log);
}

/* A slice outlives the segment, the truncation and the log. */
Test(log_log, slice_outlives)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kb_log_read rd = { .max_bytes = 1 << 20, .min_one = true };
	struct kb_log_slice s;
	char c[12];
	size_t n;

	(void)kt_put(log, 3, TS);
	cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
	cr_assert_eq(kb_log_truncate_full(log, 100), KC_OK);
	cr_assert_eq(
	    kb_log_read(log, &rd, &(struct kb_log_slice){ 0 }), KC_ERANGE);
	kt_log_kill(&log);
	cr_assert_eq(kc_file_system.pread(s.file->fd, c, 12, s.pos, &n), KC_OK);
	cr_assert_eq(n, 12);
	kb_log_slice_fini(&s);
}

/*
 * Goal: files are Kafka's, byte for byte.
 * Method: two appends, and the files against numbers worked out by hand.
 */
Test(log_log, bytes_on_disk)
{
	struct kb_log *log;
	size_t len;
	uint8_t *p;
	struct kc_batch b;

	w.cfg.index_interval_bytes = 0;
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_assign_epoch(log, 7, 0), KC_OK);
	(void)kt_put(log, 2, TS);
	(void)kt_put(log, 3, TS + 10);
	kt_log_stop(&w, &log);

	p = kt_slurp(&w, "t-0/00000000000000000000.log", &len);
	cr_assert_eq(kc_batch_parse(p, len, &b), KC_OK);
	cr_assert_eq(b.base_offset, 0);
	cr_assert_eq(b.leader_epoch, 0);
	cr_assert_eq(kc_batch_parse(p + b.size, len - b.size, &b), KC_OK);
	cr_assert_eq(b.base_offset, 2);
	cr_assert_eq(kc_batch_check_crc(&b), KC_OK);
	cr_assert_eq((size_t)(b.p - p) + b.size, len, "cut to its size");
	len = (size_t)(b.p - p);
	free(p);
	/* One index entry: the second append, offset 4, where it starts. */
	p = kt_slurp(&w, "t-0/00000000000000000000.index", &len);
	cr_assert_eq(len, 8);
	cr_assert_eq(kb_get32(p), 4);
	cr_assert_eq(kb_get32(p + 4), b.p - (b.p - kb_get32(p + 4)));
	free(p);
	p = kt_slurp(&w, "t-0/00000000000000000000.timeindex", &len);
	cr_assert_eq(len, 12);
	cr_assert_eq(kb_get64(p), TS + 12);
	cr_assert_eq(kb_get32(p + 8), 4);
	free(p);
	p = kt_slurp(&w, "t-0/leader-epoch-checkpoint", &len);
	cr_assert_str_eq((char *)p, "0\n1\n0 0\n");
	free(p);
	/* No producers: version 1, checksum, none. */
	p = kt_slurp(&w, "t-0/00000000000000000005.snapshot", &len);
	cr_assert_eq(len, 10);
	cr_assert_eq(kb_get16(p), 1);
	cr_assert_eq(kb_get32(p + 6), 0);
	free(p);
	cr_assert_not(kt_exists(&w, "t-0/00000000000000000000.txnindex"));
}

Test(log_log, patch_of_the_validator)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kt_batch b = { .n = 1, .value = 3, .timestamp = TS };
	struct kb_append a = { 0 };
	struct kc_batch parsed;
	struct kc_wr wr;
	size_t len;
	uint8_t *p;

	kc_wr_init(&wr, 0);
	kt_batch(&wr, &b);
	cr_assert_eq(kc_batch_parse(wr.p, wr.len, &parsed), KC_OK);
	a.p = wr.p;
	a.len = wr.len;
	a.patch = true;
	a.attributes = KC_ATTR_APPEND_TIME;
	a.max_timestamp = TS + 99;
	a.crc = kc_batch_crc_with(&parsed, a.attributes, a.max_timestamp);
	a.leader_epoch = 9;
	cr_assert_eq(kb_log_append(log, &a), KC_OK);
	kc_wr_fini(&wr);
	kt_log_stop(&w, &log);
	p = kt_slurp(&w, "t-0/00000000000000000000.log", &len);
	cr_assert_eq(kc_batch_parse(p, len, &parsed), KC_OK);
	cr_assert_eq(kc_batch_check_crc(&parsed), KC_OK);
	cr_assert_eq(parsed.max_timestamp, TS + 99);
	cr_assert(kc_batch_append_time(&parsed));
	cr_assert_eq(parsed.leader_epoch, 9);
	free(p);
	p = kt_slurp(&w, "t-0/00000000000000000000.timeindex", &len);
	cr_assert_eq(kb_get64(p), TS + 99);
	free(p);
}

Test(log_log, too_large_for_a_segment)
{
	struct kt_batch b = { .n = 1, .value = 2000, .timestamp = TS };
	struct kb_append a = { 0 };
	struct kb_log *log;

	w.cfg.segment_bytes = 1000;
	log = kt_log_open(&w, true);
	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	cr_assert_eq(a.verdict, KB_VERDICT_TOO_LARGE);
	cr_assert_eq(a.first_offset, -1);
	/* What the leader has taken, a follower takes too. */
	a.origin = KB_APPEND_REPLICA;
	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	cr_assert_eq(kb_log_end(log), 1);
	kt_log_kill(&log);
}

/*
 * Goal: a full disk refuses appends and leaves the log usable.
 */
Test(log_log, full_disk)
{
	struct kt_batch b = { .n = 1, .value = 50000, .timestamp = TS };
	struct kb_append a = { 0 };
	struct kb_log *log = kt_log_open(&w, true);

	kt_faults.allocate_nospc = 1;
	cr_assert_eq(kt_append(log, &b, &a), KC_ENOSPC);
	cr_assert_eq(kb_log_end(log), 0);
	kt_faults.allocate_nospc = 0;
	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	/* The second needs a new step; the last bytes are asked for too. */
	kt_faults.allocate_nospc = 1;
	cr_assert_eq(kt_append(log, &b, &a), KC_ENOSPC);
	kt_faults.allocate_nospc = 0;
	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	cr_assert_eq(a.first_offset, 1);
	kt_check_readable(log);
	cr_assert_eq(w.fails, 0);
	cr_assert_not(kb_log_offline(log));
	kt_log_stop(&w, &log);
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_end(log), 2);
	kt_log_kill(&log);
}

/* A file that somebody cuts under the map: the dir goes offline, no crash. */
Test(log_log, sigbus_is_an_error)
{
	struct kb_log *log = kt_log_open(&w, true);
	/* So small that it is copied into the map. */
	struct kt_batch b = { .n = 1, .value = 3000, .timestamp = TS };
	struct kb_append a = { 0 };
	char path[512];

	(void)kt_put(log, 1, TS);
	snprintf(path, sizeof path, "%s/t-0/00000000000000000000.log", w.path);
	cr_assert_eq(truncate(path, 0), 0);
	cr_assert_eq(kt_append(log, &b, &a), KC_EIO);
	cr_assert_eq(w.fails, 1);
	cr_assert(kb_log_offline(log));
	cr_assert_eq(kt_append(log, &b, &a), KC_EOFFLINE);
	kt_log_kill(&log);
}

Test(log_log, failed_fsync_takes_the_dir_offline)
{
	struct kb_log *log = kt_log_open(&w, true);

	(void)kt_put(log, 1, TS);
	kt_faults.fsync_eio = 1;
	cr_assert_eq(kb_log_flush(log, kb_log_end(log)), KC_EIO);
	cr_assert_eq(w.fails, 1);
	cr_assert_eq(log->recovery_point, 0);
	kt_faults.fsync_eio = 0;
	/* Never tried again. */
	cr_assert_eq(kb_log_flush(log, kb_log_end(log)), KC_EOFFLINE);
	cr_assert_eq(log->recovery_point, 0);
	kt_log_kill(&log);
}

Test(log_log, flush_moves_the_recovery_point)
{
	struct kb_log *log;

	w.cfg.flush_messages = 3;
	log = kt_log_open(&w, true);
	(void)kt_put(log, 2, TS);
	kt_log_run(log);
	cr_assert_eq(log->recovery_point, 0);
	(void)kt_put(log, 1, TS);
	kt_log_run(log);
	cr_assert_eq(log->recovery_point, 3);
	w.cfg.flush_messages = INT64_MAX;
	w.cfg.flush_ms = 1000;
	kb_log_set_config(log, &w.cfg);
	(void)kt_put(log, 1, TS);
	cr_assert_eq(kb_log_check_flush(log), KC_OK);
	cr_assert_eq(log->recovery_point, 3);
	w.wall_ms += 1000;
	cr_assert_eq(kb_log_check_flush(log), KC_OK);
	cr_assert_eq(log->recovery_point, 4);
	kt_log_kill(&log);
}

Test(log_log, roll_by_time_and_cold_files)
{
	struct kb_log *log;

	w.cfg.segment_ms = 1000;
	log = kt_log_open(&w, true);
	(void)kt_put(log, 1, TS);
	(void)kt_put(log, 1, TS + 1000);
	cr_assert_eq(kb_log_segments(log), 1);
	(void)kt_put(log, 1, TS + 1001);
	cr_assert_eq(kb_log_segments(log), 2);
	cr_assert(kt_exists(&w, "t-0/00000000000000000002.snapshot"));
	kt_log_run(log);
	cr_assert_eq(log->recovery_point, 2);
	/* Nobody comes for an hour: no map, no descriptor. */
	w.mono_ns += INT64_C(3600) * 1000000000;
	cr_assert_eq(kb_log_cool(log), KC_OK);
	w.mono_ns += INT64_C(3600) * 1000000000;
	cr_assert_eq(kb_log_cool(log), KC_OK);
	cr_assert_eq(log->recovery_point, 3);
	cr_assert_null(log->tail.map);
	cr_assert_null(log->seg[0]->file);
	cr_assert_null(log->seg[1]->file);
	cr_assert_eq(log->seg[1]->ix.e.fd, -1);
	kt_check_readable(log);
	(void)kt_put(log, 1, TS + 1002);
	kt_check_readable(log);
	kt_log_stop(&w, &log);
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_end(log), 4);
	kt_check_readable(log);
	kt_log_kill(&log);
}

/* Truncation at every offset leaves exactly what is below. */
Test(log_log, truncate_everywhere)
{
	struct kb_log *log;
	int64_t to, end;
	int i;

	w.cfg.segment_bytes = 1000;
	w.cfg.index_interval_bytes = 100;
	for (to = 0; to <= 60; to += 3) {
		log = kt_log_open(&w, true);
		for (i = 0; i < 30; i++)
			(void)kt_put(log, 2, TS + i);
		end = kb_log_end(log);
		cr_assert_eq(kb_log_assign_epoch(log, 1, 30), KC_OK);
		kb_log_set_hw(log, end);
		cr_assert_eq(kb_log_truncate(log, to), KC_OK);
		cr_assert_eq(kb_log_end(log), KC_MIN(to, end));
		cr_assert_eq(kb_log_hw(log), KC_MIN(to, end));
		cr_assert_eq(kb_log_latest_epoch(log),
		    to > 30 && to < 60 ? 1 :
			to == 60       ? 1 :
			to == 0	       ? -1 :
					 0);
		(void)kt_put(log, 2, TS + 100);
		if (to % 2 == 0)
			kt_check_readable(log);
		cr_assert_eq(kb_log_end(log), to + 2);
		kt_log_kill(&log);
		/* And it is so on disk. */
		w.recovery_point = 0;
		log = kt_log_open(&w, false);
		cr_assert_eq(kb_log_end(log), to + 2);
		cr_assert_eq(kb_log_truncate_full(log, 0), KC_OK);
		kt_log_kill(&log);
	}
}

Test(log_log, idempotence)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kt_batch b = {
		.n = 3, .value = 3, .timestamp = TS, .producer_id = 44
	};
	struct kb_append a = { 0 };
	int i;

	for (i = 0; i < 7; i++) {
		b.seq = i * 3;
		cr_assert_eq(kt_append(log, &b, &a), KC_OK);
		cr_assert_eq(a.verdict, KB_VERDICT_OK);
		cr_assert_eq(a.first_offset, i * 3);
	}
	b.seq = 6; /* the fifth from the end */
	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	cr_assert_eq(a.verdict, KB_VERDICT_DUPLICATE);
	cr_assert_eq(a.first_offset, 6);
	cr_assert_eq(a.last_offset, 8);
	cr_assert_eq(a.append_time, TS + 2);
	b.seq = 3; /* forgotten */
	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	cr_assert_eq(a.verdict, KB_VERDICT_SEQUENCE);
	cr_assert_eq(kb_log_end(log), 21);

	/* A clean stop remembers the newest only. */
	kt_log_stop(&w, &log);
	log = kt_log_open(&w, true);
	b.seq = 18;
	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	cr_assert_eq(a.verdict, KB_VERDICT_DUPLICATE);
	b.seq = 21;
	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	cr_assert_eq(a.verdict, KB_VERDICT_OK);
	kt_log_kill(&log);

	/* After a crash the log itself says it. */
	w.recovery_point = 0;
	log = kt_log_open(&w, false);
	b.seq = 21;
	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	cr_assert_eq(a.verdict, KB_VERDICT_DUPLICATE);
	cr_assert_eq(a.first_offset, 21);
	kt_log_kill(&log);
}

Test(log_log, transactions)
{
	struct kb_log *log;
	struct kt_batch b = { .n = 2,
		.value = 3,
		.timestamp = TS,
		.producer_id = 1,
		.txn = true };
	struct kb_log_read rd = {
		.max_bytes = 1 << 20, .min_one = true, .isolation = KB_READ_LSO
	};
	struct kb_append a = { 0 };
	struct kb_log_slice s;
	struct kb_aborted *v;
	int n;

	w.cfg.segment_bytes = 400; /* several segments */
	log = kt_log_open(&w, true);
	(void)kt_put(log, 1, TS); /* 0 */
	cr_assert_eq(kt_append(log, &b, &a), KC_OK); /* 1, 2: pid 1 */
	b.producer_id = 2;
	cr_assert_eq(kt_append(log, &b, &a), KC_OK); /* 3, 4: pid 2 */
	cr_assert(kb_log_txn_open(log, 1));
	kb_log_set_hw(log, kb_log_end(log));
	cr_assert_eq(kb_log_lso(log), 1);
	cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
	cr_assert_eq(s.end_offset, 1);
	kb_log_slice_fini(&s);

	cr_assert_eq(kt_marker(log, 1, 0, false, &a), KC_OK); /* 5 */
	cr_assert_eq(kb_log_lso(log), 1, "not replicated yet");
	kb_log_set_hw(log, kb_log_end(log));
	cr_assert_eq(kb_log_lso(log), 3);
	cr_assert_eq(kt_marker(log, 2, 0, true, &a), KC_OK); /* 6 */
	kb_log_set_hw(log, kb_log_end(log));
	cr_assert_eq(kb_log_lso(log), 7);
	cr_assert_eq(kb_log_aborted(log, 0, 7, &v, &n), KC_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(v[0].producer_id, 1);
	cr_assert_eq(v[0].first_offset, 1);
	free(v);
	cr_assert_eq(kb_log_aborted(log, 6, 7, &v, &n), KC_OK);
	cr_assert_eq(n, 0);
	/* A stale epoch, a stale coordinator. */
	cr_assert_eq(kt_marker(log, 1, 3, true, &a), KC_OK);
	cr_assert_eq(kt_marker(log, 1, 2, true, &a), KC_OK);
	cr_assert_eq(a.verdict, KB_VERDICT_EPOCH);

	/* After a crash all of it is made again from the log. */
	kt_log_kill(&log);
	w.recovery_point = 0;
	w.hw = 8;
	log = kt_log_open(&w, false);
	cr_assert_eq(kb_log_lso(log), 8);
	cr_assert_eq(kb_log_aborted(log, 0, 7, &v, &n), KC_OK);
	cr_assert_eq(n, 1);
	cr_assert_eq(v[0].first_offset, 1);
	free(v);
	kt_log_kill(&log);
}

Test(log_log, transaction_is_open_after_restart)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kt_batch b = { .n = 2,
		.value = 3,
		.timestamp = TS,
		.producer_id = 1,
		.txn = true };
	struct kb_append a = { 0 };

	cr_assert_eq(kt_append(log, &b, &a), KC_OK);
	kb_log_set_hw(log, 2);
	kt_log_stop(&w, &log);
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_hw(log), 2);
	cr_assert_eq(kb_log_lso(log), 0);
	cr_assert_eq(kt_marker(log, 1, 0, false, &a), KC_OK);
	kb_log_set_hw(log, 3);
	cr_assert_eq(kb_log_lso(log), 3);
	kt_log_kill(&log);
}

Test(log_log, lookups_by_time)
{
	struct kb_log_at at;
	struct kb_log *log;
	int64_t offsets[10];
	int i, n;

	w.cfg.segment_bytes = 600;
	w.cfg.index_interval_bytes = 100;
	log = kt_log_open(&w, true);
	cr_assert_eq(kb_log_find_max_timestamp(log, &at), KC_OK);
	cr_assert_eq(at.offset, -1);
	for (i = 0; i < 30; i++) /* 3 records at 100 i, +1, +2 */
		(void)kt_put(log, 3, TS + 100 * i);
	cr_assert_gt(kb_log_segments(log), 3);
	for (i = 0; i < 30; i++) {
		cr_assert_eq(
		    kb_log_find_timestamp(log, TS + 100 * i + 1, &at), KC_OK);
		cr_assert_eq(at.offset, 3 * i + 1);
		cr_assert_eq(at.timestamp, TS + 100 * i + 1);
		cr_assert_eq(at.leader_epoch, 0);
		cr_assert_eq(
		    kb_log_find_timestamp(log, TS + 100 * i + 50, &at), KC_OK);
		cr_assert_eq(at.offset, i < 29 ? 3 * i + 3 : -1);
	}
	cr_assert_eq(kb_log_find_timestamp(log, 0, &at), KC_OK);
	cr_assert_eq(at.offset, 0);
	kb_log_set_hw(log, 90);
	cr_assert_eq(kb_log_raise_start(log, 91), KC_ERANGE);
	cr_assert_eq(kb_log_raise_start(log, 4), KC_OK);
	cr_assert_eq(kb_log_find_timestamp(log, 0, &at), KC_OK);
	cr_assert_eq(at.offset, 4);
	cr_assert_eq(kb_log_find_max_timestamp(log, &at), KC_OK);
	cr_assert_eq(at.offset, 89);
	cr_assert_eq(at.timestamp, TS + 2902);
	n = kb_log_offsets_before(log, -1, 10, offsets);
	cr_assert_eq(n, KC_MIN(10, kb_log_segments(log) + 1));
	cr_assert_eq(offsets[0], 90);
	cr_assert_gt(offsets[0], offsets[1]);
	cr_assert_eq(kb_log_offsets_before(log, -2, 10, offsets), 1);
	cr_assert_eq(offsets[0], 4);
	kt_log_kill(&log);
}

static int64_t gone[20];
static int ngone;

static void
on_gone(void *arg, struct kb_log *log, int64_t base)
{
	(void)arg;
	(void)log;
	gone[ngone++] = base;
}

Test(log_log, retention)
{
	struct kb_log *log;
	int i;

	w.cfg.segment_bytes = 300;
	w.cfg.retention_ms = 1000;
	log = kt_log_open(&w, true);
	w.wall_ms = TS;
	for (i = 0; i < 10; i++)
		(void)kt_put(log, 2, TS + i);
	cr_assert_eq(kb_log_retain(log, on_gone, NULL), KC_OK);
	cr_assert_eq(ngone, 0);
	w.wall_ms = TS + 5000;
	/* Nothing is replicated. */
	cr_assert_eq(kb_log_retain(log, on_gone, NULL), KC_OK);
	cr_assert_eq(ngone, 0);
	kb_log_set_hw(log, 20);
	i = kb_log_segments(log);
	cr_assert_eq(kb_log_retain(log, on_gone, NULL), KC_OK);
	cr_assert_eq(ngone, i);
	cr_assert_eq(gone[0], 0);
	cr_assert_eq(kb_log_segments(log), 1);
	cr_assert_eq(kb_log_start(log), 20);
	cr_assert(kt_exists(&w, "t-0/00000000000000000000.log.deleted"));
	cr_assert_not(kt_exists(&w, "t-0/00000000000000000000.index"));
	(void)kt_put(log, 1, w.wall_ms);
	kt_check_readable(log);
	kt_log_stop(&w, &log);
	log = kt_log_open(&w, true);
	cr_assert_not(kt_exists(&w, "t-0/00000000000000000000.log.deleted"));
	cr_assert_eq(kb_log_start(log), 20);
	cr_assert_eq(kb_log_end(log), 21);
	kt_log_kill(&log);
}

Test(log_log, topic_id)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kc_uuid id = { { 1, 2, 3 } }, other = { { 9 } }, got;

	kb_log_topic_id(log, &got);
	cr_assert(kc_uuid_is_zero(&got));
	cr_assert_eq(kb_log_set_topic_id(log, &got), KC_OK); /* the same */
	cr_assert_eq(kb_log_set_topic_id(log, &id), KC_OK);
	cr_assert_eq(kb_log_set_topic_id(log, &other), KC_EINVAL);
	kt_log_kill(&log);
	log = kt_log_open(&w, true);
	kb_log_topic_id(log, &got);
	cr_assert(kc_uuid_eq(&got, &id));
	kt_log_kill(&log);
}
