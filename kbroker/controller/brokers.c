/*
 * Brokers that come, go, bounce or lose a disk (controller.md 5).
 */
#include "kbroker/controller/ctl.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdlib.h>

struct ids {
	int32_t *v;
	int n;
};

static void
on_broker_data(struct kzk_watch *w, enum kzk_event ev)
{
	struct kb_cbroker *b = KC_CONTAINER(w, struct kb_cbroker, watch);

	if (ev == KZK_EVENT_CHANGED)
		ctl_post(b->c, CTL_BROKER_DATA, b->id, NULL);
}

static void
drop_broker(struct kb_controller *c, struct kb_cbroker *b)
{
	kzk_watch_cancel(&b->watch);
	ctl_channel_close(b);
	kb_model_remove_broker(&c->m, b);
}

/* Registrations of ids as they stand; those that are gone are left out. */
static void
read_brokers(struct kb_controller *c, const int32_t *ids, int n,
    void (*fn)(struct kb_controller *c, int32_t id, int64_t epoch,
	struct kzk_broker *info))
{
	struct kzk_batch *b = NULL;
	struct kzk_path path;

	if (!ctl_ok(c, kzk_batch_open(&b, c->p.zk), "reading brokers"))
		return;
	for (int i = 0; i < n; i++) {
		kzk_path_broker(&path, ids[i]);
		kzk_batch_add(b, kzk_op_get(c->p.zk, path.s, NULL));
	}
	b = kzk_await_batch(b);
	for (int i = 0; i < n && i < b->n; i++) {
		const struct kzk_op *op = b->ops[i];
		struct kzk_broker info;
		int err = op == NULL ? KC_ENOMEM : op->err;

		if (err == KC_ENOENT)
			continue;
		if (!ctl_ok(c, err, "reading a broker") || err != KC_OK)
			continue;
		if (kzk_broker_decode(op->data, &info) != KC_OK) {
			kc_log(KC_LOG_ERROR, CTL_LOGGER,
			    "[Controller id=%d] The registration of broker %d "
			    "is not what it should be; it is left out",
			    c->p.broker_id, ids[i]);
			continue;
		}
		fn(c, ids[i], op->stat.czxid, &info);
		kzk_broker_fini(&info);
	}
}

static void
add_broker(
    struct kb_controller *c, int32_t id, int64_t epoch, struct kzk_broker *info)
{
	struct kb_cbroker *b = kb_model_broker(&c->m, id);

	if (b != NULL) /* a bounce: the channel is to another process */
		drop_broker(c, b);
	b = kb_model_add_broker(&c->m, id, epoch, info);
	if (!ctl_ok(c, b == NULL ? KC_ENOMEM : KC_OK, "noting a broker"))
		return;
	kzk_watch_init(&b->watch, on_broker_data);
	(void)ctl_channel_open(c, b);
}

/* Watches of their data, armed by an exists of each. */
static void
watch_brokers(struct kb_controller *c, const int32_t *ids, int n)
{
	struct kzk_batch *zb = NULL;
	struct kzk_path path;

	if (!ctl_ok(c, kzk_batch_open(&zb, c->p.zk), "watching brokers"))
		return;
	for (int i = 0; i < n; i++) {
		struct kb_cbroker *b = kb_model_broker(&c->m, ids[i]);

		if (b == NULL)
			continue;
		kzk_path_broker(&path, ids[i]);
		kzk_batch_add(zb, kzk_op_exists(c->p.zk, path.s, &b->watch));
	}
	zb = kzk_await_batch(zb);
	if (zb->err != KC_OK && zb->err != KC_ENOENT)
		ctl_ok(c, zb->err, "watching brokers");
}

void
ctl_load_brokers(struct kb_controller *c, const int32_t *ids, int n)
{
	read_brokers(c, ids, n, add_broker);
	if (!c->aborted)
		watch_brokers(c, ids, n);
}

/* --- the list changed ------------------------------------------------------
 */

static bool
list_ids(struct kb_controller *c, struct ids *out)
{
	struct kzk_op *op;
	int64_t id;
	int rc =
	    kzk_await(kzk_op_children(c->p.zk, KZK_BROKER_IDS, &c->w_ids), &op);

	*out = (struct ids){ 0 };
	if (!ctl_ok(c, rc, "listing brokers") || rc != KC_OK)
		return false;
	out->v = calloc((size_t)op->nchildren + 1, sizeof *out->v);
	for (int i = 0; i < op->nchildren && out->v != NULL; i++)
		if (kc_str_i64(op->children[i], &id) == KC_OK && id >= 0 &&
		    id <= INT32_MAX)
			out->v[out->n++] = (int32_t)id;
	return out->v != NULL;
}

