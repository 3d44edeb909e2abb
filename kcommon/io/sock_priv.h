/*
 * sock_priv -- what sock*.c and tls_stream.c share: one descriptor, plain or
 * with TLS over it.
 */
#ifndef KC_SOCK_PRIV_H
#define KC_SOCK_PRIV_H

#include "kcommon/io/sock.h"

#include <netdb.h>
#include <openssl/types.h>

/* Bytes one send() moves at most before other streams get their turn. */
#define KC_SEND_BURST (1024 * 1024)

enum kc_sock_state {
	KC_SOCK_RESOLVING, /* no descriptor yet */
	KC_SOCK_CONNECTING,
	KC_SOCK_HANDSHAKE, /* TLS */
	KC_SOCK_OPEN,
	KC_SOCK_FAILED, /* err is set; nothing is watched */
};

struct kc_resolve;

struct kc_sock {
	struct kc_stream s; /* first */
	unsigned magic;
#define KC_SOCK_MAGIC 0x50c4e701
	enum kc_sock_state state;
	struct kc_io io;
	unsigned want; /* what the owner wants, KC_IO_* */
	int err; /* KC_E*, once FAILED */

	/* Connecting only. */
	struct kc_resolve *resolve; /* under way; it frees itself */
	struct addrinfo *addrs; /* owned */
	struct addrinfo *addr; /* the one being tried */
	struct kc_timer tell; /* a failure at once is told later */

	/* TLS only. */
	struct kc_tls *tls; /* one reference */
	SSL *ssl;
	bool started; /* has the descriptor; the peer speaks TLS */
	bool read_wants_out; /* a read waits until the peer takes bytes */
	bool send_wants_in;
};

/* What of a message goes next. */
struct kc_piece {
	const uint8_t *p; /* memory; NULL for a file */
	int fd;
	int64_t off;
	size_t len; /* > 0 */
	bool last; /* nothing comes after it */
};

/* False when all was sent. */
bool kc_send_next(struct kc_send *send, struct kc_piece *pc);
/* n bytes of the piece have gone. */
void kc_send_done(struct kc_send *send, size_t n);

/* n bytes of the message have gone. */
void kc_send_skip(struct kc_send *send, size_t n);
/*
 * Copies what comes next into buf, up to cap bytes and to a file piece of
 * file_max or more, and moves walk on.  -1: so has failed.
 */
ssize_t kc_send_gather(struct kc_sock *so, struct kc_send *walk,
    size_t file_max, char *buf, size_t cap);
int kc_sock_send(struct kc_stream *s, struct kc_send *send); /* plain */

/* Ends the stream with err and a text; returns err. */
int kc_sock_fail(struct kc_sock *so, int err, const char *fmt, ...)
    KC_PRINTF(3, 4);
int kc_sock_fail_errno(struct kc_sock *so, const char *what);
/* Sets what the descriptor is watched for, from state and want. */
void kc_sock_watch(struct kc_sock *so, unsigned events);

/* The same for both kinds of stream. */
void kc_sock_want(struct kc_stream *s, unsigned want);
void kc_sock_close(struct kc_stream **sp);

/* tls_stream.c */
extern const struct kc_stream_ops kc_sock_tls_ops;
/* Prepare so->ssl; host is what the peer's certificate must name, or NULL. */
int kc_sock_tls_start(struct kc_sock *so, struct kc_tls *tls, const char *host);
/* One step: KC_OK when done, KC_EAGAIN, or failed. */
int kc_sock_tls_handshake(struct kc_sock *so);
void kc_sock_tls_close(struct kc_sock *so);

/* tls.c */
SSL_CTX *kc_tls_ctx(const struct kc_tls *tls);
bool kc_tls_is_server(const struct kc_tls *tls);
bool kc_tls_verify_host(const struct kc_tls *tls);
/* Malloc'ed RFC 2253 text as java.security prints it, or NULL. */
char *kc_tls_dn(const X509 *cert);

#endif
