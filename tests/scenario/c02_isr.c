/*
 * c02 -- the in-sync set follows who keeps up.
 *
 * A follower that is stopped leaves the ISR after replica.lag.time.max.ms,
 * and acks=all goes on with the other two.  With both followers stopped
 * acks=all is refused below min.insync.replicas, and what acks=1 writes is in
 * the log but not shown to consumers.  Running again they are back in the
 * ISR and everything is shown.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/replicas.h"
#include "tests/lib/test.h"

#define LAG_MS 1500
#define LIMIT_MS 30000

/* Errors of the delivery reports of one message. */
static rd_kafka_resp_err_t
produce_one(struct kt_cluster *c, const char *acks, int64_t i)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, "acks", acks,
	    "message.timeout.ms", "5000", "retries", "0", NULL);
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

	kt_produce(rk, "t", 0, i, 1700000000000);
	kt_flush(rk, LIMIT_MS);
	if (kt_acks_of(rk)->failed > 0)
		err = RD_KAFKA_RESP_ERR__FAIL;
	kt_client_free(&rk);
	return err;
}

static int64_t
high_watermark(struct kt_cluster *c)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_CONSUMER, KT_PLAIN, NULL);
	int64_t low, high = -1;

	KT_EQ(rd_kafka_query_watermark_offsets(rk, "t", 0, &low, &high, 10000),
	    0);
	kt_client_free(&rk);
	return high;
}

static void
send_signal(struct kt_cluster *c, int id, int sig)
{
	KT_EQ(kill(c->b[id].pid, sig), 0);
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_start(3,
	    "zookeeper.session.timeout.ms=10000\n"
	    "replica.lag.time.max.ms=1500\n"
	    "min.insync.replicas=2\n"
	    "auto.leader.rebalance.enable=false\n");
	struct kt_zk *zk = kt_zk_open(c);
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	struct kt_state st;
	int a, b;
	int64_t t0;

	/* Broker 0 leads: the followers that stop are not the controller. */
	KT_EQ(kt_create_assigned(rk, "t", 1, 3, 3), 0);
	kt_client_free(&rk);
	kt_all_in_sync(zk, "t", 1, 3, LIMIT_MS);
	KT_CHECK(kt_state(zk, "t", 0, &st) && st.nisr == 3);
	KT_EQ(st.leader, 0);
	a = (st.leader + 1) % 3;
	b = (st.leader + 2) % 3;
	KT_EQ(produce_one(c, "all", 0), 0);
	KT_EQ(high_watermark(c), 1);

	t0 = kt_now_ms();
	send_signal(c, a, SIGSTOP);
	KT_EQ(produce_one(c, "all", 1), 0);
	KT_CHECK(kt_now_ms() - t0 >= LAG_MS / 2);
	KT_UNTIL(LIMIT_MS, !kt_in_sync(zk, "t", 1, a));
	KT_CHECK(kt_in_sync(zk, "t", 1, b));
	kt_step("broker %d is stopped and out of the ISR", a);
	KT_EQ(produce_one(c, "all", 2), 0);
	send_signal(c, a, SIGCONT);
	kt_all_in_sync(zk, "t", 1, 3, LIMIT_MS);
	kt_step("it runs and is back");

	send_signal(c, a, SIGSTOP);
	send_signal(c, b, SIGSTOP);
	KT_UNTIL(LIMIT_MS, !kt_in_sync(zk, "t", 1, a));
	KT_UNTIL(LIMIT_MS, !kt_in_sync(zk, "t", 1, b));
	KT_CHECK(produce_one(c, "all", 3) != 0);
	KT_EQ(produce_one(c, "1", 4), 0);
	KT_EQ(high_watermark(c), 3);
	kt_step("with the leader alone acks=all is refused, acks=1 not shown");
	send_signal(c, a, SIGCONT);
	send_signal(c, b, SIGCONT);
	kt_all_in_sync(zk, "t", 1, 3, LIMIT_MS);
	KT_UNTIL(LIMIT_MS, high_watermark(c) == 4);
	kt_step("all are back, and everything is shown");

	kt_zk_close(&zk);
	for (int i = 0; i < 3; i++)
		kt_broker_term(c, i);
	kt_same_logs(c, "t", 0);
	kt_cluster_stop(&c);
	return 0;
}
