/*
 * Goal: in every state every event has the answer and the next state that
 * Kafka's GroupCoordinator gives.
 * Method: a table of states by events; then stories of several members.
 */
#include "tests/unit/group/common.h"

#include "kcommon/base/err.h"

static struct kt_group g;

static void
setup(void)
{
	kt_group_open(&g);
}

static void
teardown(void)
{
	kt_group_close(&g);
}

TestSuite(kb_group, .init = setup, .fini = teardown);

/* --- states by events ------------------------------------------------------
 */

struct cell { /* of one state */
	enum kb_group_state state;
	int16_t heartbeat; /* of its member, in the right generation */
	int16_t sync;
	int16_t commit;
	int16_t anonymous; /* a commit of nobody */
	int16_t leave;
	enum kb_group_state after_leave;
};

#define WAITS 1000

static const struct cell cells[] = {
	{ KB_GROUP_EMPTY, KP_UNKNOWN_MEMBER_ID, KP_UNKNOWN_MEMBER_ID,
	    KP_UNKNOWN_MEMBER_ID, KP_NONE, KP_UNKNOWN_MEMBER_ID,
	    KB_GROUP_EMPTY },
	{ KB_GROUP_PREPARING, KP_REBALANCE_IN_PROGRESS,
	    KP_REBALANCE_IN_PROGRESS, KP_NONE, KP_UNKNOWN_MEMBER_ID, KP_NONE,
	    /* The other one has come already: complete. */
	    KB_GROUP_COMPLETING },
	{ KB_GROUP_COMPLETING, KP_NONE, KP_NONE, KP_REBALANCE_IN_PROGRESS,
	    KP_UNKNOWN_MEMBER_ID, KP_NONE, KB_GROUP_EMPTY },
	{ KB_GROUP_STABLE, KP_NONE, KP_NONE, KP_NONE, KP_UNKNOWN_MEMBER_ID,
	    KP_NONE, KB_GROUP_EMPTY },
	{ KB_GROUP_DEAD, KP_COORDINATOR_NOT_AVAILABLE,
	    KP_COORDINATOR_NOT_AVAILABLE, KP_COORDINATOR_NOT_AVAILABLE,
	    KP_COORDINATOR_NOT_AVAILABLE, KP_COORDINATOR_NOT_AVAILABLE,
	    KB_GROUP_DEAD },
};

static int16_t
commit(struct kc_str member, int32_t generation)
{
	return kb_group_commit(
	    g.grp, generation, member, KC_STR_NULL, false, g.now);
}

Test(kb_group, states_by_events)
{
	for (size_t i = 0; i < KC_COUNT(cells); i++) {
		const struct cell *c = &cells[i];
		struct kc_str id;

		teardown();
		setup();
		kt_in_state(&g, c->state, &id);
		cr_assert_eq(kt_heartbeat(&g, id, g.grp->generation),
		    c->heartbeat, "heartbeat in state %zu", i);
		cr_assert_eq(commit(id, g.grp->generation), c->commit,
		    "commit in state %zu", i);
		cr_assert_eq(commit(KC_STR_LIT(""), -1), c->anonymous,
		    "anonymous commit in state %zu", i);
		if (c->state != KB_GROUP_COMPLETING) /* that becomes Stable */
			kt_answered(
			    kt_sync(&g, id, g.grp->generation, NULL), c->sync);
		cr_assert_eq(g.grp->state, c->state);
		cr_assert_eq(kt_leave(&g, id, NULL), c->leave);
		cr_assert_eq(g.grp->state, c->after_leave,
		    "after leaving state %zu: %s", i,
		    kb_group_state_name(g.grp->state));
	}
}

