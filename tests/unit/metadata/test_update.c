/*
 * Snapshots made by UpdateMetadata requests.  Requests are built here as the
 * decoder would hand them over; their arrays are of the exact size.
 */
#include "kbroker/metadata/cache.h"
#include "kbroker/metadata/snapshot.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/kp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct maker {
	struct kc_arena a;
	struct kp_update_metadata_req req;
};

static void
make(struct maker *mk, int topics_n)
{
	kc_arena_init(&mk->a, 64 << 20);
	kp_init(kp_desc_update_metadata_req(), &mk->req);
	cr_assert(KP_ARRAY(&mk->a, &mk->req.topic_states,
	    update_metadata_topic_state, topics_n));
}

static void
unmake(struct maker *mk)
{
	kc_arena_fini(&mk->a);
}

static struct kp_update_metadata_topic_state *
topic(struct maker *mk, int at, const char *name, uint8_t id, int parts_n)
{
	struct kp_update_metadata_topic_state *t = &mk->req.topic_states.v[at];

	t->topic_name = kc_arena_str(&mk->a, kc_str(name));
	memset(t->topic_id.b, id, sizeof t->topic_id.b);
	cr_assert(KP_ARRAY(&mk->a, &t->partition_states,
	    update_metadata_partition_state, parts_n));
	return t;
}

static void
part(struct maker *mk, struct kp_update_metadata_partition_state *p, int index,
    int leader, int epoch)
{
	p->partition_index = index;
	p->leader = leader;
	p->leader_epoch = epoch;
	p->zk_version = epoch + 100;
	p->controller_epoch = 7;
	p->replicas.n = p->isr.n = 2;
	p->replicas.v = kc_arena_array(&mk->a, 2, sizeof(int32_t));
	p->isr.v = kc_arena_array(&mk->a, 2, sizeof(int32_t));
	p->replicas.v[0] = p->isr.v[1] = leader;
	p->replicas.v[1] = p->isr.v[0] = leader + 1;
	p->offline_replicas.n = 1;
	p->offline_replicas.v = kc_arena_array(&mk->a, 1, sizeof(int32_t));
	p->offline_replicas.v[0] = leader + 1;
}

static void
apply_as(struct kb_meta **m, struct maker *mk, int16_t version,
    struct kb_meta_deleted *deleted)
{
	struct kb_meta *next = NULL;

	cr_assert_eq(
	    kb_meta_update(&next, *m, &mk->req, version, deleted), KC_OK);
	kb_meta_unref(m);
	*m = next;
	unmake(mk);
}

/* Updates *m and forgets the request: nothing may point into it. */
static void
apply(struct kb_meta **m, struct maker *mk)
{
	struct kb_meta_deleted deleted;

	apply_as(m, mk, 8, &deleted);
	cr_assert_eq(deleted.n, 0);
}

static struct kb_meta *
empty(void)
{
	struct kb_meta *m = NULL;

	cr_assert_eq(kb_meta_empty(&m, KC_STR_LIT("cid")), KC_OK);
	return m;
}

Test(kb_meta, empty)
{
	struct kb_meta *m = empty();
	struct kc_uuid zero = KC_UUID_ZERO;

	cr_assert_null(kb_meta_topic(m, KC_STR_LIT("t")));
	cr_assert_null(kb_meta_topic(m, KC_STR_NULL));
	cr_assert_null(kb_meta_topic_by_id(m, &zero));
	cr_assert_null(kb_meta_broker(m, 0));
	cr_assert_null(kb_meta_partition(NULL, 0));
	cr_assert_null(kb_meta_endpoint(NULL, KC_STR_LIT("X")));
	cr_assert_eq(m->controller_id, -1);
	kb_meta_unref(&m);
	kb_meta_unref(&m);
}

/* Goal: what no controller says changes nothing. */
Test(kb_meta, refused)
{
	struct kb_meta *m = empty(), *next = NULL;
	struct kp_update_metadata_endpoint ep = { .security_protocol = 9,
		.host = KC_STR_LIT("h"),
		.listener = KC_STR_LIT("L") };
	struct kp_update_metadata_broker b = { .id = 1 };
	struct kb_meta_deleted d;
	struct maker mk;

	make(&mk, 1);
	part(&mk, topic(&mk, 0, "t", 1, 1)->partition_states.v, -1, 0, 0);
	cr_assert_eq(kb_meta_update(&next, m, &mk.req, 8, &d), KC_EMALFORMED);
	unmake(&mk);
	make(&mk, 1);
	topic(&mk, 0, "", 1, 0);
	cr_assert_eq(kb_meta_update(&next, m, &mk.req, 8, &d), KC_EMALFORMED);
	mk.req.topic_states.n = 0;
	mk.req.live_brokers.n = 1;
	mk.req.live_brokers.v = &b;
	b.endpoints.v = &ep;
	b.endpoints.n = 1;
	cr_assert_eq(kb_meta_update(&next, m, &mk.req, 8, &d), KC_EMALFORMED);
	ep.security_protocol = -1;
	cr_assert_eq(kb_meta_update(&next, m, &mk.req, 2, &d), KC_EMALFORMED);
	ep.security_protocol = 0;
	ep.host = KC_STR_NULL;
	cr_assert_eq(kb_meta_update(&next, m, &mk.req, 8, &d), KC_EMALFORMED);
	cr_assert_null(next);
	unmake(&mk);
	kb_meta_unref(&m);
}

