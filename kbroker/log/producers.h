/*
 * producers -- what a log knows of the producers that write to it: their
 * last five batches (idempotence) and their transactions.
 *
 * The state is a function of the log alone: a snapshot file plus the batches
 * after it.  Deciding (kb_producer_judge) is apart from recording, which
 * cannot fail once space was reserved.  Kafka: ProducerStateManager,
 * ProducerAppendInfo, VerificationStateEntry.
 *
 * Limits: KB_PRODUCERS_MAX producers a log; beyond it a new one is refused
 * with KC_ELIMIT until others expire.
 *
 * @locks the log's: changed with both locks held, read with either
 */
#ifndef KB_LOG_PRODUCERS_H
#define KB_LOG_PRODUCERS_H

#include "kbroker/log/log.h"
#include "kbroker/log/txn_index.h"
#include "kcommon/io/file.h"

#include <uthash.h>

#define KB_PRODUCER_BATCHES 5
#define KB_PRODUCERS_MAX 4000000

struct kb_producer_batch {
	int32_t last_seq;
	int32_t delta; /* last offset - first offset */
	int64_t last_offset;
	int64_t timestamp;
};

struct kb_producer {
	UT_hash_handle hh;
	int64_t id;
	int16_t epoch; /* -1: nothing known yet */
	int8_t nbatches;
	int32_t coordinator_epoch; /* -1 none */
	int64_t last_timestamp; /* -1 none */
	int64_t txn_first; /* first offset of the open transaction; -1 none */
	struct kb_producer *prev, *next; /* open transactions, oldest first */
	struct kb_producer_batch batch[KB_PRODUCER_BATCHES]; /* oldest first */
};

/* A transaction that is being verified with its coordinator. */
struct kb_verification {
	UT_hash_handle hh;
	int64_t id;
	uint64_t guard;
	int64_t created_ms;
	int32_t lowest_seq;
	int16_t epoch;
};

/* Ended, but its marker is not below the high watermark yet. */
struct kb_ended_txn {
	int64_t first;
	int64_t last; /* of the marker */
};

struct kb_producers {
	struct kb_producer *map;
	struct kb_producer *open; /* utlist of open transactions */
	struct kb_verification *verifying;
	struct kb_ended_txn *ended; /* ascending last */
	int nended, ended_cap;
	uint64_t guard_last;
	int64_t end; /* the state is that of the log below this offset */
	int64_t snapshot; /* offset of the newest snapshot file; -1 none */
};

void kb_producers_init(struct kb_producers *ps);
void kb_producers_fini(struct kb_producers *ps);
/* Forget everything; the state is that of an empty log at offset. */
void kb_producers_reset(struct kb_producers *ps, int64_t offset);

/* What the batch in question is. */
struct kb_producer_ask {
	int64_t id;
	int16_t epoch;
	int32_t first_seq;
	int32_t last_seq;
	bool txn;
	bool control;
	int32_t coordinator_epoch; /* of a marker */
	uint64_t guard;
	enum kb_append_origin origin;
	bool verify; /* transactions must be verified */
};

/*
 * May this batch be appended?  Pure.  p and v may be NULL (nothing known);
 * *dup is set with KB_VERDICT_DUPLICATE, and borrows from p.
 */
enum kb_verdict kb_producer_judge(const struct kb_producer *p,
    const struct kb_verification *v, const struct kb_producer_ask *ask,
    const struct kb_producer_batch **dup);

struct kb_producer *kb_producers_find(
    const struct kb_producers *ps, int64_t id);
struct kb_verification *kb_producers_verifying(
    const struct kb_producers *ps, int64_t id);
/* Room to record a batch of id: KC_ENOMEM, KC_ELIMIT. */
int kb_producers_reserve(struct kb_producers *ps, int64_t id);

struct kb_producer_data {
	int64_t id;
	int16_t epoch;
	int32_t last_seq;
	int64_t timestamp;
	int64_t first_offset;
	int64_t last_offset;
	bool txn;
};

/* A data batch is in the log; space was reserved. */
void kb_producers_data(
    struct kb_producers *ps, const struct kb_producer_data *d);

struct kb_producer_marker {
	int64_t id;
	int16_t epoch;
	int32_t coordinator_epoch;
	int64_t timestamp;
	int64_t offset; /* of the marker */
};

/*
 * Would this marker end a transaction?  Then *a says what to write into the
 * transaction index if it is an abort.
 */
bool kb_producers_would_end(const struct kb_producers *ps,
    const struct kb_producer_marker *m, struct kb_aborted_txn *a);
/* A marker is in the log; space was reserved.  Stale epochs are ignored. */
void kb_producers_marker(
    struct kb_producers *ps, const struct kb_producer_marker *m);

/* Everything below hw is replicated. */
void kb_producers_hw(struct kb_producers *ps, int64_t hw);
/* The log starts at start now. */
void kb_producers_start(struct kb_producers *ps, int64_t start);
/* First offset of a transaction that readers must wait for; -1 none. */
int64_t kb_producers_first_unstable(const struct kb_producers *ps);
/* Drop producers and verifications that have been idle for too long. */
void kb_producers_expire(
    struct kb_producers *ps, int64_t now_ms, int64_t expiration_ms);
/* 0 when the transaction is open already. */
int kb_producers_verify(struct kb_producers *ps, int64_t id, int16_t epoch,
    int32_t first_seq, int64_t now_ms, uint64_t *guard);

/*
 * Snapshot files.  The bytes of the state as of ps->end; malloc'ed.
 */
int kb_snapshot_bytes(const struct kb_producers *ps, char **p, size_t *len);
/*
 * Replaces the state with that of the file, as of offset.  Producers that
 * have expired by now_ms are left out.  KC_ENOENT, KC_ECORRUPT, KC_EIO.
 */
int kb_snapshot_load(struct kb_producers *ps, const struct kc_file_ops *f,
    int dirfd, const char *path, int64_t offset, int64_t now_ms,
    int64_t expiration_ms);

#endif
