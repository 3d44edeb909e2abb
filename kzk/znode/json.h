/*
 * json -- typed reading and writing over jansson, for the codecs here.
 *
 * Both sides are sticky: the first problem sets err, later calls do nothing
 * (reads give zero, null or empty), and the caller asks once at the end.
 *
 * What is read is copied into the arena of the object being decoded.
 */
#ifndef KZK_JSON_H
#define KZK_JSON_H

#include "kcommon/base/arena.h"
#include "kcommon/base/str.h"
#include "kzk/znode/znode.h"

#include <jansson.h>

struct kzk_in {
	json_t *root; /* an object, or NULL once err is set */
	struct kc_arena *mem; /* NULL: nothing to copy is read */
	int err;
};

/* Parses; mem is initialised here.  Always kzk_in_end(). */
void kzk_in_begin(struct kzk_in *in, struct kc_str data, struct kc_arena *mem);
/* The verdict; frees the tree, and mem too if it failed. */
int kzk_in_end(struct kzk_in *in);
void kzk_in_fail(struct kzk_in *in, int err); /* keeps the first */

/* obj may be NULL (then nothing is found). */
int64_t kzk_in_int(struct kzk_in *in, const json_t *obj, const char *key,
    int64_t min, int64_t max);
/* dflt when the key is absent or null. */
int64_t kzk_in_int_or(struct kzk_in *in, const json_t *obj, const char *key,
    int64_t min, int64_t max, int64_t dflt);
/* A decimal in a string, as Kafka writes timestamps; a number is taken too. */
int64_t kzk_in_text_int(
    struct kzk_in *in, const json_t *obj, const char *key, int64_t min);
struct kc_str kzk_in_str(struct kzk_in *in, const json_t *obj, const char *key);
/* Null when the key is absent or null. */
struct kc_str kzk_in_str_or_null(
    struct kzk_in *in, const json_t *obj, const char *key);
struct kc_str kzk_in_value_str(struct kzk_in *in, const json_t *value);
/* Array or object; with opt NULL when absent or null. */
json_t *kzk_in_arr(
    struct kzk_in *in, const json_t *obj, const char *key, bool opt);
json_t *kzk_in_obj(
    struct kzk_in *in, const json_t *obj, const char *key, bool opt);
/* An array of max elements at most; for NULL 0. */
int32_t kzk_in_count(struct kzk_in *in, const json_t *arr, int32_t max);
/* Zeroed, n * size; NULL for n == 0 or once err is set. */
void *kzk_in_array(struct kzk_in *in, int32_t n, size_t size);
/* Broker ids; arr NULL gives an empty list. */
void kzk_in_ids(struct kzk_in *in, const json_t *arr, struct kzk_ids *out);
/* The whole of a string as decimal; KC_EMALFORMED else. */
int64_t kzk_in_number(
    struct kzk_in *in, struct kc_str s, int64_t min, int64_t max);

struct kzk_out {
	json_t *root;
	int err;
};

void kzk_out_begin(struct kzk_out *o); /* root: an empty object */
/* The text, compact, in the order put. */
int kzk_out_end(struct kzk_out *o, struct kzk_text *text);
json_t *kzk_out_obj(struct kzk_out *o, json_t *obj, const char *key);
json_t *kzk_out_arr(struct kzk_out *o, json_t *obj, const char *key);
json_t *kzk_out_arr_obj(struct kzk_out *o, json_t *arr); /* appended */
void kzk_out_int(struct kzk_out *o, json_t *obj, const char *key, int64_t v);
void kzk_out_text_int(
    struct kzk_out *o, json_t *obj, const char *key, int64_t v);
/* Null is written as JSON's null. */
void kzk_out_str(
    struct kzk_out *o, json_t *obj, const char *key, struct kc_str s);
/* Key from outside: not NUL-terminated. */
void kzk_out_str_key(
    struct kzk_out *o, json_t *obj, struct kc_str key, struct kc_str s);
json_t *kzk_out_obj_key(struct kzk_out *o, json_t *obj, struct kc_str key);
void kzk_out_ids(
    struct kzk_out *o, json_t *obj, const char *key, const struct kzk_ids *ids);
void kzk_out_arr_str(struct kzk_out *o, json_t *arr, struct kc_str s);

/* Plain text instead of JSON. */
int kzk_text_printf(struct kzk_text *t, const char *fmt, ...) KC_PRINTF(2, 3);

#endif
