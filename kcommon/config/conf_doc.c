#include "kcommon/config/conf_doc.h"

#include "kcommon/base/err.h"

#include <stdlib.h>
#include <string.h>

static int
by_name(const void *a, const void *b)
{
	const struct kc_conf_item *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static const char *
type_text(enum kc_conf_type type)
{
	switch (type) {
	case KC_CONF_BOOL:
		return "boolean";
	case KC_CONF_INT:
		return "int";
	case KC_CONF_SHORT:
		return "short";
	case KC_CONF_LONG:
		return "long";
	case KC_CONF_DOUBLE:
		return "double";
	case KC_CONF_LIST:
		return "list";
	case KC_CONF_CLASS:
		return "class";
	case KC_CONF_PASSWORD:
		return "password";
	case KC_CONF_STRING:
		break;
	}
	return "string";
}

static const char *
mode_text(enum kc_conf_mode mode)
{
	return mode == KC_CONF_RO ? "read-only" :
	    mode == KC_CONF_PB	  ? "per broker" :
	    mode == KC_CONF_DYN	  ? "at any time" :
				    "cluster-wide";
}

static void
range_text(const struct kc_conf_item *it, char *buf, size_t len)
{
	buf[0] = '\0';
	if (it->has_min && it->has_max)
		snprintf(buf, len, "%.10g to %.10g", it->min, it->max);
	else if (it->has_min)
		snprintf(buf, len, "%.10g or more", it->min);
	else if (it->valid != NULL)
		snprintf(buf, len, "%s", it->valid);
	else if (it->flags & KC_CONF_NONEMPTY)
		snprintf(buf, len, "not empty");
}

/* Text with the characters that start markup escaped. */
static void
put(FILE *f, enum kc_conf_doc_form form, const char *s)
{
	for (const char *p = s; *p != '\0'; p++) {
		if (form == KC_CONF_DOC_MDOC && *p == '\\')
			fputs("\\e", f);
		else if (form == KC_CONF_DOC_MDOC && *p == '-')
			fputs("\\-", f);
		else if (form == KC_CONF_DOC_MDOC && p == s &&
		    (*p == '.' || *p == '\''))
			fprintf(f, "\\&%c", *p);
		else if (form == KC_CONF_DOC_MDOC && *p == ' ' && p > s &&
		    p[-1] == '.')
			fputc('\n', f); /* a sentence a line */
		else if (form == KC_CONF_DOC_MARKDOWN && strchr("|<*_", *p))
			fprintf(f, "\\%c", *p);
		else
			fputc(*p, f);
	}
}

static void
put_dflt(FILE *f, enum kc_conf_doc_form form, const struct kc_conf_item *it)
{
	if (it->dflt == NULL)
		fputs("none", f);
	else if (*it->dflt == '\0')
		fputs("empty", f);
	else
		put(f, form, it->dflt);
}

/* "type int, default 3, 1 or more, cluster-wide" */
static void
put_facts(FILE *f, enum kc_conf_doc_form form, const struct kc_conf_item *it)
{
	char range[256];

	fprintf(f, "%s, default ", type_text(it->type));
	put_dflt(f, form, it);
	range_text(it, range, sizeof range);
	if (range[0] != '\0') {
		fputs("; ", f);
		put(f, form, range);
	}
	if (it->mode != KC_CONF_DYN) {
		fputs("; ", f);
		put(f, form, mode_text(it->mode));
	}
	if (it->flags & KC_CONF_LISTENER)
		fputs("; a listener may have its own", f);
}

static void
put_state(FILE *f, enum kc_conf_doc_form form, const struct kc_conf_item *it)
{
	if (it->state == KC_CONF_WORKS)
		return;
	fputs(it->state == KC_CONF_IDLE ? "No effect here: " : "Refused: ", f);
	put(f, form, it->why != NULL ? it->why : "not supported");
	fputc('.', f);
}

static void
print_text(FILE *f, const struct kc_conf_item *it)
{
	fprintf(f, "%s\n\t", it->name);
	put_facts(f, KC_CONF_DOC_TEXT, it);
	fprintf(f, "\n\t%s\n", it->doc);
	if (it->state != KC_CONF_WORKS) {
		fputc('\t', f);
		put_state(f, KC_CONF_DOC_TEXT, it);
		fputc('\n', f);
	}
}

static void
print_markdown(FILE *f, const struct kc_conf_item *it)
{
	char range[256];

	range_text(it, range, sizeof range);
	fprintf(f, "| `%s` | %s | ", it->name, type_text(it->type));
	put_dflt(f, KC_CONF_DOC_MARKDOWN, it);
	fputs(" | ", f);
	put(f, KC_CONF_DOC_MARKDOWN, range);
	fprintf(f, " | %s | ", mode_text(it->mode));
	put(f, KC_CONF_DOC_MARKDOWN, it->doc);
	if (it->state != KC_CONF_WORKS)
		fputc(' ', f);
	put_state(f, KC_CONF_DOC_MARKDOWN, it);
	fputs(" |\n", f);
}

static void
print_mdoc(FILE *f, const struct kc_conf_item *it)
{
	fputs(".It Cm ", f);
	put(f, KC_CONF_DOC_MDOC, it->name);
	fputs("\n.Pq ", f);
	/* One macro argument line: nothing in the facts is a macro name. */
	put_facts(f, KC_CONF_DOC_MDOC, it);
	fputs("\n.br\n", f);
	put(f, KC_CONF_DOC_MDOC, it->doc);
	fputc('\n', f);
	if (it->state != KC_CONF_WORKS) {
		put_state(f, KC_CONF_DOC_MDOC, it);
		fputc('\n', f);
	}
}

int
kc_conf_doc(FILE *f, const struct kc_conf_table *t, enum kc_conf_doc_form form)
{
	const struct kc_conf_item **v;

	if ((v = malloc(t->n * sizeof(const struct kc_conf_item *))) == NULL)
		return KC_ENOMEM;
	for (size_t i = 0; i < t->n; i++)
		v[i] = &t->v[i];
	qsort(v, t->n, sizeof(const struct kc_conf_item *), by_name);
	if (form == KC_CONF_DOC_MARKDOWN)
		fputs("| key | type | default | values | changes | meaning "
		      "|\n|---|---|---|---|---|---|\n",
		    f);
	for (size_t i = 0; i < t->n; i++) {
		if (v[i]->flags & KC_CONF_HIDDEN)
			continue;
		if (form == KC_CONF_DOC_TEXT)
			print_text(f, v[i]);
		else if (form == KC_CONF_DOC_MARKDOWN)
			print_markdown(f, v[i]);
		else
			print_mdoc(f, v[i]);
	}
	free(v);
	return ferror(f) ? KC_EIO : KC_OK;
}
