#include "kcommon/config/properties.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/str.h"
#include "kcommon/io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A failed insertion leaves hh.tbl NULL instead of ending the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct entry {
	struct kc_prop pub;
	char *key;
	char *value;
	UT_hash_handle hh;
};

struct kc_props {
	unsigned magic;
#define KC_PROPS_MAGIC 0x91c0a7d5
	struct entry *by_key;
	struct entry **v; /* in order */
	size_t n;
	size_t cap;
};

int
kc_props_open(struct kc_props **pp)
{
	KC_ASSERT(pp != NULL && *pp == NULL);
	*pp = kc_new(struct kc_props, KC_PROPS_MAGIC);
	return *pp == NULL ? KC_ENOMEM : KC_OK;
}

static void
entry_free(struct entry *e)
{
	free(e->key);
	free(e->value);
	free(e);
}

void
kc_props_close(struct kc_props **pp)
{
	struct kc_props *p = *pp;

	if (p == NULL)
		return;
	KC_CHECK(p, KC_PROPS_MAGIC);
	HASH_CLEAR(hh, p->by_key);
	for (size_t i = 0; i < p->n; i++)
		entry_free(p->v[i]);
	free(p->v);
	kc_delete(p);
	*pp = NULL;
}

static struct entry *
find(const struct kc_props *p, const char *key)
{
	struct entry *e;

	KC_CHECK(p, KC_PROPS_MAGIC);
	HASH_FIND_STR(p->by_key, key, e);
	return e;
}

static int
add(struct kc_props *p, const char *key, char *value)
{
	struct entry *e, **v;
	size_t cap;

	if (p->n >= KC_PROPS_MAX)
		return KC_ELIMIT;
	if (p->n == p->cap) {
		cap = p->cap == 0 ? 32 : 2 * p->cap;
		if ((v = realloc(p->v, cap * sizeof *v)) == NULL)
			return KC_ENOMEM;
		p->v = v;
		p->cap = cap;
	}
	if ((e = calloc(1, sizeof *e)) == NULL)
		return KC_ENOMEM;
	if ((e->key = strdup(key)) == NULL) {
		free(e);
		return KC_ENOMEM;
	}
	HASH_ADD_KEYPTR(hh, p->by_key, e->key, strlen(e->key), e);
	if (e->hh.tbl == NULL) {
		entry_free(e);
		return KC_ENOMEM;
	}
	e->value = value;
	e->pub = (struct kc_prop){ e->key, e->value };
	p->v[p->n++] = e;
	return KC_OK;
}

int
kc_props_set(struct kc_props *p, const char *key, const char *value)
{
	struct entry *e = find(p, key);
	char *copy;
	int rc = KC_OK;

	if ((copy = strdup(value)) == NULL)
		return KC_ENOMEM;
	if (e != NULL) {
		free(e->value);
		e->value = copy;
		e->pub.value = copy;
	} else if ((rc = add(p, key, copy)) != KC_OK) {
		free(copy);
	}
	return rc;
}

void
kc_props_unset(struct kc_props *p, const char *key)
{
	struct entry *e = find(p, key);
	size_t i = 0;

	if (e == NULL)
		return;
	HASH_DEL(p->by_key, e);
	while (p->v[i] != e)
		i++;
	p->n--;
	memmove(&p->v[i], &p->v[i + 1], (p->n - i) * sizeof *p->v);
	entry_free(e);
}

const char *
kc_props_get(const struct kc_props *p, const char *key)
{
	const struct entry *e = find(p, key);

	return e == NULL ? NULL : e->value;
}

size_t
kc_props_count(const struct kc_props *p)
{
	KC_CHECK(p, KC_PROPS_MAGIC);
	return p->n;
}

const struct kc_prop *
kc_props_at(const struct kc_props *p, size_t i)
{
	KC_CHECK(p, KC_PROPS_MAGIC);
	KC_ASSERT(i < p->n);
	return &p->v[i]->pub;
}

int
kc_props_merge(struct kc_props *p, const struct kc_props *from)
{
	int rc = KC_OK;

	for (size_t i = 0; rc == KC_OK && i < from->n; i++)
		rc = kc_props_set(p, from->v[i]->key, from->v[i]->value);
	return rc;
}

