/*
 * coordinators -- who hears when this broker begins or ends to lead a partition
 * of an internal topic.
 *
 * @thread control
 */
#ifndef KB_COORDINATORS_H
#define KB_COORDINATORS_H

struct kb_broker;

/* After the manager's open, before anything is hosted.  KC_E*. */
int kb_coordinators_open(struct kb_broker *b);
/* Who waits for one is answered. */
void kb_coordinators_stop(struct kb_broker *b);
/* Before the manager's close. */
void kb_coordinators_close(struct kb_broker *b);

#endif
