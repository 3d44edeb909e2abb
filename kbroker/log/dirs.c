#include "kbroker/log/dirs.h"

#include "kbroker/log/dirs_priv.h"
#include "kbroker/log/meta_properties.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/file_guard.h"

#include <stdio.h>
#include <stdlib.h>

#define LOCK_FILE ".lock"
#define CLEAN_FILE ".kafka_cleanshutdown"
#define CLEAN_TEXT "{\"version\":0,\"brokerEpoch\":-1}"

const struct kb_log_dirs_config kb_log_dirs_config_default = {
	.recovery_threads = 1,
	.flush_check_ms = INT64_MAX,
	.recovery_checkpoint_ms = 60000,
	.start_checkpoint_ms = 60000,
	.hw_checkpoint_ms = 5000,
	.retention_check_ms = 300000,
	.initial_delay_ms = 30000,
	.producer_expiration_ms = 86400000,
	.producer_check_ms = 600000,
	.verify_transactions = true,
	.log = {
		.segment_bytes = 1 << 30,
		.segment_ms = 604800000,
		.segment_index_bytes = 10 << 20,
		.index_interval_bytes = 4096,
		.flush_messages = INT64_MAX,
		.flush_ms = INT64_MAX,
		.retention_bytes = -1,
		.retention_ms = 604800000,
		.file_delete_delay_ms = 60000,
		.max_compaction_lag_ms = INT64_MAX,
		.delete_retention_ms = 86400000,
		.min_cleanable_ratio = 0.5,
		.del = true,
	},
};

static int
init_dir(struct kb_log_dirs *dirs, struct kb_dir *dir, const char *path)
{
	if ((dir->path = strdup(path)) == NULL)
		return KC_ENOMEM;
	dir->dirs = dirs;
	dir->lock_fd = -1;
	dir->host.env = dirs->env;
	dir->host.path = dir->path;
	dir->host.dirfd = -1;
	dir->host.producer_expiration_ms = dirs->cfg.producer_expiration_ms;
	dir->host.verify_transactions = dirs->cfg.verify_transactions;
	dir->host.kick = kb_dir_kick;
	dir->host.fail = kb_dir_fail;
	kc_lock_init(&dir->work_lock, LK_LOG_WORK, "dir.work");
	kc_cond_init(&dir->work_cond);
	return KC_OK;
}

/* The folder is there, and ours alone. */
static int
open_dir(struct kb_dir *dir)
{
	const struct kc_file_ops *f = dir->host.env->file;
	int rc;

	if ((rc = kc_file_mkdirs(f, dir->path)) != KC_OK ||
	    (rc = f->open_dir(&dir->host.dirfd, KC_FILE_CWD, dir->path)) !=
		KC_OK)
		return rc;
	rc = f->open(&dir->lock_fd, dir->host.dirfd, LOCK_FILE,
	    KC_FILE_WRITE | KC_FILE_CREATE);
	if (rc != KC_OK)
		return rc;
	return f->lock(dir->lock_fd);
}

static int
read_meta(struct kb_dir *dir, struct kb_log_identity *all)
{
	struct kb_log_identity one;
	char err[256] = "";
	int rc;

	rc = kb_meta_properties_read(
	    dir->host.env->file, dir->host.dirfd, &one, err, sizeof err);
	if (rc == KC_ENOENT)
		return KC_OK;
	dir->has_meta =
	    rc == KC_OK && one.broker_id >= 0 && one.cluster_id[0] != '\0';
	if (rc == KC_OK)
		rc = kb_meta_properties_agree(all, &one, err, sizeof err);
	if (rc == KC_ECORRUPT)
		kc_log(KC_LOG_FATAL, "kafka.server.KafkaServer",
		    "meta.properties in %s: %s", dir->path, err);
	return rc;
}

static int
open_all(struct kb_log_dirs *dirs, struct kb_log_identity *id)
{
	struct kb_dir *dir;
	int online = 0;
	int rc, i;

	for (i = 0; i < dirs->ndirs; i++) {
		dir = &dirs->dir[i];
		rc = open_dir(dir);
		if (rc == KC_EBUSY) {
			kc_log(KC_LOG_FATAL, KB_DIRS_NAME,
			    "Failed to acquire lock on file .lock in %s. A "
			    "Kafka instance in another process or thread is "
			    "using this directory.",
			    dir->path);
			return rc;
		}
		if (rc == KC_OK)
			rc = read_meta(dir, id);
		if (rc == KC_ECORRUPT || rc == KC_ENOMEM)
			return rc;
		if (rc != KC_OK)
			kb_dir_fail(&dir->host, rc, "opening it");
		online += rc == KC_OK;
	}
	for (i = 0; i < dirs->ndirs; i++)
		kb_dir_report(&dirs->dir[i]);
	return online > 0 ? KC_OK : KC_EIO;
}

int
kb_log_dirs_open(struct kb_log_dirs **dirsp, const struct kc_env *env,
    const struct kb_log_dirs_config *config, const struct kb_log_events *events,
    struct kb_log_identity *id)
{
	struct kb_log_dirs *dirs;
	int rc = KC_OK;
	int i;

