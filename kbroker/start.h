/*
 * start -- how a broker starts: the inside of struct kb_broker's `start`,
 * shared by broker.c (open, wait, close) and start.c (the steps).
 */
#ifndef KB_START_H
#define KB_START_H

#include "kbroker/core.h"
#include "kcommon/base/lock.h"
#include "kzk/await.h"
#include "kzk/kzk.h"

enum kb_phase { /* rising */
	KB_PHASE_STARTING,
	KB_PHASE_READY,
	KB_PHASE_STOPPED, /* the control thread has let go of everything */
};

struct kb_start {
	struct kb_broker *owner;
	struct kc_lock lock; /* a leaf */
	struct kc_cond cond;
	/* Guarded by lock. */
	enum kb_phase phase;
	bool stop; /* asked for */
	int err; /* why it cannot start or go on */
	bool left; /* leaving has ended */

	/* The control thread's, and main's before and after it. */
	struct kc_thread *thread;
	struct kzk_listener zk_listener;
	struct kzk_awaited zk_first;
	struct kc_fiber *waiter; /* of the start, for zk and readiness */
	bool zk_up; /* first() has been called */
	bool loaded; /* the logs: they may be marked clean at the end */
	bool registered;
	struct kb_log_events events;
	struct kc_tls *client_tls; /* between brokers; NULL: plaintext */
	struct kb_reader *readers;
	int nreaders;
	struct kc_task begin;
	struct kc_task leave;
	struct kc_fiber *leaver; /* asks the controller, or sleeps */
	struct kc_task finish;
};

/* phase rises, the first err stays; whoever waits hears.  @thread any */
void kb_start_phase(struct kb_broker *b, enum kb_phase phase, int err);
/* The broker cannot go on; whoever waits for it hears.  @thread any */
void kb_start_give_up(struct kb_broker *b, int err);
/*
 * All steps from the ZooKeeper session to the registration and the running
 * controller.  KC_OK, or why it cannot start (logged).  @thread control, in a
 * fiber
 */
int kb_start_steps(struct kb_broker *b);

#endif