Test(kb_meta, topics_and_partitions)
{
	struct kb_meta *m = empty();
	const struct kb_meta_partition *p;
	const struct kb_meta_topic *t;
	struct kc_uuid id;
	struct maker mk;

	make(&mk, 3);
	mk.req.controller_id = 4;
	t = NULL;
	part(&mk, topic(&mk, 0, "zeta", 1, 1)->partition_states.v, 0, 5, 1);
	topic(&mk, 1, "beta", 2, 3);
	part(&mk, &mk.req.topic_states.v[1].partition_states.v[0], 9, 6, 2);
	part(&mk, &mk.req.topic_states.v[1].partition_states.v[1], 1, 7, 3);
	part(&mk, &mk.req.topic_states.v[1].partition_states.v[2], 0, 8, 4);
	topic(&mk, 2, "named only", 3, 0);
	apply(&m, &mk);

	cr_assert_eq(m->controller_id, 4);
	cr_assert(kc_str_eqz(m->cluster_id, "cid"));
	cr_assert_eq(m->topics_n, 2);
	cr_assert_eq(m->partitions_n, 4);
	cr_assert(kc_str_eqz(m->topics[0]->name, "beta"));
	cr_assert(kc_str_eqz(m->topics[1]->name, "zeta"));
	cr_assert_null(kb_meta_topic(m, KC_STR_LIT("named only")));
	memset(id.b, 2, sizeof id.b);
	t = kb_meta_topic_by_id(m, &id);
	cr_assert_eq(t, kb_meta_topic(m, KC_STR_LIT("beta")));
	cr_assert_eq(t->partitions_n, 3);
	cr_assert_null(kb_meta_partition(t, 2));
	cr_assert_null(kb_meta_partition(t, -1));
	cr_assert_null(kb_meta_partition(t, INT32_MAX));
	p = kb_meta_partition(t, 9);
	cr_assert_eq(p->leader, 6);
	cr_assert_eq(p->leader_epoch, 2);
	cr_assert_eq(p->partition_epoch, 102);
	cr_assert_eq(p->controller_epoch, 7);
	cr_assert_eq(p->replicas_n, 2);
	cr_assert_eq(p->replicas[0], 6);
	cr_assert_eq(p->isr[0], 7);
	cr_assert_eq(p->offline_n, 1);
	cr_assert_eq(p->offline[0], 7);
	cr_assert_eq(kb_meta_partition(t, 1)->leader, 7);
	kb_meta_unref(&m);
}

/*
 * Goal: an update of one topic leaves the others where they are, and the old
 * snapshot as it was.
 */
Test(kb_meta, unnamed_topics_are_shared)
{
	struct kb_meta *m = empty(), *old;
	const struct kb_meta_topic *a, *b;
	struct maker mk;

	make(&mk, 2);
	part(&mk, topic(&mk, 0, "a", 1, 1)->partition_states.v, 0, 5, 1);
	part(&mk, topic(&mk, 1, "b", 2, 1)->partition_states.v, 0, 5, 1);
	apply(&m, &mk);
	a = kb_meta_topic(m, KC_STR_LIT("a"));
	b = kb_meta_topic(m, KC_STR_LIT("b"));
	old = m;
	kb_meta_ref(old);
	make(&mk, 2);
	part(&mk, topic(&mk, 0, "b", 2, 1)->partition_states.v, 1, 6, 2);
	/* Twice in one request: the later one counts. */
	part(&mk, topic(&mk, 1, "b", 2, 1)->partition_states.v, 1, 7, 3);
	apply(&m, &mk);

	cr_assert_eq(kb_meta_topic(m, KC_STR_LIT("a")), a);
	cr_assert_neq(kb_meta_topic(m, KC_STR_LIT("b")), b);
	cr_assert_eq(b->partitions_n, 1);
	cr_assert_eq(kb_meta_topic(old, KC_STR_LIT("b")), b);
	kb_meta_unref(&old);
	b = kb_meta_topic(m, KC_STR_LIT("b"));
	cr_assert_eq(b->partitions_n, 2);
	cr_assert_eq(kb_meta_partition(b, 0)->leader, 5);
	cr_assert_eq(kb_meta_partition(b, 0)->isr[1], 5);
	cr_assert_eq(kb_meta_partition(b, 1)->leader, 7);
	kb_meta_unref(&m);
}

