/*
 * c05 -- replication over TLS: security.inter.broker.protocol=SSL, and
 * brokers that show each other a certificate.
 */
#include <stdio.h>
#include <string.h>

#include "tests/lib/replicas.h"
#include "tests/lib/test.h"

#define LIMIT_MS 60000

int
main(void)
{
	struct kt_cluster *c = kt_cluster_start(3,
	    "security.inter.broker.protocol=SSL\n"
	    "listener.name.ssl.ssl.client.auth=required\n"
	    "replica.fetch.backoff.ms=200\n"
	    "auto.leader.rebalance.enable=false\n");
	struct kt_zk *zk = kt_zk_open(c);
	struct kt_state st;
	struct kt_load l;

	kt_load_open(&l, c, "t", 2);
	KT_EQ(kt_create_replicated(l.rk, "t", 2, 3, "min.insync.replicas", "2"),
	    0);
	kt_all_in_sync(zk, "t", 2, 3, LIMIT_MS);
	kt_load_run(&l, 500);
	KT_CHECK(kt_state(zk, "t", 0, &st));
	kt_broker_kill(c, st.leader);
	kt_load_run(&l, 500);
	kt_broker_start(c, st.leader);
	kt_all_in_sync(zk, "t", 2, 3, LIMIT_MS);
	kt_load_verify(&l, c);
	kt_load_close(&l);
	kt_zk_close(&zk);
	kt_nap_ms(1000);
	for (int i = 0; i < 3; i++)
		kt_broker_term(c, i);
	kt_same_logs(c, "t", 0);
	kt_same_logs(c, "t", 1);
	kt_cluster_stop(&c);
	return 0;
}
