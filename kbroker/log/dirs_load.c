/* Loading every log of every dir (Kafka: LogManager.loadLogs). */
#include "kbroker/log/dirs_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define CLEAN_FILE ".kafka_cleanshutdown"
#define THREADS_MAX 64

struct names {
	char **v;
	size_t n, cap;
};

/* The loading of one dir, shared by its threads. */
struct loader {
	struct kb_dir *dir;
	struct names names; /* partition folders, to load */
	atomic_size_t next;
	atomic_size_t done;
	atomic_int rc; /* the first fatal error */
	struct kc_thread *thread[THREADS_MAX];
	int nthreads;
};

static int
on_entry(void *arg, const char *name, bool is_dir)
{
	struct names *ns = arg;
	size_t cap;
	char **v;

	/* Neither is a partition of this broker. */
	if (!is_dir || strcmp(name, "__cluster_metadata-0") == 0 ||
	    strcmp(name, "remote-log-index-cache") == 0)
		return 0;
	if (ns->n == ns->cap) {
		cap = ns->cap == 0 ? 64 : ns->cap * 2;
		if ((v = realloc(ns->v, cap * sizeof *v)) == NULL)
			return KC_ENOMEM;
		ns->v = v;
		ns->cap = cap;
	}
	if ((ns->v[ns->n] = strdup(name)) == NULL)
		return KC_ENOMEM;
	ns->n++;
	return 0;
}

static void
names_fini(struct names *ns)
{
	size_t i;

	for (i = 0; i < ns->n; i++)
		free(ns->v[i]);
	free(ns->v);
}

/* A checkpoint that cannot be read is one without lines: more to recover. */
static int
load_checkpoint(struct kb_dir *dir, struct kb_offsets *o, const char *name)
{
	int rc = kb_offsets_load(o, dir->host.env->file, dir->host.dirfd, name);

	if (rc == KC_ENOENT)
		return KC_OK;
	if (rc != KC_ECORRUPT)
		return rc;
	kc_log(KC_LOG_WARN, KB_DIRS_NAME,
	    "Error occurred while reading %s file of directory %s, resetting "
	    "to 0",
	    name, dir->path);
	kb_offsets_fini(o);
	return KC_OK;
}

/*
 * From here on a crash is an unclean stop, also one in the middle of the
 * loading: the marker goes first.
 */
static int
take_marker(struct kb_dir *dir)
{
	int rc = dir->host.env->file->unlink(dir->host.dirfd, CLEAN_FILE);

	dir->clean = rc == KC_OK;
	if (rc == KC_ENOENT)
		return KC_OK;
	return rc == KC_OK ?
	    kc_file_sync_dir(dir->host.env->file, dir->host.dirfd) :
	    rc;
}

static void
log_loaded(struct loader *ld, struct kb_log *log, int64_t took_ms)
{
	kc_log(KC_LOG_INFO, KB_DIRS_NAME,
	    "Completed load of Log(dir=%s/%s, partition=%d, highWatermark=%lld"
	    ", lastStableOffset=%lld, logStartOffset=%lld, logEndOffset=%lld) "
	    "with %d segments in %lldms (%zu/%zu completed in %s)",
	    ld->dir->path, log->pl.folder, log->partition, (long long)log->hw,
	    (long long)log->lso, (long long)log->start, (long long)log->end,
	    log->nseg, (long long)took_ms, atomic_fetch_add(&ld->done, 1) + 1,
	    ld->names.n, ld->dir->path);
}

