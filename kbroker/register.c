#include "kbroker/register.h"

#include "kbroker/config.h"
#include "kbroker/core.h"
#include "kbroker/net/net.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/base/uuid.h"
#include "kcommon/io/fiber.h"
#include "kzk/await.h"
#include "kzk/path.h"
#include "kzk/znode/znode.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOGGER "kafka.zk.KafkaZkClient"
#define PREDECESSOR_POLL_MS 500

int
kb_register_paths(struct kzk *zk)
{
	/* Parents first and in Kafka's order: they go out as one wave. */
	static const char *const paths[] = { KZK_CONSUMERS, KZK_BROKERS,
		KZK_BROKER_IDS, KZK_TOPICS, "/config", KZK_CONFIG_CHANGES,
		KZK_ADMIN, KZK_DELETE_TOPICS, KZK_BROKER_SEQID, KZK_ISR_CHANGES,
		KZK_PID_BLOCK, KZK_LOG_DIR_EVENTS };
	static const enum kzk_config_type types[] = { KZK_CONFIG_TOPICS,
		KZK_CONFIG_CLIENTS, KZK_CONFIG_USERS, KZK_CONFIG_BROKERS,
		KZK_CONFIG_IPS };
	struct kzk_batch *b = NULL;
	struct kzk_path path;
	int rc = kzk_batch_open(&b, zk);

	if (rc != KC_OK)
		return rc;
	for (size_t i = 0; i < KC_COUNT(paths); i++)
		kzk_batch_add(b,
		    kzk_op_safe(kzk_op_create(zk, paths[i], KC_STR_NULL, 0)));
	for (size_t i = 0; i < KC_COUNT(types); i++) {
		kzk_path_config_root(&path, types[i]);
		kzk_batch_add(
		    b, kzk_op_safe(kzk_op_create(zk, path.s, KC_STR_NULL, 0)));
	}
	b = kzk_await_batch(b);
	for (int i = 0; i < b->n && rc == KC_OK; i++) {
		int err = b->ops[i] == NULL ? KC_ENOMEM : b->ops[i]->err;

		if (err != KC_OK && err != KC_EEXIST)
			rc = err;
	}
	return rc;
}

int
kb_register_cluster(struct kb_broker *b, struct kzk *zk, char *id)
{
	struct kc_uuid uuid;
	struct kzk_text text = { 0 };
	struct kzk_op *op;
	char fresh[KC_UUID_TEXT];
	int rc;

	for (;;) {
		rc = kzk_await(kzk_op_get(zk, KZK_CLUSTER_ID, NULL), &op);
		if (rc == KC_OK)
			return kzk_cluster_id_decode(op->data, id);
		if (rc != KC_ENOENT)
			return rc;
		kc_uuid_random(b->env->c.rand, &uuid);
		rc = kzk_cluster_id_encode(kc_uuid_text(&uuid, fresh), &text);
		if (rc == KC_OK)
			rc = kzk_await(
			    kzk_op_safe(kzk_op_create(zk, KZK_CLUSTER_ID,
				kzk_text_str(&text), KZK_PARENTS)),
			    NULL);
		kzk_text_fini(&text);
		if (rc != KC_OK && rc != KC_EEXIST)
			return rc;
	}
}

int
kb_register_new_id(struct kb_broker *b, struct kzk *zk, int32_t *id)
{
	struct kzk_op *op;
	int rc;

	/* The version counts the brokers that were given one. */
	rc = kzk_await(
	    kzk_op_set(zk, KZK_BROKER_SEQID, KC_STR_LIT(""), -1), &op);
	if (rc == KC_EINDOUBT) /* a number lost is no harm */
		rc = kzk_await(
		    kzk_op_set(zk, KZK_BROKER_SEQID, KC_STR_LIT(""), -1), &op);
	if (rc == KC_OK)
		*id = op->stat.version + b->config->reserved_broker_max_id;
	return rc;
}

