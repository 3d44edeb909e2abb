/*
 * Goal: our schemas are Apache Kafka's, field by field and version by
 * version.
 * Method: read its JSON schemas (comments stripped) from the reference and
 * walk them and our tables side by side.
 */
#include "common.h"
#include "kcommon/proto/kp_field.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

/* What one walk knows, for its messages. */
struct walk {
	const char *file;
	json_t *root;
	int16_t version;
	int depth;
	int fields; /* compared so far */
};

/* Blank out what follows // outside of strings. */
static void
strip_comments(char *p)
{
	bool quoted = false;

	for (; *p != '\0'; p++) {
		if (*p == '"')
			quoted = !quoted;
		while (!quoted && p[0] == '/' && p[1] == '/') {
			while (*p != '\0' && *p != '\n')
				*p++ = ' ';
		}
	}
}

static json_t *
load(const char *path)
{
	FILE *f = fopen(path, "r");
	static const size_t max = 1 << 20;
	char *text = calloc(1, max);
	json_error_t err;
	json_t *root;

	if (f == NULL) {
		free(text);
		return NULL;
	}
	cr_assert_lt(fread(text, 1, max - 1, f), max - 1);
	fclose(f);
	strip_comments(text);
	root = json_loads(text, 0, &err);
	cr_assert_not_null(root, "%s: %s at %d", path, err.text, err.line);
	free(text);
	return root;
}

/* "3+", "0-2", "7", "none" or NULL; is v in it? */
static bool
in_range(const char *range, int v)
{
	int lo, hi;
	char plus;

	if (range == NULL || strcmp(range, "none") == 0)
		return false;
	if (sscanf(range, "%d-%d", &lo, &hi) == 2)
		return v >= lo && v <= hi;
	if (sscanf(range, "%d%c", &lo, &plus) == 2 && plus == '+')
		return v >= lo;
	return v == atoi(range);
}

/* GroupInstanceId to group_instance_id, isKRaftController with "kraft". */
static const char *
snake(const char *name, char buf[128])
{
	size_t n = 0;

	for (; *name != '\0' && n < 120; name++) {
		if (isupper((unsigned char)*name) && n > 0 && name[-1] != 'K')
			buf[n++] = '_';
		buf[n++] = (char)tolower((unsigned char)*name);
	}
	buf[n] = '\0';
	return buf;
}

