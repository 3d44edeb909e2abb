#include "kcommon/config/conf.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A parsed value on its way between text and field. */
union value {
	bool b;
	int64_t i;
	double d;
	char *s;
	struct kc_conf_list l;
};

const struct kc_conf_item *
kc_conf_find(const struct kc_conf_table *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->v[i].name, name) == 0)
			return &t->v[i];
	return NULL;
}

const char *
kc_conf_type_name(enum kc_conf_type type)
{
	static const char *const names[] = { "?", "BOOLEAN", "STRING", "INT",
		"SHORT", "LONG", "DOUBLE", "LIST", "CLASS", "PASSWORD" };

	return (size_t)type < KC_COUNT(names) ? names[type] : names[0];
}

/* Java's String.trim(): every byte up to the blank. */
static struct kc_str
trim(const char *text)
{
	struct kc_str s = kc_str(text);

	while (s.len > 0 && (unsigned char)s.p[s.len - 1] <= ' ')
		s.len--;
	while (s.len > 0 && (unsigned char)s.p[0] <= ' ') {
		s.p++;
		s.len--;
	}
	return s;
}

void
kc_conf_list_free(struct kc_conf_list *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct kc_conf_list){ NULL, 0 };
}

int
kc_conf_list_parse(struct kc_conf_list *l, const char *text)
{
	struct kc_str rest = trim(text), tok;
	int max = 1;

	for (int32_t i = 0; i < rest.len; i++)
		max += rest.p[i] == ',';
	l->n = 0;
	if ((l->v = calloc((size_t)max, sizeof *l->v)) == NULL)
		return KC_ENOMEM;
	while (kc_str_split(&rest, ',', &tok)) {
		if ((l->v[l->n] = kc_str_dup(kc_str_trim(tok))) == NULL) {
			kc_conf_list_free(l);
			return KC_ENOMEM;
		}
		l->n++;
	}
	return KC_OK;
}

bool
kc_conf_list_has(const struct kc_conf_list *l, const char *s)
{
	for (int i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

static void
value_free(const struct kc_conf_item *it, union value *v)
{
	switch (it->type) {
	case KC_CONF_STRING:
	case KC_CONF_CLASS:
	case KC_CONF_PASSWORD:
		free(v->s);
		break;
	case KC_CONF_LIST:
		kc_conf_list_free(&v->l);
		break;
	default:
		break;
	}
	memset(v, 0, sizeof *v);
}

static void
value_null(const struct kc_conf_item *it, union value *v)
{
	memset(v, 0, sizeof *v);
	switch (it->type) {
	case KC_CONF_INT:
		v->i = KC_CONF_NULL_INT;
		break;
	case KC_CONF_SHORT:
		v->i = INT16_MIN;
		break;
	case KC_CONF_LONG:
		v->i = KC_CONF_NULL_LONG;
		break;
	default:
		break;
	}
}

/*
 * Java's parseInt and its like: sign and decimal digits, nothing else.  The
 * smallest number of each type is our null, so it is out of range too.
 */
static bool
parse_integer(enum kc_conf_type type, const char *s, int64_t *out)
{
	int64_t most = type == KC_CONF_SHORT ? INT16_MAX :
	    type == KC_CONF_INT		     ? INT32_MAX :
					       INT64_MAX;
	const char *digits = s + (*s == '+' || *s == '-');
	long long n;

	if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits))
		return false;
	errno = 0;
	n = strtoll(s, NULL, 10);
	if (errno != 0 || n > most || n < -most)
		return false;
	*out = n;
	return true;
}

static bool
parse_double(const char *s, double *out)
{
	char *end;

	/* strtod() takes more names of infinity than Java does. */
	if (*s == '\0' || strspn(s, "+-.0123456789eE") != strlen(s))
		return false;
	*out = strtod(s, &end);
	return *end == '\0' && isfinite(*out);
}

