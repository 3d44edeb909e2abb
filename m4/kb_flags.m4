# KB_COMPILE_FLAG(VARIABLE, FLAG)
# Append FLAG to VARIABLE when the compiler takes it without a warning.
AC_DEFUN([KB_COMPILE_FLAG], [
	AS_VAR_PUSHDEF([cache], [kb_cv_cflag_$2])
	AC_CACHE_CHECK([whether $CC takes $2], [cache], [
		kb_saved_cflags=$CFLAGS
		CFLAGS="$CFLAGS -Werror $2"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <string.h>]],
			[[char b[8]; memset(b, 0, sizeof b); return b[0];]])],
			[AS_VAR_SET([cache], [yes])],
			[AS_VAR_SET([cache], [no])])
		CFLAGS=$kb_saved_cflags
	])
	AS_VAR_IF([cache], [yes], [$1="$$1 $2"])
	AS_VAR_POPDEF([cache])
])

# KB_LINK_FLAG(VARIABLE, FLAG)
# Append FLAG to VARIABLE when a program links with it.
AC_DEFUN([KB_LINK_FLAG], [
	AS_VAR_PUSHDEF([cache], [kb_cv_ldflag_$2])
	AC_CACHE_CHECK([whether the linker takes $2], [cache], [
		kb_saved_ldflags=$LDFLAGS
		LDFLAGS="$LDFLAGS $2"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
			[AS_VAR_SET([cache], [yes])],
			[AS_VAR_SET([cache], [no])])
		LDFLAGS=$kb_saved_ldflags
	])
	AS_VAR_IF([cache], [yes], [$1="$$1 $2"])
	AS_VAR_POPDEF([cache])
])

# KB_NEED(NAME, DEBIAN-PACKAGE)
# Say what is missing and how to get it, once, at the end of configure.
AC_DEFUN([KB_NEED], [
	kb_missing="$kb_missing $1"
	kb_packages="$kb_packages $2"
])

# KB_PKG(VARIABLE, MODULES, DEBIAN-PACKAGE)
AC_DEFUN([KB_PKG], [
	PKG_CHECK_MODULES([$1], [$2], [], [KB_NEED([$1], [$3])])
	KB_CFLAGS="$KB_CFLAGS $[]$1[]_CFLAGS"
	KB_LIBS="$KB_LIBS $[]$1[]_LIBS"
])
