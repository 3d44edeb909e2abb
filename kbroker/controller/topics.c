/*
 * Topics that appear, and partitions that are added (controller.md 1).
 */
#include "kbroker/controller/ctl.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdlib.h>

/* New partitions through their states (onNewPartitionCreation). */
void
ctl_new_partitions(struct kb_controller *c, struct kb_cpart **v, int n)
{
	struct ctl_replica *r;
	struct kb_batch b;
	int nr = 0;

	for (int i = 0; i < n; i++)
		nr += v[i]->nreplicas;
	r = calloc((size_t)nr + 1, sizeof *r);
	if (!ctl_ok(c, r == NULL ? KC_ENOMEM : KC_OK, "making partitions"))
		return;
	nr = 0;
	for (int i = 0; i < n; i++) {
		v[i]->state = KB_PART_NEW;
		for (int32_t j = 0; j < v[i]->nreplicas; j++)
			r[nr++] = (struct ctl_replica){ v[i],
				v[i]->replicas[j].broker };
	}
	kb_batch_init(&b, c);
	ctl_replicas_to(c, &b, r, nr, KB_REPLICA_NEW);
	ctl_parts_init(c, &b, v, n);
	if (!c->aborted)
		ctl_replicas_to(c, &b, r, nr, KB_REPLICA_ONLINE);
	kb_batch_send(&b, NULL, 0);
	free(r);
}

/* Those of the topics named that are not in any state yet. */
static void
start_new(struct kb_controller *c, char *const *names, int n)
{
	struct kb_cpart **v;
	int total = 0, at = 0;

	for (int i = 0; i < n; i++) {
		struct kb_ctopic *t = kb_model_topic(&c->m, names[i]);

		total += t == NULL ? 0 : t->nparts;
	}
	v = calloc((size_t)total + 1, sizeof *v);
	if (!ctl_ok(c, v == NULL ? KC_ENOMEM : KC_OK, "making partitions"))
		return;
	for (int i = 0; i < n; i++) {
		struct kb_ctopic *t = kb_model_topic(&c->m, names[i]);

		if (t == NULL || t->deleting)
			continue;
		for (int32_t j = 0; j < t->nparts; j++)
			if (t->parts[j].state == KB_PART_NONEXISTENT)
				v[at++] = &t->parts[j];
	}
	if (at > 0) {
		kc_log(KC_LOG_INFO, CTL_LOGGER,
		    "[Controller id=%d] New partition creation callback for "
		    "%d partitions",
		    c->p.broker_id, at);
		ctl_new_partitions(c, v, at);
	}
	free(v);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* names are sorted */
static void
forget_vanished(struct kb_controller *c, char *const *names, int n)
{
	struct kb_ctopic *t, *tmp;

	HASH_ITER(hh, c->m.topics, t, tmp) {
		if (n > 0 &&
		    bsearch(&t->name, names, (size_t)n, sizeof *names,
			by_name) != NULL)
			continue;
		kzk_watch_cancel(&t->watch);
		kb_model_remove_topic(&c->m, t);
	}
}

void
ctl_topic_change(struct kb_controller *c)
{
	struct kzk_op *op;
	char **names;
	int n = 0, nnew = 0;
	int rc =
	    kzk_await(kzk_op_children(c->p.zk, KZK_TOPICS, &c->w_topics), &op);

	if (!ctl_ok(c, rc, "listing topics") || rc != KC_OK)
		return;
	names = calloc((size_t)op->nchildren + 1, sizeof *names);
	if (!ctl_ok(c, names == NULL ? KC_ENOMEM : KC_OK, "listing topics"))
		return;
	for (int i = 0; i < op->nchildren; i++) {
		names[n] = kc_str_dup(op->children[i]);
		n += names[n] != NULL;
	}
	qsort(names, (size_t)n, sizeof *names, by_name);
	forget_vanished(c, names, n);
	for (int i = 0; i < n; i++) { /* the known ones behind the new ones */
		char *name = names[i];

		if (kb_model_topic(&c->m, name) != NULL)
			continue;
		names[i] = names[nnew];
		names[nnew++] = name;
	}
	if (nnew > 0) {
		ctl_load_topics(c, names, nnew);
		if (!c->aborted)
			start_new(c, names, nnew);
	}
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

void
ctl_topic_data(struct kb_controller *c, const char *topic)
{
	char *name = strdup(topic);

	if (name == NULL || kb_model_topic(&c->m, name) == NULL) {
		free(name);
		return;
	}
	ctl_load_topics(c, &name, 1);
	if (!c->aborted)
		start_new(c, &name, 1);
	free(name);
}
