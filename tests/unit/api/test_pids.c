#include "kbroker/pids.h"
#include "kcommon/base/err.h"

#include <criterion/criterion.h>

Test(pid_blocks, what_no_controller_gives)
{
	struct kb_pid_blocks b = { 0 };

	cr_expect_eq(kb_pid_blocks_add(&b, -1, 10), KC_ERANGE);
	cr_expect_eq(kb_pid_blocks_add(&b, 0, 0), KC_ERANGE);
	cr_expect_eq(kb_pid_blocks_add(&b, 0, -5), KC_ERANGE);
	cr_expect_eq(kb_pid_blocks_add(&b, INT64_MAX, 1), KC_ERANGE);
	cr_expect_eq(kb_pid_blocks_add(&b, INT64_MAX - 10, 10), KC_OK);
	cr_expect_eq(kb_pid_blocks_add(&b, 0, 10), KC_EEXIST);
}

Test(pid_blocks, asks_at_nine_tenths)
{
	struct kb_pid_blocks b = { 0 };
	bool want = false;
	int64_t id = -1;

	cr_expect_not(kb_pid_blocks_take(&b, &id, &want));
	cr_expect(want);
	cr_assert_eq(kb_pid_blocks_add(&b, 3000, 1000), KC_OK);
	for (int64_t i = 3000; i < 3900; i++) {
		want = false;
		cr_assert(kb_pid_blocks_take(&b, &id, &want));
		cr_assert_eq(id, i);
		cr_assert_not(want);
	}
	cr_assert(kb_pid_blocks_take(&b, &id, &want));
	cr_expect(want, "id 3900 wants the next block");
	cr_assert_eq(kb_pid_blocks_add(&b, 7000, 1000), KC_OK);
	for (int64_t i = 3901; i < 4000; i++) {
		want = false;
		cr_assert(kb_pid_blocks_take(&b, &id, &want));
		cr_assert_eq(id, i);
		cr_assert_not(want);
	}
	cr_assert(kb_pid_blocks_take(&b, &id, &want));
	cr_expect_eq(id, 7000);
}

Test(pid_blocks, a_block_of_one)
{
	struct kb_pid_blocks b = { 0 };
	bool want = false;
	int64_t id = -1;

	cr_assert_eq(kb_pid_blocks_add(&b, 5, 1), KC_OK);
	cr_assert(kb_pid_blocks_take(&b, &id, &want));
	cr_expect_eq(id, 5);
	cr_expect(want);
	cr_expect_not(kb_pid_blocks_take(&b, &id, &want));
}
