/*
 * ctl -- the inside of the controller, shared by the files of this folder.
 *
 * @thread control
 */
#ifndef KB_CONTROLLER_CTL_H
#define KB_CONTROLLER_CTL_H

#include "kbroker/controller/batch.h"
#include "kbroker/controller/controller.h"
#include "kbroker/controller/elect.h"
#include "kbroker/controller/model.h"
#include "kzk/kzk.h"

#include <stdatomic.h>

#define CTL_LOGGER "kafka.controller.KafkaController"
#define CTL_STATE_LOGGER "state.change.logger"

enum ctl_event_type {
	CTL_STARTUP,
	CTL_CONTROLLER_CHANGE, /* /controller written or gone */
	CTL_REELECT, /* a new session */
	CTL_BROKER_CHANGE,
	CTL_BROKER_DATA, /* broker */
	CTL_TOPIC_CHANGE,
	CTL_TOPIC_DATA, /* topic: partitions were added */
	CTL_TOPIC_DELETION,
	CTL_LOG_DIR_CHANGE,
	CTL_ISR_CHANGE,
	CTL_PREFERRED, /* /admin/preferred_replica_election */
	CTL_REASSIGN_NODE, /* /admin/reassign_partitions */
	CTL_REASSIGN_CHECK, /* an ISR grew: has one come to its end? */
	CTL_REBALANCE,
	CTL_ISR_OF, /* topic, and the partition in broker */
	CTL_LEADER_AND_ISR_DONE, /* broker, codes */
	CTL_STOP_REPLICA_DONE, /* broker, codes */
	CTL_CALL, /* call(): a request of somebody else's */
};

/* What a broker said of one partition. */
struct ctl_code {
	char *topic; /* owned */
	int32_t index;
	int16_t code;
};

struct ctl_event {
	struct ctl_event *next;
	enum ctl_event_type type;
	int32_t broker;
	char *topic; /* owned */
	struct ctl_code *codes; /* owned */
	int32_t ncodes;
	void (*call)(struct kb_controller *c, void *arg);
	void *arg;
};

struct ctl_replica { /* one replica of one partition */
	struct kb_cpart *p;
	int32_t broker;
};

struct kb_controller {
	unsigned magic;
#define KB_CONTROLLER_MAGIC 0xc0a7301e
	struct kb_controller_params p;
	char *listener;
	struct kb_model m;

	_Atomic int32_t id; /* of the active controller, -1 */
	atomic_bool active; /* it is us */
	int32_t epoch;
	int32_t epoch_version; /* of /controller_epoch: the fence */

	/* Events. */
	struct ctl_event *events;
	struct kc_fiber *fiber; /* NULL: not running */
	bool idle; /* the fiber waits for an event */
	bool stopping;
	/* The session of the event under way is gone, or we were deposed. */
	bool aborted;
	bool expired; /* between two sessions */
	struct kc_fiber *stopper; /* waits in kb_controller_stop() */

	uint32_t batch_no; /* marks of struct kb_batch */
	uint32_t ask_no; /* marks of requests, kb_cpart.ask_no */
	struct kc_timer rebalance;

	struct kzk_watch w_controller;
	struct kzk_watch w_ids;
	struct kzk_watch w_topics;
	struct kzk_watch w_deletes;
	struct kzk_watch w_log_dirs;
	struct kzk_watch w_isr;
	struct kzk_watch w_preferred;
	struct kzk_watch w_reassign;
};

/* Appends to the queue; topic is copied. */
void ctl_post(struct kb_controller *c, enum ctl_event_type type, int32_t broker,
    const char *topic);
void ctl_post_event(struct kb_controller *c, struct ctl_event *e);
void ctl_event_free(struct ctl_event *e);
/*
 * fn(c, arg) in its turn among the events; returns when it has.  For requests
 * of others, on a fiber of theirs: fn looks at ctl_serving() first.  False
 * when memory is out: fn was not called.
 */
bool ctl_call(struct kb_controller *c,
    void (*fn)(struct kb_controller *c, void *arg), void *arg);
