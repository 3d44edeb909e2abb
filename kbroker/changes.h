/*
 * changes -- the reader of a list of notifications: sequential nodes below
 * one, each the name of something that has changed.
 *
 * A fiber lists the children, takes those with a number above the last one
 * taken, in order, each name once, and goes back to its watch.  What was
 * there when it started is taken too: who starts has read everything anyway
 * and reads a little twice.  A new session looks again.  Those older than
 * 15 minutes are deleted, a few at a time.
 *
 * From Kafka: ZkNodeChangeNotificationListener; znodes.md 6.
 *
 * @thread the session's loop
 */
#ifndef KB_CHANGES_H
#define KB_CHANGES_H

#include "kcommon/base/str.h"

struct kb_changes;
struct kc_clock;
struct kzk;

struct kb_changes_params {
	struct kzk *zk;
	struct kc_clock *clock;
	const char *dir; /* "/config/changes"; constant */
	const char *prefix; /* "config_change_" */
	/* What the node's data names; the node is skipped unless KC_OK. */
	int (*decode)(struct kc_str data, char *name, size_t cap);
	/* In the reader's fiber, which may wait. */
	void (*changed)(void *arg, struct kc_str name);
	void *arg;
};
#define KB_CHANGES_NAME_MAX 1200 /* longer: skipped */

/* Starts its fiber. */
int kb_changes_open(struct kb_changes **cp, const struct kb_changes_params *p);
/*
 * No further change is begun.  In a fiber, before kzk_close(): waits for the
 * one under way, but not for ever: one that waits for a ZooKeeper that does not
 * answer is ended by kzk_close().
 */
void kb_changes_stop(struct kb_changes *c);
/* After kzk_close().  *cp may be NULL. */
void kb_changes_close(struct kb_changes **cp);

#endif
