/*
 * Cutting the end off a log.  Both locks are held for it: it is rare, and
 * readers of the part that goes must not look.
 */
#include "kbroker/log/log_priv.h"
#include "kbroker/log/scan.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

int
kb_log_find_times(struct kb_log *log, struct kb_segment *seg, bool scan)
{
	struct kb_scan sc;
	struct kc_batch b;
	int32_t at = 0;
	int64_t pos;
	int rc;

	seg->max_ts = seg->tx.e.n > 0 ? seg->tx.last_ts : -1;
	seg->max_ts_offset =
	    seg->base + (seg->tx.e.n > 0 ? seg->tx.last_rel : 0);
	kb_scan_init(&sc, log->pl.f, seg->file->fd, seg->size);
	if (kb_scan_head(&sc, 0, &b) == KC_OK)
		seg->first_ts = b.max_timestamp;
	if (!scan)
		return KC_OK;
	rc = kb_index_find(&seg->ix, seg->ix.e.n, seg->tx.last_rel, &at);
	if (rc != KC_OK)
		return rc;
	pos = at;
	while ((rc = kb_scan_head(&sc, pos, &b)) == KC_OK) {
		if (b.max_timestamp > seg->max_ts) {
			seg->max_ts = b.max_timestamp;
			seg->max_ts_offset = kc_batch_last_offset(&b);
		}
		pos += (int64_t)b.size;
	}
	return rc == KC_ENOENT ? KC_OK : rc;
}

/* The last segment, cut at offset; its descriptors are open. */
static int
cut_segment(struct kb_log *log, struct kb_segment *seg, int64_t offset)
{
	struct kb_segment_view v;
	struct kb_found f;
	int32_t rel = (int32_t)KC_MIN(offset - seg->base, INT32_MAX);
	int rc;

	kb_segment_view(seg, &v);
	rc = kb_segment_find(seg, &v, offset, -1, &f);
	if (rc != KC_OK && rc != KC_ENOENT)
		return rc;
	if (rc == KC_OK)
		seg->size = f.pos;
	if ((rc = kb_index_truncate(&seg->ix, rel)) != KC_OK ||
	    (rc = kb_time_index_truncate(&seg->tx, rel)) != KC_OK ||
	    (rc = kb_txn_index_truncate(&seg->an, offset)) != KC_OK ||
	    (rc = log->pl.f->truncate(seg->file->fd, seg->size)) != KC_OK)
		return rc;
	seg->since_index = 0;
	if (seg->size == 0) {
		seg->first_ts = -1;
		seg->created_ms = kb_log_now_ms(log);
	}
	return kb_log_find_times(log, seg, true);
}

/* Offsets after a cut at offset; epochs and the ring with them. */
static void
set_end(struct kb_log *log, int64_t offset)
{
	log->gen++;
	kb_ring_reset(log);
	kb_epochs_cut_end(&log->ep, offset);
	atomic_store(&log->end, offset);
	atomic_store(&log->start, KC_MIN(log->start, offset));
	atomic_store(&log->hw, KC_MIN(log->hw, offset));
	atomic_store(&log->recovery_point, KC_MIN(log->recovery_point, offset));
	log->flush_to = KC_MIN(log->flush_to, offset);
	log->cleaned = KC_MIN(log->cleaned, offset);
	kb_log_kick(log, KB_WORK_EPOCHS | KB_WORK_CHECKPOINT);
}

static int
drop_from(struct kb_log *log, int from)
{
	int rc = KC_OK;
	int i;

	for (i = from; rc == KC_OK && i < log->nseg; i++)
		rc = kb_segment_unlink(
		    &log->pl, log->seg[i]->base, KB_STATE_LIVE);
	kb_log_drop_segments(log, from, log->nseg - from);
	return rc;
}

