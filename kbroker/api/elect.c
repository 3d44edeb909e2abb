/*
 * ElectLeaders (43) and ListPartitionReassignments (46), answered by the
 * active controller.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/control.h"
#include "kbroker/api/tp.h"
#include "kbroker/controller/controller.h"
#include "kbroker/core.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

enum { PREFERRED = 0, UNCLEAN = 1 }; /* ElectionType */

/* --- ElectLeaders -----------------------------------------------------------
 */

struct elections {
	struct kb_request *req;
	struct kb_election *v; /* sorted */
	int32_t n;
	bool all; /* the client names none */
	int32_t next; /* those before are seen */
};

static bool
add(struct elections *e, const char *topic, int32_t index)
{
	e->v[e->n++] = (struct kb_election){ .topic = topic, .index = index };
	return topic != NULL;
}

static bool
collect_named(struct elections *e, const struct kp_elect_leaders_req *in)
{
	struct kc_arena *a = &e->req->arena;
	size_t n = 0;

	for (int32_t i = 0; i < in->topic_partitions.n; i++)
		n += (size_t)KC_MAX(in->topic_partitions.v[i].partitions.n, 0);
	e->v = kc_arena_array(a, n, sizeof *e->v);
	if (e->v == NULL && n > 0)
		return false;
	for (int32_t i = 0; i < in->topic_partitions.n; i++) {
		const struct kp_elect_leaders_req_topic_partitions *t =
		    &in->topic_partitions.v[i];
		const char *name = kc_arena_str(a, t->topic).p;

		for (int32_t j = 0; j < t->partitions.n; j++)
			if (!add(e, name, t->partitions.v[j]))
				return false;
	}
	return true;
}

static bool
collect_all(struct elections *e, const struct kb_meta *meta)
{
	struct kc_arena *a = &e->req->arena;

	e->all = true;
	e->v = kc_arena_array(a, (size_t)meta->partitions_n, sizeof *e->v);
	if (e->v == NULL && meta->partitions_n > 0)
		return false;
	for (int32_t i = 0; i < meta->topics_n; i++) {
		const struct kb_meta_topic *t = meta->topics[i];
		const char *name = kc_arena_str(a, t->name).p;

		for (int32_t j = 0; j < t->partitions_n; j++)
			if (!add(e, name, t->partitions[j].index))
				return false;
	}
	return true;
}

static int
by_partition(const void *a, const void *b)
{
	const struct kb_election *x = a, *y = b;
	int diff = strcmp(x->topic, y->topic);

	return diff != 0 ? diff : (x->index > y->index) - (x->index < y->index);
}

/* Each once, those of a topic together. */
static void
sort(struct elections *e)
{
	int32_t kept = 0;

	if (e->n > 0)
		qsort(e->v, (size_t)e->n, sizeof *e->v, by_partition);
	for (int32_t i = 0; i < e->n; i++)
		if (kept == 0 || by_partition(&e->v[kept - 1], &e->v[i]) != 0)
			e->v[kept++] = e->v[i];
	e->n = kept;
}

static bool
all_elected(const struct kb_meta *meta, void *arg)
{
	struct elections *e = arg;

	for (; e->next < e->n; e->next++) {
		const struct kb_election *v = &e->v[e->next];
		const struct kb_meta_partition *p;

		if (v->code != KP_NONE)
			continue;
		p = kb_meta_partition(
		    kb_meta_topic(meta, kc_str(v->topic)), v->index);
		if (p == NULL || p->leader != v->leader)
			return false;
	}
	return true;
}

/* Of all partitions only those are told where something was to be done. */
static bool
told(const struct elections *e, int32_t i)
{
	return !e->all || e->v[i].code != KP_ELECTION_NOT_NEEDED;
}

static bool
same_topic(const struct elections *e, int32_t i, int32_t j)
{
	return strcmp(e->v[i].topic, e->v[j].topic) == 0;
}

static bool
put_topic(struct elections *e, int32_t from, int32_t to,
    struct kp_replica_election_result *out)
{
	int32_t n = 0;

	for (int32_t i = from; i < to; i++)
		n += told(e, i);
	if (!KP_ARRAY(
		&e->req->arena, &out->partition_result, partition_result, n))
		return false;
	out->topic = kc_str(e->v[from].topic);
	for (int32_t i = from, k = 0; i < to; i++) {
		struct kp_partition_result *o;

		if (!told(e, i))
			continue;
		o = &out->partition_result.v[k++];
		o->partition_id = e->v[i].index;
		o->error_code = e->v[i].code;
		o->error_message = kc_str(e->v[i].why);
	}
	return true;
}

static bool
answer(struct elections *e)
{
	struct kp_elect_leaders_resp *out = e->req->resp;
	int32_t topics = 0;

	for (int32_t i = 0; i < e->n; i++)
		topics += i == 0 || !same_topic(e, i, i - 1);
	if (!KP_ARRAY(&e->req->arena, &out->replica_election_results,
		replica_election_result, topics))
		return false;
	out->replica_election_results.n = 0;
	for (int32_t from = 0, to; from < e->n; from = to) {
		struct kp_replica_election_result *o =
		    &out->replica_election_results
			 .v[out->replica_election_results.n];

		for (to = from + 1; to < e->n && same_topic(e, from, to);)
			to++;
		if (!put_topic(e, from, to, o))
			return false;
		if (o->partition_result.n > 0)
			out->replica_election_results.n++;
	}
	return true;
}

