/*
 * features -- /feature, the finalized features.  Kafka: kafka.zk.FeatureZNode.
 */
#include "kzk/znode/json.h"

#include "kcommon/base/err.h"

#include <string.h>

int
kzk_feature_node_decode(struct kc_str data, struct kzk_feature_node *out)
{
	struct kzk_feature *f;
	struct kzk_in in;
	const char *key;
	json_t *map, *v;
	int32_t n;
	int rc;

	memset(out, 0, sizeof *out);
	kzk_in_begin(&in, data, &out->mem);
	out->version = (int32_t)kzk_in_int(&in, in.root, "version", 1, 2);
	out->status =
	    (enum kzk_feature_status)kzk_in_int(&in, in.root, "status", 0, 1);
	map = kzk_in_obj(&in, in.root, "features", false);
	n = kzk_in_count(&in, map, KZK_FEATURES_MAX);
	f = out->features.v = kzk_in_array(&in, n, sizeof *f);
	if (f != NULL) {
		out->features.n = n;
		json_object_foreach(map, key, v)
		{
			if (!json_is_object(v))
				kzk_in_fail(&in, KC_EMALFORMED);
			f->name = kc_arena_str(in.mem, kc_str(key));
			if (f->name.p == NULL)
				kzk_in_fail(&in, KC_ENOMEM);
			f->min = (int16_t)kzk_in_int_or(
			    &in, v, "min_version_level", 0, INT16_MAX, 1);
			f->max = (int16_t)kzk_in_int(
			    &in, v, "max_version_level", 0, INT16_MAX);
			f++;
		}
	}
	if ((rc = kzk_in_end(&in)) != KC_OK)
		memset(out, 0, sizeof *out);
	return rc;
}

int
kzk_feature_node_encode(const struct kzk_feature_node *in, struct kzk_text *out)
{
	struct kzk_out o;
	json_t *map, *v;

	kzk_out_begin(&o);
	kzk_out_int(&o, o.root, "version", in->version);
	kzk_out_int(&o, o.root, "status", in->status);
	map = kzk_out_obj(&o, o.root, "features");
	for (int32_t i = 0; i < in->features.n; i++) {
		const struct kzk_feature *f = &in->features.v[i];

		v = kzk_out_obj_key(&o, map, f->name);
		if (in->version == 1)
			kzk_out_int(&o, v, "min_version_level", f->min);
		kzk_out_int(&o, v, "max_version_level", f->max);
	}
	return kzk_out_end(&o, out);
}

void
kzk_feature_node_fini(struct kzk_feature_node *f)
{
	kc_arena_fini(&f->mem);
	memset(f, 0, sizeof *f);
}
