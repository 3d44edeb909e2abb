/*
 * channel -- the controller's queue of requests to one broker.
 *
 * One in flight, sent again until answered or the broker is gone (Kafka's
 * RequestSendThread): the order is kept, nothing is skipped.
 *
 * @thread control
 */
#ifndef KB_CONTROLLER_CHANNEL_H
#define KB_CONTROLLER_CHANNEL_H

#include "kbroker/controller/model.h"
#include "kcommon/base/arena.h"

struct kb_outgoing {
	struct kb_outgoing *next;
	struct kc_arena arena; /* holds msg and what it points to */
	int16_t key; /* of the API */
	int16_t version;
	void *msg;
};

struct kb_outgoing *kb_outgoing_new(void); /* NULL: out of memory */
void kb_outgoing_free(struct kb_outgoing *o); /* NULL is fine */
/* Takes it over. */
void kb_outgoing_send(struct kb_cbroker *to, struct kb_outgoing *o);

#endif
