/* Members join, and static ones come back (KIP-345). */
#include "kbroker/group/group_priv.h"
#include "kbroker/group/member.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

#include <stdlib.h>

/* A static member that came back with a new id, should its record fail. */
struct kb_static_swap {
	struct kc_str new_id;
	struct kc_str old_id;
	struct kc_str old_leader;
	struct kb_member_protocol *protocols; /* the old ones */
	int32_t nprotocols;
	int32_t session_ms;
	int32_t rebalance_ms;
	bool can_skip;
};

static bool
has_room(const struct kb_group *grp, const struct kb_member *m)
{
	int32_t max = grp->params->size_max;

	switch (grp->state) {
	case KB_GROUP_EMPTY:
	case KB_GROUP_DEAD:
		return true;
	case KB_GROUP_PREPARING:
		return (m != NULL && m->join != NULL) || grp->njoins < max;
	default:
		return m != NULL || (int32_t)HASH_COUNT(grp->members) < max;
	}
}

static bool
fits(const struct kb_group *grp, const struct kb_join *j)
{
	if (j->protocol_type.len <= 0 || j->nprotocols == 0)
		return false;
	if (grp->state == KB_GROUP_EMPTY || grp->members == NULL)
		return true;
	return kc_str_eq(grp->protocol_type, j->protocol_type) &&
	    kb_protocols_common(grp, j->protocols, j->nprotocols);
}

/* The member as this join describes it, and waiting for the answer. */
static int
describe(struct kb_group *grp, struct kb_member *m, const struct kb_join *j,
    struct kb_group_out *out)
{
	struct kb_member_protocol *protocols;

	if (kb_protocols_copy(&protocols, j->protocols, j->nprotocols) != KC_OK)
		return KC_ENOMEM;
	free(m->protocols);
	m->protocols = protocols;
	m->nprotocols = j->nprotocols;
	m->session_ms = j->session_ms;
	m->rebalance_ms = j->rebalance_ms;
	/* It has asked again: nobody reads the first answer any more. */
	kb_group_refuse_join(grp, m, KP_REBALANCE_IN_PROGRESS, m->id, out);
	m->join = j->wait;
	grp->njoins++;
	return KC_OK;
}

static void
add_member(struct kb_group *grp, struct kc_str id, const struct kb_join *j,
    struct kb_now now, struct kb_group_out *out)
{
	struct kb_pending *p = kb_pending_find(grp, id);
	struct kb_member *m = kb_member_add(
	    grp, id, j->instance_id, j->client_id, j->client_host);

	if (m == NULL || describe(grp, m, j, out) != KC_OK ||
	    (HASH_COUNT(grp->members) == 1 &&
		kb_str_set(&grp->protocol_type, j->protocol_type) != KC_OK)) {
		if (m != NULL) {
			(void)kb_group_take_join(grp, m);
			kb_member_remove(grp, m);
		}
		kb_group_refuse(
		    j->wait, KP_UNKNOWN_SERVER_ERROR, j->member_id, out);
		return;
	}
	if (p != NULL)
		kb_pending_remove(grp, p);
	if (grp->leader.len < 0)
		kb_group_set_leader(grp, m->id);
	m->is_new = true;
	m->session_due_ms = now.mono_ms + KB_NEW_MEMBER_MS;
	kb_group_due(grp, m->session_due_ms);
	if (grp->state == KB_GROUP_PREPARING && grp->generation == 0)
		grp->newcomers = true;
	kb_group_maybe_prepare(grp, now, out);
}

static void
update_member(struct kb_group *grp, struct kb_member *m,
    const struct kb_join *j, struct kb_now now, struct kb_group_out *out)
{
	if (describe(grp, m, j, out) != KC_OK)
		kb_group_refuse(
		    j->wait, KP_UNKNOWN_SERVER_ERROR, j->member_id, out);
	else
		kb_group_maybe_prepare(grp, now, out);
}

static void
swap_free(struct kb_static_swap **swapp)
{
	struct kb_static_swap *s = *swapp;

	*swapp = NULL;
	if (s == NULL)
		return;
	kb_str_free(&s->new_id);
	kb_str_free(&s->old_id);
	kb_str_free(&s->old_leader);
	free(s->protocols);
	free(s);
}

