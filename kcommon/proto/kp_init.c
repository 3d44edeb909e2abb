/* Defaults: setting them, and telling whether a field has its own. */
#include "kcommon/base/assert.h"
#include "kcommon/proto/kp_field.h"

size_t
kp_field_elem_size(const struct kp_field *f)
{
	switch (f->type) {
	case KP_T_INT32S:
		return sizeof(int32_t);
	case KP_T_INT64S:
		return sizeof(int64_t);
	case KP_T_STRINGS:
		return sizeof(struct kc_str);
	default:
		KC_ASSERT(f->type == KP_T_ARRAY);
		return f->sub()->size;
	}
}

void
kp_field_init(const struct kp_field *f, void *s)
{
	void *p = (char *)s + f->off;

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		*(bool *)p = f->dflt != 0;
		break;
	case KP_T_INT8:
		*(int8_t *)p = (int8_t)f->dflt;
		break;
	case KP_T_INT16:
		*(int16_t *)p = (int16_t)f->dflt;
		break;
	case KP_T_INT32:
		*(int32_t *)p = (int32_t)f->dflt;
		break;
	case KP_T_INT64:
		*(int64_t *)p = f->dflt;
		break;
	case KP_T_FLOAT64:
		*(double *)p = (double)f->dflt;
		break;
	case KP_T_UUID:
		*(struct kc_uuid *)p = KC_UUID_ZERO;
		break;
	case KP_T_STRING:
	case KP_T_BYTES:
		*(struct kc_str *)p =
		    f->null_dflt ? KC_STR_NULL : (struct kc_str){ "", 0 };
		break;
	case KP_T_RECORDS:
		*(struct kc_records *)p = f->null_dflt ?
		    KC_RECORDS_NULL :
		    (struct kc_records){ .len = 0 };
		break;
	case KP_T_INT32S:
	case KP_T_INT64S:
	case KP_T_STRINGS:
	case KP_T_ARRAY:
		kp_array_set(p, NULL, f->null_dflt ? -1 : 0);
		break;
	case KP_T_EMBED:
		kp_init(f->sub(), p);
		break;
	case KP_T_OPTION:
		memset(p, 0, sizeof(void *));
		break;
	}
}

void
kp_init(const struct kp_desc *d, void *p)
{
	size_t i;

	for (i = 0; i < d->nfields; i++)
		kp_field_init(&d->fields[i], p);
}

void *
kp_new(struct kc_arena *a, const struct kp_desc *d, int32_t n)
{
	char *v;
	int32_t i;

	KC_ASSERT(n >= 0);
	/* One at least, so that an empty array is not taken for a failure. */
	v = kc_arena_array(a, (size_t)KC_MAX(n, 1), d->size);
	for (i = 0; v != NULL && i < n; i++)
		kp_init(d, v + (size_t)i * d->size);
	return v;
}

bool
kp_is_default(const struct kp_desc *d, const void *s)
{
	size_t i;

	for (i = 0; i < d->nfields; i++) {
		if (!kp_field_is_default(&d->fields[i], s))
			return false;
	}
	return true;
}

bool
kp_field_is_default(const struct kp_field *f, const void *s)
{
	const void *p = (const char *)s + f->off;
	int32_t empty = f->null_dflt ? -1 : 0;
	const void *option;

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		return *(const bool *)p == (f->dflt != 0);
	case KP_T_INT8:
		return *(const int8_t *)p == f->dflt;
	case KP_T_INT16:
		return *(const int16_t *)p == f->dflt;
	case KP_T_INT32:
		return *(const int32_t *)p == f->dflt;
	case KP_T_INT64:
		return *(const int64_t *)p == f->dflt;
	case KP_T_FLOAT64:
		return *(const double *)p == (double)f->dflt;
	case KP_T_UUID:
		return kc_uuid_is_zero(p);
	case KP_T_STRING:
	case KP_T_BYTES:
		return KC_MAX(((const struct kc_str *)p)->len, -1) == empty;
	case KP_T_RECORDS:
		return KC_MAX(((const struct kc_records *)p)->len, -1) == empty;
	case KP_T_INT32S:
	case KP_T_INT64S:
	case KP_T_STRINGS:
	case KP_T_ARRAY:
		return KC_MAX(kp_array_get(p).n, -1) == empty;
	case KP_T_EMBED:
		return kp_is_default(f->sub(), p);
	case KP_T_OPTION:
		memcpy(&option, p, sizeof option);
		return option == NULL;
	}
	return false;
}
