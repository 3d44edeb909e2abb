#include "kbroker/metadata/snapshot.h"

#include "kbroker/metadata/snapshot_priv.h"
#include "kcommon/base/err.h"

#include <stdlib.h>

#define SLOTS_MIN 8

/* FNV-1a. */
static uint32_t
hash_name(struct kc_str s)
{
	uint32_t h = 2166136261u;
	int32_t i;

	for (i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.p[i]) * 16777619u;
	return h ^ h >> 15;
}

/* Ids are random already. */
static uint32_t
hash_id(const struct kc_uuid *id)
{
	uint32_t w[4];

	memcpy(w, id->b, sizeof w);
	return w[0] ^ w[1] ^ w[2] ^ w[3];
}

struct kb_meta *
kb_meta_alloc(struct kc_str cluster_id, size_t topics_max)
{
	struct kb_meta *m = kc_new(struct kb_meta, KB_META_MAGIC);

	if (m == NULL)
		return NULL;
	kc_ref_init(&m->ref);
	/* Bounded by the request that it is made from. */
	kc_arena_init(&m->arena, SIZE_MAX);
	m->controller_id = -1;
	m->slots_n = SLOTS_MIN;
	/* Half empty at least, so that probing stays short and ends. */
	while (m->slots_n < topics_max * 2)
		m->slots_n *= 2;
	m->by_name = calloc(m->slots_n, sizeof *m->by_name);
	m->by_id = calloc(m->slots_n, sizeof *m->by_id);
	m->topics = calloc(topics_max + 1, sizeof(struct kb_meta_topic *));
	m->cluster_id = kc_arena_str(&m->arena, cluster_id);
	if (m->by_name == NULL || m->by_id == NULL || m->topics == NULL ||
	    m->cluster_id.len != cluster_id.len)
		kb_meta_unref(&m);
	return m;
}

int
kb_meta_empty(struct kb_meta **metap, struct kc_str cluster_id)
{
	KC_ASSERT(metap != NULL && *metap == NULL);
	*metap = kb_meta_alloc(cluster_id, 0);
	return *metap == NULL ? KC_ENOMEM : KC_OK;
}

void
kb_meta_ref(struct kb_meta *m)
{
	KC_CHECK(m, KB_META_MAGIC);
	kc_ref_get(&m->ref);
}

void
kb_meta_unref(struct kb_meta **mp)
{
	struct kb_meta *m = *mp;
	int32_t i;

	if (m == NULL)
		return;
	KC_CHECK(m, KB_META_MAGIC);
	*mp = NULL;
	if (!kc_ref_put(&m->ref))
		return;
	for (i = 0; i < m->topics_n; i++)
		kb_meta_topic_unref(m->topics[i]);
	free(m->topics);
	free(m->by_name);
	free(m->by_id);
	kc_arena_fini(&m->arena);
	kc_delete(m);
}

/* Topic, its partitions, their broker ids and its name in one piece. */
struct kb_meta_topic *
kb_meta_topic_alloc(
    struct kc_str name, size_t partitions_n, size_t ints_n, int32_t **ints)
{
	struct kb_meta_topic *t;
	size_t parts = partitions_n * sizeof t->partitions[0];
	size_t list = ints_n * sizeof(int32_t);
	char *z;

	t = calloc(1, sizeof *t + parts + list + (size_t)name.len + 1);
	if (t == NULL)
		return NULL;
	kc_ref_init(&t->ref);
	t->partitions_n = (int32_t)partitions_n;
	*ints = (int32_t *)(void *)((char *)(t + 1) + parts);
	z = (char *)*ints + list;
	memcpy(z, name.p, (size_t)name.len);
	t->name = (struct kc_str){ z, name.len };
	t->hash = hash_name(name);
	return t;
}

void
kb_meta_topic_unref(struct kb_meta_topic *t)
{
	if (kc_ref_put(&t->ref))
		free(t);
}

void
kb_meta_index(struct kb_meta *m)
{
	uint32_t mask = m->slots_n - 1, at;
	int32_t i;

	for (i = 0; i < m->topics_n; i++) {
		const struct kb_meta_topic *t = m->topics[i];

		m->partitions_n += t->partitions_n;
		at = t->hash & mask;
		while (m->by_name[at] != 0)
			at = (at + 1) & mask;
		m->by_name[at] = (uint32_t)i + 1;
		if (kc_uuid_is_zero(&t->id))
			continue;
		at = hash_id(&t->id) & mask;
		while (m->by_id[at] != 0)
			at = (at + 1) & mask;
		m->by_id[at] = (uint32_t)i + 1;
	}
}

const struct kb_meta_topic *
kb_meta_topic(const struct kb_meta *m, struct kc_str name)
{
	uint32_t hash = hash_name(name), mask = m->slots_n - 1;
	uint32_t at = hash & mask;

	for (; m->by_name[at] != 0; at = (at + 1) & mask) {
		const struct kb_meta_topic *t = m->topics[m->by_name[at] - 1];

		if (t->hash == hash && kc_str_eq(t->name, name))
			return t;
	}
	return NULL;
}

const struct kb_meta_topic *
kb_meta_topic_by_id(const struct kb_meta *m, const struct kc_uuid *id)
{
	uint32_t mask = m->slots_n - 1, at = hash_id(id) & mask;

	for (; m->by_id[at] != 0; at = (at + 1) & mask) {
		const struct kb_meta_topic *t = m->topics[m->by_id[at] - 1];

		if (kc_uuid_eq(&t->id, id))
			return t;
	}
	return NULL;
}

static int
compare_partition(const void *key, const void *elem)
{
	int32_t index = *(const int32_t *)key;
	const struct kb_meta_partition *p = elem;

	return (index > p->index) - (index < p->index);
}

const struct kb_meta_partition *
kb_meta_partition(const struct kb_meta_topic *t, int32_t index)
{
	if (t == NULL || index < 0)
		return NULL;
	/* As a rule there are no gaps. */
	if (index < t->partitions_n && t->partitions[index].index == index)
		return &t->partitions[index];
	return bsearch(&index, t->partitions, (size_t)t->partitions_n,
	    sizeof t->partitions[0], compare_partition);
}

static int
compare_broker(const void *key, const void *elem)
{
	int32_t id = *(const int32_t *)key;
	const struct kb_meta_broker *b = elem;

	return (id > b->id) - (id < b->id);
}

const struct kb_meta_broker *
kb_meta_broker(const struct kb_meta *m, int32_t id)
{
	if (m->brokers_n == 0)
		return NULL;
	return bsearch(&id, m->brokers, (size_t)m->brokers_n,
	    sizeof m->brokers[0], compare_broker);
}

const struct kb_meta_endpoint *
kb_meta_endpoint(const struct kb_meta_broker *b, struct kc_str listener)
{
	int32_t i;

	for (i = 0; b != NULL && i < b->endpoints_n; i++)
		if (kc_str_eq(b->endpoints[i].listener, listener))
			return &b->endpoints[i];
	return NULL;
}
