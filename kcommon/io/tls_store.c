#include "kcommon/io/tls_store.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/io/file.h"
#include "kcommon/io/tls_p12.h"
#include "kcommon/io/tls_pem.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* First four bytes of what Java's keytool used to write. */
static const unsigned char jks_magic[4] = { 0xfe, 0xed, 0xfe, 0xed };
static const unsigned char jceks_magic[4] = { 0xce, 0xce, 0xce, 0xce };

/* The settings of one store, key or trust, by the same names. */
struct store {
	const char *what; /* "keystore" or "truststore" */
	const char *type;
	const char *location;
	const char *password;
	char *data; /* of the file, owned; wiped when freed */
	size_t len;
};

static bool
is_set(const char *s)
{
	return s != NULL && s[0] != '\0';
}

int
kc_tls_explain(struct kc_tls_err *e, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->buf, e->len, fmt, ap);
	va_end(ap);
	return rc;
}

static const char *
ssl_reason(void)
{
	const char *s = ERR_reason_error_string(ERR_peek_last_error());

	return s != NULL ? s : "no reason given";
}

void
kc_tls_free_identity(struct kc_tls_identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	sk_X509_pop_free(id->chain, X509_free);
	memset(id, 0, sizeof *id);
}

static int
slurp(struct store *st, struct kc_tls_err *e)
{
	int rc = kc_file_slurp(&kc_file_system, KC_FILE_CWD, st->location,
	    KC_TLS_FILE_MAX, &st->data, &st->len);

	if (rc != KC_OK)
		return kc_tls_explain(e, rc, "ssl.%s.location %s: %s", st->what,
		    st->location, kc_strerror(rc));
	return KC_OK;
}

static void
wipe(struct store *st)
{
	if (st->data != NULL) {
		OPENSSL_cleanse(st->data, st->len);
		free(st->data);
	}
	st->data = NULL;
}

/* Adds every certificate of a PEM text to certs. */
static int
pem_certs(const char *setting, const char *text, size_t len,
    STACK_OF(X509) * certs, struct kc_tls_err *e)
{
	struct kc_pem_block b = { 0 };
	const unsigned char *der;
	const char *p = text;
	X509 *x;
	int rc;

	while ((rc = kc_pem_next(&p, text + len, &b)) == KC_OK) {
		if (strcmp(b.label, "CERTIFICATE") != 0) {
			kc_pem_free(&b);
			continue;
		}
		der = b.der;
		x = d2i_X509(NULL, &der, (long)b.len);
		kc_pem_free(&b);
		if (x == NULL)
			return kc_tls_explain(e, KC_EINVAL,
			    "%s: certificate %d is not valid: %s", setting,
			    sk_X509_num(certs) + 1, ssl_reason());
		if (sk_X509_push(certs, x) <= 0) {
			X509_free(x);
			return kc_tls_explain(e, KC_ENOMEM, "out of memory");
		}
	}
	if (rc != KC_ENOENT)
		return kc_tls_explain(e, rc, "%s: not valid PEM", setting);
	if (sk_X509_num(certs) == 0)
		return kc_tls_explain(
		    e, KC_EINVAL, "%s: there is no CERTIFICATE in it", setting);
	return KC_OK;
}

static bool
ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), k = strlen(tail);

	return n >= k && strcmp(s + n - k, tail) == 0;
}

/* A PKCS#8 key, encrypted or not; also what OpenSSL wrote before PKCS#8. */
static int
decode_key(const struct kc_pem_block *b, const char *setting,
    const char *password, EVP_PKEY **key, struct kc_tls_err *e)
{
	const unsigned char *der = b->der;
	X509_SIG *sig = d2i_X509_SIG(NULL, &der, (long)b->len);
	PKCS8_PRIV_KEY_INFO *info = NULL;

	if (sig == NULL) {
		der = b->der;
		*key = d2i_AutoPrivateKey(NULL, &der, (long)b->len);
		return *key != NULL ?
		    KC_OK :
		    kc_tls_explain(e, KC_EINVAL,
			"%s: the private key cannot be read: %s", setting,
			ssl_reason());
	}
	if (!is_set(password)) {
		X509_SIG_free(sig);
		return kc_tls_explain(e, KC_EINVAL,
		    "%s: the private key is encrypted: set ssl.key.password",
		    setting);
	}
	info = PKCS8_decrypt(sig, password, (int)strlen(password));
	X509_SIG_free(sig);
	if (info == NULL)
		return kc_tls_explain(e, KC_EINVAL,
		    "%s: the private key cannot be decrypted: "
		    "is ssl.key.password right? (%s)",
		    setting, ssl_reason());
	*key = EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	return *key != NULL ? KC_OK :
			      kc_tls_explain(e, KC_EINVAL,
				  "%s: the private key is of no known kind: %s",
				  setting, ssl_reason());
}

