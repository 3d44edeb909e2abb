#include "kbroker/dynamic.h"

#include "kbroker/controller/controller.h"
#include "kbroker/controller/entity.h"
#include "kbroker/core.h"
#include "kbroker/log/cleaner.h"
#include "kbroker/net/net.h"
#include "kbroker/topics.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/config/properties.h"
#include "kcommon/io/tls.h"
#include "kcommon/proto/error.h"
#include "kzk/znode/znode.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define LOGGER "kafka.server.DynamicBrokerConfig"
#define LISTENER_PREFIX "listener.name."

enum { OWN, ALL, LEVELS }; /* of b->dyn */

void
kb_dynamic_path(
    const struct kb_broker *b, bool per_broker, char *buf, size_t len)
{
	if (per_broker)
		snprintf(buf, len, "brokers/%d", b->id);
	else
		snprintf(buf, len, "brokers/<default>");
}

/* --- which keys -------------------------------------------------------------
 */

/* Taken over by kb_net_set_limits(). */
static const char *const limits[] = {
	"max.connections",
	"max.connections.per.ip",
	"max.connections.per.ip.overrides",
};

/* Told to the threads that compact. */
static const char *const cleaner_keys[] = {
	"log.cleaner.backoff.ms",
	"log.cleaner.dedupe.buffer.size",
	"log.cleaner.io.buffer.load.factor",
	"log.cleaner.io.buffer.size",
	"log.cleaner.io.max.bytes.per.second",
	"log.cleaner.threads",
};

/* Read again by a listener whose TLS context is made anew. */
static const char *const tls_keys[] = {
	"ssl.cipher.suites",
	"ssl.client.auth",
	"ssl.enabled.protocols",
	"ssl.key.password",
	"ssl.keystore.certificate.chain",
	"ssl.keystore.key",
	"ssl.keystore.location",
	"ssl.keystore.password",
	"ssl.keystore.type",
	"ssl.protocol",
	"ssl.truststore.certificates",
	"ssl.truststore.location",
	"ssl.truststore.password",
	"ssl.truststore.type",
};

/* Kafka's SslConfigs.RECONFIGURABLE_CONFIGS: never without a listener. */
static const char *const bare_refused[] = {
	"ssl.key.password",
	"ssl.keystore.certificate.chain",
	"ssl.keystore.key",
	"ssl.keystore.location",
	"ssl.keystore.password",
	"ssl.keystore.type",
	"ssl.truststore.certificates",
	"ssl.truststore.location",
	"ssl.truststore.password",
	"ssl.truststore.type",
};

static bool
one_of(const char *const *v, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i], s) == 0)
			return true;
	return false;
}

/* A key that topics without a setting of their own take over. */
static bool
stands_for_topics(const char *key)
{
	const struct kc_conf_table *t = &kb_topic_config_table;
	struct kc_str rest, tok;

	for (size_t i = 0; i < t->n; i++) {
		rest = kc_str(t->v[i].synonyms);
		while (kc_str_split(&rest, ',', &tok))
			if (kc_str_eqz(tok, key))
				return true;
	}
	return false;
}

/* Does a change of this key take effect here? */
static bool
is_live(const struct kc_conf_item *it)
{
	return it->mode != KC_CONF_RO && it->state == KC_CONF_WORKS &&
	    (one_of(limits, KC_COUNT(limits), it->name) ||
		one_of(cleaner_keys, KC_COUNT(cleaner_keys), it->name) ||
		stands_for_topics(it->name));
}

/* The key behind listener.name.<l>., or NULL: name has no such prefix. */
static const char *
behind_listener(const char *name)
{
	const size_t skip = strlen(LISTENER_PREFIX);
	const char *dot;

	if (strncmp(name, LISTENER_PREFIX, skip) != 0)
		return NULL;
	dot = strchr(name + skip, '.');
	return dot == NULL || dot == name + skip ? NULL : dot + 1;
}

/* One that might be meant to make something safer, and would not. */
static bool
looks_like_security(const char *key)
{
	return strncmp(key, "ssl.", 4) == 0 || strncmp(key, "sasl.", 5) == 0 ||
	    strncmp(key, "security.", 9) == 0;
}

