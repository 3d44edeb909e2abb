/*
 * The state machines of partitions and replicas, and the writes they need.
 *
 * Which transitions are allowed and what each sends is controller.md 3
 * (PartitionStateMachine, ReplicaStateMachine).  A change of leadership is
 * read, decided and written with the version read, all partitions in one wave
 * each; those that somebody else changed meanwhile go round again.
 */
#include "kbroker/config.h"
#include "kbroker/controller/ctl.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdlib.h>

/* A partition that loses the race for its state node so often is left. */
#define TRIES_MAX 10

enum step { /* what a decision makes of a partition */
	STEP_WRITE, /* ls holds the new state */
	STEP_KEEP, /* nothing to write; count as done */
	STEP_FAIL,
};

struct change {
	struct kb_cpart *p;
	int32_t broker; /* remove_isr: who is gone */
	struct kzk_partition_state now; /* as read */
	int32_t version;
	bool read;
	bool ok; /* written or kept */
	bool settled;
	enum step step;
	int32_t *isr; /* the new one; owned */
	int32_t nisr;
	int32_t leader;
	int8_t recovery;
};

typedef enum step (*decide_fn)(
    struct kb_controller *c, struct change *ch, enum kb_elect_strategy how);

static void
log_part(struct kb_controller *c, enum kc_log_level level,
    const struct kb_cpart *p, const char *what)
{
	kc_log(level, CTL_STATE_LOGGER, "[Controller id=%d epoch=%d] %s-%d: %s",
	    c->p.broker_id, c->epoch, p->topic->name, p->index, what);
}

/* Wave one: the states as they stand. */
static void
read_states(struct kb_controller *c, struct change *v, int n)
{
	struct kzk_batch *b = NULL;
	struct kzk_path path;

	if (!ctl_ok(c, kzk_batch_open(&b, c->p.zk), "reading partition states"))
		return;
	for (int i = 0; i < n; i++) {
		v[i].read = false;
		kzk_partition_state_fini(&v[i].now);
		if (v[i].settled)
			continue;
		kzk_path_state(
		    &path, kc_str(v[i].p->topic->name), v[i].p->index);
		if (kzk_batch_add(b, kzk_op_get(c->p.zk, path.s, NULL)) !=
		    KC_OK)
			break;
	}
	b = kzk_await_batch(b);
	for (int i = 0, at = 0; i < n; i++) {
		const struct kzk_op *op;

		if (v[i].settled || at >= b->n)
			continue;
		op = b->ops[at++];
		if (op == NULL || op->err != KC_OK) {
			ctl_ok(c, op == NULL ? KC_ENOMEM : op->err,
			    "reading a partition state");
			continue;
		}
		v[i].version = op->stat.version;
		v[i].read =
		    kzk_partition_state_decode(op->data, &v[i].now) == KC_OK;
		/* Written by a later controller: we are the stale one. */
		if (v[i].read && v[i].now.controller_epoch > c->epoch)
			ctl_ok(c, KC_EFENCED, "reading a partition state");
	}
}

static struct kzk_op *
write_op(struct kb_controller *c, struct change *ch)
{
	struct kzk_partition_state z = {
		.leader = ch->leader,
		.leader_epoch = ch->now.leader_epoch + 1,
		.controller_epoch = c->epoch,
		.leader_recovery_state = ch->recovery,
		.isr = { ch->isr, ch->nisr },
	};
	struct kzk_text text = { 0 };
	struct kzk_path path;
	struct kzk_op *op;

	kzk_path_state(&path, kc_str(ch->p->topic->name), ch->p->index);
	if (kzk_partition_state_encode(&z, &text) != KC_OK)
		return NULL;
	op = kzk_op_set(c->p.zk, path.s, kzk_text_str(&text), ch->version);
	kzk_text_fini(&text);
	return ctl_fenced(c, op);
}

