/*
 * tls_pem -- PEM as Kafka's stores have it; private to kcommon/io.
 *
 * A value out of a .properties file has often lost its line ends, so that
 * any blank is as good as a newline between the markers.  OpenSSL's reader
 * insists on lines of 64.
 */
#ifndef KC_TLS_PEM_H
#define KC_TLS_PEM_H

#include "kcommon/base/kc.h"

struct kc_pem_block {
	char label[64]; /* "CERTIFICATE", "ENCRYPTED PRIVATE KEY" */
	unsigned char *der; /* owned */
	size_t len;
};

/*
 * The next block of [*p, end); advances *p.  KC_ENOENT at the end,
 * KC_EMALFORMED, KC_ENOMEM.  Text between blocks is skipped.
 */
int kc_pem_next(const char **p, const char *end, struct kc_pem_block *b);
/* Wipes and frees. */
void kc_pem_free(struct kc_pem_block *b);

#endif
