/*
 * b06 -- the program's options: what an administrator and an init script use.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/cluster.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

static struct kt_cluster *c;
static char out[KT_PATH + 32]; /* what the last command printed */
static char props[KT_PATH + 32];

/* Run kbroker with these arguments; its exit status. */
static int
kbroker(const char *a, const char *b, const char *d)
{
	const char *program = getenv("KBROKER");
	const char *argv[] = { program != NULL ? program :
						 KT_BUILDDIR "/kbroker/kbroker",
		a, b, d, NULL };

	unlink(out);
	return kt_run(out, argv);
}

static bool
printed(const char *text)
{
	char *all = kt_read_file(out);
	bool found = strstr(all, text) != NULL;

	free(all);
	return found;
}

static void
questions(void)
{
	KT_EQ(kbroker("--version", NULL, NULL), 0);
	KT_CHECK(printed("kbroker "));
	KT_EQ(kbroker("--help", NULL, NULL), 0);
	KT_CHECK(printed("--override"));
	KT_EQ(kbroker("-x", "config", NULL), 0);
	KT_CHECK(printed("log.segment.bytes"));
	KT_CHECK(printed("1073741824"));
	KT_CHECK(kbroker("-x", "nonsense", NULL) != 0);
	KT_CHECK(kbroker("--nonsense", NULL, NULL) != 0);
	KT_CHECK(kbroker(NULL, NULL, NULL) != 0);
	kt_step("version, help, list of settings");
}

static void
check_option(void)
{
	char bad[KT_PATH + 32];

	KT_EQ(kbroker("--check", props, NULL), 0);
	snprintf(bad, sizeof bad, "%s/bad.properties", c->dir);
	KT_CHECK(kbroker("--check", bad, NULL) != 0);
	kt_write_file(bad, "zookeeper.connect=127.0.0.1:1\nbroker.id=x\n");
	KT_CHECK(kbroker("--check", bad, NULL) != 0);
	KT_CHECK(printed("broker.id"));
	/* A class that we do not know must not pass as if it worked. */
	kt_write_file(bad,
	    "zookeeper.connect=127.0.0.1:1\n"
	    "authorizer.class.name=org.example.Mine\n");
	KT_CHECK(kbroker("--check", bad, NULL) != 0);
	KT_CHECK(printed("authorizer.class.name"));
	KT_CHECK(kbroker(bad, NULL, NULL) != 0);
	kt_step("--check says what is wrong; such a file does not start");
}

static pid_t
pid_in(const char *path)
{
	char *text = kt_read_file(path);
	pid_t pid = (pid_t)atoi(text);

	free(text);
	return pid;
}

static void
daemon_mode(void)
{
	char log[KT_PATH + 32];
	char moved[KT_PATH + 48];
	char pid_file[KT_PATH + 32];
	const char *program = getenv("KBROKER");
	int controller = -1;
	pid_t pid;

	snprintf(log, sizeof log, "%s/daemon.log", c->dir);
	snprintf(moved, sizeof moved, "%s.1", log);
	snprintf(pid_file, sizeof pid_file, "%s/kbroker.pid", c->dir);
	const char *argv[] = { program != NULL ? program :
						 KT_BUILDDIR "/kbroker/kbroker",
		"-D", "-L", log, "-P", pid_file, props, NULL };

	unlink(out);
	KT_EQ(kt_run(out, argv), 0);
	/* It went to the background because it is ready: no waiting here. */
	KT_EQ(kt_metadata(c->b[0].port[KT_PLAIN], &controller), 1);
	pid = pid_in(pid_file);
	KT_CHECK(pid > 1 && kill(pid, 0) == 0);
	c->b[0].pid = pid; /* if we fail, it is ended with the others */
	kt_step("-D comes back when the broker is ready");

	KT_CHECK(kt_run(out, argv) != 0); /* a second one on the same files */
	KT_EQ(pid_in(pid_file), pid);
	KT_CHECK(rename(log, moved) == 0);
	KT_CHECK(kill(pid, SIGHUP) == 0);
	KT_UNTIL(10000, access(log, F_OK) == 0);
	KT_CHECK(kill(pid, SIGTERM) == 0);
	KT_UNTIL(30000, kill(pid, 0) != 0);
	c->b[0].pid = 0;
	KT_CHECK(access(pid_file, F_OK) != 0);
	KT_CHECK(access(kt_data_path(c, 0, ".kafka_cleanshutdown"), F_OK) == 0);
	kt_step("SIGHUP opens the log anew, SIGTERM ends it cleanly");
}

static void
override(void)
{
	const char *program = getenv("KBROKER");
	char option[64];
	int port = kt_free_port();
	int controller = -1;
	pid_t pid;

	snprintf(
	    option, sizeof option, "listeners=PLAINTEXT://127.0.0.1:%d", port);
	const char *argv[] = { program != NULL ? program :
						 KT_BUILDDIR "/kbroker/kbroker",
		"--override", option, props, NULL };

	pid = kt_spawn(out, argv);
	KT_UNTIL(60000, kt_metadata(port, &controller) == 1);
	KT_CHECK(!kt_can_connect(c->b[0].port[KT_PLAIN]));
	KT_CHECK(kill(pid, SIGINT) == 0);
	KT_EQ(kt_wait_end(pid, 30000), 0);
	kt_step("--override wins over the file; SIGINT ends it as well");
}

int
main(void)
{
	if (getenv("KT_PEER") != NULL)
		kt_skip("Kafka has other options");
	c = kt_cluster_prepare(1, NULL);
	snprintf(out, sizeof out, "%s/out", c->dir);
	snprintf(props, sizeof props, "%s/server.properties", c->b[0].dir);
	questions();
	check_option();
	daemon_mode();
	override();
	kt_cluster_stop(&c);
	return 0;
}
