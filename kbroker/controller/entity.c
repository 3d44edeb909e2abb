#include "kbroker/controller/entity.h"

#include "kcommon/base/err.h"
#include "kcommon/config/properties.h"
#include "kzk/await.h"
#include "kzk/path.h"
#include "kzk/recipe/seqnode.h"
#include "kzk/znode/znode.h"

#include <stdlib.h>

/* Controllers come and go while we write; then an error. */
#define TRIES_MAX 5

/*
 * The version of /controller, -1 when there is none.  KC_EFENCED when it is
 * KRaft's: a cluster that is being moved keeps its configurations there.
 */
static int
controller_version(struct kzk *zk, int32_t *version)
{
	struct kzk_controller who;
	struct kzk_op *op;
	int rc = kzk_await(kzk_op_get(zk, KZK_CONTROLLER, NULL), &op);

	*version = -1;
	if (rc == KC_ENOENT)
		return KC_OK;
	if (rc == KC_OK)
		rc = kzk_controller_decode(op->data, &who);
	if (rc != KC_OK)
		return rc;
	*version = op->stat.version;
	return who.kraft_epoch > 0 ? KC_EFENCED : KC_OK;
}

int
kb_entity_write(struct kzk *zk, const char *path, struct kc_str data)
{
	int32_t version;
	struct kzk_op *op;
	int rc = KC_EFENCED;

	for (int i = 0; i < TRIES_MAX; i++) {
		if ((rc = controller_version(zk, &version)) != KC_OK)
			return rc;
		op = kzk_op_set(zk, path, data, -1);
		if (version >= 0)
			op = kzk_op_fence(op, KZK_CONTROLLER, version);
		rc = kzk_await(kzk_op_safe(op), NULL);
		if (rc == KC_ENOENT)
			rc = kzk_await(kzk_op_safe(kzk_op_create(
					   zk, path, data, KZK_PARENTS)),
			    NULL);
		/* Another controller, or another one made it: once more. */
		if (rc != KC_EFENCED && rc != KC_EEXIST)
			break;
	}
	return rc;
}

int
kb_entity_encode(const struct kc_props *config, struct kzk_text *text)
{
	size_t n = config != NULL ? kc_props_count(config) : 0;
	struct kzk_config c = { .n = (int32_t)n };
	int rc;

	if ((c.v = calloc(n + 1, sizeof *c.v)) == NULL)
		return KC_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct kc_prop *p = kc_props_at(config, i);

		c.v[i].name = kc_str(p->key);
		c.v[i].value = kc_str(p->value);
	}
	rc = kzk_config_encode(&c, text);
	free(c.v);
	return rc;
}

int
kb_entity_decode(struct kc_str data, struct kc_props **propsp)
{
	struct kc_props *props = NULL;
	struct kzk_config z;
	int rc = kzk_config_decode(data, &z);

	if (rc != KC_OK)
		return rc;
	rc = kc_props_open(&props);
	for (int32_t i = 0; i < z.n && rc == KC_OK; i++)
		rc = kc_props_set(props, z.v[i].name.p,
		    z.v[i].value.p != NULL ? z.v[i].value.p : "");
	kzk_config_fini(&z);
	if (rc != KC_OK)
		kc_props_close(&props);
	*propsp = props;
	return rc;
}

int
kb_entity_read(
    struct kzk *zk, const char *entity_path, struct kc_props **propsp)
{
	struct kzk_path path;
	struct kzk_op *op = NULL;
	int rc = kzk_path_entity(&path, kc_str(entity_path));

	if (rc == KC_OK)
		rc = kzk_await(kzk_op_get(zk, path.s, NULL), &op);
	if (rc == KC_ENOENT)
		return kc_props_open(propsp);
	return rc == KC_OK ? kb_entity_decode(op->data, propsp) : rc;
}

static int
announce(struct kzk *zk, const char *entity_path)
{
	struct kzk_text text = { 0 };
	int rc = kzk_config_change_encode(kc_str(entity_path), &text);

	if (rc == KC_OK)
		rc = kzk_seqnode_write(zk, KZK_CONFIG_CHANGES,
		    KZK_CONFIG_CHANGE_PREFIX, kzk_text_str(&text));
	kzk_text_fini(&text);
	return rc;
}

int
kb_entity_change(
    struct kzk *zk, const char *entity_path, const struct kc_props *config)
{
	struct kzk_text text = { 0 };
	struct kzk_path path;
	int rc = kb_entity_encode(config, &text);

	if (rc == KC_OK && text.len > KB_ENTITY_MAX)
		rc = KC_ELIMIT;
	if (rc == KC_OK)
		rc = kzk_path_entity(&path, kc_str(entity_path));
	if (rc == KC_OK)
		rc = kb_entity_write(zk, path.s, kzk_text_str(&text));
	kzk_text_fini(&text);
	return rc == KC_OK ? announce(zk, entity_path) : rc;
}
