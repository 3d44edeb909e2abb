#include "kbroker/api/metadata.h"

#include "kbroker/metadata/snapshot.h"
#include "kbroker/metadata/topic_name.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

/* One topic of the answer, decided but not yet written. */
struct pick {
	struct kc_str name; /* as asked for; null: by id, and not to be told */
	struct kc_uuid id;
	const struct kb_meta_topic *topic; /* NULL exactly when error is set */
	int16_t error;
	bool hidden; /* may not be described: nothing is said about it */
	bool create;
};

struct picks {
	struct pick *v;
	int32_t n;
};

static bool
may(const struct kb_metadata_ctx *ctx, enum kb_op op, struct kc_str topic)
{
	return kb_authz_allowed(&ctx->authz, op, KB_RES_TOPIC, topic);
}

static int
pick_all(const struct kb_metadata_ctx *ctx, struct picks *ps)
{
	const struct kb_meta *m = ctx->meta;
	int32_t i;

	ps->v = kc_arena_array(ctx->arena, (size_t)m->topics_n, sizeof *ps->v);
	if (ps->v == NULL)
		return KC_ELIMIT;
	for (i = 0; i < m->topics_n; i++) {
		const struct kb_meta_topic *t = m->topics[i];

		if (may(ctx, KB_OP_DESCRIBE, t->name))
			ps->v[ps->n++] = (struct pick){
				.name = t->name, .id = t->id, .topic = t
			};
	}
	return KC_OK;
}

static int
compare_names(const void *a, const void *b)
{
	return kc_str_cmp(
	    ((const struct pick *)a)->name, ((const struct pick *)b)->name);
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(((const struct pick *)a)->id.b,
	    ((const struct pick *)b)->id.b, sizeof((struct pick *)0)->id.b);
}

/* Kafka asks for a set of topics: each is answered once. */
static void
make_set(struct picks *ps, int (*compare)(const void *, const void *))
{
	int32_t i, n = 0;

	if (ps->n == 0)
		return;
	qsort(ps->v, (size_t)ps->n, sizeof *ps->v, compare);
	for (i = 0; i < ps->n; i++)
		if (n == 0 || compare(&ps->v[n - 1], &ps->v[i]) != 0)
			ps->v[n++] = ps->v[i];
	ps->n = n;
}

static void
decide_id(const struct kb_metadata_ctx *ctx, struct pick *p)
{
	p->name = KC_STR_NULL;
	p->topic = kb_meta_topic_by_id(ctx->meta, &p->id);
	if (p->topic == NULL) {
		p->error = KP_UNKNOWN_TOPIC_ID;
		p->hidden = true;
	} else if (!may(ctx, KB_OP_DESCRIBE, p->topic->name)) {
		/* Ids are no secret, names are. */
		p->error = KP_TOPIC_AUTHORIZATION_FAILED;
		p->hidden = true;
		p->topic = NULL;
	} else {
		p->name = p->topic->name;
	}
}

static void
decide_name(const struct kb_metadata_ctx *ctx, bool create, struct pick *p)
{
	p->id = KC_UUID_ZERO;
	if (!may(ctx, KB_OP_DESCRIBE, p->name)) {
		p->error = KP_TOPIC_AUTHORIZATION_FAILED;
		p->hidden = true;
		return;
	}
	p->topic = kb_meta_topic(ctx->meta, p->name);
	if (p->topic != NULL) {
		p->id = p->topic->id;
		return;
	}
	if (create &&
	    !kb_authz_allowed(&ctx->authz, KB_OP_CREATE, KB_RES_CLUSTER,
		KB_RES_CLUSTER_NAME) &&
	    !may(ctx, KB_OP_CREATE, p->name)) {
		p->error = KP_TOPIC_AUTHORIZATION_FAILED;
	} else if (!kb_topic_name_valid(p->name)) {
		p->error = KP_INVALID_TOPIC_EXCEPTION;
	} else {
		p->error = KP_UNKNOWN_TOPIC_OR_PARTITION;
		p->create = create;
	}
}

