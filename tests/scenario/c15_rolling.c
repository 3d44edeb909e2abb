/*
 * c15 -- a rolling restart under load: each broker, the controller too, is
 * told to stop and started again while an idempotent producer writes with
 * acks=all.  Nothing fails, nothing is lost or there twice.
 */
#include <inttypes.h>
#include <time.h>

#include "tests/lib/client.h"
#include "tests/lib/ctl.h"
#include "tests/lib/test.h"

#define LIMIT_MS 30000
#define PARTS 6
#define BURST 2000

struct seen {
	unsigned char *times;
	int64_t n;
};

static void
count(const rd_kafka_message_t *m, void *arg)
{
	struct seen *s = arg;
	int64_t i = kt_message_number(m);

	KT_CHECK(i >= 0 && i < s->n);
	s->times[i]++;
}

static void
burst(rd_kafka_t *rk, int64_t *next, int64_t base_ms)
{
	for (int i = 0; i < BURST; i++, ++*next)
		kt_produce(rk, "t", (int)(*next % PARTS), *next, base_ms);
}

/* Everybody is in every ISR again. */
static bool
whole(struct kt_zk *zk)
{
	struct kt_state st;

	for (int i = 0; i < PARTS; i++)
		if (!kt_state_get(zk, "t", i, &st) || st.isr.n < 3)
			return false;
	return true;
}

static void
check_all(struct kt_cluster *c, int64_t n)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_CONSUMER, KT_PLAIN, NULL);
	struct seen s = { calloc((size_t)n, 1), n };

	KT_CHECK(s.times != NULL);
	for (int i = 0; i < PARTS; i++)
		kt_consume_all(rk, "t", i, count, &s);
	for (int64_t i = 0; i < n; i++)
		KT_CHECKF(s.times[i] == 1,
		    "message %" PRId64 " is there %d times", i, s.times[i]);
	free(s.times);
	kt_client_free(&rk);
}

static void
story(struct kt_cluster *c)
{
	struct kt_zk *zk = kt_zk_open(c);
	int64_t base_ms = (int64_t)time(NULL) * 1000, next = 0;
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, "acks",
	    "all", "enable.idempotence", "true", NULL);

	KT_EQ(kt_create_assigned(rk, "t", PARTS, 3, 3), 0);
	for (int i = 2; i >= 0; i--) { /* the controller last */
		burst(rk, &next, base_ms);
		kt_broker_term(c, i);
		KT_CHECK(
		    kt_broker_logged(c, i, "Controlled shutdown succeeded"));
		burst(rk, &next, base_ms);
		kt_broker_start(c, i);
		burst(rk, &next, base_ms);
		KT_UNTIL(LIMIT_MS, whole(zk));
		kt_step("broker %d is back in every ISR", i);
	}
	kt_flush(rk, LIMIT_MS);
	KT_EQ(kt_acks_of(rk)->acked, next);
	kt_client_free(&rk);
	check_all(c, next);
	kt_step("%" PRId64 " messages, each there once", next);
	kt_zk_close(&zk);
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_prepare(3, "min.insync.replicas=2\n");

	for (int i = 0; i < 3; i++)
		kt_broker_start(c, i);
	story(c);
	kt_cluster_stop(&c);
	return 0;
}