/* Whoever is unknown, or of another generation, changes nothing. */
Test(kb_group, strangers)
{
	for (size_t i = 0; i < KC_COUNT(cells) - 1; i++) {
		struct kc_str id, who = KC_STR_LIT("stranger");
		enum kb_group_state state = cells[i].state;

		teardown();
		setup();
		kt_in_state(&g, state, &id);
		cr_assert_eq(kt_heartbeat(&g, who, 1), KP_UNKNOWN_MEMBER_ID);
		cr_assert_eq(commit(who, 1), KP_UNKNOWN_MEMBER_ID);
		cr_assert_eq(kt_leave(&g, who, NULL), KP_UNKNOWN_MEMBER_ID);
		cr_assert_eq(
		    kt_leave(&g, KC_STR_LIT(""), "i"), KP_UNKNOWN_MEMBER_ID);
		kt_answered(kt_sync(&g, who, 1, NULL), KP_UNKNOWN_MEMBER_ID);
		kt_answered(
		    kt_join(&g, (struct kt_joiner){ .member = "stranger" }),
		    KP_UNKNOWN_MEMBER_ID);
		cr_assert_eq(g.grp->state, state);
		if (state == KB_GROUP_EMPTY)
			continue;
		cr_assert_eq(kt_heartbeat(&g, id, 7), KP_ILLEGAL_GENERATION);
		cr_assert_eq(commit(id, 7), KP_ILLEGAL_GENERATION);
		kt_answered(kt_sync(&g, id, 7, NULL), KP_ILLEGAL_GENERATION);
		cr_assert_eq(g.grp->state, state);
	}
}

/* A new member makes every living state rebalance. */
Test(kb_group, new_member_in_each_state)
{
	for (size_t i = 0; i < KC_COUNT(cells); i++) {
		struct kc_str id;
		struct kt_wait *wt;

		teardown();
		setup();
		kt_in_state(&g, cells[i].state, &id);
		wt = kt_join(&g, (struct kt_joiner){ 0 });
		if (cells[i].state == KB_GROUP_DEAD) {
			kt_answered(wt, KP_COORDINATOR_NOT_AVAILABLE);
			continue;
		}
		kt_waits(wt);
		cr_assert_eq(g.grp->state, KB_GROUP_PREPARING);
	}
}

/* --- protocols --------------------------------------------------------------
 */

Test(kb_group, no_protocol_in_common)
{
	struct kc_str id;

	kt_answered(kt_join(&g, (struct kt_joiner){ .type = "" }),
	    KP_INCONSISTENT_GROUP_PROTOCOL);
	kt_answered(kt_join(&g, (struct kt_joiner){ .protocols = "" }),
	    KP_INCONSISTENT_GROUP_PROTOCOL);
	kt_stable(&g, 1, &id);
	kt_answered(kt_join(&g, (struct kt_joiner){ .type = "connect" }),
	    KP_INCONSISTENT_GROUP_PROTOCOL);
	kt_answered(kt_join(&g, (struct kt_joiner){ .protocols = "sticky" }),
	    KP_INCONSISTENT_GROUP_PROTOCOL);
	cr_assert_eq(g.grp->state, KB_GROUP_STABLE);
}

Test(kb_group, votes)
{
	struct kt_wait *wt;

	(void)kt_join(&g, (struct kt_joiner){ .protocols = "a,b,c" });
	wt = kt_join(&g, (struct kt_joiner){ .protocols = "b,a" });
	(void)kt_join(&g, (struct kt_joiner){ .protocols = "d,b,a" });
	kt_group_pass(&g, 63000);
	kt_answered(wt, KP_NONE);
	kt_str_is(wt->w.protocol_name, "b");
	kt_str_is(wt->w.leader, "m1");
	cr_assert_eq(wt->w.nmembers, 0); /* only the leader is told */
	cr_assert_eq(g.waits[0]->w.nmembers, 3);
	kt_str_is(g.waits[0]->w.members[2].member_id, "m3");
}

