/*
 * config_priv -- between the files of kbroker/config*.c.
 */
#ifndef KB_CONFIG_PRIV_H
#define KB_CONFIG_PRIV_H

#include "kbroker/config.h"

/* Checks that items of the tables name; NULL when good, else why not. */
const char *kb_config_check_gzip_level(const char *text);
const char *kb_config_check_ibp(const char *text);
const char *kb_config_check_not_zero(const char *text);
const char *kb_config_check_replica_selector(const char *text);
const char *kb_config_check_leader_throttled(const char *text);
const char *kb_config_check_follower_throttled(const char *text);

/* A number that orders versions such as "2.7-IV1"; -1 for none. */
int kb_ibp_level(const char *text);

/* KafkaConfig.validateValues, but for listeners. */
void kb_config_validate(const struct kb_config *cfg, struct kb_report *rep);

/* The strongest setting of a key outside the table, or NULL. */
const struct kb_config_extra *kb_config_extra_find(
    const struct kb_config *cfg, const char *name);

#endif
