/* The leader hands in the assignment, members get theirs. */
#include "kbroker/group/group_priv.h"
#include "kbroker/group/member.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

static int16_t
check_sync(
    const struct kb_group *grp, const struct kb_sync *s, struct kb_member **mp)
{
	int16_t code;

	if (grp->state == KB_GROUP_DEAD)
		return KP_COORDINATOR_NOT_AVAILABLE;
	code = kb_group_check_member(grp, s->member_id, s->instance_id, mp);
	if (code != KP_NONE)
		return code;
	if (s->generation != grp->generation)
		return KP_ILLEGAL_GENERATION;
	if ((s->protocol_type.len >= 0 &&
		!kc_str_eq(s->protocol_type, grp->protocol_type)) ||
	    (s->protocol_name.len >= 0 &&
		!kc_str_eq(s->protocol_name, grp->protocol_name)))
		return KP_INCONSISTENT_GROUP_PROTOCOL;
	if (grp->state == KB_GROUP_EMPTY)
		return KP_UNKNOWN_MEMBER_ID;
	if (grp->state == KB_GROUP_PREPARING)
		return KP_REBALANCE_IN_PROGRESS;
	return KP_NONE;
}

/* What the leader decided; members it does not name get nothing. */
static int
take_assignments(struct kb_group *grp, const struct kb_sync *s)
{
	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next)
		m->assignment.len = 0;
	for (int32_t i = 0; i < s->nassignments; i++) {
		const struct kb_sync_assignment *a = &s->assignments[i];
		struct kb_member *m = kb_member_find(grp, a->member_id);

		if (m != NULL && a->assignment.len >= 0 &&
		    kb_str_set(&m->assignment, a->assignment) != KC_OK)
			return KC_ENOMEM;
	}
	return KC_OK;
}

static void
all_synced(struct kb_group *grp)
{
	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next)
		if (!m->synced)
			return;
	grp->sync_due_ms = 0;
}

void
kb_group_sync(struct kb_group *grp, const struct kb_sync *s, struct kb_now now,
    struct kb_group_out *out)
{
	struct kb_member *m = NULL;
	int16_t code = check_sync(grp, s, &m);

	if (code != KP_NONE) {
		kb_group_refuse(s->wait, code, KC_STR_LIT(""), out);
		return;
	}
	m->synced = true;
	all_synced(grp);
	if (grp->state == KB_GROUP_STABLE) {
		kb_group_accept_sync(grp, m, s->wait, out);
		kb_group_refresh(grp, m, now);
		return;
	}
	kb_group_refuse_sync(
	    m, KP_REBALANCE_IN_PROGRESS, out); /* it has asked again */
	m->sync = s->wait;
	if (!kb_group_leads(grp, m))
		return;
	if (take_assignments(grp, s) != KC_OK) {
		kb_group_drop_assignments(
		    grp, KP_UNKNOWN_SERVER_ERROR, now, out);
		kb_group_maybe_prepare(grp, now, out);
		return;
	}
	out->store = (struct kb_group_store){ .kind = KB_STORE_SYNC,
		.generation = grp->generation };
}

void
kb_group_synced(struct kb_group *grp, int16_t code, struct kb_now now,
    struct kb_group_out *out)
{
	if (code != KP_NONE) {
		kb_group_drop_assignments(grp, code, now, out);
		kb_group_maybe_prepare(grp, now, out);
		return;
	}
	kb_group_move_to(grp, KB_GROUP_STABLE, now);
	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next) {
		struct kb_group_wait *w = m->sync;

		if (w == NULL)
			continue;
		m->sync = NULL;
		kb_group_accept_sync(grp, m, w, out);
		kb_group_refresh(grp, m, now);
	}
}
