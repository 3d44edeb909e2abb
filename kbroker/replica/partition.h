/*
 * partition -- one partition hosted here, as leader or follower.
 *
 * Decides who may append and read, moves the high watermark, and wakes those
 * who wait for it.  The bytes are the log's (kbroker/log/log.h).
 *
 * Invariants, true whenever the lock is free:
 *   leading only in the leader epoch of the last LeaderAndIsr accepted
 *   the high watermark never decreases within one leader epoch
 *   it does not move while the ISR is smaller than min.insync.replicas
 *
 * Locking: rank LK_PARTITION, before the log's.  Never held across disk sync
 * or ZooKeeper.  Waiters are woken under it (they only post themselves).
 *
 * Results are Kafka's codes (KP_*), as the APIs answer them.
 * Kafka: kafka.cluster.Partition.
 */
#ifndef KB_REPLICA_PARTITION_H
#define KB_REPLICA_PARTITION_H

#include "kbroker/log/log.h"
#include "kbroker/replica/isr.h"
#include "kbroker/replica/waitlist.h"
#include "kbroker/topic_config.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/refcount.h"
#include "kcommon/base/uuid.h"

struct kb_meta;
struct kb_meta_cache;
struct kb_partition;
struct kc_clock;

/* What the partitions of one broker share; constant, outlives them. */
struct kb_partition_env {
	int32_t broker_id;
	struct kc_clock *clock;
	struct kb_meta_cache *meta; /* who is alive */
	int64_t lag_max_ms; /* replica.lag.time.max.ms */
	/*
	 * A partition wants the controller to change its ISR: it only notes
	 * that (kbroker/replica/alter.h).  Called under p->lock.
	 */
	void (*alter)(void *arg, struct kb_partition *p);
	void *arg;
};

struct kb_partition {
	unsigned magic;
#define KB_PARTITION_MAGIC 0x7a51c0de
	struct kc_ref ref;

	/* Set by kb_partition_new(), then constant. */
	const struct kb_partition_env *env;
	char *topic;
	int32_t topic_len;
	char *label; /* "topic-index" */
	int32_t index;
	int32_t broker_id; /* ours */
	struct kb_log *log; /* own reference */

	/* The control thread's: not in the next version of the map. */
	bool leaving;
	/* alter.c's, under its lock: waits to be asked for. */
	struct kb_partition *alter_next;
	bool alter_queued;

	struct kc_lock lock;
	/* Guarded by lock. */
	struct kb_topic_config *tc; /* own reference */
	bool leading;
	bool stopped; /* no longer hosted: NOT_LEADER_OR_FOLLOWER */
	int32_t leader; /* -1 none */
	int32_t leader_epoch; /* -1 before the first LeaderAndIsr */
	int32_t partition_epoch;
	int32_t controller_epoch;
	int64_t epoch_start; /* log end when we began to lead leader_epoch */
	int32_t led_since; /* first epoch of our unbroken leadership */
	struct kb_isr isr;
	int32_t *replicas; /* owned */
	int32_t nreplicas;
	struct kb_remote *remotes; /* owned: the replicas but us */
	int32_t nremotes;
	struct kb_waitlist waiters; /* log end, HW, start or leadership */
};

/* What LeaderAndIsr says of a partition; arrays borrowed. */
struct kb_leader_state {
	int32_t controller_epoch;
	int32_t leader;
	int32_t leader_epoch;
	int32_t partition_epoch;
	const int32_t *isr;
	int32_t nisr;
	const int32_t *replicas;
	int32_t nreplicas;
};

/* What a produced batch must meet, as of one moment. */
struct kb_partition_rules {
	int32_t max_message_bytes;
	int32_t segment_bytes;
	bool compact;
	bool log_append_time;
	int64_t timestamp_before_max_ms;
	int64_t timestamp_after_max_ms;
	enum kb_compression compression;
	int compression_level;
	bool downconversion;
	int32_t leader_epoch;
};

