#include "kbroker/controller/controller.h"

#include "kbroker/config.h"
#include "kbroker/controller/ctl.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/fiber.h"
#include "kcommon/io/tls.h"
#include "kcommon/proto/error.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <stdlib.h>
#include <utlist.h>

/* How long kb_controller_stop() waits for the event under way. */
#define STOP_TRIES 30
#define STOP_STEP_MS 100

/* --- the queue -------------------------------------------------------------
 */

void
ctl_event_free(struct ctl_event *e)
{
	if (e == NULL)
		return;
	for (int32_t i = 0; i < e->ncodes; i++)
		free(e->codes[i].topic);
	free(e->codes);
	free(e->topic);
	free(e);
}

void
ctl_post_event(struct kb_controller *c, struct ctl_event *e)
{
	if (c->stopping) {
		if (e->type == CTL_CALL)
			e->call(c, e->arg);
		ctl_event_free(e);
		return;
	}
	LL_APPEND(c->events, e);
	if (c->idle)
		kc_fiber_wake(c->fiber);
}

void
ctl_post(struct kb_controller *c, enum ctl_event_type type, int32_t broker,
    const char *topic)
{
	struct ctl_event *e = calloc(1, sizeof *e);

	if (e == NULL ||
	    (topic != NULL && (e->topic = strdup(topic)) == NULL)) {
		kc_log(KC_LOG_ERROR, CTL_LOGGER,
		    "[Controller id=%d] Out of memory, an event is lost",
		    c->p.broker_id);
		free(e);
		return;
	}
	e->type = type;
	e->broker = broker;
	ctl_post_event(c, e);
}

void
ctl_post_once(struct kb_controller *c, enum ctl_event_type type)
{
	const struct ctl_event *e;

	LL_FOREACH(c->events, e)
		if (e->type == type)
			return;
	ctl_post(c, type, -1, NULL);
}

struct turn { /* of a ctl_call(), on its fiber's stack */
	struct kc_fiber *fiber;
	void (*fn)(struct kb_controller *c, void *arg);
	void *arg;
	bool done;
};

static void
take_turn(struct kb_controller *c, void *arg)
{
	struct turn *t = arg;

	t->fn(c, t->arg);
	t->done = true;
	kc_fiber_wake(t->fiber);
}

bool
ctl_call(struct kb_controller *c,
    void (*fn)(struct kb_controller *c, void *arg), void *arg)
{
	struct turn t = { .fiber = kc_fiber_self(), .fn = fn, .arg = arg };
	struct ctl_event *e = calloc(1, sizeof *e);

	if (e == NULL)
		return false;
	e->type = CTL_CALL;
	e->call = take_turn;
	e->arg = &t;
	ctl_post_event(c, e);
	while (!t.done)
		kc_fiber_wait();
	return true;
}

bool
ctl_serving(const struct kb_controller *c)
{
	return atomic_load(&c->active) && !c->stopping && !c->aborted;
}

/* --- writes ----------------------------------------------------------------
 */

bool
ctl_ok(struct kb_controller *c, int err, const char *what)
{
	if (err == KC_OK)
		return !c->aborted;
	if (err == KC_EFENCED || err == KC_ESESSION || err == KC_EAUTH ||
	    err == KC_ECLOSED) {
		if (!c->aborted)
			kc_log(KC_LOG_WARN, CTL_LOGGER,
			    "[Controller id=%d] %s: %s; this broker is no "
			    "longer the controller",
			    c->p.broker_id, what,
			    err == KC_EFENCED ?
				"another controller was elected" :
				kc_strerror(err));
		c->aborted = true;
		/* Nothing can be asked before kb_controller_reelect(). */
		if (err != KC_EFENCED)
			c->expired = true;
		return false;
	}
	if (!c->aborted && err != KC_ENOENT && err != KC_EEXIST)
		kc_log(KC_LOG_ERROR, CTL_LOGGER, "[Controller id=%d] %s: %s",
		    c->p.broker_id, what, kc_strerror(err));
	return !c->aborted;
}

struct kzk_op *
ctl_fenced(struct kb_controller *c, struct kzk_op *op)
{
	return kzk_op_safe(
	    kzk_op_fence(op, KZK_CONTROLLER_EPOCH, c->epoch_version));
}

