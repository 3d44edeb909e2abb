/*
 * topic -- /brokers/topics/T.  Kafka: kafka.zk.TopicZNode.
 *
 * Versions 1 and 2 lack the topic id; adding and removing replicas are maps
 * of the partitions that are being moved, missing in version 1.
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
by_partition(const void *a, const void *b)
{
	const struct kzk_assignment *x = a, *y = b;

	return (x->partition > y->partition) - (x->partition < y->partition);
}

static int32_t
key_number(struct kzk_in *in, const char *key)
{
	return (int32_t)kzk_in_number(in, kc_str(key), 0, INT32_MAX);
}

static void
read_partitions(struct kzk_in *in, struct kzk_topic *t)
{
	json_t *map = kzk_in_obj(in, in->root, "partitions", false);
	int32_t n = kzk_in_count(in, map, KZK_PARTITIONS_MAX);
	const char *key;
	json_t *v;

	if ((t->parts = kzk_in_array(in, n, sizeof *t->parts)) == NULL)
		return;
	json_object_foreach(map, key, v)
	{
		struct kzk_assignment *a = &t->parts[t->nparts++];

		a->partition = key_number(in, key);
		if (!json_is_array(v))
			kzk_in_fail(in, KC_EMALFORMED);
		kzk_in_ids(in, v, &a->replicas);
		if (in->err != KC_OK)
			return;
	}
	qsort(t->parts, (size_t)n, sizeof *t->parts, by_partition);
	for (int32_t i = 1; i < n; i++) /* "1" and "01" */
		if (t->parts[i].partition == t->parts[i - 1].partition)
			kzk_in_fail(in, KC_EMALFORMED);
}

/* Entries of partitions that are not there are of no meaning. */
static void
read_moving(
    struct kzk_in *in, struct kzk_topic *t, const char *name, bool adding)
{
	json_t *map = kzk_in_obj(in, in->root, name, true);
	struct kzk_assignment *a, want = { 0 };
	const char *key;
	json_t *v;

	kzk_in_count(in, map, KZK_PARTITIONS_MAX);
	if (in->err != KC_OK || map == NULL)
		return;
	json_object_foreach(map, key, v)
	{
		if (!json_is_array(v))
			kzk_in_fail(in, KC_EMALFORMED);
		want.partition = key_number(in, key);
		if (in->err != KC_OK)
			return;
		if (t->nparts == 0)
			continue;
		a = bsearch(&want, t->parts, (size_t)t->nparts,
		    sizeof *t->parts, by_partition);
		if (a != NULL)
			kzk_in_ids(in, v, adding ? &a->adding : &a->removing);
	}
}

int
kzk_topic_decode(struct kc_str data, struct kzk_topic *out)
{
	struct kzk_in in;
	struct kc_str id;
	int rc;

	memset(out, 0, sizeof *out);
	kzk_in_begin(&in, data, &out->mem);
	id = kzk_in_str_or_null(&in, in.root, "topic_id");
	if (id.p != NULL && kc_uuid_parse(id, &out->topic_id) != KC_OK)
		kzk_in_fail(&in, KC_EMALFORMED);
	read_partitions(&in, out);
	read_moving(&in, out, "adding_replicas", true);
	read_moving(&in, out, "removing_replicas", false);
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

static void
write_map(
    struct kzk_out *o, const struct kzk_topic *t, const char *name, size_t off)
{
	json_t *map = kzk_out_obj(o, o->root, name);
	bool all = off == offsetof(struct kzk_assignment, replicas);
	char key[16];

	for (int32_t i = 0; i < t->nparts; i++) {
		const struct kzk_assignment *a = &t->parts[i];
		const struct kzk_ids *ids =
		    (const void *)((const char *)a + off);

		if (!all && ids->n == 0)
			continue;
		snprintf(key, sizeof key, "%" PRId32, a->partition);
		kzk_out_ids(o, map, key, ids);
	}
}

int
kzk_topic_encode(const struct kzk_topic *in, struct kzk_text *out)
{
	bool has_id = !kc_uuid_is_zero(&in->topic_id);
	char id[KC_UUID_TEXT];
	struct kzk_out o;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", has_id ? 3 : 2);
	if (has_id)
		kzk_out_str(&o, o.root, "topic_id",
		    kc_str(kc_uuid_text(&in->topic_id, id)));
	write_map(
	    &o, in, "partitions", offsetof(struct kzk_assignment, replicas));
	write_map(
	    &o, in, "adding_replicas", offsetof(struct kzk_assignment, adding));
	write_map(&o, in, "removing_replicas",
	    offsetof(struct kzk_assignment, removing));
	return kzk_out_end(&o, out);
}

void
kzk_topic_fini(struct kzk_topic *t)
{
	kc_arena_fini(&t->mem);
	memset(t, 0, sizeof *t);
}
