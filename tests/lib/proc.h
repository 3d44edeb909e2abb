/*
 * proc -- child processes and loopback ports of a test.
 *
 * A child dies with the test that started it, even when that is killed, and
 * its output goes to a file.
 *
 * @thread the main thread alone: the kernel ties a child's life to the
 * thread that forked it.
 */
#ifndef KT_PROC_H
#define KT_PROC_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Run argv (NULL-terminated, argv[0] looked up in PATH), output appended to
 * log_path; NULL leaves it on ours.
 */
pid_t kt_spawn(const char *log_path, const char *const *argv);

/* The same, waited for: the exit status, 128 + signal, or 127. */
int kt_run(const char *log_path, const char *const *argv);

/*
 * Whether the child has ended; *status gets what kt_run() would return.
 * A child that has ended is reaped: ask once.
 */
bool kt_ended(pid_t pid, int *status);

/* Wait for the end; kill -9 and fail the test after limit_ms. */
int kt_wait_end(pid_t pid, int limit_ms);

/*
 * A free port of 127.0.0.1 that no other test of this machine gets while
 * this process lives.  Below the kernel's range for outgoing connections.
 */
int kt_free_port(void);

bool kt_can_connect(int port);
bool kt_have_program(const char *name); /* is it in PATH */

/* mkdir -p, rm -rf of what a test made; the path is below the test's own. */
void kt_mkdir(const char *path);
void kt_remove_tree(const char *path);
void kt_write_file(const char *path, const char *text);
/* The whole file as a string, "" when absent; the caller frees. */
char *kt_read_file(const char *path);

#endif
