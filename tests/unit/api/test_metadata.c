/*
 * Answers to Metadata and DescribeCluster: rules one by one on a small
 * cluster made here, then whole answers against those of a real broker.
 */
#include "kbroker/api/metadata.h"
#include "kbroker/metadata/snapshot.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/header.h"
#include "kcommon/proto/kp.h"
#include "kcommon/proto/kp_cmp.h"
#include "tests/unit/api/frames.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_CAP ((size_t)8 << 20)

struct world {
	struct kc_arena a;
	struct kb_meta *meta;
	struct kb_metadata_ctx ctx;
	struct kb_metadata_missing missing;
	struct kp_metadata_req in;
	struct kp_metadata_resp out;
};

static struct kp_update_metadata_partition_state *
put_state(struct kc_arena *a, struct kp_update_metadata_topic_state *t, int at,
    int leader, int other)
{
	struct kp_update_metadata_partition_state *p =
	    &t->partition_states.v[at];

	p->partition_index = at;
	p->leader = leader;
	p->leader_epoch = 3;
	p->replicas.n = p->isr.n = 2;
	p->replicas.v = kc_arena_array(a, 2, sizeof(int32_t));
	p->replicas.v[0] = leader;
	p->replicas.v[1] = other;
	p->isr.v = p->replicas.v;
	return p;
}

/*
 * Brokers 1 (listeners IN, OUT), 2 (IN only), 3 dead.  Topic "t": partition
 * 0 led by 1, 1 by 2, 2 by 3, 3 by nobody; "__consumer_offsets" with one.
 */
static void
open_world(struct world *w, const char *listener, int16_t version)
{
	struct kp_update_metadata_req req;
	struct kp_update_metadata_endpoint *ep;
	struct kp_update_metadata_topic_state *t;
	struct kb_meta_deleted deleted;
	struct kb_meta *none = NULL;

	memset(w, 0, sizeof *w);
	kc_arena_init(&w->a, ARENA_CAP);
	kp_init(kp_desc_update_metadata_req(), &req);
	req.controller_id = 2;
	cr_assert(
	    KP_ARRAY(&w->a, &req.live_brokers, update_metadata_broker, 2));
	cr_assert(KP_ARRAY(&w->a, &req.live_brokers.v[0].endpoints,
	    update_metadata_endpoint, 2));
	ep = req.live_brokers.v[0].endpoints.v;
	ep[0].listener = KC_STR_LIT("IN");
	ep[1].listener = KC_STR_LIT("OUT");
	ep[0].host = ep[1].host = KC_STR_LIT("one");
	ep[0].port = 11;
	ep[1].port = 12;
	req.live_brokers.v[0].id = 1;
	req.live_brokers.v[0].rack = KC_STR_LIT("r1");
	req.live_brokers.v[1].id = 2;
	req.live_brokers.v[1].rack = KC_STR_NULL;
	req.live_brokers.v[1].endpoints.v = ep;
	req.live_brokers.v[1].endpoints.n = 1;
	cr_assert(
	    KP_ARRAY(&w->a, &req.topic_states, update_metadata_topic_state, 2));
	t = &req.topic_states.v[0];
	t->topic_name = KC_STR_LIT("t");
	memset(t->topic_id.b, 0xaa, 16);
	cr_assert(KP_ARRAY(
	    &w->a, &t->partition_states, update_metadata_partition_state, 4));
	put_state(&w->a, t, 0, 1, 2);
	put_state(&w->a, t, 1, 2, 1);
	put_state(&w->a, t, 2, 3, 1);
	put_state(&w->a, t, 3, -1, 1);
	t->partition_states.v[2].offline_replicas.v =
	    t->partition_states.v[2].replicas.v; /* 3 */
	t->partition_states.v[2].offline_replicas.n = 1;
	t = &req.topic_states.v[1];
	t->topic_name = KC_STR_LIT("__consumer_offsets");
	memset(t->topic_id.b, 0xbb, 16);
	cr_assert(KP_ARRAY(
	    &w->a, &t->partition_states, update_metadata_partition_state, 1));
	put_state(&w->a, t, 0, 1, 1);
	cr_assert_eq(kb_meta_empty(&none, KC_STR_LIT("cid")), KC_OK);
	cr_assert_eq(kb_meta_update(&w->meta, none, &req, 8, &deleted), KC_OK);
	kb_meta_unref(&none);
	w->ctx = (struct kb_metadata_ctx){ .meta = w->meta,
		.listener = kc_str(listener),
		.arena = &w->a,
		.version = version };
	kp_init(kp_desc_metadata_req(), &w->in);
	kp_init(kp_desc_metadata_resp(), &w->out);
}

