#include "tests/unit/config/common.h"

#include "kcommon/base/err.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kb_topic_config *
topic_of(const char *broker, const char *own)
{
	struct kb_config *cfg = config_good(broker);
	struct kc_props *p = props_of(own);
	struct kb_topic_config *tc = NULL;
	char err[KC_CONF_ERR_MAX] = "";

	cr_assert_eq(kb_topic_config_open(&tc, cfg, p, err, sizeof err), KC_OK,
	    "%s: %s", own, err);
	kc_props_close(&p);
	kb_config_put(&cfg);
	return tc;
}

static void
expect_invalid(const char *own, const char *text)
{
	struct kb_config *cfg = config_good(BASE);
	struct kc_props *p = props_of(own);
	struct kb_topic_config *tc = NULL;
	char err[KC_CONF_ERR_MAX] = "";

	cr_expect_eq(
	    kb_topic_config_open(&tc, cfg, p, err, sizeof err), KC_EINVAL);
	cr_expect_str_eq(err, text);
	cr_expect_null(tc);
	kc_props_close(&p);
	kb_config_put(&cfg);
}

Test(topic_config, invalid)
{
	expect_invalid("foo=1", "Unknown topic config name: foo");
	expect_invalid("log.retention.ms=1",
	    "Unknown topic config name: log.retention.ms");
	expect_invalid("retention.ms=x",
	    "Invalid value x for configuration retention.ms: "
	    "Not a number of type LONG");
	expect_invalid("retention.ms=-2",
	    "Invalid value -2 for configuration retention.ms: "
	    "Value must be at least -1");
	expect_invalid("cleanup.policy=delete,burn",
	    "Invalid value burn for configuration cleanup.policy: "
	    "String must be one of: compact, delete");
	expect_invalid("min.cleanable.dirty.ratio=2",
	    "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: "
	    "Value must be no more than 1");
	expect_invalid("compression.gzip.level=99",
	    "Invalid value 99 for configuration compression.gzip.level: "
	    "Value must be between 1 and 9 or equal to -1");
	expect_invalid("leader.replication.throttled.replicas=1:2,3",
	    "Invalid value [1:2, 3] for configuration "
	    "leader.replication.throttled.replicas: "
	    "leader.replication.throttled.replicas must be the literal '*' or "
	    "a list of replicas in the following format: "
	    "[partitionId]:[brokerId],[partitionId]:[brokerId],...");
	expect_invalid("min.compaction.lag.ms=2\nmax.compaction.lag.ms=1",
	    "conflict topic config setting min.compaction.lag.ms (2) > "
	    "max.compaction.lag.ms (1)");
	expect_invalid("remote.storage.enable=true",
	    "Tiered Storage functionality is disabled in the broker. Topic "
	    "cannot be configured with remote log storage.");
}

Test(topic_config, defaults)
{
	struct kb_topic_config *tc = topic_of(BASE, "");

	cr_expect_eq(tc->segment_bytes, 1073741824);
	cr_expect_eq(tc->retention_ms, 604800000);
	cr_expect_eq(tc->segment_ms, 604800000);
	cr_expect_eq(tc->flush_ms, INT64_MAX);
	cr_expect_eq(tc->max_message_bytes, 1048588);
	cr_expect_eq(tc->compression, KB_COMPRESSION_PRODUCER);
	cr_expect(tc->cleanup_delete && !tc->cleanup_compact);
	cr_expect_not(tc->log_append_time);
	cr_expect_eq(tc->timestamp_after_max_ms, INT64_MAX);
	kb_topic_config_put(&tc);
}

/* Goal: ms before minutes before hours, whatever their order in the file. */
Test(topic_config, units)
{
	static const struct {
		const char *broker;
		int64_t retention_ms;
	} v[] = {
		{ "log.retention.hours=2\n", 7200000 },
		{ "log.retention.hours=2\nlog.retention.minutes=3\n", 180000 },
		{ "log.retention.ms=5\nlog.retention.hours=2\n"
		  "log.retention.minutes=3\n",
		    5 },
		{ "log.retention.hours=2147483647\n", 7730941129200000 },
		{ "log.retention.minutes=-7\n", -1 },
		{ "log.retention.ms=-1\nlog.retention.hours=2\n", -1 },
	};
	struct kb_topic_config *tc;
	char text[256];

	for (size_t i = 0; i < KC_COUNT(v); i++) {
		snprintf(text, sizeof text, BASE "%s", v[i].broker);
		tc = topic_of(text, "");
		cr_expect_eq(
		    tc->retention_ms, v[i].retention_ms, "%s", v[i].broker);
		kb_topic_config_put(&tc);
	}
	tc = topic_of(BASE "log.roll.hours=1\nlog.roll.jitter.ms=7\n"
			   "log.flush.scheduler.interval.ms=9\n",
	    "");
	cr_expect_eq(tc->segment_ms, 3600000);
	cr_expect_eq(tc->segment_jitter_ms, 7);
	cr_expect_eq(tc->flush_ms, 9);
	kb_topic_config_put(&tc);
}

