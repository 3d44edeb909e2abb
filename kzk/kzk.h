/*
 * kzk -- a ZooKeeper session as a broker needs it: asynchronous, pipelined,
 * re-created after it expired.
 *
 * A struct kzk belongs to one loop.  All functions are called on that loop's
 * thread, and all callbacks come there, never from inside the call that
 * asked for them.
 *
 *	rc = kzk_submit(kzk_op_get(zk, path, &t->watch), got_topic, t);
 *
 * An operation is made by a kzk_op_...() (NULL: out of memory) and handed to
 * kzk_submit() or kzk_batch_add(), which own it from then on and take
 * NULL, so that one return code is looked at.  They go out in the order
 * submitted, at most max_in_flight at a time, and are answered in that order
 * (except those that kzk has to repeat).  While there is no connection they
 * wait.
 *
 * In a fiber the same reads as straight-line code: kzk/await.h.
 *
 * Paths are below the chroot of the connect string and begin with '/'.
 *
 * @thread the loop's own
 */
#ifndef KZK_H
#define KZK_H

#include "kcommon/base/kc.h"
#include "kcommon/base/str.h"

struct kc_loop;
struct kzk;
struct kzk_ops;

/* Operations waiting or in flight; one more gives KC_ELIMIT. */
#define KZK_QUEUE_MAX (1 << 20)
#define KZK_MULTI_MAX 64 /* operations in a multi */
#define KZK_TREE_MAX (1 << 20) /* nodes that delete_tree removes */
/* Connection losses after which a safe write (below) gives up. */
#define KZK_WRITE_RETRIES_MAX 20

/* --- session ----------------------------------------------------------- */

struct kzk_params {
	const struct kzk_ops *ops; /* NULL: the ZooKeeper C client */
	struct kc_loop *loop; /* outlives the session */
	const char *connect; /* zookeeper.connect: host:port,.../chroot */
	int32_t session_timeout_ms;
	int32_t connection_timeout_ms; /* for the first session only */
	int32_t max_in_flight; /* zookeeper.max.in.flight.requests */
	bool set_acl; /* zookeeper.set.acl; wants an authenticated session */
	const char *digest; /* user:password of scheme digest, or NULL */
	/*
	 * TLS, in the C client's form "ca,cert,key,password" (PEM), or NULL.
	 * KC_EUNSUPPORTED where the C client was built without it.
	 */
	const char *ssl;
};

/*
 * What happens to the session, told to each listener in the order they were
 * added.  Any function may be NULL.
 *
 * When a session expires (or authentication failed, tried again each
 * second), in this order (invariant ZK-1):
 *  1. every operation is done, with KC_ESESSION; kzk_submit() refuses more;
 *  2. expired() of each listener: forget what the old session owned.  What
 *     is submitted from here on waits for the new session;
 *  3. a new session is made, tried until it succeeds;
 *  4. session() of each: register, elect;
 *  5. every watch still armed fires with KZK_EVENT_SESSION, and so does one
 *     whose read ended in 1.
 */
struct kzk_listener {
	/* A new session is connected (the first one too). */
	void (*session)(struct kzk_listener *l);
	void (*expired)(struct kzk_listener *l);
	/* The connection went or came back within one session. */
	void (*disconnected)(struct kzk_listener *l);
	void (*reconnected)(struct kzk_listener *l);
	/*
	 * The first session could not be made (KC_ETIMEDOUT, KC_EAUTH, or what
	 * creating the chroot said); the reason is logged.  Nothing further
	 * will come: close.
	 */
	void (*failed)(struct kzk_listener *l, int err);
	struct kzk_listener *next; /* kzk's */
};

/*
 * Starts connecting and returns; first (may be NULL) is told how it went.
 * The chroot is created when absent.  KC_EINVAL for a bad connect string or
 * set_acl without authentication, KC_ENOENT when a host has no address (each
 * logged with what to do), KC_EUNSUPPORTED, KC_ENOMEM.  Everything in p but
 * loop and ops is copied.
 */
int kzk_open(
    struct kzk **zkp, const struct kzk_params *p, struct kzk_listener *first);
/*
 * The same for a fiber: waits for the first session.  On an error everything
 * is closed again and *zkp is NULL.  @thread a fiber of the loop
 */
int kzk_open_wait(struct kzk **zkp, const struct kzk_params *p);
/*
 * Ends the session: its ephemeral nodes are gone soon after, if there is a
 * connection.  Operations that are not done are done now, with KC_ECLOSED
 * (their callbacks must not use zk any more); watches are forgotten.  Blocks
 * up to 3 s when ZooKeeper does not take the farewell.  From within a callback
 * of zk all this happens when that callback has returned; listeners and
 * watches are forgotten at once.  Let the loop do one more pass before
 * closing it.
 */
