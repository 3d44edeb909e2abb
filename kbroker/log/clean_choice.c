#include "kbroker/log/clean_choice.h"

#include "kcommon/base/assert.h"

/* now - lag, where either may be anything. */
static int64_t
before(int64_t now, int64_t lag)
{
	return now < INT64_MIN + lag ? INT64_MIN : now - lag;
}

static int64_t
active_base(const struct kb_clean_ask *ask)
{
	return ask->seg[ask->n - 1].base;
}

/* The last segment that begins at or below offset; 0 when all are above. */
static int
segment_at(const struct kb_clean_ask *ask, int64_t offset)
{
	int i = ask->n - 1;

	while (i > 0 && ask->seg[i].base > offset)
		i--;
	return i;
}

/* The base of the first dirty segment with a record that is too young. */
static int64_t
young_from(const struct kb_clean_ask *ask, int64_t dirty)
{
	int64_t lag = KC_MAX(ask->cfg->min_compaction_lag_ms, 0);
	int i;

	if (lag == 0)
		return INT64_MAX;
	for (i = segment_at(ask, dirty); i < ask->n - 1; i++)
		if (ask->seg[i].largest_ts > before(ask->now_ms, lag))
			return ask->seg[i].base;
	return INT64_MAX;
}

static bool
overdue(const struct kb_clean_ask *ask, int64_t dirty)
{
	int64_t lag = KC_MAX(ask->cfg->max_compaction_lag_ms, 0);
	int i;

	for (i = segment_at(ask, dirty); i < ask->n - 1; i++)
		if (ask->seg[i].first_ts > 0 &&
		    ask->seg[i].first_ts < before(ask->now_ms, lag))
			return true;
	return false;
}

void
kb_clean_range(const struct kb_clean_ask *ask, struct kb_clean_range *r)
{
	int64_t bytes;
	int i, from, to;

	KC_ASSERT(ask->n >= 1);
	*r = (struct kb_clean_range){ .dirty = ask->cleaned };
	if (ask->cleaned < ask->start || ask->cleaned > ask->end) {
		r->dirty = ask->start;
		/* The log start moves on in a log that is also deleted. */
		r->reset = ask->cleaned >= 0 &&
		    (ask->cleaned > ask->end || !ask->cfg->del);
	}
	r->limit = KC_MIN(ask->lso, active_base(ask));
	r->limit = KC_MIN(r->limit, young_from(ask, r->dirty));
	r->limit = KC_MAX(r->limit, r->dirty);
	/* Whole segments: the one with the first forbidden offset stays. */
	to = segment_at(ask, r->limit);
	r->limit = ask->seg[to].base;
	from = segment_at(ask, KC_MIN(r->dirty, r->limit));
	for (i = 0; i < ask->n; i++) {
		bytes = ask->seg[i].size;
		if (ask->seg[i].base < r->dirty)
			r->clean_bytes += bytes;
		if (i >= from && i < to)
			r->dirty_bytes += bytes;
	}
	if (r->dirty_bytes > 0)
		r->ratio = (double)r->dirty_bytes /
		    ((double)r->clean_bytes + (double)r->dirty_bytes);
	r->overdue = overdue(ask, r->dirty);
	r->worth = r->dirty_bytes > 0 &&
	    (r->overdue || r->ratio > ask->cfg->min_cleanable_ratio);
}

int
kb_clean_group(const struct kb_log_config *cfg, const struct kb_clean_seg *seg,
    int n, int64_t next)
{
	int64_t bytes = seg[0].size;
	int64_t index = seg[0].index_bytes;
	int64_t time_index = seg[0].time_index_bytes;
	int64_t after;
	int i;

	for (i = 1; i < n; i++) {
		bytes += seg[i].size;
		index += seg[i].index_bytes;
		time_index += seg[i].time_index_bytes;
		after = i + 1 < n ? seg[i + 1].base : next;
		if (bytes > cfg->segment_bytes ||
		    index > cfg->segment_index_bytes ||
		    time_index > cfg->segment_index_bytes)
			break;
		/* An empty one has no offsets, wherever it is. */
		if (seg[i].size > 0 && after - 1 - seg[0].base > INT32_MAX)
			break;
	}
	return i;
}