Test(topic_config, own_wins)
{
	struct kb_topic_config *tc =
	    topic_of(BASE "log.retention.ms=5\nmin.insync.replicas=2\n"
			  "compression.type=gzip\ncompression.gzip.level=3\n"
			  "log.cleanup.policy=compact\n"
			  "log.message.timestamp.difference.max.ms=77\n",
		"retention.ms=6\ncompression.type=zstd\n"
		"cleanup.policy=compact, delete\n"
		"message.timestamp.type=LogAppendTime\n"
		"message.timestamp.after.max.ms=8\n");
	struct kb_topic_config *again = kb_topic_config_get(tc);

	kb_topic_config_put(&tc);
	cr_expect_eq(again->retention_ms, 6);
	cr_expect_eq(again->min_insync_replicas, 2);
	cr_expect_eq(again->compression, KB_COMPRESSION_ZSTD);
	cr_expect_eq(again->compression_level, 3);
	cr_expect(again->cleanup_delete && again->cleanup_compact);
	cr_expect(again->log_append_time);
	cr_expect_eq(again->timestamp_before_max_ms, 77);
	cr_expect_eq(again->timestamp_after_max_ms, 8);
	kb_topic_config_put(&again);
}

/* Goal: what others wrote to ZooKeeper cannot take a topic down. */
Test(topic_config, load_keeps_what_is_good)
{
	struct kb_config *cfg = config_good(BASE);
	struct kc_props *p = props_of("foo=1\nretention.ms=x\n"
				      "segment.bytes=100\n");
	struct kb_topic_config *tc = NULL;

	cr_assert_eq(kb_topic_config_load(&tc, cfg, "t", p), KC_OK);
	cr_expect_eq(tc->segment_bytes, 100);
	cr_expect_eq(tc->retention_ms, 604800000);
	kb_topic_config_put(&tc);
	cr_assert_eq(kb_topic_config_load(&tc, cfg, "t", NULL), KC_OK);
	kb_topic_config_put(&tc);
	kc_props_close(&p);
	kb_config_put(&cfg);
}

/* want: "name=value (source)" for each, NULL at the end. */
static void
expect_synonyms(
    const struct kb_config_synonym *v, int n, const char *const *want)
{
	char text[256];

	for (int i = 0; i < n; i++) {
		cr_assert_not_null(want[i], "%s", v[i].name);
		snprintf(text, sizeof text, "%s=%s (%d)", v[i].name,
		    v[i].value == NULL ? "null" : v[i].value, v[i].source);
		cr_expect_str_eq(text, want[i]);
	}
	cr_expect_null(want[n]);
}

Test(topic_config, synonyms)
{
	struct kc_props *st = props_of(BASE "log.retention.hours=24\n"
					    "message.max.bytes= +7\n"
					    "ssl.key.password=geheim\n");
	struct kc_props *dyn = props_of("message.max.bytes=8\n");
	struct kb_config_sources src = { .dyn_default = dyn, .statics = st };
	struct kc_props *own = props_of("max.message.bytes=9\n");
	const struct kc_conf_table *t = &kb_topic_config_table;
	struct kb_config *cfg = NULL;
	struct kb_topic_config *tc = NULL;
	struct kb_report rep = { 0 };
	struct kb_config_synonym *v;
	char err[KC_CONF_ERR_MAX];
	int n;

	cr_assert_eq(kb_config_open(&cfg, &src, &rep), KC_OK);
	cr_assert_eq(
	    kb_topic_config_open(&tc, cfg, own, err, sizeof err), KC_OK);
	kb_topic_config_synonyms(
	    tc, cfg, kc_conf_find(t, "max.message.bytes"), &v, &n);
	expect_synonyms(v, n,
	    (const char *const[]){ "max.message.bytes=9 (1)",
		"message.max.bytes=8 (3)", "message.max.bytes=7 (4)",
		"message.max.bytes=1048588 (5)", NULL });
	kb_config_synonyms_free(v, n);
	/* Kafka shows none where only a stand-in of the first key is set. */
	kb_topic_config_synonyms(
	    tc, cfg, kc_conf_find(t, "retention.ms"), &v, &n);
	cr_expect_eq(n, 0);
	kb_config_synonyms_free(v, n);
	kb_config_synonyms(
	    cfg, kc_conf_find(&kb_config_table, "log.retention.hours"), &v, &n);
	expect_synonyms(v, n,
	    (const char *const[]){ "log.retention.hours=24 (4)",
		"log.retention.hours=168 (5)", NULL });
	kb_config_synonyms_free(v, n);
	kb_config_synonyms(
	    cfg, kc_conf_find(&kb_config_table, "ssl.key.password"), &v, &n);
	expect_synonyms(
	    v, n, (const char *const[]){ "ssl.key.password=null (4)", NULL });
	kb_config_synonyms_free(v, n);
	kb_topic_config_put(&tc);
	kb_config_put(&cfg);
	kb_report_free(&rep);
	kc_props_close(&st);
	kc_props_close(&dyn);
	kc_props_close(&own);
}
