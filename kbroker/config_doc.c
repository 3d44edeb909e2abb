#include "kbroker/config_doc.h"

#include "kbroker/topic_config.h"
#include "kcommon/base/err.h"
#include "kcommon/config/conf_doc.h"

static int
section(FILE *f, const char *title, const struct kc_conf_table *t)
{
	int rc;

	fprintf(f, ".Sh %s\n.Bl -tag -width Ds\n", title);
	rc = kc_conf_doc(f, t, KC_CONF_DOC_MDOC);
	fputs(".El\n", f);
	return rc;
}

int
kb_config_doc_mdoc(FILE *f)
{
	int rc;

	fputs(KB_CONFIG_DOC_BEGIN, f);
	rc = section(f, "SETTINGS OF A BROKER", &kb_config_table);
	if (rc == KC_OK)
		rc = section(f, "SETTINGS OF A TOPIC", &kb_topic_config_table);
	fputs(KB_CONFIG_DOC_END, f);
	return rc;
}
