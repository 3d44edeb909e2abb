#include "kbroker/api/topic_plan.h"

#include "kbroker/controller/assign.h"
#include "kbroker/metadata/snapshot.h"
#include "kbroker/topic_config.h"
#include "kcommon/base/err.h"
#include "kcommon/base/rand.h"
#include "kcommon/proto/error.h"
#include "kcommon/proto/kp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define UNSET (-1) /* of a number in the request */

static int16_t KC_PRINTF(3, 4)
    refuse(struct kb_topic_plan *p, int16_t code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->why.s, sizeof p->why.s, fmt, ap);
	va_end(ap);
	return code;
}

static int16_t
check_nulls(struct kb_topic_plan *p)
{
	char names[500];
	size_t at = 0;
	int32_t n = 0;

	for (int32_t i = 0; i < p->in->configs.n && at < sizeof names; i++) {
		const struct kp_creatable_topic_config *c =
		    &p->in->configs.v[i];

		if (c->value.len < 0)
			at += (size_t)snprintf(names + at, sizeof names - at,
			    "%s%.*s", n++ > 0 ? "," : "", KC_STR_ARG(c->name));
	}
	return n == 0 ?
	    KP_NONE :
	    refuse(p, KP_INVALID_CONFIG,
		"Null value not supported for topic configs: %s", names);
}

static int32_t *
list_brokers(struct kb_topic_plan *p, const struct kb_meta *meta,
    const struct kb_assign *spread)
{
	for (int32_t i = 0; i < meta->brokers_n; i++) {
		spread->brokers[i].id = meta->brokers[i].id;
		spread->brokers[i].rack = meta->brokers[i].rack.p;
	}
	p->topic.nparts = spread->npartitions;
	p->topic.parts = kc_arena_array(
	    &p->arena, (size_t)spread->npartitions, sizeof *p->topic.parts);
	if (p->topic.parts == NULL)
		return NULL;
	return kc_arena_array(&p->arena,
	    (size_t)spread->npartitions * (size_t)spread->replication,
	    sizeof(int32_t));
}

/* Partitions spread over the live brokers. */
static int16_t
assign(struct kb_topic_plan *p, const struct kb_meta *meta, int32_t n,
    int32_t replication, struct kc_rand *rand)
{
	uint64_t below = (uint64_t)KC_MAX(meta->brokers_n, 1);
	struct kb_assign spread = {
		.brokers = kc_arena_array(
		    &p->arena, (size_t)meta->brokers_n, sizeof *spread.brokers),
		.nbrokers = meta->brokers_n,
		.npartitions = n,
		.replication = replication,
		.start = (int32_t)kc_rand_below(rand, below),
		.shift = (int32_t)kc_rand_below(rand, below),
	};
	int32_t *ids;

	if (n <= 0)
		return refuse(p, KP_INVALID_PARTITIONS,
		    "Number of partitions must be larger than 0.");
	if (replication <= 0)
		return refuse(p, KP_INVALID_REPLICATION_FACTOR,
		    "Replication factor must be larger than 0.");
	if (replication > meta->brokers_n)
		return refuse(p, KP_INVALID_REPLICATION_FACTOR,
		    "Replication factor: %d larger than available brokers: "
		    "%d.",
		    replication, meta->brokers_n);
	if (n > KB_NEW_PARTITIONS_MAX ||
	    (int64_t)n * replication > KB_NEW_REPLICAS_MAX)
		return refuse(p, KP_INVALID_PARTITIONS,
		    "The topic has more partitions than can be kept in "
		    "ZooKeeper.");
	if (spread.brokers == NULL ||
	    (ids = list_brokers(p, meta, &spread)) == NULL ||
	    kb_assign_replicas(&spread, ids) != KC_OK)
		return KP_UNKNOWN_SERVER_ERROR; /* racks: some, not all */
	for (int32_t i = 0; i < n; i++)
		p->topic.parts[i] = (struct kb_new_partition){
			.index = i,
			.replicas = ids + (size_t)i * (size_t)replication,
			.nreplicas = replication,
		};
	return KP_NONE;
}

/* As the request says; whether those brokers live is not asked. */
static int16_t
take_assignment(struct kb_topic_plan *p)
{
	int32_t n = p->in->assignments.n;

	p->topic.nparts = n;
	p->topic.parts =
	    kc_arena_array(&p->arena, (size_t)n, sizeof *p->topic.parts);
	if (p->topic.parts == NULL)
		return refuse(p, KP_INVALID_REPLICA_ASSIGNMENT,
		    "The assignment is larger than can be kept in ZooKeeper.");
	for (int32_t i = 0; i < n; i++) {
		const struct kp_creatable_replica_assignment *a =
		    &p->in->assignments.v[i];

		p->topic.parts[i] = (struct kb_new_partition){
			.index = a->partition_index,
			.replicas = a->broker_ids.v,
			.nreplicas = KC_MAX(a->broker_ids.n, 0),
		};
	}
	return KP_NONE;
}

int16_t
kb_topic_plan_open(struct kb_topic_plan *p, const struct kp_creatable_topic *in,
    const struct kb_meta *meta, const struct kb_config *config,
    struct kc_rand *rand)
{
	bool counted =
	    in->num_partitions != UNSET || in->replication_factor != UNSET;
	int16_t code;

