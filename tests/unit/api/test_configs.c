/*
 * DescribeConfigs, AlterConfigs: what the tables of settings say and allow,
 * rule by rule; the texts are a real broker's.
 */
#include "kbroker/api/configs.h"
#include "kbroker/dynamic.h"
#include "kbroker/loggers.h"
#include "kcommon/base/err.h"
#include "kcommon/config/properties.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct world {
	struct kc_arena a;
	struct kb_config *config;
	struct kc_logger *logger;
	struct kb_describe d;
	struct kp_describe_configs_resource in;
	struct kp_describe_configs_result out;
};

/* Settings "key=value" of each source, ended by NULL. */
static struct kc_props *
props(const char *const *v)
{
	struct kc_props *p = NULL;
	char key[200];

	cr_assert_eq(kc_props_open(&p), KC_OK);
	for (; v != NULL && *v != NULL; v++) {
		const char *eq = strchr(*v, '=');

		snprintf(key, sizeof key, "%.*s", (int)(eq - *v), *v);
		cr_assert_eq(kc_props_set(p, key, eq + 1), KC_OK);
	}
	return p;
}

static void
open_world(struct world *w, const char *const *statics,
    const char *const *dyn_broker, const char *const *dyn_default)
{
	struct kc_props *s = props(statics), *b = props(dyn_broker),
			*c = props(dyn_default);
	struct kb_config_sources src = { b, c, s };
	struct kb_report rep = { 0 };

	memset(w, 0, sizeof *w);
	cr_assert_eq(
	    kc_props_set(s, "zookeeper.connect", "127.0.0.1:2181"), KC_OK);
	cr_assert_eq(kb_config_open(&w->config, &src, &rep), KC_OK);
	kb_report_free(&rep);
	kc_props_close(&s);
	kc_props_close(&b);
	kc_props_close(&c);
	kc_arena_init(&w->a, (size_t)8 << 20);
	cr_assert_eq(kc_logger_open(&w->logger, 2), KC_OK);
	w->d = (struct kb_describe){ .config = w->config,
		.broker_id = 3,
		.synonyms = true,
		.logger = w->logger,
		.arena = &w->a };
	kp_init(kp_desc_describe_configs_resource(), &w->in);
	kp_init(kp_desc_describe_configs_result(), &w->out);
	w->in.configuration_keys.n = -1;
}

static void
close_world(struct world *w)
{
	kb_topic_config_put(&w->d.tc);
	kb_config_put(&w->config);
	kc_logger_close(&w->logger);
	kc_arena_fini(&w->a);
}

static void
ask(struct world *w, int type, const char *name)
{
	kp_init(kp_desc_describe_configs_result(), &w->out);
	w->in.resource_type = (int8_t)type;
	w->in.resource_name = kc_str(name);
	cr_assert_eq(kb_describe_resource(&w->d, &w->in, &w->out), KC_OK);
}

static const struct kp_describe_configs_resource_result *
got(const struct world *w, const char *name)
{
	for (int32_t i = 0; i < w->out.configs.n; i++)
		if (kc_str_eqz(w->out.configs.v[i].name, name))
			return &w->out.configs.v[i];
	return NULL;
}

static void
expect_why(const struct world *w, const char *why)
{
	cr_expect_eq(w->out.error_code, KP_INVALID_REQUEST, "%s", why);
	cr_expect(kc_str_eqz(w->out.error_message, why), "%.*s",
	    KC_STR_ARG(w->out.error_message));
	cr_expect_eq(w->out.configs.n, 0);
}

Test(kb_describe, names_of_brokers)
{
	struct world w;

	open_world(&w, NULL, NULL, NULL);
	ask(&w, KB_RESOURCE_BROKER, "99");
	expect_why(&w,
	    "Unexpected broker id, expected 3 or empty string, but received "
	    "99");
	ask(&w, KB_RESOURCE_BROKER, "3x");
	expect_why(&w, "Broker id must be an integer, but it is: 3x");
	ask(&w, KB_RESOURCE_BROKER, " 3");
	expect_why(&w, "Broker id must be an integer, but it is:  3");
	ask(&w, KB_RESOURCE_BROKER, "99999999999");
	expect_why(&w, "Broker id must be an integer, but it is: 99999999999");
	ask(&w, KB_RESOURCE_BROKER_LOGGER, "");
	expect_why(&w, "Broker id must not be empty");
	ask(&w, KB_RESOURCE_BROKER_LOGGER, "4");
	expect_why(&w, "Unexpected broker id, expected 3 but received 4");
	ask(&w, KB_RESOURCE_CLIENT_METRICS, "x");
	expect_why(&w,
	    "Config type client-metrics is only supported on KRaft clusters");
	ask(&w, KB_RESOURCE_BROKER, "");
	cr_expect_eq(w.out.error_code, KP_NONE);
	cr_expect_eq(w.out.configs.n, 0, "nothing is set for all brokers");
	close_world(&w);
}

