/*
 * session -- incremental fetch sessions (KIP-227).
 *
 * A session remembers the partitions of a fetcher and what it was last told,
 * so that a fetch names only what changed and an answer holds only what is
 * new.  Kafka's FetchSession (kafka.server); replication.md 7.
 *
 * One request works on a session at a time: it is busy from begin to end,
 * and a second request meanwhile gets INVALID_FETCH_SESSION_EPOCH.  An
 * evicted session lives on until its request has ended.
 *
 * Limits: max.incremental.fetch.session.cache.slots sessions; beyond it an old
 * one makes room (unused for 2 minutes, or smaller and older, or a consumer's
 * for a follower's), or the fetcher is answered without a session.  A session
 * holds KB_SESSION_PARTS_MAX partitions at most and all together hold
 * KB_SESSIONS_PARTS_MAX; a fetch beyond that is answered without one, and a
 * session that would grow beyond it ends (FETCH_SESSION_ID_NOT_FOUND: the
 * fetcher begins anew).
 *
 * @thread net
 */
#ifndef KB_REPLICA_SESSION_H
#define KB_REPLICA_SESSION_H

#include "kcommon/base/arena.h"
#include "kcommon/base/rand.h"
#include "kcommon/base/str.h"
#include "kcommon/base/uuid.h"

#define KB_SESSION_PARTS_MAX 100000
#define KB_SESSIONS_PARTS_MAX 2000000 /* about 250 bytes each */

struct kb_sessions; /* the cache of one broker */
struct kb_session;
struct kb_session_part;

/* One partition of a fetch. */
struct kb_fetch_part {
	struct kc_str topic; /* of the request or session; null when by id */
	struct kc_uuid topic_id; /* zero when by name */
	int32_t partition;
	int32_t max_bytes;
	int64_t fetch_offset;
	int64_t log_start_offset; /* the follower's; -1 */
	int32_t leader_epoch; /* currentLeaderEpoch; -1 */
	int32_t last_fetched_epoch; /* -1 */
	/* Told to the fetcher so far; -1 from the request. */
	int64_t told_hw;
	int64_t told_log_start;
	struct kb_session_part *cached; /* in the session, or NULL */
};

struct kb_session_ask {
	int32_t session_id;
	int32_t epoch;
	bool follower; /* privileged in eviction */
	bool by_id; /* Fetch version 13 and later */
	const struct kb_fetch_part *parts; /* as in the request */
	int32_t nparts;
	const struct kb_fetch_part *forgotten; /* topic and partition only */
	int32_t nforgotten;
};

struct kb_fetch_ctx {
	struct kb_session *session; /* own reference; NULL: none yet */
	bool incremental;
	bool create; /* a session is made when the answer is */
	bool follower;
	bool by_id;
	struct kb_fetch_part *parts; /* all that is to be read; arena */
	int32_t nparts;
};

int kb_sessions_open(struct kb_sessions **sp, int32_t slots, struct kc_rand *r);
void kb_sessions_close(struct kb_sessions **sp);

/*
 * What a fetch covers.  Returns a KP_* code: NONE, FETCH_SESSION_ID_NOT_FOUND,
 * INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR, or
 * UNKNOWN_SERVER_ERROR out of memory; ctx is to be ended in any case.
 */
int16_t kb_sessions_begin(struct kb_sessions *s, int64_t now_ms,
    const struct kb_session_ask *ask, struct kc_arena *arena,
    struct kb_fetch_ctx *ctx);

/*
 * Must this partition be in an incremental answer (has records, or an error,
 * or news)?  Also notes in the session what is told now, so ask once, when
 * the answer is made.  Always true for a full fetch.
 */
bool kb_fetch_ctx_include(struct kb_fetch_ctx *ctx, struct kb_fetch_part *part,
    bool has_records, bool must, int64_t hw, int64_t log_start);

/* The session id of the answer; makes the session of a first full fetch. */
int32_t kb_sessions_finish(
    struct kb_sessions *s, int64_t now_ms, struct kb_fetch_ctx *ctx);

/* Give the session free again. */
void kb_fetch_ctx_end(struct kb_sessions *s, struct kb_fetch_ctx *ctx);

/* Sessions and partitions in them, for metrics. */
void kb_sessions_count(
    struct kb_sessions *s, int32_t *nsessions, int64_t *nparts);

#endif
