/*
 * topic_config -- the settings that hold for one topic.
 *
 * Each key of topic_config.def is a field.  Value: the topic's own setting,
 * else the broker's key that stands for it (dynamic of this broker, dynamic
 * default, static; of several with different units ms before minutes before
 * hours), else the default.  Immutable and reference-counted: a change makes
 * a new one.
 *
 * From Kafka: LogConfig, ServerTopicConfigSynonyms.
 *
 * @thread any, once opened
 */
#ifndef KB_TOPIC_CONFIG_H
#define KB_TOPIC_CONFIG_H

#include "kbroker/config.h"

enum kb_compression { /* numbers of the batch attributes */
	KB_COMPRESSION_PRODUCER = -1, /* keep what the producer chose */
	KB_COMPRESSION_NONE = 0,
	KB_COMPRESSION_GZIP = 1,
	KB_COMPRESSION_SNAPPY = 2,
	KB_COMPRESSION_LZ4 = 3,
	KB_COMPRESSION_ZSTD = 4,
};

struct kb_topic_config {
	unsigned magic;
#define KB_TOPIC_CONFIG_MAGIC 0x70b1c0f3
	struct kc_ref ref;

#define CONF(type, field, ...) KC_CONF_FIELD_##type field;
#include "kbroker/topic_config.def"
#undef CONF

	/* Derived; readers want these, not the texts. */
	enum kb_compression compression; /* compression.type */
	int compression_level; /* of that codec; 0 when it has none */
	bool cleanup_delete;
	bool cleanup_compact;
	bool log_append_time; /* message.timestamp.type */
	/* message.timestamp.{before,after}.max.ms, else difference.max.ms */
	int64_t timestamp_before_max_ms;
	int64_t timestamp_after_max_ms;

	struct kc_conf conf; /* source TOPIC only */
};

extern const struct kc_conf_table kb_topic_config_table;

/*
 * Topic settings own (NULL: none) over those of cfg.  KC_EINVAL and a text
 * like Kafka's in err when a key is unknown, a value wrong, or two of them
 * contradict each other: CreateTopics and AlterConfigs answer
 * INVALID_CONFIG with it.
 */
int kb_topic_config_open(struct kb_topic_config **tcp,
    const struct kb_config *cfg, const struct kc_props *own, char *err,
    size_t err_len);
/*
 * The same from ZooKeeper, where others may have written anything: wrong
 * settings are logged and left out.  KC_OK or KC_ENOMEM.
 */
int kb_topic_config_load(struct kb_topic_config **tcp,
    const struct kb_config *cfg, const char *topic, const struct kc_props *own);
struct kb_topic_config *kb_topic_config_get(const struct kb_topic_config *tc);
void kb_topic_config_put(struct kb_topic_config **tcp);

/* One line of DescribeConfigs' synonyms, strongest first. */
struct kb_config_synonym {
	const char *name; /* borrowed */
	char *value; /* as printed; NULL is null or a password; owned */
	enum kc_conf_source source;
};

/*
 * Where a topic's value comes from; v[0] is the one that holds.  *vp is
 * malloc'ed, freed by kb_config_synonyms_free().
 */
int kb_topic_config_synonyms(const struct kb_topic_config *tc,
    const struct kb_config *cfg, const struct kc_conf_item *it,
    struct kb_config_synonym **vp, int *n);
/* The same for a broker's key. */
int kb_config_synonyms(const struct kb_config *cfg,
    const struct kc_conf_item *it, struct kb_config_synonym **vp, int *n);
void kb_config_synonyms_free(struct kb_config_synonym *v, int n);

#endif
