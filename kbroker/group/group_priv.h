/*
 * group_priv -- the steps of a group's state machine that its files share:
 * group.c, group_answer.c, rebalance.c, join.c, sync.c.
 */
#ifndef KB_GROUP_PRIV_H
#define KB_GROUP_PRIV_H

#include "kbroker/group/group.h"

/* --- time (group.c) --------------------------------------------------------
 */

void kb_group_due(struct kb_group *grp, int64_t due_ms);
/* The member was heard of. */
void kb_group_refresh(
    struct kb_group *grp, struct kb_member *m, struct kb_now now);
void kb_group_move_to(
    struct kb_group *grp, enum kb_group_state state, struct kb_now now);
/* NONE, FENCED_INSTANCE_ID or UNKNOWN_MEMBER_ID. */
int16_t kb_group_check_member(const struct kb_group *grp,
    struct kc_str member_id, struct kc_str instance_id, struct kb_member **mp);

/* --- answers (group_answer.c) ----------------------------------------------
 */

struct kb_joined { /* what differs between good answers to a join */
	struct kc_str leader;
	bool members;
	bool skip;
};

void kb_group_accept_join(const struct kb_group *grp, const struct kb_member *m,
    struct kb_group_wait *w, const struct kb_joined *how,
    struct kb_group_out *out);
/* The member's waiting join, taken off it; NULL: it has none. */
struct kb_group_wait *kb_group_take_join(
    struct kb_group *grp, struct kb_member *m);
void kb_group_refuse_join(struct kb_group *grp, struct kb_member *m,
    int16_t code, struct kc_str member_id, struct kb_group_out *out);
void kb_group_refuse_sync(
    struct kb_member *m, int16_t code, struct kb_group_out *out);
void kb_group_accept_sync(const struct kb_group *grp, const struct kb_member *m,
    struct kb_group_wait *w, struct kb_group_out *out);
bool kb_group_leads(const struct kb_group *grp, const struct kb_member *m);

/* --- rebalance (rebalance.c) -----------------------------------------------
 */

/* Nobody keeps an assignment; who waits for one hears why. */
void kb_group_drop_assignments(struct kb_group *grp, int16_t code,
    struct kb_now now, struct kb_group_out *out);
void kb_group_prepare(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out);
/* Unless it is under way, or the group is dead. */
void kb_group_maybe_prepare(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out);
/* All have come who will: the next generation begins. */
void kb_group_complete_join(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out);
/* That, once everybody has come. */
void kb_group_maybe_complete(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out);
void kb_group_set_leader(struct kb_group *grp, struct kc_str id);
/* Without a rebalance yet. */
void kb_group_remove_member(
    struct kb_group *grp, struct kb_member *m, struct kb_group_out *out);

/* --- outcome of a store -----------------------------------------------------
 */

/* sync.c */
void kb_group_synced(struct kb_group *grp, int16_t code, struct kb_now now,
    struct kb_group_out *out);
/* join.c */
void kb_group_swapped(struct kb_group *grp, struct kb_static_swap *s,
    int16_t code, struct kb_now now, struct kb_group_out *out);

#endif
