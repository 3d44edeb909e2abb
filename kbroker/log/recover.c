/*
 * Loading a log.  After a clean stop only the ends are looked at; after any
 * other, each segment that reaches above the recovery point is read whole,
 * once, and the log ends before the first batch that is not right.
 *
 * Kafka: LogLoader.
 */
#include "kbroker/log/bytes.h"
#include "kbroker/log/log_priv.h"
#include "kbroker/log/partition_metadata.h"
#include "kbroker/log/scan.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

#include <stdlib.h>

#define LOADER "kafka.log.LogLoader"

struct load {
	struct kb_log *log;
	const struct kb_log_open *in;
	bool *rebuild; /* by segment; owned */
	bool loaded_producers; /* log->ps is that of ps.end */
	int64_t end;
};

/* An index that goes on beyond its segment's last offset is not its own. */
static bool
indexes_fit(const struct kb_segment *seg, int64_t end)
{
	return (seg->ix.e.n == 0 || seg->base + seg->ix.last_rel < end) &&
	    (seg->tx.e.n == 0 || seg->base + seg->tx.last_rel < end);
}

static int
load_segments(struct load *ld)
{
	struct kb_log *log = ld->log;
	struct kb_files fs = { 0 };
	struct kb_segment *seg;
	int rc;
	int i;

	if ((rc = kb_files_list(&fs, &log->pl)) != KC_OK)
		goto out;
	ld->rebuild = calloc((size_t)fs.n + 1, sizeof *ld->rebuild);
	rc = ld->rebuild == NULL ? KC_ENOMEM : KC_OK;
	for (i = 0; rc == KC_OK && i < fs.n; i++) {
		if (fs.v[i].kind != KB_FILE_LOG ||
		    fs.v[i].state != KB_STATE_LIVE)
			continue;
		seg = NULL;
		rc = kb_segment_new(&seg, &log->pl, fs.v[i].base);
		if (rc == KC_OK)
			rc = kb_segment_load(
			    seg, &log->pl, &ld->rebuild[log->nseg]);
		if (rc == KC_OK)
			rc = kb_log_add_segment(log, seg);
		if (rc != KC_OK)
			kb_segment_free(&seg);
	}
	for (i = 0; rc == KC_OK && i < log->nseg - 1; i++)
		if (!indexes_fit(log->seg[i], log->seg[i + 1]->base))
			ld->rebuild[i] = true;
out:
	kb_files_fini(&fs);
	return rc;
}

