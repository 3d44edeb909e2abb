/*
 * dirs_priv -- inside of the log dirs, for the files of this folder.
 */
#ifndef KB_LOG_DIRS_PRIV_H
#define KB_LOG_DIRS_PRIV_H

#include "kbroker/log/checkpoint.h"
#include "kbroker/log/dirs.h"
#include "kbroker/log/log_priv.h"
#include "kcommon/base/thread.h"

#include <uthash.h>

#define KB_DIRS_NAME "kafka.log.LogManager" /* logger */

/* What waits for its time to be removed. */
struct kb_trash {
	struct kb_trash *next;
	int64_t due_ns;
	int64_t base; /* of a segment; -1: the whole folder */
	char folder[KB_NAME_MAX];
};

enum kb_dir_task { /* what the flush thread does now and then */
	KB_TASK_FLUSH_CHECK,
	KB_TASK_RECOVERY_POINTS,
	KB_TASK_STARTS,
	KB_TASK_HW,
	KB_TASK_CLEANED,
	KB_TASK_RETENTION,
	KB_TASK_PRODUCERS,
	KB_TASK_COOL,
};
#define KB_DIR_TASKS 8

struct kb_dir {
	struct kb_log_host host; /* first: host is the dir */
	struct kb_log_dirs *dirs;
	char *path; /* owned */
	int lock_fd; /* -1 none */
	bool has_meta;
	bool clean; /* the last stop was */
	bool loaded; /* every log of it */
	int nlogs; /* LK_LOG_DIRS */

	/* Load only. */
	struct kb_offsets recovery, starts, hws, cleaned;

	struct kc_lock work_lock; /* LK_LOG_WORK: queue, trash, due, stop */
	struct kc_cond work_cond;
	struct kb_log *queue_head, *queue_tail; /* each holds a reference */
	struct kb_trash *trash;
	int64_t due_ns[KB_DIR_TASKS];
	bool woken;
	bool stop;

	/* The flush thread's own. */
	bool reported; /* that it is offline */
	uint64_t written[4]; /* what the checkpoints hold: length and CRC */
	struct kc_thread *thread;
};

struct kb_dirs_entry {
	UT_hash_handle hh;
	struct kb_log *log; /* reference; NULL while it is being made */
	struct kb_dir *dir;
	char name[KB_NAME_MAX]; /* key: the folder's name */
};

struct kb_log_dirs {
	unsigned magic;
#define KB_LOG_DIRS_MAGIC 0xd125f01d
	const struct kc_env *env;
	struct kb_log_events events;
	struct kb_log_dirs_config cfg;
	struct kb_dir *dir; /* owned array */
	int ndirs;

	struct kc_lock lock; /* LK_LOG_DIRS */
	struct kb_dirs_entry *table;
	struct kb_log_config defaults; /* of topics */
};

static inline bool
kb_dir_online(const struct kb_dir *dir)
{
	return !atomic_load_explicit(&dir->host.offline, memory_order_acquire);
}

/* dirs_work.c */

/* Everything that is to be done by now; returns when to call again. */
int64_t kb_dir_work(struct kb_dir *dir);
void kb_dir_main(void *arg); /* the flush thread */
void kb_dir_wake(struct kb_dir *dir);
/* First run of each task counts from now. */
void kb_dir_schedule(struct kb_dir *dir);
void kb_dir_discard(
    struct kb_dir *dir, const char *folder, int64_t base, int64_t delay_ms);
/* Ask for checkpoint task t at once. */
void kb_dir_soon(struct kb_dir *dir, enum kb_dir_task t);
/*
 * The four checkpoints of a dir.  An I/O error takes it offline.
 */
int kb_dir_checkpoint(struct kb_dir *dir, enum kb_dir_task which);
/* References to the logs of dir (or of all, NULL); malloc'ed. */
int kb_dirs_logs(struct kb_log_dirs *dirs, const struct kb_dir *dir,
    struct kb_log ***v, int *n);
void kb_dirs_logs_put(struct kb_log **v, int n);
/* Tells the owner when dir has gone offline since. */
void kb_dir_report(struct kb_dir *dir);
void kb_dir_fail(struct kb_log_host *h, int rc, const char *what);
void kb_dir_kick(struct kb_log_host *h, struct kb_log *log);

/* dirs.c */

/* KC_EEXIST when the name is taken; log may be NULL for now. */
int kb_dirs_insert(struct kb_log_dirs *dirs, struct kb_dir *dir,
    const char *name, struct kb_log *log);

#endif
