#include "kcommon/base/err.h"
#include "kcommon/io/frames.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void
feed(struct kc_frames *f, const uint8_t *p, size_t n)
{
	uint8_t *to;
	size_t room, k;

	while (n > 0) {
		cr_assert_eq(kc_frames_room(f, &to, &room), KC_OK);
		cr_assert_gt(room, 0);
		k = KC_MIN(n, room);
		memcpy(to, p, k);
		f->len += k;
		p += k;
		n -= k;
	}
}

/* Goal: sizes out of range are told, as soon as their four bytes are here. */
Test(kc_frames, bad_sizes)
{
	static const struct {
		uint8_t b[4];
		int rc;
		int32_t len;
	} t[] = {
		{ { 0xff, 0xff, 0xff, 0xff }, KC_EMALFORMED, -1 },
		{ { 0x80, 0, 0, 0 }, KC_EMALFORMED, INT32_MIN },
		{ { 0, 0, 0, 101 }, KC_ELIMIT, 101 },
		{ { 'G', 'E', 'T', ' ' }, KC_ELIMIT, 0x47455420 },
		{ { 0, 0, 0, 100 }, KC_EAGAIN, 100 },
	};
	const uint8_t *frame;
	struct kc_frames f;
	int32_t len;
	size_t i;

	for (i = 0; i < KC_COUNT(t); i++) {
		kc_frames_init(&f, 100);
		feed(&f, t[i].b, 3);
		cr_assert_eq(kc_frames_peek(&f, &frame, &len), KC_EAGAIN);
		feed(&f, t[i].b + 3, 1);
		cr_assert_eq(kc_frames_peek(&f, &frame, &len), t[i].rc);
		cr_assert_eq(len, t[i].len);
		kc_frames_fini(&f);
	}
}

/*
 * Goal: memory follows the bytes, not the claim.
 * Method: claim 100 MiB, send a little.
 */
Test(kc_frames, claim_costs_nothing)
{
	static const uint8_t claim[] = { 0x06, 0x40, 0, 0, 1, 2, 3 };
	static uint8_t more[40000];
	struct kc_frames f;

	kc_frames_init(&f, 104857600);
	feed(&f, claim, sizeof claim);
	cr_assert_eq(f.cap, KC_FRAMES_CAP_MIN);
	feed(&f, more, sizeof more);
	cr_assert_leq(f.cap, 2 * (sizeof claim + sizeof more));
	kc_frames_fini(&f);
}

/*
 * Goal: frames come out as they went in, however the stream is cut.
 * Method: frames of all small sizes and some large, fed in pieces of every
 * length.
 */
Test(kc_frames, any_cut)
{
	static const int32_t sizes[] = { 0, 1, 2, 3, 4, 5, 100, 16379, 16380,
		16381, 40000, 0, 7 };
	const uint8_t *frame;
	struct kc_frames f;
	uint8_t *all = NULL;
	size_t total = 0, at, piece, k, i, next;
	int32_t len, j;

	for (i = 0; i < KC_COUNT(sizes); i++)
		total += 4 + (size_t)sizes[i];
	all = malloc(total);
	for (i = 0, at = 0; i < KC_COUNT(sizes); i++) {
		all[at++] = (uint8_t)(sizes[i] >> 24);
		all[at++] = (uint8_t)(sizes[i] >> 16);
		all[at++] = (uint8_t)(sizes[i] >> 8);
		all[at++] = (uint8_t)sizes[i];
		for (j = 0; j < sizes[i]; j++)
			all[at++] = (uint8_t)(i * 31 + (size_t)j);
	}
	for (piece = 1; piece < 70000;
	     piece = piece < 9 ? piece + 1 : piece * 3) {
		kc_frames_init(&f, 100000);
		next = 0;
		for (at = 0; at < total; at += k) {
			k = KC_MIN(piece, total - at);
			feed(&f, all + at, k);
			while (kc_frames_peek(&f, &frame, &len) == KC_OK) {
				cr_assert_eq(len, sizes[next]);
				for (j = 0; j < len; j++)
					cr_assert_eq(frame[j],
					    (uint8_t)(next * 31 + (size_t)j));
				kc_frames_take(&f);
				next++;
			}
		}
		cr_assert_eq(next, KC_COUNT(sizes));
		cr_assert_eq(kc_frames_held(&f), 0);
		kc_frames_fini(&f);
	}
	free(all);
}
