/*
 * pid_block -- /latest_producer_id_block, and the small event of a failed log
 * dir.  Kafka: ProducerIdBlockZNode, ZkProducerIdManager,
 * LogDirEventNotificationSequenceZNode.
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <string.h>

int
kzk_pid_block_decode(struct kc_str data, struct kzk_pid_block *out)
{
	struct kzk_in in;
	int rc;

	memset(out, 0, sizeof *out);
	kzk_in_begin(&in, data, NULL);
	out->broker =
	    (int32_t)kzk_in_int(&in, in.root, "broker", -1, INT32_MAX);
	out->start = kzk_in_text_int(&in, in.root, "block_start", 0);
	out->end = kzk_in_text_int(&in, in.root, "block_end", 0);
	if (in.err == KC_OK && out->end < out->start)
		kzk_in_fail(&in, KC_EMALFORMED);
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

int
kzk_pid_block_encode(const struct kzk_pid_block *in, struct kzk_text *out)
{
	struct kzk_out o;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 1);
	kzk_out_int(&o, o.root, "broker", in->broker);
	kzk_out_text_int(&o, o.root, "block_start", in->start);
	kzk_out_text_int(&o, o.root, "block_end", in->end);
	return kzk_out_end(&o, out);
}

int
kzk_pid_block_next(
    const struct kzk_pid_block *prev, int32_t broker, struct kzk_pid_block *out)
{
	int64_t start = 0;

	if (prev != NULL) {
		if (prev->end > INT64_MAX - KZK_PID_BLOCK_SIZE)
			return KC_ERANGE;
		start = prev->end + 1;
	}
	out->broker = broker;
	out->start = start;
	out->end = start + KZK_PID_BLOCK_SIZE - 1;
	return KC_OK;
}

int
kzk_log_dir_event_decode(struct kc_str data, struct kzk_log_dir_event *out)
{
	struct kzk_in in;
	int rc;

	memset(out, 0, sizeof *out);
	kzk_in_begin(&in, data, NULL);
	out->broker = (int32_t)kzk_in_int(&in, in.root, "broker", 0, INT32_MAX);
	out->event = (int32_t)kzk_in_int_or(
	    &in, in.root, "event", INT32_MIN, INT32_MAX, KZK_LOG_DIR_FAILURE);
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

int
kzk_log_dir_event_encode(
    const struct kzk_log_dir_event *in, struct kzk_text *out)
{
	struct kzk_out o;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 1);
	kzk_out_int(&o, o.root, "broker", in->broker);
	kzk_out_int(&o, o.root, "event", in->event);
	return kzk_out_end(&o, out);
}
