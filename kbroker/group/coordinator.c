/* Shards, roles, timers, and what members ask. */
#include "kbroker/group/coordinator.h"

#include "kbroker/group/coord_priv.h"
#include "kbroker/locks.h"
#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/compress/compress.h"
#include "kcommon/proto/error.h"

#include <stdlib.h>

#define NEVER INT64_MAX
/* Bytes of one batch that we write; the topic's own limit is lower. */
#define BATCH_MAX (128 << 20)

struct kb_now
kb_coord_now(const struct kb_coord *c)
{
	return (struct kb_now){ .mono_ms = kc_mono_ms(c->env->clock),
		.wall_ms = kc_wall_ms(c->env->clock) };
}

/* --- the table of shards -------------------------------------------------- */

struct kb_shard *
kb_coord_shard(struct kb_coord *c, int32_t partition)
{
	struct kb_shard *s = NULL;

	kc_lock_take(&c->lock);
	if (partition >= 0 && partition < c->nshards)
		s = c->shards[partition];
	kc_lock_drop(&c->lock);
	return s;
}

static struct kb_shard *
shard_new(struct kb_coord *c, int32_t index)
{
	struct kb_shard *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	if (c->config.codec != KC_CODEC_NONE &&
	    kc_compress_ctx_open(&s->compress) != KC_OK) {
		free(s);
		return NULL;
	}
	s->coord = c;
	s->index = index;
	s->epoch = -1;
	kc_lock_init(&s->lock, LK_GROUP, "groups");
	kc_wr_init(&s->batch, BATCH_MAX);
	kc_wr_init(&s->record, BATCH_MAX);
	s->waiter.wake = kb_shard_wake_waiter;
	s->waiter.arg = s;
	s->wake.fn = kb_shard_wake;
	atomic_init(&s->woken, false);
	kc_timer_init(&s->timer, kb_shard_timeout);
	return s;
}

static void
shard_free(struct kb_shard *s)
{
	if (s == NULL)
		return;
	KC_ASSERT(s->groups == NULL && s->writes == NULL && s->part == NULL);
	kc_compress_ctx_close(&s->compress);
	kc_wr_fini(&s->batch);
	kc_wr_fini(&s->record);
	kc_lock_fini(&s->lock);
	free(s);
}

/* Find or make; NULL when out of memory.  @thread control */
static struct kb_shard *
shard_get(struct kb_coord *c, int32_t index)
{
	struct kb_shard *s = kb_coord_shard(c, index);
	struct kb_shard **v;
	int32_t n = index + 1;

	if (s != NULL || (s = shard_new(c, index)) == NULL)
		return s;
	kc_lock_take(&c->lock);
	if (n > c->nshards) {
		v = reallocarray(c->shards, (size_t)n, sizeof(*v));
		if (v == NULL) {
			kc_lock_drop(&c->lock);
			shard_free(s);
			return NULL;
		}
		while (c->nshards < n)
			v[c->nshards++] = NULL;
		c->shards = v;
	}
	c->shards[index] = s;
	kc_lock_drop(&c->lock);
	return s;
}

void
kb_coord_set_partitions(struct kb_coord *c, int32_t n)
{
	int none = 0;

	if (n > 0)
		(void)atomic_compare_exchange_strong(&c->partitions, &none, n);
}

int32_t
kb_coord_partition_of(struct kb_coord *c, struct kc_str group)
{
	int32_t hash = kc_str_java_hash(group);
	int32_t n = atomic_load(&c->partitions);

	if (n == 0)
		n = c->config.partitions;
	return (hash == INT32_MIN ? 0 : abs(hash)) % n; /* Utils.abs */
}

int16_t
kb_coord_enter(struct kb_coord *c, struct kc_str group, struct kb_shard **sp)
{
	struct kb_shard *s = kb_coord_shard(c, kb_coord_partition_of(c, group));
	int16_t code = KP_NOT_COORDINATOR;

	if (s == NULL)
		return KP_NOT_COORDINATOR;
	kc_lock_take(&s->lock);
	switch (s->state) {
	case KB_SHARD_OWNED:
		*sp = s;
		return KP_NONE;
	case KB_SHARD_LOADING:
		code = KP_COORDINATOR_LOAD_IN_PROGRESS;
		break;
	case KB_SHARD_FAILED:
		code = KP_COORDINATOR_NOT_AVAILABLE;
		break;
	case KB_SHARD_ELSEWHERE:
		break;
	}
	kc_lock_drop(&s->lock);
	return code;
}

