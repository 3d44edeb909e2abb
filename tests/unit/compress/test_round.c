#include "kcommon/base/err.h"
#include "kcommon/compress/compress.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Text-like bytes that every codec shrinks, yet not to nothing. */
static uint8_t *
text(size_t len)
{
	uint8_t *p = malloc(len == 0 ? 1 : len);
	uint32_t x = 1;
	size_t i;

	for (i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)("the quick brown fox "[(x >> 24) % 20]);
	}
	return p;
}

static uint8_t *
noise(size_t len)
{
	uint8_t *p = malloc(len == 0 ? 1 : len);
	uint64_t x = 88172645463325252u;
	size_t i;

	for (i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = (uint8_t)x;
	}
	return p;
}

static void
check_round(struct kc_compress_ctx *ctx, enum kc_codec codec, int level,
    const uint8_t *p, size_t len)
{
	struct iovec iov[3] = {
		{ (void *)(uintptr_t)p, len / 3 },
		{ (void *)(uintptr_t)(p + len / 3), 0 },
		{ (void *)(uintptr_t)(p + len / 3), len - len / 3 },
	};
	struct kc_wr packed, plain;

	kc_wr_init(&packed, 0);
	kc_wr_init(&plain, 0);
	cr_assert_eq(kc_compress(ctx, codec, level, iov, 3, &packed), KC_OK,
	    "%s %zu", kc_codec_name(codec), len);
	cr_assert_eq(kc_decompress(ctx, codec, packed.p, packed.len, 0, &plain),
	    KC_OK, "%s %zu", kc_codec_name(codec), len);
	cr_assert_eq(plain.len, len);
	cr_assert(len == 0 || memcmp(plain.p, p, len) == 0);
	kc_wr_fini(&packed);
	kc_wr_fini(&plain);
}

/*
 * Goal: what was written is read back, with one context for everything.
 * Method: sizes around the block sizes (32 KiB snappy, 64 KiB lz4, 128 KiB
 * zstd) and a few MiB, text and noise, interleaved codecs.
 */
Test(compress, round_trip_sizes, .timeout = 120)
{
	static const size_t lens[] = { 0, 1, 2, 7, 100, 4095, 32767, 32768,
		32769, 65535, 65536, 65537, 131072, 200000, 3 << 20 };
	struct kc_compress_ctx *ctx = NULL;
	size_t i;
	int codec;

	cr_assert_eq(kc_compress_ctx_open(&ctx), KC_OK);
	for (i = 0; i < KC_COUNT(lens); i++) {
		uint8_t *t = text(lens[i]), *n = noise(lens[i]);

		for (codec = 0; codec <= KC_CODEC_MAX; codec++) {
			int level = kc_codec_level_default(codec);

			check_round(ctx, codec, level, t, lens[i]);
			check_round(ctx, codec, level, n, lens[i]);
		}
		free(t);
		free(n);
	}
	kc_compress_ctx_close(&ctx);
}

Test(compress, every_level, .timeout = 120)
{
	static const struct {
		enum kc_codec codec;
		int level;
	} levels[] = {
		{ KC_CODEC_GZIP, -1 },
		{ KC_CODEC_GZIP, 1 },
		{ KC_CODEC_GZIP, 9 },
		{ KC_CODEC_LZ4, 1 },
		{ KC_CODEC_LZ4, 2 },
		{ KC_CODEC_LZ4, 8 },
		{ KC_CODEC_LZ4, 9 },
		{ KC_CODEC_LZ4, 12 },
		{ KC_CODEC_LZ4, 17 },
		{ KC_CODEC_ZSTD, -131072 },
		{ KC_CODEC_ZSTD, -1 },
		{ KC_CODEC_ZSTD, 0 },
		{ KC_CODEC_ZSTD, 3 },
		{ KC_CODEC_ZSTD, 22 },
	};
	struct kc_compress_ctx *ctx = NULL;
	uint8_t *p = text(100000);
	size_t i;

	cr_assert_eq(kc_compress_ctx_open(&ctx), KC_OK);
	for (i = 0; i < KC_COUNT(levels); i++) {
		cr_expect(kc_codec_level_ok(levels[i].codec, levels[i].level));
		check_round(ctx, levels[i].codec, levels[i].level, p, 100000);
		check_round(NULL, levels[i].codec, levels[i].level, p, 1000);
	}
	kc_compress_ctx_close(&ctx);
	free(p);
}

Test(compress, bad_levels_are_refused)
{
	static const struct {
		enum kc_codec codec;
		int level;
	} bad[] = {
		{ KC_CODEC_GZIP, 0 },
		{ KC_CODEC_GZIP, -2 },
		{ KC_CODEC_GZIP, 10 },
		{ KC_CODEC_LZ4, 0 },
		{ KC_CODEC_LZ4, 18 },
		{ KC_CODEC_ZSTD, -131073 },
		{ KC_CODEC_ZSTD, 23 },
	};
	struct kc_wr w;
	size_t i;

	kc_wr_init(&w, 0);
	for (i = 0; i < KC_COUNT(bad); i++)
		cr_expect_eq(
		    kc_compress(NULL, bad[i].codec, bad[i].level, NULL, 0, &w),
		    KC_EINVAL);
	cr_expect_eq(w.len, 0);
	kc_wr_fini(&w);
}

