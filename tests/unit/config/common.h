/*
 * What the tests of settings share.
 */
#ifndef TESTS_CONFIG_COMMON_H
#define TESTS_CONFIG_COMMON_H

#include "kbroker/topic_config.h"

/* What every configuration needs; tests put their own lines behind it. */
#define BASE "zookeeper.connect=localhost:2181\n"

/* Properties of text, which must be good. */
struct kc_props *props_of(const char *text);
/* KC_OK and *cfgp, or KC_EINVAL; findings in rep. */
int config_of(struct kb_config **cfgp, const char *text, struct kb_report *rep);
/* The same where it must be good; rep is dropped. */
struct kb_config *config_good(const char *text);
/* Is there a finding of that level with that text in it? */
bool reported(
    const struct kb_report *rep, enum kb_report_level level, const char *text);
/* text must be refused with a finding that has why in it. */
void expect_refused(const char *text, const char *why);

#endif
