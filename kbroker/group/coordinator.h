/*
 * coordinator -- the groups of this broker: those whose partition of
 * __consumer_offsets it leads.
 *
 * A shard is one such partition with its groups.  One lock (LK_GROUP) a shard
 * guards all of it and orders its appends, so that the log and memory agree;
 * it is held across an append and never across a wait.  What waits for
 * replicas is queued in the order of the log.
 *
 * Answers that come later are told by callbacks without a lock held, on any
 * thread; their strings are in the asker's arena.  Functions that may answer
 * later return true when the answer is there now, and then do not call back.
 *
 * Error codes are KP_*: COORDINATOR_LOAD_IN_PROGRESS while the partition is
 * read, NOT_COORDINATOR when it is led elsewhere, COORDINATOR_NOT_AVAILABLE
 * when it could not be read.
 *
 * Kafka: GroupCoordinator, GroupMetadataManager; groups.md.
 *
 * @thread any, unless said otherwise
 * @locks  takes LK_GROUP, under it LK_PARTITION and below
 */
#ifndef KB_COORDINATOR_H
#define KB_COORDINATOR_H

#include "kbroker/group/group.h"
#include "kbroker/metadata/snapshot.h"

struct kb_coord;
struct kb_partition;
struct kc_env;

struct kb_coord_config {
	struct kb_group_params group;
	int32_t partitions; /* of __consumer_offsets while it does not exist */
	int16_t acks; /* of appends: -1 all, 0, 1 */
	int32_t timeout_ms; /* for the replicas of an append */
	int32_t codec; /* enum kc_codec of what we write */
	int32_t load_buffer; /* bytes */
	int32_t metadata_max; /* bytes of a commit's metadata */
	int64_t retention_ms;
	int64_t check_ms; /* between looks for what has expired */
};

/* Starts its thread.  config is copied.  KC_OK or KC_ENOMEM. */
int kb_coord_open(struct kb_coord **cp, const struct kc_env *env,
    const struct kb_coord_config *config);
/* Everybody who waits is answered; nothing is ours from now on. */
void kb_coord_stop(struct kb_coord *c);
void kb_coord_close(struct kb_coord **cp);

/* --- what the controller decides ------------------------------------------ */

/*
 * We lead p, a partition of __consumer_offsets, in this epoch: load it.
 * Returns at once.  @thread control
 */
void kb_coord_elected(
    struct kb_coord *c, struct kb_partition *p, int32_t leader_epoch);
/* We do not; leader_epoch -1: whatever it was.  @thread control */
void kb_coord_resigned(
    struct kb_coord *c, int32_t partition, int32_t leader_epoch);
/*
 * How many partitions __consumer_offsets has.  The first word counts: groups
 * do not move while we run (as in Kafka).
 */
void kb_coord_set_partitions(struct kb_coord *c, int32_t n);
/* Where a group's records are. */
int32_t kb_coord_partition_of(struct kb_coord *c, struct kc_str group);

/* --- members -------------------------------------------------------------- */

/* j->new_id need not be set when j->member_id is. */
bool kb_coord_join(
    struct kb_coord *c, struct kc_str group, const struct kb_join *j);
bool kb_coord_sync(
    struct kb_coord *c, struct kc_str group, const struct kb_sync *s);
int16_t kb_coord_heartbeat(struct kb_coord *c, struct kc_str group,
    int32_t generation, struct kc_str member_id, struct kc_str instance_id);

struct kb_leaver {
	struct kc_str member_id;
	struct kc_str instance_id; /* null: none */
	int16_t code; /* out */
};

/* The code of the request as a whole; NONE: each has its own. */
int16_t kb_coord_leave(
    struct kb_coord *c, struct kc_str group, struct kb_leaver *v, int32_t n);

/* --- offsets -------------------------------------------------------------- */

struct kb_commit_item {
	struct kc_str topic;
	int32_t partition;
	struct kb_offset_value value;
	int16_t code; /* in: not NONE: leave it; out */
};

/* One OffsetCommit or TxnOffsetCommit; the caller's until done. */
struct kb_commit {
	struct kc_str group;
	int32_t generation; /* -1: of nobody in a group */
	struct kc_str member_id;
	struct kc_str instance_id; /* null: none */
	int64_t producer_id; /* -1: no transaction */
	int16_t producer_epoch;
	uint64_t guard; /* kb_log_verify_start() on the group's partition */
	struct kb_commit_item *v;
	int32_t n;
	void (*done)(struct kb_commit *cm); /* all codes are set */
	struct kb_commit *next; /* the coordinator's */
};

bool kb_coord_commit(struct kb_coord *c, struct kb_commit *cm);
/*
 * The producer's transaction has ended, as a marker in this partition says;
 * offset is the marker's.
 */
void kb_coord_txn_ended(
    struct kb_coord *c, int32_t partition, int64_t producer_id, bool commit);

struct kb_offset_query_item {
	struct kc_str topic;
	int32_t partition;
	/* Out. */
	int64_t offset; /* -1: nothing is committed */
	int32_t leader_epoch;
	struct kc_str metadata;
	int16_t code; /* NONE or UNSTABLE_OFFSET_COMMIT */
};

struct kb_offset_query {
	struct kc_str group;
	bool require_stable;
	bool all; /* v and n are out, in the arena, sorted by topic */
	struct kc_arena *arena;
	struct kb_offset_query_item *v;
	int32_t n;
};

int16_t kb_coord_offsets(struct kb_coord *c, struct kb_offset_query *q);

struct kb_offset_delete {
	struct kc_str topic;
	int32_t partition;
	int16_t code; /* in: not NONE: leave it; out */
};

int16_t kb_coord_delete_offsets(struct kb_coord *c, struct kc_str group,
    struct kb_offset_delete *v, int32_t n);

/* Partitions that no longer exist: no group keeps offsets of them. */
void kb_coord_topics_deleted(
    struct kb_coord *c, const struct kb_meta_tp *v, int32_t n);

/* --- administration ------------------------------------------------------- */

struct kb_member_info {
	struct kc_str member_id;
	struct kc_str instance_id;
	struct kc_str client_id;
	struct kc_str client_host;
	struct kc_str metadata;
	struct kc_str assignment;
};

struct kb_group_info { /* in the arena */
	const char *state;
	struct kc_str protocol_type;
	struct kc_str protocol; /* "" unless Stable */
	struct kb_member_info *members;
	int32_t nmembers;
};

/* An unknown group is Dead and NONE. */
int16_t kb_coord_describe(struct kb_coord *c, struct kc_str group,
    struct kc_arena *a, struct kb_group_info *info);

struct kb_group_line {
	struct kc_str group;
	struct kc_str protocol_type; /* "" none */
	const char *state;
};

struct kb_group_list { /* in the arena */
	struct kc_arena *arena;
	struct kb_group_line *v;
	int32_t n;
};

/* COORDINATOR_LOAD_IN_PROGRESS when some are missing; KC_ELIMIT as -1. */
int16_t kb_coord_list(struct kb_coord *c, struct kb_group_list *list);
/* NONE, NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND, ... */
int16_t kb_coord_delete(struct kb_coord *c, struct kc_str group);

#endif
