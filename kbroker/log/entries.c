#include "kbroker/log/entries.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdlib.h>
#include <string.h>

/* Reserved at a time: a page, enough for 2 MiB of log. */
#define RESERVE_STEP 4096

/* Gathered before a write while an index is rebuilt. */
#define BULK (64 * 1024)

/* The last bisections happen in one block of this many bytes. */
#define BLOCK 4096

void
kb_entries_init(
    struct kb_entries *e, const struct kc_file_ops *f, uint32_t entry)
{
	KC_ASSERT(entry > 0 && entry <= KB_ENTRY_MAX);
	memset(e, 0, sizeof *e);
	e->f = f;
	e->fd = -1;
	e->entry = entry;
}

int
kb_entries_open(struct kb_entries *e, int dirfd, const char *path, bool create)
{
	struct kc_file_stat st;
	unsigned flags = KC_FILE_WRITE | (create ? KC_FILE_CREATE : 0);
	int rc;

	if (e->fd != -1)
		return KC_OK;
	if ((rc = e->f->open(&e->fd, dirfd, path, flags)) != KC_OK) {
		e->fd = -1;
		return rc;
	}
	if ((rc = e->f->fstat(e->fd, &st)) == KC_OK &&
	    (st.size % e->entry != 0 || st.size / e->entry > INT32_MAX))
		rc = KC_ECORRUPT;
	if (rc != KC_OK) {
		kb_entries_close(e);
		return rc;
	}
	e->n = (int32_t)(st.size / e->entry);
	e->reserved = st.size;
	return KC_OK;
}

void
kb_entries_close(struct kb_entries *e)
{
	if (e->fd != -1)
		e->f->close(e->fd);
	e->fd = -1;
	free(e->bulk);
	e->bulk = NULL;
	e->nbulk = 0;
}

int
kb_entries_reopen(struct kb_entries *e, int dirfd, const char *path)
{
	int rc;

	if (e->fd != -1)
		return KC_OK;
	rc = e->f->open(&e->fd, dirfd, path, KC_FILE_WRITE);
	if (rc != KC_OK)
		e->fd = -1;
	return rc;
}

int
kb_entries_reserve(struct kb_entries *e)
{
	int64_t need = ((int64_t)e->n + 1) * e->entry;
	int64_t step = RESERVE_STEP / e->entry * e->entry;
	int rc;

	KC_ASSERT(e->fd != -1);
	if (need <= e->reserved || e->bulk != NULL)
		return KC_OK;
	rc = e->f->allocate(e->fd, e->reserved, step);
	if (rc != KC_OK)
		return rc;
	e->reserved += step;
	return KC_OK;
}

int
kb_entries_bulk(struct kb_entries *e)
{
	KC_ASSERT(e->bulk == NULL);
	e->nbulk = 0;
	return (e->bulk = malloc(BULK)) == NULL ? KC_ENOMEM : KC_OK;
}

/* What has gathered goes to the end of the file. */
static int
write_bulk(struct kb_entries *e)
{
	int64_t end = (int64_t)e->n * e->entry;
	int rc;

	rc = e->f->pwrite(e->fd, e->bulk, e->nbulk, end - (int64_t)e->nbulk);
	e->nbulk = 0;
	e->reserved = KC_MAX(e->reserved, end);
	return rc;
}

int
kb_entries_flush(struct kb_entries *e)
{
	int rc = KC_OK;

	if (e->bulk != NULL && e->nbulk > 0)
		rc = write_bulk(e);
	free(e->bulk);
	e->bulk = NULL;
	return rc;
}

int
kb_entries_write(struct kb_entries *e, int32_t slot, const void *p)
{
	int rc = KC_OK;

	KC_ASSERT(e->fd != -1 && slot >= 0 && slot <= e->n);
	if (e->bulk == NULL)
		return e->f->pwrite(
		    e->fd, p, e->entry, (int64_t)slot * e->entry);
	KC_ASSERT(slot == e->n);
	if (e->nbulk + e->entry > BULK)
		rc = write_bulk(e);
	memcpy(e->bulk + e->nbulk, p, e->entry);
	e->nbulk += e->entry;
	return rc;
}

/* Bytes that are not there mean that somebody cut the file. */
static int
read_at(const struct kb_entries *e, int32_t slot, int32_t count, void *p)
{
	size_t len = (size_t)count * e->entry;
	size_t n = 0;
	int rc;

	KC_ASSERT(e->fd != -1);
	rc = e->f->pread(e->fd, p, len, (int64_t)slot * e->entry, &n);
	if (rc == KC_OK && n < len)
		rc = KC_ECORRUPT;
	return rc;
}

int
kb_entries_read(const struct kb_entries *e, int32_t slot, void *p)
{
	return read_at(e, slot, 1, p);
}

int
kb_entries_cut(struct kb_entries *e, int32_t n)
{
	int64_t size = (int64_t)n * e->entry;
	int rc;

	KC_ASSERT(e->fd != -1);
	if (size != e->reserved) {
		if ((rc = e->f->truncate(e->fd, size)) != KC_OK)
			return rc;
	}
	/* A trim changes no count; readers look at it under "lock" alone. */
	if (e->n != n)
		e->n = n;
	e->reserved = size;
	return KC_OK;
}

int
kb_entries_floor(const struct kb_entries *e, int32_t n,
    bool (*le)(const uint8_t *p, int64_t key), int64_t key, int32_t *slot,
    uint8_t *p)
{
	int32_t block = (int32_t)(BLOCK / e->entry);
	uint8_t buf[BLOCK];
	int32_t lo = 0, hi = n; /* the answer is lo - 1 when they meet */
	int32_t mid, first, count;
	int rc;

	*slot = -1;
	while (hi - lo >= block) {
		mid = lo + (hi - lo) / 2;
		if ((rc = kb_entries_read(e, mid, buf)) != KC_OK)
			return rc;
		if (le(buf, key))
			lo = mid + 1;
		else
			hi = mid;
	}
	/* One entry before lo as well: it may be the answer. */
	first = lo > 0 ? lo - 1 : 0;
	count = KC_MIN(hi - first, block);
	if (count == 0)
		return KC_OK;
	if ((rc = read_at(e, first, count, buf)) != KC_OK)
		return rc;
	lo = 0;
	hi = count;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (le(buf + (size_t)mid * e->entry, key))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return KC_OK;
	*slot = first + lo - 1;
	memcpy(p, buf + (size_t)(lo - 1) * e->entry, e->entry);
	return KC_OK;
}
