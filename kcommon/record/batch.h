/*
 * batch -- one record batch (magic 2) or legacy entry (magic 0, 1) as bytes.
 *
 * kc_batch_parse() reads the fixed header into a struct and checks only what
 * finding the next batch needs; kc_batch_check() is the checksum.  Nothing
 * is copied: a kc_batch borrows from the bytes it was parsed from.
 *
 * The checksum of magic 2 covers bytes 21 to the end: base offset, length,
 * leader epoch and magic are outside it, so that a leader can set them.
 *
 * Kafka: DefaultRecordBatch, AbstractLegacyRecordBatch,
 * ByteBufferLogInputStream.
 *
 * @thread any
 */
#ifndef KC_BATCH_H
#define KC_BATCH_H

#include "kcommon/base/kc.h"
#include "kcommon/compress/compress.h"

#define KC_BATCH_PREFIX 12 /* base offset and length */
#define KC_BATCH_TO_MAGIC 17 /* the least from which a kind can be told */
#define KC_BATCH_OVERHEAD 61 /* header of magic 2 */
#define KC_LEGACY_V0_OVERHEAD 14 /* after the prefix */
#define KC_LEGACY_V1_OVERHEAD 22

/* Where the fields of magic 2 are. */
#define KC_BATCH_AT_BASE_OFFSET 0
#define KC_BATCH_AT_LENGTH 8
#define KC_BATCH_AT_LEADER_EPOCH 12
#define KC_BATCH_AT_MAGIC 16
#define KC_BATCH_AT_CRC 17
#define KC_BATCH_AT_ATTRIBUTES 21 /* the checksum begins here */
#define KC_BATCH_AT_LAST_DELTA 23
#define KC_BATCH_AT_BASE_TIMESTAMP 27
#define KC_BATCH_AT_MAX_TIMESTAMP 35
#define KC_BATCH_AT_PRODUCER_ID 43
#define KC_BATCH_AT_PRODUCER_EPOCH 51
#define KC_BATCH_AT_BASE_SEQUENCE 53
#define KC_BATCH_AT_COUNT 57

#define KC_ATTR_CODEC 0x07
#define KC_ATTR_APPEND_TIME 0x08 /* timestamps are LogAppendTime */
#define KC_ATTR_TXN 0x10
#define KC_ATTR_CONTROL 0x20
#define KC_ATTR_DELETE_HORIZON 0x40 /* base timestamp is the horizon */

#define KC_NO_TIMESTAMP (-1)
#define KC_NO_PRODUCER_ID (-1)
#define KC_NO_SEQUENCE (-1)

struct kc_batch {
	const uint8_t *p; /* borrowed: p[0..size) */
	size_t size; /* with the 12 bytes before the length's end */
	int64_t base_offset; /* legacy: the entry's offset, which is the last */
	int64_t max_timestamp; /* magic 0: -1 */
	/* Magic 2 only; legacy has -1 in each. */
	int64_t base_timestamp;
	int64_t producer_id;
	int32_t leader_epoch;
	int32_t last_delta; /* legacy: 0 */
	int32_t base_sequence;
	int32_t count; /* as declared */
	uint32_t crc;
	int16_t attributes; /* legacy: the one byte */
	int16_t producer_epoch;
	int8_t magic;
};

/*
 * The batch at p[0..left).  KC_OK; KC_ESHORT when it goes on beyond left
 * (readers ignore such an end; b->size is set to what it claims, or 0 when
 * even that is unknown); KC_EMALFORMED for a length below the least or a
 * magic that is not 0, 1 or 2.
 */
int kc_batch_parse(const uint8_t *p, size_t left, struct kc_batch *b);

/* KC_OK or KC_ECRC: CRC-32C of magic 2, CRC-32 of legacy. */
int kc_batch_check_crc(const struct kc_batch *b);

/* A number 0..7; above KC_CODEC_MAX nobody can read it. */
static inline int
kc_batch_codec(const struct kc_batch *b)
{
	return b->attributes & KC_ATTR_CODEC;
}

static inline bool
kc_batch_append_time(const struct kc_batch *b)
{
	return b->magic > 0 && (b->attributes & KC_ATTR_APPEND_TIME) != 0;
}

static inline bool
kc_batch_txn(const struct kc_batch *b)
{
	return b->magic == 2 && (b->attributes & KC_ATTR_TXN) != 0;
}

static inline bool
kc_batch_control(const struct kc_batch *b)
{
	return b->magic == 2 && (b->attributes & KC_ATTR_CONTROL) != 0;
}

static inline bool
kc_batch_has_producer(const struct kc_batch *b)
{
	return b->producer_id > KC_NO_PRODUCER_ID;
}

/* -1 when the batch has none. */
static inline int64_t
kc_batch_delete_horizon(const struct kc_batch *b)
{
	return b->magic == 2 && (b->attributes & KC_ATTR_DELETE_HORIZON) != 0 ?
	    b->base_timestamp :
	    KC_NO_TIMESTAMP;
}

static inline int64_t
kc_batch_last_offset(const struct kc_batch *b)
{
	return (int64_t)((uint64_t)b->base_offset + (uint64_t)b->last_delta);
}

/* Sequence arithmetic: after 2147483647 comes 0.  n >= 0. */
static inline int32_t
kc_seq_add(int32_t seq, int32_t n)
{
	return seq > INT32_MAX - n ? n - (INT32_MAX - seq) - 1 : seq + n;
}

/* KC_NO_SEQUENCE when the batch has none. */
static inline int32_t
kc_batch_last_sequence(const struct kc_batch *b)
{
	return b->base_sequence < 0 || b->last_delta < 0 ?
	    KC_NO_SEQUENCE :
	    kc_seq_add(b->base_sequence, b->last_delta);
}

/*
 * Setters on the bytes of a batch of magic 2.  Those of the first group lie
 * outside the checksum; the others are followed by kc_batch_seal().
 */
void kc_batch_set_base_offset(uint8_t *p, int64_t offset); /* any magic */
void kc_batch_set_leader_epoch(uint8_t *p, int32_t epoch);

void kc_batch_set_attributes(uint8_t *p, int16_t attributes);
void kc_batch_set_max_timestamp(uint8_t *p, int64_t ts);
void kc_batch_seal(uint8_t *p, size_t size); /* computes the checksum */

/* Write a checksum that is known already. */
void kc_batch_set_crc(uint8_t *p, uint32_t crc);
/* The checksum b would have with these two fields; b is not changed. */
uint32_t kc_batch_crc_with(
    const struct kc_batch *b, int16_t attributes, int64_t max_timestamp);

#endif
