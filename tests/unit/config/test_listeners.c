#include "tests/unit/config/common.h"

#include "kcommon/base/err.h"
#include "kcommon/io/tls.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(listeners, malformed)
{
	static const char *const bad[] = { "PLAINTEXT", "PLAINTEXT:/h:1",
		"PLAINTEXT://h", "PLAINTEXT://h:", "PLAINTEXT://h:x",
		"PLAINTEXT://h:-1", "PLAINTEXT://h:65536",
		"PLAINTEXT://h:99999999999999999999", "://h:1", "A B://h:1",
		"PLAINTEXT://a b:1", "PLAINTEXT://h/x:1", "PLAINTEXT://[::1:1",
		"PLAINTEXT://::1]:1", "PLAINTEXT://h:1 2" };
	char text[400], host[300];

	for (size_t i = 0; i < KC_COUNT(bad); i++) {
		snprintf(text, sizeof text, BASE "listeners=%s\n", bad[i]);
		expect_refused(text, "to a broker endpoint");
	}
	memset(host, 'h', sizeof host);
	snprintf(text, sizeof text, BASE "listeners=PLAINTEXT://%.256s", host);
	expect_refused(text, "to a broker endpoint");
	expect_refused(BASE "listeners=\n", "at least one");
}

/* Goal: one more than the limit is refused and the limit is not. */
Test(listeners, limit)
{
	struct kb_report rep = { 0 };
	struct kb_endpoint *v;
	char text[4096] = "";
	int n;

	for (int i = 0; i < KB_LISTENERS_MAX; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text),
		    "L%d://:%d,", i, i + 1);
	cr_expect_eq(kb_listeners_parse(&v, &n, "k", text, &rep), KC_OK);
	cr_expect_eq(n, KB_LISTENERS_MAX);
	kb_endpoints_free(v, n);
	strcat(text, "M://:999");
	cr_expect_eq(kb_listeners_parse(&v, &n, "k", text, &rep), KC_EINVAL);
	cr_expect(reported(&rep, KB_REPORT_ERROR, "too many"));
	kb_report_free(&rep);
}

Test(listeners, good)
{
	struct kb_config *cfg = config_good(BASE
	    "listeners=plaintext://h.example.com:9092, SSL://[fe80::1%eth0]:0,"
	    "EXT://:9094\n"
	    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,ssl:ssl, "
	    "EXT : SSL\n"
	    "advertised.listeners=PLAINTEXT://b1:19092,ext://[2001:db8::1]:"
	    "19092\n");
	const struct kb_listeners *l = &cfg->endpoints;

	cr_assert_eq(l->n, 3);
	cr_expect_str_eq(l->v[0].name, "PLAINTEXT");
	cr_expect_str_eq(l->v[0].host, "h.example.com");
	cr_expect_eq(l->v[0].port, 9092);
	cr_expect_str_eq(l->v[0].advertised_host, "b1");
	cr_expect_eq(l->v[0].advertised_port, 19092);
	cr_expect_str_eq(l->v[1].host, "fe80::1%eth0");
	cr_expect_eq(l->v[1].protocol, KB_PROTOCOL_SSL);
	cr_expect_not(l->v[1].advertised);
	cr_expect_str_eq(l->v[2].host, "");
	cr_expect_eq(l->v[2].protocol, KB_PROTOCOL_SSL);
	cr_expect_str_eq(l->v[2].advertised_host, "2001:db8::1");
	cr_expect_eq(l->inter_broker, 0);
	cr_expect_eq(l->control_plane, -1);
	cr_expect_eq(kb_listeners_find(l, "Ext"), &l->v[2]);
	cr_expect_null(kb_listeners_find(l, "none"));
	kb_config_put(&cfg);
}

Test(listeners, unique)
{
	struct kb_config *cfg;

	expect_refused(
	    BASE "listeners=PLAINTEXT://:1,plaintext://:2\n", "different name");
	expect_refused(
	    BASE "listeners=PLAINTEXT://:1,SSL://:1\n", "different port");
	expect_refused(BASE
	    "listeners=PLAINTEXT://127.0.0.1:1,SSL://127.0.0.2:1\n",
	    "different port");
	expect_refused(BASE
	    "listeners=PLAINTEXT://127.0.0.1:1,SSL://[::1]:1,A://[::2]:1\n"
	    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,A:"
	    "SSL\n",
	    "different port");
	cfg = config_good(
	    BASE "listeners=PLAINTEXT://127.0.0.1:1,SSL://[::1]:1\n");
	kb_config_put(&cfg);
	cfg = config_good(BASE "listeners=PLAINTEXT://:0,SSL://:0\n");
	kb_config_put(&cfg);
}

