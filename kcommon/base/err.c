#include "kcommon/base/err.h"

#include <errno.h>

const char *
kc_strerror(int err)
{
	switch (err) {
#define X(name, num, text)                                                     \
	case num:                                                              \
		return text;
#include "kcommon/base/err.def"
#undef X
	}
	return "unknown error";
}

int
kc_err_errno(int sys_errno)
{
	switch (sys_errno) {
	case 0:
		return KC_OK;
	case ENOMEM:
		return KC_ENOMEM;
	case EIO:
		return KC_EIO;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return KC_ENOSPC;
	case ENOENT:
		return KC_ENOENT;
	case EEXIST:
		return KC_EEXIST;
	case EACCES:
	case EPERM:
	case EROFS:
		return KC_EACCES;
	case EINVAL:
		return KC_EINVAL;
	case EAGAIN:
		return KC_EAGAIN;
	case EPIPE:
	case ECONNRESET:
		return KC_ECLOSED;
	case ETIMEDOUT:
		return KC_ETIMEDOUT;
	case ECONNREFUSED:
		return KC_ECONNREFUSED;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
		return KC_ENETWORK;
	case EADDRINUSE:
		return KC_EADDRINUSE;
	case ENOTDIR:
		return KC_ENOTDIR;
	case ENOTEMPTY:
		return KC_ENOTEMPTY;
	case EBUSY:
		return KC_EBUSY;
	case EMFILE:
	case ENFILE:
		return KC_EMFILE;
	}
	return KC_ESYSTEM;
}
