#include "kbroker/log/index.h"

#include "kbroker/log/bytes.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

void
kb_index_init(struct kb_index *ix, const struct kc_file_ops *f)
{
	kb_entries_init(&ix->e, f, KB_INDEX_ENTRY);
	ix->last_rel = -1;
	ix->last_pos = 0;
}

static int
load_last(struct kb_index *ix)
{
	uint8_t p[KB_INDEX_ENTRY];
	int rc;

	ix->last_rel = -1;
	ix->last_pos = 0;
	if (ix->e.n == 0)
		return KC_OK;
	if ((rc = kb_entries_read(&ix->e, ix->e.n - 1, p)) != KC_OK)
		return rc;
	ix->last_rel = kb_get32(p);
	ix->last_pos = kb_get32(p + 4);
	return KC_OK;
}

int
kb_index_open(
    struct kb_index *ix, int dirfd, const char *path, int64_t log_size)
{
	int rc;

	if ((rc = kb_entries_open(&ix->e, dirfd, path, false)) != KC_OK)
		return rc;
	if ((rc = load_last(ix)) != KC_OK)
		goto fail;
	/*
	 * The first append of a segment never has an entry, so neither number
	 * can be 0: that is space which was reserved and not used.
	 */
	if (ix->e.n > 0 &&
	    (ix->last_rel <= 0 || ix->last_pos <= 0 ||
		ix->last_pos >= log_size)) {
		rc = KC_ECORRUPT;
		goto fail;
	}
	return KC_OK;

fail:
	kb_entries_close(&ix->e);
	return rc;
}

int
kb_index_create(struct kb_index *ix, int dirfd, const char *path)
{
	int rc;

	kb_entries_close(&ix->e);
	rc = kb_entries_open(&ix->e, dirfd, path, true);
	if (rc == KC_ECORRUPT) {
		/* A length that is no multiple: it is emptied anyway. */
		rc = ix->e.f->open(
		    &ix->e.fd, dirfd, path, KC_FILE_WRITE | KC_FILE_TRUNC);
		ix->e.fd = rc == KC_OK ? ix->e.fd : -1;
		ix->e.reserved = 0;
	}
	if (rc != KC_OK)
		return rc;
	ix->last_rel = -1;
	ix->last_pos = 0;
	return kb_entries_cut(&ix->e, 0);
}

int
kb_index_put(struct kb_index *ix, int32_t rel, int32_t pos)
{
	uint8_t p[KB_INDEX_ENTRY];
	int rc;

	KC_ASSERT(rel > ix->last_rel && pos > ix->last_pos);
	kb_put32(p, rel);
	kb_put32(p + 4, pos);
	if ((rc = kb_entries_write(&ix->e, ix->e.n, p)) != KC_OK)
		return rc;
	ix->e.n++;
	ix->last_rel = rel;
	ix->last_pos = pos;
	return KC_OK;
}

static bool
le_rel(const uint8_t *p, int64_t key)
{
	return kb_get32(p) <= key;
}

static bool
le_pos(const uint8_t *p, int64_t key)
{
	return kb_get32(p + 4) <= key;
}

int
kb_index_truncate(struct kb_index *ix, int32_t rel)
{
	uint8_t p[KB_INDEX_ENTRY];
	int32_t slot;
	int rc;

	rc = kb_entries_floor(
	    &ix->e, ix->e.n, le_rel, (int64_t)rel - 1, &slot, p);
	if (rc != KC_OK || (rc = kb_entries_cut(&ix->e, slot + 1)) != KC_OK)
		return rc;
	return load_last(ix);
}

static int
find(const struct kb_index *ix, int32_t n, bool (*le)(const uint8_t *, int64_t),
    int64_t key, int32_t *pos)
{
	uint8_t p[KB_INDEX_ENTRY];
	int32_t slot;
	int rc;

	*pos = 0;
	rc = kb_entries_floor(&ix->e, n, le, key, &slot, p);
	if (rc == KC_OK && slot >= 0)
		*pos = kb_get32(p + 4);
	/* A broken entry must not send us outside the file. */
	if (*pos < 0)
		*pos = 0;
	return rc;
}

int
kb_index_find(const struct kb_index *ix, int32_t n, int32_t rel, int32_t *pos)
{
	return find(ix, n, le_rel, rel, pos);
}

int
kb_index_find_pos(
    const struct kb_index *ix, int32_t n, int64_t limit, int32_t *pos)
{
	return find(ix, n, le_pos, limit, pos);
}
