/*
 * c12 -- preferred elections: by request, by znode, and by the controller
 * itself; and unclean ones, by request and by a topic's setting.
 */
#include <stdio.h>

#include "tests/lib/client.h"
#include "tests/lib/ctl.h"
#include "tests/lib/test.h"

#define LIMIT_MS 30000
#define PARTS 6
#define NOT_NEEDED 84
#define PREFERRED_NOT_AVAILABLE 80
#define ELIGIBLE_NOT_AVAILABLE 83

/* Broker 2 leads nothing, but is back in every ISR. */
static void
bounce(struct kt_cluster *c, struct kt_zk *zk)
{
	kt_broker_term(c, 2);
	KT_EQ(kt_elect(c, zk, 0, "t", 2), PREFERRED_NOT_AVAILABLE);
	kt_broker_start(c, 2);
	KT_CHECK(kt_leader(zk, "t", 2) != 2);
}

static void
join_all(struct kt_cluster *c, struct kt_zk *zk)
{
	for (int i = 0; i < PARTS; i++)
		kt_join_isr(c, zk, "t", i, 2);
}

static void
by_request(struct kt_cluster *c, struct kt_zk *zk)
{
	struct kt_state st;

	KT_EQ(kt_elect(c, zk, 0, "t", 2), NOT_NEEDED);
	KT_EQ(kt_elect(c, zk, 0, "t", PARTS), 3);
	bounce(c, zk);
	join_all(c, zk);
	KT_EQ(kt_elect(c, zk, 1, "t", 2), NOT_NEEDED);
	KT_EQ(kt_elect(c, zk, 0, "t", 2), 0);
	KT_CHECK(kt_state_get(zk, "t", 2, &st));
	KT_EQ(st.leader, 2);
	KT_EQ(st.isr.n, 3);
	kt_step("ElectLeaders gave broker 2 one partition back");
}

static void
by_znode(struct kt_zk *zk)
{
	KT_CHECK(kt_leader(zk, "t", 5) != 2);
	kt_zk_put(zk, "/admin/preferred_replica_election",
	    "{\"version\":1,\"partitions\":[{\"topic\":\"t\",\"partition\":5},"
	    "{\"topic\":\"none\",\"partition\":0}]}");
	KT_UNTIL(
	    LIMIT_MS, !kt_zk_exists(zk, "/admin/preferred_replica_election"));
	KT_EQ(kt_leader(zk, "t", 5), 2);
	kt_zk_put(zk, "/admin/preferred_replica_election", "nonsense");
	KT_UNTIL(
	    LIMIT_MS, !kt_zk_exists(zk, "/admin/preferred_replica_election"));
	kt_step("the znode gave it another one");
}

static void
unclean(struct kt_cluster *c, struct kt_zk *zk)
{
	struct kt_state st;

	kt_join_isr(c, zk, "u", 0, 1);
	kt_join_isr(c, zk, "u", 1, 1);
	kt_broker_kill(c, 1);
	KT_UNTIL(LIMIT_MS, !kt_in_isr(zk, "u", 0, 1));
	KT_UNTIL(LIMIT_MS, kt_leader(zk, "u", 1) == 0);
	kt_broker_kill(c, 0);
	/* The last one stays in the ISR, and nobody leads. */
	KT_UNTIL(LIMIT_MS, kt_leader(zk, "u", 0) == -1);
	KT_CHECK(kt_state_get(zk, "u", 0, &st));
	KT_EQ(st.isr.n, 1);
	KT_EQ(st.isr.v[0], 0);
	KT_EQ(kt_elect(c, zk, 1, "u", 0), ELIGIBLE_NOT_AVAILABLE);
	kt_broker_start(c, 1);
	kt_nap_ms(500);
	KT_EQ(kt_leader(zk, "u", 0), -1);
	KT_EQ(kt_elect(c, zk, 1, "u", 0), 0);
	KT_CHECK(kt_state_get(zk, "u", 0, &st));
	KT_EQ(st.leader, 1);
	KT_EQ(st.isr.n, 1);
	KT_EQ(kt_leader(zk, "u", 1), -1);
	kt_step("an unclean leader, as asked for");

	/* As a tool would do it. */
	kt_zk_put(zk, "/config/topics/u",
	    "{\"version\":1,\"config\":{"
	    "\"unclean.leader.election.enable\":\"true\"}}");
	kt_zk_append(zk, "/config/changes/config_change_",
	    "{\"version\":2,\"entity_path\":\"topics/u\"}");
	KT_UNTIL(LIMIT_MS, kt_leader(zk, "u", 1) == 1);
	kt_step("and another one because the topic allows it");
}

static void
story(struct kt_cluster *c)
{
	struct kt_zk *zk = kt_zk_open(c);
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);

	KT_EQ(kt_create_assigned(rk, "t", PARTS, 3, 3), 0);
	KT_EQ(kt_create_assigned(rk, "u", 2, 2, 2), 0); /* on 0 and 1 */
	kt_client_free(&rk);
	by_request(c, zk);
	by_znode(zk);
	/* The controller does the same, from time to time. */
	bounce(c, zk);
	join_all(c, zk);
	KT_EQ(kt_controller(zk, NULL), 1);
	kt_broker_term(c, 1);
	KT_EQ(kt_leader(zk, "t", 2), 0); /* not broker 1's to give away */
	KT_UNTIL(LIMIT_MS,
	    kt_controller(zk, NULL) != 1 && kt_controller(zk, NULL) >= 0);
	kt_broker_start(c, 1);
	for (int i = 2; i < PARTS; i += 3)
		KT_UNTIL(LIMIT_MS, kt_leader(zk, "t", i) == 2);
	kt_step("the new controller balanced its leaders by itself");
	unclean(c, zk);
	kt_zk_close(&zk);
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_prepare(
	    3, "leader.imbalance.check.interval.seconds=1\n");

	/* The first controller leaves leaders where they are. */
	kt_broker_configure(c, 1, "auto.leader.rebalance.enable=false\n");
	kt_broker_start(c, 1);
	kt_broker_start(c, 0);
	kt_broker_start(c, 2);
	story(c);
	kt_cluster_stop(&c);
	return 0;
}
