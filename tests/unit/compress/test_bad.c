#include "kcommon/base/err.h"
#include "kcommon/compress/compress.h"

#include <criterion/criterion.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zstd.h>

/* Decompresses a copy of exactly len bytes; *outlen is what came of it. */
static int
unpack(enum kc_codec codec, const void *in, size_t len, size_t *outlen)
{
	uint8_t *p = malloc(len == 0 ? 1 : len);
	struct kc_wr w;
	int rc;

	if (len > 0)
		memcpy(p, in, len);
	kc_wr_init(&w, 0);
	rc = kc_decompress(NULL, codec, p, len, 16 << 20, &w);
	if (outlen != NULL)
		*outlen = w.len;
	kc_wr_fini(&w);
	free(p);
	return rc;
}

static void
pack(enum kc_codec codec, size_t len, struct kc_wr *w)
{
	uint8_t *p = malloc(len);
	struct iovec iov = { p, len };
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(i * i >> 9);
	kc_wr_init(w, 0);
	cr_assert_eq(
	    kc_compress(NULL, codec, kc_codec_level_default(codec), &iov, 1, w),
	    KC_OK);
	free(p);
}

Test(compress, nothing_is_no_stream)
{
	int codec;

	for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_MAX; codec++)
		cr_expect_eq(unpack(codec, "", 0, NULL), KC_EMALFORMED, "%s",
		    kc_codec_name(codec));
}

Test(compress, garbage_is_refused)
{
	uint8_t junk[300];
	size_t i, len;
	int codec;

	for (i = 0; i < sizeof junk; i++)
		junk[i] = (uint8_t)(255 - i);
	for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_MAX; codec++)
		for (len = 1; len < sizeof junk; len++)
			cr_expect_eq(unpack(codec, junk, len, NULL),
			    KC_EMALFORMED, "%s %zu", kc_codec_name(codec), len);
}

/*
 * Goal: a stream cut anywhere is an error and never read past its end.
 * Method: every length of a small stream.  Snappy's framing may be cut
 * between two blocks, which cannot be seen.
 */
Test(compress, cut_anywhere, .timeout = 60)
{
	int codec;

	for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_MAX; codec++) {
		struct kc_wr w;
		size_t len, got;
		int rc;

		pack(codec, 3000, &w);
		for (len = 0; len < w.len; len++) {
			rc = unpack(codec, w.p, len, &got);
			if (codec == KC_CODEC_SNAPPY && len == 16)
				cr_expect(rc == KC_OK && got == 0);
			else
				cr_expect_eq(rc, KC_EMALFORMED, "%s %zu",
				    kc_codec_name(codec), len);
		}
		kc_wr_fini(&w);
	}
}

/* Goal: whatever bit flips, no more than an error.  Every bit of a stream. */
Test(compress, flipped_bits, .timeout = 120)
{
	int codec;

	for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_MAX; codec++) {
		struct kc_wr w;
		size_t i;
		int rc;

		pack(codec, 600, &w);
		for (i = 0; i < w.len * 8; i++) {
			w.p[i / 8] ^= (uint8_t)(1 << i % 8);
			rc = unpack(codec, w.p, w.len, NULL);
			cr_expect(rc == KC_OK || rc == KC_EMALFORMED ||
				rc == KC_ELIMIT,
			    "%d", rc);
			w.p[i / 8] ^= (uint8_t)(1 << i % 8);
		}
		kc_wr_fini(&w);
	}
}

Test(compress, trailing_garbage)
{
	int codec;

	for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_MAX; codec++) {
		struct kc_wr w;

		pack(codec, 1000, &w);
		kc_wr_bytes(&w, "\xff\xff\xff", 3);
		cr_expect_eq(unpack(codec, w.p, w.len, NULL), KC_EMALFORMED,
		    "%s", kc_codec_name(codec));
		kc_wr_fini(&w);
	}
}

/* gzip members, zstd frames and snappy streams may be joined; lz4 may not. */
Test(compress, joined_streams)
{
	int codec;

	for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_MAX; codec++) {
		struct kc_wr w, v;
		size_t len = 0;
		int rc;

		pack(codec, 1000, &w);
		pack(codec, 1000, &v);
		kc_wr_bytes(&w, v.p, v.len);
		rc = unpack(codec, w.p, w.len, &len);
		if (codec == KC_CODEC_LZ4) {
			cr_expect_eq(rc, KC_EMALFORMED);
		} else {
			cr_expect_eq(rc, KC_OK, "%s", kc_codec_name(codec));
			cr_expect_eq(len, 2000);
		}
		kc_wr_fini(&w);
		kc_wr_fini(&v);
	}
}

/*
 * Goal: a small input never grows beyond the limit, and costs no memory
 * before that.
 * Method: 64 MiB of zeros against a limit of 1 MiB and a ratio of 10.
 */
Test(compress, bombs, .timeout = 120)
{
	uint8_t *zero = calloc(1, 1 << 20);
	int codec;

	for (codec = KC_CODEC_GZIP; codec <= KC_CODEC_MAX; codec++) {
		struct kc_comp_params cp = { .codec = codec,
			.level = kc_codec_level_default(codec),
			.size = -1 };
		struct kc_decomp_params dp = { .codec = codec };
		struct kc_comp *c = NULL;
		struct kc_decomp *d = NULL;
		struct kc_wr w, out;
		size_t n;
		int i, rc;

		kc_wr_init(&w, 0);
		kc_wr_init(&out, 0);
		cp.out = &w;
		cr_assert_eq(kc_comp_open(&c, NULL, &cp), KC_OK);
		for (i = 0; i < 64; i++)
			kc_comp_write(c, zero, 1 << 20);
		cr_assert_eq(kc_comp_finish(c), KC_OK);
		kc_comp_close(&c);
		cr_expect_eq(
		    kc_decompress(NULL, codec, w.p, w.len, 1 << 20, &out),
		    KC_ELIMIT, "%s", kc_codec_name(codec));
		cr_expect_leq(out.len, 1 << 20);
		dp.in = w.p;
		dp.len = w.len;
		dp.ratio_max = 10;
		cr_assert_eq(kc_decomp_open(&d, NULL, &dp), KC_OK);
		do
			rc = kc_decomp_read(d, zero, 1 << 20, &n);
		while (rc == KC_OK && n > 0);
		cr_expect_eq(rc, KC_ELIMIT, "%s", kc_codec_name(codec));
		kc_decomp_close(&d);
		kc_wr_fini(&w);
		kc_wr_fini(&out);
		memset(zero, 0, 1 << 20);
	}
	free(zero);
}

