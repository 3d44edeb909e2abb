#include "kbroker/topic_config.h"

#include "kbroker/config_priv.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/config/conf_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOGGER "kafka.server.TopicConfigHandler"

#define WHY_QUOTA "quotas are not enforced yet"
#define WHY_TIERED "tiered storage is not supported"

#define check_gzip_level kb_config_check_gzip_level
#define check_ibp kb_config_check_ibp
#define check_leader_throttled kb_config_check_leader_throttled
#define check_follower_throttled kb_config_check_follower_throttled

static const struct kc_conf_item items[] = {
#define CONF(kind, field, key, preset, status, ...)                            \
	{ .name = key,                                                         \
		.type = KC_CONF_##kind,                                        \
		.off = offsetof(struct kb_topic_config, field),                \
		.dflt = preset,                                                \
		.mode = KC_CONF_DYN,                                           \
		.state = KC_CONF_##status,                                     \
		__VA_ARGS__ },
#include "kbroker/topic_config.def"
#undef CONF
};

const struct kc_conf_table kb_topic_config_table = { items, KC_COUNT(items) };

/* What one unit of a broker's key is in the unit of the topic's. */
static int64_t
unit(const char *name)
{
	const char *dot = strrchr(name, '.');

	if (dot != NULL && strcmp(dot, ".hours") == 0)
		return 60 * 60 * 1000;
	if (dot != NULL && strcmp(dot, ".minutes") == 0)
		return 60 * 1000;
	return 1;
}

/* The first of the broker's keys that is set gives the value. */
static int
inherit(struct kb_topic_config *tc, const struct kb_config *cfg,
    const struct kc_conf_item *it)
{
	struct kc_str rest = kc_str(it->synonyms), tok;
	char name[128], number[32];
	const struct kc_conf_item *syn;
	enum kc_conf_source src;
	const char *text;

	while (kc_str_split(&rest, ',', &tok)) {
		snprintf(name, sizeof name, "%.*s", KC_STR_ARG(tok));
		syn = kc_conf_find(&kb_config_table, name);
		KC_ASSERT(syn != NULL);
		src = kc_conf_source(&cfg->conf, syn);
		if (src == KC_CONF_SRC_DEFAULT)
			continue;
		text = kc_conf_text(&cfg->conf, syn, src);
		if (unit(name) != 1) {
			/* An int times an hour fits in a long. */
			snprintf(number, sizeof number, "%lld",
			    strtoll(text, NULL, 10) * (long long)unit(name));
			text = number;
		}
		return kc_conf_assign(&tc->conf, it, text);
	}
	return KC_OK;
}

/* Rules between keys: LogConfig.validateValues. */
static int
check(const struct kb_topic_config *tc, char *err, size_t len)
{
	if (tc->min_compaction_lag_ms > tc->max_compaction_lag_ms) {
		snprintf(err, len,
		    "conflict topic config setting min.compaction.lag.ms "
		    "(%lld) > max.compaction.lag.ms (%lld)",
		    (long long)tc->min_compaction_lag_ms,
		    (long long)tc->max_compaction_lag_ms);
		return KC_EINVAL;
	}
	if (tc->remote_storage_enable) {
		snprintf(err, len,
		    "Tiered Storage functionality is disabled in the broker. "
		    "Topic cannot be configured with remote log storage.");
		return KC_EINVAL;
	}
	return KC_OK;
}

static enum kb_compression
compression(const char *name)
{
	static const struct {
		const char *name;
		enum kb_compression c;
	} names[] = {
		{ "uncompressed", KB_COMPRESSION_NONE },
		{ "gzip", KB_COMPRESSION_GZIP },
		{ "snappy", KB_COMPRESSION_SNAPPY },
		{ "lz4", KB_COMPRESSION_LZ4 },
		{ "zstd", KB_COMPRESSION_ZSTD },
	};

	for (size_t i = 0; i < KC_COUNT(names); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].c;
	return KB_COMPRESSION_PRODUCER;
}

static int64_t
timestamp_bound(const struct kb_topic_config *tc, int64_t own)
{
	return own != INT64_MAX ? own : tc->message_timestamp_difference_max_ms;
}

