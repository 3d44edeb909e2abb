/*
 * ListOffsets: from times to offsets.  The segment is chosen under the lock
 * and searched without it, as in read.c.
 */
#include "kbroker/log/log_priv.h"
#include "kbroker/log/scan.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/record/iter.h"
#include "kcommon/record/legacy.h"

#include <stdlib.h>

#define TRIES 8

/* What is looked for. */
struct want {
	int64_t ts;
	int64_t min_offset;
	bool equal; /* ts itself, else the first at or after it */
	struct kb_log_at *at;
};

static bool
is_it(const struct want *w, const struct kc_record *rec)
{
	return (w->equal ? rec->timestamp == w->ts : rec->timestamp >= w->ts) &&
	    rec->offset >= w->min_offset;
}

/* The records of a whole batch; KC_ENOENT when it is none of them. */
static int
search_batch(const struct want *w, const struct kc_batch *b)
{
	struct kc_legacy_iter old;
	struct kc_record rec;
	struct kc_iter it;
	bool hit = false;
	int rc;

	if (b->magic == 2) {
		kc_iter_open(&it, b, KC_ITER_FULL, NULL);
		while (!hit && kc_iter_next(&it, &rec))
			hit = is_it(w, &rec);
		rc = kc_iter_close(&it);
	} else {
		kc_legacy_iter_open(&old, b, KC_RECORD_HELD_MAX, NULL);
		while (!hit && kc_legacy_iter_next(&old, &rec))
			hit = is_it(w, &rec);
		rc = kc_legacy_iter_close(&old);
	}
	if (!hit)
		return rc == KC_OK ? KC_ENOENT : rc;
	w->at->offset = rec.offset;
	w->at->timestamp = rec.timestamp;
	w->at->leader_epoch = b->magic == 2 ? b->leader_epoch : -1;
	return KC_OK;
}

static int
read_batch(
    const struct kb_scan *sc, int64_t pos, struct kc_batch *b, uint8_t **buf)
{
	size_t n;
	int rc;

	if ((*buf = malloc(b->size)) == NULL)
		return KC_ENOMEM;
	rc = sc->f->pread(sc->fd, *buf, b->size, pos, &n);
	if (rc == KC_OK && n < b->size)
		rc = KC_ECORRUPT;
	return rc == KC_OK ? kc_batch_parse(*buf, n, b) : rc;
}

/* Batches from pos on.  KC_ENOENT: not in this segment. */
static int
search_from(struct kb_segment *seg, const struct kb_segment_view *v,
    int64_t pos, const struct want *w)
{
	struct kb_scan sc;
	struct kc_batch b;
	uint8_t *buf;
	int rc;

	kb_scan_init(&sc, seg->ix.e.f, seg->file->fd, v->size);
	while ((rc = kb_scan_head(&sc, pos, &b)) == KC_OK) {
		pos += (int64_t)b.size;
		if (b.max_timestamp < w->ts ||
		    kc_batch_last_offset(&b) < w->min_offset)
			continue;
		buf = NULL;
		rc = read_batch(&sc, pos - (int64_t)b.size, &b, &buf);
		if (rc == KC_OK)
			rc = search_batch(w, &b);
		free(buf);
		if (rc != KC_ENOENT)
			return rc;
	}
	return rc;
}

static int
search_segment(struct kb_log *log, struct kb_segment *seg,
    const struct kb_segment_view *v, const struct want *w)
{
	int32_t rel, pos = 0;
	int rc;

	rc = kb_segment_indexes(seg, &log->pl, kb_log_now_ns(log));
	if (rc != KC_OK)
		return rc == KC_ENOENT ? KC_EIO : rc;
	rc = kb_time_index_find(&seg->tx, v->ntime, w->ts, &rel);
	if (rc == KC_OK && w->min_offset - seg->base > rel)
		rel = (int32_t)KC_MIN(w->min_offset - seg->base, INT32_MAX);
	if (rc == KC_OK)
		rc = kb_index_find(&seg->ix, v->nindex, rel, &pos);
	return rc == KC_OK ? search_from(seg, v, pos, w) : rc;
}

