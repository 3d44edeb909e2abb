#include "kcommon/base/uuid.h"

#include "kcommon/base/err.h"
#include "kcommon/base/rand.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool
kc_uuid_is_zero(const struct kc_uuid *u)
{
	return kc_uuid_eq(u, &KC_UUID_ZERO);
}

bool
kc_uuid_eq(const struct kc_uuid *a, const struct kc_uuid *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}

const char *
kc_uuid_text(const struct kc_uuid *u, char *buf)
{
	uint32_t acc = 0;
	int bits = 0, i, at = 0;

	for (i = 0; i < 16; i++) {
		acc = acc << 8 | u->b[i];
		for (bits += 8; bits >= 6; bits -= 6)
			buf[at++] = alphabet[acc >> (bits - 6) & 63];
	}
	/* 128 bits leave two; base64 fills the last digit with zeros. */
	buf[at++] = alphabet[acc << (6 - bits) & 63];
	buf[at] = '\0';
	return buf;
}

static int
digit(char c)
{
	const char *at = c == '\0' ? NULL : strchr(alphabet, c);

	return at == NULL ? -1 : (int)(at - alphabet);
}

/*
 * As Java's URL decoder reads it: the padding may be there, and the four
 * bits that do not count are not looked at.
 */
int
kc_uuid_parse(struct kc_str s, struct kc_uuid *u)
{
	uint32_t acc = 0;
	int bits = 0, i, d, at = 0;

	if (s.len == 24 && s.p[22] == '=' && s.p[23] == '=')
		s.len = 22;
	if (s.len != 22)
		return KC_EINVAL;
	for (i = 0; i < s.len; i++) {
		if ((d = digit(s.p[i])) < 0)
			return KC_EINVAL;
		acc = acc << 6 | (uint32_t)d;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			u->b[at++] = (uint8_t)(acc >> bits);
		}
	}
	return KC_OK;
}

static bool
reserved(const struct kc_uuid *u)
{
	static const struct kc_uuid zero, one = { { [15] = 1 } };

	return kc_uuid_eq(u, &zero) || kc_uuid_eq(u, &one);
}

void
kc_uuid_random(struct kc_rand *r, struct kc_uuid *u)
{
	do {
		r->fill(r, u->b, sizeof u->b);
		u->b[6] = (uint8_t)((u->b[6] & 0x0f) | 0x40); /* version 4 */
		u->b[8] = (uint8_t)((u->b[8] & 0x3f) | 0x80); /* variant 2 */
		/* 62 is '-': it would look like an option on a command line. */
	} while (reserved(u) || u->b[0] >> 2 == 62);
}
