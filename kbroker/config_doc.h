/*
 * config_doc -- the settings part of server.properties(5), from the tables.
 */
#ifndef KB_CONFIG_DOC_H
#define KB_CONFIG_DOC_H

#include <stdio.h>

/* The lines around what kb_config_doc_mdoc() prints, in the page. */
#define KB_CONFIG_DOC_BEGIN ".\\\" Printed by kbroker -x mdoc, begin\n"
#define KB_CONFIG_DOC_END ".\\\" Printed by kbroker -x mdoc, end\n"

/* Two sections with their lists, begin and end lines included. */
int kb_config_doc_mdoc(FILE *f);

#endif
