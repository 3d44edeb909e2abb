/*
 * header -- what comes before the body of each request and response.
 *
 * Request header v1 is key, version, correlation id and client id; v2, with
 * flexible versions, has a tagged section behind; v0, of ControlledShutdown
 * v0 alone, has no client id.  Response header v0 is the correlation id; v1,
 * with flexible versions, has a tagged section behind, but ApiVersions
 * always answers with v0, because its reader does not know yet what the
 * broker speaks.  From Kafka's RequestHeader and ApiMessageTypeGenerator.
 *
 * Tagged fields of headers are skipped: none is defined.
 *
 * @thread any
 */
#ifndef KP_HEADER_H
#define KP_HEADER_H

#include "kcommon/proto/kp.h"

struct kp_req_header {
	const struct kp_api *api;
	int16_t version;
	int32_t correlation_id;
	struct kc_str client_id; /* borrowed from the frame; may be null */
};

/*
 * Reads the header and leaves r at the body.  KC_OK, KC_EMALFORMED, or
 * KC_EUNSUPPORTED for an API that is none of ours.  The version is not
 * checked: the caller closes when the API has it not, except that of
 * ApiVersions, which it answers.  On failure the fields that were read are
 * set all the same, and api is NULL where it is not known.
 */
int kp_req_header_read(struct kc_rd *r, struct kp_req_header *h) KC_MUST_USE;
void kp_req_header_write(struct kc_wr *w, const struct kp_req_header *h);

/* For the answer to a request of this API and version. */
int kp_resp_header_read(struct kc_rd *r, const struct kp_api *api,
    int16_t version, int32_t *correlation_id) KC_MUST_USE;
void kp_resp_header_write(struct kc_wr *w, const struct kp_api *api,
    int16_t version, int32_t correlation_id);

#endif
