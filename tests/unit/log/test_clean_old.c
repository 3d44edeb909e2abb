/* Compaction of magic 0 and 1, as an old broker left them. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "kbroker/log/clean_priv.h"
#include "kcommon/base/rand.h"
#include "kcommon/record/build.h"
#include "tests/unit/log/common.h"

#define TS 1700000000000
#define RECORDS 500
#define KEYS 5

/* A record as written; value -1: a tombstone. */
struct rec {
	int key;
	int value;
	int64_t ts;
};

static struct kt_world w;
static struct kc_rand rnd;
static struct rec model[RECORDS]; /* by offset */
static bool here[RECORDS];
static int64_t end;

static int
below(int n)
{
	return (int)kc_rand_below(&rnd, (uint64_t)n);
}

static int
on_spent(void *arg, struct kb_log *log, size_t n)
{
	(void)arg;
	(void)log;
	(void)n;
	return KC_OK;
}

static void
on_discard(void *arg, struct kb_log *log, int64_t base)
{
	(void)arg;
	(void)log;
	(void)base;
}

static const struct kb_clean_means means = { .buffer = 1 << 12,
	.map_bytes = 1 << 12,
	.map_load = 0.9,
	.spent = on_spent,
	.discard = on_discard };

static void
clean(struct kb_log *log, struct kb_clean_stats *st)
{
	struct kb_clean_range r;

	cr_assert(kb_log_turn_take(log));
	cr_assert_eq(kb_clean_look(log, &r), KC_OK);
	cr_assert_eq(kb_clean(log, &r, &means, st), KC_OK);
	kb_log_turn_drop(log);
}

static void
append(struct kb_log *log, const struct kc_wr *wr)
{
	struct kb_append a = { .p = wr->p,
		.len = wr->len,
		.append_time = -1,
		.origin = KB_APPEND_REPLICA };

	cr_assert_eq(kb_log_append(log, &a), KC_OK);
	cr_assert_eq(a.verdict, KB_VERDICT_OK);
}

/* n records in one wrapper, or side by side. */
static void
put_old(struct kb_log *log, int8_t magic, enum kc_codec codec, int n)
{
	struct kc_build_params p = kc_build_params_default;
	struct kc_build bld;
	struct kc_wr v2, wr;
	int i;

	p.base_offset = end;
	p.codec = codec;
	p.level = kc_codec_level_default(codec);
	kc_wr_init(&v2, 0);
	kc_wr_init(&wr, 0);
	kc_build_open(&bld, &p, NULL, &v2);
	for (i = 0; i < n; i++) {
		struct rec *m = &model[end + i];
		struct kc_record rec = { .headers = KC_STR_NULL };
		char key[16], value[16];

		*m = (struct rec){ .key = below(KEYS),
			.value = below(4) == 0 ? -1 : (int)(end + i),
			.ts = magic == 0 ? -1 : TS + end + i };
		snprintf(key, sizeof key, "key-%d", m->key);
		snprintf(value, sizeof value, "%d", m->value);
		rec.key = kc_str(key);
		rec.value = m->value < 0 ? KC_STR_NULL : kc_str(value);
		rec.offset = end + i;
		rec.timestamp = m->ts;
		cr_assert_eq(kc_build_append(&bld, &rec), KC_OK);
	}
	cr_assert_eq(kc_build_finish(&bld), KC_OK);
	cr_assert_eq(
	    kc_legacy_down_convert(NULL, v2.p, v2.len, magic, 0, &wr), KC_OK);
	append(log, &wr);
	kc_wr_fini(&v2);
	kc_wr_fini(&wr);
	end += n;
}

static int old_seen;

