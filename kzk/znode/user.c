/*
 * user -- what the config of a user (client, ip) says beside plain settings.
 * Kafka: ScramCredentialUtils, QuotaConfigs.
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ITERATIONS_MAX 10000000

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Padded base64, as java.util.Base64.getDecoder(); -1 when it is not. */
static int32_t
base64_in(struct kc_str s, uint8_t *out, int32_t cap)
{
	uint32_t bits = 0;
	int32_t len = 0, pad = 0;

	if (s.len % 4 != 0)
		return -1;
	while (pad < 2 && s.len > pad && s.p[s.len - 1 - pad] == '=')
		pad++;
	for (int32_t i = 0; i < s.len; i++) {
		const char *at = NULL;

		if (i < s.len - pad &&
		    (s.p[i] == '\0' || (at = strchr(alphabet, s.p[i])) == NULL))
			return -1;
		bits = bits << 6 | (at == NULL ? 0 : (uint32_t)(at - alphabet));
		if (i % 4 != 3)
			continue;
		for (int32_t k = 0; k < (i == s.len - 1 ? 3 - pad : 3); k++) {
			if (len == cap)
				return -1;
			out[len++] = (uint8_t)(bits >> (16 - 8 * k));
		}
		bits = 0;
	}
	return len;
}

static void
base64_out(const uint8_t *p, int32_t len, char *out)
{
	for (int32_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)p[i] << 16;

		if (i + 1 < len)
			bits |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < len)
			bits |= p[i + 2];
		*out++ = alphabet[bits >> 18];
		*out++ = alphabet[bits >> 12 & 63];
		*out++ = i + 1 < len ? alphabet[bits >> 6 & 63] : '=';
		*out++ = i + 2 < len ? alphabet[bits & 63] : '=';
	}
	*out = '\0';
}

static int
scram_field(struct kc_str key, struct kc_str value, struct kzk_scram *out)
{
	uint8_t *to;
	int32_t *len;
	int64_t n;

	if (kc_str_eqz(key, "iterations")) {
		if (kc_str_i64(value, &n) != KC_OK || n < 1 ||
		    n > ITERATIONS_MAX)
			return KC_EMALFORMED;
		out->iterations = (int32_t)n;
		return KC_OK;
	}
	if (kc_str_eqz(key, "salt")) {
		to = out->salt;
		len = &out->salt_len;
	} else if (kc_str_eqz(key, "stored_key")) {
		to = out->stored_key;
		len = &out->stored_key_len;
	} else if (kc_str_eqz(key, "server_key")) {
		to = out->server_key;
		len = &out->server_key_len;
	} else
		return KC_EMALFORMED;
	*len = base64_in(value, to, KZK_SCRAM_BYTES_MAX);
	return *len < 0 ? KC_EMALFORMED : KC_OK;
}

int
kzk_scram_decode(struct kc_str value, struct kzk_scram *out)
{
	struct kc_str rest = value, item, key;
	int rc = value.len <= 0 ? KC_EMALFORMED : KC_OK;

	memset(out, 0, sizeof *out);
	while (rc == KC_OK && kc_str_split(&rest, ',', &item)) {
		const char *eq =
		    item.len > 0 ? memchr(item.p, '=', (size_t)item.len) : NULL;

		if (eq == NULL) {
			rc = KC_EMALFORMED;
			break;
		}
		key = (struct kc_str){ item.p, (int32_t)(eq - item.p) };
		item.len -= key.len + 1;
		item.p = eq + 1;
		rc = scram_field(key, item, out);
	}
	if (rc == KC_OK &&
	    (out->iterations == 0 || out->salt_len == 0 ||
		out->stored_key_len == 0 || out->server_key_len == 0))
		rc = KC_EMALFORMED;
	if (rc != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

#define BASE64_MAX ((KZK_SCRAM_BYTES_MAX + 2) / 3 * 4 + 1)

int
kzk_scram_encode(const struct kzk_scram *in, struct kzk_text *out)
{
	char salt[BASE64_MAX], stored[BASE64_MAX], server[BASE64_MAX];

	base64_out(in->salt, in->salt_len, salt);
	base64_out(in->stored_key, in->stored_key_len, stored);
	base64_out(in->server_key, in->server_key_len, server);
	return kzk_text_printf(out,
	    "salt=%s,stored_key=%s,server_key=%s,iterations=%d", salt, stored,
	    server, (int)in->iterations);
}

static int
rate(const struct kzk_config *c, const char *name, double *out)
{
	struct kc_str s = kzk_config_get(c, name);
	char *end;

	*out = -1;
	if (s.p == NULL)
		return KC_OK;
	*out = strtod(s.p, &end);
	if (end == s.p || *end != '\0' || !isfinite(*out) || *out < 0) {
		*out = -1;
		return KC_EMALFORMED;
	}
	return KC_OK;
}

int
kzk_quota_from_config(const struct kzk_config *c, struct kzk_quota *out)
{
	const struct {
		const char *name;
		double *to;
	} rates[] = {
		{ "producer_byte_rate", &out->producer_byte_rate },
		{ "consumer_byte_rate", &out->consumer_byte_rate },
		{ "request_percentage", &out->request_percentage },
		{ "controller_mutation_rate", &out->controller_mutation_rate },
		{ "connection_creation_rate", &out->connection_creation_rate },
	};
	int rc = KC_OK;

	for (size_t i = 0; i < KC_COUNT(rates); i++)
		if (rate(c, rates[i].name, rates[i].to) != KC_OK)
			rc = KC_EMALFORMED;
	return rc;
}
