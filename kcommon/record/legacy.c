#include "kcommon/record/legacy.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/be.h"
#include "kcommon/base/err.h"

#include <stdlib.h>

#define HOLD_MIN 4096

/* After the 12 bytes of offset and size; 4 bytes of checksum, then magic. */
#define AT_ATTRIBUTES (KC_BATCH_AT_MAGIC + 1)
#define AT_KEY(magic) ((magic) == 0 ? 18 : 26)

/* The one record of an entry; wrapped ones may get the wrapper's time. */
static int
parse_entry(const struct kc_batch *b, struct kc_record *rec, bool append_time)
{
	const uint8_t *p = b->p + AT_KEY(b->magic);
	const uint8_t *end = b->p + b->size;
	struct kc_str *slices[2] = { &rec->key, &rec->value };
	int32_t len;
	int i;

	*rec = (struct kc_record){ .headers = KC_STR_NULL };
	for (i = 0; i < 2; i++) {
		if (end - p < 4)
			return KC_EMALFORMED;
		len = (int32_t)kc_be32(p);
		p += 4;
		if (len > end - p)
			return KC_EMALFORMED;
		*slices[i] = len < 0 ? KC_STR_NULL :
				       (struct kc_str){ (const char *)p, len };
		p += KC_MAX(len, 0);
	}
	if (p != end)
		return KC_EMALFORMED;
	rec->size = (int32_t)(b->size - KC_BATCH_PREFIX);
	rec->offset = b->base_offset;
	if (!append_time)
		rec->timestamp = b->max_timestamp;
	return KC_OK;
}

static int
open_inner(
    struct kc_legacy_iter *it, struct kc_compress_ctx *ctx, struct kc_str value)
{
	struct kc_decomp_params params = {
		.codec = (enum kc_codec)kc_batch_codec(&it->batch),
		.in = value.p,
		.len = (size_t)value.len,
		.lz4_v0 = it->batch.magic == 0,
	};

	return kc_decomp_open(&it->decomp, ctx, &params);
}

/* Exactly n bytes of the inner set; KC_ENOENT when it ends before the first. */
static int
read_inner(struct kc_legacy_iter *it, uint8_t *out, size_t n)
{
	size_t got, have = 0;
	int rc;

	while (have < n) {
		rc = kc_decomp_read(it->decomp, out + have, n - have, &got);
		if (rc != KC_OK)
			return rc;
		if (got == 0)
			return have == 0 ? KC_ENOENT : KC_EMALFORMED;
		have += got;
	}
	return KC_OK;
}

static int
hold_room(struct kc_legacy_iter *it, size_t n)
{
	uint8_t *p;

	if (n <= it->hold_cap)
		return KC_OK;
	if ((p = realloc(it->hold, n)) == NULL)
		return KC_ENOMEM;
	it->hold = p;
	it->hold_cap = n;
	return KC_OK;
}

/*
 * The next inner entry, whole, at it->hold.  The buffer doubles at most with
 * each piece that has come, so a size that lies costs nothing.
 */
static int
hold_entry(struct kc_legacy_iter *it, size_t *sizep)
{
	size_t have = KC_BATCH_PREFIX, size, piece;
	int32_t length;
	int rc;

	if ((rc = hold_room(it, HOLD_MIN)) != KC_OK)
		return rc;
	if ((rc = read_inner(it, it->hold, KC_BATCH_PREFIX)) != KC_OK)
		return rc;
	length = (int32_t)kc_be32(it->hold + KC_BATCH_AT_LENGTH);
	if (length < KC_LEGACY_V0_OVERHEAD)
		return KC_EMALFORMED;
	if (length > it->held_max)
		return KC_ELIMIT;
	size = KC_BATCH_PREFIX + (size_t)length;
	while (have < size) {
		piece = KC_MIN(size - have, KC_MAX(have, (size_t)HOLD_MIN));
		if ((rc = hold_room(it, have + piece)) != KC_OK)
			return rc;
		rc = read_inner(it, it->hold + have, piece);
		if (rc != KC_OK)
			return rc == KC_ENOENT ? KC_EMALFORMED : rc;
		have += piece;
	}
	*sizep = size;
	return KC_OK;
}

