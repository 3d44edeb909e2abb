/*
 * replication -- joins the partitions, their fetchers and the requests for
 * other in-sync sets to a running broker.
 *
 * @thread control, unless said otherwise
 */
#ifndef KB_REPLICATION_H
#define KB_REPLICATION_H

struct kb_broker;
struct kc_tls;

/* b->mgr, before anything is hosted. */
int kb_replication_partitions(struct kb_broker *b);
/*
 * The threads that copy from leaders, and who asks the controller.  listener
 * and tls (NULL: plaintext) live as long as they do.
 */
int kb_replication_open(
    struct kb_broker *b, const char *listener, struct kc_tls *tls);
/* Nothing is copied any more.  @thread main, after control */
void kb_replication_stop(struct kb_broker *b);
/* @thread main, before the manager closes */
void kb_replication_close(struct kb_broker *b);

#endif
