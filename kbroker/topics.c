#include "kbroker/topics.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kzk/await.h"
#include "kzk/path.h"
#include "kzk/znode/znode.h"

#include <stdlib.h>
#include <uthash.h>

#define LOGGER "kafka.server.DynamicConfigManager"

struct topic {
	UT_hash_handle hh;
	struct kb_topic_config *tc; /* own reference */
	char name[];
};

struct kb_topics {
	struct kzk *zk;
	const struct kb_config *config;
	struct kb_topic_config *defaults; /* a topic without own settings */
	struct topic *hash;
};

int
kb_topics_open(
    struct kb_topics **tp, struct kzk *zk, const struct kb_config *config)
{
	struct kb_topics *t = calloc(1, sizeof *t);
	int rc;

	KC_ASSERT(*tp == NULL);
	if (t == NULL)
		return KC_ENOMEM;
	t->zk = zk;
	t->config = config;
	rc = kb_topic_config_load(&t->defaults, config, "", NULL);
	if (rc != KC_OK) {
		free(t);
		return rc;
	}
	*tp = t;
	return KC_OK;
}

static void
remove_topic(struct kb_topics *t, struct topic *e)
{
	HASH_DEL(t->hash, e);
	kb_topic_config_put(&e->tc);
	free(e);
}

void
kb_topics_close(struct kb_topics **tp)
{
	struct kb_topics *t = *tp;
	struct topic *e, *tmp;

	*tp = NULL;
	if (t == NULL)
		return;
	HASH_ITER(hh, t->hash, e, tmp)
		remove_topic(t, e);
	kb_topic_config_put(&t->defaults);
	free(t);
}

static struct topic *
find(struct kb_topics *t, struct kc_str name)
{
	struct topic *e = NULL;

	if (name.len > 0)
		HASH_FIND(hh, t->hash, name.p, (unsigned)name.len, e);
	return e;
}

void
kb_topics_forget(struct kb_topics *t, struct kc_str name)
{
	struct topic *e = find(t, name);

	if (e != NULL)
		remove_topic(t, e);
}

struct kb_topic_config *
kb_topics_get(struct kb_topics *t, struct kc_str name)
{
	struct topic *e = find(t, name);

	return e != NULL ? e->tc : t->defaults;
}

/* Takes over tc. */
static int
put(struct kb_topics *t, struct kc_str name, struct kb_topic_config *tc)
{
	struct topic *e = find(t, name);

	if (e == NULL) {
		e = calloc(1, sizeof *e + (size_t)name.len + 1);
		if (e == NULL) {
			kb_topic_config_put(&tc);
			return KC_ENOMEM;
		}
		memcpy(e->name, name.p, (size_t)name.len);
		HASH_ADD(hh, t->hash, name, (unsigned)name.len, e);
	}
	kb_topic_config_put(&e->tc);
	e->tc = tc;
	return KC_OK;
}

/* The same settings of a topic over others of the broker. */
static int
rebase(struct kb_topic_config **tcp, const struct kb_config *config,
    const char *name)
{
	const struct kc_conf *conf = &(*tcp)->conf;
	struct kb_topic_config *tc = NULL;
	struct kc_props *own = NULL;
	int rc = kc_props_open(&own);

	for (size_t i = 0; i < conf->n && rc == KC_OK; i++)
		rc = kc_props_set(
		    own, conf->set[i].item->name, conf->set[i].text);
	if (rc == KC_OK)
		rc = kb_topic_config_load(&tc, config, name, own);
	kc_props_close(&own);
	if (rc != KC_OK)
		return rc;
	kb_topic_config_put(tcp);
	*tcp = tc;
	return KC_OK;
}

int
kb_topics_set_broker(struct kb_topics *t, const struct kb_config *config)
{
	struct topic *e, *tmp;
	int rc = rebase(&t->defaults, config, ""), err;

	t->config = config;
	HASH_ITER(hh, t->hash, e, tmp) {
		err = rebase(&e->tc, config, e->name);
		if (rc == KC_OK)
			rc = err;
	}
	return rc;
}

