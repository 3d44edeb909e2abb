/* Log dirs: identity, loading, making and deleting logs, stops of any kind. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "kbroker/log/dirs_priv.h"
#include "tests/unit/log/common.h"

#define TS 1700000000000

static struct kt_world w;
static char paths[2][300];
static const char *path_list[2] = { paths[0], paths[1] };
static struct kb_log_dirs_config cfg;
static int offline, left_online;

static void
on_offline(void *arg, const char *path, int left)
{
	(void)arg;
	(void)path;
	offline++;
	left_online = left;
}

static const struct kb_log_events events = { .dir_offline = on_offline };
static const struct kb_log_identity me = { 1, "cluster" };

static void
setup(void)
{
	kt_world_open(&w);
	snprintf(paths[0], sizeof paths[0], "%s/a", w.path);
	snprintf(paths[1], sizeof paths[1], "%s/b/c", w.path);
	cfg = kb_log_dirs_config_default;
	cfg.paths = path_list;
	cfg.npaths = 2;
	cfg.recovery_threads = 2;
}

static void
teardown(void)
{
	kt_world_close(&w);
}

TestSuite(log_dirs, .init = setup, .fini = teardown);

static struct kb_log_dirs *
start(void)
{
	struct kb_log_dirs *dirs = NULL;
	struct kb_log_identity id;

	cr_assert_eq(
	    kb_log_dirs_open(&dirs, &w.env, &cfg, &events, &id), KC_OK);
	cr_assert_eq(kb_log_dirs_identity(dirs, &me), KC_OK);
	cr_assert_eq(kb_log_dirs_load(dirs), KC_OK);
	return dirs;
}

static struct kb_log *
make(struct kb_log_dirs *dirs, const char *topic, int partition)
{
	struct kb_log_create c = { .topic = topic,
		.partition = partition,
		.topic_id = { { 7 } },
		.is_new = true };
	struct kb_log *log = NULL;
	int rc = kb_log_dirs_create(dirs, &c, &log);

	cr_assert_eq(rc, KC_OK, "%s", kc_strerror(rc));
	return log;
}

Test(log_dirs, identity)
{
	static const char theirs[] =
	    "version=0\nbroker.id=5\ncluster.id=cluster\n";
	struct kb_log_identity id, other = { 2, "cluster" };
	struct kb_log_dirs *dirs = NULL, *second = NULL;

	cr_assert_eq(
	    kb_log_dirs_open(&dirs, &w.env, &cfg, &events, &id), KC_OK);
	cr_assert_eq(id.broker_id, -1);
	cr_assert_str_eq(id.cluster_id, "");
	/* The dirs are ours alone. */
	cr_assert_eq(
	    kb_log_dirs_open(&second, &w.env, &cfg, &events, &id), KC_EBUSY);
	cr_assert_null(second);
	cr_assert_eq(kb_log_dirs_identity(dirs, &me), KC_OK);
	kb_log_dirs_close(&dirs, true);
	cr_assert_eq(
	    kb_log_dirs_open(&dirs, &w.env, &cfg, &events, &id), KC_OK);
	cr_assert_eq(id.broker_id, 1);
	cr_assert_str_eq(id.cluster_id, "cluster");
	cr_assert_eq(kb_log_dirs_identity(dirs, &other), KC_EINVAL);
	kb_log_dirs_close(&dirs, false);
	/* Dirs of two brokers. */
	kt_spit(&w, "b/c/meta.properties", theirs, sizeof theirs - 1);
	cr_assert_eq(
	    kb_log_dirs_open(&dirs, &w.env, &cfg, &events, &id), KC_ECORRUPT);
	cr_assert_null(dirs);
}

Test(log_dirs, folders_that_do_not_belong)
{
	struct kb_log_dirs *dirs = start();
	struct kb_log_identity id;

	kb_log_dirs_close(&dirs, true);
	cr_assert_eq(
	    w.env.file->mkdir(w.host.dirfd, "a/not a partition"), KC_OK);
	cr_assert_eq(
	    kb_log_dirs_open(&dirs, &w.env, &cfg, &events, &id), KC_OK);
	cr_assert_eq(kb_log_dirs_load(dirs), KC_ECORRUPT);
	kb_log_dirs_close(&dirs, true);
	cr_assert_not(kt_exists(&w, "a/.kafka_cleanshutdown"));
	cr_assert_eq(
	    w.env.file->rmdir(w.host.dirfd, "a/not a partition"), KC_OK);
	/* One partition twice. */
	cr_assert_eq(w.env.file->mkdir(w.host.dirfd, "a/t-0"), KC_OK);
	cr_assert_eq(w.env.file->mkdir(w.host.dirfd, "b/c/t-0"), KC_OK);
	cr_assert_eq(
	    kb_log_dirs_open(&dirs, &w.env, &cfg, &events, &id), KC_OK);
	cr_assert_eq(kb_log_dirs_load(dirs), KC_ECORRUPT);
	kb_log_dirs_close(&dirs, true);
}

