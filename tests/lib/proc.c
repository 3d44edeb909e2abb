#include "tests/lib/proc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"

#define PORT_FIRST 20000
#define PORT_COUNT 12000 /* ends below net.ipv4.ip_local_port_range */

static void
child(const char *log_path, const char *const *argv, pid_t parent)
{
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before prctl() */
		_exit(127);
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, 0);
	if (log_path != NULL) {
		fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
		if (fd < 0)
			_exit(127);
		dup2(fd, 1);
		dup2(fd, 2);
	}
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

pid_t
kt_spawn(const char *log_path, const char *const *argv)
{
	pid_t parent = getpid();
	pid_t pid;

	fflush(NULL);
	pid = fork();
	KT_CHECK(pid >= 0);
	if (pid == 0)
		child(log_path, argv, parent);
	return pid;
}

static int
status_of(int ws)
{
	return WIFEXITED(ws) ? WEXITSTATUS(ws) : 128 + WTERMSIG(ws);
}

int
kt_run(const char *log_path, const char *const *argv)
{
	pid_t pid = kt_spawn(log_path, argv);
	int ws = 0;

	while (waitpid(pid, &ws, 0) < 0)
		KT_CHECK(errno == EINTR);
	return status_of(ws);
}

bool
kt_ended(pid_t pid, int *status)
{
	int ws = 0;
	pid_t got = waitpid(pid, &ws, WNOHANG);

	if (got == 0)
		return false;
	KT_EQ(got, pid);
	*status = status_of(ws);
	return true;
}

int
kt_wait_end(pid_t pid, int limit_ms)
{
	int64_t end_ms = kt_now_ms() + limit_ms;
	int status = 0;

	while (!kt_ended(pid, &status)) {
		if (kt_now_ms() > end_ms) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			kt_fail(__FILE__, __LINE__,
			    "process %d does not end within %d ms", (int)pid,
			    limit_ms);
		}
		kt_nap_ms(5);
	}
	return status;
}

/*
 * A name in the abstract socket namespace is a lock that the kernel drops
 * with its owner; the descriptor is meant to stay open until then.
 */
static bool
lock_port(int port)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = snprintf(
	    sun.sun_path + 1, sizeof sun.sun_path - 1, "kt-port-%d", port);

	KT_CHECK(fd >= 0);
	if (bind(fd, (struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
		    (size_t)n)) == 0)
		return true;
	close(fd);
	return false;
}

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return sin;
}

static bool
bindable(int port)
{
	struct sockaddr_in sin = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;
	bool ok;

	KT_CHECK(fd >= 0);
	/* As the servers do: a port in TIME_WAIT is free. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	ok = bind(fd, (struct sockaddr *)&sin, sizeof sin) == 0;
	close(fd);
	return ok;
}

int
kt_free_port(void)
{
	static int next = -1;
	int i;

	if (next < 0)
		next = (int)(((unsigned)getpid() * 37) % PORT_COUNT);
	for (i = 0; i < PORT_COUNT; i++) {
		int port = PORT_FIRST + next;

		next = (next + 1) % PORT_COUNT;
		if (bindable(port) && lock_port(port))
			return port;
	}
	kt_fail(__FILE__, __LINE__, "no free port on 127.0.0.1");
}

bool
kt_can_connect(int port)
{
	struct sockaddr_in sin = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	KT_CHECK(fd >= 0);
	ok = connect(fd, (struct sockaddr *)&sin, sizeof sin) == 0;
	close(fd);
	return ok;
}

bool
kt_have_program(const char *name)
{
	char *path = strdup(getenv("PATH") != NULL ? getenv("PATH") : "");
	char *save = NULL;
	char *dir;
	bool found = false;
	char file[4096];

	KT_CHECK(path != NULL);
	for (dir = strtok_r(path, ":", &save); dir != NULL && !found;
	     dir = strtok_r(NULL, ":", &save)) {
		snprintf(file, sizeof file, "%s/%s", dir, name);
		found = access(file, X_OK) == 0;
	}
	free(path);
	return found;
}

void
kt_mkdir(const char *path)
{
	KT_CHECKF(mkdir(path, 0755) == 0 || errno == EEXIST, "mkdir %s: %s",
	    path, strerror(errno));
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void
kt_remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void
kt_write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	KT_CHECKF(f != NULL, "%s: %s", path, strerror(errno));
	KT_CHECK(fputs(text, f) >= 0);
	KT_CHECK(fclose(f) == 0);
}

char *
kt_read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t room = 0;
	size_t n = 0;

	for (;;) {
		if (n + 1 >= room) {
			room = room * 2 + 4096;
			text = realloc(text, room);
			KT_CHECK(text != NULL);
		}
		if (f == NULL)
			break;
		size_t got = fread(text + n, 1, room - n - 1, f);
		if (got == 0)
			break;
		n += got;
	}
	text[n] = '\0';
	if (f != NULL)
		fclose(f);
	return text;
}