/* Takes over one reference of log and of tc.  KC_OK or KC_ENOMEM. */
int kb_partition_new(struct kb_partition **pp,
    const struct kb_partition_env *env, const char *topic, int32_t index,
    struct kb_log *log, struct kb_topic_config *tc);
struct kb_partition *kb_partition_get(struct kb_partition *p);
void kb_partition_put(struct kb_partition **pp);

/* NONE, NOT_LEADER_OR_FOLLOWER or KAFKA_STORAGE_ERROR.  @thread net */
int16_t kb_partition_rules(
    struct kb_partition *p, struct kb_partition_rules *rules);

/*
 * Append as leader.  acks -1 is refused while the ISR is too small.  On NONE
 * *required is the high watermark at which all replicas have it.
 * A duplicate is NONE with the original offsets.
 * @thread net
 */
int16_t kb_partition_append(struct kb_partition *p, struct kb_append *a,
    int16_t acks, int64_t *required);

/*
 * Has what acks=all waits for come to pass?  NONE, or a final error, or
 * KB_PARTITION_PENDING.  leader_epoch is that of the append: when somebody
 * else led meanwhile, what is at that offset may be other records.
 */
#define KB_PARTITION_PENDING 1000
int16_t kb_partition_ack(
    struct kb_partition *p, int64_t required, int32_t leader_epoch);

struct kb_partition_read {
	struct kb_log_read rd;
	int32_t leader_epoch; /* the fetcher's, -1 unknown */
	int32_t last_fetched_epoch; /* -1 none */
	int32_t replica_id; /* below 0: a consumer */
	bool any_copy; /* a follower may serve it (KIP-392) */
	/*
	 * A follower's: its fetch says how far it has got.  Only the first
	 * read for a request does.
	 */
	bool note;
	int64_t log_start; /* the follower's; -1 */
	int64_t broker_epoch; /* the follower's; -1 */

	/* Out. */
	struct kb_log_slice slice; /* to be ended by the caller */
	int32_t diverging_epoch; /* -1: the histories agree */
	int64_t diverging_end;
	/* Current leader, for NOT_LEADER and FENCED answers. */
	int32_t current_leader;
	int32_t current_epoch;
};

/*
 * NONE, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH,
 * OFFSET_OUT_OF_RANGE, KAFKA_STORAGE_ERROR, UNKNOWN_SERVER_ERROR.
 * @thread net
 */
int16_t kb_partition_read(struct kb_partition *p, struct kb_partition_read *r);

/* A consumer that would rather read from a replica near to it. */
struct kb_partition_near {
	const struct kb_meta *meta;
	struct kc_str listener; /* by which it reaches brokers */
	struct kc_str rack;
	int64_t offset; /* where it reads on */
};

/*
 * The in-sync replica in the consumer's rack that has what it wants, the most
 * caught up of several (RackAwareReplicaSelector); -1: we serve it, or we do
 * not lead.  @thread net
 */
int32_t kb_partition_near(
    struct kb_partition *p, const struct kb_partition_near *w);

/* The timestamps of ListOffsets that are not times. */
enum {
	KB_LIST_LATEST = -1,
	KB_LIST_EARLIEST = -2,
	KB_LIST_MAX_TIMESTAMP = -3,
	KB_LIST_EARLIEST_LOCAL = -4,
	KB_LIST_LATEST_TIERED = -5,
};

struct kb_partition_list {
	int64_t timestamp; /* a time, or KB_LIST_* */
	enum kb_isolation isolation;
	bool consumer; /* OFFSET_NOT_AVAILABLE applies */
	int32_t leader_epoch; /* the asker's, -1 unknown */
	struct kb_log_at at; /* out; offset -1: there is none */
};

