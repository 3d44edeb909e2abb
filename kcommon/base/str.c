#include "kcommon/base/str.h"

#include "kcommon/base/err.h"

#include <stdlib.h>

int
kc_str_cmp(struct kc_str a, struct kc_str b)
{
	int32_t n = KC_MIN(a.len, b.len);
	int c = n > 0 ? memcmp(a.p, b.p, (size_t)n) : 0;

	if (c != 0)
		return c < 0 ? -1 : 1;
	return (a.len > b.len) - (a.len < b.len);
}

char *
kc_str_dup(struct kc_str s)
{
	size_t n = s.len > 0 ? (size_t)s.len : 0;
	char *z = malloc(n + 1);

	if (z == NULL)
		return NULL;
	if (n > 0)
		memcpy(z, s.p, n);
	z[n] = '\0';
	return z;
}

static bool
tail_byte(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/*
 * Length of the well-formed UTF-8 character at p (RFC 3629: no overlong
 * form, no surrogate, nothing above U+10FFFF), or 0.
 */
static int
utf8_one(const uint8_t *p, const uint8_t *end, uint32_t *cp)
{
	uint32_t c = p[0], min;
	int n, i;

	if (c < 0x80) {
		*cp = c;
		return 1;
	}
	n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || end - p < n)
		return 0;
	c &= 0x7fu >> n;
	for (i = 1; i < n; i++) {
		if (!tail_byte(p[i]))
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	min = n == 4 ? 0x10000 : n == 3 ? 0x800 : 0x80;
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*cp = c;
	return n;
}

/* A byte that is not UTF-8 counts as U+FFFD, what Java would have read. */
int32_t
kc_str_java_hash(struct kc_str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	const uint8_t *end;
	uint32_t h = 0, cp;
	int n;

	if (s.len <= 0)
		return 0;
	for (end = p + s.len; p < end; p += n) {
		if ((n = utf8_one(p, end, &cp)) == 0) {
			n = 1;
			cp = 0xfffd;
		}
		if (cp >= 0x10000) {
			h = h * 31 + 0xd800 + ((cp - 0x10000) >> 10);
			cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
		}
		h = h * 31 + cp;
	}
	return (int32_t)h;
}

static bool
blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct kc_str
kc_str_trim(struct kc_str s)
{
	while (s.len > 0 && blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

/* Length that says: a separator ended the text, one empty token is left. */
#define LAST_EMPTY (-2)

bool
kc_str_split(struct kc_str *rest, char sep, struct kc_str *tok)
{
	const char *at;

	if (rest->len == LAST_EMPTY) {
		*tok = (struct kc_str){ rest->p, 0 };
		*rest = KC_STR_NULL;
		return true;
	}
	if (rest->len <= 0)
		return false;
	at = memchr(rest->p, sep, (size_t)rest->len);
	if (at == NULL) {
		*tok = *rest;
		*rest = KC_STR_NULL;
		return true;
	}
	*tok = (struct kc_str){ rest->p, (int32_t)(at - rest->p) };
	rest->len -= tok->len + 1;
	rest->p = at + 1;
	if (rest->len == 0)
		rest->len = LAST_EMPTY;
	return true;
}

int
kc_str_i64(struct kc_str s, int64_t *out)
{
	bool neg = false;
	int64_t v = 0;
	int32_t i = 0;

	s = kc_str_trim(s);
	if (s.len > 0 && (s.p[0] == '-' || s.p[0] == '+')) {
		neg = s.p[0] == '-';
		i = 1;
	}
	if (i >= s.len)
		return KC_EINVAL;
	for (; i < s.len; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return KC_EINVAL;
	for (i = s.p[0] == '-' || s.p[0] == '+'; i < s.len; i++) {
		int d = s.p[i] - '0';

		/* Downwards, because INT64_MIN has no positive twin. */
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, d, &v))
			return KC_ERANGE;
	}
	if (!neg && __builtin_sub_overflow(0, v, &v))
		return KC_ERANGE;
	*out = v;
	return KC_OK;
}

const char *
kc_str_esc(struct kc_str s, char *buf, size_t cap)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *p = (const uint8_t *)s.p, *end;
	size_t at = 0, safe = 0, need;
	uint32_t cp = 0;
	int n;

	if (cap == 0)
		return "";
	end = s.len > 0 ? p + s.len : p;
	while (p < end) {
		bool raw;

		n = utf8_one(p, end, &cp);
		/* U+0080 to U+009F are controls to a terminal as well. */
		raw = n > 0 && cp >= ' ' && cp != '\\' &&
		    (cp < 0x7f || cp > 0x9f);
		need = raw ? (size_t)n : 4;
		if (at + need >= cap)
			break;
		if (raw) {
			memcpy(buf + at, p, need);
			p += n;
		} else {
			buf[at] = '\\';
			buf[at + 1] = 'x';
			buf[at + 2] = hex[*p >> 4];
			buf[at + 3] = hex[*p & 15];
			p++;
		}
		at += need;
		if (at + 4 <= cap)
			safe = at; /* "..." would still fit here */
	}
	if (p < end && cap >= 4) {
		memcpy(buf + safe, "...", 3);
		at = safe + 3;
	}
	buf[at] = '\0';
	return buf;
}
