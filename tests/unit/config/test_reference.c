/*
 * The tables against what a real broker says of its settings.  Its answers
 * are in $KB_SHARED, or beside the source tree; skipped without them.
 */
#include "tests/unit/config/common.h"

#include "kbroker/config_doc.h"
#include "kcommon/base/err.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const sources[] = { "?", "DYNAMIC_TOPIC", "DYNAMIC_BROKER",
	"DYNAMIC_DEFAULT", "STATIC_BROKER", "DEFAULT" };

static FILE *
open_captured(const char *name)
{
	const char *shared = getenv("KB_SHARED");
	char path[512];
	FILE *f;

	snprintf(path, sizeof path, "%s/reference/captured/%s",
	    shared != NULL ? shared : KT_SRCDIR "/../shared", name);
	if ((f = fopen(path, "r")) == NULL)
		cr_skip_test("no %s: set KB_SHARED", name);
	return f;
}

/* The next entry, owned; NULL at the end. */
static json_t *
next(FILE *f)
{
	char *line = NULL;
	size_t cap = 0;
	json_t *j = NULL;

	while (j == NULL && getline(&line, &cap, f) > 0)
		if (line[0] == '{')
			j = json_loads(line, 0, NULL);
	free(line);
	return j;
}

static const char *
text(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

/* Names and numbers in one line each, as the captured synonyms are. */
static void
check_synonyms(const json_t *want, const struct kb_config_synonym *v, int n,
    const char *name)
{
	char line[512];

	cr_expect_eq(json_array_size(want), (size_t)n, "%s", name);
	for (int i = 0; i < n && i < (int)json_array_size(want); i++) {
		const char *w =
		    json_string_value(json_array_get(want, (size_t)i));

		/* The port is not in the captured text. */
		if (strcmp(name, "listeners") == 0 &&
		    v[i].source == KC_CONF_SRC_STATIC)
			continue;
		snprintf(line, sizeof line, "%s=%s (%s)", v[i].name, v[i].value,
		    sources[v[i].source]);
		cr_expect_str_eq(line, w);
	}
}

static void
check_item(const json_t *j, const struct kc_conf_table *t)
{
	const char *name = text(j, "name");
	const struct kc_conf_item *it = kc_conf_find(t, name);
	char *dflt;

	cr_assert_not_null(it, "%s is missing", name);
	cr_expect_str_eq(
	    kc_conf_type_name(it->type), text(j, "type"), "%s", name);
	cr_expect_eq(it->type == KC_CONF_PASSWORD,
	    json_is_true(json_object_get(j, "sensitive")), "%s", name);
	cr_expect_eq(it->mode == KC_CONF_RO,
	    json_is_true(json_object_get(j, "read_only")), "%s", name);
	cr_expect_not(it->flags & KC_CONF_HIDDEN, "%s", name);
	if (strcmp(text(j, "source"), "DEFAULT") != 0)
		return;
	dflt = it->dflt == NULL ? NULL : kc_conf_normal(it, it->dflt);
	if (dflt == NULL || text(j, "value") == NULL)
		cr_expect(dflt == NULL && text(j, "value") == NULL, "%s", name);
	else
		cr_expect_str_eq(dflt, text(j, "value"), "%s", name);
	free(dflt);
}

static size_t
listed(const struct kc_conf_table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += !(t->v[i].flags & KC_CONF_HIDDEN) &&
		    strncmp(t->v[i].name, "kbroker.", 8) != 0; /* ours */
	return n;
}

Test(reference, broker)
{
	FILE *f = open_captured("describe-configs-broker.jsonl");
	struct kb_config *cfg = config_good(
	    "broker.id=0\ngroup.initial.rebalance.delay.ms=0\n"
	    "listeners=PLAINTEXT://127.0.0.1:9092\nlog.dirs=DIR/data\n"
	    "offsets.topic.replication.factor=1\n"
	    "transaction.state.log.min.isr=1\n"
	    "transaction.state.log.replication.factor=1\n"
	    "zookeeper.connect=127.0.0.1:ZKPORT\n"
	    "zookeeper.session.timeout.ms=6000\n");
	size_t count = 0;
	json_t *j;

	for (; (j = next(f)) != NULL; count++) {
		const struct kc_conf_item *it =
		    kc_conf_find(&kb_config_table, text(j, "name"));
		struct kb_config_synonym *v;
		int n;

		check_item(j, &kb_config_table);
		cr_assert_eq(kb_config_synonyms(cfg, it, &v, &n), KC_OK);
		check_synonyms(json_object_get(j, "synonyms"), v, n, it->name);
		cr_expect_str_eq(sources[kc_conf_source(&cfg->conf, it)],
		    text(j, "source"), "%s", it->name);
		kb_config_synonyms_free(v, n);
		json_decref(j);
	}
	cr_expect_eq(count, listed(&kb_config_table));
	kb_config_put(&cfg);
	fclose(f);
}

Test(reference, topic)
{
	FILE *f = open_captured("describe-configs-topic.jsonl");
	struct kb_config *cfg = config_good(BASE);
	struct kc_props *own = props_of("retention.ms=1000000\n");
	struct kb_topic_config *tc = NULL;
	char err[KC_CONF_ERR_MAX];
	size_t count = 0;
	json_t *j;

	cr_assert_eq(
	    kb_topic_config_open(&tc, cfg, own, err, sizeof err), KC_OK);
	for (; (j = next(f)) != NULL; count++) {
		const struct kc_conf_item *it =
		    kc_conf_find(&kb_topic_config_table, text(j, "name"));
		struct kb_config_synonym *v;
		char *value;
		int n;

		check_item(j, &kb_topic_config_table);
		cr_assert_eq(
		    kb_topic_config_synonyms(tc, cfg, it, &v, &n), KC_OK);
		check_synonyms(json_object_get(j, "synonyms"), v, n, it->name);
		kb_config_synonyms_free(v, n);
		value = kc_conf_print(&tc->conf, it);
		cr_expect_str_eq(value, text(j, "value"), "%s", it->name);
		free(value);
		json_decref(j);
	}
	cr_expect_eq(count, listed(&kb_topic_config_table));
	kb_topic_config_put(&tc);
	kc_props_close(&own);
	kb_config_put(&cfg);
	fclose(f);
}

/*
 * Goal: the manual page has the settings that the program has.  `make
 * update-man` brings it up to date.
 */
Test(reference, manual_page_is_current)
{
	char *page = NULL, *want = NULL;
	size_t len, want_len;
	const char *at;
	FILE *f;

	f = fopen(KT_SRCDIR "/doc/server.properties.5", "r");
	cr_assert_not_null(f);
	cr_assert(getdelim(&page, &len, '\0', f) > 0);
	fclose(f);
	f = open_memstream(&want, &want_len);
	cr_assert_eq(kb_config_doc_mdoc(f), KC_OK);
	fclose(f);
	at = strstr(page, KB_CONFIG_DOC_BEGIN);
	cr_assert_not_null(at);
	cr_expect(strncmp(at, want, want_len) == 0,
	    "doc/server.properties.5 is not what kbroker -x mdoc prints: "
	    "run make update-man");
	free(page);
	free(want);
}
