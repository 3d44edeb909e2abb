#include "kbroker/pids.h"

#include "kbroker/rpc/rpc.h"
#include "kbroker/toctl.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/log.h"
#include "kcommon/io/fiber.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <string.h>

#define LOGGER "kafka.coordinator.transaction.RPCProducerIdManager"

/* After an answer that gave no block; Kafka's RetryBackoffMs. */
#define RETRY_MS 50
/* Kafka's PidPrefetchThreshold, in percent of a block. */
#define PREFETCH_PERCENT 90

struct kb_pids {
	unsigned magic;
#define KB_PIDS_MAGIC 0x91d50e3c
	struct kb_pids_params p;

	struct kc_lock lock; /* a leaf; guards the next four */
	struct kb_pid_blocks blocks;
	struct kb_waitlist waiters;
	bool asking; /* task is posted, or the fiber runs */
	bool stopped;

	struct kc_task task;
	/* The control thread's. */
	struct kc_fiber *fiber; /* asks; NULL: none does */
	struct kc_fiber *stopper; /* waits for its end */
};

bool
kb_pid_blocks_take(struct kb_pid_blocks *b, int64_t *id, bool *want)
{
	if (b->next == b->end) {
		if (b->then == b->then_end) {
			*want = true;
			return false;
		}
		b->next = b->then;
		b->end = b->then_end;
		b->low = b->next + (b->end - b->next) * PREFETCH_PERCENT / 100;
		b->then = b->then_end = 0;
	}
	*id = b->next++;
	if (*id >= b->low && b->then == b->then_end)
		*want = true;
	return true;
}

int
kb_pid_blocks_add(struct kb_pid_blocks *b, int64_t start, int32_t len)
{
	if (start < 0 || len <= 0 || start > INT64_MAX - len)
		return KC_ERANGE;
	if (b->then != b->then_end)
		return KC_EEXIST;
	b->then = start;
	b->then_end = start + len;
	return KC_OK;
}

/* One request for a block.  KC_OK: it is there. */
static int
ask(struct kb_pids *p)
{
	const struct kp_api *api = kp_api_get(kp_key_allocate_producer_ids);
	const struct kp_allocate_producer_ids_resp *out;
	struct kp_allocate_producer_ids_req in;
	struct kb_rpc_call *call = NULL;
	int rc;

	kp_init(api->req.desc(), &in);
	in.broker_id = p->p.broker_id;
	in.broker_epoch = atomic_load(p->p.broker_epoch);
	rc = kb_toctl_ask(p->p.toctl, api, api->max, &in, &call);
	if (rc != KC_OK)
		return rc;
	out = call->resp;
	if (out->error_code != KP_NONE) {
		kc_log(KC_LOG_WARN, LOGGER,
		    "[RPC ProducerId Manager %d] The controller gives no block "
		    "of producer ids: %s",
		    p->p.broker_id, kp_error_name(out->error_code));
		rc = KC_EAGAIN;
	} else {
		kc_lock_take(&p->lock);
		rc = kb_pid_blocks_add(
		    &p->blocks, out->producer_id_start, out->producer_id_len);
		kc_lock_drop(&p->lock);
		kc_log(rc == KC_OK ? KC_LOG_INFO : KC_LOG_ERROR, LOGGER,
		    "[RPC ProducerId Manager %d] Got a block of %d producer "
		    "ids from %lld on: %s",
		    p->p.broker_id, out->producer_id_len,
		    (long long)out->producer_id_start, kc_strerror(rc));
	}
	kb_rpc_call_free(&call);
	return rc;
}

static void
fetch(void *arg)
{
	struct kb_pids *p = arg;
	bool stopped = false;

	p->fiber = kc_fiber_self();
	while (!stopped && ask(p) != KC_OK) {
		kc_lock_take(&p->lock);
		stopped = p->stopped;
		kc_lock_drop(&p->lock);
		if (!stopped)
			kc_fiber_sleep(RETRY_MS);
	}
	kc_lock_take(&p->lock);
	p->asking = false;
	kb_waitlist_wake(&p->waiters);
	kc_lock_drop(&p->lock);
	p->fiber = NULL;
	if (p->stopper != NULL)
		kc_fiber_wake(p->stopper);
}

static void
on_task(struct kc_task *task)
{
	struct kb_pids *p = KC_CONTAINER(task, struct kb_pids, task);

	if (kc_fiber_start(p->p.loop, fetch, p) == KC_OK)
		return;
	/* Whoever comes next tries again. */
	kc_lock_take(&p->lock);
	p->asking = false;
	kc_lock_drop(&p->lock);
}

bool
kb_pids_next(struct kb_pids *p, int64_t *id)
{
	bool want = false, post, ok;

	KC_CHECK(p, KB_PIDS_MAGIC);
	kc_lock_take(&p->lock);
	ok = kb_pid_blocks_take(&p->blocks, id, &want);
	post = want && !p->asking && !p->stopped;
	p->asking |= post;
	kc_lock_drop(&p->lock);
	if (post)
		kc_loop_post(p->p.loop, &p->task);
	return ok;
}

struct kc_lock *
kb_pids_lock(struct kb_pids *p)
{
	return &p->lock;
}

struct kb_waitlist *
kb_pids_waiters(struct kb_pids *p)
{
	return &p->waiters;
}

int
kb_pids_open(struct kb_pids **pp, const struct kb_pids_params *params)
{
	struct kb_pids *p;

	KC_ASSERT(*pp == NULL);
	if ((p = kc_new(struct kb_pids, KB_PIDS_MAGIC)) == NULL)
		return KC_ENOMEM;
	p->p = *params;
	p->task.fn = on_task;
	kc_lock_init(&p->lock, 0, "pids");
	*pp = p;
	return KC_OK;
}

void
kb_pids_stop(struct kb_pids *p)
{
	KC_CHECK(p, KB_PIDS_MAGIC);
	kc_lock_take(&p->lock);
	p->stopped = true;
	kb_waitlist_wake(&p->waiters);
	kc_lock_drop(&p->lock);
	p->stopper = kc_fiber_self();
	if (p->fiber != NULL)
		kc_fiber_wake(p->fiber); /* it may sleep */
	while (p->fiber != NULL)
		kc_fiber_wait();
	p->stopper = NULL;
}

void
kb_pids_close(struct kb_pids **pp)
{
	struct kb_pids *p = *pp;

	if (p == NULL)
		return;
	KC_CHECK(p, KB_PIDS_MAGIC);
	KC_ASSERT(p->fiber == NULL);
	*pp = NULL;
	kc_lock_fini(&p->lock);
	kc_delete(p);
}
