/*
 * topic_name -- which names a topic may have (org.apache.kafka.common.internals
 * .Topic), and the two that belong to the broker.
 */
#ifndef KB_TOPIC_NAME_H
#define KB_TOPIC_NAME_H

#include "kcommon/base/str.h"

#define KB_TOPIC_NAME_MAX 249
#define KB_TOPIC_OFFSETS "__consumer_offsets"
#define KB_TOPIC_TXN "__transaction_state"

/* 1 to 249 of [a-zA-Z0-9._-], neither "." nor "..". */
bool kb_topic_name_valid(struct kc_str name);
bool kb_topic_name_internal(struct kc_str name);
/*
 * True when two different names give one metric name, because '.' and '_'
 * are the same there.
 */
bool kb_topic_name_collides(struct kc_str a, struct kc_str b);

#endif
