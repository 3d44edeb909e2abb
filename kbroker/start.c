/*
 * The steps of a start, in the order of kafka.server.KafkaServer.startup
 * where it can be seen from outside (broker.h).
 */
#include "kbroker/start.h"

#include "kbroker/api/api.h"
#include "kbroker/controller/controller.h"
#include "kbroker/coordinators.h"
#include "kbroker/core.h"
#include "kbroker/dynamic.h"
#include "kbroker/log/cleaner.h"
#include "kbroker/net/net.h"
#include "kbroker/pids.h"
#include "kbroker/register.h"
#include "kbroker/replication.h"
#include "kbroker/toctl.h"
#include "kbroker/topics.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/compress/compress.h"
#include "kcommon/io/fiber.h"
#include "kcommon/io/tls.h"
#include "kzk/await.h"
#include "kzk/path.h"
#include "kzk/recipe/seqnode.h"
#include "kzk/znode/znode.h"

#include <stdio.h>
#include <stdlib.h>

#define LOGGER "kafka.server.KafkaServer"

static const char *
inter_broker_listener(const struct kb_broker *b)
{
	const struct kb_listeners *l = &b->config->endpoints;

	return l->v[l->inter_broker].name;
}

/* Where the controller's requests go (control.plane.listener.name). */
static const char *
control_listener(const struct kb_broker *b)
{
	const struct kb_listeners *l = &b->config->endpoints;

	return l->control_plane >= 0 ? l->v[l->control_plane].name :
				       inter_broker_listener(b);
}

static int
tls_of(struct kb_broker *b, const struct kb_endpoint *ep, bool server,
    struct kc_tls **tlsp)
{
	struct kc_tls_params p;
	char err[512];
	int rc;

	if (ep->protocol != KB_PROTOCOL_SSL)
		return KC_OK;
	kb_listener_tls_params(b->live, ep, server, &p);
	rc = kc_tls_open(tlsp, &p, err, sizeof err);
	if (rc != KC_OK)
		kc_log(KC_LOG_FATAL, LOGGER, "Listener %s: %s", ep->name, err);
	return rc;
}

/* --- events of the log dirs ------------------------------------------------
 */

struct dir_event {
	struct kc_task task;
	struct kb_broker *b;
};

/* The controller hears of it through a notification (KIP-112). */
static void
announce_dir(void *arg)
{
	struct kb_broker *b = arg;
	struct kzk_log_dir_event ev = { b->id, KZK_LOG_DIR_FAILURE };
	struct kzk_text text = { 0 };
	struct kzk_path path;
	int rc = kzk_log_dir_event_encode(&ev, &text);

	kzk_path_seq(&path, KZK_LOG_DIR_EVENTS, KZK_LOG_DIR_EVENT_PREFIX);
	if (rc == KC_OK)
		rc = kzk_await(kzk_op_safe(kzk_op_create(b->zk, path.s,
				   kzk_text_str(&text), KZK_SEQUENTIAL)),
		    NULL);
	kzk_text_fini(&text);
	if (rc != KC_OK)
		kc_log(KC_LOG_ERROR, LOGGER,
		    "Cannot tell the controller of the failed log dir: %s",
		    kc_strerror(rc));
}

static void
dir_offline_control(struct kc_task *task)
{
	struct dir_event *e = KC_CONTAINER(task, struct dir_event, task);
	struct kb_broker *b = e->b;

	free(e);
	if (b->mgr == NULL || b->start->phase != KB_PHASE_READY ||
	    atomic_load(&b->stopping))
		return; /* while it starts LeaderAndIsr will tell */
	kb_manager_wake_offline(b->mgr);
	if (kc_fiber_start(b->control, announce_dir, b) != KC_OK)
		kc_log(KC_LOG_ERROR, LOGGER, "Out of memory");
}

/* @thread flush, control */
static void
on_dir_offline(void *arg, const char *path, int left)
{
	struct kb_broker *b = arg;
	struct dir_event *e;

	if (left == 0) {
		kc_log(KC_LOG_FATAL, "kafka.log.LogManager",
		    "Shutdown broker because all log dirs have failed, the "
		    "last one %s",
		    path);
		kb_start_give_up(b, KC_EOFFLINE);
		return;
	}
	if ((e = calloc(1, sizeof *e)) == NULL)
		return;
	e->task.fn = dir_offline_control;
	e->b = b;
	kc_loop_post(b->control, &e->task);
}

