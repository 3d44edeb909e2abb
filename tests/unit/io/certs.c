#include "tests/unit/io/certs.h"

#include "kcommon/base/assert.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

EVP_PKEY *
kt_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	KC_ASSERT(key != NULL);
	return key;
}

static void
extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	KC_ASSERT(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

X509 *
kt_cert(EVP_PKEY *key, X509_NAME *subject, X509 *ca, EVP_PKEY *ca_key,
    const char *san)
{
	X509 *x = X509_new();

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), rand());
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_set_subject_name(x, subject);
	X509_set_issuer_name(
	    x, ca != NULL ? X509_get_subject_name(ca) : subject);
	if (ca == NULL)
		extend(x, x, NID_basic_constraints, "critical,CA:TRUE");
	if (san != NULL)
		extend(x, ca, NID_subject_alt_name, san);
	KC_ASSERT(X509_sign(x, ca_key, EVP_sha256()) > 0);
	return x;
}

static char *
text_of(BIO *b)
{
	char *p, *text;
	long n = BIO_get_mem_data(b, &p);

	text = strndup(p, (size_t)n);
	BIO_free(b);
	return text;
}

char *
kt_pem_cert(X509 *x)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_X509(b, x);
	return text_of(b);
}

char *
kt_pem_key(EVP_PKEY *key, const char *password)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_PKCS8PrivateKey(b, key,
	    password != NULL ? EVP_aes_256_cbc() : NULL, password,
	    password != NULL ? (int)strlen(password) : 0, NULL, NULL);
	return text_of(b);
}

char *
kt_pem_key_old(EVP_PKEY *key)
{
	BIO *b = BIO_new(BIO_s_mem());

	PEM_write_bio_PrivateKey_traditional(b, key, NULL, NULL, 0, NULL, NULL);
	return text_of(b);
}

static X509_NAME *
name(const char *cn)
{
	X509_NAME *n = X509_NAME_new();

	X509_NAME_add_entry_by_txt(
	    n, "O", MBSTRING_UTF8, (const unsigned char *)"KB", -1, -1, 0);
	X509_NAME_add_entry_by_txt(
	    n, "OU", MBSTRING_UTF8, (const unsigned char *)"Tests", -1, -1, 0);
	X509_NAME_add_entry_by_txt(
	    n, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	return n;
}

static void
issue(X509 *ca, EVP_PKEY *ca_key, const char *cn, const char *san, char **key,
    char **cert)
{
	EVP_PKEY *k = kt_key();
	X509_NAME *n = name(cn);
	X509 *x = kt_cert(k, n, ca, ca_key, san);

	*key = kt_pem_key(k, NULL);
	*cert = kt_pem_cert(x);
	X509_free(x);
	X509_NAME_free(n);
	EVP_PKEY_free(k);
}

void
kt_certs_open(struct kt_certs *c)
{
	EVP_PKEY *ca_key = kt_key(), *other = kt_key();
	X509_NAME *n = name("authority");
	X509 *ca = kt_cert(ca_key, n, NULL, ca_key, NULL);
	X509 *x = kt_cert(other, n, NULL, other, NULL);

	memset(c, 0, sizeof *c);
	c->ca = kt_pem_cert(ca);
	c->other_ca = kt_pem_cert(x);
	issue(ca, ca_key, "server", "DNS:localhost,IP:127.0.0.1",
	    &c->server_key, &c->server_cert);
	issue(ca, ca_key, "client", NULL, &c->client_key, &c->client_cert);
	X509_free(x);
	X509_free(ca);
	X509_NAME_free(n);
	EVP_PKEY_free(other);
	EVP_PKEY_free(ca_key);
}

void
kt_certs_close(struct kt_certs *c)
{
	free(c->ca);
	free(c->other_ca);
	free(c->server_key);
	free(c->server_cert);
	free(c->client_key);
	free(c->client_cert);
}
