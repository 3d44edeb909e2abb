/* Listening sockets, addresses as text, and the table of kernel sockets. */
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/sock.h"
#include "kcommon/io/sock_addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Accepted in one pass; more wait for the next. */
#define ACCEPT_BURST 64
/* Out of descriptors or memory: try again after this. */
#define RETRY_MS 100
/* One log line about that in this time. */
#define COMPLAIN_MS 10000

struct kc_listener {
	unsigned magic;
#define KC_LISTENER_MAGIC 0x115fe4e2
	struct kc_loop *loop;
	struct kc_io io;
	int port;
	void (*fn)(void *arg, int handle, const char *peer_host);
	void *arg;
	bool paused; /* by the owner */
	struct kc_timer retry; /* set: paused by a lack of descriptors */
	int64_t complain_after_ms;
};

void
kc_addr_text(const struct sockaddr *sa, char *addr, char *host)
{
	const struct sockaddr_in6 *in6 = (const void *)sa;
	const struct sockaddr_in *in = (const void *)sa;
	char ip[INET6_ADDRSTRLEN] = "unknown";
	const char *fmt = "%s:%d";
	int port = 0;

	if (sa->sa_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
		port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		port = ntohs(in6->sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], ip,
			    sizeof ip);
		} else {
			inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
			fmt = "[%s]:%d";
		}
	}
	if (addr != NULL)
		snprintf(addr, KC_ADDR_TEXT, fmt, ip, port);
	if (host != NULL)
		snprintf(host, KC_ADDR_TEXT, "%s", ip);
}

void
kc_addr_of_fd(int fd, char *addr, char *host, bool peer)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	memset(&ss, 0, sizeof ss);
	if ((peer ? getpeername(fd, (struct sockaddr *)&ss, &len) :
		    getsockname(fd, (struct sockaddr *)&ss, &len)) == -1)
		ss.ss_family = AF_UNSPEC; /* the peer is gone already */
	kc_addr_text((struct sockaddr *)&ss, addr, host);
}

/* Accepting is on when nobody has a reason against it. */
static void
watch(struct kc_listener *l)
{
	bool on = !l->paused && !kc_timer_is_set(&l->retry);

	(void)kc_io_want(l->loop, &l->io, on ? KC_IO_IN : 0);
}

static void
on_retry(struct kc_timer *t)
{
	watch(KC_CONTAINER(t, struct kc_listener, retry));
}

static void
starved(struct kc_listener *l, int err)
{
	int64_t now = kc_loop_now_ms(l->loop);

	if (now >= l->complain_after_ms) {
		l->complain_after_ms = now + COMPLAIN_MS;
		kc_log(KC_LOG_ERROR, "kafka.network.Acceptor",
		    "Error while accepting connection: %s; connections wait "
		    "until there is room (LimitNOFILE, ulimit -n)",
		    strerror(err));
	}
	kc_timer_set(l->loop, &l->retry, now + RETRY_MS);
	watch(l);
}

static void
on_io(struct kc_io *io, unsigned ready)
{
	struct kc_listener *l = KC_CONTAINER(io, struct kc_listener, io);
	struct sockaddr_storage ss;
	char host[KC_ADDR_TEXT];
	socklen_t len;
	int fd, i;

	(void)ready;
	for (i = 0; i < ACCEPT_BURST && l->io.want != 0; i++) {
		len = sizeof ss;
		fd = accept4(l->io.fd, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (fd == -1 &&
		    (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			errno == ENOMEM)) {
			starved(l, errno);
			return;
		}
		/* The rest are errors of that one connection. */
		if (fd == -1)
			continue;
		kc_addr_text((struct sockaddr *)&ss, NULL, host);
		l->fn(l->arg, fd, host);
	}
}

static int
bind_one(const struct addrinfo *ai, const struct kc_listen_params *p, int *fdp)
{
	int one = 1, zero = 0;
	int fd, rc;

	fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return kc_err_errno(errno);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(
		    fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	/* Before listen(): what is accepted inherits them. */
	if (p->sndbuf > 0)
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_SNDBUF, &p->sndbuf, sizeof p->sndbuf);
	if (p->rcvbuf > 0)
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_RCVBUF, &p->rcvbuf, sizeof p->rcvbuf);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == -1 ||
	    listen(fd, p->backlog > 0 ? p->backlog : 50) == -1) {
		rc = kc_err_errno(errno);
		close(fd);
		return rc;
	}
	*fdp = fd;
	return KC_OK;
}