static void
topic_log_config(void *arg, const char *topic, struct kb_log_config *lc)
{
	struct kb_broker *b = arg;

	kb_log_config_topic(lc, kb_topics_get(b->topics, kc_str(topic)));
}

/* --- start -----------------------------------------------------------------
 */

static void
on_zk_first(struct kzk_listener *l, int err)
{
	struct kb_start *s = KC_CONTAINER(l, struct kb_start, zk_listener);

	s->zk_up = true;
	kzk_await_done(&s->zk_first, err);
}

static void
register_again(void *arg)
{
	struct kb_broker *b = arg;
	int64_t epoch = -1;
	int rc = kb_register_broker(b, &b->stopping, &epoch);

	if (rc == KC_ESESSION || rc == KC_ECANCELED || rc == KC_ECLOSED)
		return; /* the next session does it, or none */
	if (rc != KC_OK) {
		kc_log(KC_LOG_FATAL, LOGGER,
		    "Cannot register in the new ZooKeeper session: %s",
		    kc_strerror(rc));
		kb_start_give_up(b, rc);
		return;
	}
	atomic_store(&b->epoch, epoch);
	kb_controller_reelect(b->ctl);
}

static void
on_session(struct kzk_listener *l)
{
	struct kb_start *s = KC_CONTAINER(l, struct kb_start, zk_listener);
	struct kb_broker *b = s->owner;

	if (!s->zk_up) {
		on_zk_first(l, KC_OK);
		return;
	}
	if (s->registered &&
	    kc_fiber_start(b->control, register_again, b) != KC_OK)
		kb_start_give_up(b, KC_ENOMEM);
}

static void
on_expired(struct kzk_listener *l)
{
	struct kb_start *s = KC_CONTAINER(l, struct kb_start, zk_listener);

	if (s->registered)
		kb_controller_expired(s->owner->ctl);
}

static void
on_failed(struct kzk_listener *l, int err)
{
	on_zk_first(l, err);
}

static int
start_zk(struct kb_broker *b)
{
	const struct kb_config *c = b->config;
	struct kb_start *s = b->start;
	struct kzk_params p = {
		.ops = b->env->zk,
		.loop = b->control,
		.connect = c->zookeeper_connect,
		.session_timeout_ms = c->zookeeper_session_timeout_ms,
		.connection_timeout_ms = c->zk_connection_timeout_ms,
		.max_in_flight = c->zookeeper_max_in_flight_requests,
		.set_acl = c->zookeeper_set_acl,
		.digest = c->kbroker_zookeeper_digest,
	};
	int rc;

	kc_log(KC_LOG_INFO, LOGGER, "Connecting to zookeeper on %s",
	    c->zookeeper_connect);
	s->zk_listener.session = on_session;
	s->zk_listener.expired = on_expired;
	s->zk_listener.failed = on_failed;
	kzk_await_init(&s->zk_first);
	rc = kzk_open(&b->zk, &p, &s->zk_listener);
	if (rc == KC_OK)
		rc = kzk_await_end(&s->zk_first);
	if (rc == KC_ECLOSED && atomic_load(&b->stopping))
		return KC_ECANCELED;
	if (rc != KC_OK)
		kc_log(KC_LOG_FATAL, LOGGER, "Cannot reach ZooKeeper at %s: %s",
		    c->zookeeper_connect, kc_strerror(rc));
	return rc;
}

static void
dirs_config(const struct kb_broker *b, struct kb_log_dirs_config *d)
{
	const struct kb_config *c = b->config;

	*d = kb_log_dirs_config_default;
	d->paths = (const char *const *)c->data_dirs.v;
	d->npaths = (int)c->data_dirs.n;
	d->recovery_threads = c->num_recovery_threads_per_data_dir;
	d->flush_check_ms = c->log_flush_scheduler_interval_ms;
	d->recovery_checkpoint_ms = c->log_flush_offset_checkpoint_interval_ms;
	d->start_checkpoint_ms =
	    c->log_flush_start_offset_checkpoint_interval_ms;
	d->hw_checkpoint_ms = c->replica_high_watermark_checkpoint_interval_ms;
	d->retention_check_ms = c->log_retention_check_interval_ms;
	d->initial_delay_ms = c->log_initial_task_delay_ms;
	d->producer_expiration_ms = c->producer_id_expiration_ms;
	d->producer_check_ms = c->producer_id_expiration_check_interval_ms;
	d->verify_transactions = c->transaction_partition_verification_enable;
}

