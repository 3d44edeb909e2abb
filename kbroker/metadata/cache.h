/*
 * cache -- the current snapshot of one broker, for many readers.
 *
 * See kcommon/base/published.h for how long a read is good: take the
 * snapshot once for a request and answer all of it from that one.
 */
#ifndef KB_CACHE_H
#define KB_CACHE_H

#include "kbroker/metadata/snapshot.h"
#include "kcommon/base/published.h"

struct kb_meta_cache {
	struct kc_published pub;
};

/* One a reader thread, zeroed before first use. */
struct kb_meta_slot {
	struct kc_published_slot slot;
};

/* Takes over the reference to m, which is not NULL. */
void kb_meta_cache_init(struct kb_meta_cache *c, struct kb_meta *m);
/* All slots are released, all readers gone. */
void kb_meta_cache_fini(struct kb_meta_cache *c);

/*
 * m is the current one from now on; takes over the reference.  Who makes a
 * snapshot from the current one (kb_meta_update) and publishes it does so
 * under a lock of its own, so that no update is lost.  @thread any
 */
void kb_meta_publish(struct kb_meta_cache *c, struct kb_meta *m);

/* Borrowed until this slot is read or released again; no lock as a rule. */
const struct kb_meta *kb_meta_read(
    struct kb_meta_cache *c, struct kb_meta_slot *s);
void kb_meta_release(struct kb_meta_cache *c, struct kb_meta_slot *s);
/* A reference of one's own, for kb_meta_unref().  @thread any */
struct kb_meta *kb_meta_get(struct kb_meta_cache *c);

#endif
