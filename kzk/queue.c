/*
 * queue -- the way of operations: out, answered, out again, done.
 *
 * Invariant: while the session lives every operation that was submitted is
 * in exactly one of zk->again, zk->queue and zk->flight, and zk->flight never
 * holds more than max_in_flight.
 */
#include "kzk/session_priv.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/err.h"

#include <stdlib.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

void
kzk_list_append(struct kzk_ops_list *l, struct kzk_opx *x)
{
	KC_ASSERT(x->in == NULL);
	x->next = NULL;
	x->prev = l->tail;
	if (l->tail != NULL)
		l->tail->next = x;
	else
		l->head = x;
	l->tail = x;
	l->n++;
	x->in = l;
}

void
kzk_list_remove(struct kzk_opx *x)
{
	struct kzk_ops_list *l = x->in;

	KC_ASSERT(l != NULL);
	if (x->prev != NULL)
		x->prev->next = x->next;
	else
		l->head = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	else
		l->tail = x->prev;
	l->n--;
	x->next = x->prev = NULL;
	x->in = NULL;
}

int
kzk_err(int zrc)
{
	switch (zrc) {
	case ZOK:
		return KC_OK;
	case ZNONODE:
		return KC_ENOENT;
	case ZNODEEXISTS:
		return KC_EEXIST;
	case ZBADVERSION:
		return KC_EBADVERSION;
	case ZNOTEMPTY:
		return KC_ENOTEMPTY;
	case ZNOAUTH:
	case ZINVALIDACL:
		return KC_EACCES;
	case ZSESSIONEXPIRED:
	case ZSESSIONCLOSEDREQUIRESASLAUTH:
		return KC_ESESSION;
	case ZAUTHFAILED:
		return KC_EAUTH;
	case ZBADARGUMENTS:
	case ZNOCHILDRENFOREPHEMERALS:
		return KC_EINVAL;
	case ZRUNTIMEINCONSISTENCY:
		return KC_ECANCELED;
	case ZUNIMPLEMENTED:
	case ZNOTREADONLY:
		return KC_EUNSUPPORTED;
	case ZCONNECTIONLOSS:
	case ZOPERATIONTIMEOUT:
		return KC_EINDOUBT;
	default:
		return KC_ENETWORK;
	}
}

static bool
is_read(const struct kzk_opx *x)
{
	return x->pub.type == KZK_OP_GET || x->pub.type == KZK_OP_EXISTS ||
	    x->pub.type == KZK_OP_CHILDREN || x->pub.type == KZK_OP_SYNC;
}

/*
 * The connection went before the answer came.  What the client reports then
 * depends on where it noticed, but never before it told of the loss.
 */
static bool
is_loss(const struct kzk *zk, int zrc)
{
	if (zrc == ZCONNECTIONLOSS || zrc == ZOPERATIONTIMEOUT ||
	    zrc == ZSESSIONMOVED)
		return true;
	return zrc < 0 && zrc > ZAPIERROR && zrc != ZBADARGUMENTS &&
	    zk->state != KZK_ST_CONNECTED && zk->state != KZK_ST_CHROOT;
}

/* --- out ------------------------------------------------------------------ */

/* After a conflict that an earlier try may explain, the node is read. */
static struct kzk_call *
wire_of(struct kzk_opx *x)
{
	if (x->zrc_doubt != 0) {
		x->verify.type = KZK_OP_GET;
		x->verify.path = x->path;
		x->verify.user = x;
		return &x->verify;
	}
	return x->fenced ? &x->wrap : &x->call;
}

