/*
 * cluster -- a real ZooKeeper and real brokers on loopback, for one test.
 *
 * Everything lives in a folder of its own under $TMPDIR, on ports of its
 * own, so any number of tests run side by side.  The folder goes when the
 * test passes; after a failure it stays, the end of each log is printed, and
 * the message says where it is.
 *
 * What is started comes from the environment:
 *   KBROKER    the broker program; default kbroker/kbroker of the build
 *   KT_PEER    when set, a script that runs Kafka itself (`$KT_PEER broker
 *              FILE`): the tests then tell whether they ask for what Kafka
 *              does
 *   KT_KEEP    when set, the folder stays in any case
 *
 * @thread the main thread alone
 */
#ifndef KT_CLUSTER_H
#define KT_CLUSTER_H

#include <stdbool.h>
#include <sys/types.h>

#define KT_BROKERS_MAX 8
#define KT_PATH 512

enum kt_listener { KT_PLAIN, KT_SSL };

struct kt_broker {
	int id;
	int port[2]; /* by enum kt_listener */
	pid_t pid; /* 0 while it is down */
	char dir[KT_PATH]; /* holds data/, server.properties */
	char log[KT_PATH]; /* its output, appended over restarts */
};

struct kt_cluster {
	/*
	 * Holds also server.pem and server.p12 (password "secret") of the
	 * brokers, client.key and client.crt (CN=client,O=Test) of a client.
	 */
	char dir[KT_PATH];
	char ca[KT_PATH]; /* PEM of the authority that signed all of them */
	int zk_port;
	pid_t zk_pid;
	char zk[64]; /* zookeeper.connect, with its chroot */
	char chroot[16];
	bool peer; /* Kafka itself is what runs */
	int n;
	struct kt_broker b[KT_BROKERS_MAX];
};

/*
 * ZooKeeper and n brokers, ids from 0, started and ready; the first is the
 * controller.  props: lines that
 * are added to server.properties, or NULL.  Skips the test where java or
 * ZooKeeper is not installed.  One cluster a process.
 */
struct kt_cluster *kt_cluster_start(int n, const char *props);
/* The same, but the brokers are configured and not started. */
struct kt_cluster *kt_cluster_prepare(int n, const char *props);
/* ZooKeeper alone: kill -9, and on the same port with the same data again. */
void kt_cluster_zk_kill(struct kt_cluster *c);
void kt_cluster_zk_start(struct kt_cluster *c);
/* Ends all and removes the folder; also done at exit. */
void kt_cluster_stop(struct kt_cluster **cp);

/* More lines for broker i's server.properties, from its next start on. */
void kt_broker_configure(struct kt_cluster *c, int i, const char *lines);

/* Start a broker that is down; kt_broker_start() waits till it is ready. */
void kt_broker_spawn(struct kt_cluster *c, int i);
void kt_broker_start(struct kt_cluster *c, int i);
/* Wait until it answers Metadata with a controller and live brokers. */
void kt_broker_ready(struct kt_cluster *c, int i);
/* kill -9, and gone. */
void kt_broker_kill(struct kt_cluster *c, int i);
/* SIGTERM, and ended with 0 (Kafka: 143) within 30 s. */
void kt_broker_term(struct kt_cluster *c, int i);
/* Fails the test if the broker is not running any more. */
void kt_broker_alive(struct kt_cluster *c, int i);
/* Whether its log holds text. */
bool kt_broker_logged(struct kt_cluster *c, int i, const char *text);

/* "127.0.0.1:PORT,..." of all brokers; valid until the next call. */
const char *kt_bootstrap(const struct kt_cluster *c, enum kt_listener l);
/* A file or folder of broker i's log dir; valid until the next call. */
const char *kt_data_path(const struct kt_cluster *c, int i, const char *name);

#endif
