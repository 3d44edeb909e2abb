/*
 * reassign -- lists of partitions: /admin/reassign_partitions,
 * /admin/preferred_replica_election, /isr_change_notification/....  Kafka:
 * kafka.zk.{ReassignPartitionsZNode, PreferredReplicaElectionZNode,
 * IsrChangeNotificationSequenceZNode}.
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <string.h>

static int
decode(struct kc_str data, bool replicas, struct kzk_partition_list *out)
{
	struct kzk_in in;
	json_t *arr;
	int32_t n;
	int rc;

	memset(out, 0, sizeof *out);
	kzk_in_begin(&in, data, &out->mem);
	arr = kzk_in_arr(&in, in.root, "partitions", false);
	n = kzk_in_count(&in, arr, KZK_PARTITIONS_MAX);
	out->v = kzk_in_array(&in, n, sizeof *out->v);
	for (int32_t i = 0; i < n && in.err == KC_OK; i++) {
		json_t *v = json_array_get(arr, (size_t)i);
		struct kzk_partition_ref *r = &out->v[out->n++];

		if (!json_is_object(v))
			kzk_in_fail(&in, KC_EMALFORMED);
		r->topic = kzk_in_str(&in, v, "topic");
		r->partition =
		    (int32_t)kzk_in_int(&in, v, "partition", 0, INT32_MAX);
		if (replicas)
			kzk_in_ids(&in, kzk_in_arr(&in, v, "replicas", false),
			    &r->replicas);
	}
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

static int
encode(const struct kzk_partition_list *in, bool replicas, struct kzk_text *out)
{
	struct kzk_out o;
	json_t *arr, *v;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 1);
	arr = kzk_out_arr(&o, o.root, "partitions");
	for (int32_t i = 0; i < in->n; i++) {
		v = kzk_out_arr_obj(&o, arr);
		kzk_out_str(&o, v, "topic", in->v[i].topic);
		kzk_out_int(&o, v, "partition", in->v[i].partition);
		if (replicas)
			kzk_out_ids(&o, v, "replicas", &in->v[i].replicas);
	}
	return kzk_out_end(&o, out);
}

int
kzk_reassign_decode(struct kc_str data, struct kzk_partition_list *out)
{
	return decode(data, true, out);
}

int
kzk_reassign_encode(const struct kzk_partition_list *in, struct kzk_text *out)
{
	return encode(in, true, out);
}

int
kzk_partitions_decode(struct kc_str data, struct kzk_partition_list *out)
{
	return decode(data, false, out);
}

int
kzk_partitions_encode(const struct kzk_partition_list *in, struct kzk_text *out)
{
	return encode(in, false, out);
}

void
kzk_partition_list_fini(struct kzk_partition_list *l)
{
	kc_arena_fini(&l->mem);
	memset(l, 0, sizeof *l);
}
