/*
 * leave -- the broker's side of controlled shutdown (CS-1): before it stops it
 * asks the controller to give what it leads to others, while it still
 * serves everybody.
 *
 * From Kafka: KafkaServer.controlledShutdown.
 */
#ifndef KB_LEAVE_H
#define KB_LEAVE_H

struct kb_broker;

/*
 * Asks until nothing is left, controlled.shutdown.max.retries are used up, or
 * the broker is stopping; at once when ZooKeeper is out of reach.
 * @thread control, in a fiber
 */
void kb_leave(struct kb_broker *b);

#endif
