/*
 * Compaction of real logs, held to a model: what was written, and what must
 * be left of it.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "kbroker/log/clean_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/rand.h"
#include "kcommon/record/build.h"
#include "tests/unit/log/common.h"

#define TS 1700000000000
#define RECORDS 4000
#define KEYS 40
#define PRODUCERS 3

/* A record as written; key -1: none or a marker, value -1: a tombstone. */
struct rec {
	int key;
	int value;
	int64_t ts;
	bool aborted;
	bool control;
};

static struct kt_world w;
static struct kc_rand rnd;
static struct rec model[RECORDS + 100]; /* by offset */
static int64_t end;
static int32_t seqs[PRODUCERS];
static int discarded;
static int cancel_after; /* calls of spent(); 0 never */

static void
setup(void)
{
	kt_world_open(&w);
	w.cfg.compact = true;
	w.cfg.del = false;
	w.cfg.segment_bytes = 4000;
	w.cfg.index_interval_bytes = 300;
	kc_rand_init_seed(&rnd, 7);
	end = 0;
	memset(seqs, 0, sizeof seqs);
	discarded = cancel_after = 0;
}

static void
teardown(void)
{
	kt_world_close(&w);
}

TestSuite(clean, .init = setup, .fini = teardown);

/* --- writing ---------------------------------------------------------------
 */

static int
below(int n)
{
	return (int)kc_rand_below(&rnd, (uint64_t)n);
}

static void
append(struct kb_log *log, const struct kc_wr *wr)
{
	struct kb_append a = {
		.p = wr->p, .len = wr->len, .append_time = -1, .leader_epoch = 1
	};
	int rc = kb_log_append(log, &a);

	cr_assert_eq(rc, KC_OK, "%s", kc_strerror(rc));
	cr_assert_eq(a.verdict, KB_VERDICT_OK, "%d", a.verdict);
	cr_assert_eq(a.first_offset, end);
}

/* n records of random keys into the batch's builder and the model. */
static void
put_records(struct kc_build *bld, int n, bool aborted)
{
	static const char filler[200] = "................................";
	char key[16], value[128];
	struct kc_record rec = { .headers = KC_STR_NULL };
	struct rec *m;
	int i;

	for (i = 0; i < n; i++) {
		m = &model[end + i];
		*m = (struct rec){ .key = below(KEYS),
			.value = (int)(end + i),
			.ts = TS + end * 10 + below(5),
			.aborted = aborted };
		if (below(30) == 0)
			m->key = -1;
		else if (below(8) == 0)
			m->value = -1;
		rec.offset = i;
		rec.timestamp = m->ts;
		snprintf(key, sizeof key, "key-%d", m->key);
		rec.key = m->key < 0 ? KC_STR_NULL : kc_str(key);
		snprintf(
		    value, sizeof value, "%d%.*s", m->value, below(60), filler);
		rec.value = m->value < 0 ? KC_STR_NULL : kc_str(value);
		cr_assert_eq(kc_build_append(bld, &rec), KC_OK);
	}
}

/* producer -1: none. */
static void
put_batch(struct kb_log *log, int n, int producer, bool txn, bool aborted)
{
	struct kc_build_params p = kc_build_params_default;
	struct kc_build bld;
	struct kc_wr wr;

	if (producer >= 0) {
		p.producer_id = 100 + producer;
		p.producer_epoch = 0;
		p.base_sequence = seqs[producer];
		seqs[producer] += n;
	}
	if (txn)
		p.attributes |= KC_ATTR_TXN;
	p.codec = (enum kc_codec)(below(3) == 0 ? below(5) : 0);
	p.level = kc_codec_level_default(p.codec);
	kc_wr_init(&wr, 0);
	kc_build_open(&bld, &p, NULL, &wr);
	put_records(&bld, n, aborted);
	cr_assert_eq(kc_build_finish(&bld), KC_OK);
	append(log, &wr);
	kc_wr_fini(&wr);
	end += n;
}

