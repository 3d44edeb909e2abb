#include "kbroker/replica/partition.h"

#include "kbroker/locks.h"
#include "kbroker/replica/partition_priv.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGGER KB_PARTITION_LOGGER

int
kb_partition_new(struct kb_partition **pp, const struct kb_partition_env *env,
    const char *topic, int32_t index, struct kb_log *log,
    struct kb_topic_config *tc)
{
	struct kb_partition *p;

	KC_ASSERT(pp != NULL && *pp == NULL);
	p = kc_new(struct kb_partition, KB_PARTITION_MAGIC);
	if (p == NULL)
		return KC_ENOMEM;
	if ((p->topic = strdup(topic)) == NULL ||
	    asprintf(&p->label, "%s-%d", topic, index) == -1) {
		free(p->topic);
		free(p);
		return KC_ENOMEM;
	}
	p->topic_len = (int32_t)strlen(topic);
	kc_ref_init(&p->ref);
	kc_lock_init(&p->lock, LK_PARTITION, "partition");
	p->env = env;
	p->index = index;
	p->broker_id = env->broker_id;
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
	kb_isr_fini(&p->isr);
	free(p->replicas);
	free(p->remotes);
	free(p->topic);
	free(p->label);
	kc_delete(p);
}

int16_t
kb_partition_log_code(int rc)
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

int16_t
kb_partition_check(const struct kb_partition *p, int32_t asked_epoch)
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

int16_t
kb_partition_failed(struct kb_partition *p, int rc)
{
	int16_t code = kb_partition_log_code(rc);

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
	code = kb_partition_check(p, -1);
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

int32_t
kb_partition_min_isr(const struct kb_partition *p)
{
	return KC_MIN(p->tc->min_insync_replicas, KC_MAX(p->nreplicas, 1));
}

int16_t
kb_partition_append(struct kb_partition *p, struct kb_append *a, int16_t acks,
    int64_t *required)
{
	int16_t code;

	a->first_offset = a->last_offset = -1;
	kc_lock_take(&p->lock);
	code = kb_partition_check(p, -1);
	if (code == KP_NONE && acks == -1 && p->isr.n < kb_partition_min_isr(p))
		code = KP_NOT_ENOUGH_REPLICAS;
	if (code == KP_NONE) {
		a->leader_epoch = p->leader_epoch;
		code = kb_partition_log_code(kb_log_append(p->log, a));
		if (code == KP_NONE)
			code = verdict_code(a->verdict);
	}
	if (code == KP_NONE) {
		*required = a->last_offset + 1;
		if (a->verdict == KB_VERDICT_OK) {
			(void)kb_partition_advance_hw(p);
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
	code = kb_partition_check(p, -1);
	if (code == KP_NONE && leader_epoch < p->led_since)
		code = KP_NOT_LEADER_OR_FOLLOWER;
	if (code == KP_NONE && kb_log_hw(p->log) < required)
		code = KB_PARTITION_PENDING;
	else if (code == KP_NONE &&
	    kb_isr_size_maximal(&p->isr) < kb_partition_min_isr(p))
		code = KP_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
	kc_lock_drop(&p->lock);
	return code;
}

static struct kb_remote
remote_of(const struct kb_partition *p, int32_t id)
{
	for (int32_t i = 0; i < p->nremotes; i++)
		if (p->remotes[i].id == id)
			return p->remotes[i];
	return (struct kb_remote){ .id = id,
		.end = -1,
		.start = -1,
		.fetched_ms = KB_NEVER_MS,
		.leader_end = -1,
		.caught_up_ms = KB_NEVER_MS,
		.broker_epoch = -1 };
}

/* All of it or, out of memory, nothing.  @locks p->lock is held */
static int
set_state(struct kb_partition *p, const struct kb_leader_state *st)
{
	size_t n = (size_t)KC_MAX(st->nreplicas, 1);
	int32_t *replicas = malloc(n * sizeof *replicas);
	struct kb_remote *remotes = malloc(n * sizeof *remotes);
	int32_t nremotes = 0;

	if (replicas == NULL || remotes == NULL ||
	    kb_isr_commit(&p->isr, st->isr, st->nisr) != KC_OK) {
		free(replicas);
		free(remotes);
		return KC_ENOMEM;
	}
	for (int32_t i = 0; i < st->nreplicas; i++) {
		replicas[i] = st->replicas[i];
		if (replicas[i] != p->broker_id)
			remotes[nremotes++] = remote_of(p, replicas[i]);
	}
	free(p->replicas);
	free(p->remotes);
	p->replicas = replicas;
	p->nreplicas = st->nreplicas;
	p->remotes = remotes;
	p->nremotes = nremotes;
	p->leader = st->leader;
	p->leader_epoch = st->leader_epoch;
	p->partition_epoch = st->partition_epoch;
	p->controller_epoch = st->controller_epoch;
	p->stopped = false;
	return KC_OK;
}

/* @locks p->lock is held */
static void
begin_term(struct kb_partition *p)
{
	int64_t now = kc_mono_ms(p->env->clock), end = kb_log_end(p->log);

	for (int32_t i = 0; i < p->nremotes; i++)
		kb_remote_reset(&p->remotes[i], !p->leading,
		    kb_isr_has(&p->isr, p->remotes[i].id), end, now);
	if (!p->leading)
		p->led_since = p->leader_epoch;
	p->leading = true;
	(void)kb_partition_advance_hw(p);
	kc_log(KC_LOG_INFO, LOGGER,
	    "[Partition %s-%d broker=%d] %s-%d starts at leader epoch %d from "
	    "offset %lld with high watermark %lld",
	    p->topic, p->index, p->broker_id, p->topic, p->index,
	    p->leader_epoch, (long long)p->epoch_start,
	    (long long)kb_log_hw(p->log));
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
	if (rc == KC_OK)
		begin_term(p);
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
		p->nremotes = 0;
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
