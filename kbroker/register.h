/*
 * register -- the broker's place in ZooKeeper: top-level nodes, cluster id,
 * broker id, and the ephemeral /brokers/ids/N whose czxid is its epoch.
 *
 * znodes.md 1 and 2; kafka.zk.KafkaZkClient, kafka.server.KafkaServer.
 *
 * @thread control, on a fiber
 */
#ifndef KB_REGISTER_H
#define KB_REGISTER_H

#include "kcommon/base/kc.h"

#include <stdatomic.h>

struct kb_broker;
struct kb_net;
struct kzk;

/* What every broker makes sure of at its start (createTopLevelPaths). */
int kb_register_paths(struct kzk *zk);
/* /cluster/id; made with a random one by the first broker. id: 64 bytes. */
int kb_register_cluster(struct kb_broker *b, struct kzk *zk, char *id);
/* A broker id out of /brokers/seqid (broker.id.generation.enable). */
int kb_register_new_id(struct kb_broker *b, struct kzk *zk, int32_t *id);

/*
 * Register with the ports that net has.  While the node is another session's
 * (a killed predecessor's, most likely) it waits for that to expire and says
 * so; Kafka exits there.  KC_OK and *epoch; KC_EEXIST when another broker has
 * one of our endpoints (logged); KC_ECANCELED when *stop became true.
 */
int kb_register_broker(
    struct kb_broker *b, const atomic_bool *stop, int64_t *epoch);

#endif