Test(kb_group, sync_names_another_protocol)
{
	struct kc_str id;
	struct kt_wait wt = { .w.done = NULL };
	struct kb_group_out out = { 0 };
	struct kb_sync s = { .instance_id = KC_STR_NULL,
		.protocol_type = KC_STR_LIT("consumer"),
		.protocol_name = KC_STR_LIT("roundrobin"),
		.generation = 1,
		.wait = &wt.w };

	kc_arena_init(&wt.arena, 4096);
	wt.w.arena = &wt.arena;
	kt_stable(&g, 1, &id);
	s.member_id = id;
	kb_group_sync(g.grp, &s, g.now, &out);
	cr_assert_eq(wt.w.code, KP_INCONSISTENT_GROUP_PROTOCOL);
	kc_arena_fini(&wt.arena);
}

/* --- rebalance --------------------------------------------------------------
 */

Test(kb_group, initial_delay_is_extended_by_newcomers)
{
	struct kt_wait *a = kt_join(&g, (struct kt_joiner){ 0 });
	struct kt_wait *b;

	kt_group_pass(&g, 2999);
	b = kt_join(&g, (struct kt_joiner){ 0 });
	kt_group_pass(&g, 1);
	kt_waits(a);
	kt_group_pass(&g, 2999);
	kt_waits(a);
	kt_group_pass(&g, 1);
	kt_answered(a, KP_NONE);
	kt_answered(b, KP_NONE);
	cr_assert_eq(g.grp->generation, 1);
}

Test(kb_group, initial_delay_ends_with_the_rebalance_timeout)
{
	struct kt_wait *first =
	    kt_join(&g, (struct kt_joiner){ .rebalance_ms = 8000 });

	for (int i = 0; i < 4; i++) {
		kt_group_pass(&g, 1999);
		(void)kt_join(&g, (struct kt_joiner){ .rebalance_ms = 8000 });
	}
	kt_waits(first);
	kt_group_pass(&g, 4);
	kt_answered(first, KP_NONE);
}

Test(kb_group, assignments_reach_their_members)
{
	struct kt_wait *a = kt_join(&g, (struct kt_joiner){ 0 });
	struct kt_wait *b = kt_join(&g, (struct kt_joiner){ 0 });
	struct kt_wait *sa, *sb;

	kt_group_pass(&g, 6000);
	kt_answered(a, KP_NONE);
	kt_answered(b, KP_NONE);
	sb = kt_sync(&g, b->w.member_id, 1, "m1=forged");
	kt_waits(sb);
	g.hold = true;
	sa = kt_sync(&g, a->w.member_id, 1, "m1=one,m9=nobody");
	kt_waits(sa); /* until it is in the log */
	cr_assert_eq(g.last_store, KB_STORE_SYNC);
	kt_group_release(&g);
	kt_answered(sa, KP_NONE);
	kt_answered(sb, KP_NONE);
	kt_str_is(sa->w.assignment, "one");
	kt_str_is(sb->w.assignment, "");
	kt_str_is(sa->w.protocol_name, "range");
	cr_assert_eq(g.grp->state, KB_GROUP_STABLE);
	/* Asked once more, it is told once more. */
	sa = kt_sync(&g, a->w.member_id, 1, NULL);
	kt_answered(sa, KP_NONE);
	kt_str_is(sa->w.assignment, "one");
}

Test(kb_group, store_fails)
{
	struct kt_wait *a = kt_join(&g, (struct kt_joiner){ 0 });
	struct kt_wait *s;

	kt_group_pass(&g, 3000);
	g.store_code = KP_NOT_COORDINATOR;
	s = kt_sync(&g, a->w.member_id, 1, "m1=one");
	kt_answered(s, KP_NOT_COORDINATOR);
	cr_assert_eq(g.grp->state, KB_GROUP_PREPARING);
	cr_assert_eq(g.grp->members->assignment.len, 0);
}

/* A member joins between the leader's assignment and its store. */
Test(kb_group, store_is_overtaken)
{
	struct kt_wait *a = kt_join(&g, (struct kt_joiner){ 0 });
	struct kt_wait *s;

	kt_group_pass(&g, 3000);
	g.hold = true;
	s = kt_sync(&g, a->w.member_id, 1, "m1=one");
	(void)kt_join(&g, (struct kt_joiner){ 0 });
	kt_answered(s, KP_REBALANCE_IN_PROGRESS);
	kt_group_release(&g);
	cr_assert_eq(g.grp->state, KB_GROUP_PREPARING);
}

