/*
 * The static settings: file, overrides, and ${provider:path:key} in values.
 * From Kafka: AbstractConfig, ConfigTransformer, FileConfigProvider,
 * DirectoryConfigProvider, EnvVarConfigProvider.
 *
 * Where Kafka leaves a variable as it is when the provider does not have the
 * key, this is an error: the text of a variable is never what was meant,
 * least of all for a password.
 */
#include "kbroker/config.h"

#include "kcommon/base/err.h"
#include "kcommon/io/file.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROVIDERS "config.providers"
#define PACKAGE "org.apache.kafka.common.config.provider."
#define PROVIDERS_MAX 64
#define PATH_LIMIT 4096

enum kind {
	KIND_FILE,
	KIND_DIRECTORY,
	KIND_ENV,
};

struct provider {
	char *name;
	enum kind kind;
	struct kc_conf_list allowed; /* of paths; none: any */
	regex_t pattern; /* of names of variables, when has_pattern */
	bool has_pattern;
};

struct resolver {
	struct provider v[PROVIDERS_MAX];
	int n;
	const struct kc_file_ops *file;
	struct kb_report *rep;
};

static void
resolver_fini(struct resolver *r)
{
	for (int i = 0; i < r->n; i++) {
		free(r->v[i].name);
		kc_conf_list_free(&r->v[i].allowed);
		if (r->v[i].has_pattern)
			regfree(&r->v[i].pattern);
	}
}

/* config.providers.<name><suffix> */
static const char *
param(const struct kc_props *p, const char *name, const char *suffix)
{
	char key[512];

	if (snprintf(key, sizeof key, PROVIDERS ".%s%s", name, suffix) >=
	    (int)sizeof key)
		return NULL;
	return kc_props_get(p, key);
}

static bool
provider_kind(const char *cls, enum kind *kind)
{
	static const char *const names[] = { PACKAGE "FileConfigProvider",
		PACKAGE "DirectoryConfigProvider",
		PACKAGE "EnvVarConfigProvider" };
	struct kc_str s = kc_str_trim(kc_str(cls));

	for (int i = 0; i < 3; i++)
		if (kc_str_eqz(s, names[i])) {
			*kind = (enum kind)i;
			return true;
		}
	return false;
}

/* The pattern must match the whole name, as Java's matches() does. */
static int
provider_pattern(struct provider *pr, const char *pattern)
{
	char *whole;
	int rc;

	if (asprintf(&whole, "^(%s)$", pattern) < 0)
		return KC_ENOMEM;
	rc = regcomp(&pr->pattern, whole, REG_EXTENDED | REG_NOSUB);
	free(whole);
	pr->has_pattern = rc == 0;
	return rc == 0 ? KC_OK : KC_EINVAL;
}

static int
provider_add(struct resolver *r, const struct kc_props *p, const char *name)
{
	const char *cls = param(p, name, ".class");
	const char *paths = param(p, name, ".param.allowed.paths");
	const char *pattern = param(p, name, ".param.allowlist.pattern");
	struct provider *pr;
	enum kind kind;
	int rc = KC_OK;

	if (cls == NULL || !provider_kind(cls, &kind)) {
		kb_report(r->rep, KB_REPORT_ERROR,
		    PROVIDERS ".%s.class must be " PACKAGE
			      "FileConfigProvider, DirectoryConfigProvider or "
			      "EnvVarConfigProvider",
		    name);
		return KC_OK;
	}
	if (r->n == PROVIDERS_MAX) {
		kb_report(r->rep, KB_REPORT_ERROR,
		    PROVIDERS " names more than %d", PROVIDERS_MAX);
		return KC_OK;
	}
	pr = &r->v[r->n++];
	pr->kind = kind;
	if ((pr->name = strdup(name)) == NULL)
		return KC_ENOMEM;
	if (paths != NULL)
		rc = kc_conf_list_parse(&pr->allowed, paths);
	if (rc == KC_OK && kind == KIND_ENV && pattern != NULL)
		rc = provider_pattern(pr, pattern);
	if (rc == KC_EINVAL) {
		kb_report(r->rep, KB_REPORT_ERROR,
		    PROVIDERS ".%s.param.allowlist.pattern is no extended "
			      "regular expression",
		    name);
		rc = KC_OK;
	}
	return rc;
}

static int
resolver_init(struct resolver *r, const struct kc_props *p)
{
	const char *names = kc_props_get(p, PROVIDERS);
	struct kc_conf_list l;
	int rc;

	if (names == NULL)
		return KC_OK;
	if ((rc = kc_conf_list_parse(&l, names)) != KC_OK)
		return rc;
	for (int i = 0; rc == KC_OK && i < l.n; i++)
		rc = provider_add(r, p, l.v[i]);
	kc_conf_list_free(&l);
	return rc;
}

