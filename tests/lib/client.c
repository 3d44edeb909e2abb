#include "tests/lib/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

#define REPLY_MS 60000

void
kt_message(struct kt_message *m, int64_t i, int64_t base_ms)
{
	size_t n = (size_t)(i * 7919 % 400);
	int at;

	memset(m, 0, sizeof *m);
	m->timestamp_ms = base_ms + i;
	at = snprintf(m->text, sizeof m->text, "%010lld", (long long)i);
	m->key = m->text;
	m->key_len = (size_t)at;
	/* A tombstone keeps its key: the number has to be somewhere. */
	if (i % 11 != 5) {
		m->body = malloc(n + 32);
		KT_CHECK(m->body != NULL);
		m->value_len =
		    (size_t)sprintf(m->body, "%010lld|", (long long)i) + n;
		memset(m->body + 11, "abcdefghijklmnop"[i & 15], n);
		m->value = m->body;
		if (i % 7 == 3) {
			m->key = NULL;
			m->key_len = 0;
		} else if (i % 7 == 4) {
			m->key_len = 0; /* empty, which is not null */
		}
	}
	m->headers = (int)(i % (KT_HEADERS_MAX + 1));
	m->header[0].name = "number";
	m->header[0].value = m->text;
	m->header[0].len = (size_t)at;
	m->header[1].name = "number"; /* again: order must stay */
	m->header[1].value = NULL;
	m->header[2].name = "\xc3\xa9t\xc3\xa9";
	m->header[2].value = "";
	m->header[2].len = 0;
}

void
kt_message_free(struct kt_message *m)
{
	free(m->body);
	m->body = NULL;
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
	struct kt_acks *acks = opaque;
	int64_t i = (int64_t)(intptr_t)msg->_private;
	bool ok = msg->err == RD_KAFKA_RESP_ERR_NO_ERROR;

	(void)rk;
	if (ok)
		acks->acked++;
	else
		acks->failed++;
	if (acks->state != NULL) {
		KT_CHECK(i < acks->state_max);
		acks->state[i] = ok ? 1 : 2;
	}
}

static void
set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char err[256];

	KT_CHECKF(rd_kafka_conf_set(conf, name, value, err, sizeof err) ==
		RD_KAFKA_CONF_OK,
	    "%s", err);
}

rd_kafka_t *
kt_client(
    const struct kt_cluster *c, rd_kafka_type_t type, enum kt_listener l, ...)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	struct kt_acks *acks = calloc(1, sizeof *acks);
	const char *name;
	rd_kafka_t *rk;
	char err[256];
	va_list ap;

	KT_CHECK(acks != NULL);
	set(conf, "bootstrap.servers", kt_bootstrap(c, l));
	set(conf, "broker.address.family", "v4");
	set(conf, "reconnect.backoff.max.ms", "200");
	if (l == KT_SSL) {
		set(conf, "security.protocol", "ssl");
		set(conf, "ssl.ca.location", c->ca);
	}
	if (type == RD_KAFKA_CONSUMER) {
		set(conf, "check.crcs", "true");
		set(conf, "enable.partition.eof", "true");
		set(conf, "fetch.wait.max.ms", "50");
	} else {
		set(conf, "linger.ms", "2");
		rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	}
	va_start(ap, l);
	while ((name = va_arg(ap, const char *)) != NULL)
		set(conf, name, va_arg(ap, const char *));
	va_end(ap);
	rd_kafka_conf_set_opaque(conf, acks);
	rk = rd_kafka_new(type, conf, err, sizeof err);
	KT_CHECKF(rk != NULL, "%s", err);
	return rk;
}

struct kt_acks *
kt_acks_of(rd_kafka_t *rk)
{
	return rd_kafka_opaque(rk);
}

void
kt_client_free(rd_kafka_t **rkp)
{
	struct kt_acks *acks = rd_kafka_opaque(*rkp);

	rd_kafka_destroy(*rkp);
	free(acks);
	*rkp = NULL;
}

static rd_kafka_headers_t *
headers_of(const struct kt_message *m)
{
	rd_kafka_headers_t *h = rd_kafka_headers_new(KT_HEADERS_MAX);
	int i;

	for (i = 0; i < m->headers; i++)
		rd_kafka_header_add(h, m->header[i].name, -1,
		    m->header[i].value, (ssize_t)m->header[i].len);
	return h;
}

