#include "kcommon/io/wheel.h"

#include "kcommon/base/assert.h"

#include <string.h>

#define SLOT_MASK (KC_WHEEL_SLOTS - 1)
#define DUE_MAX ((INT64_C(1) << (KC_WHEEL_BITS * KC_WHEEL_LEVELS)) - 1)

void
kc_wheel_init(struct kc_wheel *w, int64_t now_ms)
{
	KC_ASSERT(now_ms >= 0 && now_ms <= DUE_MAX);
	memset(w, 0, sizeof *w);
	w->now_ms = now_ms;
}

static unsigned
digit(int64_t ms, int level)
{
	return (unsigned)(ms >> (level * KC_WHEEL_BITS)) & SLOT_MASK;
}

static void
push(struct kc_timer **head, struct kc_timer *t)
{
	t->next = *head;
	t->prev = head;
	if (t->next != NULL)
		t->next->prev = &t->next;
	*head = t;
}

static void
unlink_timer(struct kc_timer *t)
{
	*t->prev = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	t->next = NULL;
	t->prev = NULL;
}

/* Needs t->due_ms > now. */
static void
place(struct kc_wheel *w, struct kc_timer *t)
{
	uint64_t diff = (uint64_t)(t->due_ms ^ w->now_ms);
	int level = (63 - __builtin_clzll(diff)) / KC_WHEEL_BITS;
	unsigned s = digit(t->due_ms, level);

	push(&w->slot[level][s], t);
	w->occupied[level] |= UINT64_C(1) << s;
}

void
kc_wheel_set(struct kc_wheel *w, struct kc_timer *t, int64_t due_ms)
{
	kc_wheel_cancel(w, t);
	/* Not at once: a timer that sets itself again must not spin. */
	t->due_ms = KC_MIN(KC_MAX(due_ms, w->now_ms + 1), DUE_MAX);
	place(w, t);
}

void
kc_wheel_cancel(struct kc_wheel *w, struct kc_timer *t)
{
	struct kc_timer **head = t->prev;
	size_t i;

	if (head == NULL)
		return;
	unlink_timer(t);
	/* When it was the last of a slot, prev pointed into the table. */
	if (*head == NULL && head >= &w->slot[0][0] &&
	    head <= &w->slot[KC_WHEEL_LEVELS - 1][KC_WHEEL_SLOTS - 1]) {
		i = (size_t)(head - &w->slot[0][0]);
		w->occupied[i / KC_WHEEL_SLOTS] &=
		    ~(UINT64_C(1) << i % KC_WHEEL_SLOTS);
	}
}

/* The next occupied slot, its level and the time it begins; -1: none. */
static int64_t
next_slot(const struct kc_wheel *w, int *level, unsigned *s)
{
	int64_t base;
	int k;

	for (k = 0; k < KC_WHEEL_LEVELS; k++) {
		if (w->occupied[k] == 0)
			continue;
		*level = k;
		*s = (unsigned)__builtin_ctzll(w->occupied[k]);
		base = w->now_ms >> ((k + 1) * KC_WHEEL_BITS);
		return ((base << KC_WHEEL_BITS) | *s) << (k * KC_WHEEL_BITS);
	}
	return -1;
}

int64_t
kc_wheel_next_ms(const struct kc_wheel *w)
{
	unsigned s;
	int level;

	return next_slot(w, &level, &s);
}

/* Empties one slot whose time has come: timers fire or move down. */
static void
open_slot(struct kc_wheel *w, int level, unsigned s)
{
	struct kc_timer *t;

	w->occupied[level] &= ~(UINT64_C(1) << s);
	while ((t = w->slot[level][s]) != NULL) {
		unlink_timer(t);
		if (t->due_ms <= w->now_ms)
			push(&w->expired, t);
		else
			place(w, t);
	}
}

void
kc_wheel_advance(struct kc_wheel *w, int64_t now_ms)
{
	struct kc_timer *t;
	int64_t at;
	unsigned s;
	int level;

	while ((at = next_slot(w, &level, &s)) != -1 && at <= now_ms) {
		w->now_ms = at;
		open_slot(w, level, s);
		while ((t = w->expired) != NULL) {
			unlink_timer(t);
			t->fn(t);
		}
	}
	if (now_ms > w->now_ms)
		w->now_ms = now_ms;
}
