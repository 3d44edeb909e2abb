#include "kbroker/api/auto_create.h"

#include "kbroker/api/topics.h"
#include "kbroker/core.h"
#include "kbroker/metadata/topic_name.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdio.h>

#define SETTINGS_MAX 5

/* A topic as a request would describe it; all borrowed but for number. */
struct wish {
	struct kp_creatable_topic topic;
	struct kp_creatable_topic_config settings[SETTINGS_MAX];
	char number[2][16];
};

static void
set(struct wish *w, struct kc_str name, struct kc_str value)
{
	struct kp_creatable_topic_config *c =
	    &w->settings[w->topic.configs.n++];

	c->name = name;
	c->value = value;
}

static struct kc_str
print(char *buf, int32_t n)
{
	snprintf(buf, sizeof((struct wish *)0)->number[0], "%d", n);
	return kc_str(buf);
}

static void
describe(struct wish *w, const struct kb_config *c, struct kc_str name)
{
	kp_init(kp_desc_creatable_topic(), &w->topic);
	w->topic.name = name;
	w->topic.configs.v = w->settings;
	w->topic.num_partitions = c->num_partitions;
	w->topic.replication_factor =
	    (int16_t)KC_MIN(c->default_replication_factor, INT16_MAX);
	if (kc_str_eqz(name, KB_TOPIC_OFFSETS)) {
		w->topic.num_partitions = c->offsets_topic_num_partitions;
		w->topic.replication_factor =
		    c->offsets_topic_replication_factor;
		set(w, KC_STR_LIT("compression.type"), KC_STR_LIT("producer"));
		set(w, KC_STR_LIT("cleanup.policy"), KC_STR_LIT("compact"));
		set(w, KC_STR_LIT("segment.bytes"),
		    print(w->number[0], c->offsets_topic_segment_bytes));
	} else if (kc_str_eqz(name, KB_TOPIC_TXN)) {
		w->topic.num_partitions =
		    c->transaction_state_log_num_partitions;
		w->topic.replication_factor =
		    c->transaction_state_log_replication_factor;
		set(w, KC_STR_LIT("compression.type"),
		    KC_STR_LIT("uncompressed"));
		set(w, KC_STR_LIT("cleanup.policy"), KC_STR_LIT("compact"));
		set(w, KC_STR_LIT("min.insync.replicas"),
		    print(w->number[1], c->transaction_state_log_min_isr));
		set(w, KC_STR_LIT("segment.bytes"),
		    print(
			w->number[0], c->transaction_state_log_segment_bytes));
		set(w, KC_STR_LIT("unclean.leader.election.enable"),
		    KC_STR_LIT("false"));
	}
}

int16_t
kb_auto_create(struct kb_broker *b, struct kc_str name)
{
	struct kb_topic_plan p;
	struct wish w = { .number = { "" } };
	bool busy = false;
	int16_t code;

	describe(&w, b->live, name);
	code = kb_topic_make(b, &p, &w.topic, false, &busy);
	kb_topic_plan_close(&p);
	/* Another request of this broker is at it, or it must be tried again.
	 */
	if (busy || code == KP_NOT_CONTROLLER)
		return KP_UNKNOWN_TOPIC_OR_PARTITION;
	if (code == KP_NONE || code == KP_TOPIC_ALREADY_EXISTS)
		return KP_LEADER_NOT_AVAILABLE;
	return code;
}
