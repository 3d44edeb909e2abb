#include "kbroker/replica/alter.h"

#include "kbroker/replica/manager.h"
#include "kbroker/rpc/rpc.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/fiber.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdlib.h>

#define LOGGER "kafka.server.AlterPartitionManager"

#define RETRY_MS 50 /* as Kafka's */
#define BATCH_MAX 1000 /* partitions a request; the rest go with the next */
#define ARENA_MAX ((size_t)64 << 20)
#define VERSION_IDS 3 /* topics by id, members with their epochs */
#define VERSION_NAMES 1

struct item { /* one partition of the request under way */
	struct kb_partition *p; /* own reference */
	struct kb_isr_ask ask;
	struct kc_uuid id;
};

struct kb_alter {
	struct kb_alter_params p;
	struct kc_timer timer;
	struct kc_task task;
	bool running; /* a fiber is at it */
	bool stopped;
	struct kc_fiber *stopper; /* waits until it is not */

	struct kc_lock lock; /* a leaf */
	/* Guarded by lock; each holds a reference. */
	struct kb_partition *head, **tail;
	bool posted;
};

static void on_timer(struct kc_timer *t);
static void on_task(struct kc_task *task);

int
kb_alter_open(struct kb_alter **ap, const struct kb_alter_params *p)
{
	struct kb_alter *a = calloc(1, sizeof *a);

	KC_ASSERT(*ap == NULL);
	if (a == NULL)
		return KC_ENOMEM;
	a->p = *p;
	a->tail = &a->head;
	a->task.fn = on_task;
	kc_lock_init(&a->lock, 0, "alter partition");
	kc_timer_init(&a->timer, on_timer);
	kc_timer_set(p->loop, &a->timer,
	    kc_loop_now_ms(p->loop) + KC_MAX(p->lag_max_ms / 2, 1));
	*ap = a;
	return KC_OK;
}

static struct kb_partition *
take_one(struct kb_alter *a)
{
	struct kb_partition *p;

	kc_lock_take(&a->lock);
	if ((p = a->head) != NULL) {
		a->head = p->alter_next;
		if (a->head == NULL)
			a->tail = &a->head;
		p->alter_next = NULL;
		p->alter_queued = false;
	}
	kc_lock_drop(&a->lock);
	return p;
}

void
kb_alter_stop(struct kb_alter *a)
{
	a->stopped = true;
	kc_timer_cancel(a->p.loop, &a->timer);
	a->stopper = kc_fiber_self();
	while (a->running)
		kc_fiber_wait();
	a->stopper = NULL;
}

void
kb_alter_close(struct kb_alter **ap)
{
	struct kb_alter *a = *ap;
	struct kb_partition *p;

	*ap = NULL;
	if (a == NULL)
		return;
	KC_ASSERT(!a->running);
	while ((p = take_one(a)) != NULL)
		kb_partition_put(&p);
	kc_lock_fini(&a->lock);
	free(a);
}

void
kb_alter_want(struct kb_alter *a, struct kb_partition *p)
{
	bool post = false;

	kc_lock_take(&a->lock);
	if (!p->alter_queued) {
		p->alter_queued = true;
		p->alter_next = NULL;
		*a->tail = kb_partition_get(p);
		a->tail = &p->alter_next;
		post = !a->posted;
		a->posted = true;
	}
	kc_lock_drop(&a->lock);
	if (post)
		kc_loop_post(a->p.loop, &a->task);
}

/* --- the request --------------------------------------------------------- */

/* Those that wait, as of now; how many. */
static int32_t
collect(struct kb_alter *a, struct item *v, int32_t max)
{
	struct kb_partition *p;
	int32_t n = 0;

	while (n < max && (p = take_one(a)) != NULL) {
		struct item *it = &v[n];
		int rc = kb_partition_isr_ask(p, &it->ask);

		if (rc == KC_OK) {
			kb_log_topic_id(p->log, &it->id);
			it->p = p;
			n++;
			continue;
		}
		if (rc == KC_ENOMEM)
			kb_alter_want(a, p); /* the next turn */
		kb_partition_put(&p);
		if (rc == KC_ENOMEM)
			break;
	}
	return n;
}

