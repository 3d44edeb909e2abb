/*
 * session_priv -- what session.c, op.c, queue.c, watch.c and batch.c share.
 *
 * An operation is in one place at a time: made (nobody's), waiting (in
 * zk->again if it has been out before or comes first, else in zk->queue),
 * in flight (zk->flight; the handle or the mailbox has its call), or done.
 */
#ifndef KZK_SESSION_PRIV_H
#define KZK_SESSION_PRIV_H

#include "kcommon/base/assert.h"
#include "kcommon/base/lock.h"
#include "kcommon/io/ev.h"
#include "kzk/kzk.h"
#include "kzk/zk_ops.h"

#include <uthash.h>

#define KZK_NAME_MAX 4096 /* bytes of a path with its chroot */
#define KZK_REOPEN_MS 1000 /* between attempts to make a session */
#define KZK_LOGGER "kafka.zookeeper.ZooKeeperClient"

struct kzk_ops_list { /* of operations */
	struct kzk_opx *head, *tail;
	int32_t n;
};

/* The whole of a struct kzk_op. */
struct kzk_opx {
	struct kzk_op pub; /* first: cast from and to */
	unsigned magic;
#define KZK_OPX_MAGIC 0x0b5e55a1
	struct kzk *zk;
	struct kzk_opx *next, *prev;
	struct kzk_ops_list *in; /* where it is, or NULL */

	char *path; /* with the chroot */
	size_t root; /* bytes of it that are the chroot's */
	char *data;
	struct kzk_call call; /* what is asked */
	/* What is on its way instead: with a fence, or the reading back. */
	struct kzk_call fence;
	struct kzk_call wrap;
	struct kzk_call verify;
	struct kzk_call **parts; /* of wrap, or of a multi */
	struct kzk_call *wire; /* &call, &wrap or &verify while in flight */
	struct kzk_watch *watch;

	int bad; /* KC_E* with which submitting is refused */
	bool fenced;
	bool safe;
	bool parents; /* KZK_PARENTS, not tried yet */
	bool doubt; /* an earlier try may have been done */
	int zrc_doubt; /* conflict that the reading back explains */
	int retries;

	struct kzk_batch_impl *batch;
	bool finished;
};

enum kzk_state {
	KZK_ST_CLOSED, /* no handle: failed, or between two attempts */
	KZK_ST_CONNECTING, /* a handle that never was connected */
	KZK_ST_CHROOT, /* connected, the chroot is looked after */
	KZK_ST_CONNECTED,
	KZK_ST_LOST,
	KZK_ST_WINDING, /* expired: operations are being ended */
};

/*
 * Where the handle's threads leave what they have, and the loop collects it.
 * An object of its own, because its task may still be posted when the
 * session is freed.
 */
struct kzk_mailbox {
	struct kzk_sink sink; /* first */
	struct kc_loop *loop;
	struct kc_task task;
	struct kzk *zk; /* the loop's; NULL once closed */
	struct kc_lock lock; /* a leaf */
	/* Guarded by lock. */
	struct kzk_call *head, **tail;
	bool posted;
	bool overflow; /* an event was lost for want of memory */
};

struct kzk_watch_path {
	UT_hash_handle hh;
	struct kzk *zk;
	struct kzk_watch *watches; /* never empty */
	char path[]; /* with the chroot */
};

struct kzk {
	unsigned magic;
#define KZK_MAGIC 0x2007ee9e
	const struct kzk_ops *ops;
	struct kc_loop *loop;
	char *hosts;
	char *chroot; /* "" or "/a/b" */
	size_t chroot_len;
	char *digest;
	char *ssl;
	bool set_acl;
	int32_t session_timeout_ms;
	int32_t connection_timeout_ms;
	int32_t max_in_flight;

	enum kzk_state state;
	struct kzk_raw *raw;
	struct kzk_mailbox *box;
	struct kzk_call *inbox; /* collected, not served yet */
	int dead; /* KC_E* with which it ended; nothing more is taken */
	bool first; /* no session was told yet */
	bool chroot_busy; /* operations for it are under way */
	bool inside; /* a callback: kzk_close() is put off */
	bool closing;
	bool stalled; /* the handle refused: wait for its next event */
	int64_t session_id;
	int64_t session_before;
	struct kc_timer connect_timer; /* the first session's */
	struct kc_timer open_timer; /* next attempt */
	struct kzk_listener *listeners;
	struct kzk_listener *telling; /* next to be told */

	struct kzk_ops_list queue;
	struct kzk_ops_list again;
	struct kzk_ops_list flight;
	struct kzk_watch_path *watches; /* uthash */
	struct kzk_watch *due; /* taken out to be fired */
};

static inline struct kzk_opx *
kzk_opx(struct kzk_op *op)
{
	struct kzk_opx *x = (struct kzk_opx *)op;

	KC_CHECK(x, KZK_OPX_MAGIC);
	return x;
}

/* op.c */
/* path: with the chroot if absolute. */
struct kzk_opx *kzk_opx_new(struct kzk *zk, enum kzk_op_type type,
    const char *path, struct kc_str data, bool absolute);
/* Queues it; KC_E*: it was not, and stays the caller's. */
int kzk_opx_submit(struct kzk_opx *x);
void kzk_opx_free(struct kzk_opx *x);

/* queue.c */
/* KC_E* for ZooKeeper's code. */
int kzk_err(int zrc);
void kzk_list_append(struct kzk_ops_list *l, struct kzk_opx *x);
void kzk_list_remove(struct kzk_opx *x);
/* Sends what may be sent. */
void kzk_queue_pump(struct kzk *zk);
/* The handle answered a call of x. */
void kzk_queue_answered(struct kzk *zk, struct kzk_opx *x);
/* Ends everything waiting and in flight; the handle is closed already. */
void kzk_queue_end(struct kzk *zk, int err);
/* x is done: result from its call, then whoever waits for it is told. */
void kzk_queue_done(struct kzk_opx *x, int err, int zrc);

/* watch.c */
/* The read is done; arms the watch if armed is true. */
void kzk_watch_read(struct kzk_opx *x, bool armed);
void kzk_watch_event(struct kzk *zk, enum kzk_raw_event ev, const char *path);
void kzk_watch_reset(struct kzk *zk); /* a new session: all fire */
void kzk_watch_fire(struct kzk *zk); /* those that are due */
void kzk_watch_drop(struct kzk *zk); /* closing: none fires */

/* batch.c */
void kzk_batch_one_done(struct kzk_opx *x);

#endif
