/*
 * DescribeProducers (61): who writes to a partition (KIP-664).
 */
#include "kbroker/api/api.h"
#include "kbroker/core.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

static int
put(struct kc_arena *a, const struct kb_producer_info *v, int n,
    struct kp_partition_response *o)
{
	if (!KP_ARRAY(a, &o->active_producers, producer_state, n))
		return KC_ENOMEM;
	for (int i = 0; i < n; i++) {
		struct kp_producer_state *p = &o->active_producers.v[i];

		p->producer_id = v[i].producer_id;
		p->producer_epoch = v[i].epoch;
		p->last_sequence = v[i].last_seq;
		p->last_timestamp = v[i].last_timestamp;
		p->coordinator_epoch = v[i].coordinator_epoch;
		p->current_txn_start_offset = v[i].txn_start;
	}
	return KC_OK;
}

/* KC_OK or KC_ENOMEM. */
static int
one(struct kb_request *req, struct kc_str topic,
    struct kp_partition_response *o)
{
	struct kb_producer_info *v = NULL;
	struct kb_partition *p;
	int n = 0, rc;

	o->error_code =
	    kb_request_partition(req, topic, o->partition_index, &p);
	if (o->error_code == KP_NONE)
		o->error_code = kb_partition_leads(p);
	if (o->error_code != KP_NONE)
		return KC_OK;
	rc = kb_log_producers(p->log, &v, &n);
	if (rc == KC_OK)
		rc = put(&req->arena, v, n, o);
	else if (rc == KC_EOFFLINE)
		o->error_code = KP_KAFKA_STORAGE_ERROR;
	free(v);
	return rc == KC_EOFFLINE ? KC_OK : rc;
}

enum kb_disposition
kb_api_describe_producers(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_describe_producers_req *in = msg;
	struct kp_describe_producers_resp *out = resp;
	int32_t n = KC_MAX(in->topics.n, 0);

	if (!KP_ARRAY(&req->arena, &out->topics, topic_response, n))
		return KB_CLOSE;
	for (int32_t i = 0; i < n; i++) {
		const struct kp_topic_request *t = &in->topics.v[i];
		struct kp_topic_response *to = &out->topics.v[i];
		int32_t np = KC_MAX(t->partition_indexes.n, 0);

		to->name = t->name;
		if (!KP_ARRAY(
			&req->arena, &to->partitions, partition_response, np))
			return KB_CLOSE;
		for (int32_t j = 0; j < np; j++) {
			to->partitions.v[j].partition_index =
			    t->partition_indexes.v[j];
			if (one(req, t->name, &to->partitions.v[j]) != KC_OK)
				return KB_CLOSE;
		}
	}
	return KB_REPLY;
}