/* --- groups of a shard ---------------------------------------------------- */

static void on_arm(struct kc_task *task);
static void on_timer(struct kc_timer *timer);

struct kb_group *
kb_shard_find(struct kb_shard *s, struct kc_str group)
{
	struct kb_group *grp = NULL;

	HASH_FIND(hh, s->groups, group.p, (unsigned)group.len, grp);
	return grp;
}

void
kb_shard_adopt(struct kb_shard *s, struct kb_group *grp)
{
	grp->shard = s;
	grp->arm.fn = on_arm;
	grp->armed_ms = NEVER;
	grp->told_state = grp->state;
	grp->told_generation = grp->generation;
	kc_timer_init(&grp->timer, on_timer);
	HASH_ADD_KEYPTR(hh, s->groups, grp->id.p, (unsigned)grp->id.len, grp);
}

struct kb_group *
kb_shard_make(struct kb_shard *s, struct kc_str group, struct kb_now now)
{
	struct kb_group *grp = NULL;

	if (kb_group_new(&grp, group, &s->coord->config.group, now.wall_ms) !=
	    KC_OK)
		return NULL;
	kb_shard_adopt(s, grp);
	return grp;
}

static void
post_arm(struct kb_group *grp)
{
	if (grp->arming)
		return;
	grp->arming = true;
	kc_loop_post(grp->shard->coord->loop, &grp->arm);
}

void
kb_shard_forget(struct kb_shard *s, struct kb_group *grp, int16_t code,
    struct kb_group_out *out)
{
	kb_group_kill(grp, code, out);
	HASH_DELETE(hh, s->groups, grp);
	grp->gone = true;
	atomic_fetch_add(&s->coord->lingering, 1);
	post_arm(grp);
}

static void
arm(struct kb_group *grp)
{
	if (grp->gone || grp->due_ms >= grp->armed_ms)
		return;
	grp->armed_ms = grp->due_ms;
	post_arm(grp);
}

static void
on_arm(struct kc_task *task)
{
	struct kb_group *grp = KC_CONTAINER(task, struct kb_group, arm);
	struct kb_shard *s = grp->shard;
	struct kc_loop *loop = s->coord->loop;
	int64_t due_ms;
	bool gone;

	kc_lock_take(&s->lock);
	grp->arming = false;
	gone = grp->gone;
	due_ms = grp->armed_ms;
	kc_lock_drop(&s->lock);
	if (gone) {
		kc_timer_cancel(loop, &grp->timer);
		kb_group_free(&grp);
		atomic_fetch_sub(&s->coord->lingering, 1);
	} else if (due_ms != NEVER) {
		kc_timer_set(loop, &grp->timer, due_ms);
	}
}

static void
on_timer(struct kc_timer *timer)
{
	struct kb_group *grp = KC_CONTAINER(timer, struct kb_group, timer);
	struct kb_shard *s = grp->shard;
	struct kb_now now = kb_coord_now(s->coord);
	struct kb_finished f = { 0 };

	kc_lock_take(&s->lock);
	if (!grp->gone) {
		grp->armed_ms = NEVER;
		kb_group_tick(grp, now, &f.out);
		kb_shard_settle(s, grp, &f, now);
	}
	kc_lock_drop(&s->lock);
	(void)kb_finished_run(&f, NULL);
}

/* The group's record, and what its outcome leads to when that is known. */
static void
store(struct kb_shard *s, struct kb_group *grp, struct kb_finished *f,
    struct kb_now now)
{
	struct kb_write where = { .store = f->out.store };
	struct kb_writing w;
	int16_t code;

	f->out.store = (struct kb_group_store){ 0 };
	kb_writing_open(s, &w, now.wall_ms, -1, -1);
	kb_writing_group(s, &w, grp, false);
	code = kb_writing_append(s, &w, s->coord->config.acks, &where);
	if (code == KP_NONE) {
		where.group = grp->id;
		code = kb_shard_await(s, &where, now);
	}
	if (code == KB_PARTITION_PENDING)
		return;
	if (code != KP_NONE)
		kc_log(KC_LOG_WARN, KB_META_LOGGER,
		    "Cannot write the record of a group to "
		    "__consumer_offsets-%d: %s",
		    s->index, kp_error_name(code));
	kb_group_stored(grp, &where.store, kb_store_code(code), now, &f->out);
}