/* The files of a clean stop are those of Kafka. */
Test(log_dirs, clean_stop)
{
	struct kb_log_dirs *dirs = start();
	struct kb_log *log = make(dirs, "t", 0), *other = make(dirs, "u", 3);
	size_t len;
	uint8_t *p;

	cr_assert_str_neq(kb_log_dir_path(log), kb_log_dir_path(other));
	(void)kt_put(log, 2, TS);
	kb_log_set_hw(log, 2);
	kb_log_put(&log);
	kb_log_put(&other);
	kb_log_dirs_close(&dirs, true);
	p = kt_slurp(&w, "a/.kafka_cleanshutdown", &len);
	cr_assert_str_eq((char *)p, "{\"version\":0,\"brokerEpoch\":-1}");
	cr_assert_eq(len, 30);
	free(p);
	p = kt_slurp(&w, "a/recovery-point-offset-checkpoint", &len);
	cr_assert_str_eq((char *)p, "0\n1\nt 0 2\n");
	free(p);
	p = kt_slurp(&w, "a/replication-offset-checkpoint", &len);
	cr_assert_str_eq((char *)p, "0\n1\nt 0 2\n");
	free(p);
	p = kt_slurp(&w, "b/c/recovery-point-offset-checkpoint", &len);
	cr_assert_str_eq((char *)p, "0\n1\nu 3 0\n");
	free(p);
	p = kt_slurp(&w, "a/log-start-offset-checkpoint", &len);
	cr_assert_str_eq((char *)p, "0\n0\n");
	free(p);
	p = kt_slurp(&w, "a/t-0/partition.metadata", &len);
	cr_assert_str_eq(
	    (char *)p, "version: 0\ntopic_id: BwAAAAAAAAAAAAAAAAAAAA");
	free(p);
	p = kt_slurp(&w, "b/c/u-3/00000000000000000000.log", &len);
	cr_assert_eq(len, 0);
	free(p);

	dirs = start();
	cr_assert_not(kt_exists(&w, "a/.kafka_cleanshutdown"));
	log = NULL;
	cr_assert_eq(kb_log_dirs_find(dirs, "t", 0, &log), KC_OK);
	cr_assert_eq(kb_log_end(log), 2);
	cr_assert_eq(kb_log_hw(log), 2);
	cr_assert_eq(log->recovery_point, 2);
	kt_check_readable(log);
	kb_log_put(&log);
	cr_assert_eq(kb_log_dirs_find(dirs, "t", 1, &log), KC_ENOENT);
	kb_log_dirs_close(&dirs, true);
}

Test(log_dirs, kill_and_restart)
{
	struct kb_log_dirs *dirs = start();
	struct kb_log *log = make(dirs, "t", 0);
	int i;

	for (i = 0; i < 50; i++)
		(void)kt_put(log, 2, TS + i);
	kb_log_set_hw(log, 90);
	/* The checkpoints of 60 s, of 5 s, and nothing more. */
	w.mono_ns += INT64_C(61) * 1000000000;
	(void)kb_log_dirs_tick(dirs);
	(void)kt_put(log, 2, TS + i);
	kb_log_put(&log);
	kb_log_dirs_close(&dirs, false);
	dirs = start();
	cr_assert_eq(kb_log_dirs_find(dirs, "t", 0, &log), KC_OK);
	cr_assert_eq(kb_log_end(log), 102);
	cr_assert_eq(kb_log_hw(log), 90);
	kt_check_readable(log);
	kb_log_put(&log);
	kb_log_dirs_close(&dirs, true);
}

Test(log_dirs, delete_a_partition)
{
	struct kb_log_dirs *dirs = start();
	struct kb_log *log = make(dirs, "t", 0);
	struct kb_log_read rd = { .max_bytes = 1000, .min_one = true };
	struct kb_append a = { 0 };
	struct kt_batch b = { .n = 1, .value = 1, .timestamp = TS };
	struct kb_log_slice s;
	uint8_t *p;
	size_t len;

	(void)kt_put(log, 2, TS);
	cr_assert_eq(kb_log_dirs_delete(dirs, "t", 0), KC_OK);
	cr_assert_eq(kb_log_dirs_delete(dirs, "t", 0), KC_ENOENT);
	cr_assert_not(kt_exists(&w, "a/t-0"));
	/* Whoever still has it is told so, and the dir stays online. */
	cr_assert_eq(kt_append(log, &b, &a), KC_EOFFLINE);
	cr_assert_eq(kb_log_read(log, &rd, &s), KC_EOFFLINE);
	cr_assert_eq(kb_log_flush(log, 2), KC_EOFFLINE);
	kb_log_put(&log);
	(void)kb_log_dirs_tick(dirs);
	p = kt_slurp(&w, "a/recovery-point-offset-checkpoint", &len);
	cr_assert_str_eq((char *)p, "0\n0\n");
	free(p);
	/* The same name again, while the old folder still waits. */
	log = make(dirs, "t", 0);
	cr_assert_eq(kb_log_end(log), 0);
	kb_log_put(&log);
	w.mono_ns += INT64_C(61) * 1000000000;
	(void)kb_log_dirs_tick(dirs);
	cr_assert_eq(offline, 0);
	kb_log_dirs_close(&dirs, true);
	dirs = start();
	cr_assert_eq(HASH_COUNT(dirs->table), 1);
	kb_log_dirs_close(&dirs, true);
}

