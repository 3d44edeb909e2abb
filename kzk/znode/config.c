/*
 * config -- /config/<type>/<entity> and /config/changes.  Kafka:
 * kafka.zk.{ConfigEntityZNode, ConfigEntityChangeNotificationZNode}.
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <string.h>

static void
read_entries(struct kzk_in *in, struct kzk_config *c)
{
	json_t *map = kzk_in_obj(in, in->root, "config", true);
	int32_t n = kzk_in_count(in, map, KZK_ENTRIES_MAX);
	struct kzk_config_entry *e;
	const char *key;
	json_t *v;

	if ((e = kzk_in_array(in, n, sizeof *e)) == NULL)
		return;
	c->v = e;
	c->n = n;
	json_object_foreach(map, key, v)
	{
		e->name = kc_arena_str(in->mem, kc_str(key));
		if (e->name.p == NULL)
			kzk_in_fail(in, KC_ENOMEM);
		e->value = kzk_in_value_str(in, v);
		e++;
	}
}

int
kzk_config_decode(struct kc_str data, struct kzk_config *out)
{
	struct kzk_in in;
	int rc;

	memset(out, 0, sizeof *out);
	if (data.len <= 0)
		return KC_OK;
	kzk_in_begin(&in, data, &out->mem);
	read_entries(&in, out);
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

int
kzk_config_encode(const struct kzk_config *in, struct kzk_text *out)
{
	struct kzk_out o;
	json_t *map;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 1);
	map = kzk_out_obj(&o, o.root, "config");
	for (int32_t i = 0; i < in->n; i++)
		kzk_out_str_key(&o, map, in->v[i].name, in->v[i].value);
	return kzk_out_end(&o, out);
}

void
kzk_config_fini(struct kzk_config *c)
{
	kc_arena_fini(&c->mem);
	memset(c, 0, sizeof *c);
}

struct kc_str
kzk_config_get(const struct kzk_config *c, const char *name)
{
	for (int32_t i = 0; i < c->n; i++)
		if (kc_str_eqz(c->v[i].name, name))
			return c->v[i].value;
	return KC_STR_NULL;
}

/* Version 1: {"entity_type":"topics","entity_name":"t"}. */
static void
read_v1(struct kzk_in *in, struct kzk_config_change *c)
{
	struct kc_str type = kzk_in_str(in, in->root, "entity_type");
	struct kc_str name = kzk_in_str(in, in->root, "entity_name");
	char *p;

	if (in->err != KC_OK)
		return;
	p = kc_arena_printf(in->mem, "%s/%s", type.p, name.p);
	if (p == NULL)
		kzk_in_fail(in, KC_ENOMEM);
	else
		c->entity_path = kc_str(p);
}

int
kzk_config_change_decode(struct kc_str data, struct kzk_config_change *out)
{
	struct kzk_in in;
	int64_t version;
	int rc;

	memset(out, 0, sizeof *out);
	kzk_in_begin(&in, data, &out->mem);
	version = kzk_in_int(&in, in.root, "version", 1, 2);
	if (version == 1)
		read_v1(&in, out);
	else
		out->entity_path = kzk_in_str(&in, in.root, "entity_path");
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

int
kzk_config_change_encode(struct kc_str entity_path, struct kzk_text *out)
{
	struct kzk_out o;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 2);
	kzk_out_str(&o, o.root, "entity_path", entity_path);
	return kzk_out_end(&o, out);
}

void
kzk_config_change_fini(struct kzk_config_change *c)
{
	kc_arena_fini(&c->mem);
	memset(c, 0, sizeof *c);
}
