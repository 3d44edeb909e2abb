#include "kbroker/api/api.h"

#include "kbroker/api/park.h"
#include "kbroker/core.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/kp.h"

#define LOGGER "kafka.server.KafkaApis"

/* A client that comes while the broker starts waits so long. */
#define READY_WAIT_MS 30000

enum who {
	CLIENT,
	CLUSTER,
};

typedef enum kb_disposition (*handler_fn)(
    struct kb_request *req, const void *msg, void *resp);

struct entry {
	handler_fn fn; /* NULL: not served */
	enum who who;
};

static const struct entry entries[KP_KEYS] = {
#define API(name, who) [kp_key_##name] = { kb_api_##name, who },
#include "kbroker/api/api.def"
#undef API
};

bool
kb_api_served(int16_t key)
{
	return key >= 0 && key < KP_KEYS && entries[key].fn != NULL;
}

static enum kb_disposition
run(struct kb_request *req)
{
	kb_request_turn(req);
	return entries[req->api->key].fn(req, req->msg, req->resp);
}

/* The broker has become ready, or the client has waited long enough. */
static bool
retry_ready(struct kb_park *park, bool last)
{
	struct kb_request *req = park->req;
	enum kb_disposition d;

	if (last || atomic_load(&req->broker->stopping)) {
		req->outcome = KB_CLOSE;
		return true;
	}
	if (!atomic_load(&req->broker->ready) || !kb_park_leave(park))
		return false;
	d = run(req);
	if (d == KB_PARKED) /* the handler's own parking goes on from here */
		return false;
	req->outcome = d;
	return true;
}

enum kb_disposition
kb_api_dispatch(struct kb_request *req)
{
	const struct entry *e = &entries[req->api->key];
	struct kb_broker *b = req->broker;
	struct kb_park *park;

	if (e->fn == NULL) {
		kc_log(KC_LOG_INFO, LOGGER,
		    "Closing the connection of %s: %s is not served by this "
		    "broker",
		    req->peer_host, req->api->name);
		return KB_CLOSE;
	}
	if (e->who == CLUSTER || atomic_load(&b->ready))
		return run(req);
	if ((park = kb_park_new(req, 1, retry_ready, NULL)) == NULL)
		return KB_CLOSE;
	kb_park_on(park, &b->meta_lock, &b->meta_waiters);
	return kb_park_start(park, READY_WAIT_MS);
}

static void
wake_waiters(struct kb_broker *b)
{
	kc_lock_take(&b->meta_lock);
	kb_waitlist_wake(&b->meta_waiters);
	kc_lock_drop(&b->meta_lock);
}

void
kb_api_ready(struct kb_broker *b)
{
	atomic_store(&b->ready, true);
	wake_waiters(b);
}

void
kb_api_stop(struct kb_broker *b)
{
	atomic_store(&b->stopping, true);
	wake_waiters(b);
}
