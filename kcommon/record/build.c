#include "kcommon/record/build.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/be.h"
#include "kcommon/base/err.h"
#include "kcommon/record/varint.h"

#define MARKER_KEY 4 /* version, type */
#define MARKER_VALUE 6 /* version, coordinator epoch */

const struct kc_build_params kc_build_params_default = {
	.leader_epoch = -1,
	.append_time = KC_NO_TIMESTAMP,
	.delete_horizon = KC_NO_TIMESTAMP,
	.producer_id = KC_NO_PRODUCER_ID,
	.producer_epoch = -1,
	.base_sequence = KC_NO_SEQUENCE,
	.last_delta = -1,
	.max_timestamp = KC_NO_TIMESTAMP,
};

void
kc_build_open(struct kc_build *bld, const struct kc_build_params *params,
    struct kc_compress_ctx *ctx, struct kc_wr *out)
{
	static const uint8_t head[KC_BATCH_OVERHEAD];
	struct kc_comp_params comp = {
		.codec = params->codec,
		.level = params->level,
		.size = -1,
		.out = out,
	};

	*bld = (struct kc_build){ .params = *params,
		.out = out,
		.at = out->len,
		.base_timestamp = KC_NO_TIMESTAMP,
		.max_timestamp = KC_NO_TIMESTAMP };
	bld->params.attributes &= (int16_t)~KC_ATTR_CODEC;
	kc_wr_bytes(out, head, sizeof head);
	bld->err = out->err;
	if (bld->err == KC_OK)
		bld->err = kc_comp_open(&bld->comp, ctx, &comp);
}

/* The first record's, unless compaction keeps a horizon there. */
static int64_t
base_timestamp(const struct kc_build *bld, int64_t first)
{
	if (bld->params.attributes & KC_ATTR_DELETE_HORIZON)
		return bld->params.delete_horizon;
	return first;
}

static void
put(struct kc_build *bld, const void *p, size_t n)
{
	if (bld->err == KC_OK)
		bld->err = kc_comp_write(bld->comp, p, n);
}

/* A length (-1 for null) and its bytes. */
static void
put_slice(struct kc_build *bld, struct kc_str s)
{
	uint8_t len[KC_VARLONG_MAX];

	put(bld, len, kc_varlong_put(len, s.len));
	if (s.len > 0)
		put(bld, s.p, (size_t)s.len);
}

static void
put_record(struct kc_build *bld, const struct kc_record *rec, int64_t ts)
{
	int64_t ts_delta =
	    (int64_t)((uint64_t)ts - (uint64_t)bld->base_timestamp);
	int64_t delta = rec->offset - bld->params.base_offset;
	uint8_t head[4 * KC_VARLONG_MAX];
	size_t n;
	int64_t body;

	body = 1 + (int64_t)kc_varlong_size(ts_delta) +
	    (int64_t)kc_varlong_size(delta) +
	    (int64_t)kc_varlong_size(rec->key.len) + KC_MAX(rec->key.len, 0) +
	    (int64_t)kc_varlong_size(rec->value.len) +
	    KC_MAX(rec->value.len, 0) +
	    (int64_t)kc_varlong_size(rec->nheaders) +
	    KC_MAX(rec->headers.len, 0);
	if (body > INT32_MAX) {
		bld->err = KC_ELIMIT;
		return;
	}
	n = kc_varlong_put(head, body);
	head[n++] = 0; /* attributes */
	n += kc_varlong_put(head + n, ts_delta);
	n += kc_varlong_put(head + n, delta);
	put(bld, head, n);
	put_slice(bld, rec->key);
	put_slice(bld, rec->value);
	n = kc_varlong_put(head, rec->nheaders);
	put(bld, head, n);
	if (rec->headers.len > 0)
		put(bld, rec->headers.p, (size_t)rec->headers.len);
}

int
kc_build_append(struct kc_build *bld, const struct kc_record *rec)
{
	const struct kc_build_params *params = &bld->params;
	int64_t ts = params->attributes & KC_ATTR_APPEND_TIME ?
	    params->append_time :
	    rec->timestamp;

	if (bld->err != KC_OK)
		return bld->err;
	if (rec->offset < params->base_offset ||
	    rec->offset - params->base_offset > INT32_MAX ||
	    (bld->count > 0 && rec->offset <= bld->last_offset) ||
	    bld->count == INT32_MAX)
		return bld->err = KC_EINVAL;
	if (bld->count == 0)
		bld->base_timestamp = base_timestamp(bld, ts);
	put_record(bld, rec, ts);
	bld->max_timestamp = KC_MAX(bld->max_timestamp, ts);
	bld->last_offset = rec->offset;
	bld->count++;
	return bld->err;
}

