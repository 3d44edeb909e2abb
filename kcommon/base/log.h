/*
 * log -- log lines in log4j's pattern "[%d] %p %m (%c)", with Kafka's logger
 * names as %c, so that what people grep for still matches.
 *
 * There is no global logger: a thread logs to the one it was told to use
 * (kc_log_use(); kc_thread_start() hands the creator's on), and to standard
 * error with level INFO when it has none.  Each broker has its own.
 *
 * Text from a peer goes through kc_str_esc() first; kc_log() itself replaces
 * remaining control characters, so that one call is one line.
 */
#ifndef KC_LOG_H
#define KC_LOG_H

#include "kcommon/base/kc.h"

enum kc_log_level {
	KC_LOG_OFF,
	KC_LOG_FATAL,
	KC_LOG_ERROR,
	KC_LOG_WARN,
	KC_LOG_INFO,
	KC_LOG_DEBUG,
	KC_LOG_TRACE,
};

struct kc_logger;

/*
 * Logs to fd (not owned), root level INFO.  Kept last lines go to a panic
 * dump.
 */
int kc_logger_open(struct kc_logger **loggerp, int fd);
void kc_logger_close(struct kc_logger **loggerp);
/* Continue in another file (log rotation); returns the old fd, the caller's. */
int kc_logger_reopen(struct kc_logger *l, int fd);
/*
 * Level of one logger name and of those below it ("kafka.server" covers
 * "kafka.server.KafkaApis"); name "root" is the default.  KC_ELIMIT when 256
 * names have had a level, or for a name of 120 bytes or more.  @thread any
 */
int kc_logger_set_level(
    struct kc_logger *l, const char *name, enum kc_log_level level);
/* Forget a level set by name. */
void kc_logger_clear_level(struct kc_logger *l, const char *name);
enum kc_log_level kc_logger_level(struct kc_logger *l, const char *name);

/* This thread logs to l from now on; returns the one before. */
struct kc_logger *kc_log_use(struct kc_logger *l);
struct kc_logger *kc_log_current(void);

bool kc_log_on(enum kc_log_level level, const char *name);
void kc_log(enum kc_log_level level, const char *name, const char *fmt, ...)
    KC_PRINTF(3, 4);
/* Writes the last lines kept by this thread's logger to fd; for panics. */
void kc_log_dump(int fd);

#endif