Test(kb_meta, deletion)
{
	struct kb_meta *m = empty();
	struct kp_update_metadata_topic_state *t;
	struct kb_meta_deleted d;
	struct kc_uuid id;
	struct maker mk;

	make(&mk, 1);
	t = topic(&mk, 0, "t", 1, 2);
	part(&mk, &t->partition_states.v[0], 0, 5, 1);
	part(&mk, &t->partition_states.v[1], 1, 5, 1);
	apply(&m, &mk);
	make(&mk, 2);
	t = topic(&mk, 0, "t", 1, 1);
	part(&mk, &t->partition_states.v[0], 0, -2, 0);
	t = topic(&mk, 1, "unknown", 9, 2);
	part(&mk, &t->partition_states.v[0], 3, -2, 0);
	part(&mk, &t->partition_states.v[1], 3, -2, 0);
	{
		struct kb_meta *next = NULL;

		cr_assert_eq(kb_meta_update(&next, m, &mk.req, 8, &d), KC_OK);
		kb_meta_unref(&m);
		m = next;
	}
	cr_assert_eq(d.n, 2);
	cr_assert(kc_str_eqz(d.v[0].topic, "t"));
	cr_assert_eq(d.v[0].partition, 0);
	cr_assert(kc_str_eqz(d.v[1].topic, "unknown"));
	cr_assert_eq(d.v[1].partition, 3);
	free(d.v);
	unmake(&mk);
	cr_assert_eq(m->topics_n, 1);
	cr_assert_null(kb_meta_partition(m->topics[0], 0));
	cr_assert_not_null(kb_meta_partition(m->topics[0], 1));

	make(&mk, 1);
	t = topic(&mk, 0, "t", 1, 1);
	part(&mk, &t->partition_states.v[0], 1, -2, 0);
	apply_as(&m, &mk, 8, &d);
	cr_assert_eq(d.n, 1);
	free(d.v);
	cr_assert_eq(m->topics_n, 0);
	cr_assert_eq(m->partitions_n, 0);
	memset(id.b, 1, sizeof id.b);
	cr_assert_null(kb_meta_topic_by_id(m, &id));
	kb_meta_unref(&m);
}

/*
 * Goal: ids as Kafka keeps them: those of topics that are not named stay, a
 * zero one takes the id away, versions without topic states keep it.
 */
Test(kb_meta, topic_ids)
{
	struct kb_meta *m = empty();
	struct kp_update_metadata_partition_state st;
	struct kb_meta_deleted d;
	struct kc_uuid id;
	struct maker mk;

	memset(id.b, 1, sizeof id.b);
	make(&mk, 1);
	part(&mk, topic(&mk, 0, "t", 1, 1)->partition_states.v, 0, 5, 1);
	apply(&m, &mk);
	make(&mk, 0);
	apply(&m, &mk);
	cr_assert_not_null(kb_meta_topic_by_id(m, &id));

	make(&mk, 0);
	memset(&st, 0, sizeof st);
	part(&mk, &st, 1, 6, 2);
	st.topic_name = KC_STR_LIT("t");
	mk.req.ungrouped_partition_states.v = &st;
	mk.req.ungrouped_partition_states.n = 1;
	apply_as(&m, &mk, 4, &d);
	cr_assert_not_null(kb_meta_topic_by_id(m, &id));
	cr_assert_eq(m->topics[0]->partitions_n, 2);

	make(&mk, 1);
	topic(&mk, 0, "t", 0, 0);
	apply_as(&m, &mk, 6, &d);
	cr_assert_null(kb_meta_topic_by_id(m, &id));
	cr_assert_eq(m->topics[0]->partitions_n, 2);

	make(&mk, 1);
	topic(&mk, 0, "t", 3, 0);
	apply(&m, &mk);
	memset(id.b, 3, sizeof id.b);
	cr_assert_not_null(kb_meta_topic_by_id(m, &id));
	kb_meta_unref(&m);
}

