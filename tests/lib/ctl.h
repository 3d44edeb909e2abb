/*
 * ctl -- what a controller has written into ZooKeeper, and the requests
 * that only brokers send to it.
 */
#ifndef KT_CTL_H
#define KT_CTL_H

#include <stdint.h>

#include "tests/lib/cluster.h"
#include "tests/lib/zk.h"

#define KT_IDS_MAX 8

struct kt_ids {
	int v[KT_IDS_MAX];
	int n;
};

struct kt_state { /* of a partition */
	int leader;
	int leader_epoch;
	int controller_epoch;
	int version; /* of the znode */
	struct kt_ids isr;
};

/* False when there is no state znode. */
bool kt_state_get(
    struct kt_zk *zk, const char *topic, int part, struct kt_state *st);
bool kt_ids_has(const struct kt_ids *ids, int id);
/* The partition's leader now, -1: none; -2: no state. */
int kt_leader(struct kt_zk *zk, const char *topic, int part);
bool kt_in_isr(struct kt_zk *zk, const char *topic, int part, int id);

/* The broker that /controller names, -1: none; its epoch (may be NULL). */
int kt_controller(struct kt_zk *zk, int *epoch);
/* czxid of a broker's registration, -1: none. */
int64_t kt_broker_epoch(struct kt_zk *zk, int id);

/*
 * One partition of AlterPartition v3 to the controller in the name of broker
 * asker, with leader and partition epoch as stored.  epochs NULL: those of the
 * registrations.  The error of the whole or of the partition.
 */
int kt_alter_partition(struct kt_cluster *c, struct kt_zk *zk, int asker,
    const char *topic, int part, const struct kt_ids *isr,
    const int64_t *epochs);
/*
 * Broker id is in the ISR of the partition: its leader saw to that, or
 * this asks in the leader's name.
 */
void kt_join_isr(struct kt_cluster *c, struct kt_zk *zk, const char *topic,
    int part, int id);

/* AlterPartitionReassignments; to NULL: cancel.  The partition's error. */
int kt_reassign(struct kt_cluster *c, struct kt_zk *zk, const char *topic,
    int part, const struct kt_ids *to);
/* How many partitions ListPartitionReassignments tells of. */
int kt_reassigning(struct kt_cluster *c, struct kt_zk *zk);
/* ElectLeaders, type 0 preferred, 1 unclean.  The partition's error. */
int kt_elect(struct kt_cluster *c, struct kt_zk *zk, int type,
    const char *topic, int part);

#endif
