/*
 * b05 -- the program around the broker: options, --check, -x, daemon, pid
 * file, log rotation, exit codes.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/cluster.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"

#define READY_MS 30000

static char out[KT_PATH + 16];
static char program[KT_PATH];
static pid_t daemon_pid; /* 0 while there is none */

/* It is nobody's child and would outlive a test that fails. */
static void
kill_daemon(void)
{
	if (daemon_pid > 1)
		kill(daemon_pid, SIGKILL);
}

static void
find_program(void)
{
	const char *given = getenv("KBROKER");
	const char *build = getenv("KB_BUILDDIR");

	if (getenv("KT_PEER") != NULL)
		kt_skip("these are kbroker's own options");
	if (given != NULL)
		snprintf(program, sizeof program, "%s", given);
	else
		snprintf(program, sizeof program, "%s/kbroker/kbroker",
		    build != NULL ? build : ".");
}

/* Runs the program with up to five arguments; its output is in out. */
static int
run(const char *a, const char *b, const char *c, const char *d, const char *e)
{
	const char *argv[] = { program, a, b, c, d, e, NULL };

	unlink(out);
	return kt_run(out, argv);
}

static bool
said(const char *text)
{
	char *all = kt_read_file(out);
	bool found = strstr(all, text) != NULL;

	free(all);
	return found;
}

#define SAID(text) KT_CHECKF(said(text), "not said: %s (see %s)", text, out)

static void
usage(void)
{
	KT_EQ(run("--version", NULL, NULL, NULL, NULL), 0);
	SAID("kbroker ");
	KT_EQ(run("--help", NULL, NULL, NULL, NULL), 0);
	SAID("usage: ");
	KT_EQ(run("--nonsense", NULL, NULL, NULL, NULL), 1);
	KT_EQ(run(NULL, NULL, NULL, NULL, NULL), 1);
	KT_EQ(run("one", "two", NULL, NULL, NULL), 1);
	KT_EQ(run("-D", "server.properties", NULL, NULL, NULL), 1);
	SAID("-D needs -L");
	KT_EQ(run("-x", "config", NULL, NULL, NULL), 0);
	SAID("num.network.threads\n\tint, default 3; 1 or more;");
	KT_EQ(run("-x", "topic-config", NULL, NULL, NULL), 0);
	SAID("retention.ms\n\tlong, default 604800000;");
	KT_EQ(run("-x", "protocol", NULL, NULL, NULL), 0);
	SAID("ApiVersions");
	KT_EQ(run("-x", "nonsense", NULL, NULL, NULL), 1);
	kt_step("options are explained, wrong ones refused");
}

static void
check(const char *good)
{
	KT_EQ(run("--check", good, NULL, NULL, NULL), 0);
	SAID(": 0 errors");
	KT_EQ(run(good, "--check", "--override", "num.partitions=0",
		  "--override=ssl.key.password=geheim"),
	    1);
	SAID("error: Invalid value 0 for configuration num.partitions");
	KT_CHECK(!said("geheim"));
	KT_EQ(run("--check", "--override",
		  "listener.name.ssl.ssl.keystore.location=/nonexistent", good,
		  NULL),
	    1);
	SAID("error: listener SSL: ");
	KT_EQ(run("--check", "/nonexistent", NULL, NULL, NULL), 1);
	SAID("/nonexistent: does not exist");
	/* The same when it is meant: Kafka's last line and 1. */
	KT_EQ(
	    run(good, "--override", "authorizer.class.name=x", NULL, NULL), 1);
	SAID("ERROR authorizer.class.name=x is refused");
	SAID("ERROR Exiting Kafka due to fatal exception");
	kt_step("--check tells what is wrong, a start refuses it");
}

static pid_t
read_pid(const char *path)
{
	char *text = kt_read_file(path);
	long pid = strtol(text, NULL, 10);

	free(text);
	return (pid_t)pid;
}

/* As a shell would run it: the command ends once the broker is ready. */
static void
daemon_runs(const char *good, const char *dir)
{
	char log[KT_PATH + 16], old[KT_PATH + 16], pidfile[KT_PATH + 16];
	const char *argv[] = { program, "-D", "-L", log, "-P", pidfile, good,
		NULL };
	pid_t pid;

	snprintf(log, sizeof log, "%s/d.log", dir);
	snprintf(old, sizeof old, "%s/d.log.1", dir);
	snprintf(pidfile, sizeof pidfile, "%s/d.pid", dir);
	KT_EQ(kt_run(out, argv), 0);
	pid = read_pid(pidfile);
	KT_CHECK(pid > 1 && kill(pid, 0) == 0);
	daemon_pid = pid;
	kt_step("a daemon, ready when the command returns");

	KT_EQ(run("-P", pidfile, good, NULL, NULL), 1);
	SAID("another process holds it");
	KT_EQ(read_pid(pidfile), pid);

	KT_EQ(rename(log, old), 0);
	KT_EQ(kill(pid, SIGHUP), 0);
	KT_UNTIL(READY_MS, access(log, F_OK) == 0);
	KT_EQ(kill(pid, SIGTERM), 0);
	KT_UNTIL(READY_MS, kill(pid, 0) != 0);
	daemon_pid = 0;
	KT_CHECK(access(pidfile, F_OK) != 0);
	snprintf(out, sizeof out, "%s", log);
	SAID("Terminating process due to signal SIGTERM");
	kt_step("log rotated, stopped, pid file gone");
}

int
main(void)
{
	struct kt_cluster *c;
	char good[KT_PATH + 32];

	find_program();
	atexit(kill_daemon);
	c = kt_cluster_prepare(1, NULL);
	snprintf(out, sizeof out, "%s/out", c->dir);
	snprintf(good, sizeof good, "%s/server.properties", c->b[0].dir);
	usage();
	check(good);
	daemon_runs(good, c->dir);
	kt_cluster_stop(&c);
	return 0;
}
