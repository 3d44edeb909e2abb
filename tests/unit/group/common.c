#include "tests/unit/group/common.h"

#include "kcommon/base/err.h"

#include <stdio.h>
#include <stdlib.h>

static void
count(struct kb_group_wait *w)
{
	struct kt_wait *wt = KC_CONTAINER(w, struct kt_wait, w);

	wt->answers++;
}

static struct kt_wait *
wait_new(struct kt_group *g)
{
	struct kt_wait *wt = calloc(1, sizeof *wt);

	cr_assert_lt(g->nwaits, 64);
	kc_arena_init(&wt->arena, 1 << 20);
	wt->w.arena = &wt->arena;
	wt->w.done = count;
	g->waits[g->nwaits++] = wt;
	return wt;
}

/* What the coordinator would do. */
static void
carry_out(struct kt_group *g, struct kb_group_out *out)
{
	struct kb_group_wait *w;

	while (out->store.kind != KB_STORE_NONE) {
		struct kb_group_store store = out->store;

		out->store = (struct kb_group_store){ 0 };
		g->stores++;
		g->last_store = store.kind;
		if (g->hold) {
			cr_assert_eq(g->held.kind, KB_STORE_NONE);
			g->held = store;
			break;
		}
		kb_group_stored(g->grp, &store, g->store_code, g->now, out);
	}
	while ((w = out->done) != NULL) {
		out->done = w->next;
		w->done(w);
	}
	out->done_last = NULL;
}

void
kt_group_open(struct kt_group *g)
{
	memset(g, 0, sizeof *g);
	g->params = (struct kb_group_params){ .session_min_ms = 6000,
		.session_max_ms = 1800000,
		.initial_delay_ms = 3000,
		.size_max = INT32_MAX };
	g->now = (struct kb_now){ 1000, 1700000000000 };
	cr_assert_eq(
	    kb_group_new(&g->grp, KC_STR_LIT("g"), &g->params, g->now.wall_ms),
	    KC_OK);
}

void
kt_group_close(struct kt_group *g)
{
	struct kb_group_out out = { 0 };

	kb_group_store_drop(&g->held);
	kb_group_kill(g->grp, KP_NOT_COORDINATOR, &out);
	carry_out(g, &out);
	kb_group_free(&g->grp);
	for (int i = 0; i < g->nwaits; i++) {
		cr_assert_eq(g->waits[i]->answers, 1, "question %d: %d answers",
		    i, g->waits[i]->answers);
		kc_arena_fini(&g->waits[i]->arena);
		free(g->waits[i]);
	}
}

void
kt_group_release(struct kt_group *g)
{
	struct kb_group_out out = { 0 };
	struct kb_group_store store = g->held;

	g->held = (struct kb_group_store){ 0 };
	g->hold = false;
	kb_group_stored(g->grp, &store, g->store_code, g->now, &out);
	carry_out(g, &out);
}

void
kt_group_pass(struct kt_group *g, int64_t ms)
{
	int64_t end = g->now.mono_ms + ms;
	int64_t wall = g->now.wall_ms - g->now.mono_ms;

	while (g->grp->due_ms <= end) {
		struct kb_group_out out = { 0 };

		g->now.mono_ms = KC_MAX(g->now.mono_ms, g->grp->due_ms);
		g->now.wall_ms = g->now.mono_ms + wall;
		kb_group_tick(g->grp, g->now, &out);
		cr_assert_gt(g->grp->due_ms, g->now.mono_ms);
		carry_out(g, &out);
	}
	g->now.mono_ms = end;
	g->now.wall_ms = end + wall;
}

/* version 0, one topic "t", no user data. */
static const char topic_t[] = "\0\0\0\0\0\1\0\1t\xff\xff\xff\xff";