/* KC_ECORRUPT is fatal for the broker; a bad disk only for the dir. */
static int
load_one(struct loader *ld, const char *name)
{
	struct kb_dir *dir = ld->dir;
	struct kb_log_dirs *dirs = dir->dirs;
	struct kb_log_open in = {
		.folder = name, .cleaned = -1, .clean = dir->clean
	};
	int64_t began = kc_mono_ms(dirs->env->clock);
	struct kb_log *log = NULL;
	struct kb_folder folder;
	int rc;

	KC_ASSERT(kb_name_parse_folder(name, &folder)); /* list_logs() did */
	in.topic = folder.topic;
	in.partition = folder.partition;
	in.kind = folder.kind;
	in.cfg = dirs->defaults;
	if (dirs->events.topic_config != NULL)
		dirs->events.topic_config(
		    dirs->events.arg, folder.topic, &in.cfg);
	(void)kb_offsets_find(
	    &dir->recovery, folder.topic, folder.partition, &in.recovery_point);
	(void)kb_offsets_find(
	    &dir->starts, folder.topic, folder.partition, &in.start);
	(void)kb_offsets_find(
	    &dir->hws, folder.topic, folder.partition, &in.hw);
	(void)kb_offsets_find(
	    &dir->cleaned, folder.topic, folder.partition, &in.cleaned);
	if ((rc = kb_log_open(&log, &dir->host, &in)) != KC_OK) {
		kb_dir_fail(&dir->host, rc, "loading a log");
		return rc == KC_ENOMEM ? rc : KC_OK;
	}
	log_loaded(ld, log, kc_mono_ms(dirs->env->clock) - began);
	rc = kb_dirs_insert(dirs, dir, name, log);
	kb_log_put(&log);
	if (rc != KC_EEXIST)
		return rc;
	kc_log(KC_LOG_FATAL, KB_DIRS_NAME,
	    "Duplicate log directories found for %s: the one in %s and "
	    "another one",
	    name, dir->path);
	return KC_ECORRUPT;
}

static void
load_some(void *arg)
{
	struct loader *ld = arg;
	int expected = KC_OK;
	size_t i;
	int rc;

	while (kb_dir_online(ld->dir) && atomic_load(&ld->rc) == KC_OK &&
	    (i = atomic_fetch_add(&ld->next, 1)) < ld->names.n) {
		rc = load_one(ld, ld->names.v[i]);
		if (rc != KC_OK)
			(void)atomic_compare_exchange_strong(
			    &ld->rc, &expected, rc);
	}
}

/* Only what is to be loaded stays in the list. */
static int
sort_out(struct loader *ld)
{
	struct kb_dir *dir = ld->dir;
	struct kb_folder folder;
	size_t i, keep = 0;
	bool load;

	for (i = 0; i < ld->names.n; i++) {
		if (!kb_name_parse_folder(ld->names.v[i], &folder)) {
			kc_log(KC_LOG_FATAL, KB_DIRS_NAME,
			    "Found directory %s/%s, '%s' is not in the form "
			    "of topic-partition or topic-partition.uniqueId-"
			    "delete (if marked for deletion). Kafka's log "
			    "directories (and children) should only contain "
			    "Kafka topic data.",
			    dir->path, ld->names.v[i], ld->names.v[i]);
			return KC_ECORRUPT;
		}
		load = folder.kind == KB_FOLDER_CURRENT ||
		    folder.kind == KB_FOLDER_FUTURE;
		if (folder.kind == KB_FOLDER_DELETE)
			kb_dir_discard(dir, ld->names.v[i], -1,
			    dir->dirs->defaults.file_delete_delay_ms);
		else if (!load)
			kc_log(KC_LOG_INFO, KB_DIRS_NAME,
			    "Found stray log dir %s/%s, leaving it alone",
			    dir->path, ld->names.v[i]);
		if (load)
			ld->names.v[keep++] = ld->names.v[i];
		else
			free(ld->names.v[i]);
	}
	ld->names.n = keep;
	return KC_OK;
}

