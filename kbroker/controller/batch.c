#include "kbroker/controller/batch.h"

#include "kbroker/controller/channel.h"
#include "kbroker/controller/ctl.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

/* Of inter.broker.protocol.version 3.9. */
#define LEADER_AND_ISR_VERSION 7
#define UPDATE_METADATA_VERSION 8
#define STOP_REPLICA_VERSION 4

void
kb_batch_init(struct kb_batch *b, struct kb_controller *c)
{
	*b = (struct kb_batch){ .c = c, .no = ++c->batch_no };
}

static struct kb_batch_part *
push(struct kb_batch *b, struct kb_batch_list *l)
{
	if (l->n == l->cap) {
		int32_t cap = KC_MAX(16, l->cap * 2);
		struct kb_batch_part *v =
		    realloc(l->v, (size_t)cap * sizeof *v);

		if (v == NULL) {
			b->err = KC_ENOMEM;
			return NULL;
		}
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n] = (struct kb_batch_part){ 0 };
	return &l->v[l->n++];
}

void
kb_batch_meta(struct kb_batch *b, struct kb_cpart *p)
{
	struct kb_batch_part *e;

	if (p->meta_no == b->no || (e = push(b, &b->meta)) == NULL)
		return;
	p->meta_no = b->no;
	e->p = p;
}

void
kb_batch_lead(
    struct kb_batch *b, struct kb_cpart *p, int32_t broker, bool is_new)
{
	struct kb_creplica *r = kb_model_replica(p, broker);
	struct kb_batch_part *e;

	kb_batch_meta(b, p);
	if (r == NULL || !p->led || kb_model_broker(&b->c->m, broker) == NULL)
		return;
	if (r->lead_no == b->no) { /* once new, always new in this batch */
		b->lead.v[r->lead_at].is_new |= is_new;
		return;
	}
	r->lead_at = b->lead.n;
	if ((e = push(b, &b->lead)) == NULL)
		return;
	r->lead_no = b->no;
	e->p = p;
	e->broker = broker;
	e->is_new = is_new;
}

void
kb_batch_stop(
    struct kb_batch *b, struct kb_cpart *p, int32_t broker, bool remove)
{
	struct kb_creplica *r = kb_model_replica(p, broker);
	struct kb_batch_part *e;

	if (r == NULL || kb_model_broker(&b->c->m, broker) == NULL)
		return;
	if (r->stop_no == b->no) {
		b->stop.v[r->stop_at].remove |= remove;
		return;
	}
	r->stop_at = b->stop.n;
	if ((e = push(b, &b->stop)) == NULL)
		return;
	r->stop_no = b->no;
	e->p = p;
	e->broker = broker;
	e->remove = remove;
}

void
kb_batch_brokers(struct kb_batch *b)
{
	b->brokers = true;
}

/* By broker, then topic, then partition: one run a topic of a request. */
static int
order(const void *x, const void *y)
{
	const struct kb_batch_part *a = x, *b = y;
	int c;

	if (a->broker != b->broker)
		return a->broker < b->broker ? -1 : 1;
	if (a->p->topic != b->p->topic) {
		c = strcmp(a->p->topic->name, b->p->topic->name);
		if (c != 0)
			return c;
	}
	return (a->p->index > b->p->index) - (a->p->index < b->p->index);
}

static int32_t
topics_in(const struct kb_batch_part *v, int32_t n)
{
	int32_t topics = 0;

	for (int32_t i = 0; i < n; i++)
		topics += i == 0 || v[i].p->topic != v[i - 1].p->topic;
	return topics;
}

/* How many from i on are of the same topic. */
static int32_t
run_of(const struct kb_batch_part *v, int32_t n, int32_t i)
{
	int32_t len = 1;

	while (i + len < n && v[i + len].p->topic == v[i].p->topic)
		len++;
	return len;
}

/* An array field gets a copy of ids, in the arena. */
#define PUT_IDS(arena, field, ids, count)                                      \
	do {                                                                   \
		int32_t put_n = (count);                                       \
		(field).v =                                                    \
		    kc_arena_array(arena, (size_t)put_n, sizeof *(field).v);   \
		(field).n = (field).v != NULL ? put_n : 0;                     \
		for (int32_t put_i = 0; put_i < (field).n; put_i++)            \
			(field).v[put_i] = (ids);                              \
	} while (0)

