/*
 * Fetch sessions (KIP-227): what is refused, how a session grows and
 * shrinks, what an incremental answer tells, and who makes room for whom.
 *
 * The source is included for one test: an epoch of 2^31 - 1 cannot be reached
 * by asking.
 */
#include "kbroker/replica/session.c"

#include <criterion/criterion.h>

#define MINUTE 60000

struct world {
	struct kb_sessions *s;
	struct kc_rand rand;
	struct kc_arena arena;
	int64_t now;
	bool by_id;
};

static void
open_world(struct world *w, int32_t slots)
{
	*w = (struct world){ .now = 1000 };
	kc_rand_init_seed(&w->rand, 7);
	kc_arena_init(&w->arena, (size_t)64 << 20);
	cr_assert_eq(kb_sessions_open(&w->s, slots, &w->rand), KC_OK);
}

static void
close_world(struct world *w)
{
	kb_sessions_close(&w->s);
	kc_arena_fini(&w->arena);
}

static struct kb_fetch_part
part(const char *topic, int32_t index, int64_t offset)
{
	return (struct kb_fetch_part){ .topic = kc_str(topic),
		.partition = index,
		.max_bytes = 100,
		.fetch_offset = offset,
		.log_start_offset = -1,
		.leader_epoch = -1,
		.last_fetched_epoch = -1,
		.told_hw = -1,
		.told_log_start = -1 };
}

static struct kb_fetch_part
part_by_id(uint8_t id, int32_t index)
{
	struct kb_fetch_part p = part(NULL, index, 0);

	memset(p.topic_id.b, id, sizeof p.topic_id.b);
	return p;
}

/* Topics stand in memory of their own that is gone after the request. */
static int16_t
begin(struct world *w, struct kb_fetch_ctx *ctx, int32_t id, int32_t epoch,
    bool follower, const struct kb_fetch_part *v, int32_t n,
    const struct kb_fetch_part *forget, int32_t nforget)
{
	struct kb_fetch_part *parts = calloc((size_t)n + 1, sizeof *parts);
	struct kb_session_ask ask = { .session_id = id,
		.epoch = epoch,
		.follower = follower,
		.by_id = w->by_id,
		.parts = parts,
		.nparts = n,
		.forgotten = forget,
		.nforgotten = nforget };
	int16_t code;

	for (int32_t i = 0; i < n; i++)
		parts[i] = v[i];
	code = kb_sessions_begin(w->s, w->now, &ask, &w->arena, ctx);
	free(parts);
	return code;
}

/* A whole fetch in which every partition has nothing but hw and start 0. */
static int32_t
fetch(struct world *w, int32_t id, int32_t epoch, bool follower,
    const struct kb_fetch_part *v, int32_t n, int32_t *told)
{
	struct kb_fetch_ctx ctx;
	int32_t count = 0;

	cr_assert_eq(
	    begin(w, &ctx, id, epoch, follower, v, n, NULL, 0), KP_NONE);
	for (int32_t i = 0; i < ctx.nparts; i++)
		count += kb_fetch_ctx_include(
		    &ctx, &ctx.parts[i], false, false, 0, 0);
	id = kb_sessions_finish(w->s, w->now, &ctx);
	kb_fetch_ctx_end(w->s, &ctx);
	if (told != NULL)
		*told = count;
	return id;
}

static int16_t
refusal(struct world *w, int32_t id, int32_t epoch)
{
	struct kb_fetch_ctx ctx;
	int16_t code = begin(w, &ctx, id, epoch, false, NULL, 0, NULL, 0);

	kb_fetch_ctx_end(w->s, &ctx);
	return code;
}

static int32_t
sessions(struct world *w)
{
	int64_t nparts;
	int32_t n;

	kb_sessions_count(w->s, &n, &nparts);
	return n;
}

/* A session of n partitions of topic t. */
static int32_t
make(struct world *w, bool follower, int32_t n)
{
	struct kb_fetch_part *v = calloc((size_t)n, sizeof *v);
	int32_t id;

	for (int32_t i = 0; i < n; i++)
		v[i] = part("t", i, 0);
	id = fetch(w, 0, 0, follower, v, n, NULL);
	free(v);
	return id;
}

/* --- what is refused ----------------------------------------------------- */

