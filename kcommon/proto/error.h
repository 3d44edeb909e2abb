/*
 * error -- the 16-bit error codes of Kafka's protocol (class Errors).
 *
 * These are for peers only; inside the process errors are KC_E*.
 */
#ifndef KP_ERROR_H
#define KP_ERROR_H

#include "kcommon/base/kc.h"

enum kp_error {
#define X(name, code, retriable, text) KP_##name = (code),
#include "kcommon/proto/error.def"
#undef X
};

#define KP_ERROR_MIN KP_UNKNOWN_SERVER_ERROR
#define KP_ERROR_MAX KP_VOTER_NOT_FOUND

/*
 * Of a code outside MIN..MAX these answer for UNKNOWN_SERVER_ERROR, as which
 * Kafka reads it.  Texts are static and never NULL.  @thread any
 */
const char *kp_error_name(int code); /* "NOT_CONTROLLER" */
const char *kp_error_text(int code); /* a sentence; "" for NONE */
bool kp_error_retriable(int code);

#endif