static void
fill_leader(struct kc_arena *a, const struct kb_batch_part *e,
    struct kp_leader_and_isr_partition_state *s)
{
	const struct kb_cpart *p = e->p;

	s->partition_index = p->index;
	s->controller_epoch = p->ls.controller_epoch;
	s->leader = p->ls.leader;
	s->leader_epoch = p->ls.leader_epoch;
	PUT_IDS(a, s->isr, p->ls.isr.v[put_i], p->ls.isr.n);
	s->partition_epoch = p->ls.version;
	PUT_IDS(a, s->replicas, p->replicas[put_i].broker, p->nreplicas);
	PUT_IDS(a, s->adding_replicas, p->adding.v[put_i], p->adding.n);
	PUT_IDS(a, s->removing_replicas, p->removing.v[put_i], p->removing.n);
	s->is_new = e->is_new;
	s->leader_recovery_state = p->ls.recovery;
}

/* The nodes that lead something in the request. */
static bool
fill_live_leaders(struct kb_batch *b, const struct kb_batch_part *v, int32_t n,
    struct kc_arena *a, struct kp_leader_and_isr_req *out)
{
	struct kb_cbroker *br, *tmp;

	if (!KP_ARRAY(a, &out->live_leaders, leader_and_isr_live_leader,
		(int32_t)HASH_COUNT(b->c->m.brokers)))
		return false;
	out->live_leaders.n = 0;
	HASH_ITER(hh, b->c->m.brokers, br, tmp) {
		const struct kzk_endpoint *ep =
		    kzk_broker_endpoint(&br->info, kc_str(b->c->listener));
		struct kp_leader_and_isr_live_leader *l;
		bool leads = false;

		for (int32_t i = 0; i < n && !leads; i++)
			leads = v[i].p->ls.leader == br->id;
		if (!leads || ep == NULL)
			continue;
		l = &out->live_leaders.v[out->live_leaders.n++];
		l->broker_id = br->id;
		l->host_name = ep->host;
		l->port = ep->port;
	}
	return true;
}

static bool
make_leader_and_isr(struct kb_batch *b, struct kb_cbroker *to,
    const struct kb_batch_part *v, int32_t n, struct kb_outgoing *o)
{
	struct kp_leader_and_isr_req *out =
	    KP_NEW(&o->arena, leader_and_isr_req);
	int32_t t = 0, len;

	if (out == NULL)
		return false;
	out->controller_id = b->c->p.broker_id;
	out->controller_epoch = b->c->epoch;
	out->broker_epoch = to->epoch;
	if (!KP_ARRAY(&o->arena, &out->topic_states, leader_and_isr_topic_state,
		topics_in(v, n)))
		return false;
	for (int32_t i = 0; i < n; i += len) {
		struct kp_leader_and_isr_topic_state *ts =
		    &out->topic_states.v[t++];

		len = run_of(v, n, i);
		ts->topic_name =
		    kc_arena_str(&o->arena, kc_str(v[i].p->topic->name));
		ts->topic_id = v[i].p->topic->id;
		if (!KP_ARRAY(&o->arena, &ts->partition_states,
			leader_and_isr_partition_state, len))
			return false;
		for (int32_t j = 0; j < len; j++)
			fill_leader(
			    &o->arena, &v[i + j], &ts->partition_states.v[j]);
	}
	o->key = kp_key_leader_and_isr;
	o->version = LEADER_AND_ISR_VERSION;
	o->msg = out;
	return fill_live_leaders(b, v, n, &o->arena, out);
}

