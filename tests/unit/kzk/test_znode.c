#include "kcommon/base/err.h"
#include "kzk/znode/znode.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* One decoder for all: decodes and frees again. */
struct codec {
	const char *name;
	int (*try)(struct kc_str data);
	const char *good; /* its shortest text */
};

#define TRY(what, type)                                                        \
	static int try_##what(struct kc_str data)                              \
	{                                                                      \
		type v;                                                        \
		int rc = kzk_##what##_decode(data, &v);                        \
		return rc;                                                     \
	}
#define TRY_FINI(what, type, fini)                                             \
	static int try_##what(struct kc_str data)                              \
	{                                                                      \
		type v;                                                        \
		int rc = kzk_##what##_decode(data, &v);                        \
		fini(&v);                                                      \
		return rc;                                                     \
	}

TRY_FINI(broker, struct kzk_broker, kzk_broker_fini)
TRY_FINI(topic, struct kzk_topic, kzk_topic_fini)
TRY_FINI(partition_state, struct kzk_partition_state, kzk_partition_state_fini)
TRY(controller, struct kzk_controller)
TRY_FINI(config, struct kzk_config, kzk_config_fini)
TRY_FINI(config_change, struct kzk_config_change, kzk_config_change_fini)
TRY(scram, struct kzk_scram)
TRY_FINI(reassign, struct kzk_partition_list, kzk_partition_list_fini)
TRY_FINI(partitions, struct kzk_partition_list, kzk_partition_list_fini)
TRY(log_dir_event, struct kzk_log_dir_event)
TRY(pid_block, struct kzk_pid_block)
TRY_FINI(feature_node, struct kzk_feature_node, kzk_feature_node_fini)
TRY(migration, struct kzk_migration)
TRY_FINI(acl_list, struct kzk_acl_list, kzk_acl_list_fini)
TRY_FINI(acl_change, struct kzk_acl_change, kzk_acl_change_fini)
TRY_FINI(token, struct kzk_token, kzk_token_fini)

static int
try_epoch(struct kc_str data)
{
	int32_t epoch;

	return kzk_controller_epoch_decode(data, &epoch);
}

static int
try_cluster_id(struct kc_str data)
{
	char id[KZK_CLUSTER_ID_MAX];

	return kzk_cluster_id_decode(data, id);
}

static const struct codec codecs[] = {
	{ "broker", try_broker,
	    "{\"version\":4,\"endpoints\":[\"L://h:1\"],"
	    "\"listener_security_protocol_map\":{\"L\":\"SSL\"}}" },
	{ "topic", try_topic,
	    "{\"version\":1,\"partitions\":{\"0\":[1]},"
	    "\"adding_replicas\":{\"0\":[1]}}" },
	{ "partition_state", try_partition_state,
	    "{\"leader\":1,\"leader_epoch\":0,\"controller_epoch\":5,"
	    "\"isr\":[1]}" },
	{ "controller", try_controller, "{\"brokerid\":1}" },
	{ "config_change", try_config_change,
	    "{\"version\":2,\"entity_path\":\"topics/t\"}" },
	{ "scram", try_scram,
	    "salt=YQ==,stored_key=YQ==,server_key=YQ==,iterations=4096" },
	{ "reassign", try_reassign,
	    "{\"partitions\":[{\"topic\":\"t\",\"partition\":0,"
	    "\"replicas\":[1,2]}]}" },
	{ "partitions", try_partitions,
	    "{\"partitions\":[{\"topic\":\"t\",\"partition\":0}]}" },
	{ "log_dir_event", try_log_dir_event, "{\"broker\":1}" },
	{ "pid_block", try_pid_block,
	    "{\"broker\":1,\"block_start\":\"0\",\"block_end\":\"999\"}" },
	{ "feature_node", try_feature_node,
	    "{\"version\":2,\"status\":1,\"features\":{\"f\":"
	    "{\"max_version_level\":3}}}" },
	{ "migration", try_migration,
	    "{\"kraft_controller_id\":1,\"kraft_controller_epoch\":1,"
	    "\"kraft_metadata_offset\":1,\"kraft_metadata_epoch\":1}" },
	{ "token", try_token,
	    "{\"version\":1,\"owner\":\"User%3Aa\",\"issueTimestamp\":1,"
	    "\"maxTimestamp\":2,\"expiryTimestamp\":3,\"tokenId\":\"x\"}" },
	{ "cluster_id", try_cluster_id, "{\"id\":\"x\"}" },
	{ "config", try_config, "{\"config\":{\"a\":\"b\"}}" },
	{ "acl_list", try_acl_list,
	    "{\"version\":1,\"acls\":[{\"principal\":\"User:a\","
	    "\"permissionType\":\"Allow\",\"operation\":\"Read\","
	    "\"host\":\"*\"}]}" },
	{ "acl_change", try_acl_change,
	    "{\"version\":1,\"resourceType\":\"TOPIC\",\"name\":\"f\","
	    "\"patternType\":\"PREFIXED\"}" },
};

