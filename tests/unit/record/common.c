#include "tests/unit/record/common.h"

#include "kcommon/base/err.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

const struct order order_default = {
	.params = { .leader_epoch = -1,
	    .producer_id = -1,
	    .producer_epoch = -1,
	    .base_sequence = -1,
	    .last_delta = -1,
	    .max_timestamp = -1 },
	.n = 3,
	.null_key = -1,
	.value_len = 10,
	.first_ts = 1000,
};

struct bytes
from_hex(const char *hex)
{
	struct bytes b = { .len = strlen(hex) / 2 };
	unsigned v;
	size_t i;

	b.p = malloc(b.len);
	for (i = 0; i < b.len; i++) {
		cr_assert_eq(sscanf(hex + 2 * i, "%2x", &v), 1);
		b.p[i] = (uint8_t)v;
	}
	return b;
}

struct bytes
copy_of(const void *p, size_t len)
{
	struct bytes b = { .p = malloc(len == 0 ? 1 : len), .len = len };

	if (len > 0)
		memcpy(b.p, p, len);
	return b;
}

void
bytes_free(struct bytes *b)
{
	free(b->p);
	b->p = NULL;
}

struct bytes
make_batch(const struct order *o)
{
	struct kc_build_params params = o->params;
	char *value = malloc((size_t)o->value_len + 1), key[16];
	struct kc_build bld;
	struct kc_wr w;
	struct bytes b;
	int i;

	if (params.level == 0)
		params.level = kc_codec_level_default(params.codec);
	for (i = 0; i < o->value_len; i++)
		value[i] = (char)('a' + i % 23);
	kc_wr_init(&w, 0);
	kc_build_open(&bld, &params, NULL, &w);
	for (i = 0; i < o->n; i++) {
		struct kc_record rec = {
			.offset = params.base_offset +
			    i * (o->step == 0 ? 1 : o->step),
			.timestamp = o->first_ts + i,
			.value = { value, o->value_len },
			.headers = KC_STR_NULL,
		};

		snprintf(key, sizeof key, "k%d", i);
		rec.key = i == o->null_key ? KC_STR_NULL : kc_str(key);
		kc_build_append(&bld, &rec);
	}
	cr_assert_eq(kc_build_finish(&bld), KC_OK);
	b = copy_of(w.p, w.len);
	kc_wr_fini(&w);
	free(value);
	return b;
}
