/*
 * b02 -- topics come and go: by the admin API, and by being asked for.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/client.h"
#include "tests/lib/test.h"

static void
create_and_delete(const struct kt_cluster *c, rd_kafka_t *rk)
{
	KT_EQ(kt_topic_partitions(rk, "made"), -1);
	KT_EQ(kt_create_topic(rk, "made", 3, "retention.ms", "3600000"), 0);
	KT_UNTIL(10000, kt_topic_partitions(rk, "made") == 3);
	KT_UNTIL(10000, access(kt_data_path(c, 0, "made-2"), F_OK) == 0);
	kt_step("created; its folders are there");

	KT_EQ(kt_create_topic(rk, "made", 3, NULL, NULL),
	    RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS);
	KT_EQ(kt_create_topic(rk, "bad name", 1, NULL, NULL),
	    RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION);
	KT_EQ(kt_create_topic(rk, "none", 0, NULL, NULL),
	    RD_KAFKA_RESP_ERR_INVALID_PARTITIONS);
	KT_EQ(kt_create_topic(rk, "odd", 1, "retention.ms", "soon"),
	    RD_KAFKA_RESP_ERR_INVALID_CONFIG);
	KT_EQ(kt_create_topic(rk, "odd", 1, "no.such.key", "1"),
	    RD_KAFKA_RESP_ERR_INVALID_CONFIG);
	KT_EQ(kt_topic_partitions(rk, "odd"), -1);
	kt_step("what cannot be created is refused with Kafka's codes");

	KT_EQ(kt_delete_topic(rk, "made"), 0);
	KT_EQ(kt_delete_topic(rk, "absent"),
	    RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	KT_UNTIL(10000, kt_topic_partitions(rk, "made") == -1);
	KT_UNTIL(10000, access(kt_data_path(c, 0, "made-2"), F_OK) != 0);
	kt_step("deleted; its folders are gone");

	/*
	 * Again under the same name.  Metadata forgets a topic before
	 * ZooKeeper does, so the first tries may find that it exists.
	 */
	KT_UNTIL(10000, kt_create_topic(rk, "made", 1, NULL, NULL) == 0);
	KT_UNTIL(10000, kt_topic_partitions(rk, "made") == 1);
}

static void
seen(const rd_kafka_message_t *m, void *arg)
{
	(void)m;
	++*(int *)arg;
}

static void
made_by_producing(const struct kt_cluster *c)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	rd_kafka_t *reader = kt_client(c, RD_KAFKA_CONSUMER, KT_PLAIN, NULL);
	int64_t now_ms = (int64_t)time(NULL) * 1000;
	int n = 0;
	int i;

	for (i = 0; i < 100; i++)
		kt_produce(rk, "unasked", 0, i, now_ms);
	kt_flush(rk, 60000);
	KT_EQ(kt_acks_of(rk)->acked, 100);
	KT_EQ(kt_topic_partitions(rk, "unasked"), 2);
	KT_EQ(kt_consume_all(reader, "unasked", 0, seen, &n), 100);
	KT_EQ(kt_consume_all(reader, "made", 0, seen, &n), 0);
	kt_step("producing to an unknown topic creates it");
	kt_client_free(&rk);
	kt_client_free(&reader);
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_start(1,
	    "num.partitions=2\n"
	    "file.delete.delay.ms=500\n");
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);

	create_and_delete(c, rk);
	made_by_producing(c);
	kt_client_free(&rk);
	kt_cluster_stop(&c);
	return 0;
}