/* Exactly one private key. */
static int
pem_key(const char *setting, const char *text, size_t len, const char *password,
    EVP_PKEY **key, struct kc_tls_err *e)
{
	struct kc_pem_block b = { 0 };
	const char *p = text;
	int rc, rc2;

	while ((rc = kc_pem_next(&p, text + len, &b)) == KC_OK) {
		if (!ends_with(b.label, "PRIVATE KEY")) {
			kc_pem_free(&b);
			continue;
		}
		rc2 = *key != NULL ?
		    kc_tls_explain(e, KC_EINVAL,
			"%s: there is more than one private key", setting) :
		    decode_key(&b, setting, password, key, e);
		kc_pem_free(&b);
		if (rc2 != KC_OK)
			return rc2;
	}
	if (rc != KC_ENOENT)
		return kc_tls_explain(e, rc, "%s: not valid PEM", setting);
	if (*key == NULL)
		return kc_tls_explain(
		    e, KC_EINVAL, "%s: there is no PRIVATE KEY in it", setting);
	return KC_OK;
}

static int
pem_identity(struct kc_tls_identity *id, const char *key_setting,
    struct kc_str key, const char *chain_setting, struct kc_str chain,
    const char *password, struct kc_tls_err *e)
{
	int rc;

	if ((id->chain = sk_X509_new_null()) == NULL)
		return kc_tls_explain(e, KC_ENOMEM, "out of memory");
	rc = pem_certs(chain_setting, chain.p, (size_t)chain.len, id->chain, e);
	if (rc != KC_OK)
		return rc;
	rc =
	    pem_key(key_setting, key.p, (size_t)key.len, password, &id->key, e);
	if (rc == KC_OK)
		id->cert = sk_X509_shift(id->chain);
	return rc;
}

static int
refuse_jks(const struct store *st, struct kc_tls_err *e)
{
	if (st->len < sizeof jks_magic ||
	    (memcmp(st->data, jks_magic, sizeof jks_magic) != 0 &&
		memcmp(st->data, jceks_magic, sizeof jceks_magic) != 0))
		return KC_OK;
	return kc_tls_explain(e, KC_EUNSUPPORTED,
	    "ssl.%s.location %s is a JKS file, which is not supported; convert "
	    "it with: keytool -importkeystore -srckeystore %s -destkeystore "
	    "%s.p12 -deststoretype PKCS12  and set ssl.%s.location=%s.p12 and "
	    "ssl.%s.type=PKCS12",
	    st->what, st->location, st->location, st->location, st->what,
	    st->location, st->what);
}

/* Reads a PKCS12 file; any of the three results may be NULL afterwards. */
static int
open_p12(struct store *st, struct kc_tls_identity *id, struct kc_tls_err *e)
{
	const char *password = is_set(st->password) ? st->password : NULL;
	int rc;

	if ((rc = slurp(st, e)) != KC_OK || (rc = refuse_jks(st, e)) != KC_OK)
		return rc;
	rc = kc_p12_parse(
	    st->data, st->len, password, &id->key, &id->cert, &id->chain);
	switch (rc) {
	case KC_OK:
		return KC_OK;
	case KC_EMALFORMED:
		return kc_tls_explain(e, KC_EINVAL,
		    "ssl.%s.location %s is not a PKCS12 file "
		    "(for a PEM file set ssl.%s.type=PEM)",
		    st->what, st->location, st->what);
	case KC_EAUTH:
		return kc_tls_explain(e, rc,
		    "ssl.%s.location %s: ssl.%s.password is %s", st->what,
		    st->location, st->what,
		    password == NULL ? "needed" :
				       "wrong, or the file is damaged");
	}
	return kc_tls_explain(e, rc, "ssl.%s.location %s: cannot be read: %s",
	    st->what, st->location, ssl_reason());
}

/* JKS is the default type and means "whatever Java's keytool wrote". */
static int
check_type(const struct store *st, struct kc_tls_err *e)
{
	if (!is_set(st->type) || strcasecmp(st->type, "JKS") == 0 ||
	    strcasecmp(st->type, "PKCS12") == 0 ||
	    strcasecmp(st->type, "PEM") == 0)
		return KC_OK;
	return kc_tls_explain(e, KC_EINVAL,
	    "ssl.%s.type %s is not supported: use PKCS12 or PEM", st->what,
	    st->type);
}

static bool
is_pem(const struct store *st)
{
	return is_set(st->type) && strcasecmp(st->type, "PEM") == 0;
}

/* The combinations that Kafka's DefaultSslEngineFactory refuses as well. */
static int
check_store(const struct store *st, const char *inline_setting, bool has_inline,
    struct kc_tls_err *e)
{
	int rc = check_type(st, e);

	if (rc != KC_OK)
		return rc;
	if (has_inline && !is_pem(st))
		return kc_tls_explain(e, KC_EINVAL, "%s needs ssl.%s.type=PEM",
		    inline_setting, st->what);
	if (has_inline && is_set(st->location))
		return kc_tls_explain(e, KC_EINVAL,
		    "%s and ssl.%s.location cannot both be set", inline_setting,
		    st->what);
	if (is_pem(st) && is_set(st->password))
		return kc_tls_explain(e, KC_EINVAL,
		    "ssl.%s.password cannot be set with type PEM%s", st->what,
		    strcmp(st->what, "keystore") == 0 ?
			": the password of the key is ssl.key.password" :
			"");
	return KC_OK;
}

