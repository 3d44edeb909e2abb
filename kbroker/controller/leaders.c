/*
 * ElectLeaders and ListPartitionReassignments: what clients ask of the
 * controller about leadership.
 *
 * From Kafka: KafkaController.processReplicaLeaderElection,
 * processListPartitionReassignments.
 */
#include "kbroker/controller/ctl.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"

#include <stdlib.h>

struct ask {
	struct kb_election *v;
	int n;
	bool unclean;
	struct kb_cpart **parts; /* [n], those to be elected for; else NULL */
};

static void
say(struct kb_election *e, int16_t code, const char *why)
{
	e->code = code;
	e->why = why;
}

static bool
is_live(struct kb_controller *c, int32_t id)
{
	const struct kb_cbroker *b = kb_model_broker(&c->m, id);

	return b != NULL && !b->shutting_down;
}

/* Is there anything to do?  Else the answer is in e. */
static bool
needed(struct kb_controller *c, const struct ask *a, struct kb_election *e,
    struct kb_cpart *p)
{
	bool wanted;

	if (p == NULL || !p->led) {
		say(e, KP_UNKNOWN_TOPIC_OR_PARTITION,
		    "The partition does not exist.");
		return false;
	}
	if (p->topic->deleting) {
		say(e, KP_INVALID_TOPIC_EXCEPTION,
		    "The topic is being deleted");
		return false;
	}
	if (a->unclean)
		wanted = !is_live(c, p->ls.leader);
	else
		wanted =
		    p->nreplicas > 0 && p->ls.leader != p->replicas[0].broker;
	if (!wanted)
		say(e, KP_ELECTION_NOT_NEEDED,
		    "Leader election not needed for topic partition.");
	return wanted;
}

static struct kb_cpart *
find(struct kb_controller *c, const struct kb_election *e)
{
	struct kb_ctopic *t = kb_model_topic(&c->m, e->topic);

	return t != NULL ? kb_model_part(t, e->index) : NULL;
}

static int
by_address(const void *a, const void *b)
{
	const struct kb_cpart *const *x = a, *const *y = b;

	return (*x > *y) - (*x < *y);
}

/* One that is named twice is elected for once. */
static int
each_once(struct kb_cpart **v, int n)
{
	int kept = 0;

	if (n > 0)
		qsort(v, (size_t)n, sizeof(struct kb_cpart *), by_address);
	for (int i = 0; i < n; i++)
		if (kept == 0 || v[kept - 1] != v[i])
			v[kept++] = v[i];
	return kept;
}

static void
hold(struct kb_controller *c, struct ask *a, struct kb_cpart **v, int n)
{
	struct kb_batch b;

	if (n == 0)
		return;
	kb_batch_init(&b, c);
	ctl_parts_elect(
	    c, &b, v, n, a->unclean ? KB_ELECT_UNCLEAN : KB_ELECT_PREFERRED);
	kb_batch_send(&b, NULL, 0);
}

static void
tell(struct kb_controller *c, const struct ask *a, int i)
{
	const struct kb_cpart *p = a->parts[i];
	bool ok;

	if (p == NULL)
		return;
	if (c->aborted) {
		say(&a->v[i], KP_NOT_CONTROLLER, NULL);
		return;
	}
	if (a->unclean)
		ok = is_live(c, p->ls.leader);
	else
		ok = p->ls.leader == p->replicas[0].broker;
	a->v[i].leader = p->ls.leader;
	if (ok)
		say(&a->v[i], KP_NONE, NULL);
	else
		say(&a->v[i],
		    a->unclean ? KP_ELIGIBLE_LEADERS_NOT_AVAILABLE :
				 KP_PREFERRED_LEADER_NOT_AVAILABLE,
		    "Failed to elect leader for the partition: no replica "
		    "that may lead is online.");
}

static void
elect(struct kb_controller *c, void *arg)
{
	struct ask *a = arg;
	struct kb_cpart **v;
	int n = 0;

	if (!ctl_serving(c)) {
		for (int i = 0; i < a->n; i++)
			say(&a->v[i], KP_NOT_CONTROLLER, NULL);
		return;
	}
	v = calloc((size_t)a->n + 1, sizeof *v);
	for (int i = 0; i < a->n; i++) {
		struct kb_cpart *p = find(c, &a->v[i]);

		if (v == NULL) {
			say(&a->v[i], KP_UNKNOWN_SERVER_ERROR, NULL);
			continue;
		}
		if (!needed(c, a, &a->v[i], p))
			continue;
		a->parts[i] = p;
		v[n++] = p;
	}
	hold(c, a, v, each_once(v, n));
	free(v);
	for (int i = 0; i < a->n; i++)
		tell(c, a, i);
}

void
ctl_elect_leaders(
    struct kb_controller *c, struct kb_election *v, int n, bool unclean)
{
	struct ask a = { .v = v, .n = n, .unclean = unclean };

	a.parts = calloc((size_t)n + 1, sizeof *a.parts);
	if (ctl_ok(c, a.parts == NULL ? KC_ENOMEM : KC_OK, "electing leaders"))
		elect(c, &a);
	free(a.parts);
}

int
kb_controller_elect_leaders(
    struct kb_controller *c, struct kb_election *v, int n, bool unclean)
{
	struct ask a = { .v = v, .n = n, .unclean = unclean };
	bool ok;

	a.parts = calloc((size_t)n + 1, sizeof *a.parts);
	ok = a.parts != NULL && ctl_call(c, elect, &a);
	free(a.parts);
	return ok ? KC_OK : KC_ENOMEM;
}

static void
elect_again(struct kb_controller *c, void *arg)
{
	struct kb_batch b;

	(void)arg;
	if (!ctl_serving(c))
		return;
	kb_batch_init(&b, c);
	ctl_parts_trigger(c, &b);
	kb_batch_send(&b, NULL, 0);
}

void
kb_controller_elect_again(struct kb_controller *c)
{
	if (atomic_load(&c->active))
		(void)ctl_call(c, elect_again, NULL);
}

int
kb_controller_reassignments(struct kb_controller *c,
    int (*fn)(void *arg, const struct kb_reassignment *r), void *arg)
{
	struct kb_ctopic *t, *tmp;
	int rc = KC_OK;

	HASH_ITER(hh, c->m.topics, t, tmp)
		for (int32_t i = 0; i < t->nparts && rc == KC_OK; i++) {
			const struct kb_cpart *p = &t->parts[i];
			struct kb_reassignment r = {
				.topic = t->name,
				.index = p->index,
				.nreplicas = p->nreplicas,
				.adding = p->adding.v,
				.nadding = p->adding.n,
				.removing = p->removing.v,
				.nremoving = p->removing.n,
			};

			if (r.nadding == 0 && r.nremoving == 0)
				continue;
			r.replicas =
			    calloc((size_t)r.nreplicas + 1, sizeof *r.replicas);
			if (r.replicas == NULL)
				return KC_ENOMEM;
			for (int32_t j = 0; j < r.nreplicas; j++)
				r.replicas[j] = p->replicas[j].broker;
			rc = fn(arg, &r);
			free(r.replicas);
		}
	return rc;
}
