/* Records go to the log; who wrote them waits for the replicas. */
#include "kbroker/group/coord_priv.h"
#include "kbroker/group/member.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"

#include <stdlib.h>

/* A group's record: its members are named in memory of this size. */
#define SNAPSHOT_MAX (64 << 20)

/* --- codes ---------------------------------------------------------------- */

int16_t
kb_store_code(int16_t code)
{
	switch (code) {
	case KP_UNKNOWN_TOPIC_OR_PARTITION:
	case KP_NOT_ENOUGH_REPLICAS:
	case KP_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
		return KP_COORDINATOR_NOT_AVAILABLE;
	case KP_NOT_LEADER_OR_FOLLOWER:
	case KP_KAFKA_STORAGE_ERROR:
		return KP_NOT_COORDINATOR;
	case KP_REQUEST_TIMED_OUT:
		return KP_REBALANCE_IN_PROGRESS;
	case KP_MESSAGE_TOO_LARGE:
	case KP_RECORD_LIST_TOO_LARGE:
	case KP_INVALID_FETCH_SIZE:
		return KP_UNKNOWN_SERVER_ERROR;
	}
	return code;
}

int16_t
kb_commit_code(int16_t code)
{
	switch (code) {
	case KP_REQUEST_TIMED_OUT:
		return code;
	case KP_MESSAGE_TOO_LARGE:
	case KP_RECORD_LIST_TOO_LARGE:
	case KP_INVALID_FETCH_SIZE:
		return KP_INVALID_COMMIT_OFFSET_SIZE;
	}
	return kb_store_code(code);
}

/* --- a batch -------------------------------------------------------------- */

void
kb_writing_open(struct kb_shard *s, struct kb_writing *w, int64_t now_ms,
    int64_t producer_id, int16_t producer_epoch)
{
	struct kc_build_params p = kc_build_params_default;

	p.codec = (enum kc_codec)s->coord->config.codec;
	if (producer_id >= 0) {
		p.attributes = KC_ATTR_TXN;
		p.producer_id = producer_id;
		p.producer_epoch = producer_epoch;
		p.base_sequence = 0;
	}
	w->now_ms = now_ms;
	w->n = 0;
	w->guard = 0;
	kc_wr_reset(&s->batch);
	kc_build_open(&w->build, &p, s->compress, &s->batch);
}

/* The record whose key is record[0..key) and whose value is the rest. */
static void
add(struct kb_shard *s, struct kb_writing *w, size_t key, bool tombstone)
{
	const char *p = (const char *)s->record.p;
	struct kc_record rec = {
		.offset = w->n,
		.timestamp = w->now_ms,
		.key = { p, (int32_t)key },
		.value = KC_STR_NULL,
	};

	if (s->record.err != KC_OK) {
		kc_wr_fail(&s->batch, s->record.err);
		return;
	}
	if (!tombstone)
		rec.value =
		    (struct kc_str){ p + key, (int32_t)(s->record.len - key) };
	(void)kc_build_append(&w->build, &rec);
	w->n++;
}

void
kb_writing_offset(struct kb_shard *s, struct kb_writing *w, struct kc_str group,
    struct kc_str topic, int32_t partition, const struct kb_offset_value *v)
{
	size_t key;

	kc_wr_reset(&s->record);
	kb_rec_offset_key_write(&s->record, group, topic, partition);
	key = s->record.len;
	if (v != NULL)
		kb_rec_offset_value_write(&s->record, v);
	add(s, w, key, v == NULL);
}

void
kb_writing_group(struct kb_shard *s, struct kb_writing *w,
    const struct kb_group *grp, bool tombstone)
{
	struct kb_group_value v;
	struct kc_arena a;
	size_t key;
	int rc;

	kc_wr_reset(&s->record);
	kb_rec_group_key_write(&s->record, grp->id);
	key = s->record.len;
	if (!tombstone) {
		kc_arena_init(&a, SNAPSHOT_MAX);
		rc = kb_group_snapshot(grp, &a, &v);
		if (rc == KC_OK)
			kb_rec_group_value_write(&s->record, &v);
		else
			kc_wr_fail(&s->record, rc);
		kc_arena_fini(&a);
	}
	add(s, w, key, tombstone);
}

int16_t
kb_writing_append(struct kb_shard *s, struct kb_writing *w, int16_t acks,
    struct kb_write *where)
{
	struct kb_append a = { .origin = KB_APPEND_COORDINATOR,
		.append_time = -1 };
	struct kb_partition_rules rules;
	int rc = kc_build_finish(&w->build);
	int16_t code;

