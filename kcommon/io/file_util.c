/* The helpers of file.h, written on the table alone. */
#include "kcommon/io/file.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A log directory is two or three levels deep; more is not ours. */
#define TREE_DEPTH_MAX 32

/* Splits path: the folder part ("." when there is none) and the last name. */
static int
parent_of(const char *path, char dir[PATH_MAX], const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - path);

	*name = slash == NULL ? path : slash + 1;
	if (slash == path)
		n = 1;
	if (n >= PATH_MAX)
		return KC_EINVAL;
	memcpy(dir, n == 0 ? "." : path, n == 0 ? 1 : n);
	dir[n == 0 ? 1 : n] = '\0';
	return KC_OK;
}

int
kc_file_sync_dir(const struct kc_file_ops *f, int dirfd)
{
	int fd = -1;
	int rc;

	if (dirfd != KC_FILE_CWD)
		return f->fsync(dirfd);
	if ((rc = f->open_dir(&fd, dirfd, ".")) != KC_OK)
		return rc;
	rc = f->fsync(fd);
	f->close(fd);
	return rc;
}

/* One step of mkdirs: the entry is durable before anything goes into it. */
static int
make_one(const struct kc_file_ops *f, const char *path)
{
	char parent[PATH_MAX];
	struct kc_file_stat st;
	const char *name;
	int fd = -1;
	int rc;

	if ((rc = f->mkdir(KC_FILE_CWD, path)) == KC_EEXIST) {
		if ((rc = f->stat(KC_FILE_CWD, path, &st)) != KC_OK)
			return rc;
		return st.is_dir ? KC_OK : KC_ENOTDIR;
	}
	if (rc != KC_OK || (rc = parent_of(path, parent, &name)) != KC_OK ||
	    (rc = f->open_dir(&fd, KC_FILE_CWD, parent)) != KC_OK)
		return rc;
	rc = f->fsync(fd);
	f->close(fd);
	return rc;
}

int
kc_file_mkdirs(const struct kc_file_ops *f, const char *path)
{
	char buf[PATH_MAX];
	size_t len = strlen(path);
	size_t i;
	int rc;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0 || len >= sizeof buf)
		return KC_EINVAL;
	memcpy(buf, path, len);
	buf[len] = '\0';
	for (i = 1; i < len; i++) {
		if (buf[i] != '/' || buf[i - 1] == '/')
			continue;
		buf[i] = '\0';
		rc = make_one(f, buf);
		buf[i] = '/';
		if (rc != KC_OK)
			return rc;
	}
	return make_one(f, buf);
}

int
kc_file_slurp(const struct kc_file_ops *f, int dirfd, const char *path,
    size_t max, char **p, size_t *len)
{
	struct kc_file_stat st;
	char *buf = NULL;
	int fd = -1;
	int rc;

	KC_ASSERT(*p == NULL);
	if ((rc = f->open(&fd, dirfd, path, KC_FILE_READ)) != KC_OK)
		return rc;
	if ((rc = f->fstat(fd, &st)) != KC_OK)
		goto fail;
	if (st.is_dir) {
		rc = KC_EINVAL;
		goto fail;
	}
	if (st.size < 0 || (uint64_t)st.size > max) {
		rc = KC_ELIMIT;
		goto fail;
	}
	if ((buf = malloc((size_t)st.size + 1)) == NULL) {
		rc = KC_ENOMEM;
		goto fail;
	}
	if ((rc = f->pread(fd, buf, (size_t)st.size, 0, len)) != KC_OK)
		goto fail;
	f->close(fd);
	buf[*len] = '\0';
	*p = buf;
	return KC_OK;

fail:
	f->close(fd);
	free(buf);
	return rc;
}

/* Write the whole of tmp and make its content durable. */
static int
write_synced(const struct kc_file_ops *f, int dirfd, const char *tmp,
    const void *p, size_t len)
{
	int fd = -1;
	int rc;

	rc = f->open(
	    &fd, dirfd, tmp, KC_FILE_WRITE | KC_FILE_CREATE | KC_FILE_TRUNC);
	if (rc != KC_OK)
		return rc;
	if ((rc = f->pwrite(fd, p, len, 0)) == KC_OK)
		rc = f->fsync(fd);
	f->close(fd);
	return rc;
}

int
kc_file_replace(const struct kc_file_ops *f, int dirfd, const char *name,
    const void *p, size_t len)
{
	char tmp[PATH_MAX], parent[PATH_MAX];
	const char *last;
	int fd = -1;
	int rc;

	if (snprintf(tmp, sizeof tmp, "%s.tmp", name) >= (int)sizeof tmp)
		return KC_EINVAL;
	if ((rc = parent_of(name, parent, &last)) != KC_OK)
		return rc;
	if ((rc = write_synced(f, dirfd, tmp, p, len)) != KC_OK) {
		/* Half a file is of no use; what counts is the first error. */
		(void)f->unlink(dirfd, tmp);
		return rc;
	}
	if ((rc = f->rename(dirfd, tmp, name)) != KC_OK ||
	    (rc = f->open_dir(&fd, dirfd, parent)) != KC_OK)
		return rc;
	rc = f->fsync(fd);
	f->close(fd);
	return rc;
}

struct names {
	char **v;
	size_t n, cap;
};

static int
collect(void *arg, const char *name, bool is_dir)
{
	struct names *ns = arg;
	size_t cap;
	char **v;

	(void)is_dir;
	if (ns->n == ns->cap) {
		cap = ns->cap == 0 ? 16 : ns->cap * 2;
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

/*
 * Names are collected before any is removed: what a folder lists while it
 * shrinks is not defined.
 */
static int
remove_tree(const struct kc_file_ops *f, int dirfd, const char *name, int depth)
{
	struct names ns = { 0 };
	int fd = -1;
	int rc;
	size_t i;

	/* A link is removed, what it points to is not. */
	rc = f->unlink(dirfd, name);
	if (rc == KC_OK || rc == KC_ENOENT)
		return rc;
	if (depth == TREE_DEPTH_MAX)
		return KC_ELIMIT;
	if ((rc = f->open_dir(&fd, dirfd, name)) != KC_OK)
		return rc;
	rc = f->list(fd, ".", collect, &ns);
	for (i = 0; i < ns.n; i++) {
		if (rc == KC_OK) {
			rc = remove_tree(f, fd, ns.v[i], depth + 1);
			if (rc == KC_ENOENT)
				rc = KC_OK; /* somebody else was faster */
		}
		free(ns.v[i]);
	}
	free(ns.v);
	f->close(fd);
	return rc == KC_OK ? f->rmdir(dirfd, name) : rc;
}

int
kc_file_remove_tree(const struct kc_file_ops *f, int dirfd, const char *name)
{
	return remove_tree(f, dirfd, name, 0);
}

struct owned_fd {
	struct kc_fileref base;
	const struct kc_file_ops *f;
};

static void
release_fd(struct kc_fileref *ref)
{
	struct owned_fd *o = KC_CONTAINER(ref, struct owned_fd, base);

	o->f->close(ref->fd);
	free(o);
}

int
kc_fileref_new(const struct kc_file_ops *f, int fd, struct kc_fileref **refp)
{
	struct owned_fd *o;

	KC_ASSERT(*refp == NULL);
	if ((o = calloc(1, sizeof *o)) == NULL)
		return KC_ENOMEM;
	kc_ref_init(&o->base.ref);
	o->base.fd = fd;
	o->base.release = release_fd;
	o->f = f;
	*refp = &o->base;
	return KC_OK;
}
