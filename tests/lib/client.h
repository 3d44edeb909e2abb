/*
 * client -- librdkafka as the client under test, and messages that can be
 * told from their number alone.
 *
 * Message i has a key, value, headers and timestamp that kt_message() makes
 * again at any time: a consumer needs no list to compare with.  Among them
 * are null and empty keys, tombstones, null header values and repeated
 * header names.
 *
 * Consumers are librdkafka's simple ones: no group, no committed offset.
 *
 * @thread the thread that made the handle
 */
#ifndef KT_CLIENT_H
#define KT_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "tests/lib/cluster.h"

#define KT_HEADERS_MAX 3

struct kt_message {
	const char *key; /* NULL: no key */
	size_t key_len;
	const char *value; /* NULL: a tombstone */
	size_t value_len;
	int64_t timestamp_ms;
	int headers;
	struct {
		const char *name;
		const char *value; /* NULL: null */
		size_t len;
	} header[KT_HEADERS_MAX];
	char text[64]; /* where key and header values point into */
	char *body; /* where value points into; owned */
};

/* base_ms: the timestamp of message 0, so that none is too old to keep. */
void kt_message(struct kt_message *m, int64_t i, int64_t base_ms);
void kt_message_free(struct kt_message *m);

/* A producer or consumer; ...: name, value, ... , NULL for librdkafka. */
rd_kafka_t *kt_client(const struct kt_cluster *c, rd_kafka_type_t type,
    enum kt_listener l, ...) __attribute__((sentinel));

struct kt_acks { /* counted by the delivery reports; see kt_client() */
	int64_t sent;
	int64_t acked;
	int64_t failed;
	/* Set before producing to keep per message: 1 acked, 2 failed. */
	unsigned char *state;
	int64_t state_max;
};
/* The counters of a producer that kt_client() made. */
struct kt_acks *kt_acks_of(rd_kafka_t *rk);

/* Queue message i of kt_message(); waits while the queue is full. */
void kt_produce(rd_kafka_t *rk, const char *topic, int partition, int64_t i,
    int64_t base_ms);
/* Wait for every delivery report. */
void kt_flush(rd_kafka_t *rk, int limit_ms);

/*
 * Read messages [from, to) of a partition from its first offset, which must
 * be messages from, from + 1, ... of kt_message(), and fail on any other.
 */
void kt_consume_same(rd_kafka_t *rk, const char *topic, int partition,
    int64_t from, int64_t to, int64_t base_ms);
/* Every message from the first to the last offset now; cb for each. */
typedef void kt_seen_fn(const rd_kafka_message_t *m, void *arg);
int64_t kt_consume_all(rd_kafka_t *rk, const char *topic, int partition,
    kt_seen_fn *cb, void *arg);
/* The number that kt_message() wrote into a message's value or key. */
int64_t kt_message_number(const rd_kafka_message_t *m);

/* Create, delete by the admin API; the error of the topic's result. */
rd_kafka_resp_err_t kt_create_topic(rd_kafka_t *rk, const char *topic,
    int partitions, const char *config, const char *value);
rd_kafka_resp_err_t kt_create_replicated(rd_kafka_t *rk, const char *topic,
    int partitions, int replicas, const char *config, const char *value);
/* On several brokers: partition i on i, i + 1, ... modulo brokers. */
rd_kafka_resp_err_t kt_create_assigned(rd_kafka_t *rk, const char *topic,
    int partitions, int replicas, int brokers);
rd_kafka_resp_err_t kt_delete_topic(rd_kafka_t *rk, const char *topic);
/* The partitions that Metadata shows with a leader; -1: no such topic. */
int kt_topic_partitions(rd_kafka_t *rk, const char *topic);

void kt_client_free(rd_kafka_t **rkp);

#endif
