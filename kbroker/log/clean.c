#include "kbroker/log/clean.h"

#include <stdlib.h>

#include "kbroker/log/clean_priv.h"
#include "kbroker/log/scan.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

/* One compaction under way. */
struct clean {
	struct kb_log *log;
	const struct kb_clean_range *range;
	const struct kb_clean_means *means;
	struct kb_clean_stats *st;
	struct kb_log_config cfg; /* as of the beginning */

	/* The closed segments, referenced; nseg of them. */
	struct kb_segment **seg; /* owned */
	struct kb_clean_seg *info; /* owned */
	int nseg;
	int64_t *mtime; /* by segment; owned */
	int64_t old_horizon; /* tombstones of magic 0, 1 in older files go */
	int64_t end_base; /* base of the segment after them */

	struct kb_offset_map *map;
	int64_t latest; /* the map knows all up to here */
};

/* --- what there is -------------------------------------------------------- */

static void
describe(const struct kb_segment *seg, struct kb_clean_seg *v)
{
	v->base = seg->base;
	v->size = seg->size;
	v->largest_ts = seg->max_ts;
	v->first_ts = seg->first_ts;
	v->index_bytes = (int64_t)seg->ix.e.n * KB_INDEX_ENTRY;
	v->time_index_bytes = (int64_t)seg->tx.e.n * KB_TIME_INDEX_ENTRY;
}

/* The time of a closed segment's first batch, read once. */
static int64_t
first_time(struct kb_log *log, int64_t base)
{
	struct kc_fileref *file = NULL;
	struct kb_segment *seg = NULL;
	struct kb_scan sc;
	struct kc_batch b;
	int64_t ts = -1;
	int i;

	kc_lock_take(&log->lock);
	i = kb_log_segment_at(log, base);
	if (i >= 0 && log->seg[i]->base == base && log->seg[i]->size > 0)
		seg = kb_log_segment_ref(log->seg[i]);
	kc_lock_drop(&log->lock);
	if (seg == NULL)
		return -1;
	if (kb_segment_file(seg, &log->pl, kb_log_now_ns(log), &file) ==
	    KC_OK) {
		kb_scan_init(&sc, log->pl.f, file->fd, KB_SEGMENT_SIZE_MAX);
		if (kb_scan_head(&sc, 0, &b) == KC_OK)
			ts = b.max_timestamp;
		kc_fileref_put(&file);
	}
	kc_lock_take(&log->lock);
	seg->first_ts = ts;
	kc_lock_drop(&log->lock);
	kb_log_segment_unref(log, &seg);
	return ts;
}

/* Times that memory does not have, where the configuration asks for them. */
static void
complete(
    struct kb_log *log, const struct kb_clean_ask *ask, struct kb_clean_seg *v)
{
	int i;

	for (i = 0; i < ask->n - 1; i++) {
		if (v[i + 1].base <= ask->cleaned)
			continue; /* not dirty */
		if (ask->cfg->min_compaction_lag_ms > 0 && v[i].largest_ts < 0)
			v[i].largest_ts = kb_log_segment_mtime(log, v[i].base);
		if (ask->cfg->max_compaction_lag_ms != INT64_MAX &&
		    v[i].first_ts < 0)
			v[i].first_ts = first_time(log, v[i].base);
	}
}

int
kb_clean_look(struct kb_log *log, struct kb_clean_range *r)
{
	struct kb_clean_ask ask = { 0 };
	struct kb_log_config cfg;
	struct kb_clean_seg *v;
	int i;

	memset(r, 0, sizeof *r);
	kc_lock_take(&log->lock);
	cfg = log->cfg;
	ask.n = log->nseg;
	ask.start = log->start;
	ask.end = log->end;
	ask.lso = log->lso;
	ask.cleaned = log->cleaned;
	v = calloc((size_t)log->nseg, sizeof *v);
	for (i = 0; v != NULL && i < log->nseg; i++)
		describe(log->seg[i], &v[i]);
	kc_lock_drop(&log->lock);
	if (v == NULL)
		return KC_ENOMEM;
	ask.cfg = &cfg;
	ask.seg = v;
	ask.now_ms = kb_log_now_ms(log);
	complete(log, &ask, v);
	kb_clean_range(&ask, r);
	free(v);
	return KC_OK;
}

/* --- building the map ------------------------------------------------------
 */

/*
 * Aborted transactions for the walk through segment i, the first one of the
 * walk or not: those that began before it have been added then.
 */
static int
add_aborted(struct clean *cl, struct kb_clean_txn *txn, int i, bool first)
{
	int64_t base = cl->info[i].base;
	int64_t next = i + 1 < cl->nseg ? cl->info[i + 1].base : cl->end_base;
	struct kb_aborted_txn *v = NULL;
	int rc, n, k;

	rc = kb_log_aborted_txns(cl->log, base, next, KB_CLEAN_TXN_MAX, &v, &n);
	for (k = 0; rc == KC_OK && k < n; k++)
		if (first || v[k].first_offset >= base)
			rc = kb_clean_txn_add(txn, &v[k]);
	free(v);
	return rc == KC_EBUSY ? KC_ECANCELED : rc;
}

