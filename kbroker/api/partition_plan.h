/*
 * partition_plan -- which partitions a topic gets that shall have more,
 * decided without I/O.
 *
 * From Kafka: ZkAdminManager.createPartitions,
 * AdminZkClient.createNewPartitionsAssignment.
 *
 * @thread any
 */
#ifndef KB_API_PARTITION_PLAN_H
#define KB_API_PARTITION_PLAN_H

#include "kbroker/controller/create.h"
#include "kzk/znode/znode.h"

struct kb_meta;
struct kp_create_partitions_req;
struct kp_create_partitions_resp;
struct kp_create_partitions_topic;

/*
 * Entries of out for the topics asked for: one named twice appears once, with
 * an error.  at[i] is the entry of in->topics that out->results.v[i] is about
 * (at has room for all of them).  KC_OK or KC_ENOMEM.
 */
int kb_partitions_begin(const struct kp_create_partitions_req *in,
    struct kc_arena *a, struct kp_create_partitions_resp *out, int32_t *at);

/*
 * What the topic is to be: then has now's id and its partitions (borrowed), and
 * new ones behind, in a.  meta gives the live brokers.  NONE,
 * INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, REASSIGNMENT_IN_PROGRESS,
 * INVALID_REPLICATION_FACTOR, BROKER_NOT_AVAILABLE, UNKNOWN_SERVER_ERROR.
 */
int16_t kb_partitions_plan(const struct kzk_topic *now,
    const struct kp_create_partitions_topic *in, const struct kb_meta *meta,
    struct kc_arena *a, struct kzk_topic *then, struct kb_why *why);

#endif
