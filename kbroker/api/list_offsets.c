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

#include <stdlib.h>

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

struct named { /* one partition as asked for */
	struct kc_str topic;
	int32_t index;
	struct kp_list_offsets_partition_response *out;
};

static int
by_partition(const void *x, const void *y)
{
	const struct named *a = x, *b = y;
	int c = kc_str_cmp(a->topic, b->topic);

	return c != 0 ? c : (a->index > b->index) - (a->index < b->index);
}

/*
 * A partition named twice is an error each time (Kafka checks from version 1
 * on).  Sorted, because a request may name millions.
 */
static void
refuse_doubles(struct named *v, int32_t n)
{
	if (n < 2)
		return;
	qsort(v, (size_t)n, sizeof *v, by_partition);
	for (int32_t i = 1; i < n; i++) {
		if (by_partition(&v[i - 1], &v[i]) != 0)
			continue;
		v[i - 1].out->error_code = KP_INVALID_REQUEST;
		v[i].out->error_code = KP_INVALID_REQUEST;
	}
}

static int16_t
answer_v0(struct kb_request *req, struct kb_partition *p,
    const struct kp_list_offsets_partition *ask, bool consumer,
    struct kp_list_offsets_partition_response *out)
{
	int32_t max = KC_MIN(KC_MAX(ask->max_num_offsets, 0), OLD_OFFSETS_MAX);
	int32_t n = 0;
	int16_t code;

	out->old_style_offsets.v = kc_arena_array(
	    &req->arena, (size_t)max + 1, sizeof *out->old_style_offsets.v);
	if (out->old_style_offsets.v == NULL)
		return KP_UNKNOWN_SERVER_ERROR;
	code = kb_partition_list_v0(
	    p, ask->timestamp, max, consumer, out->old_style_offsets.v, &n);
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

	code = kb_partition_list(p, &l);
	if (code == KP_OFFSET_NOT_AVAILABLE && req->version < 5)
		code = KP_LEADER_NOT_AVAILABLE;
	if (code != KP_NONE)
		return code;
	out->offset = l.at.offset;
	out->timestamp = l.at.timestamp;
	if (req->version >= 4)
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

	if (out->error_code != KP_NONE)
		return;
	out->error_code =
	    kb_request_partition(req, t->name, ask->partition_index, &p);
	if (out->error_code != KP_NONE)
		return;
	if (!timestamp_known(req->version, ask->timestamp)) {
		out->error_code = KP_UNSUPPORTED_VERSION;
		return;
	}
	out->error_code = req->version == 0 ?
	    answer_v0(req, p, ask, in->replica_id == -1, out) :
	    answer(req, p, in, ask, out);
}

/* Room for every answer, and those that are refused at once. */
static bool
prepare(struct kb_request *req, const struct kp_list_offsets_req *in,
    struct kp_list_offsets_resp *out)
{
	int32_t n = KC_MAX(in->topics.n, 0), total = 0, at = 0;
	struct named *v;

	if (!KP_ARRAY(
		&req->arena, &out->topics, list_offsets_topic_response, n))
		return false;
	for (int32_t i = 0; i < n; i++) {
		int32_t np = KC_MAX(in->topics.v[i].partitions.n, 0);

		out->topics.v[i].name = in->topics.v[i].name;
		if (!KP_ARRAY(&req->arena, &out->topics.v[i].partitions,
			list_offsets_partition_response, np))
			return false;
		total += np;
	}
	v = kc_arena_array(&req->arena, (size_t)total, sizeof *v);
	if (v == NULL)
		return false;
	for (int32_t i = 0; i < n; i++) {
		const struct kp_list_offsets_topic *t = &in->topics.v[i];

		for (int32_t j = 0; j < t->partitions.n; j++) {
			struct kp_list_offsets_partition_response *o =
			    &out->topics.v[i].partitions.v[j];

			o->partition_index = t->partitions.v[j].partition_index;
			v[at++] =
			    (struct named){ t->name, o->partition_index, o };
		}
	}
	if (req->version > 0)
		refuse_doubles(v, total);
	return true;
}

enum kb_disposition
kb_api_list_offsets(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_list_offsets_req *in = msg;
	struct kp_list_offsets_resp *out = resp;

	if (!prepare(req, in, out))
		return KB_CLOSE;
	for (int32_t i = 0; i < in->topics.n; i++) {
		const struct kp_list_offsets_topic *t = &in->topics.v[i];

		for (int32_t j = 0; j < t->partitions.n; j++)
			one(req, in, t, &t->partitions.v[j],
			    &out->topics.v[i].partitions.v[j]);
	}
	return KB_REPLY;
}
