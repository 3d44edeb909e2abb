/*
 * What DescribeConfigs tells of one resource.
 *
 * The order of settings is the tables', extra ones last; Kafka's is that of
 * a hash map.
 */
#include "kbroker/api/configs.h"
#include "kbroker/loggers.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdio.h>
#include <stdlib.h>

/* Sources of the protocol that no setting of a table has. */
#define SOURCE_BROKER_LOGGER 6
/* A setting that no table knows: its type is not told. */
#define TYPE_UNKNOWN 0
#define LISTENER_PREFIX "listener.name."

typedef struct kp_describe_configs_resource_result entry;

struct describe { /* one resource under way */
	const struct kb_describe *d;
	struct kc_str *keys; /* wanted, sorted */
	size_t nkeys; /* 0: all */
	struct kp_describe_configs_result *out;
	int32_t cap;
};

static int
by_str(const void *a, const void *b)
{
	return kc_str_cmp(*(const struct kc_str *)a, *(const struct kc_str *)b);
}

static bool
wanted(const struct describe *x, const char *name)
{
	struct kc_str s = kc_str(name);

	return x->nkeys == 0 ||
	    bsearch(&s, x->keys, x->nkeys, sizeof s, by_str) != NULL;
}

/* The next entry, with defaults; NULL when the arena is full. */
static entry *
add(struct describe *x, const char *name)
{
	struct kp_describe_configs_result *out = x->out;
	int32_t cap = KC_MAX(2 * x->cap, 16);
	entry *v, *e;

	if (out->configs.n == x->cap) {
		v = kp_new(x->d->arena,
		    kp_desc_describe_configs_resource_result(), cap);
		if (v == NULL)
			return NULL;
		for (int32_t i = 0; i < out->configs.n; i++)
			v[i] = out->configs.v[i];
		out->configs.v = v;
		x->cap = cap;
	}
	e = &out->configs.v[out->configs.n++];
	e->name = kc_arena_str(x->d->arena, kc_str(name));
	e->documentation = KC_STR_NULL;
	return e->name.p == NULL ? NULL : e;
}

/* Takes over text, which is malloc'ed or NULL. */
static int
take_text(const struct describe *x, char *text, struct kc_str *out)
{
	*out = kc_arena_str(x->d->arena, kc_str(text));
	if (text != NULL && out->p == NULL) {
		free(text);
		return KC_ENOMEM;
	}
	free(text);
	return KC_OK;
}

/* v[0..n), which are freed here. */
static int
put_synonyms(
    const struct describe *x, entry *e, struct kb_config_synonym *v, int n)
{
	int rc = KC_OK;

	e->config_source = n > 0 ? (int8_t)v[0].source : KC_CONF_SRC_DEFAULT;
	if (x->d->synonyms &&
	    !KP_ARRAY(x->d->arena, &e->synonyms, describe_configs_synonym, n))
		rc = KC_ENOMEM;
	for (int i = 0; i < n && rc == KC_OK && x->d->synonyms; i++) {
		struct kp_describe_configs_synonym *s = &e->synonyms.v[i];

		s->name = kc_arena_str(x->d->arena, kc_str(v[i].name));
		s->value = kc_arena_str(x->d->arena, kc_str(v[i].value));
		s->source = (int8_t)v[i].source;
		if (s->name.p == NULL ||
		    (v[i].value != NULL && s->value.p == NULL))
			rc = KC_ENOMEM;
	}
	kb_config_synonyms_free(v, n);
	return rc;
}

/* What the table says of a key: type, secrecy, documentation. */
static void
put_item(const struct describe *x, entry *e, const struct kc_conf_item *it)
{
	e->config_type = it != NULL ? (int8_t)it->type : TYPE_UNKNOWN;
	/* An unknown one may be a password. */
	e->is_sensitive = it == NULL || it->type == KC_CONF_PASSWORD;
	if (x->d->documentation && it != NULL)
		e->documentation = kc_str(it->doc);
}

/* --- topics ----------------------------------------------------------------
 */

static int
topic_entry(struct describe *x, const struct kc_conf_item *it)
{
	struct kb_config_synonym *v = NULL;
	entry *e = add(x, it->name);
	int n = 0, rc;

	if (e == NULL)
		return KC_ENOMEM;
	put_item(x, e, it);
	rc = kb_topic_config_synonyms(x->d->tc, x->d->config, it, &v, &n);
	if (rc == KC_OK)
		rc = put_synonyms(x, e, v, n);
	if (rc == KC_OK)
		rc =
		    take_text(x, kc_conf_print(&x->d->tc->conf, it), &e->value);
	return rc;
}

static int
topic(struct describe *x)
{
	const struct kc_conf_table *t = &kb_topic_config_table;
	int rc = KC_OK;

	for (size_t i = 0; i < t->n && rc == KC_OK; i++)
		if ((t->v[i].flags & KC_CONF_HIDDEN) == 0 &&
		    wanted(x, t->v[i].name))
			rc = topic_entry(x, &t->v[i]);
	return rc;
}

/* --- brokers ---------------------------------------------------------------
 */