/* We are the active controller, and stay it for now. */
bool ctl_serving(const struct kb_controller *c);
/* An event of one at a time: not queued again while it waits in the queue. */
void ctl_post_once(struct kb_controller *c, enum ctl_event_type type);

/*
 * Looks at the error of a write: KC_EFENCED (deposed) and KC_ESESSION set
 * aborted.  True when the event may go on.
 */
bool ctl_ok(struct kb_controller *c, int err, const char *what);
/* op with the fence of our epoch, settled after a lost connection. */
struct kzk_op *ctl_fenced(struct kb_controller *c, struct kzk_op *op);

/* election.c */
void ctl_elect(struct kb_controller *c);
void ctl_controller_change(struct kb_controller *c);
void ctl_resign(struct kb_controller *c);

/* election.c, failover.c */
/* /feature as a 3.9 controller leaves it; false: the event cannot go on. */
bool ctl_setup_feature(struct kb_controller *c);
void ctl_failover(struct kb_controller *c);
/* Reads topic znodes into the model, giving ids to topics without. */
void ctl_load_topics(struct kb_controller *c, char *const *names, int n);
int ctl_count_parts(const struct kb_controller *c);
void ctl_load_states(struct kb_controller *c, struct kb_cpart **parts, int n);

/* brokers.c */
void ctl_broker_change(struct kb_controller *c);
void ctl_broker_data(struct kb_controller *c, int32_t id);
/* Reads ids[0..n) into the model, with channels. */
void ctl_load_brokers(struct kb_controller *c, const int32_t *ids, int n);
void ctl_replicas_offline(
    struct kb_controller *c, struct ctl_replica *v, int n);
void ctl_leader_and_isr_done(struct kb_controller *c, struct ctl_event *e);
void ctl_log_dir_change(struct kb_controller *c);
void ctl_isr_change(struct kb_controller *c);
void ctl_isr_of(struct kb_controller *c, const char *topic, int32_t index);

/* topics.c */
void ctl_topic_change(struct kb_controller *c);
void ctl_topic_data(struct kb_controller *c, const char *topic);
void ctl_new_partitions(struct kb_controller *c, struct kb_cpart **v, int n);

/* delete.c */
void ctl_topic_deletion(struct kb_controller *c);
void ctl_resume_deletions(struct kb_controller *c);
void ctl_stop_replica_done(struct kb_controller *c, struct ctl_event *e);

/* leaders.c: within an event; the answers are in v */
void ctl_elect_leaders(
    struct kb_controller *c, struct kb_election *v, int n, bool unclean);

/* preferred.c */
void ctl_preferred_node(struct kb_controller *c);
void ctl_rebalance(struct kb_controller *c);
void ctl_rebalance_start(struct kb_controller *c);

/* reassign.c */
bool ctl_reassigning(const struct kb_cpart *p);
void ctl_reassign_node(struct kb_controller *c);
void ctl_reassign_check(struct kb_controller *c);
/* Those under way, of broker's targets only unless it is -1, go on. */
void ctl_reassign_resume(struct kb_controller *c, int32_t broker);

/* transitions.c: state machines (controller.md 3) */
/* NEW partitions become ONLINE, with their state znodes. */
void ctl_parts_init(
    struct kb_controller *c, struct kb_batch *b, struct kb_cpart **v, int n);
/* OFFLINE and ONLINE ones get a leader by the offline strategy. */
void ctl_parts_elect(struct kb_controller *c, struct kb_batch *b,
    struct kb_cpart **v, int n, enum kb_elect_strategy strategy);
/* The same leader and ISR in the next leader epoch; nothing is sent. */
void ctl_parts_bump(struct kb_controller *c, struct kb_cpart **v, int n);
/* Elect for every partition that is OFFLINE or NEW and not being deleted. */
void ctl_parts_trigger(struct kb_controller *c, struct kb_batch *b);
/* Leaves in v, and counts, those that could. */
int ctl_replicas_to(struct kb_controller *c, struct kb_batch *b,
    struct ctl_replica *v, int n, enum kb_replica_state target);

/* channel.c */
int ctl_channel_open(struct kb_controller *c, struct kb_cbroker *b);
void ctl_channel_close(struct kb_cbroker *b);

#endif