enum kb_dynamic_verdict
kb_dynamic_judge(const char *key, const char *value, bool per_broker, char *err,
    size_t err_len)
{
	const char *bare = behind_listener(key);
	const struct kc_conf_item *it =
	    kc_conf_find(&kb_config_table, bare != NULL ? bare : key);

	/* An unknown key is anybody's, as in Kafka; it changes nothing. */
	if (it == NULL && bare == NULL &&
	    strncmp(key, LISTENER_PREFIX, strlen(LISTENER_PREFIX)) != 0)
		return looks_like_security(key) ? KB_DYNAMIC_FIXED :
						  KB_DYNAMIC_OK;
	if (it == NULL || (bare == NULL && it->mode == KC_CONF_RO))
		return KB_DYNAMIC_FIXED;
	if (bare == NULL && one_of(bare_refused, KC_COUNT(bare_refused), key))
		return KB_DYNAMIC_BARE;
	if (kc_conf_check(it, value, err, err_len) != KC_OK)
		return KB_DYNAMIC_WRONG;
	if (!per_broker && (bare != NULL || it->mode == KC_CONF_PB))
		return KB_DYNAMIC_OWN;
	if (bare != NULL)
		return one_of(tls_keys, KC_COUNT(tls_keys), bare) ?
		    KB_DYNAMIC_OK :
		    KB_DYNAMIC_FIXED;
	return is_live(it) ? KB_DYNAMIC_OK : KB_DYNAMIC_FIXED;
}

/* The TLS listener that a prefixed name belongs to; NULL: there is none. */
static const struct kb_endpoint *
listener_of(const struct kb_config *cfg, const char *name)
{
	const char *l = name + strlen(LISTENER_PREFIX);
	const struct kb_endpoint *ep;
	char buf[256];

	snprintf(buf, sizeof buf, "%.*s", (int)strcspn(l, "."), l);
	ep = kb_listeners_find(&cfg->endpoints, buf);
	return ep != NULL && ep->protocol == KB_PROTOCOL_SSL ? ep : NULL;
}

/* Secrets in ZooKeeper would have to be encrypted. */
static bool
is_password(const char *key)
{
	const char *bare = behind_listener(key);
	const struct kc_conf_item *it =
	    kc_conf_find(&kb_config_table, bare != NULL ? bare : key);

	return it != NULL && it->type == KC_CONF_PASSWORD;
}

/* --- checking what a client wants -------------------------------------------
 */

static int16_t KC_PRINTF(3, 4)
    refuse(struct kb_why *why, int16_t code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->s, sizeof why->s, fmt, ap);
	va_end(ap);
	return code;
}

static enum kb_dynamic_verdict
judge(const struct kb_broker *b, const struct kc_prop *p, bool per_broker,
    char *err, size_t err_len)
{
	enum kb_dynamic_verdict v =
	    kb_dynamic_judge(p->key, p->value, per_broker, err, err_len);

	if (v == KB_DYNAMIC_OK && behind_listener(p->key) != NULL &&
	    listener_of(b->live, p->key) == NULL)
		return KB_DYNAMIC_FIXED;
	return v;
}

/* Every key with this verdict, in one refusal. */
static int16_t
check_verdict(const struct kb_broker *b, const struct kc_props *props,
    bool per_broker, enum kb_dynamic_verdict want, const char *text,
    struct kb_why *why)
{
	char err[KC_CONF_ERR_MAX], names[600] = "";
	size_t at = 0;

	for (size_t i = 0; i < kc_props_count(props) && at < sizeof names;
	     i++) {
		const struct kc_prop *p = kc_props_at(props, i);

		if (judge(b, p, per_broker, err, sizeof err) != want)
			continue;
		if (want == KB_DYNAMIC_WRONG)
			return refuse(why, KP_INVALID_REQUEST, "%s", err);
		at += (size_t)snprintf(names + at, sizeof names - at, "%s%s",
		    at > 0 ? ", " : "", p->key);
	}
	return at == 0 ?
	    KP_NONE :
	    refuse(why, KP_INVALID_REQUEST, "%s: Set(%s)", text, names);
}

static int16_t
check_passwords(
    const struct kc_props *props, bool per_broker, struct kb_why *why)
{
	for (size_t i = 0; i < kc_props_count(props); i++)
		if (is_password(kc_props_at(props, i)->key))
			return refuse(why, KP_INVALID_CONFIG,
			    "Invalid config value for resource "
			    "ConfigResource(type=BROKER, name='%s'): Password "
			    "encoder secret not configured",
			    per_broker ? "" : "default");
	return KP_NONE;
}

static bool
allows(const struct kb_config *cfg, const char *listener, const char *key)
{
	const char *text = kb_config_listener_str(cfg, listener, key);

	return text != NULL && strcasecmp(text, "true") == 0;
}

