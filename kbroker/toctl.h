/*
 * toctl -- requests of this broker to the active controller.
 *
 * One channel, to where the metadata says that the controller listens for
 * brokers.  A request is repeated until the active controller has answered:
 * after a lost connection and after NOT_CONTROLLER it is looked up again,
 * with a back-off.  So a request may be done twice; those that come this way
 * (AllocateProducerIds, AlterPartition, ControlledShutdown) can bear it.
 *
 * From Kafka: NodeToControllerChannelManager.
 *
 * @thread the loop's
 */
#ifndef KB_TOCTL_H
#define KB_TOCTL_H

#include "kcommon/base/kc.h"

struct kb_meta_cache;
struct kb_rpc_call;
struct kb_toctl;
struct kc_loop;
struct kc_tls;
struct kp_api;

struct kb_toctl_params {
	struct kc_loop *loop;
	struct kb_meta_cache *meta; /* outlives it */
	const char *listener; /* the one between brokers; copied */
	struct kc_tls *tls; /* NULL: plaintext; a reference is taken */
	const char *client_id; /* copied */
	int64_t timeout_ms; /* of one try (controller.socket.timeout.ms) */
};

int kb_toctl_open(struct kb_toctl **tp, const struct kb_toctl_params *p);
/*
 * Ends every kb_toctl_ask() with KC_ECLOSED, those to come as well, and waits
 * until all have returned.  In a fiber.
 */
void kb_toctl_stop(struct kb_toctl *t);
/* Stopped before, unless nobody asks.  *tp may be NULL.  @thread any */
void kb_toctl_close(struct kb_toctl **tp);

/*
 * Ask and wait, in a fiber.  KC_OK: *callp is a kept call with the answer, the
 * caller's to free (kb_rpc_call_free()); its error code is anything but
 * NOT_CONTROLLER.  KC_ECLOSED; KC_EMALFORMED for an answer that cannot be
 * read; KC_ENOMEM; errors of kp_encode().
 */
int kb_toctl_ask(struct kb_toctl *t, const struct kp_api *api, int16_t version,
    const void *msg, struct kb_rpc_call **callp);
/* The same, but KC_ETIMEDOUT when the last try ended after timeout_ms. */
int kb_toctl_ask_by(struct kb_toctl *t, const struct kp_api *api,
    int16_t version, const void *msg, int64_t timeout_ms,
    struct kb_rpc_call **callp);

#endif
