/*
 * be -- big-endian numbers at any address, as Kafka writes them.
 *
 * For fixed positions inside bytes whose length has been checked already;
 * what comes from a peer and moves goes through kc_rd and kc_wr.
 */
#ifndef KC_BE_H
#define KC_BE_H

#include "kcommon/base/kc.h"

#include <endian.h>
#include <string.h>

static inline uint16_t
kc_be16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return be16toh(v);
}

static inline uint32_t
kc_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return be32toh(v);
}

static inline uint64_t
kc_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return be64toh(v);
}

static inline void
kc_be16_put(uint8_t *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, sizeof v);
}

static inline void
kc_be32_put(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof v);
}

static inline void
kc_be64_put(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof v);
}

#endif