/* text is trimmed.  NULL, or what is wrong; ENOMEM in *rc. */
static const char *
value_parse(
    const struct kc_conf_item *it, const char *text, union value *v, int *rc)
{
	*rc = KC_OK;
	value_null(it, v);
	switch (it->type) {
	case KC_CONF_BOOL:
		v->b = strcasecmp(text, "true") == 0;
		if (!v->b && strcasecmp(text, "false") != 0)
			return "Expected value to be either true or false";
		return NULL;
	case KC_CONF_INT:
		return parse_integer(it->type, text, &v->i) ?
		    NULL :
		    "Not a number of type INT";
	case KC_CONF_SHORT:
		return parse_integer(it->type, text, &v->i) ?
		    NULL :
		    "Not a number of type SHORT";
	case KC_CONF_LONG:
		return parse_integer(it->type, text, &v->i) ?
		    NULL :
		    "Not a number of type LONG";
	case KC_CONF_DOUBLE:
		return parse_double(text, &v->d) ?
		    NULL :
		    "Not a number of type DOUBLE";
	case KC_CONF_STRING:
	case KC_CONF_CLASS:
	case KC_CONF_PASSWORD:
		if ((v->s = strdup(text)) == NULL)
			*rc = KC_ENOMEM;
		return NULL;
	case KC_CONF_LIST:
		*rc = kc_conf_list_parse(&v->l, text);
		return NULL;
	}
	KC_ASSERT(!"type of a setting");
	return NULL;
}

static bool
one_of(const char *valid, const char *s)
{
	struct kc_str rest = kc_str(valid), tok;

	while (kc_str_split(&rest, ',', &tok))
		if (kc_str_eqz(tok, s))
			return true;
	return false;
}

/* The first part of a list that is not among the valid ones, or NULL. */
static const char *
stranger(const struct kc_conf_item *it, const union value *v)
{
	if (it->valid == NULL)
		return NULL;
	if (it->type != KC_CONF_LIST)
		return one_of(it->valid, v->s) ? NULL : v->s;
	for (int i = 0; i < v->l.n; i++)
		if (!one_of(it->valid, v->l.v[i]))
			return v->l.v[i];
	return NULL;
}

static const char *
say_valid(const char *valid, char *buf, size_t len)
{
	size_t at = (size_t)snprintf(buf, len, "String must be one of: ");

	for (; *valid != '\0' && at + 2 < len; valid++) {
		buf[at++] = *valid;
		if (*valid == ',')
			buf[at++] = ' ';
	}
	buf[at] = '\0';
	return buf;
}

/* A value that is refused, as it is shown, and why. */
struct wrong {
	const char *why; /* NULL: it is good */
	char shown[256];
	char buf[256]; /* of why, where that is no constant */
};

/* As Java prints a list. */
static void
show_list(const struct kc_conf_list *l, char *buf, size_t len)
{
	size_t at = (size_t)snprintf(buf, len, "[");
	char esc[64];

	for (int i = 0; i < l->n && at < len; i++)
		at += (size_t)snprintf(buf + at, len - at, "%s%s",
		    i > 0 ? ", " : "",
		    kc_str_esc(kc_str(l->v[i]), esc, sizeof esc));
	if (at < len)
		snprintf(buf + at, len - at, "]");
}

static void
value_check(const struct kc_conf_item *it, const char *text,
    const union value *v, struct wrong *w)
{
	double n = it->type == KC_CONF_DOUBLE ? v->d : 0;
	const char *part = stranger(it, v);

	if (it->type == KC_CONF_INT || it->type == KC_CONF_SHORT ||
	    it->type == KC_CONF_LONG)
		n = (double)v->i;
	if (it->type == KC_CONF_DOUBLE)
		kc_conf_print_double(n, w->shown, sizeof w->shown);
	/* It comes first, and may put the range into its own words. */
	if (it->check != NULL && (w->why = it->check(text)) != NULL) {
		if (it->type == KC_CONF_LIST)
			show_list(&v->l, w->shown, sizeof w->shown);
		return;
	}
	w->why = w->buf;
	if (it->has_min && n < it->min) {
		snprintf(w->buf, sizeof w->buf, "Value must be at least %.10g",
		    it->min);
	} else if (it->has_max && n > it->max) {
		snprintf(w->buf, sizeof w->buf,
		    "Value must be no more than %.10g", it->max);
	} else if ((it->flags & KC_CONF_NONEMPTY) && *text == '\0') {
		w->why = "String must be non-empty";
	} else if (part != NULL) {
		kc_str_esc(kc_str(part), w->shown, sizeof w->shown);
		say_valid(it->valid, w->buf, sizeof w->buf);
	} else {
		w->why = NULL;
	}
}

int
kc_conf_check(
    const struct kc_conf_item *it, const char *text, char *err, size_t len)
{
	struct wrong w;
	union value v;
	char *s;
	int rc;

	if ((s = kc_str_dup(trim(text))) == NULL)
		return KC_ENOMEM;
	kc_str_esc(kc_str(s), w.shown, sizeof w.shown);
	w.why = value_parse(it, s, &v, &rc);
	if (rc == KC_OK && w.why == NULL)
		value_check(it, s, &v, &w);
	value_free(it, &v);
	if (rc == KC_OK && w.why != NULL) {
		snprintf(err, len, "Invalid value %s for configuration %s: %s",
		    it->type == KC_CONF_PASSWORD ? "[hidden]" : w.shown,
		    it->name, w.why);
		rc = KC_EINVAL;
	}
	free(s);
	return rc;
}

