#include "kcommon/base/assert.h"
#include "kcommon/base/be.h"
#include "kcommon/base/err.h"
#include "kcommon/record/legacy.h"

#include <zlib.h>

/* Offset, size, checksum, magic, attributes, timestamp, length of the key. */
#define ENTRY_HEAD_MAX 30

/* Records of any magic, one at a time. */
struct source {
	bool legacy;
	union {
		struct kc_iter v2;
		struct kc_legacy_iter old;
	} u;
};

struct down {
	struct kc_compress_ctx *ctx;
	int8_t magic; /* to */
	int64_t fetch_offset;
	bool (*keep)(void *arg, int index); /* NULL: every record */
	void *arg;
	struct kc_wr *out;
};

static void
source_open(
    struct source *src, const struct kc_batch *b, struct kc_compress_ctx *ctx)
{
	src->legacy = b->magic < 2;
	if (src->legacy)
		kc_legacy_iter_open(&src->u.old, b, KC_RECORD_HELD_MAX, ctx);
	else
		kc_iter_open(&src->u.v2, b, KC_ITER_FULL, ctx);
}

static bool
source_next(struct source *src, struct kc_record *rec)
{
	return src->legacy ? kc_legacy_iter_next(&src->u.old, rec) :
			     kc_iter_next(&src->u.v2, rec);
}

static int
source_close(struct source *src)
{
	return src->legacy ? kc_legacy_iter_close(&src->u.old) :
			     kc_iter_close(&src->u.v2);
}

/* Fills the bytes before a key; returns how many.  The checksum is left 0. */
static size_t
put_head(uint8_t *p, int8_t magic, const struct kc_record *rec, int64_t offset,
    int8_t attributes, int32_t size)
{
	uint8_t *at = p + KC_BATCH_AT_MAGIC;

	kc_be64_put(p, (uint64_t)offset);
	kc_be32_put(p + KC_BATCH_AT_LENGTH, (uint32_t)size);
	kc_be32_put(p + KC_BATCH_PREFIX, 0);
	*at++ = (uint8_t)magic;
	*at++ = (uint8_t)attributes;
	if (magic > 0) {
		kc_be64_put(at, (uint64_t)rec->timestamp);
		at += 8;
	}
	kc_be32_put(at, (uint32_t)rec->key.len);
	return (size_t)(at + 4 - p);
}

static uint32_t
crc_slice(uint32_t crc, struct kc_str s)
{
	return s.len <= 0 ?
	    crc :
	    (uint32_t)crc32_z(crc, (const Bytef *)s.p, (size_t)s.len);
}

/* One message of the target magic; its checksum comes before its bytes. */
static int
put_entry(struct kc_comp *comp, const struct down *dn,
    const struct kc_record *rec, int64_t offset, bool append_time)
{
	int64_t size =
	    (dn->magic == 0 ? KC_LEGACY_V0_OVERHEAD : KC_LEGACY_V1_OVERHEAD) +
	    (int64_t)KC_MAX(rec->key.len, 0) + KC_MAX(rec->value.len, 0);
	int8_t attributes =
	    dn->magic > 0 && append_time ? KC_ATTR_APPEND_TIME : 0;
	uint8_t head[ENTRY_HEAD_MAX], value_len[4];
	uint32_t crc;
	size_t n;

	if (size > INT32_MAX)
		return KC_ELIMIT;
	n = put_head(head, dn->magic, rec, offset, attributes, (int32_t)size);
	kc_be32_put(value_len, (uint32_t)rec->value.len);
	crc = (uint32_t)crc32_z(
	    0, head + KC_BATCH_AT_MAGIC, n - KC_BATCH_AT_MAGIC);
	crc = crc_slice(crc, rec->key);
	crc = (uint32_t)crc32_z(crc, value_len, sizeof value_len);
	crc = crc_slice(crc, rec->value);
	kc_be32_put(head + KC_BATCH_PREFIX, crc);
	kc_comp_write(comp, head, n);
	if (rec->key.len > 0)
		kc_comp_write(comp, rec->key.p, (size_t)rec->key.len);
	kc_comp_write(comp, value_len, sizeof value_len);
	/* Its errors are sticky: the last answer is that of all. */
	return kc_comp_write(
	    comp, rec->value.p, (size_t)KC_MAX(rec->value.len, 0));
}

/* The header in front of a compressed set, once all of it is known. */
static void
seal_wrapper(const struct down *dn, const struct kc_batch *b, size_t at,
    int64_t last_offset, int64_t max_timestamp)
{
	struct kc_record rec = { .timestamp = max_timestamp,
		.key = KC_STR_NULL };
	uint8_t *p = dn->out->p + at;
	size_t size = dn->out->len - at;
	int8_t attributes = (int8_t)kc_batch_codec(b);
	size_t n;

	if (dn->magic > 0 && kc_batch_append_time(b)) {
		attributes |= KC_ATTR_APPEND_TIME;
		rec.timestamp = b->max_timestamp;
	}
	n = put_head(p, dn->magic, &rec, last_offset, attributes,
	    (int32_t)(size - KC_BATCH_PREFIX));
	kc_be32_put(p + n, (uint32_t)(size - n - 4));
	kc_be32_put(p + KC_BATCH_PREFIX,
	    (uint32_t)crc32_z(
		0, p + KC_BATCH_AT_MAGIC, size - KC_BATCH_AT_MAGIC));
}

