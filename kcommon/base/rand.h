/*
 * rand -- random numbers through the environment.
 *
 * Production fills from getrandom(2) and may be shared by threads; the
 * simulator and tests give a seed, and the same seed gives the same run.
 * Not for keys and nonces: those come from OpenSSL.
 */
#ifndef KC_RAND_H
#define KC_RAND_H

#include "kcommon/base/kc.h"

struct kc_rand {
	void (*fill)(struct kc_rand *r, void *p, size_t n);
	uint64_t state[4]; /* xoshiro256**, used by the seeded kind only */
};

void kc_rand_init_system(struct kc_rand *r); /* @thread any, shared */
void kc_rand_init_seed(struct kc_rand *r, uint64_t seed); /* one thread */
uint64_t kc_rand_u64(struct kc_rand *r);
uint64_t kc_rand_below(struct kc_rand *r, uint64_t n); /* 0..n-1, n > 0 */

#endif
