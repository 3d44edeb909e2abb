#include "kbroker/api/zk_offsets.h"

#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdio.h>

int16_t
kb_zk_offset_put(struct kzk *zk, struct kc_str group, struct kc_str topic,
    int32_t partition, int64_t offset)
{
	struct kzk_path path;
	char text[24];
	int rc;

	if (kzk_path_old_offset(&path, group, topic, partition) != KC_OK)
		return KP_UNKNOWN_SERVER_ERROR;
	snprintf(text, sizeof text, "%lld", (long long)offset);
	rc = kzk_await(
	    kzk_op_safe(kzk_op_set(zk, path.s, kc_str(text), -1)), NULL);
	if (rc == KC_ENOENT)
		rc = kzk_await(kzk_op_safe(kzk_op_create(
				   zk, path.s, kc_str(text), KZK_PARENTS)),
		    NULL);
	return rc == KC_OK ? KP_NONE : KP_UNKNOWN_SERVER_ERROR;
}

int16_t
kb_zk_offset_get(struct kzk *zk, struct kc_str group, struct kc_str topic,
    int32_t partition, int64_t *offset)
{
	struct kzk_path path;
	struct kzk_op *op;
	int rc;

	if (kzk_path_old_offset(&path, group, topic, partition) != KC_OK)
		return KP_UNKNOWN_TOPIC_OR_PARTITION;
	rc = kzk_await(kzk_op_get(zk, path.s, NULL), &op);
	if (rc == KC_ENOENT)
		return KP_UNKNOWN_TOPIC_OR_PARTITION;
	if (rc != KC_OK || kc_str_i64(op->data, offset) != KC_OK)
		return KP_UNKNOWN_SERVER_ERROR;
	return KP_NONE;
}
