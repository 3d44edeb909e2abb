/*
 * Produce, Fetch, ListOffsets and OffsetForLeaderEpoch through their
 * handlers, on a broker of just what these need: partitions over real logs,
 * a snapshot that knows them, a loop.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/park.h"
#include "kbroker/core.h"
#include "kcommon/compress/compress.h"
#include "kcommon/io/file.h"
#include "kcommon/io/sock.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"
#include "tests/unit/replica/world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define TS 1700000000000
#define TOPIC_ID 7 /* of "t"; partition 2 of it is hosted elsewhere */

static const struct kc_env env = {
	.clock = &kc_clock_system,
	.file = &kc_file_system,
	.net = &kc_net_system,
};

static const int32_t me[] = { KT_ME }, both[] = { KT_ME, 2 };

static struct kt_hosts h;
static struct kb_env benv;
static struct kb_broker broker;
static struct kb_reader reader;
static struct kc_loop *loop;

/* --- the broker ---------------------------------------------------------- */

static void
put_parts(
    struct kc_arena *a, struct kp_update_metadata_topic_state *t, int32_t n)
{
	cr_assert(KP_ARRAY(
	    a, &t->partition_states, update_metadata_partition_state, n));
	for (int32_t i = 0; i < n; i++) {
		struct kp_update_metadata_partition_state *p =
		    &t->partition_states.v[i];

		p->partition_index = i;
		p->leader = i == 2 ? 2 : KT_ME;
		p->leader_epoch = 1;
	}
}

static void
open_metadata(void)
{
	struct kp_update_metadata_req req;
	struct kb_meta *none = NULL, *meta = NULL;
	struct kb_meta_deleted deleted;
	struct kp_update_metadata_endpoint *ep;
	struct kc_arena a;

	kc_arena_init(&a, 1 << 20);
	kp_init(kp_desc_update_metadata_req(), &req);
	cr_assert(KP_ARRAY(&a, &req.live_brokers, update_metadata_broker, 2));
	for (int i = 0; i < 2; i++) {
		cr_assert(KP_ARRAY(&a, &req.live_brokers.v[i].endpoints,
		    update_metadata_endpoint, 1));
		ep = req.live_brokers.v[i].endpoints.v;
		req.live_brokers.v[i].id = i + 1;
		req.live_brokers.v[i].rack = KC_STR_NULL;
		ep->listener = KC_STR_LIT("L");
		ep->host = KC_STR_LIT("host");
		ep->port = 90 + i + 1;
	}
	cr_assert(
	    KP_ARRAY(&a, &req.topic_states, update_metadata_topic_state, 2));
	req.topic_states.v[0].topic_name = KC_STR_LIT("t");
	req.topic_states.v[0].topic_id.b[0] = TOPIC_ID;
	put_parts(&a, &req.topic_states.v[0], 3);
	req.topic_states.v[1].topic_name = KC_STR_LIT("__consumer_offsets");
	req.topic_states.v[1].topic_id.b[0] = 8;
	put_parts(&a, &req.topic_states.v[1], 1);
	cr_assert_eq(kb_meta_empty(&none, KC_STR_LIT("cid")), KC_OK);
	cr_assert_eq(kb_meta_update(&meta, none, &req, 8, &deleted), KC_OK);
	kb_meta_unref(&none);
	kc_arena_fini(&a);
	kb_meta_cache_init(&broker.meta, meta);
}

/* Partitions 0 and 1 of t, led by us. */
static void
roles(int32_t epoch, const int32_t *isr, int32_t nisr, const char *own)
{
	struct kb_topic_config *tc = kt_topic(&h, own);
	struct kb_role_change v[2];

	for (int i = 0; i < 2; i++) {
		v[i] = (struct kb_role_change){ .topic = "t",
			.index = i,
			.is_new = true,
			.st = kt_state(KT_ME, epoch, isr, nisr, 2),
			.tc = tc };
		v[i].topic_id.b[0] = TOPIC_ID;
	}
	kb_manager_apply(h.mgr, v, 2);
	cr_assert(v[0].code == KP_NONE && v[1].code == KP_NONE);
	kb_topic_config_put(&tc);
}

