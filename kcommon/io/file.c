#include "kcommon/io/file.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* One read or write call moves at most this much: what Linux allows. */
#define IO_MAX 0x7ffff000

/* Without cachestat(2): one probe per this many bytes. */
#define PROBE_STEP (32 * 1024)

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5, the same on every architecture */
#endif

static int
last_error(void)
{
	return kc_err_errno(errno);
}

static int
sys_open(int *fd, int dirfd, const char *path, unsigned flags)
{
	int oflags = O_CLOEXEC;

	oflags |= flags & KC_FILE_WRITE ? O_RDWR : O_RDONLY;
	oflags |= flags & KC_FILE_CREATE ? O_CREAT : 0;
	oflags |= flags & KC_FILE_EXCL ? O_EXCL : 0;
	oflags |= flags & KC_FILE_TRUNC ? O_TRUNC : 0;
	do
		*fd = openat(dirfd, path, oflags, 0644);
	while (*fd == -1 && errno == EINTR);
	return *fd == -1 ? last_error() : KC_OK;
}

static int
sys_open_dir(int *fd, int dirfd, const char *path)
{
	*fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd == -1 ? last_error() : KC_OK;
}

static void
sys_close(int fd)
{
	(void)close(fd); /* Linux frees the descriptor even on EINTR */
}

static int
sys_pread(int fd, void *p, size_t len, int64_t off, size_t *n)
{
	ssize_t r;

	for (*n = 0; *n < len; *n += (size_t)r) {
		r = pread(fd, (char *)p + *n, KC_MIN(len - *n, (size_t)IO_MAX),
		    off + (int64_t)*n);
		if (r == -1 && errno == EINTR)
			r = 0;
		else if (r == -1)
			return last_error();
		else if (r == 0)
			break;
	}
	return KC_OK;
}

static int
sys_pwrite(int fd, const void *p, size_t len, int64_t off)
{
	size_t n;
	ssize_t r;

	for (n = 0; n < len; n += (size_t)r) {
		r = pwrite(fd, (const char *)p + n,
		    KC_MIN(len - n, (size_t)IO_MAX), off + (int64_t)n);
		if (r == -1 && errno == EINTR)
			r = 0;
		else if (r == -1)
			return last_error();
	}
	return KC_OK;
}

static int
sys_pwritev(int fd, const struct iovec *v, int n, int64_t off)
{
	struct iovec left[KC_FILE_IOV], *at = left;
	ssize_t r;

	KC_ASSERT(n >= 0 && n <= KC_FILE_IOV);
	memcpy(left, v, (size_t)n * sizeof *v);
	while (n > 0) {
		r = pwritev(fd, at, n, off);
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return kc_err_errno(errno);
		off += r;
		for (; n > 0 && (size_t)r >= at->iov_len; at++, n--)
			r -= (ssize_t)at->iov_len;
		if (n > 0) {
			at->iov_base = (char *)at->iov_base + r;
			at->iov_len -= (size_t)r;
		}
	}
	return KC_OK;
}

static void
fill_stat(struct kc_file_stat *out, const struct stat *st)
{
	out->size = st->st_size;
	out->mtime_ms =
	    (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
	out->is_dir = S_ISDIR(st->st_mode);
}

static int
sys_stat(int dirfd, const char *path, struct kc_file_stat *out)
{
	struct stat st;

	if (fstatat(dirfd, path, &st, 0) == -1)
		return last_error();
	fill_stat(out, &st);
	return KC_OK;
}

static int
sys_fstat(int fd, struct kc_file_stat *out)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return last_error();
	fill_stat(out, &st);
	return KC_OK;
}

static int
sys_set_mtime(int fd, int64_t mtime_ms)
{
	struct timespec t[2];
	int64_t ms = mtime_ms % 1000;

	if (ms < 0)
		ms += 1000;
	t[0].tv_sec = 0;
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_sec = (mtime_ms - ms) / 1000;
	t[1].tv_nsec = ms * 1000000;
	return futimens(fd, t) == -1 ? last_error() : KC_OK;
}

static int
sys_truncate(int fd, int64_t size)
{
	int rc;

	do
		rc = ftruncate(fd, size);
	while (rc == -1 && errno == EINTR);
	return rc == -1 ? last_error() : KC_OK;
}

static int
sys_allocate(int fd, int64_t off, int64_t len)
{
	int rc;

	/* Returns the error; errno is left alone. */
	do
		rc = posix_fallocate(fd, off, len);
	while (rc == EINTR);
	return kc_err_errno(rc);
}

static int
sys_fsync(int fd)
{
	int rc;

	/* EINTR says nothing was tried; any other error is final. */
	do
		rc = fsync(fd);
	while (rc == -1 && errno == EINTR);
	return rc == -1 ? last_error() : KC_OK;
}

static int
sys_fdatasync(int fd)
{
	int rc;

	do
		rc = fdatasync(fd);
	while (rc == -1 && errno == EINTR);
	return rc == -1 ? last_error() : KC_OK;
}

static int
sys_map(int fd, int64_t off, size_t len, bool writable, void **p)
{
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;

	*p = mmap(NULL, len, prot, MAP_SHARED, fd, off);
	if (*p == MAP_FAILED) {
		*p = NULL;
		return last_error();
	}
	return KC_OK;
}

static int
sys_unmap(void *p, size_t len)
{
	return munmap(p, len) == -1 ? last_error() : KC_OK;
}