/* A context that may take the place of the listener's present one. */
static int
open_tls(const struct kb_broker *b, const struct kb_config *cfg,
    const struct kb_endpoint *ep, struct kc_tls **tlsp, char *err,
    size_t err_len)
{
	struct kc_tls *now = kb_net_tls(b->net, ep->name);
	struct kc_tls_params p;
	int rc;

	kb_listener_tls_params(cfg, ep, true, &p);
	rc = kc_tls_open(tlsp, &p, err, err_len);
	if (rc == KC_OK && now != NULL)
		rc = kc_tls_may_follow(now, *tlsp,
		    allows(cfg, ep->name, "ssl.allow.dn.changes"),
		    allows(cfg, ep->name, "ssl.allow.san.changes"), err,
		    err_len);
	if (rc != KC_OK)
		kc_tls_put(tlsp);
	kc_tls_put(&now);
	return rc;
}

/* Has the listener a dynamic setting of its own among props? */
static bool
has_own(const struct kb_config *cfg, const struct kb_endpoint *ep,
    const struct kc_props *props)
{
	for (size_t i = 0; props != NULL && i < kc_props_count(props); i++) {
		const char *name = kc_props_at(props, i)->key;

		if (behind_listener(name) != NULL &&
		    listener_of(cfg, name) == ep)
			return true;
	}
	return false;
}

/* Keys and certificates that cannot be used are refused before they are. */
static int16_t
check_tls(const struct kb_broker *b, const struct kb_config *cfg,
    const struct kc_props *props, struct kb_why *why)
{
	char err[512] = "";

	for (int i = 0; i < cfg->endpoints.n; i++) {
		const struct kb_endpoint *ep = &cfg->endpoints.v[i];
		struct kc_tls *tls = NULL;

		if (!has_own(cfg, ep, props) && !has_own(cfg, ep, b->dyn[OWN]))
			continue;
		if (open_tls(b, cfg, ep, &tls, err, sizeof err) != KC_OK)
			return refuse(why, KP_INVALID_REQUEST,
			    "Validation of dynamic config update of "
			    "SSLFactory for listener %s failed: %s",
			    ep->name, err);
		kc_tls_put(&tls);
	}
	return KP_NONE;
}

/* As in Kafka, threads come and go in steps that do not surprise a disk. */
static int16_t
check_cleaner(
    const struct kb_broker *b, const struct kb_config *cfg, struct kb_why *why)
{
	int now = b->live->log_cleaner_threads;
	int want = cfg->log_cleaner_threads;

	if (want == now)
		return KP_NONE;
	if (want < 1)
		return refuse(why, KP_INVALID_REQUEST,
		    "Log cleaner threads should be at least 1");
	if (want < now / 2)
		return refuse(why, KP_INVALID_REQUEST,
		    "Log cleaner threads cannot be reduced to less than half "
		    "the current value %d",
		    now);
	if (want / 2 > now || (want / 2 == now && want % 2 != 0))
		return refuse(why, KP_INVALID_REQUEST,
		    "Log cleaner threads cannot be increased to more than "
		    "double the current value %d",
		    now);
	return KP_NONE;
}

static int
build(const struct kb_broker *b, const struct kc_props *own,
    const struct kc_props *all, struct kb_config **cfgp, struct kb_report *rep)
{
	struct kb_config_sources src = { own, all, b->config->statics };

	return kb_config_open(cfgp, &src, rep);
}

static const char *
first_error(const struct kb_report *rep)
{
	for (int i = 0; i < rep->n; i++)
		if (rep->v[i].level == KB_REPORT_ERROR)
			return rep->v[i].text;
	return "";
}

static int16_t
check_together(const struct kb_broker *b, bool per_broker,
    const struct kc_props *props, struct kb_why *why)
{
	struct kb_config *cfg = NULL;
	struct kb_report rep = { 0 };
	int16_t code = KP_NONE;
	int rc = build(b, per_broker ? props : b->dyn[OWN],
	    per_broker ? b->dyn[ALL] : props, &cfg, &rep);

	if (rc == KC_OK)
		code = check_cleaner(b, cfg, why);
	else if (rc == KC_EINVAL)
		code = refuse(why, KP_INVALID_REQUEST, "%s", first_error(&rep));
	else
		code = KP_UNKNOWN_SERVER_ERROR;
	if (code == KP_NONE)
		code = check_tls(b, cfg, props, why);
	kb_report_free(&rep);
	kb_config_put(&cfg);
	return code;
}

