/* Reading segments and writing one anew, for compaction. */
#include <stdlib.h>

#include "kbroker/log/clean_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

int
kb_clean_in_open(struct kb_clean_in *in, struct kb_log *log,
    const struct kb_clean_means *means, struct kb_segment *seg, int64_t limit)
{
	*in = (struct kb_clean_in){ .log = log,
		.means = means,
		.end = seg->size,
		.next = seg->base,
		.limit = limit };
	return kb_segment_file(seg, &log->pl, kb_log_now_ns(log), &in->file);
}

void
kb_clean_in_close(struct kb_clean_in *in)
{
	kc_fileref_put(&in->file);
	free(in->buf);
	in->buf = NULL;
}

/*
 * At least want bytes at in->pos.  The buffer grows for a batch that does not
 * fit and shrinks again with the next one that does.
 */
static int
fill(struct kb_clean_in *in, size_t want)
{
	size_t cap = KC_MAX(in->means->buffer, want);
	size_t have = in->pos >= in->at && in->pos < in->at + (int64_t)in->n ?
	    (size_t)(in->at + (int64_t)in->n - in->pos) :
	    0;
	uint8_t *p;
	int rc;

	if (have >= want)
		return KC_OK;
	if (cap != in->cap) {
		free(in->buf);
		in->cap = in->n = 0;
		if ((p = in->buf = malloc(cap)) == NULL)
			return KC_ENOMEM;
		in->cap = cap;
	}
	cap = (size_t)KC_MIN((int64_t)cap, in->end - in->pos);
	in->at = in->pos;
	rc = in->log->pl.f->pread(in->file->fd, in->buf, cap, in->at, &in->n);
	if (rc != KC_OK)
		return rc;
	if (in->n < cap)
		return KC_ECORRUPT; /* somebody cut the file */
	return in->means->spent(in->means->arg, in->log, cap);
}

static const uint8_t *
here(const struct kb_clean_in *in)
{
	return in->buf + (in->pos - in->at);
}

/* Offsets rise, and stay inside the segment. */
static bool
in_order(const struct kb_clean_in *in, const struct kc_batch *b)
{
	int64_t first = b->base_offset;

	return first >= in->next && b->last_delta >= 0 &&
	    first <= INT64_MAX - b->last_delta - 1 &&
	    kc_batch_last_offset(b) < in->limit;
}

int
kb_clean_in_next(struct kb_clean_in *in, struct kc_batch *b)
{
	int64_t left = in->end - in->pos;
	int rc;

	if (left == 0)
		return KC_ENOENT;
	if (left < KC_BATCH_TO_MAGIC)
		return KC_ECORRUPT;
	rc = fill(in, (size_t)KC_MIN(left, KC_BATCH_OVERHEAD));
	if (rc != KC_OK)
		return rc;
	/* Parsing reads the fixed header only, which is in the buffer. */
	if (kc_batch_parse(here(in), (size_t)left, b) != KC_OK)
		return KC_ECORRUPT;
	if ((rc = fill(in, b->size)) != KC_OK)
		return rc;
	b->p = here(in);
	if (!in_order(in, b))
		return KC_ECORRUPT;
	in->pos += (int64_t)b->size;
	in->next = kc_batch_last_offset(b) + 1;
	return kc_batch_check_crc(b);
}

void
kb_clean_iter_open(struct kb_clean_iter *it, const struct kc_batch *b,
    struct kc_compress_ctx *ctx)
{
	it->old = b->magic < 2;
	it->batch = *b;
	if (it->old)
		kc_legacy_iter_open(&it->u.old, b, KC_RECORD_HELD_MAX, ctx);
	else
		kc_iter_open(&it->u.v2, b, KC_ITER_FULL, ctx);
}

/* Offsets of records are under a checksum, but any producer's. */
static bool
inside(const struct kb_clean_iter *it, const struct kc_record *rec)
{
	return rec->offset >= (it->old ? 0 : it->batch.base_offset) &&
	    rec->offset <= kc_batch_last_offset(&it->batch);
}

bool
kb_clean_iter_next(struct kb_clean_iter *it, struct kc_record *rec)
{
	int *err = it->old ? &it->u.old.err : &it->u.v2.err;

	if (!(it->old ? kc_legacy_iter_next(&it->u.old, rec) :
			kc_iter_next(&it->u.v2, rec)))
		return false;
	if (inside(it, rec))
		return true;
	*err = KC_ECORRUPT;
	return false;
}

int
kb_clean_iter_close(struct kb_clean_iter *it)
{
	return it->old ? kc_legacy_iter_close(&it->u.old) :
			 kc_iter_close(&it->u.v2);
}

static const char *
cleaned_path(char *buf, const struct kb_clean_out *out, enum kb_file_kind kind)
{
	struct kb_file_name fn = { out->seg->base, kind, KB_STATE_CLEANED };

	return kb_name_file(buf, out->log->pl.folder, &fn);
}

