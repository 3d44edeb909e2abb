#include "kcommon/proto/error.h"

struct error {
	const char *name;
	const char *text;
	bool retriable;
};

static const struct error errors[KP_ERROR_MAX - KP_ERROR_MIN + 1] = {
#define X(name, code, retriable, text)                                         \
	[(code)-KP_ERROR_MIN] = { #name, text, retriable },
#include "kcommon/proto/error.def"
#undef X
};

static const struct error *
find(int code)
{
	if (code < KP_ERROR_MIN || code > KP_ERROR_MAX)
		code = KP_UNKNOWN_SERVER_ERROR;
	return &errors[code - KP_ERROR_MIN];
}

const char *
kp_error_name(int code)
{
	return find(code)->name;
}

const char *
kp_error_text(int code)
{
	return find(code)->text;
}

bool
kp_error_retriable(int code)
{
	return find(code)->retriable;
}