int16_t
kb_dynamic_check(struct kb_broker *b, bool per_broker,
    const struct kc_props *props, struct kb_why *why)
{
	static const struct {
		enum kb_dynamic_verdict verdict;
		const char *text;
	} steps[] = {
		{ KB_DYNAMIC_FIXED, "Cannot update these configs dynamically" },
		{ KB_DYNAMIC_BARE,
		    "These security configs can be dynamically updated only "
		    "per-listener using the listener prefix" },
		{ KB_DYNAMIC_WRONG, "" },
		{ KB_DYNAMIC_OWN,
		    "Cannot update these configs at default cluster level, "
		    "broker id must be specified" },
	};
	int16_t code = KP_NONE;

	for (size_t i = 0; i < KC_COUNT(steps) && code == KP_NONE; i++)
		code = check_verdict(
		    b, props, per_broker, steps[i].verdict, steps[i].text, why);
	if (code == KP_NONE)
		code = check_passwords(props, per_broker, why);
	return code == KP_NONE ? check_together(b, per_broker, props, why) :
				 code;
}

/* --- reading ---------------------------------------------------------------
 */

/* Leave out what cannot be; another broker or a hand may have written it. */
static int
sift(const struct kb_broker *b, const struct kc_props *from, bool per_broker,
    struct kc_props **top)
{
	char err[KC_CONF_ERR_MAX] = "", esc[200];
	int rc = kc_props_open(top);

	for (size_t i = 0; i < kc_props_count(from) && rc == KC_OK; i++) {
		const struct kc_prop *p = kc_props_at(from, i);

		err[0] = '\0';
		if (judge(b, p, per_broker, err, sizeof err) == KB_DYNAMIC_OK &&
		    !is_password(p->key)) {
			rc = kc_props_set(*top, p->key, p->value);
			continue;
		}
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Ignoring the dynamic setting %s of %s: %s",
		    kc_str_esc(kc_str(p->key), esc, sizeof esc),
		    per_broker ? "this broker" : "all brokers",
		    err[0] != '\0' ? err : "it cannot be changed here");
	}
	return rc;
}

static int
read_level(struct kb_broker *b, bool per_broker, struct kc_props **propsp)
{
	struct kc_props *raw = NULL;
	char path[64];
	int rc;

	kb_dynamic_path(b, per_broker, path, sizeof path);
	rc = kb_entity_read(b->zk, path, &raw);
	if (rc == KC_EMALFORMED || rc == KC_ELIMIT) {
		kc_log(KC_LOG_ERROR, LOGGER,
		    "/config/%s is not what it should be; ignored", path);
		rc = kc_props_open(&raw);
	}
	if (rc == KC_OK)
		rc = sift(b, raw, per_broker, propsp);
	kc_props_close(&raw);
	return rc;
}

int
kb_dynamic_load(struct kb_broker *b)
{
	struct kc_props *dyn[LEVELS] = { NULL, NULL };
	struct kb_config *cfg = NULL;
	struct kb_report rep = { 0 };
	int rc;

	if ((rc = read_level(b, true, &dyn[OWN])) == KC_OK &&
	    (rc = read_level(b, false, &dyn[ALL])) == KC_OK)
		rc = build(b, dyn[OWN], dyn[ALL], &cfg, &rep);
	if (rc == KC_EINVAL) {
		/* Each is good, together they are not: go on as before. */
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Ignoring a change of the dynamic settings: %s",
		    first_error(&rep));
		rc = KC_OK;
	} else if (rc == KC_OK) {
		kb_config_put(&b->live);
		b->live = cfg;
		cfg = NULL;
		for (int i = 0; i < LEVELS; i++) {
			kc_props_close(&b->dyn[i]);
			b->dyn[i] = dyn[i];
			dyn[i] = NULL;
		}
	}
	kb_report_free(&rep);
	kb_config_put(&cfg);
	for (int i = 0; i < LEVELS; i++)
		kc_props_close(&dyn[i]);
	return rc;
}

/* --- applying ---------------------------------------------------------------
 */

static void
apply_tls(struct kb_broker *b)
{
	const struct kb_listeners *l = &b->live->endpoints;
	char err[512] = "";

	for (int i = 0; i < l->n; i++) {
		struct kc_tls *tls = NULL;

		if (l->v[i].protocol != KB_PROTOCOL_SSL)
			continue;
		if (open_tls(b, b->live, &l->v[i], &tls, err, sizeof err) !=
			KC_OK ||
		    kb_net_set_tls(b->net, l->v[i].name, tls) != KC_OK)
			kc_log(KC_LOG_ERROR, LOGGER,
			    "Listener %s goes on with the certificate it has: "
			    "%s",
			    l->v[i].name, err);
		kc_tls_put(&tls);
	}
}

