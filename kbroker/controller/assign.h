/*
 * assign -- which brokers get the replicas of new partitions.
 *
 * Spreads leaders and followers round robin from a random start, over racks
 * where all brokers have one (KIP-36); the same result as Kafka's
 * AdminUtils.assignReplicasToBrokers for the same start and shift.
 *
 * @thread any
 */
#ifndef KB_CONTROLLER_ASSIGN_H
#define KB_CONTROLLER_ASSIGN_H

#include "kcommon/base/kc.h"

struct kb_assign_broker {
	int32_t id;
	const char *rack; /* borrowed; NULL: none */
};

struct kb_assign {
	struct kb_assign_broker *brokers; /* sorted here; the caller's */
	int32_t nbrokers;
	int32_t npartitions; /* to assign */
	int32_t replication;
	int32_t first_partition; /* index of the first one */
	int32_t start; /* random below nbrokers, or fixed */
	int32_t shift; /* random below nbrokers, or fixed */
};

/*
 * Fills out[npartitions * replication].  KC_EINVAL when replication is not in
 * 1..nbrokers, or only some brokers have a rack; KC_ENOMEM.
 */
int kb_assign_replicas(const struct kb_assign *a, int32_t *out);

#endif
