/*
 * kbroker -- the program: options, signals, and one broker.
 */
#include <config.h>

#include "kbroker/broker.h"
#include "kbroker/config_doc.h"
#include "kbroker/locks.h"
#include "kbroker/process.h"
#include "kbroker/topic_config.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/log.h"
#include "kcommon/base/rand.h"
#include "kcommon/base/thread.h"
#include "kcommon/config/conf_doc.h"
#include "kcommon/io/file.h"
#include "kcommon/io/sock.h"
#include "kcommon/io/tls.h"
#include "kcommon/proto/kp.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOGGER "kafka.Kafka$"
#define SIGNALS "org.apache.kafka.common.utils.LoggingSignalHandler"
#define NOFILE_LOW 10000 /* a broker with many partitions needs more */

struct options {
	const char *properties;
	const char *pidfile;
	const char *logfile;
	const char *print; /* -x */
	const char **overrides;
	int n_overrides;
	bool daemon;
	bool check;
};

/* What the signal thread shares with main. */
struct program {
	struct kc_logger *logger;
	const char *logfile;
	sigset_t signals;
	atomic_bool done;
	struct kc_thread *thread;

	struct kc_lock lock; /* a leaf */
	/* Guarded by lock. */
	struct kb_broker *broker; /* NULL until it has started */
	bool stopping;
};

static void
usage(FILE *f)
{
	fputs("usage: kbroker [-D] [-L file] [-P file] [--check]\n"
	      "               [--override key=value]... server.properties\n"
	      "       kbroker -x what | --version | --help\n"
	      "\n"
	      "  --override key=value  this setting instead of the file's\n"
	      "  --check               say what is wrong with the settings\n"
	      "                        and end: 0 nothing, 1 something\n"
	      "  -D, --daemon          go to the background once ready\n"
	      "  -L, --log file        log there, not to standard output;\n"
	      "                        SIGHUP opens it anew\n"
	      "  -P, --pid-file file   hold this file, locked, with the pid\n"
	      "  -x what               print and end: config, topic-config\n"
	      "                        (every setting), config.md,\n"
	      "                        topic-config.md, mdoc, protocol\n"
	      "  -V, --version\n"
	      "  -h, --help\n"
	      "\n"
	      "kbroker(8) and server.properties(5) say more.\n",
	    f);
}

enum parsed {
	PARSED_RUN,
	PARSED_DONE,
	PARSED_WRONG,
};

/* o->overrides has room for argc. */
static enum parsed
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "override", required_argument, NULL, 'o' },
		{ "check", no_argument, NULL, 'c' },
		{ "daemon", no_argument, NULL, 'D' },
		{ "log", required_argument, NULL, 'L' },
		{ "pid-file", required_argument, NULL, 'P' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "DL:P:x:Vh", longs, NULL)) != -1) {
		switch (c) {
		case 'o':
			o->overrides[o->n_overrides++] = optarg;
			break;
		case 'c':
			o->check = true;
			break;
		case 'D':
			o->daemon = true;
			break;
		case 'L':
			o->logfile = optarg;
			break;
		case 'P':
			o->pidfile = optarg;
			break;
		case 'x':
			o->print = optarg;
			break;
		case 'V':
			puts(PACKAGE_STRING);
			return PARSED_DONE;
		case 'h':
			usage(stdout);
			return PARSED_DONE;
		default:
			usage(stderr);
			return PARSED_WRONG;
		}
	}
	if (o->print != NULL)
		return PARSED_RUN;
	if (optind + 1 != argc) {
		usage(stderr);
		return PARSED_WRONG;
	}
	o->properties = argv[optind];
	if (o->daemon && o->logfile == NULL && !o->check) {
		fputs("kbroker: -D needs -L file, or its log goes nowhere\n",
		    stderr);
		return PARSED_WRONG;
	}
	return PARSED_RUN;
}

