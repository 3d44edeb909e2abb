/*
 * control -- requests whose work is done on the control thread: those that
 * change what the broker hosts, or that wait for ZooKeeper.
 */
#ifndef KB_API_CONTROL_H
#define KB_API_CONTROL_H

#include "kbroker/api/request.h"

/*
 * Go on with fn(req) in a fiber of the control thread, in the order the
 * requests came; when fn returns the answer is complete and is sent.  The
 * handler returns what this returns.
 */
enum kb_disposition kb_api_on_control(
    struct kb_request *req, void (*fn)(struct kb_request *req));

struct kb_broker;
struct kb_meta;

/*
 * Until done(meta, arg), timeout_ms have passed, or the broker stops.
 * @thread control, in a fiber
 */
void kb_control_wait_metadata(struct kb_broker *b, int32_t timeout_ms,
    bool (*done)(const struct kb_meta *meta, void *arg), void *arg);

#endif
