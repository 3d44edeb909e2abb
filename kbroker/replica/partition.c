#include "kbroker/replica/partition.h"

#include "kbroker/locks.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"

#include <stdlib.h>
#include <string.h>

#define LOGGER "kafka.cluster.Partition"

int
kb_partition_new(struct kb_partition **pp, const char *topic, int32_t index,
    int32_t broker_id, struct kb_log *log, struct kb_topic_config *tc)
{
	struct kb_partition *p;

	KC_ASSERT(pp != NULL && *pp == NULL);
	p = kc_new(struct kb_partition, KB_PARTITION_MAGIC);
	if (p == NULL || (p->topic = strdup(topic)) == NULL) {
		free(p);
		return KC_ENOMEM;
	}
	kc_ref_init(&p->ref);
	kc_lock_init(&p->lock, LK_PARTITION, "partition");
	p->index = index;
	p->broker_id = broker_id;
	p->log = log;
	p->tc = tc;
	p->leader = -1;
	p->leader_epoch = -1;
	p->partition_epoch = -1;
	p->controller_epoch = -1;
	*pp = p;
	return KC_OK;
}

struct kb_partition *
kb_partition_get(struct kb_partition *p)
{
	KC_CHECK(p, KB_PARTITION_MAGIC);
	kc_ref_get(&p->ref);
	return p;
}

void
kb_partition_put(struct kb_partition **pp)
{
	struct kb_partition *p = *pp;

	*pp = NULL;
	if (p == NULL || !kc_ref_put(&p->ref))
		return;
	KC_ASSERT(p->waiters.head == NULL);
	kb_log_put(&p->log);
	kb_topic_config_put(&p->tc);
	kc_lock_fini(&p->lock);
	free(p->isr);
	free(p->replicas);
	free(p->topic);
	kc_delete(p);
}

/* The code for an error of the log that is no verdict. */
static int16_t
log_code(int rc)
{
	switch (rc) {
	case KC_OK:
		return KP_NONE;
	case KC_ERANGE:
		return KP_OFFSET_OUT_OF_RANGE;
	case KC_EOFFLINE:
	case KC_EIO:
	case KC_ENOSPC:
	case KC_ECORRUPT:
		return KP_KAFKA_STORAGE_ERROR;
	case KC_EMALFORMED:
	case KC_ECRC:
		return KP_CORRUPT_MESSAGE;
	default:
		return KP_UNKNOWN_SERVER_ERROR;
	}
}

static int16_t
verdict_code(enum kb_verdict v)
{
	switch (v) {
	case KB_VERDICT_OK:
	case KB_VERDICT_DUPLICATE:
		return KP_NONE;
	case KB_VERDICT_TOO_LARGE:
		return KP_RECORD_LIST_TOO_LARGE;
	case KB_VERDICT_SEQUENCE:
		return KP_OUT_OF_ORDER_SEQUENCE_NUMBER;
	case KB_VERDICT_EPOCH:
		return KP_INVALID_PRODUCER_EPOCH;
	case KB_VERDICT_TXN_STATE:
		return KP_INVALID_TXN_STATE;
	case KB_VERDICT_COORDINATOR:
		return KP_TRANSACTION_COORDINATOR_FENCED;
	}
	return KP_UNKNOWN_SERVER_ERROR;
}

/* @locks p->lock is held */
static int16_t
check_leader(const struct kb_partition *p, int32_t asked_epoch)
{
	if (p->stopped) /* first: a deleted log is offline too */
		return KP_NOT_LEADER_OR_FOLLOWER;
	if (kb_log_offline(p->log))
		return KP_KAFKA_STORAGE_ERROR;
	if (asked_epoch >= 0) {
		if (asked_epoch < p->leader_epoch)
			return KP_FENCED_LEADER_EPOCH;
		if (asked_epoch > p->leader_epoch)
			return KP_UNKNOWN_LEADER_EPOCH;
	}
	return p->leading ? KP_NONE : KP_NOT_LEADER_OR_FOLLOWER;
}

/* Why the log failed, once the lock is free; a deleted one was not ours. */
static int16_t
failed(struct kb_partition *p, int rc)
{
	int16_t code = log_code(rc);

	if (code != KP_KAFKA_STORAGE_ERROR)
		return code;
	kc_lock_take(&p->lock);
	if (p->stopped)
		code = KP_NOT_LEADER_OR_FOLLOWER;
	kc_lock_drop(&p->lock);
	return code;
}

