/*
 * The subject of a certificate as Java prints it
 * (javax.security.auth.x500.X500Principal.getName(), RFC 2253): last part
 * first, nine short attribute names, everything else by number with its DER
 * in hex.  Principal mapping rules and ACLs are written against this text.
 */
#include "kcommon/base/kc.h"
#include "kcommon/io/sock_priv.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <string.h>

static const struct {
	int nid;
	const char *keyword;
} keywords[] = {
	{ NID_commonName, "CN" },
	{ NID_countryName, "C" },
	{ NID_localityName, "L" },
	{ NID_stateOrProvinceName, "ST" },
	{ NID_organizationName, "O" },
	{ NID_organizationalUnitName, "OU" },
	{ NID_streetAddress, "STREET" },
	{ NID_domainComponent, "DC" },
	{ NID_userId, "UID" },
};

static const char *
keyword_of(const ASN1_OBJECT *obj)
{
	int nid = OBJ_obj2nid(obj);
	size_t i;

	for (i = 0; i < KC_COUNT(keywords); i++)
		if (keywords[i].nid == nid)
			return keywords[i].keyword;
	return NULL;
}

static bool
is_text(const ASN1_STRING *v)
{
	switch (ASN1_STRING_type(v)) {
	case V_ASN1_PRINTABLESTRING:
	case V_ASN1_UTF8STRING:
	case V_ASN1_T61STRING:
	case V_ASN1_IA5STRING:
	case V_ASN1_GENERALSTRING:
	case V_ASN1_BMPSTRING:
	case V_ASN1_UNIVERSALSTRING:
		return true;
	}
	return false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\r';
}

static bool
put_text(BIO *out, const ASN1_STRING *v)
{
	unsigned char *utf8 = NULL;
	int n = ASN1_STRING_to_UTF8(&utf8, v);
	int lead = 0, trail, i;
	bool ok = true;
	char c;

	if (n < 0)
		return false; /* not valid in its own encoding */
	trail = n;
	while (lead < n && is_blank((char)utf8[lead]))
		lead++;
	while (trail > lead && is_blank((char)utf8[trail - 1]))
		trail--;
	for (i = 0; i < n && ok; i++) {
		c = (char)utf8[i];
		if (c == '\0')
			ok = BIO_puts(out, "\\00") > 0;
		else if (i < lead || i >= trail || strchr(",=+<>#;\"\\", c))
			ok = BIO_printf(out, "\\%c", c) > 0;
		else
			ok = BIO_write(out, &c, 1) == 1;
	}
	OPENSSL_free(utf8);
	return ok;
}

static bool
put_hex(BIO *out, const ASN1_STRING *v)
{
	ASN1_TYPE *t = ASN1_TYPE_new();
	unsigned char *der = NULL;
	bool ok;
	int n = -1, i;

	if (t != NULL && ASN1_TYPE_set1(t, ASN1_STRING_type(v), v) == 1)
		n = i2d_ASN1_TYPE(t, &der);
	ok = n >= 0 && BIO_puts(out, "#") > 0;
	for (i = 0; ok && i < n; i++)
		ok = BIO_printf(out, "%02x", der[i]) > 0;
	OPENSSL_free(der);
	ASN1_TYPE_free(t);
	return ok;
}

static bool
put_entry(BIO *out, const X509_NAME_ENTRY *e)
{
	const ASN1_OBJECT *obj = X509_NAME_ENTRY_get_object(e);
	const ASN1_STRING *v = X509_NAME_ENTRY_get_data(e);
	const char *keyword = keyword_of(obj);
	char oid[128];

	if (keyword == NULL) {
		if (OBJ_obj2txt(oid, sizeof oid, obj, 1) <= 0)
			return false;
		return BIO_printf(out, "%s=", oid) > 0 && put_hex(out, v);
	}
	if (BIO_printf(out, "%s=", keyword) <= 0)
		return false;
	return is_text(v) ? put_text(out, v) : put_hex(out, v);
}

/* Entries of one set (joined by +) keep their order; sets are reversed. */
static bool
put_name(BIO *out, const X509_NAME *name)
{
	const X509_NAME_ENTRY *e;
	int end = X509_NAME_entry_count(name);
	int first, i, set;

	for (; end > 0; end = first) {
		set = X509_NAME_ENTRY_set(X509_NAME_get_entry(name, end - 1));
		first = end - 1;
		while (first > 0 &&
		    X509_NAME_ENTRY_set(X509_NAME_get_entry(name, first - 1)) ==
			set)
			first--;
		for (i = first; i < end; i++) {
			e = X509_NAME_get_entry(name, i);
			if (i > first && BIO_puts(out, "+") <= 0)
				return false;
			if (!put_entry(out, e))
				return false;
		}
		if (first > 0 && BIO_puts(out, ",") <= 0)
			return false;
	}
	return true;
}

char *
kc_tls_dn(const X509 *cert)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL;
	char *p;
	long n;

	if (out == NULL)
		return NULL;
	if (put_name(out, X509_get_subject_name(cert))) {
		n = BIO_get_mem_data(out, &p);
		text = strndup(n > 0 ? p : "", (size_t)n);
	}
	BIO_free(out);
	return text;
}
