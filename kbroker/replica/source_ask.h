/*
 * source_ask -- the requests that a source makes; in src->arena.
 *
 * @thread fetch
 */
#ifndef KB_REPLICA_SOURCE_ASK_H
#define KB_REPLICA_SOURCE_ASK_H

#include "kbroker/replica/source.h"
#include "kcommon/proto/kp.h"

/* KC_OK; KC_ENOENT: nothing to ask; KC_ENOMEM. */
int kb_source_make_list(struct kb_source *src, struct kp_list_offsets_req *in);
int kb_source_make_fetch(
    struct kb_source *src, struct kp_fetch_req *in, int16_t *version);
/* It is no longer part of the session. */
void kb_source_forget(struct kb_copy *c);
void kb_source_drop_forgotten(struct kb_source *src);

#endif
