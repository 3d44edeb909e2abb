/*
 * conf -- typed settings described by a table.
 *
 * A table of kc_conf_item gives each key its type, default, range, dynamic
 * mode, state here and documentation; a kc_conf holds what was set, by
 * source, and keeps the typed fields of a structure in step: field = value
 * of the strongest source that set the key, else the default.  Parsing and
 * the texts of errors are those of Kafka's ConfigDef.
 *
 * The tables are .def files, included twice: once as fields
 * (KC_CONF_FIELD_*), once as items.
 *
 * @thread any (a kc_conf belongs to one thread until it is published, and
 * does not change afterwards)
 */
#ifndef KC_CONF_H
#define KC_CONF_H

#include "kcommon/base/kc.h"
#include "kcommon/base/str.h"

/* Numbers of DescribeConfigs (ConfigType). */
enum kc_conf_type {
	KC_CONF_BOOL = 1,
	KC_CONF_STRING = 2,
	KC_CONF_INT = 3,
	KC_CONF_SHORT = 4,
	KC_CONF_LONG = 5,
	KC_CONF_DOUBLE = 6,
	KC_CONF_LIST = 7,
	KC_CONF_CLASS = 8,
	KC_CONF_PASSWORD = 9,
};

/* Numbers of DescribeConfigs (ConfigSource); the lower one wins. */
enum kc_conf_source {
	KC_CONF_SRC_TOPIC = 1,
	KC_CONF_SRC_DYN_BROKER = 2, /* /config/brokers/<id> */
	KC_CONF_SRC_DYN_DEFAULT = 3, /* /config/brokers/<default> */
	KC_CONF_SRC_STATIC = 4, /* server.properties */
	KC_CONF_SRC_DEFAULT = 5,
};

enum kc_conf_mode {
	KC_CONF_RO, /* read-only: needs a restart */
	KC_CONF_PB, /* dynamic, a broker's own */
	KC_CONF_CW, /* dynamic, cluster-wide or a broker's own */
	KC_CONF_DYN, /* dynamic; there is but one place to set it */
};

enum kc_conf_state {
	KC_CONF_WORKS,
	KC_CONF_IDLE, /* accepted; a warning says why it has no effect */
	KC_CONF_REFUSED, /* only the default is accepted */
};

enum kc_conf_flags {
	KC_CONF_HIDDEN = 1 << 0, /* Kafka's "internal": not listed */
	KC_CONF_LISTENER = 1 << 1, /* listener.name.<l>.<key> overrides it */
	KC_CONF_NONEMPTY = 1 << 2, /* "" is refused */
	KC_CONF_DYNAMIC = 1 << 3, /* never in server.properties */
};

struct kc_conf_list {
	char **v; /* NULL when the value is null */
	int n;
};

/* What a field holds; a null number is its type's smallest. */
#define KC_CONF_NULL_INT INT32_MIN
#define KC_CONF_NULL_LONG INT64_MIN
#define KC_CONF_FIELD_BOOL bool
#define KC_CONF_FIELD_INT int32_t
#define KC_CONF_FIELD_SHORT int16_t
#define KC_CONF_FIELD_LONG int64_t
#define KC_CONF_FIELD_DOUBLE double
#define KC_CONF_FIELD_STRING char * /* owned; NULL is null */
#define KC_CONF_FIELD_CLASS char *
#define KC_CONF_FIELD_PASSWORD char *
#define KC_CONF_FIELD_LIST struct kc_conf_list

struct kc_conf_item {
	const char *name;
	enum kc_conf_type type;
	enum kc_conf_mode mode;
	enum kc_conf_state state;
	unsigned flags;
	size_t off; /* of the field in the structure */
	const char *dflt; /* as text; NULL is null */
	const char *valid; /* values allowed, "a,b,c"; NULL: any */
	bool has_min, has_max;
	double min, max; /* inclusive */
	/* What the range cannot say; NULL when good, else why not. */
	const char *(*check)(const char *text);
	/* Keys that stand in when it is unset, strongest first, "a,b". */
	const char *synonyms;
	const char *why; /* idle and refused: the reason */
	const char *doc;
};

struct kc_conf_table {
	const struct kc_conf_item *v;
	size_t n;
};

struct kc_conf_setting {
	const struct kc_conf_item *item;
	enum kc_conf_source source;
	char *text; /* trimmed; owned */
};

struct kc_conf {
	const struct kc_conf_table *table;
	void *base; /* the structure whose fields follow */
	struct kc_conf_setting *set;
	size_t n;
	size_t cap;
};

/* Length that every error text of this module fits in. */
#define KC_CONF_ERR_MAX 1024

/* NULL when there is no such key. */
const struct kc_conf_item *kc_conf_find(
    const struct kc_conf_table *t, const char *name);

/* Fields of base become the defaults.  KC_OK or KC_ENOMEM. */
int kc_conf_init(struct kc_conf *c, const struct kc_conf_table *t, void *base);
/* Frees settings and what the fields own. */
void kc_conf_fini(struct kc_conf *c);

/*
 * Is text (not NULL) a good value?  KC_OK, or KC_EINVAL with a text like
 * Kafka's in err.  Says nothing of the item's state.
 */
int kc_conf_check(
    const struct kc_conf_item *it, const char *text, char *err, size_t len);
/* Check, remember and, where no stronger source has set it, assign. */
int kc_conf_set(struct kc_conf *c, const struct kc_conf_item *it,
    enum kc_conf_source src, const char *text, char *err, size_t len);
/* The field alone takes text (good, or NULL for null); no source changes. */
int kc_conf_assign(
    struct kc_conf *c, const struct kc_conf_item *it, const char *text);

/* The text set by that source, or NULL; DEFAULT gives the default. */
const char *kc_conf_text(const struct kc_conf *c, const struct kc_conf_item *it,
    enum kc_conf_source src);
/* The strongest source that has set it. */
enum kc_conf_source kc_conf_source(
    const struct kc_conf *c, const struct kc_conf_item *it);
/*
 * text as Kafka prints the parsed value (numbers plain, lists without
 * blanks), malloc'ed; NULL when out of memory.  text must be good.
 */
char *kc_conf_normal(const struct kc_conf_item *it, const char *text);
/* The field as text, malloc'ed; NULL for null (and out of memory). */
char *kc_conf_print(const struct kc_conf *c, const struct kc_conf_item *it);
/* "INT", "LIST"... as DescribeConfigs clients show it. */
const char *kc_conf_type_name(enum kc_conf_type type);

/* Java's Double.toString into buf (32 bytes are enough). */
void kc_conf_print_double(double d, char *buf, size_t len);

/* Parts between commas, trimmed; "" gives none.  KC_OK or KC_ENOMEM. */
int kc_conf_list_parse(struct kc_conf_list *l, const char *text);
void kc_conf_list_free(struct kc_conf_list *l);
bool kc_conf_list_has(const struct kc_conf_list *l, const char *s);

#endif
