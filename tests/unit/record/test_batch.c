#include "tests/unit/record/common.h"

#include "kcommon/base/be.h"
#include "kcommon/base/err.h"

#include <criterion/criterion.h>

/* Goal: no cut is read past its end, and each is told from garbage. */
Test(batch, cut_anywhere)
{
	static const char *const vectors[] = { BATCH_V2, SET_V1, SET_V0 };
	size_t i, len;

	for (i = 0; i < KC_COUNT(vectors); i++) {
		struct bytes whole = from_hex(vectors[i]);
		struct kc_batch b;

		cr_assert_eq(kc_batch_parse(whole.p, whole.len, &b), KC_OK);
		for (len = 0; len < b.size; len++) {
			struct bytes cut = copy_of(whole.p, len);
			struct kc_batch c;

			cr_expect_eq(kc_batch_parse(cut.p, len, &c), KC_ESHORT);
			cr_expect_eq(
			    c.size, len < KC_BATCH_TO_MAGIC ? 0 : b.size);
			bytes_free(&cut);
		}
		bytes_free(&whole);
	}
}

static int
parse_with(const char *hex, size_t at, uint8_t v)
{
	struct bytes b = from_hex(hex);
	struct kc_batch batch;
	int rc;

	b.p[at] = v;
	rc = kc_batch_parse(b.p, b.len, &batch);
	bytes_free(&b);
	return rc;
}

Test(batch, malformed)
{
	/* Lengths: 13, 49 and negative; the least is 14, and 49 for v2. */
	cr_expect_eq(parse_with(BATCH_V2, 11, 13), KC_EMALFORMED);
	cr_expect_eq(parse_with(BATCH_V2, 11, 48), KC_EMALFORMED);
	cr_expect_eq(parse_with(BATCH_V2, 11, 49), KC_OK);
	cr_expect_eq(parse_with(BATCH_V2, 8, 0xff), KC_EMALFORMED);
	cr_expect_eq(parse_with(SET_V1, 11, 21), KC_EMALFORMED);
	cr_expect_eq(parse_with(SET_V1, 11, 22), KC_OK);
	cr_expect_eq(parse_with(SET_V0, 11, 13), KC_EMALFORMED);
	cr_expect_eq(parse_with(SET_V0, 11, 14), KC_OK);
	/* Magic. */
	cr_expect_eq(parse_with(BATCH_V2, 16, 3), KC_EMALFORMED);
	cr_expect_eq(parse_with(BATCH_V2, 16, 0xff), KC_EMALFORMED);
	/* The largest length only claims. */
	cr_expect_eq(parse_with(BATCH_V2, 8, 0x7f), KC_ESHORT);
}

Test(batch, a_real_one)
{
	struct bytes v = from_hex(BATCH_V2);
	struct kc_batch b;

	cr_assert_eq(kc_batch_parse(v.p, v.len, &b), KC_OK);
	cr_expect_eq(b.size, v.len);
	cr_expect_eq(b.magic, 2);
	cr_expect_eq(b.base_offset, 0);
	cr_expect_eq(b.leader_epoch, -1);
	cr_expect_eq(b.attributes, 0);
	cr_expect_eq(b.last_delta, 1);
	cr_expect_eq(b.base_timestamp, VECTOR_TIMESTAMP);
	cr_expect_eq(b.max_timestamp, VECTOR_TIMESTAMP);
	cr_expect_eq(b.producer_id, -1);
	cr_expect_eq(b.producer_epoch, -1);
	cr_expect_eq(b.base_sequence, -1);
	cr_expect_eq(b.count, 2);
	cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
	cr_expect_eq(kc_batch_last_offset(&b), 1);
	cr_expect_eq(kc_batch_last_sequence(&b), KC_NO_SEQUENCE);
	cr_expect_eq(kc_batch_delete_horizon(&b), -1);
	bytes_free(&v);
}

