#include "kbroker/log/log.h"

#include "kbroker/log/log_priv.h"
#include "kbroker/topic_config.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

#include <stdlib.h>

const struct kb_log_config kb_log_config_default = {
	.segment_bytes = 1 << 30,
	.segment_ms = 604800000,
	.segment_index_bytes = 10 << 20,
	.index_interval_bytes = 4096,
	.flush_messages = INT64_MAX,
	.flush_ms = INT64_MAX,
	.retention_bytes = -1,
	.retention_ms = 604800000,
	.file_delete_delay_ms = 60000,
	.max_compaction_lag_ms = INT64_MAX,
	.delete_retention_ms = 86400000,
	.min_cleanable_ratio = 0.5,
	.del = true,
};

void
kb_log_config_topic(struct kb_log_config *lc, const struct kb_topic_config *tc)
{
	lc->segment_bytes = tc->segment_bytes;
	lc->segment_ms = tc->segment_ms;
	lc->segment_jitter_ms = tc->segment_jitter_ms;
	lc->segment_index_bytes = tc->segment_index_bytes;
	lc->index_interval_bytes = tc->index_interval_bytes;
	lc->flush_messages = tc->flush_messages;
	lc->flush_ms = tc->flush_ms;
	lc->retention_bytes = tc->retention_bytes;
	lc->retention_ms = tc->retention_ms;
	lc->file_delete_delay_ms = tc->file_delete_delay_ms;
	lc->min_compaction_lag_ms = tc->min_compaction_lag_ms;
	lc->max_compaction_lag_ms = tc->max_compaction_lag_ms;
	lc->delete_retention_ms = tc->delete_retention_ms;
	lc->min_cleanable_ratio = tc->min_cleanable_dirty_ratio;
	lc->compact = tc->cleanup_compact;
	lc->del = tc->cleanup_delete;
	lc->preallocate = tc->preallocate;
}

int
kb_log_disk(struct kb_log *log, int rc, const char *what)
{
	switch (rc) {
	case KC_OK:
	case KC_ENOSPC:
	case KC_ENOMEM:
	case KC_EMFILE:
	case KC_ELIMIT:
	case KC_EOFFLINE:
		return rc;
	default:
		break;
	}
	/* A folder that was renamed away is a deletion, not a failure. */
	if (!kb_log_usable(log))
		return KC_EOFFLINE;
	kc_log(KC_LOG_ERROR, KB_LOG_NAME,
	    "Error while %s for %s-%d in dir %s: %s", what, log->topic,
	    log->partition, log->host->path, kc_strerror(rc));
	log->host->fail(log->host, rc, what);
	return rc;
}

void
kb_log_kick(struct kb_log *log, unsigned work)
{
	if (atomic_fetch_or(&log->work, work) == 0)
		log->host->kick(log->host, log);
}

static void
log_free(struct kb_log *log)
{
	int i;

	if (log->tail.map != NULL)
		(void)log->pl.f->unmap(log->tail.map, log->tail.len);
	for (i = 0; i < log->nseg; i++)
		kb_segment_free(&log->seg[i]);
	free(log->seg);
	kb_producers_fini(&log->ps);
	kb_epochs_fini(&log->ep);
	kc_cond_fini(&log->turn_over);
	kc_lock_fini(&log->write);
	kc_lock_fini(&log->lock);
	free(log->topic);
	kc_delete(log);
}

int
kb_log_open(struct kb_log **logp, struct kb_log_host *host,
    const struct kb_log_open *in)
{
	struct kb_log *log;
	size_t len = strlen(in->folder);
	int rc;

	KC_ASSERT(*logp == NULL && len < KB_NAME_MAX);
	if ((log = kc_new(struct kb_log, KB_LOG_MAGIC)) == NULL)
		return KC_ENOMEM;
	kc_ref_init(&log->ref);
	kc_lock_init(&log->write, LK_LOG_WRITE, "log.write");
	kc_lock_init(&log->lock, LK_LOG, "log.lock");
	kc_cond_init(&log->turn_over);
	kb_producers_init(&log->ps);
	kb_epochs_init(&log->ep);
	log->host = host;
	log->pl.f = host->env->file;
	log->pl.dirfd = host->dirfd;
	memcpy(log->pl.folder, in->folder, len + 1);
	log->partition = in->partition;
	log->kind = in->kind;
	log->cfg = in->cfg;
	log->cleaned = in->cleaned;
	log->snapshot_unsynced = -1;
	log->flushed_ms = kb_log_now_ms(log);
	if ((log->topic = strdup(in->topic)) == NULL)
		rc = KC_ENOMEM;
	else
		rc = kb_log_load(log, in);
	if (rc != KC_OK) {
		/* The work queue may hold a reference already. */
		atomic_store(&log->closed, true);
		kb_log_put(&log);
		return rc;
	}
	if (log->ep.dirty)
		kb_log_kick(log, KB_WORK_EPOCHS);
	*logp = log;
	return KC_OK;
}

