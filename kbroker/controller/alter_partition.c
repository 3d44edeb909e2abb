/*
 * AlterPartition (KIP-497): leaders ask for another ISR.  All partitions of a
 * request are written in one wave, each with the version that the leader
 * knew; the leader epoch stays.
 */
#include "kbroker/controller/alter.h"
#include "kbroker/controller/ctl.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdlib.h>

#define BY_ID_FROM 2 /* topics are named by id, INELIGIBLE_REPLICA exists */
#define EPOCHS_FROM 3

struct item { /* one partition */
	const struct kp_alter_partition_req_partition_data *in;
	struct kp_alter_partition_resp_partition_data *out;
	struct kb_cpart *p; /* NULL: unknown */
	struct kb_alter ask;
	bool write;
	bool stale; /* our copy of the state is not what is stored */
};

struct ask {
	const struct kp_alter_partition_req *in;
	int16_t version;
	struct kc_arena *arena;
	struct kp_alter_partition_resp *out;
	struct item *items;
	int n;
	int rc;
};

static struct kb_ctopic *
find_topic(struct kb_controller *c, const struct ask *a,
    const struct kp_alter_partition_req_topic_data *t)
{
	return a->version >= BY_ID_FROM ?
	    kb_model_topic_by_id(&c->m, &t->topic_id) :
	    kb_model_topic_str(&c->m, t->topic_name);
}

static bool
is_eligible(struct kb_controller *c, int32_t id, int64_t epoch)
{
	const struct kb_cbroker *b = kb_model_broker(&c->m, id);

	return b != NULL && !b->shutting_down &&
	    (epoch < 0 || epoch == b->epoch);
}

/* What is asked of one partition; false: out of memory. */
static bool
take_ask(struct kb_controller *c, struct ask *a, struct item *it)
{
	bool epochs = a->version >= EPOCHS_FROM;
	int32_t n = KC_MAX(
	    epochs ? it->in->new_isr_with_epochs.n : it->in->new_isr.n, 0);
	struct kb_alter_member *m =
	    kc_arena_array(a->arena, (size_t)n, sizeof *m);

	if (m == NULL)
		return false;
	for (int32_t i = 0; i < n; i++) {
		int64_t epoch =
		    epochs ? it->in->new_isr_with_epochs.v[i].broker_epoch : -1;

		m[i].broker = epochs ?
		    it->in->new_isr_with_epochs.v[i].broker_id :
		    it->in->new_isr.v[i];
		m[i].assigned = kb_model_replica(it->p, m[i].broker) != NULL;
		m[i].eligible = is_eligible(c, m[i].broker, epoch);
	}
	it->ask = (struct kb_alter){ .leader = a->in->broker_id,
		.leader_epoch = it->in->leader_epoch,
		.partition_epoch = it->in->partition_epoch,
		.recovery = it->in->leader_recovery_state,
		.isr = m,
		.nisr = n };
	return true;
}

static bool
decide(struct kb_controller *c, struct ask *a, struct item *it, int16_t unknown)
{
	bool same;

	it->out->partition_index = it->in->partition_index;
	if (it->p == NULL || !it->p->led) {
		it->out->error_code = unknown;
		return true;
	}
	if (!take_ask(c, a, it))
		return false;
	it->out->error_code = kb_alter_check(&it->ask, &it->p->ls, &same);
	it->write = it->out->error_code == KP_NONE && !same;
	if (it->out->error_code == KP_INELIGIBLE_REPLICA &&
	    a->version < BY_ID_FROM)
		it->out->error_code = KP_OPERATION_NOT_ATTEMPTED;
	if (it->out->error_code != KP_NONE)
		kc_log(KC_LOG_INFO, CTL_LOGGER,
		    "[Controller id=%d epoch=%d] AlterPartition of %s-%d by "
		    "broker %d (leader epoch %d, partition epoch %d) is "
		    "refused: %s; the leader is %d, its epoch %d, the "
		    "partition epoch %d",
		    c->p.broker_id, c->epoch, it->p->topic->name, it->p->index,
		    a->in->broker_id, it->ask.leader_epoch,
		    it->ask.partition_epoch, kp_error_name(it->out->error_code),
		    it->p->ls.leader, it->p->ls.leader_epoch,
		    it->p->ls.version);
	return true;
}

