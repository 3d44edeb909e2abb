#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/kp.h"
#include "tests/unit/net/server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool kinds[] = { false, true };

#define BOTH(name)                                                             \
	ParameterizedTestParameters(kb_net, name)                              \
	{                                                                      \
		return cr_make_param_array(bool, kinds, 2);                    \
	}                                                                      \
	ParameterizedTest(bool *tls, kb_net, name, .timeout = 60)

static struct kt_server s;

static void
open_default(void)
{
	struct kb_net_params p = kt_params();

	kt_server_open(&s, &p);
}

static void
client(struct kt_client *c, bool tls)
{
	cr_assert(kt_connect(c, tls ? s.tls : s.plain, tls, NULL, NULL));
}

static void
expect(struct kt_client *c, int32_t id, const char *text)
{
	char got[256];
	int32_t got_id;

	cr_assert(kt_answer(c, &got_id, got, sizeof got), "closed");
	cr_assert_eq(got_id, id);
	cr_assert_str_eq(got, text);
}

static void
expect_close(struct kt_client *c)
{
	char x;

	cr_assert(!kt_recv(c, &x, 1));
}

/* Goal: what is not a request closes the connection, without an answer. */
BOTH(refused)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *logged;
	} t[] = {
		{ "\xff\xff\xff\xff", 4, "Invalid receive (size = -1)" },
		{ "\x00\x80\x00\x01", 4,
		    "Invalid receive (size = 8388609 larger than 8388608)" },
		{ "GET / HTTP/1.1\r\n\r\n", 18, "this is an HTTP request" },
		{ "\0\0\0\0", 4, "Error getting request" },
		{ "\0\0\0\3\0\12\0", 7, "apiKey: 10" },
		/* No such API; no such version; client id beyond the end. */
		{ "\0\0\0\12\3\xe7\0\0\0\0\0\1\xff\xff", 14, "apiKey: 999" },
		{ "\0\0\0\12\0\12\0\143\0\0\0\1\xff\xff", 14,
		    "apiVersion: 99" },
		{ "\0\0\0\12\0\12\0\1\0\0\0\1\0\5", 14, "apiVersion: 1," },
		/* A body that ends early. */
		{ "\0\0\0\14\0\12\0\1\0\0\0\1\xff\xff\0\5", 16,
		    "principal: User:ANONYMOUS" },
	};
	struct kt_client c;
	size_t i;

	open_default();
	for (i = 0; i < KC_COUNT(t); i++) {
		client(&c, *tls);
		kt_send(&c, t[i].bytes, t[i].n);
		expect_close(&c);
		cr_assert(kt_logged(t[i].logged), "%s", t[i].logged);
		kt_disconnect(&c);
	}
	client(&c, *tls);
	kt_ask(&c, 1, "close");
	expect_close(&c);
	kt_disconnect(&c);
	kt_server_close(&s);
}

/* Goal: torn at each boundary, and byte by byte, a request is the same. */
BOTH(torn_frames)
{
	struct kt_client c;
	uint8_t buf[256];
	size_t n, i;

	open_default();
	client(&c, *tls);
	n = kt_command(buf, 7, "some text");
	for (i = 1; i < n; i++) {
		kt_send(&c, buf, i);
		usleep(300);
		kt_send(&c, buf + i, n - i);
		expect(&c, 7, "some text");
	}
	for (i = 0; i < n; i++) {
		kt_send(&c, buf + i, 1);
		usleep(300);
	}
	expect(&c, 7, "some text");
	kt_disconnect(&c);
	kt_server_close(&s);
}

/*
 * Goal: many requests in one write are answered, all and in order; those
 * without an answer leave no gap; bytes behind a body are ignored.
 */
BOTH(pipelined)
{
	static uint8_t buf[1000 * 80];
	struct kt_client c;
	char text[32];
	size_t n = 0;
	int i;

	open_default();
	client(&c, *tls);
	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "%d", i);
		n += kt_command(buf + n, i, i % 10 == 3 ? "none" : text);
		if (i == 500) {
			/* A longer frame. */
			buf[n] = buf[n + 1] = 0xaa;
			buf[n - kt_command(buf + n, i, text) + 3] += 2;
			buf[n] = buf[n + 1] = 0xaa;
			n += 2;
		}
	}
	kt_send(&c, buf, n);
	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "%d", i);
		if (i % 10 != 3)
			expect(&c, i, text);
	}
	kt_disconnect(&c);
	kt_server_close(&s);
}

