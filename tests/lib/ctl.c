#include "tests/lib/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define LIMIT_MS 30000
#define UUID_LEN 16

/* --- znodes ------------------------------------------------------------------
 */

static int
int_after(const char *json, const char *key)
{
	const char *p = strstr(json, key);

	KT_CHECKF(p != NULL, "no %s in %s", key, json);
	return atoi(p + strlen(key));
}

static void
ids_after(const char *json, const char *key, struct kt_ids *ids)
{
	const char *p = strstr(json, key);
	char *end;

	KT_CHECKF(p != NULL, "no %s in %s", key, json);
	ids->n = 0;
	for (p += strlen(key); *p != ']' && ids->n < KT_IDS_MAX; p = end) {
		ids->v[ids->n++] = (int)strtol(p, &end, 10);
		if (*end == ',')
			end++;
	}
}

bool
kt_state_get(struct kt_zk *zk, const char *topic, int part, struct kt_state *st)
{
	struct kt_znode n = { 0 };
	char path[400];

	snprintf(path, sizeof path, "/brokers/topics/%s/partitions/%d/state",
	    topic, part);
	if (!kt_zk_get(zk, path, &n))
		return false;
	st->leader = int_after(n.data, "\"leader\":");
	st->leader_epoch = int_after(n.data, "\"leader_epoch\":");
	st->controller_epoch = int_after(n.data, "\"controller_epoch\":");
	ids_after(n.data, "\"isr\":[", &st->isr);
	st->version = n.version;
	kt_znode_free(&n);
	return true;
}

bool
kt_ids_has(const struct kt_ids *ids, int id)
{
	for (int i = 0; i < ids->n; i++)
		if (ids->v[i] == id)
			return true;
	return false;
}

int
kt_leader(struct kt_zk *zk, const char *topic, int part)
{
	struct kt_state st;

	return kt_state_get(zk, topic, part, &st) ? st.leader : -2;
}

bool
kt_in_isr(struct kt_zk *zk, const char *topic, int part, int id)
{
	struct kt_state st;

	return kt_state_get(zk, topic, part, &st) && kt_ids_has(&st.isr, id);
}

int
kt_controller(struct kt_zk *zk, int *epoch)
{
	struct kt_znode n = { 0 };
	int id = -1;

	if (kt_zk_get(zk, "/controller", &n)) {
		id = int_after(n.data, "\"brokerid\":");
		kt_znode_free(&n);
	}
	if (epoch == NULL)
		return id;
	*epoch = 0;
	if (kt_zk_get(zk, "/controller_epoch", &n)) {
		*epoch = atoi(n.data);
		kt_znode_free(&n);
	}
	return id;
}

int64_t
kt_broker_epoch(struct kt_zk *zk, int id)
{
	struct kt_znode n = { 0 };
	char path[64];
	int64_t epoch = -1;

	snprintf(path, sizeof path, "/brokers/ids/%d", id);
	if (kt_zk_get(zk, path, &n)) {
		epoch = n.czxid;
		kt_znode_free(&n);
	}
	return epoch;
}

static void
topic_id(struct kt_zk *zk, const char *topic, unsigned char id[UUID_LEN])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"
				     "opqrstuvwxyz0123456789-_";
	struct kt_znode n = { 0 };
	char path[300];
	const char *p;
	unsigned bits = 0, have = 0;
	int at = 0;

	snprintf(path, sizeof path, "/brokers/topics/%s", topic);
	KT_CHECK(kt_zk_get(zk, path, &n));
	p = strstr(n.data, "\"topic_id\":\"");
	KT_CHECK(p != NULL);
	for (p += strlen("\"topic_id\":\""); at < UUID_LEN; p++) {
		const char *d = strchr(digits, *p);

		KT_CHECK(*p != '\0' && d != NULL);
		bits = bits << 6 | (unsigned)(d - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			id[at++] = (unsigned char)(bits >> have);
		}
	}
	kt_znode_free(&n);
}

/* --- requests ------------------------------------------------------------- */

static void
put_compact(struct kt_bytes *b, const char *s)
{
	KT_CHECK(strlen(s) < 127);
	kt_put_i8(b, (int)strlen(s) + 1);
	kt_put(b, s, strlen(s));
}

/* Small counts and lengths only. */
static int
get_compact(struct kt_bytes *b)
{
	int n = kt_get_i8(b);

	KT_CHECK(n >= 0 && n < 128);
	return n - 1;
}

static void
skip_compact_str(struct kt_bytes *b)
{
	for (int n = get_compact(b); n > 0; n--)
		(void)kt_get_i8(b);
}

/* b: a body of a flexible version, with the tags of the header first. */
static void
ask(struct kt_cluster *c, struct kt_zk *zk, int api, int version,
    struct kt_bytes *b)
{
	int fd, id;

	KT_UNTIL(LIMIT_MS, (id = kt_controller(zk, NULL)) >= 0);
	fd = kt_connect(c->b[id].port[KT_PLAIN]);
	KT_CHECK(fd >= 0);
	kt_send_request(fd, api, version, 1, b);
	KT_EQ(kt_receive(fd, LIMIT_MS, b), KT_ANSWER);
	KT_EQ(kt_get_i32(b), 1); /* correlation */
	close(fd);
}

