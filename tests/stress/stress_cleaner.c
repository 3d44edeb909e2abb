/*
 * Logs that are appended to, read, truncated and deleted while threads
 * compact them: nothing races, readers see records in order and only what
 * was written, and after the last compaction each key has its newest value.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "kbroker/log/cleaner.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/rand.h"
#include "kcommon/base/thread.h"
#include "kcommon/io/file.h"
#include "kcommon/record/build.h"
#include "tests/lib/test.h"

#define LOGS 3
#define KEYS 100
#define RUN_MS 2500

static char path[256];
static struct kc_rand rnd;
static struct kc_env env;
static struct kb_log_dirs *dirs;
static struct kb_log_cleaner *cl;
static struct kb_log *logs[LOGS];
static long long newest[LOGS][KEYS]; /* by the appender alone */
static atomic_bool stop;
static atomic_llong appended, bytes_read;

static const struct kb_log_cleaner_config settings[2] = {
	{ .threads = 2,
	    .dedupe_bytes = 1 << 20,
	    .load_factor = 0.9,
	    .io_bytes = 1 << 17,
	    .io_max_rate = 1e300,
	    .backoff_ms = 2 },
	{ .threads = 3,
	    .dedupe_bytes = 1 << 16,
	    .load_factor = 0.5,
	    .io_bytes = 1 << 14,
	    .io_max_rate = 50e6,
	    .backoff_ms = 1 },
};

/* n records of random keys; each value is a number that rises. */
static void
append(int i, struct kc_wr *w, struct kc_rand *r, long long *value, int32_t seq)
{
	struct kc_build_params p = kc_build_params_default;
	struct kb_append a = { .leader_epoch = 1 };
	struct kc_record rec = { .headers = KC_STR_NULL };
	char key[16], text[32];
	struct kc_build bld;
	int k, n;

	kc_wr_reset(w);
	p.producer_id = 1000 + i;
	p.producer_epoch = 0;
	p.base_sequence = seq;
	kc_build_open(&bld, &p, NULL, w);
	for (n = 0; n < 4; n++) {
		k = (int)kc_rand_below(r, KEYS);
		newest[i][k] = ++*value;
		snprintf(key, sizeof key, "%d", k);
		snprintf(text, sizeof text, "%lld", *value);
		rec.offset = n;
		rec.timestamp = kc_wall_ms(&kc_clock_system);
		rec.key = kc_str(key);
		rec.value = kc_str(text);
		KT_EQ(kc_build_append(&bld, &rec), KC_OK);
	}
	KT_EQ(kc_build_finish(&bld), KC_OK);
	a.p = w->p;
	a.len = w->len;
	/* The one that is cut forgets its producer. */
	if (i == 0)
		a.origin = KB_APPEND_COORDINATOR;
	KT_EQ(kb_log_append(logs[i], &a), KC_OK);
	KT_EQ(a.verdict, KB_VERDICT_OK);
	(void)kb_log_set_hw(logs[i], kb_log_end(logs[i]));
}

static void
append_main(void *arg)
{
	int i = (int)(intptr_t)arg;
	struct kc_rand r;
	long long value = 0;
	int32_t seq = 0;
	struct kc_wr w;

	kc_rand_init_seed(&r, (uint64_t)i);
	kc_wr_init(&w, 0);
	for (; !atomic_load(&stop); seq += 4) {
		append(i, &w, &r, &value, seq);
		atomic_fetch_add(&appended, 1);
	}
	kc_wr_fini(&w);
}

/* Batches of a slice rise and are whole; seen[] gets values, if wanted. */
static int64_t
walk(const struct kb_log_slice *s, int64_t offset, long long *seen)
{
	uint8_t *p = malloc((size_t)s->len);
	struct kc_record rec;
	struct kc_batch b;
	struct kc_iter it;
	size_t at, n;

	KT_EQ(
	    env.file->pread(s->file->fd, p, (size_t)s->len, s->pos, &n), KC_OK);
	KT_EQ(n, s->len);
	for (at = 0; at < n; at += b.size) {
		KT_EQ(kc_batch_parse(p + at, n - at, &b), KC_OK);
		KT_EQ(kc_batch_check_crc(&b), KC_OK);
		KT_CHECK(kc_batch_last_offset(&b) >= offset);
		offset = kc_batch_last_offset(&b) + 1;
		kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
		while (kc_iter_next(&it, &rec))
			if (seen != NULL)
				seen[atoi(rec.key.p)] = atoll(rec.value.p);
		KT_EQ(kc_iter_close(&it), KC_OK);
	}
	atomic_fetch_add(&bytes_read, (long long)n);
	free(p);
	return s->end_offset;
}

static void
read_all(struct kb_log *log, long long *seen, bool exact)
{
	struct kb_log_read rd = {
		.max_bytes = 20000, .min_one = true, .isolation = KB_READ_HW
	};
	struct kb_log_slice s;
	int rc;

	rd.offset = kb_log_start(log);
	while (!atomic_load(&stop) || seen != NULL) {
		rc = kb_log_read(log, &rd, &s);
		if (rc == KC_ERANGE && !exact)
			return; /* truncated below */
		KT_CHECKF(rc == KC_OK, "read: %s", kc_strerror(rc));
		if (s.len == 0)
			break;
		if (exact)
			rd.offset = walk(&s, rd.offset, seen);
		else
			rd.offset = s.end_offset;
		kb_log_slice_fini(&s);
	}
}

static void
read_main(void *arg)
{
	int i = (int)(intptr_t)arg;
	struct kb_aborted *v;
	int n;

	while (!atomic_load(&stop)) {
		read_all(logs[i], NULL, i != 0);
		KT_EQ(kb_log_aborted(logs[i], 0, kb_log_end(logs[i]), &v, &n),
		    KC_OK);
		KT_EQ(n, 0);
	}
}