/* KC_ELIMIT: the map is full; cl->latest says how far it got. */
static int
map_records(
    struct clean *cl, const struct kc_batch *b, struct kc_compress_ctx *ctx)
{
	struct kb_clean_iter it;
	struct kc_record rec;
	int rc = KC_OK, rc2;

	kb_clean_iter_open(&it, b, ctx);
	while (rc == KC_OK && kb_clean_iter_next(&it, &rec)) {
		if (rec.key.len < 0 || rec.offset < cl->range->dirty)
			continue;
		rc = kb_offset_map_put(cl->map, rec.key, rec.offset);
		/*
		 * Whole batches, but one with more keys than the map has
		 * places is taken in parts, or it would stop here for ever.
		 */
		if (rc == KC_ELIMIT && cl->latest < cl->range->dirty)
			cl->latest = rec.offset - 1;
	}
	rc2 = kb_clean_iter_close(&it);
	return rc == KC_OK ? rc2 : rc;
}

/* Is the error that of the map and not of a batch? */
static bool
map_full(const struct clean *cl, int rc)
{
	return rc == KC_ELIMIT && kb_offset_map_full(cl->map);
}

static int
map_batch(struct clean *cl, struct kb_clean_txn *txn, const struct kc_batch *b,
    struct kc_compress_ctx *ctx)
{
	bool aborted = false, gone, keep;
	struct kb_aborted_txn entry;
	int rc;

	if (kc_batch_control(b))
		rc = kb_clean_txn_marker(
		    txn, b, kb_clean_control(b), &gone, &keep, &entry);
	else
		rc = kb_clean_txn_data(txn, b, &aborted);
	if (rc == KC_OK && !kc_batch_control(b) && !aborted &&
	    kc_batch_last_offset(b) >= cl->range->dirty)
		rc = map_records(cl, b, ctx);
	if (rc == KC_OK)
		cl->latest = KC_MAX(cl->latest, kc_batch_last_offset(b));
	return rc;
}

static int
map_segment(struct clean *cl, struct kb_clean_txn *txn, int i,
    struct kc_compress_ctx *ctx)
{
	int64_t next = i + 1 < cl->nseg ? cl->info[i + 1].base : cl->end_base;
	struct kb_clean_in in;
	struct kc_batch b;
	int rc;

	rc = kb_clean_in_open(&in, cl->log, cl->means, cl->seg[i], next);
	if (rc != KC_OK)
		return rc;
	while ((rc = kb_clean_in_next(&in, &b)) == KC_OK &&
	    (rc = map_batch(cl, txn, &b, ctx)) == KC_OK)
		;
	cl->st->map_read += in.pos;
	kb_clean_in_close(&in);
	if (rc != KC_ENOENT)
		return rc;
	/* A gap at its end is known as well. */
	cl->latest = KC_MAX(cl->latest, next - 1);
	return KC_OK;
}

static int
build_map(struct clean *cl)
{
	struct kc_compress_ctx *ctx = NULL;
	struct kb_clean_txn txn;
	bool first = true;
	int rc = KC_OK;
	int i;

	rc = kb_offset_map_open(&cl->map, cl->means->map_bytes,
	    cl->means->map_load, cl->log->host->env->rand);
	if (rc != KC_OK || (rc = kc_compress_ctx_open(&ctx)) != KC_OK)
		return rc;
	kb_clean_txn_init(&txn);
	cl->latest = cl->range->dirty - 1;
	for (i = 0; rc == KC_OK && i < cl->nseg; i++) {
		if (i + 1 < cl->nseg &&
		    cl->info[i + 1].base <= cl->range->dirty)
			continue;
		rc = add_aborted(cl, &txn, i, first);
		if (rc == KC_OK)
			rc = map_segment(cl, &txn, i, ctx);
		first = false;
	}
	if (map_full(cl, rc) && cl->latest >= cl->range->dirty)
		rc = KC_OK;
	cl->st->keys = kb_offset_map_keys(cl->map);
	cl->st->slots = kb_offset_map_slots(cl->map);
	kb_clean_txn_fini(&txn);
	kc_compress_ctx_close(&ctx);
	return rc;
}

/* --- copying ---------------------------------------------------------------
 */

/* Tombstones of magic 0 and 1 have no horizon: the files' ages decide. */
static void
set_old_horizon(struct clean *cl)
{
	int i;

	for (i = 0; i < cl->nseg && cl->info[i].base < cl->range->dirty; i++)
		cl->old_horizon = cl->mtime[i] - cl->cfg.delete_retention_ms;
}

static int
copy_segment(
    struct clean *cl, struct kb_clean_copy *c, int i, struct kb_clean_out *out)
{
	int64_t next = i + 1 < cl->nseg ? cl->info[i + 1].base : cl->end_base;
	struct kb_clean_in in;
	struct kc_batch b;
	int rc;

