/*
 * ApiVersions (18): which APIs this broker serves, and in which versions.
 *
 * The list holds what works, no more.  A version that we do not have is
 * answered below this (net): with version 0 and UNSUPPORTED_VERSION.
 */
#include "kbroker/api/api.h"
#include "kbroker/core.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

static bool
alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z');
}

/* KIP-511: letters and digits, with '-' and '.' inside. */
static bool
software_ok(struct kc_str s)
{
	if (s.len < 1 || !alnum(s.p[0]) || !alnum(s.p[s.len - 1]))
		return false;
	for (int32_t i = 0; i < s.len; i++)
		if (!alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	return true;
}

enum kb_disposition
kb_api_api_versions(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_api_versions_req *in = msg;
	struct kp_api_versions_resp *out = resp;
	int32_t n = 0;

	if (req->version >= 3 &&
	    (!software_ok(in->client_software_name) ||
		!software_ok(in->client_software_version))) {
		out->error_code = KP_INVALID_REQUEST;
		return KB_REPLY;
	}
	for (int16_t key = 0; key < KP_KEYS; key++)
		n += kb_api_served(key);
	if (!KP_ARRAY(&req->arena, &out->api_keys, api_version, n))
		return KB_CLOSE;
	n = 0;
	for (int16_t key = 0; key < KP_KEYS; key++) {
		const struct kp_api *api;

		if (!kb_api_served(key))
			continue;
		api = kp_api_get(key);
		out->api_keys.v[n].api_key = key;
		out->api_keys.v[n].min_version = api->min;
		out->api_keys.v[n++].max_version = api->max;
	}
	/* The version of /feature, made by the first controller: 0. */
	out->finalized_features_epoch = 0;
	return KB_REPLY;
}
