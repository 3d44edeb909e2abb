#include "kcommon/io/sock.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/io/sock_addr.h"
#include "kcommon/io/sock_priv.h"
#include "kcommon/io/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct kc_resolve {
	struct kc_offload off;
	struct kc_sock *sock; /* NULL once that was closed */
	char *host;
	char port[8];
	int gai; /* of getaddrinfo() */
	struct addrinfo *res;
};

int
kc_sock_fail(struct kc_sock *so, int err, const char *fmt, ...)
{
	va_list ap;

	if (so->state == KC_SOCK_FAILED)
		return so->err;
	va_start(ap, fmt);
	vsnprintf(so->s.err_text, sizeof so->s.err_text, fmt, ap);
	va_end(ap);
	so->state = KC_SOCK_FAILED;
	so->err = err;
	so->s.established = false;
	/* Not closed yet: the owner closes; but no more events. */
	if (so->io.fd != -1)
		kc_sock_watch(so, 0);
	return err;
}

void
kc_sock_watch(struct kc_sock *so, unsigned events)
{
	/* Fails only without memory; what is watched stays as it was. */
	(void)kc_io_want(so->s.loop, &so->io, events);
}

int
kc_sock_fail_errno(struct kc_sock *so, const char *what)
{
	int rc = kc_err_errno(errno);

	/* A reset is not an orderly end. */
	if (rc == KC_ECLOSED || rc == KC_ESYSTEM)
		rc = KC_ENETWORK;
	return kc_sock_fail(so, rc, "%s: %s", what, strerror(errno));
}

