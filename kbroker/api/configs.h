/*
 * configs -- DescribeConfigs (32), AlterConfigs (33), IncrementalAlterConfigs
 * (44): what the tables of settings say, as answers.
 *
 * No I/O here: who asks ZooKeeper hands in what it said.
 *
 * From Kafka: ConfigHelper, ConfigAdminManager, ZkAdminManager.
 *
 * @thread any
 */
#ifndef KB_API_CONFIGS_H
#define KB_API_CONFIGS_H

#include "kbroker/controller/create.h"
#include "kbroker/topic_config.h"
#include "kcommon/base/arena.h"

struct kc_logger;
struct kp_describe_configs_req;
struct kp_describe_configs_resource;
struct kp_describe_configs_result;

enum kb_resource { /* ConfigResource.Type */
	KB_RESOURCE_TOPIC = 2,
	KB_RESOURCE_BROKER = 4,
	KB_RESOURCE_BROKER_LOGGER = 8,
	KB_RESOURCE_CLIENT_METRICS = 16,
	KB_RESOURCE_GROUP = 32,
};

/* --- describing -------------------------------------------------------------
 */

struct kb_describe {
	const struct kb_config *config; /* with its dynamic settings */
	int32_t broker_id;
	bool synonyms; /* wanted */
	bool documentation;
	struct kc_logger *logger;
	struct kc_arena *arena; /* of the answer, all strings too */
	struct kb_topic_config *tc; /* of the topic asked for */
};

/*
 * One resource; in->configuration_keys empty or null is all of them.  A topic
 * is one that exists, and d->tc its configuration.  Sets the error that the
 * name of a broker deserves.  KC_OK or KC_ENOMEM (the arena is full).
 */
int kb_describe_resource(const struct kb_describe *d,
    const struct kp_describe_configs_resource *in,
    struct kp_describe_configs_result *out);
/* A result without settings; why "" keeps the default text. */
void kb_describe_fail(struct kp_describe_configs_result *out, int16_t code,
    const char *why, struct kc_arena *a);
/* Is every resource of a type that can be asked for?  Else all are refused. */
bool kb_describe_types_ok(const struct kp_describe_configs_req *in);

/* The number that names a broker.  KC_OK, KC_EINVAL, KC_ERANGE. */
int kb_resource_broker(struct kc_str name, int32_t *id);

#endif
