/*
 * batch -- the requests that one event sends to brokers, put together.
 *
 * State changes add to it; sending makes of it, for each broker, one
 * LeaderAndIsr, one UpdateMetadata and one StopReplica at most, in that
 * order.  Kafka: AbstractControllerBrokerRequestBatch; controller.md 12.
 *
 * The partitions it holds are the model's: the model's topics do not change
 * between the first addition and the sending.
 *
 * @thread control
 */
#ifndef KB_CONTROLLER_BATCH_H
#define KB_CONTROLLER_BATCH_H

#include "kbroker/controller/model.h"

struct kb_controller;

struct kb_batch_part {
	struct kb_cpart *p;
	int32_t broker; /* who gets it; not for metadata */
	bool is_new; /* LeaderAndIsr */
	bool remove; /* StopReplica: delete the log */
};

struct kb_batch_list {
	struct kb_batch_part *v;
	int32_t n, cap;
};

struct kb_batch {
	struct kb_controller *c;
	uint32_t no; /* marks what is in it */
	struct kb_batch_list lead; /* LeaderAndIsr */
	struct kb_batch_list stop; /* StopReplica */
	struct kb_batch_list meta; /* partitions of UpdateMetadata */
	bool brokers; /* UpdateMetadata even without partitions */
	int err; /* KC_ENOMEM sticks */
};

void kb_batch_init(struct kb_batch *b, struct kb_controller *c);
/* LeaderAndIsr of p to broker if it is live, and UpdateMetadata to all. */
void kb_batch_lead(
    struct kb_batch *b, struct kb_cpart *p, int32_t broker, bool is_new);
void kb_batch_stop(
    struct kb_batch *b, struct kb_cpart *p, int32_t broker, bool remove);
void kb_batch_meta(struct kb_batch *b, struct kb_cpart *p);
/* The brokers, even when there is no partition to tell. */
void kb_batch_brokers(struct kb_batch *b);
/*
 * Queue everything; b is empty afterwards.  UpdateMetadata goes to all live
 * brokers, or only to those in only[0..nonly) when only is not NULL.
 */
void kb_batch_send(struct kb_batch *b, const int32_t *only, int32_t nonly);

#endif
