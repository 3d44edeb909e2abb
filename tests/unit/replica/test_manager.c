/*
 * What the controller says, and what becomes of the partitions hosted here.
 */
#include "kcommon/proto/error.h"
#include "tests/unit/replica/world.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const int32_t me[] = { KT_ME }, other[] = { 2 };

static struct kt_hosts h;
static struct kb_topic_config *tc;

static void
setup(void)
{
	kt_hosts_open(&h);
	tc = kt_topic(&h, "");
}

static void
teardown(void)
{
	kb_topic_config_put(&tc);
	kt_hosts_close(&h);
}

TestSuite(kb_manager, .init = setup, .fini = teardown);

static struct kb_role_change
role(const char *topic, uint8_t id, int32_t index, int32_t epoch)
{
	struct kb_role_change c = { .topic = topic,
		.index = index,
		.is_new = true,
		.st = kt_state(KT_ME, epoch, me, 1, 1),
		.tc = tc,
		.code = -7 };

	c.topic_id.b[0] = id;
	return c;
}

static int16_t
apply(struct kb_role_change c)
{
	kb_manager_apply(h.mgr, &c, 1);
	return c.code;
}

static struct kb_partition *
find(const char *topic, int32_t index)
{
	return kb_part_map_find(
	    kb_manager_read(h.mgr, &h.slot), kc_str(topic), index);
}

static int16_t
stop(const char *topic, int32_t index, int32_t epoch, bool remove)
{
	struct kb_stop s = { .topic = kc_str(topic),
		.index = index,
		.leader_epoch = epoch,
		.remove = remove,
		.code = -7 };

	kb_manager_stop(h.mgr, &s, 1);
	return s.code;
}

static int16_t
code_of(struct kb_partition *p)
{
	struct kb_partition_rules rules;

	return kb_partition_rules(p, &rules);
}

/* --- what is refused ----------------------------------------------------- */

Test(kb_manager, hosts_nothing)
{
	cr_assert_null(find("t", 0));
	cr_assert_null(find("", -1));
	cr_assert_null(find(NULL, 0));
	cr_assert_eq(stop("t", 0, -1, false), KP_NONE);
	cr_assert_eq(stop("t", 0, -2, true), KP_NONE);
	cr_assert_eq(stop("", -1, -2, true), KP_NONE);
	cr_assert_eq(stop(NULL, 0, -1, true), KP_INVALID_TOPIC_EXCEPTION);
	kb_manager_apply(h.mgr, NULL, 0);
	kb_manager_stop(h.mgr, NULL, 0);
}

Test(kb_manager, controller_epochs_rise)
{
	cr_assert_eq(kb_manager_controller_epoch(h.mgr, 3), KP_NONE);
	cr_assert_eq(
	    kb_manager_controller_epoch(h.mgr, 2), KP_STALE_CONTROLLER_EPOCH);
	cr_assert_eq(kb_manager_controller_epoch(h.mgr, 3), KP_NONE);
	cr_assert_eq(kb_manager_controller_epoch(h.mgr, 4), KP_NONE);
	cr_assert_eq(
	    kb_manager_controller_epoch(h.mgr, 3), KP_STALE_CONTROLLER_EPOCH);
}

Test(kb_manager, a_replica_elsewhere)
{
	struct kb_role_change c = role("t", 1, 0, 0);

	c.st.replicas = other;
	cr_assert_eq(apply(c), KP_UNKNOWN_TOPIC_OR_PARTITION);
	cr_assert_null(find("t", 0));
	cr_assert_not(kt_exists(&h.w, "t-0"));
}

Test(kb_manager, names_that_are_none)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "../x",
		"a\nb" };

	for (size_t i = 0; i < KC_COUNT(bad); i++)
		cr_expect_neq(apply(role(bad[i], 1, 0, 0)), KP_NONE, "%zu", i);
	cr_expect_neq(apply(role("t", 1, -1, 0)), KP_NONE);
}

