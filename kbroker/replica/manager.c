#include "kbroker/replica/manager.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/proto/error.h"

#include <stdlib.h>
#include <string.h>

#define LOGGER "kafka.server.ReplicaManager"
#define STATE_LOGGER "state.change.logger"

/* Immutable once published; open addressing, at most half full. */
struct kb_part_map {
	struct kc_ref ref;
	uint32_t mask;
	uint32_t n;
	struct kb_partition *slots[]; /* one reference each */
};

struct kb_manager {
	struct kb_log_dirs *dirs;
	const struct kb_partition_env *env;
	int32_t broker_id;
	struct kb_manager_ops ops; /* functions NULL: nobody copies */
	int32_t controller_epoch; /* newest heard of */
	struct kc_published map;
	struct kb_manager_events events;
};

static uint32_t
hash_part(const char *topic, size_t len, int32_t index)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)topic[i]) * 16777619u;
	h ^= (uint32_t)index * 2654435761u;
	return h ^ (h >> 15);
}

static struct kb_part_map *
map_new(uint32_t n)
{
	struct kb_part_map *map;
	uint32_t cap = 8;

	while (cap < n * 2)
		cap *= 2;
	map = calloc(1, sizeof *map + cap * sizeof map->slots[0]);
	if (map == NULL)
		return NULL;
	kc_ref_init(&map->ref);
	map->mask = cap - 1;
	return map;
}

static void
map_ref(void *obj)
{
	struct kb_part_map *map = obj;

	kc_ref_get(&map->ref);
}

static void
map_unref(void *obj)
{
	struct kb_part_map *map = obj;

	if (map == NULL || !kc_ref_put(&map->ref))
		return;
	for (uint32_t i = 0; i <= map->mask; i++)
		kb_partition_put(&map->slots[i]);
	free(map);
}

/* Takes over the reference. */
static void
map_put(struct kb_part_map *map, struct kb_partition *p)
{
	uint32_t at = hash_part(p->topic, (size_t)p->topic_len, p->index);

	KC_ASSERT(map->n * 2 <= map->mask + 1);
	while (map->slots[at & map->mask] != NULL)
		at++;
	map->slots[at & map->mask] = p;
	map->n++;
}

struct kb_partition *
kb_part_map_find(
    const struct kb_part_map *map, struct kc_str topic, int32_t index)
{
	uint32_t at;

	if (topic.len < 0)
		return NULL;
	at = hash_part(topic.p, (size_t)topic.len, index);
	for (;; at++) {
		struct kb_partition *p = map->slots[at & map->mask];

		if (p == NULL)
			return NULL;
		if (p->index == index && p->topic_len == topic.len &&
		    memcmp(p->topic, topic.p, (size_t)topic.len) == 0)
			return p;
	}
}

/* A copy with room for more, without those that leave. */
static struct kb_part_map *
map_copy(const struct kb_part_map *old, uint32_t more)
{
	struct kb_part_map *map = map_new(old->n + more);

	if (map == NULL)
		return NULL;
	for (uint32_t i = 0; i <= old->mask; i++)
		if (old->slots[i] != NULL && !old->slots[i]->leaving)
			map_put(map, kb_partition_get(old->slots[i]));
	return map;
}

int
kb_manager_open(struct kb_manager **mp, struct kb_log_dirs *dirs,
    const struct kb_partition_env *env)
{
	struct kb_manager *m = calloc(1, sizeof *m);
	struct kb_part_map *map = map_new(0);

	KC_ASSERT(*mp == NULL);
	if (m == NULL || map == NULL) {
		free(m);
		free(map);
		return KC_ENOMEM;
	}
	m->dirs = dirs;
	m->env = env;
	m->broker_id = env->broker_id;
	kc_published_init(&m->map, map_ref, map_unref, map);
	*mp = m;
	return KC_OK;
}

void
kb_manager_close(struct kb_manager **mp)
{
	struct kb_manager *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	kc_published_fini(&m->map);
	free(m);
}

void
kb_manager_set_ops(struct kb_manager *m, const struct kb_manager_ops *ops)
{
	m->ops = *ops;
}

void
kb_manager_set_events(
    struct kb_manager *m, const struct kb_manager_events *events)
{
	m->events = *events;
}

const struct kb_part_map *
kb_manager_read(struct kb_manager *m, struct kc_published_slot *slot)
{
	return kc_published_read(&m->map, slot);
}

void
kb_manager_release(struct kb_manager *m, struct kc_published_slot *slot)
{
	kc_published_release(&m->map, slot);
}

int16_t
kb_manager_controller_epoch(struct kb_manager *m, int32_t epoch)
{
	if (epoch < m->controller_epoch) {
		kc_log(KC_LOG_WARN, STATE_LOGGER,
		    "[Broker id=%d] Ignoring a request of controller epoch "
		    "%d, the newest heard of is %d",
		    m->broker_id, epoch, m->controller_epoch);
		return KP_STALE_CONTROLLER_EPOCH;
	}
	m->controller_epoch = epoch;
	return KP_NONE;
}