int
kb_log_restart(struct kb_log *log, int64_t offset)
{
	struct kb_segment *seg = NULL;
	int rc;

	if ((rc = kb_tail_unmap(log)) != KC_OK ||
	    (rc = drop_from(log, 0)) != KC_OK ||
	    (rc = kb_files_trim_snapshots(&log->pl, INT64_MAX, INT64_MAX)) !=
		KC_OK ||
	    (rc = kb_segment_new(&seg, &log->pl, offset)) != KC_OK)
		return rc;
	if ((rc = kb_segment_create(seg, &log->pl)) != KC_OK ||
	    (rc = kb_log_add_segment(log, seg)) != KC_OK) {
		kb_segment_free(&seg);
		return rc;
	}
	seg->created_ms = kb_log_now_ms(log);
	kb_tail_reset(log, 0);
	atomic_store(&log->start, offset);
	set_end(log, offset);
	atomic_store(&log->hw, offset);
	atomic_store(&log->lso, offset);
	atomic_store(&log->recovery_point, offset);
	log->flush_to = offset;
	kb_epochs_clear(&log->ep);
	kb_producers_reset(&log->ps, offset);
	log->ps.snapshot = -1;
	return KC_OK;
}

/* offset lies in segment i.  Both locks held. */
static int
cut_at(struct kb_log *log, int i, int64_t offset)
{
	struct kb_segment *seg;
	int rc;

	if ((rc = kb_tail_unmap(log)) != KC_OK ||
	    (rc = drop_from(log, i + 1)) != KC_OK)
		return rc;
	seg = log->seg[i];
	rc = kb_segment_indexes(seg, &log->pl, kb_log_now_ns(log));
	if (rc != KC_OK || (rc = cut_segment(log, seg, offset)) != KC_OK)
		return rc;
	kb_tail_reset(log, seg->size);
	set_end(log, offset);
	return KC_OK;
}

/* An epoch that we led and wrote nothing in, which nobody else may know. */
static void
drop_empty_epochs(struct kb_log *log)
{
	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	kb_epochs_cut_end(&log->ep, log->end);
	if (log->ep.dirty)
		kb_log_kick(log, KB_WORK_EPOCHS);
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
}

int
kb_log_truncate(struct kb_log *log, int64_t offset)
{
	int rc = KC_OK;
	int i;

	if (offset < 0)
		return KC_EINVAL;
	if (offset >= kb_log_end(log) && kb_log_usable(log)) {
		drop_empty_epochs(log);
		return KC_OK;
	}
	kb_log_bar(log);
	kc_lock_take(&log->write);
	if (!kb_log_usable(log)) {
		rc = KC_EOFFLINE;
		goto out;
	}
	if (offset >= log->end)
		goto out;
	kc_log(KC_LOG_INFO, KB_LOG_NAME,
	    "[UnifiedLog partition=%s-%d, dir=%s] Truncating to offset %lld",
	    log->topic, log->partition, log->host->path, (long long)offset);
	kc_lock_take(&log->lock);
	i = kb_log_segment_at(log, offset);
	rc = i < 0 ? kb_log_restart(log, offset) : cut_at(log, i, offset);
	kc_lock_drop(&log->lock);
	if (rc == KC_OK && i >= 0)
		rc = kb_log_reload_producers(log, offset, false);
out:
	kc_lock_drop(&log->write);
	kb_log_unbar(log);
	/* Half cut is not a log any more, even for want of space. */
	if (rc == KC_ENOSPC || rc == KC_ENOMEM || rc == KC_EMFILE)
		rc = KC_EIO;
	return kb_log_disk(log, rc, "truncating");
}

int
kb_log_truncate_full(struct kb_log *log, int64_t offset)
{
	int rc;

	if (offset < 0)
		return KC_EINVAL;
	kb_log_bar(log);
	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	if (kb_log_usable(log)) {
		kc_log(KC_LOG_INFO, KB_LOG_NAME,
		    "[UnifiedLog partition=%s-%d, dir=%s] Truncate and start "
		    "at offset %lld",
		    log->topic, log->partition, log->host->path,
		    (long long)offset);
		rc = kb_log_restart(log, offset);
	} else {
		rc = KC_EOFFLINE;
	}
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
	kb_log_unbar(log);
	if (rc == KC_ENOSPC || rc == KC_ENOMEM || rc == KC_EMFILE)
		rc = KC_EIO;
	return kb_log_disk(log, rc, "truncating");
}
