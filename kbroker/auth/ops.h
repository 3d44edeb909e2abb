/*
 * ops -- operations and resources of ACLs, with Kafka's numbers
 * (org.apache.kafka.common.acl.AclOperation, resource.ResourceType), which
 * are on the wire.
 */
#ifndef KB_AUTH_OPS_H
#define KB_AUTH_OPS_H

#include "kcommon/base/str.h"

enum kb_op {
	KB_OP_ANY = 1,
	KB_OP_ALL = 2,
	KB_OP_READ = 3,
	KB_OP_WRITE = 4,
	KB_OP_CREATE = 5,
	KB_OP_DELETE = 6,
	KB_OP_ALTER = 7,
	KB_OP_DESCRIBE = 8,
	KB_OP_CLUSTER_ACTION = 9,
	KB_OP_DESCRIBE_CONFIGS = 10,
	KB_OP_ALTER_CONFIGS = 11,
	KB_OP_IDEMPOTENT_WRITE = 12,
	KB_OP_CREATE_TOKENS = 13,
	KB_OP_DESCRIBE_TOKENS = 14,
};

enum kb_res {
	KB_RES_TOPIC = 2,
	KB_RES_GROUP = 3,
	KB_RES_CLUSTER = 4,
	KB_RES_TXN_ID = 5,
	KB_RES_TOKEN = 6,
	KB_RES_USER = 7,
};

#define KB_RES_CLUSTER_NAME KC_STR_LIT("kafka-cluster")

/*
 * The operations that make sense on a resource, as the bit field of the
 * protocol: bit n is operation n (AclEntry.supportedOperations).
 */
static inline int32_t
kb_ops_of(enum kb_res res)
{
#define BIT(op) (1 << KB_OP_##op)
	switch (res) {
	case KB_RES_TOPIC:
		return BIT(READ) | BIT(WRITE) | BIT(CREATE) | BIT(DELETE) |
		    BIT(ALTER) | BIT(DESCRIBE) | BIT(DESCRIBE_CONFIGS) |
		    BIT(ALTER_CONFIGS);
	case KB_RES_GROUP:
		return BIT(READ) | BIT(DELETE) | BIT(DESCRIBE);
	case KB_RES_CLUSTER:
		return BIT(CREATE) | BIT(ALTER) | BIT(DESCRIBE) |
		    BIT(CLUSTER_ACTION) | BIT(DESCRIBE_CONFIGS) |
		    BIT(ALTER_CONFIGS) | BIT(IDEMPOTENT_WRITE);
	case KB_RES_TXN_ID:
		return BIT(WRITE) | BIT(DESCRIBE);
	case KB_RES_TOKEN:
		return BIT(DESCRIBE);
	case KB_RES_USER:
		return BIT(CREATE_TOKENS) | BIT(DESCRIBE_TOKENS);
	}
	return 0;
#undef BIT
}

/*
 * Who may do what.  allowed NULL stands for "no authorizer": everybody may
 * do everything.
 */
struct kb_authz {
	bool (*allowed)(
	    void *arg, enum kb_op op, enum kb_res res, struct kc_str name);
	void *arg; /* the authorizer and who asks */
};

static inline bool
kb_authz_allowed(const struct kb_authz *z, enum kb_op op, enum kb_res res,
    struct kc_str name)
{
	return z->allowed == NULL || z->allowed(z->arg, op, res, name);
}

/* Those of kb_ops_of(res) that are allowed on name. */
static inline int32_t
kb_authz_ops(const struct kb_authz *z, enum kb_res res, struct kc_str name)
{
	int32_t ops = kb_ops_of(res);
	int op;

	for (op = KB_OP_READ; op <= KB_OP_DESCRIBE_TOKENS; op++)
		if ((ops & 1 << op) != 0 &&
		    !kb_authz_allowed(z, (enum kb_op)op, res, name))
			ops &= ~(1 << op);
	return ops;
}

/* The cluster's, as Metadata and DescribeCluster tell them: 0 to others. */
static inline int32_t
kb_authz_cluster_ops(const struct kb_authz *z)
{
	if (!kb_authz_allowed(
		z, KB_OP_DESCRIBE, KB_RES_CLUSTER, KB_RES_CLUSTER_NAME))
		return 0;
	return kb_authz_ops(z, KB_RES_CLUSTER, KB_RES_CLUSTER_NAME);
}

#endif
