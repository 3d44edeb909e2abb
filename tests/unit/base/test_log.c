#include "kcommon/base/err.h"
#include "kcommon/base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world {
	struct kc_logger *l;
	int fd;
	char text[1 << 16];
};

static void
start(struct world *w)
{
	char path[] = "/tmp/kc_log_XXXXXX";

	memset(w, 0, sizeof *w);
	w->fd = mkstemp(path);
	cr_assert_geq(w->fd, 0);
	unlink(path);
	cr_assert_eq(kc_logger_open(&w->l, w->fd), KC_OK);
	cr_assert_null(kc_log_use(w->l));
}

/* What fd holds, from its start. */
static const char *
text(struct world *w, int fd)
{
	ssize_t n = pread(fd, w->text, sizeof w->text - 1, 0);

	cr_assert_geq(n, 0);
	w->text[n] = '\0';
	return w->text;
}

static void
end(struct world *w)
{
	kc_logger_close(&w->l);
	cr_assert_null(kc_log_current());
	close(w->fd);
}

static int
lines(const char *s)
{
	int n = 0;

	for (; *s != '\0'; s++)
		n += *s == '\n';
	return n;
}

/* Goal: one call is one line, whatever is in the message or the name. */
Test(kc_log, control_characters_are_replaced)
{
	struct world w;

	start(&w);
	kc_log(KC_LOG_INFO, "a\nb", "x\n[2026-01-01] FATAL y\r\x1b[2J\x7f\tz");
	cr_assert_eq(lines(text(&w, w.fd)), 1);
	cr_assert_not_null(
	    strstr(w.text, "x?[2026-01-01] FATAL y??[2J?\tz (a?b)\n"));
	end(&w);
}

Test(kc_log, long_lines_are_cut)
{
	struct world w;
	char *big = malloc(20001);
	char *name = malloc(1001);

	memset(big, 'm', 20000);
	big[20000] = '\0';
	memset(name, 'n', 1000);
	name[1000] = '\0';
	start(&w);
	kc_log(KC_LOG_INFO, name, "%s", big);
	kc_log(KC_LOG_INFO, "after", "%s", "next");
	cr_assert_eq(lines(text(&w, w.fd)), 2);
	cr_assert_lt(strlen(w.text), 4200);
	cr_assert_not_null(strstr(w.text, "m... (nnn"));
	cr_assert_not_null(strstr(w.text, " next (after)\n"));
	end(&w);
	free(big);
	free(name);
}

Test(kc_log, names_are_bounded)
{
	struct world w;
	char name[200];
	int i;

	start(&w);
	memset(name, 'n', sizeof name);
	name[120] = '\0';
	cr_assert_eq(kc_logger_set_level(w.l, name, KC_LOG_DEBUG), KC_ELIMIT);
	for (i = 0; i < 256; i++) {
		snprintf(name, sizeof name, "n%d", i);
		cr_assert_eq(
		    kc_logger_set_level(w.l, name, KC_LOG_ERROR), KC_OK);
	}
	cr_assert_eq(kc_logger_set_level(w.l, "more", KC_LOG_DEBUG), KC_ELIMIT);
	/* Those that are there can still change. */
	cr_assert_eq(kc_logger_set_level(w.l, "n7", KC_LOG_DEBUG), KC_OK);
	cr_assert_eq(kc_logger_level(w.l, "n7"), KC_LOG_DEBUG);
	cr_assert_eq(kc_logger_level(w.l, "n70"), KC_LOG_ERROR);
	cr_assert_eq(kc_logger_level(w.l, "n999"), KC_LOG_INFO);
	end(&w);
}

/* Goal: what people grep for in Kafka's own logs matches ours. */
Test(kc_log, pattern)
{
	struct world w;
	regex_t re;

	start(&w);
	errno = 5;
	kc_log(KC_LOG_INFO, "kafka.server.KafkaServer",
	    "[KafkaServer id=%d] started", 0);
	cr_assert_eq(errno, 5);
	kc_log(KC_LOG_DEBUG, "kafka.server.KafkaServer", "hidden");
	cr_assert_eq(regcomp(&re,
			 "^\\[[0-9]{4}-[0-9]{2}-[0-9]{2} "
			 "[0-9]{2}:[0-9]{2}:[0-9]{2},[0-9]{3}\\] INFO "
			 "\\[KafkaServer id=0\\] started "
			 "\\(kafka.server.KafkaServer\\)\n$",
			 REG_EXTENDED | REG_NOSUB),
	    0);
	cr_assert_eq(regexec(&re, text(&w, w.fd), 0, NULL, 0), 0, "%s", w.text);
	regfree(&re);
	end(&w);
}

