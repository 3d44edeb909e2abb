/*
 * clean_choice -- which log to compact, how far, and which segments become
 * one, as pure functions.  Kafka: LogCleanerManager.cleanableOffsets,
 * calculateCleanableBytes, maxCompactionDelay, Cleaner.groupSegmentsBySize.
 */
#ifndef KB_LOG_CLEAN_CHOICE_H
#define KB_LOG_CLEAN_CHOICE_H

#include "kbroker/log/log.h"

struct kb_clean_seg {
	int64_t base;
	int64_t size;
	int64_t largest_ts; /* of its records, else when its file changed */
	int64_t first_ts; /* of the first batch; <= 0 unknown */
	int64_t index_bytes;
	int64_t time_index_bytes;
};

struct kb_clean_ask {
	const struct kb_log_config *cfg;
	const struct kb_clean_seg *seg; /* in order; the last is active */
	int n; /* >= 1 */
	int64_t start;
	int64_t end;
	int64_t lso;
	int64_t cleaned; /* all below was compacted once; -1 nothing known */
	int64_t now_ms;
};

struct kb_clean_range {
	int64_t dirty; /* first offset that was never compacted */
	int64_t limit; /* nothing at or above it may be touched */
	int64_t clean_bytes; /* of segments that begin below dirty */
	int64_t dirty_bytes; /* of segments from dirty to limit */
	double ratio; /* dirty part of both */
	bool reset; /* "cleaned" could not be true: begin at the start */
	bool overdue; /* max.compaction.lag.ms has passed */
	bool worth; /* it is time to compact */
};

void kb_clean_range(const struct kb_clean_ask *ask, struct kb_clean_range *r);

/*
 * How many of seg[0..n) (at least one) are copied into one segment: together
 * no larger than segment.bytes and segment.index.bytes allow, and every
 * offset within reach of the first one's base.  next is the base of the
 * segment after the n-th.
 */
int kb_clean_group(const struct kb_log_config *cfg,
    const struct kb_clean_seg *seg, int n, int64_t next);

#endif