static void
put_marker(struct kb_log *log, int producer, bool commit)
{
	struct kb_append a;

	cr_assert_eq(kt_marker(log, 100 + producer, 0, commit, &a), KC_OK);
	cr_assert_eq(a.first_offset, end);
	model[end++] = (struct rec){ .key = -1, .control = true };
}

/* Transactions of two producers, one inside the other now and then. */
static void
put_txns(struct kb_log *log)
{
	bool abort[2] = { below(2) != 0, below(2) != 0 };
	int i;

	for (i = 0; i < 4; i++)
		put_batch(log, 1 + below(3), i % 2, true, abort[i % 2]);
	put_marker(log, 0, !abort[0]);
	put_batch(log, 1 + below(3), 1, true, abort[1]);
	put_marker(log, 1, !abort[1]);
}

static void
fill(struct kb_log *log, int records, bool txns)
{
	int64_t until = end + records;

	while (end < until) {
		if (txns && below(10) == 0)
			put_txns(log);
		else
			put_batch(log, 1 + below(5), below(2) == 0 ? -1 : 2,
			    false, false);
		w.wall_ms = TS + end * 10;
	}
	(void)kb_log_set_hw(log, end);
}

/* --- compacting ------------------------------------------------------------
 */

static int
on_spent(void *arg, struct kb_log *log, size_t n)
{
	(void)arg;
	(void)n;
	if (cancel_after > 0 && --cancel_after == 0)
		return KC_ECANCELED;
	return kb_log_barred(log) ? KC_ECANCELED : KC_OK;
}

static void
on_discard(void *arg, struct kb_log *log, int64_t base)
{
	(void)arg;
	discarded++;
	(void)kb_segment_unlink(&log->pl, base, KB_STATE_DELETED);
}

static size_t map_bytes = 1 << 16;
static size_t buffer = 500;

static int
clean(struct kb_log *log, struct kb_clean_stats *st)
{
	struct kb_clean_means m = { .buffer = buffer,
		.map_bytes = map_bytes,
		.map_load = 0.9,
		.spent = on_spent,
		.discard = on_discard };
	struct kb_clean_range r;
	int rc;

	cr_assert(kb_log_turn_take(log));
	cr_assert_eq(kb_clean_look(log, &r), KC_OK);
	cr_assert_gt(r.dirty_bytes, 0);
	rc = kb_clean(log, &r, &m, st);
	kb_log_turn_drop(log);
	return rc;
}

static void
clean_ok(struct kb_log *log, struct kb_clean_stats *st)
{
	int rc = clean(log, st);

	cr_assert_eq(rc, KC_OK, "%s", kc_strerror(rc));
}

/* --- what is left ----------------------------------------------------------
 */

struct left {
	bool here[RECORDS + 100]; /* by offset */
	int64_t next;
	int nheaders; /* empty batches */
	int horizons;
};
static struct left left;

static void
see_record(const struct kc_record *rec, const struct kc_batch *b)
{
	const struct rec *m = &model[rec->offset];
	char key[16];

	cr_assert(rec->offset >= 0 && rec->offset < end);
	cr_assert_not(left.here[rec->offset]);
	left.here[rec->offset] = true;
	cr_assert_eq(kc_batch_control(b), m->control);
	if (m->control)
		return;
	snprintf(key, sizeof key, "key-%d", m->key);
	cr_assert_eq(rec->key.len < 0, m->key < 0);
	if (m->key >= 0)
		cr_assert(kc_str_eq(rec->key, kc_str(key)));
	cr_assert_eq(rec->value.len < 0, m->value < 0);
	if (m->value >= 0)
		cr_assert_eq(atoi(rec->value.p), m->value);
	cr_assert_eq(rec->timestamp, m->ts, "offset %lld: %lld, not %lld",
	    (long long)rec->offset, (long long)rec->timestamp,
	    (long long)m->ts);
}

