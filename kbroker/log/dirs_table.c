/* The table of logs: finding, making and deleting them. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(elt) (elt)->name[0] = '\0'
#include "kbroker/log/dirs_priv.h"
#include "kbroker/log/partition_metadata.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/base/rand.h"

#include <stdio.h>
#include <stdlib.h>

int
kb_dirs_insert(struct kb_log_dirs *dirs, struct kb_dir *dir, const char *name,
    struct kb_log *log)
{
	struct kb_dirs_entry *e, *old;
	int rc = KC_OK;

	if ((e = calloc(1, sizeof *e)) == NULL)
		return KC_ENOMEM;
	e->dir = dir;
	e->log = log != NULL ? kb_log_get(log) : NULL;
	(void)snprintf(e->name, sizeof e->name, "%s", name);
	kc_lock_take(&dirs->lock);
	HASH_FIND_STR(dirs->table, name, old);
	if (old != NULL)
		rc = KC_EEXIST;
	else
		HASH_ADD_STR(dirs->table, name, e);
	if (rc == KC_OK && e->name[0] == '\0')
		rc = KC_ENOMEM;
	if (rc == KC_OK)
		dir->nlogs++;
	kc_lock_drop(&dirs->lock);
	if (rc != KC_OK) {
		kb_log_put(&e->log);
		free(e);
	}
	return rc;
}

static void
entry_remove(struct kb_log_dirs *dirs, struct kb_dirs_entry *e)
{
	HASH_DEL(dirs->table, e);
	e->dir->nlogs--;
}

static const char *
name_of(char *buf, const char *topic, int32_t partition)
{
	(void)snprintf(buf, KB_NAME_MAX + 16, "%s-%d", topic, partition);
	return buf;
}

int
kb_log_dirs_find(struct kb_log_dirs *dirs, const char *topic, int32_t partition,
    struct kb_log **logp)
{
	char name[KB_NAME_MAX + 16];
	struct kb_dirs_entry *e;
	int rc = KC_OK;

	KC_ASSERT(*logp == NULL);
	if (!kb_name_topic_ok(topic) || partition < 0)
		return KC_ENOENT;
	(void)name_of(name, topic, partition);
	kc_lock_take(&dirs->lock);
	HASH_FIND_STR(dirs->table, name, e);
	if (e == NULL)
		rc = KC_ENOENT;
	else if (!kb_dir_online(e->dir))
		rc = KC_EOFFLINE;
	else if (e->log == NULL)
		rc = KC_EBUSY;
	else
		*logp = kb_log_get(e->log);
	kc_lock_drop(&dirs->lock);
	return rc;
}

/* The online dir with the fewest logs that was not tried yet; NULL. */
static struct kb_dir *
choose_dir(struct kb_log_dirs *dirs, uint64_t tried)
{
	struct kb_dir *best = NULL;
	int i;

	kc_lock_take(&dirs->lock);
	for (i = 0; i < dirs->ndirs; i++) {
		if (!kb_dir_online(&dirs->dir[i]) ||
		    (tried & (UINT64_C(1) << i)) != 0)
			continue;
		if (best == NULL || dirs->dir[i].nlogs < best->nlogs)
			best = &dirs->dir[i];
	}
	kc_lock_drop(&dirs->lock);
	return best;
}

/* Folder, partition.metadata and an empty log; name is reserved. */
static int
make_log(struct kb_dir *dir, const struct kb_log_create *c, const char *name,
    struct kb_log **logp)
{
	const struct kc_file_ops *f = dir->host.env->file;
	struct kb_log_open in = { .folder = name,
		.topic = c->topic,
		.partition = c->partition,
		.kind = KB_FOLDER_CURRENT,
		.cleaned = -1 };
	int rc;

	rc = f->mkdir(dir->host.dirfd, name);
	/* Left by an attempt that failed half-way: it is looked through. */
	if (rc != KC_OK && rc != KC_EEXIST)
		return rc;
	in.clean = rc == KC_OK;
	if (!kc_uuid_is_zero(&c->topic_id)) {
		rc = kb_partition_metadata_write(
		    f, dir->host.dirfd, name, &c->topic_id);
		if (rc != KC_OK)
			return rc;
	}
	kc_lock_take(&dir->dirs->lock);
	in.cfg = c->config != NULL ? *c->config : dir->dirs->defaults;
	kc_lock_drop(&dir->dirs->lock);
	return kb_log_open(logp, &dir->host, &in);
}

