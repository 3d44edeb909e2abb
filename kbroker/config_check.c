/*
 * What single values and combinations of values must obey beyond type and
 * range.  From Kafka: KafkaConfig.validateValues, MetadataVersion.
 */
#include "kbroker/config_priv.h"

#include "kcommon/base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *
kb_config_check_gzip_level(const char *text)
{
	int level = atoi(text);

	return level == 0 || level < -1 || level > 9 ?
	    "Value must be between 1 and 9 or equal to -1" :
	    NULL;
}

const char *
kb_config_check_not_zero(const char *text)
{
	return atoi(text) == 0 ? "Value must be -1 or at least 1" : NULL;
}

const char *
kb_config_check_replica_selector(const char *text)
{
	static const char known[] =
	    "org.apache.kafka.common.replica.RackAwareReplicaSelector";

	/* Ignoring the known one costs traffic; another may mean anything. */
	return *text == '\0' || strcmp(text, known) == 0 ?
	    NULL :
	    "No class but RackAwareReplicaSelector is known";
}

/* One "partition:broker". */
static bool
throttled_pair(struct kc_str s)
{
	struct kc_str part;
	int64_t n;
	int parts = 0;

	for (; kc_str_split(&s, ':', &part); parts++)
		if (kc_str_i64(part, &n) != 0 || n < 0 || n > INT32_MAX)
			return false;
	return parts == 2;
}

static bool
throttled(const char *text)
{
	struct kc_str rest = kc_str(text), tok;

	if (strcmp(text, "*") == 0)
		return true;
	while (kc_str_split(&rest, ',', &tok))
		if (!throttled_pair(kc_str_trim(tok)))
			return false;
	return true;
}

#define THROTTLED                                                              \
	" must be the literal '*' or a list of replicas in the following "     \
	"format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."

const char *
kb_config_check_leader_throttled(const char *text)
{
	return throttled(text) ?
	    NULL :
	    "leader.replication.throttled.replicas" THROTTLED;
}

const char *
kb_config_check_follower_throttled(const char *text)
{
	return throttled(text) ?
	    NULL :
	    "follower.replication.throttled.replicas" THROTTLED;
}

/* Every version up to 3.9 and how many -IVn it had; 0: the name alone. */
static const struct {
	const char *name;
	int ivs;
} versions[] = {
	{ "0.8.0", 0 },
	{ "0.8.1", 0 },
	{ "0.8.2", 0 },
	{ "0.9.0", 0 },
	{ "0.10.0", 2 },
	{ "0.10.1", 3 },
	{ "0.10.2", 1 },
	{ "0.11.0", 3 },
	{ "1.0", 1 },
	{ "1.1", 1 },
	{ "2.0", 2 },
	{ "2.1", 3 },
	{ "2.2", 2 },
	{ "2.3", 2 },
	{ "2.4", 2 },
	{ "2.5", 1 },
	{ "2.6", 1 },
	{ "2.7", 3 },
	{ "2.8", 2 },
	{ "3.0", 2 },
	{ "3.1", 1 },
	{ "3.2", 1 },
	{ "3.3", 4 },
	{ "3.4", 1 },
	{ "3.5", 3 },
	{ "3.6", 3 },
	{ "3.7", 5 },
	{ "3.8", 1 },
	{ "3.9", 1 },
};
#define IVS_MAX 8 /* more than any version has */

/*
 * "2.7-IV1" names one step, "2.7" the last one, and so does "2.7.2": parts
 * after the second (the third for 0.x) do not matter.
 */