void kzk_close(struct kzk **zkp);
/*
 * The first half of it, for whose fibers must come to their end before the
 * session's memory goes: as kzk_close(), but it stays and refuses everything
 * with KC_ECLOSED, until kzk_close().  Batches end in the next pass of the
 * loop; who still waits for the first session is told that it failed.  Not
 * from within a callback of zk.
 */
void kzk_end(struct kzk *zk);

void kzk_listen(struct kzk *zk, struct kzk_listener *l);
void kzk_unlisten(struct kzk *zk, struct kzk_listener *l);

bool kzk_connected(const struct kzk *zk);
int64_t kzk_session_id(const struct kzk *zk); /* 0: none yet */
/* The one before it, when that expired in this kzk; else 0. */
int64_t kzk_session_before(const struct kzk *zk);
int32_t kzk_session_timeout_ms(const struct kzk *zk); /* as negotiated */
struct kc_loop *kzk_loop(const struct kzk *zk);

/* --- watches ----------------------------------------------------------- */

enum kzk_event {
	KZK_EVENT_CREATED,
	KZK_EVENT_DELETED,
	KZK_EVENT_CHANGED, /* data */
	KZK_EVENT_CHILDREN,
	KZK_EVENT_SESSION, /* a new session: anything may have happened */
};

/*
 * One-shot, embedded in what it serves.  It is armed when the read it was
 * given to succeeds (an exists also when there is no node) and unarmed right
 * before fn is called.  Re-arm, then read, then compare with memory; never
 * act on the event itself (invariant ZK-5).  Events while a re-arming read is
 * under way are not lost: the read answers after them.
 *
 * It serves one read at a time: another with the same watch is refused with
 * KC_EBUSY until the first is done.
 */
struct kzk_watch {
	void (*fn)(struct kzk_watch *w, enum kzk_event ev);
	/* kzk's: */
	struct kzk_watch_path *at; /* where it is armed, or NULL */
	struct kzk_watch *next, **prev; /* prev NULL: neither armed nor due */
	struct kzk_opx *reading; /* that will arm it */
	int kind; /* of the read: enum kzk_op_type */
	enum kzk_event due;
};

void kzk_watch_init(
    struct kzk_watch *w, void (*fn)(struct kzk_watch *w, enum kzk_event ev));
/*
 * It will not fire.  After this the watch may be freed, even while a read
 * that was to arm it is under way.
 */
void kzk_watch_cancel(struct kzk_watch *w);
bool kzk_watch_armed(const struct kzk_watch *w);

/* --- operations -------------------------------------------------------- */

struct kzk_stat {
	int64_t czxid;
	int64_t mzxid;
	int64_t pzxid;
	int64_t ctime_ms;
	int64_t mtime_ms;
	int64_t owner; /* session id of an ephemeral's owner, or 0 */
	int32_t version;
	int32_t cversion;
	int32_t aversion;
	int32_t data_len;
	int32_t children;
};

enum kzk_create_flags { /* 0 is a persistent node */
	KZK_EPHEMERAL = 1,
	KZK_SEQUENTIAL = 2,
	KZK_PARENTS = 4, /* create missing ancestors, with null data */
};

enum kzk_op_type {
	KZK_OP_CREATE,
	KZK_OP_GET,
	KZK_OP_EXISTS,
	KZK_OP_CHILDREN,
	KZK_OP_SET,
	KZK_OP_DELETE,
	KZK_OP_CHECK, /* in a multi only */
	KZK_OP_MULTI,
	KZK_OP_SYNC,
};

struct kzk_op;
typedef void (*kzk_done_fn)(struct kzk_op *op);

/*
 * Errors (op->err), of all operations:
 *	KC_ENOENT	no node (a create: no parent)
 *	KC_EEXIST	a create: the node exists
 *	KC_EBADVERSION	not the expected version
 *	KC_ENOTEMPTY	a delete: there are children
 *	KC_EFENCED	the fence did not hold: we are no longer the controller
 *	KC_EACCES	the node's ACL forbids it, or an ACL was not accepted
 *	KC_ESESSION	the session expired meanwhile; a write may have been
 *done KC_EAUTH	the same, because authentication failed KC_EINDOUBT	a write:
 *the connection was lost, it may have been done KC_EINVAL	a path or data
 *that ZooKeeper does not take KC_EUNSUPPORTED, KC_ENOMEM, KC_ENETWORK (a
 *server's own trouble)
 *
 * Reads are repeated after a lost connection until answered.
 *
 * All that a result points to is valid until done returns (in a batch: until
 * the batch's done returns).
 */
