#include "kbroker/controller/create.h"

#include "kbroker/controller/entity.h"
#include "kbroker/metadata/topic_name.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/config/properties.h"
#include "kcommon/proto/error.h"
#include "kzk/await.h"
#include "kzk/path.h"
#include "kzk/znode/znode.h"

#include <stdio.h>
#include <stdlib.h>

#define LOGGER "kafka.zk.AdminZkClient"

/* Of a name in a text for the client. */
#define SHOWN_MAX 300

/* --- decisions ----------------------------------------------------------- */

int16_t
kb_create_check_name(struct kc_str name, struct kb_why *why)
{
	static const char intro[] = "Topic name is invalid: ";
	int shown = (int)KC_MIN(name.len, SHOWN_MAX);

	if (kb_topic_name_valid(name))
		return KP_NONE;
	if (name.len <= 0)
		snprintf(why->s, sizeof why->s,
		    "%sthe empty string is not allowed", intro);
	else if (kc_str_eqz(name, ".") || kc_str_eqz(name, ".."))
		snprintf(why->s, sizeof why->s, "%s'%.*s' is not allowed",
		    intro, shown, name.p);
	else if (name.len > KB_TOPIC_NAME_MAX)
		snprintf(why->s, sizeof why->s,
		    "%sthe length of '%.*s' is longer than the max allowed "
		    "length %d",
		    intro, shown, name.p, KB_TOPIC_NAME_MAX);
	else
		snprintf(why->s, sizeof why->s,
		    "%s'%.*s' contains one or more characters other than ASCII "
		    "alphanumerics, '.', '_' and '-'",
		    intro, shown, name.p);
	return KP_INVALID_TOPIC_EXCEPTION;
}

