/*
 * b07 -- TLS in its forms: versions, PKCS12, client certificates.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/lib/client.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"

#define JKS "\xfe\xed\xfe\xed and then some bytes\n"

static struct kt_cluster *c;
static char cert[KT_PATH + 32];
static char key[KT_PATH + 32];

/* Whether a client so configured gets metadata. */
static bool
gets_in(const char *name, const char *value, bool with_cert)
{
	const struct rd_kafka_metadata *md = NULL;
	rd_kafka_resp_err_t err;
	rd_kafka_t *rk = with_cert ?
	    kt_client(c, RD_KAFKA_PRODUCER, KT_SSL, name, value,
		"ssl.certificate.location", cert, "ssl.key.location", key,
		NULL) :
	    kt_client(c, RD_KAFKA_PRODUCER, KT_SSL, name, value, NULL);

	rd_kafka_set_log_level(rk, 0); /* refusals are what we want */
	err = rd_kafka_metadata(rk, 0, NULL, &md, 3000);
	if (md != NULL)
		rd_kafka_metadata_destroy(md);
	kt_client_free(&rk);
	return err == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* What openssl agrees with the broker on, when it offers only that. */
static bool
agrees(const char *option)
{
	char command[KT_PATH + 256];
	const char *argv[] = { "/bin/sh", "-c", command, NULL };

	snprintf(command, sizeof command,
	    "openssl s_client -connect 127.0.0.1:%d -CAfile '%s'"
	    " -verify_return_error %s </dev/null >/dev/null 2>&1",
	    c->b[0].port[KT_SSL], c->ca, option);
	return kt_run(NULL, argv) == 0;
}

static void
versions(void)
{
	KT_CHECK(agrees("-tls1_3"));
	KT_CHECK(agrees("-tls1_2"));
	/* SECLEVEL=0 lets openssl itself offer the old ones. */
	KT_CHECK(!agrees("-tls1_1 -cipher ALL:@SECLEVEL=0"));
	KT_CHECK(!agrees("-tls1 -cipher ALL:@SECLEVEL=0"));
	kt_step("TLS 1.2 and 1.3, and nothing older");
}

static void
client_auth(const char *how, bool without_is_let_in)
{
	char line[64];

	kt_broker_term(c, 0);
	snprintf(line, sizeof line, "ssl.client.auth=%s\n", how);
	kt_broker_configure(c, 0, line);
	kt_broker_start(c, 0);
	KT_CHECK(gets_in("client.id", "with", true));
	KT_CHECK(gets_in("client.id", "without", false) == without_is_let_in);
	kt_step("ssl.client.auth=%s", how);
}

static void
pkcs12(void)
{
	char lines[KT_PATH + 128];

	kt_broker_term(c, 0);
	snprintf(lines, sizeof lines,
	    "ssl.client.auth=none\nssl.keystore.type=PKCS12\n"
	    "ssl.keystore.location=%s/server.p12\n"
	    "ssl.keystore.password=secret\n",
	    c->dir);
	kt_broker_configure(c, 0, lines);
	kt_broker_start(c, 0);
	KT_CHECK(gets_in("client.id", "pkcs12", false));
	kt_step("a PKCS12 key store");
}

/* The key store of Java is read by Java alone: say what to do. */
static void
jks(void)
{
	char path[KT_PATH + 32];
	char lines[KT_PATH + 128];

	if (c->peer)
		return;
	kt_broker_term(c, 0);
	snprintf(path, sizeof path, "%s/server.jks", c->dir);
	kt_write_file(path, JKS);
	snprintf(lines, sizeof lines,
	    "ssl.keystore.type=JKS\nssl.keystore.location=%s\n", path);
	kt_broker_configure(c, 0, lines);
	kt_broker_spawn(c, 0);
	KT_CHECK(kt_wait_end(c->b[0].pid, 30000) != 0);
	c->b[0].pid = 0;
	KT_CHECK(kt_broker_logged(c, 0, "keytool -importkeystore"));
	kt_step("a JKS key store is refused with the command that converts it");
}

int
main(void)
{
	c = kt_cluster_start(1, NULL);
	snprintf(cert, sizeof cert, "%s/client.crt", c->dir);
	snprintf(key, sizeof key, "%s/client.key", c->dir);
	versions();
	client_auth("requested", true);
	client_auth("required", false);
	pkcs12();
	jks();
	kt_cluster_stop(&c);
	return 0;
}