static void
written(struct kb_controller *c, struct change *ch, int32_t version)
{
	struct kzk_partition_state z = {
		.leader = ch->leader,
		.leader_epoch = ch->now.leader_epoch + 1,
		.controller_epoch = c->epoch,
		.leader_recovery_state = ch->recovery,
		.isr = { ch->isr, ch->nisr },
	};

	if (kb_model_set_leadership(ch->p, &z, version) != KC_OK)
		ctl_ok(c, KC_ENOMEM, "noting a partition state");
	ch->ok = true;
	ch->settled = true;
}

/* Wave two: what was decided, each with the version that was read. */
static void
write_states(struct kb_controller *c, struct change *v, int n)
{
	struct kzk_batch *b = NULL;

	if (!ctl_ok(c, kzk_batch_open(&b, c->p.zk), "writing partition states"))
		return;
	for (int i = 0; i < n; i++)
		if (!v[i].settled && v[i].step == STEP_WRITE &&
		    kzk_batch_add(b, write_op(c, &v[i])) != KC_OK)
			break; /* the others get KC_ENOMEM below */
	b = kzk_await_batch(b);
	for (int i = 0, at = 0; i < n; i++) {
		const struct kzk_op *op;
		int err;

		if (v[i].settled || v[i].step != STEP_WRITE)
			continue;
		op = at < b->n ? b->ops[at] : NULL;
		at++;
		err = op == NULL ? KC_ENOMEM : op->err;
		if (err == KC_OK)
			written(c, &v[i], op->stat.version);
		else if (err != KC_EBADVERSION) { /* that one: once more */
			ctl_ok(c, err, "writing a partition state");
			v[i].settled = true;
		}
	}
}

static void
decide_all(struct kb_controller *c, struct change *v, int n, decide_fn decide,
    enum kb_elect_strategy how)
{
	for (int i = 0; i < n; i++) {
		struct change *ch = &v[i];

		if (ch->settled)
			continue;
		ch->step = ch->read ? decide(c, ch, how) : STEP_FAIL;
		if (ch->step == STEP_WRITE)
			continue;
		ch->settled = true;
		ch->ok = ch->step == STEP_KEEP;
		if (ch->ok &&
		    kb_model_set_leadership(ch->p, &ch->now, ch->version) !=
			KC_OK)
			ctl_ok(c, KC_ENOMEM, "noting a partition state");
	}
}

/* Read, decide, write until each is settled. */
static void
change_all(struct kb_controller *c, struct change *v, int n, decide_fn decide,
    enum kb_elect_strategy how)
{
	bool left = n > 0;

	for (int try = 0; left && !c->aborted && try < TRIES_MAX; try++) {
		read_states(c, v, n);
		if (c->aborted)
			break;
		decide_all(c, v, n, decide, how);
		write_states(c, v, n);
		left = false;
		for (int i = 0; i < n; i++)
			left = left || !v[i].settled;
	}
}

static void
changes_free(struct change *v, int n)
{
	for (int i = 0; i < n; i++) {
		kzk_partition_state_fini(&v[i].now);
		free(v[i].isr);
	}
	free(v);
}

/* --- elections ----------------------------------------------------------- */

static bool
in_ids(const struct kzk_ids *ids, int32_t id)
{
	for (int32_t i = 0; i < ids->n; i++)
		if (ids->v[i] == id)
			return true;
	return false;
}

static enum step
decide_election(
    struct kb_controller *c, struct change *ch, enum kb_elect_strategy how)
{
	struct kb_cpart *p = ch->p;
	int32_t n = p->nreplicas;
	struct kb_elect_replica *r = calloc((size_t)n + 1, sizeof *r);
	struct kb_elect_result res = { .leader = -1 };