static bool
has_id(const int32_t *v, int32_t n, int32_t id)
{
	for (int32_t i = 0; i < n; i++)
		if (v[i] == id)
			return true;
	return false;
}

/* May this hosted partition change?  replication.md 1. */
static int16_t
check_hosted(const struct kb_manager *m, struct kb_role_change *c)
{
	struct kb_partition *p = c->part;
	struct kc_uuid id;

	if (kb_log_offline(p->log))
		return KP_KAFKA_STORAGE_ERROR;
	kb_log_topic_id(p->log, &id);
	if (!kc_uuid_is_zero(&id) && !kc_uuid_is_zero(&c->topic_id) &&
	    !kc_uuid_eq(&id, &c->topic_id))
		return KP_INCONSISTENT_TOPIC_ID;
	if (c->st.leader_epoch < p->leader_epoch)
		return KP_STALE_CONTROLLER_EPOCH;
	if (c->st.leader_epoch > p->leader_epoch)
		return has_id(c->st.replicas, c->st.nreplicas, m->broker_id) ?
		    KP_NONE :
		    KP_UNKNOWN_TOPIC_OR_PARTITION;
	/* Nothing new, but for a topic id that the log did not have yet. */
	if (kc_uuid_is_zero(&id) && !kc_uuid_is_zero(&c->topic_id))
		return kb_log_set_topic_id(p->log, &c->topic_id) == KC_OK ?
		    KP_NONE :
		    KP_KAFKA_STORAGE_ERROR;
	return KP_STALE_CONTROLLER_EPOCH;
}

/* Find or make the log and the partition upon it. */
static int16_t
host(struct kb_manager *m, struct kb_role_change *c)
{
	struct kb_log_config lc;
	struct kb_log_create create = { .topic = c->topic,
		.partition = c->index,
		.topic_id = c->topic_id,
		.config = &lc,
		.is_new = c->is_new };
	struct kb_log *log = NULL;
	struct kb_topic_config *tc;
	struct kc_uuid id;
	int rc;

	if (!has_id(c->st.replicas, c->st.nreplicas, m->broker_id))
		return KP_UNKNOWN_TOPIC_OR_PARTITION;
	kb_log_config_topic(&lc, c->tc);
	rc = kb_log_dirs_create(m->dirs, &create, &log);
	if (rc != KC_OK) {
		kc_log(KC_LOG_ERROR, LOGGER,
		    "[ReplicaManager broker=%d] Cannot create the log of "
		    "%s-%d: %s",
		    m->broker_id, c->topic, c->index, kc_strerror(rc));
		return KP_KAFKA_STORAGE_ERROR;
	}
	kb_log_topic_id(log, &id);
	if (!kc_uuid_is_zero(&id) && !kc_uuid_is_zero(&c->topic_id) &&
	    !kc_uuid_eq(&id, &c->topic_id)) {
		kc_log(KC_LOG_ERROR, STATE_LOGGER,
		    "[Broker id=%d] The log of %s-%d belongs to a topic of "
		    "that name with another id",
		    m->broker_id, c->topic, c->index);
		kb_log_put(&log);
		return KP_INCONSISTENT_TOPIC_ID;
	}
	kb_log_set_config(log, &lc);
	tc = kb_topic_config_get(c->tc);
	if (kb_partition_new(&c->part, m->env, c->topic, c->index, log, tc) !=
	    KC_OK) {
		kb_log_put(&log);
		kb_topic_config_put(&tc);
		return KP_UNKNOWN_SERVER_ERROR;
	}
	if (kc_uuid_is_zero(&id) && !kc_uuid_is_zero(&c->topic_id) &&
	    kb_log_set_topic_id(log, &c->topic_id) != KC_OK)
		return KP_KAFKA_STORAGE_ERROR;
	return KP_NONE;
}

static void
stop_copying(struct kb_manager *m, struct kb_partition *p)
{
	if (m->ops.leave != NULL)
		m->ops.leave(m->ops.arg, p);
}

/* From its leader; roles change on this thread only, so no lock to read it. */
static int
copy_from(struct kb_manager *m, struct kb_partition *p)
{
	if (m->ops.follow == NULL)
		return KC_OK;
	if (p->leader < 0 || p->leader == m->broker_id) {
		stop_copying(m, p);
		return KC_OK;
	}
	return m->ops.follow(m->ops.arg, p, p->leader, p->leader_epoch);
}

static int16_t
take_role(struct kb_manager *m, struct kb_role_change *c)
{
	struct kb_partition *p = c->part;
	int rc;

	if (c->st.leader_epoch == p->leader_epoch) /* a new topic id alone */
		return p->leading || copy_from(m, p) == KC_OK ?
		    KP_NONE :
		    KP_UNKNOWN_SERVER_ERROR;
	if (c->st.leader == m->broker_id) {
		stop_copying(m, p);
		rc = kb_partition_make_leader(p, &c->st);
	} else {
		rc = kb_partition_make_follower(p, &c->st);
		if (rc == KC_OK)
			rc = copy_from(m, p);
	}
	return rc == KC_OK ? KP_NONE : KP_KAFKA_STORAGE_ERROR;
}

