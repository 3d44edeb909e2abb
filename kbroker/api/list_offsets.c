/*
 * ListOffsets (2): the first, the last, or the offset of a time.
 *
 * kafka.server.KafkaApis.handleListOffsetRequest; replication.md 9.
 */
#include "kbroker/api/api.h"
#include "kbroker/core.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

/* ListOffsets v0 gives at most so many segments, whatever it asks for. */
#define OLD_OFFSETS_MAX 1024

/* The oldest version that knows a timestamp which is no time. */
static bool
timestamp_known(int16_t version, int64_t timestamp)
{
	switch (timestamp) {
	case KB_LIST_LATEST:
	case KB_LIST_EARLIEST:
		return true;
	case KB_LIST_MAX_TIMESTAMP:
		return version >= 7;
	case KB_LIST_EARLIEST_LOCAL:
		return version >= 8;
	case KB_LIST_LATEST_TIERED:
		return version >= 9;
	}
	return timestamp >= 0;
}

/* One partition named twice is an error for both (Kafka checks v1+ so). */
static bool
named_twice(const struct kp_list_offsets_req *in,
    const struct kp_list_offsets_topic *topic, int32_t index)
{
	int n = 0;

	for (int32_t i = 0; i < in->topics.n; i++) {
		const struct kp_list_offsets_topic *t = &in->topics.v[i];

		if (t != topic && !kc_str_eq(t->name, topic->name))
			continue;
		for (int32_t j = 0; j < t->partitions.n; j++)
			n += t->partitions.v[j].partition_index == index;
	}
	return n > 1;
}

static int16_t
answer_v0(struct kb_request *req, struct kb_partition *p,
    const struct kp_list_offsets_partition *ask, bool consumer,
    struct kp_list_offsets_partition_response *out)
{
	int32_t max = KC_MIN(KC_MAX(ask->max_num_offsets, 0), OLD_OFFSETS_MAX);
	int32_t n = 0;
	int16_t code;

	out->old_style_offsets.v = kc_arena_array(&req->arena,
	    (size_t)max + 1, sizeof *out->old_style_offsets.v);
	if (out->old_style_offsets.v == NULL)
		return KP_UNKNOWN_SERVER_ERROR;
	code = kb_partition_list_v0(p, ask->timestamp, max, consumer,
	    out->old_style_offsets.v, &n);
	out->old_style_offsets.n = n;
	return code;
}

static int16_t
answer(struct kb_request *req, struct kb_partition *p,
    const struct kp_list_offsets_req *in,
    const struct kp_list_offsets_partition *ask,
    struct kp_list_offsets_partition_response *out)
{
	struct kb_partition_list l = {
		.timestamp = ask->timestamp,
		.consumer = in->replica_id == -1,
		.leader_epoch = ask->current_leader_epoch,
		.isolation = in->replica_id != -1 ? KB_READ_END :
		    in->isolation_level == 1	  ? KB_READ_LSO :
						    KB_READ_HW,
	};
	int16_t code;

	if (!timestamp_known(req->version, ask->timestamp))
		return KP_UNSUPPORTED_VERSION;
	code = kb_partition_list(p, &l);
	if (code == KP_OFFSET_NOT_AVAILABLE && req->version < 5)
		code = KP_LEADER_NOT_AVAILABLE;
	if (code != KP_NONE)
		return code;
	out->offset = l.at.offset;
	out->timestamp = l.at.timestamp;
	out->leader_epoch = l.at.leader_epoch;
	return KP_NONE;
}

static void
one(struct kb_request *req, const struct kp_list_offsets_req *in,
    const struct kp_list_offsets_topic *t,
    const struct kp_list_offsets_partition *ask,
    struct kp_list_offsets_partition_response *out)
{
	struct kb_partition *p;

	out->partition_index = ask->partition_index;
	if (req->version > 0 && named_twice(in, t, ask->partition_index)) {
		out->error_code = KP_INVALID_REQUEST;
		return;
	}
	out->error_code =
	    kb_request_partition(req, t->name, ask->partition_index, &p);
	if (out->error_code != KP_NONE)
		return;
	out->error_code = req->version == 0 ?
	    answer_v0(req, p, ask, in->replica_id == -1, out) :
	    answer(req, p, in, ask, out);
}

enum kb_disposition
kb_api_list_offsets(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_list_offsets_req *in = msg;
	struct kp_list_offsets_resp *out = resp;
	int32_t n = KC_MAX(in->topics.n, 0);

	if (!KP_ARRAY(&req->arena, &out->topics, list_offsets_topic_response,
		n))
		return KB_CLOSE;
	for (int32_t i = 0; i < n; i++) {
		const struct kp_list_offsets_topic *t = &in->topics.v[i];
		struct kp_list_offsets_topic_response *to = &out->topics.v[i];
		int32_t np = KC_MAX(t->partitions.n, 0);

		to->name = t->name;
		if (!KP_ARRAY(&req->arena, &to->partitions,
			list_offsets_partition_response, np))
			return KB_CLOSE;
		for (int32_t j = 0; j < np; j++)
			one(req, in, t, &t->partitions.v[j],
			    &to->partitions.v[j]);
	}
	return KB_REPLY;
}
