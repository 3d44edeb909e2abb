#include "kcommon/record/iter.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/record/varint.h"

#include <stdlib.h>

#define WINDOW 65536
#define FIELD_MAX 10 /* the longest varlong */

void
kc_iter_open(struct kc_iter *it, const struct kc_batch *b,
    enum kc_iter_mode mode, struct kc_compress_ctx *ctx)
{
	struct kc_decomp_params params = {
		.in = b->p + KC_BATCH_OVERHEAD,
		.len = b->size - KC_BATCH_OVERHEAD,
	};

	KC_ASSERT(b->magic == 2);
	*it = (struct kc_iter){ .batch = *b,
		.mode = mode,
		.held_max = KC_RECORD_HELD_MAX,
		.append_time = kc_batch_append_time(b),
		.p = b->p + KC_BATCH_OVERHEAD,
		.end = b->p + b->size,
		.eof = true };
	if (b->count < 0)
		it->err = KC_EMALFORMED;
	/* A batch emptied by compaction is not compressed, whatever it says. */
	if (b->count <= 0 || kc_batch_codec(b) == KC_CODEC_NONE)
		return;
	if (kc_batch_codec(b) > KC_CODEC_MAX) {
		it->err = KC_EUNSUPPORTED;
		return;
	}
	params.codec = (enum kc_codec)kc_batch_codec(b);
	if ((it->window = malloc(WINDOW)) == NULL) {
		it->err = KC_ENOMEM;
		return;
	}
	it->window_cap = WINDOW;
	it->p = it->end = it->window;
	it->eof = false;
	it->err = kc_decomp_open(&it->decomp, ctx, &params);
}

int
kc_iter_close(struct kc_iter *it)
{
	kc_decomp_close(&it->decomp);
	free(it->window);
	it->window = NULL;
	it->p = it->end = NULL;
	return it->err;
}

/*
 * Moves what is at hand to the window's begin and makes the window hold n
 * bytes, at most doubling it: a record that only claims to be large must
 * deliver before it gets more memory.
 */
static bool
widen(struct kc_iter *it, size_t n)
{
	size_t have = (size_t)(it->end - it->p);
	size_t cap = KC_MIN(n, it->window_cap * 2);
	uint8_t *w;

	memmove(it->window, it->p, have);
	if (cap > it->window_cap) {
		if ((w = realloc(it->window, cap)) == NULL) {
			it->p = it->window;
			it->end = it->window + have;
			it->err = KC_ENOMEM;
			return false;
		}
		it->window = w;
		it->window_cap = cap;
	}
	it->p = it->window;
	it->end = it->window + have;
	return true;
}

/* True when n bytes are at hand; false at the end of the data or on error. */
static bool
need(struct kc_iter *it, size_t n)
{
	size_t have, got;

	while ((have = (size_t)(it->end - it->p)) < n) {
		if (it->eof || it->err != KC_OK || !widen(it, n))
			return false;
		it->err = kc_decomp_read(
		    it->decomp, it->window + have, it->window_cap - have, &got);
		it->end += got;
		if (got == 0)
			it->eof = true;
	}
	return true;
}

static bool
malformed(struct kc_iter *it)
{
	if (it->err == KC_OK)
		it->err = KC_EMALFORMED;
	return false;
}

/*
 * A length and its bytes.  Below zero is null, as Kafka reads it, except for
 * a header's name.
 */
static inline bool
get_slice(const uint8_t **p, const uint8_t *end, struct kc_str *s)
{
	int32_t len;

	if (!kc_varint_get(p, end, &len) || len > end - *p)
		return false;
	s->p = len < 0 ? NULL : (const char *)*p;
	s->len = len < 0 ? -1 : len;
	*p += len < 0 ? 0 : len;
	return true;
}

/* Steps over n headers, which must end at the body's end. */
static bool
skip_headers(const uint8_t *p, const uint8_t *end, int32_t n)
{
	struct kc_str name, value;

	if (n < 0 || n > (end - p) / 2)
		return false;
	for (; n > 0; n--)
		if (!get_slice(&p, end, &name) || name.len < 0 ||
		    !get_slice(&p, end, &value))
			return false;
	return p == end;
}

static inline void
place(const struct kc_iter *it, struct kc_record *rec, int64_t ts_delta)
{
	rec->offset =
	    (int64_t)((uint64_t)it->batch.base_offset + (uint64_t)rec->delta);
	rec->timestamp = it->append_time ?
	    it->batch.max_timestamp :
	    (int64_t)((uint64_t)it->batch.base_timestamp + (uint64_t)ts_delta);
}

/* A record whose body lies at p as a whole. */
static inline bool
parse_body(
    struct kc_iter *it, const uint8_t *p, int32_t size, struct kc_record *rec)
{
	const uint8_t *end = p + size;
	int64_t ts_delta;

