#include "kbroker/toctl.h"

#include "kbroker/metadata/cache.h"
#include "kbroker/rpc/rpc.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/fiber.h"
#include "kcommon/io/tls.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>
#include <utlist.h>

#define LOGGER "kafka.server.NodeToControllerRequestThread"

/* Between two tries, as Kafka's retry.backoff.ms. */
#define BACKOFF_MS 100

struct asker { /* on the stack of a kb_toctl_ask_by() */
	struct kc_fiber *fiber;
	struct asker *prev, *next;
};

struct kb_toctl {
	unsigned magic;
#define KB_TOCTL_MAGIC 0x70c71a3d
	struct kb_toctl_params p; /* strings owned */
	/* The channel, and where it leads; NULL: none. */
	struct kb_rpc *rpc;
	char host[256];
	int32_t port;

	struct asker *askers;
	bool stopped;
	struct kc_fiber *stopper; /* waits until askers is empty */
};

int
kb_toctl_open(struct kb_toctl **tp, const struct kb_toctl_params *p)
{
	struct kb_toctl *t;

	KC_ASSERT(*tp == NULL);
	if ((t = kc_new(struct kb_toctl, KB_TOCTL_MAGIC)) == NULL)
		return KC_ENOMEM;
	t->p = *p;
	t->p.tls = p->tls != NULL ? kc_tls_get(p->tls) : NULL;
	t->p.listener = kc_str_dup(kc_str(p->listener));
	t->p.client_id = kc_str_dup(kc_str(p->client_id));
	if (t->p.listener == NULL || t->p.client_id == NULL) {
		kb_toctl_close(&t);
		return KC_ENOMEM;
	}
	*tp = t;
	return KC_OK;
}

void
kb_toctl_stop(struct kb_toctl *t)
{
	struct asker *a;

	KC_CHECK(t, KB_TOCTL_MAGIC);
	t->stopped = true;
	if (t->rpc != NULL)
		kb_rpc_close(&t->rpc);
	DL_FOREACH(t->askers, a)
		kc_fiber_wake(a->fiber);
	t->stopper = kc_fiber_self();
	while (t->askers != NULL)
		kc_fiber_wait();
	t->stopper = NULL;
}

void
kb_toctl_close(struct kb_toctl **tp)
{
	struct kb_toctl *t = *tp;

	if (t == NULL)
		return;
	KC_CHECK(t, KB_TOCTL_MAGIC);
	KC_ASSERT(t->askers == NULL);
	*tp = NULL;
	if (t->rpc != NULL)
		kb_rpc_close(&t->rpc);
	kc_tls_put(&t->p.tls);
	free((char *)t->p.listener);
	free((char *)t->p.client_id);
	kc_delete(t);
}

/* Where the controller listens for brokers; KC_ENOENT when nobody knows. */
static int
find(struct kb_toctl *t, char *host, size_t len, int32_t *port)
{
	struct kb_meta *meta = kb_meta_get(t->p.meta);
	const struct kb_meta_endpoint *ep = kb_meta_endpoint(
	    kb_meta_broker(meta, meta->controller_id), kc_str(t->p.listener));
	int rc = KC_ENOENT;

	if (ep != NULL && ep->host.len > 0 && (size_t)ep->host.len < len) {
		memcpy(host, ep->host.p, (size_t)ep->host.len);
		host[ep->host.len] = '\0';
		*port = ep->port;
		rc = KC_OK;
	}
	kb_meta_unref(&meta);
	return rc;
}

static int
connect_to(struct kb_toctl *t)
{
	struct kb_rpc_params rp = { .tls = t->p.tls,
		.client_id = t->p.client_id,
		.timeout_ms = t->p.timeout_ms };
	char host[sizeof t->host];
	int32_t port = 0;
	int rc = find(t, host, sizeof host, &port);

	if (rc != KC_OK)
		return rc;
	if (t->rpc != NULL && port == t->port && strcmp(host, t->host) == 0)
		return KC_OK;
	if (t->rpc != NULL) /* those who wait in it come round again */
		kb_rpc_close(&t->rpc);
	memcpy(t->host, host, sizeof host);
	t->port = port;
	rp.host = t->host;
	rp.port = port;
	return kb_rpc_open(&t->rpc, t->p.loop, &rp);
}

/* Did a broker answer that is no longer, or not yet, the controller? */
static bool
from_another(const struct kb_rpc_call *call)
{
	switch (call->api->key) {
	case kp_key_allocate_producer_ids: {
		const struct kp_allocate_producer_ids_resp *r = call->resp;

		return r->error_code == KP_NOT_CONTROLLER;
	}
	case kp_key_alter_partition: {
		const struct kp_alter_partition_resp *r = call->resp;

		return r->error_code == KP_NOT_CONTROLLER;
	}
	case kp_key_controlled_shutdown: {
		const struct kp_controlled_shutdown_resp *r = call->resp;

		return r->error_code == KP_STALE_CONTROLLER_EPOCH ||
		    r->error_code == KP_NOT_CONTROLLER;
	}
	}
	return false;
}

/* KC_EAGAIN: nothing is decided, ask again. */
static int
ask_once(struct kb_toctl *t, const struct kp_api *api, int16_t version,
    const void *msg, struct kb_rpc_call **callp)
{
	int rc = connect_to(t);

	if (rc == KC_OK)
		rc = kb_rpc_ask(t->rpc, api, version, msg, callp);
	if (rc == KC_OK && from_another(*callp)) {
		kb_rpc_call_free(callp);
		kc_log(KC_LOG_DEBUG, LOGGER,
		    "[%s] %s went to a broker that is not the controller",
		    t->p.client_id, api->name);
		return KC_EAGAIN;
	}
	switch (rc) {
	case KC_OK:
	case KC_ENOMEM:
	case KC_EMALFORMED:
	case KC_EVERSION:
	case KC_EINVAL:
	case KC_ERANGE:
		return rc;
	default:
		kc_log(KC_LOG_DEBUG, LOGGER, "[%s] %s to the controller: %s",
		    t->p.client_id, api->name, kc_strerror(rc));
		return KC_EAGAIN;
	}
}

int
kb_toctl_ask_by(struct kb_toctl *t, const struct kp_api *api, int16_t version,
    const void *msg, int64_t timeout_ms, struct kb_rpc_call **callp)
{
	struct asker self = { .fiber = kc_fiber_self() };
	int64_t until = kc_loop_now_ms(t->p.loop) + timeout_ms;
	int tries = 0, rc;

	KC_ASSERT(self.fiber != NULL && *callp == NULL);
	DL_APPEND(t->askers, &self);
	for (;;) {
		rc = t->stopped ? KC_ECLOSED :
				  ask_once(t, api, version, msg, callp);
		if (rc != KC_EAGAIN)
			break;
		if (t->stopped)
			continue;
		if (timeout_ms >= 0 && kc_loop_now_ms(t->p.loop) >= until) {
			rc = KC_ETIMEDOUT;
			break;
		}
		if (++tries == 10)
			kc_log(KC_LOG_WARN, LOGGER,
			    "[%s] The controller does not answer %s yet; "
			    "asking on",
			    t->p.client_id, api->name);
		kc_fiber_sleep(BACKOFF_MS);
	}
	DL_DELETE(t->askers, &self);
	if (t->askers == NULL && t->stopper != NULL)
		kc_fiber_wake(t->stopper);
	return rc;
}

int
kb_toctl_ask(struct kb_toctl *t, const struct kp_api *api, int16_t version,
    const void *msg, struct kb_rpc_call **callp)
{
	return kb_toctl_ask_by(t, api, version, msg, -1, callp);
}
