/*
 * metadata -- the answers to Metadata (3) and DescribeCluster (60).
 *
 * Functions of the request and of what the context holds; they do nothing
 * and wait for nothing.  All that an answer points to is in the arena or in
 * the request: the snapshot may go once they have returned.
 *
 * From Kafka: KafkaApis.handleTopicMetadataRequest, ZkMetadataCache
 * .getTopicMetadata, AuthHelper.computeDescribeClusterResponse.
 */
#ifndef KB_API_METADATA_H
#define KB_API_METADATA_H

#include "kbroker/auth/ops.h"
#include "kcommon/base/arena.h"

struct kb_meta;
struct kp_describe_cluster_req;
struct kp_describe_cluster_resp;
struct kp_metadata_req;
struct kp_metadata_resp;
struct kp_metadata_response_topic;

struct kb_metadata_ctx {
	const struct kb_meta *meta;
	struct kc_str listener; /* by which the request came */
	struct kc_arena *arena;
	int16_t version;
	bool auto_create; /* auto.create.topics.enable */
	struct kb_authz authz;
};

/*
 * Topics that do not exist and should be made, with good names and by
 * somebody who may.  They are entries of the answer that say
 * UNKNOWN_TOPIC_OR_PARTITION; who makes them puts LEADER_NOT_AVAILABLE
 * there, or why it was refused.
 */
struct kb_metadata_missing {
	struct kp_metadata_response_topic **v; /* in the arena */
	int32_t n;
};

/*
 * out has the defaults of the protocol.  KC_OK, or KC_ELIMIT when the arena
 * is full, with out good for nothing.  @thread any
 */
int kb_metadata_answer(const struct kb_metadata_ctx *ctx,
    const struct kp_metadata_req *in, struct kp_metadata_resp *out,
    struct kb_metadata_missing *missing);
int kb_describe_cluster_answer(const struct kb_metadata_ctx *ctx,
    const struct kp_describe_cluster_req *in,
    struct kp_describe_cluster_resp *out);

#endif
