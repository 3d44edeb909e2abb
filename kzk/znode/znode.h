/*
 * znode -- what the znodes hold, typed.
 *
 * kzk_X_decode() takes a node's data and fills *out, which owns all it points
 * to; kzk_X_fini() frees it and leaves it zeroed (also after a failed
 * decode).  Any key order, unknown keys and all versions that Kafka 3.9 reads
 * are taken; null data and everything else is KC_EMALFORMED, more than the
 * limits here KC_ELIMIT, or KC_ENOMEM.
 *
 * kzk_X_encode() makes the text that Kafka 3.9 would write, in a fixed order
 * of keys: KC_OK, KC_EINVAL (values that cannot be written, e.g. broken
 * UTF-8), KC_ENOMEM.  It looks at nothing but the fields: one built by hand,
 * out of borrowed pieces, is fine and needs no fini.
 *
 * Decoded strings end in NUL and hold none.
 *
 * @thread any
 */
#ifndef KZK_ZNODE_H
#define KZK_ZNODE_H

#include "kcommon/base/arena.h"
#include "kcommon/base/str.h"
#include "kcommon/base/uuid.h"

#define KZK_DATA_MAX (64 * 1024 * 1024) /* bytes of one node decoded */
#define KZK_PARTITIONS_MAX 1000000 /* of a topic; entries of a list */
#define KZK_REPLICAS_MAX 1024 /* of a partition */
#define KZK_ENDPOINTS_MAX 64
#define KZK_FEATURES_MAX 1024
#define KZK_ENTRIES_MAX 100000 /* configs, ACLs, renewers */

/* Encoded text, owned, NUL-terminated; kzk_text_fini() frees. */
struct kzk_text {
	char *p;
	size_t len;
};
struct kc_str kzk_text_str(const struct kzk_text *t);
void kzk_text_fini(struct kzk_text *t);

struct kzk_ids { /* broker ids */
	int32_t *v;
	int32_t n;
};

/* --- /brokers/ids/N: registration --------------------------------------- */

struct kzk_endpoint {
	struct kc_str listener;
	struct kc_str host;
	int32_t port;
	struct kc_str protocol; /* PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL */
};

struct kzk_feature { /* a range of versions, or a finalized level in max */
	struct kc_str name;
	int16_t min;
	int16_t max;
};

struct kzk_broker {
	struct {
		struct kzk_endpoint *v;
		int32_t n;
	} endpoints;
	struct kc_str rack; /* null: none */
	int32_t jmx_port;
	int64_t timestamp_ms;
	struct {
		struct kzk_feature *v;
		int32_t n;
	} features; /* supported ones: {} in a ZooKeeper-mode broker */
	int32_t version; /* decoded; encode always writes 5 */
	struct kc_arena mem;
};
int kzk_broker_decode(struct kc_str data, struct kzk_broker *out);
int kzk_broker_encode(const struct kzk_broker *in, struct kzk_text *out);
void kzk_broker_fini(struct kzk_broker *b);
/* Endpoint of a listener, or NULL. */
const struct kzk_endpoint *kzk_broker_endpoint(
    const struct kzk_broker *b, struct kc_str listener);

/* --- /brokers/topics/T: assignment -------------------------------------- */

struct kzk_assignment { /* KIP-455 */
	int32_t partition;
	struct kzk_ids replicas; /* all: adding and removing ones are in it */
	struct kzk_ids adding;
	struct kzk_ids removing;
};

struct kzk_topic {
	struct kc_uuid topic_id; /* zero: none (IBP < 2.8) */
	struct kzk_assignment *parts; /* rising partition */
	int32_t nparts;
	struct kc_arena mem;
};
int kzk_topic_decode(struct kc_str data, struct kzk_topic *out);
int kzk_topic_encode(const struct kzk_topic *in, struct kzk_text *out);
void kzk_topic_fini(struct kzk_topic *t);

/* --- /brokers/topics/T/partitions/P/state ------------------------------- */

struct kzk_partition_state {
	int32_t leader; /* -1: none */
	int32_t leader_epoch;
	int32_t controller_epoch;
	int8_t leader_recovery_state; /* 0 recovered, 1 recovering */
	struct kzk_ids isr;
	struct kc_arena mem;
};
int kzk_partition_state_decode(
    struct kc_str data, struct kzk_partition_state *out);
