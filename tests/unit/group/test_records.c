/*
 * Goal: keys and values of __consumer_offsets are Kafka's, byte for byte.
 * Method: records that Kafka 3.9.1 wrote are read and written again;
 * older and newer versions by hand; everything cut at every length.
 */
#include "kbroker/group/records.h"

#include "kcommon/base/err.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const char offset_key[] = "00010004676f6c6400046461746100000000";
static const char offset_value[] =
    "0003000000000000000affffffff0000000001a210a147a5";
static const char group_key[] = "00020004676f6c64";
static const char group_value[] =
    "00030008636f6e73756d657200000001000572616e67650029696e73742d38393263"
    "313564652d646234302d343039642d386432372d363366626366653036313261"
    "000001a210a14422000000010029696e73742d38393263313564652d64623430"
    "2d343039642d386432372d3633666263666530363132610004696e7374000772"
    "646b61666b61000a2f3132372e302e302e31000493e00000afc8000000140001"
    "00000001000464617461000000000000000000000018000000000001000464617461"
    "000000010000000000000000";
/* Of an empty group: protocol and leader are null. */
static const char empty_value[] =
    "00030008636f6e73756d657200000002ffffffff000001a210a14a4100000000";

/* Exactly as long as it must be, so that a byte too many is seen. */
static struct kc_str
bytes(const char *hex)
{
	size_t n = strlen(hex) / 2;
	char *p = malloc(n + (n == 0));
	unsigned b;

	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(sscanf(hex + 2 * i, "%2x", &b), 1);
		p[i] = (char)b;
	}
	return (struct kc_str){ p, (int32_t)n };
}

static void
same(const struct kc_wr *w, struct kc_str want)
{
	cr_assert_eq(w->err, KC_OK);
	cr_assert_eq(w->len, (size_t)want.len);
	cr_assert_arr_eq(w->p, want.p, w->len);
}

/* At every length below the whole it is malformed. */
static void
cut(const char *hex, int (*read)(struct kc_str s))
{
	struct kc_str whole = bytes(hex);

	for (int32_t n = 0; n < whole.len; n++) {
		char *p = malloc((size_t)n + (n == 0));

		memcpy(p, whole.p, (size_t)n);
		cr_assert_eq(read((struct kc_str){ p, n }), KC_EMALFORMED,
		    "cut at %d", n);
		free(p);
	}
	free((char *)whole.p);
}

static int
read_key(struct kc_str s)
{
	struct kb_rec_key k;

	return kb_rec_key_read(s, &k);
}

static int
read_offset(struct kc_str s)
{
	struct kb_offset_value v;

	return kb_rec_offset_value_read(s, &v);
}

static int
read_group(struct kc_str s)
{
	struct kb_group_value v;
	struct kc_arena a;
	int rc;

	kc_arena_init(&a, 1 << 16);
	rc = kb_rec_group_value_read(s, &a, &v);
	kc_arena_fini(&a);
	return rc;
}

Test(kb_rec, cut_short)
{
	cut(offset_key, read_key);
	cut(group_key, read_key);
	cut(offset_value, read_offset);
	cut(group_value, read_group);
	cut(empty_value, read_group);
	/* Version 4 of both. */
	cut("0004000000000000000affffffff026d0000000000000001"
	    "00",
	    read_offset);
	cut("000409636f6e73756d65720000000102720278000000000000000102"
	    "0261"
	    "00026302680000000100000002"
	    "0261"
	    "0262"
	    "00"
	    "00",
	    read_group);
}