static int
prepare(struct loader *ld)
{
	struct kb_dir *dir = ld->dir;
	int rc;

	if ((rc = take_marker(dir)) != KC_OK ||
	    (rc = load_checkpoint(
		 dir, &dir->recovery, KB_CHECKPOINT_RECOVERY)) != KC_OK ||
	    (rc = load_checkpoint(dir, &dir->starts, KB_CHECKPOINT_START)) !=
		KC_OK ||
	    (rc = load_checkpoint(dir, &dir->hws, KB_CHECKPOINT_HW)) != KC_OK ||
	    (rc = load_checkpoint(dir, &dir->cleaned, KB_CHECKPOINT_CLEANER)) !=
		KC_OK ||
	    (rc = dir->host.env->file->list(
		 dir->host.dirfd, ".", on_entry, &ld->names)) != KC_OK) {
		if (rc != KC_ENOMEM) {
			kb_dir_fail(&dir->host, rc, "loading");
			rc = KC_OK;
		}
		return rc;
	}
	if ((rc = sort_out(ld)) != KC_OK)
		return rc;
	kc_log(KC_LOG_INFO, KB_DIRS_NAME,
	    dir->clean ? "Skipping recovery of %zu logs from %s since clean "
			 "shutdown file was found" :
			 "Recovering %zu logs from %s since no clean shutdown "
			 "file was found",
	    ld->names.n, dir->path);
	return KC_OK;
}

static void
start_threads(struct loader *ld)
{
	int want = KC_MIN(ld->dir->dirs->cfg.recovery_threads, THREADS_MAX);

	while (ld->nthreads < want && (size_t)ld->nthreads < ld->names.n &&
	    kc_thread_start(&ld->thread[ld->nthreads], "log-recovery",
		load_some, ld) == KC_OK)
		ld->nthreads++;
}

static int
finish(struct loader *ld)
{
	struct kb_dir *dir = ld->dir;
	int i;

	if (ld->nthreads == 0)
		load_some(ld); /* none asked for, or none to be had */
	for (i = 0; i < ld->nthreads; i++)
		kc_thread_join(&ld->thread[i]);
	dir->loaded = kb_dir_online(dir) && ld->rc == KC_OK;
	names_fini(&ld->names);
	kb_offsets_fini(&dir->recovery);
	kb_offsets_fini(&dir->starts);
	kb_offsets_fini(&dir->hws);
	kb_offsets_fini(&dir->cleaned);
	return ld->rc;
}

static void
say_start(struct kb_log_dirs *dirs)
{
	char buf[1024];
	size_t n = 0;
	int i;

	buf[0] = '\0';
	for (i = 0; i < dirs->ndirs && n < sizeof buf; i++)
		n += (size_t)snprintf(buf + n, sizeof buf - n, "%s%s",
		    i == 0 ? "" : ", ", dirs->dir[i].path);
	kc_log(KC_LOG_INFO, KB_DIRS_NAME,
	    "Loading logs from log dirs ArrayBuffer(%s)", buf);
}

int
kb_log_dirs_load(struct kb_log_dirs *dirs)
{
	int64_t began = kc_mono_ms(dirs->env->clock);
	struct loader *ld = calloc((size_t)dirs->ndirs, sizeof *ld);
	int rc = KC_OK, rc2;
	int i, online = 0;

	if (ld == NULL)
		return KC_ENOMEM;
	say_start(dirs);
	for (i = 0; i < dirs->ndirs; i++) {
		ld[i].dir = &dirs->dir[i];
		if (!kb_dir_online(&dirs->dir[i]))
			continue;
		rc2 = prepare(&ld[i]);
		if (rc2 != KC_OK)
			atomic_store(&ld[i].rc, rc2);
		else if (kb_dir_online(&dirs->dir[i]))
			start_threads(&ld[i]);
	}
	for (i = 0; i < dirs->ndirs; i++) {
		rc2 = finish(&ld[i]);
		rc = rc == KC_OK ? rc2 : rc;
		kb_dir_schedule(&dirs->dir[i]);
		kb_dir_report(&dirs->dir[i]);
		online += kb_dir_online(&dirs->dir[i]);
	}
	free(ld);
	if (rc == KC_OK && online == 0)
		rc = KC_EIO;
	if (rc == KC_OK)
		kc_log(KC_LOG_INFO, KB_DIRS_NAME, "Loaded %u logs in %lldms",
		    HASH_COUNT(dirs->table),
		    (long long)(kc_mono_ms(dirs->env->clock) - began));
	return rc;
}
