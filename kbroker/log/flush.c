/*
 * What the flush thread does for one log: every fsync of the folder is here.
 */
#include "kbroker/log/log_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdio.h>
#include <stdlib.h>

/* Nobody has appended: the map goes. */
#define COLD_MAP_NS (60 * INT64_C(1000000000))
/* Nobody has used the segment: it is synced and its descriptors go. */
#define COLD_FILE_NS (300 * INT64_C(1000000000))

/* What one flush syncs: taken under the lock. */
struct flush {
	struct kb_segment **seg; /* referenced; owned array */
	int n;
	int64_t upto;
	int64_t snapshot; /* offset of one to sync; -1 none */
	uint64_t gen;
	bool entries; /* the folder has new names */
};

static int
flush_begin(struct kb_log *log, int64_t upto, struct flush *fl)
{
	int64_t next;
	int i;

	memset(fl, 0, sizeof *fl);
	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	fl->upto = KC_MIN(upto, log->end);
	fl->gen = log->gen;
	fl->snapshot = log->snapshot_unsynced;
	fl->seg = calloc((size_t)log->nseg, sizeof(*fl->seg));
	for (i = 0; fl->seg != NULL && i < log->nseg; i++) {
		next = i + 1 < log->nseg ? log->seg[i + 1]->base : log->end;
		if (next <= log->recovery_point && !log->seg[i]->unsynced_entry)
			continue;
		fl->entries |= log->seg[i]->unsynced_entry;
		if (log->seg[i]->base < fl->upto)
			fl->seg[fl->n++] = kb_log_segment_ref(log->seg[i]);
	}
	log->snapshot_unsynced = -1;
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
	return fl->seg == NULL ? KC_ENOMEM : KC_OK;
}

static int
sync_snapshot(struct kb_log *log, int64_t offset)
{
	struct kb_file_name fn = { offset, KB_FILE_SNAPSHOT, KB_STATE_LIVE };
	char path[KB_PATH_MAX];
	int fd = -1;
	int rc;

	rc = log->pl.f->open(&fd, log->pl.dirfd,
	    kb_name_file(path, log->pl.folder, &fn), KC_FILE_WRITE);
	if (rc == KC_ENOENT)
		return KC_OK; /* deleted with its segment */
	if (rc != KC_OK)
		return rc;
	rc = log->pl.f->fsync(fd);
	log->pl.f->close(fd);
	return rc;
}

/* The folder, and the log dir in which the folder itself may be new. */
static int
sync_entries(struct kb_log *log)
{
	int fd = -1;
	int rc;

	rc = log->pl.f->open_dir(&fd, log->pl.dirfd, log->pl.folder);
	if (rc != KC_OK)
		return rc;
	rc = log->pl.f->fsync(fd);
	log->pl.f->close(fd);
	return rc == KC_OK ? kc_file_sync_dir(log->pl.f, log->pl.dirfd) : rc;
}

/* Returns rc, or KC_OK when the log was cut or deleted meanwhile. */
static int
flush_end(struct kb_log *log, struct flush *fl, int rc)
{
	bool moved;
	int i;

	kc_lock_take(&log->lock);
	moved = fl->gen != log->gen;
	if (rc == KC_OK && !moved) {
		/* Never past what a cut left (gen), never back. */
		if (fl->upto > log->recovery_point)
			atomic_store(&log->recovery_point, fl->upto);
		for (i = 0; fl->entries && i < log->nseg; i++)
			if (log->seg[i]->base <= fl->upto)
				log->seg[i]->unsynced_entry = false;
		log->flushed_ms = kb_log_now_ms(log);
	}
	kc_lock_drop(&log->lock);
	for (i = 0; i < fl->n; i++)
		kb_log_segment_unref(log, &fl->seg[i]);
	free(fl->seg);
	return moved && rc == KC_ENOENT ? KC_OK : rc;
}

int
kb_log_flush(struct kb_log *log, int64_t upto)
{
	int64_t now_ns = kb_log_now_ns(log);
	struct flush fl;
	int rc;
	int i;

	kc_lock_assert_none();
	if (!kb_log_usable(log))
		return KC_EOFFLINE;
	rc = flush_begin(log, upto, &fl);
	for (i = 0; rc == KC_OK && i < fl.n; i++)
		rc = kb_segment_sync(fl.seg[i], &log->pl, now_ns);
	if (rc == KC_OK && fl.snapshot >= 0)
		rc = sync_snapshot(log, fl.snapshot);
	if (rc == KC_OK && fl.entries)
		rc = sync_entries(log);
	/* Recovery takes epochs from batches above the recovery point only. */
	if (rc == KC_OK)
		rc = kb_log_write_epochs(log);
	rc = flush_end(log, &fl, rc);
	return kb_log_disk(log, rc, "flushing");
}

