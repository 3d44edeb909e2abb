/*
 * Two brokers' copies of one partition: threads append with acks=all to
 * whoever leads, each broker copies from the other while it follows, and the
 * leader changes all the time.
 *
 * Whatever was acknowledged is in both logs at the end, in the epoch it was
 * written in, and both logs are of one length.
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

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define APPENDERS 2
#define ROUNDS 150
#define ROUND_US 4000
#define ACKED_MAX 1000000
#define READ_MAX (64 * 1024)
#define TRIES 100000 /* looks at an append before it is given up */

struct host { /* a broker, as far as this needs one; its id is 1 or 2 */
	char path[40];
	struct kb_partition_env penv;
	struct kb_log_dirs *dirs;
	struct kb_manager *mgr;
	struct kb_partition *p; /* own reference */
};

struct acked {
	int64_t offset;
	int32_t epoch;
};

struct appender {
	struct acked *v;
	int n;
	unsigned seed;
};

static struct kc_rand rand_env;
static const struct kc_env env = {
	.clock = &kc_clock_system,
	.rand = &rand_env,
	.file = &kc_file_system,
};
static const int32_t both[] = { 1, 2 };

/* One run a process, so that the threads find it. */
static struct host hosts[2];
static struct kb_meta_cache meta;
static atomic_bool full, done;
static struct kc_wr batch;

static void
alter(void *arg KC_UNUSED, struct kb_partition *p KC_UNUSED)
{
}

/* --- threads ------------------------------------------------------------- */

static void
append(struct appender *a, struct kb_partition *p)
{
	struct kb_append ap = {
		.p = batch.p, .len = batch.len, .append_time = -1
	};
	int64_t required = -1;
	int16_t code = kb_partition_append(p, &ap, -1, &required);

	if (code == KP_NOT_LEADER_OR_FOLLOWER) {
		sched_yield();
		return;
	}
	KC_ASSERT(code == KP_NONE);
	for (int i = 0; i < TRIES; i++) {
		code = kb_partition_ack(p, required, ap.leader_epoch);
		if (code != KB_PARTITION_PENDING)
			break;
		sched_yield();
	}
	if (code != KP_NONE || a->n == ACKED_MAX)
		return;
	a->v[a->n++] = (struct acked){ ap.first_offset, ap.leader_epoch };
}

static void
appender(void *arg)
{
	struct appender *a = arg;

	while (!atomic_load(&full))
		append(a, hosts[rand_r(&a->seed) & 1].p);
}

static void
take(struct kb_partition *to, int32_t epoch, int64_t offset,
    const struct kb_partition_read *r)
{
	struct kb_partition_copy c = { .leader_epoch = epoch,
		.offset = offset,
		.hw = r->slice.hw,
		.start = r->slice.start };
	uint8_t *buf = malloc(READ_MAX);
	size_t n = 0;
	int rc;

	KC_ASSERT(buf != NULL && r->slice.len <= READ_MAX);
	if (r->slice.len > 0) {
		rc = kc_file_system.pread(r->slice.file->fd, buf,
		    (size_t)r->slice.len, r->slice.pos, &n);
		/* The leader may have cut it since. */
		KC_ASSERT(rc == KC_OK);
	}
	c.p = buf;
	c.len = n;
	rc = kb_partition_copy(to, &c);
	KC_ASSERT(rc == KC_OK || rc == KC_EFENCED || rc == KC_ECRC ||
	    rc == KC_EMALFORMED);
	free(buf);
}

static void
copy_some(struct kb_partition *to, struct kb_partition *from, int32_t epoch)
{
	struct kb_partition_read r = {
		.rd = { .offset = kb_log_end(to->log),
		    .max_bytes = READ_MAX,
		    .isolation = KB_READ_END },
		.leader_epoch = epoch,
		.last_fetched_epoch = kb_log_latest_epoch(to->log),
		.replica_id = to->broker_id,
		.note = true,
		.broker_epoch = 7,
	};
	int16_t code = kb_partition_read(from, &r);
	int rc;

	if (code == KP_NONE && r.diverging_epoch >= 0) {
		rc = kb_partition_diverged(
		    to, epoch, r.diverging_epoch, r.diverging_end);
		KC_ASSERT(rc == KC_OK || rc == KC_EFENCED);
	} else if (code == KP_NONE) {
		take(to, epoch, r.rd.offset, &r);
	} else {
		sched_yield();
	}
	kb_log_slice_fini(&r.slice);
}

static void
copier(void *arg)
{
	struct host *h = arg;
	struct host *other = &hosts[h == &hosts[0]];

	while (!atomic_load(&done)) {
		int32_t epoch;
		bool leading;

		kc_lock_take(&h->p->lock);
		epoch = h->p->leader_epoch;
		leading = h->p->leading;
		kc_lock_drop(&h->p->lock);
		if (leading)
			sched_yield();
		else
			copy_some(h->p, other->p, epoch);
	}
}

/* --- roles --------------------------------------------------------------- */

