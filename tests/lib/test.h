/*
 * test -- what every program under tests/ that is not Criterion's needs.
 *
 * A failed check says where and why, and ends the program with status 1; the
 * automake driver reports it.  Nothing here sleeps blindly: waiting is
 * polling a condition until a deadline.
 *
 * @thread any
 */
#ifndef KT_TEST_H
#define KT_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define KT_SKIP 77 /* automake: the test could not run here */

/* Say what is wrong and exit(1).  atexit handlers clean up. */
void kt_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 3, 4)));

/* Say why the test cannot run here and exit(KT_SKIP). */
void kt_skip(const char *fmt, ...)
    __attribute__((noreturn, format(printf, 1, 2)));

/* Report a step of the story on standard output, with the time it took. */
void kt_step(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int64_t kt_now_ms(void); /* monotonic */
void kt_nap_ms(int ms);

/* Whether a kt_fail() has begun, so that cleaning up keeps the evidence. */
bool kt_failed(void);

#define KT_CHECK(cond)                                                         \
	do {                                                                   \
		if (!(cond))                                                   \
			kt_fail(__FILE__, __LINE__, "%s", #cond);              \
	} while (0)

#define KT_CHECKF(cond, ...)                                                   \
	do {                                                                   \
		if (!(cond))                                                   \
			kt_fail(__FILE__, __LINE__, __VA_ARGS__);              \
	} while (0)

#define KT_EQ(got, want)                                                       \
	do {                                                                   \
		long long got_ = (long long)(got);                             \
		long long want_ = (long long)(want);                           \
		if (got_ != want_)                                             \
			kt_fail(__FILE__, __LINE__, "%s is %lld, not %lld",    \
			    #got, got_, want_);                                \
	} while (0)

/* Poll cond every 10 ms; fail once it stayed false for limit_ms. */
#define KT_UNTIL(limit_ms, cond)                                               \
	do {                                                                   \
		int64_t end_ = kt_now_ms() + (limit_ms);                       \
		while (!(cond)) {                                              \
			if (kt_now_ms() > end_)                                \
				kt_fail(__FILE__, __LINE__,                    \
				    "still not so after %d ms: %s",            \
				    (int)(limit_ms), #cond);                   \
			kt_nap_ms(10);                                         \
		}                                                              \
	} while (0)

#endif
