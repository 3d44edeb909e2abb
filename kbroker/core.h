/*
 * core -- what the parts of a running broker see of each other.
 *
 * broker.c owns it all and starts and stops it; api/ reads it.  Nothing below
 * api/ includes this: those get what they need as parameters.
 */
#ifndef KB_CORE_H
#define KB_CORE_H

#include "kbroker/api/request.h"
#include "kbroker/auth/ops.h"
#include "kbroker/broker.h"
#include "kbroker/config.h"
#include "kbroker/log/dirs.h"
#include "kbroker/metadata/cache.h"
#include "kbroker/replica/manager.h"
#include "kbroker/replica/session.h"

struct kb_alter;
struct kb_altering;
struct kb_controller;
struct kb_coord;
struct kb_fetchers;
struct kb_making;
struct kb_net;
struct kb_log_cleaner;
struct kb_pids;
struct kb_toctl;
struct kb_topics;
struct kc_compress_ctx;
struct kzk;
struct kzk_seqnode;

/* The published objects as one net thread sees them; kc_loop_user(). */
struct kb_reader {
	struct kb_meta_slot meta;
	struct kc_published_slot parts;
	/*
	 * What this turn of the loop (one handler, one retry) sees; NULL:
	 * not looked at yet.  The slots keep them until the next turn.
	 */
	const struct kb_meta *meta_now;
	const struct kb_part_map *parts_now;
	struct kc_compress_ctx *compress; /* owned */
};

struct kb_broker {
	unsigned magic;
#define KB_BROKER_MAGIC 0xb20ce2a1
	const struct kb_env *env;
	const struct kb_config *config; /* as the file says */

	/* Set while starting, constant once requests are served. */
	int32_t id;
	char cluster_id[64];
	struct kb_log_dirs *dirs;
	struct kb_log_cleaner *cleaner; /* NULL: log.cleaner.enable=false */
	struct kb_manager *mgr;
	struct kb_partition_env partition_env; /* of all in mgr */
	struct kb_alter *alter; /* changes of in-sync sets */
	struct kb_fetchers *fetchers; /* copy from leaders */
	struct kb_sessions *sessions;
	struct kb_net *net;
	struct kc_loop *control; /* the control thread's */
	struct kzk *zk;
	struct kb_controller *ctl;
	struct kb_toctl *toctl; /* requests to the active controller */
	struct kb_pids *pids; /* producer ids to give out */
	struct kb_topics *topics; /* topic configurations */
	struct kb_coord *coord; /* groups whose coordinator we are */

	struct kb_meta_cache meta;
	/*
	 * Requests that wait for the metadata to change; woken at each
	 * publish.  meta_lock is a leaf.
	 */
	struct kc_lock meta_lock;
	struct kb_waitlist meta_waiters;

	_Atomic int64_t epoch; /* czxid of our registration; -1 none */
	atomic_bool ready; /* the first UpdateMetadata has come */
	atomic_bool stopping;
	int control_requests; /* in fibers of the control thread, its own */
	struct kc_fiber *drained; /* wants to hear when that is 0 */
	/*
	 * The settings that hold: dynamic ones over config's (dynamic.h).  Own
	 * reference.  The control thread's alone once it serves requests.
	 */
	struct kb_config *live;
	struct kc_props *dyn[2]; /* of this broker, of all */
	struct kzk_seqnode *changes; /* reads /config/changes */
	struct kb_altering *altering; /* settings being changed; control's */
	struct kb_making *making; /* topics being made; the control thread's */

	struct kb_start *start; /* broker.c: start, stop, threads */
};

static inline struct kb_reader *
kb_request_reader(const struct kb_request *req)
{
	return kc_loop_user(req->loop);
}

/*
 * Who asks, for kb_authz_allowed().  There is no authorizer yet: everybody may
 * do everything.
 */
static inline struct kb_authz
kb_request_authz(const struct kb_request *req KC_UNUSED)
{
	return (struct kb_authz){ 0 };
}

static inline bool
kb_request_may(const struct kb_request *req, enum kb_op op, enum kb_res res,
    struct kc_str name)
{
	struct kb_authz z = kb_request_authz(req);

	return kb_authz_allowed(&z, op, res, name);
}

/*
 * A handler or a retry begins: it may see what was published since the last
 * one.  Until it returns it sees one state of things.
 */
static inline void
kb_request_turn(const struct kb_request *req)
{
	struct kb_reader *r = kb_request_reader(req);

	r->meta_now = NULL;
	r->parts_now = NULL;
}

/* Borrowed until the handler or retry returns.  @thread req->loop */
static inline const struct kb_meta *
kb_request_meta(const struct kb_request *req)
{
	struct kb_reader *r = kb_request_reader(req);

	if (r->meta_now == NULL)
		r->meta_now = kb_meta_read(&req->broker->meta, &r->meta);
	return r->meta_now;
}

/*
 * The partition as hosted here: NONE and *pp (borrowed until the
 * handler or retry returns), or NOT_LEADER_OR_FOLLOWER (elsewhere),
 * KAFKA_STORAGE_ERROR (its log dir failed), UNKNOWN_TOPIC_OR_PARTITION. @thread
 * req->loop
 */
int16_t kb_request_partition(struct kb_request *req, struct kc_str topic,
    int32_t index, struct kb_partition **pp);

#endif
