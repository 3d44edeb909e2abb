/* What compaction decides without any file. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "kbroker/log/clean_choice.h"
#include "kbroker/log/clean_rules.h"
#include "kbroker/log/clean_txn.h"
#include "kbroker/log/offset_map.h"
#include "kcommon/base/err.h"

/* --- offset map ------------------------------------------------------------
 */

static struct kc_rand rnd;

static struct kb_offset_map *
map_open(size_t bytes, double load)
{
	struct kb_offset_map *map = NULL;

	kc_rand_init_seed(&rnd, 1);
	cr_assert_eq(kb_offset_map_open(&map, bytes, load, &rnd), KC_OK);
	return map;
}

Test(offset_map, too_small)
{
	struct kb_offset_map *map = NULL;

	kc_rand_init_seed(&rnd, 1);
	cr_assert_eq(kb_offset_map_open(&map, 0, 0.9, &rnd), KC_EINVAL);
	cr_assert_eq(kb_offset_map_open(&map, 47, 0.9, &rnd), KC_EINVAL);
	cr_assert_null(map);
	/* Two slots, of which one is always free; a load of nothing is one. */
	map = map_open(48, 1);
	cr_assert_eq(kb_offset_map_slots(map), 2);
	cr_assert_eq(kb_offset_map_put(map, kc_str("a"), 0), KC_OK);
	cr_assert(kb_offset_map_full(map));
	cr_assert_eq(kb_offset_map_put(map, kc_str("b"), 1), KC_ELIMIT);
	cr_assert_eq(kb_offset_map_get(map, kc_str("b")), -1);
	kb_offset_map_close(&map);
	map = map_open(4800, 0);
	cr_assert_eq(kb_offset_map_put(map, kc_str("a"), 0), KC_OK);
	cr_assert_eq(kb_offset_map_put(map, kc_str("b"), 1), KC_ELIMIT);
	kb_offset_map_close(&map);
}

/* Full to the last place that load gives; what is in it can still change. */
Test(offset_map, full)
{
	struct kb_offset_map *map = map_open(24 * 1000, 0.9);
	char key[16];
	int i;

	for (i = 0; i < 900; i++) {
		snprintf(key, sizeof key, "%d", i);
		cr_assert_eq(kb_offset_map_put(map, kc_str(key), i), KC_OK);
	}
	cr_assert_eq(kb_offset_map_put(map, kc_str("x"), 1000), KC_ELIMIT);
	cr_assert_eq(kb_offset_map_put(map, kc_str("7"), 1001), KC_OK);
	cr_assert_eq(kb_offset_map_keys(map), 900);
	for (i = 0; i < 900; i++) {
		snprintf(key, sizeof key, "%d", i);
		cr_assert_eq(
		    kb_offset_map_get(map, kc_str(key)), i == 7 ? 1001 : i);
	}
	cr_assert_eq(kb_offset_map_get(map, kc_str("900")), -1);
	kb_offset_map_close(&map);
}

/* An empty key is a key. */
Test(offset_map, empty_key)
{
	struct kb_offset_map *map = map_open(2400, 0.5);

	cr_assert_eq(kb_offset_map_get(map, KC_STR_LIT("")), -1);
	cr_assert_eq(kb_offset_map_put(map, KC_STR_LIT(""), 3), KC_OK);
	cr_assert_eq(kb_offset_map_get(map, KC_STR_LIT("")), 3);
	kb_offset_map_close(&map);
}

/* --- range -----------------------------------------------------------------
 */

#define NOW 1700000000000

/* Five segments of 100 offsets and 1000 bytes, the last one active. */
static struct kb_clean_seg segs[5];
static struct kb_log_config cfg;
static struct kb_clean_ask ask;
static struct kb_clean_range r;

static void
setup(void)
{
	int i;

	cfg = kb_log_config_default;
	cfg.compact = true;
	cfg.del = false;
	for (i = 0; i < 5; i++)
		segs[i] = (struct kb_clean_seg){ .base = i * 100,
			.size = 1000,
			.largest_ts = NOW - 1000 + i * 100,
			.first_ts = NOW - 1100 + i * 100,
			.index_bytes = 8,
			.time_index_bytes = 12 };
	ask = (struct kb_clean_ask){ .cfg = &cfg,
		.seg = segs,
		.n = 5,
		.end = 450,
		.lso = 450,
		.cleaned = -1,
		.now_ms = NOW };
}

TestSuite(clean_range, .init = setup);