/* Goal: KIP-511, the answer to an ApiVersions of the future. */
BOTH(unknown_api_versions)
{
	static const char ask[] = "\0\0\0\13\0\22\0\143\0\0\0\5\xff\xff\0";
	static const uint8_t want[] = { 0, 0, 0, 16, 0, 0, 0, 5, 0, 35, 0, 0, 0,
		1, 0, 18, 0, 0, 0, 4 };
	uint8_t got[sizeof want];
	struct kt_client c;

	open_default();
	client(&c, *tls);
	kt_send(&c, ask, sizeof ask - 1);
	cr_assert(kt_recv(&c, got, sizeof got));
	cr_assert_arr_eq(got, want, sizeof want);
	kt_ask(&c, 6, "still here");
	expect(&c, 6, "still here");
	kt_disconnect(&c);
	kt_server_close(&s);
}

/* Goal: file pieces of all sizes arrive whole, between their memory. */
BOTH(file_cuts)
{
	static const int32_t sizes[] = { 0, 1, 100, 16384, 65535, 65536, 65537,
		1000003, KT_FILE_SIZE - 1000 };
	struct kt_client c;
	uint8_t buf[256];
	size_t i;

	open_default();
	client(&c, *tls);
	for (i = 0; i < KC_COUNT(sizes); i++) {
		kt_send(&c, buf, kt_fetch(buf, (int32_t)i, sizes[i]));
		cr_assert(kt_fetched(&c, (int32_t)i, sizes[i]));
	}
	kt_disconnect(&c);
	kt_server_close(&s);
}

/*
 * Goal: a reader that does not read holds up nobody else, and gets all in the
 * end.
 */
BOTH(slow_reader)
{
	struct kt_client slow[4], c;
	uint8_t buf[256];
	char text[16];
	int i, k;

	open_default();
	for (k = 0; k < 4; k++) {
		client(&slow[k], *tls);
		for (i = 0; i < 5; i++)
			kt_send(
			    &slow[k], buf, kt_fetch(buf, i, KT_FILE_SIZE / 2));
	}
	for (i = 0; i < 20; i++) {
		client(&c, *tls);
		snprintf(text, sizeof text, "%d", i);
		kt_ask(&c, i, text);
		expect(&c, i, text);
		kt_disconnect(&c);
	}
	for (k = 0; k < 4; k++) {
		for (i = 0; i < 5; i++)
			cr_assert(kt_fetched(&slow[k], i, KT_FILE_SIZE / 2));
		kt_disconnect(&slow[k]);
	}
	kt_server_close(&s);
}

/* Goal: a reader that goes away in the middle of an answer leaves nothing. */
BOTH(reader_gone)
{
	struct kt_client c;
	uint8_t buf[256];
	int i;

	open_default();
	for (i = 0; i < 5; i++) {
		client(&c, *tls);
		kt_send(&c, buf, kt_fetch(buf, i, KT_FILE_SIZE / 2));
		cr_assert(kt_recv(&c, buf, 100));
		kt_disconnect(&c);
	}
	kt_wait_connections(&s, 0);
	kt_server_close(&s);
}

/* Goal: who says that he sends no more still gets his answers. */
BOTH(half_close)
{
	struct kt_client c;
	uint8_t buf[512];
	size_t n;

	open_default();
	client(&c, *tls);
	n = kt_command(buf, 1, "one");
	n += kt_command(buf + n, 2, "late");
	n += kt_command(buf + n, 3, "three");
	kt_send(&c, buf, n);
	if (c.ssl != NULL)
		SSL_shutdown(c.ssl);
	shutdown(c.fd, SHUT_WR);
	expect(&c, 1, "one");
	expect(&c, 2, "timeout");
	expect(&c, 3, "three");
	expect_close(&c);
	kt_disconnect(&c);
	kt_wait_connections(&s, 0);
	kt_server_close(&s);
}

