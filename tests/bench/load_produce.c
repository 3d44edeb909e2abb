/* Producing: as many requests in flight as were asked for, always. */
#include "tests/bench/load.h"

#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/record/build.h"

#include <stdlib.h>
#include <string.h>

#define PRODUCE_V 9

/* Words and numbers, as a log line has: compressible, but not too much. */
static void
fill_value(char *p, int len)
{
	static const char *const words[] = { "order", "customer", "2024",
		"status=", "warehouse", "shipped", "pending", "EUR", "item",
		"total=", "session", "click", "view", "error",
		"user_id=", "region" };
	static uint32_t x = 1;
	int at = 0;

	while (at < len) {
		char text[32];
		int n;

		x = x * 1664525 + 1013904223;
		n = snprintf(text, sizeof text, "%s %u ", words[x >> 28],
		    (x >> 8) % 100000);
		n = KC_MIN(n, len - at);
		memcpy(p + at, text, (size_t)n);
		at += n;
	}
}

int
lb_batch(const struct lb_options *o, int64_t bytes, struct kc_wr *w)
{
	struct kc_build_params params = kc_build_params_default;
	struct kc_compress_ctx *ctx = NULL;
	int64_t now = kc_wall_ms(&kc_clock_system), sum = 0;
	char *value = lb_alloc((size_t)o->record);
	struct kc_build b;
	int n = 0;

	params.codec = o->codec;
	params.level = kc_codec_level_default(o->codec);
	if (kc_compress_ctx_open(&ctx) != KC_OK)
		lb_die("no memory");
	kc_build_open(&b, &params, ctx, w);
	do {
		struct kc_record rec = { .offset = n,
			.timestamp = now + n / 10,
			.key = KC_STR_NULL,
			.value = { value, o->record },
			.headers = KC_STR_NULL };

		fill_value(value, o->record);
		(void)kc_build_append(&b, &rec);
		n++;
		sum += o->record;
	} while (sum + o->record <= bytes);
	if (kc_build_finish(&b) != KC_OK)
		lb_die("a batch cannot be built");
	kc_compress_ctx_close(&ctx);
	free(value);
	return n;
}

void
lb_produce_frame(struct kc_wr *w, const struct lb_options *o, const char *topic,
    int first, int n, const struct kc_wr *batch)
{
	struct kp_partition_produce_data *d = lb_alloc((size_t)n * sizeof *d);
	struct kp_topic_produce_data t;
	struct kp_produce_req req;

	kp_init(kp_desc_produce_req(), &req);
	kp_init(kp_desc_topic_produce_data(), &t);
	for (int i = 0; i < n; i++) {
		kp_init(kp_desc_partition_produce_data(), &d[i]);
		d[i].index = first + i;
		d[i].records = (struct kc_records){ .p = batch->p,
			.len = (int32_t)batch->len };
	}
	t.name = kc_str(topic);
	t.partition_data.v = d;
	t.partition_data.n = n;
	req.topic_data.v = &t;
	req.topic_data.n = 1;
	req.acks = (int16_t)o->acks;
	req.timeout_ms = 30000;
	lb_frame(w, kp_key_produce, PRODUCE_V, &req);
	free(d);
}

/* One connection's requests: to each of its groups of partitions in turn. */
struct producer {
	struct lb_conn *c;
	struct kc_wr *frames;
	int nframes;
	int next;
	int records; /* of one request */
	int64_t bytes;
	struct kc_arena a;
};

static void
send_next(struct producer *p)
{
	struct kc_wr *w = &p->frames[p->next];

	p->next = (p->next + 1) % p->nframes;
	lb_send(p->c, w->p, w->len);
}

static void
check(struct producer *p, const uint8_t *bytes, int32_t len)
{
	struct kp_produce_resp resp;

	lb_decode(bytes, len, &p->a, kp_key_produce, PRODUCE_V, &resp);
	for (int i = 0; i < resp.responses.n; i++) {
		const struct kp_topic_produce_response *t =
		    &resp.responses.v[i];

		for (int j = 0; j < t->partition_responses.n; j++)
			if (t->partition_responses.v[j].error_code != KP_NONE)
				lb_die("Produce: %s",
				    kp_error_name(t->partition_responses.v[j]
						      .error_code));
	}
	kc_arena_reset(&p->a);
}

static void
on_answer(struct lb_conn *c, const uint8_t *bytes, int32_t len)
{
	struct producer *p = c->arg;
	struct lb *lb = c->lb;

	check(p, bytes, len);
	lb->r.requests++;
	lb->r.records += p->records;
	lb->r.bytes += p->bytes;
	if (!lb->over)
		send_next(p);
}

static void
open_producer(struct producer *p, struct lb *lb, const struct kc_wr *batch,
    int records, int index)
{
	const struct lb_options *o = &lb->o;
	int each = KC_MIN(o->per_request, o->partitions);

	p->nframes = o->partitions / each;
	p->frames = lb_alloc((size_t)p->nframes * sizeof *p->frames);
	for (int i = 0; i < p->nframes; i++) {
		kc_wr_init(&p->frames[i], 0);
		lb_produce_frame(
		    &p->frames[i], o, o->topic, i * each, each, batch);
	}
	p->next = index % p->nframes;
	p->records = records * each;
	p->bytes = (int64_t)p->records * o->record;
	kc_arena_init(&p->a, SIZE_MAX);
	p->c = lb_connect(lb);
	p->c->arg = p;
	p->c->on_frame = on_answer;
	lb_wait_up(p->c);
}

static void
close_producer(struct producer *p)
{
	lb_close(p->c);
	for (int i = 0; i < p->nframes; i++)
		kc_wr_fini(&p->frames[i]);
	free(p->frames);
	kc_arena_fini(&p->a);
}

static void
produce(struct lb *lb, bool window)
{
	const struct lb_options *o = &lb->o;
	struct producer *p = lb_alloc((size_t)o->conns * sizeof *p);
	struct kc_wr batch;
	int records, busy = 1;

	kc_wr_init(&batch, 0);
	records = lb_batch(o, o->batch, &batch);
	for (int i = 0; i < o->conns; i++)
		open_producer(&p[i], lb, &batch, records, i);
	for (int i = 0; i < o->conns; i++)
		for (int j = 0; j < o->inflight; j++)
			send_next(&p[i]);
	while (busy > 0) {
		(void)kc_loop_step(lb->loop, 1000);
		if (window && !lb->over)
			lb_window(lb);
		else if (!window && lb->r.bytes >= o->bytes)
			lb->over = true;
		busy = !lb->over;
		for (int i = 0; lb->over && i < o->conns; i++)
			busy += p[i].c->waiting;
	}
	for (int i = 0; i < o->conns; i++)
		close_producer(&p[i]);
	free(p);
	kc_wr_fini(&batch);
}

void
lb_preload(struct lb *lb)
{
	int conns = lb->o.conns;

	lb->o.conns = 1;
	produce(lb, false);
	lb->o.conns = conns;
	memset(&lb->r, 0, sizeof lb->r);
	lb->over = false;
}

void
lb_run_preload(struct lb *lb)
{
	lb_create_topic(lb, lb->o.topic, lb->o.partitions);
	lb_preload(lb);
	lb_print_begin(lb, "preload");
	lb_print_end();
}

void
lb_run_produce(struct lb *lb)
{
	struct lb_result r;

	lb_create_topic(lb, lb->o.topic, lb->o.partitions);
	produce(lb, true);
	r = lb->r;
	lb_delete_topic(lb, lb->o.topic);
	lb->r = r;
	lb_print_begin(lb, "produce");
	lb_print_end();
}