	if (size < 1)
		return false;
	p++; /* attributes, unused */
	if (!kc_varlong_get(&p, end, &ts_delta) ||
	    !kc_varint_get(&p, end, &rec->delta) ||
	    !get_slice(&p, end, &rec->key) ||
	    !get_slice(&p, end, &rec->value) ||
	    !kc_varint_get(&p, end, &rec->nheaders))
		return false;
	if (rec->nheaders == 0 ? p != end :
				 !skip_headers(p, end, rec->nheaders))
		return false;
	rec->size = size;
	rec->headers.p = (const char *)p;
	rec->headers.len = (int32_t)(end - p);
	place(it, rec, ts_delta);
	return true;
}

/* Drop n bytes of a body of which *left remain. */
static bool
drop(struct kc_iter *it, int32_t *left, int32_t n)
{
	int32_t piece;

	if (n > *left)
		return malformed(it);
	*left -= KC_MAX(n, 0);
	for (; n > 0; n -= piece) {
		if (!need(it, 1))
			return malformed(it);
		piece = (int32_t)KC_MIN((ptrdiff_t)n, it->end - it->p);
		it->p += piece;
	}
	return true;
}

static bool
take_varlong(struct kc_iter *it, int32_t *left, int64_t *v)
{
	const uint8_t *p, *end;

	if (!need(it, FIELD_MAX) && it->err != KC_OK)
		return false;
	p = it->p;
	end = it->end - p > *left ? p + *left : it->end;
	if (!kc_varlong_get(&p, end, v))
		return malformed(it);
	*left -= (int32_t)(p - it->p);
	it->p = p;
	return true;
}

static bool
take_varint(struct kc_iter *it, int32_t *left, int32_t *v)
{
	int32_t was = *left;
	int64_t wide;

	if (!take_varlong(it, left, &wide))
		return false;
	if (was - *left > 5 || wide < INT32_MIN || wide > INT32_MAX)
		return malformed(it);
	*v = (int32_t)wide;
	return true;
}

/*
 * A record larger than the window, of which nothing is to be kept: the same
 * checks as parse_body(), a piece at a time.
 */
static bool
skip_large(struct kc_iter *it, int32_t size, struct kc_record *rec)
{
	int32_t left = size, n, len;
	int64_t ts_delta;

	if (!drop(it, &left, 1) || !take_varlong(it, &left, &ts_delta) ||
	    !take_varint(it, &left, &rec->delta) ||
	    !take_varint(it, &left, &rec->key.len) ||
	    !drop(it, &left, rec->key.len) ||
	    !take_varint(it, &left, &rec->value.len) ||
	    !drop(it, &left, rec->value.len) ||
	    !take_varint(it, &left, &rec->nheaders))
		return false;
	if (rec->nheaders < 0 || rec->nheaders > left / 2)
		return malformed(it);
	for (n = rec->nheaders; n > 0; n--) {
		if (!take_varint(it, &left, &len))
			return false;
		if (len < 0)
			return malformed(it);
		if (!drop(it, &left, len) || !take_varint(it, &left, &len) ||
		    !drop(it, &left, len))
			return false;
	}
	if (left != 0)
		return malformed(it);
	rec->key.len = KC_MAX(rec->key.len, -1);
	rec->value.len = KC_MAX(rec->value.len, -1);
	rec->key.p = rec->value.p = NULL;
	rec->headers = KC_STR_NULL;
	rec->size = size;
	place(it, rec, ts_delta);
	return true;
}

/* After the last record nothing may be left. */
static bool
at_end(struct kc_iter *it)
{
	if (need(it, 1))
		malformed(it);
	return false;
}

bool
kc_iter_next(struct kc_iter *it, struct kc_record *rec)
{
	int32_t size;

	if (it->err != KC_OK)
		return false;
	if (it->index == it->batch.count)
		return at_end(it);
	if (it->end - it->p < FIELD_MAX && !need(it, FIELD_MAX) &&
	    it->err != KC_OK)
		return false;
	if (!kc_varint_get(&it->p, it->end, &size) || size < 0)
		return malformed(it);
	if (KC_UNLIKELY(it->end - it->p < size)) {
		if (it->mode == KC_ITER_SKIP && size > WINDOW) {
			it->index++;
			return skip_large(it, size, rec);
		}
		if (it->eof)
			return malformed(it);
		if (size > it->held_max) {
			it->err = KC_ELIMIT;
			return false;
		}
		if (!need(it, (size_t)size))
			return malformed(it);
	}
	if (!parse_body(it, it->p, size, rec))
		return malformed(it);
	it->p += size;
	it->index++;
	return true;
}

bool
kc_record_header(const struct kc_record *rec, size_t *at, struct kc_str *name,
    struct kc_str *value)
{
	const uint8_t *p, *end;

	if (rec->headers.len <= 0 || *at >= (size_t)rec->headers.len)
		return false;
	p = (const uint8_t *)rec->headers.p + *at;
	end = (const uint8_t *)rec->headers.p + rec->headers.len;
	if (!get_slice(&p, end, name) || !get_slice(&p, end, value))
		return false;
	*at = (size_t)((const char *)p - rec->headers.p);
	return true;
}
