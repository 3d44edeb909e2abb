#include "kbroker/log/time_index.h"

#include "kbroker/log/bytes.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

void
kb_time_index_init(struct kb_time_index *tx, const struct kc_file_ops *f)
{
	kb_entries_init(&tx->e, f, KB_TIME_INDEX_ENTRY);
	tx->last_ts = -1;
	tx->last_rel = 0;
}

static int
load_last(struct kb_time_index *tx)
{
	uint8_t p[KB_TIME_INDEX_ENTRY];
	int rc;

	tx->last_ts = -1;
	tx->last_rel = 0;
	if (tx->e.n == 0)
		return KC_OK;
	if ((rc = kb_entries_read(&tx->e, tx->e.n - 1, p)) != KC_OK)
		return rc;
	tx->last_ts = kb_get64(p);
	tx->last_rel = kb_get32(p + 8);
	return KC_OK;
}

int
kb_time_index_open(struct kb_time_index *tx, int dirfd, const char *path)
{
	uint8_t first[KB_TIME_INDEX_ENTRY];
	int rc;

	if ((rc = kb_entries_open(&tx->e, dirfd, path, false)) != KC_OK)
		return rc;
	if ((rc = load_last(tx)) != KC_OK)
		goto fail;
	if (tx->e.n == 0)
		return KC_OK;
	if ((rc = kb_entries_read(&tx->e, 0, first)) != KC_OK)
		goto fail;
	/* Timestamps rise strictly; zeros are space that was reserved. */
	if (tx->last_ts < 0 || tx->last_rel < 0 ||
	    (tx->e.n > 1 && tx->last_ts <= kb_get64(first))) {
		rc = KC_ECORRUPT;
		goto fail;
	}
	return KC_OK;

fail:
	kb_entries_close(&tx->e);
	return rc;
}

int
kb_time_index_create(struct kb_time_index *tx, int dirfd, const char *path)
{
	int rc;

	kb_entries_close(&tx->e);
	rc = kb_entries_open(&tx->e, dirfd, path, true);
	if (rc == KC_ECORRUPT) {
		rc = tx->e.f->open(
		    &tx->e.fd, dirfd, path, KC_FILE_WRITE | KC_FILE_TRUNC);
		tx->e.fd = rc == KC_OK ? tx->e.fd : -1;
		tx->e.reserved = 0;
	}
	if (rc != KC_OK)
		return rc;
	tx->last_ts = -1;
	tx->last_rel = 0;
	return kb_entries_cut(&tx->e, 0);
}

bool
kb_time_index_wants(const struct kb_time_index *tx, int64_t ts)
{
	return ts > tx->last_ts;
}

int
kb_time_index_put(struct kb_time_index *tx, int64_t ts, int32_t rel)
{
	uint8_t p[KB_TIME_INDEX_ENTRY];
	int rc;

	if (!kb_time_index_wants(tx, ts))
		return KC_OK;
	KC_ASSERT(rel >= tx->last_rel);
	kb_put64(p, ts);
	kb_put32(p + 8, rel);
	if ((rc = kb_entries_write(&tx->e, tx->e.n, p)) != KC_OK)
		return rc;
	tx->e.n++;
	tx->last_ts = ts;
	tx->last_rel = rel;
	return KC_OK;
}

static bool
le_ts(const uint8_t *p, int64_t key)
{
	return kb_get64(p) <= key;
}

static bool
le_rel(const uint8_t *p, int64_t key)
{
	return kb_get32(p + 8) <= key;
}

int
kb_time_index_truncate(struct kb_time_index *tx, int32_t rel)
{
	uint8_t p[KB_TIME_INDEX_ENTRY];
	int32_t slot;
	int rc;

	rc = kb_entries_floor(
	    &tx->e, tx->e.n, le_rel, (int64_t)rel - 1, &slot, p);
	if (rc != KC_OK || (rc = kb_entries_cut(&tx->e, slot + 1)) != KC_OK)
		return rc;
	return load_last(tx);
}

int
kb_time_index_find(
    const struct kb_time_index *tx, int32_t n, int64_t ts, int32_t *rel)
{
	uint8_t p[KB_TIME_INDEX_ENTRY];
	int32_t slot;
	int rc;

	*rel = 0;
	/*
	 * Strictly below: an entry equal to ts points at the batch that
	 * reached it, with records before the right one in the same batch.
	 */
	rc = kb_entries_floor(&tx->e, n, le_ts, ts - 1, &slot, p);
	if (rc == KC_OK && slot >= 0)
		*rel = kb_get32(p + 8);
	if (*rel < 0)
		*rel = 0;
	return rc;
}
