#include "kbroker/broker.h"

#include "kbroker/api/api.h"
#include "kbroker/controller/controller.h"
#include "kbroker/coordinators.h"
#include "kbroker/core.h"
#include "kbroker/dynamic.h"
#include "kbroker/leave.h"
#include "kbroker/log/cleaner.h"
#include "kbroker/net/net.h"
#include "kbroker/pids.h"
#include "kbroker/register.h"
#include "kbroker/replica/alter.h"
#include "kbroker/replication.h"
#include "kbroker/toctl.h"
#include "kbroker/topics.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/base/thread.h"
#include "kcommon/compress/compress.h"
#include "kcommon/io/fiber.h"
#include "kcommon/io/file_guard.h"
#include "kcommon/io/tls.h"
#include "kzk/await.h"
#include "kzk/path.h"
#include "kzk/recipe/seqnode.h"
#include "kzk/znode/znode.h"

#include <stdio.h>
#include <stdlib.h>

#define LOGGER "kafka.server.KafkaServer"
#define DRAIN_MS 5000 /* for requests under way on the control thread */
#define DRAIN_STEP_MS 100
#define LEAVE_MS 5000 /* for controlled shutdown, with its back-offs */
#define END_PASSES 8 /* of the control loop, after the session's end */

enum phase { /* rising */
	STARTING,
	READY,
	STOPPED, /* the control thread has let go of everything */
};

/* Start, run and stop; what only broker.c needs. */
struct kb_start {
	struct kb_broker *owner;
	struct kc_lock lock; /* a leaf */
	struct kc_cond cond;
	/* Guarded by lock. */
	enum phase phase;
	bool stop; /* asked for */
	int err; /* why it cannot start or go on */
	bool left; /* leaving has ended */

	/* The control thread's, and main's before and after it. */
	struct kc_thread *thread;
	struct kzk_listener zk_listener;
	struct kzk_awaited zk_first;
	struct kc_fiber *waiter; /* of the start, for zk and readiness */
	bool zk_up; /* first() has been called */
	bool loaded; /* the logs: they may be marked clean at the end */
	bool registered;
	struct kb_log_events events;
	struct kc_tls *client_tls; /* between brokers; NULL: plaintext */
	struct kb_reader *readers;
	int nreaders;
	struct kc_task begin;
	struct kc_task leave;
	struct kc_fiber *leaver; /* asks the controller, or sleeps */
	struct kc_task finish;
};

/* --- small things ----------------------------------------------------------
 */

static void
set_phase(struct kb_broker *b, enum phase phase, int err)
{
	struct kb_start *s = b->start;

	kc_lock_take(&s->lock);
	if (phase > s->phase)
		s->phase = phase;
	if (s->err == KC_OK)
		s->err = err;
	kc_cond_broadcast(&s->cond);
	kc_lock_drop(&s->lock);
}

/* The broker cannot go on; whoever waits for it hears.  @thread any */
static void
give_up(struct kb_broker *b, int err)
{
	set_phase(b, STARTING, err);
}

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
	if (b->mgr == NULL || b->start->phase != READY ||
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
		give_up(b, KC_EOFFLINE);
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
		give_up(b, rc);
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
	if (s->registered && kc_fiber_start(b->control, register_again, b) != KC_OK)
		give_up(b, KC_ENOMEM);
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
		kc_log(KC_LOG_FATAL, LOGGER,
		    "Cannot reach ZooKeeper at %s: %s", c->zookeeper_connect,
		    kc_strerror(rc));
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
	if (b->id < 0 &&
	    (rc = kb_register_new_id(b, b->zk, &b->id)) != KC_OK)
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
	b->start->events = (struct kb_log_events) { .arg = b,
		.dir_offline = on_dir_offline,
		.topic_config = topic_log_config };
	rc = kb_log_dirs_open(
	    &b->dirs, &b->env->c, &d, &b->start->events, &id);
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

static int
start_steps(struct kb_broker *b)
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
	    &(struct kzk_seqnode_params) { .zk = b->zk,
		.dir = KZK_CONFIG_CHANGES,
		.prefix = KZK_CONFIG_CHANGE_PREFIX,
		.fn = kb_dynamic_changed,
		.arg = b });
}