int kzk_partition_state_encode(
    const struct kzk_partition_state *in, struct kzk_text *out);
void kzk_partition_state_fini(struct kzk_partition_state *s);

/* --- /controller, /controller_epoch, /cluster/id ------------------------ */

struct kzk_controller {
	int32_t broker;
	int64_t timestamp_ms;
	int32_t kraft_epoch; /* -1: a ZooKeeper-mode controller */
};
int kzk_controller_decode(struct kc_str data, struct kzk_controller *out);
int kzk_controller_encode(
    const struct kzk_controller *in, struct kzk_text *out);

/* Decimal text. */
int kzk_controller_epoch_decode(struct kc_str data, int32_t *epoch);
int kzk_controller_epoch_encode(int32_t epoch, struct kzk_text *out);

/* id: 22 characters as a rule; KZK_CLUSTER_ID_MAX with the NUL. */
#define KZK_CLUSTER_ID_MAX 64
int kzk_cluster_id_decode(struct kc_str data, char id[KZK_CLUSTER_ID_MAX]);
int kzk_cluster_id_encode(const char *id, struct kzk_text *out);

/* --- /config/... --------------------------------------------------------- */

struct kzk_config_entry {
	struct kc_str name;
	struct kc_str value;
};

struct kzk_config { /* of a topic, broker, user, client or ip */
	struct kzk_config_entry *v;
	int32_t n;
	struct kc_arena mem;
};
/* Null or empty data is an empty config, as Kafka takes it. */
int kzk_config_decode(struct kc_str data, struct kzk_config *out);
int kzk_config_encode(const struct kzk_config *in, struct kzk_text *out);
void kzk_config_fini(struct kzk_config *c);
struct kc_str kzk_config_get(const struct kzk_config *c, const char *name);

/* /config/changes/...: "topics/t", "users/u/clients/c", "brokers/<default>" */
struct kzk_config_change {
	struct kc_str entity_path;
	struct kc_arena mem;
};
int kzk_config_change_decode(struct kc_str data, struct kzk_config_change *out);
int kzk_config_change_encode(struct kc_str entity_path, struct kzk_text *out);
void kzk_config_change_fini(struct kzk_config_change *c);

/* SCRAM credentials, a value of a user's config (ScramCredentialUtils). */
#define KZK_SCRAM_BYTES_MAX 128
struct kzk_scram {
	uint8_t salt[KZK_SCRAM_BYTES_MAX];
	uint8_t stored_key[KZK_SCRAM_BYTES_MAX];
	uint8_t server_key[KZK_SCRAM_BYTES_MAX];
	int32_t salt_len;
	int32_t stored_key_len;
	int32_t server_key_len;
	int32_t iterations;
};
int kzk_scram_decode(struct kc_str value, struct kzk_scram *out);
int kzk_scram_encode(const struct kzk_scram *in, struct kzk_text *out);

/* Quotas in a user, client or ip config; -1: not set. */
struct kzk_quota {
	double producer_byte_rate;
	double consumer_byte_rate;
	double request_percentage;
	double controller_mutation_rate;
	double connection_creation_rate;
};
int kzk_quota_from_config(const struct kzk_config *c, struct kzk_quota *out);

/* --- partition lists ----------------------------------------------------- */

struct kzk_partition_ref {
	struct kc_str topic;
	int32_t partition;
	struct kzk_ids replicas; /* reassignment only */
};

struct kzk_partition_list {
	struct kzk_partition_ref *v;
	int32_t n;
	struct kc_arena mem;
};
/* /admin/reassign_partitions */
int kzk_reassign_decode(struct kc_str data, struct kzk_partition_list *out);
int kzk_reassign_encode(
    const struct kzk_partition_list *in, struct kzk_text *out);
/* /admin/preferred_replica_election and /isr_change_notification/... */
int kzk_partitions_decode(struct kc_str data, struct kzk_partition_list *out);
int kzk_partitions_encode(
    const struct kzk_partition_list *in, struct kzk_text *out);