/* In an allocation of exactly its size. */
static int
try_exact(const struct codec *c, const char *p, size_t len)
{
	char *copy = malloc(len == 0 ? 1 : len);
	int rc;

	memcpy(copy, p, len);
	rc = c->try((struct kc_str){ copy, (int32_t)len });
	free(copy);
	return rc;
}

/*
 * Goal: no text makes a decoder crash, leak or accept what is cut off.
 * Method: every prefix of a valid text, each in its own allocation.
 */
Test(kzk_znode, every_prefix_is_malformed)
{
	for (size_t i = 0; i < KC_COUNT(codecs); i++) {
		const struct codec *c = &codecs[i];
		size_t whole = strlen(c->good);

		for (size_t len = 1; len < whole; len++) {
			/* A shorter number is still a number. */
			if (c->try == try_scram && len > whole - 4)
				break;
			cr_assert_eq(try_exact(c, c->good, len), KC_EMALFORMED,
			    "%s cut to %zu", c->name, len);
		}
		cr_assert_eq(
		    try_exact(c, c->good, whole), KC_OK, "%s", c->name);
	}
}

Test(kzk_znode, other_types_are_malformed)
{
	static const char *const bad[] = { "null", "[]", "1", "\"x\"", "{",
		"\xff", "{}x", "{\"a\":\"\xff\"}", "{\"a\":\"\\u0000\"}" };

	for (size_t i = 0; i < KC_COUNT(codecs); i++) {
		for (size_t k = 0; k < KC_COUNT(bad); k++)
			cr_assert_eq(
			    try_exact(&codecs[i], bad[k], strlen(bad[k])),
			    KC_EMALFORMED, "%s: %s", codecs[i].name, bad[k]);
		if (codecs[i].try == try_config ||
		    codecs[i].try == try_acl_list)
			continue; /* no data is an empty list */
		cr_assert_eq(codecs[i].try(KC_STR_NULL), KC_EMALFORMED);
		cr_assert_eq(codecs[i].try(KC_STR_LIT("")), KC_EMALFORMED);
	}
}