static void
close_world(struct world *w)
{
	kb_meta_unref(&w->meta);
	kc_arena_fini(&w->a);
}

/* The snapshot goes before the answer is looked at: nothing borrows. */
static void
answer(struct world *w)
{
	cr_assert_eq(
	    kb_metadata_answer(&w->ctx, &w->in, &w->out, &w->missing), KC_OK);
	kb_meta_unref(&w->meta);
}

static void
ask(struct world *w, int n, ...)
{
	va_list ap;
	int i;

	cr_assert(KP_ARRAY(&w->a, &w->in.topics, metadata_request_topic, n));
	va_start(ap, n);
	for (i = 0; i < n; i++)
		w->in.topics.v[i].name = kc_str(va_arg(ap, const char *));
	va_end(ap);
}

static const struct kp_metadata_response_topic *
got(const struct world *w, const char *name)
{
	int32_t i;

	for (i = 0; i < w->out.topics.n; i++)
		if (kc_str_eq(w->out.topics.v[i].name, kc_str(name)))
			return &w->out.topics.v[i];
	return NULL;
}

Test(kb_metadata, names_and_ids_where_they_may_not_be)
{
	struct world w;
	int16_t v;

	for (v = 10; v <= 12; v++) {
		open_world(&w, "IN", v);
		ask(&w, 2, "t", NULL); /* null and no id: in no version */
		answer(&w);
		cr_assert_eq(w.out.topics.n, 2);
		cr_assert_eq(w.out.topics.v[0].error_code, KP_INVALID_REQUEST);
		cr_assert_eq(w.out.topics.v[1].error_code, KP_INVALID_REQUEST);
		cr_assert_eq(w.out.topics.v[1].name.len, 0);
		cr_assert_eq(w.out.brokers.n, 0);
		close_world(&w);
	}
	for (v = 10; v <= 11; v++) {
		open_world(&w, "IN", v);
		ask(&w, 1, "t");
		memset(w.in.topics.v[0].topic_id.b, 0xaa, 16);
		answer(&w);
		cr_assert_eq(w.out.topics.v[0].error_code, KP_INVALID_REQUEST);
		close_world(&w);
	}
}

Test(kb_metadata, bad_and_unknown_names)
{
	struct world w;

	open_world(&w, "IN", 9);
	ask(&w, 5, "a b", "no", "", "no", "__transaction_state");
	w.in.allow_auto_topic_creation = true; /* the broker does not */
	answer(&w);
	cr_assert_eq(w.out.topics.n, 4, "each name once");
	cr_expect_eq(got(&w, "a b")->error_code, KP_INVALID_TOPIC_EXCEPTION);
	cr_expect_eq(got(&w, "")->error_code, KP_INVALID_TOPIC_EXCEPTION);
	cr_expect_eq(got(&w, "no")->error_code, KP_UNKNOWN_TOPIC_OR_PARTITION);
	cr_expect_eq(got(&w, "no")->partitions.n, 0);
	cr_expect(kc_uuid_is_zero(&got(&w, "no")->topic_id));
	cr_expect(got(&w, "__transaction_state")->is_internal);
	cr_expect_eq(w.missing.n, 0);
	close_world(&w);
}