Test(kb_sessions, unknown_id)
{
	struct world w;

	open_world(&w, 2);
	cr_assert_eq(refusal(&w, 5, 1), KP_FETCH_SESSION_ID_NOT_FOUND);
	cr_assert_eq(refusal(&w, -5, INT32_MIN), KP_FETCH_SESSION_ID_NOT_FOUND);
	cr_assert_eq(refusal(&w, 0, 1), KP_FETCH_SESSION_ID_NOT_FOUND);
	close_world(&w);
}

/* Nor does a wrong epoch move the right one. */
Test(kb_sessions, wrong_epoch)
{
	static const int32_t wrong[] = { INT32_MIN, -2, 2, INT32_MAX };
	struct world w;
	int32_t id;

	open_world(&w, 2);
	id = make(&w, false, 1);
	for (size_t i = 0; i < KC_COUNT(wrong); i++)
		cr_assert_eq(
		    refusal(&w, id, wrong[i]), KP_INVALID_FETCH_SESSION_EPOCH);
	cr_assert_eq(refusal(&w, id, 1), KP_NONE);
	cr_assert_eq(refusal(&w, id, 1), KP_INVALID_FETCH_SESSION_EPOCH);
	cr_assert_eq(refusal(&w, id, 2), KP_NONE);
	close_world(&w);
}

Test(kb_sessions, names_where_ids_were_used)
{
	struct world w;
	int32_t id;

	open_world(&w, 2);
	id = make(&w, false, 1);
	w.by_id = true;
	cr_assert_eq(refusal(&w, id, 1), KP_FETCH_SESSION_TOPIC_ID_ERROR);
	w.by_id = false;
	cr_assert_eq(refusal(&w, id, 1), KP_NONE);
	close_world(&w);
}

Test(kb_sessions, one_request_at_a_time)
{
	struct kb_fetch_ctx ctx;
	struct world w;
	int32_t id;

	open_world(&w, 2);
	id = make(&w, false, 1);
	cr_assert_eq(begin(&w, &ctx, id, 1, false, NULL, 0, NULL, 0), KP_NONE);
	cr_assert_eq(refusal(&w, id, 2), KP_INVALID_FETCH_SESSION_EPOCH);
	kb_fetch_ctx_end(w.s, &ctx);
	cr_assert_eq(refusal(&w, id, 2), KP_NONE);
	close_world(&w);
}

Test(kb_sessions, no_session_without_slots)
{
	struct world w;

	open_world(&w, 0);
	cr_assert_eq(make(&w, false, 1), 0);
	cr_assert_eq(make(&w, true, 9), 0);
	cr_assert_eq(sessions(&w), 0);
	close_world(&w);
}

Test(kb_sessions, no_session_for_nothing_or_when_not_wanted)
{
	struct kb_fetch_part p = part("t", 0, 0);
	struct world w;

	open_world(&w, 2);
	cr_assert_eq(fetch(&w, 0, 0, false, NULL, 0, NULL), 0);
	cr_assert_eq(fetch(&w, 0, -1, false, &p, 1, NULL), 0);
	cr_assert_eq(sessions(&w), 0);
	close_world(&w);
}

Test(kb_sessions, partitions_have_a_limit)
{
	struct kb_fetch_part more = part("more", 0, 0);
	struct kb_fetch_ctx ctx;
	struct world w;
	int32_t id;

	open_world(&w, 2);
	cr_assert_eq(make(&w, true, KB_SESSION_PARTS_MAX + 1), 0);
	kc_arena_reset(&w.arena);
	id = make(&w, true, KB_SESSION_PARTS_MAX);
	cr_assert_neq(id, 0);
	kc_arena_reset(&w.arena);
	cr_assert_eq(begin(&w, &ctx, id, 1, true, &more, 1, NULL, 0),
	    KP_FETCH_SESSION_ID_NOT_FOUND);
	kb_fetch_ctx_end(w.s, &ctx);
	cr_assert_eq(sessions(&w), 0, "it begins anew");
	close_world(&w);
}

/* --- a session's life ---------------------------------------------------- */

