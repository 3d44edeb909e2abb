#include "kbroker/net/net.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/io/tls.h"
#include "kbroker/net/net_priv.h"

#include <stdlib.h>
#include <strings.h>

int
kb_net_open(struct kb_net **netp, const struct kb_net_params *p)
{
	struct kb_net *net;
	int rc, i;

	KC_ASSERT(netp != NULL && *netp == NULL);
	KC_ASSERT(p->dispatch != NULL && p->threads >= 1);
	if ((net = kc_new(struct kb_net, KB_NET_MAGIC)) == NULL)
		return KC_ENOMEM;
	net->p = *p;
	net->p.per_ip_overrides = NULL;
	kc_lock_init(&net->lock, 0, "net");
	kc_cond_init(&net->cond);
	rc = kb_limits_init(&net->limits, p->max_connections,
	    p->max_connections_per_ip, p->per_ip_overrides);
	if (rc != KC_OK)
		goto fail;
	net->reactors = calloc((size_t)p->threads, sizeof *net->reactors);
	if (net->reactors == NULL) {
		rc = KC_ENOMEM;
		goto fail;
	}
	for (i = 0; i < p->threads; i++)
		if ((rc = kb_reactor_open(&net->reactors[i], net, i)) != KC_OK)
			goto fail;
	for (i = 0; i < p->threads; i++)
		if ((rc = kb_reactor_start(&net->reactors[i])) != KC_OK)
			goto fail;
	*netp = net;
	return KC_OK;

fail:
	kb_net_close(&net);
	return rc;
}

int
kb_net_listen(struct kb_net *net, const struct kb_net_endpoint *ep)
{
	struct kb_acceptor *a = NULL, **end = &net->acceptors;
	int n = 0;
	int rc;

	/* Network threads read the list without a lock. */
	KC_ASSERT(!net->started);
	for (; *end != NULL; end = &(*end)->next)
		n++;
	rc = kb_acceptor_open(&a, net, &net->reactors[n % net->p.threads], ep);
	if (rc == KC_OK)
		*end = a;
	return rc;
}

int
kb_net_start(struct kb_net *net)
{
	struct kb_acceptor *a;

	net->started = true;
	for (a = net->acceptors; a != NULL; a = a->next)
		kb_acceptor_start(a);
	return KC_OK;
}

void
kb_net_shut(struct kb_net *net)
{
	int i;

	kc_lock_take(&net->lock);
	net->shutting = net->p.threads;
	kc_lock_drop(&net->lock);
	for (i = 0; i < net->p.threads; i++)
		kc_loop_post(
		    net->reactors[i].loop, &net->reactors[i].shut_task);
	kc_lock_take(&net->lock);
	while (net->shutting > 0)
		kc_cond_wait(&net->cond, &net->lock);
	kc_lock_drop(&net->lock);
}

void
kb_net_close(struct kb_net **netp)
{
	struct kb_net *net = *netp;
	struct kb_acceptor *a;
	int i;

	if (net == NULL)
		return;
	KC_CHECK(net, KB_NET_MAGIC);
	*netp = NULL;
	for (i = 0; net->reactors != NULL && i < net->p.threads; i++)
		if (net->reactors[i].thread == NULL)
			break;
	if (net->reactors != NULL && i == net->p.threads)
		kb_net_shut(net); /* again is harmless */
	for (i = 0; net->reactors != NULL && i < net->p.threads; i++)
		kb_reactor_close(&net->reactors[i]);
	while ((a = net->acceptors) != NULL) {
		net->acceptors = a->next;
		kb_acceptor_close(&a);
	}
	free(net->reactors);
	kb_limits_fini(&net->limits);
	kc_cond_fini(&net->cond);
	kc_lock_fini(&net->lock);
	kc_delete(net);
}

static struct kb_acceptor *
find(struct kb_net *net, const char *listener)
{
	struct kb_acceptor *a = net->acceptors;

	while (a != NULL && strcasecmp(a->name, listener) != 0)
		a = a->next;
	return a;
}

int
kb_net_port(struct kb_net *net, const char *listener)
{
	struct kb_acceptor *a = find(net, listener);

	return a != NULL ? a->port : -1;
}

int
kb_net_threads(const struct kb_net *net)
{
	return net->p.threads;
}

struct kc_loop *
kb_net_loop(struct kb_net *net, int i)
{
	KC_ASSERT(i >= 0 && i < net->p.threads);
	return net->reactors[i].loop;
}

int
kb_net_connections(struct kb_net *net)
{
	struct kb_acceptor *a;
	int n = 0;

	for (a = net->acceptors; a != NULL; a = a->next)
		n += atomic_load(&a->open);
	return n;
}

struct kc_tls *
kb_net_tls(struct kb_net *net, const char *listener)
{
	struct kb_acceptor *a = find(net, listener);
	struct kc_tls *tls = NULL;

	if (a == NULL)
		return NULL;
	kc_lock_take(&a->lock);
	if (a->tls != NULL)
		tls = kc_tls_get(a->tls);
	kc_lock_drop(&a->lock);
	return tls;
}

int
kb_net_set_tls(struct kb_net *net, const char *listener, struct kc_tls *tls)
{
	struct kb_acceptor *a = find(net, listener);
	struct kc_tls *old;

	if (a == NULL)
		return KC_ENOENT;
	kc_lock_take(&a->lock);
	old = a->tls;
	a->tls = kc_tls_get(tls);
	kc_lock_drop(&a->lock);
	kc_tls_put(&old);
	return KC_OK;
}

int
kb_net_set_limits(struct kb_net *net, int max_connections,
    int max_connections_per_ip, const char *per_ip_overrides)
{
	struct kb_acceptor *a;
	int rc;

	rc = kb_limits_set(&net->limits, max_connections,
	    max_connections_per_ip, per_ip_overrides);
	if (rc != KC_OK)
		return rc;
	/* A higher limit lets those in that wait. */
	for (a = net->acceptors; a != NULL; a = a->next)
		kb_acceptor_look_again(a);
	return KC_OK;
}