int
kb_log_write_epochs(struct kb_log *log)
{
	char path[KB_PATH_MAX];
	char *p = NULL;
	size_t len = 0;
	int rc = KC_OK;

	kc_lock_take(&log->lock);
	if (log->ep.dirty && kb_log_usable(log)) {
		rc = kb_epochs_text(&log->ep, &p, &len);
		log->ep.dirty = rc != KC_OK;
	}
	kc_lock_drop(&log->lock);
	if (p == NULL)
		return rc;
	(void)snprintf(path, sizeof path, "%s/" KB_EPOCHS_FILE, log->pl.folder);
	rc = kc_file_replace(log->pl.f, log->pl.dirfd, path, p, len);
	free(p);
	if (rc == KC_ENOSPC || rc == KC_EMFILE) {
		/* The old file is whole; the next flush tries again. */
		kc_lock_take(&log->lock);
		log->ep.dirty = true;
		kc_lock_drop(&log->lock);
	}
	return rc;
}

int
kb_log_work(struct kb_log *log, bool *checkpoint)
{
	unsigned bits = atomic_exchange(&log->work, 0);
	int64_t upto;
	int rc = KC_OK;

	if (!kb_log_usable(log))
		return KC_OK;
	/* First: somebody appends to it right now. */
	if ((bits & KB_WORK_AHEAD) != 0 && (rc = kb_tail_ahead(log)) != KC_OK)
		return kb_log_disk(log, rc, "reserving space");
	if ((bits & KB_WORK_FLUSH) != 0) {
		kc_lock_take(&log->lock);
		upto = log->flush_to;
		kc_lock_drop(&log->lock);
		rc = kb_log_flush(log, upto);
	} else if ((bits & KB_WORK_EPOCHS) != 0) {
		rc = kb_log_disk(log, kb_log_write_epochs(log),
		    "writing leader-epoch-checkpoint");
	}
	*checkpoint |= (bits & KB_WORK_CHECKPOINT) != 0;
	return rc;
}

int
kb_log_check_flush(struct kb_log *log)
{
	int64_t now_ms = kb_log_now_ms(log);
	int64_t upto;
	bool due;

	kc_lock_take(&log->lock);
	upto = log->end;
	due = kb_log_usable(log) && log->cfg.flush_ms != INT64_MAX &&
	    upto > log->recovery_point &&
	    now_ms - log->flushed_ms >= log->cfg.flush_ms;
	kc_lock_drop(&log->lock);
	return due ? kb_log_flush(log, upto) : KC_OK;
}

void
kb_log_expire_producers(struct kb_log *log)
{
	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	kb_producers_expire(
	    &log->ps, kb_log_now_ms(log), log->host->producer_expiration_ms);
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
}

static bool
has_fds(const struct kb_segment *seg)
{
	return seg->file != NULL || seg->ix.e.fd != -1;
}

static bool
cold(const struct kb_segment *seg, int64_t now_ns)
{
	int64_t used =
	    atomic_load_explicit(&seg->used_ns, memory_order_relaxed);

	return seg->refs == 0 && now_ns - used >= COLD_FILE_NS;
}

int
kb_log_cool(struct kb_log *log)
{
	int64_t now_ns = kb_log_now_ns(log);
	int64_t next, flush_to = -1;
	struct kb_segment *seg;
	int rc = KC_OK;
	int i;

	kc_lock_take(&log->write);
	if (log->tail.map != NULL && now_ns - log->tail.used_ns >= COLD_MAP_NS)
		rc = kb_tail_unmap(log);
	kc_lock_take(&log->lock);
	for (i = 0; i < log->nseg; i++) {
		seg = log->seg[i];
		if (!cold(seg, now_ns) || !has_fds(seg) ||
		    (i == log->nseg - 1 && log->tail.map != NULL))
			continue;
		next = i + 1 < log->nseg ? log->seg[i + 1]->base : log->end;
		if (next <= log->recovery_point)
			kb_segment_close_fds(seg);
		else
			flush_to = next;
	}
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
	/* Closed the next time round, once their content is safe. */
	if (rc == KC_OK && flush_to >= 0 && kb_log_usable(log))
		return kb_log_flush(log, flush_to);
	return kb_log_disk(log, rc, "unmapping");
}
