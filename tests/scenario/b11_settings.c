/*
 * b11 -- settings that change while the broker runs: of a topic, of the broker
 * and of all brokers, by the API and by a hand in ZooKeeper; over a restart;
 * certificates; and what other requests change of a topic: more partitions, a
 * later start.
 *
 * Whether a setting holds is asked with records: one that is larger than
 * max.message.bytes is refused.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"
#include "tests/lib/zk.h"

#define API_DELETE_RECORDS 21
#define API_DESCRIBE_CONFIGS 32
#define API_CREATE_PARTITIONS 37
#define API_ALTER 44 /* incremental */

#define TOPIC_TYPE 2
#define BROKER_TYPE 4

#define NONE 0
#define MESSAGE_TOO_LARGE 10
#define INVALID_REQUEST 42

#define REPLY_MS 20000
#define SMALL 10
#define LARGE 1000

static struct kt_cluster *c;
static struct kt_bytes b;

/* Send b as the body of a request, and have the answer in b. */
static void
ask(int api, int version)
{
	int fd = kt_connect(c->b[0].port[KT_PLAIN]);

	KT_CHECKF(fd >= 0, "the broker takes no connection");
	kt_send_request(fd, api, version, 1, &b);
	KT_EQ(kt_receive(fd, REPLY_MS, &b), KT_ANSWER);
	close(fd);
	KT_EQ(kt_get_i32(&b), 1);
}

/* Set a key, or delete it (value NULL); the error code. */
static int
alter(int type, const char *name, const char *key, const char *value)
{
	b.len = 0;
	kt_put_i32(&b, 1);
	kt_put_i8(&b, type);
	kt_put_str(&b, name);
	kt_put_i32(&b, 1);
	kt_put_str(&b, key);
	kt_put_i8(&b, value == NULL);
	kt_put_str(&b, value);
	kt_put_i8(&b, 0);
	ask(API_ALTER, 0);
	kt_get_i32(&b); /* throttle */
	KT_EQ(kt_get_i32(&b), 1);
	return kt_get_i16(&b);
}

/* The value of a key and where it comes from. */
static int
source_of(int type, const char *name, const char *key, char *value, size_t n)
{
	char text[400];

	b.len = 0;
	kt_put_i32(&b, 1);
	kt_put_i8(&b, type);
	kt_put_str(&b, name);
	kt_put_i32(&b, 1);
	kt_put_str(&b, key);
	kt_put_i8(&b, 0);
	ask(API_DESCRIBE_CONFIGS, 1);
	kt_get_i32(&b);
	KT_EQ(kt_get_i32(&b), 1);
	KT_EQ(kt_get_i16(&b), NONE);
	kt_get_str(&b, text, sizeof text);
	KT_EQ(kt_get_i8(&b), type);
	kt_get_str(&b, text, sizeof text);
	if (kt_get_i32(&b) == 0)
		return -1;
	kt_get_str(&b, text, sizeof text);
	kt_get_str(&b, value, n);
	kt_get_i8(&b); /* read-only */
	return kt_get_i8(&b);
}

static int
produce(const char *topic, size_t size)
{
	struct kt_bytes batch;

	kt_bytes_init(&batch);
	kt_put_batch(&batch, size);
	b.len = 0;
	kt_produce_body(&b, topic, &batch);
	kt_bytes_free(&batch);
	ask(0, 3);
	/* kt_produce_error() reads from the correlation id on. */
	b.at = 0;
	return kt_produce_error(&b);
}

