/*
 * c03 -- a leader that wrote what nobody copied gives it up.
 *
 * The followers of a partition are stopped and acks=1 goes to the leader
 * alone, which is then killed.  A follower, still in the ISR, leads and takes
 * other records at the same offsets.  The old leader comes back: its tail is
 * cut by the epochs, and its log becomes the new leader's.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/replicas.h"
#include "tests/lib/test.h"

#define LIMIT_MS 60000
#define BASE_MS 1700000000000

static void
produce(struct kt_cluster *c, const char *acks, int64_t from, int64_t to)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, "acks", acks,
	    "message.timeout.ms", "60000", NULL);

	for (int64_t i = from; i < to; i++)
		kt_produce(rk, "t", 0, i, BASE_MS);
	kt_flush(rk, LIMIT_MS);
	KT_EQ(kt_acks_of(rk)->acked, to - from);
	kt_client_free(&rk);
}

/* 0 to some number that was copied in time, then 1000 to 1199. */
static void
collect(const rd_kafka_message_t *m, void *arg)
{
	int64_t *expected = arg;

	if (*expected >= 100 && *expected < 900 && kt_message_number(m) == 1000)
		*expected = 1000;
	KT_EQ(kt_message_number(m), *expected);
	*expected += 1;
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_start(3,
	    "zookeeper.session.timeout.ms=10000\n"
	    "replica.fetch.backoff.ms=200\n"
	    "auto.leader.rebalance.enable=false\n");
	struct kt_zk *zk = kt_zk_open(c);
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	struct kt_state st;
	int64_t next = 0;
	int old, a, b;

	KT_EQ(kt_create_replicated(rk, "t", 1, 3, NULL, NULL), 0);
	kt_client_free(&rk);
	kt_all_in_sync(zk, "t", 1, 3, LIMIT_MS);
	produce(c, "all", 0, 100);
	KT_CHECK(kt_state(zk, "t", 0, &st));
	old = st.leader;
	a = (old + 1) % 3;
	b = (old + 2) % 3;
	kt_nap_ms(700); /* their high watermarks follow */
	KT_EQ(kill(c->b[a].pid, SIGSTOP) + kill(c->b[b].pid, SIGSTOP), 0);
	/* A fetch that waits at the leader takes what comes first along. */
	produce(c, "1", 100, 400);
	produce(c, "1", 400, 900);
	kt_broker_kill(c, old);
	KT_EQ(kill(c->b[a].pid, SIGCONT) + kill(c->b[b].pid, SIGCONT), 0);
	KT_UNTIL(LIMIT_MS,
	    kt_state(zk, "t", 0, &st) && st.leader >= 0 && st.leader != old);
	kt_step("broker %d leads in place of %d", st.leader, old);
	produce(c, "all", 1000, 1200);
	kt_broker_start(c, old);
	kt_all_in_sync(zk, "t", 1, 3, LIMIT_MS);
	KT_CHECK(kt_broker_logged(c, old, "Truncating to offset"));
	rk = kt_client(c, RD_KAFKA_CONSUMER, KT_PLAIN, NULL);
	KT_CHECK(kt_consume_all(rk, "t", 0, collect, &next) < 1100);
	KT_EQ(next, 1200);
	kt_client_free(&rk);
	kt_zk_close(&zk);
	for (int i = 0; i < 3; i++)
		kt_broker_term(c, i);
	kt_same_logs(c, "t", 0);
	kt_cluster_stop(&c);
	return 0;
}
