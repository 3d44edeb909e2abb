/*
 * CreatePartitions: what a topic gets, and why not, on a cluster made here.
 */
#include "kbroker/api/partition_plan.h"
#include "kbroker/metadata/snapshot.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <criterion/criterion.h>

#define BROKERS 3 /* 1, 2, 3 */

struct world {
	struct kc_arena a;
	struct kb_meta_broker brokers[BROKERS];
	struct kb_meta meta;
	int32_t ids[2];
	struct kzk_assignment parts[2];
	struct kzk_topic now, then;
	struct kp_create_partitions_topic in;
	struct kb_why why;
};

/* A topic of two partitions with two replicas each, [2, 3]. */
static void
open_world(struct world *w, int32_t count)
{
	memset(w, 0, sizeof *w);
	kc_arena_init(&w->a, (size_t)16 << 20);
	for (int32_t i = 0; i < BROKERS; i++) {
		w->brokers[i].id = i + 1;
		w->brokers[i].rack = KC_STR_NULL;
	}
	w->meta.magic = KB_META_MAGIC;
	w->meta.brokers = w->brokers;
	w->meta.brokers_n = BROKERS;
	w->ids[0] = 2;
	w->ids[1] = 3;
	for (int32_t i = 0; i < 2; i++) {
		w->parts[i].partition = i;
		w->parts[i].replicas.v = w->ids;
		w->parts[i].replicas.n = 2;
	}
	memset(w->now.topic_id.b, 0xab, 16);
	w->now.parts = w->parts;
	w->now.nparts = 2;
	kp_init(kp_desc_create_partitions_topic(), &w->in);
	w->in.name = KC_STR_LIT("t");
	w->in.count = count;
	w->in.assignments.n = -1;
}

static int16_t
plan(struct world *w)
{
	return kb_partitions_plan(
	    &w->now, &w->in, &w->meta, &w->a, &w->then, &w->why);
}

/* Replicas of each new partition, "1,2;2,3". */
static void
give(struct world *w, const char *text)
{
	struct kc_str rest = kc_str(text), part, id;
	int32_t n = 0;

	cr_assert(KP_ARRAY(
	    &w->a, &w->in.assignments, create_partitions_assignment, 8));
	while (kc_str_split(&rest, ';', &part)) {
		struct kp_create_partitions_assignment *v =
		    &w->in.assignments.v[n++];

		v->broker_ids.v = kc_arena_array(&w->a, 8, sizeof(int32_t));
		while (kc_str_split(&part, ',', &id)) {
			int64_t k;

			cr_assert_eq(kc_str_i64(id, &k), KC_OK);
			v->broker_ids.v[v->broker_ids.n++] = (int32_t)k;
		}
	}
	w->in.assignments.n = n;
}

Test(kb_partitions, refusals)
{
	static const struct {
		int32_t count;
		const char *given; /* NULL: none */
		int16_t code;
		const char *why;
	} cases[] = {
		{ 1, NULL, KP_INVALID_PARTITIONS,
		    "Topic currently has 2 partitions, which is higher than "
		    "the requested 1." },
		{ -5, NULL, KP_INVALID_PARTITIONS,
		    "Topic currently has 2 partitions, which is higher than "
		    "the requested -5." },
		{ 2, NULL, KP_INVALID_PARTITIONS,
		    "Topic already has 2 partitions." },
		{ INT32_MAX, NULL, KP_INVALID_PARTITIONS,
		    "The topic has more partitions than can be kept in "
		    "ZooKeeper." },
		{ 3, "", KP_INVALID_REPLICA_ASSIGNMENT,
		    "Increasing the number of partitions by 1 but 0 "
		    "assignments provided." },
		{ 4, "9,1;1,7", KP_INVALID_REPLICA_ASSIGNMENT,
		    "Unknown broker(s) in replica assignment: 9, 7." },
		{ 3, "1,2;2,3", KP_INVALID_REPLICA_ASSIGNMENT,
		    "Increasing the number of partitions by 1 but 2 "
		    "assignments provided." },
		{ 3, "1,1", KP_INVALID_REPLICA_ASSIGNMENT,
		    "Duplicate brokers not allowed in replica assignment: 1 "
		    "for partition id 2." },
		{ 3, "1,2,3,1", KP_INVALID_REPLICA_ASSIGNMENT,
		    "Duplicate brokers not allowed in replica assignment for "
		    "partition id 2." },
		{ 3, "1,2,3", KP_INVALID_REPLICA_ASSIGNMENT,
		    "Inconsistent replication factor between partitions, "
		    "partition 0 has 2 while partitions [2] have replication "
		    "factors [3], respectively." },
	};

	for (size_t i = 0; i < KC_COUNT(cases); i++) {
		struct world w;

		open_world(&w, cases[i].count);
		if (cases[i].given != NULL)
			give(&w, cases[i].given);
		cr_expect_eq(plan(&w), cases[i].code, "%zu", i);
		cr_expect_str_eq(w.why.s, cases[i].why);
		kc_arena_fini(&w.a);
	}
}

