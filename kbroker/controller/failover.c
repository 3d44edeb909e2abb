/*
 * What a new controller does first (controller.md 2): watch, then read, then
 * decide.
 */
#include "kbroker/config.h"
#include "kbroker/controller/ctl.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/base/uuid.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdlib.h>

/* Child names, copied so that they outlive the next wait; free_names(). */
struct names {
	char **v;
	int n;
};

static void
free_names(struct names *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct names){ 0 };
}

/* False when the event cannot go on. */
static bool
list(struct kb_controller *c, const char *path, struct kzk_watch *w,
    struct names *l)
{
	struct kzk_op *op;
	int rc = kzk_await(kzk_op_children(c->p.zk, path, w), &op);

	*l = (struct names){ 0 };
	if (rc == KC_ENOENT)
		return true;
	if (!ctl_ok(c, rc, path) || rc != KC_OK)
		return false;
	l->v = calloc((size_t)op->nchildren + 1, sizeof *l->v);
	for (int i = 0; i < op->nchildren && l->v != NULL; i++) {
		l->v[l->n] = kc_str_dup(op->children[i]);
		if (l->v[l->n] != NULL)
			l->n++;
	}
	return true;
}

/* Notifications of before our time say nothing that we do not read now. */
static void
purge(struct kb_controller *c, const char *dir, const struct names *l)
{
	struct kzk_batch *b = NULL;
	struct kzk_path path;

	if (l->n == 0 ||
	    !ctl_ok(c, kzk_batch_open(&b, c->p.zk), "purging notifications"))
		return;
	for (int i = 0; i < l->n; i++)
		if (kzk_path_child(&path, dir, kc_str(l->v[i])) == KC_OK)
			kzk_batch_add(b,
			    ctl_fenced(c, kzk_op_delete(c->p.zk, path.s, -1)));
	b = kzk_await_batch(b);
	for (int i = 0; i < b->n; i++)
		if (b->ops[i] != NULL && b->ops[i]->err != KC_ENOENT)
			ctl_ok(c, b->ops[i]->err, "purging notifications");
}

static void
on_topic_data(struct kzk_watch *w, enum kzk_event ev)
{
	struct kb_ctopic *t = KC_CONTAINER(w, struct kb_ctopic, watch);

	if (ev == KZK_EVENT_CHANGED)
		ctl_post(t->c, CTL_TOPIC_DATA, -1, t->name);
}

/* A topic without id gets one (a topic made by an old tool). */
static bool
give_id(struct kb_controller *c, struct kb_ctopic *t, struct kzk_topic *z,
    struct kzk_batch *b, int32_t version)
{
	struct kzk_text text = { 0 };
	struct kzk_path path;
	bool ok;

	kc_uuid_random(c->p.env->rand, &z->topic_id);
	ok = kzk_topic_encode(z, &text) == KC_OK &&
	    kzk_path_topic(&path, kc_str(t->name)) == KC_OK;
	if (ok) {
		kzk_batch_add(b,
		    ctl_fenced(c,
			kzk_op_set(
			    c->p.zk, path.s, kzk_text_str(&text), version)));
		kb_model_set_id(t, &z->topic_id);
	}
	kzk_text_fini(&text);
	return ok;
}

/* One topic's node into the model; a set goes to ids when it has no id. */
static void
take_topic(struct kb_controller *c, const char *name, const struct kzk_op *op,
    struct kzk_batch *ids)
{
	struct kb_ctopic *t = kb_model_topic(&c->m, name);
	struct kzk_topic z;
	int rc = kzk_topic_decode(op->data, &z);

	if (rc != KC_OK) {
		kc_log(KC_LOG_ERROR, CTL_LOGGER,
		    "[Controller id=%d] /brokers/topics/%s is not what it "
		    "should be: %s; the topic is left alone",
		    c->p.broker_id, name, kc_strerror(rc));
		return;
	}
	if (kc_uuid_is_zero(&z.topic_id))
		give_id(c, t, &z, ids, op->stat.version);
	rc = kb_model_assign(t, &z, NULL);
	ctl_ok(c, rc, "noting a topic");
	kzk_topic_fini(&z);
}

