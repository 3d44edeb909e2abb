/*
 * kp -- Kafka's protocol: 62 APIs, each with a request and a response in all
 * versions that a 3.9 broker speaks.
 *
 * The schemas are the lines of def/<api>.def.  Here they become structs
 * (pass 1), in kp_tables.c field tables (pass 2), which one interpreter
 * reads, writes, prints and compares; in kp_fast.c they become straight-line
 * code for Produce and Fetch (pass 3).  The README says what the wire rules
 * are.
 *
 * struct kp_<api>_req and struct kp_<api>_resp hold a message of any version:
 * the union of all fields, named as in Kafka's schemas in snake_case.  A
 * field that the version does not carry has its default after a decode, and
 * may be set before an encode only if the schema calls it ignorable.  A
 * nested struct has Kafka's name too, with <api>_<req|resp>_ before it where
 * two messages use one name for different things.
 *
 *   string, bytes    struct kc_str (null: len -1)
 *   records          struct kc_records
 *   array            struct { T *v; int32_t n; } (null: n -1)
 *   struct           the struct; a pointer where it may be null
 *
 * Decoded strings, bytes and records point into the frame, arrays into the
 * arena; both must outlive the message.
 *
 * @thread any
 */
#ifndef KP_H
#define KP_H

#include "kcommon/base/arena.h"
#include "kcommon/buf/rd.h"
#include "kcommon/buf/wr.h"

/* Structs nest 3 deep in today's schemas; the interpreter allows this. */
#define KP_DEPTH_MAX 8

/* A struct of the protocol as data; kp_desc_<name>() returns that of one. */
struct kp_desc;

/* Pass 1: one struct, one table accessor each. */
#define BEGIN(name)                                                            \
	const struct kp_desc *kp_desc_##name(void);                            \
	struct kp_##name {
#define STRUCT(name) BEGIN(name)
#define REQUEST(name, key, text, ...) BEGIN(name##_req)
#define RESPONSE(name) BEGIN(name##_resp)
#define END(name)                                                              \
	}                                                                      \
	;
#define BOOL(f, ...) bool f;
#define INT8(f, ...) int8_t f;
#define INT16(f, ...) int16_t f;
#define INT32(f, ...) int32_t f;
#define INT64(f, ...) int64_t f;
#define FLOAT64(f, ...) double f;
#define UUID(f, ...) struct kc_uuid f;
#define STRING(f, ...) struct kc_str f;
#define BYTES(f, ...) struct kc_str f;
#define RECORDS(f, ...) struct kc_records f;
#define INT32S(f, ...)                                                         \
	struct {                                                               \
		int32_t *v;                                                    \
		int32_t n;                                                     \
	} f;
#define INT64S(f, ...)                                                         \
	struct {                                                               \
		int64_t *v;                                                    \
		int32_t n;                                                     \
	} f;
#define STRINGS(f, ...)                                                        \
	struct {                                                               \
		struct kc_str *v;                                              \
		int32_t n;                                                     \
	} f;
#define ARRAY(f, type, ...)                                                    \
	struct {                                                               \
		struct kp_##type *v;                                           \
		int32_t n;                                                     \
	} f;
#define EMBED(f, type, ...) struct kp_##type f;
#define OPTION(f, type, ...) struct kp_##type *f;
#include "kcommon/proto/def/all.def"
#include "kcommon/proto/def/undef.h"

/* Pass 1b: the API keys, kp_key_produce = 0 and so on. */
enum kp_key {
#define REQUEST(name, key, text, ...) kp_key_##name = (key),
#include "kcommon/proto/def/ignore.h"

#include "kcommon/proto/def/all.def"
#include "kcommon/proto/def/undef.h"
	KP_KEYS /* one above the highest */
};

/* One direction of an API. */
struct kp_msg {
	const struct kp_api *api;
	const struct kp_desc *(*desc)(void);
	bool is_response;
};

struct kp_api {
	int16_t key;
	const char *name; /* "LeaveGroup" */
	int16_t min, max; /* versions a 3.9 broker speaks */
	int16_t flexible_from; /* INT16_MAX: never */
	struct kp_msg req;
	struct kp_msg resp;
};

/* NULL for a key that is not one of the 62. */
const struct kp_api *kp_api_get(int16_t key);

static inline bool
kp_api_has_version(const struct kp_api *api, int16_t version)
{
	return version >= api->min && version <= api->max;
}

static inline bool
kp_api_is_flexible(const struct kp_api *api, int16_t version)
{
	return version >= api->flexible_from;
}

/* sizeof the message's struct, and of any struct of the protocol. */
size_t kp_msg_size(const struct kp_msg *m);
size_t kp_desc_size(const struct kp_desc *d);

/* Set every field to the default that the schema gives it. */
void kp_init(const struct kp_desc *d, void *p);

/*
 * n structs with defaults, in the arena; NULL over its cap.  Handlers build
 * arrays by KP_ARRAY(), which sets v and n of the array field arr and is
 * false (arr empty) over the cap:
 *
 *	if (!KP_ARRAY(arena, &out->topics, metadata_response_topic, n))
 */
void *kp_new(struct kc_arena *a, const struct kp_desc *d, int32_t n);
#define KP_NEW(arena, type)                                                    \
	((struct kp_##type *)kp_new(arena, kp_desc_##type(), 1))
#define KP_ARRAY(arena, arr, type, count)                                      \
	({                                                                     \
		struct kp_##type *kp_array_v =                                 \
		    kp_new(arena, kp_desc_##type(), count);                    \
		(arr)->v = kp_array_v;                                         \
		(arr)->n = kp_array_v != NULL ? (count) : 0;                   \
		kp_array_v != NULL;                                            \
	})

/*
 * Read one message of a version that the API has (else our bug) into out, a
 * struct kp_<api>_req or _resp; every field of it is set.  Stops behind the
 * message: whether bytes may be left over is for the caller to say (a real
 * broker ignores them behind a request).
 *
 * KC_OK, KC_EMALFORMED, or KC_ELIMIT when the arena's cap was hit; then out
 * holds part of the message and is only good to be dropped.
 */
int kp_decode(const struct kp_msg *m, int16_t version, struct kc_rd *r,
    struct kc_arena *a, void *out) KC_MUST_USE;

/*
 * Append one message to w.  KC_OK, or
 *   KC_EVERSION  a field that this version lacks is set and not ignorable
 *   KC_EINVAL    null where this version has none
 *   KC_ERANGE    a string above 32767 bytes
 *   KC_ELIMIT, KC_ENOMEM  from the writer
 * and on error w is left with part of the message and its own sticky error.
 */
int kp_encode(const struct kp_msg *m, int16_t version, struct kc_wr *w,
    const void *in) KC_MUST_USE;

#endif