static void
tell(struct host *h, struct kb_topic_config *tc, int32_t leader, int32_t epoch)
{
	struct kb_role_change c = { .topic = "t",
		.topic_id = { { 1 } },
		.is_new = true,
		.st = { .leader = leader,
		    .leader_epoch = epoch,
		    .partition_epoch = epoch,
		    .isr = both,
		    .nisr = 2,
		    .replicas = both,
		    .nreplicas = 2 },
		.tc = tc };

	kb_manager_apply(h->mgr, &c, 1);
	KC_ASSERT(c.code == KP_NONE);
	if (h->p == NULL)
		h->p = kb_partition_get(c.part);
}

static void
open_host(struct host *h, int32_t id)
{
	static const struct kb_log_events events;
	struct kb_log_dirs_config dc = kb_log_dirs_config_default;
	struct kb_log_identity me = { id, "c" }, found;
	const char *paths[] = { h->path };

	snprintf(h->path, sizeof h->path, "/tmp/stress-follow-XXXXXX");
	KC_ASSERT(mkdtemp(h->path) != NULL);
	dc.paths = paths;
	dc.npaths = 1;
	h->penv = (struct kb_partition_env){ .broker_id = id,
		.clock = &kc_clock_system,
		.meta = &meta,
		.lag_max_ms = 30000,
		.alter = alter };
	KC_ASSERT(
	    kb_log_dirs_open(&h->dirs, &env, &dc, &events, &found) == KC_OK);
	KC_ASSERT(kb_log_dirs_identity(h->dirs, &me) == KC_OK);
	KC_ASSERT(kb_log_dirs_load(h->dirs) == KC_OK);
	KC_ASSERT(kb_log_dirs_start(h->dirs) == KC_OK);
	KC_ASSERT(kb_manager_open(&h->mgr, h->dirs, &h->penv) == KC_OK);
}

static void
close_host(struct host *h)
{
	kb_partition_put(&h->p);
	kb_manager_close(&h->mgr);
	kb_log_dirs_close(&h->dirs, true);
	KC_ASSERT(kc_file_remove_tree(&kc_file_system, KC_FILE_CWD, h->path) ==
	    KC_OK);
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
	KC_ASSERT(kc_props_set(p, "min.insync.replicas", "2") == KC_OK);
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

static void
check(const struct appender *a)
{
	for (int i = 0; i < a->n; i++)
		for (int h = 0; h < 2; h++) {
			struct kb_log *log = hosts[h].p->log;

			KC_ASSERT(a->v[i].offset < kb_log_end(log));
			KC_ASSERT(kb_log_epoch_at(log, a->v[i].offset) ==
			    a->v[i].epoch);
		}
}

int
main(void)
{
	struct appender as[APPENDERS] = { { 0 } };
	struct kc_thread *t[APPENDERS + 2] = { NULL };
	struct kb_meta *none = NULL;
	struct kb_config *cfg = NULL;
	struct kb_topic_config *tc = topic_config(&cfg);
	struct kc_rand rand;
	int32_t leader = 1, epoch = 0;
	long total = 0;

	KC_ASSERT(kc_guard_install() == KC_OK);
	kc_rand_init_seed(&rand, 5);
	kc_rand_init_system(&rand_env);
	make_batch();
	KC_ASSERT(kb_meta_empty(&none, kc_str("")) == KC_OK);
	kb_meta_cache_init(&meta, none);
	for (int i = 0; i < 2; i++) {
		open_host(&hosts[i], i + 1);
		tell(&hosts[i], tc, leader, epoch);
	}
	for (int i = 0; i < 2; i++)
		KC_ASSERT(kc_thread_start(&t[APPENDERS + i], "copier", copier,
			      &hosts[i]) == KC_OK);
	for (int i = 0; i < APPENDERS; i++) {
		as[i].v = calloc(ACKED_MAX, sizeof *as[i].v);
		as[i].seed = (unsigned)i + 1;
		KC_ASSERT(as[i].v != NULL);
		KC_ASSERT(kc_thread_start(
			      &t[i], "appender", appender, &as[i]) == KC_OK);
	}
	for (epoch = 1; epoch <= ROUNDS; epoch++) {
		int first = (int)kc_rand_below(&rand, 2);

		usleep(ROUND_US);
		leader = 1 + (int32_t)kc_rand_below(&rand, 2);
		tell(&hosts[first], tc, leader, epoch);
		if (kc_rand_below(&rand, 2) == 0)
			usleep(ROUND_US / 4);
		tell(&hosts[!first], tc, leader, epoch);
	}
	atomic_store(&full, true);
	for (int i = 0; i < APPENDERS; i++)
		kc_thread_join(&t[i]);
	while (kb_log_end(hosts[0].p->log) != kb_log_end(hosts[1].p->log))
		usleep(1000);
	atomic_store(&done, true);
	for (int i = 0; i < 2; i++)
		kc_thread_join(&t[APPENDERS + i]);
	for (int i = 0; i < APPENDERS; i++) {
		check(&as[i]);
		total += as[i].n;
		free(as[i].v);
	}
	printf("%ld acknowledged in %d epochs, %lld in the logs\n", total,
	    ROUNDS, (long long)kb_log_end(hosts[0].p->log));
	KC_ASSERT(total > 0);
	for (int i = 0; i < 2; i++)
		close_host(&hosts[i]);
	kb_meta_cache_fini(&meta);
	kb_topic_config_put(&tc);
	kb_config_put(&cfg);
	kc_wr_fini(&batch);
	return 0;
}