Test(kb_sessions, full_then_incremental)
{
	struct kb_fetch_part v[] = { part("a", 0, 5), part("a", 1, 6) };
	struct kb_fetch_ctx ctx;
	struct world w;
	int32_t told, id;

	open_world(&w, 2);
	id = fetch(&w, 0, 0, false, v, 2, &told);
	cr_assert_gt(id, 0);
	cr_assert_eq(told, 2);
	cr_assert_eq(fetch(&w, id, 1, false, NULL, 0, &told), id);
	cr_assert_eq(told, 0, "nothing is new");
	/* Names, offsets and the like are those of the first fetch. */
	cr_assert_eq(begin(&w, &ctx, id, 2, false, NULL, 0, NULL, 0), KP_NONE);
	cr_assert(ctx.incremental);
	cr_assert_eq(ctx.nparts, 2);
	cr_assert(kc_str_eqz(ctx.parts[1].topic, "a"));
	cr_assert_eq(ctx.parts[1].partition, 1);
	cr_assert_eq(ctx.parts[1].fetch_offset, 6);
	cr_assert_eq(ctx.parts[1].max_bytes, 100);
	kb_fetch_ctx_end(w.s, &ctx);
	close_world(&w);
}

/* The topic's text in the request is freed: the session has its own. */
Test(kb_sessions, keeps_nothing_of_the_request)
{
	char *name = strdup("topic");
	struct kb_fetch_part p = part(name, 3, 1);
	struct kb_fetch_ctx ctx;
	struct world w;
	int32_t id;

	open_world(&w, 2);
	id = fetch(&w, 0, 0, false, &p, 1, NULL);
	free(name);
	kc_arena_reset(&w.arena);
	cr_assert_eq(begin(&w, &ctx, id, 1, false, NULL, 0, NULL, 0), KP_NONE);
	cr_assert(kc_str_eqz(ctx.parts[0].topic, "topic"));
	kb_fetch_ctx_end(w.s, &ctx);
	close_world(&w);
}

Test(kb_sessions, an_update_moves_and_adds)
{
	struct kb_fetch_part v[] = { part("a", 0, 5), part("a", 1, 6) };
	struct kb_fetch_part u[] = { part("a", 1, 9), part("b", 1, 2) };
	struct kb_fetch_ctx ctx;
	struct world w;
	int32_t told, id;

	open_world(&w, 2);
	id = fetch(&w, 0, 0, false, v, 2, NULL);
	cr_assert_eq(begin(&w, &ctx, id, 1, false, u, 2, NULL, 0), KP_NONE);
	cr_assert_eq(ctx.nparts, 3);
	cr_assert_eq(ctx.parts[1].fetch_offset, 9);
	cr_assert_eq(ctx.parts[1].told_hw, 0, "it knows what it was told");
	cr_assert(kc_str_eqz(ctx.parts[2].topic, "b"));
	cr_assert_eq(ctx.parts[2].told_hw, -1);
	kb_fetch_ctx_end(w.s, &ctx);
	cr_assert_eq(fetch(&w, id, 2, false, NULL, 0, &told), id);
	cr_assert_eq(told, 1, "the new one was not told yet");
	close_world(&w);
}

Test(kb_sessions, forgets)
{
	struct kb_fetch_part v[] = { part("a", 0, 0), part("a", 1, 0),
		part("b", 0, 0) };
	struct kb_fetch_part stranger[] = { part("c", 0, 0), part("a", 7, 0),
		part("", 0, 0), part(NULL, 0, 0) };
	struct kb_fetch_ctx ctx;
	struct world w;
	int32_t id;

	open_world(&w, 2);
	id = fetch(&w, 0, 0, false, v, 3, NULL);
	cr_assert_eq(
	    begin(&w, &ctx, id, 1, false, NULL, 0, stranger, 4), KP_NONE);
	cr_assert_eq(ctx.nparts, 3);
	kb_fetch_ctx_end(w.s, &ctx);
	cr_assert_eq(begin(&w, &ctx, id, 2, false, NULL, 0, v + 1, 1), KP_NONE);
	cr_assert_eq(ctx.nparts, 2);
	cr_assert(kc_str_eqz(ctx.parts[0].topic, "a"));
	cr_assert(kc_str_eqz(ctx.parts[1].topic, "b"));
	kb_fetch_ctx_end(w.s, &ctx);
	/* An empty one is none: the answer has id 0. */
	cr_assert_eq(begin(&w, &ctx, id, 3, false, NULL, 0, v, 3), KP_NONE);
	cr_assert_eq(ctx.nparts, 0);
	cr_assert_eq(kb_sessions_finish(w.s, w.now, &ctx), 0);
	kb_fetch_ctx_end(w.s, &ctx);
	cr_assert_eq(sessions(&w), 0);
	cr_assert_eq(refusal(&w, id, 4), KP_FETCH_SESSION_ID_NOT_FOUND);
	close_world(&w);
}

