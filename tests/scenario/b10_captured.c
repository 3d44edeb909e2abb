/*
 * b10 -- the requests that a real 3.9 broker was sent, sent to ours in the same
 * order, and our answers beside its answers, field by field.
 *
 * Skipped where the reference is absent.  Ids, ports, sessions and times of
 * that run are replaced by those of this one before comparing.  Where we answer
 * otherwise on purpose, `differs` says which case and why.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcommon/base/err.h"
#include "kcommon/proto/header.h"
#include "kcommon/proto/kp_json.h"
#include "tests/lib/cluster.h"
#include "tests/lib/test.h"
#include "tests/lib/wire.h"

#define TOPIC "wd"
#define ANSWER_MS 8000
#define ARENA_MAX ((size_t)64 << 20)
#define LINE_MAX_ (1 << 20)

/* The APIs of this story; others have tests of their own. */
static const int16_t compared[] = { kp_key_produce, kp_key_fetch,
	kp_key_list_offsets, kp_key_offset_for_leader_epoch,
	kp_key_describe_cluster, kp_key_alter_configs,
	kp_key_incremental_alter_configs, kp_key_describe_producers,
	kp_key_list_partition_reassignments, kp_key_sasl_handshake,
	kp_key_sasl_authenticate, kp_key_describe_acls, kp_key_create_acls,
	kp_key_delete_acls, kp_key_create_delegation_token,
	kp_key_renew_delegation_token, kp_key_expire_delegation_token,
	kp_key_describe_delegation_token, kp_key_update_features,
	kp_key_consumer_group_heartbeat, kp_key_consumer_group_describe,
	kp_key_find_coordinator, kp_key_join_group, kp_key_sync_group,
	kp_key_heartbeat, kp_key_leave_group, kp_key_offset_commit,
	kp_key_offset_fetch, kp_key_offset_delete, kp_key_describe_groups,
	kp_key_list_groups, kp_key_delete_groups };

/* Sent too, for what they do, with answers that are not compared. */
static const int16_t sent_too[] = { kp_key_init_producer_id };

struct difference {
	int16_t key;
	int from, to; /* versions */
	const char *name; /* of the case */
	const char *why;
};

static const struct difference differs[] = {
	{ kp_key_produce, 0, 11, "empty records",
	    "null or no records: Kafka throws inside" },
	{ kp_key_fetch, 0, 3, "from 0",
	    "converted records in their own size, not filled up" },
	{ kp_key_fetch, 0, 3, "from 1", "the same" },
	{ kp_key_find_coordinator, 0, 6, "transaction", "no transactions yet" },
	{ kp_key_find_coordinator, 1, 6, "bad type", "a text of our own" },
	{ kp_key_delete_groups, 0, 2, "unknown", "not in a Java map's order" },
	{ kp_key_list_groups, 0, 5, "", "groups in the order of a Java map" },
	{ kp_key_list_groups, 5, 5, "by type", "the same" },
};

static struct kt_cluster *c;
static struct kt_bytes answer;
static uint8_t own_id[16], their_id[16];
static char own_cluster[64], their_cluster[64];

static bool
among(const int16_t *v, size_t n, int16_t key)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == key)
			return true;
	return false;
}

static size_t
unhex(const char *hex, uint8_t *to, size_t cap)
{
	size_t n = strlen(hex) / 2;

	KT_CHECK(n <= cap);
	for (size_t i = 0; i < n; i++) {
		unsigned b;

		KT_CHECK(sscanf(hex + 2 * i, "%2x", &b) == 1);
		to[i] = (uint8_t)b;
	}
	return n;
}

static void
replace(uint8_t *p, size_t n, const void *from, const void *to, size_t len)
{
	for (size_t i = 0; len > 0 && i + len <= n; i++)
		if (memcmp(p + i, from, len) == 0)
			memcpy(p + i, to, len);
}

/* The digits after each `"key":` of text become one 0. */
static void
blank(char *text, const char *key)
{
	char name[64], *p = text;

	snprintf(name, sizeof name, "\"%s\":", key);
	while ((p = strstr(p, name)) != NULL) {
		size_t n;

		p += strlen(name);
		n = strspn(p, "-0123456789");
		if (n == 0 || (n == 1 && *p == '0'))
			continue;
		*p = '0';
		memmove(p + 1, p + n, strlen(p + n) + 1);
	}
}