/* The node's data (null: no node) becomes the topic's configuration. */
static int
take(struct kb_topics *t, struct kc_str name, struct kc_str data)
{
	struct kzk_config z;
	struct kc_props *props = NULL;
	struct kb_topic_config *tc = NULL;
	char topic[KZK_TOPIC_NAME_MAX + 1];
	int rc;

	if (name.len < 1 || name.len > KZK_TOPIC_NAME_MAX)
		return KC_EINVAL;
	memcpy(topic, name.p, (size_t)name.len);
	topic[name.len] = '\0';
	rc = kzk_config_decode(data, &z);
	if (rc == KC_EMALFORMED || rc == KC_ELIMIT) {
		kc_log(KC_LOG_ERROR, LOGGER,
		    "The configuration of topic %s in /config/topics is not "
		    "what it should be; the broker's defaults are used",
		    topic);
		rc = kzk_config_decode(KC_STR_NULL, &z);
	}
	if (rc != KC_OK)
		return rc;
	rc = kc_props_open(&props);
	for (int32_t i = 0; i < z.n && rc == KC_OK; i++)
		rc = kc_props_set(props, z.v[i].name.p,
		    z.v[i].value.p != NULL ? z.v[i].value.p : "");
	if (rc == KC_OK)
		rc = kb_topic_config_load(&tc, t->config, topic, props);
	if (rc == KC_OK)
		rc = put(t, name, tc);
	kc_props_close(&props);
	kzk_config_fini(&z);
	return rc;
}

int
kb_topics_refresh(struct kb_topics *t, const struct kc_str *names, int n)
{
	struct kzk_batch *b = NULL;
	struct kzk_path path;
	int rc = kzk_batch_open(&b, t->zk);

	if (rc != KC_OK)
		return rc;
	for (int i = 0; i < n && rc == KC_OK; i++) {
		rc = kzk_path_config(&path, KZK_CONFIG_TOPICS, names[i]);
		if (rc == KC_OK)
			(void)kzk_batch_add(b, kzk_op_get(t->zk, path.s, NULL));
	}
	if (rc != KC_OK) {
		kzk_batch_close(&b);
		return rc;
	}
	b = kzk_await_batch(b);
	for (int i = 0; i < n; i++) {
		const struct kzk_op *op = i < b->n ? b->ops[i] : NULL;
		int err = op != NULL ? op->err : KC_ENOMEM;

		if (err == KC_OK)
			err = take(t, names[i], op->data);
		else if (err == KC_ENOENT) {
			kb_topics_forget(t, names[i]);
			err = KC_OK;
		}
		if (rc == KC_OK)
			rc = err;
	}
	return rc;
}

int
kb_topics_load(struct kb_topics *t)
{
	struct kzk_path root;
	struct kzk_op *op;
	struct kc_str *names;
	int n, rc;

	kzk_path_config_root(&root, KZK_CONFIG_TOPICS);
	rc = kzk_await(kzk_op_children(t->zk, root.s, NULL), &op);
	if (rc == KC_ENOENT)
		return KC_OK;
	if (rc != KC_OK)
		return rc;
	/* The listing is gone once we wait again: copy it. */
	n = op->nchildren;
	names = calloc((size_t)n + 1, sizeof *names);
	if (names == NULL)
		return KC_ENOMEM;
	for (int i = 0; i < n; i++) {
		names[i] = kc_str(kc_str_dup(op->children[i]));
		if (names[i].p == NULL)
			rc = KC_ENOMEM;
	}
	if (rc == KC_OK)
		rc = kb_topics_refresh(t, names, n);
	for (int i = 0; i < n; i++)
		free((char *)(uintptr_t)names[i].p);
	free(names);
	return rc;
}
