/*
 * What brokers ask the controller: AlterPartition (56), ControlledShutdown (7).
 *
 * From Kafka: KafkaApis, KafkaController.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/control.h"
#include "kbroker/controller/controller.h"
#include "kbroker/core.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

static void
alter_partition(struct kb_request *req)
{
	if (kb_controller_alter_partition(req->broker->ctl, req->msg,
		req->version, &req->arena, req->resp) != KC_OK)
		req->outcome = KB_CLOSE;
}

enum kb_disposition
kb_api_alter_partition(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, alter_partition);
}

static void
controlled_shutdown(struct kb_request *req)
{
	if (kb_controller_shutdown(
		req->broker->ctl, req->msg, &req->arena, req->resp) != KC_OK)
		req->outcome = KB_CLOSE;
}

enum kb_disposition
kb_api_controlled_shutdown(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, controlled_shutdown);
}