/* Who we are: meta.properties, the configuration and /cluster/id agree. */
static int
start_identity(struct kb_broker *b, struct kb_log_identity *id)
{
	int rc;

	if (id->cluster_id[0] != '\0' &&
	    strcmp(id->cluster_id, b->cluster_id) != 0) {
		kc_log(KC_LOG_FATAL, LOGGER,
		    "The Cluster ID %s doesn't match stored clusterId %s in "
		    "meta.properties. The broker is trying to join the wrong "
		    "cluster. Configured zookeeper.connect may be wrong.",
		    b->cluster_id, id->cluster_id);
		return KC_EINVAL;
	}
	b->id = b->config->broker_id;
	if (b->id >= 0 && id->broker_id >= 0 && b->id != id->broker_id) {
		kc_log(KC_LOG_FATAL, LOGGER,
		    "Configured broker.id %d doesn't match stored broker.id "
		    "%d in meta.properties. If you moved your data, make sure "
		    "your configured broker.id matches.",
		    b->id, id->broker_id);
		return KC_EINVAL;
	}
	if (b->id < 0)
		b->id = id->broker_id;
	if (b->id < 0 && (rc = kb_register_new_id(b, b->zk, &b->id)) != KC_OK)
		return rc;
	id->broker_id = b->id;
	snprintf(id->cluster_id, sizeof id->cluster_id, "%s", b->cluster_id);
	return kb_log_dirs_identity(b->dirs, id);
}

/* What ZooKeeper says of this broker's settings and of the topics'. */
static int
start_settings(struct kb_broker *b)
{
	struct kb_log_config lc;
	int rc;

	if ((rc = kb_dynamic_load(b)) != KC_OK ||
	    (rc = kb_topics_open(&b->topics, b->zk, b->live)) != KC_OK ||
	    (rc = kb_topics_load(b->topics)) != KC_OK)
		return rc;
	kb_log_config_topic(&lc, kb_topics_get(b->topics, KC_STR_NULL));
	kb_log_dirs_set_defaults(b->dirs, &lc);
	return KC_OK;
}

static int
start_cleaner(struct kb_broker *b)
{
	struct kb_log_cleaner_config cc;
	int rc;

	if (!b->config->log_cleaner_enable)
		return KC_OK;
	kb_log_cleaner_config_broker(&cc, b->live);
	rc = kb_log_cleaner_open(&b->cleaner, b->dirs, &cc);
	return rc == KC_OK ? kb_log_cleaner_start(b->cleaner) : rc;
}

static int
start_logs(struct kb_broker *b)
{
	struct kb_log_dirs_config d;
	struct kb_log_identity id;
	int rc;

	dirs_config(b, &d);
	b->start->events = (struct kb_log_events){ .arg = b,
		.dir_offline = on_dir_offline,
		.topic_config = topic_log_config };
	rc = kb_log_dirs_open(&b->dirs, &b->env->c, &d, &b->start->events, &id);
	if (rc == KC_OK)
		rc = start_identity(b, &id);
	if (rc == KC_OK)
		rc = start_settings(b);
	if (rc == KC_OK)
		rc = kb_log_dirs_load(b->dirs);
	b->start->loaded = rc == KC_OK;
	if (rc == KC_OK)
		rc = kb_log_dirs_start(b->dirs);
	if (rc == KC_OK)
		rc = start_cleaner(b);
	if (rc == KC_OK)
		rc = kb_replication_partitions(b);
	if (rc == KC_OK)
		rc = kb_coordinators_open(b);
	return rc;
}

static int
start_readers(struct kb_broker *b)
{
	struct kb_start *s = b->start;
	int n = kb_net_threads(b->net), rc = KC_OK;

	s->readers = calloc((size_t)n, sizeof *s->readers);
	if (s->readers == NULL)
		return KC_ENOMEM;
	s->nreaders = n;
	for (int i = 0; i < n && rc == KC_OK; i++) {
		rc = kc_compress_ctx_open(&s->readers[i].compress);
		kc_loop_set_user(kb_net_loop(b->net, i), &s->readers[i]);
	}
	return rc;
}

