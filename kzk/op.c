/*
 * op -- operations: made, put together, submitted, freed.
 */
#include "kzk/session_priv.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"
#include "kzk/auth.h"

#include <stdlib.h>
#include <string.h>

/* What ZooKeeper's PathUtils.validatePath refuses. */
static bool
path_ok(const char *path, unsigned flags)
{
	const char *p = path;
	size_t len;

	if (*p != '/')
		return false;
	if (p[1] == '\0')
		return true;
	while (*p == '/') {
		len = strcspn(++p, "/");
		if (len == 0) /* "//", or '/' at the end: for a sequence */
			return *p == '\0' && (flags & KZK_SEQUENTIAL);
		if ((len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		for (size_t i = 0; i < len; i++)
			if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
				return false;
		p += len;
	}
	return true;
}

struct kzk_opx *
kzk_opx_new(struct kzk *zk, enum kzk_op_type type, const char *path,
    struct kc_str data, bool absolute)
{
	size_t root = absolute ? 0 : zk->chroot_len;
	size_t len = strlen(path);
	size_t size = data.len > 0 ? (size_t)data.len : 0;
	struct kzk_opx *x;
	char *p;

	KC_CHECK(zk, KZK_MAGIC);
	if ((x = calloc(1, sizeof *x + root + len + 1 + size)) == NULL)
		return NULL;
	x->magic = KZK_OPX_MAGIC;
	x->zk = zk;
	p = (char *)(x + 1);
	x->path = p;
	x->root = root;
	memcpy(p, zk->chroot, root);
	memcpy(p + root, path, len + 1);
	if (root > 0 && strcmp(path, "/") == 0)
		x->path[root] = '\0'; /* the chroot itself */
	x->data = p + root + len + 1;
	if (size > 0)
		memcpy(x->data, data.p, size);
	x->pub.type = type;
	x->pub.path = root > 0 && len == 1 ? "/" : x->path + root;
	x->pub.data = KC_STR_NULL;
	x->call.type = type;
	x->call.path = x->path;
	x->call.version = -1;
	x->call.data =
	    data.len < 0 ? KC_STR_NULL : (struct kc_str){ x->data, data.len };
	x->call.user = x;
	x->call.acl = kzk_auth_acl(zk->set_acl, path);
	if (root + len >= KZK_NAME_MAX)
		x->bad = KC_EINVAL;
	return x;
}

static struct kzk_op *
op_new(struct kzk *zk, enum kzk_op_type type, const char *path,
    struct kc_str data, unsigned flags, int32_t version)
{
	struct kzk_opx *x = kzk_opx_new(zk, type, path, data, false);

	if (x == NULL)
		return NULL;
	x->call.version = version;
	x->call.flags = flags & (KZK_EPHEMERAL | KZK_SEQUENTIAL);
	x->parents = (flags & KZK_PARENTS) != 0;
	if (x->bad == 0 && !path_ok(path, flags))
		x->bad = KC_EINVAL;
	return &x->pub;
}

static struct kzk_op *
read_new(struct kzk *zk, enum kzk_op_type type, const char *path,
    struct kzk_watch *watch)
{
	struct kzk_op *op = op_new(zk, type, path, KC_STR_NULL, 0, -1);

	if (op == NULL)
		return NULL;
	kzk_opx(op)->watch = watch;
	kzk_opx(op)->call.watch = watch != NULL;
	return op;
}

struct kzk_op *
kzk_op_create(
    struct kzk *zk, const char *path, struct kc_str data, unsigned flags)
{
	return op_new(zk, KZK_OP_CREATE, path, data, flags, -1);
}

struct kzk_op *
kzk_op_get(struct kzk *zk, const char *path, struct kzk_watch *watch)
{
	return read_new(zk, KZK_OP_GET, path, watch);
}

struct kzk_op *
kzk_op_exists(struct kzk *zk, const char *path, struct kzk_watch *watch)
{
	return read_new(zk, KZK_OP_EXISTS, path, watch);
}

struct kzk_op *
kzk_op_children(struct kzk *zk, const char *path, struct kzk_watch *watch)
{
	return read_new(zk, KZK_OP_CHILDREN, path, watch);
}

struct kzk_op *
kzk_op_set(
    struct kzk *zk, const char *path, struct kc_str data, int32_t version)
{
	return op_new(zk, KZK_OP_SET, path, data, 0, version);
}

struct kzk_op *
kzk_op_delete(struct kzk *zk, const char *path, int32_t version)
{
	return op_new(zk, KZK_OP_DELETE, path, KC_STR_NULL, 0, version);
}

struct kzk_op *
kzk_op_check(struct kzk *zk, const char *path, int32_t version)
{
	return op_new(zk, KZK_OP_CHECK, path, KC_STR_NULL, 0, version);
}

struct kzk_op *
kzk_op_sync(struct kzk *zk, const char *path)
{
	return op_new(zk, KZK_OP_SYNC, path, KC_STR_NULL, 0, -1);
}

struct kzk_op *
kzk_op_multi(struct kzk *zk)
{
	struct kzk_op *op = op_new(zk, KZK_OP_MULTI, "/", KC_STR_NULL, 0, -1);
	struct kzk_opx *x;

	if (op == NULL)
		return NULL;
	x = kzk_opx(op);
	op->subs = calloc(KZK_MULTI_MAX, sizeof *op->subs);
	x->parts = calloc(KZK_MULTI_MAX, sizeof(struct kzk_call *));
	if (op->subs == NULL || x->parts == NULL) {
		kzk_op_free(op);
		return NULL;
	}
	x->call.parts = x->parts;
	return op;
}

struct kzk_op *
kzk_op_add(struct kzk_op *multi, struct kzk_op *sub)
{
	struct kzk_opx *m, *x;

	if (multi == NULL || sub == NULL) {
		kzk_op_free(multi);
		kzk_op_free(sub);
		return NULL;
	}
	m = kzk_opx(multi);
	x = kzk_opx(sub);
	KC_ASSERT(multi->type == KZK_OP_MULTI);
	if (multi->nsubs == KZK_MULTI_MAX) {
		m->bad = KC_ELIMIT;
		kzk_op_free(sub);
		return multi;
	}
	if (x->bad != 0)
		m->bad = x->bad;
	else if ((sub->type != KZK_OP_CREATE && sub->type != KZK_OP_SET &&
		     sub->type != KZK_OP_DELETE && sub->type != KZK_OP_CHECK) ||
	    x->fenced || x->parents)
		m->bad = KC_EINVAL;
	multi->subs[multi->nsubs] = sub;
	m->parts[multi->nsubs++] = &x->call;
	m->call.nparts = multi->nsubs;
	return multi;
}

struct kzk_op *
kzk_op_fence(struct kzk_op *op, const char *fence_path, int32_t version)
{
	struct kzk_opx *x;
	char *path;

	if (op == NULL)
		return NULL;
	x = kzk_opx(op);
	KC_ASSERT(x->parts == NULL); /* a multi has its own check */
	x->parts = calloc(2, sizeof(struct kzk_call *));
	path = malloc(x->zk->chroot_len + strlen(fence_path) + 1);
	x->fence.path = path;
	if (x->parts == NULL || path == NULL) {
		kzk_op_free(op);
		return NULL;
	}
	memcpy(path, x->zk->chroot, x->zk->chroot_len);
	strcpy(path + x->zk->chroot_len, fence_path);
	if (op->type != KZK_OP_CREATE && op->type != KZK_OP_SET &&
	    op->type != KZK_OP_DELETE)
		x->bad = KC_EINVAL;
	if (!path_ok(fence_path, 0))
		x->bad = KC_EINVAL;
	x->fenced = true;
	x->fence.type = KZK_OP_CHECK;
	x->fence.version = version;
	x->parts[0] = &x->fence;
	x->parts[1] = &x->call;
	x->wrap.type = KZK_OP_MULTI;
	x->wrap.path = x->path;
	x->wrap.parts = x->parts;
	x->wrap.nparts = 2;
	x->wrap.user = x;
	return op;
}

struct kzk_op *
kzk_op_safe(struct kzk_op *op)
{
	if (op != NULL)
		kzk_opx(op)->safe = true;
	return op;
}

static int
submit_check(const struct kzk_opx *x)
{
	const struct kzk *zk = x->zk;

	if (x->bad != 0)
		return x->bad;
	if (x->pub.type == KZK_OP_CHECK ||
	    (x->pub.type == KZK_OP_MULTI && x->pub.nsubs == 0) ||
	    (x->pub.type == KZK_OP_MULTI && x->safe))
		return KC_EINVAL;
	if (zk->dead != 0)
		return KC_ECLOSED;
	if (zk->state == KZK_ST_WINDING)
		return KC_ESESSION;
	if (x->watch != NULL && x->watch->reading != NULL)
		return KC_EBUSY;
	if (zk->queue.n + zk->again.n + zk->flight.n >= KZK_QUEUE_MAX)
		return KC_ELIMIT;
	return KC_OK;
}

int
kzk_opx_submit(struct kzk_opx *x)
{
	int rc = submit_check(x);

	if (rc == KC_ESESSION && x->watch != NULL && x->watch->reading == NULL)
		kzk_watch_read(x, true); /* fires in the next session */
	if (rc != KC_OK) {
		x->watch = NULL;
		return rc;
	}
	if (x->watch != NULL)
		x->watch->reading = x;
	kzk_list_append(&x->zk->queue, x);
	kzk_queue_pump(x->zk);
	return KC_OK;
}

int
kzk_submit(struct kzk_op *op, kzk_done_fn done, void *arg)
{
	int rc;

	if (op == NULL)
		return KC_ENOMEM;
	op->done = done;
	op->arg = arg;
	if ((rc = kzk_opx_submit(kzk_opx(op))) != KC_OK)
		kzk_op_free(op);
	return rc;
}

void
kzk_call_clear(struct kzk_call *call)
{
	free(call->created);
	free(call->out);
	free(call->names);
	call->created = NULL;
	call->out = NULL;
	call->out_len = -1;
	call->names = NULL;
	call->nnames = 0;
	call->zrc = 0;
	for (int32_t i = 0; i < call->nparts; i++)
		kzk_call_clear(call->parts[i]);
}

void
kzk_opx_free(struct kzk_opx *x)
{
	KC_CHECK(x, KZK_OPX_MAGIC);
	KC_ASSERT(x->in == NULL);
	for (int32_t i = 0; i < x->pub.nsubs; i++)
		kzk_opx_free(kzk_opx(x->pub.subs[i]));
	/* The parts of a multi are gone with their operations. */
	x->call.nparts = 0;
	kzk_call_clear(&x->call);
	kzk_call_clear(&x->verify);
	free((char *)(uintptr_t)x->fence.path);
	free(x->pub.subs);
	free(x->parts);
	kc_delete(x);
}

void
kzk_op_free(struct kzk_op *op)
{
	if (op != NULL)
		kzk_opx_free(kzk_opx(op));
}