	KC_ASSERT(*dirsp == NULL);
	id->broker_id = -1;
	id->cluster_id[0] = '\0';
	if (config->npaths < 1 || config->npaths > KB_LOG_DIRS_MAX)
		return KC_EINVAL;
	if ((rc = kc_guard_install()) != KC_OK)
		return rc;
	if ((dirs = kc_new(struct kb_log_dirs, KB_LOG_DIRS_MAGIC)) == NULL)
		return KC_ENOMEM;
	dirs->env = env;
	dirs->cfg = *config;
	dirs->cfg.paths = NULL;
	dirs->defaults = config->log;
	dirs->events = *events;
	kc_lock_init(&dirs->lock, LK_LOG_DIRS, "log.dirs");
	dirs->dir = calloc((size_t)config->npaths, sizeof *dirs->dir);
	if (dirs->dir == NULL)
		rc = KC_ENOMEM;
	for (i = 0; rc == KC_OK && i < config->npaths; i++)
		if ((rc = init_dir(dirs, &dirs->dir[i], config->paths[i])) ==
		    KC_OK)
			dirs->ndirs++;
	if (rc == KC_OK)
		rc = open_all(dirs, id);
	if (rc != KC_OK) {
		kb_log_dirs_close(&dirs, false);
		return rc;
	}
	*dirsp = dirs;
	return KC_OK;
}

int
kb_log_dirs_identity(struct kb_log_dirs *dirs, const struct kb_log_identity *id)
{
	struct kb_log_identity all = *id, one;
	struct kb_dir *dir;
	char err[256] = "";
	int online = 0;
	int rc, i;

	for (i = 0; i < dirs->ndirs; i++) {
		dir = &dirs->dir[i];
		if (!kb_dir_online(dir))
			continue;
		rc = kb_meta_properties_read(
		    dirs->env->file, dir->host.dirfd, &one, err, sizeof err);
		if (rc == KC_OK &&
		    kb_meta_properties_agree(&all, &one, err, sizeof err) !=
			KC_OK) {
			kc_log(KC_LOG_FATAL, "kafka.server.KafkaServer",
			    "meta.properties in %s: %s. Configured for "
			    "another broker or cluster?",
			    dir->path, err);
			return KC_EINVAL;
		}
		if (rc == KC_ENOENT || (rc == KC_OK && !dir->has_meta))
			rc = kb_meta_properties_write(dirs->env->file,
			    dir->host.dirfd, id, kc_wall_ms(dirs->env->clock));
		if (rc != KC_OK)
			kb_dir_fail(&dir->host, rc, "writing meta.properties");
		dir->has_meta = rc == KC_OK;
		online += rc == KC_OK;
		kb_dir_report(dir);
	}
	return online > 0 ? KC_OK : KC_EIO;
}

int
kb_log_dirs_start(struct kb_log_dirs *dirs)
{
	int rc = KC_OK;
	int i;

	for (i = 0; rc == KC_OK && i < dirs->ndirs; i++)
		if (kb_dir_online(&dirs->dir[i]))
			rc = kc_thread_start(&dirs->dir[i].thread, "log-flush",
			    kb_dir_main, &dirs->dir[i]);
	kc_log(KC_LOG_INFO, KB_DIRS_NAME,
	    "Starting log cleanup with a period of %lld ms.",
	    (long long)dirs->cfg.retention_check_ms);
	kc_log(KC_LOG_INFO, KB_DIRS_NAME,
	    "Starting log flusher with a default period of %lld ms.",
	    (long long)dirs->cfg.flush_check_ms);
	return rc;
}

/* Everything on disk, and then the word that it is. */
static void
finish_dir(struct kb_dir *dir)
{
	const struct kc_file_ops *f = dir->host.env->file;
	struct kb_log **v;
	int rc, rc2, n, i;

	if (kb_dirs_logs(dir->dirs, dir, &v, &n) != KC_OK)
		return;
	/*
	 * The checkpoints are of the open logs; closing syncs and so raises
	 * their recovery points to the end.
	 */
	for (rc = KC_OK, i = 0; i < n; i++) {
		rc2 = kb_log_close(v[i], true);
		rc = rc == KC_OK ? rc2 : rc;
	}
	kb_dirs_logs_put(v, n);
	if (rc == KC_OK)
		rc = kb_dir_checkpoint(dir, KB_TASK_RECOVERY_POINTS);
	if (rc == KC_OK)
		rc = kb_dir_checkpoint(dir, KB_TASK_STARTS);
	if (rc == KC_OK)
		rc = kb_dir_checkpoint(dir, KB_TASK_HW);
	if (rc == KC_OK)
		rc = kb_dir_checkpoint(dir, KB_TASK_CLEANED);
	if (rc == KC_OK && dir->loaded && kb_dir_online(dir))
		rc = kc_file_replace(f, dir->host.dirfd, CLEAN_FILE, CLEAN_TEXT,
		    sizeof CLEAN_TEXT - 1);
	if (rc != KC_OK)
		kc_log(KC_LOG_ERROR, KB_DIRS_NAME,
		    "Could not stop cleanly in %s: %s", dir->path,
		    kc_strerror(rc));
}

