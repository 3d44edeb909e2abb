#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kbroker/net/net_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

uint8_t *
kb_pool_get(struct kb_reactor *r, size_t *cap)
{
	if (r->nbufs == 0) {
		*cap = 0;
		return NULL;
	}
	r->nbufs--;
	*cap = r->bufs[r->nbufs].cap;
	return r->bufs[r->nbufs].p;
}

void
kb_pool_put(struct kb_reactor *r, uint8_t *p, size_t cap)
{
	if (p == NULL || r->nbufs == KB_POOL_BUFS || cap > KB_POOL_BUF_MAX) {
		free(p);
		return;
	}
	r->bufs[r->nbufs].p = p;
	r->bufs[r->nbufs].cap = cap;
	r->nbufs++;
}

struct kb_request *
kb_pool_request(struct kb_reactor *r)
{
	struct kb_request *req = r->requests;
	struct kc_arena arena;

	if (req == NULL) {
		if ((req = calloc(1, sizeof *req)) == NULL)
			return NULL;
		kc_arena_init(&arena, 0);
	} else {
		r->requests = req->park_next;
		r->nrequests--;
		arena = req->arena;
	}
	memset(req, 0, sizeof *req);
	req->arena = arena;
	req->magic = KB_REQUEST_MAGIC;
	return req;
}

void
kb_pool_put_request(struct kb_reactor *r, struct kb_request *req)
{
	KC_CHECK(req, KB_REQUEST_MAGIC);
	req->magic = 0;
	if (r->nrequests == KB_POOL_REQUESTS) {
		kc_arena_fini(&req->arena);
		free(req);
		return;
	}
	kc_arena_reset(&req->arena);
	req->park_next = r->requests;
	r->requests = req;
	r->nrequests++;
}

static void
run(void *arg)
{
	struct kb_reactor *r = arg;
	int rc = kc_loop_run(r->loop);

	/* epoll_wait() fails only on a bug of ours. */
	KC_ASSERT(rc == KC_OK);
}

static void
on_shut(struct kc_task *task)
{
	struct kb_reactor *r = KC_CONTAINER(task, struct kb_reactor, shut_task);
	struct kb_net *net = r->net;
	struct kb_acceptor *a;
	struct kb_conn *conn, *tmp;
	struct kb_request *req;

	r->shut = true;
	for (a = net->acceptors; a != NULL; a = a->next)
		if (a->reactor == r)
			kb_acceptor_shut(a);
	DL_FOREACH_SAFE(r->conns, conn, tmp) {
		/* Nobody waits for what is parked: now is its deadline. */
		req = conn->req; /* conn stays as long as it */
		kb_conn_close(conn);
		if (req != NULL)
			kb_request_expire(req);
	}
	kc_lock_take(&net->lock);
	net->shutting--;
	kc_cond_signal(&net->cond);
	kc_lock_drop(&net->lock);
}

static void
on_shed(struct kc_task *task)
{
	struct kb_reactor *r = KC_CONTAINER(task, struct kb_reactor, shed_task);
	struct kb_conn *conn, *oldest = NULL;
	char id[KB_CONN_ID];

	atomic_store(&r->shed_posted, false);
	if (!kb_limits_over(&r->net->limits))
		return;
	DL_FOREACH(r->conns, conn)
		if (conn->stream != NULL && conn->req == NULL &&
		    !conn->sending && !conn->acceptor->protected &&
		    (oldest == NULL || conn->active_ms < oldest->active_ms))
			oldest = conn;
	if (oldest == NULL)
		return;
	kc_log(KC_LOG_INFO, "kafka.network.Processor",
	    KB_NET_PREFIX "Closing idle connection %s: max.connections is "
			  "reached and a connection between brokers needs room",
	    r->net->p.broker_id, kb_conn_id(oldest, id));
	kb_conn_close(oldest);
}

int
kb_reactor_open(struct kb_reactor *r, struct kb_net *net, int index)
{
	char name[32];

	r->net = net;
	r->index = index;
	r->shut_task.fn = on_shut;
	r->shed_task.fn = on_shed;
	snprintf(name, sizeof name, "net-%d", index);
	return kc_loop_open(&r->loop, net->p.env, name);
}

int
kb_reactor_start(struct kb_reactor *r)
{
	char name[16];

	snprintf(name, sizeof name, "net-%d", r->index % 1000);
	return kc_thread_start(&r->thread, name, run, r);
}

void
kb_reactor_close(struct kb_reactor *r)
{
	struct kb_conn *conn, *tmp;
	struct kb_request *req;
	int i;

	if (r->loop == NULL)
		return;
	if (r->thread != NULL) {
		kc_loop_stop(r->loop);
		kc_thread_join(&r->thread);
	}
	/* What was posted meanwhile: completions, connections to drop. */
	r->shut = true;
	for (i = 0; i < 2; i++)
		(void)kc_loop_step(r->loop, 0);
	DL_FOREACH_SAFE(r->conns, conn, tmp) {
		if (conn->req != NULL) {
			kc_log(KC_LOG_WARN, "kafka.network.SocketServer",
			    KB_NET_PREFIX "a request is still parked at the "
					  "end (api key %d)",
			    r->net->p.broker_id, kb_request_key(conn->req));
			req = conn->req;
			conn->req = NULL;
			kb_request_drop(req);
		}
		kb_conn_close(conn);
	}
	KC_ASSERT(r->conns == NULL);
	while ((req = r->requests) != NULL) {
		r->requests = req->park_next;
		kc_arena_fini(&req->arena);
		free(req);
	}
	for (i = 0; i < r->nbufs; i++)
		free(r->bufs[i].p);
	kc_loop_close(&r->loop);
}
