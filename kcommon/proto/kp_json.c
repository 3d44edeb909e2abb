#include "kcommon/proto/kp_json.h"

#include "kcommon/proto/kp_field.h"

#include <math.h>
#include <stdio.h>

static void put_struct(
    struct kc_wr *w, const struct kp_desc *d, int16_t version, const void *s);

static void
put(struct kc_wr *w, const char *z)
{
	kc_wr_bytes(w, z, strlen(z));
}

static void
put_i64(struct kc_wr *w, int64_t v)
{
	char buf[24];

	snprintf(buf, sizeof buf, "%lld", (long long)v);
	put(w, buf);
}

static void
put_f64(struct kc_wr *w, double v)
{
	char buf[40];

	/* JSON has no word for these. */
	if (!isfinite(v)) {
		put(w, isnan(v) ? "\"NaN\"" : v < 0 ? "\"-inf\"" : "\"inf\"");
		return;
	}
	snprintf(buf, sizeof buf, "%.17g", v);
	put(w, buf);
}

/* Length of the UTF-8 sequence at p, at most left bytes; 0 if broken. */
static size_t
utf8_len(const uint8_t *p, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t i,
	    n = *p < 0x80 ? 1 :
	    *p < 0xc2	  ? 0 :
	    *p < 0xe0	  ? 2 :
	    *p < 0xf0	  ? 3 :
	    *p < 0xf5	  ? 4 :
			    0;
	uint32_t c;

	if (n <= 1 || n > left)
		return n > left ? 0 : n;
	c = *p & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return n;
}

static void
put_string(struct kc_wr *w, struct kc_str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t left = (size_t)KC_MAX(s.len, 0);

	if (s.len < 0) {
		put(w, "null");
		return;
	}
	put(w, "\"");
	while (left > 0) {
		size_t n = utf8_len(p, left);
		char buf[8];

		if (n == 0) {
			put(w, "\\ufffd");
			n = 1;
		} else if (*p == '"' || *p == '\\') {
			snprintf(buf, sizeof buf, "\\%c", *p);
			put(w, buf);
		} else if (*p < 0x20 || *p == 0x7f) {
			snprintf(buf, sizeof buf, "\\u%04x", *p);
			put(w, buf);
		} else {
			kc_wr_bytes(w, p, n);
		}
		p += n;
		left -= n;
	}
	put(w, "\"");
}

static void
put_bytes(struct kc_wr *w, struct kc_str s)
{
	static const char hex[] = "0123456789abcdef";
	int32_t i;

	if (s.len < 0) {
		put(w, "null");
		return;
	}
	put(w, "\"");
	for (i = 0; i < s.len; i++) {
		uint8_t b = (uint8_t)s.p[i];
		char pair[2] = { hex[b >> 4], hex[b & 15] };

		kc_wr_bytes(w, pair, sizeof pair);
	}
	put(w, "\"");
}

static void
put_uuid(struct kc_wr *w, const struct kc_uuid *u)
{
	char buf[KC_UUID_TEXT];

	put(w, "\"");
	put(w, kc_uuid_text(u, buf));
	put(w, "\"");
}

static void
put_array(
    struct kc_wr *w, const struct kp_field *f, int16_t version, const void *p)
{
	struct kp_array a = kp_array_get(p);
	int32_t i;

	if (a.n < 0) {
		put(w, "null");
		return;
	}
	put(w, "[");
	for (i = 0; i < a.n; i++) {
		const char *e =
		    (const char *)a.v + (size_t)i * kp_field_elem_size(f);

		if (i > 0)
			put(w, ",");
		if (f->type == KP_T_INT32S)
			put_i64(w, *(const int32_t *)(const void *)e);
		else if (f->type == KP_T_INT64S)
			put_i64(w, *(const int64_t *)(const void *)e);
		else if (f->type == KP_T_STRINGS)
			put_string(w, *(const struct kc_str *)(const void *)e);
		else
			put_struct(w, f->sub(), version, e);
	}
	put(w, "]");
}

static void
put_value(
    struct kc_wr *w, const struct kp_field *f, int16_t version, const void *s)
{
	const void *p = (const char *)s + f->off;
	const void *option;

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		put(w, *(const bool *)p ? "true" : "false");
		break;
	case KP_T_INT8:
		put_i64(w, *(const int8_t *)p);
		break;
	case KP_T_INT16:
		put_i64(w, *(const int16_t *)p);
		break;
	case KP_T_INT32:
		put_i64(w, *(const int32_t *)p);
		break;
	case KP_T_INT64:
		put_i64(w, *(const int64_t *)p);
		break;
	case KP_T_FLOAT64:
		put_f64(w, *(const double *)p);
		break;
	case KP_T_UUID:
		put_uuid(w, p);
		break;
	case KP_T_STRING:
		put_string(w, *(const struct kc_str *)p);
		break;
	case KP_T_BYTES:
		put_bytes(w, *(const struct kc_str *)p);
		break;
	case KP_T_RECORDS:
		if (((const struct kc_records *)p)->len < 0)
			put(w, "null");
		else
			put_i64(w, ((const struct kc_records *)p)->len);
		break;
	case KP_T_INT32S:
	case KP_T_INT64S:
	case KP_T_STRINGS:
	case KP_T_ARRAY:
		put_array(w, f, version, p);
		break;
	case KP_T_EMBED:
		put_struct(w, f->sub(), version, p);
		break;
	case KP_T_OPTION:
		memcpy(&option, p, sizeof option);
		if (option == NULL)
			put(w, "null");
		else
			put_struct(w, f->sub(), version, option);
		break;
	}
}

static void
put_struct(
    struct kc_wr *w, const struct kp_desc *d, int16_t version, const void *s)
{
	const char *sep = "{\"";
	size_t i;

	for (i = 0; i < d->nfields; i++) {
		const struct kp_field *f = &d->fields[i];

		if (!kp_field_in(f, version))
			continue;
		put(w, sep);
		put(w, f->name);
		put(w, "\":");
		put_value(w, f, version, s);
		sep = ",\"";
	}
	put(w, sep[0] == '{' ? "{}" : "}");
}

int
kp_json(
    struct kc_wr *w, const struct kp_msg *m, int16_t version, const void *msg)
{
	put_struct(w, m->desc(), version, msg);
	return w->err;
}