/* Each value of a valid text replaced by one of another type, in turn. */
Test(kzk_znode, values_of_the_wrong_type)
{
	static const char *const cases[][2] = {
		{ "topic", "{\"version\":1,\"partitions\":[]}" },
		{ "topic", "{\"version\":1,\"partitions\":{\"x\":[1]}}" },
		{ "topic", "{\"version\":1,\"partitions\":{\"-1\":[1]}}" },
		{ "topic", "{\"version\":1,\"partitions\":{\"0\":1}}" },
		{ "topic", "{\"version\":1,\"partitions\":{\"0\":[\"1\"]}}" },
		{ "topic", "{\"version\":1,\"partitions\":{\"0\":[-1]}}" },
		{ "topic", "{\"version\":1,\"partitions\":{\"0\":[1.5]}}" },
		{ "topic",
		    "{\"version\":1,\"partitions\":{\"1\":[1],\"01\":[2]}}" },
		{ "topic",
		    "{\"version\":3,\"topic_id\":\"x\",\"partitions\":{}}" },
		{ "topic",
		    "{\"partitions\":{\"0\":[1]},\"adding_replicas\":[1]}" },
		{ "topic",
		    "{\"partitions\":{\"0\":[1]},"
		    "\"removing_replicas\":{\"0\":{}}}" },
		{ "broker", "{\"version\":0}" },
		{ "broker", "{\"version\":1,\"host\":\"h\",\"port\":70000}" },
		{ "broker", "{\"version\":5,\"endpoints\":[]}" },
		{ "broker", "{\"version\":2,\"endpoints\":[\"h:1\"]}" },
		{ "broker", "{\"version\":2,\"endpoints\":[\"://h:1\"]}" },
		{ "broker", "{\"version\":2,\"endpoints\":[\"L://h\"]}" },
		{ "broker", "{\"version\":2,\"endpoints\":[\"L://h:x\"]}" },
		{ "broker", "{\"version\":2,\"endpoints\":[\"L://h:99999\"]}" },
		{ "broker", "{\"version\":2,\"endpoints\":[1]}" },
		{ "broker",
		    "{\"version\":4,\"endpoints\":[\"L://h:1\"],"
		    "\"listener_security_protocol_map\":{\"M\":\"SSL\"}}" },
		{ "partition_state",
		    "{\"leader\":\"1\",\"leader_epoch\":0,"
		    "\"controller_epoch\":5,\"isr\":[1]}" },
		{ "partition_state",
		    "{\"leader\":1,\"leader_epoch\":99999999999,"
		    "\"controller_epoch\":5,\"isr\":[1]}" },
		{ "partition_state",
		    "{\"leader\":1,\"leader_epoch\":0,\"controller_epoch\":5,"
		    "\"isr\":[1],\"leader_recovery_state\":2}" },
		{ "controller", "{\"brokerid\":-1}" },
		{ "controller", "{\"brokerid\":1,\"timestamp\":\"x\"}" },
		{ "config", "{\"config\":{\"a\":1}}" },
		{ "config", "{\"config\":[]}" },
		{ "config_change", "{\"version\":3,\"entity_path\":\"a/b\"}" },
		{ "config_change",
		    "{\"version\":1,\"entity_type\":\"topics\"}" },
		{ "pid_block",
		    "{\"broker\":1,\"block_start\":\"9\",\"block_end\":"
		    "\"1\"}" },
		{ "pid_block",
		    "{\"broker\":1,\"block_start\":\"-1\",\"block_end\":"
		    "\"1\"}" },
		{ "feature_node",
		    "{\"version\":2,\"status\":2,\"features\":{}}" },
		{ "feature_node",
		    "{\"version\":2,\"status\":1,\"features\":{\"f\":1}}" },
		{ "reassign",
		    "{\"partitions\":[{\"topic\":\"t\",\"partition\":0}]}" },
		{ "reassign", "{\"partitions\":[1]}" },
		{ "scram",
		    "salt=YQ=,stored_key=YQ==,server_key=YQ==,"
		    "iterations=1" },
		{ "scram",
		    "salt=YQ==,stored_key=Y*==,server_key=YQ==,"
		    "iterations=1" },
		{ "scram",
		    "salt=YQ==,stored_key=YQ==,server_key=YQ==,"
		    "iterations=0" },
		{ "scram", "salt=YQ==,stored_key=YQ==,server_key=YQ==" },
		{ "scram", "salt=YQ==,other=YQ==" },
		{ "acl_change", ":x" },
		{ "acl_change", "TOPIC" },
		{ "acl_list", "{\"version\":2,\"acls\":[]}" },
		{ "token",
		    "{\"version\":3,\"owner\":\"%\",\"tokenRequester\":\"a\","
		    "\"issueTimestamp\":1,\"maxTimestamp\":2,"
		    "\"expiryTimestamp\":3,\"tokenId\":\"x\"}" },
		{ "cluster_id", "{\"id\":\"\"}" },
		{ "cluster_id",
		    "{\"id\":\"0123456789012345678901234567890123456789"
		    "012345678901234567890123\"}" },
	};

	for (size_t i = 0; i < KC_COUNT(cases); i++)
		for (size_t k = 0; k < KC_COUNT(codecs); k++)
			if (strcmp(codecs[k].name, cases[i][0]) == 0)
				cr_assert_eq(try_exact(&codecs[k], cases[i][1],
						 strlen(cases[i][1])),
				    KC_EMALFORMED, "%s", cases[i][1]);
	cr_assert_eq(try_epoch(KC_STR_LIT("")), KC_EMALFORMED);
	cr_assert_eq(try_epoch(KC_STR_LIT("x")), KC_EMALFORMED);
	cr_assert_eq(try_epoch(KC_STR_LIT("-1")), KC_EMALFORMED);
	cr_assert_eq(try_epoch(KC_STR_LIT("2147483648")), KC_EMALFORMED);
	cr_assert_eq(try_epoch(KC_STR_NULL), KC_EMALFORMED);
}

