/*
 * CreateTopics (19) and DeleteTopics (20), answered by the active controller:
 * written to ZooKeeper, whose watches tell the controller's own part, and
 * answered once this broker's metadata shows it.
 *
 * From Kafka: ZkAdminManager.createTopics, .deleteTopics,
 * DelayedCreatePartitions, DelayedDeleteTopics.
 */
#include "kbroker/api/topics.h"
#include "kbroker/api/api.h"
#include "kbroker/api/control.h"
#include "kbroker/controller/controller.h"
#include "kbroker/core.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/fiber.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdio.h>
#include <utlist.h>

#define LOGGER "kafka.server.ZkAdminManager"

static const struct kb_authz everybody; /* there is no authorizer yet */

/* --- one topic -------------------------------------------------------------
 */

struct kb_making { /* a topic being made, on its fiber's stack */
	struct kc_str name;
	struct kb_making *prev, *next;
};

static bool
is_making(const struct kb_broker *b, struct kc_str name)
{
	const struct kb_making *m;

	DL_FOREACH(b->making, m)
		if (kc_str_eq(m->name, name))
			return true;
	return false;
}

static int16_t
make(struct kb_broker *b, struct kb_topic_plan *p, bool only_check)
{
	int16_t code = kb_create_check_absent(b->zk, p->topic.name, &p->why);

	if (code == KP_NONE)
		code = kb_topic_plan_check(p, b->live);
	if (code != KP_NONE || only_check)
		return code;
	return kb_create_topic(b->zk, &p->topic, p->own, &p->why);
}

int16_t
kb_topic_make(struct kb_broker *b, struct kb_topic_plan *p,
    const struct kp_creatable_topic *in, bool only_check, bool *busy)
{
	struct kb_making self = { .name = in->name };
	struct kb_meta *meta = kb_meta_get(&b->meta);
	int16_t code = kb_topic_plan_open(p, in, meta, b->live, b->env->c.rand);

	kb_meta_unref(&meta);
	if (code == KP_NONE && !only_check && is_making(b, in->name)) {
		/* Its settings must not be written over by the second one. */
		if (busy != NULL)
			*busy = true;
		snprintf(p->why.s, sizeof p->why.s,
		    "Topic '%.*s' already exists.", KC_STR_ARG(in->name));
		code = KP_TOPIC_ALREADY_EXISTS;
	} else if (code == KP_NONE) {
		if (!only_check)
			DL_APPEND(b->making, &self);
		code = make(b, p, only_check);
		if (!only_check)
			DL_DELETE(b->making, &self);
	}
	if (code != KP_NONE)
		kc_log(KC_LOG_INFO, LOGGER,
		    "[Admin Manager on Broker %d]: "
		    "Error processing create topic request: %s %s",
		    b->id, kp_error_name(code), p->why.s);
	return code;
}

/* --- CreateTopics ------------------------------------------------------------
 */

static void
create_one(struct kb_request *req, const struct kp_creatable_topic *in,
    struct kp_creatable_topic_result *o, int32_t *nparts)
{
	const struct kp_create_topics_req *all = req->msg;
	struct kb_topic_plan p;
	int16_t code =
	    kb_topic_make(req->broker, &p, in, all->validate_only, NULL);

	if (code != KP_NONE) {
		kb_create_topics_fail(o, code, p.why.s, &req->arena);
	} else {
		*nparts = p.topic.nparts;
		if (req->version >= 5 &&
		    kb_topic_plan_describe(
			&p, req->broker->live, true, &req->arena, o) != KC_OK)
			o->topic_config_error_code = KP_UNKNOWN_SERVER_ERROR;
		if (!all->validate_only)
			o->topic_id = p.topic.id;
	}
	kb_topic_plan_close(&p);
}

struct created { /* topics made, whose leaders are waited for */
	const struct kp_create_topics_resp *out;
	const int32_t *nparts; /* of each; 0: not made */
	int32_t at; /* those before have been seen */
};

bool
kb_topic_led(const struct kb_meta *meta, struct kc_str name, int32_t nparts)
{
	const struct kb_meta_topic *t = kb_meta_topic(meta, name);

	for (int32_t i = 0; i < nparts; i++) {
		const struct kb_meta_partition *p = kb_meta_partition(t, i);

		if (p == NULL || p->leader == KB_META_NO_LEADER)
			return false;
	}
	return true;
}

static bool
all_led(const struct kb_meta *meta, void *arg)
{
	struct created *c = arg;

	while (c->at < c->out->topics.n &&
	    kb_topic_led(meta, c->out->topics.v[c->at].name, c->nparts[c->at]))
		c->at++;
	return c->at == c->out->topics.n;
}