	c->rules.keep_old_deletes = cl->mtime[i] > cl->old_horizon;
	if ((rc = add_aborted(cl, &c->txn, i, i == 0)) != KC_OK)
		return rc;
	rc = kb_clean_in_open(&in, cl->log, cl->means, cl->seg[i], next);
	if (rc != KC_OK)
		return rc;
	while ((rc = kb_clean_in_next(&in, &b)) == KC_OK &&
	    (rc = kb_clean_batch(c, &b, out)) == KC_OK)
		;
	cl->st->read += in.pos;
	kb_clean_in_close(&in);
	return rc == KC_ENOENT ? KC_OK : rc;
}

static int
copy_group(struct clean *cl, struct kb_clean_copy *c, int from, int n)
{
	struct kb_clean_out out;
	int rc, i;

	rc = kb_clean_out_open(&out, cl->log, cl->means, cl->info[from].base);
	if (rc != KC_OK)
		return rc;
	c->changed = n > 1;
	for (i = from; rc == KC_OK && i < from + n; i++)
		rc = copy_segment(cl, c, i, &out);
	/* A segment that would be replaced by its like is left alone. */
	if (rc == KC_OK && c->changed) {
		cl->st->written += out.seg->size;
		rc = kb_clean_out_finish(&out, cl->mtime[from + n - 1]);
		if (rc == KC_OK)
			rc = kb_clean_swap(&out, cl->seg + from, n);
	}
	kb_clean_out_close(&out);
	for (i = from; i < from + n; i++)
		kb_log_segment_unref(cl->log, &cl->seg[i]);
	cl->st->groups++;
	return rc;
}

static int
copy_all(struct clean *cl)
{
	int64_t next, end = cl->latest + 1;
	struct kb_clean_copy c = { .log = cl->log,
		.map = cl->map,
		.st = cl->st,
		.rules = { .now_ms = kb_log_now_ms(cl->log),
		    .latest = cl->latest,
		    .limit = cl->range->limit,
		    .delete_retention_ms = cl->cfg.delete_retention_ms } };
	int rc, i, n, last;

	if ((rc = kc_compress_ctx_open(&c.ctx)) != KC_OK)
		return rc;
	kb_clean_txn_init(&c.txn);
	set_old_horizon(cl);
	for (last = 0; last < cl->nseg && cl->info[last].base < end; last++)
		;
	next = last < cl->nseg ? cl->info[last].base : cl->end_base;
	for (i = 0; rc == KC_OK && i < last; i += n) {
		n = kb_clean_group(&cl->cfg, cl->info + i, last - i, next);
		rc = copy_group(cl, &c, i, n);
	}
	kb_clean_copy_fini(&c);
	return rc;
}

/* --- all of it -------------------------------------------------------------
 */

/* The closed segments below the limit. */
static int
gather(struct clean *cl)
{
	struct kb_log *log = cl->log;
	int rc = KC_OK;
	int i, n;

	kc_lock_take(&log->lock);
	cl->cfg = log->cfg;
	n = kb_log_segment_at(log, cl->range->limit);
	/* The turn keeps closed segments as the range found them. */
	KC_ASSERT(n > 0 && log->seg[n]->base == cl->range->limit);
	cl->end_base = log->seg[n]->base;
	cl->seg = calloc((size_t)n, sizeof(*cl->seg));
	cl->info = calloc((size_t)n, sizeof *cl->info);
	cl->mtime = calloc((size_t)n, sizeof *cl->mtime);
	if (cl->seg == NULL || cl->info == NULL || cl->mtime == NULL)
		rc = KC_ENOMEM;
	for (i = 0; rc == KC_OK && i < n; i++) {
		describe(log->seg[i], &cl->info[i]);
		cl->seg[i] = kb_log_segment_ref(log->seg[i]);
		cl->nseg++;
	}
	kc_lock_drop(&log->lock);
	for (i = 0; i < cl->nseg; i++)
		cl->mtime[i] = kb_log_segment_mtime(log, cl->info[i].base);
	return rc;
}

static void
let_go(struct clean *cl)
{
	int i;

	for (i = 0; i < cl->nseg; i++)
		kb_log_segment_unref(cl->log, &cl->seg[i]);
	free(cl->seg);
	free(cl->info);
	free(cl->mtime);
	kb_offset_map_close(&cl->map);
}

int
kb_clean(struct kb_log *log, const struct kb_clean_range *r,
    const struct kb_clean_means *means, struct kb_clean_stats *st)
{
	struct clean cl = { .log = log, .range = r, .means = means, .st = st };
	int rc;

	KC_ASSERT(r->dirty < r->limit);
	memset(st, 0, sizeof *st);
	rc = gather(&cl);
	if (rc == KC_OK)
		rc = build_map(&cl);
	if (rc == KC_OK)
		rc = copy_all(&cl);
	let_go(&cl);
	if (rc == KC_OK) {
		st->end = cl.latest + 1;
		kc_lock_take(&log->lock);
		log->cleaned = st->end;
		kc_lock_drop(&log->lock);
	}
	switch (rc) {
	case KC_ECORRUPT:
	case KC_ECRC:
	case KC_EMALFORMED:
	case KC_EUNSUPPORTED:
	case KC_EINVAL:
	case KC_ECANCELED:
		return rc;
	default:
		return kb_log_disk(log, rc, "compacting");
	}
}
