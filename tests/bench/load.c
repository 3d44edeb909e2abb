/*
 *	load MODE [name=value]...
 *
 * MODE: produce, preload, fetch, latency, topics, idle, ready.  Names are those
 *of struct lb_options; run.sh has examples.
 */
#include "tests/bench/load.h"

#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/rand.h"
#include "kcommon/io/tls.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	void (*run)(struct lb *lb);
} modes[] = {
	{ "produce", lb_run_produce },
	{ "preload", lb_run_preload },
	{ "fetch", lb_run_fetch },
	{ "latency", lb_run_latency },
	{ "topics", lb_run_topics },
	{ "idle", lb_run_idle },
	{ "ready", lb_run_ready },
};

void
lb_die(const char *fmt, ...)
{
	va_list ap;

	fputs("load: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void *
lb_alloc(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL)
		lb_die("no memory");
	return p;
}

int64_t
lb_now_ns(void)
{
	return kc_mono_ns(&kc_clock_system);
}

double
lb_cpu(int pid)
{
	unsigned long user, sys;
	char path[64], line[1024];
	FILE *f;
	char *p;

	if (pid == 0)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if ((f = fopen(path, "r")) == NULL ||
	    fgets(line, sizeof line, f) == NULL)
		lb_die("no broker with process id %d", pid);
	fclose(f);
	/* Fields 14 and 15; the name in parentheses may hold anything. */
	p = strrchr(line, ')');
	if (p == NULL ||
	    sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
		&user, &sys) != 2)
		lb_die("cannot read %s", path);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

int64_t
lb_memory(int pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	if ((f = fopen(path, "r")) == NULL)
		lb_die("no broker with process id %d", pid);
	while (kib < 0 && fgets(line, sizeof line, f) != NULL)
		(void)sscanf(line, "RssAnon: %ld", &kib);
	fclose(f);
	return kib * 1024;
}

void
lb_window(struct lb *lb)
{
	int64_t now = lb_now_ns();

	if (lb->started_ns == 0)
		lb->started_ns = now;
	if (lb->begin_ns == 0) {
		if (now - lb->started_ns < (int64_t)lb->o.warm_ms * 1000000)
			return;
		lb->begin_ns = now;
		lb->cpu_begin = lb_cpu(lb->o.pid);
		memset(&lb->r, 0, sizeof lb->r);
		return;
	}
	if (now - lb->begin_ns < (int64_t)lb->o.ms * 1000000 &&
	    (lb->o.bytes == 0 || lb->r.bytes < lb->o.bytes))
		return;
	lb->over = true;
	lb->r.secs = (double)(now - lb->begin_ns) / 1e9;
	lb->r.cpu = lb_cpu(lb->o.pid) - lb->cpu_begin;
}

static void
print_ratio(const char *name, double a, double b)
{
	if (b > 0)
		printf(", \"%s\": %.4g", name, a / b);
}

void
lb_print_begin(const struct lb *lb, const char *mode)
{
	const struct lb_result *r = &lb->r;
	double gib = (double)r->bytes / (1 << 30);

	printf("{\"mode\": \"%s\", \"seconds\": %.3f, \"cpu\": %.2f, "
	       "\"requests\": %lld, \"records\": %lld, \"gib\": %.3f",
	    mode, r->secs, r->cpu, (long long)r->requests,
	    (long long)r->records, gib);
	print_ratio("cpu_gib", r->cpu, gib);
	print_ratio("cpu_us_record", r->cpu * 1e6, (double)r->records);
	print_ratio("cpu_us_request", r->cpu * 1e6, (double)r->requests);
	print_ratio("requests_cpu_s", (double)r->requests, r->cpu);
	print_ratio("gib_s", gib, r->secs);
	print_ratio("requests_s", (double)r->requests, r->secs);
}

void
lb_print_end(void)
{
	puts("}");
}

static int64_t
number(const char *text)
{
	char *end;
	int64_t v = strtoll(text, &end, 10);

	if (*end == 'k')
		v <<= 10, end++;
	else if (*end == 'm')
		v <<= 20, end++;
	else if (*end == 'g')
		v <<= 30, end++;
	if (end == text || *end != '\0')
		lb_die("no number: %s", text);
	return v;
}

static void
set_server(struct lb_options *o, char *value)
{
	char *colon = strrchr(value, ':');

	if (colon == NULL)
		lb_die("server=HOST:PORT");
	*colon = '\0';
	o->host = value;
	o->port = (int)number(colon + 1);
}

static void
set(struct lb_options *o, char *arg)
{
	const struct {
		const char *name;
		int *to;
	} numbers[] = { { "pid", &o->pid }, { "partitions", &o->partitions },
		{ "idle", &o->idle }, { "conns", &o->conns },
		{ "inflight", &o->inflight }, { "acks", &o->acks },
		{ "record", &o->record }, { "batch", &o->batch },
		{ "per_request", &o->per_request },
		{ "part_bytes", &o->part_bytes }, { "warm_ms", &o->warm_ms },
		{ "ms", &o->ms }, { "rate", &o->rate },
		{ "topics", &o->topics }, { "keep", &o->keep } };
	char *value = strchr(arg, '=');

	if (value == NULL)
		lb_die("name=value, not %s", arg);
	*value++ = '\0';
	for (size_t i = 0; i < KC_COUNT(numbers); i++) {
		if (strcmp(arg, numbers[i].name) == 0) {
			*numbers[i].to = (int)number(value);
			return;
		}
	}
	if (strcmp(arg, "server") == 0)
		set_server(o, value);
	else if (strcmp(arg, "ca") == 0)
		o->ca = value;
	else if (strcmp(arg, "topic") == 0)
		o->topic = value;
	else if (strcmp(arg, "bytes") == 0)
		o->bytes = number(value);
	else if (strcmp(arg, "since_us") == 0)
		o->since_us = number(value);
	else if (strcmp(arg, "codec") != 0 ||
	    kc_codec_parse(kc_str(value), &o->codec) != KC_OK)
		lb_die("no such option: %s=%s", arg, value);
}

int
main(int argc, char **argv)
{
	struct lb lb = { .o = { .host = "127.0.0.1",
			     .port = 9092,
			     .partitions = 4,
			     .conns = 1,
			     .inflight = 5,
			     .acks = 1,
			     .record = 1024,
			     .batch = 64 * 1024,
			     .part_bytes = 1 << 20,
			     .warm_ms = 500,
			     .ms = 3000,
			     .rate = 2000,
			     .topics = 1000 } };
	struct kc_tls_params tp = { .verify_host = true };
	char why[256], topic[64];
	struct kc_rand rnd;

	/* Its own: deleting one of an earlier run may still be under way. */
	snprintf(topic, sizeof topic, "bench-%d", (int)getpid());
	lb.o.topic = topic;
	for (int i = 2; i < argc; i++)
		set(&lb.o, argv[i]);
	if (lb.o.per_request == 0)
		lb.o.per_request = lb.o.partitions;
	kc_rand_init_system(&rnd);
	lb.env.clock = &kc_clock_system;
	lb.env.rand = &rnd;
	lb.env.net = &kc_net_system;
	if (lb.o.ca != NULL) {
		tp.truststore_type = "PEM";
		tp.truststore_location = lb.o.ca;
		if (kc_tls_open(&lb.tls, &tp, why, sizeof why) != KC_OK)
			lb_die("%s", why);
	}
	if (kc_loop_open(&lb.loop, &lb.env, "load") != KC_OK)
		lb_die("no loop");
	for (size_t i = 0; argc > 1 && i < KC_COUNT(modes); i++) {
		if (strcmp(argv[1], modes[i].name) == 0) {
			modes[i].run(&lb);
			kc_loop_close(&lb.loop);
			kc_tls_put(&lb.tls);
			return 0;
		}
	}
	lb_die("usage: load produce|preload|fetch|latency|topics|idle|ready "
	       "[name=value]...");
}
