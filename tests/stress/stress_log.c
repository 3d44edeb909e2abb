/*
 * Log dirs with all their threads: appenders, readers that check what they
 * get, flushing, rolling, retention, checkpoints, truncation, making and
 * deleting logs, all at once.  What is appended reads back whole and in
 * order; nothing races.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "kbroker/log/dirs.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/base/rand.h"
#include "kcommon/base/thread.h"
#include "kcommon/io/file.h"
#include "kcommon/record/build.h"
#include "tests/lib/test.h"

#define LOGS 3
#define RUN_MS 2000

static char path[256];
static struct kc_rand rnd;
static struct kc_env env;
static struct kb_log_dirs *dirs;
static struct kb_log *logs[LOGS];
static atomic_bool stop;
static atomic_llong appended, bytes_read;
/* No id is used twice: the second run knows the first one's producers. */
static atomic_llong next_id;

static void
batch(struct kc_wr *w, int n, int64_t producer_id, int32_t seq)
{
	struct kc_build_params p = kc_build_params_default;
	struct kc_record rec = { .value = KC_STR_LIT("0123456789abcdef") };
	struct kc_build bld;
	int i;

	kc_wr_reset(w);
	p.producer_id = producer_id;
	p.producer_epoch = 0;
	p.base_sequence = seq;
	kc_build_open(&bld, &p, NULL, w);
	for (i = 0; i < n; i++) {
		rec.offset = i;
		rec.timestamp = kc_wall_ms(&kc_clock_system);
		rec.key = KC_STR_NULL;
		KT_EQ(kc_build_append(&bld, &rec), KC_OK);
	}
	KT_EQ(kc_build_finish(&bld), KC_OK);
}

/* Number 0 is truncated by somebody else now and then. */
static void
append_main(void *arg)
{
	struct kb_log *log = arg;
	struct kb_append a;
	struct kc_wr w;
	int64_t id = atomic_fetch_add(&next_id, 1);
	int32_t seq = 0;

	kc_wr_init(&w, 0);
	while (!atomic_load(&stop)) {
		batch(&w, 1 + seq % 3, id, seq);
		memset(&a, 0, sizeof a);
		a.p = w.p;
		a.len = w.len;
		a.leader_epoch = 1;
		KT_EQ(kb_log_append(log, &a), KC_OK);
		if (log != logs[0])
			KT_EQ(a.verdict, KB_VERDICT_OK);
		if (a.verdict == KB_VERDICT_OK)
			seq += 1 + seq % 3;
		else
			id = atomic_fetch_add(&next_id, 1), seq = 0;
		(void)kb_log_set_hw(log, kb_log_end(log));
		atomic_fetch_add(&appended, 1);
	}
	kc_wr_fini(&w);
}

static int64_t
check_slice(const struct kb_log_slice *s, int64_t offset, bool exact)
{
	uint8_t *p = malloc((size_t)s->len);
	int64_t next = -1;
	struct kc_batch b;
	size_t at = 0, n;

	KT_EQ(
	    env.file->pread(s->file->fd, p, (size_t)s->len, s->pos, &n), KC_OK);
	KT_CHECK(n == (size_t)s->len || !exact);
	while (exact && at < n) {
		KT_EQ(kc_batch_parse(p + at, n - at, &b), KC_OK);
		KT_EQ(kc_batch_check_crc(&b), KC_OK);
		KT_CHECK(next < 0 || b.base_offset == next);
		KT_CHECK(kc_batch_last_offset(&b) >= offset);
		next = kc_batch_last_offset(&b) + 1;
		at += b.size;
	}
	atomic_fetch_add(&bytes_read, (long long)n);
	free(p);
	return exact ? next : s->end_offset;
}

static void
read_main(void *arg)
{
	struct kb_log *log = arg;
	struct kb_log_read rd = {
		.max_bytes = 20000, .min_one = true, .isolation = KB_READ_HW
	};
	struct kb_log_slice s;
	struct kb_log_at at;
	int turn = 0;
	int rc;

	while (!atomic_load(&stop)) {
		rc = kb_log_read(log, &rd, &s);
		if (rc == KC_ERANGE) { /* retention or truncation */
			rd.offset = s.start;
			continue;
		}
		KT_CHECKF(rc == KC_OK, "read: %s", kc_strerror(rc));
		if (s.len > 0)
			/* What is cut while it is sent is cut. */
			rd.offset = check_slice(&s, rd.offset, log != logs[0]);
		kb_log_slice_fini(&s);
		if (++turn % 50 != 0)
			continue;
		rd.offset = kb_log_start(log);
		rc = kb_log_find_timestamp(
		    log, kc_wall_ms(&kc_clock_system) - 50, &at);
		KT_CHECKF(rc == KC_OK || rc == KC_EBUSY ||
			(log == logs[0] && rc == KC_ECORRUPT),
		    "time: %s", kc_strerror(rc));
	}
}