int
kb_ibp_level(const char *text)
{
	int dots = strncmp(text, "0.", 2) == 0 ? 3 : 2;
	const char *end = text;
	size_t len;
	int iv;

	while (*end != '\0' && (*end != '.' || --dots > 0))
		end++;
	len = (size_t)(end - text);
	for (int i = 0; i < (int)KC_COUNT(versions); i++) {
		size_t n = strlen(versions[i].name);

		if (len < n || strncmp(text, versions[i].name, n) != 0)
			continue;
		if (len == n)
			return i * IVS_MAX + KC_MAX(versions[i].ivs - 1, 0);
		if (len != n + 4 || strncmp(text + n, "-IV", 3) != 0)
			continue;
		iv = text[n + 3] - '0';
		if (iv >= 0 && iv < versions[i].ivs)
			return i * IVS_MAX + iv;
	}
	return -1;
}

const char *
kb_config_check_ibp(const char *text)
{
	return kb_ibp_level(text) < 0 ? "it is not a valid version" : NULL;
}

static void
require(struct kb_report *rep, bool good, const char *text)
{
	if (!good)
		kb_report(rep, KB_REPORT_ERROR, "%s", text);
}

static void
check_identity(const struct kb_config *cfg, struct kb_report *rep)
{
	require(rep, cfg->node_id == cfg->broker_id,
	    "You must set `node.id` to the same value as `broker.id`.");
	if (cfg->broker_id_generation_enable)
		require(rep,
		    cfg->broker_id >= -1 &&
			cfg->broker_id <= cfg->reserved_broker_max_id,
		    "broker.id must be greater than or equal to -1 and not "
		    "greater than reserved.broker.max.id");
	else
		require(rep, cfg->broker_id >= 0,
		    "broker.id must be greater than or equal to 0");
	require(rep,
	    cfg->zookeeper_connect != NULL && *cfg->zookeeper_connect != '\0',
	    "Missing required configuration `zookeeper.connect` which has no "
	    "default value.");
	require(rep,
	    cfg->zookeeper_session_timeout_ms > 0 &&
		cfg->zk_connection_timeout_ms > 0,
	    "zookeeper.session.timeout.ms and zookeeper.connection.timeout.ms "
	    "must be greater than 0");
}

static void
check_log(const struct kb_config *cfg, struct kb_report *rep)
{
	int64_t retention = cfg->log_retention_ms;

	if (retention == KC_CONF_NULL_LONG)
		retention = cfg->log_retention_minutes != KC_CONF_NULL_INT ?
		    cfg->log_retention_minutes :
		    cfg->log_retention_hours;
	/* As in Kafka every negative number is -1. */
	require(rep, retention != 0,
	    "log.retention.ms must be unlimited (-1) or, greater than or equal "
	    "to 1");
	require(rep,
	    cfg->log_roll_ms == KC_CONF_NULL_LONG || cfg->log_roll_ms >= 1,
	    "log.roll.ms must be greater than or equal to 1");
	require(rep,
	    cfg->log_roll_jitter_ms == KC_CONF_NULL_LONG ||
		cfg->log_roll_jitter_ms >= 0,
	    "log.roll.jitter.ms must be greater than or equal to 0");
	require(rep,
	    cfg->log_cleaner_threads == 0 ||
		cfg->log_cleaner_dedupe_buffer_size / cfg->log_cleaner_threads >
		    1024 * 1024,
	    "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner "
	    "thread.");
	require(rep, cfg->data_dirs.n > 0,
	    "At least one log directory must be defined via log.dirs or "
	    "log.dir.");
	for (int i = 0; i < cfg->data_dirs.n; i++)
		for (int k = 0; k < i; k++)
			if (strcmp(cfg->data_dirs.v[i], cfg->data_dirs.v[k]) ==
			    0)
				kb_report(rep, KB_REPORT_ERROR,
				    "log.dirs names %s twice",
				    cfg->data_dirs.v[i]);
	require(rep,
	    kb_ibp_level(cfg->inter_broker_protocol_version) >=
		    kb_ibp_level("3.0") ||
		kb_ibp_level(cfg->log_message_format_version) <=
		    kb_ibp_level(cfg->inter_broker_protocol_version),
	    "log.message.format.version must not be newer than "
	    "inter.broker.protocol.version");
}

