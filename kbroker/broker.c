#include "kbroker/broker.h"

#include "kbroker/api/api.h"
#include "kbroker/controller/controller.h"
#include "kbroker/coordinators.h"
#include "kbroker/core.h"
#include "kbroker/dynamic.h"
#include "kbroker/leave.h"
#include "kbroker/log/cleaner.h"
#include "kbroker/net/net.h"
#include "kbroker/pids.h"
#include "kbroker/replica/alter.h"
#include "kbroker/replication.h"
#include "kbroker/toctl.h"
#include "kbroker/start.h"
#include "kbroker/topics.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/base/thread.h"
#include "kcommon/compress/compress.h"
#include "kcommon/io/fiber.h"
#include "kcommon/io/file_guard.h"
#include "kcommon/io/tls.h"
#include "kzk/recipe/seqnode.h"

#include <stdlib.h>

#define LOGGER "kafka.server.KafkaServer"
#define DRAIN_MS 5000 /* for requests under way on the control thread */
#define DRAIN_STEP_MS 100
#define LEAVE_MS 5000 /* for controlled shutdown, with its back-offs */
#define END_PASSES 8 /* of the control loop, after the session's end */

/* --- small things ----------------------------------------------------------
 */

void
kb_start_phase(struct kb_broker *b, enum kb_phase phase, int err)
{
	struct kb_start *s = b->start;

	kc_lock_take(&s->lock);
	if (phase > s->phase)
		s->phase = phase;
	if (s->err == KC_OK)
		s->err = err;
	kc_cond_broadcast(&s->cond);
	kc_lock_drop(&s->lock);
}

void
kb_start_give_up(struct kb_broker *b, int err)
{
	kb_start_phase(b, KB_PHASE_STARTING, err);
}

/* The start waits on this list for the first UpdateMetadata. */
static void
wake_start(struct kb_waiter *w)
{
	kc_fiber_wake(w->arg); /* published on the control thread only */
}

static void
wait_metadata(struct kb_broker *b)
{
	struct kb_waiter w = { .wake = wake_start, .arg = kc_fiber_self() };

	kc_lock_take(&b->meta_lock);
	kb_waitlist_add(&b->meta_waiters, &w);
	kc_lock_drop(&b->meta_lock);
	while (!atomic_load(&b->ready) && !atomic_load(&b->stopping))
		kc_fiber_wait();
	kc_lock_take(&b->meta_lock);
	kb_waitlist_remove(&b->meta_waiters, &w);
	kc_lock_drop(&b->meta_lock);
}

static void
begin(void *arg)
{
	struct kb_broker *b = arg;
	int rc;

	b->start->waiter = kc_fiber_self();
	rc = kb_start_steps(b);
	if (rc == KC_OK)
		wait_metadata(b);
	b->start->waiter = NULL;
	if (rc != KC_OK) {
		if (rc != KC_ECANCELED)
			kc_log(KC_LOG_FATAL, LOGGER,
			    "Fatal error during KafkaServer startup. Prepare "
			    "to shutdown: %s",
			    kc_strerror(rc));
		kb_start_give_up(b, rc);
		return;
	}
	if (atomic_load(&b->stopping))
		return;
	kc_log(KC_LOG_INFO, LOGGER, "[KafkaServer id=%d] started", b->id);
	kb_start_phase(b, KB_PHASE_READY, KC_OK);
}

static void
on_begin(struct kc_task *task)
{
	struct kb_start *s = KC_CONTAINER(task, struct kb_start, begin);

	if (kc_fiber_start(s->owner->control, begin, s->owner) != KC_OK)
		kb_start_give_up(s->owner, KC_ENOMEM);
}

static void
control_main(void *arg)
{
	struct kb_broker *b = arg;

	(void)kc_loop_run(b->control);
}

int
kb_broker_open(struct kb_broker **brokerp, const struct kb_env *env,
    const struct kb_config *config)
{
	struct kb_broker *b;
	struct kb_meta *none = NULL;
	struct kb_start *s;
	int rc;

	KC_ASSERT(*brokerp == NULL);
	(void)kc_log_use(env->logger);
	b = kc_new(struct kb_broker, KB_BROKER_MAGIC);
	s = calloc(1, sizeof *s);
	if (b == NULL || s == NULL ||
	    (rc = kb_meta_empty(&none, kc_str(""))) != KC_OK) {
		free(b);
		free(s);
		return KC_ENOMEM;
	}
	b->env = env;
	b->config = config;
	b->live = kb_config_get(config);
	b->id = -1;
	b->start = s;
	s->owner = b;
	atomic_init(&b->epoch, -1);
	kc_lock_init(&s->lock, 0, "broker");
	kc_cond_init(&s->cond);
	kc_lock_init(&b->meta_lock, 0, "metadata waiters");
	kb_meta_cache_init(&b->meta, none);
	*brokerp = b;
	if ((rc = kc_guard_install()) != KC_OK ||
	    (rc = kb_sessions_open(&b->sessions,
		 config->max_incremental_fetch_session_cache_slots,
		 env->c.rand)) != KC_OK ||
	    (rc = kc_loop_open(&b->control, &env->c, "control")) != KC_OK)
		goto fail;
	s->begin.fn = on_begin;
	kc_loop_post(b->control, &s->begin);
	if ((rc = kc_thread_start(&s->thread, "control", control_main, b)) ==
	    KC_OK)
		return KC_OK;
fail:
	(void)kb_broker_close(brokerp);
	return rc;
}

