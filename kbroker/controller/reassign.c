/*
 * Partitions on their way to other brokers (KIP-455; controller.md 7).
 *
 * Each phase does all partitions in one wave, in the order of invariant RA-1:
 * the topic znode with RS, AR and RR is written before memory changes; the
 * leader is moved into the target before anything is removed; removed replicas
 * delete their logs; the target alone is written last.  A crash anywhere
 * leaves AR and RR in the znode, and the next controller goes on from there.
 */
#include "kbroker/controller/reassign.h"

#include "kbroker/controller/ctl.h"
#include "kbroker/controller/entity.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdlib.h>

bool
ctl_reassigning(const struct kb_cpart *p)
{
	return p->adding.n > 0 || p->removing.n > 0;
}

/* --- the topic znodes -------------------------------------------------------
 */

static int
by_part(const void *a, const void *b)
{
	const struct ctl_move *x = a, *y = b;

	if (x->p->topic != y->p->topic)
		return x->p->topic < y->p->topic ? -1 : 1;
	return (x->p->index > y->p->index) - (x->p->index < y->p->index);
}

static void
put_ids(struct kzk_ids *to, const struct kb_ids *from)
{
	to->v = from->v;
	to->n = from->n;
}

/* Where each partition of the topic is now, those of v[0..n) as in there. */
static int
assignment_of(const struct kb_ctopic *t, const struct ctl_move *v, int n,
    struct kzk_topic *z, struct kb_move *rest)
{
	int at = 0, rc = KC_OK;

	for (int32_t i = 0; i < t->nparts && rc == KC_OK; i++) {
		const struct kb_move *m = &rest[i];
		struct kzk_assignment *to = &z->parts[i];

		if (at < n && v[at].p == &t->parts[i])
			m = &v[at++].to;
		else
			rc = kb_move_current(&t->parts[i], &rest[i]);
		to->partition = t->parts[i].index;
		put_ids(&to->replicas, &m->replicas);
		put_ids(&to->adding, &m->adding);
		put_ids(&to->removing, &m->removing);
	}
	return rc;
}

static int
encode_topic(const struct kb_ctopic *t, const struct ctl_move *v, int n,
    struct kzk_text *text)
{
	size_t np = (size_t)t->nparts + 1;
	struct kzk_topic z = { .topic_id = t->id, .nparts = t->nparts };
	struct kb_move *rest = calloc(np, sizeof *rest);
	int rc = KC_ENOMEM;

	z.parts = calloc(np, sizeof *z.parts);
	if (z.parts != NULL && rest != NULL)
		rc = assignment_of(t, v, n, &z, rest);
	if (rc == KC_OK)
		rc = kzk_topic_encode(&z, text);
	if (rc == KC_OK && text->len > KB_ENTITY_MAX)
		rc = KC_ELIMIT;
	for (int32_t i = 0; i < t->nparts && rest != NULL; i++)
		kb_move_fini(&rest[i]);
	free(rest);
	free(z.parts);
	return rc;
}

static int
run_of(const struct ctl_move *v, int n, int i)
{
	int len = 1;

	while (i + len < n && v[i + len].p->topic == v[i].p->topic)
		len++;
	return len;
}

static void
write_failed(struct kb_controller *c, struct ctl_move *v, int n, int err)
{
	ctl_ok(c, err, "writing an assignment");
	for (int i = 0; i < n; i++)
		v[i].code = KP_UNKNOWN_SERVER_ERROR;
}

