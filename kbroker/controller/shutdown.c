/*
 * ControlledShutdown: a broker that stops asks to be relieved first (CS-1).
 *
 * What it leads goes to somebody else of the ISR, what it follows leaves the
 * ISR; it counts as not eligible until its registration is gone.
 */
#include "kbroker/controller/ctl.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

struct ask {
	const struct kp_controlled_shutdown_req *in;
	struct kc_arena *arena;
	struct kp_controlled_shutdown_resp *out;
	int rc;
};

struct parts {
	struct kb_cpart **led;
	int nled;
	struct ctl_replica *followed;
	int nfollowed;
};

static int16_t
check(struct kb_controller *c, const struct kp_controlled_shutdown_req *in)
{
	const struct kb_cbroker *b = kb_model_broker(&c->m, in->broker_id);

	if (!ctl_serving(c))
		return KP_STALE_CONTROLLER_EPOCH;
	if (b == NULL)
		return KP_BROKER_NOT_AVAILABLE;
	if (in->broker_epoch != -1 && in->broker_epoch < b->epoch)
		return KP_STALE_BROKER_EPOCH;
	return KP_NONE;
}

/* Somebody else could have it. */
static bool
movable(const struct kb_cpart *p)
{
	return p->led && p->nreplicas > 1 && !p->topic->deleting;
}

static bool
collect(struct kb_controller *c, int32_t id, struct parts *s)
{
	size_t n = (size_t)ctl_count_parts(c) + 1;
	struct kb_ctopic *t, *tmp;

	s->led = calloc(n, sizeof *s->led);
	s->followed = calloc(n, sizeof *s->followed);
	if (!ctl_ok(c,
		s->led == NULL || s->followed == NULL ? KC_ENOMEM : KC_OK,
		"relieving a broker"))
		return false;
	HASH_ITER(hh, c->m.topics, t, tmp)
		for (int32_t i = 0; i < t->nparts; i++) {
			struct kb_cpart *p = &t->parts[i];

			if (!movable(p) || kb_model_replica(p, id) == NULL)
				continue;
			if (p->ls.leader == id)
				s->led[s->nled++] = p;
			else
				s->followed[s->nfollowed++] =
				    (struct ctl_replica){ p, id };
		}
	return true;
}

static void
relieve(struct kb_controller *c, int32_t id, const struct parts *s)
{
	struct kb_batch b;

	kb_batch_init(&b, c);
	if (s->nled > 0)
		ctl_parts_elect(c, &b, s->led, s->nled, KB_ELECT_SHUTDOWN);
	kb_batch_send(&b, NULL, 0);
	/* It stops fetching before it leaves the ISR. */
	for (int i = 0; i < s->nfollowed; i++)
		kb_batch_stop(&b, s->followed[i].p, id, false);
	kb_batch_send(&b, NULL, 0);
	if (!c->aborted && s->nfollowed > 0)
		ctl_replicas_to(
		    c, &b, s->followed, s->nfollowed, KB_REPLICA_OFFLINE);
	kb_batch_send(&b, NULL, 0);
}

static int
answer(struct ask *a, const struct parts *s)
{
	int32_t n = 0;

	if (!KP_ARRAY(a->arena, &a->out->remaining_partitions,
		remaining_partition, s->nled))
		return KC_ENOMEM;
	for (int i = 0; i < s->nled; i++) {
		const struct kb_cpart *p = s->led[i];
		struct kp_remaining_partition *o;

		if (p->ls.leader != a->in->broker_id)
			continue;
		o = &a->out->remaining_partitions.v[n++];
		o->topic_name = kc_arena_str(a->arena, kc_str(p->topic->name));
		if (o->topic_name.p == NULL)
			return KC_ENOMEM;
		o->partition_index = p->index;
	}
	a->out->remaining_partitions.n = n;
	return KC_OK;
}

static void
shutdown_broker(struct kb_controller *c, void *arg)
{
	struct ask *a = arg;
	struct parts s = { 0 };
	int32_t id = a->in->broker_id;

	a->out->error_code = check(c, a->in);
	if (a->out->error_code != KP_NONE)
		return;
	kc_log(KC_LOG_INFO, CTL_LOGGER,
	    "[Controller id=%d] Shutting down broker %d", c->p.broker_id, id);
	kb_model_broker(&c->m, id)->shutting_down = true;
	if (collect(c, id, &s)) {
		relieve(c, id, &s);
		a->rc = answer(a, &s);
	} else {
		a->rc = KC_ENOMEM;
	}
	if (c->aborted) {
		a->out->error_code = KP_STALE_CONTROLLER_EPOCH;
		a->out->remaining_partitions.n = 0;
	}
	free(s.led);
	free(s.followed);
}

int
kb_controller_shutdown(struct kb_controller *c,
    const struct kp_controlled_shutdown_req *in, struct kc_arena *arena,
    struct kp_controlled_shutdown_resp *out)
{
	struct ask a = { .in = in, .arena = arena, .out = out };

	if (!ctl_call(c, shutdown_broker, &a))
		return KC_ENOMEM;
	return a.rc;
}
