#include "kbroker/group/member.h"

#include "kcommon/base/err.h"

#include <stdlib.h>

/* --- owned strings -------------------------------------------------------- */

int
kb_str_copy(struct kc_str *to, struct kc_str from)
{
	char *p;

	*to = KC_STR_NULL;
	if (from.len < 0)
		return KC_OK;
	if ((p = kc_str_dup(from)) == NULL)
		return KC_ENOMEM;
	*to = (struct kc_str){ p, from.len };
	return KC_OK;
}

void
kb_str_free(struct kc_str *s)
{
	free((char *)s->p);
	*s = KC_STR_NULL;
}

int
kb_str_set(struct kc_str *to, struct kc_str from)
{
	struct kc_str copy;

	if (kb_str_copy(&copy, from) != KC_OK)
		return KC_ENOMEM;
	kb_str_free(to);
	*to = copy;
	return KC_OK;
}

/* --- members -------------------------------------------------------------- */

static void
member_free(struct kb_member *m)
{
	kb_str_free(&m->id);
	kb_str_free(&m->instance_id);
	kb_str_free(&m->client_id);
	kb_str_free(&m->client_host);
	kb_str_free(&m->assignment);
	free(m->protocols);
	free(m);
}

struct kb_member *
kb_member_add(struct kb_group *grp, struct kc_str id, struct kc_str instance_id,
    struct kc_str client_id, struct kc_str client_host)
{
	struct kb_member *m = calloc(1, sizeof *m);

	if (m == NULL)
		return NULL;
	m->id = m->instance_id = m->client_id = KC_STR_NULL;
	m->client_host = m->assignment = KC_STR_NULL;
	if (kb_str_copy(&m->id, id) != KC_OK ||
	    kb_str_copy(&m->instance_id, instance_id) != KC_OK ||
	    kb_str_copy(&m->client_id, client_id) != KC_OK ||
	    kb_str_copy(&m->client_host, client_host) != KC_OK ||
	    kb_str_copy(&m->assignment, KC_STR_LIT("")) != KC_OK) {
		member_free(m);
		return NULL;
	}
	HASH_ADD_KEYPTR(hh, grp->members, m->id.p, (unsigned)m->id.len, m);
	if (m->instance_id.len >= 0)
		HASH_ADD_KEYPTR(hh_instance, grp->statics, m->instance_id.p,
		    (unsigned)m->instance_id.len, m);
	return m;
}

struct kb_member *
kb_member_find(const struct kb_group *grp, struct kc_str id)
{
	struct kb_member *m = NULL;

	if (id.len > 0)
		HASH_FIND(hh, grp->members, id.p, (unsigned)id.len, m);
	return m;
}

struct kb_member *
kb_member_static(const struct kb_group *grp, struct kc_str instance_id)
{
	struct kb_member *m = NULL;

	if (instance_id.len >= 0)
		HASH_FIND(hh_instance, grp->statics, instance_id.p,
		    (unsigned)instance_id.len, m);
	return m;
}

void
kb_member_remove(struct kb_group *grp, struct kb_member *m)
{
	HASH_DELETE(hh, grp->members, m);
	if (m->instance_id.len >= 0)
		HASH_DELETE(hh_instance, grp->statics, m);
	member_free(m);
}

int
kb_member_rename(struct kb_group *grp, struct kb_member *m, struct kc_str id)
{
	struct kc_str copy;

	if (kb_str_copy(&copy, id) != KC_OK)
		return KC_ENOMEM;
	HASH_DELETE(hh, grp->members, m);
	kb_str_free(&m->id);
	m->id = copy;
	HASH_ADD_KEYPTR(hh, grp->members, m->id.p, (unsigned)m->id.len, m);
	return KC_OK;
}

/* --- protocols ------------------------------------------------------------ */

static char *
put_bytes(char *at, struct kc_str *to, struct kc_str from)
{
	int32_t n = KC_MAX(from.len, 0);

	if (n > 0)
		memcpy(at, from.p, (size_t)n);
	*to = (struct kc_str){ at, n };
	return at + n;
}

