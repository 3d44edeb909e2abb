/*
 * server -- a socket server with a small dispatch, and a blocking client of
 * it, plain or TLS.
 *
 * FindCoordinator v1 is a command; the host of the answer is what came out:
 *   park   parked without a deadline until kt_complete()
 *   late   parked for 50 ms, then "timeout"; later: for an hour
 *   mute   answered, then nothing is read for 200 ms
 *   none   no answer       close  the connection is closed
 *   who    the principal   where  the listener's name
 *   others come back
 * Fetch v4 gives two partitions of max_bytes out of a file, where byte i of
 * the file is i % 251.
 */
#ifndef KT_SERVER_H
#define KT_SERVER_H

#include "kbroker/net/net.h"
#include "kcommon/io/tls.h"
#include "tests/unit/io/certs.h"

#include <openssl/types.h>

#define KT_FILE_SIZE (8 * 1024 * 1024)
#define KT_REQUEST_MAX (8 * 1024 * 1024)

struct kt_server {
	struct kt_certs certs;
	struct kb_net *net;
	int plain, tls, mtls; /* ports; of listeners PLAINTEXT, SSL, MTLS */
};

extern const struct kc_env kt_env;

struct kb_net_params kt_params(void);
void kt_server_open(struct kt_server *s, const struct kb_net_params *p);
void kt_server_close(struct kt_server *s);
/* Completes everything that is parked; how many. */
int kt_complete(void);
/* Waits until n requests are parked. */
void kt_wait_parked(int n);
void kt_wait_connections(struct kt_server *s, int n);
/* Text was logged, or is within two seconds. */
bool kt_logged(const char *text);
/* TLS parameters of a client that trusts ca; with_cert: presents itself. */
struct kc_tls *kt_client_tls(
    const struct kt_certs *c, const char *ca, bool with_cert);

struct kt_client {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl; /* NULL: plain */
};

/* False: connected, but the handshake failed. */
bool kt_connect(
    struct kt_client *c, int port, bool tls, const char *cert, const char *key);
void kt_disconnect(struct kt_client *c);
void kt_send(struct kt_client *c, const void *p, size_t n);
/* Exactly n bytes, or false at the end of the stream (or an error). */
bool kt_recv(struct kt_client *c, void *p, size_t n);
/* Frames of a FindCoordinator v1 request, into buf; its length. */
size_t kt_command(uint8_t *buf, int32_t id, const char *text);
void kt_ask(struct kt_client *c, int32_t id, const char *text);
/* The answer to it: host into text.  False: closed. */
bool kt_answer(struct kt_client *c, int32_t *id, char *text, size_t cap);
size_t kt_fetch(uint8_t *buf, int32_t id, int32_t max_bytes);
/* Reads and checks a Fetch answer. */
bool kt_fetched(struct kt_client *c, int32_t id, int32_t max_bytes);

#endif