Test(kb_group, who_does_not_rejoin_is_out)
{
	struct kc_str ids[3];
	struct kt_wait *wt;

	kt_stable(&g, 3, ids);
	wt = kt_join(
	    &g, (struct kt_joiner){ .member = "m2", .protocols = "range,x" });
	kt_waits(wt);
	for (int i = 0; i < 12; i++) { /* alive, but not joining */
		kt_group_pass(&g, 5000);
		(void)kt_heartbeat(&g, ids[0], 1);
		(void)kt_heartbeat(&g, ids[2], 1);
	}
	kt_answered(wt, KP_NONE);
	cr_assert_eq(wt->w.generation, 2);
	kt_str_is(wt->w.leader, "m2"); /* the old one is not here */
	cr_assert_eq(wt->w.nmembers, 1);
	cr_assert_eq(kt_heartbeat(&g, ids[0], 1), KP_UNKNOWN_MEMBER_ID);
}

Test(kb_group, who_does_not_sync_is_out)
{
	struct kt_wait *a = kt_join(&g, (struct kt_joiner){ 0 });
	struct kt_wait *b = kt_join(&g, (struct kt_joiner){ 0 });

	kt_group_pass(&g, 6000);
	(void)kt_sync(&g, a->w.member_id, 1, NULL);
	cr_assert_eq(g.grp->state, KB_GROUP_STABLE);
	for (int i = 0; i < 12; i++) {
		cr_assert_eq(kt_heartbeat(&g, a->w.member_id, 1), KP_NONE);
		cr_assert_eq(kt_heartbeat(&g, b->w.member_id, 1), KP_NONE);
		kt_group_pass(&g, 5000);
	}
	cr_assert_eq(g.grp->state, KB_GROUP_PREPARING);
	cr_assert_null(kb_member_find(g.grp, b->w.member_id));
}

Test(kb_group, leader_rejoins)
{
	struct kc_str ids[2];
	struct kt_wait *wt;

	kt_stable(&g, 2, ids);
	/* A follower with nothing new just hears the generation again. */
	wt = kt_join(&g, (struct kt_joiner){ .member = "m2" });
	kt_answered(wt, KP_NONE);
	cr_assert_eq(wt->w.generation, 1);
	kt_str_is(wt->w.leader, "m1");
	cr_assert_eq(g.grp->state, KB_GROUP_STABLE);
	/* The leader's subscription may have changed. */
	wt = kt_join(&g, (struct kt_joiner){ .member = "m1" });
	kt_waits(wt);
	cr_assert_eq(g.grp->state, KB_GROUP_PREPARING);
}

Test(kb_group, answer_to_a_join_was_lost)
{
	struct kt_wait *a = kt_join(&g, (struct kt_joiner){ 0 });

	kt_group_pass(&g, 3000);
	kt_answered(a, KP_NONE);
	a = kt_join(&g, (struct kt_joiner){ .member = "m1" });
	kt_answered(a, KP_NONE);
	cr_assert_eq(a->w.nmembers, 1);
	cr_assert_eq(g.grp->state, KB_GROUP_COMPLETING);
	a = kt_join(&g, (struct kt_joiner){ .member = "m1", .protocols = "x" });
	kt_answered(a, KP_INCONSISTENT_GROUP_PROTOCOL);
	a = kt_join(
	    &g, (struct kt_joiner){ .member = "m1", .protocols = "x,range" });
	kt_answered(a, KP_NONE); /* alone: complete at once */
	cr_assert_eq(a->w.generation, 2);
}

