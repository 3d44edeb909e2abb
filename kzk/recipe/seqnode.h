/*
 * seqnode -- news by sequential nodes: a writer creates one below a folder,
 * every broker reads those it has not seen, in order.  Kafka:
 * kafka.common.ZkNodeChangeNotificationListener, used for /config/changes,
 * ACL changes and token changes.
 *
 * After a new session the folder is looked at again.  Nodes older than
 * KZK_SEQNODE_AGE_MS are deleted by whoever reads; a reader that was away
 * longer has to read everything anew anyway, which is what a start does.
 *
 * @thread the session's loop
 */
#ifndef KZK_SEQNODE_H
#define KZK_SEQNODE_H

#include "kzk/kzk.h"

#define KZK_SEQNODE_AGE_MS (15 * 60 * 1000)
#define KZK_SEQNODE_RETRY_MS 1000

struct kzk_seqnode;

struct kzk_seqnode_params {
	struct kzk *zk;
	const char *dir; /* KZK_CONFIG_CHANGES; a constant */
	const char *prefix; /* KZK_CONFIG_CHANGE_PREFIX; a constant */
	/*
	 * One notification.  On a fiber: it may wait, and the next one comes
	 * after it returned.  data is good until it returns, and null when
	 * the node's is.
	 */
	void (*fn)(void *arg, struct kc_str data);
	void *arg;
};

/*
 * Reads all that is there, then each new one.  KC_OK or KC_ENOMEM; what goes
 * wrong later is logged and tried again.
 */
int kzk_seqnode_open(
    struct kzk_seqnode **np, const struct kzk_seqnode_params *p);
/*
 * fn will not be called again, once a call under way has returned.  Before
 * kzk_close().
 */
void kzk_seqnode_close(struct kzk_seqnode **np);

/* Write one.  On a fiber.  KC_E* as in struct kzk_op. */
int kzk_seqnode_write(
    struct kzk *zk, const char *dir, const char *prefix, struct kc_str data);

#endif
