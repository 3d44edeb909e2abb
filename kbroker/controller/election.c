/*
 * Who is the controller: /controller and /controller_epoch.
 *
 * znodes.md 3; kafka.controller.KafkaController.elect,
 * KafkaZkClient.registerControllerAndIncrementControllerEpoch.
 */
#include "kbroker/controller/ctl.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/fiber.h"
#include "kzk/await.h"
#include "kzk/path.h"
#include "kzk/recipe/election.h"
#include "kzk/znode/znode.h"

#define RETRY_MS 1000

/* Re-arms the watch; the id of the active controller, -1 when there is none. */
static int
read_controller(struct kb_controller *c, int32_t *id)
{
	struct kzk_controller z;
	struct kzk_op *op;
	int rc;

	*id = -1;
	rc = kzk_await(kzk_op_exists(c->p.zk, KZK_CONTROLLER, &c->w_controller),
	    NULL);
	if (rc != KC_OK)
		return rc == KC_ENOENT ? KC_OK : rc;
	rc = kzk_await(kzk_op_get(c->p.zk, KZK_CONTROLLER, NULL), &op);
	if (rc != KC_OK)
		return rc == KC_ENOENT ? KC_OK : rc;
	if ((rc = kzk_controller_decode(op->data, &z)) == KC_OK)
		*id = z.broker;
	return rc;
}

static void
note_id(struct kb_controller *c, int32_t id)
{
	bool was = atomic_load(&c->active);

	atomic_store(&c->id, id);
	if (was && id != c->p.broker_id)
		ctl_resign(c);
}

void
ctl_resign(struct kb_controller *c)
{
	struct kb_cbroker *b, *btmp;
	struct kb_ctopic *t, *ttmp;

	if (atomic_exchange(&c->active, false))
		kc_log(KC_LOG_INFO, CTL_LOGGER, "[Controller id=%d] Resigned",
		    c->p.broker_id);
	kzk_watch_cancel(&c->w_ids);
	kzk_watch_cancel(&c->w_topics);
	kzk_watch_cancel(&c->w_deletes);
	kzk_watch_cancel(&c->w_log_dirs);
	kzk_watch_cancel(&c->w_isr);
	HASH_ITER(hh, c->m.brokers, b, btmp)
	{
		kzk_watch_cancel(&b->watch);
		ctl_channel_close(b);
	}
	HASH_ITER(hh, c->m.topics, t, ttmp)
		kzk_watch_cancel(&t->watch);
	kb_model_fini(&c->m);
	c->epoch = 0;
	c->epoch_version = -1;
}

void
ctl_controller_change(struct kb_controller *c)
{
	int32_t id;
	int rc = read_controller(c, &id);

	if (rc != KC_OK) {
		ctl_ok(c, rc, "reading /controller");
		return;
	}
	note_id(c, id);
	if (id < 0)
		ctl_elect(c);
}

void
ctl_elect(struct kb_controller *c)
{
	struct kzk_elected e = { 0 };
	int32_t id;
	int rc = read_controller(c, &id);

	if (rc != KC_OK) {
		ctl_ok(c, rc, "reading /controller");
		return;
	}
	note_id(c, id);
	if (id >= 0) {
		kc_log(KC_LOG_DEBUG, CTL_LOGGER,
		    "[Controller id=%d] Broker %d has been elected as the "
		    "controller, so stopping the election process.",
		    c->p.broker_id, id);
		return;
	}
	rc = ctl_run_election(c, &e);
	if (rc == KC_OK && e.won) {
		c->epoch = e.epoch;
		c->epoch_version = e.epoch_version;
		atomic_store(&c->id, c->p.broker_id);
		atomic_store(&c->active, true);
		kc_log(KC_LOG_INFO, CTL_LOGGER,
		    "[Controller id=%d] %d successfully elected as the "
		    "controller. Epoch incremented to %d and epoch zk "
		    "version is now %d",
		    c->p.broker_id, c->p.broker_id, c->epoch,
		    c->epoch_version);
		ctl_failover(c);
		return;
	}
	if (rc == KC_OK) { /* somebody was quicker: the watch tells the rest */
		ctl_post_once(c, CTL_CONTROLLER_CHANGE);
		return;
	}
	ctl_ok(c, rc, "electing a controller");
	if (!c->aborted && !c->stopping) {
		kc_fiber_sleep(RETRY_MS);
		ctl_post_once(c, CTL_CONTROLLER_CHANGE);
	}
}
