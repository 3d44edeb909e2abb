/*
 * index -- the offset index of a segment (N.index): pairs of an offset
 * (relative to the segment's base) and the file position of an append that
 * holds it.  Sparse; a missing entry only makes a search longer.
 *
 * An entry is (last offset of an append, position where it starts), so the
 * floor of an offset is a place at or before its batch.  Kafka: OffsetIndex.
 *
 * @locks the log's: written by the holder of LK_LOG_WRITE
 */
#ifndef KB_LOG_INDEX_H
#define KB_LOG_INDEX_H

#include "kbroker/log/entries.h"

#define KB_INDEX_ENTRY 8

struct kb_index {
	struct kb_entries e;
	int32_t last_rel; /* -1 empty */
	int32_t last_pos;
};

void kb_index_init(struct kb_index *ix, const struct kc_file_ops *f);
/*
 * Opens and checks the file against a log of log_size bytes: KC_ENOENT,
 * KC_ECORRUPT (also the zero-filled tail of an unclean stop).
 */
int kb_index_open(
    struct kb_index *ix, int dirfd, const char *path, int64_t log_size);
/* Opens, or makes, an empty one. */
int kb_index_create(struct kb_index *ix, int dirfd, const char *path);
/* rel and pos above the last entry's; space was reserved. */
int kb_index_put(struct kb_index *ix, int32_t rel, int32_t pos);
/* Drop entries with rel >= rel. */
int kb_index_truncate(struct kb_index *ix, int32_t rel);
/* Position to start from for rel, among the first n entries; 0 when none. */
int kb_index_find(
    const struct kb_index *ix, int32_t n, int32_t rel, int32_t *pos);
/* The largest indexed position <= limit, 0 when none. */
int kb_index_find_pos(
    const struct kb_index *ix, int32_t n, int64_t limit, int32_t *pos);

#endif