/* The lines of a group's life that people look for in Kafka's log. */
static void
tell(struct kb_shard *s, struct kb_group *grp)
{
	char id[128], leader[160];

	if (grp->state == grp->told_state &&
	    grp->generation == grp->told_generation)
		return;
	grp->told_state = grp->state;
	grp->told_generation = grp->generation;
	if (!kc_log_on(KC_LOG_INFO, KB_COORD_LOGGER))
		return;
	kc_str_esc(grp->id, id, sizeof id);
	switch (grp->state) {
	case KB_GROUP_PREPARING:
		kc_log(KC_LOG_INFO, KB_COORD_LOGGER,
		    "Preparing to rebalance group %s in state "
		    "PreparingRebalance with old generation %d "
		    "(__consumer_offsets-%d)",
		    id, grp->generation, s->index);
		break;
	case KB_GROUP_COMPLETING:
		kc_log(KC_LOG_INFO, KB_COORD_LOGGER,
		    "Stabilized group %s generation %d "
		    "(__consumer_offsets-%d) with %u members",
		    id, grp->generation, s->index, HASH_COUNT(grp->members));
		break;
	case KB_GROUP_STABLE:
		kc_log(KC_LOG_INFO, KB_COORD_LOGGER,
		    "Assignment received from leader %s for group %s for "
		    "generation %d. The group has %u members, %u of which are "
		    "static.",
		    kc_str_esc(grp->leader, leader, sizeof leader), id,
		    grp->generation, HASH_COUNT(grp->members),
		    HASH_CNT(hh_instance, grp->statics));
		break;
	case KB_GROUP_EMPTY:
		kc_log(KC_LOG_INFO, KB_COORD_LOGGER,
		    "Group %s with generation %d is now empty "
		    "(__consumer_offsets-%d)",
		    id, grp->generation, s->index);
		break;
	case KB_GROUP_DEAD:
		break;
	}
}

void
kb_shard_settle(struct kb_shard *s, struct kb_group *grp, struct kb_finished *f,
    struct kb_now now)
{
	while (f->out.store.kind != KB_STORE_NONE)
		store(s, grp, f, now);
	tell(s, grp);
	arm(grp);
}

bool
kb_finished_run(struct kb_finished *f, const struct kb_group_wait *skip)
{
	struct kb_group_wait *w = f->out.done;
	struct kb_commit *cm = f->commits;
	bool among = false;

	while (w != NULL) {
		struct kb_group_wait *next = w->next;

		if (w == skip)
			among = true;
		else
			w->done(w);
		w = next;
	}
	while (cm != NULL) {
		struct kb_commit *next = cm->next;

		cm->done(cm);
		cm = next;
	}
	return among;
}

/* --- roles ---------------------------------------------------------------- */

void
kb_coord_elected(
    struct kb_coord *c, struct kb_partition *p, int32_t leader_epoch)
{
	struct kb_shard *s = shard_get(c, p->index);
	bool load = false;

	if (s == NULL) {
		kc_log(KC_LOG_ERROR, KB_META_LOGGER,
		    "Out of memory: the groups of __consumer_offsets-%d are "
		    "not served",
		    p->index);
		return;
	}
	kc_lock_take(&s->lock);
	if (leader_epoch > s->epoch && !atomic_load(&c->stopping)) {
		s->epoch = leader_epoch;
		/* Still ours in a newer epoch: nothing has changed. */
		load = s->state == KB_SHARD_ELSEWHERE ||
		    s->state == KB_SHARD_FAILED;
	}
	if (load) {
		s->state = KB_SHARD_LOADING;
		s->term++;
		kb_partition_put(&s->part);
		s->part = kb_partition_get(p);
	}
	kc_lock_drop(&s->lock);
	if (load)
		kb_coord_load(c, s);
}

