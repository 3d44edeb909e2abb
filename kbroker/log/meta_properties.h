/*
 * meta_properties -- whose log dir it is: the file meta.properties.
 * Kafka: MetaPropertiesEnsemble.
 */
#ifndef KB_LOG_META_PROPERTIES_H
#define KB_LOG_META_PROPERTIES_H

#include "kbroker/log/dirs.h"
#include "kcommon/io/file.h"

#define KB_META_FILE "meta.properties"

/*
 * KC_ENOENT, KC_ECORRUPT (not version 0, or a field that cannot be; err says
 * what), KC_EIO.  A missing field is -1 or "".
 */
int kb_meta_properties_read(const struct kc_file_ops *f, int dirfd,
    struct kb_log_identity *id, char *err, size_t err_len);
int kb_meta_properties_write(const struct kc_file_ops *f, int dirfd,
    const struct kb_log_identity *id, int64_t wall_ms);
/*
 * Adds what one dir says to what others said.  KC_ECORRUPT, and err, when
 * they disagree.
 */
int kb_meta_properties_agree(struct kb_log_identity *all,
    const struct kb_log_identity *one, char *err, size_t err_len);

#endif
