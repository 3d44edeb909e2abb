#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(elt) (elt)->id = INT64_MIN
#include "kbroker/log/clean_txn.h"

#include <stdlib.h>
#include <uthash.h>

#include "kcommon/base/err.h"

/* A producer with a transaction that the walk is inside of. */
struct kb_clean_ongoing {
	UT_hash_handle hh;
	int64_t id;
	bool aborted;
	bool data; /* a batch of it was passed */
	struct kb_aborted_txn entry; /* when aborted */
};

void
kb_clean_txn_init(struct kb_clean_txn *tx)
{
	memset(tx, 0, sizeof *tx);
}

void
kb_clean_txn_fini(struct kb_clean_txn *tx)
{
	struct kb_clean_ongoing *o, *tmp;

	HASH_ITER(hh, tx->ongoing, o, tmp) {
		HASH_DEL(tx->ongoing, o);
		free(o);
	}
	free(tx->wait);
	memset(tx, 0, sizeof *tx);
}

int
kb_clean_txn_add(struct kb_clean_txn *tx, const struct kb_aborted_txn *aborted)
{
	struct kb_aborted_txn *v;
	int cap;

	if (tx->nwait == tx->wait_cap && tx->at > 0) {
		tx->nwait -= tx->at;
		memmove(tx->wait, tx->wait + tx->at,
		    (size_t)tx->nwait * sizeof *tx->wait);
		tx->at = 0;
	}
	if (tx->nwait == tx->wait_cap) {
		if (tx->nwait >= KB_CLEAN_TXN_MAX)
			return KC_ELIMIT;
		cap = tx->wait_cap == 0 ? 16 : tx->wait_cap * 2;
		v = realloc(tx->wait, (size_t)cap * sizeof *v);
		if (v == NULL)
			return KC_ENOMEM;
		tx->wait = v;
		tx->wait_cap = cap;
	}
	tx->wait[tx->nwait++] = *aborted;
	tx->sorted = false;
	return KC_OK;
}

static int
by_first(const void *a, const void *b)
{
	const struct kb_aborted_txn *x = a, *y = b;

	return (x->first_offset > y->first_offset) -
	    (x->first_offset < y->first_offset);
}

static struct kb_clean_ongoing *
find(const struct kb_clean_txn *tx, int64_t id)
{
	struct kb_clean_ongoing *o;

	HASH_FIND(hh, tx->ongoing, &id, sizeof id, o);
	return o;
}

static int
begin(struct kb_clean_txn *tx, int64_t id, struct kb_clean_ongoing **op)
{
	struct kb_clean_ongoing *o;

	if (HASH_COUNT(tx->ongoing) >= KB_CLEAN_TXN_MAX)
		return KC_ELIMIT;
	if ((o = calloc(1, sizeof *o)) == NULL)
		return KC_ENOMEM;
	o->id = id;
	HASH_ADD(hh, tx->ongoing, id, sizeof o->id, o);
	if (o->id != id) { /* uthash had no memory */
		free(o);
		return KC_ENOMEM;
	}
	*op = o;
	return KC_OK;
}

static void
forget(struct kb_clean_txn *tx, struct kb_clean_ongoing *o)
{
	HASH_DEL(tx->ongoing, o);
	free(o);
}

/* Aborted transactions that have begun by offset. */
static int
advance(struct kb_clean_txn *tx, int64_t offset)
{
	const struct kb_aborted_txn *a;
	struct kb_clean_ongoing *o;
	int rc;

	if (!tx->sorted && tx->nwait > tx->at)
		qsort(tx->wait + tx->at, (size_t)(tx->nwait - tx->at),
		    sizeof *tx->wait, by_first);
	tx->sorted = true;
	for (; tx->at < tx->nwait; tx->at++) {
		a = &tx->wait[tx->at];
		if (a->first_offset > offset)
			break;
		o = find(tx, a->producer_id);
		if (o == NULL && (rc = begin(tx, a->producer_id, &o)) != KC_OK)
			return rc;
		/* What the producer had before ended without a marker. */
		o->aborted = true;
		o->data = false;
		o->entry = *a;
	}
	return KC_OK;
}

int
kb_clean_txn_data(
    struct kb_clean_txn *tx, const struct kc_batch *b, bool *aborted)
{
	struct kb_clean_ongoing *o;
	int rc;

	*aborted = false;
	rc = advance(tx, kc_batch_last_offset(b));
	if (rc != KC_OK || !kc_batch_txn(b) || !kc_batch_has_producer(b))
		return rc;
	o = find(tx, b->producer_id);
	if (o == NULL && (rc = begin(tx, b->producer_id, &o)) != KC_OK)
		return rc;
	/* Nothing after its marker is part of an aborted transaction. */
	if (o->aborted && b->base_offset > o->entry.last_offset)
		o->aborted = false;
	o->data = true;
	*aborted = o->aborted;
	return KC_OK;
}

int
kb_clean_txn_marker(struct kb_clean_txn *tx, const struct kc_batch *b,
    enum kc_control type, bool *gone, bool *keep, struct kb_aborted_txn *entry)
{
	struct kb_clean_ongoing *o;
	int rc;

	*gone = *keep = false;
	if ((rc = advance(tx, kc_batch_last_offset(b))) != KC_OK)
		return rc;
	/* Emptied by a compaction before, which found it useless. */
	if (b->count == 0) {
		*gone = true;
		return KC_OK;
	}
	if (type != KC_CONTROL_ABORT && type != KC_CONTROL_COMMIT)
		return KC_OK;
	o = find(tx, b->producer_id);
	*gone = true;
	if (o == NULL)
		return KC_OK;
	if (o->aborted && b->base_offset > o->entry.last_offset) {
		forget(tx, o); /* its own marker is gone */
		return KC_OK;
	}
	if (o->aborted && type == KC_CONTROL_COMMIT)
		return KC_OK; /* not the marker that o waits for */
	*gone = !o->data;
	if (o->aborted && o->data) {
		*keep = true;
		*entry = o->entry;
	}
	forget(tx, o);
	return KC_OK;
}