static void
print_protocol(void)
{
	puts("key  versions  flexible  name");
	for (int16_t key = 0; key < KP_KEYS; key++) {
		const struct kp_api *api = kp_api_get(key);

		if (api == NULL)
			continue;
		printf("%3d  %2d - %-2d   ", key, api->min, api->max);
		if (api->flexible_from == INT16_MAX)
			printf("%-8s", "-");
		else
			printf("%-8d", api->flexible_from);
		printf("  %s\n", api->name);
	}
}

static int
print(const char *what)
{
	int rc = KC_OK;

	if (strcmp(what, "config") == 0) {
		rc = kc_conf_doc(stdout, &kb_config_table, KC_CONF_DOC_TEXT);
	} else if (strcmp(what, "config.md") == 0) {
		rc =
		    kc_conf_doc(stdout, &kb_config_table, KC_CONF_DOC_MARKDOWN);
	} else if (strcmp(what, "topic-config") == 0) {
		rc = kc_conf_doc(
		    stdout, &kb_topic_config_table, KC_CONF_DOC_TEXT);
	} else if (strcmp(what, "topic-config.md") == 0) {
		rc = kc_conf_doc(
		    stdout, &kb_topic_config_table, KC_CONF_DOC_MARKDOWN);
	} else if (strcmp(what, "mdoc") == 0) {
		rc = kb_config_doc_mdoc(stdout);
	} else if (strcmp(what, "protocol") == 0) {
		print_protocol();
	} else {
		fprintf(stderr, "kbroker: -x does not know %s\n", what);
		return 1;
	}
	return rc != KC_OK || fflush(stdout) != 0;
}

static int
load(const struct options *o, struct kb_config **cfgp, struct kb_report *rep)
{
	struct kb_config_sources src = { 0 };
	struct kc_props *p = NULL;
	int rc;

	rc = kb_config_load(&p, &kc_file_system, o->properties, o->overrides,
	    o->n_overrides, rep);
	if (rc != KC_OK)
		return rc;
	src.statics = p;
	rc = kb_config_open(cfgp, &src, rep);
	kc_props_close(&p);
	return rc;
}

/* Keys and certificates are part of what may be wrong. */
static void
check_tls(const struct kb_config *cfg, struct kb_report *rep)
{
	for (int i = 0; i < cfg->endpoints.n; i++) {
		const struct kb_endpoint *ep = &cfg->endpoints.v[i];
		struct kc_tls_params params;
		struct kc_tls *tls = NULL;
		char err[1024] = "";

		if (ep->protocol != KB_PROTOCOL_SSL)
			continue;
		kb_listener_tls_params(cfg, ep, true, &params);
		if (kc_tls_open(&tls, &params, err, sizeof err) != KC_OK)
			kb_report(rep, KB_REPORT_ERROR, "listener %s: %s",
			    ep->name, err);
		else
			kc_tls_put(&tls);
	}
}

static int
check(const struct options *o)
{
	struct kb_config *cfg = NULL;
	struct kb_report rep = { 0 };
	int rc = load(o, &cfg, &rep);

	if (rc == KC_OK)
		check_tls(cfg, &rep);
	else if (rc != KC_EINVAL)
		fprintf(stderr, "kbroker: %s\n", kc_strerror(rc));
	for (int i = 0; i < rep.n; i++)
		printf("%s: %s\n",
		    rep.v[i].level == KB_REPORT_ERROR ? "error" : "warning",
		    rep.v[i].text);
	printf("%s: %d error%s, %d warning%s\n", o->properties, rep.errors,
	    rep.errors == 1 ? "" : "s", rep.warnings,
	    rep.warnings == 1 ? "" : "s");
	rc = rc != KC_OK || rep.errors > 0 || fflush(stdout) != 0;
	kb_config_put(&cfg);
	kb_report_free(&rep);
	return rc;
}

