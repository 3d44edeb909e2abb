/*
 * log -- the log of one partition: segments on disk, their indexes, the
 * state of its producers and its leader epochs.
 *
 * A kb_log is made by kb_log_dirs (dirs.h) and shared by reference; the
 * partition that serves it holds one.  After its deletion, or when its log
 * dir has failed, calls return KC_EOFFLINE and the last put frees it.
 *
 * Offsets, true whenever no lock is held:
 *   start <= lso <= hw <= end,  recovery point <= end
 * A reader is shown the end only after the bytes below it are in place.
 *
 * Locking: two locks of its own.  "write" (LK_LOG_WRITE) is held by whoever
 * changes the log, "lock" (LK_LOG) briefly by everybody for offsets, segment
 * list and producers.  Neither is held across an fsync.  The partition lock
 * is not needed for safety; callers hold it to order appends with their own
 * checks.
 *
 * Errors: KC_EIO and its like take the log dir offline before they are
 * returned; the owner of the dirs hears of it on the flush thread.
 * KC_ENOSPC leaves the log as it was, and the next append may succeed.
 *
 * Kafka: UnifiedLog, LocalLog, LogSegment.
 */
#ifndef KB_LOG_H
#define KB_LOG_H

#include "kcommon/base/str.h"
#include "kcommon/base/uuid.h"
#include "kcommon/buf/wr.h"

struct kb_log;
struct kb_topic_config;

/* What a log wants to know of its topic's configuration. */
struct kb_log_config {
	int32_t segment_bytes; /* >= 14 */
	int64_t segment_ms;
	int64_t segment_jitter_ms;
	int32_t segment_index_bytes; /* >= 4 */
	int32_t index_interval_bytes;
	int64_t flush_messages; /* INT64_MAX: never by count */
	int64_t flush_ms; /* INT64_MAX: never by age */
	int64_t retention_bytes; /* -1: no limit */
	int64_t retention_ms; /* -1: no limit */
	int64_t file_delete_delay_ms;
	int64_t min_compaction_lag_ms;
	int64_t max_compaction_lag_ms;
	int64_t delete_retention_ms; /* of tombstones, in compaction */
	double min_cleanable_ratio; /* 0 to 1 */
	bool compact; /* cleanup.policy has compact */
	bool del; /* cleanup.policy has delete */
	bool preallocate; /* reserve segment_bytes at once */
};

/* Kafka's defaults. */
extern const struct kb_log_config kb_log_config_default;
void kb_log_config_topic(
    struct kb_log_config *lc, const struct kb_topic_config *tc);

enum kb_append_origin {
	KB_APPEND_CLIENT, /* a producer: every check */
	KB_APPEND_COORDINATOR, /* our own records and transaction markers */
	KB_APPEND_REPLICA, /* fetched from the leader: offsets given */
};

/* What the producer and size checks say; KC_OK and no append unless OK. */
enum kb_verdict {
	KB_VERDICT_OK,
	KB_VERDICT_DUPLICATE, /* success; the original offsets are answered */
	KB_VERDICT_TOO_LARGE, /* RECORD_LIST_TOO_LARGE 18 */
	KB_VERDICT_SEQUENCE, /* OUT_OF_ORDER_SEQUENCE_NUMBER 45 */
	KB_VERDICT_EPOCH, /* INVALID_PRODUCER_EPOCH 47 */
	KB_VERDICT_TXN_STATE, /* INVALID_TXN_STATE 48 */
	KB_VERDICT_COORDINATOR, /* TRANSACTION_COORDINATOR_FENCED 52 */
};

/*
 * One append.  p[0..len) are whole batches back to back, already validated
 * (leader) or as fetched (replica); borrowed, and only read: offsets, epoch
 * and the patch are written into the copy in the log.
 */
