/*
 * str -- borrowed bytes.
 *
 * A kc_str never owns what it points to; the comment where one is stored
 * says what it borrows from.  len -1 is Kafka's null (p is NULL then).
 */
#ifndef KC_STR_H
#define KC_STR_H

#include "kcommon/base/kc.h"

#include <string.h>

struct kc_str { /* borrowed bytes; len -1 is Kafka's null */
	const char *p;
	int32_t len;
};

#define KC_STR_NULL ((struct kc_str){ NULL, -1 })
#define KC_STR_LIT(s) ((struct kc_str){ (s), (int32_t)sizeof(s) - 1 })
/* For printf("%.*s"): an int and a pointer; null prints as nothing. */
#define KC_STR_ARG(s) ((s).len < 0 ? 0 : (s).len), ((s).p != NULL ? (s).p : "")

static inline struct kc_str
kc_str(const char *z) /* NULL gives null */
{
	return z == NULL ? KC_STR_NULL :
			   (struct kc_str){ z, (int32_t)strlen(z) };
}

static inline bool
kc_str_eq(struct kc_str a, struct kc_str b)
{
	return a.len == b.len &&
	    (a.len <= 0 || memcmp(a.p, b.p, (size_t)a.len) == 0);
}

static inline bool
kc_str_eqz(struct kc_str a, const char *z)
{
	return kc_str_eq(a, kc_str(z));
}

/* memcmp order, shorter first; null before empty. */
int kc_str_cmp(struct kc_str a, struct kc_str b);
/* A malloc'ed NUL-terminated copy; null gives "".  NULL when out of memory. */
char *kc_str_dup(struct kc_str s);
/* Java's String.hashCode over ASCII/UTF-8 text (surrogates included). */
int32_t kc_str_java_hash(struct kc_str s);
/* Strip blanks at both ends. */
struct kc_str kc_str_trim(struct kc_str s);
/*
 * Split off what is before the next sep: *rest advances past it.  False at
 * the end.  An empty *rest gives false, "a," gives "a" and then "".  Between
 * calls *rest is for the next call only: its length may be negative.
 */
bool kc_str_split(struct kc_str *rest, char sep, struct kc_str *tok);
/* Whole string as decimal, blanks trimmed.  KC_OK, KC_EINVAL, KC_ERANGE. */
int kc_str_i64(struct kc_str s, int64_t *out);
/*
 * Escape control bytes, backslash and broken UTF-8 as \xNN (for logs: text
 * from a peer must not forge lines).  Writes at most cap bytes with the NUL;
 * a cut text ends in "...".  Returns buf.
 */
const char *kc_str_esc(struct kc_str s, char *buf, size_t cap);

#endif