static int
by_topic(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	int c = strcmp(a->p->topic, b->p->topic);

	return c != 0 ?
	    c :
	    (a->p->index > b->p->index) - (a->p->index < b->p->index);
}

static bool
fill_partition(struct kc_arena *arena, int16_t version, const struct item *it,
    struct kp_alter_partition_req_partition_data *o)
{
	o->partition_index = it->p->index;
	o->leader_epoch = it->ask.leader_epoch;
	o->partition_epoch = it->ask.partition_epoch;
	if (version < VERSION_IDS) {
		o->new_isr.v = kc_arena_array(
		    arena, (size_t)it->ask.n, sizeof *o->new_isr.v);
		if (o->new_isr.v == NULL)
			return false;
		o->new_isr.n = it->ask.n;
		for (int32_t i = 0; i < it->ask.n; i++)
			o->new_isr.v[i] = it->ask.v[i].id;
		return true;
	}
	if (!KP_ARRAY(arena, &o->new_isr_with_epochs, broker_state, it->ask.n))
		return false;
	for (int32_t i = 0; i < it->ask.n; i++) {
		o->new_isr_with_epochs.v[i].broker_id = it->ask.v[i].id;
		o->new_isr_with_epochs.v[i].broker_epoch =
		    it->ask.v[i].broker_epoch;
	}
	return true;
}

/* Our own epoch belongs to every set that we are in. */
static void
add_own_epoch(const struct kb_alter *a, struct item *v, int32_t n)
{
	int64_t own = atomic_load(a->p.broker_epoch);

	for (int32_t i = 0; i < n; i++)
		for (int32_t j = 0; j < v[i].ask.n; j++)
			if (v[i].ask.v[j].id == a->p.broker_id)
				v[i].ask.v[j].broker_epoch = own;
}

/* v is sorted by topic. */
static bool
build(const struct kb_alter *a, struct kc_arena *arena, int16_t version,
    const struct item *v, int32_t n, struct kp_alter_partition_req *in)
{
	int32_t topics = 0, len;

	kp_init(kp_api_get(kp_key_alter_partition)->req.desc(), in);
	in->broker_id = a->p.broker_id;
	in->broker_epoch = atomic_load(a->p.broker_epoch);
	for (int32_t i = 0; i < n; i++)
		topics +=
		    i == 0 || strcmp(v[i - 1].p->topic, v[i].p->topic) != 0;
	if (!KP_ARRAY(
		arena, &in->topics, alter_partition_req_topic_data, topics))
		return false;
	topics = 0;
	for (int32_t i = 0; i < n; i += len) {
		struct kp_alter_partition_req_topic_data *t =
		    &in->topics.v[topics++];

		for (len = 1; i + len < n &&
		     strcmp(v[i].p->topic, v[i + len].p->topic) == 0;
		     len++)
			;
		if (version >= 2)
			t->topic_id = v[i].id;
		else
			t->topic_name = kc_str(v[i].p->topic);
		if (!KP_ARRAY(arena, &t->partitions,
			alter_partition_req_partition_data, len))
			return false;
		for (int32_t j = 0; j < len; j++)
			if (!fill_partition(
				arena, version, &v[i + j], &t->partitions.v[j]))
				return false;
	}
	return true;
}

/* --- the answer ---------------------------------------------------------- */

static const struct kp_alter_partition_resp_partition_data *
find_answer(const struct kp_alter_partition_resp *out, int16_t version,
    const struct item *it)
{
	for (int32_t i = 0; i < out->topics.n; i++) {
		const struct kp_alter_partition_resp_topic_data *t =
		    &out->topics.v[i];

		if (version >= 2 ? !kc_uuid_eq(&t->topic_id, &it->id) :
				   !kc_str_eqz(t->topic_name, it->p->topic))
			continue;
		for (int32_t j = 0; j < t->partitions.n; j++)
			if (t->partitions.v[j].partition_index == it->p->index)
				return &t->partitions.v[j];
	}
	return NULL;
}

