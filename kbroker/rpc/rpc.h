/*
 * rpc -- a channel to another broker: calls go out in order, answers come
 * back to callbacks.
 *
 * The channel connects when the first call needs it and again after a
 * failure, with a back-off.  A call ends exactly once, by done():
 *
 *   KC_OK         call->resp is the decoded answer
 *   KC_ETIMEDOUT  no answer in time; a request that had been sent takes the
 *                 connection along, as in Kafka's NetworkClient
 *   KC_EINDOUBT   sent, and the connection was lost: it may have been done
 *   KC_ECLOSED    the channel was closed; sent or not
 *   KC_EMALFORMED the answer cannot be decoded
 *   others        not sent: the connection could not be made (KC_ENETWORK,
 *                 KC_ECONNREFUSED, KC_ETLS); err_text says more
 *
 * Versions are the caller's choice (inter.broker.protocol.version decides
 * them in a classic cluster, not ApiVersions).
 *
 * A failed connection ends what is queued; calls made after that wait for the
 * back-off and try again.  A lost connection leaves the queue alone.
 *
 * Limits: KB_RPC_QUEUE_MAX calls wait at most; more: KC_ELIMIT.
 *
 * @thread the channel's loop
 */
#ifndef KB_RPC_H
#define KB_RPC_H

#include "kcommon/base/arena.h"
#include "kcommon/io/ev.h"

#define KB_RPC_QUEUE_MAX 1024

struct kb_rpc;
struct kb_rpc_call;
struct kc_tls;
struct kp_api;

struct kb_rpc_params {
	const char *host;
	int port;
	struct kc_tls *tls; /* NULL: plaintext; a reference is taken */
	const char *client_id;
	int64_t timeout_ms; /* of a call, queueing and connecting included */
	int64_t connect_timeout_ms; /* with the handshake; 0: 10 s */
	int64_t backoff_ms; /* after a failed connect; 0: 50, doubles */
	int64_t backoff_max_ms; /* 0: 1000 */
	int inflight_max; /* sent and unanswered; 0: 1 */
	int32_t response_max; /* 0: no limit but INT32_MAX */
};

struct kb_rpc_call { /* the head of a larger one */
	/* The caller's. */
	void *arg;

	/* Results, for done(). */
	int err;
	const void *resp; /* struct kp_<api>_resp; NULL unless KC_OK */
	int64_t sent_ns; /* monotonic; 0: was not sent */
	int64_t done_ns;
	const struct kp_api *api;
	int16_t version;
	/*
	 * Set in done(): the call and its answer stay until
	 * kb_rpc_call_free().
	 */
	bool keep;
};

typedef void (*kb_rpc_done_fn)(struct kb_rpc_call *call);

/* Strings of p are copied. */
int kb_rpc_open(
    struct kb_rpc **rpcp, struct kc_loop *loop, const struct kb_rpc_params *p);
/*
 * Ends all calls with KC_ECLOSED (done() runs inside) and frees the channel;
 * may be called in done().
 */
void kb_rpc_close(struct kb_rpc **rpcp);

/*
 * Queue one call.  msg (a struct kp_<api>_req) is encoded here and not
 * needed afterwards.  KC_OK: done() will be called, later.  Otherwise it
 * will not: KC_ELIMIT, KC_ENOMEM, or kp_encode()'s errors.
 */
int kb_rpc_call(struct kb_rpc *rpc, const struct kp_api *api, int16_t version,
    const void *msg, kb_rpc_done_fn done, void *arg);
/* The same with a deadline of its own. */
int kb_rpc_call_by(struct kb_rpc *rpc, const struct kp_api *api,
    int16_t version, const void *msg, int64_t timeout_ms, kb_rpc_done_fn done,
    void *arg);
/* A kept call; *callp NULL is fine. */
void kb_rpc_call_free(struct kb_rpc_call **callp);

/*
 * Call and wait, in a fiber of the loop.  KC_OK: *callp is a kept call with
 * the answer, the caller's to free.
 */
int kb_rpc_ask(struct kb_rpc *rpc, const struct kp_api *api, int16_t version,
    const void *msg, struct kb_rpc_call **callp);

/* Calls queued or in flight. */
int kb_rpc_pending(const struct kb_rpc *rpc);
/* Why the last connection failed, for log lines; "" when none did. */
const char *kb_rpc_err_text(const struct kb_rpc *rpc);

#endif
