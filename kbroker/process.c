#include "kbroker/process.h"

#include "kcommon/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the parent: a byte says that the child is ready, an end that it died. */
static void
wait_ready(int fd, pid_t child)
{
	int status;
	ssize_t n;
	char c;

	do
		n = read(fd, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	fputs("kbroker: it did not start; its log says why\n", stderr);
	if (waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	    WEXITSTATUS(status) != 0)
		_exit(WEXITSTATUS(status));
	_exit(1);
}

static int
null_stdio(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return kc_err_errno(errno);
	for (int i = 0; i <= 2; i++)
		if (dup2(fd, i) < 0)
			return kc_err_errno(errno);
	if (fd > 2)
		close(fd);
	return KC_OK;
}

int
kb_daemon_start(int *ready_fd)
{
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) != 0)
		return kc_err_errno(errno);
	fflush(NULL);
	if ((pid = fork()) < 0) {
		close(p[0]);
		close(p[1]);
		return kc_err_errno(errno);
	}
	if (pid > 0) {
		close(p[1]);
		wait_ready(p[0], pid);
	}
	close(p[0]);
	*ready_fd = p[1];
	if (setsid() < 0 || chdir("/") != 0)
		return kc_err_errno(errno);
	return null_stdio();
}

void
kb_daemon_ready(int *ready_fd)
{
	if (*ready_fd < 0)
		return;
	/* A parent that is gone needs no word. */
	if (write(*ready_fd, "", 1) != 1)
		errno = 0;
	close(*ready_fd);
	*ready_fd = -1;
}

/*
 * Locked, and still the file of that name: one that ends may have removed
 * it between our open and our lock.
 */
static int
pidfile_lock(const char *path, int fd, bool *again)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat a, b;

	*again = false;
	if (fcntl(fd, F_SETLK, &lk) != 0)
		return errno == EACCES || errno == EAGAIN ? KC_EBUSY :
							    kc_err_errno(errno);
	*again = fstat(fd, &a) != 0 || stat(path, &b) != 0 ||
	    a.st_ino != b.st_ino || a.st_dev != b.st_dev;
	return KC_OK;
}

int
kb_pidfile_open(const char *path, int *fdp)
{
	char text[32];
	bool again;
	int fd, len, rc;

	do {
		fd =
		    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (fd < 0)
			return kc_err_errno(errno);
		rc = pidfile_lock(path, fd, &again);
		if (rc != KC_OK || again)
			close(fd);
	} while (rc == KC_OK && again);
	if (rc != KC_OK)
		return rc;
	len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
		rc = kc_err_errno(errno);
		close(fd);
		return rc;
	}
	*fdp = fd;
	return KC_OK;
}

void
kb_pidfile_close(const char *path, int *fd)
{
	if (*fd < 0)
		return;
	unlink(path);
	close(*fd);
	*fd = -1;
}

uint64_t
kb_process_raise_nofile(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
		return 0;
	if (lim.rlim_cur < lim.rlim_max) {
		struct rlimit want = { lim.rlim_max, lim.rlim_max };

		if (setrlimit(RLIMIT_NOFILE, &want) == 0)
			lim = want;
	}
	return lim.rlim_cur;
}
