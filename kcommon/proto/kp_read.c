/* Reading messages by their tables. */
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/kp_codec.h"

/* Below this count an array is allocated without a look at its elements. */
#define SMALL_COUNT 16

static void read_struct(
    struct kp_in *in, const struct kp_desc *d, void *s, int depth);

/*
 * A length or count: -1 null, never above what is left to read.  Kafka takes
 * every negative number for null; a compact one wraps to negative above 2^31.
 */
static int32_t
read_len(struct kp_in *in, bool nullable)
{
	struct kc_rd *r = in->r;
	int32_t n;

	if (in->flexible)
		n = (int32_t)(kc_rd_uvarint(r) - 1);
	else
		n = kc_rd_i32(r);
	if (r->err != KC_OK)
		return 0;
	if (n < 0 && nullable)
		return -1;
	if (n < 0 || (size_t)n > kc_rd_left(r)) {
		kc_rd_fail(r, KC_EMALFORMED);
		return 0;
	}
	return n;
}

struct kc_str
kp_read_string(struct kp_in *in, bool nullable)
{
	struct kc_str s = in->flexible ? kc_rd_cstr(in->r) : kc_rd_str(in->r);

	/* The compact form could be longer; Kafka refuses that as well. */
	if ((s.len < 0 && !nullable) || s.len > INT16_MAX)
		kc_rd_fail(in->r, KC_EMALFORMED);
	return s;
}

struct kc_str
kp_read_bytes(struct kp_in *in, bool nullable)
{
	int32_t len = read_len(in, nullable);
	const uint8_t *p;

	if (len < 0 || (p = kc_rd_bytes(in->r, (size_t)len)) == NULL)
		return KC_STR_NULL;
	return (struct kc_str){ (const char *)p, len };
}

struct kc_records
kp_read_records(struct kp_in *in, bool nullable)
{
	struct kc_str s = kp_read_bytes(in, nullable);

	return (struct kc_records){
		.len = s.len,
		.p = (const uint8_t *)s.p,
	};
}

static void *
alloc_array(struct kp_in *in, size_t size, size_t wire_min, int32_t *n)
{
	void *v = NULL;

	if (*n <= 0)
		return NULL;
	if ((size_t)*n > kc_rd_left(in->r) / wire_min)
		kc_rd_fail(in->r, KC_EMALFORMED);
	else if ((v = kc_arena_array(in->arena, (size_t)*n, size)) == NULL)
		kc_rd_fail(in->r, KC_ELIMIT);
	if (v == NULL)
		*n = 0;
	return v;
}

static void *
read_array_head(
    struct kp_in *in, bool nullable, size_t size, size_t wire_min, int32_t *n)
{
	*n = read_len(in, nullable);
	return alloc_array(in, size, wire_min, n);
}

void
kp_read_int32s(struct kp_in *in, bool nullable, void *p)
{
	int32_t i, n;
	int32_t *v = read_array_head(in, nullable, sizeof *v, sizeof *v, &n);

	for (i = 0; i < n; i++)
		v[i] = kc_rd_i32(in->r);
	kp_array_set(p, v, n);
}

static void
read_int64s(struct kp_in *in, bool nullable, void *p)
{
	int32_t i, n;
	int64_t *v = read_array_head(in, nullable, sizeof *v, sizeof *v, &n);

	for (i = 0; i < n; i++)
		v[i] = kc_rd_i64(in->r);
	kp_array_set(p, v, n);
}

static void
read_strings(struct kp_in *in, bool nullable, void *p)
{
	size_t wire_min = in->flexible ? 1 : 2;
	int32_t i, n;
	struct kc_str *v =
	    read_array_head(in, nullable, sizeof *v, wire_min, &n);

	for (i = 0; i < n; i++)
		v[i] = kp_read_string(in, false);
	kp_array_set(p, v, n);
}