/* Java's text form of a UUID becomes zeros: ids of members. */
static void
blank_uuids(char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t n = sizeof form - 1;

	for (char *p = text; strlen(p) >= n; p++) {
		size_t i = 0;

		while (i < n &&
		    (form[i] == 'x' ? strchr("0123456789abcdef", p[i]) != NULL :
				      p[i] == '-'))
			i++;
		for (size_t j = 0; i == n && j < n; j++)
			if (p[j] != '-')
				p[j] = '0';
	}
}

/* An answer as text, without what belongs to one run alone. */
static char *
describe(const struct kp_api *api, int16_t version, const uint8_t *p, size_t n)
{
	struct kc_arena a;
	struct kc_rd r;
	struct kc_wr w;
	int32_t corr;
	void *msg;
	char *text;

	kc_rd_init(&r, p, n);
	kc_arena_init(&a, ARENA_MAX);
	kc_wr_init(&w, 0);
	msg = kc_arena_alloc(&a, kp_msg_size(&api->resp));
	KT_CHECK(kp_resp_header_read(&r, api, version, &corr) == KC_OK);
	KT_CHECKF(kp_decode(&api->resp, version, &r, &a, msg) == KC_OK,
	    "an answer to %s v%d cannot be read", api->name, version);
	KT_CHECK(kp_json(&w, &api->resp, version, msg) == KC_OK);
	kc_wr_i8(&w, 0);
	text = strdup((char *)w.p);
	kc_wr_fini(&w);
	kc_arena_fini(&a);
	blank(text, "port");
	blank(text, "session_id");
	blank_uuids(text);
	return text;
}

static const char *
known_difference(int16_t key, int version, const char *name)
{
	for (size_t i = 0; i < sizeof differs / sizeof differs[0]; i++)
		if (differs[i].key == key && version >= differs[i].from &&
		    version <= differs[i].to &&
		    strcmp(differs[i].name, name) == 0)
			return differs[i].why;
	return NULL;
}

/* Sends one request; its answer without the size is in answer. */
static enum kt_answer
ask(const uint8_t *p, size_t n)
{
	uint8_t size[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };
	int fd = kt_connect(c->b[0].port[KT_PLAIN]);
	enum kt_answer got;

	KT_CHECK(fd >= 0);
	KT_CHECK(kt_send_raw(fd, size, sizeof size) && kt_send_raw(fd, p, n));
	got = kt_receive(fd, ANSWER_MS, &answer);
	close(fd);
	return got;
}

/* Topic id and cluster id out of an answer to Metadata v12. */
static void
learn(const uint8_t *p, size_t n, uint8_t *id, char *cluster)
{
	const struct kp_api *api = kp_api_get(kp_key_metadata);
	struct kp_metadata_resp m;
	struct kc_arena a;
	struct kc_rd r;
	int32_t corr;

	kc_rd_init(&r, p, n);
	kc_arena_init(&a, ARENA_MAX);
	KT_CHECK(kp_resp_header_read(&r, api, 12, &corr) == KC_OK);
	KT_CHECK(kp_decode(&api->resp, 12, &r, &a, &m) == KC_OK);
	snprintf(cluster, 64, "%.*s", KC_STR_ARG(m.cluster_id));
	for (int32_t i = 0; i < m.topics.n; i++)
		if (kc_str_eqz(m.topics.v[i].name, TOPIC))
			memcpy(id, m.topics.v[i].topic_id.b, 16);
	kc_arena_fini(&a);
}

