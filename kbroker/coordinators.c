#include "kbroker/coordinators.h"

#include "kbroker/core.h"
#include "kbroker/group/coordinator.h"
#include "kbroker/metadata/topic_name.h"
#include "kcommon/base/err.h"

#include <string.h>

static void
on_role(void *arg, struct kb_partition *p, bool leads, int32_t leader_epoch)
{
	struct kb_broker *b = arg;

	if (strcmp(p->topic, KB_TOPIC_OFFSETS) != 0)
		return;
	if (leads)
		kb_coord_elected(b->coord, p, leader_epoch);
	else
		kb_coord_resigned(b->coord, p->index, leader_epoch);
}

int
kb_coordinators_open(struct kb_broker *b)
{
	const struct kb_config *c = b->config;
	struct kb_coord_config cc = {
		.group = {
			.session_min_ms = c->group_min_session_timeout_ms,
			.session_max_ms = c->group_max_session_timeout_ms,
			.initial_delay_ms = c->group_initial_rebalance_delay_ms,
			.size_max = c->group_max_size,
		},
		.partitions = c->offsets_topic_num_partitions,
		.acks = c->offsets_commit_required_acks,
		.timeout_ms = c->offsets_commit_timeout_ms,
		.codec = c->offsets_topic_compression_codec,
		.load_buffer = c->offsets_load_buffer_size,
		.metadata_max = c->offset_metadata_max_bytes,
		.retention_ms = c->offsets_retention_minutes * 60000LL,
		.check_ms = c->offsets_retention_check_interval_ms,
	};
	struct kb_manager_events events = { .arg = b, .role = on_role };
	int rc = kb_coord_open(&b->coord, &b->env->c, &cc);

	if (rc == KC_OK)
		kb_manager_set_events(b->mgr, &events);
	return rc;
}

void
kb_coordinators_stop(struct kb_broker *b)
{
	if (b->coord != NULL)
		kb_coord_stop(b->coord);
}

void
kb_coordinators_close(struct kb_broker *b)
{
	kb_coord_close(&b->coord);
}