Test(kb_manager, epochs_of_a_hosted_one)
{
	struct kb_role_change c;

	cr_assert_eq(apply(role("t", 1, 0, 5)), KP_NONE);
	cr_assert_eq(apply(role("t", 1, 0, 4)), KP_STALE_CONTROLLER_EPOCH);
	cr_assert_eq(apply(role("t", 1, 0, 5)), KP_STALE_CONTROLLER_EPOCH);
	c = role("t", 1, 0, 5);
	c.st.replicas = other;
	cr_assert_eq(apply(c), KP_STALE_CONTROLLER_EPOCH);
	c.st.leader_epoch = 6;
	cr_assert_eq(apply(c), KP_UNKNOWN_TOPIC_OR_PARTITION);
	cr_assert_eq(find("t", 0)->leader_epoch, 5);
	cr_assert_eq(apply(role("t", 1, 0, 6)), KP_NONE);
	cr_assert_eq(find("t", 0)->leader_epoch, 6);
}

Test(kb_manager, another_topic_of_that_name)
{
	cr_assert_eq(apply(role("t", 1, 0, 0)), KP_NONE);
	cr_assert_eq(apply(role("t", 2, 0, 9)), KP_INCONSISTENT_TOPIC_ID);
	cr_assert_eq(find("t", 0)->leader_epoch, 0);
	/* Also when only its log is here. */
	kb_manager_release(h.mgr, &h.slot);
	kb_manager_close(&h.mgr);
	cr_assert_eq(kb_manager_open(&h.mgr, h.dirs, &h.env), KC_OK);
	cr_assert_eq(apply(role("t", 2, 0, 9)), KP_INCONSISTENT_TOPIC_ID);
	cr_assert_null(find("t", 0));
	cr_assert_eq(apply(role("t", 1, 0, 9)), KP_NONE);
}

Test(kb_manager, its_dir_is_offline)
{
	struct kb_log_host *host;

	cr_assert_eq(apply(role("t", 1, 0, 0)), KP_NONE);
	host = find("t", 0)->log->host;
	atomic_store(&host->offline, true);
	cr_assert_eq(apply(role("t", 1, 0, 1)), KP_KAFKA_STORAGE_ERROR);
	cr_assert_eq(stop("t", 0, 9, false), KP_KAFKA_STORAGE_ERROR);
	cr_assert_eq(stop("t", 0, 9, true), KP_KAFKA_STORAGE_ERROR);
	cr_assert_not_null(find("t", 0));
	atomic_store(&host->offline, false);
}

/* --- roles --------------------------------------------------------------- */

Test(kb_manager, a_topic_gets_its_id_later)
{
	struct kc_uuid id;

	cr_assert_eq(apply(role("t", 0, 0, 3)), KP_NONE);
	cr_assert_eq(apply(role("t", 5, 0, 3)), KP_NONE,
	    "the epoch is the same, but the id is new");
	kb_log_topic_id(find("t", 0)->log, &id);
	cr_assert_eq(id.b[0], 5);
	cr_assert_eq(apply(role("t", 5, 0, 3)), KP_STALE_CONTROLLER_EPOCH);
	cr_assert_eq(apply(role("t", 0, 0, 4)), KP_NONE, "an old controller");
}

