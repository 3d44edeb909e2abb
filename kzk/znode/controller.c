/*
 * controller -- /controller, /controller_epoch, /cluster/id, /migration.
 * Kafka: kafka.zk.{ControllerZNode, ControllerEpochZNode, ClusterIdZNode,
 * MigrationZNode}.
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <inttypes.h>
#include <string.h>

int
kzk_controller_decode(struct kc_str data, struct kzk_controller *out)
{
	struct kzk_in in;
	int rc;

	memset(out, 0, sizeof *out);
	kzk_in_begin(&in, data, NULL);
	out->broker =
	    (int32_t)kzk_in_int(&in, in.root, "brokerid", 0, INT32_MAX);
	if (in.err == KC_OK && json_object_get(in.root, "timestamp") != NULL)
		out->timestamp_ms =
		    kzk_in_text_int(&in, in.root, "timestamp", INT64_MIN);
	out->kraft_epoch = (int32_t)kzk_in_int_or(
	    &in, in.root, "kraftControllerEpoch", -1, INT32_MAX, -1);
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

int
kzk_controller_encode(const struct kzk_controller *in, struct kzk_text *out)
{
	struct kzk_out o;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", 2);
	kzk_out_int(&o, o.root, "brokerid", in->broker);
	kzk_out_text_int(&o, o.root, "timestamp", in->timestamp_ms);
	kzk_out_int(&o, o.root, "kraftControllerEpoch", in->kraft_epoch);
	return kzk_out_end(&o, out);
}

int
kzk_controller_epoch_decode(struct kc_str data, int32_t *epoch)
{
	int64_t v;

	*epoch = 0;
	if (data.len <= 0 || kc_str_i64(data, &v) != KC_OK || v < 0 ||
	    v > INT32_MAX)
		return KC_EMALFORMED;
	*epoch = (int32_t)v;
	return KC_OK;
}

int
kzk_controller_epoch_encode(int32_t epoch, struct kzk_text *out)
{
	return kzk_text_printf(out, "%" PRId32, epoch);
}

int
kzk_cluster_id_decode(struct kc_str data, char id[KZK_CLUSTER_ID_MAX])
{
	struct kc_arena mem;
	struct kzk_in in;
	struct kc_str s;

	id[0] = '\0';
	kzk_in_begin(&in, data, &mem);
	s = kzk_in_str(&in, in.root, "id");
	if (in.err == KC_OK && (s.len == 0 || s.len >= KZK_CLUSTER_ID_MAX))
		kzk_in_fail(&in, KC_EMALFORMED);
	if (in.err == KC_OK)
		memcpy(id, s.p, (size_t)s.len + 1);
	if (kzk_in_end(&in) == KC_OK)
		kc_arena_fini(&mem);
	return in.err;
}

int
kzk_cluster_id_encode(const char *id, struct kzk_text *out)
{
	struct kzk_out o;

	kzk_out_begin(&o);
	kzk_out_str(&o, o.root, "version", KC_STR_LIT("1"));
	kzk_out_str(&o, o.root, "id", kc_str(id));
	return kzk_out_end(&o, out);
}

int
kzk_migration_decode(struct kc_str data, struct kzk_migration *out)
{
	struct kzk_in in;
	int rc;

	memset(out, 0, sizeof *out);
	kzk_in_begin(&in, data, NULL);
	out->kraft_controller_id = (int32_t)kzk_in_int(
	    &in, in.root, "kraft_controller_id", -1, INT32_MAX);
	out->kraft_controller_epoch = (int32_t)kzk_in_int(
	    &in, in.root, "kraft_controller_epoch", -1, INT32_MAX);
	out->kraft_metadata_offset =
	    kzk_in_int(&in, in.root, "kraft_metadata_offset", -1, INT64_MAX);
	out->kraft_metadata_epoch = (int32_t)kzk_in_int(
	    &in, in.root, "kraft_metadata_epoch", -1, INT32_MAX);
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}
