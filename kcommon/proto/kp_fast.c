/*
 * Pass 3 over the schemas: straight-line code for Produce and Fetch, which
 * carry nearly all bytes of a broker.
 *
 * Each line becomes its own few statements.  Its attributes are a constant
 * struct kp_field, so that the compiler keeps only the tests that a line
 * needs.  Tagged sections, mostly one zero byte, are left to the tables.
 */
#include "kcommon/base/err.h"
#include "kcommon/proto/kp_codec.h"

#define UNTAGGED(io) (a.tag == 0 && kp_field_in(&a, (io)->version))
#define NULLS(io) kp_field_nullable(&a, (io)->version)

/* Reading: a line's value, or its default where it is not, or is a tag. */
#define BEGIN(t)                                                               \
	static void read_##t(struct kp_in *in, struct kp_##t *s)               \
	{                                                                      \
		const struct kp_desc *desc = kp_desc_##t();
#define STRUCT(t) BEGIN(t)
#define REQUEST(api, k, text, ...) BEGIN(api##_req)
#define RESPONSE(api) BEGIN(api##_resp)
#define END(t)                                                                 \
	if (in->flexible)                                                      \
		kp_read_tags(in, desc, s);                                     \
	}
#define LINE(READ, DEFAULT_IT, ...)                                            \
	{                                                                      \
		static const struct kp_field a = { __VA_ARGS__ };              \
		if (UNTAGGED(in)) {                                            \
			READ;                                                  \
		} else {                                                       \
			DEFAULT_IT;                                            \
		}                                                              \
	}
#define NUMBER(f, read, ...)                                                   \
	LINE(s->f = read(in->r), s->f = (__typeof__(s->f))a.dflt, __VA_ARGS__)
#define INT8(f, ...) NUMBER(f, kc_rd_i8, __VA_ARGS__)
#define INT16(f, ...) NUMBER(f, kc_rd_i16, __VA_ARGS__)
#define INT32(f, ...) NUMBER(f, kc_rd_i32, __VA_ARGS__)
#define INT64(f, ...) NUMBER(f, kc_rd_i64, __VA_ARGS__)
#define UUID(f, ...)                                                           \
	LINE(kc_rd_uuid(in->r, &s->f), s->f = KC_UUID_ZERO, __VA_ARGS__)
#define STRING(f, ...)                                                         \
	LINE(s->f = kp_read_string(in, NULLS(in)),                             \
	    s->f = a.null_dflt ? KC_STR_NULL : KC_STR_LIT(""), __VA_ARGS__)
#define RECORDS(f, ...)                                                        \
	LINE(s->f = kp_read_records(in, NULLS(in)), s->f = KC_RECORDS_NULL,    \
	    __VA_ARGS__)
#define NO_ARRAY(f) kp_array_set(&s->f, NULL, a.null_dflt ? -1 : 0)
#define INT32S(f, ...)                                                         \
	LINE(kp_read_int32s(in, NULLS(in), &s->f), NO_ARRAY(f), __VA_ARGS__)
