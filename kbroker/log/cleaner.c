#include "kbroker/log/cleaner.h"

#include <stdio.h>
#include <stdlib.h>

#include "kbroker/config.h"
#include "kbroker/log/clean_priv.h"
#include "kbroker/log/dirs_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

/* How soon a thread that must wait sees that it is to stop. */
#define SLICE_MS 50
#define UNLIMITED 1e15 /* bytes a second, and all above */
#define MAP_MIN 1024 /* bytes; the configuration asks for a MiB */
#define BUFFER_MIN 4096

const struct kb_log_cleaner_config kb_log_cleaner_config_default = {
	.threads = 1,
	.dedupe_bytes = 134217728,
	.load_factor = 0.9,
	.io_bytes = 524288,
	.io_max_rate = 1e300,
	.backoff_ms = 15000,
};

void
kb_log_cleaner_config_broker(
    struct kb_log_cleaner_config *cc, const struct kb_config *cfg)
{
	cc->threads = cfg->log_cleaner_threads;
	cc->dedupe_bytes = cfg->log_cleaner_dedupe_buffer_size;
	cc->load_factor = cfg->log_cleaner_io_buffer_load_factor;
	cc->io_bytes = cfg->log_cleaner_io_buffer_size;
	cc->io_max_rate = cfg->log_cleaner_io_max_bytes_per_second;
	cc->backoff_ms = cfg->log_cleaner_backoff_ms;
}

struct worker {
	struct kb_log_cleaner *cl;
	int index;
	struct kc_thread *thread; /* NULL: there is none */
};

struct kb_log_cleaner {
	unsigned magic;
#define KB_LOG_CLEANER_MAGIC 0xc1ea4e55
	struct kb_log_dirs *dirs;
	atomic_bool stop;
	bool threaded; /* constant after start */

	struct kc_lock lock; /* a leaf */
	struct kc_cond cond;
	/* Guarded by lock. */
	struct kb_log_cleaner_config cfg;
	int64_t paid_ns; /* what was read and written is paid for by then */

	struct worker worker[KB_CLEANER_THREADS_MAX];
	int64_t next_ns; /* tick */
};

static int64_t
now_ns(const struct kb_log_cleaner *cl)
{
	return kc_mono_ns(cl->dirs->env->clock);
}

static bool
stopping(const struct kb_log_cleaner *cl)
{
	return atomic_load_explicit(&cl->stop, memory_order_relaxed);
}

static struct kb_dir *
dir_of(struct kb_log *log)
{
	return KC_CONTAINER(log->host, struct kb_dir, host);
}

/* --- limits ----------------------------------------------------------------
 */

/* The time that n more bytes are worth; 0 without a limit.  lock held */
static int64_t
charge(struct kb_log_cleaner *cl, size_t n)
{
	double rate = cl->cfg.io_max_rate, ns;
	int64_t now = now_ns(cl);

	if (rate >= UNLIMITED)
		return 0;
	ns = (double)n * 1e9 / KC_MAX(rate, 1);
	cl->paid_ns = KC_MAX(cl->paid_ns, now) +
	    (ns > 1e15 ? (int64_t)1e15 : (int64_t)ns);
	return cl->paid_ns;
}

static int
on_spent(void *arg, struct kb_log *log, size_t n)
{
	struct worker *w = arg;
	struct kb_log_cleaner *cl = w->cl;
	int64_t until, ms;
	bool wanted;

	kc_lock_take(&cl->lock);
	until = charge(cl, n);
	while (cl->threaded && !stopping(cl) && !kb_log_barred(log) &&
	    (ms = (until - now_ns(cl)) / 1000000) > 0)
		(void)kc_cond_wait_ms(
		    &cl->cond, &cl->lock, KC_MIN(ms, SLICE_MS));
	wanted = w->index < cl->cfg.threads && !stopping(cl);
	kc_lock_drop(&cl->lock);
	return wanted && !kb_log_barred(log) ? KC_OK : KC_ECANCELED;
}

static void
on_discard(void *arg KC_UNUSED, struct kb_log *log, int64_t base)
{
	struct kb_log_config cfg;

	kb_log_get_config(log, &cfg);
	kb_dir_discard(
	    dir_of(log), log->pl.folder, base, cfg.file_delete_delay_ms);
}

static void
means(struct kb_log_cleaner *cl, int index, struct kb_clean_means *m)
{
	int threads;

	kc_lock_take(&cl->lock);
	threads = KC_MAX(cl->cfg.threads, 1);
	*m = (struct kb_clean_means){
		.buffer =
		    (size_t)KC_MAX(cl->cfg.io_bytes / threads / 2, BUFFER_MIN),
		.map_bytes =
		    (size_t)KC_MAX(cl->cfg.dedupe_bytes / threads, MAP_MIN),
		.map_load = cl->cfg.load_factor,
		.arg = &cl->worker[index],
		.spent = on_spent,
		.discard = on_discard,
	};
	kc_lock_drop(&cl->lock);
}

/* --- which one -------------------------------------------------------------
 */

