/* TLS over a descriptor: the handshake, and struct kc_stream_ops. */
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/io/sock_priv.h"
#include "kcommon/io/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* First byte of a TLS record that opens a handshake. */
#define TLS_RECORD_HANDSHAKE 0x16

/* SNI takes names only; the certificate is checked for either. */
static int
set_peer_name(SSL *ssl, const char *host, bool verify)
{
	unsigned char addr[sizeof(struct in6_addr)];
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	bool literal = inet_pton(AF_INET, host, addr) == 1 ||
	    inet_pton(AF_INET6, host, addr) == 1;

	if (!literal && SSL_set_tlsext_host_name(ssl, host) != 1)
		return KC_ETLS;
	if (!verify)
		return KC_OK;
	if (literal)
		return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ?
		    KC_OK :
		    KC_ETLS;
	X509_VERIFY_PARAM_set_hostflags(
	    param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1 ? KC_OK : KC_ETLS;
}

int
kc_sock_tls_start(struct kc_sock *so, struct kc_tls *tls, const char *host)
{
	KC_ASSERT(so->ssl == NULL && so->tls == NULL);
	so->s.tls = true;
	so->s.ops = &kc_sock_tls_ops;
	so->tls = kc_tls_get(tls);
	if ((so->ssl = SSL_new(kc_tls_ctx(tls))) == NULL)
		return KC_ENOMEM;
	if (kc_tls_is_server(tls)) {
		SSL_set_accept_state(so->ssl);
		return KC_OK;
	}
	SSL_set_connect_state(so->ssl);
	return set_peer_name(so->ssl, host, kc_tls_verify_host(tls));
}

void
kc_sock_tls_close(struct kc_sock *so)
{
	if (so->ssl != NULL) {
		ERR_clear_error();
		/* close_notify, when there is room for it; nobody waits. */
		if (so->state == KC_SOCK_OPEN)
			(void)SSL_shutdown(so->ssl);
		SSL_free(so->ssl);
		so->ssl = NULL;
	}
	kc_tls_put(&so->tls);
}

/*
 * Somebody who speaks plaintext to this port would only see a reset, and we
 * an obscure record error; the first byte tells without doubt.
 */
static int
look_at_first_byte(struct kc_sock *so)
{
	unsigned char c = 0;
	ssize_t r = recv(so->io.fd, &c, 1, MSG_PEEK);

	if (r == -1 && (errno == EAGAIN || errno == EINTR))
		return KC_EAGAIN;
	if (r == -1)
		return kc_sock_fail(so, KC_ENETWORK,
		    "before the TLS handshake: %s", strerror(errno));
	if (r == 0)
		return kc_sock_fail(
		    so, KC_ECLOSED, "the peer closed before the TLS handshake");
	if (c != TLS_RECORD_HANDSHAKE)
		return kc_sock_fail(so, KC_ETLS,
		    "not a TLS handshake (first byte 0x%02x): "
		    "a plaintext client on an SSL listener?",
		    c);
	return KC_OK;
}

/* Fails the stream for what OpenSSL has queued as its reason. */
static int
fail_ssl(struct kc_sock *so, int ssl_err, const char *what)
{
	unsigned long e = ERR_peek_last_error();
	int sys = errno;
	long verify = SSL_get_verify_result(so->ssl);
	const char *reason = ERR_reason_error_string(e);

	if (ssl_err == SSL_ERROR_SYSCALL && e == 0)
		return kc_sock_fail(so, KC_ENETWORK, "%s: %s", what,
		    sys == 0 ? "the peer closed the connection" :
			       strerror(sys));
	if (verify != X509_V_OK &&
	    ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return kc_sock_fail(so, KC_ETLS, "%s: peer certificate: %s",
		    what, X509_verify_cert_error_string(verify));
	if (!so->s.established && !kc_tls_is_server(so->tls) &&
	    ERR_GET_REASON(e) == SSL_R_WRONG_VERSION_NUMBER)
		return kc_sock_fail(so, KC_ETLS,
		    "%s: the peer answers without TLS: "
		    "a plaintext listener?",
		    what);
	return kc_sock_fail(so, KC_ETLS, "%s: %s", what,
	    reason != NULL ? reason : "unknown error");
}

static int
describe_peer(struct kc_sock *so)
{
	X509 *cert = SSL_get0_peer_certificate(so->ssl);

	so->s.tls_version = SSL_get_version(so->ssl);
	so->s.tls_cipher =
	    SSL_CIPHER_standard_name(SSL_get_current_cipher(so->ssl));
	if (cert == NULL)
		return KC_OK;
	if ((so->s.peer_dn = kc_tls_dn(cert)) == NULL)
		return kc_sock_fail(so, KC_ETLS,
		    "the subject of the peer's certificate is not valid text");
	return KC_OK;
}

int
kc_sock_tls_handshake(struct kc_sock *so)
{
	int rc;

	if (!so->started) {
		if (kc_tls_is_server(so->tls) &&
		    (rc = look_at_first_byte(so)) != KC_OK)
			return rc;
		if (SSL_set_fd(so->ssl, so->io.fd) != 1)
			return kc_sock_fail(so, KC_ENOMEM, "out of memory");
		so->started = true;
	}
	ERR_clear_error();
	errno = 0;
	if ((rc = SSL_do_handshake(so->ssl)) == 1)
		return describe_peer(so);
	rc = SSL_get_error(so->ssl, rc);
	if (rc == SSL_ERROR_WANT_READ) {
		kc_sock_watch(so, KC_IO_IN);
		return KC_EAGAIN;
	}
	if (rc == SSL_ERROR_WANT_WRITE) {
		kc_sock_watch(so, KC_IO_OUT);
		return KC_EAGAIN;
	}
	return fail_ssl(so, rc, "TLS handshake");
}

static int
tls_read(struct kc_stream *s, void *p, size_t len, size_t *n)
{
	struct kc_sock *so = (struct kc_sock *)s;
	int rc;

	if (so->state == KC_SOCK_FAILED)
		return so->err;
	if (so->state != KC_SOCK_OPEN)
		return KC_EAGAIN;
	ERR_clear_error();
	errno = 0;
	so->read_wants_out = false;
	if (SSL_read_ex(so->ssl, p, len, n) == 1)
		return KC_OK;
	switch (rc = SSL_get_error(so->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		return KC_EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		so->read_wants_out = true;
		kc_sock_want(s, so->want);
		return KC_EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return KC_ECLOSED;
	}
	return fail_ssl(so, rc, "TLS read");
}

/* One write; *n bytes have gone, 0 at the end of the message. */
static int
write_some(struct kc_sock *so, struct kc_send *send, size_t *n)
{
	struct kc_send walk;
	struct kc_piece pc;
	ssize_t r;
	char *buf;

	*n = 0;
	if (!kc_send_next(send, &pc))
		return 1;
	if (pc.p == NULL && BIO_get_ktls_send(SSL_get_wbio(so->ssl))) {
		r = SSL_sendfile(
		    so->ssl, pc.fd, pc.off, KC_MIN(pc.len, KC_SEND_BURST), 0);
		if (r == 0)
			(void)kc_sock_fail(so, KC_EIO,
			    "file ends at %lld, %zu bytes short",
			    (long long)pc.off, pc.len);
		*n = r > 0 ? (size_t)r : 0;
		return r > 0 ? 1 : (int)r;
	}
	if (pc.p != NULL && (pc.last || pc.len >= KC_SCRATCH_SIZE))
		return SSL_write_ex(
		    so->ssl, pc.p, KC_MIN(pc.len, KC_SCRATCH_SIZE), n);
	if ((buf = kc_loop_scratch(so->s.loop)) == NULL) {
		(void)kc_sock_fail(so, KC_ENOMEM, "out of memory");
		return 0;
	}
	/*
	 * Memory and file pieces together, so that small pieces do not become
	 * small records.  A call that could not write all is repeated with the
	 * same bytes: send has not moved, and what a cut names never changes.
	 */
	walk = *send;
	r = kc_send_gather(so, &walk, SIZE_MAX, buf, KC_SCRATCH_SIZE);
	if (r == -1)
		return 0;
	return SSL_write_ex(so->ssl, buf, (size_t)r, n);
}

static int
tls_send(struct kc_stream *s, struct kc_send *send)
{
	struct kc_sock *so = (struct kc_sock *)s;
	size_t sent = 0, n;
	int rc;

	so->send_wants_in = false;
	while (so->state == KC_SOCK_OPEN) {
		if (sent >= KC_SEND_BURST)
			return KC_EAGAIN;
		ERR_clear_error();
		errno = 0;
		if ((rc = write_some(so, send, &n)) > 0 && n == 0)
			return KC_OK;
		if (rc > 0) {
			kc_send_skip(send, n);
			sent += n;
			continue;
		}
		if (so->state == KC_SOCK_FAILED)
			break;
		switch (rc = SSL_get_error(so->ssl, rc)) {
		case SSL_ERROR_WANT_WRITE:
			return KC_EAGAIN;
		case SSL_ERROR_WANT_READ:
			so->send_wants_in = true;
			kc_sock_want(s, so->want);
			return KC_EAGAIN;
		}
		return fail_ssl(so, rc, "TLS write");
	}
	return so->state == KC_SOCK_FAILED ? so->err : KC_EAGAIN;
}

static bool
tls_pending(const struct kc_stream *s)
{
	const struct kc_sock *so = (const struct kc_sock *)s;

	return so->state == KC_SOCK_OPEN && SSL_has_pending(so->ssl) == 1;
}

const struct kc_stream_ops kc_sock_tls_ops = {
	.read = tls_read,
	.send = tls_send,
	.want = kc_sock_want,
	.pending = tls_pending,
	.close = kc_sock_close,
};