static void
setup(void)
{
	kt_hosts_open(&h);
	loop = NULL;
	cr_assert_eq(kc_loop_open(&loop, &env, "test"), KC_OK);
	memset(&broker, 0, sizeof broker);
	memset(&reader, 0, sizeof reader);
	benv = (struct kb_env){ .c = h.w.env };
	broker.magic = KB_BROKER_MAGIC;
	broker.env = &benv;
	broker.config = h.cfg;
	broker.id = KT_ME;
	broker.dirs = h.dirs;
	broker.mgr = h.mgr;
	cr_assert_eq(kb_sessions_open(&broker.sessions, 10, &h.w.rand), KC_OK);
	cr_assert_eq(kc_compress_ctx_open(&reader.compress), KC_OK);
	kc_loop_set_user(loop, &reader);
	open_metadata();
}

static void
teardown(void)
{
	kb_meta_release(&broker.meta, &reader.meta);
	kb_manager_release(h.mgr, &reader.parts);
	kb_meta_cache_fini(&broker.meta);
	kc_compress_ctx_close(&reader.compress);
	kb_sessions_close(&broker.sessions);
	kc_loop_close(&loop);
	kt_hosts_close(&h);
}

TestSuite(kb_api_data, .init = setup, .fini = teardown);

/* --- a request ----------------------------------------------------------- */

struct call {
	struct kb_request req; /* first */
	enum kb_disposition how; /* KB_PARKED until it is complete */
	void *in, *out;
};

static void
on_complete(struct kc_task *task)
{
	struct kb_request *req = KC_CONTAINER(task, struct kb_request, task);

	kc_timer_cancel(loop, &req->timer);
	((struct call *)req)->how = req->outcome;
}

static void
on_timer(struct kc_timer *t)
{
	struct kb_request *req = KC_CONTAINER(t, struct kb_request, timer);

	req->on_timeout(req);
}

static void
call_open(struct call *c, int16_t key, int16_t version)
{
	memset(c, 0, sizeof *c);
	c->req = (struct kb_request){ .magic = KB_REQUEST_MAGIC,
		.broker = &broker,
		.loop = loop,
		.api = kp_api_get(key),
		.version = version,
		.client_id = KC_STR_LIT("client"),
		.listener = "L",
		.peer_host = "peer",
		.task = { .fn = on_complete } };
	kc_timer_init(&c->req.timer, on_timer);
	kc_arena_init(&c->req.arena, 8 << 20);
	c->in = kc_arena_alloc(&c->req.arena, kp_msg_size(&c->req.api->req));
	c->out = kc_arena_alloc(&c->req.arena, kp_msg_size(&c->req.api->resp));
	kp_init(c->req.api->req.desc(), c->in);
	kp_init(c->req.api->resp.desc(), c->out);
	c->req.msg = c->in;
	c->req.resp = c->out;
}

static void
call(struct call *c)
{
	static enum kb_disposition (*const handlers[])(
	    struct kb_request *, const void *, void *) = {
		[kp_key_produce] = kb_api_produce,
		[kp_key_fetch] = kb_api_fetch,
		[kp_key_list_offsets] = kb_api_list_offsets,
		[kp_key_offset_for_leader_epoch] =
		    kb_api_offset_for_leader_epoch,
	};

	kb_request_turn(&c->req);
	c->how = handlers[c->req.api->key](&c->req, c->in, c->out);
}

static void
turns(void)
{
	for (int i = 0; i < 4; i++)
		cr_assert_eq(kc_loop_step(loop, 0), KC_OK);
}

static void
wait_for(const struct call *c)
{
	for (int i = 0; i < 200 && c->how == KB_PARKED; i++)
		cr_assert_eq(kc_loop_step(loop, 10), KC_OK);
	cr_assert_neq(c->how, KB_PARKED);
}

/* Its answer must be such that it can be written. */
static void
call_close(struct call *c)
{
	struct kc_wr w;

	cr_assert_neq(c->how, KB_PARKED);
	kc_wr_init(&w, 0);
	if (c->how == KB_REPLY)
		cr_assert_eq(
		    kp_encode(&c->req.api->resp, c->req.version, &w, c->out),
		    KC_OK);
	kc_wr_fini(&w);
	if (c->req.on_done != NULL)
		c->req.on_done(&c->req);
	kc_arena_fini(&c->req.arena);
}

/* --- Produce ------------------------------------------------------------- */

static struct kp_partition_produce_data *
produce_to(
    struct call *c, int16_t version, int16_t acks, const char *topic, int32_t n)
{
	struct kp_produce_req *in;

	call_open(c, kp_key_produce, version);
	in = c->in;
	in->acks = acks;
	in->timeout_ms = 10;
	cr_assert(
	    KP_ARRAY(&c->req.arena, &in->topic_data, topic_produce_data, 1));
	in->topic_data.v[0].name = kc_str(topic);
	cr_assert(KP_ARRAY(&c->req.arena, &in->topic_data.v[0].partition_data,
	    partition_produce_data, n));
	return in->topic_data.v[0].partition_data.v;
}

