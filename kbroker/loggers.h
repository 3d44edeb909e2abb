/*
 * loggers -- the names under which this program logs, and those above them,
 * for clients that list loggers and change their levels.
 *
 * A unit test compares the list with the sources.  @thread any
 */
#ifndef KB_LOGGERS_H
#define KB_LOGGERS_H

#include "kcommon/base/log.h"

#define KB_LOGGER_ROOT "root"

extern const char *const kb_loggers[]; /* sorted */
extern const int kb_loggers_n;

/* KB_LOGGER_ROOT, or one of the list. */
bool kb_logger_known(const char *name);
/* "INFO"; exactly so, or false. */
bool kb_logger_level_parse(const char *text, enum kc_log_level *level);
const char *kb_logger_level_name(enum kc_log_level level);

#endif