Test(kb_metadata, arena_is_full)
{
	struct world w;
	struct kc_arena small;
	size_t cap;
	int rc = KC_ELIMIT;

	open_world(&w, "IN", 12);
	w.in.topics.n = -1;
	for (cap = 0; rc != KC_OK; cap += 16) {
		cr_assert_lt(cap, 4096);
		kc_arena_init(&small, cap);
		w.ctx.arena = &small;
		kp_init(kp_desc_metadata_resp(), &w.out);
		rc = kb_metadata_answer(&w.ctx, &w.in, &w.out, &w.missing);
		cr_assert(rc == KC_OK || rc == KC_ELIMIT);
		kc_arena_fini(&small);
	}
	close_world(&w);
}

Test(kb_metadata, all_topics_or_none)
{
	struct world w;

	open_world(&w, "IN", 0);
	w.in.topics.n = 0;
	answer(&w);
	cr_expect_eq(w.out.topics.n, 2);
	close_world(&w);

	open_world(&w, "IN", 1);
	w.in.topics.n = 0;
	answer(&w);
	cr_expect_eq(w.out.topics.n, 0);
	cr_expect_eq(w.out.brokers.n, 2);
	cr_expect_eq(w.out.controller_id, 2);
	cr_expect(kc_str_eqz(w.out.cluster_id, "cid"));
	close_world(&w);

	open_world(&w, "IN", 1);
	w.in.topics.n = -1;
	answer(&w);
	cr_expect_eq(w.out.topics.n, 2);
	cr_expect(got(&w, "__consumer_offsets")->is_internal);
	cr_expect_not(got(&w, "t")->is_internal);
	close_world(&w);
}

/* Errors of the four partitions of "t", by listener and version. */
static void
check_errors(const char *listener, int16_t version, const int want[4],
    const int replicas[4])
{
	const struct kp_metadata_response_topic *t;
	struct world w;
	int i;

	open_world(&w, listener, version);
	ask(&w, 1, "t");
	answer(&w);
	t = got(&w, "t");
	cr_assert_eq(t->error_code, KP_NONE);
	cr_assert_eq(t->partitions.n, 4);
	for (i = 0; i < 4; i++) {
		const struct kp_metadata_response_partition *p =
		    &t->partitions.v[i];

		cr_expect_eq(p->error_code, want[i], "%s v%d partition %d: %d",
		    listener, version, i, p->error_code);
		cr_expect_eq(p->replica_nodes.n, replicas[i]);
		cr_expect_eq(p->isr_nodes.n, replicas[i]);
		cr_expect_eq(p->leader_epoch, 3);
		if (p->error_code != KP_NONE &&
		    p->error_code != KP_REPLICA_NOT_AVAILABLE)
			cr_expect_eq(p->leader_id, -1);
	}
	cr_expect_eq(t->partitions.v[2].offline_replicas.n, 1);
	cr_expect_eq(t->partitions.v[2].offline_replicas.v[0], 3);
	close_world(&w);
}

Test(kb_metadata, partition_errors)
{
	static const int all[4] = { 2, 2, 2, 2 };

	check_errors("IN", 12, (int[4]){ 0, 0, 5, 5 }, all);
	check_errors("IN", 1, (int[4]){ 0, 0, 5, 5 }, all);
	check_errors("IN", 0, (int[4]){ 0, 0, 5, 5 }, (int[4]){ 2, 2, 1, 1 });
	check_errors("OUT", 12, (int[4]){ 0, 72, 5, 5 }, all);
	check_errors("OUT", 6, (int[4]){ 0, 72, 5, 5 }, all);
	check_errors("OUT", 5, (int[4]){ 0, 5, 5, 5 }, all);
	check_errors("OUT", 0, (int[4]){ 9, 5, 5, 5 }, (int[4]){ 1, 1, 1, 1 });
	check_errors("NONE", 8, (int[4]){ 72, 72, 5, 5 }, all);
}

