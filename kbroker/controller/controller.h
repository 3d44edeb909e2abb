/*
 * controller -- the broker that decides for the cluster, or one in waiting.
 *
 * Every broker runs one; the one whose /controller znode exists is active.
 * Events (watches, answers of brokers, requests) go into one queue, and one
 * fiber of the control thread works them off, one to its end before the
 * next, as Kafka's ControllerEventManager does.  A step that waits for
 * ZooKeeper only delays the next event.
 *
 * Every write while active is one multi with a check of /controller_epoch:
 * KC_EFENCED means somebody else was elected, and we resign (invariant CE-2).
 *
 * Kafka: kafka.controller.KafkaController; controller.md.
 *
 * @thread control, unless said otherwise
 */
#ifndef KB_CONTROLLER_H
#define KB_CONTROLLER_H

#include "kcommon/base/env.h"
#include "kcommon/base/kc.h"
#include "kcommon/base/uuid.h"

struct kb_config;
struct kb_controller;
struct kc_arena;
struct kc_loop;
struct kc_tls;
struct kp_alter_partition_reassignments_req;
struct kp_alter_partition_reassignments_resp;
struct kp_alter_partition_req;
struct kp_alter_partition_resp;
struct kp_controlled_shutdown_req;
struct kp_controlled_shutdown_resp;
struct kzk;

struct kb_controller_params {
	const struct kc_env *env;
	struct kc_loop *loop; /* the control thread's, zk's too */
	struct kzk *zk;
	const struct kb_config *config;
	int32_t broker_id;
	/* How to reach brokers: the listener between them. */
	const char *listener;
	struct kc_tls *tls; /* NULL: plaintext; a reference is taken */
};

int kb_controller_open(
    struct kb_controller **cp, const struct kb_controller_params *p);
/*
 * Other settings of the broker, which live on until the next call; those
 * that need a restart are the same.
 */
void kb_controller_set_config(
    struct kb_controller *c, const struct kb_config *config);
/* Registered: watch /controller and try to be it. */
void kb_controller_start(struct kb_controller *c);
/*
 * The session expired: stop deciding, at once (ZK-1); queued events are
 * dropped, queued requests answered NOT_CONTROLLER.
 */
void kb_controller_expired(struct kb_controller *c);
/* Registered anew in a new session. */
void kb_controller_reelect(struct kb_controller *c);
/*
 * No more events; channels are closed.  Inside a fiber: waits until the event
 * under way has ended.  False when it has not after a while, because
 * ZooKeeper does not answer it: kzk_end(), and stop once more.
 */
bool kb_controller_stop(struct kb_controller *c);
void kb_controller_close(struct kb_controller **cp);

/* Is this broker the active controller?  @thread any */
bool kb_controller_active(const struct kb_controller *c);
/* Broker id of the active one as /controller says, -1 none.  @thread any */
int32_t kb_controller_id(const struct kb_controller *c);

/*
 * AllocateProducerIds: a block for a broker, in its turn among the events.
 * On a fiber.  KP code; NONE fills start and len.
 */
int16_t kb_controller_allocate_pids(struct kb_controller *c, int32_t broker,
    int64_t broker_epoch, int64_t *start, int32_t *len);

/*
 * AlterPartition and ControlledShutdown, each in its turn among the events; on
 * a fiber.  They fill out (error codes too) from arena.  KC_OK or KC_ENOMEM.
 */
int kb_controller_alter_partition(struct kb_controller *c,
    const struct kp_alter_partition_req *in, int16_t version,
    struct kc_arena *arena, struct kp_alter_partition_resp *out);
int kb_controller_shutdown(struct kb_controller *c,
    const struct kp_controlled_shutdown_req *in, struct kc_arena *arena,
    struct kp_controlled_shutdown_resp *out);

struct kb_election { /* a partition in ElectLeaders */
	const char *topic; /* borrowed */
	int32_t index;
	/* Out. */
	int16_t code;
	const char *why; /* static; NULL: none */
	int32_t leader; /* when code is NONE: to be waited for */
};
/*
 * Give each a leader, its preferred replica or (unclean) any that is online,
 * in its turn among the events; on a fiber.  KC_OK (look at the codes) or
 * KC_ENOMEM.
 */
int kb_controller_elect_leaders(
    struct kb_controller *c, struct kb_election *v, int n, bool unclean);

/*
 * Unclean leaders are allowed where they were not: elect for partitions
 * without a leader again.  On a fiber.
 */
void kb_controller_elect_again(struct kb_controller *c);

struct kb_reassignment { /* a partition on its way to other brokers */
	const char *topic;
	int32_t index;
	int32_t *replicas;
	int32_t nreplicas;
	const int32_t *adding;
	int32_t nadding;
	const int32_t *removing;
	int32_t nremoving;
};
/* fn with each of them, which must not wait; stops at an error of fn. */
int kb_controller_reassignments(struct kb_controller *c,
    int (*fn)(void *arg, const struct kb_reassignment *r), void *arg);
/* AlterPartitionReassignments.  As kb_controller_alter_partition(). */
int kb_controller_reassign(struct kb_controller *c,
    const struct kp_alter_partition_reassignments_req *in,
    struct kc_arena *arena, struct kp_alter_partition_reassignments_resp *out);

/* Is this topic waiting to be deleted?  False when we are not active. */
bool kb_controller_deleting(struct kb_controller *c, const char *topic);

#endif
