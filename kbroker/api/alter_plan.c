/*
 * What AlterConfigs and IncrementalAlterConfigs decide without looking at
 * ZooKeeper.
 *
 * Where a real broker fails with an error of its own (-1: an operation that
 * does not exist, appending to a key that does not exist), the answer here
 * says what was wrong with the request.
 */
#include "kbroker/api/configs.h"
#include "kbroker/loggers.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/config/properties.h"
#include "kcommon/proto/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LOGGER "kafka.server.ZkAdminManager"
#define LISTENER_PREFIX "listener.name."
/* Bytes of a list that is added to or taken from; more: refused. */
#define LIST_MAX (64 * 1024)

static int16_t KC_PRINTF(3, 4)
    refuse(struct kb_why *why, int16_t code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->s, sizeof why->s, fmt, ap);
	va_end(ap);
	return code;
}

void
kb_alter_fail(struct kb_alter *a, struct kb_alter_resource *r, int16_t code,
    const char *why)
{
	r->code = code;
	r->why =
	    why[0] != '\0' ? kc_arena_str(a->arena, kc_str(why)) : KC_STR_NULL;
}

/* --- the request itself ----------------------------------------------------
 */

static int
by_resource(const void *a, const void *b)
{
	const struct kb_alter_resource *x =
	    *(struct kb_alter_resource *const *)a;
	const struct kb_alter_resource *y =
	    *(struct kb_alter_resource *const *)b;

	return x->type != y->type ? x->type - y->type :
				    kc_str_cmp(x->name, y->name);
}

static int
refuse_doubles(struct kb_alter *a)
{
	struct kb_alter_resource **v =
	    kc_arena_array(a->arena, (size_t)a->n, sizeof(void *));

	if (v == NULL)
		return a->n > 0 ? KC_ENOMEM : KC_OK;
	for (int32_t i = 0; i < a->n; i++)
		v[i] = &a->v[i];
	qsort(v, (size_t)a->n, sizeof *v, by_resource);
	for (int32_t i = 1; i < a->n; i++) {
		if (by_resource(&v[i - 1], &v[i]) != 0)
			continue;
		for (int32_t k = i - 1; k <= i; k++)
			kb_alter_fail(a, v[k], KP_INVALID_REQUEST,
			    "Each resource must appear at most once.");
	}
	return KC_OK;
}

static bool
has_nul(struct kc_str s)
{
	return s.len > 0 && memchr(s.p, '\0', (size_t)s.len) != NULL;
}

static int
by_name(const void *a, const void *b)
{
	const struct kb_alter_op *x = *(struct kb_alter_op *const *)a;
	const struct kb_alter_op *y = *(struct kb_alter_op *const *)b;

	return kc_str_cmp(x->name, y->name);
}

static int16_t
check_names(const struct kb_alter_resource *r, struct kb_why *why)
{
	struct kb_alter_op *v[KB_ALTER_OPS_MAX];

	if (r->n > KB_ALTER_OPS_MAX)
		return refuse(why, KP_INVALID_REQUEST,
		    "More than %d settings of one resource in a request",
		    KB_ALTER_OPS_MAX);
	for (int32_t i = 0; i < r->n; i++) {
		v[i] = &r->ops[i];
		if (has_nul(v[i]->name) || has_nul(v[i]->value))
			return refuse(why, KP_INVALID_REQUEST,
			    "A name or value has a NUL byte in it");
	}
	qsort(v, (size_t)r->n, sizeof *v, by_name);
	for (int32_t i = 1; i < r->n; i++)
		if (kc_str_eq(v[i]->name, v[i - 1]->name))
			return refuse(why, KP_INVALID_REQUEST,
			    "Error due to duplicate config keys");
	return KP_NONE;
}

static int16_t
check_nulls(const struct kb_alter_resource *r, struct kb_why *why)
{
	char names[500];
	size_t at = 0;
	int32_t n = 0;

	for (int32_t i = 0; i < r->n && at < sizeof names; i++)
		if (r->ops[i].value.len < 0 &&
		    r->ops[i].kind != KB_ALTER_DELETE)
			at += (size_t)snprintf(names + at, sizeof names - at,
			    "%s%.*s", n++ > 0 ? ", " : "",
			    KC_STR_ARG(r->ops[i].name));
	return n == 0 ? KP_NONE :
			refuse(why, KP_INVALID_REQUEST,
			    "Null value not supported for : %s", names);
}

static int16_t
check_broker(const struct kb_alter *a, struct kc_str name, struct kb_why *why)
{
	char esc[100];
	int32_t id;

	if (kb_resource_broker(name, &id) != KC_OK)
		return refuse(why, KP_INVALID_REQUEST,
		    "Node id must be an integer, but it is: %s",
		    kc_str_esc(name, esc, sizeof esc));
	if (id != a->broker_id)
		return refuse(why, KP_INVALID_REQUEST,
		    "Unexpected broker id, expected %d, but received %d",
		    a->broker_id, id);
	return KP_NONE;
}

static int16_t
check_resource(const struct kb_alter *a, const struct kb_alter_resource *r,
    struct kb_why *why)
{
	int16_t code = check_names(r, why);

