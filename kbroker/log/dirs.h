/*
 * dirs -- the log dirs of a broker: their identity, the logs in them, and
 * the threads that flush, retain and delete (Kafka: LogManager).
 *
 * Order of a start: open (folders, .lock, meta.properties read), identity
 * (meta.properties agreed and written), load (every log, recovering after an
 * unclean stop), start (one flush thread a dir).  A simulator leaves start
 * out and calls tick.
 *
 * A dir whose disk fails goes offline alone: its logs answer KC_EOFFLINE,
 * it is not flushed, checkpointed or marked clean any more, and
 * events->dir_offline is called on its flush thread (or in load, identity
 * and tick) with no lock held.
 */
#ifndef KB_LOG_DIRS_H
#define KB_LOG_DIRS_H

#include "kbroker/log/log.h"
#include "kcommon/base/env.h"

struct kb_log_dirs;

struct kb_log_events {
	void *arg;
	/* path is offline from now on; left are still online. */
	void (*dir_offline)(void *arg, const char *path, int left);
	/* Load: the configuration of topic; leave *lc for the defaults. */
	void (*topic_config)(
	    void *arg, const char *topic, struct kb_log_config *lc);
};

/* From the broker's configuration; constant. */
struct kb_log_dirs_config {
	const char *const *paths; /* log.dirs; borrowed during open */
	int npaths; /* 1..KB_LOG_DIRS_MAX */
	int recovery_threads; /* num.recovery.threads.per.data.dir */
	int64_t flush_check_ms; /* log.flush.scheduler.interval.ms */
	int64_t recovery_checkpoint_ms; /* log.flush.offset.checkpoint... */
	int64_t start_checkpoint_ms; /* log.flush.start.offset.checkpoint... */
	int64_t hw_checkpoint_ms; /* replica.high.watermark.checkpoint... */
	int64_t retention_check_ms; /* log.retention.check.interval.ms */
	int64_t initial_delay_ms; /* log.initial.task.delay.ms */
	int64_t producer_expiration_ms; /* producer.id.expiration.ms */
	int64_t producer_check_ms; /* ...expiration.check.interval.ms */
	bool verify_transactions; /* transaction.partition.verification... */
	struct kb_log_config log; /* the broker's defaults for topics */
};
#define KB_LOG_DIRS_MAX 64

extern const struct kb_log_dirs_config kb_log_dirs_config_default;

/* What meta.properties say; all dirs agree. */
struct kb_log_identity {
	int32_t broker_id; /* -1 not stored anywhere */
	char cluster_id[64]; /* "" not stored anywhere */
};

/*
 * Makes missing folders, takes each .lock, reads each meta.properties into
 * *id.  A dir that fails on I/O is offline and the rest go on.  KC_OK,
 * KC_EIO (every dir failed), KC_EBUSY (locked by another process),
 * KC_ECORRUPT (a meta.properties is wrong or they disagree; logged).
 * env and events must outlive the dirs; config is copied.
 */
int kb_log_dirs_open(struct kb_log_dirs **dirsp, const struct kc_env *env,
    const struct kb_log_dirs_config *config, const struct kb_log_events *events,
    struct kb_log_identity *id);

/*
 * The broker is id (both parts set).  KC_EINVAL when a dir says otherwise
 * (logged); missing meta.properties are written.
 */
int kb_log_dirs_identity(
    struct kb_log_dirs *dirs, const struct kb_log_identity *id);

/*
 * Loads every log.  KC_OK, KC_ECORRUPT (a folder that is no partition, a
 * partition in two dirs: fatal as in Kafka), KC_EIO (no dir left).
 */
int kb_log_dirs_load(struct kb_log_dirs *dirs);
int kb_log_dirs_start(struct kb_log_dirs *dirs);

/*
 * Stops the threads and closes every log: flush, producer snapshot at the
 * end, checkpoints, and last the clean shutdown marker of each dir where all
 * of it succeeded.  clean false skips all that (a test's kill).
 */
void kb_log_dirs_close(struct kb_log_dirs **dirsp, bool clean);

/*
 * What the flush threads would do by now: for the simulator, which has none.
 * Returns the monotonic time in ns at which to call again at the latest.
 */
int64_t kb_log_dirs_tick(struct kb_log_dirs *dirs);

/*
 * The log of a partition; *logp is a new reference.  KC_OK, KC_ENOENT,
 * KC_EOFFLINE (it is known to be in a dir that failed).  @thread any
 */
int kb_log_dirs_find(struct kb_log_dirs *dirs, const char *topic,
    int32_t partition, struct kb_log **logp);

struct kb_log_create {
	const char *topic; /* valid: [a-zA-Z0-9._-]{1,249} */
	int32_t partition;
	struct kc_uuid topic_id; /* zero: none */
	const struct kb_log_config *config; /* NULL: the defaults */
	/*
	 * The controller says it is new.  Otherwise KC_EOFFLINE while any dir
	 * is offline, because the log may be there.
	 */
	bool is_new;
};

/*
 * Finds or makes the log, in the dir with the fewest.  partition.metadata is
 * on disk when it returns; the folder's own name is with the first flush.
 * KC_OK, KC_EOFFLINE, KC_EIO, KC_ENOSPC, KC_EBUSY (another thread is making
 * or closing it), KC_EINVAL (a bad topic name), KC_ENOMEM.
 */
int kb_log_dirs_create(struct kb_log_dirs *dirs, const struct kb_log_create *c,
    struct kb_log **logp);

/*
 * Delete a partition: its folder is renamed to ...-delete and removed after
 * log.segment.delete.delay.ms.  Readers that hold slices go on.  KC_OK,
 * KC_ENOENT, KC_EOFFLINE, KC_EIO.
 */
int kb_log_dirs_delete(
    struct kb_log_dirs *dirs, const char *topic, int32_t partition);

/* Calls fn with each log of this broker; no lock is held.  Stops at != 0. */
int kb_log_dirs_each(struct kb_log_dirs *dirs,
    int (*fn)(void *arg, struct kb_log *log), void *arg);

struct kb_log_dir_info {
	const char *path; /* valid while dirs is */
	bool offline;
	int64_t total_bytes; /* of the file system; -1 unknown */
	int64_t usable_bytes;
};

int kb_log_dirs_count(const struct kb_log_dirs *dirs);
void kb_log_dirs_info(
    struct kb_log_dirs *dirs, int i, struct kb_log_dir_info *info);
/* Write all replication-offset-checkpoint files soon. */
void kb_log_dirs_checkpoint_hw(struct kb_log_dirs *dirs);
/* Change of the broker's defaults: for logs loaded or made from now on. */
void kb_log_dirs_set_defaults(
    struct kb_log_dirs *dirs, const struct kb_log_config *lc);

#endif
