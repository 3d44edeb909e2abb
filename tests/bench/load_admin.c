/* Topics, idle connections, and waiting for a broker to be there. */
#include "tests/bench/load.h"

#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "tests/lib/proc.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#include <stdlib.h>
#include <string.h>

#define CREATE_V 5
#define DELETE_V 5
#define METADATA_V 8

static void
create(struct lb *lb, struct kp_creatable_topic *v, int n)
{
	struct kp_create_topics_req req;
	struct kp_create_topics_resp resp;
	struct lb_conn *c = lb_connect(lb);
	struct kc_arena a;

	kc_arena_init(&a, SIZE_MAX);
	kp_init(kp_desc_create_topics_req(), &req);
	req.topics.v = v;
	req.topics.n = n;
	req.timeout_ms = 120000;
	lb_call(c, &a, kp_key_create_topics, CREATE_V, &req, &resp);
	for (int i = 0; i < resp.topics.n; i++)
		if (resp.topics.v[i].error_code != KP_NONE)
			lb_die("CreateTopics: %s",
			    kp_error_name(resp.topics.v[i].error_code));
	kc_arena_fini(&a);
	lb_close(c);
}

static bool
has_leaders(const struct kp_metadata_response_topic *t, int n)
{
	if (t->error_code != KP_NONE || t->partitions.n != n)
		return false;
	for (int i = 0; i < n; i++)
		if (t->partitions.v[i].error_code != KP_NONE)
			return false;
	return true;
}

static void
wait_for_leaders(struct lb *lb, const struct kp_creatable_topic *v, int n)
{
	struct kp_metadata_req req;
	struct kp_metadata_resp resp;
	struct lb_conn *c = lb_connect(lb);
	struct kc_arena a;
	int left;

	kc_arena_init(&a, SIZE_MAX);
	kp_init(kp_desc_metadata_req(), &req);
	req.allow_auto_topic_creation = false;
	if (!KP_ARRAY(&a, &req.topics, metadata_request_topic, n))
		lb_die("no memory");
	for (int i = 0; i < n; i++)
		req.topics.v[i].name = v[i].name;
	do {
		left = 0;
		lb_call(c, &a, kp_key_metadata, METADATA_V, &req, &resp);
		for (int i = 0; i < resp.topics.n; i++)
			left += !has_leaders(
			    &resp.topics.v[i], v[0].num_partitions);
		if (left > 0)
			kt_nap_ms(5);
	} while (left > 0 || resp.topics.n != n);
	kc_arena_fini(&a);
	lb_close(c);
}

static struct kp_creatable_topic *
plan(int n, const char *name, int partitions)
{
	struct kp_creatable_topic *v = lb_alloc((size_t)n * sizeof *v);

	for (int i = 0; i < n; i++) {
		char *text = lb_alloc(strlen(name) + 16);

		if (n == 1)
			strcpy(text, name);
		else
			sprintf(text, "%s-%d", name, i);
		kp_init(kp_desc_creatable_topic(), &v[i]);
		v[i].name = kc_str(text);
		v[i].num_partitions = partitions;
		v[i].replication_factor = 1;
	}
	return v;
}

static void
plan_free(struct kp_creatable_topic *v, int n)
{
	for (int i = 0; i < n; i++)
		free((char *)(uintptr_t)v[i].name.p);
	free(v);
}

void
lb_create_topic(struct lb *lb, const char *topic, int partitions)
{
	struct kp_creatable_topic *v = plan(1, topic, partitions);

	create(lb, v, 1);
	wait_for_leaders(lb, v, 1);
	plan_free(v, 1);
}

static void delete (struct lb *lb, struct kc_str *names, int n)
{
	struct kp_delete_topics_req req;
	struct kp_delete_topics_resp resp;
	struct lb_conn *c = lb_connect(lb);
	struct kc_arena a;

	kc_arena_init(&a, SIZE_MAX);
	kp_init(kp_desc_delete_topics_req(), &req);
	req.topic_names.v = names;
	req.topic_names.n = n;
	req.timeout_ms = 120000;
	lb_call(c, &a, kp_key_delete_topics, DELETE_V, &req, &resp);
	kc_arena_fini(&a);
	lb_close(c);
}

void
lb_delete_topic(struct lb *lb, const char *topic)
{
	struct kc_str name = kc_str(topic);

	delete (lb, &name, 1);
}