/*
 * Room for that header, and the writer behind it.  A plain batch becomes
 * entries side by side, without one.
 */
static int
open_target(
    const struct down *dn, const struct kc_batch *b, struct kc_comp **comp)
{
	static const uint8_t zero[KC_BATCH_PREFIX + KC_LEGACY_V1_OVERHEAD];
	enum kc_codec codec = (enum kc_codec)kc_batch_codec(b);
	struct kc_comp_params params = {
		.codec = codec,
		.level = kc_codec_level_default(codec),
		.size = -1,
		.out = dn->out,
		.lz4_v0 = dn->magic == 0,
	};

	if (codec != KC_CODEC_NONE)
		kc_wr_bytes(dn->out, zero,
		    KC_BATCH_PREFIX +
			(dn->magic == 0 ? KC_LEGACY_V0_OVERHEAD :
					  KC_LEGACY_V1_OVERHEAD));
	if (dn->out->err != KC_OK)
		return dn->out->err;
	return kc_comp_open(comp, dn->ctx, &params);
}

/* Inside a wrapper of magic 1 offsets count from the first record. */
static int
convert_batch(const struct down *dn, const struct kc_batch *b)
{
	bool wrapped = kc_batch_codec(b) != KC_CODEC_NONE;
	bool append_time = kc_batch_append_time(b);
	int64_t first = 0, last = 0, max_ts = KC_NO_TIMESTAMP;
	struct kc_comp *comp = NULL;
	struct source src;
	struct kc_record rec;
	size_t at = dn->out->len;
	int count = 0, index = 0, rc, src_rc;

	if ((rc = open_target(dn, b, &comp)) != KC_OK)
		return rc;
	source_open(&src, b, dn->ctx);
	while (rc == KC_OK && source_next(&src, &rec)) {
		if (!wrapped && rec.offset < dn->fetch_offset)
			continue;
		if (dn->keep != NULL && !dn->keep(dn->arg, index++))
			continue;
		if (count++ == 0 && wrapped && dn->magic > 0)
			first = rec.offset;
		last = rec.offset;
		max_ts = KC_MAX(max_ts, rec.timestamp);
		rc = put_entry(comp, dn, &rec, rec.offset - first, append_time);
	}
	src_rc = source_close(&src);
	if (rc == KC_OK)
		rc = src_rc;
	if (rc == KC_OK && count > 0)
		rc = kc_comp_finish(comp);
	kc_comp_close(&comp);
	if (rc != KC_OK || count == 0)
		dn->out->len = at;
	else if (wrapped)
		seal_wrapper(dn, b, at, last, max_ts);
	return rc;
}

int
kc_legacy_down_convert(struct kc_compress_ctx *ctx, const uint8_t *p,
    size_t len, int8_t magic, int64_t fetch_offset, struct kc_wr *out)
{
	struct down dn = { .ctx = ctx,
		.magic = magic,
		.fetch_offset = fetch_offset,
		.out = out };
	struct kc_batch b;
	bool first = true;
	size_t at;
	int rc;

	KC_ASSERT(magic == 0 || magic == 1);
	for (; (rc = kc_batch_parse(p, len, &b)) == KC_OK;
	     p += b.size, len -= b.size) {
		at = out->len;
		if (b.magic <= magic) {
			kc_wr_bytes(out, b.p, b.size);
			rc = out->err;
		} else if (kc_batch_control(&b)) {
			continue;
		} else if (kc_batch_codec(&b) > KC_CODEC_LZ4) {
			return first ? KC_EUNSUPPORTED : KC_OK;
		} else {
			rc = convert_batch(&dn, &b);
		}
		if (rc == KC_ELIMIT && !first) {
			/* The next fetch begins with this one. */
			out->len = at;
			out->err = KC_OK;
			return KC_OK;
		}
		if (rc != KC_OK)
			return rc;
		first = false;
	}
	return rc == KC_ESHORT ? KC_OK : rc;
}

int
kc_legacy_filter(struct kc_compress_ctx *ctx, const struct kc_batch *b,
    bool (*keep)(void *arg, int index), void *arg, struct kc_wr *out)
{
	struct down dn = { .ctx = ctx,
		.magic = b->magic,
		.keep = keep,
		.arg = arg,
		.out = out };

	KC_ASSERT(b->magic == 0 || b->magic == 1);
	return convert_batch(&dn, b);
}