int16_t
kb_partition_rules(struct kb_partition *p, struct kb_partition_rules *rules)
{
	const struct kb_topic_config *tc;
	int16_t code;

	kc_lock_take(&p->lock);
	code = check_leader(p, -1);
	tc = p->tc;
	*rules = (struct kb_partition_rules){
		.max_message_bytes = tc->max_message_bytes,
		.segment_bytes = tc->segment_bytes,
		.compact = tc->cleanup_compact,
		.log_append_time = tc->log_append_time,
		.timestamp_before_max_ms = tc->timestamp_before_max_ms,
		.timestamp_after_max_ms = tc->timestamp_after_max_ms,
		.compression = tc->compression,
		.compression_level = tc->compression_level,
		.downconversion = tc->message_downconversion_enable,
		.leader_epoch = p->leader_epoch,
	};
	kc_lock_drop(&p->lock);
	return code;
}

/*
 * min.insync.replicas, no more than there are replicas: a topic with one
 * replica takes acks=all whatever the setting (Kafka's effectiveMinIsr, 3.9).
 */
static int32_t
min_isr(const struct kb_partition *p)
{
	return KC_MIN(p->tc->min_insync_replicas, KC_MAX(p->nreplicas, 1));
}

/*
 * The smallest log end over the ISR.  Ours is the only one known here, so a
 * larger ISR keeps the high watermark where it is.
 * @locks p->lock is held
 */
static void
advance_hw(struct kb_partition *p)
{
	if (!p->leading || p->nisr < min_isr(p))
		return;
	if (p->nisr == 1 && p->isr[0] == p->broker_id)
		kb_log_set_hw(p->log, kb_log_end(p->log));
}

int16_t
kb_partition_append(struct kb_partition *p, struct kb_append *a, int16_t acks,
    int64_t *required)
{
	int16_t code;

	a->first_offset = a->last_offset = -1;
	kc_lock_take(&p->lock);
	code = check_leader(p, -1);
	if (code == KP_NONE && acks == -1 && p->nisr < min_isr(p))
		code = KP_NOT_ENOUGH_REPLICAS;
	if (code == KP_NONE) {
		a->leader_epoch = p->leader_epoch;
		code = log_code(kb_log_append(p->log, a));
		if (code == KP_NONE)
			code = verdict_code(a->verdict);
	}
	if (code == KP_NONE) {
		*required = a->last_offset + 1;
		if (a->verdict == KB_VERDICT_OK) {
			advance_hw(p);
			kb_waitlist_wake(&p->waiters);
		}
	}
	kc_lock_drop(&p->lock);
	return code;
}

int16_t
kb_partition_ack(struct kb_partition *p, int64_t required, int32_t leader_epoch)
{
	int16_t code;

	kc_lock_take(&p->lock);
	code = check_leader(p, -1);
	if (code == KP_NONE && leader_epoch < p->led_since)
		code = KP_NOT_LEADER_OR_FOLLOWER;
	if (code == KP_NONE && kb_log_hw(p->log) < required)
		code = KB_PARTITION_PENDING;
	else if (code == KP_NONE && p->nisr < min_isr(p))
		code = KP_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
	kc_lock_drop(&p->lock);
	return code;
}

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

int16_t
kb_partition_read(struct kb_partition *p, struct kb_partition_read *r)
{
	int16_t code;

	memset(&r->slice, 0, sizeof r->slice);
	r->diverging_epoch = -1;
	r->diverging_end = -1;
	kc_lock_take(&p->lock);
	code = check_leader(p, r->leader_epoch);
	if (code == KP_NONE)
		code = check_replica(p, r);
	r->current_leader = p->leader;
	r->current_epoch = p->leader_epoch;
	kc_lock_drop(&p->lock);
	if (code != KP_NONE)
		return code;
	if (r->last_fetched_epoch >= 0) {
		int32_t found;
		int64_t end;

		kb_log_epoch_end(p->log, r->last_fetched_epoch, &found, &end);
		if (found < 0 || r->rd.offset < kb_log_start(p->log))
			return KP_OFFSET_OUT_OF_RANGE;
		if (found < r->last_fetched_epoch || end < r->rd.offset) {
			r->diverging_epoch = found;
			r->diverging_end = end;
			r->slice.start = kb_log_start(p->log);
			r->slice.hw = kb_log_hw(p->log);
			r->slice.lso = kb_log_lso(p->log);
			return KP_NONE;
		}
	}
	return failed(p, kb_log_read(p->log, &r->rd, &r->slice));
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
	code = check_leader(p, l->leader_epoch);
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
		return failed(p, rc);
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
	code = check_leader(p, -1);
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
	code = check_leader(p, -1);
	kc_lock_drop(&p->lock);
	return code;
}