/* Every file has its real size, and the state at the end is on disk. */
static int
finish(struct kb_log *log)
{
	struct kb_segment *seg = kb_log_active(log);
	int64_t now_ns = kb_log_now_ns(log);
	int rc;

	if ((rc = kb_log_take_snapshot(log)) != KC_OK)
		return rc;
	/* Not touched since it was loaded: nothing to cut. */
	if (seg->file == NULL && log->tail.reserved == seg->size &&
	    seg->ix.e.reserved == (int64_t)seg->ix.e.n * KB_INDEX_ENTRY &&
	    seg->tx.e.reserved == (int64_t)seg->tx.e.n * KB_TIME_INDEX_ENTRY)
		return KC_OK;
	if ((rc = kb_segment_indexes(seg, &log->pl, now_ns)) != KC_OK)
		return rc;
	kc_lock_take(&log->lock);
	rc = kb_segment_last_entry(seg);
	kc_lock_drop(&log->lock);
	if (rc != KC_OK || (rc = kb_tail_unmap(log)) != KC_OK)
		return rc;
	return kb_segment_trim(seg, &log->pl, now_ns);
}

int
kb_log_close(struct kb_log *log, bool clean)
{
	int rc = KC_OK;

	clean = clean && kb_log_usable(log);
	kc_lock_take(&log->write);
	if (clean)
		rc = finish(log);
	kc_lock_drop(&log->write);
	if (clean && rc == KC_OK)
		rc = kb_log_flush(log, kb_log_end(log));
	if (clean && rc == KC_OK)
		rc = kb_log_write_epochs(log);
	kb_log_abandon(log);
	return rc;
}

void
kb_log_abandon(struct kb_log *log)
{
	int i;

	atomic_store(&log->closed, true);
	kb_log_bar(log); /* for good */
	kc_lock_take(&log->write);
	kc_lock_take(&log->lock);
	log->gen++;
	(void)kb_tail_unmap(log);
	for (i = 0; i < log->nseg; i++)
		if (log->seg[i]->refs == 0)
			kb_segment_close_fds(log->seg[i]);
	kc_lock_drop(&log->lock);
	kc_lock_drop(&log->write);
}

struct kb_log *
kb_log_get(struct kb_log *log)
{
	kc_ref_get(&log->ref);
	return log;
}

void
kb_log_put(struct kb_log **logp)
{
	struct kb_log *log = *logp;

	*logp = NULL;
	if (log == NULL)
		return;
	KC_CHECK(log, KB_LOG_MAGIC);
	if (kc_ref_put(&log->ref))
		log_free(log);
}

struct kb_segment *
kb_log_segment_ref(struct kb_segment *seg)
{
	seg->refs++;
	return seg;
}

void
kb_log_segment_unref(struct kb_log *log, struct kb_segment **segp)
{
	struct kb_segment *seg = *segp;
	bool last;
	int i;

	*segp = NULL;
	if (seg == NULL)
		return;
	kc_lock_take(&log->lock);
	last = --seg->refs == 0;
	if (last) {
		/* Still listed: it stays. */
		i = kb_log_segment_at(log, seg->base);
		if (i >= 0 && log->seg[i] == seg)
			last = false;
	}
	kc_lock_drop(&log->lock);
	if (last)
		kb_segment_free(&seg);
}

int
kb_log_add_segment(struct kb_log *log, struct kb_segment *seg)
{
	struct kb_segment **v;
	int cap;

	KC_ASSERT(log->nseg == 0 || kb_log_active(log)->base < seg->base);
	if (log->nseg == log->seg_cap) {
		cap = log->seg_cap == 0 ? 2 : log->seg_cap * 2;
		v = realloc(log->seg, (size_t)cap * sizeof(*v));
		if (v == NULL)
			return KC_ENOMEM;
		log->seg = v;
		log->seg_cap = cap;
	}
	log->seg[log->nseg++] = seg;
	return KC_OK;
}

int
kb_log_segment_at(const struct kb_log *log, int64_t offset)
{
	int lo = 0, hi = log->nseg, mid;

	/* Mostly the last one is wanted. */
	if (hi > 0 && log->seg[hi - 1]->base <= offset)
		return hi - 1;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (log->seg[mid]->base <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - 1;
}

void
kb_log_drop_segments(struct kb_log *log, int from, int n)
{
	int i;

	log->gen++;
	if (n == 0)
		return;
	for (i = from; i < from + n; i++)
		if (log->seg[i]->refs == 0)
			kb_segment_free(&log->seg[i]);
	if (log->nseg > from + n)
		memmove(log->seg + from, log->seg + from + n,
		    (size_t)(log->nseg - from - n) * sizeof *log->seg);
	log->nseg -= n;
}

void
kb_ring_reset(struct kb_log *log)
{
	log->ring.n = 0;
}

void
kb_ring_push(struct kb_log *log, int64_t offset, int64_t pos)
{
	unsigned i = log->ring.n++ % KB_RING;

	log->ring.v[i].offset = offset;
	log->ring.v[i].pos = pos;
}

bool
kb_ring_floor(
    const struct kb_log *log, int64_t offset, int64_t *found, int64_t *pos)
{
	const struct kb_ring *r = &log->ring;
	unsigned have = KC_MIN(r->n, KB_RING);
	unsigned i, at;

	for (i = 1; i <= have; i++) {
		at = (r->n - i) % KB_RING;
		if (r->v[at].offset > offset)
			continue;
		*found = r->v[at].offset;
		*pos = r->v[at].pos;
		return true;
	}
	return false;
}