static struct kp_partition_produce_response *
produced(const struct call *c)
{
	struct kp_produce_resp *out = c->out;

	return out->responses.v[0].partition_responses.v;
}

static struct kc_records
records(struct call *c, int n)
{
	struct kt_batch b = { .n = n, .value = 10, .timestamp = TS };
	struct kc_records r;
	struct kc_wr w;
	uint8_t *p;

	kc_wr_init(&w, 0);
	kt_batch(&w, &b);
	p = kc_arena_alloc(&c->req.arena, w.len);
	memcpy(p, w.p, w.len);
	r = (struct kc_records){ .len = (int32_t)w.len, .p = p };
	kc_wr_fini(&w);
	return r;
}

static int16_t
produce_one(int16_t acks, const char *topic, int32_t index, int n)
{
	struct kp_partition_produce_data *d;
	struct call c;
	int16_t code;

	d = produce_to(&c, 9, acks, topic, 1);
	d->index = index;
	d->records = records(&c, n);
	call(&c);
	wait_for(&c);
	cr_assert_eq(c.how, KB_REPLY);
	code = produced(&c)->error_code;
	call_close(&c);
	return code;
}

Test(kb_api_data, produce_is_refused)
{
	struct kp_partition_produce_data *d;
	struct call c;

	roles(1, me, 1, "max.message.bytes=200\n");
	cr_assert_eq(
	    produce_one(1, "none", 0, 1), KP_UNKNOWN_TOPIC_OR_PARTITION);
	cr_assert_eq(produce_one(1, "t", 9, 1), KP_UNKNOWN_TOPIC_OR_PARTITION);
	cr_assert_eq(produce_one(1, "t", -1, 1), KP_UNKNOWN_TOPIC_OR_PARTITION);
	cr_assert_eq(produce_one(1, "t", 2, 1), KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_eq(produce_one(2, "t", 0, 1), KP_INVALID_REQUIRED_ACKS);
	cr_assert_eq(produce_one(-2, "t", 0, 1), KP_INVALID_REQUIRED_ACKS);
	cr_assert_eq(produce_one(1, "t", 0, 40), KP_MESSAGE_TOO_LARGE);
	cr_assert_eq(produce_one(1, "__consumer_offsets", 0, 1),
	    KP_INVALID_TOPIC_EXCEPTION);
	d = produce_to(&c, 9, 1, "t", 2);
	d[0].records = KC_RECORDS_NULL;
	d[1].index = 1;
	d[1].records = records(&c, 1);
	((uint8_t *)(uintptr_t)d[1].records.p)[d[1].records.len - 1] ^= 1;
	call(&c);
	cr_assert_eq(produced(&c)[0].error_code, KP_INVALID_RECORD);
	cr_assert_eq(produced(&c)[1].error_code, KP_CORRUPT_MESSAGE);
	cr_assert_eq(produced(&c)[1].base_offset, -1);
	call_close(&c);
}

/* KIP-951: who leads, and where he is. */
Test(kb_api_data, produce_names_the_leader)
{
	struct kp_partition_produce_data *d;
	const struct kp_produce_resp *out;
	struct call c;

	roles(1, me, 1, "");
	d = produce_to(&c, 10, 1, "t", 2);
	d[0].index = d[1].index = 2;
	d[0].records = records(&c, 1);
	d[1].records = d[0].records;
	call(&c);
	out = c.out;
	cr_assert_eq(produced(&c)[1].current_leader.leader_id, 2);
	cr_assert_eq(produced(&c)[1].current_leader.leader_epoch, 1);
	cr_assert_eq(out->node_endpoints.n, 1, "once");
	cr_assert_eq(out->node_endpoints.v[0].port, 92);
	call_close(&c);
}

Test(kb_api_data, produce_without_acks)
{
	struct kp_partition_produce_data *d;
	struct call c;

	roles(1, me, 1, "");
	for (int i = 0; i < 2; i++) {
		d = produce_to(&c, 9, 0, "t", 1);
		d->index = i == 0 ? 0 : 9;
		d->records = records(&c, 1);
		call(&c);
		cr_assert_eq(c.how, i == 0 ? KB_NO_REPLY : KB_CLOSE);
		call_close(&c);
	}
}

/* One bad partition does not spoil the other. */
Test(kb_api_data, produce_answers_each)
{
	struct kp_partition_produce_data *d;
	struct call c;

	roles(1, me, 1, "");
	cr_assert_eq(produce_one(-1, "t", 0, 3), KP_NONE);
	d = produce_to(&c, 9, -1, "t", 2);
	d[0].index = 9;
	d[0].records = d[1].records = records(&c, 2);
	d[1].index = 0;
	call(&c);
	cr_assert_eq(c.how, KB_REPLY);
	cr_assert_eq(produced(&c)[0].error_code, KP_UNKNOWN_TOPIC_OR_PARTITION);
	cr_assert_eq(produced(&c)[1].error_code, KP_NONE);
	cr_assert_eq(produced(&c)[1].base_offset, 3);
	cr_assert_eq(produced(&c)[1].log_start_offset, 0);
	call_close(&c);
}

Test(kb_api_data, produce_waits_for_the_isr)
{
	struct kp_partition_produce_data *d;
	struct call c;

	roles(1, both, 2, "");
	d = produce_to(&c, 9, -1, "t", 2);
	((struct kp_produce_req *)c.in)->timeout_ms = 60000;
	d[0].records = d[1].records = records(&c, 2);
	d[1].index = 1;
	call(&c);
	cr_assert_eq(c.how, KB_PARKED);
	turns();
	cr_assert_eq(c.how, KB_PARKED);
	roles(2, me, 1, ""); /* the other one fell out */
	turns();
	cr_assert_eq(c.how, KB_REPLY);
	cr_assert_eq(produced(&c)[0].error_code, KP_NONE);
	cr_assert_eq(produced(&c)[1].error_code, KP_NONE);
	call_close(&c);
}

Test(kb_api_data, produce_times_out)
{
	struct kp_partition_produce_data *d;
	struct call c;

	roles(1, both, 2, "");
	d = produce_to(&c, 9, -1, "t", 1);
	d->records = records(&c, 2);
	call(&c);
	wait_for(&c);
	cr_assert_eq(produced(&c)->error_code, KP_REQUEST_TIMED_OUT);
	cr_assert_eq(produced(&c)->base_offset, 0, "it is in the log");
	call_close(&c);
}

static void
stop_all(bool remove)
{
	struct kb_stop s[2];

	for (int i = 0; i < 2; i++)
		s[i] = (struct kb_stop){ .topic = KC_STR_LIT("t"),
			.index = i,
			.leader_epoch = -2,
			.remove = remove };
	kb_manager_stop(h.mgr, s, 2);
}

Test(kb_api_data, produce_loses_the_partition)
{
	struct kp_partition_produce_data *d;
	struct call c;

	roles(1, both, 2, "");
	d = produce_to(&c, 9, -1, "t", 1);
	((struct kp_produce_req *)c.in)->timeout_ms = 60000;
	d->records = records(&c, 2);
	call(&c);
	cr_assert_eq(c.how, KB_PARKED);
	stop_all(true);
	turns();
	cr_assert_eq(c.how, KB_REPLY);
	cr_assert_eq(produced(&c)->error_code, KP_NOT_LEADER_OR_FOLLOWER);
	call_close(&c);
}

/* --- Fetch --------------------------------------------------------------- */

/* Partitions 0..n-1 of t from offset 0, without a session. */
static struct kp_fetch_req *
fetch_of(struct call *c, int16_t version, int32_t n, int32_t wait_ms)
{
	struct kp_fetch_req *in;
	struct kp_fetch_topic *t;

	call_open(c, kp_key_fetch, version);
	in = c->in;
	in->max_wait_ms = wait_ms;
	in->min_bytes = 1;
	in->max_bytes = 1 << 20;
	cr_assert(KP_ARRAY(&c->req.arena, &in->topics, fetch_topic, 1));
	t = in->topics.v;
	if (version >= 13)
		t->topic_id.b[0] = TOPIC_ID;
	else
		t->topic = KC_STR_LIT("t");
	cr_assert(KP_ARRAY(&c->req.arena, &t->partitions, fetch_partition, n));
	for (int32_t i = 0; i < n; i++) {
		t->partitions.v[i].partition = i;
		t->partitions.v[i].partition_max_bytes = 1 << 20;
	}
	return in;
}

static const struct kp_fetch_resp_partition_data *
fetched(const struct call *c)
{
	const struct kp_fetch_resp *out = c->out;

	return out->responses.v[0].partitions.v;
}

Test(kb_api_data, fetch_is_refused_at_once)
{
	struct kp_fetch_req *in;
	struct call c;

	roles(1, me, 1, "");
	fetch_of(&c, 12, 3, 60000);
	call(&c); /* partition 2 is elsewhere: an error does not wait */
	cr_assert_eq(c.how, KB_REPLY);
	cr_assert_eq(fetched(&c)[0].error_code, KP_NONE);
	cr_assert_eq(fetched(&c)[2].error_code, KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_eq(fetched(&c)[2].high_watermark, -1);
	cr_assert_eq(fetched(&c)[2].records.len, 0);
	call_close(&c);

	in = fetch_of(&c, 12, 1, 60000);
	in->topics.v[0].topic = KC_STR_LIT("none");
	call(&c);
	cr_assert_eq(fetched(&c)->error_code, KP_UNKNOWN_TOPIC_OR_PARTITION);
	call_close(&c);

	in = fetch_of(&c, 13, 1, 60000);
	in->topics.v[0].topic_id.b[0] = 99;
	call(&c);
	cr_assert_eq(fetched(&c)->error_code, KP_UNKNOWN_TOPIC_ID);
	call_close(&c);

	in = fetch_of(&c, 12, 1, 60000);
	in->topics.v[0].partitions.v[0].fetch_offset = 1;
	call(&c);
	cr_assert_eq(fetched(&c)->error_code, KP_OFFSET_OUT_OF_RANGE);
	call_close(&c);
}

/* A log that belongs to an older topic of the name is not read. */
Test(kb_api_data, fetch_of_another_topic_id)
{
	struct kb_role_change v = { .topic = "t", .is_new = true };
	struct call c;

	v.topic_id.b[0] = TOPIC_ID + 1;
	v.st = kt_state(KT_ME, 1, me, 1, 2);
	v.tc = kt_topic(&h, "");
	kb_manager_apply(h.mgr, &v, 1);
	cr_assert_eq(v.code, KP_NONE);
	kb_topic_config_put(&v.tc);
	fetch_of(&c, 13, 1, 60000);
	call(&c);
	cr_assert_eq(fetched(&c)->error_code, KP_INCONSISTENT_TOPIC_ID);
	call_close(&c);
	fetch_of(&c, 12, 1, 0);
	call(&c);
	cr_assert_eq(fetched(&c)->error_code, KP_NONE, "by name it is");
	call_close(&c);
}

Test(kb_api_data, fetch_wants_a_known_session)
{
	struct kp_fetch_req *in;
	struct call c;

	roles(1, me, 1, "");
	in = fetch_of(&c, 12, 1, 60000);
	in->session_id = 5;
	in->session_epoch = 1;
	call(&c);
	cr_assert_eq(c.how, KB_REPLY);
	cr_assert_eq(((struct kp_fetch_resp *)c.out)->error_code,
	    KP_FETCH_SESSION_ID_NOT_FOUND);
	cr_assert_eq(((struct kp_fetch_resp *)c.out)->session_id, 0);
	cr_assert_eq(((struct kp_fetch_resp *)c.out)->responses.n, 0);
	call_close(&c);
}

Test(kb_api_data, fetch_shares_the_bytes)
{
	struct kp_fetch_req *in;
	struct call c;

	roles(1, me, 1, "");
	cr_assert_eq(produce_one(1, "t", 0, 5), KP_NONE);
	cr_assert_eq(produce_one(1, "t", 1, 5), KP_NONE);
	fetch_of(&c, 12, 2, 0);
	call(&c);
	cr_assert_gt(fetched(&c)[0].records.len, 0);
	cr_assert_eq(fetched(&c)[0].records.len, fetched(&c)[1].records.len);
	cr_assert_eq(fetched(&c)[0].high_watermark, 5);
	call_close(&c);
	/* The first batch comes whole; then nothing is left for the next. */
	in = fetch_of(&c, 12, 2, 0);
	in->max_bytes = 1;
	call(&c);
	cr_assert_gt(fetched(&c)[0].records.len, 0);
	cr_assert_eq(fetched(&c)[1].records.len, 0);
	call_close(&c);
	/* Old versions keep to the limit. */
	in = fetch_of(&c, 2, 2, 0);
	in->topics.v[0].partitions.v[0].partition_max_bytes = 1;
	call(&c);
	cr_assert_eq(fetched(&c)[0].records.len, 0);
	cr_assert_gt(fetched(&c)[1].records.len, 0);
	call_close(&c);
	/* What a peer may say does no harm. */
	in = fetch_of(&c, 12, 2, 0);
	in->max_bytes = INT32_MIN;
	in->topics.v[0].partitions.v[0].partition_max_bytes = INT32_MIN;
	call(&c);
	cr_assert_eq(c.how, KB_REPLY);
	call_close(&c);
}

/* Thousands of times the same: read once, as it was asked for last. */
Test(kb_api_data, fetch_names_partitions_twice)
{
	struct kp_fetch_req *in;
	const struct kp_fetch_resp *out;
	struct call c;

	roles(1, me, 1, "");
	cr_assert_eq(produce_one(1, "t", 0, 5), KP_NONE);
	cr_assert_eq(produce_one(1, "t", 1, 5), KP_NONE);
	for (int16_t version = 12; version <= 13; version++) {
		in = fetch_of(&c, version, 4000, 0);
		for (int32_t i = 0; i < 4000; i++) {
			in->topics.v[0].partitions.v[i].partition =
			    i == 1234 ? 0 : 1;
			in->topics.v[0].partitions.v[i].fetch_offset = 9;
		}
		in->topics.v[0].partitions.v[1234].fetch_offset = 0;
		in->topics.v[0].partitions.v[3999].fetch_offset = 0;
		call(&c);
		out = c.out;
		cr_assert_eq(out->responses.v[0].partitions.n, 2);
		cr_assert_eq(fetched(&c)[0].partition_index, 1);
		cr_assert_eq(fetched(&c)[0].error_code, KP_NONE);
		cr_assert_eq(fetched(&c)[1].partition_index, 0);
		cr_assert_gt(fetched(&c)[1].records.len, 0);
		call_close(&c);
	}
}

Test(kb_api_data, fetch_waits_for_records)
{
	struct kp_fetch_req *in;
	struct call c;

	roles(1, me, 1, "");
	in = fetch_of(&c, 12, 2, 60000);
	in->min_bytes = 100;
	call(&c);
	cr_assert_eq(c.how, KB_PARKED);
	cr_assert_eq(produce_one(1, "t", 1, 1), KP_NONE);
	turns();
	cr_assert_eq(c.how, KB_PARKED, "too few bytes");
	cr_assert_eq(produce_one(1, "t", 0, 1), KP_NONE);
	turns();
	cr_assert_eq(c.how, KB_REPLY);
	cr_assert_gt(fetched(&c)[0].records.len, 0);
	cr_assert_gt(fetched(&c)[1].records.len, 0);
	call_close(&c);
}

/* min_bytes beyond max_bytes is no more than that (KafkaApis). */
Test(kb_api_data, fetch_of_more_than_it_takes)
{
	struct kp_fetch_req *in;
	struct call c;

	roles(1, me, 1, "");
	cr_assert_eq(produce_one(1, "t", 0, 5), KP_NONE);
	in = fetch_of(&c, 12, 2, 60000);
	in->min_bytes = INT32_MAX;
	in->max_bytes = 10;
	call(&c);
	cr_assert_eq(c.how, KB_REPLY);
	cr_assert_gt(fetched(&c)[0].records.len, 0);
	call_close(&c);
}

Test(kb_api_data, fetch_waits_no_longer_than_asked)
{
	struct call c;

	roles(1, me, 1, "");
	fetch_of(&c, 12, 1, 10);
	call(&c);
	cr_assert_eq(c.how, KB_PARKED);
	wait_for(&c);
	cr_assert_eq(c.how, KB_REPLY);
	cr_assert_eq(fetched(&c)->error_code, KP_NONE);
	cr_assert_eq(fetched(&c)->records.len, 0);
	call_close(&c);
}

Test(kb_api_data, fetch_hears_that_the_partition_is_gone)
{
	struct call c;

	roles(1, me, 1, "");
	for (int i = 0; i < 2; i++) {
		fetch_of(&c, 16, 1, 60000);
		call(&c);
		cr_assert_eq(c.how, KB_PARKED);
		stop_all(i == 1);
		turns();
		cr_assert_eq(c.how, KB_REPLY);
		cr_assert_eq(
		    fetched(&c)->error_code, KP_NOT_LEADER_OR_FOLLOWER);
		call_close(&c);
		roles(2 + i, me, 1, "");
	}
}

Test(kb_api_data, fetch_in_a_session)
{
	struct kp_fetch_req *in;
	struct kp_fetch_resp *out;
	struct call c;
	int32_t id;

	roles(1, me, 1, "");
	cr_assert_eq(produce_one(1, "t", 0, 1), KP_NONE);
	in = fetch_of(&c, 13, 2, 0);
	in->session_epoch = 0;
	call(&c);
	out = c.out;
	id = out->session_id;
	cr_assert_gt(id, 0);
	cr_assert_eq(out->responses.v[0].partitions.n, 2);
	cr_assert(out->responses.v[0].topic_id.b[0] == TOPIC_ID);
	call_close(&c);
	/* From the end of 0 on: nothing new anywhere. */
	in = fetch_of(&c, 13, 1, 60000);
	in->session_id = id;
	in->session_epoch = 1;
	in->topics.v[0].partitions.v[0].fetch_offset = 1;
	call(&c);
	cr_assert_eq(c.how, KB_PARKED);
	cr_assert_eq(produce_one(1, "t", 1, 1), KP_NONE);
	turns();
	cr_assert_eq(c.how, KB_REPLY);
	out = c.out;
	cr_assert_eq(out->session_id, id);
	cr_assert_eq(out->responses.n, 1);
	cr_assert_eq(out->responses.v[0].partitions.n, 1, "what is new");
	cr_assert_eq(fetched(&c)->partition_index, 1);
	call_close(&c);
}

/* Who claims to be a replica does not see what is not committed. */
Test(kb_api_data, fetch_of_a_stranger)
{
	struct kp_fetch_req *in;
	struct call c;

	roles(1, both, 2, "");
	cr_assert_eq(produce_one(1, "t", 0, 3), KP_NONE);
	in = fetch_of(&c, 12, 1, 0);
	in->replica_id = 9;
	in->topics.v[0].partitions.v[0].current_leader_epoch = 1;
	call(&c);
	cr_assert_eq(fetched(&c)->error_code, KP_UNKNOWN_LEADER_EPOCH);
	call_close(&c);
	in = fetch_of(&c, 15, 1, 0);
	in->replica_state.replica_id = 2;
	call(&c);
	cr_assert_eq(fetched(&c)->error_code, KP_NONE);
	cr_assert_gt(fetched(&c)->records.len, 0);
	call_close(&c);
	fetch_of(&c, 12, 1, 0);
	call(&c);
	cr_assert_eq(fetched(&c)->records.len, 0);
	call_close(&c);
}

/* --- ListOffsets, OffsetForLeaderEpoch ----------------------------------- */

static struct kp_list_offsets_partition *
list_of(struct call *c, int16_t version, int32_t n)
{
	struct kp_list_offsets_req *in;
	struct kp_list_offsets_partition *v;

	call_open(c, kp_key_list_offsets, version);
	in = c->in;
	in->replica_id = -1;
	cr_assert(KP_ARRAY(&c->req.arena, &in->topics, list_offsets_topic, 2));
	for (int i = 0; i < 2; i++) {
		in->topics.v[i].name = KC_STR_LIT("t");
		cr_assert(KP_ARRAY(&c->req.arena, &in->topics.v[i].partitions,
		    list_offsets_partition, i == 0 ? n : 1));
	}
	v = in->topics.v[0].partitions.v;
	for (int32_t i = 0; i < n; i++) {
		v[i].partition_index = i;
		v[i].timestamp = -1;
	}
	in->topics.v[1].partitions.v[0].partition_index = 77;
	return v;
}

static const struct kp_list_offsets_partition_response *
listed(const struct call *c)
{
	return ((struct kp_list_offsets_resp *)c->out)
	    ->topics.v[0]
	    .partitions.v;
}

Test(kb_api_data, list_names_a_partition_twice)
{
	struct kp_list_offsets_partition *v;
	const struct kp_list_offsets_resp *out;
	struct call c;

	roles(1, me, 1, "");
	v = list_of(&c, 1, 3);
	v[2].partition_index = 0;
	/* Doubles may stand under a topic that is named twice as well. */
	((struct kp_list_offsets_req *)c.in)
	    ->topics.v[1]
	    .partitions.v[0]
	    .partition_index = 1;
	call(&c);
	out = c.out;
	for (int i = 0; i < 3; i++)
		cr_assert_eq(listed(&c)[i].error_code, KP_INVALID_REQUEST);
	cr_assert_eq(
	    out->topics.v[1].partitions.v[0].error_code, KP_INVALID_REQUEST);
	cr_assert_eq(listed(&c)[2].partition_index, 0);
	call_close(&c);
	v = list_of(&c, 0, 2); /* version 0 does not mind */
	v[1].partition_index = 0;
	call(&c);
	cr_assert_eq(listed(&c)[0].error_code, KP_NONE);
	cr_assert_eq(listed(&c)[1].error_code, KP_NONE);
	cr_assert_eq(listed(&c)[0].old_style_offsets.n, 1);
	call_close(&c);
}

Test(kb_api_data, list_knows_timestamps_by_version)
{
	static const struct {
		int64_t timestamp;
		int16_t from; /* the first version that knows it */
	} special[] = { { -1, 1 }, { -2, 1 }, { -3, 7 }, { -4, 8 }, { -5, 9 },
		{ -6, 99 }, { INT64_MIN, 99 } };
	struct kp_list_offsets_partition *v;
	struct call c;

	roles(1, me, 1, "");
	for (int16_t version = 1; version <= 9; version++) {
		for (size_t i = 0; i < KC_COUNT(special); i++) {
			v = list_of(&c, version, 1);
			v->timestamp = special[i].timestamp;
			call(&c);
			cr_assert_eq(listed(&c)->error_code,
			    version >= special[i].from ? KP_NONE :
							 KP_UNSUPPORTED_VERSION,
			    "version %d, %zu", version, i);
			call_close(&c);
		}
	}
}

Test(kb_api_data, list_answers_each)
{
	const struct kp_list_offsets_resp *out;
	struct call c;

	roles(1, me, 1, "");
	cr_assert_eq(produce_one(1, "t", 1, 4), KP_NONE);
	list_of(&c, 5, 3);
	call(&c);
	out = c.out;
	cr_assert_eq(listed(&c)[0].offset, 0);
	cr_assert_eq(listed(&c)[1].offset, 4);
	cr_assert_eq(listed(&c)[1].leader_epoch, 1);
	cr_assert_eq(listed(&c)[2].error_code, KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_eq(listed(&c)[2].offset, -1);
	cr_assert_eq(out->topics.v[1].partitions.v[0].error_code,
	    KP_UNKNOWN_TOPIC_OR_PARTITION);
	call_close(&c);
}

/* As many as fit in a large request: not one by one against each other. */
Test(kb_api_data, list_of_very_many, .timeout = 20)
{
	struct kp_list_offsets_partition *v;
	struct call c;

	roles(1, me, 1, "");
	call_open(&c, kp_key_list_offsets, 1);
	kc_arena_fini(&c.req.arena);
	v = list_of(&c, 1, 1);
	c.req.arena.cap = (size_t)256 << 20;
	((struct kp_list_offsets_req *)c.in)->topics.n = 1;
	cr_assert(KP_ARRAY(&c.req.arena,
	    &((struct kp_list_offsets_req *)c.in)->topics.v[0].partitions,
	    list_offsets_partition, 300000));
	v = ((struct kp_list_offsets_req *)c.in)->topics.v[0].partitions.v;
	for (int32_t i = 0; i < 300000; i++)
		v[i].partition_index = i;
	call(&c);
	cr_assert_eq(
	    listed(&c)[299999].error_code, KP_UNKNOWN_TOPIC_OR_PARTITION);
	call_close(&c);
}

Test(kb_api_data, epochs)
{
	struct kp_offset_for_leader_epoch_req *in;
	const struct kp_offset_for_leader_epoch_resp *out;
	struct call c;

	roles(1, me, 1, "");
	cr_assert_eq(produce_one(1, "t", 0, 4), KP_NONE);
	roles(3, me, 1, "");
	call_open(&c, kp_key_offset_for_leader_epoch, 3);
	in = c.in;
	cr_assert(
	    KP_ARRAY(&c.req.arena, &in->topics, offset_for_leader_topic, 1));
	in->topics.v[0].topic = KC_STR_LIT("t");
	cr_assert(KP_ARRAY(&c.req.arena, &in->topics.v[0].partitions,
	    offset_for_leader_partition, 4));
	for (int32_t i = 0; i < 4; i++) {
		in->topics.v[0].partitions.v[i].partition = i;
		in->topics.v[0].partitions.v[i].leader_epoch = 2;
	}
	in->topics.v[0].partitions.v[1].current_leader_epoch = 2;
	call(&c);
	out = c.out;
	cr_assert_eq(out->topics.v[0].partitions.v[0].error_code, KP_NONE);
	cr_assert_eq(out->topics.v[0].partitions.v[0].leader_epoch, 1);
	cr_assert_eq(out->topics.v[0].partitions.v[0].end_offset, 4);
	cr_assert_eq(out->topics.v[0].partitions.v[1].error_code,
	    KP_FENCED_LEADER_EPOCH);
	cr_assert_eq(out->topics.v[0].partitions.v[1].end_offset, -1);
	cr_assert_eq(out->topics.v[0].partitions.v[2].error_code,
	    KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_eq(out->topics.v[0].partitions.v[3].error_code,
	    KP_UNKNOWN_TOPIC_OR_PARTITION);
	call_close(&c);
}