/* Number 0 is cut, another one comes and goes, settings change. */
static void
control_main(void *arg)
{
	struct kb_log_create c = { .topic = "come-and-go", .is_new = true };
	struct kb_append a = { .leader_epoch = 1 };
	struct kc_build bld;
	struct kb_log *log;
	struct kc_wr w;
	int64_t end;
	int turn, i;

	(void)arg;
	kc_wr_init(&w, 0);
	kc_build_open(&bld, &kc_build_params_default, NULL, &w);
	for (i = 0; i < 500; i++)
		KT_EQ(kc_build_append(&bld,
			  &(struct kc_record){ .offset = i,
			      .key = KC_STR_LIT("k"),
			      .value = KC_STR_LIT("v"),
			      .headers = KC_STR_NULL }),
		    KC_OK);
	KT_EQ(kc_build_finish(&bld), KC_OK);
	for (turn = 0; !atomic_load(&stop); turn++) {
		log = NULL;
		KT_EQ(kb_log_dirs_create(dirs, &c, &log), KC_OK);
		for (i = 0; i < 20; i++) {
			a.p = w.p;
			a.len = w.len;
			KT_EQ(kb_log_append(log, &a), KC_OK);
		}
		(void)kb_log_set_hw(log, kb_log_end(log));
		kt_nap_ms(10);
		kb_log_put(&log);
		KT_EQ(kb_log_dirs_delete(dirs, c.topic, 0), KC_OK);
		end = kb_log_end(logs[0]);
		KT_EQ(kb_log_truncate(logs[0], end - end % 1000), KC_OK);
		if (turn % 5 == 4)
			KT_EQ(kb_log_cleaner_set(cl, &settings[turn / 5 % 2]),
			    KC_OK);
		kt_nap_ms(10);
	}
	kc_wr_fini(&w);
}

static void
open_all(void)
{
	static const struct kb_log_events events;
	struct kb_log_dirs_config cfg = kb_log_dirs_config_default;
	struct kb_log_identity id, me = { 1, "stress" };
	const char *paths[] = { path };

	cfg.paths = paths;
	cfg.npaths = 1;
	cfg.flush_check_ms = 5;
	cfg.recovery_checkpoint_ms = 20;
	cfg.hw_checkpoint_ms = 10;
	cfg.retention_check_ms = 30;
	cfg.initial_delay_ms = 1;
	cfg.log.segment_bytes = 50000;
	cfg.log.compact = true;
	cfg.log.del = true;
	cfg.log.min_cleanable_ratio = 0.1;
	cfg.log.file_delete_delay_ms = 10;
	KT_EQ(kb_log_dirs_open(&dirs, &env, &cfg, &events, &id), KC_OK);
	KT_EQ(kb_log_dirs_identity(dirs, &me), KC_OK);
	KT_EQ(kb_log_dirs_load(dirs), KC_OK);
	KT_EQ(kb_log_dirs_start(dirs), KC_OK);
	KT_EQ(kb_log_cleaner_open(&cl, dirs, &settings[0]), KC_OK);
	KT_EQ(kb_log_cleaner_start(cl), KC_OK);
}

static void
check_values(void)
{
	long long seen[KEYS];
	int i, k;

	for (i = 1; i < LOGS; i++) {
		memset(seen, 0, sizeof seen);
		read_all(logs[i], seen, true);
		for (k = 0; k < KEYS; k++)
			KT_EQ(seen[k], newest[i][k]);
		/* The cleaner may be behind the writers; it gets there. */
		KT_UNTIL(60000, kb_log_size(logs[i]) < 10000000);
	}
}

static void
find_all(void)
{
	int i;

	for (i = 0; i < LOGS; i++) {
		struct kb_log_create c = {
			.topic = "t", .partition = i, .is_new = true
		};

		KT_EQ(kb_log_dirs_create(dirs, &c, &logs[i]), KC_OK);
	}
}

static void
close_all(bool clean)
{
	int i;

	for (i = 0; i < LOGS; i++)
		kb_log_put(&logs[i]);
	kb_log_cleaner_close(&cl);
	kb_log_dirs_close(&dirs, clean);
}

int
main(void)
{
	struct kc_thread *t[LOGS * 2 + 1] = { NULL };
	const char *tmp = getenv("TMPDIR");
	size_t n = 0;
	intptr_t i;

	kc_rand_init_system(&rnd);
	env.clock = &kc_clock_system;
	env.rand = &rnd;
	env.file = &kc_file_system;
	snprintf(path, sizeof path, "%s/stress-cleaner-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	KT_CHECK(mkdtemp(path) != NULL);
	open_all();
	find_all();
	for (i = 0; i < LOGS; i++) {
		KT_EQ(
		    kc_thread_start(&t[n++], "append", append_main, (void *)i),
		    KC_OK);
		KT_EQ(kc_thread_start(&t[n++], "read", read_main, (void *)i),
		    KC_OK);
	}
	KT_EQ(kc_thread_start(&t[n++], "control", control_main, NULL), KC_OK);
	kt_nap_ms(RUN_MS);
	atomic_store(&stop, true);
	while (n > 0)
		kc_thread_join(&t[--n]);
	check_values();
	/* The same after a kill, and after a clean stop. */
	close_all(false);
	open_all();
	find_all();
	check_values();
	close_all(true);
	open_all();
	find_all();
	check_values();
	close_all(true);
	kt_step("%lld appends, %lld bytes read", (long long)appended,
	    (long long)bytes_read);
	KT_CHECK(appended > 0 && bytes_read > 0);
	KT_EQ(kc_file_remove_tree(env.file, KC_FILE_CWD, path), KC_OK);
	return 0;
}
