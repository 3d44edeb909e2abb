/* Writing messages by their tables. */
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/kp_codec.h"

static void write_struct(
    struct kp_out *out, const struct kp_desc *d, const void *s, int depth);

/* Null (n below 0) goes out only where the version has it. */
static bool
check_null(struct kp_out *out, bool nullable, int32_t n)
{
	if (n >= 0 || nullable)
		return true;
	kc_wr_fail(out->w, KC_EINVAL);
	return false;
}

static void
write_len(struct kp_out *out, bool nullable, int32_t n)
{
	if (!check_null(out, nullable, n))
		return;
	if (out->flexible)
		kc_wr_uvarint(out->w, n < 0 ? 0 : (uint32_t)n + 1);
	else
		kc_wr_i32(out->w, n < 0 ? -1 : n);
}

void
kp_write_count(struct kp_out *out, bool nullable, int32_t n)
{
	write_len(out, nullable, n);
}

void
kp_write_string(struct kp_out *out, bool nullable, struct kc_str s)
{
	if (!check_null(out, nullable, s.len))
		return;
	if (!out->flexible)
		kc_wr_str(out->w, s);
	else if (s.len > INT16_MAX)
		kc_wr_fail(out->w, KC_ERANGE);
	else
		kc_wr_cstr(out->w, s);
}

void
kp_write_bytes(struct kp_out *out, bool nullable, struct kc_str s)
{
	write_len(out, nullable, s.len);
	if (s.len > 0)
		kc_wr_bytes(out->w, s.p, (size_t)s.len);
}

void
kp_write_records(
    struct kp_out *out, bool nullable, const struct kc_records *rec)
{
	write_len(out, nullable, rec->len);
	if (rec->len <= 0)
		return;
	if (rec->file != NULL) {
		kc_wr_file(out->w, rec->file, rec->file_off, (size_t)rec->len);
		return;
	}
	KC_ASSERT(rec->p != NULL);
	kc_wr_bytes(out->w, rec->p, (size_t)rec->len);
}

void
kp_write_int32s(struct kp_out *out, bool nullable, const void *p)
{
	struct kp_array a = kp_array_get(p);
	const int32_t *v = a.v;
	int32_t i;

	write_len(out, nullable, a.n);
	for (i = 0; i < a.n; i++)
		kc_wr_i32(out->w, v[i]);
}

static void
write_int64s(struct kp_out *out, bool nullable, const void *p)
{
	struct kp_array a = kp_array_get(p);
	const int64_t *v = a.v;
	int32_t i;

	write_len(out, nullable, a.n);
	for (i = 0; i < a.n; i++)
		kc_wr_i64(out->w, v[i]);
}

static void
write_strings(struct kp_out *out, bool nullable, const void *p)
{
	struct kp_array a = kp_array_get(p);
	const struct kc_str *v = a.v;
	int32_t i;

	write_len(out, nullable, a.n);
	for (i = 0; i < a.n; i++)
		kp_write_string(out, false, v[i]);
}

static void
write_array(struct kp_out *out, const struct kp_field *f, bool nullable,
    const void *p, int depth)
{
	struct kp_array a = kp_array_get(p);
	const struct kp_desc *d = f->sub();
	const char *v = a.v;
	int32_t i;

	write_len(out, nullable, a.n);
	for (i = 0; i < a.n && out->w->err == KC_OK; i++)
		write_struct(out, d, v + (size_t)i * d->size, depth + 1);
}

static void
write_option(struct kp_out *out, const struct kp_field *f, bool nullable,
    const void *p, int depth)
{
	const void *s;

	memcpy(&s, p, sizeof s);
	if (!check_null(out, nullable, s != NULL ? 0 : -1))
		return;
	kc_wr_i8(out->w, s != NULL ? 1 : -1);
	if (s != NULL)
		write_struct(out, f->sub(), s, depth + 1);
}

