/* Answers to those who wait. */
#include "kbroker/group/group_priv.h"
#include "kbroker/group/member.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

static void
answered(struct kb_group_wait *w, struct kb_group_out *out)
{
	w->next = NULL;
	if (out->done_last != NULL)
		out->done_last->next = w;
	else
		out->done = w;
	out->done_last = w;
}

/* A copy for the answer; failing, the answer becomes an error. */
static struct kc_str
copy(struct kb_group_wait *w, struct kc_str s)
{
	struct kc_str c = kc_arena_str(w->arena, s);

	if (c.len != s.len || (s.len >= 0 && c.p == NULL))
		w->code = KP_UNKNOWN_SERVER_ERROR;
	return c;
}

static void
clear(struct kb_group_wait *w, int16_t code)
{
	w->code = code;
	w->generation = -1;
	w->protocol_type = w->protocol_name = KC_STR_NULL;
	w->leader = w->member_id = w->assignment = KC_STR_LIT("");
	w->skip_assignment = false;
	w->members = NULL;
	w->nmembers = 0;
}

void
kb_group_refuse(struct kb_group_wait *w, int16_t code, struct kc_str member_id,
    struct kb_group_out *out)
{
	clear(w, code);
	w->member_id = copy(w, member_id);
	answered(w, out);
}

static void
tell_members(const struct kb_group *grp, struct kb_group_wait *w)
{
	size_t n = HASH_COUNT(grp->members);

	w->members = kc_arena_array(w->arena, n, sizeof *w->members);
	if (w->members == NULL) {
		w->code = KP_UNKNOWN_SERVER_ERROR;
		return;
	}
	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next)
		w->members[w->nmembers++] = (struct kb_group_peer){
			.member_id = copy(w, m->id),
			.instance_id = copy(w, m->instance_id),
			.metadata =
			    copy(w, kb_member_metadata(m, grp->protocol_name)),
		};
}

void
kb_group_accept_join(const struct kb_group *grp, const struct kb_member *m,
    struct kb_group_wait *w, const struct kb_joined *how,
    struct kb_group_out *out)
{
	clear(w, KP_NONE);
	w->generation = grp->generation;
	w->protocol_type = copy(w, grp->protocol_type);
	w->protocol_name = copy(w, grp->protocol_name);
	w->leader = copy(w, how->leader);
	w->member_id = copy(w, m->id);
	w->skip_assignment = how->skip;
	if (how->members)
		tell_members(grp, w);
	if (w->code != KP_NONE)
		clear(w, w->code); /* out of memory for it */
	answered(w, out);
}

bool
kb_group_leads(const struct kb_group *grp, const struct kb_member *m)
{
	return kc_str_eq(grp->leader, m->id);
}

/* The member's waiting join, taken off it; NULL: it has none. */
struct kb_group_wait *
kb_group_take_join(struct kb_group *grp, struct kb_member *m)
{
	struct kb_group_wait *w = m->join;

	if (w != NULL)
		grp->njoins--;
	m->join = NULL;
	return w;
}

void
kb_group_refuse_join(struct kb_group *grp, struct kb_member *m, int16_t code,
    struct kc_str member_id, struct kb_group_out *out)
{
	struct kb_group_wait *w = kb_group_take_join(grp, m);

	if (w != NULL)
		kb_group_refuse(w, code, member_id, out);
}

void
kb_group_refuse_sync(
    struct kb_member *m, int16_t code, struct kb_group_out *out)
{
	struct kb_group_wait *w = m->sync;

	m->sync = NULL;
	if (w == NULL)
		return;
	clear(w, code);
	answered(w, out);
}

void
kb_group_accept_sync(const struct kb_group *grp, const struct kb_member *m,
    struct kb_group_wait *w, struct kb_group_out *out)
{
	clear(w, KP_NONE);
	w->protocol_type = copy(w, grp->protocol_type);
	w->protocol_name = copy(w, grp->protocol_name);
	w->assignment = copy(w, m->assignment);
	if (w->code != KP_NONE)
		clear(w, w->code);
	answered(w, out);
}
