/*
 * c10 -- brokers die, one of them the controller.
 *
 * Three brokers, every partition on all three.  A broker that is killed leads
 * nothing and is in no ISR; when the controller is killed, another one does
 * what it would have done; a broker that comes back under the same id, but
 * with an empty life, is not taken for what it was (KIP-903).
 */
#include <stdio.h>

#include "tests/lib/client.h"
#include "tests/lib/ctl.h"
#include "tests/lib/test.h"

#define LIMIT_MS 30000
#define PARTS 6

static bool
none_has(struct kt_zk *zk, int id)
{
	struct kt_state st;

	for (int i = 0; i < PARTS; i++) {
		KT_CHECK(kt_state_get(zk, "t", i, &st));
		if (st.leader < 0 || st.leader == id || kt_ids_has(&st.isr, id))
			return false;
	}
	return true;
}

/* All states were written by the controller of this epoch, or before. */
static void
check_states(struct kt_zk *zk, const int *before, int epoch)
{
	struct kt_state st;

	for (int i = 0; i < PARTS; i++) {
		KT_CHECK(kt_state_get(zk, "t", i, &st));
		KT_CHECK(st.leader_epoch > before[i]);
		KT_CHECK(st.controller_epoch <= epoch);
		KT_CHECK(kt_ids_has(&st.isr, st.leader));
	}
}

static void
note_epochs(struct kt_zk *zk, int *epochs)
{
	struct kt_state st;

	for (int i = 0; i < PARTS; i++) {
		KT_CHECK(kt_state_get(zk, "t", i, &st));
		epochs[i] = st.leader_epoch;
	}
}

/* The returned broker's old epoch does not bring it back into an ISR. */
static void
check_epoch_matters(struct kt_cluster *c, struct kt_zk *zk, int64_t old)
{
	struct kt_state st;
	int64_t epochs[KT_IDS_MAX];
	int err;

	KT_CHECK(kt_state_get(zk, "t", 0, &st));
	if (kt_ids_has(&st.isr, 2))
		return; /* its fetches were quicker */
	for (int i = 0; i < st.isr.n; i++)
		epochs[i] = kt_broker_epoch(zk, st.isr.v[i]);
	epochs[st.isr.n] = old;
	st.isr.v[st.isr.n++] = 2;
	/* Its own fetches may have been quicker all the same: then it is in. */
	err = kt_alter_partition(c, zk, st.leader, "t", 0, &st.isr, epochs);
	KT_CHECK(err == 107 || (err == 0 && kt_in_isr(zk, "t", 0, 2)));
}

static void
story(struct kt_cluster *c)
{
	struct kt_zk *zk = kt_zk_open(c);
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	int first = kt_controller(zk, NULL), epochs[PARTS], epoch, now;
	int64_t old;

	KT_EQ(first, 0);
	KT_EQ(kt_create_assigned(rk, "t", PARTS, 3, 3), 0);
	for (int i = 0; i < PARTS; i++)
		KT_EQ(kt_leader(zk, "t", i), i % 3);
	note_epochs(zk, epochs);
	old = kt_broker_epoch(zk, 2);
	kt_broker_kill(c, 2);
	KT_UNTIL(LIMIT_MS, none_has(zk, 2));
	check_states(zk, epochs, 1);
	kt_step("broker 2 is dead and leads nothing");

	kt_broker_start(c, 2);
	check_epoch_matters(c, zk, old);
	for (int i = 0; i < PARTS; i++)
		kt_join_isr(c, zk, "t", i, 2);
	kt_step("broker 2 is back in every ISR");

	note_epochs(zk, epochs);
	kt_broker_kill(c, 0);
	KT_UNTIL(LIMIT_MS, (now = kt_controller(zk, &epoch)) > 0);
	KT_EQ(epoch, 2);
	KT_UNTIL(LIMIT_MS, none_has(zk, 0));
	check_states(zk, epochs, 2);
	kt_step("broker %d is the controller now, broker 0 leads nothing", now);

	kt_client_free(&rk);
	rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);
	KT_EQ(kt_create_topic(rk, "u", 2, NULL, NULL), 0);
	kt_broker_start(c, 0);
	KT_EQ(kt_controller(zk, &epoch), now);
	kt_join_isr(c, zk, "t", 0, 0);
	kt_step("broker 0 is back, a broker like others");
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
