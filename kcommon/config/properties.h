/*
 * properties -- Java's .properties files, read and written.
 *
 * An ordered map of text to text: server.properties, meta.properties, the
 * files of a config provider.  Reading follows java.util.Properties.load():
 * comments with # and !, separators = : and blank, continued lines, \t \n \r
 * \f and \uXXXX.  The text is UTF-8; a byte that is none is taken as
 * ISO-8859-1, so that files of both kinds read as their author meant.  The
 * last of several lines with one key wins and keeps the place of the first.
 *
 * Strings here end in NUL; a NUL in a file is an error.  Limits:
 * KC_PROPS_FILE_MAX bytes a file, KC_PROPS_MAX keys.
 *
 * @thread any (a map belongs to one thread at a time)
 */
#ifndef KC_PROPERTIES_H
#define KC_PROPERTIES_H

#include "kcommon/base/kc.h"

#define KC_PROPS_FILE_MAX (4 * 1024 * 1024) /* more: KC_ELIMIT */
#define KC_PROPS_MAX 100000 /* more: KC_ELIMIT */

struct kc_file_ops;
struct kc_props;

struct kc_prop {
	const char *key; /* both owned by the map */
	const char *value;
};

int kc_props_open(struct kc_props **pp);
void kc_props_close(struct kc_props **pp); /* *pp may be NULL */

/* Adds or replaces; copies both.  KC_OK, KC_ENOMEM, KC_ELIMIT. */
int kc_props_set(struct kc_props *p, const char *key, const char *value);
void kc_props_unset(struct kc_props *p, const char *key);
/* NULL when absent; valid until the key is set again or removed. */
const char *kc_props_get(const struct kc_props *p, const char *key);
size_t kc_props_count(const struct kc_props *p);
/* In order of first appearance; i < count. */
const struct kc_prop *kc_props_at(const struct kc_props *p, size_t i);
/* Every pair of from into p, replacing. */
int kc_props_merge(struct kc_props *p, const struct kc_props *from);

/*
 * Adds what text[0..len) says.  On KC_EMALFORMED err says what is wrong and
 * in which line; pairs before it are in the map already.
 */
int kc_props_parse(struct kc_props *p, const char *text, size_t len, char *err,
    size_t err_len);
/* The same for a file; err also names it. */
int kc_props_load(struct kc_props *p, const struct kc_file_ops *f, int dirfd,
    const char *path, char *err, size_t err_len);
/*
 * The text that java.util.Properties.store() writes: "#comment", "#date" (of
 * wall_ms, in UTC), then a line a key.  *out is malloc'ed with a NUL.
 */
int kc_props_print(const struct kc_props *p, const char *comment,
    int64_t wall_ms, char **out, size_t *len);

#endif
