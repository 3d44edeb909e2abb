/*
 * api -- from a decoded request to its handler.
 *
 * One handler an API, declared in api.def; a handler decides and answers,
 * subsystems do.  Handlers run on the request's net thread, those that change
 * what the broker hosts or ask ZooKeeper go on to the control thread.
 */
#ifndef KB_API_H
#define KB_API_H

#include "kbroker/api/request.h"

struct kb_meta;
struct kp_fetch_resp;
struct kp_produce_resp;

/*
 * Runs the handler.  Clients that come before the broker is ready wait (a real
 * broker answers them with an empty cluster, which some believe for
 * minutes).  @thread req->loop
 */
enum kb_disposition kb_api_dispatch(struct kb_request *req);
/*
 * The metadata has changed: wake those who wait for that, and let go on who
 * came too early.  @thread control
 */
void kb_api_ready(struct kb_broker *b);
/*
 * The broker stops: whoever waits for the metadata to change gives up and is
 * answered (CreateTopics, DeleteTopics), or closed when it was too early.
 * @thread control
 */
void kb_api_stop(struct kb_broker *b);
/* Is this API served (and so listed by ApiVersions)? */
bool kb_api_served(int16_t key);

#define API(name, who)                                                         \
	enum kb_disposition kb_api_##name(                                     \
	    struct kb_request *req, const void *msg, void *resp);
#include "kbroker/api/api.def"
#undef API

/* The listener's endpoint of a broker, once, in node_endpoints (KIP-951). */
void kb_api_add_fetch_endpoint(struct kb_request *req,
    const struct kb_meta *meta, int32_t broker, struct kp_fetch_resp *out);
void kb_api_add_produce_endpoint(struct kb_request *req,
    const struct kb_meta *meta, int32_t broker, struct kp_produce_resp *out);

#endif