int16_t
kb_partition_delete_records(struct kb_partition *p, int64_t *offset)
{
	int16_t code;

	kc_lock_take(&p->lock);
	code = check_leader(p, -1);
	if (code == KP_NONE && *offset == -1)
		*offset = kb_log_hw(p->log);
	if (code == KP_NONE && *offset < 0)
		code = KP_OFFSET_OUT_OF_RANGE;
	if (code == KP_NONE && !p->tc->cleanup_delete)
		code = KP_POLICY_VIOLATION;
	if (code == KP_NONE)
		code = log_code(kb_log_raise_start(p->log, *offset));
	if (code == KP_NONE)
		kb_waitlist_wake(&p->waiters);
	kc_lock_drop(&p->lock);
	return code;
}

int16_t
kb_partition_low_watermark(struct kb_partition *p, int64_t *low)
{
	int16_t code;

	kc_lock_take(&p->lock);
	code = check_leader(p, -1);
	*low = p->nreplicas == 1 ? kb_log_start(p->log) : -1;
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
	code = check_leader(p, leader_epoch);
	kc_lock_drop(&p->lock);
	if (code == KP_NONE)
		kb_log_epoch_end(p->log, epoch, found, end);
	return code;
}

static int32_t *
copy_ids(const int32_t *v, int32_t n)
{
	int32_t *copy = malloc((size_t)KC_MAX(n, 1) * sizeof *copy);

	if (copy != NULL && n > 0)
		memcpy(copy, v, (size_t)n * sizeof *copy);
	return copy;
}

/* All of it or, out of memory, nothing.  @locks p->lock is held */
static int
set_state(struct kb_partition *p, const struct kb_leader_state *st)
{
	int32_t *isr = copy_ids(st->isr, st->nisr);
	int32_t *replicas = copy_ids(st->replicas, st->nreplicas);

	if (isr == NULL || replicas == NULL) {
		free(isr);
		free(replicas);
		return KC_ENOMEM;
	}
	free(p->isr);
	free(p->replicas);
	p->isr = isr;
	p->nisr = st->nisr;
	p->replicas = replicas;
	p->nreplicas = st->nreplicas;
	p->leader = st->leader;
	p->leader_epoch = st->leader_epoch;
	p->partition_epoch = st->partition_epoch;
	p->controller_epoch = st->controller_epoch;
	p->stopped = false;
	return KC_OK;
}

int
kb_partition_make_leader(
    struct kb_partition *p, const struct kb_leader_state *st)
{
	int rc = KC_OK;

	kc_lock_take(&p->lock);
	if (st->partition_epoch < p->partition_epoch) { /* PE-3 */
		kc_lock_drop(&p->lock);
		return KC_OK;
	}
	if (!p->leading || st->leader_epoch > p->leader_epoch) {
		p->epoch_start = kb_log_end(p->log);
		rc = kb_log_assign_epoch(
		    p->log, st->leader_epoch, p->epoch_start);
	}
	if (rc == KC_OK)
		rc = set_state(p, st);
	if (rc == KC_OK) {
		if (!p->leading)
			p->led_since = p->leader_epoch;
		p->leading = true;
		advance_hw(p);
		kc_log(KC_LOG_INFO, LOGGER,
		    "[Partition %s-%d broker=%d] %s-%d starts at leader epoch "
		    "%d from offset %lld with high watermark %lld",
		    p->topic, p->index, p->broker_id, p->topic, p->index,
		    p->leader_epoch, (long long)p->epoch_start,
		    (long long)kb_log_hw(p->log));
	}
	kb_waitlist_wake(&p->waiters);
	kc_lock_drop(&p->lock);
	return rc;
}

int
kb_partition_make_follower(
    struct kb_partition *p, const struct kb_leader_state *st)
{
	int rc = KC_OK;

	kc_lock_take(&p->lock);
	if (st->partition_epoch >= p->partition_epoch) {
		rc = set_state(p, st);
		p->leading = false;
		p->epoch_start = 0;
	}
	kb_waitlist_wake(&p->waiters);
	kc_lock_drop(&p->lock);
	return rc;
}

void
kb_partition_stop(struct kb_partition *p)
{
	kc_lock_take(&p->lock);
	p->leading = false;
	p->stopped = true;
	kb_waitlist_wake(&p->waiters);
	kc_lock_drop(&p->lock);
}

void
kb_partition_set_config(struct kb_partition *p, struct kb_topic_config *tc)
{
	struct kb_topic_config *old;
	struct kb_log_config lc;

	kb_log_config_topic(&lc, tc);
	kc_lock_take(&p->lock);
	old = p->tc;
	p->tc = tc;
	kc_lock_drop(&p->lock);
	kb_log_set_config(p->log, &lc);
	kb_topic_config_put(&old);
}