static void
close_dir(struct kb_dir *dir)
{
	struct kb_trash *t;
	struct kb_log *log;

	while ((log = dir->queue_head) != NULL) {
		dir->queue_head = log->work_next;
		kb_log_put(&log);
	}
	while ((t = dir->trash) != NULL) {
		dir->trash = t->next;
		free(t);
	}
	if (dir->lock_fd != -1)
		dir->host.env->file->close(dir->lock_fd);
	if (dir->host.dirfd != -1)
		dir->host.env->file->close(dir->host.dirfd);
	kb_offsets_fini(&dir->recovery);
	kb_offsets_fini(&dir->starts);
	kb_offsets_fini(&dir->hws);
	kb_offsets_fini(&dir->cleaned);
	kc_cond_fini(&dir->work_cond);
	kc_lock_fini(&dir->work_lock);
	free(dir->path);
}

static void
stop_threads(struct kb_log_dirs *dirs)
{
	int i;

	for (i = 0; i < dirs->ndirs; i++) {
		kc_lock_take(&dirs->dir[i].work_lock);
		dirs->dir[i].stop = true;
		kc_cond_signal(&dirs->dir[i].work_cond);
		kc_lock_drop(&dirs->dir[i].work_lock);
	}
	for (i = 0; i < dirs->ndirs; i++)
		kc_thread_join(&dirs->dir[i].thread);
}

void
kb_log_dirs_close(struct kb_log_dirs **dirsp, bool clean)
{
	struct kb_log_dirs *dirs = *dirsp;
	struct kb_dirs_entry *e, *tmp;
	int i;

	*dirsp = NULL;
	if (dirs == NULL)
		return;
	KC_CHECK(dirs, KB_LOG_DIRS_MAGIC);
	if (clean)
		kc_log(KC_LOG_INFO, KB_DIRS_NAME, "Shutting down.");
	stop_threads(dirs);
	for (i = 0; clean && i < dirs->ndirs; i++)
		if (kb_dir_online(&dirs->dir[i]) && dirs->dir[i].loaded)
			finish_dir(&dirs->dir[i]);
	HASH_ITER(hh, dirs->table, e, tmp) {
		HASH_DEL(dirs->table, e);
		if (e->log != NULL) {
			kb_log_abandon(e->log);
			kb_log_put(&e->log);
		}
		free(e);
	}
	for (i = 0; i < dirs->ndirs; i++)
		close_dir(&dirs->dir[i]);
	free(dirs->dir);
	kc_lock_fini(&dirs->lock);
	kc_delete(dirs);
	if (clean)
		kc_log(KC_LOG_INFO, KB_DIRS_NAME, "Shutdown complete.");
}

int64_t
kb_log_dirs_tick(struct kb_log_dirs *dirs)
{
	int64_t next = INT64_MAX;
	int i;

	for (i = 0; i < dirs->ndirs; i++)
		next = KC_MIN(next, kb_dir_work(&dirs->dir[i]));
	return next;
}

int
kb_log_dirs_each(struct kb_log_dirs *dirs,
    int (*fn)(void *arg, struct kb_log *log), void *arg)
{
	struct kb_log **v;
	int rc, n, i;

	if ((rc = kb_dirs_logs(dirs, NULL, &v, &n)) != KC_OK)
		return rc;
	for (i = 0; rc == 0 && i < n; i++)
		if (v[i]->kind == KB_FOLDER_CURRENT)
			rc = fn(arg, v[i]);
	kb_dirs_logs_put(v, n);
	return rc;
}

int
kb_log_dirs_count(const struct kb_log_dirs *dirs)
{
	return dirs->ndirs;
}

void
kb_log_dirs_info(struct kb_log_dirs *dirs, int i, struct kb_log_dir_info *info)
{
	struct kb_dir *dir = &dirs->dir[i];

	KC_ASSERT(i >= 0 && i < dirs->ndirs);
	info->path = dir->path;
	info->offline = !kb_dir_online(dir);
	if (info->offline ||
	    dirs->env->file->space(dir->host.dirfd, &info->total_bytes,
		&info->usable_bytes) != KC_OK)
		info->total_bytes = info->usable_bytes = -1;
}

void
kb_log_dirs_checkpoint_hw(struct kb_log_dirs *dirs)
{
	int i;

	for (i = 0; i < dirs->ndirs; i++)
		kb_dir_soon(&dirs->dir[i], KB_TASK_HW);
}

void
kb_log_dirs_set_defaults(
    struct kb_log_dirs *dirs, const struct kb_log_config *lc)
{
	kc_lock_take(&dirs->lock);
	dirs->defaults = *lc;
	kc_lock_drop(&dirs->lock);
}