/* Every partition of the request with what we know of it. */
static bool
decide_all(struct kb_controller *c, struct ask *a)
{
	const struct kp_alter_partition_req *in = a->in;

	if (!KP_ARRAY(a->arena, &a->out->topics,
		alter_partition_resp_topic_data, KC_MAX(in->topics.n, 0)))
		return false;
	for (int32_t i = 0; i < a->out->topics.n; i++) {
		const struct kp_alter_partition_req_topic_data *t =
		    &in->topics.v[i];
		struct kp_alter_partition_resp_topic_data *to =
		    &a->out->topics.v[i];
		struct kb_ctopic *ct = find_topic(c, a, t);
		int16_t unknown = ct == NULL && a->version >= BY_ID_FROM ?
		    KP_UNKNOWN_TOPIC_ID :
		    KP_UNKNOWN_TOPIC_OR_PARTITION;

		to->topic_name = t->topic_name;
		to->topic_id = t->topic_id;
		if (!KP_ARRAY(a->arena, &to->partitions,
			alter_partition_resp_partition_data,
			KC_MAX(t->partitions.n, 0)))
			return false;
		for (int32_t j = 0; j < to->partitions.n; j++) {
			struct item *it = &a->items[a->n++];

			it->in = &t->partitions.v[j];
			it->out = &to->partitions.v[j];
			it->p = ct == NULL ?
			    NULL :
			    kb_model_part(ct, it->in->partition_index);
			if (!decide(c, a, it, unknown))
				return false;
		}
	}
	return true;
}

/* The state that is asked for; z->isr borrows from ids. */
static void
state_of(const struct kb_controller *c, const struct item *it, int32_t *ids,
    struct kzk_partition_state *z)
{
	for (int32_t i = 0; i < it->ask.nisr; i++)
		ids[i] = it->ask.isr[i].broker;
	*z = (struct kzk_partition_state){ .leader = it->ask.leader,
		.leader_epoch = it->ask.leader_epoch,
		.controller_epoch = c->epoch,
		.leader_recovery_state = it->ask.recovery,
		.isr = { ids, it->ask.nisr } };
}

static struct kzk_op *
write_op(struct kb_controller *c, const struct item *it)
{
	int32_t ids[KZK_REPLICAS_MAX];
	struct kzk_partition_state z;
	struct kzk_text text = { 0 };
	struct kzk_path path;
	struct kzk_op *op;

	kzk_path_state(&path, kc_str(it->p->topic->name), it->p->index);
	state_of(c, it, ids, &z);
	if (kzk_partition_state_encode(&z, &text) != KC_OK)
		return NULL;
	op = kzk_op_set(
	    c->p.zk, path.s, kzk_text_str(&text), it->ask.partition_epoch);
	kzk_text_fini(&text);
	return ctl_fenced(c, op);
}

static void
written(struct kb_controller *c, struct item *it, const struct kzk_op *op)
{
	int32_t ids[KZK_REPLICAS_MAX];
	struct kzk_partition_state z;
	int err = op == NULL ? KC_ENOMEM : op->err;

	state_of(c, it, ids, &z);
	if (err == KC_OK)
		err = kb_model_set_leadership(it->p, &z, op->stat.version);
	if (err == KC_OK && ctl_reassigning(it->p))
		ctl_post_once(c, CTL_REASSIGN_CHECK);
	if (err == KC_OK)
		return;
	it->stale = true;
	if (err == KC_EBADVERSION) {
		it->out->error_code = KP_INVALID_UPDATE_VERSION;
		return;
	}
	it->out->error_code = err == KC_ENOENT ? KP_UNKNOWN_TOPIC_OR_PARTITION :
						 KP_UNKNOWN_SERVER_ERROR;
	ctl_ok(c, err, "writing an ISR");
}