/* One partition number of two topics, one name the beginning of another. */
Test(kb_sessions, keys_do_not_meet)
{
	struct kb_fetch_part v[] = { part("a", 1, 1), part("ab", 1, 2),
		part("a", 2, 3) };
	struct kb_fetch_part ids[] = { part_by_id(1, 0), part_by_id(2, 0),
		part_by_id(1, 1) };
	struct kb_fetch_ctx ctx;
	struct world w;
	int32_t id;

	open_world(&w, 2);
	id = fetch(&w, 0, 0, false, v, 3, NULL);
	cr_assert_eq(begin(&w, &ctx, id, 1, false, v, 3, NULL, 0), KP_NONE);
	cr_assert_eq(ctx.nparts, 3);
	kb_fetch_ctx_end(w.s, &ctx);
	w.by_id = true;
	id = fetch(&w, 0, 0, false, ids, 3, NULL);
	cr_assert_eq(begin(&w, &ctx, id, 1, false, ids, 3, ids, 1), KP_NONE);
	cr_assert_eq(ctx.nparts, 2);
	cr_assert(kc_uuid_eq(&ctx.parts[0].topic_id, &ids[1].topic_id));
	cr_assert_lt(ctx.parts[0].topic.len, 0, "by id there is no name");
	kb_fetch_ctx_end(w.s, &ctx);
	close_world(&w);
}

Test(kb_sessions, a_full_fetch_ends_the_one_it_names)
{
	struct kb_fetch_part p = part("t", 0, 0);
	struct world w;
	int32_t id, next;

	open_world(&w, 4);
	id = make(&w, false, 1);
	next = fetch(&w, id, 0, false, &p, 1, NULL); /* a new one */
	cr_assert_neq(next, 0);
	cr_assert_eq(refusal(&w, id, 1), KP_FETCH_SESSION_ID_NOT_FOUND);
	cr_assert_eq(fetch(&w, next, -1, false, &p, 1, NULL), 0);
	cr_assert_eq(refusal(&w, next, 1), KP_FETCH_SESSION_ID_NOT_FOUND);
	cr_assert_eq(sessions(&w), 0);
	close_world(&w);
}

/* It is gone from the cache, but its request goes on. */
Test(kb_sessions, ended_while_it_is_busy)
{
	struct kb_fetch_part p = part("t", 0, 0);
	struct kb_fetch_ctx ctx;
	struct world w;
	int64_t nparts;
	int32_t id, n;

	open_world(&w, 2);
	id = make(&w, false, 3);
	cr_assert_eq(begin(&w, &ctx, id, 1, false, &p, 1, NULL, 0), KP_NONE);
	cr_assert_eq(fetch(&w, id, -1, false, &p, 1, NULL), 0);
	cr_assert(kb_fetch_ctx_include(&ctx, &ctx.parts[2], true, false, 5, 0));
	cr_assert_eq(kb_sessions_finish(w.s, w.now, &ctx), id);
	kb_fetch_ctx_end(w.s, &ctx);
	cr_assert_eq(refusal(&w, id, 2), KP_FETCH_SESSION_ID_NOT_FOUND);
	kb_sessions_count(w.s, &n, &nparts);
	cr_assert(n == 0 && nparts == 0);
	close_world(&w);
}

Test(kb_sessions, the_epoch_wraps_to_one)
{
	struct kb_session *ses;
	struct world w;
	int32_t id;

	open_world(&w, 2);
	id = make(&w, false, 1);
	HASH_FIND_INT(w.s->hash, &id, ses);
	ses->epoch = INT32_MAX;
	cr_assert_eq(refusal(&w, id, INT32_MAX), KP_NONE);
	cr_assert_eq(
	    refusal(&w, id, INT32_MIN), KP_INVALID_FETCH_SESSION_EPOCH);
	cr_assert_eq(refusal(&w, id, 1), KP_NONE);
	cr_assert_eq(refusal(&w, id, 2), KP_NONE);
	close_world(&w);
}