Test(kb_describe, a_full_arena_is_no_memory)
{
	struct world w;

	open_world(&w, NULL, NULL, NULL);
	for (w.a.cap = 64; w.a.cap < 16000; w.a.cap += 500) {
		w.in.resource_type = KB_RESOURCE_BROKER;
		w.in.resource_name = kc_str("3");
		cr_expect_eq(
		    kb_describe_resource(&w.d, &w.in, &w.out), KC_ENOMEM);
		kc_arena_reset(&w.a);
		w.out.configs.n = 0;
	}
	close_world(&w);
}

Test(kb_describe, broker_sources)
{
	static const char *const st[] = { "log.retention.hours=3",
		"listeners=SSL://:9093", "inter.broker.listener.name=SSL",
		"listener.name.ssl.ssl.keystore.password=secret",
		"my.own.key=1", NULL };
	static const char *const dyn[] = { "log.retention.ms= 5000 ",
		"leader.replication.throttled.rate=5", NULL };
	static const char *const def[] = { "log.retention.ms=6000",
		"message.max.bytes=77", NULL };
	const struct kp_describe_configs_resource_result *e;
	struct world w;

	open_world(&w, st, dyn, def);
	ask(&w, KB_RESOURCE_BROKER, "3");
	e = got(&w, "log.retention.ms");
	cr_assert_not_null(e);
	cr_expect(kc_str_eqz(e->value, "5000"));
	cr_expect_eq(e->config_source, KC_CONF_SRC_DYN_BROKER);
	cr_expect_eq(e->config_type, KC_CONF_LONG);
	cr_expect_not(e->read_only);
	cr_expect_eq(e->documentation.len, -1);
	cr_assert_eq(e->synonyms.n, 4);
	cr_expect_eq(e->synonyms.v[1].source, KC_CONF_SRC_DYN_DEFAULT);
	cr_expect(kc_str_eqz(e->synonyms.v[2].name, "log.retention.hours"));
	cr_expect_eq(e->synonyms.v[3].source, KC_CONF_SRC_DEFAULT);

	e = got(&w, "listener.name.ssl.ssl.keystore.password");
	cr_assert_not_null(e);
	cr_expect(e->is_sensitive);
	cr_expect_eq(e->value.len, -1);
	cr_assert_eq(e->synonyms.n, 1);
	cr_expect_eq(e->synonyms.v[0].value.len, -1);
	e = got(&w, "my.own.key");
	cr_assert_not_null(e);
	cr_expect(e->is_sensitive, "nobody knows what it is");
	cr_expect_eq(e->value.len, -1);
	cr_expect(got(&w, "num.partitions")->read_only);
	cr_expect(got(&w, "leader.replication.throttled.rate")->read_only);
	cr_expect_null(got(&w, "follower.replication.throttled.rate"));
	cr_expect_null(got(&w, "unstable.api.versions.enable"), "internal");

	ask(&w, KB_RESOURCE_BROKER, "");
	cr_assert_eq(w.out.configs.n, 2);
	e = got(&w, "log.retention.ms");
	cr_assert_not_null(e);
	cr_expect(kc_str_eqz(e->value, "6000"));
	cr_expect_eq(e->config_source, KC_CONF_SRC_DYN_DEFAULT);
	cr_expect_eq(e->synonyms.n, 1);
	close_world(&w);
}

