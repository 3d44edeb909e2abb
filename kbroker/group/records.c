#include "kbroker/group/records.h"

#include "kcommon/base/err.h"
#include "kcommon/buf/rd.h"

#define OFFSET_KEY 1 /* what we write; 0 has the same fields */
#define GROUP_KEY 2
#define OFFSET_VALUE 3
#define OFFSET_VALUE_EXPIRES 1
#define GROUP_VALUE 3
#define COMPACT_FROM 4
#define VALUE_MAX 4

/* --- pieces ------------------------------------------------------------- */

static void
skip_tags(struct kc_rd *r)
{
	uint32_t n = kc_rd_uvarint(r);

	while (n-- > 0 && r->err == KC_OK) {
		(void)kc_rd_uvarint(r);
		(void)kc_rd_bytes(r, kc_rd_uvarint(r));
	}
}

static struct kc_str
read_str(struct kc_rd *r, int16_t version)
{
	return version < COMPACT_FROM ? kc_rd_str(r) : kc_rd_cstr(r);
}

/* A string that may not be null. */
static struct kc_str
read_text(struct kc_rd *r, int16_t version)
{
	struct kc_str s = read_str(r, version);

	if (s.len < 0) {
		kc_rd_fail(r, KC_EMALFORMED);
		s = KC_STR_LIT("");
	}
	return s;
}

static struct kc_str
read_bytes(struct kc_rd *r, int16_t version)
{
	int64_t n = version < COMPACT_FROM ? kc_rd_i32(r) :
					     (int64_t)kc_rd_uvarint(r) - 1;
	const uint8_t *p;

	if (r->err == KC_OK && n < 0)
		kc_rd_fail(r, KC_EMALFORMED);
	if (r->err != KC_OK)
		return KC_STR_LIT("");
	p = kc_rd_bytes(r, (size_t)n);
	return p == NULL ? KC_STR_LIT("") :
			   (struct kc_str){ (const char *)p, (int32_t)n };
}

static void
write_bytes(struct kc_wr *w, struct kc_str s)
{
	int32_t n = KC_MAX(s.len, 0);

	kc_wr_i32(w, n);
	if (n > 0)
		kc_wr_bytes(w, s.p, (size_t)n);
}

/* The version in front; fails r for what we cannot read. */
static int16_t
read_version(struct kc_rd *r, struct kc_str bytes, int *rc)
{
	int16_t version;

	kc_rd_init(r, bytes.p, (size_t)KC_MAX(bytes.len, 0));
	version = kc_rd_i16(r);
	*rc = r->err;
	if (*rc == KC_OK && (version < 0 || version > VALUE_MAX))
		*rc = KC_EVERSION;
	return version;
}

/* --- keys --------------------------------------------------------------- */

int
kb_rec_key_read(struct kc_str bytes, struct kb_rec_key *k)
{
	struct kc_rd r;

	*k = (struct kb_rec_key){ .kind = KB_REC_OTHER };
	kc_rd_init(&r, bytes.p, (size_t)KC_MAX(bytes.len, 0));
	k->version = kc_rd_i16(&r);
	if (r.err != KC_OK)
		return KC_EMALFORMED;
	if (k->version < 0 || k->version > GROUP_KEY)
		return KC_OK; /* a newer broker's */
	k->group = read_text(&r, 0);
	k->kind = KB_REC_GROUP;
	if (k->version <= OFFSET_KEY) {
		k->kind = KB_REC_OFFSET;
		k->topic = read_text(&r, 0);
		k->partition = kc_rd_i32(&r);
	}
	return r.err == KC_OK ? KC_OK : KC_EMALFORMED;
}

void
kb_rec_offset_key_write(struct kc_wr *w, struct kc_str group,
    struct kc_str topic, int32_t partition)
{
	kc_wr_i16(w, OFFSET_KEY);
	kc_wr_str(w, group);
	kc_wr_str(w, topic);
	kc_wr_i32(w, partition);
}

void
kb_rec_group_key_write(struct kc_wr *w, struct kc_str group)
{
	kc_wr_i16(w, GROUP_KEY);
	kc_wr_str(w, group);
}

/* --- offset values ------------------------------------------------------ */