/* v, which is sorted, into its topics' znodes: one write a topic. */
static void
write_assignments(struct kb_controller *c, struct ctl_move *v, int n)
{
	struct kzk_batch *b = NULL;
	struct kzk_path path;
	struct kzk_text text = { 0 };
	int len, at = 0, rc;

	if (n == 0 ||
	    !ctl_ok(c, kzk_batch_open(&b, c->p.zk), "writing assignments"))
		return;
	for (int i = 0; i < n; i += len) {
		const struct kb_ctopic *t = v[i].p->topic;

		len = run_of(v, n, i);
		rc = encode_topic(t, &v[i], len, &text);
		if (rc == KC_OK)
			rc = kzk_path_topic(&path, kc_str(t->name));
		if (rc == KC_OK)
			rc = kzk_batch_add(b,
			    ctl_fenced(c,
				kzk_op_set(
				    c->p.zk, path.s, kzk_text_str(&text), -1)));
		if (rc != KC_OK)
			write_failed(c, &v[i], len, rc);
		kzk_text_fini(&text);
	}
	b = kzk_await_batch(b);
	for (int i = 0; i < n; i += len) {
		len = run_of(v, n, i);
		if (v[i].code != KP_NONE)
			continue;
		rc = at < b->n && b->ops[at] != NULL ? b->ops[at]->err :
						       KC_ENOMEM;
		at++;
		if (rc != KC_OK)
			write_failed(c, &v[i], len, rc);
	}
}

/* --- /admin/reassign_partitions --------------------------------------------
 */

/* The node with those of l that keep says, or no node when none is left. */
static void
put_node(
    struct kb_controller *c, struct kzk_partition_list *l, const bool *keep)
{
	struct kzk_partition_list left = { .v = l->v };
	struct kzk_text text = { 0 };
	struct kzk_op *op;
	int rc = KC_OK;

	for (int32_t i = 0; i < l->n; i++)
		if (keep[i])
			left.v[left.n++] = l->v[i];
	if (left.n == l->n && l->n > 0)
		return;
	l->n = left.n;
	if (left.n > 0)
		rc = kzk_reassign_encode(&left, &text);
	if (!ctl_ok(c, rc, "writing reassignments") || rc != KC_OK)
		return;
	op = left.n > 0 ? kzk_op_set(c->p.zk, KZK_REASSIGN_PARTITIONS,
			      kzk_text_str(&text), -1) :
			  kzk_op_delete(c->p.zk, KZK_REASSIGN_PARTITIONS, -1);
	kzk_text_fini(&text);
	rc = kzk_await(ctl_fenced(c, op), NULL);
	if (rc != KC_ENOENT)
		ctl_ok(c, rc, "writing reassignments");
}

static struct kb_cpart *
find_part(struct kb_controller *c, struct kc_str topic, int32_t index)
{
	struct kb_ctopic *t = kb_model_topic_str(&c->m, topic);

	return t == NULL ? NULL : kb_model_part(t, index);
}

/*
 * Out of the node, if there is one, with the partitions marked with the
 * current ask_no; at_rest: those only that have come to where it says.
 */
static void
forget_in_node(struct kb_controller *c, bool at_rest)
{
	struct kzk_partition_list l;
	struct kzk_op *op;
	bool *keep;
	int rc =
	    kzk_await(kzk_op_get(c->p.zk, KZK_REASSIGN_PARTITIONS, NULL), &op);

	if (rc == KC_ENOENT || !ctl_ok(c, rc, "reading reassignments") ||
	    rc != KC_OK || kzk_reassign_decode(op->data, &l) != KC_OK)
		return;
	keep = calloc((size_t)l.n + 1, sizeof *keep);
	for (int32_t i = 0; i < l.n && keep != NULL; i++) {
		const struct kb_cpart *p =
		    find_part(c, l.v[i].topic, l.v[i].partition);

		keep[i] = p == NULL || p->ask_no != c->ask_no ||
		    (at_rest &&
			!kb_move_leads_to(
			    p, l.v[i].replicas.v, l.v[i].replicas.n));
	}
	if (ctl_ok(
		c, keep == NULL ? KC_ENOMEM : KC_OK, "reading reassignments"))
		put_node(c, &l, keep);
	free(keep);
	kzk_partition_list_fini(&l);
}

