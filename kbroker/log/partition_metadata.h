/*
 * partition_metadata -- the file of a partition that holds its topic id
 * (Kafka: PartitionMetadataFile).
 */
#ifndef KB_LOG_PARTITION_METADATA_H
#define KB_LOG_PARTITION_METADATA_H

#include "kcommon/base/uuid.h"
#include "kcommon/io/file.h"

/* Text and NUL; the length is returned. */
#define KB_PARTITION_METADATA_TEXT 64
int kb_partition_metadata_text(const struct kc_uuid *id, char *buf);
/* KC_ECORRUPT for anything but version 0 and an id that is not zero. */
int kb_partition_metadata_parse(struct kc_str text, struct kc_uuid *id);

/* KC_OK with a zero id when there is no file. */
int kb_partition_metadata_read(const struct kc_file_ops *f, int dirfd,
    const char *folder, struct kc_uuid *id);
int kb_partition_metadata_write(const struct kc_file_ops *f, int dirfd,
    const char *folder, const struct kc_uuid *id);

#endif
