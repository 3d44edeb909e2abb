/* What has expired, or was deleted, gets a tombstone and is forgotten. */
#include "kbroker/group/coord_priv.h"
#include "kbroker/group/member.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"

#include <stdlib.h>

/* Tombstones of one batch: far below max.message.bytes. */
#define SWEEP_BATCH 500

/*
 * Nobody waits for tombstones (acks 0): one that is lost comes again, since
 * what it deleted has expired then too.
 */
static void
flush(struct kb_sweep *sw)
{
	struct kb_write where = { 0 };
	int16_t code;

	if (sw->w.n == 0)
		return;
	code = kb_writing_append(sw->s, &sw->w, 0, &where);
	if (code != KP_NONE)
		kc_log(KC_LOG_WARN, KB_META_LOGGER,
		    "Cannot write %d tombstones to __consumer_offsets-%d: %s",
		    sw->w.n, sw->s->index, kp_error_name(code));
	kb_writing_open(sw->s, &sw->w, sw->now.wall_ms, -1, -1);
}

void
kb_sweep_open(struct kb_sweep *sw, struct kb_shard *s, struct kb_now now)
{
	*sw = (struct kb_sweep){ .s = s, .now = now };
	kb_writing_open(s, &sw->w, now.wall_ms, -1, -1);
}

void
kb_sweep_close(struct kb_sweep *sw)
{
	flush(sw);
	(void)kc_build_finish(&sw->w.build);
}

void
kb_sweep_offset(struct kb_sweep *sw, struct kb_group *grp, struct kc_str topic,
    int32_t partition)
{
	kb_writing_offset(sw->s, &sw->w, grp->id, topic, partition, NULL);
	(void)kb_group_offsets_remove(&grp->offsets, topic, partition);
	sw->noffsets++;
	if (sw->w.n >= SWEEP_BATCH)
		flush(sw);
}

void
kb_sweep_all(struct kb_sweep *sw, struct kb_group *grp,
    bool (*which)(void *arg, const struct kb_group *grp, struct kc_str topic,
	const struct kb_offset *off),
    void *arg)
{
	struct kb_group_offsets *o = &grp->offsets;

	/* From the end: removing moves what is behind. */
	for (int32_t i = o->n - 1; i >= 0; i--) {
		for (int32_t j = o->topics[i].n - 1; j >= 0; j--) {
			struct kb_offset_topic *t = &o->topics[i];
			struct kc_str name;

			if (!t->v[j].has || !which(arg, grp, t->name, &t->v[j]))
				continue;
			/* The name goes with its last partition. */
			if (kb_str_copy(&name, t->name) != KC_OK)
				return;
			kb_sweep_offset(sw, grp, name, t->v[j].partition);
			kb_str_free(&name);
		}
	}
}

void
kb_sweep_group(
    struct kb_sweep *sw, struct kb_group *grp, struct kb_group_out *out)
{
	/* Of a group that only stored offsets there is no record. */
	if (grp->generation > 0)
		kb_writing_group(sw->s, &sw->w, grp, true);
	kb_shard_forget(sw->s, grp, KP_COORDINATOR_NOT_AVAILABLE, out);
	if (sw->w.n >= SWEEP_BATCH)
		flush(sw);
}

static void
each_shard(struct kb_coord *c,
    void (*fn)(struct kb_shard *s, void *arg, struct kb_group_out *out),
    void *arg)
{
	bool more = true;

	for (int32_t i = 0; more; i++) {
		struct kb_shard *s = kb_coord_shard(c, i);
		struct kb_finished f = { 0 };

		kc_lock_take(&c->lock);
		more = i + 1 < c->nshards;
		kc_lock_drop(&c->lock);
		if (s == NULL)
			continue;
		kc_lock_take(&s->lock);
		if (s->state == KB_SHARD_OWNED)
			fn(s, arg, &f.out);
		kc_lock_drop(&s->lock);
		(void)kb_finished_run(&f, NULL);
	}
}

/* --- by age --------------------------------------------------------------- */

