/*
 * tls_p12 -- PKCS12 files, also those of Java 8; private to kcommon/io.
 */
#ifndef KC_TLS_P12_H
#define KC_TLS_P12_H

#include "kcommon/base/kc.h"

#include <openssl/types.h>
#include <openssl/x509.h>

/*
 * The key (if any) with its certificate, and all other certificates; each may
 * come out NULL.  KC_OK, KC_EMALFORMED (no PKCS12), KC_EAUTH (password), or
 * KC_EUNSUPPORTED (an algorithm).
 */
int kc_p12_parse(const void *der, size_t len, const char *password,
    EVP_PKEY **key, X509 **cert, STACK_OF(X509) * *others);

#endif
