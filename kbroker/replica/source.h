/*
 * source -- one leader broker that a fetch thread copies from: its channel,
 * its fetch session, and the partitions that it leads.
 *
 * One request is under way at a time: a ListOffsets for partitions that are
 * out of range, else a Fetch for all that are ready.
 *
 * @thread fetch (the one that owns it)
 */
#ifndef KB_REPLICA_SOURCE_H
#define KB_REPLICA_SOURCE_H

#include "kbroker/replica/fetcher.h"
#include "kbroker/replica/partition.h"
#include "kcommon/base/arena.h"
#include "kcommon/io/ev.h"

#include <uthash.h>

struct kb_fetcher { /* one thread */
	const struct kb_fetchers_params *p;
	int index;
	char client_id[48];
	struct kc_loop *loop;
	struct kc_thread *thread;
	struct kc_task stop;
	struct kc_task news;
	atomic_bool news_posted;
	struct kb_source *sources;
	struct kb_copy *copies; /* by partition */
};

enum kb_copy_state {
	KB_COPY_FETCHING,
	KB_COPY_ASK_LATEST, /* out of range: where does the leader end, */
	KB_COPY_ASK_EARLIEST, /* and if that is no help, begin? */
	KB_COPY_FAILED, /* until the controller speaks again */
};

/* The names by which an answer may mean a partition. */
struct kb_copy_id {
	struct kc_uuid topic;
	int32_t index;
};

struct kb_copy { /* one partition that is copied */
	struct kb_partition *p; /* own reference */
	struct kb_source *src;
	int32_t leader_epoch;
	enum kb_copy_state state;
	/* Where to go on, and the epoch of what is below; -1 none. */
	int64_t offset;
	int32_t last_epoch;

	/* What the session at the leader knows of it, if it does. */
	bool in_session;
	int64_t told_offset;
	int64_t told_start;
	int32_t told_epoch;
	int32_t told_last_epoch;

	struct kb_copy_id id; /* topic zero: the topic has none */
	char *name; /* "topic-index"; owned */
	UT_hash_handle hh; /* fetcher's, by p */
	UT_hash_handle hh_id; /* source's, by id */
	UT_hash_handle hh_name; /* source's, by name */
	/* In source's dirty list: to be looked at for the next fetch. */
	struct kb_copy *prev, *next;
	bool dirty;
	/* In source's list of those that wait after an error; by time. */
	struct kb_copy *wprev, *wnext;
	int64_t wait_until_ms; /* 0: not in it */
};

/* What the session at the leader is still to forget. */
struct kb_forgotten {
	struct kb_forgotten *next;
	struct kb_copy_id id;
	char topic[];
};

struct kb_source {
	struct kb_fetcher *f;
	int32_t broker;
	UT_hash_handle hh; /* fetcher's, by broker */
	struct kb_rpc *rpc; /* NULL: not made yet */
	char host[256];
	int32_t port;
	bool closing; /* its calls end, and say nothing */
	bool busy; /* a call is under way */
	bool failing; /* the last one failed, and that was logged */
	bool missing; /* the metadata has no such broker */
	int64_t not_before_ms; /* after a failure */
	struct kc_timer timer;
	struct kc_arena arena; /* of the request being made */

	int32_t session_id;
	int32_t session_epoch; /* of the next fetch; 0: a full one */
	bool by_id; /* how the session names topics */
	int32_t nsession; /* copies in it */
	int32_t nnameless; /* copies whose topic has no id */
	struct kb_forgotten *forgotten;

	struct kb_copy *by_ids;
	struct kb_copy *by_names;
	struct kb_copy *dirty;
	struct kb_copy *waiting;
	int32_t nask; /* copies in KB_COPY_ASK_*, those that wait too */
};

/* NULL when out of memory. */
struct kb_source *kb_source_new(struct kb_fetcher *f, int32_t broker);
void kb_source_free(struct kb_source *src);
/* Takes over a reference of p.  KC_OK or KC_ENOMEM. */
int kb_source_add(
    struct kb_source *src, struct kb_partition *p, int32_t leader_epoch);
/* Forget it, and give the reference back. */
void kb_source_remove(struct kb_copy *c);
/* Whatever is to be done now. */
void kb_source_pump(struct kb_source *src);

/* source.c's, for source_take.c. */
void kb_copy_touch(struct kb_copy *c); /* the next fetch looks at it */
void kb_copy_wait(struct kb_copy *c); /* after an error */
void kb_source_reset(struct kb_source *src, bool forget_id);
void kb_copy_set_state(struct kb_copy *c, enum kb_copy_state state);
/* Go on at the end of its log. */
void kb_copy_from_end(struct kb_copy *c);
/* What becomes of it after the log (or its fence) said rc. */
void kb_copy_after(struct kb_copy *c, int rc, const char *what);

/*
 * Answers, source_take.c.  False: the leader refuses the whole, for a while.
 */
bool kb_source_take_fetch(struct kb_source *src, const void *resp);
void kb_source_take_list(struct kb_source *src, const void *resp);

#endif
