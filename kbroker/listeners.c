#include "kbroker/listeners.h"

#include "kbroker/config.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/io/tls.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 255 /* longest DNS name */

static const char *const protocols[] = { "PLAINTEXT", "SSL", "SASL_PLAINTEXT",
	"SASL_SSL" };

const char *
kb_protocol_name(enum kb_protocol p)
{
	KC_ASSERT((size_t)p < KC_COUNT(protocols));
	return protocols[p];
}

bool
kb_protocol_parse(const char *name, enum kb_protocol *p)
{
	for (size_t i = 0; i < KC_COUNT(protocols); i++)
		if (strcasecmp(name, protocols[i]) == 0) {
			*p = (enum kb_protocol)i;
			return true;
		}
	return false;
}

void
kb_endpoints_free(struct kb_endpoint *v, int n)
{
	for (int i = 0; i < n; i++) {
		free(v[i].name);
		free(v[i].host);
		free(v[i].advertised_host);
	}
	free(v);
}

void
kb_listeners_close(struct kb_listeners *l)
{
	kb_endpoints_free(l->v, l->n);
	*l = (struct kb_listeners){ NULL, 0, -1, -1 };
}

const struct kb_endpoint *
kb_listeners_find(const struct kb_listeners *l, const char *name)
{
	for (int i = 0; i < l->n; i++)
		if (strcasecmp(l->v[i].name, name) == 0)
			return &l->v[i];
	return NULL;
}

static char *
upper(struct kc_str s)
{
	char *z = kc_str_dup(s);

	for (char *p = z; z != NULL && *p != '\0'; p++)
		*p = (char)toupper((unsigned char)*p);
	return z;
}

/* "host:port" or "[host]:port"; the host may be empty. */
static bool
parse_address(struct kc_str s, struct kc_str *host, int *port)
{
	int32_t colon = s.len - 1;
	int64_t n;

	while (colon >= 0 && s.p[colon] != ':')
		colon--;
	if (colon < 0 || colon == s.len - 1)
		return false;
	for (int32_t i = colon + 1; i < s.len; i++)
		if (!isdigit((unsigned char)s.p[i]))
			return false;
	if (kc_str_i64((struct kc_str){ s.p + colon + 1, s.len - colon - 1 },
		&n) != KC_OK ||
	    n > 65535)
		return false;
	*port = (int)n;
	*host = (struct kc_str){ s.p, colon };
	if (colon >= 2 && s.p[0] == '[' && s.p[colon - 1] == ']')
		*host = (struct kc_str){ s.p + 1, colon - 2 };
	if (host->len > HOST_MAX)
		return false;
	for (int32_t i = 0; i < host->len; i++)
		if (!isalnum((unsigned char)host->p[i]) &&
		    (host->p[i] == '\0' || strchr("-%._:", host->p[i]) == NULL))
			return false;
	return true;
}

/* Letters of a listener's name; what else Kafka takes nobody can look up. */
static bool
name_good(struct kc_str s)
{
	for (int32_t i = 0; i < s.len; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_' &&
		    s.p[i] != '-')
			return false;
	return s.len > 0;
}

static bool
parse_entry(
    struct kc_str s, struct kc_str *name, struct kc_str *host, int *port)
{
	for (int32_t i = 0; i + 2 < s.len; i++) {
		if (memcmp(s.p + i, "://", 3) != 0)
			continue;
		*name = (struct kc_str){ s.p, i };
		return name_good(*name) &&
		    parse_address((struct kc_str){ s.p + i + 3, s.len - i - 3 },
			host, port);
	}
	return false;
}

int
kb_listeners_parse(struct kb_endpoint **v, int *n, const char *key,
    const char *text, struct kb_report *rep)
{
	struct kc_str rest = kc_str(text), tok, name, host;
	struct kb_endpoint *ep;
	int port = 0, rc = KC_OK;
	char esc[300];

	*n = 0;
	if ((*v = calloc(KB_LISTENERS_MAX, sizeof **v)) == NULL)
		return KC_ENOMEM;
	while (rc != KC_ENOMEM && kc_str_split(&rest, ',', &tok)) {
		if ((tok = kc_str_trim(tok)).len == 0)
			continue;
		kc_str_esc(tok, esc, sizeof esc);
		if (*n == KB_LISTENERS_MAX ||
		    !parse_entry(tok, &name, &host, &port)) {
			kb_report(rep, KB_REPORT_ERROR,
			    *n == KB_LISTENERS_MAX ?
				"%s: too many entries, from %s" :
				"%s: Unable to parse %s to a broker endpoint",
			    key, esc);
			rc = KC_EINVAL;
			if (*n == KB_LISTENERS_MAX)
				break;
			continue;
		}
		ep = &(*v)[(*n)++];
		ep->name = upper(name);
		ep->host = kc_str_dup(host);
		ep->port = port;
		if (ep->name == NULL || ep->host == NULL)
			rc = KC_ENOMEM;
	}
	if (rc != KC_OK) {
		kb_endpoints_free(*v, *n);
		*v = NULL;
		*n = 0;
	}
	return rc;
}

