/*
 * CreatePartitions (37), answered by the active controller: the topic's znode
 * is written, whose watch tells the controller's own part, and the answer
 * comes once this broker's metadata shows the partitions with leaders.
 *
 * Written at the version it was read: of two who add partitions the second
 * one reads again.  (Kafka writes whatever the version.)
 */
#include "kbroker/api/api.h"
#include "kbroker/api/control.h"
#include "kbroker/api/partition_plan.h"
#include "kbroker/api/topics.h"
#include "kbroker/controller/controller.h"
#include "kbroker/controller/entity.h"
#include "kbroker/core.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdio.h>

#define LOGGER "kafka.server.ZkAdminManager"

/* Others may write between our read and our write so often. */
#define TRIES_MAX 5
/* Memory for the partitions of one topic; more: refused. */
#define PLAN_CAP ((size_t)64 * 1024 * 1024)

struct grow { /* one topic under way */
	struct kb_broker *b;
	const struct kp_create_partitions_topic *in;
	bool only_check;
	struct kb_why why;
};

static int16_t
fault(const struct grow *g, int rc)
{
	kc_log(KC_LOG_ERROR, LOGGER,
	    "Topic %.*s: partitions cannot be added: %s",
	    KC_STR_ARG(g->in->name), kc_strerror(rc));
	return rc == KC_ESESSION ? KP_NOT_CONTROLLER : KP_UNKNOWN_SERVER_ERROR;
}

static int16_t
no_such_topic(struct grow *g)
{
	snprintf(g->why.s, sizeof g->why.s, "The topic '%.*s' does not exist.",
	    (int)KC_MIN(g->in->name.len, KZK_TOPIC_NAME_MAX), g->in->name.p);
	return KP_UNKNOWN_TOPIC_OR_PARTITION;
}

static int16_t
write_topic(struct grow *g, const char *path, const struct kzk_topic *then,
    int32_t version, bool *again)
{
	struct kzk_text text = { 0 };
	int rc = kzk_topic_encode(then, &text);

	if (rc == KC_OK && text.len > KB_ENTITY_MAX) {
		kzk_text_fini(&text);
		snprintf(g->why.s, sizeof g->why.s,
		    "The topic has more partitions than can be kept in "
		    "ZooKeeper.");
		return KP_INVALID_PARTITIONS;
	}
	if (rc == KC_OK)
		rc = kzk_await(kzk_op_safe(kzk_op_set(g->b->zk, path,
				   kzk_text_str(&text), version)),
		    NULL);
	kzk_text_fini(&text);
	*again = rc == KC_EBADVERSION;
	if (rc == KC_ENOENT)
		return no_such_topic(g);
	return rc == KC_OK || *again ? KP_NONE : fault(g, rc);
}

/* Read, decide, write; *again: somebody else has written meanwhile. */
static int16_t
try_once(struct grow *g, const char *path, bool *again)
{
	struct kzk_topic now = { 0 }, then = { 0 };
	struct kzk_op *op = NULL;
	struct kc_arena a;
	struct kb_meta *meta;
	int32_t version;
	int16_t code;
	int rc = kzk_await(kzk_op_get(g->b->zk, path, NULL), &op);

	*again = false;
	if (rc == KC_ENOENT)
		return no_such_topic(g);
	if (rc == KC_OK) {
		version = op->stat.version;
		rc = kzk_topic_decode(op->data, &now);
	}
	if (rc != KC_OK)
		return fault(g, rc);
	kc_arena_init(&a, PLAN_CAP);
	meta = kb_meta_get(&g->b->meta);
	code = kb_partitions_plan(&now, g->in, meta, &a, &then, &g->why);
	kb_meta_unref(&meta);
	if (code == KP_NONE && !g->only_check)
		code = write_topic(g, path, &then, version, again);
	kzk_topic_fini(&now);
	kc_arena_fini(&a);
	return code;
}

