/*
 * Any bytes as a compressed stream, and as text to compress: settings (2
 * bytes: codec with flags, size of the reads), then the bytes.
 *
 * Held: nothing is read past the end, output stays within the limit, the
 * size of the reads makes no difference, and what was written reads back.
 */
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/compress/compress.h"

#include <stdlib.h>

#define PLAIN_MAX (4 << 20)
#define FLAG_LZ4_V0 0x80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
read_all(const struct kc_decomp_params *params, size_t step, struct kc_wr *w)
{
	struct kc_decomp *d = NULL;
	uint8_t *buf;
	size_t n;
	int rc;

	if ((rc = kc_decomp_open(&d, NULL, params)) != KC_OK)
		return rc;
	buf = malloc(step);
	do {
		rc = kc_decomp_read(d, buf, step, &n);
		kc_wr_bytes(w, buf, n);
	} while (rc == KC_OK && n > 0);
	free(buf);
	kc_decomp_close(&d);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kc_decomp_params params = { .max = PLAIN_MAX };
	struct kc_wr one, other, packed;
	struct iovec iov;
	int rc, again;
	uint8_t *p;

	if (size < 2)
		return 0;
	params.codec = (enum kc_codec)((data[0] & 7) % (KC_CODEC_MAX + 1));
	params.lz4_v0 = (data[0] & FLAG_LZ4_V0) != 0;
	params.len = size - 2;
	p = malloc(params.len + 1);
	memcpy(p, data + 2, params.len);
	params.in = p;
	kc_wr_init(&one, 0);
	kc_wr_init(&other, 0);
	kc_wr_init(&packed, 0);
	rc = read_all(&params, 65536, &one);
	again = read_all(&params, 1000 + 50 * (size_t)data[1], &other);
	KC_ASSERT(one.len <= PLAIN_MAX);
	KC_ASSERT(rc == again);
	if (rc == KC_OK) {
		KC_ASSERT(one.len == other.len);
		KC_ASSERT(one.len == 0 || memcmp(one.p, other.p, one.len) == 0);
	}
	iov = (struct iovec){ p, params.len };
	kc_wr_reset(&other);
	KC_ASSERT(kc_compress(NULL, params.codec,
		      kc_codec_level_default(params.codec), &iov, 1,
		      &packed) == KC_OK);
	KC_ASSERT(kc_decompress(NULL, params.codec, packed.p, packed.len, 0,
		      &other) == KC_OK);
	KC_ASSERT(other.len == params.len);
	KC_ASSERT(other.len == 0 || memcmp(other.p, p, other.len) == 0);
	kc_wr_fini(&one);
	kc_wr_fini(&other);
	kc_wr_fini(&packed);
	free(p);
	return 0;
}