static void *
field(const struct kc_conf *c, const struct kc_conf_item *it)
{
	return (char *)c->base + it->off;
}

static void
field_load(
    const struct kc_conf *c, const struct kc_conf_item *it, union value *v)
{
	const void *p = field(c, it);

	switch (it->type) {
	case KC_CONF_BOOL:
		v->b = *(const bool *)p;
		break;
	case KC_CONF_INT:
		v->i = *(const int32_t *)p;
		break;
	case KC_CONF_SHORT:
		v->i = *(const int16_t *)p;
		break;
	case KC_CONF_LONG:
		v->i = *(const int64_t *)p;
		break;
	case KC_CONF_DOUBLE:
		v->d = *(const double *)p;
		break;
	case KC_CONF_LIST:
		v->l = *(const struct kc_conf_list *)p;
		break;
	default:
		v->s = *(char *const *)p;
		break;
	}
}

/* The field owns what v owned. */
static void
field_store(const struct kc_conf *c, const struct kc_conf_item *it,
    const union value *v)
{
	void *p = field(c, it);

	switch (it->type) {
	case KC_CONF_BOOL:
		*(bool *)p = v->b;
		break;
	case KC_CONF_INT:
		*(int32_t *)p = (int32_t)v->i;
		break;
	case KC_CONF_SHORT:
		*(int16_t *)p = (int16_t)v->i;
		break;
	case KC_CONF_LONG:
		*(int64_t *)p = v->i;
		break;
	case KC_CONF_DOUBLE:
		*(double *)p = v->d;
		break;
	case KC_CONF_LIST:
		*(struct kc_conf_list *)p = v->l;
		break;
	default:
		*(char **)p = v->s;
		break;
	}
}

int
kc_conf_assign(
    struct kc_conf *c, const struct kc_conf_item *it, const char *text)
{
	union value v, old;
	char *s;
	int rc;

	value_null(it, &v);
	if (text != NULL) {
		if ((s = kc_str_dup(trim(text))) == NULL)
			return KC_ENOMEM;
		KC_ASSERT(value_parse(it, s, &v, &rc) == NULL);
		free(s);
		if (rc != KC_OK)
			return rc;
	}
	field_load(c, it, &old);
	value_free(it, &old);
	field_store(c, it, &v);
	return KC_OK;
}

int
kc_conf_init(struct kc_conf *c, const struct kc_conf_table *t, void *base)
{
	union value none;
	int rc;

	*c = (struct kc_conf){ .table = t, .base = base };
	memset(&none, 0, sizeof none);
	for (size_t i = 0; i < t->n; i++)
		field_store(c, &t->v[i], &none);
	for (size_t i = 0; i < t->n; i++)
		if ((rc = kc_conf_assign(c, &t->v[i], t->v[i].dflt)) != KC_OK) {
			kc_conf_fini(c);
			return rc;
		}
	return KC_OK;
}

void
kc_conf_fini(struct kc_conf *c)
{
	union value v;

	if (c->table == NULL)
		return;
	for (size_t i = 0; i < c->table->n; i++) {
		field_load(c, &c->table->v[i], &v);
		value_free(&c->table->v[i], &v);
		field_store(c, &c->table->v[i], &v);
	}
	for (size_t i = 0; i < c->n; i++)
		free(c->set[i].text);
	free(c->set);
	memset(c, 0, sizeof *c);
}

static struct kc_conf_setting *
setting(const struct kc_conf *c, const struct kc_conf_item *it,
    enum kc_conf_source src)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->set[i].item == it && c->set[i].source == src)
			return &c->set[i];
	return NULL;
}

/* text becomes the setting's. */
static int
remember(struct kc_conf *c, const struct kc_conf_item *it,
    enum kc_conf_source src, char *text)
{
	struct kc_conf_setting *s = setting(c, it, src);
	size_t cap;

	if (s != NULL) {
		free(s->text);
		s->text = text;
		return KC_OK;
	}
	if (c->n == c->cap) {
		cap = c->cap == 0 ? 8 : 2 * c->cap;
		if ((s = realloc(c->set, cap * sizeof *s)) == NULL)
			return KC_ENOMEM;
		c->set = s;
		c->cap = cap;
	}
	c->set[c->n++] = (struct kc_conf_setting){ it, src, text };
	return KC_OK;
}

