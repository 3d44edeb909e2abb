#include "kcommon/io/ev.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/thread.h"
#include "kcommon/io/wheel.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Served in one pass; the rest is reported again in the next. */
#define EVENTS_MAX 128

/*
 * Invariants:
 *   asleep is true only while the loop waits in epoll_wait() or is about to,
 *   and has seen the inbox empty since it was set;
 *   whoever turns asleep from true to false writes to wake_fd.
 */
struct kc_loop {
	unsigned magic;
#define KC_LOOP_MAGIC 0x10095eed
	const struct kc_env *env;
	void *user;
	char name[32];
	int epoll_fd;
	int wake_fd;

	/* Any thread. */
	_Atomic(struct kc_task *) inbox; /* newest first */
	atomic_bool asleep;
	atomic_bool stop;
	_Atomic(pthread_t) owner; /* who made the last pass */
	atomic_bool owned;

	/* The loop's. */
	struct kc_wheel wheel;
	int64_t now_ms;
	struct kc_offload *offloads;
	void *scratch;
	struct epoll_event events[EVENTS_MAX];
	int nevents; /* of this pass */
	int event; /* the one being served */
};

int
kc_loop_open(struct kc_loop **loopp, const struct kc_env *env, const char *name)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct kc_loop *loop;
	int rc;

	KC_ASSERT(loopp != NULL && *loopp == NULL);
	if ((loop = kc_new(struct kc_loop, KC_LOOP_MAGIC)) == NULL)
		return KC_ENOMEM;
	loop->env = env;
	strncpy(loop->name, name, sizeof loop->name - 1);
	loop->wake_fd = -1;
	atomic_init(&loop->inbox, NULL);
	loop->now_ms = kc_mono_ms(env->clock);
	kc_wheel_init(&loop->wheel, loop->now_ms);
	if ((loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		goto fail;
	if ((loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		goto fail;
	ev.data.ptr = NULL; /* stands for wake_fd */
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &ev) == -1)
		goto fail;
	*loopp = loop;
	return KC_OK;

fail:
	rc = kc_err_errno(errno);
	kc_loop_close(&loop);
	return rc;
}

static void
take_off(struct kc_offload *o)
{
	kc_thread_join(&o->thread);
	*o->prev = o->next;
	if (o->next != NULL)
		o->next->prev = o->prev;
}

void
kc_loop_close(struct kc_loop **loopp)
{
	struct kc_loop *loop = *loopp;
	struct kc_offload *o;

	if (loop == NULL)
		return;
	KC_CHECK(loop, KC_LOOP_MAGIC);
	while ((o = loop->offloads) != NULL) {
		take_off(o);
		o->done(o);
	}
	if (loop->wake_fd != -1)
		close(loop->wake_fd);
	if (loop->epoll_fd != -1)
		close(loop->epoll_fd);
	free(loop->scratch);
	kc_delete(loop);
	*loopp = NULL;
}

/* Async-signal-safe. */
static void
wake(struct kc_loop *loop)
{
	const uint64_t one = 1;
	int saved = errno;

	/* EAGAIN: the counter is full, so it is readable anyway. */
	while (write(loop->wake_fd, &one, sizeof one) == -1 && errno == EINTR)
		;
	errno = saved;
}

void
kc_loop_stop(struct kc_loop *loop)
{
	atomic_store(&loop->stop, true);
	wake(loop);
}

bool
kc_loop_inside(const struct kc_loop *loop)
{
	return atomic_load_explicit(&loop->owned, memory_order_acquire) &&
	    pthread_equal(
		atomic_load_explicit(&loop->owner, memory_order_relaxed),
		pthread_self());
}

const struct kc_env *
kc_loop_env(const struct kc_loop *loop)
{
	return loop->env;
}

void
kc_loop_set_user(struct kc_loop *loop, void *user)
{
	loop->user = user;
}

void *
kc_loop_user(const struct kc_loop *loop)
{
	return loop->user;
}

int64_t
kc_loop_now_ms(const struct kc_loop *loop)
{
	return loop->now_ms;
}

void *
kc_loop_scratch(struct kc_loop *loop)
{
	if (loop->scratch == NULL)
		loop->scratch = malloc(KC_SCRATCH_SIZE);
	return loop->scratch;
}

void
kc_loop_post(struct kc_loop *loop, struct kc_task *task)
{
	struct kc_task *head = atomic_load(&loop->inbox);

	/*
	 * The consumer only ever takes the whole list, so that a head that
	 * looks unchanged is unchanged.
	 */
	do
		task->next = head;
	while (!atomic_compare_exchange_weak(&loop->inbox, &head, task));
	/*
	 * Push, then look whether it sleeps; the loop says that it sleeps,
	 * then looks for pushes.  Sequentially consistent, so that one of the
	 * two sees the other.
	 */
	if (atomic_load(&loop->asleep) && atomic_exchange(&loop->asleep, false))
		wake(loop);
}

static void
offload_main(void *arg)
{
	struct kc_offload *o = arg;

	o->work(o);
	kc_loop_post(o->loop, &o->task);
}

static void
offload_done(struct kc_task *task)
{
	struct kc_offload *o = KC_CONTAINER(task, struct kc_offload, task);

	take_off(o);
	o->done(o);
}

int
kc_loop_offload(struct kc_loop *loop, struct kc_offload *o)
{
	int rc;

	o->loop = loop;
	o->thread = NULL;
	o->task.fn = offload_done;
	rc = kc_thread_start(&o->thread, "offload", offload_main, o);
	if (rc != KC_OK)
		return rc;
	o->next = loop->offloads;
	o->prev = &loop->offloads;
	if (o->next != NULL)
		o->next->prev = &o->next;
	loop->offloads = o;
	return KC_OK;
}

/* Runs what was posted before this pass; what it posts comes in the next. */
static void
run_tasks(struct kc_loop *loop)
{
	struct kc_task *list, *next, *batch = NULL;

	if (atomic_load_explicit(&loop->inbox, memory_order_relaxed) == NULL)
		return;
	list = atomic_exchange(&loop->inbox, NULL);
	for (; list != NULL; list = next) {
		next = list->next;
		list->next = batch;
		batch = list;
	}
	for (; batch != NULL; batch = next) {
		next = batch->next;
		batch->fn(batch);
	}
}

static void
drain_wakeups(struct kc_loop *loop)
{
	uint64_t n;

	/* One read empties it; EAGAIN: somebody did. */
	if (read(loop->wake_fd, &n, sizeof n) == -1)
		return;
}

static void
run_events(struct kc_loop *loop)
{
	struct kc_io *io;
	unsigned got, ready;
	bool woken = false;

	for (loop->event = 0; loop->event < loop->nevents; loop->event++) {
		io = loop->events[loop->event].data.ptr;
		got = loop->events[loop->event].events;
		if (got == 0)
			continue; /* deleted by an earlier one of this pass */
		if (io == NULL) {
			woken = true;
			continue;
		}
		ready = (got & EPOLLIN ? KC_IO_IN : 0) |
		    (got & EPOLLOUT ? KC_IO_OUT : 0);
		ready &= io->want;
		if (got & (EPOLLERR | EPOLLHUP))
			ready |= KC_IO_HUP;
		if (ready != 0)
			io->fn(io, ready);
	}
	loop->nevents = 0;
	if (woken)
		drain_wakeups(loop);
}

/* How long to wait: not beyond the next timer, nor when tasks are there. */
static int
wait_ms(struct kc_loop *loop, int64_t limit_ms)
{
	int64_t next = kc_wheel_next_ms(&loop->wheel);
	int64_t now = kc_mono_ms(loop->env->clock);
	int64_t ms = limit_ms < 0 ? INT_MAX : limit_ms;

	if (next != -1)
		ms = KC_MIN(ms, KC_MAX(next - now, 0));
	if (ms == 0)
		return 0;
	atomic_store(&loop->asleep, true);
	if (atomic_load(&loop->inbox) != NULL || atomic_load(&loop->stop))
		return 0;
	if (next == -1 && limit_ms < 0)
		return -1;
	return (int)KC_MIN(ms, INT_MAX);
}

static void
become_owner(struct kc_loop *loop)
{
	sigset_t set;

	if (kc_loop_inside(loop))
		return;
	atomic_store_explicit(
	    &loop->owner, pthread_self(), memory_order_relaxed);
	atomic_store_explicit(&loop->owned, true, memory_order_release);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int
kc_loop_step(struct kc_loop *loop, int64_t timeout_ms)
{
	int n;

	KC_CHECK(loop, KC_LOOP_MAGIC);
	become_owner(loop);
	n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_MAX,
	    wait_ms(loop, timeout_ms));
	atomic_store_explicit(&loop->asleep, false, memory_order_relaxed);
	if (n == -1 && errno != EINTR)
		return kc_err_errno(errno);
	loop->now_ms = kc_mono_ms(loop->env->clock);
	loop->nevents = KC_MAX(n, 0);
	run_events(loop);
	kc_wheel_advance(&loop->wheel, loop->now_ms);
	run_tasks(loop);
	return KC_OK;
}

int
kc_loop_run(struct kc_loop *loop)
{
	int rc = KC_OK;

	while (rc == KC_OK && !atomic_load(&loop->stop))
		rc = kc_loop_step(loop, -1);
	/* Tasks posted before the stop are not lost. */
	run_tasks(loop);
	atomic_store(&loop->stop, false);
	return rc;
}

void
kc_timer_init(struct kc_timer *t, void (*fn)(struct kc_timer *t))
{
	memset(t, 0, sizeof *t);
	t->fn = fn;
}

void
kc_timer_set(struct kc_loop *loop, struct kc_timer *t, int64_t due_ms)
{
	kc_wheel_set(&loop->wheel, t, due_ms);
}

void
kc_timer_cancel(struct kc_loop *loop, struct kc_timer *t)
{
	kc_wheel_cancel(&loop->wheel, t);
}

bool
kc_timer_is_set(const struct kc_timer *t)
{
	return t->prev != NULL;
}

static uint32_t
epoll_bits(unsigned want)
{
	return (want & KC_IO_IN ? (uint32_t)EPOLLIN : 0) |
	    (want & KC_IO_OUT ? (uint32_t)EPOLLOUT : 0);
}

int
kc_io_add(struct kc_loop *loop, struct kc_io *io)
{
	struct epoll_event ev = { .events = epoll_bits(io->want) };

	KC_ASSERT(io->fd >= 0 && io->fn != NULL);
	ev.data.ptr = io;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, io->fd, &ev) == -1)
		return kc_err_errno(errno);
	return KC_OK;
}

int
kc_io_want(struct kc_loop *loop, struct kc_io *io, unsigned want)
{
	struct epoll_event ev = { .events = epoll_bits(want) };

	if (io->want == want)
		return KC_OK;
	ev.data.ptr = io;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &ev) == -1)
		return kc_err_errno(errno);
	io->want = want;
	return KC_OK;
}

void
kc_io_del(struct kc_loop *loop, struct kc_io *io)
{
	int i;

	if (io->fd == -1)
		return;
	/* Fails only when the descriptor is closed already. */
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	for (i = loop->event + 1; i < loop->nevents; i++)
		if (loop->events[i].data.ptr == io)
			loop->events[i].events = 0;
	io->fd = -1;
}
