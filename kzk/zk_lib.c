/*
 * zk_lib -- struct kzk_ops over the ZooKeeper C client (libzookeeper_mt).
 *
 * The client has two threads a handle, one for its socket and one that calls
 * back; ours here run on the second and only copy and report.  A loss of
 * connection is told to the watcher first and to the completions after it.
 * When zookeeper_close() has returned nothing is called any more; it does
 * not call back for every request that was still out.
 */
#include "kzk/zk_ops.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kcommon/base/lock.h"
#include "kcommon/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

/*
 * Not in every build of the library (Debian 12 has it without TLS), so looked
 * for when the program is started.
 */
extern zhandle_t *zookeeper_init_ssl(const char *host, const char *cert,
    watcher_fn fn, int recv_timeout, const clientid_t *clientid, void *context,
    int flags) __attribute__((weak));

#define CREATED_MAX 4096 /* path made by a create inside a multi */
#define LOGGER "org.apache.zookeeper.ClientCnxn"

struct kzk_raw {
	unsigned magic;
#define KZK_RAW_MAGIC 0x2eebc11e
	zhandle_t *zh;
	struct kzk_sink *sink;
	struct kc_logger *logger; /* for the client's threads */
	struct kc_lock lock; /* a leaf */
	struct flight *flights; /* guarded by lock */
};

/* A call under way: the arrays the client fills. */
struct flight {
	struct flight *next, **prev;
	struct kzk_raw *raw;
	struct kzk_call *call;
	/* multi only */
	zoo_op_t *ops;
	zoo_op_result_t *results;
	struct Stat *stats;
	char *created; /* nparts * CREATED_MAX */
};

/*
 * The client calls this for all its handles alike and passes a whole line,
 * "2024-01-01 00:00:00,000:1(0x1):ZOO_INFO@func@12: text".  Its socket
 * thread knows no logger of ours, so what it says goes to standard error.
 */
static void
lib_log(const char *line)
{
	enum kc_log_level level = KC_LOG_INFO;
	const char *p = strstr(line, ":ZOO_");

	if (p != NULL) {
		if (strncmp(p, ":ZOO_ERROR", 10) == 0 ||
		    strncmp(p, ":ZOO_WARN", 9) == 0)
			level = KC_LOG_WARN;
		else if (strncmp(p, ":ZOO_DEBUG", 10) == 0)
			level = KC_LOG_DEBUG;
		if ((p = strstr(p, ": ")) != NULL)
			line = p + 2;
	}
	kc_log(level, LOGGER, "%.*s", (int)strcspn(line, "\n"), line);
}

static void
watcher(zhandle_t *zh, int type, int state, const char *path, void *ctx)
{
	struct kzk_raw *raw = ctx;
	enum kzk_raw_event ev;

	(void)zh;
	kc_log_use(raw->logger);
	if (type == ZOO_SESSION_EVENT) {
		if (state == ZOO_CONNECTED_STATE)
			ev = KZK_RAW_CONNECTED;
		else if (state == ZOO_EXPIRED_SESSION_STATE)
			ev = KZK_RAW_EXPIRED;
		else if (state == ZOO_AUTH_FAILED_STATE)
			ev = KZK_RAW_AUTH_FAILED;
		else
			ev = KZK_RAW_LOST;
		path = NULL;
	} else if (type == ZOO_CREATED_EVENT)
		ev = KZK_RAW_CREATED;
	else if (type == ZOO_DELETED_EVENT)
		ev = KZK_RAW_DELETED;
	else if (type == ZOO_CHANGED_EVENT)
		ev = KZK_RAW_CHANGED;
	else if (type == ZOO_CHILD_EVENT)
		ev = KZK_RAW_CHILDREN;
	else
		return;
	raw->sink->event(raw->sink, ev, path);
}

static void
flight_free(struct flight *f)
{
	kc_lock_take(&f->raw->lock);
	*f->prev = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	kc_lock_drop(&f->raw->lock);
	free(f->ops);
	free(f->results);
	free(f->stats);
	free(f->created);
	free(f);
}

