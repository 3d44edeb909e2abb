#include "tests/unit/record/common.h"

#include "kcommon/base/err.h"

#include <criterion/criterion.h>

static const struct kc_record plain = {
	.value = { "v", 1 },
	.key = { NULL, -1 },
	.headers = { NULL, -1 },
};

Test(build, offsets_must_ascend)
{
	struct kc_build_params params = kc_build_params_default;
	struct kc_record rec = plain;
	struct kc_build bld;
	struct kc_wr w;

	kc_wr_init(&w, 0);
	kc_wr_bytes(&w, "before", 6);
	params.base_offset = 10;
	kc_build_open(&bld, &params, NULL, &w);
	rec.offset = 9;
	cr_expect_eq(kc_build_append(&bld, &rec), KC_EINVAL);
	cr_expect_eq(kc_build_finish(&bld), KC_EINVAL);
	cr_expect_eq(w.len, 6);
	kc_build_open(&bld, &params, NULL, &w);
	rec.offset = 10;
	cr_expect_eq(kc_build_append(&bld, &rec), KC_OK);
	cr_expect_eq(kc_build_append(&bld, &rec), KC_EINVAL);
	cr_expect_eq(kc_build_finish(&bld), KC_EINVAL);
	kc_build_open(&bld, &params, NULL, &w);
	rec.offset = 10 + (int64_t)INT32_MAX + 1;
	cr_expect_eq(kc_build_append(&bld, &rec), KC_EINVAL);
	cr_expect_eq(kc_build_finish(&bld), KC_EINVAL);
	cr_expect_eq(w.len, 6);
	kc_wr_fini(&w);
}

Test(build, over_the_limit)
{
	struct kc_build_params params = kc_build_params_default;
	struct kc_build bld;
	struct kc_wr w;
	int i;

	kc_wr_init(&w, 100);
	kc_build_open(&bld, &params, NULL, &w);
	for (i = 0; i < 100; i++) {
		struct kc_record rec = plain;

		rec.offset = i;
		kc_build_append(&bld, &rec);
	}
	cr_expect_eq(kc_build_finish(&bld), KC_ELIMIT);
	cr_expect_eq(w.len, 0);
	kc_wr_fini(&w);
	kc_wr_init(&w, 60);
	kc_build_open(&bld, &params, NULL, &w);
	cr_expect_eq(kc_build_finish(&bld), KC_ELIMIT);
	kc_wr_fini(&w);
}

/* Byte for byte what a real client made of the same two records. */
Test(build, as_a_client_writes_it)
{
	struct kc_build_params params = kc_build_params_default;
	struct bytes want = from_hex(BATCH_V2);
	struct kc_record rec = plain;
	struct kc_build bld;
	struct kc_wr w;

	kc_wr_init(&w, 0);
	kc_build_open(&bld, &params, NULL, &w);
	rec.timestamp = VECTOR_TIMESTAMP;
	rec.value = KC_STR_LIT("x");
	kc_build_append(&bld, &rec);
	rec.offset = 1;
	rec.value = KC_STR_LIT("yy");
	kc_build_append(&bld, &rec);
	cr_assert_eq(kc_build_finish(&bld), KC_OK);
	cr_assert_eq(w.len, want.len);
	cr_expect_eq(memcmp(w.p, want.p, want.len), 0);
	kc_wr_fini(&w);
	bytes_free(&want);
}

Test(build, every_header_field)
{
	struct kc_build_params params = {
		.base_offset = 1000,
		.leader_epoch = 5,
		.codec = KC_CODEC_ZSTD,
		.level = 3,
		.attributes =
		    KC_ATTR_TXN | KC_ATTR_DELETE_HORIZON | KC_CODEC_GZIP,
		.delete_horizon = 123,
		.producer_id = 77,
		.producer_epoch = 3,
		.base_sequence = 42,
		.last_delta = 20,
		.max_timestamp = 999,
	};
	struct order o = order_default;
	struct kc_record rec;
	struct kc_batch b;
	struct kc_iter it;
	struct bytes v;
	int i = 0;

	o.params = params;
	o.step = 5;
	v = make_batch(&o);
	cr_assert_eq(kc_batch_parse(v.p, v.len, &b), KC_OK);
	cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
	cr_expect_eq(b.base_offset, 1000);
	cr_expect_eq(b.leader_epoch, 5);
	cr_expect_eq(kc_batch_codec(&b), KC_CODEC_ZSTD);
	cr_expect(kc_batch_txn(&b));
	cr_expect_not(kc_batch_control(&b));
	cr_expect_eq(kc_batch_delete_horizon(&b), 123);
	cr_expect_eq(b.producer_id, 77);
	cr_expect_eq(b.producer_epoch, 3);
	cr_expect_eq(b.base_sequence, 42);
	cr_expect_eq(b.last_delta, 20);
	cr_expect_eq(b.max_timestamp, 999);
	cr_expect_eq(b.count, 3);
	kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
	for (; kc_iter_next(&it, &rec); i++) {
		cr_expect_eq(rec.offset, 1000 + 5 * i);
		cr_expect_eq(rec.timestamp, 1000 + i);
	}
	cr_expect_eq(kc_iter_close(&it), KC_OK);
	cr_expect_eq(i, 3);
	bytes_free(&v);
}

