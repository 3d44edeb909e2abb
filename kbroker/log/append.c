/*
 * Appending: what is given is looked at without a lock; under "write" it is
 * judged, space is reserved and the bytes are put there; under "lock" it
 * becomes visible.  Up to that last step an error leaves the log as it was.
 */
#include "kbroker/log/log_priv.h"
#include "kbroker/log/policy.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/io/file_guard.h"
#include "kcommon/record/build.h"
#include "kcommon/record/iter.h"

#include <stdlib.h>

/* What an append holds, by its headers. */
struct plan {
	size_t len; /* whole batches */
	int nbatches;
	int nproducer; /* batches with a producer id */
	int64_t first; /* leader: relative to the log end */
	int64_t last;
	int64_t max_ts; /* -1 none */
	int64_t max_ts_last; /* last offset of the batch that has it */
	bool marker; /* a control batch is there */
};

static int64_t
batch_max_ts(const struct kb_append *a, const struct kc_batch *b)
{
	return a->patch && b->p == a->p ? a->max_timestamp : b->max_timestamp;
}

/* One batch, placed at offset first, into the plan. */
static void
plan_batch(struct plan *pl, const struct kb_append *a, const struct kc_batch *b,
    int64_t first)
{
	int64_t last = first + b->last_delta;
	int64_t ts = batch_max_ts(a, b);

	if (pl->nbatches == 0) {
		pl->first = first;
		pl->max_ts_last = last;
	}
	pl->last = last;
	if (ts > pl->max_ts) {
		pl->max_ts = ts;
		pl->max_ts_last = last;
	}
	pl->nbatches++;
	pl->nproducer += kc_batch_has_producer(b);
	pl->marker |= kc_batch_control(b);
	pl->len += b->size;
}

static int
plan_leader(const struct kb_append *a, struct plan *pl)
{
	struct kc_batch b;
	int64_t next = 0;
	int rc;

	while (pl->len < a->len) {
		rc = kc_batch_parse(a->p + pl->len, a->len - pl->len, &b);
		if (rc != KC_OK || b.magic != 2 || b.last_delta < 0)
			return KC_EMALFORMED;
		plan_batch(pl, a, &b, next);
		next = pl->last + 1;
	}
	/* One that is answered as a duplicate must be all there is. */
	if (pl->nproducer > 0 && pl->nbatches > 1)
		return KC_EMALFORMED;
	return KC_OK;
}

static int
plan_replica(const struct kb_append *a, struct plan *pl)
{
	struct kc_batch b;
	int64_t next = 0;
	int rc;

	while (pl->len < a->len) {
		rc = kc_batch_parse(a->p + pl->len, a->len - pl->len, &b);
		if (rc == KC_ESHORT)
			return KC_OK; /* the end of a fetch may be cut */
		if (rc != KC_OK || b.last_delta < 0 || b.base_offset < next ||
		    b.base_offset > INT64_MAX - b.last_delta - 1)
			return KC_EMALFORMED;
		if ((rc = kc_batch_check_crc(&b)) != KC_OK)
			return rc;
		plan_batch(pl, a, &b, b.base_offset);
		next = pl->last + 1;
	}
	return KC_OK;
}

bool
kb_log_marker(
    const struct kc_batch *b, struct kb_producer_marker *m, bool *commit)
{
	enum kc_control type = KC_CONTROL_OTHER;
	struct kc_record rec;
	struct kc_iter it;

	if (!kc_batch_control(b) || !kc_batch_has_producer(b))
		return false;
	/* One that compaction has emptied says nothing any more. */
	kc_iter_open(&it, b, KC_ITER_FULL, NULL);
	if (kc_iter_next(&it, &rec) &&
	    kc_control_parse(&rec, &type, &m->coordinator_epoch) != KC_OK)
		type = KC_CONTROL_OTHER;
	(void)kc_iter_close(&it);
	if (type != KC_CONTROL_ABORT && type != KC_CONTROL_COMMIT)
		return false;
	m->id = b->producer_id;
	m->epoch = b->producer_epoch;
	m->timestamp = b->max_timestamp;
	m->offset = kc_batch_last_offset(b);
	*commit = type == KC_CONTROL_COMMIT;
	return true;
}

