/*
 * auto_create -- topics made because somebody asked about them
 * (kafka.server.AutoTopicCreationManager).
 */
#ifndef KB_API_AUTO_CREATE_H
#define KB_API_AUTO_CREATE_H

#include "kcommon/base/str.h"

struct kb_broker;

/*
 * Writes the topic to ZooKeeper, with num.partitions and
 * default.replication.factor, or the settings that the two internal topics
 * have of their own.  name is a valid one, borrowed.  The error to answer
 * with: LEADER_NOT_AVAILABLE once it is there, or was already; else why not.
 * @thread control, on a fiber
 */
int16_t kb_auto_create(struct kb_broker *b, struct kc_str name);

#endif
