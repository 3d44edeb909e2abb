#include "tests/unit/config/common.h"

#include "kcommon/base/err.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Goal: the table is one that every reader of it can trust. */
static void
check_table(const struct kc_conf_table *t, size_t size)
{
	char err[KC_CONF_ERR_MAX];

	for (size_t i = 0; i < t->n; i++) {
		const struct kc_conf_item *it = &t->v[i];

		cr_expect_eq(kc_conf_find(t, it->name), it, "%s is there twice",
		    it->name);
		cr_expect_lt(it->off, size);
		cr_expect(
		    it->doc != NULL && strlen(it->doc) > 10, "%s", it->name);
		cr_expect_eq(it->doc[strlen(it->doc) - 1], '.', "%s", it->name);
		cr_expect(it->state == KC_CONF_WORKS || it->why != NULL, "%s",
		    it->name);
		if (it->dflt != NULL)
			cr_expect_eq(
			    kc_conf_check(it, it->dflt, err, sizeof err), KC_OK,
			    "%s", err);
	}
}

/* Synonyms are keys of the broker, and fit in the readers' buffers. */
static void
check_synonyms(const struct kc_conf_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct kc_str rest = kc_str(t->v[i].synonyms), tok;
		char name[128];

		while (kc_str_split(&rest, ',', &tok)) {
			cr_assert_lt((size_t)tok.len, sizeof name);
			snprintf(name, sizeof name, "%.*s", KC_STR_ARG(tok));
			cr_expect_not_null(
			    kc_conf_find(&kb_config_table, name), "%s", name);
		}
	}
}

Test(config, tables)
{
	check_table(&kb_config_table, sizeof(struct kb_config));
	check_table(&kb_topic_config_table, sizeof(struct kb_topic_config));
	check_synonyms(&kb_config_table);
	check_synonyms(&kb_topic_config_table);
}

Test(config, defaults)
{
	struct kb_config *cfg = config_good(BASE), *again;

	cr_expect_eq(cfg->broker_id, -1);
	cr_expect_eq(cfg->num_network_threads, 3);
	cr_expect_eq(cfg->log_retention_ms, KC_CONF_NULL_LONG);
	cr_expect_eq(cfg->zk_connection_timeout_ms, 18000);
	cr_expect_eq(cfg->data_dirs.n, 1);
	cr_expect_str_eq(cfg->data_dirs.v[0], "/tmp/kafka-logs");
	cr_expect_eq(cfg->endpoints.n, 1);
	again = kb_config_get(cfg);
	kb_config_put(&cfg);
	cr_expect_str_eq(again->zookeeper_connect, "localhost:2181");
	kb_config_put(&again);
	kb_config_put(&again);
}

Test(config, everything_wrong_in_one_go)
{
	struct kb_config *cfg = NULL;
	struct kb_report rep = { 0 };

	cr_expect_eq(config_of(&cfg,
			 "num.partitions=0\nlog.dirs=\nlisteners=x\n"
			 "authorizer.class.name=A\nfoo=1\n",
			 &rep),
	    KC_EINVAL);
	cr_expect(reported(&rep, KB_REPORT_ERROR,
	    "Invalid value 0 for configuration num.partitions: "
	    "Value must be at least 1"));
	cr_expect(
	    reported(&rep, KB_REPORT_ERROR, "At least one log directory"));
	cr_expect(reported(&rep, KB_REPORT_ERROR, "Unable to parse x"));
	cr_expect(
	    reported(&rep, KB_REPORT_ERROR, "authorizer.class.name=A is "));
	cr_expect(reported(&rep, KB_REPORT_ERROR, "zookeeper.connect"));
	cr_expect(reported(&rep, KB_REPORT_WARN, "foo was supplied"));
	cr_expect_geq(rep.errors, 5);
	kb_report_free(&rep);
}