static enum kb_verdict
judge(struct kb_log *log, struct kb_append *a, const struct plan *pl)
{
	const struct kb_producer_batch *dup = NULL;
	struct kb_producer_marker m;
	struct kb_producer_ask ask;
	enum kb_verdict verdict;
	struct kc_batch b;
	bool commit;

	if (pl->len > (size_t)log->cfg.segment_bytes)
		return KB_VERDICT_TOO_LARGE;
	if (pl->nproducer == 0)
		return KB_VERDICT_OK;
	KC_ASSERT(kc_batch_parse(a->p, a->len, &b) == KC_OK);
	ask = (struct kb_producer_ask){
		.id = b.producer_id,
		.epoch = b.producer_epoch,
		.first_seq = b.base_sequence,
		.last_seq = kc_batch_last_sequence(&b),
		.txn = kc_batch_txn(&b),
		.control = kb_log_marker(&b, &m, &commit),
		.guard = a->guard,
		.origin = a->origin,
		.verify = log->host->verify_transactions,
	};
	if (ask.control)
		ask.coordinator_epoch = m.coordinator_epoch;
	verdict = kb_producer_judge(kb_producers_find(&log->ps, ask.id),
	    kb_producers_verifying(&log->ps, ask.id), &ask, &dup);
	if (verdict == KB_VERDICT_DUPLICATE) {
		a->first_offset = dup->last_offset - dup->delta;
		a->last_offset = dup->last_offset;
		a->append_time = dup->timestamp;
		a->count = dup->delta + 1;
	}
	return verdict;
}

/* Room in memory for the state of every producer in it.  LK_LOG held */
static int
reserve_producers(
    struct kb_log *log, const struct kb_append *a, const struct plan *pl)
{
	struct kc_batch b;
	size_t at;
	int rc;

	for (at = 0; at < pl->len && pl->nproducer > 0; at += b.size) {
		KC_ASSERT(kc_batch_parse(a->p + at, pl->len - at, &b) == KC_OK);
		if (!kc_batch_has_producer(&b))
			continue;
		rc = kb_producers_reserve(&log->ps, b.producer_id);
		if (rc != KC_OK)
			return rc;
	}
	return KC_OK;
}

/*
 * A batch that is in place; space for its producer was reserved.  Aborted
 * transactions go into the index of seg, when that is not NULL.
 */
static int
record_batch(
    struct kb_producers *ps, struct kb_segment *seg, const struct kc_batch *b)
{
	struct kb_producer_marker m;
	struct kb_producer_data d;
	struct kb_aborted_txn ab;
	bool commit;
	int rc;

	if (!kc_batch_has_producer(b))
		return KC_OK;
	if (!kc_batch_control(b)) {
		d = (struct kb_producer_data){
			.id = b->producer_id,
			.epoch = b->producer_epoch,
			.last_seq = kc_batch_last_sequence(b),
			.timestamp = b->max_timestamp,
			.first_offset = b->base_offset,
			.last_offset = kc_batch_last_offset(b),
			.txn = kc_batch_txn(b),
		};
		kb_producers_data(ps, &d);
		return KC_OK;
	}
	if (!kb_log_marker(b, &m, &commit))
		return KC_OK;
	if (seg != NULL && !commit && kb_producers_would_end(ps, &m, &ab) &&
	    (rc = kb_txn_index_put(&seg->an, &ab)) != KC_OK)
		return rc;
	/* Several markers in one append: each needs its place. */
	if ((rc = kb_producers_reserve(ps, m.id)) == KC_OK)
		kb_producers_marker(ps, &m);
	return rc;
}

int
kb_log_note_batch(
    struct kb_producers *ps, struct kb_segment *seg, const struct kc_batch *b)
{
	int rc;

	if (!kc_batch_has_producer(b))
		return KC_OK;
	rc = kb_producers_reserve(ps, b->producer_id);
	return rc == KC_OK ? record_batch(ps, seg, b) : rc;
}

static bool
must_roll(struct kb_log *log, const struct plan *pl)
{
	const struct kb_segment *seg = kb_log_active(log);
	struct kb_roll r = {
		.cfg = &log->cfg,
		.base = seg->base,
		.size = seg->size,
		.first_ts = seg->first_ts,
		.created_ms = seg->created_ms,
		.jitter_ms = seg->jitter_ms,
		.nindex = seg->ix.e.n,
		.ntime = seg->tx.e.n,
		.len = (int64_t)pl->len,
		.max_ts = pl->max_ts,
		.last_offset = pl->last,
		/* Asked for on the hot path only when it decides. */
		.now_ms = seg->first_ts < 0 ? kb_log_now_ms(log) : 0,
	};

	return kb_policy_roll(&r);
}

static bool
index_due(const struct kb_log *log, const struct kb_segment *seg)
{
	return seg->since_index > log->cfg.index_interval_bytes;
}