Test(kb_metadata, brokers_by_listener)
{
	struct world w;

	open_world(&w, "OUT", 9);
	w.in.topics.n = 0;
	answer(&w);
	cr_assert_eq(w.out.brokers.n, 1);
	cr_expect_eq(w.out.brokers.v[0].node_id, 1);
	cr_expect_eq(w.out.brokers.v[0].port, 12);
	cr_expect(kc_str_eqz(w.out.brokers.v[0].host, "one"));
	cr_expect(kc_str_eqz(w.out.brokers.v[0].rack, "r1"));
	close_world(&w);
}

Test(kb_metadata, by_id)
{
	struct world w;

	open_world(&w, "IN", 12);
	ask(&w, 4, NULL, NULL, "__consumer_offsets", NULL);
	memset(w.in.topics.v[0].topic_id.b, 0xaa, 16);
	memset(w.in.topics.v[1].topic_id.b, 0xcc, 16);
	memset(w.in.topics.v[3].topic_id.b, 0xaa, 16);
	answer(&w);
	cr_assert_eq(w.out.topics.n, 2, "names are ignored, ids once");
	cr_expect_eq(got(&w, "t")->error_code, KP_NONE);
	cr_expect_eq(got(&w, "t")->topic_id.b[0], 0xaa);
	cr_expect_eq(got(&w, "t")->partitions.n, 4);
	cr_expect_eq(got(&w, NULL)->error_code, KP_UNKNOWN_TOPIC_ID);
	cr_expect_eq(got(&w, NULL)->topic_id.b[0], 0xcc);
	close_world(&w);
}

Test(kb_metadata, missing_topics_are_to_be_made)
{
	struct world w;

	open_world(&w, "IN", 9);
	w.ctx.auto_create = true;
	ask(&w, 4, "t", "new", "a/b", "__transaction_state");
	answer(&w);
	cr_assert_eq(w.missing.n, 2);
	cr_expect_eq(w.missing.v[0], got(&w, "__transaction_state"));
	cr_expect_eq(w.missing.v[1], got(&w, "new"));
	cr_expect_eq(w.missing.v[1]->error_code, KP_UNKNOWN_TOPIC_OR_PARTITION);
	cr_expect_eq(got(&w, "a/b")->error_code, KP_INVALID_TOPIC_EXCEPTION);
	close_world(&w);

	open_world(&w, "IN", 9);
	w.ctx.auto_create = true;
	w.in.allow_auto_topic_creation = false;
	ask(&w, 1, "new");
	answer(&w);
	cr_expect_eq(w.missing.n, 0);
	close_world(&w);
}

Test(kb_metadata, operations_without_an_authorizer)
{
	struct world w;

	open_world(&w, "IN", 8);
	ask(&w, 2, "t", "no");
	w.in.include_topic_authorized_operations = true;
	w.in.include_cluster_authorized_operations = true;
	answer(&w);
	/* READ WRITE CREATE DELETE ALTER DESCRIBE, both CONFIGS */
	cr_expect_eq(got(&w, "t")->topic_authorized_operations, 0xdf8);
	cr_expect_eq(got(&w, "no")->topic_authorized_operations, 0xdf8);
	cr_expect_eq(w.out.cluster_authorized_operations, 0x1fa0);
	close_world(&w);

	open_world(&w, "IN", 8);
	ask(&w, 1, "t");
	answer(&w);
	cr_expect_eq(got(&w, "t")->topic_authorized_operations, INT32_MIN);
	cr_expect_eq(w.out.cluster_authorized_operations, INT32_MIN);
	close_world(&w);
}

