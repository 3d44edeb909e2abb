/*
 * Bytes for the tests of record/: hex, and batches to order.
 */
#ifndef RECORD_COMMON_H
#define RECORD_COMMON_H

#include "kcommon/record/build.h"

/*
 * Two records, without and with a key, as a client sent them to a real
 * broker in Produce v3, v2 and v0.
 */
#define BATCH_V2                                                               \
	"000000000000000000000042ffffffff02eebdcedb000000000001"               \
	"0000018bcfe568000000018bcfe56800"                                     \
	"ffffffffffffffffffffffffffff00000002"                                 \
	"0e00000001027800100000020104797900"
#define SET_V1                                                                 \
	"00000000000000000000001726df07c201000000018bcfe56800ffffffff"         \
	"0000000178"                                                           \
	"00000000000000010000001895cad59601000000018bcfe56800ffffffff"         \
	"000000027979"
#define SET_V0                                                                 \
	"00000000000000000000000f35b492f20000ffffffff0000000178"               \
	"000000000000000100000010b3008eaf0000ffffffff000000027979"
#define VECTOR_TIMESTAMP 0x18bcfe56800

struct bytes {
	uint8_t *p; /* malloc'ed, exactly len */
	size_t len;
};

struct bytes from_hex(const char *hex);
struct bytes copy_of(const void *p, size_t len);
void bytes_free(struct bytes *b);

/*
 * Records of the batch under test: n of them, with key "k<i>" (or null when
 * null_key is i), a value of value_len bytes, timestamp first_ts + i, offset
 * base_offset + i * step.
 */
struct order {
	struct kc_build_params params;
	int n;
	int step; /* 0: 1 */
	int null_key; /* -1: none */
	int32_t value_len;
	int64_t first_ts;
};

extern const struct order order_default; /* three records, no codec */

struct bytes make_batch(const struct order *o);

#endif
