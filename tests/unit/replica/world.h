/*
 * world -- log dirs in a folder of their own, and partitions upon them.
 */
#ifndef KT_REPLICA_WORLD_H
#define KT_REPLICA_WORLD_H

#include "kbroker/metadata/cache.h"
#include "kbroker/replica/manager.h"
#include "tests/unit/log/common.h"

#define KT_ME 1 /* our broker id */

struct kt_hosts {
	struct kt_world w;
	struct kb_log_dirs *dirs;
	struct kb_config *cfg;
	struct kb_meta_cache meta; /* no broker is alive at first */
	struct kb_partition_env env;
	int altered; /* how often a partition wanted another ISR */
	struct kb_manager *mgr;
	struct kc_published_slot slot;
};

void kt_hosts_open(struct kt_hosts *h);
void kt_hosts_close(struct kt_hosts *h);

/* These brokers are alive, and no others. */
void kt_alive(struct kt_hosts *h, const int32_t *v, int32_t n);
/* A topic's settings, "key=value\n...". */
struct kb_topic_config *kt_topic(struct kt_hosts *h, const char *own);
/* One over a new log of topic t, that no LeaderAndIsr has spoken of. */
struct kb_partition *kt_partition(struct kt_hosts *h, const char *own);

/* Leader, its epoch, and who is in sync of replicas 1..nreplicas. */
struct kb_leader_state kt_state(int32_t leader, int32_t epoch,
    const int32_t *isr, int32_t nisr, int32_t nreplicas);

/* As a producer's; a->origin and a->guard are kept. */
int16_t kt_produce(struct kb_partition *p, const struct kt_batch *b,
    int16_t acks, struct kb_append *a, int64_t *required);
/* n records with acks=1 that must go in; the first one's offset. */
int64_t kt_produce_ok(struct kb_partition *p, int n, int64_t ts);

#endif
