/*
 * listeners -- listeners, advertised.listeners and what goes with them,
 * parsed and held to Kafka's rules.
 *
 * From Kafka: KafkaConfig, CoreUtils.listenerListToEndPoints, EndPoint.
 */
#ifndef KB_LISTENERS_H
#define KB_LISTENERS_H

#include "kcommon/base/kc.h"

#define KB_LISTENERS_MAX 64 /* more: refused */

struct kb_config;
struct kc_tls_params;
struct kb_report;

/* Numbers of Kafka's SecurityProtocol; UpdateMetadata and znodes use them. */
enum kb_protocol {
	KB_PROTOCOL_PLAINTEXT = 0,
	KB_PROTOCOL_SSL = 1,
	KB_PROTOCOL_SASL_PLAINTEXT = 2,
	KB_PROTOCOL_SASL_SSL = 3,
};

const char *kb_protocol_name(enum kb_protocol p);
/* Case does not matter.  False when there is none such. */
bool kb_protocol_parse(const char *name, enum kb_protocol *p);

struct kb_endpoint {
	char *name; /* upper case */
	enum kb_protocol protocol;
	char *host; /* to bind; "" is every interface; no brackets */
	int port; /* to bind; 0 is any */
	bool advertised; /* the next two are set */
	/* "" is this machine's name, found when the broker registers. */
	char *advertised_host;
	int advertised_port; /* 0 is the port bound */
};

struct kb_listeners {
	struct kb_endpoint *v;
	int n;
	int inter_broker; /* index in v; it is advertised */
	int control_plane; /* index in v, or -1 */
};

/*
 * One "NAME://host:port" list, as in the key `key`; v[].host and .port are
 * filled.  Wrong entries are told to rep; KC_EINVAL then.
 */
int kb_listeners_parse(struct kb_endpoint **v, int *n, const char *key,
    const char *text, struct kb_report *rep);
/* From the settings of cfg.  KC_OK, KC_ENOMEM, or KC_EINVAL and rep. */
int kb_listeners_open(
    struct kb_listeners *l, const struct kb_config *cfg, struct kb_report *rep);
void kb_listeners_close(struct kb_listeners *l);
void kb_endpoints_free(struct kb_endpoint *v, int n);
/* NULL when there is none of that name (case does not matter). */
const struct kb_endpoint *kb_listeners_find(
    const struct kb_listeners *l, const char *name);

/*
 * The ssl.* settings of a listener, its own (listener.name.<l>.) before the
 * general ones.  server false gives the client side of connections that this
 * broker makes to that listener of others.  Borrows from cfg.
 */
void kb_listener_tls_params(const struct kb_config *cfg,
    const struct kb_endpoint *ep, bool server, struct kc_tls_params *out);

#endif
