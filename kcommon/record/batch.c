#include "kcommon/record/batch.h"

#include "kcommon/base/be.h"
#include "kcommon/base/err.h"
#include "kcommon/crc/crc32c.h"

#include <zlib.h>

/* Legacy positions, from the start of the entry. */
#define LEGACY_AT_CRC 12
#define LEGACY_AT_ATTRIBUTES 17
#define LEGACY_AT_TIMESTAMP 18

static int
parse_v2(struct kc_batch *b)
{
	const uint8_t *p = b->p;

	if (b->size < KC_BATCH_OVERHEAD)
		return KC_EMALFORMED;
	b->leader_epoch = (int32_t)kc_be32(p + KC_BATCH_AT_LEADER_EPOCH);
	b->crc = kc_be32(p + KC_BATCH_AT_CRC);
	b->attributes = (int16_t)kc_be16(p + KC_BATCH_AT_ATTRIBUTES);
	b->last_delta = (int32_t)kc_be32(p + KC_BATCH_AT_LAST_DELTA);
	b->base_timestamp = (int64_t)kc_be64(p + KC_BATCH_AT_BASE_TIMESTAMP);
	b->max_timestamp = (int64_t)kc_be64(p + KC_BATCH_AT_MAX_TIMESTAMP);
	b->producer_id = (int64_t)kc_be64(p + KC_BATCH_AT_PRODUCER_ID);
	b->producer_epoch = (int16_t)kc_be16(p + KC_BATCH_AT_PRODUCER_EPOCH);
	b->base_sequence = (int32_t)kc_be32(p + KC_BATCH_AT_BASE_SEQUENCE);
	b->count = (int32_t)kc_be32(p + KC_BATCH_AT_COUNT);
	return KC_OK;
}

static int
parse_legacy(struct kc_batch *b)
{
	const uint8_t *p = b->p;
	size_t least = KC_BATCH_PREFIX +
	    (b->magic == 0 ? KC_LEGACY_V0_OVERHEAD : KC_LEGACY_V1_OVERHEAD);

	if (b->size < least)
		return KC_EMALFORMED;
	b->crc = kc_be32(p + LEGACY_AT_CRC);
	b->attributes = p[LEGACY_AT_ATTRIBUTES];
	b->base_timestamp = KC_NO_TIMESTAMP;
	b->max_timestamp = b->magic == 0 ?
	    KC_NO_TIMESTAMP :
	    (int64_t)kc_be64(p + LEGACY_AT_TIMESTAMP);
	b->producer_id = KC_NO_PRODUCER_ID;
	b->producer_epoch = -1;
	b->leader_epoch = -1;
	b->last_delta = 0;
	b->base_sequence = KC_NO_SEQUENCE;
	b->count = -1;
	return KC_OK;
}

int
kc_batch_parse(const uint8_t *p, size_t left, struct kc_batch *b)
{
	int32_t length;

	b->p = p;
	b->size = 0;
	if (left < KC_BATCH_PREFIX)
		return KC_ESHORT;
	length = (int32_t)kc_be32(p + KC_BATCH_AT_LENGTH);
	/* The least of any magic; that of its own is checked below. */
	if (length < KC_LEGACY_V0_OVERHEAD)
		return KC_EMALFORMED;
	if (left < KC_BATCH_TO_MAGIC)
		return KC_ESHORT;
	b->magic = (int8_t)p[KC_BATCH_AT_MAGIC];
	if (b->magic < 0 || b->magic > 2)
		return KC_EMALFORMED;
	b->size = KC_BATCH_PREFIX + (size_t)length;
	if (left < b->size)
		return KC_ESHORT;
	b->base_offset = (int64_t)kc_be64(p + KC_BATCH_AT_BASE_OFFSET);
	return b->magic == 2 ? parse_v2(b) : parse_legacy(b);
}

int
kc_batch_check_crc(const struct kc_batch *b)
{
	uint32_t crc;

	if (b->magic == 2)
		crc = kc_crc32c(0, b->p + KC_BATCH_AT_ATTRIBUTES,
		    b->size - KC_BATCH_AT_ATTRIBUTES);
	else
		crc = (uint32_t)crc32_z(
		    0, b->p + KC_BATCH_AT_MAGIC, b->size - KC_BATCH_AT_MAGIC);
	return crc == b->crc ? KC_OK : KC_ECRC;
}

void
kc_batch_set_base_offset(uint8_t *p, int64_t offset)
{
	kc_be64_put(p + KC_BATCH_AT_BASE_OFFSET, (uint64_t)offset);
}

void
kc_batch_set_leader_epoch(uint8_t *p, int32_t epoch)
{
	kc_be32_put(p + KC_BATCH_AT_LEADER_EPOCH, (uint32_t)epoch);
}

void
kc_batch_set_attributes(uint8_t *p, int16_t attributes)
{
	kc_be16_put(p + KC_BATCH_AT_ATTRIBUTES, (uint16_t)attributes);
}

void
kc_batch_set_max_timestamp(uint8_t *p, int64_t ts)
{
	kc_be64_put(p + KC_BATCH_AT_MAX_TIMESTAMP, (uint64_t)ts);
}

void
kc_batch_set_crc(uint8_t *p, uint32_t crc)
{
	kc_be32_put(p + KC_BATCH_AT_CRC, crc);
}

void
kc_batch_seal(uint8_t *p, size_t size)
{
	kc_batch_set_crc(p,
	    kc_crc32c(
		0, p + KC_BATCH_AT_ATTRIBUTES, size - KC_BATCH_AT_ATTRIBUTES));
}

uint32_t
kc_batch_crc_with(
    const struct kc_batch *b, int16_t attributes, int64_t max_timestamp)
{
	uint8_t head[KC_BATCH_OVERHEAD];
	uint32_t crc;

	memcpy(head, b->p, sizeof head);
	kc_batch_set_attributes(head, attributes);
	kc_batch_set_max_timestamp(head, max_timestamp);
	crc = kc_crc32c(0, head + KC_BATCH_AT_ATTRIBUTES,
	    sizeof head - KC_BATCH_AT_ATTRIBUTES);
	return kc_crc32c(
	    crc, b->p + KC_BATCH_OVERHEAD, b->size - KC_BATCH_OVERHEAD);
}