void
kzk_queue_pump(struct kzk *zk)
{
	struct kzk_sink *sink = &zk->box->sink;
	struct kzk_opx *x;
	int zrc;

	while (!zk->stalled && zk->flight.n < zk->max_in_flight) {
		if (zk->state != KZK_ST_CONNECTED && zk->state != KZK_ST_CHROOT)
			return;
		x = zk->again.head;
		if (x == NULL && zk->state == KZK_ST_CONNECTED)
			x = zk->queue.head;
		if (x == NULL)
			return;
		x->wire = wire_of(x);
		kzk_call_clear(x->wire);
		zrc = zk->ops->submit(zk->raw, x->wire);
		if (zrc == ZINVALIDSTATE) {
			/* The end of the handle is on its way to us. */
			zk->stalled = true;
			return;
		}
		kzk_list_remove(x);
		kzk_list_append(&zk->flight, x);
		if (zrc != ZOK) { /* answered like the others: later */
			x->wire->zrc = zrc;
			for (int32_t i = 0; i < x->wire->nparts; i++)
				x->wire->parts[i]->zrc = zrc;
			sink->answered(sink, x->wire);
		}
	}
}

static void
once_more(struct kzk_opx *x)
{
	kzk_list_append(&x->zk->again, x);
}

/* KZK_PARENTS: every ancestor, then the node itself again, in that order. */
static void
with_parents(struct kzk_opx *x)
{
	struct kzk *zk = x->zk;
	struct kzk_opx *up;
	char *end, *path;

	x->parents = false;
	if ((path = strdup(x->pub.path)) == NULL) {
		kzk_queue_done(x, KC_ENOMEM, 0);
		return;
	}
	for (end = path; (end = strchr(end + 1, '/')) != NULL; *end = '/') {
		*end = '\0';
		up = kzk_opx_new(
		    zk, KZK_OP_CREATE, path, KC_STR_NULL, x->root == 0);
		if (up == NULL)
			break;
		up->safe = true;
		once_more(up);
	}
	free(path);
	once_more(x);
}

/* --- answered ------------------------------------------------------------- */

/* The node as read back: is this what our write would have left? */
static bool
is_ours(const struct kzk_opx *x)
{
	const struct kzk_call *v = &x->verify;
	const struct kc_str found = { v->out, v->out_len };

	if (!kc_str_eq(found, x->call.data) &&
	    !(found.len <= 0 && x->call.data.len <= 0))
		return false;
	if (x->pub.type == KZK_OP_SET)
		return v->stat.version == x->call.version + 1;
	if (x->call.flags & KZK_EPHEMERAL)
		return v->stat.owner == x->zk->session_id;
	return v->stat.owner == 0;
}

static void
verified(struct kzk_opx *x)
{
	int conflict = x->zrc_doubt;
	int zrc = x->verify.zrc;

	x->zrc_doubt = 0;
	if (zrc == ZOK && is_ours(x)) {
		x->call.stat = x->verify.stat;
		if (x->pub.type == KZK_OP_CREATE)
			x->call.created = strdup(x->path);
		kzk_queue_done(x, KC_OK, ZOK);
	} else if (zrc == ZNONODE && x->pub.type == KZK_OP_CREATE &&
	    x->retries++ < KZK_WRITE_RETRIES_MAX)
		once_more(x); /* whoever was there has gone */
	else if (zrc == ZOK || zrc == ZNONODE)
		kzk_queue_done(x, kzk_err(conflict), conflict);
	else
		kzk_queue_done(x, kzk_err(zrc), zrc);
}

static void
lost(struct kzk_opx *x, int zrc)
{
	if (is_read(x) || x->wire == &x->verify) {
		once_more(x);
		return;
	}
	if (x->safe && x->retries++ < KZK_WRITE_RETRIES_MAX) {
		x->doubt = true;
		once_more(x);
		return;
	}
	kzk_queue_done(x, KC_EINDOUBT, zrc);
}

/* A write that may have been done by an earlier try of ours. */
static bool
explained(struct kzk_opx *x, int zrc)
{
	if (!x->doubt)
		return false;
	if (zrc == ZNONODE && x->pub.type == KZK_OP_DELETE) {
		kzk_queue_done(x, KC_OK, ZOK);
		return true;
	}
	if ((zrc == ZNODEEXISTS && x->pub.type == KZK_OP_CREATE) ||
	    (zrc == ZBADVERSION && x->pub.type == KZK_OP_SET)) {
		x->zrc_doubt = zrc;
		once_more(x);
		return true;
	}
	return false;
}