Test(kb_partitions, no_replicas_given)
{
	struct kp_create_partitions_assignment none = { { NULL, 0 } };
	struct world w;

	open_world(&w, 3);
	w.in.assignments.v = &none;
	w.in.assignments.n = 1;
	cr_expect_eq(plan(&w), KP_INVALID_REPLICA_ASSIGNMENT);
	cr_expect_str_eq(
	    w.why.s, "Cannot have replication factor of 0 for partition id 2.");
	kc_arena_fini(&w.a);
}

Test(kb_partitions, topics_that_cannot_grow)
{
	int32_t one = 1;
	struct world w;

	open_world(&w, 3);
	w.now.nparts = 0;
	cr_expect_eq(plan(&w), KP_UNKNOWN_TOPIC_OR_PARTITION);
	cr_expect_str_eq(w.why.s, "The topic 't' does not exist.");
	w.now.nparts = 2;
	w.parts[1].adding.v = &one;
	w.parts[1].adding.n = 1;
	cr_expect_eq(plan(&w), KP_REASSIGNMENT_IN_PROGRESS);
	w.parts[1].adding.n = 0;
	w.parts[0].partition = 5;
	cr_expect_eq(plan(&w), KP_UNKNOWN_SERVER_ERROR);
	w.parts[0].partition = 0;
	w.meta.brokers_n = 1;
	cr_expect_eq(plan(&w), KP_INVALID_REPLICATION_FACTOR);
	cr_expect_str_eq(
	    w.why.s, "Replication factor: 2 larger than available brokers: 1.");
	kc_arena_fini(&w.a);
}

/* The order of Kafka's AdminUtils from where partition 0 begins. */
Test(kb_partitions, spread)
{
	static const int32_t want[3][2] = { { 1, 3 }, { 2, 3 }, { 3, 1 } };
	struct world w;

	open_world(&w, 5);
	cr_assert_eq(plan(&w), KP_NONE);
	cr_assert_eq(w.then.nparts, 5);
	cr_expect(kc_uuid_eq(&w.then.topic_id, &w.now.topic_id));
	for (int32_t i = 0; i < 5; i++) {
		const struct kzk_assignment *p = &w.then.parts[i];

		cr_expect_eq(p->partition, i);
		cr_assert_eq(p->replicas.n, 2);
		if (i < 2)
			continue;
		cr_expect_eq(p->replicas.v[0], want[i - 2][0], "%d: %d %d", i,
		    p->replicas.v[0], p->replicas.v[1]);
		cr_expect_eq(p->replicas.v[1], want[i - 2][1], "%d: %d %d", i,
		    p->replicas.v[0], p->replicas.v[1]);
	}
	kc_arena_fini(&w.a);
}

Test(kb_partitions, as_given)
{
	struct world w;

	open_world(&w, 4);
	give(&w, "3,1;1,2");
	cr_assert_eq(plan(&w), KP_NONE);
	cr_assert_eq(w.then.nparts, 4);
	cr_expect_eq(w.then.parts[2].replicas.v[0], 3);
	cr_expect_eq(w.then.parts[3].replicas.v[1], 2);
	kc_arena_fini(&w.a);
}

Test(kb_partitions, each_topic_once)
{
	static const char *const names[] = { "b", "a", "b", "c", "b" };
	struct kp_create_partitions_topic v[5];
	struct kp_create_partitions_req in;
	struct kp_create_partitions_resp out;
	struct kc_arena a;
	int32_t at[5];

	kc_arena_init(&a, (size_t)1 << 20);
	kp_init(kp_desc_create_partitions_req(), &in);
	kp_init(kp_desc_create_partitions_resp(), &out);
	for (int i = 0; i < 5; i++) {
		kp_init(kp_desc_create_partitions_topic(), &v[i]);
		v[i].name = kc_str(names[i]);
	}
	in.topics.v = v;
	in.topics.n = 5;
	cr_assert_eq(kb_partitions_begin(&in, &a, &out, at), KC_OK);
	cr_assert_eq(out.results.n, 3);
	cr_expect_eq(at[1], 1);
	cr_expect_eq(at[2], 3);
	cr_expect_eq(out.results.v[0].error_code, KP_INVALID_REQUEST);
	cr_expect(kc_str_eqz(
	    out.results.v[0].error_message, "Duplicate topic in request."));
	cr_expect_eq(out.results.v[1].error_code, KP_NONE);
	cr_expect_eq(out.results.v[2].error_code, KP_NONE);
	in.topics.n = 0;
	cr_assert_eq(kb_partitions_begin(&in, &a, &out, at), KC_OK);
	cr_expect_eq(out.results.n, 0);
	kc_arena_fini(&a);
}
