#include "kbroker/leave.h"

#include "kbroker/core.h"
#include "kbroker/rpc/rpc.h"
#include "kbroker/toctl.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/fiber.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"
#include "kzk/kzk.h"

#define LOGGER "kafka.server.KafkaServer"

/* For finding a controller, while another is elected perhaps. */
#define ASK_MS 5000
#define SHOWN_MAX 20 /* partitions named in a log line */

static void
log_remaining(
    const struct kb_broker *b, const struct kp_controlled_shutdown_resp *resp)
{
	int32_t n = resp->remaining_partitions.n;

	kc_log(KC_LOG_INFO, LOGGER,
	    "[KafkaServer id=%d] Remaining partitions to move: %d, error %s",
	    b->id, n, kp_error_name(resp->error_code));
	for (int32_t i = 0; i < n && i < SHOWN_MAX; i++)
		kc_log(KC_LOG_INFO, LOGGER,
		    "[KafkaServer id=%d] Remaining: %.*s-%d", b->id,
		    KC_STR_ARG(resp->remaining_partitions.v[i].topic_name),
		    resp->remaining_partitions.v[i].partition_index);
}

/* True when nothing is left to move. */
static bool
ask(struct kb_broker *b)
{
	const struct kp_api *api = kp_api_get(kp_key_controlled_shutdown);
	const struct kp_controlled_shutdown_resp *resp;
	struct kp_controlled_shutdown_req req;
	struct kb_rpc_call *call = NULL;
	int64_t start_ms = kc_loop_now_ms(b->control);
	bool done;
	int rc;

	kp_init(api->req.desc(), &req);
	req.broker_id = b->id;
	req.broker_epoch = atomic_load(&b->epoch);
	rc = kb_toctl_ask_by(b->toctl, api, api->max, &req, ASK_MS, &call);
	if (rc != KC_OK) {
		kc_log(KC_LOG_WARN, LOGGER,
		    "[KafkaServer id=%d] Error during controlled shutdown: %s",
		    b->id, kc_strerror(rc));
		return false;
	}
	resp = call->resp;
	done = resp->error_code == KP_NONE && resp->remaining_partitions.n == 0;
	if (done)
		kc_log(KC_LOG_INFO, LOGGER,
		    "[KafkaServer id=%d] Controlled shutdown request returned "
		    "successfully after %lldms",
		    b->id, (long long)(kc_loop_now_ms(b->control) - start_ms));
	else
		log_remaining(b, resp);
	kb_rpc_call_free(&call);
	return done;
}

void
kb_leave(struct kb_broker *b)
{
	int left = b->config->controlled_shutdown_max_retries;

	kc_log(KC_LOG_INFO, LOGGER,
	    "[KafkaServer id=%d] Starting controlled shutdown", b->id);
	/*
	 * Without ZooKeeper there is nobody to ask, or who could do it.  No
	 * controller is something else: one is being elected, ask() waits.
	 */
	while (
	    left-- > 0 && kzk_connected(b->zk) && !atomic_load(&b->stopping)) {
		if (ask(b)) {
			kc_log(KC_LOG_INFO, LOGGER,
			    "[KafkaServer id=%d] Controlled shutdown succeeded",
			    b->id);
			return;
		}
		if (left == 0 || atomic_load(&b->stopping))
			break;
		kc_fiber_sleep(b->config->controlled_shutdown_retry_backoff_ms);
		kc_log(KC_LOG_WARN, LOGGER,
		    "[KafkaServer id=%d] Retrying controlled shutdown (%d "
		    "retries remaining)",
		    b->id, left);
	}
	kc_log(KC_LOG_WARN, LOGGER,
	    "[KafkaServer id=%d] Proceeding to do an unclean shutdown as all "
	    "the controlled shutdown attempts failed",
	    b->id);
}