Test(config, refused)
{
	static const char *const lines[] = {
		"authorizer.class.name=kafka.security.authorizer."
		"AclAuthorizer",
		"principal.builder.class=com.x.Y",
		"ssl.engine.factory.class=com.x.Y",
		"create.topic.policy.class.name=com.x.Y",
		"alter.config.policy.class.name=com.x.Y",
		"client.quota.callback.class=com.x.Y",
		"sasl.server.callback.handler.class=com.x.Y",
		"sasl.login.class=com.x.Y",
		"security.providers=com.x.Y",
		"ssl.provider=BCFIPS",
		"process.roles=broker",
		"controller.listener.names=C",
		"zookeeper.metadata.migration.enable=true",
		"zookeeper.ssl.client.enable=true",
		"remote.log.storage.system.enable=true",
		"listener.name.plaintext.principal.builder.class=com.x.Y",
		"listener.name.plaintext.plain.sasl.server.callback.handler."
		"class=com.x.Y",
	};
	char text[512];

	for (size_t i = 0; i < KC_COUNT(lines); i++) {
		snprintf(text, sizeof text, BASE "%s\n", lines[i]);
		expect_refused(text, " is refused: ");
	}
}

Test(config, defaults_of_refused_keys_are_fine)
{
	struct kb_config *cfg = config_good(
	    BASE "authorizer.class.name=\nprocess.roles=\n"
		 "zookeeper.metadata.migration.enable=false\n"
		 "principal.builder.class=org.apache.kafka.common.security."
		 "authenticator.DefaultKafkaPrincipalBuilder\n"
		 "remote.log.storage.system.enable=False\n"
		 "ssl.engine.factory.class=\n");

	kb_config_put(&cfg);
}

Test(config, unknown_security_keys)
{
	static const char *const keys[] = { "ssl.keystore.pasword",
		"sasl.enabled.mechanism", "zookeeper.ssl.x",
		"security.inter.broker.protcol",
		"listener.name.plaintext.ssl.client.atuh",
		"listener.name.plaintext.plain.sasl.jaas.cfg" };
	char text[512];

	for (size_t i = 0; i < KC_COUNT(keys); i++) {
		snprintf(text, sizeof text, BASE "%s=1\n", keys[i]);
		expect_refused(text, "a security setting that is not known");
	}
	expect_refused(BASE "listener.name.PLAINTEXT.ssl.client.auth=none\n",
	    "must be in lower case");
	expect_refused(BASE "listener.name.plaintext=1\n", "a key must follow");
	expect_refused(
	    BASE "listener.name..ssl.client.auth=none\n", "a key must follow");
}

static void
expect_warning(const char *line, const char *text)
{
	struct kb_config *cfg = NULL;
	struct kb_report rep = { 0 };
	char all[1024];

	snprintf(all, sizeof all, BASE "%s\n", line);
	cr_expect_eq(config_of(&cfg, all, &rep), KC_OK, "%s", line);
	if (text == NULL)
		cr_expect_eq(
		    rep.n, 0, "%s: %s", line, rep.n > 0 ? rep.v[0].text : "");
	else
		cr_expect(reported(&rep, KB_REPORT_WARN, text), "%s: %s", line,
		    rep.n > 0 ? rep.v[0].text : "no finding");
	kb_config_put(&cfg);
	kb_report_free(&rep);
}

Test(config, warnings)
{
	expect_warning("num.io.threads=16", "num.io.threads=16 has no effect");
	expect_warning("num.io.threads=8", NULL);
	expect_warning("num.io.threads= +8 ", NULL);
	expect_warning("my.own=1", "my.own was supplied");
	expect_warning("a\\nb=1", "a\\x0ab was supplied");
	expect_warning("config.providers.x.class=1", NULL);
	expect_warning(
	    "leader.replication.throttled.rate=1", "was supplied but is not");
	expect_warning("password.encoder.secret=geheim",
	    "password.encoder.secret=[hidden] has no effect");
	expect_warning("listener.name.plaintext.num.partitions=1",
	    "a listener cannot have its own");
	expect_warning("listener.name.nobody.ssl.client.auth=none",
	    "there is no listener of that name");
	expect_warning("listener.name.plaintext.scram-sha-256.sasl.jaas.config="
		       "geheim",
	    "=[hidden] has no effect");
}

