/*
 * DescribeConfigs, AlterConfigs: what the tables of settings say and allow,
 * rule by rule; the texts are a real broker's.
 */
#include "kbroker/api/configs.h"
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
