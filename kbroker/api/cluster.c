/*
 * Metadata (3) and DescribeCluster (60): what the broker knows of the
 * cluster, and topics that come to be because somebody asked.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/auto_create.h"
#include "kbroker/api/control.h"
#include "kbroker/api/metadata.h"
#include "kbroker/core.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/kp.h"

#define LOGGER "kafka.server.KafkaApis"

static struct kb_metadata_ctx
context(struct kb_request *req)
{
	return (struct kb_metadata_ctx){
		.meta = kb_request_meta(req),
		.listener = kc_str(req->listener),
		.arena = &req->arena,
		.version = req->version,
		.auto_create = req->broker->config->auto_create_topics_enable,
	};
}

static enum kb_disposition
too_large(const struct kb_request *req)
{
	kc_log(KC_LOG_WARN, LOGGER,
	    "An answer to %s does not fit in %zu bytes of memory; closing the "
	    "connection of %s",
	    req->api->name, req->arena.cap, req->peer_host);
	return KB_CLOSE;
}

/* The answer is there but for the errors of the topics that it lacks. */
static void
create_missing(struct kb_request *req)
{
	const struct kb_metadata_missing *missing = req->park_state;
	int32_t i;

	for (i = 0; i < missing->n; i++)
		missing->v[i]->error_code =
		    kb_auto_create(req->broker, missing->v[i]->name);
}

enum kb_disposition
kb_api_metadata(struct kb_request *req, const void *msg, void *resp)
{
	struct kb_metadata_ctx ctx = context(req);
	struct kb_metadata_missing *missing;

	missing = kc_arena_alloc(&req->arena, sizeof *missing);
	if (missing == NULL ||
	    kb_metadata_answer(&ctx, msg, resp, missing) != KC_OK)
		return too_large(req);
	if (missing->n == 0)
		return KB_REPLY;
	req->park_state = missing;
	return kb_api_on_control(req, create_missing);
}

enum kb_disposition
kb_api_describe_cluster(struct kb_request *req, const void *msg, void *resp)
{
	struct kb_metadata_ctx ctx = context(req);

	return kb_describe_cluster_answer(&ctx, msg, resp) == KC_OK ?
	    KB_REPLY :
	    too_large(req);
}
