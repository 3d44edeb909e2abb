/*
 * g03 -- the broker that coordinates a group dies.
 *
 * Three brokers, all partitions on all of them.  Commits are acknowledged once
 * the replicas have them; the next leader of the group's partition loads
 * offsets and members, which go on in their generation.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/client.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define TOPIC "data"
#define PARTS 4
#define ROUND 200
#define LIMIT_MS 60000

static struct kt_cluster *c;
static int assignments;

static void
rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t err,
    rd_kafka_topic_partition_list_t *list, void *arg)
{
	bool assign = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;

	(void)arg;
	assignments += assign;
	rd_kafka_assign(rk, assign ? list : NULL);
}

static rd_kafka_t *
member(void)
{
	rd_kafka_topic_partition_list_t *topics =
	    rd_kafka_topic_partition_list_new(1);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	const char *v[] = { "bootstrap.servers", kt_bootstrap(c, KT_PLAIN),
		"group.id", "g", "auto.offset.reset", "earliest",
		"enable.auto.commit", "false", "session.timeout.ms", "45000",
		"heartbeat.interval.ms", "200", "reconnect.backoff.max.ms",
		"200" };
	char err[256];
	rd_kafka_t *rk;

	for (size_t i = 0; i < sizeof v / sizeof v[0]; i += 2)
		KT_CHECKF(rd_kafka_conf_set(conf, v[i], v[i + 1], err,
			      sizeof err) == RD_KAFKA_CONF_OK,
		    "%s", err);
	rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof err);
	KT_CHECKF(rk != NULL, "%s", err);
	rd_kafka_poll_set_consumer(rk);
	rd_kafka_topic_partition_list_add(topics, TOPIC, -1);
	KT_EQ(rd_kafka_subscribe(rk, topics), 0);
	rd_kafka_topic_partition_list_destroy(topics);
	return rk;
}

static int
poll_for(rd_kafka_t *rk, int ms)
{
	rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, ms);
	int n = m != NULL && m->err == RD_KAFKA_RESP_ERR_NO_ERROR;

	if (m != NULL)
		rd_kafka_message_destroy(m);
	return n;
}

static void
produce(int from)
{
	rd_kafka_t *rk = kt_client(
	    c, RD_KAFKA_PRODUCER, KT_PLAIN, "enable.idempotence", "true", NULL);

	for (int i = from; i < from + ROUND; i++)
		kt_produce(rk, TOPIC, i % PARTS, i, 1700000000000);
	kt_flush(rk, LIMIT_MS);
	kt_client_free(&rk);
}

static void
read_round(rd_kafka_t *rk)
{
	int64_t end = kt_now_ms() + LIMIT_MS;
	int got = 0;

	while (got < ROUND && kt_now_ms() < end)
		got += poll_for(rk, 100);
	got += poll_for(rk, 300);
	KT_EQ(got, ROUND);
}

/* Commits as a patient client does: what is retriable is tried again. */
static void
commit(rd_kafka_t *rk)
{
	int64_t end = kt_now_ms() + LIMIT_MS;
	rd_kafka_resp_err_t err;

	while ((err = rd_kafka_commit(rk, NULL, 0)) != 0) {
		KT_CHECKF(kt_now_ms() < end, "%s", rd_kafka_err2str(err));
		(void)poll_for(rk, 100);
	}
}

/* Who coordinates "g", as broker i says; -1: nobody yet. */
static int
coordinator(int i)
{
	struct kt_bytes b, a;
	int fd = kt_connect(c->b[i].port[KT_PLAIN]), node = -1;

	if (fd < 0)
		return -1;
	kt_bytes_init(&b);
	kt_bytes_init(&a);
	kt_put_str(&b, "g");
	kt_send_request(fd, 10, 0, 1, &b);
	if (kt_receive(fd, 5000, &a) == KT_ANSWER) {
		(void)kt_get_i32(&a);
		if (kt_get_i16(&a) == 0)
			node = kt_get_i32(&a);
	}
	kt_bytes_free(&a);
	kt_bytes_free(&b);
	close(fd);
	return node;
}

int
main(void)
{
	rd_kafka_t *rk;
	int n = 0, node;

	c = kt_cluster_start(3,
	    "offsets.topic.replication.factor=3\n"
	    "default.replication.factor=3\n"
	    "num.partitions=4\nmin.insync.replicas=2\n"
	    "offsets.topic.num.partitions=6\n"
	    "group.initial.rebalance.delay.ms=0\n");
	produce(n);
	rk = member();
	read_round(rk);
	commit(rk);
	KT_EQ(assignments, 1);
	for (int round = 0; round < 2; round++) {
		KT_UNTIL(LIMIT_MS, (node = coordinator(round)) >= 0);
		kt_broker_kill(c, node);
		KT_UNTIL(LIMIT_MS,
		    ((void)poll_for(rk, 10),
			coordinator((node + 1) % 3) >= 0 &&
			    coordinator((node + 1) % 3) != node));
		n += ROUND;
		produce(n);
		read_round(rk);
		commit(rk);
		KT_EQ(assignments, 1);
		kt_step("broker %d gone, the group goes on", node);
		kt_broker_start(c, node);
	}
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	/* What was committed then is what counts now. */
	n += ROUND;
	produce(n);
	rk = member();
	read_round(rk);
	rd_kafka_consumer_close(rk);
	rd_kafka_destroy(rk);
	kt_step("the next member reads what is new, and no more");
	kt_cluster_stop(&c);
	return 0;
}
