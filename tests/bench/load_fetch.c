/*
 * Fetching what is in the page cache, over and over, in one session: each
 * request names the partitions that have moved, as clients do.
 */
#include "tests/bench/load.h"

#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/record/batch.h"

#include <stdlib.h>
#include <string.h>

#define FETCH_V 12

struct reader {
	struct lb *lb;
	struct lb_conn *c;
	struct kc_arena a;
	struct kc_wr w;
	int32_t session;
	int32_t epoch;
	struct kp_fetch_partition *v; /* of the busy topic */
	bool *moved;
	char idle_topic[128];
};

static void
set_topic(struct reader *rd, struct kp_fetch_topic *t, const char *name, int n,
    bool all)
{
	kp_init(kp_desc_fetch_topic(), t);
	t->topic = kc_str(name);
	t->partitions.v =
	    kc_arena_alloc(&rd->a, (size_t)n * sizeof *t->partitions.v);
	if (t->partitions.v == NULL)
		lb_die("no memory");
	for (int i = 0; i < n; i++) {
		struct kp_fetch_partition *p =
		    &t->partitions.v[t->partitions.n];

		if (name != rd->lb->o.topic) {
			*p = rd->v[0];
			p->partition = i;
			p->fetch_offset = 0;
			t->partitions.n++;
		} else if (all || rd->moved[i]) {
			*p = rd->v[i];
			rd->moved[i] = false;
			t->partitions.n++;
		}
	}
}

static void
ask(struct reader *rd)
{
	const struct lb_options *o = &rd->lb->o;
	struct kp_fetch_topic t[2];
	struct kp_fetch_req req;
	bool all = rd->epoch == 0;

	kp_init(kp_desc_fetch_req(), &req);
	req.max_wait_ms = 500;
	req.min_bytes = 1;
	req.max_bytes = 50 << 20;
	req.session_id = rd->session;
	req.session_epoch = rd->epoch++;
	req.topics.v = t;
	set_topic(rd, &t[0], o->topic, o->partitions, all);
	req.topics.n = 1;
	if (o->idle > 0 && all) {
		set_topic(rd, &t[1], rd->idle_topic, o->idle, true);
		req.topics.n = 2;
	}
	kc_wr_reset(&rd->w);
	lb_frame(&rd->w, kp_key_fetch, FETCH_V, &req);
	kc_arena_reset(&rd->a);
	lb_send(rd->c, rd->w.p, rd->w.len);
}

/* Where reading goes on; the batches of the answer are whole. */
static void
move_on(struct reader *rd, const struct kp_fetch_resp_partition_data *d)
{
	struct kp_fetch_partition *p = &rd->v[d->partition_index];
	struct lb_result *r = &rd->lb->r;
	struct kc_batch b;

	for (int32_t at = 0; at < d->records.len; at += (int32_t)b.size) {
		if (kc_batch_parse(d->records.p + at,
			(size_t)(d->records.len - at), &b) != KC_OK)
			break; /* a real broker may cut the last */
		p->fetch_offset = kc_batch_last_offset(&b) + 1;
		r->records += b.count;
	}
	r->bytes += d->records.len;
	if (p->fetch_offset >= d->high_watermark)
		p->fetch_offset = 0; /* from the beginning again */
	rd->moved[d->partition_index] = true;
}

static void
on_answer(struct lb_conn *c, const uint8_t *bytes, int32_t len)
{
	struct reader *rd = c->arg;
	struct kp_fetch_resp resp;

	lb_decode(bytes, len, &rd->a, kp_key_fetch, FETCH_V, &resp);
	if (resp.error_code != KP_NONE)
		lb_die("Fetch: %s", kp_error_name(resp.error_code));
	rd->session = resp.session_id;
	rd->lb->r.requests++;
	for (int i = 0; i < resp.responses.n; i++) {
		const struct kp_fetchable_topic_response *t =
		    &resp.responses.v[i];

		for (int j = 0; j < t->partitions.n; j++) {
			if (t->partitions.v[j].error_code != KP_NONE)
				lb_die("Fetch: %s",
				    kp_error_name(
					t->partitions.v[j].error_code));
			if (t->partitions.v[j].records.len > 0)
				move_on(rd, &t->partitions.v[j]);
		}
	}
	kc_arena_reset(&rd->a);
	if (!rd->lb->over)
		ask(rd);
}

static void
open_reader(struct reader *rd, struct lb *lb)
{
	int n = lb->o.partitions;

	rd->lb = lb;
	kc_arena_init(&rd->a, SIZE_MAX);
	kc_wr_init(&rd->w, 0);
	rd->v = lb_alloc((size_t)n * sizeof *rd->v);
	rd->moved = lb_alloc((size_t)n * sizeof *rd->moved);
	for (int i = 0; i < n; i++) {
		kp_init(kp_desc_fetch_partition(), &rd->v[i]);
		rd->v[i].partition = i;
		rd->v[i].partition_max_bytes = lb->o.part_bytes;
	}
	snprintf(rd->idle_topic, sizeof rd->idle_topic, "%s-idle", lb->o.topic);
	rd->c = lb_connect(lb);
	rd->c->arg = rd;
	rd->c->on_frame = on_answer;
	lb_wait_up(rd->c);
}

void
lb_run_fetch(struct lb *lb)
{
	struct reader *rd = lb_alloc((size_t)lb->o.conns * sizeof *rd);
	struct lb_result r;
	char idle[128];
	int busy = 1;

	snprintf(idle, sizeof idle, "%s-idle", lb->o.topic);
	lb_create_topic(lb, lb->o.topic, lb->o.partitions);
	if (lb->o.idle > 0)
		lb_create_topic(lb, idle, lb->o.idle);
	lb_preload(lb);
	lb->o.bytes = 0; /* that was the preload; the clock ends the run */
	for (int i = 0; i < lb->o.conns; i++)
		open_reader(&rd[i], lb);
	for (int i = 0; i < lb->o.conns; i++)
		ask(&rd[i]);
	while (busy > 0) {
		(void)kc_loop_step(lb->loop, 1000);
		if (!lb->over)
			lb_window(lb);
		if (lb->over && busy == 1)
			r = lb->r;
		busy = !lb->over;
		for (int i = 0; lb->over && i < lb->o.conns; i++)
			busy += rd[i].c->waiting;
	}
	r.secs = lb->r.secs;
	r.cpu = lb->r.cpu;
	for (int i = 0; i < lb->o.conns; i++) {
		lb_close(rd[i].c);
		free(rd[i].v);
		free(rd[i].moved);
		kc_wr_fini(&rd[i].w);
		kc_arena_fini(&rd[i].a);
	}
	free(rd);
	lb_delete_topic(lb, lb->o.topic);
	if (lb->o.idle > 0)
		lb_delete_topic(lb, idle);
	lb->r = r;
	lb_print_begin(lb, "fetch");
	lb_print_end();
}