static void
by_the_api(void)
{
	char v[100];

	KT_EQ(kt_wire_create(c->b[0].port[KT_PLAIN], "t", 2), NONE);
	KT_EQ(kt_wire_create(c->b[0].port[KT_PLAIN], "u", 1), NONE);
	KT_EQ(produce("t", LARGE), NONE);
	KT_EQ(alter(TOPIC_TYPE, "t", "max.message.bytes", "500"), NONE);
	KT_EQ(source_of(TOPIC_TYPE, "t", "max.message.bytes", v, sizeof v), 1);
	KT_CHECK(strcmp(v, "500") == 0);
	KT_UNTIL(5000, produce("t", LARGE) == MESSAGE_TOO_LARGE);
	KT_EQ(produce("t", SMALL), NONE);
	KT_EQ(produce("u", LARGE), NONE);
	kt_step("a topic's setting holds at once, and for it alone");

	KT_EQ(alter(BROKER_TYPE, "", "message.max.bytes", "400"), NONE);
	KT_UNTIL(5000, produce("u", LARGE) == MESSAGE_TOO_LARGE);
	KT_EQ(source_of(TOPIC_TYPE, "u", "max.message.bytes", v, sizeof v), 3);
	KT_EQ(alter(BROKER_TYPE, "0", "message.max.bytes", "4000"), NONE);
	KT_UNTIL(5000, produce("u", LARGE) == NONE);
	KT_EQ(source_of(BROKER_TYPE, "0", "message.max.bytes", v, sizeof v), 2);
	KT_CHECK(strcmp(v, "4000") == 0);
	KT_EQ(produce("t", LARGE), MESSAGE_TOO_LARGE);
	kt_step("this broker's before all brokers', a topic's before both");

	KT_EQ(alter(BROKER_TYPE, "0", "log.dirs", "/x"), INVALID_REQUEST);
	/* Kafka can. */
	if (!c->peer)
		KT_EQ(alter(BROKER_TYPE, "0", "num.network.threads", "4"),
		    INVALID_REQUEST);
	KT_EQ(
	    alter(BROKER_TYPE, "1", "message.max.bytes", "4"), INVALID_REQUEST);
	KT_EQ(alter(BROKER_TYPE, "0", "message.max.bytes", "-4"),
	    INVALID_REQUEST);
	KT_EQ(produce("u", LARGE), NONE);
	kt_step("what does not take effect is refused");
}

static void
over_a_restart(void)
{
	KT_EQ(alter(BROKER_TYPE, "0", "message.max.bytes", NULL), NONE);
	KT_UNTIL(5000, produce("u", LARGE) == MESSAGE_TOO_LARGE);
	kt_broker_term(c, 0);
	kt_broker_start(c, 0);
	/* Kafka says for a moment that there is no such topic. */
	KT_UNTIL(10000, produce("u", SMALL) == NONE);
	KT_EQ(produce("u", LARGE), MESSAGE_TOO_LARGE);
	KT_UNTIL(10000, produce("t", SMALL) == NONE);
	KT_EQ(produce("t", LARGE), MESSAGE_TOO_LARGE);
	kt_step("settings are read at the start");
	KT_EQ(alter(BROKER_TYPE, "", "message.max.bytes", NULL), NONE);
	KT_UNTIL(5000, produce("u", LARGE) == NONE);
	kt_step("without them the file's hold again");
}

#define NOTE "/config/changes/config_change_"