/* --- watches ---------------------------------------------------------------
 */

/* A session's end is told by kb_controller_expired(). */
#define ON_WATCH(name, field, event)                                           \
	static void name(struct kzk_watch *w, enum kzk_event ev)               \
	{                                                                      \
		struct kb_controller *c =                                      \
		    KC_CONTAINER(w, struct kb_controller, field);              \
                                                                               \
		if (ev != KZK_EVENT_SESSION)                                   \
			ctl_post_once(c, event);                               \
	}

ON_WATCH(on_controller, w_controller, CTL_CONTROLLER_CHANGE)
ON_WATCH(on_ids, w_ids, CTL_BROKER_CHANGE)
ON_WATCH(on_topics, w_topics, CTL_TOPIC_CHANGE)
ON_WATCH(on_deletes, w_deletes, CTL_TOPIC_DELETION)
ON_WATCH(on_log_dirs, w_log_dirs, CTL_LOG_DIR_CHANGE)
ON_WATCH(on_isr, w_isr, CTL_ISR_CHANGE)
ON_WATCH(on_preferred, w_preferred, CTL_PREFERRED)
ON_WATCH(on_reassign, w_reassign, CTL_REASSIGN_NODE)

static void
on_rebalance(struct kc_timer *timer)
{
	ctl_post_once(KC_CONTAINER(timer, struct kb_controller, rebalance),
	    CTL_REBALANCE);
}

/* --- the fiber -------------------------------------------------------------
 */

static bool
needs_active(enum ctl_event_type type)
{
	switch (type) {
	case CTL_STARTUP:
	case CTL_CONTROLLER_CHANGE:
	case CTL_REELECT:
	case CTL_CALL: /* answers NOT_CONTROLLER itself */
		return false;
	default:
		return true;
	}
}

static void
process(struct kb_controller *c, struct ctl_event *e)
{
	switch (e->type) {
	case CTL_STARTUP:
	case CTL_REELECT:
		ctl_elect(c);
		break;
	case CTL_CONTROLLER_CHANGE:
		ctl_controller_change(c);
		break;
	case CTL_BROKER_CHANGE:
		ctl_broker_change(c);
		break;
	case CTL_BROKER_DATA:
		ctl_broker_data(c, e->broker);
		break;
	case CTL_TOPIC_CHANGE:
		ctl_topic_change(c);
		break;
	case CTL_TOPIC_DATA:
		ctl_topic_data(c, e->topic);
		break;
	case CTL_TOPIC_DELETION:
		ctl_topic_deletion(c);
		break;
	case CTL_LOG_DIR_CHANGE:
		ctl_log_dir_change(c);
		break;
	case CTL_ISR_CHANGE:
		ctl_isr_change(c);
		break;
	case CTL_ISR_OF:
		ctl_isr_of(c, e->topic, e->broker);
		break;
	case CTL_PREFERRED:
		ctl_preferred_node(c);
		break;
	case CTL_REASSIGN_NODE:
		ctl_reassign_node(c);
		break;
	case CTL_REASSIGN_CHECK:
		ctl_reassign_check(c);
		break;
	case CTL_REBALANCE:
		ctl_rebalance(c);
		break;
	case CTL_LEADER_AND_ISR_DONE:
		ctl_leader_and_isr_done(c, e);
		break;
	case CTL_STOP_REPLICA_DONE:
		ctl_stop_replica_done(c, e);
		break;
	case CTL_CALL:
		e->call(c, e->arg);
		break;
	}
}

/* One event; if it found us deposed, we resign and look who it is. */
static void
run_event(struct kb_controller *c, struct ctl_event *e)
{
	if (needs_active(e->type) && !atomic_load(&c->active))
		return;
	process(c, e);
	if (!c->aborted)
		return;
	c->aborted = false;
	ctl_resign(c);
	if (!c->expired)
		ctl_post_once(c, CTL_CONTROLLER_CHANGE);
}

static void
run(void *arg)
{
	struct kb_controller *c = arg;

	c->fiber = kc_fiber_self();
	for (;;) {
		struct ctl_event *e = c->events;

		if (e == NULL && c->stopping)
			break;
		if (e == NULL) {
			c->idle = true;
			kc_fiber_wait();
			c->idle = false;
			continue;
		}
		LL_DELETE(c->events, e);
		run_event(c, e);
		ctl_event_free(e);
	}
	ctl_resign(c);
	c->fiber = NULL;
	if (c->stopper != NULL)
		kc_fiber_wake(c->stopper);
}

