/*
 * report -- what is wrong or odd in a configuration, collected so that it is
 * told in one go.
 *
 * @thread any (a report belongs to one thread)
 */
#ifndef KB_REPORT_H
#define KB_REPORT_H

#include "kcommon/base/kc.h"

#define KB_REPORT_MAX 1000 /* later findings are only counted */

enum kb_report_level {
	KB_REPORT_WARN,
	KB_REPORT_ERROR,
};

struct kb_report_line {
	enum kb_report_level level;
	char *text;
};

struct kb_report { /* zeroed at first */
	struct kb_report_line *v;
	int n;
	int errors; /* those not kept included */
	int warnings;
};

void kb_report(struct kb_report *rep, enum kb_report_level level,
    const char *fmt, ...) KC_PRINTF(3, 4);
void kb_report_free(struct kb_report *rep);

#endif