static void
see_batch(const struct kc_batch *b)
{
	struct kc_record rec;
	struct kc_iter it;
	int n = 0;

	cr_assert_eq(kc_batch_check_crc(b), KC_OK);
	cr_assert_geq(b->base_offset, left.next);
	cr_assert_eq(b->leader_epoch, kc_batch_control(b) ? 0 : 1);
	left.next = kc_batch_last_offset(b) + 1;
	kc_iter_open(&it, b, KC_ITER_FULL, NULL);
	for (; kc_iter_next(&it, &rec); n++)
		see_record(&rec, b);
	cr_assert_eq(kc_iter_close(&it), KC_OK);
	left.nheaders += n == 0;
	left.horizons += kc_batch_delete_horizon(b) >= 0;
}

static void
see_slice(const struct kb_log_slice *s)
{
	uint8_t *p = malloc((size_t)s->len);
	struct kc_batch b;
	size_t at, n;

	cr_assert_eq(
	    kc_file_system.pread(s->file->fd, p, (size_t)s->len, s->pos, &n),
	    KC_OK);
	cr_assert_eq(n, (size_t)s->len);
	for (at = 0; at < n; at += b.size) {
		cr_assert_eq(kc_batch_parse(p + at, n - at, &b), KC_OK);
		see_batch(&b);
	}
	free(p);
}

/* Everything that a reader gets. */
static void
see_log(struct kb_log *log)
{
	struct kb_log_read rd = {
		.max_bytes = 3000, .min_one = true, .isolation = KB_READ_END
	};
	struct kb_log_slice s;

	memset(&left, 0, sizeof left);
	rd.offset = kb_log_start(log);
	while (rd.offset < kb_log_end(log)) {
		cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
		if (s.len == 0)
			break; /* compaction has left nothing there */
		see_slice(&s);
		cr_assert_gt(s.end_offset, rd.offset);
		rd.offset = s.end_offset;
		kb_log_slice_fini(&s);
	}
}

/*
 * The newest record of each key is there, and of those that the map knew of
 * no other; expired: tombstones below cleaned are gone as well.
 */
static void
check_left(struct kb_log *log, int64_t cleaned, bool expired)
{
	int64_t newest[KEYS], newest_clean[KEYS];
	const struct rec *m;
	int64_t i;
	int k;

	cr_assert_eq(kb_log_end(log), end);
	see_log(log);
	for (k = 0; k < KEYS; k++)
		newest[k] = newest_clean[k] = -1;
	for (i = kb_log_start(log); i < end; i++) {
		if (model[i].key < 0 || model[i].aborted)
			continue;
		newest[model[i].key] = i;
		if (i < cleaned)
			newest_clean[model[i].key] = i;
	}
	for (i = kb_log_start(log); i < end; i++) {
		m = &model[i];
		if (m->control)
			continue;
		if (i >= cleaned)
			cr_assert(left.here[i], "%lld", (long long)i);
		else if (m->key < 0 || m->aborted || newest_clean[m->key] != i)
			cr_assert_not(left.here[i], "%lld", (long long)i);
		else if (m->value >= 0)
			cr_assert(left.here[i], "%lld", (long long)i);
		else
			cr_assert(left.here[i] || newest[m->key] > i || expired,
			    "tombstone %lld", (long long)i);
		if (expired && i < cleaned && m->value < 0)
			cr_assert_not(left.here[i]);
	}
}

/* Whatever went: who reads all of it ends with the newest of each key. */
static void
check_newest(struct kb_log *log)
{
	int64_t newest[KEYS], seen[KEYS];
	int64_t i;
	int k;

	cr_assert_eq(kb_log_end(log), end);
	see_log(log);
	for (k = 0; k < KEYS; k++)
		newest[k] = seen[k] = -1;
	for (i = kb_log_start(log); i < end; i++) {
		if (model[i].key < 0 || model[i].aborted)
			continue;
		newest[model[i].key] = i;
		if (left.here[i])
			seen[model[i].key] = i;
	}
	for (k = 0; k < KEYS; k++)
		cr_assert(seen[k] == newest[k] ||
			(seen[k] == -1 && model[newest[k]].value < 0),
		    "key %d", k);
}

