#include "kcommon/proto/kp_cmp.h"

#include "kcommon/proto/kp_field.h"

static bool
equal_records(const struct kc_records *a, const struct kc_records *b)
{
	if (a->len != b->len || a->file != b->file)
		return false;
	if (a->file != NULL)
		return a->file_off == b->file_off;
	return a->len <= 0 || memcmp(a->p, b->p, (size_t)a->len) == 0;
}

static bool
equal_strings(const struct kc_str *a, const struct kc_str *b, int32_t n)
{
	int32_t i;

	for (i = 0; i < n; i++) {
		if (!kc_str_eq(a[i], b[i]))
			return false;
	}
	return true;
}

static bool
equal_array(const struct kp_field *f, const void *pa, const void *pb)
{
	struct kp_array a = kp_array_get(pa);
	struct kp_array b = kp_array_get(pb);
	const struct kp_desc *d;
	int32_t i;

	if (a.n != b.n)
		return false;
	if (a.n <= 0)
		return true;
	if (f->type == KP_T_STRINGS)
		return equal_strings(a.v, b.v, a.n);
	if (f->type != KP_T_ARRAY)
		return memcmp(a.v, b.v, (size_t)a.n * kp_field_elem_size(f)) ==
		    0;
	d = f->sub();
	for (i = 0; i < a.n; i++) {
		size_t off = (size_t)i * d->size;

		if (!kp_equal(d, (char *)a.v + off, (char *)b.v + off))
			return false;
	}
	return true;
}

static bool
equal_option(const struct kp_field *f, const void *pa, const void *pb)
{
	const void *a, *b;

	memcpy(&a, pa, sizeof a);
	memcpy(&b, pb, sizeof b);
	if (a == NULL || b == NULL)
		return a == b;
	return kp_equal(f->sub(), a, b);
}

static bool
equal_field(const struct kp_field *f, const void *sa, const void *sb)
{
	const void *a = (const char *)sa + f->off;
	const void *b = (const char *)sb + f->off;

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case KP_T_INT8:
		return *(const int8_t *)a == *(const int8_t *)b;
	case KP_T_INT16:
		return *(const int16_t *)a == *(const int16_t *)b;
	case KP_T_INT32:
		return *(const int32_t *)a == *(const int32_t *)b;
	case KP_T_INT64:
		return *(const int64_t *)a == *(const int64_t *)b;
	case KP_T_FLOAT64:
		return memcmp(a, b, sizeof(double)) == 0;
	case KP_T_UUID:
		return kc_uuid_eq(a, b);
	case KP_T_STRING:
	case KP_T_BYTES:
		return kc_str_eq(
		    *(const struct kc_str *)a, *(const struct kc_str *)b);
	case KP_T_RECORDS:
		return equal_records(a, b);
	case KP_T_INT32S:
	case KP_T_INT64S:
	case KP_T_STRINGS:
	case KP_T_ARRAY:
		return equal_array(f, a, b);
	case KP_T_EMBED:
		return kp_equal(f->sub(), a, b);
	case KP_T_OPTION:
		return equal_option(f, a, b);
	}
	return false;
}

bool
kp_equal(const struct kp_desc *d, const void *a, const void *b)
{
	size_t i;

	for (i = 0; i < d->nfields; i++) {
		if (!equal_field(&d->fields[i], a, b))
			return false;
	}
	return true;
}