/*
 * Relative offsets count back from the wrapper's, which is that of the last
 * record; so the last one must be known before the first is given.  Some
 * versions of librdkafka produce with a wrapper offset of 0.
 */
static int
find_base(struct kc_legacy_iter *it)
{
	int64_t last = -1;
	size_t size;
	int rc;

	while ((rc = hold_entry(it, &size)) == KC_OK)
		last = (int64_t)kc_be64(it->hold + KC_BATCH_AT_BASE_OFFSET);
	if (rc != KC_ENOENT)
		return rc;
	if (it->batch.base_offset == 0)
		return KC_OK;
	if (last < 0 || it->batch.base_offset < last)
		return KC_EMALFORMED;
	it->base = it->batch.base_offset - last;
	return KC_OK;
}

static int
open_wrapper(struct kc_legacy_iter *it, struct kc_compress_ctx *ctx)
{
	struct kc_record rec;
	int rc;

	if (kc_batch_codec(&it->batch) >= KC_CODEC_ZSTD)
		return KC_EUNSUPPORTED; /* magic 0 and 1 never had it */
	if ((rc = parse_entry(&it->batch, &rec, false)) != KC_OK)
		return rc;
	if (rec.value.len < 0)
		return KC_EMALFORMED;
	if ((rc = open_inner(it, ctx, rec.value)) != KC_OK)
		return rc;
	if (it->batch.magic == 0)
		return KC_OK; /* absolute offsets */
	rc = find_base(it);
	kc_decomp_close(&it->decomp);
	return rc != KC_OK ? rc : open_inner(it, ctx, rec.value);
}

void
kc_legacy_iter_open(struct kc_legacy_iter *it, const struct kc_batch *b,
    int32_t held_max, struct kc_compress_ctx *ctx)
{
	KC_ASSERT(b->magic == 0 || b->magic == 1);
	*it = (struct kc_legacy_iter){ .batch = *b,
		.held_max = held_max,
		.append_time = kc_batch_append_time(b) };
	if (kc_batch_codec(b) != KC_CODEC_NONE)
		it->err = open_wrapper(it, ctx);
}

static int
next_inner(struct kc_legacy_iter *it, struct kc_record *rec)
{
	struct kc_batch inner;
	size_t size = 0;
	int rc;

	if ((rc = hold_entry(it, &size)) != KC_OK) {
		/* A wrapper around nothing is not a batch. */
		return rc == KC_ENOENT && it->index == 0 ? KC_EMALFORMED : rc;
	}
	rc = kc_batch_parse(it->hold, size, &inner);
	if (rc != KC_OK || inner.magic == 2)
		return KC_EMALFORMED;
	if ((rc = kc_batch_check_crc(&inner)) != KC_OK)
		return rc;
	it->inner_codec = kc_batch_codec(&inner) != KC_CODEC_NONE;
	it->inner_magic = inner.magic != it->batch.magic;
	if ((rc = parse_entry(&inner, rec, it->append_time)) != KC_OK)
		return rc;
	rec->offset = (int64_t)((uint64_t)rec->offset + (uint64_t)it->base);
	if (it->append_time)
		rec->timestamp = it->batch.max_timestamp;
	return KC_OK;
}

bool
kc_legacy_iter_next(struct kc_legacy_iter *it, struct kc_record *rec)
{
	int rc;

	if (it->err != KC_OK)
		return false;
	if (it->decomp != NULL)
		rc = next_inner(it, rec);
	else if (it->index == 0)
		rc = parse_entry(&it->batch, rec, false);
	else
		return false;
	if (rc != KC_OK) {
		if (rc != KC_ENOENT) /* which is the end */
			it->err = rc;
		return false;
	}
	rec->delta = it->index++;
	return true;
}

int
kc_legacy_iter_close(struct kc_legacy_iter *it)
{
	kc_decomp_close(&it->decomp);
	free(it->hold);
	it->hold = NULL;
	return it->err;
}