static const char *
str(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static enum kp_type
type_of(const char *type, bool nullable)
{
	static const struct {
		const char *name;
		enum kp_type type;
	} types[] = {
		{ "bool", KP_T_BOOL },
		{ "int8", KP_T_INT8 },
		{ "int16", KP_T_INT16 },
		{ "int32", KP_T_INT32 },
		{ "int64", KP_T_INT64 },
		{ "float64", KP_T_FLOAT64 },
		{ "uuid", KP_T_UUID },
		{ "string", KP_T_STRING },
		{ "bytes", KP_T_BYTES },
		{ "records", KP_T_RECORDS },
		{ "[]int32", KP_T_INT32S },
		{ "[]int64", KP_T_INT64S },
		{ "[]string", KP_T_STRINGS },
	};
	size_t i;

	for (i = 0; i < KC_COUNT(types); i++) {
		if (strcmp(type, types[i].name) == 0)
			return types[i].type;
	}
	if (type[0] == '[')
		return KP_T_ARRAY;
	return nullable ? KP_T_OPTION : KP_T_EMBED;
}

/* The default as a number; null_dflt is compared apart. */
static int64_t
default_of(json_t *field)
{
	json_t *d = json_object_get(field, "default");
	const char *s = json_string_value(d);

	if (json_is_integer(d))
		return json_integer_value(d);
	if (json_is_true(d))
		return 1;
	if (s == NULL || strcmp(s, "false") == 0 || strcmp(s, "null") == 0)
		return 0;
	return strcmp(s, "true") == 0 ? 1 : strtoll(s, NULL, 0);
}

static bool
default_is_null(json_t *field)
{
	const char *s = str(field, "default");

	/* Kafka's generator takes null for records without a default. */
	return (s != NULL && strcmp(s, "null") == 0) ||
	    strcmp(str(field, "type"), "records") == 0;
}

static void
compare_field(struct walk *w, json_t *j, const struct kp_field *f)
{
	const char *name = str(j, "name"), *type = str(j, "type");
	json_t *tag = json_object_get(j, "tag");
	bool tagged = in_range(str(j, "taggedVersions"), w->version);
	char buf[128];

#define SAME(got, want)                                                        \
	cr_assert_eq(got, want, "%s v%d: %s", w->file, w->version, name)
	cr_assert_str_eq(
	    f->name, snake(name, buf), "%s v%d", w->file, w->version);
	SAME(f->type, type_of(type, str(j, "nullableVersions") != NULL));
	SAME(kp_field_nullable(f, w->version),
	    in_range(str(j, "nullableVersions"), w->version));
	SAME(f->tag != 0, tagged);
	if (tagged)
		SAME(f->tag - 1, json_integer_value(tag));
	SAME(f->dflt, default_of(j));
	SAME(f->null_dflt, default_is_null(j));
	SAME(f->ignorable, json_is_true(json_object_get(j, "ignorable")));
#undef SAME
	w->fields++;
}

/* The fields of a struct: its own or those of a common one. */
static json_t *
fields_of(struct walk *w, json_t *field)
{
	json_t *fields = json_object_get(field, "fields"), *common;
	const char *type = str(field, "type");
	size_t i;

	type += type[0] == '[' ? 2 : 0;
	if (fields != NULL)
		return fields;
	json_array_foreach(json_object_get(w->root, "commonStructs"), i, common)
	{
		if (strcmp(str(common, "name"), type) == 0)
			return json_object_get(common, "fields");
	}
	cr_assert_fail("%s: no struct %s", w->file, type);
	return NULL;
}

static void
compare_struct(struct walk *w, json_t *fields, const struct kp_desc *d)
{
	int tag = -1;
	size_t i, ours = 0;
	json_t *j;

	cr_assert_leq(++w->depth, KP_DEPTH_MAX);
	json_array_foreach(fields, i, j)
	{
		const struct kp_field *f;

		if (!in_range(str(j, "versions"), w->version))
			continue;
		while (ours < d->nfields &&
		    !kp_field_in(&d->fields[ours], w->version))
			ours++;
		cr_assert_lt(ours, d->nfields, "%s v%d lacks %s", w->file,
		    w->version, str(j, "name"));
		f = &d->fields[ours++];
		compare_field(w, j, f);
		/* They are written in table order, which must ascend. */
		if (f->tag != 0) {
			cr_assert_gt(f->tag, tag);
			tag = f->tag;
		}
		if (f->sub != NULL)
			compare_struct(w, fields_of(w, j), f->sub());
	}
	for (; ours < d->nfields; ours++)
		cr_assert_not(kp_field_in(&d->fields[ours], w->version),
		    "%s v%d has no %s", w->file, w->version,
		    d->fields[ours].name);
	w->depth--;
}

static int
compare_message(const struct kp_msg *m)
{
	const struct kp_api *api = m->api;
	struct walk w = { 0 };
	char name[128], path[PATH_MAX];
	int v;

	snprintf(name, sizeof name, "messages/%s%s.json", api->name,
	    m->is_response ? "Response" : "Request");
	w.file = name;
	w.root = load(reference(name, path));
	cr_assert_not_null(w.root, "%s", path);
	cr_assert_eq(
	    json_integer_value(json_object_get(w.root, "apiKey")), api->key);
	for (v = -1; v < 40; v++) {
		bool has = kp_api_has_version(api, (int16_t)v);

		cr_assert_eq(has, in_range(str(w.root, "validVersions"), v),
		    "%s v%d", name, v);
		if (!has)
			continue;
		cr_assert_eq(kp_api_is_flexible(api, (int16_t)v),
		    in_range(str(w.root, "flexibleVersions"), v), "%s v%d",
		    name, v);
		w.version = (int16_t)v;
		compare_struct(
		    &w, json_object_get(w.root, "fields"), m->desc());
	}
	json_decref(w.root);
	return w.fields;
}

static bool
have_reference(void)
{
	char path[PATH_MAX];

	if (access(reference("messages", path), R_OK) == 0)
		return true;
	fprintf(stderr, "skipped: no schemas in %s\n", path);
	return false;
}

Test(kp_schema, same_as_apache)
{
	int16_t key;
	int fields = 0;

	if (!have_reference())
		return;
	for (key = 0; key < KP_KEYS; key++) {
		const struct kp_api *api = kp_api_get(key);

		if (api == NULL)
			continue;
		cr_assert_eq(api->key, key);
		fields += compare_message(&api->req);
		fields += compare_message(&api->resp);
	}
	cr_assert_gt(fields, 4000, "looked at %d only", fields);
}

/* Every API that a broker in ZooKeeper mode has is here, and no other. */
Test(kp_schema, all_apis)
{
	char path[PATH_MAX];
	struct dirent *e;
	int16_t key;
	int ours = 0, theirs = 0;
	DIR *dir;

	for (key = -1; key <= KP_KEYS; key++)
		ours += kp_api_get(key) != NULL;
	cr_assert_eq(ours, 62);
	if (!have_reference())
		return;
	dir = opendir(reference("messages", path));
	while ((e = readdir(dir)) != NULL) {
		size_t n = strlen(e->d_name);
		char name[300];
		json_t *root, *l;
		size_t i;

		if (n < 12 || strcmp(e->d_name + n - 12, "Request.json") != 0)
			continue;
		snprintf(name, sizeof name, "messages/%s", e->d_name);
		root = load(reference(name, path));
		json_array_foreach(json_object_get(root, "listeners"), i, l)
		{
			theirs += strcmp(json_string_value(l), "zkBroker") == 0;
		}
		json_decref(root);
	}
	closedir(dir);
	cr_assert_eq(theirs, 62);
}

Test(kp_schema, keys_out_of_range)
{
	cr_assert_null(kp_api_get(-1));
	cr_assert_null(kp_api_get(INT16_MIN));
	cr_assert_null(kp_api_get(52));
	cr_assert_null(kp_api_get(59));
	cr_assert_null(kp_api_get(KP_KEYS));
	cr_assert_null(kp_api_get(INT16_MAX));
}