Test(clean_range, one_segment_is_never_touched)
{
	ask.n = 1;
	ask.end = ask.lso = 50;
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.limit, 0);
	cr_assert_eq(r.dirty_bytes, 0);
	cr_assert_not(r.worth);
}

/* A checkpoint that cannot be: the whole log is dirty. */
Test(clean_range, wrong_checkpoint)
{
	ask.cleaned = 451;
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.dirty, 0);
	cr_assert(r.reset);
	ask.cleaned = 100;
	ask.start = 200;
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.dirty, 200);
	cr_assert(r.reset);
	cfg.del = true; /* retention has moved the start: as it should be */
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.dirty, 200);
	cr_assert_not(r.reset);
	ask.cleaned = -1;
	kb_clean_range(&ask, &r);
	cr_assert_not(r.reset);
}

Test(clean_range, all_but_the_active_one)
{
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.dirty, 0);
	cr_assert_eq(r.limit, 400);
	cr_assert_eq(r.clean_bytes, 0);
	cr_assert_eq(r.dirty_bytes, 4000);
	cr_assert_eq(r.ratio, 1);
	cr_assert(r.worth);
	ask.cleaned = 400;
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.dirty_bytes, 0);
	cr_assert_not(r.worth);
	ask.cleaned = 450; /* the active one rolled and was emptied by a cut */
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.dirty_bytes, 0);
	cr_assert_not(r.worth);
}

/* The ratio must be above the limit, not at it. */
Test(clean_range, ratio)
{
	ask.cleaned = 200;
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.ratio, 0.5);
	cr_assert_not(r.worth);
	cfg.min_cleanable_ratio = 0.49;
	kb_clean_range(&ask, &r);
	cr_assert(r.worth);
	cfg.min_cleanable_ratio = 0;
	ask.cleaned = 400;
	kb_clean_range(&ask, &r);
	cr_assert_not(r.worth);
}

/* Never a segment with an offset at or above the last stable one. */
Test(clean_range, last_stable_offset)
{
	int64_t lso;

	for (lso = 0; lso <= 450; lso++) {
		ask.lso = lso;
		kb_clean_range(&ask, &r);
		cr_assert_eq(r.limit, KC_MIN(lso / 100 * 100, 400));
		cr_assert_leq(r.limit, lso);
	}
	/* Below what is clean already, after an open transaction came late. */
	ask.cleaned = 300;
	ask.lso = 150;
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.dirty_bytes, 0);
	cr_assert_not(r.worth);
}

Test(clean_range, min_lag)
{
	cfg.min_compaction_lag_ms = 850;
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.limit, 200); /* NOW - 800 is too young */
	cfg.min_compaction_lag_ms = 800;
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.limit, 300); /* exactly that old is old enough */
	cfg.min_compaction_lag_ms = INT64_MAX;
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.limit, 0);
	cr_assert_not(r.worth);
	ask.now_ms = -5; /* a clock from before 1970 */
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.limit, 0);
}

Test(clean_range, max_lag)
{
	cfg.min_cleanable_ratio = 1;
	kb_clean_range(&ask, &r);
	cr_assert_not(r.worth);
	cfg.max_compaction_lag_ms = 1100;
	kb_clean_range(&ask, &r);
	cr_assert_not(r.overdue);
	cfg.max_compaction_lag_ms = 1099;
	kb_clean_range(&ask, &r);
	cr_assert(r.overdue);
	cr_assert(r.worth);
	ask.cleaned = 200; /* the old ones are done */
	kb_clean_range(&ask, &r);
	cr_assert_not(r.overdue);
	cfg.max_compaction_lag_ms = 1;
	ask.lso = 200; /* but nothing may be touched */
	kb_clean_range(&ask, &r);
	cr_assert(r.overdue);
	cr_assert_not(r.worth);
	/* Unknown times say nothing. */
	ask.lso = 450;
	segs[2].first_ts = segs[3].first_ts = -1;
	kb_clean_range(&ask, &r);
	cr_assert_not(r.overdue);
}

/* The map got full in the middle of a segment: it is in both sums. */
Test(clean_range, dirty_in_the_middle)
{
	ask.cleaned = 150;
	kb_clean_range(&ask, &r);
	cr_assert_eq(r.dirty, 150);
	cr_assert_eq(r.clean_bytes, 2000);
	cr_assert_eq(r.dirty_bytes, 3000);
}

/* --- groups ----------------------------------------------------------------
 */

TestSuite(clean_group, .init = setup);

