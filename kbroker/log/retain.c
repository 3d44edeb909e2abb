/* Deleting whole segments from the front of a log. */
#include "kbroker/log/log_priv.h"
#include "kbroker/log/policy.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

#include <stdlib.h>

static const char *const why_text[KB_RETAIN_WHYS] = {
	[KB_RETAIN_START] = "log start offset",
	[KB_RETAIN_SIZE] = "log retention size",
	[KB_RETAIN_TIME] = "log retention time",
};

int64_t
kb_log_segment_mtime(struct kb_log *log, int64_t base)
{
	struct kb_file_name fn = { base, KB_FILE_LOG, KB_STATE_LIVE };
	char path[KB_PATH_MAX];
	struct kc_file_stat st;

	if (log->pl.f->stat(log->pl.dirfd,
		kb_name_file(path, log->pl.folder, &fn), &st) != KC_OK)
		return kb_log_now_ms(log); /* unknown: young */
	return st.mtime_ms;
}

/* How many may go for this reason; < 0 is an error.  "write" held. */
static int
decide(struct kb_log *log, enum kb_retain_why why)
{
	struct kb_retain r = { 0 };
	struct kb_retain_seg *v;
	int i, n;

	if ((v = calloc((size_t)log->nseg, sizeof *v)) == NULL)
		return KC_ENOMEM;
	for (i = 0; i < log->nseg; i++) {
		v[i].base = log->seg[i]->base;
		v[i].size = log->seg[i]->size;
		v[i].largest_ts = log->seg[i]->max_ts;
		if (v[i].largest_ts < 0 && why == KB_RETAIN_TIME)
			v[i].largest_ts = kb_log_segment_mtime(log, v[i].base);
	}
	r.cfg = &log->cfg;
	r.seg = v;
	r.n = log->nseg;
	r.start = log->start;
	r.hw = log->hw;
	r.end = log->end;
	r.now_ms = kb_log_now_ms(log);
	n = kb_policy_retain(&r, why);
	free(v);
	return n;
}

/* The first n segments go; n < nseg.  "write" held. */
static int
drop(struct kb_log *log, int n, void (*fn)(void *, struct kb_log *, int64_t),
    void *arg)
{
	int64_t *base = calloc((size_t)n, sizeof *base);
	int rc = KC_OK;
	int i;

	if (base == NULL)
		return KC_ENOMEM;
	for (i = 0; i < n; i++)
		base[i] = log->seg[i]->base;
	kc_lock_take(&log->lock);
	kb_log_drop_segments(log, 0, n);
	if (log->start < log->seg[0]->base)
		atomic_store(&log->start, log->seg[0]->base);
	kb_epochs_cut_start(&log->ep, log->start);
	kb_producers_start(&log->ps, log->start);
	kb_log_update_lso(log);
	if (log->ep.dirty)
		kb_log_kick(log, KB_WORK_EPOCHS);
	kc_lock_drop(&log->lock);
	for (i = 0; rc == KC_OK && i < n; i++) {
		rc = kb_segment_rename(
		    &log->pl, base[i], KB_STATE_LIVE, KB_STATE_DELETED);
		if (rc == KC_OK)
			fn(arg, log, base[i]);
	}
	free(base);
	return rc;
}

static int
retain_for(struct kb_log *log, enum kb_retain_why why,
    void (*fn)(void *, struct kb_log *, int64_t), void *arg)
{
	int n = decide(log, why);
	int rc;

	if (n <= 0)
		return n;
	/* A log has always one segment. */
	if (n == log->nseg && (rc = kb_log_roll(log, log->end)) != KC_OK)
		return rc;
	if ((rc = drop(log, n, fn, arg)) != KC_OK)
		return rc;
	kc_log(KC_LOG_INFO, KB_LOG_NAME,
	    "[UnifiedLog partition=%s-%d, dir=%s] Deleted %d segments due to "
	    "%s breach; log start offset is %lld",
	    log->topic, log->partition, log->host->path, n, why_text[why],
	    (long long)log->start);
	return KC_OK;
}

int
kb_log_retain(struct kb_log *log,
    void (*fn)(void *arg, struct kb_log *log, int64_t base), void *arg)
{
	int rc = KC_OK;
	int why;

	if (!kb_log_turn_take(log))
		return KC_OK; /* the next time */
	kc_lock_take(&log->write);
	for (why = 0; rc == KC_OK && why < KB_RETAIN_WHYS; why++)
		if (kb_log_usable(log))
			rc = retain_for(log, (enum kb_retain_why)why, fn, arg);
	kc_lock_drop(&log->write);
	kb_log_turn_drop(log);
	return kb_log_disk(log, rc, "deleting old segments");
}
