#include "kbroker/api/api.h"
#include "kbroker/core.h"
#include "kcommon/proto/kp.h"

/*
 * Both answers carry the same list in structs of their own names.  KIP-951: a
 * leader is named once; none without an endpoint on the client's listener.
 */
#define ADD_ENDPOINT(req, meta, broker, out, type)                             \
	do {                                                                   \
		const struct kb_meta_broker *mb =                              \
		    kb_meta_broker(meta, broker);                              \
		const struct kb_meta_endpoint *ep =                            \
		    kb_meta_endpoint(mb, kc_str((req)->listener));             \
		struct kp_##type *grown;                                       \
		int32_t n = KC_MAX((out)->node_endpoints.n, 0);                \
                                                                               \
		if (ep == NULL)                                                \
			return;                                                \
		for (int32_t i = 0; i < n; i++)                                \
			if ((out)->node_endpoints.v[i].node_id == (broker))    \
				return;                                        \
		grown = kp_new(&(req)->arena, kp_desc_##type(), n + 1);        \
		if (grown == NULL)                                             \
			return;                                                \
		for (int32_t i = 0; i < n; i++)                                \
			grown[i] = (out)->node_endpoints.v[i];                 \
		grown[n].node_id = (broker);                                   \
		grown[n].host = kc_arena_str(&(req)->arena, ep->host);         \
		grown[n].port = ep->port;                                      \
		grown[n].rack = kc_arena_str(&(req)->arena, mb->rack);         \
		(out)->node_endpoints.v = grown;                               \
		(out)->node_endpoints.n = n + 1;                               \
	} while (0)

void
kb_api_add_fetch_endpoint(struct kb_request *req, const struct kb_meta *meta,
    int32_t broker, struct kp_fetch_resp *out)
{
	ADD_ENDPOINT(req, meta, broker, out, fetch_resp_node_endpoint);
}

void
kb_api_add_produce_endpoint(struct kb_request *req, const struct kb_meta *meta,
    int32_t broker, struct kp_produce_resp *out)
{
	ADD_ENDPOINT(req, meta, broker, out, produce_resp_node_endpoint);
}
