#include "tests/unit/net/server.h"

#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/log.h"
#include "kcommon/io/file.h"
#include "kcommon/io/sock.h"
#include "kcommon/proto/header.h"
#include "kcommon/proto/kp.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

const struct kc_env kt_env = {
	.clock = &kc_clock_system,
	.file = &kc_file_system,
	.net = &kc_net_system,
};

static struct kc_lock lock = { PTHREAD_MUTEX_INITIALIZER, 0, "parked" };
static struct kb_request *parked; /* by park_next */
static int nparked;
static struct kc_fileref *file;
static struct kc_logger *logger;
static int log_fd = -1;

static void
reply(struct kb_request *req, const char *host)
{
	struct kp_find_coordinator_resp *out = req->resp;

	out->host = kc_arena_str(&req->arena, kc_str(host));
}

static void
on_timeout(struct kb_request *req)
{
	if (!kb_request_claim(req))
		return;
	reply(req, "timeout");
	kb_request_complete(req);
}

static enum kb_disposition
command(struct kb_request *req)
{
	const struct kp_find_coordinator_req *in = req->msg;
	struct kp_find_coordinator_resp *out = req->resp;

	if (kc_str_eqz(in->key, "park")) {
		kb_request_park(req, -1, NULL);
		reply(req, "unparked");
		kc_lock_take(&lock);
		req->park_next = parked;
		parked = req;
		nparked++;
		kc_lock_drop(&lock);
		return KB_PARKED;
	}
	if (kc_str_eqz(in->key, "late") || kc_str_eqz(in->key, "later")) {
		kb_request_park(
		    req, in->key.len == 4 ? 50 : 3600000, on_timeout);
		return KB_PARKED;
	}
	if (kc_str_eqz(in->key, "close"))
		return KB_CLOSE;
	if (kc_str_eqz(in->key, "none"))
		return KB_NO_REPLY;
	if (kc_str_eqz(in->key, "mute"))
		req->throttle_ms = 200;
	if (kc_str_eqz(in->key, "who"))
		reply(req, req->principal);
	else if (kc_str_eqz(in->key, "where"))
		reply(req, req->listener);
	else
		out->host = in->key;
	return KB_REPLY;
}

static void
fetch_done(struct kb_request *req)
{
	struct kp_fetch_resp *out = req->resp;
	int i;

	for (i = 0; i < 2; i++)
		kc_fileref_put(
		    &out->responses.v[0].partitions.v[i].records.file);
}

static enum kb_disposition
fetch(struct kb_request *req)
{
	const struct kp_fetch_req *in = req->msg;
	struct kp_fetch_resp *out = req->resp;
	struct kp_fetchable_topic_response *t;
	int i;

	cr_assert(KP_ARRAY(
	    &req->arena, &out->responses, fetchable_topic_response, 1));
	t = out->responses.v;
	t->topic = KC_STR_LIT("t");
	cr_assert(KP_ARRAY(
	    &req->arena, &t->partitions, fetch_resp_partition_data, 2));
	for (i = 0; i < 2; i++)
		t->partitions.v[i].records = (struct kc_records){
			.len = in->max_bytes,
			.file = kc_fileref_get(file),
			.file_off = i * 1000,
		};
	req->on_done = fetch_done;
	return KB_REPLY;
}

static enum kb_disposition
dispatch(struct kb_request *req)
{
	switch (req->api->key) {
	case kp_key_find_coordinator:
		return command(req);
	case kp_key_fetch:
		return fetch(req);
	}
	return KB_REPLY; /* an empty answer */
}

int
kt_complete(void)
{
	struct kb_request *list, *req;
	int n = 0;

	kc_lock_take(&lock);
	list = parked;
	parked = NULL;
	nparked = 0;
	kc_lock_drop(&lock);
	while ((req = list) != NULL) {
		list = req->park_next;
		n++;
		if (kb_request_claim(req))
			kb_request_complete(req);
	}
	return n;
}

void
kt_wait_parked(int n)
{
	int have = -1;

	while (have < n) {
		usleep(1000);
		kc_lock_take(&lock);
		have = nparked;
		kc_lock_drop(&lock);
	}
}

void
kt_wait_connections(struct kt_server *s, int n)
{
	while (kb_net_connections(s->net) != n)
		usleep(1000);
}

bool
kt_logged(const char *text)
{
	static char buf[1 << 20];
	ssize_t n;
	int tries;

	/* The peer may know of it before the line is written. */
	for (tries = 0; tries < 200; tries++) {
		n = pread(log_fd, buf, sizeof buf - 1, 0);
		buf[n > 0 ? n : 0] = '\0';
		if (strstr(buf, text) != NULL)
			return true;
		usleep(10000);
	}
	return false;
}

struct kb_net_params
kt_params(void)
{
	return (struct kb_net_params){
		.env = &kt_env,
		.broker_id = 1,
		.dispatch = dispatch,
		.threads = 2,
		.request_max = KT_REQUEST_MAX,
		.sndbuf = -1,
		.rcvbuf = -1,
		.backlog = 50,
		.idle_ms = 600000,
		.max_connections = INT_MAX,
		.max_connections_per_ip = INT_MAX,
	};
}

