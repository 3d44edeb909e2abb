/*
 * b08 -- CreateTopics, DeleteTopics and InitProducerId as no library sends
 * them: no time to wait, six at once, ZooKeeper that stands still, a broker
 * that stops while a client waits, and three blocks of producer ids.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tests/lib/wire.h"
#include "tests/lib/zk.h"

#define API_CREATE 19
#define API_DELETE 20
#define API_INIT_PID 22

#define NONE 0
#define REQUEST_TIMED_OUT 7
#define INVALID_TOPIC 17
#define TOPIC_ALREADY_EXISTS 36

#define REPLY_MS 20000
#define CLIENTS 6
#define IDS 2500 /* of three blocks */

static struct kt_cluster *c;
static struct kt_bytes b;

static int
open_plain(void)
{
	int fd = kt_connect(c->b[0].port[KT_PLAIN]);

	KT_CHECKF(fd >= 0, "the broker takes no connection");
	return fd;
}

static void
put_create(const char *topic, int broker, const char *retention, int timeout)
{
	b.len = 0;
	kt_put_i32(&b, 1);
	kt_put_str(&b, topic);
	kt_put_i32(&b, -1);
	kt_put_i16(&b, -1);
	kt_put_i32(&b, 1); /* one partition, of this broker */
	kt_put_i32(&b, 0);
	kt_put_i32(&b, 1);
	kt_put_i32(&b, broker);
	kt_put_i32(&b, 1);
	kt_put_str(&b, "retention.ms");
	kt_put_str(&b, retention);
	kt_put_i32(&b, timeout);
	kt_put_i8(&b, 0);
}

static void
send_create(
    int fd, const char *topic, int broker, const char *retention, int timeout)
{
	put_create(topic, broker, retention, timeout);
	kt_send_request(fd, API_CREATE, 4, 1, &b);
}

/* The code in an answer about one topic, of both APIs. */
static int
receive_code(int fd)
{
	char name[300];

	KT_EQ(kt_receive(fd, REPLY_MS, &b), KT_ANSWER);
	KT_EQ(kt_get_i32(&b), 1);
	KT_EQ(kt_get_i32(&b), 0);
	KT_EQ(kt_get_i32(&b), 1);
	kt_get_str(&b, name, sizeof name);
	return kt_get_i16(&b);
}

static int
create(const char *topic, int timeout)
{
	int fd = open_plain(), code;

	send_create(fd, topic, 0, "1000000", timeout);
	code = receive_code(fd);
	close(fd);
	return code;
}

static int delete (const char *topic, int timeout)
{
	int fd = open_plain(), code;

	b.len = 0;
	kt_put_i32(&b, 1);
	kt_put_str(&b, topic);
	kt_put_i32(&b, timeout);
	kt_send_request(fd, API_DELETE, 3, 1, &b);
	code = receive_code(fd);
	close(fd);
	return code;
}

static void
no_time(struct kt_zk *zk)
{
	KT_EQ(create("soon", 0), REQUEST_TIMED_OUT);
	KT_CHECK(kt_zk_exists(zk, "/brokers/topics/soon"));
	KT_EQ(create("soon", -1), TOPIC_ALREADY_EXISTS);
	KT_EQ(create("soon_er", 5000), NONE);
	KT_EQ(create("soon.er", 5000), INVALID_TOPIC);
	KT_UNTIL(5000, delete ("soon", -1) == REQUEST_TIMED_OUT);
	KT_UNTIL(5000, !kt_zk_exists(zk, "/brokers/topics/soon"));
	KT_UNTIL(5000, !kt_zk_exists(zk, "/admin/delete_topics/soon"));
	KT_EQ(delete ("soon_er", 5000), NONE);
	kt_step("without a timeout the work is done and the answer is 7");
}

