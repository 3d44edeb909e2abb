#include "tests/unit/log/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "kcommon/base/assert.h"
#include "kcommon/base/log.h"
#include "kcommon/io/file.h"
#include "kcommon/io/file_guard.h"
#include "kcommon/record/build.h"

struct kt_faults kt_faults;
static struct kc_file_ops ops; /* the system's, with faults */

static bool
due(int *countdown)
{
	return *countdown > 0 && (*countdown == 1 || --*countdown == 0);
}

/* The process is dead by this call. */
static bool
dead(void)
{
	if (due(&kt_faults.die))
		kt_faults.died = true;
	return kt_faults.died;
}

static int
f_open(int *fd, int dirfd, const char *path, unsigned flags)
{
	if ((flags & (KC_FILE_CREATE | KC_FILE_TRUNC)) != 0 && dead())
		return KC_EIO;
	return kc_file_system.open(fd, dirfd, path, flags);
}

static int
f_unlink(int dirfd, const char *path)
{
	return dead() ? KC_EIO : kc_file_system.unlink(dirfd, path);
}

static int
f_truncate(int fd, int64_t size)
{
	return dead() ? KC_EIO : kc_file_system.truncate(fd, size);
}

static int
f_set_mtime(int fd, int64_t ms)
{
	return dead() ? KC_EIO : kc_file_system.set_mtime(fd, ms);
}

static int
f_allocate(int fd, int64_t off, int64_t len)
{
	if (due(&kt_faults.allocate_nospc))
		return KC_ENOSPC;
	return kc_file_system.allocate(fd, off, len);
}

static int
f_fsync(int fd)
{
	if (dead() || due(&kt_faults.fsync_eio))
		return KC_EIO;
	return kc_file_system.fsync(fd);
}

static int
f_pwrite(int fd, const void *p, size_t len, int64_t off)
{
	if (dead())
		return KC_EIO;
	if (due(&kt_faults.pwrite_nospc))
		return KC_ENOSPC;
	return kc_file_system.pwrite(fd, p, len, off);
}

static int
f_rename(int dirfd, const char *from, const char *to)
{
	if (dead() || due(&kt_faults.rename_eio))
		return KC_EIO;
	return kc_file_system.rename(dirfd, from, to);
}

static int64_t
mono_ns(struct kc_clock *c)
{
	return ((struct kt_world *)c)->mono_ns;
}

static int64_t
wall_ms(struct kc_clock *c)
{
	return ((struct kt_world *)c)->wall_ms;
}

static void
on_kick(struct kb_log_host *h, struct kb_log *log)
{
	(void)log;
	KC_CONTAINER(h, struct kt_world, host)->kicks++;
}

static void
on_fail(struct kb_log_host *h, int rc, const char *what)
{
	(void)rc;
	(void)what;
	atomic_store(&h->offline, true);
	KC_CONTAINER(h, struct kt_world, host)->fails++;
}

