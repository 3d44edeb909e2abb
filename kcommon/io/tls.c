#include "kcommon/io/tls.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/refcount.h"
#include "kcommon/base/str.h"
#include "kcommon/io/file.h"
#include "kcommon/io/sock_priv.h"
#include "kcommon/io/tls_store.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kc_tls {
	unsigned magic;
#define KC_TLS_MAGIC 0x71512e88
	struct kc_ref ref;
	SSL_CTX *ctx;
	bool server;
	bool verify_host;
};

static const struct {
	const char *name;
	int version;
	uint64_t off; /* SSL_OP_NO_* */
} protocols[] = {
	{ "TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1 },
	{ "TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
	{ "TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
	{ "TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 },
};

static bool
is_set(const char *s)
{
	return s != NULL && s[0] != '\0';
}

static int
out_of_memory(struct kc_tls_err *e)
{
	return kc_tls_explain(e, KC_ENOMEM, "out of memory");
}

/* The bit of a protocol name in `protocols`, or -1. */
static int
protocol_index(struct kc_str name)
{
	size_t i;

	for (i = 0; i < KC_COUNT(protocols); i++)
		if (kc_str_eqz(name, protocols[i].name))
			return (int)i;
	return -1;
}

/*
 * ssl.protocol names the JSSE context and decides nothing here, since Kafka
 * always sets the enabled protocols; but a typing error must not pass.
 */
static int
check_protocol(const struct kc_tls_params *p, struct kc_tls_err *e)
{
	if (!is_set(p->protocol) || strcmp(p->protocol, "TLS") == 0 ||
	    protocol_index(kc_str(p->protocol)) != -1)
		return KC_OK;
	return kc_tls_explain(
	    e, KC_EINVAL, "ssl.protocol %s is not supported", p->protocol);
}

static int
set_protocols(SSL_CTX *ctx, const struct kc_tls_params *p, struct kc_tls_err *e)
{
	struct kc_str rest =
	    kc_str(is_set(p->enabled_protocols) ? p->enabled_protocols :
						  "TLSv1.2,TLSv1.3");
	struct kc_str tok;
	unsigned on = 0;
	size_t i;
	int k;

	while (kc_str_split(&rest, ',', &tok)) {
		tok = kc_str_trim(tok);
		if ((k = protocol_index(tok)) == -1)
			return kc_tls_explain(e, KC_EINVAL,
			    "ssl.enabled.protocols: %.*s is not supported",
			    KC_STR_ARG(tok));
		on |= 1u << k;
	}
	if (on == 0)
		return kc_tls_explain(
		    e, KC_EINVAL, "ssl.enabled.protocols is empty");
	SSL_CTX_set_min_proto_version(
	    ctx, protocols[__builtin_ctz(on)].version);
	SSL_CTX_set_max_proto_version(
	    ctx, protocols[31 - __builtin_clz(on)].version);
	for (i = 0; i < KC_COUNT(protocols); i++)
		if (!(on & 1u << i))
			SSL_CTX_set_options(ctx, protocols[i].off);
	return KC_OK;
}

/* Appends name to a colon list. */
static int
add_name(char *list, size_t cap, const char *name)
{
	size_t n = strlen(list);

	if (snprintf(list + n, cap - n, "%s%s", n == 0 ? "" : ":", name) >=
	    (int)(cap - n))
		return KC_ELIMIT;
	return KC_OK;
}

/*
 * Kafka takes IANA's names; OpenSSL wants those of TLS 1.3 in one list and
 * the others, under names of its own, in another.
 */
static int
set_ciphers(SSL_CTX *ctx, const struct kc_tls_params *p, struct kc_tls_err *e)
{
	struct kc_str rest = kc_str(p->cipher_suites), tok;
	char new_list[512] = "", old_list[4096] = "", name[128];
	const char *own;
	bool is13;
	int rc;

	if (!is_set(p->cipher_suites))
		return KC_OK;
	while (kc_str_split(&rest, ',', &tok)) {
		tok = kc_str_trim(tok);
		snprintf(name, sizeof name, "%.*s", KC_STR_ARG(tok));
		/* Only those of TLS 1.3 name no key exchange. */
		is13 = strncmp(name, "TLS_", 4) == 0 &&
		    strstr(name, "_WITH_") == NULL;
		own = OPENSSL_cipher_name(name);
		if (is13 || strcmp(own, "(NONE)") == 0)
			own = name;
		rc = is13 ? add_name(new_list, sizeof new_list, own) :
			    add_name(old_list, sizeof old_list, own);
		if (rc != KC_OK)
			return kc_tls_explain(
			    e, rc, "ssl.cipher.suites is too long");
		/* Each alone, so that the message names the wrong one. */
		if ((is13 ? SSL_CTX_set_ciphersuites(ctx, own) :
			    SSL_CTX_set_cipher_list(ctx, own)) != 1)
			return kc_tls_explain(e, KC_EINVAL,
			    "ssl.cipher.suites: %s is not supported", name);
	}
	/* No suite for a version: that version cannot be spoken. */
	if (new_list[0] == '\0')
		SSL_CTX_set_options(ctx, SSL_OP_NO_TLSv1_3);
	if (old_list[0] == '\0')
		SSL_CTX_set_options(ctx,
		    SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2);
	if ((new_list[0] != '\0' &&
		SSL_CTX_set_ciphersuites(ctx, new_list) != 1) ||
	    (old_list[0] != '\0' &&
		SSL_CTX_set_cipher_list(ctx, old_list) != 1))
		return kc_tls_explain(
		    e, KC_EINVAL, "ssl.cipher.suites cannot be used together");
	return KC_OK;
}

static int
set_identity(SSL_CTX *ctx, const struct kc_tls_params *p, struct kc_tls_err *e)
{
	struct kc_tls_identity id;
	const char *reason;
	int rc;

	if ((rc = kc_tls_load_identity(p, &id, e)) != KC_OK)
		return rc;
	if (id.key == NULL)
		return p->server ? kc_tls_explain(e, KC_EINVAL,
				       "an SSL listener needs a key: set "
				       "ssl.keystore.location or "
				       "ssl.keystore.key") :
				   KC_OK;
	ERR_clear_error();
	if (SSL_CTX_use_cert_and_key(ctx, id.cert, id.key, id.chain, 1) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1) {
		reason = ERR_reason_error_string(ERR_peek_last_error());
		rc = kc_tls_explain(e, KC_EINVAL,
		    "ssl.keystore: key and certificate cannot be used: %s",
		    reason != NULL ? reason : "no reason given");
	}
	kc_tls_free_identity(&id);
	return rc;
}

static int
set_trust(SSL_CTX *ctx, const struct kc_tls_params *p, struct kc_tls_err *e)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	STACK_OF(X509) *certs = NULL;
	X509 *x;
	int rc, i;

	if ((rc = kc_tls_load_trust(p, &certs, e)) != KC_OK)
		return rc;
	if (certs == NULL) {
		SSL_CTX_set_default_verify_paths(ctx);
		return KC_OK;
	}
	/* As in Java, what the store holds is trusted, root or not. */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	for (i = 0; i < sk_X509_num(certs) && rc == KC_OK; i++) {
		x = sk_X509_value(certs, i);
		if (X509_STORE_add_cert(store, x) != 1)
			rc = out_of_memory(e);
		/* Clients with many certificates choose by this list. */
		if (p->server)
			SSL_CTX_add_client_CA(ctx, x);
	}
	sk_X509_pop_free(certs, X509_free);
	return rc;
}

/*
 * Asked once a context: on a kernel without it every connection of a broker
 * that runs as root would start modprobe.
 */
static bool
kernel_has_tls(void)
{
	char buf[256] = "";
	size_t len;
	int fd = -1;
	bool has;

	if (kc_file_system.open(&fd, KC_FILE_CWD,
		"/proc/sys/net/ipv4/tcp_available_ulp", KC_FILE_READ) != KC_OK)
		return false;
	has = kc_file_system.pread(fd, buf, sizeof buf - 1, 0, &len) == KC_OK &&
	    strstr(buf, "tls") != NULL;
	kc_file_system.close(fd);
	return has;
}

static int
set_behaviour(SSL_CTX *ctx, const struct kc_tls_params *p, struct kc_tls_err *e)
{
	unsigned char id[SSL_MAX_SID_CTX_LENGTH];
	int verify = SSL_VERIFY_PEER;

	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (kernel_has_tls())
		SSL_CTX_set_options(ctx, SSL_OP_ENABLE_KTLS);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	/* Tickets only: the peer keeps its session, we keep nothing. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 1);
	/*
	 * A ticket is good for this context alone: its keys are the context's
	 * own, and so is this name.
	 */
	if (RAND_bytes(id, sizeof id) != 1 ||
	    SSL_CTX_set_session_id_context(ctx, id, sizeof id) != 1)
		return out_of_memory(e);
	if (p->server && p->client_auth == KC_TLS_AUTH_NONE)
		verify = SSL_VERIFY_NONE;
	if (p->server && p->client_auth == KC_TLS_AUTH_REQUIRED)
		verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, verify, NULL);
	return KC_OK;
}

int
kc_tls_open(struct kc_tls **tlsp, const struct kc_tls_params *p, char *errbuf,
    size_t errbuf_len)
{
	struct kc_tls_err e = { errbuf, errbuf_len };
	struct kc_tls *tls;
	int rc;

	KC_ASSERT(tlsp != NULL && *tlsp == NULL);
	if ((tls = kc_new(struct kc_tls, KC_TLS_MAGIC)) == NULL)
		return out_of_memory(&e);
	kc_ref_init(&tls->ref);
	tls->server = p->server;
	tls->verify_host = p->verify_host;
	tls->ctx =
	    SSL_CTX_new(p->server ? TLS_server_method() : TLS_client_method());
	if (tls->ctx == NULL)
		rc = out_of_memory(&e);
	else if ((rc = check_protocol(p, &e)) == KC_OK &&
	    (rc = set_protocols(tls->ctx, p, &e)) == KC_OK &&
	    (rc = set_ciphers(tls->ctx, p, &e)) == KC_OK &&
	    (rc = set_identity(tls->ctx, p, &e)) == KC_OK &&
	    (rc = set_trust(tls->ctx, p, &e)) == KC_OK)
		rc = set_behaviour(tls->ctx, p, &e);
	ERR_clear_error();
	if (rc != KC_OK) {
		kc_tls_put(&tls);
		return rc;
	}
	*tlsp = tls;
	return KC_OK;
}

static bool
has_name(const GENERAL_NAMES *v, GENERAL_NAME *name)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(v); i++)
		if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(v, i), name) == 0)
			return true;
	return false;
}

