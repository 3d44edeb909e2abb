#include "kbroker/changes.h"

#include "kcommon/base/assert.h"
#include "kcommon/base/clock.h"
#include "kcommon/base/err.h"
#include "kcommon/base/log.h"
#include "kcommon/io/fiber.h"
#include "kzk/await.h"
#include "kzk/path.h"

#include <inttypes.h>
#include <stdlib.h>

#define LOGGER "kafka.common.ZkNodeChangeNotificationListener"

#define AGE_MAX_MS (15 * 60 * 1000) /* then a notification is deleted */
#define PURGE_MAX 100 /* looked at, and deleted, in one go */
#define WAVE 1000 /* nodes read together */
#define RETRY_MS 500 /* after ZooKeeper's error */
#define STOP_MS 5000
#define STOP_STEP_MS 100

struct node {
	int64_t number;
	char *name; /* of the node; owned */
};

struct kb_changes {
	unsigned magic;
#define KB_CHANGES_MAGIC 0x4c1a9e05
	struct kb_changes_params p;
	struct kzk_watch watch;
	struct kc_fiber *fiber; /* NULL: it has ended */
	bool dirty; /* the watch fired since the last listing */
	bool stop;
	int64_t last; /* number of the last one taken; -1 none */

	/* The listing under way. */
	struct node *v; /* rising numbers */
	int32_t n;
};

static void
on_event(struct kzk_watch *w, enum kzk_event ev KC_UNUSED)
{
	struct kb_changes *c = KC_CONTAINER(w, struct kb_changes, watch);

	c->dirty = true;
	if (c->fiber != NULL)
		kc_fiber_wake(c->fiber);
}

static void
free_list(struct kb_changes *c)
{
	for (int32_t i = 0; i < c->n; i++)
		free(c->v[i].name);
	free(c->v);
	c->v = NULL;
	c->n = 0;
}

