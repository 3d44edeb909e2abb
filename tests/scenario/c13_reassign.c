/*
 * c13 -- partitions move to other brokers: by request and by znode, cancelled,
 * replaced, and across a change of controllers.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/client.h"
#include "tests/lib/ctl.h"
#include "tests/lib/test.h"

#define LIMIT_MS 30000
#define NODE "/admin/reassign_partitions"

static bool
topic_has(struct kt_zk *zk, const char *topic, const char *text)
{
	struct kt_znode n = { 0 };
	char path[300];
	bool has;

	snprintf(path, sizeof path, "/brokers/topics/%s", topic);
	KT_CHECK(kt_zk_get(zk, path, &n));
	has = strstr(n.data, text) != NULL;
	kt_znode_free(&n);
	return has;
}

/* At rest, with these replicas. */
static bool
rests(struct kt_zk *zk, const char *topic, const char *replicas)
{
	return topic_has(zk, topic, replicas) &&
	    topic_has(zk, topic, "\"adding_replicas\":{}") &&
	    topic_has(zk, topic, "\"removing_replicas\":{}");
}

static bool
on_disk(struct kt_cluster *c, int broker, const char *dir)
{
	return access(kt_data_path(c, broker, dir), F_OK) == 0;
}

static void
refusals(struct kt_cluster *c, struct kt_zk *zk)
{
	KT_EQ(kt_reassign(c, zk, "t", 0, NULL), 85);
	KT_EQ(kt_reassign(c, zk, "t", 0, &(struct kt_ids){ .n = 0 }), 39);
	KT_EQ(kt_reassign(c, zk, "t", 0, &(struct kt_ids){ { 1, 1 }, 2 }), 39);
	KT_EQ(kt_reassign(c, zk, "t", 0, &(struct kt_ids){ { -1 }, 1 }), 39);
	KT_EQ(kt_reassign(c, zk, "t", 0, &(struct kt_ids){ { 9 }, 1 }), 39);
	KT_EQ(kt_reassign(c, zk, "t", 77, &(struct kt_ids){ { 1 }, 1 }), 3);
	KT_EQ(kt_reassign(c, zk, "no", 0, &(struct kt_ids){ { 1 }, 1 }), 3);
	KT_EQ(kt_reassigning(c, zk), 0);
	kt_step("what cannot be is refused");
}

/* Partition 0 of t is on 0 and 1; it goes to 2 and 1. */
static void
by_request(struct kt_cluster *c, struct kt_zk *zk)
{
	struct kt_state st;

	KT_EQ(kt_reassign(c, zk, "t", 0, &(struct kt_ids){ { 2, 1 }, 2 }), 0);
	kt_join_isr(c, zk, "t", 0, 2);
	KT_UNTIL(LIMIT_MS, rests(zk, "t", "\"0\":[2,1]"));
	KT_EQ(kt_reassigning(c, zk), 0);
	KT_CHECK(kt_state_get(zk, "t", 0, &st));
	KT_EQ(st.leader, 2);
	KT_EQ(st.isr.n, 2);
	KT_CHECK(!kt_ids_has(&st.isr, 0));
	KT_UNTIL(LIMIT_MS, !on_disk(c, 0, "t-0"));
	KT_CHECK(on_disk(c, 2, "t-0"));
	kt_step("a partition moved, its old replica is gone");
}

/* Broker 2 down, a replica on it never gets in sync. */
static void
stuck(struct kt_cluster *c, struct kt_zk *zk)
{
	KT_EQ(kt_reassign(c, zk, "s", 0, &(struct kt_ids){ { 0, 2 }, 2 }), 0);
	kt_broker_kill(c, 2);
	KT_UNTIL(LIMIT_MS, kt_broker_epoch(zk, 2) == -1);
}

static void
cancelled(struct kt_cluster *c, struct kt_zk *zk)
{
	stuck(c, zk);
	if (!rests(zk, "s", "\"0\":[0,2]")) { /* it was not that quick */
		KT_CHECK(topic_has(zk, "s", "\"0\":[0,2,1]"));
		KT_CHECK(topic_has(zk, "s", "\"adding_replicas\":{\"0\":[2]}"));
		KT_CHECK(
		    topic_has(zk, "s", "\"removing_replicas\":{\"0\":[1]}"));
		KT_EQ(kt_reassigning(c, zk), 1);
		KT_EQ(kt_reassign(c, zk, "s", 0, NULL), 0);
		KT_UNTIL(LIMIT_MS, rests(zk, "s", "\"0\":[0,1]"));
		KT_EQ(kt_reassigning(c, zk), 0);
	}
	kt_broker_start(c, 2);
	kt_step("a move that could not end was cancelled");
}

/* By znode, and the controller dies in the middle. */
static void
across_controllers(struct kt_cluster *c, struct kt_zk *zk)
{
	int epoch;

	kt_zk_put(zk, NODE,
	    "{\"version\":1,\"partitions\":["
	    "{\"topic\":\"t\",\"partition\":1,\"replicas\":[2,0]},"
	    "{\"topic\":\"none\",\"partition\":0,\"replicas\":[1]}]}");
	KT_UNTIL(LIMIT_MS, topic_has(zk, "t", "\"1\":[2,0"));
	kt_broker_kill(c, 0);
	KT_UNTIL(LIMIT_MS, kt_controller(zk, &epoch) > 0);
	KT_EQ(epoch, 2);
	kt_broker_start(c, 0);
	kt_join_isr(c, zk, "t", 1, 2);
	kt_join_isr(c, zk, "t", 1, 0);
	KT_UNTIL(LIMIT_MS, rests(zk, "t", "\"1\":[2,0]"));
	KT_UNTIL(LIMIT_MS, !kt_zk_exists(zk, NODE));
	KT_EQ(kt_leader(zk, "t", 1), 2);
	KT_UNTIL(LIMIT_MS, !on_disk(c, 1, "t-1"));
	kt_step("another controller ended the move that the first began");
}

static void
story(struct kt_cluster *c)
{
	struct kt_zk *zk = kt_zk_open(c);
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);

	KT_EQ(kt_create_assigned(rk, "t", 3, 2, 3), 0);
	KT_EQ(kt_create_assigned(rk, "s", 1, 2, 3), 0);
	refusals(c, zk);
	by_request(c, zk);
	cancelled(c, zk);
	across_controllers(c, zk);
	kt_client_free(&rk);
	kt_zk_close(&zk);
}

int
main(void)
{
	struct kt_cluster *c =
	    kt_cluster_prepare(3, "auto.leader.rebalance.enable=false\n");

	for (int i = 0; i < 3; i++) /* the first is the controller */
		kt_broker_start(c, i);
	story(c);
	kt_cluster_stop(&c);
	return 0;
}
