/* The state of producers from snapshots and the log. */
#include "kbroker/log/log_priv.h"
#include "kbroker/log/scan.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

#include <stdlib.h>

/* A transaction's marker is 78 bytes; what is larger is none. */
#define MARKER_MAX 1024

/* The whole of a control batch, whose header was scanned at pos. */
static int
read_marker(
    const struct kb_scan *sc, int64_t pos, uint8_t *buf, struct kc_batch *b)
{
	size_t n;
	int rc;

	if (b->size > MARKER_MAX)
		return KC_ECORRUPT;
	rc = sc->f->pread(sc->fd, buf, b->size, pos, &n);
	if (rc != KC_OK)
		return rc;
	return n == b->size ? kc_batch_parse(buf, n, b) : KC_ECORRUPT;
}

static int
replay_segment(struct kb_log *log, struct kb_segment *seg,
    struct kb_producers *ps, int64_t offset)
{
	uint8_t buf[MARKER_MAX];
	struct kb_segment_view v;
	struct kb_found f = { 0 };
	struct kb_scan sc;
	struct kc_batch b;
	int64_t pos;
	int rc;

	rc = kb_segment_indexes(seg, &log->pl, kb_log_now_ns(log));
	if (rc != KC_OK)
		return rc;
	kb_segment_view(seg, &v);
	rc = kb_segment_find(seg, &v, KC_MAX(ps->end, seg->base), -1, &f);
	if (rc != KC_OK)
		return rc == KC_ENOENT ? KC_OK : rc;
	kb_scan_init(&sc, log->pl.f, seg->file->fd, v.size);
	for (pos = f.pos; (rc = kb_scan_head(&sc, pos, &b)) == KC_OK;
	     pos += (int64_t)b.size) {
		if (b.base_offset >= offset)
			return KC_OK;
		if (kc_batch_control(&b) &&
		    read_marker(&sc, pos, buf, &b) == KC_EIO)
			return KC_EIO;
		if (kc_batch_control(&b) && b.p != buf)
			continue; /* not one of ours */
		rc = kb_log_note_batch(ps, NULL, &b);
		if (rc != KC_OK)
			return rc;
		ps->end = kc_batch_last_offset(&b) + 1;
	}
	return rc == KC_ENOENT ? KC_OK : rc;
}

int
kb_log_replay(struct kb_log *log, struct kb_producers *ps, int64_t offset)
{
	int rc = KC_OK;
	int i;

	for (i = KC_MAX(kb_log_segment_at(log, ps->end), 0);
	     rc == KC_OK && i < log->nseg && log->seg[i]->base < offset; i++)
		rc = replay_segment(log, log->seg[i], ps, offset);
	if (rc == KC_OK)
		ps->end = offset;
	return rc;
}

/* The newest snapshot that can be read; corrupt ones are deleted. */
static int
load_newest(struct kb_log *log, struct kb_producers *ps, bool *found)
{
	struct kb_files fs = { 0 };
	char path[KB_PATH_MAX];
	int rc;
	int i;

	*found = false;
	rc = kb_files_list(&fs, &log->pl);
	for (i = fs.n - 1; rc == KC_OK && i >= 0 && !*found; i--) {
		if (fs.v[i].kind != KB_FILE_SNAPSHOT ||
		    fs.v[i].state != KB_STATE_LIVE)
			continue;
		(void)kb_name_file(path, log->pl.folder, &fs.v[i]);
		rc = kb_snapshot_load(ps, log->pl.f, log->pl.dirfd, path,
		    fs.v[i].base, kb_log_now_ms(log),
		    log->host->producer_expiration_ms);
		if (rc == KC_ECORRUPT) {
			kc_log(KC_LOG_WARN,
			    "org.apache.kafka.storage.internals.log."
			    "ProducerStateManager",
			    "[ProducerStateManager partition=%s-%d] Failed to "
			    "load producer snapshot from '%s': corrupt",
			    log->topic, log->partition, path);
			rc = log->pl.f->unlink(log->pl.dirfd, path);
		} else if (rc == KC_OK) {
			*found = true;
			ps->snapshot = fs.v[i].base;
		}
	}
	kb_files_fini(&fs);
	return rc;
}

int
kb_log_reload_producers(struct kb_log *log, int64_t offset, bool clean)
{
	struct kb_producers ps;
	bool found;
	int rc;

	kb_producers_init(&ps);
	kb_producers_reset(&ps, log->start);
	rc = kb_files_trim_snapshots(&log->pl, log->start, offset);
	if (rc == KC_OK)
		rc = load_newest(log, &ps, &found);
	if (rc == KC_OK && !found)
		kb_producers_reset(&ps, log->start);
	if (rc == KC_OK && !found && clean)
		ps.end = offset; /* a clean stop would have left one */
	if (rc == KC_OK)
		rc = kb_log_replay(log, &ps, offset);
	if (rc != KC_OK) {
		kb_producers_fini(&ps);
		return rc;
	}
	kc_lock_take(&log->lock);
	ps.verifying = log->ps.verifying;
	ps.guard_last = log->ps.guard_last;
	log->ps.verifying = NULL;
	kb_producers_fini(&log->ps);
	log->ps = ps;
	/* What had ended below the high watermark is replicated. */
	kb_producers_hw(&log->ps, log->hw);
	kb_log_update_lso(log);
	kc_lock_drop(&log->lock);
	return KC_OK;
}