/* Leaves of v, which is ours, those set for the whole cluster. */
static int
only_default(struct kb_config_synonym *v, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++) {
		if (v[i].source == KC_CONF_SRC_DYN_DEFAULT)
			v[kept++] = v[i];
		else
			free(v[i].value);
	}
	return kept;
}

static int
broker_entry(struct describe *x, const struct kc_conf_item *it, bool whole)
{
	const struct kb_config *cfg = x->d->config;
	struct kb_config_synonym *v = NULL;
	entry *e = add(x, it->name);
	char *text = NULL;
	int n = 0, rc;

	if (e == NULL)
		return KC_ENOMEM;
	put_item(x, e, it);
	e->read_only =
	    it->mode == KC_CONF_RO || (it->flags & KC_CONF_DYNAMIC) != 0;
	rc = kb_config_synonyms(cfg, it, &v, &n);
	if (rc == KC_OK)
		rc = put_synonyms(x, e, v, whole ? n : only_default(v, n));
	if (rc != KC_OK || e->is_sensitive) {
		e->value = KC_STR_NULL;
		return rc;
	}
	if (whole)
		text = kc_conf_print(&cfg->conf, it);
	else
		text = strdup(
		    kc_conf_text(&cfg->conf, it, KC_CONF_SRC_DYN_DEFAULT));
	return take_text(x, text, &e->value);
}

static int
add_synonym(struct kb_config_synonym *v, int *n, const char *name,
    const char *text, bool secret, enum kc_conf_source source)
{
	char *value = NULL;

	if (text == NULL)
		return KC_OK;
	if (!secret && (value = strdup(text)) == NULL)
		return KC_ENOMEM;
	v[(*n)++] = (struct kb_config_synonym){ name, value, source };
	return KC_OK;
}

/*
 * A listener's own setting, then the one it stands before, source by source;
 * without those that come before the name itself.
 */
static int
extra_synonyms(const struct kb_config *cfg, const struct kb_config_extra *ex,
    bool whole, struct kb_config_synonym **vp, int *n)
{
	struct kb_config_synonym *v = calloc(8, sizeof *v);
	bool secret = ex->item == NULL || ex->item->type == KC_CONF_PASSWORD;
	int rc = v == NULL ? KC_ENOMEM : KC_OK;

	for (int s = KC_CONF_SRC_DYN_BROKER;
	     s <= KC_CONF_SRC_DEFAULT && rc == KC_OK; s++) {
		if (!whole && s != KC_CONF_SRC_DYN_DEFAULT)
			continue;
		rc = add_synonym(v, n, ex->name,
		    kb_config_text(cfg, ex->name, s), secret, s);
		if (rc == KC_OK && *n > 0 && ex->item != NULL)
			rc = add_synonym(v, n, ex->item->name,
			    kc_conf_text(&cfg->conf, ex->item, s), secret, s);
	}
	if (rc != KC_OK) {
		kb_config_synonyms_free(v, *n);
		*n = 0;
		return rc;
	}
	*vp = v;
	return KC_OK;
}

/* A key of a listener, or one that no table knows. */
static int
extra_entry(struct describe *x, const struct kb_config_extra *ex, bool whole)
{
	struct kb_config_synonym *v = NULL;
	entry *e = add(x, ex->name);
	int n = 0, rc;

	if (e == NULL)
		return KC_ENOMEM;
	put_item(x, e, ex->item);
	e->documentation = KC_STR_NULL; /* that is the bare key's */
	e->read_only = true; /* as Kafka says of every prefixed name */
	e->value = KC_STR_NULL;
	rc = extra_synonyms(x->d->config, ex, whole, &v, &n);
	if (rc == KC_OK)
		rc = put_synonyms(x, e, v, n);
	if (rc == KC_OK && !e->is_sensitive) {
		e->value = kc_arena_str(x->d->arena, kc_str(ex->text));
		rc = e->value.p == NULL ? KC_ENOMEM : KC_OK;
	}
	return rc;
}

/* The strongest setting of each name, or the one for the whole cluster. */
static bool
first_extra(const struct kb_config *cfg, size_t at, bool whole)
{
	const struct kb_config_extra *ex = &cfg->extra[at];

	if (!whole)
		return ex->source == KC_CONF_SRC_DYN_DEFAULT;
	for (size_t i = 0; i < cfg->n_extra; i++)
		if (cfg->extra[i].source < ex->source &&
		    strcmp(cfg->extra[i].name, ex->name) == 0)
			return false;
	return true;
}

static bool
has_default(const struct kb_config *cfg, const struct kc_conf_item *it)
{
	return kc_conf_text(&cfg->conf, it, KC_CONF_SRC_DYN_DEFAULT) != NULL;
}

