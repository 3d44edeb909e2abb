#include "kcommon/base/log.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* longer lines are cut and end in "..." */
#define KEEP_LINES 64 /* lines kept for a panic */
#define KEEP_BYTES 512 /* of each line */
#define NAMES_MAX 256 /* logger names that ever got a level of their own */
#define NAME_MAX_BYTES 120
#define UNSET (-1)

/* A name once entered stays; its level may go back to UNSET. */
struct named_level {
	char name[NAME_MAX_BYTES];
	size_t len;
	atomic_int level;
};

/*
 * Readers take no lock: entries [0..named_n) are constant but for their
 * level, and named_n only grows.
 *
 * The mutex is a bare one, outside the ranks of lock.h: a line may be
 * logged whatever the thread holds, and nothing is taken under it.  It is
 * held across write(2), as log4j's appender does, so that lines do not mix
 * on a pipe and so that kc_logger_reopen() hands back an fd nobody uses.
 */
struct kc_logger {
	unsigned magic;
#define KC_LOGGER_MAGIC 0x10663401
	atomic_int root;
	atomic_int most; /* the most talkative level of all names */
	atomic_int named_n;
	struct named_level named[NAMES_MAX];

	pthread_mutex_t m;
	/* Guarded by m. */
	int fd;
	unsigned keep_next; /* lines kept so far, wraps */
	char keep[KEEP_LINES][KEEP_BYTES]; /* NUL-terminated */
};

static _Thread_local struct kc_logger *current;

static const char *const level_text[] = {
	[KC_LOG_OFF] = "OFF",
	[KC_LOG_FATAL] = "FATAL",
	[KC_LOG_ERROR] = "ERROR",
	[KC_LOG_WARN] = "WARN",
	[KC_LOG_INFO] = "INFO",
	[KC_LOG_DEBUG] = "DEBUG",
	[KC_LOG_TRACE] = "TRACE",
};

int
kc_logger_open(struct kc_logger **loggerp, int fd)
{
	struct kc_logger *l;

	KC_ASSERT(loggerp != NULL && *loggerp == NULL);
	if ((l = kc_new(struct kc_logger, KC_LOGGER_MAGIC)) == NULL)
		return KC_ENOMEM;
	atomic_init(&l->root, KC_LOG_INFO);
	atomic_init(&l->most, KC_LOG_INFO);
	KC_ASSERT(pthread_mutex_init(&l->m, NULL) == 0);
	l->fd = fd;
	*loggerp = l;
	return KC_OK;
}

void
kc_logger_close(struct kc_logger **loggerp)
{
	struct kc_logger *l = *loggerp;

	if (l == NULL)
		return;
	KC_CHECK(l, KC_LOGGER_MAGIC);
	*loggerp = NULL;
	if (current == l)
		current = NULL;
	pthread_mutex_destroy(&l->m);
	kc_delete(l);
}

int
kc_logger_reopen(struct kc_logger *l, int fd)
{
	int old;

	pthread_mutex_lock(&l->m);
	old = l->fd;
	l->fd = fd;
	pthread_mutex_unlock(&l->m);
	return old;
}

/* m is held. */
static struct named_level *
find(struct kc_logger *l, const char *name)
{
	int i, n = atomic_load(&l->named_n);

	for (i = 0; i < n; i++)
		if (strcmp(l->named[i].name, name) == 0)
			return &l->named[i];
	return NULL;
}

/* m is held. */
static void
update_most(struct kc_logger *l)
{
	int i, most = atomic_load(&l->root), n = atomic_load(&l->named_n);

	for (i = 0; i < n; i++)
		most = KC_MAX(most, atomic_load(&l->named[i].level));
	atomic_store(&l->most, most);
}

static int
set_level(struct kc_logger *l, const char *name, int level)
{
	struct named_level *e;
	int n, rc = KC_OK;

	pthread_mutex_lock(&l->m);
	if (strcmp(name, "root") == 0) {
		atomic_store(&l->root, level == UNSET ? KC_LOG_INFO : level);
	} else if ((e = find(l, name)) != NULL) {
		atomic_store(&e->level, level);
	} else if (level != UNSET) {
		n = atomic_load(&l->named_n);
		if (n == NAMES_MAX || strlen(name) >= NAME_MAX_BYTES) {
			rc = KC_ELIMIT;
		} else {
			e = &l->named[n];
			e->len = strlen(name);
			memcpy(e->name, name, e->len + 1);
			atomic_init(&e->level, level);
			atomic_store(&l->named_n, n + 1); /* now visible */
		}
	}
	update_most(l);
	pthread_mutex_unlock(&l->m);
	return rc;
}

int
kc_logger_set_level(
    struct kc_logger *l, const char *name, enum kc_log_level level)
{
	KC_ASSERT(level >= KC_LOG_OFF && level <= KC_LOG_TRACE);
	return set_level(l, name, (int)level);
}

