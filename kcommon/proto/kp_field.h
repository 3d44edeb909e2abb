/*
 * kp_field -- a schema as data: what the interpreter of kcommon/proto sees.
 *
 * Private to kcommon/proto and its tests.
 */
#ifndef KP_FIELD_H
#define KP_FIELD_H

#include "kcommon/proto/kp.h"

enum kp_type {
	KP_T_BOOL,
	KP_T_INT8,
	KP_T_INT16,
	KP_T_INT32,
	KP_T_INT64,
	KP_T_FLOAT64,
	KP_T_UUID,
	KP_T_STRING,
	KP_T_BYTES,
	KP_T_RECORDS,
	KP_T_INT32S, /* from here on arrays */
	KP_T_INT64S,
	KP_T_STRINGS,
	KP_T_ARRAY, /* of structs */
	KP_T_EMBED, /* a struct */
	KP_T_OPTION, /* a struct or null */
};

/*
 * One line of a .def file.  Zero is the common case everywhere, so that the
 * attributes of a line only name what differs; that is why some numbers are
 * stored plus 1.
 */
struct kp_field {
	const char *name;
	const struct kp_desc *(*sub)(void); /* of ARRAY, EMBED, OPTION */
	int64_t dflt; /* of the numbers and BOOL */
	uint32_t off; /* in the struct */
	uint8_t type; /* enum kp_type */
	bool null_dflt; /* the default is null, not empty */
	bool ignorable; /* may be lost in a version that lacks it */
	int16_t from; /* first version */
	int16_t end; /* first version without it; 0: none */
	int16_t nullable; /* first version where it may be null, +1; 0: none */
	int16_t tag; /* tag number +1; 0: not tagged */
};

/* The attributes of a line, in any order. */
#define FROM(v) .from = (v)
#define UNTIL(v) .end = (v) + 1
#define NULLABLE(v) .nullable = (v) + 1
#define TAG(t) .tag = (t) + 1
#define DEFAULT(v) .dflt = (v)
#define DEFAULT_NULL .null_dflt = true
#define IGNORABLE .ignorable = true

struct kp_desc {
	const char *name;
	const struct kp_field *fields;
	size_t nfields;
	size_t size; /* sizeof the struct */
};

/* Any array field of a message, by its two members. */
struct kp_array {
	void *v;
	int32_t n;
};

static inline bool
kp_field_in(const struct kp_field *f, int16_t version)
{
	return version >= f->from && (f->end == 0 || version < f->end);
}

static inline bool
kp_field_nullable(const struct kp_field *f, int16_t version)
{
	return f->nullable != 0 && version >= f->nullable - 1;
}

/* sizeof an element of an array field. */
size_t kp_field_elem_size(const struct kp_field *f);

/* An array field of the struct at p (whose member has another type). */
static inline struct kp_array
kp_array_get(const void *p)
{
	struct kp_array a;

	memcpy(&a.v, p, sizeof a.v);
	memcpy(&a.n, (const char *)p + sizeof a.v, sizeof a.n);
	return a;
}

static inline void
kp_array_set(void *p, void *v, int32_t n)
{
	memcpy(p, &v, sizeof v);
	memcpy((char *)p + sizeof v, &n, sizeof n);
}

/* Is the field of the struct at s equal to its default? */
bool kp_field_is_default(const struct kp_field *f, const void *s);
/* Are all fields of the struct? */
bool kp_is_default(const struct kp_desc *d, const void *s);
/* Set it to that. */
void kp_field_init(const struct kp_field *f, void *s);

#endif