struct kb_append {
	/* In. */
	const uint8_t *p;
	size_t len;
	enum kb_append_origin origin;
	int32_t leader_epoch; /* written into each batch; not for a replica */
	/* Header fields of the first batch to overwrite when patch is set. */
	bool patch;
	int16_t attributes;
	int64_t max_timestamp;
	uint32_t crc;
	uint64_t guard; /* of kb_log_verify_start(), 0 none */

	/* In and out: LogAppendTime to answer, or -1; a duplicate's own. */
	int64_t append_time;

	/* Out. */
	enum kb_verdict verdict;
	int64_t first_offset; /* -1 when nothing was appended */
	int64_t last_offset;
	int64_t start; /* log start */
	int32_t count; /* records by offset range */
};

/*
 * Appends a->p at the log end.  Leader origins: offsets are assigned here; a
 * batch with a producer id must be alone.  Replica: batches must be v0-v2
 * with a right CRC, offsets ascending from >= the log end; a cut last batch
 * is ignored.
 *
 * KC_OK (look at a->verdict), KC_ENOSPC, KC_EMALFORMED, KC_ECRC, KC_ERANGE
 * (replica: first offset below the log end), KC_EIO, KC_EOFFLINE, KC_ENOMEM.
 *
 * @thread net, fetch, control
 * @locks  takes LK_LOG_WRITE, LK_LOG
 */
int kb_log_append(struct kb_log *log, struct kb_append *a);

enum kb_isolation {
	KB_READ_END, /* followers: up to the log end */
	KB_READ_HW, /* read_uncommitted */
	KB_READ_LSO, /* read_committed */
};

struct kb_log_read {
	int64_t offset;
	int32_t max_bytes;
	bool min_one; /* the first batch whole even when over max_bytes */
	enum kb_isolation isolation;
};

/* A range of whole batches of one file; the first contains offset. */
struct kb_log_slice {
	struct kc_fileref *file; /* owned; NULL when empty */
	int64_t pos;
	int32_t len; /* 0 when there is nothing to read */
	int64_t end_offset; /* the slice holds offsets below this one */
	/* As of the read. */
	int64_t start;
	int64_t end;
	int64_t hw;
	int64_t lso;
	int64_t seg_base; /* of the segment that holds offset */
};

/*
 * Finds what to send, copying nothing.  Never waits for an append.  Reads
 * index blocks and batch headers of closed segments by pread: cold data
 * blocks here (the caller may ask file->resident about the slice itself).
 *
 * KC_OK, KC_ERANGE (offset below start or above end; bounds are filled all
 * the same), KC_EIO, KC_ECORRUPT, KC_EOFFLINE, KC_ENOMEM.
 */
int kb_log_read(
    struct kb_log *log, const struct kb_log_read *rd, struct kb_log_slice *out);
void kb_log_slice_fini(struct kb_log_slice *s);

struct kb_aborted {
	int64_t producer_id;
	int64_t first_offset;
};

/*
 * Aborted transactions that touch [offset, end_offset): malloc'ed *v of *n
 * (NULL and 0 when none).  At most KB_ABORTED_MAX, KC_ELIMIT beyond.
 */
#define KB_ABORTED_MAX 1000000
int kb_log_aborted(struct kb_log *log, int64_t offset, int64_t end_offset,
    struct kb_aborted **v, int *n);

/* A reference more / less.  @thread any */
struct kb_log *kb_log_get(struct kb_log *log);
void kb_log_put(struct kb_log **logp);

/* Constant names: "t", 0, "t-0", "/data"; valid while a reference is held. */
const char *kb_log_topic(const struct kb_log *log);
int32_t kb_log_partition(const struct kb_log *log);
const char *kb_log_name(const struct kb_log *log);
const char *kb_log_dir_path(const struct kb_log *log);
bool kb_log_offline(const struct kb_log *log);

struct kb_log_bounds {
	int64_t start;
	int64_t lso;
	int64_t hw;
	int64_t end;
	int64_t recovery_point;
};