Test(kb_group, asks_twice)
{
	struct kt_wait *a = kt_join(&g, (struct kt_joiner){ 0 });
	struct kt_wait *b;

	b = kt_join(&g, (struct kt_joiner){ .member = "m1" });
	kt_answered(a, KP_REBALANCE_IN_PROGRESS);
	kt_waits(b);
	cr_assert_eq(g.grp->njoins, 1);
	kt_group_pass(&g, 3000);
	kt_answered(b, KP_NONE);
	(void)kt_join(&g, (struct kt_joiner){ 0 });
	(void)kt_join(&g, (struct kt_joiner){ .member = "m1" });
	a = kt_sync(&g, KC_STR_LIT("m2"), 2, NULL);
	kt_answered(a, KP_UNKNOWN_MEMBER_ID); /* it is m3 */
	a = kt_sync(&g, KC_STR_LIT("m3"), 2, NULL);
	b = kt_sync(&g, KC_STR_LIT("m3"), 2, NULL);
	kt_answered(a, KP_REBALANCE_IN_PROGRESS);
	kt_waits(b);
}

/* --- sessions ---------------------------------------------------------------
 */

Test(kb_group, session_ends)
{
	struct kc_str ids[2];

	kt_stable(&g, 2, ids);
	kt_group_pass(&g, 9000);
	cr_assert_eq(kt_heartbeat(&g, ids[0], 1), KP_NONE);
	kt_group_pass(&g, 1000);
	cr_assert_eq(g.grp->state, KB_GROUP_PREPARING);
	cr_assert_null(kb_member_find(g.grp, ids[1]));
	cr_assert_eq(kt_heartbeat(&g, ids[0], 1), KP_REBALANCE_IN_PROGRESS);
	kt_group_pass(&g, 10000);
	cr_assert_eq(g.grp->state, KB_GROUP_EMPTY);
	cr_assert_eq(g.grp->generation, 2);
	cr_assert_eq(g.last_store, KB_STORE_EMPTY);
	kt_group_pass(&g, 1000000);
	cr_assert_eq(g.grp->due_ms, INT64_MAX);
}

/* Who waits for an answer cannot send heartbeats. */
Test(kb_group, waiting_is_no_silence)
{
	struct kc_str ids[2];
	struct kt_wait *wt;

	kt_stable(&g, 2, ids);
	wt = kt_join(&g, (struct kt_joiner){ .member = "m1" });
	for (int i = 0; i < 11; i++) {
		kt_group_pass(&g, 5000);
		cr_assert_eq(
		    kt_heartbeat(&g, ids[1], 1), KP_REBALANCE_IN_PROGRESS);
	}
	kt_waits(wt);
	kt_group_pass(&g, 5000);
	kt_answered(wt, KP_NONE);
}

Test(kb_group, a_newcomer_waits_five_minutes_at_most)
{
	struct kc_str id;
	struct kt_wait *wt;

	kt_in_state(&g, KB_GROUP_STABLE, &id);
	wt = kt_join(&g, (struct kt_joiner){ .rebalance_ms = 3600000 });
	/* Somebody is on the way, so the group waits. */
	(void)kt_join(
	    &g, (struct kt_joiner){ .version = 4, .session_ms = 1800000 });
	g.grp->join_due_ms = INT64_MAX - 1;
	kt_group_pass(&g, KB_NEW_MEMBER_MS - 1);
	kt_waits(wt);
	kt_group_pass(&g, 1);
	kt_answered(wt, KP_UNKNOWN_MEMBER_ID);
}

/* --- ids --------------------------------------------------------------------
 */

Test(kb_group, id_required)
{
	struct kt_wait *wt = kt_join(&g, (struct kt_joiner){ .version = 4 });

	kt_answered(wt, KP_MEMBER_ID_REQUIRED);
	kt_str_is(wt->w.member_id, "m1");
	cr_assert_eq(g.grp->state, KB_GROUP_EMPTY);
	cr_assert_eq(
	    kt_heartbeat(&g, wt->w.member_id, 0), KP_UNKNOWN_MEMBER_ID);
	wt = kt_join(&g, (struct kt_joiner){ .member = "m1", .version = 4 });
	kt_waits(wt);
	cr_assert_null(g.grp->pending);
	kt_group_pass(&g, 3000);
	kt_answered(wt, KP_NONE);
	kt_str_is(wt->w.member_id, "m1");
}

