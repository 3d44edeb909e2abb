/*
 * AlterPartitionReassignments (KIP-455): what is asked for, checked.
 */
#include "kbroker/controller/ctl.h"
#include "kbroker/controller/reassign.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdio.h>
#include <stdlib.h>

struct ask {
	const struct kp_alter_partition_reassignments_req *in;
	struct kc_arena *arena;
	struct kp_alter_partition_reassignments_resp *out;
	struct ctl_move *moves;
	struct kp_reassignable_partition_response **answers; /* of moves */
	int n;
	int rc;
};

static int16_t
say(struct ask *a, struct kp_reassignable_partition_response *o, int16_t code,
    const char *why)
{
	o->error_code = code;
	o->error_message =
	    why[0] != '\0' ? kc_arena_str(a->arena, kc_str(why)) : KC_STR_NULL;
	return code;
}

static bool
adding_live(struct kb_controller *c, const struct kb_move *m)
{
	for (int32_t i = 0; i < m->adding.n; i++) {
		const struct kb_cbroker *b =
		    kb_model_broker(&c->m, m->adding.v[i]);

		if (b == NULL || b->shutting_down)
			return false;
	}
	return true;
}

/* In Kafka's order: the list, then what there is to cancel, then the topic. */
static int16_t
plan(struct kb_controller *c, struct ask *a, struct kb_cpart *p,
    const struct kp_reassignable_partition *in,
    struct kp_reassignable_partition_response *o, struct kb_move *to)
{
	struct kb_why why = { "" };
	bool cancel = in->replicas.n < 0;

	if (cancel && (p == NULL || !ctl_reassigning(p)))
		return say(a, o, KP_NO_REASSIGNMENT_IN_PROGRESS, "");
	if (!cancel &&
	    kb_move_check(in->replicas.v, in->replicas.n, &why) != KP_NONE)
		return say(a, o, KP_INVALID_REPLICA_ASSIGNMENT, why.s);
	if ((cancel ?
		    kb_move_back(p, to) :
		    kb_move_to(p, in->replicas.v, in->replicas.n, to)) != KC_OK)
		return say(a, o, KP_UNKNOWN_SERVER_ERROR, "");
	if (!cancel && !adding_live(c, to))
		return say(a, o, KP_INVALID_REPLICA_ASSIGNMENT,
		    "Replica assignment has brokers that are not alive.");
	if (p == NULL)
		return say(a, o, KP_UNKNOWN_TOPIC_OR_PARTITION,
		    "The partition does not exist.");
	if (p->topic->deleting)
		return say(a, o, KP_UNKNOWN_TOPIC_OR_PARTITION,
		    "The topic is being deleted.");
	if (p->ask_no == c->ask_no)
		return say(
		    a, o, KP_INVALID_REQUEST, "The partition is named twice.");
	p->ask_no = c->ask_no;
	return KP_NONE;
}

static void
plan_one(struct kb_controller *c, struct ask *a, struct kb_ctopic *t,
    const struct kp_reassignable_partition *in,
    struct kp_reassignable_partition_response *o)
{
	struct ctl_move *m = &a->moves[a->n];

	*m = (struct ctl_move){ .at = a->n };
	m->p = t == NULL ? NULL : kb_model_part(t, in->partition_index);
	if (plan(c, a, m->p, in, o, &m->to) == KP_NONE)
		a->answers[a->n++] = o;
	else
		kb_move_fini(&m->to);
}

/* The shape of the answer, and fn for each partition. */
static bool
each(struct kb_controller *c, struct ask *a, bool refuse)
{
	const struct kp_alter_partition_reassignments_req *in = a->in;

	if (!KP_ARRAY(a->arena, &a->out->responses, reassignable_topic_response,
		KC_MAX(in->topics.n, 0)))
		return false;
	for (int32_t i = 0; i < a->out->responses.n; i++) {
		const struct kp_reassignable_topic *t = &in->topics.v[i];
		struct kp_reassignable_topic_response *to =
		    &a->out->responses.v[i];
		struct kb_ctopic *ct = kb_model_topic_str(&c->m, t->name);

		to->name = t->name;
		if (!KP_ARRAY(a->arena, &to->partitions,
			reassignable_partition_response,
			KC_MAX(t->partitions.n, 0)))
			return false;
		for (int32_t j = 0; j < to->partitions.n; j++) {
			to->partitions.v[j].partition_index =
			    t->partitions.v[j].partition_index;
			to->partitions.v[j].error_message = KC_STR_NULL;
			if (refuse)
				to->partitions.v[j].error_code =
				    KP_NOT_CONTROLLER;
			else
				plan_one(c, a, ct, &t->partitions.v[j],
				    &to->partitions.v[j]);
		}
	}
	return true;
}

static void
refuse(struct kb_controller *c, struct ask *a)
{
	a->out->error_code = KP_NOT_CONTROLLER;
	a->out->error_message = KC_STR_NULL;
	if (!each(c, a, true))
		a->rc = KC_ENOMEM;
}

static void
reassign(struct kb_controller *c, void *arg)
{
	struct ask *a = arg;

	a->out->error_message = KC_STR_LIT("");
	if (!ctl_serving(c)) {
		refuse(c, a);
		return;
	}
	c->ask_no++;
	if (!each(c, a, false)) {
		a->rc = KC_ENOMEM;
		return;
	}
	if (a->n > 0)
		ctl_reassign_forget(c);
	if (!c->aborted)
		ctl_reassign(c, a->moves, a->n);
	if (c->aborted) {
		refuse(c, a);
		return;
	}
	for (int i = 0; i < a->n; i++)
		a->answers[a->moves[i].at]->error_code = a->moves[i].code;
}

static size_t
count(const struct kp_alter_partition_reassignments_req *in)
{
	size_t n = 0;

	for (int32_t i = 0; i < in->topics.n; i++)
		n += (size_t)KC_MAX(in->topics.v[i].partitions.n, 0);
	return n;
}

int
kb_controller_reassign(struct kb_controller *c,
    const struct kp_alter_partition_reassignments_req *in,
    struct kc_arena *arena, struct kp_alter_partition_reassignments_resp *out)
{
	struct ask a = { .in = in, .arena = arena, .out = out };
	size_t n = count(in) + 1;

	a.answers = kc_arena_array(arena, n, sizeof(void *));
	a.moves = calloc(n, sizeof *a.moves);
	if (a.answers == NULL || a.moves == NULL || !ctl_call(c, reassign, &a))
		a.rc = KC_ENOMEM;
	ctl_moves_free(a.moves, a.n);
	return a.rc;
}
