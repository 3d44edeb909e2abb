#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/tls.h"
#include "kbroker/net/net_priv.h"

#include <stdlib.h>
#include <string.h>

#define LOGGER "kafka.network.DataPlaneAcceptor"

/* Has this listener, or the broker, as many connections as it may? */
static bool
at_limit(struct kb_acceptor *a)
{
	if (atomic_load(&a->open) >= a->max_connections)
		return true;
	return !a->protected && kb_limits_full(&a->net->limits);
}

static void
set_paused(struct kb_acceptor *a, bool paused)
{
	if (a->listener == NULL ||
	    atomic_exchange(&a->paused, paused) == paused)
		return;
	a->net->p.env->net->pause(a->listener, paused);
}

static void
on_resume(struct kc_task *task)
{
	struct kb_acceptor *a = KC_CONTAINER(task, struct kb_acceptor, resume);

	atomic_store(&a->resume_posted, false);
	if (!at_limit(a))
		set_paused(a, false);
}

/*
 * A protected listener goes beyond max.connections: the reactor whose turn
 * it is then closes the connection of another listener that has been idle
 * longest, as Kafka's processors do.
 */
static void
shed(struct kb_reactor *r)
{
	if (!atomic_exchange(&r->shed_posted, true))
		kc_loop_post(r->loop, &r->shed_task);
}

static void
on_conn(void *arg, int handle, const char *peer_host)
{
	struct kb_acceptor *a = arg;
	struct kb_net *net = a->net;
	struct kb_reactor *r;
	struct kb_conn *conn = NULL;
	int limit, rc;

	rc = kb_limits_enter(&net->limits, peer_host, &limit);
	if (rc != KC_OK) {
		net->p.env->net->drop(handle);
		if (rc == KC_ELIMIT)
			kc_log(KC_LOG_INFO, LOGGER,
			    "Rejected connection from %s, address already has "
			    "the configured maximum of %d connections.",
			    peer_host, limit);
		return;
	}
	atomic_fetch_add(&a->open, 1);
	r = &net->reactors[a->next_reactor++ % (unsigned)net->p.threads];
	if ((rc = kb_conn_new(&conn, a, r, handle, peer_host)) != KC_OK) {
		kc_log(KC_LOG_ERROR, LOGGER, "Connection from %s dropped: %s",
		    peer_host, kc_strerror(rc));
		net->p.env->net->drop(handle);
		kb_acceptor_left(a, peer_host);
		return;
	}
	kb_conn_hand_over(conn);
	if (a->protected && kb_limits_over(&net->limits))
		shed(r);
	if (at_limit(a)) {
		set_paused(a, true);
		/* One may have gone since we looked, and seen no pause. */
		if (!at_limit(a))
			set_paused(a, false);
	}
}

void
kb_acceptor_look_again(struct kb_acceptor *a)
{
	if (atomic_load(&a->paused) &&
	    !atomic_exchange(&a->resume_posted, true))
		kc_loop_post(a->reactor->loop, &a->resume);
}

void
kb_acceptor_left(struct kb_acceptor *a, const char *peer_host)
{
	struct kb_net *net = a->net;
	struct kb_acceptor *b;

	atomic_fetch_sub(&a->open, 1);
	kb_limits_leave(&net->limits, peer_host);
	/* Any listener may have waited for the broker's limit. */
	for (b = net->acceptors; b != NULL; b = b->next)
		kb_acceptor_look_again(b);
}

struct kc_tls *
kb_acceptor_tls(struct kb_acceptor *a)
{
	struct kc_tls *tls;

	kc_lock_take(&a->lock);
	tls = a->tls != NULL ? kc_tls_get(a->tls) : NULL;
	kc_lock_drop(&a->lock);
	return tls;
}

static void
on_start(struct kc_task *task)
{
	struct kb_acceptor *a = KC_CONTAINER(task, struct kb_acceptor, start);

	if (a->listener != NULL) /* not shut already */
		a->net->p.env->net->on_conn(a->listener, on_conn, a);
}

int
kb_acceptor_open(struct kb_acceptor **ap, struct kb_net *net,
    struct kb_reactor *r, const struct kb_net_endpoint *ep)
{
	struct kc_listen_params lp = {
		.host = ep->host,
		.port = ep->port,
		.backlog = net->p.backlog,
		.sndbuf = net->p.sndbuf,
		.rcvbuf = net->p.rcvbuf,
	};
	struct kb_acceptor *a;
	int rc = KC_ENOMEM;

	KC_ASSERT(ap != NULL && *ap == NULL);
	if ((a = calloc(1, sizeof *a)) == NULL)
		return KC_ENOMEM;
	a->net = net;
	a->reactor = r;
	a->start.fn = on_start;
	a->resume.fn = on_resume;
	a->privileged = ep->privileged;
	a->protected = ep->protected;
	a->max_connections = ep->max_connections;
	a->tls = ep->tls != NULL ? kc_tls_get(ep->tls) : NULL;
	kc_lock_init(&a->lock, 0, "acceptor");
	if ((a->name = strdup(ep->name)) == NULL ||
	    (a->host = strdup(ep->host != NULL ? ep->host : "")) == NULL)
		goto fail;
	rc = net->p.env->net->listen(&a->listener, r->loop, &lp);
	if (rc != KC_OK) {
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Socket server failed to bind to %s:%d: %s.",
		    a->host[0] == '\0' ? "0.0.0.0" : a->host, ep->port,
		    rc == KC_ENETWORK ? "unknown host" : kc_strerror(rc));
		goto fail;
	}
	a->port = net->p.env->net->port(a->listener);
	kc_log(KC_LOG_INFO, LOGGER, "Awaiting socket connections on %s:%d.",
	    a->host[0] == '\0' ? "0.0.0.0" : a->host, a->port);
	*ap = a;
	return KC_OK;

fail:
	kb_acceptor_close(&a);
	return rc;
}

void
kb_acceptor_start(struct kb_acceptor *a)
{
	kc_loop_post(a->reactor->loop, &a->start);
}

void
kb_acceptor_shut(struct kb_acceptor *a)
{
	a->net->p.env->net->close(&a->listener);
}

void
kb_acceptor_close(struct kb_acceptor **ap)
{
	struct kb_acceptor *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	kb_acceptor_shut(a);
	kc_tls_put(&a->tls);
	kc_lock_fini(&a->lock);
	free(a->name);
	free(a->host);
	free(a);
}
