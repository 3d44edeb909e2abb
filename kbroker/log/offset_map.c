#include "kbroker/log/offset_map.h"

#include <stdlib.h>

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/siphash.h"

struct slot {
	struct kc_siphash hash;
	int64_t next; /* the offset plus one; 0 is a free slot */
};

struct kb_offset_map {
	unsigned magic;
#define KB_OFFSET_MAP_MAGIC 0x0ff5e7a9
	struct slot *slot; /* owned */
	uint64_t slots;
	uint64_t used;
	uint64_t used_max; /* < slots: a search ends at a free one */
	uint8_t secret[KC_SIPHASH_KEY];
};

int
kb_offset_map_open(struct kb_offset_map **mapp, size_t bytes, double load,
    struct kc_rand *rand)
{
	struct kb_offset_map *map;
	double used_max;

	_Static_assert(sizeof(struct slot) == KB_OFFSET_MAP_SLOT, "padding");
	KC_ASSERT(*mapp == NULL);
	if (bytes / KB_OFFSET_MAP_SLOT < 2)
		return KC_EINVAL;
	if ((map = kc_new(struct kb_offset_map, KB_OFFSET_MAP_MAGIC)) == NULL)
		return KC_ENOMEM;
	map->slots = bytes / KB_OFFSET_MAP_SLOT;
	used_max = (double)map->slots * load;
	map->used_max = used_max < 1		? 1 :
	    used_max > (double)(map->slots - 1) ? map->slots - 1 :
						  (uint64_t)used_max;
	rand->fill(rand, map->secret, sizeof map->secret);
	if ((map->slot = calloc(map->slots, sizeof *map->slot)) == NULL) {
		kc_delete(map);
		return KC_ENOMEM;
	}
	*mapp = map;
	return KC_OK;
}

void
kb_offset_map_close(struct kb_offset_map **mapp)
{
	struct kb_offset_map *map = *mapp;

	*mapp = NULL;
	if (map == NULL)
		return;
	KC_CHECK(map, KB_OFFSET_MAP_MAGIC);
	free(map->slot);
	kc_delete(map);
}

/* Where the key is, or the free slot where it would be. */
static struct slot *
find(
    const struct kb_offset_map *map, struct kc_str key, struct kc_siphash *hash)
{
	uint64_t i;

	KC_ASSERT(key.len >= 0);
	*hash = kc_siphash(map->secret, key.p, (size_t)key.len);
	i = hash->lo % map->slots;
	while (map->slot[i].next != 0 &&
	    (map->slot[i].hash.lo != hash->lo ||
		map->slot[i].hash.hi != hash->hi))
		i = i + 1 == map->slots ? 0 : i + 1;
	return &map->slot[i];
}

int
kb_offset_map_put(struct kb_offset_map *map, struct kc_str key, int64_t offset)
{
	struct kc_siphash hash;
	struct slot *s = find(map, key, &hash);

	KC_ASSERT(offset >= 0 && offset < INT64_MAX);
	if (s->next == 0) {
		if (map->used == map->used_max)
			return KC_ELIMIT;
		map->used++;
		s->hash = hash;
	}
	s->next = offset + 1;
	return KC_OK;
}

int64_t
kb_offset_map_get(const struct kb_offset_map *map, struct kc_str key)
{
	struct kc_siphash hash;

	return find(map, key, &hash)->next - 1;
}

bool
kb_offset_map_full(const struct kb_offset_map *map)
{
	return map->used == map->used_max;
}

int64_t
kb_offset_map_keys(const struct kb_offset_map *map)
{
	return (int64_t)map->used;
}

int64_t
kb_offset_map_slots(const struct kb_offset_map *map)
{
	return (int64_t)map->slots;
}
