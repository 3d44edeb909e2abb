/*
 * group -- one consumer group: who is in it, which generation it is in, and
 * what an event makes of that.
 *
 * Decisions only: no I/O, no lock, no clock.  An event changes the group and
 * tells through struct kb_group_out what is to be done: answers that are
 * ready, and a record to write whose outcome comes back by
 * kb_group_stored().  The coordinator does these things and calls
 * kb_group_tick() when kb_group.due_ms has come.
 *
 * Invariants, true between two events:
 *   Empty                 no members
 *   PreparingRebalance    join_due_ms is set; members wait for their join
 *   CompletingRebalance   nobody waits for a join; members wait for a sync
 *   Stable                nobody waits (but a static member being replaced)
 *   Dead                  nobody waits, no members; it is about to be freed
 *   due_ms is not later than the first deadline inside
 *
 * Kafka: GroupCoordinator, GroupMetadata, MemberMetadata; groups.md.
 *
 * @thread any, one at a time (the coordinator's lock)
 */
#ifndef KB_GROUP_H
#define KB_GROUP_H

#include "kbroker/group/offsets.h"
#include "kcommon/base/arena.h"
#include "kcommon/io/ev.h"

#include <uthash.h>

struct kb_group_value;

#define KB_CONSUMER_PROTOCOL "consumer"
/* A new member may be silent so long while it waits for its first join. */
#define KB_NEW_MEMBER_MS (5 * 60 * 1000)
/* Protocols that a member may list; a join with more is refused (42). */
#define KB_PROTOCOLS_MAX 64
/* Member ids given out and not yet used, in one group; more are refused. */
#define KB_PENDING_MAX 100000

enum kb_group_state {
	KB_GROUP_EMPTY,
	KB_GROUP_PREPARING,
	KB_GROUP_COMPLETING,
	KB_GROUP_STABLE,
	KB_GROUP_DEAD,
};

/* As on the wire: "PreparingRebalance". */
const char *kb_group_state_name(enum kb_group_state state);

struct kb_now {
	int64_t mono_ms; /* deadlines */
	int64_t wall_ms; /* timestamps */
};

struct kb_group_params {
	int32_t session_min_ms;
	int32_t session_max_ms;
	int32_t initial_delay_ms;
	int32_t size_max;
};

struct kb_member_protocol {
	struct kc_str name;
	struct kc_str metadata;
};

struct kb_group_peer { /* a member, as the leader is told */
	struct kc_str member_id;
	struct kc_str instance_id; /* null: dynamic */
	struct kc_str metadata;
};

/*
 * One who waits for the answer to a join or a sync; the caller's memory.
 * When the answer is there its strings are in arena.
 */
struct kb_group_wait {
	struct kb_group_wait *next; /* in kb_group_out.done */
	struct kc_arena *arena;
	/* The answer is complete; no lock is held.  @thread any */
	void (*done)(struct kb_group_wait *w);

	/* The answer. */
	int16_t code;
	int32_t generation;
	struct kc_str protocol_type; /* null: none */
	struct kc_str protocol_name; /* null: none */
	struct kc_str leader;
	struct kc_str member_id;
	bool skip_assignment;
	struct kb_group_peer *members;
	int32_t nmembers;
	struct kc_str assignment;
};

struct kb_member {
	/* Owned strings. */
	struct kc_str id;
	struct kc_str instance_id; /* null: dynamic */
	struct kc_str client_id;
	struct kc_str client_host; /* "/1.2.3.4" */
	struct kc_str assignment; /* never null */
	struct kb_member_protocol
	    *protocols; /* one block with its strings, owned */
	int32_t nprotocols;
	int32_t session_ms;
	int32_t rebalance_ms;
	bool is_new; /* has not been answered yet */
	bool synced; /* has asked for its assignment in this generation */
	int64_t session_due_ms;
	struct kb_group_wait *join; /* NULL: does not wait */
	struct kb_group_wait *sync;
	UT_hash_handle hh; /* in kb_group.members, by id */
	UT_hash_handle hh_instance; /* in kb_group.statics, by instance_id */
};

struct kb_pending { /* an id given out by MEMBER_ID_REQUIRED */
	int64_t due_ms;
	UT_hash_handle hh;
	int32_t len;
	char id[];
};

struct kb_group {
	unsigned magic;
#define KB_GROUP_MAGIC 0x6c0de9b1
	const struct kb_group_params *params; /* outlives it */
	struct kc_str id; /* owned, as all strings here */
	enum kb_group_state state;
	int64_t state_since_ms; /* wall clock */
	struct kc_str protocol_type; /* null before the first member */
	struct kc_str protocol_name; /* null without a generation of members */
	struct kc_str leader; /* a member's id; null: none */
	int32_t generation;
	struct kb_member *members; /* in the order they came */
	struct kb_member *statics;
	struct kb_pending *pending;
	int32_t njoins; /* members that wait for their join */

	/* PreparingRebalance. */
	int64_t join_due_ms;
	bool initial; /* the first of a group that was empty (KIP-134) */
	bool newcomers; /* since the delay began */
	int64_t delay_left_ms; /* by which it may be extended */

	int64_t sync_due_ms; /* who has not synced by then goes; 0: no limit */
	int64_t due_ms; /* tick at the latest then; INT64_MAX: never */

	struct kb_group_offsets offsets;

