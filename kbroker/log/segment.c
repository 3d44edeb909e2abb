#include "kbroker/log/segment.h"

#include "kbroker/log/scan.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdlib.h>

static const char *
path_of(
    char *buf, const struct kb_place *pl, int64_t base, enum kb_file_kind kind)
{
	struct kb_file_name fn = { base, kind, KB_STATE_LIVE };

	return kb_name_file(buf, pl->folder, &fn);
}

int
kb_segment_new(
    struct kb_segment **segp, const struct kb_place *pl, int64_t base)
{
	struct kb_segment *seg;

	KC_ASSERT(*segp == NULL && base >= 0);
	if ((seg = kc_new(struct kb_segment, KB_SEGMENT_MAGIC)) == NULL)
		return KC_ENOMEM;
	seg->base = base;
	seg->max_ts = -1;
	seg->max_ts_offset = base;
	seg->first_ts = -1;
	kc_lock_init(&seg->fds, 0, "segment.fds");
	kb_index_init(&seg->ix, pl->f);
	kb_time_index_init(&seg->tx, pl->f);
	kb_txn_index_init(&seg->an, pl->f);
	*segp = seg;
	return KC_OK;
}

void
kb_segment_close_fds(struct kb_segment *seg)
{
	kc_fileref_put(&seg->file);
	kb_entries_close(&seg->ix.e);
	kb_entries_close(&seg->tx.e);
	kb_entries_close(&seg->an.e);
}

void
kb_segment_free(struct kb_segment **segp)
{
	struct kb_segment *seg = *segp;

	*segp = NULL;
	if (seg == NULL)
		return;
	KC_CHECK(seg, KB_SEGMENT_MAGIC);
	kb_segment_close_fds(seg);
	kc_lock_fini(&seg->fds);
	kc_delete(seg);
}

/* Every file of a base, whatever its kind. */
static int
each_file(const struct kb_place *pl, int64_t base, enum kb_file_state from,
    const enum kb_file_state *to)
{
	char old[KB_PATH_MAX], new[KB_PATH_MAX];
	struct kb_file_name fn = { base, KB_FILE_LOG, from };
	int first = KC_OK;
	int rc, k;

	for (k = 0; k < KB_FILE_KINDS; k++) {
		fn.kind = (enum kb_file_kind)k;
		fn.state = from;
		(void)kb_name_file(old, pl->folder, &fn);
		if (to == NULL) {
			rc = pl->f->unlink(pl->dirfd, old);
		} else {
			fn.state = *to;
			rc = pl->f->rename(
			    pl->dirfd, old, kb_name_file(new, pl->folder, &fn));
		}
		if (rc != KC_ENOENT && first == KC_OK)
			first = rc;
	}
	return first;
}

int
kb_segment_rename(const struct kb_place *pl, int64_t base,
    enum kb_file_state from, enum kb_file_state to)
{
	return each_file(pl, base, from, &to);
}

int
kb_segment_unlink(
    const struct kb_place *pl, int64_t base, enum kb_file_state state)
{
	return each_file(pl, base, state, NULL);
}

static int
open_log(struct kb_segment *seg, const struct kb_place *pl, unsigned flags)
{
	char path[KB_PATH_MAX];
	int fd = -1;
	int rc;

	if (seg->file != NULL)
		return KC_OK;
	rc = pl->f->open(&fd, pl->dirfd,
	    path_of(path, pl, seg->base, KB_FILE_LOG), KC_FILE_WRITE | flags);
	if (rc != KC_OK)
		return rc;
	if ((rc = kc_fileref_new(pl->f, fd, &seg->file)) != KC_OK)
		pl->f->close(fd);
	return rc;
}

int
kb_segment_create(struct kb_segment *seg, const struct kb_place *pl)
{
	struct kb_file_name fn = { seg->base, KB_FILE_LOG, KB_STATE_LIVE };
	char path[KB_PATH_MAX];
	int rc;

	/* Not the snapshot: that is the state before base, and is true. */
	for (; fn.kind < KB_FILE_SNAPSHOT; fn.kind++) {
		rc = pl->f->unlink(
		    pl->dirfd, kb_name_file(path, pl->folder, &fn));
		if (rc != KC_OK && rc != KC_ENOENT)
			return rc;
	}
	seg->unsynced_entry = true;
	if ((rc = open_log(seg, pl, KC_FILE_CREATE)) != KC_OK)
		return rc;
	rc = kb_index_create(
	    &seg->ix, pl->dirfd, path_of(path, pl, seg->base, KB_FILE_INDEX));
	if (rc != KC_OK)
		return rc;
	return kb_time_index_create(&seg->tx, pl->dirfd,
	    path_of(path, pl, seg->base, KB_FILE_TIMEINDEX));
}