Test(kc_log, levels_are_inherited_by_dots)
{
	struct world w;

	start(&w);
	cr_assert(kc_log_on(KC_LOG_INFO, "kafka.server.KafkaApis"));
	cr_assert_not(kc_log_on(KC_LOG_DEBUG, "kafka.server.KafkaApis"));
	kc_logger_set_level(w.l, "kafka.server", KC_LOG_DEBUG);
	kc_logger_set_level(w.l, "kafka", KC_LOG_WARN);
	kc_logger_set_level(w.l, "kafka.server.KafkaApis", KC_LOG_OFF);
	cr_expect_eq(kc_logger_level(w.l, "kafka.server"), KC_LOG_DEBUG);
	cr_expect_eq(kc_logger_level(w.l, "kafka.server.X.Y"), KC_LOG_DEBUG);
	cr_expect_eq(kc_logger_level(w.l, "kafka.serverX"), KC_LOG_WARN);
	cr_expect_eq(kc_logger_level(w.l, "kafka"), KC_LOG_WARN);
	cr_expect_eq(kc_logger_level(w.l, "kafkaX"), KC_LOG_INFO);
	cr_expect_eq(kc_logger_level(w.l, ""), KC_LOG_INFO);
	cr_expect_eq(kc_logger_level(w.l, "org.apache"), KC_LOG_INFO);
	cr_expect_not(kc_log_on(KC_LOG_FATAL, "kafka.server.KafkaApis"));
	cr_expect(kc_log_on(KC_LOG_DEBUG, "kafka.server.LogDirs"));
	cr_expect_not(kc_log_on(KC_LOG_OFF, "kafka"));

	kc_logger_clear_level(w.l, "kafka.server.KafkaApis");
	kc_logger_clear_level(w.l, "never.set");
	cr_expect_eq(
	    kc_logger_level(w.l, "kafka.server.KafkaApis"), KC_LOG_DEBUG);
	kc_logger_set_level(w.l, "root", KC_LOG_TRACE);
	cr_expect_eq(kc_logger_level(w.l, "org.apache"), KC_LOG_TRACE);
	cr_expect_eq(kc_logger_level(w.l, "kafka.x"), KC_LOG_WARN);
	kc_logger_clear_level(w.l, "root");
	cr_expect_eq(kc_logger_level(w.l, "org.apache"), KC_LOG_INFO);
	end(&w);
}

Test(kc_log, reopen)
{
	struct world w;
	char path[] = "/tmp/kc_log_XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	start(&w);
	kc_log(KC_LOG_INFO, "n", "first");
	cr_assert_eq(kc_logger_reopen(w.l, fd), w.fd);
	kc_log(KC_LOG_INFO, "n", "second");
	cr_assert_null(strstr(text(&w, w.fd), "second"));
	cr_assert_null(strstr(text(&w, fd), "first"));
	cr_assert_not_null(strstr(w.text, "second"));
	end(&w);
	close(fd);
}

/* Goal: after a crash the last lines are there, oldest first. */
Test(kc_log, dump)
{
	struct world w;
	char path[] = "/tmp/kc_log_XXXXXX";
	int fd = mkstemp(path), i;

	unlink(path);
	start(&w);
	for (i = 0; i < 100; i++)
		kc_log(KC_LOG_INFO, "n", "line %d.", i);
	kc_log_dump(fd);
	cr_assert_eq(lines(text(&w, fd)), 65);
	cr_assert_null(strstr(w.text, "line 35."));
	cr_assert_not_null(strstr(w.text, "line 36."));
	cr_assert_not_null(strstr(w.text, "line 99."));
	end(&w);
	close(fd);
	kc_log_dump(1); /* no logger: nothing */
}

Test(kc_log, without_a_logger)
{
	cr_assert_null(kc_log_current());
	cr_assert(kc_log_on(KC_LOG_INFO, "x"));
	cr_assert_not(kc_log_on(KC_LOG_DEBUG, "x"));
	cr_assert_not(kc_log_on(KC_LOG_OFF, "x"));
}