int
kc_conf_set(struct kc_conf *c, const struct kc_conf_item *it,
    enum kc_conf_source src, const char *text, char *err, size_t len)
{
	char *s;
	int rc;

	KC_ASSERT(src < KC_CONF_SRC_DEFAULT);
	if ((rc = kc_conf_check(it, text, err, len)) != KC_OK)
		return rc;
	if ((s = kc_str_dup(trim(text))) == NULL)
		return KC_ENOMEM;
	if ((rc = remember(c, it, src, s)) != KC_OK) {
		free(s);
		return rc;
	}
	if (kc_conf_source(c, it) != src)
		return KC_OK;
	return kc_conf_assign(c, it, s);
}

const char *
kc_conf_text(const struct kc_conf *c, const struct kc_conf_item *it,
    enum kc_conf_source src)
{
	const struct kc_conf_setting *s;

	if (src == KC_CONF_SRC_DEFAULT)
		return it->dflt;
	s = setting(c, it, src);
	return s == NULL ? NULL : s->text;
}

enum kc_conf_source
kc_conf_source(const struct kc_conf *c, const struct kc_conf_item *it)
{
	enum kc_conf_source best = KC_CONF_SRC_DEFAULT;

	for (size_t i = 0; i < c->n; i++)
		if (c->set[i].item == it && c->set[i].source < best)
			best = c->set[i].source;
	return best;
}

/*
 * The digits that read back to the same number, the fewest of them; plain
 * from 1e-3 to below 1e7, else d.dE-n: Java's rule.
 */
void
kc_conf_print_double(double d, char *buf, size_t len)
{
	char digits[40], *e;
	int prec = 1;
	double abs = fabs(d);

	if (d == 0) {
		snprintf(buf, len, signbit(d) ? "-0.0" : "0.0");
		return;
	}
	do
		snprintf(digits, sizeof digits, "%.*e", prec++, d);
	while (prec < 18 && strtod(digits, NULL) != d);
	if (abs >= 1e-3 && abs < 1e7) {
		/* prec - 1 decimals of d.ddd; the same digits in plain form. */
		int decimals = prec - 1 - atoi(strchr(digits, 'e') + 1);

		snprintf(buf, len, "%.*f", KC_MAX(decimals, 1), d);
		for (e = buf + strlen(buf) - 1; *e == '0' && e[-1] != '.'; e--)
			*e = '\0';
		return;
	}
	e = strchr(digits, 'e');
	snprintf(buf, len, "%.*sE%d", (int)(e - digits), digits, atoi(e + 1));
}

static char *
list_print(const struct kc_conf_list *l)
{
	size_t len = 1;
	char *s, *p;

	for (int i = 0; i < l->n; i++)
		len += strlen(l->v[i]) + 1;
	if ((s = malloc(len)) == NULL)
		return NULL;
	p = s;
	for (int i = 0; i < l->n; i++) {
		if (i > 0)
			*p++ = ',';
		p = stpcpy(p, l->v[i]);
	}
	*p = '\0';
	return s;
}

/* malloc'ed; NULL for null. */
static char *
value_print(const struct kc_conf_item *it, const union value *v)
{
	union value null;
	char buf[40];

	value_null(it, &null);
	switch (it->type) {
	case KC_CONF_BOOL:
		return strdup(v->b ? "true" : "false");
	case KC_CONF_INT:
	case KC_CONF_SHORT:
	case KC_CONF_LONG:
		if (v->i == null.i)
			return NULL;
		snprintf(buf, sizeof buf, "%lld", (long long)v->i);
		return strdup(buf);
	case KC_CONF_DOUBLE:
		kc_conf_print_double(v->d, buf, sizeof buf);
		return strdup(buf);
	case KC_CONF_LIST:
		return v->l.v == NULL ? NULL : list_print(&v->l);
	default:
		return v->s == NULL ? NULL : strdup(v->s);
	}
}

char *
kc_conf_normal(const struct kc_conf_item *it, const char *text)
{
	char *s, *out = NULL;
	union value v;
	int rc;

	if ((s = kc_str_dup(trim(text))) == NULL)
		return NULL;
	KC_ASSERT(value_parse(it, s, &v, &rc) == NULL);
	if (rc == KC_OK)
		out = value_print(it, &v);
	value_free(it, &v);
	free(s);
	return out;
}

char *
kc_conf_print(const struct kc_conf *c, const struct kc_conf_item *it)
{
	union value v;

	field_load(c, it, &v);
	return value_print(it, &v);
}
