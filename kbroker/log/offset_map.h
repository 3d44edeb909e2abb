/*
 * offset_map -- the newest offset of each key, in memory of a fixed size.
 *
 * A slot is 16 bytes of the key's hash and 8 of the offset; keys themselves
 * are not kept, so that two keys with one hash would be taken for the same
 * and one of them lost.  Kafka hashes with MD5, for which anybody can make
 * such pairs today; here it is SipHash-2-4-128 with a secret of each
 * compaction, for which nobody can and which is about ten times as fast for
 * short keys.  The map never reaches the disk, so nothing else depends on it.
 *
 * Kafka: SkimpyOffsetMap.
 *
 * @thread clean (a map belongs to one compaction)
 */
#ifndef KB_LOG_OFFSET_MAP_H
#define KB_LOG_OFFSET_MAP_H

#include "kcommon/base/rand.h"
#include "kcommon/base/str.h"

#define KB_OFFSET_MAP_SLOT 24 /* bytes */

struct kb_offset_map;

/*
 * As many slots as fit into bytes, of which load (0 to 1) may be used, at
 * least one and never all.  Pages are touched when keys come.  KC_ENOMEM,
 * KC_EINVAL (not even two slots).
 */
int kb_offset_map_open(struct kb_offset_map **mapp, size_t bytes, double load,
    struct kc_rand *rand);
void kb_offset_map_close(struct kb_offset_map **mapp);

/* offset >= 0 is the newest of key; KC_ELIMIT: a new key and no room. */
int kb_offset_map_put(
    struct kb_offset_map *map, struct kc_str key, int64_t offset);
/* -1 when the key was never put. */
int64_t kb_offset_map_get(const struct kb_offset_map *map, struct kc_str key);

/* The next new key will be refused. */
bool kb_offset_map_full(const struct kb_offset_map *map);
int64_t kb_offset_map_keys(const struct kb_offset_map *map);
int64_t kb_offset_map_slots(const struct kb_offset_map *map);

#endif
