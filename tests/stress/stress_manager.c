/*
 * Readers look partitions up, append and read, while one thread makes them
 * leader and follower, stops, deletes and makes them again: no reader sees a
 * freed partition or a half-made one, nor an answer that a role cannot give.
 */
#include "kbroker/metadata/cache.h"
#include "kbroker/replica/manager.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/rand.h"
#include "kcommon/base/thread.h"
#include "kcommon/io/file.h"
#include "kcommon/io/file_guard.h"
#include "kcommon/proto/error.h"
#include "kcommon/record/build.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READERS 3
#define PARTS 6
#define ROUNDS 400

static struct kc_rand rand_env;
static void
alter(void *arg KC_UNUSED, struct kb_partition *p KC_UNUSED)
{
}

static struct kb_meta_cache meta;
static const struct kb_partition_env partition_env = {
	.broker_id = 1,
	.clock = &kc_clock_system,
	.meta = &meta,
	.lag_max_ms = 30000,
	.alter = alter,
};
static const struct kc_env env = {
	.clock = &kc_clock_system,
	.rand = &rand_env,
	.file = &kc_file_system,
};

/* One run a process, so that the threads find it. */
static struct kb_manager *mgr;
static atomic_bool done;
static atomic_long hits, appended;
static struct kc_wr batch;

static void
append(struct kb_partition *p)
{
	struct kb_append a = {
		.p = batch.p, .len = batch.len, .append_time = -1
	};
	int64_t required = -1;
	int16_t code = kb_partition_append(p, &a, -1, &required);

	if (code == KP_NOT_LEADER_OR_FOLLOWER)
		return;
	KC_ASSERT(code == KP_NONE);
	KC_ASSERT(required == a.first_offset + 1);
	code = kb_partition_ack(p, required, a.leader_epoch);
	KC_ASSERT(code == KP_NONE || code == KP_NOT_LEADER_OR_FOLLOWER);
	atomic_fetch_add(&appended, 1);
}

static void
read_some(struct kb_partition *p)
{
	struct kb_partition_read r = {
		.rd = { .offset = kb_log_start(p->log),
		    .max_bytes = 1000,
		    .min_one = true,
		    .isolation = KB_READ_HW },
		.leader_epoch = -1,
		.last_fetched_epoch = -1,
		.replica_id = -1,
	};
	struct kb_partition_list l = { .timestamp = KB_LIST_LATEST,
		.isolation = KB_READ_HW,
		.consumer = true,
		.leader_epoch = -1 };
	int16_t code = kb_partition_read(p, &r);

	KC_ASSERT(code == KP_NONE || code == KP_NOT_LEADER_OR_FOLLOWER);
	kb_log_slice_fini(&r.slice);
	code = kb_partition_list(p, &l);
	KC_ASSERT(code == KP_NONE || code == KP_NOT_LEADER_OR_FOLLOWER);
}

static void
reader(void *arg)
{
	struct kc_published_slot slot = { 0 };
	struct kc_rand rand;
	int i = 0;

	kc_rand_init_seed(&rand, (uint64_t)(uintptr_t)arg);
	while (!atomic_load(&done)) {
		int32_t index = (int32_t)kc_rand_below(&rand, PARTS);
		struct kb_partition *p = kb_part_map_find(
		    kb_manager_read(mgr, &slot), KC_STR_LIT("t"), index);

		if (++i % 64 == 0)
			kb_manager_release(mgr, &slot);
		if (p == NULL || i % 64 == 0)
			continue;
		KC_ASSERT(p->index == index);
		atomic_fetch_add(&hits, 1);
		if (kc_rand_below(&rand, 4) == 0)
			append(p);
		else
			read_some(p);
	}
	kb_manager_release(mgr, &slot);
}

static void
change_roles(struct kb_topic_config *tc, struct kc_rand *rand, int round)
{
	static const int32_t me[] = { 1 }, both[] = { 1, 2 };
	struct kb_role_change v[PARTS];

	for (int i = 0; i < PARTS; i++)
		v[i] = (struct kb_role_change){ .topic = "t",
			.topic_id = { { 1 } },
			.index = i,
			.is_new = true,
			.st = { .leader = 1 + (int32_t)kc_rand_below(rand, 2),
			    .leader_epoch = round,
			    .partition_epoch = round,
			    .isr = me,
			    .nisr = 1,
			    .replicas = both,
			    .nreplicas = 2 },
			.tc = tc };
	kb_manager_apply(mgr, v, PARTS);
	for (int i = 0; i < PARTS; i++)
		KC_ASSERT(v[i].code == KP_NONE);
}