Test(kb_describe, topic_keys_and_documentation)
{
	static const char *const own[] = { "retention.ms=7", NULL };
	const struct kp_describe_configs_resource_result *e;
	struct kc_str keys[] = { KC_STR_LIT("retention.ms"), KC_STR_LIT("no"),
		KC_STR_LIT("flush.ms"), KC_STR_LIT("retention.ms"),
		KC_STR_NULL };
	struct kc_props *p = props(own);
	struct world w;

	open_world(&w, NULL, NULL, NULL);
	cr_assert_eq(kb_topic_config_load(&w.d.tc, w.config, "t", p), KC_OK);
	kc_props_close(&p);
	ask(&w, KB_RESOURCE_TOPIC, "t");
	cr_expect_eq(w.out.configs.n, 36);
	cr_expect_eq(w.out.error_message.len, 0);

	w.in.configuration_keys.v = keys;
	w.in.configuration_keys.n = KC_COUNT(keys);
	w.d.documentation = true;
	w.d.synonyms = false;
	ask(&w, KB_RESOURCE_TOPIC, "t");
	cr_assert_eq(w.out.configs.n, 2);
	e = got(&w, "retention.ms");
	cr_expect_eq(e->config_source, KC_CONF_SRC_TOPIC);
	cr_expect_eq(e->synonyms.n, 0);
	cr_expect_gt(e->documentation.len, 10);
	cr_expect_eq(got(&w, "flush.ms")->config_source, KC_CONF_SRC_DEFAULT);
	close_world(&w);
}

Test(kb_describe, loggers)
{
	struct world w;

	open_world(&w, NULL, NULL, NULL);
	cr_assert_eq(
	    kc_logger_set_level(w.logger, "kafka.server", KC_LOG_DEBUG), KC_OK);
	ask(&w, KB_RESOURCE_BROKER_LOGGER, "3");
	cr_expect(kc_str_eqz(got(&w, "root")->value, "INFO"));
	cr_expect(
	    kc_str_eqz(got(&w, "kafka.server.KafkaApis")->value, "DEBUG"));
	cr_expect_eq(got(&w, "root")->config_source, 6);
	cr_expect_eq(w.out.configs.n, kb_loggers_n + 1);
	close_world(&w);
}

/* Every literal of the sources that is a name to log under. */
static void
check_source(const char *path)
{
	static const char *const starts[] = { "\"kafka.", "\"org.apache.zoo",
		"\"state.change" };
	FILE *f = fopen(path, "r");
	char line[1000], name[200];

	cr_assert_not_null(f, "%s", path);
	while (fgets(line, sizeof line, f) != NULL)
		for (size_t i = 0; i < KC_COUNT(starts); i++) {
			const char *p = strstr(line, starts[i]);

			if (p != NULL && sscanf(p, "\"%199[^\"]\"", name) == 1)
				cr_expect(kb_logger_known(name),
				    "%s logs as %s", path, name);
		}
	fclose(f);
}