/* The log after a stop is that before it. */
static void
restart(struct kb_log **logp, bool clean_stop)
{
	struct kb_producer_info *was, *is;
	int nwas, nis, i, k;

	cr_assert_eq(kb_log_producers(*logp, &was, &nwas), KC_OK);
	if (clean_stop)
		kt_log_stop(&w, logp);
	else
		kt_log_kill(logp);
	*logp = kt_log_open(&w, clean_stop);
	cr_assert_eq(kb_log_producers(*logp, &is, &nis), KC_OK);
	cr_assert_eq(nis, nwas);
	for (i = 0; i < nwas; i++) {
		for (k = 0; k < nis; k++)
			if (is[k].producer_id == was[i].producer_id)
				break;
		cr_assert_lt(k, nis);
		cr_assert_eq(is[k].last_seq, was[i].last_seq);
		cr_assert_eq(is[k].epoch, was[i].epoch);
		cr_assert_eq(is[k].txn_start, was[i].txn_start);
	}
	free(was);
	free(is);
}

/* Snapshots gone, so that the state is what the records say. */
static void
forget_snapshots(struct kb_log *log)
{
	cr_assert_eq(
	    kb_files_trim_snapshots(&log->pl, INT64_MAX, INT64_MAX), KC_OK);
}

Test(clean, keeps_the_newest_of_each_key)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kb_clean_stats st;
	int64_t size;
	int segs, i;

	fill(log, RECORDS / 2, false);
	for (i = 0; i < 3; i++) {
		size = kb_log_size(log);
		segs = kb_log_segments(log);
		clean_ok(log, &st);
		cr_assert_lt(kb_log_size(log), size / 2);
		cr_assert_leq(kb_log_segments(log), segs);
		cr_assert_eq(st.end, kb_log_active(log)->base);
		cr_assert_eq(log->cleaned, st.end);
		check_left(log, st.end, false);
		cr_assert_gt(left.horizons, 0);
		restart(&log, i % 2 == 0);
		check_left(log, st.end, false);
		fill(log, RECORDS / 8, false);
	}
	cr_assert_gt(discarded, 10);
	cr_assert_eq(w.fails, 0);
	kt_log_kill(&log);
}

Test(clean, tombstones_expire)
{
	struct kb_log *log;
	struct kb_clean_stats st;
	struct kb_clean_range r;
	int horizons;

	w.cfg.delete_retention_ms = 1000000;
	log = kt_log_open(&w, true);
	fill(log, RECORDS / 2, false);
	clean_ok(log, &st);
	check_left(log, st.end, false);
	horizons = left.horizons;
	cr_assert_gt(horizons, 0);
	fill(log, RECORDS / 4, false);
	w.wall_ms += 2000000;
	cr_assert_eq(kb_clean_look(log, &r), KC_OK);
	clean_ok(log, &st);
	/* Those of the second half have their horizon now, and are left. */
	check_left(log, st.end, false);
	for (int64_t i = 0; i < r.dirty; i++)
		if (!model[i].control && model[i].value < 0)
			cr_assert_not(left.here[i], "%lld", (long long)i);
	kt_log_kill(&log);
}

Test(clean, retention_zero)
{
	struct kb_log *log;
	struct kb_clean_stats st;
	int i;

	w.cfg.delete_retention_ms = 0;
	log = kt_log_open(&w, true);
	fill(log, 500, true);
	for (i = 0; i < 6; i++) {
		fill(log, 300, true);
		w.wall_ms += 1000;
		clean_ok(log, &st);
		check_left(log, st.end, false);
		restart(&log, i % 2 == 0);
	}
	kt_log_kill(&log);
}

/* No aborted record comes to a reader, and what committed stays. */
Test(clean, transactions)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kb_aborted *v;
	struct kb_clean_stats st;
	int n, i;

	for (i = 0; i < 4; i++) {
		fill(log, RECORDS / 5, true);
		clean_ok(log, &st);
		check_left(log, st.end, false);
		/* Whoever fetched before the swap asks after it. */
		cr_assert_eq(kb_log_aborted(log, 0, end, &v, &n), KC_OK);
		free(v);
		forget_snapshots(log);
		restart(&log, false);
		check_left(log, st.end, false);
	}
	cr_assert_gt(left.nheaders, 0);
	kt_log_kill(&log);
}

