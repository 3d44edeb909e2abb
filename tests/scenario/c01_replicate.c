/*
 * c01 -- three replicas survive any one of them.
 *
 * An idempotent producer with acks=all writes without a pause to a topic with
 * three replicas and min.insync.replicas=2.  The leader of a partition is
 * killed: another broker leads, and the producer goes on.  The killed one
 * comes back, copies what it missed and is in sync again.  At the end every
 * acknowledged message is there, once and in order, and the logs of the three
 * brokers are the same to the byte.
 */
#include <stdio.h>
#include <string.h>

#include "tests/lib/replicas.h"
#include "tests/lib/test.h"

#define PARTITIONS 3
#define KILLS 2
#define LOAD_MS 700
#define LIMIT_MS 60000

/* Another broker than id leads all partitions. */
static bool
moved(struct kt_zk *zk, int id)
{
	struct kt_state st;

	for (int p = 0; p < PARTITIONS; p++)
		if (!kt_state(zk, "t", p, &st) || st.leader < 0 ||
		    st.leader == id)
			return false;
	return true;
}

static void
kill_a_leader(struct kt_cluster *c, struct kt_zk *zk, struct kt_load *l, int p)
{
	struct kt_state st;
	int id;

	KT_CHECK(kt_state(zk, "t", p, &st) && st.leader >= 0);
	id = st.leader;
	kt_load_run(l, LOAD_MS);
	kt_broker_kill(c, id);
	kt_step("broker %d, leader of t-%d, killed after %lld "
		"acknowledgements",
	    id, p, (long long)kt_acks_of(l->rk)->acked);
	kt_load_run(l, LOAD_MS);
	KT_UNTIL(LIMIT_MS, moved(zk, id));
	kt_step("others lead");
	kt_load_run(l, LOAD_MS);
	KT_CHECK(!kt_in_sync(zk, "t", PARTITIONS, id));
	kt_broker_spawn(c, id);
	kt_load_run(l, LOAD_MS);
	kt_broker_ready(c, id);
	kt_all_in_sync(zk, "t", PARTITIONS, c->n, LIMIT_MS);
	kt_step("broker %d is back and in sync", id);
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_start(3,
	    "log.segment.bytes=1048576\n"
	    "replica.fetch.backoff.ms=200\n"
	    "auto.leader.rebalance.enable=false\n");
	struct kt_zk *zk = kt_zk_open(c);
	struct kt_load l;

	kt_load_open(&l, c, "t", PARTITIONS);
	KT_EQ(kt_create_replicated(
		  l.rk, "t", PARTITIONS, 3, "min.insync.replicas", "2"),
	    0);
	kt_all_in_sync(zk, "t", PARTITIONS, c->n, LIMIT_MS);
	for (int k = 0; k < KILLS; k++)
		kill_a_leader(c, zk, &l, k);
	kt_load_verify(&l, c);
	kt_load_close(&l);
	/* Followers have all that is acknowledged; wait for the rest. */
	kt_all_in_sync(zk, "t", PARTITIONS, c->n, LIMIT_MS);
	kt_nap_ms(1000);
	kt_zk_close(&zk);
	for (int i = 0; i < c->n; i++)
		kt_broker_term(c, i);
	for (int p = 0; p < PARTITIONS; p++)
		kt_same_logs(c, "t", p);
	kt_cluster_stop(&c);
	return 0;
}