Test(kb_rec, bad)
{
	static const struct {
		const char *hex;
		int (*read)(struct kc_str s);
		int rc;
	} v[] = {
		{ "0001ffff000474657374"
		  "00000000",
		    read_key, KC_EMALFORMED },
		{ "ffff", read_offset, KC_EVERSION },
		{ "0005", read_offset, KC_EVERSION },
		{ "0005", read_group, KC_EVERSION },
		/* Null metadata; more members than bytes; negative ones. */
		{ "0003000000000000000affffffffffff0000000001a210a147a5",
		    read_offset, KC_EMALFORMED },
		{ "0003000000000001ffffffff0000000000000001"
		  "7fffffff",
		    read_group, KC_EMALFORMED },
		{ "0003000000000001ffffffff0000000000000001"
		  "ffffffff",
		    read_group, KC_EMALFORMED },
		/* Bytes of negative length. */
		{ "000300000000000100017200016c000000000000000100000001000161"
		  "ffff0001630001680000000100000002ffffffff00000000",
		    read_group, KC_EMALFORMED },
	};

	for (size_t i = 0; i < KC_COUNT(v); i++) {
		struct kc_str s = bytes(v[i].hex);

		cr_assert_eq(v[i].read(s), v[i].rc, "case %zu", i);
		free((char *)s.p);
	}
}

Test(kb_rec, offsets_are_kafkas)
{
	struct kc_str key = bytes(offset_key), value = bytes(offset_value);
	struct kb_rec_key k;
	struct kb_offset_value v;
	struct kc_wr w;

	cr_assert_eq(kb_rec_key_read(key, &k), KC_OK);
	cr_assert(k.kind == KB_REC_OFFSET && k.version == 1 &&
	    kc_str_eqz(k.group, "gold") && kc_str_eqz(k.topic, "data") &&
	    k.partition == 0);
	cr_assert_eq(kb_rec_offset_value_read(value, &v), KC_OK);
	cr_assert(v.offset == 10 && v.leader_epoch == -1 &&
	    v.metadata.len == 0 && v.commit_ms == 0x1a210a147a5 &&
	    v.expire_ms == -1);
	kc_wr_init(&w, 0);
	kb_rec_offset_key_write(&w, k.group, k.topic, k.partition);
	same(&w, key);
	kc_wr_reset(&w);
	kb_rec_offset_value_write(&w, &v);
	same(&w, value);
	kc_wr_fini(&w);
	free((char *)key.p);
	free((char *)value.p);
}

Test(kb_rec, groups_are_kafkas)
{
	const char *const values[] = { group_value, empty_value };
	struct kc_str key = bytes(group_key);
	struct kb_rec_key k;
	struct kb_group_value v;
	struct kc_arena a;
	struct kc_wr w;

	kc_arena_init(&a, 1 << 16);
	kc_wr_init(&w, 0);
	cr_assert_eq(kb_rec_key_read(key, &k), KC_OK);
	cr_assert(k.kind == KB_REC_GROUP && kc_str_eqz(k.group, "gold"));
	kb_rec_group_key_write(&w, k.group);
	same(&w, key);
	for (int i = 0; i < 2; i++) {
		struct kc_str value = bytes(values[i]);

		cr_assert_eq(kb_rec_group_value_read(value, &a, &v), KC_OK);
		cr_assert_eq(v.nmembers, 1 - i);
		kc_wr_reset(&w);
		kb_rec_group_value_write(&w, &v);
		same(&w, value);
		if (i == 0)
			cr_assert(
			    kc_str_eqz(v.members[0].instance_id, "inst") &&
			    kc_str_eqz(
				v.members[0].client_host, "/127.0.0.1") &&
			    v.members[0].rebalance_ms == 300000 &&
			    v.members[0].session_ms == 45000 &&
			    kc_str_eqz(v.protocol, "range"));
		else
			cr_assert(v.protocol.len == -1 && v.leader.len == -1 &&
			    v.generation == 2);
		free((char *)value.p);
	}
	kc_wr_fini(&w);
	kc_arena_fini(&a);
	free((char *)key.p);
}

