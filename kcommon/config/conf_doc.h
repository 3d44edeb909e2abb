/*
 * conf_doc -- the documentation of a table, printed from the table.
 */
#ifndef KC_CONF_DOC_H
#define KC_CONF_DOC_H

#include "kcommon/config/conf.h"

#include <stdio.h>

enum kc_conf_doc_form {
	KC_CONF_DOC_TEXT,
	KC_CONF_DOC_MARKDOWN,
	KC_CONF_DOC_MDOC, /* ".It" entries of a list */
};

/* Every item that is not hidden, by name.  KC_OK, KC_ENOMEM or KC_EIO. */
int kc_conf_doc(
    FILE *f, const struct kc_conf_table *t, enum kc_conf_doc_form form);

#endif
