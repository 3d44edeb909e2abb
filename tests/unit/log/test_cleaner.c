/* The cleaner over log dirs, driven as a simulator does: no threads. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "kbroker/log/cleaner.h"
#include "kbroker/log/dirs_priv.h"
#include "kcommon/record/build.h"
#include "tests/unit/log/common.h"

#define TS 1700000000000
#define CHECKPOINT "data/cleaner-offset-checkpoint"

static struct kt_world w;
static char path[300];
static const char *path_list[1] = { path };
static struct kb_log_dirs_config cfg;
static struct kb_log_cleaner_config cc;
static struct kb_log_dirs *dirs;
static struct kb_log_cleaner *cl;
static int value; /* rises */

static const struct kb_log_events events;

static void
start(void)
{
	static const struct kb_log_identity me = { 1, "cluster" };
	struct kb_log_identity id;

	cr_assert_eq(
	    kb_log_dirs_open(&dirs, &w.env, &cfg, &events, &id), KC_OK);
	cr_assert_eq(kb_log_dirs_identity(dirs, &me), KC_OK);
	cr_assert_eq(kb_log_dirs_load(dirs), KC_OK);
	cr_assert_eq(kb_log_cleaner_open(&cl, dirs, &cc), KC_OK);
}

static void
stop(bool clean)
{
	kb_log_cleaner_close(&cl);
	kb_log_dirs_close(&dirs, clean);
}

static void
setup(void)
{
	kt_world_open(&w);
	snprintf(path, sizeof path, "%s/data", w.path);
	cfg = kb_log_dirs_config_default;
	cfg.paths = path_list;
	cfg.npaths = 1;
	cfg.log.segment_bytes = 1000;
	cfg.log.compact = true;
	cfg.log.del = false;
	cfg.log.file_delete_delay_ms = 0;
	cc = kb_log_cleaner_config_default;
	cc.dedupe_bytes = 1 << 16;
	cc.io_bytes = 8192;
	start();
}

static void
teardown(void)
{
	stop(false);
	kt_world_close(&w);
}

TestSuite(cleaner, .init = setup, .fini = teardown);

static struct kb_log *
make(const char *topic)
{
	struct kb_log_create c = { .topic = topic, .is_new = true };
	struct kb_log *log = NULL;

	cr_assert_eq(kb_log_dirs_create(dirs, &c, &log), KC_OK);
	return log;
}

/* n records of ten keys, one a batch. */
static void
fill(struct kb_log *log, int n)
{
	struct kb_append a;
	struct kc_build bld;
	struct kc_wr wr;
	char key[16], text[16];
	int i;

	kc_wr_init(&wr, 0);
	for (i = 0; i < n; i++) {
		struct kc_record rec = { .timestamp = TS + value,
			.headers = KC_STR_NULL };

		snprintf(key, sizeof key, "%d", i % 10);
		snprintf(text, sizeof text, "%d", value++);
		rec.key = kc_str(key);
		rec.value = kc_str(text);
		kc_wr_reset(&wr);
		kc_build_open(&bld, &kc_build_params_default, NULL, &wr);
		cr_assert_eq(kc_build_append(&bld, &rec), KC_OK);
		cr_assert_eq(kc_build_finish(&bld), KC_OK);
		a = (struct kb_append){ .p = wr.p, .len = wr.len };
		cr_assert_eq(kb_log_append(log, &a), KC_OK);
	}
	kc_wr_fini(&wr);
	(void)kb_log_set_hw(log, kb_log_end(log));
}

static void
tick_dirs(void)
{
	(void)kb_log_dirs_tick(dirs);
}

static void
check_file(const char *want)
{
	size_t len;
	char *p;

	p = (char *)kt_slurp(&w, CHECKPOINT, &len);
	cr_assert_str_eq(p, want);
	free(p);
}

