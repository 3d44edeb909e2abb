/*
 * segment -- one piece of a log: N.log and its indexes.
 *
 * Descriptors are opened on first use and closed when cold, so that a
 * partition that nobody uses costs none.  One that was written to stays open
 * until it is synced: an error of writing back is told to open descriptors
 * only.  Kafka: LogSegment.
 *
 * A closed segment never changes but by truncation (which makes it the
 * active one and counts up log->gen) and deletion.  Readers hold a reference
 * and look things up with no lock.
 *
 * Locking: size, refs and index counts under the log's locks; "fds" is a leaf
 * for opening.
 */
#ifndef KB_LOG_SEGMENT_H
#define KB_LOG_SEGMENT_H

#include "kbroker/log/index.h"
#include "kbroker/log/names.h"
#include "kbroker/log/time_index.h"
#include "kbroker/log/txn_index.h"
#include "kcommon/base/lock.h"
#include "kcommon/buf/wr.h"

#include <stdatomic.h>

/* A segment's size and the positions in it are int32 in the index. */
#define KB_SEGMENT_SIZE_MAX INT32_MAX

/* Where the files of a log are; constant. */
struct kb_place {
	const struct kc_file_ops *f;
	int dirfd; /* the log dir */
	char folder[KB_NAME_MAX];
};

struct kb_segment {
	unsigned magic;
#define KB_SEGMENT_MAGIC 0x5e63e270
	int64_t base; /* constant */

	int refs; /* LK_LOG */
	int64_t size; /* bytes of whole batches */
	int64_t max_ts; /* of any batch, -1 none */
	int64_t max_ts_offset; /* last offset of that batch */
	int64_t first_ts; /* max timestamp of the first append; -1 unknown */
	int64_t created_ms;
	int64_t jitter_ms; /* taken off segment.ms */
	int64_t since_index; /* bytes since the last index entry */
	bool unsynced_entry; /* the folder has not been synced since */

	struct kc_lock fds;
	struct kc_fileref *file; /* NULL closed */
	struct kb_index ix;
	struct kb_time_index tx;
	struct kb_txn_index an;
	_Atomic int64_t used_ns; /* last time somebody wanted a descriptor */
};

int kb_segment_new(
    struct kb_segment **segp, const struct kb_place *pl, int64_t base);
/* Closes descriptors; the files stay. */
void kb_segment_free(struct kb_segment **segp);

/* Fresh files; what an older log left under these names goes. */
int kb_segment_create(struct kb_segment *seg, const struct kb_place *pl);
/*
 * Size and index ends of files that exist.  *rebuild: the indexes do not fit
 * the log and must be made again.
 */
int kb_segment_load(
    struct kb_segment *seg, const struct kb_place *pl, bool *rebuild);

/* A new reference to the open N.log. */
int kb_segment_file(struct kb_segment *seg, const struct kb_place *pl,
    int64_t now_ns, struct kc_fileref **ref);
/* The indexes are open when it returns. */
int kb_segment_indexes(
    struct kb_segment *seg, const struct kb_place *pl, int64_t now_ns);
/* Close descriptors; nobody else may be using the segment. */
void kb_segment_close_fds(struct kb_segment *seg);

/*
 * The segment gets no more appends, part one: the last time index entry.
 * The descriptors must be open.  @locks the log's, both
 */
int kb_segment_last_entry(struct kb_segment *seg);
/* Part two: its files are cut to their real size. */
int kb_segment_trim(
    struct kb_segment *seg, const struct kb_place *pl, int64_t now_ns);
/* There is a transaction index and it is open. */
int kb_segment_need_txn_index(
    struct kb_segment *seg, const struct kb_place *pl);
/* fsync of what there is; the first error. */
int kb_segment_sync(
    struct kb_segment *seg, const struct kb_place *pl, int64_t now_ns);

/* Rename all files from one state to another; missing ones are fine. */
int kb_segment_rename(const struct kb_place *pl, int64_t base,
    enum kb_file_state from, enum kb_file_state to);
int kb_segment_unlink(
    const struct kb_place *pl, int64_t base, enum kb_file_state state);

/* What a lookup may see: taken under the lock, used without. */
struct kb_segment_view {
	int64_t size;
	int32_t nindex;
	int32_t ntime;
	int32_t ntxn;
};

void kb_segment_view(const struct kb_segment *seg, struct kb_segment_view *v);

struct kb_found {
	int64_t pos; /* where the batch starts */
	int64_t size; /* its bytes */
	int64_t base_offset;
	int64_t last_offset;
	int64_t max_ts;
};

/*
 * First batch at or after position from (a batch's start, or -1 to ask the
 * index) whose last offset is >= offset.  KC_ENOENT: none below v->size.
 * The descriptors must be open.
 */
int kb_segment_find(struct kb_segment *seg, const struct kb_segment_view *v,
    int64_t offset, int64_t from, struct kb_found *out);
/*
 * The largest batch boundary <= limit at or after the boundary from; *end is
 * the offset of the batch that starts there.
 */
int kb_segment_boundary(struct kb_segment *seg, const struct kb_segment_view *v,
    int64_t from, int64_t limit, int64_t *pos, int64_t *end);

#endif
