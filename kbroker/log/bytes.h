/*
 * bytes -- big-endian numbers at fixed places of a file's entries.
 */
#ifndef KB_LOG_BYTES_H
#define KB_LOG_BYTES_H

#include "kcommon/base/kc.h"

#include <endian.h>
#include <string.h>

static inline void
kb_put16(uint8_t *p, int16_t v)
{
	uint16_t be = htobe16((uint16_t)v);

	memcpy(p, &be, sizeof be);
}

static inline void
kb_put32(uint8_t *p, int32_t v)
{
	uint32_t be = htobe32((uint32_t)v);

	memcpy(p, &be, sizeof be);
}

static inline void
kb_put64(uint8_t *p, int64_t v)
{
	uint64_t be = htobe64((uint64_t)v);

	memcpy(p, &be, sizeof be);
}

static inline int16_t
kb_get16(const uint8_t *p)
{
	uint16_t be;

	memcpy(&be, p, sizeof be);
	return (int16_t)be16toh(be);
}

static inline int32_t
kb_get32(const uint8_t *p)
{
	uint32_t be;

	memcpy(&be, p, sizeof be);
	return (int32_t)be32toh(be);
}

static inline int64_t
kb_get64(const uint8_t *p)
{
	uint64_t be;

	memcpy(&be, p, sizeof be);
	return (int64_t)be64toh(be);
}

#endif
