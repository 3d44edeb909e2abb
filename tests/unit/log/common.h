/*
 * common -- a log, or log dirs, in a folder of its own under $TMPDIR, with a
 * clock that a test moves and files that a test makes fail.
 */
#ifndef KT_LOG_COMMON_H
#define KT_LOG_COMMON_H

#include "kbroker/log/dirs.h"
#include "kbroker/log/log_priv.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/env.h"
#include "kcommon/base/err.h"
#include "kcommon/base/rand.h"
#include "kcommon/buf/wr.h"

struct kt_world {
	struct kc_clock clock; /* first: the environment's clock */
	int64_t wall_ms;
	int64_t mono_ns;
	struct kc_rand rand;
	struct kc_env env;
	char path[256]; /* the log dir */

	/* For logs that are opened without dirs. */
	struct kb_log_host host;
	struct kb_log_config cfg;
	/* What checkpoints say. */
	int64_t recovery_point, start, hw, cleaned;
	int kicks;
	int fails;
};

/*
 * What the file table does wrong, from the n-th call on (0: never).  One a
 * process, as Criterion gives every test its own.
 */
struct kt_faults {
	int allocate_nospc; /* countdown; 1 is the next call */
	int fsync_eio;
	int pwrite_nospc;
	int rename_eio;
	/*
	 * A stop in the middle: from this call on, counting all that change
	 * something, nothing is changed any more and calls are KC_EIO.
	 */
	int die;
	bool died;
};
extern struct kt_faults kt_faults;

void kt_world_open(struct kt_world *w);
void kt_world_close(struct kt_world *w); /* removes the folder */

/* A log opened in w->path without dirs; clean as of the last stop. */
struct kb_log *kt_log_open(struct kt_world *w, bool clean);
/* The same, but the result is checked by the caller. */
int kt_log_try(struct kt_world *w, bool clean, struct kb_log **logp);
/* Stop as after a kill: nothing is written any more. */
void kt_log_kill(struct kb_log **logp);
/* Stop in order, and remember what the checkpoints would say. */
void kt_log_stop(struct kt_world *w, struct kb_log **logp);
/* Do what the flush thread was asked for. */
void kt_log_run(struct kb_log *log);

struct kt_batch {
	int n; /* records */
	size_t value; /* bytes of each value */
	int64_t timestamp; /* of the first; each next one more */
	int64_t producer_id; /* with epoch and seq; 0: none */
	int16_t epoch;
	int32_t seq;
	bool txn;
	int64_t base_offset; /* for a replica */
	int32_t leader_epoch;
};

void kt_batch(struct kc_wr *w, const struct kt_batch *b);
/* As a client's; returns kb_log_append()'s code, *a tells the rest. */
int kt_append(
    struct kb_log *log, const struct kt_batch *b, struct kb_append *a);
/* n records of 10 bytes; asserts that it worked and returns the first. */
int64_t kt_put(struct kb_log *log, int n, int64_t ts);
int kt_marker(struct kb_log *log, int64_t producer_id, int16_t epoch,
    bool commit, struct kb_append *a);

/* The whole of a file of w->path, malloc'ed. */
uint8_t *kt_slurp(const struct kt_world *w, const char *name, size_t *len);
void kt_spit(
    const struct kt_world *w, const char *name, const void *p, size_t len);
bool kt_exists(const struct kt_world *w, const char *name);
/* The folder t-0 of to becomes a copy of that of from. */
void kt_copy(const struct kt_world *from, const struct kt_world *to);

/* Asserts that the records [start, end) of the log read back, in order. */
void kt_check_readable(struct kb_log *log);

#endif
