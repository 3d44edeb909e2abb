#include "kbroker/log/txn_index.h"

#include "kbroker/log/bytes.h"
#include "kcommon/base/err.h"

void
kb_txn_index_init(struct kb_txn_index *tx, const struct kc_file_ops *f)
{
	kb_entries_init(&tx->e, f, KB_TXN_INDEX_ENTRY);
	tx->exists = false;
}

int
kb_txn_index_get(
    const struct kb_txn_index *tx, int32_t slot, struct kb_aborted_txn *a)
{
	uint8_t p[KB_TXN_INDEX_ENTRY];
	int rc;

	if ((rc = kb_entries_read(&tx->e, slot, p)) != KC_OK)
		return rc;
	if (kb_get16(p) != 0)
		return KC_ECORRUPT;
	a->producer_id = kb_get64(p + 2);
	a->first_offset = kb_get64(p + 10);
	a->last_offset = kb_get64(p + 18);
	a->lso = kb_get64(p + 26);
	return KC_OK;
}

int
kb_txn_index_open(
    struct kb_txn_index *tx, int dirfd, const char *path, int64_t base)
{
	struct kb_aborted_txn a;
	int64_t last = base;
	int32_t i;
	int rc;

	if ((rc = kb_entries_open(&tx->e, dirfd, path, false)) != KC_OK)
		return rc;
	for (i = 0; rc == KC_OK && i < tx->e.n; i++) {
		rc = kb_txn_index_get(tx, i, &a);
		if (rc == KC_OK &&
		    (a.last_offset < last || a.first_offset > a.last_offset))
			rc = KC_ECORRUPT;
		last = a.last_offset;
	}
	if (rc != KC_OK)
		kb_entries_close(&tx->e);
	tx->exists = rc == KC_OK;
	return rc;
}

int
kb_txn_index_create(struct kb_txn_index *tx, int dirfd, const char *path)
{
	int rc;

	if (tx->exists)
		return kb_entries_reopen(&tx->e, dirfd, path);
	rc = kb_entries_open(&tx->e, dirfd, path, true);
	if (rc == KC_OK)
		rc = kb_entries_cut(&tx->e, 0);
	tx->exists = rc == KC_OK;
	return rc;
}

int
kb_txn_index_put(struct kb_txn_index *tx, const struct kb_aborted_txn *a)
{
	uint8_t p[KB_TXN_INDEX_ENTRY];
	int rc;

	kb_put16(p, 0);
	kb_put64(p + 2, a->producer_id);
	kb_put64(p + 10, a->first_offset);
	kb_put64(p + 18, a->last_offset);
	kb_put64(p + 26, a->lso);
	if ((rc = kb_entries_write(&tx->e, tx->e.n, p)) != KC_OK)
		return rc;
	tx->e.n++;
	return KC_OK;
}

static bool
le_marker(const uint8_t *p, int64_t key)
{
	return kb_get64(p + 18) <= key;
}

int
kb_txn_index_truncate(struct kb_txn_index *tx, int64_t offset)
{
	uint8_t p[KB_TXN_INDEX_ENTRY];
	int32_t slot;
	int rc;

	if (!tx->exists)
		return KC_OK;
	rc = kb_entries_floor(&tx->e, tx->e.n, le_marker, offset - 1, &slot, p);
	if (rc != KC_OK)
		return rc;
	return kb_entries_cut(&tx->e, slot + 1);
}
