/*
 * reassign -- moves of partitions, from all who ask for them.
 *
 * @thread control
 */
#ifndef KB_CONTROLLER_REASSIGN_H
#define KB_CONTROLLER_REASSIGN_H

#include "kbroker/controller/move.h"

struct kb_controller;

struct ctl_move {
	struct kb_cpart *p;
	struct kb_move to; /* owned */
	int16_t code; /* NONE, or why it was not begun */
	int32_t at; /* the asker's */
};

/*
 * Begin, go on with, and where the target is in sync end the moves; each
 * partition once, none of a topic being deleted.  Reorders v.
 */
void ctl_reassign(struct kb_controller *c, struct ctl_move *v, int n);
/*
 * The partitions marked with the current ask_no go out of
 * /admin/reassign_partitions: what is asked for now holds.
 */
void ctl_reassign_forget(struct kb_controller *c);
void ctl_moves_free(struct ctl_move *v, int n);

#endif