Test(build, append_time)
{
	struct order o = order_default;
	struct kc_record rec;
	struct kc_batch b;
	struct kc_iter it;
	struct bytes v;

	o.params.attributes = KC_ATTR_APPEND_TIME;
	o.params.append_time = 5555;
	v = make_batch(&o);
	cr_assert_eq(kc_batch_parse(v.p, v.len, &b), KC_OK);
	cr_expect(kc_batch_append_time(&b));
	cr_expect_eq(b.max_timestamp, 5555);
	cr_expect_eq(b.base_timestamp, 5555);
	kc_iter_open(&it, &b, KC_ITER_SKIP, NULL);
	while (kc_iter_next(&it, &rec))
		cr_expect_eq(rec.timestamp, 5555);
	cr_expect_eq(kc_iter_close(&it), KC_OK);
	bytes_free(&v);
}

Test(build, empty_batch)
{
	struct kc_build_params params = kc_build_params_default;
	struct kc_build bld;
	struct kc_record rec;
	struct kc_batch b;
	struct kc_iter it;
	struct kc_wr w;

	kc_wr_init(&w, 0);
	kc_build_open(&bld, &params, NULL, &w);
	cr_expect_eq(kc_build_finish(&bld), KC_EINVAL);
	params.codec = KC_CODEC_LZ4;
	params.level = 9;
	params.base_offset = 50;
	params.last_delta = 4;
	params.max_timestamp = 88;
	kc_build_open(&bld, &params, NULL, &w);
	cr_expect_eq(kc_build_finish(&bld), KC_OK);
	cr_assert_eq(w.len, KC_BATCH_OVERHEAD);
	cr_assert_eq(kc_batch_parse(w.p, w.len, &b), KC_OK);
	cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
	cr_expect_eq(b.attributes, 0);
	cr_expect_eq(kc_batch_last_offset(&b), 54);
	cr_expect_eq(b.base_timestamp, -1);
	cr_expect_eq(b.max_timestamp, 88);
	kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
	cr_expect_not(kc_iter_next(&it, &rec));
	cr_expect_eq(kc_iter_close(&it), KC_OK);
	kc_wr_fini(&w);
}

Test(build, control_records_that_are_none)
{
	struct kc_record rec = plain;
	enum kc_control type;
	int32_t epoch;

	cr_expect_eq(kc_control_parse(&rec, &type, &epoch), KC_EMALFORMED);
	rec.key = (struct kc_str){ "\0\0\0", 3 };
	cr_expect_eq(kc_control_parse(&rec, &type, &epoch), KC_EMALFORMED);
	rec.key = (struct kc_str){ "\xff\xff\0\0", 4 };
	cr_expect_eq(kc_control_parse(&rec, &type, &epoch), KC_EMALFORMED);
	rec.key = (struct kc_str){ "\0\0\0\1", 4 };
	cr_expect_eq(kc_control_parse(&rec, &type, &epoch), KC_EMALFORMED);
	rec.key = (struct kc_str){ "\0\0\0\2", 4 };
	cr_expect_eq(kc_control_parse(&rec, &type, &epoch), KC_OK);
	cr_expect_eq(type, KC_CONTROL_OTHER);
}

Test(build, markers)
{
	struct kc_marker m = {
		.producer_id = 9, .producer_epoch = 2, .coordinator_epoch = 31
	};
	enum kc_control type;
	struct kc_record rec;
	struct kc_batch b;
	struct kc_iter it;
	struct kc_wr w;
	int32_t epoch;
	int commit;

	kc_wr_init(&w, 0);
	for (commit = 0; commit < 2; commit++) {
		kc_wr_reset(&w);
		m.commit = commit;
		cr_assert_eq(kc_build_marker(&m, 4444, &w), KC_OK);
		cr_assert_eq(kc_batch_parse(w.p, w.len, &b), KC_OK);
		cr_expect_eq(kc_batch_check_crc(&b), KC_OK);
		cr_expect(kc_batch_control(&b) && kc_batch_txn(&b));
		cr_expect_eq(b.producer_id, 9);
		cr_expect_eq(b.producer_epoch, 2);
		cr_expect_eq(b.base_sequence, -1);
		kc_iter_open(&it, &b, KC_ITER_FULL, NULL);
		cr_assert(kc_iter_next(&it, &rec));
		cr_expect_eq(rec.timestamp, 4444);
		cr_expect_eq(kc_control_parse(&rec, &type, &epoch), KC_OK);
		cr_expect_eq(
		    type, commit ? KC_CONTROL_COMMIT : KC_CONTROL_ABORT);
		cr_expect_eq(epoch, 31);
		cr_expect_eq(kc_iter_close(&it), KC_OK);
	}
	kc_wr_fini(&w);
}
