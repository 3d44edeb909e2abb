/*
 * net -- the socket server: network threads, listeners, connections.
 *
 * Each network thread runs a reactor (struct kc_loop) that owns its
 * connections from accept to close; a request is read, decoded, dispatched
 * and answered on it (kbroker/api/request.h).  Listeners accept on one of the
 * reactors and hand connections round.
 *
 * Life: open (threads run), listen (ports are bound; clients wait in the
 * backlog), start (they are accepted), shut (no listener and no connection is
 * left, threads still run, so that what is parked can be completed), close.
 *
 * @thread main, unless said otherwise
 */
#ifndef KB_NET_H
#define KB_NET_H

#include "kbroker/api/request.h"
#include "kcommon/base/env.h"

struct kb_net;
struct kc_tls;

struct kb_net_params {
	const struct kc_env *env;
	int32_t broker_id; /* for log lines */
	struct kb_broker *broker; /* for req->broker */
	/* @thread net; see enum kb_disposition */
	enum kb_disposition (*dispatch)(struct kb_request *req);
	/*
	 * The principal of a TLS client, malloc'ed "User:name", from the
	 * subject of its certificate (never NULL).  KC_E*: not let in.  NULL:
	 * "User:" and the subject.  @thread net
	 */
	int (*principal)(struct kb_broker *broker, const char *listener,
	    const char *dn, char **principal);
	int threads; /* num.network.threads, >= 1 */
	int32_t request_max; /* socket.request.max.bytes */
	int sndbuf; /* socket.send.buffer.bytes, -1: the system's */
	int rcvbuf;
	int backlog; /* socket.listen.backlog.size */
	int64_t idle_ms; /* connections.max.idle.ms; < 0: never */
	int max_connections; /* max.connections */
	int max_connections_per_ip; /* max.connections.per.ip */
	const char *per_ip_overrides; /* "host:n,host:n" or NULL */
};

struct kb_net_endpoint {
	const char *name; /* upper case; copied */
	const char *host; /* "" is every interface */
	int port; /* 0: any */
	struct kc_tls *tls; /* NULL: plaintext; net takes a reference */
	bool privileged; /* of the control plane or between brokers */
	/* Not held up by max.connections (the inter-broker listener). */
	bool protected;
	int max_connections; /* of this listener; INT32_MAX: no limit */
};

/* Starts the threads.  Strings of p are not needed afterwards. */
int kb_net_open(struct kb_net **netp, const struct kb_net_params *p);
/* Binds; logged.  KC_EADDRINUSE, KC_EACCES, KC_ENETWORK (host unknown). */
int kb_net_listen(struct kb_net *net, const struct kb_net_endpoint *ep);
/* Lets clients in. */
int kb_net_start(struct kb_net *net);
/*
 * Returns when all listeners and connections are closed.  Parked requests get
 * their on_timeout() before that.
 */
void kb_net_shut(struct kb_net *net);
/*
 * Ends the threads.  Requests still parked are freed: whoever parked them
 * must be gone.
 */
void kb_net_close(struct kb_net **netp);

/* The port of a listener; -1 when there is none of that name. */
int kb_net_port(struct kb_net *net, const char *listener);
int kb_net_threads(const struct kb_net *net);
/* The reactor of network thread i, 0..threads-1. */
struct kc_loop *kb_net_loop(struct kb_net *net, int i);
/* Open connections.  @thread any */
int kb_net_connections(struct kb_net *net);

/* A new reference to a listener's; NULL: none or plaintext.  @thread any */
struct kc_tls *kb_net_tls(struct kb_net *net, const char *listener);
/* A reloaded certificate, for new connections.  @thread any */
int kb_net_set_tls(
    struct kb_net *net, const char *listener, struct kc_tls *tls);
/*
 * Changed limits, for new connections; overrides as above.  KC_EINVAL when
 * those cannot be read; then nothing has changed.  @thread any
 */
int kb_net_set_limits(struct kb_net *net, int max_connections,
    int max_connections_per_ip, const char *per_ip_overrides);

#endif