static void
raw_free(struct kzk_raw *raw)
{
	kc_lock_fini(&raw->lock);
	kc_delete(raw);
}

static int
lib_open(const struct kzk_ops *ops, struct kzk_raw **rawp,
    const struct kzk_raw_params *p, struct kzk_sink *sink)
{
	struct kzk_raw *raw;
	int flags = ZOO_NO_LOG_CLIENTENV;
	int err;

	(void)ops;
	KC_ASSERT(rawp != NULL && *rawp == NULL);
	if ((raw = kc_new(struct kzk_raw, KZK_RAW_MAGIC)) == NULL)
		return KC_ENOMEM;
	kc_lock_init(&raw->lock, 0, "zk flights");
	raw->sink = sink;
	raw->logger = kc_log_current();
	errno = 0;
	if (p->ssl == NULL) {
		raw->zh = zookeeper_init2(p->hosts, watcher,
		    p->session_timeout_ms, NULL, raw, flags, lib_log);
	} else {
		if (zookeeper_init_ssl == NULL) {
			raw_free(raw);
			return KC_EUNSUPPORTED;
		}
		raw->zh = zookeeper_init_ssl(p->hosts, p->ssl, watcher,
		    p->session_timeout_ms, NULL, raw, flags);
		if (raw->zh != NULL)
			zoo_set_log_callback(raw->zh, lib_log);
	}
	if (raw->zh == NULL) {
		err = errno == ENOMEM ? KC_ENOMEM : KC_ENOENT;
		raw_free(raw);
		return err;
	}
	*rawp = raw;
	return KC_OK;
}

static void
lib_close(struct kzk_raw **rawp)
{
	struct kzk_raw *raw = *rawp;

	if (raw == NULL)
		return;
	KC_CHECK(raw, KZK_RAW_MAGIC);
	zookeeper_close(raw->zh);
	while (raw->flights != NULL)
		flight_free(raw->flights);
	raw_free(raw);
	*rawp = NULL;
}

static void
auth_done(int rc, const void *data)
{
	(void)rc; /* a failure comes as a session event as well */
	(void)data;
}

static int
lib_add_auth(struct kzk_raw *raw, const char *user_password)
{
	int rc = zoo_add_auth(raw->zh, "digest", user_password,
	    (int)strlen(user_password), auth_done, NULL);

	return rc == ZOK ? KC_OK : KC_EAUTH;
}

static int64_t
lib_session_id(struct kzk_raw *raw)
{
	return zoo_client_id(raw->zh)->client_id;
}

static int32_t
lib_session_timeout_ms(struct kzk_raw *raw)
{
	return zoo_recv_timeout(raw->zh);
}

static struct flight *
flight_new(struct kzk_raw *raw, struct kzk_call *call)
{
	struct flight *f = calloc(1, sizeof *f);
	size_t n = (size_t)call->nparts;

	if (f == NULL)
		return NULL;
	f->raw = raw;
	f->call = call;
	kc_lock_take(&raw->lock);
	f->next = raw->flights;
	f->prev = &raw->flights;
	if (f->next != NULL)
		f->next->prev = &f->next;
	raw->flights = f;
	kc_lock_drop(&raw->lock);
	if (call->type == KZK_OP_MULTI) {
		f->ops = calloc(n, sizeof *f->ops);
		f->results = calloc(n, sizeof *f->results);
		f->stats = calloc(n, sizeof *f->stats);
		f->created = calloc(n, CREATED_MAX);
		if (f->ops == NULL || f->results == NULL || f->stats == NULL ||
		    f->created == NULL) {
			flight_free(f);
			return NULL;
		}
	}
	call->impl = f;
	return f;
}