Test(cleaner, nothing_to_do)
{
	struct kb_log *log = make("t");
	int64_t next = kb_log_cleaner_tick(cl);

	cr_assert_eq(next, w.mono_ns + cc.backoff_ms * 1000000);
	fill(log, 5);
	w.mono_ns = next;
	(void)kb_log_cleaner_tick(cl); /* one segment, the active one */
	cr_assert_eq(log->cleaned, -1);
	kb_log_put(&log);
}

Test(cleaner, dirtiest_first)
{
	struct kb_log *a = make("a"), *b = make("b");
	char want[100];
	int64_t a_cleaned;

	fill(a, 100);
	fill(b, 100);
	while (kb_log_cleaner_tick(cl) == w.mono_ns)
		;
	cr_assert_gt(a->cleaned, 0);
	cr_assert_gt(b->cleaned, 0);
	tick_dirs();
	snprintf(want, sizeof want, "0\n2\na 0 %lld\nb 0 %lld\n",
	    (long long)a->cleaned, (long long)b->cleaned);
	w.mono_ns += INT64_C(3600000000000);
	tick_dirs();
	/* In the order of the table, which is that of making. */
	check_file(want);
	/* Both are worth it; b more. */
	a_cleaned = a->cleaned;
	fill(a, 200);
	fill(b, 400);
	(void)kb_log_cleaner_tick(cl);
	cr_assert_eq(a->cleaned, a_cleaned);
	cr_assert_gt(b->cleaned, 300);
	(void)kb_log_cleaner_tick(cl);
	cr_assert_gt(a->cleaned, 200);
	kb_log_put(&a);
	kb_log_put(&b);
}

/* The file follows: compaction, truncation, deletion, a start. */
Test(cleaner, checkpoint)
{
	struct kb_log *log = make("t");
	int64_t cleaned;
	char want[100];

	fill(log, 100);
	(void)kb_log_cleaner_tick(cl);
	cleaned = log->cleaned;
	cr_assert_gt(cleaned, 50);
	tick_dirs();
	snprintf(want, sizeof want, "0\n1\nt 0 %lld\n", (long long)cleaned);
	check_file(want);
	kb_log_put(&log);
	stop(false);
	start();
	cr_assert_eq(kb_log_dirs_find(dirs, "t", 0, &log), KC_OK);
	cr_assert_eq(log->cleaned, cleaned);
	cr_assert_eq(kb_log_truncate(log, 33), KC_OK);
	tick_dirs();
	check_file("0\n1\nt 0 33\n");
	kb_log_put(&log);
	cr_assert_eq(kb_log_dirs_delete(dirs, "t", 0), KC_OK);
	tick_dirs();
	check_file("0\n0\n");
	log = make("t");
	cr_assert_eq(log->cleaned, -1);
	kb_log_put(&log);
}

/* One that cannot be right is put right. */
Test(cleaner, checkpoint_of_another_life)
{
	struct kb_log *log = make("t");

	fill(log, 100);
	log->cleaned = 1000;
	(void)kb_log_cleaner_tick(cl);
	cr_assert_gt(log->cleaned, 50);
	cr_assert_leq(log->cleaned, 100);
	kb_log_put(&log);
}

/* Its neighbour is compacted all the same, and it is not tried again. */
Test(cleaner, uncleanable)
{
	struct kb_log *bad = make("bad"), *good = make("good");
	char name[64];
	uint8_t *p;
	size_t len;
	int i;

	fill(bad, 300);
	fill(good, 100);
	snprintf(name, sizeof name, "data/bad-0/%020lld.log",
	    (long long)bad->seg[1]->base);
	p = kt_slurp(&w, name, &len);
	p[len - 1] ^= 1;
	kt_spit(&w, name, p, len);
	free(p);
	for (i = 0; i < 3; i++) {
		w.mono_ns += cc.backoff_ms * 1000000;
		(void)kb_log_cleaner_tick(cl);
	}
	cr_assert(bad->uncleanable);
	cr_assert_eq(bad->cleaned, -1);
	cr_assert_gt(good->cleaned, 50);
	cr_assert(kb_dir_online(&dirs->dir[0]));
	kb_log_put(&bad);
	kb_log_put(&good);
	stop(true);
	start();
	cr_assert_eq(kb_log_dirs_find(dirs, "bad", 0, &bad), KC_OK);
	cr_assert_not(bad->uncleanable); /* perhaps somebody mended it */
	kb_log_put(&bad);
}