static int
start_listener(struct kb_broker *b, int i)
{
	const struct kb_listeners *l = &b->config->endpoints;
	const struct kb_endpoint *ep = &l->v[i];
	struct kc_tls *tls = NULL;
	struct kb_net_endpoint ne = {
		.name = ep->name,
		.host = ep->host,
		.port = ep->port,
		.privileged = l->control_plane >= 0 ? i == l->control_plane :
						      i == l->inter_broker,
		.protected = i == l->inter_broker,
		.max_connections = (int)kb_config_listener_int(
		    b->live, ep->name, "max.connections"),
	};
	int rc = tls_of(b, ep, true, &tls);

	if (rc != KC_OK)
		return rc;
	ne.tls = tls;
	rc = kb_net_listen(b->net, &ne);
	kc_tls_put(&tls);
	return rc;
}

static int
start_net(struct kb_broker *b)
{
	const struct kb_config *c = b->config;
	struct kb_net_params p = {
		.env = &b->env->c,
		.broker_id = b->id,
		.broker = b,
		.dispatch = kb_api_dispatch,
		.threads = c->num_network_threads,
		.request_max = c->socket_request_max_bytes,
		.sndbuf = c->socket_send_buffer_bytes,
		.rcvbuf = c->socket_receive_buffer_bytes,
		.backlog = c->socket_listen_backlog_size,
		.idle_ms = c->connections_max_idle_ms,
		.max_connections = c->max_connections,
		.max_connections_per_ip = c->max_connections_per_ip,
		.per_ip_overrides = c->max_connections_per_ip_overrides,
	};
	int rc = kb_net_open(&b->net, &p);

	if (rc == KC_OK)
		rc = start_readers(b);
	for (int i = 0; rc == KC_OK && i < c->endpoints.n; i++)
		rc = start_listener(b, i);
	return rc;
}

static int
start_control(struct kb_broker *b)
{
	const struct kb_listeners *l = &b->config->endpoints;
	struct kb_start *s = b->start;
	struct kb_controller_params cp = {
		.env = &b->env->c,
		.loop = b->control,
		.zk = b->zk,
		.config = b->live,
		.broker_id = b->id,
		.listener = control_listener(b),
	};
	char client_id[32];
	struct kb_toctl_params tp = {
		.loop = b->control,
		.meta = &b->meta,
		.listener = control_listener(b),
		.client_id = client_id,
		.timeout_ms = b->config->controller_socket_timeout_ms,
	};
	struct kb_pids_params pp = {
		.loop = b->control,
		.broker_epoch = &b->epoch,
		.broker_id = b->id,
	};
	int rc = tls_of(b, &l->v[l->inter_broker], false, &s->client_tls);

	if (rc != KC_OK)
		return rc;
	cp.tls = s->client_tls;
	tp.tls = s->client_tls;
	snprintf(client_id, sizeof client_id, "broker-%d", b->id);
	if ((rc = kb_toctl_open(&b->toctl, &tp)) != KC_OK)
		return rc;
	pp.toctl = b->toctl;
	if ((rc = kb_pids_open(&b->pids, &pp)) != KC_OK ||
	    (rc = kb_replication_open(
		 b, inter_broker_listener(b), s->client_tls)) != KC_OK)
		return rc;
	return kb_controller_open(&b->ctl, &cp);
}

int
kb_start_steps(struct kb_broker *b)
{
	struct kb_meta *meta = NULL;
	int64_t epoch = -1;
	int rc;

	if ((rc = start_zk(b)) != KC_OK ||
	    (rc = kb_register_paths(b->zk)) != KC_OK ||
	    (rc = kb_register_cluster(b, b->zk, b->cluster_id)) != KC_OK)
		return rc;
	kc_log(KC_LOG_INFO, LOGGER, "Cluster ID = %s", b->cluster_id);
	rc = kb_meta_empty(&meta, kc_str(b->cluster_id));
	if (rc != KC_OK)
		return rc;
	kb_meta_publish(&b->meta, meta);
	if ((rc = start_logs(b)) != KC_OK || (rc = start_net(b)) != KC_OK ||
	    (rc = start_control(b)) != KC_OK)
		return rc;
	if ((rc = kb_net_start(b->net)) != KC_OK)
		return rc;
	rc = kb_register_broker(b, &b->stopping, &epoch);
	if (rc != KC_OK)
		return rc;
	atomic_store(&b->epoch, epoch);
	b->start->registered = true;
	kb_controller_start(b->ctl);
	return kzk_seqnode_open(&b->changes,
	    &(struct kzk_seqnode_params){ .zk = b->zk,
		.dir = KZK_CONFIG_CHANGES,
		.prefix = KZK_CONFIG_CHANGE_PREFIX,
		.fn = kb_dynamic_changed,
		.arg = b });
}