static int
pick_asked(const struct kb_metadata_ctx *ctx, const struct kp_metadata_req *in,
    struct picks *ps)
{
	bool by_id = false;
	int32_t i;

	ps->v = kc_arena_array(ctx->arena, (size_t)in->topics.n, sizeof *ps->v);
	if (ps->v == NULL)
		return KC_ELIMIT;
	for (i = 0; i < in->topics.n; i++)
		by_id |= !kc_uuid_is_zero(&in->topics.v[i].topic_id);
	for (i = 0; i < in->topics.n; i++) {
		/* With one id among them, what has only a name is ignored. */
		if (by_id && kc_uuid_is_zero(&in->topics.v[i].topic_id))
			continue;
		ps->v[ps->n].name = in->topics.v[i].name;
		ps->v[ps->n++].id = in->topics.v[i].topic_id;
	}
	make_set(ps, by_id ? compare_ids : compare_names);
	for (i = 0; i < ps->n; i++) {
		if (by_id)
			decide_id(ctx, &ps->v[i]);
		else
			decide_name(ctx,
			    ctx->auto_create && in->allow_auto_topic_creation,
			    &ps->v[i]);
	}
	return KC_OK;
}

static const struct kb_meta_endpoint *
endpoint(const struct kb_metadata_ctx *ctx, int32_t broker)
{
	return kb_meta_endpoint(
	    kb_meta_broker(ctx->meta, broker), ctx->listener);
}

/*
 * n ids to *ints, which moves on.  Version 0 has no brokers in it that the
 * client could not reach.
 */
static int32_t *
put_ids(const struct kb_metadata_ctx *ctx, int32_t **ints, const int32_t *ids,
    int32_t n, int32_t *n_out)
{
	int32_t *at = *ints, i;

	for (i = 0; i < n; i++)
		if (ctx->version > 0 || endpoint(ctx, ids[i]) != NULL)
			*(*ints)++ = ids[i];
	*n_out = (int32_t)(*ints - at);
	return at;
}

static void
put_partition(const struct kb_metadata_ctx *ctx,
    const struct kb_meta_partition *p, struct kp_metadata_response_partition *o,
    int32_t **ints)
{
	o->partition_index = p->index;
	o->leader_id = p->leader;
	o->leader_epoch = p->leader_epoch;
	o->replica_nodes.v =
	    put_ids(ctx, ints, p->replicas, p->replicas_n, &o->replica_nodes.n);
	o->isr_nodes.v = put_ids(ctx, ints, p->isr, p->isr_n, &o->isr_nodes.n);
	/* They are not filtered: version 0 does not carry them. */
	o->offline_replicas.v = *ints;
	o->offline_replicas.n = p->offline_n;
	if (p->offline_n > 0)
		memcpy(*ints, p->offline, (size_t)p->offline_n * sizeof **ints);
	*ints += p->offline_n;

	if (endpoint(ctx, p->leader) == NULL) {
		o->leader_id = KB_META_NO_LEADER;
		o->error_code = KP_LEADER_NOT_AVAILABLE;
		if (ctx->version >= 6 &&
		    kb_meta_broker(ctx->meta, p->leader) != NULL)
			o->error_code = KP_LISTENER_NOT_FOUND;
	} else if (o->replica_nodes.n < p->replicas_n ||
	    o->isr_nodes.n < p->isr_n) {
		o->error_code = KP_REPLICA_NOT_AVAILABLE;
	}
}

static int
put_partitions(const struct kb_metadata_ctx *ctx, const struct kb_meta_topic *t,
    struct kp_metadata_response_topic *o)
{
	const struct kb_meta_partition *p = t->partitions;
	int32_t i, *ints;
	size_t n = 0;

	for (i = 0; i < t->partitions_n; i++)
		n += (size_t)p[i].replicas_n + (size_t)p[i].isr_n +
		    (size_t)p[i].offline_n;
	/* One piece for all lists of the topic. */
	ints = kc_arena_array(ctx->arena, n, sizeof *ints);
	if (ints == NULL ||
	    !KP_ARRAY(ctx->arena, &o->partitions, metadata_response_partition,
		t->partitions_n))
		return KC_ELIMIT;
	for (i = 0; i < t->partitions_n; i++)
		put_partition(ctx, &p[i], &o->partitions.v[i], &ints);
	return KC_OK;
}

