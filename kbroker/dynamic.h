/*
 * dynamic -- the settings of a broker that change while it runs.
 *
 * /config/brokers/<id> before /config/brokers/<default> before
 * server.properties.  b->live is the result: immutable, replaced as a whole;
 * b->config stays what the file said.
 *
 * A setting is accepted only if a change takes effect here and now; the
 * others are refused with the words in which Kafka refuses read-only ones.
 * What somebody else has written into ZooKeeper is never refused: settings
 * that are wrong or cannot be changed are logged and left out.
 *
 * From Kafka: DynamicBrokerConfig; configs.md.
 *
 * @thread control; in a fiber, for what waits for ZooKeeper
 */
#ifndef KB_DYNAMIC_H
#define KB_DYNAMIC_H

#include "kbroker/config.h"
#include "kbroker/controller/create.h"

struct kb_broker;
struct kc_props;

/*
 * Read both nodes and make b->live of them; at start, once the id is known and
 * before anything has been made of the settings.  KC_E* of ZooKeeper.
 */
int kb_dynamic_load(struct kb_broker *b);
/*
 * A notification out of /config/changes: the entity that it names ("topics/t",
 * "brokers/<default>"...) is read again and applied.  For kzk_seqnode.
 */
void kb_dynamic_changed(void *broker, struct kc_str data);
/* Lets go of the settings; not in a fiber. */
void kb_dynamic_close(struct kb_broker *b);

/*
 * May props, all of them, be the dynamic settings of this broker (per_broker)
 * or of all?  NONE, INVALID_REQUEST, INVALID_CONFIG.
 */
int16_t kb_dynamic_check(struct kb_broker *b, bool per_broker,
    const struct kc_props *props, struct kb_why *why);

/* The same without a broker, for what is told of keys alone. */
enum kb_dynamic_verdict {
	KB_DYNAMIC_OK,
	KB_DYNAMIC_FIXED, /* needs a restart, here or in Kafka */
	KB_DYNAMIC_BARE, /* of a listener, and only with its prefix */
	KB_DYNAMIC_OWN, /* not for all brokers at once */
	KB_DYNAMIC_WRONG, /* the value; err says why */
};
enum kb_dynamic_verdict kb_dynamic_judge(const char *key, const char *value,
    bool per_broker, char *err, size_t err_len);

/* Entity path of this broker's settings, and of all brokers'. */
void kb_dynamic_path(
    const struct kb_broker *b, bool per_broker, char *buf, size_t len);

#endif
