/*
 * certs -- an authority, a server and a client made for one test.
 */
#ifndef KT_CERTS_H
#define KT_CERTS_H

#include <openssl/types.h>

struct kt_certs { /* PEM texts, malloc'ed; certificates signed by ca */
	char *ca;
	char *server_key, *server_cert; /* for localhost and 127.0.0.1 */
	char *client_key, *client_cert; /* CN=client,OU=Tests,O=KB */
	char *other_ca; /* signed none of these */
};

void kt_certs_open(struct kt_certs *c);
void kt_certs_close(struct kt_certs *c);

EVP_PKEY *kt_key(void);
/* Signed by ca_key, or by itself when ca is NULL; san may be NULL. */
X509 *kt_cert(EVP_PKEY *key, X509_NAME *subject, X509 *ca, EVP_PKEY *ca_key,
    const char *san);
char *kt_pem_cert(X509 *x);
/* PKCS#8; encrypted when password is not NULL. */
char *kt_pem_key(EVP_PKEY *key, const char *password);
/* The key as OpenSSL wrote it before PKCS#8. */
char *kt_pem_key_old(EVP_PKEY *key);

#endif
