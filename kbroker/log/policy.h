/*
 * policy -- when a log rolls and what it may delete, as pure functions.
 * Kafka: LogSegment.shouldRoll, UnifiedLog.deletableSegments.
 */
#ifndef KB_LOG_POLICY_H
#define KB_LOG_POLICY_H

#include "kbroker/log/log.h"

struct kb_roll {
	const struct kb_log_config *cfg;
	/* The active segment. */
	int64_t base;
	int64_t size;
	int64_t first_ts; /* -1 unknown */
	int64_t created_ms;
	int64_t jitter_ms;
	int32_t nindex;
	int32_t ntime;
	/* The append. */
	int64_t len;
	int64_t max_ts;
	int64_t last_offset;
	int64_t now_ms;
};

/* Must the append go into a new segment? */
bool kb_policy_roll(const struct kb_roll *r);

struct kb_retain_seg {
	int64_t base;
	int64_t size;
	int64_t largest_ts; /* of its records, else when its file changed */
};

struct kb_retain {
	const struct kb_log_config *cfg;
	const struct kb_retain_seg *seg; /* in order; the last is active */
	int n;
	int64_t start;
	int64_t hw;
	int64_t end;
	int64_t now_ms;
};

enum kb_retain_why {
	KB_RETAIN_START, /* below the log start */
	KB_RETAIN_SIZE, /* retention.bytes */
	KB_RETAIN_TIME, /* retention.ms */
};
#define KB_RETAIN_WHYS 3

/*
 * How many segments may go from the front, for one reason; never an empty
 * active one, and only what lies below the high watermark.
 */
int kb_policy_retain(const struct kb_retain *r, enum kb_retain_why why);

#endif
