#include "kcommon/io/frames.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_BYTES 4

void
kc_frames_init(struct kc_frames *f, int32_t max)
{
	memset(f, 0, sizeof *f);
	f->max = max;
}

void
kc_frames_fini(struct kc_frames *f)
{
	free(f->p);
	kc_frames_init(f, f->max);
}

int
kc_frames_peek(const struct kc_frames *f, const uint8_t **frame, int32_t *len)
{
	uint32_t be;

	*len = -1;
	if (kc_frames_held(f) < SIZE_BYTES)
		return KC_EAGAIN;
	memcpy(&be, f->p + f->off, sizeof be);
	*len = (int32_t)be32toh(be);
	if (*len < 0)
		return KC_EMALFORMED;
	if (*len > f->max)
		return KC_ELIMIT;
	if (kc_frames_held(f) - SIZE_BYTES < (size_t)*len)
		return KC_EAGAIN;
	*frame = f->p + f->off + SIZE_BYTES;
	return KC_OK;
}

void
kc_frames_take(struct kc_frames *f)
{
	const uint8_t *frame;
	int32_t len;

	KC_ASSERT(kc_frames_peek(f, &frame, &len) == KC_OK);
	f->off += SIZE_BYTES + (size_t)len;
	if (f->off == f->len)
		f->off = f->len = 0;
}

int
kc_frames_room(struct kc_frames *f, uint8_t **p, size_t *room)
{
	size_t cap;
	uint8_t *buf;

	if (f->len == f->cap && f->off > 0) {
		memmove(f->p, f->p + f->off, kc_frames_held(f));
		f->len -= f->off;
		f->off = 0;
	}
	if (f->len == f->cap) {
		/* At most twice what has arrived. */
		cap = f->cap == 0 ? KC_FRAMES_CAP_MIN : f->cap * 2;
		if ((buf = realloc(f->p, cap)) == NULL)
			return KC_ENOMEM;
		f->p = buf;
		f->cap = cap;
	}
	*p = f->p + f->len;
	*room = f->cap - f->len;
	return KC_OK;
}