Test(clean_group, at_least_one)
{
	cfg.segment_bytes = 14;
	cfg.segment_index_bytes = 4;
	cr_assert_eq(kb_clean_group(&cfg, segs, 4, 400), 1);
	cr_assert_eq(kb_clean_group(&cfg, segs, 1, INT64_MAX), 1);
}

Test(clean_group, bytes)
{
	cfg.segment_bytes = 2999;
	cr_assert_eq(kb_clean_group(&cfg, segs, 4, 400), 2);
	cfg.segment_bytes = 3000;
	cr_assert_eq(kb_clean_group(&cfg, segs, 4, 400), 3);
	cfg.segment_bytes = INT32_MAX;
	cr_assert_eq(kb_clean_group(&cfg, segs, 4, 400), 4);
	cfg.segment_index_bytes = 24; /* two time indexes */
	cr_assert_eq(kb_clean_group(&cfg, segs, 4, 400), 2);
	segs[0].time_index_bytes = segs[1].time_index_bytes = 0;
	cr_assert_eq(kb_clean_group(&cfg, segs, 4, 400), 3); /* indexes */
}

/* Offsets are 31 bits from the base. */
Test(clean_group, offsets)
{
	int64_t far = (int64_t)INT32_MAX + 1; /* 100 + far - 1 does not fit */

	cfg.segment_bytes = INT32_MAX;
	segs[0].base = 100;
	segs[1].base = 200;
	segs[2].base = 100 + far;
	cr_assert_eq(kb_clean_group(&cfg, segs, 3, 101 + far), 2);
	segs[2].base = 101 + far;
	cr_assert_eq(kb_clean_group(&cfg, segs, 3, 200 + far), 1);
	segs[1].size = 0;
	cr_assert_eq(kb_clean_group(&cfg, segs, 3, 200 + far), 2);
	segs[2].size = 0;
	cr_assert_eq(kb_clean_group(&cfg, segs, 3, 200 + far), 3);
}

/* --- records ---------------------------------------------------------------
 */

static struct kb_clean_rules rules;
static struct kc_batch b;
static struct kc_record rec;

static void
setup_rules(void)
{
	rules = (struct kb_clean_rules){ .now_ms = NOW,
		.latest = 1000,
		.limit = 2000,
		.delete_retention_ms = 500 };
	b = (struct kc_batch){ .magic = 2,
		.base_offset = 10,
		.last_delta = 9,
		.count = 10,
		.producer_id = -1,
		.producer_epoch = -1,
		.base_timestamp = NOW - 5 };
	rec = (struct kc_record){ .offset = 15,
		.key = KC_STR_LIT("k"),
		.value = KC_STR_LIT("v"),
		.headers = KC_STR_NULL };
}

TestSuite(clean_rules, .init = setup_rules);

static bool
keep(int64_t newest)
{
	return kb_clean_keep_record(&rules, &b, &rec, newest);
}

Test(clean_rules, without_key)
{
	rec.key = KC_STR_NULL;
	cr_assert_not(keep(-1));
	cr_assert_not(kb_clean_wants_key(&rules, &rec));
	rec.offset = 1001; /* nothing is known of it */
	cr_assert(keep(-1));
}

Test(clean_rules, newest_of_its_key)
{
	cr_assert_not(keep(16));
	cr_assert(keep(15));
	/* Not in the dirty part: it is in the clean part once. */
	cr_assert(keep(-1));
	cr_assert(keep(14));
	rec.offset = 1001;
	cr_assert_not(kb_clean_wants_key(&rules, &rec));
	cr_assert(keep(-1));
}

Test(clean_rules, tombstones)
{
	rec.value = KC_STR_NULL;
	cr_assert(keep(15)); /* its time begins now */
	cr_assert_not(keep(16));
	b.attributes = KC_ATTR_DELETE_HORIZON;
	b.base_timestamp = NOW + 1;
	cr_assert(keep(15));
	b.base_timestamp = NOW;
	cr_assert_not(keep(15));
	rec.value = KC_STR_LIT("v"); /* beside one that goes */
	cr_assert(keep(15));
	rec.value = KC_STR_NULL;
	b = (struct kc_batch){ .magic = 1 };
	cr_assert_not(keep(15));
	rules.keep_old_deletes = true;
	cr_assert(keep(15));
	rec.offset = 1001;
	rules.keep_old_deletes = false;
	cr_assert(keep(-1));
}

