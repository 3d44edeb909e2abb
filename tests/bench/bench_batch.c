/*
 * How fast a leader judges what is produced: checksum and walk of batches of
 * about 1 MB in one thread.
 *
 *	bench_batch [seconds per line]
 */
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/crc/crc32c.h"
#include "kcommon/record/build.h"
#include "kcommon/record/validate.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH_BYTES 1000000

static void
make(struct kc_wr *w, int32_t value_len, enum kc_codec codec)
{
	struct kc_build_params params = kc_build_params_default;
	char *value = malloc((size_t)value_len);
	struct kc_build bld;
	uint32_t x = 1;
	int32_t i;

	params.codec = codec;
	params.level = kc_codec_level_default(codec);
	kc_build_open(&bld, &params, NULL, w);
	for (i = 0; i < value_len; i++) {
		x = x * 1664525 + 1013904223;
		value[i] = (char)('a' + (x >> 24) % 16);
	}
	for (i = 0; i < BATCH_BYTES / (value_len + 12); i++) {
		struct kc_record rec = { .offset = i,
			.timestamp = 1700000000000 + i / 10,
			.key = KC_STR_NULL,
			.value = { value, value_len },
			.headers = KC_STR_NULL };

		value[i % value_len] ^= 1;
		kc_build_append(&bld, &rec);
	}
	if (kc_build_finish(&bld) != KC_OK)
		abort();
	free(value);
}

static void
print_line(const char *what, int32_t value_len, double secs, double runs,
    size_t bytes, int32_t records)
{
	printf("%-22s %6d B  %9.1f MB/s  %9.2f M records/s\n", what, value_len,
	    runs * (double)bytes / secs / 1e6,
	    runs * (double)records / secs / 1e6);
}

static void
bench(const char *what, int32_t value_len, enum kc_codec codec, int target,
    double want)
{
	struct kc_validate_params params = kc_validate_params_default;
	struct kc_compress_ctx *ctx = NULL;
	struct kc_validated v;
	double secs;
	int64_t start;
	struct kc_wr w;
	long runs = 0;

	kc_wr_init(&w, 0);
	make(&w, value_len, codec);
	if (kc_compress_ctx_open(&ctx) != KC_OK)
		abort();
	params.codec = target;
	params.now_ms = 1700000000000;
	params.after_max_ms = INT64_MAX;
	params.max_message_bytes = INT32_MAX;
	start = kc_mono_ns(&kc_clock_system);
	do {
		if (kc_validate(&params, ctx, w.p, w.len, &v) != KC_OK ||
		    v.verdict != KC_VERDICT_OK)
			abort();
		kc_validated_fini(&v);
		runs++;
		secs = (double)(kc_mono_ns(&kc_clock_system) - start) / 1e9;
	} while (secs < want);
	print_line(what, value_len, secs, (double)runs, BATCH_BYTES,
	    BATCH_BYTES / (value_len + 12));
	kc_compress_ctx_close(&ctx);
	kc_wr_fini(&w);
}

static void
bench_crc(const char *what, uint32_t (*crc)(uint32_t, const void *, size_t),
    double want)
{
	uint8_t *p = calloc(1, BATCH_BYTES);
	uint32_t sum = 0;
	int64_t start = kc_mono_ns(&kc_clock_system);
	double secs;
	long runs = 0;

	do {
		sum ^= crc(sum, p, BATCH_BYTES);
		runs++;
		secs = (double)(kc_mono_ns(&kc_clock_system) - start) / 1e9;
	} while (secs < want);
	print_line(what, 0, secs, (double)runs, BATCH_BYTES, 0);
	p[0] = (uint8_t)sum; /* it is used */
	free(p);
}

int
main(int argc, char **argv)
{
	static const int32_t lens[] = { 100, 1024 };
	double want = argc > 1 ? atof(argv[1]) : 1;
	char what[64];
	size_t i;
	int codec;

	bench_crc("crc32c", kc_crc32c, want);
	bench_crc("crc32c by table", kc_crc32c_table, want);
	for (i = 0; i < KC_COUNT(lens); i++) {
		for (codec = 0; codec <= KC_CODEC_MAX; codec++) {
			snprintf(what, sizeof what, "judge %s",
			    kc_codec_name(codec));
			bench(what, lens[i], (enum kc_codec)codec,
			    KC_CODEC_PRODUCER, want);
		}
		bench("judge none to lz4", lens[i], KC_CODEC_NONE, KC_CODEC_LZ4,
		    want);
		bench("judge lz4 to zstd", lens[i], KC_CODEC_LZ4, KC_CODEC_ZSTD,
		    want);
	}
	return 0;
}