static void
delete_planned(struct lb *lb, const struct kp_creatable_topic *v, int n)
{
	struct kc_str *names = lb_alloc((size_t)n * sizeof *names);

	for (int i = 0; i < n; i++)
		names[i] = v[i].name;
	delete (lb, names, n);
	free(names);
}

static void
on_ack(struct lb_conn *c, const uint8_t *p, int32_t len)
{
	(void)p;
	(void)len;
	c->lb->r.requests++;
}

/* Create many topics; write once to each. */
void
lb_run_topics(struct lb *lb)
{
	int n = lb->o.topics;
	struct kp_creatable_topic *v = plan(n, lb->o.topic, lb->o.partitions);
	double cpu = lb_cpu(lb->o.pid), created, led, written;
	struct lb_conn *c;
	struct kc_wr batch, w;
	int64_t t = lb_now_ns();

	create(lb, v, n);
	created = (double)(lb_now_ns() - t) / 1e9;
	wait_for_leaders(lb, v, n);
	led = (double)(lb_now_ns() - t) / 1e9;
	kc_wr_init(&batch, 0);
	kc_wr_init(&w, 0);
	lb_batch(&lb->o, 1, &batch);
	c = lb_connect(lb);
	c->on_frame = on_ack;
	lb_wait_up(c);
	t = lb_now_ns();
	for (int i = 0; i < n; i++) {
		kc_wr_reset(&w);
		lb_produce_frame(&w, &lb->o, v[i].name.p, 0, 1, &batch);
		lb_send(c, w.p, w.len);
	}
	while (c->waiting > 0)
		(void)kc_loop_step(lb->loop, 1000);
	written = (double)(lb_now_ns() - t) / 1e9;
	lb->r.secs = led + written;
	lb->r.cpu = lb_cpu(lb->o.pid) - cpu;
	lb_print_begin(lb, "topics");
	printf(", \"create_s\": %.3f, \"leaders_s\": %.3f, "
	       "\"first_write_s\": %.3f",
	    created, led, written);
	lb_print_end();
	kc_wr_fini(&batch);
	kc_wr_fini(&w);
	lb_close(c);
	if (!lb->o.keep)
		delete_planned(lb, v, n);
	plan_free(v, n);
}

/* Many connections that have asked one thing each, and are then silent. */
void
lb_run_idle(struct lb *lb)
{
	struct lb_conn **c = lb_alloc((size_t)lb->o.conns * sizeof *c);
	struct kp_api_versions_req req;
	struct kc_wr w;
	int64_t before = lb_memory(lb->o.pid);
	int up = 0;

	kc_wr_init(&w, 0);
	kp_init(kp_desc_api_versions_req(), &req);
	lb_frame(&w, kp_key_api_versions, 0, &req);
	lb->begin_ns = lb_now_ns();
	lb->cpu_begin = lb_cpu(lb->o.pid);
	for (int i = 0; i < lb->o.conns; i++) {
		c[i] = lb_connect(lb);
		c[i]->on_frame = on_ack;
		lb_send(c[i], w.p, w.len);
		/* A few at a time: the backlog is short. */
		while (i + 1 - (int)lb->r.requests > 32)
			(void)kc_loop_step(lb->loop, 1000);
	}
	while (lb->r.requests < lb->o.conns)
		(void)kc_loop_step(lb->loop, 1000);
	lb->r.secs = (double)(lb_now_ns() - lb->begin_ns) / 1e9;
	lb->r.cpu = lb_cpu(lb->o.pid) - lb->cpu_begin;
	lb_print_begin(lb, "idle");
	printf(", \"memory_conn\": %.0f",
	    (double)(lb_memory(lb->o.pid) - before) / lb->o.conns);
	lb_print_end();
	for (up = 0; up < lb->o.conns; up++)
		lb_close(c[up]);
	free(c);
	kc_wr_fini(&w);
}

/* Until Metadata tells of a broker and a controller. */
void
lb_run_ready(struct lb *lb)
{
	int64_t since = lb->o.since_us;
	int controller = -1;

	if (since == 0)
		since = kc_wall_ms(&kc_clock_system) * 1000;

	while (!kt_can_connect(lb->o.port) ||
	    kt_metadata(lb->o.port, &controller) < 1 || controller < 0)
		kt_nap_ms(1);
	printf("{\"mode\": \"ready\", \"ready_s\": %.3f}\n",
	    (double)(kc_wall_ms(&kc_clock_system) - since / 1000) / 1e3);
}
