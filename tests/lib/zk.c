#include "tests/lib/zk.h"

#define THREADED /* the synchronous calls of the client library */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#include "tests/lib/test.h"

#define DATA_MAX (1 << 20)
#define PATH_MAX_BYTES 1024

struct kt_zk {
	zhandle_t *zh;
};

struct kt_zk *
kt_zk_open(const struct kt_cluster *c)
{
	struct kt_zk *zk = calloc(1, sizeof *zk);

	KT_CHECK(zk != NULL);
	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	zk->zh = zookeeper_init(c->zk, NULL, 10000, NULL, NULL, 0);
	KT_CHECK(zk->zh != NULL);
	KT_UNTIL(20000, zoo_state(zk->zh) == ZOO_CONNECTED_STATE);
	return zk;
}

void
kt_zk_close(struct kt_zk **zkp)
{
	zookeeper_close((*zkp)->zh);
	free(*zkp);
	*zkp = NULL;
}

bool
kt_zk_exists(struct kt_zk *zk, const char *path)
{
	int rc = zoo_exists(zk->zh, path, 0, NULL);

	KT_CHECKF(
	    rc == ZOK || rc == ZNONODE, "exists %s: %s", path, zerror(rc));
	return rc == ZOK;
}

static bool
is_open(struct kt_zk *zk, const char *path)
{
	struct ACL_vector acl = { 0, NULL };
	struct Stat st;
	bool open;
	int rc = zoo_get_acl(zk->zh, path, &acl, &st);

	if (rc == ZNONODE) /* gone since its data were read */
		return false;
	KT_EQ(rc, ZOK);
	open = acl.count == 1 && acl.data[0].perms == ZOO_PERM_ALL &&
	    strcmp(acl.data[0].id.scheme, "world") == 0 &&
	    strcmp(acl.data[0].id.id, "anyone") == 0;
	deallocate_ACL_vector(&acl);
	return open;
}

bool
kt_zk_get(struct kt_zk *zk, const char *path, struct kt_znode *node)
{
	char *data = malloc(DATA_MAX + 1);
	int len = DATA_MAX;
	struct Stat st;
	int rc;

	KT_CHECK(data != NULL);
	memset(node, 0, sizeof *node);
	rc = zoo_get(zk->zh, path, 0, data, &len, &st);
	if (rc == ZNONODE) {
		free(data);
		return false;
	}
	KT_CHECKF(rc == ZOK, "get %s: %s", path, zerror(rc));
	if (len >= 0) {
		data[len] = '\0';
		node->data = data;
	} else {
		free(data);
	}
	node->ephemeral = st.ephemeralOwner != 0;
	node->version = st.version;
	node->czxid = st.czxid;
	node->open_acl = is_open(zk, path);
	return true;
}

void
kt_znode_free(struct kt_znode *node)
{
	free(node->data);
	node->data = NULL;
}

void
kt_zk_put(struct kt_zk *zk, const char *path, const char *data)
{
	int len = (int)strlen(data);
	int rc = zoo_set(zk->zh, path, data, len, -1);

	if (rc == ZNONODE)
		rc = zoo_create(
		    zk->zh, path, data, len, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
	KT_CHECKF(rc == ZOK, "put %s: %s", path, zerror(rc));
}

void
kt_zk_append(struct kt_zk *zk, const char *prefix, const char *data)
{
	int rc = zoo_create(zk->zh, prefix, data, (int)strlen(data),
	    &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, NULL, 0);

	KT_CHECKF(rc == ZOK, "append to %s: %s", prefix, zerror(rc));
}

int
kt_zk_child_count(struct kt_zk *zk, const char *path)
{
	struct String_vector names = { 0, NULL };
	int rc = zoo_get_children(zk->zh, path, 0, &names);
	int n = names.count;

	KT_CHECKF(
	    rc == ZOK || rc == ZNONODE, "children of %s: %s", path, zerror(rc));
	deallocate_String_vector(&names);
	return rc == ZOK ? n : -1;
}

static void
walk(struct kt_zk *zk, const char *path, kt_zk_walk_fn *cb, void *arg)
{
	struct String_vector names = { 0, NULL };
	char child[PATH_MAX_BYTES];
	int i;

	/* A znode may go while we look around. */
	if (zoo_get_children(zk->zh, path, 0, &names) != ZOK)
		return;
	cb(path, arg);
	for (i = 0; i < names.count; i++) {
		snprintf(child, sizeof child, "%s/%s",
		    path[1] == '\0' ? "" : path, names.data[i]);
		walk(zk, child, cb, arg);
	}
	deallocate_String_vector(&names);
}

void
kt_zk_walk(struct kt_zk *zk, kt_zk_walk_fn *cb, void *arg)
{
	walk(zk, "/", cb, arg);
}
