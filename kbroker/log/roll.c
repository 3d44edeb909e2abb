/*
 * A new active segment.  The files of the new one exist before the old one is
 * touched, so that a full disk leaves everything as it was.
 */
#include "kbroker/log/log_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/base/rand.h"

#include <stdlib.h>

int
kb_log_take_snapshot(struct kb_log *log)
{
	struct kb_file_name fn = { log->ps.end, KB_FILE_SNAPSHOT,
		KB_STATE_LIVE };
	char path[KB_PATH_MAX];
	char *p = NULL;
	size_t len;
	int fd = -1;
	int rc;

	if (log->ps.end <= log->ps.snapshot ||
	    (log->ps.snapshot < 0 && log->ps.end <= log->start))
		return KC_OK;
	if ((rc = kb_snapshot_bytes(&log->ps, &p, &len)) != KC_OK)
		return rc;
	(void)kb_name_file(path, log->pl.folder, &fn);
	rc = log->pl.f->open(&fd, log->pl.dirfd, path,
	    KC_FILE_WRITE | KC_FILE_CREATE | KC_FILE_TRUNC);
	if (rc == KC_OK) {
		rc = log->pl.f->pwrite(fd, p, len, 0);
		log->pl.f->close(fd);
		if (rc != KC_OK)
			(void)log->pl.f->unlink(log->pl.dirfd, path);
	}
	free(p);
	if (rc == KC_OK) {
		log->ps.snapshot = log->ps.end;
		log->snapshot_unsynced = log->ps.end;
	}
	return rc;
}

static int64_t
roll_jitter(struct kb_log *log)
{
	int64_t max = KC_MIN(log->cfg.segment_jitter_ms, log->cfg.segment_ms);

	return max <= 0 ?
	    0 :
	    (int64_t)kc_rand_below(log->host->env->rand, (uint64_t)max);
}

/* The files of the next segment exist before the old one is touched. */
static int
make_segment(struct kb_log *log, int64_t base, struct kb_segment **segp)
{
	struct kb_segment *seg = NULL;
	int rc;

	if ((rc = kb_segment_new(&seg, &log->pl, base)) != KC_OK)
		return rc;
	if ((rc = kb_segment_create(seg, &log->pl)) != KC_OK) {
		kb_segment_close_fds(seg);
		(void)kb_segment_unlink(&log->pl, base, KB_STATE_LIVE);
		kb_segment_free(&seg);
		return rc;
	}
	seg->created_ms = kb_log_now_ms(log);
	seg->jitter_ms = roll_jitter(log);
	*segp = seg;
	return KC_OK;
}

/* The active segment gets no more: everything about it goes to its files. */
static int
seal_active(struct kb_log *log)
{
	struct kb_segment *old = kb_log_active(log);
	int64_t now_ns = kb_log_now_ns(log);
	int rc;

	if ((rc = kb_segment_indexes(old, &log->pl, now_ns)) != KC_OK)
		return rc;
	kc_lock_take(&log->lock);
	rc = kb_segment_last_entry(old);
	kc_lock_drop(&log->lock);
	if (rc != KC_OK || (rc = kb_tail_unmap(log)) != KC_OK)
		return rc;
	if ((rc = kb_segment_trim(old, &log->pl, now_ns)) == KC_OK)
		kb_tail_reset(log, old->size);
	return rc;
}

int
kb_log_roll(struct kb_log *log, int64_t base)
{
	struct kb_segment *seg = NULL;
	int rc;

	KC_ASSERT(base > kb_log_active(log)->base);
	if ((rc = make_segment(log, base, &seg)) != KC_OK)
		return rc;
	if ((rc = seal_active(log)) != KC_OK)
		goto fail;
	log->ps.end = KC_MAX(log->ps.end, base);
	/* Only an aid for the next start: a full disk may do without. */
	rc = kb_log_take_snapshot(log);
	if (rc != KC_OK && rc != KC_ENOSPC)
		goto fail;
	kc_lock_take(&log->lock);
	if ((rc = kb_log_add_segment(log, seg)) == KC_OK) {
		kb_ring_reset(log);
		log->flush_to = KC_MAX(log->flush_to, base);
	}
	kc_lock_drop(&log->lock);
	if (rc != KC_OK)
		goto fail;
	kb_tail_reset(log, 0);
	kb_log_kick(log, KB_WORK_FLUSH);
	kc_log(KC_LOG_INFO, "kafka.log.LocalLog",
	    "[LocalLog partition=%s-%d, dir=%s] Rolled new log segment at "
	    "offset %lld",
	    log->topic, log->partition, log->host->path, (long long)base);
	return KC_OK;

fail:
	kb_segment_close_fds(seg);
	/* The snapshot of that offset goes with the others. */
	(void)kb_segment_unlink(&log->pl, base, KB_STATE_LIVE);
	if (log->ps.snapshot == base)
		log->ps.snapshot = log->snapshot_unsynced = -1;
	kb_segment_free(&seg);
	return rc;
}