void kzk_partition_list_fini(struct kzk_partition_list *l);

/* --- /log_dir_event_notification/... ------------------------------------- */

#define KZK_LOG_DIR_FAILURE 1
struct kzk_log_dir_event {
	int32_t broker;
	int32_t event;
};
int kzk_log_dir_event_decode(struct kc_str data, struct kzk_log_dir_event *out);
int kzk_log_dir_event_encode(
    const struct kzk_log_dir_event *in, struct kzk_text *out);

/* --- /latest_producer_id_block -------------------------------------------- */

#define KZK_PID_BLOCK_SIZE 1000
struct kzk_pid_block {
	int32_t broker;
	int64_t start;
	int64_t end; /* inclusive */
};
int kzk_pid_block_decode(struct kc_str data, struct kzk_pid_block *out);
int kzk_pid_block_encode(const struct kzk_pid_block *in, struct kzk_text *out);
/*
 * The block after prev (NULL: the first, from 0).  KC_ERANGE when the ids
 * are used up.
 */
int kzk_pid_block_next(const struct kzk_pid_block *prev, int32_t broker,
    struct kzk_pid_block *out);

/* --- /feature --------------------------------------------------------------
 */

enum kzk_feature_status {
	KZK_FEATURE_DISABLED = 0,
	KZK_FEATURE_ENABLED = 1,
};
struct kzk_feature_node {
	int32_t version; /* 1, or 2 since IBP 3.3 (min is not written) */
	enum kzk_feature_status status;
	struct {
		struct kzk_feature *v;
		int32_t n;
	} features; /* finalized */
	struct kc_arena mem;
};
int kzk_feature_node_decode(struct kc_str data, struct kzk_feature_node *out);
int kzk_feature_node_encode(
    const struct kzk_feature_node *in, struct kzk_text *out);
void kzk_feature_node_fini(struct kzk_feature_node *f);

/* --- /migration (read only: a KRaft controller writes it) ------------------
 */

struct kzk_migration {
	int32_t kraft_controller_id;
	int32_t kraft_controller_epoch;
	int64_t kraft_metadata_offset;
	int32_t kraft_metadata_epoch;
};
int kzk_migration_decode(struct kc_str data, struct kzk_migration *out);

/* --- /kafka-acl and friends ------------------------------------------------
 */

struct kzk_acl {
	struct kc_str principal; /* User:a */
	struct kc_str permission; /* Allow, Deny */
	struct kc_str operation; /* All, Read, ... */
	struct kc_str host;
};

struct kzk_acl_list {
	struct kzk_acl *v;
	int32_t n;
	struct kc_arena mem;
};
int kzk_acl_list_decode(struct kc_str data, struct kzk_acl_list *out);
int kzk_acl_list_encode(const struct kzk_acl_list *in, struct kzk_text *out);
void kzk_acl_list_fini(struct kzk_acl_list *l);

struct kzk_acl_change {
	struct kc_str resource_type; /* TOPIC */
	struct kc_str name;
	struct kc_str pattern_type; /* LITERAL, PREFIXED */
	struct kc_arena mem;
};
/* Both stores: "TOPIC:foo" text and the extended store's JSON. */
int kzk_acl_change_decode(struct kc_str data, struct kzk_acl_change *out);
/* Text when pattern_type is LITERAL, else JSON. */
int kzk_acl_change_encode(
    const struct kzk_acl_change *in, struct kzk_text *out);
void kzk_acl_change_fini(struct kzk_acl_change *c);

/* --- /delegation_token/tokens/<id> ------------------------------------------
 */

struct kzk_token { /* principals are restored: "User:a" */
	struct kc_str owner;
	struct kc_str requester; /* version < 3: the owner */
	struct {
		struct kc_str *v;
		int32_t n;
	} renewers;
	int64_t issue_ms;
	int64_t max_ms;
	int64_t expiry_ms;
	struct kc_str token_id;
	struct kc_arena mem;
};
int kzk_token_decode(struct kc_str data, struct kzk_token *out);
int kzk_token_encode(const struct kzk_token *in, struct kzk_text *out);
void kzk_token_fini(struct kzk_token *t);

#endif