	if (code == KP_NONE)
		code = check_nulls(r, why);
	if (code != KP_NONE)
		return code;
	switch (r->type) {
	case KB_RESOURCE_TOPIC:
		return r->name.len > 0 ? KP_NONE :
					 refuse(why, KP_INVALID_REQUEST,
					     "Default topic resources are not "
					     "allowed.");
	case KB_RESOURCE_BROKER:
		return r->name.len > 0 ? check_broker(a, r->name, why) :
					 KP_NONE;
	case KB_RESOURCE_BROKER_LOGGER:
		if (!a->replace) /* there is no list to be replaced */
			return check_broker(a, r->name, why);
		break;
	case KB_RESOURCE_CLIENT_METRICS:
		return refuse(why, KP_INVALID_REQUEST,
		    "AlterConfigs is only supported for topics and brokers, "
		    "but resource type is CLIENT_METRICS");
	}
	return refuse(
	    why, KP_INVALID_REQUEST, "Unknown resource type %d", r->type);
}

/* In the frame they end where the next field begins. */
static int
end_texts(struct kb_alter *a, struct kb_alter_resource *r)
{
	r->name = kc_arena_str(a->arena, r->name);
	if (r->name.p == NULL)
		return KC_ENOMEM;
	for (int32_t i = 0; i < r->n; i++) {
		struct kb_alter_op *op = &r->ops[i];
		bool null = op->value.len < 0;

		op->name = kc_arena_str(a->arena, op->name);
		op->value = kc_arena_str(a->arena, op->value);
		if (op->name.p == NULL || (!null && op->value.p == NULL))
			return KC_ENOMEM;
	}
	return KC_OK;
}

int
kb_alter_begin(struct kb_alter *a)
{
	int rc;

	for (int32_t i = 0; i < a->n; i++) {
		a->v[i].code = KP_NONE;
		a->v[i].why = KC_STR_NULL;
	}
	if ((rc = refuse_doubles(a)) != KC_OK)
		return rc;
	for (int32_t i = 0; i < a->n; i++) {
		struct kb_why why = { "" };
		int16_t code;

		if (a->v[i].code != KP_NONE)
			continue;
		code = check_resource(a, &a->v[i], &why);
		if (code != KP_NONE)
			kb_alter_fail(a, &a->v[i], code, why.s);
		else if ((rc = end_texts(a, &a->v[i])) != KC_OK)
			return rc;
	}
	return KC_OK;
}

/* --- operations ------------------------------------------------------------
 */

/* A listener's key is of the kind of the key it stands before. */
static const struct kc_conf_item *
item_of(const struct kc_conf_table *t, const char *name)
{
	const size_t skip = strlen(LISTENER_PREFIX);
	const char *dot;

	if (strncmp(name, LISTENER_PREFIX, skip) != 0)
		return kc_conf_find(t, name);
	dot = strchr(name + skip, '.');
	return dot == NULL ? NULL : kc_conf_find(t, dot + 1);
}

static bool
listed(const char *list, struct kc_str s)
{
	struct kc_str rest = kc_str(list), tok;

	while (kc_str_split(&rest, ',', &tok))
		if (kc_str_eq(tok, s))
			return true;
	return false;
}

/* out has room for all of list and a comma more. */
static void
put(char *out, struct kc_str s)
{
	size_t at = strlen(out);

	if (s.len == 0)
		return;
	if (at > 0)
		out[at++] = ',';
	memcpy(out + at, s.p, (size_t)s.len);
	out[at + (size_t)s.len] = '\0';
}

/* old with what of value it lacks, or without what is in value. */
static int
alter_list(
    struct kc_props *props, const struct kb_alter_op *op, const char *old)
{
	char *out = calloc(1, strlen(old) + (size_t)op->value.len + 3);
	bool append = op->kind == KB_ALTER_APPEND;
	struct kc_str rest = kc_str(old), tok;
	int rc;

	if (out == NULL)
		return KC_ENOMEM;
	while (kc_str_split(&rest, ',', &tok))
		if (append || !listed(op->value.p, tok))
			put(out, tok);
	for (rest = op->value; append && kc_str_split(&rest, ',', &tok);)
		if (!listed(out, tok))
			put(out, tok);
	rc = kc_props_set(props, op->name.p, out);
	free(out);
	return rc;
}

static int16_t
alter_one(const struct kb_alter_op *op, const struct kc_conf_table *t,
    struct kc_props *props, struct kb_why *why)
{
	const struct kc_conf_item *it;
	const char *old;
	int rc;