/* --- while it runs ---------------------------------------------------------
 */

void
kb_broker_stop(struct kb_broker *b)
{
	struct kb_start *s = b->start;

	kc_lock_take(&s->lock);
	s->stop = true;
	kc_cond_broadcast(&s->cond);
	kc_lock_drop(&s->lock);
}

int
kb_broker_ready(struct kb_broker *b)
{
	struct kb_start *s = b->start;
	int rc;

	kc_lock_take(&s->lock);
	while (s->phase == KB_PHASE_STARTING && !s->stop && s->err == KC_OK)
		kc_cond_wait(&s->cond, &s->lock);
	rc = s->err != KC_OK		  ? s->err :
	    s->phase == KB_PHASE_STARTING ? KC_ECANCELED :
					    KC_OK;
	kc_lock_drop(&s->lock);
	return rc;
}

int
kb_broker_wait(struct kb_broker *b)
{
	struct kb_start *s = b->start;
	int rc;

	kc_lock_take(&s->lock);
	while (!s->stop && s->err == KC_OK)
		kc_cond_wait(&s->cond, &s->lock);
	rc = s->err;
	kc_lock_drop(&s->lock);
	return rc;
}

int
kb_broker_port(struct kb_broker *b, const char *listener)
{
	return b->net == NULL ? -1 : kb_net_port(b->net, listener);
}

int32_t
kb_broker_id(const struct kb_broker *b)
{
	return b->id;
}

/* --- stop ------------------------------------------------------------------
 */

static void
stop_partition(void *arg KC_UNUSED, struct kb_partition *p)
{
	kb_partition_stop(p); /* wakes everybody who waits on it */
}

static void
set_left(struct kb_start *s)
{
	kc_lock_take(&s->lock);
	s->left = true;
	kc_cond_broadcast(&s->cond);
	kc_lock_drop(&s->lock);
}

static void
leave(void *arg)
{
	struct kb_broker *b = arg;
	struct kb_start *s = b->start;

	b->control_requests++;
	s->leaver = kc_fiber_self();
	kb_leave(b);
	s->leaver = NULL;
	set_left(s);
	if (--b->control_requests == 0 && b->drained != NULL)
		kc_fiber_wake(b->drained);
}

static void
on_leave(struct kc_task *task)
{
	struct kb_start *s = KC_CONTAINER(task, struct kb_start, leave);

	if (kc_fiber_start(s->owner->control, leave, s->owner) != KC_OK)
		set_left(s);
}

/*
 * Controlled shutdown, while everything still runs.  Who does not come to an
 * end in time is told to by stopping.
 */
static void
leave_cluster(struct kb_broker *b)
{
	const struct kb_config *c = b->config;
	struct kb_start *s = b->start;
	int64_t now,
	    until = kc_mono_ms(b->env->c.clock) + LEAVE_MS +
	    c->controlled_shutdown_max_retries *
		c->controlled_shutdown_retry_backoff_ms;

	kc_lock_take(&s->lock);
	if (s->phase != KB_PHASE_READY || s->err != KC_OK ||
	    !c->controlled_shutdown_enable) {
		kc_lock_drop(&s->lock);
		return;
	}
	s->leave.fn = on_leave;
	kc_loop_post(b->control, &s->leave);
	while (!s->left && s->err == KC_OK &&
	    (now = kc_mono_ms(b->env->c.clock)) < until)
		kc_cond_wait_ms(&s->cond, &s->lock, until - now);
	kc_lock_drop(&s->lock);
}

/* Everything that answers requests lets go of them. */
static void
drain(struct kb_broker *b)
{
	if (b->mgr != NULL)
		kb_manager_each(b->mgr, stop_partition, NULL);
	kb_coordinators_stop(b);
	kb_api_stop(b);
	if (b->toctl != NULL)
		kb_toctl_stop(b->toctl);
	if (b->pids != NULL)
		kb_pids_stop(b->pids);
	if (b->alter != NULL)
		kb_alter_stop(b->alter);
	if (b->start->leaver != NULL)
		kc_fiber_wake(b->start->leaver);
	b->drained = kc_fiber_self();
	for (int ms = 0; b->control_requests > 0 && ms < DRAIN_MS;
	     ms += DRAIN_STEP_MS)
		kc_fiber_sleep(DRAIN_STEP_MS);
	b->drained = NULL;
}

