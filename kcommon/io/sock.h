/*
 * sock -- non-blocking byte streams: plain TCP, TLS over it, and whatever the
 * simulator puts in their place.
 *
 * A stream belongs to one loop.  It calls on_ready when something may be
 * done; read and send are then called until they give KC_EAGAIN.
 *
 * @thread the stream's loop
 */
#ifndef KC_SOCK_H
#define KC_SOCK_H

#include "kcommon/buf/wr.h"
#include "kcommon/io/ev.h"

#define KC_ADDR_TEXT 64

struct kc_stream;
struct kc_listener;
struct kc_tls; /* kcommon/io/tls.h: one context, shared by its streams */

/* How far a message has been sent; zeroed at first. */
struct kc_send {
	const struct kc_wr *w; /* borrowed until done */
	size_t mem_done; /* bytes of w->p sent */
	size_t cut; /* next or current cut */
	size_t cut_done; /* bytes of that cut sent */
};

struct kc_stream_ops {
	/*
	 * *n > 0 bytes, or KC_EAGAIN, KC_ECLOSED (orderly end), KC_ETLS,
	 * KC_ENETWORK.
	 */
	int (*read)(struct kc_stream *s, void *p, size_t len, size_t *n);
	/*
	 * Sends on from s; KC_OK when all is sent, KC_EAGAIN when the peer is
	 * slow (on_ready comes with KC_IO_OUT), or an error.  A file shorter
	 * than its cut is KC_EIO.
	 */
	int (*send)(struct kc_stream *s, struct kc_send *send);
	/* Which events on_ready should come for: KC_IO_* */
	void (*want)(struct kc_stream *s, unsigned want);
	/* Bytes already taken from the kernel and not yet read (TLS). */
	bool (*pending)(const struct kc_stream *s);
	void (*close)(struct kc_stream **sp);
};

struct kc_stream {
	const struct kc_stream_ops *ops;
	struct kc_loop *loop;
	/* ready is KC_IO_*; may close the stream. */
	void (*on_ready)(struct kc_stream *s, unsigned ready);
	void *arg; /* the owner's */
	char local[KC_ADDR_TEXT]; /* "127.0.0.1:9092", "[::1]:9092" */
	char peer[KC_ADDR_TEXT];
	char peer_host[KC_ADDR_TEXT]; /* without the port */
	bool tls;
	bool established; /* connected, and the TLS handshake is done */
	/* RFC 2253 subject of the peer's certificate, or NULL; owned. */
	char *peer_dn;
	const char *tls_version; /* "TLSv1.3"; NULL in plaintext */
	const char *tls_cipher;
	/* After an error: what happened, for a log line; owned. */
	char err_text[160];
};

struct kc_listen_params {
	const char *host; /* "" or NULL: all interfaces, v6 and v4 */
	int port; /* 0: any */
	int backlog;
	int sndbuf; /* -1: the system's */
	int rcvbuf;
};

struct kc_net_ops {
	int (*listen)(struct kc_listener **lp, struct kc_loop *loop,
	    const struct kc_listen_params *p);
	int (*port)(const struct kc_listener *l);
	/*
	 * on_conn gets each new descriptor-like handle; it is given to
	 * accept() on any loop, or to drop().
	 */
	void (*on_conn)(struct kc_listener *l,
	    void (*fn)(void *arg, int handle, const char *peer_host),
	    void *arg);
	/* Stop accepting for a while (descriptor limit, connection quota). */
	void (*pause)(struct kc_listener *l, bool paused);
	void (*close)(struct kc_listener **lp);
	void (*drop)(int handle);
	/* A stream on loop from a handle; tls NULL for plaintext. */
	int (*accept)(struct kc_stream **sp, struct kc_loop *loop, int handle,
	    struct kc_tls *tls);
	/*
	 * Starts a connection to host:port (name resolution does not block
	 * the loop).  on_ready follows with KC_IO_OUT once established, or
	 * any ready and an error from read().
	 */
	int (*connect)(struct kc_stream **sp, struct kc_loop *loop,
	    const char *host, int port, struct kc_tls *tls);
};

extern const struct kc_net_ops kc_net_system;

#endif
