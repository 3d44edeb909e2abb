#include "tests/unit/replica/world.h"

#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const struct kb_log_events events;
static const struct kb_log_identity me = { KT_ME, "cluster" };
static int32_t ids[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static struct kc_props *
props_of(const char *text)
{
	struct kc_props *p = NULL;
	char err[200];

	cr_assert_eq(kc_props_open(&p), KC_OK);
	cr_assert_eq(
	    kc_props_parse(p, text, strlen(text), err, sizeof err), KC_OK);
	return p;
}

static void
open_config(struct kt_hosts *h)
{
	struct kc_props *p = props_of(
	    "zookeeper.connect=127.0.0.1:1\nbroker.id=1\nlog.dirs=/tmp/x\n");
	struct kb_config_sources src = { .statics = p };
	struct kb_report rep = { 0 };

	cr_assert_eq(kb_config_open(&h->cfg, &src, &rep), KC_OK);
	kb_report_free(&rep);
	kc_props_close(&p);
}

static void
count_alter(void *arg, struct kb_partition *p KC_UNUSED)
{
	struct kt_hosts *h = arg;

	h->altered++;
}

static void
open_env(struct kt_hosts *h)
{
	struct kb_meta *none = NULL;

	cr_assert_eq(kb_meta_empty(&none, kc_str("")), KC_OK);
	kb_meta_cache_init(&h->meta, none);
	h->env = (struct kb_partition_env){ .broker_id = KT_ME,
		.clock = h->w.env.clock,
		.meta = &h->meta,
		.lag_max_ms = 30000,
		.alter = count_alter,
		.arg = h };
}

void
kt_alive(struct kt_hosts *h, const int32_t *v, int32_t n)
{
	const struct kp_api *api = kp_api_get(kp_key_update_metadata);
	struct kb_meta *old = kb_meta_get(&h->meta), *next = NULL;
	struct kp_update_metadata_req req;
	struct kb_meta_deleted deleted;
	struct kc_arena a;

	kc_arena_init(&a, 1 << 20);
	kp_init(api->req.desc(), &req);
	cr_assert(KP_ARRAY(&a, &req.live_brokers, update_metadata_broker, n));
	for (int32_t i = 0; i < n; i++)
		req.live_brokers.v[i].id = v[i];
	cr_assert_eq(kb_meta_update(&next, old, &req, 8, &deleted), KC_OK);
	kb_meta_publish(&h->meta, next);
	kb_meta_unref(&old);
	kc_arena_fini(&a);
}

void
kt_hosts_open(struct kt_hosts *h)
{
	struct kb_log_dirs_config cfg = kb_log_dirs_config_default;
	struct kb_log_identity id;
	const char *paths[1] = { h->w.path };

	memset(h, 0, sizeof *h);
	kt_world_open(&h->w);
	open_config(h);
	open_env(h);
	cfg.paths = paths;
	cfg.npaths = 1;
	cfg.recovery_threads = 1;
	cr_assert_eq(
	    kb_log_dirs_open(&h->dirs, &h->w.env, &cfg, &events, &id), KC_OK);
	cr_assert_eq(kb_log_dirs_identity(h->dirs, &me), KC_OK);
	cr_assert_eq(kb_log_dirs_load(h->dirs), KC_OK);
	cr_assert_eq(kb_manager_open(&h->mgr, h->dirs, &h->env), KC_OK);
}

void
kt_hosts_close(struct kt_hosts *h)
{
	kb_manager_release(h->mgr, &h->slot);
	kb_manager_close(&h->mgr);
	kb_meta_cache_fini(&h->meta);
	kb_log_dirs_close(&h->dirs, true);
	kb_config_put(&h->cfg);
	kt_world_close(&h->w);
}

struct kb_topic_config *
kt_topic(struct kt_hosts *h, const char *own)
{
	struct kc_props *p = props_of(own);
	struct kb_topic_config *tc = NULL;
	char err[KC_CONF_ERR_MAX];

	cr_assert_eq(kb_topic_config_open(&tc, h->cfg, p, err, sizeof err),
	    KC_OK, "%s", err);
	kc_props_close(&p);
	return tc;
}

struct kb_partition *
kt_partition(struct kt_hosts *h, const char *own)
{
	struct kb_topic_config *tc = kt_topic(h, own);
	struct kb_log_config lc;
	struct kb_log_create c = { .topic = "t",
		.topic_id = { { 7 } },
		.config = &lc,
		.is_new = true };
	struct kb_partition *p = NULL;
	struct kb_log *log = NULL;

	kb_log_config_topic(&lc, tc);
	cr_assert_eq(kb_log_dirs_create(h->dirs, &c, &log), KC_OK);
	cr_assert_eq(kb_partition_new(&p, &h->env, "t", 0, log, tc), KC_OK);
	return p;
}

struct kb_leader_state
kt_state(int32_t leader, int32_t epoch, const int32_t *isr, int32_t nisr,
    int32_t nreplicas)
{
	cr_assert_leq(nreplicas, (int32_t)KC_COUNT(ids));
	return (struct kb_leader_state){ .controller_epoch = 1,
		.leader = leader,
		.leader_epoch = epoch,
		.partition_epoch = epoch,
		.isr = isr,
		.nisr = nisr,
		.replicas = ids,
		.nreplicas = nreplicas };
}

int16_t
kt_produce(struct kb_partition *p, const struct kt_batch *b, int16_t acks,
    struct kb_append *a, int64_t *required)
{
	enum kb_append_origin origin = a->origin;
	uint64_t guard = a->guard;
	struct kc_wr w;
	uint8_t *exact;
	int16_t code;

	kc_wr_init(&w, 0);
	kt_batch(&w, b);
	exact = malloc(w.len);
	memcpy(exact, w.p, w.len);
	*a = (struct kb_append){ .p = exact,
		.len = w.len,
		.origin = origin,
		.guard = guard,
		.append_time = -1 };
	code = kb_partition_append(p, a, acks, required);
	free(exact);
	kc_wr_fini(&w);
	return code;
}

int64_t
kt_produce_ok(struct kb_partition *p, int n, int64_t ts)
{
	struct kt_batch b = { .n = n, .value = 10, .timestamp = ts };
	struct kb_append a = { 0 };
	int64_t required = -1;

	cr_assert_eq(kt_produce(p, &b, 1, &a, &required), KP_NONE);
	cr_assert_eq(required, a.first_offset + n);
	return a.first_offset;
}
