/*
 * epochs -- where each leader epoch of a log begins, and the file
 * leader-epoch-checkpoint.
 *
 * Epochs and start offsets both rise strictly.  Only memory is touched here;
 * "dirty" says that the file is behind.  Kafka: LeaderEpochFileCache.
 *
 * @locks the log's
 */
#ifndef KB_LOG_EPOCHS_H
#define KB_LOG_EPOCHS_H

#include "kcommon/io/file.h"

#define KB_EPOCHS_FILE "leader-epoch-checkpoint"

struct kb_epoch {
	int32_t epoch;
	int64_t start;
};

struct kb_epochs {
	struct kb_epoch *v; /* owned */
	int n;
	int cap;
	bool dirty;
};

void kb_epochs_init(struct kb_epochs *ep);
void kb_epochs_fini(struct kb_epochs *ep);
/*
 * epoch begins at start; entries that contradict it (epoch or start not
 * below) go.  No-op when it is the latest already.  KC_EINVAL below 0.
 */
int kb_epochs_assign(struct kb_epochs *ep, int32_t epoch, int64_t start);
int32_t kb_epochs_latest(const struct kb_epochs *ep); /* -1 none */
/* Where epoch ends in a log that ends at log_end; see kb_log_epoch_end(). */
void kb_epochs_end(const struct kb_epochs *ep, int32_t epoch, int64_t log_end,
    int32_t *found, int64_t *end);
int32_t kb_epochs_at(const struct kb_epochs *ep, int64_t offset);
/* The log ends at end now: entries that start there or later go. */
void kb_epochs_cut_end(struct kb_epochs *ep, int64_t end);
/* The log starts at start now: the epoch of start begins there. */
void kb_epochs_cut_start(struct kb_epochs *ep, int64_t start);
void kb_epochs_clear(struct kb_epochs *ep);

/* Text of the file, malloc'ed. */
int kb_epochs_text(const struct kb_epochs *ep, char **p, size_t *len);
/* From the file of folder; none is empty.  KC_ECORRUPT. */
int kb_epochs_load(struct kb_epochs *ep, const struct kc_file_ops *f, int dirfd,
    const char *folder);

#endif