/*
 * Is path below one of the allowed ones?  Both are compared as text, so one
 * with ".." is never allowed.
 */
static bool
path_allowed(const struct provider *pr, const char *path)
{
	if (pr->allowed.n == 0)
		return true;
	if (*path != '/' || strstr(path, "..") != NULL)
		return false;
	for (int i = 0; i < pr->allowed.n; i++) {
		const char *a = pr->allowed.v[i];
		size_t len = strlen(a);

		while (len > 1 && a[len - 1] == '/')
			len--;
		if (len > 0 && strncmp(path, a, len) == 0 &&
		    (path[len] == '\0' || path[len] == '/' ||
			a[len - 1] == '/'))
			return true;
	}
	return false;
}

/* *out is malloc'ed, or NULL when there is no such key; err says more. */
static int
lookup_file(struct resolver *r, const char *path, const char *key, char **out,
    char *err, size_t len)
{
	struct kc_props *p = NULL;
	const char *value;
	int rc;

	if ((rc = kc_props_open(&p)) != KC_OK)
		return rc;
	rc = kc_props_load(p, r->file, KC_FILE_CWD, path, err, len);
	if (rc == KC_OK && (value = kc_props_get(p, key)) != NULL &&
	    (*out = strdup(value)) == NULL)
		rc = KC_ENOMEM;
	kc_props_close(&p);
	return rc;
}

static int
lookup_directory(struct resolver *r, const char *path, const char *key,
    char **out, char *err, size_t len)
{
	char name[PATH_LIMIT];
	size_t n;
	int rc;

	if (*key == '\0' || strchr(key, '/') != NULL ||
	    strcmp(key, "..") == 0 || strcmp(key, ".") == 0 ||
	    snprintf(name, sizeof name, "%s/%s", path, key) >=
		(int)sizeof name) {
		snprintf(err, len, "%s is not the name of a file", key);
		return KC_EINVAL;
	}
	rc = kc_file_slurp(
	    r->file, KC_FILE_CWD, name, KC_PROPS_FILE_MAX, out, &n);
	if (rc != KC_OK) {
		*out = NULL;
		snprintf(err, len, "%s: %s", name, kc_strerror(rc));
	} else if (strlen(*out) != n) {
		snprintf(err, len, "%s: a NUL character", name);
		rc = KC_EMALFORMED;
	}
	return rc;
}

/* Reads the environment, which nothing in this program changes. */
static int
lookup_env(const struct provider *pr, const char *path, const char *key,
    char **out, char *err, size_t len)
{
	const char *value;

	if (*path != '\0') {
		snprintf(err, len,
		    "there is no path in the environment: use ${%s:%s}",
		    pr->name, key);
		return KC_EINVAL;
	}
	if (pr->has_pattern && regexec(&pr->pattern, key, 0, NULL, 0) != 0) {
		snprintf(err, len, "allowlist.pattern does not allow %s", key);
		return KC_EINVAL;
	}
	value = getenv(key);
	if (value != NULL && (*out = strdup(value)) == NULL)
		return KC_ENOMEM;
	return KC_OK;
}

static int
lookup(struct resolver *r, const struct provider *pr, const char *path,
    const char *key, char **out, char *err, size_t len)
{
	if (pr->kind == KIND_ENV)
		return lookup_env(pr, path, key, out, err, len);
	if (*path == '\0') {
		snprintf(err, len, "a path is missing");
		return KC_EINVAL;
	}
	if (!path_allowed(pr, path)) {
		snprintf(err, len, "allowed.paths does not allow %s", path);
		return KC_EINVAL;
	}
	return pr->kind == KIND_FILE ?
	    lookup_file(r, path, key, out, err, len) :
	    lookup_directory(r, path, key, out, err, len);
}

static const struct provider *
find(const struct resolver *r, struct kc_str name)
{
	for (int i = 0; i < r->n; i++)
		if (kc_str_eqz(name, r->v[i].name))
			return &r->v[i];
	return NULL;
}

/*
 * var is what stands between "${" and "}": provider:key or
 * provider:path:key.  *out is NULL when it is no variable of ours.
 */
static int
resolve_var(
    struct resolver *r, const char *setting, struct kc_str var, char **out)
{
	const char *colon = memchr(var.p, ':', (size_t)var.len), *second;
	char err[PATH_LIMIT + 256] = "";
	const struct provider *pr;
	char *path, *key;
	int rc = KC_OK;

