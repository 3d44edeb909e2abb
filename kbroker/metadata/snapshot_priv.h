/*
 * snapshot_priv -- for those who make snapshots: snapshot.c and update.c.
 */
#ifndef KB_SNAPSHOT_PRIV_H
#define KB_SNAPSHOT_PRIV_H

#include "kbroker/metadata/snapshot.h"

/* Room for topics_max topics, none yet.  NULL when out of memory. */
struct kb_meta *kb_meta_alloc(struct kc_str cluster_id, size_t topics_max);
/* Once topics[] is complete and in order. */
void kb_meta_index(struct kb_meta *m);

/* Partitions and name are the caller's to fill.  NULL when out of memory. */
struct kb_meta_topic *kb_meta_topic_alloc(
    struct kc_str name, size_t partitions_n, size_t ints_n, int32_t **ints);
void kb_meta_topic_unref(struct kb_meta_topic *t);

#endif
