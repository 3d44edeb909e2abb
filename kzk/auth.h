/*
 * auth -- who may do what with the nodes we create.
 */
#ifndef KZK_AUTH_H
#define KZK_AUTH_H

#include "kzk/zk_ops.h"

/* zookeeper.set.acl needs a session that is somebody's; logs what to do. */
int kzk_auth_check(const struct kzk_params *p);
/* kafka.zk.ZkData.defaultAcls. path without the chroot. */
enum kzk_acl_kind kzk_auth_acl(bool set_acl, const char *path);

#endif
