/*
 * The mapped end of the active segment: space is reserved on disk before it
 * is mapped and written, so that a full disk is an error here and not a
 * SIGBUS at the copy.
 */
#include "kbroker/log/log_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

/* Growth: small at first, so that idle partitions cost little disk. */
#define STEP_MIN (64 << 10)
#define STEP_MAX (16 << 20)
/* At most this much is mapped, unless one append is larger. */
#define WINDOW (16 << 20)
/* A multiple of every page size that Linux has here. */
#define ALIGN (64 << 10)
/* Pages made present at a time, with one call instead of a fault each. */
#define POPULATE (256 << 10)

void
kb_tail_reset(struct kb_log *log, int64_t size)
{
	KC_ASSERT(log->tail.map == NULL);
	log->tail.reserved = size;
	log->tail.step = STEP_MIN;
}

int
kb_tail_unmap(struct kb_log *log)
{
	struct kb_tail *t = &log->tail;
	int rc;

	if (t->map == NULL)
		return KC_OK;
	rc = log->pl.f->unmap(t->map, t->len);
	t->map = NULL;
	return rc;
}

static int
grow(struct kb_log *log, int fd, int64_t need)
{
	struct kb_tail *t = &log->tail;
	int64_t target = KC_MAX(need, t->reserved + t->step);
	int rc;

	if (log->cfg.preallocate)
		target = KC_MAX(need, log->cfg.segment_bytes);
	else if (need <= log->cfg.segment_bytes)
		target = KC_MIN(target, log->cfg.segment_bytes);
	rc = log->pl.f->allocate(fd, t->reserved, target - t->reserved);
	if (rc == KC_ENOSPC && target > need) {
		target = need; /* the last bytes of the disk */
		rc = log->pl.f->allocate(fd, t->reserved, target - t->reserved);
	}
	if (rc != KC_OK)
		return rc;
	t->reserved = target;
	t->step = KC_MIN(t->step * 2, STEP_MAX);
	return KC_OK;
}

static int
remap(struct kb_log *log, int fd, int64_t size, int64_t need)
{
	struct kb_tail *t = &log->tail;
	int64_t end;
	void *p = NULL;
	int rc;

	if ((rc = kb_tail_unmap(log)) != KC_OK)
		return rc;
	t->from = size / ALIGN * ALIGN;
	end = KC_MIN(t->reserved, KC_MAX(need, t->from + WINDOW));
	t->len = (size_t)(end - t->from);
	if ((rc = log->pl.f->map(fd, t->from, t->len, true, &p)) != KC_OK)
		return rc;
	t->map = p;
	t->populated = t->from;
	return KC_OK;
}

int
kb_tail_room(struct kb_log *log, size_t len, int64_t now_ns)
{
	struct kb_tail *t = &log->tail;
	struct kb_segment *seg = kb_log_active(log);
	int64_t need = seg->size + (int64_t)len;
	int64_t end;
	int rc;

	KC_ASSERT(seg->file != NULL && t->reserved >= seg->size);
	t->used_ns = now_ns;
	if (need > t->reserved &&
	    (rc = grow(log, seg->file->fd, need)) != KC_OK)
		return rc;
	if (t->map == NULL || need > t->from + (int64_t)t->len) {
		rc = remap(log, seg->file->fd, seg->size, need);
		if (rc != KC_OK)
			return rc;
	}
	if (t->populated >= need)
		return KC_OK;
	end = KC_MIN(
	    t->from + (int64_t)t->len, KC_MAX(need, t->populated + POPULATE));
	rc = log->pl.f->populate(
	    t->map + (t->populated - t->from), (size_t)(end - t->populated));
	t->populated = end;
	/* Anything else than a bad disk: the copy takes its faults itself. */
	return rc == KC_EIO ? rc : KC_OK;
}