Test(kb_rec, offset_versions)
{
	static const struct {
		const char *hex;
		int32_t epoch;
		int64_t expire_ms;
	} v[] = {
		{ "0000000000000000000700016d0000000000000009", -1, -1 },
		{ "0001000000000000000700016d0000000000000009"
		  "000000000000000b",
		    -1, 11 },
		{ "0002000000000000000700016d0000000000000009", -1, -1 },
		{ "000300000000000000070000000500016d0000000000000009", 5, -1 },
		/* With one tagged field of two bytes. */
		{ "0004000000000000000700000005026d0000000000000009"
		  "01"
		  "07"
		  "02"
		  "abcd",
		    5, -1 },
	};

	for (size_t i = 0; i < KC_COUNT(v); i++) {
		struct kc_str s = bytes(v[i].hex);
		struct kb_offset_value o;
		struct kc_wr w;

		cr_assert_eq(kb_rec_offset_value_read(s, &o), KC_OK);
		cr_assert(o.offset == 7 && kc_str_eqz(o.metadata, "m") &&
			o.commit_ms == 9 && o.leader_epoch == v[i].epoch &&
			o.expire_ms == v[i].expire_ms,
		    "version %zu", i);
		/* Only version 1 has room for an expiration. */
		kc_wr_init(&w, 0);
		kb_rec_offset_value_write(&w, &o);
		cr_assert_eq(w.p[1], i == 1 ? 1 : 3);
		if (i == 1 || i == 3)
			same(&w, s);
		kc_wr_fini(&w);
		free((char *)s.p);
	}
}

Test(kb_rec, group_versions)
{
	/* Type "t", generation 1, protocol "r", leader "a", one member. */
	static const char *const v[] = {
		"0000"
		"000174"
		"00000001"
		"000172"
		"000161"
		"00000001"
		"000161"
		"000163"
		"000168"
		"00000006"
		"00000001aa"
		"00000001bb",
		"0001"
		"000174"
		"00000001"
		"000172"
		"000161"
		"00000001"
		"000161"
		"000163"
		"000168"
		"00000005"
		"00000006"
		"00000001aa"
		"00000001bb",
		"0002"
		"000174"
		"00000001"
		"000172"
		"000161"
		"0000000000000004"
		"00000001"
		"000161"
		"000163"
		"000168"
		"00000005"
		"00000006"
		"00000001aa"
		"00000001bb",
		"0003"
		"000174"
		"00000001"
		"000172"
		"000161"
		"0000000000000004"
		"00000001"
		"000161"
		"000169"
		"000163"
		"000168"
		"00000005"
		"00000006"
		"00000001aa"
		"00000001bb",
		"0004"
		"0274"
		"00000001"
		"0272"
		"0261"
		"0000000000000004"
		"02"
		"0261"
		"0269"
		"0263"
		"0268"
		"00000005"
		"00000006"
		"02aa"
		"02bb"
		"00"
		"00",
	};

	for (int i = 0; i < 5; i++) {
		struct kc_str s = bytes(v[i]);
		struct kb_group_value g;
		struct kb_group_value_member *m;
		struct kc_arena a;

		kc_arena_init(&a, 1 << 16);
		cr_assert_eq(
		    kb_rec_group_value_read(s, &a, &g), KC_OK, "version %d", i);
		cr_assert(kc_str_eqz(g.protocol_type, "t") &&
		    g.generation == 1 && kc_str_eqz(g.protocol, "r") &&
		    kc_str_eqz(g.leader, "a") && g.nmembers == 1);
		cr_assert_eq(g.state_since_ms, i >= 2 ? 4 : -1);
		m = &g.members[0];
		cr_assert(kc_str_eqz(m->member_id, "a") &&
		    kc_str_eqz(m->client_id, "c") &&
		    kc_str_eqz(m->client_host, "h") && m->session_ms == 6 &&
		    kc_str_eqz(m->subscription, "\xaa") &&
		    kc_str_eqz(m->assignment, "\xbb"));
		cr_assert_eq(m->rebalance_ms, i == 0 ? 6 : 5);
		cr_assert_eq(m->instance_id.len, i >= 3 ? 1 : -1);
		kc_arena_fini(&a);
		free((char *)s.p);
	}
}

Test(kb_rec, others_are_told_apart)
{
	static const char *const v[] = { "0003000161", "0008", "ffff" };

	for (size_t i = 0; i < KC_COUNT(v); i++) {
		struct kc_str s = bytes(v[i]);
		struct kb_rec_key k;

		cr_assert_eq(kb_rec_key_read(s, &k), KC_OK);
		cr_assert_eq(k.kind, KB_REC_OTHER);
		free((char *)s.p);
	}
}
