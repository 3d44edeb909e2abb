/*
 * net_priv -- the parts of the socket server; private to kbroker/net.
 *
 *   struct kb_net       the whole, with the listeners
 *   struct kb_acceptor  one listener
 *   struct kb_reactor   one network thread
 *   struct kb_conn      one connection (conn.c, request.c)
 *   struct kb_limits    counts of connections (limits.c)
 */
#ifndef KB_NET_PRIV_H
#define KB_NET_PRIV_H

#include "kbroker/net/net.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/thread.h"
#include "kcommon/io/frames.h"
#include "kcommon/io/sock.h"

#include <stdatomic.h>

/* Buffers that a reactor keeps for its connections; larger ones are freed. */
#define KB_POOL_BUFS 16
#define KB_POOL_BUF_MAX (1024 * 1024)
/* Requests that a reactor keeps, each with the first 4 KiB of its arena. */
#define KB_POOL_REQUESTS 32

/* What one connection may do before others get their turn. */
#define KB_PUMP_REQUESTS 16
#define KB_PUMP_BYTES (1024 * 1024)

/* Bytes of small answers that are sent with one call. */
#define KB_ANSWERS_TOGETHER (16 * 1024)

/* A TLS handshake, and the first request, must come in this time. */
#define KB_SETUP_MS 30000
#define KB_FIRST_REQUEST_MS 60000

/* Memory of one request: its decoded form per byte of it, and its answer. */
#define KB_DECODE_FACTOR 8
#define KB_DECODE_MIN (64 * 1024)
#define KB_ANSWER_MAX ((size_t)256 * 1024 * 1024)

struct kb_reactor;
struct kb_acceptor;

/* One address that has connections. */
struct kb_ip_count;
struct kb_ip_limit;

/*
 * Connection counts.  Acceptors ask before they hand a connection on;
 * reactors give it back when it is closed.
 */
struct kb_limits {
	struct kc_lock lock; /* a leaf */
	/* Guarded by lock. */
	int max;
	int max_per_ip;
	struct kb_ip_limit *overrides; /* uthash */
	struct kb_ip_count *ips; /* uthash */
	int total;
};

int kb_limits_init(
    struct kb_limits *l, int max, int max_per_ip, const char *overrides);
void kb_limits_fini(struct kb_limits *l);
int kb_limits_set(
    struct kb_limits *l, int max, int max_per_ip, const char *overrides);
/* KC_OK, counted; KC_ELIMIT and *limit when the address has too many. */
int kb_limits_enter(struct kb_limits *l, const char *ip, int *limit);
void kb_limits_leave(struct kb_limits *l, const char *ip);
/* The whole broker has as many as it may, or more than that. */
bool kb_limits_full(struct kb_limits *l);
bool kb_limits_over(struct kb_limits *l);

struct kb_acceptor {
	struct kb_acceptor *next;
	struct kb_net *net;
	struct kb_reactor *reactor; /* whose loop accepts */
	struct kc_listener *listener; /* NULL once shut */
	char *name;
	char *host;
	int port;
	bool privileged;
	bool protected;
	int max_connections;
	struct kc_lock lock; /* a leaf; guards tls */
	struct kc_tls *tls;
	atomic_int open; /* connections of this listener */
	atomic_bool paused; /* a limit was reached */
	struct kc_task start;
	struct kc_task resume; /* posted when a connection has gone */
	atomic_bool resume_posted;
	unsigned next_reactor; /* reactor's */
	unsigned next_index; /* reactor's: of connections */
};

struct kb_net {
	unsigned magic;
#define KB_NET_MAGIC 0x6e7a30c5
	struct kb_net_params p; /* without the strings */
	struct kb_limits limits;
	struct kb_acceptor *acceptors;
	struct kb_reactor *reactors; /* p.threads of them */
	bool started;
	/* For kb_net_shut(). */
	struct kc_lock lock;
	struct kc_cond cond;
	int shutting; /* guarded by lock: reactors that are not done */
};

struct kb_reactor {
	struct kb_net *net;
	int index;
	struct kc_loop *loop;
	struct kc_thread *thread;

	/* The loop's. */
	bool shut; /* no connection is taken any more */
	struct kb_conn *conns; /* utlist; with those that are only parked */
	struct kc_task shut_task;
	struct kc_task shed_task; /* too many connections: close one */
	atomic_bool shed_posted;
	struct {
		uint8_t *p;
		size_t cap;
	} bufs[KB_POOL_BUFS];
	int nbufs;
	struct kb_request *requests; /* by park_next */
	int nrequests;
};

