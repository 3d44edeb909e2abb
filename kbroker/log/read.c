/*
 * Reading: under the lock, the segment, the bounds and what the ring knows;
 * then, with a reference on the segment and no lock, index and headers.  When
 * the log was cut meanwhile (gen), what was found is thrown away and looked
 * for again.
 */
#include "kbroker/log/log_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdlib.h>

/* A log that is cut faster than it can be read is left alone. */
#define RETRIES 8

/* One attempt: what was taken under the lock. */
struct look {
	struct kb_segment *seg; /* referenced */
	struct kb_segment_view view;
	uint64_t gen;
	int64_t next_base; /* of the following segment; -1 active */
	int64_t offset; /* wanted */
	int64_t limit; /* readers stop here */
	/* Known boundaries at or below offset and limit; from -1: none. */
	int64_t at, from;
	int64_t limit_at, limit_from;
};

static int64_t
limit_of(const struct kb_log *log, enum kb_isolation isolation)
{
	switch (isolation) {
	case KB_READ_END:
		return log->end;
	case KB_READ_HW:
		return log->hw;
	case KB_READ_LSO:
		return log->lso;
	}
	return log->lso;
}

static void
fill_bounds(const struct kb_log *log, struct kb_log_slice *out)
{
	out->start = log->start;
	out->end = log->end;
	out->hw = log->hw;
	out->lso = log->lso;
}

/* Segment number i as a starting point.  LK_LOG held */
static void
look_at(struct kb_log *log, int i, struct look *lk)
{
	lk->seg = kb_log_segment_ref(log->seg[i]);
	lk->gen = log->gen;
	kb_segment_view(lk->seg, &lk->view);
	lk->next_base = i + 1 < log->nseg ? log->seg[i + 1]->base : -1;
	lk->from = lk->limit_from = -1;
	if (lk->next_base >= 0)
		return;
	if (!kb_ring_floor(log, lk->offset, &lk->at, &lk->from))
		lk->from = -1;
	if (lk->limit >= log->end) {
		lk->limit_at = log->end;
		lk->limit_from = lk->view.size;
	} else if (!kb_ring_floor(
		       log, lk->limit, &lk->limit_at, &lk->limit_from)) {
		lk->limit_from = -1;
	}
}

/* File position where offset's batch starts; KC_ENOENT beyond the end. */
static int
locate(struct look *lk, int64_t offset, int64_t at, int64_t from,
    struct kb_found *f)
{
	if (from >= 0 && at == offset) {
		f->pos = from; /* the ring knew it: no read at all */
		f->size = -1;
		f->base_offset = offset;
		return KC_OK;
	}
	return kb_segment_find(lk->seg, &lk->view, offset, from, f);
}

/* Where the readable part of the segment ends. */
static int
find_limit(struct look *lk, int64_t *pos, int64_t *end)
{
	struct kb_found f;
	int rc;

	*pos = lk->view.size;
	*end = lk->limit;
	if (lk->next_base >= 0 && lk->limit >= lk->next_base) {
		*end = lk->next_base;
		return KC_OK;
	}
	rc = locate(lk, lk->limit, lk->limit_at, lk->limit_from, &f);
	if (rc == KC_ENOENT)
		return KC_OK; /* a gap at the end: all of it is below */
	if (rc == KC_OK)
		*pos = f.pos;
	return rc;
}

/* Cut [f.pos, limit) to at most max bytes of whole batches. */
static int
cut(struct look *lk, const struct kb_log_read *rd, struct kb_found *f,
    struct kb_log_slice *out)
{
	int64_t max = KC_MAX(rd->max_bytes, 0);
	int64_t pos, end;
	int rc;