static void
put_head(const struct kc_build *bld, uint8_t *p, size_t size)
{
	const struct kc_build_params *params = &bld->params;
	int16_t attributes = params->attributes;
	int32_t last_delta = params->last_delta;
	int64_t max_ts = bld->max_timestamp;

	if (bld->count > 0)
		attributes = (int16_t)(attributes | params->codec);
	else
		attributes &= (int16_t)~KC_ATTR_DELETE_HORIZON;
	if (last_delta < 0)
		last_delta = (int32_t)(bld->last_offset - params->base_offset);
	if (params->max_timestamp != KC_NO_TIMESTAMP)
		max_ts = params->max_timestamp;
	kc_batch_set_base_offset(p, params->base_offset);
	kc_be32_put(p + KC_BATCH_AT_LENGTH, (uint32_t)(size - KC_BATCH_PREFIX));
	kc_batch_set_leader_epoch(p, params->leader_epoch);
	p[KC_BATCH_AT_MAGIC] = 2;
	kc_batch_set_attributes(p, attributes);
	kc_be32_put(p + KC_BATCH_AT_LAST_DELTA, (uint32_t)last_delta);
	kc_be64_put(
	    p + KC_BATCH_AT_BASE_TIMESTAMP, (uint64_t)bld->base_timestamp);
	kc_batch_set_max_timestamp(p, max_ts);
	kc_be64_put(p + KC_BATCH_AT_PRODUCER_ID, (uint64_t)params->producer_id);
	kc_be16_put(
	    p + KC_BATCH_AT_PRODUCER_EPOCH, (uint16_t)params->producer_epoch);
	kc_be32_put(
	    p + KC_BATCH_AT_BASE_SEQUENCE, (uint32_t)params->base_sequence);
	kc_be32_put(p + KC_BATCH_AT_COUNT, (uint32_t)bld->count);
	kc_batch_seal(p, size);
}

int
kc_build_finish(struct kc_build *bld)
{
	struct kc_wr *out = bld->out;
	size_t size;

	if (bld->err == KC_OK && bld->count > 0)
		bld->err = kc_comp_finish(bld->comp);
	kc_comp_close(&bld->comp);
	/* An empty batch must say how far its offsets went. */
	if (bld->err == KC_OK && bld->count == 0) {
		if (bld->params.last_delta < 0)
			bld->err = KC_EINVAL;
		out->len = bld->at + KC_BATCH_OVERHEAD;
	}
	size = out->len - bld->at;
	if (bld->err == KC_OK && size > INT32_MAX)
		bld->err = KC_ELIMIT;
	if (bld->err != KC_OK) {
		out->len = bld->at;
		return bld->err;
	}
	put_head(bld, out->p + bld->at, size);
	return KC_OK;
}

void
kc_build_header(struct kc_wr *w, struct kc_str name, struct kc_str value)
{
	KC_ASSERT(name.len >= 0);
	kc_wr_varint(w, name.len);
	kc_wr_bytes(w, name.p, (size_t)name.len);
	kc_wr_varint(w, KC_MAX(value.len, -1));
	if (value.len > 0)
		kc_wr_bytes(w, value.p, (size_t)value.len);
}

int
kc_build_marker(const struct kc_marker *m, int64_t timestamp, struct kc_wr *out)
{
	struct kc_build_params params = kc_build_params_default;
	struct kc_build bld;
	uint8_t key[MARKER_KEY], value[MARKER_VALUE];
	struct kc_record rec = {
		.timestamp = timestamp,
		.key = { (const char *)key, sizeof key },
		.value = { (const char *)value, sizeof value },
		.headers = KC_STR_NULL,
	};

	params.attributes = KC_ATTR_TXN | KC_ATTR_CONTROL;
	params.producer_id = m->producer_id;
	params.producer_epoch = m->producer_epoch;
	kc_be16_put(key, 0);
	kc_be16_put(key + 2, m->commit ? KC_CONTROL_COMMIT : KC_CONTROL_ABORT);
	kc_be16_put(value, 0);
	kc_be32_put(value + 2, (uint32_t)m->coordinator_epoch);
	kc_build_open(&bld, &params, NULL, out);
	kc_build_append(&bld, &rec);
	return kc_build_finish(&bld);
}

int
kc_control_parse(const struct kc_record *rec, enum kc_control *type,
    int32_t *coordinator_epoch)
{
	const uint8_t *key = (const uint8_t *)rec->key.p;
	const uint8_t *value = (const uint8_t *)rec->value.p;
	int16_t number;

	*type = KC_CONTROL_OTHER;
	*coordinator_epoch = -1;
	/* A version to come keeps what is in front; below zero is garbage. */
	if (rec->key.len < MARKER_KEY || (int16_t)kc_be16(key) < 0)
		return KC_EMALFORMED;
	number = (int16_t)kc_be16(key + 2);
	if (number != KC_CONTROL_ABORT && number != KC_CONTROL_COMMIT)
		return KC_OK;
	if (rec->value.len < MARKER_VALUE || (int16_t)kc_be16(value) < 0)
		return KC_EMALFORMED;
	*type = (enum kc_control)number;
	*coordinator_epoch = (int32_t)kc_be32(value + 2);
	return KC_OK;
}