static void
open_file(void)
{
	uint8_t *p = malloc(KT_FILE_SIZE);
	int fd = memfd_create("records", MFD_CLOEXEC);
	size_t i;

	for (i = 0; i < KT_FILE_SIZE; i++)
		p[i] = (uint8_t)(i % 251);
	cr_assert_eq(kc_file_system.pwrite(fd, p, KT_FILE_SIZE, 0), KC_OK);
	free(p);
	cr_assert_eq(kc_fileref_new(&kc_file_system, fd, &file), KC_OK);
}

static struct kc_tls *
server_tls(const struct kt_certs *c, enum kc_tls_client_auth auth)
{
	struct kc_tls_params p = {
		.server = true,
		.keystore_type = "PEM",
		.keystore_key = c->server_key,
		.keystore_chain = c->server_cert,
		.truststore_type = "PEM",
		.truststore_certs = c->ca,
		.client_auth = auth,
	};
	struct kc_tls *tls = NULL;
	char err[256] = "";

	cr_assert_eq(kc_tls_open(&tls, &p, err, sizeof err), KC_OK, "%s", err);
	return tls;
}

struct kc_tls *
kt_client_tls(const struct kt_certs *c, const char *ca, bool with_cert)
{
	struct kc_tls_params p = {
		.keystore_type = "PEM",
		.truststore_type = "PEM",
		.truststore_certs = ca,
		.verify_host = true,
	};
	struct kc_tls *tls = NULL;
	char err[256] = "";

	if (with_cert) {
		p.keystore_key = c->client_key;
		p.keystore_chain = c->client_cert;
	}
	cr_assert_eq(kc_tls_open(&tls, &p, err, sizeof err), KC_OK, "%s", err);
	return tls;
}

void
kt_server_open(struct kt_server *s, const struct kb_net_params *p)
{
	struct kb_net_endpoint ep = {
		.name = "PLAINTEXT",
		.host = "localhost",
		.privileged = true,
		.max_connections = INT_MAX,
	};
	struct kc_tls *tls;

	signal(SIGPIPE, SIG_IGN); /* our clients write to closed sockets */
	log_fd = memfd_create("log", MFD_CLOEXEC);
	cr_assert_eq(kc_logger_open(&logger, log_fd), KC_OK);
	kc_logger_set_level(logger, "root", KC_LOG_DEBUG);
	kc_log_use(logger);
	memset(s, 0, sizeof *s);
	kt_certs_open(&s->certs);
	open_file();
	cr_assert_eq(kb_net_open(&s->net, p), KC_OK);
	cr_assert_eq(kb_net_listen(s->net, &ep), KC_OK);
	ep.name = "SSL";
	ep.host = "127.0.0.1";
	ep.tls = tls = server_tls(&s->certs, KC_TLS_AUTH_REQUESTED);
	cr_assert_eq(kb_net_listen(s->net, &ep), KC_OK);
	kc_tls_put(&tls);
	ep.name = "MTLS";
	ep.host = "";
	ep.tls = tls = server_tls(&s->certs, KC_TLS_AUTH_REQUIRED);
	cr_assert_eq(kb_net_listen(s->net, &ep), KC_OK);
	kc_tls_put(&tls);
	s->plain = kb_net_port(s->net, "plaintext");
	s->tls = kb_net_port(s->net, "SSL");
	s->mtls = kb_net_port(s->net, "MTLS");
	cr_assert_eq(kb_net_port(s->net, "NONE"), -1);
	cr_assert_eq(kb_net_start(s->net), KC_OK);
}

void
kt_server_close(struct kt_server *s)
{
	kb_net_shut(s->net);
	cr_assert_eq(kb_net_connections(s->net), 0);
	kt_complete();
	kb_net_close(&s->net);
	kc_fileref_put(&file);
	kt_certs_close(&s->certs);
	kc_log_use(NULL);
	kc_logger_close(&logger);
	close(log_fd);
}

bool
kt_connect(
    struct kt_client *c, int port, bool tls, const char *cert, const char *key)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1;
	BIO *b;
	X509 *x;
	EVP_PKEY *k;

	memset(c, 0, sizeof *c);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	cr_assert_eq(connect(c->fd, (void *)&sin, sizeof sin), 0);
	if (!tls)
		return true;
	c->ctx = SSL_CTX_new(TLS_client_method());
	if (cert != NULL) {
		b = BIO_new_mem_buf(cert, -1);
		x = PEM_read_bio_X509(b, NULL, NULL, NULL);
		BIO_free(b);
		b = BIO_new_mem_buf(key, -1);
		k = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
		BIO_free(b);
		SSL_CTX_use_cert_and_key(c->ctx, x, k, NULL, 1);
		X509_free(x);
		EVP_PKEY_free(k);
	}
	c->ssl = SSL_new(c->ctx);
	SSL_set_fd(c->ssl, c->fd);
	return SSL_connect(c->ssl) == 1;
}