static int
put_topic(const struct kb_metadata_ctx *ctx, const struct kp_metadata_req *in,
    const struct pick *p, struct kp_metadata_response_topic *o)
{
	o->error_code = p->error;
	o->topic_id = p->id;
	o->name = kc_arena_str(ctx->arena, p->name);
	if (o->name.len != p->name.len)
		return KC_ELIMIT;
	if (p->hidden)
		return KC_OK;
	o->is_internal = kb_topic_name_internal(p->name);
	if (p->error == KP_TOPIC_AUTHORIZATION_FAILED)
		return KC_OK;
	if (in->include_topic_authorized_operations)
		o->topic_authorized_operations =
		    kb_authz_ops(&ctx->authz, KB_RES_TOPIC, p->name);
	return p->topic == NULL ? KC_OK : put_partitions(ctx, p->topic, o);
}

static int
put_topics(const struct kb_metadata_ctx *ctx, const struct kp_metadata_req *in,
    const struct picks *ps, struct kp_metadata_resp *out,
    struct kb_metadata_missing *missing)
{
	int32_t i, create_n = 0;
	int rc;

	for (i = 0; i < ps->n; i++)
		create_n += ps->v[i].create;
	missing->v = kc_arena_array(ctx->arena, (size_t)create_n,
	    sizeof(struct kp_metadata_response_topic *));
	if (missing->v == NULL ||
	    !KP_ARRAY(ctx->arena, &out->topics, metadata_response_topic, ps->n))
		return KC_ELIMIT;
	for (i = 0; i < ps->n; i++) {
		rc = put_topic(ctx, in, &ps->v[i], &out->topics.v[i]);
		if (rc != KC_OK)
			return rc;
		if (ps->v[i].create)
			missing->v[missing->n++] = &out->topics.v[i];
	}
	return KC_OK;
}

/* What a client of this listener can connect to, with the arena's strings. */
struct node {
	int32_t id;
	struct kc_str host;
	int32_t port;
	struct kc_str rack;
};

static int
list_nodes(const struct kb_metadata_ctx *ctx, struct node **nodesp, int32_t *np)
{
	const struct kb_meta *m = ctx->meta;
	struct node *nodes;
	int32_t i, n = 0;

	nodes = kc_arena_array(ctx->arena, (size_t)m->brokers_n, sizeof *nodes);
	if (nodes == NULL)
		return KC_ELIMIT;
	for (i = 0; i < m->brokers_n; i++) {
		const struct kb_meta_broker *b = &m->brokers[i];
		const struct kb_meta_endpoint *e =
		    kb_meta_endpoint(b, ctx->listener);
		struct node *o = &nodes[n];

		if (e == NULL)
			continue;
		o->id = b->id;
		o->port = e->port;
		o->host = kc_arena_str(ctx->arena, e->host);
		o->rack = kc_arena_str(ctx->arena, b->rack);
		if (o->host.len != e->host.len || o->rack.len != b->rack.len)
			return KC_ELIMIT;
		n++;
	}
	*nodesp = nodes;
	*np = n;
	return KC_OK;
}

static int
put_cluster(const struct kb_metadata_ctx *ctx, const struct kp_metadata_req *in,
    struct kp_metadata_resp *out)
{
	struct node *nodes;
	int32_t i, n;
	int rc;

	if ((rc = list_nodes(ctx, &nodes, &n)) != KC_OK)
		return rc;
	if (!KP_ARRAY(ctx->arena, &out->brokers, metadata_response_broker, n))
		return KC_ELIMIT;
	for (i = 0; i < n; i++) {
		out->brokers.v[i].node_id = nodes[i].id;
		out->brokers.v[i].host = nodes[i].host;
		out->brokers.v[i].port = nodes[i].port;
		out->brokers.v[i].rack = nodes[i].rack;
	}
	out->controller_id = ctx->meta->controller_id;
	out->cluster_id = kc_arena_str(ctx->arena, ctx->meta->cluster_id);
	if (out->cluster_id.len != ctx->meta->cluster_id.len)
		return KC_ELIMIT;
	if (in->include_cluster_authorized_operations)
		out->cluster_authorized_operations =
		    kb_authz_cluster_ops(&ctx->authz);
	return KC_OK;
}

