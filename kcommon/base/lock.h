/*
 * lock -- mutexes and condition variables with ranks.
 *
 * A thread takes locks in rising rank only.  Builds with --enable-developer
 * (KC_LOCK_CHECK) assert it on every acquisition; others pay nothing.  The
 * ranks of the broker are in kbroker/locks.def; 0 means "a leaf: nothing is
 * taken while it is held".
 */
#ifndef KC_LOCK_H
#define KC_LOCK_H

#include "kcommon/base/kc.h"

#include <pthread.h>

struct kc_lock {
	pthread_mutex_t m;
	int rank; /* 0 is a leaf */
	const char *name;
};

struct kc_cond {
	pthread_cond_t c; /* on CLOCK_MONOTONIC */
};

void kc_lock_init(struct kc_lock *l, int rank, const char *name);
void kc_lock_fini(struct kc_lock *l);
void kc_lock_take(struct kc_lock *l);
void kc_lock_drop(struct kc_lock *l);
/* Asserts (developer builds) that this thread holds it. */
void kc_lock_assert_held(const struct kc_lock *l);
/* Asserts (developer builds) that this thread holds no lock at all. */
void kc_lock_assert_none(void);

void kc_cond_init(struct kc_cond *c);
void kc_cond_fini(struct kc_cond *c);
void kc_cond_wait(struct kc_cond *c, struct kc_lock *l);
/* False when timeout_ms passed. */
bool kc_cond_wait_ms(struct kc_cond *c, struct kc_lock *l, int64_t timeout_ms);
void kc_cond_signal(struct kc_cond *c);
void kc_cond_broadcast(struct kc_cond *c);

#endif
