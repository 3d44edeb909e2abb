#include "kzk/auth.h"

#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kzk/path.h"

#include <string.h>

int
kzk_auth_check(const struct kzk_params *p)
{
	if (p->digest != NULL && strchr(p->digest, ':') == NULL) {
		kc_log(KC_LOG_ERROR, "kafka.zookeeper.ZooKeeperClient",
		    "The ZooKeeper digest credentials are not of the form "
		    "user:password.");
		return KC_EINVAL;
	}
	if (!p->set_acl || p->digest != NULL || p->ssl != NULL)
		return KC_OK;
	kc_log(KC_LOG_ERROR, "kafka.zookeeper.ZooKeeperClient",
	    "zookeeper.set.acl is true, but this broker does not authenticate "
	    "itself to ZooKeeper: nodes would belong to nobody. Give it "
	    "credentials or set zookeeper.set.acl=false.");
	return KC_EINVAL;
}

enum kzk_acl_kind
kzk_auth_acl(bool set_acl, const char *path)
{
	if (!set_acl || kzk_path_open(path))
		return KZK_ACL_OPEN;
	return kzk_path_sensitive(path) ? KZK_ACL_CREATOR : KZK_ACL_READ;
}
