/*
 * InitProducerId (22): a producer gets its id.  AllocateProducerIds (67): a
 * broker gets a block of them from the controller.
 *
 * From Kafka: KafkaApis, TransactionCoordinator.handleInitProducerId.
 */
#include "kbroker/pids.h"
#include "kbroker/api/api.h"
#include "kbroker/api/control.h"
#include "kbroker/api/park.h"
#include "kbroker/controller/controller.h"
#include "kbroker/core.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

/*
 * How long a producer waits for a block before it is told to try again; a
 * real broker tells it at once.
 */
#define BLOCK_WAIT_MS 5000

static void
fail(struct kp_init_producer_id_resp *out, int16_t code)
{
	out->error_code = code;
	out->producer_id = -1;
	out->producer_epoch = -1;
}

static bool
give(struct kb_request *req)
{
	struct kp_init_producer_id_resp *out = req->resp;
	int64_t id;

	if (!kb_pids_next(req->broker->pids, &id))
		return false;
	out->error_code = KP_NONE;
	out->producer_id = id;
	out->producer_epoch = 0;
	return true;
}

static bool
retry(struct kb_park *park, bool last)
{
	struct kb_request *req = park->req;

	if (give(req))
		return true;
	if (!last && !atomic_load(&req->broker->stopping))
		return false;
	/* Older clients take REQUEST_TIMED_OUT here for fatal. */
	fail(req->resp, KP_COORDINATOR_LOAD_IN_PROGRESS);
	return true;
}

/* NONE: an id without a transaction is to be given. */
static int16_t
check(const struct kb_request *req, const struct kp_init_producer_id_req *in)
{
	/* An id that the producer has: both parts or none (KIP-360). */
	if ((in->producer_id == -1) != (in->producer_epoch == -1))
		return KP_INVALID_REQUEST;
	/* Without a transaction it gets a new one all the same. */
	if (in->transactional_id.len < 0)
		return KP_NONE;
	if (in->transactional_id.len == 0)
		return KP_INVALID_REQUEST;
	if (in->transaction_timeout_ms <= 0 ||
	    in->transaction_timeout_ms >
		req->broker->config->transaction_max_timeout_ms)
		return KP_INVALID_TRANSACTION_TIMEOUT;
	/* Its coordinator is not to be found: no broker has one yet. */
	return KP_COORDINATOR_NOT_AVAILABLE;
}

enum kb_disposition
kb_api_init_producer_id(struct kb_request *req, const void *msg, void *resp)
{
	struct kb_pids *pids = req->broker->pids;
	int16_t code = check(req, msg);
	struct kb_park *park;

	if (code != KP_NONE) {
		fail(resp, code);
		return KB_REPLY;
	}
	if (give(req))
		return KB_REPLY;
	if ((park = kb_park_new(req, 1, retry, NULL)) == NULL)
		return KB_CLOSE;
	kb_park_on(park, kb_pids_lock(pids), kb_pids_waiters(pids));
	return kb_park_start(park, BLOCK_WAIT_MS);
}

static void
allocate(struct kb_request *req)
{
	const struct kp_allocate_producer_ids_req *in = req->msg;
	struct kp_allocate_producer_ids_resp *out = req->resp;

	out->error_code = KP_NOT_CONTROLLER;
	if (kb_controller_active(req->broker->ctl))
		out->error_code = kb_controller_allocate_pids(req->broker->ctl,
		    in->broker_id, in->broker_epoch, &out->producer_id_start,
		    &out->producer_id_len);
}

enum kb_disposition
kb_api_allocate_producer_ids(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, allocate);
}
