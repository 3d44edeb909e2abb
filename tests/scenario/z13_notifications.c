/*
 * Goal: a reader of notifications gets each one once and in order, also those
 * written while it was without a session, and old ones are cleared away.
 */
#include "tests/lib/zkstory.h"

#include "kzk/path.h"
#include "kzk/recipe/seqnode.h"

#include <stdio.h>
#include <string.h>

struct reader {
	char got[512];
	int n;
	bool slow;
	struct kzk_seqnode **close; /* when not NULL: from inside */
};

static void
on_note(void *arg, struct kc_str data)
{
	struct reader *r = arg;

	if (r->slow)
		kc_fiber_sleep(20);
	snprintf(r->got + strlen(r->got), sizeof r->got - strlen(r->got),
	    "%.*s,", KC_STR_ARG(data));
	r->n++;
	if (r->close != NULL)
		kzk_seqnode_close(r->close);
}

static struct kzk_seqnode *
open_reader(struct kzk *zk, struct reader *r)
{
	const struct kzk_seqnode_params p = {
		.zk = zk,
		.dir = KZK_CONFIG_CHANGES,
		.prefix = KZK_CONFIG_CHANGE_PREFIX,
		.fn = on_note,
		.arg = r,
	};
	struct kzk_seqnode *s = NULL;

	KT_OK(kzk_seqnode_open(&s, &p));
	return s;
}

static void
write_note(struct kzk *zk, const char *text)
{
	KT_OK(kzk_seqnode_write(
	    zk, KZK_CONFIG_CHANGES, KZK_CONFIG_CHANGE_PREFIX, kc_str(text)));
}

/* What the clock of the readers says is ahead of ZooKeeper's. */
static int64_t ahead_ms;

static int64_t
mono_ns(struct kc_clock *c)
{
	(void)c;
	return kc_clock_system.mono_ns(&kc_clock_system);
}

static int64_t
wall_ms(struct kc_clock *c)
{
	(void)c;
	return kc_clock_system.wall_ms(&kc_clock_system) + ahead_ms;
}

static void
in_order(struct kt_zkstory *t, struct kzk *zk, struct kzk *writer)
{
	struct reader r = { 0 }, late = { 0 };
	struct kzk_seqnode *s, *s2;
	struct kzk_path path;
	char text[16];

	(void)t;
	write_note(writer, "0");
	write_note(writer, "1");
	/* What else lies there does no harm. */
	KT_OK(kzk_path_child(
	    &path, KZK_CONFIG_CHANGES, KC_STR_LIT("config_change_x")));
	KT_OK(kzk_await(
	    kzk_op_create(writer, path.s, KC_STR_LIT("no"), 0), NULL));
	s = open_reader(zk, &r);
	KT_FIBER_UNTIL(5000, r.n == 2);
	r.slow = true;
	for (int i = 2; i < 12; i++) {
		snprintf(text, sizeof text, "%d", i);
		write_note(writer, text);
	}
	KT_FIBER_UNTIL(5000, r.n == 12);
	KT_CHECK(strcmp(r.got, "0,1,2,3,4,5,6,7,8,9,10,11,") == 0);

	/* Closed from inside, with more to come: nothing more. */
	late.close = &s2;
	s2 = open_reader(zk, &late);
	KT_FIBER_UNTIL(5000, s2 == NULL);
	kc_fiber_sleep(100);
	KT_CHECK(strcmp(late.got, "0,") == 0);
	kzk_seqnode_close(&s);
	KT_EQ(r.n, 12);
}

static void
over_sessions(struct kt_zkstory *t, struct kzk *writer)
{
	struct kzk *zk = kt_zkstory_open(t, "", true);
	int64_t session = kzk_session_id(zk);
	struct reader r = { 0 };
	struct kzk_seqnode *s = open_reader(zk, &r);

	KT_FIBER_UNTIL(5000, r.n == 12);
	kt_proxy_freeze(&t->proxy);
	kc_fiber_sleep(4000);
	write_note(writer, "away");
	kt_proxy_thaw(&t->proxy);
	KT_FIBER_UNTIL(15000, r.n == 13);
	KT_CHECK(strstr(r.got, ",11,away,") != NULL);
	KT_CHECK(kzk_session_id(zk) != session);
	kzk_seqnode_close(&s);
	kzk_close(&zk);
}

static void
purging(struct kzk *zk, struct kzk *writer)
{
	struct kzk_op *op;
	struct reader r = { 0 };
	struct kzk_seqnode *s;

	ahead_ms = KZK_SEQNODE_AGE_MS + 60 * 1000;
	s = open_reader(zk, &r);
	KT_FIBER_UNTIL(5000, r.n == 13);
	/* All but the one that is no notification. */
	do {
		kc_fiber_sleep(20);
		KT_OK(kzk_await(
		    kzk_op_children(writer, KZK_CONFIG_CHANGES, NULL), &op));
	} while (op->nchildren > 1);
	KT_CHECK(kc_str_eqz(op->children[0], "config_change_x"));
	ahead_ms = 0;
	write_note(writer, "young");
	KT_FIBER_UNTIL(5000, r.n == 14);
	kc_fiber_sleep(100);
	KT_OK(
	    kzk_await(kzk_op_children(writer, KZK_CONFIG_CHANGES, NULL), &op));
	KT_EQ(op->nchildren, 2);
	kzk_seqnode_close(&s);
}

static void
story(struct kt_zkstory *t)
{
	struct kc_clock clock = { mono_ns, wall_ms };
	struct kzk *zk, *writer;

	t->env.clock = &clock;
	zk = kt_zkstory_open(t, "", false);
	writer = kt_zkstory_open(t, "", false);
	KT_OK(kzk_await(
	    kzk_op_create(writer, KZK_CONFIG_CHANGES, KC_STR_NULL, KZK_PARENTS),
	    NULL));
	in_order(t, zk, writer);
	kt_step("each once, in order");
	over_sessions(t, writer);
	kt_step("over the end of a session");
	purging(zk, writer);
	kt_step("old ones are deleted");
	kzk_close(&zk);
	kzk_close(&writer);
	t->env.clock = &kc_clock_system;
}

int
main(int argc, char **argv)
{
	return kt_zkstory_run(argc, argv, story);
}
