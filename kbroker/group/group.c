#include "kbroker/group/group.h"

#include "kbroker/group/group_priv.h"
#include "kbroker/group/member.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

#include <stdlib.h>

#define NEVER INT64_MAX

const char *
kb_group_state_name(enum kb_group_state state)
{
	switch (state) {
	case KB_GROUP_EMPTY:
		return "Empty";
	case KB_GROUP_PREPARING:
		return "PreparingRebalance";
	case KB_GROUP_COMPLETING:
		return "CompletingRebalance";
	case KB_GROUP_STABLE:
		return "Stable";
	case KB_GROUP_DEAD:
		return "Dead";
	}
	return "Dead";
}

/* --- time ----------------------------------------------------------------- */

void
kb_group_due(struct kb_group *grp, int64_t due_ms)
{
	grp->due_ms = KC_MIN(grp->due_ms, due_ms);
}

void
kb_group_refresh(struct kb_group *grp, struct kb_member *m, struct kb_now now)
{
	m->session_due_ms = now.mono_ms + m->session_ms;
	kb_group_due(grp, m->session_due_ms);
}

void
kb_group_move_to(
    struct kb_group *grp, enum kb_group_state state, struct kb_now now)
{
	grp->state = state;
	grp->state_since_ms = now.wall_ms;
}

/* Who waits for an answer cannot send heartbeats; a newcomer may give up. */
static bool
session_counts(const struct kb_member *m)
{
	return m->is_new || (m->join == NULL && m->sync == NULL);
}

static void
find_due(struct kb_group *grp)
{
	struct kb_pending *p;

	grp->due_ms = NEVER;
	if (grp->state == KB_GROUP_PREPARING)
		kb_group_due(grp, grp->join_due_ms);
	if (grp->sync_due_ms > 0)
		kb_group_due(grp, grp->sync_due_ms);
	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next)
		if (session_counts(m))
			kb_group_due(grp, m->session_due_ms);
	for (p = grp->pending; p != NULL; p = p->hh.next)
		kb_group_due(grp, p->due_ms);
}

/* --- heartbeat, leave, commit --- */

/* NONE, FENCED_INSTANCE_ID or UNKNOWN_MEMBER_ID. */
int16_t
kb_group_check_member(const struct kb_group *grp, struct kc_str member_id,
    struct kc_str instance_id, struct kb_member **mp)
{
	struct kb_member *m;

	*mp = kb_member_find(grp, member_id);
	if (instance_id.len >= 0) {
		m = kb_member_static(grp, instance_id);
		if (m == NULL)
			return KP_UNKNOWN_MEMBER_ID;
		if (!kc_str_eq(m->id, member_id))
			return KP_FENCED_INSTANCE_ID;
	}
	return *mp == NULL ? KP_UNKNOWN_MEMBER_ID : KP_NONE;
}

static void
leave(struct kb_group *grp, struct kb_member *m, struct kb_now now,
    struct kb_group_out *out)
{
	kb_group_remove_member(grp, m, out);
	kb_group_maybe_prepare(grp, now, out);
	kb_group_maybe_complete(grp, now, out);
}

int16_t
kb_group_heartbeat(struct kb_group *grp, int32_t generation,
    struct kc_str member_id, struct kc_str instance_id, struct kb_now now)
{
	struct kb_member *m;
	int16_t code;

	if (grp->state == KB_GROUP_DEAD)
		return KP_COORDINATOR_NOT_AVAILABLE;
	code = kb_group_check_member(grp, member_id, instance_id, &m);
	if (code != KP_NONE)
		return code;
	if (generation != grp->generation)
		return KP_ILLEGAL_GENERATION;
	kb_group_refresh(grp, m, now);
	return grp->state == KB_GROUP_PREPARING ? KP_REBALANCE_IN_PROGRESS :
						  KP_NONE;
}

int16_t
kb_group_leave(struct kb_group *grp, struct kc_str member_id,
    struct kc_str instance_id, struct kb_now now, struct kb_group_out *out)
{
	struct kb_pending *p;
	struct kb_member *m;
	int16_t code;

	if (grp->state == KB_GROUP_DEAD)
		return KP_COORDINATOR_NOT_AVAILABLE;
	if (member_id.len <= 0) { /* an administrator's */
		if ((m = kb_member_static(grp, instance_id)) == NULL)
			return KP_UNKNOWN_MEMBER_ID;
		leave(grp, m, now, out);
		return KP_NONE;
	}
	if ((p = kb_pending_find(grp, member_id)) != NULL) {
		kb_pending_remove(grp, p);
		kb_group_maybe_complete(grp, now, out);
		return KP_NONE;
	}
	code = kb_group_check_member(grp, member_id, instance_id, &m);
	if (code == KP_NONE)
		leave(grp, m, now, out);
	return code;
}

int16_t
kb_group_commit(struct kb_group *grp, int32_t generation,
    struct kc_str member_id, struct kc_str instance_id, bool txn,
    struct kb_now now)
{
	struct kb_member *m = NULL;
	int16_t code;

