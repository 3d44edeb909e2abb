/*
 * AlterConfigs (33) and IncrementalAlterConfigs (44).
 *
 * Written to ZooKeeper and announced there; this broker applies a change as
 * all others do, when it reads the announcement.  Changes of one entity follow
 * each other on this broker (making, below); between two brokers the last one
 * wins, as in Kafka.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/configs.h"
#include "kbroker/api/control.h"
#include "kbroker/controller/entity.h"
#include "kbroker/core.h"
#include "kbroker/dynamic.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/config/properties.h"
#include "kcommon/io/fiber.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdio.h>
#include <utlist.h>

#define LOGGER "kafka.server.ZkAdminManager"
#define PATH_MAX_BYTES 300

/* --- from the requests and back --------------------------------------------
 */

/*
 * Both requests and answers have the same shape in structs of their own
 * names.
 */
#define COLLECT(a, in, kind_of)                                                \
	do {                                                                   \
		int32_t n_ = KC_MAX((in)->resources.n, 0);                     \
                                                                               \
		(a)->v =                                                       \
		    kc_arena_array((a)->arena, (size_t)n_, sizeof *(a)->v);    \
		if ((a)->v == NULL && n_ > 0)                                  \
			return KC_ENOMEM;                                      \
		for (; (a)->n < n_; (a)->n++) {                                \
			__auto_type from_ = &(in)->resources.v[(a)->n];        \
			struct kb_alter_resource *r_ = &(a)->v[(a)->n];        \
			int32_t k_ = KC_MAX(from_->configs.n, 0);              \
                                                                               \
			r_->type = from_->resource_type;                       \
			r_->name = from_->resource_name;                       \
			r_->ops = kc_arena_array(                              \
			    (a)->arena, (size_t)k_, sizeof *r_->ops);          \
			if (r_->ops == NULL && k_ > 0)                         \
				return KC_ENOMEM;                              \
			for (; r_->n < k_; r_->n++) {                          \
				__auto_type c_ = &from_->configs.v[r_->n];     \
                                                                               \
				r_->ops[r_->n] =                               \
				    (struct kb_alter_op){ c_->name, c_->value, \
					    kind_of(c_) };                     \
			}                                                      \
		}                                                              \
		(a)->validate_only = (in)->validate_only;                      \
	} while (0)

/* Structs of the protocol with names too long for a line. */
#define CHANGED alter_configs_resp_alter_configs_resource_response
#define CHANGED_IN_PART                                                        \
	incremental_alter_configs_resp_alter_configs_resource_response

#define ANSWER(a, out, entry)                                                  \
	do {                                                                   \
		if (!KP_ARRAY((a)->arena, &(out)->responses, entry, (a)->n))   \
			return KC_ENOMEM;                                      \
		for (int32_t i_ = 0; i_ < (a)->n; i_++) {                      \
			__auto_type o_ = &(out)->responses.v[i_];              \
                                                                               \
			o_->resource_type = (a)->v[i_].type;                   \
			o_->resource_name = (a)->v[i_].name;                   \
			o_->error_code = (a)->v[i_].code;                      \
			o_->error_message = (a)->v[i_].why;                    \
		}                                                              \
	} while (0)

#define KIND_GIVEN(c) ((c)->config_operation)
#define KIND_SET(c) KB_ALTER_SET

static int
collect(struct kb_request *req, struct kb_alter *a)
{
	if (a->replace) {
		const struct kp_alter_configs_req *in = req->msg;

		COLLECT(a, in, KIND_SET);
	} else {
		const struct kp_incremental_alter_configs_req *in = req->msg;

		COLLECT(a, in, KIND_GIVEN);
	}
	return KC_OK;
}

static int
answer(struct kb_request *req, const struct kb_alter *a)
{
	if (a->replace) {
		struct kp_alter_configs_resp *out = req->resp;

		ANSWER(a, out, CHANGED);
	} else {
		struct kp_incremental_alter_configs_resp *out = req->resp;

		ANSWER(a, out, CHANGED_IN_PART);
	}
	return KC_OK;
}

/* --- one entity at a time ---------------------------------------------------
 */

/* Somebody is between reading this entity and writing it. */
struct kb_altering {
	const char *path;
	struct kb_altering *prev, *next;
};

#define TURN_MS 10 /* between two looks whether it is our turn */

static void
take_turn(struct kb_broker *b, struct kb_altering *self)
{
	const struct kb_altering *o;
	bool busy;

	do {
		busy = false;
		DL_FOREACH(b->altering, o)
			busy = busy || strcmp(o->path, self->path) == 0;
		if (busy)
			kc_fiber_sleep(TURN_MS);
	} while (busy);
	DL_APPEND(b->altering, self);
}

