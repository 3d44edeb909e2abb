/*
 * file -- files of a log directory, behind a table that tests and the
 * simulator replace (short writes, ENOSPC, lost fsyncs, crashes).
 *
 * Calls retry EINTR and finish short reads and writes themselves.  They
 * return KC_E* ; none of them logs.  Descriptors are plain ints of the table
 * that made them and are never mixed.
 *
 * mmap: map() gives shared memory of a file whose space has been reserved;
 * kc_file_guard() (file_guard.h) turns a SIGBUS in it into an error.
 */
#ifndef KC_FILE_H
#define KC_FILE_H

#include "kcommon/base/kc.h"
#include "kcommon/buf/wr.h"

#include <sys/types.h>
#include <sys/uio.h>

enum kc_file_flags {
	KC_FILE_READ = 0,
	KC_FILE_WRITE = 1 << 0, /* read and write */
	KC_FILE_CREATE = 1 << 1,
	KC_FILE_EXCL = 1 << 2,
	KC_FILE_TRUNC = 1 << 3,
};

struct kc_file_stat {
	int64_t size;
	int64_t mtime_ms;
	bool is_dir;
};

/* Paths are relative to dirfd, which is from open_dir() or KC_FILE_CWD. */
#define KC_FILE_CWD (-100)

#define KC_FILE_IOV 8

struct kc_file_ops {
	int (*open)(int *fd, int dirfd, const char *path, unsigned flags);
	int (*open_dir)(int *fd, int dirfd, const char *path);
	void (*close)(int fd);
	/* *n < len only at the end of the file. */
	int (*pread)(int fd, void *p, size_t len, int64_t off, size_t *n);
	int (*pwrite)(int fd, const void *p, size_t len, int64_t off);
	/* The n <= KC_FILE_IOV pieces one after the other. */
	int (*pwritev)(int fd, const struct iovec *v, int n, int64_t off);
	int (*stat)(int dirfd, const char *path, struct kc_file_stat *st);
	int (*fstat)(int fd, struct kc_file_stat *st);
	int (*set_mtime)(int fd, int64_t mtime_ms);
	int (*truncate)(int fd, int64_t size);
	/* Reserve [off, off + len) and grow the file; KC_ENOSPC when full. */
	int (*allocate)(int fd, int64_t off, int64_t len);
	int (*fsync)(int fd);
	/* fdatasync: content and size. */
	int (*fdatasync)(int fd);
	int (*map)(int fd, int64_t off, size_t len, bool writable, void **p);
	int (*unmap)(void *p, size_t len);
	/* MADV_RANDOM (random true) or default; only advice. */
	void (*advise_random)(void *p, size_t len, bool random);
	/* True when [off, off+len) can be sent without waiting for the disk. */
	bool (*resident)(int fd, int64_t off, size_t len);
	int (*rename)(int dirfd, const char *from, const char *to);
	int (*unlink)(int dirfd, const char *path);
	int (*mkdir)(int dirfd, const char *path);
	int (*rmdir)(int dirfd, const char *path);
	/*
	 * Calls fn for each entry but . and ..; stops at the first non-zero
	 * return and gives it back.
	 */
	int (*list)(int dirfd, const char *path,
	    int (*fn)(void *arg, const char *name, bool is_dir), void *arg);
	/*
	 * Whole-file advisory write lock until fd is closed; conflicts with
	 * Java's tryLock() and with other opens of this process: KC_EBUSY.
	 */
	int (*lock)(int fd);
	/* Total and free bytes of the file system that holds dirfd. */
	int (*space)(int dirfd, int64_t *total, int64_t *usable);
};

extern const struct kc_file_ops kc_file_system;

/* mkdir -p of an absolute or cwd-relative path; fsyncs each new parent. */
int kc_file_mkdirs(const struct kc_file_ops *f, const char *path);
/* fsync of an open folder: names in it made, renamed or removed so far. */
int kc_file_sync_dir(const struct kc_file_ops *f, int dirfd);
/* Whole small file into malloc'ed *p (NUL appended); KC_ELIMIT over max. */
int kc_file_slurp(const struct kc_file_ops *f, int dirfd, const char *path,
    size_t max, char **p, size_t *len);
/*
 * name.tmp, write, fsync, rename, fsync the folder: Kafka's CheckpointFile.
 * After an error name is the old file or, when only the last fsync failed,
 * the new one.
 */
int kc_file_replace(const struct kc_file_ops *f, int dirfd, const char *name,
    const void *p, size_t len);
/* Remove a folder of dirfd and everything in it. */
int kc_file_remove_tree(
    const struct kc_file_ops *f, int dirfd, const char *name);
/* A reference-counted handle that owns fd; on failure fd is the caller's. */
int kc_fileref_new(
    const struct kc_file_ops *f, int fd, struct kc_fileref **refp);

#endif