	if ((rc = find_limit(lk, &pos, &end)) != KC_OK)
		return rc;
	out->pos = f->pos;
	out->end_offset = end;
	if (pos - f->pos > max) {
		rc = kb_segment_boundary(
		    lk->seg, &lk->view, f->pos, f->pos + max, &pos, &end);
		if (rc != KC_OK)
			return rc;
		out->end_offset = end;
	}
	if (pos <= f->pos && rd->min_one && out->end_offset < lk->limit) {
		/* Not even the first fits, and the reader must get on. */
		rc = kb_segment_find(lk->seg, &lk->view, rd->offset, f->pos, f);
		if (rc != KC_OK)
			return rc;
		pos = f->pos + f->size;
		out->end_offset = f->last_offset + 1;
	}
	if (pos <= f->pos || pos - f->pos > INT32_MAX)
		pos = f->pos;
	out->len = (int32_t)(pos - f->pos);
	return KC_OK;
}

/* A file that is missing is no gap in the offsets. */
static int
no_file(int rc)
{
	return rc == KC_ENOENT ? KC_EIO : rc;
}

/*
 * With no lock.  KC_ENOENT: nothing at or above offset in this segment (it
 * ends in a gap).
 */
static int
look(struct kb_log *log, struct look *lk, const struct kb_log_read *rd,
    struct kb_log_slice *out)
{
	int64_t now_ns = kb_log_now_ns(log);
	struct kb_found f;
	int rc;

	/* At the tail nothing of the index is needed. */
	if (lk->from < 0 || lk->at != rd->offset || lk->limit_from < 0 ||
	    lk->limit_at != lk->limit ||
	    lk->limit_from - lk->from > rd->max_bytes)
		rc = no_file(kb_segment_indexes(lk->seg, &log->pl, now_ns));
	else
		rc = KC_OK;
	if (rc == KC_OK)
		rc = locate(lk, rd->offset, lk->at, lk->from, &f);
	if (rc == KC_OK)
		rc = cut(lk, rd, &f, out);
	if (rc == KC_OK && out->len > 0)
		rc = no_file(
		    kb_segment_file(lk->seg, &log->pl, now_ns, &out->file));
	return rc;
}

/* Ends an attempt; true when the log was cut under it. */
static bool
look_end(struct kb_log *log, struct look *lk)
{
	bool moved;

	kc_lock_take(&log->lock);
	moved = lk->gen != log->gen;
	kc_lock_drop(&log->lock);
	kb_log_segment_unref(log, &lk->seg);
	return moved;
}

int
kb_log_read(
    struct kb_log *log, const struct kb_log_read *rd, struct kb_log_slice *out)
{
	struct look lk = { .offset = rd->offset };
	int tries, rc = KC_OK;
	int skip = 0;
	int i;

	memset(out, 0, sizeof *out);
	for (tries = 0; tries < RETRIES; tries++) {
		kc_lock_take(&log->lock);
		fill_bounds(log, out);
		out->end_offset = rd->offset;
		lk.limit = limit_of(log, rd->isolation);
		i = kb_log_segment_at(log, rd->offset);
		out->seg_base = i >= 0 ? log->seg[i]->base : out->start;
		if (!kb_log_usable(log))
			rc = KC_EOFFLINE;
		else if (rd->offset < log->start || rd->offset > log->end ||
		    i < 0)
			rc = KC_ERANGE;
		else if (rd->offset >= lk.limit || i + skip >= log->nseg)
			rc = KC_ECANCELED; /* nothing to read */
		else
			look_at(log, i + skip, &lk);
		kc_lock_drop(&log->lock);
		if (rc != KC_OK)
			return rc == KC_ECANCELED ? KC_OK : rc;

		rc = look(log, &lk, rd, out);
		if (look_end(log, &lk)) {
			kb_log_slice_fini(out);
			skip = 0;
			rc = KC_OK;
			continue;
		}
		if (rc != KC_ENOENT)
			return rc == KC_OK || rc == KC_ECORRUPT ?
			    rc :
			    kb_log_disk(log, rc, "reading records");
		/* Compaction left a gap at the end of the segment. */
		skip++;
		tries--;
		rc = KC_OK;
	}
	return KC_EBUSY;
}

