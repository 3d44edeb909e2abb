/*
 * Topics on their way out (controller.md 13, TopicDeletionManager).
 *
 * A mark in /admin/delete_topics queues a topic; its replicas stop, then
 * delete their logs; when all have, the znodes go, the topic's last.
 * A replica whose broker is away makes the topic ineligible until it is back.
 */
#include "kbroker/config.h"
#include "kbroker/controller/ctl.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdlib.h>

/* Deletes a mark that means nothing: no such topic, or it is not allowed. */
static void
drop_mark(struct kb_controller *c, const char *name)
{
	struct kzk_path path;
	int rc;

	if (kzk_path_delete_topic(&path, kc_str(name)) != KC_OK)
		return;
	rc = kzk_await(ctl_fenced(c, kzk_op_delete(c->p.zk, path.s, -1)), NULL);
	if (rc != KC_ENOENT)
		ctl_ok(c, rc, "deleting a mark");
}

void
ctl_topic_deletion(struct kb_controller *c)
{
	struct kzk_op *op;
	char **names;
	int n = 0;
	int rc = kzk_await(
	    kzk_op_children(c->p.zk, KZK_DELETE_TOPICS, &c->w_deletes), &op);

	if (!ctl_ok(c, rc, "listing topics to delete") || rc != KC_OK)
		return;
	names = calloc((size_t)op->nchildren + 1, sizeof *names);
	if (names == NULL)
		return;
	for (int i = 0; i < op->nchildren; i++) {
		names[n] = kc_str_dup(op->children[i]);
		n += names[n] != NULL;
	}
	for (int i = 0; i < n && !c->aborted; i++) {
		struct kb_ctopic *t = kb_model_topic(&c->m, names[i]);

		if (t == NULL || !c->p.config->delete_topic_enable)
			drop_mark(c, names[i]);
		else
			t->deleting = true;
	}
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (!c->aborted)
		ctl_resume_deletions(c);
}

static bool
all_in(const struct kb_ctopic *t, enum kb_replica_state state)
{
	for (int32_t i = 0; i < t->nparts; i++)
		for (int32_t j = 0; j < t->parts[i].nreplicas; j++)
			if (t->parts[i].replicas[j].state != state)
				return false;
	return true;
}

static bool
any_in(const struct kb_ctopic *t, enum kb_replica_state state)
{
	for (int32_t i = 0; i < t->nparts; i++)
		for (int32_t j = 0; j < t->parts[i].nreplicas; j++)
			if (t->parts[i].replicas[j].state == state)
				return true;
	return false;
}

static bool
moves(const struct kb_ctopic *t)
{
	for (int32_t i = 0; i < t->nparts; i++)
		if (ctl_reassigning(&t->parts[i]))
			return true;
	return false;
}

static int
count_replicas(const struct kb_ctopic *t)
{
	int n = 0;

	for (int32_t i = 0; i < t->nparts; i++)
		n += t->parts[i].nreplicas;
	return n;
}

/* Clients hear that it is gone; its partitions take no more part. */
static void
announce(struct kb_controller *c, struct kb_ctopic *t)
{
	struct kb_batch b;

	kb_batch_init(&b, c);
	for (int32_t i = 0; i < t->nparts; i++) {
		t->parts[i].state = KB_PART_NONEXISTENT;
		kb_batch_meta(&b, &t->parts[i]);
	}
	kb_batch_send(&b, NULL, 0);
}

