/*
 * b09 -- messages that decode and mean nothing: random requests of every API
 * and version, and the same with bytes changed.  Each is answered, closed, or
 * waits; the broker lives and serves.
 *
 * Two seeds are always the same ones; $KT_SEED adds one of your own.  What only
 * brokers send to each other (LeaderAndIsr, StopReplica, UpdateMetadata)
 * comes last: such a message may well end the service of partitions, but not
 * the process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcommon/base/err.h"
#include "kcommon/proto/header.h"
#include "kcommon/proto/kp_rand.h"
#include "tests/lib/cluster.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define ROUNDS 1200
#define CHECK_EVERY 200
#define ANSWER_MS 30 /* what takes longer waits for something */
#define ARENA_MAX ((size_t)64 << 20)

static struct kt_cluster *c;
static struct kt_bytes answer;

static bool
between_brokers(int key)
{
	return key == kp_key_leader_and_isr || key == kp_key_stop_replica ||
	    key == kp_key_update_metadata;
}

/* A frame without its size; false when this message cannot be written. */
static bool
make(struct kc_rand *r, const struct kp_api *api, struct kc_wr *w)
{
	struct kp_req_header h = { .api = api, .client_id = kc_str("random") };
	struct kc_arena a;
	void *msg;
	bool ok;

	h.version = (int16_t)(api->min +
	    (int16_t)kc_rand_below(r, (uint64_t)(api->max - api->min + 1)));
	h.correlation_id = (int32_t)kc_rand_u64(r);
	kc_arena_init(&a, ARENA_MAX);
	msg = kc_arena_alloc(&a, kp_msg_size(&api->req));
	kc_wr_reset(w);
	kp_req_header_write(w, &h);
	ok = msg != NULL &&
	    kp_rand(&api->req, h.version, r, &a, msg) == KC_OK &&
	    kp_encode(&api->req, h.version, w, msg) == KC_OK;
	kc_arena_fini(&a);
	return ok && w->err == KC_OK && w->len < KT_WIRE_MAX;
}

static void
spoil(struct kc_rand *r, struct kc_wr *w)
{
	int n = 1 + (int)kc_rand_below(r, 8);

	while (n-- > 0) /* not the API key and version: they choose the code */
		w->p[4 + kc_rand_below(r, w->len - 4)] =
		    (uint8_t)kc_rand_u64(r);
	if (kc_rand_below(r, 4) == 0)
		w->len -= kc_rand_below(r, w->len / 2);
}

static int
send_one(int fd, const struct kc_wr *w)
{
	uint8_t size[4] = { (uint8_t)(w->len >> 24), (uint8_t)(w->len >> 16),
		(uint8_t)(w->len >> 8), (uint8_t)w->len };

	if (fd < 0) {
		fd = kt_connect(c->b[0].port[KT_PLAIN]);
		KT_CHECKF(fd >= 0, "the broker takes no connection any more");
	}
	if (kt_send_raw(fd, size, sizeof size) &&
	    kt_send_raw(fd, w->p, w->len) &&
	    kt_receive(fd, ANSWER_MS, &answer) == KT_ANSWER)
		return fd;
	close(fd);
	return -1;
}

static void
still_serves(int done)
{
	int controller = -1;

	kt_broker_alive(c, 0);
	KT_CHECKF(kt_metadata(c->b[0].port[KT_PLAIN], &controller) == 1,
	    "no Metadata after %d requests", done);
}

static void
storm(uint64_t seed, bool brokers)
{
	struct kc_rand r;
	struct kc_wr w;
	int fd = -1, sent = 0;

	kc_rand_init_seed(&r, seed);
	kc_wr_init(&w, KT_WIRE_MAX);
	for (int i = 0; i < ROUNDS; i++) {
		const struct kp_api *api =
		    kp_api_get((int16_t)kc_rand_below(&r, KP_KEYS));

		if (api == NULL || between_brokers(api->key) != brokers ||
		    !make(&r, api, &w))
			continue;
		if (kc_rand_below(&r, 3) == 0)
			spoil(&r, &w);
		fd = send_one(fd, &w);
		if (++sent % CHECK_EVERY == 0 && !brokers)
			still_serves(sent);
	}
	if (fd >= 0)
		close(fd);
	kc_wr_fini(&w);
	kt_broker_alive(c, 0);
	KT_CHECK(sent > 0);
	kt_step("seed %llu: %d %s requests", (unsigned long long)seed, sent,
	    brokers ? "brokers'" : "clients'");
}

int
main(void)
{
	const char *own = getenv("KT_SEED");

	c = kt_cluster_start(1, "auto.create.topics.enable=false\n");
	kt_bytes_init(&answer);
	storm(1, false);
	storm(2, false);
	if (own != NULL)
		storm(strtoull(own, NULL, 10), false);
	still_serves(2 * ROUNDS);
	storm(3, true);
	if (own != NULL)
		storm(strtoull(own, NULL, 10) + 1, true);
	kt_bytes_free(&answer);
	kt_cluster_stop(&c);
	return 0;
}
