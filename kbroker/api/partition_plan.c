#include "kbroker/api/partition_plan.h"

#include "kbroker/controller/assign.h"
#include "kbroker/metadata/snapshot.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int16_t KC_PRINTF(3, 4)
    refuse(struct kb_why *why, int16_t code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->s, sizeof why->s, fmt, ap);
	va_end(ap);
	return code;
}

/* --- the request -----------------------------------------------------------
 */

struct named {
	struct kc_str name;
	int32_t at; /* in the request */
};

static int
by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int diff = kc_str_cmp(x->name, y->name);

	return diff != 0 ? diff : x->at - y->at;
}

static int
by_place(const void *a, const void *b)
{
	const int32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
kb_partitions_begin(const struct kp_create_partitions_req *in,
    struct kc_arena *a, struct kp_create_partitions_resp *out, int32_t *at)
{
	int32_t n = KC_MAX(in->topics.n, 0), m = 0;
	struct named *v = kc_arena_array(a, (size_t)n, sizeof *v);
	bool *twice = kc_arena_array(a, (size_t)n, sizeof *twice);

	if (n > 0 && (v == NULL || twice == NULL))
		return KC_ENOMEM;
	for (int32_t i = 0; i < n; i++)
		v[i] = (struct named){ in->topics.v[i].name, i };
	if (n > 0)
		qsort(v, (size_t)n, sizeof *v, by_name);
	for (int32_t i = 0; i < n; i++) {
		if (i > 0 && kc_str_eq(v[i].name, v[i - 1].name))
			twice[at[m - 1]] = true;
		else
			at[m++] = v[i].at;
	}
	if (m > 0)
		qsort(at, (size_t)m, sizeof *at, by_place);
	if (!KP_ARRAY(a, &out->results, create_partitions_topic_result, m))
		return KC_ENOMEM;
	for (int32_t i = 0; i < m; i++) {
		out->results.v[i].name = in->topics.v[at[i]].name;
		if (!twice[at[i]])
			continue;
		out->results.v[i].error_code = KP_INVALID_REQUEST;
		out->results.v[i].error_message =
		    KC_STR_LIT("Duplicate topic in request.");
	}
	return KC_OK;
}

/* --- one topic -------------------------------------------------------------
 */

struct growth {
	const struct kzk_topic *now;
	const struct kp_create_partitions_topic *in;
	const struct kb_meta *meta;
	struct kc_arena *a;
	int32_t more; /* partitions to add */
	int32_t replication; /* of partition 0 */
	struct kzk_assignment *new; /* [more] */
	struct kb_why *why;
};

static int16_t
check_given(struct growth *g)
{
	char ids[300] = "";
	size_t at = 0;

	for (int32_t i = 0; i < g->in->assignments.n; i++) {
		const struct kp_create_partitions_assignment *v =
		    &g->in->assignments.v[i];

		for (int32_t j = 0; j < v->broker_ids.n && at < sizeof ids; j++)
			if (kb_meta_broker(g->meta, v->broker_ids.v[j]) == NULL)
				at += (size_t)snprintf(ids + at,
				    sizeof ids - at, "%s%d", at > 0 ? ", " : "",
				    v->broker_ids.v[j]);
	}
	if (at > 0)
		return refuse(g->why, KP_INVALID_REPLICA_ASSIGNMENT,
		    "Unknown broker(s) in replica assignment: %s.", ids);
	if (g->in->assignments.n != g->more)
		return refuse(g->why, KP_INVALID_REPLICA_ASSIGNMENT,
		    "Increasing the number of partitions by %d but %d "
		    "assignments provided.",
		    g->more, g->in->assignments.n);
	return KP_NONE;
}

/* One assignment that the client gives: its brokers are known ones. */
static int16_t
check_replicas(struct growth *g, int32_t index, const int32_t *ids, int32_t n)
{
	if (n <= 0)
		return refuse(g->why, KP_INVALID_REPLICA_ASSIGNMENT,
		    "Cannot have replication factor of 0 for partition id "
		    "%d.",
		    index);
	/* No more than there are live brokers, so the square is small. */
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < i; j++)
			if (ids[i] == ids[j])
				return refuse(g->why,
				    KP_INVALID_REPLICA_ASSIGNMENT,
				    "Duplicate brokers not allowed in replica "
				    "assignment: %d for partition id %d.",
				    ids[i], index);
	if (n != g->replication)
		return refuse(g->why, KP_INVALID_REPLICA_ASSIGNMENT,
		    "Inconsistent replication factor between partitions, "
		    "partition 0 has %d while partitions [%d] have "
		    "replication factors [%d], respectively.",
		    g->replication, index, n);
	return KP_NONE;
}