/* --- what is told -------------------------------------------------------- */

struct told {
	bool records, must;
	int64_t hw, start;
	bool included;
};

/* One incremental fetch each, of a partition told of 10 and 0 so far. */
static const struct told story[] = {
	{ false, false, 10, 0, false },
	{ false, false, 11, 0, true }, /* the high watermark moved */
	{ false, false, 11, 0, false },
	{ false, false, 11, 4, true }, /* the log start moved */
	{ false, false, 11, 4, false },
	{ true, false, 11, 4, true }, /* records */
	{ false, false, 11, 4, false },
	{ false, true, -1, -1, true }, /* an error */
	{ false, true, -1, -1, true }, /* each time */
	{ false, false, 11, 4, true }, /* and that it is over */
	{ false, false, 11, 4, false },
	{ false, true, 11, 4, true }, /* diverging: as an error */
	{ false, false, 11, 4, true },
	{ false, false, 10, 4, true }, /* the high watermark may go back */
};

Test(kb_fetch_ctx, includes_what_is_new)
{
	struct kb_fetch_part p = part("t", 0, 0);
	struct kb_fetch_ctx ctx;
	struct world w;
	int32_t id;

	open_world(&w, 2);
	cr_assert_eq(begin(&w, &ctx, 0, 0, false, &p, 1, NULL, 0), KP_NONE);
	cr_assert(
	    kb_fetch_ctx_include(&ctx, &ctx.parts[0], false, false, 10, 0));
	id = kb_sessions_finish(w.s, w.now, &ctx);
	kb_fetch_ctx_end(w.s, &ctx);
	for (int32_t i = 0; i < (int32_t)KC_COUNT(story); i++) {
		const struct told *t = &story[i];

		cr_assert_eq(
		    begin(&w, &ctx, id, i + 1, false, NULL, 0, NULL, 0),
		    KP_NONE);
		cr_assert_eq(kb_fetch_ctx_include(&ctx, &ctx.parts[0],
				 t->records, t->must, t->hw, t->start),
		    t->included, "step %d", i);
		kb_fetch_ctx_end(w.s, &ctx);
	}
	close_world(&w);
}

/* A full fetch tells of everything, also without a session. */
Test(kb_fetch_ctx, a_full_fetch_tells_all)
{
	struct kb_fetch_part v[] = { part("t", 0, 0), part("t", 1, 0) };
	struct world w;
	int32_t told;

	open_world(&w, 0);
	fetch(&w, 0, 0, false, v, 2, &told);
	cr_assert_eq(told, 2);
	fetch(&w, 0, -1, false, v, 2, &told);
	cr_assert_eq(told, 2);
	close_world(&w);
}

/* So that the first partitions do not starve the others. */
Test(kb_fetch_ctx, those_with_records_go_to_the_end)
{
	struct kb_fetch_part v[] = { part("t", 0, 0), part("t", 1, 0),
		part("t", 2, 0) };
	struct kb_fetch_ctx ctx;
	struct world w;
	int32_t id;

	open_world(&w, 2);
	id = fetch(&w, 0, 0, false, v, 3, NULL);
	cr_assert_eq(begin(&w, &ctx, id, 1, false, NULL, 0, NULL, 0), KP_NONE);
	kb_fetch_ctx_include(&ctx, &ctx.parts[0], true, false, 1, 0);
	kb_fetch_ctx_include(&ctx, &ctx.parts[1], false, false, 1, 0);
	kb_fetch_ctx_include(&ctx, &ctx.parts[2], true, false, 1, 0);
	kb_fetch_ctx_end(w.s, &ctx);
	cr_assert_eq(begin(&w, &ctx, id, 2, false, NULL, 0, NULL, 0), KP_NONE);
	cr_assert_eq(ctx.parts[0].partition, 1);
	cr_assert_eq(ctx.parts[1].partition, 0);
	cr_assert_eq(ctx.parts[2].partition, 2);
	kb_fetch_ctx_end(w.s, &ctx);
	close_world(&w);
}

/* --- who makes room ------------------------------------------------------ */

struct eviction {
	const char *what;
	bool old_follower, new_follower;
	int old_parts, new_parts;
	int64_t age_ms; /* since it was made */
	int64_t idle_ms; /* since it was last used */
	bool evicted;
};

