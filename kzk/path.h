/*
 * path -- names of the znodes (kafka.zk.ZkData), below the chroot.
 *
 * Each builder writes a NUL-terminated path into *p.  KC_OK, KC_EINVAL for a
 * name that cannot be a node (empty, ".", "..", with '/' or a control byte;
 * topics: not a legal topic name), KC_ELIMIT when it does not fit.
 */
#ifndef KZK_PATH_H
#define KZK_PATH_H

#include "kcommon/base/str.h"

#define KZK_PATH_MAX 2048
#define KZK_TOPIC_NAME_MAX 249

struct kzk_path {
	char s[KZK_PATH_MAX];
};

#define KZK_CONSUMERS "/consumers"
#define KZK_BROKERS "/brokers"
#define KZK_BROKER_IDS "/brokers/ids"
#define KZK_BROKER_SEQID "/brokers/seqid"
#define KZK_TOPICS "/brokers/topics"
#define KZK_CONTROLLER "/controller"
#define KZK_CONTROLLER_EPOCH "/controller_epoch"
#define KZK_CLUSTER_ID "/cluster/id"
#define KZK_ADMIN "/admin"
#define KZK_DELETE_TOPICS "/admin/delete_topics"
#define KZK_REASSIGN_PARTITIONS "/admin/reassign_partitions"
#define KZK_PREFERRED_ELECTION "/admin/preferred_replica_election"
#define KZK_ISR_CHANGES "/isr_change_notification"
#define KZK_ISR_CHANGE_PREFIX "isr_change_"
#define KZK_LOG_DIR_EVENTS "/log_dir_event_notification"
#define KZK_LOG_DIR_EVENT_PREFIX "log_dir_event_"
#define KZK_CONFIG_CHANGES "/config/changes"
#define KZK_CONFIG_CHANGE_PREFIX "config_change_"
#define KZK_ACL "/kafka-acl"
#define KZK_ACL_EXTENDED "/kafka-acl-extended"
#define KZK_ACL_CHANGES "/kafka-acl-changes"
#define KZK_ACL_EXTENDED_CHANGES "/kafka-acl-extended-changes"
#define KZK_ACL_CHANGE_PREFIX "acl_changes_"
#define KZK_DELEGATION_TOKEN "/delegation_token"
#define KZK_TOKENS "/delegation_token/tokens"
#define KZK_TOKEN_CHANGES "/delegation_token/token_changes"
#define KZK_TOKEN_CHANGE_PREFIX "token_change_"
#define KZK_PID_BLOCK "/latest_producer_id_block"
#define KZK_FEATURE "/feature"
#define KZK_MIGRATION "/migration"

/* The default entity of a config type (config.server.ConfigEntityName). */
#define KZK_ENTITY_DEFAULT "<default>"

enum kzk_config_type { /* of /config/<type>/<entity> */
	KZK_CONFIG_TOPICS,
	KZK_CONFIG_BROKERS,
	KZK_CONFIG_CLIENTS,
	KZK_CONFIG_USERS,
	KZK_CONFIG_IPS,
};
#define KZK_CONFIG_TYPES 5
/* "topics", "brokers", ... */
const char *kzk_config_type_name(enum kzk_config_type type);

int kzk_path_broker(struct kzk_path *p, int32_t broker);
int kzk_path_topic(struct kzk_path *p, struct kc_str topic);
int kzk_path_partitions(struct kzk_path *p, struct kc_str topic);
int kzk_path_partition(struct kzk_path *p, struct kc_str topic, int32_t part);
int kzk_path_state(struct kzk_path *p, struct kc_str topic, int32_t part);
int kzk_path_delete_topic(struct kzk_path *p, struct kc_str topic);
/* entity as in the node's name: sanitized already where it has to be. */
int kzk_path_config(
    struct kzk_path *p, enum kzk_config_type type, struct kc_str entity);
/* /config/<type> itself. */
int kzk_path_config_root(struct kzk_path *p, enum kzk_config_type type);
/* /config/users/<user>/clients and one below; names sanitized. */
int kzk_path_user_clients(struct kzk_path *p, struct kc_str user);
int kzk_path_user_client(
    struct kzk_path *p, struct kc_str user, struct kc_str client);
/* "/config/" + entity path as in a config change, e.g. "users/u/clients/c". */
int kzk_path_entity(struct kzk_path *p, struct kc_str entity_path);
/* type is Topic, Group, Cluster, ...; name as it is ('*' too). */
int kzk_path_acl(
    struct kzk_path *p, bool prefixed, const char *type, struct kc_str name);
int kzk_path_acl_type(struct kzk_path *p, bool prefixed, const char *type);
int kzk_path_token(struct kzk_path *p, struct kc_str token_id);
/* /consumers/<group>/offsets/<topic>/<partition> of OffsetCommit v0. */
int kzk_path_old_offset(
    struct kzk_path *p, struct kc_str group, struct kc_str topic, int32_t part);
/* dir + "/" + name: a child as listed. */
int kzk_path_child(struct kzk_path *p, const char *dir, struct kc_str name);
/* dir + "/" + prefix: what a sequential create is given. */
int kzk_path_seq(struct kzk_path *p, const char *dir, const char *prefix);

/* A legal topic name (org.apache.kafka.common.internals.Topic). */
bool kzk_topic_name_ok(struct kc_str name);
/*
 * The number at the end of a sequential node's name ("isr_change_0000000012"
 * with its prefix); KC_EMALFORMED when there is none.
 */
int kzk_seq_number(struct kc_str name, const char *prefix, int64_t *number);

/*
 * Kafka's Sanitizer: URL-encoded UTF-8 with %20 for blank and %2A for '*', so
 * that a user or client id can be a node.  Writes at most cap bytes with the
 * NUL.  KC_OK, KC_ELIMIT; restoring: KC_EMALFORMED too.
 */
int kzk_sanitize(struct kc_str name, char *buf, size_t cap);
int kzk_restore(struct kc_str sanitized, char *buf, size_t cap);

/*
 * zookeeper.set.acl: nodes that only their creator may read
 * (kafka.zk.ZkData.sensitivePath), and the one that stays open to all.
 */
bool kzk_path_sensitive(const char *path);
bool kzk_path_open(const char *path);

#endif
