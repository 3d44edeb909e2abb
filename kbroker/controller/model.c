#include "kbroker/controller/model.h"

#include "kbroker/controller/move.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdlib.h>
#include <string.h>

bool
kb_ids_has(const struct kb_ids *ids, int32_t id)
{
	for (int32_t i = 0; i < ids->n; i++)
		if (ids->v[i] == id)
			return true;
	return false;
}

int
kb_ids_set(struct kb_ids *ids, const int32_t *v, int32_t n)
{
	int32_t *copy = NULL;

	if (n > 0) {
		copy = malloc((size_t)n * sizeof *copy);
		if (copy == NULL)
			return KC_ENOMEM;
		memcpy(copy, v, (size_t)n * sizeof *copy);
	}
	free(ids->v);
	ids->v = copy;
	ids->n = n;
	return KC_OK;
}

void
kb_ids_remove(struct kb_ids *ids, int32_t id)
{
	int32_t kept = 0;

	for (int32_t i = 0; i < ids->n; i++)
		if (ids->v[i] != id)
			ids->v[kept++] = ids->v[i];
	ids->n = kept;
}

void
kb_ids_fini(struct kb_ids *ids)
{
	free(ids->v);
	ids->v = NULL;
	ids->n = 0;
}

static void
part_fini(struct kb_cpart *p)
{
	free(p->replicas);
	kb_ids_fini(&p->adding);
	kb_ids_fini(&p->removing);
	kb_ids_fini(&p->ls.isr);
}

void
kb_model_fini(struct kb_model *m)
{
	struct kb_ctopic *t, *tt;
	struct kb_cbroker *b, *bt;

	HASH_ITER(hh, m->topics, t, tt)
		kb_model_remove_topic(m, t);
	HASH_ITER(hh, m->brokers, b, bt)
		kb_model_remove_broker(m, b);
}

struct kb_cbroker *
kb_model_broker(struct kb_model *m, int32_t id)
{
	struct kb_cbroker *b;

	HASH_FIND_INT(m->brokers, &id, b);
	return b;
}

struct kb_cbroker *
kb_model_add_broker(
    struct kb_model *m, int32_t id, int64_t epoch, struct kzk_broker *info)
{
	struct kb_cbroker *b = calloc(1, sizeof *b);

	if (b == NULL)
		return NULL;
	b->id = id;
	b->epoch = epoch;
	b->info = *info;
	memset(info, 0, sizeof *info);
	HASH_ADD_INT(m->brokers, id, b);
	return b;
}

void
kb_model_remove_broker(struct kb_model *m, struct kb_cbroker *b)
{
	KC_ASSERT(b->rpc == NULL);
	HASH_DEL(m->brokers, b);
	kzk_broker_fini(&b->info);
	free(b);
}

struct kb_ctopic *
kb_model_topic(struct kb_model *m, const char *name)
{
	struct kb_ctopic *t;

	HASH_FIND_STR(m->topics, name, t);
	return t;
}

struct kb_ctopic *
kb_model_topic_str(struct kb_model *m, struct kc_str name)
{
	struct kb_ctopic *t = NULL;

	if (name.len > 0)
		HASH_FIND(hh, m->topics, name.p, (size_t)name.len, t);
	return t;
}

struct kb_ctopic *
kb_model_topic_by_id(struct kb_model *m, const struct kc_uuid *id)
{
	struct kb_ctopic *t;

	HASH_FIND(hh_id, m->by_id, id, sizeof *id, t);
	return t;
}

void
kb_model_set_id(struct kb_ctopic *t, const struct kc_uuid *id)
{
	if (!kc_uuid_is_zero(&t->id))
		HASH_DELETE(hh_id, t->m->by_id, t);
	t->id = *id;
	if (!kc_uuid_is_zero(&t->id))
		HASH_ADD(hh_id, t->m->by_id, id, sizeof t->id, t);
}

struct kb_ctopic *
kb_model_add_topic(struct kb_model *m, const char *name)
{
	struct kb_ctopic *t = calloc(1, sizeof *t);

	if (t == NULL || (t->name = strdup(name)) == NULL) {
		free(t);
		return NULL;
	}
	t->m = m;
	HASH_ADD_KEYPTR(hh, m->topics, t->name, strlen(t->name), t);
	return t;
}

void
kb_model_remove_topic(struct kb_model *m, struct kb_ctopic *t)
{
	kb_model_set_id(t, &KC_UUID_ZERO);
	HASH_DEL(m->topics, t);
	for (int32_t i = 0; i < t->nparts; i++)
		part_fini(&t->parts[i]);
	free(t->parts);
	free(t->name);
	free(t);
}