/* Everything that can fail for want of space. */
static int
make_room(struct kb_log *log, const struct plan *pl)
{
	int64_t now_ns = kb_log_now_ns(log);
	struct kb_segment *seg;
	int rc;

	if (must_roll(log, pl)) {
		rc = kb_log_roll(log, KC_MAX(log->end, pl->first));
		if (rc != KC_OK)
			return rc;
	}
	seg = kb_log_active(log);
	rc = kb_segment_indexes(seg, &log->pl, now_ns);
	if (rc == KC_OK && pl->marker) {
		rc = kb_segment_need_txn_index(seg, &log->pl);
		if (rc == KC_OK)
			rc = kb_entries_reserve(&seg->an.e);
	}
	if (rc == KC_OK && index_due(log, seg)) {
		rc = kb_entries_reserve(&seg->ix.e);
		if (rc == KC_OK)
			rc = kb_entries_reserve(&seg->tx.e);
	}
	return rc == KC_OK ? kb_tail_room(log, pl->len, now_ns) : rc;
}

static void
patch(uint8_t *head, const struct kb_append *a)
{
	kc_batch_set_attributes(head, a->attributes);
	kc_batch_set_max_timestamp(head, a->max_timestamp);
	kc_batch_set_crc(head, a->crc);
}

/* The bytes, with the fields that the leader sets. */
static __attribute__((noinline)) void
place(uint8_t *to, const struct kb_append *a, const struct plan *pl)
{
	int64_t next = pl->first;
	struct kc_batch b;
	size_t at;

	memcpy(to, a->p, pl->len);
	if (a->patch)
		patch(to, a);
	if (a->origin == KB_APPEND_REPLICA)
		return;
	/* Headers are read from the caller's bytes, which do not move. */
	for (at = 0; at < pl->len; at += b.size) {
		KC_ASSERT(kc_batch_parse(a->p + at, pl->len - at, &b) == KC_OK);
		kc_batch_set_base_offset(to + at, next);
		kc_batch_set_leader_epoch(to + at, a->leader_epoch);
		next += (int64_t)b.last_delta + 1;
	}
}

/* KC_EIO when the memory is gone: the disk, or somebody cut the file. */
static KC_MUST_USE int
guarded_place(const struct kb_tail *t, uint8_t *to, const struct kb_append *a,
    const struct plan *pl)
{
	struct kc_guard g;

	if (kc_guard_begin(&g, t->map, t->len) != 0)
		return KC_EIO;
	place(to, a, pl);
	kc_guard_end(&g);
	return KC_OK;
}

/* The same by one write a batch, in front of which is a header of ours. */
static int
write_batches(
    struct kb_log *log, const struct kb_append *a, const struct plan *pl)
{
	const struct kb_segment *seg = kb_log_active(log);
	uint8_t head[KC_BATCH_OVERHEAD];
	struct iovec v[2] = { { head, sizeof head }, { 0 } };
	int64_t next = pl->first;
	struct kc_batch b;
	size_t at;
	int rc = KC_OK;

	for (at = 0; rc == KC_OK && at < pl->len; at += b.size) {
		KC_ASSERT(kc_batch_parse(a->p + at, pl->len - at, &b) == KC_OK);
		memcpy(head, b.p, sizeof head);
		if (a->patch && at == 0)
			patch(head, a);
		kc_batch_set_base_offset(head, next);
		kc_batch_set_leader_epoch(head, a->leader_epoch);
		v[1].iov_base = (void *)(uintptr_t)(b.p + sizeof head);
		v[1].iov_len = b.size - sizeof head;
		rc = log->pl.f->pwritev(
		    seg->file->fd, v, 2, seg->size + (int64_t)at);
		next += (int64_t)b.last_delta + 1;
	}
	return rc;
}

/* What is behind the end of the segment is nobody's yet. */
static int
put(struct kb_log *log, const struct kb_append *a, const struct plan *pl)
{
	const struct kb_segment *seg = kb_log_active(log);
	struct kb_tail *t = &log->tail;

	if (pl->len < KB_TAIL_WRITE)
		return guarded_place(t, t->map + (seg->size - t->from), a, pl);
	if (a->origin != KB_APPEND_REPLICA)
		return write_batches(log, a, pl);
	return log->pl.f->pwrite(seg->file->fd, a->p, pl->len, seg->size);
}

