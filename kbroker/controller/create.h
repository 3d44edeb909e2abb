/*
 * create -- topics made and marked for deletion in ZooKeeper, as an
 * administrator's client does it.
 *
 * Not the controller's own work: its watches on /brokers/topics and
 * /admin/delete_topics tell it.  So nothing here is fenced by its epoch, and
 * any broker may do it (auto-creation); a node that exists already decides
 * who was first.
 *
 * From Kafka: kafka.zk.AdminZkClient; znodes.md 4.  Results are Kafka's codes,
 * with its text for the client ("" for none).
 *
 * A crash between the two writes leaves a configuration without a topic; the
 * next creation of that name overwrites it, as in Kafka.
 *
 * @thread control
 */
#ifndef KB_CONTROLLER_CREATE_H
#define KB_CONTROLLER_CREATE_H

#include "kcommon/base/arena.h"
#include "kcommon/base/str.h"
#include "kcommon/base/uuid.h"

struct kc_props;
struct kzk;

/*
 * What a topic may have, so that its assignment fits in a znode (1 MiB, with
 * ZooKeeper's default jute.maxbuffer).  More: INVALID_PARTITIONS.
 */
#define KB_NEW_PARTITIONS_MAX 100000
#define KB_NEW_REPLICAS_MAX 400000 /* of all partitions */

#define KB_WHY_MAX 1200

struct kb_why { /* a text for the client; "" is none */
	char s[KB_WHY_MAX];
};

struct kb_new_partition {
	int32_t index;
	int32_t *replicas; /* broker ids, the preferred leader first */
	int32_t nreplicas;
};

struct kb_new_topic {
	struct kc_str name; /* borrowed */
	struct kc_uuid id;
	struct kb_new_partition *parts; /* rising index once checked */
	int32_t nparts;
};

/* --- decisions, no I/O -----------------------------------------------------
 */

/* NONE or INVALID_TOPIC_EXCEPTION. */
int16_t kb_create_check_name(struct kc_str name, struct kb_why *why);
/*
 * From 0 on without gaps, all with the same number of replicas, none twice.
 * Sorts t->parts.  NONE, INVALID_REPLICA_ASSIGNMENT, INVALID_PARTITIONS, or
 * UNKNOWN_SERVER_ERROR when scratch is full.
 */
int16_t kb_create_check_parts(
    struct kb_new_topic *t, struct kc_arena *scratch, struct kb_why *why);

/* --- ZooKeeper, inside a fiber ---------------------------------------------
 */

/*
 * All below answer NOT_CONTROLLER when the session ended meanwhile, and
 * UNKNOWN_SERVER_ERROR (logged) for what only an operator can mend.
 */

/* NONE, TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION (names collide). */
int16_t kb_create_check_absent(
    struct kzk *zk, struct kc_str topic, struct kb_why *why);
/*
 * Writes its configuration, then the topic, both checked before.  NONE,
 * TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS or INVALID_CONFIG (too large).
 */
int16_t kb_create_topic(struct kzk *zk, const struct kb_new_topic *t,
    const struct kc_props *config, struct kb_why *why);
/*
 * The controller shall delete it.  NONE also when that is so already;
 * UNKNOWN_TOPIC_OR_PARTITION.
 */
int16_t kb_create_delete_mark(struct kzk *zk, struct kc_str topic);

#endif