static void
stat_copy(struct kzk_stat *to, const struct Stat *from)
{
	to->czxid = from->czxid;
	to->mzxid = from->mzxid;
	to->pzxid = from->pzxid;
	to->ctime_ms = from->ctime;
	to->mtime_ms = from->mtime;
	to->owner = from->ephemeralOwner;
	to->version = from->version;
	to->cversion = from->cversion;
	to->aversion = from->aversion;
	to->data_len = from->dataLength;
	to->children = from->numChildren;
}

/* The end of a call, on the client's thread. */
static void
answer(const void *data, int rc)
{
	struct flight *f = (struct flight *)(uintptr_t)data;
	struct kzk_call *call = f->call;
	struct kzk_sink *sink = f->raw->sink;

	kc_log_use(f->raw->logger);
	call->zrc = rc;
	call->impl = NULL;
	flight_free(f);
	sink->answered(sink, call);
}

static struct kzk_call *
call_of(const void *data)
{
	return ((const struct flight *)data)->call;
}

static void
on_void(int rc, const void *data)
{
	answer(data, rc);
}

static void
on_string(int rc, const char *value, const void *data)
{
	struct kzk_call *call = call_of(data);

	if (rc == ZOK && value != NULL &&
	    (call->created = strdup(value)) == NULL)
		rc = ZSYSTEMERROR;
	answer(data, rc);
}

static void
on_stat(int rc, const struct Stat *stat, const void *data)
{
	if (rc == ZOK && stat != NULL)
		stat_copy(&call_of(data)->stat, stat);
	answer(data, rc);
}

static void
on_data(int rc, const char *value, int len, const struct Stat *stat,
    const void *data)
{
	struct kzk_call *call = call_of(data);

	if (rc == ZOK) {
		stat_copy(&call->stat, stat);
		call->out_len = -1;
		if (value != NULL && len >= 0) {
			/* One more, so that text can be read as a string. */
			call->out = malloc((size_t)len + 1);
			if (call->out != NULL) {
				memcpy(call->out, value, (size_t)len);
				call->out[len] = '\0';
				call->out_len = len;
			} else
				rc = ZSYSTEMERROR;
		}
	}
	answer(data, rc);
}

static int
names_copy(struct kzk_call *call, const struct String_vector *v)
{
	size_t size = 0;
	char *p;

	for (int32_t i = 0; i < v->count; i++)
		size += strlen(v->data[i]) + 1;
	size += (size_t)v->count * sizeof *call->names;
	if (v->count == 0)
		return ZOK;
	if ((call->names = malloc(size)) == NULL)
		return ZSYSTEMERROR;
	p = (char *)(call->names + v->count);
	for (int32_t i = 0; i < v->count; i++) {
		size_t len = strlen(v->data[i]);

		memcpy(p, v->data[i], len + 1);
		call->names[i] = (struct kc_str){ p, (int32_t)len };
		p += len + 1;
	}
	call->nnames = v->count;
	return ZOK;
}

static void
on_children(int rc, const struct String_vector *strings,
    const struct Stat *stat, const void *data)
{
	struct kzk_call *call = call_of(data);

	if (rc == ZOK) {
		stat_copy(&call->stat, stat);
		rc = names_copy(call, strings);
	}
	answer(data, rc);
}

static void
on_multi(int rc, const void *data)
{
	const struct flight *f = data;
	struct kzk_call *call = f->call;

	for (int32_t i = 0; i < call->nparts; i++) {
		struct kzk_call *part = call->parts[i];

		part->zrc = f->results[i].err;
		if (rc != ZOK)
			continue;
		if (part->type == KZK_OP_SET)
			stat_copy(&part->stat, &f->stats[i]);
		if (part->type == KZK_OP_CREATE &&
		    (part->created = strdup(f->results[i].value)) == NULL)
			rc = ZSYSTEMERROR;
	}
	answer(data, rc);
}

