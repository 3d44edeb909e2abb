/*
 * OffsetForLeaderEpoch (23): where a leader epoch ends (KIP-101, KIP-320).
 */
#include "kbroker/api/api.h"
#include "kbroker/core.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

enum kb_disposition
kb_api_offset_for_leader_epoch(
    struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_offset_for_leader_epoch_req *in = msg;
	struct kp_offset_for_leader_epoch_resp *out = resp;
	int32_t n = KC_MAX(in->topics.n, 0);

	if (!KP_ARRAY(
		&req->arena, &out->topics, offset_for_leader_topic_result, n))
		return KB_CLOSE;
	for (int32_t i = 0; i < n; i++) {
		const struct kp_offset_for_leader_topic *t = &in->topics.v[i];
		struct kp_offset_for_leader_topic_result *to =
		    &out->topics.v[i];
		int32_t np = KC_MAX(t->partitions.n, 0);

		to->topic = t->topic;
		if (!KP_ARRAY(&req->arena, &to->partitions,
			offset_for_leader_epoch_resp_epoch_end_offset, np))
			return KB_CLOSE;
		for (int32_t j = 0; j < np; j++) {
			const struct kp_offset_for_leader_partition *ask =
			    &t->partitions.v[j];
			struct kp_offset_for_leader_epoch_resp_epoch_end_offset
			    *o = &to->partitions.v[j];
			struct kb_partition *p;

			o->partition = ask->partition;
			o->error_code = kb_request_partition(
			    req, t->topic, ask->partition, &p);
			if (o->error_code == KP_NONE)
				o->error_code = kb_partition_epoch_end(p,
				    ask->current_leader_epoch,
				    ask->leader_epoch, &o->leader_epoch,
				    &o->end_offset);
		}
	}
	return KB_REPLY;
}