/* The start waits on this list for the first UpdateMetadata. */
static void
wake_start(struct kb_waiter *w)
{
	kc_fiber_wake(w->arg); /* published on the control thread only */
}

static void
wait_metadata(struct kb_broker *b)
{
	struct kb_waiter w = { .wake = wake_start, .arg = kc_fiber_self() };

	kc_lock_take(&b->meta_lock);
	kb_waitlist_add(&b->meta_waiters, &w);
	kc_lock_drop(&b->meta_lock);
	while (!atomic_load(&b->ready) && !atomic_load(&b->stopping))
		kc_fiber_wait();
	kc_lock_take(&b->meta_lock);
	kb_waitlist_remove(&b->meta_waiters, &w);
	kc_lock_drop(&b->meta_lock);
}

static void
begin(void *arg)
{
	struct kb_broker *b = arg;
	int rc;

	b->start->waiter = kc_fiber_self();
	rc = start_steps(b);
	if (rc == KC_OK)
		wait_metadata(b);
	b->start->waiter = NULL;
	if (rc != KC_OK) {
		if (rc != KC_ECANCELED)
			kc_log(KC_LOG_FATAL, LOGGER,
			    "Fatal error during KafkaServer startup. Prepare "
			    "to shutdown: %s",
			    kc_strerror(rc));
		give_up(b, rc);
		return;
	}
	if (atomic_load(&b->stopping))
		return;
	kc_log(KC_LOG_INFO, LOGGER, "[KafkaServer id=%d] started", b->id);
	set_phase(b, READY, KC_OK);
}

static void
on_begin(struct kc_task *task)
{
	struct kb_start *s = KC_CONTAINER(task, struct kb_start, begin);

	if (kc_fiber_start(s->owner->control, begin, s->owner) != KC_OK)
		give_up(s->owner, KC_ENOMEM);
}

static void
control_main(void *arg)
{
	struct kb_broker *b = arg;

	(void)kc_loop_run(b->control);
}

int
kb_broker_open(struct kb_broker **brokerp, const struct kb_env *env,
    const struct kb_config *config)
{
	struct kb_broker *b;
	struct kb_meta *none = NULL;
	struct kb_start *s;
	int rc;

	KC_ASSERT(*brokerp == NULL);
	(void)kc_log_use(env->logger);
	b = kc_new(struct kb_broker, KB_BROKER_MAGIC);
	s = calloc(1, sizeof *s);
	if (b == NULL || s == NULL || (rc = kb_meta_empty(&none, kc_str(""))) != KC_OK) {
		free(b);
		free(s);
		return KC_ENOMEM;
	}
	b->env = env;
	b->config = config;
	b->live = kb_config_get(config);
	b->id = -1;
	b->start = s;
	s->owner = b;
	atomic_init(&b->epoch, -1);
	kc_lock_init(&s->lock, 0, "broker");
	kc_cond_init(&s->cond);
	kc_lock_init(&b->meta_lock, 0, "metadata waiters");
	kb_meta_cache_init(&b->meta, none);
	*brokerp = b;
	if ((rc = kc_guard_install()) != KC_OK ||
	    (rc = kb_sessions_open(&b->sessions,
		 config->max_incremental_fetch_session_cache_slots,
		 env->c.rand)) != KC_OK ||
	    (rc = kc_loop_open(&b->control, &env->c, "control")) != KC_OK)
		goto fail;
	s->begin.fn = on_begin;
	kc_loop_post(b->control, &s->begin);
	if ((rc = kc_thread_start(&s->thread, "control", control_main, b)) ==
	    KC_OK)
		return KC_OK;
fail:
	(void)kb_broker_close(brokerp);
	return rc;
}

/* --- while it runs ---------------------------------------------------------
 */

void
kb_broker_stop(struct kb_broker *b)
{
	struct kb_start *s = b->start;

	kc_lock_take(&s->lock);
	s->stop = true;
	kc_cond_broadcast(&s->cond);
	kc_lock_drop(&s->lock);
}

