/*
 * Many threads log while others change levels and the file: no race, no
 * torn line, no line lost at a level that was never turned off.
 */
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/base/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITERS 4
#define LINES 4000

struct stress {
	struct kc_logger *logger;
	atomic_int writing;
	int fd[2];
};

static void
writer(void *arg)
{
	struct stress *s = arg;
	int i;

	for (i = 0; i < LINES; i++) {
		kc_log(KC_LOG_ERROR, "kafka.always", "line %d", i);
		kc_log(KC_LOG_DEBUG, "kafka.some.times", "maybe %d", i);
		if (kc_log_on(KC_LOG_TRACE, "kafka.never"))
			abort();
	}
	atomic_fetch_sub(&s->writing, 1);
}

static void
changer(void *arg)
{
	struct stress *s = arg;
	char name[32];
	unsigned i;

	for (i = 0; atomic_load(&s->writing) > 0; i++) {
		kc_logger_set_level(s->logger, "kafka.some",
		    i % 2 == 0 ? KC_LOG_DEBUG : KC_LOG_INFO);
		snprintf(name, sizeof name, "kafka.some.n%u", i % 200);
		kc_logger_set_level(s->logger, name, KC_LOG_WARN);
		kc_logger_clear_level(s->logger, name);
		if (i % 64 == 0)
			kc_logger_reopen(s->logger, s->fd[i / 64 % 2]);
	}
}

/* Lines of this file that are whole and say "line". */
static int
count(int fd)
{
	FILE *f = fdopen(fd, "r");
	char buf[512];
	int n = 0;

	KC_ASSERT(f != NULL);
	rewind(f);
	while (fgets(buf, sizeof buf, f) != NULL) {
		size_t len = strlen(buf);

		KC_ASSERT(buf[0] == '[' && len > 30);
		KC_ASSERT(strcmp(buf + len - 2, ")\n") == 0);
		n += strstr(buf, " ERROR line ") != NULL;
	}
	fclose(f);
	return n;
}

int
main(void)
{
	struct kc_thread *t[WRITERS + 2] = { NULL };
	struct stress s = { .logger = NULL };
	int i, n;

	for (i = 0; i < 2; i++) {
		char path[] = "/tmp/stress_log_XXXXXX";

		s.fd[i] = mkstemp(path);
		KC_ASSERT(s.fd[i] >= 0);
		unlink(path);
	}
	KC_ASSERT(kc_logger_open(&s.logger, s.fd[0]) == KC_OK);
	kc_log_use(s.logger);
	atomic_init(&s.writing, WRITERS);
	for (i = 0; i < WRITERS + 2; i++)
		KC_ASSERT(kc_thread_start(&t[i], "stress",
			      i < WRITERS ? writer : changer, &s) == KC_OK);
	for (i = 0; i < WRITERS + 2; i++)
		kc_thread_join(&t[i]);
	kc_logger_close(&s.logger);
	n = count(s.fd[0]) + count(s.fd[1]);
	if (n != WRITERS * LINES) {
		fprintf(stderr, "%d lines of %d\n", n, WRITERS * LINES);
		return 1;
	}
	return 0;
}