void kb_log_bounds(struct kb_log *log, struct kb_log_bounds *b);
/* Single values without a lock; each is exact, pairs may not fit together. */
int64_t kb_log_start(const struct kb_log *log);
int64_t kb_log_end(const struct kb_log *log);
int64_t kb_log_hw(const struct kb_log *log);
int64_t kb_log_lso(const struct kb_log *log);
int64_t kb_log_size(struct kb_log *log); /* bytes of all segments */
int kb_log_segments(struct kb_log *log); /* how many */

/*
 * The high watermark becomes hw, clamped to [start, end].  True when it
 * changed.  The caller decides that it may move.
 */
bool kb_log_set_hw(struct kb_log *log, int64_t hw);
/*
 * DeleteRecords, or the leader's log start: raise the start to offset <= hw.
 * Whole segments below go with the next retention run.  KC_ERANGE over hw;
 * below the present start nothing happens.
 */
int kb_log_raise_start(struct kb_log *log, int64_t offset);

/*
 * Drop everything at and above offset; at or above the end only epochs that
 * have no record go.  Below the first segment everything goes.  The high
 * watermark follows.
 */
int kb_log_truncate(struct kb_log *log, int64_t offset);
/* Empty the log and begin again at offset. */
int kb_log_truncate_full(struct kb_log *log, int64_t offset);

/* Topic id, zero when the log has none (partition.metadata absent). */
void kb_log_topic_id(struct kb_log *log, struct kc_uuid *id);
/*
 * Give a log without id its id; written and synced before it returns.
 * KC_EINVAL when it has another one.
 */
int kb_log_set_topic_id(struct kb_log *log, const struct kc_uuid *id);

void kb_log_set_config(struct kb_log *log, const struct kb_log_config *lc);
void kb_log_get_config(struct kb_log *log, struct kb_log_config *lc);

/* Leader epochs. */

/*
 * We lead epoch from offset on.  Entries that contradict it (epoch or start
 * not below) go; no-op when it is the latest already.
 */
int kb_log_assign_epoch(struct kb_log *log, int32_t epoch, int64_t offset);
int32_t kb_log_latest_epoch(struct kb_log *log); /* -1 none */
/*
 * Where epoch ends (OffsetForLeaderEpoch): *found is that epoch or the
 * largest one below it, -1 with *end -1 when undefined.
 */
void kb_log_epoch_end(
    struct kb_log *log, int32_t epoch, int32_t *found, int64_t *end);
int32_t kb_log_epoch_at(struct kb_log *log, int64_t offset); /* -1 unknown */

/* ListOffsets. */

struct kb_log_at {
	int64_t offset; /* -1 none */
	int64_t timestamp;
	int32_t leader_epoch; /* -1 unknown */
};

/* First record with a timestamp >= ts at or above the log start. */
int kb_log_find_timestamp(struct kb_log *log, int64_t ts, struct kb_log_at *at);
int kb_log_find_max_timestamp(struct kb_log *log, struct kb_log_at *at);
/*
 * ListOffsets v0: up to max offsets, descending, of segments last written
 * before ts (-1 latest, -2 earliest).  Returns how many.
 */
int kb_log_offsets_before(
    struct kb_log *log, int64_t ts, int max, int64_t *offsets);

/* Producers. */

struct kb_producer_info {
	int64_t producer_id;
	int16_t epoch;
	int32_t last_seq; /* -1 none */
	int64_t last_timestamp;
	int32_t coordinator_epoch; /* -1 none */
	int64_t txn_start; /* -1 no open transaction */
};

/* A malloc'ed copy of the live producers (DescribeProducers). */
int kb_log_producers(struct kb_log *log, struct kb_producer_info **v, int *n);
bool kb_log_txn_open(struct kb_log *log, int64_t producer_id);
/*
 * A producer's first batch of a transaction must be verified with its
 * coordinator (KIP-890): the guard to hand in with the append, or 0 when
 * the transaction is open already and nothing need be asked.
 */
int kb_log_verify_start(struct kb_log *log, int64_t producer_id, int16_t epoch,
    int32_t first_seq, uint64_t *guard);

#endif
