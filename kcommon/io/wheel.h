/*
 * wheel -- a hierarchical timer wheel over struct kc_timer.
 *
 * Level k has 64 slots of 64^k milliseconds.  A timer lies on the lowest
 * level at which its due time and now share all higher digits (base 64), in
 * the slot of its digit; so
 *   - slots up to and with now's own digit are empty on every level,
 *   - what is on a lower level comes before what is on a higher one,
 * and the next thing to do is the first occupied slot of the lowest level
 * that has one.  Setting and cancelling are O(1); a timer moves down at most
 * once a level.
 *
 * @thread one at a time (the loop's)
 */
#ifndef KC_WHEEL_H
#define KC_WHEEL_H

#include "kcommon/io/ev.h"

#define KC_WHEEL_BITS 6
#define KC_WHEEL_SLOTS (1 << KC_WHEEL_BITS)
#define KC_WHEEL_LEVELS 8 /* 2^48 ms; a later due time is cut to that */

struct kc_wheel {
	int64_t now_ms; /* >= 0; never goes back */
	uint64_t occupied[KC_WHEEL_LEVELS]; /* bit per slot */
	struct kc_timer *slot[KC_WHEEL_LEVELS][KC_WHEEL_SLOTS];
	struct kc_timer *expired; /* taken out, about to fire */
};

void kc_wheel_init(struct kc_wheel *w, int64_t now_ms);
void kc_wheel_set(struct kc_wheel *w, struct kc_timer *t, int64_t due_ms);
void kc_wheel_cancel(struct kc_wheel *w, struct kc_timer *t);
/* No timer fires before this; -1 when none is set.  May be an early guess. */
int64_t kc_wheel_next_ms(const struct kc_wheel *w);
/* Fires everything due up to now_ms; callbacks may set and cancel. */
void kc_wheel_advance(struct kc_wheel *w, int64_t now_ms);

#endif