	switch (op->kind) {
	case KB_ALTER_DELETE:
		kc_props_unset(props, op->name.p);
		return KP_NONE;
	case KB_ALTER_SET:
		rc = kc_props_set(props, op->name.p, op->value.p);
		break;
	case KB_ALTER_APPEND:
	case KB_ALTER_SUBTRACT:
		it = item_of(t, op->name.p);
		if (it == NULL || it->type != KC_CONF_LIST)
			return refuse(why, KP_INVALID_CONFIG,
			    "Config value %s is not allowed for config key: %s",
			    op->kind == KB_ALTER_APPEND ? "append" : "subtract",
			    op->name.p);
		old = kc_props_get(props, op->name.p);
		if (old == NULL)
			old = it->dflt != NULL ? it->dflt : "";
		if (strlen(old) > LIST_MAX || op->value.len > LIST_MAX)
			return refuse(why, KP_INVALID_REQUEST,
			    "The list %s is too long to be changed in part",
			    op->name.p);
		rc = alter_list(props, op, old);
		break;
	default:
		return refuse(why, KP_INVALID_REQUEST,
		    "Unknown operations type %d", op->kind);
	}
	return rc == KC_OK ? KP_NONE : KP_UNKNOWN_SERVER_ERROR;
}

int16_t
kb_alter_apply(const struct kb_alter_resource *r, const struct kc_conf_table *t,
    struct kc_props *props, struct kb_why *why)
{
	int16_t code = KP_NONE;

	for (int32_t i = 0; i < r->n && code == KP_NONE; i++)
		code = alter_one(&r->ops[i], t, props, why);
	return code;
}

int16_t
kb_alter_check_topic(const struct kb_alter_resource *r,
    const struct kb_config *config, const struct kc_props *props,
    struct kb_why *why)
{
	struct kb_topic_config *tc = NULL;
	char err[KC_CONF_ERR_MAX] = "";
	bool bare;
	int rc;

	for (size_t i = 0; i < kc_props_count(props); i++)
		if (kc_conf_find(&kb_topic_config_table,
			kc_props_at(props, i)->key) == NULL)
			return refuse(why, KP_INVALID_CONFIG,
			    "Unknown topic config name: %s",
			    kc_props_at(props, i)->key);
	rc = kb_topic_config_open(&tc, config, props, err, sizeof err);
	if (rc == KC_OK) {
		kb_topic_config_put(&tc);
		return KP_NONE;
	}
	if (rc != KC_EINVAL)
		return KP_UNKNOWN_SERVER_ERROR;
	bare = strncmp(err, "conflict", 8) == 0;
	return refuse(why, KP_INVALID_CONFIG,
	    bare ? "%.0s%s" :
		   "Invalid config value for resource "
		   "ConfigResource(type=TOPIC, name='%s'): %s",
	    r->name.p, err);
}

/* --- loggers ---------------------------------------------------------------
 */

static int16_t
check_logger(const struct kb_alter_op *op, struct kb_why *why)
{
	enum kc_log_level level;

	if (op->kind == KB_ALTER_APPEND || op->kind == KB_ALTER_SUBTRACT)
		return refuse(why, KP_INVALID_REQUEST,
		    "%s operation is not allowed for the BROKER_LOGGER "
		    "resource",
		    op->kind == KB_ALTER_APPEND ? "APPEND" : "SUBTRACT");
	if (op->kind != KB_ALTER_SET && op->kind != KB_ALTER_DELETE)
		return refuse(why, KP_INVALID_REQUEST,
		    "Unknown operation type %d is not allowed for the "
		    "BROKER_LOGGER resource",
		    op->kind);
	if (!kb_logger_known(op->name.p))
		return refuse(why, KP_INVALID_CONFIG,
		    "Logger %s does not exist!", op->name.p);
	if (op->kind == KB_ALTER_SET &&
	    !kb_logger_level_parse(op->value.p, &level))
		return refuse(why, KP_INVALID_CONFIG,
		    "Cannot set the log level of %s to %s as it is not a "
		    "supported log level. Valid log levels are DEBUG, ERROR, "
		    "FATAL, INFO, TRACE, WARN",
		    op->name.p, op->value.p);
	if (op->kind == KB_ALTER_DELETE && kc_str_eqz(op->name, KB_LOGGER_ROOT))
		return refuse(why, KP_INVALID_REQUEST,
		    "Removing the log level of the root logger is not "
		    "allowed");
	return KP_NONE;
}

int16_t
kb_alter_loggers(const struct kb_alter_resource *r, struct kc_logger *logger,
    bool only_check, struct kb_why *why)
{
	enum kc_log_level level = KC_LOG_INFO;
	int16_t code = KP_NONE;

	for (int32_t i = 0; i < r->n && code == KP_NONE; i++)
		code = check_logger(&r->ops[i], why);
	if (code != KP_NONE || only_check)
		return code;
	for (int32_t i = 0; i < r->n; i++) {
		const struct kb_alter_op *op = &r->ops[i];

		if (op->kind == KB_ALTER_DELETE) {
			kc_logger_clear_level(logger, op->name.p);
			kc_log(KC_LOG_INFO, LOGGER, "Unset the log level of %s",
			    op->name.p);
			continue;
		}
		(void)kb_logger_level_parse(op->value.p, &level);
		if (kc_logger_set_level(logger, op->name.p, level) != KC_OK)
			return KP_UNKNOWN_SERVER_ERROR;
		kc_log(KC_LOG_INFO, LOGGER,
		    "Updating the log level of %s to %s", op->name.p,
		    op->value.p);
	}
	return KP_NONE;
}
