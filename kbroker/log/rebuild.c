/*
 * Reading a segment from its first byte: every checksum, and everything that
 * is derived from the log anew.  Memory is one buffer, whatever the size of a
 * batch.
 */
#include "kbroker/log/bytes.h"
#include "kbroker/log/log_priv.h"
#include "kcommon/base/err.h"
#include "kcommon/crc/crc32c.h"

#include <stdlib.h>
#include <zlib.h>

#define CHUNK (1 << 20)

/* A sliding window over a file. */
struct window {
	const struct kc_file_ops *f;
	int fd;
	int64_t end;
	int64_t at; /* file position of buf[0] */
	size_t n;
	uint8_t *buf; /* CHUNK bytes; owned */
};

/* Up to CHUNK bytes at pos, at least min(want, left): *p and *n. */
static int
window_get(
    struct window *w, int64_t pos, size_t want, const uint8_t **p, size_t *n)
{
	size_t left = (size_t)KC_MIN(w->end - pos, CHUNK);
	int rc;

	want = KC_MIN(want, left);
	if (pos < w->at || pos + (int64_t)want > w->at + (int64_t)w->n) {
		w->at = pos;
		rc = w->f->pread(w->fd, w->buf, left, pos, &w->n);
		if (rc != KC_OK)
			return rc;
		if (w->n < left)
			return KC_EIO; /* cut under us */
	}
	*p = w->buf + (pos - w->at);
	*n = w->n - (size_t)(pos - w->at);
	return KC_OK;
}

/* Checksum of [from, to) of the file. */
static int
checksum(
    struct window *w, int64_t from, int64_t to, bool castagnoli, uint32_t *crc)
{
	const uint8_t *p;
	size_t n;
	int rc;

	*crc = 0;
	while (from < to) {
		rc = window_get(w, from, 1, &p, &n);
		if (rc != KC_OK)
			return rc;
		n = (size_t)KC_MIN((int64_t)n, to - from);
		*crc = castagnoli ? kc_crc32c(*crc, p, n) :
				    (uint32_t)crc32(*crc, p, (uInt)n);
		from += (int64_t)n;
	}
	return KC_OK;
}

/* Legacy entries: the checksum is at 12 and covers what follows it. */
#define LEGACY_AT_CRC 12
#define LEGACY_CRC_FROM 16

/*
 * The batch at pos.  KC_ECRC, KC_EMALFORMED, KC_ESHORT: it is bad; b->p is
 * whole when the batch is not larger than a chunk.
 */
static int
take_batch(struct window *w, int64_t pos, struct kc_batch *b)
{
	int64_t left = w->end - pos;
	uint32_t want, crc;
	const uint8_t *p;
	size_t n;
	int rc;

	if ((rc = window_get(w, pos, KC_BATCH_OVERHEAD, &p, &n)) != KC_OK)
		return rc;
	if ((rc = kc_batch_parse(p, (size_t)left, b)) != KC_OK)
		return rc;
	if (b->size <= CHUNK) {
		if ((rc = window_get(w, pos, b->size, &p, &n)) != KC_OK)
			return rc;
		b->p = p;
		return kc_batch_check_crc(b);
	}
	want = b->magic == 2 ? b->crc : (uint32_t)kb_get32(p + LEGACY_AT_CRC);
	rc = checksum(w,
	    pos + (b->magic == 2 ? KC_BATCH_AT_ATTRIBUTES : LEGACY_CRC_FROM),
	    pos + (int64_t)b->size, b->magic == 2, &crc);
	b->p = NULL;
	return rc == KC_OK && crc != want ? KC_ECRC : rc;
}

static bool
offsets_fit(
    const struct kb_segment *seg, const struct kc_batch *b, int64_t next)
{
	int64_t last = kc_batch_last_offset(b);

	return b->last_delta >= 0 && b->base_offset >= next &&
	    last >= b->base_offset && last - seg->base <= INT32_MAX;
}

