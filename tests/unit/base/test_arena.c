#include "kcommon/base/arena.h"

#include <criterion/criterion.h>

/*
 * Goal: a request that lies about its sizes gets NULL, not memory.
 */
Test(kc_arena, cap)
{
	struct kc_arena a;

	kc_arena_init(&a, 1000);
	cr_assert_null(kc_arena_alloc(&a, SIZE_MAX));
	cr_assert_null(kc_arena_alloc(&a, SIZE_MAX - 20));
	cr_assert_null(kc_arena_alloc(&a, 1001));
	cr_assert_null(kc_arena_array(&a, SIZE_MAX / 2, 3));
	cr_assert_eq(a.used, 0);
	cr_assert_not_null(kc_arena_alloc(&a, 1000));
	cr_assert_null(kc_arena_alloc(&a, 1));
	cr_assert_null(kc_arena_printf(&a, "%d", 1));
	cr_assert_eq(kc_arena_str(&a, KC_STR_LIT("x")).len, -1);
	kc_arena_reset(&a);
	cr_assert_not_null(kc_arena_alloc(&a, 1000));
	kc_arena_fini(&a);
}

Test(kc_arena, nothing_used)
{
	struct kc_arena a;

	kc_arena_init(&a, 0);
	cr_assert_null(kc_arena_alloc(&a, 0));
	kc_arena_reset(&a);
	kc_arena_fini(&a);
	kc_arena_fini(&a);
}

/* Method: fill every piece, over many chunks, and look at all afterwards. */
Test(kc_arena, pieces_do_not_overlap)
{
	struct kc_arena a;
	uint8_t *p[400];
	size_t i, j, round;

	kc_arena_init(&a, 4 << 20);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < KC_COUNT(p); i++) {
			p[i] = kc_arena_alloc(&a, i * 7);
			cr_assert_not_null(p[i]);
			cr_assert_eq((uintptr_t)p[i] % 16, 0);
			for (j = 0; j < i * 7; j++)
				cr_assert_eq(p[i][j], 0);
			memset(p[i], (int)i, i * 7);
		}
		for (i = 0; i < KC_COUNT(p); i++)
			for (j = 0; j < i * 7; j++)
				cr_assert_eq(p[i][j], (uint8_t)i);
		kc_arena_reset(&a);
		cr_assert_eq(a.used, 0);
	}
	/* Larger than any chunk. */
	cr_assert_not_null(kc_arena_alloc(&a, 3 << 20));
	kc_arena_reset(&a);
	cr_assert_not_null(kc_arena_alloc(&a, 3 << 20));
	kc_arena_fini(&a);
}

Test(kc_arena, text)
{
	struct kc_arena a;
	struct kc_str s;

	kc_arena_init(&a, 1 << 16);
	s = kc_arena_str(&a, (struct kc_str){ "abcdef", 3 });
	cr_assert_eq(s.len, 3);
	cr_assert_str_eq(s.p, "abc");
	cr_assert_eq(kc_arena_str(&a, KC_STR_NULL).len, -1);
	s = kc_arena_str(&a, KC_STR_LIT(""));
	cr_assert_eq(s.len, 0);
	cr_assert_str_eq(s.p, "");
	cr_assert_str_eq(kc_arena_printf(&a, "%s-%d", "x", 42), "x-42");
	kc_arena_fini(&a);
}