Test(config, cross_checks)
{
	expect_refused(BASE "broker.id=1001\n", "reserved.broker.max.id");
	expect_refused(BASE "broker.id=-2\n", "reserved.broker.max.id");
	expect_refused(BASE "broker.id.generation.enable=false\n",
	    "greater than or equal to 0");
	expect_refused(BASE "broker.id=1\nnode.id=2\n", "`node.id`");
	expect_refused("broker.id=1\n", "zookeeper.connect");
	expect_refused(BASE "log.dirs= , \n", "At least one log directory");
	expect_refused(BASE "log.dirs=/a,/a\n", "twice");
	expect_refused(
	    BASE "log.cleaner.threads=128\n", "at least 1MB per cleaner");
	expect_refused(BASE "replica.fetch.wait.max.ms=30001\n"
			    "replica.lag.time.max.ms=40000\n",
	    "replica.socket.timeout.ms should");
	expect_refused(
	    BASE "replica.lag.time.max.ms=499\n", "frequent changes in ISR");
	expect_refused(BASE "queued.max.request.bytes=1\n",
	    "larger or equal to socket.request.max.bytes");
	expect_refused(BASE "connections.max.idle.ms=100\n", "timing out");
	expect_refused(
	    BASE "max.connections.per.ip=0\n", "can be set to zero only if");
	expect_refused(BASE "max.connections.per.ip.overrides=host\n",
	    "list of host:number");
	expect_refused(BASE "max.connections.per.ip.overrides=a b:1\n",
	    "list of host:number");
	expect_refused(BASE "log.retention.ms=0\n", "log.retention.ms must");
	expect_refused(BASE "log.retention.hours=0\n", "log.retention.ms must");
	expect_refused(BASE "log.roll.ms=0\n", "log.roll.ms must");
	expect_refused(BASE "log.roll.jitter.ms=-1\n", "log.roll.jitter.ms");
	expect_refused(BASE "offsets.commit.required.acks=4\n",
	    "offsets.commit.required.acks");
	expect_refused(
	    BASE "offsets.topic.compression.codec=5\n", "from 0 to 4");
	expect_refused(BASE "inter.broker.protocol.version=2.0\n"
			    "offsets.topic.compression.codec=4\n",
	    "2.1-IV0");
	expect_refused(BASE "inter.broker.protocol.version=2.7\n"
			    "log.message.format.version=2.8\n",
	    "log.message.format.version");
	expect_refused(
	    BASE "inter.broker.protocol.version=3.10\n", "not a valid version");
	expect_refused(BASE "compression.gzip.level=0\n", "between 1 and 9");
	expect_refused(BASE "replica.selector.class=com.x.Y\n",
	    "RackAwareReplicaSelector");
	expect_refused(BASE "ssl.endpoint.identification.algorithm=ldaps\n",
	    "https or empty");
}

Test(config, cross_checks_satisfied)
{
	static const char *const lines[] = {
		"log.retention.ms=-1",
		"log.retention.hours=-1",
		"log.retention.ms=-5",
		"max.connections.per.ip=0\n"
		"max.connections.per.ip.overrides=127.0.0.1:5, ::1:7",
		"inter.broker.protocol.version=3.9",
		"inter.broker.protocol.version=2.7-IV1\n"
		"log.message.format.version=2.7-IV0",
		"inter.broker.protocol.version=0.10.2.1\n"
		"log.message.format.version=0.10.1",
		"queued.max.request.bytes=104857600",
		"connections.max.idle.ms=-1",
		"broker.id=1000",
		"reserved.broker.max.id=5000\nbroker.id=5000",
		"ssl.endpoint.identification.algorithm=",
		"compression.gzip.level=-1",
	};
	char text[512];

	for (size_t i = 0; i < KC_COUNT(lines); i++) {
		struct kb_config *cfg;

		snprintf(text, sizeof text, BASE "%s\n", lines[i]);
		cfg = config_good(text);
		kb_config_put(&cfg);
	}
}

