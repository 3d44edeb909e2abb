/*
 * records -- keys and values of __consumer_offsets, as Kafka writes them.
 *
 * A value or key is an int16 version and fields in the classic encoding
 * (version 4 of the values, which only newer brokers write, is compact and
 * has tagged fields).  A null value is a tombstone and does not come here.
 *
 * Kafka: GroupMetadataManager; OffsetCommitKey, OffsetCommitValue,
 * GroupMetadataKey, GroupMetadataValue; groups.md 7.
 *
 * @thread any
 */
#ifndef KB_RECORDS_H
#define KB_RECORDS_H

#include "kbroker/group/offsets.h"
#include "kcommon/base/arena.h"
#include "kcommon/buf/wr.h"

enum kb_rec_kind {
	KB_REC_OFFSET, /* key versions 0 and 1 */
	KB_REC_GROUP, /* 2 */
	KB_REC_OTHER, /* of another coordinator: skipped */
};

struct kb_rec_key { /* strings borrowed from the bytes */
	enum kb_rec_kind kind;
	int16_t version;
	struct kc_str group;
	struct kc_str topic;
	int32_t partition;
};

/* KC_OK or KC_EMALFORMED. */
int kb_rec_key_read(struct kc_str bytes, struct kb_rec_key *k);
void kb_rec_offset_key_write(struct kc_wr *w, struct kc_str group,
    struct kc_str topic, int32_t partition);
void kb_rec_group_key_write(struct kc_wr *w, struct kc_str group);

/* KC_OK, KC_EMALFORMED, KC_EVERSION; metadata is borrowed from the bytes. */
int kb_rec_offset_value_read(struct kc_str bytes, struct kb_offset_value *v);
/* Version 3; 1 when an expiration is set. */
void kb_rec_offset_value_write(
    struct kc_wr *w, const struct kb_offset_value *v);

struct kb_group_value_member {
	struct kc_str member_id;
	struct kc_str instance_id; /* null: dynamic */
	struct kc_str client_id;
	struct kc_str client_host;
	int32_t rebalance_ms;
	int32_t session_ms;
	struct kc_str subscription;
	struct kc_str assignment;
};

struct kb_group_value { /* borrowed */
	struct kc_str protocol_type;
	int32_t generation;
	struct kc_str protocol; /* null: none */
	struct kc_str leader; /* null: none */
	int64_t state_since_ms; /* -1 unknown */
	struct kb_group_value_member *members;
	int32_t nmembers;
};

/* As kb_rec_offset_value_read; KC_ELIMIT over the arena's cap. */
int kb_rec_group_value_read(
    struct kc_str bytes, struct kc_arena *a, struct kb_group_value *v);
void kb_rec_group_value_write(/* version 3 */
    struct kc_wr *w, const struct kb_group_value *v);

#endif