Test(listeners, advertised)
{
	struct kb_config *cfg;

	expect_refused(BASE "listeners=PLAINTEXT://0.0.0.0:9092\n", "0.0.0.0");
	expect_refused(
	    BASE "advertised.listeners=PLAINTEXT://0.0.0.0:9092\n", "0.0.0.0");
	expect_refused(BASE "advertised.listeners=SSL://h:1\n", "Found SSL");
	expect_refused(BASE
	    "advertised.listeners=PLAINTEXT://h:1,PLAINTEXT://i:1\n",
	    "different name");
	expect_refused(BASE "advertised.listeners=\n", "advertised.listeners");
	cfg = config_good(
	    BASE "listeners=PLAINTEXT://0.0.0.0:9092,SSL://0.0.0.0:9093\n"
		 "advertised.listeners=PLAINTEXT://h:1,SSL://h:1\n");
	cr_expect_eq(cfg->endpoints.v[1].advertised_port, 1);
	kb_config_put(&cfg);
}

Test(listeners, protocol_map)
{
	static const char *const bad[] = { "A", "A:", ":SSL", "A:TLS",
		"A:SSL:SSL", "A:SASL_PLAINTEXT_AND_SOMETHING_LONGER" };
	char text[300];

	for (size_t i = 0; i < KC_COUNT(bad); i++) {
		snprintf(text, sizeof text,
		    BASE "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,"
			 "%s\n",
		    bad[i]);
		expect_refused(text, "Error parsing");
	}
	expect_refused(BASE "listeners=PLAINTEXT://:1,EXT://:2\n",
	    "No security protocol defined for listener EXT");
}

Test(listeners, sasl_is_refused)
{
	expect_refused(BASE "listeners=PLAINTEXT://:1,SASL_SSL://:2\n",
	    "SASL is not supported yet");
	expect_refused(BASE "listeners=PLAINTEXT://:1,X://:2\n"
			    "listener.security.protocol.map="
			    "PLAINTEXT:PLAINTEXT,X:SASL_PLAINTEXT\n",
	    "SASL is not supported yet");
}

Test(listeners, inter_broker)
{
	struct kb_config *cfg;

	expect_refused(BASE "listeners=SSL://:1\n", "There is no PLAINTEXT");
	expect_refused(BASE "inter.broker.listener.name=X\n", "There is no X");
	expect_refused(BASE "listeners=PLAINTEXT://:1,SSL://:2\n"
			    "inter.broker.listener.name=SSL\n"
			    "security.inter.broker.protocol=SSL\n",
	    "Only one of");
	expect_refused(BASE "listeners=PLAINTEXT://:1,SSL://:2\n"
			    "advertised.listeners=PLAINTEXT://h:1\n"
			    "security.inter.broker.protocol=SSL\n",
	    "defined in advertised.listeners");
	cfg = config_good(BASE "listeners=PLAINTEXT://:1,SSL://:2\n"
			       "security.inter.broker.protocol=SSL\n");
	cr_expect_eq(cfg->endpoints.inter_broker, 1);
	kb_config_put(&cfg);
}

Test(listeners, control_plane)
{
	struct kb_config *cfg;

	expect_refused(
	    BASE "control.plane.listener.name=CTL\n", "There is no CTL");
	expect_refused(BASE "control.plane.listener.name=PLAINTEXT\n",
	    "different value from the inter broker");
	cfg = config_good(BASE "listeners=PLAINTEXT://:1,SSL://:2\n"
			       "control.plane.listener.name=ssl\n");
	cr_expect_eq(cfg->endpoints.control_plane, 1);
	kb_config_put(&cfg);
}

Test(listeners, tls_params)
{
	struct kb_config *cfg = config_good(
	    BASE "listeners=PLAINTEXT://:1,SSL://:2,EXT://:3\n"
		 "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,"
		 "EXT:SSL\n"
		 "ssl.client.auth=required\nssl.keystore.location=/k\n"
		 "ssl.keystore.password=geheim\nssl.keystore.type=PKCS12\n"
		 "listener.name.ext.ssl.client.auth=none\n"
		 "listener.name.ext.ssl.keystore.type=PEM\n"
		 "listener.name.ext.ssl.endpoint.identification.algorithm=\n");
	const struct kb_listeners *l = &cfg->endpoints;
	struct kc_tls_params p;

	kb_listener_tls_params(cfg, kb_listeners_find(l, "SSL"), true, &p);
	cr_expect(p.server);
	cr_expect_eq(p.client_auth, KC_TLS_AUTH_REQUIRED);
	cr_expect_str_eq(p.keystore_type, "PKCS12");
	cr_expect_str_eq(p.keystore_password, "geheim");
	cr_expect_str_eq(p.enabled_protocols, "TLSv1.2,TLSv1.3");
	cr_expect_null(p.truststore_location);
	cr_expect_not(p.verify_host);
	kb_listener_tls_params(cfg, kb_listeners_find(l, "SSL"), false, &p);
	cr_expect(p.verify_host);
	kb_listener_tls_params(cfg, kb_listeners_find(l, "EXT"), true, &p);
	cr_expect_eq(p.client_auth, KC_TLS_AUTH_NONE);
	cr_expect_str_eq(p.keystore_type, "PEM");
	cr_expect_str_eq(p.keystore_location, "/k");
	kb_listener_tls_params(cfg, kb_listeners_find(l, "EXT"), false, &p);
	cr_expect_not(p.verify_host);
	kb_config_put(&cfg);
}
