/* What is in the folder of a log, and tidying it before it is loaded. */
#include "kbroker/log/log_priv.h"
#include "kbroker/log/scan.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

#include <stdlib.h>

#define LOADER "kafka.log.LogLoader"

static int
on_name(void *arg, const char *name, bool is_dir)
{
	struct kb_files *fs = arg;
	struct kb_file_name fn, *v;
	int cap;

	if (is_dir || !kb_name_parse_file(name, &fn))
		return 0;
	if (fs->n == fs->cap) {
		cap = fs->cap == 0 ? 16 : fs->cap * 2;
		if ((v = realloc(fs->v, (size_t)cap * sizeof *v)) == NULL)
			return KC_ENOMEM;
		fs->v = v;
		fs->cap = cap;
	}
	fs->v[fs->n++] = fn;
	return 0;
}

static int
cmp(const void *a, const void *b)
{
	const struct kb_file_name *x = a, *y = b;

	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

int
kb_files_list(struct kb_files *fs, const struct kb_place *pl)
{
	int rc;

	fs->n = 0;
	rc = pl->f->list(pl->dirfd, pl->folder, on_name, fs);
	if (rc == KC_OK && fs->n > 0)
		qsort(fs->v, (size_t)fs->n, sizeof *fs->v, cmp);
	return rc;
}

void
kb_files_fini(struct kb_files *fs)
{
	free(fs->v);
	memset(fs, 0, sizeof *fs);
}

static int
remove_file(const struct kb_place *pl, const struct kb_file_name *fn)
{
	char path[KB_PATH_MAX];
	int rc;

	rc = pl->f->unlink(pl->dirfd, kb_name_file(path, pl->folder, fn));
	return rc == KC_ENOENT ? KC_OK : rc;
}

/* The offset after the last batch of a log that is about to take over. */
static int
swap_end(const struct kb_place *pl, const struct kb_file_name *fn, int64_t *end)
{
	char path[KB_PATH_MAX];
	struct kc_file_stat st;
	struct kb_scan sc;
	struct kc_batch b;
	int64_t pos = 0;
	int fd = -1;
	int rc;

	*end = fn->base;
	rc = pl->f->open(
	    &fd, pl->dirfd, kb_name_file(path, pl->folder, fn), KC_FILE_READ);
	if (rc != KC_OK)
		return rc;
	if ((rc = pl->f->fstat(fd, &st)) == KC_OK) {
		kb_scan_init(&sc, pl->f, fd, st.size);
		while ((rc = kb_scan_head(&sc, pos, &b)) == KC_OK) {
			*end = kc_batch_last_offset(&b) + 1;
			pos += (int64_t)b.size;
		}
		if (rc == KC_ENOENT || rc == KC_ECORRUPT)
			rc = KC_OK;
	}
	pl->f->close(fd);
	return rc;
}

/*
 * Compaction writes .cleaned, renames to .swap, deletes what they replace
 * and renames to the final name.  A .swap beside a .cleaned of a lower base
 * belongs to a step that was not complete.
 */
static int
drop_unfinished(const struct kb_place *pl, const struct kb_files *fs)
{
	int64_t cleaned = INT64_MAX;
	const struct kb_file_name *fn;
	int rc = KC_OK;
	int i;

	for (i = 0; i < fs->n; i++)
		if (fs->v[i].state == KB_STATE_CLEANED)
			cleaned = KC_MIN(cleaned, fs->v[i].base);
	for (i = 0; rc == KC_OK && i < fs->n; i++) {
		fn = &fs->v[i];
		if (fn->state == KB_STATE_DELETED ||
		    fn->state == KB_STATE_CLEANED ||
		    (fn->state == KB_STATE_SWAP && fn->base >= cleaned))
			rc = remove_file(pl, fn);
	}
	return rc;
}

static int
adopt_swaps(const struct kb_place *pl, const struct kb_files *fs)
{
	int64_t low = INT64_MAX, high = 0, end;
	char from[KB_PATH_MAX], to[KB_PATH_MAX];
	struct kb_file_name fn;
	int rc = KC_OK;
	int i;

	for (i = 0; rc == KC_OK && i < fs->n; i++) {
		fn = fs->v[i];
		if (fn.state != KB_STATE_SWAP || fn.kind != KB_FILE_LOG)
			continue;
		rc = swap_end(pl, &fn, &end);
		low = KC_MIN(low, fn.base);
		/* Also of one without batches, the old of its own name goes. */
		high = KC_MAX(high, KC_MAX(end, fn.base + 1));
	}
	for (i = 0; rc == KC_OK && i < fs->n; i++) {
		fn = fs->v[i];
		if (fn.state == KB_STATE_LIVE && fn.base >= low &&
		    fn.base < high)
			rc = remove_file(pl, &fn);
	}
	for (i = 0; rc == KC_OK && i < fs->n; i++) {
		fn = fs->v[i];
		if (fn.state != KB_STATE_SWAP)
			continue;
		(void)kb_name_file(from, pl->folder, &fn);
		fn.state = KB_STATE_LIVE;
		kc_log(KC_LOG_INFO, LOADER,
		    "Found swap file %s, completing the swap", from);
		rc = pl->f->rename(
		    pl->dirfd, from, kb_name_file(to, pl->folder, &fn));
	}
	return rc;
}

/* An index whose log is gone. */
static int
drop_orphans(const struct kb_place *pl, const struct kb_files *fs)
{
	const struct kb_file_name *fn;
	int64_t log_base = -1;
	int rc = KC_OK;
	int i;

	/* By base and kind: the log, if there is one, comes first. */
	for (i = 0; rc == KC_OK && i < fs->n; i++) {
		fn = &fs->v[i];
		if (fn->state != KB_STATE_LIVE)
			continue;
		if (fn->kind == KB_FILE_LOG)
			log_base = fn->base;
		else if (fn->kind != KB_FILE_SNAPSHOT && fn->base != log_base)
			rc = remove_file(pl, fn);
	}
	return rc;
}

static bool
has_state(const struct kb_files *fs)
{
	int i;

	for (i = 0; i < fs->n; i++)
		if (fs->v[i].state != KB_STATE_LIVE)
			return true;
	return false;
}

int
kb_files_tidy(const struct kb_place *pl)
{
	struct kb_files fs = { 0 };
	int fd = -1;
	int rc;

	if ((rc = kb_files_list(&fs, pl)) != KC_OK)
		goto out;
	if (has_state(&fs)) {
		if ((rc = drop_unfinished(pl, &fs)) != KC_OK ||
		    (rc = kb_files_list(&fs, pl)) != KC_OK ||
		    (rc = adopt_swaps(pl, &fs)) != KC_OK ||
		    (rc = kb_files_list(&fs, pl)) != KC_OK)
			goto out;
		/* The new names are durable before anything builds on them. */
		rc = pl->f->open_dir(&fd, pl->dirfd, pl->folder);
		if (rc == KC_OK) {
			rc = pl->f->fsync(fd);
			pl->f->close(fd);
		}
	}
	if (rc == KC_OK)
		rc = drop_orphans(pl, &fs);
out:
	kb_files_fini(&fs);
	return rc;
}

int
kb_files_trim_snapshots(const struct kb_place *pl, int64_t low, int64_t high)
{
	struct kb_files fs = { 0 };
	int rc;
	int i;

	rc = kb_files_list(&fs, pl);
	for (i = 0; rc == KC_OK && i < fs.n; i++)
		if (fs.v[i].kind == KB_FILE_SNAPSHOT &&
		    fs.v[i].state == KB_STATE_LIVE &&
		    (fs.v[i].base <= low || fs.v[i].base > high))
			rc = remove_file(pl, &fs.v[i]);
	kb_files_fini(&fs);
	return rc;
}

int
kb_files_stray_snapshots(struct kb_log *log)
{
	struct kb_files fs = { 0 };
	int64_t newest = -1;
	int rc = KC_OK;
	int i, at;

	rc = kb_files_list(&fs, &log->pl);
	for (i = 0; i < fs.n; i++)
		if (fs.v[i].kind == KB_FILE_SNAPSHOT &&
		    fs.v[i].state == KB_STATE_LIVE)
			newest = fs.v[i].base;
	for (i = 0; rc == KC_OK && i < fs.n; i++) {
		if (fs.v[i].kind != KB_FILE_SNAPSHOT ||
		    fs.v[i].state != KB_STATE_LIVE || fs.v[i].base == newest)
			continue;
		at = kb_log_segment_at(log, fs.v[i].base);
		if (at < 0 || log->seg[at]->base != fs.v[i].base)
			rc = remove_file(&log->pl, &fs.v[i]);
	}
	kb_files_fini(&fs);
	return rc;
}