static void
stop_some(struct kc_rand *rand, int round)
{
	struct kb_stop s[2];

	for (int i = 0; i < 2; i++)
		s[i] = (struct kb_stop){ .topic = KC_STR_LIT("t"),
			.index = (int32_t)kc_rand_below(rand, PARTS),
			.leader_epoch = round,
			.remove = kc_rand_below(rand, 3) == 0 };
	kb_manager_stop(mgr, s, 2);
	for (int i = 0; i < 2; i++)
		KC_ASSERT(s[i].code == KP_NONE);
}

static struct kb_topic_config *
topic_config(struct kb_config **cfg)
{
	struct kb_topic_config *tc = NULL;
	struct kb_report rep = { 0 };
	struct kc_props *p = NULL;
	struct kb_config_sources src = { 0 };

	KC_ASSERT(kc_props_open(&p) == KC_OK);
	KC_ASSERT(kc_props_set(p, "zookeeper.connect", "h:1") == KC_OK);
	src.statics = p;
	KC_ASSERT(kb_config_open(cfg, &src, &rep) == KC_OK);
	KC_ASSERT(kb_topic_config_load(&tc, *cfg, "t", NULL) == KC_OK);
	kb_report_free(&rep);
	kc_props_close(&p);
	return tc;
}

static void
make_batch(void)
{
	struct kc_record rec = { .value = KC_STR_LIT("v"), .key = KC_STR_NULL };
	struct kc_build bld;

	kc_wr_init(&batch, 0);
	kc_build_open(&bld, &kc_build_params_default, NULL, &batch);
	KC_ASSERT(kc_build_append(&bld, &rec) == KC_OK);
	KC_ASSERT(kc_build_finish(&bld) == KC_OK);
}

int
main(void)
{
	static const struct kb_log_identity me = { 1, "c" };
	static const struct kb_log_events events;
	struct kb_log_dirs_config dc = kb_log_dirs_config_default;
	struct kc_thread *t[READERS] = { NULL };
	struct kb_log_dirs *dirs = NULL;
	struct kb_config *cfg = NULL;
	struct kb_topic_config *tc = topic_config(&cfg);
	struct kb_meta *none = NULL;
	struct kb_log_identity id;
	struct kc_rand rand;
	char path[] = "/tmp/stress-manager-XXXXXX";
	const char *paths[] = { path };

	KC_ASSERT(mkdtemp(path) != NULL && kc_guard_install() == KC_OK);
	kc_rand_init_seed(&rand, 5);
	kc_rand_init_system(&rand_env);
	make_batch();
	dc.paths = paths;
	dc.npaths = 1;
	KC_ASSERT(kb_log_dirs_open(&dirs, &env, &dc, &events, &id) == KC_OK);
	KC_ASSERT(kb_log_dirs_identity(dirs, &me) == KC_OK);
	KC_ASSERT(kb_log_dirs_load(dirs) == KC_OK);
	KC_ASSERT(kb_log_dirs_start(dirs) == KC_OK);
	KC_ASSERT(kb_meta_empty(&none, kc_str("")) == KC_OK);
	kb_meta_cache_init(&meta, none);
	KC_ASSERT(kb_manager_open(&mgr, dirs, &partition_env) == KC_OK);
	for (uintptr_t i = 0; i < READERS; i++)
		KC_ASSERT(kc_thread_start(&t[i], "reader", reader,
			      (void *)(i + 1)) == KC_OK);
	for (int round = 1; round <= ROUNDS; round++) {
		change_roles(tc, &rand, round);
		stop_some(&rand, round);
	}
	atomic_store(&done, true);
	for (int i = 0; i < READERS; i++)
		kc_thread_join(&t[i]);
	kb_manager_close(&mgr);
	kb_meta_cache_fini(&meta);
	kb_log_dirs_close(&dirs, true);
	kb_topic_config_put(&tc);
	kb_config_put(&cfg);
	kc_wr_fini(&batch);
	KC_ASSERT(
	    kc_file_remove_tree(&kc_file_system, KC_FILE_CWD, path) == KC_OK);
	printf("%ld found, %ld appended\n", atomic_load(&hits),
	    atomic_load(&appended));
	return 0;
}
