/*
 * AllocateProducerIds (controller.md 11) and /latest_producer_id_block
 * (znodes.md 9): no id is given twice, across controllers too, because the
 * block's node is written with the version it was read with.
 */
#include "kbroker/controller/ctl.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kzk/await.h"
#include "kzk/path.h"
#include "kzk/znode/znode.h"

#define TRIES_MAX 100 /* races lost one after the other */

struct ask {
	int32_t broker;
	int64_t broker_epoch;
	int16_t code;
	struct kzk_pid_block block;
};

static int
next_block(struct kb_controller *c, int32_t broker, struct kzk_pid_block *out)
{
	struct kzk_pid_block last;
	struct kzk_text text = { 0 };
	struct kzk_op *op;
	int32_t version;
	int rc = kzk_await(kzk_op_get(c->p.zk, KZK_PID_BLOCK, NULL), &op);

	if (rc != KC_OK)
		return rc;
	version = op->stat.version;
	if (op->data.len <= 0) { /* null at first */
		rc = kzk_pid_block_next(NULL, broker, out);
	} else {
		rc = kzk_pid_block_decode(op->data, &last);
		if (rc == KC_OK)
			rc = kzk_pid_block_next(&last, broker, out);
	}
	if (rc == KC_OK)
		rc = kzk_pid_block_encode(out, &text);
	/*
	 * Not fenced, as in Kafka: the version is what protects it.  Nor is a
	 * write of unknown outcome settled: the next try takes a block of its
	 * own.
	 */
	if (rc == KC_OK)
		rc = kzk_await(kzk_op_set(c->p.zk, KZK_PID_BLOCK,
				   kzk_text_str(&text), version),
		    NULL);
	kzk_text_fini(&text);
	return rc;
}

static void
allocate(struct kb_controller *c, void *arg)
{
	struct ask *a = arg;
	const struct kb_cbroker *b = kb_model_broker(&c->m, a->broker);
	int rc = KC_EBADVERSION;

	if (!ctl_serving(c))
		a->code = KP_NOT_CONTROLLER;
	else if (b == NULL)
		a->code = KP_BROKER_ID_NOT_REGISTERED;
	else if (b->epoch != a->broker_epoch)
		a->code = KP_STALE_BROKER_EPOCH;
	for (int i = 0; a->code == KP_NONE && i < TRIES_MAX &&
	     (rc == KC_EBADVERSION || rc == KC_EINDOUBT);
	     i++)
		rc = next_block(c, a->broker, &a->block);
	if (a->code == KP_NONE && rc != KC_OK) {
		ctl_ok(c, rc, "taking a block of producer ids");
		a->code =
		    c->aborted ? KP_NOT_CONTROLLER : KP_UNKNOWN_SERVER_ERROR;
	}
}

int16_t
kb_controller_allocate_pids(struct kb_controller *c, int32_t broker,
    int64_t broker_epoch, int64_t *start, int32_t *len)
{
	struct ask a = { .broker = broker, .broker_epoch = broker_epoch };

	if (!ctl_call(c, allocate, &a))
		return KP_UNKNOWN_SERVER_ERROR;
	*start = a.block.start;
	*len = a.code == KP_NONE ? KZK_PID_BLOCK_SIZE : 0;
	return a.code;
}