static int
load_key_store(const struct kc_tls_params *p, struct store *st,
    struct kc_tls_identity *id, struct kc_tls_err *e)
{
	struct kc_str text;
	int rc;

	if (is_set(p->keystore_key)) {
		if (!is_set(p->keystore_chain))
			return kc_tls_explain(e, KC_EINVAL,
			    "ssl.keystore.key is set, "
			    "ssl.keystore.certificate.chain is not");
		return pem_identity(id, "ssl.keystore.key",
		    kc_str(p->keystore_key), "ssl.keystore.certificate.chain",
		    kc_str(p->keystore_chain), p->key_password, e);
	}
	if (is_set(p->keystore_chain))
		return kc_tls_explain(e, KC_EINVAL,
		    "ssl.keystore.certificate.chain is set, "
		    "ssl.keystore.key is not");
	if (!is_set(st->location))
		return KC_OK;
	if (is_pem(st)) {
		if ((rc = slurp(st, e)) != KC_OK)
			return rc;
		text = (struct kc_str){ st->data, (int32_t)st->len };
		return pem_identity(id, st->location, text, st->location, text,
		    p->key_password, e);
	}
	if (!is_set(st->password))
		return kc_tls_explain(e, KC_EINVAL,
		    "ssl.keystore.location is set, ssl.keystore.password is "
		    "not");
	if ((rc = open_p12(st, id, e)) != KC_OK)
		return rc;
	if (id->key == NULL || id->cert == NULL)
		return kc_tls_explain(e, KC_EINVAL,
		    "ssl.keystore.location %s holds no private key with its "
		    "certificate",
		    st->location);
	return KC_OK;
}

int
kc_tls_load_identity(const struct kc_tls_params *p, struct kc_tls_identity *id,
    struct kc_tls_err *e)
{
	struct store st = {
		.what = "keystore",
		.type = p->keystore_type,
		.location = p->keystore_location,
		.password = p->keystore_password,
	};
	int rc;

	memset(id, 0, sizeof *id);
	ERR_clear_error();
	rc = check_store(&st, "ssl.keystore.key", is_set(p->keystore_key), e);
	if (rc == KC_OK)
		rc = load_key_store(p, &st, id, e);
	wipe(&st);
	if (rc != KC_OK)
		kc_tls_free_identity(id);
	return rc;
}

static int
load_trust_store(const struct kc_tls_params *p, struct store *st,
    STACK_OF(X509) * certs, struct kc_tls_err *e)
{
	struct kc_tls_identity id = { 0 };
	X509 *x;
	int rc;

	if (is_set(p->truststore_certs))
		return pem_certs("ssl.truststore.certificates",
		    p->truststore_certs, strlen(p->truststore_certs), certs, e);
	if (is_pem(st)) {
		if ((rc = slurp(st, e)) != KC_OK)
			return rc;
		return pem_certs(st->location, st->data, st->len, certs, e);
	}
	if ((rc = open_p12(st, &id, e)) != KC_OK)
		goto out;
	/* Every certificate in it is trusted, whatever its alias. */
	if (id.cert != NULL && sk_X509_push(certs, id.cert) > 0)
		id.cert = NULL;
	while (sk_X509_num(id.chain) > 0) {
		x = sk_X509_shift(id.chain);
		if (sk_X509_push(certs, x) <= 0)
			X509_free(x);
	}
	if (sk_X509_num(certs) == 0)
		rc = kc_tls_explain(e, KC_EINVAL,
		    "ssl.truststore.location %s holds no certificate%s",
		    st->location,
		    is_set(st->password) ?
			"" :
			" that can be read without ssl.truststore.password");
out:
	kc_tls_free_identity(&id);
	return rc;
}

int
kc_tls_load_trust(const struct kc_tls_params *p, STACK_OF(X509) * *certs,
    struct kc_tls_err *e)
{
	struct store st = {
		.what = "truststore",
		.type = p->truststore_type,
		.location = p->truststore_location,
		.password = p->truststore_password,
	};
	int rc;

	KC_ASSERT(*certs == NULL);
	ERR_clear_error();
	rc = check_store(
	    &st, "ssl.truststore.certificates", is_set(p->truststore_certs), e);
	if (rc != KC_OK ||
	    (!is_set(p->truststore_certs) && !is_set(st.location)))
		return rc;
	if ((*certs = sk_X509_new_null()) == NULL)
		return kc_tls_explain(e, KC_ENOMEM, "out of memory");
	rc = load_trust_store(p, &st, *certs, e);
	wipe(&st);
	if (rc != KC_OK) {
		sk_X509_pop_free(*certs, X509_free);
		*certs = NULL;
	}
	return rc;
}