Test(kb_manager, leads_and_follows)
{
	struct kb_role_change c = role("t", 1, 0, 1);

	cr_assert_eq(apply(c), KP_NONE);
	cr_assert_eq(code_of(find("t", 0)), KP_NONE);
	c.st = kt_state(2, 2, other, 1, 2);
	cr_assert_eq(apply(c), KP_NONE);
	cr_assert_eq(code_of(find("t", 0)), KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_eq(find("t", 0)->leader, 2);
}

Test(kb_manager, many_in_one_request)
{
	struct kb_role_change v[40];
	char names[40][8];

	for (int i = 0; i < 40; i++) {
		snprintf(names[i], sizeof names[i], "t%d", i % 7);
		v[i] = role(names[i], (uint8_t)(1 + i % 7), i / 7, 0);
	}
	v[39] = v[0]; /* one twice: the second is no news */
	v[38].st.replicas = other;
	kb_manager_apply(h.mgr, v, 40);
	for (int i = 0; i < 38; i++) {
		cr_assert_eq(v[i].code, KP_NONE);
		cr_assert_eq(find(v[i].topic, v[i].index), v[i].part);
	}
	cr_assert_eq(v[38].code, KP_UNKNOWN_TOPIC_OR_PARTITION);
	cr_assert_eq(v[39].code, KP_STALE_CONTROLLER_EPOCH);
	cr_assert_null(find("t0", 7));
	cr_assert_null(find("t9", 0));
}

/* --- stops --------------------------------------------------------------- */

Test(kb_manager, stops_by_epoch)
{
	static const int32_t pass[] = { 5, 6, -1, -2 };

	for (size_t i = 0; i < KC_COUNT(pass); i++) {
		cr_assert_eq(apply(role("t", 1, (int32_t)i, 5)), KP_NONE);
		cr_assert_eq(
		    stop("t", (int32_t)i, 4, false), KP_FENCED_LEADER_EPOCH);
		cr_assert_eq(
		    stop("t", (int32_t)i, 4, true), KP_FENCED_LEADER_EPOCH);
		cr_assert_eq(code_of(find("t", (int32_t)i)), KP_NONE);
		cr_assert_eq(stop("t", (int32_t)i, pass[i], false), KP_NONE);
		cr_assert_eq(
		    code_of(find("t", (int32_t)i)), KP_NOT_LEADER_OR_FOLLOWER);
	}
}

Test(kb_manager, a_stopped_one_may_lead_again)
{
	cr_assert_eq(apply(role("t", 1, 0, 5)), KP_NONE);
	kt_produce_ok(find("t", 0), 2, 1);
	cr_assert_eq(stop("t", 0, 5, false), KP_NONE);
	cr_assert_eq(apply(role("t", 1, 0, 5)), KP_STALE_CONTROLLER_EPOCH);
	cr_assert_eq(apply(role("t", 1, 0, 6)), KP_NONE);
	cr_assert_eq(code_of(find("t", 0)), KP_NONE);
	cr_assert_eq(kb_log_end(find("t", 0)->log), 2);
}

/* Readers that hold it go on with code 6; a new topic of that name is new. */
Test(kb_manager, removes)
{
	struct kb_partition *held;

	cr_assert_eq(apply(role("t", 1, 0, 5)), KP_NONE);
	held = kb_partition_get(find("t", 0));
	kt_produce_ok(held, 2, 1);
	cr_assert(kt_exists(&h.w, "t-0"));
	cr_assert_eq(stop("t", 0, -2, true), KP_NONE);
	cr_assert_null(find("t", 0));
	cr_assert_not(kt_exists(&h.w, "t-0"));
	cr_assert_eq(code_of(held), KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_eq(stop("t", 0, -2, true), KP_NONE, "again");
	cr_assert_eq(apply(role("t", 2, 0, 0)), KP_NONE);
	cr_assert_neq(find("t", 0), held);
	cr_assert_eq(kb_log_end(find("t", 0)->log), 0);
	kb_partition_put(&held);
}

Test(kb_manager, removes_many_and_keeps_the_rest)
{
	struct kb_role_change roles[20];
	struct kb_stop stops[12];

	for (int i = 0; i < 20; i++)
		roles[i] = role("t", 1, i, i);
	kb_manager_apply(h.mgr, roles, 20);
	for (int i = 0; i < 12; i++)
		stops[i] = (struct kb_stop){ .topic = KC_STR_LIT("t"),
			.index = i,
			.leader_epoch = i,
			.remove = i != 3 };
	stops[5].leader_epoch = 4; /* fenced */
	stops[11].index = 0; /* twice */
	stops[11].leader_epoch = -1;
	kb_manager_stop(h.mgr, stops, 12);
	for (int i = 0; i < 20; i++) {
		bool gone = i < 11 && i != 3 && i != 5;

		cr_assert_eq(find("t", i) == NULL, gone, "%d", i);
		if (i < 12)
			cr_assert_eq(stops[i].code,
			    i == 5 ? KP_FENCED_LEADER_EPOCH : KP_NONE);
	}
	cr_assert_eq(code_of(find("t", 3)), KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_eq(code_of(find("t", 5)), KP_NONE);
}

/* What a slot has read stays until it reads again. */
Test(kb_manager, a_slot_keeps_what_it_read)
{
	struct kb_partition *p;

	cr_assert_eq(apply(role("t", 1, 0, 5)), KP_NONE);
	p = find("t", 0);
	cr_assert_eq(stop("t", 0, -1, true), KP_NONE);
	cr_assert_eq(code_of(p), KP_NOT_LEADER_OR_FOLLOWER);
	cr_assert_null(find("t", 0));
}

static void
count(void *arg, struct kb_partition *p)
{
	*(int *)arg += 1 + p->index;
}

Test(kb_manager, each)
{
	int n = 0;

	kb_manager_each(h.mgr, count, &n);
	cr_assert_eq(n, 0);
	cr_assert_eq(apply(role("t", 1, 0, 0)), KP_NONE);
	cr_assert_eq(apply(role("t", 1, 4, 0)), KP_NONE);
	kb_manager_each(h.mgr, count, &n);
	cr_assert_eq(n, 6);
}

/* --- who copies ---------------------------------------------------------- */

static struct {
	int follows, leaves;
	int32_t leader, epoch;
	int rc;
} said;

static int
on_follow(void *arg KC_UNUSED, struct kb_partition *p KC_UNUSED, int32_t leader,
    int32_t leader_epoch)
{
	said.follows++;
	said.leader = leader;
	said.epoch = leader_epoch;
	return said.rc;
}

static void
on_leave(void *arg KC_UNUSED, struct kb_partition *p KC_UNUSED)
{
	said.leaves++;
}

Test(kb_manager, tells_who_copies)
{
	static const struct kb_manager_ops ops = { on_follow, on_leave, NULL };
	static const int32_t both[] = { 1, 2 };
	struct kb_role_change c = role("t", 1, 0, 3);

	kb_manager_set_ops(h.mgr, &ops);
	c.st = kt_state(2, 3, both, 2, 2);
	cr_assert_eq(apply(c), KP_NONE);
	cr_assert(said.follows == 1 && said.leader == 2 && said.epoch == 3);
	cr_assert_eq(apply(c), KP_STALE_CONTROLLER_EPOCH);
	cr_assert_eq(said.follows, 1, "nothing new");
	c.st = kt_state(-1, 4, both, 2, 2);
	cr_assert_eq(apply(c), KP_NONE);
	cr_assert(said.follows == 1 && said.leaves == 1, "nobody to copy from");
	c.st = kt_state(KT_ME, 5, both, 2, 2);
	cr_assert_eq(apply(c), KP_NONE);
	cr_assert_eq(said.leaves, 2);
	c.st = kt_state(2, 6, both, 2, 2);
	cr_assert_eq(apply(c), KP_NONE);
	cr_assert(said.follows == 2 && said.epoch == 6);
	cr_assert_eq(stop("t", 0, -1, false), KP_NONE);
	cr_assert_eq(said.leaves, 3);
}

/* A topic that had no id gets one: its copy goes on by it. */
Test(kb_manager, a_new_topic_id_alone)
{
	static const struct kb_manager_ops ops = { on_follow, on_leave, NULL };
	static const int32_t both[] = { 1, 2 };
	struct kb_role_change c = role("t", 0, 0, 3);

	kb_manager_set_ops(h.mgr, &ops);
	c.st = kt_state(2, 3, both, 2, 2);
	cr_assert_eq(apply(c), KP_NONE);
	c.topic_id.b[0] = 9;
	cr_assert_eq(apply(c), KP_NONE);
	cr_assert(said.follows == 2 && said.epoch == 3);
}
