/* Pass 2 over the schemas: the tables, and which API is where in them. */
#include "kcommon/proto/kp.h"
#include "kcommon/proto/kp_field.h"

#define VERSIONS(lo, hi) .min = (lo), .max = (hi)
#define FLEXIBLE(v) .flexible_from = (v)
#define NEVER INT16_MAX

/*
 * The table of a struct lives in a function, because only there may every
 * struct have its own type named self.
 */
#define BEGIN(s)                                                               \
	const struct kp_desc *kp_desc_##s(void)                                \
	{                                                                      \
		typedef struct kp_##s self;                                    \
		static const char label[] = #s;                                \
		static const struct kp_field fields[] = {
#define STRUCT(s) BEGIN(s)
#define REQUEST(a, k, text, ...)                                               \
	static const struct kp_api api_##a = { .key = (k),                     \
		.name = (text),                                                \
		.req = { &api_##a, kp_desc_##a##_req, false },                 \
		.resp = { &api_##a, kp_desc_##a##_resp, true },                \
		__VA_ARGS__ };                                                 \
	BEGIN(a##_req)
#define RESPONSE(a) BEGIN(a##_resp)
#define END(s)                                                                 \
	}                                                                      \
	;                                                                      \
	static const struct kp_desc desc = {                                   \
		.name = label,                                                 \
		.fields = fields,                                              \
		.nfields = KC_COUNT(fields),                                   \
		.size = sizeof(self),                                          \
	};                                                                     \
	return &desc;                                                          \
	}

#define FIELD(T, f, ...)                                                       \
	{ .type = KP_T_##T, .name = #f, .off = offsetof(self, f), __VA_ARGS__ },
#define BOOL(f, ...) FIELD(BOOL, f, __VA_ARGS__)
#define INT8(f, ...) FIELD(INT8, f, __VA_ARGS__)
#define INT16(f, ...) FIELD(INT16, f, __VA_ARGS__)
#define INT32(f, ...) FIELD(INT32, f, __VA_ARGS__)
#define INT64(f, ...) FIELD(INT64, f, __VA_ARGS__)
#define FLOAT64(f, ...) FIELD(FLOAT64, f, __VA_ARGS__)
#define UUID(f, ...) FIELD(UUID, f, __VA_ARGS__)
#define STRING(f, ...) FIELD(STRING, f, __VA_ARGS__)
#define BYTES(f, ...) FIELD(BYTES, f, __VA_ARGS__)
#define RECORDS(f, ...) FIELD(RECORDS, f, __VA_ARGS__)
#define INT32S(f, ...) FIELD(INT32S, f, __VA_ARGS__)
#define INT64S(f, ...) FIELD(INT64S, f, __VA_ARGS__)
#define STRINGS(f, ...) FIELD(STRINGS, f, __VA_ARGS__)
#define ARRAY(f, t, ...) FIELD(ARRAY, f, .sub = kp_desc_##t, __VA_ARGS__)
#define EMBED(f, t, ...) FIELD(EMBED, f, .sub = kp_desc_##t, __VA_ARGS__)
#define OPTION(f, t, ...) FIELD(OPTION, f, .sub = kp_desc_##t, __VA_ARGS__)

#include "kcommon/proto/def/all.def"
#include "kcommon/proto/def/undef.h"

static const struct kp_api *const apis[KP_KEYS] = {
#define REQUEST(a, k, text, ...) [k] = &api_##a,
#include "kcommon/proto/def/ignore.h"

#include "kcommon/proto/def/all.def"
#include "kcommon/proto/def/undef.h"
};

const struct kp_api *
kp_api_get(int16_t key)
{
	return key >= 0 && key < KP_KEYS ? apis[key] : NULL;
}

size_t
kp_msg_size(const struct kp_msg *m)
{
	return m->desc()->size;
}

size_t
kp_desc_size(const struct kp_desc *d)
{
	return d->size;
}
