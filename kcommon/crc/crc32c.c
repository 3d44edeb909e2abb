#include "kcommon/crc/crc32c.h"

#include "kcommon/crc/crc32c_table.h"

#include <isa-l/crc.h>
#include <string.h>

#define ISAL_MAX (1 << 30) /* its length is an int */

static uint64_t
load_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

uint32_t
kc_crc32c_table(uint32_t crc, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint64_t v;

	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8) {
		v = load_le64(p) ^ crc;
		crc = table[7][v & 0xff] ^ table[6][v >> 8 & 0xff] ^
		    table[5][v >> 16 & 0xff] ^ table[4][v >> 24 & 0xff] ^
		    table[3][v >> 32 & 0xff] ^ table[2][v >> 40 & 0xff] ^
		    table[1][v >> 48 & 0xff] ^ table[0][v >> 56];
	}
	for (; len > 0; p++, len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 0xff];
	return ~crc;
}

/*
 * ISA-L picks the best code for the processor by itself, but what it falls
 * back to goes byte by byte.
 */
static bool
isal_is_fast(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("sse4.2") != 0;
#else
	return true;
#endif
}

/* ISA-L neither inverts the initial value nor the result. */
uint32_t
kc_crc32c(uint32_t crc, const void *buf, size_t len)
{
	uint8_t *p = (uint8_t *)(uintptr_t)buf; /* only read */
	size_t n;

	if (KC_UNLIKELY(!isal_is_fast()))
		return kc_crc32c_table(crc, buf, len);
	crc = ~crc;
	while (len > 0) {
		n = KC_MIN(len, (size_t)ISAL_MAX);
		crc = crc32_iscsi(p, (int)n, crc);
		p += n;
		len -= n;
	}
	return ~crc;
}
