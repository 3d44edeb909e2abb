/*
 * model -- what the controller knows of the cluster.
 *
 * Brokers, topics, partitions with their replicas' states, as read from
 * ZooKeeper and changed by our own writes.  No I/O; the state machines
 * (partition_fsm.c, replica_fsm.c) decide on it and the event code acts.
 *
 * A topic's partitions stand in rising index; their replicas are one array
 * in assignment order (KIP-455: replicas = all, of which adding are to come and
 * removing are to go).
 *
 * @thread control
 */
#ifndef KB_CONTROLLER_MODEL_H
#define KB_CONTROLLER_MODEL_H

#include "kcommon/base/kc.h"
#include "kcommon/base/uuid.h"
#include "kcommon/io/ev.h"
#include "kzk/kzk.h"
#include "kzk/znode/znode.h"

#include <uthash.h>

struct kb_controller;
struct kb_outgoing;
struct kb_rpc;

/* Kafka's PartitionState and ReplicaState (kafka.controller). */
enum kb_part_state {
	KB_PART_NONEXISTENT,
	KB_PART_NEW,
	KB_PART_ONLINE,
	KB_PART_OFFLINE,
};

enum kb_replica_state {
	KB_REPLICA_NONEXISTENT,
	KB_REPLICA_NEW,
	KB_REPLICA_ONLINE,
	KB_REPLICA_OFFLINE,
	KB_REPLICA_DELETION_STARTED,
	KB_REPLICA_DELETION_SUCCESSFUL,
	KB_REPLICA_DELETION_INELIGIBLE,
};

#define KB_NO_LEADER (-1)
#define KB_LEADER_DELETING (-2) /* LeaderAndIsr.LeaderDuringDelete */
#define KB_EPOCH_DELETING (-2) /* LeaderAndIsr.EpochDuringDelete */

struct kb_ids { /* broker ids; owned */
	int32_t *v;
	int32_t n;
};

struct kb_creplica {
	int32_t broker;
	enum kb_replica_state state;
	bool dir_offline; /* the broker said KAFKA_STORAGE_ERROR */
	/* Number of the batch it is in, and where (batch.c). */
	uint32_t lead_no, stop_no;
	int32_t lead_at, stop_at;
};

/* Leader and ISR as in the state znode. */
struct kb_leadership {
	int32_t leader;
	int32_t leader_epoch;
	int32_t controller_epoch; /* of the controller that wrote it */
	int32_t version; /* of the znode: Kafka's partition epoch */
	int8_t recovery; /* LeaderRecoveryState: 1 is RECOVERING */
	struct kb_ids isr;
};

struct kb_ctopic;

struct kb_cpart {
	struct kb_ctopic *topic;
	int32_t index;
	enum kb_part_state state;
	struct kb_creplica *replicas; /* assignment order; owned */
	int32_t nreplicas;
	/*
	 * Behind them: no longer assigned, and being stopped.  Only within one
	 * event; kb_model_replica() alone knows of them.
	 */
	int32_t nleaving;
	struct kb_ids adding;
	struct kb_ids removing;
	bool led; /* ls is known */
	struct kb_leadership ls;
	uint32_t meta_no; /* batch.c */
	uint32_t ask_no; /* number of the request that named it last */
};

struct kb_ctopic {
	struct kb_model *m;
	char *name; /* owned; hash key */
	struct kc_uuid id; /* zero: none; key of m->by_id */
	struct kb_cpart *parts; /* rising index; owned */
	int32_t nparts;
	bool deleting; /* queued for deletion */
	bool ineligible; /* deletion waits for something */
	bool unclean; /* unclean.leader.election.enable, last read */
	struct kb_controller *c;
	struct kzk_watch watch; /* of its data */
	UT_hash_handle hh;
	UT_hash_handle hh_id;
};

struct kb_cbroker {
	int32_t id; /* hash key */
	int64_t epoch; /* czxid of its registration */
	struct kzk_broker info; /* owned */
	bool shutting_down;
	int32_t preferred, away; /* leaders, when last weighed */
	struct kb_controller *c;
	struct kb_rpc *rpc; /* owned, as the rest of the channel (channel.c) */
	struct kb_outgoing *queue;
	struct kc_timer retry;
	struct kzk_watch watch; /* of its registration */
	UT_hash_handle hh;
};

struct kb_model {
	struct kb_cbroker *brokers; /* live ones, uthash */
	struct kb_ctopic *topics; /* uthash */
	struct kb_ctopic *by_id; /* the same, those with an id */
};

void kb_model_fini(struct kb_model *m);

struct kb_cbroker *kb_model_broker(struct kb_model *m, int32_t id);
/* Takes info over. NULL: out of memory. */
struct kb_cbroker *kb_model_add_broker(
    struct kb_model *m, int32_t id, int64_t epoch, struct kzk_broker *info);
/* The caller closes b->rpc first. */
void kb_model_remove_broker(struct kb_model *m, struct kb_cbroker *b);

struct kb_ctopic *kb_model_topic(struct kb_model *m, const char *name);
struct kb_ctopic *kb_model_topic_str(struct kb_model *m, struct kc_str name);
/* NULL too for the zero id. */
struct kb_ctopic *kb_model_topic_by_id(
    struct kb_model *m, const struct kc_uuid *id);
void kb_model_set_id(struct kb_ctopic *t, const struct kc_uuid *id);
struct kb_ctopic *kb_model_add_topic(struct kb_model *m, const char *name);
void kb_model_remove_topic(struct kb_model *m, struct kb_ctopic *t);
/*
 * Take over the assignment of a topic znode: partitions that are new get
 * state NONEXISTENT and are counted in *added (may be NULL); existing ones keep
 * state and leadership.  KC_OK or KC_ENOMEM.
 */
int kb_model_assign(
    struct kb_ctopic *t, const struct kzk_topic *z, int32_t *added);
struct kb_move;
/*
 * Another assignment: replicas that stay keep their state, those that do not
 * are leaving until kb_model_drop_leaving().  KC_OK or KC_ENOMEM.
 */
int kb_model_move(struct kb_cpart *p, const struct kb_move *to);
void kb_model_drop_leaving(struct kb_cpart *p);
struct kb_cpart *kb_model_part(struct kb_ctopic *t, int32_t index);
struct kb_creplica *kb_model_replica(struct kb_cpart *p, int32_t broker);

/* The broker is live, not shutting down, and its log dir is online. */
bool kb_model_replica_online(
    struct kb_model *m, const struct kb_cpart *p, int32_t broker);

bool kb_ids_has(const struct kb_ids *ids, int32_t id);
int kb_ids_set(struct kb_ids *ids, const int32_t *v, int32_t n);
void kb_ids_remove(struct kb_ids *ids, int32_t id);
void kb_ids_fini(struct kb_ids *ids);
/* KC_OK or KC_ENOMEM; p->led is set. */
int kb_model_set_leadership(
    struct kb_cpart *p, const struct kzk_partition_state *z, int32_t version);

#endif
