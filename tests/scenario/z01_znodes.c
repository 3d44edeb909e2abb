/*
 * z01 -- znodes are what Kafka writes: paths, data, versions, ACLs, kind,
 * and the order in which they come to be.
 *
 * The table is what a Kafka 3.9.1 broker leaves after its start, the
 * creation of topic t with two partitions, and one idempotent producer.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/lib/client.h"
#include "tests/lib/test.h"
#include "tests/lib/zk.h"

#define ANY "*" /* in a template: any string, or any number for PORT */
#define PORT "-99"

struct want {
	const char *path;
	const char *data; /* JSON template; NULL: null */
	bool ephemeral;
	int version;
};

#define STATE                                                                  \
	"{\"controller_epoch\":1,\"leader\":0,\"version\":1,"                  \
	"\"leader_epoch\":0,\"isr\":[0]}"

/* In the order of creation; those that share a multi stand together. */
static const struct want wanted[] = {
	{ "/consumers", NULL, false, 0 },
	{ "/brokers", NULL, false, 0 },
	{ "/brokers/ids", NULL, false, 0 },
	{ "/brokers/topics", NULL, false, 0 },
	{ "/config", NULL, false, 0 },
	{ "/config/changes", NULL, false, 0 },
	{ "/admin", NULL, false, 0 },
	{ "/admin/delete_topics", NULL, false, 0 },
	{ "/brokers/seqid", NULL, false, 0 },
	{ "/isr_change_notification", NULL, false, 0 },
	{ "/latest_producer_id_block",
	    "{\"version\":1,\"broker\":0,\"block_start\":\"0\","
	    "\"block_end\":\"999\"}",
	    false, 1 },
	{ "/log_dir_event_notification", NULL, false, 0 },
	{ "/config/topics", NULL, false, 0 },
	{ "/config/clients", NULL, false, 0 },
	{ "/config/users", NULL, false, 0 },
	{ "/config/brokers", NULL, false, 0 },
	{ "/config/ips", NULL, false, 0 },
	{ "/cluster", NULL, false, 0 },
	{ "/cluster/id", "{\"version\":\"1\",\"id\":\"" ANY "\"}", false, 0 },
	{ "/brokers/ids/0",
	    "{\"features\":{},\"listener_security_protocol_map\":"
	    "{\"PLAINTEXT\":\"PLAINTEXT\",\"SSL\":\"SSL\"},\"endpoints\":"
	    "[\"" ANY "\",\"" ANY "\"],\"jmx_port\":-1,\"port\":" PORT
	    ",\"host\":\"127.0.0.1\",\"version\":5,\"timestamp\":\"" ANY "\"}",
	    true, 1 },
	{ "/controller_epoch", "1", false, 1 },
	{ "/controller",
	    "{\"version\":2,\"brokerid\":0,\"timestamp\":\"" ANY
	    "\",\"kraftControllerEpoch\":-1}",
	    true, 0 },
	{ "/feature", "{\"features\":{},\"version\":2,\"status\":1}", false,
	    0 },
	{ "/config/topics/t",
	    "{\"version\":1,\"config\":{\"retention.ms\":\"1000000\"}}", false,
	    0 },
	{ "/brokers/topics/t",
	    "{\"partitions\":{\"0\":[0],\"1\":[0]},\"topic_id\":\"" ANY
	    "\",\"adding_replicas\":{},\"removing_replicas\":{},"
	    "\"version\":3}",
	    false, 0 },
	{ "/brokers/topics/t/partitions", NULL, false, 0 },
	{ "/brokers/topics/t/partitions/0", NULL, false, 0 },
	{ "/brokers/topics/t/partitions/1", NULL, false, 0 },
	{ "/brokers/topics/t/partitions/0/state", STATE, false, 0 },
	{ "/brokers/topics/t/partitions/1/state", STATE, false, 0 },
};
#define WANTED (sizeof wanted / sizeof *wanted)

static bool same(const json_t *got, const json_t *want);

static bool
same_object(const json_t *got, const json_t *want)
{
	const char *key;
	json_t *v;

	if (json_object_size(got) != json_object_size(want))
		return false;
	json_object_foreach((json_t *)(uintptr_t)want, key, v)
	{
		if (!same(json_object_get(got, key), v))
			return false;
	}
	return true;
}

/* As json_equal(), but the template's wild values match any of their type. */
static bool
same(const json_t *got, const json_t *want)
{
	size_t i;

	if (got == NULL || json_typeof(got) != json_typeof(want))
		return false;
	if (json_is_string(want) && strcmp(json_string_value(want), ANY) == 0)
		return true;
	if (json_is_integer(want) &&
	    json_integer_value(want) == strtol(PORT, NULL, 10))
		return json_integer_value(got) > 0;
	if (json_is_object(want))
		return same_object(got, want);
	if (!json_is_array(want))
		return json_equal(got, want);
	if (json_array_size(got) != json_array_size(want))
		return false;
	for (i = 0; i < json_array_size(want); i++) {
		if (!same(json_array_get(got, i), json_array_get(want, i)))
			return false;
	}
	return true;
}