void
kt_produce(rd_kafka_t *rk, const char *topic, int partition, int64_t i,
    int64_t base_ms)
{
	struct kt_message m;
	rd_kafka_headers_t *h;
	rd_kafka_resp_err_t err;

	kt_message(&m, i, base_ms);
	for (;;) {
		h = headers_of(&m);
		err = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
		    RD_KAFKA_V_PARTITION(partition),
		    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		    RD_KAFKA_V_KEY(m.key, m.key_len),
		    RD_KAFKA_V_VALUE((void *)(uintptr_t)m.value, m.value_len),
		    RD_KAFKA_V_TIMESTAMP(m.timestamp_ms),
		    RD_KAFKA_V_OPAQUE((void *)(intptr_t)i),
		    RD_KAFKA_V_HEADERS(h), RD_KAFKA_V_END);
		if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		rd_kafka_headers_destroy(h);
		KT_CHECKF(err == RD_KAFKA_RESP_ERR__QUEUE_FULL, "%s",
		    rd_kafka_err2str(err));
		rd_kafka_poll(rk, 10);
	}
	kt_acks_of(rk)->sent++;
	rd_kafka_poll(rk, 0);
	kt_message_free(&m);
}

void
kt_flush(rd_kafka_t *rk, int limit_ms)
{
	rd_kafka_resp_err_t err = rd_kafka_flush(rk, limit_ms);

	KT_CHECKF(err == RD_KAFKA_RESP_ERR_NO_ERROR,
	    "%d messages without an answer after %d ms", rd_kafka_outq_len(rk),
	    limit_ms);
}

static void
same_bytes(const char *what, int64_t i, const void *got, size_t got_len,
    const char *want, size_t want_len)
{
	KT_CHECKF((got == NULL) == (want == NULL), "%s of message %lld is %s",
	    what, (long long)i, got == NULL ? "null" : "not null");
	KT_CHECKF(got_len == want_len &&
		(want_len == 0 || memcmp(got, want, want_len) == 0),
	    "%s of message %lld differs (%zu bytes, not %zu)", what,
	    (long long)i, got_len, want_len);
}

static void
same_headers(
    const rd_kafka_message_t *got, const struct kt_message *m, int64_t i)
{
	rd_kafka_headers_t *h = NULL;
	int k;

	if (rd_kafka_message_headers(got, &h) != RD_KAFKA_RESP_ERR_NO_ERROR) {
		KT_CHECKF(m->headers == 0, "message %lld lost its headers",
		    (long long)i);
		return;
	}
	KT_EQ(rd_kafka_header_cnt(h), m->headers);
	for (k = 0; k < m->headers; k++) {
		const char *name = NULL;
		const void *value = NULL;
		size_t len = 0;

		KT_EQ(
		    rd_kafka_header_get_all(h, (size_t)k, &name, &value, &len),
		    0);
		KT_CHECK(strcmp(name, m->header[k].name) == 0);
		same_bytes("header", i, value, len, m->header[k].value,
		    m->header[k].len);
	}
}

static void
same_message(const rd_kafka_message_t *got, int64_t i, int64_t base_ms)
{
	struct kt_message m;
	rd_kafka_timestamp_type_t type;
	int64_t ts = rd_kafka_message_timestamp(got, &type);

	kt_message(&m, i, base_ms);
	same_bytes("value", i, got->payload, got->len, m.value, m.value_len);
	same_bytes("key", i, got->key, got->key_len, m.key, m.key_len);
	KT_EQ(type, RD_KAFKA_TIMESTAMP_CREATE_TIME);
	KT_EQ(ts, m.timestamp_ms);
	same_headers(got, &m, i);
	kt_message_free(&m);
}

static rd_kafka_topic_t *
start_reading(rd_kafka_t *rk, const char *topic, int partition)
{
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);

	KT_CHECK(rkt != NULL);
	KT_EQ(rd_kafka_consume_start(rkt, partition, RD_KAFKA_OFFSET_BEGINNING),
	    0);
	return rkt;
}

static void
stop_reading(rd_kafka_topic_t *rkt, int partition)
{
	rd_kafka_consume_stop(rkt, partition);
	rd_kafka_topic_destroy(rkt);
}

void
kt_consume_same(rd_kafka_t *rk, const char *topic, int partition, int64_t from,
    int64_t to, int64_t base_ms)
{
	rd_kafka_topic_t *rkt = start_reading(rk, topic, partition);
	int64_t i = from;

	while (i < to) {
		rd_kafka_message_t *m =
		    rd_kafka_consume(rkt, partition, REPLY_MS);

		KT_CHECKF(m != NULL, "%s-%d: no message %lld", topic, partition,
		    (long long)i);
		if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
			KT_EQ(m->offset, i - from);
			same_message(m, i++, base_ms);
		} else {
			KT_CHECKF(m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF,
			    "%s", rd_kafka_message_errstr(m));
		}
		rd_kafka_message_destroy(m);
	}
	stop_reading(rkt, partition);
}

int64_t
kt_consume_all(
    rd_kafka_t *rk, const char *topic, int partition, kt_seen_fn *cb, void *arg)
{
	rd_kafka_topic_t *rkt = start_reading(rk, topic, partition);
	bool end = false;
	int64_t n = 0;

	while (!end) {
		rd_kafka_message_t *m =
		    rd_kafka_consume(rkt, partition, REPLY_MS);

		KT_CHECKF(m != NULL, "%s-%d: no end after %lld messages", topic,
		    partition, (long long)n);
		if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
			cb(m, arg);
			n++;
		} else {
			KT_CHECKF(m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF,
			    "%s", rd_kafka_message_errstr(m));
			end = true;
		}
		rd_kafka_message_destroy(m);
	}
	stop_reading(rkt, partition);
	return n;
}

