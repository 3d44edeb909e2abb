#include "kbroker/log/clean_rules.h"

/* A tombstone has had its time, or begins it with this compaction. */
static bool
keep_tombstone(const struct kb_clean_rules *r, const struct kc_batch *b)
{
	int64_t horizon = kc_batch_delete_horizon(b);

	if (b->magic < 2)
		return r->keep_old_deletes;
	return horizon == KC_NO_TIMESTAMP || r->now_ms < horizon;
}

bool
kb_clean_keep_record(const struct kb_clean_rules *r, const struct kc_batch *b,
    const struct kc_record *rec, int64_t newest)
{
	if (kc_batch_control(b) || rec->offset > r->latest)
		return true;
	if (rec->key.len < 0)
		return false;
	if (rec->offset < newest)
		return false;
	return rec->value.len >= 0 || keep_tombstone(r, b);
}

bool
kb_clean_discard(const struct kb_clean_rules *r, const struct kc_batch *b,
    bool aborted, bool gone)
{
	int64_t horizon = kc_batch_delete_horizon(b);

	if (!kc_batch_control(b))
		return aborted;
	return gone && horizon != KC_NO_TIMESTAMP && horizon <= r->now_ms;
}

/*
 * Without it the log would not know any more what a producer that is still
 * there wrote last, or where the compacted part ended.
 */
static bool
needs_header(const struct kb_clean_rules *r, const struct kc_batch *b,
    const struct kb_clean_last *last)
{
	int64_t offset = kc_batch_last_offset(b);

	if (b->magic < 2)
		return false;
	if (offset + 1 == r->limit)
		return true;
	if (!kc_batch_has_producer(b) || !last->active)
		return false;
	if (last->data_offset >= 0)
		return offset == last->data_offset;
	return kc_batch_control(b) && b->producer_epoch == last->epoch;
}

enum kb_clean_fate
kb_clean_fate(const struct kb_clean_rules *r, const struct kc_batch *b,
    const struct kb_clean_sum *sum, const struct kb_clean_last *last,
    int64_t *horizon)
{
	*horizon = kc_batch_delete_horizon(b);
	if (sum->kept == 0) {
		if (!needs_header(r, b, last))
			return KB_CLEAN_DROP;
		return sum->records == 0 ? KB_CLEAN_COPY : KB_CLEAN_EMPTY;
	}
	/* The first time that a compaction sees it, the clock starts. */
	if (b->magic == 2 && *horizon == KC_NO_TIMESTAMP &&
	    (sum->tombstone || sum->gone)) {
		*horizon = r->delete_retention_ms > INT64_MAX - r->now_ms ?
		    INT64_MAX :
		    r->now_ms + r->delete_retention_ms;
		return KB_CLEAN_REWRITE;
	}
	return sum->kept == sum->records && !sum->wrong_magic ?
	    KB_CLEAN_COPY :
	    KB_CLEAN_REWRITE;
}
