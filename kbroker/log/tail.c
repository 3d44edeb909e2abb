/*
 * The end of the active segment: space is reserved on disk before it is
 * written, so that a full disk is an error here and not a SIGBUS at the copy
 * into the map.
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
/* A segment of this size is worth work ahead of its writer. */
#define AHEAD_FROM (1 << 20)

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
	return KC_OK;
}

int
kb_tail_room(struct kb_log *log, size_t len, int64_t now_ns)
{
	struct kb_tail *t = &log->tail;
	struct kb_segment *seg = kb_log_active(log);
	int64_t need = seg->size + (int64_t)len;
	int rc;

	KC_ASSERT(seg->file != NULL && t->reserved >= seg->size);
	t->used_ns = now_ns;
	if (need > t->reserved &&
	    (rc = grow(log, seg->file->fd, need)) != KC_OK)
		return rc;
	if (len < KB_TAIL_WRITE &&
	    (t->map == NULL || need > t->from + (int64_t)t->len))
		return remap(log, seg->file->fd, seg->size, need);
	return KC_OK;
}

/* Half of the last step is used up. */
static bool
wants_space(const struct kb_log *log, int64_t size)
{
	const struct kb_tail *t = &log->tail;

	return t->reserved - size < t->step / 4 &&
	    t->reserved < log->cfg.segment_bytes;
}

bool
kb_tail_wants_ahead(const struct kb_log *log)
{
	int64_t size = kb_log_active(log)->size;

	return size >= AHEAD_FROM && wants_space(log, size);
}

/* What space was reserved without the lock: count it, or give it back. */
static int
settle_ahead(
    struct kb_log *log, struct kb_segment *seg, int64_t from, int64_t target)
{
	struct kb_tail *t = &log->tail;

	if (log->nseg == 0 || kb_log_active(log) != seg)
		/*
		 * Rolled meanwhile.  No recovery point has passed this: it is
		 * this very thread that moves them.
		 */
		return log->pl.f->truncate(seg->file->fd, seg->size);
	if (t->reserved == from) {
		t->reserved = target;
		t->step = KC_MIN(t->step * 2, STEP_MAX);
	}
	return KC_OK;
}

int
kb_tail_ahead(struct kb_log *log)
{
	struct kb_segment *seg = NULL;
	int64_t from = 0, target = 0;
	int rc = KC_OK;

	kc_lock_take(&log->write);
	if (kb_log_usable(log) && log->nseg > 0 &&
	    kb_log_active(log)->file != NULL &&
	    wants_space(log, kb_log_active(log)->size)) {
		from = log->tail.reserved;
		target = KC_MIN(from + log->tail.step, log->cfg.segment_bytes);
		kc_lock_take(&log->lock);
		seg = kb_log_segment_ref(kb_log_active(log));
		kc_lock_drop(&log->lock);
	}
	kc_lock_drop(&log->write);
	if (seg != NULL) {
		/* May wait for the journal, which is why it is done here. */
		rc = log->pl.f->allocate(seg->file->fd, from, target - from);
		kc_lock_take(&log->write);
		if (rc == KC_OK)
			rc = settle_ahead(log, seg, from, target);
		kc_lock_drop(&log->write);
		kb_log_segment_unref(log, &seg);
	}
	/* A full disk is told to who needs the space. */
	return rc == KC_ENOSPC ? KC_OK : rc;
}