/* A list that is one too long. */
Test(kzk_znode, lists_have_limits)
{
	size_t n = KZK_REPLICAS_MAX + 1, cap = n * 2 + 128, len;
	char *text = malloc(cap);
	struct kzk_partition_state s;

	len = (size_t)snprintf(text, cap,
	    "{\"leader\":1,\"leader_epoch\":0,\"controller_epoch\":0,"
	    "\"isr\":[1");
	for (size_t i = 1; i < n; i++) {
		text[len++] = ',';
		text[len++] = '1';
	}
	text[len++] = ']';
	text[len++] = '}';
	cr_assert_eq(kzk_partition_state_decode(
			 (struct kc_str){ text, (int32_t)len }, &s),
	    KC_ELIMIT);
	kzk_partition_state_fini(&s);
	free(text);
}

#define ASSERT_TEXT(rc, want)                                                  \
	do {                                                                   \
		cr_assert_eq((rc), KC_OK);                                     \
		cr_assert_str_eq(text.p, (want));                              \
		cr_assert_eq(text.len, strlen(want));                          \
		kzk_text_fini(&text);                                          \
	} while (0)

/* As a 3.9 broker has written it, keys in another order. */
Test(kzk_znode, broker)
{
	const struct kc_str data = KC_STR_LIT(
	    "{\"features\":{},\"listener_security_protocol_map\":"
	    "{\"IN\":\"SSL\",\"OUT\":\"PLAINTEXT\"},\"endpoints\":"
	    "[\"IN://[::1]:9093\",\"OUT://h:9092\"],\"jmx_port\":-1,"
	    "\"port\":9092,\"host\":\"h\",\"version\":5,\"rack\":\"r1\","
	    "\"unknown\":[{}],\"timestamp\":\"1795489151577\"}");
	struct kzk_text text;
	struct kzk_broker b;

	cr_assert_eq(kzk_broker_decode(data, &b), KC_OK);
	cr_assert_eq(b.version, 5);
	cr_assert_eq(b.endpoints.n, 2);
	cr_assert(kc_str_eqz(b.endpoints.v[0].listener, "IN"));
	cr_assert(kc_str_eqz(b.endpoints.v[0].host, "::1"));
	cr_assert(kc_str_eqz(b.endpoints.v[0].protocol, "SSL"));
	cr_assert_eq(b.endpoints.v[0].port, 9093);
	cr_assert(kc_str_eqz(b.rack, "r1"));
	cr_assert_eq(b.timestamp_ms, 1795489151577);
	cr_assert_eq(kzk_broker_endpoint(&b, KC_STR_LIT("OUT"))->port, 9092);
	cr_assert_null(kzk_broker_endpoint(&b, KC_STR_LIT("X")));
	ASSERT_TEXT(kzk_broker_encode(&b, &text),
	    "{\"version\":5,\"host\":\"h\",\"port\":9092,"
	    "\"listener_security_protocol_map\":"
	    "{\"IN\":\"SSL\",\"OUT\":\"PLAINTEXT\"},"
	    "\"endpoints\":[\"IN://[::1]:9093\",\"OUT://h:9092\"],"
	    "\"rack\":\"r1\",\"jmx_port\":-1,\"features\":{},"
	    "\"timestamp\":\"1795489151577\"}");
	b.endpoints.n = 1; /* no plaintext endpoint, no rack */
	b.rack = KC_STR_NULL;
	ASSERT_TEXT(kzk_broker_encode(&b, &text),
	    "{\"version\":5,\"host\":null,\"port\":-1,"
	    "\"listener_security_protocol_map\":{\"IN\":\"SSL\"},"
	    "\"endpoints\":[\"IN://[::1]:9093\"],"
	    "\"jmx_port\":-1,\"features\":{},"
	    "\"timestamp\":\"1795489151577\"}");
	kzk_broker_fini(&b);
}

