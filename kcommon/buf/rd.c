#include "kcommon/buf/rd.h"

#include "kcommon/base/err.h"

#include <endian.h>

void
kc_rd_init(struct kc_rd *r, const void *frame, size_t len)
{
	/* NULL is fine for nothing, but adding to it would not be C. */
	r->p = frame != NULL ? frame : (const void *)"";
	r->end = r->p + len;
	r->err = KC_OK;
}

void
kc_rd_fail(struct kc_rd *r, int err)
{
	if (r->err == KC_OK)
		r->err = err;
	r->p = r->end;
}

size_t
kc_rd_left(const struct kc_rd *r)
{
	return (size_t)(r->end - r->p);
}

const uint8_t *
kc_rd_bytes(struct kc_rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (KC_UNLIKELY(r->err != KC_OK))
		return NULL;
	if (KC_UNLIKELY(n > kc_rd_left(r))) {
		kc_rd_fail(r, KC_EMALFORMED);
		return NULL;
	}
	r->p += n;
	return p;
}

int8_t
kc_rd_i8(struct kc_rd *r)
{
	const uint8_t *p = kc_rd_bytes(r, 1);

	return p == NULL ? 0 : (int8_t)*p;
}

uint16_t
kc_rd_u16(struct kc_rd *r)
{
	const uint8_t *p = kc_rd_bytes(r, 2);
	uint16_t v;

	if (p == NULL)
		return 0;
	memcpy(&v, p, sizeof v);
	return be16toh(v);
}

uint32_t
kc_rd_u32(struct kc_rd *r)
{
	const uint8_t *p = kc_rd_bytes(r, 4);
	uint32_t v;

	if (p == NULL)
		return 0;
	memcpy(&v, p, sizeof v);
	return be32toh(v);
}

static uint64_t
read_u64(struct kc_rd *r)
{
	const uint8_t *p = kc_rd_bytes(r, 8);
	uint64_t v;

	if (p == NULL)
		return 0;
	memcpy(&v, p, sizeof v);
	return be64toh(v);
}

int16_t
kc_rd_i16(struct kc_rd *r)
{
	return (int16_t)kc_rd_u16(r);
}

int32_t
kc_rd_i32(struct kc_rd *r)
{
	return (int32_t)kc_rd_u32(r);
}

int64_t
kc_rd_i64(struct kc_rd *r)
{
	return (int64_t)read_u64(r);
}

double
kc_rd_f64(struct kc_rd *r)
{
	uint64_t bits = read_u64(r);
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

void
kc_rd_uuid(struct kc_rd *r, struct kc_uuid *u)
{
	const uint8_t *p = kc_rd_bytes(r, sizeof u->b);

	if (p == NULL)
		*u = KC_UUID_ZERO;
	else
		memcpy(u->b, p, sizeof u->b);
}

/*
 * LEB128 of at most bytes_max bytes.  Bits of the last byte that do not fit
 * are dropped, as Kafka's ByteUtils does; one more byte is an error.
 */
static uint64_t
read_leb128(struct kc_rd *r, int bytes_max)
{
	uint64_t v = 0;
	int i;

	for (i = 0; i < bytes_max; i++) {
		const uint8_t *p = kc_rd_bytes(r, 1);

		if (p == NULL)
			return 0;
		v |= (uint64_t)(*p & 0x7f) << (7 * i);
		if ((*p & 0x80) == 0)
			return v;
	}
	kc_rd_fail(r, KC_EMALFORMED);
	return 0;
}

uint32_t
kc_rd_uvarint(struct kc_rd *r)
{
	/* Most lengths and all empty tag sections are one byte. */
	if (KC_LIKELY(r->p < r->end && *r->p < 0x80))
		return *r->p++;
	return (uint32_t)read_leb128(r, 5);
}

int32_t
kc_rd_varint(struct kc_rd *r)
{
	uint32_t v = kc_rd_uvarint(r);

	return (int32_t)((v >> 1) ^ -(v & 1));
}

int64_t
kc_rd_varlong(struct kc_rd *r)
{
	uint64_t v = read_leb128(r, 10);

	return (int64_t)((v >> 1) ^ -(v & 1));
}

static struct kc_str
read_slice(struct kc_rd *r, int32_t len)
{
	const uint8_t *p;

	if (len < 0 || (p = kc_rd_bytes(r, (size_t)len)) == NULL)
		return KC_STR_NULL;
	return (struct kc_str){ (const char *)p, len };
}

struct kc_str
kc_rd_str(struct kc_rd *r)
{
	int16_t len = kc_rd_i16(r);

	return r->err != KC_OK ? KC_STR_NULL : read_slice(r, len);
}

struct kc_str
kc_rd_cstr(struct kc_rd *r)
{
	/* Above 2^31 the difference is negative: null, as for a real broker. */
	int32_t len = (int32_t)(kc_rd_uvarint(r) - 1);

	return r->err != KC_OK ? KC_STR_NULL : read_slice(r, len);
}

int
kc_rd_finish(const struct kc_rd *r)
{
	if (r->err != KC_OK)
		return r->err;
	return r->p == r->end ? KC_OK : KC_EMALFORMED;
}
