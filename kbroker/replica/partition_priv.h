/*
 * partition_priv -- what the partition_*.c files share.
 *
 * @locks p->lock is held, unless said otherwise
 */
#ifndef KB_REPLICA_PARTITION_PRIV_H
#define KB_REPLICA_PARTITION_PRIV_H

#include "kbroker/replica/partition.h"

#define KB_PARTITION_LOGGER "kafka.cluster.Partition"

/* May somebody who knows asked_epoch (-1: none) be served by the leader? */
int16_t kb_partition_check(const struct kb_partition *p, int32_t asked_epoch);
/* The code for an error of the log that is no verdict.  No lock. */
int16_t kb_partition_log_code(int rc);
/*
 * Why the log failed, once the lock is free; a deleted one was not ours.
 * Takes the lock.
 */
int16_t kb_partition_failed(struct kb_partition *p, int rc);

/*
 * min.insync.replicas, no more than there are replicas: a topic with one
 * replica takes acks=all whatever the setting (Kafka's effectiveMinIsr, 3.9).
 */
int32_t kb_partition_min_isr(const struct kb_partition *p);
/* True when it moved; waiters are the caller's to wake. */
bool kb_partition_advance_hw(struct kb_partition *p);

/* A follower's read went well: note how far it is.  Takes the lock. */
void kb_partition_fetched(struct kb_partition *p, struct kb_partition_read *r);

#endif