void
ctl_load_topics(struct kb_controller *c, char *const *names, int n)
{
	struct kzk_batch *b = NULL, *ids = NULL;
	struct kzk_path path;

	if (!ctl_ok(c, kzk_batch_open(&b, c->p.zk), "reading topics") ||
	    !ctl_ok(c, kzk_batch_open(&ids, c->p.zk), "reading topics"))
		return;
	for (int i = 0; i < n; i++) {
		struct kb_ctopic *t = kb_model_topic(&c->m, names[i]);

		if (kzk_path_topic(&path, kc_str(names[i])) != KC_OK)
			continue;
		if (t == NULL) {
			t = kb_model_add_topic(&c->m, names[i]);
			if (t == NULL)
				continue;
			t->c = c;
			kzk_watch_init(&t->watch, on_topic_data);
		}
		kzk_batch_add(b, kzk_op_get(c->p.zk, path.s, &t->watch));
	}
	b = kzk_await_batch(b);
	for (int i = 0, at = 0; i < n && at < b->n; i++) {
		const struct kzk_op *op;
		struct kb_ctopic *t = kb_model_topic(&c->m, names[i]);

		if (t == NULL)
			continue;
		op = b->ops[at++];
		if (op != NULL && op->err == KC_OK) {
			take_topic(c, names[i], op, ids);
			continue;
		}
		if (op == NULL || op->err != KC_ENOENT)
			ctl_ok(c, op == NULL ? KC_ENOMEM : op->err,
			    "reading a topic");
		if (t->nparts == 0) {
			kzk_watch_cancel(&t->watch);
			kb_model_remove_topic(&c->m, t);
		}
	}
	ids = kzk_await_batch(ids);
	for (int i = 0; i < ids->n; i++)
		ctl_ok(c, ids->ops[i] == NULL ? KC_ENOMEM : ids->ops[i]->err,
		    "giving a topic its id");
}

void
ctl_load_states(struct kb_controller *c, struct kb_cpart **parts, int n)
{
	struct kzk_batch *b = NULL;
	struct kzk_path path;

	if (n == 0 ||
	    !ctl_ok(c, kzk_batch_open(&b, c->p.zk), "reading partition states"))
		return;
	for (int i = 0; i < n; i++) {
		kzk_path_state(
		    &path, kc_str(parts[i]->topic->name), parts[i]->index);
		if (!ctl_ok(c,
			kzk_batch_add(b, kzk_op_get(c->p.zk, path.s, NULL)),
			"reading partition states"))
			break;
	}
	b = kzk_await_batch(b);
	for (int i = 0; i < n && i < b->n; i++) {
		const struct kzk_op *op = b->ops[i];
		struct kzk_partition_state z;

		if (op == NULL || op->err != KC_OK) {
			if (op == NULL || op->err != KC_ENOENT)
				ctl_ok(c, op == NULL ? KC_ENOMEM : op->err,
				    "reading a partition state");
			continue;
		}
		if (kzk_partition_state_decode(op->data, &z) != KC_OK) {
			kc_log(KC_LOG_ERROR, CTL_LOGGER,
			    "[Controller id=%d] The state of %s-%d is not "
			    "what it should be; the partition is offline",
			    c->p.broker_id, parts[i]->topic->name,
			    parts[i]->index);
			continue;
		}
		ctl_ok(c,
		    kb_model_set_leadership(parts[i], &z, op->stat.version),
		    "noting a partition state");
		kzk_partition_state_fini(&z);
	}
}

int
ctl_count_parts(const struct kb_controller *c)
{
	struct kb_ctopic *t, *tmp;
	int n = 0;

	HASH_ITER(hh, c->m.topics, t, tmp)
		n += t->nparts;
	return n;
}

static void
load_all_states(struct kb_controller *c)
{
	int n = ctl_count_parts(c), at = 0;
	struct kb_cpart **v = calloc((size_t)n + 1, sizeof *v);
	struct kb_ctopic *t, *tmp;

	if (!ctl_ok(c, v == NULL ? KC_ENOMEM : KC_OK, "reading states"))
		return;
	HASH_ITER(hh, c->m.topics, t, tmp)
		for (int32_t i = 0; i < t->nparts; i++)
			v[at++] = &t->parts[i];
	ctl_load_states(c, v, n);
	free(v);
}

/* The states that what was read implies (controller.md 2, steps 7 and 8). */
static void
start_machines(struct kb_controller *c, struct ctl_replica *on, int *non,
    struct ctl_replica *off, int *noff)
{
	struct kb_ctopic *t, *tmp;

	HASH_ITER(hh, c->m.topics, t, tmp) {
		for (int32_t i = 0; i < t->nparts; i++) {
			struct kb_cpart *p = &t->parts[i];

			for (int32_t j = 0; j < p->nreplicas; j++) {
				struct kb_creplica *r = &p->replicas[j];
				struct ctl_replica cr = { p, r->broker };

				if (kb_model_replica_online(
					&c->m, p, r->broker)) {
					r->state = KB_REPLICA_ONLINE;
					on[(*non)++] = cr;
				} else {
					r->state =
					    KB_REPLICA_DELETION_INELIGIBLE;
					off[(*noff)++] = cr;
				}
			}
			p->state = !p->led ? KB_PART_NEW :
			    p->ls.leader >= 0 &&
				kb_model_replica_online(
				    &c->m, p, p->ls.leader) ?
					     KB_PART_ONLINE :
					     KB_PART_OFFLINE;
		}
	}
}

