/*
 * coord_priv -- the inside of the coordinator (coordinator.h).
 *
 * Timers.  A group's due_ms may move earlier on any thread; the wheel belongs
 * to the coordinator's loop.  So a group posts its arm task there, once at a
 * time, and the loop sets the timer.  A group that has left the table is freed
 * by that task, on the loop, where no timer of it can be running.
 */
#ifndef KB_COORD_PRIV_H
#define KB_COORD_PRIV_H

#include "kbroker/group/coordinator.h"
#include "kbroker/group/records.h"
#include "kbroker/replica/partition.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/thread.h"
#include "kcommon/record/build.h"

#define KB_COORD_LOGGER "kafka.coordinator.group.GroupCoordinator"
#define KB_META_LOGGER "kafka.coordinator.group.GroupMetadataManager"

enum kb_shard_state {
	KB_SHARD_ELSEWHERE, /* NOT_COORDINATOR */
	KB_SHARD_LOADING,
	KB_SHARD_OWNED,
	KB_SHARD_FAILED, /* ours, but unreadable */
};

/* An append that waits for replicas. */
struct kb_write {
	struct kb_write *next;
	int64_t required; /* high watermark to wait for */
	int32_t leader_epoch;
	int64_t due_ms;
	int64_t first; /* offset of its first record */
	/* Either a commit, or the record of a group. */
	struct kb_commit *commit;
	struct kb_group_store store;
	struct kc_str group; /* of the store; owned */
};

/* What to call once the lock is free. */
struct kb_finished {
	struct kb_group_out out;
	struct kb_commit *commits; /* newest first */
};

struct kb_shard {
	struct kb_coord *coord;
	int32_t index;
	struct kb_shard *load_next; /* in the loader's queue; coord->lock */
	bool load_queued; /* coord->lock */

	struct kc_lock lock; /* LK_GROUP */
	/* Guarded by lock. */
	enum kb_shard_state state;
	int32_t epoch; /* the highest leader epoch heard of */
	uint32_t term; /* counts roles: a load of an old one is dropped */
	struct kb_partition *part; /* own reference; NULL: elsewhere */
	struct kb_group *groups;
	struct kb_write *writes, *writes_last; /* in the order of the log */
	struct kb_waiter waiter; /* on part's list while there are writes */
	struct kc_wr batch; /* scratch */
	struct kc_wr record; /* scratch */
	struct kc_compress_ctx *compress; /* NULL unless we compress */

	struct kc_task wake; /* look at the writes */
	atomic_bool woken; /* wake is posted */
	struct kc_timer timer; /* of the first write; the loop's */
};

struct kb_coord {
	unsigned magic;
#define KB_COORD_MAGIC 0xc00c8d17
	const struct kc_env *env;
	struct kb_coord_config config;
	struct kc_loop *loop; /* timers, wakes */
	struct kc_thread *thread;
	atomic_int partitions; /* 0: not known yet */
	atomic_int lingering; /* groups that wait to be freed */
	atomic_bool stopping;

	struct kc_lock lock; /* a leaf */
	/* Guarded by lock. */
	struct kb_shard **shards; /* by partition; NULL: never heard of */
	int32_t nshards;
	struct kb_shard *load_head, *load_tail;

	/* The loop's. */
	struct kc_offload loader;
	bool loader_runs;
	struct kc_timer expire;
};

struct kb_now kb_coord_now(const struct kb_coord *c);

/* --- shards (coordinator.c) ----------------------------------------------- */

/* NULL: never heard of. */
struct kb_shard *kb_coord_shard(struct kb_coord *c, int32_t partition);
/* The group's shard, locked, when NONE. */
int16_t kb_coord_enter(
    struct kb_coord *c, struct kc_str group, struct kb_shard **sp);
struct kb_group *kb_shard_find(struct kb_shard *s, struct kc_str group);
/* A new, empty group in the table; NULL when out of memory. */
struct kb_group *kb_shard_make(
    struct kb_shard *s, struct kc_str group, struct kb_now now);
