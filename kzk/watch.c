/*
 * watch -- which struct kzk_watch waits for which node.
 *
 * The handle knows a node as watched or not and tells each event of it once;
 * whom it concerns is decided here.  So a watch can be canceled without a
 * word to ZooKeeper: an event that nobody waits for is dropped.
 */
#include "kzk/session_priv.h"

#include "kcommon/base/assert.h"

#include <stdlib.h>
#include <string.h>

void
kzk_watch_init(
    struct kzk_watch *w, void (*fn)(struct kzk_watch *w, enum kzk_event ev))
{
	memset(w, 0, sizeof *w);
	w->fn = fn;
}

bool
kzk_watch_armed(const struct kzk_watch *w)
{
	return w->prev != NULL;
}

static void
push(struct kzk_watch **head, struct kzk_watch *w)
{
	w->next = *head;
	w->prev = head;
	if (w->next != NULL)
		w->next->prev = &w->next;
	*head = w;
}

static void
take_out(struct kzk_watch *w)
{
	*w->prev = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	w->next = NULL;
	w->prev = NULL;
}

/* The table is kept by the path itself: it is the session's. */
static void
unarm(struct kzk *zk, struct kzk_watch *w)
{
	struct kzk_watch_path *at = w->at;

	take_out(w);
	w->at = NULL;
	if (at == NULL || at->watches != NULL)
		return;
	HASH_DEL(zk->watches, at);
	free(at);
}

void
kzk_watch_cancel(struct kzk_watch *w)
{
	if (w->reading != NULL) {
		w->reading->watch = NULL;
		w->reading = NULL;
	}
	if (w->prev == NULL)
		return;
	if (w->at != NULL)
		unarm(w->at->zk, w);
	else
		take_out(w);
}

static struct kzk_watch_path *
path_get(struct kzk *zk, const char *path)
{
	struct kzk_watch_path *at;
	size_t len = strlen(path);

	HASH_FIND(hh, zk->watches, path, len, at);
	if (at != NULL)
		return at;
	if ((at = calloc(1, sizeof *at + len + 1)) == NULL)
		return NULL;
	memcpy(at->path, path, len);
	at->zk = zk;
	HASH_ADD_KEYPTR(hh, zk->watches, at->path, len, at);
	return at;
}

static void
due(struct kzk *zk, struct kzk_watch *w, enum kzk_event ev)
{
	if (w->prev != NULL)
		unarm(zk, w);
	w->due = ev;
	push(&zk->due, w);
}

/* One by one: each may cancel, arm or free others. */
void
kzk_watch_fire(struct kzk *zk)
{
	struct kzk_watch *w;

	while ((w = zk->due) != NULL) {
		take_out(w);
		w->fn(w, w->due);
	}
}

void
kzk_watch_read(struct kzk_opx *x, bool armed)
{
	struct kzk_watch *w = x->watch;
	struct kzk *zk = x->zk;
	struct kzk_watch_path *at;

	if (w == NULL)
		return;
	x->watch = NULL;
	w->reading = NULL;
	if (!armed)
		return;
	if (w->prev != NULL)
		unarm(zk, w);
	w->kind = (int)x->pub.type;
	if ((at = path_get(zk, x->path)) == NULL) {
		/* No memory to remember it: let it look again at once. */
		due(zk, w, KZK_EVENT_SESSION);
		return;
	}
	w->at = at;
	push(&at->watches, w);
}

static bool
concerns(const struct kzk_watch *w, enum kzk_raw_event ev)
{
	switch (ev) {
	case KZK_RAW_CREATED:
		return w->kind == KZK_OP_EXISTS;
	case KZK_RAW_CHANGED:
		return w->kind != KZK_OP_CHILDREN;
	case KZK_RAW_CHILDREN:
		return w->kind == KZK_OP_CHILDREN;
	default:
		return true; /* deleted */
	}
}

static enum kzk_event
event_of(enum kzk_raw_event ev)
{
	switch (ev) {
	case KZK_RAW_CREATED:
		return KZK_EVENT_CREATED;
	case KZK_RAW_CHANGED:
		return KZK_EVENT_CHANGED;
	case KZK_RAW_CHILDREN:
		return KZK_EVENT_CHILDREN;
	default:
		return KZK_EVENT_DELETED;
	}
}

void
kzk_watch_event(struct kzk *zk, enum kzk_raw_event ev, const char *path)
{
	struct kzk_watch_path *at;
	struct kzk_watch *w, *next;

	HASH_FIND(hh, zk->watches, path, strlen(path), at);
	if (at == NULL)
		return;
	for (w = at->watches; w != NULL; w = next) {
		next = w->next; /* at may go with the last one */
		if (concerns(w, ev))
			due(zk, w, event_of(ev));
	}
	kzk_watch_fire(zk);
}

void
kzk_watch_reset(struct kzk *zk)
{
	struct kzk_watch_path *at, *tmp;
	struct kzk_watch *w, *next;

	HASH_ITER(hh, zk->watches, at, tmp)
		for (w = at->watches; w != NULL; w = next) {
			next = w->next;
			due(zk, w, KZK_EVENT_SESSION);
		}
	kzk_watch_fire(zk);
}

void
kzk_watch_drop(struct kzk *zk)
{
	struct kzk_watch_path *at, *tmp;
	struct kzk_watch *w, *next;

	HASH_ITER(hh, zk->watches, at, tmp)
		for (w = at->watches; w != NULL; w = next) {
			next = w->next;
			unarm(zk, w);
		}
	while (zk->due != NULL)
		take_out(zk->due);
}