/* Sees only "t", may read it, and may make only "new". */
static bool
only_t(void *arg, enum kb_op op, enum kb_res res, struct kc_str name)
{
	bool cluster = *(bool *)arg;

	if (res == KB_RES_CLUSTER)
		return cluster && op == KB_OP_DESCRIBE;
	if (kc_str_eqz(name, "new"))
		return op == KB_OP_CREATE || op == KB_OP_DESCRIBE;
	if (kc_str_eqz(name, "seen"))
		return op == KB_OP_DESCRIBE;
	return kc_str_eqz(name, "t") &&
	    (op == KB_OP_DESCRIBE || op == KB_OP_READ);
}

Test(kb_metadata, authorization)
{
	bool cluster = false;
	struct world w;

	open_world(&w, "IN", 8);
	w.ctx.authz = (struct kb_authz){ only_t, &cluster };
	w.ctx.auto_create = true;
	w.in.include_topic_authorized_operations = true;
	w.in.include_cluster_authorized_operations = true;
	ask(&w, 5, "t", "__consumer_offsets", "new", "seen", "secret");
	answer(&w);
	cr_expect_eq(got(&w, "t")->topic_authorized_operations, 0x108);
	cr_expect_eq(got(&w, "__consumer_offsets")->error_code,
	    KP_TOPIC_AUTHORIZATION_FAILED);
	cr_expect_not(got(&w, "__consumer_offsets")->is_internal);
	cr_expect(kc_uuid_is_zero(&got(&w, "__consumer_offsets")->topic_id));
	cr_expect_eq(
	    got(&w, "secret")->error_code, KP_TOPIC_AUTHORIZATION_FAILED);
	cr_expect_eq(
	    got(&w, "seen")->error_code, KP_TOPIC_AUTHORIZATION_FAILED);
	cr_expect_eq(got(&w, "seen")->topic_authorized_operations, INT32_MIN);
	cr_assert_eq(w.missing.n, 1);
	cr_expect_eq(w.missing.v[0], got(&w, "new"));
	cr_expect_eq(w.out.cluster_authorized_operations, 0);
	close_world(&w);

	cluster = true;
	open_world(&w, "IN", 12);
	w.ctx.authz = (struct kb_authz){ only_t, &cluster };
	w.in.topics.n = -1;
	w.in.include_cluster_authorized_operations = true;
	answer(&w);
	cr_expect_eq(w.out.topics.n, 1, "the other is left out");
	cr_expect_eq(w.out.cluster_authorized_operations, 0x100);
	close_world(&w);

	open_world(&w, "IN", 12);
	w.ctx.authz = (struct kb_authz){ only_t, &cluster };
	ask(&w, 1, NULL);
	memset(w.in.topics.v[0].topic_id.b, 0xbb, 16);
	answer(&w);
	cr_expect_eq(
	    w.out.topics.v[0].error_code, KP_TOPIC_AUTHORIZATION_FAILED);
	cr_expect_eq(w.out.topics.v[0].name.len, -1);
	cr_expect_eq(w.out.topics.v[0].topic_id.b[0], 0xbb);
	close_world(&w);
}

Test(kb_describe_cluster, endpoint_types)
{
	struct kp_describe_cluster_req in;
	struct kp_describe_cluster_resp out;
	struct world w;

	open_world(&w, "IN", 1);
	kp_init(kp_desc_describe_cluster_req(), &in);
	kp_init(kp_desc_describe_cluster_resp(), &out);
	in.endpoint_type = 0;
	cr_assert_eq(kb_describe_cluster_answer(&w.ctx, &in, &out), KC_OK);
	cr_expect_eq(out.error_code, KP_UNSUPPORTED_ENDPOINT_TYPE);
	in.endpoint_type = 2;
	cr_assert_eq(kb_describe_cluster_answer(&w.ctx, &in, &out), KC_OK);
	cr_expect_eq(out.error_code, KP_MISMATCHED_ENDPOINT_TYPE);
	cr_expect_eq(out.brokers.n, 0);

	kp_init(kp_desc_describe_cluster_resp(), &out);
	in.endpoint_type = 1;
	in.include_cluster_authorized_operations = true;
	cr_assert_eq(kb_describe_cluster_answer(&w.ctx, &in, &out), KC_OK);
	kb_meta_unref(&w.meta);
	cr_expect_eq(out.error_code, KP_NONE);
	cr_expect_eq(out.brokers.n, 2);
	cr_expect_eq(out.brokers.v[1].rack.len, -1);
	cr_expect_eq(out.controller_id, 2);
	cr_expect(kc_str_eqz(out.cluster_id, "cid"));
	cr_expect_eq(out.cluster_authorized_operations, 0x1fa0);
	close_world(&w);
}

