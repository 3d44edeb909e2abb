/*
 * move -- assignments on their way to others (KIP-455): pure decisions.
 *
 * A partition's replicas are all it has (RS), of which adding are to come and
 * removing are to go.  Its origin is RS - adding, its target RS - removing.
 * Kafka's ReplicaAssignment; controller.md 7.
 *
 * @thread any
 */
#ifndef KB_CONTROLLER_MOVE_H
#define KB_CONTROLLER_MOVE_H

#include "kbroker/controller/create.h"
#include "kbroker/controller/model.h"

struct kb_move { /* an assignment; owned */
	struct kb_ids replicas;
	struct kb_ids adding;
	struct kb_ids removing;
};

/* p may be NULL: no replicas at all.  KC_OK or KC_ENOMEM. */
int kb_move_current(const struct kb_cpart *p, struct kb_move *out);
/* From what p has on to target, from the origin whatever is under way. */
int kb_move_to(const struct kb_cpart *p, const int32_t *target, int32_t n,
    struct kb_move *out);
/* Back to the origin. */
int kb_move_back(const struct kb_cpart *p, struct kb_move *out);
/* Where it leads to, at rest. */
int kb_move_done(const struct kb_cpart *p, struct kb_move *out);
void kb_move_fini(struct kb_move *m);

bool kb_move_is_current(const struct kb_cpart *p, const struct kb_move *m);
/* Is target (in this order) where p is going, or is? */
bool kb_move_leads_to(
    const struct kb_cpart *p, const int32_t *target, int32_t n);
/* Every target replica is in the ISR. */
bool kb_move_complete(const struct kb_cpart *p);

/* A list of replicas as asked for.  NONE or INVALID_REPLICA_ASSIGNMENT. */
int16_t kb_move_check(const int32_t *v, int32_t n, struct kb_why *why);

#endif
