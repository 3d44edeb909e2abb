/*
 * z15 -- a broker is told to stop while ZooKeeper does not answer.
 *
 * The connection to ZooKeeper is frozen; clients have asked for topics and
 * for producer ids, which wait for it.  SIGTERM: the broker ends, in good
 * order and not much later, and what it was asked to keep is there when it
 * starts again.  The same for one that is still starting, and for one whose
 * ZooKeeper is not there at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/client.h"
#include "tests/lib/proxy.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define LIMIT_MS 30000
#define CREATE_TOPICS 19
#define INIT_PRODUCER_ID 22

/* CreateTopics v2 of name0..name4, one partition each; not waited for. */
static int
ask_for_topics(int port, const char *name)
{
	struct kt_bytes b;
	char topic[32];
	int fd = kt_connect(port);

	KT_CHECK(fd >= 0);
	kt_bytes_init(&b);
	kt_put_i32(&b, 5);
	for (int i = 0; i < 5; i++) {
		snprintf(topic, sizeof topic, "%s%d", name, i);
		kt_put_str(&b, topic);
		kt_put_i32(&b, 1);
		kt_put_i16(&b, 1);
		kt_put_i32(&b, 0);
		kt_put_i32(&b, 0);
	}
	kt_put_i32(&b, 30000);
	kt_put_i8(&b, 0);
	kt_send_request(fd, CREATE_TOPICS, 2, 1, &b);
	kt_bytes_free(&b);
	return fd;
}

static int
ask_for_an_id(int port)
{
	struct kt_bytes b;
	int fd = kt_connect(port);

	KT_CHECK(fd >= 0);
	kt_bytes_init(&b);
	kt_put_str(&b, NULL);
	kt_put_i32(&b, 60000);
	kt_send_request(fd, INIT_PRODUCER_ID, 0, 1, &b);
	kt_bytes_free(&b);
	return fd;
}

static void
produce(struct kt_cluster *c, int64_t base_ms)
{
	rd_kafka_t *rk =
	    kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, "acks", "all", NULL);

	for (int64_t i = 0; i < 100; i++)
		kt_produce(rk, "t", 0, i, base_ms);
	kt_flush(rk, LIMIT_MS);
	KT_EQ(kt_acks_of(rk)->acked, 100);
	kt_client_free(&rk);
}

static void
story(struct kt_cluster *c, struct kt_proxy *proxy)
{
	int64_t base_ms = (int64_t)time(NULL) * 1000;
	int port = c->b[0].port[KT_PLAIN], fd[4];
	rd_kafka_t *rk;

	kt_broker_start(c, 0);
	produce(c, base_ms);
	kt_proxy_freeze(proxy);
	fd[0] = ask_for_topics(port, "x"); /* the same: they get in the */
	fd[1] = ask_for_topics(port, "x"); /* way of each other */
	fd[2] = ask_for_topics(port, "y");
	fd[3] = ask_for_an_id(port);
	kt_nap_ms(500);
	kt_broker_term(c, 0);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	kt_step("stopped with requests under way");

	kt_broker_spawn(c, 0);
	kt_nap_ms(500);
	kt_broker_term(c, 0);
	kt_step("stopped while it was starting");

	kt_proxy_thaw(proxy);
	kt_broker_start(c, 0);
	rk = kt_client(c, RD_KAFKA_CONSUMER, KT_PLAIN, NULL);
	kt_consume_same(rk, "t", 0, 0, 100, base_ms);
	kt_client_free(&rk);
	kt_step("everything is there");

	kt_cluster_zk_kill(c);
	fd[0] = ask_for_topics(port, "z");
	kt_nap_ms(500);
	kt_broker_term(c, 0);
	close(fd[0]);
	kt_step("stopped with ZooKeeper dead");
}

int
main(int argc, char **argv)
{
	struct kt_cluster *c;
	struct kt_proxy proxy = { 0 };
	char text[128];

	kt_proxy_main(argc, argv);
	c = kt_cluster_prepare(1, NULL);
	kt_proxy_start(&proxy, c->zk_port, NULL);
	snprintf(text, sizeof text, "zookeeper.connect=127.0.0.1:%d%s\n",
	    proxy.port, c->chroot);
	kt_broker_configure(c, 0, text);
	story(c, &proxy);
	kt_proxy_stop(&proxy);
	kt_cluster_stop(&c);
	return 0;
}
