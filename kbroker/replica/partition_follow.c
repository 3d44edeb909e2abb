/*
 * A follower's log becomes the leader's.
 *
 * Everything is fenced by the leader epoch under the partition's lock, so a
 * fetch that comes late, when the role has changed, changes nothing (LE-5).
 */
#include "kbroker/replica/partition_priv.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/record/batch.h"

#define LOGGER KB_PARTITION_LOGGER

/* @locks p->lock is held */
static bool
follows(const struct kb_partition *p, int32_t leader_epoch)
{
	return !p->stopped && !p->leading && p->leader_epoch == leader_epoch;
}

/*
 * The leader's log start lies within its first batch: an empty log takes the
 * batch as a whole, from its own beginning (KAFKA-6361; Partition's
 * UnexpectedAppendOffsetException).
 */
static int
append_below(struct kb_partition *p, struct kb_append *a)
{
	int64_t end = kb_log_end(p->log);
	struct kc_batch b;
	int rc;

	if (kb_log_start(p->log) != end ||
	    kc_batch_parse(a->p, a->len, &b) != KC_OK || b.base_offset >= end ||
	    kc_batch_last_offset(&b) < end)
		return KC_ERANGE;
	if ((rc = kb_log_truncate_full(p->log, b.base_offset)) != KC_OK)
		return rc;
	return kb_log_append(p->log, a);
}

/*
 * How much of what was fetched is of this leader's time.  A leader that has
 * lost its role may cut its log and copy other records to the same place
 * while the answer is being sent from there; those have a later epoch, and
 * would hide that our histories diverge (KAFKA-18723).
 */
static size_t
of_this_time(const struct kb_partition_copy *c)
{
	struct kc_batch b;
	size_t at = 0;

	while (at < c->len &&
	    kc_batch_parse(c->p + at, c->len - at, &b) == KC_OK) {
		if (b.magic >= 2 && b.leader_epoch > c->leader_epoch)
			return at;
		at += b.size;
	}
	return c->len; /* what cannot be read is the log's to refuse */
}

int
kb_partition_copy(struct kb_partition *p, const struct kb_partition_copy *c)
{
	struct kb_append a = { .p = c->p,
		.len = of_this_time(c),
		.origin = KB_APPEND_REPLICA,
		.append_time = -1 };
	bool moved = false;
	int rc = KC_OK;

	kc_lock_take(&p->lock);
	if (!follows(p, c->leader_epoch) || kb_log_end(p->log) != c->offset)
		rc = KC_EFENCED;
	if (rc == KC_OK && a.len > 0) {
		rc = kb_log_append(p->log, &a);
		if (rc == KC_ERANGE)
			rc = append_below(p, &a);
		moved = a.last_offset >= 0;
	}
	if (rc == KC_OK) {
		if (c->hw >= 0)
			moved |= kb_log_set_hw(p->log, c->hw);
		if (c->start > kb_log_start(p->log) &&
		    c->start <= kb_log_hw(p->log))
			rc = kb_log_raise_start(p->log, c->start);
	}
	if (moved)
		kb_waitlist_wake(&p->waiters);
	kc_lock_drop(&p->lock);
	return rc;
}

/* @locks p->lock is held */
static int
cut(struct kb_partition *p, int64_t offset)
{
	if (offset < kb_log_hw(p->log))
		kc_log(KC_LOG_WARN, LOGGER,
		    "[Partition %s-%d broker=%d] Truncating to offset %lld, "
		    "below the high watermark %lld",
		    p->topic, p->index, p->broker_id, (long long)offset,
		    (long long)kb_log_hw(p->log));
	kb_waitlist_wake(&p->waiters);
	return kb_log_truncate(p->log, offset);
}

int
kb_partition_truncate(
    struct kb_partition *p, int32_t leader_epoch, int64_t offset)
{
	int rc = KC_EFENCED;

	kc_lock_take(&p->lock);
	if (follows(p, leader_epoch))
		rc = cut(p, offset);
	kc_lock_drop(&p->lock);
	return rc;
}

int
kb_partition_restart(
    struct kb_partition *p, int32_t leader_epoch, int64_t offset)
{
	int rc = KC_EFENCED;

	kc_lock_take(&p->lock);
	if (follows(p, leader_epoch)) {
		kb_waitlist_wake(&p->waiters);
		rc = kb_log_truncate_full(p->log, offset);
	}
	kc_lock_drop(&p->lock);
	return rc;
}

int
kb_partition_diverged(
    struct kb_partition *p, int32_t leader_epoch, int32_t epoch, int64_t end)
{
	int64_t own_end = -1, to;
	int32_t own = -1;
	int rc = KC_EFENCED;
	bool done;

	kc_lock_take(&p->lock);
	if (follows(p, leader_epoch)) {
		if (epoch >= 0)
			kb_log_epoch_end(p->log, epoch, &own, &own_end);
		/* Not done: the next fetch finds it out. */
		to = kb_truncate_to(
		    epoch, end, own, own_end, kb_log_end(p->log), &done);
		kc_log(KC_LOG_INFO, LOGGER,
		    "[Partition %s-%d broker=%d] The leader's epoch %d ends "
		    "at %lld: truncating to %lld",
		    p->topic, p->index, p->broker_id, epoch, (long long)end,
		    (long long)to);
		rc = cut(p, to);
	}
	kc_lock_drop(&p->lock);
	return rc;
}