/* The settings in ZooKeeper are those of the one that was told NONE. */
static void
at_once(struct kt_zk *zk)
{
	struct kt_znode node;
	char value[CLIENTS][16], want[40];
	int fd[CLIENTS], made = -1;

	for (int i = 0; i < CLIENTS; i++) {
		fd[i] = open_plain();
		snprintf(value[i], sizeof value[i], "%d", 1000 + i);
	}
	for (int i = 0; i < CLIENTS; i++)
		send_create(fd[i], "race", 0, value[i], 10000);
	for (int i = 0; i < CLIENTS; i++) {
		int code = receive_code(fd[i]);

		if (code == NONE) {
			KT_CHECKF(made < 0, "made twice");
			made = i;
		} else {
			KT_EQ(code, TOPIC_ALREADY_EXISTS);
		}
		close(fd[i]);
	}
	KT_CHECKF(made >= 0, "made by nobody");
	KT_CHECK(kt_zk_get(zk, "/config/topics/race", &node));
	snprintf(want, sizeof want, "\"%s\"", value[made]);
	KT_CHECKF(strstr(node.data, want) != NULL, "%s", node.data);
	kt_znode_free(&node);
	kt_step("of six at once one makes the topic, with its settings");
}

static void
zookeeper_stands(void)
{
	int fd = open_plain();

	kill(c->zk_pid, SIGSTOP);
	send_create(fd, "slow", 0, "1", 10000);
	kt_nap_ms(2000);
	kill(c->zk_pid, SIGCONT);
	KT_EQ(receive_code(fd), NONE);
	close(fd);
	kt_cluster_zk_kill(c);
	fd = open_plain();
	send_create(fd, "slower", 0, "1", 10000);
	kt_nap_ms(500);
	kt_cluster_zk_start(c);
	KT_EQ(receive_code(fd), NONE);
	close(fd);
	kt_step("a creation waits for a ZooKeeper that stands or restarts");
}

static int
by_value(const void *a, const void *b2)
{
	const int64_t *x = a, *y = b2;

	return (*x > *y) - (*x < *y);
}

static void
producer_ids(void)
{
	static int64_t ids[IDS];
	int fd[CLIENTS];

	for (int i = 0; i < CLIENTS; i++)
		fd[i] = open_plain();
	for (int i = 0; i < IDS; i += CLIENTS) {
		int n = IDS - i < CLIENTS ? IDS - i : CLIENTS;

		for (int j = 0; j < n; j++) {
			b.len = 0;
			kt_put_str(&b, NULL);
			kt_put_i32(&b, 60000);
			kt_send_request(fd[j], API_INIT_PID, 0, 1, &b);
		}
		for (int j = 0; j < n; j++) {
			KT_EQ(kt_receive(fd[j], REPLY_MS, &b), KT_ANSWER);
			KT_EQ(kt_get_i32(&b), 1);
			KT_EQ(kt_get_i32(&b), 0);
			KT_EQ(kt_get_i16(&b), NONE);
			ids[i + j] = kt_get_i64(&b);
			KT_EQ(kt_get_i16(&b), 0);
		}
	}
	for (int i = 0; i < CLIENTS; i++)
		close(fd[i]);
	qsort(ids, IDS, sizeof *ids, by_value);
	for (int i = 1; i < IDS; i++)
		KT_CHECKF(ids[i] != ids[i - 1], "id %lld was given twice",
		    (long long)ids[i]);
	KT_EQ(ids[IDS - 1] - ids[0], IDS - 1); /* and none is left out */
	kt_step("%d producer ids, each once", IDS);
}

static void
stops_while_waiting(void)
{
	int fd = open_plain();
	int64_t start;

	send_create(fd, "never", 77, "1", 60000); /* nobody is broker 77 */
	KT_EQ(kt_receive(fd, 1000, &b), KT_SILENT);
	start = kt_now_ms();
	kt_broker_term(c, 0);
	KT_CHECKF(kt_now_ms() - start < 10000, "the broker waited for it");
	close(fd);
	kt_broker_start(c, 0);
	kt_step("a broker stops though a client waits for a topic");
}

int
main(void)
{
	struct kt_zk *zk;

	kt_bytes_init(&b);
	c = kt_cluster_start(1, NULL);
	zk = kt_zk_open(c);
	no_time(zk);
	at_once(zk);
	producer_ids();
	kt_zk_close(&zk);
	zookeeper_stands();
	stops_while_waiting();
	kt_cluster_stop(&c);
	kt_bytes_free(&b);
	return 0;
}