/* The canonical name of this machine, for an advertised host left out. */
static void
own_host(char *buf, size_t len)
{
	struct addrinfo hints = { .ai_flags = AI_CANONNAME,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *ai = NULL;

	if (gethostname(buf, len) != 0)
		snprintf(buf, len, "localhost");
	buf[len - 1] = '\0';
	if (getaddrinfo(buf, NULL, &hints, &ai) == 0 &&
	    ai->ai_canonname != NULL)
		snprintf(buf, len, "%s", ai->ai_canonname);
	if (ai != NULL)
		freeaddrinfo(ai);
}

/* What the node says; v has room for all listeners. */
static void
describe(struct kb_broker *b, const char *host, struct kzk_endpoint *v,
    struct kzk_broker *out)
{
	const struct kb_listeners *l = &b->config->endpoints;

	*out = (struct kzk_broker){ .jmx_port = -1,
		.timestamp_ms = kc_wall_ms(b->env->c.clock),
		.rack = kc_str(b->config->broker_rack) };
	out->endpoints.v = v;
	for (int i = 0; i < l->n; i++) {
		const struct kb_endpoint *ep = &l->v[i];

		if (!ep->advertised)
			continue;
		v[out->endpoints.n++] = (struct kzk_endpoint){
			.listener = kc_str(ep->name),
			.host = kc_str(ep->advertised_host[0] != '\0' ?
				ep->advertised_host :
				host),
			.port = ep->advertised_port != 0 ?
			    ep->advertised_port :
			    kb_net_port(b->net, ep->name),
			.protocol = kc_str(kb_protocol_name(ep->protocol)),
		};
	}
}

/* KC_EEXIST when a live broker with another id has one of our endpoints. */
static int
check_others(struct kb_broker *b, const struct kzk_broker *own)
{
	struct kzk_batch *zb = NULL;
	struct kzk_op *op;
	struct kzk_path path;
	int64_t id;
	int rc = kzk_await(kzk_op_children(b->zk, KZK_BROKER_IDS, NULL), &op);

	if (rc != KC_OK || (rc = kzk_batch_open(&zb, b->zk)) != KC_OK)
		return rc;
	for (int i = 0; i < op->nchildren; i++) {
		if (kc_str_i64(op->children[i], &id) != KC_OK || id == b->id)
			continue;
		kzk_path_child(&path, KZK_BROKER_IDS, op->children[i]);
		kzk_batch_add(zb, kzk_op_get(b->zk, path.s, NULL));
	}
	zb = kzk_await_batch(zb);
	for (int i = 0; i < zb->n && rc == KC_OK; i++) {
		struct kzk_broker z;

		if (zb->ops[i] == NULL || zb->ops[i]->err != KC_OK ||
		    kzk_broker_decode(zb->ops[i]->data, &z) != KC_OK)
			continue;
		for (int32_t j = 0; j < z.endpoints.n; j++)
			for (int32_t k = 0; k < own->endpoints.n; k++)
				if (z.endpoints.v[j].port ==
					own->endpoints.v[k].port &&
				    kc_str_eq(z.endpoints.v[j].host,
					own->endpoints.v[k].host))
					rc = KC_EEXIST;
		if (rc == KC_EEXIST)
			kc_log(KC_LOG_FATAL, "kafka.server.KafkaServer",
			    "Configured end points are in use by the broker "
			    "registered at %s; give this one others "
			    "(listeners, advertised.listeners)",
			    zb->ops[i]->path);
		kzk_broker_fini(&z);
	}
	return rc;
}

/* Create and set in one, so that the stat is of this node for sure (ZK-2). */
static int
create(
    struct kb_broker *b, const char *path, struct kc_str data, int64_t *epoch)
{
	struct kzk_op *m = kzk_op_multi(b->zk), *res;
	int rc;

	m = kzk_op_add(
	    m, kzk_op_create(b->zk, path, KC_STR_NULL, KZK_EPHEMERAL));
	m = kzk_op_add(m, kzk_op_set(b->zk, path, data, 0));
	rc = kzk_await(m, &res);
	if (rc == KC_OK)
		*epoch = res->subs[1]->stat.czxid;
	return rc;
}

/*
 * The node is there: ours (a lost answer), our previous session's (removed),
 * or another's.  KC_OK and *epoch when ours; KC_EBUSY another's; KC_EAGAIN
 * try again.
 */
static int
look(struct kb_broker *b, const char *path, int64_t *epoch)
{
	struct kzk_op *op;
	int rc = kzk_await(kzk_op_get(b->zk, path, NULL), &op);

	if (rc == KC_ENOENT)
		return KC_EAGAIN;
	if (rc != KC_OK)
		return rc;
	if (op->stat.owner == kzk_session_id(b->zk)) {
		*epoch = op->stat.czxid;
		return KC_OK;
	}
	if (op->stat.owner != kzk_session_before(b->zk) || op->stat.owner == 0)
		return KC_EBUSY;
	rc = kzk_await(kzk_op_safe(kzk_op_delete(b->zk, path, -1)), NULL);
	return rc == KC_OK || rc == KC_ENOENT ? KC_EAGAIN : rc;
}

static int
create_until_ours(struct kb_broker *b, const atomic_bool *stop,
    const char *path, struct kc_str data, int64_t *epoch)
{
	bool said = false;
	int rc;

	while (!atomic_load(stop)) {
		rc = create(b, path, data, epoch);
		if (rc == KC_EEXIST || rc == KC_EINDOUBT)
			rc = look(b, path, epoch);
		if (rc == KC_EAGAIN)
			continue;
		if (rc != KC_EBUSY)
			return rc;
		if (!said)
			kc_log(KC_LOG_WARN, LOGGER,
			    "%s exists and belongs to another session: most "
			    "likely that of this broker's killed "
			    "predecessor. Waiting for it to end, which takes "
			    "up to zookeeper.session.timeout.ms (%d ms). If "
			    "another broker with this id is running, stop one "
			    "of the two.",
			    path, b->config->zookeeper_session_timeout_ms);
		said = true;
		kc_fiber_sleep(PREDECESSOR_POLL_MS);
	}
	return KC_ECANCELED;
}

int
kb_register_broker(struct kb_broker *b, const atomic_bool *stop, int64_t *epoch)
{
	struct kzk_endpoint v[KB_LISTENERS_MAX];
	struct kzk_broker own;
	struct kzk_text text = { 0 };
	struct kzk_path path;
	char host[256];
	int rc;

	own_host(host, sizeof host);
	describe(b, host, v, &own);
	if ((rc = check_others(b, &own)) != KC_OK ||
	    (rc = kzk_broker_encode(&own, &text)) != KC_OK)
		return rc;
	kzk_path_broker(&path, b->id);
	rc = create_until_ours(b, stop, path.s, kzk_text_str(&text), epoch);
	kzk_text_fini(&text);
	if (rc == KC_OK)
		kc_log(KC_LOG_INFO, LOGGER,
		    "Registered broker %d at path %s, czxid (broker epoch): "
		    "%lld",
		    b->id, path.s, (long long)*epoch);
	return rc;
}
