/*
 * process -- what makes a program a daemon: pid file, fork, limits, signals.
 *
 * @thread main, and only there: these change the whole process.
 */
#ifndef KB_PROCESS_H
#define KB_PROCESS_H

#include "kcommon/base/kc.h"

/*
 * The caller goes on in a child without a terminal, in a session of its own,
 * with / as folder and standard input, output and error on /dev/null.  The
 * parent stays until kb_daemon_ready(), and ends with 0; or with 1 when the
 * child ends before that.  KC_E* when it cannot fork.
 */
int kb_daemon_start(int *ready_fd);
/* Lets the parent go; *ready_fd -1 does nothing. */
void kb_daemon_ready(int *ready_fd);

/*
 * Writes our pid to path and keeps the file locked: KC_EBUSY while another
 * process has it.  *fd is what kb_pidfile_close() wants.
 */
int kb_pidfile_open(const char *path, int *fd);
/* Removes the file; *fd -1 does nothing. */
void kb_pidfile_close(const char *path, int *fd);

/* Raises the limit of open files as far as it goes; returns it. */
uint64_t kb_process_raise_nofile(void);

#endif
