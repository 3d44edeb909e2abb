#include "kcommon/base/thread.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

struct kc_thread {
	unsigned magic;
#define KC_THREAD_MAGIC 0x7423ead1
	pthread_t id;
	char name[16];
	struct kc_logger *logger; /* of the creator */
	void (*fn)(void *arg);
	void *arg;
};

static void *
run(void *arg)
{
	struct kc_thread *t = arg;

	(void)pthread_setname_np(pthread_self(), t->name);
	kc_log_use(t->logger);
	t->fn(t->arg);
	return NULL;
}

int
kc_thread_start(
    struct kc_thread **tp, const char *name, void (*fn)(void *arg), void *arg)
{
	struct kc_thread *t;
	sigset_t block, old;
	int rc;

	KC_ASSERT(tp != NULL && *tp == NULL);
	if ((t = kc_new(struct kc_thread, KC_THREAD_MAGIC)) == NULL)
		return KC_ENOMEM;
	snprintf(t->name, sizeof t->name, "%s", name);
	t->logger = kc_log_current();
	t->fn = fn;
	t->arg = arg;

	/*
	 * Blocked here and not in run(): a signal must not find the new
	 * thread before it has closed its ears.
	 */
	sigfillset(&block);
	sigdelset(&block, SIGSEGV);
	sigdelset(&block, SIGBUS);
	sigdelset(&block, SIGFPE);
	sigdelset(&block, SIGILL);
	sigdelset(&block, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &block, &old);
	rc = pthread_create(&t->id, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0) {
		kc_delete(t);
		return kc_err_errno(rc);
	}
	*tp = t;
	return KC_OK;
}

void
kc_thread_join(struct kc_thread **tp)
{
	struct kc_thread *t = *tp;

	if (t == NULL)
		return;
	KC_CHECK(t, KC_THREAD_MAGIC);
	*tp = NULL;
	KC_ASSERT(pthread_join(t->id, NULL) == 0);
	kc_delete(t);
}
