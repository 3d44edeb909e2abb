#include "tests/unit/api/frames.h"

#include "kcommon/base/err.h"
#include "kcommon/proto/header.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static struct frame
unhex(const char *hex)
{
	struct frame f = { malloc(strlen(hex) / 2), 0 };
	unsigned byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		f.p[f.n++] = (uint8_t)byte;
	return f;
}

static FILE *
open_frames(void)
{
	const char *dir = getenv("KB_SHARED"), *src = getenv("srcdir");
	char path[1024];

	if (dir != NULL)
		snprintf(path, sizeof path,
		    "%s/reference/captured/frames.jsonl", dir);
	else
		snprintf(path, sizeof path,
		    "%s/../shared/reference/captured/frames.jsonl",
		    src != NULL ? src : ".");
	return fopen(path, "r");
}

static bool
listed(const char *apis, const char *api)
{
	struct kc_str rest = kc_str(apis), tok;

	while (kc_str_split(&rest, ',', &tok))
		if (kc_str_eqz(tok, api))
			return true;
	return false;
}

int
load_frames(const char *apis, struct captured *v, int max)
{
	FILE *f = open_frames();
	char *line = NULL;
	size_t cap = 0;
	int n = 0;

	if (f == NULL)
		return -1;
	while (getline(&line, &cap, f) > 0 && n < max) {
		json_t *j = json_loads(line, 0, NULL);
		const char *api = json_string_value(json_object_get(j, "api"));

		if (api != NULL && listed(apis, api)) {
			struct captured *c = &v[n++];

			snprintf(c->label, sizeof c->label, "%s v%d %s", api,
			    (int)json_integer_value(
				json_object_get(j, "version")),
			    json_string_value(json_object_get(j, "case")));
			c->request = unhex(
			    json_string_value(json_object_get(j, "request")));
			c->response = unhex(
			    json_string_value(json_object_get(j, "response")));
		}
		json_decref(j);
	}
	free(line);
	fclose(f);
	return n;
}

void
free_frames(struct captured *v, int n)
{
	for (int i = 0; i < n; i++) {
		free(v[i].request.p);
		free(v[i].response.p);
	}
}

void
decode_answer(const struct frame *f, const struct kp_api *api, int16_t version,
    struct kc_arena *a, void *out)
{
	struct kc_rd r;
	int32_t corr;

	kc_rd_init(&r, f->p, f->n);
	cr_assert_eq(kp_resp_header_read(&r, api, version, &corr), KC_OK);
	cr_assert_eq(kp_decode(&api->resp, version, &r, a, out), KC_OK);
	cr_assert_eq(kc_rd_finish(&r), KC_OK);
}
