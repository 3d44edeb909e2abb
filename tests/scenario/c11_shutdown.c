/*
 * c11 -- controlled shutdown: a broker that is told to stop leads nothing any
 * more when it ends, the controller included; who leads what nobody else has
 * goes on after its retries.
 */
#include <stdio.h>

#include "tests/lib/client.h"
#include "tests/lib/ctl.h"
#include "tests/lib/test.h"

#define LIMIT_MS 30000
#define PARTS 6

static void
check_left(struct kt_zk *zk, int id, const int *before)
{
	struct kt_state st;

	for (int i = 0; i < PARTS; i++) {
		KT_CHECK(kt_state_get(zk, "t", i, &st));
		KT_CHECK(st.leader >= 0 && st.leader != id);
		KT_CHECK(!kt_ids_has(&st.isr, id));
		/* Once, and not again when its registration went. */
		KT_EQ(st.leader_epoch, before[i] + 1);
	}
}

static void
note(struct kt_zk *zk, int *epochs)
{
	struct kt_state st;

	for (int i = 0; i < PARTS; i++) {
		KT_CHECK(kt_state_get(zk, "t", i, &st));
		epochs[i] = st.leader_epoch;
	}
}

static void
story(struct kt_cluster *c)
{
	struct kt_zk *zk = kt_zk_open(c);
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	int epochs[PARTS], epoch;
	int64_t start;

	KT_EQ(kt_create_assigned(rk, "t", PARTS, 3, 3), 0);
	/* One replica only: never moved, and nothing that holds a stop up. */
	KT_EQ(kt_create_assigned(rk, "single", 3, 1, 3), 0);
	note(zk, epochs);
	start = kt_now_ms();
	kt_broker_term(c, 2);
	KT_CHECK(kt_now_ms() - start < 5000);
	KT_CHECK(kt_broker_logged(c, 2, "Controlled shutdown succeeded"));
	check_left(zk, 2, epochs);
	kt_step("broker 2 left before it ended");

	kt_broker_start(c, 2);
	for (int i = 0; i < PARTS; i++)
		kt_join_isr(c, zk, "t", i, 2);
	note(zk, epochs);
	KT_EQ(kt_controller(zk, NULL), 0);
	kt_broker_term(c, 0);
	KT_CHECK(kt_broker_logged(c, 0, "Controlled shutdown succeeded"));
	check_left(zk, 0, epochs);
	KT_UNTIL(LIMIT_MS, kt_controller(zk, &epoch) > 0);
	KT_EQ(epoch, 2);
	kt_step("the controller relieved itself");

	kt_broker_term(c, 1);
	KT_CHECK(kt_broker_logged(c, 1, "Controlled shutdown succeeded"));
	for (int i = 0; i < PARTS; i++)
		KT_UNTIL(LIMIT_MS, kt_leader(zk, "t", i) == 2);
	start = kt_now_ms();
	kt_broker_term(c, 2);
	KT_CHECK(kt_now_ms() - start < 10000);
	KT_CHECK(kt_broker_logged(
	    c, 2, "Proceeding to do an unclean shutdown as all"));
	kt_step("the last one ended after its retries");
	kt_client_free(&rk);
	kt_zk_close(&zk);
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_prepare(3,
	    "auto.leader.rebalance.enable=false\n"
	    "controlled.shutdown.retry.backoff.ms=500\n");

	for (int i = 0; i < 3; i++) /* the first is the controller */
		kt_broker_start(c, i);
	story(c);
	kt_cluster_stop(&c);
	return 0;
}
