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
struct kc_props;
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

/* --- altering ---------------------------------------------------------------
 */

/* Settings of one resource in a request; more: refused. */
#define KB_ALTER_OPS_MAX 1000

enum kb_alter_kind { /* AlterConfigOp.OpType */
	KB_ALTER_SET = 0,
	KB_ALTER_DELETE = 1,
	KB_ALTER_APPEND = 2,
	KB_ALTER_SUBTRACT = 3,
};

struct kb_alter_op { /* texts borrowed, NUL-terminated once begun */
	struct kc_str name;
	struct kc_str value; /* null: only where it is deleted */
	int8_t kind;
};

struct kb_alter_resource {
	int8_t type;
	struct kc_str name; /* never null */
	struct kb_alter_op *ops;
	int32_t n;
	/* Out. */
	int16_t code;
	struct kc_str why; /* null: none */
};

struct kb_alter {
	struct kb_alter_resource *v;
	int32_t n;
	bool replace; /* AlterConfigs: what is not named is deleted */
	bool validate_only;
	int32_t broker_id;
	struct kc_arena *arena;
};

/*
 * What the request itself decides: each resource once, each key once, types
 * that there are, brokers that are this one.  Those left with code NONE are
 * to be altered.  KC_OK or KC_ENOMEM.
 */
int kb_alter_begin(struct kb_alter *a);
void kb_alter_fail(struct kb_alter *a, struct kb_alter_resource *r,
    int16_t code, const char *why);
/*
 * The operations on what is set now; t says which keys are lists.  NONE,
 * INVALID_CONFIG, INVALID_REQUEST, UNKNOWN_SERVER_ERROR (memory).
 */
int16_t kb_alter_apply(const struct kb_alter_resource *r,
    const struct kc_conf_table *t, struct kc_props *props, struct kb_why *why);
/* May a topic have these settings?  NONE or INVALID_CONFIG. */
int16_t kb_alter_check_topic(const struct kb_alter_resource *r,
    const struct kb_config *config, const struct kc_props *props,
    struct kb_why *why);
/*
 * Check, and unless only_check do, what is asked of loggers.  NONE,
 * INVALID_CONFIG, INVALID_REQUEST.
 */
int16_t kb_alter_loggers(const struct kb_alter_resource *r,
    struct kc_logger *logger, bool only_check, struct kb_why *why);

#endif
