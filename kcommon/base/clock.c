#include "kcommon/base/clock.h"

#include <time.h>

static int64_t
system_mono_ns(KC_UNUSED struct kc_clock *c)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t
system_wall_ms(KC_UNUSED struct kc_clock *c)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct kc_clock kc_clock_system = { system_mono_ns, system_wall_ms };
