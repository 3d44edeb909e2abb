#include "kcommon/crc/crc32c.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* The sum as the polynomial defines it, a bit at a time. */
static uint32_t
by_bits(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;
	int i;

	for (; len > 0; len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (0x82f63b78u & (0 - (crc & 1)));
	}
	return ~crc;
}

/* Published values: RFC 3720 B.4 and the usual check string. */
Test(crc32c, known_values)
{
	uint8_t b[32];
	int i;

	cr_expect_eq(kc_crc32c(0, NULL, 0), 0);
	cr_expect_eq(kc_crc32c(0, "123456789", 9), 0xe3069283);
	memset(b, 0, sizeof b);
	cr_expect_eq(kc_crc32c(0, b, sizeof b), 0x8a9136aa);
	memset(b, 0xff, sizeof b);
	cr_expect_eq(kc_crc32c(0, b, sizeof b), 0x62a8ab43);
	for (i = 0; i < 32; i++)
		b[i] = (uint8_t)i;
	cr_expect_eq(kc_crc32c(0, b, sizeof b), 0x46dd794e);
}

/*
 * Goal: library and table agree with the definition, at any alignment.
 * Method: every length up to 300, each in an allocation of its own, and a
 * long one.
 */
Test(crc32c, library_table_and_definition_agree)
{
	size_t len, i;
	uint8_t *p;
	uint32_t want;

	for (len = 0; len < 300; len++) {
		p = malloc(len + 1);
		for (i = 0; i < len; i++)
			p[i + 1] = (uint8_t)(i * 37 + len);
		want = by_bits(p + 1, len);
		cr_assert_eq(kc_crc32c(0, p + 1, len), want, "%zu", len);
		cr_assert_eq(kc_crc32c_table(0, p + 1, len), want, "%zu", len);
		free(p);
	}
	len = 3000001;
	p = malloc(len);
	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(i * i >> 7);
	cr_expect_eq(kc_crc32c(0, p, len), kc_crc32c_table(0, p, len));
	free(p);
}

Test(crc32c, continues)
{
	const char *s = "a record batch in two pieces";
	size_t len = strlen(s), i;
	uint32_t whole = kc_crc32c(0, s, len);

	for (i = 0; i <= len; i++) {
		cr_expect_eq(
		    kc_crc32c(kc_crc32c(0, s, i), s + i, len - i), whole);
		cr_expect_eq(
		    kc_crc32c_table(kc_crc32c_table(0, s, i), s + i, len - i),
		    whole);
	}
}
