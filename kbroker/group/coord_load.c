/*
 * A partition of __consumer_offsets becomes groups in memory.
 *
 * One thread at a time reads, off the loops (kc_loop_offload); shards queue
 * for it.  The log is read without a lock into a private table, which becomes
 * the shard's under its lock, unless the role has changed meanwhile.
 */
#include "kbroker/group/coord_priv.h"
#include "kbroker/group/member.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/file.h"
#include "kcommon/record/legacy.h"

#include <stdlib.h>

/* A group's record as decoded; its members take part of this. */
#define VALUE_MAX (64 << 20)

struct seen { /* a group as far as the log has told */
	struct kb_group *grp; /* owned */
	char *value; /* its last record, owned; NULL: none, or a tombstone */
	int32_t len;
	UT_hash_handle hh; /* by grp->id */
};

struct load {
	struct kb_coord *coord;
	struct kb_shard *shard;
	struct kb_partition *part; /* own reference */
	uint32_t term;
	struct seen *groups;
	struct kc_compress_ctx *compress;
	uint8_t *buf; /* owned */
	size_t cap;
	int64_t records;
	int64_t bad; /* records that are not what they should be */
};

/* --- records -------------------------------------------------------------- */

static struct seen *
see(struct load *l, struct kc_str group, struct kb_now now)
{
	struct seen *g = NULL;

	HASH_FIND(hh, l->groups, group.p, (unsigned)group.len, g);
	if (g != NULL)
		return g;
	if ((g = calloc(1, sizeof *g)) == NULL)
		return NULL;
	if (kb_group_new(&g->grp, group, &l->coord->config.group,
		now.wall_ms) != KC_OK) {
		free(g);
		return NULL;
	}
	HASH_ADD_KEYPTR(
	    hh, l->groups, g->grp->id.p, (unsigned)g->grp->id.len, g);
	return g;
}

static int
offset_record(struct load *l, const struct kc_record *rec,
    const struct kb_rec_key *k, int64_t producer_id)
{
	struct kb_offset_value v;
	struct seen *g = see(l, k->group, kb_coord_now(l->coord));
	struct kb_group_offsets *o;

	if (g == NULL)
		return KC_ENOMEM;
	o = &g->grp->offsets;
	if (rec->value.len < 0) {
		if (producer_id < 0)
			(void)kb_group_offsets_remove(
			    o, k->topic, k->partition);
		return KC_OK;
	}
	if (kb_rec_offset_value_read(rec->value, &v) != KC_OK) {
		l->bad++;
		return KC_OK;
	}
	if (producer_id >= 0)
		return kb_group_offsets_txn_add(
		    o, producer_id, k->topic, k->partition, &v, rec->offset);
	return kb_group_offsets_set(o, k->topic, k->partition, &v, rec->offset);
}

static int
group_record(
    struct load *l, const struct kc_record *rec, const struct kb_rec_key *k)
{
	struct seen *g = see(l, k->group, kb_coord_now(l->coord));
	char *value = NULL;

	if (g == NULL)
		return KC_ENOMEM;
	if (rec->value.len >= 0) {
		value = malloc((size_t)rec->value.len + 1);
		if (value == NULL)
			return KC_ENOMEM;
		memcpy(value, rec->value.p, (size_t)rec->value.len);
	}
	free(g->value);
	g->value = value;
	g->len = rec->value.len;
	return KC_OK;
}

static int
one_record(struct load *l, const struct kc_record *rec, int64_t producer_id)
{
	struct kb_rec_key k;

	l->records++;
	if (rec->key.len < 0 || kb_rec_key_read(rec->key, &k) != KC_OK) {
		l->bad++;
		return KC_OK;
	}
	switch (k.kind) {
	case KB_REC_OFFSET:
		return offset_record(l, rec, &k, producer_id);
	case KB_REC_GROUP:
		return group_record(l, rec, &k);
	case KB_REC_OTHER:
		l->bad++;
		break;
	}
	return KC_OK;
}

static int
end_txn(struct load *l, const struct kc_record *rec, int64_t producer_id)
{
	enum kc_control type;
	int32_t epoch;
	int rc = KC_OK;

	if (kc_control_parse(rec, &type, &epoch) != KC_OK ||
	    type == KC_CONTROL_OTHER)
		return KC_OK;
	for (struct seen *g = l->groups; g != NULL && rc == KC_OK;
	     g = g->hh.next)
		if (g->grp->offsets.ntxns > 0)
			rc = kb_group_offsets_txn_end(&g->grp->offsets,
			    producer_id, type == KC_CONTROL_COMMIT);
	return rc;
}

static int
one_batch(struct load *l, const struct kc_batch *b)
{
	int64_t pid = kc_batch_txn(b) ? b->producer_id : -1;
	struct kc_record rec;
	struct kc_iter it;
	int rc = KC_OK, end;

	kc_iter_open(&it, b, KC_ITER_FULL, l->compress);
	while (rc == KC_OK && kc_iter_next(&it, &rec))
		rc = kc_batch_control(b) ? end_txn(l, &rec, b->producer_id) :
					   one_record(l, &rec, pid);
	end = kc_iter_close(&it);
	if (end == KC_EMALFORMED)
		l->bad++;
	else if (rc == KC_OK)
		rc = end;
	return rc;
}

