#include "kcommon/proto/error.h"

#include <criterion/criterion.h>
#include <string.h>

Test(kp_error, codes_unknown_to_us)
{
	cr_assert_str_eq(kp_error_name(-2), "UNKNOWN_SERVER_ERROR");
	cr_assert_str_eq(
	    kp_error_name(KP_ERROR_MAX + 1), "UNKNOWN_SERVER_ERROR");
	cr_assert_str_eq(kp_error_text(INT16_MAX), kp_error_text(-1));
	cr_assert_not(kp_error_retriable(-32768));
}

Test(kp_error, all_codes)
{
	int code;

	for (code = KP_ERROR_MIN; code <= KP_ERROR_MAX; code++) {
		cr_assert_not_null(kp_error_name(code), "%d", code);
		cr_assert_eq(strlen(kp_error_text(code)) == 0, code == KP_NONE,
		    "%d", code);
	}
	cr_assert_eq(KP_NOT_CONTROLLER, 41);
	cr_assert_str_eq(kp_error_name(41), "NOT_CONTROLLER");
	cr_assert(kp_error_retriable(KP_NOT_CONTROLLER));
	cr_assert_not(kp_error_retriable(KP_NONE));
	cr_assert_eq(KP_VOTER_NOT_FOUND, 127);
}