Test(kb_group, id_expires)
{
	(void)kt_join(&g, (struct kt_joiner){ .version = 4 });
	kt_group_pass(&g, 10000);
	cr_assert_null(g.grp->pending);
	kt_answered(
	    kt_join(&g, (struct kt_joiner){ .member = "m1", .version = 4 }),
	    KP_UNKNOWN_MEMBER_ID);
	(void)kt_join(&g, (struct kt_joiner){ .version = 4 });
	cr_assert_eq(kt_leave(&g, KC_STR_LIT("m3"), NULL), KP_NONE);
	cr_assert_null(g.grp->pending);
}

/* The rebalance waits for those who have an id and have not joined yet. */
Test(kb_group, id_holds_the_rebalance)
{
	struct kc_str id;
	struct kt_wait *wt;

	kt_in_state(&g, KB_GROUP_STABLE, &id);
	(void)kt_join(&g, (struct kt_joiner){ .version = 4 }); /* m2 */
	wt = kt_join(&g, (struct kt_joiner){ .member = "m1" });
	kt_waits(wt);
	(void)kt_join(&g, (struct kt_joiner){ .member = "m2" });
	kt_answered(wt, KP_NONE);
	cr_assert_eq(wt->w.nmembers, 2);
}

Test(kb_group, size)
{
	struct kc_str ids[2];
	struct kt_wait *wt;

	g.params.size_max = 2;
	kt_stable(&g, 2, ids);
	kt_answered(
	    kt_join(&g, (struct kt_joiner){ 0 }), KP_GROUP_MAX_SIZE_REACHED);
	wt = kt_join(&g, (struct kt_joiner){ .member = "m1" });
	kt_waits(wt);
	(void)kt_join(&g, (struct kt_joiner){ 0 }); /* m4: before m2 */
	kt_answered(kt_join(&g, (struct kt_joiner){ .member = "m2" }),
	    KP_GROUP_MAX_SIZE_REACHED);
	kt_answered(wt, KP_NONE); /* m2 is out, so all are here */
	cr_assert_eq(HASH_COUNT(g.grp->members), 2);
}

/* --- static members ---------------------------------------------------------
 */

/* A stable group of one static member, "i" with id "m1". */
static void
static_group(void)
{
	struct kt_wait *wt =
	    kt_join(&g, (struct kt_joiner){ .instance = "i", .version = 9 });

	kt_group_pass(&g, 3000);
	kt_answered(wt, KP_NONE);
	wt = kt_sync(&g, KC_STR_LIT("m1"), 1, "m1=one");
	kt_answered(wt, KP_NONE);
}

Test(kb_group, static_comes_back)
{
	struct kt_wait *wt;

	static_group();
	wt = kt_join(&g, (struct kt_joiner){ .instance = "i", .version = 9 });
	kt_answered(wt, KP_NONE);
	cr_assert_eq(g.last_store, KB_STORE_STATIC);
	cr_assert_eq(g.grp->state, KB_GROUP_STABLE);
	cr_assert_eq(wt->w.generation, 1);
	kt_str_is(wt->w.member_id, "m2");
	kt_str_is(wt->w.leader, "m2");
	cr_assert(wt->w.skip_assignment && wt->w.nmembers == 1);
	/* What its former self is told. */
	cr_assert_eq(kb_group_heartbeat(
			 g.grp, 1, KC_STR_LIT("m1"), KC_STR_LIT("i"), g.now),
	    KP_FENCED_INSTANCE_ID);
	cr_assert_eq(kb_group_heartbeat(g.grp, 1, KC_STR_LIT("m2"),
			 KC_STR_LIT("other"), g.now),
	    KP_UNKNOWN_MEMBER_ID);
	/* Its assignment is still there. */
	wt = kt_sync(&g, KC_STR_LIT("m2"), 1, NULL);
	kt_str_is(wt->w.assignment, "one");
}