/* As kb_partition_read; also OFFSET_NOT_AVAILABLE (KIP-207). */
int16_t kb_partition_list(struct kb_partition *p, struct kb_partition_list *l);
/* ListOffsets v0; KP code. */
int16_t kb_partition_list_v0(struct kb_partition *p, int64_t timestamp,
    int32_t max, bool consumer, int64_t *offsets, int32_t *n);

/* OffsetForLeaderEpoch.  KP code. */
int16_t kb_partition_epoch_end(struct kb_partition *p, int32_t leader_epoch,
    int32_t epoch, int32_t *found, int64_t *end);

/* Do we lead it?  NONE, NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR. */
int16_t kb_partition_leads(struct kb_partition *p);
/*
 * DeleteRecords: the log begins at *offset (-1: the high watermark, which is
 * then told there).  OFFSET_OUT_OF_RANGE above the high watermark,
 * POLICY_VIOLATION where cleanup.policy has no delete.  @thread net
 */
int16_t kb_partition_delete_records(struct kb_partition *p, int64_t *offset);
/*
 * Where the log begins at all replicas that are alive: what DeleteRecords
 * waits for; -1 while one of them has not fetched in this term.
 */
int16_t kb_partition_low_watermark(struct kb_partition *p, int64_t *low);

/*
 * What the controller is to be asked for.  An array of the caller's, to be
 * freed by kb_isr_ask_fini().
 */
struct kb_isr_member {
	int32_t id;
	int64_t broker_epoch; /* of the life that we saw in sync; -1 */
};

struct kb_isr_ask {
	int32_t leader_epoch;
	int32_t partition_epoch;
	struct kb_isr_member *v;
	int32_t n;
};

struct kb_isr_answer { /* of the controller, for code NONE */
	int32_t leader;
	int32_t leader_epoch;
	int32_t partition_epoch;
	const int32_t *isr; /* borrowed */
	int32_t nisr;
};

/*
 * KC_OK and *ask, or KC_ENOENT: nothing is pending any more, or KC_ENOMEM.
 * @thread control
 */
int kb_partition_isr_ask(struct kb_partition *p, struct kb_isr_ask *ask);
void kb_isr_ask_fini(struct kb_isr_ask *ask);
/*
 * The controller's answer to it.  True when it is to be asked again.
 * @thread control
 */
bool kb_partition_isr_answered(struct kb_partition *p,
    const struct kb_isr_ask *ask, int16_t code, const struct kb_isr_answer *a);
/* Asks out who lags behind for too long.  @thread control */
void kb_partition_isr_check(struct kb_partition *p);

/*
 * As follower of leader_epoch.  KC_EFENCED when we are not, any more; else
 * what the log says.
 */

/*
 * Records fetched at offset, where the log must end (else KC_EFENCED too),
 * and the leader's high watermark and log start.  @thread fetch
 */
struct kb_partition_copy {
	int32_t leader_epoch;
	int64_t offset;
	const uint8_t *p; /* borrowed; len 0: none */
	size_t len;
	int64_t hw; /* the leader's; -1: not told */
	int64_t start;
};
int kb_partition_copy(
    struct kb_partition *p, const struct kb_partition_copy *c);
int kb_partition_truncate(
    struct kb_partition *p, int32_t leader_epoch, int64_t offset);
/* Empty it and begin again at offset. */
int kb_partition_restart(
    struct kb_partition *p, int32_t leader_epoch, int64_t offset);
/* The leader says that our epoch ends at end: cut what diverges. */
int kb_partition_diverged(
    struct kb_partition *p, int32_t leader_epoch, int32_t epoch, int64_t end);

/* @thread control, for the rest */
int kb_partition_make_leader(
    struct kb_partition *p, const struct kb_leader_state *st);
int kb_partition_make_follower(
    struct kb_partition *p, const struct kb_leader_state *st);
/* No longer hosted here; wakes everybody. */
void kb_partition_stop(struct kb_partition *p);
/* Takes over one reference of tc. */
void kb_partition_set_config(
    struct kb_partition *p, struct kb_topic_config *tc);

#endif
