/*
 * err -- negative error codes used inside the process.
 *
 * Functions return KC_OK (0) or a KC_E*.  What a peer sees are Kafka's own
 * 16-bit codes (KP_*, kcommon/proto/error.def); one function in
 * kbroker/api maps the first to the second.
 */
#ifndef KC_ERR_H
#define KC_ERR_H

enum kc_err {
#define X(name, num, text) KC_##name = num,
#include "kcommon/base/err.def"
#undef X
};

/* A short lower-case English text; never NULL.  @thread any */
const char *kc_strerror(int err);

/* The KC_E* for an errno value; KC_ESYSTEM when there is no closer one. */
int kc_err_errno(int sys_errno);

#endif