static void
apply_topic(void *arg, struct kb_partition *p)
{
	struct kb_broker *b = arg;

	kb_partition_set_config(
	    p, kb_topic_config_get(kb_topics_get(b->topics, kc_str(p->topic))));
}

static void
apply_topics(struct kb_broker *b)
{
	struct kb_log_config lc;
	int rc = kb_topics_set_broker(b->topics, b->live);

	if (rc != KC_OK)
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Not all topics have the new settings of this broker: %s",
		    kc_strerror(rc));
	kb_log_config_topic(&lc, kb_topics_get(b->topics, KC_STR_NULL));
	kb_log_dirs_set_defaults(b->dirs, &lc);
	kb_manager_each(b->mgr, apply_topic, b);
}

static void
apply_cleaner(struct kb_broker *b)
{
	struct kb_log_cleaner_config cc;
	int rc;

	if (b->cleaner == NULL)
		return;
	kb_log_cleaner_config_broker(&cc, b->live);
	if ((rc = kb_log_cleaner_set(b->cleaner, &cc)) != KC_OK)
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Not all threads of the log cleaner run: %s",
		    kc_strerror(rc));
}

static void
apply(struct kb_broker *b)
{
	const struct kb_config *c = b->live;

	kb_controller_set_config(b->ctl, c);
	apply_topics(b);
	apply_cleaner(b);
	if (kb_net_set_limits(b->net, c->max_connections,
		c->max_connections_per_ip,
		c->max_connections_per_ip_overrides) != KC_OK)
		kc_log(KC_LOG_ERROR, LOGGER,
		    "max.connections.per.ip.overrides cannot be read; the "
		    "limits of connections stay as they are");
	/* Also when nothing changed: the files behind may have. */
	apply_tls(b);
}

struct one_topic {
	struct kb_broker *b;
	struct kc_str name;
};

static void
apply_one_topic(void *arg, struct kb_partition *p)
{
	struct one_topic *t = arg;

	if (kc_str_eqz(t->name, p->topic))
		apply_topic(t->b, p);
}

static void
topic_changed(struct kb_broker *b, struct kc_str name)
{
	struct one_topic t = { b, name };
	int rc = kb_topics_refresh(b->topics, &name, 1);

	if (rc != KC_OK) {
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Cannot read the changed configuration of topic %.*s: %s",
		    KC_STR_ARG(name), kc_strerror(rc));
		return;
	}
	kb_manager_each(b->mgr, apply_one_topic, &t);
	if (kb_topics_get(b->topics, name)->unclean_leader_election_enable)
		kb_controller_elect_again(b->ctl);
}

static void
broker_changed(struct kb_broker *b)
{
	struct kb_config *old = kb_config_get(b->live);
	int rc = kb_dynamic_load(b);

	if (rc != KC_OK)
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Cannot read the changed settings of this broker: %s",
		    kc_strerror(rc));
	else
		apply(b);
	if (rc == KC_OK && b->live->unclean_leader_election_enable &&
	    !old->unclean_leader_election_enable)
		kb_controller_elect_again(b->ctl);
	kb_config_put(&old); /* the parts have let go of it */
}

void
kb_dynamic_close(struct kb_broker *b)
{
	kb_config_put(&b->live);
	for (int i = 0; i < LEVELS; i++)
		kc_props_close(&b->dyn[i]);
}

static bool
below(struct kc_str path, const char *root, struct kc_str *rest)
{
	int32_t n = (int32_t)strlen(root);

	if (path.len <= n || memcmp(path.p, root, (size_t)n) != 0)
		return false;
	*rest = (struct kc_str){ path.p + n, path.len - n };
	return true;
}

static void
entity_changed(struct kb_broker *b, struct kc_str path)
{
	struct kc_str name;
	char own[16];

	snprintf(own, sizeof own, "%d", b->id);
	if (below(path, "topics/", &name))
		topic_changed(b, name);
	else if (below(path, "brokers/", &name) &&
	    (kc_str_eqz(name, own) || kc_str_eqz(name, "<default>")))
		broker_changed(b);
}

void
kb_dynamic_changed(void *broker, struct kc_str data)
{
	struct kb_broker *b = broker;
	struct kzk_config_change z;
	char esc[300];

	if (kzk_config_change_decode(data, &z) != KC_OK) {
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Ignoring a notification in /config/changes that cannot "
		    "be read: %s",
		    kc_str_esc(data, esc, sizeof esc));
		return;
	}
	kc_log(KC_LOG_INFO, LOGGER, "Processing the change of %s",
	    kc_str_esc(z.entity_path, esc, sizeof esc));
	entity_changed(b, z.entity_path);
	kzk_config_change_fini(&z);
}