	/* The coordinator's (coord_priv.h). */
	UT_hash_handle hh; /* in kb_shard.groups, by id */
	struct kb_shard *shard;
	struct kc_timer timer;
	struct kc_task arm;
	int64_t armed_ms; /* the timer is set, or about to be, to this */
	bool arming; /* arm is posted */
	bool gone; /* out of the table: arm frees it */
	enum kb_group_state told_state; /* what the log has been told */
	int32_t told_generation;
};

enum kb_store {
	KB_STORE_NONE,
	KB_STORE_EMPTY, /* nobody waits for the outcome */
	KB_STORE_SYNC, /* the leader's assignment */
	KB_STORE_STATIC, /* a static member with its new id (KIP-345) */
};

struct kb_static_swap; /* group.c: how to undo it */

/* Write the group's record as it is now, then kb_group_stored(). */
struct kb_group_store {
	enum kb_store kind;
	int32_t generation;
	struct kb_static_swap *swap; /* owned */
};

struct kb_group_out { /* zeroed before an event */
	struct kb_group_wait *done; /* answered, in order */
	struct kb_group_wait *done_last;
	struct kb_group_store store;
};

/* Empty, generation 0.  KC_OK or KC_ENOMEM. */
int kb_group_new(struct kb_group **gp, struct kc_str id,
    const struct kb_group_params *params, int64_t wall_ms);
void kb_group_free(struct kb_group **gp);
/*
 * As its record says, members with a fresh session, Stable or Empty.  KC_OK,
 * KC_ENOMEM.
 */
int kb_group_restore(
    struct kb_group *grp, const struct kb_group_value *v, struct kb_now now);
/*
 * What to write about it, members in the arena, all else borrowed from grp.
 * KC_OK or KC_ELIMIT.
 */
int kb_group_snapshot(
    const struct kb_group *grp, struct kc_arena *a, struct kb_group_value *v);

struct kb_join { /* all borrowed */
	struct kc_str member_id; /* "": a new one */
	struct kc_str instance_id; /* null: dynamic */
	struct kc_str new_id; /* what a new member is to be called */
	struct kc_str client_id;
	struct kc_str client_host;
	struct kc_str protocol_type;
	const struct kb_member_protocol
	    *protocols; /* the preferred one first */
	int32_t nprotocols;
	int32_t session_ms;
	int32_t rebalance_ms;
	bool id_required; /* v4+: it must come back with its id */
	bool can_skip; /* v9+: understands skip_assignment */
	struct kb_group_wait *wait;
};

struct kb_sync_assignment {
	struct kc_str member_id;
	struct kc_str assignment;
};

struct kb_sync { /* all borrowed */
	struct kc_str member_id;
	struct kc_str instance_id;
	struct kc_str protocol_type; /* null: not said */
	struct kc_str protocol_name;
	int32_t generation;
	const struct kb_sync_assignment *assignments;
	int32_t nassignments;
	struct kb_group_wait *wait;
};

/* The wait is answered at once (it is in out->done) or later. */
void kb_group_join(struct kb_group *grp, const struct kb_join *j,
    struct kb_now now, struct kb_group_out *out);
void kb_group_sync(struct kb_group *grp, const struct kb_sync *s,
    struct kb_now now, struct kb_group_out *out);
int16_t kb_group_heartbeat(struct kb_group *grp, int32_t generation,
    struct kc_str member_id, struct kc_str instance_id, struct kb_now now);
/* member_id "" with an instance_id: whoever that is. */
int16_t kb_group_leave(struct kb_group *grp, struct kc_str member_id,
    struct kc_str instance_id, struct kb_now now, struct kb_group_out *out);
/*
 * May these offsets be committed?  NONE refreshes the member's session.
 * txn: by TxnOffsetCommit, which knows producers and need not know members.
 */
int16_t kb_group_commit(struct kb_group *grp, int32_t generation,
    struct kc_str member_id, struct kc_str instance_id, bool txn,
    struct kb_now now);
/* Deadlines that have passed.  Sets due_ms anew. */
void kb_group_tick(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out);
/* What became of a store; takes store->swap. */
void kb_group_stored(struct kb_group *grp, struct kb_group_store *store,
    int16_t code, struct kb_now now, struct kb_group_out *out);
/* The record was never written and nobody is to hear: drop what it holds. */
void kb_group_store_drop(struct kb_group_store *store);
/* Restored: with more members than allowed it rebalances. */
void kb_group_check_size(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out);
/* Not ours any more, or deleted: Dead; who waits gets code. */
void kb_group_kill(
    struct kb_group *grp, int16_t code, struct kb_group_out *out);

/* An answer without a group. */
void kb_group_refuse(struct kb_group_wait *w, int16_t code,
    struct kc_str member_id, struct kb_group_out *out);

/*
 * Do its members, consumers, read topic?  *known is false, and the answer
 * true, when somebody's metadata cannot be read.
 */
bool kb_group_subscribed(
    const struct kb_group *grp, struct kc_str topic, bool *known);
bool kb_group_is_consumer(const struct kb_group *grp);
/* A member's metadata of the protocol name; empty when it has none. */
struct kc_str kb_member_metadata(const struct kb_member *m, struct kc_str name);
/*
 * May this offset be forgotten?  Its own expiration counts, else retention_ms
 * since the commit, or since the group became empty.  groups.md 6.
 */
bool kb_group_offset_expired(const struct kb_group *grp, struct kc_str topic,
    const struct kb_offset *off, int64_t wall_ms, int64_t retention_ms);

#endif
