/*
 * siphash -- SipHash-2-4 with 128 bits of output: a fast hash of short keys
 * that nobody can build collisions for without knowing the secret.
 *
 * From J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF".
 *
 * @thread any
 */
#ifndef KC_SIPHASH_H
#define KC_SIPHASH_H

#include "kcommon/base/kc.h"

#define KC_SIPHASH_KEY 16 /* bytes of secret */

struct kc_siphash { /* the 16 bytes as two little-endian numbers */
	uint64_t lo;
	uint64_t hi;
};

struct kc_siphash kc_siphash(
    const uint8_t key[KC_SIPHASH_KEY], const void *p, size_t len);

#endif
