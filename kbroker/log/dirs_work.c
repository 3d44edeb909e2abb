/* What a log dir's flush thread does. */
#include "kbroker/log/dirs_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/crc/crc32c.h"

#include <stdio.h>
#include <stdlib.h>

#define COOL_MS 30000
#define NEVER INT64_MAX

static int64_t
ns_after(int64_t now_ns, int64_t ms)
{
	return ms >= (NEVER - now_ns) / 1000000 ? NEVER : now_ns + ms * 1000000;
}

static int64_t
now_of(const struct kb_dir *dir)
{
	return kc_mono_ns(dir->host.env->clock);
}

static int64_t
period_ms(const struct kb_dir *dir, enum kb_dir_task t)
{
	const struct kb_log_dirs_config *c = &dir->dirs->cfg;

	switch (t) {
	case KB_TASK_FLUSH_CHECK:
		return c->flush_check_ms;
	case KB_TASK_RECOVERY_POINTS:
		return c->recovery_checkpoint_ms;
	case KB_TASK_STARTS:
		return c->start_checkpoint_ms;
	case KB_TASK_HW:
		return c->hw_checkpoint_ms;
	case KB_TASK_CLEANED:
		break; /* after each compaction */
	case KB_TASK_RETENTION:
		return c->retention_check_ms;
	case KB_TASK_PRODUCERS:
		return c->producer_check_ms;
	case KB_TASK_COOL:
		return COOL_MS;
	}
	return NEVER;
}

void
kb_dir_schedule(struct kb_dir *dir)
{
	int64_t now = now_of(dir);
	int t;

	for (t = 0; t < KB_DIR_TASKS; t++)
		dir->due_ns[t] = ns_after(now,
		    t == KB_TASK_HW || t == KB_TASK_PRODUCERS ?
			period_ms(dir, (enum kb_dir_task)t) :
			dir->dirs->cfg.initial_delay_ms);
	dir->due_ns[KB_TASK_FLUSH_CHECK] =
	    ns_after(now, dir->dirs->cfg.flush_check_ms);
}

void
kb_dir_wake(struct kb_dir *dir)
{
	kc_lock_take(&dir->work_lock);
	dir->woken = true;
	kc_cond_signal(&dir->work_cond);
	kc_lock_drop(&dir->work_lock);
}

void
kb_dir_soon(struct kb_dir *dir, enum kb_dir_task t)
{
	kc_lock_take(&dir->work_lock);
	dir->due_ns[t] = 0;
	dir->woken = true;
	kc_cond_signal(&dir->work_cond);
	kc_lock_drop(&dir->work_lock);
}

void
kb_dir_kick(struct kb_log_host *h, struct kb_log *log)
{
	struct kb_dir *dir = KC_CONTAINER(h, struct kb_dir, host);

	(void)kb_log_get(log);
	kc_lock_take(&dir->work_lock);
	log->work_next = NULL;
	if (dir->queue_tail != NULL)
		dir->queue_tail->work_next = log;
	else
		dir->queue_head = log;
	dir->queue_tail = log;
	dir->woken = true;
	kc_cond_signal(&dir->work_cond);
	kc_lock_drop(&dir->work_lock);
}

void
kb_dir_fail(struct kb_log_host *h, int rc, const char *what)
{
	struct kb_dir *dir = KC_CONTAINER(h, struct kb_dir, host);

	if (atomic_exchange(&h->offline, true))
		return;
	kc_log(KC_LOG_ERROR, KB_DIRS_NAME,
	    "Stopping serving logs in dir %s: %s while %s", dir->path,
	    kc_strerror(rc), what);
	kb_dir_wake(dir);
}

void
kb_dir_report(struct kb_dir *dir)
{
	struct kb_log_dirs *dirs = dir->dirs;
	int left = 0;
	int i;

	if (kb_dir_online(dir) || dir->reported)
		return;
	kc_lock_assert_none();
	dir->reported = true;
	for (i = 0; i < dirs->ndirs; i++)
		left += kb_dir_online(&dirs->dir[i]);
	if (left == 0)
		kc_log(KC_LOG_FATAL, KB_DIRS_NAME,
		    "Shutdown broker because all log dirs have failed");
	if (dirs->events.dir_offline != NULL)
		dirs->events.dir_offline(dirs->events.arg, dir->path, left);
}

void
kb_dir_discard(
    struct kb_dir *dir, const char *folder, int64_t base, int64_t delay_ms)
{
	struct kb_trash *t = calloc(1, sizeof *t);