/* Is a fiber of the start or of a request not at its end? */
static bool
waited_for(const struct kb_broker *b)
{
	return b->control_requests > 0 || b->start->waiter != NULL;
}

/* Control's half of the stop: no more decisions, out of ZooKeeper last. */
static void
finish(void *arg)
{
	struct kb_broker *b = arg;
	bool ended;

	if (b->zk != NULL && !kzk_connected(b->zk))
		kzk_end(b->zk); /* no answer will come any more */
	/* A start under way ends at its next step. */
	if (b->start->waiter != NULL)
		kc_fiber_wake(b->start->waiter);
	for (int ms = 0; b->start->waiter != NULL && ms < DRAIN_MS;
	     ms += DRAIN_STEP_MS)
		kc_fiber_sleep(DRAIN_STEP_MS);
	drain(b);
	kzk_seqnode_close(&b->changes);
	ended = b->ctl == NULL || kb_controller_stop(b->ctl);
	/*
	 * Who waits for a ZooKeeper that does not answer is ended now, while
	 * the net threads are there to take the answers.
	 */
	if (b->zk != NULL && (!ended || waited_for(b))) {
		kzk_end(b->zk);
		for (int ms = 0; waited_for(b) && ms < DRAIN_MS;
		     ms += DRAIN_STEP_MS)
			kc_fiber_sleep(DRAIN_STEP_MS);
		if (b->ctl != NULL)
			(void)kb_controller_stop(b->ctl);
	}
	kb_start_phase(b, KB_PHASE_STOPPED, KC_OK);
}

static void
on_finish(struct kc_task *task)
{
	struct kb_start *s = KC_CONTAINER(task, struct kb_start, finish);

	if (kc_fiber_start(s->owner->control, finish, s->owner) != KC_OK)
		kb_start_phase(s->owner, KB_PHASE_STOPPED, KC_ENOMEM);
}

static void
stop_control(struct kb_broker *b)
{
	struct kb_start *s = b->start;

	if (s->thread == NULL)
		return;
	s->finish.fn = on_finish;
	kc_loop_post(b->control, &s->finish);
	kc_lock_take(&s->lock);
	while (s->phase != KB_PHASE_STOPPED)
		kc_cond_wait(&s->cond, &s->lock);
	kc_lock_drop(&s->lock);
	kc_loop_stop(b->control);
	kc_thread_join(&s->thread);
}

static void
free_readers(struct kb_broker *b)
{
	struct kb_start *s = b->start;

	for (int i = 0; i < s->nreaders; i++) {
		kb_meta_release(&b->meta, &s->readers[i].meta);
		if (b->mgr != NULL)
			kb_manager_release(b->mgr, &s->readers[i].parts);
		kc_compress_ctx_close(&s->readers[i].compress);
	}
	free(s->readers);
}

int
kb_broker_close(struct kb_broker **brokerp)
{
	struct kb_broker *b = *brokerp;
	struct kb_start *s = b->start;
	int rc = KC_OK;

	*brokerp = NULL;
	kc_log(KC_LOG_INFO, LOGGER, "[KafkaServer id=%d] shutting down", b->id);
	leave_cluster(b);
	atomic_store(&b->stopping, true);
	if (b->net != NULL)
		kb_net_shut(b->net);
	stop_control(b);
	kb_replication_stop(b);
	/* From here on this thread is the only one but net's and flush's. */
	if (b->net != NULL)
		kb_net_close(&b->net);
	free_readers(b);
	kb_coordinators_close(b);
	kb_replication_close(b);
	kb_manager_close(&b->mgr);
	kb_log_cleaner_close(&b->cleaner);
	if (b->dirs != NULL)
		kb_log_dirs_close(&b->dirs, s->loaded);
	if (b->zk != NULL) {
		kzk_end(b->zk);
		/* Whoever waited for it comes to an end in these. */
		for (int i = 0; i < END_PASSES; i++)
			(void)kc_loop_step(b->control, 0);
		kzk_close(&b->zk);
		(void)kc_loop_step(b->control, 0);
	}
	kb_controller_close(&b->ctl);
	kb_pids_close(&b->pids);
	kb_toctl_close(&b->toctl);
	kb_topics_close(&b->topics);
	kb_dynamic_close(b);
	kb_sessions_close(&b->sessions);
	kb_meta_cache_fini(&b->meta);
	kc_tls_put(&s->client_tls);
	if (b->control != NULL)
		kc_loop_close(&b->control);
	kc_log(KC_LOG_INFO, LOGGER, "[KafkaServer id=%d] shut down completed",
	    b->id);
	kc_lock_fini(&b->meta_lock);
	kc_cond_fini(&s->cond);
	kc_lock_fini(&s->lock);
	free(s);
	kc_delete(b);
	return rc;
}