static bool
not_fit(int rc)
{
	return rc == KC_ECORRUPT || rc == KC_ENOENT;
}

int
kb_segment_load(
    struct kb_segment *seg, const struct kb_place *pl, bool *rebuild)
{
	char path[KB_PATH_MAX];
	struct kc_file_stat st;
	int rc;

	*rebuild = false;
	rc = pl->f->stat(
	    pl->dirfd, path_of(path, pl, seg->base, KB_FILE_LOG), &st);
	if (rc != KC_OK)
		return rc;
	if (st.is_dir || st.size > KB_SEGMENT_SIZE_MAX)
		return KC_ECORRUPT;
	seg->size = st.size;
	seg->created_ms = st.mtime_ms;
	rc = kb_index_open(&seg->ix, pl->dirfd,
	    path_of(path, pl, seg->base, KB_FILE_INDEX), seg->size);
	if (rc == KC_OK)
		rc = kb_time_index_open(&seg->tx, pl->dirfd,
		    path_of(path, pl, seg->base, KB_FILE_TIMEINDEX));
	if (rc == KC_OK && seg->tx.e.n > 0) {
		seg->max_ts = seg->tx.last_ts;
		seg->max_ts_offset = seg->base + seg->tx.last_rel;
	}
	if (rc == KC_OK) {
		rc = kb_txn_index_open(&seg->an, pl->dirfd,
		    path_of(path, pl, seg->base, KB_FILE_TXNINDEX), seg->base);
		rc = rc == KC_ENOENT ? KC_OK : rc;
	}
	*rebuild = not_fit(rc);
	kb_segment_close_fds(seg);
	return *rebuild ? KC_OK : rc;
}

int
kb_segment_file(struct kb_segment *seg, const struct kb_place *pl,
    int64_t now_ns, struct kc_fileref **ref)
{
	int rc;

	atomic_store_explicit(&seg->used_ns, now_ns, memory_order_relaxed);
	kc_lock_take(&seg->fds);
	if ((rc = open_log(seg, pl, 0)) == KC_OK)
		*ref = kc_fileref_get(seg->file);
	kc_lock_drop(&seg->fds);
	return rc;
}

/* Opens what is not open.  "fds" held */
static int
open_all(struct kb_segment *seg, const struct kb_place *pl)
{
	char path[KB_PATH_MAX];
	int rc;

	rc = open_log(seg, pl, 0);
	if (rc == KC_OK && seg->ix.e.fd == -1)
		rc = kb_entries_reopen(&seg->ix.e, pl->dirfd,
		    path_of(path, pl, seg->base, KB_FILE_INDEX));
	if (rc == KC_OK && seg->tx.e.fd == -1)
		rc = kb_entries_reopen(&seg->tx.e, pl->dirfd,
		    path_of(path, pl, seg->base, KB_FILE_TIMEINDEX));
	if (rc == KC_OK && seg->an.exists && seg->an.e.fd == -1)
		rc = kb_entries_reopen(&seg->an.e, pl->dirfd,
		    path_of(path, pl, seg->base, KB_FILE_TXNINDEX));
	return rc;
}

int
kb_segment_indexes(
    struct kb_segment *seg, const struct kb_place *pl, int64_t now_ns)
{
	int rc;

	atomic_store_explicit(&seg->used_ns, now_ns, memory_order_relaxed);
	kc_lock_take(&seg->fds);
	rc = open_all(seg, pl);
	kc_lock_drop(&seg->fds);
	return rc;
}