struct age {
	struct kb_now now;
	int64_t retention_ms;
};

static bool
is_old(void *arg, const struct kb_group *grp, struct kc_str topic,
    const struct kb_offset *off)
{
	const struct age *a = arg;

	return kb_group_offset_expired(
	    grp, topic, off, a->now.wall_ms, a->retention_ms);
}

static void
expire_shard(struct kb_shard *s, void *arg, struct kb_group_out *out)
{
	struct age *a = arg;
	struct kb_group *grp, *tmp;
	struct kb_sweep sw;

	kb_sweep_open(&sw, s, a->now);
	HASH_ITER(hh, s->groups, grp, tmp) {
		kb_sweep_all(&sw, grp, is_old, a);
		if (grp->state == KB_GROUP_EMPTY && grp->pending == NULL &&
		    kb_group_offsets_idle(&grp->offsets))
			kb_sweep_group(&sw, grp, out);
	}
	kb_sweep_close(&sw);
	if (sw.noffsets > 0)
		kc_log(KC_LOG_INFO, KB_META_LOGGER,
		    "Removed %d expired offsets of __consumer_offsets-%d",
		    sw.noffsets, s->index);
}

void
kb_coord_expire(struct kb_coord *c)
{
	struct age a = { kb_coord_now(c), c->config.retention_ms };

	each_shard(c, expire_shard, &a);
}

/* --- topics that are deleted ---------------------------------------------- */

struct deleted {
	struct kc_task task;
	struct kb_coord *coord;
	struct kb_meta_tp *v; /* by topic and partition */
	int32_t n;
};

static int
compare(const void *a, const void *b)
{
	const struct kb_meta_tp *x = a, *y = b;
	int c = kc_str_cmp(x->topic, y->topic);

	if (c != 0)
		return c;
	return x->partition < y->partition ? -1 : x->partition > y->partition;
}

static bool
is_deleted(void *arg, const struct kb_group *grp KC_UNUSED, struct kc_str topic,
    const struct kb_offset *off)
{
	const struct deleted *d = arg;
	struct kb_meta_tp key = { topic, off->partition };

	return bsearch(&key, d->v, (size_t)d->n, sizeof key, compare) != NULL;
}

static void
delete_from_shard(
    struct kb_shard *s, void *arg, struct kb_group_out *out KC_UNUSED)
{
	struct deleted *d = arg;
	struct kb_sweep sw;

	kb_sweep_open(&sw, s, kb_coord_now(s->coord));
	for (struct kb_group *grp = s->groups; grp != NULL; grp = grp->hh.next)
		kb_sweep_all(&sw, grp, is_deleted, d);
	kb_sweep_close(&sw);
}

static void
deleted_free(struct deleted *d)
{
	for (int32_t i = 0; i < d->n; i++)
		kb_str_free(&d->v[i].topic);
	free(d->v);
	free(d);
}

static void
on_deleted(struct kc_task *task)
{
	struct deleted *d = KC_CONTAINER(task, struct deleted, task);

	each_shard(d->coord, delete_from_shard, d);
	atomic_fetch_sub(&d->coord->lingering, 1);
	deleted_free(d);
}

void
kb_coord_topics_deleted(
    struct kb_coord *c, const struct kb_meta_tp *v, int32_t n)
{
	struct deleted *d;

	if (n == 0 || (d = calloc(1, sizeof *d)) == NULL)
		return;
	d->coord = c;
	d->task.fn = on_deleted;
	d->v = calloc((size_t)n, sizeof *d->v);
	for (int32_t i = 0; d->v != NULL && i < n; i++) {
		if (kb_str_copy(&d->v[i].topic, v[i].topic) != KC_OK)
			break;
		d->v[i].partition = v[i].partition;
		d->n++;
	}
	if (d->n == 0) {
		deleted_free(d);
		return;
	}
	qsort(d->v, (size_t)d->n, sizeof *d->v, compare);
	atomic_fetch_add(&c->lingering, 1);
	kc_loop_post(c->loop, &d->task);
}
