/* Messages: random ones, cut ones, lying ones; tables and fast code. */
#include "common.h"
#include "kcommon/base/err.h"
#include "kcommon/proto/kp_cmp.h"
#include "kcommon/proto/kp_codec.h"
#include "kcommon/proto/kp_rand.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define ROUNDS 20

/* A random message and what it looks like on the wire. */
struct sample {
	struct kc_arena arena;
	struct kc_wr w;
	void *msg;
};

static void
sample_make(struct sample *s, const struct kp_msg *m, int16_t version,
    struct kc_rand *rnd)
{
	kc_arena_init(&s->arena, ARENA_CAP);
	kc_wr_init(&s->w, 0);
	s->msg = kc_arena_alloc(&s->arena, kp_msg_size(m));
	cr_assert_eq(kp_rand(m, version, rnd, &s->arena, s->msg), KC_OK);
	cr_assert_eq(kp_encode(m, version, &s->w, s->msg), KC_OK);
}

static void
sample_drop(struct sample *s)
{
	kc_wr_fini(&s->w);
	kc_arena_fini(&s->arena);
}

typedef int decode_fn(
    const struct kp_msg *, int16_t, struct kc_rd *, struct kc_arena *, void *);

/* Decode len bytes, in memory of just that size.  *left: what was not read. */
static int
decode(decode_fn *fn, const struct kp_msg *m, int16_t version, const void *p,
    size_t len, size_t *left)
{
	uint8_t *copy = exact(p, len);
	struct kc_arena a;
	struct kc_rd r;
	int rc;

	kc_arena_init(&a, ARENA_CAP);
	kc_rd_init(&r, copy, len);
	rc = fn(m, version, &r, &a, kc_arena_alloc(&a, kp_msg_size(m)));
	*left = kc_rd_left(&r);
	kc_arena_fini(&a);
	free(copy);
	return rc;
}

/*
 * Goal: a message cut anywhere is refused, and not read past its end.
 */
static void
cut(const struct kp_msg *m, int16_t version)
{
	struct kc_rand rnd;
	struct sample s;
	char buf[LABEL_MAX];
	size_t len, left;

	kc_rand_init_seed(&rnd, 4);
	sample_make(&s, m, version, &rnd);
	for (len = 0; len < s.w.len && len < 600; len++) {
		cr_assert_eq(decode(kp_decode, m, version, s.w.p, len, &left),
		    KC_EMALFORMED, "%s cut at %zu", label(m, version, buf),
		    len);
		cr_assert_eq(
		    decode(kp_decode_table, m, version, s.w.p, len, &left),
		    KC_EMALFORMED);
	}
	sample_drop(&s);
}

Test(kp, cut_anywhere)
{
	each_message(cut);
}

/*
 * Goal: a length that lies takes no more memory than the frame can justify.
 * Method: put the largest numbers over every byte of a message.
 */
static void
lie(const struct kp_msg *m, int16_t version)
{
	static const char *const lies[] = { "\x7f\xff\xff\xff", "\0\0\0\xff",
		"\xff\xff\xff\xff\x07", "\x80\x80\x04" };
	struct kc_rand rnd;
	struct sample s;
	char buf[LABEL_MAX];
	size_t i, at;

	kc_rand_init_seed(&rnd, 5);
	sample_make(&s, m, version, &rnd);
	for (i = 0; i < KC_COUNT(lies); i++) {
		size_t n = i == 1 ? 4 : strlen(lies[i]);

		for (at = 0; at + n <= s.w.len && at < 600; at++) {
			uint8_t *p = exact(s.w.p, s.w.len);
			void *out = malloc(kp_msg_size(m));
			struct kc_arena a;
			struct kc_rd r;

			memcpy(p + at, lies[i], n);
			kc_arena_init(&a, ARENA_CAP);
			kc_rd_init(&r, p, s.w.len);
			if (kp_decode(m, version, &r, &a, out) != KC_OK)
				cr_assert_eq(r.err, KC_EMALFORMED);
			cr_assert_leq(a.used, 64 * s.w.len + 4096, "%s at %zu",
			    label(m, version, buf), at);
			kc_arena_fini(&a);
			free(out);
			free(p);
		}
	}
	sample_drop(&s);
}

Test(kp, lengths_that_lie)
{
	each_message(lie);
}

