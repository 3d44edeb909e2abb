/*
 * with_cluster -- run a command beside a ZooKeeper and a broker.
 *
 * For the tests that are scripts: `with_cluster python3 some_test.py`.  The
 * command finds in its environment
 *   KT_PLAIN, KT_SSL  host:port of the listeners    KT_CA    the authority
 *   KT_ZK             zookeeper.connect             KT_DIR   for its files
 *   KT_PROPERTIES     the broker's configuration    KT_DATA  its log dir
 *   KT_PID            the broker, for kill          KT_LOG   its output
 *   KT_BROKER         what it was started with, for a restart by hand
 * and its exit status is ours.  A broker that the command has ended may stay
 * so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/cluster.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"

#define LIMIT_MS 600000

static void
give(const char *name, const char *value)
{
	KT_CHECK(setenv(name, value, 1) == 0);
}

static void
give_all(const struct kt_cluster *c)
{
	const char *program = getenv("KBROKER");
	char text[KT_PATH + 64];

	give("KT_PLAIN", kt_bootstrap(c, KT_PLAIN));
	give("KT_SSL", kt_bootstrap(c, KT_SSL));
	give("KT_CA", c->ca);
	give("KT_ZK", c->zk);
	give("KT_DIR", c->dir);
	give("KT_DATA", kt_data_path(c, 0, ""));
	give("KT_LOG", c->b[0].log);
	snprintf(text, sizeof text, "%d", (int)c->b[0].pid);
	give("KT_PID", text);
	snprintf(text, sizeof text, "%s/server.properties", c->b[0].dir);
	give("KT_PROPERTIES", text);
	give("KT_BROKER",
	    program != NULL ? program : KT_BUILDDIR "/kbroker/kbroker");
}

int
main(int argc, char **argv)
{
	struct kt_cluster *c;
	int status;

	if (argc < 2) {
		fprintf(stderr, "usage: with_cluster COMMAND [ARGUMENT]...\n");
		return 2;
	}
	c = kt_cluster_start(1, getenv("KT_PROPS"));
	give_all(c);
	status = kt_run(NULL, (const char *const *)(uintptr_t)(argv + 1));
	if (status != 0 && status != KT_SKIP)
		kt_fail(
		    __FILE__, __LINE__, "%s ended with %d", argv[1], status);
	/* It may have stopped the broker, to start another on its files. */
	if (kt_ended(c->b[0].pid, &(int){ 0 }))
		c->b[0].pid = 0;
	kt_cluster_stop(&c);
	return status;
}