void
kt_world_open(struct kt_world *w)
{
	const char *tmp = getenv("TMPDIR");

	memset(w, 0, sizeof *w);
	memset(&kt_faults, 0, sizeof kt_faults);
	ops = kc_file_system;
	ops.allocate = f_allocate;
	ops.open = f_open;
	ops.unlink = f_unlink;
	ops.truncate = f_truncate;
	ops.set_mtime = f_set_mtime;
	ops.fsync = f_fsync;
	ops.pwrite = f_pwrite;
	ops.rename = f_rename;
	w->clock.mono_ns = mono_ns;
	w->clock.wall_ms = wall_ms;
	w->wall_ms = 1700000000000;
	kc_rand_init_seed(&w->rand, 1);
	w->env.clock = &w->clock;
	w->env.rand = &w->rand;
	w->env.file = &ops;
	snprintf(w->path, sizeof w->path, "%s/kt-log-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	cr_assert_not_null(mkdtemp(w->path));
	cr_assert_eq(kc_guard_install(), KC_OK);
	w->host.env = &w->env;
	w->host.path = w->path;
	w->host.producer_expiration_ms = 86400000;
	w->host.kick = on_kick;
	w->host.fail = on_fail;
	cr_assert_eq(ops.open_dir(&w->host.dirfd, KC_FILE_CWD, w->path), KC_OK);
	w->cfg = kb_log_config_default;
	w->cleaned = -1;
}

void
kt_world_close(struct kt_world *w)
{
	ops.close(w->host.dirfd);
	cr_assert_eq(
	    kc_file_remove_tree(&kc_file_system, KC_FILE_CWD, w->path), KC_OK);
}

int
kt_log_try(struct kt_world *w, bool clean, struct kb_log **logp)
{
	struct kb_log_open in = { .folder = "t-0",
		.topic = "t",
		.cfg = w->cfg,
		.clean = clean,
		.recovery_point = w->recovery_point,
		.start = w->start,
		.hw = w->hw,
		.cleaned = w->cleaned };

	(void)ops.mkdir(w->host.dirfd, "t-0");
	return kb_log_open(logp, &w->host, &in);
}

struct kb_log *
kt_log_open(struct kt_world *w, bool clean)
{
	struct kb_log *log = NULL;
	int rc = kt_log_try(w, clean, &log);

	cr_assert_eq(rc, KC_OK, "%s", kc_strerror(rc));
	return log;
}

void
kt_log_kill(struct kb_log **logp)
{
	kb_log_abandon(*logp);
	kb_log_put(logp);
}

void
kt_log_stop(struct kt_world *w, struct kb_log **logp)
{
	cr_assert_eq(kb_log_close(*logp, true), KC_OK);
	w->recovery_point = (*logp)->recovery_point;
	w->start = (*logp)->start;
	w->hw = (*logp)->hw;
	w->cleaned = (*logp)->cleaned;
	kb_log_put(logp);
}

void
kt_log_run(struct kb_log *log)
{
	bool checkpoint = false;

	cr_assert_eq(kb_log_work(log, &checkpoint), KC_OK);
}

void
kt_batch(struct kc_wr *w, const struct kt_batch *b)
{
	struct kc_build_params p = kc_build_params_default;
	static char value[1 << 20];
	struct kc_record rec = { 0 };
	struct kc_build bld;
	int i;

	p.base_offset = b->base_offset;
	p.leader_epoch = b->leader_epoch;
	if (b->producer_id != 0) {
		p.producer_id = b->producer_id;
		p.producer_epoch = b->epoch;
		p.base_sequence = b->seq;
	}
	if (b->txn)
		p.attributes |= KC_ATTR_TXN;
	cr_assert_leq(b->value, sizeof value);
	memset(value, 'v', b->value);
	kc_build_open(&bld, &p, NULL, w);
	for (i = 0; i < b->n; i++) {
		rec.offset = b->base_offset + i;
		rec.timestamp = b->timestamp + i;
		rec.key = KC_STR_NULL;
		rec.value = (struct kc_str){ value, (int32_t)b->value };
		cr_assert_eq(kc_build_append(&bld, &rec), KC_OK);
	}
	cr_assert_eq(kc_build_finish(&bld), KC_OK);
}

int
kt_append(struct kb_log *log, const struct kt_batch *b, struct kb_append *a)
{
	enum kb_append_origin origin = a->origin;
	uint64_t guard = a->guard;
	struct kc_wr w;
	uint8_t *exact;
	int rc;

	kc_wr_init(&w, 0);
	kt_batch(&w, b);
	/* Exactly as large as the batch. */
	exact = malloc(w.len);
	memcpy(exact, w.p, w.len);
	memset(a, 0, sizeof *a);
	a->p = exact;
	a->len = w.len;
	a->origin = origin;
	a->guard = guard;
	a->leader_epoch = b->leader_epoch;
	a->append_time = -1;
	rc = kb_log_append(log, a);
	free(exact);
	kc_wr_fini(&w);
	return rc;
}

int64_t
kt_put(struct kb_log *log, int n, int64_t ts)
{
	struct kt_batch b = { .n = n, .value = 10, .timestamp = ts };
	struct kb_append a = { 0 };
	int rc = kt_append(log, &b, &a);

	cr_assert_eq(rc, KC_OK, "%s", kc_strerror(rc));
	cr_assert_eq(a.verdict, KB_VERDICT_OK);
	cr_assert_eq(a.last_offset, a.first_offset + n - 1);
	return a.first_offset;
}

int
kt_marker(struct kb_log *log, int64_t producer_id, int16_t epoch, bool commit,
    struct kb_append *a)
{
	struct kc_marker m = { producer_id, epoch, commit, 0 };
	struct kc_wr w;
	int rc;

	kc_wr_init(&w, 0);
	cr_assert_eq(kc_build_marker(&m, kb_log_now_ms(log), &w), KC_OK);
	memset(a, 0, sizeof *a);
	a->p = w.p;
	a->len = w.len;
	a->origin = KB_APPEND_COORDINATOR;
	rc = kb_log_append(log, a);
	kc_wr_fini(&w);
	return rc;
}

static void
full_path(char *buf, const struct kt_world *w, const char *name)
{
	snprintf(buf, 512, "%s/%s", w->path, name);
}

uint8_t *
kt_slurp(const struct kt_world *w, const char *name, size_t *len)
{
	char path[512], *p = NULL;

	full_path(path, w, name);
	cr_assert_eq(kc_file_slurp(&kc_file_system, KC_FILE_CWD, path,
			 SIZE_MAX / 2, &p, len),
	    KC_OK, "%s", path);
	return (uint8_t *)p;
}

void
kt_spit(const struct kt_world *w, const char *name, const void *p, size_t len)
{
	char path[512];
	FILE *f;

	full_path(path, w, name);
	f = fopen(path, "wb");
	cr_assert_not_null(f, "%s", path);
	cr_assert_eq(fwrite(p, 1, len, f), len);
	cr_assert_eq(fclose(f), 0);
}

bool
kt_exists(const struct kt_world *w, const char *name)
{
	char path[512];

	full_path(path, w, name);
	return access(path, F_OK) == 0;
}

struct copy {
	const struct kt_world *from, *to;
};

static int
copy_one(void *arg, const char *name, bool is_dir)
{
	struct copy *c = arg;
	char path[400];
	size_t len;
	uint8_t *p;

	cr_assert_not(is_dir);
	snprintf(path, sizeof path, "t-0/%s", name);
	p = kt_slurp(c->from, path, &len);
	kt_spit(c->to, path, p, len);
	free(p);
	return 0;
}

void
kt_copy(const struct kt_world *from, const struct kt_world *to)
{
	struct copy c = { from, to };
	int rc;

	rc = kc_file_remove_tree(&kc_file_system, to->host.dirfd, "t-0");
	cr_assert(rc == KC_OK || rc == KC_ENOENT);
	cr_assert_eq(kc_file_system.mkdir(to->host.dirfd, "t-0"), KC_OK);
	cr_assert_eq(
	    kc_file_system.list(from->host.dirfd, "t-0", copy_one, &c), KC_OK);
}

/* One slice, read into memory and walked. */
static int64_t
check_slice(const struct kb_log_slice *s, int64_t offset)
{
	uint8_t *p = malloc((size_t)s->len);
	struct kc_batch b;
	size_t at = 0, n;
	int64_t next = -1;

	cr_assert_eq(
	    kc_file_system.pread(s->file->fd, p, (size_t)s->len, s->pos, &n),
	    KC_OK);
	cr_assert_eq(n, (size_t)s->len);
	while (at < n) {
		cr_assert_eq(kc_batch_parse(p + at, n - at, &b), KC_OK);
		cr_assert_eq(kc_batch_check_crc(&b), KC_OK);
		if (next < 0)
			cr_assert(b.base_offset <= offset &&
			    kc_batch_last_offset(&b) >= offset);
		else
			cr_assert_geq(b.base_offset, next);
		next = kc_batch_last_offset(&b) + 1;
		at += b.size;
	}
	free(p);
	return next;
}

void
kt_check_readable(struct kb_log *log)
{
	struct kb_log_read rd = {
		.max_bytes = 10000, .min_one = true, .isolation = KB_READ_END
	};
	struct kb_log_slice s;

	rd.offset = kb_log_start(log);
	while (rd.offset < kb_log_end(log)) {
		cr_assert_eq(kb_log_read(log, &rd, &s), KC_OK);
		cr_assert_gt(s.len, 0, "nothing at %lld of %lld",
		    (long long)rd.offset, (long long)kb_log_end(log));
		rd.offset = check_slice(&s, rd.offset);
		cr_assert_eq(rd.offset, s.end_offset);
		kb_log_slice_fini(&s);
	}
	cr_assert_eq(rd.offset, kb_log_end(log));
}
