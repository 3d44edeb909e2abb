#include "kcommon/io/tls_pem.h"

#include "kcommon/base/err.h"

#include <ctype.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
find(const char *p, const char *end, const char *what)
{
	return p == NULL ? NULL :
			   memmem(p, (size_t)(end - p), what, strlen(what));
}

/* Skips "Name: value" lines before the base64 text. */
static const char *
skip_headers(const char *p, const char *end)
{
	const char *nl, *colon;

	for (;;) {
		while (p < end && isspace((unsigned char)*p))
			p++;
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			return p;
		if ((colon = memchr(p, ':', (size_t)(nl - p))) == NULL)
			return p;
		p = nl + 1;
	}
}

static int
decode(const char *p, const char *end, struct kc_pem_block *b)
{
	char *text;
	size_t n = 0;
	int len;

	if (end - p > INT_MAX / 2)
		return KC_ELIMIT;
	if ((text = malloc((size_t)(end - p) + 1)) == NULL)
		return KC_ENOMEM;
	for (; p < end; p++)
		if (!isspace((unsigned char)*p))
			text[n++] = *p;
	b->der = malloc(n / 4 * 3 + 1);
	len = b->der == NULL || n == 0 || n % 4 != 0 ?
	    -1 :
	    EVP_DecodeBlock(b->der, (const unsigned char *)text, (int)n);
	if (len >= 0) {
		/* It counts padding as zero bytes. */
		len -= text[n - 1] == '=';
		len -= text[n - 2] == '=';
		b->len = (size_t)len;
	}
	OPENSSL_cleanse(text, n);
	free(text);
	if (len < 0)
		kc_pem_free(b);
	return len < 0 ? KC_EMALFORMED : KC_OK;
}

int
kc_pem_next(const char **p, const char *end, struct kc_pem_block *b)
{
	static const char begin[] = "-----BEGIN ", dashes[] = "-----";
	char closing[sizeof b->label + 32];
	const char *label, *label_end, *body, *body_end;
	size_t n;

	memset(b, 0, sizeof *b);
	if ((label = find(*p, end, begin)) == NULL) {
		*p = end;
		return KC_ENOENT;
	}
	label += sizeof begin - 1;
	if ((label_end = find(label, end, dashes)) == NULL)
		return KC_EMALFORMED;
	n = (size_t)(label_end - label);
	if (n == 0 || n >= sizeof b->label)
		return KC_EMALFORMED;
	memcpy(b->label, label, n);
	snprintf(closing, sizeof closing, "-----END %s-----", b->label);
	body = label_end + sizeof dashes - 1;
	if ((body_end = find(body, end, closing)) == NULL)
		return KC_EMALFORMED;
	*p = body_end + strlen(closing);
	return decode(skip_headers(body, body_end), body_end, b);
}

void
kc_pem_free(struct kc_pem_block *b)
{
	if (b->der != NULL) {
		OPENSSL_cleanse(b->der, b->len);
		free(b->der);
	}
	b->der = NULL;
	b->len = 0;
}