static void
by_hand(struct kt_zk *zk)
{
	static const char *const odd[] = { "", "{", "[]", "{\"version\":2}",
		"{\"version\":2,\"entity_path\":\"\"}",
		"{\"version\":2,\"entity_path\":\"topics/\"}",
		"{\"version\":2,\"entity_path\":\"topics/../x\"}",
		"{\"version\":2,\"entity_path\":\"topics/absent\"}",
		"{\"version\":2,\"entity_path\":\"brokers/77\"}",
		"{\"version\":9,\"entity_path\":\"topics/t\"}",
		"{\"version\":2,\"entity_path\":\"users/a/clients/b\"}" };

	/* Kafka gives up on what it cannot read, and on all beside it. */
	for (size_t i = 0; !c->peer && i < sizeof odd / sizeof odd[0]; i++)
		kt_zk_append(zk, NOTE, odd[i]);
	kt_zk_put(zk, "/config/topics/u",
	    c->peer ? "{\"version\":1,\"config\":{"
		      "\"max.message.bytes\":\"300\"}}" :
		      "{\"version\":1,\"config\":{"
		      "\"max.message.bytes\":\"300\","
		      "\"no.such.key\":\"1\",\"retention.ms\":\"soon\"}}");
	kt_zk_append(zk, NOTE, "{\"version\":2,\"entity_path\":\"topics/u\"}");
	KT_UNTIL(5000, produce("u", LARGE) == MESSAGE_TOO_LARGE);
	kt_step("a hand's setting holds, past wrong ones and odd notes");

	kt_zk_put(zk, "/config/topics/u",
	    c->peer ? "{\"version\":1,\"config\":{}}" : "nonsense");
	kt_zk_append(zk, NOTE,
	    "{\"version\":1,\"entity_type\":\"topics\",\"entity_name\":\"u\"}");
	KT_UNTIL(5000, produce("u", LARGE) == NONE);
	kt_zk_put(zk, "/config/brokers/0",
	    "{\"version\":1,\"config\":{\"message.max.bytes\":\"200\","
	    "\"log.dirs\":\"/x\",\"log.segment.bytes\":\"1\"}}");
	kt_zk_append(zk, NOTE, "{\"version\":2,\"entity_path\":\"brokers/0\"}");
	KT_UNTIL(5000, produce("u", LARGE) == MESSAGE_TOO_LARGE);
	kt_broker_alive(c, 0);
	kt_step("nonsense counts as nothing; a broker's settings by hand");
	kt_zk_put(zk, "/config/brokers/0", "{\"version\":1,\"config\":{}}");
	kt_zk_append(zk, NOTE, "{\"version\":2,\"entity_path\":\"brokers/0\"}");
	KT_UNTIL(5000, produce("u", LARGE) == NONE);
}

static int
create_partitions(const char *topic, int count)
{
	char text[400];

	b.len = 0;
	kt_put_i32(&b, 1);
	kt_put_str(&b, topic);
	kt_put_i32(&b, count);
	kt_put_i32(&b, -1); /* spread them */
	kt_put_i32(&b, REPLY_MS);
	kt_put_i8(&b, 0);
	ask(API_CREATE_PARTITIONS, 0);
	kt_get_i32(&b);
	KT_EQ(kt_get_i32(&b), 1);
	kt_get_str(&b, text, sizeof text);
	return kt_get_i16(&b);
}

/* Of partition 0; the error code, and where it begins now. */
static int
delete_records(const char *topic, int64_t offset, int64_t *low)
{
	char text[400];

	b.len = 0;
	kt_put_i32(&b, 1);
	kt_put_str(&b, topic);
	kt_put_i32(&b, 1);
	kt_put_i32(&b, 0);
	kt_put_i64(&b, offset);
	kt_put_i32(&b, REPLY_MS);
	ask(API_DELETE_RECORDS, 0);
	kt_get_i32(&b);
	KT_EQ(kt_get_i32(&b), 1);
	kt_get_str(&b, text, sizeof text);
	KT_EQ(kt_get_i32(&b), 1);
	KT_EQ(kt_get_i32(&b), 0);
	*low = kt_get_i64(&b);
	return kt_get_i16(&b);
}

static void
more_and_less(struct kt_zk *zk)
{
	int64_t low;

	KT_EQ(create_partitions("u", 3), NONE);
	KT_CHECK(kt_zk_exists(zk, "/brokers/topics/u/partitions/2/state"));
	KT_EQ(create_partitions("u", 3), 37); /* INVALID_PARTITIONS */
	KT_EQ(create_partitions("none", 3), 3);
	kt_step("partitions added, with leaders when the answer comes");

	KT_EQ(delete_records("u", 1, &low), NONE);
	KT_EQ(low, 1);
	KT_EQ(delete_records("u", 1000, &low), 1); /* OFFSET_OUT_OF_RANGE */
	kt_broker_kill(c, 0);
	kt_broker_start(c, 0);
	KT_UNTIL(10000, produce("u", SMALL) == NONE);
	KT_EQ(delete_records("u", -1, &low), NONE);
	KT_CHECK(low > 1);
	KT_EQ(produce("u", LARGE), NONE);
	kt_step("records deleted; the broker goes on after a kill");
}