/* Where the parser is, and what it makes. */
struct reader {
	const char *p;
	const char *end;
	int line; /* of the next byte, from 1 */
	int at; /* where the present logical line began */
	char *buf; /* one logical line; room for the whole text */
	size_t len;
	char *key; /* decoded; room for the whole text in UTF-8 */
	char *value;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

static bool
is_eol(char c)
{
	return c == '\n' || c == '\r';
}

/* Step over one end of line; \r\n is one. */
static void
take_eol(struct reader *r)
{
	if (*r->p == '\r' && r->p + 1 < r->end && r->p[1] == '\n')
		r->p++;
	r->p++;
	r->line++;
}

/* To the start of what is neither blank, empty line nor comment. */
static bool
skip_to_text(struct reader *r)
{
	while (r->p < r->end) {
		if (is_blank(*r->p)) {
			r->p++;
		} else if (is_eol(*r->p)) {
			take_eol(r);
		} else if (*r->p == '#' || *r->p == '!') {
			while (r->p < r->end && !is_eol(*r->p))
				r->p++;
		} else {
			return true;
		}
	}
	return false;
}

/*
 * The next logical line into buf: a line that ends in an odd number of
 * backslashes goes on in the next one, whose leading blanks are dropped.
 * False at the end.
 */
static bool
next_line(struct reader *r)
{
	bool escaped = false;

	r->len = 0;
	if (!skip_to_text(r))
		return false;
	r->at = r->line;
	while (r->p < r->end) {
		if (!is_eol(*r->p)) {
			escaped = *r->p == '\\' && !escaped;
			r->buf[r->len++] = *r->p++;
			continue;
		}
		take_eol(r);
		if (!escaped)
			return true;
		escaped = false;
		r->len--;
		while (r->p < r->end && is_blank(*r->p))
			r->p++;
		/* As in Java, only a lone backslash lets a comment follow. */
		if (r->len == 0 && !skip_to_text(r))
			return false;
	}
	if (escaped)
		r->len--;
	return r->len > 0;
}

static size_t
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Bytes of the well-formed UTF-8 sequence at p, or 0. */
static size_t
utf8_len(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t n = u[0] < 0x80 ? 1 :
	    u[0] < 0xc2	       ? 0 :
	    u[0] < 0xe0	       ? 2 :
	    u[0] < 0xf0	       ? 3 :
	    u[0] < 0xf5	       ? 4 :
				 0;

	if (n == 0 || (size_t)(end - p) < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
	    (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
		return 0;
	return n;
}

/* Four hexadecimal digits at p. */
static bool
hex4(const char *p, const char *end, uint32_t *out)
{
	uint32_t c = 0;

	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char d = p[i];

		c <<= 4;
		if (d >= '0' && d <= '9')
			c |= (uint32_t)(d - '0');
		else if (d >= 'a' && d <= 'f')
			c |= (uint32_t)(d - 'a' + 10);
		else if (d >= 'A' && d <= 'F')
			c |= (uint32_t)(d - 'A' + 10);
		else
			return false;
	}
	*out = c;
	return true;
}

/*
 * \uXXXX at p (after the u), with its second half when it is half of a pair.
 * A half alone has no UTF-8 form: '?', which is what Java would print.
 */
static const char *
decode_unicode(
    const char *p, const char *end, char *out, size_t *n, const char **wrong)
{
	uint32_t c, low;

	if (!hex4(p, end, &c)) {
		*wrong = "malformed \\uXXXX escape";
		return end;
	}
	p += 4;
	if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' &&
	    p[1] == 'u' && hex4(p + 2, end, &low) && low >= 0xdc00 &&
	    low < 0xe000) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		p += 6;
	}
	if (c == 0)
		*wrong = "a NUL character";
	if (c >= 0xd800 && c < 0xe000)
		c = '?';
	*n += put_utf8(out + *n, c);
	return p;
}

/* Escapes resolved, all in UTF-8, NUL added.  NULL, or what is wrong. */
static const char *
decode(const char *p, const char *end, char *out)
{
	const char *wrong = NULL;
	size_t n = 0, len;

	while (p < end) {
		if (*p == '\\' && p + 1 < end) {
			p++;
			if (*p == 'u') {
				p = decode_unicode(p + 1, end, out, &n, &wrong);
				continue;
			}
			if (strchr("trnf", *p) != NULL && *p != '\0') {
				out[n++] = *p == 't' ? '\t' :
				    *p == 'r'	     ? '\r' :
				    *p == 'n'	     ? '\n' :
						       '\f';
				p++;
				continue;
			}
		}
		if (*p == '\0')
			wrong = "a NUL character";
		if ((len = utf8_len(p, end)) == 0) {
			n += put_utf8(out + n, (unsigned char)*p++);
			continue;
		}
		memcpy(out + n, p, len);
		n += len;
		p += len;
	}
	out[n] = '\0';
	return wrong;
}