static int16_t
take_given(struct growth *g)
{
	int16_t code = check_given(g);

	for (int32_t i = 0; i < g->more && code == KP_NONE; i++) {
		const struct kp_create_partitions_assignment *v =
		    &g->in->assignments.v[i];
		struct kzk_assignment *p = &g->new[i];
		int32_t n = KC_MAX(v->broker_ids.n, 0);

		p->partition = g->now->nparts + i;
		p->replicas.v = v->broker_ids.v;
		p->replicas.n = n;
		if (n > g->meta->brokers_n)
			return refuse(g->why, KP_INVALID_REPLICA_ASSIGNMENT,
			    "Duplicate brokers not allowed in replica "
			    "assignment for partition id %d.",
			    p->partition);
		code = check_replicas(g, p->partition, p->replicas.v, n);
	}
	return code;
}

/* Round robin, going on where partition 0 begins. */
static int16_t
spread(struct growth *g)
{
	const struct kzk_ids *first = &g->now->parts[0].replicas;
	struct kb_assign s = {
		.brokers = kc_arena_array(
		    g->a, (size_t)g->meta->brokers_n, sizeof *s.brokers),
		.nbrokers = g->meta->brokers_n,
		.npartitions = g->more,
		.replication = g->replication,
		.first_partition = g->now->nparts,
	};
	int32_t *ids = kc_arena_array(
	    g->a, (size_t)g->more * (size_t)g->replication, sizeof *ids);

	if (g->replication > g->meta->brokers_n)
		return refuse(g->why, KP_INVALID_REPLICATION_FACTOR,
		    "Replication factor: %d larger than available brokers: "
		    "%d.",
		    g->replication, g->meta->brokers_n);
	if (s.brokers == NULL || ids == NULL)
		return KP_UNKNOWN_SERVER_ERROR;
	for (int32_t i = g->meta->brokers_n - 1; i >= 0; i--) {
		s.brokers[i].id = g->meta->brokers[i].id;
		s.brokers[i].rack = g->meta->brokers[i].rack.p;
		if (s.brokers[i].id >= first->v[0])
			s.start = i; /* they stand in rising order */
	}
	s.shift = s.start;
	if (kb_assign_replicas(&s, ids) != KC_OK)
		return KP_UNKNOWN_SERVER_ERROR; /* racks: some, not all */
	for (int32_t i = 0; i < g->more; i++) {
		g->new[i].partition = g->now->nparts + i;
		g->new[i].replicas.v = ids + (size_t)i *(size_t)g->replication;
		g->new[i].replicas.n = g->replication;
	}
	return KP_NONE;
}

static int16_t
check_now(struct growth *g)
{
	const struct kzk_topic *now = g->now;

	for (int32_t i = 0; i < now->nparts; i++)
		if (now->parts[i].adding.n > 0 || now->parts[i].removing.n > 0)
			return refuse(g->why, KP_REASSIGNMENT_IN_PROGRESS,
			    "A partition reassignment is in progress for the "
			    "topic '%.*s'.",
			    KC_STR_ARG(g->in->name));
	if (g->in->count < now->nparts)
		return refuse(g->why, KP_INVALID_PARTITIONS,
		    "Topic currently has %d partitions, which is higher than "
		    "the requested %d.",
		    now->nparts, g->in->count);
	if (g->in->count == now->nparts)
		return refuse(g->why, KP_INVALID_PARTITIONS,
		    "Topic already has %d partitions.", now->nparts);
	/* A hand has been at it: there is nothing to go by. */
	if (now->parts[0].partition != 0 || now->parts[0].replicas.n < 1)
		return refuse(g->why, KP_UNKNOWN_SERVER_ERROR,
		    "The topic has no partition 0, or that has no replicas.");
	if (g->in->count > KB_NEW_PARTITIONS_MAX ||
	    (int64_t)g->in->count * now->parts[0].replicas.n >
		KB_NEW_REPLICAS_MAX)
		return refuse(g->why, KP_INVALID_PARTITIONS,
		    "The topic has more partitions than can be kept in "
		    "ZooKeeper.");
	return KP_NONE;
}

int16_t
kb_partitions_plan(const struct kzk_topic *now,
    const struct kp_create_partitions_topic *in, const struct kb_meta *meta,
    struct kc_arena *a, struct kzk_topic *then, struct kb_why *why)
{
	struct growth g = { now, in, meta, a, .why = why };
	struct kzk_assignment *all;
	int16_t code;

	if (now->nparts == 0)
		return refuse(why, KP_UNKNOWN_TOPIC_OR_PARTITION,
		    "The topic '%.*s' does not exist.", KC_STR_ARG(in->name));
	if ((code = check_now(&g)) != KP_NONE)
		return code;
	g.more = in->count - now->nparts;
	g.replication = now->parts[0].replicas.n;
	all = kc_arena_array(a, (size_t)in->count, sizeof *all);
	if (all == NULL)
		return KP_UNKNOWN_SERVER_ERROR;
	memcpy(all, now->parts, (size_t)now->nparts * sizeof *all);
	g.new = all + now->nparts;
	code = in->assignments.n >= 0 ? take_given(&g) : spread(&g);
	then->topic_id = now->topic_id;
	then->parts = all;
	then->nparts = in->count;
	return code;
}
