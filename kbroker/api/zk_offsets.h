/*
 * zk_offsets -- offsets of groups in ZooKeeper, where version 0 of OffsetCommit
 * and OffsetFetch keeps them: /consumers/<group>/offsets/<topic>/<partition>,
 * a decimal number.
 *
 * @thread control, on a fiber
 */
#ifndef KB_ZK_OFFSETS_H
#define KB_ZK_OFFSETS_H

#include "kcommon/base/str.h"

struct kzk;

/* KP_*: NONE or UNKNOWN_SERVER_ERROR. */
int16_t kb_zk_offset_put(struct kzk *zk, struct kc_str group,
    struct kc_str topic, int32_t partition, int64_t offset);
/* Also UNKNOWN_TOPIC_OR_PARTITION, which says that there is none. */
int16_t kb_zk_offset_get(struct kzk *zk, struct kc_str group,
    struct kc_str topic, int32_t partition, int64_t *offset);

#endif