/* Split the logical line and decode both parts. */
static const char *
split(struct reader *r)
{
	const char *p = r->buf, *end = r->buf + r->len, *key_end, *wrong;
	bool escaped = false, sep = false;

	for (; p < end; p++) {
		if (!escaped && (*p == '=' || *p == ':' || is_blank(*p)))
			break;
		escaped = *p == '\\' && !escaped;
	}
	key_end = p;
	for (; p < end; p++) {
		if (!sep && (*p == '=' || *p == ':'))
			sep = true;
		else if (!is_blank(*p))
			break;
	}
	if ((wrong = decode(r->buf, key_end, r->key)) != NULL)
		return wrong;
	return decode(p, end, r->value);
}

static int
parse_lines(struct kc_props *p, struct reader *r, char *err, size_t err_len)
{
	const char *wrong;
	int rc;

	while (next_line(r)) {
		if ((wrong = split(r)) != NULL) {
			snprintf(err, err_len, "line %d: %s", r->at, wrong);
			return KC_EMALFORMED;
		}
		if ((rc = kc_props_set(p, r->key, r->value)) != KC_OK) {
			snprintf(err, err_len, "line %d: %s", r->at,
			    rc == KC_ELIMIT ? "too many keys" :
					      kc_strerror(rc));
			return rc;
		}
	}
	return KC_OK;
}

int
kc_props_parse(
    struct kc_props *p, const char *text, size_t len, char *err, size_t err_len)
{
	struct reader r = { .p = text, .end = text + len, .line = 1 };
	int rc = KC_ENOMEM;

	KC_CHECK(p, KC_PROPS_MAGIC);
	if (len > KC_PROPS_FILE_MAX) {
		snprintf(
		    err, err_len, "larger than %d bytes", KC_PROPS_FILE_MAX);
		return KC_ELIMIT;
	}
	snprintf(err, err_len, "%s", kc_strerror(rc));
	/* A byte of ISO-8859-1 becomes two at most. */
	r.buf = malloc(len + 1);
	r.key = malloc(2 * len + 1);
	r.value = malloc(2 * len + 1);
	if (r.buf != NULL && r.key != NULL && r.value != NULL)
		rc = parse_lines(p, &r, err, err_len);
	free(r.buf);
	free(r.key);
	free(r.value);
	return rc;
}

int
kc_props_load(struct kc_props *p, const struct kc_file_ops *f, int dirfd,
    const char *path, char *err, size_t err_len)
{
	char *text = NULL, why[160];
	size_t len;
	int rc;

	rc = kc_file_slurp(f, dirfd, path, KC_PROPS_FILE_MAX, &text, &len);
	if (rc != KC_OK) {
		snprintf(err, err_len, "%s: %s", path, kc_strerror(rc));
		return rc;
	}
	if ((rc = kc_props_parse(p, text, len, why, sizeof why)) != KC_OK)
		snprintf(err, err_len, "%s: %s", path, why);
	free(text);
	return rc;
}

/* A key's blanks are all escaped, a value's only the first. */
static void
print_text(FILE *f, const char *s, bool is_key)
{
	bool first = true;

	for (; *s != '\0'; s++, first = false) {
		switch (*s) {
		case ' ':
			fputs(is_key || first ? "\\ " : " ", f);
			break;
		case '\t':
			fputs("\\t", f);
			break;
		case '\n':
			fputs("\\n", f);
			break;
		case '\r':
			fputs("\\r", f);
			break;
		case '\f':
			fputs("\\f", f);
			break;
		case '\\':
		case '=':
		case ':':
		case '#':
		case '!':
			fputc('\\', f);
			fputc(*s, f);
			break;
		default:
			fputc(*s, f);
		}
	}
}

int
kc_props_print(const struct kc_props *p, const char *comment, int64_t wall_ms,
    char **out, size_t *len)
{
	time_t t = (time_t)(wall_ms / 1000);
	char date[64] = "";
	struct tm tm;
	bool bad;
	FILE *f;

	KC_CHECK(p, KC_PROPS_MAGIC);
	*out = NULL;
	if ((f = open_memstream(out, len)) == NULL)
		return KC_ENOMEM;
	fputc('#', f);
	for (; *comment != '\0'; comment++) {
		fputc(*comment == '\r' ? ' ' : *comment, f);
		if (*comment == '\n')
			fputc('#', f);
	}
	if (gmtime_r(&t, &tm) != NULL)
		strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", &tm);
	fprintf(f, "\n#%s\n", date);
	for (size_t i = 0; i < p->n; i++) {
		print_text(f, p->v[i]->key, true);
		fputc('=', f);
		print_text(f, p->v[i]->value, false);
		fputc('\n', f);
	}
	bad = ferror(f) != 0;
	if (fclose(f) != 0 || bad) {
		free(*out);
		*out = NULL;
		return KC_ENOMEM;
	}
	return KC_OK;
}