Test(kp, arena_cap)
{
	const struct kp_msg *m = &kp_api_get(kp_key_metadata)->req;
	struct kp_metadata_req req;
	uint8_t frame[4 + 2 * 1000] = { 0, 0, 1000 >> 8, 1000 & 255 };
	struct kc_arena a;
	struct kc_rd r;

	kc_arena_init(&a, 100);
	kc_rd_init(&r, frame, sizeof frame);
	cr_assert_eq(kp_decode(m, 0, &r, &a, &req), KC_ELIMIT);
	kc_arena_fini(&a);
	kc_arena_init(&a, ARENA_CAP);
	kc_rd_init(&r, frame, sizeof frame);
	cr_assert_eq(kp_decode(m, 0, &r, &a, &req), KC_OK);
	cr_assert_eq(req.topics.n, 1000);
	kc_arena_fini(&a);
}

/* Below -1 is null where null may be, as for a real broker. */
Test(kp, negative_lengths)
{
	const struct kp_msg *m = &kp_api_get(kp_key_metadata)->req;
	struct kp_metadata_req req;
	struct kc_arena a;
	struct kc_rd r;

	kc_arena_init(&a, ARENA_CAP);
	kc_rd_init(&r, "\xff\xff\xff\xfe", 4);
	cr_assert_eq(kp_decode(m, 0, &r, &a, &req), KC_EMALFORMED);
	kc_rd_init(&r, "\xff\xff\xff\xfe", 4);
	cr_assert_eq(kp_decode(m, 1, &r, &a, &req), KC_OK);
	cr_assert_eq(req.topics.n, -1);
	cr_assert(req.allow_auto_topic_creation, "the default");
	kc_arena_fini(&a);
}

Test(kp, strings_above_int16)
{
	const struct kp_msg *m = &kp_api_get(kp_key_heartbeat)->req;
	struct kp_heartbeat_req req;
	char *big = calloc(1, 32768 + 3);
	struct kc_arena a;
	struct kc_rd r;
	struct kc_wr w;
	int16_t v;

	kp_init(m->desc(), &req);
	for (v = 0; v <= 4; v += 4) {
		kc_wr_init(&w, 0);
		req.group_id = (struct kc_str){ big, 32767 };
		cr_assert_eq(kp_encode(m, v, &w, &req), KC_OK);
		req.group_id = (struct kc_str){ big, 32768 };
		cr_assert_eq(kp_encode(m, v, &w, &req), KC_ERANGE);
		kc_wr_fini(&w);
	}
	memcpy(big, "\x81\x80\x02", 3);
	kc_arena_init(&a, ARENA_CAP);
	kc_rd_init(&r, big, 32768 + 3);
	cr_assert_eq(kp_decode(m, 4, &r, &a, &req), KC_EMALFORMED);
	kc_arena_fini(&a);
	free(big);
}

Test(kp, tags)
{
	const struct kp_msg *m = &kp_api_get(kp_key_fetch)->resp;
	struct kp_fetch_resp resp;
	struct kc_arena a;
	struct kc_rd r;

	kc_arena_init(&a, ARENA_CAP);
	/* An unknown tag is skipped. */
	kc_rd_init(&r, "\0\0\0\1\0\2\0\0\0\3\1\1\x63\3xyz", 17);
	cr_assert_eq(kp_decode(m, 16, &r, &a, &resp), KC_OK);
	cr_assert_eq(kc_rd_finish(&r), KC_OK);
	cr_assert_eq(resp.node_endpoints.n, 0);
	/* One that comes with a later version only is refused. */
	kc_rd_init(&r, "\0\0\0\1\0\2\0\0\0\3\1\1\0\1\1", 15);
	cr_assert_eq(kp_decode(m, 12, &r, &a, &resp), KC_EMALFORMED);
	kc_rd_init(&r, "\0\0\0\1\0\2\0\0\0\3\1\1\0\1\1", 15);
	cr_assert_eq(kp_decode(m, 16, &r, &a, &resp), KC_OK);
	/* A size that does not fit the value, or the frame. */
	kc_rd_init(&r, "\0\0\0\1\0\2\0\0\0\3\1\1\0\2\1\0", 16);
	cr_assert_eq(kp_decode(m, 16, &r, &a, &resp), KC_EMALFORMED);
	kc_rd_init(&r, "\0\0\0\1\0\2\0\0\0\3\1\1\0\2\1", 15);
	cr_assert_eq(kp_decode(m, 16, &r, &a, &resp), KC_EMALFORMED);
	/* More tags than bytes. */
	kc_rd_init(&r, "\0\0\0\1\0\2\0\0\0\3\1\xff\xff\xff\xff\xf", 16);
	cr_assert_eq(kp_decode(m, 16, &r, &a, &resp), KC_EMALFORMED);
	kc_arena_fini(&a);
}