static void
check_folder(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	struct stat st;
	char sub[1000];

	cr_assert_not_null(d, "%s", path);
	while ((e = readdir(d)) != NULL) {
		const char *dot = strrchr(e->d_name, '.');

		if (e->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
		if (stat(sub, &st) == 0 && S_ISDIR(st.st_mode))
			check_folder(sub);
		else if (dot != NULL && strcmp(dot, ".c") == 0 &&
		    strstr(sub, "config_check.c") == NULL)
			check_source(sub);
	}
	closedir(d);
}

Test(kb_loggers, all_of_the_sources)
{
	static const char *const folders[] = { "kcommon", "kzk", "kbroker" };
	const char *src = getenv("srcdir");
	char path[1000];

	for (size_t i = 0; i < KC_COUNT(folders); i++) {
		snprintf(path, sizeof path, "%s/%s", src != NULL ? src : ".",
		    folders[i]);
		check_folder(path);
	}
	for (int i = 1; i < kb_loggers_n; i++)
		cr_expect_lt(strcmp(kb_loggers[i - 1], kb_loggers[i]), 0,
		    "%s out of order", kb_loggers[i]);
}

/* --- altering --------------------------------------------------------------
 */

#define SET(k, v)                                                              \
	{                                                                      \
		.name = { k, sizeof(k) - 1 }, .value = { v, sizeof(v) - 1 },   \
		.kind = KB_ALTER_SET                                           \
	}
#define OP(k, what, v)                                                         \
	{                                                                      \
		.name = { k, sizeof(k) - 1 }, .value = { v, sizeof(v) - 1 },   \
		.kind = what                                                   \
	}

struct plan {
	struct kc_arena arena;
	struct kb_alter a;
	struct kb_alter_resource v[4];
};

static void
open_plan(struct plan *p)
{
	memset(p, 0, sizeof *p);
	kc_arena_init(&p->arena, (size_t)1 << 20);
	p->a =
	    (struct kb_alter){ .v = p->v, .broker_id = 3, .arena = &p->arena };
}

static void
add_resource(struct plan *p, int type, const char *name,
    struct kb_alter_op *ops, int32_t n)
{
	p->v[p->a.n++] = (struct kb_alter_resource){
		.type = (int8_t)type, .name = kc_str(name), .ops = ops, .n = n
	};
}

static void
expect(const struct plan *p, int at, int16_t code, const char *why)
{
	cr_expect_eq(p->v[at].code, code, "%d: %d", at, p->v[at].code);
	cr_expect(kc_str_eqz(p->v[at].why, why), "%d: %.*s", at,
	    KC_STR_ARG(p->v[at].why));
}

Test(kb_alter, resources)
{
	static const int types[] = { 0, 77, KB_RESOURCE_GROUP };
	struct kb_alter_op one[] = { SET("retention.ms", "1") };
	struct kb_alter_op twice[] = { SET("a", "1"), SET("b", "2"),
		SET("a", "3") };
	struct kb_alter_op nulls[] = { SET("a", "1"), SET("b", "2") };
	struct kb_alter_op nul[] = { SET("a\0b", "1") };
	struct kb_alter_op *many;
	struct plan p;
	char why[100];

	nulls[0].value = nulls[1].value = KC_STR_NULL;
	open_plan(&p);
	add_resource(&p, KB_RESOURCE_TOPIC, "t", one, 1);
	add_resource(&p, KB_RESOURCE_TOPIC, "u", nulls, 2);
	add_resource(&p, KB_RESOURCE_TOPIC, "t", one, 1);
	add_resource(&p, KB_RESOURCE_BROKER, "t", one, 1);
	cr_assert_eq(kb_alter_begin(&p.a), KC_OK);
	expect(&p, 0, KP_INVALID_REQUEST,
	    "Each resource must appear at most once.");
	expect(
	    &p, 1, KP_INVALID_REQUEST, "Null value not supported for : a, b");
	expect(&p, 2, KP_INVALID_REQUEST,
	    "Each resource must appear at most once.");
	expect(&p, 3, KP_INVALID_REQUEST,
	    "Node id must be an integer, but it is: t");
	kc_arena_fini(&p.arena);

	open_plan(&p);
	add_resource(&p, KB_RESOURCE_TOPIC, "t", twice, 3);
	add_resource(&p, KB_RESOURCE_TOPIC, "", one, 1);
	add_resource(&p, KB_RESOURCE_TOPIC, "u", nul, 1);
	add_resource(&p, KB_RESOURCE_BROKER, "4", one, 1);
	cr_assert_eq(kb_alter_begin(&p.a), KC_OK);
	expect(&p, 0, KP_INVALID_REQUEST, "Error due to duplicate config keys");
	expect(&p, 1, KP_INVALID_REQUEST,
	    "Default topic resources are not allowed.");
	expect(
	    &p, 2, KP_INVALID_REQUEST, "A name or value has a NUL byte in it");
	expect(&p, 3, KP_INVALID_REQUEST,
	    "Unexpected broker id, expected 3, but received 4");
	kc_arena_fini(&p.arena);

	for (size_t i = 0; i < KC_COUNT(types); i++) {
		open_plan(&p);
		add_resource(&p, types[i], "x", NULL, 0);
		cr_assert_eq(kb_alter_begin(&p.a), KC_OK);
		snprintf(why, sizeof why, "Unknown resource type %d", types[i]);
		expect(&p, 0, KP_INVALID_REQUEST, why);
		kc_arena_fini(&p.arena);
	}

	many = calloc(KB_ALTER_OPS_MAX + 1, sizeof *many);
	open_plan(&p);
	add_resource(&p, KB_RESOURCE_TOPIC, "t", many, KB_ALTER_OPS_MAX + 1);
	add_resource(&p, KB_RESOURCE_BROKER_LOGGER, "3", NULL, 0);
	p.a.replace = true;
	cr_assert_eq(kb_alter_begin(&p.a), KC_OK);
	cr_expect_eq(p.v[0].code, KP_INVALID_REQUEST);
	expect(&p, 1, KP_INVALID_REQUEST, "Unknown resource type 8");
	free(many);
	kc_arena_fini(&p.arena);
}

/* ops on what base sets; gives the code, and the value of key in *out. */
static int16_t
alter(const char *const *base, struct kb_alter_op *ops, int32_t n,
    const char *key, char *out, size_t len, struct kb_why *why)
{
	struct kb_alter_resource r = { .type = KB_RESOURCE_TOPIC,
		.name = KC_STR_LIT("t"),
		.ops = ops,
		.n = n };
	struct kc_props *p = props(base);
	int16_t code = kb_alter_apply(&r, &kb_topic_config_table, p, why);
	const char *value = kc_props_get(p, key);

	snprintf(out, len, "%s", value != NULL ? value : "(none)");
	kc_props_close(&p);
	return code;
}

Test(kb_alter, lists)
{
	static const char *const base[] = { "cleanup.policy=compact,delete",
		NULL };
	static const char key[] = "cleanup.policy";
	struct kb_alter_op bad[] = { OP("flush.ms", KB_ALTER_APPEND, "1") };
	struct kb_alter_op none[] = { OP("nope", KB_ALTER_SUBTRACT, "1") };
	struct kb_alter_op nine[] = { OP("flush.ms", 9, "1") };
	struct kb_alter_op add[] = { OP(
	    "cleanup.policy", KB_ALTER_APPEND, "compact,x,delete,x") };
	struct kb_alter_op take[] = { OP(
	    "cleanup.policy", KB_ALTER_SUBTRACT, "delete") };
	struct kb_alter_op all[] = { OP(
	    "cleanup.policy", KB_ALTER_SUBTRACT, "delete,compact") };
	struct kb_alter_op gone[] = { OP(
	    "cleanup.policy", KB_ALTER_DELETE, "") };
	struct kb_why why = { "" };
	char s[100];

	cr_expect_eq(
	    alter(base, bad, 1, key, s, sizeof s, &why), KP_INVALID_CONFIG);
	cr_expect_str_eq(why.s,
	    "Config value append is not allowed for config key: flush.ms");
	cr_expect_eq(
	    alter(base, none, 1, key, s, sizeof s, &why), KP_INVALID_CONFIG);
	cr_expect_eq(
	    alter(base, nine, 1, key, s, sizeof s, &why), KP_INVALID_REQUEST);
	cr_expect_str_eq(why.s, "Unknown operations type 9");
	cr_expect_eq(alter(base, add, 1, key, s, sizeof s, &why), KP_NONE);
	cr_expect_str_eq(s, "compact,delete,x");
	cr_expect_eq(alter(NULL, add, 1, key, s, sizeof s, &why), KP_NONE);
	cr_expect_str_eq(s, "delete,compact,x", "added to the default");
	cr_expect_eq(alter(base, take, 1, key, s, sizeof s, &why), KP_NONE);
	cr_expect_str_eq(s, "compact");
	cr_expect_eq(alter(base, all, 1, key, s, sizeof s, &why), KP_NONE);
	cr_expect_str_eq(s, "");
	cr_expect_eq(alter(base, gone, 1, key, s, sizeof s, &why), KP_NONE);
	cr_expect_str_eq(s, "(none)");
}

static int16_t
check_topic(const char *setting, struct kb_why *why)
{
	const char *const base[] = { "min.compaction.lag.ms=5", setting, NULL };
	struct kb_alter_resource r = { .name = KC_STR_LIT("t") };
	struct kc_props *p = props(base);
	struct world w;
	int16_t code;

	open_world(&w, NULL, NULL, NULL);
	code = kb_alter_check_topic(&r, w.config, p, why);
	close_world(&w);
	kc_props_close(&p);
	return code;
}

Test(kb_alter, topics)
{
	struct kb_why why = { "" };

	cr_expect_eq(check_topic("foo=1", &why), KP_INVALID_CONFIG);
	cr_expect_str_eq(why.s, "Unknown topic config name: foo");
	cr_expect_eq(check_topic("retention.ms=abc", &why), KP_INVALID_CONFIG);
	cr_expect_str_eq(why.s,
	    "Invalid config value for resource ConfigResource(type=TOPIC, "
	    "name='t'): Invalid value abc for configuration retention.ms: Not "
	    "a number of type LONG");
	cr_expect_eq(
	    check_topic("max.compaction.lag.ms=4", &why), KP_INVALID_CONFIG);
	cr_expect_str_eq(why.s,
	    "conflict topic config setting min.compaction.lag.ms (5) > "
	    "max.compaction.lag.ms (4)");
	cr_expect_eq(check_topic("retention.ms=1", &why), KP_NONE);
}

Test(kb_alter, loggers)
{
	static const struct {
		struct kb_alter_op op;
		int16_t code;
		const char *why;
	} bad[] = {
		{ OP("kafka", KB_ALTER_APPEND, "INFO"), KP_INVALID_REQUEST,
		    "APPEND operation is not allowed for the BROKER_LOGGER "
		    "resource" },
		{ OP("kafka", 9, "INFO"), KP_INVALID_REQUEST,
		    "Unknown operation type 9 is not allowed for the "
		    "BROKER_LOGGER resource" },
		{ SET("nope", "INFO"), KP_INVALID_CONFIG,
		    "Logger nope does not exist!" },
		{ SET("kafka", "info"), KP_INVALID_CONFIG,
		    "Cannot set the log level of kafka to info as it is not a "
		    "supported log level. Valid log levels are DEBUG, ERROR, "
		    "FATAL, INFO, TRACE, WARN" },
		{ OP("root", KB_ALTER_DELETE, ""), KP_INVALID_REQUEST,
		    "Removing the log level of the root logger is not "
		    "allowed" },
	};
	struct kb_alter_op ops[2] = { SET("kafka", "DEBUG") };
	struct kb_alter_resource r = { .ops = ops, .n = 2 };
	struct kb_why why = { "" };
	struct world w;

	open_world(&w, NULL, NULL, NULL);
	for (size_t i = 0; i < KC_COUNT(bad); i++) {
		ops[1] = bad[i].op;
		cr_expect_eq(kb_alter_loggers(&r, w.logger, false, &why),
		    bad[i].code, "%zu", i);
		cr_expect_str_eq(why.s, bad[i].why);
	}
	cr_expect_eq(kc_logger_level(w.logger, "kafka"), KC_LOG_INFO,
	    "one wrong, none done");
	r.n = 1;
	cr_expect_eq(kb_alter_loggers(&r, w.logger, true, &why), KP_NONE);
	cr_expect_eq(kc_logger_level(w.logger, "kafka"), KC_LOG_INFO);
	cr_expect_eq(kb_alter_loggers(&r, w.logger, false, &why), KP_NONE);
	cr_expect_eq(kc_logger_level(w.logger, "kafka"), KC_LOG_DEBUG);
	ops[0].kind = KB_ALTER_DELETE;
	cr_expect_eq(kb_alter_loggers(&r, w.logger, false, &why), KP_NONE);
	cr_expect_eq(kc_logger_level(w.logger, "kafka"), KC_LOG_INFO);
	close_world(&w);
}

Test(kb_dynamic, keys)
{
	static const struct {
		const char *key, *value;
		bool own;
		enum kb_dynamic_verdict v;
	} cases[] = {
		{ "log.dirs", "/x", true, KB_DYNAMIC_FIXED },
		{ "num.network.threads", "4", true, KB_DYNAMIC_FIXED },
		{ "num.network.threads", "0", true, KB_DYNAMIC_WRONG },
		{ "ssl.keystore.location", "/x", true, KB_DYNAMIC_BARE },
		{ "ssl.nope", "/x", true, KB_DYNAMIC_FIXED },
		{ "listener.name.x", "1", true, KB_DYNAMIC_FIXED },
		{ "listener.name.x.nope", "1", true, KB_DYNAMIC_FIXED },
		{ "listener.name..ssl.protocol", "1", true, KB_DYNAMIC_FIXED },
		{ "listener.name.x.ssl.keystore.type", "PEM", true,
		    KB_DYNAMIC_OK },
		{ "listener.name.x.ssl.keystore.type", "PEM", false,
		    KB_DYNAMIC_OWN },
		{ "listener.name.x.ssl.client.auth", "maybe", true,
		    KB_DYNAMIC_WRONG },
		{ "advertised.listeners", "A://:1", false, KB_DYNAMIC_OWN },
		{ "advertised.listeners", "A://:1", true, KB_DYNAMIC_FIXED },
		{ "log.retention.ms", "x", false, KB_DYNAMIC_WRONG },
		{ "log.retention.ms", "5", false, KB_DYNAMIC_OK },
		{ "log.retention.hours", "5", false, KB_DYNAMIC_FIXED },
		{ "message.max.bytes", "5", true, KB_DYNAMIC_OK },
		{ "max.connections", "5", true, KB_DYNAMIC_OK },
		{ "my.own", "5", true, KB_DYNAMIC_OK },
	};
	char err[KC_CONF_ERR_MAX];

	for (size_t i = 0; i < KC_COUNT(cases); i++)
		cr_expect_eq(kb_dynamic_judge(cases[i].key, cases[i].value,
				 cases[i].own, err, sizeof err),
		    cases[i].v, "%s=%s %d", cases[i].key, cases[i].value,
		    cases[i].own);
}