	free(ch->isr);
	ch->isr = calloc((size_t)(ch->now.isr.n + 1), sizeof *ch->isr);
	if (r == NULL || ch->isr == NULL) {
		free(r);
		return STEP_FAIL;
	}
	for (int32_t i = 0; i < n; i++) {
		const struct kb_cbroker *b =
		    kb_model_broker(&c->m, p->replicas[i].broker);

		r[i].broker = p->replicas[i].broker;
		r[i].online = b != NULL && !p->replicas[i].dir_offline;
		r[i].shutting_down = b != NULL && b->shutting_down;
		r[i].in_isr = in_ids(&ch->now.isr, r[i].broker);
		r[i].target = !kb_ids_has(&p->removing, r[i].broker);
	}
	res.isr = ch->isr;
	kb_elect(
	    how, p->topic->unclean, r, n, ch->now.isr.v, ch->now.isr.n, &res);
	free(r);
	if (res.leader < 0) {
		log_part(c, KC_LOG_WARN, p, "no replica can take the lead");
		return STEP_FAIL;
	}
	ch->leader = res.leader;
	ch->nisr = res.nisr;
	ch->recovery = res.unclean ? 1 : ch->now.leader_recovery_state;
	if (res.unclean)
		log_part(c, KC_LOG_WARN, p,
		    "elected a replica that was not in sync; messages may be "
		    "lost");
	return STEP_WRITE;
}

/* Is nobody of the ISR online, so that only an unclean leader could be? */
static bool
needs_unclean(struct kb_controller *c, const struct kb_cpart *p)
{
	if (!p->led)
		return false;
	for (int32_t i = 0; i < p->ls.isr.n; i++)
		if (kb_model_replica_online(&c->m, p, p->ls.isr.v[i]))
			return false;
	return true;
}

/* unclean.leader.election.enable of the topics that may need it. */
static void
read_unclean(struct kb_controller *c, struct kb_cpart **v, int n)
{
	struct kzk_batch *b = NULL;
	struct kb_ctopic *last = NULL;

	if (!ctl_ok(c, kzk_batch_open(&b, c->p.zk), "reading topic settings"))
		return;
	for (int i = 0; i < n; i++) {
		struct kzk_path path;

		v[i]->topic->unclean =
		    c->p.config->unclean_leader_election_enable;
		if (v[i]->topic == last || !needs_unclean(c, v[i]))
			continue;
		last = v[i]->topic;
		kzk_path_config(&path, KZK_CONFIG_TOPICS, kc_str(last->name));
		kzk_batch_add(b, kzk_op_get(c->p.zk, path.s, NULL));
	}
	b = kzk_await_batch(b);
	last = NULL;
	for (int i = 0, at = 0; i < n && at < b->n; i++) {
		const struct kzk_op *op;
		struct kzk_config cfg;
		struct kc_str own;

		if (v[i]->topic == last || !needs_unclean(c, v[i]))
			continue;
		last = v[i]->topic;
		op = b->ops[at++];
		if (op == NULL || op->err != KC_OK ||
		    kzk_config_decode(op->data, &cfg) != KC_OK)
			continue;
		own = kzk_config_get(&cfg, "unclean.leader.election.enable");
		if (own.len >= 0)
			last->unclean =
			    own.len == 4 && strncasecmp(own.p, "true", 4) == 0;
		kzk_config_fini(&cfg);
	}
}

void
ctl_parts_elect(struct kb_controller *c, struct kb_batch *b,
    struct kb_cpart **v, int n, enum kb_elect_strategy strategy)
{
	struct change *ch = calloc((size_t)n + 1, sizeof *ch);

	if (ch == NULL) {
		ctl_ok(c, KC_ENOMEM, "electing leaders");
		return;
	}
	if (strategy == KB_ELECT_OFFLINE)
		read_unclean(c, v, n);
	for (int i = 0; i < n; i++)
		ch[i].p = v[i];
	change_all(c, ch, n, decide_election, strategy);
	for (int i = 0; i < n && !c->aborted; i++) {
		struct kb_cpart *p = ch[i].p;

		if (!ch[i].ok)
			continue;
		p->state = KB_PART_ONLINE;
		for (int32_t j = 0; j < p->nreplicas; j++)
			if (kb_model_broker(&c->m, p->replicas[j].broker) &&
			    !p->replicas[j].dir_offline)
				kb_batch_lead(
				    b, p, p->replicas[j].broker, false);
	}
	changes_free(ch, n);
}