/* czxid of each listed registration, -1 when it is gone again. */
static bool
read_epochs(struct kb_controller *c, const struct ids *ids, int64_t *epochs)
{
	struct kzk_batch *b = NULL;
	struct kzk_path path;

	if (!ctl_ok(c, kzk_batch_open(&b, c->p.zk), "reading brokers"))
		return false;
	for (int i = 0; i < ids->n; i++) {
		kzk_path_broker(&path, ids->v[i]);
		kzk_batch_add(b, kzk_op_exists(c->p.zk, path.s, NULL));
	}
	b = kzk_await_batch(b);
	for (int i = 0; i < ids->n; i++) {
		const struct kzk_op *op = i < b->n ? b->ops[i] : NULL;
		int err = op == NULL ? KC_ENOMEM : op->err;

		epochs[i] = err == KC_OK ? op->stat.czxid : -1;
		if (err != KC_ENOENT && !ctl_ok(c, err, "reading brokers"))
			return false;
	}
	return true;
}

static struct ctl_replica *
replicas_on(struct kb_controller *c, int32_t broker, bool only_bad_dir, int *n)
{
	struct kb_ctopic *t, *tmp;
	struct ctl_replica *v = NULL;
	int cap = 0;

	*n = 0;
	HASH_ITER(hh, c->m.topics, t, tmp) {
		for (int32_t i = 0; i < t->nparts; i++) {
			struct kb_cpart *p = &t->parts[i];
			struct kb_creplica *r = kb_model_replica(p, broker);

			if (r == NULL || (only_bad_dir && !r->dir_offline))
				continue;
			if (*n == cap) {
				struct ctl_replica *w;

				cap = KC_MAX(64, cap * 2);
				w = realloc(v, (size_t)cap * sizeof *v);
				if (!ctl_ok(c, w == NULL ? KC_ENOMEM : KC_OK,
					"listing replicas"))
					return v;
				v = w;
			}
			v[(*n)++] = (struct ctl_replica){ p, broker };
		}
	}
	return v;
}

/*
 * Replicas went away with their broker or disk: leaders elsewhere, out of
 * the ISRs; those of topics being deleted wait (onReplicasBecomeOffline).
 */
void
ctl_replicas_offline(struct kb_controller *c, struct ctl_replica *v, int n)
{
	struct kb_cpart **lost = calloc((size_t)n + 1, sizeof *lost);
	struct ctl_replica *live = calloc((size_t)n + 1, sizeof *live);
	struct kb_batch b;
	int nlost = 0, nlive = 0;

	if (!ctl_ok(c, lost == NULL || live == NULL ? KC_ENOMEM : KC_OK,
		"taking replicas offline"))
		goto out;
	for (int i = 0; i < n; i++) {
		struct kb_cpart *p = v[i].p;
		struct kb_creplica *r = kb_model_replica(p, v[i].broker);

		if (p->led && p->ls.leader == v[i].broker &&
		    !p->topic->deleting) {
			p->state = KB_PART_OFFLINE;
			lost[nlost++] = p;
		}
		if (!p->topic->deleting) {
			live[nlive++] = v[i];
		} else if (r->state == KB_REPLICA_OFFLINE ||
		    r->state == KB_REPLICA_DELETION_STARTED) {
			r->state = KB_REPLICA_DELETION_INELIGIBLE;
			p->topic->ineligible = true;
		}
	}
	kb_batch_init(&b, c);
	if (nlost > 0)
		ctl_parts_elect(c, &b, lost, nlost, KB_ELECT_OFFLINE);
	if (!c->aborted)
		ctl_replicas_to(c, &b, live, nlive, KB_REPLICA_OFFLINE);
	if (nlost == 0 && nlive == 0)
		kb_batch_brokers(&b); /* who is alive has changed */
	kb_batch_send(&b, NULL, 0);
out:
	free(lost);
	free(live);
}

static void
broker_gone(struct kb_controller *c, int32_t id)
{
	struct kb_cbroker *b = kb_model_broker(&c->m, id);
	struct ctl_replica *v;
	int n;

	if (b != NULL)
		drop_broker(c, b);
	kc_log(KC_LOG_INFO, CTL_LOGGER,
	    "[Controller id=%d] Broker failure callback for %d", c->p.broker_id,
	    id);
	v = replicas_on(c, id, false, &n);
	if (!c->aborted)
		ctl_replicas_offline(c, v, n);
	free(v);
}

static void
tell_all_partitions(struct kb_controller *c, int32_t id)
{
	struct kb_ctopic *t, *tmp;
	struct kb_batch b;

	kb_batch_init(&b, c);
	kb_batch_brokers(&b);
	HASH_ITER(hh, c->m.topics, t, tmp)
		for (int32_t i = 0; i < t->nparts; i++)
			if (t->parts[i].led)
				kb_batch_meta(&b, &t->parts[i]);
	kb_batch_send(&b, &id, 1);
}

