#include "kcommon/proto/kp_rand.h"

#include "kcommon/base/err.h"
#include "kcommon/proto/kp_field.h"

#define COUNT_MAX 3
#define SHORT_MAX 12

struct gen {
	struct kc_rand *rnd;
	struct kc_arena *arena;
	int16_t version;
	int err;
};

static void gen_struct(struct gen *g, const struct kp_desc *d, void *s);

static bool
one_in(struct gen *g, uint64_t n)
{
	return kc_rand_below(g->rnd, n) == 0;
}

static void *
alloc(struct gen *g, size_t n, size_t size)
{
	void *p = kc_arena_array(g->arena, KC_MAX(n, (size_t)1), size);

	if (p == NULL)
		g->err = KC_ELIMIT;
	return p;
}

/* A number of that many bits; a third of them where trouble starts. */
static int64_t
gen_int(struct gen *g, unsigned bits)
{
	int64_t max = (int64_t)(UINT64_MAX >> (65 - bits));

	if (!one_in(g, 3))
		return (int64_t)kc_rand_u64(g->rnd) >> (64 - bits);
	switch (kc_rand_below(g->rnd, 5)) {
	case 0:
		return max;
	case 1:
		return -max - 1;
	case 2:
		return -1;
	case 3:
		return 1;
	default:
		return 0;
	}
}

/* Any bytes: the protocol code does not look into strings. */
static struct kc_str
gen_str(struct gen *g, bool nullable)
{
	uint64_t max = one_in(g, 16) ? 300 : SHORT_MAX;
	int32_t len = (int32_t)kc_rand_below(g->rnd, max + 1);
	char *p;

	if (nullable && one_in(g, 4))
		return KC_STR_NULL;
	if ((p = alloc(g, (size_t)len, 1)) == NULL)
		return KC_STR_NULL;
	g->rnd->fill(g->rnd, p, (size_t)len);
	return (struct kc_str){ p, len };
}

static void
gen_array(struct gen *g, const struct kp_field *f, bool nullable, void *p)
{
	int32_t i, n = (int32_t)kc_rand_below(g->rnd, COUNT_MAX + 1);
	size_t size = kp_field_elem_size(f);
	char *v = NULL;

	if (nullable && one_in(g, 4))
		n = -1;
	if (n > 0 && (v = alloc(g, (size_t)n, size)) == NULL)
		n = 0;
	for (i = 0; i < n; i++) {
		void *e = v + (size_t)i * size;

		if (f->type == KP_T_INT32S)
			*(int32_t *)e = (int32_t)gen_int(g, 32);
		else if (f->type == KP_T_INT64S)
			*(int64_t *)e = gen_int(g, 64);
		else if (f->type == KP_T_STRINGS)
			*(struct kc_str *)e = gen_str(g, false);
		else
			gen_struct(g, f->sub(), e);
	}
	kp_array_set(p, v, n);
}

static void
gen_option(struct gen *g, const struct kp_field *f, bool nullable, void *p)
{
	const struct kp_desc *d = f->sub();
	void *s = NULL;

	if (!(nullable && one_in(g, 3)) && (s = alloc(g, 1, d->size)) != NULL)
		gen_struct(g, d, s);
	memcpy(p, &s, sizeof s);
}

static void
gen_value(struct gen *g, const struct kp_field *f, void *s)
{
	void *p = (char *)s + f->off;
	bool nullable = kp_field_nullable(f, g->version);
	struct kc_str bytes;

	switch ((enum kp_type)f->type) {
	case KP_T_BOOL:
		*(bool *)p = one_in(g, 2);
		break;
	case KP_T_INT8:
		*(int8_t *)p = (int8_t)gen_int(g, 8);
		break;
	case KP_T_INT16:
		*(int16_t *)p = (int16_t)gen_int(g, 16);
		break;
	case KP_T_INT32:
		*(int32_t *)p = (int32_t)gen_int(g, 32);
		break;
	case KP_T_INT64:
		*(int64_t *)p = gen_int(g, 64);
		break;
	case KP_T_FLOAT64:
		*(double *)p = (double)gen_int(g, 64) / 3;
		break;
	case KP_T_UUID:
		g->rnd->fill(g->rnd, p, sizeof(struct kc_uuid));
		break;
	case KP_T_STRING:
	case KP_T_BYTES:
		*(struct kc_str *)p = gen_str(g, nullable);
		break;
	case KP_T_RECORDS:
		bytes = gen_str(g, nullable);
		*(struct kc_records *)p = (struct kc_records){
			.len = bytes.len,
			.p = (const uint8_t *)bytes.p,
		};
		break;
	case KP_T_INT32S:
	case KP_T_INT64S:
	case KP_T_STRINGS:
	case KP_T_ARRAY:
		gen_array(g, f, nullable, p);
		break;
	case KP_T_EMBED:
		gen_struct(g, f->sub(), p);
		break;
	case KP_T_OPTION:
		gen_option(g, f, nullable, p);
		break;
	}
}

static void
gen_struct(struct gen *g, const struct kp_desc *d, void *s)
{
	size_t i;

	for (i = 0; i < d->nfields; i++) {
		const struct kp_field *f = &d->fields[i];

		/* Tagged fields are mostly absent in life. */
		if (!kp_field_in(f, g->version) ||
		    (f->tag != 0 && one_in(g, 2)))
			kp_field_init(f, s);
		else
			gen_value(g, f, s);
	}
}

int
kp_rand(const struct kp_msg *m, int16_t version, struct kc_rand *rnd,
    struct kc_arena *a, void *msg)
{
	struct gen g = { .rnd = rnd, .arena = a, .version = version };

	gen_struct(&g, m->desc(), msg);
	return g.err;
}
