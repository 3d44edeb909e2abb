/*
 * common -- a group to play with: a clock that the test moves, members whose
 * answers are kept, and stores that succeed unless told otherwise.
 */
#ifndef KT_GROUP_COMMON_H
#define KT_GROUP_COMMON_H

#include "kbroker/group/group.h"
#include "kbroker/group/member.h"
#include "kbroker/group/records.h"
#include "kcommon/proto/error.h"

#include <criterion/criterion.h>

struct kt_wait { /* one question of a member */
	struct kb_group_wait w;
	struct kc_arena arena;
	int answers;
};

struct kt_group {
	struct kb_group_params params;
	struct kb_group *grp;
	struct kb_now now;
	int16_t store_code; /* what becomes of a store */
	bool hold; /* keep stores back for kt_group_release() */
	struct kb_group_store held;
	int stores;
	enum kb_store last_store;
	int ids; /* given out */
	struct kt_wait *waits[64]; /* owned */
	int nwaits;
};

void kt_group_open(struct kt_group *g);
void kt_group_close(struct kt_group *g);
/* Time passes; deadlines come when they are due, in order. */
void kt_group_pass(struct kt_group *g, int64_t ms);
void kt_group_release(struct kt_group *g);

struct kt_joiner {
	const char *member; /* NULL: "" */
	const char *instance; /* NULL: dynamic */
	const char *type; /* NULL: "consumer" */
	const char *protocols; /* "range,roundrobin"; NULL: "range" */
	const char *metadata; /* of all; NULL: that of topic "t" */
	int version; /* 0: 3, so that no id is needed first */
	int32_t session_ms; /* 0: 10 s */
	int32_t rebalance_ms; /* 0: 60 s */
};

struct kt_wait *kt_join(struct kt_group *g, struct kt_joiner j);
/* assignments: "id=value,id=value", or NULL. */
struct kt_wait *kt_sync(struct kt_group *g, struct kc_str member,
    int32_t generation, const char *assignments);
int16_t kt_heartbeat(
    struct kt_group *g, struct kc_str member, int32_t generation);
int16_t kt_leave(
    struct kt_group *g, struct kc_str member, const char *instance);

/* A stable group of n members with version v of joins; ids[i] are theirs. */
void kt_stable(struct kt_group *g, int n, struct kc_str *ids);
/* A group in that state: one member when it has any; its id in *id. */
void kt_in_state(
    struct kt_group *g, enum kb_group_state state, struct kc_str *id);

#define kt_answered(wt, want)                                                  \
	do {                                                                   \
		const struct kt_wait *wt_ = (wt);                              \
		cr_assert_eq(wt_->answers, 1, "answers: %d", wt_->answers);    \
		cr_assert_eq(wt_->w.code, want, "code %d", wt_->w.code);       \
	} while (0)
#define kt_waits(wt) cr_assert_eq((wt)->answers, 0)
#define kt_str_is(s, z) cr_assert(kc_str_eqz(s, z), "%.*s", KC_STR_ARG(s))

#endif