static void
derive(struct kb_topic_config *tc)
{
	tc->compression = compression(tc->compression_type);
	tc->compression_level = tc->compression == KB_COMPRESSION_GZIP ?
	    tc->compression_gzip_level :
	    tc->compression == KB_COMPRESSION_LZ4 ? tc->compression_lz4_level :
	    tc->compression == KB_COMPRESSION_ZSTD ?
						    tc->compression_zstd_level :
						    0;
	tc->cleanup_delete = kc_conf_list_has(&tc->cleanup_policy, "delete");
	tc->cleanup_compact = kc_conf_list_has(&tc->cleanup_policy, "compact");
	tc->log_append_time =
	    strcmp(tc->message_timestamp_type, "LogAppendTime") == 0;
	tc->timestamp_before_max_ms =
	    timestamp_bound(tc, tc->message_timestamp_before_max_ms);
	tc->timestamp_after_max_ms =
	    timestamp_bound(tc, tc->message_timestamp_after_max_ms);
	/* The broker's keys take any negative number for "keep". */
	if (tc->retention_ms < 0)
		tc->retention_ms = -1;
}

static int
set_own(
    struct kb_topic_config *tc, const struct kc_prop *p, char *err, size_t len)
{
	const struct kc_conf_item *it =
	    kc_conf_find(&kb_topic_config_table, p->key);
	char esc[300];

	if (it == NULL) {
		snprintf(err, len, "Unknown topic config name: %s",
		    kc_str_esc(kc_str(p->key), esc, sizeof esc));
		return KC_EINVAL;
	}
	return kc_conf_set(
	    &tc->conf, it, KC_CONF_SRC_TOPIC, p->value, err, len);
}

static int
new_inherited(struct kb_topic_config **tcp, const struct kb_config *cfg)
{
	struct kb_topic_config *tc;
	int rc;

	KC_ASSERT(tcp != NULL && *tcp == NULL);
	tc = kc_new(struct kb_topic_config, KB_TOPIC_CONFIG_MAGIC);
	if (tc == NULL)
		return KC_ENOMEM;
	kc_ref_init(&tc->ref);
	rc = kc_conf_init(&tc->conf, &kb_topic_config_table, tc);
	for (size_t i = 0; rc == KC_OK && i < KC_COUNT(items); i++)
		rc = inherit(tc, cfg, &items[i]);
	if (rc != KC_OK)
		kb_topic_config_put(&tc);
	*tcp = tc;
	return rc;
}

int
kb_topic_config_open(struct kb_topic_config **tcp, const struct kb_config *cfg,
    const struct kc_props *own, char *err, size_t err_len)
{
	struct kb_topic_config *tc = NULL;
	int rc = new_inherited(&tc, cfg);

	/* Names before values, as Kafka does. */
	for (size_t i = 0;
	     rc == KC_OK && own != NULL && i < kc_props_count(own); i++)
		rc = set_own(tc, kc_props_at(own, i), err, err_len);
	if (rc == KC_OK)
		rc = check(tc, err, err_len);
	if (rc != KC_OK) {
		kb_topic_config_put(&tc);
		return rc;
	}
	derive(tc);
	*tcp = tc;
	return KC_OK;
}

int
kb_topic_config_load(struct kb_topic_config **tcp, const struct kb_config *cfg,
    const char *topic, const struct kc_props *own)
{
	struct kb_topic_config *tc = NULL;
	char err[KC_CONF_ERR_MAX];
	int rc = new_inherited(&tc, cfg);

	for (size_t i = 0;
	     rc == KC_OK && own != NULL && i < kc_props_count(own); i++) {
		rc = set_own(tc, kc_props_at(own, i), err, sizeof err);
		if (rc == KC_EINVAL) {
			kc_log(KC_LOG_WARN, LOGGER,
			    "Ignoring a setting of topic %s: %s", topic, err);
			rc = KC_OK;
		}
	}
	if (rc != KC_OK) {
		kb_topic_config_put(&tc);
		return rc;
	}
	if (check(tc, err, sizeof err) != KC_OK)
		kc_log(KC_LOG_WARN, LOGGER, "Topic %s: %s", topic, err);
	derive(tc);
	*tcp = tc;
	return KC_OK;
}

struct kb_topic_config *
kb_topic_config_get(const struct kb_topic_config *tc)
{
	struct kb_topic_config *t =
	    (struct kb_topic_config *)tc; /* only its count */

	KC_CHECK(t, KB_TOPIC_CONFIG_MAGIC);
	kc_ref_get(&t->ref);
	return t;
}

void
kb_topic_config_put(struct kb_topic_config **tcp)
{
	struct kb_topic_config *tc = *tcp;

	if (tc == NULL)
		return;
	KC_CHECK(tc, KB_TOPIC_CONFIG_MAGIC);
	*tcp = NULL;
	if (!kc_ref_put(&tc->ref))
		return;
	kc_conf_fini(&tc->conf);
	kc_delete(tc);
}