static void
control_main(void *arg)
{
	struct kb_log_create c = {
		.topic = "come-and-go", .is_new = true, .topic_id = { { 1 } }
	};
	struct kb_log *log;
	int64_t end;

	(void)arg;
	while (!atomic_load(&stop)) {
		log = NULL;
		KT_EQ(kb_log_dirs_create(dirs, &c, &log), KC_OK);
		(void)kb_log_assign_epoch(log, 1, 0);
		kb_log_put(&log);
		KT_EQ(kb_log_dirs_delete(dirs, c.topic, 0), KC_OK);
		end = kb_log_end(logs[0]);
		KT_EQ(kb_log_truncate(logs[0], end - end % 100), KC_OK);
		kb_log_dirs_checkpoint_hw(dirs);
		kt_nap_ms(20);
	}
}

static void
open_dirs(void)
{
	static const struct kb_log_events events;
	struct kb_log_dirs_config cfg = kb_log_dirs_config_default;
	struct kb_log_identity id, me = { 1, "stress" };
	const char *paths[] = { path };

	cfg.paths = paths;
	cfg.npaths = 1;
	cfg.recovery_threads = 2;
	cfg.flush_check_ms = 5;
	cfg.recovery_checkpoint_ms = 20;
	cfg.start_checkpoint_ms = 20;
	cfg.hw_checkpoint_ms = 10;
	cfg.retention_check_ms = 30;
	cfg.initial_delay_ms = 1;
	cfg.producer_check_ms = 50;
	cfg.log.segment_bytes = 3000000;
	cfg.log.retention_bytes = 10000000;
	cfg.log.flush_messages = 1000;
	cfg.log.flush_ms = 20;
	cfg.log.file_delete_delay_ms = 10;
	KT_EQ(kb_log_dirs_open(&dirs, &env, &cfg, &events, &id), KC_OK);
	KT_EQ(kb_log_dirs_identity(dirs, &me), KC_OK);
	KT_EQ(kb_log_dirs_load(dirs), KC_OK);
	KT_EQ(kb_log_dirs_start(dirs), KC_OK);
}

static void
run(void)
{
	struct kc_thread *t[LOGS * 4 + 1] = { NULL };
	size_t n = 0, i;
	int k;

	for (i = 0; i < LOGS; i++)
		for (k = 0; k < 4; k++)
			KT_EQ(kc_thread_start(&t[n++], "stress",
				  k < 2 ? append_main : read_main, logs[i]),
			    KC_OK);
	KT_EQ(kc_thread_start(&t[n++], "control", control_main, NULL), KC_OK);
	kt_nap_ms(RUN_MS);
	atomic_store(&stop, true);
	for (i = 0; i < n; i++)
		kc_thread_join(&t[i]);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	int64_t ends[LOGS];
	int pass, i;

	kc_rand_init_system(&rnd);
	env.clock = &kc_clock_system;
	env.rand = &rnd;
	env.file = &kc_file_system;
	snprintf(path, sizeof path, "%s/stress-log-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	KT_CHECK(mkdtemp(path) != NULL);
	/* Twice: the second run loads what the first has left. */
	for (pass = 0; pass < 2; pass++) {
		open_dirs();
		for (i = 0; i < LOGS; i++) {
			struct kb_log_create c = {
				.topic = "t", .partition = i, .is_new = true
			};

			KT_EQ(kb_log_dirs_create(dirs, &c, &logs[i]), KC_OK);
			if (pass == 0)
				continue;
			/*
			 * As in Kafka, a truncation inside a batch takes the
			 * batch and keeps the offset: a gap, when nothing
			 * came after it.  Batches have up to 3 records.
			 */
			KT_CHECK(kb_log_end(logs[i]) <= ends[i]);
			KT_CHECK(
			    kb_log_end(logs[i]) >= ends[i] - (i == 0 ? 2 : 0));
		}
		atomic_store(&stop, false);
		run();
		for (i = 0; i < LOGS; i++) {
			ends[i] = kb_log_end(logs[i]);
			kb_log_put(&logs[i]);
		}
		/* A kill first, a clean stop then. */
		kb_log_dirs_close(&dirs, pass == 1);
	}
	kt_step("%lld appends, %lld bytes read", (long long)appended,
	    (long long)bytes_read);
	KT_CHECK(appended > 0 && bytes_read > 0);
	KT_EQ(kc_file_remove_tree(env.file, KC_FILE_CWD, path), KC_OK);
	return 0;
}