struct kt_wait *
kt_join(struct kt_group *g, struct kt_joiner j)
{
	struct kt_wait *wt = wait_new(g);
	struct kb_group_out out = { 0 };
	struct kb_member_protocol p[8];
	struct kc_str rest = kc_str(j.protocols ? j.protocols : "range");
	struct kc_str meta = j.metadata ?
	    kc_str(j.metadata) :
	    (struct kc_str){ topic_t, sizeof topic_t - 1 };
	struct kb_join join = {
		.member_id = kc_str(j.member ? j.member : ""),
		.instance_id = kc_str(j.instance),
		.client_id = KC_STR_LIT("client"),
		.client_host = KC_STR_LIT("/127.0.0.1"),
		.protocol_type = kc_str(j.type ? j.type : "consumer"),
		.protocols = p,
		.session_ms = j.session_ms ? j.session_ms : 10000,
		.rebalance_ms = j.rebalance_ms ? j.rebalance_ms : 60000,
		.id_required = j.version >= 4,
		.can_skip = j.version >= 9,
		.wait = &wt->w,
	};
	char id[16];

	while (kc_str_split(&rest, ',', &p[join.nprotocols].name))
		p[join.nprotocols++].metadata = meta;
	snprintf(id, sizeof id, "m%d", ++g->ids);
	join.new_id = kc_str(id);
	kb_group_join(g->grp, &join, g->now, &out);
	carry_out(g, &out);
	return wt;
}

struct kt_wait *
kt_sync(struct kt_group *g, struct kc_str member, int32_t generation,
    const char *assignments)
{
	struct kt_wait *wt = wait_new(g);
	struct kb_group_out out = { 0 };
	struct kb_sync_assignment a[8];
	struct kc_str rest = kc_str(assignments), one;
	struct kb_sync s = { .member_id = member,
		.instance_id = KC_STR_NULL,
		.protocol_type = KC_STR_NULL,
		.protocol_name = KC_STR_NULL,
		.generation = generation,
		.assignments = a,
		.wait = &wt->w };

	while (assignments != NULL && kc_str_split(&rest, ',', &one)) {
		(void)kc_str_split(&one, '=', &a[s.nassignments].member_id);
		a[s.nassignments++].assignment = one;
	}
	kb_group_sync(g->grp, &s, g->now, &out);
	carry_out(g, &out);
	return wt;
}

int16_t
kt_heartbeat(struct kt_group *g, struct kc_str member, int32_t generation)
{
	return kb_group_heartbeat(
	    g->grp, generation, member, KC_STR_NULL, g->now);
}

int16_t
kt_leave(struct kt_group *g, struct kc_str member, const char *instance)
{
	struct kb_group_out out = { 0 };
	int16_t code =
	    kb_group_leave(g->grp, member, kc_str(instance), g->now, &out);

	carry_out(g, &out);
	return code;
}

void
kt_stable(struct kt_group *g, int n, struct kc_str *ids)
{
	struct kt_wait *wt[8];

	for (int i = 0; i < n; i++)
		wt[i] = kt_join(g, (struct kt_joiner){ 0 });
	kt_group_pass(g, 3000);
	if (n > 1) /* newcomers have extended the delay */
		kt_group_pass(g, 3000);
	for (int i = 0; i < n; i++) {
		kt_answered(wt[i], KP_NONE);
		ids[i] = wt[i]->w.member_id;
	}
	for (int i = 0; i < n; i++)
		(void)kt_sync(g, ids[i], g->grp->generation, NULL);
	cr_assert_eq(g->grp->state, KB_GROUP_STABLE);
}

void
kt_in_state(struct kt_group *g, enum kb_group_state state, struct kc_str *id)
{
	struct kt_wait *wt;
	struct kb_group_out out = { 0 };

	*id = KC_STR_LIT("nobody");
	if (state == KB_GROUP_EMPTY)
		return;
	if (state == KB_GROUP_DEAD) {
		kb_group_kill(g->grp, KP_NOT_COORDINATOR, &out);
		return;
	}
	wt = kt_join(g, (struct kt_joiner){ 0 });
	kt_group_pass(g, 3000);
	kt_answered(wt, KP_NONE);
	*id = wt->w.member_id;
	if (state == KB_GROUP_COMPLETING)
		return;
	(void)kt_sync(g, *id, 1, NULL);
	if (state == KB_GROUP_PREPARING)
		(void)kt_join(g, (struct kt_joiner){ 0 });
	cr_assert_eq(g->grp->state, state);
}
