/*
 * Clients come, ask, read or do not, and go at any moment, while other
 * threads complete what is parked: every answer that arrives is the right
 * one, and nothing is left at the end.
 */
#include "kbroker/net/net.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/log.h"
#include "kcommon/base/thread.h"
#include "kcommon/io/file.h"
#include "kcommon/io/sock.h"
#include "kcommon/proto/kp.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS 6
#define ROUNDS 150
#define ASKS 12

static struct kb_net *net;
static struct kc_lock lock;
static struct kb_request *parked; /* guarded by lock; doubly linked */
static atomic_bool over;
static atomic_int answers;

static void
take_off(struct kb_request *req)
{
	if (req->park_prev != NULL)
		req->park_prev->park_next = req->park_next;
	else
		parked = req->park_next;
	if (req->park_next != NULL)
		req->park_next->park_prev = req->park_prev;
}

static void
on_timeout(struct kb_request *req)
{
	bool mine;

	kc_lock_take(&lock);
	if ((mine = kb_request_claim(req)))
		take_off(req);
	kc_lock_drop(&lock);
	if (mine)
		kb_request_complete(req);
}

static enum kb_disposition
dispatch(struct kb_request *req)
{
	const struct kp_find_coordinator_req *in = req->msg;
	struct kp_find_coordinator_resp *out = req->resp;

	out->host = in->key;
	if (in->key.len == 0 || in->key.p[0] != 'p')
		return KB_REPLY;
	kb_request_park(req, 1 + req->correlation_id % 7, on_timeout);
	kc_lock_take(&lock);
	req->park_next = parked;
	if (parked != NULL)
		parked->park_prev = req;
	parked = req;
	kc_lock_drop(&lock);
	return KB_PARKED;
}

static void
complete_all(void *arg)
{
	struct kb_request *req;

	(void)arg;
	while (!atomic_load(&over)) {
		kc_lock_take(&lock);
		if ((req = parked) != NULL) {
			take_off(req);
			KC_ASSERT(kb_request_claim(req));
		}
		kc_lock_drop(&lock);
		if (req != NULL)
			kb_request_complete(req);
		else
			usleep(200);
	}
}

/* FindCoordinator v0 by hand: a key of five bytes. */
static size_t
frame(uint8_t *p, int32_t id, const char *key)
{
	uint32_t be = htonl(17);

	memcpy(p, &be, 4);
	memcpy(p + 4, "\0\12\0\0", 4);
	be = htonl((uint32_t)id);
	memcpy(p + 8, &be, 4);
	memcpy(p + 12, "\xff\xff\0\5", 4);
	memcpy(p + 16, key, 5);
	return 21;
}

static bool
read_all(int fd, void *p, size_t n)
{
	return recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

/* One connection: some requests at once; reads some of the answers. */
static void
visit(unsigned *seed, int port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct linger hard = { 1, 0 };
	uint8_t out[ASKS * 21], in[64];
	char key[8];
	uint32_t be;
	size_t n = 0;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int asks = rand_r(seed) % ASKS, reads, i;

	KC_ASSERT(connect(fd, (void *)&sin, sizeof sin) == 0);
	for (i = 0; i < asks; i++) {
		snprintf(
		    key, sizeof key, "%c%04d", rand_r(seed) % 2 ? 'p' : 'e', i);
		n += frame(out + n, i, key);
	}
	KC_ASSERT(send(fd, out, n, MSG_NOSIGNAL) == (ssize_t)n);
	reads = rand_r(seed) % 2 ? asks : rand_r(seed) % ASKS;
	for (i = 0; i < KC_MIN(reads, asks); i++) {
		KC_ASSERT(read_all(fd, &be, 4));
		KC_ASSERT(ntohl(be) < sizeof in);
		KC_ASSERT(read_all(fd, in, ntohl(be)));
		memcpy(&be, in, 4);
		KC_ASSERT((int)ntohl(be) == i);
		KC_ASSERT(atoi((char *)in + 13) == i);
		atomic_fetch_add(&answers, 1);
	}
	if (rand_r(seed) % 2)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(fd);
}

static void
client(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	int i;

	for (i = 0; i < ROUNDS; i++)
		visit(&seed, kb_net_port(net, "A"));
}

int
main(void)
{
	static const struct kc_env env = {
		.clock = &kc_clock_system,
		.file = &kc_file_system,
		.net = &kc_net_system,
	};
	struct kb_net_params p = {
		.env = &env,
		.dispatch = dispatch,
		.threads = 3,
		.request_max = 1000,
		.sndbuf = -1,
		.rcvbuf = -1,
		.idle_ms = -1,
		.max_connections = 5,
		.max_connections_per_ip = INT_MAX,
	};
	struct kb_net_endpoint ep = {
		.name = "A",
		.host = "127.0.0.1",
		.max_connections = 4,
	};
	struct kc_thread *t[CLIENTS + 2] = { NULL };
	int i;

	alarm(300);
	kc_lock_init(&lock, 0, "parked");
	KC_ASSERT(kb_net_open(&net, &p) == KC_OK);
	KC_ASSERT(kb_net_listen(net, &ep) == KC_OK);
	KC_ASSERT(kb_net_start(net) == KC_OK);
	for (i = 0; i < CLIENTS; i++)
		KC_ASSERT(kc_thread_start(&t[i], "client", client,
			      (void *)(uintptr_t)(i + 1)) == KC_OK);
	for (; i < CLIENTS + 2; i++)
		KC_ASSERT(kc_thread_start(
			      &t[i], "complete", complete_all, NULL) == KC_OK);
	for (i = 0; i < CLIENTS; i++)
		kc_thread_join(&t[i]);
	kb_net_shut(net);
	KC_ASSERT(kb_net_connections(net) == 0);
	for (i = 1; i != 0;) {
		usleep(10000);
		kc_lock_take(&lock);
		i = parked != NULL;
		kc_lock_drop(&lock);
	}
	atomic_store(&over, true);
	for (i = CLIENTS; i < CLIENTS + 2; i++)
		kc_thread_join(&t[i]);
	kb_net_close(&net);
	kc_lock_fini(&lock);
	printf("%d answers\n", atomic_load(&answers));
	return 0;
}
