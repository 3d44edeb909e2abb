/*
 * alter -- a broker's leaders ask the controller for other in-sync sets.
 *
 * Partitions that want a change queue here; one AlterPartition at a time is
 * under way, with all that were queued when it was made, one entry each.
 * Twice in replica.lag.time.max.ms every leader is looked at for followers
 * that lag.  What an answer means is the partition's to say (partition.h).
 *
 * Kafka: AlterPartitionManager, ReplicaManager.maybeShrinkIsr.
 *
 * @thread control, unless said otherwise
 */
#ifndef KB_REPLICA_ALTER_H
#define KB_REPLICA_ALTER_H

#include "kcommon/base/kc.h"

#include <stdatomic.h>

struct kb_alter;
struct kb_manager;
struct kb_partition;
struct kb_rpc_call;
struct kc_loop;
struct kp_api;

struct kb_alter_params {
	struct kc_loop *loop; /* the control thread's */
	struct kb_manager *mgr;
	int32_t broker_id;
	const _Atomic int64_t *broker_epoch;
	int64_t lag_max_ms;
	/*
	 * Asks the active controller, in a fiber, until it has answered
	 * (kb_toctl_ask()); KC_ECLOSED ends it all.
	 */
	int (*ask)(void *arg, const struct kp_api *api, int16_t version,
	    const void *msg, struct kb_rpc_call **callp);
	void *arg;
};

int kb_alter_open(struct kb_alter **ap, const struct kb_alter_params *p);
/* p wants its ISR changed.  @thread any  @locks p->lock may be held */
void kb_alter_want(struct kb_alter *a, struct kb_partition *p);
/*
 * No more requests, and nobody asks any more.  In a fiber, once ask() gives
 * KC_ECLOSED.
 */
void kb_alter_stop(struct kb_alter *a);
/* Stopped before, or the loop ended; before the manager.  @thread any */
void kb_alter_close(struct kb_alter **ap);

#endif
