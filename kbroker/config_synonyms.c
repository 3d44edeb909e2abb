/*
 * Where a value comes from, as DescribeConfigs tells it.  From Kafka:
 * ConfigHelper.configSynonyms, DynamicBrokerConfig.brokerConfigSynonyms.
 */
#include "kbroker/topic_config.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdlib.h>
#include <string.h>

struct found {
	struct kb_config_synonym *v;
	int n;
};

void
kb_config_synonyms_free(struct kb_config_synonym *v, int n)
{
	for (int i = 0; i < n; i++)
		free(v[i].value);
	free(v);
}

static int
found_add(struct found *f, const struct kc_conf_item *it, char *value,
    enum kc_conf_source src)
{
	struct kb_config_synonym *v;

	v = realloc(f->v, ((size_t)f->n + 1) * sizeof *v);
	if (v == NULL) {
		free(value);
		return KC_ENOMEM;
	}
	f->v = v;
	v[f->n++] = (struct kb_config_synonym){ it->name, value, src };
	return KC_OK;
}

static int
add_if_set(struct found *f, const struct kb_config *cfg,
    const struct kc_conf_item *it, enum kc_conf_source src)
{
	const char *text = kc_conf_text(&cfg->conf, it, src);
	char *value = NULL;

	if (text == NULL)
		return KC_OK;
	if (it->type != KC_CONF_PASSWORD &&
	    (value = kc_conf_normal(it, text)) == NULL)
		return KC_ENOMEM;
	return found_add(f, it, value, src);
}

/* The n-th of it and its synonyms; NULL after the last. */
static const struct kc_conf_item *
nth(const struct kc_conf_item *it, int n)
{
	struct kc_str rest, tok;
	char name[128];

	if (n == 0)
		return it;
	rest = kc_str(it->synonyms);
	for (int i = 0; i < n; i++)
		if (!kc_str_split(&rest, ',', &tok))
			return NULL;
	KC_ASSERT((size_t)tok.len < sizeof name);
	memcpy(name, tok.p, (size_t)tok.len);
	name[tok.len] = '\0';
	return kc_conf_find(&kb_config_table, name);
}

/*
 * By source, and in each by name; what comes before the key itself is left
 * out, so that a key that is unset everywhere has no entry at all.
 */
static int
collect(
    struct found *f, const struct kb_config *cfg, const struct kc_conf_item *it)
{
	const struct kc_conf_item *syn;
	int before = f->n, rc;

	for (int src = KC_CONF_SRC_DYN_BROKER; src <= KC_CONF_SRC_DEFAULT;
	     src++) {
		for (int i = 0; (syn = nth(it, i)) != NULL; i++) {
			if (f->n == before && syn != it)
				continue;
			rc = add_if_set(f, cfg, syn, (enum kc_conf_source)src);
			if (rc != KC_OK)
				return rc;
		}
	}
	return KC_OK;
}

static int
finish(struct found *f, int rc, struct kb_config_synonym **vp, int *n)
{
	*vp = NULL;
	*n = 0;
	if (rc != KC_OK) {
		kb_config_synonyms_free(f->v, f->n);
		return rc;
	}
	*vp = f->v;
	*n = f->n;
	return KC_OK;
}

int
kb_config_synonyms(const struct kb_config *cfg, const struct kc_conf_item *it,
    struct kb_config_synonym **vp, int *n)
{
	struct found f = { NULL, 0 };

	return finish(&f, collect(&f, cfg, it), vp, n);
}

int
kb_topic_config_synonyms(const struct kb_topic_config *tc,
    const struct kb_config *cfg, const struct kc_conf_item *it,
    struct kb_config_synonym **vp, int *n)
{
	const char *own = kc_conf_text(&tc->conf, it, KC_CONF_SRC_TOPIC);
	const struct kc_conf_item *first;
	struct found f = { NULL, 0 };
	char *value;
	int rc = KC_OK;

	if (own != NULL) {
		if ((value = kc_conf_normal(it, own)) == NULL)
			return finish(&f, KC_ENOMEM, vp, n);
		rc = found_add(&f, it, value, KC_CONF_SRC_TOPIC);
	}
	/* The broker's first key knows the others. */
	if (rc == KC_OK && it->synonyms != NULL) {
		first = nth(it, 1);
		KC_ASSERT(first != NULL);
		rc = collect(&f, cfg, first);
	}
	return finish(&f, rc, vp, n);
}
