/*
 * config -- what server.properties says, typed, checked and immutable.
 *
 * Each key of config.def is a field of struct kb_config; after kb_config_open
 * nothing changes any more.  A dynamic change makes a new kb_config out of
 * the same static settings and new dynamic ones; readers keep the one they
 * hold until they are done (kb_config_get, kb_config_put).
 *
 * Everything wrong is collected in a kb_report and told in one go.
 *
 * @thread any, once opened
 */
#ifndef KB_CONFIG_H
#define KB_CONFIG_H

#include "kbroker/listeners.h"
#include "kbroker/report.h"
#include "kcommon/base/refcount.h"
#include "kcommon/config/conf.h"
#include "kcommon/config/properties.h"

struct kc_file_ops;

/* A key that is not in the table: unknown, or of one listener. */
struct kb_config_extra {
	char *name;
	char *text; /* trimmed */
	const struct kc_conf_item *item; /* of the key after the prefix */
	enum kc_conf_source source;
};

struct kb_config {
	unsigned magic;
#define KB_CONFIG_MAGIC 0x3c0f16b2
	struct kc_ref ref;

/* One field a key: broker.id is broker_id, and so on. */
#define CONF(type, field, ...) KC_CONF_FIELD_##type field;
#include "kbroker/config.def"
#undef CONF

	/* Derived. */
	struct kc_conf_list data_dirs; /* log.dirs, else log.dir */
	struct kb_listeners endpoints;
	int32_t zk_connection_timeout_ms; /* its key, else session timeout */

	struct kc_conf conf; /* by key and source, for DescribeConfigs */
	struct kb_config_extra *extra;
	size_t n_extra;
	struct kc_props *statics; /* for the next kb_config; ${} resolved */
};

/* Settings by strength; NULL for none.  Borrowed during the call. */
struct kb_config_sources {
	const struct kc_props *dyn_broker;
	const struct kc_props *dyn_default;
	const struct kc_props *statics;
};

extern const struct kc_conf_table kb_config_table;

/*
 * Check everything and build it.  KC_EINVAL when rep has errors (*cfgp stays
 * NULL); warnings alone are KC_OK.
 */
int kb_config_open(struct kb_config **cfgp, const struct kb_config_sources *src,
    struct kb_report *rep);
struct kb_config *kb_config_get(const struct kb_config *cfg);
void kb_config_put(struct kb_config **cfgp); /* *cfgp may be NULL */

/*
 * Static settings: the file (NULL: none), then overrides "key=value", then
 * ${provider:path:key} resolved through config.providers.
 */
int kb_config_load(struct kc_props **pp, const struct kc_file_ops *f,
    const char *path, const char *const *overrides, int n_overrides,
    struct kb_report *rep);

/*
 * The value that holds for a listener: listener.name.<l>.<key>, else <key>,
 * else the default; NULL is null.  Passwords come in the clear.  Borrowed.
 */
const char *kb_config_listener_str(
    const struct kb_config *cfg, const char *listener, const char *key);
/* The same for numbers (type int or long). */
int64_t kb_config_listener_int(
    const struct kb_config *cfg, const char *listener, const char *key);
/* Only listener.name.<l>.<key>, or NULL when the listener has none. */
const char *kb_config_listener_own(
    const struct kb_config *cfg, const char *listener, const char *key);
/* Text set for that key (of the table or not) by that source, or NULL. */
const char *kb_config_text(
    const struct kb_config *cfg, const char *name, enum kc_conf_source source);

/* Log "KafkaConfig values:" with every key, as Kafka does at start. */
void kb_config_log(const struct kb_config *cfg);

#endif