/* Runs a line of shell in the cluster's folder; its exit status. */
static int
shell(const char *line)
{
	char command[KT_PATH + 2048];
	const char *argv[] = { "/bin/sh", "-c", command, NULL };

	snprintf(command, sizeof command, "cd '%s' && { %s; } >shell.log 2>&1",
	    c->dir, line);
	return kt_run(NULL, argv);
}

/* Whether the TLS listener shows a certificate of that serial number. */
static bool
shows(int serial)
{
	char line[512];

	snprintf(line, sizeof line,
	    "openssl s_client -connect 127.0.0.1:%d -CAfile ca.pem </dev/null"
	    " 2>/dev/null | openssl x509 -noout -serial |"
	    " grep -q '^serial=%04X$'",
	    c->b[0].port[KT_SSL], (unsigned)serial);
	return shell(line) == 0;
}

#define SAN "DNS:localhost,IP:127.0.0.1"

/* A certificate with its key, in own.pem. */
static void
certify(const char *cn, const char *san, int serial)
{
	char line[1024];

	snprintf(line, sizeof line,
	    "echo subjectAltName=%s >e;"
	    "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256"
	    " -nodes -keyout k -subj /CN=%s -out r &&"
	    " openssl x509 -req -in r -CA ca.pem -CAkey ca.key -set_serial %d"
	    " -extfile e -days 30 -out x && cat k x >own.pem",
	    san, cn, serial);
	KT_EQ(shell(line), 0);
}

#define KEYSTORE "listener.name.ssl.ssl.keystore.location"

static void
certificates(void)
{
	char file[KT_PATH + 16];

	snprintf(file, sizeof file, "%s/own.pem", c->dir);
	KT_EQ(alter(BROKER_TYPE, "0", KEYSTORE, file), INVALID_REQUEST);
	certify("other", SAN, 4097);
	KT_EQ(alter(BROKER_TYPE, "0", KEYSTORE, file), INVALID_REQUEST);
	certify("localhost", "DNS:localhost", 4098);
	KT_EQ(alter(BROKER_TYPE, "0", KEYSTORE, file), INVALID_REQUEST);
	certify("localhost", SAN, 4099);
	KT_EQ(alter(BROKER_TYPE, "", KEYSTORE, file), INVALID_REQUEST);
	KT_EQ(alter(BROKER_TYPE, "0", "ssl.keystore.location", file),
	    INVALID_REQUEST);
	kt_step("a missing certificate, or another name's, is refused");

	KT_CHECK(!shows(4099));
	KT_EQ(alter(BROKER_TYPE, "0", KEYSTORE, file), NONE);
	KT_UNTIL(10000, shows(4099));
	certify("localhost", SAN ",DNS:more", 4100);
	KT_EQ(alter(BROKER_TYPE, "0", KEYSTORE, file), NONE);
	KT_UNTIL(10000, shows(4100));
	kt_step("a listener's certificate changes, also in place");

	kt_broker_term(c, 0);
	kt_broker_start(c, 0);
	KT_CHECK(shows(4100));
	certify("localhost", SAN, 4101);
	KT_CHECK(alter(BROKER_TYPE, "0", KEYSTORE, file) != NONE);
	KT_CHECK(shows(4100));
	kt_step("it is kept over a restart");
}

int
main(void)
{
	struct kt_zk *zk;

	kt_bytes_init(&b);
	c = kt_cluster_start(1, NULL);
	zk = kt_zk_open(c);
	by_the_api();
	over_a_restart();
	by_hand(zk);
	more_and_less(zk);
	certificates();
	kt_zk_close(&zk);
	kt_cluster_stop(&c);
	kt_bytes_free(&b);
	return 0;
}