static void
resign(struct kb_shard *s)
{
	struct kb_now now = kb_coord_now(s->coord);
	struct kb_finished f = { 0 };
	struct kb_group *grp, *tmp;
	unsigned n;

	kc_lock_take(&s->lock);
	n = HASH_COUNT(s->groups);
	if (s->state != KB_SHARD_ELSEWHERE && !atomic_load(&s->coord->stopping))
		kc_log(KC_LOG_INFO, KB_META_LOGGER,
		    "Resigned as the group coordinator for partition %d in "
		    "epoch %d: unloading %u groups",
		    s->index, s->epoch, n);
	s->state = KB_SHARD_ELSEWHERE;
	s->term++;
	HASH_ITER(hh, s->groups, grp, tmp)
		kb_shard_forget(s, grp, KP_NOT_COORDINATOR, &f.out);
	kb_shard_fail_writes(s, KP_NOT_LEADER_OR_FOLLOWER, now, &f);
	kb_partition_put(&s->part);
	kc_lock_drop(&s->lock);
	(void)kb_finished_run(&f, NULL);
}

void
kb_coord_resigned(struct kb_coord *c, int32_t partition, int32_t leader_epoch)
{
	struct kb_shard *s = kb_coord_shard(c, partition);
	bool newer;

	if (s == NULL)
		return;
	kc_lock_take(&s->lock);
	newer = leader_epoch < 0 || leader_epoch >= s->epoch;
	if (newer && leader_epoch >= 0)
		s->epoch = leader_epoch;
	kc_lock_drop(&s->lock);
	/* Roles change on one thread: nothing comes between. */
	if (newer)
		resign(s);
}

/* --- members -------------------------------------------------------------- */

/* Without a group: the answer is there at once. */
static bool
refuse(struct kb_group_wait *w, int16_t code, struct kc_str member_id)
{
	struct kb_group_out out = { 0 };

	kb_group_refuse(w, code, member_id, &out);
	return true;
}

bool
kb_coord_join(struct kb_coord *c, struct kc_str group, const struct kb_join *j)
{
	const struct kb_group_params *p = &c->config.group;
	struct kb_now now = kb_coord_now(c);
	struct kb_finished f = { 0 };
	struct kb_shard *s;
	struct kb_group *grp;
	int16_t code;

	if (group.len <= 0)
		return refuse(j->wait, KP_INVALID_GROUP_ID, j->member_id);
	code = kb_coord_enter(c, group, &s);
	if (code != KP_NONE)
		return refuse(j->wait, code, j->member_id);
	if (j->session_ms < p->session_min_ms ||
	    j->session_ms > p->session_max_ms) {
		kc_lock_drop(&s->lock);
		return refuse(
		    j->wait, KP_INVALID_SESSION_TIMEOUT, j->member_id);
	}
	grp = kb_shard_find(s, group);
	code = KP_UNKNOWN_MEMBER_ID;
	if (grp == NULL && j->member_id.len <= 0) {
		grp = kb_shard_make(s, group, now);
		code = KP_UNKNOWN_SERVER_ERROR;
	}
	if (grp == NULL) {
		kc_lock_drop(&s->lock);
		return refuse(j->wait, code, j->member_id);
	}
	kb_group_join(grp, j, now, &f.out);
	kb_shard_settle(s, grp, &f, now);
	kc_lock_drop(&s->lock);
	return kb_finished_run(&f, j->wait);
}

bool
kb_coord_sync(
    struct kb_coord *c, struct kc_str group, const struct kb_sync *sync)
{
	struct kb_now now = kb_coord_now(c);
	struct kb_finished f = { 0 };
	struct kb_shard *s;
	struct kb_group *grp;
	int16_t code;

	if (group.len <= 0)
		return refuse(sync->wait, KP_INVALID_GROUP_ID, KC_STR_NULL);
	code = kb_coord_enter(c, group, &s);
	/* The generation is not known yet: the client is to join again. */
	if (code == KP_COORDINATOR_LOAD_IN_PROGRESS)
		code = KP_REBALANCE_IN_PROGRESS;
	if (code != KP_NONE)
		return refuse(sync->wait, code, KC_STR_NULL);
	if ((grp = kb_shard_find(s, group)) == NULL) {
		kc_lock_drop(&s->lock);
		return refuse(sync->wait, KP_UNKNOWN_MEMBER_ID, KC_STR_NULL);
	}
	kb_group_sync(grp, sync, now, &f.out);
	kb_shard_settle(s, grp, &f, now);
	kc_lock_drop(&s->lock);
	return kb_finished_run(&f, sync->wait);
}

int16_t
kb_coord_heartbeat(struct kb_coord *c, struct kc_str group, int32_t generation,
    struct kc_str member_id, struct kc_str instance_id)
{
	struct kb_shard *s;
	struct kb_group *grp;
	int16_t code;