static bool
make_stop_replica(struct kb_batch *b, struct kb_cbroker *to,
    const struct kb_batch_part *v, int32_t n, struct kb_outgoing *o)
{
	struct kp_stop_replica_req *out = KP_NEW(&o->arena, stop_replica_req);
	int32_t t = 0, len;

	if (out == NULL)
		return false;
	out->controller_id = b->c->p.broker_id;
	out->controller_epoch = b->c->epoch;
	out->broker_epoch = to->epoch;
	if (!KP_ARRAY(&o->arena, &out->topic_states, stop_replica_topic_state,
		topics_in(v, n)))
		return false;
	for (int32_t i = 0; i < n; i += len) {
		struct kp_stop_replica_topic_state *ts =
		    &out->topic_states.v[t++];

		len = run_of(v, n, i);
		ts->topic_name =
		    kc_arena_str(&o->arena, kc_str(v[i].p->topic->name));
		if (!KP_ARRAY(&o->arena, &ts->partition_states,
			stop_replica_partition_state, len))
			return false;
		for (int32_t j = 0; j < len; j++) {
			const struct kb_cpart *p = v[i + j].p;

			ts->partition_states.v[j] =
			    (struct kp_stop_replica_partition_state){
				    .partition_index = p->index,
				    .leader_epoch = p->topic->deleting ?
					KB_EPOCH_DELETING :
					p->led ? p->ls.leader_epoch :
						 -1,
				    .delete_partition = v[i + j].remove,
			    };
		}
	}
	o->key = kp_key_stop_replica;
	o->version = STOP_REPLICA_VERSION;
	o->msg = out;
	return true;
}

static int16_t
protocol_number(struct kc_str name)
{
	static const char *const names[] = { "PLAINTEXT", "SSL",
		"SASL_PLAINTEXT", "SASL_SSL" };

	for (size_t i = 0; i < KC_COUNT(names); i++)
		if (kc_str_eqz(name, names[i]))
			return (int16_t)i;
	return 0;
}

static bool
fill_brokers(
    struct kb_batch *b, struct kc_arena *a, struct kp_update_metadata_req *out)
{
	struct kb_cbroker *br, *tmp;
	int32_t i = 0;

	if (!KP_ARRAY(a, &out->live_brokers, update_metadata_broker,
		(int32_t)HASH_COUNT(b->c->m.brokers)))
		return false;
	HASH_ITER(hh, b->c->m.brokers, br, tmp) {
		struct kp_update_metadata_broker *o = &out->live_brokers.v[i++];

		o->id = br->id;
		o->rack = kc_arena_str(a, br->info.rack);
		if (!KP_ARRAY(a, &o->endpoints, update_metadata_endpoint,
			br->info.endpoints.n))
			return false;
		for (int32_t j = 0; j < br->info.endpoints.n; j++) {
			const struct kzk_endpoint *ep =
			    &br->info.endpoints.v[j];

			o->endpoints.v[j] =
			    (struct kp_update_metadata_endpoint){
				    .port = ep->port,
				    .host = kc_arena_str(a, ep->host),
				    .listener = kc_arena_str(a, ep->listener),
				    .security_protocol =
					protocol_number(ep->protocol),
			    };
		}
	}
	return true;
}

static void
fill_meta(struct kb_batch *b, struct kc_arena *a, struct kb_cpart *p,
    struct kp_update_metadata_partition_state *s)
{
	int32_t n = 0;

	s->partition_index = p->index;
	s->controller_epoch = p->ls.controller_epoch;
	s->leader = p->ls.leader;
	s->leader_epoch = p->ls.leader_epoch;
	s->zk_version = p->ls.version;
	if (p->topic->deleting) {
		s->leader = KB_LEADER_DELETING;
		s->leader_epoch = 0;
		s->zk_version = 0;
	}
	PUT_IDS(a, s->isr, p->ls.isr.v[put_i], p->ls.isr.n);
	PUT_IDS(a, s->replicas, p->replicas[put_i].broker, p->nreplicas);
	s->offline_replicas.v = kc_arena_array(
	    a, (size_t)p->nreplicas, sizeof *s->offline_replicas.v);
	for (int32_t i = 0; i < p->nreplicas && s->offline_replicas.v; i++)
		if (!kb_model_replica_online(
			&b->c->m, p, p->replicas[i].broker))
			s->offline_replicas.v[n++] = p->replicas[i].broker;
	s->offline_replicas.n = n;
}

static bool
make_update_metadata(
    struct kb_batch *b, struct kb_cbroker *to, struct kb_outgoing *o)
{
	struct kp_update_metadata_req *out =
	    KP_NEW(&o->arena, update_metadata_req);
	const struct kb_batch_part *v = b->meta.v;
	int32_t n = b->meta.n, t = 0, len;

