/*
 * checkpoint -- Kafka's small text files: a version (0), a count, and as many
 * lines of words.  Written whole (kc_file_replace).  Kafka: CheckpointFile,
 * OffsetCheckpointFile.
 */
#ifndef KB_LOG_CHECKPOINT_H
#define KB_LOG_CHECKPOINT_H

#include "kcommon/base/str.h"
#include "kcommon/io/file.h"

#define KB_CHECKPOINT_RECOVERY "recovery-point-offset-checkpoint"
#define KB_CHECKPOINT_START "log-start-offset-checkpoint"
#define KB_CHECKPOINT_HW "replication-offset-checkpoint"
#define KB_CHECKPOINT_CLEANER "cleaner-offset-checkpoint"

/* A file over this size is taken for corrupt: 2 million partitions. */
#define KB_CHECKPOINT_MAX (512 << 20)
#define KB_CHECKPOINT_WORDS 3

/*
 * Calls line for each entry.  An empty file has none.  KC_ENOENT; KC_ECORRUPT
 * for a wrong version or count, or what line says; KC_EIO.
 */
int kb_checkpoint_read(const struct kc_file_ops *f, int dirfd, const char *path,
    int (*line)(void *arg, const struct kc_str *tok, int n), void *arg);

/* topic partition offset */
struct kb_offset {
	char *topic; /* owned by the map */
	int32_t partition;
	int64_t offset;
};

struct kb_offsets { /* sorted by topic and partition once loaded */
	struct kb_offset *v;
	size_t n;
	size_t cap;
};

void kb_offsets_fini(struct kb_offsets *o);
int kb_offsets_load(struct kb_offsets *o, const struct kc_file_ops *f,
    int dirfd, const char *name);
/* True and *offset when there is one. */
bool kb_offsets_find(const struct kb_offsets *o, const char *topic,
    int32_t partition, int64_t *offset);
int kb_offsets_add(
    struct kb_offsets *o, const char *topic, int32_t partition, int64_t offset);
/* Text of a file with these lines, malloc'ed. */
int kb_offsets_text(const struct kb_offsets *o, char **p, size_t *len);

#endif