Test(clean_rules, discard)
{
	cr_assert_not(kb_clean_discard(&rules, &b, false, false));
	cr_assert(kb_clean_discard(&rules, &b, true, false));
	b.attributes = KC_ATTR_TXN | KC_ATTR_CONTROL;
	cr_assert_not(kb_clean_discard(&rules, &b, false, true));
	b.attributes |= KC_ATTR_DELETE_HORIZON;
	b.base_timestamp = NOW + 1;
	cr_assert_not(kb_clean_discard(&rules, &b, false, true));
	b.base_timestamp = NOW;
	cr_assert(kb_clean_discard(&rules, &b, false, true));
	cr_assert_not(kb_clean_discard(&rules, &b, false, false));
	rec.key = KC_STR_NULL; /* a marker's records are never judged */
	cr_assert(keep(-1));
}

/* --- batches ---------------------------------------------------------------
 */

TestSuite(clean_fate, .init = setup_rules);

static struct kb_clean_sum sum;
static struct kb_clean_last last;
static int64_t horizon;

static enum kb_clean_fate
fate(void)
{
	return kb_clean_fate(&rules, &b, &sum, &last, &horizon);
}

Test(clean_fate, nothing_left)
{
	sum = (struct kb_clean_sum){ .records = 10 };
	cr_assert_eq(fate(), KB_CLEAN_DROP);
	/* Of nobody's, but the last before what may not be touched. */
	b.base_offset = 1990;
	cr_assert_eq(fate(), KB_CLEAN_EMPTY);
	sum.records = 0;
	cr_assert_eq(fate(), KB_CLEAN_COPY); /* empty already */
	b.magic = 1; /* has no empty batches */
	b.last_delta = 0;
	b.base_offset = 1999;
	cr_assert_eq(fate(), KB_CLEAN_DROP);
}

Test(clean_fate, last_of_a_producer)
{
	sum = (struct kb_clean_sum){ .records = 10 };
	b.producer_id = 7;
	b.producer_epoch = 3;
	cr_assert_eq(fate(), KB_CLEAN_DROP); /* expired */
	last = (struct kb_clean_last){ .active = true, .data_offset = 19 };
	cr_assert_eq(fate(), KB_CLEAN_EMPTY);
	last.data_offset = 20;
	cr_assert_eq(fate(), KB_CLEAN_DROP);
	/* Only markers: those of its epoch, and no data. */
	last.data_offset = -1;
	last.epoch = 3;
	cr_assert_eq(fate(), KB_CLEAN_DROP);
	b.attributes = KC_ATTR_TXN | KC_ATTR_CONTROL;
	cr_assert_eq(fate(), KB_CLEAN_EMPTY);
	last.epoch = 4;
	cr_assert_eq(fate(), KB_CLEAN_DROP);
}

Test(clean_fate, some_left)
{
	sum = (struct kb_clean_sum){ .records = 10, .kept = 10 };
	cr_assert_eq(fate(), KB_CLEAN_COPY);
	sum.kept = 1;
	cr_assert_eq(fate(), KB_CLEAN_REWRITE);
	cr_assert_eq(horizon, -1);
	sum.kept = 10;
	sum.wrong_magic = true;
	cr_assert_eq(fate(), KB_CLEAN_REWRITE);
}

Test(clean_fate, horizons)
{
	sum = (struct kb_clean_sum){
		.records = 10, .kept = 10, .tombstone = true
	};
	cr_assert_eq(fate(), KB_CLEAN_REWRITE);
	cr_assert_eq(horizon, NOW + 500);
	rules.delete_retention_ms = INT64_MAX;
	cr_assert_eq(fate(), KB_CLEAN_REWRITE);
	cr_assert_eq(horizon, INT64_MAX);
	/* Set once, it stays. */
	b.attributes = KC_ATTR_DELETE_HORIZON;
	b.base_timestamp = NOW + 3;
	cr_assert_eq(fate(), KB_CLEAN_COPY);
	sum.kept = 5;
	cr_assert_eq(fate(), KB_CLEAN_REWRITE);
	cr_assert_eq(horizon, NOW + 3);
	/* Magic 0 and 1 have none. */
	b = (struct kc_batch){ .magic = 1 };
	sum.kept = 10;
	cr_assert_eq(fate(), KB_CLEAN_COPY);
	/* A marker whose data is gone. */
	b = (struct kc_batch){ .magic = 2,
		.attributes = KC_ATTR_CONTROL | KC_ATTR_TXN };
	sum = (struct kb_clean_sum){ .records = 1, .kept = 1 };
	cr_assert_eq(fate(), KB_CLEAN_COPY);
	sum.gone = true;
	rules.delete_retention_ms = 500;
	cr_assert_eq(fate(), KB_CLEAN_REWRITE);
	cr_assert_eq(horizon, NOW + 500);
}