static bool
is_v4(const char *host)
{
	struct in_addr a;

	return inet_pton(AF_INET, host, &a) == 1;
}

static bool
is_v6(const char *host)
{
	struct in6_addr a;

	return inet_pton(AF_INET6, host, &a) == 1;
}

static bool
one_of_each(const struct kb_endpoint *a, const struct kb_endpoint *b)
{
	return (is_v4(a->host) && is_v6(b->host)) ||
	    (is_v6(a->host) && is_v4(b->host));
}

static void
check_names(
    const struct kb_endpoint *v, int n, const char *key, struct kb_report *rep)
{
	for (int i = 0; i < n; i++)
		for (int k = 0; k < i; k++)
			if (strcmp(v[i].name, v[k].name) == 0)
				kb_report(rep, KB_REPORT_ERROR,
				    "Each listener must have a different name, "
				    "%s: two are named %s",
				    key, v[i].name);
}

/* Two may share a port when one is IPv4 and the other IPv6. */
static void
check_ports(const struct kb_endpoint *v, int n, struct kb_report *rep)
{
	for (int i = 0; i < n; i++) {
		int same = 0, with = -1;

		for (int k = 0; k < i; k++)
			if (v[i].port != 0 && v[i].port == v[k].port) {
				same++;
				with = k;
			}
		if (same == 0 || (same == 1 && one_of_each(&v[i], &v[with])))
			continue;
		kb_report(rep, KB_REPORT_ERROR,
		    "Each listener must have a different port unless exactly "
		    "one listener has an IPv4 address and the other IPv6 "
		    "address, listeners: port %d is used by %s and %s",
		    v[i].port, v[with].name, v[i].name);
	}
}

/* listener.security.protocol.map: the last entry of a name counts. */
static bool
map_lookup(const char *map, const char *name, enum kb_protocol *p)
{
	struct kc_str rest = kc_str(map), tok, key, value;
	bool found = false;
	char buf[32];

	while (kc_str_split(&rest, ',', &tok)) {
		value = kc_str_trim(tok);
		if (!kc_str_split(&value, ':', &key))
			continue;
		key = kc_str_trim(key);
		if ((size_t)key.len != strlen(name) ||
		    strncasecmp(key.p, name, (size_t)key.len) != 0)
			continue;
		snprintf(
		    buf, sizeof buf, "%.*s", KC_STR_ARG(kc_str_trim(value)));
		found = kb_protocol_parse(buf, p);
	}
	return found;
}

static void
check_map(const char *map, struct kb_report *rep)
{
	struct kc_str rest = kc_str(map), tok, key, value;
	enum kb_protocol p;
	char buf[32], esc[200];

	while (kc_str_split(&rest, ',', &tok)) {
		value = tok = kc_str_trim(tok);
		if (tok.len == 0)
			continue;
		if (kc_str_split(&value, ':', &key) && key.len < tok.len) {
			value = kc_str_trim(value);
			snprintf(buf, sizeof buf, "%.*s", KC_STR_ARG(value));
			if (kc_str_trim(key).len > 0 &&
			    (size_t)value.len < sizeof buf &&
			    kb_protocol_parse(buf, &p))
				continue;
		}
		kb_report(rep, KB_REPORT_ERROR,
		    "Error parsing listener.security.protocol.map: %s is not "
		    "NAME:PROTOCOL with one of PLAINTEXT, SSL, SASL_PLAINTEXT, "
		    "SASL_SSL",
		    kc_str_esc(tok, esc, sizeof esc));
	}
}

static void
set_protocols(struct kb_listeners *l, const char *map, struct kb_report *rep)
{
	check_map(map, rep);
	for (int i = 0; i < l->n; i++) {
		if (!map_lookup(map, l->v[i].name, &l->v[i].protocol))
			kb_report(rep, KB_REPORT_ERROR,
			    "No security protocol defined for listener %s",
			    l->v[i].name);
		else if (l->v[i].protocol >= KB_PROTOCOL_SASL_PLAINTEXT)
			kb_report(rep, KB_REPORT_ERROR,
			    "listener %s is refused: SASL is not supported "
			    "yet, so nobody could connect to a %s listener",
			    l->v[i].name, kb_protocol_name(l->v[i].protocol));
	}
}

static int
advertise(
    struct kb_endpoint *ep, const char *host, int port, struct kb_report *rep)
{
	ep->advertised = true;
	ep->advertised_port = port;
	if ((ep->advertised_host = strdup(host)) == NULL)
		return KC_ENOMEM;
	if (strcmp(host, "0.0.0.0") == 0)
		kb_report(rep, KB_REPORT_ERROR,
		    "advertised.listeners cannot use the nonroutable "
		    "meta-address 0.0.0.0. Use a routable IP address.");
	return KC_OK;
}