Test(batch, real_legacy_entries)
{
	struct bytes v1 = from_hex(SET_V1), v0 = from_hex(SET_V0);
	struct kc_batch b;

	cr_assert_eq(kc_batch_parse(v1.p, v1.len, &b), KC_OK);
	cr_expect_eq(b.magic, 1);
	cr_expect_eq(b.max_timestamp, VECTOR_TIMESTAMP);
	cr_expect_eq(b.count, -1);
	cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
	cr_assert_eq(kc_batch_parse(v1.p + b.size, v1.len - b.size, &b), KC_OK);
	cr_expect_eq(b.base_offset, 1);
	cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
	cr_assert_eq(kc_batch_parse(v0.p, v0.len, &b), KC_OK);
	cr_expect_eq(b.magic, 0);
	cr_expect_eq(b.max_timestamp, -1);
	cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
	v0.p[v0.len - 1] ^= 1;
	cr_assert_eq(kc_batch_parse(v0.p + b.size, v0.len - b.size, &b), KC_OK);
	cr_expect_eq(kc_batch_check_crc(&b), KC_ECRC);
	bytes_free(&v1);
	bytes_free(&v0);
}

/* Every bit from the attributes on is covered, none of those before. */
Test(batch, what_the_checksum_covers)
{
	struct bytes v = from_hex(BATCH_V2);
	struct kc_batch b;
	size_t i;

	for (i = 0; i < v.len; i++) {
		v.p[i] ^= 0x10;
		if (kc_batch_parse(v.p, v.len, &b) == KC_OK)
			cr_expect_eq(kc_batch_check_crc(&b),
			    i < KC_BATCH_AT_CRC ? KC_OK : KC_ECRC, "%zu", i);
		v.p[i] ^= 0x10;
	}
	bytes_free(&v);
}

Test(batch, setters)
{
	struct bytes v = from_hex(BATCH_V2);
	struct kc_batch b, was;
	uint32_t crc;

	cr_assert_eq(kc_batch_parse(v.p, v.len, &was), KC_OK);
	kc_batch_set_base_offset(v.p, 0x0102030405060708);
	kc_batch_set_leader_epoch(v.p, 77);
	cr_assert_eq(kc_batch_parse(v.p, v.len, &b), KC_OK);
	cr_expect_eq(b.base_offset, 0x0102030405060708);
	cr_expect_eq(b.leader_epoch, 77);
	cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
	cr_expect_eq(
	    kc_batch_crc_with(&b, b.attributes, b.max_timestamp), b.crc);

	crc = kc_batch_crc_with(&b, KC_ATTR_APPEND_TIME, 12345);
	cr_expect_neq(crc, b.crc);
	kc_batch_set_attributes(v.p, KC_ATTR_APPEND_TIME);
	kc_batch_set_max_timestamp(v.p, 12345);
	kc_batch_set_crc(v.p, crc);
	cr_assert_eq(kc_batch_parse(v.p, v.len, &b), KC_OK);
	cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
	cr_expect_eq(b.max_timestamp, 12345);
	cr_expect(kc_batch_append_time(&b));
	kc_batch_seal(v.p, v.len);
	cr_expect_eq(kc_be32(v.p + KC_BATCH_AT_CRC), crc);
	bytes_free(&v);
}

Test(batch, sequences_wrap_to_zero)
{
	struct kc_batch b = {
		.magic = 2, .base_sequence = INT32_MAX - 1, .last_delta = 3
	};

	cr_expect_eq(kc_seq_add(0, 0), 0);
	cr_expect_eq(kc_seq_add(5, 2), 7);
	cr_expect_eq(kc_seq_add(INT32_MAX, 0), INT32_MAX);
	cr_expect_eq(kc_seq_add(INT32_MAX, 1), 0);
	cr_expect_eq(kc_seq_add(INT32_MAX, INT32_MAX), INT32_MAX - 1);
	cr_expect_eq(kc_batch_last_sequence(&b), 1);
	b.base_sequence = -1;
	cr_expect_eq(kc_batch_last_sequence(&b), KC_NO_SEQUENCE);
}
