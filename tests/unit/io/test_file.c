#include "kcommon/base/err.h"
#include "kcommon/io/file.h"
#include "kcommon/io/file_guard.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define F (&kc_file_system)

static char dir[64];
static int dirfd_ = -1;

static void
setup(void)
{
	strcpy(dir, "/tmp/kt_file_XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	dirfd_ = -1;
	cr_assert_eq(F->open_dir(&dirfd_, KC_FILE_CWD, dir), KC_OK);
}

static void
teardown(void)
{
	F->close(dirfd_);
	cr_assert_eq(kc_file_remove_tree(F, KC_FILE_CWD, dir), KC_OK);
	cr_assert_neq(access(dir, F_OK), 0);
}

TestSuite(kc_file, .init = setup, .fini = teardown);

static int
make(const char *name, const char *text)
{
	int fd = -1;

	cr_assert_eq(F->open(&fd, dirfd_, name,
			 KC_FILE_WRITE | KC_FILE_CREATE | KC_FILE_TRUNC),
	    KC_OK);
	cr_assert_eq(F->pwrite(fd, text, strlen(text), 0), KC_OK);
	return fd;
}

Test(kc_file, errors_of_open)
{
	int fd = -1;

	cr_assert_eq(F->open(&fd, dirfd_, "no", KC_FILE_READ), KC_ENOENT);
	F->close(make("a", "1"));
	cr_assert_eq(F->open(&fd, dirfd_, "a",
			 KC_FILE_WRITE | KC_FILE_CREATE | KC_FILE_EXCL),
	    KC_EEXIST);
	cr_assert_eq(F->open(&fd, dirfd_, "a/b", KC_FILE_READ), KC_ENOTDIR);
	cr_assert_eq(F->open_dir(&fd, dirfd_, "a"), KC_ENOTDIR);
	cr_assert_eq(F->rmdir(dirfd_, "no"), KC_ENOENT);
	cr_assert_eq(F->mkdir(dirfd_, "a"), KC_EEXIST);
}

Test(kc_file, read_write_stat)
{
	struct kc_file_stat st;
	char buf[16];
	size_t n;
	int fd = make("a", "hello");

	cr_assert_eq(F->pread(fd, buf, sizeof buf, 0, &n), KC_OK);
	cr_assert_eq(n, 5);
	cr_assert_eq(F->pread(fd, buf, sizeof buf, 5, &n), KC_OK);
	cr_assert_eq(n, 0);
	cr_assert_eq(F->truncate(fd, 3), KC_OK);
	cr_assert_eq(F->set_mtime(fd, 1700000000123), KC_OK);
	cr_assert_eq(F->fstat(fd, &st), KC_OK);
	cr_assert_eq(st.size, 3);
	cr_assert_eq(st.mtime_ms, 1700000000123);
	cr_assert(!st.is_dir);
	cr_assert_eq(F->stat(dirfd_, ".", &st), KC_OK);
	cr_assert(st.is_dir);
	cr_assert_eq(F->rename(dirfd_, "a", "b"), KC_OK);
	cr_assert_eq(F->stat(dirfd_, "a", &st), KC_ENOENT);
	cr_assert_eq(F->fsync(fd), KC_OK);
	cr_assert_eq(F->fdatasync(fd), KC_OK);
	F->close(fd);
}

Test(kc_file, pieces_are_written_in_a_row)
{
	struct iovec v[KC_FILE_IOV];
	char text[KC_FILE_IOV + 1] = "";
	char buf[32];
	size_t n;
	int fd = make("a", "0123456789");

	for (int i = 0; i < KC_FILE_IOV; i++) {
		text[i] = (char)('a' + i);
		v[i] = (struct iovec){ text + i, i == 2 ? 0 : 1 };
	}
	cr_assert_eq(F->pwritev(fd, v, 0, 3), KC_OK);
	cr_assert_eq(F->pwritev(fd, v, KC_FILE_IOV, 3), KC_OK);
	cr_assert_eq(F->pread(fd, buf, sizeof buf, 0, &n), KC_OK);
	cr_assert_eq(n, 10);
	cr_assert_arr_eq(buf, "012abdefgh", 10);
	cr_assert_neq(F->pwritev(-1, v, 1, 0), KC_OK);
	F->close(fd);
}

Test(kc_file, map_grows_with_allocate)
{
	void *p = NULL;
	char c;
	size_t n;
	int fd = make("a", "");

	cr_assert_eq(F->allocate(fd, 0, 1 << 20), KC_OK);
	cr_assert_eq(F->map(fd, 0, 1 << 20, true, &p), KC_OK);
	F->advise_random((char *)p + 100, 5000, true);
	((char *)p)[12345] = 'x';
	cr_assert_eq(F->pread(fd, &c, 1, 12345, &n), KC_OK);
	cr_assert_eq(c, 'x');
	cr_assert(F->resident(fd, 100, 100000));
	cr_assert(F->resident(fd, 0, 0));
	cr_assert_eq(F->unmap(p, 1 << 20), KC_OK);
	F->close(fd);
}

/* Goal: the page cache tells what is in it. */
Test(kc_file, resident)
{
	static char block[1 << 20];
	int fd = make("a", "");

	memset(block, 7, sizeof block);
	cr_assert_eq(F->pwrite(fd, block, sizeof block, 0), KC_OK);
	cr_assert(F->resident(fd, 0, sizeof block));
	cr_assert_eq(F->fsync(fd), KC_OK);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (F->resident(fd, 0, sizeof block))
		cr_skip_test("this file system keeps its pages");
	cr_assert(!F->resident(fd, 4096 * 3, 10));
	F->close(fd);
}

static int
count(void *arg, const char *name, bool is_dir)
{
	int *n = arg;

	n[is_dir]++;
	return strcmp(name, "stop") == 0 ? 77 : 0;
}

Test(kc_file, list_and_links)
{
	int n[2] = { 0 };

	F->close(make("f", ""));
	cr_assert_eq(F->mkdir(dirfd_, "d"), KC_OK);
	cr_assert_eq(symlinkat("d", dirfd_, "l"), 0);
	cr_assert_eq(symlinkat("gone", dirfd_, "m"), 0);
	cr_assert_eq(F->list(dirfd_, ".", count, n), KC_OK);
	cr_assert_eq(n[0], 2);
	cr_assert_eq(n[1], 2);
	F->close(make("stop", ""));
	cr_assert_eq(F->list(dirfd_, ".", count, n), 77);
	cr_assert_eq(F->list(dirfd_, "no", count, n), KC_ENOENT);
	/* The link goes, what it points to stays. */
	F->close(make("d/kept", ""));
	cr_assert_eq(kc_file_remove_tree(F, dirfd_, "l"), KC_OK);
	cr_assert_eq(faccessat(dirfd_, "d/kept", F_OK, 0), 0);
	cr_assert_eq(F->rmdir(dirfd_, "d"), KC_ENOTEMPTY);
	cr_assert_eq(kc_file_remove_tree(F, dirfd_, "d"), KC_OK);
	cr_assert_eq(kc_file_remove_tree(F, dirfd_, "d"), KC_ENOENT);
}

Test(kc_file, mkdirs)
{
	char path[128];
	struct kc_file_stat st;

	snprintf(path, sizeof path, "%s/a//b/c/", dir);
	cr_assert_eq(kc_file_mkdirs(F, path), KC_OK);
	cr_assert_eq(kc_file_mkdirs(F, path), KC_OK);
	cr_assert_eq(F->stat(dirfd_, "a/b/c", &st), KC_OK);
	F->close(make("f", ""));
	snprintf(path, sizeof path, "%s/f/b", dir);
	cr_assert_eq(kc_file_mkdirs(F, path), KC_ENOTDIR);
	cr_assert_eq(kc_file_mkdirs(F, ""), KC_EINVAL);
}

Test(kc_file, slurp_and_replace)
{
	char *p = NULL;
	size_t n;

	cr_assert_eq(kc_file_slurp(F, dirfd_, "c", 10, &p, &n), KC_ENOENT);
	cr_assert_eq(kc_file_replace(F, dirfd_, "c", "0123456789", 10), KC_OK);
	cr_assert_eq(kc_file_slurp(F, dirfd_, "c", 9, &p, &n), KC_ELIMIT);
	cr_assert_null(p);
	cr_assert_eq(kc_file_slurp(F, dirfd_, "c", 10, &p, &n), KC_OK);
	cr_assert_eq(n, 10);
	cr_assert_str_eq(p, "0123456789");
	free(p);
	p = NULL;
	cr_assert_eq(kc_file_replace(F, dirfd_, "c", "", 0), KC_OK);
	cr_assert_eq(kc_file_slurp(F, dirfd_, "c", 10, &p, &n), KC_OK);
	cr_assert_eq(n, 0);
	free(p);
	p = NULL;
	cr_assert_eq(F->mkdir(dirfd_, "d"), KC_OK);
	cr_assert_eq(kc_file_replace(F, dirfd_, "d/x", "1", 1), KC_OK);
	cr_assert_eq(kc_file_replace(F, dirfd_, "no/x", "1", 1), KC_ENOENT);
	cr_assert_eq(kc_file_slurp(F, dirfd_, "d", 10, &p, &n), KC_EINVAL);
	cr_assert_neq(faccessat(dirfd_, "c.tmp", F_OK, 0), 0);
}

/* Goal: one holder, also among the opens of one process. */
Test(kc_file, lock)
{
	int a = make(".lock", ""), b = -1;

	cr_assert_eq(F->open(&b, dirfd_, ".lock", KC_FILE_WRITE), KC_OK);
	cr_assert_eq(F->lock(a), KC_OK);
	cr_assert_eq(F->lock(b), KC_EBUSY);
	F->close(a);
	cr_assert_eq(F->lock(b), KC_OK);
	F->close(b);
}

Test(kc_file, fileref)
{
	struct kc_fileref *ref = NULL, *two;
	int fd = make("a", "");

	cr_assert_eq(kc_fileref_new(F, fd, &ref), KC_OK);
	two = kc_fileref_get(ref);
	kc_fileref_put(&ref);
	cr_assert_null(ref);
	cr_assert_neq(fcntl(fd, F_GETFD), -1);
	kc_fileref_put(&two);
	cr_assert_eq(fcntl(fd, F_GETFD), -1);
}

/*
 * Goal: a full disk is an error where space is reserved or written, never a
 * signal.
 * Method: a tmpfs of 1 MiB.
 */
Test(kc_file, full_disk)
{
	static char block[65536];
	int64_t total, usable;
	int fd = -1, rc, sub = -1;
	int64_t at;

	cr_assert_eq(F->mkdir(dirfd_, "full"), KC_OK);
	cr_assert_eq(fchdir(dirfd_), 0);
	if (mount("none", "full", "tmpfs", 0, "size=1m") != 0)
		cr_skip_test("needs the right to mount");
	cr_assert_eq(F->open_dir(&sub, dirfd_, "full"), KC_OK);
	cr_assert_eq(F->space(sub, &total, &usable), KC_OK);
	cr_assert_eq(total, 1 << 20);
	cr_assert_leq(usable, 1 << 20);
	cr_assert_eq(
	    F->open(&fd, sub, "a", KC_FILE_WRITE | KC_FILE_CREATE), KC_OK);
	cr_assert_eq(F->allocate(fd, 0, 2 << 20), KC_ENOSPC);
	for (at = 0, rc = KC_OK; rc == KC_OK; at += (int64_t)sizeof block)
		rc = F->pwrite(fd, block, sizeof block, at);
	cr_assert_eq(rc, KC_ENOSPC);
	cr_assert_eq(kc_file_replace(F, sub, "c", block, 9000), KC_ENOSPC);
	cr_assert_neq(faccessat(sub, "c", F_OK, 0), 0);
	cr_assert_neq(faccessat(sub, "c.tmp", F_OK, 0), 0);
	F->close(fd);
	F->close(sub);
	cr_assert_eq(umount("full"), 0);
	cr_assert_eq(chdir("/"), 0);
}

/* A read that the optimiser may not leave out. */
static void
touch(const void *p)
{
	(void)*(const volatile char *)p;
}

/* Goal: touching what was cut away behind a map is an error, at any depth. */
Test(kc_file, guard)
{
	struct kc_guard g, outer;
	volatile int came_back = 0;
	void *p = NULL, *q = NULL;
	int fd = make("a", "");
	volatile int i;

	cr_assert_eq(kc_guard_install(), KC_OK);
	cr_assert_eq(F->allocate(fd, 0, 16384), KC_OK);
	cr_assert_eq(F->map(fd, 0, 16384, true, &p), KC_OK);
	cr_assert_eq(F->map(fd, 0, 16384, true, &q), KC_OK);
	if (kc_guard_begin(&g, p, 16384) != 0)
		cr_assert_fail("nothing is wrong yet");
	memset((char *)p + 8192, 1, 100);
	kc_guard_end(&g);
	cr_assert_eq(F->truncate(fd, 4096), KC_OK);
	for (i = 0; i < 3; i++) {
		if (kc_guard_begin(&g, p, 16384) != 0) {
			came_back++;
			continue;
		}
		touch((char *)p + 8192);
		kc_guard_end(&g);
		cr_assert_fail("the page is gone");
	}
	cr_assert_eq(came_back, 3);
	/* The inner one catches its own map; the outer one stays armed. */
	if (kc_guard_begin(&outer, p, 16384) != 0) {
		came_back = 100;
	} else {
		if (kc_guard_begin(&g, q, 16384) != 0) {
			touch((char *)p + 8192);
			cr_assert_fail("outer did not catch");
		}
		touch((char *)q + 8192);
		cr_assert_fail("inner did not catch");
	}
	cr_assert_eq(came_back, 100);
	F->unmap(p, 16384);
	F->unmap(q, 16384);
	F->close(fd);
}

/* Goal: a SIGBUS elsewhere is still the end. */
Test(kc_file, guard_lets_others_die)
{
	struct kc_guard g;
	int fd = make("a", ""), status;
	void *p = NULL;
	char c;
	pid_t pid;

	cr_assert_eq(kc_guard_install(), KC_OK);
	cr_assert_eq(F->allocate(fd, 0, 8192), KC_OK);
	cr_assert_eq(F->map(fd, 0, 8192, true, &p), KC_OK);
	cr_assert_eq(F->truncate(fd, 0), KC_OK);
	if ((pid = fork()) == 0) {
		if (kc_guard_begin(&g, dir, sizeof dir) != 0)
			_exit(1);
		c = *(volatile char *)p;
		_exit(2 + (c & 1));
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	F->unmap(p, 8192);
	F->close(fd);
}