static enum step
decide_bump(struct kb_controller *c KC_UNUSED, struct change *ch,
    enum kb_elect_strategy how KC_UNUSED)
{
	size_t size = (size_t)ch->now.isr.n * sizeof *ch->isr;

	free(ch->isr);
	if ((ch->isr = malloc(size + 1)) == NULL)
		return STEP_FAIL;
	if (size > 0)
		memcpy(ch->isr, ch->now.isr.v, size);
	ch->nisr = ch->now.isr.n;
	ch->leader = ch->now.leader;
	ch->recovery = ch->now.leader_recovery_state;
	return STEP_WRITE;
}

void
ctl_parts_bump(struct kb_controller *c, struct kb_cpart **v, int n)
{
	struct change *ch = calloc((size_t)n + 1, sizeof *ch);

	if (!ctl_ok(c, ch == NULL ? KC_ENOMEM : KC_OK, "raising epochs")) {
		free(ch);
		return;
	}
	for (int i = 0; i < n; i++)
		ch[i].p = v[i];
	change_all(c, ch, n, decide_bump, KB_ELECT_OFFLINE);
	changes_free(ch, n);
}

/* --- the first state of a partition ---------------------------------------
 */

static struct kzk_op *
create_op(struct kb_controller *c, const char *path, struct kc_str data)
{
	return ctl_fenced(c, kzk_op_create(c->p.zk, path, data, 0));
}

static bool
first_leadership(
    struct kb_controller *c, struct kb_cpart *p, struct kzk_partition_state *z)
{
	*z = (struct kzk_partition_state){ .leader = -1,
		.controller_epoch = c->epoch };
	z->isr.v = calloc((size_t)p->nreplicas + 1, sizeof *z->isr.v);
	for (int32_t i = 0; i < p->nreplicas && z->isr.v != NULL; i++) {
		int32_t id = p->replicas[i].broker;

		if (!kb_model_replica_online(&c->m, p, id))
			continue;
		if (z->leader < 0)
			z->leader = id;
		z->isr.v[z->isr.n++] = id;
	}
	return z->leader >= 0;
}

/* The nodes above the state; that they exist already is fine. */
static void
add_parents(struct kb_controller *c, struct kzk_batch *zb, struct kb_cpart *p,
    const struct kb_ctopic *last)
{
	struct kc_str name = kc_str(p->topic->name);
	struct kzk_path path;

	if (p->topic != last) {
		kzk_path_partitions(&path, name);
		kzk_batch_add(zb, create_op(c, path.s, KC_STR_NULL));
	}
	kzk_path_partition(&path, name, p->index);
	kzk_batch_add(zb, create_op(c, path.s, KC_STR_NULL));
}

static void
create_parents(struct kb_controller *c, struct kb_cpart **v, int n)
{
	struct kzk_batch *zb = NULL;

	if (!ctl_ok(c, kzk_batch_open(&zb, c->p.zk), "making partition nodes"))
		return;
	for (int i = 0; i < n; i++)
		add_parents(c, zb, v[i], i > 0 ? v[i - 1]->topic : NULL);
	zb = kzk_await_batch(zb);
	for (int i = 0; i < zb->n; i++)
		if (zb->ops[i] == NULL || zb->ops[i]->err != KC_EEXIST)
			ctl_ok(c,
			    zb->ops[i] == NULL ? KC_ENOMEM : zb->ops[i]->err,
			    "making partition nodes");
}

static void
initialised(struct kb_controller *c, struct kb_batch *b, struct kb_cpart *p,
    const struct kzk_partition_state *z)
{
	if (kb_model_set_leadership(p, z, 0) != KC_OK) {
		ctl_ok(c, KC_ENOMEM, "noting a partition state");
		return;
	}
	p->state = KB_PART_ONLINE;
	for (int32_t i = 0; i < z->isr.n; i++)
		kb_batch_lead(b, p, z->isr.v[i], true);
}

