/*
 * manager -- the partitions hosted here and what the controller makes of them.
 *
 * The table of partitions is an immutable map that readers take without a
 * lock (kcommon/base/published.h); changes come from the controller only, on
 * the control thread, which is what serialises them (Kafka's
 * replicaStateChangeLock).
 *
 * Kafka: kafka.server.ReplicaManager; replication.md 1.
 */
#ifndef KB_REPLICA_MANAGER_H
#define KB_REPLICA_MANAGER_H

#include "kbroker/log/dirs.h"
#include "kbroker/replica/partition.h"
#include "kcommon/base/published.h"

struct kb_manager;
struct kb_part_map;

/* One partition of a LeaderAndIsr request. */
struct kb_role_change {
	const char *topic; /* NUL-terminated, borrowed */
	struct kc_uuid topic_id; /* zero: the request has none */
	int32_t index;
	bool is_new;
	struct kb_leader_state st;
	struct kb_topic_config *tc; /* borrowed; NULL only if it is hosted */
	int16_t code; /* out: KP_* */
	struct kb_partition *part; /* the manager's own */
};

/*
 * Told after each change of role, with the leader epoch it came in (-1: none
 * was named); p is borrowed.  @thread control
 */
struct kb_manager_events {
	void *arg;
	void (*role)(void *arg, struct kb_partition *p, bool leads,
	    int32_t leader_epoch);
};

/* dirs and env must outlive it; env's broker id is known. */
int kb_manager_open(struct kb_manager **mp, struct kb_log_dirs *dirs,
    const struct kb_partition_env *env);
void kb_manager_close(struct kb_manager **mp);
void kb_manager_set_events(
    struct kb_manager *m, const struct kb_manager_events *events);

/*
 * Who copies from leaders (fetcher.h).  KC_OK, or KC_ENOMEM: it does not
 * follow.  Before anything is hosted, or never: followers then stand still.
 * @thread control
 */
struct kb_manager_ops {
	int (*follow)(void *arg, struct kb_partition *p, int32_t leader,
	    int32_t leader_epoch);
	void (*leave)(void *arg, struct kb_partition *p);
	void *arg;
};
void kb_manager_set_ops(struct kb_manager *m, const struct kb_manager_ops *ops);

/*
 * The partitions hosted at this moment; borrowed until the slot is read again
 * or released.  @thread the slot's
 */
const struct kb_part_map *kb_manager_read(
    struct kb_manager *m, struct kc_published_slot *slot);
/* Borrowed from the map; NULL: not hosted. */
struct kb_partition *kb_part_map_find(
    const struct kb_part_map *map, struct kc_str topic, int32_t index);
void kb_manager_release(struct kb_manager *m, struct kc_published_slot *slot);

/*
 * NONE, or STALE_CONTROLLER_EPOCH: a controller older than one we heard.
 * Remembers the newest.  @thread control
 */
int16_t kb_manager_controller_epoch(struct kb_manager *m, int32_t epoch);

/* Make all of v leader or follower; each gets its code.  @thread control */
void kb_manager_apply(struct kb_manager *m, struct kb_role_change *v, int n);

/* One partition of a StopReplica request. */
struct kb_stop {
	struct kc_str topic; /* borrowed */
	int32_t index;
	int32_t leader_epoch; /* -1 and -2 pass whatever ours is (KIP-570) */
	bool remove; /* delete the log */
	int16_t code; /* out: KP_* */
};

/* Stop all of v; each gets its code.  @thread control */
void kb_manager_stop(struct kb_manager *m, struct kb_stop *v, int n);

/* fn with each hosted partition, on an own reference.  @thread control */
void kb_manager_each(struct kb_manager *m,
    void (*fn)(void *arg, struct kb_partition *p), void *arg);
/* A log dir failed: those who wait on its partitions hear.  @thread any */
void kb_manager_wake_offline(struct kb_manager *m);

#endif
