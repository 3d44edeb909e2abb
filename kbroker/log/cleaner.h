/*
 * cleaner -- compacts the logs of topics with cleanup.policy=compact, the
 * dirtiest first.
 *
 * Threads look for a log that is worth it, compact it (clean.h), apply its
 * retention if it has one, and rest for a while when there is none.  A log
 * whose content cannot be compacted is named in a warning and left alone
 * until the next start.  A simulator leaves start out and calls tick.
 *
 * Memory: dedupe_bytes for keys, taken while a log is compacted and given
 * back after it; io_bytes for reading and writing, more only for a batch
 * that does not fit.
 *
 * Kafka: LogCleaner, LogCleanerManager.
 */
#ifndef KB_LOG_CLEANER_H
#define KB_LOG_CLEANER_H

#include "kbroker/log/dirs.h"

struct kb_config;
struct kb_log_cleaner;

#define KB_CLEANER_THREADS_MAX 256

struct kb_log_cleaner_config {
	int threads; /* log.cleaner.threads; 0: nothing is compacted */
	int64_t dedupe_bytes; /* log.cleaner.dedupe.buffer.size, of all */
	double load_factor; /* log.cleaner.io.buffer.load.factor */
	int64_t io_bytes; /* log.cleaner.io.buffer.size, of all threads */
	double io_max_rate; /* log.cleaner.io.max.bytes.per.second */
	int64_t backoff_ms; /* log.cleaner.backoff.ms */
};

extern const struct kb_log_cleaner_config kb_log_cleaner_config_default;
void kb_log_cleaner_config_broker(
    struct kb_log_cleaner_config *cc, const struct kb_config *cfg);

/* dirs outlive the cleaner.  KC_ENOMEM */
int kb_log_cleaner_open(struct kb_log_cleaner **clp, struct kb_log_dirs *dirs,
    const struct kb_log_cleaner_config *config);
/* After kb_log_dirs_load(). */
int kb_log_cleaner_start(struct kb_log_cleaner *cl);
/*
 * New settings, from the next compaction of each thread on; threads are
 * started and ended to match.  KC_OK, or why a thread could not be started.
 * @thread one at a time
 */
int kb_log_cleaner_set(
    struct kb_log_cleaner *cl, const struct kb_log_cleaner_config *config);
/* Ends what is under way; before kb_log_dirs_close().  *clp NULL is fine. */
void kb_log_cleaner_close(struct kb_log_cleaner **clp);

/*
 * For the simulator: compacts one log if one is worth it and the limits of
 * time allow.  Returns the monotonic time in ns at which to call again.
 */
int64_t kb_log_cleaner_tick(struct kb_log_cleaner *cl);

#endif