/*
 * Against a real broker.
 */

/* What the controller of that cluster must have said. */
static struct kb_meta *
rebuild(const struct kp_metadata_resp *from, struct kc_arena *a)
{
	struct kb_meta *none = NULL, *m = NULL;
	struct kp_update_metadata_req req;
	struct kb_meta_deleted deleted;
	int32_t i, j;

	kp_init(kp_desc_update_metadata_req(), &req);
	req.controller_id = from->controller_id;
	cr_assert(KP_ARRAY(
	    a, &req.live_brokers, update_metadata_broker, from->brokers.n));
	for (i = 0; i < from->brokers.n; i++) {
		struct kp_update_metadata_broker *b = &req.live_brokers.v[i];

		b->id = from->brokers.v[i].node_id;
		b->rack = from->brokers.v[i].rack;
		cr_assert(
		    KP_ARRAY(a, &b->endpoints, update_metadata_endpoint, 1));
		b->endpoints.v[0].listener = KC_STR_LIT("PLAINTEXT");
		b->endpoints.v[0].host = from->brokers.v[i].host;
		b->endpoints.v[0].port = from->brokers.v[i].port;
	}
	cr_assert(KP_ARRAY(
	    a, &req.topic_states, update_metadata_topic_state, from->topics.n));
	for (i = 0; i < from->topics.n; i++) {
		const struct kp_metadata_response_topic *t = &from->topics.v[i];
		struct kp_update_metadata_topic_state *o =
		    &req.topic_states.v[i];

		o->topic_name = t->name;
		o->topic_id = t->topic_id;
		cr_assert(KP_ARRAY(a, &o->partition_states,
		    update_metadata_partition_state, t->partitions.n));
		for (j = 0; j < t->partitions.n; j++) {
			const struct kp_metadata_response_partition *p =
			    &t->partitions.v[j];
			struct kp_update_metadata_partition_state *st =
			    &o->partition_states.v[j];

			st->partition_index = p->partition_index;
			st->leader = p->leader_id;
			st->leader_epoch = p->leader_epoch;
			st->replicas.v = p->replica_nodes.v;
			st->replicas.n = p->replica_nodes.n;
			st->isr.v = p->isr_nodes.v;
			st->isr.n = p->isr_nodes.n;
		}
	}
	cr_assert_eq(kb_meta_empty(&none, from->cluster_id), KC_OK);
	cr_assert_eq(kb_meta_update(&m, none, &req, 8, &deleted), KC_OK);
	kb_meta_unref(&none);
	return m;
}

static int
by_name(const void *a, const void *b)
{
	return kc_str_cmp(((const struct kp_metadata_response_topic *)a)->name,
	    ((const struct kp_metadata_response_topic *)b)->name);
}

static int
by_index(const void *a, const void *b)
{
	const struct kp_metadata_response_partition *x = a, *y = b;

	return x->partition_index - y->partition_index;
}

/* The real one answers in the order of its hash tables. */
static void
sort_answer(struct kp_metadata_resp *m)
{
	int32_t i;

	if (m->topics.n > 0)
		qsort(m->topics.v, (size_t)m->topics.n, sizeof *m->topics.v,
		    by_name);
	for (i = 0; i < m->topics.n; i++)
		if (m->topics.v[i].partitions.n > 0)
			qsort(m->topics.v[i].partitions.v,
			    (size_t)m->topics.v[i].partitions.n,
			    sizeof *m->topics.v[i].partitions.v, by_index);
}

