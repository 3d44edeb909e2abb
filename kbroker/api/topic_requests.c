/*
 * What CreateTopics and DeleteTopics say by themselves: who is asked for, who
 * is named twice, what is not allowed.
 */
#include "kbroker/api/topics.h"
#include "kbroker/metadata/snapshot.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

/* KRaft's own topic; no user's topic may have its name. */
#define METADATA_TOPIC "__cluster_metadata"

/* Versions below 6 name topics, later ones name them or give their ids. */
#define BY_ID_FROM 6

static bool
may_create(const struct kb_authz *z, struct kc_str topic)
{
	return kb_authz_allowed(
		   z, KB_OP_CREATE, KB_RES_CLUSTER, KB_RES_CLUSTER_NAME) ||
	    kb_authz_allowed(z, KB_OP_CREATE, KB_RES_TOPIC, topic);
}

int
kb_create_topics_refuse(const struct kp_create_topics_req *in, int16_t code,
    struct kc_arena *a, struct kp_create_topics_resp *out)
{
	int32_t n = KC_MAX(in->topics.n, 0);

	if (!KP_ARRAY(a, &out->topics, creatable_topic_result, n))
		return KC_ENOMEM;
	for (int32_t i = 0; i < n; i++) {
		out->topics.v[i].name = in->topics.v[i].name;
		out->topics.v[i].error_code = code;
		out->topics.v[i].error_message = KC_STR_NULL;
	}
	return KC_OK;
}

static int
by_name(const void *a, const void *b)
{
	const struct kp_creatable_topic_result *x =
	    *(struct kp_creatable_topic_result *const *)a;
	const struct kp_creatable_topic_result *y =
	    *(struct kp_creatable_topic_result *const *)b;

	return kc_str_cmp(x->name, y->name);
}

/* Sorted, because a request may name very many. */
static int
refuse_doubles(struct kp_create_topics_resp *out, struct kc_arena *a)
{
	int32_t n = out->topics.n;
	struct kp_creatable_topic_result **v =
	    kc_arena_array(a, (size_t)n, sizeof(void *));

	if (v == NULL)
		return KC_ENOMEM;
	for (int32_t i = 0; i < n; i++)
		v[i] = &out->topics.v[i];
	qsort(v, (size_t)n, sizeof *v, by_name);
	for (int32_t i = 1; i < n; i++) {
		if (by_name(&v[i - 1], &v[i]) != 0)
			continue;
		v[i - 1]->error_code = v[i]->error_code = KP_INVALID_REQUEST;
		v[i - 1]->error_message = v[i]->error_message =
		    KC_STR_LIT("Found multiple entries for this topic.");
	}
	return KC_OK;
}

int
kb_create_topics_begin(const struct kp_create_topics_req *in,
    const struct kb_authz *authz, struct kc_arena *a,
    struct kp_create_topics_resp *out)
{
	if (kb_create_topics_refuse(in, KP_NONE, a, out) != KC_OK ||
	    refuse_doubles(out, a) != KC_OK)
		return KC_ENOMEM;
	for (int32_t i = 0; i < out->topics.n; i++) {
		struct kp_creatable_topic_result *o = &out->topics.v[i];

		if (o->error_code != KP_NONE)
			continue;
		if (kc_str_eqz(o->name, METADATA_TOPIC)) {
			o->error_code = KP_INVALID_REQUEST;
			o->error_message = KC_STR_LIT(
			    "Creation of internal topic " METADATA_TOPIC
			    " is prohibited.");
		} else if (!may_create(authz, o->name)) {
			o->error_code = KP_TOPIC_AUTHORIZATION_FAILED;
			o->error_message = KC_STR_LIT("Authorization failed.");
		}
	}
	return KC_OK;
}

void
kb_create_topics_fail(struct kp_creatable_topic_result *o, int16_t code,
    const char *why, struct kc_arena *a)
{
	o->error_code = code;
	o->error_message =
	    why[0] != '\0' ? kc_arena_str(a, kc_str(why)) : KC_STR_NULL;
	/* Nothing is told of a topic that is not there, but for its id. */
	o->configs.n = 0;
	o->num_partitions = -1;
	o->replication_factor = -1;
	o->topic_config_error_code = KP_NONE;
}

/* --- DeleteTopics -------------------------------------------------------- */

/* The two shapes of the request as entries of the answer. */
int
kb_delete_topics_refuse(const struct kp_delete_topics_req *in, int16_t version,
    int16_t code, struct kc_arena *a, struct kp_delete_topics_resp *out)
{
	bool old = version < BY_ID_FROM;
	int32_t n = KC_MAX(old ? in->topic_names.n : in->topics.n, 0);

	if (!KP_ARRAY(a, &out->responses, deletable_topic_result, n))
		return KC_ENOMEM;
	for (int32_t i = 0; i < n; i++) {
		struct kp_deletable_topic_result *o = &out->responses.v[i];

		o->error_code = code;
		o->name = old ? in->topic_names.v[i] : in->topics.v[i].name;
		if (!old)
			o->topic_id = in->topics.v[i].topic_id;
	}
	return KC_OK;
}

static int
decide_delete(const struct kb_meta *meta, const struct kb_authz *authz,
    struct kc_arena *a, struct kp_deletable_topic_result *o)
{
	bool by_id = !kc_uuid_is_zero(&o->topic_id);
	const struct kb_meta_topic *t = by_id ?
	    kb_meta_topic_by_id(meta, &o->topic_id) :
	    kb_meta_topic(meta, o->name);

	if (by_id && t == NULL) {
		o->error_code = KP_UNKNOWN_TOPIC_ID;
		return KC_OK;
	}
	if (by_id) {
		/* Ids are no secret, names are. */
		if (!kb_authz_allowed(
			authz, KB_OP_DESCRIBE, KB_RES_TOPIC, t->name)) {
			o->error_code = KP_TOPIC_AUTHORIZATION_FAILED;
			return KC_OK;
		}
		o->name = kc_arena_str(a, t->name);
		if (o->name.p == NULL)
			return KC_ENOMEM;
	}
	/* A topic neither named nor given by id is nobody's to delete. */
	if (o->name.len < 0 ||
	    !kb_authz_allowed(authz, KB_OP_DELETE, KB_RES_TOPIC, o->name))
		o->error_code = KP_TOPIC_AUTHORIZATION_FAILED;
	else if (t == NULL)
		o->error_code = KP_UNKNOWN_TOPIC_OR_PARTITION;
	return KC_OK;
}

int
kb_delete_topics_begin(const struct kp_delete_topics_req *in, int16_t version,
    const struct kb_meta *meta, const struct kb_authz *authz,
    struct kc_arena *a, struct kp_delete_topics_resp *out)
{
	int rc;

	if (kb_delete_topics_refuse(in, version, KP_NONE, a, out) != KC_OK)
		return KC_ENOMEM;
	for (int32_t i = 0; i < out->responses.n; i++) {
		struct kp_deletable_topic_result *o = &out->responses.v[i];

		if (o->name.len >= 0 && !kc_uuid_is_zero(&o->topic_id))
			return kb_delete_topics_refuse(
			    in, version, KP_INVALID_REQUEST, a, out);
	}
	for (int32_t i = 0; i < out->responses.n; i++) {
		rc = decide_delete(meta, authz, a, &out->responses.v[i]);
		if (rc != KC_OK)
			return rc;
	}
	return KC_OK;
}
