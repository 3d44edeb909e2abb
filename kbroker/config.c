#include "kbroker/config.h"

#include "kbroker/config_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/config/conf_table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGGER "kafka.server.KafkaConfig"

/* Reasons that many keys share, for WHY() in config.def. */
#define WHY_CLASS "Java classes cannot be loaded"
#define WHY_DYNAMIC "settings cannot be changed at run time yet"
#define WHY_JMX "there is no JMX and no Java class to report to"
#define WHY_JSSE "TLS is OpenSSL's, which has no such choice"
#define WHY_KRAFT "only KRaft and what comes with it reads it"
#define WHY_RATE "the rate of new connections is not limited yet"
#define WHY_MOVE "replicas are not moved between log dirs yet"
#define WHY_PURGE "a finished request leaves nothing to purge"
#define WHY_QUOTA "quotas are not enforced yet"
#define WHY_REPLICA "connections between brokers take the system's buffers"
#define WHY_RUN "requests run on the network threads; there is no such pool"
#define WHY_SASL "SASL is not supported yet"
#define WHY_SETUP "a connection to another broker may take 10 s"
#define WHY_TIERED "tiered storage is not supported"
#define WHY_TOKENS "delegation tokens are not supported yet"
#define WHY_TXN "transactions are not served yet"
#define WHY_UNSTABLE "there are none"
#define WHY_ZKTLS "TLS to ZooKeeper is not supported yet"

#define check_gzip_level kb_config_check_gzip_level
#define check_ibp kb_config_check_ibp
#define check_not_zero kb_config_check_not_zero
#define check_replica_selector kb_config_check_replica_selector

static const struct kc_conf_item items[] = {
#define CONF(kind, field, key, preset, how, status, ...)                       \
	{ .name = key,                                                         \
		.type = KC_CONF_##kind,                                        \
		.off = offsetof(struct kb_config, field),                      \
		.dflt = preset,                                                \
		.mode = KC_CONF_##how,                                         \
		.state = KC_CONF_##status,                                     \
		__VA_ARGS__ },
#include "kbroker/config.def"
#undef CONF
};

const struct kc_conf_table kb_config_table = { items, KC_COUNT(items) };

const struct kb_config_extra *
kb_config_extra_find(const struct kb_config *cfg, const char *name)
{
	const struct kb_config_extra *best = NULL;

	for (size_t i = 0; i < cfg->n_extra; i++)
		if (strcmp(cfg->extra[i].name, name) == 0 &&
		    (best == NULL || cfg->extra[i].source < best->source))
			best = &cfg->extra[i];
	return best;
}

static int
extra_add(struct kb_config *cfg, const char *name,
    const struct kc_conf_item *it, enum kc_conf_source src, const char *text)
{
	struct kb_config_extra *v, x = { .item = it, .source = src };

	v = realloc(cfg->extra, (cfg->n_extra + 1) * sizeof *v);
	if (v == NULL)
		return KC_ENOMEM;
	cfg->extra = v;
	x.name = strdup(name);
	x.text = kc_str_dup(kc_str_trim(kc_str(text)));
	if (x.name == NULL || x.text == NULL) {
		free(x.name);
		free(x.text);
		return KC_ENOMEM;
	}
	v[cfg->n_extra++] = x;
	return KC_OK;
}

/* A wrong dynamic value must not keep a broker from starting. */
static enum kb_report_level
wrong(enum kc_conf_source src)
{
	return src == KC_CONF_SRC_STATIC ? KB_REPORT_ERROR : KB_REPORT_WARN;
}

/* Does text say what holds without it? */
static bool
is_default(const struct kc_conf_item *it, const char *text)
{
	char *a, *b = NULL;
	bool same;

	a = kc_conf_normal(it, text);
	if (it->dflt != NULL)
		b = kc_conf_normal(it, it->dflt);
	same = a != NULL && strcmp(a, b == NULL ? "" : b) == 0;
	free(a);
	free(b);
	return same;
}

/*
 * A good value of a key of the table, set under name (which may have a
 * listener's prefix): may it be?  Says so when it has no effect.
 */
static bool
check_state(const struct kc_conf_item *it, const char *name, const char *text,
    enum kc_conf_source src, struct kb_report *rep)
{
	char esc[200];

	if (it->state == KC_CONF_WORKS || is_default(it, text))
		return true;
	if (it->type == KC_CONF_PASSWORD)
		snprintf(esc, sizeof esc, "[hidden]");
	else
		kc_str_esc(kc_str(text), esc, sizeof esc);
	if (it->state == KC_CONF_REFUSED) {
		kb_report(rep, wrong(src), "%s=%s is refused: %s", name, esc,
		    it->why);
		return false;
	}
	kb_report(rep, KB_REPORT_WARN, "%s=%s has no effect here: %s", name,
	    esc, it->why);
	return true;
}