/* --- transactions ----------------------------------------------------------
 */

static struct kb_clean_txn txn;
static bool gone, indexed;
static struct kb_aborted_txn entry;

static void
setup_txn(void)
{
	kb_clean_txn_init(&txn);
}

static void
teardown_txn(void)
{
	kb_clean_txn_fini(&txn);
}

TestSuite(clean_txn, .init = setup_txn, .fini = teardown_txn);

static void
add(int64_t id, int64_t first, int64_t last_offset)
{
	struct kb_aborted_txn a = { id, first, last_offset, last_offset + 1 };

	cr_assert_eq(kb_clean_txn_add(&txn, &a), KC_OK);
}

static bool
data(int64_t id, int64_t offset)
{
	struct kc_batch d = { .magic = 2,
		.base_offset = offset,
		.count = 1,
		.attributes = KC_ATTR_TXN,
		.producer_id = id };
	bool aborted;

	cr_assert_eq(kb_clean_txn_data(&txn, &d, &aborted), KC_OK);
	return aborted;
}

static void
marker(int64_t id, int64_t offset, enum kc_control type)
{
	struct kc_batch m = { .magic = 2,
		.base_offset = offset,
		.count = 1,
		.attributes = KC_ATTR_TXN | KC_ATTR_CONTROL,
		.producer_id = id };

	cr_assert_eq(
	    kb_clean_txn_marker(&txn, &m, type, &gone, &indexed, &entry),
	    KC_OK);
}

Test(clean_txn, other_control_records_stay)
{
	marker(1, 5, KC_CONTROL_OTHER);
	cr_assert_not(gone);
}

Test(clean_txn, empty_marker)
{
	struct kc_batch m = { .magic = 2,
		.attributes = KC_ATTR_TXN | KC_ATTR_CONTROL,
		.producer_id = 1 };

	cr_assert_eq(kb_clean_txn_marker(
			 &txn, &m, KC_CONTROL_OTHER, &gone, &indexed, &entry),
	    KC_OK);
	cr_assert(gone);
}

Test(clean_txn, commit)
{
	cr_assert_not(data(1, 0));
	cr_assert_not(data(2, 1));
	marker(1, 2, KC_CONTROL_COMMIT);
	cr_assert_not(gone);
	marker(1, 3, KC_CONTROL_COMMIT); /* of one without data */
	cr_assert(gone);
	marker(2, 4, KC_CONTROL_COMMIT);
	cr_assert_not(gone);
	cr_assert_not(indexed);
}

Test(clean_txn, abort)
{
	add(2, 10, 15);
	add(1, 1, 5);
	cr_assert_not(data(1, 0)); /* of an earlier, committed one */
	marker(1, 0, KC_CONTROL_COMMIT);
	cr_assert(data(1, 1));
	cr_assert_not(data(3, 2));
	cr_assert(data(1, 4));
	marker(1, 5, KC_CONTROL_ABORT);
	cr_assert_not(gone);
	cr_assert(indexed);
	cr_assert_eq(entry.producer_id, 1);
	cr_assert_eq(entry.first_offset, 1);
	cr_assert_not(data(1, 6)); /* the next one */
	/* Its data is gone: nothing is passed before the marker. */
	marker(2, 15, KC_CONTROL_ABORT);
	cr_assert(gone);
	cr_assert_not(indexed);
}

/* Shown again while it is going on. */
Test(clean_txn, added_late)
{
	add(1, 1, 50);
	cr_assert(data(1, 1));
	add(2, 20, 60);
	cr_assert(data(2, 20));
	cr_assert(data(1, 21));
	marker(1, 50, KC_CONTROL_ABORT);
	cr_assert(indexed);
	marker(2, 60, KC_CONTROL_ABORT);
	cr_assert(indexed);
}

/* An entry whose marker is missing condemns nothing that comes later. */
Test(clean_txn, stale_entry)
{
	add(1, 0, 5);
	cr_assert(data(1, 3));
	cr_assert_not(data(1, 8));
	marker(1, 9, KC_CONTROL_COMMIT);
	cr_assert_not(gone);
	add(1, 10, 15);
	add(2, 11, 12);
	cr_assert_not(data(3, 16));
	marker(1, 20, KC_CONTROL_COMMIT);
	cr_assert(gone);
	cr_assert_not(data(1, 21));
	cr_assert_not(data(2, 22));
	/* An abort without an entry whose data is there keeps its marker. */
	marker(2, 23, KC_CONTROL_ABORT);
	cr_assert_not(gone);
}
