#include "kbroker/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
kb_report(
    struct kb_report *rep, enum kb_report_level level, const char *fmt, ...)
{
	struct kb_report_line *v;
	char *text;
	va_list ap;

	if (level == KB_REPORT_ERROR)
		rep->errors++;
	else
		rep->warnings++;
	if (rep->n >= KB_REPORT_MAX)
		return;
	/* A finding that cannot be kept still counts. */
	v = realloc(rep->v, ((size_t)rep->n + 1) * sizeof *v);
	if (v == NULL)
		return;
	rep->v = v;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text != NULL)
		v[rep->n++] = (struct kb_report_line){ level, text };
}

void
kb_report_free(struct kb_report *rep)
{
	for (int i = 0; i < rep->n; i++)
		free(rep->v[i].text);
	free(rep->v);
	*rep = (struct kb_report){ 0 };
}
