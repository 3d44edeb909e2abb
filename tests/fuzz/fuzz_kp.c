/*
 * Any bytes as the body of any message in any version: key (1 byte), version
 * (1 byte, the high bit says response), body.  Key 255: a request with its
 * header, as a broker meets it.
 *
 * Held: nothing is read past the end; tables and straight-line code agree;
 * what was read can be written, reads back equal, and is then written the
 * same again; and it can be dumped.
 */
#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/header.h"
#include "kcommon/proto/kp_cmp.h"
#include "kcommon/proto/kp_codec.h"
#include "kcommon/proto/kp_json.h"

#define ARENA_CAP (16u << 20)
#define KEY_HEADER 255

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_back(const struct kp_msg *m, int16_t version, const void *msg)
{
	void *back = malloc(kp_msg_size(m));
	struct kc_wr w, again, table;
	struct kc_arena a;
	struct kc_rd r;

	kc_wr_init(&w, 0);
	kc_wr_init(&again, 0);
	kc_wr_init(&table, 0);
	kc_arena_init(&a, ARENA_CAP);
	KC_ASSERT(kp_encode(m, version, &w, msg) == KC_OK);
	KC_ASSERT(kp_encode_table(m, version, &table, msg) == KC_OK);
	kc_rd_init(&r, w.p, w.len);
	KC_ASSERT(kp_decode(m, version, &r, &a, back) == KC_OK);
	KC_ASSERT(kc_rd_finish(&r) == KC_OK);
	KC_ASSERT(kp_equal(m->desc(), msg, back));
	KC_ASSERT(kp_encode(m, version, &again, back) == KC_OK);
	KC_ASSERT(again.len == w.len && table.len == w.len);
	if (w.len > 0) {
		KC_ASSERT(memcmp(w.p, again.p, w.len) == 0);
		KC_ASSERT(memcmp(w.p, table.p, w.len) == 0);
	}
	kc_wr_reset(&again);
	KC_ASSERT(kp_json(&again, m, version, msg) == KC_OK);
	kc_wr_fini(&w);
	kc_wr_fini(&again);
	kc_wr_fini(&table);
	kc_arena_fini(&a);
	free(back);
}

static void
body(const struct kp_msg *m, int16_t version, struct kc_rd *r)
{
	void *msg = malloc(kp_msg_size(m));
	void *table_msg = malloc(kp_msg_size(m));
	struct kc_arena a, table_arena;
	struct kc_rd table = *r;
	int rc;

	kc_arena_init(&a, ARENA_CAP);
	kc_arena_init(&table_arena, ARENA_CAP);
	rc = kp_decode(m, version, r, &a, msg);
	KC_ASSERT(
	    kp_decode_table(m, version, &table, &table_arena, table_msg) == rc);
	KC_ASSERT(r->p == table.p);
	if (rc == KC_OK) {
		KC_ASSERT(kp_equal(m->desc(), msg, table_msg));
		write_back(m, version, msg);
	}
	kc_arena_fini(&a);
	kc_arena_fini(&table_arena);
	free(msg);
	free(table_msg);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct kp_api *api;
	struct kp_req_header h;
	struct kc_rd r;
	int16_t version;

	if (size < 2)
		return 0;
	kc_rd_init(&r, data + 2, size - 2);
	if (data[0] == KEY_HEADER) {
		if (kp_req_header_read(&r, &h) == KC_OK &&
		    kp_api_has_version(h.api, h.version))
			body(&h.api->req, h.version, &r);
		return 0;
	}
	api = kp_api_get(data[0]);
	version = data[1] & 0x7f;
	if (api != NULL && kp_api_has_version(api, version))
		body(data[1] & 0x80 ? &api->resp : &api->req, version, &r);
	return 0;
}
