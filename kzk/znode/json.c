#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * What a decoded node may take: a list of small integers grows about
 * threefold over its text, and every object has its first chunk.
 */
#define MEM_MAX ((size_t)KZK_DATA_MAX * 8)

/* --- in ---------------------------------------------------------------------
 */

void
kzk_in_fail(struct kzk_in *in, int err)
{
	if (in->err == KC_OK)
		in->err = err;
}

void
kzk_in_begin(struct kzk_in *in, struct kc_str data, struct kc_arena *mem)
{
	json_error_t error;

	in->root = NULL;
	in->mem = mem;
	in->err = KC_OK;
	if (mem != NULL)
		kc_arena_init(mem, MEM_MAX);
	if (data.len <= 0) {
		kzk_in_fail(in, KC_EMALFORMED);
		return;
	}
	if (data.len > KZK_DATA_MAX) {
		kzk_in_fail(in, KC_ELIMIT);
		return;
	}
	in->root = json_loadb(data.p, (size_t)data.len, 0, &error);
	if (in->root == NULL)
		kzk_in_fail(in,
		    json_error_code(&error) == json_error_out_of_memory ?
			KC_ENOMEM :
			KC_EMALFORMED);
	else if (!json_is_object(in->root))
		kzk_in_fail(in, KC_EMALFORMED);
}

int
kzk_in_end(struct kzk_in *in)
{
	json_decref(in->root);
	in->root = NULL;
	if (in->err != KC_OK && in->mem != NULL)
		kc_arena_fini(in->mem);
	return in->err;
}

/* NULL when absent or JSON's null. */
static json_t *
find(const struct kzk_in *in, const json_t *obj, const char *key)
{
	json_t *v;

	if (in->err != KC_OK || obj == NULL)
		return NULL;
	v = json_object_get(obj, key);
	return json_is_null(v) ? NULL : v;
}

int64_t
kzk_in_int_or(struct kzk_in *in, const json_t *obj, const char *key,
    int64_t min, int64_t max, int64_t dflt)
{
	const json_t *v = find(in, obj, key);

	if (v == NULL)
		return in->err == KC_OK ? dflt : 0;
	if (!json_is_integer(v) || json_integer_value(v) < min ||
	    json_integer_value(v) > max) {
		kzk_in_fail(in, KC_EMALFORMED);
		return 0;
	}
	return json_integer_value(v);
}

int64_t
kzk_in_int(struct kzk_in *in, const json_t *obj, const char *key, int64_t min,
    int64_t max)
{
	if (find(in, obj, key) == NULL)
		kzk_in_fail(in, KC_EMALFORMED);
	return kzk_in_int_or(in, obj, key, min, max, 0);
}

int64_t
kzk_in_number(struct kzk_in *in, struct kc_str s, int64_t min, int64_t max)
{
	int64_t v;

	if (in->err != KC_OK)
		return 0;
	if (kc_str_i64(s, &v) != KC_OK || v < min || v > max) {
		kzk_in_fail(in, KC_EMALFORMED);
		return 0;
	}
	return v;
}

int64_t
kzk_in_text_int(
    struct kzk_in *in, const json_t *obj, const char *key, int64_t min)
{
	const json_t *v = find(in, obj, key);

	if (!json_is_string(v))
		return kzk_in_int(in, obj, key, min, INT64_MAX);
	return kzk_in_number(in, kc_str(json_string_value(v)), min, INT64_MAX);
}

struct kc_str
kzk_in_value_str(struct kzk_in *in, const json_t *v)
{
	struct kc_str s;

	if (in->err != KC_OK)
		return KC_STR_NULL;
	if (!json_is_string(v)) {
		kzk_in_fail(in, KC_EMALFORMED);
		return KC_STR_NULL;
	}
	s = (struct kc_str){ json_string_value(v),
		(int32_t)json_string_length(v) };
	s = kc_arena_str(in->mem, s);
	if (s.p == NULL)
		kzk_in_fail(in, KC_ENOMEM);
	return s;
}

struct kc_str
kzk_in_str_or_null(struct kzk_in *in, const json_t *obj, const char *key)
{
	const json_t *v = find(in, obj, key);

	return v == NULL ? KC_STR_NULL : kzk_in_value_str(in, v);
}

struct kc_str
kzk_in_str(struct kzk_in *in, const json_t *obj, const char *key)
{
	return kzk_in_value_str(in, find(in, obj, key));
}

json_t *
kzk_in_arr(struct kzk_in *in, const json_t *obj, const char *key, bool opt)
{
	json_t *v = find(in, obj, key);

	if (json_is_array(v) || (v == NULL && opt))
		return v;
	kzk_in_fail(in, KC_EMALFORMED);
	return NULL;
}

json_t *
kzk_in_obj(struct kzk_in *in, const json_t *obj, const char *key, bool opt)
{
	json_t *v = find(in, obj, key);

	if (json_is_object(v) || (v == NULL && opt))
		return v;
	kzk_in_fail(in, KC_EMALFORMED);
	return NULL;
}

int32_t
kzk_in_count(struct kzk_in *in, const json_t *v, int32_t max)
{
	size_t n;

	if (in->err != KC_OK || v == NULL)
		return 0;
	n = json_is_array(v) ? json_array_size(v) : json_object_size(v);
	if (n > (size_t)max) {
		kzk_in_fail(in, KC_ELIMIT);
		return 0;
	}
	return (int32_t)n;
}

void *
kzk_in_array(struct kzk_in *in, int32_t n, size_t size)
{
	void *p;

	if (in->err != KC_OK || n == 0)
		return NULL;
	if ((p = kc_arena_array(in->mem, (size_t)n, size)) == NULL)
		kzk_in_fail(in, KC_ENOMEM);
	return p;
}

