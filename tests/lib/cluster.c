#include "tests/lib/cluster.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define ZK_JAR "/usr/share/java/zookeeper.jar"
#define READY_MS 60000 /* also for a sanitized broker on a busy machine */
#define STOP_MS 30000
#define LOG_TAIL 6000 /* bytes of a log shown after a failure */

static struct kt_cluster *the_cluster; /* for atexit */

static void
show_tail(const char *path)
{
	char *text = kt_read_file(path);
	size_t n = strlen(text);

	fprintf(stderr, "--- the end of %s\n%s\n", path,
	    text + (n > LOG_TAIL ? n - LOG_TAIL : 0));
	free(text);
}

static void
end_child(pid_t *pid)
{
	if (*pid == 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

static void
clean_up(void)
{
	struct kt_cluster *c = the_cluster;
	int i;

	if (c == NULL)
		return;
	the_cluster = NULL;
	for (i = 0; i < c->n; i++) {
		end_child(&c->b[i].pid);
		if (kt_failed())
			show_tail(c->b[i].log);
	}
	end_child(&c->zk_pid);
	if (kt_failed() || getenv("KT_KEEP") != NULL)
		fprintf(stderr, "kept: %s\n", c->dir);
	else
		kt_remove_tree(c->dir);
	free(c);
}

void
kt_cluster_stop(struct kt_cluster **cp)
{
	int i;

	/* End in an orderly way, so that leaks and late errors are seen. */
	for (i = 0; i < (*cp)->n; i++) {
		if ((*cp)->b[i].pid != 0)
			kt_broker_term(*cp, i);
	}
	clean_up();
	*cp = NULL;
}

static void
make_dir(struct kt_cluster *c)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(c->dir, sizeof c->dir, "%s/kbroker-test.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	KT_CHECKF(mkdtemp(c->dir) != NULL, "cannot make %s", c->dir);
}

void
kt_cluster_zk_start(struct kt_cluster *c)
{
	char path[KT_PATH + 32];
	char log[KT_PATH + 32];
	int status;

	snprintf(path, sizeof path, "%s/zoo.cfg", c->dir);
	const char *argv[] = { "java", "-Xmx128M", "-XX:+UseSerialGC",
		"-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true",
		"-Dzookeeper.forceSync=no", "-cp", ZK_JAR,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", path,
		NULL };
	snprintf(log, sizeof log, "%s/zk.log", c->dir);
	c->zk_pid = kt_spawn(log, argv);
	KT_UNTIL(
	    30000, kt_can_connect(c->zk_port) || kt_ended(c->zk_pid, &status));
	KT_CHECKF(kt_can_connect(c->zk_port), "ZooKeeper did not start");
}

void
kt_cluster_zk_kill(struct kt_cluster *c)
{
	end_child(&c->zk_pid);
}

static void
start_zookeeper(struct kt_cluster *c)
{
	char path[KT_PATH + 32];
	char text[1024];

	c->zk_port = kt_free_port();
	snprintf(path, sizeof path, "%s/zk", c->dir);
	kt_mkdir(path);
	snprintf(text, sizeof text,
	    "tickTime=500\n"
	    "dataDir=%s\n"
	    "clientPort=%d\n"
	    "clientPortAddress=127.0.0.1\n"
	    "admin.enableServer=false\n"
	    "4lw.commands.whitelist=*\n"
	    "maxClientCnxns=0\n",
	    path, c->zk_port);
	snprintf(path, sizeof path, "%s/zoo.cfg", c->dir);
	kt_write_file(path, text);
	kt_cluster_zk_start(c);
	snprintf(c->chroot, sizeof c->chroot, "/kb");
	snprintf(c->zk, sizeof c->zk, "127.0.0.1:%d%s", c->zk_port, c->chroot);
}

/* One authority, and one certificate that all brokers share. */
static void
make_certificates(struct kt_cluster *c)
{
	static const char script[] =
	    "set -e; cd \"$0\"; umask 077\n"
	    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
	    " -nodes -days 30 -subj '/CN=kbroker test CA'"
	    " -keyout ca.key -out ca.pem\n"
	    "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256"
	    " -nodes -subj /CN=localhost -keyout server.key -out server.csr\n"
	    "echo 'subjectAltName=DNS:localhost,IP:127.0.0.1' >san.cnf\n"
	    "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key"
	    " -CAcreateserial -days 30 -extfile san.cnf -out server.crt\n"
	    "cat server.key server.crt >server.pem\n"
	    "openssl pkcs12 -export -in server.crt -inkey server.key"
	    " -passout pass:secret -out server.p12\n"
	    "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256"
	    " -nodes -subj /O=Test/CN=client -keyout client.key"
	    " -out client.csr\n"
	    "openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key"
	    " -CAcreateserial -days 30 -out client.crt\n";
	const char *argv[] = { "/bin/sh", "-c", script, c->dir, NULL };
	char log[KT_PATH + 32];

	snprintf(log, sizeof log, "%s/openssl.log", c->dir);
	KT_EQ(kt_run(log, argv), 0);
	snprintf(c->ca, sizeof c->ca, "%.*s/ca.pem", KT_PATH - 16, c->dir);
}

static void
write_properties(struct kt_cluster *c, struct kt_broker *b, const char *props)
{
	char path[KT_PATH + 32];
	char *text = NULL;

	KT_CHECK(asprintf(&text,
		     "broker.id=%d\n"
		     "listeners=PLAINTEXT://127.0.0.1:%d,SSL://127.0.0.1:%d\n"
		     "log.dirs=%s/data\n"
		     "zookeeper.connect=%s\n"
		     "zookeeper.session.timeout.ms=4000\n"
		     "ssl.keystore.type=PEM\n"
		     "ssl.keystore.location=%s/server.pem\n"
		     "ssl.truststore.type=PEM\n"
		     "ssl.truststore.location=%s\n"
		     "offsets.topic.replication.factor=1\n"
		     "transaction.state.log.replication.factor=1\n"
		     "transaction.state.log.min.isr=1\n"
		     "group.initial.rebalance.delay.ms=0\n"
		     /* Made-up records have old timestamps; nothing goes. */
		     "log.retention.ms=-1\n"
		     "%s",
		     b->id, b->port[KT_PLAIN], b->port[KT_SSL], b->dir, c->zk,
		     c->dir, c->ca, props != NULL ? props : "") > 0);
	snprintf(path, sizeof path, "%s/server.properties", b->dir);
	kt_write_file(path, text);
	free(text);
}

struct kt_cluster *
kt_cluster_prepare(int n, const char *props)
{
	struct kt_cluster *c = calloc(1, sizeof *c);
	int i;

	KT_CHECK(c != NULL && n <= KT_BROKERS_MAX && the_cluster == NULL);
	if (!kt_have_program("java"))
		kt_skip("no java for ZooKeeper here");
	if (access(ZK_JAR, R_OK) != 0)
		kt_skip("no ZooKeeper server here (%s)", ZK_JAR);
	c->peer = getenv("KT_PEER") != NULL;
	make_dir(c);
	the_cluster = c;
	atexit(clean_up);
	start_zookeeper(c);
	make_certificates(c);
	for (i = 0; i < n; i++) {
		struct kt_broker *b = &c->b[i];

		c->n++;
		b->id = i;
		b->port[KT_PLAIN] = kt_free_port();
		b->port[KT_SSL] = kt_free_port();
		snprintf(b->dir, sizeof b->dir, "%.*s/broker-%d", KT_PATH - 64,
		    c->dir, i);
		snprintf(b->log, sizeof b->log, "%.*s/broker-%d.log",
		    KT_PATH - 64, c->dir, i);
		kt_mkdir(b->dir);
		write_properties(c, b, props);
	}
	return c;
}

struct kt_cluster *
kt_cluster_start(int n, const char *props)
{
	struct kt_cluster *c = kt_cluster_prepare(n, props);
	int i;

	kt_broker_start(c, 0); /* it is the controller, in every run */
	for (i = 1; i < n; i++)
		kt_broker_spawn(c, i);
	for (i = 1; i < n; i++)
		kt_broker_ready(c, i);
	kt_step("ZooKeeper and %d broker%s ready in %s", n, n == 1 ? "" : "s",
	    c->dir);
	return c;
}

void
kt_broker_spawn(struct kt_cluster *c, int i)
{
	struct kt_broker *b = &c->b[i];
	const char *program = getenv("KBROKER");
	char props[KT_PATH + 32];

	KT_CHECK(b->pid == 0);
	snprintf(props, sizeof props, "%s/server.properties", b->dir);
	if (c->peer) {
		const char *argv[] = { getenv("KT_PEER"), "broker", props,
			NULL };

		b->pid = kt_spawn(b->log, argv);
		return;
	}
	if (program == NULL)
		program = KT_BUILDDIR "/kbroker/kbroker";
	const char *argv[] = { program, props, NULL };

	b->pid = kt_spawn(b->log, argv);
}

void
kt_broker_configure(struct kt_cluster *c, int i, const char *lines)
{
	char path[KT_PATH + 32];
	char *text;
	FILE *f;

	snprintf(path, sizeof path, "%s/server.properties", c->b[i].dir);
	text = kt_read_file(path);
	f = fopen(path, "w");
	KT_CHECK(f != NULL);
	fprintf(f, "%s%s", text, lines);
	KT_CHECK(fclose(f) == 0);
	free(text);
}

/* Kafka answers Metadata before it knows the cluster: look inside. */
static bool
is_ready(struct kt_cluster *c, int i)
{
	int controller = -1;

	kt_broker_alive(c, i);
	return kt_metadata(c->b[i].port[KT_PLAIN], &controller) >= 1 &&
	    controller >= 0 && kt_can_connect(c->b[i].port[KT_SSL]);
}

void
kt_broker_ready(struct kt_cluster *c, int i)
{
	KT_UNTIL(READY_MS, is_ready(c, i));
}

void
kt_broker_start(struct kt_cluster *c, int i)
{
	kt_broker_spawn(c, i);
	kt_broker_ready(c, i);
}

void
kt_broker_kill(struct kt_cluster *c, int i)
{
	struct kt_broker *b = &c->b[i];

	kt_broker_alive(c, i);
	kill(b->pid, SIGKILL);
	KT_EQ(kt_wait_end(b->pid, STOP_MS), 128 + SIGKILL);
	b->pid = 0;
}

void
kt_broker_term(struct kt_cluster *c, int i)
{
	struct kt_broker *b = &c->b[i];
	pid_t pid = b->pid;

	kt_broker_alive(c, i);
	kill(pid, SIGTERM);
	b->pid = 0;
	KT_EQ(kt_wait_end(pid, STOP_MS), c->peer ? 143 : 0);
}

void
kt_broker_alive(struct kt_cluster *c, int i)
{
	struct kt_broker *b = &c->b[i];
	int status = 0;

	KT_CHECKF(b->pid != 0, "broker %d is down", i);
	if (kt_ended(b->pid, &status)) {
		b->pid = 0;
		kt_fail(__FILE__, __LINE__, "broker %d ended by itself: %d", i,
		    status);
	}
}

bool
kt_broker_logged(struct kt_cluster *c, int i, const char *text)
{
	char *log = kt_read_file(c->b[i].log);
	bool found = strstr(log, text) != NULL;

	free(log);
	return found;
}

const char *
kt_bootstrap(const struct kt_cluster *c, enum kt_listener l)
{
	static char list[KT_BROKERS_MAX * 24];
	size_t at = 0;
	int i;

	for (i = 0; i < c->n; i++)
		at += (size_t)snprintf(list + at, sizeof list - at,
		    "%s127.0.0.1:%d", i > 0 ? "," : "", c->b[i].port[l]);
	return list;
}

const char *
kt_data_path(const struct kt_cluster *c, int i, const char *name)
{
	static char path[KT_PATH + 256];

	snprintf(path, sizeof path, "%s/data/%s", c->b[i].dir, name);
	return path;
}
