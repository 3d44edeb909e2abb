/*
 * entity -- configurations of topics, brokers and clients in /config.
 *
 * An entity path is what follows "/config/": "topics/t", "brokers/1",
 * "brokers/<default>".  A change is written first and announced second, by a
 * sequential node in /config/changes that every broker watches; a crash in
 * between leaves a setting that brokers learn of when they start, as in
 * Kafka.
 *
 * From Kafka: AdminZkClient.changeEntityConfig; znodes.md 6.
 *
 * @thread control, in a fiber, for what waits for ZooKeeper
 */
#ifndef KB_CONTROLLER_ENTITY_H
#define KB_CONTROLLER_ENTITY_H

#include "kcommon/base/str.h"

struct kc_props;
struct kzk;
struct kzk_text;

/*
 * Bytes of one znode that we write; ZooKeeper ends the connection of who
 * sends more than jute.maxbuffer, 1 MiB with all that goes along.
 */
#define KB_ENTITY_MAX 1000000

/* config NULL: none.  KC_OK, KC_EINVAL (no UTF-8), KC_ENOMEM. */
int kb_entity_encode(const struct kc_props *config, struct kzk_text *text);
/* *propsp is the caller's to close.  KC_OK, KC_EMALFORMED, KC_ELIMIT... */
int kb_entity_decode(struct kc_str data, struct kc_props **propsp);

/* What is there now; no node is an empty configuration. */
int kb_entity_read(
    struct kzk *zk, const char *entity_path, struct kc_props **propsp);
/* Set the node at path, or make it, while /controller stays what it is. */
int kb_entity_write(struct kzk *zk, const char *path, struct kc_str data);
/* Write the whole configuration and announce it.  Also KC_ELIMIT. */
int kb_entity_change(
    struct kzk *zk, const char *entity_path, const struct kc_props *config);

#endif