void
kzk_in_ids(struct kzk_in *in, const json_t *arr, struct kzk_ids *out)
{
	int32_t n;

	if (arr != NULL && !json_is_array(arr)) {
		kzk_in_fail(in, KC_EMALFORMED);
		return;
	}
	n = kzk_in_count(in, arr, KZK_REPLICAS_MAX);
	if ((out->v = kzk_in_array(in, n, sizeof *out->v)) == NULL)
		return;
	for (int32_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(arr, (size_t)i);
		json_int_t id = json_integer_value(v);

		if (!json_is_integer(v) || id < 0 || id > INT32_MAX) {
			kzk_in_fail(in, KC_EMALFORMED);
			return;
		}
		out->v[i] = (int32_t)id;
	}
	out->n = n;
}

/* --- out --------------------------------------------------------------------
 */

void
kzk_out_begin(struct kzk_out *o)
{
	o->err = KC_OK;
	if ((o->root = json_object()) == NULL)
		o->err = KC_ENOMEM;
}

int
kzk_out_end(struct kzk_out *o, struct kzk_text *text)
{
	text->p = NULL;
	text->len = 0;
	if (o->err == KC_OK &&
	    (text->p = json_dumps(o->root, JSON_COMPACT)) == NULL)
		o->err = KC_ENOMEM;
	if (text->p != NULL)
		text->len = strlen(text->p);
	json_decref(o->root);
	o->root = NULL;
	return o->err;
}

/* Takes v over; NULL is what jansson gives for no memory or bad UTF-8. */
static json_t *
set(struct kzk_out *o, json_t *obj, const char *key, json_t *v)
{
	if (o->err != KC_OK || obj == NULL || v == NULL ||
	    json_object_set_new(obj, key, v) != 0) {
		if (o->err != KC_OK || obj == NULL)
			json_decref(v);
		if (o->err == KC_OK)
			o->err = KC_EINVAL;
		return NULL;
	}
	return v;
}

static json_t *
append(struct kzk_out *o, json_t *arr, json_t *v)
{
	if (o->err != KC_OK || arr == NULL || v == NULL ||
	    json_array_append_new(arr, v) != 0) {
		if (o->err != KC_OK || arr == NULL)
			json_decref(v);
		if (o->err == KC_OK)
			o->err = KC_EINVAL;
		return NULL;
	}
	return v;
}

static json_t *
string(struct kc_str s)
{
	if (s.len < 0)
		return json_null();
	if (s.len > 0 && memchr(s.p, '\0', (size_t)s.len) != NULL)
		return NULL; /* could not be read again */
	return json_stringn(s.len == 0 ? "" : s.p, (size_t)s.len);
}

json_t *
kzk_out_obj(struct kzk_out *o, json_t *obj, const char *key)
{
	return set(o, obj, key, json_object());
}

json_t *
kzk_out_arr(struct kzk_out *o, json_t *obj, const char *key)
{
	return set(o, obj, key, json_array());
}

json_t *
kzk_out_arr_obj(struct kzk_out *o, json_t *arr)
{
	return append(o, arr, json_object());
}

void
kzk_out_int(struct kzk_out *o, json_t *obj, const char *key, int64_t v)
{
	set(o, obj, key, json_integer(v));
}

void
kzk_out_text_int(struct kzk_out *o, json_t *obj, const char *key, int64_t v)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, v);
	set(o, obj, key, json_string(text));
}

void
kzk_out_str(struct kzk_out *o, json_t *obj, const char *key, struct kc_str s)
{
	set(o, obj, key, string(s));
}

static json_t *
set_key(struct kzk_out *o, json_t *obj, struct kc_str key, json_t *v)
{
	char *z = NULL;

	if (key.len < 0 ||
	    (key.len > 0 && memchr(key.p, '\0', (size_t)key.len) != NULL)) {
		json_decref(v);
		v = NULL;
		if (o->err == KC_OK)
			o->err = KC_EINVAL;
	} else if ((z = kc_str_dup(key)) == NULL) {
		json_decref(v);
		v = NULL;
		if (o->err == KC_OK)
			o->err = KC_ENOMEM;
	} else
		v = set(o, obj, z, v);
	free(z);
	return v;
}

void
kzk_out_str_key(
    struct kzk_out *o, json_t *obj, struct kc_str key, struct kc_str s)
{
	set_key(o, obj, key, string(s));
}

json_t *
kzk_out_obj_key(struct kzk_out *o, json_t *obj, struct kc_str key)
{
	return set_key(o, obj, key, json_object());
}

void
kzk_out_ids(
    struct kzk_out *o, json_t *obj, const char *key, const struct kzk_ids *ids)
{
	json_t *arr = kzk_out_arr(o, obj, key);

	for (int32_t i = 0; i < ids->n; i++)
		append(o, arr, json_integer(ids->v[i]));
}

void
kzk_out_arr_str(struct kzk_out *o, json_t *arr, struct kc_str s)
{
	append(o, arr, string(s));
}

/* --- text -------------------------------------------------------------------
 */

int
kzk_text_printf(struct kzk_text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	t->p = NULL;
	t->len = 0;
	va_start(ap, fmt);
	n = vasprintf(&t->p, fmt, ap);
	va_end(ap);
	if (n < 0) {
		t->p = NULL;
		return KC_ENOMEM;
	}
	t->len = (size_t)n;
	return KC_OK;
}

struct kc_str
kzk_text_str(const struct kzk_text *t)
{
	if (t->p == NULL)
		return KC_STR_NULL;
	return (struct kc_str){ t->p, (int32_t)t->len };
}

void
kzk_text_fini(struct kzk_text *t)
{
	free(t->p);
	t->p = NULL;
	t->len = 0;
}