	memset(p, 0, sizeof *p);
	kc_arena_init(&p->arena, KB_TOPIC_PLAN_CAP);
	p->in = in;
	p->topic.name = in->name;
	if (kb_meta_topic(meta, in->name) != NULL)
		return refuse(p, KP_TOPIC_ALREADY_EXISTS,
		    "Topic '%.*s' already exists.", KC_STR_ARG(in->name));
	if ((code = check_nulls(p)) != KP_NONE)
		return code;
	if (counted && in->assignments.n > 0)
		return refuse(p, KP_INVALID_REQUEST,
		    "Both numPartitions or replicationFactor and "
		    "replicasAssignments were set. Both cannot be used at the "
		    "same time.");
	if (in->assignments.n > 0)
		code = take_assignment(p);
	else
		code = assign(p, meta,
		    in->num_partitions != UNSET ? in->num_partitions :
						  config->num_partitions,
		    in->replication_factor != UNSET ?
			in->replication_factor :
			config->default_replication_factor,
		    rand);
	if (code == KP_NONE)
		code = kb_create_check_name(in->name, &p->why);
	if (code == KP_NONE)
		kc_uuid_random(rand, &p->topic.id);
	return code;
}

/* A name or value with a NUL cannot be one that we know. */
static bool
printable(struct kc_str s)
{
	return s.len <= 0 || memchr(s.p, '\0', (size_t)s.len) == NULL;
}

static int16_t
take_settings(struct kb_topic_plan *p)
{
	int32_t n = KC_MAX(p->in->configs.n, 0);
	int rc = kc_props_open(&p->own);

	if (n > KB_TOPIC_SETTINGS_MAX)
		return refuse(p, KP_INVALID_CONFIG,
		    "More than %d settings for one topic",
		    KB_TOPIC_SETTINGS_MAX);
	for (int32_t i = 0; rc == KC_OK && i < n; i++) {
		const struct kp_creatable_topic_config *c =
		    &p->in->configs.v[i];
		struct kc_str name = kc_arena_str(&p->arena, c->name);
		struct kc_str value = kc_arena_str(&p->arena, c->value);

		if (!printable(c->name))
			return refuse(p, KP_INVALID_CONFIG,
			    "Unknown topic config name: %s", name.p);
		if (!printable(c->value))
			return refuse(p, KP_INVALID_CONFIG,
			    "Invalid value for configuration %s: it has a NUL",
			    name.p);
		if (name.p == NULL || value.p == NULL)
			rc = KC_ENOMEM;
		else
			rc = kc_props_set(p->own, name.p, value.p);
	}
	return rc == KC_OK ? KP_NONE : KP_UNKNOWN_SERVER_ERROR;
}

int16_t
kb_topic_plan_check(struct kb_topic_plan *p, const struct kb_config *config)
{
	int16_t code = kb_create_check_parts(&p->topic, &p->arena, &p->why);

	if (code == KP_NONE)
		code = take_settings(p);
	if (code != KP_NONE)
		return code;
	switch (kb_topic_config_open(
	    &p->tc, config, p->own, p->why.s, sizeof p->why.s)) {
	case KC_OK:
		return KP_NONE;
	case KC_EINVAL:
		return KP_INVALID_CONFIG;
	default:
		return KP_UNKNOWN_SERVER_ERROR;
	}
}

void
kb_topic_plan_close(struct kb_topic_plan *p)
{
	kb_topic_config_put(&p->tc);
	kc_props_close(&p->own);
	kc_arena_fini(&p->arena);
}

static int
describe_setting(const struct kb_topic_plan *p, const struct kb_config *config,
    const struct kc_conf_item *it, struct kc_arena *a,
    struct kp_creatable_topic_configs *o)
{
	struct kb_config_synonym *syn = NULL;
	char *value;
	int n = 0;

	if (kb_topic_config_synonyms(p->tc, config, it, &syn, &n) != KC_OK)
		return KC_ENOMEM;
	o->name = kc_str(it->name); /* of a table */
	o->config_source =
	    (int8_t)(n > 0 ? syn[0].source : KC_CONF_SRC_DEFAULT);
	kb_config_synonyms_free(syn, n);
	o->read_only = false;
	o->is_sensitive = it->type == KC_CONF_PASSWORD;
	o->value = KC_STR_NULL;
	if (o->is_sensitive)
		return KC_OK;
	value = kc_conf_print(&p->tc->conf, it);
	o->value = kc_arena_str(a, kc_str(value));
	n = value != NULL && o->value.p == NULL ? KC_ENOMEM : KC_OK;
	free(value);
	return n;
}

int
kb_topic_plan_describe(const struct kb_topic_plan *p,
    const struct kb_config *config, bool told, struct kc_arena *a,
    struct kp_creatable_topic_result *out)
{
	const struct kc_conf_table *t = &kb_topic_config_table;
	struct kp_creatable_topic_result o = *out;
	int rc = KC_OK;

	o.configs.n = 0;
	if (!told) {
		o.topic_config_error_code = KP_TOPIC_AUTHORIZATION_FAILED;
		*out = o;
		return KC_OK;
	}
	if (!KP_ARRAY(a, &o.configs, creatable_topic_configs, (int32_t)t->n))
		return KC_ENOMEM;
	o.configs.n = 0;
	for (size_t i = 0; i < t->n && rc == KC_OK; i++)
		if ((t->v[i].flags & KC_CONF_HIDDEN) == 0)
			rc = describe_setting(p, config, &t->v[i], a,
			    &o.configs.v[o.configs.n++]);
	if (rc != KC_OK)
		return rc;
	o.num_partitions = p->topic.nparts;
	o.replication_factor = (int16_t)p->topic.parts[0].nreplicas;
	*out = o;
	return KC_OK;
}
