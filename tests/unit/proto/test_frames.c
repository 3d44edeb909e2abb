/*
 * Goal: what a real 3.9 broker and its clients sent is understood whole, and
 * written again with the same bytes.
 * Method: the captured frames of the reference, a JSON object a line: api,
 * version, case, request and response in hexadecimal.
 */
#include "common.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/header.h"
#include "kcommon/proto/kp_codec.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>

/* NULL if it is not hexadecimal: then it says what happened instead. */
static uint8_t *
unhex(const char *hex, size_t *len)
{
	size_t i;
	uint8_t *p;

	if (hex == NULL || hex[strspn(hex, "0123456789abcdef")] != '\0')
		return NULL;
	*len = strlen(hex) / 2;
	p = malloc(*len);
	for (i = 0; i < *len; i++) {
		unsigned b;

		sscanf(hex + 2 * i, "%2x", &b);
		p[i] = (uint8_t)b;
	}
	return p;
}

/* Decode the body at r and encode it behind what w holds, both ways. */
static int
again(const struct kp_msg *m, int16_t version, struct kc_rd *r, struct kc_wr *w)
{
	struct kc_arena a;
	struct kc_rd table = *r;
	size_t head = w->len;
	void *msg;
	int rc;

	kc_arena_init(&a, ARENA_CAP);
	msg = kc_arena_alloc(&a, kp_msg_size(m));
	rc = kp_decode_table(m, version, &table, &a, msg);
	cr_assert_eq(kp_decode(m, version, r, &a, msg), rc);
	if (rc == KC_OK) {
		cr_assert_eq(kp_encode_table(m, version, w, msg), KC_OK);
		w->len = head;
		cr_assert_eq(kp_encode(m, version, w, msg), KC_OK);
	}
	kc_arena_fini(&a);
	return rc;
}

static void
check_request(const char *what, const struct kp_api *api, int16_t version,
    const uint8_t *p, size_t len)
{
	struct kp_req_header h;
	struct kc_rd r;
	struct kc_wr w;

	kc_rd_init(&r, p, len);
	kc_wr_init(&w, 0);
	cr_assert_eq(kp_req_header_read(&r, &h), KC_OK, "%s", what);
	cr_assert_eq(h.api, api);
	cr_assert_eq(h.version, version);
	kp_req_header_write(&w, &h);
	cr_assert_eq(again(&api->req, version, &r, &w), KC_OK, "%s", what);
	cr_expect_eq(kc_rd_finish(&r), KC_OK, "%s", what);
	cr_expect(w.len == len && memcmp(w.p, p, len) == 0, "%s", what);
	kc_wr_fini(&w);
}

static void
check_response(const char *what, const struct kp_api *api, int16_t version,
    const uint8_t *p, size_t len)
{
	struct kc_rd r;
	struct kc_wr w;
	int32_t id;

	kc_rd_init(&r, p, len);
	kc_wr_init(&w, 0);
	cr_assert_eq(
	    kp_resp_header_read(&r, api, version, &id), KC_OK, "%s", what);
	kp_resp_header_write(&w, api, version, id);
	cr_assert_eq(again(&api->resp, version, &r, &w), KC_OK, "%s", what);
	cr_expect_eq(kc_rd_finish(&r), KC_OK, "%s", what);
	cr_expect(w.len == len && memcmp(w.p, p, len) == 0, "%s", what);
	kc_wr_fini(&w);
}

static const struct kp_api *
find(const char *name)
{
	int16_t key;

	for (key = 0; key < KP_KEYS; key++) {
		const struct kp_api *api = kp_api_get(key);

		if (api != NULL && strcmp(api->name, name) == 0)
			return api;
	}
	cr_assert_fail("no API %s", name);
	return NULL;
}

static const char *
string(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* Returns how many frames the line held. */
static int
check_line(const char *line)
{
	json_t *o = json_loads(line, 0, NULL);
	int16_t v = (int16_t)json_integer_value(json_object_get(o, "version"));
	const struct kp_api *api = find(string(o, "api"));
	uint8_t *req, *resp;
	char label[200];
	size_t len;
	int n = 0;

	snprintf(
	    label, sizeof label, "%s v%d: %s", api->name, v, string(o, "case"));
	/* A request of a megabyte is left out of the file. */
	if ((req = unhex(string(o, "request"), &len)) != NULL) {
		check_request(label, api, v, req, len);
		n++;
	}
	/* Envelope was answered by closing the connection. */
	if ((resp = unhex(string(o, "response"), &len)) != NULL) {
		check_response(label, api, v, resp, len);
		n++;
	}
	free(req);
	free(resp);
	json_decref(o);
	return n;
}

Test(kp_frames, decode_whole_and_encode_the_same)
{
	static const size_t max = 1 << 20;
	char path[PATH_MAX];
	FILE *f = fopen(reference("captured/frames.jsonl", path), "r");
	char *line;
	int n = 0;

	if (f == NULL) {
		fprintf(stderr, "skipped: no frames in %s\n", path);
		return;
	}
	line = malloc(max);
	while (fgets(line, (int)max, f) != NULL)
		n += check_line(line);
	cr_assert_gt(n, 1300, "%d frames only", n);
	free(line);
	fclose(f);
}