Test(kp, what_cannot_be_written)
{
	const struct kp_msg *m = &kp_api_get(kp_key_metadata)->req;
	struct kp_metadata_req req;
	struct kc_wr w;

	kp_init(m->desc(), &req);
	kc_wr_init(&w, 0);
	cr_assert_eq(kp_encode(m, 0, &w, &req), KC_OK);
	req.allow_auto_topic_creation = false; /* not the default */
	cr_assert_eq(kp_encode(m, 3, &w, &req), KC_EVERSION);
	kc_wr_reset(&w);
	cr_assert_eq(kp_encode(m, 4, &w, &req), KC_OK);
	req.topics.n = -1;
	cr_assert_eq(kp_encode(m, 4, &w, &req), KC_OK);
	req.allow_auto_topic_creation = true;
	cr_assert_eq(kp_encode(m, 0, &w, &req), KC_EINVAL);
	kc_wr_fini(&w);
}

Test(kp, defaults)
{
	struct kp_fetch_resp resp = { 0 };
	struct kp_fetch_resp_partition_data *p;
	struct kp_fetchable_topic_response *t;
	struct kc_arena a;

	kc_arena_init(&a, 4096);
	cr_assert(KP_ARRAY(&a, &resp.responses, fetchable_topic_response, 0));
	cr_assert_eq(resp.responses.n, 0);
	cr_assert(KP_ARRAY(&a, &resp.responses, fetchable_topic_response, 2));
	cr_assert_eq(resp.responses.n, 2);
	cr_assert_not(
	    KP_ARRAY(&a, &resp.node_endpoints, fetch_resp_node_endpoint, 1000));
	cr_assert_eq(resp.node_endpoints.n, 0);
	t = &resp.responses.v[1];
	cr_assert(KP_ARRAY(&a, &t->partitions, fetch_resp_partition_data, 1));
	p = &t->partitions.v[0];
	cr_assert_eq(p->preferred_read_replica, -1);
	cr_assert_eq(p->diverging_epoch.end_offset, -1);
	cr_assert_eq(p->records.len, -1);
	cr_assert_eq(p->aborted_transactions.n, 0);
	cr_assert_not_null(KP_NEW(&a, fetch_resp));
	kc_arena_fini(&a);
}

/*
 * Goal: a random message of any API and version is what it was after being
 * written and read, and is then written with the same bytes.
 */
static void
round_trip(const struct kp_msg *m, int16_t version)
{
	struct kc_rand rnd;
	char buf[LABEL_MAX];
	int i;

	kc_rand_init_seed(&rnd, 1);
	for (i = 0; i < ROUNDS; i++) {
		struct sample s;
		struct kc_arena a;
		struct kc_wr w;
		struct kc_rd r;
		void *back;
		uint8_t *p;

		sample_make(&s, m, version, &rnd);
		p = exact(s.w.p, s.w.len);
		kc_arena_init(&a, ARENA_CAP);
		kc_rd_init(&r, p, s.w.len);
		back = kc_arena_alloc(&a, kp_msg_size(m));
		memset(back, 0xa5, kp_msg_size(m)); /* all must be set */
		cr_assert_eq(kp_decode(m, version, &r, &a, back), KC_OK);
		cr_assert_eq(
		    kc_rd_finish(&r), KC_OK, "%s", label(m, version, buf));
		cr_assert(kp_equal(m->desc(), s.msg, back), "%s",
		    label(m, version, buf));
		kc_wr_init(&w, 0);
		cr_assert_eq(kp_encode(m, version, &w, back), KC_OK);
		cr_assert_eq(w.len, s.w.len);
		cr_assert(w.len == 0 || memcmp(w.p, s.w.p, w.len) == 0);
		kc_wr_fini(&w);
		kc_arena_fini(&a);
		free(p);
		sample_drop(&s);
	}
}

Test(kp, random_round_trips)
{
	each_message(round_trip);
}

/*
 * Goal: tables and straight-line code write the same bytes, or fail alike,
 * in every version, whatever version the message was made for.
 */
