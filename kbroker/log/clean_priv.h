/*
 * clean_priv -- inside of a compaction, for the files clean*.c.
 */
#ifndef KB_LOG_CLEAN_PRIV_H
#define KB_LOG_CLEAN_PRIV_H

#include "kbroker/log/clean.h"
#include "kbroker/log/clean_rules.h"
#include "kbroker/log/clean_txn.h"
#include "kbroker/log/log_priv.h"
#include "kbroker/log/offset_map.h"
#include "kcommon/record/legacy.h"

#define KB_CLEANER_NAME "kafka.log.LogCleaner" /* logger */

/* clean_io.c */

/* Whole batches of a closed segment, one after the other. */
struct kb_clean_in {
	struct kb_log *log;
	const struct kb_clean_means *means;
	struct kc_fileref *file; /* owned */
	int64_t end; /* bytes of the file */
	int64_t pos; /* of the next batch */
	int64_t next; /* no offset below this may come */
	int64_t limit; /* nor one at or above this */
	uint8_t *buf; /* owned */
	size_t cap;
	int64_t at; /* file position of buf[0] */
	size_t n;
};

/* limit is the base of the segment after seg. */
int kb_clean_in_open(struct kb_clean_in *in, struct kb_log *log,
    const struct kb_clean_means *means, struct kb_segment *seg, int64_t limit);
/*
 * The next batch, whole and with a right checksum; valid until the next
 * call.  KC_ENOENT at the end; KC_ECORRUPT, KC_ECRC; what spent() says.
 */
int kb_clean_in_next(struct kb_clean_in *in, struct kc_batch *b);
void kb_clean_in_close(struct kb_clean_in *in);

/* Records of any magic. */
struct kb_clean_iter {
	bool old;
	struct kc_batch batch;
	union {
		struct kc_iter v2;
		struct kc_legacy_iter old;
	} u;
};

void kb_clean_iter_open(struct kb_clean_iter *it, const struct kc_batch *b,
    struct kc_compress_ctx *ctx);
bool kb_clean_iter_next(struct kb_clean_iter *it, struct kc_record *rec);
int kb_clean_iter_close(struct kb_clean_iter *it);

/* A segment in the making, under .cleaned names. */
struct kb_clean_out {
	struct kb_log *log;
	const struct kb_clean_means *means;
	struct kb_segment *seg; /* owned */
	struct kc_wr w; /* batches that are not in the file yet */
	int64_t flushed; /* bytes of the file */
	int64_t synced; /* of these, on disk */
};

int kb_clean_out_open(struct kb_clean_out *out, struct kb_log *log,
    const struct kb_clean_means *means, int64_t base);
/* The batch that was written to the end of w is complete. */
int kb_clean_out_put(struct kb_clean_out *out, size_t at);
int kb_clean_out_aborted(
    struct kb_clean_out *out, const struct kb_aborted_txn *a);
/* Everything is on disk, with this time of change. */
int kb_clean_out_finish(struct kb_clean_out *out, int64_t mtime_ms);
/* Without kb_clean_swap() it leaves nothing behind. */
void kb_clean_out_close(struct kb_clean_out *out);

/* clean_swap.c */

/*
 * The finished segment takes the place of old[0..n), which are neighbours in
 * the log and referenced by the caller; out->seg is the log's then.  An
 * error of the disk in the middle takes the log dir offline.
 */
int kb_clean_swap(
    struct kb_clean_out *out, struct kb_segment *const *old, int n);

/* clean_batch.c */

/* State of copying that goes from batch to batch. */
struct kb_clean_copy {
	struct kb_log *log;
	struct kb_clean_rules rules;
	const struct kb_offset_map *map;
	struct kb_clean_txn txn;
	struct kc_compress_ctx *ctx;
	uint8_t *keep; /* a bit a record of the batch at hand; owned */
	size_t keep_cap; /* bytes */
	bool changed; /* something was left out or rewritten */
	struct kb_clean_stats *st;
};

void kb_clean_copy_fini(struct kb_clean_copy *c);
/* What stays of b goes to out. */
int kb_clean_batch(struct kb_clean_copy *c, const struct kc_batch *b,
    struct kb_clean_out *out);
/* The kind of a control batch. */
enum kc_control kb_clean_control(const struct kc_batch *b);

#endif