static void
tell_others_of(struct kb_controller *c, int32_t id)
{
	struct kb_cbroker *br, *tmp;
	struct kb_batch b;
	int32_t *ids = calloc(HASH_COUNT(c->m.brokers) + 1, sizeof *ids);
	int32_t n = 0;

	if (ids == NULL)
		return;
	HASH_ITER(hh, c->m.brokers, br, tmp)
		if (br->id != id)
			ids[n++] = br->id;
	kb_batch_init(&b, c);
	kb_batch_brokers(&b);
	kb_batch_send(&b, ids, n);
	free(ids);
}

static void
broker_started(struct kb_controller *c, int32_t id)
{
	struct ctl_replica *v;
	struct kb_batch b;
	int n;

	ctl_load_brokers(c, &id, 1);
	if (c->aborted || kb_model_broker(&c->m, id) == NULL)
		return;
	kc_log(KC_LOG_INFO, CTL_LOGGER,
	    "[Controller id=%d] New broker startup callback for %d",
	    c->p.broker_id, id);
	v = replicas_on(c, id, false, &n);
	for (int i = 0; i < n; i++) /* its disks may be whole again */
		kb_model_replica(v[i].p, id)->dir_offline = false;
	tell_others_of(c, id);
	/* Its roles before its metadata: it lets clients in at the latter. */
	kb_batch_init(&b, c);
	ctl_replicas_to(c, &b, v, n, KB_REPLICA_ONLINE);
	kb_batch_send(&b, NULL, 0);
	tell_all_partitions(c, id);
	ctl_parts_trigger(c, &b);
	kb_batch_send(&b, NULL, 0);
	free(v);
	if (!c->aborted)
		ctl_reassign_resume(c, id);
	if (!c->aborted)
		ctl_resume_deletions(c);
}

static int
index_of(const struct ids *ids, int32_t id)
{
	for (int i = 0; i < ids->n; i++)
		if (ids->v[i] == id)
			return i;
	return -1;
}

void
ctl_broker_change(struct kb_controller *c)
{
	struct ids now = { 0 };
	struct kb_cbroker *b, *tmp;
	int64_t *epochs = NULL;
	int32_t *gone = calloc(HASH_COUNT(c->m.brokers) + 1, sizeof *gone);
	int ngone = 0;

	if (!ctl_ok(c, gone == NULL ? KC_ENOMEM : KC_OK, "comparing brokers") ||
	    !list_ids(c, &now))
		goto out;
	epochs = calloc((size_t)now.n + 1, sizeof *epochs);
	if (!ctl_ok(
		c, epochs == NULL ? KC_ENOMEM : KC_OK, "comparing brokers") ||
	    !read_epochs(c, &now, epochs))
		goto out;
	HASH_ITER(hh, c->m.brokers, b, tmp) {
		int at = index_of(&now, b->id);

		/* A higher czxid is another life: it failed, then started. */
		if (at < 0 || epochs[at] < 0 || epochs[at] > b->epoch)
			gone[ngone++] = b->id;
	}
	for (int i = 0; i < ngone && !c->aborted; i++)
		broker_gone(c, gone[i]);
	for (int i = 0; i < now.n && !c->aborted; i++)
		if (epochs[i] >= 0 && kb_model_broker(&c->m, now.v[i]) == NULL)
			broker_started(c, now.v[i]);
out:
	free(gone);
	free(epochs);
	free(now.v);
}

static void
replace_info(
    struct kb_controller *c, int32_t id, int64_t epoch, struct kzk_broker *info)
{
	struct kb_cbroker *b = kb_model_broker(&c->m, id);

	if (b == NULL || b->epoch != epoch)
		return; /* another life: the list's watch tells */
	kzk_broker_fini(&b->info);
	b->info = *info;
	*info = (struct kzk_broker){ 0 };
}

/* Its endpoints changed: everybody hears (BrokerModifications). */
void
ctl_broker_data(struct kb_controller *c, int32_t id)
{
	struct kb_batch b;

	watch_brokers(c, &id, 1);
	if (!c->aborted)
		read_brokers(c, &id, 1, replace_info);
	if (c->aborted)
		return;
	kb_batch_init(&b, c);
	kb_batch_brokers(&b);
	kb_batch_send(&b, NULL, 0);
}

/* --- log dirs --------------------------------------------------------------
 */