/* With an open transaction, nothing at or after it is touched. */
Test(clean, open_transaction)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kb_clean_stats st;
	int64_t open_at;

	fill(log, 1000, true);
	open_at = end;
	put_batch(log, 3, 0, true, false);
	fill(log, 1000, false);
	cr_assert_eq(kb_log_lso(log), open_at);
	clean_ok(log, &st);
	cr_assert_leq(st.end, open_at);
	check_left(log, st.end, false);
	cr_assert_eq(kb_log_lso(log), open_at);
	put_marker(log, 0, true);
	fill(log, 100, false);
	clean_ok(log, &st);
	cr_assert_gt(st.end, open_at);
	check_left(log, st.end, false);
	kt_log_kill(&log);
}

/* A map that holds few keys: in parts, each time a bit further. */
Test(clean, small_map)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kb_clean_stats st;
	int64_t done = 0, target;
	int rounds = 0;

	fill(log, 600, false);
	target = kb_log_active(log)->base;
	for (map_bytes = 10 * 24; done < target; rounds++) {
		clean_ok(log, &st);
		cr_assert_gt(st.end, done);
		done = st.end;
		check_newest(log);
	}
	cr_assert_gt(rounds, 5);
	/* Two places: not even one batch's keys fit. */
	restart(&log, true);
	cr_assert_eq(log->cleaned, done);
	log->cleaned = -1;
	map_bytes = 2 * 24;
	clean_ok(log, &st);
	cr_assert_gt(st.end, 0);
	check_newest(log);
	kt_log_kill(&log);
}

/* --- what may go wrong -----------------------------------------------------
 */

static bool
leftovers(void)
{
	static const char *const ends[] = { ".cleaned", ".swap" };
	char name[128];
	int64_t i;
	size_t k;

	for (i = 0; i < end; i++)
		for (k = 0; k < KC_COUNT(ends); k++) {
			snprintf(name, sizeof name, "t-0/%020lld.log%s",
			    (long long)i, ends[k]);
			if (kt_exists(&w, name))
				return true;
		}
	return false;
}

/* A byte that is not what was written: nothing is copied from there. */
Test(clean, corrupt_segment)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kb_clean_stats st;
	char name[64];
	uint8_t *p;
	size_t len;

	fill(log, 500, true);
	snprintf(
	    name, sizeof name, "t-0/%020lld.log", (long long)log->seg[2]->base);
	p = kt_slurp(&w, name, &len);
	p[len / 2] ^= 1;
	kt_spit(&w, name, p, len);
	cr_assert_eq(clean(log, &st), KC_ECRC);
	p[len / 2] ^= 1;
	memset(p + 8, 0x7f, 4); /* a batch that goes on for ever */
	kt_spit(&w, name, p, len);
	cr_assert_eq(clean(log, &st), KC_ECORRUPT);
	memset(p, 0, 8); /* offsets from before the segment */
	kt_spit(&w, name, p, len);
	cr_assert_eq(clean(log, &st), KC_ECORRUPT);
	kt_spit(&w, name, p, len - 10);
	cr_assert_eq(clean(log, &st), KC_ECORRUPT);
	free(p);
	cr_assert_not(leftovers());
	cr_assert_eq(w.fails, 0);
	cr_assert_eq(log->cleaned, -1);
	kt_log_kill(&log);
}

/* Given up at each place where it can be: the log is whole every time. */
Test(clean, canceled_anywhere)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kb_clean_stats st;
	int at, rc = KC_ECANCELED;

	fill(log, 500, true);
	for (at = 1; rc == KC_ECANCELED; at += 3) {
		cancel_after = at;
		rc = clean(log, &st);
		check_newest(log);
		cr_assert_not(leftovers());
	}
	cr_assert_eq(rc, KC_OK);
	cr_assert_gt(at, 50);
	check_left(log, st.end, false);
	kt_log_kill(&log);
}