/* Has then all alternative names of now? */
static bool
keeps_names(const X509 *now, const X509 *then)
{
	GENERAL_NAMES *a =
	    X509_get_ext_d2i(now, NID_subject_alt_name, NULL, NULL);
	GENERAL_NAMES *b =
	    X509_get_ext_d2i(then, NID_subject_alt_name, NULL, NULL);
	bool ok = true;

	for (int i = 0; a != NULL && i < sk_GENERAL_NAME_num(a); i++)
		ok =
		    ok && b != NULL && has_name(b, sk_GENERAL_NAME_value(a, i));
	GENERAL_NAMES_free(a);
	GENERAL_NAMES_free(b);
	return ok;
}

int
kc_tls_may_follow(const struct kc_tls *now, const struct kc_tls *then,
    bool dn_free, bool san_free, char *errbuf, size_t errbuf_len)
{
	const X509 *a = SSL_CTX_get0_certificate(now->ctx);
	const X509 *b = SSL_CTX_get0_certificate(then->ctx);
	char old[200], new[200];

	if (a == NULL || b == NULL)
		return KC_OK;
	if (!dn_free &&
	    X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) !=
		0) {
		X509_NAME_oneline(X509_get_subject_name(a), old, sizeof old);
		X509_NAME_oneline(X509_get_subject_name(b), new, sizeof new);
		snprintf(errbuf, errbuf_len,
		    "Keystore DistinguishedName does not match: existing=%s, "
		    "new=%s; ssl.allow.dn.changes would allow it",
		    old, new);
		return KC_EINVAL;
	}
	if (!san_free && !keeps_names(a, b)) {
		snprintf(errbuf, errbuf_len,
		    "Keystore SubjectAltNames do not match: the new "
		    "certificate lacks some of the existing one's; "
		    "ssl.allow.san.changes would allow it");
		return KC_EINVAL;
	}
	return KC_OK;
}

struct kc_tls *
kc_tls_get(struct kc_tls *tls)
{
	KC_CHECK(tls, KC_TLS_MAGIC);
	kc_ref_get(&tls->ref);
	return tls;
}

void
kc_tls_put(struct kc_tls **tlsp)
{
	struct kc_tls *tls = *tlsp;

	*tlsp = NULL;
	if (tls == NULL || !kc_ref_put(&tls->ref))
		return;
	SSL_CTX_free(tls->ctx);
	kc_delete(tls);
}

SSL_CTX *
kc_tls_ctx(const struct kc_tls *tls)
{
	return tls->ctx;
}

bool
kc_tls_is_server(const struct kc_tls *tls)
{
	return tls->server;
}

bool
kc_tls_verify_host(const struct kc_tls *tls)
{
	return tls->verify_host;
}