	*out = NULL;
	if (colon == NULL ||
	    (pr = find(r,
		 (struct kc_str){ var.p, (int32_t)(colon - var.p) })) == NULL)
		return KC_OK;
	var.len -= (int32_t)(colon + 1 - var.p);
	var.p = colon + 1;
	second = memchr(var.p, ':', (size_t)var.len);
	path = strndup(var.p, second == NULL ? 0 : (size_t)(second - var.p));
	key = second == NULL ?
	    strndup(var.p, (size_t)var.len) :
	    strndup(second + 1, (size_t)(var.p + var.len - second - 1));
	if (path == NULL || key == NULL)
		rc = KC_ENOMEM;
	else
		rc = lookup(r, pr, path, key, out, err, sizeof err);
	if (rc == KC_OK && *out == NULL)
		snprintf(err, sizeof err, "%s is not there", key);
	if (rc != KC_ENOMEM && *err != '\0') {
		kb_report(r->rep, KB_REPORT_ERROR, "%s: provider %s: %s",
		    setting, pr->name, err);
		rc = KC_OK;
	}
	free(path);
	free(key);
	return rc;
}

/* The value with its variables replaced, malloc'ed. */
static int
resolve_value(
    struct resolver *r, const char *setting, const char *value, char **out)
{
	const char *p = value, *start, *end;
	char *text = NULL, *sub;
	size_t len;
	int rc = KC_OK;
	FILE *f;

	*out = NULL;
	if ((f = open_memstream(&text, &len)) == NULL)
		return KC_ENOMEM;
	while (rc == KC_OK && (start = strstr(p, "${")) != NULL &&
	    (end = strchr(start, '}')) != NULL) {
		struct kc_str var = { start + 2, (int32_t)(end - start - 2) };

		rc = resolve_var(r, setting, var, &sub);
		if (sub != NULL)
			fprintf(f, "%.*s%s", (int)(start - p), p, sub);
		else
			fprintf(f, "%.*s", (int)(end + 1 - p), p);
		free(sub);
		p = end + 1;
	}
	fputs(p, f);
	if (fclose(f) != 0 && rc == KC_OK)
		rc = KC_ENOMEM;
	if (rc != KC_OK)
		free(text);
	else
		*out = text;
	return rc;
}

static int
resolve(struct kc_props *p, const struct kc_file_ops *f, struct kb_report *rep)
{
	struct resolver r = { .file = f, .rep = rep };
	char *value;
	int rc;

	rc = resolver_init(&r, p);
	for (size_t i = 0; rc == KC_OK && r.n > 0 && i < kc_props_count(p);
	     i++) {
		const struct kc_prop *pair = kc_props_at(p, i);

		if (strstr(pair->value, "${") == NULL ||
		    strncmp(pair->key, PROVIDERS, strlen(PROVIDERS)) == 0)
			continue;
		rc = resolve_value(&r, pair->key, pair->value, &value);
		if (rc == KC_OK)
			rc = kc_props_set(p, pair->key, value);
		free(value);
	}
	resolver_fini(&r);
	return rc;
}

static int
add_override(struct kc_props *p, const char *arg, struct kb_report *rep)
{
	const char *eq = strchr(arg, '=');
	char *key;
	int rc;

	if (eq == NULL || eq == arg) {
		kb_report(rep, KB_REPORT_ERROR,
		    "--override needs key=value, not %s", arg);
		return KC_OK;
	}
	if ((key = strndup(arg, (size_t)(eq - arg))) == NULL)
		return KC_ENOMEM;
	rc = kc_props_set(p, key, eq + 1);
	free(key);
	return rc;
}

int
kb_config_load(struct kc_props **pp, const struct kc_file_ops *f,
    const char *path, const char *const *overrides, int n_overrides,
    struct kb_report *rep)
{
	char err[PATH_LIMIT + 256];
	struct kc_props *p = NULL;
	int errors = rep->errors, rc;

	if ((rc = kc_props_open(&p)) != KC_OK)
		return rc;
	if (path != NULL) {
		rc = kc_props_load(p, f, KC_FILE_CWD, path, err, sizeof err);
		if (rc != KC_OK && rc != KC_ENOMEM) {
			kb_report(rep, KB_REPORT_ERROR, "%s", err);
			rc = KC_OK;
		}
	}
	for (int i = 0; rc == KC_OK && i < n_overrides; i++)
		rc = add_override(p, overrides[i], rep);
	if (rc == KC_OK)
		rc = resolve(p, f, rep);
	if (rc == KC_OK && rep->errors > errors)
		rc = KC_EINVAL;
	if (rc != KC_OK) {
		kc_props_close(&p);
		return rc;
	}
	*pp = p;
	return KC_OK;
}
