#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(elt) (elt)->id = INT64_MIN
#include "kbroker/log/producers.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/record/batch.h"

#include <stdlib.h>
#include <utlist.h>

void
kb_producers_init(struct kb_producers *ps)
{
	memset(ps, 0, sizeof *ps);
	ps->snapshot = -1;
}

static void
forget(struct kb_producers *ps, struct kb_producer *p)
{
	if (p->txn_first >= 0)
		DL_DELETE(ps->open, p);
	HASH_DEL(ps->map, p);
	free(p);
}

static void
forget_verification(struct kb_producers *ps, struct kb_verification *v)
{
	HASH_DEL(ps->verifying, v);
	free(v);
}

void
kb_producers_reset(struct kb_producers *ps, int64_t offset)
{
	struct kb_producer *p, *tmp;

	HASH_ITER(hh, ps->map, p, tmp)
		forget(ps, p);
	ps->nended = 0;
	ps->end = offset;
}

void
kb_producers_fini(struct kb_producers *ps)
{
	struct kb_verification *v, *tmp;

	kb_producers_reset(ps, 0);
	HASH_ITER(hh, ps->verifying, v, tmp)
		forget_verification(ps, v);
	free(ps->ended);
	ps->ended = NULL;
	ps->ended_cap = 0;
}

struct kb_producer *
kb_producers_find(const struct kb_producers *ps, int64_t id)
{
	struct kb_producer *p;

	HASH_FIND(hh, ps->map, &id, sizeof id, p);
	return p;
}

struct kb_verification *
kb_producers_verifying(const struct kb_producers *ps, int64_t id)
{
	struct kb_verification *v;

	HASH_FIND(hh, ps->verifying, &id, sizeof id, v);
	return v;
}

static int32_t
last_seq(const struct kb_producer *p)
{
	return p->nbatches > 0 ? p->batch[p->nbatches - 1].last_seq :
				 KC_NO_SEQUENCE;
}

static int32_t
first_seq(const struct kb_producer_batch *b)
{
	/* One wrap at most: a batch has fewer records than numbers. */
	return b->last_seq >= b->delta ?
	    b->last_seq - b->delta :
	    INT32_MAX - (b->delta - b->last_seq) + 1;
}

static const struct kb_producer_batch *
find_duplicate(const struct kb_producer *p, const struct kb_producer_ask *ask)
{
	int i;

	if (p == NULL || p->epoch != ask->epoch)
		return NULL;
	for (i = 0; i < p->nbatches; i++)
		if (p->batch[i].last_seq == ask->last_seq &&
		    first_seq(&p->batch[i]) == ask->first_seq)
			return &p->batch[i];
	return NULL;
}

static enum kb_verdict
judge_sequence(const struct kb_producer *p, const struct kb_verification *v,
    const struct kb_producer_ask *ask)
{
	int32_t last;

	/* A later batch overtook the first one while it was verified. */
	if (v != NULL && ask->first_seq > v->lowest_seq)
		return KB_VERDICT_SEQUENCE;
	/* Nothing known: retention may have taken it (KIP-360). */
	if (p == NULL || p->epoch == -1)
		return KB_VERDICT_OK;
	if (ask->epoch != p->epoch)
		return ask->first_seq == 0 ? KB_VERDICT_OK :
					     KB_VERDICT_SEQUENCE;
	last = last_seq(p);
	if (ask->first_seq == kc_seq_add(last, 1))
		return KB_VERDICT_OK;
	return KB_VERDICT_SEQUENCE;
}

