#include "kbroker/log/meta_properties.h"

#include "kcommon/base/err.h"
#include "kcommon/config/properties.h"

#include <stdio.h>
#include <stdlib.h>

static int
take(const struct kc_props *p, struct kb_log_identity *id, char *err,
    size_t err_len)
{
	const char *version = kc_props_get(p, "version");
	const char *broker = kc_props_get(p, "broker.id");
	const char *cluster = kc_props_get(p, "cluster.id");
	int64_t n;

	/* Version 1 is of a cluster without ZooKeeper. */
	if (version != NULL && strcmp(version, "0") != 0) {
		(void)snprintf(err, err_len,
		    "meta.properties version %s is not supported in "
		    "ZooKeeper mode",
		    version);
		return KC_ECORRUPT;
	}
	if (broker != NULL) {
		if (kc_str_i64(kc_str(broker), &n) != KC_OK || n < 0 ||
		    n > INT32_MAX) {
			(void)snprintf(err, err_len,
			    "broker.id %s is not a broker id", broker);
			return KC_ECORRUPT;
		}
		id->broker_id = (int32_t)n;
	}
	if (cluster == NULL)
		return KC_OK;
	if (strlen(cluster) >= sizeof id->cluster_id) {
		(void)snprintf(err, err_len, "cluster.id is too long");
		return KC_ECORRUPT;
	}
	memcpy(id->cluster_id, cluster, strlen(cluster) + 1);
	return KC_OK;
}

int
kb_meta_properties_read(const struct kc_file_ops *f, int dirfd,
    struct kb_log_identity *id, char *err, size_t err_len)
{
	struct kc_props *p = NULL;
	int rc;

	id->broker_id = -1;
	id->cluster_id[0] = '\0';
	if ((rc = kc_props_open(&p)) != KC_OK)
		return rc;
	rc = kc_props_load(p, f, dirfd, KB_META_FILE, err, err_len);
	if (rc == KC_OK)
		rc = take(p, id, err, err_len);
	else if (rc == KC_EMALFORMED || rc == KC_ELIMIT)
		rc = KC_ECORRUPT;
	kc_props_close(&p);
	return rc;
}

int
kb_meta_properties_write(const struct kc_file_ops *f, int dirfd,
    const struct kb_log_identity *id, int64_t wall_ms)
{
	struct kc_props *p = NULL;
	char num[16];
	char *text = NULL;
	size_t len;
	int rc;

	(void)snprintf(num, sizeof num, "%d", id->broker_id);
	if ((rc = kc_props_open(&p)) != KC_OK)
		return rc;
	if ((rc = kc_props_set(p, "broker.id", num)) == KC_OK &&
	    (rc = kc_props_set(p, "version", "0")) == KC_OK &&
	    (rc = kc_props_set(p, "cluster.id", id->cluster_id)) == KC_OK)
		rc = kc_props_print(p, "", wall_ms, &text, &len);
	if (rc == KC_OK)
		rc = kc_file_replace(f, dirfd, KB_META_FILE, text, len);
	free(text);
	kc_props_close(&p);
	return rc;
}

int
kb_meta_properties_agree(struct kb_log_identity *all,
    const struct kb_log_identity *one, char *err, size_t err_len)
{
	if (one->broker_id >= 0 && all->broker_id >= 0 &&
	    one->broker_id != all->broker_id) {
		(void)snprintf(err, err_len,
		    "Expected node id %d, but found %d", all->broker_id,
		    one->broker_id);
		return KC_ECORRUPT;
	}
	if (one->cluster_id[0] != '\0' && all->cluster_id[0] != '\0' &&
	    strcmp(one->cluster_id, all->cluster_id) != 0) {
		(void)snprintf(err, err_len,
		    "Expected cluster id %s, but found %s", all->cluster_id,
		    one->cluster_id);
		return KC_ECORRUPT;
	}
	if (one->broker_id >= 0)
		all->broker_id = one->broker_id;
	if (one->cluster_id[0] != '\0')
		memcpy(
		    all->cluster_id, one->cluster_id, sizeof all->cluster_id);
	return KC_OK;
}