static int
by_number(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int
list(struct kb_changes *c)
{
	struct kzk_op *op = NULL;
	int rc;

	rc = kzk_await(kzk_op_children(c->p.zk, c->p.dir, &c->watch), &op);
	if (rc != KC_OK)
		return rc;
	c->v = calloc((size_t)op->nchildren + 1, sizeof *c->v);
	if (c->v == NULL)
		return KC_ENOMEM;
	for (int32_t i = 0; i < op->nchildren; i++) {
		struct node *n = &c->v[c->n];

		if (kzk_seq_number(op->children[i], c->p.prefix, &n->number) !=
		    KC_OK)
			continue;
		if ((n->name = kc_str_dup(op->children[i])) == NULL)
			return KC_ENOMEM;
		c->n++;
	}
	if (c->n > 0)
		qsort(c->v, (size_t)c->n, sizeof *c->v, by_number);
	return KC_OK;
}

static int
open_batch(struct kb_changes *c, int32_t from, int32_t to, bool data,
    struct kzk_batch **bp)
{
	struct kzk_path path;
	int rc = kzk_batch_open(bp, c->p.zk);

	for (int32_t i = from; i < to && rc == KC_OK; i++) {
		rc = kzk_path_child(&path, c->p.dir, kc_str(c->v[i].name));
		if (rc == KC_OK)
			rc = kzk_batch_add(*bp,
			    data ? kzk_op_get(c->p.zk, path.s, NULL) :
				   kzk_op_exists(c->p.zk, path.s, NULL));
	}
	if (rc != KC_OK)
		kzk_batch_close(bp);
	return rc;
}

/* Names of one wave, each once: what they name is read after all of it. */
static int
names_of(
    struct kb_changes *c, const struct kzk_batch *b, char ***namesp, int *np)
{
	char **v = calloc((size_t)b->n + 1, sizeof *v);
	char name[KB_CHANGES_NAME_MAX];
	int n = 0, rc = KC_OK;

	if (v == NULL)
		return KC_ENOMEM;
	for (int32_t i = 0; i < b->n && rc == KC_OK; i++) {
		const struct kzk_op *op = b->ops[i];
		bool known = false;

		if (op->err == KC_ENOENT) /* purged by somebody */
			continue;
		if ((rc = op->err) != KC_OK)
			break;
		if (c->p.decode(op->data, name, sizeof name) != KC_OK) {
			kc_log(KC_LOG_ERROR, LOGGER,
			    "Ignoring the notification %s, which cannot be "
			    "read",
			    op->path);
			continue;
		}
		for (int k = 0; k < n && !known; k++)
			known = strcmp(v[k], name) == 0;
		if (known)
			continue;
		if ((v[n] = strdup(name)) == NULL)
			rc = KC_ENOMEM;
		else
			n++;
	}
	*namesp = v;
	*np = n;
	return rc;
}

static int
take_wave(struct kb_changes *c, int32_t from, int32_t to)
{
	struct kzk_batch *b = NULL;
	char **names = NULL;
	int n = 0, rc = open_batch(c, from, to, true, &b);

	if (rc != KC_OK)
		return rc;
	b = kzk_await_batch(b);
	rc = names_of(c, b, &names, &n);
	for (int i = 0; i < n; i++) {
		if (rc == KC_OK && !c->stop)
			c->p.changed(c->p.arg, kc_str(names[i]));
		free(names[i]);
	}
	free(names);
	if (rc == KC_OK)
		c->last = c->v[to - 1].number;
	return rc;
}

/* The oldest ones, if they are old enough. */
static void
purge(struct kb_changes *c)
{
	int64_t now = kc_wall_ms(c->p.clock);
	int32_t n = KC_MIN(c->n, PURGE_MAX), old = 0;
	struct kzk_batch *b = NULL;
	struct kzk_path path;

	if (n == 0 || open_batch(c, 0, n, false, &b) != KC_OK)
		return;
	b = kzk_await_batch(b);
	while (old < b->n && b->ops[old]->err == KC_OK &&
	    now - b->ops[old]->stat.ctime_ms > AGE_MAX_MS)
		old++;
	b = NULL;
	if (old == 0 || c->stop || kzk_batch_open(&b, c->p.zk) != KC_OK)
		return;
	for (int32_t i = 0; i < old; i++)
		if (kzk_path_child(&path, c->p.dir, kc_str(c->v[i].name)) ==
		    KC_OK)
			(void)kzk_batch_add(
			    b, kzk_op_delete(c->p.zk, path.s, -1));
	/* Another broker may have been quicker; the next run tries again. */
	(void)kzk_await_batch(b);
}

static int
look(struct kb_changes *c)
{
	int32_t at = 0;
	int rc = list(c);

	while (at < c->n && c->v[at].number <= c->last)
		at++;
	for (; at < c->n && rc == KC_OK && !c->stop; at += WAVE)
		rc = take_wave(c, at, KC_MIN(at + WAVE, c->n));
	if (rc == KC_OK && !c->stop)
		purge(c);
	free_list(c);
	return rc;
}

static void
reader(void *arg)
{
	struct kb_changes *c = arg;
	int rc;

	c->fiber = kc_fiber_self();
	while (!c->stop) {
		c->dirty = false;
		rc = look(c);
		if (rc != KC_OK && !c->stop) {
			kc_log(KC_LOG_WARN, LOGGER,
			    "Cannot read the notifications in %s: %s", c->p.dir,
			    kc_strerror(rc));
			kc_fiber_sleep(RETRY_MS);
			continue;
		}
		while (!c->dirty && !c->stop)
			kc_fiber_wait();
	}
	c->fiber = NULL;
}

int
kb_changes_open(struct kb_changes **cp, const struct kb_changes_params *p)
{
	struct kb_changes *c;
	int rc;

	KC_ASSERT(*cp == NULL);
	c = kc_new(struct kb_changes, KB_CHANGES_MAGIC);
	if (c == NULL)
		return KC_ENOMEM;
	c->p = *p;
	c->last = -1;
	kzk_watch_init(&c->watch, on_event);
	rc = kc_fiber_start(kzk_loop(p->zk), reader, c);
	if (rc != KC_OK) {
		kc_delete(c);
		return rc;
	}
	*cp = c;
	return KC_OK;
}

void
kb_changes_stop(struct kb_changes *c)
{
	c->stop = true;
	kzk_watch_cancel(&c->watch);
	if (c->fiber != NULL)
		kc_fiber_wake(c->fiber);
	for (int ms = 0; c->fiber != NULL && ms < STOP_MS; ms += STOP_STEP_MS)
		kc_fiber_sleep(STOP_STEP_MS);
}

void
kb_changes_close(struct kb_changes **cp)
{
	struct kb_changes *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	KC_ASSERT(c->fiber == NULL);
	kc_delete(c);
}
