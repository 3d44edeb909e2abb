/*
 * Any bytes as the data of any znode: kind (1 byte), data.
 *
 * Held: nothing is read past the end, nothing leaks; what was taken can be
 * written (but for text that JSON cannot hold), and reads back to the same
 * text.
 */
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kzk/path.h"
#include "kzk/znode/znode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
same(const struct kzk_text *a, const struct kzk_text *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

/* Decode, encode, decode again, encode again: the same text. */
#define ROUND(what, decode, encode, type, fini)                                \
	static void round_##what(struct kc_str s)                              \
	{                                                                      \
		struct kzk_text one = { 0 }, two = { 0 };                      \
		type a, b;                                                     \
                                                                               \
		if (decode(s, &a) == KC_OK && encode(&a, &one) == KC_OK) {     \
			KC_ASSERT(decode(kzk_text_str(&one), &b) == KC_OK);    \
			KC_ASSERT(encode(&b, &two) == KC_OK);                  \
			KC_ASSERT(same(&one, &two));                           \
			fini(&b);                                              \
		}                                                              \
		fini(&a);                                                      \
		kzk_text_fini(&one);                                           \
		kzk_text_fini(&two);                                           \
	}

#define NO_FINI(p) ((void)(p))

ROUND(broker, kzk_broker_decode, kzk_broker_encode, struct kzk_broker,
    kzk_broker_fini)
ROUND(
    topic, kzk_topic_decode, kzk_topic_encode, struct kzk_topic, kzk_topic_fini)
ROUND(state, kzk_partition_state_decode, kzk_partition_state_encode,
    struct kzk_partition_state, kzk_partition_state_fini)
ROUND(controller, kzk_controller_decode, kzk_controller_encode,
    struct kzk_controller, NO_FINI)
ROUND(config, kzk_config_decode, kzk_config_encode, struct kzk_config,
    kzk_config_fini)
ROUND(scram, kzk_scram_decode, kzk_scram_encode, struct kzk_scram, NO_FINI)
ROUND(reassign, kzk_reassign_decode, kzk_reassign_encode,
    struct kzk_partition_list, kzk_partition_list_fini)
ROUND(partitions, kzk_partitions_decode, kzk_partitions_encode,
    struct kzk_partition_list, kzk_partition_list_fini)
ROUND(event, kzk_log_dir_event_decode, kzk_log_dir_event_encode,
    struct kzk_log_dir_event, NO_FINI)
ROUND(pids, kzk_pid_block_decode, kzk_pid_block_encode, struct kzk_pid_block,
    NO_FINI)
ROUND(feature, kzk_feature_node_decode, kzk_feature_node_encode,
    struct kzk_feature_node, kzk_feature_node_fini)
ROUND(acls, kzk_acl_list_decode, kzk_acl_list_encode, struct kzk_acl_list,
    kzk_acl_list_fini)
ROUND(
    token, kzk_token_decode, kzk_token_encode, struct kzk_token, kzk_token_fini)

static void
round_small(struct kc_str s)
{
	struct kzk_config_change cc;
	struct kzk_acl_change ac;
	struct kzk_migration m;
	struct kzk_path path;
	char buf[256], back[256], id[KZK_CLUSTER_ID_MAX];
	int32_t epoch;
	int64_t n;

	if (kzk_config_change_decode(s, &cc) == KC_OK)
		(void)kzk_path_entity(&path, cc.entity_path);
	kzk_config_change_fini(&cc);
	(void)kzk_acl_change_decode(s, &ac);
	kzk_acl_change_fini(&ac);
	(void)kzk_migration_decode(s, &m);
	(void)kzk_cluster_id_decode(s, id);
	(void)kzk_controller_epoch_decode(s, &epoch);
	(void)kzk_seq_number(s, "c_", &n);
	(void)kzk_path_entity(&path, s);
	(void)kzk_path_topic(&path, s);
	(void)kzk_restore(s, buf, sizeof buf);
	if (kzk_sanitize(s, buf, sizeof buf) == KC_OK &&
	    (s.len == 0 || memchr(s.p, 0, (size_t)s.len) == NULL)) {
		KC_ASSERT(kzk_restore(kc_str(buf), back, sizeof back) == KC_OK);
		KC_ASSERT(kc_str_eq(kc_str(back), s));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const rounds[])(struct kc_str) = { round_broker,
		round_topic, round_state, round_controller, round_config,
		round_scram, round_reassign, round_partitions, round_event,
		round_pids, round_feature, round_acls, round_token,
		round_small };
	char *copy;

	if (size < 1)
		return 0;
	/* Of its own, so that one byte too many is seen. */
	if ((copy = malloc(size)) == NULL)
		return 0;
	memcpy(copy, data + 1, size - 1);
	copy = realloc(copy, size - 1 == 0 ? 1 : size - 1);
	rounds[data[0] % KC_COUNT(rounds)](
	    (struct kc_str){ copy, (int32_t)(size - 1) });
	free(copy);
	return 0;
}