static void
tell_role(struct kb_manager *m, struct kb_partition *p, int32_t leader_epoch)
{
	/* Only this thread changes it. */
	if (m->events.role != NULL)
		m->events.role(m->events.arg, p, p->leading, leader_epoch);
}

void
kb_manager_apply(struct kb_manager *m, struct kb_role_change *v, int n)
{
	struct kb_part_map *old = m->map.obj; /* only we publish */
	struct kb_part_map *map = map_copy(old, (uint32_t)n);
	uint32_t before;

	if (map == NULL) {
		for (int i = 0; i < n; i++)
			v[i].code = KP_UNKNOWN_SERVER_ERROR;
		return;
	}
	before = map->n;
	for (int i = 0; i < n; i++) {
		struct kb_role_change *c = &v[i];

		c->part = kb_part_map_find(map, kc_str(c->topic), c->index);
		if (c->part != NULL) {
			c->code = check_hosted(m, c);
			if (c->code == KP_NONE)
				c->code = take_role(m, c);
			continue;
		}
		c->code = host(m, c);
		if (c->code == KP_NONE)
			c->code = take_role(m, c);
		if (c->code == KP_NONE)
			map_put(map, c->part);
		else
			kb_partition_put(&c->part);
	}
	if (map->n != before || old->n != before)
		kc_published_set(&m->map, map);
	else
		map_unref(map);
	for (int i = 0; i < n; i++)
		if (v[i].code == KP_NONE)
			tell_role(m, v[i].part, v[i].part->leader_epoch);
}

static int16_t
stop_one(struct kb_manager *m, const struct kb_stop *s, struct kb_partition *p)
{
	if (p == NULL) /* not hosted, though the log may be here */
		return KP_NONE;
	if (!p->stopped && kb_log_offline(p->log))
		return KP_KAFKA_STORAGE_ERROR;
	if (s->leader_epoch >= 0 && s->leader_epoch < p->leader_epoch) {
		kc_log(KC_LOG_WARN, STATE_LOGGER,
		    "[Broker id=%d] Ignoring a StopReplica of leader epoch %d "
		    "for %s-%d, the current is %d",
		    m->broker_id, s->leader_epoch, p->topic, p->index,
		    p->leader_epoch);
		return KP_FENCED_LEADER_EPOCH;
	}
	stop_copying(m, p);
	kb_partition_stop(p); /* its readers end with code 6 */
	return KP_NONE;
}

static int16_t
delete_log(struct kb_manager *m, const struct kb_stop *s)
{
	char name[256];
	int rc;

	if (s->topic.len < 0 || (size_t)s->topic.len >= sizeof name)
		return KP_INVALID_TOPIC_EXCEPTION;
	memcpy(name, s->topic.p, (size_t)s->topic.len);
	name[s->topic.len] = '\0';
	rc = kb_log_dirs_delete(m->dirs, name, s->index);
	return rc == KC_OK || rc == KC_ENOENT ? KP_NONE :
						KP_KAFKA_STORAGE_ERROR;
}

void
kb_manager_stop(struct kb_manager *m, struct kb_stop *v, int n)
{
	struct kb_part_map *map;
	bool leave = false;

	for (int i = 0; i < n; i++) {
		struct kb_partition *p =
		    kb_part_map_find(m->map.obj, v[i].topic, v[i].index);

		v[i].code = stop_one(m, &v[i], p);
		if (p != NULL && v[i].code == KP_NONE)
			tell_role(m, p, v[i].leader_epoch);
		if (p != NULL && v[i].remove && v[i].code == KP_NONE)
			leave = p->leaving = true;
	}
	if (leave && (map = map_copy(m->map.obj, 0)) != NULL)
		kc_published_set(&m->map, map); /* else they stay, stopped */
	for (int i = 0; i < n; i++)
		if (v[i].remove && v[i].code == KP_NONE)
			v[i].code = delete_log(m, &v[i]);
}

void
kb_manager_each(struct kb_manager *m,
    void (*fn)(void *arg, struct kb_partition *p), void *arg)
{
	struct kb_part_map *map = kc_published_get(&m->map);

	for (uint32_t i = 0; i <= map->mask; i++)
		if (map->slots[i] != NULL)
			fn(arg, map->slots[i]);
	map_unref(map);
}

static void
wake_if_offline(void *arg KC_UNUSED, struct kb_partition *p)
{
	if (!kb_log_offline(p->log))
		return;
	kc_lock_take(&p->lock);
	kb_waitlist_wake(&p->waiters);
	kc_lock_drop(&p->lock);
}

void
kb_manager_wake_offline(struct kb_manager *m)
{
	kb_manager_each(m, wake_if_offline, NULL);
}
