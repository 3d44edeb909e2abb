/*
 * log_priv -- inside of a partition log, for the files of this folder.
 */
#ifndef KB_LOG_PRIV_H
#define KB_LOG_PRIV_H

#include "kbroker/locks.h"
#include "kbroker/log/epochs.h"
#include "kbroker/log/log.h"
#include "kbroker/log/producers.h"
#include "kbroker/log/segment.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/env.h"
#include "kcommon/base/refcount.h"
#include "kcommon/record/batch.h"

#define KB_LOG_NAME "kafka.log.UnifiedLog" /* logger */

/* What a log knows of the log dir it is in. */
struct kb_log_host {
	const struct kc_env *env;
	const char *path;
	int dirfd;
	int64_t producer_expiration_ms;
	bool verify_transactions;
	atomic_bool offline;
	/* log->work went from none to some: queue it.  Locks are held. */
	void (*kick)(struct kb_log_host *h, struct kb_log *log);
	/* The disk failed: go offline; only posts.  Locks are held. */
	void (*fail)(struct kb_log_host *h, int rc, const char *what);
};

enum kb_log_work { /* bits: what the flush thread is asked for */
	KB_WORK_FLUSH = 1, /* sync up to flush_to */
	KB_WORK_EPOCHS = 2, /* write leader-epoch-checkpoint */
	KB_WORK_CHECKPOINT = 4, /* the dir's recovery points went back */
	KB_WORK_AHEAD = 8, /* space ahead of the writer */
};

/* Boundaries of batches at the end of the active segment, newest last. */
#define KB_RING 16
struct kb_ring {
	struct {
		int64_t offset;
		int64_t pos;
	} v[KB_RING];
	unsigned n; /* ever pushed since the last reset */
};

/* An append of this size is written, a smaller one copied into the map. */
#define KB_TAIL_WRITE 4096

/*
 * The end of the active segment, mapped once small appends come.  Only the
 * holder of LK_LOG_WRITE touches it; readers use pread and sendfile, which
 * see the same pages.
 */
struct kb_tail {
	uint8_t *map; /* NULL: not mapped */
	int64_t from; /* file position of map[0], a page boundary */
	size_t len;
	int64_t reserved; /* bytes of the file that have space */
	int64_t step; /* next growth */
	int64_t used_ns;
};

struct kb_log {
	unsigned magic;
#define KB_LOG_MAGIC 0x1062a7e5
	struct kc_ref ref;

	/* Constant. */
	struct kb_log_host *host;
	struct kb_place pl;
	char *topic;
	int32_t partition;
	enum kb_folder_kind kind;

	struct kc_lock write; /* LK_LOG_WRITE */
	struct kc_lock lock; /* LK_LOG, taken after write */
	atomic_bool closed; /* deleted, or the dirs are closing */

	/* Changed with both locks held, read with either. */
	struct kb_segment **seg; /* ascending base, the last is active */
	int nseg, seg_cap;
	struct kb_log_config cfg;
	struct kb_producers ps; /* but ps.ended: LK_LOG alone */
	struct kb_epochs ep;
	struct kc_uuid topic_id;
	uint64_t gen; /* counts truncations and deletions */
	struct kb_ring ring;

	/* Changed with "lock" held; loads need none. */
	_Atomic int64_t start;
	_Atomic int64_t end;
	_Atomic int64_t hw;
	_Atomic int64_t lso;
	_Atomic int64_t recovery_point;
	int64_t flush_to; /* lock */
	int64_t flushed_ms; /* lock; wall clock of the last flush */

	/* Compaction (clean_turn.c), with "lock" held. */
	bool turn; /* a thread is at the closed segments */
	atomic_int barred; /* no turns while it is not 0 */
	struct kc_cond turn_over;
	int64_t cleaned; /* compacted once up to here; -1 nothing known */
	bool uncleanable; /* until the next start */

	/* With "write" held. */
	struct kb_tail tail;
	int64_t snapshot_unsynced; /* newest snapshot not synced; -1 none */

	atomic_uint work; /* enum kb_log_work */
	struct kb_log *work_next; /* host's queue, its lock */
};

