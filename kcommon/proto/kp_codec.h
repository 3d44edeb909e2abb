/*
 * kp_codec -- what the interpreter (kp_read.c, kp_write.c) and the
 * straight-line code of pass 3 (kp_fast.c) share.
 *
 * Private to kcommon/proto and its tests.
 */
#ifndef KP_CODEC_H
#define KP_CODEC_H

#include "kcommon/proto/kp_field.h"

struct kp_in {
	struct kc_rd *r; /* sticky errors are here */
	struct kc_arena *arena;
	int16_t version;
	bool flexible;
};

struct kp_out {
	struct kc_wr *w; /* and here */
	int16_t version;
	bool flexible;
};

/* By the tables alone; as kp_decode() and kp_encode(). */
int kp_decode_table(const struct kp_msg *m, int16_t version, struct kc_rd *r,
    struct kc_arena *a, void *out) KC_MUST_USE;
int kp_encode_table(const struct kp_msg *m, int16_t version, struct kc_wr *w,
    const void *in) KC_MUST_USE;

/*
 * Straight-line code, where there is some: false and nothing done when there
 * is none for m.
 */
bool kp_fast_read(const struct kp_msg *m, struct kp_in *in, void *out);
bool kp_fast_write(const struct kp_msg *m, struct kp_out *out, const void *in);

/*
 * Values of a field.  The readers return null only where it may be null;
 * elsewhere they fail, and so do the writers.
 */
struct kc_str kp_read_string(struct kp_in *in, bool nullable);
struct kc_str kp_read_bytes(struct kp_in *in, bool nullable);
struct kc_records kp_read_records(struct kp_in *in, bool nullable);
/*
 * The head of an array of structs: its count (-1 null), checked against what
 * is left to read, and memory.  NULL when the count is 0 or below, and on
 * failure, when the count is 0.
 */
void *kp_read_array(
    struct kp_in *in, bool nullable, const struct kp_desc *d, int32_t *n);
void kp_read_int32s(struct kp_in *in, bool nullable, void *p);
/* The tagged section, for fields already set to their defaults. */
void kp_read_tags(struct kp_in *in, const struct kp_desc *d, void *s);

void kp_write_string(struct kp_out *out, bool nullable, struct kc_str s);
void kp_write_bytes(struct kp_out *out, bool nullable, struct kc_str s);
void kp_write_records(
    struct kp_out *out, bool nullable, const struct kc_records *rec);
/* The count of an array. */
void kp_write_count(struct kp_out *out, bool nullable, int32_t n);
void kp_write_int32s(struct kp_out *out, bool nullable, const void *p);
void kp_write_tags(struct kp_out *out, const struct kp_desc *d, const void *s);

#endif
