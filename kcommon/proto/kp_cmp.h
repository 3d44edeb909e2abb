/*
 * kp_cmp -- are two messages equal, field by field and all the way down?
 */
#ifndef KP_CMP_H
#define KP_CMP_H

#include "kcommon/proto/kp.h"

/*
 * Records are compared by their bytes in memory, or by file, offset and
 * length; doubles by their bits.  @thread any
 */
bool kp_equal(const struct kp_desc *d, const void *a, const void *b);

#endif
