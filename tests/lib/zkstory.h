/*
 * zkstory -- a test of kzk: a ZooKeeper of its own, a loop, and the story
 * told on a fiber.
 */
#ifndef KT_ZKSTORY_H
#define KT_ZKSTORY_H

#include "kcommon/base/clock.h"
#include "kcommon/base/env.h"
#include "kcommon/base/err.h"
#include "kcommon/io/ev.h"
#include "kcommon/io/fiber.h"
#include "kzk/await.h"
#include "kzk/kzk.h"
#include "tests/lib/cluster.h"
#include "tests/lib/proxy.h"
#include "tests/lib/test.h"

struct kt_zkstory {
	struct kt_cluster *c; /* ZooKeeper alone */
	struct kt_proxy proxy; /* to it */
	struct kc_loop *loop;
	struct kc_env env;
};

/*
 * Runs story on a fiber of a new loop and ends when it returns.  argc and argv
 * are main()'s.
 */
int kt_zkstory_run(int argc, char **argv, void (*story)(struct kt_zkstory *t));

/* A connected session; root is its chroot ("" or "/x"). */
struct kzk *kt_zkstory_open(
    struct kt_zkstory *t, const char *root, bool by_proxy);
/* The parameters that it uses, to change some. */
struct kzk_params kt_zkstory_params(struct kt_zkstory *t, char *connect,
    size_t cap, const char *root, bool by_proxy);

/* Let the loop run until *flag, at most limit_ms. */
#define KT_FIBER_UNTIL(limit_ms, cond)                                         \
	do {                                                                   \
		int64_t end_ = kt_now_ms() + (limit_ms);                       \
		while (!(cond)) {                                              \
			if (kt_now_ms() > end_)                                \
				kt_fail(__FILE__, __LINE__,                    \
				    "still not so after %d ms: %s",            \
				    (int)(limit_ms), #cond);                   \
			kc_fiber_sleep(5);                                     \
		}                                                              \
	} while (0)

#define KT_OK(rc)                                                              \
	do {                                                                   \
		int rc_ = (rc);                                                \
		if (rc_ != KC_OK)                                              \
			kt_fail(__FILE__, __LINE__, "%s: %s", #rc,             \
			    kc_strerror(rc_));                                 \
	} while (0)

#define KT_ERR(rc, want)                                                       \
	do {                                                                   \
		int rc_ = (rc);                                                \
		if (rc_ != (want))                                             \
			kt_fail(__FILE__, __LINE__, "%s: %s, not %s", #rc,     \
			    kc_strerror(rc_), kc_strerror(want));              \
	} while (0)

#endif
