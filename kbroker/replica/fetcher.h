/*
 * fetcher -- threads that copy partitions from their leaders.
 *
 * num.replica.fetchers threads, each with a loop; a partition belongs to one
 * of them (by its name, as in Kafka), and a thread has one channel and one
 * incremental fetch session a leader broker (source.c).  Where a leader is
 * found is looked up in the metadata whenever a channel is made, so that a
 * follower needs no news when its leader comes back elsewhere.
 *
 * Everything a fetcher does to a log is fenced by the leader epoch it was
 * given (partition_follow.c): follow and leave only post, and whatever is
 * under way when a role changes is dropped when it arrives.
 *
 * Kafka: ReplicaFetcherManager, AbstractFetcherThread, RemoteLeaderEndPoint;
 * replication.md 4 and 5.
 */
#ifndef KB_REPLICA_FETCHER_H
#define KB_REPLICA_FETCHER_H

#include "kcommon/base/kc.h"

#include <stdatomic.h>

struct kb_config;
struct kb_fetchers;
struct kb_meta_cache;
struct kb_partition;
struct kc_env;
struct kc_tls;

struct kb_fetchers_params {
	const struct kc_env *env;
	const struct kb_config *config;
	struct kb_meta_cache *meta; /* outlives it */
	const char *listener; /* the one between brokers; lives as long */
	struct kc_tls *tls; /* NULL: plaintext; lives as long */
	int32_t broker_id;
	const _Atomic int64_t *broker_epoch;
};

/* The threads run when it returns.  KC_OK, KC_ENOMEM or KC_ESYSTEM. */
int kb_fetchers_open(
    struct kb_fetchers **fp, const struct kb_fetchers_params *p);
/* Ends the threads; nobody follows or leaves meanwhile.  @thread any */
void kb_fetchers_close(struct kb_fetchers **fp);

/*
 * Copy p from leader while it follows leader_epoch; takes the place of what
 * was said before.  KC_OK or KC_ENOMEM.  @thread control
 */
int kb_fetchers_follow(struct kb_fetchers *f, struct kb_partition *p,
    int32_t leader, int32_t leader_epoch);
/* No more.  @thread control, for this and the next */
void kb_fetchers_leave(struct kb_fetchers *f, struct kb_partition *p);
/* The metadata is new: leaders that were not to be found are looked for. */
void kb_fetchers_news(struct kb_fetchers *f);

#endif
