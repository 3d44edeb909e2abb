/*
 * g01 -- consumer groups with librdkafka.
 *
 * Members share a topic's partitions, and each message is read by one of them;
 * commits are found again after kill -9, and a group whose members live goes
 * on in its generation; a member that falls silent is taken out; a static
 * member comes back to what it had; cooperative members keep what they need
 * not give up.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/client.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define TOPIC "shared"
#define PARTS 6
#define LIMIT_MS 30000

static struct kt_cluster *c;
static int rebalances; /* callbacks with an assignment */

static void
rebalanced(rd_kafka_t *rk, rd_kafka_resp_err_t err,
    rd_kafka_topic_partition_list_t *list, void *arg)
{
	bool cooperative =
	    strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0;
	bool assign = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;

	(void)arg;
	rebalances += assign;
	if (!cooperative)
		rd_kafka_assign(rk, assign ? list : NULL);
	else if (assign)
		rd_kafka_error_destroy(rd_kafka_incremental_assign(rk, list));
	else
		rd_kafka_error_destroy(rd_kafka_incremental_unassign(rk, list));
}

/* A member; instance NULL: dynamic. */
static rd_kafka_t *
member(const char *group, const char *instance, const char *strategy)
{
	rd_kafka_topic_partition_list_t *topics =
	    rd_kafka_topic_partition_list_new(1);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	const char *v[] = { "bootstrap.servers", kt_bootstrap(c, KT_PLAIN),
		"group.id", group, "partition.assignment.strategy", strategy,
		"auto.offset.reset", "earliest", "enable.auto.commit", "false",
		"session.timeout.ms", "6000", "heartbeat.interval.ms", "200",
		"fetch.wait.max.ms", "50", "reconnect.backoff.max.ms", "200",
		instance != NULL ? "group.instance.id" : NULL, instance };
	char err[256];
	rd_kafka_t *rk;

	for (size_t i = 0; i < sizeof v / sizeof v[0] && v[i] != NULL; i += 2)
		KT_CHECKF(rd_kafka_conf_set(conf, v[i], v[i + 1], err,
			      sizeof err) == RD_KAFKA_CONF_OK,
		    "%s", err);
	rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, err, sizeof err);
	KT_CHECKF(rk != NULL, "%s", err);
	rd_kafka_poll_set_consumer(rk);
	rd_kafka_topic_partition_list_add(topics, TOPIC, -1);
	KT_EQ(rd_kafka_subscribe(rk, topics), 0);
	rd_kafka_topic_partition_list_destroy(topics);
	return rk;
}

static int
assigned(rd_kafka_t *rk)
{
	rd_kafka_topic_partition_list_t *list;
	int n;

	KT_EQ(rd_kafka_assignment(rk, &list), 0);
	n = list->cnt;
	rd_kafka_topic_partition_list_destroy(list);
	return n;
}

/* Take what has come, at most for ms; how many messages. */
static int
poll_for(rd_kafka_t *rk, int ms)
{
	rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, ms);
	int n = m != NULL && m->err == RD_KAFKA_RESP_ERR_NO_ERROR;

	if (m != NULL)
		rd_kafka_message_destroy(m);
	return n;
}

/* Poll all of them until each has as many partitions as wanted. */
static void
settle(rd_kafka_t **v, const int *want, int n)
{
	int64_t end = kt_now_ms() + LIMIT_MS;
	int right = 0;

	while (right < n) {
		right = 0;
		for (int i = 0; i < n; i++) {
			(void)poll_for(v[i], 20);
			right += assigned(v[i]) == want[i];
		}
		KT_CHECKF(kt_now_ms() < end, "%d of %d members have %d...",
		    right, n, want[0]);
	}
}

static void
produce(int from, int to)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);

	for (int i = from; i < to; i++)
		kt_produce(rk, TOPIC, i % PARTS, i, 1700000000000);
	kt_flush(rk, 60000);
	kt_client_free(&rk);
}

/* All of them together read just n messages. */
static void
read_all(rd_kafka_t **v, int members, int n)
{
	int64_t end = kt_now_ms() + LIMIT_MS;
	int got = 0;

	while (got < n && kt_now_ms() < end)
		for (int i = 0; i < members; i++)
			got += poll_for(v[i], 10);
	for (int i = 0; i < members; i++)
		got += poll_for(v[i], 200);
	KT_EQ(got, n);
}

static void
commit(rd_kafka_t *rk)
{
	rd_kafka_resp_err_t err = rd_kafka_commit(rk, NULL, 0);

	KT_CHECKF(err == 0, "%s", rd_kafka_err2str(err));
}

static void
leave(rd_kafka_t **rkp)
{
	rd_kafka_consumer_close(*rkp);
	rd_kafka_destroy(*rkp);
	*rkp = NULL;
}

/* --- the stories ------------------------------------------------------------
 */