union any_msg {
	struct kp_metadata_req metadata_req;
	struct kp_metadata_resp metadata_resp;
	struct kp_describe_cluster_req cluster_req;
	struct kp_describe_cluster_resp cluster_resp;
};

/* Our answer in want's version must be want, byte by byte if in order. */
static void
compare(const struct frame *request, const struct frame *want,
    const struct kb_meta *meta, const char *label)
{
	struct kb_metadata_missing missing;
	struct kb_metadata_ctx ctx = { .meta = meta,
		.listener = KC_STR_LIT("PLAINTEXT"),
		.auto_create = true };
	union any_msg in, out, theirs, ours;
	struct kp_req_header h;
	struct kc_arena a;
	struct kc_rd r;
	struct kc_wr wr;
	struct frame got_frame;

	kc_arena_init(&a, ARENA_CAP);
	kc_rd_init(&r, request->p, request->n);
	cr_assert_eq(kp_req_header_read(&r, &h), KC_OK);
	cr_assert_eq(kp_decode(&h.api->req, h.version, &r, &a, &in), KC_OK);
	ctx.arena = &a;
	ctx.version = h.version;
	kp_init(h.api->resp.desc(), &out);
	if (h.api->key == kp_key_metadata)
		cr_assert_eq(kb_metadata_answer(&ctx, &in.metadata_req,
				 &out.metadata_resp, &missing),
		    KC_OK);
	else
		cr_assert_eq(kb_describe_cluster_answer(
				 &ctx, &in.cluster_req, &out.cluster_resp),
		    KC_OK);
	kc_wr_init(&wr, 0);
	kp_resp_header_write(&wr, h.api, h.version, h.correlation_id);
	cr_assert_eq(
	    kp_encode(&h.api->resp, h.version, &wr, &out), KC_OK, "%s", label);
	got_frame = (struct frame){ wr.p, wr.len };
	cr_expect_eq(wr.len, want->n, "%s", label);
	decode_answer(want, h.api, h.version, &a, &theirs);
	decode_answer(&got_frame, h.api, h.version, &a, &ours);
	if (h.api->key == kp_key_metadata) {
		sort_answer(&theirs.metadata_resp);
		sort_answer(&ours.metadata_resp);
	}
	cr_expect(kp_equal(h.api->resp.desc(), &ours, &theirs), "%s", label);
	if (strstr(label, "all") == NULL)
		cr_expect(
		    wr.len == want->n && memcmp(wr.p, want->p, wr.len) == 0,
		    "%s", label);
	kc_wr_fini(&wr);
	kc_arena_fini(&a);
}

Test(kb_metadata, as_a_real_broker_answers)
{
	static struct captured all[200];
	const struct kp_api *api = kp_api_get(kp_key_metadata);
	struct kp_metadata_resp whole;
	struct kb_meta *meta = NULL;
	struct kc_arena a;
	int i, n;

	n = load_frames("Metadata,DescribeCluster", all, (int)KC_COUNT(all));
	if (n < 0)
		cr_skip_test("no captured frames: set KB_SHARED");
	kc_arena_init(&a, ARENA_CAP);
	for (i = 0; i < n; i++)
		if (strcmp(all[i].label, "Metadata v12 all") == 0) {
			decode_answer(&all[i].response, api, 12, &a, &whole);
			meta = rebuild(&whole, &a);
		}
	cr_assert_not_null(meta);
	for (i = 0; i < n; i++) {
		compare(&all[i].request, &all[i].response, meta, all[i].label);
		free(all[i].request.p);
		free(all[i].response.p);
	}
	cr_assert_geq(n, 40);
	kb_meta_unref(&meta);
	kc_arena_fini(&a);
}