/* CVE-2023-34455: a block that claims a length its bytes cannot have. */
Test(compress, snappy_lengths_that_lie)
{
	uint8_t raw[] = { 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0 };
	uint8_t framed[] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1,
		0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff, 1, 0, 0 };

	cr_expect_eq(
	    unpack(KC_CODEC_SNAPPY, raw, sizeof raw, NULL), KC_EMALFORMED);
	cr_expect_eq(unpack(KC_CODEC_SNAPPY, framed, sizeof framed, NULL),
	    KC_EMALFORMED);
	framed[16] = 0xff; /* a negative length */
	cr_expect_eq(unpack(KC_CODEC_SNAPPY, framed, sizeof framed, NULL),
	    KC_EMALFORMED);
	memset(framed + 16, 0, 4); /* an empty block */
	cr_expect_eq(unpack(KC_CODEC_SNAPPY, framed, sizeof framed, NULL),
	    KC_EMALFORMED);
	framed[11] = 0; /* version 0 */
	cr_expect_eq(unpack(KC_CODEC_SNAPPY, framed, 16, NULL), KC_EMALFORMED);
}

/* librdkafka writes one bare block. */
Test(compress, snappy_raw)
{
	char plain[5000], packed[6000];
	size_t len = sizeof packed, got = 0;

	memset(plain, 'r', sizeof plain);
	cr_assert_eq(
	    snappy_compress(plain, sizeof plain, packed, &len), SNAPPY_OK);
	cr_expect_eq(unpack(KC_CODEC_SNAPPY, packed, len, &got), KC_OK);
	cr_expect_eq(got, sizeof plain);
}

/* A frame header that wants a window of 2 GiB: descriptor, then 31 << 3. */
Test(compress, zstd_window_too_large)
{
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00,
		(31 - 10) << 3, 0x01, 0x00, 0x00 };

	cr_expect_eq(
	    unpack(KC_CODEC_ZSTD, frame, sizeof frame, NULL), KC_ELIMIT);
}

/* The largest window that is read needs a frame without a content size. */
Test(compress, zstd_window_of_27_bits, .timeout = 60)
{
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00,
		(27 - 10) << 3, 0x01, 0x00, 0x00 };
	size_t got = 1;

	cr_expect_eq(unpack(KC_CODEC_ZSTD, frame, sizeof frame, &got), KC_OK);
	cr_expect_eq(got, 0);
}

Test(compress, lz4_frames_kafka_cannot_read)
{
	struct kc_wr w;

	pack(KC_CODEC_LZ4, 1000, &w);
	w.p[4] = 0x40; /* linked blocks */
	cr_expect_eq(unpack(KC_CODEC_LZ4, w.p, w.len, NULL), KC_EMALFORMED);
	w.p[4] = 0x61; /* dictionary */
	cr_expect_eq(unpack(KC_CODEC_LZ4, w.p, w.len, NULL), KC_EMALFORMED);
	w.p[4] = 0xa0; /* version 2 */
	cr_expect_eq(unpack(KC_CODEC_LZ4, w.p, w.len, NULL), KC_EMALFORMED);
	w.p[4] = 0x60;
	w.p[6] ^= 1; /* header checksum */
	cr_expect_eq(unpack(KC_CODEC_LZ4, w.p, w.len, NULL), KC_EMALFORMED);
	kc_wr_fini(&w);
}

/* KAFKA-3160: the checksum over magic and descriptor, ignored on reading. */
Test(compress, lz4_of_magic_v0)
{
	struct kc_wr w, out;
	struct kc_comp_params cp = {
		.codec = KC_CODEC_LZ4, .level = 9, .size = -1, .lz4_v0 = true
	};
	struct kc_decomp_params dp = { .codec = KC_CODEC_LZ4, .lz4_v0 = true };
	struct kc_comp *c = NULL;
	struct kc_decomp *d = NULL;
	char buf[100];
	size_t n;

	kc_wr_init(&w, 0);
	kc_wr_init(&out, 0);
	cp.out = &w;
	cr_assert_eq(kc_comp_open(&c, NULL, &cp), KC_OK);
	kc_comp_write(c, "hello hello hello", 17);
	cr_assert_eq(kc_comp_finish(c), KC_OK);
	kc_comp_close(&c);
	cr_expect_eq(kc_decompress(NULL, KC_CODEC_LZ4, w.p, w.len, 0, &out),
	    KC_EMALFORMED);
	dp.in = w.p;
	dp.len = w.len;
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(kc_decomp_open(&d, NULL, &dp), KC_OK);
		cr_expect_eq(kc_decomp_read(d, buf, sizeof buf, &n), KC_OK);
		cr_expect_eq(n, 17);
		kc_decomp_close(&d);
		w.p[6] = 0x82; /* the right one is as good */
	}
	kc_wr_fini(&w);
	kc_wr_fini(&out);
}