static int
open_log(const char *path)
{
	return open(
	    path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
}

static void
reopen_log(struct program *p)
{
	int fd;

	if (p->logfile == NULL)
		return;
	if ((fd = open_log(p->logfile)) < 0) {
		kc_log(KC_LOG_ERROR, LOGGER, "Cannot open %s again: %s",
		    p->logfile, strerror(errno));
		return;
	}
	fd = kc_logger_reopen(p->logger, fd);
	if (fd > 2)
		close(fd);
}

static void
request_stop(struct program *p, int sig)
{
	kc_log(KC_LOG_INFO, SIGNALS, "Terminating process due to signal SIG%s",
	    sigabbrev_np(sig));
	kc_lock_take(&p->lock);
	p->stopping = true;
	if (p->broker != NULL)
		kb_broker_stop(p->broker);
	kc_lock_drop(&p->lock);
}

static void
signal_thread(void *arg)
{
	struct program *p = arg;
	int sig;

	while (sigwait(&p->signals, &sig) == 0) {
		if (atomic_load(&p->done))
			break;
		if (sig == SIGHUP)
			reopen_log(p);
		else if (sig != SIGUSR2)
			request_stop(p, sig);
	}
}

/* Before any thread: all of them inherit the mask. */
static int
signals_start(struct program *p)
{
	sigemptyset(&p->signals);
	sigaddset(&p->signals, SIGTERM);
	sigaddset(&p->signals, SIGINT);
	sigaddset(&p->signals, SIGHUP);
	sigaddset(&p->signals, SIGUSR2); /* ends the thread, see below */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &p->signals, NULL);
	kc_lock_init(&p->lock, LK_PROGRAM, "program");
	return kc_thread_start(&p->thread, "signals", signal_thread, p);
}

static void
signals_stop(struct program *p)
{
	if (p->thread == NULL)
		return;
	atomic_store(&p->done, true);
	kill(getpid(), SIGUSR2);
	kc_thread_join(&p->thread);
	kc_lock_fini(&p->lock);
}

/* Kafka's words, with our reason behind them. */
static void
fatal(const char *when, int rc)
{
	kc_log(KC_LOG_ERROR, LOGGER,
	    "Exiting Kafka due to fatal exception%s: %s", when,
	    kc_strerror(rc));
}

/* From open to close; what kb_broker_* returned, told if it is an error. */
static int
serve(struct program *p, const struct kb_config *cfg, int *ready_fd)
{
	struct kb_broker *broker = NULL;
	struct kc_rand rnd;
	struct kb_env env = { .logger = p->logger };
	int rc, rc2;

	kc_rand_init_system(&rnd);
	env.c.clock = &kc_clock_system;
	env.c.rand = &rnd;
	env.c.file = &kc_file_system;
	env.c.net = &kc_net_system;
	if ((rc = kb_broker_open(&broker, &env, cfg)) != KC_OK) {
		fatal(" during startup.", rc);
		return rc;
	}
	kc_lock_take(&p->lock);
	p->broker = broker;
	if (p->stopping)
		kb_broker_stop(broker);
	kc_lock_drop(&p->lock);
	rc = kb_broker_ready(broker);
	if (rc == KC_OK) {
		kb_daemon_ready(ready_fd);
		if ((rc = kb_broker_wait(broker)) != KC_OK)
			fatal("", rc);
	} else if (rc == KC_ECANCELED) {
		rc = KC_OK; /* asked to stop while starting */
	} else {
		fatal(" during startup.", rc);
	}
	kc_lock_take(&p->lock);
	p->broker = NULL;
	kc_lock_drop(&p->lock);
	rc2 = kb_broker_close(&broker);
	if (rc == KC_OK && rc2 != KC_OK)
		fatal("", rc2);
	return rc != KC_OK ? rc : rc2;
}

static void
log_report(const struct kb_report *rep)
{
	for (int i = 0; i < rep->n; i++)
		kc_log(rep->v[i].level == KB_REPORT_ERROR ? KC_LOG_ERROR :
							    KC_LOG_WARN,
		    "kafka.server.KafkaConfig", "%s", rep->v[i].text);
}

static void
raise_limits(void)
{
	uint64_t n = kb_process_raise_nofile();

	if (n < NOFILE_LOW)
		kc_log(KC_LOG_WARN, LOGGER,
		    "Only %llu files may be open (ulimit -n); a connection "
		    "needs one and a partition several",
		    (unsigned long long)n);
}