/* What follows the last good batch: space that was reserved, or worse? */
static bool
is_reserved_space(struct kb_log *log, struct kb_segment *seg, int64_t at)
{
	uint8_t p[KC_BATCH_TO_MAGIC];
	size_t n, i;

	if (log->pl.f->pread(seg->file->fd, p, sizeof p, at, &n) != KC_OK)
		return false;
	for (i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* The log ends at byte "valid" of segment i; later segments go. */
static int
cut_at(struct load *ld, int i, int64_t valid, int64_t next)
{
	struct kb_log *log = ld->log;
	struct kb_segment *seg = log->seg[i];
	int rc = KC_OK;
	int k;

	if (is_reserved_space(log, seg, valid))
		kc_log(KC_LOG_DEBUG, LOADER,
		    "[LogLoader partition=%s, dir=%s] Cut %lld reserved bytes "
		    "off segment %lld",
		    log->pl.folder, log->host->path,
		    (long long)(seg->size - valid), (long long)seg->base);
	else
		kc_log(KC_LOG_WARN, LOADER,
		    "[LogLoader partition=%s, dir=%s] Corruption found in "
		    "segment %lld, truncating to offset %lld",
		    log->pl.folder, log->host->path, (long long)seg->base,
		    (long long)next);
	rc = log->pl.f->truncate(seg->file->fd, valid);
	if (rc != KC_OK)
		return rc;
	seg->size = valid;
	for (k = i + 1; rc == KC_OK && k < log->nseg; k++) {
		kc_log(KC_LOG_WARN, LOADER,
		    "[LogLoader partition=%s, dir=%s] Deleting segment %lld "
		    "after the corrupt one",
		    log->pl.folder, log->host->path,
		    (long long)log->seg[k]->base);
		rc = kb_segment_unlink(
		    &log->pl, log->seg[k]->base, KB_STATE_LIVE);
	}
	kb_log_drop_segments(log, i + 1, log->nseg - i - 1);
	return rc;
}

static int
producers_to(struct load *ld, int64_t offset)
{
	struct kb_log *log = ld->log;
	int rc;

	if (ld->loaded_producers)
		return kb_log_replay(log, &log->ps, offset);
	rc = kb_log_reload_producers(log, offset, false);
	ld->loaded_producers = rc == KC_OK;
	return rc;
}

/* Rebuild segment i; unsure: what is bad in it is not part of the log. */
static int
recover_segment(struct load *ld, int i, bool unsure)
{
	struct kb_log *log = ld->log;
	struct kb_segment *seg = log->seg[i];
	int64_t valid, next;
	int rc;

	if ((rc = producers_to(ld, seg->base)) != KC_OK)
		return rc;
	/* A state at a segment's base is worth keeping for the next time. */
	if (i > 0 && i >= log->nseg - 2 &&
	    (rc = kb_log_take_snapshot(log)) != KC_OK)
		return rc;
	if ((rc = kb_log_rebuild_segment(log, seg, &valid, &next)) != KC_OK)
		return rc;
	if (valid < seg->size && unsure &&
	    (rc = cut_at(ld, i, valid, next)) != KC_OK)
		return rc;
	if (kb_log_active(log) == seg)
		ld->end = next;
	if (valid < seg->size)
		/*
		 * Once flushed and followed by more: cutting would lose what
		 * is good.  Readers get as far as this.
		 */
		kc_log(KC_LOG_ERROR, LOADER,
		    "[LogLoader partition=%s, dir=%s] Segment %lld is corrupt "
		    "at byte %lld, offset %lld",
		    log->pl.folder, log->host->path, (long long)seg->base,
		    (long long)valid, (long long)next);
	return KC_OK;
}

static int
recover(struct load *ld)
{
	struct kb_log *log = ld->log;
	const struct kb_log_open *in = ld->in;
	int todo = 0, done = 0;
	bool unsure;
	int rc = KC_OK;
	int i;

	for (i = 0; i < log->nseg; i++)
		todo += !in->clean &&
		    (i == log->nseg - 1 ||
			log->seg[i + 1]->base > in->recovery_point);
	for (i = 0; rc == KC_OK && i < log->nseg; i++) {
		unsure = !in->clean &&
		    (i == log->nseg - 1 ||
			log->seg[i + 1]->base > in->recovery_point);
		if (!unsure && !ld->rebuild[i])
			continue;
		if (unsure)
			kc_log(KC_LOG_INFO, LOADER,
			    "[LogLoader partition=%s, dir=%s] Recovering "
			    "unflushed segment %lld. %d/%d recovered for %s.",
			    log->pl.folder, log->host->path,
			    (long long)log->seg[i]->base, done++, todo,
			    log->pl.folder);
		else
			kc_log(KC_LOG_WARN, LOADER,
			    "[LogLoader partition=%s, dir=%s] Indexes of "
			    "segment %lld are missing or corrupt, rebuilding",
			    log->pl.folder, log->host->path,
			    (long long)log->seg[i]->base);
		/* The end of the log is never taken on trust. */
		rc = recover_segment(ld, i, unsure || i == log->nseg - 1);
		if (i < log->nseg - 1)
			kb_segment_close_fds(log->seg[i]);
		ld->rebuild[i] = false;
	}
	return rc;
}

/* The offset after the last batch, by headers from the last index entry. */
static int
scan_end(struct load *ld)
{
	struct kb_log *log = ld->log;
	struct kb_segment *seg = kb_log_active(log);
	struct kb_scan sc;
	struct kc_batch b;
	int64_t pos = seg->ix.last_rel < 0 ? 0 : seg->ix.last_pos;
	int rc;

	ld->end = seg->base;
	rc = kb_segment_indexes(seg, &log->pl, kb_log_now_ns(log));
	if (rc != KC_OK)
		return rc;
	kb_scan_init(&sc, log->pl.f, seg->file->fd, seg->size);
	while ((rc = kb_scan_head(&sc, pos, &b)) == KC_OK) {
		if (!(b.last_delta >= 0 && b.base_offset >= ld->end))
			return KC_ECORRUPT;
		ld->end = kc_batch_last_offset(&b) + 1;
		pos += (int64_t)b.size;
	}
	if (rc == KC_ENOENT)
		rc = indexes_fit(seg, ld->end) ? KC_OK : KC_ECORRUPT;
	return rc;
}

/* ld->end; what a clean stop promised is not believed against the file. */
static int
find_end(struct load *ld, bool recovered)
{
	struct kb_log *log = ld->log;
	int rc = KC_OK;

	if (!recovered)
		rc = scan_end(ld);
	if (rc == KC_ECORRUPT ||
	    (rc == KC_OK && ld->in->clean && !recovered &&
		ld->in->recovery_point > ld->end)) {
		kc_log(KC_LOG_WARN, LOADER,
		    "[LogLoader partition=%s, dir=%s] The last segment does "
		    "not end where the clean stop left it, recovering",
		    log->pl.folder, log->host->path);
		rc = recover_segment(ld, log->nseg - 1, true);
	}
	if (rc == KC_OK)
		rc = kb_segment_indexes(
		    kb_log_active(log), &log->pl, kb_log_now_ns(log));
	if (rc != KC_OK)
		return rc;
	/* A clean stop has left the largest timestamp in the time index. */
	return kb_log_find_times(
	    log, kb_log_active(log), recovered || !ld->in->clean);
}

static int
start_empty(struct load *ld, int64_t offset)
{
	int rc;

	kc_lock_take(&ld->log->lock);
	rc = kb_log_restart(ld->log, offset);
	kc_lock_drop(&ld->log->lock);
	ld->end = offset;
	ld->loaded_producers = true;
	return rc;
}

/* Producers at the end of the log, and a snapshot for the next time. */
static int
finish_producers(struct load *ld)
{
	struct kb_log *log = ld->log;
	int rc;

	if (ld->loaded_producers)
		rc = kb_log_replay(log, &log->ps, ld->end);
	else
		rc = kb_log_reload_producers(log, ld->end, ld->in->clean);
	if (rc == KC_OK)
		rc = kb_log_take_snapshot(log);
	if (rc == KC_ENOSPC)
		rc = KC_OK; /* only an aid */
	return rc == KC_OK ? kb_files_stray_snapshots(log) : rc;
}

static void
set_offsets(struct load *ld)
{
	struct kb_log *log = ld->log;
	const struct kb_log_open *in = ld->in;

	atomic_store(&log->end, ld->end);
	if (in->hw > ld->end)
		kc_log(KC_LOG_WARN, LOADER,
		    "[LogLoader partition=%s, dir=%s] The log ends at %lld, "
		    "below its high watermark %lld: committed records are "
		    "missing here",
		    log->pl.folder, log->host->path, (long long)ld->end,
		    (long long)in->hw);
	atomic_store(&log->hw, KC_MIN(KC_MAX(in->hw, log->start), ld->end));
	atomic_store(&log->recovery_point,
	    in->clean ? ld->end : KC_MIN(in->recovery_point, ld->end));
	log->flush_to = log->recovery_point;
	kb_epochs_cut_end(&log->ep, ld->end);
	kb_epochs_cut_start(&log->ep, log->start);
	kb_producers_hw(&log->ps, log->hw);
	kb_log_update_lso(log);
}

static int
load_all(struct load *ld)
{
	struct kb_log *log = ld->log;
	int64_t start = KC_MAX(ld->in->start, 0);
	int rc;

	if ((rc = kb_files_tidy(&log->pl)) != KC_OK ||
	    (rc = kb_partition_metadata_read(log->pl.f, log->pl.dirfd,
		 log->pl.folder, &log->topic_id)) != KC_OK ||
	    (rc = kb_epochs_load(&log->ep, log->pl.f, log->pl.dirfd,
		 log->pl.folder)) != KC_OK ||
	    (rc = load_segments(ld)) != KC_OK)
		return rc;
	ld->end = -1;
	if (log->nseg > 0) {
		atomic_store(&log->start, KC_MAX(start, log->seg[0]->base));
		if ((rc = recover(ld)) != KC_OK ||
		    (rc = find_end(ld, ld->end >= 0)) != KC_OK)
			return rc;
		kb_tail_reset(log, kb_log_active(log)->size);
	}
	if (log->nseg > 0 && ld->end < start)
		kc_log(KC_LOG_WARN, LOADER,
		    "[LogLoader partition=%s, dir=%s] Deleting all segments "
		    "because logEndOffset (%lld) has become smaller than "
		    "logStartOffset (%lld)",
		    log->pl.folder, log->host->path, (long long)ld->end,
		    (long long)start);
	if (log->nseg == 0 || ld->end < start)
		rc = start_empty(ld, start);
	if (rc == KC_OK)
		rc = finish_producers(ld);
	if (rc != KC_OK)
		return rc;
	set_offsets(ld);
	/* Thousands of logs are loaded and few are used. */
	kb_segment_close_fds(kb_log_active(log));
	return KC_OK;
}

int
kb_log_load(struct kb_log *log, const struct kb_log_open *in)
{
	struct load ld = { .log = log, .in = in };
	int rc = load_all(&ld);

	free(ld.rebuild);
	if (rc != KC_OK)
		kc_log(KC_LOG_ERROR, LOADER,
		    "[LogLoader partition=%s, dir=%s] Cannot load: %s",
		    log->pl.folder, log->host->path, kc_strerror(rc));
	return rc;
}
