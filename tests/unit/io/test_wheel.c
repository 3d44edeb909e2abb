#include "kcommon/io/wheel.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct rec {
	struct kc_timer t;
	struct kc_wheel *w;
	int64_t fired_at; /* -1: not yet */
	int fires;
	int64_t again_ms; /* > 0: sets itself again */
};

static void
fire(struct kc_timer *t)
{
	struct rec *r = KC_CONTAINER(t, struct rec, t);

	cr_assert(!kc_timer_is_set(t));
	r->fired_at = r->w->now_ms;
	r->fires++;
	if (r->again_ms > 0)
		kc_wheel_set(r->w, t, r->w->now_ms + r->again_ms);
}

static void
init(struct rec *r, struct kc_wheel *w)
{
	*r = (struct rec){ .w = w, .fired_at = -1 };
	kc_timer_init(&r->t, fire);
}

/*
 * Goal: every timer fires once, at its due time exactly when time is advanced
 * step by step, from any start and over every level.
 * Method: due times around each power of 64, advanced to the next event.
 */
Test(kc_wheel, fires_when_due)
{
	static const int64_t starts[] = { 0, 1, 63, 64, 4095, 262143,
		1000000000, (INT64_C(1) << 41) - 3 };
	struct kc_wheel *w = malloc(sizeof *w);
	struct rec r[64];
	int64_t due[64], next;
	size_t s;
	int n, k, d;

	for (s = 0; s < KC_COUNT(starts); s++) {
		kc_wheel_init(w, starts[s]);
		n = 0;
		for (k = 0; k < 7; k++) {
			for (d = -1; d <= 1; d++) {
				init(&r[n], w);
				due[n] = starts[s] + (INT64_C(1) << 6 * k) + d;
				kc_wheel_set(w, &r[n].t, due[n]);
				due[n] = KC_MAX(due[n], starts[s] + 1);
				n++;
			}
		}
		while ((next = kc_wheel_next_ms(w)) != -1) {
			cr_assert_gt(next, w->now_ms);
			kc_wheel_advance(w, next - 1);
			kc_wheel_advance(w, next);
		}
		for (k = 0; k < n; k++) {
			cr_assert_eq(r[k].fires, 1);
			cr_assert_eq(r[k].fired_at, due[k],
			    "start %ld due %ld at %ld", starts[s], due[k],
			    r[k].fired_at);
		}
	}
	free(w);
}

/* Goal: against a plain list, with random sets, moves, cancels and leaps. */
Test(kc_wheel, as_a_list_would)
{
	struct kc_wheel *w = malloc(sizeof *w);
	struct rec r[100];
	int64_t due[100] = { 0 }; /* 0: not set */
	int64_t now = 5;
	int step, i;

	srand(7);
	kc_wheel_init(w, now);
	for (i = 0; i < 100; i++)
		init(&r[i], w);
	for (step = 0; step < 20000; step++) {
		i = rand() % 100;
		if (rand() % 4 == 0) {
			kc_wheel_cancel(w, &r[i].t);
			due[i] = 0;
		} else {
			due[i] = now + 1 + rand() % (1 << rand() % 20);
			kc_wheel_set(w, &r[i].t, due[i]);
		}
		now += rand() % 100 == 0 ? rand() % 300000 : rand() % 50;
		kc_wheel_advance(w, now);
		for (i = 0; i < 100; i++) {
			if (due[i] != 0 && due[i] <= now) {
				cr_assert_eq(r[i].fires, 1);
				cr_assert_eq(r[i].fired_at, due[i]);
				due[i] = 0;
			} else {
				cr_assert_eq(r[i].fires, 0);
			}
			r[i].fires = 0;
			cr_assert_eq(kc_timer_is_set(&r[i].t), due[i] != 0);
		}
	}
	free(w);
}

static struct rec *victim;

static void
fire_and_cancel(struct kc_timer *t)
{
	fire(t);
	kc_wheel_cancel(victim->w, &victim->t);
}

/* Goal: a callback may cancel its neighbour of the same slot. */
Test(kc_wheel, cancel_while_firing)
{
	struct kc_wheel *w = malloc(sizeof *w);
	struct rec a, b;

	kc_wheel_init(w, 0);
	init(&a, w);
	init(&b, w);
	a.t.fn = b.t.fn = fire_and_cancel;
	kc_wheel_set(w, &a.t, 100);
	kc_wheel_set(w, &b.t, 100);
	victim = &a; /* b is served first: last in, first out */
	kc_wheel_advance(w, 99);
	cr_assert_eq(a.fires + b.fires, 0);
	kc_wheel_advance(w, 200);
	cr_assert_eq(a.fires + b.fires, 1);
	cr_assert_eq(kc_wheel_next_ms(w), -1);
	free(w);
}

/* Goal: a timer that sets itself again is served once a period, no more. */
Test(kc_wheel, sets_itself_again)
{
	struct kc_wheel *w = malloc(sizeof *w);
	struct rec a;

	kc_wheel_init(w, 0);
	init(&a, w);
	a.again_ms = 10;
	kc_wheel_set(w, &a.t, 0);
	kc_wheel_advance(w, 0);
	cr_assert_eq(a.fires, 0);
	kc_wheel_advance(w, 101);
	cr_assert_eq(a.fires, 11); /* 1, 11, .. 101 */
	kc_wheel_cancel(w, &a.t);
	kc_wheel_cancel(w, &a.t);
	kc_wheel_advance(w, 1000);
	cr_assert_eq(a.fires, 11);
	free(w);
}

/* Goal: a due time beyond the wheel is cut, not lost in the wrong slot. */
Test(kc_wheel, far_future)
{
	struct kc_wheel *w = malloc(sizeof *w);
	struct rec a;

	kc_wheel_init(w, 1000);
	init(&a, w);
	kc_wheel_set(w, &a.t, INT64_MAX);
	kc_wheel_advance(w, INT64_C(1) << 40);
	cr_assert_eq(a.fires, 0);
	cr_assert(kc_timer_is_set(&a.t));
	kc_wheel_advance(w, (INT64_C(1) << 48) - 1);
	cr_assert_eq(a.fires, 1);
	free(w);
}
