/*
 * topics -- CreateTopics (19) and DeleteTopics (20): what the request itself
 * decides, and the making of one topic.
 *
 * From Kafka: KafkaApis, ZkAdminManager.
 */
#ifndef KB_API_TOPICS_H
#define KB_API_TOPICS_H

#include "kbroker/api/topic_plan.h"
#include "kbroker/auth/ops.h"

struct kb_broker;
struct kp_create_topics_req;
struct kp_create_topics_resp;
struct kp_delete_topics_req;
struct kp_delete_topics_resp;

/* --- decisions, no I/O  @thread any ----------------------------------------
 */

/*
 * An entry of out for each topic asked for, with the errors that need no look
 * at the cluster: named twice, not allowed.  Those with NONE are to be made.
 * KC_OK or KC_ENOMEM (arena full).
 */
int kb_create_topics_begin(const struct kp_create_topics_req *in,
    const struct kb_authz *authz, struct kc_arena *a,
    struct kp_create_topics_resp *out);
/* The same with one error for all. */
int kb_create_topics_refuse(const struct kp_create_topics_req *in, int16_t code,
    struct kc_arena *a, struct kp_create_topics_resp *out);

/* The topic was not made after all; why "" is none, copied to a. */
void kb_create_topics_fail(struct kp_creatable_topic_result *o, int16_t code,
    const char *why, struct kc_arena *a);

/*
 * An entry of out for each topic, by name or by id; those with NONE are there
 * and to be deleted, and have their name.  Names are borrowed from in or
 * copied.
 */
int kb_delete_topics_begin(const struct kp_delete_topics_req *in,
    int16_t version, const struct kb_meta *meta, const struct kb_authz *authz,
    struct kc_arena *a, struct kp_delete_topics_resp *out);
int kb_delete_topics_refuse(const struct kp_delete_topics_req *in,
    int16_t version, int16_t code, struct kc_arena *a,
    struct kp_delete_topics_resp *out);

/* Has the topic at least nparts partitions, with leaders? */
bool kb_topic_led(
    const struct kb_meta *meta, struct kc_str name, int32_t nparts);

/* --- doing ------------------------------------------------------------------
 */

/*
 * Decide and, unless only_check, write to ZooKeeper.  The plan is opened here
 * and the caller's to close, whatever the result: NONE, or the code to answer
 * with and p->why.  One that this broker is making already is
 * TOPIC_ALREADY_EXISTS (*busy, which may be NULL, is set then).
 * @thread control, on a fiber
 */
int16_t kb_topic_make(struct kb_broker *b, struct kb_topic_plan *p,
    const struct kp_creatable_topic *in, bool only_check, bool *busy);

#endif