static void
sharing(void)
{
	rd_kafka_t *v[3];

	v[0] = member("share", NULL, "range");
	settle(v, (int[]){ PARTS }, 1);
	v[1] = member("share", NULL, "range");
	settle(v, (int[]){ PARTS / 2, PARTS / 2 }, 2);
	v[2] = member("share", NULL, "range");
	settle(v, (int[]){ 2, 2, 2 }, 3);
	kt_step("three members have two partitions each");
	leave(&v[2]);
	settle(v, (int[]){ 3, 3 }, 2);
	leave(&v[1]);
	settle(v, (int[]){ PARTS }, 1);
	leave(&v[0]);
	kt_step("who leaves is replaced at once");
}

/* kill -9 of the broker under a group that reads. */
static void
crash(void)
{
	rd_kafka_t *v[2];
	int before;

	v[0] = member("crash", NULL, "roundrobin");
	v[1] = member("crash", NULL, "roundrobin");
	settle(v, (int[]){ 3, 3 }, 2);
	read_all(v, 2, 600);
	commit(v[0]);
	commit(v[1]);
	before = rebalances;
	kt_broker_kill(c, 0);
	kt_broker_start(c, 0);
	produce(600, 900);
	read_all(v, 2, 300);
	KT_EQ(rebalances, before);
	kt_step("after kill -9 the members go on in their generation");
	/* Not committed: whoever comes next reads it again. */
	leave(&v[0]);
	leave(&v[1]);
	kt_broker_kill(c, 0);
	kt_broker_start(c, 0);
	v[0] = member("crash", NULL, "roundrobin");
	read_all(v, 1, 300);
	commit(v[0]);
	leave(&v[0]);
	v[0] = member("crash", NULL, "roundrobin");
	settle(v, (int[]){ PARTS }, 1);
	read_all(v, 1, 0);
	leave(&v[0]);
	kt_step("commits are found again, and nothing else is read");
}

/* A member by hand, which joins and then never speaks again. */
static int
silent_member(const char *group)
{
	/* Version 0, no user data: topic list of one. */
	static const char subscription[] =
	    "\0\0\0\0\0\1\0\6shared\xff\xff\xff\xff";
	int fd = kt_connect(c->b[0].port[KT_PLAIN]);
	struct kt_bytes b;

	KT_CHECK(fd >= 0);
	kt_bytes_init(&b);
	kt_put_str(&b, group);
	kt_put_i32(&b, 6000);
	kt_put_str(&b, "");
	kt_put_str(&b, "consumer");
	kt_put_i32(&b, 1);
	kt_put_str(&b, "range");
	kt_put_i32(&b, sizeof subscription - 1);
	kt_put(&b, subscription, sizeof subscription - 1);
	kt_send_request(fd, 11, 0, 1, &b);
	kt_bytes_free(&b);
	return fd;
}

static void
silence(void)
{
	rd_kafka_t *v[1] = { member("silent", NULL, "range") };
	int fd;

	settle(v, (int[]){ PARTS }, 1);
	fd = silent_member("silent");
	/* The group rebalances with it, and half is the silent one's. */
	settle(v, (int[]){ PARTS / 2 }, 1);
	close(fd);
	settle(v, (int[]){ PARTS }, 1);
	leave(&v[0]);
	kt_step("a member that is gone without goodbye loses its partitions");
}

static void
statics(void)
{
	rd_kafka_t *v[2], *again;
	int before;

	v[0] = member("static", "one", "range");
	v[1] = member("static", "two", "range");
	settle(v, (int[]){ 3, 3 }, 2);
	leave(&v[1]); /* a static member does not say that it leaves */
	before = rebalances;
	v[1] = member("static", "two", "range");
	settle(v, (int[]){ 3, 3 }, 2);
	KT_EQ(rebalances, before + 1); /* its own */
	kt_step("a static member comes back without a rebalance");
	again = member("static", "two", "range");
	KT_UNTIL(LIMIT_MS,
	    ((void)poll_for(again, 20), (void)poll_for(v[0], 20),
		(void)poll_for(v[1], 20),
		rd_kafka_fatal_error(v[1], NULL, 0) ==
		    RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID));
	kt_step("of two with one instance id the older one is fenced");
	leave(&again);
	leave(&v[1]);
	leave(&v[0]);
}

static void
cooperative(void)
{
	rd_kafka_t *v[2];

	v[0] = member("coop", NULL, "cooperative-sticky");
	settle(v, (int[]){ PARTS }, 1);
	v[1] = member("coop", NULL, "cooperative-sticky");
	settle(v, (int[]){ 3, 3 }, 2);
	leave(&v[1]);
	settle(v, (int[]){ PARTS }, 1);
	leave(&v[0]);
	kt_step("cooperative members share and take over");
}

int
main(void)
{
	rd_kafka_t *rk;

	c = kt_cluster_start(1, "group.initial.rebalance.delay.ms=100\n");
	rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	KT_EQ(kt_create_topic(rk, TOPIC, PARTS, NULL, NULL), 0);
	KT_UNTIL(10000, kt_topic_partitions(rk, TOPIC) == PARTS);
	kt_client_free(&rk);
	produce(0, 600);
	sharing();
	crash();
	silence();
	statics();
	cooperative();
	kt_cluster_stop(&c);
	return 0;
}