static inline struct kb_segment *
kb_log_active(const struct kb_log *log)
{
	return log->seg[log->nseg - 1];
}

static inline int64_t
kb_log_now_ms(const struct kb_log *log)
{
	return kc_wall_ms(log->host->env->clock);
}

static inline int64_t
kb_log_now_ns(const struct kb_log *log)
{
	return kc_mono_ns(log->host->env->clock);
}

static inline bool
kb_log_usable(const struct kb_log *log)
{
	return !atomic_load_explicit(&log->closed, memory_order_acquire) &&
	    !atomic_load_explicit(&log->host->offline, memory_order_acquire);
}

/* log.c */

struct kb_log_open {
	const char *folder;
	const char *topic;
	int32_t partition;
	enum kb_folder_kind kind;
	struct kb_log_config cfg;
	/* From the checkpoints; 0 when they have no line. */
	int64_t recovery_point;
	int64_t start;
	int64_t hw;
	int64_t cleaned; /* -1 none */
	bool clean; /* the last stop was */
};

/* Loads, and recovers, what is in the folder (recover.c). */
int kb_log_open(struct kb_log **logp, struct kb_log_host *host,
    const struct kb_log_open *in);
/*
 * No more use: flush (when clean), snapshot at the end, files cut.  The
 * object lives on while references do.  The flush thread has stopped.
 */
int kb_log_close(struct kb_log *log, bool clean);
/* Like a close of a log whose folder has just been renamed. */
void kb_log_abandon(struct kb_log *log);

/*
 * Passes rc on.  What a disk may not answer takes the log dir offline; a
 * full one, and lack of memory or descriptors, do not.
 */
int kb_log_disk(struct kb_log *log, int rc, const char *what);
void kb_log_kick(struct kb_log *log, unsigned work);
int kb_log_add_segment(struct kb_log *log, struct kb_segment *seg);
struct kb_segment *kb_log_segment_ref(struct kb_segment *seg);
/* Takes LK_LOG. */
void kb_log_segment_unref(struct kb_log *log, struct kb_segment **segp);
/* Index of the segment that may hold offset: the last with base <= it; -1. */
int kb_log_segment_at(const struct kb_log *log, int64_t offset);
/* Segments [from, from + n) leave the list, unreferenced ones are freed. */
void kb_log_drop_segments(struct kb_log *log, int from, int n);
void kb_log_update_lso(struct kb_log *log); /* @locks LK_LOG held */
void kb_ring_reset(struct kb_log *log);
void kb_ring_push(struct kb_log *log, int64_t offset, int64_t pos);
/* Largest boundary at or below offset; false when the ring has none. */
bool kb_ring_floor(
    const struct kb_log *log, int64_t offset, int64_t *found, int64_t *pos);

/* tail.c */

/* Room for len bytes after the active segment's end, mapped if that few. */
int kb_tail_room(struct kb_log *log, size_t len, int64_t now_ns);
int kb_tail_unmap(struct kb_log *log);
/* Is it time for kb_tail_ahead()? */
bool kb_tail_wants_ahead(const struct kb_log *log);
/* Reserves space before the appender needs it.  @thread flush, no locks */
int kb_tail_ahead(struct kb_log *log);
/* The file was cut: nothing is reserved beyond size. */
void kb_tail_reset(struct kb_log *log, int64_t size);

/* roll.c: LK_LOG_WRITE held */

/* New active segment at base. */
int kb_log_roll(struct kb_log *log, int64_t base);
/* Write N.snapshot of the present state unless there is one. */
int kb_log_take_snapshot(struct kb_log *log);

/* append.c */

/*
 * Records in ps a batch that is in the log.  b->p is whole when it is a
 * control batch.  Aborted transactions go into the open transaction index of
 * seg, unless that is NULL.
 */
int kb_log_note_batch(
    struct kb_producers *ps, struct kb_segment *seg, const struct kc_batch *b);
/* True and what the marker says, when b (whole) is one of a transaction. */
bool kb_log_marker(
    const struct kc_batch *b, struct kb_producer_marker *m, bool *commit);

/* recover.c */
int kb_log_load(struct kb_log *log, const struct kb_log_open *in);

/* files.c */

