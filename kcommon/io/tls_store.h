/*
 * tls_store -- keys and certificates out of Kafka's key and trust stores;
 * private to kcommon/io.
 *
 * PEM inline or in a file (KIP-651), or PKCS12.  A file is known by what is
 * in it: type JKS, the default, also opens a PKCS12 file, as in Java.  A real
 * JKS file is refused with the command that converts it.
 */
#ifndef KC_TLS_STORE_H
#define KC_TLS_STORE_H

#include "kcommon/io/tls.h"

#include <openssl/types.h>
#include <openssl/x509.h>

/* Certificates, keys and passwords in one file. */
#define KC_TLS_FILE_MAX (16 * 1024 * 1024)

struct kc_tls_identity {
	EVP_PKEY *key; /* owned, as the rest; NULL: none configured */
	X509 *cert;
	STACK_OF(X509) * chain; /* without cert */
};

struct kc_tls_err { /* where an explanation goes */
	char *buf;
	size_t len;
};

/* Writes the explanation; returns rc. */
int kc_tls_explain(struct kc_tls_err *e, int rc, const char *fmt, ...)
    KC_PRINTF(3, 4);

/* The key store of p.  On failure id holds nothing. */
int kc_tls_load_identity(const struct kc_tls_params *p,
    struct kc_tls_identity *id, struct kc_tls_err *e);
void kc_tls_free_identity(struct kc_tls_identity *id);

/* The trust store of p; *certs stays NULL when none is configured. */
int kc_tls_load_trust(const struct kc_tls_params *p, STACK_OF(X509) * *certs,
    struct kc_tls_err *e);

#endif