/*
 * Versions 10 and 11 could carry ids and null names, but no broker has ever
 * understood them there; from 12 on a topic has one or the other.
 */
static bool
well_asked(const struct kb_metadata_ctx *ctx, const struct kp_metadata_req *in)
{
	bool by_id = false, unnamed = false;
	int32_t i;

	for (i = 0; i < in->topics.n; i++) {
		by_id |= !kc_uuid_is_zero(&in->topics.v[i].topic_id);
		unnamed |= in->topics.v[i].name.len < 0;
	}
	return ctx->version < 12 ? !by_id && !unnamed : by_id || !unnamed;
}

static int
refuse(const struct kb_metadata_ctx *ctx, const struct kp_metadata_req *in,
    struct kp_metadata_resp *out, int16_t error)
{
	int32_t i;

	if (!KP_ARRAY(ctx->arena, &out->topics, metadata_response_topic,
		in->topics.n))
		return KC_ELIMIT;
	for (i = 0; i < in->topics.n; i++) {
		out->topics.v[i].error_code = error;
		out->topics.v[i].topic_id = in->topics.v[i].topic_id;
		out->topics.v[i].name = in->topics.v[i].name;
		if (in->topics.v[i].name.len < 0)
			out->topics.v[i].name = KC_STR_LIT("");
	}
	return KC_OK;
}

int
kb_metadata_answer(const struct kb_metadata_ctx *ctx,
    const struct kp_metadata_req *in, struct kp_metadata_resp *out,
    struct kb_metadata_missing *missing)
{
	bool all = in->topics.n < 0 || (in->topics.n == 0 && ctx->version == 0);
	struct picks ps = { NULL, 0 };
	int rc;

	*missing = (struct kb_metadata_missing){ NULL, 0 };
	if (!well_asked(ctx, in))
		return refuse(ctx, in, out, KP_INVALID_REQUEST);
	if ((rc = put_cluster(ctx, in, out)) != KC_OK)
		return rc;
	rc = all ? pick_all(ctx, &ps) : pick_asked(ctx, in, &ps);
	if (rc != KC_OK)
		return rc;
	return put_topics(ctx, in, &ps, out, missing);
}

int
kb_describe_cluster_answer(const struct kb_metadata_ctx *ctx,
    const struct kp_describe_cluster_req *in,
    struct kp_describe_cluster_resp *out)
{
	struct node *nodes;
	int32_t i, n;
	int rc;

	if (in->endpoint_type != 1) { /* 2 is KRaft's controllers */
		out->error_code = in->endpoint_type == 2 ?
		    KP_MISMATCHED_ENDPOINT_TYPE :
		    KP_UNSUPPORTED_ENDPOINT_TYPE;
		out->error_message =
		    KC_STR_LIT("This broker describes brokers only: "
			       "endpoint type 1.");
		return KC_OK;
	}
	if ((rc = list_nodes(ctx, &nodes, &n)) != KC_OK)
		return rc;
	if (!KP_ARRAY(ctx->arena, &out->brokers, describe_cluster_broker, n))
		return KC_ELIMIT;
	for (i = 0; i < n; i++) {
		out->brokers.v[i].broker_id = nodes[i].id;
		out->brokers.v[i].host = nodes[i].host;
		out->brokers.v[i].port = nodes[i].port;
		out->brokers.v[i].rack = nodes[i].rack;
	}
	out->controller_id = ctx->meta->controller_id;
	out->cluster_id = kc_arena_str(ctx->arena, ctx->meta->cluster_id);
	if (out->cluster_id.len != ctx->meta->cluster_id.len)
		return KC_ELIMIT;
	if (in->include_cluster_authorized_operations)
		out->cluster_authorized_operations =
		    kb_authz_cluster_ops(&ctx->authz);
	return KC_OK;
}
