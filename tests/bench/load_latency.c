/*
 * End to end, open loop: a message is due at a time that no answer delays,
 * its latency counts from then until a consumer has it.
 */
#include "tests/bench/load.h"

#include "kcommon/base/err.h"
#include "kcommon/crc/crc32c.h"
#include "kcommon/proto/error.h"
#include "kcommon/record/batch.h"
#include "kcommon/record/iter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PRODUCE_V 9
#define FETCH_V 12
#define TICK_NS 250000

struct run {
	struct lb *lb;
	struct lb_conn *producer;
	struct lb_conn *consumer;
	struct kc_io timer;
	struct kc_wr *frames; /* one a partition */
	size_t batch_at; /* where the batch lies in each */
	size_t batch_len;
	int64_t start_ns; /* message i is due at start + i / rate */
	int64_t sent, measured_from, total;
	int64_t *us; /* a latency a message that was seen */
	int64_t seen;
	/* The consumer's session. */
	struct kc_arena a;
	struct kc_wr w;
	int32_t session, epoch;
	int64_t *offsets;
	bool *moved;
};

static int64_t
due_ns(const struct run *run, int64_t i)
{
	return run->start_ns + i * 1000000000 / run->lb->o.rate;
}

/* The number goes to the end of the value; the checksum follows it. */
static void
send_message(struct run *run, int64_t i)
{
	int part = (int)(i % run->lb->o.partitions);
	struct kc_wr *w = &run->frames[part];
	uint8_t *b = w->p + run->batch_at;

	/* The last byte of a record says that it has no headers. */
	memcpy(b + run->batch_len - 1 - sizeof i, &i, sizeof i);
	kc_batch_set_crc(b,
	    kc_crc32c(0, b + KC_BATCH_AT_ATTRIBUTES,
		run->batch_len - KC_BATCH_AT_ATTRIBUTES));
	lb_send(run->producer, w->p, w->len);
}

static void
on_tick(struct kc_io *io, unsigned ready)
{
	struct run *run = KC_CONTAINER(io, struct run, timer);
	uint64_t n;

	(void)ready;
	if (read(io->fd, &n, sizeof n) == -1)
		return;
	while (run->sent < run->total && due_ns(run, run->sent) <= lb_now_ns())
		send_message(run, run->sent++);
}

static void
on_ack(struct lb_conn *c, const uint8_t *p, int32_t len)
{
	struct run *run = c->arg;
	struct kp_produce_resp resp;

	lb_decode(p, len, &run->a, kp_key_produce, PRODUCE_V, &resp);
	if (resp.responses.v[0].partition_responses.v[0].error_code != KP_NONE)
		lb_die("Produce failed");
	kc_arena_reset(&run->a);
}

static void
ask(struct run *run)
{
	struct kp_fetch_partition *v;
	struct kp_fetch_topic t;
	struct kp_fetch_req req;

	kp_init(kp_desc_fetch_req(), &req);
	kp_init(kp_desc_fetch_topic(), &t);
	req.max_wait_ms = 500;
	req.min_bytes = 1;
	req.max_bytes = 50 << 20;
	req.session_id = run->session;
	req.topics.v = &t;
	req.topics.n = 1;
	t.topic = kc_str(run->lb->o.topic);
	v = kc_arena_array(&run->a, (size_t)run->lb->o.partitions, sizeof *v);
	if (v == NULL)
		lb_die("no memory");
	t.partitions.v = v;
	for (int i = 0; i < run->lb->o.partitions; i++) {
		if (run->epoch > 0 && !run->moved[i])
			continue;
		run->moved[i] = false;
		kp_init(kp_desc_fetch_partition(), v);
		v->partition = i;
		v->fetch_offset = run->offsets[i];
		v->partition_max_bytes = 1 << 20;
		v++;
		t.partitions.n++;
	}
	if (t.partitions.n == 0)
		req.topics.n = 0;
	req.session_epoch = run->epoch++;
	kc_wr_reset(&run->w);
	lb_frame(&run->w, kp_key_fetch, FETCH_V, &req);
	kc_arena_reset(&run->a);
	lb_send(run->consumer, run->w.p, run->w.len);
}

static void
take(struct run *run, const struct kp_fetch_resp_partition_data *d, int64_t now)
{
	struct kc_batch b;
	int64_t i;

	for (int32_t at = 0; at < d->records.len; at += (int32_t)b.size) {
		if (kc_batch_parse(d->records.p + at,
			(size_t)(d->records.len - at), &b) != KC_OK)
			break;
		run->offsets[d->partition_index] = kc_batch_last_offset(&b) + 1;
		run->moved[d->partition_index] = true;
		memcpy(&i, b.p + b.size - 1 - sizeof i, sizeof i);
		if (i >= run->measured_from)
			run->us[run->seen++] = (now - due_ns(run, i)) / 1000;
		if (i + 1 >= run->total)
			run->lb->over = true;
	}
}