/*
 * One connection.
 *
 * It is on its reactor's list until it is freed, and it is freed when the
 * stream is closed, no request of it is under way and its task is not posted:
 * a parked request may outlive the peer.
 *
 * Reading stops while a request is under way, so that frames.p stays where
 * it is.  It holds a buffer only while it holds bytes.
 */
struct kb_conn {
	unsigned magic;
#define KB_CONN_MAGIC 0x3b9e04d7
	struct kb_reactor *reactor;
	struct kb_acceptor *acceptor;
	struct kb_conn *next, *prev;
	struct kc_stream *stream; /* NULL before the hand-over, and closed */
	int handle; /* before the hand-over */
	unsigned index;
	char peer_host[KC_ADDR_TEXT];
	char *principal; /* owned; NULL: ANONYMOUS */

	struct kc_task task; /* hand-over; later: go on pumping */
	bool task_posted;
	bool eof; /* the peer sends no more */
	bool drained; /* nothing to read before the next KC_IO_IN */
	bool sending;
	bool named; /* peer known: handshake done and principal set */

	struct kc_frames frames;
	struct kb_request *req; /* under way; borrows from frames */
	uint64_t nrequests;
	struct kc_wr out; /* one or more answers */
	struct kc_send send;
	int32_t throttle_ms; /* after what is being sent */

	int64_t opened_ms;
	int64_t active_ms; /* last progress */
	struct kc_timer timer; /* deadline or idle time; set lazily */
	struct kc_timer mute; /* set: nothing is read */
};

/* reactor.c */
int kb_reactor_open(struct kb_reactor *r, struct kb_net *net, int index);
int kb_reactor_start(struct kb_reactor *r);
void kb_reactor_close(struct kb_reactor *r);
/* A kept buffer, or NULL and 0. */
uint8_t *kb_pool_get(struct kb_reactor *r, size_t *cap);
void kb_pool_put(struct kb_reactor *r, uint8_t *p, size_t cap);
struct kb_request *kb_pool_request(struct kb_reactor *r);
void kb_pool_put_request(struct kb_reactor *r, struct kb_request *req);

/* listener.c */
int kb_acceptor_open(struct kb_acceptor **ap, struct kb_net *net,
    struct kb_reactor *r, const struct kb_net_endpoint *ep);
void kb_acceptor_start(struct kb_acceptor *a);
/* No more connections.  @thread its reactor, or none runs */
void kb_acceptor_shut(struct kb_acceptor *a);
void kb_acceptor_close(struct kb_acceptor **ap);
/* A connection of it has gone.  @thread net */
void kb_acceptor_left(struct kb_acceptor *a, const char *peer_host);
/* Accept again if it is paused and no longer needs to be.  @thread any */
void kb_acceptor_look_again(struct kb_acceptor *a);
struct kc_tls *kb_acceptor_tls(struct kb_acceptor *a); /* a reference */

/* conn.c */
int kb_conn_new(struct kb_conn **cp, struct kb_acceptor *a,
    struct kb_reactor *r, int handle, const char *peer_host);
/* Its reactor takes it over.  @thread net */
void kb_conn_hand_over(struct kb_conn *conn);
/* Does what can be done now. */
void kb_conn_pump(struct kb_conn *conn);
/* Closes the stream; frees conn if nothing needs it any more. */
void kb_conn_close(struct kb_conn *conn);
void kb_conn_free_if_done(struct kb_conn *conn);
/* "local:port-peer:port-index", Kafka's connection id. */
#define KB_CONN_ID (2 * KC_ADDR_TEXT + 16)
const char *kb_conn_id(const struct kb_conn *conn, char *buf);
/* "[SocketServer listenerType=ZK_BROKER, nodeId=1] " */
#define KB_NET_PREFIX "[SocketServer listenerType=ZK_BROKER, nodeId=%d] "

/* request.c */
/*
 * The frame at hand becomes conn->req and is dispatched.  On return: conn
 * sends, or has a parked request, or went on without an answer (KC_OK); or
 * KC_E*: close it (logged).
 */
int kb_request_start(struct kb_conn *conn, const uint8_t *frame, int32_t len);
/* Its deadline, if it has one, is now.  @thread net */
void kb_request_expire(struct kb_request *req);
int kb_request_key(const struct kb_request *req); /* for log lines */
/* Frees a request that never was completed. */
void kb_request_drop(struct kb_request *req);

#endif
