/*
 * time_index -- the time index of a segment (N.timeindex): pairs of a
 * timestamp and the offset (relative to the base) of the batch in which the
 * segment first reached it; no earlier batch has a larger one.
 * Kafka: TimeIndex.
 *
 * @locks the log's: written by the holder of LK_LOG_WRITE
 */
#ifndef KB_LOG_TIME_INDEX_H
#define KB_LOG_TIME_INDEX_H

#include "kbroker/log/entries.h"

#define KB_TIME_INDEX_ENTRY 12

struct kb_time_index {
	struct kb_entries e;
	int64_t last_ts; /* -1 empty */
	int32_t last_rel;
};

void kb_time_index_init(struct kb_time_index *tx, const struct kc_file_ops *f);
/* KC_ENOENT, KC_ECORRUPT. */
int kb_time_index_open(struct kb_time_index *tx, int dirfd, const char *path);
int kb_time_index_create(struct kb_time_index *tx, int dirfd, const char *path);
/* Would put() write something? */
bool kb_time_index_wants(const struct kb_time_index *tx, int64_t ts);
/* No-op unless ts is above the last entry's; space was reserved. */
int kb_time_index_put(struct kb_time_index *tx, int64_t ts, int32_t rel);
int kb_time_index_truncate(struct kb_time_index *tx, int32_t rel);
/*
 * The offset to start from for timestamps >= ts, among the first n entries:
 * all that comes before it is smaller.  0 when there is none.
 */
int kb_time_index_find(
    const struct kb_time_index *tx, int32_t n, int64_t ts, int32_t *rel);

#endif