static void
elect_leaders(struct kb_request *req)
{
	const struct kp_elect_leaders_req *in = req->msg;
	struct kp_elect_leaders_resp *out = req->resp;
	struct kb_broker *b = req->broker;
	struct elections e = { .req = req };
	struct kb_meta *meta;
	bool ok;

	if (in->election_type != PREFERRED && in->election_type != UNCLEAN) {
		out->error_code = KP_INVALID_REQUEST;
		return;
	}
	meta = kb_meta_get(&b->meta);
	ok = in->topic_partitions.n >= 0 ? collect_named(&e, in) :
					   collect_all(&e, meta);
	kb_meta_unref(&meta);
	if (ok)
		sort(&e);
	if (ok)
		ok = kb_controller_elect_leaders(b->ctl, e.v, e.n,
			 in->election_type == UNCLEAN) == KC_OK;
	if (ok && in->timeout_ms > 0)
		kb_control_wait_metadata(b, in->timeout_ms, all_elected, &e);
	for (int32_t i = e.next; ok && i < e.n; i++)
		if (e.v[i].code == KP_NONE)
			e.v[i].code = KP_REQUEST_TIMED_OUT;
	if (!ok || !answer(&e))
		req->outcome = KB_CLOSE;
}

enum kb_disposition
kb_api_elect_leaders(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, elect_leaders);
}

/* --- ListPartitionReassignments ---------------------------------------------
 */

struct moves {
	struct kb_request *req;
	bool all;
	struct kb_tp *asked; /* sorted */
	size_t nasked;
	int32_t cap; /* of out->topics */
};

static bool
collect_asked(struct moves *m)
{
	const struct kp_list_partition_reassignments_req *in = m->req->msg;
	size_t n = 0;

	m->all = in->topics.n < 0;
	for (int32_t i = 0; i < in->topics.n; i++)
		n += (size_t)KC_MAX(in->topics.v[i].partition_indexes.n, 0);
	m->asked = kc_arena_array(&m->req->arena, n, sizeof *m->asked);
	if (m->asked == NULL && n > 0)
		return false;
	for (int32_t i = 0; i < in->topics.n; i++) {
		const struct kp_list_partition_reassignments_topics *t =
		    &in->topics.v[i];

		for (int32_t j = 0; j < t->partition_indexes.n; j++)
			m->asked[m->nasked++] = (struct kb_tp){ t->name,
				t->partition_indexes.v[j] };
	}
	kb_tp_sort(m->asked, n);
	return true;
}

static bool
copy_ids(struct kc_arena *a, const int32_t *from, int32_t n, int32_t **v,
    int32_t *vn)
{
	*v = kc_arena_array(a, (size_t)n, sizeof **v);
	if (*v == NULL && n > 0)
		return false;
	if (n > 0)
		memcpy(*v, from, (size_t)n * sizeof **v);
	*vn = n;
	return true;
}

/* Topic and partitions one by one: there are few at a time. */
static int
put_move(void *arg, const struct kb_reassignment *r)
{
	struct moves *m = arg;
	struct kp_list_partition_reassignments_resp *out = m->req->resp;
	struct kc_arena *a = &m->req->arena;
	struct kp_ongoing_topic_reassignment *t;
	struct kp_ongoing_partition_reassignment *p;
	int32_t cap = KC_MAX(2 * m->cap, 16);

	if (!m->all &&
	    !kb_tp_has(m->asked, m->nasked, kc_str(r->topic), r->index))
		return KC_OK;
	if (out->topics.n == m->cap) {
		t = kp_new(a, kp_desc_ongoing_topic_reassignment(), cap);
		if (t == NULL)
			return KC_ENOMEM;
		for (int32_t i = 0; i < out->topics.n; i++)
			t[i] = out->topics.v[i];
		out->topics.v = t;
		m->cap = cap;
	}
	t = &out->topics.v[out->topics.n];
	t->name = kc_arena_str(a, kc_str(r->topic));
	if (t->name.p == NULL ||
	    !KP_ARRAY(a, &t->partitions, ongoing_partition_reassignment, 1))
		return KC_ENOMEM;
	p = t->partitions.v;
	p->partition_index = r->index;
	if (!copy_ids(
		a, r->replicas, r->nreplicas, &p->replicas.v, &p->replicas.n) ||
	    !copy_ids(a, r->adding, r->nadding, &p->adding_replicas.v,
		&p->adding_replicas.n) ||
	    !copy_ids(a, r->removing, r->nremoving, &p->removing_replicas.v,
		&p->removing_replicas.n))
		return KC_ENOMEM;
	out->topics.n++;
	return KC_OK;
}

static void
list_partition_reassignments(struct kb_request *req)
{
	struct kp_list_partition_reassignments_resp *out = req->resp;
	struct kb_controller *ctl = req->broker->ctl;
	struct moves m = { .req = req };

	out->error_message = KC_STR_LIT("");
	if (!kb_controller_active(ctl)) {
		out->error_code = KP_NOT_CONTROLLER;
		out->error_message = kc_str(kp_error_text(KP_NOT_CONTROLLER));
	} else if (!collect_asked(&m) ||
	    kb_controller_reassignments(ctl, put_move, &m) != KC_OK) {
		req->outcome = KB_CLOSE;
	}
}

enum kb_disposition
kb_api_list_partition_reassignments(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, list_partition_reassignments);
}