static int
set_advertised(struct kb_listeners *l, const char *text, struct kb_report *rep)
{
	struct kb_endpoint *v = NULL, *ep;
	int n = 0, rc = KC_OK;

	if (text == NULL) {
		for (int i = 0; rc == KC_OK && i < l->n; i++)
			rc = advertise(
			    &l->v[i], l->v[i].host, l->v[i].port, rep);
		return rc;
	}
	rc = kb_listeners_parse(&v, &n, "advertised.listeners", text, rep);
	check_names(v, n, "advertised.listeners", rep);
	for (int i = 0; rc == KC_OK && i < n; i++) {
		ep = (struct kb_endpoint *)kb_listeners_find(l, v[i].name);
		if (ep == NULL)
			kb_report(rep, KB_REPORT_ERROR,
			    "advertised.listeners listener names must be equal "
			    "to or a subset of the ones defined in listeners. "
			    "Found %s.",
			    v[i].name);
		else if (!ep->advertised)
			rc = advertise(ep, v[i].host, v[i].port, rep);
	}
	kb_endpoints_free(v, n);
	return rc;
}

/* Index of an advertised listener, or -1 after a report. */
static int
choose(const struct kb_listeners *l, const char *key, const char *name,
    struct kb_report *rep)
{
	for (int i = 0; i < l->n; i++)
		if (strcasecmp(l->v[i].name, name) == 0 && l->v[i].advertised)
			return i;
	kb_report(rep, KB_REPORT_ERROR,
	    "%s must be a listener name defined in advertised.listeners. There "
	    "is no %s.",
	    key, name);
	return -1;
}

static void
set_special(
    struct kb_listeners *l, const struct kb_config *cfg, struct kb_report *rep)
{
	const char *name = cfg->inter_broker_listener_name;
	const char *control = cfg->control_plane_listener_name;

	if (name != NULL &&
	    kb_config_text(cfg, "security.inter.broker.protocol",
		KC_CONF_SRC_STATIC) != NULL)
		kb_report(rep, KB_REPORT_ERROR,
		    "Only one of inter.broker.listener.name and "
		    "security.inter.broker.protocol should be set.");
	l->inter_broker = choose(l, "inter.broker.listener.name",
	    name != NULL ? name : cfg->security_inter_broker_protocol, rep);
	if (control == NULL)
		return;
	l->control_plane =
	    choose(l, "control.plane.listener.name", control, rep);
	if (l->control_plane >= 0 && l->control_plane == l->inter_broker)
		kb_report(rep, KB_REPORT_ERROR,
		    "control.plane.listener.name, when defined, should have a "
		    "different value from the inter broker listener name. "
		    "Currently they both have the value %s",
		    control);
}

int
kb_listeners_open(
    struct kb_listeners *l, const struct kb_config *cfg, struct kb_report *rep)
{
	int rc;

	*l = (struct kb_listeners){ NULL, 0, -1, -1 };
	rc = kb_listeners_parse(&l->v, &l->n, "listeners",
	    cfg->listeners != NULL ? cfg->listeners : "", rep);
	if (rc != KC_OK)
		return rc;
	if (l->n == 0)
		kb_report(rep, KB_REPORT_ERROR,
		    "listeners must name at least one listener");
	check_names(l->v, l->n, "listeners", rep);
	check_ports(l->v, l->n, rep);
	set_protocols(l, cfg->listener_security_protocol_map, rep);
	if ((rc = set_advertised(l, cfg->advertised_listeners, rep)) != KC_OK)
		return rc;
	if (l->n > 0)
		set_special(l, cfg, rep);
	return KC_OK;
}

static enum kc_tls_client_auth
client_auth(const char *s)
{
	if (s != NULL && strcmp(s, "required") == 0)
		return KC_TLS_AUTH_REQUIRED;
	if (s != NULL && strcmp(s, "requested") == 0)
		return KC_TLS_AUTH_REQUESTED;
	return KC_TLS_AUTH_NONE;
}

void
kb_listener_tls_params(const struct kb_config *cfg,
    const struct kb_endpoint *ep, bool server, struct kc_tls_params *out)
{
	const char *ident, *auth;

#define GET(key) kb_config_listener_str(cfg, ep->name, "ssl." key)
	*out = (struct kc_tls_params){
		.server = server,
		.protocol = GET("protocol"),
		.enabled_protocols = GET("enabled.protocols"),
		.cipher_suites = GET("cipher.suites"),
		.keystore_type = GET("keystore.type"),
		.keystore_location = GET("keystore.location"),
		.keystore_password = GET("keystore.password"),
		.key_password = GET("key.password"),
		.keystore_key = GET("keystore.key"),
		.keystore_chain = GET("keystore.certificate.chain"),
		.truststore_type = GET("truststore.type"),
		.truststore_location = GET("truststore.location"),
		.truststore_password = GET("truststore.password"),
		.truststore_certs = GET("truststore.certificates"),
	};
	ident = GET("endpoint.identification.algorithm");
	out->verify_host = !server && ident != NULL && *ident != '\0';
	/* Clients of a SASL listener need no certificate unless it says so. */
	auth = ep->protocol == KB_PROTOCOL_SASL_SSL ?
	    kb_config_listener_own(cfg, ep->name, "ssl.client.auth") :
	    GET("client.auth");
#undef GET
	if (server)
		out->client_auth = client_auth(auth);
}