Test(kzk_znode, broker_older_versions)
{
	struct kzk_broker b;

	cr_assert_eq(
	    kzk_broker_decode(
		KC_STR_LIT("{\"version\":1,\"host\":\"h\",\"port\":1,"
			   "\"jmx_port\":9999,\"timestamp\":\"no number\"}"),
		&b),
	    KC_OK);
	cr_assert_eq(b.endpoints.n, 1);
	cr_assert(kc_str_eqz(b.endpoints.v[0].listener, "PLAINTEXT"));
	cr_assert_eq(b.jmx_port, 9999);
	kzk_broker_fini(&b);
	cr_assert_eq(
	    kzk_broker_decode(
		KC_STR_LIT("{\"version\":3,\"host\":\"h\",\"port\":1,"
			   "\"rack\":\"r\",\"endpoints\":[\"SSL://:2\"]}"),
		&b),
	    KC_OK);
	cr_assert(kc_str_eqz(b.endpoints.v[0].protocol, "SSL"));
	cr_assert_eq(b.endpoints.v[0].host.len, 0);
	cr_assert(kc_str_eqz(b.rack, "r"));
	kzk_broker_fini(&b);
	kzk_broker_fini(&b);
}

Test(kzk_znode, topic)
{
	const struct kc_str data =
	    KC_STR_LIT("{\"removing_replicas\":{\"10\":[3]},\"partitions\":"
		       "{\"10\":[1,2,3],\"9\":[],\"0\":[2]},\"topic_id\":"
		       "\"JMVQ2CYMRiyWyyI3mD-dBQ\",\"adding_replicas\":"
		       "{\"10\":[1],\"77\":[5]},\"version\":3}");
	struct kzk_text text;
	struct kzk_topic t;

	cr_assert_eq(kzk_topic_decode(data, &t), KC_OK);
	cr_assert_eq(t.nparts, 3);
	cr_assert_eq(t.parts[0].partition, 0);
	cr_assert_eq(t.parts[1].partition, 9);
	cr_assert_eq(t.parts[1].replicas.n, 0);
	cr_assert_eq(t.parts[2].partition, 10);
	cr_assert_eq(t.parts[2].replicas.n, 3);
	cr_assert_eq(t.parts[2].adding.v[0], 1);
	cr_assert_eq(t.parts[2].removing.v[0], 3);
	ASSERT_TEXT(kzk_topic_encode(&t, &text),
	    "{\"version\":3,\"topic_id\":\"JMVQ2CYMRiyWyyI3mD-dBQ\","
	    "\"partitions\":{\"0\":[2],\"9\":[],\"10\":[1,2,3]},"
	    "\"adding_replicas\":{\"10\":[1]},"
	    "\"removing_replicas\":{\"10\":[3]}}");
	kzk_topic_fini(&t);
	cr_assert_eq(kzk_topic_decode(
			 KC_STR_LIT("{\"version\":1,\"partitions\":{}}"), &t),
	    KC_OK);
	cr_assert(kc_uuid_is_zero(&t.topic_id));
	ASSERT_TEXT(kzk_topic_encode(&t, &text),
	    "{\"version\":2,\"partitions\":{},\"adding_replicas\":{},"
	    "\"removing_replicas\":{}}");
	kzk_topic_fini(&t);
}

