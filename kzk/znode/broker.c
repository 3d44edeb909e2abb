/*
 * broker -- /brokers/ids/N.  Kafka: kafka.zk.BrokerIdZNode.
 *
 * Version 1 has host and port alone, 2 added endpoints, 3 the rack, 4 the map
 * of listeners to protocols (before: the listener is named after its
 * protocol), 5 features.
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <stdio.h>
#include <string.h>

/* "NAME://host:port" or "NAME://[v6]:port"; host may be empty. */
static void
parse_endpoint(struct kzk_in *in, const json_t *map, struct kc_str text,
    struct kzk_endpoint *out)
{
	const char *sep, *colon;
	struct kc_str proto;

	if (in->err != KC_OK)
		return;
	sep = strstr(text.p, "://");
	colon = sep == NULL ? NULL : strrchr(sep + 3, ':');
	if (colon == NULL || sep == text.p) {
		kzk_in_fail(in, KC_EMALFORMED);
		return;
	}
	out->listener = kc_arena_str(
	    in->mem, (struct kc_str){ text.p, (int32_t)(sep - text.p) });
	out->port = (int32_t)kzk_in_number(in, kc_str(colon + 1), 0, 65535);
	sep += 3;
	if (*sep == '[' && colon - sep >= 2 && colon[-1] == ']') {
		sep++;
		colon--;
	}
	out->host = kc_arena_str(
	    in->mem, (struct kc_str){ sep, (int32_t)(colon - sep) });
	if (out->listener.p == NULL || out->host.p == NULL) {
		kzk_in_fail(in, KC_ENOMEM);
		return;
	}
	proto = out->listener;
	if (map != NULL)
		proto = kzk_in_str(in, map, out->listener.p);
	out->protocol = proto;
}

static void
read_endpoints(struct kzk_in *in, struct kzk_broker *b)
{
	const json_t *map = kzk_in_obj(
	    in, in->root, "listener_security_protocol_map", b->version < 4);
	const json_t *arr = kzk_in_arr(in, in->root, "endpoints", false);
	int32_t n = kzk_in_count(in, arr, KZK_ENDPOINTS_MAX);

	b->endpoints.v = kzk_in_array(in, n, sizeof *b->endpoints.v);
	if (b->endpoints.v == NULL)
		return;
	b->endpoints.n = n;
	for (int32_t i = 0; i < n; i++)
		parse_endpoint(in, map,
		    kzk_in_value_str(in, json_array_get(arr, (size_t)i)),
		    &b->endpoints.v[i]);
}

static void
read_v1(struct kzk_in *in, struct kzk_broker *b)
{
	struct kzk_endpoint *e = kzk_in_array(in, 1, sizeof *e);

	if (e == NULL)
		return;
	e->host = kzk_in_str(in, in->root, "host");
	e->port = (int32_t)kzk_in_int(in, in->root, "port", 0, 65535);
	e->listener = e->protocol = KC_STR_LIT("PLAINTEXT");
	b->endpoints.v = e;
	b->endpoints.n = 1;
}

static void
read_features(struct kzk_in *in, struct kzk_broker *b)
{
	json_t *map = kzk_in_obj(in, in->root, "features", true);
	int32_t n = kzk_in_count(in, map, KZK_FEATURES_MAX);
	struct kzk_feature *f = kzk_in_array(in, n, sizeof *f);
	const char *key;
	json_t *v;

	if (f == NULL)
		return;
	b->features.v = f;
	b->features.n = n;
	json_object_foreach(map, key, v)
	{
		if (!json_is_object(v))
			kzk_in_fail(in, KC_EMALFORMED);
		f->name = kc_arena_str(in->mem, kc_str(key));
		if (f->name.p == NULL)
			kzk_in_fail(in, KC_ENOMEM);
		f->min =
		    (int16_t)kzk_in_int(in, v, "min_version", 0, INT16_MAX);
		f->max =
		    (int16_t)kzk_in_int(in, v, "max_version", 0, INT16_MAX);
		f++;
	}
}

