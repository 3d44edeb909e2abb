/*
 * DescribeGroups (15), ListGroups (16), DeleteGroups (42), OffsetDelete (47):
 * what administrators ask about groups.
 */
#include "kbroker/api/api.h"
#include "kbroker/core.h"
#include "kbroker/group/coordinator.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <strings.h>

/* --- DescribeGroups ------------------------------------------------------- */

static bool
put_members(struct kb_request *req, const struct kb_group_info *info,
    struct kp_describe_groups_resp_described_group *o)
{
	if (!KP_ARRAY(&req->arena, &o->members, described_group_member,
		info->nmembers))
		return false;
	for (int32_t i = 0; i < info->nmembers; i++) {
		const struct kb_member_info *m = &info->members[i];
		struct kp_described_group_member *om = &o->members.v[i];

		om->member_id = m->member_id;
		om->group_instance_id = m->instance_id;
		om->client_id = m->client_id;
		om->client_host = m->client_host;
		om->member_metadata = m->metadata;
		om->member_assignment = m->assignment;
	}
	return true;
}

enum kb_disposition
kb_api_describe_groups(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_describe_groups_req *in = msg;
	struct kp_describe_groups_resp *out = resp;
	struct kb_authz authz = kb_request_authz(req);

	if (!KP_ARRAY(&req->arena, &out->groups,
		describe_groups_resp_described_group, KC_MAX(in->groups.n, 0)))
		return KB_CLOSE;
	for (int32_t i = 0; i < out->groups.n; i++) {
		struct kp_describe_groups_resp_described_group *o =
		    &out->groups.v[i];
		struct kc_str group = in->groups.v[i];
		struct kb_group_info info = { .state = "",
			.protocol_type = KC_STR_LIT(""),
			.protocol = KC_STR_LIT("") };

		o->group_id = group;
		if (kb_request_may(req, KB_OP_DESCRIBE, KB_RES_GROUP, group))
			o->error_code = kb_coord_describe(
			    req->broker->coord, group, &req->arena, &info);
		else
			o->error_code = KP_GROUP_AUTHORIZATION_FAILED;
		o->group_state = kc_str(info.state);
		o->protocol_type = info.protocol_type;
		o->protocol_data = info.protocol;
		if (o->error_code == KP_NONE &&
		    in->include_authorized_operations)
			o->authorized_operations =
			    kb_authz_ops(&authz, KB_RES_GROUP, group);
		if (!put_members(req, &info, o))
			return KB_CLOSE;
	}
	return KB_REPLY;
}

/* --- ListGroups ----------------------------------------------------------- */

/* Without regard to case; an empty filter lets everything through. */
static bool
passes(const struct kc_str *filter, int32_t n, const char *what)
{
	for (int32_t i = 0; i < n; i++)
		if ((size_t)filter[i].len == strlen(what) &&
		    strncasecmp(filter[i].p, what, strlen(what)) == 0)
			return true;
	return n <= 0;
}

enum kb_disposition
kb_api_list_groups(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_list_groups_req *in = msg;
	struct kp_list_groups_resp *out = resp;
	struct kb_group_list list = { .arena = &req->arena };
	bool all = kb_request_may(
	    req, KB_OP_DESCRIBE, KB_RES_CLUSTER, KB_RES_CLUSTER_NAME);
	int32_t n = 0;

	out->error_code = kb_coord_list(req->broker->coord, &list);
	/* This coordinator has groups of one type only. */
	if (!passes(in->types_filter.v, in->types_filter.n, "classic"))
		list.n = 0;
	if (!KP_ARRAY(&req->arena, &out->groups, listed_group, list.n))
		return KB_CLOSE;
	for (int32_t i = 0; i < list.n; i++) {
		const struct kb_group_line *l = &list.v[i];
		struct kp_listed_group *o = &out->groups.v[n];

		if (!passes(
			in->states_filter.v, in->states_filter.n, l->state) ||
		    (!all &&
			!kb_request_may(
			    req, KB_OP_DESCRIBE, KB_RES_GROUP, l->group)))
			continue;
		o->group_id = l->group;
		o->protocol_type = l->protocol_type;
		o->group_state = kc_str(l->state);
		o->group_type = KC_STR_LIT("classic");
		n++;
	}
	out->groups.n = n;
	return KB_REPLY;
}

