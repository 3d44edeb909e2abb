/*
 * c04 -- a consumer reads from the replica in its rack (KIP-392).
 *
 * Three brokers in three racks, the leader-side selector by rack.  A consumer
 * of a follower's rack is sent there: while the leader is stopped it still
 * reads what it has not read yet.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/replicas.h"
#include "tests/lib/test.h"

#define LIMIT_MS 30000
#define BASE_MS 1700000000000
#define HALF 50

static void
produce(struct kt_cluster *c, int64_t from, int64_t to)
{
	rd_kafka_t *rk =
	    kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, "acks", "all", NULL);

	for (int64_t i = from; i < to; i++)
		kt_produce(rk, "t", 0, i, BASE_MS);
	kt_flush(rk, LIMIT_MS);
	KT_EQ(kt_acks_of(rk)->acked, to - from);
	kt_client_free(&rk);
}

static void
read_on(rd_kafka_topic_t *rkt, int64_t from, int64_t to)
{
	int64_t end_ms = kt_now_ms() + LIMIT_MS;
	rd_kafka_message_t *m;

	while (from < to) {
		KT_CHECKF(kt_now_ms() < end_ms, "message %lld does not come",
		    (long long)from);
		if ((m = rd_kafka_consume(rkt, 0, 100)) == NULL)
			continue;
		if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
			KT_EQ(kt_message_number(m), from++);
		rd_kafka_message_destroy(m);
	}
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_prepare(3,
	    "zookeeper.session.timeout.ms=10000\n"
	    "replica.selector.class="
	    "org.apache.kafka.common.replica.RackAwareReplicaSelector\n");
	struct kt_state st;
	rd_kafka_topic_t *rkt;
	rd_kafka_t *rk;
	struct kt_zk *zk;
	char line[32], rack[8];

	for (int i = 0; i < 3; i++) {
		snprintf(line, sizeof line, "broker.rack=r%d\n", i);
		kt_broker_configure(c, i, line);
		kt_broker_spawn(c, i);
	}
	for (int i = 0; i < 3; i++)
		kt_broker_ready(c, i);
	zk = kt_zk_open(c);
	rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	KT_EQ(kt_create_replicated(rk, "t", 1, 3, NULL, NULL), 0);
	kt_client_free(&rk);
	kt_all_in_sync(zk, "t", 1, 3, LIMIT_MS);
	produce(c, 0, HALF);
	KT_CHECK(kt_state(zk, "t", 0, &st));
	snprintf(rack, sizeof rack, "r%d", (st.leader + 1) % 3);
	rk = kt_client(c, RD_KAFKA_CONSUMER, KT_PLAIN, "client.rack", rack,
	    "fetch.wait.max.ms", "100", NULL);
	rkt = rd_kafka_topic_new(rk, "t", NULL);
	KT_EQ(rd_kafka_consume_start(rkt, 0, 0), 0);
	read_on(rkt, 0, HALF);
	produce(c, HALF, 2 * HALF);
	read_on(rkt, HALF, 2 * HALF);
	kt_step("a consumer of rack %s has read from there", rack);
	/* What it has not asked for yet it gets from the follower alone. */
	KT_EQ(rd_kafka_seek(rkt, 0, 10, 5000), 0);
	KT_EQ(kill(c->b[st.leader].pid, SIGSTOP), 0);
	read_on(rkt, 10, 2 * HALF);
	kt_step("and does with the leader stopped");
	KT_EQ(kill(c->b[st.leader].pid, SIGCONT), 0);
	rd_kafka_consume_stop(rkt, 0);
	rd_kafka_topic_destroy(rkt);
	kt_client_free(&rk);
	kt_zk_close(&zk);
	kt_cluster_stop(&c);
	return 0;
}
