#include "tests/lib/test.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static atomic_bool failing;

bool
kt_failed(void)
{
	return atomic_load(&failing);
}

void
kt_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	atomic_store(&failing, true);
	fflush(stdout);
	fprintf(stderr, "%s:%d: FAILED: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void
kt_skip(const char *fmt, ...)
{
	va_list ap;

	printf("skipped: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(KT_SKIP);
}

int64_t
kt_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
kt_nap_ms(int ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

void
kt_step(const char *fmt, ...)
{
	static int64_t start_ms;
	va_list ap;

	if (start_ms == 0)
		start_ms = kt_now_ms();
	printf("%7.3f  ", (double)(kt_now_ms() - start_ms) / 1000);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}
