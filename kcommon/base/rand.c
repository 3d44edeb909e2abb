#include "kcommon/base/rand.h"

#include "kcommon/base/assert.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static void
system_fill(KC_UNUSED struct kc_rand *r, void *p, size_t n)
{
	uint8_t *at = p;
	ssize_t got;

	while (n > 0) {
		got = getrandom(at, n, 0);
		if (got < 0) {
			/* No call but an interrupted one fails on Linux. */
			KC_ASSERT(errno == EINTR);
			continue;
		}
		at += got;
		n -= (size_t)got;
	}
}

void
kc_rand_init_system(struct kc_rand *r)
{
	memset(r, 0, sizeof *r);
	r->fill = system_fill;
}

static inline uint64_t
rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

/* xoshiro256** of Blackman and Vigna. */
static uint64_t
seeded_next(struct kc_rand *r)
{
	uint64_t *s = r->state;
	uint64_t out = rotl(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

/* Little-endian, so that a seed means the same run on every machine. */
static void
seeded_fill(struct kc_rand *r, void *p, size_t n)
{
	uint8_t *at = p;
	uint64_t x = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		x = i % 8 == 0 ? seeded_next(r) : x >> 8;
		at[i] = (uint8_t)x;
	}
}

void
kc_rand_init_seed(struct kc_rand *r, uint64_t seed)
{
	uint64_t z;
	int i;

	r->fill = seeded_fill;
	/* splitmix64 spreads the seed; it never gives the all-zero state. */
	for (i = 0; i < 4; i++) {
		seed += UINT64_C(0x9e3779b97f4a7c15);
		z = seed;
		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		r->state[i] = z ^ z >> 31;
	}
}

uint64_t
kc_rand_u64(struct kc_rand *r)
{
	uint8_t b[8];
	uint64_t x = 0;
	int i;

	r->fill(r, b, sizeof b);
	for (i = 7; i >= 0; i--)
		x = x << 8 | b[i];
	return x;
}

uint64_t
kc_rand_below(struct kc_rand *r, uint64_t n)
{
	uint64_t x, skip;

	KC_ASSERT(n > 0);
	/* The lowest 2^64 mod n values would favour small results. */
	skip = -n % n;
	do {
		x = kc_rand_u64(r);
	} while (x < skip);
	return x % n;
}
