/*
 * txn_index -- the aborted transactions whose marker is in a segment
 * (N.txnindex), in the order of their markers.  The file exists from the
 * first one on.  Kafka: TransactionIndex, AbortedTxn.
 *
 * @locks the log's: written by the holder of LK_LOG_WRITE
 */
#ifndef KB_LOG_TXN_INDEX_H
#define KB_LOG_TXN_INDEX_H

#include "kbroker/log/entries.h"

#define KB_TXN_INDEX_ENTRY 34

struct kb_aborted_txn {
	int64_t producer_id;
	int64_t first_offset;
	int64_t last_offset; /* of the marker */
	int64_t lso; /* last stable offset once this one was done */
};

struct kb_txn_index {
	struct kb_entries e;
	bool exists; /* there is a file; e may be closed */
};

void kb_txn_index_init(struct kb_txn_index *tx, const struct kc_file_ops *f);
/*
 * Opens an existing file and holds each entry to [base, ...), version 0 and
 * rising markers: KC_ENOENT, KC_ECORRUPT.
 */
int kb_txn_index_open(
    struct kb_txn_index *tx, int dirfd, const char *path, int64_t base);
/* Makes the file when there is none; open afterwards. */
int kb_txn_index_create(struct kb_txn_index *tx, int dirfd, const char *path);
/* Writes after the last one; the file is open, space was reserved. */
int kb_txn_index_put(struct kb_txn_index *tx, const struct kb_aborted_txn *a);
int kb_txn_index_get(
    const struct kb_txn_index *tx, int32_t slot, struct kb_aborted_txn *a);
/* Drop entries with a marker at or above offset. */
int kb_txn_index_truncate(struct kb_txn_index *tx, int64_t offset);

#endif