static void
check_replication(const struct kb_config *cfg, struct kb_report *rep)
{
	require(rep,
	    cfg->replica_fetch_wait_max_ms <= cfg->replica_socket_timeout_ms,
	    "replica.socket.timeout.ms should always be at least "
	    "replica.fetch.wait.max.ms to prevent unnecessary socket timeouts");
	require(rep,
	    cfg->replica_fetch_wait_max_ms <= cfg->replica_lag_time_max_ms,
	    "replica.fetch.wait.max.ms should always be less than or equal to "
	    "replica.lag.time.max.ms to prevent frequent changes in ISR");
	require(rep,
	    cfg->offsets_commit_required_acks >= -1 &&
		cfg->offsets_commit_required_acks <=
		    cfg->offsets_topic_replication_factor,
	    "offsets.commit.required.acks must be greater or equal -1 and less "
	    "or equal to offsets.topic.replication.factor");
	require(rep,
	    cfg->offsets_topic_compression_codec >= 0 &&
		cfg->offsets_topic_compression_codec <= 4,
	    "offsets.topic.compression.codec must be a number from 0 to 4");
	require(rep,
	    cfg->offsets_topic_compression_codec != 4 ||
		kb_ibp_level(cfg->inter_broker_protocol_version) >=
		    kb_ibp_level("2.1-IV0"),
	    "offsets.topic.compression.codec zstd can only be used when "
	    "inter.broker.protocol.version is at least 2.1-IV0");
}

/* "host:number" entries; hosts as Utils.validHostPattern has them. */
static bool
ip_overrides_good(const char *text)
{
	struct kc_str rest = kc_str(text), tok;
	int64_t n;

	while (kc_str_split(&rest, ',', &tok)) {
		int32_t colon = (tok = kc_str_trim(tok)).len - 1;

		while (colon >= 0 && tok.p[colon] != ':')
			colon--;
		if (colon < 1 ||
		    kc_str_i64((struct kc_str){ tok.p + colon + 1,
				   tok.len - colon - 1 },
			&n) != 0 ||
		    n < 0 || n > INT32_MAX)
			return false;
		for (int32_t i = 0; i < colon; i++)
			if (!isalnum((unsigned char)tok.p[i]) &&
			    strchr("-%._:", tok.p[i]) == NULL)
				return false;
	}
	return true;
}

static void
check_sockets(const struct kb_config *cfg, struct kb_report *rep)
{
	const char *overrides = cfg->max_connections_per_ip_overrides;
	const char *ident = cfg->ssl_endpoint_identification_algorithm;

	require(rep, ip_overrides_good(overrides),
	    "max.connections.per.ip.overrides must be a list of host:number");
	require(rep, cfg->max_connections_per_ip > 0 || *overrides != '\0',
	    "max.connections.per.ip can be set to zero only if "
	    "max.connections.per.ip.overrides property is set.");
	require(rep,
	    cfg->queued_max_request_bytes <= 0 ||
		cfg->queued_max_request_bytes >= cfg->socket_request_max_bytes,
	    "queued.max.request.bytes must be larger or equal to "
	    "socket.request.max.bytes");
	require(rep,
	    cfg->connections_max_idle_ms < 0 ||
		cfg->connection_failed_authentication_delay_ms <
		    cfg->connections_max_idle_ms,
	    "connection.failed.authentication.delay.ms should always be less "
	    "than connections.max.idle.ms to prevent failed authentication "
	    "responses from timing out");
	require(rep,
	    ident == NULL || *ident == '\0' || strcasecmp(ident, "https") == 0,
	    "ssl.endpoint.identification.algorithm must be https or empty");
}

void
kb_config_validate(const struct kb_config *cfg, struct kb_report *rep)
{
	check_identity(cfg, rep);
	check_log(cfg, rep);
	check_replication(cfg, rep);
	check_sockets(cfg, rep);
}