void
ctl_parts_init(
    struct kb_controller *c, struct kb_batch *b, struct kb_cpart **v, int n)
{
	struct kzk_partition_state *z = calloc((size_t)n + 1, sizeof *z);
	bool *asked = calloc((size_t)n + 1, sizeof *asked);
	struct kzk_batch *zb = NULL;

	if (n > 0 && z != NULL && asked != NULL)
		create_parents(c, v, n);
	if (z == NULL || asked == NULL || c->aborted ||
	    !ctl_ok(c, kzk_batch_open(&zb, c->p.zk), "making partition states"))
		goto out;
	for (int i = 0; i < n; i++) {
		struct kzk_text text = { 0 };
		struct kzk_path path;

		if (!first_leadership(c, v[i], &z[i])) {
			log_part(c, KC_LOG_WARN, v[i],
			    "no replica is alive; the partition stays new");
			continue;
		}
		kzk_path_state(&path, kc_str(v[i]->topic->name), v[i]->index);
		if (kzk_partition_state_encode(&z[i], &text) != KC_OK)
			continue;
		asked[i] =
		    kzk_batch_add(
			zb, create_op(c, path.s, kzk_text_str(&text))) == KC_OK;
		kzk_text_fini(&text);
	}
	zb = kzk_await_batch(zb);
	for (int i = 0, at = 0; i < n; i++) {
		int err;

		if (!asked[i] || at >= zb->n)
			continue;
		err = zb->ops[at] == NULL ? KC_ENOMEM : zb->ops[at]->err;
		at++;
		if (ctl_ok(c, err, "making a partition state") && err == KC_OK)
			initialised(c, b, v[i], &z[i]);
	}
out:
	for (int i = 0; i < n && z != NULL; i++)
		free(z[i].isr.v);
	free(z);
	free(asked);
}

void
ctl_parts_trigger(struct kb_controller *c, struct kb_batch *b)
{
	struct kb_ctopic *t, *tmp;
	struct kb_cpart **init, **elect;
	int ninit = 0, nelect = 0, total = ctl_count_parts(c);

	init = calloc((size_t)total + 1, sizeof *init);
	elect = calloc((size_t)total + 1, sizeof *elect);
	HASH_ITER(hh, c->m.topics, t, tmp) {
		if (t->deleting || init == NULL || elect == NULL)
			continue;
		for (int32_t i = 0; i < t->nparts; i++) {
			struct kb_cpart *p = &t->parts[i];

			if (p->state == KB_PART_NEW && !p->led)
				init[ninit++] = p;
			else if (p->state == KB_PART_OFFLINE ||
			    p->state == KB_PART_NEW)
				elect[nelect++] = p;
		}
	}
	if (ninit > 0)
		ctl_parts_init(c, b, init, ninit);
	if (nelect > 0 && !c->aborted)
		ctl_parts_elect(c, b, elect, nelect, KB_ELECT_OFFLINE);
	free(init);
	free(elect);
}

/* --- replicas -------------------------------------------------------------
 */

static enum step
decide_remove(struct kb_controller *c, struct change *ch,
    enum kb_elect_strategy how KC_UNUSED)
{
	if (!in_ids(&ch->now.isr, ch->broker))
		return STEP_KEEP;
	free(ch->isr);
	ch->isr = calloc((size_t)ch->now.isr.n, sizeof *ch->isr);
	if (ch->isr == NULL)
		return STEP_FAIL;
	memcpy(ch->isr, ch->now.isr.v, (size_t)ch->now.isr.n * sizeof *ch->isr);
	ch->leader = ch->now.leader;
	ch->recovery = ch->now.leader_recovery_state;
	ch->nisr = kb_elect_remove_isr(
	    ch->isr, ch->now.isr.n, ch->broker, &ch->leader);
	log_part(c, KC_LOG_DEBUG, ch->p, "a replica leaves the ISR");
	return STEP_WRITE;
}

