/*
 * AlterPartitionReassignments (45), answered by the active controller when
 * the moves are begun.
 */
#include "kbroker/api/api.h"
#include "kbroker/api/control.h"
#include "kbroker/controller/controller.h"
#include "kbroker/core.h"
#include "kcommon/base/err.h"

static void
alter_reassignments(struct kb_request *req)
{
	if (kb_controller_reassign(
		req->broker->ctl, req->msg, &req->arena, req->resp) != KC_OK)
		req->outcome = KB_CLOSE;
}

enum kb_disposition
kb_api_alter_partition_reassignments(
    struct kb_request *req, const void *msg KC_UNUSED, void *resp KC_UNUSED)
{
	return kb_api_on_control(req, alter_reassignments);
}