/* Empty indexes, ready to take many entries. */
static int
open_indexes(struct kb_log *log, struct kb_segment *seg)
{
	struct kb_file_name fn = { seg->base, KB_FILE_INDEX, KB_STATE_LIVE };
	char path[KB_PATH_MAX];
	int rc;

	kb_segment_close_fds(seg);
	rc = kb_index_create(
	    &seg->ix, log->pl.dirfd, kb_name_file(path, log->pl.folder, &fn));
	if (rc != KC_OK)
		return rc;
	fn.kind = KB_FILE_TIMEINDEX;
	rc = kb_time_index_create(
	    &seg->tx, log->pl.dirfd, kb_name_file(path, log->pl.folder, &fn));
	if (rc != KC_OK)
		return rc;
	fn.kind = KB_FILE_TXNINDEX;
	rc = log->pl.f->unlink(
	    log->pl.dirfd, kb_name_file(path, log->pl.folder, &fn));
	if (rc != KC_OK && rc != KC_ENOENT)
		return rc;
	kb_txn_index_init(&seg->an, log->pl.f);
	if ((rc = kb_entries_bulk(&seg->ix.e)) != KC_OK ||
	    (rc = kb_entries_bulk(&seg->tx.e)) != KC_OK)
		return rc;
	return kb_segment_indexes(seg, &log->pl, kb_log_now_ns(log));
}

int
kb_log_index_batch(struct kb_log *log, struct kb_segment *seg,
    const struct kc_batch *b, int64_t pos)
{
	int64_t last = kc_batch_last_offset(b);
	int rc;

	if (pos == 0)
		seg->first_ts = b->max_timestamp;
	if (b->max_timestamp > seg->max_ts) {
		seg->max_ts = b->max_timestamp;
		seg->max_ts_offset = last;
	}
	if (seg->since_index > log->cfg.index_interval_bytes) {
		rc = kb_index_put(
		    &seg->ix, (int32_t)(last - seg->base), (int32_t)pos);
		if (rc == KC_OK)
			rc = kb_time_index_put(&seg->tx, seg->max_ts,
			    (int32_t)(seg->max_ts_offset - seg->base));
		if (rc != KC_OK)
			return rc;
		seg->since_index = 0;
	}
	seg->since_index += (int64_t)b->size;
	return KC_OK;
}

static int
note(struct kb_log *log, struct kb_segment *seg, const struct kc_batch *b)
{
	bool marker = kc_batch_control(b) && kc_batch_has_producer(b);
	int rc;

	if (b->leader_epoch > kb_epochs_latest(&log->ep)) {
		rc =
		    kb_epochs_assign(&log->ep, b->leader_epoch, b->base_offset);
		if (rc != KC_OK)
			return rc;
	}
	if (marker) {
		if (b->p == NULL)
			return KC_OK; /* a megabyte is no marker */
		if ((rc = kb_segment_need_txn_index(seg, &log->pl)) != KC_OK)
			return rc;
	}
	rc = kb_log_note_batch(&log->ps, marker ? seg : NULL, b);
	log->ps.end = kc_batch_last_offset(b) + 1;
	return rc;
}

static int
walk(struct kb_log *log, struct kb_segment *seg, struct window *w,
    int64_t *valid, int64_t *next)
{
	struct kc_batch b;
	int64_t pos = 0;
	int rc;

	*next = seg->base;
	for (*valid = 0; pos < w->end; *valid = pos) {
		rc = take_batch(w, pos, &b);
		if (rc == KC_ECRC || rc == KC_EMALFORMED || rc == KC_ESHORT)
			return KC_OK;
		if (rc != KC_OK)
			return rc;
		if (!offsets_fit(seg, &b, *next))
			return KC_OK;
		if ((rc = kb_log_index_batch(log, seg, &b, pos)) != KC_OK ||
		    (rc = note(log, seg, &b)) != KC_OK)
			return rc;
		*next = kc_batch_last_offset(&b) + 1;
		pos += (int64_t)b.size;
	}
	return KC_OK;
}

int
kb_log_rebuild_segment(
    struct kb_log *log, struct kb_segment *seg, int64_t *valid, int64_t *next)
{
	struct window w = { .f = log->pl.f, .end = seg->size };
	int rc, rc2;

	if ((rc = open_indexes(log, seg)) != KC_OK)
		return rc;
	if ((w.buf = malloc(CHUNK)) == NULL)
		return KC_ENOMEM;
	w.fd = seg->file->fd;
	seg->max_ts = -1;
	seg->max_ts_offset = seg->base;
	seg->since_index = 0;
	rc = walk(log, seg, &w, valid, next);
	free(w.buf);
	rc2 = kb_entries_flush(&seg->ix.e);
	rc = rc == KC_OK ? rc2 : rc;
	rc2 = kb_entries_flush(&seg->tx.e);
	rc = rc == KC_OK ? rc2 : rc;
	if (rc == KC_OK)
		rc = kb_segment_last_entry(seg);
	if (rc == KC_OK &&
	    seg->tx.e.n * KB_TIME_INDEX_ENTRY < seg->tx.e.reserved)
		rc = kb_entries_cut(&seg->tx.e, seg->tx.e.n);
	seg->since_index = 0;
	return rc;
}