void
kzk_queue_answered(struct kzk *zk, struct kzk_opx *x)
{
	int zrc = x->wire->zrc;

	KC_CHECK(x, KZK_OPX_MAGIC);
	KC_ASSERT(x->in == &zk->flight);
	kzk_list_remove(x);
	if (zrc == ZSESSIONEXPIRED || zrc == ZCLOSING || zrc == ZAUTHFAILED) {
		zk->stalled = true; /* the event that ends it follows */
		once_more(x);
	} else if (zrc == ZTHROTTLEDOP) {
		once_more(x);
	} else if (is_loss(zk, zrc)) {
		lost(x, zrc);
	} else if (x->wire == &x->verify) {
		verified(x);
	} else if (x->wire == &x->wrap && zrc != ZOK &&
	    (x->fence.zrc == ZBADVERSION || x->fence.zrc == ZNONODE)) {
		kzk_queue_done(x, KC_EFENCED, x->fence.zrc);
	} else {
		if (x->wire == &x->wrap && zrc != ZOK && x->call.zrc != ZOK)
			zrc = x->call.zrc;
		if (explained(x, zrc))
			;
		else if (zrc == ZNONODE && x->parents)
			with_parents(x);
		else
			kzk_queue_done(x, kzk_err(zrc), zrc);
	}
	kzk_queue_pump(zk);
}

/* --- done ------------------------------------------------------------------
 */

static void
fill(struct kzk_opx *x, int err, int zrc)
{
	struct kzk_op *op = &x->pub;
	const struct kzk_call *c = &x->call;

	op->err = err;
	op->zrc = zrc;
	if (err != KC_OK)
		return;
	if (c->created != NULL)
		op->created = c->created + x->root;
	if (c->out != NULL)
		op->data = (struct kc_str){ c->out, c->out_len };
	op->stat = c->stat;
	op->children = c->names;
	op->nchildren = c->nnames;
}

static void
fill_subs(struct kzk_opx *x, int err)
{
	bool answered = x->wire == &x->call && err != KC_EINDOUBT &&
	    err != KC_ESESSION && err != KC_EAUTH && err != KC_ECLOSED;

	for (int32_t i = 0; i < x->pub.nsubs; i++) {
		struct kzk_opx *sub = kzk_opx(x->pub.subs[i]);
		int zrc = sub->call.zrc;

		if (answered)
			fill(sub, kzk_err(zrc), zrc);
		else
			fill(sub, err, x->pub.zrc);
	}
}

void
kzk_queue_done(struct kzk_opx *x, int err, int zrc)
{
	KC_ASSERT(x->in == NULL);
	fill(x, err, zrc);
	if (x->pub.type == KZK_OP_MULTI)
		fill_subs(x, err);
	/* Of a session that ended: it fires when the next one begins. */
	kzk_watch_read(x,
	    err == KC_OK || err == KC_ESESSION || err == KC_EAUTH ||
		(zrc == ZNONODE && x->pub.type == KZK_OP_EXISTS));
	x->finished = true;
	if (x->batch != NULL) {
		kzk_batch_one_done(x);
		return;
	}
	if (x->pub.done != NULL)
		x->pub.done(&x->pub);
	kzk_opx_free(x);
}

void
kzk_queue_end(struct kzk *zk, int err)
{
	struct kzk_opx *x;

	for (;;) {
		/* Oldest first. */
		if ((x = zk->flight.head) == NULL &&
		    (x = zk->again.head) == NULL &&
		    (x = zk->queue.head) == NULL)
			return;
		kzk_list_remove(x);
		kzk_queue_done(x, err, 0);
	}
}
