/*
 * b01 -- what librdkafka produces, it consumes again, byte for byte.
 *
 * Every codec over both listeners; keys, headers, tombstones and timestamps
 * (see kt_message()); acks 0, 1 and all; idempotence; what was produced over
 * one listener is read over the other.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/lib/client.h"
#include "tests/lib/test.h"

#define MESSAGES 500
#define PARTITIONS 2

static int64_t base_ms; /* timestamp of message 0: near now */

struct way {
	const char *codec;
	const char *acks;
	const char *idempotence;
	enum kt_listener listener;
};

static void
produce(const struct kt_cluster *c, const struct way *w, const char *topic)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, w->listener,
	    "compression.codec", w->codec, "acks", w->acks,
	    "enable.idempotence", w->idempotence, NULL);
	const struct kt_acks *acks = kt_acks_of(rk);
	int64_t i;
	int p;

	for (i = 0; i < MESSAGES; i++) {
		for (p = 0; p < PARTITIONS; p++)
			kt_produce(rk, topic, p, i, base_ms);
	}
	kt_flush(rk, 60000);
	KT_EQ(acks->failed, 0);
	KT_EQ(acks->acked, MESSAGES * PARTITIONS);
	kt_client_free(&rk);
}

static void
round_trip(const struct kt_cluster *c, const struct way *w)
{
	char topic[64];
	rd_kafka_t *rk;
	int p;

	snprintf(topic, sizeof topic, "b01-%s-%s-%s-%s", w->codec, w->acks,
	    w->idempotence, w->listener == KT_SSL ? "ssl" : "plain");
	rk = kt_client(c, RD_KAFKA_CONSUMER,
	    w->listener == KT_SSL ? KT_PLAIN : KT_SSL, NULL);
	KT_EQ(kt_create_topic(rk, topic, PARTITIONS, NULL, NULL), 0);
	produce(c, w, topic);
	for (p = 0; p < PARTITIONS; p++)
		kt_consume_same(rk, topic, p, 0, MESSAGES, base_ms);
	kt_client_free(&rk);
	kt_step("%s: same bytes", topic);
}

/* The broker's own compression.type: what is stored differs, not what is
 * read. */
static void
recompress(const struct kt_cluster *c, const char *stored)
{
	static const struct way w = { "gzip", "all", "false", KT_PLAIN };
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_CONSUMER, KT_PLAIN, NULL);
	char topic[64];
	int p;

	snprintf(topic, sizeof topic, "b01-stored-%s", stored);
	KT_EQ(
	    kt_create_topic(rk, topic, PARTITIONS, "compression.type", stored),
	    0);
	produce(c, &w, topic);
	for (p = 0; p < PARTITIONS; p++)
		kt_consume_same(rk, topic, p, 0, MESSAGES, base_ms);
	kt_client_free(&rk);
	kt_step("gzip stored as %s: same bytes", stored);
}

int
main(void)
{
	static const char *const codecs[] = { "none", "gzip", "snappy", "lz4",
		"zstd" };
	static const struct way other[] = {
		{ "none", "0", "false", KT_PLAIN },
		{ "none", "1", "false", KT_SSL },
		{ "lz4", "all", "true", KT_PLAIN },
		{ "none", "all", "true", KT_SSL },
	};
	struct kt_cluster *c = kt_cluster_start(1, NULL);
	size_t i;

	base_ms = (int64_t)time(NULL) * 1000 - 60000;
	for (i = 0; i < sizeof codecs / sizeof *codecs; i++) {
		struct way w = { codecs[i], "all", "false", KT_PLAIN };

		round_trip(c, &w);
		w.listener = KT_SSL;
		round_trip(c, &w);
	}
	for (i = 0; i < sizeof other / sizeof *other; i++)
		round_trip(c, &other[i]);
	for (i = 0; i < sizeof codecs / sizeof *codecs; i++)
		recompress(c, i == 0 ? "uncompressed" : codecs[i]);
	kt_cluster_stop(&c);
	return 0;
}