	/* Without memory it stays until the next start tidies up. */
	if (t == NULL)
		return;
	t->due_ns = ns_after(now_of(dir), delay_ms);
	t->base = base;
	(void)snprintf(t->folder, sizeof t->folder, "%s", folder);
	kc_lock_take(&dir->work_lock);
	t->next = dir->trash;
	dir->trash = t;
	dir->woken = true;
	kc_cond_signal(&dir->work_cond);
	kc_lock_drop(&dir->work_lock);
}

/* Unlinks what is due; returns when the next is. */
static int64_t
empty_trash(struct kb_dir *dir)
{
	struct kb_trash **tp, *t, *due = NULL;
	int64_t now = now_of(dir), next = NEVER;
	struct kb_place pl = { .f = dir->host.env->file,
		.dirfd = dir->host.dirfd };
	int rc;

	kc_lock_take(&dir->work_lock);
	for (tp = &dir->trash; (t = *tp) != NULL;) {
		if (t->due_ns > now) {
			next = KC_MIN(next, t->due_ns);
			tp = &t->next;
			continue;
		}
		*tp = t->next;
		t->next = due;
		due = t;
	}
	kc_lock_drop(&dir->work_lock);
	while ((t = due) != NULL) {
		due = t->next;
		memcpy(pl.folder, t->folder, sizeof pl.folder);
		rc = t->base < 0 ?
		    kc_file_remove_tree(pl.f, pl.dirfd, t->folder) :
		    kb_segment_unlink(&pl, t->base, KB_STATE_DELETED);
		/* A folder that went away took its files along. */
		if (rc != KC_OK && rc != KC_ENOENT)
			kb_dir_fail(&dir->host, rc, "deleting files");
		else if (t->base < 0)
			kc_log(KC_LOG_INFO, KB_DIRS_NAME,
			    "Deleted log for folder %s in %s.", t->folder,
			    dir->path);
		free(t);
	}
	return next;
}

int
kb_dirs_logs(struct kb_log_dirs *dirs, const struct kb_dir *dir,
    struct kb_log ***v, int *n)
{
	struct kb_dirs_entry *e;

	*n = 0;
	kc_lock_take(&dirs->lock);
	*v = calloc((size_t)HASH_COUNT(dirs->table) + 1, sizeof(**v));
	for (e = dirs->table; *v != NULL && e != NULL; e = e->hh.next)
		if (e->log != NULL && (dir == NULL || e->dir == dir))
			(*v)[(*n)++] = kb_log_get(e->log);
	kc_lock_drop(&dirs->lock);
	return *v == NULL ? KC_ENOMEM : KC_OK;
}

void
kb_dirs_logs_put(struct kb_log **v, int n)
{
	int i;

	for (i = 0; i < n; i++)
		kb_log_put(&v[i]);
	free(v);
}

static const char *const checkpoint_name[KB_DIR_TASKS] = {
	[KB_TASK_RECOVERY_POINTS] = KB_CHECKPOINT_RECOVERY,
	[KB_TASK_STARTS] = KB_CHECKPOINT_START,
	[KB_TASK_HW] = KB_CHECKPOINT_HW,
	[KB_TASK_CLEANED] = KB_CHECKPOINT_CLEANER,
};

/* False: this log has no line in that file. */
static bool
checkpoint_value(struct kb_log *log, enum kb_dir_task which, int64_t *value)
{
	bool yes = true;

	kc_lock_take(&log->lock);
	if (which == KB_TASK_HW) {
		*value = log->hw;
	} else if (which == KB_TASK_STARTS) {
		*value = log->start;
		/* Else the first segment's name says it. */
		yes = log->nseg > 0 && log->start > log->seg[0]->base;
	} else if (which == KB_TASK_CLEANED) {
		*value = log->cleaned;
		yes = log->cleaned >= 0;
	} else {
		*value = log->recovery_point;
	}
	kc_lock_drop(&log->lock);
	return yes;
}

static int
gather(struct kb_dir *dir, enum kb_dir_task which, struct kb_offsets *o)
{
	struct kb_log **v;
	int64_t value;
	int rc, n, i;

	if ((rc = kb_dirs_logs(dir->dirs, dir, &v, &n)) != KC_OK)
		return rc;
	for (i = 0; rc == KC_OK && i < n; i++)
		if (checkpoint_value(v[i], which, &value))
			rc = kb_offsets_add(
			    o, v[i]->topic, v[i]->partition, value);
	kb_dirs_logs_put(v, n);
	return rc;
}

