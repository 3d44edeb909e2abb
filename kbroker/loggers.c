#include "kbroker/loggers.h"

#include <string.h>

const char *const kb_loggers[] = {
	"kafka",
	"kafka.Kafka$",
	"kafka.cluster",
	"kafka.cluster.Partition",
	"kafka.common",
	"kafka.common.ZkNodeChangeNotificationListener",
	"kafka.controller",
	"kafka.controller.KafkaController",
	"kafka.controller.RequestSendThread",
	"kafka.controller.TopicDeletionManager",
	"kafka.coordinator",
	"kafka.coordinator.transaction",
	"kafka.coordinator.transaction.RPCProducerIdManager",
	"kafka.log",
	"kafka.log.LocalLog",
	"kafka.log.LogCleanerManager",
	"kafka.log.LogLoader",
	"kafka.log.LogManager",
	"kafka.log.UnifiedLog",
	"kafka.network",
	"kafka.network.Acceptor",
	"kafka.network.DataPlaneAcceptor",
	"kafka.network.Processor",
	"kafka.network.SocketServer",
	"kafka.server",
	"kafka.server.AlterPartitionManager",
	"kafka.server.DynamicBrokerConfig",
	"kafka.server.DynamicConfigManager",
	"kafka.server.KafkaApis",
	"kafka.server.KafkaConfig",
	"kafka.server.KafkaServer",
	"kafka.server.NodeToControllerRequestThread",
	"kafka.server.ReplicaFetcherManager",
	"kafka.server.ReplicaFetcherThread",
	"kafka.server.ReplicaManager",
	"kafka.server.TopicConfigHandler",
	"kafka.server.ZkAdminManager",
	"kafka.zk",
	"kafka.zk.AdminZkClient",
	"kafka.zk.KafkaZkClient",
	"kafka.zookeeper",
	"kafka.zookeeper.ZooKeeperClient",
	"org.apache.kafka",
	"org.apache.kafka.common.network.Selector",
	"org.apache.kafka.common.utils.LoggingSignalHandler",
	"org.apache.zookeeper",
	"org.apache.zookeeper.ClientCnxn",
	"state.change.logger",
};
const int kb_loggers_n = KC_COUNT(kb_loggers);

bool
kb_logger_known(const char *name)
{
	for (int i = 0; i < kb_loggers_n; i++)
		if (strcmp(kb_loggers[i], name) == 0)
			return true;
	return strcmp(name, KB_LOGGER_ROOT) == 0;
}

/* What a client may set; there is no OFF in Kafka's list. */
static const struct {
	const char *name;
	enum kc_log_level level;
} levels[] = {
	{ "FATAL", KC_LOG_FATAL },
	{ "ERROR", KC_LOG_ERROR },
	{ "WARN", KC_LOG_WARN },
	{ "INFO", KC_LOG_INFO },
	{ "DEBUG", KC_LOG_DEBUG },
	{ "TRACE", KC_LOG_TRACE },
};

bool
kb_logger_level_parse(const char *text, enum kc_log_level *level)
{
	for (size_t i = 0; i < KC_COUNT(levels); i++)
		if (strcmp(levels[i].name, text) == 0) {
			*level = levels[i].level;
			return true;
		}
	return false;
}

const char *
kb_logger_level_name(enum kc_log_level level)
{
	for (size_t i = 0; i < KC_COUNT(levels); i++)
		if (levels[i].level == level)
			return levels[i].name;
	return "OFF";
}