static void
write_all(struct kb_controller *c, struct ask *a)
{
	struct kzk_batch *b = NULL;

	if ((a->rc = kzk_batch_open(&b, c->p.zk)) != KC_OK)
		return;
	for (int i = 0; i < a->n; i++)
		if (a->items[i].write &&
		    kzk_batch_add(b, write_op(c, &a->items[i])) != KC_OK)
			break; /* the others get KC_ENOMEM below */
	b = kzk_await_batch(b);
	for (int i = 0, at = 0; i < a->n; i++)
		if (a->items[i].write)
			written(c, &a->items[i], at < b->n ? b->ops[at] : NULL),
			    at++;
}

/* Somebody else wrote (by hand, most likely): learn what. */
static void
read_stale(struct kb_controller *c, const struct ask *a)
{
	struct kb_cpart **v = calloc((size_t)a->n + 1, sizeof *v);
	int n = 0;

	for (int i = 0; i < a->n && v != NULL; i++)
		if (a->items[i].stale)
			v[n++] = a->items[i].p;
	if (n > 0)
		ctl_load_states(c, v, n);
	free(v);
}

static void
answer(struct ask *a, struct item *it)
{
	const struct kb_leadership *ls = &it->p->ls;

	it->out->isr.v =
	    kc_arena_array(a->arena, (size_t)ls->isr.n, sizeof *it->out->isr.v);
	if (it->out->isr.v == NULL) {
		a->rc = KC_ENOMEM;
		return;
	}
	memcpy(
	    it->out->isr.v, ls->isr.v, (size_t)ls->isr.n * sizeof *ls->isr.v);
	it->out->isr.n = ls->isr.n;
	it->out->leader_id = ls->leader;
	it->out->leader_epoch = ls->leader_epoch;
	it->out->leader_recovery_state = ls->recovery;
	it->out->partition_epoch = ls->version;
}

static void
tell(struct kb_controller *c, struct ask *a)
{
	struct kb_batch b;

	kb_batch_init(&b, c);
	for (int i = 0; i < a->n; i++) {
		struct item *it = &a->items[i];

		if (it->p == NULL || !it->p->led)
			continue;
		kb_batch_meta(&b, it->p);
		if (it->out->error_code == KP_NONE)
			answer(a, it);
	}
	if (b.meta.n > 0)
		kb_batch_send(&b, NULL, 0);
}

static int16_t
check_asker(struct kb_controller *c, const struct kp_alter_partition_req *in)
{
	const struct kb_cbroker *b = kb_model_broker(&c->m, in->broker_id);

	if (!ctl_serving(c))
		return KP_NOT_CONTROLLER;
	if (b == NULL || b->epoch != in->broker_epoch)
		return KP_STALE_BROKER_EPOCH;
	return KP_NONE;
}

static void
alter(struct kb_controller *c, void *arg)
{
	struct ask *a = arg;

	a->out->error_code = check_asker(c, a->in);
	if (a->out->error_code != KP_NONE)
		return;
	if (!decide_all(c, a)) {
		a->rc = KC_ENOMEM;
		return;
	}
	write_all(c, a);
	if (!c->aborted && a->rc == KC_OK) {
		read_stale(c, a);
		tell(c, a);
	}
	if (c->aborted) {
		a->out->error_code = KP_NOT_CONTROLLER;
		a->out->topics.n = 0;
	}
}

int
kb_controller_alter_partition(struct kb_controller *c,
    const struct kp_alter_partition_req *in, int16_t version,
    struct kc_arena *arena, struct kp_alter_partition_resp *out)
{
	struct ask a = {
		.in = in, .version = version, .arena = arena, .out = out
	};
	size_t n = 0;

	for (int32_t i = 0; i < in->topics.n; i++)
		n += (size_t)KC_MAX(in->topics.v[i].partitions.n, 0);
	a.items = kc_arena_array(arena, n, sizeof *a.items);
	if (a.items == NULL || !ctl_call(c, alter, &a))
		return KC_ENOMEM;
	return a.rc;
}