Test(compress, names)
{
	enum kc_codec codec = KC_CODEC_NONE;

	cr_expect_eq(
	    kc_codec_parse(KC_STR_LIT("zstandard"), &codec), KC_EINVAL);
	cr_expect_eq(kc_codec_parse(KC_STR_NULL, &codec), KC_EINVAL);
	cr_expect_eq(kc_codec_parse(KC_STR_LIT("lz4"), &codec), KC_OK);
	cr_expect_eq(codec, KC_CODEC_LZ4);
	cr_expect_str_eq(kc_codec_name(4), "zstd");
	cr_expect_str_eq(kc_codec_name(5), "unknown");
	cr_expect_str_eq(kc_codec_name(-1), "unknown");
}

/*
 * Goal: the writer's limit is exact: what fits to the byte is written.
 * Method: compress without a limit, then with that size and one byte less.
 */
Test(compress, output_limit_is_exact)
{
	uint8_t *p = noise(70000);
	struct iovec iov = { p, 70000 };
	int codec;

	for (codec = 0; codec <= KC_CODEC_MAX; codec++) {
		int level = kc_codec_level_default(codec);
		struct kc_wr w;
		size_t size;

		kc_wr_init(&w, 0);
		cr_assert_eq(
		    kc_compress(NULL, codec, level, &iov, 1, &w), KC_OK);
		size = w.len;
		kc_wr_fini(&w);
		kc_wr_init(&w, size);
		cr_expect_eq(kc_compress(NULL, codec, level, &iov, 1, &w),
		    KC_OK, "%s", kc_codec_name(codec));
		kc_wr_fini(&w);
		kc_wr_init(&w, size - 1);
		cr_expect_eq(kc_compress(NULL, codec, level, &iov, 1, &w),
		    KC_ELIMIT, "%s", kc_codec_name(codec));
		cr_expect_leq(w.len, size - 1);
		kc_wr_fini(&w);
	}
	free(p);
}

/* What Kafka's own writers begin with, so that its readers take ours. */
Test(compress, written_form)
{
	uint8_t *p = text(40000);
	struct iovec iov = { p, 40000 };
	struct kc_wr w;

	kc_wr_init(&w, 0);
	kc_compress(NULL, KC_CODEC_LZ4, 9, &iov, 1, &w);
	cr_expect_eq(memcmp(w.p, "\x04\x22\x4d\x18\x60\x40\x82", 7), 0);
	cr_expect_eq(memcmp(w.p + w.len - 4, "\0\0\0\0", 4), 0);
	kc_wr_reset(&w);
	kc_compress(NULL, KC_CODEC_SNAPPY, 0, &iov, 1, &w);
	cr_expect_eq(memcmp(w.p, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16), 0);
	/* The first block is 32 KiB: varint 80 80 02. */
	cr_expect_eq(memcmp(w.p + 20, "\x80\x80\x02", 3), 0);
	kc_wr_reset(&w);
	kc_compress(NULL, KC_CODEC_GZIP, -1, &iov, 1, &w);
	cr_expect_eq(memcmp(w.p, "\x1f\x8b\x08", 3), 0);
	kc_wr_reset(&w);
	kc_compress(NULL, KC_CODEC_ZSTD, 3, &iov, 1, &w);
	cr_expect_eq(memcmp(w.p, "\x28\xb5\x2f\xfd", 4), 0);
	kc_wr_fini(&w);
	free(p);
}

/*
 * Goal: small reads and small writes give the same stream.
 * Method: one byte in at a time, seven out at a time.
 */
Test(compress, small_steps)
{
	struct kc_compress_ctx *ctx = NULL;
	uint8_t *p = text(70000), *q = malloc(70007);
	int codec;

	cr_assert_eq(kc_compress_ctx_open(&ctx), KC_OK);
	for (codec = 0; codec <= KC_CODEC_MAX; codec++) {
		struct kc_wr w;
		struct kc_comp_params cp = { .codec = codec,
			.level = kc_codec_level_default(codec),
			.size = -1,
			.out = &w };
		struct kc_decomp_params dp = { .codec = codec };
		struct kc_comp *c = NULL;
		struct kc_decomp *d = NULL;
		size_t i, n, at = 0;

		kc_wr_init(&w, 0);
		cr_assert_eq(kc_comp_open(&c, ctx, &cp), KC_OK);
		for (i = 0; i < 70000; i++)
			cr_assert_eq(kc_comp_write(c, p + i, 1), KC_OK);
		cr_assert_eq(kc_comp_finish(c), KC_OK);
		kc_comp_close(&c);
		dp.in = w.p;
		dp.len = w.len;
		cr_assert_eq(kc_decomp_open(&d, ctx, &dp), KC_OK);
		do {
			cr_assert_eq(kc_decomp_read(d, q + at, 7, &n), KC_OK);
			at += n;
		} while (n > 0);
		cr_expect_eq(at, 70000);
		cr_expect_eq(memcmp(p, q, 70000), 0);
		/* The end stays the end. */
		cr_expect_eq(kc_decomp_read(d, q, 7, &n), KC_OK);
		cr_expect_eq(n, 0);
		kc_decomp_close(&d);
		kc_wr_fini(&w);
	}
	kc_compress_ctx_close(&ctx);
	free(p);
	free(q);
}