void
kb_log_slice_fini(struct kb_log_slice *s)
{
	kc_fileref_put(&s->file);
	s->len = 0;
}

/* Entries of one segment that touch what is asked for. */
struct collect {
	int64_t offset;
	int64_t end;
	int max;
	struct kb_aborted_txn *v; /* owned */
	int n;
	bool done; /* later segments have none of them */
};

static int
collect(struct kb_segment *seg, int32_t n, struct collect *c)
{
	struct kb_aborted_txn a, *more;
	int32_t i;
	int rc;

	for (i = 0; i < n && !c->done; i++) {
		if ((rc = kb_txn_index_get(&seg->an, i, &a)) != KC_OK)
			return rc;
		if (a.last_offset >= c->offset && a.first_offset < c->end) {
			if (c->n == c->max)
				return KC_ELIMIT;
			if ((c->n & (c->n - 1)) == 0) {
				more = realloc(c->v,
				    sizeof *more * (size_t)KC_MAX(c->n * 2, 1));
				if (more == NULL)
					return KC_ENOMEM;
				c->v = more;
			}
			c->v[c->n++] = a;
		}
		/* What ends later began at or after this one's LSO. */
		c->done = a.lso >= c->end;
	}
	return KC_OK;
}

/* KC_EBUSY: segments were dropped or replaced meanwhile. */
static int
collect_all(struct kb_log *log, struct collect *c)
{
	struct look lk = { .offset = c->offset, .limit = c->offset };
	int64_t at = c->offset;
	int rc = KC_OK;
	int i;

	while (!c->done && rc == KC_OK && at >= 0) {
		kc_lock_take(&log->lock);
		i = kb_log_segment_at(log, at);
		if (i < 0)
			i = 0;
		look_at(log, i, &lk);
		kc_lock_drop(&log->lock);
		if (lk.view.ntxn > 0)
			rc = no_file(kb_segment_indexes(
			    lk.seg, &log->pl, kb_log_now_ns(log)));
		if (rc == KC_OK)
			rc = collect(lk.seg, lk.view.ntxn, c);
		at = lk.next_base;
		if (look_end(log, &lk))
			return KC_EBUSY;
	}
	return rc;
}

int
kb_log_aborted_txns(struct kb_log *log, int64_t offset, int64_t end, int max,
    struct kb_aborted_txn **v, int *n)
{
	struct collect c = { .offset = offset, .end = end, .max = max };
	int rc = KC_EBUSY;
	int tries;

	for (tries = 0; rc == KC_EBUSY && tries < RETRIES; tries++) {
		c.n = 0;
		c.done = false;
		rc = collect_all(log, &c);
	}
	*v = rc == KC_OK && c.n > 0 ? c.v : NULL;
	*n = rc == KC_OK ? c.n : 0;
	if (*v == NULL)
		free(c.v);
	if (rc == KC_ECORRUPT || rc == KC_EBUSY)
		return rc;
	return kb_log_disk(log, rc, "reading txnindex");
}

int
kb_log_aborted(struct kb_log *log, int64_t offset, int64_t end_offset,
    struct kb_aborted **v, int *n)
{
	struct kb_aborted_txn *full;
	int i, count;
	int rc;

	*v = NULL;
	*n = 0;
	rc = kb_log_aborted_txns(
	    log, offset, end_offset, KB_ABORTED_MAX, &full, &count);
	if (rc != KC_OK || count == 0)
		return rc;
	if ((*v = calloc((size_t)count, sizeof(**v))) != NULL)
		for (i = 0; i < count; i++)
			(*v)[i] = (struct kb_aborted){
				.producer_id = full[i].producer_id,
				.first_offset = full[i].first_offset,
			};
	free(full);
	*n = *v == NULL ? 0 : count;
	return *v == NULL ? KC_ENOMEM : KC_OK;
}