static int
make_files(struct kb_clean_out *out)
{
	const struct kb_place *pl = &out->log->pl;
	struct kb_segment *seg = out->seg;
	char path[KB_PATH_MAX];
	int fd = -1;
	int rc;

	/* What an attempt left behind that could not tidy up. */
	rc = kb_segment_unlink(pl, seg->base, KB_STATE_CLEANED);
	if (rc != KC_OK && rc != KC_ENOENT)
		return rc;
	rc = pl->f->open(&fd, pl->dirfd, cleaned_path(path, out, KB_FILE_LOG),
	    KC_FILE_WRITE | KC_FILE_CREATE | KC_FILE_EXCL);
	if (rc != KC_OK)
		return rc;
	if ((rc = kc_fileref_new(pl->f, fd, &seg->file)) != KC_OK) {
		pl->f->close(fd);
		return rc;
	}
	if ((rc = kb_index_create(&seg->ix, pl->dirfd,
		 cleaned_path(path, out, KB_FILE_INDEX))) != KC_OK ||
	    (rc = kb_time_index_create(&seg->tx, pl->dirfd,
		 cleaned_path(path, out, KB_FILE_TIMEINDEX))) != KC_OK ||
	    (rc = kb_entries_bulk(&seg->ix.e)) != KC_OK)
		return rc;
	return kb_entries_bulk(&seg->tx.e);
}

int
kb_clean_out_open(struct kb_clean_out *out, struct kb_log *log,
    const struct kb_clean_means *means, int64_t base)
{
	int rc;

	*out = (struct kb_clean_out){ .log = log, .means = means };
	kc_wr_init(&out->w, 0);
	if ((rc = kb_segment_new(&out->seg, &log->pl, base)) != KC_OK)
		return rc;
	out->seg->created_ms = kb_log_now_ms(log);
	if ((rc = make_files(out)) != KC_OK)
		kb_clean_out_close(out);
	return rc;
}

/*
 * Now and then, so that the last sync, for which a truncation may have to
 * wait, is short, and a gigabyte does not come to the disk at once.
 */
#define SYNC_STEP (32 << 20)

static int
sync_data(struct kb_clean_out *out)
{
	if (out->flushed - out->synced < SYNC_STEP)
		return KC_OK;
	out->synced = out->flushed;
	return out->log->pl.f->fdatasync(out->seg->file->fd);
}

static int
flush_data(struct kb_clean_out *out)
{
	size_t n = out->w.len;
	int rc;

	if (n == 0)
		return KC_OK;
	rc = out->log->pl.f->pwrite(
	    out->seg->file->fd, out->w.p, n, out->flushed);
	if (rc != KC_OK)
		return rc;
	out->flushed += (int64_t)n;
	if ((rc = sync_data(out)) != KC_OK)
		return rc;
	/* One that had to be large is not kept. */
	if (out->w.cap > 4 * out->means->buffer) {
		kc_wr_fini(&out->w);
		kc_wr_init(&out->w, 0);
	}
	kc_wr_reset(&out->w);
	return out->means->spent(out->means->arg, out->log, n);
}

int
kb_clean_out_put(struct kb_clean_out *out, size_t at)
{
	struct kb_segment *seg = out->seg;
	int64_t pos = seg->size;
	struct kc_batch b;
	int rc;

	if (out->w.err != KC_OK)
		return out->w.err;
	KC_ASSERT(kc_batch_parse(out->w.p + at, out->w.len - at, &b) == KC_OK &&
	    at + b.size == out->w.len);
	/* Delete horizons make timestamps longer, and so a segment larger. */
	if (pos + (int64_t)b.size > KB_SEGMENT_SIZE_MAX ||
	    kc_batch_last_offset(&b) - seg->base > INT32_MAX)
		return KC_ELIMIT;
	if ((rc = kb_log_index_batch(out->log, seg, &b, pos)) != KC_OK)
		return rc;
	seg->size = pos + (int64_t)b.size;
	return out->w.len >= out->means->buffer ? flush_data(out) : KC_OK;
}

int
kb_clean_out_aborted(struct kb_clean_out *out, const struct kb_aborted_txn *a)
{
	char path[KB_PATH_MAX];
	int rc;

	rc = kb_txn_index_create(&out->seg->an, out->log->pl.dirfd,
	    cleaned_path(path, out, KB_FILE_TXNINDEX));
	return rc == KC_OK ? kb_txn_index_put(&out->seg->an, a) : rc;
}

int
kb_clean_out_finish(struct kb_clean_out *out, int64_t mtime_ms)
{
	const struct kb_place *pl = &out->log->pl;
	struct kb_segment *seg = out->seg;
	int rc;

	if ((rc = flush_data(out)) != KC_OK ||
	    (rc = kb_entries_flush(&seg->ix.e)) != KC_OK ||
	    (rc = kb_entries_flush(&seg->tx.e)) != KC_OK ||
	    (rc = kb_segment_last_entry(seg)) != KC_OK ||
	    (rc = kb_entries_cut(&seg->tx.e, seg->tx.e.n)) != KC_OK ||
	    (rc = pl->f->set_mtime(seg->file->fd, mtime_ms)) != KC_OK)
		return rc;
	KC_ASSERT(seg->size == out->flushed);
	return kb_segment_sync(seg, pl, kb_log_now_ns(out->log));
}

void
kb_clean_out_close(struct kb_clean_out *out)
{
	struct kb_segment *seg = out->seg;

	if (seg != NULL) {
		kb_segment_close_fds(seg);
		/* Whatever stays goes with the next start. */
		(void)kb_segment_unlink(
		    &out->log->pl, seg->base, KB_STATE_CLEANED);
	}
	kb_segment_free(&out->seg);
	kc_wr_fini(&out->w);
}