/* Takes each replica out of its partition's ISR; one partition at a time. */
static void
remove_from_isr(
    struct kb_controller *c, struct kb_batch *b, struct ctl_replica *v, int n)
{
	struct change *ch = calloc((size_t)n + 1, sizeof *ch);
	int m = 0;

	if (ch == NULL) {
		ctl_ok(c, KC_ENOMEM, "shrinking ISRs");
		return;
	}
	for (int i = 0; i < n; i++)
		if (v[i].p->led) {
			ch[m].p = v[i].p;
			ch[m++].broker = v[i].broker;
		}
	change_all(c, ch, m, decide_remove, KB_ELECT_OFFLINE);
	for (int i = 0; i < m && !c->aborted; i++) {
		struct kb_cpart *p = ch[i].p;

		if (!ch[i].ok || p->topic->deleting)
			continue;
		for (int32_t j = 0; j < p->nreplicas; j++)
			if (p->replicas[j].broker != ch[i].broker)
				kb_batch_lead(
				    b, p, p->replicas[j].broker, false);
	}
	changes_free(ch, m);
}

static bool
may_become(enum kb_replica_state from, enum kb_replica_state to)
{
	switch (to) {
	case KB_REPLICA_NEW:
		return from == KB_REPLICA_NONEXISTENT;
	case KB_REPLICA_ONLINE:
	case KB_REPLICA_OFFLINE:
		return from == KB_REPLICA_NEW || from == KB_REPLICA_ONLINE ||
		    from == KB_REPLICA_OFFLINE ||
		    from == KB_REPLICA_DELETION_INELIGIBLE;
	case KB_REPLICA_DELETION_STARTED:
		return from == KB_REPLICA_OFFLINE;
	case KB_REPLICA_DELETION_SUCCESSFUL:
		return from == KB_REPLICA_DELETION_STARTED;
	case KB_REPLICA_DELETION_INELIGIBLE:
		return from == KB_REPLICA_OFFLINE ||
		    from == KB_REPLICA_DELETION_STARTED;
	case KB_REPLICA_NONEXISTENT:
		return from == KB_REPLICA_DELETION_SUCCESSFUL;
	}
	return false;
}

/* What a transition sends; the writes of OFFLINE come in one wave after. */
static void
send_for(struct kb_controller *c KC_UNUSED, struct kb_batch *b,
    struct kb_cpart *p, struct kb_creplica *r, enum kb_replica_state target)
{
	switch (target) {
	case KB_REPLICA_NEW:
		if (p->led && p->ls.leader != r->broker)
			kb_batch_lead(b, p, r->broker, true);
		break;
	case KB_REPLICA_ONLINE:
		if (r->state != KB_REPLICA_NEW && p->led)
			kb_batch_lead(b, p, r->broker, false);
		break;
	case KB_REPLICA_OFFLINE:
		kb_batch_stop(b, p, r->broker, false);
		if (!p->led)
			kb_batch_meta(b, p);
		break;
	case KB_REPLICA_DELETION_STARTED:
		kb_batch_stop(b, p, r->broker, true);
		break;
	case KB_REPLICA_DELETION_SUCCESSFUL:
	case KB_REPLICA_DELETION_INELIGIBLE:
	case KB_REPLICA_NONEXISTENT:
		break;
	}
}

int
ctl_replicas_to(struct kb_controller *c, struct kb_batch *b,
    struct ctl_replica *v, int n, enum kb_replica_state target)
{
	int m = 0;

	for (int i = 0; i < n; i++) {
		struct kb_creplica *r = kb_model_replica(v[i].p, v[i].broker);

		if (r == NULL || !may_become(r->state, target)) {
			log_part(c, KC_LOG_ERROR, v[i].p,
			    "a replica cannot change its state so");
			continue;
		}
		send_for(c, b, v[i].p, r, target);
		r->state = target;
		v[m++] = v[i];
	}
	if (target == KB_REPLICA_OFFLINE && m > 0)
		remove_from_isr(c, b, v, m);
	return m;
}
