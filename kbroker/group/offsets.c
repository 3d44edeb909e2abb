#include "kbroker/group/offsets.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdlib.h>

/* --- arrays --------------------------------------------------------------- */

/* Room for one more in an array of n; false when out of memory. */
static bool
grow(void **v, int32_t n, int32_t *cap, size_t size)
{
	int32_t want = *cap == 0 ? 2 : *cap > INT32_MAX / 2 ? 0 : *cap * 2;
	void *p;

	if (n < *cap)
		return true;
	if (want == 0 || (p = reallocarray(*v, (size_t)want, size)) == NULL)
		return false;
	*v = p;
	*cap = want;
	return true;
}

/* Where name is or belongs. */
static int32_t
topic_at(const struct kb_group_offsets *o, struct kc_str name, bool *found)
{
	int32_t lo = 0, hi = o->n;

	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;
		int c = kc_str_cmp(o->topics[mid].name, name);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = false;
	return lo;
}

static int32_t
part_at(const struct kb_offset_topic *t, int32_t partition, bool *found)
{
	int32_t lo = 0, hi = t->n;

	while (lo < hi) {
		int32_t mid = lo + (hi - lo) / 2;

		if (t->v[mid].partition < partition)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < t->n && t->v[lo].partition == partition;
	return lo;
}

static struct kb_offset *
find(const struct kb_group_offsets *o, struct kc_str topic, int32_t partition)
{
	bool found;
	int32_t i = topic_at(o, topic, &found), j;

	if (!found)
		return NULL;
	j = part_at(&o->topics[i], partition, &found);
	return found ? &o->topics[i].v[j] : NULL;
}

static struct kb_offset_topic *
make_topic(struct kb_group_offsets *o, struct kc_str name)
{
	bool found;
	int32_t i = topic_at(o, name, &found);
	struct kb_offset_topic *t;
	char *copy;

	if (found)
		return &o->topics[i];
	if (!grow((void **)&o->topics, o->n, &o->cap, sizeof *o->topics) ||
	    (copy = kc_str_dup(name)) == NULL)
		return NULL;
	t = &o->topics[i];
	memmove(t + 1, t, (size_t)(o->n - i) * sizeof *t);
	*t = (struct kb_offset_topic){ .name = { copy, name.len } };
	o->n++;
	return t;
}

static void
drop_topic_if_empty(struct kb_group_offsets *o, int32_t i)
{
	struct kb_offset_topic *t = &o->topics[i];

	if (t->n > 0)
		return;
	free((char *)t->name.p);
	free(t->v);
	o->n--;
	memmove(t, t + 1, (size_t)(o->n - i) * sizeof *t);
}

static struct kb_offset *
make(struct kb_group_offsets *o, struct kc_str topic, int32_t partition)
{
	struct kb_offset_topic *t = make_topic(o, topic);
	struct kb_offset *p;
	bool found;
	int32_t j;

	if (t == NULL)
		return NULL;
	j = part_at(t, partition, &found);
	if (found)
		return &t->v[j];
	if (!grow((void **)&t->v, t->n, &t->cap, sizeof *t->v)) {
		drop_topic_if_empty(o, (int32_t)(t - o->topics));
		return NULL;
	}
	p = &t->v[j];
	memmove(p + 1, p, (size_t)(t->n - j) * sizeof *p);
	*p = (struct kb_offset){ .partition = partition, .record = -1 };
	t->n++;
	return p;
}

/* An entry that says nothing is not kept. */
static void
drop_if_idle(struct kb_group_offsets *o, struct kc_str topic, int32_t partition)
{
	bool found;
	int32_t i = topic_at(o, topic, &found), j;
	struct kb_offset_topic *t;
	struct kb_offset *p;

	if (!found)
		return;
	t = &o->topics[i];
	j = part_at(t, partition, &found);
	p = &t->v[j];
	if (!found || p->has || p->npending > 0)
		return;
	t->n--;
	memmove(p, p + 1, (size_t)(t->n - j) * sizeof *p);
	drop_topic_if_empty(o, i);
}

/* --- values --------------------------------------------------------------- */

static void
value_fini(struct kb_offset_value *v)
{
	if (v->metadata.len > 0)
		free((char *)v->metadata.p);
	v->metadata = KC_STR_LIT("");
}

static int
value_copy(struct kb_offset_value *to, const struct kb_offset_value *from)
{
	char *copy = NULL;

	if (from->metadata.len > 0 &&
	    (copy = kc_str_dup(from->metadata)) == NULL)
		return KC_ENOMEM;
	*to = *from;
	to->metadata = copy == NULL ?
	    KC_STR_LIT("") :
	    (struct kc_str){ copy, from->metadata.len };
	return KC_OK;
}

/* An older record never takes the place of a newer one. */
static int
put(struct kb_group_offsets *o, struct kb_offset *p,
    const struct kb_offset_value *v, int64_t record)
{
	struct kb_offset_value copy;

	if (p->has && p->record > record)
		return KC_OK;
	if (value_copy(&copy, v) != KC_OK)
		return KC_ENOMEM;
	if (p->has)
		value_fini(&p->value);
	else
		o->count++;
	p->value = copy;
	p->has = true;
	p->record = record;
	return KC_OK;
}

/* --- commits -------------------------------------------------------------- */

const struct kb_offset *
kb_group_offsets_get(
    const struct kb_group_offsets *o, struct kc_str topic, int32_t partition)
{
	const struct kb_offset *p = find(o, topic, partition);

	return p != NULL && p->has ? p : NULL;
}

int
kb_group_offsets_pend(
    struct kb_group_offsets *o, struct kc_str topic, int32_t partition)
{
	struct kb_offset *p = make(o, topic, partition);

	if (p == NULL)
		return KC_ENOMEM;
	p->npending++;
	return KC_OK;
}

void
kb_group_offsets_fail(
    struct kb_group_offsets *o, struct kc_str topic, int32_t partition)
{
	struct kb_offset *p = find(o, topic, partition);

	if (p == NULL || p->npending == 0)
		return;
	p->npending--;
	drop_if_idle(o, topic, partition);
}

int
kb_group_offsets_commit(struct kb_group_offsets *o, struct kc_str topic,
    int32_t partition, const struct kb_offset_value *v, int64_t record)
{
	struct kb_offset *p = find(o, topic, partition);
	int rc;

	if (p == NULL || p->npending == 0)
		return KC_OK; /* of a group that was deleted meanwhile */
	p->npending--;
	rc = put(o, p, v, record);
	drop_if_idle(o, topic, partition);
	return rc;
}

int
kb_group_offsets_set(struct kb_group_offsets *o, struct kc_str topic,
    int32_t partition, const struct kb_offset_value *v, int64_t record)
{
	struct kb_offset *p = make(o, topic, partition);

	if (p == NULL)
		return KC_ENOMEM;
	if (put(o, p, v, record) == KC_OK)
		return KC_OK;
	drop_if_idle(o, topic, partition);
	return KC_ENOMEM;
}

bool
kb_group_offsets_remove(
    struct kb_group_offsets *o, struct kc_str topic, int32_t partition)
{
	struct kb_offset *p = find(o, topic, partition);

	if (p == NULL || !p->has)
		return false;
	value_fini(&p->value);
	p->has = false;
	p->record = -1;
	o->count--;
	drop_if_idle(o, topic, partition);
	return true;
}

bool
kb_group_offsets_idle(const struct kb_group_offsets *o)
{
	return o->n == 0 && o->ntxns == 0;
}

/* --- transactions --------------------------------------------------------- */

static struct kb_txn_offsets *
txn_find(const struct kb_group_offsets *o, int64_t producer_id)
{
	for (int32_t i = 0; i < o->ntxns; i++)
		if (o->txns[i].producer_id == producer_id)
			return &o->txns[i];
	return NULL;
}

static void
txn_drop(struct kb_group_offsets *o, struct kb_txn_offsets *t)
{
	for (int32_t i = 0; i < t->n; i++) {
		free((char *)t->v[i].topic.p);
		value_fini(&t->v[i].value);
	}
	free(t->v);
	*t = o->txns[--o->ntxns];
}

static struct kb_txn_offset *
txn_part(const struct kb_txn_offsets *t, struct kc_str topic, int32_t partition)
{
	for (int32_t i = 0; i < t->n; i++)
		if (t->v[i].partition == partition &&
		    kc_str_eq(t->v[i].topic, topic))
			return &t->v[i];
	return NULL;
}

static struct kb_txn_offsets *
txn_make(struct kb_group_offsets *o, int64_t producer_id)
{
	struct kb_txn_offsets *t = txn_find(o, producer_id);

	if (t != NULL)
		return t;
	t = reallocarray(o->txns, (size_t)o->ntxns + 1, sizeof *t);
	if (t == NULL)
		return NULL;
	o->txns = t;
	t += o->ntxns++;
	*t = (struct kb_txn_offsets){ .producer_id = producer_id };
	return t;
}

int
kb_group_offsets_txn_add(struct kb_group_offsets *o, int64_t producer_id,
    struct kc_str topic, int32_t partition, const struct kb_offset_value *v,
    int64_t record)
{
	struct kb_txn_offsets *t = txn_make(o, producer_id);
	struct kb_txn_offset *p;
	struct kb_offset_value copy;

	if (t == NULL)
		return KC_ENOMEM;
	if (value_copy(&copy, v) != KC_OK)
		goto fail;
	if ((p = txn_part(t, topic, partition)) == NULL) {
		if (!grow((void **)&t->v, t->n, &t->cap, sizeof *t->v)) {
			value_fini(&copy);
			goto fail;
		}
		p = &t->v[t->n];
		*p = (struct kb_txn_offset){ .partition = partition };
		p->topic.p = kc_str_dup(topic);
		p->topic.len = topic.len;
		if (p->topic.p == NULL) {
			value_fini(&copy);
			goto fail;
		}
		t->n++;
	} else {
		value_fini(&p->value);
	}
	p->value = copy;
	p->record = record;
	return KC_OK;

fail:
	if (t->n == 0)
		txn_drop(o, t);
	return KC_ENOMEM;
}

void
kb_group_offsets_txn_written(struct kb_group_offsets *o, int64_t producer_id,
    struct kc_str topic, int32_t partition, int64_t record)
{
	struct kb_txn_offsets *t = txn_find(o, producer_id);
	struct kb_txn_offset *p =
	    t == NULL ? NULL : txn_part(t, topic, partition);

	if (p == NULL)
		return;
	if (record >= 0) {
		p->record = KC_MAX(p->record, record);
		return;
	}
	if (p->record >= 0)
		return; /* an earlier one of the transaction is there */
	free((char *)p->topic.p);
	value_fini(&p->value);
	*p = t->v[--t->n];
	if (t->n == 0)
		txn_drop(o, t);
}

int
kb_group_offsets_txn_end(
    struct kb_group_offsets *o, int64_t producer_id, bool commit)
{
	struct kb_txn_offsets *t = txn_find(o, producer_id);
	int rc = KC_OK;

	if (t == NULL)
		return KC_OK;
	for (int32_t i = 0; commit && i < t->n; i++) {
		struct kb_txn_offset *p = &t->v[i];
		int one;

		if (p->record < 0)
			continue; /* it was never in the log */
		one = kb_group_offsets_set(
		    o, p->topic, p->partition, &p->value, p->record);
		if (one != KC_OK)
			rc = one;
	}
	txn_drop(o, t);
	return rc;
}

bool
kb_group_offsets_txn_pending(
    const struct kb_group_offsets *o, struct kc_str topic, int32_t partition)
{
	for (int32_t i = 0; i < o->ntxns; i++)
		if (txn_part(&o->txns[i], topic, partition) != NULL)
			return true;
	return false;
}

void
kb_group_offsets_fini(struct kb_group_offsets *o)
{
	for (int32_t i = 0; i < o->n; i++) {
		struct kb_offset_topic *t = &o->topics[i];

		for (int32_t j = 0; j < t->n; j++)
			if (t->v[j].has)
				value_fini(&t->v[j].value);
		free((char *)t->name.p);
		free(t->v);
	}
	while (o->ntxns > 0)
		txn_drop(o, &o->txns[0]);
	free(o->topics);
	free(o->txns);
	*o = (struct kb_group_offsets){ 0 };
}
