/*
 * A compacted segment takes the place of its sources, in an order that can
 * stop anywhere (files.c completes or undoes it at the next start):
 *
 *	files are synced		.cleaned: they count for nothing
 *	.cleaned -> .swap, synced	from here on they will be adopted
 *	segment list changed		readers see the new one; gen says so
 *	old -> .deleted, synced		or still there: removed at load
 *	.swap -> final, synced
 *
 * Kafka: LocalLog.replaceSegments.
 */
#include "kbroker/log/clean_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

/*
 * Both locks are held for as long as this takes.  The new segment is pinned:
 * its files are open under names that it does not have yet.
 */
static void
change_list(struct kb_log *log, struct kb_segment *seg,
    struct kb_segment *const *old, int n)
{
	int i, k;

	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	i = kb_log_segment_at(log, old[0]->base);
	KC_ASSERT(i >= 0 && i + n < log->nseg); /* the active one stays */
	for (k = 0; k < n; k++)
		KC_ASSERT(log->seg[i + k] == old[k]);
	(void)kb_log_segment_ref(seg);
	log->seg[i] = seg;
	kb_log_drop_segments(log, i + 1, n - 1); /* counts up gen */
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
}

/* The snapshot of the first one's base is that of the new one's. */
static int
retire(struct kb_log *log, int64_t base, bool replaced)
{
	struct kb_file_name from = { base, KB_FILE_LOG, KB_STATE_LIVE };
	struct kb_file_name to = { base, KB_FILE_LOG, KB_STATE_DELETED };
	char old[KB_PATH_MAX], new[KB_PATH_MAX];
	int rc = KC_OK;

	if (!replaced)
		return kb_segment_rename(
		    &log->pl, base, KB_STATE_LIVE, KB_STATE_DELETED);
	for (; rc == KC_OK && from.kind < KB_FILE_SNAPSHOT;
	     from.kind++, to.kind++) {
		rc = log->pl.f->rename(log->pl.dirfd,
		    kb_name_file(old, log->pl.folder, &from),
		    kb_name_file(new, log->pl.folder, &to));
		rc = rc == KC_ENOENT ? KC_OK : rc;
	}
	return rc;
}

static int
exchange_files(
    struct kb_log *log, int folder, struct kb_segment *const *old, int n)
{
	int rc = KC_OK;
	int i;

	for (i = 0; rc == KC_OK && i < n; i++)
		rc = retire(log, old[i]->base, i == 0);
	if (rc == KC_OK)
		rc = log->pl.f->fsync(folder);
	if (rc == KC_OK)
		rc = kb_segment_rename(
		    &log->pl, old[0]->base, KB_STATE_SWAP, KB_STATE_LIVE);
	return rc == KC_OK ? log->pl.f->fsync(folder) : rc;
}

/* Any error from the first rename on is the disk's, and for good. */
static int
swap(struct kb_clean_out *out, int folder, struct kb_segment *const *old, int n)
{
	struct kb_log *log = out->log;
	struct kb_segment *seg = out->seg;
	int rc;

	rc = kb_segment_rename(
	    &log->pl, seg->base, KB_STATE_CLEANED, KB_STATE_SWAP);
	if (rc == KC_OK)
		rc = log->pl.f->fsync(folder);
	if (rc != KC_OK)
		return rc;
	/* No way back: whoever bars the log waits until it is through. */
	out->seg = NULL;
	change_list(log, seg, old, n);
	rc = exchange_files(log, folder, old, n);
	kb_log_segment_unref(log, &seg);
	return rc;
}

int
kb_clean_swap(struct kb_clean_out *out, struct kb_segment *const *old, int n)
{
	struct kb_log *log = out->log;
	int folder = -1;
	int rc, i;

	KC_ASSERT(out->seg->base == old[0]->base);
	if (kb_log_barred(log) || !kb_log_usable(log))
		return KC_ECANCELED;
	rc = log->pl.f->open_dir(&folder, log->pl.dirfd, log->pl.folder);
	if (rc != KC_OK)
		return rc;
	rc = swap(out, folder, old, n);
	log->pl.f->close(folder);
	if (rc != KC_OK)
		return kb_log_disk(log, KC_EIO, "swapping in a segment");
	for (i = 0; i < n; i++)
		out->means->discard(out->means->arg, log, old[i]->base);
	return KC_OK;
}
