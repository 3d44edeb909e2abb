/*
 * alter -- may a leader change its partition's ISR?  Pure decisions.
 *
 * Kafka's KafkaController.tryProcessAlterPartition (controller.md 10), and
 * what its KRaft controller checks besides: that the asker leads, that
 * the ISR is a set of assigned replicas with the leader among them, and that a
 * member is still the process it was when it fetched (KIP-903).
 *
 * @thread any
 */
#ifndef KB_CONTROLLER_ALTER_H
#define KB_CONTROLLER_ALTER_H

#include "kbroker/controller/model.h"

struct kb_alter_member {
	int32_t broker;
	bool assigned;
	/* Live, not shutting down, and of the epoch told, if one was. */
	bool eligible;
};

struct kb_alter { /* what is asked for */
	int32_t leader; /* who asks */
	int32_t leader_epoch;
	int32_t partition_epoch;
	int8_t recovery;
	const struct kb_alter_member *isr;
	int32_t nisr;
};

/*
 * NONE: write it, or, when *same, it is so already.  Otherwise what the leader
 * is told (INELIGIBLE_REPLICA also where an old version has no such code).
 */
int16_t kb_alter_check(
    const struct kb_alter *ask, const struct kb_leadership *now, bool *same);

#endif
