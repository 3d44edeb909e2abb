#include "kcommon/proto/header.h"

#include "kcommon/base/err.h"

static void
skip_tags(struct kc_rd *r)
{
	uint32_t i, n = kc_rd_uvarint(r);

	for (i = 0; i < n && r->err == KC_OK; i++) {
		kc_rd_uvarint(r); /* number */
		kc_rd_bytes(r, kc_rd_uvarint(r));
	}
}

static bool
has_client_id(const struct kp_api *api, int16_t version)
{
	return api->key != kp_key_controlled_shutdown || version != 0;
}

static bool
resp_has_tags(const struct kp_api *api, int16_t version)
{
	return api->key != kp_key_api_versions &&
	    kp_api_is_flexible(api, version);
}

int
kp_req_header_read(struct kc_rd *r, struct kp_req_header *h)
{
	*h = (struct kp_req_header){ .client_id = KC_STR_NULL };
	h->api = kp_api_get(kc_rd_i16(r));
	h->version = kc_rd_i16(r);
	h->correlation_id = kc_rd_i32(r);
	if (r->err != KC_OK) {
		h->api = NULL;
		return r->err;
	}
	if (h->api == NULL) {
		kc_rd_fail(r, KC_EUNSUPPORTED);
		return r->err;
	}
	if (has_client_id(h->api, h->version))
		h->client_id = kc_rd_str(r);
	if (kp_api_is_flexible(h->api, h->version))
		skip_tags(r);
	return r->err;
}

void
kp_req_header_write(struct kc_wr *w, const struct kp_req_header *h)
{
	kc_wr_i16(w, h->api->key);
	kc_wr_i16(w, h->version);
	kc_wr_i32(w, h->correlation_id);
	if (has_client_id(h->api, h->version))
		kc_wr_str(w, h->client_id);
	if (kp_api_is_flexible(h->api, h->version))
		kc_wr_i8(w, 0);
}

int
kp_resp_header_read(struct kc_rd *r, const struct kp_api *api, int16_t version,
    int32_t *correlation_id)
{
	*correlation_id = kc_rd_i32(r);
	if (resp_has_tags(api, version))
		skip_tags(r);
	return r->err;
}

void
kp_resp_header_write(struct kc_wr *w, const struct kp_api *api, int16_t version,
    int32_t correlation_id)
{
	kc_wr_i32(w, correlation_id);
	if (resp_has_tags(api, version))
		kc_wr_i8(w, 0);
}