/* The log is open; the process is what it will be. */
static int
run(const struct options *o, struct program *p, int *ready_fd)
{
	struct kb_config *cfg = NULL;
	struct kb_report rep = { 0 };
	int rc, pid_fd = -1;

	rc = load(o, &cfg, &rep);
	log_report(&rep);
	kb_report_free(&rep);
	if (rc == KC_OK && o->pidfile != NULL &&
	    (rc = kb_pidfile_open(o->pidfile, &pid_fd)) != KC_OK)
		kc_log(KC_LOG_ERROR, LOGGER, "pid file %s: %s", o->pidfile,
		    rc == KC_EBUSY ? "another process holds it" :
				     kc_strerror(rc));
	if (rc == KC_OK) {
		raise_limits();
		kb_config_log(cfg);
		rc = signals_start(p);
	}
	if (rc != KC_OK) {
		fatal("", rc);
	} else {
		kc_log(KC_LOG_INFO, SIGNALS,
		    "Registered signal handlers for TERM, INT, HUP");
		rc = serve(p, cfg, ready_fd);
	}
	signals_stop(p);
	kb_pidfile_close(o->pidfile, &pid_fd);
	kb_config_put(&cfg);
	return rc != KC_OK;
}

/* Names stay good when the daemon leaves for "/". */
static const char *
absolute(const char *path, char **owned)
{
	char cwd[4096];

	*owned = NULL;
	if (path == NULL || *path == '/' || getcwd(cwd, sizeof cwd) == NULL ||
	    asprintf(owned, "%s/%s", cwd, path) < 0)
		return path;
	return *owned;
}

/* Errors that can be seen from the terminal are told there. */
static bool
daemon_settings_good(const struct options *o)
{
	struct kb_config *cfg = NULL;
	struct kb_report rep = { 0 };
	int rc = load(o, &cfg, &rep);

	for (int i = 0; i < rep.n; i++)
		if (rep.v[i].level == KB_REPORT_ERROR)
			fprintf(stderr, "kbroker: %s\n", rep.v[i].text);
	kb_config_put(&cfg);
	kb_report_free(&rep);
	return rc == KC_OK;
}

static int
start(struct options *o)
{
	struct program p = { .logfile = o->logfile };
	int log_fd = STDOUT_FILENO, ready_fd = -1, rc;

	if (o->daemon && !daemon_settings_good(o))
		return 1;
	if (o->logfile != NULL && (log_fd = open_log(o->logfile)) < 0) {
		fprintf(
		    stderr, "kbroker: %s: %s\n", o->logfile, strerror(errno));
		return 1;
	}
	if (o->daemon && (rc = kb_daemon_start(&ready_fd)) != KC_OK) {
		fprintf(stderr, "kbroker: cannot become a daemon: %s\n",
		    kc_strerror(rc));
		return 1;
	}
	if ((rc = kc_logger_open(&p.logger, log_fd)) != KC_OK) {
		fprintf(stderr, "kbroker: %s\n", kc_strerror(rc));
		return 1;
	}
	kc_log_use(p.logger);
	rc = run(o, &p, &ready_fd);
	kc_log_use(NULL);
	kc_logger_close(&p.logger);
	return rc;
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	char *owned[3] = { NULL, NULL, NULL };
	enum parsed parsed;
	int rc;

	o.overrides = calloc((size_t)argc + 1, sizeof *o.overrides);
	if (o.overrides == NULL)
		return 1;
	parsed = parse_options(argc, argv, &o);
	if (parsed != PARSED_RUN) {
		rc = parsed == PARSED_WRONG;
	} else if (o.print != NULL) {
		rc = print(o.print);
	} else if (o.check) {
		rc = check(&o);
	} else {
		o.properties = absolute(o.properties, &owned[0]);
		o.logfile = absolute(o.logfile, &owned[1]);
		o.pidfile = absolute(o.pidfile, &owned[2]);
		rc = start(&o);
	}
	for (int i = 0; i < 3; i++)
		free(owned[i]);
	free(o.overrides);
	return rc;
}