/* Goal: every shape that live brokers have had since version 0. */
Test(kb_meta, brokers)
{
	struct kb_meta *m = empty();
	struct kp_update_metadata_broker b[3];
	struct kp_update_metadata_endpoint ep[2];
	const struct kb_meta_endpoint *e;
	struct kb_meta_deleted d;
	struct maker mk;

	memset(b, 0, sizeof b);
	memset(ep, 0, sizeof ep);
	make(&mk, 0);
	mk.req.controller_id = -7;
	mk.req.live_brokers.v = b;
	mk.req.live_brokers.n = 1;
	b[0].id = 3;
	b[0].v0_host = KC_STR_LIT("old");
	b[0].v0_port = 9092;
	apply_as(&m, &mk, 0, &d);
	e = kb_meta_endpoint(kb_meta_broker(m, 3), KC_STR_LIT("PLAINTEXT"));
	cr_assert_not_null(e);
	cr_assert(kc_str_eqz(e->host, "old"));
	cr_assert_eq(e->port, 9092);
	cr_assert_eq(kb_meta_broker(m, 3)->rack.len, -1);
	cr_assert_eq(m->controller_id, -1);

	make(&mk, 0);
	mk.req.live_brokers.v = b;
	mk.req.live_brokers.n = 1;
	b[0].endpoints.v = ep;
	b[0].endpoints.n = 1;
	b[0].rack = KC_STR_LIT("r1");
	ep[0].host = KC_STR_LIT("h");
	ep[0].port = 1;
	ep[0].security_protocol = 3;
	apply_as(&m, &mk, 2, &d);
	e = kb_meta_endpoint(kb_meta_broker(m, 3), KC_STR_LIT("SASL_SSL"));
	cr_assert_not_null(e);
	cr_assert(kc_str_eqz(kb_meta_broker(m, 3)->rack, "r1"));

	/* Any order; one twice; the old one is gone. */
	make(&mk, 0);
	mk.req.live_brokers.v = b;
	mk.req.live_brokers.n = 3;
	ep[0].listener = KC_STR_LIT("IN");
	ep[1] = ep[0];
	ep[1].listener = KC_STR_LIT("OUT");
	b[0].id = 9;
	b[1] = b[0];
	b[1].id = 2;
	b[2] = b[0];
	b[2].endpoints.n = 2;
	b[2].rack = KC_STR_NULL;
	apply_as(&m, &mk, 8, &d);
	cr_assert_eq(m->brokers_n, 2);
	cr_assert_null(kb_meta_broker(m, 3));
	cr_assert_eq(kb_meta_broker(m, 9)->endpoints_n, 2);
	cr_assert_eq(kb_meta_broker(m, 9)->rack.len, -1);
	cr_assert_not_null(
	    kb_meta_endpoint(kb_meta_broker(m, 9), KC_STR_LIT("OUT")));
	cr_assert_null(
	    kb_meta_endpoint(kb_meta_broker(m, 2), KC_STR_LIT("OUT")));
	kb_meta_unref(&m);
}

/* Goal: lookups hold when the tables are full of neighbours. */
Test(kb_meta, many_topics)
{
	struct kb_meta *m = empty();
	struct maker mk;
	char name[32];
	int i, n = 3000;

	make(&mk, n);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof name, "topic-%d", i);
		part(&mk, topic(&mk, i, name, 1, 1)->partition_states.v, 0, i,
		    0);
		memcpy(mk.req.topic_states.v[i].topic_id.b, &i, sizeof i);
	}
	apply(&m, &mk);
	cr_assert_eq(m->topics_n, n);
	for (i = 0; i < n; i++) {
		const struct kb_meta_topic *t;
		struct kc_uuid id;

		snprintf(name, sizeof name, "topic-%d", i);
		t = kb_meta_topic(m, kc_str(name));
		cr_assert_eq(kb_meta_partition(t, 0)->leader, i);
		memset(id.b, 1, sizeof id.b);
		memcpy(id.b, &i, sizeof i);
		cr_assert_eq(kb_meta_topic_by_id(m, &id), t);
	}
	cr_assert_null(kb_meta_topic(m, KC_STR_LIT("topic-3000")));
	make(&mk, 1);
	part(&mk, topic(&mk, 0, "topic-17", 1, 1)->partition_states.v, 0, 1, 1);
	apply(&m, &mk);
	cr_assert_eq(m->topics_n, n);
	kb_meta_unref(&m);
}

Test(kb_meta_cache, publish)
{
	struct kb_meta_slot s = { .slot = { 0 } };
	struct kb_meta_cache c;
	struct kb_meta *m = empty(), *next = NULL, *mine;
	struct kb_meta_deleted d;
	struct maker mk;

	kb_meta_cache_init(&c, m);
	cr_assert_eq(kb_meta_read(&c, &s), m);
	make(&mk, 0);
	mk.req.controller_id = 1;
	mine = kb_meta_get(&c);
	cr_assert_eq(kb_meta_update(&next, mine, &mk.req, 8, &d), KC_OK);
	unmake(&mk);
	kb_meta_unref(&mine);
	kb_meta_publish(&c, next);
	cr_assert_eq(kb_meta_read(&c, &s)->controller_id, 1);
	kb_meta_release(&c, &s);
	kb_meta_cache_fini(&c);
}