enum kb_verdict
kb_producer_judge(const struct kb_producer *p, const struct kb_verification *v,
    const struct kb_producer_ask *ask, const struct kb_producer_batch **dup)
{
	bool open = p != NULL && p->txn_first >= 0;
	enum kb_verdict verdict;

	/* What the leader took has been judged; a follower just follows. */
	if (ask->origin == KB_APPEND_REPLICA)
		return KB_VERDICT_OK;
	if (ask->origin == KB_APPEND_CLIENT &&
	    (*dup = find_duplicate(p, ask)) != NULL)
		return KB_VERDICT_DUPLICATE;
	if (ask->verify && ask->txn && !ask->control && !open &&
	    (v == NULL || ask->guard == 0 || v->guard != ask->guard))
		return KB_VERDICT_TXN_STATE;
	if (p != NULL && ask->epoch < p->epoch)
		return KB_VERDICT_EPOCH;
	if (ask->control)
		return p != NULL &&
			ask->coordinator_epoch < p->coordinator_epoch ?
		    KB_VERDICT_COORDINATOR :
		    KB_VERDICT_OK;
	if (ask->origin == KB_APPEND_CLIENT) {
		verdict = judge_sequence(p, v, ask);
		if (verdict != KB_VERDICT_OK)
			return verdict;
	}
	return open && !ask->txn ? KB_VERDICT_TXN_STATE : KB_VERDICT_OK;
}

int
kb_producers_reserve(struct kb_producers *ps, int64_t id)
{
	struct kb_producer *p;
	struct kb_ended_txn *v;
	int cap;

	/* Each open transaction may end; each append ends one at most. */
	if (ps->nended == ps->ended_cap) {
		cap = ps->ended_cap == 0 ? 4 : ps->ended_cap * 2;
		v = realloc(ps->ended, (size_t)cap * sizeof *v);
		if (v == NULL)
			return KC_ENOMEM;
		ps->ended = v;
		ps->ended_cap = cap;
	}
	if (kb_producers_find(ps, id) != NULL)
		return KC_OK;
	if (HASH_COUNT(ps->map) >= KB_PRODUCERS_MAX)
		return KC_ELIMIT;
	if ((p = calloc(1, sizeof *p)) == NULL)
		return KC_ENOMEM;
	p->id = id;
	p->epoch = -1;
	p->coordinator_epoch = -1;
	p->last_timestamp = -1;
	p->txn_first = -1;
	HASH_ADD(hh, ps->map, id, sizeof p->id, p);
	if (p->id != id) { /* uthash had no memory */
		free(p);
		return KC_ENOMEM;
	}
	return KC_OK;
}

static void
set_epoch(struct kb_producer *p, int16_t epoch)
{
	if (p->epoch == epoch)
		return;
	p->epoch = epoch;
	p->nbatches = 0;
}

void
kb_producers_data(struct kb_producers *ps, const struct kb_producer_data *d)
{
	struct kb_producer *p = kb_producers_find(ps, d->id);
	struct kb_verification *v;
	struct kb_producer_batch *b;

	KC_ASSERT(p != NULL);
	set_epoch(p, d->epoch);
	if (p->nbatches == KB_PRODUCER_BATCHES) {
		memmove(p->batch, p->batch + 1,
		    (KB_PRODUCER_BATCHES - 1) * sizeof *p->batch);
		p->nbatches--;
	}
	b = &p->batch[p->nbatches++];
	b->last_seq = d->last_seq;
	b->delta = (int32_t)(d->last_offset - d->first_offset);
	b->last_offset = d->last_offset;
	b->timestamp = d->timestamp;
	p->last_timestamp = d->timestamp;
	if (!d->txn)
		return;
	if (p->txn_first < 0) {
		p->txn_first = d->first_offset;
		DL_APPEND(ps->open, p);
	}
	if ((v = kb_producers_verifying(ps, d->id)) != NULL)
		forget_verification(ps, v);
}

bool
kb_producers_would_end(const struct kb_producers *ps,
    const struct kb_producer_marker *m, struct kb_aborted_txn *a)
{
	const struct kb_producer *p = kb_producers_find(ps, m->id);
	const struct kb_producer *o;

	if (p == NULL || p->txn_first < 0)
		return false;
	a->producer_id = m->id;
	a->first_offset = p->txn_first;
	a->last_offset = m->offset;
	a->lso = m->offset + 1;
	DL_FOREACH(ps->open, o) {
		if (o->id == m->id)
			continue;
		a->lso = o->txn_first;
		break;
	}
	return true;
}

