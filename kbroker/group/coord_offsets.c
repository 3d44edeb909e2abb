/* Offsets are committed, read and deleted. */
#include "kbroker/group/coord_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"

#include <stdlib.h>

/* --- commit --------------------------------------------------------------- */

static void
set_all(struct kb_commit *cm, int16_t code)
{
	for (int32_t i = 0; i < cm->n; i++)
		if (cm->v[i].code == KP_NONE)
			cm->v[i].code = code;
}

/* From now until its outcome is known, for items [0, n) without an error. */
static int
pend(struct kb_group *grp, const struct kb_commit *cm)
{
	for (int32_t i = 0; i < cm->n; i++) {
		const struct kb_commit_item *it = &cm->v[i];
		int rc;

		if (it->code != KP_NONE)
			continue;
		rc = cm->producer_id < 0 ?
		    kb_group_offsets_pend(
			&grp->offsets, it->topic, it->partition) :
		    kb_group_offsets_txn_add(&grp->offsets, cm->producer_id,
			it->topic, it->partition, &it->value, -1);
		if (rc == KC_OK)
			continue;
		for (int32_t j = 0; j < i; j++) {
			it = &cm->v[j];
			if (it->code == KP_NONE && cm->producer_id < 0)
				kb_group_offsets_fail(
				    &grp->offsets, it->topic, it->partition);
			else if (it->code == KP_NONE)
				kb_group_offsets_txn_written(&grp->offsets,
				    cm->producer_id, it->topic, it->partition,
				    -1);
		}
		return rc;
	}
	return KC_OK;
}

static void
settle_item(struct kb_group *grp, const struct kb_commit *cm,
    const struct kb_commit_item *it, bool ok, int64_t record)
{
	struct kb_group_offsets *o = &grp->offsets;

	if (cm->producer_id >= 0)
		kb_group_offsets_txn_written(o, cm->producer_id, it->topic,
		    it->partition, ok ? record : -1);
	else if (!ok)
		kb_group_offsets_fail(o, it->topic, it->partition);
	else if (kb_group_offsets_commit(
		     o, it->topic, it->partition, &it->value, record) != KC_OK)
		kc_log(KC_LOG_ERROR, KB_META_LOGGER,
		    "Out of memory: a committed offset is served again only "
		    "after the next load");
}

void
kb_shard_committed(
    struct kb_shard *s, struct kb_commit *cm, int16_t code, int64_t first)
{
	struct kb_group *grp = kb_shard_find(s, cm->group);

	for (int32_t i = 0; i < cm->n; i++) {
		struct kb_commit_item *it = &cm->v[i];

		if (it->code != KP_NONE)
			continue;
		if (grp != NULL)
			settle_item(grp, cm, it, code == KP_NONE, first);
		it->code = kb_commit_code(code);
	}
}

/* Append what is left of it; true: the outcome is known. */
static bool
write_commit(struct kb_shard *s, struct kb_group *grp, struct kb_commit *cm,
    struct kb_now now)
{
	struct kb_write where = { .commit = cm };
	struct kb_writing w;
	int16_t code;

	if (pend(grp, cm) != KC_OK) {
		set_all(cm, KP_UNKNOWN_SERVER_ERROR);
		return true;
	}
	kb_writing_open(
	    s, &w, now.wall_ms, cm->producer_id, cm->producer_epoch);
	w.guard = cm->guard;
	for (int32_t i = 0; i < cm->n; i++)
		if (cm->v[i].code == KP_NONE)
			kb_writing_offset(s, &w, cm->group, cm->v[i].topic,
			    cm->v[i].partition, &cm->v[i].value);
	code = kb_writing_append(s, &w, s->coord->config.acks, &where);
	if (code == KP_NONE)
		code = kb_shard_await(s, &where, now);
	if (code == KB_PARTITION_PENDING)
		return false;
	kb_shard_committed(s, cm, code, where.first);
	return true;
}

/* The group, made when one outside of a group commits for the first time. */
static struct kb_group *
group_of(struct kb_shard *s, const struct kb_commit *cm, struct kb_now now,
    int16_t *code)
{
	struct kb_group *grp = kb_shard_find(s, cm->group);

	*code = KP_NONE;
	if (grp != NULL)
		return grp;
	if (cm->generation >= 0) {
		*code = KP_ILLEGAL_GENERATION;
		return NULL;
	}
	if ((grp = kb_shard_make(s, cm->group, now)) == NULL)
		*code = KP_UNKNOWN_SERVER_ERROR;
	return grp;
}

bool
kb_coord_commit(struct kb_coord *c, struct kb_commit *cm)
{
	struct kb_now now = kb_coord_now(c);
	struct kb_finished f = { 0 };
	struct kb_shard *s;
	struct kb_group *grp;
	bool known = true;
	int16_t code;
	int32_t left = 0;

	if (cm->group.len < 0)
		code = KP_INVALID_GROUP_ID;
	else
		code = kb_coord_enter(c, cm->group, &s);
	if (code != KP_NONE) {
		set_all(cm, code);
		return true;
	}
	grp = group_of(s, cm, now, &code);
	if (code == KP_NONE)
		code = kb_group_commit(grp, cm->generation, cm->member_id,
		    cm->instance_id, cm->producer_id >= 0, now);
	if (code != KP_NONE)
		set_all(cm, code);
	for (int32_t i = 0; i < cm->n; i++) {
		struct kb_commit_item *it = &cm->v[i];

		if (it->code == KP_NONE &&
		    it->value.metadata.len > c->config.metadata_max)
			it->code = KP_OFFSET_METADATA_TOO_LARGE;
		left += it->code == KP_NONE;
	}
	if (left > 0)
		known = write_commit(s, grp, cm, now);
	if (grp != NULL)
		kb_shard_settle(s, grp, &f, now);
	kc_lock_drop(&s->lock);
	return known;
}