/* A client that cannot skip must not believe that it leads. */
Test(kb_group, static_comes_back_old_client)
{
	struct kt_wait *wt;

	static_group();
	wt = kt_join(&g, (struct kt_joiner){ .instance = "i", .version = 5 });
	kt_answered(wt, KP_NONE);
	kt_str_is(wt->w.leader, "m1");
	cr_assert(!wt->w.skip_assignment && wt->w.nmembers == 0);
	kt_str_is(g.grp->leader, "m2");
}

Test(kb_group, static_store_fails)
{
	struct kt_wait *wt;

	static_group();
	g.store_code = KP_COORDINATOR_NOT_AVAILABLE;
	wt = kt_join(&g, (struct kt_joiner){ .instance = "i", .version = 9 });
	kt_answered(wt, KP_COORDINATOR_NOT_AVAILABLE);
	kt_str_is(wt->w.member_id, "");
	cr_assert_eq(kt_heartbeat(&g, KC_STR_LIT("m1"), 1), KP_NONE);
	kt_str_is(g.grp->leader, "m1");
}

Test(kb_group, static_with_another_protocol)
{
	struct kt_wait *wt;

	static_group();
	wt = kt_join(
	    &g, (struct kt_joiner){ .instance = "i", .protocols = "x,range" });
	kt_answered(
	    wt, KP_NONE); /* a new generation: nobody else to wait for */
	cr_assert_eq(wt->w.generation, 2);
	kt_str_is(wt->w.protocol_name, "x");
}

Test(kb_group, static_is_replaced_while_it_waits)
{
	struct kt_wait *a, *b;

	a = kt_join(&g, (struct kt_joiner){ .instance = "i" });
	b = kt_join(&g, (struct kt_joiner){ .instance = "i" });
	kt_answered(a, KP_FENCED_INSTANCE_ID);
	kt_waits(b);
	kt_group_pass(&g, 6000);
	kt_answered(b, KP_NONE);
	cr_assert_eq(b->w.nmembers, 1);
}

/* Away for less than its session a static member loses nothing. */
Test(kb_group, static_is_not_awaited)
{
	struct kt_wait *wt;

	static_group();
	wt = kt_join(
	    &g, (struct kt_joiner){ .rebalance_ms = 5000, .session_ms = 6000 });
	g.grp->members->session_due_ms = INT64_MAX;
	kt_waits(wt);
	kt_group_pass(&g, 60000);
	kt_answered(wt, KP_NONE);
	cr_assert_eq(wt->w.nmembers, 2);
	kt_str_is(wt->w.leader, "m2");
}

Test(kb_group, static_is_removed_by_an_administrator)
{
	static_group();
	cr_assert_eq(kt_leave(&g, KC_STR_LIT(""), "j"), KP_UNKNOWN_MEMBER_ID);
	cr_assert_eq(kt_leave(&g, KC_STR_LIT(""), "i"), KP_NONE);
	cr_assert_eq(g.grp->state, KB_GROUP_EMPTY);
}

/* --- records and offsets ----------------------------------------------------
 */

Test(kb_group, record_round)
{
	struct kb_group_params params = g.params;
	struct kb_group *copy = NULL;
	struct kb_group_value v;
	struct kb_group_out out = { 0 };
	struct kc_arena a;
	struct kc_str ids[3];

	kt_stable(&g, 3, ids);
	kc_arena_init(&a, 1 << 16);
	cr_assert_eq(kb_group_snapshot(g.grp, &a, &v), KC_OK);
	cr_assert_eq(
	    kb_group_new(&copy, g.grp->id, &params, g.now.wall_ms), KC_OK);
	cr_assert_eq(kb_group_restore(copy, &v, g.now), KC_OK);
	cr_assert_eq(copy->state, KB_GROUP_STABLE);
	cr_assert_eq(HASH_COUNT(copy->members), 3);
	cr_assert_eq(
	    kb_group_heartbeat(copy, 1, ids[2], KC_STR_NULL, g.now), KP_NONE);
	cr_assert(copy->due_ms < INT64_MAX);
	kb_group_check_size(copy, g.now, &out);
	cr_assert_eq(copy->state, KB_GROUP_STABLE);
	params.size_max = 2;
	kb_group_check_size(copy, g.now, &out);
	cr_assert_eq(copy->state, KB_GROUP_PREPARING);
	kb_group_free(&copy);
	kc_arena_fini(&a);
}

