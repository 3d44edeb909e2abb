/*
 * tls -- contexts of OpenSSL made from Kafka's ssl.* settings.
 *
 * One kc_tls is one listener's (or one client's) certificate, key, trust and
 * protocol choice.  It is immutable and reference-counted: a reload makes a
 * new one, connections keep theirs.  Session tickets have keys of their own a
 * context, so one listener's ticket does not open another.
 *
 * @thread any
 */
#ifndef KC_TLS_H
#define KC_TLS_H

#include "kcommon/base/kc.h"

enum kc_tls_client_auth {
	KC_TLS_AUTH_NONE,
	KC_TLS_AUTH_REQUESTED,
	KC_TLS_AUTH_REQUIRED,
};

/* Strings as configured, NULL or "" when unset; borrowed during the call. */
struct kc_tls_params {
	bool server;
	const char *protocol; /* ssl.protocol */
	const char *enabled_protocols; /* comma list */
	const char *cipher_suites; /* comma list of IANA or OpenSSL names */
	const char *keystore_type; /* JKS, PKCS12, PEM */
	const char *keystore_location;
	const char *keystore_password;
	const char *key_password;
	const char *keystore_key; /* inline PEM */
	const char *keystore_chain; /* inline PEM */
	const char *truststore_type;
	const char *truststore_location;
	const char *truststore_password;
	const char *truststore_certs; /* inline PEM */
	enum kc_tls_client_auth client_auth;
	bool verify_host; /* client: endpoint identification https */
};

struct kc_tls;

/*
 * On failure errbuf says which key is wrong and what to do (for a JKS file:
 * the keytool command that converts it).
 */
int kc_tls_open(struct kc_tls **tlsp, const struct kc_tls_params *p,
    char *errbuf, size_t errbuf_len);
/*
 * May then, a server's context, take the place of now while clients come?  Its
 * certificate must have the same subject unless dn_free, and all the
 * alternative names of the old one unless san_free.  KC_OK, KC_EINVAL and a
 * text in errbuf, KC_ENOMEM.  Kafka: SslFactory.CertificateEntries.
 */
int kc_tls_may_follow(const struct kc_tls *now, const struct kc_tls *then,
    bool dn_free, bool san_free, char *errbuf, size_t errbuf_len);
struct kc_tls *kc_tls_get(struct kc_tls *tls);
void kc_tls_put(struct kc_tls **tlsp);

#endif
