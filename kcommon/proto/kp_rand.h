/*
 * kp_rand -- random messages, for tests and simulations.
 */
#ifndef KP_RAND_H
#define KP_RAND_H

#include "kcommon/base/rand.h"
#include "kcommon/proto/kp.h"

/*
 * Fill msg, a struct of the message, so that it can be encoded in this
 * version: fields that it carries get random values (numbers from the edges
 * of their range too, strings of any bytes, up to 3 elements an array, null
 * where null is allowed), all others their default.
 *
 * KC_OK, or KC_ELIMIT when the arena's cap was hit.
 */
int kp_rand(const struct kp_msg *m, int16_t version, struct kc_rand *rnd,
    struct kc_arena *a, void *msg) KC_MUST_USE;

#endif