Test(kzk_znode, partition_state)
{
	struct kzk_partition_state s;
	struct kzk_text text;

	cr_assert_eq(
	    kzk_partition_state_decode(
		KC_STR_LIT("{\"controller_epoch\":1,\"leader\":-1,"
			   "\"version\":1,\"leader_epoch\":7,\"isr\":[2,0]}"),
		&s),
	    KC_OK);
	cr_assert_eq(s.leader, -1);
	cr_assert_eq(s.leader_epoch, 7);
	cr_assert_eq(s.isr.n, 2);
	cr_assert_eq(s.leader_recovery_state, 0);
	ASSERT_TEXT(kzk_partition_state_encode(&s, &text),
	    "{\"version\":1,\"leader\":-1,\"leader_epoch\":7,"
	    "\"controller_epoch\":1,\"isr\":[2,0]}");
	s.leader_recovery_state = 1;
	ASSERT_TEXT(kzk_partition_state_encode(&s, &text),
	    "{\"version\":1,\"leader\":-1,\"leader_epoch\":7,"
	    "\"controller_epoch\":1,\"isr\":[2,0],"
	    "\"leader_recovery_state\":1}");
	kzk_partition_state_fini(&s);
}

Test(kzk_znode, controller_and_cluster)
{
	struct kzk_controller c;
	struct kzk_migration m;
	struct kzk_text text;
	char id[KZK_CLUSTER_ID_MAX];
	int32_t epoch;

	cr_assert_eq(
	    kzk_controller_decode(
		KC_STR_LIT("{\"version\":2,\"brokerid\":3,\"timestamp\":"
			   "\"17\",\"kraftControllerEpoch\":-1}"),
		&c),
	    KC_OK);
	cr_assert_eq(c.timestamp_ms, 17);
	ASSERT_TEXT(kzk_controller_encode(&c, &text),
	    "{\"version\":2,\"brokerid\":3,\"timestamp\":\"17\","
	    "\"kraftControllerEpoch\":-1}");
	/* As version 1 wrote it. */
	cr_assert_eq(
	    kzk_controller_decode(
		KC_STR_LIT("{\"version\":1,\"brokerid\":0,\"timestamp\":5}"),
		&c),
	    KC_OK);
	cr_assert_eq(c.kraft_epoch, -1);
	cr_assert_eq(
	    kzk_controller_epoch_decode(KC_STR_LIT("2147483647"), &epoch),
	    KC_OK);
	cr_assert_eq(epoch, INT32_MAX);
	ASSERT_TEXT(kzk_controller_epoch_encode(5, &text), "5");
	cr_assert_eq(kzk_cluster_id_decode(
			 KC_STR_LIT("{\"id\":\"kCmER3cURK649lB89-O2Zg\","
				    "\"version\":\"1\"}"),
			 id),
	    KC_OK);
	cr_assert_str_eq(id, "kCmER3cURK649lB89-O2Zg");
	ASSERT_TEXT(kzk_cluster_id_encode(id, &text),
	    "{\"version\":\"1\",\"id\":\"kCmER3cURK649lB89-O2Zg\"}");
	cr_assert_eq(kzk_migration_decode(
			 KC_STR_LIT("{\"version\":0,\"kraft_controller_id\":1,"
				    "\"kraft_controller_epoch\":2,"
				    "\"kraft_metadata_offset\":3,"
				    "\"kraft_metadata_epoch\":4}"),
			 &m),
	    KC_OK);
	cr_assert_eq(m.kraft_metadata_offset, 3);
}

