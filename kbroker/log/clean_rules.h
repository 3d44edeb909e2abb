/*
 * clean_rules -- what compaction keeps of a batch, as pure functions.
 * Kafka: Cleaner.shouldRetainRecord, Cleaner.cleanInto,
 * MemoryRecords.filterTo.
 */
#ifndef KB_LOG_CLEAN_RULES_H
#define KB_LOG_CLEAN_RULES_H

#include "kcommon/record/iter.h"

/* The same for every batch of one segment. */
struct kb_clean_rules {
	int64_t now_ms;
	int64_t latest; /* the offset map knows everything up to here */
	int64_t limit; /* first offset that may not be touched */
	int64_t delete_retention_ms;
	bool keep_old_deletes; /* tombstones of magic 0 and 1 stay */
};

/* Must the key of this record be looked up? */
static inline bool
kb_clean_wants_key(const struct kb_clean_rules *r, const struct kc_record *rec)
{
	return rec->offset <= r->latest && rec->key.len >= 0;
}

/*
 * Does this record of a batch that is not discarded stay?  newest is what
 * the offset map has for its key, -1 nothing.
 */
bool kb_clean_keep_record(const struct kb_clean_rules *r,
    const struct kc_batch *b, const struct kc_record *rec, int64_t newest);

/*
 * May none of the records stay: aborted data, or a marker that nobody needs
 * (gone) and whose horizon has passed.
 */
bool kb_clean_discard(const struct kb_clean_rules *r, const struct kc_batch *b,
    bool aborted, bool gone);

/* What was found in a batch. */
struct kb_clean_sum {
	int64_t records;
	int64_t kept;
	bool tombstone; /* one of those kept has no value */
	bool gone; /* a marker without data */
	bool wrong_magic; /* a record inside is not of the batch's magic */
};

/* What a producer last wrote, as the log knows it. */
struct kb_clean_last {
	bool active;
	int64_t data_offset; /* last of its last batch; -1: only markers */
	int16_t epoch;
};

enum kb_clean_fate {
	KB_CLEAN_DROP,
	KB_CLEAN_COPY, /* as it is */
	KB_CLEAN_REWRITE, /* only the records that stay */
	KB_CLEAN_EMPTY, /* a header without records */
};

/*
 * *horizon is what the batch's delete horizon must be after a rewrite, -1
 * none.  last is looked at only when nothing was kept.
 */
enum kb_clean_fate kb_clean_fate(const struct kb_clean_rules *r,
    const struct kc_batch *b, const struct kb_clean_sum *sum,
    const struct kb_clean_last *last, int64_t *horizon);

#endif