/* --- from outside ----------------------------------------------------------
 */

int
kb_controller_open(
    struct kb_controller **cp, const struct kb_controller_params *p)
{
	struct kb_controller *c;

	KC_ASSERT(*cp == NULL);
	c = kc_new(struct kb_controller, KB_CONTROLLER_MAGIC);
	if (c == NULL || (c->listener = strdup(p->listener)) == NULL) {
		free(c);
		return KC_ENOMEM;
	}
	c->p = *p;
	if (p->tls != NULL)
		c->p.tls = kc_tls_get(p->tls);
	atomic_init(&c->id, -1);
	c->epoch_version = -1;
	kzk_watch_init(&c->w_controller, on_controller);
	kzk_watch_init(&c->w_ids, on_ids);
	kzk_watch_init(&c->w_topics, on_topics);
	kzk_watch_init(&c->w_deletes, on_deletes);
	kzk_watch_init(&c->w_log_dirs, on_log_dirs);
	kzk_watch_init(&c->w_isr, on_isr);
	kzk_watch_init(&c->w_preferred, on_preferred);
	kzk_watch_init(&c->w_reassign, on_reassign);
	kc_timer_init(&c->rebalance, on_rebalance);
	*cp = c;
	return KC_OK;
}

void
kb_controller_set_config(
    struct kb_controller *c, const struct kb_config *config)
{
	c->p.config = config;
}

void
kb_controller_start(struct kb_controller *c)
{
	ctl_post(c, CTL_STARTUP, -1, NULL);
	if (kc_fiber_start(c->p.loop, run, c) != KC_OK)
		kc_log(KC_LOG_FATAL, CTL_LOGGER,
		    "[Controller id=%d] Out of memory, it does not run",
		    c->p.broker_id);
}

/* Requests of others hear that we are not the controller. */
static void
drop_events(struct kb_controller *c)
{
	struct ctl_event *e, *tmp;

	LL_FOREACH_SAFE(c->events, e, tmp) {
		LL_DELETE(c->events, e);
		if (e->type == CTL_CALL)
			e->call(c, e->arg);
		ctl_event_free(e);
	}
}

void
kb_controller_expired(struct kb_controller *c)
{
	kc_log(KC_LOG_INFO, CTL_LOGGER,
	    "[Controller id=%d] The ZooKeeper session has expired",
	    c->p.broker_id);
	atomic_store(&c->id, -1);
	c->expired = true;
	if (atomic_exchange(&c->active, false) && !c->idle)
		c->aborted = true; /* the event under way ends and resigns */
	drop_events(c);
	if (c->idle)
		ctl_resign(c);
}

void
kb_controller_reelect(struct kb_controller *c)
{
	c->expired = false;
	ctl_post(c, CTL_REELECT, -1, NULL);
}

bool
kb_controller_stop(struct kb_controller *c)
{
	c->stopping = true;
	drop_events(c);
	kzk_watch_cancel(&c->w_controller);
	c->stopper = kc_fiber_self();
	if (c->idle)
		kc_fiber_wake(c->fiber);
	for (int i = 0; c->fiber != NULL && i < STOP_TRIES; i++)
		kc_fiber_sleep(STOP_STEP_MS);
	c->stopper = NULL;
	return c->fiber == NULL;
}

void
kb_controller_close(struct kb_controller **cp)
{
	struct kb_controller *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	KC_ASSERT(c->fiber == NULL);
	drop_events(c);
	kb_model_fini(&c->m);
	kc_tls_put(&c->p.tls);
	free(c->listener);
	kc_delete(c);
}

bool
kb_controller_active(const struct kb_controller *c)
{
	return atomic_load(&c->active);
}

int32_t
kb_controller_id(const struct kb_controller *c)
{
	return atomic_load(&c->id);
}

bool
kb_controller_deleting(struct kb_controller *c, const char *topic)
{
	const struct kb_ctopic *t = kb_model_topic(&c->m, topic);

	return atomic_load(&c->active) && t != NULL && t->deleting;
}
