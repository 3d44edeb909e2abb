/*
 * isr -- who is in sync with a leader, and what follows from it.
 *
 * Decisions without I/O, locks or a clock: a leader's picture of its
 * followers and of the in-sync set goes in, what to do comes out.
 *
 * Kafka: kafka.cluster.Replica, Partition, PartitionState; replication.md 2,
 * 3 and 5.
 *
 * @thread any (the owner's lock guards the structs)
 */
#ifndef KB_REPLICA_ISR_H
#define KB_REPLICA_ISR_H

#include "kcommon/base/kc.h"

/* Before every moment, however early the clock began. */
#define KB_NEVER_MS (INT64_MIN / 4)

struct kb_remote { /* a follower, as its leader knows it */
	int32_t id;
	int64_t end; /* its log end; -1: no fetch in this epoch yet */
	int64_t start; /* its log start; -1 */
	int64_t fetched_ms; /* of the last fetch; monotonic, as all here */
	int64_t leader_end; /* our log end at that fetch; -1 */
	int64_t caught_up_ms; /* when it last had all that we had */
	int64_t broker_epoch; /* of its life, by Fetch 15 and later; -1 */
};

/* We begin to lead (anew), or lead on in a later epoch. */
void kb_remote_reset(struct kb_remote *r, bool anew, bool in_sync,
    int64_t leader_end, int64_t now_ms);

struct kb_remote_fetch {
	int64_t offset;
	int64_t start;
	int64_t leader_end; /* when it was read for */
	int64_t now_ms;
	int64_t broker_epoch; /* -1 unknown */
};

/*
 * A fetch came.  False, and nothing is noted, for one of an earlier life of
 * that broker.  The first fetch of a new life is no proof that what the life
 * before had fetched is still there.
 */
bool kb_remote_fetched(struct kb_remote *r, const struct kb_remote_fetch *f);
bool kb_remote_caught_up(const struct kb_remote *r, int64_t leader_end,
    int64_t now_ms, int64_t lag_max_ms);

enum kb_isr_change { KB_ISR_STABLE, KB_ISR_EXPANDING, KB_ISR_SHRINKING };

/*
 * The in-sync set: what the controller said, and what we have asked it for.
 * Arrays owned.  next is NULL exactly when change is KB_ISR_STABLE.
 */
struct kb_isr {
	int32_t *v;
	int32_t n;
	enum kb_isr_change change;
	int32_t *next;
	int32_t nnext;
};

bool kb_isr_has(const struct kb_isr *isr, int32_t id);
/* The maximal set: with who is asked in, and not without who is asked out. */
bool kb_isr_has_maximal(const struct kb_isr *isr, int32_t id);
int32_t kb_isr_size_maximal(const struct kb_isr *isr);
/* v becomes the committed set; nothing is pending.  KC_OK or KC_ENOMEM. */
int kb_isr_commit(struct kb_isr *isr, const int32_t *v, int32_t n);
/* Back to the committed set. */
void kb_isr_forget(struct kb_isr *isr);
void kb_isr_fini(struct kb_isr *isr);

/* What the decisions below look at; all borrowed. */
struct kb_isr_view {
	int32_t me;
	const struct kb_isr *isr;
	const struct kb_remote *remotes;
	int32_t nremotes;
	int64_t leader_end;
	int64_t hw;
	int64_t epoch_start;
	int32_t min_isr; /* effective */
	int64_t now_ms;
	int64_t lag_max_ms;
	bool (*alive)(void *arg, int32_t id); /* registered now */
	void *arg;
};

/*
 * The high watermark as it may be now; v->hw when it stays (HW-1 to HW-4).
 */
int64_t kb_isr_high_watermark(const struct kb_isr_view *v);
/* May r be asked into the set (ISR-1)? */
bool kb_isr_may_join(const struct kb_isr_view *v, const struct kb_remote *r);
/*
 * Asks id in: the set is KB_ISR_EXPANDING.  KC_OK or KC_ENOMEM.
 * kb_isr_may_join() was true.
 */
int kb_isr_expand(struct kb_isr *isr, int32_t id);
/*
 * Asks out who lags (ISR-2): KC_OK and KB_ISR_SHRINKING, or KC_ENOENT when
 * nobody does or something is pending, or KC_ENOMEM.  isr is v->isr.
 */
int kb_isr_shrink(struct kb_isr *isr, const struct kb_isr_view *v);

/* What the controller's refusal of an AlterPartition means (PE-2). */
enum kb_isr_refusal {
	KB_ISR_BACK, /* to the committed set */
	KB_ISR_WAIT, /* stay pending: newer LeaderAndIsr will come */
	KB_ISR_AGAIN, /* ask again */
};
enum kb_isr_refusal kb_isr_refused(int16_t code);

/*
 * How far a follower cuts its log (replication.md 5).  The leader says that
 * epoch (-1: knows none) ends at end (-1: cannot say); own_epoch and own_end
 * are our look-up of that epoch, own_epoch -1 when we know none.  *done is
 * false when the leader must be asked again from there.
 */
int64_t kb_truncate_to(int32_t epoch, int64_t end, int32_t own_epoch,
    int64_t own_end, int64_t log_end, bool *done);

#endif
