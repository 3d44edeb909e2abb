#include "kcommon/io/fiber.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"

#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif

#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#define GUARD 4096

struct kc_fiber {
	unsigned magic;
#define KC_FIBER_MAGIC 0xf1be4a11
	struct kc_loop *loop;
	void (*fn)(void *arg);
	void *arg;
	ucontext_t own; /* where it waits */
	ucontext_t back; /* who resumed it */
	char *map; /* guard page and stack */
	struct kc_task task;
	struct kc_timer timer;
	bool posted;
	bool woken; /* since the last wait */
	bool ended;
	struct kc_fiber *outer; /* current one of whoever resumed it */
#ifdef FIBER_ASAN
	void *fake_own, *fake_back;
	const void *back_stack;
	size_t back_size;
#endif
#ifdef FIBER_TSAN
	void *tsan_own, *tsan_back;
#endif
};

/* Which fiber this thread is in; the thread's own, so no shared state. */
static _Thread_local struct kc_fiber *current;

struct kc_fiber *
kc_fiber_self(void)
{
	return current;
}

/* From the loop into the fiber; returns when it waits or ends. */
static void
switch_in(struct kc_fiber *f)
{
	f->outer = current;
	current = f;
#ifdef FIBER_TSAN
	f->tsan_back = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(f->tsan_own, 0);
#endif
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(
	    &f->fake_back, f->map + GUARD, KC_FIBER_STACK);
#endif
	KC_ASSERT(swapcontext(&f->back, &f->own) == 0);
#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(f->fake_back, NULL, NULL);
#endif
	current = f->outer;
}

/* From the fiber back to the loop. */
static void
switch_out(struct kc_fiber *f)
{
#ifdef FIBER_TSAN
	__tsan_switch_to_fiber(f->tsan_back, 0);
#endif
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(
	    f->ended ? NULL : &f->fake_own, f->back_stack, f->back_size);
#endif
	KC_ASSERT(swapcontext(&f->own, &f->back) == 0);
#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(
	    f->fake_own, &f->back_stack, &f->back_size);
#endif
}

/* makecontext() passes ints only: the pointer comes in two halves. */
static void
enter(unsigned hi, unsigned lo)
{
	struct kc_fiber *f = (void *)(((uintptr_t)hi << 32) | (uintptr_t)lo);

#ifdef FIBER_ASAN
	__sanitizer_finish_switch_fiber(NULL, &f->back_stack, &f->back_size);
#endif
	f->fn(f->arg);
	f->ended = true;
	switch_out(f);
	KC_ASSERT(!"an ended fiber runs again");
}

static void
destroy(struct kc_fiber *f)
{
	kc_timer_cancel(f->loop, &f->timer);
#ifdef FIBER_TSAN
	__tsan_destroy_fiber(f->tsan_own);
#endif
	munmap(f->map, GUARD + KC_FIBER_STACK);
	kc_delete(f);
}

static void
resume(struct kc_fiber *f)
{
	switch_in(f);
	if (f->ended && !f->posted)
		destroy(f);
}

static void
run(struct kc_task *task)
{
	struct kc_fiber *f = KC_CONTAINER(task, struct kc_fiber, task);

	f->posted = false;
	if (f->ended)
		destroy(f);
	else
		resume(f);
}

void
kc_fiber_wake(struct kc_fiber *f)
{
	KC_CHECK(f, KC_FIBER_MAGIC);
	f->woken = true;
	if (f->posted)
		return;
	f->posted = true;
	kc_loop_post(f->loop, &f->task);
}

void
kc_fiber_resume(struct kc_fiber *f)
{
	KC_CHECK(f, KC_FIBER_MAGIC);
	for (const struct kc_fiber *on = current; on != NULL; on = on->outer)
		KC_ASSERT(on != f); /* its stack is in use */
	f->woken = true;
	resume(f);
}

static void
on_timer(struct kc_timer *timer)
{
	kc_fiber_wake(KC_CONTAINER(timer, struct kc_fiber, timer));
}

void
kc_fiber_wait(void)
{
	struct kc_fiber *f = current;

	KC_CHECK(f, KC_FIBER_MAGIC);
	kc_lock_assert_none();
	while (!f->woken)
		switch_out(f);
	f->woken = false;
}

void
kc_fiber_sleep(int64_t ms)
{
	struct kc_fiber *f = current;

	KC_CHECK(f, KC_FIBER_MAGIC);
	kc_timer_set(f->loop, &f->timer, kc_loop_now_ms(f->loop) + ms);
	kc_fiber_wait();
	kc_timer_cancel(f->loop, &f->timer);
}

int
kc_fiber_start(struct kc_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct kc_fiber *f = kc_new(struct kc_fiber, KC_FIBER_MAGIC);
	uintptr_t p = (uintptr_t)f;

	if (f == NULL)
		return KC_ENOMEM;
	f->map = mmap(NULL, GUARD + KC_FIBER_STACK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (f->map == MAP_FAILED) {
		kc_delete(f);
		return KC_ENOMEM;
	}
	(void)mprotect(f->map, GUARD, PROT_NONE);
	f->loop = loop;
	f->fn = fn;
	f->arg = arg;
	f->task.fn = run;
	kc_timer_init(&f->timer, on_timer);
	KC_ASSERT(getcontext(&f->own) == 0);
	f->own.uc_stack.ss_sp = f->map + GUARD;
	f->own.uc_stack.ss_size = KC_FIBER_STACK;
	f->own.uc_link = NULL;
	makecontext(&f->own, (void (*)(void))enter, 2, (unsigned)(p >> 32),
	    (unsigned)(p & UINT32_MAX));
#ifdef FIBER_TSAN
	f->tsan_own = __tsan_create_fiber(0);
#endif
	resume(f);
	return KC_OK;
}
