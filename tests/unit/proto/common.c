#include "common.h"

#include <stdlib.h>

void
each_message(void (*fn)(const struct kp_msg *m, int16_t version))
{
	int16_t key, v;

	for (key = 0; key < KP_KEYS; key++) {
		const struct kp_api *api = kp_api_get(key);

		for (v = 0; api != NULL && v <= api->max; v++) {
			fn(&api->req, v);
			fn(&api->resp, v);
		}
	}
}

const char *
label(const struct kp_msg *m, int16_t version, char *buf)
{
	snprintf(buf, LABEL_MAX, "%s v%d %s", m->api->name, version,
	    m->is_response ? "response" : "request");
	return buf;
}

const char *
reference(const char *name, char buf[PATH_MAX])
{
	const char *shared = getenv("KB_SHARED");

	snprintf(buf, PATH_MAX, "%s/reference/%s",
	    shared != NULL ? shared : KT_SRCDIR "/../shared", name);
	return buf;
}

uint8_t *
exact(const void *p, size_t n)
{
	uint8_t *copy = malloc(n);

	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}