int
kb_broker_ready(struct kb_broker *b)
{
	struct kb_start *s = b->start;
	int rc;

	kc_lock_take(&s->lock);
	while (s->phase == STARTING && !s->stop && s->err == KC_OK)
		kc_cond_wait(&s->cond, &s->lock);
	rc = s->err != KC_OK	  ? s->err :
	    s->phase == STARTING  ? KC_ECANCELED :
				    KC_OK;
	kc_lock_drop(&s->lock);
	return rc;
}

int
kb_broker_wait(struct kb_broker *b)
{
	struct kb_start *s = b->start;
	int rc;

	kc_lock_take(&s->lock);
	while (!s->stop && s->err == KC_OK)
		kc_cond_wait(&s->cond, &s->lock);
	rc = s->err;
	kc_lock_drop(&s->lock);
	return rc;
}

int
kb_broker_port(struct kb_broker *b, const char *listener)
{
	return b->net == NULL ? -1 : kb_net_port(b->net, listener);
}

int32_t
kb_broker_id(const struct kb_broker *b)
{
	return b->id;
}

/* --- stop ------------------------------------------------------------------
 */

static void
stop_partition(void *arg KC_UNUSED, struct kb_partition *p)
{
	kb_partition_stop(p); /* wakes everybody who waits on it */
}

static void
set_left(struct kb_start *s)
{
	kc_lock_take(&s->lock);
	s->left = true;
	kc_cond_broadcast(&s->cond);
	kc_lock_drop(&s->lock);
}

static void
leave(void *arg)
{
	struct kb_broker *b = arg;
	struct kb_start *s = b->start;

	b->control_requests++;
	s->leaver = kc_fiber_self();
	kb_leave(b);
	s->leaver = NULL;
	set_left(s);
	if (--b->control_requests == 0 && b->drained != NULL)
		kc_fiber_wake(b->drained);
}

static void
on_leave(struct kc_task *task)
{
	struct kb_start *s = KC_CONTAINER(task, struct kb_start, leave);

	if (kc_fiber_start(s->owner->control, leave, s->owner) != KC_OK)
		set_left(s);
}

/*
 * Controlled shutdown, while everything still runs.  Who does not come to an
 * end in time is told to by stopping.
 */
static void
leave_cluster(struct kb_broker *b)
{
	const struct kb_config *c = b->config;
	struct kb_start *s = b->start;
	int64_t now, until = kc_mono_ms(b->env->c.clock) + LEAVE_MS +
	    c->controlled_shutdown_max_retries *
		c->controlled_shutdown_retry_backoff_ms;

	kc_lock_take(&s->lock);
	if (s->phase != READY || s->err != KC_OK ||
	    !c->controlled_shutdown_enable) {
		kc_lock_drop(&s->lock);
		return;
	}
	s->leave.fn = on_leave;
	kc_loop_post(b->control, &s->leave);
	while (!s->left && s->err == KC_OK &&
	    (now = kc_mono_ms(b->env->c.clock)) < until)
		kc_cond_wait_ms(&s->cond, &s->lock, until - now);
	kc_lock_drop(&s->lock);
}

/* Everything that answers requests lets go of them. */
static void
drain(struct kb_broker *b)
{
	if (b->mgr != NULL)
		kb_manager_each(b->mgr, stop_partition, NULL);
	kb_coordinators_stop(b);
	kb_api_stop(b);
	if (b->toctl != NULL)
		kb_toctl_stop(b->toctl);
	if (b->pids != NULL)
		kb_pids_stop(b->pids);
	if (b->alter != NULL)
		kb_alter_stop(b->alter);
	if (b->start->leaver != NULL)
		kc_fiber_wake(b->start->leaver);
	b->drained = kc_fiber_self();
	for (int ms = 0; b->control_requests > 0 && ms < DRAIN_MS;
	     ms += DRAIN_STEP_MS)
		kc_fiber_sleep(DRAIN_STEP_MS);
	b->drained = NULL;
}

/* Is a fiber of the start or of a request not at its end? */
static bool
waited_for(const struct kb_broker *b)
{
	return b->control_requests > 0 || b->start->waiter != NULL;
}