Test(config, ids_are_one)
{
	struct kb_config *cfg = config_good(BASE "node.id=7\n");

	cr_expect_eq(cfg->broker_id, 7);
	cr_expect_eq(cfg->node_id, 7);
	cr_expect_str_eq(
	    kb_config_text(cfg, "broker.id", KC_CONF_SRC_STATIC), "7");
	kb_config_put(&cfg);
}

Test(config, listener_overrides)
{
	struct kb_config *cfg = config_good(
	    BASE "listeners=IN://:1,OUT://:2\nadvertised.listeners=IN://h:1\n"
		 "listener.security.protocol.map=IN:PLAINTEXT,OUT:SSL\n"
		 "inter.broker.listener.name=IN\nssl.client.auth=requested\n"
		 "ssl.keystore.password=general\nnum.network.threads=4\n"
		 "listener.name.out.ssl.client.auth=required\n"
		 "listener.name.out.ssl.keystore.password=own\n"
		 "listener.name.out.num.network.threads=9\n");

	cr_expect_str_eq(
	    kb_config_listener_str(cfg, "OUT", "ssl.client.auth"), "required");
	cr_expect_str_eq(
	    kb_config_listener_str(cfg, "IN", "ssl.client.auth"), "requested");
	cr_expect_str_eq(
	    kb_config_listener_str(cfg, "Out", "ssl.keystore.password"), "own");
	cr_expect_eq(
	    kb_config_listener_int(cfg, "OUT", "num.network.threads"), 9);
	cr_expect_eq(
	    kb_config_listener_int(cfg, "IN", "num.network.threads"), 4);
	cr_expect_null(kb_config_listener_own(cfg, "IN", "ssl.client.auth"));
	cr_expect_null(
	    kb_config_listener_str(cfg, "IN", "ssl.truststore.location"));
	expect_refused(BASE "listener.name.plaintext.ssl.client.auth=maybe\n",
	    "String must be one of");
	kb_config_put(&cfg);
}

Test(config, dynamic_sources)
{
	struct kc_props *st = props_of(BASE "message.max.bytes=1000\n");
	struct kc_props *dflt = props_of("message.max.bytes=2000\n"
					 "num.partitions=9\nlog.roll.ms=0\n");
	struct kc_props *own = props_of("message.max.bytes=-3\n"
					"log.segment.bytes=4000\n");
	struct kb_config_sources src = { own, dflt, st };
	struct kb_config *cfg = NULL;
	struct kb_report rep = { 0 };

	kc_props_unset(dflt, "log.roll.ms");
	cr_assert_eq(kb_config_open(&cfg, &src, &rep), KC_OK);
	/* A bad value of the broker leaves the default's. */
	cr_expect_eq(cfg->message_max_bytes, 2000);
	cr_expect_eq(cfg->log_segment_bytes, 4000);
	cr_expect_eq(cfg->num_partitions, 1);
	cr_expect(reported(&rep, KB_REPORT_WARN, "message.max.bytes"));
	cr_expect(reported(&rep, KB_REPORT_WARN, "num.partitions cannot"));
	cr_expect_str_eq(
	    kb_config_text(cfg, "message.max.bytes", KC_CONF_SRC_STATIC),
	    "1000");
	cr_expect_eq(kc_props_count(cfg->statics), 2);
	kb_config_put(&cfg);
	kb_report_free(&rep);
	kc_props_close(&st);
	kc_props_close(&dflt);
	kc_props_close(&own);
}
