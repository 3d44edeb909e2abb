#include "kbroker/controller/move.h"

#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

#include <stdio.h>
#include <stdlib.h>

/* An empty list with room for cap. */
static int
make(struct kb_ids *ids, int32_t cap)
{
	ids->n = 0;
	ids->v = malloc((size_t)(cap + 1) * sizeof *ids->v);
	return ids->v == NULL ? KC_ENOMEM : KC_OK;
}

void
kb_move_fini(struct kb_move *m)
{
	kb_ids_fini(&m->replicas);
	kb_ids_fini(&m->adding);
	kb_ids_fini(&m->removing);
}

static int
begin(struct kb_move *m, int32_t cap)
{
	*m = (struct kb_move){ 0 };
	if (make(&m->replicas, cap) == KC_OK &&
	    make(&m->adding, cap) == KC_OK && make(&m->removing, cap) == KC_OK)
		return KC_OK;
	kb_move_fini(m);
	return KC_ENOMEM;
}

static void
add(struct kb_ids *ids, int32_t id)
{
	ids->v[ids->n++] = id;
}

int
kb_move_current(const struct kb_cpart *p, struct kb_move *out)
{
	int32_t n = p == NULL ? 0 : p->nreplicas;

	if (begin(out, n) != KC_OK)
		return KC_ENOMEM;
	for (int32_t i = 0; i < n; i++)
		add(&out->replicas, p->replicas[i].broker);
	if (n > 0 &&
	    (kb_ids_set(&out->adding, p->adding.v, p->adding.n) != KC_OK ||
		kb_ids_set(&out->removing, p->removing.v, p->removing.n) !=
		    KC_OK)) {
		kb_move_fini(out);
		return KC_ENOMEM;
	}
	return KC_OK;
}

int
kb_move_to(const struct kb_cpart *p, const int32_t *target, int32_t n,
    struct kb_move *out)
{
	struct kb_ids origin, to = { (int32_t *)target, n };
	int32_t had = p == NULL ? 0 : p->nreplicas;

	if (make(&origin, had) != KC_OK)
		return KC_ENOMEM;
	if (begin(out, had + n) != KC_OK) {
		kb_ids_fini(&origin);
		return KC_ENOMEM;
	}
	for (int32_t i = 0; i < had; i++)
		if (!kb_ids_has(&p->adding, p->replicas[i].broker))
			add(&origin, p->replicas[i].broker);
	for (int32_t i = 0; i < n; i++) {
		add(&out->replicas, target[i]);
		if (!kb_ids_has(&origin, target[i]))
			add(&out->adding, target[i]);
	}
	for (int32_t i = 0; i < origin.n; i++)
		if (!kb_ids_has(&to, origin.v[i])) {
			add(&out->replicas, origin.v[i]);
			add(&out->removing, origin.v[i]);
		}
	kb_ids_fini(&origin);
	return KC_OK;
}

int
kb_move_back(const struct kb_cpart *p, struct kb_move *out)
{
	struct kb_ids origin;
	int rc = make(&origin, p->nreplicas);

	if (rc != KC_OK)
		return rc;
	for (int32_t i = 0; i < p->nreplicas; i++)
		if (!kb_ids_has(&p->adding, p->replicas[i].broker))
			add(&origin, p->replicas[i].broker);
	rc = kb_move_to(p, origin.v, origin.n, out);
	kb_ids_fini(&origin);
	return rc;
}

int
kb_move_done(const struct kb_cpart *p, struct kb_move *out)
{
	int rc = begin(out, p->nreplicas);

	for (int32_t i = 0; i < p->nreplicas && rc == KC_OK; i++)
		if (!kb_ids_has(&p->removing, p->replicas[i].broker))
			add(&out->replicas, p->replicas[i].broker);
	return rc;
}

static bool
same(const struct kb_ids *a, const struct kb_ids *b)
{
	return a->n == b->n &&
	    (a->n == 0 || memcmp(a->v, b->v, (size_t)a->n * sizeof *a->v) == 0);
}

bool
kb_move_is_current(const struct kb_cpart *p, const struct kb_move *m)
{
	if (p->nreplicas != m->replicas.n || !same(&p->adding, &m->adding) ||
	    !same(&p->removing, &m->removing))
		return false;
	for (int32_t i = 0; i < p->nreplicas; i++)
		if (p->replicas[i].broker != m->replicas.v[i])
			return false;
	return true;
}

bool
kb_move_leads_to(const struct kb_cpart *p, const int32_t *target, int32_t n)
{
	int32_t at = 0;

	for (int32_t i = 0; i < p->nreplicas; i++) {
		if (kb_ids_has(&p->removing, p->replicas[i].broker))
			continue;
		if (at == n || target[at++] != p->replicas[i].broker)
			return false;
	}
	return at == n;
}

bool
kb_move_complete(const struct kb_cpart *p)
{
	if (!p->led)
		return false;
	for (int32_t i = 0; i < p->nreplicas; i++) {
		int32_t id = p->replicas[i].broker;

		if (!kb_ids_has(&p->removing, id) &&
		    !kb_ids_has(&p->ls.isr, id))
			return false;
	}
	return true;
}

static int16_t
refuse(struct kb_why *why, const char *text)
{
	snprintf(why->s, sizeof why->s, "%s", text);
	return KP_INVALID_REPLICA_ASSIGNMENT;
}

int16_t
kb_move_check(const int32_t *v, int32_t n, struct kb_why *why)
{
	if (n <= 0)
		return refuse(why,
		    "Empty replica list specified in partition reassignment.");
	if (n > KZK_REPLICAS_MAX)
		return refuse(
		    why, "Too many replicas in partition reassignment.");
	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < i; j++)
			if (v[j] == v[i])
				return refuse(why,
				    "Duplicate replica ids in partition "
				    "reassignment replica list.");
	for (int32_t i = 0; i < n; i++)
		if (v[i] < 0)
			return refuse(
			    why, "Invalid broker id in replica list.");
	return KP_NONE;
}
