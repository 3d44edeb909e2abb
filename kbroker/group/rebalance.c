/* From one generation to the next. */
#include "kbroker/group/group_priv.h"
#include "kbroker/group/member.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

static int32_t
rebalance_timeout(const struct kb_group *grp)
{
	int32_t max = 0;

	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next)
		max = KC_MAX(max, m->rebalance_ms);
	return max;
}

/* Nobody keeps an assignment; who waits for one hears why. */
void
kb_group_drop_assignments(struct kb_group *grp, int16_t code, struct kb_now now,
    struct kb_group_out *out)
{
	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next) {
		m->assignment.len = 0;
		if (m->sync == NULL)
			continue;
		kb_group_refuse_sync(m, code, out);
		kb_group_refresh(grp, m, now);
	}
}

static void
wait_for_joins(struct kb_group *grp, struct kb_now now)
{
	grp->initial = false;
	grp->join_due_ms = now.mono_ms + rebalance_timeout(grp);
	kb_group_due(grp, grp->join_due_ms);
}

void
kb_group_prepare(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out)
{
	bool empty = grp->state == KB_GROUP_EMPTY;

	if (grp->state == KB_GROUP_COMPLETING)
		kb_group_drop_assignments(
		    grp, KP_REBALANCE_IN_PROGRESS, now, out);
	grp->sync_due_ms = 0;
	kb_group_move_to(grp, KB_GROUP_PREPARING, now);
	if (!empty) {
		wait_for_joins(grp, now);
		return;
	}
	grp->initial = true;
	grp->newcomers = false;
	grp->join_due_ms = now.mono_ms + grp->params->initial_delay_ms;
	grp->delay_left_ms =
	    KC_MAX(rebalance_timeout(grp) - grp->params->initial_delay_ms, 0);
	kb_group_due(grp, grp->join_due_ms);
}

void
kb_group_maybe_prepare(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out)
{
	if (grp->state == KB_GROUP_EMPTY || grp->state == KB_GROUP_STABLE ||
	    grp->state == KB_GROUP_COMPLETING)
		kb_group_prepare(grp, now, out);
}

/* Everybody who was known has come, and nobody is on the way? */
void
kb_group_maybe_complete(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out)
{
	if (grp->state == KB_GROUP_PREPARING && !grp->initial &&
	    grp->njoins == (int32_t)HASH_COUNT(grp->members) &&
	    grp->pending == NULL)
		kb_group_complete_join(grp, now, out);
}

void
kb_group_set_leader(struct kb_group *grp, struct kc_str id)
{
	/* Out of memory: no leader, so the next generation elects one. */
	if (kb_str_set(&grp->leader, id) != KC_OK)
		kb_str_free(&grp->leader);
}

void
kb_group_remove_member(
    struct kb_group *grp, struct kb_member *m, struct kb_group_out *out)
{
	bool led = kb_group_leads(grp, m);

	kb_group_refuse_join(grp, m, KP_UNKNOWN_MEMBER_ID, KC_STR_LIT(""), out);
	kb_group_refuse_sync(m, KP_UNKNOWN_MEMBER_ID, out);
	kb_member_remove(grp, m);
	if (!led)
		return;
	if (grp->members != NULL)
		kb_group_set_leader(grp, grp->members->id);
	else
		kb_str_free(&grp->leader);
}

/* The leader has joined again, or another that has becomes it. */
static bool
elect(struct kb_group *grp)
{
	struct kb_member *m = kb_member_find(grp, grp->leader);

	if (m != NULL && m->join != NULL)
		return true;
	for (m = grp->members; m != NULL; m = m->hh.next)
		if (m->join != NULL) {
			kb_group_set_leader(grp, m->id);
			return true;
		}
	return false;
}

static void
answer_joins(struct kb_group *grp, struct kb_now now, struct kb_group_out *out)
{
	struct kb_joined how = { .leader = grp->leader };

	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next) {
		struct kb_group_wait *w = kb_group_take_join(grp, m);

		m->is_new = false;
		m->synced = false;
		kb_group_refresh(grp, m, now);
		how.members = kb_group_leads(grp, m);
		if (w != NULL)
			kb_group_accept_join(grp, m, w, &how, out);
	}
}

/* All have come who will: the next generation begins. */
void
kb_group_complete_join(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out)
{
	struct kb_member *m, *tmp;

	HASH_ITER(hh, grp->members, m, tmp)
		if (m->join == NULL && m->instance_id.len < 0)
			kb_group_remove_member(grp, m, out);
	if (!elect(grp) && grp->members != NULL) {
		/* Only static members, and none of them is here. */
		wait_for_joins(grp, now);
		return;
	}
	grp->generation++;
	grp->initial = false;
	kb_str_free(&grp->protocol_name);
	if (grp->members == NULL) {
		kb_group_move_to(grp, KB_GROUP_EMPTY, now);
		out->store = (struct kb_group_store){ .kind = KB_STORE_EMPTY,
			.generation = grp->generation };
		return;
	}
	(void)kb_str_copy(&grp->protocol_name, kb_protocols_select(grp));
	kb_group_move_to(grp, KB_GROUP_COMPLETING, now);
	answer_joins(grp, now, out);
	grp->sync_due_ms = now.mono_ms + rebalance_timeout(grp);
	kb_group_due(grp, grp->sync_due_ms);
}