static void
run_machines(struct kb_controller *c)
{
	struct kb_ctopic *t, *tmp;
	struct ctl_replica *on, *off;
	struct kb_batch b;
	int n = 0, non = 0, noff = 0;

	HASH_ITER(hh, c->m.topics, t, tmp)
		for (int32_t i = 0; i < t->nparts; i++)
			n += t->parts[i].nreplicas;
	on = calloc((size_t)n + 1, sizeof *on);
	off = calloc((size_t)n + 1, sizeof *off);
	if (ctl_ok(c, on == NULL || off == NULL ? KC_ENOMEM : KC_OK,
		"starting the state machines")) {
		start_machines(c, on, &non, off, &noff);
		kb_batch_init(&b, c);
		ctl_replicas_to(c, &b, on, non, KB_REPLICA_ONLINE);
		ctl_replicas_to(c, &b, off, noff, KB_REPLICA_OFFLINE);
		kb_batch_send(&b, NULL, 0);
		ctl_parts_trigger(c, &b);
		kb_batch_send(&b, NULL, 0);
	}
	free(on);
	free(off);
}

/*
 * Every broker hears who is alive (step 6).  Ours waits for the states that
 * follow when there are any: it lets clients in at the first
 * UpdateMetadata, and should know the partitions then.
 */
static void
tell_brokers(struct kb_controller *c, bool others)
{
	struct kb_cbroker *br, *tmp;
	struct kb_batch b;
	int32_t *ids = calloc(HASH_COUNT(c->m.brokers) + 1, sizeof *ids);
	int32_t n = 0;

	if (!ctl_ok(c, ids == NULL ? KC_ENOMEM : KC_OK, "telling brokers"))
		return;
	HASH_ITER(hh, c->m.brokers, br, tmp)
		if ((br->id != c->p.broker_id) == others)
			ids[n++] = br->id;
	kb_batch_init(&b, c);
	kb_batch_brokers(&b);
	kb_batch_send(&b, ids, n);
	free(ids);
}

static bool
watch_all(struct kb_controller *c, struct names *ids, struct names *topics,
    struct names *deletes)
{
	struct names old = { 0 };
	bool ok;

	ok = list(c, KZK_BROKER_IDS, &c->w_ids, ids) &&
	    list(c, KZK_TOPICS, &c->w_topics, topics) &&
	    list(c, KZK_DELETE_TOPICS, &c->w_deletes, deletes);
	if (ok && (ok = list(c, KZK_LOG_DIR_EVENTS, &c->w_log_dirs, &old)))
		purge(c, KZK_LOG_DIR_EVENTS, &old);
	free_names(&old);
	if (ok && (ok = list(c, KZK_ISR_CHANGES, &c->w_isr, &old)))
		purge(c, KZK_ISR_CHANGES, &old);
	free_names(&old);
	return ok && !c->aborted;
}

static void
load(struct kb_controller *c, const struct names *ids,
    const struct names *topics, const struct names *deletes)
{
	int32_t *v = calloc((size_t)ids->n + 1, sizeof *v);
	int64_t id;
	int n = 0;

	if (!ctl_ok(c, v == NULL ? KC_ENOMEM : KC_OK, "reading brokers"))
		return;
	for (int i = 0; i < ids->n; i++)
		if (kc_str_i64(kc_str(ids->v[i]), &id) == KC_OK && id >= 0 &&
		    id <= INT32_MAX)
			v[n++] = (int32_t)id;
	ctl_load_brokers(c, v, n);
	free(v);
	if (!c->aborted)
		ctl_load_topics(c, topics->v, topics->n);
	/* Without delete.topic.enable ctl_topic_deletion() drops the marks. */
	for (int i = 0; i < deletes->n && !c->aborted; i++) {
		struct kb_ctopic *t = kb_model_topic(&c->m, deletes->v[i]);

		if (t != NULL && c->p.config->delete_topic_enable)
			t->deleting = true;
	}
	if (!c->aborted)
		load_all_states(c);
}

void
ctl_failover(struct kb_controller *c)
{
	struct names ids = { 0 }, topics = { 0 }, deletes = { 0 };
	int partitions;

	if (ctl_setup_feature(c) && watch_all(c, &ids, &topics, &deletes))
		load(c, &ids, &topics, &deletes);
	free_names(&ids);
	free_names(&topics);
	free_names(&deletes);
	if (c->aborted)
		return;
	partitions = ctl_count_parts(c);
	kc_log(KC_LOG_INFO, CTL_LOGGER,
	    "[Controller id=%d] Currently active brokers in the cluster: %u; "
	    "topics: %u; partitions: %d",
	    c->p.broker_id, HASH_COUNT(c->m.brokers), HASH_COUNT(c->m.topics),
	    partitions);
	tell_brokers(c, true);
	run_machines(c);
	if (!c->aborted)
		tell_brokers(c, false);
	if (!c->aborted)
		ctl_reassign_node(c);
	if (!c->aborted)
		ctl_reassign_resume(c, -1);
	if (!c->aborted)
		ctl_topic_deletion(c);
	if (!c->aborted)
		ctl_preferred_node(c);
	if (c->aborted)
		return;
	ctl_rebalance_start(c);
	kc_log(KC_LOG_INFO, CTL_LOGGER,
	    "[Controller id=%d] Ready to serve as the new controller with "
	    "epoch %d",
	    c->p.broker_id, c->epoch);
}