int
kt_alter_partition(struct kt_cluster *c, struct kt_zk *zk, int asker,
    const char *topic, int part, const struct kt_ids *isr,
    const int64_t *epochs)
{
	unsigned char id[UUID_LEN];
	struct kt_state st;
	struct kt_bytes b;
	int err;

	KT_CHECK(kt_state_get(zk, topic, part, &st));
	topic_id(zk, topic, id);
	kt_bytes_init(&b);
	kt_put_i8(&b, 0);
	kt_put_i32(&b, asker);
	kt_put_i64(&b, kt_broker_epoch(zk, asker));
	kt_put_i8(&b, 2); /* one topic */
	kt_put(&b, id, sizeof id);
	kt_put_i8(&b, 2); /* one partition */
	kt_put_i32(&b, part);
	kt_put_i32(&b, st.leader_epoch);
	kt_put_i8(&b, isr->n + 1);
	for (int i = 0; i < isr->n; i++) {
		kt_put_i32(&b, isr->v[i]);
		kt_put_i64(&b,
		    epochs != NULL ? epochs[i] :
				     kt_broker_epoch(zk, isr->v[i]));
		kt_put_i8(&b, 0);
	}
	kt_put_i8(&b, 0); /* recovered */
	kt_put_i32(&b, st.version);
	kt_put(&b, "\0\0\0", 3); /* tags */
	ask(c, zk, 56, 3, &b);
	kt_get_i8(&b); /* tags */
	kt_get_i32(&b); /* throttle */
	err = kt_get_i16(&b);
	if (err == 0) {
		KT_EQ(get_compact(&b), 1);
		b.at += UUID_LEN;
		KT_EQ(get_compact(&b), 1);
		KT_EQ(kt_get_i32(&b), part);
		err = kt_get_i16(&b);
	}
	kt_bytes_free(&b);
	return err;
}

void
kt_join_isr(
    struct kt_cluster *c, struct kt_zk *zk, const char *topic, int part, int id)
{
	int64_t end = kt_now_ms() + LIMIT_MS;
	struct kt_state st;
	int err = 0;

	while (!kt_in_isr(zk, topic, part, id)) {
		KT_CHECKF(kt_now_ms() < end,
		    "broker %d does not come into the ISR of %s-%d: %d", id,
		    topic, part, err);
		kt_nap_ms(100);
		KT_CHECK(kt_state_get(zk, topic, part, &st));
		if (st.leader < 0 || kt_ids_has(&st.isr, id))
			continue;
		st.isr.v[st.isr.n++] = id;
		err = kt_alter_partition(
		    c, zk, st.leader, topic, part, &st.isr, NULL);
	}
}

int
kt_reassign(struct kt_cluster *c, struct kt_zk *zk, const char *topic, int part,
    const struct kt_ids *to)
{
	struct kt_bytes b;
	int err;

	kt_bytes_init(&b);
	kt_put_i8(&b, 0);
	kt_put_i32(&b, LIMIT_MS);
	kt_put_i8(&b, 2);
	put_compact(&b, topic);
	kt_put_i8(&b, 2);
	kt_put_i32(&b, part);
	kt_put_i8(&b, to == NULL ? 0 : to->n + 1);
	for (int i = 0; to != NULL && i < to->n; i++)
		kt_put_i32(&b, to->v[i]);
	kt_put(&b, "\0\0\0", 3);
	ask(c, zk, 45, 0, &b);
	kt_get_i8(&b);
	kt_get_i32(&b);
	err = kt_get_i16(&b);
	KT_EQ(err, 0);
	skip_compact_str(&b);
	KT_EQ(get_compact(&b), 1);
	skip_compact_str(&b);
	KT_EQ(get_compact(&b), 1);
	KT_EQ(kt_get_i32(&b), part);
	err = kt_get_i16(&b);
	kt_bytes_free(&b);
	return err;
}

static void
skip_ids(struct kt_bytes *b)
{
	for (int n = get_compact(b); n > 0; n--)
		kt_get_i32(b);
}

int
kt_reassigning(struct kt_cluster *c, struct kt_zk *zk)
{
	struct kt_bytes b;
	int n = 0;

	kt_bytes_init(&b);
	kt_put_i8(&b, 0);
	kt_put_i32(&b, LIMIT_MS);
	kt_put(&b, "\0\0", 2); /* null: all; tags */
	ask(c, zk, 46, 0, &b);
	kt_get_i8(&b);
	kt_get_i32(&b);
	KT_EQ(kt_get_i16(&b), 0);
	skip_compact_str(&b);
	for (int t = get_compact(&b); t > 0; t--) {
		skip_compact_str(&b);
		for (int p = get_compact(&b); p > 0; p--) {
			kt_get_i32(&b);
			skip_ids(&b);
			skip_ids(&b);
			skip_ids(&b);
			kt_get_i8(&b);
			n++;
		}
		kt_get_i8(&b);
	}
	kt_bytes_free(&b);
	return n;
}

int
kt_elect(struct kt_cluster *c, struct kt_zk *zk, int type, const char *topic,
    int part)
{
	struct kt_bytes b;
	int err;

	kt_bytes_init(&b);
	kt_put_i8(&b, 0);
	kt_put_i8(&b, type);
	kt_put_i8(&b, 2);
	put_compact(&b, topic);
	kt_put_i8(&b, 2);
	kt_put_i32(&b, part);
	kt_put_i8(&b, 0);
	kt_put_i32(&b, LIMIT_MS);
	kt_put_i8(&b, 0);
	ask(c, zk, 43, 2, &b);
	kt_get_i8(&b);
	kt_get_i32(&b);
	KT_EQ(kt_get_i16(&b), 0);
	KT_EQ(get_compact(&b), 1);
	skip_compact_str(&b);
	KT_EQ(get_compact(&b), 1);
	KT_EQ(kt_get_i32(&b), part);
	err = kt_get_i16(&b);
	kt_bytes_free(&b);
	return err;
}