int
kb_rec_offset_value_read(struct kc_str bytes, struct kb_offset_value *v)
{
	struct kc_rd r;
	int rc;
	int16_t version = read_version(&r, bytes, &rc);

	*v = (struct kb_offset_value){ .metadata = KC_STR_LIT("") };
	if (rc != KC_OK)
		return rc;
	v->offset = kc_rd_i64(&r);
	v->leader_epoch = version >= 3 ? kc_rd_i32(&r) : -1;
	v->metadata = read_text(&r, version);
	v->commit_ms = kc_rd_i64(&r);
	v->expire_ms = version == 1 ? kc_rd_i64(&r) : -1;
	if (version >= COMPACT_FROM)
		skip_tags(&r);
	return r.err == KC_OK ? KC_OK : KC_EMALFORMED;
}

void
kb_rec_offset_value_write(struct kc_wr *w, const struct kb_offset_value *v)
{
	bool expires = v->expire_ms >= 0;

	kc_wr_i16(w, expires ? OFFSET_VALUE_EXPIRES : OFFSET_VALUE);
	kc_wr_i64(w, v->offset);
	if (!expires)
		kc_wr_i32(w, v->leader_epoch);
	kc_wr_str(w, v->metadata);
	kc_wr_i64(w, v->commit_ms);
	if (expires)
		kc_wr_i64(w, v->expire_ms);
}

/* --- group values ------------------------------------------------------- */

static void
read_member(struct kc_rd *r, int16_t version, struct kb_group_value_member *m)
{
	m->member_id = read_text(r, version);
	m->instance_id = version >= 3 ? read_str(r, version) : KC_STR_NULL;
	m->client_id = read_text(r, version);
	m->client_host = read_text(r, version);
	m->rebalance_ms = version >= 1 ? kc_rd_i32(r) : -1;
	m->session_ms = kc_rd_i32(r);
	if (version == 0) /* there was only one timeout */
		m->rebalance_ms = m->session_ms;
	m->subscription = read_bytes(r, version);
	m->assignment = read_bytes(r, version);
	if (version >= COMPACT_FROM)
		skip_tags(r);
}

int
kb_rec_group_value_read(
    struct kc_str bytes, struct kc_arena *a, struct kb_group_value *v)
{
	struct kc_rd r;
	int rc;
	int16_t version = read_version(&r, bytes, &rc);
	int64_t n;

	*v = (struct kb_group_value){ .protocol = KC_STR_NULL,
		.leader = KC_STR_NULL,
		.state_since_ms = -1 };
	if (rc != KC_OK)
		return rc;
	v->protocol_type = read_text(&r, version);
	v->generation = kc_rd_i32(&r);
	v->protocol = read_str(&r, version);
	v->leader = read_str(&r, version);
	if (version >= 2)
		v->state_since_ms = kc_rd_i64(&r);
	n = version < COMPACT_FROM ? kc_rd_i32(&r) :
				     (int64_t)kc_rd_uvarint(&r) - 1;
	/* Each member takes more than 12 bytes. */
	if (r.err != KC_OK || n < 0 || n > (int64_t)kc_rd_left(&r) / 12)
		return KC_EMALFORMED;
	v->members = kc_arena_array(a, (size_t)n, sizeof *v->members);
	if (v->members == NULL && n > 0)
		return KC_ELIMIT;
	v->nmembers = (int32_t)n;
	for (int32_t i = 0; i < v->nmembers; i++)
		read_member(&r, version, &v->members[i]);
	if (version >= COMPACT_FROM)
		skip_tags(&r);
	return r.err == KC_OK ? KC_OK : KC_EMALFORMED;
}

void
kb_rec_group_value_write(struct kc_wr *w, const struct kb_group_value *v)
{
	kc_wr_i16(w, GROUP_VALUE);
	kc_wr_str(w, v->protocol_type);
	kc_wr_i32(w, v->generation);
	kc_wr_str(w, v->protocol);
	kc_wr_str(w, v->leader);
	kc_wr_i64(w, v->state_since_ms);
	kc_wr_i32(w, v->nmembers);
	for (int32_t i = 0; i < v->nmembers; i++) {
		const struct kb_group_value_member *m = &v->members[i];

		kc_wr_str(w, m->member_id);
		kc_wr_str(w, m->instance_id);
		kc_wr_str(w, m->client_id);
		kc_wr_str(w, m->client_host);
		kc_wr_i32(w, m->rebalance_ms);
		kc_wr_i32(w, m->session_ms);
		write_bytes(w, m->subscription);
		write_bytes(w, m->assignment);
	}
}
