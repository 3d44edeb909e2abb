/*
 * offsets -- how far one group has read.
 *
 * A commit is "pending" between its append to the log and its replication; it
 * is seen by readers only then.  Of two commits the one whose record has the
 * higher offset in __consumer_offsets wins, in whatever order they complete.
 * What a transaction commits waits apart, by producer, for its end.
 *
 * Kafka: GroupMetadata (offsets, pendingOffsetCommits,
 * pendingTransactionalOffsetCommits).
 *
 * @thread the group's
 */
#ifndef KB_OFFSETS_H
#define KB_OFFSETS_H

#include "kcommon/base/str.h"

/* What is committed; metadata is borrowed or owned as its holder says. */
struct kb_offset_value {
	int64_t offset;
	int32_t leader_epoch; /* -1 unknown */
	struct kc_str metadata; /* never null */
	int64_t commit_ms;
	int64_t expire_ms; /* -1: by the broker's retention */
};

struct kb_offset { /* of one partition */
	int32_t partition;
	int32_t npending; /* commits under way */
	bool has; /* something is committed */
	struct kb_offset_value value; /* metadata owned */
	int64_t record; /* the commit's own offset in __consumer_offsets */
};

struct kb_offset_topic {
	struct kc_str name; /* owned */
	struct kb_offset *v; /* rising partition; owned */
	int32_t n, cap;
};

struct kb_txn_offset {
	struct kc_str topic; /* owned */
	int32_t partition;
	struct kb_offset_value value; /* metadata owned */
	int64_t record; /* -1: under way */
};

struct kb_txn_offsets { /* of one producer, not ended */
	int64_t producer_id;
	struct kb_txn_offset *v; /* owned */
	int32_t n, cap;
};

struct kb_group_offsets {
	struct kb_offset_topic *topics; /* rising name; owned */
	int32_t n, cap;
	int32_t count; /* partitions with something committed */
	struct kb_txn_offsets *txns; /* owned */
	int32_t ntxns;
};

void kb_group_offsets_fini(struct kb_group_offsets *o);

/* NULL when nothing is committed (a pending one does not count). */
const struct kb_offset *kb_group_offsets_get(
    const struct kb_group_offsets *o, struct kc_str topic, int32_t partition);
/* A commit is under way.  KC_OK or KC_ENOMEM. */
int kb_group_offsets_pend(
    struct kb_group_offsets *o, struct kc_str topic, int32_t partition);
/* It has failed. */
void kb_group_offsets_fail(
    struct kb_group_offsets *o, struct kc_str topic, int32_t partition);
/* It has come through; no-op when it is not pending any more. */
int kb_group_offsets_commit(struct kb_group_offsets *o, struct kc_str topic,
    int32_t partition, const struct kb_offset_value *v, int64_t record);
/* As read from the log, in its order. */
int kb_group_offsets_set(struct kb_group_offsets *o, struct kc_str topic,
    int32_t partition, const struct kb_offset_value *v, int64_t record);
/* Forget what is committed; commits under way stay.  False: nothing was. */
bool kb_group_offsets_remove(
    struct kb_group_offsets *o, struct kc_str topic, int32_t partition);
/* Nothing committed and nothing under way. */
bool kb_group_offsets_idle(const struct kb_group_offsets *o);

/* Transactions.  Two of one partition: the later one counts. */
int kb_group_offsets_txn_add(struct kb_group_offsets *o, int64_t producer_id,
    struct kc_str topic, int32_t partition, const struct kb_offset_value *v,
    int64_t record);
/* The append of record -1 has come through as record, or (-1) failed. */
void kb_group_offsets_txn_written(struct kb_group_offsets *o,
    int64_t producer_id, struct kc_str topic, int32_t partition,
    int64_t record);
/* The producer's transaction has ended.  KC_OK or KC_ENOMEM. */
int kb_group_offsets_txn_end(
    struct kb_group_offsets *o, int64_t producer_id, bool commit);
bool kb_group_offsets_txn_pending(
    const struct kb_group_offsets *o, struct kc_str topic, int32_t partition);

#endif