	if (rc == KC_OK)
		rc = s->batch.err;
	if (rc == KC_ELIMIT)
		return KP_MESSAGE_TOO_LARGE;
	if (rc != KC_OK)
		return KP_UNKNOWN_SERVER_ERROR;
	code = kb_partition_rules(s->part, &rules);
	if (code != KP_NONE)
		return code;
	if (s->batch.len > (size_t)rules.max_message_bytes)
		return KP_MESSAGE_TOO_LARGE;
	a.p = s->batch.p;
	a.len = s->batch.len;
	a.guard = w->guard;
	code = kb_partition_append(s->part, &a, acks, &where->required);
	where->leader_epoch = a.leader_epoch;
	where->first = a.first_offset;
	return code;
}

/* --- waiting -------------------------------------------------------------- */

static void
post_wake(struct kb_shard *s)
{
	if (!atomic_exchange(&s->woken, true))
		kc_loop_post(s->coord->loop, &s->wake);
}

/* @thread any  @locks the partition's is held */
void
kb_shard_wake_waiter(struct kb_waiter *w)
{
	post_wake(w->arg);
}

static void
listen(struct kb_shard *s, bool on)
{
	kc_lock_take(&s->part->lock);
	if (!on)
		kb_waitlist_remove(&s->part->waiters, &s->waiter);
	else if (s->waiter.prev == NULL)
		kb_waitlist_add(&s->part->waiters, &s->waiter);
	kc_lock_drop(&s->part->lock);
}

int16_t
kb_shard_await(struct kb_shard *s, const struct kb_write *w, struct kb_now now)
{
	struct kb_write *q;
	int16_t code;

	if (s->coord->config.acks != -1)
		return KP_NONE;
	code = kb_partition_ack(s->part, w->required, w->leader_epoch);
	/* In the order of the log, even when the watermark has just moved. */
	if (code != KB_PARTITION_PENDING && s->writes == NULL)
		return code;
	if ((q = malloc(sizeof *q)) == NULL)
		return KP_UNKNOWN_SERVER_ERROR;
	*q = *w;
	q->next = NULL;
	q->due_ms = now.mono_ms + s->coord->config.timeout_ms;
	q->group = KC_STR_NULL;
	if (w->commit == NULL && kb_str_copy(&q->group, w->group) != KC_OK) {
		free(q);
		return KP_UNKNOWN_SERVER_ERROR;
	}
	if (s->writes_last != NULL)
		s->writes_last->next = q;
	else
		s->writes = q;
	s->writes_last = q;
	listen(s, true);
	post_wake(s); /* it may have come through meanwhile; the timer */
	return KB_PARTITION_PENDING;
}

/* The first write has ended. */
static void
end_write(
    struct kb_shard *s, int16_t code, struct kb_now now, struct kb_finished *f)
{
	struct kb_write *w = s->writes;
	struct kb_group *grp;

	s->writes = w->next;
	if (s->writes == NULL)
		s->writes_last = NULL;
	if (w->commit != NULL) {
		kb_shard_committed(s, w->commit, code, w->first);
		w->commit->next = f->commits;
		f->commits = w->commit;
	} else if ((grp = kb_shard_find(s, w->group)) != NULL) {
		kb_group_stored(
		    grp, &w->store, kb_store_code(code), now, &f->out);
		kb_shard_settle(s, grp, f, now);
	} else {
		kb_group_store_drop(&w->store);
	}
	kb_str_free(&w->group);
	free(w);
}

void
kb_shard_fail_writes(
    struct kb_shard *s, int16_t code, struct kb_now now, struct kb_finished *f)
{
	if (s->writes == NULL)
		return;
	listen(s, false);
	while (s->writes != NULL)
		end_write(s, code, now, f);
}

static void
look(struct kb_shard *s)
{
	struct kb_now now = kb_coord_now(s->coord);
	struct kb_finished f = { 0 };
	int64_t due_ms = -1;

	kc_lock_take(&s->lock);
	while (s->writes != NULL) {
		struct kb_write *w = s->writes;
		int16_t code =
		    kb_partition_ack(s->part, w->required, w->leader_epoch);

		if (code == KB_PARTITION_PENDING && now.mono_ms < w->due_ms) {
			due_ms = w->due_ms;
			break;
		}
		if (code == KB_PARTITION_PENDING)
			code = KP_REQUEST_TIMED_OUT;
		end_write(s, code, now, &f);
	}
	if (s->writes == NULL && s->part != NULL)
		listen(s, false);
	kc_lock_drop(&s->lock);
	if (due_ms >= 0)
		kc_timer_set(s->coord->loop, &s->timer, due_ms);
	(void)kb_finished_run(&f, NULL);
}

void
kb_shard_wake(struct kc_task *task)
{
	struct kb_shard *s = KC_CONTAINER(task, struct kb_shard, wake);

	/* Cleared before looking: who moves it after our look posts again. */
	atomic_store(&s->woken, false);
	look(s);
}

void
kb_shard_timeout(struct kc_timer *timer)
{
	look(KC_CONTAINER(timer, struct kb_shard, timer));
}
