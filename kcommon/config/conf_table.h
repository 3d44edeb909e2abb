/*
 * conf_table -- attributes of a line in a .def table of settings.
 *
 * For the file that expands a table into items, nobody else: the names are
 * short because each stands in hundreds of lines.
 */
#ifndef KC_CONF_TABLE_H
#define KC_CONF_TABLE_H

#define MIN(n) .has_min = true, .min = (double)(n)
#define RANGE(lo, hi)                                                          \
	.has_min = true, .min = (double)(lo), .has_max = true,                 \
	.max = (double)(hi)
#define ONEOF(list) .valid = list
#define CHECK(fn) .check = fn
#define FLAGS(f) .flags = (f)
#define SYN(list) .synonyms = list
#define WHY(text) .why = text
#define DOC(text) .doc = text

#endif
