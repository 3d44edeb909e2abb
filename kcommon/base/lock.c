#include "kcommon/base/lock.h"

#include "kcommon/base/assert.h"

#include <errno.h>
#include <time.h>

#ifdef KC_LOCK_CHECK

#define HELD_MAX 16 /* deeper nesting is a bug in itself */

/* What this thread holds, in the order taken. */
static _Thread_local const struct kc_lock *held[HELD_MAX];
static _Thread_local int held_n;

static int
held_at(const struct kc_lock *l)
{
	int i;

	for (i = held_n - 1; i >= 0; i--)
		if (held[i] == l)
			return i;
	return -1;
}

/* Before the lock is waited for, so that a deadlock is a panic instead. */
static void
check_order(const struct kc_lock *l)
{
	int i;

	KC_ASSERT(held_n < HELD_MAX);
	for (i = 0; i < held_n; i++) {
		KC_ASSERT(held[i] != l);
		KC_ASSERT(held[i]->rank != 0);
		KC_ASSERT(l->rank == 0 || l->rank > held[i]->rank);
	}
}

static void
note_taken(const struct kc_lock *l)
{
	held[held_n++] = l;
}

static void
note_dropped(const struct kc_lock *l)
{
	int i = held_at(l);

	KC_ASSERT(i >= 0);
	for (held_n--; i < held_n; i++)
		held[i] = held[i + 1];
}

/* A wait takes l again: it must be the last in rank of those held. */
static void
check_wait(const struct kc_lock *l)
{
	KC_ASSERT(held_n > 0 && held[held_n - 1] == l);
}

#else

static inline void
check_order(KC_UNUSED const struct kc_lock *l)
{
}

static inline void
note_taken(KC_UNUSED const struct kc_lock *l)
{
}

static inline void
note_dropped(KC_UNUSED const struct kc_lock *l)
{
}

static inline void
check_wait(KC_UNUSED const struct kc_lock *l)
{
}

#endif

void
kc_lock_init(struct kc_lock *l, int rank, const char *name)
{
	KC_ASSERT(pthread_mutex_init(&l->m, NULL) == 0);
	l->rank = rank;
	l->name = name;
}

void
kc_lock_fini(struct kc_lock *l)
{
	KC_ASSERT(pthread_mutex_destroy(&l->m) == 0);
}

void
kc_lock_take(struct kc_lock *l)
{
	check_order(l);
	KC_ASSERT(pthread_mutex_lock(&l->m) == 0);
	note_taken(l);
}

void
kc_lock_drop(struct kc_lock *l)
{
	note_dropped(l);
	KC_ASSERT(pthread_mutex_unlock(&l->m) == 0);
}

void
kc_lock_assert_held(KC_UNUSED const struct kc_lock *l)
{
#ifdef KC_LOCK_CHECK
	KC_ASSERT(held_at(l) >= 0);
#endif
}

void
kc_lock_assert_none(void)
{
#ifdef KC_LOCK_CHECK
	KC_ASSERT(held_n == 0);
#endif
}

void
kc_cond_init(struct kc_cond *c)
{
	pthread_condattr_t attr;

	KC_ASSERT(pthread_condattr_init(&attr) == 0);
	KC_ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	KC_ASSERT(pthread_cond_init(&c->c, &attr) == 0);
	(void)pthread_condattr_destroy(&attr);
}

void
kc_cond_fini(struct kc_cond *c)
{
	KC_ASSERT(pthread_cond_destroy(&c->c) == 0);
}

void
kc_cond_wait(struct kc_cond *c, struct kc_lock *l)
{
	check_wait(l);
	KC_ASSERT(pthread_cond_wait(&c->c, &l->m) == 0);
}

#define WAIT_MS_MAX ((int64_t)1000 * 86400 * 365) /* keeps tv_sec in range */

bool
kc_cond_wait_ms(struct kc_cond *c, struct kc_lock *l, int64_t timeout_ms)
{
	struct timespec ts;
	int rc;

	check_wait(l);
	timeout_ms = KC_MIN(KC_MAX(timeout_ms, 0), WAIT_MS_MAX);
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += timeout_ms / 1000;
	ts.tv_nsec += timeout_ms % 1000 * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	rc = pthread_cond_timedwait(&c->c, &l->m, &ts);
	KC_ASSERT(rc == 0 || rc == ETIMEDOUT);
	return rc == 0;
}

void
kc_cond_signal(struct kc_cond *c)
{
	KC_ASSERT(pthread_cond_signal(&c->c) == 0);
}

void
kc_cond_broadcast(struct kc_cond *c)
{
	KC_ASSERT(pthread_cond_broadcast(&c->c) == 0);
}