/* madvise() wants a page boundary; a tail of a map need not start on one. */
static void
page_align(void **p, size_t *len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t over = (uintptr_t)*p % page;

	*p = (char *)*p - over;
	*len += over;
}

static void
sys_advise_random(void *p, size_t len, bool random)
{
	page_align(&p, &len);
	(void)madvise(p, len, random ? MADV_RANDOM : MADV_NORMAL);
}

/*
 * Linux before 6.5: ask for a byte here and there without waiting.  A range
 * is read ahead in larger pieces than the step, so that samples tell enough;
 * a wrong yes costs one wait on the disk and no more.
 */
static bool
probe_resident(int fd, int64_t off, size_t len)
{
	char c;
	struct iovec iov = { &c, 1 };
	size_t at = 0;

	for (;;) {
		if (preadv2(fd, &iov, 1, off + (int64_t)at, RWF_NOWAIT) == -1)
			/* Not known here is as good as yes. */
			return errno == EOPNOTSUPP || errno == ENOSYS;
		if (at == len - 1)
			return true;
		at = KC_MIN(at + PROBE_STEP, len - 1);
	}
}

static bool
sys_resident(int fd, int64_t off, size_t len)
{
	struct {
		uint64_t off, len;
	} range = { (uint64_t)off, len };
	struct {
		uint64_t cached, dirty, writeback, evicted, recently_evicted;
	} st;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t first, last;

	if (len == 0)
		return true;
	/* Counts the pages without touching them. */
	if (syscall(SYS_cachestat, fd, &range, &st, 0) == -1)
		return probe_resident(fd, off, len);
	first = range.off / page;
	last = (range.off + len - 1) / page;
	return st.cached >= last - first + 1;
}

static int
sys_rename(int dirfd, const char *from, const char *to)
{
	if (renameat(dirfd, from, dirfd, to) == -1)
		return last_error();
	return KC_OK;
}

static int
sys_unlink(int dirfd, const char *path)
{
	return unlinkat(dirfd, path, 0) == -1 ? last_error() : KC_OK;
}

static int
sys_mkdir(int dirfd, const char *path)
{
	return mkdirat(dirfd, path, 0755) == -1 ? last_error() : KC_OK;
}

static int
sys_rmdir(int dirfd, const char *path)
{
	int rc = unlinkat(dirfd, path, AT_REMOVEDIR);

	/* POSIX lets a folder that is not empty give either. */
	if (rc == -1 && errno == EEXIST)
		return KC_ENOTEMPTY;
	return rc == -1 ? last_error() : KC_OK;
}

static int
sys_list(int dirfd, const char *path,
    int (*fn)(void *arg, const char *name, bool is_dir), void *arg)
{
	struct dirent *e;
	struct stat st;
	DIR *dir;
	bool is_dir;
	int fd = -1;
	int rc;

	if ((rc = sys_open_dir(&fd, dirfd, path)) != KC_OK)
		return rc;
	if ((dir = fdopendir(fd)) == NULL) {
		rc = last_error();
		close(fd);
		return rc;
	}
	for (;;) {
		errno = 0;
		if ((e = readdir(dir)) == NULL) {
			rc = last_error(); /* KC_OK at the end */
			break;
		}
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		/* A link to a folder is a folder, as for java.io.File. */
		if (e->d_type == DT_UNKNOWN || e->d_type == DT_LNK)
			is_dir = fstatat(fd, e->d_name, &st, 0) == 0 &&
			    S_ISDIR(st.st_mode);
		else
			is_dir = e->d_type == DT_DIR;
		if ((rc = fn(arg, e->d_name, is_dir)) != 0)
			break;
	}
	closedir(dir);
	return rc;
}

/*
 * An open-file-description lock conflicts with the process locks that
 * java.nio takes, and, unlike those, with another broker in this process;
 * nor does closing some other descriptor of the file drop it.
 */
static int
sys_lock(int fd)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
		return KC_OK;
	if (errno == EAGAIN || errno == EACCES)
		return KC_EBUSY;
	return last_error();
}

static int
sys_space(int dirfd, int64_t *total, int64_t *usable)
{
	struct statvfs st;
	int rc;

	do
		rc = dirfd == KC_FILE_CWD ? statvfs(".", &st) :
					    fstatvfs(dirfd, &st);
	while (rc == -1 && errno == EINTR);
	if (rc == -1)
		return last_error();
	*total = (int64_t)(st.f_blocks * st.f_frsize);
	*usable = (int64_t)(st.f_bavail * st.f_frsize);
	return KC_OK;
}

const struct kc_file_ops kc_file_system = {
	.open = sys_open,
	.open_dir = sys_open_dir,
	.close = sys_close,
	.pread = sys_pread,
	.pwrite = sys_pwrite,
	.pwritev = sys_pwritev,
	.stat = sys_stat,
	.fstat = sys_fstat,
	.set_mtime = sys_set_mtime,
	.truncate = sys_truncate,
	.allocate = sys_allocate,
	.fsync = sys_fsync,
	.fdatasync = sys_fdatasync,
	.map = sys_map,
	.unmap = sys_unmap,
	.advise_random = sys_advise_random,
	.resident = sys_resident,
	.rename = sys_rename,
	.unlink = sys_unlink,
	.mkdir = sys_mkdir,
	.rmdir = sys_rmdir,
	.list = sys_list,
	.lock = sys_lock,
	.space = sys_space,
};
