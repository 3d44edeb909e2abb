/*
 * z14 -- brokers lose their ZooKeeper session and their ZooKeeper.
 *
 * Two brokers, the first (the controller) behind a proxy.  While it is frozen
 * its session expires: the second becomes controller, and the first, back,
 * has stopped being one, registers with a new epoch and serves on.  Then
 * ZooKeeper is killed and started again: no session is lost, and nobody
 * notices.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/client.h"
#include "tests/lib/proxy.h"
#include "tests/lib/test.h"
#include "tests/lib/zk.h"

#define LIMIT_MS 30000

/* The broker that /controller names, -1: none; its ZooKeeper epoch. */
static int
controller(struct kt_zk *zk, int *epoch)
{
	struct kt_znode n = { 0 };
	const char *p;
	int id = -1;

	if (kt_zk_get(zk, "/controller", &n)) {
		p = strstr(n.data, "\"brokerid\":");
		KT_CHECK(p != NULL);
		id = atoi(p + strlen("\"brokerid\":"));
		kt_znode_free(&n);
	}
	*epoch = 0;
	if (kt_zk_get(zk, "/controller_epoch", &n)) {
		*epoch = atoi(n.data);
		kt_znode_free(&n);
	}
	return id;
}

static int64_t
broker_epoch(struct kt_zk *zk, int id)
{
	struct kt_znode n = { 0 };
	char path[64];
	int64_t epoch = -1;

	snprintf(path, sizeof path, "/brokers/ids/%d", id);
	if (kt_zk_get(zk, path, &n)) {
		epoch = n.czxid;
		kt_znode_free(&n);
	}
	return epoch;
}

/* Messages from..to over all partitions, each acknowledged. */
static void
produce(struct kt_cluster *c, int64_t from, int64_t to, int64_t base_ms)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, "acks",
	    "all", "message.timeout.ms", "30000", NULL);

	for (int64_t i = from; i < to; i++)
		kt_produce(rk, "t", (int)(i % 4), i, base_ms);
	kt_flush(rk, LIMIT_MS);
	KT_EQ(kt_acks_of(rk)->acked, to - from);
	kt_client_free(&rk);
}

static void
story(struct kt_cluster *c, struct kt_proxy *proxy)
{
	struct kt_zk *zk = kt_zk_open(c);
	int64_t base_ms = (int64_t)time(NULL) * 1000, before;
	rd_kafka_t *rk;
	int epoch;

	kt_broker_start(c, 0);
	kt_broker_start(c, 1);
	KT_EQ(controller(zk, &epoch), 0);
	KT_EQ(epoch, 1);
	rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	KT_EQ(kt_create_topic(rk, "t", 4, NULL, NULL), 0);
	kt_client_free(&rk);
	produce(c, 0, 100, base_ms);
	kt_step("two brokers, the first is the controller");

	before = broker_epoch(zk, 0);
	KT_CHECK(before > 0);
	kt_proxy_freeze(proxy);
	KT_UNTIL(LIMIT_MS, broker_epoch(zk, 0) == -1);
	KT_UNTIL(LIMIT_MS, controller(zk, &epoch) == 1);
	KT_EQ(epoch, 2);
	kt_step("the second took over");

	kt_proxy_thaw(proxy);
	KT_UNTIL(LIMIT_MS, broker_epoch(zk, 0) > before);
	KT_EQ(controller(zk, &epoch), 1);
	KT_EQ(epoch, 2);
	kt_broker_ready(c, 0);
	KT_UNTIL(LIMIT_MS, kt_broker_logged(c, 0, "Resigned"));
	produce(c, 100, 200, base_ms);
	kt_step("the first is back and serves");

	kt_cluster_zk_kill(c);
	kt_nap_ms(500);
	kt_cluster_zk_start(c);
	kt_zk_close(&zk);
	zk = kt_zk_open(c);
	KT_UNTIL(LIMIT_MS, controller(zk, &epoch) == 1);
	kt_nap_ms(1000);
	KT_EQ(controller(zk, &epoch), 1);
	KT_EQ(epoch, 2);
	produce(c, 200, 300, base_ms);
	rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	KT_EQ(kt_create_topic(rk, "u", 2, NULL, NULL), 0);
	kt_client_free(&rk);
	kt_step("ZooKeeper came back, all went on");

	kt_broker_term(c, 1);
	KT_UNTIL(LIMIT_MS, controller(zk, &epoch) == 0);
	KT_EQ(epoch, 3);
	kt_broker_term(c, 0);
	KT_EQ(controller(zk, &epoch), -1);
	kt_zk_close(&zk);
}

int
main(int argc, char **argv)
{
	struct kt_cluster *c;
	struct kt_proxy proxy = { 0 };
	char text[128];

	kt_proxy_main(argc, argv);
	c = kt_cluster_prepare(2, NULL);
	kt_proxy_start(&proxy, c->zk_port, NULL);
	snprintf(text, sizeof text, "zookeeper.connect=127.0.0.1:%d%s\n",
	    proxy.port, c->chroot);
	kt_broker_configure(c, 0, text);
	story(c, &proxy);
	kt_proxy_stop(&proxy);
	kt_cluster_stop(&c);
	return 0;
}