/* The replicas stop and delete what is on their brokers. */
static void
stop_replicas(struct kb_controller *c, struct kb_ctopic *t)
{
	int cap = count_replicas(t), n = 0;
	struct ctl_replica *v = calloc((size_t)cap + 1, sizeof *v);
	struct kb_batch b;

	if (!ctl_ok(c, v == NULL ? KC_ENOMEM : KC_OK, "deleting a topic"))
		return;
	for (int32_t i = 0; i < t->nparts; i++) {
		struct kb_cpart *p = &t->parts[i];

		for (int32_t j = 0; j < p->nreplicas; j++) {
			struct kb_creplica *r = &p->replicas[j];

			if (r->state == KB_REPLICA_DELETION_SUCCESSFUL)
				continue;
			if (!kb_model_replica_online(&c->m, p, r->broker)) {
				r->state = KB_REPLICA_DELETION_INELIGIBLE;
				t->ineligible = true;
				continue;
			}
			if (r->state == KB_REPLICA_NONEXISTENT)
				r->state = KB_REPLICA_NEW;
			v[n++] = (struct ctl_replica){ p, r->broker };
		}
	}
	kb_batch_init(&b, c);
	n = ctl_replicas_to(c, &b, v, n, KB_REPLICA_OFFLINE);
	kb_batch_send(&b, NULL, 0);
	if (!c->aborted)
		ctl_replicas_to(c, &b, v, n, KB_REPLICA_DELETION_STARTED);
	kb_batch_send(&b, NULL, 0);
	free(v);
}

/* Topic, settings, and last the mark: a crash in between begins again. */
static void
delete_nodes(struct kb_controller *c, struct kb_ctopic *t)
{
	struct kzk_path path[3];
	struct kc_str name = kc_str(t->name);

	kzk_path_topic(&path[0], name);
	kzk_path_config(&path[1], KZK_CONFIG_TOPICS, name);
	kzk_path_delete_topic(&path[2], name);
	kzk_watch_cancel(&t->watch);
	for (int i = 0; i < 3 && !c->aborted; i++) {
		int rc = kzk_await_delete_tree(
		    c->p.zk, path[i].s, KZK_CONTROLLER_EPOCH, c->epoch_version);

		if (rc != KC_ENOENT && !ctl_ok(c, rc, "deleting a topic"))
			return;
	}
	if (c->aborted)
		return;
	kc_log(KC_LOG_INFO, "kafka.controller.TopicDeletionManager",
	    "[Topic Deletion Manager %d] Deletion of topic %s successfully "
	    "completed",
	    c->p.broker_id, t->name);
	kb_model_remove_topic(&c->m, t);
}

void
ctl_resume_deletions(struct kb_controller *c)
{
	struct kb_ctopic *t, *tmp;

	HASH_ITER(hh, c->m.topics, t, tmp) {
		if (c->aborted)
			return;
		if (!t->deleting || any_in(t, KB_REPLICA_DELETION_STARTED))
			continue;
		if (all_in(t, KB_REPLICA_DELETION_SUCCESSFUL)) {
			delete_nodes(c, t);
			continue;
		}
		if ((t->ineligible = moves(t)))
			continue; /* first it comes to rest */
		announce(c, t);
		stop_replicas(c, t);
	}
}

/* A broker said what became of the logs it was to delete. */
void
ctl_stop_replica_done(struct kb_controller *c, struct ctl_event *e)
{
	bool complete = false;

	for (int32_t i = 0; i < e->ncodes; i++) {
		struct kb_ctopic *t = kb_model_topic(&c->m, e->codes[i].topic);
		struct kb_cpart *p =
		    t == NULL ? NULL : kb_model_part(t, e->codes[i].index);
		struct kb_creplica *r =
		    p == NULL ? NULL : kb_model_replica(p, e->broker);

		if (r == NULL || !t->deleting ||
		    r->state != KB_REPLICA_DELETION_STARTED)
			continue;
		if (e->codes[i].code == KP_NONE) {
			r->state = KB_REPLICA_DELETION_SUCCESSFUL;
			complete = complete ||
			    all_in(t, KB_REPLICA_DELETION_SUCCESSFUL);
			continue;
		}
		r->state = KB_REPLICA_DELETION_INELIGIBLE;
		t->ineligible = true;
	}
	if (complete)
		ctl_resume_deletions(c);
}
