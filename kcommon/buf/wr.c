#include "kcommon/buf/wr.h"

#include "kcommon/base/err.h"

#include <endian.h>
#include <stdlib.h>

/* The first allocation; most answers fit. */
#define WR_CAP_MIN 256

void
kc_wr_init(struct kc_wr *w, size_t max)
{
	*w = (struct kc_wr){ .max = max != 0 ? max : INT32_MAX };
}

void
kc_wr_reset(struct kc_wr *w)
{
	size_t i;

	for (i = 0; i < w->ncuts; i++)
		kc_fileref_put(&w->cuts[i].file);
	w->ncuts = 0;
	w->cut_bytes = 0;
	w->len = 0;
	w->err = KC_OK;
}

void
kc_wr_fini(struct kc_wr *w)
{
	kc_wr_reset(w);
	free(w->cuts);
	free(w->p);
	*w = (struct kc_wr){ .max = w->max };
}

void
kc_wr_fail(struct kc_wr *w, int err)
{
	if (w->err == KC_OK)
		w->err = err;
}

static bool
grow(struct kc_wr *w, size_t n)
{
	size_t cap = KC_MAX(w->cap, (size_t)WR_CAP_MIN);
	uint8_t *p;

	if (n > w->max - w->len) {
		kc_wr_fail(w, KC_ELIMIT);
		return false;
	}
	while (cap - w->len < n)
		cap *= 2; /* cannot wrap: len + n <= max */
	if ((p = realloc(w->p, cap)) == NULL) {
		kc_wr_fail(w, KC_ENOMEM);
		return false;
	}
	w->p = p;
	w->cap = cap;
	return true;
}

static inline bool
room(struct kc_wr *w, size_t n)
{
	if (KC_UNLIKELY(w->err != KC_OK))
		return false;
	/* The limit counts even where the last doubling went beyond it. */
	if (KC_LIKELY(n <= w->cap - w->len && n <= w->max - w->len))
		return true;
	return grow(w, n);
}

bool
kc_wr_room(struct kc_wr *w, size_t n)
{
	return room(w, n);
}

/* Inline, so that numbers are stored and not copied by a call. */
static inline void
append(struct kc_wr *w, const void *p, size_t n)
{
	if (!room(w, n))
		return;
	memcpy(w->p + w->len, p, n);
	w->len += n;
}

void
kc_wr_bytes(struct kc_wr *w, const void *p, size_t n)
{
	if (n > 0)
		append(w, p, n);
}

void
kc_wr_i8(struct kc_wr *w, int8_t v)
{
	append(w, &v, sizeof v);
}

void
kc_wr_u16(struct kc_wr *w, uint16_t v)
{
	v = htobe16(v);
	append(w, &v, sizeof v);
}

void
kc_wr_u32(struct kc_wr *w, uint32_t v)
{
	v = htobe32(v);
	append(w, &v, sizeof v);
}

static void
write_u64(struct kc_wr *w, uint64_t v)
{
	v = htobe64(v);
	append(w, &v, sizeof v);
}

void
kc_wr_i16(struct kc_wr *w, int16_t v)
{
	kc_wr_u16(w, (uint16_t)v);
}

void
kc_wr_i32(struct kc_wr *w, int32_t v)
{
	kc_wr_u32(w, (uint32_t)v);
}

void
kc_wr_i64(struct kc_wr *w, int64_t v)
{
	write_u64(w, (uint64_t)v);
}

void
kc_wr_f64(struct kc_wr *w, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	write_u64(w, bits);
}

void
kc_wr_uuid(struct kc_wr *w, const struct kc_uuid *u)
{
	append(w, u->b, sizeof u->b);
}

static void
write_leb128(struct kc_wr *w, uint64_t v)
{
	uint8_t buf[10];
	size_t n = 0;

	if (KC_LIKELY(v < 0x80)) { /* most lengths */
		buf[0] = (uint8_t)v;
		append(w, buf, 1);
		return;
	}
	while (v >= 0x80) {
		buf[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	buf[n++] = (uint8_t)v;
	kc_wr_bytes(w, buf, n);
}

void
kc_wr_uvarint(struct kc_wr *w, uint32_t v)
{
	write_leb128(w, v);
}

void
kc_wr_varint(struct kc_wr *w, int32_t v)
{
	write_leb128(w, ((uint32_t)v << 1) ^ (v < 0 ? UINT32_MAX : 0));
}

void
kc_wr_varlong(struct kc_wr *w, int64_t v)
{
	write_leb128(w, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

void
kc_wr_str(struct kc_wr *w, struct kc_str s)
{
	if (s.len > INT16_MAX) {
		kc_wr_fail(w, KC_ERANGE);
		return;
	}
	kc_wr_i16(w, (int16_t)(s.len < 0 ? -1 : s.len));
	if (s.len > 0)
		kc_wr_bytes(w, s.p, (size_t)s.len);
}

void
kc_wr_cstr(struct kc_wr *w, struct kc_str s)
{
	kc_wr_uvarint(w, s.len < 0 ? 0 : (uint32_t)s.len + 1);
	if (s.len > 0)
		kc_wr_bytes(w, s.p, (size_t)s.len);
}

static bool
grow_cuts(struct kc_wr *w)
{
	size_t cap = w->cuts_cap == 0 ? 8 : w->cuts_cap * 2;
	struct kc_cut *cuts = reallocarray(w->cuts, cap, sizeof *cuts);

	if (cuts == NULL) {
		kc_wr_fail(w, KC_ENOMEM);
		return false;
	}
	w->cuts = cuts;
	w->cuts_cap = cap;
	return true;
}

void
kc_wr_file(struct kc_wr *w, struct kc_fileref *file, int64_t off, size_t len)
{
	if (w->err != KC_OK || len == 0)
		return;
	/* A frame's size is an int32, files included. */
	if (len > INT32_MAX || kc_wr_total(w) > INT32_MAX - len) {
		kc_wr_fail(w, KC_ELIMIT);
		return;
	}
	if (w->ncuts == w->cuts_cap && !grow_cuts(w))
		return;
	w->cuts[w->ncuts++] = (struct kc_cut){ .at = w->len,
		.file = kc_fileref_get(file),
		.off = off,
		.len = len };
	w->cut_bytes += len;
}

void
kc_wr_patch_i32(struct kc_wr *w, size_t at, int32_t v)
{
	uint32_t be = htobe32((uint32_t)v);

	if (w->err != KC_OK)
		return;
	KC_ASSERT(at + sizeof be <= w->len);
	memcpy(w->p + at, &be, sizeof be);
}

size_t
kc_wr_total(const struct kc_wr *w)
{
	return w->len + w->cut_bytes;
}