static const struct eviction evictions[] = {
	{ "young, smaller", false, false, 1, 9, MINUTE, 0, false },
	{ "old, smaller", false, false, 1, 9, 3 * MINUTE, 0, true },
	{ "old, just as large", false, false, 9, 9, 3 * MINUTE, 0, false },
	{ "old, larger", false, false, 10, 9, 3 * MINUTE, 0, false },
	{ "unused", false, false, 10, 9, 3 * MINUTE, 3 * MINUTE, true },
	{ "unused for two minutes and no more", false, false, 10, 9, 2 * MINUTE,
	    2 * MINUTE, false },
	{ "a young larger consumer's, for a follower", false, true, 10, 9, 0, 0,
	    true },
	{ "a follower's, for a consumer", true, false, 1, 9, 9 * MINUTE, 0,
	    false },
	{ "a follower's unused one, for a consumer", true, false, 10, 1,
	    9 * MINUTE, 3 * MINUTE, true },
	{ "a follower's young one, for a follower", true, true, 1, 9, MINUTE, 0,
	    false },
	{ "a follower's old and smaller, for a follower", true, true, 1, 9,
	    3 * MINUTE, 0, true },
};

Test(kb_sessions, eviction)
{
	for (size_t i = 0; i < KC_COUNT(evictions); i++) {
		const struct eviction *e = &evictions[i];
		struct world w;
		int32_t id, next, epoch = 1;

		open_world(&w, 1);
		id = make(&w, e->old_follower, e->old_parts);
		cr_assert_neq(id, 0);
		w.now += e->age_ms - e->idle_ms;
		if (e->idle_ms < e->age_ms)
			cr_assert_eq(refusal(&w, id, epoch++), KP_NONE);
		w.now += e->idle_ms;
		next = make(&w, e->new_follower, e->new_parts);
		cr_expect_eq(next != 0, e->evicted, "%s", e->what);
		cr_expect_eq(refusal(&w, id, epoch),
		    e->evicted ? KP_FETCH_SESSION_ID_NOT_FOUND : KP_NONE, "%s",
		    e->what);
		cr_expect_eq(sessions(&w), 1);
		close_world(&w);
	}
}

Test(kb_sessions, a_busy_one_makes_no_room)
{
	struct kb_fetch_ctx ctx;
	struct world w;
	int32_t id;

	open_world(&w, 1);
	id = make(&w, false, 1);
	cr_assert_eq(begin(&w, &ctx, id, 1, false, NULL, 0, NULL, 0), KP_NONE);
	w.now += 10 * MINUTE;
	cr_assert_eq(make(&w, true, 9), 0);
	kb_fetch_ctx_end(w.s, &ctx);
	cr_assert_neq(make(&w, true, 9), 0);
	close_world(&w);
}

/* The one used longest ago goes first. */
Test(kb_sessions, the_least_recently_used_goes)
{
	struct world w;
	int32_t a, b;

	open_world(&w, 2);
	a = make(&w, false, 1);
	b = make(&w, false, 1);
	w.now += MINUTE;
	cr_assert_eq(refusal(&w, a, 1), KP_NONE);
	w.now += 3 * MINUTE;
	cr_assert_neq(make(&w, false, 1), 0);
	cr_assert_eq(refusal(&w, b, 1), KP_FETCH_SESSION_ID_NOT_FOUND);
	cr_assert_eq(refusal(&w, a, 2), KP_NONE);
	close_world(&w);
}

Test(kb_sessions, counts)
{
	struct kb_fetch_part more = part("more", 0, 0);
	struct world w;
	int64_t nparts;
	int32_t id, n;

	open_world(&w, 3);
	id = make(&w, false, 4);
	make(&w, true, 5);
	kb_sessions_count(w.s, &n, &nparts);
	cr_assert(n == 2 && nparts == 9);
	fetch(&w, id, 1, false, &more, 1, NULL);
	kb_sessions_count(w.s, &n, &nparts);
	cr_assert(n == 2 && nparts == 10);
	fetch(&w, id, -1, false, &more, 1, NULL);
	kb_sessions_count(w.s, &n, &nparts);
	cr_assert(n == 1 && nparts == 5);
	close_world(&w);
}