static void
on_records(struct lb_conn *c, const uint8_t *p, int32_t len)
{
	struct run *run = c->arg;
	int64_t now = lb_now_ns();
	struct kp_fetch_resp resp;

	lb_decode(p, len, &run->a, kp_key_fetch, FETCH_V, &resp);
	if (resp.error_code != KP_NONE)
		lb_die("Fetch: %s", kp_error_name(resp.error_code));
	run->session = resp.session_id;
	for (int i = 0; i < resp.responses.n; i++)
		for (int j = 0; j < resp.responses.v[i].partitions.n; j++)
			take(run, &resp.responses.v[i].partitions.v[j], now);
	kc_arena_reset(&run->a);
	if (!run->lb->over)
		ask(run);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void
prepare(struct run *run)
{
	struct lb_options o = run->lb->o;
	struct kc_wr batch;

	kc_wr_init(&batch, 0);
	o.codec = KC_CODEC_NONE;
	(void)lb_batch(&o, 1, &batch);
	run->batch_len = batch.len;
	run->frames = lb_alloc((size_t)o.partitions * sizeof *run->frames);
	for (int i = 0; i < o.partitions; i++) {
		struct kc_wr *w = &run->frames[i];

		kc_wr_init(w, 0);
		lb_produce_frame(w, &o, o.topic, i, 1, &batch);
		run->batch_at = (size_t)((uint8_t *)memmem(
					     w->p, w->len, batch.p, batch.len) -
		    w->p);
	}
	kc_wr_fini(&batch);
	run->offsets = lb_alloc((size_t)o.partitions * sizeof(int64_t));
	run->moved = lb_alloc((size_t)o.partitions * sizeof(bool));
	run->measured_from = (int64_t)o.rate * o.warm_ms / 1000;
	run->total = run->measured_from + (int64_t)o.rate * o.ms / 1000;
	run->us = lb_alloc((size_t)run->total * sizeof(int64_t));
}

static void
start_clock(struct run *run)
{
	const struct itimerspec every = { .it_interval.tv_nsec = TICK_NS,
		.it_value.tv_nsec = TICK_NS };

	run->timer.fn = on_tick;
	run->timer.want = KC_IO_IN;
	run->timer.fd =
	    timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (run->timer.fd == -1 ||
	    timerfd_settime(run->timer.fd, 0, &every, NULL) == -1 ||
	    kc_io_add(run->lb->loop, &run->timer) != KC_OK)
		lb_die("no timer");
	run->start_ns = lb_now_ns();
}

static void
report(struct run *run)
{
	struct lb *lb = run->lb;
	int64_t n = run->seen;

	qsort(run->us, (size_t)n, sizeof *run->us, compare);
	lb->r.requests = lb->r.records = n;
	lb_print_begin(lb, "latency");
	printf(", \"p50_us\": %lld, \"p99_us\": %lld, \"p999_us\": %lld, "
	       "\"max_us\": %lld",
	    (long long)run->us[n / 2], (long long)run->us[n * 99 / 100],
	    (long long)run->us[n * 999 / 1000], (long long)run->us[n - 1]);
	lb_print_end();
}

void
lb_run_latency(struct lb *lb)
{
	struct run run = { .lb = lb };
	int fd;

	lb_create_topic(lb, lb->o.topic, lb->o.partitions);
	prepare(&run);
	kc_arena_init(&run.a, SIZE_MAX);
	kc_wr_init(&run.w, 0);
	run.consumer = lb_connect(lb);
	run.producer = lb_connect(lb);
	run.consumer->arg = run.producer->arg = &run;
	run.consumer->on_frame = on_records;
	run.producer->on_frame = on_ack;
	lb_wait_up(run.consumer);
	lb_wait_up(run.producer);
	ask(&run);
	start_clock(&run);
	lb->begin_ns = run.start_ns;
	while (!lb->over) {
		(void)kc_loop_step(lb->loop, 1000);
		if (lb->cpu_begin == 0 && run.sent >= run.measured_from) {
			lb->cpu_begin = lb_cpu(lb->o.pid);
			lb->begin_ns = lb_now_ns();
		}
	}
	lb->r.secs = (double)(lb_now_ns() - lb->begin_ns) / 1e9;
	lb->r.cpu = lb_cpu(lb->o.pid) - lb->cpu_begin;
	fd = run.timer.fd;
	kc_io_del(lb->loop, &run.timer);
	close(fd);
	report(&run);
	lb_close(run.consumer);
	lb_close(run.producer);
	for (int i = 0; i < lb->o.partitions; i++)
		kc_wr_fini(&run.frames[i]);
	free(run.frames);
	free(run.offsets);
	free(run.moved);
	free(run.us);
	kc_wr_fini(&run.w);
	kc_arena_fini(&run.a);
	lb_delete_topic(lb, lb->o.topic);
}