Test(cleaner, compact_and_delete)
{
	struct kb_log *log = make("t");
	struct kb_log_config lc;

	kb_log_get_config(log, &lc);
	lc.del = true;
	lc.retention_ms = 1000;
	kb_log_set_config(log, &lc);
	fill(log, 100);
	/* Segments without a record are as old as their files. */
	w.wall_ms = 4 * TS;
	(void)kb_log_cleaner_tick(cl);
	/* All that is old is gone, also from the compacted part. */
	cr_assert_eq(kb_log_segments(log), 1);
	cr_assert_gt(kb_log_start(log), 50);
	cr_assert_geq(log->cleaned, 50);
	kb_log_put(&log);
}

Test(cleaner, not_without_the_policy)
{
	struct kb_log *log = make("t");
	struct kb_log_config lc;

	kb_log_get_config(log, &lc);
	lc.compact = false;
	lc.del = true;
	kb_log_set_config(log, &lc);
	fill(log, 100);
	(void)kb_log_cleaner_tick(cl);
	cr_assert_eq(log->cleaned, -1);
	cc.threads = 0;
	cr_assert_eq(kb_log_cleaner_set(cl, &cc), KC_OK);
	w.mono_ns += cc.backoff_ms * 1000000;
	cr_assert_eq(kb_log_cleaner_tick(cl), INT64_MAX);
	kb_log_put(&log);
}

/* What was read and written must be paid for in time. */
Test(cleaner, throttle)
{
	struct kb_log *log = make("t");
	int64_t next, bytes;

	cc.io_max_rate = 1000;
	cr_assert_eq(kb_log_cleaner_set(cl, &cc), KC_OK);
	fill(log, 100);
	bytes = kb_log_size(log) - kb_log_active(log)->size;
	next = kb_log_cleaner_tick(cl);
	cr_assert_gt(log->cleaned, 50);
	/* Read twice, and some of it written. */
	cr_assert_geq(next - w.mono_ns, 2 * bytes * 1000000);
	cr_assert_leq(next - w.mono_ns, 3 * bytes * 1000000);
	fill(log, 100);
	cr_assert_eq(kb_log_cleaner_tick(cl), next);
	cr_assert_lt(log->cleaned, 100);
	w.mono_ns = next;
	(void)kb_log_cleaner_tick(cl);
	cr_assert_gt(log->cleaned, 150);
	kb_log_put(&log);
}

/* A reader that has what was there goes on with it. */
Test(cleaner, slices_outlive_the_swap)
{
	struct kb_log *log = make("t");
	struct kb_log_read rd = { .max_bytes = 500, .isolation = KB_READ_HW };
	struct kb_log_slice s;
	uint8_t *p;
	size_t n;
	struct kc_batch b;

	fill(log, 100);
	cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
	cr_assert_gt(s.len, 0);
	(void)kb_log_cleaner_tick(cl);
	w.mono_ns += INT64_C(3600000000000);
	tick_dirs();
	p = malloc((size_t)s.len);
	cr_assert_eq(
	    w.env.file->pread(s.file->fd, p, (size_t)s.len, s.pos, &n), KC_OK);
	cr_assert_eq(n, (size_t)s.len);
	cr_assert_eq(kc_batch_parse(p, n, &b), KC_OK);
	cr_assert_eq(b.base_offset, 0);
	cr_assert_eq(kc_batch_check_crc(&b), KC_OK);
	free(p);
	kb_log_slice_fini(&s);
	/* The same again is the newer, shorter log. */
	cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
	cr_assert_gt(s.len, 0);
	cr_assert_gt(s.end_offset, 50);
	kb_log_slice_fini(&s);
	kb_log_put(&log);
}
