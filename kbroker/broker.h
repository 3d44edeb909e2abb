/*
 * broker -- one broker: what it is made of, how it starts and stops.
 *
 * A broker is an object; a process may hold many (tests/sim does).  All it
 * sees of the world comes through env.
 *
 * Start (kafka.server.KafkaServer.startup's order where it can be seen from
 * outside): ZooKeeper session and top-level znodes; cluster id; log dirs
 * locked, meta.properties agreed, broker id; topic configurations; logs
 * loaded; listeners bound; registration; controller election; ready once the
 * first UpdateMetadata has come.  Stop is the reverse.
 */
#ifndef KB_BROKER_H
#define KB_BROKER_H

#include "kcommon/base/env.h"
#include "kcommon/base/kc.h"
#include "kcommon/base/uuid.h"

struct kb_config;
struct kc_logger;
struct kzk_ops;

struct kb_env {
	struct kc_env c;
	const struct kzk_ops *zk;
	struct kc_logger *logger; /* borrowed */
};

struct kb_broker;

/*
 * Makes a broker and starts it on threads of its own; returns at once.  env
 * and config must outlive it.  KC_OK or KC_ENOMEM and the like; what goes
 * wrong later is told by kb_broker_ready().  @thread main
 */
int kb_broker_open(struct kb_broker **brokerp, const struct kb_env *env,
    const struct kb_config *config);
/*
 * Waits until it is registered and knows the cluster.  KC_OK; KC_ECANCELED
 * when kb_broker_stop() came first; else why it failed (logged).  In any
 * case kb_broker_close() follows.  @thread main
 */
int kb_broker_ready(struct kb_broker *b);
/* Ask it to stop; returns at once.  @thread any */
void kb_broker_stop(struct kb_broker *b);
/*
 * Waits until stop is asked for, or the broker cannot go on (KC_E*, e.g. the
 * last log dir has failed).  @thread main
 */
int kb_broker_wait(struct kb_broker *b);
/*
 * Flushes, writes checkpoints and the clean shutdown marker, leaves
 * ZooKeeper, and frees everything.  KC_OK when all was clean.  @thread main
 */
int kb_broker_close(struct kb_broker **brokerp);

/* For tests and status: the port a listener got; -1 when there is none. */
int kb_broker_port(struct kb_broker *b, const char *listener);
int32_t kb_broker_id(const struct kb_broker *b);

#endif
