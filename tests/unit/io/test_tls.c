#include "kcommon/base/err.h"
#include "kcommon/io/sock_priv.h"
#include "kcommon/io/tls.h"
#include "tests/unit/io/certs.h"

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct kt_certs certs;
static char dir[64];
static char err[512];

static void
setup(void)
{
	kt_certs_open(&certs);
	strcpy(dir, "/tmp/kt_tls_XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static void
teardown(void)
{
	char cmd[128];

	kt_certs_close(&certs);
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	cr_assert_eq(system(cmd), 0);
}

TestSuite(kc_tls, .init = setup, .fini = teardown);

static struct kc_tls_params
inline_pem(void)
{
	return (struct kc_tls_params){
		.server = true,
		.keystore_type = "PEM",
		.keystore_key = certs.server_key,
		.keystore_chain = certs.server_cert,
		.truststore_type = "PEM",
		.truststore_certs = certs.ca,
	};
}

static int
try(const struct kc_tls_params *p)
{
	struct kc_tls *tls = NULL;
	int rc;

	err[0] = '\0';
	rc = kc_tls_open(&tls, p, err, sizeof err);
	cr_assert_eq(tls == NULL, rc != KC_OK);
	cr_assert_eq(err[0] == '\0', rc == KC_OK, "%s", err);
	kc_tls_put(&tls);
	return rc;
}

#define FAILS(p, text)                                                         \
	do {                                                                   \
		cr_assert_neq(try(p), KC_OK, "no error: %s", text);            \
		cr_assert_not_null(                                            \
		    strstr(err, text), "%s: not in: %s", text, err);           \
	} while (0)

static char *
file(const char *name, const void *data, size_t len)
{
	char *path = malloc(128);
	FILE *f;

	snprintf(path, 128, "%s/%s", dir, name);
	f = fopen(path, "w");
	cr_assert_eq(fwrite(data, 1, len, f), len);
	fclose(f);
	return path;
}

/* Goal: each wrong setting is refused, and the message names it. */
Test(kc_tls, wrong_settings)
{
	struct kc_tls_params p;

#define CASE(change, text)                                                     \
	do {                                                                   \
		p = inline_pem();                                              \
		change;                                                        \
		FAILS(&p, text);                                               \
	} while (0)
	CASE(p.protocol = "SSLv3", "ssl.protocol");
	CASE(p.enabled_protocols = "TLSv1.2,TLSv9", "TLSv9");
	CASE(p.enabled_protocols = ",", "ssl.enabled.protocols");
	CASE(p.cipher_suites = "TLS_AES_128_GCM_SHA256,NONSENSE", "NONSENSE");
	CASE(p.keystore_type = "BCFKS", "ssl.keystore.type");
	CASE(p.keystore_type = NULL, "ssl.keystore.type=PEM");
	CASE(p.keystore_location = "/x", "ssl.keystore.location");
	CASE(p.keystore_password = "x", "ssl.key.password");
	CASE(p.keystore_key = NULL, "ssl.keystore.key");
	CASE(p.keystore_chain = NULL, "ssl.keystore.certificate.chain");
	CASE(p.keystore_key = "junk", "no PRIVATE KEY");
	CASE(p.keystore_chain = "junk", "no CERTIFICATE");
	CASE(p.keystore_key = certs.client_key, "cannot be used");
	CASE(p.keystore_key = p.keystore_chain = NULL, "needs a key");
	CASE(p.truststore_certs = "-----BEGIN CERTIFICATE-----\nAAAA", "PEM");
	CASE(p.truststore_certs = "-----BEGIN CERTIFICATE-----\nAA!A\n"
				  "-----END CERTIFICATE-----",
	    "PEM");
	CASE(p.truststore_certs = "-----BEGIN CERTIFICATE-----\nAAAA\n"
				  "-----END CERTIFICATE-----",
	    "certificate 1");
	CASE(p.truststore_certs = "-----BEGIN CERTIFICATE-----"
				  "-----END CERTIFICATE-----",
	    "PEM");
	CASE(p.truststore_password = "x", "ssl.truststore.password");
	CASE((p.truststore_certs = NULL, p.truststore_location = "/no/file"),
	    "/no/file");
	CASE((p.keystore_key = p.keystore_chain = NULL,
		 p.keystore_type = "PKCS12", p.keystore_location = "/x"),
	    "ssl.keystore.password");
#undef CASE
}

static char *
join(const char *a, const char *b)
{
	char *s = malloc(strlen(a) + strlen(b) + 1);

	strcpy(s, a);
	return strcat(s, b);
}

/* Goal: the forms of PEM that Kafka takes. */
Test(kc_tls, pem)
{
	struct kc_tls_params p = inline_pem();
	char *s, *both = join(certs.server_key, certs.server_cert), *path;
	const char *at = certs.server_key;
	EVP_PKEY *key;
	BIO *b;

	cr_assert_eq(try(&p), KC_OK, "%s", err);
	p.enabled_protocols = "TLSv1.3";
	p.protocol = "TLSv1.3";
	p.cipher_suites = "TLS_AES_256_GCM_SHA384 , "
			  "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
	cr_assert_eq(try(&p), KC_OK, "%s", err);

	/* Newlines became blanks, as in a value of one line. */
	p = inline_pem();
	p.keystore_key = strdup(certs.server_key);
	for (s = (char *)p.keystore_key; *s != '\0'; s++)
		if (*s == '\n')
			*s = ' ';
	cr_assert_eq(try(&p), KC_OK, "%s", err);
	free((char *)p.keystore_key);

	/* Two keys. */
	p.keystore_key = join(certs.server_key, certs.client_key);
	FAILS(&p, "more than one");
	free((char *)p.keystore_key);

	/* A file with both; then the same without its key. */
	path = file("both.pem", both, strlen(both));
	p = inline_pem();
	p.keystore_key = p.keystore_chain = NULL;
	p.keystore_location = path;
	cr_assert_eq(try(&p), KC_OK, "%s", err);
	free(path);
	path = file("cert.pem", certs.server_cert, strlen(certs.server_cert));
	p.keystore_location = path;
	FAILS(&p, "no PRIVATE KEY");
	free(path);

	/* Encrypted, and as OpenSSL wrote it before. */
	b = BIO_new_mem_buf(at, -1);
	key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	BIO_free(b);
	p = inline_pem();
	p.keystore_key = kt_pem_key(key, "secret");
	FAILS(&p, "set ssl.key.password");
	p.key_password = "wrong";
	FAILS(&p, "is ssl.key.password right?");
	p.key_password = "secret";
	cr_assert_eq(try(&p), KC_OK, "%s", err);
	free((char *)p.keystore_key);
	p.keystore_key = kt_pem_key_old(key);
	cr_assert_eq(try(&p), KC_OK, "%s", err);
	free((char *)p.keystore_key);
	EVP_PKEY_free(key);
	free(both);
}

static char *
p12_file(const char *name, const char *pass, EVP_PKEY *key, X509 *cert,
    STACK_OF(X509) * ca)
{
	PKCS12 *p12 =
	    PKCS12_create(pass, "x", key, cert, ca, 0, 0, 1000, 1000, 0);
	unsigned char *der = NULL;
	int n = i2d_PKCS12(p12, &der);
	char *path;

	cr_assert_gt(n, 0);
	path = file(name, der, (size_t)n);
	OPENSSL_free(der);
	PKCS12_free(p12);
	return path;
}

/* Goal: PKCS12 stores, also under the default type; JKS with its advice. */
Test(kc_tls, pkcs12_and_jks)
{
	static const unsigned char jks[] = { 0xfe, 0xed, 0xfe, 0xed, 0, 0 };
	struct kc_tls_params p = { .server = true };
	BIO *b = BIO_new_mem_buf(certs.server_key, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
	STACK_OF(X509) *ca = sk_X509_new_null();
	char *keys, *trust, *bad;
	X509 *cert;

	BIO_free(b);
	b = BIO_new_mem_buf(certs.server_cert, -1);
	cert = PEM_read_bio_X509(b, NULL, NULL, NULL);
	BIO_free(b);
	b = BIO_new_mem_buf(certs.ca, -1);
	sk_X509_push(ca, PEM_read_bio_X509(b, NULL, NULL, NULL));
	BIO_free(b);
	keys = p12_file("keys.p12", "pw", key, cert, ca);
	trust = p12_file("trust.p12", "pw", NULL, NULL, ca);

	p.keystore_location = keys;
	p.keystore_password = "pw";
	p.truststore_location = trust;
	p.truststore_password = "pw";
	cr_assert_eq(try(&p), KC_OK, "%s", err);
	p.keystore_type = p.truststore_type = "pkcs12";
	cr_assert_eq(try(&p), KC_OK, "%s", err);
	p.keystore_password = "wrong";
	FAILS(&p, "ssl.keystore.password is wrong");
	p.keystore_password = "pw";
	p.truststore_password = NULL;
	FAILS(&p, "ssl.truststore.location");
	p.truststore_password = "pw";
	p.keystore_location = trust;
	FAILS(&p, "holds no private key");
	bad = file("keys.jks", jks, sizeof jks);
	p.keystore_location = bad;
	FAILS(&p, "keytool -importkeystore -srckeystore ");
	cr_assert_not_null(strstr(err, "-deststoretype PKCS12"));
	free(bad);
	bad = file("junk", "junk", 4);
	p.keystore_location = bad;
	FAILS(&p, "is not a PKCS12 file");
	free(bad);
	free(keys);
	free(trust);
	sk_X509_pop_free(ca, X509_free);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* By Java 17 with -J-Dkeystore.pkcs12.legacy, password "secret". */
static const char java8_p12[] =
    "MIIDOgIBAzCCAvMGCSqGSIb3DQEHAaCCAuQEggLgMIIC3DCB2QYJKoZIhvcNAQcBoIHL"
    "BIHIMIHFMIHCBgsqhkiG9w0BDAoBAqB3MHUwKQYKKoZIhvcNAQwBAzAbBBQAceiG/ezg"
    "4d5u7wsDg2Xuzh4sSQIDAMNQBEhNKfRIhXSU8mst1lBv7na8TZbp3JxZ1HCJHGW9lL5m"
    "J0C3vqWPlWKhJzVLVevjexfWUVwR5J/50K0mgDO5ggS9M1bNewiovQYxOjAVBgkqhkiG"
    "9w0BCRQxCB4GAHMAcgB2MCEGCSqGSIb3DQEJFTEUBBJUaW1lIDE3OTU1NzIyMzg1NjQw"
    "ggH8BgkqhkiG9w0BBwagggHtMIIB6QIBADCCAeIGCSqGSIb3DQEHATApBgoqhkiG9w0B"
    "DAEGMBsEFJlukkLZmxYbd+D8ibflaVZyzfscAgMAw1CAggGoEYFYsJf4m0FYYUvIfaNJ"
    "1pno4O9OQoxm1PtMJbACpCUb9r65j3iuD8FfWmdLREg9s4ButsPYmZmhadSLiZc2EXPz"
    "5kMsU+mlxA6TuxpE3tBinMJT2d3MkkcrOcIp0/LHNVbxzzzLo0W2o7Q1C+n3iVIoY/Hn"
    "9m5WVIr0IF4B7ZZzyv69yTlsKrzjGfpaq4lwkGmQtTL0pLy5uYF6jRjcBC74osxIa8BX"
    "At073ZqFxF8wixL+iGJF0E7VfemvviHnNkLZKytPUwPN5stCCvqK9aU/pncwO5kZCbX4"
    "UPzZKCqKSVQODR2D+pXga2lrK/3ArmaGQzEBjopvuNP8XwHrEYnw6UgofGPZQlMNcvs9"
    "0sxQHy1FKs/6jaldUPUxlSJm94poN5WBCRo5QCd1s3sV0qm+MZmreRQDsY+OvvwH1XPa"
    "2mV2hlYm15gfTP6MJQ3fqPROWXw3+mE/hOEER6k9nwtkghnh1FNi6/fOijJuohhx0Xm0"
    "ZXz1PrNVNG4MjK8y3oFsI+e2L91KNzN9J0eCSqVBY8B6FTBc/rSLG51FN2QbE3e0LVUa"
    "rDA+MCEwCQYFKw4DAhoFAAQU5ghbK0bIsmTJzFGvfp2pucrQjJoEFAxlT29y23pYd6iG"
    "cFCCzoT6ZCYLAgMBhqA=";

/* Goal: what Java 8 wrote, encrypted by RC2, is read too. */
Test(kc_tls, pkcs12_of_java8)
{
	struct kc_tls_params p = { .server = true };
	unsigned char der[sizeof java8_p12];
	int n = EVP_DecodeBlock(
	    der, (const unsigned char *)java8_p12, sizeof java8_p12 - 1);
	char *path;

	cr_assert_gt(n, 0);
	path = file("java8.p12", der, (size_t)n);
	p.keystore_location = path;
	p.keystore_password = "secret";
	cr_assert_eq(try(&p), KC_OK, "%s", err);
	p.keystore_password = "Secret";
	FAILS(&p, "ssl.keystore.password is wrong");
	free(path);
}

static void
add(X509_NAME *n, const char *type, int enc, const char *value, int set)
{
	cr_assert_eq(X509_NAME_add_entry_by_txt(n, type, enc,
			 (const unsigned char *)value, -1, -1, set),
	    1, "%s", type);
}

/* Goal: the text of a subject, as Java's X500Principal.getName() has it. */
Test(kc_tls, dn)
{
	EVP_PKEY *key = kt_key();
	X509_NAME *n = X509_NAME_new();
	X509 *x;
	char *dn;

	add(n, "C", V_ASN1_PRINTABLESTRING, "DE", 0);
	add(n, "ST", MBSTRING_UTF8, "Baden-W\xc3\xbcrttemberg", 0);
	add(n, "L", MBSTRING_UTF8, " two  blanks ", 0);
	add(n, "street", MBSTRING_UTF8, "#1, \"A\" <b>; c+d=e\\f", 0);
	add(n, "O", MBSTRING_UTF8, "KB", 0);
	add(n, "OU", MBSTRING_UTF8, "one", 0);
	add(n, "CN", MBSTRING_UTF8, "second of the set", -1);
	add(n, "emailAddress", V_ASN1_IA5STRING, "a@b.c", 0);
	add(n, "DC", V_ASN1_IA5STRING, "com", 0);
	add(n, "UID", MBSTRING_UTF8, "u1", 0);
	add(n, "serialNumber", V_ASN1_PRINTABLESTRING, "42", 0);
	add(n, "CN", V_ASN1_NUMERICSTRING, "77", 0);
	x = kt_cert(key, n, NULL, key, NULL);
	dn = kc_tls_dn(x);
	cr_assert_not_null(dn);
	/* What Java 17 prints of this certificate. */
	cr_assert_str_eq(dn,
	    "CN=#12023737,2.5.4.5=#13023432,UID=u1,DC=com,"
	    "1.2.840.113549.1.9.1=#16056140622e63,"
	    "OU=one+CN=second of the set,O=KB,"
	    "STREET=\\#1\\, \\\"A\\\" \\<b\\>\\; c\\+d\\=e\\\\f,"
	    "L=\\ two  blanks\\ ,ST=Baden-W\xc3\xbcrttemberg,C=DE");
	free(dn);
	X509_free(x);
	X509_NAME_free(n);
	EVP_PKEY_free(key);
}