struct kzk_op {
	/* Result; data, stat and children only if err is KC_OK. */
	int err;
	int zrc; /* ZooKeeper's own code */
	enum kzk_op_type type;
	const char *path; /* as asked for */
	const char *created; /* create: with its sequence number */
	struct kc_str data; /* get: null if the node's data is null */
	struct kzk_stat stat; /* get, exists, children, set */
	/* children: names without the path, unsorted, NUL-terminated. */
	struct kc_str *children;
	int32_t nchildren;
	/*
	 * multi: one for each, with type, err, path, created, stat (of set).
	 * When one fails nothing was done: err of the multi is that one's,
	 * those before it have KC_OK, those after it KC_ECANCELED.
	 */
	struct kzk_op **subs;
	int32_t nsubs;

	kzk_done_fn done;
	void *arg;
};

/* data null is ZooKeeper's null; both path and data are copied. */
struct kzk_op *kzk_op_create(
    struct kzk *zk, const char *path, struct kc_str data, unsigned flags);
struct kzk_op *kzk_op_get(
    struct kzk *zk, const char *path, struct kzk_watch *watch);
struct kzk_op *kzk_op_exists(
    struct kzk *zk, const char *path, struct kzk_watch *watch);
struct kzk_op *kzk_op_children(
    struct kzk *zk, const char *path, struct kzk_watch *watch);
/* version -1: any. */
struct kzk_op *kzk_op_set(
    struct kzk *zk, const char *path, struct kc_str data, int32_t version);
struct kzk_op *kzk_op_delete(struct kzk *zk, const char *path, int32_t version);
struct kzk_op *kzk_op_check(struct kzk *zk, const char *path, int32_t version);
/* Reads after it see everything that was written before it, by anyone. */
struct kzk_op *kzk_op_sync(struct kzk *zk, const char *path);
/* An empty multi; parts (not reads) are added in order, which own them. */
struct kzk_op *kzk_op_multi(struct kzk *zk);
/* NULL for sub makes the whole NULL. Returns multi. */
struct kzk_op *kzk_op_add(struct kzk_op *multi, struct kzk_op *sub);

/*
 * A write that is done only while fence_path has this version
 * (/controller_epoch: invariant CE-2), as one multi; the result looks as that
 * of op alone, or is KC_EFENCED.  Returns op.
 */
struct kzk_op *kzk_op_fence(
    struct kzk_op *op, const char *fence_path, int32_t version);
/*
 * A single write (also fenced) that kzk settles by itself after a lost
 * connection: it reads the node back and reports success, repeats, or
 * reports the conflict (invariant ZK-4).  A set with version -1, a delete
 * and a sequential create are simply repeated.  Returns op.
 */
struct kzk_op *kzk_op_safe(struct kzk_op *op);

/*
 * done may be NULL.  KC_OK: op is kzk's and done will be called.  Otherwise op
 * is freed and done is not called: KC_ENOMEM, KC_ELIMIT, KC_EINVAL (a bad
 * path, an empty multi), KC_EBUSY (its watch), KC_ESESSION (while an expired
 * session is wound up), KC_ECLOSED (the first session failed).
 */
int kzk_submit(struct kzk_op *op, kzk_done_fn done, void *arg);
/* One that is not submitted after all; NULL is fine. */
void kzk_op_free(struct kzk_op *op);

/*
 * Deletes path and all below, children first, each delete fenced if
 * fence_path is not NULL.  Nodes that are gone already are no error.
 * KC_ENOTEMPTY: somebody created one meanwhile; KC_ELIMIT: more than
 * KZK_TREE_MAX nodes; else as in struct kzk_op.  KC_ENOMEM returned: done
 * will not be called.
 */
int kzk_delete_tree(struct kzk *zk, const char *path, const char *fence_path,
    int32_t fence_version, void (*done)(void *arg, int err), void *arg);

/* --- waves: many operations, one callback ------------------------------- */

/*
 * Operations that go out together; done is called when all are done, once,
 * also for none.  Each one's own done (kzk_batch_add_done) is called first.
 */
struct kzk_batch {
	struct kzk *zk;
	struct kzk_op **ops; /* in the order added; results inside */
	int32_t n;
	/* KC_OK, or the first op->err in that order, or a failed add's. */
	int err;
	void *arg;
};

int kzk_batch_open(struct kzk_batch **batchp, struct kzk *zk);
/* Errors are remembered and told at the end, so the result may be ignored. */
int kzk_batch_add(struct kzk_batch *b, struct kzk_op *op);
int kzk_batch_add_done(
    struct kzk_batch *b, struct kzk_op *op, kzk_done_fn done, void *arg);
/*
 * Submits them; the batch is kzk's and is freed after done.  Always succeeds:
 * what could not be submitted is done with its error like the rest.
 */
void kzk_batch_run(
    struct kzk_batch **batchp, void (*done)(struct kzk_batch *b), void *arg);
/* One that is not run after all; NULL is fine. */
void kzk_batch_close(struct kzk_batch **batchp);

#endif
