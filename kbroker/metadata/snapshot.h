/*
 * snapshot -- what one broker knows of the cluster, at one moment.
 *
 * A snapshot never changes once made; it is counted, and topics that an
 * update does not name are shared with the snapshot before.  The controller's
 * UpdateMetadata requests are the only source
 * (kafka.server.metadata.ZkMetadataCache).
 *
 * All strings and arrays found here belong to the snapshot and live as long
 * as a reference to it does.
 *
 * @thread any
 */
#ifndef KB_SNAPSHOT_H
#define KB_SNAPSHOT_H

#include "kcommon/base/arena.h"
#include "kcommon/base/refcount.h"
#include "kcommon/base/str.h"
#include "kcommon/base/uuid.h"

struct kp_update_metadata_req;

#define KB_META_NO_LEADER (-1)
/* In an update: the partition is being deleted (LeaderAndIsr). */
#define KB_META_LEADER_DELETED (-2)

struct kb_meta_endpoint {
	struct kc_str listener;
	struct kc_str host;
	int32_t port;
	int16_t protocol; /* SecurityProtocol's id: 0 plain, 1 TLS, ... */
};

struct kb_meta_broker { /* a live one */
	int32_t id;
	int32_t endpoints_n;
	struct kb_meta_endpoint *endpoints;
	struct kc_str rack; /* null: none */
};

struct kb_meta_partition {
	int32_t index;
	int32_t leader; /* KB_META_NO_LEADER, or a broker, alive or not */
	int32_t leader_epoch;
	int32_t partition_epoch; /* the version of the state znode */
	int32_t controller_epoch;
	int32_t replicas_n;
	int32_t isr_n;
	int32_t offline_n;
	const int32_t *replicas;
	const int32_t *isr;
	const int32_t *offline; /* replicas that are down or on a bad disk */
};

struct kb_meta_topic {
	struct kc_ref ref; /* shared by snapshots */
	uint32_t hash; /* of name */
	struct kc_str name; /* NUL-terminated */
	struct kc_uuid id; /* zero when the controller gave none */
	int32_t partitions_n; /* > 0 */
	struct kb_meta_partition partitions[]; /* rising index */
};

struct kb_meta {
	unsigned magic;
#define KB_META_MAGIC 0x3e7ada7a
	struct kc_ref ref;
	struct kc_str cluster_id; /* NUL-terminated */
	int32_t controller_id; /* -1: none known */
	int32_t brokers_n;
	struct kb_meta_broker *brokers; /* rising id */
	int32_t topics_n;
	int32_t partitions_n; /* of all topics */
	struct kb_meta_topic **topics; /* by name, as kc_str_cmp() orders */

	/* Private. */
	struct kc_arena arena; /* brokers and strings */
	/* Where a topic is in topics[], plus 1; open addressing. */
	uint32_t slots_n; /* a power of two */
	uint32_t *by_name;
	uint32_t *by_id;
};

/* No brokers, no topics, no controller.  KC_OK or KC_ENOMEM. */
int kb_meta_empty(struct kb_meta **metap, struct kc_str cluster_id);

struct kb_meta_tp {
	struct kc_str topic; /* borrowed from the request */
	int32_t partition;
};

struct kb_meta_deleted {
	struct kb_meta_tp *v; /* malloc'ed: free(v) */
	int32_t n;
};

/*
 * The snapshot after req (of that version) upon old, which stays as it is.
 * Partitions that req says are being deleted go, with their topic when none
 * is left, and are listed in *deleted, each once.  Of two states of one
 * partition in req the later one counts.  The caller has checked epochs.
 * KC_OK, KC_EMALFORMED, KC_ENOMEM; *deleted is empty on failure.
 */
int kb_meta_update(struct kb_meta **metap, const struct kb_meta *old,
    const struct kp_update_metadata_req *req, int16_t version,
    struct kb_meta_deleted *deleted);

void kb_meta_ref(struct kb_meta *m);
void kb_meta_unref(struct kb_meta **mp); /* *mp NULL is fine */

/* NULL when there is none. */
const struct kb_meta_topic *kb_meta_topic(
    const struct kb_meta *m, struct kc_str name);
const struct kb_meta_topic *kb_meta_topic_by_id(
    const struct kb_meta *m, const struct kc_uuid *id);
const struct kb_meta_partition *kb_meta_partition(
    const struct kb_meta_topic *t, int32_t index); /* t NULL gives NULL */
const struct kb_meta_broker *kb_meta_broker(
    const struct kb_meta *m, int32_t id);
/* Listener names are compared as they are.  b NULL gives NULL. */
const struct kb_meta_endpoint *kb_meta_endpoint(
    const struct kb_meta_broker *b, struct kc_str listener);

#endif
