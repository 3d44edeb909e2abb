#include "kcommon/io/file_guard.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/*
 * The one thread-local of the project: a signal handler has no argument of
 * ours, and the fault belongs to the thread that made it.  It points into
 * that thread's stack and is NULL between accesses.
 */
static __thread struct kc_guard *innermost;

static void
on_sigbus(int sig, siginfo_t *si, void *ctx)
{
	const char *at = si->si_addr;
	struct kc_guard *g = innermost;
	struct sigaction dfl;

	(void)ctx;
	if (g != NULL && si->si_code > 0 && at >= g->p && at < g->p + g->len) {
		innermost = g->outer;
		siglongjmp(g->env, 1);
	}
	/* Not ours: fault again, this time with the default action. */
	memset(&dfl, 0, sizeof dfl);
	dfl.sa_handler = SIG_DFL;
	(void)sigaction(sig, &dfl, NULL);
	/* A signal somebody sent does not come back by itself. */
	if (si->si_code <= 0)
		(void)raise(sig);
}

int
kc_guard_install(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sa.sa_sigaction = on_sigbus;
	/*
	 * SA_NODEFER: we leave by siglongjmp() without restoring the mask, so
	 * the signal must not be in it.
	 */
	sa.sa_flags = SA_SIGINFO | SA_NODEFER;
	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) == -1 ? kc_err_errno(errno) : KC_OK;
}

void
kc_guard_push(struct kc_guard *g, const void *p, size_t len)
{
	g->p = p;
	g->len = len;
	g->outer = innermost;
	innermost = g;
	/* The compiler must not move the copy before the push. */
	__asm__ volatile("" ::: "memory");
}

void
kc_guard_end(struct kc_guard *g)
{
	__asm__ volatile("" ::: "memory");
	KC_ASSERT(innermost == g);
	innermost = g->outer;
}
