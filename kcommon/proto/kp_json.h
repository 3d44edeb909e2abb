/*
 * kp_json -- a message as one line of JSON, for traces and tests.
 *
 * Names are those of the structs, in wire order; a field that the version
 * lacks is left out.  Bytes are text in hexadecimal, records the number of
 * their bytes, strings with broken UTF-8 get U+FFFD in its place.
 *
 * Nothing is hidden: a dump of a request may hold passwords.
 */
#ifndef KP_JSON_H
#define KP_JSON_H

#include "kcommon/proto/kp.h"

/* Append to w; KC_OK or the writer's error.  @thread any */
int kp_json(
    struct kc_wr *w, const struct kp_msg *m, int16_t version, const void *msg);

#endif