static int
apply_item(struct kb_config *cfg, const struct kc_conf_item *it,
    enum kc_conf_source src, const char *text, struct kb_report *rep)
{
	char err[KC_CONF_ERR_MAX];
	int rc;

	if (src != KC_CONF_SRC_STATIC && it->mode == KC_CONF_RO) {
		kb_report(rep, KB_REPORT_WARN,
		    "%s cannot be changed at run time; ignored", it->name);
		return KC_OK;
	}
	rc = kc_conf_check(it, text, err, sizeof err);
	if (rc == KC_EINVAL)
		kb_report(rep, wrong(src), "%s", err);
	if (rc != KC_OK || !check_state(it, it->name, text, src, rep))
		return rc == KC_EINVAL ? KC_OK : rc;
	return kc_conf_set(&cfg->conf, it, src, text, err, sizeof err);
}

/* Keys of which an unknown one may mean less safety than was asked for. */
static bool
is_security(const char *key)
{
	static const char *const prefixes[] = { "ssl.", "sasl.",
		"security.inter.", "zookeeper.ssl." };

	for (size_t i = 0; i < KC_COUNT(prefixes); i++)
		if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/*
 * What follows "listener.name.<l>.": the key itself or, for SASL, a
 * mechanism and the key.  *bare is the key.
 */
static const struct kc_conf_item *
listener_item(const char *rest, const char **bare)
{
	const struct kc_conf_item *it = kc_conf_find(&kb_config_table, rest);
	const char *dot = strchr(rest, '.');

	*bare = rest;
	if (it != NULL || dot == NULL)
		return it;
	if (strncmp(dot + 1, "sasl.", 5) == 0 ||
	    strcmp(dot + 1, "connections.max.reauth.ms") == 0) {
		*bare = dot + 1;
		it = kc_conf_find(&kb_config_table, dot + 1);
	}
	return it;
}

#define LISTENER_PREFIX "listener.name."

static int
apply_listener(struct kb_config *cfg, const char *name, enum kc_conf_source src,
    const char *text, struct kb_report *rep)
{
	const char *l = name + strlen(LISTENER_PREFIX), *dot = strchr(l, '.');
	const struct kc_conf_item *it;
	char err[KC_CONF_ERR_MAX];
	const char *bare;
	int rc;

	if (dot == NULL || dot == l) {
		kb_report(rep, wrong(src),
		    "%s: a key must follow listener.name.<listener>.", name);
		return KC_OK;
	}
	it = listener_item(dot + 1, &bare);
	for (const char *p = l; p < dot; p++)
		if (isupper((unsigned char)*p)) {
			kb_report(rep, wrong(src),
			    "%s: the listener's name must be in lower case",
			    name);
			return KC_OK;
		}
	if (it != NULL && (it->flags & KC_CONF_LISTENER)) {
		rc = kc_conf_check(it, text, err, sizeof err);
		if (rc == KC_EINVAL)
			kb_report(rep, wrong(src), "%s: %s", name, err);
		if (rc != KC_OK)
			return rc == KC_EINVAL ? KC_OK : rc;
		if (!check_state(it, name, text, src, rep))
			return KC_OK;
		return extra_add(cfg, name, it, src, text);
	}
	if (it == NULL && is_security(bare))
		kb_report(rep, wrong(src),
		    "%s is a security setting that is not known here", name);
	else
		kb_report(rep, KB_REPORT_WARN,
		    it == NULL ? "%s was supplied but is not a known setting" :
				 "%s: a listener cannot have its own; ignored",
		    name);
	return extra_add(cfg, name, NULL, src, text);
}

static int
apply(struct kb_config *cfg, const struct kc_prop *p, enum kc_conf_source src,
    struct kb_report *rep)
{
	const struct kc_conf_item *it = kc_conf_find(&kb_config_table, p->key);
	char esc[200];

	if (it != NULL &&
	    (src != KC_CONF_SRC_STATIC || !(it->flags & KC_CONF_DYNAMIC)))
		return apply_item(cfg, it, src, p->value, rep);
	kc_str_esc(kc_str(p->key), esc, sizeof esc);
	/* A name that needs escaping is no listener's, and goes to no log. */
	if (strncmp(p->key, LISTENER_PREFIX, strlen(LISTENER_PREFIX)) == 0 &&
	    strcmp(esc, p->key) == 0)
		return apply_listener(cfg, p->key, src, p->value, rep);
	if (is_security(p->key))
		kb_report(rep, wrong(src),
		    "%s is a security setting that is not known here", esc);
	else if (strncmp(p->key, "config.providers", 16) != 0)
		kb_report(rep, KB_REPORT_WARN,
		    "%s was supplied but is not a known setting", esc);
	return extra_add(cfg, p->key, NULL, src, p->value);
}

/* broker.id and node.id are one: each stands for the other. */
static int
join_ids(struct kb_config *cfg)
{
	static const char *const names[] = { "broker.id", "node.id" };
	const struct kc_conf_item *it[2];
	char err[KC_CONF_ERR_MAX];
	const char *text[2];

	for (int i = 0; i < 2; i++) {
		it[i] = kc_conf_find(&kb_config_table, names[i]);
		text[i] = kc_conf_text(&cfg->conf, it[i], KC_CONF_SRC_STATIC);
	}
	for (int i = 0; i < 2; i++)
		if (text[i] == NULL && text[!i] != NULL)
			return kc_conf_set(&cfg->conf, it[i],
			    KC_CONF_SRC_STATIC, text[!i], err, sizeof err);
	return KC_OK;
}

static int
derive(struct kb_config *cfg)
{
	struct kc_conf_list *dirs = &cfg->data_dirs;
	int n = 0, rc;

	if ((rc = join_ids(cfg)) != KC_OK)
		return rc;
	cfg->zk_connection_timeout_ms = cfg->zookeeper_connection_timeout_ms;
	if (cfg->zk_connection_timeout_ms == KC_CONF_NULL_INT)
		cfg->zk_connection_timeout_ms =
		    cfg->zookeeper_session_timeout_ms;
	rc = kc_conf_list_parse(
	    dirs, cfg->log_dirs != NULL ? cfg->log_dirs : cfg->log_dir);
	if (rc != KC_OK)
		return rc;
	for (int i = 0; i < dirs->n; i++) {
		if (*dirs->v[i] == '\0')
			free(dirs->v[i]);
		else
			dirs->v[n++] = dirs->v[i];
	}
	dirs->n = n;
	return KC_OK;
}

/* A prefix that fits no listener is most likely a slip of the pen. */
static void
check_prefixes(const struct kb_config *cfg, struct kb_report *rep)
{
	const size_t skip = strlen(LISTENER_PREFIX);
	char name[256];

	for (size_t i = 0; i < cfg->n_extra; i++) {
		if (cfg->extra[i].item == NULL)
			continue;
		snprintf(name, sizeof name, "%.*s",
		    (int)strcspn(cfg->extra[i].name + skip, "."),
		    cfg->extra[i].name + skip);
		if (kb_listeners_find(&cfg->endpoints, name) == NULL)
			kb_report(rep, KB_REPORT_WARN,
			    "%s: there is no listener of that name",
			    cfg->extra[i].name);
	}
}

static int
build(struct kb_config *cfg, const struct kb_config_sources *src,
    struct kb_report *rep)
{
	const struct {
		const struct kc_props *props;
		enum kc_conf_source source;
	} parts[] = {
		{ src->statics, KC_CONF_SRC_STATIC },
		{ src->dyn_default, KC_CONF_SRC_DYN_DEFAULT },
		{ src->dyn_broker, KC_CONF_SRC_DYN_BROKER },
	};
	int rc;

	if ((rc = kc_props_open(&cfg->statics)) != KC_OK ||
	    (rc = kc_conf_init(&cfg->conf, &kb_config_table, cfg)) != KC_OK)
		return rc;
	if (src->statics != NULL &&
	    (rc = kc_props_merge(cfg->statics, src->statics)) != KC_OK)
		return rc;
	for (size_t i = 0; i < KC_COUNT(parts); i++) {
		if (parts[i].props == NULL)
			continue;
		for (size_t k = 0; k < kc_props_count(parts[i].props); k++)
			if ((rc = apply(cfg, kc_props_at(parts[i].props, k),
				 parts[i].source, rep)) != KC_OK)
				return rc;
	}
	if ((rc = derive(cfg)) != KC_OK)
		return rc;
	kb_config_validate(cfg, rep);
	rc = kb_listeners_open(&cfg->endpoints, cfg, rep);
	if (rc == KC_OK)
		check_prefixes(cfg, rep);
	return rc;
}

int
kb_config_open(struct kb_config **cfgp, const struct kb_config_sources *src,
    struct kb_report *rep)
{
	struct kb_config *cfg;
	int errors = rep->errors, rc;

	KC_ASSERT(cfgp != NULL && *cfgp == NULL);
	if ((cfg = kc_new(struct kb_config, KB_CONFIG_MAGIC)) == NULL)
		return KC_ENOMEM;
	kc_ref_init(&cfg->ref);
	rc = build(cfg, src, rep);
	if (rc == KC_OK && rep->errors > errors)
		rc = KC_EINVAL;
	if (rc != KC_OK) {
		kb_config_put(&cfg);
		return rc;
	}
	*cfgp = cfg;
	return KC_OK;
}

struct kb_config *
kb_config_get(const struct kb_config *cfg)
{
	struct kb_config *c = (struct kb_config *)cfg; /* only its count */

	KC_CHECK(c, KB_CONFIG_MAGIC);
	kc_ref_get(&c->ref);
	return c;
}

void
kb_config_put(struct kb_config **cfgp)
{
	struct kb_config *cfg = *cfgp;

	if (cfg == NULL)
		return;
	KC_CHECK(cfg, KB_CONFIG_MAGIC);
	*cfgp = NULL;
	if (!kc_ref_put(&cfg->ref))
		return;
	kb_listeners_close(&cfg->endpoints);
	kc_conf_list_free(&cfg->data_dirs);
	for (size_t i = 0; i < cfg->n_extra; i++) {
		free(cfg->extra[i].name);
		free(cfg->extra[i].text);
	}
	free(cfg->extra);
	kc_props_close(&cfg->statics);
	kc_conf_fini(&cfg->conf);
	kc_delete(cfg);
}

const char *
kb_config_listener_own(
    const struct kb_config *cfg, const char *listener, const char *key)
{
	const struct kb_config_extra *x;
	char name[512];
	int n;

	n = snprintf(name, sizeof name, LISTENER_PREFIX "%s.%s", listener, key);
	if (n < 0 || (size_t)n >= sizeof name)
		return NULL;
	for (char *p = name + strlen(LISTENER_PREFIX); *p != '.'; p++)
		*p = (char)tolower((unsigned char)*p);
	x = kb_config_extra_find(cfg, name);
	return x == NULL ? NULL : x->text;
}

const char *
kb_config_listener_str(
    const struct kb_config *cfg, const char *listener, const char *key)
{
	const struct kc_conf_item *it = kc_conf_find(&kb_config_table, key);
	const char *own = kb_config_listener_own(cfg, listener, key);

	KC_ASSERT(it != NULL && (it->flags & KC_CONF_LISTENER));
	if (own != NULL)
		return own;
	return kc_conf_text(&cfg->conf, it, kc_conf_source(&cfg->conf, it));
}

int64_t
kb_config_listener_int(
    const struct kb_config *cfg, const char *listener, const char *key)
{
	const char *s = kb_config_listener_str(cfg, listener, key);

	return s == NULL ? KC_CONF_NULL_LONG : strtoll(s, NULL, 10);
}

const char *
kb_config_text(
    const struct kb_config *cfg, const char *name, enum kc_conf_source source)
{
	const struct kc_conf_item *it = kc_conf_find(&kb_config_table, name);

	if (it != NULL)
		return kc_conf_text(&cfg->conf, it, source);
	for (size_t i = 0; i < cfg->n_extra; i++)
		if (cfg->extra[i].source == source &&
		    strcmp(cfg->extra[i].name, name) == 0)
			return cfg->extra[i].text;
	return NULL;
}

static int
by_name(const void *a, const void *b)
{
	const struct kc_conf_item *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Kafka prints a list as [a, b]. */
static void
log_value(const struct kb_config *cfg, const struct kc_conf_item *it)
{
	char *text = kc_conf_print(&cfg->conf, it);
	char *list = NULL;
	const char *p = text;
	size_t n = 0;

	if (text != NULL && it->type == KC_CONF_PASSWORD)
		p = "[hidden]";
	if (text != NULL && it->type == KC_CONF_LIST &&
	    (list = malloc(2 * strlen(text) + 3)) != NULL) {
		list[n++] = '[';
		for (p = text; *p != '\0'; p++) {
			list[n++] = *p;
			if (*p == ',')
				list[n++] = ' ';
		}
		list[n++] = ']';
		list[n] = '\0';
		p = list;
	}
	kc_log(
	    KC_LOG_INFO, LOGGER, "\t%s = %s", it->name, p == NULL ? "null" : p);
	free(list);
	free(text);
}

void
kb_config_log(const struct kb_config *cfg)
{
	const struct kc_conf_item *v[KC_COUNT(items)];

	for (size_t i = 0; i < KC_COUNT(items); i++)
		v[i] = &items[i];
	qsort(v, KC_COUNT(v), sizeof v[0], by_name);
	kc_log(KC_LOG_INFO, LOGGER, "KafkaConfig values: ");
	for (size_t i = 0; i < KC_COUNT(items); i++)
		if (!(v[i]->flags & (KC_CONF_HIDDEN | KC_CONF_DYNAMIC)))
			log_value(cfg, v[i]);
}