static int
by_index(const void *a, const void *b)
{
	const struct kb_new_partition *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

static int
by_id(const void *a, const void *b)
{
	const int32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int16_t
refuse(int16_t code, struct kb_why *why, const char *text)
{
	snprintf(why->s, sizeof why->s, "%s", text);
	return code;
}

/* As Kafka, which prints a map of Scala's. */
static void
say_duplicate(const struct kb_new_partition *p, struct kb_why *why)
{
	size_t at = (size_t)snprintf(why->s, sizeof why->s,
	    "Duplicate replica assignment found: HashMap(%d -> ArrayBuffer(",
	    p->index);

	for (int32_t i = 0; i < p->nreplicas && at < sizeof why->s; i++)
		at += (size_t)snprintf(why->s + at, sizeof why->s - at, "%s%d",
		    i > 0 ? ", " : "", p->replicas[i]);
	if (at < sizeof why->s)
		snprintf(why->s + at, sizeof why->s - at, "))");
}

/* One partition's replicas: each a broker id, none twice. */
static int16_t
check_replicas(
    const struct kb_new_partition *p, int32_t *sorted, struct kb_why *why)
{
	size_t n = (size_t)p->nreplicas;

	memcpy(sorted, p->replicas, n * sizeof *sorted);
	qsort(sorted, n, sizeof *sorted, by_id);
	if (sorted[0] < 0)
		return refuse(KP_INVALID_REPLICA_ASSIGNMENT, why,
		    "Invalid negative broker id found in replica assignment");
	for (size_t i = 1; i < n; i++) {
		if (sorted[i] != sorted[i - 1])
			continue;
		say_duplicate(p, why);
		return KP_INVALID_REPLICA_ASSIGNMENT;
	}
	return KP_NONE;
}

int16_t
kb_create_check_parts(
    struct kb_new_topic *t, struct kc_arena *scratch, struct kb_why *why)
{
	int32_t n = t->nparts > 0 ? t->parts[0].nreplicas : 0;
	int32_t *sorted;
	int16_t code = KP_NONE;

	if (t->nparts > KB_NEW_PARTITIONS_MAX ||
	    (int64_t)t->nparts * n > KB_NEW_REPLICAS_MAX)
		return refuse(KP_INVALID_PARTITIONS, why,
		    "The topic has more partitions than can be kept in "
		    "ZooKeeper.");
	if (n <= 0)
		return refuse(KP_INVALID_REPLICA_ASSIGNMENT, why,
		    "All partitions should have at least one replica");
	for (int32_t i = 1; i < t->nparts; i++)
		if (t->parts[i].nreplicas != n)
			return refuse(KP_INVALID_REPLICA_ASSIGNMENT, why,
			    "All partitions should have the same number of "
			    "replicas");
	sorted = kc_arena_array(scratch, (size_t)n, sizeof *sorted);
	if (sorted == NULL)
		return KP_UNKNOWN_SERVER_ERROR;
	qsort(t->parts, (size_t)t->nparts, sizeof *t->parts, by_index);
	for (int32_t i = 0; i < t->nparts && code == KP_NONE; i++)
		code = check_replicas(&t->parts[i], sorted, why);
	for (int32_t i = 0; i < t->nparts && code == KP_NONE; i++)
		if (t->parts[i].index != i)
			return refuse(KP_INVALID_REPLICA_ASSIGNMENT, why,
			    "partitions should be a consecutive 0-based "
			    "integer sequence");
	return code;
}

/* --- ZooKeeper -------------------------------------------------------------
 */

static int16_t
fault(int rc, struct kc_str topic, const char *what)
{
	kc_log(KC_LOG_ERROR, LOGGER, "Topic %.*s: %s: %s", KC_STR_ARG(topic),
	    what, kc_strerror(rc));
	/* Without a session nobody is controller: the client asks the next. */
	return rc == KC_ESESSION ? KP_NOT_CONTROLLER : KP_UNKNOWN_SERVER_ERROR;
}

static int16_t
exists_already(struct kc_str topic, struct kb_why *why)
{
	snprintf(why->s, sizeof why->s, "Topic '%.*s' already exists.",
	    KC_STR_ARG(topic));
	return KP_TOPIC_ALREADY_EXISTS;
}

static int16_t
check_collision(
    const struct kzk_op *list, struct kc_str topic, struct kb_why *why)
{
	size_t at = 0;

	for (int32_t i = 0; i < list->nchildren; i++) {
		if (!kb_topic_name_collides(topic, list->children[i]))
			continue;
		if (at == 0)
			at = (size_t)snprintf(why->s, sizeof why->s,
			    "Topic '%.*s' collides with existing topics: %.*s",
			    KC_STR_ARG(topic), KC_STR_ARG(list->children[i]));
		else
			at += (size_t)snprintf(why->s + at, sizeof why->s - at,
			    ", %.*s", KC_STR_ARG(list->children[i]));
		if (at >= sizeof why->s - KB_TOPIC_NAME_MAX)
			break;
	}
	return at == 0 ? KP_NONE : KP_INVALID_TOPIC_EXCEPTION;
}

static bool
may_collide(struct kc_str topic)
{
	return memchr(topic.p, '.', (size_t)topic.len) != NULL ||
	    memchr(topic.p, '_', (size_t)topic.len) != NULL;
}

int16_t
kb_create_check_absent(struct kzk *zk, struct kc_str topic, struct kb_why *why)
{
	struct kzk_path mark, node;
	struct kzk_batch *b = NULL;
	int rc;

	if ((rc = kzk_path_delete_topic(&mark, topic)) != KC_OK ||
	    (rc = kzk_path_topic(&node, topic)) != KC_OK ||
	    (rc = kzk_batch_open(&b, zk)) != KC_OK)
		return fault(rc, topic, "cannot look for it in ZooKeeper");
	(void)kzk_batch_add(b, kzk_op_exists(zk, mark.s, NULL));
	(void)kzk_batch_add(b, kzk_op_exists(zk, node.s, NULL));
	if (may_collide(topic))
		(void)kzk_batch_add(b, kzk_op_children(zk, KZK_TOPICS, NULL));
	b = kzk_await_batch(b);
	for (int32_t i = 0; i < b->n; i++)
		if (b->ops[i]->err != KC_OK && b->ops[i]->err != KC_ENOENT)
			return fault(b->ops[i]->err, topic,
			    "cannot look for it in ZooKeeper");
	if (b->n < 2)
		return fault(b->err, topic, "cannot look for it in ZooKeeper");
	if (b->ops[0]->err == KC_OK) {
		snprintf(why->s, sizeof why->s,
		    "Topic '%.*s' is marked for deletion.", KC_STR_ARG(topic));
		return KP_TOPIC_ALREADY_EXISTS;
	}
	if (b->ops[1]->err == KC_OK)
		return exists_already(topic, why);
	return b->n > 2 ? check_collision(b->ops[2], topic, why) : KP_NONE;
}

static int
encode_topic(const struct kb_new_topic *t, struct kzk_text *text)
{
	struct kzk_topic z = { .topic_id = t->id, .nparts = t->nparts };
	int rc;

	if ((z.parts = calloc((size_t)t->nparts, sizeof *z.parts)) == NULL)
		return KC_ENOMEM;
	for (int32_t i = 0; i < t->nparts; i++) {
		z.parts[i].partition = t->parts[i].index;
		z.parts[i].replicas.v = t->parts[i].replicas;
		z.parts[i].replicas.n = t->parts[i].nreplicas;
	}
	rc = kzk_topic_encode(&z, text);
	free(z.parts);
	return rc;
}

static void
log_creation(const struct kb_new_topic *t, const struct kc_props *config)
{
	char set[400] = "", esc[400];
	size_t at = 0, n = config != NULL ? kc_props_count(config) : 0;

	for (size_t i = 0; i < n && at < sizeof set; i++) {
		const struct kc_prop *p = kc_props_at(config, i);

		at += (size_t)snprintf(set + at, sizeof set - at, "%s%s=%s",
		    i > 0 ? ", " : "", p->key, p->value);
	}
	kc_log(KC_LOG_INFO, LOGGER,
	    "Creating topic %.*s with configuration {%s} and initial partition "
	    "assignment of %d partitions, %d replicas each",
	    KC_STR_ARG(t->name), kc_str_esc(kc_str(set), esc, sizeof esc),
	    t->nparts, t->parts[0].nreplicas);
}

static int16_t
write_both(struct kzk *zk, const struct kb_new_topic *t, struct kc_str config,
    struct kc_str data, struct kb_why *why)
{
	struct kzk_path path;
	int rc = kzk_path_config(&path, KZK_CONFIG_TOPICS, t->name);

	if (rc == KC_OK)
		rc = kb_entity_write(zk, path.s, config);
	if (rc != KC_OK)
		return fault(rc, t->name, "cannot write its configuration");
	if ((rc = kzk_path_topic(&path, t->name)) == KC_OK)
		rc = kzk_await(
		    kzk_op_safe(kzk_op_create(zk, path.s, data, KZK_PARENTS)),
		    NULL);
	if (rc == KC_EEXIST)
		return exists_already(t->name, why);
	return rc == KC_OK ? KP_NONE : fault(rc, t->name, "cannot be created");
}

int16_t
kb_create_topic(struct kzk *zk, const struct kb_new_topic *t,
    const struct kc_props *config, struct kb_why *why)
{
	struct kzk_text ctext = { 0 }, ttext = { 0 };
	int16_t code;
	int rc = kb_entity_encode(config, &ctext);

	if (rc == KC_EINVAL || (rc == KC_OK && ctext.len > KB_ENTITY_MAX)) {
		code = refuse(KP_INVALID_CONFIG, why,
		    "The configuration is no UTF-8 text, or larger than can be "
		    "kept in ZooKeeper.");
	} else if (rc != KC_OK || (rc = encode_topic(t, &ttext)) != KC_OK) {
		code = fault(rc, t->name, "cannot be encoded");
	} else if (ttext.len > KB_ENTITY_MAX) {
		code = refuse(KP_INVALID_PARTITIONS, why,
		    "The topic has more partitions than can be kept in "
		    "ZooKeeper.");
	} else {
		log_creation(t, config);
		code = write_both(
		    zk, t, kzk_text_str(&ctext), kzk_text_str(&ttext), why);
	}
	kzk_text_fini(&ctext);
	kzk_text_fini(&ttext);
	return code;
}

int16_t
kb_create_delete_mark(struct kzk *zk, struct kc_str topic)
{
	struct kzk_path node, mark;
	int rc = kzk_path_topic(&node, topic);

	if (rc == KC_OK)
		rc = kzk_path_delete_topic(&mark, topic);
	if (rc == KC_OK)
		rc = kzk_await(kzk_op_exists(zk, node.s, NULL), NULL);
	if (rc == KC_ENOENT)
		return KP_UNKNOWN_TOPIC_OR_PARTITION;
	if (rc == KC_OK)
		rc = kzk_await(kzk_op_safe(kzk_op_create(
				   zk, mark.s, KC_STR_NULL, KZK_PARENTS)),
		    NULL);
	if (rc == KC_OK || rc == KC_EEXIST)
		return KP_NONE;
	return fault(rc, topic, "cannot be marked for deletion");
}