/* whole: all settings of this broker; else what is set for all brokers. */
static int
broker(struct describe *x, bool whole)
{
	const struct kb_config *cfg = x->d->config;
	const struct kc_conf_table *t = &kb_config_table;
	int rc = KC_OK;

	for (size_t i = 0; i < t->n && rc == KC_OK; i++) {
		const struct kc_conf_item *it = &t->v[i];
		bool quiet = it->flags & (KC_CONF_HIDDEN | KC_CONF_DYNAMIC);

		if (!wanted(x, it->name) || (!whole && !has_default(cfg, it)))
			continue;
		if (quiet &&
		    kc_conf_source(&cfg->conf, it) == KC_CONF_SRC_DEFAULT)
			continue;
		rc = broker_entry(x, it, whole);
	}
	for (size_t i = 0; i < cfg->n_extra && rc == KC_OK; i++)
		if (wanted(x, cfg->extra[i].name) && first_extra(cfg, i, whole))
			rc = extra_entry(x, &cfg->extra[i], whole);
	return rc;
}

/* --- loggers ---------------------------------------------------------------
 */

static int
logger_entry(struct describe *x, const char *name)
{
	entry *e;

	if (!wanted(x, name))
		return KC_OK;
	if ((e = add(x, name)) == NULL)
		return KC_ENOMEM;
	e->value =
	    kc_str(kb_logger_level_name(kc_logger_level(x->d->logger, name)));
	e->config_source = SOURCE_BROKER_LOGGER;
	return KC_OK;
}

static int
loggers(struct describe *x)
{
	int rc = logger_entry(x, KB_LOGGER_ROOT);

	for (int i = 0; i < kb_loggers_n && rc == KC_OK; i++)
		rc = logger_entry(x, kb_loggers[i]);
	return rc;
}

/* --- one resource ----------------------------------------------------------
 */

void
kb_describe_fail(struct kp_describe_configs_result *out, int16_t code,
    const char *why, struct kc_arena *a)
{
	out->error_code = code;
	out->error_message =
	    kc_arena_str(a, kc_str(why[0] != '\0' ? why : kp_error_text(code)));
	out->configs.n = 0;
}

bool
kb_describe_types_ok(const struct kp_describe_configs_req *in)
{
	for (int32_t i = 0; i < in->resources.n; i++)
		switch (in->resources.v[i].resource_type) {
		case KB_RESOURCE_TOPIC:
		case KB_RESOURCE_BROKER:
		case KB_RESOURCE_BROKER_LOGGER:
		case KB_RESOURCE_CLIENT_METRICS:
			break;
		default:
			return false;
		}
	return true;
}

int
kb_resource_broker(struct kc_str name, int32_t *id)
{
	int64_t n;
	int rc;

	/* Java's parseInt takes no blanks. */
	if (name.len > 0 && (name.p[0] <= ' ' || name.p[name.len - 1] <= ' '))
		return KC_EINVAL;
	if ((rc = kc_str_i64(name, &n)) != KC_OK)
		return rc;
	if (n < INT32_MIN || n > INT32_MAX)
		return KC_ERANGE;
	*id = (int32_t)n;
	return KC_OK;
}

/* False: out has the error.  "" is all brokers, where that can be asked. */
static bool
check_broker(const struct describe *x, struct kc_str name, bool empty)
{
	char why[200], esc[100];
	int32_t id;

	if (name.len <= 0 && empty)
		return true;
	if (name.len <= 0)
		snprintf(why, sizeof why, "Broker id must not be empty");
	else if (kb_resource_broker(name, &id) != KC_OK)
		snprintf(why, sizeof why,
		    "Broker id must be an integer, but it is: %s",
		    kc_str_esc(name, esc, sizeof esc));
	else if (id != x->d->broker_id)
		snprintf(why, sizeof why,
		    "Unexpected broker id, expected %d%s but received %d",
		    x->d->broker_id, empty ? " or empty string," : "", id);
	else
		return true;
	kb_describe_fail(x->out, KP_INVALID_REQUEST, why, x->d->arena);
	return false;
}

static int
sort_keys(struct describe *x, const struct kp_describe_configs_resource *in)
{
	size_t n = (size_t)KC_MAX(in->configuration_keys.n, 0);

	x->keys = kc_arena_array(x->d->arena, n, sizeof *x->keys);
	if (x->keys == NULL && n > 0)
		return KC_ENOMEM;
	x->nkeys = n;
	for (size_t i = 0; i < n; i++)
		x->keys[i] = in->configuration_keys.v[i];
	if (n > 0)
		qsort(x->keys, n, sizeof *x->keys, by_str);
	return KC_OK;
}

int
kb_describe_resource(const struct kb_describe *d,
    const struct kp_describe_configs_resource *in,
    struct kp_describe_configs_result *out)
{
	struct describe x = { .d = d, .out = out };
	int rc = sort_keys(&x, in);

	if (rc != KC_OK)
		return rc;
	switch (in->resource_type) {
	case KB_RESOURCE_TOPIC:
		return topic(&x);
	case KB_RESOURCE_BROKER:
		if (!check_broker(&x, in->resource_name, true))
			return KC_OK;
		return broker(&x, in->resource_name.len > 0);
	case KB_RESOURCE_BROKER_LOGGER:
		if (!check_broker(&x, in->resource_name, false))
			return KC_OK;
		return loggers(&x);
	default:
		kb_describe_fail(out, KP_INVALID_REQUEST,
		    "Config type client-metrics is only supported on KRaft "
		    "clusters",
		    d->arena);
		return KC_OK;
	}
}
