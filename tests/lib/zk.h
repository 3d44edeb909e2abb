/*
 * zk -- look into a test's ZooKeeper with the plain client library.
 *
 * Paths are below the chroot of the cluster.
 *
 * @thread the main thread alone
 */
#ifndef KT_ZK_H
#define KT_ZK_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/cluster.h"

struct kt_zk;

struct kt_znode {
	char *data; /* NUL-terminated; NULL for null data */
	bool ephemeral;
	int version;
	int64_t czxid;
	bool open_acl; /* world:anyone may do everything, and nothing else */
};

struct kt_zk *kt_zk_open(const struct kt_cluster *c);
void kt_zk_close(struct kt_zk **zkp);

bool kt_zk_exists(struct kt_zk *zk, const char *path);
/* False when there is no such znode; free with kt_znode_free(). */
bool kt_zk_get(struct kt_zk *zk, const char *path, struct kt_znode *node);
void kt_znode_free(struct kt_znode *node);
/* Set the data of a znode, which is made when it is not there. */
void kt_zk_put(struct kt_zk *zk, const char *path, const char *data);
/* A sequential one: its number goes behind prefix. */
void kt_zk_append(struct kt_zk *zk, const char *prefix, const char *data);
int kt_zk_child_count(struct kt_zk *zk, const char *path); /* -1: absent */

/* Every path from the root on, parents first. */
typedef void kt_zk_walk_fn(const char *path, void *arg);
void kt_zk_walk(struct kt_zk *zk, kt_zk_walk_fn *cb, void *arg);

#endif
