/*
 * frames -- splits a byte stream into Kafka's frames: a 4-byte size, then
 * that many bytes.
 *
 * Memory follows what has arrived, never what a size claims: the buffer
 * starts small and doubles as it fills.  A frame lies in one piece.
 *
 * @thread any (one at a time)
 */
#ifndef KC_FRAMES_H
#define KC_FRAMES_H

#include "kcommon/base/kc.h"

#define KC_FRAMES_CAP_MIN (16 * 1024)

struct kc_frames {
	uint8_t *p; /* malloc'ed; NULL while nothing is held */
	size_t cap;
	size_t off; /* where the next frame starts; off <= len */
	size_t len; /* what has arrived */
	int32_t max; /* largest frame without its size */
};

void kc_frames_init(struct kc_frames *f, int32_t max);
void kc_frames_fini(struct kc_frames *f);
/*
 * The next frame, without its size, or KC_EAGAIN (more bytes are needed),
 * KC_ELIMIT (*len is above max) or KC_EMALFORMED (below 0).  *len is the
 * claimed size, -1 when that has not arrived.
 */
int kc_frames_peek(
    const struct kc_frames *f, const uint8_t **frame, int32_t *len);
/* Done with the frame that peek gave; pointers into it end here. */
void kc_frames_take(struct kc_frames *f);
/*
 * Where the next bytes go: *room > 0 bytes at *p; then add n to f->len.
 * Moves a frame that is held, so not between peek and take.  KC_ENOMEM.
 */
int kc_frames_room(struct kc_frames *f, uint8_t **p, size_t *room);
/* Bytes of frames not taken yet. */
static inline size_t
kc_frames_held(const struct kc_frames *f)
{
	return f->len - f->off;
}

#endif