/* Search in segment i, which is dropped and looked at without the lock. */
static int
search_at(struct kb_log *log, struct kb_segment *seg, const struct want *w,
    bool *moved)
{
	struct kb_segment_view v;
	uint64_t gen = log->gen;
	int rc;

	kb_segment_view(seg, &v);
	(void)kb_log_segment_ref(seg);
	kc_lock_drop(&log->lock);
	rc = search_segment(log, seg, &v, w);
	kb_log_segment_unref(log, &seg);
	kc_lock_take(&log->lock);
	*moved = gen != log->gen;
	return rc;
}

static bool
may_hold(const struct kb_log *log, int i, const struct want *w)
{
	return log->seg[i]->max_ts >= w->ts &&
	    (i == log->nseg - 1 || log->seg[i + 1]->base > w->min_offset);
}

/* Lock held, dropped meanwhile.  KC_ENOENT, or KC_EBUSY when it was cut. */
static int
search(struct kb_log *log, const struct want *w)
{
	bool moved = false;
	int rc = KC_ENOENT;
	int i;

	for (i = 0; i < log->nseg; i++) {
		if (!may_hold(log, i, w))
			continue;
		rc = search_at(log, log->seg[i], w, &moved);
		if (moved)
			return KC_EBUSY;
		if (rc != KC_ENOENT)
			break;
	}
	return rc;
}

/* Without a time: the largest there is. */
static int
find(struct kb_log *log, bool max, int64_t ts, struct kb_log_at *at)
{
	struct want w = { .ts = ts, .equal = max, .at = at };
	int rc = KC_EBUSY;
	int tries, i;

	*at = (struct kb_log_at){ -1, -1, -1 };
	for (tries = 0; rc == KC_EBUSY && tries < TRIES; tries++) {
		kc_lock_take(&log->lock);
		w.min_offset = log->start;
		if (max)
			for (w.ts = -1, i = 0; i < log->nseg; i++)
				w.ts = KC_MAX(w.ts, log->seg[i]->max_ts);
		rc = !kb_log_usable(log) ? KC_EOFFLINE :
		    max && w.ts < 0	 ? KC_ENOENT :
					   search(log, &w);
		kc_lock_drop(&log->lock);
	}
	if (rc == KC_OK || rc == KC_ENOENT)
		return KC_OK;
	*at = (struct kb_log_at){ -1, -1, -1 };
	if (rc == KC_EIO)
		return kb_log_disk(log, rc, "searching by time");
	return rc;
}

int
kb_log_find_timestamp(struct kb_log *log, int64_t ts, struct kb_log_at *at)
{
	return find(log, false, ts, at);
}

int
kb_log_find_max_timestamp(struct kb_log *log, struct kb_log_at *at)
{
	return find(log, true, -1, at);
}

/* When a segment was last written; for ListOffsets v0 only. */
static int64_t
written_ms(struct kb_log *log, int64_t base)
{
	struct kb_file_name fn = { base, KB_FILE_LOG, KB_STATE_LIVE };
	char path[KB_PATH_MAX];
	struct kc_file_stat st;

	if (log->pl.f->stat(log->pl.dirfd,
		kb_name_file(path, log->pl.folder, &fn), &st) != KC_OK)
		return INT64_MAX; /* gone meanwhile: not before anything */
	return st.mtime_ms;
}

int
kb_log_offsets_before(struct kb_log *log, int64_t ts, int max, int64_t *offsets)
{
	int64_t *base, start, end;
	bool with_end;
	int i, n, out = 0;

	kc_lock_take(&log->lock);
	n = log->nseg;
	base = calloc((size_t)n + 1, sizeof *base);
	for (i = 0; base != NULL && i < n; i++)
		base[i] = log->seg[i]->base;
	start = log->start;
	end = log->end;
	with_end = n > 0 && log->seg[n - 1]->size > 0;
	kc_lock_drop(&log->lock);
	if (base == NULL || n == 0) {
		free(base);
		return 0;
	}
	/* The end counts as written now. */
	if (with_end && out < max &&
	    (ts == -1 || (ts >= 0 && ts >= kb_log_now_ms(log))))
		offsets[out++] = end;
	i = ts == -2 ? 0 : n - 1;
	/* Newest that is not younger than ts, and all that is older. */
	while (ts >= 0 && out == 0 && i >= 0 && written_ms(log, base[i]) > ts)
		i--;
	for (; i >= 0 && out < max; i--)
		offsets[out++] = KC_MAX(base[i], start);
	free(base);
	return out;
}
