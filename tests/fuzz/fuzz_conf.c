/*
 * Settings from anywhere: .properties text, whole configurations, topic
 * settings, lists and listeners.  What is accepted prints and reads back to
 * the same; nothing that the text says makes the parsers touch a byte that
 * is not theirs.
 */
#include "kbroker/topic_config.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read, printed and read again is the same. */
static void
check_round_trip(const struct kc_props *p)
{
	struct kc_props *q = NULL;
	char *text = NULL, err[200];
	size_t len;

	KC_ASSERT(kc_props_print(p, "fuzz", 0, &text, &len) == KC_OK);
	KC_ASSERT(kc_props_open(&q) == KC_OK);
	KC_ASSERT(kc_props_parse(q, text, len, err, sizeof err) == KC_OK);
	KC_ASSERT(kc_props_count(p) == kc_props_count(q));
	for (size_t i = 0; i < kc_props_count(p); i++) {
		const struct kc_prop *a = kc_props_at(p, i);
		const struct kc_prop *b = kc_props_at(q, i);

		KC_ASSERT(strcmp(a->key, b->key) == 0);
		KC_ASSERT(strcmp(a->value, b->value) == 0);
	}
	free(text);
	kc_props_close(&q);
}

/* A normal form stays as it is. */
static void
check_normal(const struct kc_conf_table *t, const struct kc_prop *p)
{
	const struct kc_conf_item *it = kc_conf_find(t, p->key);
	char err[KC_CONF_ERR_MAX], *a, *b;

	if (it == NULL || kc_conf_check(it, p->value, err, sizeof err) != KC_OK)
		return;
	a = kc_conf_normal(it, p->value);
	KC_ASSERT(a != NULL);
	KC_ASSERT(kc_conf_check(it, a, err, sizeof err) == KC_OK);
	b = kc_conf_normal(it, a);
	KC_ASSERT(b != NULL && strcmp(a, b) == 0);
	free(a);
	free(b);
}

static void
check_configs(struct kc_props *p)
{
	struct kb_config_sources src = { .statics = p };
	struct kb_config *cfg = NULL;
	struct kb_topic_config *tc = NULL;
	struct kb_report rep = { 0 };
	char err[KC_CONF_ERR_MAX];

	kb_config_open(&cfg, &src, &rep);
	kb_report_free(&rep);
	if (cfg == NULL) {
		/* A broker all the same, for the topic's settings. */
		struct kc_props *base = NULL;

		KC_ASSERT(kc_props_open(&base) == KC_OK);
		kc_props_set(base, "zookeeper.connect", "localhost");
		src = (struct kb_config_sources){ .statics = base };
		KC_ASSERT(kb_config_open(&cfg, &src, &rep) == KC_OK);
		kc_props_close(&base);
	}
	kb_report_free(&rep);
	kb_topic_config_open(&tc, cfg, p, err, sizeof err);
	kb_topic_config_put(&tc);
	KC_ASSERT(kb_topic_config_load(&tc, cfg, "t", p) == KC_OK);
	kb_topic_config_put(&tc);
	kb_config_put(&cfg);
}

static void
check_listeners(const char *text)
{
	struct kb_report rep = { 0 };
	struct kb_endpoint *v;
	struct kc_conf_list l;
	int n;

	kb_listeners_parse(&v, &n, "listeners", text, &rep);
	kb_endpoints_free(v, n);
	kb_report_free(&rep);
	KC_ASSERT(kc_conf_list_parse(&l, text) == KC_OK);
	kc_conf_list_free(&l);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kc_props *p = NULL;
	char err[200], *text;
	int rc;

	if ((text = malloc(size + 1)) == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_listeners(text);
	free(text);
	KC_ASSERT(kc_props_open(&p) == KC_OK);
	rc = kc_props_parse(p, (const char *)data, size, err, sizeof err);
	if (rc == KC_OK) {
		check_round_trip(p);
		for (size_t i = 0; i < kc_props_count(p); i++) {
			check_normal(&kb_config_table, kc_props_at(p, i));
			check_normal(&kb_topic_config_table, kc_props_at(p, i));
		}
		check_configs(p);
	}
	kc_props_close(&p);
	return 0;
}