static void
see_old(const struct kc_batch *batch)
{
	struct kb_clean_iter it;
	struct kc_record rec;
	char key[16];

	cr_assert_lt(batch->magic, 2);
	cr_assert_eq(kc_batch_check_crc(batch), KC_OK);
	kb_clean_iter_open(&it, batch, NULL);
	for (; kb_clean_iter_next(&it, &rec); old_seen++) {
		const struct rec *m = &model[rec.offset];

		snprintf(key, sizeof key, "key-%d", m->key);
		cr_assert(kc_str_eqz(rec.key, key));
		cr_assert_eq(rec.value.len < 0, m->value < 0);
		cr_assert_eq(rec.timestamp, m->ts);
		here[rec.offset] = true;
	}
	cr_assert_eq(kb_clean_iter_close(&it), KC_OK);
}

static void
see_old_log(struct kb_log *log)
{
	struct kb_clean_in in;
	struct kc_batch batch;
	int rc, i;

	memset(here, 0, sizeof here);
	old_seen = 0;
	for (i = 0; i < log->nseg - 1; i++) {
		cr_assert_eq(kb_clean_in_open(&in, log, &means, log->seg[i],
				 log->seg[i + 1]->base),
		    KC_OK);
		while ((rc = kb_clean_in_next(&in, &batch)) == KC_OK)
			see_old(&batch);
		cr_assert_eq(rc, KC_ENOENT);
		kb_clean_in_close(&in);
	}
}

static struct kb_log *
open_filled(void)
{
	struct kb_log *log;
	int i;

	kt_world_open(&w);
	kc_rand_init_seed(&rnd, 7);
	w.cfg.compact = true;
	w.cfg.del = false;
	w.cfg.segment_bytes = 1000;
	log = kt_log_open(&w, true);
	for (i = 0; i < 60; i++)
		put_old(log, (int8_t)(i % 2),
		    (enum kc_codec)(i % 3 == 0 ? below(4) : 0), 1 + below(6));
	(void)kb_log_set_hw(log, end);
	w.wall_ms = TS + end;
	return log;
}

/* Those of the newest records that are tombstones may be gone. */
static void
check(struct kb_log *log, int64_t limit, int64_t gone_below)
{
	int newest[KEYS];
	int i;

	see_old_log(log);
	for (i = 0; i < limit; i++)
		newest[model[i].key] = i;
	for (i = 0; i < limit; i++)
		if (model[i].value < 0 && i < gone_below)
			cr_assert_not(here[i], "%d", i);
		else
			cr_assert_eq(
			    here[i], newest[model[i].key] == i, "%d", i);
}

Test(clean_old, newest_of_each_key)
{
	struct kb_log *log = open_filled();
	struct kb_clean_stats st;
	int64_t limit, i;

	clean(log, &st);
	see_old_log(log);
	/*
	 * A segment that begins with a wrapper is named by its last offset,
	 * and so the active one may have records below its base.
	 */
	limit = st.end - 6;
	for (i = limit; i < st.end; i++)
		limit = here[i] ? i + 1 : limit;
	check(log, limit, 0);
	cr_assert_leq(old_seen, KEYS);
	kt_log_kill(&log);
	kt_world_close(&w);
}

/* As old as the newest clean file less delete.retention.ms: gone. */
Test(clean_old, tombstones)
{
	struct kb_log *log = open_filled();
	struct kb_clean_stats st;
	struct kb_log_config lc;
	int64_t first;
	int i, was = 0, is = 0;

	clean(log, &st);
	first = st.end;
	see_old_log(log);
	for (i = 0; i < first; i++)
		was += here[i] && model[i].value < 0;
	cr_assert_gt(was, 0); /* the seed sees to it */
	kb_log_get_config(log, &lc);
	lc.delete_retention_ms = 0;
	kb_log_set_config(log, &lc);
	for (i = 0; i < 20; i++)
		put_old(log, 1, KC_CODEC_NONE, 1);
	(void)kb_log_set_hw(log, end);
	clean(log, &st);
	cr_assert_gt(st.end, first);
	see_old_log(log);
	for (i = 0; i < first; i++)
		is += here[i] && model[i].value < 0;
	cr_assert_eq(is, 0);
	kt_log_kill(&log);
	kt_world_close(&w);
}