void
kb_coord_txn_ended(
    struct kb_coord *c, int32_t partition, int64_t producer_id, bool commit)
{
	struct kb_shard *s = kb_coord_shard(c, partition);

	if (s == NULL)
		return;
	kc_lock_take(&s->lock);
	for (struct kb_group *grp = s->groups; grp != NULL; grp = grp->hh.next)
		if (grp->offsets.ntxns > 0 &&
		    kb_group_offsets_txn_end(
			&grp->offsets, producer_id, commit) != KC_OK)
			kc_log(KC_LOG_ERROR, KB_META_LOGGER,
			    "Out of memory: an offset of a transaction is "
			    "served only after the next load");
	kc_lock_drop(&s->lock);
}

/* --- fetch ---------------------------------------------------------------- */

static bool
answer_item(const struct kb_offset_query *q, const struct kb_group *grp,
    struct kb_offset_query_item *it)
{
	const struct kb_offset *off = NULL;

	it->offset = -1;
	it->leader_epoch = -1;
	it->metadata = KC_STR_LIT("");
	it->code = KP_NONE;
	if (grp == NULL)
		return true;
	if (q->require_stable &&
	    kb_group_offsets_txn_pending(
		&grp->offsets, it->topic, it->partition)) {
		it->code = KP_UNSTABLE_OFFSET_COMMIT;
		return true;
	}
	off = kb_group_offsets_get(&grp->offsets, it->topic, it->partition);
	if (off == NULL)
		return true;
	it->offset = off->value.offset;
	it->leader_epoch = off->value.leader_epoch;
	it->metadata = kc_arena_str(q->arena, off->value.metadata);
	return it->metadata.len == off->value.metadata.len;
}

static bool
list_items(struct kb_offset_query *q, const struct kb_group *grp)
{
	const struct kb_group_offsets *o = &grp->offsets;

	q->v = kc_arena_array(q->arena, (size_t)o->count, sizeof *q->v);
	if (q->v == NULL && o->count > 0)
		return false;
	for (int32_t i = 0; i < o->n; i++) {
		const struct kb_offset_topic *t = &o->topics[i];
		struct kc_str name = kc_arena_str(q->arena, t->name);

		if (name.len != t->name.len)
			return false;
		for (int32_t j = 0; j < t->n; j++) {
			if (!t->v[j].has)
				continue;
			q->v[q->n].topic = name;
			q->v[q->n++].partition = t->v[j].partition;
		}
	}
	return true;
}

int16_t
kb_coord_offsets(struct kb_coord *c, struct kb_offset_query *q)
{
	struct kb_shard *s;
	const struct kb_group *grp;
	bool ok = true;
	int16_t code;

	if (q->all) {
		q->v = NULL;
		q->n = 0;
	}
	if (q->group.len < 0)
		return KP_INVALID_GROUP_ID;
	if ((code = kb_coord_enter(c, q->group, &s)) != KP_NONE)
		return code;
	grp = kb_shard_find(s, q->group);
	if (q->all && grp != NULL)
		ok = list_items(q, grp);
	for (int32_t i = 0; ok && i < q->n; i++)
		ok = answer_item(q, grp, &q->v[i]);
	kc_lock_drop(&s->lock);
	return ok ? KP_NONE : KP_UNKNOWN_SERVER_ERROR;
}

/* --- delete --------------------------------------------------------------- */

static void
delete_items(struct kb_shard *s, struct kb_group *grp,
    struct kb_offset_delete *v, int32_t n, struct kb_now now)
{
	struct kb_sweep sweep;
	bool known;

	kb_sweep_open(&sweep, s, now);
	for (int32_t i = 0; i < n; i++) {
		if (v[i].code != KP_NONE)
			continue;
		if (grp->state != KB_GROUP_EMPTY &&
		    kb_group_subscribed(grp, v[i].topic, &known)) {
			v[i].code = KP_GROUP_SUBSCRIBED_TO_TOPIC;
			continue;
		}
		if (kb_group_offsets_get(
			&grp->offsets, v[i].topic, v[i].partition) != NULL)
			kb_sweep_offset(
			    &sweep, grp, v[i].topic, v[i].partition);
	}
	kb_sweep_close(&sweep);
}

int16_t
kb_coord_delete_offsets(struct kb_coord *c, struct kc_str group,
    struct kb_offset_delete *v, int32_t n)
{
	struct kb_shard *s;
	struct kb_group *grp;
	int16_t code;

	if (group.len < 0)
		return KP_INVALID_GROUP_ID;
	if ((code = kb_coord_enter(c, group, &s)) != KP_NONE)
		return code;
	grp = kb_shard_find(s, group);
	if (grp == NULL)
		code = KP_GROUP_ID_NOT_FOUND;
	else if (grp->state != KB_GROUP_EMPTY && !kb_group_is_consumer(grp))
		code = KP_NON_EMPTY_GROUP;
	else
		delete_items(s, grp, v, n, kb_coord_now(c));
	kc_lock_drop(&s->lock);
	return code;
}
