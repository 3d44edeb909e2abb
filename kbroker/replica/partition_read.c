/*
 * Reading a partition: Fetch, ListOffsets, OffsetForLeaderEpoch.
 */
#include "kbroker/replica/partition_priv.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

#include <string.h>

/*
 * Only a replica of the partition is shown what is not committed (Kafka's
 * followerReplicaOrThrow).  @locks p->lock is held
 */
static int16_t
check_replica(const struct kb_partition *p, const struct kb_partition_read *r)
{
	if (r->replica_id < 0)
		return KP_NONE;
	if (r->replica_id != p->broker_id)
		for (int32_t i = 0; i < p->nreplicas; i++)
			if (p->replicas[i] == r->replica_id)
				return KP_NONE;
	return r->leader_epoch >= 0 ? KP_UNKNOWN_LEADER_EPOCH :
				      KP_NOT_LEADER_OR_FOLLOWER;
}

/* Where the fetcher's history leaves ours.  True: that is the answer. */
static bool
diverges(struct kb_partition *p, struct kb_partition_read *r, int16_t *code)
{
	int32_t found;
	int64_t end;

	if (r->last_fetched_epoch < 0)
		return false;
	kb_log_epoch_end(p->log, r->last_fetched_epoch, &found, &end);
	if (found < 0 || r->rd.offset < kb_log_start(p->log)) {
		*code = KP_OFFSET_OUT_OF_RANGE;
		return true;
	}
	if (found >= r->last_fetched_epoch && end >= r->rd.offset)
		return false;
	r->diverging_epoch = found;
	r->diverging_end = end;
	r->slice.start = kb_log_start(p->log);
	r->slice.hw = kb_log_hw(p->log);
	r->slice.lso = kb_log_lso(p->log);
	return true;
}

int16_t
kb_partition_read(struct kb_partition *p, struct kb_partition_read *r)
{
	int16_t code;

	memset(&r->slice, 0, sizeof r->slice);
	r->diverging_epoch = -1;
	r->diverging_end = -1;
	kc_lock_take(&p->lock);
	code = kb_partition_check(p, r->leader_epoch);
	if (code == KP_NOT_LEADER_OR_FOLLOWER && r->any_copy && !p->stopped)
		code = KP_NONE; /* its own high watermark is the bound */
	if (code == KP_NONE)
		code = check_replica(p, r);
	r->current_leader = p->leader;
	r->current_epoch = p->leader_epoch;
	kc_lock_drop(&p->lock);
	if (code != KP_NONE || diverges(p, r, &code))
		return code;
	code = kb_partition_failed(p, kb_log_read(p->log, &r->rd, &r->slice));
	if (code == KP_NONE && r->note && r->replica_id >= 0)
		kb_partition_fetched(p, r);
	return code;
}

/* Latest, earliest and their kin; false when timestamp is a time. */
static bool
list_special(
    struct kb_partition *p, struct kb_partition_list *l, int64_t last_fetchable)
{
	l->at = (struct kb_log_at){ -1, -1, -1 };
	switch (l->timestamp) {
	case KB_LIST_LATEST:
		l->at.offset = last_fetchable;
		l->at.leader_epoch = p->leader_epoch;
		return true;
	case KB_LIST_EARLIEST:
	case KB_LIST_EARLIEST_LOCAL:
		l->at.offset = kb_log_start(p->log);
		l->at.leader_epoch = kb_log_epoch_at(p->log, l->at.offset);
		return true;
	case KB_LIST_LATEST_TIERED: /* nothing is tiered: no such offset */
		return true;
	}
	return false;
}

int16_t
kb_partition_list(struct kb_partition *p, struct kb_partition_list *l)
{
	struct kb_log_bounds b;
	int64_t last, epoch_start;
	int16_t code;
	bool special = false;
	int rc;

	kc_lock_take(&p->lock);
	code = kb_partition_check(p, l->leader_epoch);
	kb_log_bounds(p->log, &b);
	epoch_start = p->epoch_start;
	last = l->isolation == KB_READ_LSO ? b.lso :
	    l->isolation == KB_READ_HW	   ? b.hw :
					     b.end;
	if (code == KP_NONE)
		special = list_special(p, l, last);
	kc_lock_drop(&p->lock);
	if (code != KP_NONE)
		return code;
	/* KIP-207: until the HW has passed where our term began. */
	if (special)
		return l->timestamp == KB_LIST_LATEST && l->consumer &&
			epoch_start > b.hw ?
		    KP_OFFSET_NOT_AVAILABLE :
		    KP_NONE;
	if (l->timestamp == KB_LIST_MAX_TIMESTAMP)
		rc = kb_log_find_max_timestamp(p->log, &l->at);
	else
		rc = kb_log_find_timestamp(p->log, l->timestamp, &l->at);
	if (rc != KC_OK)
		return kb_partition_failed(p, rc);
	if (l->at.offset >= last)
		l->at = (struct kb_log_at){ -1, -1, -1 };
	if (l->at.offset < 0 && l->consumer && epoch_start > b.hw)
		return KP_OFFSET_NOT_AVAILABLE;
	return KP_NONE;
}

int16_t
kb_partition_list_v0(struct kb_partition *p, int64_t timestamp, int32_t max,
    bool consumer, int64_t *offsets, int32_t *n)
{
	int32_t got, kept = 0;
	int64_t hw;
	int16_t code;

	kc_lock_take(&p->lock);
	code = kb_partition_check(p, -1);
	kc_lock_drop(&p->lock);
	if (code != KP_NONE)
		return code;
	hw = kb_log_hw(p->log);
	got = kb_log_offsets_before(p->log, timestamp, max, offsets);
	/* A consumer sees the high watermark in place of what is above it. */
	for (int32_t i = 0; i < got; i++) {
		if (consumer && offsets[i] > hw) {
			if (kept > 0)
				continue;
			offsets[kept++] = hw;
		} else if (kept == 0 || offsets[i] != offsets[kept - 1]) {
			offsets[kept++] = offsets[i];
		}
	}
	*n = kept;
	return KP_NONE;
}

int16_t
kb_partition_leads(struct kb_partition *p)
{
	int16_t code;

	kc_lock_take(&p->lock);
	code = kb_partition_check(p, -1);
	kc_lock_drop(&p->lock);
	return code;
}

int16_t
kb_partition_delete_records(struct kb_partition *p, int64_t *offset)
{
	int16_t code;

	kc_lock_take(&p->lock);
	code = kb_partition_check(p, -1);
	if (code == KP_NONE && *offset == -1)
		*offset = kb_log_hw(p->log);
	if (code == KP_NONE && *offset < 0)
		code = KP_OFFSET_OUT_OF_RANGE;
	if (code == KP_NONE && !p->tc->cleanup_delete)
		code = KP_POLICY_VIOLATION;
	if (code == KP_NONE)
		code =
		    kb_partition_log_code(kb_log_raise_start(p->log, *offset));
	if (code == KP_NONE)
		kb_waitlist_wake(&p->waiters);
	kc_lock_drop(&p->lock);
	return code;
}

int16_t
kb_partition_epoch_end(struct kb_partition *p, int32_t leader_epoch,
    int32_t epoch, int32_t *found, int64_t *end)
{
	int16_t code;

	*found = -1;
	*end = -1;
	kc_lock_take(&p->lock);
	code = kb_partition_check(p, leader_epoch);
	kc_lock_drop(&p->lock);
	if (code == KP_NONE)
		kb_log_epoch_end(p->log, epoch, found, end);
	return code;
}
