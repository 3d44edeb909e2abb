#include "common.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/header.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static int
parse(const char *bytes, size_t len, struct kp_req_header *h, size_t *left)
{
	uint8_t *p = exact(bytes, len);
	struct kc_rd r;
	int rc;

	kc_rd_init(&r, p, len);
	rc = kp_req_header_read(&r, h);
	*left = kc_rd_left(&r);
	free(p);
	return rc;
}

#define PARSE(lit) parse(lit, sizeof(lit) - 1, &h, &left)

Test(kp_header, malformed_requests)
{
	struct kp_req_header h;
	size_t left, n;

	for (n = 0; n < 17; n++)
		cr_assert_eq(
		    parse("\0\14\0\4\0\0\0\1\0\3abc\1\7\1x", n, &h, &left),
		    KC_EMALFORMED, "cut at %zu", n);
	cr_assert_eq(PARSE("\0\64\0\0\0\0\0\1\0\0"), KC_EUNSUPPORTED);
	cr_assert_null(h.api);
	cr_assert_eq(PARSE("\xff\xff\0\0\0\0\0\1\0\0"), KC_EUNSUPPORTED);
	cr_assert_eq(PARSE("\x7f\xff\0\0\0\0\0\1\0\0"), KC_EUNSUPPORTED);
	cr_assert_eq(PARSE("\0\14\0\0\0\0\0\1\0\4abc"), KC_EMALFORMED);
	cr_assert_eq(
	    PARSE("\0\14\0\4\0\0\0\1\0\0\xff\xff\xff\xff\xf"), KC_EMALFORMED);
}

Test(kp_header, requests)
{
	struct kp_req_header h;
	size_t left;

	cr_assert_eq(PARSE("\0\14\0\0\0\0\0\1\0\3abc+"), KC_OK);
	cr_assert_eq(h.api->key, kp_key_heartbeat);
	cr_assert_eq(h.version, 0);
	cr_assert_eq(h.correlation_id, 1);
	cr_assert_eq(h.client_id.len, 3);
	cr_assert_eq(left, 1);
	/* With an unknown tag; client id -5 is null. */
	cr_assert_eq(PARSE("\0\14\0\4\0\0\0\1\xff\xfb\1\7\1x+"), KC_OK);
	cr_assert_eq(h.client_id.len, -1);
	cr_assert_eq(left, 1);
	/* ControlledShutdown v0 has no client id, v1 has. */
	cr_assert_eq(PARSE("\0\7\0\0\0\0\0\1\0\0\0\2"), KC_OK);
	cr_assert_eq(left, 4);
	cr_assert_eq(PARSE("\0\7\0\1\0\0\0\1\0\0\0\2"), KC_OK);
	cr_assert_eq(left, 2);
	/* A version of ApiVersions that nobody knows yet, and a negative. */
	cr_assert_eq(PARSE("\0\22\0\77\0\0\0\1\0\0\0+"), KC_OK);
	cr_assert_eq(h.version, 63);
	cr_assert_eq(left, 1);
	cr_assert_eq(PARSE("\0\22\xff\xff\0\0\0\1\0\0+"), KC_OK);
	cr_assert_eq(left, 1);
}

static void
header_round_trip(const struct kp_msg *m, int16_t version)
{
	struct kp_req_header in = { .api = m->api,
		.version = version,
		.correlation_id = 77,
		.client_id = KC_STR_LIT("me") };
	struct kp_req_header out;
	struct kc_wr w;
	struct kc_rd r;
	int32_t id;
	char buf[LABEL_MAX];

	kc_wr_init(&w, 0);
	kp_req_header_write(&w, &in);
	kc_rd_init(&r, w.p, w.len);
	cr_assert_eq(kp_req_header_read(&r, &out), KC_OK);
	cr_assert_eq(kc_rd_finish(&r), KC_OK, "%s", label(m, version, buf));
	cr_assert_eq(out.api, m->api);
	cr_assert_eq(out.version, version);
	cr_assert_eq(out.correlation_id, 77);
	kc_wr_reset(&w);
	kp_resp_header_write(&w, m->api, version, 78);
	kc_rd_init(&r, w.p, w.len);
	cr_assert_eq(kp_resp_header_read(&r, m->api, version, &id), KC_OK);
	cr_assert_eq(kc_rd_finish(&r), KC_OK);
	cr_assert_eq(id, 78);
	if (m->api->key == kp_key_api_versions)
		cr_assert_eq(w.len, 4);
	kc_wr_fini(&w);
}

Test(kp_header, round_trips)
{
	each_message(header_round_trip);
}
