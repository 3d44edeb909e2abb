/*
 * elect -- who leads a partition: pure decisions.
 *
 * Kafka's PartitionLeaderElectionAlgorithms and Election (kafka.controller),
 * controller.md 4.  They take assignment, ISR and which replicas are online,
 * and return leader and new ISR; the caller bumps the leader epoch and writes.
 *
 * @thread any
 */
#ifndef KB_CONTROLLER_ELECT_H
#define KB_CONTROLLER_ELECT_H

#include "kcommon/base/kc.h"

enum kb_elect_strategy {
	KB_ELECT_OFFLINE, /* the leader is gone, or there never was one */
	KB_ELECT_REASSIGN, /* into the target replicas */
	KB_ELECT_PREFERRED, /* back to the first assigned */
	KB_ELECT_SHUTDOWN, /* away from a broker that stops */
	KB_ELECT_UNCLEAN, /* as OFFLINE, whatever the topic's setting */
};

/* One assigned replica as the decision sees it, in assignment order. */
struct kb_elect_replica {
	int32_t broker;
	bool online; /* live and its log dir is online */
	bool shutting_down; /* online is true too while it can still serve */
	bool in_isr;
	bool target; /* of the reassignment; KB_ELECT_REASSIGN only */
};

struct kb_elect_result {
	int32_t leader; /* -1: nobody can lead, nothing changes */
	int32_t *isr; /* the caller's array, of at least n entries */
	int32_t nisr;
	bool unclean; /* the leader was not in the ISR: RECOVERING */
};

/*
 * isr_now/nisr_now is the ISR as stored: members that are no longer assigned
 * are kept where Kafka keeps them (preferred and reassign leave it alone).
 */
void kb_elect(enum kb_elect_strategy strategy, bool unclean_allowed,
    const struct kb_elect_replica *replicas, int32_t n, const int32_t *isr_now,
    int32_t nisr_now, struct kb_elect_result *res);

/*
 * Of total partitions that a broker should lead, away are led by others: is
 * that more than percent (leader.imbalance.per.broker.percentage)?
 */
bool kb_imbalanced(int32_t away, int32_t total, int32_t percent);

/*
 * The ISR when one member's broker or disk is gone (controller.md 6): without
 * it, but never empty; *leader becomes -1 when it led.  Returns the new count
 * in isr (in place).  @thread any
 */
int32_t kb_elect_remove_isr(
    int32_t *isr, int32_t nisr, int32_t gone, int32_t *leader);

#endif