void kb_shard_adopt(struct kb_shard *s, struct kb_group *grp);
/* Out of the table; who waits in it gets code. */
void kb_shard_forget(struct kb_shard *s, struct kb_group *grp, int16_t code,
    struct kb_group_out *out);
/* After an event: write what it wants written, set the timer. */
void kb_shard_settle(struct kb_shard *s, struct kb_group *grp,
    struct kb_finished *f, struct kb_now now);
/*
 * The lock is free: call back, except skip.  True when skip was among
 * them.
 */
bool kb_finished_run(struct kb_finished *f, const struct kb_group_wait *skip);

/* --- the log (coord_write.c) ---------------------------------------------- */

/* A batch of records for s->part; producer_id -1: none. */
struct kb_writing {
	struct kc_build build;
	int64_t now_ms;
	int32_t n;
	uint64_t guard; /* of a transaction; 0: none */
};

void kb_writing_open(struct kb_shard *s, struct kb_writing *w, int64_t now_ms,
    int64_t producer_id, int16_t producer_epoch);
void kb_writing_offset(struct kb_shard *s, struct kb_writing *w,
    struct kc_str group, struct kc_str topic, int32_t partition,
    const struct kb_offset_value *v); /* NULL: a tombstone */
void kb_writing_group(struct kb_shard *s, struct kb_writing *w,
    const struct kb_group *grp, bool tombstone);
/* Append it; KP_*.  *where says what to wait for. */
int16_t kb_writing_append(struct kb_shard *s, struct kb_writing *w,
    int16_t acks, struct kb_write *where);

/*
 * Has the append come through?  NONE, an error, or KB_PARTITION_PENDING with
 * the write queued (a copy).
 */
int16_t kb_shard_await(
    struct kb_shard *s, const struct kb_write *w, struct kb_now now);
/* Every write ends with code. */
void kb_shard_fail_writes(
    struct kb_shard *s, int16_t code, struct kb_now now, struct kb_finished *f);
void kb_shard_wake(struct kc_task *task);
void kb_shard_wake_waiter(struct kb_waiter *w);
void kb_shard_timeout(struct kc_timer *timer);
/* What a commit or a group's record says when the append said code. */
int16_t kb_store_code(int16_t code);
int16_t kb_commit_code(int16_t code);
/* A commit's outcome, code as of the append. */
void kb_shard_committed(
    struct kb_shard *s, struct kb_commit *cm, int16_t code, int64_t first);

/* --- tombstones (coord_expire.c) ------------------------------------------ */

struct kb_sweep { /* under the shard's lock, from open to close */
	struct kb_shard *s;
	struct kb_now now;
	struct kb_writing w;
	int32_t noffsets; /* removed */
};

void kb_sweep_open(struct kb_sweep *sw, struct kb_shard *s, struct kb_now now);
/* What is committed goes; topic is not the group's own string. */
void kb_sweep_offset(struct kb_sweep *sw, struct kb_group *grp,
    struct kc_str topic, int32_t partition);
void kb_sweep_all(struct kb_sweep *sw, struct kb_group *grp,
    bool (*which)(void *arg, const struct kb_group *grp, struct kc_str topic,
	const struct kb_offset *off),
    void *arg);
/* The group itself, which has no offsets any more. */
void kb_sweep_group(
    struct kb_sweep *sw, struct kb_group *grp, struct kb_group_out *out);
void kb_sweep_close(struct kb_sweep *sw);

/* --- the rest ------------------------------------------------------------- */

/* Queue the shard to be read (coord_load.c).  @thread any */
void kb_coord_load(struct kb_coord *c, struct kb_shard *s);
/* Forget what has expired (coord_expire.c).  @thread the loop */
void kb_coord_expire(struct kb_coord *c);

#endif
