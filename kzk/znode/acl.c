/*
 * acl -- /kafka-acl/..., /kafka-acl-extended/... and their change notes.
 * Kafka: kafka.security.authorizer.AclEntry, kafka.zk.{LiteralAclStore,
 * ExtendedAclStore}.
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <string.h>

int
kzk_acl_list_decode(struct kc_str data, struct kzk_acl_list *out)
{
	struct kzk_in in;
	json_t *arr, *v;
	int32_t n;
	int rc;

	memset(out, 0, sizeof *out);
	if (data.len <= 0) /* a node of no ACLs, as Kafka takes it */
		return KC_OK;
	kzk_in_begin(&in, data, &out->mem);
	kzk_in_int(&in, in.root, "version", 1, 1);
	arr = kzk_in_arr(&in, in.root, "acls", false);
	n = kzk_in_count(&in, arr, KZK_ENTRIES_MAX);
	out->v = kzk_in_array(&in, n, sizeof *out->v);
	for (int32_t i = 0; i < n && in.err == KC_OK; i++) {
		struct kzk_acl *a = &out->v[out->n++];

		v = json_array_get(arr, (size_t)i);
		if (!json_is_object(v))
			kzk_in_fail(&in, KC_EMALFORMED);
		a->principal = kzk_in_str(&in, v, "principal");
		a->permission = kzk_in_str(&in, v, "permissionType");
		a->operation = kzk_in_str(&in, v, "operation");
		a->host = kzk_in_str(&in, v, "host");
	}
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

int
kzk_acl_list_encode(const struct kzk_acl_list *in, struct kzk_text *out)
{
	struct kzk_out o;
	json_t *arr, *v;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 1);
	arr = kzk_out_arr(&o, o.root, "acls");
	for (int32_t i = 0; i < in->n; i++) {
		v = kzk_out_arr_obj(&o, arr);
		kzk_out_str(&o, v, "principal", in->v[i].principal);
		kzk_out_str(&o, v, "permissionType", in->v[i].permission);
		kzk_out_str(&o, v, "operation", in->v[i].operation);
		kzk_out_str(&o, v, "host", in->v[i].host);
	}
	return kzk_out_end(&o, out);
}

void
kzk_acl_list_fini(struct kzk_acl_list *l)
{
	kc_arena_fini(&l->mem);
	memset(l, 0, sizeof *l);
}

/* "TOPIC:foo"; the name may hold colons itself. */
static int
change_text(struct kc_str data, struct kzk_acl_change *out)
{
	const char *colon = memchr(data.p, ':', (size_t)data.len);
	struct kc_str s;

	if (colon == NULL || colon == data.p ||
	    memchr(data.p, '\0', (size_t)data.len) != NULL)
		return KC_EMALFORMED;
	kc_arena_init(&out->mem, KZK_DATA_MAX);
	s = (struct kc_str){ data.p, (int32_t)(colon - data.p) };
	out->resource_type = kc_arena_str(&out->mem, s);
	s = (struct kc_str){ colon + 1, data.len - s.len - 1 };
	out->name = kc_arena_str(&out->mem, s);
	out->pattern_type = KC_STR_LIT("LITERAL");
	if (out->resource_type.p == NULL || out->name.p == NULL) {
		kc_arena_fini(&out->mem);
		return KC_ENOMEM;
	}
	return KC_OK;
}

int
kzk_acl_change_decode(struct kc_str data, struct kzk_acl_change *out)
{
	struct kzk_in in;
	int rc;

	memset(out, 0, sizeof *out);
	if (data.len <= 0)
		return KC_EMALFORMED;
	if (data.len > KZK_DATA_MAX)
		return KC_ELIMIT;
	if (data.p[0] != '{')
		rc = change_text(data, out);
	else {
		kzk_in_begin(&in, data, &out->mem);
		kzk_in_int(&in, in.root, "version", 1, 1);
		out->resource_type = kzk_in_str(&in, in.root, "resourceType");
		out->name = kzk_in_str(&in, in.root, "name");
		out->pattern_type = kzk_in_str(&in, in.root, "patternType");
		rc = kzk_in_end(&in);
	}
	if (rc != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

int
kzk_acl_change_encode(const struct kzk_acl_change *in, struct kzk_text *out)
{
	struct kzk_out o;

	if (kc_str_eqz(in->pattern_type, "LITERAL"))
		return kzk_text_printf(out, "%.*s:%.*s",
		    KC_STR_ARG(in->resource_type), KC_STR_ARG(in->name));
	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 1);
	kzk_out_str(&o, o.root, "resourceType", in->resource_type);
	kzk_out_str(&o, o.root, "name", in->name);
	kzk_out_str(&o, o.root, "patternType", in->pattern_type);
	return kzk_out_end(&o, out);
}

void
kzk_acl_change_fini(struct kzk_acl_change *c)
{
	kc_arena_fini(&c->mem);
	memset(c, 0, sizeof *c);
}
