/*
 * request -- one request from a client, from its decoded body to its answer.
 *
 * net/ reads a frame, decodes header and body, and calls the dispatch
 * function it was given; a handler decides and says how it went on (enum
 * kb_disposition).  Everything hangs on req->arena and on the frame; both
 * live until the answer has been encoded, so handlers free nothing.
 *
 * Parking.  A handler whose answer must wait notes the request in the thing
 * it waits for, calls kb_request_park() and returns KB_PARKED.  Whoever makes
 * it ready fills req->resp and calls kb_request_complete(), once, on any
 * thread; the answer is encoded and sent on the request's own loop.  The
 * deadline calls on_timeout on that loop.  Waker and deadline may meet: the
 * one for whom kb_request_claim() is true completes the request, the other
 * leaves it alone.  The winner takes it off the list it is parked in (under
 * that list's lock) before it completes it; after kb_request_complete() the
 * request may be gone at any moment.
 *
 * A connection that dies does not take its parked request along: its deadline,
 * when it has one, comes at once; it is completed as usual and the answer is
 * dropped.
 */
#ifndef KB_API_REQUEST_H
#define KB_API_REQUEST_H

#include "kcommon/base/arena.h"
#include "kcommon/base/str.h"
#include "kcommon/io/ev.h"

#include <stdatomic.h>

struct kb_broker;
struct kb_conn; /* kbroker/net/conn.h */
struct kp_api; /* kcommon/proto/kp.h */

enum kb_disposition {
	KB_REPLY, /* req->resp is complete: send it */
	KB_PARKED, /* kb_request_complete() will come, or has come */
	KB_NO_REPLY, /* done without an answer (acks=0) */
	KB_CLOSE, /* close the connection without an answer */
};

struct kb_request {
	unsigned magic;
#define KB_REQUEST_MAGIC 0x5c1e77a9

	/* Set by net, then constant. */
	struct kb_broker *broker;
	struct kb_conn *conn;
	struct kc_loop *loop; /* the reactor's; where the answer is sent */
	const struct kp_api *api;
	int16_t version;
	int32_t correlation_id;
	struct kc_str client_id; /* never null; borrowed from the frame */
	const char *listener; /* listener name; lives as long as net */
	bool privileged; /* came by the inter-broker (control) listener */
	bool tls;
	const char *principal; /* "User:ANONYMOUS"; borrowed from conn */
	const char *peer_host; /* address text; borrowed from conn */
	size_t frame_size; /* bytes of header and body */
	int64_t received_ns; /* monotonic, when the frame was whole */
	const void *msg; /* struct kp_<name>_req of this version */

	/*
	 * The handler's, then the waker's: struct kp_<name>_resp, zeroed and
	 * with the defaults of the protocol.
	 */
	void *resp;
	struct kc_arena arena;
	int32_t throttle_ms; /* reading stops so long after the answer */
	/* For a parked one: KB_REPLY (set before), KB_NO_REPLY or KB_CLOSE. */
	enum kb_disposition outcome;
	/*
	 * Called once on the loop after the answer was encoded or dropped,
	 * for what is not in the arena (file references).  May be NULL.
	 */
	void (*on_done)(struct kb_request *req);

	/* Parking. */
	void *park_state; /* the parker's */
	struct kb_request *park_next, *park_prev; /* the parker's list */
	void (*on_timeout)(struct kb_request *req);
	struct kc_timer timer; /* net's; by kb_request_park() */
	struct kc_task task; /* net's; by kb_request_complete() */
	atomic_bool claimed;
};

/*
 * Before returning KB_PARKED: on_timeout is called timeout_ms from now if
 * nobody claims the request first; earlier when the server shuts down.
 * timeout_ms < 0: no deadline.  Park before the request can be seen by another
 * thread.
 * @thread req->loop
 */
void kb_request_park(struct kb_request *req, int64_t timeout_ms,
    void (*on_timeout)(struct kb_request *req));

/* True for the first caller only: it is the one to complete.  @thread any */
bool kb_request_claim(struct kb_request *req);

/*
 * A parked request is ready: req->resp is filled (or outcome set).  Must be
 * called exactly once, with no lock held that the loop may need.
 * @thread any
 */
void kb_request_complete(struct kb_request *req);

#endif
