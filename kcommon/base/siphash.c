#include "kcommon/base/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

static inline uint64_t
rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void
rounds(struct state *s, int n)
{
	while (n-- > 0) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 = rotl(s->v2, 32);
	}
}

static inline void
absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	rounds(s, 2);
	s->v0 ^= word;
}

static inline uint64_t
squeeze(const struct state *s)
{
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

struct kc_siphash
kc_siphash(const uint8_t key[KC_SIPHASH_KEY], const void *data, size_t len)
{
	uint64_t k0 = le64(key), k1 = le64(key + 8);
	struct state s = { k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573) };
	const uint8_t *p = data;
	const uint8_t *end = p + (len & ~(size_t)7);
	struct kc_siphash out;
	uint8_t last[8] = { 0 };

	for (; p < end; p += 8)
		absorb(&s, le64(p));
	/* The rest, and the length modulo 256 in the highest byte. */
	if ((len & 7) != 0)
		memcpy(last, p, len & 7);
	last[7] = (uint8_t)len;
	absorb(&s, le64(last));
	s.v2 ^= 0xee;
	rounds(&s, 4);
	out.lo = squeeze(&s);
	s.v1 ^= 0xdd;
	rounds(&s, 4);
	out.hi = squeeze(&s);
	return out;
}