#define ARRAY(f, t, ...)                                                       \
	LINE(s->f.v = kp_read_array(in, NULLS(in), kp_desc_##t(), &s->f.n);    \
	     for (int32_t i = 0; i < s->f.n && in->r->err == KC_OK; i++)       \
		 read_##t(in, &s->f.v[i]),                                     \
	     NO_ARRAY(f), __VA_ARGS__)
#define EMBED(f, t, ...)                                                       \
	LINE(read_##t(in, &s->f), kp_init(kp_desc_##t(), &s->f), __VA_ARGS__)

#include "kcommon/proto/def/produce.def"

#include "kcommon/proto/def/fetch.def"

#include "kcommon/proto/def/undef.h"
#undef LINE
#undef NUMBER

/* Writing: a line's value, or a look whether the version may lose it. */
#define BEGIN(t)                                                               \
	static void write_##t(struct kp_out *out, const struct kp_##t *s)      \
	{                                                                      \
		const struct kp_desc *desc = kp_desc_##t();                    \
		bool tags = false; /* constant once compiled */
#define STRUCT(t) BEGIN(t)
#define REQUEST(api, k, text, ...) BEGIN(api##_req)
#define RESPONSE(api) BEGIN(api##_resp)
#define END(t)                                                                 \
	if (out->flexible && tags)                                             \
		kp_write_tags(out, desc, s);                                   \
	else if (out->flexible)                                                \
		kc_wr_i8(out->w, 0);                                           \
	}
#define LINE(WRITE, IS_DEFAULT, ...)                                           \
	{                                                                      \
		static const struct kp_field a = { __VA_ARGS__ };              \
		tags |= a.tag != 0;                                            \
		if (UNTAGGED(out)) {                                           \
			WRITE;                                                 \
		} else if (!kp_field_in(&a, out->version) && !a.ignorable &&   \
		    !(IS_DEFAULT)) {                                           \
			kc_wr_fail(out->w, KC_EVERSION);                       \
		}                                                              \
	}
#define NUMBER(f, write, ...)                                                  \
	LINE(write(out->w, s->f), s->f == a.dflt, __VA_ARGS__)
#define INT8(f, ...) NUMBER(f, kc_wr_i8, __VA_ARGS__)
#define INT16(f, ...) NUMBER(f, kc_wr_i16, __VA_ARGS__)
#define INT32(f, ...) NUMBER(f, kc_wr_i32, __VA_ARGS__)
#define INT64(f, ...) NUMBER(f, kc_wr_i64, __VA_ARGS__)
#define UUID(f, ...)                                                           \
	LINE(kc_wr_uuid(out->w, &s->f), kc_uuid_is_zero(&s->f), __VA_ARGS__)
#define IS_EMPTY(len) (KC_MAX(len, -1) == (a.null_dflt ? -1 : 0))
#define STRING(f, ...)                                                         \
	LINE(kp_write_string(out, NULLS(out), s->f), IS_EMPTY(s->f.len),       \
	    __VA_ARGS__)
#define RECORDS(f, ...)                                                        \
	LINE(kp_write_records(out, NULLS(out), &s->f), IS_EMPTY(s->f.len),     \
	    __VA_ARGS__)
#define INT32S(f, ...)                                                         \
	LINE(kp_write_int32s(out, NULLS(out), &s->f), IS_EMPTY(s->f.n),        \
	    __VA_ARGS__)
#define ARRAY(f, t, ...)                                                       \
	LINE(kp_write_count(out, NULLS(out), s->f.n);                          \
	     for (int32_t i = 0; i < s->f.n && out->w->err == KC_OK; i++)      \
		 write_##t(out, &s->f.v[i]),                                   \
	     IS_EMPTY(s->f.n), __VA_ARGS__)
#define EMBED(f, t, ...)                                                       \
	LINE(write_##t(out, &s->f), kp_is_default(kp_desc_##t(), &s->f),       \
	    __VA_ARGS__)

#include "kcommon/proto/def/produce.def"

#include "kcommon/proto/def/fetch.def"

bool
kp_fast_read(const struct kp_msg *m, struct kp_in *in, void *out)
{
	if (m->api->key == kp_key_produce && m->is_response)
		read_produce_resp(in, out);
	else if (m->api->key == kp_key_produce)
		read_produce_req(in, out);
	else if (m->api->key == kp_key_fetch && m->is_response)
		read_fetch_resp(in, out);
	else if (m->api->key == kp_key_fetch)
		read_fetch_req(in, out);
	else
		return false;
	return true;
}

bool
kp_fast_write(const struct kp_msg *m, struct kp_out *out, const void *in)
{
	if (m->api->key == kp_key_produce && m->is_response)
		write_produce_resp(out, in);
	else if (m->api->key == kp_key_produce)
		write_produce_req(out, in);
	else if (m->api->key == kp_key_fetch && m->is_response)
		write_fetch_resp(out, in);
	else if (m->api->key == kp_key_fetch)
		write_fetch_req(out, in);
	else
		return false;
	return true;
}
