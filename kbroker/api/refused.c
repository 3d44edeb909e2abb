/*
 * APIs of which a ZooKeeper-mode broker without an authorizer, without
 * delegation tokens and without SASL only ever says why not: ACLs (29-31),
 * SASL on other listeners (17, 36), tokens (38-41), features (57), envelopes
 * (58), the new consumer groups (68, 69).
 *
 * The codes and texts are those that a real broker gave.
 */
#include "kbroker/api/api.h"
#include "kbroker/controller/controller.h"
#include "kbroker/core.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#define LOGGER "kafka.server.KafkaApis"

/* --- ACLs ------------------------------------------------------------------
 */

#define NO_AUTHORIZER KC_STR_LIT("No Authorizer is configured.")

enum kb_disposition
kb_api_describe_acls(
    struct kb_request *req KC_UNUSED, const void *msg KC_UNUSED, void *resp)
{
	struct kp_describe_acls_resp *out = resp;

	out->error_code = KP_SECURITY_DISABLED;
	out->error_message =
	    KC_STR_LIT("No Authorizer is configured on the broker");
	return KB_REPLY;
}

enum kb_disposition
kb_api_create_acls(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_create_acls_req *in = msg;
	struct kp_create_acls_resp *out = resp;
	int32_t n = KC_MAX(in->creations.n, 0);

	if (!KP_ARRAY(&req->arena, &out->results, acl_creation_result, n))
		return KB_CLOSE;
	for (int32_t i = 0; i < n; i++) {
		out->results.v[i].error_code = KP_SECURITY_DISABLED;
		out->results.v[i].error_message = NO_AUTHORIZER;
	}
	return KB_REPLY;
}

enum kb_disposition
kb_api_delete_acls(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_delete_acls_req *in = msg;
	struct kp_delete_acls_resp *out = resp;
	int32_t n = KC_MAX(in->filters.n, 0);

	if (!KP_ARRAY(&req->arena, &out->filter_results,
		delete_acls_filter_result, n))
		return KB_CLOSE;
	for (int32_t i = 0; i < n; i++) {
		out->filter_results.v[i].error_code = KP_SECURITY_DISABLED;
		out->filter_results.v[i].error_message = NO_AUTHORIZER;
	}
	return KB_REPLY;
}

/* --- SASL -------------------------------------------------------------------
 */

enum kb_disposition
kb_api_sasl_handshake(
    struct kb_request *req KC_UNUSED, const void *msg KC_UNUSED, void *resp)
{
	struct kp_sasl_handshake_resp *out = resp;

	out->error_code = KP_ILLEGAL_SASL_STATE;
	return KB_REPLY;
}

enum kb_disposition
kb_api_sasl_authenticate(
    struct kb_request *req KC_UNUSED, const void *msg KC_UNUSED, void *resp)
{
	struct kp_sasl_authenticate_resp *out = resp;

	out->error_code = KP_ILLEGAL_SASL_STATE;
	out->error_message = KC_STR_LIT("SaslAuthenticate request received "
					"after successful authentication");
	return KB_REPLY;
}

/* --- delegation tokens ------------------------------------------------------
 */

/* Nobody gets a token who has not said who he is. */
static int16_t
token_code(const struct kb_request *req)
{
	bool anonymous = strcmp(req->principal, "User:ANONYMOUS") == 0;

	return !req->tls || anonymous ?
	    KP_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED :
	    KP_DELEGATION_TOKEN_AUTH_DISABLED;
}

enum kb_disposition
kb_api_create_delegation_token(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp)
{
	struct kp_create_delegation_token_resp *out = resp;
	const char *colon = strchr(req->principal, ':');
	struct kc_str type = { req->principal,
		colon != NULL ? (int32_t)(colon - req->principal) : 0 };
	struct kc_str name = kc_str(colon != NULL ? colon + 1 : "");

	out->error_code = token_code(req);
	out->principal_type = type;
	out->principal_name = name;
	if (req->version >= 3) {
		out->token_requester_principal_type = type;
		out->token_requester_principal_name = name;
	}
	out->issue_timestamp_ms = -1;
	out->expiry_timestamp_ms = -1;
	out->max_timestamp_ms = -1;
	return KB_REPLY;
}

