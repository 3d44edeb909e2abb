/*
 * c14 -- a topic is deleted while a replica's broker is away: clients do not
 * see it any more, and it is gone for good when that broker is back.
 */
#include <unistd.h>

#include "tests/lib/client.h"
#include "tests/lib/ctl.h"
#include "tests/lib/test.h"

#define LIMIT_MS 30000

static bool
on_disk(struct kt_cluster *c, int broker, const char *dir)
{
	return access(kt_data_path(c, broker, dir), F_OK) == 0;
}

static void
story(struct kt_cluster *c)
{
	struct kt_zk *zk = kt_zk_open(c);
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_PRODUCER, KT_PLAIN, NULL);

	KT_EQ(kt_create_assigned(rk, "t", 3, 3, 3), 0);
	KT_UNTIL(LIMIT_MS, on_disk(c, 2, "t-0"));
	kt_broker_kill(c, 2);
	KT_UNTIL(LIMIT_MS, !kt_in_isr(zk, "t", 0, 2));
	KT_EQ(kt_delete_topic(rk, "t"), 0);
	KT_UNTIL(LIMIT_MS, !on_disk(c, 0, "t-0") && !on_disk(c, 1, "t-0"));
	kt_nap_ms(500);
	KT_CHECK(kt_zk_exists(zk, "/admin/delete_topics/t"));
	KT_CHECK(kt_zk_exists(zk, "/brokers/topics/t"));
	KT_CHECK(kt_create_assigned(rk, "t", 1, 1, 1) != 0);
	kt_step("deleted where brokers are, waiting for one that is not");

	kt_broker_start(c, 2);
	KT_UNTIL(LIMIT_MS, !kt_zk_exists(zk, "/admin/delete_topics/t"));
	KT_CHECK(!kt_zk_exists(zk, "/brokers/topics/t"));
	KT_CHECK(!kt_zk_exists(zk, "/config/topics/t"));
	KT_UNTIL(LIMIT_MS, !on_disk(c, 2, "t-0"));
	KT_EQ(kt_create_assigned(rk, "t", 1, 3, 3), 0);
	kt_step("gone when it was back, and made anew");
	kt_client_free(&rk);
	kt_zk_close(&zk);
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_prepare(3, NULL);

	for (int i = 0; i < 3; i++) /* the first is the controller */
		kt_broker_start(c, i);
	story(c);
	kt_cluster_stop(&c);
	return 0;
}