/* The least number of bytes that a value of the field takes. */
static size_t
wire_min(const struct kp_in *in, const struct kp_field *f)
{
	static const uint8_t sizes[] = {
		[KP_T_BOOL] = 1,
		[KP_T_INT8] = 1,
		[KP_T_INT16] = 2,
		[KP_T_INT32] = 4,
		[KP_T_INT64] = 8,
		[KP_T_FLOAT64] = 8,
		[KP_T_UUID] = 16,
		[KP_T_STRING] = 2,
		[KP_T_EMBED] = 0,
		[KP_T_OPTION] = 1,
	};

	/* What begins with a length: 1 compact, 2 a string, 4 all others. */
	if (f->type >= KP_T_STRING && f->type <= KP_T_ARRAY) {
		if (in->flexible)
			return 1;
		return f->type == KP_T_STRING ? 2 : 4;
	}
	return sizes[f->type];
}

/* The same of a struct; never 0, so that counts are bounded at all. */
static size_t
struct_wire_min(const struct kp_in *in, const struct kp_desc *d)
{
	size_t i, sum = in->flexible ? 1 : 0;

	for (i = 0; i < d->nfields; i++) {
		const struct kp_field *f = &d->fields[i];

		if (f->tag == 0 && kp_field_in(f, in->version))
			sum += wire_min(in, f);
	}
	return KC_MAX(sum, (size_t)1);
}

void *
kp_read_array(
    struct kp_in *in, bool nullable, const struct kp_desc *d, int32_t *n)
{
	/* The sum over the fields pays only where much could be allocated. */
	*n = read_len(in, nullable);
	return alloc_array(
	    in, d->size, *n > SMALL_COUNT ? struct_wire_min(in, d) : 1, n);
}

static void
read_array(struct kp_in *in, const struct kp_field *f, bool nullable, void *p,
    int depth)
{
	const struct kp_desc *d = f->sub();
	int32_t i, n;
	char *v = kp_read_array(in, nullable, d, &n);

	for (i = 0; i < n && in->r->err == KC_OK; i++)
		read_struct(in, d, v + (size_t)i * d->size, depth + 1);
	kp_array_set(p, v, n);
}

static void
read_option(struct kp_in *in, const struct kp_field *f, void *p, int depth)
{
	const struct kp_desc *d = f->sub();
	void *s = NULL;

	if (kc_rd_i8(in->r) < 0) {
		if (!kp_field_nullable(f, in->version))
			kc_rd_fail(in->r, KC_EMALFORMED);
	} else if (in->r->err == KC_OK) {
		if ((s = kc_arena_alloc(in->arena, d->size)) == NULL)
			kc_rd_fail(in->r, KC_ELIMIT);
		else
			read_struct(in, d, s, depth + 1);
	}
	memcpy(p, &s, sizeof s);
}

static void
read_value(struct kp_in *in, const struct kp_field *f, void *s, int depth)
{
	void *p = (char *)s + f->off;
	bool nullable = kp_field_nullable(f, in->version);

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		*(bool *)p = kc_rd_i8(in->r) != 0;
		break;
	case KP_T_INT8:
		*(int8_t *)p = kc_rd_i8(in->r);
		break;
	case KP_T_INT16:
		*(int16_t *)p = kc_rd_i16(in->r);
		break;
	case KP_T_INT32:
		*(int32_t *)p = kc_rd_i32(in->r);
		break;
	case KP_T_INT64:
		*(int64_t *)p = kc_rd_i64(in->r);
		break;
	case KP_T_FLOAT64:
		*(double *)p = kc_rd_f64(in->r);
		break;
	case KP_T_UUID:
		kc_rd_uuid(in->r, p);
		break;
	case KP_T_STRING:
		*(struct kc_str *)p = kp_read_string(in, nullable);
		break;
	case KP_T_BYTES:
		*(struct kc_str *)p = kp_read_bytes(in, nullable);
		break;
	case KP_T_RECORDS:
		*(struct kc_records *)p = kp_read_records(in, nullable);
		break;
	case KP_T_INT32S:
		kp_read_int32s(in, nullable, p);
		break;
	case KP_T_INT64S:
		read_int64s(in, nullable, p);
		break;
	case KP_T_STRINGS:
		read_strings(in, nullable, p);
		break;
	case KP_T_ARRAY:
		read_array(in, f, nullable, p, depth);
		break;
	case KP_T_EMBED:
		read_struct(in, f->sub(), p, depth + 1);
		break;
	case KP_T_OPTION:
		read_option(in, f, p, depth);
		break;
	}
}