enum kb_disposition
kb_api_renew_delegation_token(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp)
{
	struct kp_renew_delegation_token_resp *out = resp;

	out->error_code = token_code(req);
	out->expiry_timestamp_ms = -1;
	return KB_REPLY;
}

enum kb_disposition
kb_api_expire_delegation_token(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp)
{
	struct kp_expire_delegation_token_resp *out = resp;

	out->error_code = token_code(req);
	out->expiry_timestamp_ms = -1;
	return KB_REPLY;
}

enum kb_disposition
kb_api_describe_delegation_token(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp)
{
	struct kp_describe_delegation_token_resp *out = resp;

	out->error_code = token_code(req);
	return KB_REPLY;
}

/* --- features ---------------------------------------------------------------
 */

/* No feature is supported, so none can be finalized or deleted. */
static struct kc_str
why_no_feature(const struct kp_feature_update_key *u)
{
	enum { UPGRADE = 1 };
	bool downgrade = u->allow_downgrade || u->upgrade_type != UPGRADE;

	if (u->feature.len <= 0)
		return KC_STR_LIT("Feature name can not be empty.");
	if (u->max_version_level < 1 && downgrade)
		return KC_STR_LIT(
		    "Can not delete non-existing finalized feature.");
	if (u->max_version_level < 1)
		return KC_STR_LIT(
		    "Can not provide maxVersionLevel less than 1 without "
		    "setting the allowDowngrade flag to true in the request.");
	return KC_STR_LIT("Could not apply finalized feature update because "
			  "the provided feature is not supported.");
}

enum kb_disposition
kb_api_update_features(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_update_features_req *in = msg;
	struct kp_update_features_resp *out = resp;
	int32_t n = KC_MAX(in->feature_updates.n, 0);

	out->error_message = KC_STR_NULL;
	if (!kb_controller_active(req->broker->ctl)) {
		out->error_code = KP_NOT_CONTROLLER;
		return KB_REPLY;
	}
	if (!KP_ARRAY(&req->arena, &out->results, updatable_feature_result, n))
		return KB_CLOSE;
	for (int32_t i = 0; i < n; i++) {
		out->results.v[i].feature = in->feature_updates.v[i].feature;
		out->results.v[i].error_code = KP_INVALID_REQUEST;
		out->results.v[i].error_message =
		    why_no_feature(&in->feature_updates.v[i]);
	}
	return KB_REPLY;
}

/* --- others -----------------------------------------------------------------
 */

enum kb_disposition
kb_api_envelope(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	kc_log(KC_LOG_INFO, LOGGER,
	    "Closing the connection of %s: requests are not forwarded in "
	    "envelopes",
	    req->peer_host);
	return KB_CLOSE;
}

enum kb_disposition
kb_api_consumer_group_heartbeat(
    struct kb_request *req KC_UNUSED, const void *msg KC_UNUSED, void *resp)
{
	struct kp_consumer_group_heartbeat_resp *out = resp;

	out->error_code = KP_UNSUPPORTED_VERSION;
	return KB_REPLY;
}

enum kb_disposition
kb_api_consumer_group_describe(
    struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_consumer_group_describe_req *in = msg;
	struct kp_consumer_group_describe_resp *out = resp;
	int32_t n = KC_MAX(in->group_ids.n, 0);

	if (!KP_ARRAY(&req->arena, &out->groups,
		consumer_group_describe_resp_described_group, n))
		return KB_CLOSE;
	for (int32_t i = 0; i < n; i++) {
		out->groups.v[i].group_id = in->group_ids.v[i];
		out->groups.v[i].error_code = KP_UNSUPPORTED_VERSION;
	}
	return KB_REPLY;
}
