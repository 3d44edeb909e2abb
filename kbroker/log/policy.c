#include "kbroker/log/policy.h"

#include "kbroker/log/index.h"
#include "kbroker/log/segment.h"
#include "kbroker/log/time_index.h"

static bool
waited_too_long(const struct kb_roll *r)
{
	int64_t limit = r->cfg->segment_ms;
	int64_t waited;

	if (r->cfg->compact)
		limit = KC_MIN(limit, r->cfg->max_compaction_lag_ms);
	/* Age by the records' own clock, which may lag or run ahead. */
	if (r->first_ts >= 0)
		waited = r->max_ts - r->first_ts;
	else
		waited = r->now_ms - r->created_ms;
	return r->size > 0 && waited > limit - r->jitter_ms;
}

/* An empty segment cannot be made better by a roll. */
static bool
index_full(const struct kb_roll *r)
{
	int32_t bytes = r->cfg->segment_index_bytes;

	return r->size > 0 &&
	    (r->nindex >= bytes / KB_INDEX_ENTRY ||
		/* The last place is kept for the entry of the roll. */
		r->ntime >= bytes / KB_TIME_INDEX_ENTRY - 1);
}

bool
kb_policy_roll(const struct kb_roll *r)
{
	if (r->last_offset - r->base > INT32_MAX)
		return true;
	if (r->size == 0)
		return false;
	return r->size + r->len > r->cfg->segment_bytes ||
	    r->size + r->len > KB_SEGMENT_SIZE_MAX || waited_too_long(r) ||
	    index_full(r);
}

static bool
may_go(const struct kb_retain *r, enum kb_retain_why why,
    const struct kb_retain_seg *seg, int64_t upper, int64_t *over)
{
	switch (why) {
	case KB_RETAIN_START:
		return upper <= r->start;
	case KB_RETAIN_SIZE:
		if (*over - seg->size < 0)
			return false;
		*over -= seg->size;
		return true;
	case KB_RETAIN_TIME:
		return r->now_ms - seg->largest_ts > r->cfg->retention_ms;
	}
	return false;
}

int
kb_policy_retain(const struct kb_retain *r, enum kb_retain_why why)
{
	int64_t over = -r->cfg->retention_bytes;
	int64_t upper;
	bool active;
	int i;

	if (why == KB_RETAIN_SIZE &&
	    (!r->cfg->del || r->cfg->retention_bytes < 0))
		return 0;
	if (why == KB_RETAIN_TIME && (!r->cfg->del || r->cfg->retention_ms < 0))
		return 0;
	for (i = 0; i < r->n; i++)
		over += r->seg[i].size;
	if (why == KB_RETAIN_SIZE && over < 0)
		return 0;
	for (i = 0; i < r->n; i++) {
		active = i == r->n - 1;
		upper = active ? r->end : r->seg[i + 1].base;
		if (active && (r->seg[i].size == 0 || why == KB_RETAIN_START))
			break; /* its upper bound moves: never below start */
		if (r->hw < upper || !may_go(r, why, &r->seg[i], upper, &over))
			break;
	}
	return i;
}
