/*
 * topics -- the configurations of topics, as in /config/topics.
 *
 * Loaded whole before the logs are, kept current by the change notifications
 * (/config/changes), and read again when the controller makes a topic new, so
 * that a topic deleted and made again does not inherit.
 *
 * @thread control
 */
#ifndef KB_TOPICS_H
#define KB_TOPICS_H

#include "kbroker/topic_config.h"
#include "kcommon/base/str.h"

struct kb_manager;
struct kb_topics;
struct kzk;
struct kzk_config;

int kb_topics_open(
    struct kb_topics **tp, struct kzk *zk, const struct kb_config *config);
void kb_topics_close(struct kb_topics **tp);

/* Read every topic's from ZooKeeper.  On a fiber.  KC_E*. */
int kb_topics_load(struct kb_topics *t);
/*
 * Read those of names[0..n), in one wave; what cannot be read keeps what is
 * known, and the first error is returned.  On a fiber.
 */
int kb_topics_refresh(struct kb_topics *t, const struct kc_str *names, int n);
/* Borrowed until the next refresh; the broker's defaults when unknown. */
struct kb_topic_config *kb_topics_get(struct kb_topics *t, struct kc_str name);
/*
 * The broker's own settings are these from now on, which must live on until
 * the next call: every topic's configuration is made anew.  KC_OK, or
 * KC_ENOMEM with some as they were.
 */
int kb_topics_set_broker(struct kb_topics *t, const struct kb_config *config);
void kb_topics_forget(struct kb_topics *t, struct kc_str name);

#endif
