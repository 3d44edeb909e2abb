#include "kbroker/replication.h"

#include "kbroker/core.h"
#include "kbroker/replica/alter.h"
#include "kbroker/replica/fetcher.h"
#include "kbroker/toctl.h"
#include "kcommon/base/err.h"

/* A partition wants another in-sync set.  @thread any */
static void
want_alter(void *arg, struct kb_partition *p)
{
	struct kb_broker *b = arg;

	kb_alter_want(b->alter, p);
}

int
kb_replication_partitions(struct kb_broker *b)
{
	b->partition_env = (struct kb_partition_env){
		.broker_id = b->id,
		.clock = b->env->c.clock,
		.meta = &b->meta,
		.lag_max_ms = b->config->replica_lag_time_max_ms,
		.alter = want_alter,
		.arg = b,
	};
	return kb_manager_open(&b->mgr, b->dirs, &b->partition_env);
}

static int
ask_controller(void *arg, const struct kp_api *api, int16_t version,
    const void *msg, struct kb_rpc_call **callp)
{
	struct kb_broker *b = arg;

	return kb_toctl_ask(b->toctl, api, version, msg, callp);
}

static int
follow(void *arg, struct kb_partition *p, int32_t leader, int32_t leader_epoch)
{
	struct kb_broker *b = arg;

	return kb_fetchers_follow(b->fetchers, p, leader, leader_epoch);
}

static void
leave(void *arg, struct kb_partition *p)
{
	struct kb_broker *b = arg;

	kb_fetchers_leave(b->fetchers, p);
}

int
kb_replication_open(
    struct kb_broker *b, const char *listener, struct kc_tls *tls)
{
	struct kb_alter_params ap = {
		.loop = b->control,
		.mgr = b->mgr,
		.broker_id = b->id,
		.broker_epoch = &b->epoch,
		.lag_max_ms = b->config->replica_lag_time_max_ms,
		.ask = ask_controller,
		.arg = b,
	};
	struct kb_fetchers_params fp = {
		.env = &b->env->c,
		.config = b->config,
		.meta = &b->meta,
		.listener = listener,
		.tls = tls,
		.broker_id = b->id,
		.broker_epoch = &b->epoch,
	};
	const struct kb_manager_ops ops = { follow, leave, b };
	int rc = kb_alter_open(&b->alter, &ap);

	if (rc == KC_OK)
		rc = kb_fetchers_open(&b->fetchers, &fp);
	if (rc == KC_OK)
		kb_manager_set_ops(b->mgr, &ops);
	return rc;
}

void
kb_replication_stop(struct kb_broker *b)
{
	kb_fetchers_close(&b->fetchers);
}

void
kb_replication_close(struct kb_broker *b)
{
	kb_alter_close(&b->alter);
}
