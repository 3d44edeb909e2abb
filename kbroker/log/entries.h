/*
 * entries -- a file of entries of one size: what the three kinds of index
 * have in common.
 *
 * Read and written by pread and pwrite, never mapped: an index gets one entry
 * per 4 KiB of log, so a call costs nothing beside the copy of the data, and
 * there is no map that could raise SIGBUS, cost memory or be unmapped under
 * a reader.  Space is reserved before it is written (kb_entries_reserve), so
 * that a full disk is an error before the data is in place.
 *
 * Entries below n never change while n does not shrink; readers use a count
 * they took under the log's lock.
 */
#ifndef KB_LOG_ENTRIES_H
#define KB_LOG_ENTRIES_H

#include "kcommon/io/file.h"

#define KB_ENTRY_MAX 34

struct kb_entries {
	const struct kc_file_ops *f;
	int fd; /* -1 closed */
	int32_t n;
	uint32_t entry; /* bytes each */
	int64_t reserved; /* bytes of the file that have space */
	uint8_t *bulk; /* owned; see kb_entries_bulk() */
	size_t nbulk; /* bytes in it, the last ones below n */
};

void kb_entries_init(
    struct kb_entries *e, const struct kc_file_ops *f, uint32_t entry);
/*
 * Opens the file (created when create), n is what its length says; a length
 * that is no multiple is KC_ECORRUPT.  No-op when open.
 */
int kb_entries_open(
    struct kb_entries *e, int dirfd, const char *path, bool create);
void kb_entries_close(struct kb_entries *e);
/* Opens the file again for reading; n and reserved stay. */
int kb_entries_reopen(struct kb_entries *e, int dirfd, const char *path);
/* Space for one more entry; KC_ENOSPC. */
int kb_entries_reserve(struct kb_entries *e);
/* Writes entry number slot; n is the caller's to raise. */
int kb_entries_write(struct kb_entries *e, int32_t slot, const void *p);
/*
 * Until kb_entries_flush(), entries gather in memory: for rebuilding.  Reads
 * see those of the file only.  KC_ENOMEM.
 */
int kb_entries_bulk(struct kb_entries *e);
int kb_entries_flush(struct kb_entries *e);
int kb_entries_read(const struct kb_entries *e, int32_t slot, void *p);
/* The file ends after n entries from now on. */
int kb_entries_cut(struct kb_entries *e, int32_t n);

/*
 * The last of the first n entries that le() says is at or below key, in p;
 * *slot is -1 when there is none.  le must be true for a prefix.
 */
int kb_entries_floor(const struct kb_entries *e, int32_t n,
    bool (*le)(const uint8_t *p, int64_t key), int64_t key, int32_t *slot,
    uint8_t *p);

#endif