	if (out == NULL)
		return false;
	out->controller_id = b->c->p.broker_id;
	out->controller_epoch = b->c->epoch;
	out->broker_epoch = to->epoch;
	if (!KP_ARRAY(&o->arena, &out->topic_states,
		update_metadata_topic_state, topics_in(v, n)))
		return false;
	for (int32_t i = 0; i < n; i += len) {
		struct kp_update_metadata_topic_state *ts =
		    &out->topic_states.v[t++];
		int32_t np = 0;

		len = run_of(v, n, i);
		ts->topic_name =
		    kc_arena_str(&o->arena, kc_str(v[i].p->topic->name));
		ts->topic_id = v[i].p->topic->id;
		if (!KP_ARRAY(&o->arena, &ts->partition_states,
			update_metadata_partition_state, len))
			return false;
		for (int32_t j = 0; j < len; j++)
			if (v[i + j].p->led) /* no leadership: skipped */
				fill_meta(b, &o->arena, v[i + j].p,
				    &ts->partition_states.v[np++]);
		ts->partition_states.n = np;
		if (np == 0)
			t--;
	}
	out->topic_states.n = t;
	o->key = kp_key_update_metadata;
	o->version = UPDATE_METADATA_VERSION;
	o->msg = out;
	return fill_brokers(b, &o->arena, out);
}

static const struct kb_batch_part *
part_of(const struct kb_batch_list *l, int32_t broker, int32_t *n)
{
	int32_t i = 0;

	*n = 0;
	while (i < l->n && l->v[i].broker != broker)
		i++;
	while (i + *n < l->n && l->v[i + *n].broker == broker)
		++*n;
	return l->v + i;
}

typedef bool (*make_fn)(struct kb_batch *b, struct kb_cbroker *to,
    const struct kb_batch_part *v, int32_t n, struct kb_outgoing *o);

static void
send_parts(struct kb_batch *b, struct kb_cbroker *to,
    const struct kb_batch_list *l, make_fn make)
{
	struct kb_outgoing *o;
	const struct kb_batch_part *v;
	int32_t n;

	v = part_of(l, to->id, &n);
	if (n == 0)
		return;
	if ((o = kb_outgoing_new()) != NULL && make(b, to, v, n, o)) {
		kb_outgoing_send(to, o);
		return;
	}
	kb_outgoing_free(o);
	b->err = KC_ENOMEM;
}

static void
send_meta(struct kb_batch *b, struct kb_cbroker *to)
{
	struct kb_outgoing *o = kb_outgoing_new();

	if (o != NULL && make_update_metadata(b, to, o)) {
		kb_outgoing_send(to, o);
		return;
	}
	kb_outgoing_free(o);
	b->err = KC_ENOMEM;
}

static bool
among(const int32_t *v, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == id)
			return true;
	return false;
}

static void
sort_list(struct kb_batch_list *l)
{
	if (l->n > 1)
		qsort(l->v, (size_t)l->n, sizeof *l->v, order);
}

void
kb_batch_send(struct kb_batch *b, const int32_t *only, int32_t nonly)
{
	struct kb_cbroker *br, *tmp;

	sort_list(&b->lead);
	sort_list(&b->stop);
	sort_list(&b->meta);
	HASH_ITER(hh, b->c->m.brokers, br, tmp) {
		if (b->c->aborted)
			break;
		send_parts(b, br, &b->lead, make_leader_and_isr);
		if ((b->meta.n > 0 || b->brokers) &&
		    (only == NULL || among(only, nonly, br->id)))
			send_meta(b, br);
		send_parts(b, br, &b->stop, make_stop_replica);
	}
	if (b->err != KC_OK)
		kc_log(KC_LOG_ERROR, CTL_LOGGER,
		    "[Controller id=%d] Some requests to brokers were not "
		    "made: %s",
		    b->c->p.broker_id, kc_strerror(b->err));
	free(b->lead.v);
	free(b->stop.v);
	free(b->meta.v);
	kb_batch_init(b, b->c);
}
