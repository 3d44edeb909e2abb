/*
 * c06 -- a replicated topic is deleted and made anew under the same name.
 *
 * Followers must neither keep nor copy a byte of the old one (TI-1), also
 * when one of them was down all the while and comes back with the old log.
 */
#include <stdio.h>
#include <string.h>

#include "tests/lib/replicas.h"
#include "tests/lib/test.h"

#define PARTITIONS 4
#define LIMIT_MS 60000
#define BASE_MS 1700000000000

static void
produce(struct kt_cluster *c, int64_t from, int64_t to)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, "acks",
	    "all", "message.timeout.ms", "60000", NULL);

	for (int64_t i = from; i < to; i++)
		kt_produce(rk, "t", (int)(i % PARTITIONS), i, BASE_MS);
	kt_flush(rk, LIMIT_MS);
	KT_EQ(kt_acks_of(rk)->acked, to - from);
	kt_client_free(&rk);
}

static void
above(const rd_kafka_message_t *m, void *arg)
{
	KT_CHECK(kt_message_number(m) >= *(int64_t *)arg);
}

static bool
gone(rd_kafka_t *rk, struct kt_zk *zk)
{
	return kt_topic_partitions(rk, "t") < 0 &&
	    !kt_zk_exists(zk, "/brokers/topics/t") &&
	    !kt_zk_exists(zk, "/admin/delete_topics/t");
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_start(3,
	    "replica.fetch.backoff.ms=200\n"
	    "auto.create.topics.enable=false\n"
	    "auto.leader.rebalance.enable=false\n");
	struct kt_zk *zk = kt_zk_open(c);
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	int64_t total = 0, from = 0;

	for (int round = 0; round < 3; round++) {
		KT_EQ(kt_create_replicated(rk, "t", PARTITIONS, 3, NULL, NULL),
		    0);
		kt_all_in_sync(zk, "t", PARTITIONS, 3, LIMIT_MS);
		from = round * 1000;
		produce(c, from, from + 400);
		if (round == 2)
			break;
		if (round == 1)
			kt_broker_kill(c, 2);
		KT_EQ(kt_delete_topic(rk, "t"), 0);
		if (round == 1) {
			kt_nap_ms(6000); /* it is deleted without broker 2 */
			kt_broker_start(c, 2);
		}
		KT_UNTIL(LIMIT_MS, gone(rk, zk));
		kt_step("deleted");
	}
	kt_client_free(&rk);
	rk = kt_client(c, RD_KAFKA_CONSUMER, KT_PLAIN, NULL);
	for (int p = 0; p < PARTITIONS; p++)
		total += kt_consume_all(rk, "t", p, above, &from);
	KT_EQ(total, 400);
	kt_client_free(&rk);
	kt_zk_close(&zk);
	for (int i = 0; i < 3; i++)
		kt_broker_term(c, i);
	for (int p = 0; p < PARTITIONS; p++)
		kt_same_logs(c, "t", p);
	kt_cluster_stop(&c);
	return 0;
}
