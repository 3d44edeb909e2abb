/*
 * Who is the controller: /controller and /controller_epoch.
 *
 * znodes.md 3; kafka.controller.KafkaController.elect,
 * KafkaZkClient.registerControllerAndIncrementControllerEpoch.
 */
#include "kbroker/controller/ctl.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/fiber.h"
#include "kzk/await.h"
#include "kzk/path.h"
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
	rc = kzk_await(
	    kzk_op_exists(c->p.zk, KZK_CONTROLLER, &c->w_controller), NULL);
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

	/* After an expired session active is false already. */
	if (atomic_exchange(&c->active, false) || c->epoch > 0)
		kc_log(KC_LOG_INFO, CTL_LOGGER, "[Controller id=%d] Resigned",
		    c->p.broker_id);
	kzk_watch_cancel(&c->w_ids);
	kzk_watch_cancel(&c->w_topics);
	kzk_watch_cancel(&c->w_deletes);
	kzk_watch_cancel(&c->w_log_dirs);
	kzk_watch_cancel(&c->w_isr);
	kzk_watch_cancel(&c->w_preferred);
	kzk_watch_cancel(&c->w_reassign);
	kc_timer_cancel(c->p.loop, &c->rebalance);
	HASH_ITER(hh, c->m.brokers, b, btmp) {
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

/* /controller_epoch and its version; made with 0 when there is none. */
static int
read_epoch(struct kb_controller *c, int32_t *epoch, int32_t *version)
{
	struct kzk_op *op;
	int rc;

	for (;;) {
		rc = kzk_await(
		    kzk_op_get(c->p.zk, KZK_CONTROLLER_EPOCH, NULL), &op);
		if (rc == KC_OK) {
			*version = op->stat.version;
			return kzk_controller_epoch_decode(op->data, epoch);
		}
		if (rc != KC_ENOENT)
			return rc;
		rc = kzk_await(kzk_op_safe(kzk_op_create(c->p.zk,
				   KZK_CONTROLLER_EPOCH, KC_STR_LIT("0"), 0)),
		    NULL);
		if (rc != KC_OK && rc != KC_EEXIST)
			return rc;
	}
}

/* Create /controller and raise the epoch, both or none. */
static int
claim(struct kb_controller *c, int32_t epoch, int32_t version)
{
	struct kzk_controller z = { .broker = c->p.broker_id,
		.timestamp_ms = kc_wall_ms(c->p.env->clock),
		.kraft_epoch = -1 };
	struct kzk_text node = { 0 }, next = { 0 };
	struct kzk_op *m;
	int rc = kzk_controller_encode(&z, &node);

	if (rc == KC_OK)
		rc = kzk_controller_epoch_encode(epoch + 1, &next);
	if (rc == KC_OK) {
		m = kzk_op_multi(c->p.zk);
		m = kzk_op_add(m,
		    kzk_op_create(c->p.zk, KZK_CONTROLLER, kzk_text_str(&node),
			KZK_EPHEMERAL));
		m = kzk_op_add(m,
		    kzk_op_set(c->p.zk, KZK_CONTROLLER_EPOCH,
			kzk_text_str(&next), version));
		rc = kzk_await(m, NULL);
	}
	kzk_text_fini(&node);
	kzk_text_fini(&next);
	return rc;
}

/*
 * KC_OK and *won.  A refusal may be the echo of a claim of ours whose answer
 * was lost: we have won only if both nodes say so (CE-1).
 */
static int
run_election(struct kb_controller *c, bool *won)
{
	int32_t epoch, version, now, now_version, id;
	int rc = read_epoch(c, &epoch, &version);

	*won = false;
	if (rc != KC_OK)
		return rc;
	rc = claim(c, epoch, version);
	if (rc == KC_OK) {
		c->epoch = epoch + 1;
		c->epoch_version = version + 1;
		*won = true;
		return KC_OK;
	}
	if (rc != KC_EEXIST && rc != KC_EBADVERSION && rc != KC_EINDOUBT)
		return rc;
	if ((rc = read_controller(c, &id)) != KC_OK ||
	    (rc = read_epoch(c, &now, &now_version)) != KC_OK)
		return rc;
	if (id == c->p.broker_id && now == epoch + 1) {
		c->epoch = now;
		c->epoch_version = now_version;
		*won = true;
	}
	return KC_OK;
}

void
ctl_elect(struct kb_controller *c)
{
	bool won;
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
	rc = run_election(c, &won);
	if (rc == KC_OK && won) {
		atomic_store(&c->id, c->p.broker_id);
		atomic_store(&c->active, true);
		kc_log(KC_LOG_INFO, CTL_LOGGER,
		    "[Controller id=%d] %d successfully elected as the "
		    "controller. Epoch incremented to %d and epoch zk "
		    "version is now %d",
		    c->p.broker_id, c->p.broker_id, c->epoch, c->epoch_version);
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

/* --- /feature --------------------------------------------------------------
 */

static int
write_feature(struct kb_controller *c, const struct kzk_op *old)
{
	struct kzk_feature_node f = { .version = 2,
		.status = KZK_FEATURE_ENABLED };
	struct kzk_feature_node now = { 0 };
	struct kzk_text text = { 0 };
	struct kzk_op *op;
	int32_t version = 0;
	int rc;

	if (old != NULL) {
		version = old->stat.version;
		rc = kzk_feature_node_decode(old->data, &now);
		if (rc == KC_OK && now.version == f.version &&
		    now.status == f.status) {
			kzk_feature_node_fini(&now);
			return KC_OK;
		}
		if (rc == KC_OK && now.status == KZK_FEATURE_ENABLED)
			f.features = now.features; /* kept */
	}
	rc = kzk_feature_node_encode(&f, &text);
	if (rc == KC_OK) {
		op = old == NULL ? kzk_op_create(c->p.zk, KZK_FEATURE,
				       kzk_text_str(&text), 0) :
				   kzk_op_set(c->p.zk, KZK_FEATURE,
				       kzk_text_str(&text), version);
		rc = kzk_await(ctl_fenced(c, op), NULL);
	}
	kzk_text_fini(&text);
	kzk_feature_node_fini(&now);
	return rc == KC_EEXIST ? KC_OK : rc;
}

bool
ctl_setup_feature(struct kb_controller *c)
{
	struct kzk_op *op;
	int rc = kzk_await(kzk_op_get(c->p.zk, KZK_FEATURE, NULL), &op);

	if (rc == KC_OK || rc == KC_ENOENT)
		rc = write_feature(c, rc == KC_OK ? op : NULL);
	return ctl_ok(c, rc, "setting up /feature");
}
