#include "tests/unit/config/common.h"

#include "kcommon/base/err.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct kc_props *
props_of(const char *text)
{
	struct kc_props *p = NULL;
	char err[200];

	cr_assert_eq(kc_props_open(&p), KC_OK);
	cr_assert_eq(
	    kc_props_parse(p, text, strlen(text), err, sizeof err), KC_OK);
	return p;
}

int
config_of(struct kb_config **cfgp, const char *text, struct kb_report *rep)
{
	struct kc_props *p = props_of(text);
	struct kb_config_sources src = { .statics = p };
	int rc;

	rc = kb_config_open(cfgp, &src, rep);
	kc_props_close(&p);
	return rc;
}

struct kb_config *
config_good(const char *text)
{
	struct kb_config *cfg = NULL;
	struct kb_report rep = { 0 };
	int rc = config_of(&cfg, text, &rep);

	cr_assert_eq(rc, KC_OK, "%s: %s", text,
	    rep.n > 0 ? rep.v[0].text : "no finding");
	kb_report_free(&rep);
	return cfg;
}

bool
reported(
    const struct kb_report *rep, enum kb_report_level level, const char *text)
{
	for (int i = 0; i < rep->n; i++)
		if (rep->v[i].level == level &&
		    strstr(rep->v[i].text, text) != NULL)
			return true;
	return false;
}

void
expect_refused(const char *text, const char *why)
{
	struct kb_config *cfg = NULL;
	struct kb_report rep = { 0 };

	cr_expect_eq(config_of(&cfg, text, &rep), KC_EINVAL, "%s", text);
	cr_expect_null(cfg);
	cr_expect(reported(&rep, KB_REPORT_ERROR, why), "%s: %s, not: %s", text,
	    rep.n > 0 ? rep.v[0].text : "no finding", why);
	kb_config_put(&cfg);
	kb_report_free(&rep);
}
