/* Connections of the load generator. */
#include "tests/bench/load.h"

#include "kcommon/base/err.h"
#include "kcommon/buf/rd.h"
#include "kcommon/proto/header.h"

#include <stdlib.h>
#include <string.h>

/* Sent bytes that are kept before what is left is moved to the front. */
#define MOVE_AT (8 << 20)

static void
push(struct lb_conn *c)
{
	int rc;

	if (!c->up)
		return;
	rc = c->s->ops->send(c->s, &c->send);
	if (rc == KC_OK) {
		kc_wr_reset(&c->out);
		c->send = (struct kc_send){ .w = &c->out };
	} else if (rc != KC_EAGAIN) {
		lb_die("send: %s", c->s->err_text);
	} else if (c->send.mem_done > MOVE_AT) {
		c->out.len -= c->send.mem_done;
		memmove(c->out.p, c->out.p + c->send.mem_done, c->out.len);
		c->send.mem_done = 0;
	}
	c->s->ops->want(c->s, rc == KC_OK ? KC_IO_IN : KC_IO_IN | KC_IO_OUT);
}

static void
pull(struct lb_conn *c)
{
	const uint8_t *frame;
	uint8_t *p;
	size_t room, n;
	int32_t len;
	int rc;

	if (kc_frames_room(&c->in, &p, &room) != KC_OK)
		lb_die("no memory");
	rc = c->s->ops->read(c->s, p, room, &n);
	if (rc == KC_EAGAIN)
		return;
	if (rc != KC_OK)
		lb_die("read: %s %s", kc_strerror(rc), c->s->err_text);
	c->in.len += n;
	while (kc_frames_peek(&c->in, &frame, &len) == KC_OK) {
		c->waiting--;
		c->on_frame(c, frame, len);
		kc_frames_take(&c->in);
	}
}

static void
on_ready(struct kc_stream *s, unsigned ready)
{
	struct lb_conn *c = s->arg;

	if (!s->established) {
		if (s->err_text[0] != '\0')
			lb_die("connect: %s", s->err_text);
		return;
	}
	if (!c->up) {
		c->up = true;
		push(c);
	}
	if (ready & KC_IO_OUT && c->out.len > 0)
		push(c);
	if (ready & (KC_IO_IN | KC_IO_HUP)) {
		do
			pull(c);
		while (s->ops->pending(s));
	}
}

struct lb_conn *
lb_connect(struct lb *lb)
{
	struct lb_conn *c = lb_alloc(sizeof *c);

	c->lb = lb;
	kc_frames_init(&c->in, INT32_MAX);
	kc_wr_init(&c->out, 0);
	c->send.w = &c->out;
	if (kc_net_system.connect(
		&c->s, lb->loop, lb->o.host, lb->o.port, lb->tls) != KC_OK)
		lb_die("connect");
	c->s->arg = c;
	c->s->on_ready = on_ready;
	return c;
}

void
lb_close(struct lb_conn *c)
{
	c->s->ops->close(&c->s);
	kc_frames_fini(&c->in);
	kc_wr_fini(&c->out);
	free(c);
}

void
lb_wait_up(struct lb_conn *c)
{
	while (!c->up)
		(void)kc_loop_step(c->lb->loop, 1000);
}

void
lb_send(struct lb_conn *c, const void *p, size_t len)
{
	kc_wr_bytes(&c->out, p, len);
	c->waiting++;
	push(c);
}

void
lb_frame(struct kc_wr *w, int key, int version, const void *req)
{
	const struct kp_api *api = kp_api_get((int16_t)key);
	struct kp_req_header h = { .api = api,
		.version = (int16_t)version,
		.correlation_id = 1,
		.client_id = KC_STR_LIT("load") };
	size_t at = w->len;
	int rc;

	kc_wr_i32(w, 0);
	kp_req_header_write(w, &h);
	rc = kp_encode(&api->req, (int16_t)version, w, req);
	if (rc != KC_OK)
		lb_die("%s request: %s", api->name, kc_strerror(rc));
	kc_wr_patch_i32(w, at, (int32_t)(w->len - at - 4));
}

void
lb_decode(const uint8_t *p, int32_t len, struct kc_arena *a, int key,
    int version, void *resp)
{
	const struct kp_api *api = kp_api_get((int16_t)key);
	struct kc_rd r;
	int32_t id;

	kc_rd_init(&r, p, (size_t)len);
	if (kp_resp_header_read(&r, api, (int16_t)version, &id) != KC_OK ||
	    kp_decode(&api->resp, (int16_t)version, &r, a, resp) != KC_OK)
		lb_die("%s answer cannot be read", api->name);
}

struct call {
	struct kc_arena *a;
	int key, version;
	void *resp;
	bool done;
	uint8_t *copy; /* what resp borrows from */
};

static void
on_call(struct lb_conn *c, const uint8_t *p, int32_t len)
{
	struct call *call = c->arg;

	call->copy = kc_arena_alloc(call->a, (size_t)len);
	if (call->copy == NULL)
		lb_die("no memory");
	memcpy(call->copy, p, (size_t)len);
	lb_decode(
	    call->copy, len, call->a, call->key, call->version, call->resp);
	call->done = true;
}

void
lb_call(struct lb_conn *c, struct kc_arena *a, int key, int version,
    const void *req, void *resp)
{
	struct call call = {
		.a = a, .key = key, .version = version, .resp = resp
	};
	struct kc_wr w;

	kc_wr_init(&w, 0);
	lb_frame(&w, key, version, req);
	c->on_frame = on_call;
	c->arg = &call;
	lb_send(c, w.p, w.len);
	kc_wr_fini(&w);
	while (!call.done)
		(void)kc_loop_step(c->lb->loop, 1000);
}