/* Producers and epochs of what is in place at "to".  Both locks held. */
static int
record_all(struct kb_log *log, const struct kb_append *a, const struct plan *pl)
{
	int64_t next = pl->first;
	struct kc_batch b;
	size_t at;
	int rc = KC_OK;

	for (at = 0; rc == KC_OK && at < pl->len; at += b.size) {
		KC_ASSERT(kc_batch_parse(a->p + at, pl->len - at, &b) == KC_OK);
		if (a->origin != KB_APPEND_REPLICA) {
			b.base_offset = next;
			b.leader_epoch = a->leader_epoch;
			next += (int64_t)b.last_delta + 1;
		}
		b.max_timestamp = batch_max_ts(a, &b);
		rc = record_batch(&log->ps, kb_log_active(log), &b);
		if (b.magic < 2)
			kb_epochs_clear(&log->ep);
		else if (rc == KC_OK && b.leader_epoch >= 0)
			rc = kb_epochs_assign(
			    &log->ep, b.leader_epoch, b.base_offset);
	}
	return rc;
}

/* From here on readers see it.  "write" held, takes "lock". */
static int
publish(struct kb_log *log, const struct kb_append *a, const struct plan *pl)
{
	struct kb_segment *seg = kb_log_active(log);
	int64_t at = seg->size;
	int rc = KC_OK;

	kc_lock_take(&log->lock);
	if (at == 0)
		seg->first_ts = pl->max_ts;
	if (pl->max_ts > seg->max_ts) {
		seg->max_ts = pl->max_ts;
		seg->max_ts_offset = pl->max_ts_last;
	}
	if (index_due(log, seg)) {
		rc = kb_index_put(
		    &seg->ix, (int32_t)(pl->last - seg->base), (int32_t)at);
		if (rc == KC_OK)
			rc = kb_time_index_put(&seg->tx, seg->max_ts,
			    (int32_t)(seg->max_ts_offset - seg->base));
		seg->since_index = 0;
	}
	if (rc == KC_OK)
		rc = record_all(log, a, pl);
	if (rc == KC_OK) {
		seg->since_index += (int64_t)pl->len;
		seg->size = at + (int64_t)pl->len;
		kb_ring_push(log, pl->first, at);
		log->ps.end = pl->last + 1;
		atomic_store_explicit(
		    &log->end, pl->last + 1, memory_order_release);
		kb_log_update_lso(log);
	}
	if (log->ep.dirty)
		kb_log_kick(log, KB_WORK_EPOCHS);
	if (log->end - log->recovery_point >= log->cfg.flush_messages) {
		log->flush_to = log->end;
		kb_log_kick(log, KB_WORK_FLUSH);
	}
	kc_lock_drop(&log->lock);
	return rc;
}

/* "write" is held. */
static int
append_locked(struct kb_log *log, struct kb_append *a, struct plan *pl)
{
	int rc;

	if (!kb_log_usable(log))
		return KC_EOFFLINE;
	a->start = log->start;
	if (a->origin == KB_APPEND_REPLICA) {
		if (pl->first < log->end)
			return KC_ERANGE;
	} else {
		pl->first += log->end;
		pl->last += log->end;
		pl->max_ts_last += log->end;
		a->verdict = judge(log, a, pl);
		if (a->verdict != KB_VERDICT_OK)
			return KC_OK;
	}
	if (pl->last - pl->first > INT32_MAX)
		return KC_ELIMIT;
	kc_lock_take(&log->lock);
	rc = reserve_producers(log, a, pl);
	kc_lock_drop(&log->lock);
	if (rc != KC_OK)
		return rc;
	if ((rc = make_room(log, pl)) != KC_OK)
		return kb_log_disk(log, rc, "appending records");
	rc = put(log, a, pl);
	/* Half recorded is worse than offline, even for want of memory. */
	if (rc == KC_OK && publish(log, a, pl) != KC_OK)
		rc = KC_EIO;
	if (rc != KC_OK)
		return kb_log_disk(log, rc, "appending records");
	a->first_offset = pl->first;
	a->last_offset = pl->last;
	a->count = (int32_t)(pl->last - pl->first) + 1;
	if (kb_tail_wants_ahead(log))
		kb_log_kick(log, KB_WORK_AHEAD);
	return KC_OK;
}

int
kb_log_append(struct kb_log *log, struct kb_append *a)
{
	struct plan pl = { .max_ts = -1 };
	int rc;

	a->verdict = KB_VERDICT_OK;
	a->first_offset = -1;
	a->last_offset = -1;
	a->count = 0;
	a->start = kb_log_start(log);
	if (a->len > KB_SEGMENT_SIZE_MAX)
		return KC_ELIMIT;
	rc = a->origin == KB_APPEND_REPLICA ? plan_replica(a, &pl) :
					      plan_leader(a, &pl);
	if (rc != KC_OK || pl.len == 0)
		return rc;
	kc_lock_take(&log->write);
	rc = append_locked(log, a, &pl);
	kc_lock_drop(&log->write);
	return rc;
}