struct kb_cpart *
kb_model_part(struct kb_ctopic *t, int32_t index)
{
	int32_t lo = 0, hi = t->nparts;

	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;

		if (t->parts[mid].index == index)
			return &t->parts[mid];
		if (t->parts[mid].index < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

struct kb_creplica *
kb_model_replica(struct kb_cpart *p, int32_t broker)
{
	for (int32_t i = 0; i < p->nreplicas + p->nleaving; i++)
		if (p->replicas[i].broker == broker)
			return &p->replicas[i];
	return NULL;
}

bool
kb_model_replica_online(
    struct kb_model *m, const struct kb_cpart *p, int32_t broker)
{
	const struct kb_cbroker *b = kb_model_broker(m, broker);

	if (b == NULL || b->shutting_down)
		return false;
	for (int32_t i = 0; i < p->nreplicas; i++)
		if (p->replicas[i].broker == broker)
			return !p->replicas[i].dir_offline;
	return true;
}

/* Replicas in the new order; those that stay keep their state. */
static int
part_assign(struct kb_cpart *p, const struct kzk_assignment *z)
{
	struct kb_creplica *r;

	r = calloc((size_t)KC_MAX(z->replicas.n, 1), sizeof *r);
	if (r == NULL)
		return KC_ENOMEM;
	for (int32_t i = 0; i < z->replicas.n; i++) {
		struct kb_creplica *old;

		r[i].broker = z->replicas.v[i];
		old = kb_model_replica(p, r[i].broker);
		if (old != NULL)
			r[i] = *old;
	}
	free(p->replicas);
	p->replicas = r;
	p->nreplicas = z->replicas.n;
	if (kb_ids_set(&p->adding, z->adding.v, z->adding.n) != KC_OK ||
	    kb_ids_set(&p->removing, z->removing.v, z->removing.n) != KC_OK)
		return KC_ENOMEM;
	return KC_OK;
}

int
kb_model_move(struct kb_cpart *p, const struct kb_move *to)
{
	int32_t n = to->replicas.n, leaving = 0;
	struct kb_creplica *r =
	    calloc((size_t)(n + p->nreplicas + 1), sizeof *r);

	if (r == NULL ||
	    kb_ids_set(&p->adding, to->adding.v, to->adding.n) != KC_OK ||
	    kb_ids_set(&p->removing, to->removing.v, to->removing.n) != KC_OK) {
		free(r);
		return KC_ENOMEM;
	}
	for (int32_t i = 0; i < n; i++) {
		struct kb_creplica *old =
		    kb_model_replica(p, to->replicas.v[i]);

		r[i].broker = to->replicas.v[i];
		if (old != NULL)
			r[i] = *old;
	}
	for (int32_t i = 0; i < p->nreplicas; i++)
		if (!kb_ids_has(&to->replicas, p->replicas[i].broker))
			r[n + leaving++] = p->replicas[i];
	free(p->replicas);
	p->replicas = r;
	p->nreplicas = n;
	p->nleaving = leaving;
	return KC_OK;
}

void
kb_model_drop_leaving(struct kb_cpart *p)
{
	p->nleaving = 0;
}

/* A place for index in t->parts, kept in rising order. */
static struct kb_cpart *
part_add(struct kb_ctopic *t, int32_t index)
{
	struct kb_cpart *parts;
	int32_t at = t->nparts;

	parts = realloc(t->parts, (size_t)(t->nparts + 1) * sizeof *parts);
	if (parts == NULL)
		return NULL;
	t->parts = parts;
	while (at > 0 && parts[at - 1].index > index)
		at--;
	memmove(&parts[at + 1], &parts[at],
	    (size_t)(t->nparts - at) * sizeof *parts);
	t->nparts++;
	parts[at] = (struct kb_cpart){ .topic = t, .index = index };
	return &parts[at];
}

int
kb_model_assign(struct kb_ctopic *t, const struct kzk_topic *z, int32_t *added)
{
	int rc;

	if (added != NULL)
		*added = 0;
	for (int32_t i = 0; i < z->nparts; i++) {
		struct kb_cpart *p = kb_model_part(t, z->parts[i].partition);

		if (p == NULL) {
			p = part_add(t, z->parts[i].partition);
			if (p == NULL)
				return KC_ENOMEM;
			if (added != NULL)
				++*added;
		}
		if ((rc = part_assign(p, &z->parts[i])) != KC_OK)
			return rc;
	}
	if (!kc_uuid_is_zero(&z->topic_id))
		kb_model_set_id(t, &z->topic_id);
	return KC_OK;
}

int
kb_model_set_leadership(
    struct kb_cpart *p, const struct kzk_partition_state *z, int32_t version)
{
	int rc = kb_ids_set(&p->ls.isr, z->isr.v, z->isr.n);

	if (rc != KC_OK)
		return rc;
	p->ls.leader = z->leader;
	p->ls.leader_epoch = z->leader_epoch;
	p->ls.controller_epoch = z->controller_epoch;
	p->ls.version = version;
	p->ls.recovery = z->leader_recovery_state;
	p->led = true;
	return KC_OK;
}