void
kb_producers_marker(struct kb_producers *ps, const struct kb_producer_marker *m)
{
	struct kb_producer *p = kb_producers_find(ps, m->id);
	struct kb_verification *v;

	KC_ASSERT(p != NULL);
	/*
	 * A marker of an older epoch still ends the transaction, as on
	 * Kafka's followers: leaders never append one.
	 */
	set_epoch(p, m->epoch);
	p->coordinator_epoch = m->coordinator_epoch;
	p->last_timestamp = m->timestamp;
	if (p->txn_first >= 0) {
		KC_ASSERT(ps->nended < ps->ended_cap);
		ps->ended[ps->nended].first = p->txn_first;
		ps->ended[ps->nended++].last = m->offset;
		DL_DELETE(ps->open, p);
		p->prev = p->next = NULL;
		p->txn_first = -1;
	}
	if ((v = kb_producers_verifying(ps, m->id)) != NULL)
		forget_verification(ps, v);
}

static void
drop_ended(struct kb_producers *ps, int64_t below)
{
	int n;

	for (n = 0; n < ps->nended && ps->ended[n].last < below; n++)
		;
	if (n == 0)
		return;
	ps->nended -= n;
	memmove(
	    ps->ended, ps->ended + n, (size_t)ps->nended * sizeof *ps->ended);
}

void
kb_producers_hw(struct kb_producers *ps, int64_t hw)
{
	drop_ended(ps, hw);
}

void
kb_producers_start(struct kb_producers *ps, int64_t start)
{
	drop_ended(ps, start);
	if (ps->end < start)
		ps->end = start;
}

int64_t
kb_producers_first_unstable(const struct kb_producers *ps)
{
	int64_t first = ps->open != NULL ? ps->open->txn_first : -1;
	int i;

	for (i = 0; i < ps->nended; i++)
		if (first < 0 || ps->ended[i].first < first)
			first = ps->ended[i].first;
	return first;
}

void
kb_producers_expire(
    struct kb_producers *ps, int64_t now_ms, int64_t expiration_ms)
{
	struct kb_verification *v, *vtmp;
	struct kb_producer *p, *tmp;

	HASH_ITER(hh, ps->map, p, tmp)
		if (p->txn_first < 0 &&
		    now_ms - p->last_timestamp >= expiration_ms)
			forget(ps, p);
	HASH_ITER(hh, ps->verifying, v, vtmp)
		if (now_ms - v->created_ms >= expiration_ms)
			forget_verification(ps, v);
}

int
kb_producers_verify(struct kb_producers *ps, int64_t id, int16_t epoch,
    int32_t first_sequence, int64_t now_ms, uint64_t *guard)
{
	struct kb_producer *p = kb_producers_find(ps, id);
	struct kb_verification *v;

	*guard = 0;
	if (p != NULL && p->txn_first >= 0)
		return KC_OK;
	if ((v = kb_producers_verifying(ps, id)) == NULL) {
		if (HASH_COUNT(ps->verifying) >= KB_PRODUCERS_MAX)
			return KC_ELIMIT;
		if ((v = calloc(1, sizeof *v)) == NULL)
			return KC_ENOMEM;
		v->id = id;
		v->guard = ++ps->guard_last;
		v->created_ms = now_ms;
		v->lowest_seq = first_sequence;
		v->epoch = epoch;
		HASH_ADD(hh, ps->verifying, id, sizeof v->id, v);
		if (v->id != id) {
			free(v);
			return KC_ENOMEM;
		}
	} else if (epoch > v->epoch ||
	    (epoch == v->epoch && first_sequence < v->lowest_seq)) {
		v->epoch = epoch;
		v->lowest_seq = first_sequence;
	}
	*guard = v->guard;
	return KC_OK;
}
