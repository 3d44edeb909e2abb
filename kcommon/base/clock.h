/*
 * clock -- the two times a broker knows, through the environment.
 *
 * mono_ns is for deadlines and ages and never goes back; wall_ms is Kafka's
 * timestamp (milliseconds since 1970) and may jump.
 */
#ifndef KC_CLOCK_H
#define KC_CLOCK_H

#include "kcommon/base/kc.h"

struct kc_clock {
	int64_t (*mono_ns)(struct kc_clock *c);
	int64_t (*wall_ms)(struct kc_clock *c);
};

extern struct kc_clock kc_clock_system; /* stateless */

static inline int64_t
kc_mono_ns(struct kc_clock *c)
{
	return c->mono_ns(c);
}

static inline int64_t
kc_mono_ms(struct kc_clock *c)
{
	return c->mono_ns(c) / 1000000;
}

static inline int64_t
kc_wall_ms(struct kc_clock *c)
{
	return c->wall_ms(c);
}

#endif