void
kc_logger_clear_level(struct kc_logger *l, const char *name)
{
	(void)set_level(l, name, UNSET);
}

/* True when e is name itself or one of the names above it. */
static bool
covers(const struct named_level *e, const char *name)
{
	return strncmp(e->name, name, e->len) == 0 &&
	    (name[e->len] == '\0' || name[e->len] == '.');
}

enum kc_log_level
kc_logger_level(struct kc_logger *l, const char *name)
{
	int i, n = atomic_load_explicit(&l->named_n, memory_order_acquire);
	int level = atomic_load_explicit(&l->root, memory_order_relaxed);
	size_t best = 0;

	for (i = 0; i < n; i++) {
		const struct named_level *e = &l->named[i];
		int own = atomic_load_explicit(&e->level, memory_order_relaxed);

		if (own != UNSET && e->len > best && covers(e, name)) {
			best = e->len;
			level = own;
		}
	}
	return (enum kc_log_level)level;
}

struct kc_logger *
kc_log_use(struct kc_logger *l)
{
	struct kc_logger *was = current;

	current = l;
	return was;
}

struct kc_logger *
kc_log_current(void)
{
	return current;
}

bool
kc_log_on(enum kc_log_level level, const char *name)
{
	struct kc_logger *l = current;

	if (level == KC_LOG_OFF)
		return false;
	if (l == NULL)
		return level <= KC_LOG_INFO;
	if ((int)level > atomic_load_explicit(&l->most, memory_order_relaxed))
		return false;
	return level <= kc_logger_level(l, name);
}

/* Writes it all, or gives up: there is nowhere to report a failure to. */
static void
write_all(int fd, const char *p, size_t n)
{
	ssize_t did;

	while (n > 0) {
		did = write(fd, p, n);
		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return;
		p += did;
		n -= (size_t)did;
	}
}

/* "[2026-11-25 01:15:08,123] INFO ", local time; length. */
static size_t
format_head(char *buf, size_t cap, enum kc_log_level level)
{
	struct timespec ts;
	struct tm tm;
	int n;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (localtime_r(&ts.tv_sec, &tm) == NULL)
		memset(&tm, 0, sizeof tm);
	n = snprintf(buf, cap, "[%04d-%02d-%02d %02d:%02d:%02d,%03d] %s ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, (int)(ts.tv_nsec / 1000000), level_text[level]);
	KC_ASSERT(n > 0 && (size_t)n < cap);
	return (size_t)n;
}

static void
replace_controls(char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (((unsigned char)p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
			p[i] = '?';
}

static void
keep_line(struct kc_logger *l, const char *line, size_t n)
{
	char *slot = l->keep[l->keep_next++ % KEEP_LINES];

	n = KC_MIN(n, (size_t)KEEP_BYTES - 1);
	memcpy(slot, line, n);
	slot[n] = '\0';
}

void
kc_log(enum kc_log_level level, const char *name, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	size_t at, room, tail = strnlen(name, NAME_MAX_BYTES) + 4;
	struct kc_logger *l = current;
	int saved = errno;
	va_list ap;
	int n;

	if (!kc_log_on(level, name))
		return;
	at = format_head(line, sizeof line, level);
	room = sizeof line - at - tail;
	va_start(ap, fmt);
	n = vsnprintf(line + at, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n >= room) {
		n = (int)room - 1;
		memcpy(line + at + n - 3, "...", 3);
	}
	at += (size_t)n;
	n = snprintf(
	    line + at, sizeof line - at, " (%.*s)", NAME_MAX_BYTES, name);
	at += (size_t)n;
	replace_controls(line, at);
	line[at] = '\n';

	if (l == NULL) {
		write_all(STDERR_FILENO, line, at + 1);
	} else {
		pthread_mutex_lock(&l->m);
		keep_line(l, line, at);
		write_all(l->fd, line, at + 1);
		pthread_mutex_unlock(&l->m);
	}
	errno = saved; /* callers log first and look at errno later */
}

void
kc_log_dump(int fd)
{
	static const char head[] = "last log lines:\n";
	struct kc_logger *l = current;
	struct timespec ts;
	unsigned i;

	if (l == NULL)
		return;
	/*
	 * The process is about to die; a thread stuck in write(2) must not
	 * keep it from that.
	 */
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += 1;
	if (pthread_mutex_clocklock(&l->m, CLOCK_MONOTONIC, &ts) != 0)
		return;
	write_all(fd, head, sizeof head - 1);
	i = l->keep_next > KEEP_LINES ? l->keep_next - KEEP_LINES : 0;
	for (; i < l->keep_next; i++) {
		const char *line = l->keep[i % KEEP_LINES];

		write_all(fd, line, strlen(line));
		write_all(fd, "\n", 1);
	}
	pthread_mutex_unlock(&l->m);
}