static void
write_value(
    struct kp_out *out, const struct kp_field *f, const void *s, int depth)
{
	const void *p = (const char *)s + f->off;
	bool nullable = kp_field_nullable(f, out->version);

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		kc_wr_i8(out->w, *(const bool *)p);
		break;
	case KP_T_INT8:
		kc_wr_i8(out->w, *(const int8_t *)p);
		break;
	case KP_T_INT16:
		kc_wr_i16(out->w, *(const int16_t *)p);
		break;
	case KP_T_INT32:
		kc_wr_i32(out->w, *(const int32_t *)p);
		break;
	case KP_T_INT64:
		kc_wr_i64(out->w, *(const int64_t *)p);
		break;
	case KP_T_FLOAT64:
		kc_wr_f64(out->w, *(const double *)p);
		break;
	case KP_T_UUID:
		kc_wr_uuid(out->w, p);
		break;
	case KP_T_STRING:
		kp_write_string(out, nullable, *(const struct kc_str *)p);
		break;
	case KP_T_BYTES:
		kp_write_bytes(out, nullable, *(const struct kc_str *)p);
		break;
	case KP_T_RECORDS:
		kp_write_records(out, nullable, p);
		break;
	case KP_T_INT32S:
		kp_write_int32s(out, nullable, p);
		break;
	case KP_T_INT64S:
		write_int64s(out, nullable, p);
		break;
	case KP_T_STRINGS:
		write_strings(out, nullable, p);
		break;
	case KP_T_ARRAY:
		write_array(out, f, nullable, p, depth);
		break;
	case KP_T_EMBED:
		write_struct(out, f->sub(), p, depth + 1);
		break;
	case KP_T_OPTION:
		write_option(out, f, nullable, p, depth);
		break;
	}
}

/*
 * A tagged value follows its own size, which is known only behind it: the
 * value is written first and then moved by the bytes that the size takes.
 */
static void
write_tagged(
    struct kp_out *out, const struct kp_field *f, const void *s, int depth)
{
	struct kc_wr *w = out->w;
	size_t at, size, shift;
	size_t ncuts = w->ncuts;

	kc_wr_uvarint(w, (uint32_t)(f->tag - 1));
	at = w->len;
	write_value(out, f, s, depth);
	KC_ASSERT(w->ncuts == ncuts); /* no records in tagged fields */
	size = w->len - at;
	kc_wr_uvarint(w, (uint32_t)size);
	if (w->err == KC_OK) {
		uint8_t head[5];

		shift = w->len - at - size;
		memcpy(head, w->p + at + size, shift);
		memmove(w->p + at + shift, w->p + at, size);
		memcpy(w->p + at, head, shift);
	}
}

static bool
is_tagged_out(const struct kp_out *out, const struct kp_field *f, const void *s)
{
	return f->tag != 0 && kp_field_in(f, out->version) &&
	    !kp_field_is_default(f, s);
}

/* Kafka's schemas list tagged fields in the order of their tags. */
static void
write_tags(
    struct kp_out *out, const struct kp_desc *d, const void *s, int depth)
{
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < d->nfields; i++)
		n += is_tagged_out(out, &d->fields[i], s);
	kc_wr_uvarint(out->w, n);
	for (i = 0; n > 0 && i < d->nfields; i++) {
		if (is_tagged_out(out, &d->fields[i], s))
			write_tagged(out, &d->fields[i], s, depth);
	}
}

void
kp_write_tags(struct kp_out *out, const struct kp_desc *d, const void *s)
{
	write_tags(out, d, s, 1);
}

static void
write_struct(
    struct kp_out *out, const struct kp_desc *d, const void *s, int depth)
{
	size_t i;

	KC_ASSERT(depth <= KP_DEPTH_MAX);
	for (i = 0; i < d->nfields; i++) {
		const struct kp_field *f = &d->fields[i];

		if (!kp_field_in(f, out->version)) {
			if (!f->ignorable && !kp_field_is_default(f, s))
				kc_wr_fail(out->w, KC_EVERSION);
		} else if (f->tag == 0) {
			write_value(out, f, s, depth);
		}
	}
	if (out->flexible)
		write_tags(out, d, s, depth);
}

static struct kp_out
begin(const struct kp_msg *m, int16_t version, struct kc_wr *w)
{
	KC_ASSERT(kp_api_has_version(m->api, version));
	return (struct kp_out){
		.w = w,
		.version = version,
		.flexible = kp_api_is_flexible(m->api, version),
	};
}

int
kp_encode_table(
    const struct kp_msg *m, int16_t version, struct kc_wr *w, const void *in)
{
	struct kp_out out = begin(m, version, w);

	write_struct(&out, m->desc(), in, 0);
	return w->err;
}

int
kp_encode(
    const struct kp_msg *m, int16_t version, struct kc_wr *w, const void *in)
{
	struct kp_out out = begin(m, version, w);

	if (kp_fast_write(m, &out, in))
		return w->err;
	return kp_encode_table(m, version, w, in);
}