int
kb_segment_last_entry(struct kb_segment *seg)
{
	int rc;

	if (!kb_time_index_wants(&seg->tx, seg->max_ts))
		return KC_OK;
	if ((rc = kb_entries_reserve(&seg->tx.e)) != KC_OK)
		return rc;
	return kb_time_index_put(
	    &seg->tx, seg->max_ts, (int32_t)(seg->max_ts_offset - seg->base));
}

int
kb_segment_trim(
    struct kb_segment *seg, const struct kb_place *pl, int64_t now_ns)
{
	int rc;

	if ((rc = kb_segment_indexes(seg, pl, now_ns)) != KC_OK ||
	    (rc = kb_entries_cut(&seg->ix.e, seg->ix.e.n)) != KC_OK ||
	    (rc = kb_entries_cut(&seg->tx.e, seg->tx.e.n)) != KC_OK ||
	    (seg->an.exists &&
		(rc = kb_entries_cut(&seg->an.e, seg->an.e.n)) != KC_OK))
		return rc;
	return pl->f->truncate(seg->file->fd, seg->size);
}

int
kb_segment_need_txn_index(struct kb_segment *seg, const struct kb_place *pl)
{
	char path[KB_PATH_MAX];
	int rc;

	kc_lock_take(&seg->fds);
	rc = kb_txn_index_create(&seg->an, pl->dirfd,
	    path_of(path, pl, seg->base, KB_FILE_TXNINDEX));
	kc_lock_drop(&seg->fds);
	return rc;
}

int
kb_segment_sync(
    struct kb_segment *seg, const struct kb_place *pl, int64_t now_ns)
{
	int rc;

	if ((rc = kb_segment_indexes(seg, pl, now_ns)) != KC_OK)
		return rc;
	if ((rc = pl->f->fsync(seg->file->fd)) != KC_OK ||
	    (rc = pl->f->fsync(seg->ix.e.fd)) != KC_OK ||
	    (rc = pl->f->fsync(seg->tx.e.fd)) != KC_OK)
		return rc;
	return seg->an.exists ? pl->f->fsync(seg->an.e.fd) : KC_OK;
}

void
kb_segment_view(const struct kb_segment *seg, struct kb_segment_view *v)
{
	v->size = seg->size;
	v->nindex = seg->ix.e.n;
	v->ntime = seg->tx.e.n;
	v->ntxn = seg->an.e.n;
}

int
kb_segment_find(struct kb_segment *seg, const struct kb_segment_view *v,
    int64_t offset, int64_t from, struct kb_found *out)
{
	struct kb_scan sc;
	struct kc_batch b;
	int32_t at;
	int rc;

	KC_ASSERT(seg->file != NULL);
	if (from < 0) {
		rc = kb_index_find(&seg->ix, v->nindex,
		    (int32_t)KC_MIN(offset - seg->base, INT32_MAX), &at);
		if (rc != KC_OK)
			return rc;
		from = at;
	}
	kb_scan_init(&sc, seg->ix.e.f, seg->file->fd, v->size);
	while ((rc = kb_scan_head(&sc, from, &b)) == KC_OK) {
		if (kc_batch_last_offset(&b) >= offset)
			break;
		from += (int64_t)b.size;
	}
	if (rc != KC_OK)
		return rc;
	out->pos = from;
	out->size = (int64_t)b.size;
	out->base_offset = b.base_offset;
	out->last_offset = kc_batch_last_offset(&b);
	out->max_ts = b.max_timestamp;
	return KC_OK;
}

int
kb_segment_boundary(struct kb_segment *seg, const struct kb_segment_view *v,
    int64_t from, int64_t limit, int64_t *pos, int64_t *end)
{
	struct kb_scan sc;
	struct kc_batch b;
	int64_t at = from;
	int32_t hint;
	int rc;

	rc = kb_index_find_pos(&seg->ix, v->nindex, limit, &hint);
	if (rc != KC_OK)
		return rc;
	at = KC_MAX(at, hint);
	kb_scan_init(&sc, seg->ix.e.f, seg->file->fd, v->size);
	for (;;) {
		/* The batch at "at" tells where its own offsets begin. */
		if ((rc = kb_scan_head(&sc, at, &b)) != KC_OK)
			return rc;
		*pos = at;
		*end = b.base_offset;
		if (at + (int64_t)b.size > limit)
			return KC_OK;
		at += (int64_t)b.size;
	}
}