int
kzk_broker_decode(struct kc_str data, struct kzk_broker *out)
{
	struct kzk_in in;
	int rc;

	memset(out, 0, sizeof *out);
	out->rack = KC_STR_NULL;
	kzk_in_begin(&in, data, &out->mem);
	out->version =
	    (int32_t)kzk_in_int(&in, in.root, "version", 1, INT32_MAX);
	if (out->version == 1)
		read_v1(&in, out);
	else
		read_endpoints(&in, out);
	if (out->version >= 3)
		out->rack = kzk_in_str_or_null(&in, in.root, "rack");
	if (out->version >= 5)
		read_features(&in, out);
	out->jmx_port = (int32_t)kzk_in_int_or(
	    &in, in.root, "jmx_port", INT32_MIN, INT32_MAX, -1);
	/* Not read by Kafka at all: what is no number is no error. */
	if (in.err == KC_OK &&
	    json_is_string(json_object_get(in.root, "timestamp"))) {
		int64_t ms;

		if (kc_str_i64(kc_str(json_string_value(
				   json_object_get(in.root, "timestamp"))),
			&ms) == KC_OK)
			out->timestamp_ms = ms;
	}
	if ((rc = kzk_in_end(&in)) != KC_OK) {
		memset(out, 0, sizeof *out);
		out->rack = KC_STR_NULL;
	}
	return rc;
}

static void
write_endpoints(struct kzk_out *o, const struct kzk_broker *b)
{
	json_t *map, *arr;
	char text[512];
	int n;

	map = kzk_out_obj(o, o->root, "listener_security_protocol_map");
	for (int32_t i = 0; i < b->endpoints.n; i++)
		kzk_out_str_key(o, map, b->endpoints.v[i].listener,
		    b->endpoints.v[i].protocol);
	arr = kzk_out_arr(o, o->root, "endpoints");
	for (int32_t i = 0; i < b->endpoints.n; i++) {
		const struct kzk_endpoint *e = &b->endpoints.v[i];
		bool v6 = e->host.len > 0 &&
		    memchr(e->host.p, ':', (size_t)e->host.len) != NULL;

		n = snprintf(text, sizeof text, "%.*s://%s%.*s%s:%d",
		    KC_STR_ARG(e->listener), v6 ? "[" : "", KC_STR_ARG(e->host),
		    v6 ? "]" : "", (int)e->port);
		if (n < 0 || (size_t)n >= sizeof text)
			o->err = o->err == KC_OK ? KC_EINVAL : o->err;
		kzk_out_arr_str(o, arr, kc_str(text));
	}
}

int
kzk_broker_encode(const struct kzk_broker *in, struct kzk_text *out)
{
	const struct kzk_endpoint *plain = NULL;
	struct kzk_out o;
	json_t *features, *f;

	/* host and port are for clients of version 1: plaintext or nothing. */
	for (int32_t i = 0; i < in->endpoints.n && plain == NULL; i++)
		if (kc_str_eqz(in->endpoints.v[i].protocol, "PLAINTEXT"))
			plain = &in->endpoints.v[i];
	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 5);
	kzk_out_str(
	    &o, o.root, "host", plain != NULL ? plain->host : KC_STR_NULL);
	kzk_out_int(&o, o.root, "port", plain != NULL ? plain->port : -1);
	write_endpoints(&o, in);
	if (in->rack.p != NULL)
		kzk_out_str(&o, o.root, "rack", in->rack);
	kzk_out_int(&o, o.root, "jmx_port", in->jmx_port);
	features = kzk_out_obj(&o, o.root, "features");
	for (int32_t i = 0; i < in->features.n; i++) {
		f = kzk_out_obj_key(&o, features, in->features.v[i].name);
		kzk_out_int(&o, f, "min_version", in->features.v[i].min);
		kzk_out_int(&o, f, "max_version", in->features.v[i].max);
	}
	kzk_out_text_int(&o, o.root, "timestamp", in->timestamp_ms);
	return kzk_out_end(&o, out);
}

void
kzk_broker_fini(struct kzk_broker *b)
{
	kc_arena_fini(&b->mem);
	memset(b, 0, sizeof *b);
	b->rack = KC_STR_NULL;
}

const struct kzk_endpoint *
kzk_broker_endpoint(const struct kzk_broker *b, struct kc_str listener)
{
	for (int32_t i = 0; i < b->endpoints.n; i++)
		if (kc_str_eq(b->endpoints.v[i].listener, listener))
			return &b->endpoints.v[i];
	return NULL;
}