	if (group.len <= 0)
		return KP_INVALID_GROUP_ID;
	code = kb_coord_enter(c, group, &s);
	/* A member that was there before need not hear of the load. */
	if (code == KP_COORDINATOR_LOAD_IN_PROGRESS)
		return KP_NONE;
	if (code != KP_NONE)
		return code;
	grp = kb_shard_find(s, group);
	code = grp == NULL ? KP_UNKNOWN_MEMBER_ID :
			     kb_group_heartbeat(grp, generation, member_id,
				 instance_id, kb_coord_now(c));
	if (grp != NULL)
		arm(grp);
	kc_lock_drop(&s->lock);
	return code;
}

int16_t
kb_coord_leave(
    struct kb_coord *c, struct kc_str group, struct kb_leaver *v, int32_t n)
{
	struct kb_now now = kb_coord_now(c);
	struct kb_finished f = { 0 };
	struct kb_shard *s;
	struct kb_group *grp;
	int16_t code;

	if (group.len <= 0)
		return KP_INVALID_GROUP_ID;
	if ((code = kb_coord_enter(c, group, &s)) != KP_NONE)
		return code;
	grp = kb_shard_find(s, group);
	for (int32_t i = 0; i < n; i++) {
		v[i].code = KP_UNKNOWN_MEMBER_ID;
		if (grp == NULL)
			continue;
		v[i].code = kb_group_leave(
		    grp, v[i].member_id, v[i].instance_id, now, &f.out);
		kb_shard_settle(s, grp, &f, now);
	}
	kc_lock_drop(&s->lock);
	(void)kb_finished_run(&f, NULL);
	return KP_NONE;
}

/* --- life ----------------------------------------------------------------- */

static void
on_expire(struct kc_timer *timer)
{
	struct kb_coord *c = KC_CONTAINER(timer, struct kb_coord, expire);

	kb_coord_expire(c);
	kc_timer_set(
	    c->loop, timer, kc_loop_now_ms(c->loop) + c->config.check_ms);
}

static void
run(void *arg)
{
	struct kb_coord *c = arg;

	kc_timer_init(&c->expire, on_expire);
	kc_timer_set(c->loop, &c->expire,
	    kc_mono_ms(c->env->clock) + c->config.check_ms);
	(void)kc_loop_run(c->loop);
}

int
kb_coord_open(struct kb_coord **cp, const struct kc_env *env,
    const struct kb_coord_config *config)
{
	struct kb_coord *c = kc_new(struct kb_coord, KB_COORD_MAGIC);
	int rc;

	KC_ASSERT(*cp == NULL);
	if (c == NULL)
		return KC_ENOMEM;
	c->env = env;
	c->config = *config;
	atomic_init(&c->partitions, 0);
	atomic_init(&c->lingering, 0);
	atomic_init(&c->stopping, false);
	kc_lock_init(&c->lock, 0, "shards");
	*cp = c;
	if ((rc = kc_loop_open(&c->loop, env, "group")) == KC_OK)
		rc = kc_thread_start(&c->thread, "group", run, c);
	if (rc != KC_OK)
		kb_coord_close(cp);
	return rc;
}

void
kb_coord_stop(struct kb_coord *c)
{
	atomic_store(&c->stopping, true);
	for (int32_t i = 0;; i++) {
		struct kb_shard *s = kb_coord_shard(c, i);

		if (s != NULL)
			resign(s);
		kc_lock_take(&c->lock);
		if (i >= c->nshards) {
			kc_lock_drop(&c->lock);
			return;
		}
		kc_lock_drop(&c->lock);
	}
}

void
kb_coord_close(struct kb_coord **cp)
{
	struct kb_coord *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	kb_coord_stop(c);
	if (c->thread != NULL) {
		kc_loop_stop(c->loop);
		kc_thread_join(&c->thread);
	}
	/* This thread is the only one now, but for a load under way. */
	while (c->loop != NULL && atomic_load(&c->lingering) > 0)
		(void)kc_loop_step(c->loop, 0);
	if (c->loop != NULL)
		kc_loop_close(&c->loop);
	for (int32_t i = 0; i < c->nshards; i++)
		shard_free(c->shards[i]);
	free(c->shards);
	kc_lock_fini(&c->lock);
	kc_delete(c);
}
