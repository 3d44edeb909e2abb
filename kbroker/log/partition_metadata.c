#include "kbroker/log/partition_metadata.h"

#include "kbroker/log/names.h"
#include "kcommon/base/err.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_NAME "partition.metadata"
#define FILE_MAX 4096

int
kb_partition_metadata_text(const struct kc_uuid *id, char *buf)
{
	char text[KC_UUID_TEXT];

	return snprintf(buf, KB_PARTITION_METADATA_TEXT,
	    "version: 0\ntopic_id: %s", kc_uuid_text(id, text));
}

/* The text after "key:" of a line; null when it is another line. */
static struct kc_str
value_of(struct kc_str line, const char *key)
{
	size_t n = strlen(key);

	if (line.len < (int32_t)n || memcmp(line.p, key, n) != 0)
		return KC_STR_NULL;
	line.p += n;
	line.len -= (int32_t)n;
	return kc_str_trim(line);
}

int
kb_partition_metadata_parse(struct kc_str text, struct kc_uuid *id)
{
	struct kc_str line, version, value;

	if (!kc_str_split(&text, '\n', &line))
		return KC_ECORRUPT;
	version = value_of(line, "version:");
	if (!kc_str_eqz(version, "0") || !kc_str_split(&text, '\n', &line))
		return KC_ECORRUPT;
	value = value_of(line, "topic_id:");
	if (value.len < 0 || kc_uuid_parse(value, id) != KC_OK ||
	    kc_uuid_is_zero(id))
		return KC_ECORRUPT;
	return KC_OK;
}

int
kb_partition_metadata_read(const struct kc_file_ops *f, int dirfd,
    const char *folder, struct kc_uuid *id)
{
	char path[KB_PATH_MAX];
	char *p = NULL;
	size_t len;
	int rc;

	*id = KC_UUID_ZERO;
	(void)snprintf(path, sizeof path, "%s/" FILE_NAME, folder);
	rc = kc_file_slurp(f, dirfd, path, FILE_MAX, &p, &len);
	if (rc == KC_ENOENT)
		return KC_OK;
	if (rc != KC_OK)
		return rc == KC_ELIMIT ? KC_ECORRUPT : rc;
	rc =
	    kb_partition_metadata_parse((struct kc_str){ p, (int32_t)len }, id);
	free(p);
	return rc;
}

int
kb_partition_metadata_write(const struct kc_file_ops *f, int dirfd,
    const char *folder, const struct kc_uuid *id)
{
	char text[KB_PARTITION_METADATA_TEXT];
	char path[KB_PATH_MAX];
	int n = kb_partition_metadata_text(id, text);

	(void)snprintf(path, sizeof path, "%s/" FILE_NAME, folder);
	return kc_file_replace(f, dirfd, path, text, (size_t)n);
}