/* Goal: parked, completed elsewhere; the next one waits its turn. */
BOTH(parked)
{
	struct kt_client c;
	uint8_t buf[512];
	size_t n;

	open_default();
	client(&c, *tls);
	n = kt_command(buf, 1, "park");
	n += kt_command(buf + n, 2, "after");
	kt_send(&c, buf, n);
	kt_wait_parked(1);
	usleep(20000);
	cr_assert_eq(kt_complete(), 1);
	expect(&c, 1, "unparked");
	expect(&c, 2, "after");
	kt_disconnect(&c);
	kt_server_close(&s);
}

/*
 * Goal: a peer that dies while its request is parked: the connection goes at
 * once or with the request, the request lives until it is completed.
 */
BOTH(killed_while_parked)
{
	struct linger hard = { 1, 0 };
	struct kt_client c[20];
	int i;

	open_default();
	for (i = 0; i < 20; i++) {
		client(&c[i], *tls);
		kt_ask(&c[i], 1, "park");
	}
	kt_wait_parked(20);
	for (i = 0; i < 20; i++) {
		/* Every other one by a reset. */
		if (i % 2)
			setsockopt(
			    c[i].fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		kt_disconnect(&c[i]);
	}
	/* A TLS client that closes with a ticket unread resets as well. */
	kt_wait_connections(&s, *tls ? 0 : 10);
	cr_assert_eq(kt_complete(), 20);
	kt_wait_connections(&s, 0);
	kt_server_close(&s);
}

/* Goal: the server stops; what is parked is completed after that. */
BOTH(shut_while_parked)
{
	struct kt_client c[4];
	int i;

	open_default();
	for (i = 0; i < 4; i++) {
		client(&c[i], *tls);
		/* One with a deadline in an hour: it comes with the end. */
		kt_ask(&c[i], 1, i == 3 ? "later" : "park");
	}
	kt_wait_parked(3);
	kb_net_shut(s.net);
	for (i = 0; i < 4; i++) {
		expect_close(&c[i]);
		kt_disconnect(&c[i]);
	}
	cr_assert_eq(kt_complete(), 3);
	kt_server_close(&s);
}

/* Goal: throttled: answered at once, read again only after the time. */
BOTH(muted)
{
	struct kt_client c;
	uint8_t buf[512];
	int64_t start;
	size_t n;

	open_default();
	client(&c, *tls);
	n = kt_command(buf, 1, "mute");
	n += kt_command(buf + n, 2, "after");
	start = kc_mono_ms(&kc_clock_system);
	kt_send(&c, buf, n);
	expect(&c, 1, "mute");
	cr_assert_lt(kc_mono_ms(&kc_clock_system) - start, 150);
	kt_ask(&c, 3, "third");
	expect(&c, 2, "after");
	/* The loop counts from the start of its pass. */
	cr_assert_geq(kc_mono_ms(&kc_clock_system) - start, 180);
	expect(&c, 3, "third");
	kt_disconnect(&c);
	kt_server_close(&s);
}

/* Goal: a request near the limit, and the limit itself. */
BOTH(large)
{
	struct kp_produce_req req;
	struct kp_topic_produce_data topic;
	struct kp_partition_produce_data part;
	const struct kp_api *api = kp_api_get(kp_key_produce);
	struct kt_client c;
	uint8_t *records = calloc(1, KT_REQUEST_MAX);
	static const uint8_t header[] = { 0, 0, 0, 3, 0, 0, 0, 9, 0xff, 0xff };
	uint32_t size;
	struct kc_wr w;

	open_default();
	client(&c, *tls);
	kp_init(kp_desc_produce_req(), &req);
	kp_init(kp_desc_topic_produce_data(), &topic);
	kp_init(kp_desc_partition_produce_data(), &part);
	req.topic_data.v = &topic;
	topic.partition_data.v = &part;
	req.topic_data.n = topic.partition_data.n = 1;
	part.records.p = records;
	part.records.len = KT_REQUEST_MAX - 100;
	kc_wr_init(&w, 0);
	kc_wr_i32(&w, 0);
	kc_wr_bytes(&w, header, sizeof header);
	topic.name = KC_STR_LIT("t");
	cr_assert_eq(kp_encode(&api->req, 3, &w, &req), KC_OK);
	kc_wr_patch_i32(&w, 0, (int32_t)w.len - 4);
	kt_send(&c, w.p, w.len);
	cr_assert(kt_recv(&c, &size, 4));
	cr_assert_lt(ntohl(size), 100);
	cr_assert(kt_recv(&c, records, ntohl(size)));
	cr_assert_eq(records[3], 9);
	kt_ask(&c, 2, "after");
	expect(&c, 2, "after");
	kc_wr_fini(&w);
	free(records);
	kt_disconnect(&c);
	kt_server_close(&s);
}

/* Goal: an idle connection is closed after its time, a busy one is not. */
BOTH(idle)
{
	struct kb_net_params p = kt_params();
	struct kt_client busy, idle;
	int64_t start;
	int i;

	p.idle_ms = 200;
	kt_server_open(&s, &p);
	client(&busy, *tls);
	client(&idle, *tls);
	start = kc_mono_ms(&kc_clock_system);
	kt_ask(&idle, 1, "x");
	expect(&idle, 1, "x");
	for (i = 0; i < 8; i++) {
		kt_ask(&busy, i, "y");
		expect(&busy, i, "y");
		usleep(50000);
	}
	expect_close(&idle);
	cr_assert_geq(kc_mono_ms(&kc_clock_system) - start, 200);
	kt_ask(&busy, 9, "y");
	expect(&busy, 9, "y");
	expect_close(&busy);
	kt_disconnect(&idle);
	kt_disconnect(&busy);
	kt_server_close(&s);
}

/* Goal: one address has as many connections as it may, no more. */
BOTH(per_ip_limit)
{
	struct kb_net_params p = kt_params();
	struct kt_client c[3], over;
	int i;

	p.max_connections_per_ip = 1;
	p.per_ip_overrides = "10.1.1.1:0, 127.0.0.1:3,[::1]:5";
	kt_server_open(&s, &p);
	for (i = 0; i < 3; i++)
		client(&c[i], *tls);
	kt_wait_connections(&s, 3);
	cr_assert(!kt_connect(&over, s.tls, true, NULL, NULL));
	kt_disconnect(&over);
	cr_assert(kt_logged("Rejected connection from 127.0.0.1, address "
			    "already has the configured maximum of 3 "
			    "connections."));
	kt_disconnect(&c[0]);
	kt_wait_connections(&s, 2);
	client(&c[0], *tls);
	kt_ask(&c[0], 1, "in");
	expect(&c[0], 1, "in");
	cr_assert_eq(kb_net_set_limits(s.net, 5, 5, "127.0.0.1"), KC_EINVAL);
	cr_assert_eq(kb_net_set_limits(s.net, 5, 5, "127.0.0.1:-1"), KC_EINVAL);
	for (i = 0; i < 3; i++)
		kt_disconnect(&c[i]);
	kt_server_close(&s);
}

/* Goal: at max.connections others wait until there is room. */
Test(kb_net, max_connections, .timeout = 60)
{
	struct kb_net_params p = kt_params();
	struct kt_client c[4];
	int i;

	p.max_connections = 2;
	kt_server_open(&s, &p);
	for (i = 0; i < 4; i++) {
		client(&c[i], false);
		kt_ask(&c[i], i, "x");
	}
	expect(&c[0], 0, "x");
	expect(&c[1], 1, "x");
	usleep(50000);
	cr_assert_eq(kb_net_connections(s.net), 2);
	kt_disconnect(&c[0]);
	expect(&c[2], 2, "x");
	cr_assert_eq(kb_net_set_limits(s.net, 3, 100, NULL), KC_OK);
	expect(&c[3], 3, "x");
	for (i = 1; i < 4; i++)
		kt_disconnect(&c[i]);
	kt_server_close(&s);
}

/* Goal: each side is told what the other speaks. */
Test(kb_net, wrong_kind, .timeout = 60)
{
	struct kt_client c;

	open_default();
	cr_assert(kt_connect(&c, s.tls, false, NULL, NULL));
	kt_ask(&c, 1, "x");
	expect_close(&c);
	cr_assert(kt_logged("SSL handshake failed: not a TLS handshake (first "
			    "byte 0x00): a plaintext client on an SSL "
			    "listener?"));
	kt_disconnect(&c);
	cr_assert(!kt_connect(&c, s.plain, true, NULL, NULL));
	cr_assert(kt_logged("this is a TLS handshake: an SSL client on a "
			    "plaintext listener?"));
	kt_disconnect(&c);
	kt_server_close(&s);
}

/* Goal: who the client is. */
Test(kb_net, principals, .timeout = 60)
{
	const char *dn = "User:CN=client,OU=Tests,O=KB";
	struct kt_client c;
	char x;

	open_default();
	client(&c, true);
	kt_ask(&c, 1, "who");
	expect(&c, 1, "User:ANONYMOUS");
	kt_disconnect(&c);
	cr_assert(kt_connect(
	    &c, s.tls, true, s.certs.client_cert, s.certs.client_key));
	kt_ask(&c, 1, "who");
	expect(&c, 1, dn);
	kt_disconnect(&c);
	cr_assert(kt_connect(
	    &c, s.mtls, true, s.certs.client_cert, s.certs.client_key));
	kt_ask(&c, 1, "who");
	expect(&c, 1, dn);
	kt_ask(&c, 2, "where");
	expect(&c, 2, "MTLS");
	kt_disconnect(&c);
	/* TLS 1.3: the client learns that it is refused by its first read. */
	if (kt_connect(&c, s.mtls, true, NULL, NULL))
		cr_assert(!kt_recv(&c, &x, 1));
	kt_disconnect(&c);
	cr_assert(kt_logged("SSL handshake failed: TLS handshake: peer did not "
			    "return a certificate"));
	/* A certificate, but of nobody we know: one that signed itself. */
	if (kt_connect(&c, s.tls, true, s.certs.other_ca, NULL))
		cr_assert(!kt_recv(&c, &x, 1));
	kt_disconnect(&c);
	kt_server_close(&s);
}

static SSL_SESSION *ticket;

static int
keep_ticket(SSL *ssl, SSL_SESSION *sess)
{
	(void)ssl;
	ticket = sess;
	return 1;
}

/* Goal: a session ticket of one listener is nothing to another. */
Test(kb_net, ticket_of_another_listener, .timeout = 60)
{
	struct kt_client c;
	int i, ports[2];
	char x;

	open_default();
	ports[0] = s.tls;
	ports[1] = s.mtls;
	for (i = 0; i < 2; i++) {
		/* Without a certificate, to the listener that wants none. */
		client(&c, true);
		SSL_CTX_set_session_cache_mode(
		    c.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(c.ctx, keep_ticket);
		kt_ask(&c, 1, "x");
		expect(&c, 1, "x");
		cr_assert_not_null(ticket);
		/* Without this OpenSSL spoils the session. */
		SSL_shutdown(c.ssl);
		SSL_free(c.ssl);
		close(c.fd);
		c.ssl = NULL;
		SSL_CTX_free(c.ctx);
		c.ctx = NULL;
		cr_assert(kt_connect(&c, ports[i], false, NULL, NULL));
		c.ctx = SSL_CTX_new(TLS_client_method());
		c.ssl = SSL_new(c.ctx);
		SSL_set_session(c.ssl, ticket);
		SSL_set_fd(c.ssl, c.fd);
		if (i == 0) {
			cr_assert_eq(SSL_connect(c.ssl), 1);
			cr_assert_eq(SSL_session_reused(c.ssl), 1);
		} else if (SSL_connect(c.ssl) == 1) {
			cr_assert_eq(SSL_session_reused(c.ssl), 0);
			cr_assert(!kt_recv(&c, &x, 1));
		}
		SSL_SESSION_free(ticket);
		ticket = NULL;
		kt_disconnect(&c);
	}
	kt_server_close(&s);
}

/* Goal: a port that is taken is an error with a name. */
Test(kb_net, taken_port)
{
	struct kb_net_params p = kt_params();
	struct kb_net_endpoint ep = {
		.name = "A",
		.host = "127.0.0.1",
		.max_connections = 10,
	};
	struct kb_net *net = NULL;

	open_default();
	cr_assert_eq(kb_net_open(&net, &p), KC_OK);
	ep.port = s.tls;
	cr_assert_eq(kb_net_listen(net, &ep), KC_EADDRINUSE);
	ep.host = "no.such.host.invalid";
	cr_assert_eq(kb_net_listen(net, &ep), KC_ENETWORK);
	kb_net_close(&net);
	kt_server_close(&s);
}