static bool
candidate(struct kb_log *log)
{
	bool yes;

	kc_lock_take(&log->lock);
	yes = log->cfg.compact && !log->uncleanable && !log->turn &&
	    log->nseg > 1 && log->kind == KB_FOLDER_CURRENT &&
	    kb_log_usable(log);
	kc_lock_drop(&log->lock);
	return yes;
}

/* The checkpoint does not fit the log: said once, and put right. */
static void
reset(struct kb_log *log, const struct kb_clean_range *r)
{
	kc_log(KC_LOG_WARN, "kafka.log.LogCleanerManager",
	    "Resetting first dirty offset of %s to log start offset %lld "
	    "since the checkpointed offset is not inside the log",
	    log->pl.folder, (long long)r->dirty);
	kc_lock_take(&log->lock);
	log->cleaned = r->dirty;
	kc_lock_drop(&log->lock);
	kb_dir_soon(dir_of(log), KB_TASK_CLEANED);
}

/* Takes the turn of the dirtiest log of v[0..n); *logp is not referenced. */
static void
choose(
    struct kb_log **v, int n, struct kb_log **logp, struct kb_clean_range *best)
{
	struct kb_clean_range r;
	int i;

	*logp = NULL;
	for (i = 0; i < n; i++) {
		if (!candidate(v[i]) || kb_clean_look(v[i], &r) != KC_OK)
			continue;
		if (r.reset)
			reset(v[i], &r);
		if (r.worth && (*logp == NULL || r.ratio > best->ratio)) {
			*logp = v[i];
			*best = r;
		}
	}
	if (*logp == NULL)
		return;
	/* Another thread may have been faster since. */
	if (!kb_log_turn_take(*logp)) {
		*logp = NULL;
		return;
	}
	if (kb_clean_look(*logp, best) != KC_OK || !best->worth) {
		kb_log_turn_drop(*logp);
		*logp = NULL;
	}
}

/* --- one compaction --------------------------------------------------------
 */

static void
report(int index, struct kb_log *log, const struct kb_clean_range *r,
    const struct kb_clean_stats *st, int64_t took_ms)
{
	double mib = (double)(st->map_read + st->read) / (1 << 20);

	kc_log(KC_LOG_INFO, KB_CLEANER_NAME,
	    "[kafka-log-cleaner-thread-%d]: Log cleaner thread %d cleaned log "
	    "%s (dirty section = [%lld, %lld]): %.1f MB of log processed in "
	    "%.1f seconds (%.1f MB/sec), %lld of %lld records kept, %lld "
	    "bytes became %lld, buffer utilization %.1f%%",
	    index, index, log->pl.folder, (long long)r->dirty,
	    (long long)st->end, mib, (double)took_ms / 1000,
	    mib * 1000 / (double)KC_MAX(took_ms, 1), (long long)st->kept,
	    (long long)st->records, (long long)st->read, (long long)st->written,
	    100.0 * (double)st->keys / (double)KC_MAX(st->slots, 1));
}

/* What a compaction that did not end well means for the log. */
static void
failed(int index, struct kb_log *log, int rc)
{
	switch (rc) {
	case KC_ECANCELED:
	case KC_EOFFLINE:
		kc_log(KC_LOG_INFO, KB_CLEANER_NAME,
		    "Cleaner %d: The cleaning for partition %s is aborted",
		    index, log->pl.folder);
		return;
	case KC_ENOSPC:
	case KC_ENOMEM:
	case KC_EMFILE:
		kc_log(KC_LOG_WARN, KB_CLEANER_NAME,
		    "Cleaner %d: Could not clean log %s: %s", index,
		    log->pl.folder, kc_strerror(rc));
		return;
	default:
		break;
	}
	kc_log(KC_LOG_WARN, KB_CLEANER_NAME,
	    "Unexpected exception thrown when cleaning log %s in dir %s: %s. "
	    "Marking its partition (%s) as uncleanable",
	    log->pl.folder, log->host->path, kc_strerror(rc), log->pl.folder);
	kc_lock_take(&log->lock);
	log->uncleanable = true;
	kc_lock_drop(&log->lock);
}

static int
clean_log(struct kb_log_cleaner *cl, int index, struct kb_log *log,
    const struct kb_clean_range *r)
{
	int64_t began = now_ns(cl);
	struct kb_clean_means m;
	struct kb_clean_stats st;
	int rc;

	means(cl, index, &m);
	kc_log(KC_LOG_INFO, KB_CLEANER_NAME,
	    "Cleaner %d: Beginning cleaning of log %s", index, log->pl.folder);
	rc = kb_clean(log, r, &m, &st);
	kb_log_turn_drop(log);
	if (rc != KC_OK) {
		failed(index, log, rc);
		return rc;
	}
	report(index, log, r, &st, (now_ns(cl) - began) / 1000000);
	kb_dir_soon(dir_of(log), KB_TASK_CLEANED);
	(void)kb_log_retain(log, on_discard, NULL);
	return KC_OK;
}