/* Give the reserved name its log, or free it. */
static void
settle(struct kb_log_dirs *dirs, const char *name, struct kb_log *log)
{
	struct kb_dirs_entry *e;

	kc_lock_take(&dirs->lock);
	HASH_FIND_STR(dirs->table, name, e);
	KC_ASSERT(e != NULL && e->log == NULL);
	if (log != NULL)
		e->log = kb_log_get(log);
	else
		entry_remove(dirs, e);
	kc_lock_drop(&dirs->lock);
	if (log == NULL)
		free(e);
}

static int
any_offline(const struct kb_log_dirs *dirs)
{
	int i;

	for (i = 0; i < dirs->ndirs; i++)
		if (!kb_dir_online(&dirs->dir[i]))
			return true;
	return false;
}

int
kb_log_dirs_create(struct kb_log_dirs *dirs, const struct kb_log_create *c,
    struct kb_log **logp)
{
	char name[KB_NAME_MAX + 16];
	struct kb_dir *dir;
	uint64_t tried = 0;
	int rc;

	KC_ASSERT(*logp == NULL);
	if (!kb_name_topic_ok(c->topic) || c->partition < 0 ||
	    strlen(name_of(name, c->topic, c->partition)) >= KB_NAME_MAX)
		return KC_EINVAL;
	rc = kb_log_dirs_find(dirs, c->topic, c->partition, logp);
	if (rc != KC_ENOENT)
		return rc;
	if (!c->is_new && any_offline(dirs))
		return KC_EOFFLINE;
	rc = KC_EOFFLINE;
	while ((dir = choose_dir(dirs, tried)) != NULL) {
		tried |= UINT64_C(1) << (dir - dirs->dir);
		if ((rc = kb_dirs_insert(dirs, dir, name, NULL)) != KC_OK)
			return rc == KC_EEXIST ? KC_EBUSY : rc;
		rc = make_log(dir, c, name, logp);
		settle(dirs, name, *logp);
		if (rc == KC_OK) {
			kc_log(KC_LOG_INFO, KB_DIRS_NAME,
			    "Created log for partition %s in %s/%s", name,
			    dir->path, name);
			return KC_OK;
		}
		if (rc != KC_ENOSPC && rc != KC_ENOMEM && rc != KC_EMFILE)
			kb_dir_fail(&dir->host, rc, "creating a log");
	}
	return rc;
}

int
kb_log_dirs_delete(
    struct kb_log_dirs *dirs, const char *topic, int32_t partition)
{
	char name[KB_NAME_MAX + 16], gone[KB_NAME_MAX];
	struct kb_log *log = NULL;
	struct kb_dirs_entry *e;
	int64_t delay_ms;
	struct kc_uuid id;
	struct kb_dir *dir;
	int rc;

	if ((rc = kb_log_dirs_find(dirs, topic, partition, &log)) != KC_OK)
		return rc;
	kc_lock_take(&dirs->lock);
	HASH_FIND_STR(dirs->table, name_of(name, topic, partition), e);
	if (e != NULL && e->log == log)
		entry_remove(dirs, e);
	else
		e = NULL; /* somebody else was faster */
	delay_ms = dirs->defaults.file_delete_delay_ms;
	kc_lock_drop(&dirs->lock);
	if (e == NULL) {
		kb_log_put(&log);
		return KC_ENOENT;
	}
	dir = e->dir;
	/* First: what fails because files are gone is not the disk's fault. */
	kb_log_abandon(log);
	kc_uuid_random(dirs->env->rand, &id);
	rc = dirs->env->file->rename(dir->host.dirfd, name,
	    kb_name_delete(gone, topic, partition, id.b));
	if (rc == KC_OK) {
		kc_log(KC_LOG_INFO, KB_DIRS_NAME,
		    "Log for partition %s is renamed to %s/%s and is "
		    "scheduled for deletion",
		    name, dir->path, gone);
		kb_dir_discard(dir, gone, -1, delay_ms);
		kb_dir_soon(dir, KB_TASK_RECOVERY_POINTS);
		kb_dir_soon(dir, KB_TASK_STARTS);
		kb_dir_soon(dir, KB_TASK_HW);
		kb_dir_soon(dir, KB_TASK_CLEANED);
	} else {
		kb_dir_fail(&dir->host, rc, "renaming a folder");
	}
	kb_log_put(&e->log);
	free(e);
	kb_log_put(&log);
	return rc;
}
