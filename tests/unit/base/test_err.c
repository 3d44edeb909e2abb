#include "kcommon/base/err.h"
#include "kcommon/base/kc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(kc_err, unknown_numbers_have_a_text)
{
	cr_expect_not_null(kc_strerror(1));
	cr_expect_not_null(kc_strerror(-9999));
	cr_expect_not_null(kc_strerror(INT32_MIN));
	cr_expect_eq(kc_err_errno(9999), KC_ESYSTEM);
}

/* Goal: every code of the table has its own number and its own text. */
Test(kc_err, table)
{
	static const int all[] = {
#define X(name, num, text) KC_##name,
#include "kcommon/base/err.def"
#undef X
	};
	size_t i, j;

	cr_assert_str_eq(kc_strerror(KC_OK), "success");
	for (i = 0; i < KC_COUNT(all); i++)
		for (j = 0; j < i; j++) {
			cr_assert_neq(all[i], all[j]);
			cr_assert_str_neq(
			    kc_strerror(all[i]), kc_strerror(all[j]));
		}
	cr_assert_eq(kc_err_errno(ENOSPC), KC_ENOSPC);
	cr_assert_eq(kc_err_errno(ENOMEM), KC_ENOMEM);
	cr_assert_eq(kc_err_errno(ENOENT), KC_ENOENT);
}
