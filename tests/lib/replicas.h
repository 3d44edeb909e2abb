/*
 * replicas -- topics with several replicas: who leads, who is in sync, what
 * is on their disks; and a load whose acknowledged part must survive.
 *
 * @thread the main thread alone
 */
#ifndef KT_REPLICAS_H
#define KT_REPLICAS_H

#include "tests/lib/client.h"
#include "tests/lib/zk.h"

struct kt_state { /* the state znode of a partition */
	int leader; /* -1: none */
	int leader_epoch;
	int isr[KT_BROKERS_MAX];
	int nisr;
};

/* False while there is no such znode. */
bool kt_state(
    struct kt_zk *zk, const char *topic, int partition, struct kt_state *st);
/* Is broker id in the ISR of every partition below n? */
bool kt_in_sync(struct kt_zk *zk, const char *topic, int n, int id);
/* Wait until all of the first nbrokers are in sync in all n partitions. */
void kt_all_in_sync(
    struct kt_zk *zk, const char *topic, int n, int nbrokers, int limit_ms);
/*
 * Every broker's log of a partition holds the same bytes.  The brokers have
 * been stopped in an orderly way, so that files have their real sizes.
 */
void kt_same_logs(struct kt_cluster *c, const char *topic, int partition);

struct kt_load {
	rd_kafka_t *rk; /* kt_load_open() makes it idempotent, acks=all */
	const char *topic;
	int partitions;
	int64_t base_ms;
	int64_t n; /* the next message */
	unsigned char *state;
	int64_t max;
};

void kt_load_open(struct kt_load *l, const struct kt_cluster *c,
    const char *topic, int partitions);
/* Produce for ms, counted from the first acknowledgement on. */
void kt_load_run(struct kt_load *l, int ms);
/* All is acknowledged and none failed; each is there once and in order. */
void kt_load_verify(struct kt_load *l, const struct kt_cluster *c);
void kt_load_close(struct kt_load *l);

#endif