static int16_t
grow(struct grow *g)
{
	char name[KZK_TOPIC_NAME_MAX + 1];
	struct kzk_path path;
	bool again = true;
	int16_t code = KP_NONE;

	if (kzk_path_topic(&path, g->in->name) != KC_OK)
		return no_such_topic(g);
	snprintf(name, sizeof name, "%.*s", KC_STR_ARG(g->in->name));
	if (kb_controller_deleting(g->b->ctl, name)) {
		snprintf(g->why.s, sizeof g->why.s,
		    "The topic is queued for deletion.");
		return KP_INVALID_TOPIC_EXCEPTION;
	}
	for (int i = 0; again && code == KP_NONE && i < TRIES_MAX; i++)
		code = try_once(g, path.s, &again);
	return code == KP_NONE && again ? fault(g, KC_EBADVERSION) : code;
}

static void
fail(struct kb_request *req, struct kp_create_partitions_topic_result *o,
    int16_t code, const char *why)
{
	o->error_code = code;
	o->error_message = why[0] != '\0' ?
	    kc_arena_str(&req->arena, kc_str(why)) :
	    KC_STR_NULL;
}

/* --- waiting ----------------------------------------------------------------
 */

struct grown {
	const struct kp_create_partitions_req *in;
	const struct kp_create_partitions_resp *out;
	const int32_t *at;
	int32_t next; /* those before are there */
};

static bool
all_led(const struct kb_meta *meta, void *arg)
{
	struct grown *w = arg;

	for (; w->next < w->out->results.n; w->next++) {
		int32_t i = w->next;

		if (w->out->results.v[i].error_code == KP_NONE &&
		    !kb_topic_led(meta, w->out->results.v[i].name,
			w->in->topics.v[w->at[i]].count))
			return false;
	}
	return true;
}

static void
await_leaders(struct kb_request *req, const int32_t *at)
{
	const struct kp_create_partitions_req *in = req->msg;
	struct kp_create_partitions_resp *out = req->resp;
	struct grown w = { in, out, at, 0 };
	struct kb_meta *meta;

	if (in->timeout_ms > 0)
		kb_control_wait_metadata(
		    req->broker, in->timeout_ms, all_led, &w);
	meta = kb_meta_get(&req->broker->meta);
	for (int32_t i = w.next; i < out->results.n; i++)
		if (out->results.v[i].error_code == KP_NONE &&
		    (in->timeout_ms <= 0 ||
			!kb_topic_led(meta, out->results.v[i].name,
			    in->topics.v[at[i]].count)))
			fail(req, &out->results.v[i], KP_REQUEST_TIMED_OUT, "");
	kb_meta_unref(&meta);
}

static void
create_partitions(struct kb_request *req)
{
	const struct kp_create_partitions_req *in = req->msg;
	struct kp_create_partitions_resp *out = req->resp;
	struct kb_broker *b = req->broker;
	size_t n = (size_t)KC_MAX(in->topics.n, 0);
	int32_t *at = kc_arena_array(&req->arena, n, sizeof *at);

	if ((at == NULL && n > 0) ||
	    kb_partitions_begin(in, &req->arena, out, at) != KC_OK) {
		req->outcome = KB_CLOSE;
		return;
	}
	for (int32_t i = 0; i < out->results.n; i++) {
		struct grow g = { .b = b,
			.in = &in->topics.v[at[i]],
			.only_check = in->validate_only };
		int16_t code;

		if (!kb_controller_active(b->ctl)) {
			fail(req, &out->results.v[i], KP_NOT_CONTROLLER, "");
			continue;
		}
		if (out->results.v[i].error_code != KP_NONE)
			continue;
		if ((code = grow(&g)) == KP_NONE)
			continue;
		fail(req, &out->results.v[i], code, g.why.s);
		kc_log(KC_LOG_INFO, LOGGER,
		    "[Admin Manager on Broker %d]: Error processing create "
		    "partitions request: %s %s",
		    b->id, kp_error_name(code), g.why.s);
	}
	if (!in->validate_only)
		await_leaders(req, at);
}

enum kb_disposition
kb_api_create_partitions(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, create_partitions);
}