/* Control's half of the stop: no more decisions, out of ZooKeeper last. */
static void
finish(void *arg)
{
	struct kb_broker *b = arg;
	bool ended;

	if (b->zk != NULL && !kzk_connected(b->zk))
		kzk_end(b->zk); /* no answer will come any more */
	/* A start under way ends at its next step. */
	if (b->start->waiter != NULL)
		kc_fiber_wake(b->start->waiter);
	for (int ms = 0; b->start->waiter != NULL && ms < DRAIN_MS;
	     ms += DRAIN_STEP_MS)
		kc_fiber_sleep(DRAIN_STEP_MS);
	drain(b);
	kzk_seqnode_close(&b->changes);
	ended = b->ctl == NULL || kb_controller_stop(b->ctl);
	/*
	 * Who waits for a ZooKeeper that does not answer is ended now, while
	 * the net threads are there to take the answers.
	 */
	if (b->zk != NULL && (!ended || waited_for(b))) {
		kzk_end(b->zk);
		for (int ms = 0; waited_for(b) && ms < DRAIN_MS;
		     ms += DRAIN_STEP_MS)
			kc_fiber_sleep(DRAIN_STEP_MS);
		if (b->ctl != NULL)
			(void)kb_controller_stop(b->ctl);
	}
	set_phase(b, STOPPED, KC_OK);
}

static void
on_finish(struct kc_task *task)
{
	struct kb_start *s = KC_CONTAINER(task, struct kb_start, finish);

	if (kc_fiber_start(s->owner->control, finish, s->owner) != KC_OK)
		set_phase(s->owner, STOPPED, KC_ENOMEM);
}

static void
stop_control(struct kb_broker *b)
{
	struct kb_start *s = b->start;

	if (s->thread == NULL)
		return;
	s->finish.fn = on_finish;
	kc_loop_post(b->control, &s->finish);
	kc_lock_take(&s->lock);
	while (s->phase != STOPPED)
		kc_cond_wait(&s->cond, &s->lock);
	kc_lock_drop(&s->lock);
	kc_loop_stop(b->control);
	kc_thread_join(&s->thread);
}

static void
free_readers(struct kb_broker *b)
{
	struct kb_start *s = b->start;

	for (int i = 0; i < s->nreaders; i++) {
		kb_meta_release(&b->meta, &s->readers[i].meta);
		if (b->mgr != NULL)
			kb_manager_release(b->mgr, &s->readers[i].parts);
		kc_compress_ctx_close(&s->readers[i].compress);
	}
	free(s->readers);
}

int
kb_broker_close(struct kb_broker **brokerp)
{
	struct kb_broker *b = *brokerp;
	struct kb_start *s = b->start;
	int rc = KC_OK;

	*brokerp = NULL;
	kc_log(KC_LOG_INFO, LOGGER, "[KafkaServer id=%d] shutting down", b->id);
	leave_cluster(b);
	atomic_store(&b->stopping, true);
	if (b->net != NULL)
		kb_net_shut(b->net);
	stop_control(b);
	kb_replication_stop(b);
	/* From here on this thread is the only one but net's and flush's. */
	if (b->net != NULL)
		kb_net_close(&b->net);
	free_readers(b);
	kb_coordinators_close(b);
	kb_replication_close(b);
	kb_manager_close(&b->mgr);
	kb_log_cleaner_close(&b->cleaner);
	if (b->dirs != NULL)
		kb_log_dirs_close(&b->dirs, s->loaded);
	if (b->zk != NULL) {
		kzk_end(b->zk);
		/* Whoever waited for it comes to an end in these. */
		for (int i = 0; i < END_PASSES; i++)
			(void)kc_loop_step(b->control, 0);
		kzk_close(&b->zk);
		(void)kc_loop_step(b->control, 0);
	}
	kb_controller_close(&b->ctl);
	kb_pids_close(&b->pids);
	kb_toctl_close(&b->toctl);
	kb_topics_close(&b->topics);
	kb_dynamic_close(b);
	kb_sessions_close(&b->sessions);
	kb_meta_cache_fini(&b->meta);
	kc_tls_put(&s->client_tls);
	if (b->control != NULL)
		kc_loop_close(&b->control);
	kc_log(KC_LOG_INFO, LOGGER, "[KafkaServer id=%d] shut down completed",
	    b->id);
	kc_lock_fini(&b->meta_lock);
	kc_cond_fini(&s->cond);
	kc_lock_fini(&s->lock);
	free(s);
	kc_delete(b);
	return rc;
}
