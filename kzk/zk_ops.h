/*
 * zk_ops -- one handle to a ZooKeeper ensemble: what sessions, queues, watches
 * and repetition (session.c, queue.c, watch.c) are built on.  Production is
 * the ZooKeeper C client (zk_lib.c); the simulator has its own table.
 *
 * A handle is one session: after KZK_RAW_EXPIRED or KZK_RAW_AUTH_FAILED
 * nothing more comes of it and it is closed.  Codes are ZooKeeper's own
 * (ZOK, ZNONODE, ...), the numbers of its protocol.
 */
#ifndef KZK_ZK_OPS_H
#define KZK_ZK_OPS_H

#include "kzk/kzk.h"

struct kzk_raw; /* the implementation's */

enum kzk_acl_kind {
	KZK_ACL_OPEN, /* anyone may do anything */
	KZK_ACL_READ, /* creator all, the world may read */
	KZK_ACL_CREATOR, /* creator all */
};

/* One request.  Not touched by the caller from submit to answered. */
struct kzk_call {
	/* Asked. */
	enum kzk_op_type type;
	const char *path; /* from the root of the ensemble */
	struct kc_str data;
	int32_t version;
	unsigned flags; /* KZK_EPHEMERAL, KZK_SEQUENTIAL */
	enum kzk_acl_kind acl;
	bool watch; /* tell its event once */
	struct kzk_call **parts; /* multi; answered like single ones */
	int32_t nparts;

	/* Answered; what is allocated is freed by kzk_call_clear(). */
	int zrc;
	char *created; /* malloc */
	char *out; /* malloc; NULL with out_len -1: null data */
	int32_t out_len;
	struct kzk_stat stat;
	/* children: one block holds array and names; malloc */
	struct kc_str *names;
	int32_t nnames;

	void *impl; /* the implementation's while under way */
	void *user; /* the submitter's */
	struct kzk_call *next; /* the mailbox's once answered */
};

enum kzk_raw_event {
	KZK_RAW_CONNECTED,
	KZK_RAW_LOST, /* being connected again by the handle itself */
	KZK_RAW_EXPIRED,
	KZK_RAW_AUTH_FAILED,
	KZK_RAW_CREATED, /* of a node; these have a path */
	KZK_RAW_DELETED,
	KZK_RAW_CHANGED,
	KZK_RAW_CHILDREN,
};

/*
 * Where a handle reports, from any thread, in the order things happened: the
 * answer of a read comes before the events of the watch it armed, the loss of
 * a connection before the answers it took away.
 */
struct kzk_sink {
	void (*answered)(struct kzk_sink *s, struct kzk_call *call);
	void (*event)(
	    struct kzk_sink *s, enum kzk_raw_event ev, const char *path);
};

struct kzk_raw_params {
	struct kc_loop *loop; /* of the user: an implementation may run on it */
	const char *hosts; /* host:port,... */
	int32_t session_timeout_ms;
	const char *ssl; /* or NULL */
};

struct kzk_ops {
	/*
	 * KC_ENOENT: no host has an address; KC_EUNSUPPORTED: no TLS here;
	 * KC_EINVAL, KC_ENOMEM.
	 */
	int (*open)(const struct kzk_ops *ops, struct kzk_raw **rawp,
	    const struct kzk_raw_params *p, struct kzk_sink *sink);
	/* Ends the session if connected.  Reports nothing once it returned. */
	void (*close)(struct kzk_raw **rawp);
	/* Scheme digest; may come before the connection.  KC_OK or KC_E*. */
	int (*add_auth)(struct kzk_raw *raw, const char *user_password);
	/* ZOK: it will be answered; else ZooKeeper's code and it will not. */
	int (*submit)(struct kzk_raw *raw, struct kzk_call *call);
	int64_t (*session_id)(struct kzk_raw *raw);
	int32_t (*session_timeout_ms)(struct kzk_raw *raw); /* negotiated */
};

extern const struct kzk_ops kzk_ops_lib; /* the ZooKeeper C client */

/* Frees what an answer allocated, so that it can be asked again. */
void kzk_call_clear(struct kzk_call *call);

#endif