Test(kzk_znode, config)
{
	struct kzk_config_entry bad = { KC_STR_LIT("k"), KC_STR_LIT("\xff") };
	struct kzk_config_change ch;
	struct kzk_text text;
	struct kzk_config c;
	struct kzk_quota q;

	cr_assert_eq(kzk_config_decode(KC_STR_NULL, &c), KC_OK);
	cr_assert_eq(c.n, 0);
	cr_assert_eq(
	    kzk_config_decode(KC_STR_LIT("{\"version\":1}"), &c), KC_OK);
	kzk_config_fini(&c);
	cr_assert_eq(
	    kzk_config_decode(
		KC_STR_LIT("{\"version\":1,\"config\":{\"retention.ms\":"
			   "\"1\",\"producer_byte_rate\":\"1024.5\"}}"),
		&c),
	    KC_OK);
	cr_assert(kc_str_eqz(kzk_config_get(&c, "retention.ms"), "1"));
	cr_assert_null(kzk_config_get(&c, "x").p);
	cr_assert_eq(kzk_quota_from_config(&c, &q), KC_OK);
	cr_assert_float_eq(q.producer_byte_rate, 1024.5, 1e-9);
	cr_assert_float_eq(q.consumer_byte_rate, -1, 1e-9);
	ASSERT_TEXT(kzk_config_encode(&c, &text),
	    "{\"version\":1,\"config\":{\"retention.ms\":\"1\","
	    "\"producer_byte_rate\":\"1024.5\"}}");
	kzk_config_fini(&c);
	c = (struct kzk_config){ .v = &bad, .n = 1 };
	cr_assert_eq(kzk_config_encode(&c, &text), KC_EINVAL);
	cr_assert_null(text.p);

	cr_assert_eq(kzk_config_change_decode(
			 KC_STR_LIT("{\"version\":1,\"entity_type\":\"topics\","
				    "\"entity_name\":\"t\"}"),
			 &ch),
	    KC_OK);
	cr_assert(kc_str_eqz(ch.entity_path, "topics/t"));
	kzk_config_change_fini(&ch);
	ASSERT_TEXT(
	    kzk_config_change_encode(KC_STR_LIT("brokers/<default>"), &text),
	    "{\"version\":2,\"entity_path\":\"brokers/<default>\"}");
}

Test(kzk_znode, scram)
{
	const char *good = "salt=AAEC,stored_key=//79/A==,server_key=Zm9vYmE=,"
			   "iterations=8192";
	struct kzk_text text;
	struct kzk_scram s;

	cr_assert_eq(kzk_scram_decode(kc_str(good), &s), KC_OK);
	cr_assert_eq(s.salt_len, 3);
	cr_assert_eq(s.salt[2], 2);
	cr_assert_eq(s.stored_key_len, 4);
	cr_assert_eq(s.stored_key[3], 0xfc);
	cr_assert_eq(s.server_key_len, 5);
	cr_assert_eq(s.iterations, 8192);
	ASSERT_TEXT(kzk_scram_encode(&s, &text), good);
}