/* Magic 0 and 1: of a topic that is as old as Kafka 0.10. */
static int
one_legacy(struct load *l, const struct kc_batch *b)
{
	struct kc_legacy_iter it;
	struct kc_record rec;
	int rc = KC_OK;

	kc_legacy_iter_open(&it, b, KC_RECORD_HELD_MAX, l->compress);
	while (rc == KC_OK && kc_legacy_iter_next(&it, &rec))
		rc = one_record(l, &rec, -1);
	if (kc_legacy_iter_close(&it) != KC_OK)
		l->bad++;
	return rc;
}

/* --- the log -------------------------------------------------------------- */

static int
read_slice(struct load *l, const struct kb_log_slice *sl, int64_t *offset)
{
	const struct kc_file_ops *f = l->coord->env->file;
	size_t n = 0, at = 0;
	int rc;

	if ((size_t)sl->len > l->cap) {
		uint8_t *p = realloc(l->buf, (size_t)sl->len);

		if (p == NULL)
			return KC_ENOMEM;
		l->buf = p;
		l->cap = (size_t)sl->len;
	}
	rc = f->pread(sl->file->fd, l->buf, (size_t)sl->len, sl->pos, &n);
	if (rc != KC_OK)
		return rc;
	while (at < n) {
		struct kc_batch b;

		if (kc_batch_parse(l->buf + at, n - at, &b) != KC_OK)
			return at > 0 ? KC_OK : KC_ECORRUPT;
		rc = b.magic < 2 ? one_legacy(l, &b) : one_batch(l, &b);
		if (rc != KC_OK)
			return rc;
		at += b.size;
		*offset = kc_batch_last_offset(&b) + 1;
	}
	return KC_OK;
}

/* Is it still wanted?  Looked at between two slices. */
static bool
wanted(struct load *l)
{
	bool same;

	kc_lock_take(&l->shard->lock);
	same = l->shard->term == l->term;
	kc_lock_drop(&l->shard->lock);
	return same;
}

static int
read_log(struct load *l)
{
	struct kb_log *log = l->part->log;
	struct kb_log_read rd = { .offset = kb_log_start(log),
		.max_bytes = l->coord->config.load_buffer,
		.min_one = true,
		.isolation = KB_READ_END };
	int rc = KC_OK;

	while (rc == KC_OK && rd.offset < kb_log_end(log)) {
		struct kb_log_slice sl = { 0 };
		int64_t before = rd.offset;

		if (!wanted(l))
			return KC_ECANCELED;
		rc = kb_log_read(log, &rd, &sl);
		if (rc == KC_ERANGE && rd.offset < sl.start) {
			rd.offset = sl.start; /* cut at the front meanwhile */
			rc = KC_OK;
			continue;
		}
		if (rc == KC_OK && sl.len > 0)
			rc = read_slice(l, &sl, &rd.offset);
		kb_log_slice_fini(&sl);
		if (rc == KC_OK && rd.offset == before)
			break; /* nothing but a gap up to the end */
	}
	return rc;
}

/* --- the result ----------------------------------------------------------- */

/* The group's last record makes it what it was. */
static int
restore(struct load *l, struct seen *g, struct kb_now now)
{
	struct kb_group_value v;
	struct kc_arena a;
	int rc;

	if (g->value == NULL)
		return KC_OK;
	kc_arena_init(&a, VALUE_MAX);
	rc = kb_rec_group_value_read(
	    (struct kc_str){ g->value, g->len }, &a, &v);
	if (rc == KC_OK) {
		rc = kb_group_restore(g->grp, &v, now);
	} else if (rc != KC_ENOMEM) {
		l->bad++;
		rc = KC_OK;
	}
	kc_arena_fini(&a);
	return rc;
}

static void
seen_free(struct load *l, struct seen *g)
{
	HASH_DELETE(hh, l->groups, g);
	kb_group_free(&g->grp);
	free(g->value);
	free(g);
}

/* @locks the shard's is held */
static void
install(struct load *l, struct kb_finished *f, struct kb_now now)
{
	struct kb_shard *s = l->shard;
	struct seen *g, *tmp;

	s->state = KB_SHARD_OWNED;
	HASH_ITER(hh, l->groups, g, tmp) {
		struct kb_group *grp = g->grp;
		bool empty =
		    g->value == NULL && kb_group_offsets_idle(&grp->offsets);

		HASH_DELETE(hh, l->groups, g);
		free(g->value);
		free(g);
		if (empty) {
			kb_group_free(&grp);
			continue;
		}
		kb_shard_adopt(s, grp);
		kb_group_check_size(grp, now, &f->out);
		kb_shard_settle(s, grp, f, now);
	}
}

