#include "tests/lib/proxy.h"

#include "tests/lib/proc.h"
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 32

/* --- the other process ------------------------------------------------------
 */

struct pair {
	int client; /* -1: free */
	int server;
};

static volatile sig_atomic_t swallow, cut;

static void
on_signal(int sig)
{
	if (sig == SIGUSR1)
		swallow = 1;
	else
		cut = 1;
}

static int
dial(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&sin, sizeof sin) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
pair_close(struct pair *p)
{
	if (p->client != -1) {
		close(p->client);
		close(p->server);
	}
	p->client = p->server = -1;
}

/* False at the end of the stream. */
static bool
forward(int from, int to, bool drop)
{
	char buf[65536];
	ssize_t n = read(from, buf, sizeof buf);
	ssize_t done = 0, w;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	while (!drop && done < n) {
		w = write(to, buf + done, (size_t)(n - done));
		if (w < 0 && errno != EINTR)
			return false;
		done += w > 0 ? w : 0;
	}
	return true;
}

static void
add_pair(struct pair *pairs, int fd, int target)
{
	int server = dial(target);

	for (int i = 0; i < PAIRS_MAX && server != -1; i++)
		if (pairs[i].client == -1) {
			pairs[i].client = fd;
			pairs[i].server = server;
			return;
		}
	close(fd);
	if (server != -1)
		close(server);
}

static void
serve(struct pair *pairs, struct pollfd *fds)
{
	for (int i = 0; i < PAIRS_MAX; i++) {
		struct pair *p = &pairs[i];
		short in = fds[1 + 2 * i].revents;
		short back = fds[2 + 2 * i].revents;

		if (p->client == -1)
			continue;
		if ((in != 0 && !forward(p->client, p->server, false)) ||
		    (back != 0 && !forward(p->server, p->client, swallow != 0)))
			pair_close(p);
	}
}

static void
run(int listener, int target)
{
	struct pollfd fds[1 + 2 * PAIRS_MAX];
	struct pair pairs[PAIRS_MAX];

	for (int i = 0; i < PAIRS_MAX; i++)
		pairs[i].client = pairs[i].server = -1;
	for (;;) {
		fds[0] = (struct pollfd){ listener, POLLIN, 0 };
		for (int i = 0; i < PAIRS_MAX; i++) {
			fds[1 + 2 * i] =
			    (struct pollfd){ pairs[i].client, POLLIN, 0 };
			fds[2 + 2 * i] =
			    (struct pollfd){ pairs[i].server, POLLIN, 0 };
		}
		/* A signal between the test and the wait costs 50 ms. */
		if (poll(fds, 1 + 2 * PAIRS_MAX, 50) < 0)
			memset(fds, 0, sizeof fds);
		if (cut) {
			cut = swallow = 0;
			for (int i = 0; i < PAIRS_MAX; i++)
				pair_close(&pairs[i]);
			continue;
		}
		serve(pairs, fds);
		if (fds[0].revents & POLLIN)
			add_pair(pairs, accept(listener, NULL, NULL), target);
	}
}

void
kt_proxy_main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener, one = 1;

	if (argc != 4 || strcmp(argv[1], "--proxy") != 0)
		return;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	sin.sin_port = htons((uint16_t)atoi(argv[2]));
	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&sin, sizeof sin) != 0 ||
	    listen(listener, 16) != 0) {
		perror("proxy");
		exit(1);
	}
	run(listener, atoi(argv[3]));
}

/* --- the test's side --------------------------------------------------------
 */

void
kt_proxy_start(struct kt_proxy *p, int target, const char *log_path)
{
	char self[512], from[16], to[16];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	const char *argv[] = { self, "--proxy", from, to, NULL };
	int status;

	KT_CHECK(n > 0);
	self[n] = '\0';
	p->port = kt_free_port();
	snprintf(from, sizeof from, "%d", p->port);
	snprintf(to, sizeof to, "%d", target);
	p->pid = kt_spawn(log_path, argv);
	KT_UNTIL(10000, kt_can_connect(p->port) || kt_ended(p->pid, &status));
	KT_CHECKF(kt_can_connect(p->port), "the proxy did not start");
}

void
kt_proxy_swallow(struct kt_proxy *p)
{
	kill(p->pid, SIGUSR1);
	kt_nap_ms(100);
}

void
kt_proxy_cut(struct kt_proxy *p)
{
	kill(p->pid, SIGUSR2);
}

void
kt_proxy_freeze(struct kt_proxy *p)
{
	kill(p->pid, SIGSTOP);
}

void
kt_proxy_thaw(struct kt_proxy *p)
{
	kill(p->pid, SIGCONT);
}

void
kt_proxy_stop(struct kt_proxy *p)
{
	if (p->pid == 0)
		return;
	kill(p->pid, SIGKILL);
	kt_wait_end(p->pid, 5000);
	p->pid = 0;
}