/* The files of segments in the folder, by base, kind and state. */
struct kb_files {
	struct kb_file_name *v; /* owned */
	int n;
	int cap;
};

int kb_files_list(struct kb_files *fs, const struct kb_place *pl);
void kb_files_fini(struct kb_files *fs);
/* Leftovers of deletions and compactions that did not finish. */
int kb_files_tidy(const struct kb_place *pl);
/* Unlink snapshots at or below low and above high. */
int kb_files_trim_snapshots(
    const struct kb_place *pl, int64_t low, int64_t high);

/*
 * Unlink snapshots that are not at a segment's base, but for the newest, and
 * keep that at the end.
 */
int kb_files_stray_snapshots(struct kb_log *log);

/* replay.c */

/*
 * The producers' state as of offset: newest good snapshot, and what comes
 * after it.  clean: no snapshot means that there are no producers.
 * @locks LK_LOG_WRITE held (or the log is being loaded); takes LK_LOG
 */
int kb_log_reload_producers(struct kb_log *log, int64_t offset, bool clean);
/* Brings ps from ps->end to offset. */
int kb_log_replay(struct kb_log *log, struct kb_producers *ps, int64_t offset);

/* rebuild.c */

/*
 * One segment from its first byte: checksums, new indexes, epochs and
 * producers (whose state is that of the segment's base).  *valid is where
 * the first bad batch starts, *next the offset after the last good one.
 */
int kb_log_rebuild_segment(
    struct kb_log *log, struct kb_segment *seg, int64_t *valid, int64_t *next);

/* Index entries for a batch that begins at pos, by the rule of an append. */
int kb_log_index_batch(struct kb_log *log, struct kb_segment *seg,
    const struct kc_batch *b, int64_t pos);

/* read.c */

/*
 * Aborted transactions that touch [offset, end): malloc'ed *v of *n, by
 * marker.  KC_ELIMIT over max.
 */
int kb_log_aborted_txns(struct kb_log *log, int64_t offset, int64_t end,
    int max, struct kb_aborted_txn **v, int *n);

/* clean_turn.c */

/*
 * Whoever removes or replaces closed segments has the turn: compaction and
 * retention.  Truncation and deletion bar others from it first.  False: the
 * turn is taken or barred, or the log is not usable.
 */
bool kb_log_turn_take(struct kb_log *log);
void kb_log_turn_drop(struct kb_log *log);
/* Waits until the present turn has ended; who has it is told to hurry. */
void kb_log_bar(struct kb_log *log);
void kb_log_unbar(struct kb_log *log);
/* Who has the turn should give it up. */
static inline bool
kb_log_barred(const struct kb_log *log)
{
	return atomic_load_explicit(&log->barred, memory_order_relaxed) != 0;
}

/* flush.c: on the flush thread */

int kb_log_flush(struct kb_log *log, int64_t upto);
int kb_log_write_epochs(struct kb_log *log);
/*
 * Do what was asked for.  *checkpoint when the dir's checkpoints must be
 * written.  KC_OK or the error that took the dir offline.
 */
int kb_log_work(struct kb_log *log, bool *checkpoint);
/* flush.ms */
int kb_log_check_flush(struct kb_log *log);
void kb_log_expire_producers(struct kb_log *log);
/* Unmap and close what nobody has used for a while. */
int kb_log_cool(struct kb_log *log);

/* truncate.c */

/*
 * max_ts of the segment from its time index (and, with scan, from what comes
 * after its last entry), and first_ts.  The descriptors are open.
 */
int kb_log_find_times(struct kb_log *log, struct kb_segment *seg, bool scan);
/* Start over with one empty segment.  Both locks held. */
int kb_log_restart(struct kb_log *log, int64_t offset);

/* retain.c: on the flush and clean threads */

/* When the file last changed; now when that cannot be told. */
int64_t kb_log_segment_mtime(struct kb_log *log, int64_t base);
/*
 * Apply retention, unless somebody else has the turn: bases of segments that
 * were renamed to .deleted go to fn.  KC_OK or the error.
 */
int kb_log_retain(struct kb_log *log,
    void (*fn)(void *arg, struct kb_log *log, int64_t base), void *arg);

#endif