Test(log_dirs, retention_removes_files_later)
{
	struct kb_log_dirs *dirs;
	struct kb_log *log;
	int i;

	cfg.log.segment_bytes = 300;
	cfg.log.retention_bytes = 0;
	dirs = start();
	log = make(dirs, "t", 0);
	for (i = 0; i < 10; i++)
		(void)kt_put(log, 2, TS);
	kb_log_set_hw(log, 20);
	w.mono_ns += INT64_C(31) * 1000000000;
	(void)kb_log_dirs_tick(dirs);
	cr_assert(kt_exists(&w, "a/t-0/00000000000000000000.log.deleted"));
	w.mono_ns += INT64_C(61) * 1000000000;
	(void)kb_log_dirs_tick(dirs);
	cr_assert_not(kt_exists(&w, "a/t-0/00000000000000000000.log.deleted"));
	kb_log_put(&log);
	kb_log_dirs_close(&dirs, true);
}

/* An fsync that fails takes one dir offline, and no more. */
Test(log_dirs, one_dir_fails)
{
	struct kb_log_dirs *dirs = start();
	struct kb_log *log = make(dirs, "t", 0), *other = make(dirs, "u", 0);
	struct kb_log_create c = { .topic = "v", .partition = 0 };
	struct kb_log *v = NULL;

	(void)kt_put(log, 2, TS);
	kb_log_kick(log, KB_WORK_FLUSH);
	log->flush_to = 2;
	kt_faults.fsync_eio = 1;
	(void)kb_dir_work(&dirs->dir[0]);
	kt_faults.fsync_eio = 0;
	cr_assert_eq(offline, 1);
	cr_assert_eq(left_online, 1);
	cr_assert(kb_log_offline(log));
	cr_assert_not(kb_log_offline(other));
	(void)kt_put(other, 1, TS);
	cr_assert_eq(kb_log_dirs_find(dirs, "t", 0, &v), KC_EOFFLINE);
	/* It may be in the dir that failed. */
	cr_assert_eq(kb_log_dirs_create(dirs, &c, &v), KC_EOFFLINE);
	c.is_new = true;
	cr_assert_eq(kb_log_dirs_create(dirs, &c, &v), KC_OK);
	cr_assert_str_eq(kb_log_dir_path(v), paths[1]);
	(void)kb_log_dirs_tick(dirs);
	cr_assert_eq(offline, 1);
	kb_log_put(&log);
	kb_log_put(&other);
	kb_log_put(&v);
	kb_log_dirs_close(&dirs, true);
	cr_assert_not(kt_exists(&w, "a/.kafka_cleanshutdown"));
	cr_assert(kt_exists(&w, "b/c/.kafka_cleanshutdown"));
}

/* A stop that cannot write its checkpoints is not a clean one. */
Test(log_dirs, stop_on_a_bad_disk)
{
	struct kb_log_dirs *dirs = start();
	struct kb_log *log = make(dirs, "t", 0);

	(void)kt_put(log, 2, TS);
	kb_log_put(&log);
	kt_faults.fsync_eio = 1;
	kb_log_dirs_close(&dirs, true);
	kt_faults.fsync_eio = 0;
	cr_assert_not(kt_exists(&w, "a/.kafka_cleanshutdown"));
	dirs = start();
	cr_assert_eq(kb_log_dirs_find(dirs, "t", 0, &log), KC_OK);
	cr_assert_eq(kb_log_end(log), 2);
	kb_log_put(&log);
	kb_log_dirs_close(&dirs, true);
}

Test(log_dirs, bad_topics)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "a b" };
	struct kb_log_dirs *dirs = start();
	struct kb_log *log = NULL;
	size_t i;

	for (i = 0; i < KC_COUNT(bad); i++) {
		struct kb_log_create c = { .topic = bad[i], .is_new = true };

		cr_expect_eq(kb_log_dirs_create(dirs, &c, &log), KC_EINVAL);
		cr_expect_eq(
		    kb_log_dirs_find(dirs, bad[i], 0, &log), KC_ENOENT);
	}
	kb_log_dirs_close(&dirs, true);
}

/* With its threads: nothing to see but that they come and go. */
Test(log_dirs, threads)
{
	struct kb_log_dirs *dirs = start();
	struct kb_log *log;
	int i;

	cr_assert_eq(kb_log_dirs_start(dirs), KC_OK);
	log = make(dirs, "t", 0);
	for (i = 0; i < 100; i++)
		(void)kt_put(log, 2, TS + i);
	kb_log_dirs_checkpoint_hw(dirs);
	kb_log_put(&log);
	kb_log_dirs_close(&dirs, true);
	cr_assert(kt_exists(&w, "a/.kafka_cleanshutdown"));
}
