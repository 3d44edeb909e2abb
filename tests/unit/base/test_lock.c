/*
 * Lock ranks, threads and panics.  What must abort is done in a child whose
 * standard error is read back.
 */
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/log.h"
#include "kcommon/base/thread.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs fn in a child; true if it aborted.  What it said is in err. */
static bool
aborts(void (*fn)(void), char *err, size_t cap)
{
	int p[2], status;
	size_t at = 0;
	ssize_t n;
	pid_t pid;

	cr_assert_eq(pipe(p), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		static const struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		dup2(p[1], STDERR_FILENO);
		close(p[0]);
		close(p[1]);
		fn();
		_exit(0);
	}
	close(p[1]);
	while (at < cap - 1 && (n = read(p[0], err + at, cap - 1 - at)) > 0)
		at += (size_t)n;
	err[at] = '\0';
	close(p[0]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void
fail_with_log(void)
{
	struct kc_logger *l = NULL;
	int sink[2];

	if (pipe(sink) != 0 || kc_logger_open(&l, sink[1]) != KC_OK)
		_exit(1);
	kc_log_use(l);
	kc_log(KC_LOG_INFO, "kafka.x", "the last words");
	pthread_setname_np(pthread_self(), "doomed");
	KC_ASSERT(1 + 1 == 3);
}

Test(kc_assert, panic_says_where_and_what_was_logged)
{
	char err[4096];

	cr_assert(aborts(fail_with_log, err, sizeof err));
	cr_expect_not_null(strstr(err, "test_lock.c:"), "%s", err);
	cr_expect_not_null(strstr(err, "fail_with_log()"), "%s", err);
	cr_expect_not_null(strstr(err, "1 + 1 == 3"), "%s", err);
	cr_expect_not_null(strstr(err, "doomed"), "%s", err);
	cr_expect_not_null(strstr(err, "the last words (kafka.x)"), "%s", err);
}

struct thing {
	unsigned magic;
};

static void
wrong_magic(void)
{
	struct thing t = { 1 };

	KC_CHECK(&t, 2);
}

static void
no_object(void)
{
	struct thing *t = NULL;

	KC_CHECK(t, 2);
}

Test(kc_assert, check)
{
	struct thing *t = kc_new(struct thing, 7);
	char err[4096];

	KC_CHECK(t, 7);
	kc_delete(t);
	cr_assert(aborts(wrong_magic, err, sizeof err));
	cr_assert(aborts(no_object, err, sizeof err));
}

#ifdef KC_LOCK_CHECK

static void
init3(struct kc_lock *l)
{
	kc_lock_init(&l[0], 1, "low");
	kc_lock_init(&l[1], 2, "high");
	kc_lock_init(&l[2], 0, "leaf");
}

static void
falling_rank(void)
{
	struct kc_lock l[3];

	init3(l);
	kc_lock_take(&l[1]);
	kc_lock_take(&l[0]);
}

static void
equal_rank(void)
{
	struct kc_lock l[3], other;

	init3(l);
	kc_lock_init(&other, 1, "low too");
	kc_lock_take(&l[0]);
	kc_lock_take(&other);
}

static void
above_a_leaf(void)
{
	struct kc_lock l[3];

	init3(l);
	kc_lock_take(&l[2]);
	kc_lock_take(&l[1]);
}

static void
two_leaves(void)
{
	struct kc_lock l[3], other;

	init3(l);
	kc_lock_init(&other, 0, "leaf too");
	kc_lock_take(&l[2]);
	kc_lock_take(&other);
}

static void
twice(void)
{
	struct kc_lock l[3];

	init3(l);
	kc_lock_take(&l[0]);
	kc_lock_take(&l[0]);
}

static void
not_ours_to_drop(void)
{
	struct kc_lock l[3];

	init3(l);
	kc_lock_drop(&l[0]);
}

static void
held_is_missing(void)
{
	struct kc_lock l[3];

	init3(l);
	kc_lock_assert_held(&l[0]);
}

static void
none_but_one(void)
{
	struct kc_lock l[3];

	init3(l);
	kc_lock_take(&l[0]);
	kc_lock_assert_none();
}

static void
wait_with_one_above(void)
{
	struct kc_lock l[3];
	struct kc_cond c;

	init3(l);
	kc_cond_init(&c);
	kc_lock_take(&l[0]);
	kc_lock_take(&l[1]);
	kc_cond_wait_ms(&c, &l[0], 0);
}

Test(kc_lock, wrong_order_is_a_panic)
{
	static void (*const bad[])(void) = { falling_rank, equal_rank,
		above_a_leaf, two_leaves, twice, not_ours_to_drop,
		held_is_missing, none_but_one, wait_with_one_above };
	char err[4096];
	size_t i;

	for (i = 0; i < KC_COUNT(bad); i++)
		cr_expect(aborts(bad[i], err, sizeof err), "case %zu", i);
}

#endif

Test(kc_lock, right_order)
{
	struct kc_lock a, b, leaf;

	kc_lock_init(&a, 1, "a");
	kc_lock_init(&b, 5, "b");
	kc_lock_init(&leaf, 0, "leaf");
	kc_lock_assert_none();
	kc_lock_take(&a);
	kc_lock_take(&b);
	kc_lock_take(&leaf);
	kc_lock_assert_held(&a);
	kc_lock_assert_held(&leaf);
	kc_lock_drop(&a); /* the order of dropping is free */
	kc_lock_drop(&leaf);
	kc_lock_drop(&b);
	kc_lock_assert_none();
	kc_lock_fini(&a);
	kc_lock_fini(&b);
	kc_lock_fini(&leaf);
}

struct meeting {
	struct kc_lock lock;
	struct kc_cond cond;
	int turn;
	struct kc_logger *logger;
	char name[16];
	sigset_t blocked;
};

static void
partner(void *arg)
{
	struct meeting *m = arg;

	m->logger = kc_log_current();
	pthread_getname_np(pthread_self(), m->name, sizeof m->name);
	pthread_sigmask(SIG_SETMASK, NULL, &m->blocked);
	kc_lock_take(&m->lock);
	m->turn = 1;
	kc_cond_signal(&m->cond);
	while (m->turn != 2)
		kc_cond_wait(&m->cond, &m->lock);
	m->turn = 3;
	kc_cond_broadcast(&m->cond);
	kc_lock_drop(&m->lock);
}

Test(kc_thread, inherits_and_meets)
{
	struct meeting m = { .turn = 0 };
	struct kc_thread *t = NULL;
	struct kc_logger *l = NULL;

	kc_lock_init(&m.lock, 1, "meeting");
	kc_cond_init(&m.cond);
	cr_assert_eq(kc_logger_open(&l, 2), KC_OK);
	kc_log_use(l);
	cr_assert_eq(
	    kc_thread_start(&t, "a-rather-long-thread-name", partner, &m),
	    KC_OK);
	kc_lock_take(&m.lock);
	while (m.turn != 1)
		kc_cond_wait(&m.cond, &m.lock);
	m.turn = 2;
	kc_cond_signal(&m.cond);
	while (m.turn != 3)
		cr_assert(kc_cond_wait_ms(&m.cond, &m.lock, 60000));
	kc_lock_drop(&m.lock);
	kc_thread_join(&t);
	cr_assert_null(t);
	kc_thread_join(&t);

	cr_expect_eq(m.logger, l);
	cr_expect_str_eq(m.name, "a-rather-long-t");
	cr_expect(sigismember(&m.blocked, SIGTERM));
	cr_expect(sigismember(&m.blocked, SIGPIPE));
	cr_expect_not(sigismember(&m.blocked, SIGBUS));
	cr_expect_not(sigismember(&m.blocked, SIGSEGV));
	kc_logger_close(&l);
	kc_cond_fini(&m.cond);
	kc_lock_fini(&m.lock);
}

Test(kc_cond, timeout)
{
	struct kc_lock l;
	struct kc_cond c;
	int64_t t0 = kc_mono_ms(&kc_clock_system);

	kc_lock_init(&l, 1, "l");
	kc_cond_init(&c);
	kc_lock_take(&l);
	cr_assert_not(kc_cond_wait_ms(&c, &l, -5));
	cr_assert_not(kc_cond_wait_ms(&c, &l, 0));
	cr_assert_not(kc_cond_wait_ms(&c, &l, 30));
	cr_assert_geq(kc_mono_ms(&kc_clock_system) - t0, 29);
	kc_lock_drop(&l);
	kc_cond_fini(&c);
	kc_lock_fini(&l);
}
