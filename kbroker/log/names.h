/*
 * names -- how files and folders of a log dir are called (Kafka:
 * LogFileUtils, LocalLog.parseTopicPartitionName).
 */
#ifndef KB_LOG_NAMES_H
#define KB_LOG_NAMES_H

#include "kcommon/base/kc.h"

#define KB_NAME_MAX 256 /* one name with its NUL */
#define KB_PATH_MAX 320 /* folder/file with its NUL */
#define KB_TOPIC_MAX 249

enum kb_file_kind {
	KB_FILE_LOG,
	KB_FILE_INDEX,
	KB_FILE_TIMEINDEX,
	KB_FILE_TXNINDEX,
	KB_FILE_SNAPSHOT,
};
#define KB_FILE_KINDS 5

enum kb_file_state {
	KB_STATE_LIVE,
	KB_STATE_DELETED, /* waits for its unlink */
	KB_STATE_CLEANED, /* output of a compaction that did not finish */
	KB_STATE_SWAP, /* output that is about to replace segments */
};

struct kb_file_name {
	int64_t base;
	enum kb_file_kind kind;
	enum kb_file_state state;
};

/* "folder/00000000000000000042.log"; returns buf (KB_PATH_MAX bytes). */
const char *kb_name_file(
    char *buf, const char *folder, const struct kb_file_name *fn);
/* False for any other file. */
bool kb_name_parse_file(const char *name, struct kb_file_name *fn);

enum kb_folder_kind {
	KB_FOLDER_CURRENT,
	KB_FOLDER_FUTURE,
	KB_FOLDER_STRAY,
	KB_FOLDER_DELETE,
};

struct kb_folder {
	char topic[KB_NAME_MAX];
	int32_t partition;
	enum kb_folder_kind kind;
};

/* False: not the folder of a partition. */
bool kb_name_parse_folder(const char *name, struct kb_folder *f);
/*
 * "topic-partition.<32hex>-delete", the topic cut so that it fits into 255
 * bytes; returns buf (KB_NAME_MAX bytes).
 */
const char *kb_name_delete(
    char *buf, const char *topic, int32_t partition, const uint8_t id[16]);
/* [a-zA-Z0-9._-]{1,249}, not "." nor "..". */
bool kb_name_topic_ok(const char *topic);

#endif