static void
check_data(const struct want *w, const char *data)
{
	json_t *want;
	json_t *got;

	if (w->data == NULL) {
		KT_CHECKF(
		    data == NULL, "%s holds \"%s\", not null", w->path, data);
		return;
	}
	KT_CHECKF(data != NULL, "%s holds null", w->path);
	want = json_loads(w->data, JSON_DECODE_ANY, NULL);
	got = json_loads(data, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	KT_CHECK(want != NULL);
	KT_CHECKF(got != NULL && same(got, want),
	    "%s holds\n  %s\nnot like\n  %s", w->path, data, w->data);
	/* Kafka writes no blanks. */
	KT_CHECKF(strpbrk(data, " \n\t") == NULL, "%s: %s", w->path, data);
	json_decref(want);
	json_decref(got);
}

static void
check_all(struct kt_zk *zk)
{
	int64_t before = 0;
	size_t i;

	for (i = 0; i < WANTED; i++) {
		const struct want *w = &wanted[i];
		struct kt_znode node;

		KT_CHECKF(kt_zk_get(zk, w->path, &node), "no %s", w->path);
		check_data(w, node.data);
		KT_CHECKF(node.ephemeral == w->ephemeral, "%s: ephemeral %d",
		    w->path, node.ephemeral);
		KT_CHECKF(node.version == w->version, "%s: version %d, not %d",
		    w->path, node.version, w->version);
		KT_CHECKF(node.open_acl, "%s: not world:anyone:cdrwa", w->path);
		KT_CHECKF(
		    node.czxid >= before, "%s was created too early", w->path);
		before = node.czxid;
		kt_znode_free(&node);
	}
}

static void
expected(const char *path, void *arg)
{
	size_t i;

	(void)arg;
	if (strcmp(path, "/") == 0)
		return;
	for (i = 0; i < WANTED; i++) {
		if (strcmp(path, wanted[i].path) == 0)
			return;
	}
	kt_fail(__FILE__, __LINE__, "%s: Kafka has no such znode", path);
}

/* Kafka fills znodes in after it has become ready. */
static bool
has_data(struct kt_zk *zk, const char *path)
{
	struct kt_znode node;
	bool yes = kt_zk_get(zk, path, &node) && node.data != NULL;

	kt_znode_free(&node);
	return yes;
}

static void
delete_topic(struct kt_zk *zk, rd_kafka_t *rk)
{
	KT_EQ(kt_delete_topic(rk, "t"), 0);
	KT_UNTIL(10000, !kt_zk_exists(zk, "/brokers/topics/t"));
	KT_UNTIL(10000, !kt_zk_exists(zk, "/config/topics/t"));
	KT_UNTIL(10000, kt_zk_child_count(zk, "/admin/delete_topics") == 0);
	kt_step("a deleted topic leaves nothing");
}

static void
restart(struct kt_cluster *c, struct kt_zk *zk)
{
	struct kt_znode node;

	kt_broker_term(c, 0);
	KT_CHECK(!kt_zk_exists(zk, "/brokers/ids/0"));
	KT_CHECK(!kt_zk_exists(zk, "/controller"));
	kt_broker_start(c, 0);
	KT_CHECK(kt_zk_get(zk, "/controller_epoch", &node));
	KT_CHECK(node.data != NULL && strcmp(node.data, "2") == 0);
	KT_EQ(node.version, 2);
	kt_znode_free(&node);
	kt_step("stopped, it is gone at once; started, the epoch is 2");
}

int
main(void)
{
	struct kt_cluster *c = kt_cluster_start(1, NULL);
	rd_kafka_t *rk = kt_client(
	    c, RD_KAFKA_PRODUCER, KT_PLAIN, "enable.idempotence", "true", NULL);
	struct kt_zk *zk = kt_zk_open(c);

	KT_UNTIL(10000, kt_zk_exists(zk, "/feature"));
	KT_EQ(kt_create_topic(rk, "t", 2, "retention.ms", "1000000"), 0);
	kt_produce(rk, "t", 0, 0, (int64_t)time(NULL) * 1000);
	kt_flush(rk, 60000);
	KT_UNTIL(10000, has_data(zk, "/latest_producer_id_block"));
	KT_UNTIL(10000,
	    kt_zk_exists(zk, "/brokers/topics/t/partitions/0/state") &&
		kt_zk_exists(zk, "/brokers/topics/t/partitions/1/state"));
	check_all(zk);
	kt_zk_walk(zk, expected, NULL);
	kt_step("every znode is like Kafka's, and there is no other");

	delete_topic(zk, rk);
	restart(c, zk);
	kt_zk_close(&zk);
	kt_client_free(&rk);
	kt_cluster_stop(&c);
	return 0;
}
