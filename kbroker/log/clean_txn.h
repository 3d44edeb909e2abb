/*
 * clean_txn -- the transactions that a walk over a log passes through: which
 * data was aborted, and which markers have no data any more.
 *
 * Batches are shown in the order of the log; aborted transactions are added
 * before the walk comes to their first offset.  No I/O.
 *
 * Kafka: CleanedTransactionMetadata.
 *
 * @thread clean
 */
#ifndef KB_LOG_CLEAN_TXN_H
#define KB_LOG_CLEAN_TXN_H

#include "kbroker/log/txn_index.h"
#include "kcommon/record/build.h"

/* Known at one time, over that the walk ends with KC_ELIMIT. */
#define KB_CLEAN_TXN_MAX (8 << 20)

struct kb_clean_ongoing;

struct kb_clean_txn {
	struct kb_aborted_txn *wait; /* owned; by first offset, not begun */
	int nwait, at, wait_cap;
	bool sorted;
	struct kb_clean_ongoing *ongoing; /* uthash by producer */
};

void kb_clean_txn_init(struct kb_clean_txn *tx);
void kb_clean_txn_fini(struct kb_clean_txn *tx);
/* KC_ENOMEM, KC_ELIMIT. */
int kb_clean_txn_add(
    struct kb_clean_txn *tx, const struct kb_aborted_txn *aborted);

/* A data batch of any kind; *aborted: its transaction was. */
int kb_clean_txn_data(
    struct kb_clean_txn *tx, const struct kc_batch *b, bool *aborted);
/*
 * A marker of this type (KC_CONTROL_OTHER for what is none).  *gone: no data
 * of its transaction was passed, so that nobody needs it any more.  True in
 * *keep when *entry, an aborted transaction with data, must be in the index.
 */
int kb_clean_txn_marker(struct kb_clean_txn *tx, const struct kc_batch *b,
    enum kc_control type, bool *gone, bool *keep, struct kb_aborted_txn *entry);

#endif
