/*
 * partition_state -- /brokers/topics/T/partitions/P/state.  Kafka:
 * kafka.zk.TopicPartitionStateZNode.
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <string.h>

int
kzk_partition_state_decode(struct kc_str data, struct kzk_partition_state *out)
{
	struct kzk_in in;
	int rc;

	memset(out, 0, sizeof *out);
	kzk_in_begin(&in, data, &out->mem);
	out->leader =
	    (int32_t)kzk_in_int(&in, in.root, "leader", -2, INT32_MAX);
	out->leader_epoch = (int32_t)kzk_in_int(
	    &in, in.root, "leader_epoch", INT32_MIN, INT32_MAX);
	out->controller_epoch = (int32_t)kzk_in_int(
	    &in, in.root, "controller_epoch", INT32_MIN, INT32_MAX);
	out->leader_recovery_state = (int8_t)kzk_in_int_or(
	    &in, in.root, "leader_recovery_state", 0, 1, 0);
	kzk_in_ids(&in, kzk_in_arr(&in, in.root, "isr", false), &out->isr);
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

int
kzk_partition_state_encode(
    const struct kzk_partition_state *in, struct kzk_text *out)
{
	struct kzk_out o;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 1);
	kzk_out_int(&o, o.root, "leader", in->leader);
	kzk_out_int(&o, o.root, "leader_epoch", in->leader_epoch);
	kzk_out_int(&o, o.root, "controller_epoch", in->controller_epoch);
	kzk_out_ids(&o, o.root, "isr", &in->isr);
	if (in->leader_recovery_state != 0)
		kzk_out_int(&o, o.root, "leader_recovery_state",
		    in->leader_recovery_state);
	return kzk_out_end(&o, out);
}

void
kzk_partition_state_fini(struct kzk_partition_state *s)
{
	kc_arena_fini(&s->mem);
	memset(s, 0, sizeof *s);
}