int64_t
kt_message_number(const rd_kafka_message_t *m)
{
	char text[11];
	const void *from = m->payload != NULL ? m->payload : m->key;
	size_t len = m->payload != NULL ? m->len : m->key_len;

	KT_CHECKF(from != NULL && len >= 10, "message at %lld is not ours",
	    (long long)m->offset);
	memcpy(text, from, 10);
	text[10] = '\0';
	return strtoll(text, NULL, 10);
}

/* Run an admin operation that was put on q, and take its event. */
static rd_kafka_event_t *
admin_result(rd_kafka_queue_t *q)
{
	rd_kafka_event_t *ev = rd_kafka_queue_poll(q, REPLY_MS);

	KT_CHECKF(ev != NULL, "no answer to an admin request");
	KT_CHECKF(rd_kafka_event_error(ev) == RD_KAFKA_RESP_ERR_NO_ERROR, "%s",
	    rd_kafka_event_error_string(ev));
	return ev;
}

static rd_kafka_resp_err_t
create(rd_kafka_t *rk, rd_kafka_NewTopic_t *nt)
{
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *ev;
	size_t n = 0;

	rd_kafka_CreateTopics(rk, &nt, 1, NULL, q);
	ev = admin_result(q);
	err = rd_kafka_topic_result_error(rd_kafka_CreateTopics_result_topics(
	    rd_kafka_event_CreateTopics_result(ev), &n)[0]);
	KT_EQ(n, 1);
	rd_kafka_event_destroy(ev);
	rd_kafka_queue_destroy(q);
	rd_kafka_NewTopic_destroy(nt);
	return err;
}

rd_kafka_resp_err_t
kt_create_topic(rd_kafka_t *rk, const char *topic, int partitions,
    const char *config, const char *value)
{
	return kt_create_replicated(rk, topic, partitions, 1, config, value);
}

rd_kafka_resp_err_t
kt_create_replicated(rd_kafka_t *rk, const char *topic, int partitions,
    int replicas, const char *config, const char *value)
{
	char text[256];
	rd_kafka_NewTopic_t *nt = rd_kafka_NewTopic_new(
	    topic, partitions, replicas, text, sizeof text);

	KT_CHECKF(nt != NULL, "%s", text);
	if (config != NULL)
		rd_kafka_NewTopic_set_config(nt, config, value);
	return create(rk, nt);
}

rd_kafka_resp_err_t
kt_create_assigned(rd_kafka_t *rk, const char *topic, int partitions,
    int replicas, int brokers)
{
	char text[256];
	rd_kafka_NewTopic_t *nt =
	    rd_kafka_NewTopic_new(topic, partitions, -1, text, sizeof text);
	int32_t ids[KT_BROKERS_MAX];

	KT_CHECKF(nt != NULL, "%s", text);
	for (int i = 0; i < partitions; i++) {
		for (int k = 0; k < replicas; k++)
			ids[k] = (i + k) % brokers;
		KT_EQ(rd_kafka_NewTopic_set_replica_assignment(
			  nt, i, ids, (size_t)replicas, text, sizeof text),
		    0);
	}
	return create(rk, nt);
}

rd_kafka_resp_err_t
kt_delete_topic(rd_kafka_t *rk, const char *topic)
{
	rd_kafka_DeleteTopic_t *dt = rd_kafka_DeleteTopic_new(topic);
	rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
	rd_kafka_resp_err_t err;
	rd_kafka_event_t *ev;
	size_t n = 0;

	rd_kafka_DeleteTopics(rk, &dt, 1, NULL, q);
	ev = admin_result(q);
	err = rd_kafka_topic_result_error(rd_kafka_DeleteTopics_result_topics(
	    rd_kafka_event_DeleteTopics_result(ev), &n)[0]);
	KT_EQ(n, 1);
	rd_kafka_event_destroy(ev);
	rd_kafka_queue_destroy(q);
	rd_kafka_DeleteTopic_destroy(dt);
	return err;
}

int
kt_topic_partitions(rd_kafka_t *rk, const char *topic)
{
	const struct rd_kafka_metadata *md = NULL;
	rd_kafka_resp_err_t err;
	int n = -1;
	int i;
	int k;

	/* All topics: asking for one by name could create it. */
	err = rd_kafka_metadata(rk, 1, NULL, &md, REPLY_MS);
	KT_CHECKF(
	    err == RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_err2str(err));
	for (i = 0; i < md->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *t = &md->topics[i];

		if (strcmp(t->topic, topic) != 0)
			continue;
		for (n = k = 0; k < t->partition_cnt; k++)
			n += t->partitions[k].leader >= 0;
	}
	rd_kafka_metadata_destroy(md);
	return n;
}