static void
finish(struct load *l, int rc, struct kb_now began)
{
	struct kb_now now = kb_coord_now(l->coord);
	struct kb_shard *s = l->shard;
	struct kb_finished f = { 0 };
	struct seen *g, *tmp;
	unsigned n = 0;

	HASH_ITER(hh, l->groups, g, tmp)
		if (rc == KC_OK)
			rc = restore(l, g, now);
	kc_lock_take(&s->lock);
	if (s->term != l->term) {
		rc = KC_ECANCELED;
	} else if (rc != KC_OK) {
		s->state = KB_SHARD_FAILED;
	} else {
		install(l, &f, now);
		n = HASH_COUNT(s->groups);
	}
	kc_lock_drop(&s->lock);
	(void)kb_finished_run(&f, NULL);
	HASH_ITER(hh, l->groups, g, tmp)
		seen_free(l, g);
	if (rc == KC_OK)
		kc_log(KC_LOG_INFO, KB_META_LOGGER,
		    "Finished loading offsets and group metadata from "
		    "__consumer_offsets-%d in %lld milliseconds: %lld records, "
		    "%u groups",
		    s->index, (long long)(now.mono_ms - began.mono_ms),
		    (long long)l->records, n);
	else if (rc != KC_ECANCELED)
		kc_log(KC_LOG_ERROR, KB_META_LOGGER,
		    "Error loading offsets from __consumer_offsets-%d, its "
		    "groups are not served: %s",
		    s->index, kc_strerror(rc));
	if (l->bad > 0)
		kc_log(KC_LOG_WARN, KB_META_LOGGER,
		    "Skipped %lld records of __consumer_offsets-%d that this "
		    "broker cannot read",
		    (long long)l->bad, s->index);
}

static void
load_shard(struct kb_coord *c, struct kb_shard *s)
{
	struct load l = { .coord = c, .shard = s };
	struct kb_now began = kb_coord_now(c);
	int rc;

	kc_lock_take(&s->lock);
	l.term = s->term;
	if (s->state == KB_SHARD_LOADING)
		l.part = kb_partition_get(s->part);
	kc_lock_drop(&s->lock);
	if (l.part == NULL)
		return; /* resigned before its turn came */
	rc = kc_compress_ctx_open(&l.compress);
	if (rc == KC_OK)
		rc = read_log(&l);
	finish(&l, rc, began);
	kc_compress_ctx_close(&l.compress);
	kb_partition_put(&l.part);
	free(l.buf);
}

/* --- the queue ------------------------------------------------------------ */

static struct kb_shard *
next(struct kb_coord *c)
{
	struct kb_shard *s;

	kc_lock_take(&c->lock);
	if ((s = c->load_head) != NULL) {
		c->load_head = s->load_next;
		if (c->load_head == NULL)
			c->load_tail = NULL;
		s->load_queued = false;
	}
	kc_lock_drop(&c->lock);
	return s;
}

static void
work(struct kc_offload *o)
{
	struct kb_coord *c = KC_CONTAINER(o, struct kb_coord, loader);
	struct kb_shard *s;

	while (!atomic_load(&c->stopping) && (s = next(c)) != NULL)
		load_shard(c, s);
}

static void
start(struct kb_coord *c)
{
	if (c->loader_runs || atomic_load(&c->stopping))
		return;
	c->loader_runs = true;
	c->loader.work = work;
	/* No thread to be had: better late than never. */
	if (kc_loop_offload(c->loop, &c->loader) != KC_OK) {
		work(&c->loader);
		c->loader_runs = false;
	}
}

static void
done(struct kc_offload *o)
{
	struct kb_coord *c = KC_CONTAINER(o, struct kb_coord, loader);
	bool more;

	c->loader_runs = false;
	kc_lock_take(&c->lock);
	more = c->load_head != NULL;
	kc_lock_drop(&c->lock);
	if (more)
		start(c); /* queued as the last one ended */
}

struct posted {
	struct kc_task task;
	struct kb_coord *coord;
};

static void
on_posted(struct kc_task *task)
{
	struct posted *p = KC_CONTAINER(task, struct posted, task);

	p->coord->loader.done = done;
	start(p->coord);
	atomic_fetch_sub(&p->coord->lingering, 1);
	free(p);
}

void
kb_coord_load(struct kb_coord *c, struct kb_shard *s)
{
	struct posted *p;

	kc_lock_take(&c->lock);
	if (!s->load_queued) {
		s->load_queued = true;
		s->load_next = NULL;
		if (c->load_tail != NULL)
			c->load_tail->load_next = s;
		else
			c->load_head = s;
		c->load_tail = s;
	}
	kc_lock_drop(&c->lock);
	if ((p = calloc(1, sizeof *p)) == NULL)
		return; /* the next one to be loaded takes it along */
	p->coord = c;
	p->task.fn = on_posted;
	atomic_fetch_add(&c->lingering, 1);
	kc_loop_post(c->loop, &p->task);
}