static int
plain_read(struct kc_stream *s, void *p, size_t len, size_t *n)
{
	struct kc_sock *so = (struct kc_sock *)s;
	ssize_t r;

	if (so->state == KC_SOCK_FAILED)
		return so->err;
	if (so->state != KC_SOCK_OPEN)
		return KC_EAGAIN;
	do
		r = recv(so->io.fd, p, len, 0);
	while (r == -1 && errno == EINTR);
	if (r == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return KC_EAGAIN;
	if (r == -1)
		return kc_sock_fail_errno(so, "read");
	if (r == 0)
		return KC_ECLOSED;
	*n = (size_t)r;
	return KC_OK;
}

void
kc_sock_want(struct kc_stream *s, unsigned want)
{
	struct kc_sock *so = (struct kc_sock *)s;

	so->want = want;
	if (so->state != KC_SOCK_OPEN)
		return;
	if ((want & KC_IO_IN) && so->read_wants_out)
		want |= KC_IO_OUT;
	if ((want & KC_IO_OUT) && so->send_wants_in)
		want |= KC_IO_IN;
	kc_sock_watch(so, want);
}

static bool
plain_pending(const struct kc_stream *s)
{
	(void)s;
	return false;
}

/* Gives up the descriptor: of a try that failed, or of a failed stream. */
static void
drop_fd(struct kc_sock *so)
{
	int fd = so->io.fd;

	if (fd == -1)
		return;
	kc_io_del(so->s.loop, &so->io);
	close(fd);
}

void
kc_sock_close(struct kc_stream **sp)
{
	struct kc_sock *so = (struct kc_sock *)*sp;

	if (so == NULL)
		return;
	KC_CHECK(so, KC_SOCK_MAGIC);
	*sp = NULL;
	if (so->resolve != NULL)
		so->resolve->sock = NULL;
	if (so->addrs != NULL)
		freeaddrinfo(so->addrs);
	kc_timer_cancel(so->s.loop, &so->tell);
	kc_sock_tls_close(so);
	drop_fd(so);
	free(so->s.peer_dn);
	kc_delete(so);
}

static const struct kc_stream_ops plain_ops = {
	.read = plain_read,
	.send = kc_sock_send,
	.want = kc_sock_want,
	.pending = plain_pending,
	.close = kc_sock_close,
};

static void
tell_owner(struct kc_sock *so, unsigned ready)
{
	if (so->s.on_ready != NULL)
		so->s.on_ready(&so->s, ready);
}

/* Connected, and the handshake, if any, is over. */
static void
set_open(struct kc_sock *so)
{
	so->state = KC_SOCK_OPEN;
	so->s.established = true;
	so->s.ops->want(&so->s, so->want);
}

static void
handshake(struct kc_sock *so)
{
	int rc = kc_sock_tls_handshake(so);

	if (rc == KC_EAGAIN)
		return;
	if (rc == KC_OK)
		set_open(so);
	/* What came with the last flight is in OpenSSL's hands: say IN too. */
	tell_owner(so, KC_IO_IN | KC_IO_OUT);
}

static void next_addr(struct kc_sock *so);

static void
connected(struct kc_sock *so)
{
	int err = 0;
	socklen_t len = sizeof err;

	if (getsockopt(so->io.fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	if (err != 0) {
		errno = err;
		next_addr(so);
		if (so->state == KC_SOCK_FAILED)
			tell_owner(so, KC_IO_IN | KC_IO_OUT);
		return;
	}
	freeaddrinfo(so->addrs);
	so->addrs = so->addr = NULL;
	kc_addr_of_fd(so->io.fd, so->s.local, NULL, false);
	if (so->tls != NULL) {
		so->state = KC_SOCK_HANDSHAKE;
		handshake(so);
		return;
	}
	set_open(so);
	tell_owner(so, KC_IO_OUT);
}

static void
on_io(struct kc_io *io, unsigned ready)
{
	struct kc_sock *so = KC_CONTAINER(io, struct kc_sock, io);
	unsigned seen;

	switch (so->state) {
	case KC_SOCK_CONNECTING:
		connected(so);
		return;
	case KC_SOCK_HANDSHAKE:
		handshake(so);
		return;
	case KC_SOCK_OPEN:
		seen = ready;
		if ((ready & KC_IO_IN) && so->send_wants_in)
			seen |= KC_IO_OUT;
		if ((ready & KC_IO_OUT) && so->read_wants_out)
			seen |= KC_IO_IN;
		/* The next read or send tells what the hang-up was. */
		if (ready & KC_IO_HUP)
			seen |= KC_IO_IN | KC_IO_OUT;
		tell_owner(so, seen & (so->want | KC_IO_HUP));
		return;
	case KC_SOCK_FAILED:
		/* The owner has been told; it must not be told for ever. */
		drop_fd(so);
		return;
	case KC_SOCK_RESOLVING:
		break;
	}
	KC_ASSERT(!"event of a stream without a descriptor");
}

static void
on_tell(struct kc_timer *t)
{
	tell_owner(KC_CONTAINER(t, struct kc_sock, tell), KC_IO_IN | KC_IO_OUT);
}

static struct kc_sock *
new_sock(struct kc_loop *loop)
{
	struct kc_sock *so = kc_new(struct kc_sock, KC_SOCK_MAGIC);

	if (so == NULL)
		return NULL;
	so->s.ops = &plain_ops;
	so->s.loop = loop;
	so->io.fd = -1;
	so->io.fn = on_io;
	kc_timer_init(&so->tell, on_tell);
	return so;
}

static void
set_options(int fd)
{
	int one = 1;

	/* Both are advice; a Unix socket given to tests has neither. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

int
kc_sock_accept(
    struct kc_stream **sp, struct kc_loop *loop, int handle, struct kc_tls *tls)
{
	struct kc_stream *s;
	struct kc_sock *so;
	int rc;

	KC_ASSERT(sp != NULL && *sp == NULL);
	if ((so = new_sock(loop)) == NULL) {
		close(handle);
		return KC_ENOMEM;
	}
	s = &so->s;
	so->io.fd = handle;
	set_options(handle);
	kc_addr_of_fd(handle, s->local, NULL, false);
	kc_addr_of_fd(handle, s->peer, s->peer_host, true);
	so->want = KC_IO_IN;
	so->io.want = KC_IO_IN;
	if (tls != NULL) {
		if ((rc = kc_sock_tls_start(so, tls, NULL)) != KC_OK)
			goto fail;
		so->state = KC_SOCK_HANDSHAKE;
	} else {
		so->state = KC_SOCK_OPEN;
		s->established = true;
	}
	if ((rc = kc_io_add(loop, &so->io)) != KC_OK)
		goto fail;
	*sp = s;
	return KC_OK;

fail:
	s->ops->close(&s);
	return rc;
}

static int
try_addr(struct kc_sock *so, const struct addrinfo *ai)
{
	int rc;

	so->io.fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (so->io.fd == -1)
		return -1;
	set_options(so->io.fd);
	rc = connect(so->io.fd, ai->ai_addr, ai->ai_addrlen);
	if (rc == -1 && errno != EINPROGRESS && errno != EINTR)
		return -1;
	kc_addr_text(ai->ai_addr, so->s.peer, so->s.peer_host);
	so->io.want = KC_IO_OUT;
	if (kc_io_add(so->s.loop, &so->io) != KC_OK) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

/*
 * Starts on the next address, or on the first.  When none is left the stream
 * has failed, with the error of the last try (errno).
 */
static void
next_addr(struct kc_sock *so)
{
	int saved = errno;

	so->state = KC_SOCK_CONNECTING;
	for (;;) {
		drop_fd(so);
		so->addr = so->addr == NULL ? so->addrs : so->addr->ai_next;
		if (so->addr == NULL)
			break;
		if (try_addr(so, so->addr) == 0)
			return;
		saved = errno;
	}
	errno = saved;
	(void)kc_sock_fail_errno(so, "connect");
}

static void
free_resolve(struct kc_resolve *r)
{
	if (r->res != NULL)
		freeaddrinfo(r->res);
	free(r->host);
	free(r);
}

static int
lookup(struct kc_resolve *r, int flags)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | flags,
	};

	return getaddrinfo(r->host, r->port, &hints, &r->res);
}

static void
resolve_work(struct kc_offload *o)
{
	struct kc_resolve *r = KC_CONTAINER(o, struct kc_resolve, off);

	r->gai = lookup(r, AI_ADDRCONFIG);
	/* A host that has loopback only has no "configured" address. */
	if (r->gai == EAI_NONAME || r->gai == EAI_ADDRFAMILY)
		r->gai = lookup(r, 0);
}

static void
resolve_done(struct kc_offload *o)
{
	struct kc_resolve *r = KC_CONTAINER(o, struct kc_resolve, off);
	struct kc_sock *so = r->sock;

	if (so == NULL) {
		free_resolve(r);
		return;
	}
	so->resolve = NULL;
	if (r->gai != 0) {
		(void)kc_sock_fail(so, KC_ENETWORK, "resolve %s: %s", r->host,
		    gai_strerror(r->gai));
	} else {
		so->addrs = r->res;
		r->res = NULL;
		next_addr(so);
	}
	free_resolve(r);
	if (so->state == KC_SOCK_FAILED)
		tell_owner(so, KC_IO_IN | KC_IO_OUT);
}

/* An address needs no lookup; a name is looked up off the loop. */
static int
begin(struct kc_sock *so, const char *host, int port)
{
	struct kc_resolve *r = calloc(1, sizeof *r);
	int rc;

	if (r == NULL)
		return KC_ENOMEM;
	snprintf(r->port, sizeof r->port, "%d", port);
	if ((r->host = strdup(host)) == NULL) {
		free_resolve(r);
		return KC_ENOMEM;
	}
	if (lookup(r, AI_NUMERICHOST) == 0) {
		so->addrs = r->res;
		r->res = NULL;
		free_resolve(r);
		next_addr(so);
		/* The owner is not ready to be told before we return. */
		if (so->state == KC_SOCK_FAILED)
			kc_timer_set(
			    so->s.loop, &so->tell, kc_loop_now_ms(so->s.loop));
		return KC_OK;
	}
	r->sock = so;
	r->off.work = resolve_work;
	r->off.done = resolve_done;
	so->resolve = r;
	if ((rc = kc_loop_offload(so->s.loop, &r->off)) != KC_OK) {
		so->resolve = NULL;
		free_resolve(r);
	}
	return rc;
}

int
kc_sock_connect(struct kc_stream **sp, struct kc_loop *loop, const char *host,
    int port, struct kc_tls *tls)
{
	struct kc_stream *s;
	struct kc_sock *so;
	int rc;

	KC_ASSERT(sp != NULL && *sp == NULL);
	if (port <= 0 || port > 65535)
		return KC_EINVAL;
	if ((so = new_sock(loop)) == NULL)
		return KC_ENOMEM;
	s = &so->s;
	so->state = KC_SOCK_RESOLVING;
	so->want = KC_IO_IN | KC_IO_OUT;
	snprintf(s->peer, sizeof s->peer, "%.50s:%d", host, port);
	snprintf(s->peer_host, sizeof s->peer_host, "%s", host);
	if (tls != NULL && (rc = kc_sock_tls_start(so, tls, host)) != KC_OK)
		goto fail;
	if ((rc = begin(so, host, port)) != KC_OK)
		goto fail;
	*sp = s;
	return KC_OK;

fail:
	s->ops->close(&s);
	return rc;
}
