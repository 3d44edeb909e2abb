/*
 * Preferred elections that no request asks for: the znode
 * /admin/preferred_replica_election, and the controller itself from time to
 * time, when too many leaders are away from where they should be
 * (controller.md 8).
 */
#include "kbroker/config.h"
#include "kbroker/controller/ctl.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdlib.h>

/* --- /admin/preferred_replica_election ------------------------------------ */

static void
elect_listed(struct kb_controller *c, const struct kzk_partition_list *l)
{
	struct kb_election *v = calloc((size_t)l->n + 1, sizeof *v);

	for (int32_t i = 0; i < l->n && v != NULL; i++) {
		v[i].topic = l->v[i].topic.p;
		v[i].index = l->v[i].partition;
	}
	if (ctl_ok(c, v == NULL ? KC_ENOMEM : KC_OK, "electing leaders"))
		ctl_elect_leaders(c, v, l->n, false);
	for (int32_t i = 0; i < l->n && v != NULL && !c->aborted; i++)
		if (v[i].code != KP_NONE && v[i].code != KP_ELECTION_NOT_NEEDED)
			kc_log(KC_LOG_INFO, CTL_LOGGER,
			    "[Controller id=%d] Preferred replica election of "
			    "%s-%d, asked for through ZooKeeper: %s",
			    c->p.broker_id, v[i].topic, v[i].index,
			    kp_error_name(v[i].code));
	free(v);
}

void
ctl_preferred_node(struct kb_controller *c)
{
	struct kzk_partition_list l;
	struct kzk_op *op;
	int rc = kzk_await(
	    kzk_op_exists(c->p.zk, KZK_PREFERRED_ELECTION, &c->w_preferred),
	    NULL);

	if (rc == KC_OK)
		rc = kzk_await(
		    kzk_op_get(c->p.zk, KZK_PREFERRED_ELECTION, NULL), &op);
	if (rc == KC_ENOENT || !ctl_ok(c, rc, "reading preferred elections") ||
	    rc != KC_OK)
		return;
	if (kzk_partitions_decode(op->data, &l) == KC_OK) {
		elect_listed(c, &l);
		kzk_partition_list_fini(&l);
	} else {
		kc_log(KC_LOG_ERROR, CTL_LOGGER,
		    "[Controller id=%d] " KZK_PREFERRED_ELECTION
		    " is not what it should be; it is deleted",
		    c->p.broker_id);
	}
	if (c->aborted)
		return;
	rc = kzk_await(
	    ctl_fenced(c, kzk_op_delete(c->p.zk, KZK_PREFERRED_ELECTION, -1)),
	    NULL);
	if (rc != KC_ENOENT)
		ctl_ok(c, rc, "deleting preferred elections");
}

/* --- from time to time -----------------------------------------------------
 */

#define FIRST_MS 5000

/* Counts for each live broker what it should lead, and what it does not. */
static void
weigh(struct kb_controller *c)
{
	struct kb_cbroker *b, *btmp;
	struct kb_ctopic *t, *tmp;

	HASH_ITER(hh, c->m.brokers, b, btmp)
		b->preferred = b->away = 0;
	HASH_ITER(hh, c->m.topics, t, tmp)
		for (int32_t i = 0; i < t->nparts && !t->deleting; i++) {
			const struct kb_cpart *p = &t->parts[i];

			b = p->nreplicas == 0 ?
			    NULL :
			    kb_model_broker(&c->m, p->replicas[0].broker);
			if (b == NULL)
				continue;
			b->preferred++;
			b->away += p->led && p->ls.leader != b->id;
		}
}

static bool
goes_back(struct kb_controller *c, const struct kb_cpart *p)
{
	const struct kb_cbroker *b;

	if (!p->led || p->nreplicas == 0 || p->topic->deleting ||
	    p->ls.leader == p->replicas[0].broker)
		return false;
	b = kb_model_broker(&c->m, p->replicas[0].broker);
	return b != NULL &&
	    kb_imbalanced(b->away, b->preferred,
		c->p.config->leader_imbalance_per_broker_percentage) &&
	    kb_model_replica_online(&c->m, p, b->id) &&
	    kb_ids_has(&p->ls.isr, b->id);
}

void
ctl_rebalance(struct kb_controller *c)
{
	struct kb_cpart **v =
	    calloc((size_t)ctl_count_parts(c) + 1, sizeof(void *));
	struct kb_ctopic *t, *tmp;
	struct kb_batch b;
	int n = 0;

	if (ctl_ok(c, v == NULL ? KC_ENOMEM : KC_OK, "balancing leaders")) {
		weigh(c);
		HASH_ITER(hh, c->m.topics, t, tmp)
			for (int32_t i = 0; i < t->nparts; i++)
				if (goes_back(c, &t->parts[i]))
					v[n++] = &t->parts[i];
		if (n > 0)
			kc_log(KC_LOG_INFO, CTL_LOGGER,
			    "[Controller id=%d] Starting preferred replica "
			    "leader election for %d partitions",
			    c->p.broker_id, n);
		kb_batch_init(&b, c);
		if (n > 0)
			ctl_parts_elect(c, &b, v, n, KB_ELECT_PREFERRED);
		kb_batch_send(&b, NULL, 0);
	}
	free(v);
	if (!c->aborted)
		kc_timer_set(c->p.loop, &c->rebalance,
		    kc_loop_now_ms(c->p.loop) +
			c->p.config->leader_imbalance_check_interval_seconds *
			    1000);
}

void
ctl_rebalance_start(struct kb_controller *c)
{
	if (c->p.config->auto_leader_rebalance_enable)
		kc_timer_set(c->p.loop, &c->rebalance,
		    kc_loop_now_ms(c->p.loop) + FIRST_MS);
}