/* --- DeleteGroups --------------------------------------------------------- */

enum kb_disposition
kb_api_delete_groups(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_delete_groups_req *in = msg;
	struct kp_delete_groups_resp *out = resp;

	if (!KP_ARRAY(&req->arena, &out->results, deletable_group_result,
		KC_MAX(in->groups_names.n, 0)))
		return KB_CLOSE;
	for (int32_t i = 0; i < out->results.n; i++) {
		struct kp_deletable_group_result *o = &out->results.v[i];

		o->group_id = in->groups_names.v[i];
		if (kb_request_may(
			req, KB_OP_DELETE, KB_RES_GROUP, o->group_id))
			o->error_code =
			    kb_coord_delete(req->broker->coord, o->group_id);
		else
			o->error_code = KP_GROUP_AUTHORIZATION_FAILED;
	}
	return KB_REPLY;
}

/* --- OffsetDelete --------------------------------------------------------- */

static int16_t
check(struct kb_request *req, const struct kb_meta *meta, struct kc_str topic,
    int32_t partition)
{
	if (!kb_request_may(req, KB_OP_READ, KB_RES_TOPIC, topic))
		return KP_TOPIC_AUTHORIZATION_FAILED;
	if (kb_meta_partition(kb_meta_topic(meta, topic), partition) == NULL)
		return KP_UNKNOWN_TOPIC_OR_PARTITION;
	return KP_NONE;
}

/* Partitions with an error of their own come first, as Kafka has them. */
static bool
put_deleted(struct kb_request *req, const struct kp_offset_delete_req *in,
    const struct kb_offset_delete *v, const bool *bad)
{
	struct kp_offset_delete_resp *out = req->resp;

	if (!KP_ARRAY(&req->arena, &out->topics, offset_delete_response_topic,
		KC_MAX(in->topics.n, 0)))
		return false;
	for (int32_t i = 0; i < out->topics.n; i++) {
		struct kp_offset_delete_response_topic *o = &out->topics.v[i];
		int32_t n = KC_MAX(in->topics.v[i].partitions.n, 0), at = 0;

		o->name = in->topics.v[i].name;
		if (!KP_ARRAY(&req->arena, &o->partitions,
			offset_delete_response_partition, n))
			return false;
		for (int pass = 0; pass < 2; pass++)
			for (int32_t j = 0; j < n; j++) {
				if (bad[j] != (pass == 0))
					continue;
				o->partitions.v[at].partition_index =
				    v[j].partition;
				o->partitions.v[at++].error_code = v[j].code;
			}
		v += n;
		bad += n;
	}
	return true;
}

enum kb_disposition
kb_api_offset_delete(struct kb_request *req, const void *msg, void *resp)
{
	const struct kp_offset_delete_req *in = msg;
	struct kp_offset_delete_resp *out = resp;
	const struct kb_meta *meta = kb_request_meta(req);
	struct kb_offset_delete *v;
	size_t total = 0;
	int32_t n = 0;
	bool *bad;

	if (!kb_request_may(req, KB_OP_DELETE, KB_RES_GROUP, in->group_id)) {
		out->error_code = KP_GROUP_AUTHORIZATION_FAILED;
		return KB_REPLY;
	}
	for (int32_t i = 0; i < in->topics.n; i++)
		total += (size_t)KC_MAX(in->topics.v[i].partitions.n, 0);
	v = kc_arena_array(&req->arena, total, sizeof *v);
	bad = kc_arena_array(&req->arena, total, sizeof *bad);
	if ((v == NULL || bad == NULL) && total > 0)
		return KB_CLOSE;
	for (int32_t i = 0; i < in->topics.n; i++)
		for (int32_t j = 0; j < in->topics.v[i].partitions.n; j++) {
			v[n].topic = in->topics.v[i].name;
			v[n].partition =
			    in->topics.v[i].partitions.v[j].partition_index;
			v[n].code =
			    check(req, meta, v[n].topic, v[n].partition);
			bad[n] = v[n].code != KP_NONE;
			n++;
		}
	out->error_code =
	    kb_coord_delete_offsets(req->broker->coord, in->group_id, v, n);
	if (out->error_code != KP_NONE)
		return KB_REPLY;
	return put_deleted(req, in, v, bad) ? KB_REPLY : KB_CLOSE;
}