int
kb_dir_checkpoint(struct kb_dir *dir, enum kb_dir_task which)
{
	const char *name = checkpoint_name[which];
	struct kb_offsets o = { 0 };
	char *p = NULL;
	uint64_t sum;
	size_t len;
	int rc;

	if ((rc = gather(dir, which, &o)) == KC_OK &&
	    (rc = kb_offsets_text(&o, &p, &len)) == KC_OK) {
		/* The same text again is not worth two fsyncs. */
		sum = (uint64_t)len << 32 | kc_crc32c(0, p, len);
		if (dir->written[which - KB_TASK_RECOVERY_POINTS] != sum)
			rc = kc_file_replace(
			    dir->host.env->file, dir->host.dirfd, name, p, len);
		if (rc == KC_OK)
			dir->written[which - KB_TASK_RECOVERY_POINTS] = sum;
	}
	free(p);
	kb_offsets_fini(&o);
	if (rc == KC_ENOSPC || rc == KC_ENOMEM || rc == KC_EMFILE)
		kc_log(KC_LOG_WARN, KB_DIRS_NAME, "Cannot write %s in %s: %s",
		    name, dir->path, kc_strerror(rc));
	else if (rc != KC_OK)
		kb_dir_fail(&dir->host, rc, "writing a checkpoint");
	return rc;
}

static void
discard_segment(void *arg, struct kb_log *log, int64_t base)
{
	kb_dir_discard(
	    arg, log->pl.folder, base, log->cfg.file_delete_delay_ms);
}

static void
task_on_log(struct kb_dir *dir, enum kb_dir_task t, struct kb_log *log)
{
	switch (t) {
	case KB_TASK_FLUSH_CHECK:
		(void)kb_log_check_flush(log);
		break;
	case KB_TASK_RETENTION:
		(void)kb_log_retain(log, discard_segment, dir);
		break;
	case KB_TASK_PRODUCERS:
		kb_log_expire_producers(log);
		break;
	case KB_TASK_COOL:
		(void)kb_log_cool(log);
		break;
	default:
		break;
	}
}

static void
run_task(struct kb_dir *dir, enum kb_dir_task t)
{
	struct kb_log **v;
	int n, i;

	if (checkpoint_name[t] != NULL) {
		(void)kb_dir_checkpoint(dir, t);
		return;
	}
	if (kb_dirs_logs(dir->dirs, dir, &v, &n) != KC_OK)
		return; /* the next time */
	for (i = 0; i < n && kb_dir_online(dir); i++)
		task_on_log(dir, t, v[i]);
	kb_dirs_logs_put(v, n);
}

static struct kb_log *
next_log(struct kb_dir *dir)
{
	struct kb_log *log;

	kc_lock_take(&dir->work_lock);
	if ((log = dir->queue_head) != NULL) {
		dir->queue_head = log->work_next;
		if (dir->queue_head == NULL)
			dir->queue_tail = NULL;
	}
	kc_lock_drop(&dir->work_lock);
	return log;
}

static void
run_queue(struct kb_dir *dir)
{
	bool checkpoint = false;
	struct kb_log *log;

	while ((log = next_log(dir)) != NULL) {
		/* Errors have been logged and have taken the dir offline. */
		(void)kb_log_work(log, &checkpoint);
		kb_log_put(&log);
	}
	if (checkpoint && kb_dir_online(dir)) {
		(void)kb_dir_checkpoint(dir, KB_TASK_RECOVERY_POINTS);
		(void)kb_dir_checkpoint(dir, KB_TASK_STARTS);
		(void)kb_dir_checkpoint(dir, KB_TASK_CLEANED);
	}
}

int64_t
kb_dir_work(struct kb_dir *dir)
{
	int64_t now, next;
	bool due;
	int t;

	kc_lock_assert_none();
	run_queue(dir);
	if (!kb_dir_online(dir)) {
		kb_dir_report(dir);
		return NEVER;
	}
	next = empty_trash(dir);
	for (t = 0; t < KB_DIR_TASKS && kb_dir_online(dir); t++) {
		now = now_of(dir);
		kc_lock_take(&dir->work_lock);
		due = dir->due_ns[t] <= now;
		if (due)
			dir->due_ns[t] =
			    ns_after(now, period_ms(dir, (enum kb_dir_task)t));
		next = KC_MIN(next, dir->due_ns[t]);
		kc_lock_drop(&dir->work_lock);
		if (due)
			run_task(dir, (enum kb_dir_task)t);
	}
	kb_dir_report(dir);
	return next;
}

void
kb_dir_main(void *arg)
{
	struct kb_dir *dir = arg;
	int64_t next, wait_ms;
	bool stop = false;

	while (!stop) {
		next = kb_dir_work(dir);
		wait_ms = next == NEVER ?
		    NEVER :
		    (KC_MAX(next - now_of(dir), 0) + 999999) / 1000000;
		kc_lock_take(&dir->work_lock);
		if (!dir->woken && !dir->stop)
			(void)kc_cond_wait_ms(
			    &dir->work_cond, &dir->work_lock, wait_ms);
		dir->woken = false;
		stop = dir->stop;
		kc_lock_drop(&dir->work_lock);
	}
}
