/* What administrators ask. */
#include "kbroker/group/coord_priv.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

/* --- describe ------------------------------------------------------------- */

static bool
copy(struct kc_arena *a, struct kc_str *to, struct kc_str from)
{
	*to = kc_arena_str(a, from);
	return to->len == from.len;
}

static bool
copy_member(const struct kb_group *grp, const struct kb_member *m,
    struct kc_arena *a, struct kb_member_info *info)
{
	bool stable = grp->state == KB_GROUP_STABLE;

	info->metadata = info->assignment = KC_STR_LIT("");
	return copy(a, &info->member_id, m->id) &&
	    copy(a, &info->instance_id, m->instance_id) &&
	    copy(a, &info->client_id, m->client_id) &&
	    copy(a, &info->client_host, m->client_host) &&
	    (!stable ||
		(copy(a, &info->metadata,
		     kb_member_metadata(m, grp->protocol_name)) &&
		    copy(a, &info->assignment, m->assignment)));
}

static bool
describe(
    const struct kb_group *grp, struct kc_arena *a, struct kb_group_info *info)
{
	size_t n = HASH_COUNT(grp->members);

	info->state = kb_group_state_name(grp->state);
	if ((grp->protocol_type.len > 0 &&
		!copy(a, &info->protocol_type, grp->protocol_type)) ||
	    (grp->state == KB_GROUP_STABLE && grp->protocol_name.len > 0 &&
		!copy(a, &info->protocol, grp->protocol_name)))
		return false;
	info->members = kc_arena_array(a, n, sizeof *info->members);
	if (info->members == NULL && n > 0)
		return false;
	for (struct kb_member *m = grp->members; m != NULL; m = m->hh.next)
		if (!copy_member(grp, m, a, &info->members[info->nmembers++]))
			return false;
	return true;
}

int16_t
kb_coord_describe(struct kb_coord *c, struct kc_str group, struct kc_arena *a,
    struct kb_group_info *info)
{
	struct kb_shard *s;
	const struct kb_group *grp;
	int16_t code;

	*info = (struct kb_group_info){ .state = "",
		.protocol_type = KC_STR_LIT(""),
		.protocol = KC_STR_LIT("") };
	if (group.len < 0)
		return KP_INVALID_GROUP_ID;
	if ((code = kb_coord_enter(c, group, &s)) != KP_NONE)
		return code;
	grp = kb_shard_find(s, group);
	if (grp == NULL)
		info->state = kb_group_state_name(KB_GROUP_DEAD);
	else if (!describe(grp, a, info))
		code = KP_UNKNOWN_SERVER_ERROR;
	kc_lock_drop(&s->lock);
	return code;
}

/* --- list ----------------------------------------------------------------- */

/* Room for n more: the array moves when it must. */
static bool
room(struct kb_group_list *list, int32_t *cap, int32_t n)
{
	int32_t want = KC_MAX(list->n + n, *cap * 2);
	struct kb_group_line *v;

	if (list->n + n <= *cap)
		return true;
	v = kc_arena_array(list->arena, (size_t)want, sizeof *v);
	if (v == NULL)
		return false;
	if (list->n > 0)
		memcpy(v, list->v, (size_t)list->n * sizeof *v);
	list->v = v;
	*cap = want;
	return true;
}

static bool
list_shard(struct kb_shard *s, struct kb_group_list *list, int32_t *cap)
{
	struct kb_group_line *line;

	if (!room(list, cap, (int32_t)HASH_COUNT(s->groups)))
		return false;
	for (struct kb_group *grp = s->groups; grp != NULL;
	     grp = grp->hh.next) {
		line = &list->v[list->n++];
		line->state = kb_group_state_name(grp->state);
		line->protocol_type = KC_STR_LIT("");
		if (!copy(list->arena, &line->group, grp->id) ||
		    (grp->protocol_type.len > 0 &&
			!copy(list->arena, &line->protocol_type,
			    grp->protocol_type)))
			return false;
	}
	return true;
}

int16_t
kb_coord_list(struct kb_coord *c, struct kb_group_list *list)
{
	int16_t code = KP_NONE;
	int32_t cap = 0, n;

	list->v = NULL;
	list->n = 0;
	kc_lock_take(&c->lock);
	n = c->nshards;
	kc_lock_drop(&c->lock);
	for (int32_t i = 0; i < n; i++) {
		struct kb_shard *s = kb_coord_shard(c, i);
		bool ok = true;

		if (s == NULL)
			continue;
		kc_lock_take(&s->lock);
		if (s->state == KB_SHARD_LOADING)
			code = KP_COORDINATOR_LOAD_IN_PROGRESS;
		else if (s->state == KB_SHARD_OWNED)
			ok = list_shard(s, list, &cap);
		kc_lock_drop(&s->lock);
		if (!ok) {
			list->n = 0;
			return KP_UNKNOWN_SERVER_ERROR;
		}
	}
	return code;
}

/* --- delete --------------------------------------------------------------- */

static bool
all(void *arg KC_UNUSED, const struct kb_group *grp KC_UNUSED,
    struct kc_str topic KC_UNUSED, const struct kb_offset *off KC_UNUSED)
{
	return true;
}

int16_t
kb_coord_delete(struct kb_coord *c, struct kc_str group)
{
	struct kb_now now = kb_coord_now(c);
	struct kb_finished f = { 0 };
	struct kb_shard *s;
	struct kb_group *grp;
	struct kb_sweep sw;
	int16_t code;

	if (group.len < 0)
		return KP_INVALID_GROUP_ID;
	if ((code = kb_coord_enter(c, group, &s)) != KP_NONE)
		return code;
	grp = kb_shard_find(s, group);
	if (grp == NULL) {
		code = KP_GROUP_ID_NOT_FOUND;
	} else if (grp->state != KB_GROUP_EMPTY) {
		code = KP_NON_EMPTY_GROUP;
	} else {
		kb_sweep_open(&sw, s, now);
		kb_sweep_all(&sw, grp, all, NULL);
		kb_sweep_group(&sw, grp, &f.out);
		kb_sweep_close(&sw);
	}
	kc_lock_drop(&s->lock);
	(void)kb_finished_run(&f, NULL);
	return code;
}