Test(kb_group, subscriptions)
{
	struct kc_str id;
	bool known;

	cr_assert(kb_group_subscribed(g.grp, KC_STR_LIT("t"), &known));
	cr_assert_not(known); /* not known to be consumers */
	kt_stable(&g, 1, &id);
	cr_assert(kb_group_subscribed(g.grp, KC_STR_LIT("t"), &known));
	cr_assert(known);
	cr_assert_not(kb_group_subscribed(g.grp, KC_STR_LIT("u"), &known));
	/* Garbage is passed on, but nothing can be said from it. */
	(void)kt_join(
	    &g, (struct kt_joiner){ .member = "m1", .metadata = "\1garbage" });
	cr_assert(kb_group_subscribed(g.grp, KC_STR_LIT("u"), &known));
	cr_assert_not(known);
}

static bool
expired(const char *topic, int64_t commit_ms, int64_t expire_ms, int64_t now)
{
	struct kb_offset off = { .has = true };

	off.value.commit_ms = commit_ms;
	off.value.expire_ms = expire_ms;
	return kb_group_offset_expired(g.grp, kc_str(topic), &off, now, 1000);
}

Test(kb_group, expiration)
{
	struct kb_offset off = { .npending = 1, .has = true };
	struct kc_str id;
	int64_t t;

	/* Never had members: by the commit. */
	cr_assert_not(expired("t", 100, -1, 1099));
	cr_assert(expired("t", 100, -1, 1100));
	cr_assert(expired("t", 100, 500, 500)); /* its own */
	cr_assert_not(expired("t", 100, 5000, 2000));
	cr_assert_not(kb_group_offset_expired(
	    g.grp, KC_STR_LIT("t"), &off, INT64_MAX, 0));
	/* Stable: only topics that nobody reads. */
	kt_stable(&g, 1, &id);
	cr_assert_not(expired("t", 100, -1, 1100));
	cr_assert(expired("u", 100, -1, 1100));
	(void)kt_join(&g, (struct kt_joiner){ 0 });
	cr_assert_not(expired("u", 100, -1, 1100)); /* rebalancing */
	/* Empty: since it became so. */
	kt_group_pass(&g, 1000000);
	cr_assert_eq(g.grp->state, KB_GROUP_EMPTY);
	t = g.grp->state_since_ms;
	cr_assert_not(expired("t", 100, -1, t + 999));
	cr_assert(expired("t", 100, -1, t + 1000));
}

/* --- the end ----------------------------------------------------------------
 */

Test(kb_group, killed)
{
	struct kt_wait *wt = kt_join(&g, (struct kt_joiner){ 0 });
	struct kb_group_out out = { 0 };

	(void)kt_join(&g, (struct kt_joiner){ .version = 4 });
	kb_group_kill(g.grp, KP_NOT_COORDINATOR, &out);
	cr_assert_eq(out.done, &wt->w);
	wt->w.done(&wt->w);
	kt_answered(wt, KP_NOT_COORDINATOR);
	cr_assert_eq(g.grp->due_ms, INT64_MAX);
	cr_assert_null(g.grp->pending);
}

/* More than fits into the asker's memory is an error, not half an answer. */
Test(kb_group, answer_too_large)
{
	struct kt_wait *a = kt_join(&g, (struct kt_joiner){ 0 });

	a->arena.cap = 64;
	kt_group_pass(&g, 3000);
	kt_answered(a, KP_UNKNOWN_SERVER_ERROR);
	cr_assert_eq(a->w.nmembers, 0);
}