static struct kb_static_swap *
swap_note(const struct kb_group *grp, const struct kb_member *m,
    const struct kb_join *j)
{
	struct kb_static_swap *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->new_id = s->old_id = s->old_leader = KC_STR_NULL;
	if (kb_str_copy(&s->new_id, j->new_id) != KC_OK ||
	    kb_str_copy(&s->old_id, m->id) != KC_OK ||
	    kb_str_copy(&s->old_leader, grp->leader) != KC_OK ||
	    kb_protocols_copy(&s->protocols, m->protocols, m->nprotocols) !=
		KC_OK) {
		swap_free(&s);
		return NULL;
	}
	s->nprotocols = m->nprotocols;
	s->session_ms = m->session_ms;
	s->rebalance_ms = m->rebalance_ms;
	s->can_skip = j->can_skip;
	return s;
}

/* Give a static member another id, and the leadership with it. */
static int
rename_member(struct kb_group *grp, struct kb_member *m, struct kc_str id)
{
	bool led = kb_group_leads(grp, m);

	if (kb_member_rename(grp, m, id) != KC_OK)
		return KC_ENOMEM;
	if (led)
		kb_group_set_leader(grp, m->id);
	return KC_OK;
}

/*
 * A static member has been started again: it takes over what its old self
 * had, who hears that it is fenced.  A stable group need not rebalance.
 */
static void
replace_static(struct kb_group *grp, struct kb_member *m,
    const struct kb_join *j, struct kb_now now, struct kb_group_out *out)
{
	struct kb_static_swap *swap = swap_note(grp, m, j);
	struct kc_str selected;

	if (swap == NULL || rename_member(grp, m, j->new_id) != KC_OK) {
		swap_free(&swap);
		kb_group_refuse(
		    j->wait, KP_UNKNOWN_SERVER_ERROR, KC_STR_LIT(""), out);
		return;
	}
	kb_group_refuse_join(grp, m, KP_FENCED_INSTANCE_ID, swap->old_id, out);
	kb_group_refuse_sync(m, KP_FENCED_INSTANCE_ID, out);
	if (describe(grp, m, j, out) != KC_OK) {
		(void)rename_member(grp, m, swap->old_id);
		swap_free(&swap);
		kb_group_refuse(
		    j->wait, KP_UNKNOWN_SERVER_ERROR, KC_STR_LIT(""), out);
		return;
	}
	kb_group_refresh(grp, m, now);
	selected = kb_protocols_select(grp);
	if (grp->state == KB_GROUP_STABLE &&
	    kc_str_eq(selected, grp->protocol_name)) {
		out->store = (struct kb_group_store){ .kind = KB_STORE_STATIC,
			.generation = grp->generation,
			.swap = swap };
		return;
	}
	swap_free(&swap);
	kb_group_maybe_prepare(grp, now, out);
}

static void
join_new(struct kb_group *grp, const struct kb_join *j, struct kb_now now,
    struct kb_group_out *out)
{
	struct kb_member *old = kb_member_static(grp, j->instance_id);
	int64_t due_ms = now.mono_ms + j->session_ms;

	if (!fits(grp, j)) {
		kb_group_refuse(j->wait, KP_INCONSISTENT_GROUP_PROTOCOL,
		    KC_STR_LIT(""), out);
	} else if (old != NULL) {
		replace_static(grp, old, j, now, out);
	} else if (j->instance_id.len < 0 && j->id_required) {
		if (kb_pending_add(grp, j->new_id, due_ms) != KC_OK) {
			kb_group_refuse(j->wait, KP_GROUP_MAX_SIZE_REACHED,
			    KC_STR_LIT(""), out);
			return;
		}
		kb_group_due(grp, due_ms);
		kb_group_refuse(j->wait, KP_MEMBER_ID_REQUIRED, j->new_id, out);
	} else {
		add_member(grp, j->new_id, j, now, out);
	}
}

static void
rejoin(struct kb_group *grp, struct kb_member *m, const struct kb_join *j,
    struct kb_now now, struct kb_group_out *out)
{
	bool same = kb_protocols_eq(m, j->protocols, j->nprotocols);
	struct kb_joined how = { .leader = grp->leader };