void
ctl_reassign_forget(struct kb_controller *c)
{
	forget_in_node(c, false);
}

/* --- phases ------------------------------------------------------------------
 */

struct replicas {
	struct ctl_replica *v;
	int n, cap;
};

static void
push(struct kb_controller *c, struct replicas *l, struct kb_cpart *p,
    int32_t broker)
{
	if (l->n == l->cap) {
		int cap = KC_MAX(16, l->cap * 2);
		struct ctl_replica *v = realloc(l->v, (size_t)cap * sizeof *v);

		if (!ctl_ok(c, v == NULL ? KC_ENOMEM : KC_OK,
			"reassigning partitions"))
			return;
		if (v == NULL)
			return;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = (struct ctl_replica){ p, broker };
}

/* Replicas that are leaving stop, delete their logs, and are no more. */
static void
stop_leaving(struct kb_controller *c, struct ctl_move *v, int n)
{
	struct replicas l = { 0 };
	struct kb_batch b;

	for (int i = 0; i < n; i++)
		for (int32_t j = 0; j < v[i].p->nleaving; j++)
			push(c, &l, v[i].p,
			    v[i].p->replicas[v[i].p->nreplicas + j].broker);
	kb_batch_init(&b, c);
	if (l.n > 0 && !c->aborted) {
		l.n = ctl_replicas_to(c, &b, l.v, l.n, KB_REPLICA_OFFLINE);
		kb_batch_send(&b, NULL, 0);
	}
	if (l.n > 0 && !c->aborted) {
		(void)ctl_replicas_to(
		    c, &b, l.v, l.n, KB_REPLICA_DELETION_STARTED);
		kb_batch_send(&b, NULL, 0);
	}
	for (int i = 0; i < n; i++) {
		kb_model_drop_leaving(v[i].p);
		if (v[i].p->led && v[i].p->ls.leader < 0)
			v[i].p->state = KB_PART_OFFLINE;
	}
	free(l.v);
}

/* Memory follows what was written. */
static void
move_model(struct kb_controller *c, struct ctl_move *v, int n)
{
	for (int i = 0; i < n; i++)
		if (kb_model_move(v[i].p, &v[i].to) != KC_OK)
			ctl_ok(c, KC_ENOMEM, "noting an assignment");
}

/* Those for which fn is true to the front; how many. */
static int
partition(struct ctl_move *v, int n, bool (*fn)(const struct ctl_move *m))
{
	int at = 0;

	for (int i = 0; i < n; i++)
		if (fn(&v[i])) {
			struct ctl_move m = v[i];

			v[i] = v[at];
			v[at++] = m;
		}
	return at;
}

static bool
is_current(const struct ctl_move *m)
{
	return kb_move_is_current(m->p, &m->to);
}

static bool
is_ok(const struct ctl_move *m)
{
	return m->code == KP_NONE;
}

static bool
is_complete(const struct ctl_move *m)
{
	return kb_move_complete(m->p);
}

/* Phase U: what is new, written and known. */
static void
update(struct kb_controller *c, struct ctl_move *v, int n)
{
	int at = partition(v, n, is_current);

	v += at;
	n -= at;
	if (n == 0)
		return;
	qsort(v, (size_t)n, sizeof *v, by_part);
	write_assignments(c, v, n);
	if (c->aborted)
		return;
	n = partition(v, n, is_ok);
	move_model(c, v, n);
	stop_leaving(c, v, n);
}

static struct kb_cpart **
parts_of(struct kb_controller *c, const struct ctl_move *v, int n)
{
	struct kb_cpart **parts = calloc((size_t)n + 1, sizeof(void *));

	if (!ctl_ok(
		c, parts == NULL ? KC_ENOMEM : KC_OK, "reassigning partitions"))
		return parts;
	for (int i = 0; i < n && parts != NULL; i++)
		parts[i] = v[i].p;
	return parts;
}

/* Everybody assigned hears of it; those to come as new ones. */
static void
lead_all(struct kb_batch *b, struct kb_cpart *p)
{
	for (int32_t i = 0; i < p->nreplicas; i++)
		kb_batch_lead(b, p, p->replicas[i].broker,
		    kb_ids_has(&p->adding, p->replicas[i].broker));
}

/* Phase B: the target is not in sync yet. */
static void
advance(struct kb_controller *c, struct ctl_move *v, int n)
{
	struct kb_cpart **parts = parts_of(c, v, n);
	struct replicas fresh = { 0 };
	struct kb_batch b;

	if (n > 0 && parts != NULL)
		ctl_parts_bump(c, parts, n);
	kb_batch_init(&b, c);
	for (int i = 0; i < n && !c->aborted; i++) {
		struct kb_cpart *p = v[i].p;

		lead_all(&b, p);
		for (int32_t j = 0; j < p->nreplicas; j++)
			if (p->replicas[j].state == KB_REPLICA_NONEXISTENT)
				push(c, &fresh, p, p->replicas[j].broker);
	}
	if (fresh.n > 0 && !c->aborted)
		(void)ctl_replicas_to(c, &b, fresh.v, fresh.n, KB_REPLICA_NEW);
	kb_batch_send(&b, NULL, 0);
	free(fresh.v);
	free(parts);
}

/* The leader stays if it can, else the target gives one. */
static void
lead_target(struct kb_controller *c, const struct ctl_move *v, int n)
{
	struct kb_cpart **stay = calloc((size_t)n + 1, sizeof(void *));
	struct kb_cpart **elect = calloc((size_t)n + 1, sizeof(void *));
	struct kb_batch b;
	int nstay = 0, nelect = 0;

	if (stay == NULL || elect == NULL) {
		ctl_ok(c, KC_ENOMEM, "reassigning partitions");
		goto out;
	}
	for (int i = 0; i < n; i++) {
		struct kb_cpart *p = v[i].p;
		bool in = false;

		for (int32_t j = 0; j < p->nreplicas; j++)
			in = in || p->replicas[j].broker == p->ls.leader;
		if (in && kb_model_replica_online(&c->m, p, p->ls.leader))
			stay[nstay++] = p;
		else
			elect[nelect++] = p;
	}
	kb_batch_init(&b, c);
	if (nelect > 0)
		ctl_parts_elect(c, &b, elect, nelect, KB_ELECT_REASSIGN);
	if (nstay > 0 && !c->aborted)
		ctl_parts_bump(c, stay, nstay);
	for (int i = 0; i < nstay && !c->aborted; i++)
		lead_all(&b, stay[i]);
	kb_batch_send(&b, NULL, 0);
out:
	free(stay);
	free(elect);
}

/* The target's replicas that were to come are there. */
static void
arrive(struct kb_controller *c, const struct ctl_move *v, int n)
{
	struct replicas l = { 0 };
	struct kb_batch b;

	for (int i = 0; i < n; i++) {
		struct kb_cpart *p = v[i].p;

		for (int32_t j = 0; j < p->adding.n; j++) {
			struct kb_creplica *r =
			    kb_model_replica(p, p->adding.v[j]);

			if (r == NULL)
				continue;
			if (r->state == KB_REPLICA_NONEXISTENT)
				r->state = KB_REPLICA_NEW;
			push(c, &l, p, r->broker);
		}
	}
	kb_batch_init(&b, c);
	if (l.n > 0 && !c->aborted)
		(void)ctl_replicas_to(c, &b, l.v, l.n, KB_REPLICA_ONLINE);
	kb_batch_send(&b, NULL, 0);
	free(l.v);
}

static void
announce(struct kb_controller *c, const struct ctl_move *v, int n)
{
	struct kb_batch b;

	c->ask_no++;
	for (int i = 0; i < n; i++)
		v[i].p->ask_no = c->ask_no;
	forget_in_node(c, true);
	kb_batch_init(&b, c);
	for (int i = 0; i < n; i++)
		kb_batch_meta(&b, v[i].p);
	kb_batch_send(&b, NULL, 0); /* to nobody when aborted */
}

/* The target is in sync: it becomes all there is. */
static void
complete(struct kb_controller *c, struct ctl_move *v, int n)
{
	if (n <= 0)
		return;
	arrive(c, v, n);
	for (int i = 0; i < n && !c->aborted; i++) {
		kb_move_fini(&v[i].to);
		if (kb_move_done(v[i].p, &v[i].to) != KC_OK)
			ctl_ok(c, KC_ENOMEM, "reassigning partitions");
	}
	if (c->aborted)
		return;
	move_model(c, v, n);
	lead_target(c, v, n);
	if (!c->aborted)
		stop_leaving(c, v, n);
	qsort(v, (size_t)n, sizeof *v, by_part);
	if (!c->aborted)
		write_assignments(c, v, n);
	if (!c->aborted)
		announce(c, v, n);
	kc_log(KC_LOG_INFO, CTL_LOGGER,
	    "[Controller id=%d] Reassignment of %d partitions %s",
	    c->p.broker_id, n, c->aborted ? "was interrupted" : "completed");
	if (!c->aborted)
		ctl_resume_deletions(c);
}

void
ctl_reassign(struct kb_controller *c, struct ctl_move *v, int n)
{
	struct kb_cpart **parts;

	if (n == 0)
		return;
	kc_log(KC_LOG_INFO, CTL_LOGGER,
	    "[Controller id=%d] Partition reassignment of %d partitions",
	    c->p.broker_id, n);
	for (int i = 0; i < n; i++)
		v[i].p->topic->ineligible = true;
	update(c, v, n);
	n = partition(v, n, is_ok);
	parts = parts_of(c, v, n);
	if (!c->aborted && parts != NULL) {
		int done;

		ctl_load_states(c, parts, n);
		done = partition(v, n, is_complete);
		if (!c->aborted)
			advance(c, v + done, n - done);
		if (!c->aborted)
			complete(c, v, done);
	}
	free(parts);
}

/* --- what starts it ----------------------------------------------------------
 */

void
ctl_moves_free(struct ctl_move *v, int n)
{
	for (int i = 0; i < n && v != NULL; i++)
		kb_move_fini(&v[i].to);
	free(v);
}

/* Those under way for which fn is true go on as they are. */
static void
go_on(struct kb_controller *c,
    bool (*fn)(const struct kb_cpart *p, int32_t broker), int32_t broker)
{
	struct kb_ctopic *t, *tmp;
	struct ctl_move *v = NULL, *w;
	int n = 0, cap = 0;

	HASH_ITER(hh, c->m.topics, t, tmp)
		for (int32_t i = 0; i < t->nparts; i++) {
			struct kb_cpart *p = &t->parts[i];

			if (!ctl_reassigning(p) || !fn(p, broker))
				continue;
			if (n == cap) {
				cap = KC_MAX(16, cap * 2);
				w = realloc(v, (size_t)cap * sizeof *v);
				if (w == NULL)
					goto out;
				v = w;
			}
			v[n] = (struct ctl_move){ .p = p };
			if (kb_move_current(p, &v[n].to) != KC_OK)
				goto out;
			n++;
		}
	ctl_reassign(c, v, n);
	ctl_moves_free(v, n);
	return;
out:
	ctl_ok(c, KC_ENOMEM, "reassigning partitions");
	ctl_moves_free(v, n);
}

static bool
targets(const struct kb_cpart *p, int32_t broker)
{
	if (broker == -1)
		return true;
	for (int32_t i = 0; i < p->nreplicas; i++)
		if (p->replicas[i].broker == broker)
			return !kb_ids_has(&p->removing, broker);
	return false;
}

void
ctl_reassign_resume(struct kb_controller *c, int32_t broker)
{
	go_on(c, targets, broker);
}

static bool
arrived(const struct kb_cpart *p, int32_t broker KC_UNUSED)
{
	return kb_move_complete(p);
}

void
ctl_reassign_check(struct kb_controller *c)
{
	go_on(c, arrived, -1);
}

/* The replicas are those asked for, in that order, and no move is under way. */
static bool
at_target(const struct kb_cpart *p, const struct kzk_ids *to)
{
	if (ctl_reassigning(p) || p->nreplicas != to->n)
		return false;
	for (int32_t i = 0; i < to->n; i++)
		if (p->replicas[i].broker != to->v[i])
			return false;
	return true;
}

/*
 * What the node asks for; keep is false for what cannot be, and for what is
 * done: a controller may die between the end of a move and noting it here.
 */
static struct ctl_move *
listed_moves(struct kb_controller *c, const struct kzk_partition_list *l,
    bool *keep, int *n)
{
	struct ctl_move *v = calloc((size_t)l->n + 1, sizeof *v);
	uint32_t no = ++c->ask_no;
	struct kb_why why;

	*n = 0;
	for (int32_t i = 0; i < l->n && v != NULL; i++) {
		const struct kzk_ids *to = &l->v[i].replicas;
		struct kb_cpart *p =
		    find_part(c, l->v[i].topic, l->v[i].partition);

		keep[i] = p != NULL && !p->topic->deleting && p->ask_no != no &&
		    kb_move_check(to->v, to->n, &why) == KP_NONE;
		if (!keep[i]) {
			kc_log(KC_LOG_WARN, CTL_LOGGER,
			    "[Controller id=%d] Reassignment of %.*s-%d, asked "
			    "for through ZooKeeper, is not possible",
			    c->p.broker_id, KC_STR_ARG(l->v[i].topic),
			    l->v[i].partition);
			continue;
		}
		p->ask_no = no;
		if (at_target(p, to)) {
			keep[i] = false;
			continue;
		}
		if (ctl_reassigning(p) && kb_move_leads_to(p, to->v, to->n))
			continue; /* under way */
		v[*n].p = p;
		if (kb_move_to(p, to->v, to->n, &v[*n].to) != KC_OK)
			ctl_ok(c, KC_ENOMEM, "reassigning partitions");
		else
			++*n;
	}
	return v;
}

void
ctl_reassign_node(struct kb_controller *c)
{
	struct kzk_partition_list l;
	struct ctl_move *v;
	struct kzk_op *op;
	bool *keep;
	int n = 0;
	int rc = kzk_await(
	    kzk_op_exists(c->p.zk, KZK_REASSIGN_PARTITIONS, &c->w_reassign),
	    NULL);

	if (rc == KC_OK)
		rc = kzk_await(
		    kzk_op_get(c->p.zk, KZK_REASSIGN_PARTITIONS, NULL), &op);
	if (rc == KC_ENOENT || !ctl_ok(c, rc, "reading reassignments") ||
	    rc != KC_OK)
		return;
	if (kzk_reassign_decode(op->data, &l) != KC_OK) {
		kc_log(KC_LOG_ERROR, CTL_LOGGER,
		    "[Controller id=%d] " KZK_REASSIGN_PARTITIONS
		    " is not what it should be; it is left alone",
		    c->p.broker_id);
		return;
	}
	keep = calloc((size_t)l.n + 1, sizeof *keep);
	v = keep == NULL ? NULL : listed_moves(c, &l, keep, &n);
	if (ctl_ok(c, v == NULL ? KC_ENOMEM : KC_OK, "reading reassignments"))
		put_node(c, &l, keep);
	if (v != NULL && !c->aborted)
		ctl_reassign(c, v, n);
	ctl_moves_free(v, n);
	free(keep);
	kzk_partition_list_fini(&l);
}
