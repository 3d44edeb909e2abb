/*
 * The coordinator over a real log: what waits for replicas, what is found
 * again after a load, what comes of roles that change.
 *
 * It has a thread of its own and real time, so the tests wait for what they
 * want to see, never for a time to pass.
 */
#include "kbroker/group/coordinator.h"

#include "kcommon/base/err.h"
#include "kcommon/proto/error.h"
#include "kcommon/record/build.h"
#include "tests/unit/replica/world.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define G KC_STR_LIT("g")
#define T KC_STR_LIT("topic")
#define LIMIT_MS 10000

static const int32_t me[] = { 1 }, both[] = { 1, 2 };

static struct kt_hosts h;
static struct kc_env env;
static struct kb_partition *p;
static struct kb_coord *c;
static struct kb_coord_config config;
static struct kc_arena arena;

static void
nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

#define UNTIL(cond)                                                            \
	do {                                                                   \
		int left_ = LIMIT_MS;                                          \
		while (!(cond) && left_-- > 0)                                 \
			nap();                                                 \
		cr_assert(left_ > 0, "never: %s", #cond);                      \
	} while (0)

static void
lead(int32_t epoch, const int32_t *isr, int32_t nisr)
{
	struct kb_leader_state st = kt_state(KT_ME, epoch, isr, nisr, nisr);

	cr_assert_eq(kb_partition_make_leader(p, &st), KC_OK);
}

static int16_t
state(const char *name)
{
	struct kb_group_info info;
	int16_t code = kb_coord_describe(c, G, &arena, &info);

	if (code == KP_NONE)
		cr_assert_str_eq(info.state, name);
	return code;
}

static bool
loaded(void)
{
	struct kb_group_info info;

	return kb_coord_describe(c, G, &arena, &info) !=
	    KP_COORDINATOR_LOAD_IN_PROGRESS;
}

static void
open_coord(int32_t epoch)
{
	cr_assert_eq(kb_coord_open(&c, &env, &config), KC_OK);
	kb_coord_elected(c, p, epoch);
	UNTIL(loaded());
}

/* As after a restart: all that is known comes from the log. */
static void
reopen(void)
{
	kb_coord_close(&c);
	open_coord(1);
}

static void
setup(void)
{
	p = NULL;
	c = NULL;
	kt_hosts_open(&h);
	kt_alive(&h, both, 2);
	env = h.w.env;
	env.clock = &kc_clock_system;
	p = kt_partition(&h, "min.insync.replicas=1\n");
	lead(1, me, 1);
	kc_arena_init(&arena, 16 << 20);
	config = (struct kb_coord_config){
		.group = { .session_min_ms = 10,
		    .session_max_ms = 1800000,
		    .initial_delay_ms = 0,
		    .size_max = INT32_MAX },
		.partitions = 1,
		.acks = -1,
		.timeout_ms = 60000,
		.load_buffer = 256, /* many slices */
		.metadata_max = 4096,
		.retention_ms = 100000000,
		.check_ms = 100000000,
	};
}

static void
teardown(void)
{
	kb_coord_close(&c);
	kb_partition_put(&p);
	kc_arena_fini(&arena);
	kt_hosts_close(&h);
}

TestSuite(kb_coord, .init = setup, .fini = teardown);

/* --- commits ---------------------------------------------------------------
 */

struct committing {
	struct kb_commit cm;
	struct kb_commit_item item;
	atomic_int done;
};

static void
committed(struct kb_commit *cm)
{
	atomic_fetch_add(&KC_CONTAINER(cm, struct committing, cm)->done, 1);
}

/* Partition 0 of T, by nobody in the group. */
static bool
commit(struct committing *ct, int64_t offset, int64_t producer_id)
{
	memset(ct, 0, sizeof *ct);
	ct->item.topic = T;
	ct->item.value = (struct kb_offset_value){ .offset = offset,
		.leader_epoch = 3,
		.metadata = KC_STR_LIT("note"),
		.commit_ms = 1,
		.expire_ms = -1 };
	ct->cm = (struct kb_commit){ .group = G,
		.generation = -1,
		.member_id = KC_STR_LIT(""),
		.instance_id = KC_STR_NULL,
		.producer_id = producer_id,
		.v = &ct->item,
		.n = 1,
		.done = committed };
	if (producer_id >= 0)
		cr_assert_eq(kb_log_verify_start(
				 p->log, producer_id, 0, 0, &ct->cm.guard),
		    KC_OK);
	return kb_coord_commit(c, &ct->cm);
}

static void
commit_ok(int64_t offset)
{
	struct committing ct;

	cr_assert(commit(&ct, offset, -1));
	cr_assert_eq(ct.item.code, KP_NONE);
}

static int64_t
offset_now(void)
{
	struct kb_offset_query_item it = { .topic = T };
	struct kb_offset_query q = {
		.group = G, .arena = &arena, .v = &it, .n = 1
	};
	int16_t code = kb_coord_offsets(c, &q);

	cr_assert_eq(code, KP_NONE, "code %d", code);
	if (it.offset >= 0)
		cr_assert(
		    kc_str_eqz(it.metadata, "note") && it.leader_epoch == 3);
	return it.offset;
}

/* The follower has fetched all there is. */
static void
follower_catches_up(void)
{
	struct kb_partition_read r = {
		.rd = { .offset = kb_log_end(p->log),
		    .max_bytes = 1000,
		    .isolation = KB_READ_END },
		.leader_epoch = -1,
		.last_fetched_epoch = -1,
		.replica_id = 2,
		.note = true,
		.broker_epoch = -1,
	};

	cr_assert_eq(kb_partition_read(p, &r), KP_NONE);
	kb_log_slice_fini(&r.slice);
}

Test(kb_coord, commit_waits_for_replicas)
{
	struct committing a, b;

	lead(2, both, 2);
	open_coord(2);
	cr_assert_not(commit(&a, 5, -1));
	cr_assert_not(commit(&b, 7, -1));
	cr_assert_eq(offset_now(), -1); /* not seen before it is committed */
	cr_assert_eq(atomic_load(&a.done), 0);
	follower_catches_up();
	UNTIL(atomic_load(&a.done) == 1 && atomic_load(&b.done) == 1);
	cr_assert(a.item.code == KP_NONE && b.item.code == KP_NONE);
	cr_assert_eq(offset_now(), 7);
}

Test(kb_coord, commit_times_out)
{
	struct committing a;

	config.timeout_ms = 20;
	lead(2, both, 2);
	open_coord(2);
	cr_assert_not(commit(&a, 5, -1));
	UNTIL(atomic_load(&a.done) == 1);
	cr_assert_eq(a.item.code, KP_REQUEST_TIMED_OUT);
	cr_assert_eq(offset_now(), -1);
}

Test(kb_coord, leadership_is_lost_under_a_commit)
{
	struct kb_leader_state st = kt_state(2, 3, both, 2, 2);
	struct committing a, b;

	lead(2, both, 2);
	open_coord(2);
	cr_assert_not(commit(&a, 5, -1));
	cr_assert_eq(kb_partition_make_follower(p, &st), KC_OK);
	kb_coord_resigned(c, 0, 3);
	UNTIL(atomic_load(&a.done) == 1);
	cr_assert_eq(a.item.code, KP_NOT_COORDINATOR);
	cr_assert(commit(&b, 5, -1));
	cr_assert_eq(b.item.code, KP_NOT_COORDINATOR);
}

Test(kb_coord, commit_is_refused)
{
	struct committing a;
	char *big = malloc(5000);

	memset(big, 'x', 5000);
	open_coord(1);
	(void)commit(&a, 1, -1);
	a.item.code = KP_NONE;
	a.item.value.metadata = (struct kc_str){ big, 5000 };
	cr_assert(kb_coord_commit(c, &a.cm));
	cr_assert_eq(a.item.code, KP_OFFSET_METADATA_TOO_LARGE);
	a.item.code = KP_NONE;
	a.cm.generation = 3;
	a.cm.group = KC_STR_LIT("unknown");
	cr_assert(kb_coord_commit(c, &a.cm));
	cr_assert_eq(a.item.code, KP_ILLEGAL_GENERATION);
	free(big);
}

/* --- members ---------------------------------------------------------------
 */

struct asking {
	struct kb_group_wait w;
	struct kc_arena arena;
	atomic_int done;
};

static void
answered(struct kb_group_wait *w)
{
	atomic_fetch_add(&KC_CONTAINER(w, struct asking, w)->done, 1);
}

static bool
join(struct asking *a, const char *member)
{
	struct kb_member_protocol range = { KC_STR_LIT("range"),
		KC_STR_LIT("meta") };
	struct kb_join j = { .member_id = kc_str(member),
		.instance_id = KC_STR_NULL,
		.new_id = KC_STR_LIT("m"),
		.client_id = KC_STR_LIT("c"),
		.client_host = KC_STR_LIT("/h"),
		.protocol_type = KC_STR_LIT("consumer"),
		.protocols = &range,
		.nprotocols = 1,
		.session_ms = 60000,
		.rebalance_ms = 60000,
		.wait = &a->w };

	memset(a, 0, sizeof *a);
	kc_arena_init(&a->arena, 1 << 20);
	a->w.arena = &a->arena;
	a->w.done = answered;
	return kb_coord_join(c, G, &j);
}

static void
sync_group(const char *member, int32_t generation)
{
	struct kb_sync_assignment mine = { kc_str(member), KC_STR_LIT("all") };
	struct asking a = { .w.done = answered };
	struct kb_sync s = { .member_id = kc_str(member),
		.instance_id = KC_STR_NULL,
		.protocol_type = KC_STR_NULL,
		.protocol_name = KC_STR_NULL,
		.generation = generation,
		.assignments = &mine,
		.nassignments = 1,
		.wait = &a.w };

	kc_arena_init(&a.arena, 1 << 20);
	a.w.arena = &a.arena;
	cr_assert(kb_coord_sync(c, G, &s));
	cr_assert_eq(a.w.code, KP_NONE);
	cr_assert(kc_str_eqz(a.w.assignment, "all"));
	kc_arena_fini(&a.arena);
}

Test(kb_coord, a_generation_survives)
{
	struct asking a;
	struct kb_group_info info;

	open_coord(1);
	cr_assert_not(join(&a, ""));
	UNTIL(atomic_load(&a.done) == 1);
	cr_assert_eq(a.w.code, KP_NONE);
	sync_group("m", 1);

	reopen();
	cr_assert_eq(
	    kb_coord_heartbeat(c, G, 1, KC_STR_LIT("m"), KC_STR_NULL), KP_NONE);
	cr_assert_eq(kb_coord_describe(c, G, &arena, &info), KP_NONE);
	cr_assert_str_eq(info.state, "Stable");
	cr_assert_eq(info.nmembers, 1);
	cr_assert(kc_str_eqz(info.members[0].assignment, "all") &&
	    kc_str_eqz(info.members[0].metadata, "meta"));
	sync_group("m", 1);
	kc_arena_fini(&a.arena);
}

Test(kb_coord, a_join_hears_of_the_resignation)
{
	struct asking a, b;

	config.group.initial_delay_ms = 60000;
	open_coord(1);
	cr_assert_not(join(&a, ""));
	kb_coord_resigned(c, 0, 0); /* late: of an older epoch */
	cr_assert_eq(state("PreparingRebalance"), KP_NONE);
	kb_coord_resigned(c, 0, 2);
	UNTIL(atomic_load(&a.done) == 1);
	cr_assert_eq(a.w.code, KP_NOT_COORDINATOR);
	kb_coord_elected(c, p, 1); /* late too */
	cr_assert_eq(state(""), KP_NOT_COORDINATOR);
	cr_assert(join(&b, ""));
	cr_assert_eq(b.w.code, KP_NOT_COORDINATOR);
	kb_coord_elected(c, p, 3);
	UNTIL(loaded());
	cr_assert_eq(state("Dead"), KP_NONE);
	kc_arena_fini(&a.arena);
	kc_arena_fini(&b.arena);
}

/* In a newer epoch of our own nothing is loaded again. */
Test(kb_coord, elected_again)
{
	struct asking a;

	config.group.initial_delay_ms = 60000;
	open_coord(1);
	cr_assert_not(join(&a, ""));
	kb_coord_elected(c, p, 2);
	cr_assert_eq(state("PreparingRebalance"), KP_NONE);
	kb_coord_stop(c);
	cr_assert_eq(atomic_load(&a.done), 1);
	kc_arena_fini(&a.arena);
}

/* --- what is found again ----------------------------------------------------
 */

Test(kb_coord, offsets_survive)
{
	open_coord(1);
	cr_assert_eq(offset_now(), -1);
	for (int i = 1; i <= 50; i++)
		commit_ok(i);
	cr_assert_eq(offset_now(), 50);
	reopen();
	cr_assert_eq(offset_now(), 50);
	cr_assert_eq(state("Empty"), KP_NONE);
}

Test(kb_coord, deleted_stays_deleted)
{
	struct kb_offset_delete d = { .topic = T };

	open_coord(1);
	cr_assert_eq(
	    kb_coord_delete_offsets(c, G, &d, 1), KP_GROUP_ID_NOT_FOUND);
	commit_ok(5);
	cr_assert_eq(kb_coord_delete_offsets(c, G, &d, 1), KP_NONE);
	cr_assert_eq(offset_now(), -1);
	reopen();
	cr_assert_eq(offset_now(), -1);
	commit_ok(6);
	cr_assert_eq(kb_coord_delete(c, G), KP_NONE);
	cr_assert_eq(kb_coord_delete(c, G), KP_GROUP_ID_NOT_FOUND);
	reopen();
	cr_assert_eq(state("Dead"), KP_NONE);
}

Test(kb_coord, topics_deleted)
{
	struct kb_meta_tp v[] = { { KC_STR_LIT("other"), 0 }, { T, 0 } };

	open_coord(1);
	commit_ok(5);
	kb_coord_topics_deleted(c, v, 1);
	kb_coord_topics_deleted(c, v, 2);
	UNTIL(offset_now() == -1);
	reopen();
	cr_assert_eq(offset_now(), -1);
}

static bool
is_dead(void)
{
	struct kb_group_info info;

	return kb_coord_describe(c, G, &arena, &info) == KP_NONE &&
	    strcmp(info.state, "Dead") == 0;
}

Test(kb_coord, expiration)
{
	open_coord(1);
	commit_ok(5);
	kb_coord_close(&c);
	config.retention_ms = 1;
	config.check_ms = 5;
	open_coord(1);
	UNTIL(is_dead() && offset_now() == -1);
	kb_coord_close(&c);
	config.check_ms = 100000000;
	open_coord(1);
	cr_assert_eq(state("Dead"), KP_NONE);
}

static void
end_txn(int64_t producer_id, bool commit_it)
{
	struct kc_marker m = { .producer_id = producer_id,
		.commit = commit_it,
		.coordinator_epoch = 1 };
	struct kb_append a = { .origin = KB_APPEND_COORDINATOR,
		.append_time = -1 };
	int64_t required;
	struct kc_wr w;

	kc_wr_init(&w, 0);
	cr_assert_eq(kc_build_marker(&m, 1, &w), KC_OK);
	a.p = w.p;
	a.len = w.len;
	cr_assert_eq(kb_partition_append(p, &a, -1, &required), KP_NONE);
	kc_wr_fini(&w);
}

static bool
unstable(void)
{
	struct kb_offset_query_item it = { .topic = T };
	struct kb_offset_query q = { .group = G,
		.require_stable = true,
		.arena = &arena,
		.v = &it,
		.n = 1 };

	cr_assert_eq(kb_coord_offsets(c, &q), KP_NONE);
	return it.code == KP_UNSTABLE_OFFSET_COMMIT;
}

Test(kb_coord, transactions)
{
	struct committing a;

	open_coord(1);
	commit_ok(1);
	cr_assert(commit(&a, 5, 70));
	cr_assert_eq(a.item.code, KP_NONE);
	cr_assert(unstable());
	cr_assert_eq(offset_now(), 1);
	reopen(); /* it is still open then */
	cr_assert(unstable());
	end_txn(70, false);
	kb_coord_txn_ended(c, 0, 70, false);
	cr_assert_not(unstable());
	cr_assert(commit(&a, 6, 71));
	end_txn(71, true);
	kb_coord_txn_ended(c, 0, 71, true);
	cr_assert_eq(offset_now(), 6);
	reopen();
	cr_assert_not(unstable());
	cr_assert_eq(offset_now(), 6);
}

/* Records that are nobody's are passed over, and what is around them read. */
Test(kb_coord, garbage_in_the_log)
{
	open_coord(1);
	commit_ok(4);
	(void)kt_produce_ok(p, 20, 1700000000000);
	commit_ok(5);
	reopen();
	cr_assert_eq(offset_now(), 5);
}

Test(kb_coord, hash_of_a_group)
{
	config.partitions = 50;
	open_coord(1);
	/* As Kafka has them: seen in its __consumer_offsets. */
	cr_assert_eq(kb_coord_partition_of(c, KC_STR_LIT("gold")), 42);
	cr_assert_eq(kb_coord_partition_of(c, KC_STR_LIT("gold2")), 2);
	cr_assert_eq(kb_coord_partition_of(c, KC_STR_LIT("")), 0);
	/* A hash of INT_MIN counts as 0. */
	cr_assert_eq(
	    kb_coord_partition_of(c, KC_STR_LIT("polygenelubricants")), 0);
	kb_coord_set_partitions(c, 7);
	kb_coord_set_partitions(c, 9);
	cr_assert_eq(kb_coord_partition_of(c, KC_STR_LIT("gold2")),
	    (int32_t)(kc_str_java_hash(KC_STR_LIT("gold2")) % 7));
}