/* The first address of host that can be bound. */
static int
bind_host(const struct kc_listen_params *p, const char *host, int *fdp)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	struct addrinfo *res = NULL, *ai;
	char port[8];
	int rc = KC_ENETWORK;

	snprintf(port, sizeof port, "%d", p->port);
	if (getaddrinfo(host, port, &hints, &res) != 0)
		return KC_ENETWORK;
	for (ai = res; ai != NULL; ai = ai->ai_next)
		if ((rc = bind_one(ai, p, fdp)) == KC_OK)
			break;
	freeaddrinfo(res);
	return rc;
}

static int
bind_any(const struct kc_listen_params *p, int *fdp)
{
	int rc = bind_host(p, "::", fdp);

	/* A kernel without IPv6 says "no such family". */
	if (rc == KC_OK || rc == KC_EADDRINUSE || rc == KC_EACCES)
		return rc;
	return bind_host(p, "0.0.0.0", fdp);
}

static void
listener_close(struct kc_listener **lp)
{
	struct kc_listener *l = *lp;
	int fd;

	if (l == NULL)
		return;
	KC_CHECK(l, KC_LISTENER_MAGIC);
	*lp = NULL;
	kc_timer_cancel(l->loop, &l->retry);
	fd = l->io.fd;
	if (fd != -1) {
		kc_io_del(l->loop, &l->io);
		close(fd);
	}
	kc_delete(l);
}

static int
listener_open(struct kc_listener **lp, struct kc_loop *loop,
    const struct kc_listen_params *p)
{
	struct kc_listener *l;
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	int rc;

	KC_ASSERT(lp != NULL && *lp == NULL);
	if (p->port < 0 || p->port > 65535)
		return KC_EINVAL;
	if ((l = kc_new(struct kc_listener, KC_LISTENER_MAGIC)) == NULL)
		return KC_ENOMEM;
	l->loop = loop;
	l->io.fd = -1;
	l->io.fn = on_io;
	kc_timer_init(&l->retry, on_retry);
	rc = p->host == NULL || p->host[0] == '\0' ?
	    bind_any(p, &l->io.fd) :
	    bind_host(p, p->host, &l->io.fd);
	if (rc != KC_OK)
		goto fail;
	if (getsockname(l->io.fd, (struct sockaddr *)&ss, &len) == -1) {
		rc = kc_err_errno(errno);
		goto fail;
	}
	l->port = ntohs(ss.ss_family == AF_INET6 ?
		((struct sockaddr_in6 *)&ss)->sin6_port :
		((struct sockaddr_in *)&ss)->sin_port);
	/* Watched for nothing before on_conn() is given. */
	l->paused = true;
	if ((rc = kc_io_add(loop, &l->io)) != KC_OK)
		goto fail;
	*lp = l;
	return KC_OK;

fail:
	if (l->io.fd != -1)
		close(l->io.fd);
	l->io.fd = -1;
	listener_close(&l);
	return rc;
}

static int
listener_port(const struct kc_listener *l)
{
	return l->port;
}

static void
listener_pause(struct kc_listener *l, bool paused)
{
	l->paused = paused;
	watch(l);
}

static void
listener_on_conn(struct kc_listener *l,
    void (*fn)(void *arg, int handle, const char *peer_host), void *arg)
{
	l->fn = fn;
	l->arg = arg;
	listener_pause(l, false);
}

static void
drop(int handle)
{
	(void)close(handle);
}

const struct kc_net_ops kc_net_system = {
	.listen = listener_open,
	.port = listener_port,
	.on_conn = listener_on_conn,
	.pause = listener_pause,
	.close = listener_close,
	.drop = drop,
	.accept = kc_sock_accept,
	.connect = kc_sock_connect,
};