void
kt_disconnect(struct kt_client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
}

void
kt_send(struct kt_client *c, const void *p, size_t n)
{
	const char *at = p;
	ssize_t r;

	for (; n > 0; n -= (size_t)r, at += r) {
		r = c->ssl != NULL ? SSL_write(c->ssl, at, (int)n) :
				     send(c->fd, at, n, MSG_NOSIGNAL);
		if (r <= 0)
			return; /* the reader sees it */
	}
}

bool
kt_recv(struct kt_client *c, void *p, size_t n)
{
	char *at = p;
	ssize_t r;

	for (; n > 0; n -= (size_t)r, at += r) {
		r = c->ssl != NULL ? SSL_read(c->ssl, at, (int)n) :
				     read(c->fd, at, n);
		if (r <= 0)
			return false;
	}
	return true;
}

static size_t
frame(uint8_t *buf, int16_t key, int16_t version, int32_t id, const void *msg)
{
	struct kp_req_header h = {
		.api = kp_api_get(key),
		.version = version,
		.correlation_id = id,
		.client_id = KC_STR_LIT("test"),
	};
	struct kc_wr w;
	size_t n;

	kc_wr_init(&w, 0);
	kc_wr_i32(&w, 0);
	kp_req_header_write(&w, &h);
	cr_assert_eq(kp_encode(&h.api->req, version, &w, msg), KC_OK);
	kc_wr_patch_i32(&w, 0, (int32_t)w.len - 4);
	n = w.len;
	memcpy(buf, w.p, n);
	kc_wr_fini(&w);
	return n;
}

size_t
kt_command(uint8_t *buf, int32_t id, const char *text)
{
	struct kp_find_coordinator_req req;

	kp_init(kp_desc_find_coordinator_req(), &req);
	req.key = kc_str(text);
	return frame(buf, kp_key_find_coordinator, 1, id, &req);
}

void
kt_ask(struct kt_client *c, int32_t id, const char *text)
{
	uint8_t *buf = malloc(strlen(text) + 64);

	kt_send(c, buf, kt_command(buf, id, text));
	free(buf);
}

bool
kt_answer(struct kt_client *c, int32_t *id, char *text, size_t cap)
{
	struct kp_find_coordinator_resp resp;
	const struct kp_api *api = kp_api_get(kp_key_find_coordinator);
	struct kc_arena arena;
	struct kc_rd r;
	uint8_t *buf;
	uint32_t size;

	if (!kt_recv(c, &size, 4))
		return false;
	size = ntohl(size);
	cr_assert_lt(size, 1000000);
	buf = malloc(size);
	if (!kt_recv(c, buf, size)) {
		free(buf);
		return false;
	}
	kc_rd_init(&r, buf, size);
	kc_arena_init(&arena, 1 << 20);
	cr_assert_eq(kp_resp_header_read(&r, api, 1, id), KC_OK);
	cr_assert_eq(kp_decode(&api->resp, 1, &r, &arena, &resp), KC_OK);
	cr_assert_eq(kc_rd_finish(&r), KC_OK);
	snprintf(text, cap, "%.*s", KC_STR_ARG(resp.host));
	kc_arena_fini(&arena);
	free(buf);
	return true;
}

size_t
kt_fetch(uint8_t *buf, int32_t id, int32_t max_bytes)
{
	struct kp_fetch_req req;

	kp_init(kp_desc_fetch_req(), &req);
	req.max_bytes = max_bytes;
	return frame(buf, kp_key_fetch, 4, id, &req);
}

bool
kt_fetched(struct kt_client *c, int32_t id, int32_t max_bytes)
{
	const struct kp_api *api = kp_api_get(kp_key_fetch);
	struct kp_fetch_resp resp;
	struct kc_records *rec;
	struct kc_arena arena;
	struct kc_rd r;
	uint8_t *buf;
	uint32_t size;
	int32_t got, i, j;

	if (!kt_recv(c, &size, 4))
		return false;
	size = ntohl(size);
	buf = malloc(size);
	if (!kt_recv(c, buf, size)) {
		free(buf);
		return false;
	}
	kc_rd_init(&r, buf, size);
	kc_arena_init(&arena, 1 << 20);
	cr_assert_eq(kp_resp_header_read(&r, api, 4, &got), KC_OK);
	cr_assert_eq(got, id);
	cr_assert_eq(kp_decode(&api->resp, 4, &r, &arena, &resp), KC_OK);
	for (i = 0; i < 2; i++) {
		rec = &resp.responses.v[0].partitions.v[i].records;
		cr_assert_eq(rec->len, max_bytes);
		for (j = 0; j < max_bytes; j++)
			if (rec->p[j] != (uint8_t)((i * 1000 + j) % 251))
				cr_assert_fail("byte %d of %d", j, i);
	}
	kc_arena_fini(&arena);
	free(buf);
	return true;
}