/* A broker answered LeaderAndIsr: which of its replicas have no disk? */
void
ctl_leader_and_isr_done(struct kb_controller *c, struct ctl_event *e)
{
	struct ctl_replica *v = calloc((size_t)e->ncodes + 1, sizeof *v);
	int n = 0;

	if (v == NULL)
		return;
	for (int32_t i = 0; i < e->ncodes; i++) {
		struct kb_ctopic *t = kb_model_topic(&c->m, e->codes[i].topic);
		struct kb_cpart *p =
		    t == NULL ? NULL : kb_model_part(t, e->codes[i].index);
		struct kb_creplica *r =
		    p == NULL ? NULL : kb_model_replica(p, e->broker);

		if (r == NULL)
			continue;
		if (e->codes[i].code == KP_NONE)
			r->dir_offline = false;
		if (e->codes[i].code != KP_KAFKA_STORAGE_ERROR ||
		    r->dir_offline)
			continue;
		r->dir_offline = true;
		v[n++] = (struct ctl_replica){ p, e->broker };
	}
	if (n > 0)
		ctl_replicas_offline(c, v, n);
	free(v);
}

/*
 * Notification nodes below dir: fn with the data of each, then they are deleted
 * (fenced).  The watch is armed again first.
 */
static void
notifications(struct kb_controller *c, const char *dir, struct kzk_watch *w,
    void (*fn)(struct kb_controller *c, struct kc_str data))
{
	struct kzk_batch *b = NULL, *del = NULL;
	struct kzk_op *op;
	struct kzk_path path;
	int rc = kzk_await(kzk_op_children(c->p.zk, dir, w), &op);

	if (!ctl_ok(c, rc, dir) || rc != KC_OK ||
	    !ctl_ok(c, kzk_batch_open(&b, c->p.zk), dir) ||
	    !ctl_ok(c, kzk_batch_open(&del, c->p.zk), dir))
		return;
	for (int i = 0; i < op->nchildren; i++) {
		if (kzk_path_child(&path, dir, op->children[i]) != KC_OK)
			continue;
		kzk_batch_add(b, kzk_op_get(c->p.zk, path.s, NULL));
		kzk_batch_add(
		    del, ctl_fenced(c, kzk_op_delete(c->p.zk, path.s, -1)));
	}
	b = kzk_await_batch(b);
	for (int i = 0; i < b->n && !c->aborted; i++)
		if (b->ops[i] != NULL && b->ops[i]->err == KC_OK)
			fn(c, b->ops[i]->data);
	del = kzk_await_batch(del);
	for (int i = 0; i < del->n; i++)
		if (del->ops[i] != NULL && del->ops[i]->err != KC_ENOENT)
			ctl_ok(c, del->ops[i]->err, dir);
}

/* Ask the broker by sending it its roles again; it says which it lost. */
static void
log_dir_event(struct kb_controller *c, struct kc_str data)
{
	struct kzk_log_dir_event ev;
	struct kb_batch b;
	struct ctl_replica *v;
	int n;

	if (kzk_log_dir_event_decode(data, &ev) != KC_OK ||
	    kb_model_broker(&c->m, ev.broker) == NULL)
		return;
	v = replicas_on(c, ev.broker, false, &n);
	kb_batch_init(&b, c);
	for (int i = 0; i < n; i++)
		kb_batch_lead(&b, v[i].p, ev.broker, false);
	kb_batch_send(&b, NULL, 0);
	free(v);
}

void
ctl_log_dir_change(struct kb_controller *c)
{
	notifications(c, KZK_LOG_DIR_EVENTS, &c->w_log_dirs, log_dir_event);
}

/* Collects into the queue: reading states waits, and data would be gone. */
static void
isr_event(struct kb_controller *c, struct kc_str data)
{
	struct kzk_partition_list l;

	if (kzk_partitions_decode(data, &l) != KC_OK)
		return;
	for (int32_t i = 0; i < l.n; i++)
		ctl_post(c, CTL_ISR_OF, l.v[i].partition, l.v[i].topic.p);
	kzk_partition_list_fini(&l);
}

void
ctl_isr_change(struct kb_controller *c)
{
	notifications(c, KZK_ISR_CHANGES, &c->w_isr, isr_event);
}

/* A leader (of an old version) wrote its ISR itself: read and pass it on. */
void
ctl_isr_of(struct kb_controller *c, const char *topic, int32_t index)
{
	struct kb_ctopic *t = kb_model_topic(&c->m, topic);
	struct kb_cpart *p = t == NULL ? NULL : kb_model_part(t, index);
	struct kb_batch b;

	if (p == NULL)
		return;
	ctl_load_states(c, &p, 1);
	if (c->aborted)
		return;
	kb_batch_init(&b, c);
	kb_batch_meta(&b, p);
	kb_batch_send(&b, NULL, 0);
	if (ctl_reassigning(p))
		ctl_post_once(c, CTL_REASSIGN_CHECK);
}
