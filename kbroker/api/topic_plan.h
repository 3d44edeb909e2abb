/*
 * topic_plan -- what becomes of one topic that somebody wants, decided
 * without I/O: its partitions, their replicas, its settings, or why not.
 *
 * kb_topic_plan_open() comes before ZooKeeper is asked whether the topic is
 * there, kb_topic_plan_check() after it: so the first error is the one that
 * Kafka tells (ZkAdminManager.createTopics, AdminZkClient
 * .validateTopicCreate).
 *
 * @thread any
 */
#ifndef KB_API_TOPIC_PLAN_H
#define KB_API_TOPIC_PLAN_H

#include "kbroker/controller/create.h"

struct kb_config;
struct kb_meta;
struct kb_topic_config;
struct kc_rand;
struct kp_creatable_topic;
struct kp_creatable_topic_result;

/* Memory of one plan; what needs more is refused. */
#define KB_TOPIC_PLAN_CAP ((size_t)64 * 1024 * 1024)
/* Settings in a request for one topic, repeated ones too; more: refused. */
#define KB_TOPIC_SETTINGS_MAX 10000

struct kb_topic_plan {
	const struct kp_creatable_topic *in; /* borrowed */
	struct kb_new_topic topic;
	struct kc_props *own; /* its settings as given */
	struct kb_topic_config *tc; /* checked; NULL before */
	struct kb_why why;
	struct kc_arena arena;
};

/*
 * -1 for the numbers in in means the broker's defaults.  The code to answer
 * with, and why; also then the plan is to be closed.
 */
int16_t kb_topic_plan_open(struct kb_topic_plan *p,
    const struct kp_creatable_topic *in, const struct kb_meta *meta,
    const struct kb_config *config, struct kc_rand *rand);
int16_t kb_topic_plan_check(
    struct kb_topic_plan *p, const struct kb_config *config);
void kb_topic_plan_close(struct kb_topic_plan *p);

/*
 * What CreateTopics v5 tells of the topic (KIP-525): its numbers, and every
 * setting with its source; told false: the settings may not be described.
 * Strings in a.  KC_OK, or KC_ENOMEM with out as it was.
 */
int kb_topic_plan_describe(const struct kb_topic_plan *p,
    const struct kb_config *config, bool told, struct kc_arena *a,
    struct kp_creatable_topic_result *out);

#endif
