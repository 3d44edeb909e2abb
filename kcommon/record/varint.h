/*
 * varint -- Kafka's zig-zag numbers for the record loop; private.
 *
 * kc_rd reads the same numbers with a sticky error; here the walk over
 * millions of records pays for every branch, and nearly all numbers are of
 * one byte or two.  Non-minimal forms are read, overflowing ones are not.
 */
#ifndef KC_VARINT_H
#define KC_VARINT_H

#include "kcommon/base/kc.h"

#define KC_VARINT_MAX 5
#define KC_VARLONG_MAX 10

static inline bool
kc_uvarlong_get_slow(
    const uint8_t **pp, const uint8_t *end, int max, uint64_t *v)
{
	const uint8_t *p = *pp;
	uint64_t x = 0;
	int i;

	for (i = 0; i < max && p < end; i++) {
		x |= (uint64_t)(*p & 0x7f) << (7 * i);
		if ((*p++ & 0x80) == 0) {
			/* Ten bytes carry 70 bits. */
			if (i == KC_VARLONG_MAX - 1 && p[-1] > 1)
				return false;
			*pp = p;
			*v = x;
			return true;
		}
	}
	return false;
}

/* Moves *p past the number; false when it is cut or does not fit. */
static inline bool
kc_varint_get(const uint8_t **p, const uint8_t *end, int32_t *v)
{
	uint64_t x;

	if (KC_LIKELY(*p < end && **p < 0x80))
		x = *(*p)++;
	else if (KC_LIKELY(end - *p >= 2 && (*p)[1] < 0x80)) {
		x = ((*p)[0] & 0x7fu) | (uint64_t)(*p)[1] << 7;
		*p += 2;
	} else if (!kc_uvarlong_get_slow(p, end, KC_VARINT_MAX, &x) ||
	    x > UINT32_MAX)
		return false;
	*v = (int32_t)((uint32_t)x >> 1 ^ (0 - ((uint32_t)x & 1)));
	return true;
}

static inline bool
kc_varlong_get(const uint8_t **p, const uint8_t *end, int64_t *v)
{
	uint64_t x;

	if (KC_LIKELY(*p < end && **p < 0x80))
		x = *(*p)++;
	else if (KC_LIKELY(end - *p >= 2 && (*p)[1] < 0x80)) {
		x = ((*p)[0] & 0x7fu) | (uint64_t)(*p)[1] << 7;
		*p += 2;
	} else if (!kc_uvarlong_get_slow(p, end, KC_VARLONG_MAX, &x))
		return false;
	*v = (int64_t)(x >> 1 ^ (0 - (x & 1)));
	return true;
}

/* Writes at p, which has room for KC_VARLONG_MAX bytes; returns the length. */
static inline size_t
kc_varlong_put(uint8_t *p, int64_t v)
{
	uint64_t x = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
	size_t n = 0;

	for (; x >= 0x80; x >>= 7)
		p[n++] = (uint8_t)(x | 0x80);
	p[n++] = (uint8_t)x;
	return n;
}

/* The bytes kc_varlong_put() writes; the same for a number of 32 bits. */
static inline size_t
kc_varlong_size(int64_t v)
{
	uint64_t x = (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
	size_t n = 1;

	for (; x >= 0x80; x >>= 7)
		n++;
	return n;
}

#endif
