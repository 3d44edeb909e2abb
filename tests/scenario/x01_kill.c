/*
 * x01 -- kill -9 under load loses nothing that was acknowledged.
 *
 * An idempotent producer with acks=all writes without a pause while the
 * broker is killed and started again.  Afterwards every acknowledged message
 * is there, once, and in order.
 *
 * The broker is started at once, so the ZooKeeper session of the killed one
 * still lives; it waits for its end.  (Kafka exits instead: there the test
 * starts it until it stays.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/client.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"

#define KILLS 3
#define PARTITIONS 2
#define MESSAGES_MAX 4000000 /* the load stops here */
#define LOAD_MS 700 /* of load before each kill */

struct check {
	const unsigned char *state; /* of each message; see kt_acks */
	unsigned char *seen;
	int64_t last; /* number of the message before */
	int64_t lost;
};

static void
seen(const rd_kafka_message_t *m, void *arg)
{
	struct check *ck = arg;
	int64_t i = kt_message_number(m);

	KT_CHECK(i >= 0 && i < MESSAGES_MAX);
	KT_CHECKF(!ck->seen[i], "message %lld is there twice", (long long)i);
	ck->seen[i] = 1;
	KT_CHECKF(i > ck->last, "message %lld comes after %lld", (long long)i,
	    (long long)ck->last);
	ck->last = i;
}

/* Message i goes to partition i % PARTITIONS; the next number is returned. */
static int64_t
load(rd_kafka_t *rk, int64_t i, int64_t base_ms)
{
	int64_t end_ms = kt_now_ms() + LOAD_MS;
	int64_t acked = kt_acks_of(rk)->acked;

	/* The time counts from the first acknowledgement on. */
	while (kt_now_ms() < end_ms && i < MESSAGES_MAX) {
		kt_produce(rk, "load", (int)(i % PARTITIONS), i, base_ms);
		i++;
		if (kt_acks_of(rk)->acked == acked) {
			end_ms = kt_now_ms() + LOAD_MS;
			KT_CHECK(i < MESSAGES_MAX);
			if (rd_kafka_outq_len(rk) > 20000)
				rd_kafka_poll(rk, 20);
		}
	}
	return i;
}

static void
start_again(struct kt_cluster *c)
{
	int64_t end_ms = kt_now_ms() + 60000;
	int status = 0;

	kt_broker_spawn(c, 0);
	if (!c->peer)
		return;
	/* Kafka gives up while its predecessor's session lives. */
	while (!kt_can_connect(c->b[0].port[KT_SSL]) ||
	    !kt_can_connect(c->b[0].port[KT_PLAIN])) {
		KT_CHECK(kt_now_ms() < end_ms);
		if (kt_ended(c->b[0].pid, &status)) {
			c->b[0].pid = 0;
			kt_broker_spawn(c, 0);
		}
		kt_nap_ms(50);
	}
}

static void
verify(const struct kt_cluster *c, const struct kt_acks *acks, int64_t n)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_CONSUMER, KT_PLAIN, NULL);
	struct check ck = { .state = acks->state };
	int64_t total = 0;
	int64_t lost = 0;
	int64_t i;
	int p;

	ck.seen = calloc(1, MESSAGES_MAX);
	KT_CHECK(ck.seen != NULL);
	for (p = 0; p < PARTITIONS; p++) {
		ck.last = -1;
		total += kt_consume_all(rk, "load", p, seen, &ck);
	}
	for (i = 0; i < n; i++)
		lost += acks->state[i] == 1 && !ck.seen[i];
	KT_CHECKF(
	    lost == 0, "%lld acknowledged messages are lost", (long long)lost);
	kt_step("%lld sent, %lld acknowledged, %lld there, none lost or twice",
	    (long long)n, (long long)acks->acked, (long long)total);
	free(ck.seen);
	kt_client_free(&rk);
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_start(
	    1, "log.segment.bytes=1048576\nnum.partitions=2\n");
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN,
	    "enable.idempotence", "true", "acks", "all", "delivery.timeout.ms",
	    "120000", "queue.buffering.max.messages", "30000", NULL);
	struct kt_acks *acks = kt_acks_of(rk);
	int64_t base_ms = (int64_t)time(NULL) * 1000 - 60000;
	int64_t n = 0;
	int k;

	acks->state = calloc(1, MESSAGES_MAX);
	acks->state_max = MESSAGES_MAX;
	KT_CHECK(acks->state != NULL);
	KT_EQ(kt_create_topic(rk, "load", PARTITIONS, NULL, NULL), 0);
	for (k = 0; k < KILLS; k++) {
		n = load(rk, n, base_ms);
		kt_broker_kill(c, 0);
		kt_step("killed after %lld acknowledgements",
		    (long long)acks->acked);
		start_again(c);
		kt_broker_ready(c, 0);
		kt_step("ready again");
	}
	n = load(rk, n, base_ms);
	kt_flush(rk, 120000);
	KT_EQ(acks->failed, 0);
	verify(c, acks, n);
	free(acks->state);
	acks->state = NULL;
	kt_client_free(&rk);
	kt_cluster_stop(&c);
	return 0;
}