static const struct ACL_vector *
acl_of(const struct kzk_call *call)
{
	static const struct ACL creator_read[] = {
		{ 0x1f, { (char *)"auth", (char *)"" } },
		{ 0x01, { (char *)"world", (char *)"anyone" } },
	};
	static const struct ACL_vector read = { 2,
		(struct ACL *)(uintptr_t)creator_read };

	switch (call->acl) {
	case KZK_ACL_READ:
		return &read;
	case KZK_ACL_CREATOR:
		return &ZOO_CREATOR_ALL_ACL;
	default:
		return &ZOO_OPEN_ACL_UNSAFE;
	}
}

static int
create_mode(unsigned flags)
{
	if (flags & KZK_EPHEMERAL)
		return (flags & KZK_SEQUENTIAL) ? ZOO_EPHEMERAL_SEQUENTIAL :
						  ZOO_EPHEMERAL;
	return (flags & KZK_SEQUENTIAL) ? ZOO_PERSISTENT_SEQUENTIAL :
					  ZOO_PERSISTENT;
}

static void
part_init(struct flight *f, int32_t i)
{
	struct kzk_call *part = f->call->parts[i];
	zoo_op_t *op = &f->ops[i];

	switch (part->type) {
	case KZK_OP_CREATE:
		zoo_create_op_init(op, part->path, part->data.p, part->data.len,
		    acl_of(part), create_mode(part->flags),
		    f->created + (size_t)i * CREATED_MAX, CREATED_MAX);
		break;
	case KZK_OP_SET:
		zoo_set_op_init(op, part->path, part->data.p, part->data.len,
		    part->version, &f->stats[i]);
		break;
	case KZK_OP_DELETE:
		zoo_delete_op_init(op, part->path, part->version);
		break;
	case KZK_OP_CHECK:
		zoo_check_op_init(op, part->path, part->version);
		break;
	default:
		KC_ASSERT(!"a read in a multi");
	}
}

static int
submit_write(struct kzk_raw *raw, struct kzk_call *call, struct flight *f)
{
	switch (call->type) {
	case KZK_OP_CREATE:
		return zoo_acreate(raw->zh, call->path, call->data.p,
		    call->data.len, acl_of(call), create_mode(call->flags),
		    on_string, f);
	case KZK_OP_SET:
		return zoo_aset(raw->zh, call->path, call->data.p,
		    call->data.len, call->version, on_stat, f);
	case KZK_OP_DELETE:
		return zoo_adelete(
		    raw->zh, call->path, call->version, on_void, f);
	case KZK_OP_MULTI:
		for (int32_t i = 0; i < call->nparts; i++)
			part_init(f, i);
		return zoo_amulti(
		    raw->zh, call->nparts, f->ops, f->results, on_multi, f);
	default:
		return ZUNIMPLEMENTED;
	}
}

static int
lib_submit(struct kzk_raw *raw, struct kzk_call *call)
{
	struct flight *f;
	int rc;

	KC_CHECK(raw, KZK_RAW_MAGIC);
	if ((f = flight_new(raw, call)) == NULL)
		return ZSYSTEMERROR;
	switch (call->type) {
	case KZK_OP_GET:
		rc = zoo_aget(raw->zh, call->path, call->watch, on_data, f);
		break;
	case KZK_OP_EXISTS:
		rc = zoo_aexists(raw->zh, call->path, call->watch, on_stat, f);
		break;
	case KZK_OP_CHILDREN:
		rc = zoo_aget_children2(
		    raw->zh, call->path, call->watch, on_children, f);
		break;
	case KZK_OP_SYNC:
		rc = zoo_async(raw->zh, call->path, on_string, f);
		break;
	default:
		rc = submit_write(raw, call, f);
		break;
	}
	if (rc != ZOK) {
		call->impl = NULL;
		flight_free(f);
	}
	return rc;
}

const struct kzk_ops kzk_ops_lib = {
	.open = lib_open,
	.close = lib_close,
	.add_auth = lib_add_auth,
	.submit = lib_submit,
	.session_id = lib_session_id,
	.session_timeout_ms = lib_session_timeout_ms,
};
