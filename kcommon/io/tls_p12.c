#include "kcommon/io/tls_p12.h"

#include "kcommon/base/err.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <stdlib.h>

static int
parse(PKCS12 *p12, const void *der, size_t len, const char *password,
    EVP_PKEY **key, X509 **cert, STACK_OF(X509) * *others)
{
	const unsigned char *p = der;
	int rc = KC_OK;

	if (d2i_PKCS12(&p12, &p, (long)len) == NULL)
		return KC_EMALFORMED; /* p12 is freed */
	if (password != NULL && PKCS12_mac_present(p12) &&
	    !PKCS12_verify_mac(p12, password, -1))
		rc = KC_EAUTH;
	else if (!PKCS12_parse(p12, password, key, cert, others))
		rc = password == NULL ? KC_EAUTH : KC_EUNSUPPORTED;
	PKCS12_free(p12);
	return rc;
}

/* The same object in the default library context. */
static X509 *
move_cert(X509 *x)
{
	unsigned char *der = NULL;
	const unsigned char *p;
	int n = i2d_X509(x, &der);
	X509 *copy = NULL;

	if (n > 0) {
		p = der;
		copy = d2i_X509(NULL, &p, n);
	}
	OPENSSL_free(der);
	X509_free(x);
	return copy;
}

static EVP_PKEY *
move_key(EVP_PKEY *key)
{
	unsigned char *der = NULL;
	const unsigned char *p;
	int n = i2d_PrivateKey(key, &der);
	EVP_PKEY *copy = NULL;

	if (n > 0) {
		p = der;
		copy = d2i_AutoPrivateKey(NULL, &p, n);
	}
	OPENSSL_clear_free(der, n > 0 ? (size_t)n : 0);
	EVP_PKEY_free(key);
	return copy;
}

/*
 * Java 8 encrypts certificates by RC2 with 40 bits, which OpenSSL 3 keeps in
 * its legacy provider.  That is loaded into a library context of its own, for
 * this file only: no connection can choose such an algorithm.
 */
static int
parse_legacy(const void *der, size_t len, const char *password, EVP_PKEY **key,
    X509 **cert, STACK_OF(X509) * *others)
{
	OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
	OSSL_PROVIDER *plain = OSSL_PROVIDER_load(ctx, "default");
	OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(ctx, "legacy");
	PKCS12 *p12 = PKCS12_init_ex(NID_pkcs7_data, ctx, NULL);
	int rc = KC_EUNSUPPORTED;
	int i;

	if (plain != NULL && legacy != NULL && p12 != NULL)
		rc = parse(p12, der, len, password, key, cert, others);
	else
		PKCS12_free(p12);
	if (*key != NULL)
		*key = move_key(*key);
	if (*cert != NULL)
		*cert = move_cert(*cert);
	for (i = 0; i < sk_X509_num(*others); i++)
		sk_X509_set(*others, i, move_cert(sk_X509_value(*others, i)));
	OSSL_PROVIDER_unload(legacy);
	OSSL_PROVIDER_unload(plain);
	OSSL_LIB_CTX_free(ctx);
	return rc;
}

int
kc_p12_parse(const void *der, size_t len, const char *password, EVP_PKEY **key,
    X509 **cert, STACK_OF(X509) * *others)
{
	int rc = parse(NULL, der, len, password, key, cert, others);

	if (rc != KC_EUNSUPPORTED)
		return rc;
	ERR_clear_error();
	return parse_legacy(der, len, password, key, cert, others);
}
