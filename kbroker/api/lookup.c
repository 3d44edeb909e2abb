#include "kbroker/core.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

int16_t
kb_request_partition(struct kb_request *req, struct kc_str topic, int32_t index,
    struct kb_partition **pp)
{
	struct kb_broker *b = req->broker;
	struct kb_reader *r = kb_request_reader(req);
	const struct kb_meta *meta;
	struct kb_log *log = NULL;
	char name[256];

	if (r->parts_now == NULL)
		r->parts_now = kb_manager_read(b->mgr, &r->parts);
	*pp = kb_part_map_find(r->parts_now, topic, index);
	if (*pp != NULL)
		return KP_NONE;
	meta = kb_request_meta(req);
	if (kb_meta_partition(kb_meta_topic(meta, topic), index) == NULL)
		return KP_UNKNOWN_TOPIC_OR_PARTITION;
	if (topic.len >= (int32_t)sizeof name)
		return KP_UNKNOWN_TOPIC_OR_PARTITION;
	memcpy(name, topic.p, (size_t)topic.len);
	name[topic.len] = '\0';
	switch (kb_log_dirs_find(b->dirs, name, index, &log)) {
	case KC_EOFFLINE:
		return KP_KAFKA_STORAGE_ERROR;
	case KC_OK:
		kb_log_put(&log);
		break;
	}
	return KP_NOT_LEADER_OR_FOLLOWER;
}