/* True: some must be asked for again. */
static bool
take_answer(struct kb_alter *a, const struct kp_alter_partition_resp *out,
    int16_t version, const struct item *v, int32_t n)
{
	bool again = false;

	if (out->error_code != KP_NONE)
		kc_log(KC_LOG_INFO, LOGGER,
		    "[AlterPartitionManager broker=%d] The controller answers "
		    "AlterPartition with %s; asking again",
		    a->p.broker_id, kp_error_name(out->error_code));
	for (int32_t i = 0; i < n; i++) {
		const struct kp_alter_partition_resp_partition_data *d =
		    out->error_code == KP_NONE ?
		    find_answer(out, version, &v[i]) :
		    NULL;
		struct kb_isr_answer answer = { 0 };
		bool more = true; /* not answered at all */

		if (d != NULL) {
			answer = (struct kb_isr_answer){
				.leader = d->leader_id,
				.leader_epoch = d->leader_epoch,
				.partition_epoch = d->partition_epoch,
				.isr = d->isr.v,
				.nisr = KC_MAX(d->isr.n, 0),
			};
			more = kb_partition_isr_answered(
			    v[i].p, &v[i].ask, d->error_code, &answer);
		}
		if (more)
			kb_alter_want(a, v[i].p);
		again |= more;
	}
	return again;
}

/* One request.  KC_ENOENT: nothing to ask; KC_EAGAIN: not all is settled. */
static int
ask_once(struct kb_alter *a, struct item *v)
{
	const struct kp_api *api = kp_api_get(kp_key_alter_partition);
	struct kp_alter_partition_req in;
	struct kb_rpc_call *call = NULL;
	int32_t n = collect(a, v, BATCH_MAX);
	int16_t version = VERSION_IDS;
	struct kc_arena arena;
	int rc = KC_ENOENT;

	if (n == 0)
		return rc;
	for (int32_t i = 0; i < n; i++)
		if (kc_uuid_is_zero(&v[i].id))
			version = VERSION_NAMES;
	qsort(v, (size_t)n, sizeof *v, by_topic);
	add_own_epoch(a, v, n);
	kc_arena_init(&arena, ARENA_MAX);
	rc = build(a, &arena, version, v, n, &in) ?
	    a->p.ask(a->p.arg, api, version, &in, &call) :
	    KC_ENOMEM;
	kc_arena_fini(&arena);
	if (rc == KC_OK)
		rc = take_answer(a, call->resp, version, v, n) ? KC_EAGAIN :
								 KC_OK;
	else if (rc != KC_ECLOSED)
		for (int32_t i = 0; i < n; i++)
			kb_alter_want(a, v[i].p);
	kb_rpc_call_free(&call);
	for (int32_t i = 0; i < n; i++) {
		kb_isr_ask_fini(&v[i].ask);
		kb_partition_put(&v[i].p);
	}
	return rc;
}

static void
run(void *arg)
{
	struct kb_alter *a = arg;
	struct item *v = NULL;
	int rc = KC_OK;

	while (!a->stopped && rc != KC_ENOENT && rc != KC_ECLOSED) {
		if (v == NULL)
			v = calloc(BATCH_MAX, sizeof *v);
		rc = v != NULL ? ask_once(a, v) : KC_ENOMEM;
		if (rc != KC_OK && rc != KC_ENOENT && rc != KC_ECLOSED)
			kc_fiber_sleep(RETRY_MS);
	}
	free(v);
	a->running = false;
	if (a->stopper != NULL)
		kc_fiber_wake(a->stopper);
}

static void
on_task(struct kc_task *task)
{
	struct kb_alter *a = KC_CONTAINER(task, struct kb_alter, task);

	kc_lock_take(&a->lock);
	a->posted = false;
	kc_lock_drop(&a->lock);
	if (a->running || a->stopped)
		return; /* it looks at the queue before it ends */
	a->running = true;
	if (kc_fiber_start(a->p.loop, run, a) != KC_OK)
		a->running = false; /* until the timer comes round */
}

/* --- who lags ------------------------------------------------------------ */

static void
check(void *arg KC_UNUSED, struct kb_partition *p)
{
	kb_partition_isr_check(p);
}

static void
on_timer(struct kc_timer *t)
{
	struct kb_alter *a = KC_CONTAINER(t, struct kb_alter, timer);

	kb_manager_each(a->p.mgr, check, NULL);
	kc_timer_set(a->p.loop, t,
	    kc_loop_now_ms(a->p.loop) + KC_MAX(a->p.lag_max_ms / 2, 1));
	/* What a fiber that could not start has left. */
	if (!a->running)
		on_task(&a->task);
}