/* No space: nothing is lost, and the next time it works. */
Test(clean, full_disk)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kb_clean_stats st;

	fill(log, 500, true);
	kt_faults.pwrite_nospc = 10;
	cr_assert_eq(clean(log, &st), KC_ENOSPC);
	kt_faults.pwrite_nospc = 0;
	cr_assert_not(leftovers());
	cr_assert_eq(w.fails, 0);
	check_newest(log);
	clean_ok(log, &st);
	check_left(log, st.end, false);
	kt_log_kill(&log);
}

static struct kt_world before;

/*
 * Goal: a stop at any step of the swap is a log before it, after it, or with
 * some groups done.
 * Method: after the n-th call that changes something, nothing is changed any
 * more; then load what there is, for every n.
 */
static void
stop_at_each_step(bool txns)
{
	struct kb_clean_stats st;
	struct kb_log *log;
	int n, rc = -1;

	buffer = 3000;
	kt_world_open(&before);
	log = kt_log_open(&w, true);
	fill(log, 300, txns);
	clean_ok(log, &st);
	fill(log, 150, txns);
	forget_snapshots(log);
	w.recovery_point = end;
	w.hw = end;
	kt_log_kill(&log);
	kt_copy(&w, &before);
	for (n = 1; rc != KC_OK; n++) {
		kt_copy(&before, &w);
		atomic_store(&w.host.offline, false);
		w.cleaned = 0;
		log = kt_log_open(&w, false);
		kt_faults.die = n;
		rc = clean(log, &st);
		kt_faults.die = 0;
		kt_faults.died = false;
		atomic_store(&w.host.offline, false);
		kt_log_kill(&log);
		log = kt_log_open(&w, false);
		check_newest(log);
		cr_assert_not(leftovers());
		/* And all of it can be done again. */
		if (rc != KC_OK && n % 5 == 0) {
			clean_ok(log, &st);
			check_newest(log);
		}
		kt_log_kill(&log);
	}
	cr_assert_gt(n, 30);
	kt_world_close(&before);
}

Test(clean, stopped_at_each_step)
{
	stop_at_each_step(false);
}

Test(clean, stopped_at_each_step_with_transactions)
{
	w.cfg.delete_retention_ms = 0;
	stop_at_each_step(true);
}

/* A truncation bars the log, and what is clean ends with it. */
Test(clean, truncated)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kb_clean_stats st;
	struct kb_clean_range r;

	fill(log, 600, false);
	clean_ok(log, &st);
	cr_assert_gt(st.end, 310);
	kb_log_bar(log);
	cr_assert_not(kb_log_turn_take(log));
	kb_log_unbar(log);
	cr_assert_eq(kb_log_truncate(log, 300), KC_OK);
	cr_assert_eq(log->cleaned, 300);
	cr_assert_eq(kb_log_end(log), 300);
	end = 300;
	(void)kb_log_set_hw(log, end);
	seqs[2] = 0;
	for (int64_t i = 0; i < 2; i++)
		put_batch(log, 5, -1, false, false);
	cr_assert_eq(kb_clean_look(log, &r), KC_OK);
	cr_assert_not(r.reset);
	cr_assert_eq(kb_log_truncate_full(log, 1000), KC_OK);
	cr_assert_eq(log->cleaned, 300);
	cr_assert_eq(kb_clean_look(log, &r), KC_OK);
	cr_assert_eq(r.dirty, 1000);
	cr_assert_not(r.worth);
	kt_log_kill(&log);
}

/* Segments of nothing but old values become one without a byte. */
Test(clean, nothing_left)
{
	struct kb_log *log = kt_log_open(&w, true);
	struct kb_clean_stats st;
	struct kb_segment *seg;
	int empty = 0, i;

	fill(log, 1500, false);
	clean_ok(log, &st);
	for (i = 0; i < log->nseg - 1; i++) {
		seg = log->seg[i];
		empty += seg->size == 0;
	}
	cr_assert_gt(empty, 0);
	check_left(log, st.end, false);
	restart(&log, true);
	check_left(log, st.end, false);
	restart(&log, false);
	check_left(log, st.end, false);
	kt_log_kill(&log);
}