/* True when a log was compacted: there may be more. */
static bool
clean_one(struct kb_log_cleaner *cl, int index)
{
	struct kb_clean_range r;
	struct kb_log **v, *log;
	int rc = KC_ENOENT;
	int n;

	if (kb_dirs_logs(cl->dirs, NULL, &v, &n) != KC_OK)
		return false;
	choose(v, n, &log, &r);
	if (log != NULL)
		rc = clean_log(cl, index, log, &r);
	kb_dirs_logs_put(v, n);
	return rc == KC_OK;
}

/* --- threads ---------------------------------------------------------------
 */

static void
worker_main(void *arg)
{
	struct worker *w = arg;
	struct kb_log_cleaner *cl = w->cl;
	int64_t until;
	bool wanted = true, busy;

	while (wanted && !stopping(cl)) {
		busy = clean_one(cl, w->index);
		kc_lock_take(&cl->lock);
		until = now_ns(cl) / 1000000 + cl->cfg.backoff_ms;
		while (!busy && !stopping(cl) && w->index < cl->cfg.threads &&
		    now_ns(cl) / 1000000 < until)
			(void)kc_cond_wait_ms(
			    &cl->cond, &cl->lock, until - now_ns(cl) / 1000000);
		wanted = w->index < cl->cfg.threads;
		kc_lock_drop(&cl->lock);
	}
}

int
kb_log_cleaner_open(struct kb_log_cleaner **clp, struct kb_log_dirs *dirs,
    const struct kb_log_cleaner_config *config)
{
	struct kb_log_cleaner *cl;
	int i;

	KC_ASSERT(*clp == NULL);
	cl = kc_new(struct kb_log_cleaner, KB_LOG_CLEANER_MAGIC);
	if (cl == NULL)
		return KC_ENOMEM;
	cl->dirs = dirs;
	cl->cfg = *config;
	kc_lock_init(&cl->lock, 0, "log.cleaner");
	kc_cond_init(&cl->cond);
	for (i = 0; i < KB_CLEANER_THREADS_MAX; i++) {
		cl->worker[i].cl = cl;
		cl->worker[i].index = i;
	}
	*clp = cl;
	return KC_OK;
}

/* As many threads as the settings say; those beyond end by themselves. */
static int
match_threads(struct kb_log_cleaner *cl, int want)
{
	struct worker *w;
	char name[16];
	int rc = KC_OK;
	int i;

	for (i = want; i < KB_CLEANER_THREADS_MAX; i++)
		kc_thread_join(&cl->worker[i].thread);
	for (i = 0; rc == KC_OK && i < want; i++) {
		w = &cl->worker[i];
		(void)snprintf(name, sizeof name, "log-cleaner-%d", i);
		if (w->thread == NULL)
			rc = kc_thread_start(&w->thread, name, worker_main, w);
	}
	return rc;
}

int
kb_log_cleaner_start(struct kb_log_cleaner *cl)
{
	kc_log(KC_LOG_INFO, KB_CLEANER_NAME, "Starting the log cleaner");
	cl->threaded = true;
	return match_threads(
	    cl, KC_MIN(cl->cfg.threads, KB_CLEANER_THREADS_MAX));
}

int
kb_log_cleaner_set(
    struct kb_log_cleaner *cl, const struct kb_log_cleaner_config *config)
{
	int want = KC_MIN(config->threads, KB_CLEANER_THREADS_MAX);

	kc_lock_take(&cl->lock);
	cl->cfg = *config;
	kc_cond_broadcast(&cl->cond);
	kc_lock_drop(&cl->lock);
	return cl->threaded ? match_threads(cl, want) : KC_OK;
}

void
kb_log_cleaner_close(struct kb_log_cleaner **clp)
{
	struct kb_log_cleaner *cl = *clp;

	*clp = NULL;
	if (cl == NULL)
		return;
	KC_CHECK(cl, KB_LOG_CLEANER_MAGIC);
	if (cl->threaded)
		kc_log(KC_LOG_INFO, KB_CLEANER_NAME,
		    "Shutting down the log cleaner.");
	kc_lock_take(&cl->lock);
	atomic_store(&cl->stop, true);
	kc_cond_broadcast(&cl->cond);
	kc_lock_drop(&cl->lock);
	(void)match_threads(cl, 0);
	kc_cond_fini(&cl->cond);
	kc_lock_fini(&cl->lock);
	kc_delete(cl);
}

int64_t
kb_log_cleaner_tick(struct kb_log_cleaner *cl)
{
	int64_t now = now_ns(cl);
	int64_t rest = cl->cfg.backoff_ms;

	KC_ASSERT(!cl->threaded);
	if (now < cl->next_ns || now < cl->paid_ns)
		return KC_MAX(cl->next_ns, cl->paid_ns);
	if (cl->cfg.threads == 0)
		return INT64_MAX;
	if (clean_one(cl, 0))
		rest = 0;
	cl->next_ns = rest >= (INT64_MAX - now) / 1000000 ?
	    INT64_MAX :
	    now + rest * 1000000;
	return KC_MAX(cl->next_ns, cl->paid_ns);
}