	switch (grp->state) {
	case KB_GROUP_PREPARING:
		update_member(grp, m, j, now, out);
		return;
	case KB_GROUP_COMPLETING:
		if (!same) {
			update_member(grp, m, j, now, out);
			return;
		}
		/* It has missed the answer: the same once more. */
		how.members = kb_group_leads(grp, m);
		kb_group_accept_join(grp, m, j->wait, &how, out);
		return;
	case KB_GROUP_STABLE:
		if (!same || kb_group_leads(grp, m)) {
			update_member(grp, m, j, now, out);
			return;
		}
		kb_group_accept_join(grp, m, j->wait, &how, out);
		return;
	case KB_GROUP_EMPTY:
	case KB_GROUP_DEAD:
		kb_group_refuse(
		    j->wait, KP_UNKNOWN_MEMBER_ID, j->member_id, out);
	}
}

static void
join_known(struct kb_group *grp, const struct kb_join *j, struct kb_now now,
    struct kb_group_out *out)
{
	struct kb_member *m;
	int16_t code;

	if (!fits(grp, j)) {
		kb_group_refuse(
		    j->wait, KP_INCONSISTENT_GROUP_PROTOCOL, j->member_id, out);
		return;
	}
	/* A static member is never given its id in advance. */
	if (j->instance_id.len < 0 && kb_pending_find(grp, j->member_id)) {
		add_member(grp, j->member_id, j, now, out);
		return;
	}
	code = kb_group_check_member(grp, j->member_id, j->instance_id, &m);
	if (code != KP_NONE)
		kb_group_refuse(j->wait, code, j->member_id, out);
	else
		rejoin(grp, m, j, now, out);
}

void
kb_group_join(struct kb_group *grp, const struct kb_join *j, struct kb_now now,
    struct kb_group_out *out)
{
	struct kb_member *m = kb_member_find(grp, j->member_id);

	if (j->nprotocols > KB_PROTOCOLS_MAX) {
		kb_group_refuse(j->wait, KP_INVALID_REQUEST, j->member_id, out);
		return;
	}
	if (!has_room(grp, m)) {
		struct kb_pending *p = kb_pending_find(grp, j->member_id);

		if (p != NULL)
			kb_pending_remove(grp, p);
		if (m != NULL)
			kb_group_remove_member(grp, m, out);
		kb_group_refuse(
		    j->wait, KP_GROUP_MAX_SIZE_REACHED, KC_STR_LIT(""), out);
	} else if (grp->state == KB_GROUP_DEAD) {
		kb_group_refuse(
		    j->wait, KP_COORDINATOR_NOT_AVAILABLE, j->member_id, out);
	} else if (j->member_id.len <= 0) {
		join_new(grp, j, now, out);
	} else {
		join_known(grp, j, now, out);
	}
	kb_group_maybe_complete(grp, now, out);
}

static void
undo_swap(struct kb_group *grp, struct kb_member *m, struct kb_static_swap *s,
    int16_t code, struct kb_now now, struct kb_group_out *out)
{
	kb_group_refuse_join(grp, m, code, KC_STR_LIT(""), out);
	if (rename_member(grp, m, s->old_id) != KC_OK)
		return; /* the next join of this instance mends it */
	free(m->protocols);
	m->protocols = s->protocols;
	m->nprotocols = s->nprotocols;
	s->protocols = NULL;
	m->session_ms = s->session_ms;
	m->rebalance_ms = s->rebalance_ms;
	kb_group_refresh(grp, m, now);
}

void
kb_group_swapped(struct kb_group *grp, struct kb_static_swap *s, int16_t code,
    struct kb_now now, struct kb_group_out *out)
{
	struct kb_member *m = kb_member_find(grp, s->new_id);
	struct kb_joined how = { .leader = s->old_leader };
	struct kb_group_wait *w;

	if (m == NULL || m->join == NULL || grp->state != KB_GROUP_STABLE)
		return; /* overtaken: it waits for the next generation */
	if (code != KP_NONE) {
		undo_swap(grp, m, s, code, now, out);
		return;
	}
	if (s->can_skip) {
		how.leader = grp->leader;
		how.members = how.skip = kb_group_leads(grp, m);
	}
	/*
	 * A client that cannot skip is shown its former self as the leader, so
	 * that it does not assign (KAFKA-8104).
	 */
	w = kb_group_take_join(grp, m);
	kb_group_accept_join(grp, m, w, &how, out);
	kb_group_refresh(grp, m, now);
}

void
kb_group_store_drop(struct kb_group_store *store)
{
	swap_free(&store->swap);
	store->kind = KB_STORE_NONE;
}
