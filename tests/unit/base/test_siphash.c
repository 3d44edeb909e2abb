#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "kcommon/base/siphash.h"

/* Key 0 1 2 ... 15, text 0 1 2 ... n-1: from the authors' vectors. */
Test(siphash, vectors)
{
	static const struct {
		size_t n;
		uint64_t lo, hi; /* as read from the 16 bytes */
	} want[] = {
		{ 0, 0xe6a825ba047f81a3, 0x930255c71472f66d },
		{ 1, 0x44af996bd8c187da, 0x45fc229b11597634 },
		{ 2, 0xc75da4a48d227781, 0xe4ff0af6de8ba3fc },
		{ 15, 0x11a8b03399e99354, 0xd9c3cf970fec087e },
		{ 17, 0x98b88d73e8063d47, 0x4077e47ac466c054 },
	};
	uint8_t key[KC_SIPHASH_KEY], *p;
	struct kc_siphash h;
	size_t i, k;

	for (i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)i;
	for (i = 0; i < KC_COUNT(want); i++) {
		p = malloc(want[i].n);
		for (k = 0; k < want[i].n; k++)
			p[k] = (uint8_t)k;
		h = kc_siphash(key, p, want[i].n);
		cr_expect_eq(h.lo, want[i].lo, "%zu bytes", want[i].n);
		cr_expect_eq(h.hi, want[i].hi, "%zu bytes", want[i].n);
		free(p);
	}
}