static int
one(int line, json_t *j)
{
	static uint8_t req[LINE_MAX_], want[LINE_MAX_];
	const char *rq = json_string_value(json_object_get(j, "request"));
	const char *rs = json_string_value(json_object_get(j, "response"));
	const char *name = json_string_value(json_object_get(j, "case"));
	size_t n, m;
	int16_t key, version;
	const struct kp_api *api;
	bool hex = rs != NULL && rs[strspn(rs, "0123456789abcdef")] == '\0';
	char *ours, *theirs;
	int bad;

	if (rq == NULL)
		return 0;
	n = unhex(rq, req, sizeof req);
	key = (int16_t)(req[0] << 8 | req[1]);
	version = (int16_t)(req[2] << 8 | req[3]);
	api = kp_api_get(key);
	if (api == NULL ||
	    (!among(compared, KC_COUNT(compared), key) &&
		!among(sent_too, KC_COUNT(sent_too), key)))
		return 0;
	replace(req, n, their_id, own_id, 16);
	if (ask(req, n) != KT_ANSWER) {
		if (hex && known_difference(key, version, name) == NULL)
			printf("line %d: %s v%d (%s): no answer\n", line,
			    api->name, version, name);
		return hex && known_difference(key, version, name) == NULL;
	}
	if (!hex || !among(compared, KC_COUNT(compared), key) ||
	    known_difference(key, version, name) != NULL)
		return 0;
	m = unhex(rs, want, sizeof want);
	replace(answer.p, answer.len, own_id, their_id, 16);
	replace(answer.p, answer.len, own_cluster, their_cluster,
	    strlen(own_cluster));
	ours = describe(api, version, answer.p, answer.len);
	theirs = describe(api, version, want, m);
	bad = strcmp(ours, theirs) != 0;
	if (bad)
		printf("line %d: %s v%d (%s)\n  ours   %.1500s\n  theirs "
		       "%.1500s\n",
		    line, api->name, version, name, ours, theirs);
	free(ours);
	free(theirs);
	return bad;
}

/* The reference's file, or skip. */
static FILE *
open_frames(void)
{
	const char *shared = getenv("KB_SHARED");
	char path[1024];
	FILE *f;

	snprintf(path, sizeof path, "%s/reference/captured/frames.jsonl",
	    shared != NULL ? shared : "../shared");
	if ((f = fopen(path, "r")) == NULL)
		kt_skip("%s is not there", path);
	return f;
}

static json_t *
read_line(FILE *f)
{
	static char line[LINE_MAX_];

	if (fgets(line, sizeof line, f) == NULL)
		return NULL;
	return json_loads(line, 0, NULL);
}

/* The first answer to Metadata v12 that tells of the topic. */
static void
learn_theirs(FILE *f)
{
	static uint8_t p[LINE_MAX_];
	json_t *j;

	while (their_cluster[0] == '\0' && (j = read_line(f)) != NULL) {
		const char *rs =
		    json_string_value(json_object_get(j, "response"));

		if (strcmp(json_string_value(json_object_get(j, "api")),
			"Metadata") == 0 &&
		    json_integer_value(json_object_get(j, "version")) == 12)
			learn(
			    p, unhex(rs, p, sizeof p), their_id, their_cluster);
		json_decref(j);
	}
	rewind(f);
}

static void
learn_ours(void)
{
	/* Metadata v12: all topics, no creation. */
	static const uint8_t all[] = { 0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0,
		0, 0, 0, 0 };

	KT_EQ(ask(all, sizeof all), KT_ANSWER);
	learn(answer.p, answer.len, own_id, own_cluster);
}

/* __consumer_offsets is there, and all of its partitions are loaded. */
static bool
groups_served(void)
{
	/* FindCoordinator v0 of group "g"; ListGroups v0. */
	static const uint8_t find[] = { 0, 10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1,
		'g' };
	static const uint8_t list[] = { 0, 16, 0, 0, 0, 0, 0, 1, 0, 0 };

	if (ask(find, sizeof find) != KT_ANSWER || answer.p[5] != 0)
		return false;
	return ask(list, sizeof list) == KT_ANSWER && answer.p[5] == 0;
}

int
main(void)
{
	FILE *f = open_frames();
	json_t *j;
	int line = 0, bad = 0;

	c = kt_cluster_start(1,
	    "auto.create.topics.enable=false\nlog.retention.ms=-1\n"
	    "group.initial.rebalance.delay.ms=0\n");
	kt_bytes_init(&answer);
	KT_EQ(kt_wire_create(c->b[0].port[KT_PLAIN], TOPIC, 2), 0);
	KT_UNTIL(20000, groups_served());
	learn_theirs(f);
	learn_ours();
	for (; (j = read_line(f)) != NULL; line++) {
		bad += one(line, j);
		json_decref(j);
	}
	KT_CHECKF(bad == 0, "%d answers are not a real broker's", bad);
	kt_step("%d captured requests looked at", line);
	kt_bytes_free(&answer);
	kt_cluster_stop(&c);
	return 0;
}