	if (grp->state == KB_GROUP_DEAD)
		return KP_COORDINATOR_NOT_AVAILABLE;
	if (generation < 0 && grp->state == KB_GROUP_EMPTY)
		return KP_NONE;
	if (generation >= 0 || member_id.len > 0 || instance_id.len >= 0) {
		code = kb_group_check_member(grp, member_id, instance_id, &m);
		if (code != KP_NONE)
			return code;
		if (generation != grp->generation)
			return KP_ILLEGAL_GENERATION;
	} else if (!txn && grp->state != KB_GROUP_EMPTY) {
		return KP_UNKNOWN_MEMBER_ID;
	}
	if (txn)
		return KP_NONE;
	if (grp->state == KB_GROUP_COMPLETING)
		return KP_REBALANCE_IN_PROGRESS;
	if (m != NULL)
		kb_group_refresh(grp, m, now);
	return KP_NONE;
}

void
kb_group_stored(struct kb_group *grp, struct kb_group_store *store,
    int16_t code, struct kb_now now, struct kb_group_out *out)
{
	switch (store->kind) {
	case KB_STORE_NONE:
	case KB_STORE_EMPTY:
		break;
	case KB_STORE_SYNC:
		if (grp->state == KB_GROUP_COMPLETING &&
		    grp->generation == store->generation)
			kb_group_synced(grp, code, now, out);
		break;
	case KB_STORE_STATIC:
		kb_group_swapped(grp, store->swap, code, now, out);
		break;
	}
	kb_group_store_drop(store);
}

/* --- time passes ---------------------------------------------------------- */

static void
expire_sessions(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out)
{
	struct kb_pending *p, *ptmp;
	struct kb_member *m, *tmp;
	bool gone = false;

	HASH_ITER(hh, grp->pending, p, ptmp)
		if (p->due_ms <= now.mono_ms)
			kb_pending_remove(grp, p);
	HASH_ITER(hh, grp->members, m, tmp)
		if (session_counts(m) && m->session_due_ms <= now.mono_ms) {
			kb_group_remove_member(grp, m, out);
			gone = true;
		}
	if (gone)
		kb_group_maybe_prepare(grp, now, out);
	kb_group_maybe_complete(grp, now, out);
}

/* Who has not asked for its assignment in time is gone. */
static void
expire_syncs(struct kb_group *grp, struct kb_now now, struct kb_group_out *out)
{
	struct kb_member *m, *tmp;

	grp->sync_due_ms = 0;
	HASH_ITER(hh, grp->members, m, tmp)
		if (!m->synced)
			kb_group_remove_member(grp, m, out);
	kb_group_prepare(grp, now, out);
	kb_group_maybe_complete(grp, now, out);
}

static void
join_due(struct kb_group *grp, struct kb_now now, struct kb_group_out *out)
{
	int64_t more;

	if (grp->initial && grp->newcomers && grp->delay_left_ms > 0) {
		more =
		    KC_MIN(grp->params->initial_delay_ms, grp->delay_left_ms);
		grp->newcomers = false;
		grp->delay_left_ms -= more;
		grp->join_due_ms = now.mono_ms + more;
		return;
	}
	kb_group_complete_join(grp, now, out);
}

void
kb_group_tick(struct kb_group *grp, struct kb_now now, struct kb_group_out *out)
{
	expire_sessions(grp, now, out);
	if (grp->sync_due_ms > 0 && grp->sync_due_ms <= now.mono_ms)
		expire_syncs(grp, now, out);
	if (grp->state == KB_GROUP_PREPARING && grp->join_due_ms <= now.mono_ms)
		join_due(grp, now, out);
	find_due(grp);
}

/* --- life ----------------------------------------------------------------- */

int
kb_group_new(struct kb_group **gp, struct kc_str id,
    const struct kb_group_params *params, int64_t wall_ms)
{
	struct kb_group *grp = kc_new(struct kb_group, KB_GROUP_MAGIC);

	KC_ASSERT(*gp == NULL && id.len >= 0);
	if (grp == NULL || kb_str_copy(&grp->id, id) != KC_OK) {
		free(grp);
		return KC_ENOMEM;
	}
	grp->params = params;
	grp->state = KB_GROUP_EMPTY;
	grp->state_since_ms = wall_ms;
	grp->protocol_type = grp->protocol_name = grp->leader = KC_STR_NULL;
	grp->due_ms = NEVER;
	*gp = grp;
	return KC_OK;
}

void
kb_group_check_size(
    struct kb_group *grp, struct kb_now now, struct kb_group_out *out)
{
	if ((int32_t)HASH_COUNT(grp->members) > grp->params->size_max)
		kb_group_maybe_prepare(grp, now, out);
}

void
kb_group_kill(struct kb_group *grp, int16_t code, struct kb_group_out *out)
{
	struct kb_pending *p, *ptmp;
	struct kb_member *m, *tmp;

	grp->state = KB_GROUP_DEAD;
	HASH_ITER(hh, grp->members, m, tmp) {
		kb_group_refuse_join(grp, m, code, m->id, out);
		kb_group_refuse_sync(m, code, out);
		kb_member_remove(grp, m);
	}
	HASH_ITER(hh, grp->pending, p, ptmp)
		kb_pending_remove(grp, p);
	kb_str_free(&grp->leader);
	grp->sync_due_ms = 0;
	grp->due_ms = NEVER;
}

void
kb_group_free(struct kb_group **gp)
{
	struct kb_group *grp = *gp;
	struct kb_group_out out = { 0 };

	*gp = NULL;
	if (grp == NULL)
		return;
	kb_group_kill(grp, KP_NOT_COORDINATOR, &out);
	KC_ASSERT(out.done == NULL);
	kb_group_offsets_fini(&grp->offsets);
	kb_str_free(&grp->id);
	kb_str_free(&grp->protocol_type);
	kb_str_free(&grp->protocol_name);
	kc_delete(grp);
}
