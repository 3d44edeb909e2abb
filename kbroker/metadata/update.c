/*
 * update -- the next snapshot from the last one and an UpdateMetadata
 * request.
 *
 * The request is laid out flat as one list of changes, sorted by topic and
 * partition; it is then merged with the old topics, which are in the same
 * order.  From Kafka: ZkMetadataCache.updateMetadata, and
 * UpdateMetadataRequest.normalize for what old versions leave out.
 */
#include "kbroker/metadata/snapshot.h"
#include "kbroker/metadata/snapshot_priv.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

struct change {
	struct kc_str topic;
	const struct kp_update_metadata_partition_state
	    *state; /* NULL: the topic is named, with its id */
	const struct kc_uuid *id; /* exactly when state is NULL */
	size_t seq; /* place in the request */
};

struct changes {
	struct change *v;
	size_t n;
};

static int
compare_change(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	int c = kc_str_cmp(x->topic, y->topic);

	if (c != 0)
		return c;
	if ((x->state == NULL) != (y->state == NULL))
		return x->state == NULL ? -1 : 1;
	if (x->state != NULL &&
	    x->state->partition_index != y->state->partition_index)
		return x->state->partition_index < y->state->partition_index ?
		    -1 :
		    1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static void
add_change(struct changes *cs, struct kc_str topic,
    const struct kp_update_metadata_partition_state *state,
    const struct kc_uuid *id)
{
	cs->v[cs->n] = (struct change){ topic, state, id, cs->n };
	cs->n++;
}

/* Versions below 5 name the topic with each partition, without an id. */
static int
list_changes(struct changes *cs, const struct kp_update_metadata_req *req)
{
	size_t n = (size_t)KC_MAX(req->ungrouped_partition_states.n, 0);
	const struct kp_update_metadata_topic_state *t;
	int32_t i, j;

	for (i = 0; i < req->topic_states.n; i++) {
		t = &req->topic_states.v[i];
		n += 1 + (size_t)KC_MAX(t->partition_states.n, 0);
	}
	cs->n = 0;
	if ((cs->v = calloc(n + 1, sizeof *cs->v)) == NULL)
		return KC_ENOMEM;
	for (i = 0; i < req->ungrouped_partition_states.n; i++) {
		const struct kp_update_metadata_partition_state *st =
		    &req->ungrouped_partition_states.v[i];

		add_change(cs, st->topic_name, st, NULL);
	}
	for (i = 0; i < req->topic_states.n; i++) {
		t = &req->topic_states.v[i];
		add_change(cs, t->topic_name, NULL, &t->topic_id);
		for (j = 0; j < t->partition_states.n; j++)
			add_change(
			    cs, t->topic_name, &t->partition_states.v[j], NULL);
	}
	for (n = 0; n < cs->n; n++)
		if (cs->v[n].topic.len <= 0 ||
		    (cs->v[n].state != NULL &&
			cs->v[n].state->partition_index < 0))
			return KC_EMALFORMED;
	qsort(cs->v, cs->n, sizeof *cs->v, compare_change);
	return KC_OK;
}

/* How many topics they are about. */
static size_t
count_topics(const struct changes *cs)
{
	size_t i, n = 0;

	for (i = 0; i < cs->n; i++)
		n += i == 0 || !kc_str_eq(cs->v[i - 1].topic, cs->v[i].topic);
	return n;
}

/* The partitions of one topic after its changes, by rising index. */
struct merge {
	const struct kb_meta_topic *old; /* NULL: the topic is new */
	int32_t old_at;
	const struct change *at, *end; /* state is never NULL here */
};

/* One partition, from here or from there. */
struct source {
	const struct kb_meta_partition *old;
	const struct kp_update_metadata_partition_state *state;
};

static bool
merge_next(struct merge *mg, struct source *src)
{
	for (;;) {
		const struct kb_meta_partition *old = NULL;
		const struct kp_update_metadata_partition_state *st = NULL;

		if (mg->old != NULL && mg->old_at < mg->old->partitions_n)
			old = &mg->old->partitions[mg->old_at];
		if (mg->at < mg->end)
			st = mg->at->state;
		if (old == NULL && st == NULL)
			return false;
		if (st == NULL ||
		    (old != NULL && old->index < st->partition_index)) {
			mg->old_at++;
			*src = (struct source){ old, NULL };
			return true;
		}
		if (old != NULL && old->index == st->partition_index)
			mg->old_at++;
		/* The last word of the request counts. */
		for (mg->at++; mg->at < mg->end &&
		     mg->at->state->partition_index == st->partition_index;
		     mg->at++)
			st = mg->at->state;
		if (st->leader == KB_META_LEADER_DELETED)
			continue;
		*src = (struct source){ NULL, st };
		return true;
	}
}

/* Copies n ids to *ints and moves it on; n below 0 is an empty list. */
static const int32_t *
put_ids(int32_t **ints, const int32_t *from, int32_t n, int32_t *n_out)
{
	const int32_t *at = *ints;

	*n_out = KC_MAX(n, 0);
	if (n > 0) {
		memcpy(*ints, from, (size_t)n * sizeof **ints);
		*ints += n;
	}
	return at;
}

static void
put_partition(
    struct kb_meta_partition *p, const struct source *src, int32_t **ints)
{
	const struct kp_update_metadata_partition_state *st = src->state;

	if (src->old != NULL) {
		const struct kb_meta_partition *o = src->old;

		*p = *o;
		p->replicas =
		    put_ids(ints, o->replicas, o->replicas_n, &p->replicas_n);
		p->isr = put_ids(ints, o->isr, o->isr_n, &p->isr_n);
		p->offline =
		    put_ids(ints, o->offline, o->offline_n, &p->offline_n);
		return;
	}
	p->index = st->partition_index;
	p->leader = st->leader;
	p->leader_epoch = st->leader_epoch;
	p->partition_epoch = st->zk_version;
	p->controller_epoch = st->controller_epoch;
	p->replicas =
	    put_ids(ints, st->replicas.v, st->replicas.n, &p->replicas_n);
	p->isr = put_ids(ints, st->isr.v, st->isr.n, &p->isr_n);
	p->offline = put_ids(ints, st->offline_replicas.v,
	    st->offline_replicas.n, &p->offline_n);
}

static size_t
source_ints(const struct source *src)
{
	const struct kp_update_metadata_partition_state *st = src->state;

	if (src->old != NULL)
		return (size_t)src->old->replicas_n + (size_t)src->old->isr_n +
		    (size_t)src->old->offline_n;
	return (size_t)KC_MAX(st->replicas.n, 0) +
	    (size_t)KC_MAX(st->isr.n, 0) +
	    (size_t)KC_MAX(st->offline_replicas.n, 0);
}

/*
 * The topic that changes [at, end) make of old (NULL: none).  *topicp stays
 * NULL when no partition is left.
 */
static int
merge_topic(struct kb_meta_topic **topicp, const struct kb_meta_topic *old,
    const struct change *at, const struct change *end)
{
	struct kc_uuid id = old != NULL ? old->id : KC_UUID_ZERO;
	struct kb_meta_topic *t;
	struct kc_str name = at->topic;
	struct merge mg;
	struct source src;
	size_t parts_n = 0, ints_n = 0;
	int32_t *ints, i = 0;

	for (; at < end && at->state == NULL; at++)
		id = *at->id; /* a zero one is forgotten in Kafka too */
	mg = (struct merge){ old, 0, at, end };
	while (merge_next(&mg, &src)) {
		parts_n++;
		ints_n += source_ints(&src);
	}
	if (parts_n == 0)
		return KC_OK;
	t = kb_meta_topic_alloc(name, parts_n, ints_n, &ints);
	if (t == NULL)
		return KC_ENOMEM;
	t->id = id;
	mg = (struct merge){ old, 0, at, end };
	while (merge_next(&mg, &src))
		put_partition(&t->partitions[i++], &src, &ints);
	*topicp = t;
	return KC_OK;
}

static void
share_topic(struct kb_meta *m, struct kb_meta_topic *t)
{
	kc_ref_get(&t->ref);
	m->topics[m->topics_n++] = t;
}

static int
merge_topics(
    struct kb_meta *m, const struct kb_meta *old, const struct changes *cs)
{
	const struct change *at = cs->v, *end = cs->v + cs->n, *group;
	int32_t i = 0;
	int rc;

	while (i < old->topics_n || at < end) {
		struct kb_meta_topic *was = NULL, *now = NULL;
		int c = -1;

		if (i < old->topics_n)
			was = old->topics[i];
		if (at < end)
			c = was == NULL ? 1 : kc_str_cmp(was->name, at->topic);
		if (c < 0) {
			share_topic(m, was);
			i++;
			continue;
		}
		i += c == 0;
		for (group = at; at < end && kc_str_eq(at->topic, group->topic);
		     at++)
			;
		rc = merge_topic(&now, c == 0 ? was : NULL, group, at);
		if (rc != KC_OK)
			return rc;
		if (now != NULL)
			m->topics[m->topics_n++] = now;
	}
	return KC_OK;
}

static int
list_deleted(struct kb_meta_deleted *d, const struct changes *cs)
{
	const struct change *c, *end = cs->v + cs->n;
	size_t n = 0;

	for (c = cs->v; c < end; c++)
		n += c->state != NULL &&
		    c->state->leader == KB_META_LEADER_DELETED;
	if (n == 0)
		return KC_OK;
	if ((d->v = calloc(n, sizeof *d->v)) == NULL)
		return KC_ENOMEM;
	for (c = cs->v; c < end; c++) {
		struct kb_meta_tp *last = d->n > 0 ? &d->v[d->n - 1] : NULL;

		if (c->state == NULL ||
		    c->state->leader != KB_META_LEADER_DELETED)
			continue;
		if (last != NULL &&
		    last->partition == c->state->partition_index &&
		    kc_str_eq(last->topic, c->topic))
			continue;
		d->v[d->n++] =
		    (struct kb_meta_tp){ c->topic, c->state->partition_index };
	}
	return KC_OK;
}

/* What a listener is called where the sender did not say. */
static struct kc_str
listener_of(int16_t protocol)
{
	static const char *const names[] = { "PLAINTEXT", "SSL",
		"SASL_PLAINTEXT", "SASL_SSL" };

	return protocol < 0 || (size_t)protocol >= KC_COUNT(names) ?
	    KC_STR_NULL :
	    kc_str(names[protocol]);
}

static int
put_endpoint(struct kc_arena *a, struct kb_meta_endpoint *out,
    const struct kp_update_metadata_endpoint *in, int16_t version)
{
	struct kc_str listener = in->listener;

	if (listener_of(in->security_protocol).p == NULL)
		return KC_EMALFORMED;
	if (version < 3)
		listener = listener_of(in->security_protocol);
	if (listener.len < 0 || in->host.len < 0)
		return KC_EMALFORMED;
	out->listener = kc_arena_str(a, listener);
	out->host = kc_arena_str(a, in->host);
	out->port = in->port;
	out->protocol = in->security_protocol;
	return out->listener.len < 0 || out->host.len < 0 ? KC_ENOMEM : KC_OK;
}

static int
put_broker(struct kc_arena *a, struct kb_meta_broker *out,
    const struct kp_update_metadata_broker *in, int16_t version)
{
	struct kp_update_metadata_endpoint only = { .host = in->v0_host,
		.port = in->v0_port };
	const struct kp_update_metadata_endpoint *eps = in->endpoints.v;
	int32_t n = KC_MAX(in->endpoints.n, 0), i;
	int rc = KC_OK;

	if (version == 0) {
		eps = &only; /* security_protocol 0: plaintext */
		n = 1;
	}
	out->id = in->id;
	out->rack = KC_STR_NULL;
	if (version >= 2 && in->rack.len >= 0) {
		out->rack = kc_arena_str(a, in->rack);
		if (out->rack.len < 0)
			return KC_ENOMEM;
	}
	out->endpoints = kc_arena_array(a, (size_t)n, sizeof *out->endpoints);
	if (out->endpoints == NULL)
		return KC_ENOMEM;
	for (i = 0; i < n && rc == KC_OK; i++)
		rc = put_endpoint(a, &out->endpoints[i], &eps[i], version);
	out->endpoints_n = n;
	return rc;
}

static int
compare_live(const void *a, const void *b)
{
	const struct kp_update_metadata_broker *const *x = a, *const *y = b;

	if ((*x)->id != (*y)->id)
		return (*x)->id < (*y)->id ? -1 : 1;
	/* They point into one array: its order is the request's. */
	return (*x > *y) - (*x < *y);
}

/* All live brokers are in every request; the old ones are forgotten. */
static int
put_brokers(struct kb_meta *m, const struct kp_update_metadata_req *req,
    int16_t version)
{
	size_t n = (size_t)KC_MAX(req->live_brokers.n, 0), i;
	const struct kp_update_metadata_broker **live;
	int rc = KC_OK;

	if (n == 0)
		return KC_OK;
	m->brokers = kc_arena_array(&m->arena, n, sizeof *m->brokers);
	live = calloc(n, sizeof(const struct kp_update_metadata_broker *));
	if (m->brokers == NULL || live == NULL) {
		free(live);
		return KC_ENOMEM;
	}
	for (i = 0; i < n; i++)
		live[i] = &req->live_brokers.v[i];
	qsort(live, n, sizeof *live, compare_live);
	for (i = 0; i < n && rc == KC_OK; i++) {
		if (i + 1 < n && live[i + 1]->id == live[i]->id)
			continue; /* the later one counts */
		rc = put_broker(
		    &m->arena, &m->brokers[m->brokers_n], live[i], version);
		m->brokers_n++;
	}
	free(live);
	return rc;
}

int
kb_meta_update(struct kb_meta **metap, const struct kb_meta *old,
    const struct kp_update_metadata_req *req, int16_t version,
    struct kb_meta_deleted *deleted)
{
	struct changes cs = { NULL, 0 };
	struct kb_meta *m = NULL;
	int rc;

	KC_ASSERT(metap != NULL && *metap == NULL);
	KC_CHECK(old, KB_META_MAGIC);
	*deleted = (struct kb_meta_deleted){ NULL, 0 };
	if ((rc = list_changes(&cs, req)) != KC_OK)
		goto fail;
	rc = KC_ENOMEM;
	m = kb_meta_alloc(
	    old->cluster_id, (size_t)old->topics_n + count_topics(&cs));
	if (m == NULL)
		goto fail;
	m->controller_id = KC_MAX(req->controller_id, -1);
	if ((rc = put_brokers(m, req, version)) != KC_OK ||
	    (rc = merge_topics(m, old, &cs)) != KC_OK ||
	    (rc = list_deleted(deleted, &cs)) != KC_OK)
		goto fail;
	kb_meta_index(m);
	free(cs.v);
	*metap = m;
	return KC_OK;

fail:
	free(cs.v);
	kb_meta_unref(&m);
	return rc;
}