Test(kzk_znode, lists_and_events)
{
	struct kzk_pid_block b, next;
	struct kzk_log_dir_event ev;
	struct kzk_partition_list l;
	struct kzk_text text;
	const char *reassign =
	    "{\"version\":1,\"partitions\":[{\"topic\":\"t\","
	    "\"partition\":0,\"replicas\":[1,2]}]}";

	cr_assert_eq(kzk_reassign_decode(kc_str(reassign), &l), KC_OK);
	cr_assert_eq(l.v[0].replicas.v[1], 2);
	ASSERT_TEXT(kzk_reassign_encode(&l, &text), reassign);
	ASSERT_TEXT(kzk_partitions_encode(&l, &text),
	    "{\"version\":1,\"partitions\":[{\"topic\":\"t\","
	    "\"partition\":0}]}");
	kzk_partition_list_fini(&l);
	ev = (struct kzk_log_dir_event){ 2, KZK_LOG_DIR_FAILURE };
	ASSERT_TEXT(kzk_log_dir_event_encode(&ev, &text),
	    "{\"version\":1,\"broker\":2,\"event\":1}");

	cr_assert_eq(kzk_pid_block_next(NULL, 4, &b), KC_OK);
	ASSERT_TEXT(kzk_pid_block_encode(&b, &text),
	    "{\"version\":1,\"broker\":4,\"block_start\":\"0\","
	    "\"block_end\":\"999\"}");
	cr_assert_eq(kzk_pid_block_next(&b, 5, &next), KC_OK);
	cr_assert_eq(next.start, 1000);
	cr_assert_eq(next.end, 1999);
	b.end = INT64_MAX - 10;
	cr_assert_eq(kzk_pid_block_next(&b, 5, &next), KC_ERANGE);
}

Test(kzk_znode, features_acls_tokens)
{
	struct kzk_feature_node f;
	struct kzk_acl_change ch;
	struct kzk_acl_list l;
	struct kzk_token t;
	struct kzk_text text;
	const char *acls =
	    "{\"version\":1,\"acls\":[{\"principal\":\"User:a\","
	    "\"permissionType\":\"Allow\",\"operation\":\"Read\","
	    "\"host\":\"*\"}]}";
	const char *token =
	    "{\"version\":3,\"owner\":\"User%3Aa\",\"tokenRequester\":"
	    "\"User%3Ac\",\"renewers\":[\"User%3Ab\"],\"issueTimestamp\":1,"
	    "\"maxTimestamp\":2,\"expiryTimestamp\":3,\"tokenId\":\"x\"}";

	cr_assert_eq(
	    kzk_feature_node_decode(
		KC_STR_LIT("{\"features\":{\"f\":{\"min_version_level\":1,"
			   "\"max_version_level\":3}},\"version\":1,"
			   "\"status\":1}"),
		&f),
	    KC_OK);
	cr_assert_eq(f.features.v[0].max, 3);
	ASSERT_TEXT(kzk_feature_node_encode(&f, &text),
	    "{\"version\":1,\"status\":1,\"features\":{\"f\":"
	    "{\"min_version_level\":1,\"max_version_level\":3}}}");
	kzk_feature_node_fini(&f);
	f = (struct kzk_feature_node){ .version = 2, .status = 1 };
	ASSERT_TEXT(kzk_feature_node_encode(&f, &text),
	    "{\"version\":2,\"status\":1,\"features\":{}}");

	cr_assert_eq(kzk_acl_list_decode(kc_str(acls), &l), KC_OK);
	ASSERT_TEXT(kzk_acl_list_encode(&l, &text), acls);
	kzk_acl_list_fini(&l);

	cr_assert_eq(
	    kzk_acl_change_decode(KC_STR_LIT("GROUP:a:b"), &ch), KC_OK);
	cr_assert(kc_str_eqz(ch.resource_type, "GROUP"));
	cr_assert(kc_str_eqz(ch.name, "a:b"));
	ASSERT_TEXT(kzk_acl_change_encode(&ch, &text), "GROUP:a:b");
	ch.pattern_type = KC_STR_LIT("PREFIXED");
	ASSERT_TEXT(kzk_acl_change_encode(&ch, &text),
	    "{\"version\":1,\"resourceType\":\"GROUP\",\"name\":\"a:b\","
	    "\"patternType\":\"PREFIXED\"}");
	kzk_acl_change_fini(&ch);

	cr_assert_eq(kzk_token_decode(kc_str(token), &t), KC_OK);
	cr_assert(kc_str_eqz(t.owner, "User:a"));
	cr_assert(kc_str_eqz(t.renewers.v[0], "User:b"));
	ASSERT_TEXT(kzk_token_encode(&t, &text), token);
	kzk_token_fini(&t);
}