static void
await_created(struct kb_request *req, const int32_t *nparts)
{
	const struct kp_create_topics_req *in = req->msg;
	struct kp_create_topics_resp *out = req->resp;
	struct created c = { .out = out, .nparts = nparts };
	struct kb_meta *meta;

	if (in->timeout_ms > 0)
		kb_control_wait_metadata(
		    req->broker, in->timeout_ms, all_led, &c);
	if (in->timeout_ms > 0 && c.at == out->topics.n)
		return;
	/* Made, but not to be used yet.  timeout_ms <= 0 does not look. */
	meta = kb_meta_get(&req->broker->meta);
	for (int32_t i = c.at; i < out->topics.n; i++)
		if (nparts[i] > 0 &&
		    (in->timeout_ms <= 0 ||
			!kb_topic_led(meta, out->topics.v[i].name, nparts[i])))
			kb_create_topics_fail(&out->topics.v[i],
			    KP_REQUEST_TIMED_OUT, "", &req->arena);
	kb_meta_unref(&meta);
}

static void
create_topics(struct kb_request *req)
{
	const struct kp_create_topics_req *in = req->msg;
	struct kp_create_topics_resp *out = req->resp;
	int32_t *nparts;
	int rc;

	if (!kb_controller_active(req->broker->ctl))
		rc = kb_create_topics_refuse(
		    in, KP_NOT_CONTROLLER, &req->arena, out);
	else
		rc = kb_create_topics_begin(in, &everybody, &req->arena, out);
	nparts =
	    kc_arena_array(&req->arena, (size_t)out->topics.n, sizeof *nparts);
	if (rc != KC_OK || nparts == NULL) {
		req->outcome = KB_CLOSE;
		return;
	}
	for (int32_t i = 0; i < out->topics.n; i++)
		if (out->topics.v[i].error_code == KP_NONE)
			create_one(req, &in->topics.v[i], &out->topics.v[i],
			    &nparts[i]);
	if (!in->validate_only)
		await_created(req, nparts);
}

enum kb_disposition
kb_api_create_topics(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, create_topics);
}

/* --- DeleteTopics -------------------------------------------------------- */

struct deleted {
	const struct kp_delete_topics_resp *out;
	int32_t at;
};

static bool
all_gone(const struct kb_meta *meta, void *arg)
{
	struct deleted *d = arg;

	for (; d->at < d->out->responses.n; d->at++) {
		const struct kp_deletable_topic_result *o =
		    &d->out->responses.v[d->at];

		if (o->error_code == KP_NONE &&
		    kb_meta_topic(meta, o->name) != NULL)
			return false;
	}
	return true;
}

static void
mark_and_wait(struct kb_request *req)
{
	const struct kp_delete_topics_req *in = req->msg;
	struct kp_delete_topics_resp *out = req->resp;
	struct deleted d = { .out = out };
	struct kb_meta *meta;

	for (int32_t i = 0; i < out->responses.n; i++)
		if (out->responses.v[i].error_code == KP_NONE)
			out->responses.v[i].error_code = kb_create_delete_mark(
			    req->broker->zk, out->responses.v[i].name);
	if (in->timeout_ms > 0)
		kb_control_wait_metadata(
		    req->broker, in->timeout_ms, all_gone, &d);
	meta = kb_meta_get(&req->broker->meta);
	for (int32_t i = d.at; i < out->responses.n; i++)
		if (out->responses.v[i].error_code == KP_NONE &&
		    (in->timeout_ms <= 0 ||
			kb_meta_topic(meta, out->responses.v[i].name) != NULL))
			out->responses.v[i].error_code = KP_REQUEST_TIMED_OUT;
	kb_meta_unref(&meta);
}

static void
delete_topics(struct kb_request *req)
{
	const struct kp_delete_topics_req *in = req->msg;
	struct kp_delete_topics_resp *out = req->resp;
	struct kb_broker *b = req->broker;
	struct kb_meta *meta;
	int rc;

	if (!kb_controller_active(b->ctl)) {
		rc = kb_delete_topics_refuse(
		    in, req->version, KP_NOT_CONTROLLER, &req->arena, out);
	} else if (!b->config->delete_topic_enable) {
		rc = kb_delete_topics_refuse(in, req->version,
		    req->version < 3 ? KP_INVALID_REQUEST :
				       KP_TOPIC_DELETION_DISABLED,
		    &req->arena, out);
	} else {
		meta = kb_meta_get(&b->meta);
		rc = kb_delete_topics_begin(
		    in, req->version, meta, &everybody, &req->arena, out);
		kb_meta_unref(&meta);
	}
	if (rc != KC_OK)
		req->outcome = KB_CLOSE;
	else
		mark_and_wait(req);
}

enum kb_disposition
kb_api_delete_topics(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, delete_topics);
}
