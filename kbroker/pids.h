/*
 * pids -- producer ids for those who ask, each given once in a cluster.
 *
 * A broker holds a block of 1000 that the controller gave it, and asks for
 * the next one before the present one is used up.  What is left of a block
 * when the broker stops is never used.
 *
 * From Kafka: RPCProducerIdManager.
 */
#ifndef KB_PIDS_H
#define KB_PIDS_H

#include "kbroker/replica/waitlist.h"
#include "kcommon/base/kc.h"

#include <stdatomic.h>

struct kb_pids;
struct kb_toctl;
struct kc_lock;
struct kc_loop;

struct kb_pids_params {
	struct kc_loop *loop; /* the control thread's */
	struct kb_toctl *toctl; /* outlives it */
	int32_t broker_id;
	const _Atomic int64_t *broker_epoch;
};

/* Asks for nothing yet: the first block is for the first producer. */
int kb_pids_open(struct kb_pids **pp, const struct kb_pids_params *p);
/*
 * Asks for no more blocks and wakes who waits for one.  After
 * kb_toctl_stop(), in a fiber of the control thread.
 */
void kb_pids_stop(struct kb_pids *p);
/* Stopped before, or never asked.  *pp may be NULL.  @thread any */
void kb_pids_close(struct kb_pids **pp);

/*
 * True: *id is the caller's.  False: none is at hand; a block has been asked
 * for, and the waiters are woken once it is there.  @thread any
 */
bool kb_pids_next(struct kb_pids *p, int64_t *id);
/* Whoever waits for a block, for kb_park_on().  @thread any */
struct kc_lock *kb_pids_lock(struct kb_pids *p);
struct kb_waitlist *kb_pids_waiters(struct kb_pids *p);

/* --- the blocks, without I/O ---------------------------------------------- */

struct kb_pid_blocks { /* zeroed: none */
	int64_t next, end; /* ids not given out: [next, end) */
	int64_t low; /* the id at which the next block is wanted */
	int64_t then, then_end; /* the block after it */
};

/* *want is set when the next block is to be asked for, else left alone. */
bool kb_pid_blocks_take(struct kb_pid_blocks *b, int64_t *id, bool *want);
/* KC_OK; KC_ERANGE for a block that cannot be, KC_EEXIST when there is one. */
int kb_pid_blocks_add(struct kb_pid_blocks *b, int64_t start, int32_t len);

#endif