static void
write_both(const struct kp_msg *m, const void *msg)
{
	char buf[LABEL_MAX];
	int16_t v;

	for (v = m->api->min; v <= m->api->max; v++) {
		struct kc_wr fast, table;
		int rc;

		kc_wr_init(&fast, 0);
		kc_wr_init(&table, 0);
		rc = kp_encode(m, v, &fast, msg);
		cr_assert_eq(kp_encode_table(m, v, &table, msg), rc, "%s",
		    label(m, v, buf));
		if (rc == KC_OK) {
			cr_assert_eq(fast.len, table.len);
			cr_assert_eq(memcmp(fast.p, table.p, fast.len), 0);
		}
		kc_wr_fini(&fast);
		kc_wr_fini(&table);
	}
}

/* And they read the same of sound and of damaged frames. */
static void
read_both(
    const struct kp_msg *m, int16_t version, const uint8_t *frame, size_t len)
{
	uint8_t *p = exact(frame, len);
	struct kc_arena fast_arena, table_arena;
	struct kc_rd fast, table;
	void *fast_msg = malloc(kp_msg_size(m));
	void *table_msg = malloc(kp_msg_size(m));
	int rc;

	kc_arena_init(&fast_arena, ARENA_CAP);
	kc_arena_init(&table_arena, ARENA_CAP);
	kc_rd_init(&fast, p, len);
	kc_rd_init(&table, p, len);
	rc = kp_decode(m, version, &fast, &fast_arena, fast_msg);
	cr_assert_eq(
	    kp_decode_table(m, version, &table, &table_arena, table_msg), rc);
	cr_assert_eq(fast.p, table.p);
	if (rc == KC_OK)
		cr_assert(kp_equal(m->desc(), fast_msg, table_msg));
	kc_arena_fini(&fast_arena);
	kc_arena_fini(&table_arena);
	free(fast_msg);
	free(table_msg);
	free(p);
}

static void
both(const struct kp_msg *m, int16_t version)
{
	struct kc_rand rnd;
	int i, j;

	if (m->api->key != kp_key_produce && m->api->key != kp_key_fetch)
		return;
	kc_rand_init_seed(&rnd, 2);
	for (i = 0; i < ROUNDS; i++) {
		struct sample s;

		sample_make(&s, m, version, &rnd);
		write_both(m, s.msg);
		read_both(m, version, s.w.p, s.w.len);
		for (j = 0; j < 30 && s.w.len > 0; j++) {
			s.w.p[kc_rand_below(&rnd, s.w.len)] ^=
			    (uint8_t)(1 + kc_rand_below(&rnd, 255));
			read_both(m, version, s.w.p, s.w.len);
		}
		sample_drop(&s);
	}
}

Test(kp, tables_and_fast_code_agree)
{
	each_message(both);
}

static void
drop_file(struct kc_fileref *f)
{
	f->fd = -1;
}

/* Records in a file take no buffer, by tables and fast code alike. */
Test(kp, records_in_a_file)
{
	struct kc_fileref file = { .fd = 3, .release = drop_file };
	struct kp_fetchable_topic_response topic;
	struct kp_fetch_resp_partition_data part;
	struct kp_fetch_resp resp;
	const struct kp_msg *m = &kp_api_get(kp_key_fetch)->resp;
	struct kc_wr w;

	kc_ref_init(&file.ref);
	kp_init(kp_desc_fetch_resp(), &resp);
	kp_init(kp_desc_fetchable_topic_response(), &topic);
	kp_init(kp_desc_fetch_resp_partition_data(), &part);
	part.records =
	    (struct kc_records){ .len = 1000, .file = &file, .file_off = 50 };
	topic.partitions.v = &part;
	topic.partitions.n = 1;
	resp.responses.v = &topic;
	resp.responses.n = 1;
	kc_wr_init(&w, 0);
	cr_assert_eq(kp_encode(m, 12, &w, &resp), KC_OK);
	cr_assert_eq(w.ncuts, 1);
	cr_assert_eq(w.cuts[0].off, 50);
	/* Behind the compact length, and before three tagged sections. */
	cr_assert_eq(w.cuts[0].at, w.len - 3);
	cr_assert_eq(kc_wr_total(&w), w.len + 1000);
	kc_wr_reset(&w);
	cr_assert_eq(kp_encode_table(m, 4, &w, &resp), KC_OK);
	cr_assert_eq(w.cuts[0].at, w.len);
	kc_wr_fini(&w);
	cr_assert_eq(atomic_load(&file.ref.n), 1);
}