int
kb_protocols_copy(struct kb_member_protocol **to,
    const struct kb_member_protocol *v, int32_t n)
{
	size_t size = (size_t)n * sizeof *v;
	struct kb_member_protocol *copy;
	char *at;

	for (int32_t i = 0; i < n; i++)
		size += (size_t)KC_MAX(v[i].name.len, 0) +
		    (size_t)KC_MAX(v[i].metadata.len, 0);
	if ((copy = malloc(KC_MAX(size, 1))) == NULL)
		return KC_ENOMEM;
	at = (char *)(copy + n);
	for (int32_t i = 0; i < n; i++) {
		at = put_bytes(at, &copy[i].name, v[i].name);
		at = put_bytes(at, &copy[i].metadata, v[i].metadata);
	}
	*to = copy;
	return KC_OK;
}

bool
kb_protocols_eq(
    const struct kb_member *m, const struct kb_member_protocol *v, int32_t n)
{
	if (m->nprotocols != n)
		return false;
	for (int32_t i = 0; i < n; i++)
		if (!kc_str_eq(m->protocols[i].name, v[i].name) ||
		    !kc_str_eq(m->protocols[i].metadata, v[i].metadata))
			return false;
	return true;
}

static bool
speaks(const struct kb_member *m, struct kc_str name)
{
	for (int32_t i = 0; i < m->nprotocols; i++)
		if (kc_str_eq(m->protocols[i].name, name))
			return true;
	return false;
}

static bool
all_speak(const struct kb_group *grp, struct kc_str name)
{
	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next)
		if (!speaks(m, name))
			return false;
	return true;
}

bool
kb_protocols_common(
    const struct kb_group *grp, const struct kb_member_protocol *v, int32_t n)
{
	for (int32_t i = 0; i < n; i++)
		if (all_speak(grp, v[i].name))
			return true;
	return false;
}

/* The candidate that m lists first. */
static int32_t
vote(const struct kb_member *m, const struct kc_str *candidates, int32_t n)
{
	for (int32_t i = 0; i < m->nprotocols; i++)
		for (int32_t j = 0; j < n; j++)
			if (kc_str_eq(m->protocols[i].name, candidates[j]))
				return j;
	return -1;
}

struct kc_str
kb_protocols_select(const struct kb_group *grp)
{
	const struct kb_member *first = grp->members;
	struct kc_str candidates[KB_PROTOCOLS_MAX];
	int32_t votes[KB_PROTOCOLS_MAX] = { 0 };
	int32_t n = 0, best = -1;

	for (int32_t i = 0; first != NULL && i < first->nprotocols; i++)
		if (all_speak(grp, first->protocols[i].name))
			candidates[n++] = first->protocols[i].name;
	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next) {
		int32_t j = vote(m, candidates, n);

		if (j >= 0)
			votes[j]++;
	}
	for (int32_t j = 0; j < n; j++)
		if (votes[j] > 0 && (best < 0 || votes[j] > votes[best]))
			best = j;
	return best < 0 ? KC_STR_NULL : candidates[best];
}

struct kc_str
kb_member_metadata(const struct kb_member *m, struct kc_str name)
{
	for (int32_t i = 0; i < m->nprotocols; i++)
		if (kc_str_eq(m->protocols[i].name, name))
			return m->protocols[i].metadata;
	return KC_STR_LIT("");
}

/* --- ids given out -------------------------------------------------------- */

struct kb_pending *
kb_pending_find(const struct kb_group *grp, struct kc_str id)
{
	struct kb_pending *p = NULL;

	if (id.len > 0)
		HASH_FIND(hh, grp->pending, id.p, (unsigned)id.len, p);
	return p;
}

int
kb_pending_add(struct kb_group *grp, struct kc_str id, int64_t due_ms)
{
	struct kb_pending *p;

	if (HASH_COUNT(grp->pending) >= KB_PENDING_MAX)
		return KC_ELIMIT;
	if ((p = calloc(1, sizeof *p + (size_t)id.len)) == NULL)
		return KC_ENOMEM;
	p->due_ms = due_ms;
	p->len = id.len;
	memcpy(p->id, id.p, (size_t)id.len);
	HASH_ADD(hh, grp->pending, id[0], (unsigned)id.len, p);
	return KC_OK;
}

void
kb_pending_remove(struct kb_group *grp, struct kb_pending *p)
{
	HASH_DELETE(hh, grp->pending, p);
	free(p);
}
