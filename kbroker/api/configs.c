/*
 * DescribeConfigs (32): settings of topics, brokers and loggers.
 *
 * On the control thread, which owns the broker's dynamic settings.  Those of
 * topics are read from ZooKeeper, so that a client sees what it has just
 * written, whether or not this broker has heard of it yet.
 */
#include "kbroker/api/configs.h"
#include "kbroker/api/api.h"
#include "kbroker/api/control.h"
#include "kbroker/controller/entity.h"
#include "kbroker/core.h"
#include "kbroker/metadata/topic_name.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/config/properties.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdio.h>

#define LOGGER "kafka.server.KafkaApis"

/* Resources looked at together: nodes read in one wave. */
#define WAVE 256

/* False: it is to be looked up; else out is complete. */
static bool
topic_refused(struct kb_request *req, const struct kb_meta *meta,
    struct kc_str name, struct kp_describe_configs_result *out)
{
	struct kb_why why = { "" };
	int16_t code = kb_create_check_name(name, &why);

	if (code != KP_NONE) {
		kb_describe_fail(out, code, why.s, &req->arena);
		return true;
	}
	if (kb_meta_topic(meta, name) != NULL)
		return false;
	out->error_code = KP_UNKNOWN_TOPIC_OR_PARTITION; /* without a text */
	return true;
}

/* With what ZooKeeper says of its settings. */
static int
describe_topic(struct kb_describe *d, const struct kzk_op *op,
    const struct kp_describe_configs_resource *in,
    struct kp_describe_configs_result *out)
{
	struct kc_props *own = NULL;
	char name[KZK_TOPIC_NAME_MAX + 1];
	int rc = op == NULL ? KC_ENOMEM : op->err;

	snprintf(name, sizeof name, "%.*s", KC_STR_ARG(in->resource_name));
	if (rc == KC_OK)
		rc = kb_entity_decode(op->data, &own);
	if (rc == KC_OK || rc == KC_ENOENT || rc == KC_EMALFORMED)
		rc = kb_topic_config_load(&d->tc, d->config, name, own);
	kc_props_close(&own);
	if (rc != KC_OK) {
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Cannot read the configuration of topic %s: %s", name,
		    kc_strerror(rc));
		kb_describe_fail(out, KP_UNKNOWN_SERVER_ERROR, "", d->arena);
		return KC_OK;
	}
	rc = kb_describe_resource(d, in, out);
	kb_topic_config_put(&d->tc);
	return rc;
}

static struct kzk_batch *
read_topics(struct kb_request *req, const struct kb_meta *meta, int32_t from,
    int32_t to, bool *asked)
{
	const struct kp_describe_configs_req *in = req->msg;
	struct kp_describe_configs_resp *out = req->resp;
	struct kzk *zk = req->broker->zk;
	struct kzk_batch *b = NULL;
	struct kzk_path path;

	if (kzk_batch_open(&b, zk) != KC_OK)
		return NULL;
	for (int32_t i = from; i < to; i++) {
		const struct kp_describe_configs_resource *r =
		    &in->resources.v[i];

		asked[i - from] = false;
		if (r->resource_type != KB_RESOURCE_TOPIC ||
		    topic_refused(
			req, meta, r->resource_name, &out->results.v[i]))
			continue;
		if (kzk_path_config(
			&path, KZK_CONFIG_TOPICS, r->resource_name) == KC_OK &&
		    kzk_batch_add(b, kzk_op_get(zk, path.s, NULL)) == KC_OK)
			asked[i - from] = true;
	}
	return b->n > 0 ? kzk_await_batch(b) : b;
}

static int
describe_wave(
    struct kb_request *req, struct kb_describe *d, int32_t from, int32_t to)
{
	const struct kp_describe_configs_req *in = req->msg;
	struct kp_describe_configs_resp *out = req->resp;
	struct kb_meta *meta = kb_meta_get(&req->broker->meta);
	bool asked[WAVE];
	struct kzk_batch *b = read_topics(req, meta, from, to, asked);
	int32_t at = 0;
	int rc = b == NULL ? KC_ENOMEM : KC_OK;
	bool unrun = b != NULL && b->n == 0;

	kb_meta_unref(&meta);
	for (int32_t i = from; i < to && rc == KC_OK; i++) {
		const struct kp_describe_configs_resource *r =
		    &in->resources.v[i];
		struct kp_describe_configs_result *o = &out->results.v[i];

		if (r->resource_type != KB_RESOURCE_TOPIC)
			rc = kb_describe_resource(d, r, o);
		else if (asked[i - from])
			rc = describe_topic(d, b->ops[at++], r, o);
	}
	if (unrun)
		kzk_batch_close(&b);
	return rc;
}

static void
describe_configs(struct kb_request *req)
{
	const struct kp_describe_configs_req *in = req->msg;
	struct kp_describe_configs_resp *out = req->resp;
	struct kb_broker *b = req->broker;
	struct kb_describe d = { .config = b->live,
		.broker_id = b->id,
		.synonyms = in->include_synonyms,
		.documentation = in->include_documentation,
		.logger = b->env->logger,
		.arena = &req->arena };
	int32_t n = KC_MAX(in->resources.n, 0);
	bool ok = kb_describe_types_ok(in);
	int rc = KC_OK;

	if (!KP_ARRAY(&req->arena, &out->results, describe_configs_result, n))
		rc = KC_ENOMEM;
	for (int32_t i = 0; i < n && rc == KC_OK; i++) {
		struct kp_describe_configs_result *o = &out->results.v[i];

		o->resource_type = in->resources.v[i].resource_type;
		o->resource_name = in->resources.v[i].resource_name;
		if (!ok) /* one of no type that there is spoils all */
			kb_describe_fail(
			    o, KP_INVALID_REQUEST, "", &req->arena);
	}
	for (int32_t i = 0; i < n && ok && rc == KC_OK; i += WAVE)
		rc = describe_wave(req, &d, i, KC_MIN(i + WAVE, n));
	if (rc != KC_OK)
		req->outcome = KB_CLOSE;
}

enum kb_disposition
kb_api_describe_configs(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, describe_configs);
}
