#include "kcommon/base/assert.h"

#include "kcommon/base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

KC_NORETURN void
kc_panic(const char *file, int line, const char *func, const char *what)
{
	char name[16] = "?";
	char buf[512];
	int n;

	(void)pthread_getname_np(pthread_self(), name, sizeof name);
	n = snprintf(buf, sizeof buf,
	    "panic: %s:%d %s(): assertion failed: %s (thread %s)\n", file, line,
	    func, what, name);
	if (n >= (int)sizeof buf) {
		n = (int)sizeof buf;
		buf[n - 1] = '\n';
	}
	/* Nothing to do about a standard error that cannot be written. */
	if (n > 0 && write(STDERR_FILENO, buf, (size_t)n) < 0)
		n = 0;
	kc_log_dump(STDERR_FILENO);
	abort();
}