static int16_t
fault(int rc, const char *path, struct kb_why *why)
{
	if (rc == KC_EINVAL || rc == KC_ELIMIT) {
		snprintf(why->s, sizeof why->s,
		    "The configuration is no UTF-8 text, or larger than can "
		    "be kept in ZooKeeper.");
		return KP_INVALID_CONFIG;
	}
	kc_log(KC_LOG_ERROR, LOGGER, "Cannot change the configuration %s: %s",
	    path, kc_strerror(rc));
	return KP_UNKNOWN_SERVER_ERROR;
}

static int16_t
check(struct kb_broker *b, const struct kb_alter_resource *r,
    const struct kc_props *props, struct kb_why *why)
{
	struct kb_meta *meta;
	bool there;

	if (r->type == KB_RESOURCE_BROKER)
		return kb_dynamic_check(b, r->name.len > 0, props, why);
	meta = kb_meta_get(&b->meta);
	there = kb_meta_topic(meta, r->name) != NULL;
	kb_meta_unref(&meta);
	if (there)
		return kb_alter_check_topic(r, b->live, props, why);
	snprintf(why->s, sizeof why->s, "The topic '%.300s' does not exist.",
	    r->name.p);
	return KP_UNKNOWN_TOPIC_OR_PARTITION;
}

static int16_t
alter_entity(struct kb_broker *b, const struct kb_alter *a,
    const struct kb_alter_resource *r, const char *path, struct kb_why *why)
{
	struct kc_props *props = NULL;
	int16_t code;
	int rc = a->replace ? kc_props_open(&props) :
			      kb_entity_read(b->zk, path, &props);

	/* What cannot be read is replaced; it counts as empty everywhere. */
	if (rc == KC_EMALFORMED)
		rc = kc_props_open(&props);
	if (rc != KC_OK)
		return fault(rc, path, why);
	code = kb_alter_apply(r,
	    r->type == KB_RESOURCE_TOPIC ? &kb_topic_config_table :
					   &kb_config_table,
	    props, why);
	if (code == KP_NONE)
		code = check(b, r, props, why);
	if (code == KP_NONE && !a->validate_only) {
		rc = kb_entity_change(b->zk, path, props);
		if (rc != KC_OK)
			code = fault(rc, path, why);
	}
	kc_props_close(&props);
	return code;
}

static int16_t
alter_one(struct kb_broker *b, const struct kb_alter *a,
    const struct kb_alter_resource *r, struct kb_why *why)
{
	struct kb_altering self = { 0 };
	char path[PATH_MAX_BYTES];
	int16_t code;

	if (r->type == KB_RESOURCE_BROKER_LOGGER)
		return kb_alter_loggers(
		    r, b->env->logger, a->validate_only, why);
	if (r->type == KB_RESOURCE_BROKER) {
		kb_dynamic_path(b, r->name.len > 0, path, sizeof path);
	} else if (kb_create_check_name(r->name, why) != KP_NONE) {
		/* No topic has such a name, so there is none. */
		snprintf(why->s, sizeof why->s,
		    "The topic '%.300s' does not exist.", r->name.p);
		return KP_UNKNOWN_TOPIC_OR_PARTITION;
	} else {
		snprintf(path, sizeof path, "topics/%s", r->name.p);
	}
	self.path = path;
	take_turn(b, &self);
	code = alter_entity(b, a, r, path, why);
	DL_DELETE(b->altering, &self);
	return code;
}

static void
alter(struct kb_request *req, bool replace)
{
	struct kb_broker *b = req->broker;
	struct kb_alter a = {
		.replace = replace, .broker_id = b->id, .arena = &req->arena
	};
	int rc = collect(req, &a);

	if (rc == KC_OK)
		rc = kb_alter_begin(&a);
	for (int32_t i = 0; i < a.n && rc == KC_OK; i++) {
		struct kb_why why = { "" };
		int16_t code;

		if (a.v[i].code != KP_NONE)
			continue;
		code = alter_one(b, &a, &a.v[i], &why);
		if (code == KP_NONE)
			continue;
		kb_alter_fail(&a, &a.v[i], code, why.s);
		kc_log(KC_LOG_INFO, LOGGER,
		    "[Admin Manager on Broker %d]: Error processing alter "
		    "configs request: %s %s",
		    b->id, kp_error_name(code), why.s);
	}
	if (rc == KC_OK)
		rc = answer(req, &a);
	if (rc != KC_OK)
		req->outcome = KB_CLOSE;
}

static void
alter_configs(struct kb_request *req)
{
	alter(req, true);
}

enum kb_disposition
kb_api_alter_configs(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, alter_configs);
}

static void
incremental_alter_configs(struct kb_request *req)
{
	alter(req, false);
}

enum kb_disposition
kb_api_incremental_alter_configs(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, incremental_alter_configs);
}