static const struct kp_field *
find_tag(const struct kp_desc *d, uint32_t tag)
{
	size_t i;

	for (i = 0; i < d->nfields; i++) {
		const struct kp_field *f = &d->fields[i];

		if (f->tag != 0 && (uint32_t)(f->tag - 1) == tag)
			return f;
	}
	return NULL;
}

/* One tagged field, in the size bytes at p. */
static void
read_tagged(struct kp_in *in, const struct kp_field *f, const uint8_t *p,
    size_t size, void *s, int depth)
{
	struct kc_rd sub;
	struct kp_in sub_in = *in;
	int rc;

	/* A number known from a later version only: Kafka refuses it. */
	if (!kp_field_in(f, in->version)) {
		kc_rd_fail(in->r, KC_EMALFORMED);
		return;
	}
	kc_rd_init(&sub, p, size);
	sub_in.r = &sub;
	read_value(&sub_in, f, s, depth);
	if ((rc = kc_rd_finish(&sub)) != KC_OK)
		kc_rd_fail(in->r, rc);
}

static void
read_tags(struct kp_in *in, const struct kp_desc *d, void *s, int depth)
{
	uint32_t i, n = kc_rd_uvarint(in->r);

	/* Each takes two bytes or more, so that a lie about n ends soon. */
	for (i = 0; i < n && in->r->err == KC_OK; i++) {
		uint32_t tag = kc_rd_uvarint(in->r);
		uint32_t size = kc_rd_uvarint(in->r);
		const uint8_t *p = kc_rd_bytes(in->r, size);
		const struct kp_field *f = find_tag(d, tag);

		if (p != NULL && f != NULL)
			read_tagged(in, f, p, size, s, depth);
	}
}

void
kp_read_tags(struct kp_in *in, const struct kp_desc *d, void *s)
{
	read_tags(in, d, s, 1);
}

static void
read_struct(struct kp_in *in, const struct kp_desc *d, void *s, int depth)
{
	size_t i;

	KC_ASSERT(depth <= KP_DEPTH_MAX);
	for (i = 0; i < d->nfields && in->r->err == KC_OK; i++) {
		const struct kp_field *f = &d->fields[i];

		if (f->tag == 0 && kp_field_in(f, in->version))
			read_value(in, f, s, depth);
		else
			kp_field_init(f, s);
	}
	if (in->flexible)
		read_tags(in, d, s, depth);
}

static struct kp_in
begin(const struct kp_msg *m, int16_t version, struct kc_rd *r,
    struct kc_arena *a)
{
	KC_ASSERT(kp_api_has_version(m->api, version));
	return (struct kp_in){
		.r = r,
		.arena = a,
		.version = version,
		.flexible = kp_api_is_flexible(m->api, version),
	};
}

int
kp_decode_table(const struct kp_msg *m, int16_t version, struct kc_rd *r,
    struct kc_arena *a, void *out)
{
	struct kp_in in = begin(m, version, r, a);

	read_struct(&in, m->desc(), out, 0);
	return r->err;
}

int
kp_decode(const struct kp_msg *m, int16_t version, struct kc_rd *r,
    struct kc_arena *a, void *out)
{
	struct kp_in in = begin(m, version, r, a);

	if (kp_fast_read(m, &in, out))
		return r->err;
	return kp_decode_table(m, version, r, a, out);
}
