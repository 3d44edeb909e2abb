/*
 * kc_rd -- bounds-checked reader over a frame somebody else owns.
 *
 * A kc_rd never allocates and never copies: slices it hands out point into
 * the frame and live exactly as long as the frame does.
 *
 * Errors are sticky.  The first short or malformed read sets r->err, moves
 * the cursor to the end, and makes every later read return zero; callers
 * decode a whole message and ask once.
 *
 * @thread any (a kc_rd belongs to the stack frame that made it)
 */
#ifndef KC_RD_H
#define KC_RD_H

#include "kcommon/base/str.h"
#include "kcommon/base/uuid.h"

struct kc_rd {
	const uint8_t *p; /* p <= end, always */
	const uint8_t *end;
	int err; /* 0, or the first KC_E* seen */
};

/* Read frame[0..len); the frame must outlive r and every slice from it. */
void kc_rd_init(struct kc_rd *r, const void *frame, size_t len);
/* Fail from outside: sets err (if none yet) and moves to the end. */
void kc_rd_fail(struct kc_rd *r, int err);
size_t kc_rd_left(const struct kc_rd *r);

/* All big-endian; 0 once r->err is set. */
int8_t kc_rd_i8(struct kc_rd *r);
int16_t kc_rd_i16(struct kc_rd *r);
uint16_t kc_rd_u16(struct kc_rd *r);
int32_t kc_rd_i32(struct kc_rd *r);
uint32_t kc_rd_u32(struct kc_rd *r);
int64_t kc_rd_i64(struct kc_rd *r);
double kc_rd_f64(struct kc_rd *r);
void kc_rd_uuid(struct kc_rd *r, struct kc_uuid *u);
uint32_t kc_rd_uvarint(struct kc_rd *r); /* at most 5 bytes */
int32_t kc_rd_varint(struct kc_rd *r); /* zig-zag, at most 5 bytes */
int64_t kc_rd_varlong(struct kc_rd *r); /* zig-zag, at most 10 bytes */

/* A slice of exactly n bytes, or NULL and the sticky error. */
const uint8_t *kc_rd_bytes(struct kc_rd *r, size_t n);
/* Classic string: int16 length; below 0 is null (a real broker does so). */
struct kc_str kc_rd_str(struct kc_rd *r);
/* Compact string: uvarint length + 1; 0 is null. */
struct kc_str kc_rd_cstr(struct kc_rd *r);

/* KC_OK if every read succeeded and nothing is left over, else KC_E*. */
int kc_rd_finish(const struct kc_rd *r);

#endif
