/*
 * b03 -- SIGTERM and a start keep everything: records, topics, identity.
 *
 * The clean shutdown marker and the checkpoints are there while the broker
 * is down, and the marker is gone once it runs.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/client.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"

#define MESSAGES 3000
#define ROUNDS 3

static const char *const left[] = { ".kafka_cleanshutdown", "meta.properties",
	"recovery-point-offset-checkpoint", "replication-offset-checkpoint",
	"log-start-offset-checkpoint", "kept-0/partition.metadata",
	"kept-0/leader-epoch-checkpoint", "kept-0/00000000000000000000.log",
	"kept-0/00000000000000000000.index",
	"kept-0/00000000000000000000.timeindex" };

static char *
cluster_id(const struct kt_cluster *c)
{
	char *text = kt_read_file(kt_data_path(c, 0, "meta.properties"));
	char *at = strstr(text, "cluster.id=");
	char *id;

	KT_CHECKF(at != NULL, "meta.properties: %s", text);
	id = strndup(at, strcspn(at, "\n"));
	free(text);
	return id;
}

static void
produce(const struct kt_cluster *c, int64_t from, int64_t to, int64_t base_ms)
{
	rd_kafka_t *rk = kt_client(
	    c, RD_KAFKA_PRODUCER, KT_PLAIN, "enable.idempotence", "true", NULL);
	int64_t i;

	for (i = from; i < to; i++)
		kt_produce(rk, "kept", 0, i, base_ms);
	kt_flush(rk, 60000);
	KT_EQ(kt_acks_of(rk)->acked, to - from);
	kt_client_free(&rk);
}

static void
consume(const struct kt_cluster *c, int64_t to, int64_t base_ms)
{
	rd_kafka_t *rk = kt_client(c, RD_KAFKA_CONSUMER, KT_SSL, NULL);

	kt_consume_same(rk, "kept", 0, 0, to, base_ms);
	kt_client_free(&rk);
}

/* Snapshot of the producer, so that its next sequence is known. */
static bool
has_snapshot(const struct kt_cluster *c, int64_t offset)
{
	char name[64];

	snprintf(
	    name, sizeof name, "kept-0/%020lld.snapshot", (long long)offset);
	return access(kt_data_path(c, 0, name), F_OK) == 0;
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_start(1, "num.partitions=1\n");
	int64_t base_ms = (int64_t)time(NULL) * 1000 - 60000;
	char *id = NULL;
	int64_t n = 0;
	size_t i;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		produce(c, n, n + MESSAGES, base_ms);
		n += MESSAGES;
		kt_broker_term(c, 0);
		for (i = 0; i < sizeof left / sizeof *left; i++)
			KT_CHECKF(
			    access(kt_data_path(c, 0, left[i]), F_OK) == 0,
			    "%s is missing after a clean stop", left[i]);
		KT_CHECK(has_snapshot(c, n));
		char *now = cluster_id(c);
		KT_CHECK(id == NULL || strcmp(id, now) == 0);
		free(id);
		id = now;
		kt_broker_start(c, 0);
		KT_CHECK(access(kt_data_path(c, 0, left[0]), F_OK) != 0);
		consume(c, n, base_ms);
		kt_step("round %d: all %lld messages are there", round + 1,
		    (long long)n);
	}
	free(id);
	kt_cluster_stop(&c);
	return 0;
}
